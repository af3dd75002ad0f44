// A reader without a group: librdkafka's simple consumer, all partitions into one queue.
#include "kafka/kafka_reader.h"

#include "kafka/kafka_conf.h"
#include "kafka/kafka_offsets.h"

#include <stdlib.h>

#define ANSWER_MS     10000
#define SILENCE_MS    30000
#define QUIET_POLL_MS 100

struct reading {
    int64_t next; // the next offset to be given out
    int64_t goal;
    bool active;
    bool whole;
};

struct kafka_reader {
    const struct kafka_cluster *cluster;
    char name[KAFKA_TOPIC_NAME_SIZE];
    rd_kafka_t *rk;
    rd_kafka_topic_t *topic;
    rd_kafka_queue_t *queue;
    rd_kafka_message_t *message; // keeps the last record's views valid
    int32_t partitions;
    struct reading *reading; // per partition
};

int32_t kafka_reader_partitions(const struct kafka_reader *r)
{
    return r->partitions;
}

bool kafka_reader_is_whole(const struct kafka_reader *r, int32_t partition)
{
    return r->reading[partition].whole;
}

struct err kafka_reader_open(const struct kafka_cluster *cluster, enum topic topic,
                             struct kafka_reader **ret_reader)
{
    struct kafka_reader *r = calloc(1, sizeof *r);
    if (r == NULL)
        abort();
    r->cluster = cluster;
    struct err e = kafka_conf_topic_name(cluster, topic, r->name);
    if (!err_is(&e))
        e = kafka_conf_open(KAFKA_READER, cluster, NULL, &r->rk);
    if (!err_is(&e))
        e = kafka_conf_partitions(r->rk, cluster, &topic, 1, ANSWER_MS, &r->partitions);
    if (!err_is(&e)) {
        r->topic = rd_kafka_topic_new(r->rk, r->name, NULL);
        r->queue = rd_kafka_queue_new(r->rk);
        r->reading = calloc((size_t)r->partitions, sizeof *r->reading);
        if (r->reading == NULL)
            abort();
        if (r->topic == NULL)
            e = err_make(ERR_CONFIG, "Kafka topic %s: %s", r->name, rd_kafka_err2str(rd_kafka_last_error()));
    }
    if (err_is(&e)) {
        kafka_reader_close(r);
        return e;
    }
    *ret_reader = r;
    return err_ok();
}

void kafka_reader_close(struct kafka_reader *r)
{
    if (r == NULL)
        return;
    if (r->message != NULL)
        rd_kafka_message_destroy(r->message);
    for (int32_t p = 0; r->reading != NULL && p < r->partitions; p++) {
        if (r->reading[p].active)
            rd_kafka_consume_stop(r->topic, p);
    }
    if (r->queue != NULL)
        rd_kafka_queue_destroy(r->queue);
    if (r->topic != NULL)
        rd_kafka_topic_destroy(r->topic);
    if (r->rk != NULL)
        rd_kafka_destroy(r->rk);
    free(r->reading);
    free(r);
}

// ---- where to read

static rd_kafka_topic_partition_list_t *list_of(const struct kafka_reader *r)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(r->partitions);
    for (int32_t p = 0; p < r->partitions; p++) {
        if (r->reading[p].active)
            rd_kafka_topic_partition_list_add(list, r->name, p);
    }
    return list;
}

// Offsets of the first records at or after `since`; where there is none, the goal.
static struct err find_since(struct kafka_reader *r, rd_kafka_topic_partition_list_t *list, instant since)
{
    for (int i = 0; i < list->cnt; i++)
        list->elems[i].offset = since / INSTANT_MS;
    rd_kafka_resp_err_t code = rd_kafka_offsets_for_times(r->rk, list, ANSWER_MS);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return err_make(ERR_RETRY, "Kafka offsets of %s: %s", r->name, rd_kafka_err2str(code));
    for (int i = 0; i < list->cnt; i++) {
        if (list->elems[i].err != RD_KAFKA_RESP_ERR_NO_ERROR)
            return err_make(ERR_RETRY, "Kafka offsets of %s [%d]: %s", r->name, list->elems[i].partition,
                            rd_kafka_err2str(list->elems[i].err));
        if (list->elems[i].offset < 0)
            list->elems[i].offset = r->reading[list->elems[i].partition].goal;
    }
    return err_ok();
}

struct err kafka_reader_aim(struct kafka_reader *r)
{
    rd_kafka_topic_partition_list_t *list = list_of(r);
    struct err e = kafka_offsets_ask(r->rk, list, KAFKA_HIGH, ANSWER_MS);
    for (int i = 0; !err_is(&e) && i < list->cnt; i++)
        r->reading[list->elems[i].partition].goal = list->elems[i].offset;
    rd_kafka_topic_partition_list_destroy(list);
    return e;
}

struct err kafka_reader_start(struct kafka_reader *r, int32_t partition, instant since)
{
    for (int32_t p = 0; p < r->partitions; p++)
        r->reading[p].active = partition == KAFKA_READER_ALL || partition == p;
    struct err e = kafka_reader_aim(r);
    if (err_is(&e))
        return e;
    rd_kafka_topic_partition_list_t *list = list_of(r);
    e = since == INSTANT_NONE ? kafka_offsets_ask(r->rk, list, KAFKA_LOW, ANSWER_MS)
                              : find_since(r, list, since);
    for (int i = 0; !err_is(&e) && i < list->cnt; i++) {
        const rd_kafka_topic_partition_t *at = &list->elems[i];
        struct reading *reading = &r->reading[at->partition];
        reading->next = at->offset;
        reading->whole = at->offset == 0;
        if (rd_kafka_consume_start_queue(r->topic, at->partition, at->offset, r->queue) != 0)
            e = err_make(ERR_RETRY, "Kafka %s [%d]: %s", r->name, at->partition,
                         rd_kafka_err2str(rd_kafka_last_error()));
    }
    rd_kafka_topic_partition_list_destroy(list);
    return e;
}

// ---- reading

static bool is_done(const struct kafka_reader *r)
{
    for (int32_t p = 0; p < r->partitions; p++) {
        if (r->reading[p].active && r->reading[p].next < r->reading[p].goal)
            return false;
    }
    return true;
}

// What isn't a record.
static struct err take_news(struct kafka_reader *r, const rd_kafka_message_t *message)
{
    if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        struct reading *reading = &r->reading[message->partition];
        if (message->offset > reading->next)
            reading->next = message->offset; // transactions' markers and what they took back
        return err_ok();
    }
    if (message->err == RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE ||
        message->err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET)
        return err_make(ERR_REJECT, "%s [%d]: retention has deleted what was to be read next: start again",
                        r->name, message->partition);
    return err_ok(); // librdkafka goes on by itself; silence is bounded
}

struct err kafka_reader_next(struct kafka_reader *r, struct kafka_reader_record *ret_record, bool *ret_there)
{
    for (int silence = 0; !is_done(r);) {
        if (r->message != NULL)
            rd_kafka_message_destroy(r->message);
        r->message = rd_kafka_consume_queue(r->queue, QUIET_POLL_MS);
        if (r->message == NULL) {
            rd_kafka_poll(r->rk, 0); // errors of connections: librdkafka mends them by itself
            silence += QUIET_POLL_MS;
            if (silence >= SILENCE_MS)
                return err_make(ERR_RETRY, "Kafka at %s says nothing of %s", r->cluster->brokers, r->name);
            continue;
        }
        if (r->message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
            struct err e = take_news(r, r->message);
            if (err_is(&e))
                return e;
            continue;
        }
        r->reading[r->message->partition].next = r->message->offset + 1;
        *ret_record = (struct kafka_reader_record){
            .partition = r->message->partition,
            .offset = r->message->offset,
            .key = bytes_of(r->message->key, r->message->key_len),
            .value = bytes_of(r->message->payload, r->message->len),
        };
        *ret_there = true;
        return err_ok();
    }
    *ret_there = false;
    return err_ok();
}
