// Conditions on the monotonic clock.
#include "base/timed_wait.h"

#include <time.h>

#define SECOND_US 1000000
#define SECOND_NS 1000000000

void timed_wait_init(pthread_cond_t *ret_changed)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(ret_changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

void timed_wait(pthread_cond_t *changed, pthread_mutex_t *lock, int64_t us)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    if (us > 0) {
        until.tv_nsec += us % SECOND_US * 1000;
        until.tv_sec += us / SECOND_US + until.tv_nsec / SECOND_NS;
        until.tv_nsec %= SECOND_NS;
    }
    pthread_cond_timedwait(changed, lock, &until);
}
