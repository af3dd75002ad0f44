// Reads one topic from its beginning, or from an instant on, up to where it ends at the moment: for tools that look at a
// topic beside the services. Joins no group and commits nothing: READ on the topic is all it needs.
// Thread: one owner.
#pragma once

#include "base/bytes.h"
#include "base/clock.h"
#include "base/err.h"
#include "kafka/kafka.h"

#include <stdbool.h>
#include <stdint.h>

struct kafka_reader;

// *cluster must outlive the reader. CONFIG: the topic is missing, or a setting is refused. RETRY: no broker answers.
struct err kafka_reader_open(const struct kafka_cluster *cluster, enum topic topic,
                             struct kafka_reader **ret_reader) ERR_MUST_CHECK;
void kafka_reader_close(struct kafka_reader *reader); // NULL is fine
int32_t kafka_reader_partitions(const struct kafka_reader *reader);

#define KAFKA_READER_ALL (-1)
// Once: starts at the first record of `since` or later (INSTANT_NONE: at the first that there is) of one partition or all.
struct err kafka_reader_start(struct kafka_reader *reader, int32_t partition, instant since) ERR_MUST_CHECK;
// Moves the goal to where the partitions end now.
struct err kafka_reader_aim(struct kafka_reader *reader) ERR_MUST_CHECK;
// True when the partition was read from its very first record on: nothing of it has ever been lost to retention.
bool kafka_reader_is_whole(const struct kafka_reader *reader, int32_t partition);

struct kafka_reader_record {
    int32_t partition;
    int64_t offset;
    struct bytes key; // views, valid until the next call
    struct bytes value;
};
// The next record, until every partition is read up to the goal (*ret_there false). May give records behind the goal of a
// partition while another's isn't reached.
// RETRY: the broker said nothing for 30 s. REJECT: retention has overtaken the reader.
struct err kafka_reader_next(struct kafka_reader *reader, struct kafka_reader_record *ret_record,
                             bool *ret_there) ERR_MUST_CHECK;
