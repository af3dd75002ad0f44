// Restart-and-compare: what a process keeps in memory between two steps must be what a fresh claim would read from the store.
#include "sim/sim_check.h"

#include "lane/internal.h"

static void compare_effects(const struct sim_process *p, int32_t slot)
{
    const struct effect_row *row;
    for (size_t i = 0; (row = store_mem_row(sim->services[p->service].db, &effect_table, i)) != NULL; i++) {
        if (row->slot != slot || sim_caller_has(p->caller, row->id))
            continue;
        bool taken = false;
        for (size_t k = 0; k < p->lane->result_count; k++)
            taken = taken || uuid_equal(p->lane->results[k].id, row->id);
        SIM_CHECK(RESTART_EQUAL, taken, "%s-%d has forgotten an effect of slot %d",
                  sim_service_name(p->service), p->number, slot);
    }
}

static void compare_deadlines(const struct sim_process *p, int32_t slot)
{
    const struct slot *kept = &p->lane->slots[slot];
    const struct key_state_row *row;
    for (size_t i = 0; (row = store_mem_row(sim->services[p->service].db, &key_state_table, i)) != NULL;
         i++) {
        if (row->slot != slot || row->due == INSTANT_NONE)
            continue;
        // When the next one couldn't be asked for, it is within a second.
        SIM_CHECK(RESTART_EQUAL,
                  kept->next_due != INSTANT_NONE &&
                      (kept->next_due <= row->due || kept->next_due <= sim->now + INSTANT_SECOND),
                  "%s-%d would miss a deadline of slot %d", sim_service_name(p->service), p->number, slot);
    }
}

// False: the slot has another owner, or this process doesn't know yet what it had.
static bool compare_slot(const struct sim_process *p, int32_t slot, struct arena *arena)
{
    const struct slot *kept = &p->lane->slots[slot];
    struct slot_claim now;
    if (!store_mem_slot(sim->services[p->service].db, slot, arena, &now) || now.epoch != kept->epoch)
        return false;
    SIM_CHECK(RESTART_EQUAL, now.batch_no == kept->batch_no,
              "%s-%d: slot %d is at batch %lld, in memory %lld", sim_service_name(p->service), p->number,
              slot, (long long)now.batch_no, (long long)kept->batch_no);
    SIM_CHECK(RESTART_EQUAL, kept->published_no >= now.published_no && kept->published_no <= kept->batch_no,
              "%s-%d: slot %d is published up to %lld, in memory %lld", sim_service_name(p->service),
              p->number, slot, (long long)now.published_no, (long long)kept->published_no);
    SIM_CHECK(RESTART_EQUAL, kept->batch_no - kept->published_no == (int64_t)kept->inflight_count,
              "%s-%d: slot %d has %zu batches under way, %lld aren't published", sim_service_name(p->service),
              p->number, slot, kept->inflight_count, (long long)(kept->batch_no - kept->published_no));
    for (size_t i = 0; i < now.position_count; i++) {
        const struct store_position *n = &now.positions[i];
        SIM_CHECK(RESTART_EQUAL,
                  kept->position[n->topic] == n->next_offset && kept->read_to[n->topic] >= n->next_offset,
                  "%s-%d: slot %d stands at %s %lld, in memory %lld", sim_service_name(p->service), p->number,
                  slot, topic_info(n->topic)->name, (long long)n->next_offset,
                  (long long)kept->position[n->topic]);
    }
    return true;
}

void sim_check_step(struct sim_process *p)
{
    struct lane *lane = p->lane;
    if (lane->phase != LANE_RUNNING || lane->retry_at > sim->now)
        return;
    bool committed = p->batches != p->compared;
    p->compared = p->batches;
    // Slots are compared after every commit; what takes a walk through a table, after some of them.
    if (!committed)
        return;
    bool whole = sim->restart_each || sim_below(&sim->schedule, 16) == 0;
    struct arena *arena = sim->check->scratch;
    arena_reset(arena);
    for (int32_t slot = 0; slot < SIM_PARTITIONS; slot++) {
        if (!lane->slots[slot].owned || !compare_slot(p, slot, arena) || !whole)
            continue;
        compare_effects(p, slot);
        compare_deadlines(p, slot);
    }
    if (sim->restart_each)
        sim_process_rebuild(p);
}
