// A group's committed places, against the ends of the topic.
#include "kafka/kafka_lag.h"

#include "kafka/kafka_conf.h"
#include "kafka/kafka_offsets.h"

#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stdlib.h>

#define ASK_MS 2000

struct kafka_lag {
    rd_kafka_t *rk;
    rd_kafka_topic_partition_list_t *places, *ends; // the same partitions in the same order
};

struct err kafka_lag_open(const struct kafka_cluster *cluster, enum topic topic, const char *group,
                          struct kafka_lag **ret_lag)
{
    char name[KAFKA_TOPIC_NAME_SIZE];
    struct err e = kafka_conf_topic_name(cluster, topic, name);
    if (err_is(&e))
        return e;
    struct bus_kafka_settings members = {.cluster = *cluster, .group = group};
    rd_kafka_t *rk;
    e = kafka_conf_open(KAFKA_CONSUMER, cluster, &members, &rk);
    if (err_is(&e))
        return e;
    int32_t partitions;
    e = kafka_conf_partitions(rk, cluster, &topic, 1, ASK_MS, &partitions);
    if (err_is(&e)) {
        rd_kafka_destroy(rk);
        return e;
    }
    struct kafka_lag *lag = malloc(sizeof *lag);
    if (lag == NULL)
        abort();
    *lag = (struct kafka_lag){.rk = rk,
                              .places = rd_kafka_topic_partition_list_new(partitions),
                              .ends = rd_kafka_topic_partition_list_new(partitions)};
    for (int32_t p = 0; p < partitions; p++) {
        rd_kafka_topic_partition_list_add(lag->places, name, p);
        rd_kafka_topic_partition_list_add(lag->ends, name, p);
    }
    *ret_lag = lag;
    return err_ok();
}

void kafka_lag_close(struct kafka_lag *lag)
{
    if (lag == NULL)
        return;
    rd_kafka_topic_partition_list_destroy(lag->places);
    rd_kafka_topic_partition_list_destroy(lag->ends);
    rd_kafka_destroy(lag->rk);
    free(lag);
}

// Where the group has no place, it begins at the first record that there is.
static struct err ask_places(struct kafka_lag *lag)
{
    for (int i = 0; i < lag->places->cnt; i++)
        lag->places->elems[i].offset = RD_KAFKA_OFFSET_INVALID;
    rd_kafka_resp_err_t code = rd_kafka_committed(lag->rk, lag->places, ASK_MS);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return err_make(ERR_RETRY, "Kafka's places of a group: %s", rd_kafka_err2str(code));
    bool missing = false;
    for (int i = 0; i < lag->places->cnt; i++) {
        const rd_kafka_topic_partition_t *place = &lag->places->elems[i];
        if (place->err != RD_KAFKA_RESP_ERR_NO_ERROR)
            return err_make(ERR_RETRY, "Kafka's place of a group in %s [%d]: %s", place->topic,
                            place->partition, rd_kafka_err2str(place->err));
        missing = missing || place->offset < 0;
    }
    if (!missing)
        return err_ok();
    struct err e = kafka_offsets_ask(lag->rk, lag->ends, KAFKA_LOW, ASK_MS);
    for (int i = 0; i < lag->places->cnt && !err_is(&e); i++)
        if (lag->places->elems[i].offset < 0)
            lag->places->elems[i].offset = lag->ends->elems[i].offset;
    return e;
}

struct err kafka_lag_ask(struct kafka_lag *lag, struct kafka_lag_answer *ret_answer)
{
    while (rd_kafka_poll(lag->rk, 0) > 0)
        ; // nothing is subscribed: only complaints, which are logged as well
    struct err e = ask_places(lag);
    if (!err_is(&e))
        e = kafka_offsets_ask(lag->rk, lag->ends, KAFKA_HIGH, ASK_MS);
    if (err_is(&e))
        return e;
    struct kafka_lag_answer answer = {0};
    for (int i = 0; i < lag->places->cnt; i++) {
        const int64_t at = lag->places->elems[i].offset, end = lag->ends->elems[i].offset;
        answer.waiting += at < end ? end - at : 0;
        answer.read += at;
    }
    *ret_answer = answer;
    return err_ok();
}
