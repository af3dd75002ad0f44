// Invariants at the end of a seed, when faults are over and everything has settled.
#include "sim/sim_check.h"

#include "desk/desk_store.h"
#include "lane/sequences.h"
#include "orchestrator/orchestrator_store.h"
#include "orchestrator/saga/saga.h"
#include "orderclerk/v1/order_events.pb-c.h"

#include <assert.h>
#include <string.h>

static bool is_over(struct bytes state)
{
    return bytes_is(state, "COMPLETED") || bytes_is(state, "REJECTED") || bytes_is(state, "CANCELLED") ||
           bytes_is(state, "ARCHIVED");
}

static const struct saga_row *saga_row_at(size_t i)
{
    return store_mem_row(sim->services[SIM_ORCHESTRATOR].db, &saga_table, i);
}

static bool lanes_at_rest(void)
{
    struct arena *arena = arena_new(1024);
    bool rest = true;
    for (size_t s = 0; s < SIM_SERVICES; s++) {
        for (int32_t p = 0; rest && p < SIM_PARTITIONS; p++) {
            struct slot_claim slot;
            rest = store_mem_slot(sim->services[s].db, p, arena, &slot) && slot.published_no == slot.batch_no;
            const struct lane_service *lane = sim->services[s].lane;
            for (size_t i = 0; rest && i < lane->input_count; i++)
                rest = sim->check->slots[s][p].position[lane->inputs[i]] == sim_bus_high(lane->inputs[i], p);
        }
        if (sim->services[s].door != NULL)
            rest = rest && sim_door_unpublished(sim->services[s].door) == 0;
    }
    arena_free(arena);
    return rest;
}

bool sim_check_settled(void)
{
    if (sim->now < sim->last_plan || !lanes_at_rest())
        return false;
    const struct saga_row *row;
    for (size_t i = 0; (row = saga_row_at(i)) != NULL; i++) {
        if (!is_over(row->state))
            return false;
    }
    for (uint32_t i = 0; i < sim->plan->count; i++) {
        const struct sim_order *order = &sim->plan->orders[i];
        if ((sim->options.orders >> i & 1) != 0 && !order->client.definite && !order->client.refused)
            return false;
    }
    for (size_t s = 0; s < SIM_SERVICES; s++) {
        if (store_mem_row(sim->services[s].db, &effect_table, 0) != NULL ||
            store_mem_row(sim->services[s].db, &held_table, 0) != NULL)
            return false;
    }
    return true;
}

_Noreturn void sim_check_why_not(void)
{
    const struct saga_row *row;
    for (size_t i = 0; (row = saga_row_at(i)) != NULL; i++) {
        char order[UUID_TEXT_SIZE];
        uuid_format(row->order_id, order);
        if (!is_over(row->state))
            sim_fail(HEALS, "order %s stays %.*s, waiting on %.*s", order, (int)row->state.size,
                     (const char *)row->state.data, (int)row->waiting_on.size,
                     (const char *)row->waiting_on.data);
    }
    for (enum sim_service_id s = 0; s < SIM_SERVICES; s++) {
        const struct held_row *held = store_mem_row(sim->services[s].db, &held_table, 0);
        if (held != NULL)
            sim_fail(HEALS, "%s goes on holding %.*s: %.*s", sim_service_name(s), (int)held->key.size,
                     (const char *)held->key.data, (int)held->reason.size, (const char *)held->reason.data);
        if (store_mem_row(sim->services[s].db, &effect_table, 0) != NULL)
            sim_fail(HEALS, "%s has an effect that never ends", sim_service_name(s));
        for (int32_t p = 0; p < SIM_PARTITIONS; p++) {
            const struct lane_service *lane = sim->services[s].lane;
            for (size_t i = 0; i < lane->input_count; i++) {
                int64_t at = sim->check->slots[s][p].position[lane->inputs[i]];
                if (at != sim_bus_high(lane->inputs[i], p))
                    sim_fail(HEALS, "%s stands at %s/%d:%lld of %lld", sim_service_name(s),
                             topic_info(lane->inputs[i])->name, p, (long long)at,
                             (long long)sim_bus_high(lane->inputs[i], p));
            }
        }
    }
    sim_fail(HEALS, "something isn't published, or a submission has no answer");
}

// ---- orders

static void check_kept(void)
{
    for (uint32_t i = 0; i < sim->plan->count; i++) {
        const struct sim_order *order = &sim->plan->orders[i];
        if (!order->client.definite)
            continue;
        struct sim_map_item *item = sim_map_find(&sim->check->sagas, sim_key_uuid(1, order->id));
        SIM_CHECK(I1_KEPT, item != NULL, "order %u was answered with 2xx and is nowhere", order->number);
    }
}

// The newest by number: copies may come late.
static const Orderclerk__V1__OrderEvent *last_event(struct bytes key, uint64_t *ret_count,
                                                    struct arena *arena)
{
    int32_t p = hash_partition(key, SIM_PARTITIONS);
    const struct sim_entry *newest = NULL;
    uint64_t top = 0;
    for (int64_t o = 0; o < sim_bus_high(TOPIC_ORDER_EVENTS, p); o++) {
        const struct sim_entry *entry = sim_bus_entry(TOPIC_ORDER_EVENTS, p, o);
        if (!entry->readable || !bytes_equal(entry->record.key, key) || entry->sequence <= top)
            continue;
        top = entry->sequence;
        newest = entry;
    }
    *ret_count = top;
    return newest == NULL ? NULL
                          : orderclerk__v1__order_event__unpack(
                                arena_protobuf(arena), newest->record.value.size, newest->record.value.data);
}

uint64_t sim_check_last_version(enum topic topic, struct bytes key)
{
    int32_t p = hash_partition(key, SIM_PARTITIONS);
    uint64_t last = 0;
    for (int64_t o = 0; o < sim_bus_high(topic, p); o++) {
        const struct sim_entry *entry = sim_bus_entry(topic, p, o);
        if (entry->readable && bytes_equal(entry->record.key, key))
            last = entry->saga_revision;
    }
    return last;
}

static void check_rebuild(const struct saga_row *row, struct bytes key, struct arena *arena)
{
    uint64_t count;
    const Orderclerk__V1__OrderEvent *event = last_event(key, &count, arena);
    SIM_CHECK(I14_REBUILD, event != NULL && event->transition != NULL, "order %.*s has no event",
              (int)key.size, (const char *)key.data);
    SIM_CHECK(
        I14_REBUILD,
        bytes_is(row->state, event->transition->to_state) && (uint64_t)row->revision == event->saga_revision,
        "order %.*s is %.*s, revision %lld; its last event says %s, %llu", (int)key.size,
        (const char *)key.data, (int)row->state.size, (const char *)row->state.data, (long long)row->revision,
        event->transition->to_state, (unsigned long long)event->saga_revision);
    SIM_CHECK(I14_REBUILD, sim_check_last_version(TOPIC_ORDER_STATE, key) == (uint64_t)row->revision,
              "order %.*s: the last snapshot is of %llu", (int)key.size, (const char *)key.data,
              (unsigned long long)sim_check_last_version(TOPIC_ORDER_STATE, key));
    struct uuid id;
    uuid_parse(key, &id);
    size_t events = 0;
    const struct timeline_part_row *part;
    for (size_t i = 0; (part = store_mem_row(sim->services[SIM_DESK].db, &timeline_part_table, i)) != NULL;
         i++)
        events +=
            uuid_equal(part->order_id, id) && part->topic == TOPIC_ORDER_EVENTS ? (size_t)part->records : 0;
    SIM_CHECK(I9_TOLD, events == count, "order %.*s: the desk has %zu of %llu events", (int)key.size,
              (const char *)key.data, events, (unsigned long long)count);
}

static void check_money(const struct saga_row *row, const Orderclerk__V1__OrderState *doc)
{
    SIM_CHECK(I16_INVOICED, doc->credited_minor <= doc->paid_minor, "%lld are credited, %lld were paid",
              (long long)doc->credited_minor, (long long)doc->paid_minor);
    if (bytes_is(row->state, "COMPLETED"))
        SIM_CHECK(I16_INVOICED,
                  doc->invoiced_minor == doc->total_minor &&
                      (doc->paid_minor - doc->credited_minor == doc->total_minor ||
                       strcmp(doc->payment_state, "WRITTEN_OFF") == 0),
                  "a completed order costs %lld, is invoiced %lld, paid %lld", (long long)doc->total_minor,
                  (long long)doc->invoiced_minor, (long long)doc->paid_minor);
    if (bytes_is(row->state, "CANCELLED") || bytes_is(row->state, "REJECTED")) {
        SIM_CHECK(I16_INVOICED, doc->invoiced_minor > 0 || doc->paid_minor == doc->credited_minor,
                  "an order that was undone keeps %lld of %lld paid",
                  (long long)(doc->paid_minor - doc->credited_minor), (long long)doc->paid_minor);
        SIM_CHECK(I8_NOTHING_HELD, doc->n_allocations == 0, "an order that was undone has allocations");
    }
}

static void check_orders(void)
{
    const struct saga_row *row;
    for (size_t i = 0; (row = saga_row_at(i)) != NULL; i++) {
        struct arena *arena = arena_new(65536);
        char text[UUID_TEXT_SIZE];
        uuid_format(row->order_id, text);
        struct bytes key = bytes_str(text);
        SIM_CHECK(I7_ENDED, is_over(row->state) || row->waiting_on.size > 0,
                  "order %s is %.*s and waits for nobody", text, (int)row->state.size,
                  (const char *)row->state.data);
        sim_cover_ending(arena_str(arena, row->state));
        check_rebuild(row, key, arena);
        const Orderclerk__V1__OrderState *doc =
            orderclerk__v1__order_state__unpack(arena_protobuf(arena), row->doc.size, row->doc.data);
        check_money(row, doc);
        for (uint32_t line = 1; line <= 8; line++) {
            const struct sim_map_item *held = sim_map_find(&sim->check->held, sim_key(line, key));
            SIM_CHECK(I8_NOTHING_HELD, held == NULL || held->value.number == 0,
                      "order %s is %.*s and holds %lld of line %u", text, (int)row->state.size,
                      (const char *)row->state.data, (long long)held->value.number, line);
        }
        arena_free(arena);
    }
}

// ---- every record's fate

static uint64_t letter_key(const char *service, enum topic topic, int32_t partition, int64_t offset)
{
    int64_t place[3] = {(int64_t)topic, partition, offset};
    return sim_key2(1, bytes_str(service), bytes_of(place, sizeof place));
}

static void note_letters(struct sim_map *letters)
{
    const struct dead_letter_row *row;
    struct arena *arena = arena_new(1024);
    for (size_t i = 0; (row = store_mem_row(sim->services[SIM_DESK].db, &dead_letter_table, i)) != NULL;
         i++) {
        const struct topic_info *info =
            row->topic.size == 0 ? NULL : topic_find(arena_str(arena, row->topic));
        if (info != NULL)
            sim_map_at(letters, letter_key(arena_str(arena, row->service), info->number,
                                           row->record_partition, row->record_offset));
    }
    arena_free(arena);
}

static bool has_fate(enum sim_service_id s, const struct sim_entry *entry, const struct sim_map *letters)
{
    const struct bus_record *r = &entry->record;
    if (sim_map_find(letters, letter_key(sim_service_name(s), r->topic, r->partition, r->offset)) != NULL)
        return true;
    if (!entry->readable)
        return false;
    if (topic_info(r->topic)->mode == TOPIC_VERSIONED)
        return true;
    if (topic_info(r->topic)->mode == TOPIC_BY_ID)
        return store_mem_find(sim->services[s].db, &seen_table, &(struct seen_row){.id = entry->id}) != NULL;
    const struct key_state_row *ks =
        store_mem_find(sim->services[s].db, &key_state_table, &(struct key_state_row){.key = r->key});
    return ks != NULL && entry->sequence <= sequences_get(ks->read, r->topic);
}

static void check_fates(void)
{
    struct sim_map letters = {0};
    note_letters(&letters);
    for (enum sim_service_id s = 0; s < SIM_SERVICES; s++) {
        const struct lane_service *lane = sim->services[s].lane;
        for (size_t i = 0; i < lane->input_count; i++) {
            for (int32_t p = 0; p < SIM_PARTITIONS; p++) {
                for (int64_t o = 0; o < sim_bus_high(lane->inputs[i], p); o++) {
                    SIM_CHECK(I17_CONSUMED, has_fate(s, sim_bus_entry(lane->inputs[i], p, o), &letters),
                              "%s: %s/%d:%lld is neither applied nor a dead letter", sim_service_name(s),
                              topic_info(lane->inputs[i])->name, p, (long long)o);
                }
            }
        }
    }
    sim_map_free(&letters);
}

static void check_rest(void)
{
    for (enum sim_service_id s = 0; s < SIM_SERVICES; s++) {
        SIM_CHECK(I15_AT_REST, store_mem_row(sim->services[s].db, &held_table, 0) == NULL,
                  "%s holds a record", sim_service_name(s));
        SIM_CHECK(I15_AT_REST, store_mem_row(sim->services[s].db, &effect_table, 0) == NULL,
                  "%s has an effect left", sim_service_name(s));
    }
    for (size_t i = 0; i < sim->check->sent.capacity; i++) {
        const struct sim_map_item *item = &sim->check->sent.items[i];
        SIM_CHECK(I15_AT_REST, item->key == 0 || ((const struct sim_sent *)item->value.pointer)->arrived > 0,
                  "%s: a committed record never came",
                  item->key == 0 ? ""
                                 : sim_service_name(((const struct sim_sent *)item->value.pointer)->service));
    }
}

void sim_check_end(void)
{
    check_kept();
    check_orders();
    check_fates();
    check_rest();
    sim_check_stock_end();
}
