// The port to Kafka: what a lane reads, where it stands, what it sends.
//
// bus_kafka (common/kafka) is librdkafka; the simulator has its own. Thread: one lane, but for `wake`.
#pragma once

#include "base/bytes.h"
#include "base/clock.h"
#include "base/err.h"
#include "lane/store.h"
#include "lane/topic.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bus_record {
    enum topic topic;
    int32_t partition;
    int64_t offset;
    struct bytes key;
    struct bytes value; // data NULL: a tombstone
    struct bytes traceparent;
};

enum bus_event_kind {
    BUS_NOTHING, // the timeout passed, or wake() was called
    BUS_RECORD,
    BUS_ASSIGNED, // `slots`: those of which every subscribed topic's partition is ours. Replaces what was assigned before
    BUS_REVOKED,  // all of them
    BUS_REPORT,   // a produced record is on its topic; `tag` says which
    BUS_FAILED,   // the producer or consumer is beyond repair: drop everything, `reopen`
    BUS_POSITION, // a stored position isn't in [low, high] of record.topic/partition: stop that slot, alarm
};

struct bus_event {
    enum bus_event_kind kind;
    struct bus_record record; // valid until the next poll
    const int32_t *slots;     // likewise
    size_t slot_count;
    uint64_t tag;
    const char *text; // BUS_FAILED, BUS_POSITION; valid until the next poll or reopen
};

struct bus_out {
    enum topic topic;
    struct bytes key;
    struct bytes value;
    const char *type;        // ce_type
    const char *event_id;    // ce_id
    const char *source;      // ce_source: /orderclerk/<service>
    instant at;              // ce_time
    const char *traceparent; // NULL: none
    uint64_t tag;            // given back with the report
};

struct bus_port {
    void *self;
    // The next event, waiting up to timeout_us. Records of one partition come in offset order.
    void (*poll)(void *self, int64_t timeout_us, struct bus_event *ret_event);
    // Starts reading the slots' partitions of every input topic at these positions (a topic without one: its low
    // watermark). Records that were on their way from before are dropped. count 0: reads nothing, stays a member.
    // ret_start (NULL: not asked for) is where each is read from, in the order of high_watermarks' ret_high; -1: the slot
    // isn't read, BUS_POSITION says why. RETRY: watermarks could not be had.
    struct err (*assign)(void *self, const int32_t *slots, size_t slot_count,
                         const struct store_position *positions, size_t position_count, int64_t *ret_start);
    // Queues a record (copied). RETRY: the local queue is full: poll, then try again.
    struct err (*produce)(void *self, const struct bus_out *record);
    // High watermarks, asked of the broker now. ret_high[i] belongs to slot slots[i / n] and input topic i % n (in the
    // order of the service's declaration). RETRY: broker out of reach.
    struct err (*high_watermarks)(void *self, const int32_t *slots, size_t slot_count, int64_t *ret_high);
    // Tells Kafka the positions, for lag tools only. Asynchronous, errors ignored: a rebalance loses what was under way,
    // so a lane tells all of them anew when it has claimed.
    void (*note_positions)(void *self, const struct store_position *positions, size_t count);
    // Throws away the consumer and the producer with all that is in them, and makes new ones; a fresh assignment follows.
    struct err (*reopen)(void *self);
    // Any thread: makes a waiting poll return.
    void (*wake)(void *self);
    int32_t (*partition_of)(void *self, struct bytes key);
};
