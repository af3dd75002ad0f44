// Counts orders from outside: when each event of the types asked for was there to be read on order-events.
#include "bench/peers.h"

#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define WAIT_MS 100

static bool is_listed(const char *types, const char *type, size_t size)
{
    for (const char *at = types; *at != '\0';) {
        size_t length = strcspn(at, ",");
        if (length == size && memcmp(at, type, size) == 0)
            return true;
        at += length;
        at += *at == ',';
    }
    return false;
}

void *peers_count(void *self)
{
    const struct peers_options *options = self;
    FILE *out = fopen(options->counted, "a");
    if (out == NULL)
        peers_fail(options->counted, "can't be written");
    rd_kafka_t *consumer = peers_consumer(options, "order-events");
    for (int wait = WAIT_MS;;) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(consumer, wait);
        wait = message == NULL ? WAIT_MS : 0; // written out before waiting
        if (message == NULL) {
            fflush(out);
            continue;
        }
        size_t size = 0;
        const char *type = peers_event_type(message, &size);
        if (size > 0 && is_listed(options->types, type, size)) {
            struct timespec now;
            clock_gettime(CLOCK_REALTIME, &now);
            fprintf(out, "%.*s %lld %.*s\n", (int)message->key_len, (const char *)message->key,
                    (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000, (int)size, type);
        }
        rd_kafka_message_destroy(message);
    }
}
