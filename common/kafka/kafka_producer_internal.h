// The producer as a part of the bus, which sleeps for its consumer and looks for reports now and then.
#pragma once

#include "kafka/kafka_producer.h"

// A producer that wakes nobody. Before it sends anything it must be told the number of partitions: asked for (errors as
// kafka_conf_partitions), or known already.
struct err kafka_producer_make(const struct kafka_cluster *cluster, const enum topic *outputs,
                               size_t output_count, struct kafka_producer **ret_producer) ERR_MUST_CHECK;
struct err kafka_producer_ask_partitions(struct kafka_producer *producer, const enum topic *topics,
                                         size_t topic_count, int32_t *ret_partitions) ERR_MUST_CHECK;
void kafka_producer_set_partitions(struct kafka_producer *producer, int32_t partitions);
// The next report that is there. settle: about to sleep, so make sure that no record waits for others to come, and that the
// queue is empty, if it is to wake the sleeper.
void kafka_producer_take(struct kafka_producer *producer, bool settle, struct kafka_report *ret_report);
