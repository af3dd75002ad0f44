// One seed, from its first order to its end.
#include "sim/sim_share.h"

#include "base/hash.h"
#include "lane/internal.h"
#include "notifier/notifier.h"
#include "orchestrator/orchestrator.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define HEAL_AFTER_US (4 * INSTANT_DAY)
#define PUSH_US       (12 * INSTANT_HOUR)
#define END_US        (150 * INSTANT_DAY) // after healing: what hasn't settled then never will
#define STEPS_MAX     300000              // of one seed: fifteen times what one takes
#define IDLE_PUSHES   2
#define ARCHIVE_EACH  16 // one seed in so many goes on until its orders are archived
#define ARCHIVE_US    (95 * INSTANT_DAY)

// Some of the services' headers can't be included together.
extern const struct lane_service intake_lane, validator_lane, inventory_lane, fulfillment_lane, desk_lane;

const struct lane_service *sim_lane_of(enum sim_service_id service)
{
    static const struct lane_service *const lanes[SIM_SERVICES] = {
        &intake_lane,      &orchestrator_lane, &validator_lane, &inventory_lane,
        &fulfillment_lane, &notifier_lane,     &desk_lane};
    return lanes[service];
}

// ---- decide, with notes

static uint32_t body_of(const ProtobufCMessage *message)
{
    const ProtobufCMessageDescriptor *d = message->descriptor;
    for (unsigned i = 0; i < d->n_fields; i++) {
        if ((d->fields[i].flags & PROTOBUF_C_FIELD_FLAG_ONEOF) == 0)
            continue;
        uint32_t which;
        memcpy(&which, (const char *)message + d->fields[i].quantifier_offset, sizeof which);
        return which;
    }
    return 0;
}

static struct err decide(struct batch *batch, const struct input *in)
{
    struct sim_process *p = sim_current();
    assert(p != NULL);
    struct err e = sim->services[p->service].lane->decide(batch, in);
    bool rejected =
        e.class == ERR_REJECT && in->kind == INPUT_MESSAGE && topic_info(in->topic)->mode != TOPIC_VERSIONED;
    if (err_is(&e) && !rejected)
        return e;
    if (!rejected)
        sim_cover_branch(p->service, in->kind, in->kind == INPUT_MESSAGE ? in->topic : TOPIC_NONE,
                         in->kind == INPUT_MESSAGE ? body_of(in->message) : 0);
    struct sim_decided *d = arena_new_object(p->decided_arena, struct sim_decided);
    *d = (struct sim_decided){.next = p->decided,
                              .kind = in->kind,
                              .slot = in->slot,
                              .topic = in->topic,
                              .offset = in->offset,
                              .due = in->due,
                              .key = arena_bytes(p->decided_arena, in->key)};
    if (in->kind == INPUT_MESSAGE)
        d->event_id = arena_bytes(p->decided_arena, in->head.event_id);
    d->rejected = rejected;
    p->decided = d;
    return e;
}

// ---- setting up

static void open_services(void)
{
    for (enum sim_service_id s = 0; s < SIM_SERVICES; s++) {
        struct sim_service *service = &sim->services[s];
        service->lane = sim_lane_of(s);
        service->watched = *service->lane;
        service->watched.decide = decide;
        service->db = store_mem_db_new(service->lane->tables, service->lane->table_count, &sim->store_clock);
        struct store_mem_tap tap = sim_check_tap(s);
        store_mem_on_change(service->db, &tap);
        if (s == SIM_INTAKE || s == SIM_FULFILLMENT)
            service->door = sim_ingress_db_new();
    }
}

static instant store_now(void *self)
{
    (void)self;
    return sim->now;
}

static void choose_settings(void)
{
    struct sim_random r = sim_stream(sim->options.seed, 30, 0);
    static const int32_t batches[] = {1000, 1000, 7, 3};
    sim->settings = (struct lane_settings){.batch_max_inputs = batches[sim_below(&r, 4)],
                                           .batch_max_in_bytes = 1 << 20,
                                           .batch_max_out_bytes = sim_chance(&r, 10) ? 4000 : 4 << 20,
                                           .linger_max_us = sim_chance(&r, 30) ? 5000 : 0,
                                           .stash_max_bytes = 8 << 20,
                                           .session_timeout_us = 3 * INSTANT_SECOND,
                                           .gap_resend_us = 30 * INSTANT_SECOND,
                                           .unknown_hold_us = 60 * INSTANT_SECOND,
                                           .idle_mark_us = 100 * INSTANT_MS};
    sim->settings.linger_unhurried_us = sim->settings.linger_max_us * 10;
    sim->preempt = sim_chance(&r, 50) ? 0 : 20 + sim_below(&r, 100);
    sim->restart_each = sim_chance(&r, 3);
}

static void open(const struct sim_options *options)
{
    static bool prepared;
    if (!prepared) {
        struct err e = notifier_prepare();
        assert(!err_is(&e));
        orchestrator_context();
        prepared = true;
    }
    sim = calloc(1, sizeof *sim);
    assert(sim != NULL);
    sim->options = *options;
    sim->now = SIM_START;
    sim->arena = arena_new(1 << 20);
    sim->schedule = sim_stream(options->seed, 31, 0);
    sim->ids = sim_stream(options->seed, 32, 0);
    sim->heap = sim_heap_new();
    sim->store_clock = (struct clock_port){.now = store_now};
    choose_settings();
    sim->bus = sim_bus_new();
    sim_check_start();
    sim_outside_start();
    open_services();
    sim_plan_make();
    sim_faults_make();
    for (enum sim_service_id s = 0; s < SIM_SERVICES; s++) {
        sim_process_start(s);
        sim_process_start(s);
    }
    sim_reference_start();
    sim_plan_start();
    sim_faults_start();
}

// ---- the end

static void close_all(void)
{
    for (size_t i = 0; i < sim->process_count; i++) {
        struct sim_process *p = sim->processes[i];
        if (p != NULL && p->alive)
            sim_process_leave(p);
    }
    for (int i = 0; i < 20000; i++) {
        bool any = false;
        for (size_t k = 0; k < sim->process_count; k++)
            any = any || (sim->processes[k] != NULL && sim->processes[k]->alive);
        if (!any)
            break;
        sim_turn();
    }
    for (size_t i = 0; i < sim->process_count; i++) {
        struct sim_process *p = sim->processes[i];
        if (p == NULL)
            continue;
        if (p->alive)
            sim_process_kill(p);
        if (p->bus != NULL)
            sim_bus_leave(p->bus);
        p->bus = NULL;
    }
}

static void release(void)
{
    for (size_t i = 0; i < SIM_INVARIANTS; i++)
        sim_counts.checks[i] += sim->checked[i];
    for (enum sim_service_id s = 0; s < SIM_SERVICES; s++) {
        store_mem_db_free(sim->services[s].db);
        sim_ingress_db_free(sim->services[s].door);
    }
    sim_check_free();
    sim_outside_free();
    sim_map_free(&sim->department_seen);
    sim_bus_free(sim->bus);
    sim_heap_free(sim->heap);
    arena_free(sim->arena);
    free(sim);
    sim = NULL;
}

static void heal(void)
{
    sim_trace("faults are over");
    for (uint32_t i = 0; i < sim_faults_count(); i++)
        sim_faults_end(i);
    sim->healed = true;
    sim_reference_heal();
}

void sim_run(const struct sim_options *options)
{
    open(options);
    instant heal_at = SIM_START + HEAL_AFTER_US;
    while (sim->now < heal_at && sim_turn()) {
        if (sim->step > STEPS_MAX)
            sim_fail(HEALS, "%d steps, and faults aren't over", STEPS_MAX);
    }
    if (sim->now < heal_at)
        sim->now = heal_at;
    heal();
    instant until = sim->now + END_US;
    int settled = 0;
    while (settled < IDLE_PUSHES) {
        instant next_push = sim->now + PUSH_US;
        while (sim->now < next_push && sim_turn()) {
            if (sim->step > STEPS_MAX)
                sim_fail(HEALS, "%d steps, and no end", STEPS_MAX);
        }
        if (sim->now < next_push)
            sim->now = next_push;
        settled = sim_check_settled() ? settled + 1 : 0;
        if (sim->now > until)
            sim_check_why_not();
        sim_customer_push();
        sim_restart_stopped();
    }
    sim_check_end();
    if (options->seed % ARCHIVE_EACH == 0) { // retention passes
        instant archived = sim->now + ARCHIVE_US;
        while (sim->now < archived && sim_turn())
            ;
        sim_check_end();
        sim_customer_late();
        instant over = sim->now + INSTANT_HOUR;
        while (sim->now < over && sim_turn())
            ;
        sim_check_end();
    }
    sim_counts.steps += (uint64_t)sim->step;
    sim_counts.seeds++;
    for (uint32_t i = 0; i < sim->plan->count; i++)
        sim_counts.sagas += sim->plan->orders[i].accepted;
    close_all();
    release();
}
