// What the two halves of the bus share: its state, and what both do to it.
#pragma once

#include "kafka/kafka.h"
#include "kafka/kafka_conf.h"
#include "kafka/kafka_producer_internal.h"
#include "kafka/kafka_wait.h"

#include <stdbool.h>

#define BUS_KAFKA_NOT_READ (-1)

// A place where reading can't go on: told once, by BUS_POSITION.
struct bus_kafka_trouble {
    int32_t slot;
    size_t input;
    int64_t offset;
    char text[200];
};

struct bus_kafka {
    struct bus_port port;
    struct bus_kafka_settings settings;
    char (*names)[KAFKA_TOPIC_NAME_SIZE]; // of inputs
    struct kafka_wait wait;
    struct kafka_producer *producer; // NULL: reopen failed
    rd_kafka_t *consumer;            // NULL: no inputs, or reopen failed
    rd_kafka_queue_t *queue;         // the consumer's events
    rd_kafka_queue_t *beginning;     // the records of that topic; NULL: there is none such
    uint32_t turns;                  // looks at the queues: says when `beginning` comes first
    rd_kafka_event_t *held;          // keeps the views of the last record valid
    int32_t partitions;
    int32_t *slots; // assigned and complete, ascending
    size_t slot_count;
    uint8_t *seen; // per partition: how many inputs are assigned
    int64_t *next; // [slot * inputs + input]: lowest offset not yet given out, or BUS_KAFKA_NOT_READ
    struct bus_kafka_trouble *troubles; // a stack; at most one per slot and input
    size_t trouble_count;
    bool failed, failure_told;
    int64_t failed_until; // a failure isn't told before: making both clients anew has just failed
    char text[ERR_TEXT_MAX];
};

size_t bus_kafka_cells(const struct bus_kafka *bus); // slots times inputs
int64_t *bus_kafka_next(struct bus_kafka *bus, int32_t slot, size_t input);
// Until the next assign.
void bus_kafka_read_nothing(struct bus_kafka *bus);
void bus_kafka_add_trouble(struct bus_kafka *bus, int32_t slot, size_t input, int64_t offset,
                           const char *why);
void bus_kafka_drop_held(struct bus_kafka *bus);
void bus_kafka_poll(void *self, int64_t timeout_us, struct bus_event *ret_event);
