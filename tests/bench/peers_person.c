// The person who is called when something can't go on: cancels the order, by the public API.
#include "bench/peers.h"

#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AT_ONCE  32
#define WAIT_MS  20
#define UUID_MAX 40

static const char cancel[] = "{\"type\": \"cancel\", \"reason\": \"the warehouse will not ship\"}";

static void post(struct peers_calls *calls, const struct peers_options *options, char *order_id)
{
    char url[512];
    snprintf(url, sizeof url, "%s/v1/orders/%s/requests", options->intake, order_id);
    peers_calls_post(calls, url, cancel, sizeof cancel - 1, order_id);
}

// An order whose state intake doesn't know yet is asked for again, and so is what it refuses for now.
static void take_answer(struct peers_calls *calls, const struct peers_options *options,
                        const struct peers_answer *answer)
{
    long status = answer->status;
    if (status == 0 || status == 404 || status == 429 || status == 503)
        post(calls, options, answer->context);
    else if (status == 202)
        free(answer->context);
    else
        peers_fail("a cancel request", answer->body);
}

void *peers_person(void *self)
{
    static const char called[] = "PersonNeeded";
    const struct peers_options *options = self;
    struct peers_calls *calls = peers_calls_open(AT_ONCE);
    rd_kafka_t *consumer = peers_consumer(options, "order-events");
    for (;;) {
        struct peers_answer answer;
        while (peers_calls_open_ones(calls) && peers_calls_next(calls, 0, &answer))
            take_answer(calls, options, &answer);
        if (!peers_calls_room(calls)) {
            if (peers_calls_next(calls, WAIT_MS, &answer))
                take_answer(calls, options, &answer);
            continue;
        }
        rd_kafka_message_t *message =
            rd_kafka_consumer_poll(consumer, peers_calls_open_ones(calls) ? 1 : WAIT_MS);
        if (message == NULL)
            continue;
        size_t size;
        const char *type = peers_event_type(message, &size);
        if (size == sizeof called - 1 && memcmp(type, called, size) == 0) {
            char *order_id = strndup(message->key, message->key_len < UUID_MAX ? message->key_len : UUID_MAX);
            if (order_id == NULL)
                peers_fail("person", "out of memory");
            post(calls, options, order_id);
        }
        rd_kafka_message_destroy(message);
    }
}
