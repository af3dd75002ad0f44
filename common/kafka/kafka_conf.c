// One table of librdkafka's settings, what the process adds to it, and the check that topics are co-partitioned.
#include "kafka/kafka_conf.h"

#include <stdio.h>
#include <string.h>

#define TOPIC_PREFIX  "orderclerk."
#define TOPIC_VERSION "v1"

// clang-format off
static const struct kafka_conf_row rows[] = {
    // Recovery in seconds: find the broker again soon after it is back, and give up on a half-open connection in time.
    {"reconnect.backoff.ms",               "100",   KAFKA_BOTH},
    {"reconnect.backoff.max.ms",           "500",   KAFKA_BOTH},
    {"socket.connection.setup.timeout.ms", "5000",  KAFKA_BOTH},
    {"socket.timeout.ms",                  "10000", KAFKA_BOTH},
    {"socket.keepalive.enable",            "true",  KAFKA_BOTH},
    {"socket.nagle.disable",               "true",  KAFKA_BOTH}, // its default costs 40 ms per small request
    {"topic.metadata.refresh.fast.interval.ms", "100", KAFKA_BOTH},
    {"log.connection.close",               "false", KAFKA_BOTH}, // idle connections are closed by the broker all day

    {"partition.assignment.strategy",      "range", KAFKA_CONSUMER}, // brings the same partitions of all topics together
    {"heartbeat.interval.ms",              "500",   KAFKA_CONSUMER},
    {"enable.auto.commit",                 "false", KAFKA_CONSUMER}, // positions are in PostgreSQL
    {"enable.auto.offset.store",           "false", KAFKA_CONSUMER},
    {"auto.offset.reset",                  "error", KAFKA_CONSUMER}, // never skip or repeat silently
    {"check.crcs",                         "true",  KAFKA_CONSUMER},
    {"allow.auto.create.topics",           "false", KAFKA_CONSUMER},
    {"isolation.level",                    "read_committed", KAFKA_CONSUMER}, // foreign writers may use transactions
    // A full local queue backs off a whole second: it holds more than a second of peak (30 000 records of 500 bytes).
    {"queued.max.messages.kbytes",         "16384", KAFKA_CONSUMER},
    // Answers come as soon as there is one byte. An idle request is renewed after 300 ms: newly assigned partitions wait
    // for the one under way, and each costs the broker a look at every partition.
    {"fetch.min.bytes",                    "1",     KAFKA_CONSUMER},
    {"fetch.wait.max.ms",                  "300",   KAFKA_CONSUMER},
    // Every answer costs the broker the same look: ten a second are enough, unless there is much to tell.
    {"fetch.min.bytes",                    "1000000", KAFKA_UNHURRIED},
    {"fetch.wait.max.ms",                  "100",   KAFKA_UNHURRIED},
    {"fetch.error.backoff.ms",             "100",   KAFKA_CONSUMER},
    {"fetch.max.bytes",                    "8388608", KAFKA_CONSUMER}, // bounds memory: half of the local queue

    {"enable.partition.eof",               "true",  KAFKA_ONLY_READER}, // says where a partition ends, whatever holes it has

    {"enable.idempotence",                 "true",  KAFKA_PRODUCER},
    {"enable.gapless.guarantee",           "true",  KAFKA_PRODUCER}, // when records fail, none behind them goes out before them
    {"acks",                               "all",   KAFKA_PRODUCER},
    {"message.timeout.ms",                 "0",     KAFKA_PRODUCER}, // never give up: what is in the outbox must go out
    {"request.timeout.ms",                 "10000", KAFKA_PRODUCER},
    {"compression.codec",                  "lz4",   KAFKA_PRODUCER},
    {"queue.buffering.max.kbytes",         "16384", KAFKA_PRODUCER}, // a whole batch: 16 MiB out
    // Records of one batch wait for each other. Who has no more to send says so (kafka_producer.c).
    {"linger.ms",                          "5",     KAFKA_PRODUCER},
};
// clang-format on

const struct kafka_conf_row *kafka_conf_at(size_t index)
{
    return index < sizeof rows / sizeof rows[0] ? &rows[index] : NULL;
}

void kafka_conf_log(const struct kafka_cluster *cluster, int level, const char *facility, const char *text)
{
    if (cluster->log == NULL)
        return;
    char line[512]; // librdkafka's own lines are cut at this
    snprintf(line, sizeof line, "%s: %s", facility, text);
    cluster->log(cluster->log_self, level, line);
}

static void on_log(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
    kafka_conf_log(rd_kafka_opaque(rk), level, facility, text);
}

static struct err set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
    char why[256];
    if (value == NULL || rd_kafka_conf_set(conf, name, value, why, sizeof why) == RD_KAFKA_CONF_OK)
        return err_ok();
    return err_make(ERR_CONFIG, "Kafka setting %s: %s", name, why);
}

static struct err set_cluster(rd_kafka_conf_t *conf, const struct kafka_cluster *cluster)
{
    const struct {
        const char *name, *value;
    } settings[] = {
        {"bootstrap.servers", cluster->brokers},
        {"client.id", cluster->client_id},
        {"security.protocol", cluster->security_protocol},
        {"sasl.mechanism", cluster->sasl_mechanism},
        {"sasl.username", cluster->sasl_user},
        {"sasl.password", cluster->sasl_password},
        {"ssl.ca.location", cluster->ca_location},
    };
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        struct err e = set(conf, settings[i].name, settings[i].value);
        if (err_is(&e))
            return e;
    }
    return err_ok();
}

static struct err set_members(rd_kafka_conf_t *conf, const struct bus_kafka_settings *members)
{
    char number[16];
    struct err e = set(conf, "group.id", members->group);
    if (err_is(&e))
        return e;
    snprintf(number, sizeof number, "%d",
             members->session_timeout_ms > 0 ? members->session_timeout_ms : 3000);
    e = set(conf, "session.timeout.ms", number);
    if (err_is(&e))
        return e;
    snprintf(number, sizeof number, "%d",
             members->max_poll_interval_ms > 0 ? members->max_poll_interval_ms : 300000);
    return set(conf, "max.poll.interval.ms", number);
}

static struct err fill(rd_kafka_conf_t *conf, enum kafka_side side, const struct kafka_cluster *cluster,
                       const struct bus_kafka_settings *members)
{
    const struct kafka_conf_row *row;
    for (size_t i = 0; (row = kafka_conf_at(i)) != NULL; i++) {
        if ((row->side & side) == 0)
            continue;
        struct err e = set(conf, row->name, row->value);
        if (err_is(&e))
            return e;
    }
    if (members != NULL) {
        struct err e = set_members(conf, members);
        if (err_is(&e))
            return e;
    }
    return set_cluster(conf, cluster);
}

struct err kafka_conf_open(enum kafka_side side, const struct kafka_cluster *cluster,
                           const struct bus_kafka_settings *members, rd_kafka_t **ret_rk)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    struct err e = fill(conf, side, cluster, members);
    if (err_is(&e)) {
        rd_kafka_conf_destroy(conf);
        return e;
    }
    rd_kafka_conf_set_opaque(conf, (void *)cluster);
    rd_kafka_conf_set_log_cb(conf, on_log);
    // Everything comes as an event: no callback runs inside of librdkafka's calls.
    rd_kafka_conf_set_events(conf, side == KAFKA_PRODUCER ? RD_KAFKA_EVENT_DR | RD_KAFKA_EVENT_ERROR
                                                          : RD_KAFKA_EVENT_REBALANCE | RD_KAFKA_EVENT_ERROR);
    char why[256];
    rd_kafka_t *rk =
        rd_kafka_new(side == KAFKA_PRODUCER ? RD_KAFKA_PRODUCER : RD_KAFKA_CONSUMER, conf, why, sizeof why);
    if (rk == NULL) {
        bool passing = rd_kafka_last_error() == RD_KAFKA_RESP_ERR__CRIT_SYS_RESOURCE;
        rd_kafka_conf_destroy(conf);
        return err_make(passing ? ERR_RETRY : ERR_CONFIG, "Kafka client: %s", why);
    }
    *ret_rk = rk;
    return err_ok();
}

struct err kafka_conf_topic_name(const struct kafka_cluster *cluster, enum topic topic,
                                 char ret_name[static KAFKA_TOPIC_NAME_SIZE])
{
    const char *prefix = cluster->topic_prefix != NULL ? cluster->topic_prefix : TOPIC_PREFIX;
    const char *name = topic_info(topic)->name;
    int size = snprintf(ret_name, KAFKA_TOPIC_NAME_SIZE, "%s%s." TOPIC_VERSION, prefix, name);
    if (size < 0 || size >= KAFKA_TOPIC_NAME_SIZE)
        return err_make(ERR_CONFIG,
                        "topic prefix \"%.32s…\" is too long: a topic's name has at most %d characters",
                        prefix, KAFKA_TOPIC_NAME_SIZE - 1);
    return err_ok();
}

// The newest thing the instance complained of: a refused login shows in its events, not in the call's error.
static void last_complaint(rd_kafka_t *rk, char *ret_text, size_t size)
{
    rd_kafka_queue_t *queue = rd_kafka_queue_get_main(rk);
    rd_kafka_event_t *event;
    ret_text[0] = '\0';
    while ((event = rd_kafka_queue_poll(queue, 0)) != NULL) {
        if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_ERROR)
            snprintf(ret_text, size, ": %s", rd_kafka_event_error_string(event));
        rd_kafka_event_destroy(event);
    }
    rd_kafka_queue_destroy(queue);
}

static const rd_kafka_metadata_topic_t *find_topic(const struct rd_kafka_metadata *metadata, const char *name)
{
    for (int i = 0; i < metadata->topic_cnt; i++) {
        if (strcmp(metadata->topics[i].topic, name) == 0)
            return &metadata->topics[i];
    }
    return NULL;
}

static struct err compare_topics(const struct rd_kafka_metadata *metadata,
                                 const struct kafka_cluster *cluster, const enum topic *topics,
                                 size_t topic_count, int32_t *ret_partitions)
{
    char name[KAFKA_TOPIC_NAME_SIZE], first[KAFKA_TOPIC_NAME_SIZE] = "";
    int partitions = 0;
    for (size_t i = 0; i < topic_count; i++) {
        struct err e = kafka_conf_topic_name(cluster, topics[i], name);
        if (err_is(&e))
            return e;
        const rd_kafka_metadata_topic_t *topic = find_topic(metadata, name);
        if (topic == NULL)
            return err_make(ERR_CONFIG, "Kafka topic %s doesn't exist, or this login may not see it", name);
        if (topic->err != RD_KAFKA_RESP_ERR_NO_ERROR || topic->partition_cnt == 0)
            return err_make(ERR_RETRY, "Kafka topic %s: %s", name, rd_kafka_err2str(topic->err));
        if (i == 0) {
            partitions = topic->partition_cnt;
            memcpy(first, name, sizeof first);
        } else if (topic->partition_cnt != partitions) {
            return err_make(ERR_CONFIG,
                            "Kafka topic %s has %d partitions and %s has %d: all must have the same number",
                            name, topic->partition_cnt, first, partitions);
        }
    }
    *ret_partitions = partitions;
    return err_ok();
}

struct err kafka_conf_partitions(rd_kafka_t *rk, const struct kafka_cluster *cluster,
                                 const enum topic *topics, size_t topic_count, int timeout_ms,
                                 int32_t *ret_partitions)
{
    // Of all topics: one request, and asking by name would create what is missing.
    const struct rd_kafka_metadata *metadata;
    rd_kafka_resp_err_t code = rd_kafka_metadata(rk, 1, NULL, &metadata, timeout_ms);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
        char complaint[160];
        last_complaint(rk, complaint, sizeof complaint);
        return err_make(ERR_RETRY, "Kafka at %s: %s%s", cluster->brokers, rd_kafka_err2str(code), complaint);
    }
    struct err e = compare_topics(metadata, cluster, topics, topic_count, ret_partitions);
    rd_kafka_metadata_destroy(metadata);
    return e;
}
