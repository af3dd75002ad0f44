// The caller: one thread that performs committed effects by libcurl's multi interface.
//
// The queue, libcurl and the list of calls under way belong to the thread; what is handed in and what comes out are two
// lists under a lock.
#include "base/fault.h"
#include "effects/caller_internal.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLEEP_MAX_US INSTANT_SECOND

static void call_free(struct caller *caller, struct call *call)
{
    transfer_drop(caller, call);
    orderclerk__v1__effect_request__free_unpacked(call->request, NULL);
    free((void *)(uintptr_t)call->entry.target_name.data);
    free(call);
}

static struct call *call_of(struct queue_entry *entry)
{
    return (struct call *)entry; // its first member
}

static void push_result(struct caller *caller, const struct effect_result *result, uint64_t generation)
{
    struct result_node *node = calloc(1, sizeof *node);
    assert(node != NULL);
    node->generation = generation;
    node->result = *result;
    pthread_mutex_lock(&caller->lock);
    bool first = caller->results == NULL; // otherwise who was woken for the first hasn't come yet
    *caller->results_end = node;
    caller->results_end = &node->next;
    pthread_mutex_unlock(&caller->lock);
    if (first && caller->settings.wake != NULL)
        caller->settings.wake(caller->settings.wake_self);
}

// ---- the thread

static void follow_forget(struct caller *caller)
{
    uint64_t generation = atomic_load(&caller->generation);
    if (generation == caller->seen_generation)
        return;
    caller->seen_generation = generation;
    struct queue_entry *entry;
    while ((entry = queue_take_waiting(caller->queue)) != NULL)
        call_free(caller, call_of(entry));
}

static void take_one(struct caller *caller, struct call *call)
{
    struct queue_entry *known = queue_find(caller->queue, call->entry.id);
    if (call->generation != caller->seen_generation) {
        call_free(caller, call);
    } else if (known != NULL) {
        // Under way since before a forget: its outcome answers the one who asks now, and no second call is made.
        struct call *running = call_of(known);
        running->generation = call->generation;
        running->attempt = call->attempt;
        running->slot = call->slot;
        call_free(caller, call);
    } else {
        queue_add(caller->queue, &call->entry);
    }
}

static void take_incoming(struct caller *caller)
{
    pthread_mutex_lock(&caller->lock);
    struct call *list = caller->incoming;
    caller->incoming = NULL;
    caller->incoming_end = &caller->incoming;
    pthread_mutex_unlock(&caller->lock);
    // After the list has been taken: a forget that comes before any of it is seen.
    follow_forget(caller);
    while (list != NULL) {
        struct call *call = list;
        list = call->next;
        call->next = NULL;
        take_one(caller, call);
    }
}

static void finish(struct caller *caller, struct call *call, const struct effect_result *result)
{
    queue_end(caller->queue, &call->entry, call->target_failed, clock_monotonic_us());
    push_result(caller, result, call->generation);
    call_free(caller, call);
}

static void answer_itself(struct caller *caller, struct call *call, enum effect_outcome outcome,
                          const char *text)
{
    struct effect_result result = {
        .id = call->entry.id, .slot = call->slot, .attempt = call->attempt, .outcome = outcome};
    snprintf(result.text, sizeof result.text, "%s", text);
    finish(caller, call, &result);
}

static void start(struct caller *caller, struct call *call)
{
    char text[sizeof((struct effect_result *)0)->text];
    FAULT_POINT(effect_before_call);
    if (strcmp(call->request->transport, "auto") == 0) {
        answer_itself(caller, call, EFFECT_OK, "");
    } else if (!transfer_start(caller, call, text, sizeof text)) {
        answer_itself(caller, call, EFFECT_REFUSED, text);
    } else {
        call->next = caller->running;
        caller->running = call;
    }
}

// Starts what is due and allowed; returns how long until the next one may be.
static int64_t start_due(struct caller *caller)
{
    int64_t wait;
    struct queue_entry *entry;
    while ((entry = queue_start(caller->queue, clock_monotonic_us(), &wait)) != NULL)
        start(caller, call_of(entry));
    return wait < SLEEP_MAX_US ? wait : SLEEP_MAX_US;
}

static void unlink_running(struct caller *caller, struct call *call)
{
    struct call **link = &caller->running;
    while (*link != call)
        link = &(*link)->next;
    *link = call->next;
}

static void take_finished(struct caller *caller)
{
    CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(caller->multi.curl, &left)) != NULL) {
        if (message->msg != CURLMSG_DONE)
            continue;
        struct call *call = NULL;
        CURLcode code = message->data.result;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&call);
        curl_multi_remove_handle(caller->multi.curl, message->easy_handle);
        unlink_running(caller, call);
        struct effect_result result;
        transfer_end(call, code, &result);
        FAULT_POINT(effect_after_call);
        finish(caller, call, &result);
    }
}

static void *run(void *self)
{
    struct caller *caller = self;
    while (!atomic_load(&caller->stop)) {
        take_incoming(caller);
        take_finished(caller);
        multi_step(&caller->multi, start_due(caller));
    }
    return NULL;
}

// ---- the port

static void caller_submit(void *self, const struct effect_call *effect)
{
    struct caller *caller = self;
    struct call *call = calloc(1, sizeof *call);
    char *target = malloc(effect->target.size + 1);
    assert(call != NULL && target != NULL);
    if (effect->target.size > 0)
        memcpy(target, effect->target.data, effect->target.size);
    call->entry = (struct queue_entry){
        .id = effect->id, .target_name = bytes_of(target, effect->target.size), .due = effect->due_us};
    call->slot = effect->slot;
    call->attempt = effect->attempt;
    call->generation = atomic_load(&caller->generation);
    call->request = orderclerk__v1__effect_request__unpack(NULL, effect->request.size, effect->request.data);
    assert(call->request != NULL); // the lane's own
    pthread_mutex_lock(&caller->lock);
    bool first = caller->incoming == NULL; // otherwise the thread has been woken already
    *caller->incoming_end = call;
    caller->incoming_end = &call->next;
    pthread_mutex_unlock(&caller->lock);
    if (first)
        multi_wake(&caller->multi);
}

static struct result_node *take_node(struct caller *caller)
{
    pthread_mutex_lock(&caller->lock);
    struct result_node *node = caller->results;
    if (node != NULL) {
        caller->results = node->next;
        if (caller->results == NULL)
            caller->results_end = &caller->results;
    }
    pthread_mutex_unlock(&caller->lock);
    return node;
}

static bool caller_next(void *self, struct effect_result *ret_result)
{
    struct caller *caller = self;
    struct result_node *node;
    while ((node = take_node(caller)) != NULL) {
        bool current = node->generation == atomic_load(&caller->generation);
        if (current)
            *ret_result = node->result;
        else
            effect_result_free(&node->result);
        free(node);
        if (current)
            return true;
    }
    return false;
}

static void caller_forget(void *self)
{
    struct caller *caller = self;
    atomic_fetch_add(&caller->generation, 1);
    multi_wake(&caller->multi);
}

static void caller_free(struct caller *caller)
{
    queue_free(caller->queue);
    multi_close(&caller->multi);
    pthread_mutex_destroy(&caller->lock);
    free(caller);
}

struct err caller_curl_open(const struct caller_settings *settings, struct caller_port **ret_caller)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return err_make(ERR_CONFIG, "libcurl can't be used");
    struct caller *caller = calloc(1, sizeof *caller);
    assert(caller != NULL);
    caller->settings = *settings;
    caller->queue = queue_new(&(struct queue_limits){.per_target = settings->per_target,
                                                     .total = settings->total,
                                                     .breaker_failures = settings->breaker_failures,
                                                     .breaker_open_us = settings->breaker_open_us});
    caller->incoming_end = &caller->incoming;
    caller->results_end = &caller->results;
    pthread_mutex_init(&caller->lock, NULL);
    caller->port = (struct caller_port){
        .self = caller, .submit = caller_submit, .next = caller_next, .forget = caller_forget};
    struct err e = multi_open(&caller->multi);
    if (!err_is(&e) && pthread_create(&caller->thread, NULL, run, caller) != 0)
        e = err_make(ERR_RETRY, "the effect thread can't be started");
    if (err_is(&e)) {
        caller_free(caller);
        return e;
    }
    *ret_caller = &caller->port;
    return err_ok();
}

void caller_curl_close(struct caller_port *port)
{
    if (port == NULL)
        return;
    struct caller *caller = port->self;
    atomic_store(&caller->stop, true);
    multi_wake(&caller->multi);
    pthread_join(caller->thread, NULL);
    while (caller->running != NULL) {
        struct call *call = caller->running;
        caller->running = call->next;
        queue_end(caller->queue, &call->entry, false, 0);
        call_free(caller, call);
    }
    caller_forget(caller);
    take_incoming(caller); // all are of an earlier generation: freed, and what waits with them
    struct effect_result none;
    (void)caller_next(caller, &none); // likewise
    caller_free(caller);
}
