// From outbox rows to topics: packing, handing to the producer, counting reports, publishing what a dead lane left.
#include "base/fault.h"
#include "base/mutant.h"
#include "lane/internal.h"
#include "metrics/metrics.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// ---- tags: which batch of which slot a report is for

#define TAG_BATCH_BITS 36
#define TAG_SLOT_BITS  12

static uint64_t tag_of(const struct lane *lane, int32_t slot, int64_t batch_no)
{
    return (uint64_t)lane->generation << (TAG_BATCH_BITS + TAG_SLOT_BITS) | (uint64_t)slot << TAG_BATCH_BITS |
           ((uint64_t)batch_no & ((UINT64_C(1) << TAG_BATCH_BITS) - 1));
}

static struct inflight *inflight_at(struct slot *slot, size_t i)
{
    return &slot->inflight[(slot->inflight_first + i) % slot->inflight_capacity];
}

static void inflight_push(struct slot *slot, int64_t batch_no, uint32_t reports)
{
    if (slot->inflight_count == slot->inflight_capacity) {
        size_t capacity = slot->inflight_capacity == 0 ? 64 : slot->inflight_capacity * 2;
        struct inflight *grown = calloc(capacity, sizeof *grown);
        assert(grown != NULL);
        for (size_t i = 0; i < slot->inflight_count; i++)
            grown[i] = *inflight_at(slot, i);
        free(slot->inflight);
        slot->inflight = grown;
        slot->inflight_capacity = capacity;
        slot->inflight_first = 0;
    }
    slot->inflight_count++;
    *inflight_at(slot, slot->inflight_count - 1) =
        (struct inflight){.batch_no = batch_no, .reports = reports};
}

static void advance_published(struct slot *slot)
{
    while (slot->inflight_count > 0 && inflight_at(slot, 0)->reports == 0) {
        slot->published_no = inflight_at(slot, 0)->batch_no;
        slot->inflight_first = (slot->inflight_first + 1) % slot->inflight_capacity;
        slot->inflight_count--;
    }
}

void publish_report(struct lane *lane, uint64_t tag)
{
    if ((uint16_t)(tag >> (TAG_BATCH_BITS + TAG_SLOT_BITS)) != lane->generation)
        return; // from before a drop
    struct slot *slot = &lane->slots[(tag >> TAG_BATCH_BITS) & ((1u << TAG_SLOT_BITS) - 1)];
    uint64_t low = tag & ((UINT64_C(1) << TAG_BATCH_BITS) - 1);
    for (size_t i = 0; i < slot->inflight_count; i++) {
        struct inflight *f = inflight_at(slot, i);
        if (((uint64_t)f->batch_no & ((UINT64_C(1) << TAG_BATCH_BITS) - 1)) != low)
            continue;
        assert(f->reports > 0);
        f->reports--;
        break;
    }
    advance_published(slot);
    FAULT_POINT(lane_after_report);
}

// ---- packing

struct bytes publish_pack(struct arena *arena, const struct out *outs, size_t count, int32_t slot)
{
    Orderclerk__V1__OutboxBatch batch = ORDERCLERK__V1__OUTBOX_BATCH__INIT;
    Orderclerk__V1__OutboxRecord *records = arena_new_array(arena, Orderclerk__V1__OutboxRecord, count);
    Orderclerk__V1__OutboxRecord **list = arena_new_array(arena, Orderclerk__V1__OutboxRecord *, count);
    for (size_t i = 0; i < count; i++) {
        const struct out *o = &outs[i];
        if (o->slot != slot)
            continue;
        Orderclerk__V1__OutboxRecord *r = &records[batch.n_records];
        orderclerk__v1__outbox_record__init(r);
        r->topic = (uint32_t)o->topic;
        r->key = (ProtobufCBinaryData){.len = o->key.size, .data = (uint8_t *)(uintptr_t)o->key.data};
        r->value = (ProtobufCBinaryData){.len = o->value.size, .data = (uint8_t *)(uintptr_t)o->value.data};
        r->type = (char *)(uintptr_t)o->type;
        r->sequence = o->sequence;
        r->causation_id = (char *)(uintptr_t)o->causation_id;
        r->traceparent = (char *)(uintptr_t)o->traceparent;
        r->event_id = (char *)(uintptr_t)o->event_id;
        r->occurred_at_us = o->at;
        if (o->earlier.size > 0)
            r->earlier = arena_str(arena, o->earlier);
        list[batch.n_records++] = r;
    }
    batch.records = list;
    size_t size = orderclerk__v1__outbox_batch__get_packed_size(&batch);
    uint8_t *packed = arena_alloc(arena, size);
    orderclerk__v1__outbox_batch__pack(&batch, packed);
    return bytes_of(packed, size);
}

// ---- pending records

static void add_pending(struct lane *lane, const struct bus_out *out)
{
    if (lane->pending_count == lane->pending_capacity) {
        size_t capacity = lane->pending_capacity == 0 ? 256 : lane->pending_capacity * 2;
        lane->pending = realloc(lane->pending, capacity * sizeof *lane->pending);
        assert(lane->pending != NULL);
        lane->pending_capacity = capacity;
    }
    struct arena *arena = lane->pending_arena;
    struct bus_out copy = *out;
    copy.key = arena_bytes(arena, out->key);
    copy.value = arena_bytes(arena, out->value);
    copy.type = arena_str(arena, bytes_str(out->type));
    copy.event_id = arena_str(arena, bytes_str(out->event_id));
    if (out->traceparent != NULL)
        copy.traceparent = arena_str(arena, bytes_str(out->traceparent));
    lane->pending[lane->pending_count++] = copy;
}

void publish_after_commit(struct lane *lane, const struct batch *batch, const struct slot_fence *fences,
                          size_t fence_count)
{
    for (size_t i = 0; i < fence_count; i++) {
        if (!fences[i].ret_owned && !MUTANT(foreign_slot))
            continue;
        struct slot *slot = &lane->slots[fences[i].slot];
        uint32_t reports = 0;
        for (size_t j = 0; j < batch->out_count; j++) {
            const struct out *o = &batch->outs[j];
            if (o->slot != fences[i].slot)
                continue;
            add_pending(lane, &(struct bus_out){.topic = o->topic,
                                                .key = o->key,
                                                .value = o->value,
                                                .type = o->type,
                                                .event_id = o->event_id,
                                                .source = lane->service->name,
                                                .at = o->at,
                                                .traceparent = o->traceparent,
                                                .tag = tag_of(lane, o->slot, slot->batch_no)});
            reports++;
        }
        inflight_push(slot, slot->batch_no, MUTANT(watermark_unacknowledged) ? 0 : reports);
        advance_published(slot);
    }
}

bool publish_pump(struct lane *lane)
{
    while (lane->pending_first < lane->pending_count) {
        struct err e = lane->ports.bus->produce(lane->ports.bus->self, &lane->pending[lane->pending_first]);
        if (err_is(&e))
            return false; // the local queue is full; reports make room
        metric_add(&lane_metric_records, 1);
        lane->pending_first++;
    }
    if (lane->pending_count > 0) {
        lane->pending_first = lane->pending_count = 0;
        arena_reset(lane->pending_arena);
        FAULT_POINT(lane_after_produce);
    }
    return true;
}

bool publish_idle(const struct lane *lane)
{
    if (lane->pending_first < lane->pending_count)
        return false;
    for (int32_t p = 0; p < SLOT_MAX; p++) {
        if (lane->slots[p].owned && lane->slots[p].inflight_count > 0)
            return false;
    }
    return true;
}

void publish_mark(struct lane *lane)
{
    struct slot_fence fences[SLOT_MAX];
    size_t count = 0;
    for (int32_t p = 0; p < SLOT_MAX; p++) {
        const struct slot *slot = &lane->slots[p];
        if (!slot->owned || slot->published_no == slot->marked_no)
            continue;
        fences[count++] = lane_fence(lane, p);
    }
    if (count == 0)
        return;
    struct err e = lane->ports.store->mark_published(lane->ports.store->self, fences, count);
    if (e.class == ERR_FENCED)
        lane_drop(lane, e.text); // an idle lane would find out at its next batch only
    if (err_is(&e))
        return; // the next batch's fence stores it as well
    for (size_t i = 0; i < count; i++)
        lane->slots[fences[i].slot].marked_no = fences[i].published_no;
}

// ---- publishing again

// A newer version may have written to topics that this one doesn't know.
static bool topics_known(const Orderclerk__V1__OutboxBatch *batch)
{
    for (size_t i = 0; i < batch->n_records; i++) {
        size_t t = 0;
        while (topic_at(t) != NULL && (uint32_t)topic_at(t)->number != batch->records[i]->topic)
            t++;
        if (topic_at(t) == NULL)
            return false;
    }
    return true;
}

struct err publish_unpack(struct arena *arena, const struct outbox_row *row,
                          Orderclerk__V1__OutboxBatch **ret_batch)
{
    *ret_batch =
        orderclerk__v1__outbox_batch__unpack(arena_protobuf(arena), row->records.size, row->records.data);
    if (*ret_batch != NULL && topics_known(*ret_batch))
        return err_ok();
    return err_make(ERR_CONFIG, "outbox row %lld of slot %d can't be read: it was written by something else",
                    (long long)row->batch_no, row->slot);
}

struct err publish_queue_stored(struct lane *lane, const struct outbox_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        Orderclerk__V1__OutboxBatch *batch;
        struct err e = publish_unpack(lane->batch_arena, &rows[i], &batch);
        if (err_is(&e))
            return e;
        for (size_t j = 0; j < batch->n_records; j++) {
            const Orderclerk__V1__OutboxRecord *r = batch->records[j];
            add_pending(lane, &(struct bus_out){.topic = (enum topic)r->topic,
                                                .key = bytes_of(r->key.data, r->key.len),
                                                .value = bytes_of(r->value.data, r->value.len),
                                                .type = r->type,
                                                .event_id = r->event_id,
                                                .source = lane->service->name,
                                                .at = r->occurred_at_us,
                                                .traceparent = r->traceparent,
                                                .tag = tag_of(lane, rows[i].slot, rows[i].batch_no)});
        }
        inflight_push(&lane->slots[rows[i].slot], rows[i].batch_no, (uint32_t)batch->n_records);
        advance_published(&lane->slots[rows[i].slot]);
    }
    return err_ok();
}
