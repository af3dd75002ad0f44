// Finds records of the outbox that are to be sent once more.
//
// key_state.recent names the last batches in which a key sent something. What no longer fits there is handed on: a record of
// the key in the batch that had no room carries the numbers before it (OutboxRecord.earlier). So every record of a key that
// the outbox still has is found by batch number, some steps of RECENT_MAX batches back at most, without a search.
#include "base/mutant.h"
#include "lane/internal.h"
#include "lane/sequences.h"
#include "metrics/metrics.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STEPS_MAX 256 // back in a key's history: 8192 batches
#define ROWS_MAX  64  // outbox rows read by one statement: what they hold is in memory at the same time

// What is asked for of one key, and where it is looked for next.
struct search {
    const struct resend *want;
    int64_t numbers[RECENT_MAX]; // rising
    size_t count;
    int64_t earlier[RECENT_MAX];
    size_t earlier_count;
    uint64_t lowest; // of the sequences found; 0: none yet
    bool ended;
};

struct found {
    int64_t batch_no;
    size_t index; // in its batch
    struct out out;
};

struct hunt {
    struct lane *lane;
    struct batch *batch;
    int32_t slot;
    struct search *searches;
    size_t search_count;
    struct found *found;
    size_t found_count, found_capacity;
    struct arena *scratch; // of one statement's rows
};

static bool matches(const struct resend *want, const Orderclerk__V1__OutboxRecord *r)
{
    if (want->topic != TOPIC_NONE && want->topic != (enum topic)r->topic)
        return false;
    if (want->causation_id.size > 0 && !bytes_is(want->causation_id, r->causation_id))
        return false;
    if (want->event_id.size > 0 && !bytes_is(want->event_id, r->event_id))
        return false;
    return r->sequence > 0 && r->sequence >= want->from_sequence;
}

// protobuf takes the last value of a field: these two bytes set `again`.
static struct bytes marked_again(struct arena *arena, const Orderclerk__V1__OutboxRecord *r)
{
    struct head head;
    struct err e = head_read(bytes_of(r->value.data, r->value.len), &head);
    if (!err_is(&e) && head.again) // found where it was sent again before: every copy is the same
        return arena_bytes(arena, bytes_of(r->value.data, r->value.len));
    uint8_t *value = arena_alloc(arena, r->value.len + 2);
    memcpy(value, r->value.data, r->value.len);
    value[r->value.len] = 8 << 3;
    value[r->value.len + 1] = 1;
    return bytes_of(value, r->value.len + 2);
}

// Only in a build with a mutant.
static void renumber(struct batch *batch, struct out *out)
{
    struct key_state_row *ks = inbox_key_state(batch, out->key);
    if (ks == NULL)
        return;
    out->sequence = sequences_get(ks->written, out->topic) + 1;
    rows_touch(batch->rows, ks);
    ks->written = sequences_set(batch->arena, ks->written, out->topic, out->sequence);
    uint8_t *value = arena_alloc(batch->arena, out->value.size + 3);
    memcpy(value, out->value.data, out->value.size);
    value[out->value.size] = 4 << 3;
    value[out->value.size + 1] = (uint8_t)(0x80 | (out->sequence & 0x7f));
    value[out->value.size + 2] = (uint8_t)(out->sequence >> 7 & 0x7f);
    out->value = bytes_of(value, out->value.size + 3);
}

static void add_found(struct hunt *hunt, int64_t batch_no, size_t index,
                      const Orderclerk__V1__OutboxRecord *r)
{
    struct arena *arena = hunt->batch->arena;
    if (hunt->found_count == hunt->found_capacity) {
        hunt->found_capacity = hunt->found_capacity == 0 ? 64 : hunt->found_capacity * 2;
        struct found *grown = arena_new_array(arena, struct found, hunt->found_capacity);
        if (hunt->found_count > 0)
            memcpy(grown, hunt->found, hunt->found_count * sizeof *grown);
        hunt->found = grown;
    }
    struct found *f = &hunt->found[hunt->found_count++];
    *f = (struct found){.batch_no = batch_no,
                        .index = index,
                        .out = {.slot = hunt->slot,
                                .topic = (enum topic)r->topic,
                                .key = arena_bytes(arena, bytes_of(r->key.data, r->key.len)),
                                .value = marked_again(arena, r),
                                .type = arena_str(arena, bytes_str(r->type)),
                                .sequence = r->sequence,
                                .causation_id = arena_str(arena, bytes_str(r->causation_id)),
                                .traceparent = arena_str(arena, bytes_str(r->traceparent)),
                                .at = r->occurred_at_us}};
    snprintf(f->out.event_id, sizeof f->out.event_id, "%s", r->event_id);
    if (MUTANT(resend_renumbered))
        renumber(hunt->batch, &f->out);
}

static bool looks_into(const struct search *search, int64_t batch_no)
{
    for (size_t i = 0; i < search->count; i++) {
        if (search->numbers[i] == batch_no)
            return !search->ended;
    }
    return false;
}

static void look_into(struct hunt *hunt, struct search *search, int64_t batch_no,
                      const Orderclerk__V1__OutboxBatch *stored)
{
    for (size_t i = 0; i < stored->n_records; i++) {
        const Orderclerk__V1__OutboxRecord *r = stored->records[i];
        if (!bytes_equal(search->want->key, bytes_of(r->key.data, r->key.len)))
            continue;
        int64_t earlier[RECENT_MAX];
        size_t count = recent_get(bytes_str(r->earlier), earlier);
        for (size_t e = 0; e < count && search->earlier_count < RECENT_MAX; e++)
            search->earlier[search->earlier_count++] = earlier[e];
        if (!matches(search->want, r))
            continue;
        add_found(hunt, batch_no, i, r);
        if (search->lowest == 0 || r->sequence < search->lowest)
            search->lowest = r->sequence;
    }
}

static int number_order(const void *x, const void *y)
{
    int64_t a = *(const int64_t *)x;
    int64_t b = *(const int64_t *)y;
    return (a > b) - (a < b);
}

// The batches that all searches look into next, each once.
static size_t next_numbers(struct hunt *hunt, int64_t **ret_numbers)
{
    size_t most = 0;
    for (size_t i = 0; i < hunt->search_count; i++)
        most += hunt->searches[i].ended ? 0 : hunt->searches[i].count;
    int64_t *numbers = arena_new_array(hunt->batch->arena, int64_t, most);
    size_t count = 0;
    for (size_t i = 0; i < hunt->search_count; i++) {
        const struct search *search = &hunt->searches[i];
        for (size_t n = 0; !search->ended && n < search->count; n++)
            numbers[count++] = search->numbers[n];
    }
    if (count > 1)
        qsort(numbers, count, sizeof *numbers, number_order);
    size_t unique = 0;
    for (size_t i = 0; i < count; i++) {
        if (unique == 0 || numbers[unique - 1] != numbers[i])
            numbers[unique++] = numbers[i];
    }
    *ret_numbers = numbers;
    return unique;
}

static struct err read_rows(struct hunt *hunt, const int64_t *numbers, size_t count)
{
    struct store_port *store = hunt->lane->ports.store;
    struct outbox_row *rows;
    size_t found;
    arena_reset(hunt->scratch);
    metric_add(&lane_metric_round_trips, 1);
    struct err e = store->outbox_get(store->self, hunt->slot, numbers, count, hunt->scratch, &rows, &found);
    for (size_t r = 0; !err_is(&e) && r < found; r++) {
        Orderclerk__V1__OutboxBatch *stored;
        e = publish_unpack(hunt->scratch, &rows[r], &stored);
        for (size_t s = 0; !err_is(&e) && s < hunt->search_count; s++) {
            if (looks_into(&hunt->searches[s], rows[r].batch_no))
                look_into(hunt, &hunt->searches[s], rows[r].batch_no, stored);
        }
    }
    return e;
}

// An event is one record; numbered ones are found when the first of them is. An input's records may be in many batches, after
// effects that it asked for.
static void step_back(struct search *search)
{
    const struct resend *want = search->want;
    bool one = want->event_id.size > 0;
    bool some = want->causation_id.size > 0;
    bool found = search->lowest > 0 && (one || (!some && search->lowest <= want->from_sequence));
    search->ended = search->ended || found || search->earlier_count == 0;
    memcpy(search->numbers, search->earlier, search->earlier_count * sizeof search->numbers[0]);
    search->count = search->earlier_count;
    search->earlier_count = 0;
}

// By sequence, which is what a reader of one topic and key needs; a copy is in a later batch than records after it.
static int found_order(const void *x, const void *y)
{
    const struct found *a = x;
    const struct found *b = y;
    if (a->out.sequence != b->out.sequence)
        return a->out.sequence > b->out.sequence ? 1 : -1;
    int order = number_order(&a->batch_no, &b->batch_no);
    return order != 0 ? order : (a->index > b->index) - (a->index < b->index);
}

// What is asked for twice, or on its way already, goes once.
static void send_found(struct hunt *hunt)
{
    struct batch *batch = hunt->batch;
    if (hunt->found_count > 1)
        qsort(hunt->found, hunt->found_count, sizeof *hunt->found, found_order);
    for (size_t f = 0; f < hunt->found_count; f++) {
        const struct out *out = &hunt->found[f].out;
        bool there = false;
        for (size_t i = 0; !there && i < batch->out_count; i++)
            there = strcmp(batch->outs[i].event_id, out->event_id) == 0;
        if (there)
            continue;
        batch_add_out(batch, out);
        batch->tally.again++;
    }
}

static struct err hunt_slot(struct hunt *hunt)
{
    struct batch *batch = hunt->batch;
    hunt->searches = arena_new_array(batch->arena, struct search, batch->resend_count);
    for (size_t i = 0; i < batch->resend_count; i++) {
        if (batch->resends[i].slot != hunt->slot)
            continue;
        struct search *search = &hunt->searches[hunt->search_count++];
        const struct key_state_row *ks = inbox_key_state(batch, batch->resends[i].key);
        search->want = &batch->resends[i];
        search->count = ks == NULL ? 0 : recent_get(ks->recent, search->numbers);
    }
    for (int step = 0; step < STEPS_MAX; step++) {
        int64_t *numbers;
        size_t count = next_numbers(hunt, &numbers);
        if (count == 0)
            break;
        for (size_t first = 0; first < count; first += ROWS_MAX) {
            struct err e =
                read_rows(hunt, numbers + first, count - first < ROWS_MAX ? count - first : ROWS_MAX);
            if (err_is(&e))
                return e;
        }
        for (size_t s = 0; s < hunt->search_count; s++)
            step_back(&hunt->searches[s]);
    }
    send_found(hunt);
    return err_ok();
}

struct err resend_run(struct lane *lane, struct batch *batch)
{
    if (batch->resend_count == 0)
        return err_ok();
    struct arena *scratch = arena_new(1 << 16);
    struct err e = err_ok();
    for (size_t i = 0; i < batch->resend_count && !err_is(&e); i++) {
        bool before = false;
        for (size_t j = 0; j < i && !before; j++)
            before = batch->resends[j].slot == batch->resends[i].slot;
        if (before)
            continue;
        struct hunt hunt = {.lane = lane, .batch = batch, .slot = batch->resends[i].slot, .scratch = scratch};
        e = hunt_slot(&hunt);
    }
    arena_free(scratch);
    return e;
}
