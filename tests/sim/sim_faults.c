// Which faults a seed has, when, and for whom.
#include "sim/sim_faults.h"

#include <stdio.h>

#define FAULTS_MIN 4

static const struct {
    const char *name, *text;
} infos[SIM_FAULT_KINDS] = {
#define SIM_FAULT(NAME, words) [SIM_##NAME] = {#NAME, words},
#include "sim/sim_faults.def"
#undef SIM_FAULT
};

const char *sim_fault_name(enum sim_fault_kind kind)
{
    return infos[kind].name;
}

const char *sim_fault_text(enum sim_fault_kind kind)
{
    return infos[kind].text;
}

static enum topic some_topic(struct sim_random *r)
{
    static const enum topic topics[] = {TOPIC_ORDERS,
                                        TOPIC_COMMANDS_VALIDATOR,
                                        TOPIC_COMMANDS_INVENTORY,
                                        TOPIC_COMMANDS_FULFILLMENT,
                                        TOPIC_COMMANDS_NOTIFIER,
                                        TOPIC_VALIDATION_EVENTS,
                                        TOPIC_INVENTORY_EVENTS,
                                        TOPIC_SHIPMENT_EVENTS,
                                        TOPIC_WAREHOUSE_REPLIES,
                                        TOPIC_DEPARTMENT_REPLIES,
                                        TOPIC_STOCK_CHANGES,
                                        TOPIC_INVENTORY_INTERNAL,
                                        TOPIC_ORDER_EVENTS,
                                        TOPIC_CONTROL,
                                        TOPIC_NOTIFICATION_EVENTS};
    return topics[sim_below(r, sizeof topics / sizeof topics[0])];
}

static enum fault_point some_point(struct sim_random *r)
{
    return (enum fault_point)sim_below(r, FAULT_COUNT);
}

static void make_one(uint32_t number)
{
    struct sim_fault *f = &sim->faults->faults[number];
    *f = (struct sim_fault){.number = number, .random = sim_stream(sim->options.seed, 20, number)};
    struct sim_random *r = &f->random;
    f->kind = (enum sim_fault_kind)sim_below(r, SIM_FAULT_KINDS);
    uint32_t spread = sim_chance(r, 80) ? 25000 : 250000000;
    f->at = sim->now + (int64_t)sim_below(r, spread) * INSTANT_MS;
    f->service = (enum sim_service_id)sim_below(r, SIM_SERVICES);
    f->nth = 1 + sim_below(r, sim_chance(r, 50) ? 6 : 60);
    f->times = 1 + sim_below(r, 3);
    f->us = (int64_t)(200 + sim_below(r, sim_chance(r, 60) ? 3000 : 15000)) * INSTANT_MS;
    f->point = some_point(r);
    f->call = (enum store_mem_call)sim_below(r, STORE_MEM_NEXT_DUE + 1);
    if (sim_chance(r, 40))
        f->call = STORE_MEM_COMMIT;
    f->how = (enum store_mem_fault)(STORE_MEM_REFUSED + sim_below(r, 3));
    f->topic = some_topic(r);
    f->partition = (int32_t)sim_below(r, SIM_PARTITIONS);
    if (f->kind == SIM_DELAY_TOPIC && sim_chance(r, 15))
        f->us = 45 * INSTANT_SECOND + f->us; // answers wait longer than the deadlines that wait for them
    if (f->kind == SIM_DB_DOWN && sim_chance(r, 40))
        f->us *= 40; // longer than the saga waits for its services
    if (f->kind == SIM_EFFECT_CRASH)
        f->service = sim_chance(r, 50) ? SIM_FULFILLMENT : SIM_NOTIFIER;
    if (f->kind == SIM_DOOR)
        f->service = sim_chance(r, 60) ? SIM_INTAKE : SIM_FULFILLMENT;
    if (f->kind == SIM_CRASH_POINT && f->point >= FAULT_ingress_before_commit)
        f->service = sim_chance(r, 60) ? SIM_INTAKE : SIM_FULFILLMENT;
}

void sim_faults_make(void)
{
    sim->faults = arena_new_object(sim->arena, struct sim_faults);
    struct sim_random random = sim_stream(sim->options.seed, 21, 0);
    sim->faults->count = FAULTS_MIN + sim_below(&random, SIM_FAULTS_MAX - FAULTS_MIN + 1);
    for (uint32_t i = 0; i < sim->faults->count; i++)
        make_one(i);
}

void sim_faults_start(void)
{
    for (uint32_t i = 0; i < sim->faults->count; i++) {
        struct sim_fault *f = &sim->faults->faults[i];
        if ((sim->options.faults >> i & 1) != 0)
            sim_at(f->at, sim_fault_strike, f);
    }
}

uint32_t sim_faults_count(void)
{
    return sim->faults->count;
}

void sim_faults_print(void (*print)(const char *line))
{
    for (uint32_t i = 0; i < sim->faults->count; i++) {
        const struct sim_fault *f = &sim->faults->faults[i];
        if ((sim->options.faults >> i & 1) == 0)
            continue;
        char line[256];
        snprintf(line, sizeof line, "fault %u: %s (%s) from %.3f s, %s, %s, nth %u, %u times, %.1f s",
                 f->number, infos[f->kind].name, infos[f->kind].text, (double)(f->at - SIM_START) / 1e6,
                 sim_service_name(f->service),
                 f->kind == SIM_CRASH_POINT ? fault_name(f->point)
                 : f->kind == SIM_STORE     ? (f->how == STORE_MEM_REFUSED       ? "refused"
                                               : f->how == STORE_MEM_LOST_BEFORE ? "lost before"
                                                                                 : "lost after")
                                            : topic_info(f->topic)->name,
                 f->nth, f->times, (double)f->us / 1e6);
        print(line);
    }
}

bool sim_faults_injected(struct bytes event_id)
{
    return event_id.size > 6 && memcmp(event_id.data, "fault-", 6) == 0;
}
