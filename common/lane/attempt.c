// One transaction: fence, load, decide, save, commit. And what is done when the database refuses a part of it.
#include "base/fault.h"
#include "base/mutant.h"
#include "lane/internal.h"
#include "lane/sequences.h"
#include "log/log.h"
#include "metrics/metrics.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BATCHES_SMOOTHED 8 // over which the time of one is smoothed
#define ROUNDS_MAX       8 // loads that depend on loads; a service needs two or three

struct attempt {
    struct lane *lane;
    struct batch *batch;
    const struct work *work;
    struct slot_fence fences[SLOT_MAX];
    size_t fence_count;
    int16_t fence_of[SLOT_MAX]; // index + 1; 0: none
    struct input *inputs;       // raws, then results, then deadlines: of these only those that are there
    bool *usable;               // decoded, its slot ours
    const char **bad;           // why a raw can't be an input
    size_t input_count;
    size_t due_first; // inputs from here on are deadlines
    struct bytes *keys;
    size_t key_count;
    int64_t (*next_offset)[TOPIC_MAX]; // by fence; 0: nothing read
    struct done done;
};

static struct slot_fence *fence_for(struct attempt *a, int32_t p)
{
    if (a->fence_of[p] == 0) {
        a->fences[a->fence_count] = lane_fence(a->lane, p);
        a->fence_of[p] = (int16_t)++a->fence_count;
    }
    return &a->fences[a->fence_of[p] - 1];
}

static int fence_order(const void *x, const void *y)
{
    int32_t a = ((const struct slot_fence *)x)->slot;
    int32_t b = ((const struct slot_fence *)y)->slot;
    return (a > b) - (a < b);
}

static void prepare_fences(struct attempt *a)
{
    for (size_t i = 0; i < a->work->raw_count; i++)
        fence_for(a, a->work->raws[i].partition);
    for (size_t i = 0; i < a->work->result_count; i++)
        fence_for(a, a->work->results[i].slot);
    for (size_t i = 0; i < a->work->due_slot_count; i++)
        fence_for(a, a->work->due_slots[i]);
    qsort(a->fences, a->fence_count, sizeof a->fences[0], fence_order);
    for (size_t i = 0; i < a->fence_count; i++)
        a->fence_of[a->fences[i].slot] = (int16_t)(i + 1);
    a->next_offset = arena_alloc_array(a->batch->arena, a->fence_count, sizeof *a->next_offset);
}

// The first batch of a slot after its claim: should it end the process, the next owner knows.
static struct err mark_begun(struct attempt *a)
{
    struct lane *lane = a->lane;
    struct slot_fence *fences = arena_new_array(a->batch->arena, struct slot_fence, a->fence_count);
    size_t count = 0;
    for (size_t i = 0; i < a->fence_count; i++) {
        if (!lane->slots[a->fences[i].slot].begun)
            fences[count++] = a->fences[i];
    }
    if (count == 0)
        return err_ok();
    metric_add(&lane_metric_round_trips, 1);
    struct err e = lane->ports.store->mark_begun(lane->ports.store->self, fences, count);
    for (size_t i = 0; !err_is(&e) && i < count; i++)
        lane->slots[fences[i].slot].begun = true;
    return e;
}

// Two lanes would write the same rows if a key's records came to both.
static struct err decode_here(struct attempt *a, const struct raw *raw, struct input *ret_input)
{
    struct err e = input_decode(a->batch, raw, ret_input);
    if (err_is(&e))
        return e;
    struct bus_port *bus = a->lane->ports.bus;
    int32_t right = bus->partition_of(bus->self, raw->key);
    if (right == raw->partition)
        return e;
    return err_make(
        ERR_REJECT,
        "WRONG_PARTITION: records of this key belong on partition %d (murmur2 of the key), this one is on %d",
        right, raw->partition);
}

static void prepare_inputs(struct attempt *a)
{
    const struct work *w = a->work;
    size_t most = w->raw_count + w->result_count;
    struct arena *arena = a->batch->arena;
    a->inputs = arena_new_array(arena, struct input, most);
    a->usable = arena_new_array(arena, bool, most);
    a->bad = arena_new_array(arena, const char *, most);
    for (size_t i = 0; i < w->raw_count; i++) {
        if (w->raws[i].value.data == NULL)
            continue; // a tombstone says nothing here
        struct err e = decode_here(a, &w->raws[i], &a->inputs[i]);
        a->usable[i] = !err_is(&e);
        if (err_is(&e))
            a->bad[i] = arena_str(arena, bytes_str(e.text));
        if (a->usable[i])
            inbox_want(a->batch, &a->inputs[i]);
    }
    for (size_t i = 0; i < w->result_count; i++) {
        rows_want(a->batch->rows, &effect_table, EFFECT_ID, value_uuid(w->results[i].id));
    }
    a->input_count = w->raw_count;
}

static bool owned(const struct attempt *a, int32_t slot)
{
    return MUTANT(foreign_slot) || a->fences[a->fence_of[slot] - 1].ret_owned;
}

// Results whose effect is still there and deadlines that are due become inputs.
static void add_results(struct attempt *a)
{
    struct arena *arena = a->batch->arena;
    for (size_t i = 0; i < a->work->result_count; i++) {
        const struct effect_result *result = &a->work->results[i];
        struct effect_row probe = {.id = result->id};
        const struct effect_row *row = rows_find(a->batch->rows, &effect_table, &probe);
        size_t n = a->input_count++;
        if (row == NULL || !owned(a, result->slot))
            continue; // finished, cancelled, or another owner's
        Orderclerk__V1__EffectRequest *request = orderclerk__v1__effect_request__unpack(
            arena_protobuf(arena), row->request.size, row->request.data);
        assert(request != NULL); // our own
        a->inputs[n] = (struct input){.kind = INPUT_EFFECT,
                                      .key = row->key,
                                      .slot = result->slot,
                                      .effect = row,
                                      .request = request,
                                      .result = result};
        a->usable[n] = true;
    }
}

static void add_deadlines(struct attempt *a, const struct store_query *due)
{
    struct arena *arena = a->batch->arena;
    const struct key_state_row *rows = due->rows;
    if (due->row_count > 0) {
        struct input *inputs = arena_new_array(arena, struct input, a->input_count + due->row_count);
        bool *usable = arena_new_array(arena, bool, a->input_count + due->row_count);
        if (a->input_count > 0) {
            memcpy(inputs, a->inputs, a->input_count * sizeof *inputs);
            memcpy(usable, a->usable, a->input_count * sizeof *usable);
        }
        a->inputs = inputs;
        a->usable = usable;
    }
    for (size_t i = 0; i < due->row_count; i++) {
        const struct key_state_row *ks = rows_take(a->batch->rows, &key_state_table, KEY_STATE_KEY, &rows[i]);
        if (!owned(a, ks->slot) || ks->due > a->work->due_until)
            continue;
        a->usable[a->input_count] = true;
        a->inputs[a->input_count++] =
            (struct input){.kind = INPUT_DEADLINE, .key = ks->key, .slot = ks->slot, .due = ks->due};
    }
}

static bool is_versioned(const struct input *in)
{
    return in->kind == INPUT_MESSAGE && topic_info(in->topic)->mode == TOPIC_VERSIONED;
}

// Further rounds of loading, until nothing new is wanted.
static struct err load_rest(struct attempt *a)
{
    a->keys = arena_new_array(a->batch->arena, struct bytes, a->input_count);
    for (size_t i = 0; i < a->input_count; i++) {
        if (a->usable[i] && !is_versioned(&a->inputs[i]))
            a->keys[a->key_count++] = a->inputs[i].key;
    }
    // Keys of results are known only now: their state comes with the first round, what they hold after it.
    int held = a->work->result_count > 0 ? 2 : 1;
    bool loaded = true; // rows have come since the inputs were last asked for what they want
    for (int round = 1; round <= ROUNDS_MAX; round++) {
        for (size_t i = 0; loaded && i < a->input_count; i++) {
            if (a->usable[i])
                inbox_want(a->batch, &a->inputs[i]);
        }
        if (round == held)
            inbox_want_held(a->batch, a->keys, a->key_count);
        if (round > held)
            inbox_want_held_inputs(a->batch, a->keys, a->key_count);
        struct store_query *queries;
        size_t count = rows_queries(a->batch->rows, &queries);
        if (count == 0 && round > held)
            return err_ok();
        loaded = count > 0;
        if (!loaded)
            continue;
        struct store_port *store = a->lane->ports.store;
        metric_add(&lane_metric_round_trips, 1);
        struct err e = store->load(store->self, queries, count, a->batch->arena);
        if (err_is(&e))
            return e;
        rows_loaded(a->batch->rows, queries, count);
    }
    assert(false && "wants that never end");
    return err_ok();
}

static struct err open_batch(struct attempt *a)
{
    struct batch *batch = a->batch;
    const struct work *w = a->work;
    struct store_query *wanted;
    size_t count = rows_queries(batch->rows, &wanted);
    struct store_query *queries = arena_new_array(batch->arena, struct store_query, count + 1);
    if (count > 0)
        memcpy(queries, wanted, count * sizeof *queries);
    struct store_query *due = &queries[count];
    if (w->due_slot_count > 0) {
        struct value *slots = arena_new_array(batch->arena, struct value, w->due_slot_count);
        for (size_t i = 0; i < w->due_slot_count; i++)
            slots[i] = value_i32(w->due_slots[i]);
        *due = (struct store_query){.table = &key_state_table,
                                    .column = STORE_DUE,
                                    .values = slots,
                                    .value_count = w->due_slot_count,
                                    .limit = w->due_limit};
    }
    struct store_port *store = a->lane->ports.store;
    FAULT_POINT(lane_before_load);
    metric_add(&lane_metric_round_trips, 1);
    struct err e = store->begin(store->self, a->fences, a->fence_count, queries,
                                count + (w->due_slot_count > 0), batch->arena, &batch->now);
    if (err_is(&e))
        return e;
    rows_loaded(batch->rows, queries, count);
    for (size_t i = 0; i < w->raw_count; i++)
        a->usable[i] = a->usable[i] && owned(a, w->raws[i].partition);
    add_results(a);
    a->due_first = a->input_count;
    if (w->due_slot_count > 0)
        add_deadlines(a, due);
    e = load_rest(a);
    FAULT_POINT(lane_after_load);
    return e;
}

static void decide_all(struct attempt *a)
{
    const struct work *w = a->work;
    size_t results_end = w->raw_count + w->result_count;
    for (size_t i = 0; i < a->input_count; i++) {
        if (a->batch->out_bytes > (size_t)a->lane->settings.batch_max_out_bytes)
            break;
        bool raw = i < w->raw_count;
        bool mine = !raw || owned(a, w->raws[i].partition);
        if (a->usable[i]) {
            inbox_apply(a->batch, &a->inputs[i], w->forced);
        } else if (raw && mine && a->bad[i] != NULL) {
            inbox_undecodable(a->batch, &w->raws[i], a->bad[i]);
        } else {
            a->batch->tally.dropped++;
        }
        if (raw && mine)
            a->next_offset[a->fence_of[w->raws[i].partition] - 1][w->raws[i].topic] = w->raws[i].offset + 1;
        a->done.raws += raw;
        a->done.results += !raw && i < results_end;
        a->done.dues += i >= a->due_first;
    }
    inbox_ask_newest(a->batch);
    FAULT_POINT(lane_after_decide);
}

static void note_recent(struct attempt *a, struct out *out, int64_t batch_no)
{
    if (!out->fresh || out->sequence == 0)
        return;
    struct key_state_row *ks = inbox_key_state(a->batch, out->key);
    struct bytes recent = recent_add(a->batch->arena, ks->recent, batch_no, &out->earlier);
    if (bytes_equal(recent, ks->recent))
        return;
    rows_touch(a->batch->rows, ks);
    ks->recent = recent;
}

static void add_outbox(struct attempt *a)
{
    struct batch *batch = a->batch;
    for (size_t i = 0; i < batch->out_count; i++) {
        note_recent(a, &batch->outs[i], a->fences[a->fence_of[batch->outs[i].slot] - 1].batch_no + 1);
    }
    for (size_t i = 0; i < a->fence_count; i++) {
        if (!a->fences[i].ret_owned)
            continue;
        struct outbox_table_row row = {
            .slot = a->fences[i].slot,
            .batch_no = a->fences[i].batch_no + 1,
            .created_at = batch->now,
            .records = publish_pack(batch->arena, batch->outs, batch->out_count, a->fences[i].slot)};
        rows_put(batch->rows, &outbox_table, &row);
    }
}

static struct err save(struct attempt *a, struct store_changes *changes)
{
    struct lane *lane = a->lane;
    struct err e = resend_run(lane, a->batch);
    if (err_is(&e))
        return e;
    batch_drop_superseded(a->batch);
    add_outbox(a);
    struct store_change *list;
    changes->change_count = rows_changes(a->batch->rows, lane->tables, lane->table_count, &list);
    changes->changes = list;
    struct store_position *positions =
        arena_new_array(a->batch->arena, struct store_position, a->fence_count * lane->input_count + 1);
    for (size_t i = 0; i < a->fence_count; i++) {
        for (size_t j = 0; j < lane->input_count; j++) {
            int64_t next = a->next_offset[i][lane->inputs[j]];
            if (next == 0)
                continue;
            if (MUTANT(positions_run_ahead))
                next = lane->slots[a->fences[i].slot].read_to[lane->inputs[j]];
            positions[changes->position_count++] = (struct store_position){
                .slot = a->fences[i].slot, .topic = lane->inputs[j], .next_offset = next};
        }
    }
    changes->positions = positions;
    metric_add(&lane_metric_round_trips, 1);
    e = lane->ports.store->commit(lane->ports.store->self, changes);
    if (MUTANT(lost_commit_done) && e.class == ERR_FENCED)
        e = err_ok();
    if (!err_is(&e))
        FAULT_POINT(lane_after_commit);
    return e;
}

static void submit_effects(struct attempt *a)
{
    for (size_t i = 0; i < a->batch->effect_count; i++) {
        const struct effect_row *row = a->batch->effects[i];
        struct effect_row probe = {.id = row->id};
        if (rows_find(a->batch->rows, &effect_table, &probe) == NULL)
            continue; // cancelled again in this batch
        lane_submit_effect(a->lane, row);
    }
}

// The next due instant of each slot: lowered by what this batch has set, asked for again where deadlines have fired.
static void follow_deadlines(struct attempt *a, const struct store_changes *changes)
{
    struct lane *lane = a->lane;
    for (size_t i = 0; i < changes->change_count; i++) {
        const struct store_change *c = &changes->changes[i];
        if (c->table != &key_state_table || c->kind == CHANGE_DELETE)
            continue;
        for (size_t j = 0; j < c->row_count; j++) {
            const struct key_state_row *ks = c->rows[j];
            struct slot *slot = &lane->slots[ks->slot];
            if (ks->due != INSTANT_NONE && (slot->next_due == INSTANT_NONE || ks->due < slot->next_due))
                slot->next_due = ks->due;
        }
    }
    if (a->work->due_slot_count == 0)
        return;
    instant due[SLOT_MAX];
    metric_add(&lane_metric_round_trips, 1);
    struct err e = lane->ports.store->next_due(lane->ports.store->self, a->work->due_slots,
                                               a->work->due_slot_count, due);
    for (size_t i = 0; i < a->work->due_slot_count; i++) {
        // Not to be had now: ask again in a while rather than never.
        lane->slots[a->work->due_slots[i]].next_due =
            err_is(&e) ? lane_db_now(lane) + INSTANT_SECOND : due[i];
    }
}

static void count_tally(const struct tally *t, size_t dues, size_t results)
{
    metric_add(&lane_metric_applied, t->applied);
    metric_add(&lane_metric_duplicates, t->duplicates);
    metric_add(&lane_metric_held, t->held);
    metric_add(&lane_metric_dead_letters, t->dead_letters);
    metric_add(&lane_metric_dropped, t->dropped);
    metric_add(&lane_metric_again, t->again);
    metric_add(&lane_metric_deadlines, (int64_t)dues);
    metric_add(&lane_metric_effects, (int64_t)results);
}

static void committed(struct attempt *a, const struct store_changes *changes)
{
    struct lane *lane = a->lane;
    lane_learn_db_now(lane, a->batch->now);
    for (size_t i = 0; i < a->fence_count; i++) {
        struct slot *slot = &lane->slots[a->fences[i].slot];
        if (!a->fences[i].ret_owned) {
            slot->owned = false;
            if (lane->lost_at == 0)
                lane->lost_at = lane_mono(lane);
            metric_add(&lane_metric_fenced, 1);
            LOG(LOG_WARN, "slot has another owner now", log_i("slot", a->fences[i].slot));
            continue;
        }
        slot->batch_no = a->fences[i].batch_no + 1;
        slot->marked_no = a->fences[i].published_no;
        slot->suspect_tries = 0;
        slot->suspect = bytes_of(NULL, 0);
    }
    for (size_t i = 0; i < changes->position_count; i++) {
        struct slot *slot = &lane->slots[changes->positions[i].slot];
        slot->position[changes->positions[i].topic] = changes->positions[i].next_offset;
        slot->unnoted = true;
    }
    follow_deadlines(a, changes);
    publish_after_commit(lane, a->batch, a->fences, a->fence_count);
    submit_effects(a);
    count_tally(&a->batch->tally, a->done.dues, a->done.results);
    metric_add(&lane_metric_batches, 1);
    metric_observe(&lane_metric_batch_size, (int64_t)a->input_count);
}

static struct err attempt_once(struct lane *lane, const struct work *work, struct done *ret_done)
{
    int64_t started = lane_mono(lane);
    struct store_port *store = lane->ports.store;
    arena_reset(lane->batch_arena);
    batch_begin(&lane->batch, lane->batch_arena, lane->service, &lane->settings,
                work->raw_count + work->result_count);
    lane->batch.hold_refused = work->hold_refused;
    struct attempt *a = arena_new_object(lane->batch_arena, struct attempt);
    a->lane = lane;
    a->batch = &lane->batch;
    a->work = work;
    prepare_fences(a);
    struct err e = mark_begun(a);
    if (err_is(&e))
        return e;
    prepare_inputs(a);
    e = open_batch(a);
    if (err_is(&e)) {
        store->rollback(store->self);
        return e;
    }
    decide_all(a);
    if (MUTANT(effect_before_commit))
        submit_effects(a);
    struct store_changes changes = {.change_count = 0};
    e = save(a, &changes);
    if (err_is(&e)) {
        store->rollback(store->self);
        return e;
    }
    committed(a, &changes);
    int64_t took = lane_mono(lane) - started;
    metric_observe(&lane_metric_batch_us, took);
    lane->batch_us += ((double)took - lane->batch_us) / BATCHES_SMOOTHED;
    *ret_done = a->done;
    return err_ok();
}

// ---- refusals

static struct err run_part(struct lane *lane, const struct work *part, struct done *sum, bool *ret_short)
{
    struct done done = {0};
    struct err e = attempt_run(lane, part, &done);
    sum->raws += done.raws;
    sum->results += done.results;
    sum->dues += done.dues;
    *ret_short = done.raws < part->raw_count || done.results < part->result_count;
    return e;
}

static struct err bisect(struct lane *lane, const struct work *work, struct done *ret_done)
{
    metric_add(&lane_metric_bisects, 1);
    struct work parts[4];
    size_t count = 0;
    size_t half = work->raw_count / 2;
    struct work none = {.due_until = work->due_until};
    for (int i = 0; work->raw_count > 0 && i < 2; i++) {
        struct work part = none;
        part.raws = work->raws + (i == 0 ? 0 : half);
        part.raw_count = i == 0 ? half : work->raw_count - half;
        if (part.raw_count > 0)
            parts[count++] = part;
    }
    struct work results = none;
    results.results = work->results;
    results.result_count =
        work->raw_count > 0 || work->due_slot_count > 0 ? work->result_count : work->result_count / 2;
    if (results.result_count > 0)
        parts[count++] = results;
    struct work due = none;
    due.due_slots = work->due_slots;
    due.due_slot_count = work->raw_count + work->result_count > 0 ? work->due_slot_count
                         : work->due_limit > 1                    ? work->due_slot_count
                                                                  : 0;
    due.due_limit = work->raw_count + work->result_count > 0 ? work->due_limit : work->due_limit / 2;
    if (due.due_slot_count > 0)
        parts[count++] = due;
    *ret_done = (struct done){0};
    for (size_t i = 0; i < count; i++) {
        bool stopped;
        struct err e = run_part(lane, &parts[i], ret_done, &stopped);
        if (err_is(&e))
            return e;
        if (stopped)
            break; // the rest in the next batch, in order
    }
    return err_ok();
}

struct err attempt_run(struct lane *lane, const struct work *work, struct done *ret_done)
{
    struct err e = attempt_once(lane, work, ret_done);
    if (e.class != ERR_REJECT)
        return e;
    size_t units = work->raw_count + work->result_count + (work->due_slot_count > 0 ? work->due_limit : 0);
    if (units > 1)
        return bisect(lane, work, ret_done);
    // Two processes may make the same row of a shared table at the same moment: what the other has written is read now.
    e = attempt_once(lane, work, ret_done);
    if (e.class != ERR_REJECT)
        return e;
    LOG(LOG_ERROR, "the database refuses an input", log_s("error", e.text));
    // It is refused with the database's word; when what the service does about that is refused too, its key is just held.
    struct work alone = *work;
    char text[ERR_TEXT_MAX];
    memcpy(text, e.text, sizeof text);
    if (alone.forced == NULL) {
        alone.forced = text;
        e = attempt_once(lane, &alone, ret_done);
    }
    if (e.class == ERR_REJECT) {
        alone.hold_refused = true;
        e = attempt_once(lane, &alone, ret_done);
    }
    return e.class == ERR_REJECT
               ? err_within(err_make(ERR_CONFIG, "%s", e.text), "even refusing the input is refused")
               : e;
}
