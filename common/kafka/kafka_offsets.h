// Where partitions begin and end, asked of the broker for many at once, and where reading may start.
#pragma once

#include "base/err.h"

#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stdint.h>

// What kafka_offsets_ask can ask for (offsets of the ListOffsets request).
enum kafka_end {
    KAFKA_LOW = RD_KAFKA_OFFSET_BEGINNING,
    KAFKA_HIGH = RD_KAFKA_OFFSET_END, // past the last record that may be read
};

// Sets the offset of every partition in list. RETRY: a broker didn't answer in time, or a partition has no leader.
struct err kafka_offsets_ask(rd_kafka_t *rk, rd_kafka_topic_partition_list_t *list, enum kafka_end end,
                             int timeout_ms) ERR_MUST_CHECK;

// Where to start reading with `stored` as the next offset to read (-1: none). Compaction and the retention of compacted
// topics leave holes: there a position below low is read from low. False: outside of what the topic holds.
bool kafka_offsets_start(int64_t stored, int64_t low, int64_t high, bool compacted, int64_t *ret_start);
