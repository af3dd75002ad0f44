// Producers of the simulated bus: records arrive in order, late, or not at all when their process dies first.
#include "sim/sim_bus_internal.h"

#include <assert.h>
#include <stdlib.h>

#define QUEUE_MAX 64 // records that a producer takes before it says that its queue is full

struct sim_producer *sim_producer_new(struct sim_process *process, struct sim_thread *wakes)
{
    struct sim_producer *p = calloc(1, sizeof *p);
    assert(p != NULL);
    p->process = process;
    p->wakes = wakes;
    p->next = sim->bus->producers;
    sim->bus->producers = p;
    return p;
}

static void add_report(struct sim_producer *p, uint64_t tag)
{
    if (p->process == NULL)
        return;
    if (p->report_first + p->report_count == p->report_capacity) {
        p->report_capacity = p->report_capacity == 0 ? 64 : p->report_capacity * 2;
        p->reports = realloc(p->reports, p->report_capacity * sizeof *p->reports);
        assert(p->reports != NULL);
    }
    p->reports[p->report_first + p->report_count++] = tag;
    if (p->wakes != NULL)
        sim_wake(p->wakes);
}

bool sim_producer_report(struct sim_producer *p, uint64_t *ret_tag)
{
    if (p->report_count == 0)
        return false;
    *ret_tag = p->reports[p->report_first++];
    if (--p->report_count == 0)
        p->report_first = 0;
    return true;
}

static void note_arrival(instant at)
{
    if (sim->bus->next_arrival == INSTANT_NONE || at < sim->bus->next_arrival)
        sim->bus->next_arrival = at;
}

// Most records arrive at once, some a little later, few much later.
static int64_t lag(struct sim_producer *p)
{
    uint32_t dice = sim_below(&sim->schedule, 100);
    if (sim->now < p->slow_until)
        return (int64_t)sim_below(&sim->schedule, 4000) * INSTANT_MS;
    if (dice < 80 || sim->healed)
        return 0;
    return (int64_t)sim_below(&sim->schedule, dice < 98 ? 3000 : 60000);
}

void sim_producer_send(struct sim_producer *p, const struct bus_out *out)
{
    instant at = sim->now + lag(p);
    if (p->count == 0 && at == sim->now) {
        sim_bus_append(out->topic, arena_bytes(sim->arena, out->key), arena_bytes(sim->arena, out->value),
                       p->process);
        add_report(p, out->tag);
        return;
    }
    if (p->first + p->count == p->capacity) {
        p->capacity = p->capacity == 0 ? 64 : p->capacity * 2;
        p->queue = realloc(p->queue, p->capacity * sizeof *p->queue);
        assert(p->queue != NULL);
    }
    if (p->count > 0 && at < p->queue[p->first + p->count - 1].at)
        at = p->queue[p->first + p->count - 1].at;
    p->queue[p->first + p->count++] = (struct sim_out){.topic = out->topic,
                                                       .key = arena_bytes(sim->arena, out->key),
                                                       .value = arena_bytes(sim->arena, out->value),
                                                       .tag = out->tag,
                                                       .at = at};
    note_arrival(at);
}

bool sim_producer_full(const struct sim_producer *p)
{
    return p->count >= QUEUE_MAX;
}

// What a stopped process has under way stays where it is: it comes when the process goes on, behind its successor's records.
static bool stands_still(const struct sim_producer *p)
{
    return p->process != NULL && p->process->stopped_until > sim->now;
}

static void arrive(struct sim_producer *p)
{
    while (!stands_still(p) && p->count > 0 && p->queue[p->first].at <= sim->now) {
        struct sim_out *out = &p->queue[p->first];
        p->first++;
        p->count--;
        sim_bus_append(out->topic, out->key, out->value, p->process);
        add_report(p, out->tag);
    }
    if (p->count == 0)
        p->first = 0;
    else if (stands_still(p))
        note_arrival(p->process->stopped_until);
    else
        note_arrival(p->queue[p->first].at);
}

static void bury(struct sim_producer *p)
{
    free(p->queue);
    free(p->reports);
    free(p);
}

void sim_bus_flush(void)
{
    struct sim_bus *bus = sim->bus;
    if (bus->next_arrival == INSTANT_NONE || bus->next_arrival > sim->now)
        return;
    bus->next_arrival = INSTANT_NONE;
    for (struct sim_producer **link = &bus->producers; *link != NULL;) {
        struct sim_producer *p = *link;
        arrive(p);
        if (p->process == NULL && p->count == 0) {
            *link = p->next;
            bury(p);
        } else {
            link = &p->next;
        }
    }
}

instant sim_bus_next(void)
{
    return sim->bus->next_arrival;
}

// Some of what is under way has reached the broker and is only not known to; the rest is lost.
static void lose(struct sim_producer *p)
{
    if (p->count > 0)
        p->count = sim_below(&sim->schedule, (uint32_t)p->count + 1);
    p->report_count = p->report_first = 0;
}

// A client that is beyond repair is made anew: what it had under way may still arrive, behind the new one's back.
void sim_producer_reopen(struct sim_producer *p)
{
    p->failed = false;
    lose(p);
    if (p->count == 0)
        return;
    struct sim_producer *ghost = sim_producer_new(NULL, NULL);
    struct sim_out *queue = ghost->queue;
    ghost->queue = p->queue;
    ghost->first = p->first;
    ghost->count = p->count;
    ghost->capacity = p->capacity;
    p->queue = queue;
    p->first = p->count = p->capacity = 0;
    note_arrival(ghost->queue[ghost->first].at);
}

void sim_producer_end(struct sim_producer *p)
{
    lose(p);
    p->process = NULL;
    p->wakes = NULL;
    if (p->count > 0)
        note_arrival(p->queue[p->first].at);
    else
        note_arrival(sim->now); // buried by the next flush
}

bool sim_producer_failed(const struct sim_producer *p)
{
    return p->failed;
}

void sim_producers_free(struct sim_bus *bus)
{
    while (bus->producers != NULL) {
        struct sim_producer *p = bus->producers;
        bus->producers = p->next;
        bury(p);
    }
}
