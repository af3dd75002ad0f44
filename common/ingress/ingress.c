// The writer: a thread that takes what was submitted, commits it under the instance's slot and answers.
//
// Whatever makes an outcome unknown takes one path: close the connection, forget the slots, claim again.
#include "base/mutant.h"
#include "base/timed_wait.h"
#include "ingress/ingress_internal.h"
#include "metrics/metrics.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RETRY_US         (20 * INSTANT_MS)
#define LINGER_US        (2 * INSTANT_MS) // when many come: a fuller commit costs the same
#define LINGER_FROM      8                // submissions in the last commit
#define CLOSE_PUBLISH_US (5 * INSTANT_SECOND)
#define ARENA_BYTES      ((size_t)64 * 1024)
#define RETRY_AFTER_S    2

static struct metric commits = {
    .type = METRIC_COUNTER, .name = "orderclerk_ingress_commits_total", .help = "Commits of submissions."};
static struct metric stored = {
    .type = METRIC_COUNTER, .name = "orderclerk_ingress_submissions_total", .help = "Submissions stored."};
static struct metric repeated = {
    .type = METRIC_COUNTER,
    .name = "orderclerk_ingress_repeated_total",
    .help = "Submissions that were there already, with the same or another content."};
static struct metric failed = {.type = METRIC_COUNTER,
                               .name = "orderclerk_ingress_failed_total",
                               .help = "Submissions not stored, or with an unknown outcome."};

static void register_metrics(void)
{
    static struct metric *const all[] = {&commits, &stored, &repeated, &failed};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        metrics_register(all[i]);
    ingress_slots_register();
}

// ---- the queue; under lock

static void push_last(struct submission_queue *q, struct submission *s)
{
    s->next = NULL;
    *q->end = s;
    q->end = &s->next;
    q->count++;
    q->bytes += s->bytes;
}

static void push_first(struct submission_queue *q, struct submission *s)
{
    s->next = q->first;
    if (q->first == NULL)
        q->end = &s->next;
    q->first = s;
    q->count++;
    q->bytes += s->bytes;
}

static struct submission *pop(struct submission_queue *q)
{
    struct submission *s = q->first;
    q->first = s->next;
    if (q->first == NULL)
        q->end = &q->first;
    q->count--;
    q->bytes -= s->bytes;
    return s;
}

static void finish(struct submission *s)
{
    switch (s->answer.status) {
    case INGRESS_STORED:
        metric_add(&stored, 1);
        break;
    case INGRESS_REPEATED:
    case INGRESS_CONFLICT:
        metric_add(&repeated, 1);
        break;
    case INGRESS_FAILED:
    case INGRESS_UNKNOWN:
        metric_add(&failed, 1);
        break;
    }
    s->done(s->self, &s->answer);
    arena_free(s->arena);
}

static void fail(struct submission *s, enum ingress_status status, const char *why)
{
    s->answer = (struct ingress_answer){.status = status, .submission = s->id, .text = why};
    finish(s);
}

// Those that have waited too long; all of them when nothing will come any more.
static void fail_overdue(struct ingress *g, bool all)
{
    int64_t before = clock_monotonic_us() - INGRESS_WAIT_MAX_US;
    for (;;) {
        pthread_mutex_lock(&g->lock);
        bool overdue = g->queue.count > 0 && (all || g->queue.first->since_us < before);
        struct submission *s = overdue ? pop(&g->queue) : NULL;
        pthread_mutex_unlock(&g->lock);
        if (s == NULL)
            return;
        fail(s, INGRESS_FAILED, "the database can't be reached");
    }
}

// ---- who waits for room

static void tell_waiting(struct ingress *g, bool end)
{
    int retry_after_s;
    pthread_mutex_lock(&g->lock);
    bool nobody = g->waits.first == NULL;
    pthread_mutex_unlock(&g->lock);
    if (nobody)
        return;
    bool room = !end && ingress_accepts(g, &retry_after_s);
    pthread_mutex_lock(&g->lock);
    struct room_waits told = room_waits_take(&g->waits, clock_monotonic_us(), room || end);
    pthread_mutex_unlock(&g->lock);
    room_waits_tell(told, room);
}

// ---- commits

static void put_back(struct ingress *g, struct submission **items, size_t count)
{
    pthread_mutex_lock(&g->lock);
    for (size_t i = count; i-- > 0;)
        push_first(&g->queue, items[i]);
    pthread_mutex_unlock(&g->lock);
}

static void after_commit(struct ingress *g, struct bytes records)
{
    struct held_slot *slot = &g->slots[0];
    metric_add(&commits, 1);
    pthread_mutex_lock(&g->lock);
    g->own_batch_no = slot->batch_no;
    pthread_mutex_unlock(&g->lock);
    if (slot->handed_no == slot->batch_no - 1 &&
        publisher_give(g->publisher, slot->i, slot->batch_no, records))
        slot->handed_no = slot->batch_no;
}

static void commit(struct ingress *g, struct submission **items, size_t count)
{
    struct held_slot *slot = &g->slots[0];
    struct bytes records = {.data = NULL};
    bool unknown = false;
    int64_t published_no = publisher_published(g->publisher, slot->i);
    struct err e = ingress_commit(g->pg, slot, published_no, items, count, g->arena, &records, &unknown);
    if (!err_is(&e)) {
        if (records.data != NULL)
            after_commit(g, records);
        for (size_t i = 0; i < count; i++)
            finish(items[i]);
        return;
    }
    if (e.class == ERR_REJECT && count > 1) { // one of them: halve until it stands alone
        commit(g, items, count / 2);
        if (g->pg != NULL)
            commit(g, items + count / 2, count - count / 2);
        else
            put_back(g, items + count / 2, count - count / 2);
        return;
    }
    if (unknown) {
        for (size_t i = 0; i < count && MUTANT(acknowledged_before_commit); i++)
            finish(items[i]);
        for (size_t i = 0; i < count && !MUTANT(acknowledged_before_commit); i++)
            fail(items[i], INGRESS_UNKNOWN, "the connection was lost at the commit");
    } else if (e.class == ERR_REJECT || e.class == ERR_CONFIG) {
        for (size_t i = 0; i < count; i++)
            fail(items[i], INGRESS_FAILED, e.text);
    } else {
        put_back(g, items, count);
    }
    if (e.class == ERR_FENCED || e.class == ERR_CONFIG || e.class == ERR_UNKNOWN || !pg_alive(g->pg))
        ingress_disconnect(g, e.text);
    else if (e.class == ERR_RETRY)
        usleep(RETRY_US);
}

static void wait_until(struct ingress *g, int64_t until_us)
{
    timed_wait(&g->changed, &g->lock, until_us - clock_monotonic_us());
}

static size_t take_items(struct ingress *g)
{
    size_t count = 0, bytes = 0;
    while (g->queue.count > 0 && count < (size_t)g->settings.commit_max && bytes < INGRESS_COMMIT_BYTES) {
        g->items[count] = pop(&g->queue);
        bytes += g->items[count++]->bytes;
    }
    return count;
}

// Sleeps until there is something to do; returns the submissions to commit now (none without a connection).
static size_t gather(struct ingress *g, int64_t until_us, bool *ret_stop)
{
    pthread_mutex_lock(&g->lock);
    while (!g->stop && !g->woken && clock_monotonic_us() < until_us && (g->pg == NULL || g->queue.count == 0))
        wait_until(g, until_us);
    g->woken = false;
    if (g->pg != NULL && g->queue.count > 0 && g->last_count >= LINGER_FROM) {
        int64_t linger_us = clock_monotonic_us() + LINGER_US;
        while (!g->stop && g->queue.count < (size_t)g->settings.commit_max &&
               clock_monotonic_us() < linger_us)
            wait_until(g, linger_us);
    }
    size_t count = g->pg != NULL ? take_items(g) : 0;
    *ret_stop = g->stop && g->queue.count == 0;
    pthread_mutex_unlock(&g->lock);
    return count;
}

static int64_t next_turn(const struct ingress *g, bool again)
{
    if (g->pg == NULL)
        return g->next_connect_us;
    if (again)
        return 0;
    bool marks = false;
    for (size_t i = 0; i < g->slot_count; i++)
        marks = marks || publisher_published(g->publisher, g->slots[i].i) > g->slots[i].marked_no;
    return marks ? g->next_mark_us : g->next_tick_us;
}

static void publish_rest(struct ingress *g)
{
    int64_t until = clock_monotonic_us() + CLOSE_PUBLISH_US;
    for (;;) {
        bool done = true, again = false;
        for (size_t i = 0; i < g->slot_count && g->pg != NULL; i++)
            done = done && publisher_published(g->publisher, g->slots[i].i) >= g->slots[i].batch_no;
        g->next_mark_us = done ? 0 : g->next_mark_us;
        struct err e = g->pg == NULL ? err_ok() : ingress_upkeep(g, &again);
        if (g->pg == NULL || err_is(&e) || done || clock_monotonic_us() > until)
            return;
        pthread_mutex_lock(&g->lock);
        while (!g->woken && !again && clock_monotonic_us() < until)
            wait_until(g, until);
        g->woken = false;
        pthread_mutex_unlock(&g->lock);
    }
}

static void *run(void *self)
{
    struct ingress *g = self;
    bool stop = false, again = false;
    while (!stop) {
        size_t count = gather(g, next_turn(g, again), &stop);
        again = false;
        arena_reset(g->arena);
        if (count > 0) {
            g->last_count = count;
            commit(g, g->items, count);
            stop = false; // some may have been put back
        }
        if (g->pg == NULL && !stop && clock_monotonic_us() >= g->next_connect_us) {
            struct err e = ingress_connect(g);
            (void)e; // shown as trouble
        }
        if (g->pg != NULL) {
            struct err e = ingress_upkeep(g, &again);
            if (err_is(&e))
                ingress_disconnect(g, e.text);
        }
        fail_overdue(g, false);
        tell_waiting(g, false);
        pthread_mutex_lock(&g->lock);
        bool give_up = g->stop && g->pg == NULL;
        pthread_mutex_unlock(&g->lock);
        if (give_up)
            fail_overdue(g, true);
    }
    publish_rest(g);
    tell_waiting(g, true);
    return NULL;
}

static void wake(void *self)
{
    struct ingress *g = self;
    pthread_mutex_lock(&g->lock);
    g->woken = true;
    pthread_cond_signal(&g->changed);
    pthread_mutex_unlock(&g->lock);
}

// ---- the outside

static void ingress_free(struct ingress *g)
{
    publisher_close(g->publisher);
    pg_close(g->pg);
    arena_free(g->arena);
    free(g->items);
    pthread_mutex_destroy(&g->lock);
    pthread_cond_destroy(&g->changed);
    free(g);
}

struct err ingress_open(const struct ingress_settings *settings, struct ingress **ret_ingress)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, register_metrics);
    if (settings->slots < 1 || settings->slots > INGRESS_SLOTS_MAX || settings->commit_max < 1)
        return err_make(ERR_CONFIG, "ingress: 1 to %d slots, at least 1 submission per commit",
                        INGRESS_SLOTS_MAX);
    struct ingress *g = calloc(1, sizeof *g);
    if (g == NULL)
        abort();
    g->settings = *settings;
    g->queue.end = &g->queue.first;
    g->preferred = (int32_t)getpid() % settings->slots;
    g->arena = arena_new(ARENA_BYTES);
    g->items = calloc((size_t)settings->commit_max, sizeof(struct submission *));
    if (g->items == NULL)
        abort();
    pthread_mutex_init(&g->lock, NULL);
    timed_wait_init(&g->changed);
    struct err e = publisher_open(settings, wake, g, &g->publisher);
    if (!err_is(&e)) {
        struct err connected = ingress_connect(g);
        if (connected.class == ERR_CONFIG)
            e = connected;
    }
    if (!err_is(&e) && pthread_create(&g->thread, NULL, run, g) != 0)
        e = err_make(ERR_RETRY, "no thread for ingress");
    if (err_is(&e))
        ingress_free(g);
    else
        *ret_ingress = g;
    return e;
}

void ingress_submit(struct ingress *g, const struct ingress_item *item,
                    void (*done)(void *self, const struct ingress_answer *answer), void *self)
{
    struct submission *s = NULL;
    struct err e = ingress_submission_make(item, g->settings.service, &s);
    if (err_is(&e)) {
        done(self, &(struct ingress_answer){.status = INGRESS_FAILED, .text = e.text});
        return;
    }
    s->done = done;
    s->self = self;
    pthread_mutex_lock(&g->lock);
    push_last(&g->queue, s);
    if (g->queue.count == 1 || g->queue.count == (size_t)g->settings.commit_max)
        pthread_cond_signal(&g->changed);
    pthread_mutex_unlock(&g->lock);
}

bool ingress_accepts(struct ingress *g, int *ret_retry_after_s)
{
    int64_t now = clock_monotonic_us();
    pthread_mutex_lock(&g->lock);
    bool room =
        g->ready && !g->stop && g->queue.count < INGRESS_QUEUE_MAX && g->queue.bytes < INGRESS_QUEUE_BYTES;
    int32_t slot = g->own_slot;
    int64_t batch_no = g->own_batch_no, idle_us = now - g->progress_us;
    pthread_mutex_unlock(&g->lock);
    if (room) {
        int64_t waiting = batch_no - publisher_published(g->publisher, slot);
        room = waiting <= g->settings.unpublished_max &&
               (waiting <= 0 || idle_us <= g->settings.unpublished_age_us);
    }
    *ret_retry_after_s = RETRY_AFTER_S;
    return room;
}

void ingress_await_room(struct ingress *g, int64_t max_us, void (*told)(void *self, bool room), void *self)
{
    pthread_mutex_lock(&g->lock);
    room_waits_add(&g->waits, clock_monotonic_us() + max_us, told, self);
    g->woken = true; // there may be room by now
    pthread_cond_signal(&g->changed);
    pthread_mutex_unlock(&g->lock);
}

void ingress_trouble(struct ingress *g, char ret_text[static ERR_TEXT_MAX])
{
    pthread_mutex_lock(&g->lock);
    memcpy(ret_text, g->trouble, sizeof g->trouble);
    pthread_mutex_unlock(&g->lock);
    if (ret_text[0] == '\0')
        publisher_trouble(g->publisher, ret_text);
}

void ingress_close(struct ingress *g)
{
    pthread_mutex_lock(&g->lock);
    g->stop = true;
    pthread_cond_signal(&g->changed);
    pthread_mutex_unlock(&g->lock);
    pthread_join(g->thread, NULL);
    ingress_free(g);
}
