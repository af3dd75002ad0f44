// Waiting for a condition, but no longer than so long: by the monotonic clock, which nobody sets.
#pragma once

#include <pthread.h>
#include <stdint.h>

// A condition for timed_wait; ended with pthread_cond_destroy.
void timed_wait_init(pthread_cond_t *ret_changed);
// Under `lock`, which is free meanwhile. Returns when `changed` was signalled, after `us` microseconds (0 or less: at once), or for
// no reason: look again.
void timed_wait(pthread_cond_t *changed, pthread_mutex_t *lock, int64_t us);
