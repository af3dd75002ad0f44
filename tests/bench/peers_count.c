// Counts completed orders from outside: when each order's OrderCompleted was there to be read on order-events.
#include "bench/peers.h"

#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define WAIT_MS 100

static bool is_completed(const rd_kafka_message_t *message)
{
    static const char type[] = "orderclerk.v1.OrderCompleted";
    rd_kafka_headers_t *headers;
    const void *value;
    size_t size;
    return rd_kafka_message_headers(message, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR &&
           rd_kafka_header_get_last(headers, "ce_type", &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR &&
           size == sizeof type - 1 && memcmp(value, type, size) == 0;
}

void *peers_count(void *self)
{
    const struct peers_options *options = self;
    FILE *out = fopen(options->completed, "a");
    if (out == NULL)
        peers_fail(options->completed, "can't be written");
    rd_kafka_t *consumer = peers_consumer(options, "order-events");
    for (int wait = WAIT_MS;;) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(consumer, wait);
        wait = message == NULL ? WAIT_MS : 0; // written out before waiting
        if (message == NULL) {
            fflush(out);
            continue;
        }
        if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR && is_completed(message)) {
            struct timespec now;
            clock_gettime(CLOCK_REALTIME, &now);
            fprintf(out, "%.*s %lld\n", (int)message->key_len, (const char *)message->key,
                    (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000);
        }
        rd_kafka_message_destroy(message);
    }
}
