// A heap of calls that are not due yet, and per target a list of those that are.
#include "effects/caller_queue.h"

#include "base/hash.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS 4096 // some tens of thousands of calls wait while a target is away; a power of two

struct queue_target {
    struct queue_target *next;
    char *name;
    size_t name_size;
    struct queue_entry *ready, **ready_end; // due, oldest first
    int32_t under_way;
    int32_t failures;   // in a row
    int64_t open_until; // the breaker's, monotonic; 0: closed
};

struct queue {
    struct queue_limits limits;
    struct queue_entry **heap; // by due; [0] is the earliest
    size_t heap_count, heap_size;
    uint64_t next_number;
    struct queue_entry *buckets[BUCKETS];        // all entries, by id
    struct queue_target *targets, **targets_end; // the one longest without a start first
    int32_t under_way;
};

struct queue *queue_new(const struct queue_limits *limits)
{
    struct queue *q = calloc(1, sizeof *q);
    assert(q != NULL);
    q->limits = *limits;
    q->targets_end = &q->targets;
    return q;
}

void queue_free(struct queue *q)
{
    if (q == NULL)
        return;
    while (q->targets != NULL) {
        struct queue_target *t = q->targets;
        assert(t->ready == NULL && t->under_way == 0);
        q->targets = t->next;
        free(t->name);
        free(t);
    }
    assert(q->heap_count == 0);
    free(q->heap);
    free(q);
}

// ---- by id

static struct queue_entry **bucket_of(const struct queue *q, struct uuid id)
{
    uint64_t hash = hash_fnv1a(bytes_of(id.b, sizeof id.b));
    return (struct queue_entry **)&q->buckets[hash % BUCKETS];
}

struct queue_entry *queue_find(const struct queue *q, struct uuid id)
{
    struct queue_entry *e = *bucket_of(q, id);
    while (e != NULL && !uuid_equal(e->id, id))
        e = e->next_same_hash;
    return e;
}

static void forget_id(struct queue *q, struct queue_entry *entry)
{
    struct queue_entry **link = bucket_of(q, entry->id);
    while (*link != entry)
        link = &(*link)->next_same_hash;
    *link = entry->next_same_hash;
}

// ---- by due time

static bool is_before(const struct queue_entry *a, const struct queue_entry *b)
{
    return a->due != b->due ? a->due < b->due : a->number < b->number;
}

static void heap_swap(struct queue *q, size_t a, size_t b)
{
    struct queue_entry *kept = q->heap[a];
    q->heap[a] = q->heap[b];
    q->heap[b] = kept;
}

static void heap_push(struct queue *q, struct queue_entry *entry)
{
    if (q->heap_count == q->heap_size) {
        q->heap_size = q->heap_size == 0 ? 64 : q->heap_size * 2;
        q->heap = realloc(q->heap, q->heap_size * sizeof(struct queue_entry *));
        assert(q->heap != NULL);
    }
    size_t at = q->heap_count++;
    q->heap[at] = entry;
    while (at > 0 && is_before(q->heap[at], q->heap[(at - 1) / 2])) {
        heap_swap(q, at, (at - 1) / 2);
        at = (at - 1) / 2;
    }
}

static struct queue_entry *heap_pop(struct queue *q)
{
    struct queue_entry *first = q->heap[0];
    q->heap[0] = q->heap[--q->heap_count];
    for (size_t at = 0;;) {
        size_t least = at;
        for (size_t child = 2 * at + 1; child <= 2 * at + 2 && child < q->heap_count; child++) {
            if (is_before(q->heap[child], q->heap[least]))
                least = child;
        }
        if (least == at)
            return first;
        heap_swap(q, at, least);
        at = least;
    }
}

// ---- targets

static struct queue_target *target_of(struct queue *q, struct bytes name)
{
    for (struct queue_target *t = q->targets; t != NULL; t = t->next) {
        if (bytes_equal(bytes_of(t->name, t->name_size), name))
            return t;
    }
    struct queue_target *t = calloc(1, sizeof *t);
    assert(t != NULL);
    t->name = malloc(name.size + 1);
    assert(t->name != NULL);
    if (name.size > 0)
        memcpy(t->name, name.data, name.size);
    t->name_size = name.size;
    t->ready_end = &t->ready;
    *q->targets_end = t;
    q->targets_end = &t->next;
    return t;
}

static void to_the_end(struct queue *q, struct queue_target **link)
{
    struct queue_target *t = *link;
    if (t->next == NULL)
        return;
    *link = t->next;
    t->next = NULL;
    *q->targets_end = t;
    q->targets_end = &t->next;
}

static struct queue_entry *take_ready(struct queue_target *t)
{
    struct queue_entry *e = t->ready;
    t->ready = e->next_ready;
    if (t->ready == NULL)
        t->ready_end = &t->ready;
    e->next_ready = NULL;
    return e;
}

// ---- the queue

void queue_add(struct queue *q, struct queue_entry *entry)
{
    struct queue_entry **bucket = bucket_of(q, entry->id);
    assert(queue_find(q, entry->id) == NULL);
    entry->next_same_hash = *bucket;
    *bucket = entry;
    entry->target = target_of(q, entry->target_name);
    entry->number = q->next_number++;
    entry->next_ready = NULL;
    entry->under_way = false;
    heap_push(q, entry);
}

// What is due joins its target's list. Returns how long until the next one is.
static int64_t make_ready(struct queue *q, int64_t now)
{
    while (q->heap_count > 0 && q->heap[0]->due <= now) {
        struct queue_entry *e = heap_pop(q);
        *e->target->ready_end = e;
        e->target->ready_end = &e->next_ready;
    }
    return q->heap_count > 0 ? q->heap[0]->due - now : INT64_MAX;
}

struct queue_entry *queue_start(struct queue *q, int64_t monotonic_us, int64_t *ret_wait_us)
{
    int64_t wait = make_ready(q, monotonic_us);
    for (struct queue_target **link = &q->targets; *link != NULL && q->under_way < q->limits.total;
         link = &(*link)->next) {
        struct queue_target *t = *link;
        if (t->ready == NULL || t->under_way >= q->limits.per_target)
            continue;
        if (t->open_until != 0 && t->under_way > 0)
            continue; // one try at a time
        if (t->open_until > monotonic_us) {
            int64_t left = t->open_until - monotonic_us;
            wait = left < wait ? left : wait;
            continue;
        }
        to_the_end(q, link); // the others have their turn first
        struct queue_entry *e = take_ready(t);
        e->under_way = true;
        t->under_way++;
        q->under_way++;
        return e;
    }
    *ret_wait_us = wait;
    return NULL;
}

void queue_end(struct queue *q, struct queue_entry *entry, bool failed, int64_t monotonic_us)
{
    struct queue_target *t = entry->target;
    assert(entry->under_way);
    entry->under_way = false;
    t->under_way--;
    q->under_way--;
    forget_id(q, entry);
    if (!failed) {
        t->failures = 0;
        t->open_until = 0;
    } else if (++t->failures >= q->limits.breaker_failures) {
        t->failures = q->limits.breaker_failures; // the next failure opens it again; no overflow
        t->open_until = monotonic_us + q->limits.breaker_open_us;
    }
}

struct queue_entry *queue_take_waiting(struct queue *q)
{
    struct queue_entry *e = NULL;
    if (q->heap_count > 0)
        e = heap_pop(q);
    for (struct queue_target *t = q->targets; e == NULL && t != NULL; t = t->next) {
        if (t->ready != NULL)
            e = take_ready(t);
    }
    if (e != NULL)
        forget_id(q, e);
    return e;
}
