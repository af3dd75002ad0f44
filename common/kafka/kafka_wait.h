// A place to sleep for librdkafka's queues: each writes to this eventfd when it stops being empty
// (rd_kafka_queue_io_event_enable).
//
// Before sleeping, poll every queue until it is empty: that is what makes it write again.
#pragma once

#include "base/err.h"

#include <librdkafka/rdkafka.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct kafka_wait {
    int fd;
    atomic_bool woken;
};

struct err kafka_wait_open(struct kafka_wait *ret_wait) ERR_MUST_CHECK; // RETRY: no file descriptor left
void kafka_wait_close(struct kafka_wait *wait);
void kafka_wait_watch(struct kafka_wait *wait, rd_kafka_queue_t *queue);
void kafka_wait_unwatch(rd_kafka_queue_t *queue);
// Sleeps until a watched queue has something, kafka_wait_wake was called, or timeout_us passed.
void kafka_wait_sleep(struct kafka_wait *wait, int64_t timeout_us);
void kafka_wait_wake(struct kafka_wait *wait);      // any thread
bool kafka_wait_take_wake(struct kafka_wait *wait); // whether it was called since the last time
