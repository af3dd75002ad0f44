// Sleeping on an eventfd.
#include "kafka/kafka_wait.h"

#include "base/wakeup.h"

#include <poll.h>
#include <time.h>
#include <unistd.h>

struct err kafka_wait_open(struct kafka_wait *ret_wait)
{
    struct err e = wakeup_open(&ret_wait->fd);
    if (err_is(&e))
        return e;
    atomic_init(&ret_wait->woken, false);
    return err_ok();
}

void kafka_wait_close(struct kafka_wait *wait)
{
    close(wait->fd);
    wait->fd = -1;
}

void kafka_wait_watch(struct kafka_wait *wait, rd_kafka_queue_t *queue)
{
    rd_kafka_queue_io_event_enable(queue, wait->fd, &wakeup_payload, sizeof wakeup_payload);
}

void kafka_wait_unwatch(rd_kafka_queue_t *queue)
{
    rd_kafka_queue_io_event_enable(queue, -1, NULL, 0);
}

void kafka_wait_sleep(struct kafka_wait *wait, int64_t timeout_us)
{
    if (timeout_us < 0)
        timeout_us = 0;
    struct pollfd fd = {.fd = wait->fd, .events = POLLIN};
    struct timespec timeout = {.tv_sec = timeout_us / 1000000, .tv_nsec = timeout_us % 1000000 * 1000};
    if (ppoll(&fd, 1, &timeout, NULL) > 0)
        wakeup_take(wait->fd); // the queues say what is there
}

void kafka_wait_wake(struct kafka_wait *wait)
{
    atomic_store(&wait->woken, true);
    wakeup_signal(wait->fd);
}

bool kafka_wait_take_wake(struct kafka_wait *wait)
{
    return atomic_load_explicit(&wait->woken, memory_order_relaxed) && atomic_exchange(&wait->woken, false);
}
