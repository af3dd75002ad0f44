// How each fault strikes.
#include "sim/sim_check.h"
#include "sim/sim_faults.h"

#include "lane/internal.h"
#include "orderclerk/v1/department_replies.pb-c.h"
#include "orderclerk/v1/orders.pb-c.h"
#include "orderclerk/v1/warehouse_replies.pb-c.h"

#include <stdio.h>
#include <string.h>

#define SESSION_US (3 * INSTANT_SECOND)
#define IDLE_US    (2 * INSTANT_SECOND) // idle_in_transaction_session_timeout

// ---- a process that stands still

static void wake_up(void *self)
{
    struct sim_process *p = self;
    if (!p->alive || p->stopped_until > sim->now)
        return;
    sim_trace("%s-%d goes on", sim_service_name(p->service), p->number);
    if (p->expired)
        sim_bus_return(p->bus);
    p->expired = false;
}

static void expire(void *self)
{
    struct sim_process *p = self;
    if (!p->alive || p->stopped_until <= sim->now || p->expired)
        return;
    p->expired = true;
    sim_bus_expire(p->bus);
}

static void cut(void *self)
{
    struct sim_process *p = self;
    if (p->alive && p->stopped_until > sim->now && store_mem_in_transaction(p->store))
        store_mem_cut(p->store);
}

static void stop(struct sim_process *p, int64_t us)
{
    sim_trace("%s-%d stands still for %.1f s", sim_service_name(p->service), p->number, (double)us / 1e6);
    p->stopped_until = sim->now + us;
    sim_after(us, wake_up, p);
    sim_after(SESSION_US, expire, p);
    sim_after(IDLE_US, cut, p);
}

// ---- at calls

static struct sim_fault *armed(enum sim_fault_kind kind, enum sim_service_id service)
{
    for (uint32_t i = 0; i < sim->faults->count; i++) {
        struct sim_fault *f = &sim->faults->faults[i];
        if (f->on && f->kind == kind && f->service == service)
            return f;
    }
    return NULL;
}

static bool due(struct sim_fault *f)
{
    if (f == NULL || --f->nth > 0)
        return false;
    f->on = false;
    f->struck = true;
    sim_cover_fault(f->kind);
    return true;
}

void sim_faults_point(struct sim_process *p)
{
    if (sim->healed)
        return;
    if (due(armed(SIM_CRASH_CALL, p->service))) {
        sim_trace("%s-%d dies at a call", sim_service_name(p->service), p->number);
        sim_die(p);
    }
    struct sim_fault *f = armed(SIM_STOP, p->service);
    if (due(f))
        stop(p, f->us);
}

void sim_faults_hit(enum fault_point point)
{
    struct sim_process *p = sim == NULL ? NULL : sim_current();
    sim_cover_point(point);
    if (p == NULL)
        return;
    struct sim_fault *f = sim->healed ? NULL : armed(SIM_CRASH_POINT, p->service);
    if (f != NULL && f->point == point && due(f)) {
        sim_trace("%s-%d dies at %s", sim_service_name(p->service), p->number, fault_name(point));
        sim_die(p);
    }
    sim_point(p);
}

bool sim_faults_effect(struct sim_process *p, enum fault_point point)
{
    sim_cover_point(point);
    if (sim->healed)
        return false;
    struct sim_fault *f = armed(SIM_CRASH_POINT, p->service);
    bool dies = f != NULL && f->point == point && due(f);
    if (point == FAULT_effect_after_call && due(armed(SIM_EFFECT_CRASH, p->service)))
        dies = true;
    if (!dies)
        return false;
    enum sim_service_id service = p->service;
    sim_process_kill(p);
    sim_start_after(service, 2 * INSTANT_SECOND);
    return true;
}

enum store_mem_fault sim_faults_store(struct sim_process *p, enum store_mem_call call)
{
    if (sim->healed || sim_current() != p)
        return STORE_MEM_OK;
    if (armed(SIM_DB_DOWN, p->service) != NULL)
        return STORE_MEM_LOST_BEFORE;
    struct sim_fault *f = armed(SIM_STORE, p->service);
    if (f == NULL || f->call != call || (f->nth > 1 && --f->nth > 0))
        return STORE_MEM_OK;
    f->struck = true;
    sim_cover_fault(f->kind);
    if (--f->times == 0)
        f->on = false;
    sim_trace("%s-%d: its database %s", sim_service_name(p->service), p->number,
              f->how == STORE_MEM_REFUSED       ? "refuses"
              : f->how == STORE_MEM_LOST_BEFORE ? "is lost before the call"
                                                : "is lost after the call");
    return f->how;
}

enum store_mem_fault sim_faults_door(struct sim_process *p, const char *call)
{
    (void)call;
    if (sim->healed)
        return STORE_MEM_OK;
    if (armed(SIM_DB_DOWN, p->service) != NULL)
        return STORE_MEM_LOST_BEFORE;
    struct sim_fault *f = armed(SIM_DOOR, p->service);
    if (f == NULL || (f->nth > 1 && --f->nth > 0))
        return STORE_MEM_OK;
    f->struck = true;
    sim_cover_fault(f->kind);
    if (--f->times == 0)
        f->on = false;
    sim_trace("%s-%d: its door's database fails at %s", sim_service_name(p->service), p->number, call);
    return f->how;
}

// ---- records that nobody should send

static struct bytes some_key(struct sim_fault *f)
{
    for (uint32_t i = 0; i < sim->plan->count; i++) {
        const struct sim_order *order = &sim->plan->orders[sim_below(&f->random, sim->plan->count)];
        if (order->accepted)
            return bytes_str(order->id_text);
    }
    return bytes_str("01900000-0000-7000-8000-00000000dead");
}

static void send_garbage(struct sim_fault *f)
{
    uint8_t *junk = arena_alloc(sim->arena, 24);
    for (size_t i = 0; i < 24; i++)
        junk[i] = (uint8_t)sim_next(&f->random);
    sim_bus_append(f->topic, some_key(f), bytes_of(junk, sim_below(&f->random, 24)), NULL);
}

// Well formed, of the right type, and not to be applied: without a body, about an order that nobody knows, or not from a writer.
static void send_poison(struct sim_fault *f)
{
    static const enum topic topics[] = {TOPIC_ORDERS, TOPIC_DEPARTMENT_REPLIES, TOPIC_WAREHOUSE_REPLIES};
    enum topic topic = topics[sim_below(&f->random, 3)];
    Orderclerk__V1__WarehouseReply reply = ORDERCLERK__V1__WAREHOUSE_REPLY__INIT;
    Orderclerk__V1__OrderRequest request = ORDERCLERK__V1__ORDER_REQUEST__INIT;
    Orderclerk__V1__DepartmentReply department = ORDERCLERK__V1__DEPARTMENT_REPLY__INIT;
    Orderclerk__V1__CreditOk ok = ORDERCLERK__V1__CREDIT_OK__INIT;
    const ProtobufCMessage *message = topic == TOPIC_ORDERS               ? &request.base
                                      : topic == TOPIC_DEPARTMENT_REPLIES ? &department.base
                                                                          : &reply.base;
    struct bytes key = some_key(f);
    if (sim_chance(&f->random, 30)) {
        key = bytes_str("01900000-0000-7000-8000-00000000beef");
        department.body_case = ORDERCLERK__V1__DEPARTMENT_REPLY__BODY_CREDIT_OK;
        department.credit_ok = &ok;
    }
    reply.shipment_id = (char *)"01900000-0000-7000-8000-00000000cafe";
    reply.kind = (char *)"accepted";
    const char *writers = topic_info(topic)->writers;
    const struct head head = {.event_id = bytes_str(arena_printf(sim->arena, "fault-%u", f->number)),
                              .key = key,
                              .source = sim_chance(&f->random, 20) ? bytes_str("somebody")
                                                                   : bytes_of(writers, strcspn(writers, " ")),
                              .occurred_at = sim->now};
    sim_bus_append(topic, arena_bytes(sim->arena, key), head_write(sim->arena, &head, message), NULL);
}

static void copy_old(struct sim_fault *f)
{
    int64_t high = sim_bus_high(f->topic, f->partition);
    if (high == 0)
        return;
    sim_bus_again(f->topic, f->partition, sim_below(&f->random, (uint32_t)high));
}

// ---- lost records

static void end_later(void *self)
{
    sim_fault_end(self);
}

static void note_readers(struct sim_fault *f)
{
    for (size_t i = 0; i < SIM_PROCESSES_MAX; i++) {
        const struct sim_process *p = sim->processes[i];
        f->lanes[i] = NULL;
        if (p == NULL || !p->alive || p->lane->phase != LANE_RUNNING || !p->lane->slots[f->partition].owned)
            continue;
        f->lanes[i] = p->lane;
        f->epochs[i] = p->lane->slots[f->partition].epoch;
        f->read_to[i] = p->lane->slots[f->partition].read_to[f->topic];
    }
}

// Who has never had the slot begins at what the topic holds then: nothing was lost on the way to it.
static bool claimed_by_all(enum topic topic, int32_t partition)
{
    for (enum sim_service_id s = 0; s < SIM_SERVICES; s++) {
        bool reads = topic == TOPIC_CONTROL;
        for (size_t i = 0; i < sim->services[s].lane->input_count; i++)
            reads = reads || sim->services[s].lane->inputs[i] == topic;
        if (reads && !store_mem_started(sim->services[s].db, partition, topic))
            return false;
    }
    return true;
}

static void truncate(struct sim_fault *f)
{
    int64_t high = sim_bus_high(f->topic, f->partition);
    if (high < 2 || topic_info(f->topic)->compacted || !claimed_by_all(f->topic, f->partition))
        return;
    note_readers(f);
    int64_t cut_at = high - (int64_t)sim_below(&f->random, high < 4 ? 1 : 3);
    sim_trace("%s/%d loses what is before %lld", topic_info(f->topic)->name, f->partition, (long long)cut_at);
    sim_bus_truncate(f->topic, f->partition, cut_at);
    f->on = true;
    sim_after(f->us + 2 * INSTANT_SECOND, end_later, f);
}

static void cut_tail(struct sim_fault *f)
{
    int64_t high = sim_bus_high(f->topic, f->partition);
    if (high < 3 || topic_info(f->topic)->compacted)
        return;
    int64_t shown = high - 1 - (int64_t)sim_below(&f->random, 3);
    sim_trace("%s/%d ends at %lld now", topic_info(f->topic)->name, f->partition,
              (long long)(shown > 0 ? shown : 0));
    sim_bus_cut_tail(f->topic, f->partition, shown > 0 ? shown : 0);
    f->on = true;
    sim_after(f->us + 2 * INSTANT_SECOND, end_later, f);
}

// A slot that has lost records must not have read on.
static void restore(struct sim_fault *f)
{
    for (size_t i = 0; f->kind == SIM_TRUNCATE_HEAD && i < SIM_PROCESSES_MAX; i++) {
        const struct sim_process *p = sim->processes[i];
        if (f->lanes[i] == NULL || p == NULL || !p->alive || p->lane != f->lanes[i])
            continue;
        const struct slot *slot = &p->lane->slots[f->partition];
        int64_t low = sim_bus_low(f->topic, f->partition);
        if (!slot->owned || p->lane->phase != LANE_RUNNING || f->read_to[i] < 0 || f->read_to[i] >= low)
            continue;
        if (slot->epoch != f->epochs[i]) // claimed again since, where another process has read on meanwhile
            continue;
        SIM_CHECK(TRUNCATION_STOPS, slot->read_to[f->topic] <= low || slot->stopped,
                  "%s-%d has read on to %lld though records from %lld are lost", sim_service_name(p->service),
                  p->number, (long long)slot->read_to[f->topic], (long long)f->read_to[i]);
    }
    sim_bus_restore(f->topic, f->partition);
    sim_restart_stopped();
}

void sim_restart_stopped(void)
{
    for (size_t i = 0; i < sim->process_count; i++) {
        struct sim_process *p = sim->processes[i];
        bool stopped = false;
        for (int32_t s = 0; p != NULL && p->alive && s < SIM_PARTITIONS; s++)
            stopped = stopped || (p->lane->slots[s].owned && p->lane->slots[s].stopped);
        if (!stopped)
            continue;
        SIM_CHECK(TRUNCATION_STOPS, !lane_ready(p->lane),
                  "%s-%d has stopped a slot and says that it is ready", sim_service_name(p->service),
                  p->number);
        enum sim_service_id service = p->service;
        sim_process_kill(p);
        sim_start_after(service, INSTANT_SECOND);
    }
}

void sim_fault_end(struct sim_fault *f)
{
    if (!f->on)
        return;
    f->on = false;
    if (f->kind == SIM_TRUNCATE_HEAD || f->kind == SIM_CUT_TAIL)
        restore(f);
}

static void leave_again(void *self)
{
    struct sim_process *p = self;
    if (p->alive)
        sim_process_leave(p);
}

// ---- when its time has come

static void strike_process(struct sim_fault *f, struct sim_process *p)
{
    switch ((int)f->kind) {
    case SIM_KILL:
        sim_process_kill(p);
        sim_start_after(f->service, f->us);
        break;
    case SIM_CLIENT_FAILS:
        sim_bus_fail(p->bus);
        break;
    case SIM_SLOW_PRODUCER:
        sim_bus_slow(p->bus, sim->now + f->us);
        break;
    case SIM_REDELIVER:
        sim_bus_redeliver(p->bus, &f->random);
        break;
    case SIM_CLOCK:
        p->clock_skew += sim_chance(&f->random, 50) ? INSTANT_HOUR : -INSTANT_HOUR;
        break;
    case SIM_LEAVE:
        sim_process_leave(p);
        sim_start_after(f->service, f->us);
        break;
    default:
        break;
    }
}

void sim_fault_strike(void *self)
{
    struct sim_fault *f = self;
    if (sim->healed)
        return;
    sim_trace("fault %u: %s", f->number, sim_fault_name(f->kind));
    struct sim_process *p = sim_some_process(&f->random, f->service);
    switch (f->kind) {
    case SIM_CRASH_POINT:
    case SIM_CRASH_CALL:
    case SIM_STOP:
    case SIM_STORE:
    case SIM_DOOR:
    case SIM_EFFECT_CRASH:
        f->on = true; // counted where it strikes
        return;
    case SIM_DB_DOWN:
        f->on = true;
        sim_after(f->us, end_later, f);
        break;
    case SIM_DELAY_TOPIC:
        sim_bus_delay(f->topic, sim->now + f->us);
        break;
    case SIM_BLIND:
        sim_bus_blind(sim->now + f->us * 10);
        break;
    case SIM_COPY:
        copy_old(f);
        break;
    case SIM_TRUNCATE_HEAD:
        truncate(f);
        break;
    case SIM_CUT_TAIL:
        cut_tail(f);
        break;
    case SIM_GARBAGE:
        send_garbage(f);
        break;
    case SIM_POISON:
        send_poison(f);
        break;
    case SIM_JOIN:
        sim_after(f->us, leave_again, sim_process_start(f->service));
        break;
    case SIM_KILL:
    case SIM_CLIENT_FAILS:
    case SIM_SLOW_PRODUCER:
    case SIM_REDELIVER:
    case SIM_CLOCK:
    case SIM_LEAVE:
        if (p == NULL || p->stopped_until > sim->now)
            return;
        strike_process(f, p);
        break;
    case SIM_FAULT_KINDS:
        break;
    }
    f->struck = true;
    sim_cover_fault(f->kind);
}

void sim_faults_end(uint32_t number)
{
    sim_fault_end(&sim->faults->faults[number]);
}
