// The publisher: a thread that owns the producer, sends batches in their order and knows how far each slot has come.
//
// Batches wait in a ring. A record's tag is its batch's number in the ring. What has no report when the producer dies is sent
// again by the next one.
#include "ingress/ingress_internal.h"

#include "base/fault.h"
#include "base/timed_wait.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OPEN_AGAIN_US (1 * INSTANT_SECOND)
#define SLEEP_US      (1 * INSTANT_SECOND) // the longest; new batches wake

struct pub_batch {
    int32_t slot;
    int64_t generation; // of the slot; older ones count no more
    int64_t batch_no;
    struct bytes records; // malloc'd
    Orderclerk__V1__OutboxBatch *batch;
    size_t sent;
    size_t reported;
};

struct pub_slot {
    int64_t generation;
    int64_t published_no;
};

struct publisher {
    const char *source; // /orderclerk/<service>
    struct kafka_cluster cluster;
    enum topic outputs[TOPIC_MAX];
    size_t output_count;
    void (*wake)(void *self);
    void *wake_self;
    pthread_t thread;
    struct kafka_producer *producer; // the thread's own, but for waking: under lock when it changes

    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool stop;
    char trouble[ERR_TEXT_MAX];
    size_t bytes;
    uint64_t first, end; // numbers of the batches in the ring
    struct pub_batch ring[PUBLISH_BATCHES_MAX];
    struct pub_slot slots[INGRESS_SLOTS_MAX];
    uint64_t next_to_send; // thread's own
};

static struct pub_batch *at(struct publisher *p, uint64_t number)
{
    return &p->ring[number % PUBLISH_BATCHES_MAX];
}

static void note_trouble(struct publisher *p, const char *text)
{
    pthread_mutex_lock(&p->lock);
    snprintf(p->trouble, sizeof p->trouble, "%s", text);
    pthread_mutex_unlock(&p->lock);
}

// ---- the writer's side

bool publisher_give(struct publisher *p, int32_t slot, int64_t batch_no, struct bytes records)
{
    assert(slot >= 0 && slot < INGRESS_SLOTS_MAX);
    pthread_mutex_lock(&p->lock);
    bool room = p->end - p->first < PUBLISH_BATCHES_MAX &&
                (p->bytes == 0 || p->bytes + records.size <= PUBLISH_BYTES_MAX);
    if (room) {
        uint8_t *copy = malloc(records.size + 1);
        if (copy == NULL)
            abort();
        memcpy(copy, records.data, records.size);
        *at(p, p->end++) = (struct pub_batch){.slot = slot,
                                              .generation = p->slots[slot].generation,
                                              .batch_no = batch_no,
                                              .records = bytes_of(copy, records.size)};
        p->bytes += records.size;
        pthread_cond_signal(&p->changed);
        if (p->producer != NULL)
            kafka_producer_wake(p->producer);
    }
    pthread_mutex_unlock(&p->lock);
    return room;
}

int64_t publisher_published(struct publisher *p, int32_t slot)
{
    pthread_mutex_lock(&p->lock);
    int64_t published_no = p->slots[slot].published_no;
    pthread_mutex_unlock(&p->lock);
    return published_no;
}

void publisher_start_slot(struct publisher *p, int32_t slot, int64_t published_no)
{
    pthread_mutex_lock(&p->lock);
    p->slots[slot].generation++;
    p->slots[slot].published_no = published_no;
    pthread_mutex_unlock(&p->lock);
}

bool publisher_idle(struct publisher *p)
{
    pthread_mutex_lock(&p->lock);
    bool idle = p->first == p->end;
    pthread_mutex_unlock(&p->lock);
    return idle;
}

void publisher_trouble(struct publisher *p, char ret_text[static ERR_TEXT_MAX])
{
    pthread_mutex_lock(&p->lock);
    memcpy(ret_text, p->trouble, sizeof p->trouble);
    pthread_mutex_unlock(&p->lock);
}

// ---- the thread

static void batch_clear(struct pub_batch *b)
{
    if (b->batch != NULL)
        orderclerk__v1__outbox_batch__free_unpacked(b->batch, NULL);
    free((void *)(uintptr_t)b->records.data);
    *b = (struct pub_batch){.batch = NULL};
}

static void set_producer(struct publisher *p, struct kafka_producer *producer)
{
    pthread_mutex_lock(&p->lock);
    struct kafka_producer *old = p->producer;
    p->producer = producer;
    pthread_mutex_unlock(&p->lock);
    kafka_producer_close(old);
}

static void send_all_again(struct publisher *p)
{
    pthread_mutex_lock(&p->lock);
    for (uint64_t n = p->first; n < p->end; n++)
        at(p, n)->sent = at(p, n)->reported = 0;
    p->next_to_send = p->first;
    pthread_mutex_unlock(&p->lock);
}

static bool open_producer(struct publisher *p)
{
    struct kafka_producer *producer = NULL;
    struct err e = kafka_producer_open(&p->cluster, p->outputs, p->output_count, &producer);
    if (err_is(&e)) {
        note_trouble(p, e.text);
        return false;
    }
    send_all_again(p);
    set_producer(p, producer);
    note_trouble(p, "");
    return true;
}

static struct err send_record(struct publisher *p, const Orderclerk__V1__OutboxRecord *record,
                              uint64_t number)
{
    struct bus_out out = {
        .topic = (enum topic)record->topic,
        .key = bytes_of(record->key.data, record->key.len),
        .value = bytes_of(record->value.data, record->value.len),
        .type = record->type,
        .event_id = record->event_id,
        .source = p->source,
        .at = record->occurred_at_us,
        .traceparent = record->traceparent[0] != '\0' ? record->traceparent : NULL,
        .tag = number,
    };
    return kafka_producer_send(p->producer, &out);
}

// True: all of it has been sent. A record that can't be sent ever is given up: it was checked before the commit.
static bool send_batch(struct publisher *p, struct pub_batch *b, uint64_t number)
{
    if (b->batch == NULL) {
        b->batch = orderclerk__v1__outbox_batch__unpack(NULL, b->records.size, b->records.data);
        if (b->batch == NULL) {
            note_trouble(p, "an outbox row can't be read");
            return true;
        }
    }
    while (b->sent < b->batch->n_records) {
        struct err e = send_record(p, b->batch->records[b->sent], number);
        if (e.class == ERR_RETRY)
            return false;
        b->sent++;
        if (err_is(&e)) {
            note_trouble(p, e.text);
            b->reported++;
        }
    }
    FAULT_POINT(ingress_after_produce);
    return true;
}

static void send_waiting(struct publisher *p)
{
    for (;;) {
        pthread_mutex_lock(&p->lock);
        bool none = p->next_to_send == p->end;
        pthread_mutex_unlock(&p->lock);
        if (none || !send_batch(p, at(p, p->next_to_send), p->next_to_send))
            return;
        p->next_to_send++;
    }
}

static bool is_finished(struct publisher *p, uint64_t number)
{
    const struct pub_batch *b = at(p, number);
    return number < p->next_to_send && (b->batch == NULL || b->reported == b->batch->n_records);
}

// Takes finished batches off the ring's beginning: a slot's published_no has no gaps.
static void advance(struct publisher *p)
{
    bool any = false;
    pthread_mutex_lock(&p->lock);
    while (p->first < p->end && is_finished(p, p->first)) {
        struct pub_batch *b = at(p, p->first);
        struct pub_slot *slot = &p->slots[b->slot];
        if (slot->generation == b->generation && slot->published_no < b->batch_no)
            slot->published_no = b->batch_no;
        p->bytes -= b->records.size;
        batch_clear(b);
        p->first++;
        any = true;
    }
    pthread_mutex_unlock(&p->lock);
    if (any)
        p->wake(p->wake_self);
}

static void take_reports(struct publisher *p, int64_t timeout_us)
{
    for (;;) {
        struct kafka_report report;
        kafka_producer_next(p->producer, timeout_us, &report);
        timeout_us = 0;
        if (report.kind == KAFKA_REPORT_NONE)
            return;
        if (report.kind == KAFKA_REPORT_FAILED) {
            note_trouble(p, report.text);
            set_producer(p, NULL);
            return;
        }
        if (report.tag >= p->first && report.tag < p->next_to_send + 1)
            at(p, report.tag)->reported++;
        FAULT_POINT(ingress_after_report);
    }
}

static bool wait_to_open(struct publisher *p)
{
    int64_t end = clock_monotonic_us() + OPEN_AGAIN_US;
    pthread_mutex_lock(&p->lock);
    while (!p->stop && clock_monotonic_us() < end)
        timed_wait(&p->changed, &p->lock, end - clock_monotonic_us());
    bool go_on = !p->stop;
    pthread_mutex_unlock(&p->lock);
    return go_on;
}

static bool stopped(struct publisher *p)
{
    pthread_mutex_lock(&p->lock);
    bool stop = p->stop;
    pthread_mutex_unlock(&p->lock);
    return stop;
}

static void *run(void *self)
{
    struct publisher *p = self;
    while (!stopped(p)) {
        if (p->producer == NULL && !open_producer(p)) {
            if (!wait_to_open(p))
                break;
            continue;
        }
        send_waiting(p);
        take_reports(p, SLEEP_US);
        advance(p);
    }
    return NULL;
}

struct err publisher_open(const struct ingress_settings *settings, void (*wake)(void *self), void *self,
                          struct publisher **ret_publisher)
{
    struct publisher *p = calloc(1, sizeof *p);
    char *source = NULL;
    if (p == NULL || asprintf(&source, "/orderclerk/%s", settings->service) < 0)
        abort();
    p->source = source;
    p->cluster = settings->cluster != NULL ? *settings->cluster
                                           : (struct kafka_cluster){.brokers = settings->kafka,
                                                                    .topic_prefix = settings->topic_prefix};
    const struct topic_info *topic;
    for (size_t i = 0; (topic = topic_at(i)) != NULL; i++)
        if (topic_written_by(topic->number, settings->service))
            p->outputs[p->output_count++] = topic->number;
    p->wake = wake;
    p->wake_self = self;
    pthread_mutex_init(&p->lock, NULL);
    timed_wait_init(&p->changed);
    if (pthread_create(&p->thread, NULL, run, p) != 0) {
        free(source);
        free(p);
        return err_make(ERR_RETRY, "no thread for the publisher");
    }
    *ret_publisher = p;
    return err_ok();
}

void publisher_close(struct publisher *p)
{
    if (p == NULL)
        return;
    pthread_mutex_lock(&p->lock);
    p->stop = true;
    pthread_cond_signal(&p->changed);
    if (p->producer != NULL)
        kafka_producer_wake(p->producer);
    pthread_mutex_unlock(&p->lock);
    pthread_join(p->thread, NULL);
    set_producer(p, NULL);
    for (; p->first < p->end; p->first++)
        batch_clear(at(p, p->first));
    pthread_mutex_destroy(&p->lock);
    pthread_cond_destroy(&p->changed);
    free((void *)(uintptr_t)p->source);
    free(p);
}
