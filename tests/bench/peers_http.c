// POSTs of a bench's clients, several at a time.
#include "bench/peers.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

#define TIMEOUT_MS 60000L // longer than any queue that is bounded

struct call {
    CURL *easy;
    void *context;
    size_t size;
    char answer[PEERS_ANSWER_MAX];
    struct call *next; // of those that are free
};

struct peers_calls {
    CURLM *multi;
    struct curl_slist *headers;
    struct call *free;
    size_t open;
};

static void must(CURLcode code)
{
    if (code != CURLE_OK)
        peers_fail("HTTP client", curl_easy_strerror(code));
}

static void must_multi(CURLMcode code)
{
    if (code != CURLM_OK)
        peers_fail("HTTP client", curl_multi_strerror(code));
}

static size_t keep(char *data, size_t one, size_t count, void *self)
{
    struct call *call = self;
    size_t room = sizeof call->answer - 1 - call->size;
    size_t size = one * count < room ? one * count : room;
    memcpy(call->answer + call->size, data, size);
    call->size += size;
    return one * count;
}

static void call_open(struct peers_calls *calls, struct call *call)
{
    call->easy = curl_easy_init();
    if (call->easy == NULL)
        peers_fail("HTTP client", "out of memory");
    must(curl_easy_setopt(call->easy, CURLOPT_PRIVATE, (char *)call));
    must(curl_easy_setopt(call->easy, CURLOPT_WRITEFUNCTION, keep));
    must(curl_easy_setopt(call->easy, CURLOPT_WRITEDATA, call));
    must(curl_easy_setopt(call->easy, CURLOPT_HTTPHEADER, calls->headers));
    must(curl_easy_setopt(call->easy, CURLOPT_NOSIGNAL, 1L));
    must(curl_easy_setopt(call->easy, CURLOPT_TIMEOUT_MS, TIMEOUT_MS));
    must(curl_easy_setopt(call->easy, CURLOPT_PROXY, ""));
    call->next = calls->free;
    calls->free = call;
}

struct peers_calls *peers_calls_open(size_t at_once)
{
    struct peers_calls *calls = calloc(1, sizeof *calls);
    struct call *all = calloc(at_once, sizeof *all);
    must(curl_global_init(CURL_GLOBAL_DEFAULT));
    if (calls == NULL || all == NULL || (calls->multi = curl_multi_init()) == NULL)
        peers_fail("HTTP client", "out of memory");
    must_multi(curl_multi_setopt(calls->multi, CURLMOPT_MAXCONNECTS, (long)at_once));
    calls->headers = curl_slist_append(NULL, "Content-Type: application/json");
    for (size_t i = 0; i < at_once; i++)
        call_open(calls, &all[i]);
    return calls;
}

bool peers_calls_room(const struct peers_calls *calls)
{
    return calls->free != NULL;
}

bool peers_calls_open_ones(const struct peers_calls *calls)
{
    return calls->open > 0;
}

void peers_calls_post(struct peers_calls *calls, const char *url, const char *body, size_t size,
                      void *context)
{
    struct call *call = calls->free;
    calls->free = call->next;
    calls->open++;
    call->context = context;
    call->size = 0;
    must(curl_easy_setopt(call->easy, CURLOPT_URL, url));
    must(curl_easy_setopt(call->easy, CURLOPT_POSTFIELDSIZE, (long)size));
    must(curl_easy_setopt(call->easy, CURLOPT_POSTFIELDS, body));
    must_multi(curl_multi_add_handle(calls->multi, call->easy));
}

static bool finished(struct peers_calls *calls, struct peers_answer *ret_answer)
{
    int left;
    const CURLMsg *message = curl_multi_info_read(calls->multi, &left);
    if (message == NULL)
        return false;
    char *self;
    curl_off_t again_after_s = 0;
    long status = 0;
    must(curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &self));
    struct call *call = (struct call *)(void *)self;
    if (message->data.result == CURLE_OK) {
        must(curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status));
        must(curl_easy_getinfo(call->easy, CURLINFO_RETRY_AFTER, &again_after_s));
    }
    call->answer[call->size] = '\0';
    *ret_answer = (struct peers_answer){
        .context = call->context, .status = status, .says_when = again_after_s > 0, .body = call->answer};
    must_multi(curl_multi_remove_handle(calls->multi, call->easy));
    call->next = calls->free;
    calls->free = call;
    calls->open--;
    return true;
}

bool peers_calls_next(struct peers_calls *calls, int wait_ms, struct peers_answer *ret_answer)
{
    int running;
    must_multi(curl_multi_perform(calls->multi, &running));
    if (finished(calls, ret_answer))
        return true;
    must_multi(curl_multi_poll(calls->multi, NULL, 0, wait_ms, NULL));
    must_multi(curl_multi_perform(calls->multi, &running));
    return finished(calls, ret_answer);
}
