// What production code takes from the system, as the simulator gives it: threads, clocks, ids. The linker sends the calls here
// (--wrap), so that common/ingress runs as it is.
#include "sim/sim.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <time.h>
#include <unistd.h>

#define JOIN_LOOK_US (10 * INSTANT_MS)
#define IDLE_US      (6 * INSTANT_HOUR)

// NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp,readability-identifier-naming): names that --wrap makes
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                          void *self);
int __wrap_pthread_join(pthread_t thread, void **ret_value);
int __wrap_pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex,
                                  const struct timespec *until);
int __wrap_pthread_cond_signal(pthread_cond_t *condition);
int __wrap_clock_gettime(clockid_t id, struct timespec *ret);
int __real_clock_gettime(clockid_t id, struct timespec *ret);
int __wrap_usleep(useconds_t us);
pid_t __wrap_getpid(void);
pid_t __real_getpid(void);
const struct clock_port *__wrap_clock_system(void);
struct uuid __wrap_uuid_v7(instant now);

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                          void *self)
{
    (void)attributes;
    struct sim_process *p = sim_current();
    assert(p != NULL);
    const struct sim_thread *started = sim_thread_start(p, run, self);
    *thread = (pthread_t)(started - p->threads);
    return 0;
}

int __wrap_pthread_join(pthread_t thread, void **ret_value)
{
    (void)ret_value;
    struct sim_process *p = sim_current();
    assert(p != NULL);
    while (!p->threads[thread].ended)
        sim_wait(sim_thread_current(), sim->now + JOIN_LOOK_US);
    return 0;
}

int __wrap_pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex,
                                  const struct timespec *until)
{
    struct sim_thread *thread = sim_thread_current();
    assert(thread != NULL);
    instant at = (instant)until->tv_sec * INSTANT_SECOND + until->tv_nsec / 1000;
    // A door with nothing to do looks around every second; here it sleeps until there is something.
    if (sim_door_idle(thread->process) && at < sim->now + IDLE_US)
        at = sim->now + IDLE_US;
    pthread_mutex_unlock(mutex);
    thread->woken = false;
    thread->waits_for = condition;
    sim_wait(thread, at);
    thread->waits_for = NULL;
    sim_point(thread->process);
    pthread_mutex_lock(mutex);
    return sim->now >= at ? ETIMEDOUT : 0;
}

int __wrap_pthread_cond_signal(pthread_cond_t *condition)
{
    for (size_t i = 0; i < sim->process_count; i++) {
        struct sim_process *p = sim->processes[i];
        for (size_t k = 0; p != NULL && k < p->thread_count; k++) {
            if (p->threads[k].waits_for == condition)
                sim_wake(&p->threads[k]);
        }
    }
    return 0;
}

int __wrap_clock_gettime(clockid_t id, struct timespec *ret)
{
    if (sim == NULL)
        return __real_clock_gettime(id, ret);
    ret->tv_sec = (time_t)(sim->now / INSTANT_SECOND);
    ret->tv_nsec = (long)(sim->now % INSTANT_SECOND) * 1000;
    return 0;
}

int __wrap_usleep(useconds_t us)
{
    sim_wait(sim_thread_current(), sim->now + us);
    return 0;
}

pid_t __wrap_getpid(void)
{
    return sim == NULL ? __real_getpid() : sim_current() == NULL ? 1 : sim_current()->number;
}

static instant system_now(void *self)
{
    (void)self;
    const struct sim_process *p = sim_current();
    return sim->now + (p == NULL ? 0 : p->clock_skew);
}

static int64_t system_mono(void *self)
{
    (void)self;
    return sim->now;
}

const struct clock_port *__wrap_clock_system(void)
{
    static const struct clock_port clock = {.now = system_now, .monotonic_us = system_mono};
    return &clock;
}

// RFC 9562 version 7: milliseconds, then random bits; these come from the seed.
struct uuid __wrap_uuid_v7(instant now)
{
    struct sim_random *random = sim->ids_of != NULL ? sim->ids_of : &sim->ids;
    struct uuid id;
    uint64_t bits[2] = {sim_next(random), sim_next(random)};
    memcpy(id.b, bits, sizeof bits);
    for (int i = 0; i < 6; i++)
        id.b[i] = (uint8_t)((now / INSTANT_MS) >> (40 - 8 * i));
    id.b[6] = (uint8_t)((id.b[6] & 0x0F) | 0x70);
    id.b[8] = (uint8_t)((id.b[8] & 0x3F) | 0x80);
    return id;
}
// NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp,readability-identifier-naming)
