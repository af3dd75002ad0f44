// Time, threads and processes. One thread runs until it waits, loses its turn or dies; when nobody can run, time leaps.
#include "sim/sim.h"

#include "lane/internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define FOREVER_US        (400 * INSTANT_DAY)
#define HEARTBEAT_US      INSTANT_SECOND // as production's, while a slot is lost
#define SESSION_US        (3 * INSTANT_SECOND)
#define TURN_MIN_US       20
#define TURN_SPREAD_US    300
#define DRAIN_US          (2 * INSTANT_SECOND)
#define RESTART_SPREAD_MS 6000

struct sim *sim;
static struct sim_thread *running;

const char *sim_service_name(enum sim_service_id service)
{
    static const char *const names[SIM_SERVICES] = {"intake",      "orchestrator", "validator", "inventory",
                                                    "fulfillment", "notifier",     "desk"};
    return names[service];
}

void sim_at(instant at, sim_action *action, void *self)
{
    sim_heap_add(sim->heap, at, action, self);
}

struct sim_thread *sim_thread_current(void)
{
    return running;
}

struct sim_process *sim_current(void)
{
    return running == NULL ? NULL : running->process;
}

// ---- threads

static void run_thread_function(void *self)
{
    struct sim_thread *thread = self;
    thread->run(thread->self);
    thread->ended = true;
}

struct sim_thread *sim_thread_start(struct sim_process *process, void *(*run)(void *self), void *self)
{
    assert(process->thread_count < SIM_THREADS_MAX);
    struct sim_thread *thread = &process->threads[process->thread_count++];
    *thread = (struct sim_thread){.process = process, .run = run, .self = self};
    thread->fiber = fiber_new(run_thread_function, thread);
    return thread;
}

static void yield(struct sim_process *process)
{
    fiber_yield();
    assert(!process->dying); // the dead don't come back
}

void sim_wait(struct sim_thread *thread, instant until)
{
    assert(thread == running);
    thread->waiting = true;
    thread->wake_at = until;
    yield(thread->process);
}

void sim_wake(struct sim_thread *thread)
{
    thread->woken = true;
}

_Noreturn void sim_die(struct sim_process *process)
{
    assert(running != NULL && running->process == process);
    process->dying = true;
    fiber_yield();
    abort();
}

void sim_point(struct sim_process *process)
{
    if (running == NULL || running->process != process)
        return;
    sim_faults_point(process);
    if (process->stopped_until > sim->now || sim_below(&sim->schedule, 1000) < sim->preempt)
        yield(process);
}

// ---- the clock of a process

static instant clock_now(void *self)
{
    return sim->now + ((struct sim_process *)self)->clock_skew;
}

static int64_t clock_mono(void *self)
{
    (void)self;
    return sim->now;
}

// ---- processes

static void *run_lane(void *self)
{
    struct sim_process *p = self;
    if (sim->services[p->service].door != NULL && p->ingress == NULL)
        sim_door_open(p);
    while (!p->leaving) {
        lane_step(p->lane, p->lane->lost_at != 0 ? HEARTBEAT_US : FOREVER_US);
        p->at_rest = true;
        yield(p);
    }
    lane_drain(p->lane, DRAIN_US);
    if (p->ingress != NULL)
        sim_door_close(p);
    return NULL;
}

static enum store_mem_fault on_store_call(void *self, enum store_mem_call call)
{
    struct sim_process *p = self;
    sim_point(p);
    if (call == STORE_MEM_BEGIN) {
        p->decided = NULL;
        arena_reset(p->decided_arena);
    }
    return sim_faults_store(p, call);
}

static void make_lane(struct sim_process *p)
{
    p->store = store_mem_open(sim->services[p->service].db);
    store_mem_on_call(p->store, on_store_call, p);
    p->caller = sim_caller_new(p);
    struct lane_ports ports = {.clock = &p->clock, .bus = p->bus, .store = p->store, .caller = p->caller};
    p->lane = lane_new(&sim->services[p->service].watched, &ports, &sim->settings);
}

static struct sim_process **free_place(void)
{
    for (size_t i = 0; i < SIM_PROCESSES_MAX; i++) {
        if (sim->processes[i] == NULL || (!sim->processes[i]->alive && sim->processes[i]->bus == NULL))
            return &sim->processes[i];
    }
    abort();
}

struct sim_process *sim_process_start(enum sim_service_id service)
{
    struct sim_process **place = free_place();
    if ((size_t)(place - sim->processes) >= sim->process_count)
        sim->process_count = (size_t)(place - sim->processes) + 1;
    struct sim_process *p = arena_new_object(sim->arena, struct sim_process);
    *place = p;
    p->number = ++sim->process_numbers;
    p->service = service;
    p->alive = true;
    p->clock = (struct clock_port){.self = p, .now = clock_now, .monotonic_us = clock_mono};
    p->decided_arena = arena_new(4096);
    p->bus = sim_bus_join(p, &sim->services[service].watched);
    make_lane(p);
    sim_thread_start(p, run_lane, p);
    sim_trace("%s-%d starts", sim_service_name(service), p->number);
    return p;
}

static void drop_lane(struct sim_process *p)
{
    lane_free(p->lane);
    store_mem_close(p->store);
    sim_caller_free(p->caller);
    p->lane = NULL;
    p->store = NULL;
    p->caller = NULL;
    arena_reset(p->decided_arena);
    p->decided = NULL;
}

static void leave_group(void *self)
{
    struct sim_process *p = self;
    if (p->bus == NULL)
        return;
    sim_bus_leave(p->bus);
    p->bus = NULL;
}

static void bury(struct sim_process *p)
{
    for (size_t i = 0; i < p->thread_count; i++) {
        fiber_free(p->threads[i].fiber);
        p->threads[i].fiber = NULL;
    }
    if (p->session != NULL)
        sim_session_end(p->session);
    p->session = NULL;
    p->ingress = NULL;
    drop_lane(p);
    arena_free(p->decided_arena);
    p->alive = false;
}

void sim_process_kill(struct sim_process *p)
{
    if (!p->alive)
        return;
    assert(running == NULL);
    sim_trace("%s-%d is killed", sim_service_name(p->service), p->number);
    bury(p);
    sim_bus_silence(p->bus);
    // The group finds out by the session's end, or because the connection breaks.
    sim_after(sim_chance(&sim->schedule, 50) ? SESSION_US : 0, leave_group, p);
}

void sim_process_leave(struct sim_process *p)
{
    p->leaving = true;
    sim_wake(&p->threads[0]);
}

void sim_process_rebuild(struct sim_process *p)
{
    assert(running == NULL);
    fiber_free(p->threads[0].fiber);
    drop_lane(p);
    sim_bus_reset(p->bus);
    make_lane(p);
    struct sim_thread *thread = &p->threads[0];
    *thread = (struct sim_thread){.process = p, .run = run_lane, .self = p};
    thread->fiber = fiber_new(run_thread_function, thread);
}

struct sim_process *sim_some_process(struct sim_random *random, enum sim_service_id service)
{
    struct sim_process *alive[SIM_PROCESSES_MAX];
    size_t count = 0;
    for (size_t i = 0; i < sim->process_count; i++) {
        struct sim_process *p = sim->processes[i];
        if (p != NULL && p->alive && !p->leaving && p->service == service)
            alive[count++] = p;
    }
    return count == 0 ? NULL : alive[sim_below(random, (uint32_t)count)];
}

// ---- whose turn it is

static void start_again(void *self)
{
    sim_process_start(*(const enum sim_service_id *)self);
}

void sim_start_after(enum sim_service_id service, int64_t us)
{
    sim_after(us, start_again, arena_copy(sim->arena, &service, sizeof service));
}

static void after_turn(struct sim_thread *thread)
{
    struct sim_process *p = thread->process;
    if (p->dying) {
        p->dying = false;
        sim_process_kill(p);
        sim_start_after(p->service, (int64_t)sim_below(&sim->schedule, RESTART_SPREAD_MS) * INSTANT_MS);
    } else if (thread == &p->threads[0] && thread->ended) {
        sim_trace("%s-%d has ended", sim_service_name(p->service), p->number);
        bury(p);
        leave_group(p);
    } else if (thread->ended) {
        fiber_free(thread->fiber);
        thread->fiber = NULL;
    } else if (thread == &p->threads[0] && p->at_rest) {
        p->at_rest = false;
        sim_check_step(p);
    }
}

static bool can_run(const struct sim_thread *t)
{
    if (t->fiber == NULL || t->process->stopped_until > sim->now)
        return false;
    return !t->waiting || t->woken || t->wake_at <= sim->now;
}

static struct sim_thread *choose(void)
{
    struct sim_thread *ready[SIM_PROCESSES_MAX * SIM_THREADS_MAX];
    uint32_t count = 0;
    for (size_t i = 0; i < sim->process_count; i++) {
        struct sim_process *p = sim->processes[i];
        for (size_t k = 0; p != NULL && p->alive && k < p->thread_count; k++) {
            if (can_run(&p->threads[k]))
                ready[count++] = &p->threads[k];
        }
    }
    return count == 0 ? NULL : ready[sim_below(&sim->schedule, count)];
}

static instant earlier(instant a, instant b)
{
    return a == INSTANT_NONE || (b != INSTANT_NONE && b < a) ? b : a;
}

static instant next_wake(void)
{
    instant next = INSTANT_NONE;
    for (size_t i = 0; i < sim->process_count; i++) {
        struct sim_process *p = sim->processes[i];
        for (size_t k = 0; p != NULL && p->alive && k < p->thread_count; k++) {
            const struct sim_thread *t = &p->threads[k];
            if (t->fiber == NULL)
                continue;
            instant at = t->waiting && !t->woken ? t->wake_at : sim->now;
            next = earlier(next, at > p->stopped_until ? at : p->stopped_until);
        }
    }
    return next;
}

bool sim_turn(void)
{
    sim->step++;
    sim_bus_flush();
    instant due = sim_heap_next(sim->heap);
    if (due != INSTANT_NONE && due <= sim->now)
        sim_heap_run_first(sim->heap);
    struct sim_thread *thread = choose();
    if (thread != NULL) {
        thread->waiting = false;
        running = thread;
        fiber_resume(thread->fiber);
        running = NULL;
        after_turn(thread);
        sim->now += TURN_MIN_US + sim_below(&sim->schedule, TURN_SPREAD_US);
        return true;
    }
    instant next = earlier(earlier(next_wake(), sim_heap_next(sim->heap)), sim_bus_next());
    if (next == INSTANT_NONE)
        return false;
    if (next > sim->now)
        sim->now = next;
    return true;
}
