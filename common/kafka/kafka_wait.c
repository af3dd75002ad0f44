// Sleeping on an eventfd.
#include "kafka/kafka_wait.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

static const uint64_t one = 1; // what is written to an eventfd

struct err kafka_wait_open(struct kafka_wait *ret_wait)
{
    int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (fd < 0)
        return err_make(ERR_RETRY, "eventfd: %s", strerror(errno));
    ret_wait->fd = fd;
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
    rd_kafka_queue_io_event_enable(queue, wait->fd, &one, sizeof one);
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
    if (ppoll(&fd, 1, &timeout, NULL) > 0) {
        uint64_t count; // how often doesn't matter: the queues say what is there
        ssize_t size = read(wait->fd, &count, sizeof count);
        (void)size;
    }
}

void kafka_wait_wake(struct kafka_wait *wait)
{
    atomic_store(&wait->woken, true);
    ssize_t size = write(wait->fd, &one, sizeof one); // full: then it wakes anyway
    (void)size;
}

bool kafka_wait_take_wake(struct kafka_wait *wait)
{
    return atomic_load_explicit(&wait->woken, memory_order_relaxed) && atomic_exchange(&wait->woken, false);
}
