// Kafka clients of the bench's peers.
#include "bench/peers.h"

#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define METADATA_MS 10000

void peers_fail(const char *what, const char *why)
{
    fprintf(stderr, "bench_peers: %s: %s\n", what, why);
    exit(1);
}

void peers_topic_name(const struct peers_options *options, const char *topic, char ret_name[static 256])
{
    snprintf(ret_name, 256, "%s%s.v1", options->prefix, topic);
}

static void set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
    char why[256];
    if (rd_kafka_conf_set(conf, name, value, why, sizeof why) != RD_KAFKA_CONF_OK)
        peers_fail(name, why);
}

static rd_kafka_t *open_client(rd_kafka_type_t type, rd_kafka_conf_t *conf,
                               const struct peers_options *options)
{
    char why[256];
    set(conf, "bootstrap.servers", options->brokers);
    set(conf, "socket.nagle.disable", "true");
    rd_kafka_t *client = rd_kafka_new(type, conf, why, sizeof why);
    if (client == NULL)
        peers_fail("Kafka client", why);
    return client;
}

rd_kafka_t *peers_producer(const struct peers_options *options)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    set(conf, "enable.idempotence", "true");
    set(conf, "linger.ms", "1");
    set(conf, "partitioner", "murmur2_random"); // an order's records are in the same partition of every topic
    set(conf, "compression.codec", "lz4");
    return open_client(RD_KAFKA_PRODUCER, conf, options);
}

static rd_kafka_topic_partition_list_t *all_partitions(rd_kafka_t *client, const char *name)
{
    rd_kafka_topic_t *topic = rd_kafka_topic_new(client, name, NULL);
    const struct rd_kafka_metadata *metadata;
    rd_kafka_resp_err_t code = rd_kafka_metadata(client, 0, topic, &metadata, METADATA_MS);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        peers_fail(name, rd_kafka_err2str(code));
    if (metadata->topic_cnt != 1 || metadata->topics[0].partition_cnt == 0)
        peers_fail(name, "there is no such topic");
    rd_kafka_topic_partition_list_t *list =
        rd_kafka_topic_partition_list_new(metadata->topics[0].partition_cnt);
    for (int32_t p = 0; p < metadata->topics[0].partition_cnt; p++)
        rd_kafka_topic_partition_list_add(list, name, p)->offset = RD_KAFKA_OFFSET_BEGINNING;
    rd_kafka_metadata_destroy(metadata);
    rd_kafka_topic_destroy(topic);
    return list;
}

rd_kafka_t *peers_consumer(const struct peers_options *options, const char *topic)
{
    char name[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    set(conf, "group.id", "bench-peers"); // asked for by the library; positions aren't kept
    set(conf, "enable.auto.commit", "false");
    set(conf, "fetch.wait.max.ms", "100");
    rd_kafka_t *client = open_client(RD_KAFKA_CONSUMER, conf, options);
    rd_kafka_poll_set_consumer(client);
    peers_topic_name(options, topic, name);
    rd_kafka_topic_partition_list_t *list = all_partitions(client, name);
    rd_kafka_resp_err_t code = rd_kafka_assign(client, list);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        peers_fail(name, rd_kafka_err2str(code));
    rd_kafka_topic_partition_list_destroy(list);
    return client;
}

const char *peers_event_type(const rd_kafka_message_t *message, size_t *ret_size)
{
    static const char package[] = "orderclerk.v1.";
    rd_kafka_headers_t *headers;
    const void *value;
    size_t size;
    *ret_size = 0;
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR ||
        rd_kafka_message_headers(message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR ||
        rd_kafka_header_get_last(headers, "ce_type", &value, &size) != RD_KAFKA_RESP_ERR_NO_ERROR ||
        size < sizeof package - 1 || memcmp(value, package, sizeof package - 1) != 0)
        return NULL;
    *ret_size = size - (sizeof package - 1);
    return (const char *)value + (sizeof package - 1);
}
