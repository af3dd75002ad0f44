// One service's lane over memory.
#include "sim/harness.h"

#include "orderclerk/v1/control.pb-c.h"
#include "sim/ports_mem.h"
#include "sim/store_mem.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define START         ((instant)1790000000 * INSTANT_SECOND) // 2026-09-21: any fixed day
#define STEPS_MAX     100000
#define SEQUENCES_MAX 4096

struct sent {
    enum topic topic;
    char key[64];
    uint64_t last;
};

struct harness {
    const struct lane_service *service;
    struct clock_mem clock;
    struct bus_mem *bus;
    struct bus_port *member;
    struct store_mem_db *db;
    struct store_port *store;
    struct caller_mem *caller;
    struct lane *lane;
    struct arena *arena;
    struct sent sent[SEQUENCES_MAX];
    size_t sent_count;
    int64_t taken[TOPIC_MAX][64];
    uint64_t ids;
};

struct harness *harness_new(const struct lane_service *service)
{
    struct harness *h = calloc(1, sizeof *h);
    assert(h != NULL);
    h->service = service;
    h->arena = arena_new(1 << 16);
    clock_mem_init(&h->clock, START);
    h->bus = bus_mem_new(1);
    h->member = bus_mem_join(h->bus, service);
    h->db = store_mem_db_new(service->tables, service->table_count, &h->clock.port);
    h->store = store_mem_open(h->db);
    h->caller = caller_mem_new(&h->clock.port);
    struct lane_ports ports = {
        .clock = &h->clock.port, .bus = h->member, .store = h->store, .caller = caller_mem_port(h->caller)};
    struct lane_settings settings = {.batch_max_inputs = 1000,
                                     .batch_max_in_bytes = 4 << 20,
                                     .batch_max_out_bytes = 16 << 20,
                                     .stash_max_bytes = 64 << 20,
                                     .session_timeout_us = 3 * INSTANT_SECOND,
                                     .gap_resend_us = 30 * INSTANT_SECOND,
                                     .unknown_hold_us = 60 * INSTANT_SECOND,
                                     .idle_mark_us = 100 * INSTANT_MS};
    h->lane = lane_new(service, &ports, &settings);
    harness_run(h);
    return h;
}

void harness_free(struct harness *h)
{
    if (h == NULL)
        return;
    lane_free(h->lane);
    caller_mem_free(h->caller);
    store_mem_close(h->store);
    store_mem_db_free(h->db);
    bus_mem_free(h->bus);
    arena_free(h->arena);
    free(h);
}

static uint64_t *last_sequence(struct harness *h, enum topic topic, const char *key)
{
    for (size_t i = 0; i < h->sent_count; i++) {
        if (h->sent[i].topic == topic && strcmp(h->sent[i].key, key) == 0)
            return &h->sent[i].last;
    }
    assert(h->sent_count < SEQUENCES_MAX);
    struct sent *s = &h->sent[h->sent_count++];
    s->topic = topic;
    snprintf(s->key, sizeof s->key, "%s", key);
    return &s->last;
}

struct uuid harness_send_head(struct harness *h, enum topic topic, const char *key,
                              const ProtobufCMessage *message, const struct head *given)
{
    struct head head = *given;
    char id[UUID_TEXT_SIZE];
    if (head.event_id.size == 0) {
        h->ids++;
        head.id = uuid_from_name("harness", bytes_of(&h->ids, sizeof h->ids));
        uuid_format(head.id, id);
        head.event_id = bytes_str(id);
    }
    if (head.key.size == 0)
        head.key = bytes_str(key);
    if (head.source.size == 0)
        head.source = bytes_of(topic_info(topic)->writers, strcspn(topic_info(topic)->writers, " "));
    if (head.occurred_at == 0)
        head.occurred_at = h->clock.now;
    if (topic_info(topic)->mode == TOPIC_SEQUENCED) {
        uint64_t *last = last_sequence(h, topic, key);
        if (head.sequence == 0)
            head.sequence = *last + 1;
        if (head.sequence > *last)
            *last = head.sequence;
    }
    bus_mem_append(h->bus, topic, bytes_str(key), head_write(h->arena, &head, message));
    struct uuid parsed = head.id;
    uuid_parse(head.event_id, &parsed);
    return parsed;
}

struct uuid harness_send(struct harness *h, enum topic topic, const char *key,
                         const ProtobufCMessage *message)
{
    struct head head = {.sequence = 0};
    return harness_send_head(h, topic, key, message, &head);
}

void harness_send_raw(struct harness *h, enum topic topic, const char *key, struct bytes value)
{
    bus_mem_append(h->bus, topic, bytes_str(key), value);
}

void harness_ask_newest(struct harness *h, const char *service, const char *topic, const char *key,
                        uint64_t known)
{
    Orderclerk__V1__Resend resend = ORDERCLERK__V1__RESEND__INIT;
    resend.topic = (char *)(uintptr_t)topic;
    resend.from_sequence = known;
    Orderclerk__V1__Control control = ORDERCLERK__V1__CONTROL__INIT;
    control.service = (char *)(uintptr_t)service;
    control.body_case = ORDERCLERK__V1__CONTROL__BODY_RESEND;
    control.resend = &resend;
    harness_send(h, TOPIC_CONTROL, key, &control.base);
    harness_run(h);
}

// Everything that can be seen from outside: when it stands still, nothing more will happen.
static int64_t progress(struct harness *h)
{
    int64_t sum = 0;
    struct slot_claim slot;
    if (store_mem_slot(h->db, 0, h->arena, &slot)) {
        sum = slot.batch_no + slot.epoch * 1000003 + slot.published_no * 7;
        for (size_t i = 0; i < slot.position_count; i++)
            sum += slot.positions[i].next_offset * 31;
    }
    return sum + lane_ready(h->lane);
}

void harness_run(struct harness *h)
{
    int64_t before = -1;
    for (int quiet = 0, steps = 0; quiet < 8; steps++) {
        assert(steps < STEPS_MAX);
        lane_step(h->lane, 0);
        int64_t now = progress(h);
        quiet = now == before ? quiet + 1 : 0;
        before = now;
    }
}

void harness_advance(struct harness *h, int64_t us)
{
    harness_run(h);
    h->clock.now += us;
    harness_run(h);
}

instant harness_now(const struct harness *h)
{
    return h->clock.now;
}

const ProtobufCMessage *harness_take(struct harness *h, enum topic topic, struct head *ret_head)
{
    const struct bus_record *record = bus_mem_record(h->bus, topic, 0, h->taken[topic][0]);
    if (record == NULL)
        return NULL;
    h->taken[topic][0]++;
    struct head head;
    struct err e = head_read(record->value, &head);
    assert(!err_is(&e));
    if (ret_head != NULL)
        *ret_head = head;
    const ProtobufCMessage *message = protobuf_c_message_unpack(
        topic_info(topic)->descriptor, arena_protobuf(h->arena), record->value.size, record->value.data);
    assert(message != NULL);
    return message;
}

size_t harness_waiting(struct harness *h, enum topic topic)
{
    return (size_t)(bus_mem_high(h->bus, topic, 0) - h->taken[topic][0]);
}

bool harness_effect(struct harness *h, struct effect_call *ret_call,
                    const Orderclerk__V1__EffectRequest **ret_request)
{
    if (!caller_mem_oldest(h->caller, ret_call))
        return false;
    *ret_request = orderclerk__v1__effect_request__unpack(arena_protobuf(h->arena), ret_call->request.size,
                                                          ret_call->request.data);
    assert(*ret_request != NULL);
    return true;
}

void harness_answer(struct harness *h, struct uuid effect_id, enum effect_outcome outcome, int status,
                    struct bytes body)
{
    caller_mem_answer(h->caller, effect_id, outcome, status, body);
    harness_run(h);
}

size_t harness_rows(struct harness *h, const struct table *table, size_t column, struct value value,
                    void **ret_rows)
{
    return store_mem_rows(h->db, table, column, value, h->arena, ret_rows);
}
