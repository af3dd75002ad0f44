// What the files of the caller share: calls, one transfer of libcurl, and the caller itself.
#pragma once

#include "effects/caller_queue.h"
#include "effects/effects.h"
#include "effects/multi.h"
#include "orderclerk/v1/outbox.pb-c.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdatomic.h>

#define ANSWER_MAX ((size_t)64 * 1024) // of an answer's body; the rest is dropped

struct call {
    struct queue_entry entry;
    int32_t slot;
    int32_t attempt;
    uint64_t generation; // of forget
    Orderclerk__V1__EffectRequest *request;
    struct call *next; // among those handed in, or under way
    // While under way:
    CURL *curl;
    struct curl_slist *headers;
    struct curl_slist *recipients;
    size_t sent; // of a mail's bytes
    uint8_t *answer;
    size_t answer_size;
    char error[CURL_ERROR_SIZE];
    bool target_failed; // counts for the target's circuit breaker
    bool dropped;       // while under way
};

struct result_node {
    struct result_node *next;
    uint64_t generation;
    struct effect_result result;
};

struct caller {
    struct caller_port port;
    struct caller_settings settings;
    pthread_t thread;
    struct multi multi;
    _Atomic bool stop;
    _Atomic uint64_t generation;
    pthread_mutex_t lock; // guards the two lists
    struct call *incoming, **incoming_end;
    struct result_node *results, **results_end;
    // The thread's own:
    struct queue *queue;
    struct call *running;
    uint64_t seen_generation;
};

// transfer.c: a call as a transfer. False: the request can't be made into one; text says why.
bool transfer_start(struct caller *caller, struct call *call, char *ret_text, size_t text_size);
// The transfer's outcome, once libcurl is done with it; frees what belongs to it.
void transfer_end(struct call *call, CURLcode code, struct effect_result *ret_result);
void transfer_drop(struct caller *caller, struct call *call);
