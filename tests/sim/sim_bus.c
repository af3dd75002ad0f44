// Topics and groups of the simulated bus.
#include "sim/sim_bus_internal.h"

#include "base/hash.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct sim_bus *sim_bus_new(void)
{
    struct sim_bus *bus = calloc(1, sizeof *bus);
    assert(bus != NULL);
    bus->next_arrival = INSTANT_NONE;
    for (size_t t = 0; t < TOPIC_MAX; t++) {
        for (size_t p = 0; p < SIM_PARTITIONS; p++)
            bus->logs[t][p].shown = -1;
    }
    return bus;
}

void sim_bus_free(struct sim_bus *bus)
{
    if (bus == NULL)
        return;
    assert(bus->member_count == 0);
    sim_producers_free(bus);
    for (size_t t = 0; t < TOPIC_MAX; t++) {
        for (size_t p = 0; p < SIM_PARTITIONS; p++)
            free(bus->logs[t][p].entries);
    }
    free(bus);
}

static struct sim_log *log_of(enum topic topic, int32_t partition)
{
    assert(partition >= 0 && partition < SIM_PARTITIONS);
    return &sim->bus->logs[topic][partition];
}

static struct sim_thread *lane_thread(struct sim_member *m)
{
    return &m->process->threads[0];
}

static bool subscribes(const struct sim_member *m, enum topic topic)
{
    for (size_t i = 0; i < m->input_count; i++) {
        if (m->inputs[i] == topic)
            return true;
    }
    return false;
}

static void wake_readers(enum topic topic, int32_t partition)
{
    for (size_t i = 0; i < sim->bus->member_count; i++) {
        struct sim_member *m = sim->bus->members[i];
        if (m->reading[partition] && subscribes(m, topic))
            sim_wake(lane_thread(m));
    }
}

// key and value live in the seed's arena. writer NULL: foreign, or a copy that arrives late.
int64_t sim_bus_append(enum topic topic, struct bytes key, struct bytes value, struct sim_process *writer)
{
    int32_t partition = hash_partition(key, SIM_PARTITIONS);
    struct sim_log *log = log_of(topic, partition);
    if (log->count == log->capacity) {
        log->capacity = log->capacity == 0 ? 64 : log->capacity * 2;
        log->entries = realloc(log->entries, log->capacity * sizeof *log->entries);
        assert(log->entries != NULL);
    }
    struct sim_entry *entry = &log->entries[log->count];
    *entry = (struct sim_entry){.record = {.topic = topic,
                                           .partition = partition,
                                           .offset = (int64_t)log->count,
                                           .key = key,
                                           .value = value},
                                .at = sim->now};
    log->count++;
    struct head head;
    struct err e = head_read(value, &head);
    entry->readable = !err_is(&e);
    if (entry->readable) {
        entry->id = head.id;
        entry->sequence = head.sequence;
        entry->saga_revision = head.saga_revision;
    }
    sim_check_appended(topic, partition, entry, entry->readable ? &head : NULL, writer);
    sim_peers_heed(topic, entry);
    wake_readers(topic, partition);
    return entry->record.offset;
}

const struct sim_entry *sim_bus_entry(enum topic topic, int32_t partition, int64_t offset)
{
    const struct sim_log *log = log_of(topic, partition);
    return (size_t)offset < log->count ? &log->entries[offset] : NULL;
}

int64_t sim_bus_high(enum topic topic, int32_t partition)
{
    return (int64_t)log_of(topic, partition)->count;
}

static int64_t shown_high(const struct sim_log *log)
{
    return log->shown >= 0 ? log->shown : (int64_t)log->count;
}

// ---- groups

static void rebalance(const struct lane_service *service)
{
    struct sim_member *group[SIM_PROCESSES_MAX];
    size_t count = 0;
    for (size_t i = 0; i < sim->bus->member_count; i++) {
        struct sim_member *m = sim->bus->members[i];
        if (m->in_group && m->service == service)
            group[count++] = m;
    }
    for (size_t i = 0; i < count; i++) {
        struct sim_member *m = group[i];
        m->revoke_first = m->has_assignment;
        m->has_assignment = true;
        m->told = false;
        m->slot_count = 0;
        for (int32_t p = 0; p < SIM_PARTITIONS; p++) {
            if ((size_t)p * count / SIM_PARTITIONS == i)
                m->slots[m->slot_count++] = p;
        }
        sim_wake(lane_thread(m));
    }
}

static bool next_trouble(struct sim_member *m, struct bus_event *event)
{
    static char text[96]; // valid until the next poll; one thread
    if (m->trouble_count == 0)
        return false;
    m->trouble_count--;
    event->kind = BUS_POSITION;
    event->record.topic = m->troubles[m->trouble_count].topic;
    event->record.partition = m->troubles[m->trouble_count].partition;
    snprintf(text, sizeof text, "%s/%d: the stored position isn't there any more",
             topic_info(event->record.topic)->name, event->record.partition);
    event->text = text;
    return true;
}

static void add_trouble(struct sim_member *m, enum topic topic, int32_t partition)
{
    if (!m->positioned[topic][partition])
        return;
    m->positioned[topic][partition] = false;
    m->troubles[m->trouble_count].topic = topic;
    m->troubles[m->trouble_count++].partition = partition;
}

static bool next_record(struct sim_member *m, struct bus_event *event)
{
    assert(m->input_count > 0); // control at least
    size_t cells = m->input_count * SIM_PARTITIONS;
    size_t first = sim_below(&sim->schedule, (uint32_t)cells);
    size_t input = first % m->input_count;
    int32_t p = (int32_t)(first / m->input_count);
    for (size_t i = 0; i < cells; i++, input++) {
        if (input == m->input_count) {
            input = 0;
            p = p + 1 == SIM_PARTITIONS ? 0 : p + 1;
        }
        enum topic topic = m->inputs[input];
        if (!m->reading[p] || !m->positioned[topic][p])
            continue;
        const struct sim_log *log = log_of(topic, p);
        int64_t *next = &m->next[topic][p];
        if (*next >= shown_high(log) || sim->now < sim->bus->hold_until[topic])
            continue;
        if (*next < log->low && !topic_info(topic)->compacted) {
            // Out of range: the client says so, or goes on where the topic begins now without a word.
            if (sim_chance(&sim->schedule, 50)) {
                add_trouble(m, topic, p);
                return next_trouble(m, event);
            }
            *next = log->low;
            if (*next >= shown_high(log))
                continue;
        }
        event->kind = BUS_RECORD;
        event->record = log->entries[(*next)++].record;
        return true;
    }
    return false;
}

static bool next_event(struct sim_member *m, struct bus_event *event)
{
    if (m->producer->failed) {
        event->kind = BUS_FAILED;
        event->text = "the client is beyond repair";
        return true;
    }
    if (m->in_group && !m->told) {
        if (m->revoke_first) {
            m->revoke_first = false;
            memset(m->reading, 0, sizeof m->reading);
            event->kind = BUS_REVOKED;
            return true;
        }
        m->told = true;
        event->kind = BUS_ASSIGNED;
        event->slots = m->slots;
        event->slot_count = m->slot_count;
        return true;
    }
    if (sim_producer_report(m->producer, &event->tag)) {
        event->kind = BUS_REPORT;
        return true;
    }
    return next_trouble(m, event) || next_record(m, event);
}

// When a topic that is held back is free again: a reader that waits comes back for it.
static instant next_free(const struct sim_member *m, instant until)
{
    for (size_t i = 0; i < m->input_count; i++) {
        instant free_at = sim->bus->hold_until[m->inputs[i]];
        if (free_at > sim->now && free_at < until)
            until = free_at;
    }
    return until;
}

static void poll_bus(void *self, int64_t timeout_us, struct bus_event *event)
{
    struct sim_member *m = self;
    sim_point(m->process);
    event->kind = BUS_NOTHING;
    instant until = sim->now + timeout_us;
    struct sim_thread *thread = lane_thread(m);
    while (!next_event(m, event)) {
        bool woken = thread->woken;
        thread->woken = false;
        if (woken || sim->now >= until)
            return;
        sim_wait(thread, next_free(m, until));
    }
}

// ---- the port

static struct err assign(void *self, const int32_t *slots, size_t count,
                         const struct store_position *positions, size_t position_count, int64_t *ret_start)
{
    struct sim_member *m = self;
    sim_point(m->process);
    if (count > 0 && sim->now < sim->bus->blind_until)
        return err_make(ERR_RETRY, "the broker is out of reach");
    memset(m->reading, 0, sizeof m->reading);
    m->trouble_count = 0;
    for (size_t i = 0; i < count; i++) {
        m->reading[slots[i]] = true;
        for (size_t t = 0; t < m->input_count; t++) {
            m->next[m->inputs[t]][slots[i]] = log_of(m->inputs[t], slots[i])->low;
            m->positioned[m->inputs[t]][slots[i]] = true;
        }
    }
    for (size_t i = 0; i < position_count; i++) {
        const struct store_position *p = &positions[i];
        const struct sim_log *log = log_of(p->topic, p->slot);
        m->next[p->topic][p->slot] = p->next_offset;
        if (p->next_offset > shown_high(log) ||
            (p->next_offset < log->low && !topic_info(p->topic)->compacted))
            add_trouble(m, p->topic, p->slot);
    }
    for (size_t i = 0; ret_start != NULL && i < count * m->input_count; i++)
        ret_start[i] = m->next[m->inputs[i % m->input_count]][slots[i / m->input_count]];
    return err_ok();
}

static struct err produce(void *self, const struct bus_out *out)
{
    struct sim_member *m = self;
    sim_point(m->process);
    if (m->producer->failed)
        return err_make(ERR_RETRY, "the client is beyond repair");
    if (sim_producer_full(m->producer))
        return err_make(ERR_RETRY, "the local queue is full");
    sim_producer_send(m->producer, out);
    return err_ok();
}

static struct err high_watermarks(void *self, const int32_t *slots, size_t count, int64_t *ret_high)
{
    struct sim_member *m = self;
    sim_point(m->process);
    if (sim->now < sim->bus->blind_until)
        return err_make(ERR_RETRY, "the broker is out of reach");
    for (size_t i = 0; i < count; i++) {
        for (size_t t = 0; t < m->input_count; t++)
            ret_high[i * m->input_count + t] = shown_high(log_of(m->inputs[t], slots[i]));
    }
    return err_ok();
}

static void note_positions(void *self, const struct store_position *positions, size_t count)
{
    (void)self;
    (void)positions;
    (void)count;
}

static struct err reopen(void *self)
{
    struct sim_member *m = self;
    sim_point(m->process);
    sim_bus_reset(&m->port);
    return err_ok();
}

static void wake(void *self)
{
    sim_wake(lane_thread(self));
}

static int32_t partition_of(void *self, struct bytes key)
{
    (void)self;
    return hash_partition(key, SIM_PARTITIONS);
}

struct bus_port *sim_bus_join(struct sim_process *process, const struct lane_service *service)
{
    assert(sim->bus->member_count < SIM_PROCESSES_MAX);
    struct sim_member *m = calloc(1, sizeof *m);
    assert(m != NULL);
    m->process = process;
    m->service = service;
    for (size_t i = 0; i < service->input_count; i++)
        m->inputs[m->input_count++] = service->inputs[i];
    m->inputs[m->input_count++] = TOPIC_CONTROL;
    m->in_group = true;
    m->producer = sim_producer_new(process, &process->threads[0]);
    m->port = (struct bus_port){.self = m,
                                .poll = poll_bus,
                                .assign = assign,
                                .produce = produce,
                                .high_watermarks = high_watermarks,
                                .note_positions = note_positions,
                                .reopen = reopen,
                                .wake = wake,
                                .partition_of = partition_of};
    sim->bus->members[sim->bus->member_count++] = m;
    rebalance(service);
    return &m->port;
}

void sim_bus_silence(struct bus_port *port)
{
    struct sim_member *m = port->self;
    for (struct sim_producer *p = sim->bus->producers; p != NULL; p = p->next) {
        if (p->process == m->process)
            sim_producer_end(p); // the door's too
    }
    m->producer = NULL;
}

void sim_bus_leave(struct bus_port *port)
{
    sim_bus_silence(port);
    struct sim_member *m = port->self;
    struct sim_bus *bus = sim->bus;
    size_t i = 0;
    while (bus->members[i] != m)
        i++;
    for (bus->member_count--; i < bus->member_count; i++)
        bus->members[i] = bus->members[i + 1];
    if (m->in_group)
        rebalance(m->service);
    free(m);
}

void sim_bus_expire(struct bus_port *port)
{
    struct sim_member *m = port->self;
    m->in_group = false;
    rebalance(m->service);
}

void sim_bus_return(struct bus_port *port)
{
    struct sim_member *m = port->self;
    m->in_group = true;
    rebalance(m->service);
}

// A rebuilt process: the same member, which knows nothing.
void sim_bus_reset(struct bus_port *port)
{
    struct sim_member *m = port->self;
    sim_producer_reopen(m->producer);
    memset(m->reading, 0, sizeof m->reading);
    m->trouble_count = 0;
    m->told = false;
    m->revoke_first = false;
}

// ---- faults

void sim_bus_fail(struct bus_port *port)
{
    struct sim_member *m = port->self;
    m->producer->failed = true;
    sim_wake(lane_thread(m));
}

void sim_bus_redeliver(struct bus_port *port, struct sim_random *random)
{
    struct sim_member *m = port->self;
    for (size_t t = 0; t < m->input_count; t++) {
        for (int32_t p = 0; p < SIM_PARTITIONS; p++) {
            int64_t *next = &m->next[m->inputs[t]][p];
            int64_t back = sim_below(random, 6);
            const struct sim_log *log = log_of(m->inputs[t], p);
            if (m->reading[p] && *next - back >= log->low)
                *next -= back;
        }
    }
    sim_wake(lane_thread(m));
}

void sim_bus_delay(enum topic topic, instant until)
{
    sim->bus->hold_until[topic] = until;
}

void sim_bus_slow(struct bus_port *port, instant until)
{
    ((struct sim_member *)port->self)->producer->slow_until = until;
}

void sim_bus_blind(instant until)
{
    sim->bus->blind_until = until;
}

void sim_bus_truncate(enum topic topic, int32_t partition, int64_t low)
{
    log_of(topic, partition)->low = low;
}

void sim_bus_cut_tail(enum topic topic, int32_t partition, int64_t shown)
{
    log_of(topic, partition)->shown = shown;
    for (size_t i = 0; i < sim->bus->member_count; i++) {
        struct sim_member *m = sim->bus->members[i];
        if (m->reading[partition] && subscribes(m, topic) && m->next[topic][partition] > shown) {
            add_trouble(m, topic, partition);
            sim_wake(lane_thread(m));
        }
    }
}

bool sim_bus_is_cut(enum topic topic, int32_t partition)
{
    const struct sim_log *log = log_of(topic, partition);
    return log->low > 0 || log->shown >= 0;
}

int64_t sim_bus_low(enum topic topic, int32_t partition)
{
    return log_of(topic, partition)->low;
}

void sim_bus_restore(enum topic topic, int32_t partition)
{
    struct sim_log *log = log_of(topic, partition);
    log->low = 0;
    log->shown = -1;
    wake_readers(topic, partition);
}

void sim_bus_again(enum topic topic, int32_t partition, int64_t offset)
{
    const struct sim_log *log = log_of(topic, partition);
    if ((size_t)offset >= log->count || log->shown >= 0)
        return;
    const struct bus_record record = log->entries[offset].record;
    sim_bus_append(topic, record.key, record.value, NULL);
}
