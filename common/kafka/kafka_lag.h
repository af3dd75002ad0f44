// How many records of a topic a group has still to read: what a way in asks before it lets more in.
//
// Joins no group. A group's place is where it last committed, which a lane does once a second (bus_port.note_positions).
// Needs READ on the topic and DESCRIBE on the group. Thread: one owner.
#pragma once

#include "base/err.h"
#include "kafka/kafka.h"

#include <stdint.h>

struct kafka_lag;

// *cluster and group must outlive it. CONFIG: the topic is missing, or a setting is refused. RETRY: no broker answers.
struct err kafka_lag_open(const struct kafka_cluster *cluster, enum topic topic, const char *group,
                          struct kafka_lag **ret_lag) ERR_MUST_CHECK;
void kafka_lag_close(struct kafka_lag *lag); // NULL is fine

struct kafka_lag_answer {
    int64_t
        waiting;  // records of all partitions behind the group's place; all that there are where it has none
    int64_t read; // before it: rises as the group reads
};
// Waits a bounded time. RETRY: a broker didn't answer.
struct err kafka_lag_ask(struct kafka_lag *lag, struct kafka_lag_answer *ret_answer) ERR_MUST_CHECK;
