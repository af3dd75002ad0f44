// From the lane to the saga and back: loads the order's document, lets the table decide, sends what it says.
#include "lane/topic.h"
#include "orchestrator/orchestrator.h"
#include "orchestrator/orchestrator_store.h"

#include <assert.h>
#include <string.h>

#define SLOTS_PER_NUMBER 256 // numbers of different slots never meet

void orchestrator_want(struct batch *batch, const struct input *in)
{
    struct uuid id;
    if (!uuid_parse(in->key, &id))
        return;
    batch_want(batch, &saga_table, SAGA_ORDER, value_uuid(id));
    batch_want(batch, &order_number_table, ORDER_NUMBER_SLOT, value_i32(in->slot));
}

// One input under way.
struct turn {
    struct batch *batch;
    const struct input *in;
    const struct saga_context *context;
    struct uuid order_id;
    struct saga_row *row;
    Orderclerk__V1__OrderState *doc;
};

// ---- the sink

static void send_event(void *self, const Orderclerk__V1__OrderEvent *event)
{
    struct turn *turn = self;
    batch_emit(turn->batch, TOPIC_ORDER_EVENTS, turn->in->key, &event->base);
}

static enum topic topic_of(enum saga_peer peer)
{
    const struct topic_info *info = topic_find(saga_peer_topic(peer));
    assert(info != NULL);
    return info->number;
}

static struct uuid send_command(void *self, enum saga_peer peer, const ProtobufCMessage *command)
{
    struct turn *turn = self;
    return batch_emit(turn->batch, topic_of(peer), turn->in->key, command);
}

static void send_again(void *self, enum saga_peer peer, struct uuid event_id)
{
    struct turn *turn = self;
    batch_emit_again(turn->batch, topic_of(peer), event_id);
}

static uint64_t next_number(void *self)
{
    struct turn *turn = self;
    struct order_number_row probe = {.slot = turn->in->slot, .next = 1};
    struct order_number_row *row = batch_find(turn->batch, &order_number_table, &probe);
    if (row == NULL)
        row = batch_put(turn->batch, &order_number_table, &probe);
    batch_touch(turn->batch, row);
    assert(turn->in->slot < SLOTS_PER_NUMBER);
    return (uint64_t)row->next++ * SLOTS_PER_NUMBER + (uint64_t)turn->in->slot;
}

static void note_transition(void *self, const struct saga_transition *t)
{
    struct turn *turn = self;
    const bool message = turn->in->kind == INPUT_MESSAGE;
    struct saga_history_row row = {
        .order_id = turn->order_id,
        .revision = (int64_t)t->revision,
        .at = batch_now(turn->batch),
        .rule_id = (int32_t)t->rule_id,
        .from_state = bytes_str(t->from),
        .to_state = bytes_str(t->to),
        .event = bytes_str(t->event),
        .topic = message ? bytes_str(topic_info(turn->in->topic)->name) : bytes_of(NULL, 0),
        .record_partition = turn->in->partition,
        .record_offset = turn->in->offset,
        .causation_id = message ? turn->in->head.event_id : bytes_of(NULL, 0),
    };
    batch_put(turn->batch, &saga_history_table, &row);
    batch_note_rule(turn->batch, t->rule_id);
}

static struct saga_sink sink_of(struct turn *turn)
{
    return (struct saga_sink){.self = turn,
                              .order_event = send_event,
                              .command = send_command,
                              .again = send_again,
                              .number = next_number,
                              .transition = note_transition};
}

// ---- the document

// The row and its document; false: there is none.
static bool look(struct turn *turn)
{
    struct saga_row probe = {.order_id = turn->order_id};
    turn->row = batch_find(turn->batch, &saga_table, &probe);
    if (turn->row == NULL)
        return false;
    turn->doc = batch_decoded(turn->row);
    if (turn->doc == NULL) {
        turn->doc = orderclerk__v1__order_state__unpack(arena_protobuf(batch_arena(turn->batch)),
                                                        turn->row->doc.size, turn->row->doc.data);
        assert(turn->doc != NULL); // our own
    }
    return true;
}

// Likewise, ready to be changed; NULL: there is none.
static Orderclerk__V1__OrderState *load(struct turn *turn)
{
    if (!look(turn))
        return NULL;
    batch_touch(turn->batch, turn->row);
    batch_set_decoded(turn->batch, turn->row, turn->doc);
    return turn->doc;
}

static void create(struct turn *turn)
{
    struct saga_row fresh = {.order_id = turn->order_id, .slot = turn->in->slot, .deadline = INSTANT_NONE};
    turn->doc =
        saga_new(turn->context, batch_arena(turn->batch), arena_str(batch_arena(turn->batch), turn->in->key));
    turn->row = batch_put(turn->batch, &saga_table, &fresh);
    batch_set_decoded(turn->batch, turn->row, turn->doc);
}

// The snapshot for order-state: the document, whose common fields the lane fills in.
static void send_state(struct turn *turn)
{
    Orderclerk__V1__OrderState state = saga_doc_steady_last(turn->doc, batch_arena(turn->batch));
    state.order_id = (char *)(uintptr_t) "";
    batch_emit(turn->batch, TOPIC_ORDER_STATE, turn->in->key, &state.base);
}

// ---- deciding

static struct err decide_message(struct turn *turn)
{
    struct saga_input input;
    if (!saga_input_of(turn->in->message, &input))
        return err_make(ERR_REJECT, "body: a message of a kind that isn't known here");
    input.topic = topic_info(turn->in->topic)->name;
    input.partition = turn->in->partition;
    input.offset = turn->in->offset;
    if (load(turn) == NULL) {
        if (input.event != SAGA_EVENT_ORDER_SUBMITTED)
            return err_make(ERR_UNKNOWN, "order_id: no order with this id has been submitted");
        create(turn);
    }
    if (saga_definition_of(turn->context->book, turn->doc) == NULL) {
        return err_make(ERR_REJECT,
                        "definition %s v%u isn't known to this program: a newer one has started this order",
                        turn->doc->definition, turn->doc->definition_version);
    }
    const struct saga_sink sink = sink_of(turn);
    const struct saga_result result =
        saga_step(turn->context, batch_arena(turn->batch), turn->doc, &input, batch_now(turn->batch), &sink);
    if (result.outcome == SAGA_NEVER) {
        batch_dead_letter(turn->batch, "NEVER", turn->doc->state,
                          arena_printf(batch_arena(turn->batch), "%s in %s: %s",
                                       saga_event_info(input.event)->name, turn->doc->state, result.why));
    }
    return err_ok();
}

static struct err decide_deadline(struct turn *turn)
{
    if (load(turn) == NULL)
        return err_ok();
    const struct saga_sink sink = sink_of(turn);
    saga_run_due(turn->context, batch_arena(turn->batch), turn->doc, batch_now(turn->batch), &sink);
    return err_ok();
}

void orchestrator_send_newest(struct batch *batch, const struct input *in, enum topic topic, uint64_t known)
{
    struct turn turn = {.batch = batch, .in = in};
    if (topic != TOPIC_ORDER_STATE || !uuid_parse(in->key, &turn.order_id) || !look(&turn))
        return;
    if (turn.doc->saga_revision >= known)
        send_state(&turn);
}

static uint64_t revision_before(struct batch *batch, struct uuid order_id)
{
    struct saga_row probe = {.order_id = order_id};
    const struct saga_row *before = batch_find(batch, &saga_table, &probe);
    const Orderclerk__V1__OrderState *known = before == NULL ? NULL : batch_decoded(before);
    return known != NULL ? known->saga_revision : before != NULL ? (uint64_t)before->revision : 0;
}

static void finish(struct turn *turn, uint64_t revision)
{
    if (turn->doc->saga_revision != revision)
        send_state(turn);
    batch_deadline(turn->batch, saga_due(turn->context, turn->doc));
}

struct err orchestrator_decide(struct batch *batch, const struct input *in)
{
    struct turn turn = {.batch = batch, .in = in, .context = orchestrator_context()};
    if (in->kind == INPUT_EFFECT)
        return err_ok();
    if (!uuid_parse(in->key, &turn.order_id))
        return err_make(ERR_REJECT, "order_id: must be a UUID");
    const uint64_t revision = revision_before(batch, turn.order_id);
    const struct err e = in->kind == INPUT_MESSAGE ? decide_message(&turn) : decide_deadline(&turn);
    if (!err_is(&e) && turn.doc != NULL)
        finish(&turn, revision);
    return e;
}

struct err orchestrator_refuse_deadline(struct batch *batch, const struct input *in, const char *why)
{
    struct turn turn = {.batch = batch, .in = in, .context = orchestrator_context()};
    if (!uuid_parse(in->key, &turn.order_id))
        return err_make(ERR_REJECT, "order_id: must be a UUID");
    const uint64_t revision = revision_before(batch, turn.order_id);
    if (load(&turn) == NULL)
        return err_make(ERR_REJECT, "order_id: no such order");
    const struct saga_sink sink = sink_of(&turn);
    const struct saga_result result =
        saga_refuse_due(turn.context, batch_arena(batch), turn.doc, why, batch_now(batch), &sink);
    if (result.outcome != SAGA_MOVED)
        return err_make(ERR_REJECT, "%s", result.why);
    finish(&turn, revision);
    return err_ok();
}
