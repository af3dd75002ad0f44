// Which call may start next: calls by due time, limits per target and in all, a circuit breaker per target.
//
// Knows nothing of libcurl or threads: the time comes with each call, so that tests need no time. One owner.
#pragma once

#include "base/bytes.h"
#include "base/uuid.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct queue;
struct queue_target;

// Part of what its owner queues; the owner frees it. Only id, target_name and due are the owner's to set.
struct queue_entry {
    struct uuid id;
    struct bytes target_name;
    int64_t due;     // monotonic, microseconds
    uint64_t number; // order of arrival, among those due at the same time
    struct queue_target *target;
    struct queue_entry *next_same_hash, *next_ready;
    bool under_way;
};

struct queue_limits {
    int32_t per_target;
    int32_t total;
    int32_t breaker_failures; // in a row, until a target is left alone …
    int64_t breaker_open_us;  // … for this long; then one try
};

struct queue *queue_new(const struct queue_limits *limits);
void queue_free(struct queue *queue); // must be empty

// The entry with this id, waiting or under way; NULL: none.
struct queue_entry *queue_find(const struct queue *queue, struct uuid id);
// Its id must not be there already.
void queue_add(struct queue *queue, struct queue_entry *entry);
// The next entry that may start, which is under way from now on. NULL: none may; then *ret_wait_us is how long until
// another look is worth it, INT64_MAX when only queue_add or queue_end can change that.
struct queue_entry *queue_start(struct queue *queue, int64_t monotonic_us, int64_t *ret_wait_us);
// An entry under way is done and no longer in the queue.
void queue_end(struct queue *queue, struct queue_entry *entry, bool failed, int64_t monotonic_us);
// Takes out any entry that is waiting; NULL: none is.
struct queue_entry *queue_take_waiting(struct queue *queue);
