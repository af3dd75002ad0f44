// Taking slots over: raise the epoch, publish what the last owner left, read where it stood; and giving them up.
#include "base/fault.h"
#include "base/mutant.h"
#include "lane/internal.h"
#include "log/log.h"
#include "metrics/metrics.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REPUBLISH_ROWS 256  // outbox rows read at once
#define CAREFUL_INPUTS 1000 // as many as a batch may have had when the last owner died

// The epoch has moved only by this lane's own claims: nobody died, the last one merely lost its database or its place.
static bool survived(const struct lane *lane, const struct slot_claim *claim)
{
    int64_t last = lane->slots[claim->slot].epoch;
    return last > 0 && claim->epoch - last <= (int64_t)lane->claims_failed + 1;
}

static void take_claim(struct lane *lane, const struct slot_claim *claim)
{
    struct slot *slot = &lane->slots[claim->slot];
    bool alive = survived(lane, claim);
    bool died = !alive && (claim->dirty > 0 || claim->suspect.data != NULL);
    int32_t careful = died ? CAREFUL_INPUTS : alive ? slot->careful : 0;
    struct inflight *ring = slot->inflight;
    size_t capacity = slot->inflight_capacity;
    *slot = (struct slot){.owned = true,
                          .epoch = claim->epoch,
                          .batch_no = claim->batch_no,
                          .published_no = claim->published_no,
                          .marked_no = claim->published_no,
                          .next_due = INSTANT_NONE,
                          .unnoted = true, // what the last owner said may have been lost
                          .careful = careful,
                          // A try that was written down but didn't end the process isn't one.
                          .suspect_tries = alive && claim->suspect_tries > 0 ? claim->suspect_tries - 1
                                                                             : claim->suspect_tries,
                          .inflight = ring,
                          .inflight_capacity = capacity};
    for (size_t i = 0; i < TOPIC_MAX; i++)
        slot->position[i] = slot->read_to[i] = -1;
    if (claim->suspect.data != NULL) {
        snprintf(slot->suspect_text, sizeof slot->suspect_text, "%.*s", (int)claim->suspect.size,
                 (const char *)claim->suspect.data);
        slot->suspect = bytes_str(slot->suspect_text);
    }
    for (size_t i = 0; i < claim->position_count; i++) {
        const struct store_position *p = &claim->positions[i];
        if (p->topic < TOPIC_MAX)
            slot->position[p->topic] = slot->read_to[p->topic] = p->next_offset;
    }
    if (died)
        LOG(LOG_WARN, "the last owner died without committing: inputs run singly",
            log_i("slot", claim->slot));
}

static struct err republish(struct lane *lane, int32_t p)
{
    int64_t after = lane->slots[p].published_no;
    for (;;) {
        struct outbox_row *rows;
        size_t count;
        struct store_port *store = lane->ports.store;
        struct err e =
            store->outbox_after(store->self, p, after, REPUBLISH_ROWS, lane->batch_arena, &rows, &count);
        if (err_is(&e))
            return e;
        e = publish_queue_stored(lane, rows, count);
        if (err_is(&e))
            return e;
        if (count < REPUBLISH_ROWS)
            return err_ok();
        after = rows[count - 1].batch_no;
    }
}

static struct err load_pending_effects(struct lane *lane)
{
    struct value slots[SLOT_MAX];
    for (size_t i = 0; i < lane->assigned_count; i++)
        slots[i] = value_i32(lane->assigned[i]);
    struct store_query query = {
        .table = &effect_table, .column = EFFECT_SLOT, .values = slots, .value_count = lane->assigned_count};
    struct store_port *store = lane->ports.store;
    instant now;
    struct err e = store->begin(store->self, NULL, 0, &query, 1, lane->batch_arena, &now);
    store->rollback(store->self);
    if (err_is(&e))
        return e;
    lane_learn_db_now(lane, now);
    const struct effect_row *rows = query.rows;
    for (size_t i = 0; i < query.row_count; i++)
        lane_submit_effect(lane, &rows[i]);
    return err_ok();
}

static struct err claim_slots(struct lane *lane)
{
    struct store_port *store = lane->ports.store;
    struct slot_claim claims[SLOT_MAX];
    arena_reset(lane->batch_arena);
    struct err e = store->claim(store->self, lane->assigned, lane->assigned_count, lane->batch_arena, claims);
    if (err_is(&e))
        return e;
    FAULT_POINT(claim_after_epoch);
    for (size_t i = 0; i < lane->assigned_count; i++)
        take_claim(lane, &claims[i]);
    for (size_t i = 0; i < lane->assigned_count && !MUTANT(claim_without_republishing); i++) {
        e = republish(lane, lane->assigned[i]);
        if (err_is(&e))
            return e;
    }
    instant due[SLOT_MAX];
    e = store->next_due(store->self, lane->assigned, lane->assigned_count, due);
    if (err_is(&e))
        return e;
    for (size_t i = 0; i < lane->assigned_count; i++)
        lane->slots[lane->assigned[i]].next_due = due[i];
    return load_pending_effects(lane);
}

void lane_claim(struct lane *lane)
{
    if (lane_mono(lane) < lane->claim_at)
        return;
    struct err e = claim_slots(lane);
    if (err_is(&e)) {
        lane->claims_failed++;
        lane_backoff(lane, "claiming slots", &e);
        lane_drop(lane, e.text);
        return;
    }
    lane->claims_failed = 0;
    lane->phase = LANE_PUBLISHING;
}

// Of topics that are new to the slots: what is lost of them from now on is missed.
static struct err keep_starts(struct lane *lane, const struct store_position *starts, size_t count)
{
    struct slot_fence fences[SLOT_MAX];
    for (size_t i = 0; i < lane->assigned_count; i++)
        fences[i] = lane_fence(lane, lane->assigned[i]);
    struct store_port *store = lane->ports.store;
    struct err e = store->start(store->self, fences, lane->assigned_count, starts, count);
    for (size_t i = 0; !err_is(&e) && i < count; i++) {
        struct slot *slot = &lane->slots[starts[i].slot];
        slot->position[starts[i].topic] = slot->read_to[starts[i].topic] = starts[i].next_offset;
    }
    return e;
}

static struct err start_reading(struct lane *lane)
{
    size_t cells = lane->assigned_count * lane->input_count;
    arena_reset(lane->batch_arena);
    struct store_position *all = arena_new_array(lane->batch_arena, struct store_position, cells);
    struct store_position *some = arena_new_array(lane->batch_arena, struct store_position, cells);
    int64_t *start = arena_new_array(lane->batch_arena, int64_t, cells);
    size_t count = 0;
    for (size_t i = 0; i < cells; i++) {
        all[i].slot = lane->assigned[i / lane->input_count];
        all[i].topic = lane->inputs[i % lane->input_count];
        all[i].next_offset = lane->slots[all[i].slot].position[all[i].topic];
        if (all[i].next_offset >= 0)
            some[count++] = all[i];
    }
    struct bus_port *bus = lane->ports.bus;
    struct err e = bus->assign(bus->self, lane->assigned, lane->assigned_count, some, count, start);
    if (err_is(&e))
        return e;
    count = 0;
    for (size_t i = 0; i < cells; i++) {
        if (all[i].next_offset >= 0 || start[i] < 0)
            continue;
        some[count] = all[i];
        some[count++].next_offset = start[i];
    }
    return count == 0 ? e : keep_starts(lane, some, count);
}

void lane_claim_published(struct lane *lane)
{
    if (!publish_pump(lane) || !publish_idle(lane))
        return;
    FAULT_POINT(claim_after_publish);
    struct err e = start_reading(lane);
    if (err_is(&e)) {
        lane_backoff(lane, "starting to read", &e);
        lane_drop(lane, e.text);
        return;
    }
    lane->failures = 0;
    lane->phase = LANE_RUNNING;
    metric_add(&lane_metric_claims, 1);
    metric_set(&lane_metric_slots, (int64_t)lane->assigned_count);
    lane_set_ready(lane, true, "");
    LOG(LOG_INFO, "slots claimed", log_i("count", lane->assigned_count));
}

void lane_release(struct lane *lane)
{
    struct slot_fence fences[SLOT_MAX];
    size_t count = 0;
    for (int32_t p = 0; p < SLOT_MAX; p++) {
        const struct slot *slot = &lane->slots[p];
        if (!slot->owned)
            continue;
        fences[count++] = lane_fence(lane, p);
    }
    if (count == 0)
        return;
    lane_note_positions(lane);
    struct err e = lane->ports.store->release(lane->ports.store->self, fences, count);
    if (err_is(&e))
        LOG(LOG_WARN, "slots given up without a word in the database", log_s("error", e.text));
}
