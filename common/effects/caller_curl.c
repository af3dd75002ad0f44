// The caller: one thread that performs committed effects by libcurl's multi interface.
//
// Calls wait in one list by due time; per target a limit of calls under way and a circuit breaker. Everything but the
// incoming list and the results belongs to the thread.
#include "base/fault.h"
#include "effects/caller_internal.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define POLL_MAX_MS 1000

static instant now_us(void)
{
    return clock_system()->now(NULL);
}

static int64_t mono_us(void)
{
    return clock_system()->monotonic_us(NULL);
}

static void call_free(struct caller *caller, struct call *call)
{
    transfer_drop(caller, call);
    orderclerk__v1__effect_request__free_unpacked(call->request, NULL);
    free(call);
}

static void push_result(struct caller *caller, struct effect_result *result, uint64_t generation)
{
    struct result_node *node = calloc(1, sizeof *node);
    assert(node != NULL);
    node->generation = generation;
    node->result = *result;
    pthread_mutex_lock(&caller->lock);
    if (caller->results_last != NULL)
        caller->results_last->next = node;
    else
        caller->results = node;
    caller->results_last = node;
    pthread_mutex_unlock(&caller->lock);
    if (caller->settings.wake != NULL)
        caller->settings.wake(caller->settings.wake_self);
}

// ---- targets

static struct target *target_of(struct caller *caller, struct bytes name)
{
    for (struct target *t = caller->targets; t != NULL; t = t->next) {
        if (t->name_size == name.size && memcmp(t->name, name.data, name.size) == 0)
            return t;
    }
    struct target *t = calloc(1, sizeof *t);
    assert(t != NULL);
    t->name = malloc(name.size + 1);
    assert(t->name != NULL);
    memcpy(t->name, name.data, name.size);
    t->name_size = name.size;
    t->next = caller->targets;
    caller->targets = t;
    return t;
}

static bool may_start(const struct caller *caller, const struct target *t)
{
    if (caller->under_way >= caller->settings.total || t->under_way >= caller->settings.per_target)
        return false;
    if (t->closed_until == 0)
        return true;
    // Left alone for a while, then a single try.
    return mono_us() >= t->closed_until && t->under_way == 0;
}

static void note_outcome(struct caller *caller, struct target *t, enum effect_outcome outcome)
{
    if (outcome != EFFECT_FAILED) {
        t->failures = 0;
        t->closed_until = 0;
        return;
    }
    t->failures++;
    if (t->failures >= caller->settings.breaker_failures)
        t->closed_until = mono_us() + caller->settings.breaker_open_us;
}

// ---- the thread

static void take_incoming(struct caller *caller)
{
    pthread_mutex_lock(&caller->lock);
    struct call *list = caller->incoming;
    caller->incoming = NULL;
    pthread_mutex_unlock(&caller->lock);
    // Newest first: turned round, so that calls start in the order in which they were asked for.
    struct call *ordered = NULL;
    while (list != NULL) {
        struct call *next = list->next;
        list->next = ordered;
        ordered = list;
        list = next;
    }
    struct call **end = &caller->waiting;
    while (*end != NULL)
        end = &(*end)->next;
    *end = ordered;
}

static bool same_under_way(const struct caller *caller, const struct call *call)
{
    for (const struct call *c = caller->running; c != NULL; c = c->next) {
        if (uuid_equal(c->id, call->id) && c->generation == call->generation)
            return true;
    }
    return false;
}

static void finish(struct caller *caller, struct call *call, struct effect_result *result)
{
    push_result(caller, result, call->generation);
    call_free(caller, call);
}

static void answer_itself(struct caller *caller, struct call *call, enum effect_outcome outcome,
                          const char *text)
{
    struct effect_result result = {
        .id = call->id, .slot = call->slot, .attempt = call->attempt, .outcome = outcome};
    snprintf(result.text, sizeof result.text, "%s", text);
    finish(caller, call, &result);
}

static void start(struct caller *caller, struct call *call)
{
    char text[128];
    FAULT_POINT(effect_before_call);
    if (strcmp(call->request->transport, "auto") == 0) {
        answer_itself(caller, call, EFFECT_OK, "");
    } else if (!transfer_start(caller, call, text, sizeof text)) {
        answer_itself(caller, call, EFFECT_REFUSED, text);
    } else {
        call->target->under_way++;
        caller->under_way++;
        call->next = caller->running;
        caller->running = call;
    }
}

// Starts what is due and allowed; returns how long until the next one may be, in ms.
static int start_due(struct caller *caller)
{
    instant now = now_us();
    int64_t wait = POLL_MAX_MS;
    struct call **link = &caller->waiting;
    while (*link != NULL) {
        struct call *call = *link;
        bool forgotten = call->generation != atomic_load(&caller->generation);
        if (!forgotten && call->due > now) {
            int64_t ms = (call->due - now) / 1000 + 1;
            wait = ms < wait ? ms : wait;
        } else if (forgotten || same_under_way(caller, call)) {
            *link = call->next;
            call_free(caller, call);
            continue;
        } else if (may_start(caller, call->target)) {
            *link = call->next;
            start(caller, call);
            continue;
        } else if (call->target->closed_until > 0) {
            int64_t ms = (call->target->closed_until - mono_us()) / 1000 + 1;
            wait = ms < wait && ms > 0 ? ms : wait;
        }
        link = &call->next;
    }
    return (int)wait;
}

static void unlink_running(struct caller *caller, struct call *call)
{
    struct call **link = &caller->running;
    while (*link != call)
        link = &(*link)->next;
    *link = call->next;
    call->target->under_way--;
    caller->under_way--;
}

static void take_finished(struct caller *caller)
{
    CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(caller->multi, &left)) != NULL) {
        if (message->msg != CURLMSG_DONE)
            continue;
        struct call *call = NULL;
        CURLcode code = message->data.result;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&call);
        curl_multi_remove_handle(caller->multi, message->easy_handle);
        unlink_running(caller, call);
        struct effect_result result;
        transfer_end(call, code, &result);
        FAULT_POINT(effect_after_call);
        note_outcome(caller, call->target, result.outcome);
        finish(caller, call, &result);
    }
}

static void *run(void *self)
{
    struct caller *caller = self;
    while (!atomic_load(&caller->stop)) {
        int running;
        take_incoming(caller);
        int wait = start_due(caller);
        curl_multi_perform(caller->multi, &running);
        take_finished(caller);
        // What has just become free may let a waiting call start.
        if (caller->waiting != NULL)
            wait = start_due(caller);
        curl_multi_poll(caller->multi, NULL, 0, wait, NULL);
    }
    return NULL;
}

// ---- the port

static void submit(void *self, const struct effect_call *effect)
{
    struct caller *caller = self;
    struct call *call = calloc(1, sizeof *call);
    assert(call != NULL);
    call->id = effect->id;
    call->slot = effect->slot;
    call->attempt = effect->attempt;
    call->due = effect->due;
    call->generation = atomic_load(&caller->generation);
    call->request = orderclerk__v1__effect_request__unpack(NULL, effect->request.size, effect->request.data);
    assert(call->request != NULL); // the lane's own
    pthread_mutex_lock(&caller->lock);
    call->target = target_of(caller, effect->target);
    call->next = caller->incoming;
    caller->incoming = call;
    pthread_mutex_unlock(&caller->lock);
    curl_multi_wakeup(caller->multi);
}

static bool next(void *self, struct effect_result *ret_result)
{
    struct caller *caller = self;
    for (;;) {
        pthread_mutex_lock(&caller->lock);
        struct result_node *node = caller->results;
        if (node != NULL) {
            caller->results = node->next;
            if (caller->results == NULL)
                caller->results_last = NULL;
        }
        pthread_mutex_unlock(&caller->lock);
        if (node == NULL)
            return false;
        bool current = node->generation == atomic_load(&caller->generation);
        if (current)
            *ret_result = node->result;
        else
            effect_result_free(&node->result);
        free(node);
        if (current)
            return true;
    }
}

static void forget(void *self)
{
    struct caller *caller = self;
    atomic_fetch_add(&caller->generation, 1);
    curl_multi_wakeup(caller->multi);
}

struct err caller_curl_open(const struct caller_settings *settings, struct caller_port **ret_caller)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return err_make(ERR_CONFIG, "libcurl can't be used");
    struct caller *caller = calloc(1, sizeof *caller);
    if (caller == NULL)
        return err_make(ERR_RETRY, "no memory");
    caller->settings = *settings;
    caller->multi = curl_multi_init();
    pthread_mutex_init(&caller->lock, NULL);
    caller->port = (struct caller_port){.self = caller, .submit = submit, .next = next, .forget = forget};
    if (caller->multi == NULL || pthread_create(&caller->thread, NULL, run, caller) != 0) {
        if (caller->multi != NULL)
            curl_multi_cleanup(caller->multi);
        free(caller);
        return err_make(ERR_RETRY, "the effect thread can't be started");
    }
    *ret_caller = &caller->port;
    return err_ok();
}

static void free_calls(struct caller *caller, struct call *list)
{
    while (list != NULL) {
        struct call *following = list->next;
        call_free(caller, list);
        list = following;
    }
}

void caller_curl_close(struct caller_port *port)
{
    struct caller *caller = port->self;
    atomic_store(&caller->stop, true);
    curl_multi_wakeup(caller->multi);
    pthread_join(caller->thread, NULL);
    free_calls(caller, caller->running);
    free_calls(caller, caller->waiting);
    free_calls(caller, caller->incoming);
    atomic_fetch_add(&caller->generation, 1);
    struct effect_result none;
    (void)next(caller, &none); // all are of an earlier generation: freed
    while (caller->targets != NULL) {
        struct target *following = caller->targets->next;
        free(caller->targets->name);
        free(caller->targets);
        caller->targets = following;
    }
    curl_multi_cleanup(caller->multi);
    pthread_mutex_destroy(&caller->lock);
    free(caller);
}
