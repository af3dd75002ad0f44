// What decide functions call: rows, messages, deadlines and effects of the batch under way.
#include "base/hash.h"
#include "lane/internal.h"
#include "lane/sequences.h"

#include "orderclerk/v1/dead_letters.pb-c.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define DUE_SOON_US INSTANT_HOUR
#define DUE_FAR_US  (12 * INSTANT_HOUR)

void batch_begin(struct batch *batch, struct arena *arena, const struct lane_service *service,
                 const struct lane_settings *settings, size_t input_count)
{
    *batch = (struct batch){.arena = arena, .service = service, .settings = settings, .now = INSTANT_NONE};
    batch->rows = rows_new(arena, input_count);
}

struct arena *batch_arena(struct batch *batch)
{
    return batch->arena;
}
instant batch_now(const struct batch *batch)
{
    assert(batch->now != INSTANT_NONE); // want functions have no clock
    return batch->now;
}
const void *batch_context(const struct batch *batch)
{
    return batch->service->context;
}

void batch_want(struct batch *batch, const struct table *table, size_t column, struct value value)
{
    rows_want(batch->rows, table, column, value);
}
void batch_assume_none(struct batch *batch, const struct table *table, size_t column, struct value value)
{
    rows_assume_none(batch->rows, table, column, value);
}
void *batch_find(struct batch *batch, const struct table *table, const void *probe)
{
    return rows_find(batch->rows, table, probe);
}
void *batch_next(struct batch *batch, const struct table *table, size_t column, struct value value,
                 const void *after)
{
    return rows_next(batch->rows, table, column, value, after);
}
void *batch_put(struct batch *batch, const struct table *table, const void *row)
{
    return rows_put(batch->rows, table, row);
}
void batch_touch(struct batch *batch, void *row)
{
    rows_touch(batch->rows, row);
}
void batch_delete(struct batch *batch, void *row)
{
    rows_delete(batch->rows, row);
}
void batch_set_decoded(struct batch *batch, void *row, void *decoded)
{
    (void)batch;
    rows_set_decoded(row, decoded);
}
void *batch_decoded(const void *row)
{
    return rows_decoded(row);
}
void batch_note_rule(struct batch *batch, uint32_t rule_id)
{
    batch->rule = rule_id;
}

// ---- the current input

static struct uuid key_uuid(struct bytes key)
{
    struct uuid id;
    return uuid_parse(key, &id) ? id : uuid_from_name("key", key);
}

void batch_set_current(struct batch *batch, const struct input *in)
{
    batch->current = in;
    batch->emitted = 0;
    batch->rule = 0;
    batch->effect_decision = EFFECT_DECIDED_NOT;
    switch (in->kind) {
    case INPUT_MESSAGE:
        batch->current_id = in->head.id;
        break;
    case INPUT_DEADLINE:
        batch->current_id = uuid_derive(key_uuid(in->key), "deadline", bytes_of(&in->due, sizeof in->due));
        break;
    case INPUT_EFFECT:
        batch->current_id =
            uuid_derive(in->effect->id, "result", bytes_of(&in->result->attempt, sizeof in->result->attempt));
        break;
    }
    uuid_format(batch->current_id, batch->current_id_text);
}

// ---- growing arrays in the arena

static void *grow(struct arena *arena, void *items, size_t count, size_t *capacity, size_t item_size)
{
    if (count < *capacity)
        return items;
    *capacity = *capacity == 0 ? 64 : *capacity * 2;
    void *grown = arena_alloc_array(arena, *capacity, item_size);
    if (count > 0)
        memcpy(grown, items, count * item_size);
    return grown;
}

void batch_add_out(struct batch *batch, const struct out *out)
{
    batch->outs = grow(batch->arena, batch->outs, batch->out_count, &batch->out_capacity, sizeof *out);
    batch->outs[batch->out_count++] = *out;
    batch->out_bytes += out->value.size + out->key.size;
}

// Open addressing over the records' numbers + 1, at most half full.
static bool first_of_key(const struct batch *batch, uint32_t *table, size_t mask, size_t number)
{
    const struct out *out = &batch->outs[number];
    size_t at = (hash_quick(out->key) + (size_t)out->topic) & mask;
    for (; table[at] != 0; at = (at + 1) & mask) {
        const struct out *known = &batch->outs[table[at] - 1];
        if (known->topic == out->topic && bytes_equal(known->key, out->key))
            return false;
    }
    table[at] = (uint32_t)number + 1;
    return true;
}

static bool is_superseding(const struct out *out)
{
    const struct topic_info *info = topic_info(out->topic);
    return info->mode == TOPIC_VERSIONED && info->compacted;
}

void batch_drop_superseded(struct batch *batch)
{
    size_t candidates = 0;
    for (size_t i = 0; i < batch->out_count; i++)
        candidates += is_superseding(&batch->outs[i]);
    if (candidates < 2)
        return;
    size_t size = 4;
    while (size < 2 * candidates)
        size *= 2;
    uint32_t *table = arena_new_array(batch->arena, uint32_t, size);
    size_t kept = batch->out_count;
    for (size_t i = batch->out_count; i-- > 0;) {
        if (!is_superseding(&batch->outs[i]) || first_of_key(batch, table, size - 1, i))
            batch->outs[--kept] = batch->outs[i];
    }
    memmove(batch->outs, batch->outs + kept, (batch->out_count - kept) * sizeof *batch->outs);
    batch->out_count -= kept;
}

void batch_add_resend(struct batch *batch, const struct resend *resend)
{
    batch->resends =
        grow(batch->arena, batch->resends, batch->resend_count, &batch->resend_capacity, sizeof *resend);
    batch->resends[batch->resend_count++] = *resend;
}

void batch_behind(struct batch *batch, uint64_t known)
{
    batch->behinds = grow(batch->arena, batch->behinds, batch->behind_count, &batch->behind_capacity,
                          sizeof *batch->behinds);
    batch->behinds[batch->behind_count++] = (struct behind){.in = batch->current, .known = known};
}

void batch_add_effect(struct batch *batch, struct effect_row *row)
{
    batch->effects =
        grow(batch->arena, batch->effects, batch->effect_count, &batch->effect_capacity, sizeof row);
    batch->effects[batch->effect_count++] = row;
}

// ---- messages

static const char *traceparent_of(struct batch *batch, struct uuid event)
{
    const struct bytes given = batch->current->traceparent;
    // 00-<32 hex>-<16 hex>-<2 hex> (W3C Trace Context): the trace goes on, the span is this record's.
    static const char form[] = "00-################################-################-01";
    char *text = arena_copy(batch->arena, form, sizeof form);
    if (given.size == sizeof form - 1) {
        memcpy(text + 3, (const char *)given.data + 3, 32);
    } else {
        struct uuid key = key_uuid(batch->current->key);
        hash_hex(key.b, sizeof key.b, text + 3);
    }
    text[35] = '-';
    hash_hex(event.b + 8, 8, text + 36);
    text[52] = '-';
    return text;
}

// What a record says it was caused by. A result is on no topic: what asked for the effect is the cause, so that a command that
// is sent again finds the answers that came after an effect too.
static const char *cause_of(struct batch *batch)
{
    const struct input *in = batch->current;
    bool caused = in->kind == INPUT_EFFECT && in->effect->causation_id.size > 0;
    return arena_str(batch->arena, caused ? in->effect->causation_id : bytes_str(batch->current_id_text));
}

struct event_name {
    int32_t topic;
    uint32_t ordinal;
    uint64_t number;
};

static struct uuid event_id_of(struct batch *batch, enum topic topic, struct bytes key, uint64_t number)
{
    const struct input *in = batch->current;
    // What says a version once more, because somebody asks, is a record of its own.
    bool asked = in->kind == INPUT_MESSAGE && in->topic == TOPIC_CONTROL;
    const enum topic_mode mode = topic_info(topic)->mode;
    bool by_input = mode == TOPIC_BY_ID || (mode == TOPIC_VERSIONED && asked);
    struct uuid parent = by_input ? batch->current_id : key_uuid(key);
    struct event_name name = {.topic = (int32_t)topic, .number = number};
    if (by_input)
        name.ordinal = ++batch->emitted;
    return uuid_derive(parent, "event", bytes_of(&name, sizeof name));
}

// saga_revision has the same tag in every message.
static uint64_t revision_of(const ProtobufCMessage *message)
{
    const ProtobufCFieldDescriptor *f = protobuf_c_message_descriptor_get_field(message->descriptor, 7);
    uint64_t revision;
    memcpy(&revision, (const char *)message + f->offset, sizeof revision);
    return revision;
}

static bool may_write(const struct lane_service *service, enum topic topic)
{
    if (topic == TOPIC_CONTROL || topic == TOPIC_DEAD_LETTERS)
        return true;
    for (size_t i = 0; i < service->output_count; i++) {
        if (service->outputs[i] == topic)
            return true;
    }
    return false;
}

static uint64_t next_sequence(struct batch *batch, enum topic topic)
{
    const struct input *in = batch->current;
    struct key_state_row *ks = inbox_key_state_put(batch, in->key, in->slot);
    uint64_t sequence = sequences_get(ks->written, topic) + 1;
    rows_touch(batch->rows, ks);
    ks->written = sequences_set(batch->arena, ks->written, topic, sequence);
    return sequence;
}

struct uuid batch_emit(struct batch *batch, enum topic topic, struct bytes key,
                       const ProtobufCMessage *message)
{
    const struct topic_info *info = topic_info(topic);
    assert(may_write(batch->service, topic));
    assert(message->descriptor == info->descriptor);
    struct out out = {.slot = batch->current->slot, .topic = topic, .at = batch->now, .fresh = true};
    uint64_t number = 0;
    if (info->mode == TOPIC_SEQUENCED) {
        assert(bytes_equal(key, batch->current->key));
        number = out.sequence = next_sequence(batch, topic);
    } else if (info->mode == TOPIC_VERSIONED) {
        number = revision_of(message);
    }
    struct uuid id = event_id_of(batch, topic, key, number);
    uuid_format(id, out.event_id);
    out.key = arena_bytes(batch->arena, key);
    out.causation_id = cause_of(batch);
    out.type = message_type(message);
    out.traceparent = traceparent_of(batch, id);
    struct head head = {.event_id = bytes_str(out.event_id),
                        .key = key,
                        .source = bytes_str(batch->service->name),
                        .sequence = out.sequence,
                        .occurred_at = batch->now,
                        .causation_id = bytes_str(out.causation_id)};
    out.value = head_write(batch->arena, &head, message);
    out.not_utf8 = message_not_utf8(message);
    batch_add_out(batch, &out);
    return id;
}

void batch_emit_again(struct batch *batch, enum topic topic, struct uuid event_id)
{
    char text[UUID_TEXT_SIZE];
    uuid_format(event_id, text);
    batch_add_resend(batch,
                     &(struct resend){.slot = batch->current->slot,
                                      .key = batch->current->key,
                                      .topic = topic,
                                      .event_id = bytes_str(arena_str(batch->arena, bytes_str(text)))});
}

void batch_dead_letter_of(struct batch *batch, const struct raw *record, int32_t slot, const char *event_id,
                          const char *reason, const char *detail, const char *state, bool held, bool settled)
{
    Orderclerk__V1__DeadLetter letter = ORDERCLERK__V1__DEAD_LETTER__INIT;
    letter.service = (char *)(uintptr_t)batch->service->name;
    letter.topic = (char *)(uintptr_t)(record->topic == TOPIC_NONE ? "" : topic_info(record->topic)->name);
    letter.partition = record->partition;
    letter.offset = record->offset;
    letter.key =
        (ProtobufCBinaryData){.data = (uint8_t *)(uintptr_t)record->key.data, .len = record->key.size};
    letter.value =
        (ProtobufCBinaryData){.data = (uint8_t *)(uintptr_t)record->value.data, .len = record->value.size};
    // The whole record, but never a record that can't be sent itself.
    if (letter.value.len > RECORD_MAX / 2)
        letter.value.len = RECORD_MAX / 2;
    letter.reason = (char *)(uintptr_t)reason;
    letter.detail = arena_str(batch->arena, bytes_str(detail));
    bytes_mend_utf8(letter.detail); // it may quote what the record says
    letter.state = (char *)(uintptr_t)(state == NULL ? "" : state);
    letter.record_event_id =
        arena_str(batch->arena, bytes_str(event_id)); // it may be the current input's text
    letter.held = held;
    letter.settled = settled;
    // An id of its own, by where the record stands and who says it: the same when the batch is run again, and another when
    // another service can't apply the record either.
    struct input at = {.kind = INPUT_MESSAGE, .key = record->key, .slot = slot};
    int64_t place[4] = {(int64_t)record->topic, record->partition, record->offset, settled ? 1 : 0};
    at.head.id = uuid_derive(uuid_from_name("dead-letter", bytes_of(place, sizeof place)), "service",
                             bytes_str(batch->service->name));
    // Deadlines and results stand nowhere: known by their own id, and by how often the key was held before.
    if (record->topic == TOPIC_NONE) {
        const struct key_state_row *ks = inbox_key_state(batch, record->key);
        int64_t holds = ks == NULL ? 0 : ks->held_next;
        at.head.id = uuid_derive(uuid_derive(at.head.id, "of", bytes_str(event_id)), "hold",
                                 bytes_of(&holds, sizeof holds));
    }
    if (at.key.size == 0 || !bytes_is_utf8(at.key)) // the letter itself must be readable
        at.key = bytes_str("unknown");
    const struct input *current = batch->current;
    struct uuid id = batch->current_id;
    uint32_t emitted = batch->emitted;
    uint32_t rule = batch->rule;
    batch_set_current(batch, &at);
    batch_emit(batch, TOPIC_DEAD_LETTERS, at.key, &letter.base);
    batch->tally.dead_letters++;
    batch->current = current;
    batch->current_id = id;
    uuid_format(id, batch->current_id_text);
    batch->emitted = emitted;
    batch->rule = rule;
}

void batch_dead_letter(struct batch *batch, const char *reason, const char *state, const char *detail)
{
    const struct input *in = batch->current;
    struct raw raw = raw_of_input(in);
    if (in->kind != INPUT_MESSAGE)
        raw.offset = in->kind == INPUT_DEADLINE ? in->due : in->result->attempt;
    const char *id =
        in->kind == INPUT_MESSAGE ? arena_str(batch->arena, in->head.event_id) : batch->current_id_text;
    batch_dead_letter_of(batch, &raw, in->slot, id, reason, detail, state, false, false);
}

// ---- deadlines

// `due` is indexed: a row whose `due` moves is written to every index of its table. A deadline that moves away leaves it where it
// is, since orders mostly move on again long before; the lane looks at it in vain then, once, and sets it right. One that would
// be looked at soon and moves far away takes it along: nobody will have moved it again until then.
static bool due_follows(const struct batch *batch, instant stored, instant due)
{
    if (stored == INSTANT_NONE || (due != INSTANT_NONE && due < stored))
        return true;
    return stored < batch->now + DUE_SOON_US && (due == INSTANT_NONE || due > batch->now + DUE_FAR_US);
}

void batch_deadline(struct batch *batch, instant due)
{
    const struct input *in = batch->current;
    struct key_state_row *ks = inbox_key_state(batch, in->key);
    if (ks == NULL && due == INSTANT_NONE)
        return;
    if (ks == NULL)
        ks = inbox_key_state_put(batch, in->key, in->slot);
    if (ks->service_due == due)
        return;
    rows_touch(batch->rows, ks);
    ks->service_due = due;
    if (ks->held.data == NULL && due_follows(batch, ks->due, due))
        ks->due = due;
}

instant batch_deadline_get(struct batch *batch)
{
    const struct key_state_row *ks = inbox_key_state(batch, batch->current->key);
    return ks == NULL ? INSTANT_NONE : ks->service_due;
}

// ---- effects

struct uuid batch_effect(struct batch *batch, const char *target,
                         const Orderclerk__V1__EffectRequest *request, instant due)
{
    uint32_t ordinal = ++batch->emitted;
    struct effect_row row = {.id =
                                 uuid_derive(batch->current_id, "effect", bytes_of(&ordinal, sizeof ordinal)),
                             .slot = batch->current->slot,
                             .key = batch->current->key,
                             .target = bytes_str(arena_str(batch->arena, bytes_str(target))),
                             .due = due == INSTANT_NONE ? batch->now : due,
                             .created_at = batch->now,
                             .causation_id = bytes_str(cause_of(batch))};
    size_t size = protobuf_c_message_get_packed_size(&request->base);
    uint8_t *packed = arena_alloc(batch->arena, size);
    protobuf_c_message_pack(&request->base, packed);
    row.request = bytes_of(packed, size);
    rows_assume_none(batch->rows, &effect_table, EFFECT_ID, value_uuid(row.id));
    batch_add_effect(batch, rows_put(batch->rows, &effect_table, &row));
    return row.id;
}

void batch_effect_again(struct batch *batch, int64_t delay_us)
{
    assert(batch->current->kind == INPUT_EFFECT);
    batch->effect_decision = EFFECT_DECIDED_AGAIN;
    batch->effect_delay_us = delay_us;
}

void batch_effect_finish(struct batch *batch)
{
    assert(batch->current->kind == INPUT_EFFECT);
    batch->effect_decision = EFFECT_DECIDED_FINISH;
}

void batch_effect_cancel(struct batch *batch, struct uuid id)
{
    struct effect_row probe = {.id = id};
    struct effect_row *row = rows_find(batch->rows, &effect_table, &probe);
    if (row != NULL)
        rows_delete(batch->rows, row);
}
