// The lane's life: joining, claiming, running, dropping, draining.
#include "lane/lane.h"

#include "lane/internal.h"
#include "log/log.h"
#include "metrics/metrics.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BACKOFF_FIRST_US 20000
#define BACKOFF_MAX_US   1000000
#define PUMP_WAIT_US     1000    // while records wait for room in the producer's queue
#define CLOCK_APART_US   1000000 // as far as two clocks may come apart
#define CLOCK_RETRY_US   1000000

#define COUNTER(what, text)                                                                                  \
    {                                                                                                        \
        .type = METRIC_COUNTER, .name = "orderclerk_lane_" what "_total", .help = text                       \
    }
struct metric lane_metric_batches = COUNTER("batches", "Committed batches.");
struct metric lane_metric_round_trips = COUNTER("round_trips", "Times that a batch waited for the database.");
struct metric lane_metric_inputs = COUNTER("inputs", "Records read.");
struct metric lane_metric_applied = COUNTER("applied", "Inputs applied.");
struct metric lane_metric_duplicates =
    COUNTER("duplicates", "Inputs known already, or not meant for this service.");
struct metric lane_metric_held = COUNTER("held", "Inputs put aside because their key is held.");
struct metric lane_metric_dead_letters = COUNTER("dead_letters", "Dead letters written.");
struct metric lane_metric_dropped = COUNTER(
    "dropped", "Inputs without effect: tombstones, another owner's, results of effects that are gone.");
struct metric lane_metric_again = COUNTER("again", "Records sent once more.");
struct metric lane_metric_records = COUNTER("records", "Records handed to the producer.");
struct metric lane_metric_retries = COUNTER("retries", "Batches that had to be tried again.");
struct metric lane_metric_fenced = COUNTER("fenced", "Slots found to have another owner.");
struct metric lane_metric_bisects =
    COUNTER("bisects", "Batches divided because the database refused a part.");
struct metric lane_metric_claims = COUNTER("claims", "Times that slots were claimed.");
struct metric lane_metric_deadlines = COUNTER("deadlines", "Deadlines fired.");
struct metric lane_metric_effects = COUNTER("effects", "Results of effects applied.");
struct metric lane_metric_batch_size = {
    .type = METRIC_HISTOGRAM, .name = "orderclerk_lane_batch_size", .help = "Inputs per batch."};
struct metric lane_metric_batch_us = {.type = METRIC_HISTOGRAM,
                                      .name = "orderclerk_lane_batch_microseconds",
                                      .help = "From gathering to commit."};
struct metric lane_metric_slots = {
    .type = METRIC_GAUGE, .name = "orderclerk_lane_slots", .help = "Slots owned."};

static void register_metrics(void)
{
    static bool done;
    static struct metric *all[] = {
        &lane_metric_batches,    &lane_metric_round_trips, &lane_metric_inputs,       &lane_metric_applied,
        &lane_metric_duplicates, &lane_metric_held,        &lane_metric_dead_letters, &lane_metric_dropped,
        &lane_metric_again,      &lane_metric_records,     &lane_metric_retries,      &lane_metric_fenced,
        &lane_metric_bisects,    &lane_metric_claims,      &lane_metric_deadlines,    &lane_metric_effects,
        &lane_metric_batch_size, &lane_metric_batch_us,    &lane_metric_slots};
    for (size_t i = 0; !done && i < sizeof all / sizeof all[0]; i++)
        metrics_register(all[i]);
    done = true;
}

int64_t lane_mono(const struct lane *lane)
{
    return lane->ports.clock->monotonic_us(lane->ports.clock->self);
}

static int64_t wall_offset(const struct lane *lane)
{
    return lane->ports.clock->now(lane->ports.clock->self) - lane_mono(lane);
}

void lane_learn_db_now(struct lane *lane, instant now)
{
    lane->db_offset_us = now - lane_mono(lane);
    lane->wall_offset_us = wall_offset(lane);
}

instant lane_db_now(const struct lane *lane)
{
    return lane_mono(lane) + lane->db_offset_us;
}

void lane_set_ready(struct lane *lane, bool ready, const char *reason)
{
    snprintf(lane->reason, sizeof lane->reason, "%s", reason);
    for (int32_t p = 0; ready && p < SLOT_MAX; p++)
        ready = !(lane->slots[p].owned && lane->slots[p].stopped);
    atomic_store(&lane->ready, ready);
}

bool lane_ready(const struct lane *lane)
{
    return atomic_load(&((struct lane *)(uintptr_t)lane)->ready);
}
const char *lane_not_ready_reason(const struct lane *lane)
{
    return lane_ready(lane) ? "" : lane->reason;
}

struct lane *lane_new(const struct lane_service *service, const struct lane_ports *ports,
                      const struct lane_settings *settings)
{
    struct lane *lane = calloc(1, sizeof *lane);
    assert(lane != NULL);
    register_metrics();
    lane->service = service;
    lane->ports = *ports;
    lane->settings = *settings;
    for (size_t i = 0; i < service->input_count; i++)
        lane->inputs[lane->input_count++] = service->inputs[i];
    lane->inputs[lane->input_count++] = TOPIC_CONTROL;
    // Lock order: what is known of a key, the service's rows in its own order, then what is only inserted.
    static const struct table *const first[] = {&key_state_table, &seen_table, &held_table, &effect_table};
    for (size_t i = 0; i < sizeof first / sizeof first[0]; i++)
        lane->tables[lane->table_count++] = first[i];
    for (size_t i = 0; i < service->table_count; i++)
        lane->tables[lane->table_count++] = service->tables[i];
    lane->tables[lane->table_count++] = &outbox_table;
    lane->stash.arena = arena_new(1 << 20);
    lane->batch_arena = arena_new(1 << 20);
    lane->pending_arena = arena_new(1 << 18);
    lane_set_ready(lane, false, "not a member of the Kafka group yet");
    return lane;
}

struct slot_fence lane_fence(const struct lane *lane, int32_t p)
{
    const struct slot *slot = &lane->slots[p];
    return (struct slot_fence){
        .slot = p, .epoch = slot->epoch, .batch_no = slot->batch_no, .published_no = slot->published_no};
}

void lane_submit_effect(struct lane *lane, const struct effect_row *row)
{
    const struct effect_call call = {.id = row->id,
                                     .slot = row->slot,
                                     .attempt = row->attempt + 1,
                                     .target = row->target,
                                     .due_us = row->due - lane->db_offset_us,
                                     .request = row->request};
    lane->ports.caller->submit(lane->ports.caller->self, &call);
}

void lane_drop(struct lane *lane, const char *why)
{
    if (lane->phase == LANE_RUNNING)
        LOG(LOG_INFO, "everything in memory is dropped", log_s("why", why));
    lane->generation++;
    for (int32_t p = 0; p < SLOT_MAX; p++) {
        lane->slots[p].owned = lane->slots[p].stopped = false;
        lane->slots[p].inflight_first = lane->slots[p].inflight_count = 0;
        lane->slots[p].next_due = INSTANT_NONE;
    }
    lane->stash.head = lane->stash.count = lane->stash.bytes = 0;
    arena_reset(lane->stash.arena);
    lane->pending_first = lane->pending_count = 0;
    arena_reset(lane->pending_arena);
    for (size_t i = 0; i < lane->result_count; i++)
        effect_result_free(&lane->results[i]);
    lane->result_count = 0;
    lane->ports.caller->forget(lane->ports.caller->self);
    lane->due_known = false;
    lane->lost_at = 0;
    lane->tries = 0;
    lane->retry_at = 0;
    if (lane->phase == LANE_RUNNING && lane->assigned_count > 0) {
        struct err e = lane->ports.bus->assign(lane->ports.bus->self, NULL, 0, NULL, 0, NULL);
        if (err_is(&e))
            LOG(LOG_WARN, "reading could not be stopped", log_s("error", e.text));
    }
    lane->phase = lane->assigned_count > 0 ? LANE_CLAIMING : LANE_JOINING;
    metric_set(&lane_metric_slots, 0);
    lane_set_ready(lane, false, why);
}

void lane_backoff(struct lane *lane, const char *what, const struct err *e)
{
    lane->failures++;
    int64_t wait = BACKOFF_FIRST_US;
    for (uint32_t i = 1; i < lane->failures && wait < BACKOFF_MAX_US; i++)
        wait *= 2;
    if (wait > BACKOFF_MAX_US)
        wait = BACKOFF_MAX_US;
    // Jitter by the clock's low bits: lanes that failed together don't come back together.
    int64_t now = lane_mono(lane);
    lane->claim_at = now + wait / 2 + now % (wait / 2 + 1);
    LOG(LOG_WARN, "failed, will be tried again", log_s("what", what),
        log_s("class", err_class_name(e->class)), log_s("error", e->text), log_i("failures", lane->failures));
}

// A lane that lost a slot but is still a member one session timeout later claims again.
static void follow_lost(struct lane *lane)
{
    if (lane->lost_at == 0 || lane_mono(lane) < lane->lost_at + lane->settings.session_timeout_us)
        return;
    lane_release(lane);
    lane_drop(lane, "a slot was lost to another owner");
    lane->claim_at = 0;
}

void lane_note_positions(struct lane *lane)
{
    struct store_position positions[TOPIC_MAX];
    for (int32_t p = 0; p < SLOT_MAX; p++) {
        struct slot *slot = &lane->slots[p];
        if (!slot->owned || !slot->unnoted)
            continue;
        size_t count = 0;
        for (size_t t = 0; t < lane->input_count; t++) {
            const enum topic topic = lane->inputs[t];
            if (slot->position[topic] >= 0)
                positions[count++] =
                    (struct store_position){.slot = p, .topic = topic, .next_offset = slot->position[topic]};
        }
        lane->ports.bus->note_positions(lane->ports.bus->self, positions, count);
        slot->unnoted = false;
    }
    lane->noted_at = lane_mono(lane);
}

static void mark_when_idle(struct lane *lane)
{
    int64_t now = lane_mono(lane);
    bool idle = now - lane->last_batch_at >= lane->settings.idle_mark_us;
    if (now - lane->noted_at >= (idle ? lane->settings.idle_mark_us : INSTANT_SECOND))
        lane_note_positions(lane);
    if (now - lane->marked_at < (idle ? lane->settings.idle_mark_us : INSTANT_SECOND))
        return;
    lane->marked_at = now;
    publish_mark(lane);
}

static int64_t wait_of(const struct lane *lane, int64_t max_wait_us)
{
    int64_t wait = max_wait_us;
    if (lane->pending_first < lane->pending_count)
        wait = PUMP_WAIT_US;
    int64_t now = lane_mono(lane);
    if (lane->phase == LANE_CLAIMING)
        wait = lane->claim_at > now ? lane->claim_at - now : 0;
    if (lane->phase == LANE_PUBLISHING && publish_idle(lane))
        wait = 0; // nothing was left to publish: no report will come
    if (lane->phase == LANE_RUNNING && lane->retry_at > now)
        wait = lane->retry_at - now;
    // Something is still to be stored for idle slots: come back for it.
    if (lane->phase == LANE_RUNNING && wait > lane->settings.idle_mark_us) {
        for (int32_t p = 0; p < SLOT_MAX; p++) {
            const struct slot *slot = &lane->slots[p];
            if (slot->owned &&
                (slot->unnoted || slot->published_no != slot->marked_no || slot->inflight_count > 0))
                return lane->settings.idle_mark_us;
        }
    }
    return wait < max_wait_us ? wait : max_wait_us;
}

// The wall clock and the monotonic one come apart when the wall clock is set, when the machine has slept, and slowly
// by themselves: the database is asked how late it is.
static void follow_clock(struct lane *lane)
{
    if (llabs(wall_offset(lane) - lane->wall_offset_us) < CLOCK_APART_US ||
        lane_mono(lane) < lane->clock_retry_at)
        return;
    struct store_port *store = lane->ports.store;
    instant now;
    arena_reset(lane->batch_arena);
    struct err e = store->begin(store->self, NULL, 0, NULL, 0, lane->batch_arena, &now);
    store->rollback(store->self);
    if (e.class == ERR_FENCED)
        lane_drop(lane, e.text);
    if (err_is(&e))
        lane->clock_retry_at =
            lane_mono(lane) + CLOCK_APART_US; // a batch that is committed before tells as well
    else
        lane_learn_db_now(lane, now);
}

void lane_step(struct lane *lane, int64_t max_wait_us)
{
    bool work = gather_events(lane, wait_of(lane, max_wait_us));
    switch (lane->phase) {
    case LANE_JOINING:
        return;
    case LANE_CLAIMING:
        lane_claim(lane);
        return;
    case LANE_PUBLISHING:
        lane_claim_published(lane);
        return;
    case LANE_RUNNING:
        break;
    }
    follow_lost(lane);
    if (lane->phase == LANE_RUNNING)
        follow_clock(lane);
    if (lane->phase != LANE_RUNNING || !publish_pump(lane))
        return;
    if (work)
        gather_batch(lane);
    if (lane->phase != LANE_RUNNING)
        return;
    publish_pump(lane);
    mark_when_idle(lane);
}

void lane_trim(struct lane *lane)
{
    arena_reset(lane->batch_arena); // nothing of a batch outlives its step
    struct arena *const arenas[] = {lane->batch_arena, lane->stash.arena, lane->pending_arena};
    for (size_t i = 0; i < sizeof arenas / sizeof arenas[0]; i++) {
        if (arena_used(arenas[i]) == 0)
            arena_trim(arenas[i]);
    }
}

void lane_wake(struct lane *lane)
{
    lane->ports.bus->wake(lane->ports.bus->self);
}

void lane_drain(struct lane *lane, int64_t max_us)
{
    int64_t until = lane_mono(lane) + max_us;
    while (lane->phase == LANE_RUNNING && lane_mono(lane) < until) {
        bool handed = publish_pump(lane);
        if (handed && publish_idle(lane))
            break;
        struct bus_event event = {.kind = BUS_NOTHING};
        lane->ports.bus->poll(lane->ports.bus->self, 10000, &event);
        if (event.kind == BUS_REPORT)
            publish_report(lane, event.tag);
        if (event.kind == BUS_FAILED || event.kind == BUS_REVOKED)
            break;
    }
    lane_release(lane);
    lane->assigned_count = 0;
    lane_drop(lane, "ended");
}

void lane_free(struct lane *lane)
{
    if (lane == NULL)
        return;
    for (int32_t p = 0; p < SLOT_MAX; p++)
        free(lane->slots[p].inflight);
    for (size_t i = 0; i < lane->result_count; i++)
        effect_result_free(&lane->results[i]);
    free(lane->stash.items);
    free(lane->pending);
    arena_free(lane->stash.arena);
    arena_free(lane->batch_arena);
    arena_free(lane->pending_arena);
    free(lane);
}
