// Sends records and tells which have arrived: an idempotent producer without a consumer, for ingress; the bus sends by
// it too.
//
// Only an offset proves that a record has arrived. librdkafka (before 2.3) also reports without one: for a record whose
// answer got lost, as soon as a later one of the same partition is acknowledged. A broker that knows nothing of this
// producer on the partition (its first records there, and it has been restarted) takes the later one without the first. Such a
// report is a failure here: all that has no report is sent once more, and readers know what they have had.
//
// Thread: one owner, but for kafka_producer_wake.
#pragma once

#include "base/bytes.h"
#include "base/err.h"
#include "kafka/kafka.h"
#include "lane/bus.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct kafka_producer;

enum kafka_report_kind {
    KAFKA_REPORT_NONE,   // the timeout passed, or kafka_producer_wake was called
    KAFKA_REPORT_SENT,   // the record with this tag is on its topic
    KAFKA_REPORT_FAILED, // beyond repair, said once: close, open again, send again what has no report
};

struct kafka_report {
    enum kafka_report_kind kind;
    uint64_t tag;
    const char *text; // KAFKA_REPORT_FAILED; valid until close
};

// Errors as bus_kafka_open. The strings of cluster must outlive the producer; outputs is copied.
struct err kafka_producer_open(const struct kafka_cluster *cluster, const enum topic *outputs,
                               size_t output_count, struct kafka_producer **ret_producer) ERR_MUST_CHECK;
// Drops what isn't sent yet. NULL is fine.
void kafka_producer_close(struct kafka_producer *producer);

// Queues a record (copied). RETRY: the local queue is full: take reports, then try again. REJECT: the record is too
// large. CONFIG: its topic isn't one of outputs.
struct err kafka_producer_send(struct kafka_producer *producer, const struct bus_out *record) ERR_MUST_CHECK;
// The next report, waiting up to timeout_us. Records that were sent wait for others to go with until this is called.
void kafka_producer_next(struct kafka_producer *producer, int64_t timeout_us,
                         struct kafka_report *ret_report);
// Records sent whose reports have not come yet.
size_t kafka_producer_unreported(const struct kafka_producer *producer);
// Waits up to max_us until every record has been reported. True: all have. The reports stay for kafka_producer_next.
bool kafka_producer_flush(struct kafka_producer *producer, int64_t max_us);
// Any thread: makes a waiting kafka_producer_next return.
void kafka_producer_wake(struct kafka_producer *producer);
int32_t kafka_producer_partition_of(const struct kafka_producer *producer, struct bytes key);
