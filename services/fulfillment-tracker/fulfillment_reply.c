// What a warehouse or carrier says of a shipment. News come doubled and out of order: a shipment only goes forward, and what
// later news presuppose is told first.
#include "fulfillment-tracker/fulfillment.h"

#include "fulfillment-tracker/fulfillment_tracking.h"
#include "orderclerk/v1/shipment_events.pb-c.h"

#include <string.h>

static const char *const kind_names[] = {
#define REPLY(NAME, name) name,
#include "fulfillment-tracker/fulfillment_states.def"
#undef REPLY
};

const char *reply_kind_name(enum reply_kind kind)
{
    return kind_names[kind];
}

bool reply_kind_parse(const char *name, enum reply_kind *ret_kind)
{
    for (size_t i = 0; i < REPLY_KIND_COUNT; i++) {
        if (strcmp(name, kind_names[i]) == 0) {
            *ret_kind = (enum reply_kind)i;
            return true;
        }
    }
    return false;
}

// ---- the shipment's own words

struct turn turn_of(struct batch *batch, const struct input *in, struct shipment_row *shipment)
{
    batch_touch(batch, shipment);
    return (struct turn){.batch = batch,
                         .in = in,
                         .shipment = shipment,
                         .settings = batch_context(batch),
                         .now = batch_now(batch)};
}

enum shipment_state turn_state(const struct turn *turn)
{
    enum shipment_state state = SHIPMENT_DRAFT;
    shipment_state_parse(turn->shipment->state, &state); // the table's CHECK allows no other
    return state;
}

enum cancel_request turn_cancel(const struct turn *turn)
{
    enum cancel_request request = CANCEL_NONE;
    cancel_request_parse(turn->shipment->cancel_request, &request);
    return request;
}

void turn_set_state(struct turn *turn, enum shipment_state state)
{
    turn->shipment->state = bytes_str(shipment_state_name(state));
}

void turn_set_cancel(struct turn *turn, enum cancel_request request)
{
    turn->shipment->cancel_request = bytes_str(cancel_request_name(request));
}

// ---- helpers

struct reply {
    struct turn *turn;
    enum reply_kind kind;
    const Orderclerk__V1__WarehouseReply *message;
    struct news news;
};

static void contradiction(struct reply *r, const char *detail)
{
    batch_dead_letter(r->turn->batch, "WAREHOUSE_CONTRADICTION", shipment_state_name(turn_state(r->turn)),
                      arena_printf(batch_arena(r->turn->batch), "%s: %s", reply_kind_name(r->kind), detail));
}

// Goods that nobody expects to leave: cancelled, or refused by the warehouse.
static bool withdrawn(const struct turn *turn)
{
    enum shipment_state state = turn_state(turn);
    return state == SHIPMENT_DRAFT || state == SHIPMENT_REJECTED || turn_cancel(turn) == CANCEL_ACCEPTED;
}

static bool has_left(const struct turn *turn)
{
    return turn_state(turn) >= SHIPMENT_HANDED_OVER;
}

static void keep_lines(struct reply *r)
{
    if (r->news.line_count == 0)
        return;
    Orderclerk__V1__ShipmentPacked packed = ORDERCLERK__V1__SHIPMENT_PACKED__INIT;
    packed.lines = r->news.lines;
    packed.n_lines = r->news.line_count;
    size_t size = protobuf_c_message_get_packed_size(&packed.base);
    uint8_t *data = arena_alloc(batch_arena(r->turn->batch), size);
    protobuf_c_message_pack(&packed.base, data);
    r->turn->shipment->lines = bytes_of(data, size);
}

static const Orderclerk__V1__ShipmentPacked *kept_lines(const struct turn *turn)
{
    struct bytes kept = turn->shipment->lines;
    if (kept.data == NULL)
        return NULL;
    return orderclerk__v1__shipment_packed__unpack(arena_protobuf(batch_arena(turn->batch)), kept.size,
                                                   kept.data);
}

// Tells what lies between where the shipment is and `target`, which is not told.
static void catch_up(struct reply *r, enum shipment_state target)
{
    static const struct {
        enum shipment_state state;
        enum reply_kind kind;
    } way[] = {{SHIPMENT_ACCEPTED, REPLY_ACCEPTED},
               {SHIPMENT_PICKING, REPLY_PICKING},
               {SHIPMENT_PACKED, REPLY_PACKED}};
    for (size_t i = 0; i < sizeof way / sizeof way[0]; i++) {
        if (way[i].state >= target || turn_state(r->turn) >= way[i].state)
            continue;
        turn_set_state(r->turn, way[i].state);
        struct news news = {.reason = NULL};
        if (way[i].kind == REPLY_PACKED) {
            news.lines = r->news.lines;
            news.line_count = r->news.line_count;
        }
        fulfillment_tell(r->turn, way[i].kind, &news);
    }
}

// ---- in the warehouse

static void step_in_warehouse(struct reply *r, enum shipment_state target)
{
    if (withdrawn(r->turn) || turn_state(r->turn) >= target)
        return;
    catch_up(r, target);
    turn_set_state(r->turn, target);
    if (target == SHIPMENT_PACKED)
        keep_lines(r);
    fulfillment_tell(r->turn, r->kind, &r->news);
}

static void cancel_accepted(struct turn *turn)
{
    turn_set_cancel(turn, CANCEL_ACCEPTED);
    fulfillment_tell(turn, REPLY_CANCEL_ACCEPTED, &(struct news){.reason = NULL});
}

static void rejected(struct reply *r)
{
    struct turn *turn = r->turn;
    if (has_left(turn)) {
        contradiction(r, "the goods have left");
        return;
    }
    if (withdrawn(turn))
        return;
    turn_set_state(turn, SHIPMENT_REJECTED);
    // A warehouse that won't ship has granted the cancel request: that is the answer which is waited for.
    if (turn_cancel(turn) == CANCEL_REQUESTED)
        cancel_accepted(turn);
    else
        fulfillment_tell(turn, REPLY_REJECTED, &r->news);
}

static void cancel_answer(struct reply *r)
{
    struct turn *turn = r->turn;
    enum cancel_request verdict = r->kind == REPLY_CANCEL_ACCEPTED ? CANCEL_ACCEPTED : CANCEL_REJECTED;
    enum cancel_request request = turn_cancel(turn);
    if (request == CANCEL_REQUESTED) {
        turn_set_cancel(turn, verdict);
        fulfillment_tell(turn, r->kind, &r->news);
    } else if (request == CANCEL_NONE) {
        contradiction(r, "nobody has asked");
    } else if (request != verdict && !has_left(turn)) {
        contradiction(r, "the opposite was said before");
    }
}

// ---- on the road

static void take_tracking(struct reply *r)
{
    struct shipment_row *s = r->turn->shipment;
    struct bytes carrier = bytes_str(r->message->carrier);
    struct bytes number = bytes_str(r->message->tracking_no);
    if (carrier.size > 0)
        s->carrier = carrier;
    if (number.size == 0)
        return;
    if (tracking_valid(carrier, number)) {
        s->tracking_no = number;
    } else {
        // The goods have left all the same; a number that leads nowhere is not passed on.
        batch_dead_letter(r->turn->batch, "TRACKING_NUMBER_INVALID", NULL,
                          arena_printf(batch_arena(r->turn->batch),
                                       "tracking_no: \"%.*s\" is not one of %.*s's", (int)number.size,
                                       (const char *)number.data, (int)carrier.size,
                                       (const char *)carrier.data));
    }
}

static void hand_over(struct reply *r)
{
    struct turn *turn = r->turn;
    keep_lines(r);
    if (!withdrawn(turn))
        catch_up(r, SHIPMENT_HANDED_OVER);
    // A cancel request that is still open is answered by the fact; first, so that the saga is back where goods may leave.
    if (turn_cancel(turn) == CANCEL_REQUESTED) {
        turn_set_cancel(turn, CANCEL_REJECTED);
        fulfillment_tell(turn, REPLY_CANCEL_REJECTED, &(struct news){.reason = "the goods were handed over"});
    }
    take_tracking(r);
    turn_set_state(turn, SHIPMENT_HANDED_OVER);
    fulfillment_tell(turn, REPLY_HANDED_OVER, &r->news);
}

static bool same_lines(const struct reply *r)
{
    const Orderclerk__V1__ShipmentPacked *kept = kept_lines(r->turn);
    if (kept == NULL || r->news.line_count == 0)
        return true;
    if (kept->n_lines != r->news.line_count)
        return false;
    for (size_t i = 0; i < kept->n_lines; i++) {
        const Orderclerk__V1__ShipmentLine *a = kept->lines[i];
        const Orderclerk__V1__ShipmentLine *b = r->news.lines[i];
        if (a->line_no != b->line_no || strcmp(a->sku, b->sku) != 0 || a->quantity != b->quantity)
            return false;
    }
    return true;
}

static void apply_early(struct turn *turn)
{
    struct bytes early = turn->shipment->early;
    if (early.data == NULL)
        return;
    turn->shipment->early = bytes_of(NULL, 0);
    const Orderclerk__V1__WarehouseReply *message = orderclerk__v1__warehouse_reply__unpack(
        arena_protobuf(batch_arena(turn->batch)), early.size, early.data);
    enum reply_kind kind;
    if (message != NULL && reply_kind_parse(message->kind, &kind))
        fulfillment_apply_reply(turn, kind, message); // has left now: doesn't get here again
}

// A hand-over that names no lines is of those that were packed, if they are known.
static void complete_lines(struct reply *r)
{
    const Orderclerk__V1__ShipmentPacked *packed = kept_lines(r->turn);
    if (r->news.line_count > 0 || packed == NULL)
        return;
    r->news.lines = packed->lines;
    r->news.line_count = packed->n_lines;
}

static void handed_over(struct reply *r)
{
    if (has_left(r->turn)) {
        if (!same_lines(r))
            contradiction(r, "other lines than were handed over before");
        else if (r->turn->shipment->tracking_no.data == NULL)
            take_tracking(r); // it was implied by later news, which had no number
        return;
    }
    complete_lines(r);
    hand_over(r);
    apply_early(r->turn);
}

static enum shipment_state target_of(enum reply_kind kind)
{
    switch (kind) {
    case REPLY_IN_TRANSIT:
        return SHIPMENT_IN_TRANSIT;
    case REPLY_EXCEPTION:
        return SHIPMENT_EXCEPTION;
    case REPLY_DELIVERED:
        return SHIPMENT_DELIVERED;
    case REPLY_LOST:
        return SHIPMENT_LOST;
    case REPLY_RETURNED:
        return SHIPMENT_RETURNED_TO_SENDER;
    case REPLY_ACCEPTED:
    case REPLY_REJECTED:
    case REPLY_PICKING:
    case REPLY_PACKED:
    case REPLY_HANDED_OVER:
    case REPLY_CANCEL_ACCEPTED:
    case REPLY_CANCEL_REJECTED:
    case REPLY_KIND_COUNT:
        break;
    }
    return SHIPMENT_DRAFT;
}

// The last word on the road is DELIVERED or RETURNED; what was lost may turn up. Trouble and its end alternate, by the time
// at which they happened.
static bool moves(const struct turn *turn, enum shipment_state target, instant happened_at)
{
    enum shipment_state state = turn_state(turn);
    if (state == SHIPMENT_DELIVERED || state == SHIPMENT_RETURNED_TO_SENDER)
        return false;
    if (state == SHIPMENT_LOST)
        return target == SHIPMENT_DELIVERED || target == SHIPMENT_RETURNED_TO_SENDER;
    if (target >= SHIPMENT_DELIVERED)
        return true;
    instant last = turn->shipment->last_happened_at;
    return state == SHIPMENT_HANDED_OVER || last == INSTANT_NONE || happened_at > last;
}

// Keeps what presupposes a hand-over of which nothing is known, not even the lines; the furthest of such news.
static void keep_early(struct reply *r)
{
    struct turn *turn = r->turn;
    struct bytes kept = turn->shipment->early;
    if (kept.data != NULL) {
        const Orderclerk__V1__WarehouseReply *before = orderclerk__v1__warehouse_reply__unpack(
            arena_protobuf(batch_arena(turn->batch)), kept.size, kept.data);
        enum reply_kind kind;
        if (before != NULL && reply_kind_parse(before->kind, &kind) && target_of(kind) >= target_of(r->kind))
            return;
    }
    size_t size = protobuf_c_message_get_packed_size(&r->message->base);
    uint8_t *data = arena_alloc(batch_arena(turn->batch), size);
    protobuf_c_message_pack(&r->message->base, data);
    turn->shipment->early = bytes_of(data, size);
}

static void on_the_road(struct reply *r)
{
    struct turn *turn = r->turn;
    if (!has_left(turn)) {
        struct reply implied = *r;
        implied.kind = REPLY_HANDED_OVER;
        complete_lines(&implied);
        if (implied.news.line_count == 0) {
            keep_early(r);
            return;
        }
        hand_over(&implied);
    }
    enum shipment_state target = target_of(r->kind);
    if (!moves(turn, target, r->news.happened_at))
        return;
    turn_set_state(turn, target);
    turn->shipment->last_happened_at = r->news.happened_at;
    fulfillment_tell(turn, r->kind, &r->news);
}

// ----

void fulfillment_apply_reply(struct turn *turn, enum reply_kind kind,
                             const Orderclerk__V1__WarehouseReply *message)
{
    instant happened_at = message->happened_at_us;
    if (happened_at <= 0 || happened_at > turn->now)
        happened_at = turn->now; // not said, or a clock that runs ahead
    struct reply r = {.turn = turn,
                      .kind = kind,
                      .message = message,
                      .news = {.reason = message->reason,
                               .eta_date = message->eta_date,
                               .lines = message->lines,
                               .line_count = message->n_lines,
                               .happened_at = happened_at}};
    turn->shipment->last_reply_at = turn->now;
    turn->shipment->unreachable = false;
    switch (kind) {
    case REPLY_ACCEPTED:
        step_in_warehouse(&r, SHIPMENT_ACCEPTED);
        break;
    case REPLY_PICKING:
        step_in_warehouse(&r, SHIPMENT_PICKING);
        break;
    case REPLY_PACKED:
        step_in_warehouse(&r, SHIPMENT_PACKED);
        break;
    case REPLY_REJECTED:
        rejected(&r);
        break;
    case REPLY_HANDED_OVER:
        handed_over(&r);
        break;
    case REPLY_CANCEL_ACCEPTED:
    case REPLY_CANCEL_REJECTED:
        cancel_answer(&r);
        break;
    case REPLY_IN_TRANSIT:
    case REPLY_EXCEPTION:
    case REPLY_DELIVERED:
    case REPLY_LOST:
    case REPLY_RETURNED:
        on_the_road(&r);
        break;
    case REPLY_KIND_COUNT:
        break;
    }
}
