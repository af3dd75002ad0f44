// The idempotent producer: headers, partitions and delivery reports.
//
// Headers are CloudEvents 1.0, Kafka protocol binding, binary content mode (§3.2): any CloudEvents SDK reads them.
#include "kafka/kafka_producer.h"

#include "base/hash.h"
#include "kafka/kafka_conf.h"
#include "kafka/kafka_producer_internal.h"
#include "kafka/kafka_wait.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// How long opening waits for the topics' metadata: longer than a connection's set-up.
#define METADATA_TIMEOUT_MS 6000
#define HEADER_COUNT        8
#define FLUSH_MS            1 // long enough for the brokers' threads to wake up in

struct kafka_producer {
    rd_kafka_t *rk;
    rd_kafka_queue_t *queue; // delivery reports and errors
    struct kafka_cluster cluster;
    struct kafka_wait wait; // fd -1: the bus's producer, whose owner looks for reports by itself
    rd_kafka_topic_t *topics[TOPIC_MAX];
    int32_t partitions;
    size_t under_way; // sent, no report yet
    bool lingering;   // some of them may still wait in librdkafka for more to come
    // Tags of reports not yet given on, a ring. Bounded by librdkafka's queue.buffering.max.messages, since a record
    // counts there until its report has been taken.
    uint64_t *tags;
    size_t tag_first, tag_count, tag_size; // tag_size: a power of two
    bool failed, failure_told;
    char failure[ERR_TEXT_MAX];
};

static struct err open_topics(struct kafka_producer *p, const enum topic *outputs, size_t output_count)
{
    char name[KAFKA_TOPIC_NAME_SIZE];
    for (size_t i = 0; i < output_count; i++) {
        struct err e = kafka_conf_topic_name(&p->cluster, outputs[i], name);
        if (err_is(&e))
            return e;
        assert((int)outputs[i] > 0 && outputs[i] < TOPIC_MAX);
        if (p->topics[outputs[i]] != NULL)
            continue;
        p->topics[outputs[i]] = rd_kafka_topic_new(p->rk, name, NULL);
        if (p->topics[outputs[i]] == NULL)
            return err_make(ERR_CONFIG, "Kafka topic %s: %s", name, rd_kafka_err2str(rd_kafka_last_error()));
    }
    return err_ok();
}

static struct err start(struct kafka_producer *p, const enum topic *outputs, size_t output_count)
{
    struct err e = kafka_conf_open(KAFKA_PRODUCER, &p->cluster, NULL, &p->rk);
    if (err_is(&e))
        return e;
    p->queue = rd_kafka_queue_get_main(p->rk);
    if (p->wait.fd >= 0)
        kafka_wait_watch(&p->wait, p->queue);
    return open_topics(p, outputs, output_count);
}

static struct kafka_producer *allocate(const struct kafka_cluster *cluster)
{
    struct kafka_producer *p = calloc(1, sizeof *p);
    assert(p != NULL);
    p->cluster = *cluster;
    p->wait.fd = -1;
    return p;
}

struct err kafka_producer_make(const struct kafka_cluster *cluster, const enum topic *outputs,
                               size_t output_count, struct kafka_producer **ret_producer)
{
    struct kafka_producer *p = allocate(cluster);
    struct err e = start(p, outputs, output_count);
    if (err_is(&e)) {
        kafka_producer_close(p);
        return e;
    }
    *ret_producer = p;
    return err_ok();
}

struct err kafka_producer_ask_partitions(struct kafka_producer *p, const enum topic *topics,
                                         size_t topic_count, int32_t *ret_partitions)
{
    struct err e =
        kafka_conf_partitions(p->rk, &p->cluster, topics, topic_count, METADATA_TIMEOUT_MS, &p->partitions);
    if (!err_is(&e))
        *ret_partitions = p->partitions;
    return e;
}

void kafka_producer_set_partitions(struct kafka_producer *p, int32_t partitions)
{
    p->partitions = partitions;
}

struct err kafka_producer_open(const struct kafka_cluster *cluster, const enum topic *outputs,
                               size_t output_count, struct kafka_producer **ret_producer)
{
    struct kafka_producer *p = allocate(cluster);
    int32_t partitions;
    struct err e = kafka_wait_open(&p->wait);
    if (!err_is(&e))
        e = start(p, outputs, output_count);
    if (!err_is(&e))
        e = kafka_producer_ask_partitions(p, outputs, output_count, &partitions);
    if (err_is(&e)) {
        kafka_producer_close(p);
        return e;
    }
    *ret_producer = p;
    return err_ok();
}

void kafka_producer_close(struct kafka_producer *p)
{
    if (p == NULL)
        return;
    for (size_t i = 0; i < TOPIC_MAX; i++) {
        if (p->topics[i] != NULL)
            rd_kafka_topic_destroy(p->topics[i]);
    }
    if (p->rk != NULL) {
        kafka_wait_unwatch(p->queue);
        rd_kafka_queue_destroy(p->queue);
        rd_kafka_purge(p->rk,
                       RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT | RD_KAFKA_PURGE_F_NON_BLOCKING);
        rd_kafka_destroy(p->rk);
    }
    if (p->wait.fd >= 0)
        kafka_wait_close(&p->wait);
    free(p->tags);
    free(p);
}

// ---- sending

static rd_kafka_headers_t *make_headers(const struct bus_out *record)
{
    char at[INSTANT_TEXT_SIZE];
    instant_format(record->at, at);
    rd_kafka_headers_t *headers = rd_kafka_headers_new(HEADER_COUNT);
    assert(headers != NULL);
    rd_kafka_header_add(headers, "ce_specversion", -1, "1.0", -1);
    rd_kafka_header_add(headers, "ce_id", -1, record->event_id, -1);
    rd_kafka_header_add(headers, "ce_source", -1, record->source, -1);
    rd_kafka_header_add(headers, "ce_type", -1, record->type, -1);
    rd_kafka_header_add(headers, "ce_time", -1, at, -1);
    rd_kafka_header_add(headers, "ce_subject", -1, record->key.data, (ssize_t)record->key.size);
    rd_kafka_header_add(headers, "content-type", -1, "application/protobuf", -1);
    if (record->traceparent != NULL)
        rd_kafka_header_add(headers, "traceparent", -1, record->traceparent, -1);
    return headers;
}

static void fail(struct kafka_producer *p, const char *what, const char *text)
{
    if (p->failed)
        return; // the first failure is the cause
    p->failed = true;
    snprintf(p->failure, sizeof p->failure, "Kafka producer: %s%s%s", what, *what != '\0' ? ": " : "", text);
    kafka_conf_log(&p->cluster, 4, "failed", p->failure);
}

struct err kafka_producer_send(struct kafka_producer *p, const struct bus_out *record)
{
    rd_kafka_topic_t *topic =
        (int)record->topic > 0 && record->topic < TOPIC_MAX ? p->topics[record->topic] : NULL;
    if (topic == NULL)
        return err_make(ERR_CONFIG, "topic number %d isn't one that this process sends to",
                        (int)record->topic);

    rd_kafka_headers_t *headers = make_headers(record);
    int32_t partition = hash_partition(record->key, p->partitions);
    // librdkafka's macros check types by statement expressions, which pedantic compilers refuse.
    rd_kafka_resp_err_t code = __extension__ rd_kafka_producev(
        p->rk, RD_KAFKA_V_RKT(topic), RD_KAFKA_V_PARTITION(partition),
        RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_KEY(record->key.data, record->key.size),
        RD_KAFKA_V_VALUE((void *)(uintptr_t)record->value.data, record->value.size),
        RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_OPAQUE((void *)(uintptr_t)record->tag), RD_KAFKA_V_END);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
        p->under_way++;
        p->lingering = true;
        return err_ok();
    }
    rd_kafka_headers_destroy(headers); // taken over only on success
    const char *name = rd_kafka_topic_name(topic);
    if (code == RD_KAFKA_RESP_ERR__QUEUE_FULL)
        return err_make(ERR_RETRY, "Kafka producer: the local queue is full");
    if (code == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE)
        return err_make(ERR_REJECT, "a record of %zu bytes is too large for topic %s", record->value.size,
                        name);
    fail(p, name, rd_kafka_err2str(code));
    return err_make(ERR_RETRY, "Kafka topic %s: %s", name, rd_kafka_err2str(code));
}

// ---- reports

static void push_tag(struct kafka_producer *p, uint64_t tag)
{
    if (p->tag_count == p->tag_size) {
        size_t size = p->tag_size == 0 ? 1024 : p->tag_size * 2;
        uint64_t *tags = malloc(size * sizeof *tags);
        assert(tags != NULL);
        for (size_t i = 0; i < p->tag_count; i++)
            tags[i] = p->tags[(p->tag_first + i) & (p->tag_size - 1)];
        free(p->tags);
        p->tags = tags;
        p->tag_size = size;
        p->tag_first = 0;
    }
    p->tags[(p->tag_first + p->tag_count++) & (p->tag_size - 1)] = tag;
}

// What comes behind a failure isn't believed either: the producer is at its end, and all that has no report is sent again.
static void take_report(struct kafka_producer *p, const rd_kafka_message_t *message)
{
    const char *topic = rd_kafka_topic_name(message->rkt);
    p->under_way--;
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR)
        fail(p, topic, rd_kafka_err2str(message->err));
    else if (message->offset < 0)
        fail(p, topic, "a record was reported without an offset: whether it is on the topic isn't known");
    else if (!p->failed)
        push_tag(p, (uint64_t)(uintptr_t)message->_private);
}

static void take_event(struct kafka_producer *p, rd_kafka_event_t *event)
{
    const rd_kafka_message_t *message;
    switch (rd_kafka_event_type(event)) {
    case RD_KAFKA_EVENT_DR:
        while ((message = rd_kafka_event_message_next(event)) != NULL)
            take_report(p, message);
        break;
    case RD_KAFKA_EVENT_ERROR:
        if (rd_kafka_event_error_is_fatal(event))
            fail(p, "", rd_kafka_event_error_string(event));
        else
            kafka_conf_log(&p->cluster, 4, "producer", rd_kafka_event_error_string(event));
        break;
    default:
        break;
    }
    rd_kafka_event_destroy(event);
}

// The owner is about to sleep: no more records come for now, and those that were sent need not wait for linger.ms. While a
// flush lasts, each broker's thread sends at once what it has; the reports, which the owner takes, it awaits in vain.
static void send_now(struct kafka_producer *p)
{
    if (p->lingering)
        rd_kafka_flush(p->rk, FLUSH_MS);
    p->lingering = false;
}

// Takes what is in librdkafka's queue. An empty queue is not polled unless it has to be: that costs a system call.
static void take_events(struct kafka_producer *p, bool settle)
{
    if (settle)
        send_now(p);
    bool wakes = settle && p->wait.fd >= 0; // a sleeper is woken by a queue that was found empty
    while (wakes || rd_kafka_queue_length(p->queue) > 0) {
        rd_kafka_event_t *event = rd_kafka_queue_poll(p->queue, 0);
        if (event == NULL)
            return;
        take_event(p, event);
    }
}

void kafka_producer_take(struct kafka_producer *p, bool settle, struct kafka_report *ret_report)
{
    if (p->tag_count == 0)
        take_events(p, settle);
    if (p->tag_count > 0) {
        *ret_report = (struct kafka_report){.kind = KAFKA_REPORT_SENT, .tag = p->tags[p->tag_first]};
        p->tag_first = (p->tag_first + 1) & (p->tag_size - 1);
        p->tag_count--;
    } else if (p->failed && !p->failure_told) {
        p->failure_told = true;
        *ret_report = (struct kafka_report){.kind = KAFKA_REPORT_FAILED, .text = p->failure};
    } else {
        *ret_report = (struct kafka_report){.kind = KAFKA_REPORT_NONE};
    }
}

void kafka_producer_next(struct kafka_producer *p, int64_t timeout_us, struct kafka_report *ret_report)
{
    int64_t end = clock_monotonic_us() + timeout_us;
    for (;;) {
        kafka_producer_take(p, true, ret_report);
        if (ret_report->kind != KAFKA_REPORT_NONE || kafka_wait_take_wake(&p->wait))
            return;
        int64_t left = end - clock_monotonic_us();
        if (left <= 0)
            return;
        kafka_wait_sleep(&p->wait, left);
    }
}

size_t kafka_producer_unreported(const struct kafka_producer *p)
{
    return p->under_way + p->tag_count;
}

bool kafka_producer_flush(struct kafka_producer *p, int64_t max_us)
{
    int64_t end = clock_monotonic_us() + max_us;
    for (;;) {
        take_events(p, true);
        int64_t left = end - clock_monotonic_us();
        if (p->under_way == 0 || left <= 0 || p->failed)
            return p->under_way == 0 && !p->failed;
        kafka_wait_sleep(&p->wait, left);
    }
}

void kafka_producer_wake(struct kafka_producer *p)
{
    kafka_wait_wake(&p->wait);
}

int32_t kafka_producer_partition_of(const struct kafka_producer *p, struct bytes key)
{
    return hash_partition(key, p->partitions);
}
