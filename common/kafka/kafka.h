// The lane's bus on Apache Kafka, by librdkafka 2.0.2: what struct bus_port promises, at a real broker.
//
// Only this folder includes rdkafka.h. One consumer in a group (eager range assignor) and one idempotent producer.
// Group membership never waits for the lane: an assignment is answered with an empty one at once, and the real one, with
// positions, follows when the lane calls assign.
#pragma once

#include "base/err.h"
#include "lane/bus.h"
#include "lane/topic.h"

#include <stddef.h>
#include <stdint.h>

// How to reach the cluster. The strings must outlive whatever is opened with them.
struct kafka_cluster {
    const char *brokers;      // "host:port,…"
    const char *topic_prefix; // NULL: "orderclerk."; a topic's full name is prefix + name + ".v1"
    const char *client_id;    // NULL: librdkafka's
    // NULL each: plaintext without login. Values as librdkafka's settings security.protocol, sasl.mechanism …
    const char *security_protocol;
    const char *sasl_mechanism;
    const char *sasl_user;
    const char *sasl_password;
    const char *ca_location;
    // What librdkafka has to say (connections lost, logins refused): level as syslog's, 3 error … 7 debug. Any thread.
    // NULL: dropped.
    void (*log)(void *self, int level, const char *text);
    void *log_self;
};

struct bus_kafka_settings {
    struct kafka_cluster cluster;
    const char *group; // with the subscription's version: "inventory.v1"
    // Every topic that the lane reads, `control` included; the order is high_watermarks'. None: a bus that only sends.
    const enum topic *inputs;
    size_t input_count;
    // One of the inputs, or TOPIC_NONE: its records are given out when there are none of the others, but for one in
    // sixteen.
    enum topic beginning;
    bool unhurried;            // records may wait in the broker for company, for 100 ms at most
    const enum topic *outputs; // every topic that it sends to
    size_t output_count;
    int32_t session_timeout_ms;   // 0: 3000. A dead member's slots are free after this
    int32_t max_poll_interval_ms; // 0: 300000. A member that doesn't poll for this long is out
};

// Joins the group. CONFIG: a topic is missing, topics differ in their number of partitions (all of inputs and outputs
// must have the same), or a setting is refused. RETRY: no broker answers; call again.
// The arrays and strings of settings must outlive the bus.
struct err bus_kafka_open(const struct bus_kafka_settings *settings,
                          struct bus_port **ret_bus) ERR_MUST_CHECK;
// Leaves the group and drops what isn't sent yet. Waits a bounded time for a broker that is away. NULL is fine.
void bus_kafka_close(struct bus_port *bus);
// Partitions of every topic: slots are 0 … this - 1.
int32_t bus_kafka_partitions(const struct bus_port *bus);
