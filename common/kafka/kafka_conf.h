// librdkafka's settings as this project needs them, and the check of topics.
#pragma once

#include "base/err.h"
#include "kafka/kafka.h"

#include <librdkafka/rdkafka.h>
#include <stddef.h>
#include <stdint.h>

enum kafka_side {
    KAFKA_CONSUMER = 1,
    KAFKA_PRODUCER = 2,
    KAFKA_BOTH = 3,
    KAFKA_ONLY_READER = 4, // beside the consumer's, for readers without a group
    KAFKA_READER = KAFKA_CONSUMER | KAFKA_ONLY_READER,
    KAFKA_UNHURRIED = 8, // in place of some of the consumer's, for members that no order waits for
    KAFKA_UNHURRIED_CONSUMER = KAFKA_CONSUMER | KAFKA_UNHURRIED,
};

struct kafka_conf_row {
    const char *name;
    const char *value;
    enum kafka_side side;
};
const struct kafka_conf_row *kafka_conf_at(size_t index); // walks the fixed ones; NULL after the last

// A new instance. members only for the consumer's side: its group and timeouts; NULL for a producer and a reader.
// CONFIG: a setting is refused. RETRY: out of threads. *cluster must outlive the instance.
struct err kafka_conf_open(enum kafka_side side, const struct kafka_cluster *cluster,
                           const struct bus_kafka_settings *members, rd_kafka_t **ret_rk) ERR_MUST_CHECK;

// librdkafka's own limit of names, with the zero.
#define KAFKA_TOPIC_NAME_SIZE 250
// CONFIG: too long.
struct err kafka_conf_topic_name(const struct kafka_cluster *cluster, enum topic topic,
                                 char ret_name[static KAFKA_TOPIC_NAME_SIZE]) ERR_MUST_CHECK;

// All of `topics` exist with the same number of partitions. CONFIG: not so. RETRY: no broker answers in time.
struct err kafka_conf_partitions(rd_kafka_t *rk, const struct kafka_cluster *cluster,
                                 const enum topic *topics, size_t topic_count, int timeout_ms,
                                 int32_t *ret_partitions) ERR_MUST_CHECK;

// Passes on to cluster->log.
void kafka_conf_log(const struct kafka_cluster *cluster, int level, const char *facility, const char *text);
