// Commands, results of requests, silence and master data. What warehouses say is in fulfillment_reply.c.
#include "fulfillment-tracker/fulfillment.h"

#include "fulfillment-tracker/fulfillment_tracking.h"

#include <string.h>

#define AUTO_CARRIER   "AUTO"
#define STATUS_UNKNOWN 404 // the warehouse has never heard of the shipment
#define REASON_MAX     300

// ---- which rows

static void want_order(struct batch *batch, const struct input *in, bool asks)
{
    struct uuid order_id;
    if (!uuid_parse(in->key, &order_id))
        return;
    batch_want(batch, &shipment_table, SHIPMENT_ORDER, value_uuid(order_id));
    if (!asks)
        return;
    batch_want(batch, &shipment_release_table, SHIPMENT_RELEASE_ORDER, value_uuid(order_id));
    const struct shipment_row *row = NULL;
    while ((row = batch_next(batch, &shipment_table, SHIPMENT_ORDER, value_uuid(order_id), row)) != NULL) {
        if (row->warehouse.data != NULL)
            batch_want(batch, &warehouse_ref_table, WAREHOUSE_REF_KEY, value_text(row->warehouse));
        // How often a request was tried is told with a warehouse that doesn't take it.
        struct uuid pending = uuid_is_nil(row->cancel_effect) ? row->release_effect : row->cancel_effect;
        if (in->kind == INPUT_DEADLINE && !uuid_is_nil(pending))
            batch_want(batch, &effect_table, EFFECT_ID, value_uuid(pending));
    }
}

void fulfillment_want(struct batch *batch, const struct input *in)
{
    if (in->kind == INPUT_MESSAGE && in->topic == TOPIC_REFERENCE_WAREHOUSES) {
        const Orderclerk__V1__Warehouse *warehouse = (const void *)in->message;
        batch_want(batch, &warehouse_ref_table, WAREHOUSE_REF_KEY,
                   value_text(bytes_str(warehouse->warehouse)));
        return;
    }
    if (in->kind == INPUT_MESSAGE && in->topic == TOPIC_COMMANDS_FULFILLMENT) {
        const Orderclerk__V1__FulfillmentCommand *command = (const void *)in->message;
        if (command->body_case == ORDERCLERK__V1__FULFILLMENT_COMMAND__BODY_RELEASE &&
            command->release->warehouse[0] != '\0')
            batch_want(batch, &warehouse_ref_table, WAREHOUSE_REF_KEY,
                       value_text(bytes_str(command->release->warehouse)));
    }
    want_order(batch, in, in->kind != INPUT_MESSAGE || in->topic == TOPIC_COMMANDS_FULFILLMENT);
}

// ---- after each input

// The order's deadline is the earliest of its shipments'. One that needs no answer any more has none.
static void set_deadline(struct batch *batch, struct uuid order_id)
{
    instant earliest = INSTANT_NONE;
    struct shipment_row *row = NULL;
    while ((row = batch_next(batch, &shipment_table, SHIPMENT_ORDER, value_uuid(order_id), row)) != NULL) {
        if (row->due != INSTANT_NONE && (earliest == INSTANT_NONE || row->due < earliest))
            earliest = row->due;
    }
    batch_deadline(batch, earliest);
}

static bool awaits_answer(const struct turn *turn)
{
    return turn_cancel(turn) == CANCEL_REQUESTED || turn_state(turn) == SHIPMENT_RELEASE_REQUESTED;
}

// Who awaits an answer has a request under way or a time to ask again; nobody else has.
static void settle(struct turn *turn)
{
    struct shipment_row *s = turn->shipment;
    if (!awaits_answer(turn) || turn_cancel(turn) == CANCEL_ACCEPTED)
        s->due = INSTANT_NONE;
    else if (s->due == INSTANT_NONE && uuid_is_nil(s->release_effect) && uuid_is_nil(s->cancel_effect))
        fulfillment_await(turn);
    set_deadline(turn->batch, s->order_id);
}

static struct shipment_row *find(struct batch *batch, struct uuid order_id, struct uuid shipment_id)
{
    struct shipment_row probe = {.order_id = order_id, .shipment_id = shipment_id};
    return batch_find(batch, &shipment_table, &probe);
}

static void tell_reason(struct turn *turn, enum reply_kind kind, const char *reason)
{
    fulfillment_tell(turn, kind, &(struct news){.reason = reason});
}

static void accept_cancel(struct turn *turn)
{
    turn_set_cancel(turn, CANCEL_ACCEPTED);
    tell_reason(turn, REPLY_CANCEL_ACCEPTED, "");
}

// ---- ReleaseShipment

static void keep_release(struct turn *turn, const Orderclerk__V1__ReleaseShipment *release)
{
    struct arena *arena = batch_arena(turn->batch);
    size_t size = protobuf_c_message_get_packed_size(&release->base);
    uint8_t *data = arena_alloc(arena, size);
    protobuf_c_message_pack(&release->base, data);
    struct shipment_release_row row = {.order_id = turn->shipment->order_id,
                                       .shipment_id = turn->shipment->shipment_id,
                                       .release = bytes_of(data, size)};
    if (batch_find(turn->batch, &shipment_release_table, &row) == NULL)
        batch_put(turn->batch, &shipment_release_table, &row);
}

// The same shipment once more, by another command.
static void release_again(struct turn *turn)
{
    enum shipment_state state = turn_state(turn);
    if (state == SHIPMENT_DRAFT || turn_cancel(turn) == CANCEL_ACCEPTED) {
        tell_reason(turn, REPLY_REJECTED, "the shipment was cancelled before");
    } else if (state == SHIPMENT_REJECTED) {
        tell_reason(turn, REPLY_REJECTED, "the warehouse has refused it before");
    } else if (state == SHIPMENT_RELEASE_REQUESTED && uuid_is_nil(turn->shipment->release_effect)) {
        fulfillment_ask_release(turn);
    }
}

static struct err decide_release(struct batch *batch, const struct input *in, struct uuid order_id,
                                 const Orderclerk__V1__FulfillmentCommand *command)
{
    const Orderclerk__V1__ReleaseShipment *release = command->release;
    struct shipment_row row = {.order_id = order_id,
                               .warehouse = bytes_str(release->warehouse),
                               .state = bytes_str(shipment_state_name(SHIPMENT_RELEASE_REQUESTED)),
                               .cancel_request = bytes_str(cancel_request_name(CANCEL_NONE)),
                               .revision = (int64_t)command->saga_revision,
                               .released_at = INSTANT_NONE,
                               .due = INSTANT_NONE,
                               .last_reply_at = INSTANT_NONE,
                               .last_happened_at = INSTANT_NONE,
                               .fresh = true};
    if (!uuid_parse(bytes_str(release->shipment_id), &row.shipment_id))
        return err_make(ERR_REJECT, "release.shipment_id: must be a UUID");
    if (row.warehouse.size == 0 || row.warehouse.size > FULFILLMENT_CODE_MAX)
        return err_make(ERR_REJECT, "release.warehouse: must have 1 to %d bytes", FULFILLMENT_CODE_MAX);
    if (release->n_lines == 0 || release->n_lines > FULFILLMENT_LINES_MAX)
        return err_make(ERR_REJECT, "release.lines: must be 1 to %d", FULFILLMENT_LINES_MAX);
    struct shipment_row *kept = find(batch, order_id, row.shipment_id);
    if (kept != NULL) {
        struct turn again = turn_of(batch, in, kept);
        release_again(&again);
        settle(&again);
        return err_ok();
    }
    struct turn turn = turn_of(batch, in, batch_put(batch, &shipment_table, &row));
    keep_release(&turn, release);
    fulfillment_ask_release(&turn);
    settle(&turn);
    return err_ok();
}

// ---- CancelShipment

static void cancel_released(struct turn *turn)
{
    struct shipment_row *s = turn->shipment;
    bool under_way = !uuid_is_nil(s->release_effect);
    if (under_way && s->fresh) {
        // Not committed: nobody has been asked, and nobody will be.
        batch_effect_cancel(turn->batch, s->release_effect);
        s->release_effect = (struct uuid){{0}};
        accept_cancel(turn);
        return;
    }
    bool release_open = turn_state(turn) == SHIPMENT_RELEASE_REQUESTED && s->released_at == INSTANT_NONE;
    if (release_open && !under_way) {
        accept_cancel(turn); // the warehouse could not be asked yet
        return;
    }
    turn_set_cancel(turn, CANCEL_REQUESTED);
    s->tries = 0;
    // A release that is under way may arrive after a cancel request: that one waits for its result.
    if (!release_open)
        fulfillment_ask_cancel(turn);
}

static struct err decide_cancel(struct batch *batch, const struct input *in, struct uuid order_id,
                                const Orderclerk__V1__FulfillmentCommand *command)
{
    struct shipment_row row = {.order_id = order_id,
                               .state = bytes_str(shipment_state_name(SHIPMENT_DRAFT)),
                               .cancel_request = bytes_str(cancel_request_name(CANCEL_ACCEPTED)),
                               .revision = (int64_t)command->saga_revision,
                               .released_at = INSTANT_NONE,
                               .due = INSTANT_NONE,
                               .last_reply_at = INSTANT_NONE,
                               .last_happened_at = INSTANT_NONE};
    if (!uuid_parse(bytes_str(command->cancel->shipment_id), &row.shipment_id))
        return err_make(ERR_REJECT, "cancel.shipment_id: must be a UUID");
    struct shipment_row *kept = find(batch, order_id, row.shipment_id);
    struct turn turn = turn_of(batch, in, kept != NULL ? kept : batch_put(batch, &shipment_table, &row));
    enum shipment_state state = turn_state(&turn);
    enum cancel_request request = turn_cancel(&turn);
    if (state >= SHIPMENT_HANDED_OVER) {
        tell_reason(&turn, REPLY_CANCEL_REJECTED, "the goods were handed over");
        if (request != CANCEL_ACCEPTED)
            turn_set_cancel(&turn, CANCEL_REJECTED);
    } else if (request == CANCEL_ACCEPTED || state == SHIPMENT_REJECTED) {
        accept_cancel(&turn);
    } else if (request != CANCEL_REQUESTED) {
        cancel_released(&turn);
    }
    settle(&turn);
    return err_ok();
}

static struct err decide_command(struct batch *batch, const struct input *in, struct uuid order_id)
{
    const Orderclerk__V1__FulfillmentCommand *command = (const void *)in->message;
    if (command->body_case == ORDERCLERK__V1__FULFILLMENT_COMMAND__BODY_RELEASE)
        return decide_release(batch, in, order_id, command);
    if (command->body_case == ORDERCLERK__V1__FULFILLMENT_COMMAND__BODY_CANCEL)
        return decide_cancel(batch, in, order_id, command);
    return err_make(ERR_REJECT, "body: a command of a kind that isn't known here");
}

// ---- WarehouseReply

// Foreign input must not hold an order for ever: only what may still make sense later is held, for a bounded time.
static struct err decide_reply(struct batch *batch, const struct input *in, struct uuid order_id)
{
    const Orderclerk__V1__WarehouseReply *reply = (const void *)in->message;
    struct uuid shipment_id;
    enum reply_kind kind;
    if (!uuid_parse(bytes_str(reply->shipment_id), &shipment_id) || !reply_kind_parse(reply->kind, &kind)) {
        batch_dead_letter(batch, "WAREHOUSE_REPLY_UNUSABLE", NULL, "shipment_id or kind: not one");
        return err_ok();
    }
    struct shipment_row *row = find(batch, order_id, shipment_id);
    if (row == NULL)
        return err_make(ERR_UNKNOWN, "shipment_id: the order has no shipment %s", reply->shipment_id);
    if (row->warehouse.data != NULL && !bytes_is(row->warehouse, reply->warehouse)) {
        batch_dead_letter(batch, "WAREHOUSE_REPLY_UNUSABLE", NULL,
                          "warehouse: the shipment is another one's");
        return err_ok();
    }
    struct turn turn = turn_of(batch, in, row);
    if (row->warehouse.data == NULL)
        row->warehouse = bytes_str(reply->warehouse);
    fulfillment_apply_reply(&turn, kind, reply);
    settle(&turn);
    return err_ok();
}

// ---- results of requests

// Status and what was answered, in one line of bounded length.
static const char *reason_of(struct turn *turn)
{
    const struct effect_result *result = turn->in->result;
    struct arena *arena = batch_arena(turn->batch);
    struct bytes body = result->body;
    if (body.size > REASON_MAX)
        body.size = REASON_MAX;
    while (body.size > 0 && !bytes_is_utf8(body))
        body.size--;
    char *text = arena_str(arena, body.data == NULL ? bytes_str("") : body);
    for (char *c = text; *c != '\0'; c++) {
        if ((unsigned char)*c < 0x20)
            *c = ' ';
    }
    const char *between = result->text[0] != '\0' && text[0] != '\0' ? ": " : "";
    return arena_printf(arena, "%d %s%s%s", (int)result->status, result->text, between, text);
}

// The AUTO warehouse: everything happens at once, by the same way as callbacks.
static void ship_by_itself(struct turn *turn)
{
    const Orderclerk__V1__ReleaseShipment *release = fulfillment_release_of(turn);
    if (release == NULL)
        return;
    static const enum reply_kind way[] = {REPLY_ACCEPTED, REPLY_PICKING, REPLY_PACKED, REPLY_HANDED_OVER,
                                          REPLY_DELIVERED};
    Orderclerk__V1__WarehouseReply reply = ORDERCLERK__V1__WAREHOUSE_REPLY__INIT;
    reply.carrier = (char *)(uintptr_t)AUTO_CARRIER;
    reply.tracking_no = tracking_auto(batch_arena(turn->batch), turn->shipment->shipment_id);
    reply.lines = release->lines;
    reply.n_lines = release->n_lines;
    reply.happened_at_us = turn->now;
    for (size_t i = 0; i < sizeof way / sizeof way[0]; i++)
        fulfillment_apply_reply(turn, way[i], &reply);
}

static void release_taken(struct turn *turn)
{
    struct shipment_row *s = turn->shipment;
    s->release_effect = (struct uuid){{0}};
    s->unreachable = false;
    bool first = s->released_at == INSTANT_NONE;
    s->released_at = turn->now;
    bool automatic = strcmp(turn->in->request->transport, "auto") == 0;
    if (turn_cancel(turn) == CANCEL_REQUESTED && automatic) {
        accept_cancel(turn);
    } else if (turn_cancel(turn) == CANCEL_REQUESTED) {
        if (first && uuid_is_nil(s->cancel_effect))
            fulfillment_ask_cancel(turn);
    } else if (automatic) {
        ship_by_itself(turn);
    } else if (turn_state(turn) == SHIPMENT_RELEASE_REQUESTED) {
        fulfillment_await(turn);
    }
}

static void release_refused(struct turn *turn)
{
    struct shipment_row *s = turn->shipment;
    s->release_effect = (struct uuid){{0}};
    if (turn_state(turn) != SHIPMENT_RELEASE_REQUESTED)
        return;
    if (s->released_at != INSTANT_NONE) {
        // Taken before, and refused when it was sent again: whether it will be shipped, only the warehouse knows.
        fulfillment_tell_unreachable(turn, reason_of(turn), s->tries);
        fulfillment_await(turn);
        return;
    }
    turn_set_state(turn, SHIPMENT_REJECTED);
    if (turn_cancel(turn) == CANCEL_REQUESTED)
        accept_cancel(turn);
    else
        tell_reason(turn, REPLY_REJECTED, reason_of(turn));
}

static void release_failed(struct turn *turn)
{
    struct shipment_row *s = turn->shipment;
    if (turn_state(turn) != SHIPMENT_RELEASE_REQUESTED) {
        s->release_effect = (struct uuid){{0}}; // it has arrived after all: the warehouse has answered
        batch_effect_finish(turn->batch);
    } else if (turn_cancel(turn) == CANCEL_REQUESTED) {
        // No further try. Whether one of them has arrived, the warehouse is asked.
        s->release_effect = (struct uuid){{0}};
        batch_effect_finish(turn->batch);
        if (uuid_is_nil(s->cancel_effect))
            fulfillment_ask_cancel(turn);
    } else if (turn->in->result->attempt >= FULFILLMENT_TRIES_TOLD) {
        fulfillment_tell_unreachable(turn, reason_of(turn), turn->in->result->attempt);
    }
}

static void cancel_result(struct turn *turn)
{
    struct shipment_row *s = turn->shipment;
    const struct effect_result *result = turn->in->result;
    bool open = turn_cancel(turn) == CANCEL_REQUESTED;
    if (result->outcome == EFFECT_FAILED && open) {
        if (result->attempt >= FULFILLMENT_TRIES_TOLD)
            fulfillment_tell_unreachable(turn, reason_of(turn), result->attempt);
        return; // the lane tries again
    }
    s->cancel_effect = (struct uuid){{0}};
    if (result->outcome == EFFECT_FAILED)
        batch_effect_finish(turn->batch);
    if (!open)
        return;
    if (result->outcome == EFFECT_OK) {
        s->unreachable = false;
        fulfillment_await(turn);
        return;
    }
    bool never_arrived = result->status == STATUS_UNKNOWN && s->released_at == INSTANT_NONE &&
                         turn_state(turn) == SHIPMENT_RELEASE_REQUESTED;
    if (never_arrived) {
        accept_cancel(turn);
    } else {
        turn_set_cancel(turn, CANCEL_REJECTED);
        tell_reason(turn, REPLY_CANCEL_REJECTED, reason_of(turn));
    }
}

static struct err decide_result(struct batch *batch, const struct input *in, struct uuid order_id)
{
    struct uuid shipment_id;
    struct shipment_row *row =
        uuid_parse(bytes_str(in->request->note), &shipment_id) ? find(batch, order_id, shipment_id) : NULL;
    if (row == NULL)
        return err_make(ERR_REJECT, "the result of a request for a shipment that isn't kept");
    struct turn turn = turn_of(batch, in, row);
    if (strcmp(in->request->kind, FULFILLMENT_CANCEL_EFFECT) == 0)
        cancel_result(&turn);
    else if (in->result->outcome == EFFECT_OK)
        release_taken(&turn);
    else if (in->result->outcome == EFFECT_REFUSED)
        release_refused(&turn);
    else
        release_failed(&turn);
    settle(&turn);
    return err_ok();
}

// ---- silence

// A request that is still not taken: with many of them, tries are far between, and three may take a day.
static void not_taken(struct turn *turn, struct uuid pending)
{
    struct effect_row probe = {.id = pending};
    const struct effect_row *effect = batch_find(turn->batch, &effect_table, &probe);
    fulfillment_tell_unreachable(turn, "requests are not taken", effect == NULL ? 0 : effect->attempt);
}

static void silent(struct turn *turn)
{
    struct shipment_row *s = turn->shipment;
    s->due = INSTANT_NONE;
    bool cancels = turn_cancel(turn) == CANCEL_REQUESTED;
    if (!cancels && turn_state(turn) != SHIPMENT_RELEASE_REQUESTED)
        return;
    struct uuid pending = uuid_is_nil(s->cancel_effect) ? s->release_effect : s->cancel_effect;
    if (!uuid_is_nil(pending)) {
        not_taken(turn, pending);
        return;
    }
    if (s->released_at != INSTANT_NONE) {
        s->tries++;
        if (s->tries >= FULFILLMENT_TRIES_TOLD)
            fulfillment_tell_unreachable(turn, "requests are taken but not answered", s->tries);
    }
    if (cancels)
        fulfillment_ask_cancel(turn);
    else
        fulfillment_ask_release(turn);
}

static struct err decide_deadline(struct batch *batch, const struct input *in, struct uuid order_id)
{
    struct shipment_row *row = NULL;
    while ((row = batch_next(batch, &shipment_table, SHIPMENT_ORDER, value_uuid(order_id), row)) != NULL) {
        if (row->due == INSTANT_NONE || row->due > batch_now(batch))
            continue;
        struct turn turn = turn_of(batch, in, row);
        silent(&turn);
    }
    set_deadline(batch, order_id);
    return err_ok();
}

// ---- master data

static struct err decide_warehouse(struct batch *batch, const struct input *in)
{
    const Orderclerk__V1__Warehouse *warehouse = (const void *)in->message;
    struct warehouse_ref_row row = {.warehouse = bytes_str(warehouse->warehouse),
                                    .adapter = bytes_str(warehouse->adapter),
                                    .url = bytes_str(warehouse->url),
                                    .version = (int64_t)warehouse->saga_revision};
    if (warehouse->secret[0] != '\0')
        row.secret = bytes_str(warehouse->secret);
    if (row.warehouse.size == 0 || row.warehouse.size > FULFILLMENT_CODE_MAX)
        return err_make(ERR_REJECT, "warehouse: must have 1 to %d bytes", FULFILLMENT_CODE_MAX);
    struct warehouse_ref_row *kept = batch_find(batch, &warehouse_ref_table, &row);
    if (kept == NULL) {
        batch_put(batch, &warehouse_ref_table, &row);
    } else if (kept->version < row.version) {
        batch_touch(batch, kept);
        *kept = row;
    }
    return err_ok();
}

struct err fulfillment_decide(struct batch *batch, const struct input *in)
{
    if (in->kind == INPUT_MESSAGE && in->topic == TOPIC_REFERENCE_WAREHOUSES)
        return decide_warehouse(batch, in);
    struct uuid order_id;
    if (!uuid_parse(in->key, &order_id))
        return err_make(ERR_REJECT, "order_id: must be a UUID");
    if (in->kind == INPUT_EFFECT)
        return decide_result(batch, in, order_id);
    if (in->kind == INPUT_DEADLINE)
        return decide_deadline(batch, in, order_id);
    if (in->topic == TOPIC_WAREHOUSE_REPLIES)
        return decide_reply(batch, in, order_id);
    return decide_command(batch, in, order_id);
}
