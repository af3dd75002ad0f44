// The database's time in this process.
#include "pg/db_clock.h"

#include <stdatomic.h>
#include <stddef.h>

static atomic_int_least64_t ahead_us; // of the monotonic clock
static atomic_bool learned;

void db_clock_learn(instant now)
{
    atomic_store_explicit(&ahead_us, now - clock_system()->monotonic_us(NULL), memory_order_relaxed);
    atomic_store_explicit(&learned, true, memory_order_release);
}

instant db_clock_now(void)
{
    const struct clock_port *clock = clock_system();
    if (!atomic_load_explicit(&learned, memory_order_acquire))
        return clock->now(clock->self);
    return clock->monotonic_us(clock->self) + atomic_load_explicit(&ahead_us, memory_order_relaxed);
}
