// What goes into the next batch, and when: records, results of effects, deadlines whose time has come.
#include "base/fault.h"
#include "base/mutant.h"
#include "lane/internal.h"
#include "log/log.h"
#include "metrics/metrics.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RATE_WINDOW_US 200000 // over which the arrival rate is smoothed; a load is over after as long
#define LINGER_BATCHES 2      // of this many batches' time is the longest wait for company
#define DUE_RETRY_US   200000 // between attempts to get high watermarks
#define DUE_READ_US    20000  // between looks whether enough has been read
#define HALVINGS_MAX   10     // of a batch of 1000: one input is left
#define TRIES_MAX      5      // attempts of one batch before everything is dropped and claimed again

// ---- events

static void stop_slot(struct lane *lane, int32_t p, const char *why)
{
    lane->slots[p].stopped = true;
    lane_set_ready(lane, false, why);
    LOG(LOG_ERROR, "slot stopped", log_i("slot", p), log_s("why", why));
}

static void add_to_stash(struct lane *lane, const struct bus_record *record)
{
    struct stash *stash = &lane->stash;
    if (stash->count == stash->capacity) {
        size_t capacity = stash->capacity == 0 ? 1024 : stash->capacity * 2;
        stash->items = realloc(stash->items, capacity * sizeof *stash->items);
        assert(stash->items != NULL);
        stash->capacity = capacity;
    }
    stash->items[stash->count++] =
        (struct raw){.topic = record->topic,
                     .partition = record->partition,
                     .offset = record->offset,
                     .key = arena_bytes(stash->arena, record->key),
                     .value = arena_bytes(stash->arena, record->value),
                     .traceparent = arena_bytes(stash->arena, record->traceparent)};
    stash->bytes += record->key.size + record->value.size;
    metric_add(&lane_metric_inputs, 1);
}

static void take_record(struct lane *lane, const struct bus_record *record)
{
    if (record->partition < 0 || record->partition >= SLOT_MAX)
        return;
    struct slot *slot = &lane->slots[record->partition];
    if (lane->phase != LANE_RUNNING || !slot->owned || slot->stopped)
        return;
    int64_t *read_to = &slot->read_to[record->topic];
    if (*read_to >= 0 && record->offset < *read_to)
        return; // read before
    if (*read_to >= 0 && record->offset > *read_to && !topic_info(record->topic)->compacted) {
        char why[160];
        snprintf(why, sizeof why, "%s/%d: offset %lld comes after %lld: records are missing",
                 topic_info(record->topic)->name, record->partition, (long long)record->offset,
                 (long long)*read_to - 1);
        stop_slot(lane, record->partition, why);
        return;
    }
    if (lane->stash.bytes + record->value.size > (size_t)lane->settings.stash_max_bytes) {
        lane_drop(lane, "more records have come than fit while the database didn't answer");
        return;
    }
    *read_to = record->offset + 1;
    add_to_stash(lane, record);
}

static void take_assignment(struct lane *lane, const struct bus_event *event)
{
    if (lane->phase != LANE_JOINING) {
        lane_release(lane);
        lane_drop(lane, "a new assignment");
    }
    lane->member = true;
    lane->assigned_count = 0;
    for (size_t i = 0; i < event->slot_count; i++) {
        if (event->slots[i] >= 0 && event->slots[i] < SLOT_MAX)
            lane->assigned[lane->assigned_count++] = event->slots[i];
    }
    lane->phase = lane->assigned_count > 0 ? LANE_CLAIMING : LANE_JOINING;
    lane->claim_at = 0;
    lane->lost_at = 0;
    if (lane->assigned_count == 0)
        lane_set_ready(lane, true, "");
    metric_set(&lane_metric_slots, 0);
}

static void take_event(struct lane *lane, const struct bus_event *event)
{
    switch (event->kind) {
    case BUS_NOTHING:
        return;
    case BUS_RECORD:
        take_record(lane, &event->record);
        return;
    case BUS_ASSIGNED:
        take_assignment(lane, event);
        return;
    case BUS_REVOKED:
        lane_release(lane);
        lane->assigned_count = 0;
        lane_drop(lane, "the group is rebalanced");
        return;
    case BUS_REPORT:
        publish_report(lane, event->tag);
        return;
    case BUS_FAILED: {
        // The text goes with the client.
        LOG(LOG_ERROR, "the Kafka client is made anew", log_s("why", event->text));
        lane_drop(lane, event->text);
        struct err e = lane->ports.bus->reopen(lane->ports.bus->self);
        lane->assigned_count = 0;
        lane->phase = LANE_JOINING;
        lane->member = false;
        if (err_is(&e))
            LOG(LOG_ERROR, "the Kafka client can't be made anew", log_s("error", e.text));
        return;
    }
    case BUS_POSITION:
        if (event->record.partition >= 0 && event->record.partition < SLOT_MAX) {
            stop_slot(lane, event->record.partition, event->text);
        }
        return;
    }
}

static size_t stashed(const struct lane *lane)
{
    return lane->stash.count - lane->stash.head;
}

static bool stash_full(const struct lane *lane)
{
    return stashed(lane) >= (size_t)lane->settings.batch_max_inputs ||
           lane->stash.bytes >= (size_t)lane->settings.batch_max_in_bytes;
}

// ---- deadlines

static size_t due_slots(const struct lane *lane, instant now, int32_t *ret_slots)
{
    size_t count = 0;
    for (int32_t p = 0; p < SLOT_MAX; p++) {
        const struct slot *slot = &lane->slots[p];
        if (slot->owned && !slot->stopped && slot->next_due != INSTANT_NONE && slot->next_due <= now)
            ret_slots[count++] = p;
    }
    return count;
}

// Asks how far the topics of these slots reach now: deadlines due by now may fire when all of it has been read.
static void ask_watermarks(struct lane *lane, const int32_t *slots, size_t count, instant now)
{
    int64_t *high = calloc(count * lane->input_count, sizeof *high);
    assert(high != NULL);
    struct err e = lane->ports.bus->high_watermarks(lane->ports.bus->self, slots, count, high);
    lane->due_known = !err_is(&e);
    if (err_is(&e)) {
        lane->due_retry_at = lane_mono(lane) + DUE_RETRY_US;
        LOG(LOG_WARN, "deadlines wait: high watermarks can't be had", log_s("error", e.text));
    } else {
        lane->due_until = now;
        // Slots that weren't asked for have no target: they aren't to fire by this answer.
        for (int32_t p = 0; p < SLOT_MAX; p++) {
            for (size_t t = 0; t < TOPIC_MAX; t++)
                lane->slots[p].due_target[t] = INT64_MAX;
        }
        for (size_t i = 0; i < count; i++) {
            for (size_t t = 0; t < lane->input_count; t++) {
                lane->slots[slots[i]].due_target[lane->inputs[t]] = high[i * lane->input_count + t];
            }
        }
    }
    free(high);
}

static bool read_far_enough(const struct lane *lane, int32_t p)
{
    const struct slot *slot = &lane->slots[p];
    for (size_t t = 0; t < lane->input_count; t++) {
        enum topic topic = lane->inputs[t];
        if (slot->due_target[topic] == INT64_MAX)
            return false;
        if (slot->due_target[topic] == 0)
            continue; // an empty topic
        int64_t at = slot->due_reached[topic] < 0 ? slot->read_to[topic] : slot->due_reached[topic];
        if (at < slot->due_target[topic])
            return false;
    }
    return true;
}

// How far slots will have read with the first `taken` records of the stash.
static void note_reached(struct lane *lane, const int32_t *slots, size_t count, size_t taken)
{
    for (size_t i = 0; i < count; i++) {
        struct slot *slot = &lane->slots[slots[i]];
        memcpy(slot->due_reached, slot->position, sizeof slot->due_reached);
    }
    for (size_t i = 0; i < taken; i++) {
        const struct raw *raw = &lane->stash.items[lane->stash.head + i];
        lane->slots[raw->partition].due_reached[raw->topic] = raw->offset + 1;
    }
}

// Slots whose deadlines may fire by the last answer; *ret_waiting: some still have to read on before they may.
static size_t firing_by_answer(const struct lane *lane, const int32_t *due, size_t count, int32_t *ret_slots,
                               bool *ret_waiting)
{
    size_t firing = 0;
    *ret_waiting = false;
    for (size_t i = 0; lane->due_known && i < count; i++) {
        const struct slot *slot = &lane->slots[due[i]];
        if (slot->next_due > lane->due_until || slot->due_target[lane->inputs[0]] == INT64_MAX)
            continue;
        if (read_far_enough(lane, due[i])) {
            ret_slots[firing++] = due[i];
        } else {
            *ret_waiting = true;
        }
    }
    return firing;
}

static size_t firing_slots(struct lane *lane, size_t taken, int32_t *ret_slots)
{
    int32_t due[SLOT_MAX];
    instant now = lane_db_now(lane);
    size_t count = due_slots(lane, now, due);
    if (count == 0 || lane_mono(lane) < lane->due_retry_at)
        return 0;
    if (MUTANT(deadline_unread)) {
        lane->due_until = now;
        memcpy(ret_slots, due, count * sizeof due[0]);
        return count;
    }
    bool waiting;
    note_reached(lane, due, count, taken);
    size_t firing = firing_by_answer(lane, due, count, ret_slots, &waiting);
    // One answer is used up before the next is asked for: a target that moves on with every question is never reached.
    if (firing > 0 || waiting)
        return firing;
    ask_watermarks(lane, due, count, now);
    return firing_by_answer(lane, due, count, ret_slots, &waiting);
}

// ---- waiting

static void note_batch(struct lane *lane, size_t inputs)
{
    int64_t now = lane_mono(lane);
    int64_t passed = now - lane->last_batch_at;
    if (passed <= 0)
        passed = 1;
    double share = passed >= RATE_WINDOW_US ? 1.0 : (double)passed / RATE_WINDOW_US;
    double current = (double)inputs * 1e6 / (double)passed;
    lane->rate += share * (current - lane->rate);
    lane->last_batch_at = now;
}

// How long what has come may wait for company. What waiting costs and what it saves both go by the time that a batch takes, which
// is long where the machine is slow or busy: up to some batches' time when many inputs would come during one, next to nothing
// when single orders are under way. What was measured under load says nothing once there has been nothing to do.
static int64_t linger(struct lane *lane)
{
    if (lane->service->unhurried)
        return lane->settings.linger_unhurried_us;
    if (lane_mono(lane) - lane->last_batch_at > RATE_WINDOW_US)
        lane->batch_us = 0;
    double company = lane->rate * lane->batch_us / 1e6; // inputs that come during a batch
    double wait = LINGER_BATCHES * lane->batch_us * company / (company + 1);
    return wait < (double)lane->settings.linger_max_us ? (int64_t)wait : lane->settings.linger_max_us;
}

static int64_t until_due(const struct lane *lane, int64_t most)
{
    instant now = lane_db_now(lane);
    for (int32_t p = 0; p < SLOT_MAX; p++) {
        const struct slot *slot = &lane->slots[p];
        if (!slot->owned || slot->stopped || slot->next_due == INSTANT_NONE)
            continue;
        int64_t wait = slot->next_due - now;
        if (wait < 0)
            wait = 0;
        if (wait < lane->due_retry_at - lane_mono(lane))
            wait = lane->due_retry_at - lane_mono(lane);
        if (wait < most)
            most = wait;
    }
    return most;
}

static void take_results(struct lane *lane)
{
    struct caller_port *caller = lane->ports.caller;
    while (lane->result_count < RESULTS_MAX && caller->next(caller->self, &lane->results[lane->result_count]))
        lane->result_count++;
}

static bool something_to_do(struct lane *lane)
{
    int32_t slots[SLOT_MAX];
    take_results(lane);
    if (stashed(lane) > 0 || lane->result_count > 0)
        return true;
    return lane_mono(lane) >= lane->due_retry_at && due_slots(lane, lane_db_now(lane), slots) > 0;
}

// Whether what there is waits for company: from the first record that has come in this round, or, where nobody is in a hurry,
// from anything that there is to do.
static bool waits_for_company(struct lane *lane, bool came)
{
    if (lane->phase != LANE_RUNNING || lane->retry_at > lane_mono(lane))
        return false;
    if (!lane->service->unhurried)
        return came && stashed(lane) > 0;
    take_results(lane);
    return stashed(lane) > 0 || lane->result_count > 0;
}

bool gather_events(struct lane *lane, int64_t max_wait_us)
{
    struct bus_port *bus = lane->ports.bus;
    bool busy = lane->phase == LANE_RUNNING && lane->retry_at <= lane_mono(lane) && something_to_do(lane);
    int64_t wait = busy ? 0 : until_due(lane, max_wait_us);
    int64_t deadline = -1; // monotonic: when the batch is closed
    bool came = false;
    for (;;) {
        if (deadline < 0 && waits_for_company(lane, came))
            deadline = lane_mono(lane) + linger(lane);
        if (deadline >= 0)
            wait = deadline - lane_mono(lane);
        if (wait < 0 || stash_full(lane))
            wait = 0;
        struct bus_event event = {.kind = BUS_NOTHING};
        bus->poll(bus->self, wait, &event);
        take_event(lane, &event);
        if (lane->phase != LANE_RUNNING || stash_full(lane))
            break;
        if (event.kind == BUS_NOTHING) {
            bool open = deadline < 0 ? waits_for_company(lane, came) : lane_mono(lane) < deadline;
            if (!open)
                break;
        } else {
            came = true;
            wait = 0;
        }
    }
    return lane->phase == LANE_RUNNING && lane->retry_at <= lane_mono(lane) && something_to_do(lane);
}

// ---- the batch

static void consume(struct lane *lane, const struct done *done)
{
    struct stash *stash = &lane->stash;
    for (size_t i = 0; i < done->raws; i++) {
        stash->bytes -= stash->items[stash->head + i].key.size + stash->items[stash->head + i].value.size;
    }
    stash->head += done->raws;
    if (stash->head == stash->count) {
        stash->head = stash->count = stash->bytes = 0;
        arena_reset(stash->arena);
    }
    for (size_t i = 0; i < done->results; i++)
        effect_result_free(&lane->results[i]);
    lane->result_count -= done->results;
    memmove(lane->results, lane->results + done->results, lane->result_count * sizeof lane->results[0]);
}

static void failed(struct lane *lane, const struct err *e)
{
    metric_add(&lane_metric_retries, 1);
    lane->tries++;
    // What took too long or was too much as a whole would fail as a whole for ever.
    if (lane->halvings < HALVINGS_MAX)
        lane->halvings++;
    if (e->class == ERR_RETRY && lane->tries < TRIES_MAX) {
        lane_backoff(lane, "a batch", e);
        lane->retry_at = lane->claim_at;
        return;
    }
    lane_backoff(lane, "a batch", e);
    lane_drop(lane, e->text);
}

// Careful mode: the next input alone, after having written down that it is tried.
static bool careful_work(struct lane *lane, struct work *work, char *text, size_t text_size, char *forced,
                         size_t forced_size)
{
    int32_t p = work->raw_count > 0 ? work->raws[0].partition : work->due_slots[0];
    struct slot *slot = &lane->slots[p];
    if (work->raw_count > 0) {
        snprintf(text, text_size, "%s/%lld", topic_info(work->raws[0].topic)->name,
                 (long long)work->raws[0].offset);
        work->raw_count = 1;
        work->due_slot_count = 0;
    } else {
        snprintf(text, text_size, "deadline");
        work->due_slot_count = work->due_limit = 1;
    }
    work->result_count = 0;
    bool again = slot->suspect.data != NULL && bytes_is(slot->suspect, text);
    int32_t tries = again ? slot->suspect_tries + 1 : 1;
    if (tries > SUSPECT_TRIES) {
        snprintf(forced, forced_size, "%s ended the process %d times", text, tries);
        work->forced = forced;
        work->hold_refused = tries > 2 * SUSPECT_TRIES; // refusing it ended the process too
    }
    struct err e =
        lane->ports.store->mark_suspect(lane->ports.store->self, p, slot->epoch, bytes_str(text), tries);
    // Another owner, or no connection: the batch's fence finds out which. Who claimed again at once because of another owner
    // would take the slot from it before it has done anything.
    if (!err_is(&e) || e.class == ERR_FENCED) {
        slot->careful--;
        return true;
    }
    failed(lane, &e);
    return false;
}

static size_t uncareful_prefix(const struct lane *lane, const struct raw *raws, size_t count)
{
    size_t i = 0;
    while (i < count && lane->slots[raws[i].partition].careful <= 0)
        i++;
    return i;
}

static size_t halved(const struct lane *lane, size_t count)
{
    if (count == 0)
        return 0;
    size_t part = count >> lane->halvings;
    return part == 0 ? 1 : part;
}

void gather_batch(struct lane *lane)
{
    int32_t slots[SLOT_MAX];
    char text[64];
    char forced[128];
    size_t most = stashed(lane);
    struct work work = {.raws = most > 0 ? lane->stash.items + lane->stash.head : NULL,
                        .results = lane->results,
                        .result_count = lane->result_count};
    if (most > (size_t)lane->settings.batch_max_inputs)
        most = (size_t)lane->settings.batch_max_inputs;
    most = halved(lane, most);
    assert(most == 0 || work.raws != NULL);
    work.raw_count = uncareful_prefix(lane, work.raws, most);
    bool careful = work.raw_count == 0 && most > 0;
    if (careful)
        work.raw_count = 1;
    work.due_slots = slots;
    work.due_slot_count = careful ? 0 : firing_slots(lane, work.raw_count, slots);
    work.due_limit = work.due_slot_count > 0 ? halved(lane, DUE_MAX) : 0;
    work.due_until = lane->due_until;
    for (size_t i = 0; i < work.due_slot_count && !careful; i++)
        careful = lane->slots[slots[i]].careful > 0 && work.raw_count == 0;
    if (work.raw_count + work.result_count + work.due_slot_count == 0) {
        // Deadlines that wait for records which are on their way.
        if (lane->due_retry_at < lane_mono(lane) + DUE_READ_US)
            lane->due_retry_at = lane_mono(lane) + DUE_READ_US;
        return;
    }
    if (careful && !careful_work(lane, &work, text, sizeof text, forced, sizeof forced))
        return;
    struct done done = {0};
    struct err e = attempt_run(lane, &work, &done);
    // A pending RETRY may come after a part was committed (bisected batch): what is done is done.
    if (lane->phase == LANE_RUNNING)
        consume(lane, &done);
    if (err_is(&e)) {
        failed(lane, &e);
        return;
    }
    lane->tries = 0;
    lane->failures = 0;
    if (lane->halvings > 0)
        lane->halvings--;
    note_batch(lane, done.raws + done.results);
}
