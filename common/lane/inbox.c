// What happens to an input before and after the service decides it: duplicates, gaps, held keys, control, dead letters.
#include "base/mutant.h"
#include "lane/internal.h"
#include "lane/sequences.h"

#include "orderclerk/v1/control.pb-c.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char HELD_GAP[] = "GAP";
const char HELD_UNKNOWN[] = "UNKNOWN";
const char HELD_REJECTED[] = "REJECTED";
const char HELD_PAUSED[] = "PAUSED";

void inbox_undecodable(struct batch *batch, const struct raw *raw, const char *reason)
{
    const char *class = arena_str(batch->arena, bytes_of(reason, strcspn(reason, ":")));
    batch_dead_letter_of(batch, raw, raw->partition, "", class, reason, NULL, false, false);
}

// ---- key state

struct key_state_row *inbox_key_state(struct batch *batch, struct bytes key)
{
    struct key_state_row probe = {.key = key};
    return rows_find(batch->rows, &key_state_table, &probe);
}

struct key_state_row *inbox_key_state_put(struct batch *batch, struct bytes key, int32_t slot)
{
    struct key_state_row *ks = inbox_key_state(batch, key);
    if (ks != NULL)
        return ks;
    struct key_state_row row = {.key = key,
                                .slot = slot,
                                .read = bytes_str(""),
                                .written = bytes_str(""),
                                .recent = bytes_str(""),
                                .held_since = INSTANT_NONE,
                                .service_due = INSTANT_NONE,
                                .due = INSTANT_NONE};
    return rows_put(batch->rows, &key_state_table, &row);
}

// What a dead letter calls the record by: its own word for itself, which an operator's Discard finds it by.
static const char *record_id(struct batch *batch, const struct input *in)
{
    return arena_str(batch->arena, in->head.event_id);
}

// ---- holding

static void hold(struct batch *batch, const struct input *in, const char *reason, const char *detail)
{
    struct key_state_row *ks = inbox_key_state_put(batch, in->key, in->slot);
    rows_touch(batch->rows, ks);
    ks->held = bytes_str(reason);
    ks->held_detail = bytes_str(arena_str(batch->arena, bytes_str(detail)));
    ks->held_since = batch->now;
    ks->due = INSTANT_NONE;
    if (reason == HELD_GAP)
        ks->due = batch->now + batch->settings->gap_resend_us;
    if (reason == HELD_UNKNOWN)
        ks->due = batch->now + batch->settings->unknown_hold_us;
}

// What holds a key that is no record: a deadline or a result that was refused. Its dead letter's id is kept in held_detail,
// behind this word.
static const char DEADLINE[] = "deadline ";
static const char RESULT[] = "result ";

// Its dead letter, and the hold. The key is known already.
static void hold_refusal(struct batch *batch, const struct input *in, const char *reason, const char *why)
{
    struct raw raw = raw_of_input(in);
    raw.offset = in->kind == INPUT_DEADLINE ? in->due : in->result->attempt;
    struct key_state_row *ks = inbox_key_state_put(batch, in->key, in->slot);
    batch_dead_letter_of(batch, &raw, in->slot, batch->current_id_text, reason, why, NULL, true, false);
    hold(batch, in, HELD_REJECTED,
         arena_printf(batch->arena, "%s%s: %s", in->kind == INPUT_DEADLINE ? DEADLINE : RESULT,
                      batch->current_id_text, why));
    ks->held_next++; // its next dead letter is another one
}

// The dead letter of a refused deadline or result that holds the key: an operator has decided about it. True: a deadline's.
static bool settle_refused(struct batch *batch, const struct key_state_row *ks, const char *how, char *ret_id)
{
    char text[sizeof DEADLINE + UUID_TEXT_SIZE] = "";
    snprintf(text, sizeof text, "%.*s", (int)ks->held_detail.size, (const char *)ks->held_detail.data);
    bool deadline = strncmp(text, DEADLINE, sizeof DEADLINE - 1) == 0;
    size_t word = deadline ? sizeof DEADLINE - 1 : sizeof RESULT - 1;
    struct uuid id;
    text[word + UUID_TEXT_SIZE - 1] = '\0';
    if (!bytes_is(ks->held, HELD_REJECTED) || (!deadline && strncmp(text, RESULT, word) != 0) ||
        !uuid_parse(bytes_str(text + word), &id))
        return false;
    struct raw raw = {.topic = TOPIC_NONE, .key = ks->key};
    memcpy(ret_id, text + word, UUID_TEXT_SIZE);
    batch_dead_letter_of(batch, &raw, ks->slot, arena_str(batch->arena, bytes_str(ret_id)), "SETTLED", how,
                         NULL, false, true);
    return deadline;
}

static void unhold(struct batch *batch, struct key_state_row *ks)
{
    rows_touch(batch->rows, ks);
    ks->held = bytes_of(NULL, 0);
    ks->held_detail = bytes_of(NULL, 0);
    ks->held_since = INSTANT_NONE;
    ks->due = ks->service_due;
}

static void append_held(struct batch *batch, const struct input *in, const char *reason)
{
    struct key_state_row *ks = inbox_key_state_put(batch, in->key, in->slot);
    struct raw raw = raw_of_input(in);
    size_t held = 0;
    for (struct held_row *row = NULL;
         held < HELD_MAX && (row = inbox_next_held(batch, in->key, row)) != NULL;)
        held++;
    if (held == HELD_MAX) {
        batch_dead_letter_of(batch, &raw, in->slot, record_id(batch, in), "HELD_FULL",
                             "the order is held and its bound of held records is reached", NULL, false,
                             false);
        return;
    }
    rows_touch(batch->rows, ks);
    struct held_row row = {.key = ks->key,
                           .ordinal = ks->held_next++,
                           .topic = (int32_t)in->topic,
                           .partition = in->partition,
                           .record_offset = in->offset,
                           .event_id = in->head.event_id,
                           .value = in->value,
                           .reason = bytes_str(reason),
                           .at = batch->now};
    rows_put(batch->rows, &held_table, &row);
    batch->tally.held++;
}

// ---- deciding

struct mark {
    size_t outs, out_bytes, effects, resends, behinds;
    struct tally tally;
};

static struct mark set_mark(struct batch *batch, const struct input *in)
{
    struct mark mark = {batch->out_count,    batch->out_bytes,    batch->effect_count,
                        batch->resend_count, batch->behind_count, batch->tally};
    rows_mark(batch->rows);
    batch_set_current(batch, in);
    return mark;
}

// A record that its readers couldn't take would stop them.
static struct err check_out(const struct out *out)
{
    const char *topic = topic_info(out->topic)->name;
    if (out->value.size + out->key.size > RECORD_MAX - 1024)
        return err_make(ERR_REJECT, "a record for %s has %zu bytes; at most %d fit", topic, out->value.size,
                        RECORD_MAX);
    if (out->not_utf8 != NULL)
        return err_make(ERR_REJECT, "a record for %s has a %s that isn't UTF-8", topic, out->not_utf8);
    return err_ok();
}

// What the service has done since the mark is kept, or undone with its error.
static struct err keep_or_undo(struct batch *batch, struct mark mark, struct err e)
{
    assert(e.class == ERR_NONE || e.class == ERR_REJECT ||
           e.class == ERR_UNKNOWN); // there is nothing to retry in memory
    for (size_t i = mark.outs; !err_is(&e) && i < batch->out_count; i++)
        e = check_out(&batch->outs[i]);
    if (err_is(&e)) {
        rows_undo(batch->rows);
        batch->out_count = mark.outs;
        batch->out_bytes = mark.out_bytes;
        batch->effect_count = mark.effects;
        batch->resend_count = mark.resends;
        batch->behind_count = mark.behinds;
        batch->tally = mark.tally;
        batch->effect_decision = EFFECT_DECIDED_NOT;
    }
    rows_mark(batch->rows);
    return e;
}

static struct err decide(struct batch *batch, const struct input *in, const char *forced)
{
    struct mark mark = set_mark(batch, in);
    return keep_or_undo(
        batch, mark, forced == NULL ? batch->service->decide(batch, in) : err_make(ERR_REJECT, "%s", forced));
}

// ---- messages

static bool duplicate(struct batch *batch, const struct input *in, const struct key_state_row *ks)
{
    if (MUTANT(no_dedupe))
        return false;
    if (topic_info(in->topic)->mode == TOPIC_BY_ID) {
        struct seen_row probe = {.id = in->head.id};
        return rows_find(batch->rows, &seen_table, &probe) != NULL;
    }
    return ks != NULL && in->head.sequence <= sequences_get(ks->read, in->topic);
}

static void mark_applied(struct batch *batch, const struct input *in)
{
    if (topic_info(in->topic)->mode == TOPIC_BY_ID) {
        struct seen_row row = {.id = in->head.id, .key = in->key, .at = batch->now};
        rows_put(batch->rows, &seen_table, &row);
        return;
    }
    struct key_state_row *ks = inbox_key_state_put(batch, in->key, in->slot);
    rows_touch(batch->rows, ks);
    ks->read = sequences_set(batch->arena, ks->read, in->topic, in->head.sequence);
}

static bool is_gap(const struct input *in, const struct key_state_row *ks)
{
    if (topic_info(in->topic)->mode != TOPIC_SEQUENCED)
        return false;
    uint64_t last = ks == NULL ? 0 : sequences_get(ks->read, in->topic);
    return in->head.sequence > last + 1;
}

// What a key held for a gap waits for is written in held_detail: "topic sequence".
static bool fills_gap(const struct input *in, const struct key_state_row *ks)
{
    char want[96];
    snprintf(want, sizeof want, "%s %llu", topic_info(in->topic)->name,
             (unsigned long long)in->head.sequence);
    return bytes_is(ks->held_detail, want);
}

static void hold_gap(struct batch *batch, const struct input *in, const struct key_state_row *ks)
{
    char detail[96];
    unsigned long long expected = ks == NULL ? 1 : sequences_get(ks->read, in->topic) + 1;
    snprintf(detail, sizeof detail, "%s %llu", topic_info(in->topic)->name, expected);
    hold(batch, in, HELD_GAP, detail);
}

enum fate { FATE_APPLIED, FATE_DUPLICATE, FATE_HELD };

// Decides a message that is next in its order. from_held: its row is in `held` already.
static enum fate apply_next(struct batch *batch, const struct input *in, bool from_held, const char *forced)
{
    struct err e = decide(batch, in, forced);
    if (!err_is(&e)) {
        mark_applied(batch, in);
        batch->tally.applied++;
        return FATE_APPLIED;
    }
    const char *reason = e.class == ERR_UNKNOWN ? HELD_UNKNOWN : HELD_REJECTED;
    if (e.class == ERR_REJECT) {
        struct raw raw = raw_of_input(in);
        batch_dead_letter_of(batch, &raw, in->slot, record_id(batch, in), "REJECTED", e.text, NULL, true,
                             false);
    }
    if (MUTANT(rejected_skipped) && e.class == ERR_REJECT) {
        mark_applied(batch, in);
        return FATE_APPLIED;
    }
    const struct key_state_row *ks = inbox_key_state(batch, in->key);
    if (!inbox_is_held(ks) || !bytes_is(ks->held, reason))
        hold(batch, in, reason, e.text);
    if (!from_held)
        append_held(batch, in, reason);
    return FATE_HELD;
}

static enum fate apply_ordered(struct batch *batch, const struct input *in, bool from_held,
                               const char *forced)
{
    const struct key_state_row *ks = inbox_key_state(batch, in->key);
    if (duplicate(batch, in, ks)) {
        if (in->head.again) {
            batch_add_resend(
                batch, &(struct resend){.slot = in->slot, .key = in->key, .causation_id = in->head.event_id});
        }
        batch->tally.duplicates++;
        return FATE_DUPLICATE;
    }
    if (is_gap(in, ks)) {
        if (!inbox_is_held(ks))
            hold_gap(batch, in, ks);
        if (!from_held)
            append_held(batch, in, HELD_GAP);
        return FATE_HELD;
    }
    return apply_next(batch, in, from_held, forced);
}

// Applies what is held of a key that isn't held any more, in order, until something holds it again.
static void drain(struct batch *batch, struct bytes key)
{
    struct held_row *row = NULL;
    while ((row = inbox_next_held(batch, key, row)) != NULL) {
        const struct input *in = inbox_held_input(batch, row);
        bool was_rejected = bytes_is(row->reason, HELD_REJECTED);
        if (in != NULL) {
            batch_set_current(batch, in);
            if (apply_ordered(batch, in, true, NULL) == FATE_HELD)
                return;
            if (was_rejected) {
                struct raw raw = inbox_held_raw(row);
                batch_dead_letter_of(batch, &raw, in->slot, record_id(batch, in), "SETTLED",
                                     "applied after all", NULL, false, true);
            }
        }
        rows_delete(batch->rows, row);
    }
}

static void apply_message(struct batch *batch, const struct input *in, const char *forced)
{
    struct key_state_row *ks = inbox_key_state(batch, in->key);
    if (!inbox_is_held(ks)) {
        apply_ordered(batch, in, false, forced);
        return;
    }
    bool tried = (bytes_is(ks->held, HELD_GAP) && fills_gap(in, ks)) || bytes_is(ks->held, HELD_UNKNOWN);
    if (duplicate(batch, in, ks) || (tried && !is_gap(in, ks))) {
        bool was_unknown = bytes_is(ks->held, HELD_UNKNOWN);
        enum fate fate = apply_ordered(batch, in, false, forced);
        if (fate != FATE_APPLIED)
            return;
        ks = inbox_key_state(batch, in->key);
        if (inbox_is_held(ks) &&
            (was_unknown ? bytes_is(ks->held, HELD_UNKNOWN) : bytes_is(ks->held, HELD_GAP)))
            unhold(batch, ks);
        drain(batch, in->key);
        return;
    }
    append_held(batch, in, (const char *)arena_str(batch->arena, ks->held));
}

// Asks the writer of this topic, of which there is one, to send this key's records again.
static void ask_writer(struct batch *batch, const struct topic_info *info, struct bytes key, uint64_t from)
{
    Orderclerk__V1__Resend resend = ORDERCLERK__V1__RESEND__INIT;
    resend.topic = (char *)(uintptr_t)info->name;
    resend.from_sequence = from;
    Orderclerk__V1__Control control = ORDERCLERK__V1__CONTROL__INIT;
    control.service = (char *)(uintptr_t)info->writers;
    control.actor = (char *)(uintptr_t)batch->service->name;
    control.body_case = ORDERCLERK__V1__CONTROL__BODY_RESEND;
    control.resend = &resend;
    batch_emit(batch, TOPIC_CONTROL, key, &control.base);
}

// Whatever came before this record of its key isn't the last one.
static void forget_behind(struct batch *batch, const struct input *in)
{
    for (size_t i = batch->behind_count; i-- > 0;) {
        const struct input *behind = batch->behinds[i].in;
        if (behind->topic == in->topic && bytes_equal(behind->key, in->key))
            batch->behinds[i] = batch->behinds[--batch->behind_count];
    }
}

void inbox_ask_newest(struct batch *batch)
{
    for (size_t i = 0; i < batch->behind_count; i++) {
        const struct input *in = batch->behinds[i].in;
        batch_set_current(batch, in);
        // The same record may come several times: what asks is told apart by where it stands.
        batch->current_id = uuid_derive(batch->current_id, "place", bytes_of(&in->offset, sizeof in->offset));
        ask_writer(batch, topic_info(in->topic), in->key, batch->behinds[i].known);
    }
}

static void apply_versioned(struct batch *batch, const struct input *in, const char *forced)
{
    forget_behind(batch, in);
    struct err e = decide(batch, in, forced);
    if (!err_is(&e)) {
        batch->tally.applied++;
        return;
    }
    struct raw raw = raw_of_input(in);
    batch_dead_letter_of(batch, &raw, in->slot, record_id(batch, in), "REJECTED", e.text, NULL, false, false);
}

// ---- control

static void discard(struct batch *batch, struct key_state_row *ks, struct bytes event_id)
{
    for (struct held_row *row = NULL; (row = inbox_next_held(batch, ks->key, row)) != NULL;) {
        if (event_id.size > 0 && !bytes_equal(row->event_id, event_id))
            continue;
        const struct input *in = inbox_held_input(batch, row);
        if (in != NULL && !duplicate(batch, in, ks))
            mark_applied(batch, in); // what comes after it is no gap
        struct raw raw = inbox_held_raw(row);
        batch_dead_letter_of(batch, &raw, ks->slot, arena_str(batch->arena, row->event_id), "SETTLED",
                             "discarded", NULL, false, true);
        rows_delete(batch->rows, row);
    }
}

static void skip_gap(struct batch *batch, struct key_state_row *ks)
{
    for (struct held_row *row = NULL; (row = inbox_next_held(batch, ks->key, row)) != NULL;) {
        const struct input *in = inbox_held_input(batch, row);
        if (in == NULL || !is_gap(in, ks))
            continue;
        rows_touch(batch->rows, ks);
        ks->read = sequences_set(batch->arena, ks->read, in->topic, in->head.sequence - 1);
        return;
    }
}

static void apply_control(struct batch *batch, const struct input *in)
{
    const Orderclerk__V1__Control *control = (const Orderclerk__V1__Control *)in->message;
    if (strcmp(control->service, batch->service->name) != 0 || duplicate(batch, in, NULL)) {
        batch->tally.duplicates++;
        return;
    }
    mark_applied(batch, in);
    batch->tally.applied++;
    struct key_state_row *ks = inbox_key_state(batch, in->key);
    char refused[UUID_TEXT_SIZE];
    switch (control->body_case) {
    case ORDERCLERK__V1__CONTROL__BODY_PAUSE:
        if (!inbox_is_held(ks))
            hold(batch, in, HELD_PAUSED, control->pause->reason);
        return;
    case ORDERCLERK__V1__CONTROL__BODY_RESEND:
        if (topic_find(control->resend->topic) == NULL)
            return;
        if (inbox_asks_newest(batch, in)) {
            batch->service->send_newest(batch, in, topic_find(control->resend->topic)->number,
                                        control->resend->from_sequence);
            batch->tally.again++;
            return;
        }
        batch_add_resend(batch, &(struct resend){.slot = in->slot,
                                                 .key = in->key,
                                                 .topic = topic_find(control->resend->topic)->number,
                                                 .from_sequence = control->resend->from_sequence});
        return;
    case ORDERCLERK__V1__CONTROL__BODY_SKIP_GAP:
        if (!inbox_is_held(ks) || !bytes_is(ks->held, HELD_GAP))
            return;
        skip_gap(batch, ks);
        break;
    case ORDERCLERK__V1__CONTROL__BODY_DISCARD:
        if (!inbox_is_held(ks))
            return;
        // A result can't be discarded: the effect goes on, and is asked again.
        if (settle_refused(batch, ks, "discarded", refused) &&
            (control->discard->event_id[0] == '\0' || strcmp(control->discard->event_id, refused) == 0))
            ks->service_due = INSTANT_NONE;
        discard(batch, ks, bytes_str(control->discard->event_id));
        break;
    case ORDERCLERK__V1__CONTROL__BODY_RESUME:
        if (!inbox_is_held(ks) || !bytes_is(ks->held, HELD_PAUSED))
            return;
        break;
    case ORDERCLERK__V1__CONTROL__BODY_REDRIVE:
        if (!inbox_is_held(ks) || bytes_is(ks->held, HELD_PAUSED))
            return;
        settle_refused(batch, ks, "tried again", refused);
        break;
    case ORDERCLERK__V1__CONTROL__BODY__NOT_SET:
    case _ORDERCLERK__V1__CONTROL__BODY__CASE_IS_INT_SIZE:
    default:
        return;
    }
    unhold(batch, ks);
    drain(batch, in->key);
}

// ---- deadlines

static void ask_for_gap(struct batch *batch, struct key_state_row *ks)
{
    char *topic = arena_str(batch->arena, ks->held_detail);
    char *sequence = strchr(topic, ' ');
    rows_touch(batch->rows, ks);
    ks->due = batch->now + batch->settings->gap_resend_us;
    if (sequence == NULL)
        return;
    *sequence++ = '\0';
    const struct topic_info *info = topic_find(topic);
    if (info != NULL)
        ask_writer(batch, info, ks->key, strtoull(sequence, NULL, 10));
}

// Its bounded time is over: what came for a key that nobody knows becomes dead letters.
static void give_up_unknown(struct batch *batch, struct key_state_row *ks)
{
    for (struct held_row *row = NULL; (row = inbox_next_held(batch, ks->key, row)) != NULL;) {
        const struct input *in = inbox_held_input(batch, row);
        struct raw raw = inbox_held_raw(row);
        if (in != NULL && !duplicate(batch, in, ks))
            mark_applied(batch, in);
        batch_dead_letter_of(batch, &raw, ks->slot, arena_str(batch->arena, row->event_id), "UNKNOWN_ORDER",
                             arena_str(batch->arena, ks->held_detail), NULL, false, false);
        rows_delete(batch->rows, row);
    }
    unhold(batch, ks);
}

static void apply_deadline(struct batch *batch, const struct input *in, const char *forced)
{
    struct key_state_row *ks = inbox_key_state(batch, in->key);
    if (ks == NULL || ks->due == INSTANT_NONE || ks->due > in->due)
        return; // set again by an earlier input of this batch
    batch_set_current(batch, in);
    if (inbox_is_held(ks)) {
        if (bytes_is(ks->held, HELD_GAP)) {
            ask_for_gap(batch, ks);
        } else if (bytes_is(ks->held, HELD_UNKNOWN)) {
            give_up_unknown(batch, ks);
        } else {
            rows_touch(batch->rows, ks);
            ks->due = INSTANT_NONE;
        }
        return;
    }
    rows_touch(batch->rows, ks);
    if (ks->service_due == INSTANT_NONE || ks->service_due > in->due) {
        ks->due = ks->service_due; // it has moved away
        return;
    }
    ks->due = ks->service_due = INSTANT_NONE; // unless decide sets it again
    struct err e = decide(batch, in, forced);
    if (!err_is(&e)) {
        batch->tally.applied++;
        return;
    }
    // Nobody else will bring this deadline again: the service finds another way, or the order waits, held, for an operator
    // (Redrive fires it once more).
    const char *why = arena_str(batch->arena, bytes_str(e.text));
    if (batch->service->refuse_deadline != NULL && !batch->hold_refused) {
        struct mark mark = set_mark(batch, in);
        e = keep_or_undo(batch, mark, batch->service->refuse_deadline(batch, in, why));
    }
    if (!err_is(&e)) {
        batch_dead_letter(batch, "DEADLINE_REJECTED", NULL, why);
        batch->tally.applied++;
        return;
    }
    hold_refusal(batch, in, "DEADLINE_REJECTED", why);
    ks->service_due = in->due;
}

// ---- results of effects

#define EFFECT_BACKOFF_FIRST_US INSTANT_SECOND
#define EFFECT_BACKOFF_MAX_US   (60 * INSTANT_SECOND)
#define EFFECT_HELD_US                                                                                       \
    (30 * INSTANT_SECOND) // the key is held: its result is asked for again later, by the same id

static int64_t effect_backoff(const struct effect_row *row)
{
    int64_t delay = EFFECT_BACKOFF_FIRST_US;
    for (int32_t i = 1; i < row->attempt && delay < EFFECT_BACKOFF_MAX_US; i++)
        delay *= 2;
    if (delay > EFFECT_BACKOFF_MAX_US)
        delay = EFFECT_BACKOFF_MAX_US;
    // Jitter from the id: up to a quarter, the same when the batch is run again.
    uint32_t jitter = (uint32_t)row->id.b[14] << 8 | row->id.b[15];
    return delay + delay / 4 * jitter / 65536;
}

static void effect_later(struct batch *batch, struct effect_row *row, int64_t delay_us)
{
    rows_touch(batch->rows, row);
    row->due = batch->now + delay_us;
    batch_add_effect(batch, row);
}

static void apply_effect(struct batch *batch, const struct input *in, const char *forced)
{
    struct effect_row probe = {.id = in->effect->id};
    struct effect_row *row = rows_find(batch->rows, &effect_table, &probe);
    if (row == NULL) {
        batch->tally.dropped++;
        return; // cancelled or finished
    }
    rows_touch(batch->rows, row);
    row->attempt = in->result->attempt;
    if (inbox_is_held(inbox_key_state(batch, in->key))) {
        effect_later(batch, row, EFFECT_HELD_US);
        return;
    }
    struct err e = decide(batch, in, forced);
    if (err_is(&e)) {
        hold_refusal(batch, in, "EFFECT_REJECTED", arena_str(batch->arena, bytes_str(e.text)));
        effect_later(batch, row, EFFECT_HELD_US);
        return;
    }
    batch->tally.applied++;
    if (batch->effect_decision == EFFECT_DECIDED_AGAIN) {
        effect_later(batch, row, batch->effect_delay_us);
    } else if (in->result->outcome == EFFECT_FAILED && batch->effect_decision == EFFECT_DECIDED_NOT) {
        effect_later(batch, row, effect_backoff(row));
    } else {
        rows_delete(batch->rows, row);
    }
}

void inbox_apply(struct batch *batch, const struct input *in, const char *forced)
{
    batch_set_current(batch, in);
    switch (in->kind) {
    case INPUT_MESSAGE:
        if (in->topic == TOPIC_CONTROL) {
            apply_control(batch, in);
        } else if (topic_info(in->topic)->mode == TOPIC_VERSIONED) {
            apply_versioned(batch, in, forced);
        } else {
            apply_message(batch, in, forced);
        }
        return;
    case INPUT_DEADLINE:
        apply_deadline(batch, in, forced);
        return;
    case INPUT_EFFECT:
        apply_effect(batch, in, forced);
        return;
    }
}
