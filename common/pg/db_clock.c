// The database's time in this process.
#include "pg/db_clock.h"

#include <stdatomic.h>
#include <stddef.h>

static atomic_int_least64_t ahead_us; // of the monotonic clock
static atomic_bool learned;

void db_clock_learn(instant now)
{
    atomic_store_explicit(&ahead_us, now - clock_monotonic_us(), memory_order_relaxed);
    atomic_store_explicit(&learned, true, memory_order_release);
}

instant db_clock_now(void)
{
    if (!atomic_load_explicit(&learned, memory_order_acquire))
        return clock_system()->now(NULL);
    return clock_monotonic_us() + atomic_load_explicit(&ahead_us, memory_order_relaxed);
}
