// Clock, bus and caller over memory.
#include "sim/ports_mem.h"

#include "base/hash.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MEMBERS_MAX    16
#define PARTITIONS_MAX 64

static void *checked(void *p)
{
    assert(p != NULL);
    return p;
}

static struct bytes keep(struct bytes source)
{
    if (source.data == NULL)
        return source;
    char *copy = checked(malloc(source.size + 1));
    if (source.size > 0)
        memcpy(copy, source.data, source.size);
    return bytes_of(copy, source.size);
}

static void drop(struct bytes kept)
{
    free((void *)(uintptr_t)kept.data);
}

// ---- clock

static instant clock_now(void *self)
{
    return ((struct clock_mem *)self)->now;
}
static int64_t clock_mono(void *self)
{
    return ((struct clock_mem *)self)->now;
}

void clock_mem_init(struct clock_mem *clock, instant start)
{
    clock->port = (struct clock_port){.self = clock, .now = clock_now, .monotonic_us = clock_mono};
    clock->now = start;
}

// ---- bus

struct log {
    struct bus_record *records;
    size_t count, capacity;
};

struct member {
    struct bus_port port;
    struct bus_mem *bus;
    const struct lane_service *service;
    enum topic inputs[TOPIC_MAX];
    size_t input_count;
    bool in_group;
    bool told; // false: it hasn't learnt of the last rebalance
    bool revoke_first;
    bool has_assignment;
    int32_t slots[PARTITIONS_MAX]; // assigned by the group
    size_t slot_count;
    bool reading[PARTITIONS_MAX];
    int64_t next[TOPIC_MAX][PARTITIONS_MAX];
    size_t turn; // which partition is read next
    uint64_t *reports;
    size_t report_count, report_capacity;
};

struct bus_mem {
    int32_t partitions;
    struct log logs[TOPIC_MAX][PARTITIONS_MAX];
    int64_t noted[TOPIC_MAX][PARTITIONS_MAX];
    struct member *members[MEMBERS_MAX];
    size_t member_count;
};

struct bus_mem *bus_mem_new(int32_t partitions)
{
    assert(partitions > 0 && partitions <= PARTITIONS_MAX);
    struct bus_mem *bus = checked(calloc(1, sizeof *bus));
    bus->partitions = partitions;
    return bus;
}

void bus_mem_free(struct bus_mem *bus)
{
    if (bus == NULL)
        return;
    for (size_t i = 0; i < bus->member_count; i++) {
        free(bus->members[i]->reports);
        free(bus->members[i]);
    }
    for (size_t t = 0; t < TOPIC_MAX; t++) {
        for (size_t p = 0; p < PARTITIONS_MAX; p++) {
            for (size_t i = 0; i < bus->logs[t][p].count; i++) {
                drop(bus->logs[t][p].records[i].key);
                drop(bus->logs[t][p].records[i].value);
            }
            free(bus->logs[t][p].records);
        }
    }
    free(bus);
}

int64_t bus_mem_append_at(struct bus_mem *bus, enum topic topic, int32_t partition, struct bytes key,
                          struct bytes value)
{
    struct log *log = &bus->logs[topic][partition];
    if (log->count == log->capacity) {
        log->capacity = log->capacity == 0 ? 64 : log->capacity * 2;
        log->records = checked(realloc(log->records, log->capacity * sizeof *log->records));
    }
    log->records[log->count] = (struct bus_record){.topic = topic,
                                                   .partition = partition,
                                                   .offset = (int64_t)log->count,
                                                   .key = keep(key),
                                                   .value = keep(value)};
    return (int64_t)log->count++;
}

int64_t bus_mem_append(struct bus_mem *bus, enum topic topic, struct bytes key, struct bytes value)
{
    return bus_mem_append_at(bus, topic, hash_partition(key, bus->partitions), key, value);
}

const struct bus_record *bus_mem_record(struct bus_mem *bus, enum topic topic, int32_t partition,
                                        int64_t offset)
{
    const struct log *log = &bus->logs[topic][partition];
    return (size_t)offset < log->count ? &log->records[offset] : NULL;
}

int64_t bus_mem_high(struct bus_mem *bus, enum topic topic, int32_t partition)
{
    return (int64_t)bus->logs[topic][partition].count;
}

int32_t bus_mem_partitions(const struct bus_mem *bus)
{
    return bus->partitions;
}

int64_t bus_mem_noted(const struct bus_mem *bus, enum topic topic, int32_t partition)
{
    return bus->noted[topic][partition];
}

// ---- groups

static void rebalance(struct bus_mem *bus, const struct lane_service *service)
{
    struct member *group[MEMBERS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < bus->member_count; i++) {
        if (bus->members[i]->in_group && bus->members[i]->service == service)
            group[count++] = bus->members[i];
    }
    for (size_t i = 0; i < count; i++) {
        struct member *m = group[i];
        m->revoke_first = m->has_assignment;
        m->has_assignment = true;
        m->told = false;
        m->slot_count = 0;
        for (int32_t p = 0; p < bus->partitions; p++) {
            if ((size_t)p * count / (size_t)bus->partitions == i)
                m->slots[m->slot_count++] = p;
        }
    }
}

static bool next_record(struct member *m, struct bus_event *event)
{
    size_t cells = m->input_count * (size_t)m->bus->partitions;
    for (size_t i = 0; i < cells; i++) {
        size_t cell = (m->turn + i) % cells;
        enum topic topic = m->inputs[cell % m->input_count];
        size_t p = cell / m->input_count;
        const struct log *log = &m->bus->logs[topic][p];
        if (!m->reading[p] || (size_t)m->next[topic][p] >= log->count)
            continue;
        event->kind = BUS_RECORD;
        event->record = log->records[m->next[topic][p]++];
        m->turn = cell + 1;
        return true;
    }
    return false;
}

static void mem_poll(void *self, int64_t timeout_us, struct bus_event *event)
{
    (void)timeout_us; // time passes only by its driver's hand
    struct member *m = self;
    event->kind = BUS_NOTHING;
    if (m->in_group && !m->told) {
        if (m->revoke_first) {
            m->revoke_first = false;
            memset(m->reading, 0, sizeof m->reading);
            event->kind = BUS_REVOKED;
            return;
        }
        m->told = true;
        event->kind = BUS_ASSIGNED;
        event->slots = m->slots;
        event->slot_count = m->slot_count;
        return;
    }
    if (m->report_count > 0) {
        event->kind = BUS_REPORT;
        event->tag = m->reports[0];
        memmove(m->reports, m->reports + 1, --m->report_count * sizeof m->reports[0]);
        return;
    }
    next_record(m, event);
}

static struct err mem_assign(void *self, const int32_t *slots, size_t count,
                             const struct store_position *positions, size_t position_count,
                             int64_t *ret_start)
{
    struct member *m = self;
    memset(m->reading, 0, sizeof m->reading);
    memset(m->next, 0, sizeof m->next);
    for (size_t i = 0; i < count; i++)
        m->reading[slots[i]] = true;
    for (size_t i = 0; i < position_count; i++)
        m->next[positions[i].topic][positions[i].slot] = positions[i].next_offset;
    for (size_t i = 0; ret_start != NULL && i < count * m->input_count; i++)
        ret_start[i] = m->next[m->inputs[i % m->input_count]][slots[i / m->input_count]];
    return err_ok();
}

static struct err mem_produce(void *self, const struct bus_out *out)
{
    struct member *m = self;
    bus_mem_append(m->bus, out->topic, out->key, out->value);
    if (m->report_count == m->report_capacity) {
        m->report_capacity = m->report_capacity == 0 ? 64 : m->report_capacity * 2;
        m->reports = checked(realloc(m->reports, m->report_capacity * sizeof *m->reports));
    }
    m->reports[m->report_count++] = out->tag;
    return err_ok();
}

static struct err mem_watermarks(void *self, const int32_t *slots, size_t count, int64_t *ret_high)
{
    struct member *m = self;
    for (size_t i = 0; i < count; i++) {
        for (size_t t = 0; t < m->input_count; t++)
            ret_high[i * m->input_count + t] = bus_mem_high(m->bus, m->inputs[t], slots[i]);
    }
    return err_ok();
}

static void mem_note(void *self, const struct store_position *positions, size_t count)
{
    struct member *m = self;
    for (size_t i = 0; i < count; i++)
        m->bus->noted[positions[i].topic][positions[i].slot] = positions[i].next_offset;
}

static struct err mem_reopen(void *self)
{
    struct member *m = self;
    m->report_count = 0;
    m->told = false;
    m->revoke_first = false;
    return err_ok();
}

static void mem_wake(void *self)
{
    (void)self;
}
static int32_t mem_partition(void *self, struct bytes key)
{
    return hash_partition(key, ((struct member *)self)->bus->partitions);
}

struct bus_port *bus_mem_join(struct bus_mem *bus, const struct lane_service *service)
{
    assert(bus->member_count < MEMBERS_MAX);
    struct member *m = checked(calloc(1, sizeof *m));
    m->bus = bus;
    m->service = service;
    for (size_t i = 0; i < service->input_count; i++)
        m->inputs[m->input_count++] = service->inputs[i];
    m->inputs[m->input_count++] = TOPIC_CONTROL;
    m->in_group = true;
    m->port = (struct bus_port){.self = m,
                                .poll = mem_poll,
                                .assign = mem_assign,
                                .produce = mem_produce,
                                .high_watermarks = mem_watermarks,
                                .note_positions = mem_note,
                                .reopen = mem_reopen,
                                .wake = mem_wake,
                                .partition_of = mem_partition};
    bus->members[bus->member_count++] = m;
    rebalance(bus, service);
    return &m->port;
}

void bus_mem_expire(struct bus_port *port)
{
    struct member *m = port->self;
    m->in_group = false;
    rebalance(m->bus, m->service);
}

void bus_mem_tell(struct bus_port *port)
{
    struct member *m = port->self;
    m->in_group = true;
    rebalance(m->bus, m->service);
}

void bus_mem_leave(struct bus_port *port)
{
    struct member *m = port->self;
    struct bus_mem *bus = m->bus;
    const struct lane_service *service = m->service;
    size_t i = 0;
    while (bus->members[i] != m)
        i++;
    bus->members[i] = bus->members[--bus->member_count];
    bus->members[bus->member_count] = NULL;
    rebalance(bus, service);
    free(m->reports);
    free(m);
}

// ---- caller

struct call {
    struct effect_call call;
    bool answered;
    struct effect_result result;
};

struct caller_mem {
    struct caller_port port;
    const struct clock_port *clock;
    struct call *calls;
    size_t count, capacity;
};

static void forget_call(struct caller_mem *c, size_t i)
{
    drop(c->calls[i].call.target);
    drop(c->calls[i].call.request);
    memmove(&c->calls[i], &c->calls[i + 1], (--c->count - i) * sizeof c->calls[0]);
}

static void caller_submit(void *self, const struct effect_call *call)
{
    struct caller_mem *c = self;
    if (caller_mem_has(c, call->id))
        return;
    if (c->count == c->capacity) {
        c->capacity = c->capacity == 0 ? 64 : c->capacity * 2;
        c->calls = checked(realloc(c->calls, c->capacity * sizeof *c->calls));
    }
    struct call *new = &c->calls[c->count++];
    *new = (struct call){.call = *call};
    new->call.target = keep(call->target);
    new->call.request = keep(call->request);
}

static bool caller_next(void *self, struct effect_result *ret)
{
    struct caller_mem *c = self;
    for (size_t i = 0; i < c->count; i++) {
        if (!c->calls[i].answered)
            continue;
        *ret = c->calls[i].result;
        forget_call(c, i);
        return true;
    }
    return false;
}

static void caller_forget(void *self)
{
    struct caller_mem *c = self;
    while (c->count > 0) {
        if (c->calls[0].answered)
            effect_result_free(&c->calls[0].result);
        forget_call(c, 0);
    }
}

struct caller_mem *caller_mem_new(const struct clock_port *clock)
{
    struct caller_mem *c = checked(calloc(1, sizeof *c));
    c->clock = clock;
    c->port = (struct caller_port){
        .self = c, .submit = caller_submit, .next = caller_next, .forget = caller_forget};
    return c;
}

void caller_mem_free(struct caller_mem *caller)
{
    if (caller == NULL)
        return;
    caller_forget(caller);
    free(caller->calls);
    free(caller);
}

struct caller_port *caller_mem_port(struct caller_mem *caller)
{
    return &caller->port;
}

bool caller_mem_has(struct caller_mem *caller, struct uuid id)
{
    for (size_t i = 0; i < caller->count; i++) {
        if (uuid_equal(caller->calls[i].call.id, id))
            return true;
    }
    return false;
}

bool caller_mem_oldest(struct caller_mem *caller, struct effect_call *ret_call)
{
    for (size_t i = 0; i < caller->count; i++) {
        if (caller->calls[i].answered ||
            caller->calls[i].call.due_us > caller->clock->monotonic_us(caller->clock->self))
            continue;
        *ret_call = caller->calls[i].call;
        return true;
    }
    return false;
}

void caller_mem_answer(struct caller_mem *caller, struct uuid id, enum effect_outcome outcome, int32_t status,
                       struct bytes body)
{
    for (size_t i = 0; i < caller->count; i++) {
        struct call *c = &caller->calls[i];
        if (c->answered || !uuid_equal(c->call.id, id))
            continue;
        c->answered = true;
        c->result = (struct effect_result){.id = id,
                                           .slot = c->call.slot,
                                           .attempt = c->call.attempt,
                                           .outcome = outcome,
                                           .status = status,
                                           .body = keep(body)};
        return;
    }
    assert(false && "an effect that is under way");
}
