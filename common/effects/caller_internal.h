// What the files of the caller share: targets, calls, and one transfer of libcurl.
#pragma once

#include "effects/effects.h"
#include "orderclerk/v1/outbox.pb-c.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdatomic.h>

#define ANSWER_MAX ((size_t)64 * 1024) // of an answer's body; the rest is dropped

struct target {
    struct target *next;
    char *name;
    size_t name_size;
    int32_t under_way;
    int32_t failures;     // in a row
    int64_t closed_until; // monotonic: left alone until then; 0: not
};

struct call {
    struct call *next;
    struct uuid id;
    int32_t slot;
    int32_t attempt;
    instant due;
    uint64_t generation; // of forget
    struct target *target;
    Orderclerk__V1__EffectRequest *request;
    // While under way:
    CURL *curl;
    struct curl_slist *headers;
    struct curl_slist *recipients;
    size_t sent; // of a mail's bytes
    uint8_t *answer;
    size_t answer_size;
    char error[CURL_ERROR_SIZE];
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
    CURLM *multi;
    _Atomic bool stop;
    pthread_mutex_t lock; // guards what follows
    struct call *incoming;
    struct result_node *results, *results_last;
    _Atomic uint64_t generation;
    // The thread's own:
    struct call *waiting, *running;
    struct target *targets;
    int32_t under_way;
};

// transfer.c: a call as a transfer. False: the request can't be made into one; text says why.
bool transfer_start(struct caller *caller, struct call *call, char *ret_text, size_t text_size);
// The transfer's outcome, once libcurl is done with it; frees what belongs to it.
void transfer_end(struct call *call, CURLcode code, struct effect_result *ret_result);
void transfer_drop(struct caller *caller, struct call *call);
