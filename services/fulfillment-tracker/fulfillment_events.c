// Messages to shipment-events.
#include "fulfillment-tracker/fulfillment.h"

#include "orderclerk/v1/shipment_events.pb-c.h"

static char *text(struct arena *arena, struct bytes value)
{
    return arena_str(arena, value.data == NULL ? bytes_str("") : value);
}

// protobuf-c's strings aren't const; it only reads them here.
static char *borrowed(const char *string)
{
    return string == NULL ? (char *)(uintptr_t) "" : (char *)(uintptr_t)string;
}

static void emit(struct turn *turn, Orderclerk__V1__ShipmentEvent *event)
{
    char id[UUID_TEXT_SIZE];
    struct arena *arena = batch_arena(turn->batch);
    uuid_format(turn->shipment->shipment_id, id);
    event->shipment_id = text(arena, bytes_str(id));
    event->warehouse = text(arena, turn->shipment->warehouse);
    event->saga_revision = (uint64_t)turn->shipment->revision;
    batch_emit(turn->batch, TOPIC_SHIPMENT_EVENTS, turn->in->key, &event->base);
}

// Bodies of all kinds, of which one is filled: they are small, and the switch stays flat.
struct bodies {
    Orderclerk__V1__ShipmentAccepted accepted;
    Orderclerk__V1__ShipmentRejected rejected;
    Orderclerk__V1__ShipmentPicking picking;
    Orderclerk__V1__ShipmentPacked packed;
    Orderclerk__V1__ShipmentHandedOver handed_over;
    Orderclerk__V1__ShipmentInTransit in_transit;
    Orderclerk__V1__ShipmentException exception;
    Orderclerk__V1__ShipmentDelivered delivered;
    Orderclerk__V1__ShipmentLost lost;
    Orderclerk__V1__ShipmentReturned returned;
    Orderclerk__V1__ShipmentCancelAccepted cancel_accepted;
    Orderclerk__V1__ShipmentCancelRejected cancel_rejected;
};

// "CODE: text" or "CODE" -> CODE; anything else has no code of its own: EXCEPTION.
static char *exception_code(struct arena *arena, const char *reason)
{
    size_t n = 0;
    while ((reason[n] >= 'A' && reason[n] <= 'Z') || (reason[n] >= '0' && reason[n] <= '9') ||
           reason[n] == '_')
        n++;
    bool is_code = n > 1 && (reason[n] == ':' || reason[n] == '\0');
    return is_code ? arena_str(arena, bytes_of(reason, n)) : borrowed("EXCEPTION");
}

#define BODY(NAME, member, name)                                                                             \
    orderclerk__v1__shipment_##name##__init(&b->member);                                                     \
    event->body_case = ORDERCLERK__V1__SHIPMENT_EVENT__BODY_##NAME;                                          \
    event->member = &b->member

// The first half of the way: what the warehouse does.
static void fill_warehouse(struct turn *turn, enum reply_kind kind, const struct news *news, struct bodies *b,
                           Orderclerk__V1__ShipmentEvent *event)
{
    struct arena *arena = batch_arena(turn->batch);
    if (kind == REPLY_ACCEPTED) {
        BODY(ACCEPTED, accepted, accepted);
    } else if (kind == REPLY_REJECTED) {
        BODY(REJECTED, rejected, rejected);
        b->rejected.reason = borrowed(news->reason);
    } else if (kind == REPLY_PICKING) {
        BODY(PICKING, picking, picking);
    } else if (kind == REPLY_PACKED) {
        BODY(PACKED, packed, packed);
        b->packed.lines = news->lines;
        b->packed.n_lines = news->line_count;
    } else if (kind == REPLY_HANDED_OVER) {
        BODY(HANDED_OVER, handed_over, handed_over);
        b->handed_over.carrier = text(arena, turn->shipment->carrier);
        b->handed_over.tracking_no = text(arena, turn->shipment->tracking_no);
        b->handed_over.eta_date = borrowed(news->eta_date);
        b->handed_over.lines = news->lines;
        b->handed_over.n_lines = news->line_count;
    } else if (kind == REPLY_CANCEL_ACCEPTED) {
        BODY(CANCEL_ACCEPTED, cancel_accepted, cancel_accepted);
    } else if (kind == REPLY_CANCEL_REJECTED) {
        BODY(CANCEL_REJECTED, cancel_rejected, cancel_rejected);
        b->cancel_rejected.reason = borrowed(news->reason);
    }
}

static void fill_carrier(struct turn *turn, enum reply_kind kind, const struct news *news, struct bodies *b,
                         Orderclerk__V1__ShipmentEvent *event)
{
    if (kind == REPLY_IN_TRANSIT) {
        BODY(IN_TRANSIT, in_transit, in_transit);
        b->in_transit.eta_date = borrowed(news->eta_date);
    } else if (kind == REPLY_EXCEPTION) {
        BODY(EXCEPTION, exception, exception);
        b->exception.code = exception_code(batch_arena(turn->batch), borrowed(news->reason));
        b->exception.text = borrowed(news->reason);
    } else if (kind == REPLY_DELIVERED) {
        BODY(DELIVERED, delivered, delivered);
        b->delivered.delivered_at_us = news->happened_at;
        b->delivered.lines = news->lines;
        b->delivered.n_lines = news->line_count;
    } else if (kind == REPLY_LOST) {
        BODY(LOST, lost, lost);
        b->lost.reason = borrowed(news->reason);
    } else if (kind == REPLY_RETURNED) {
        BODY(RETURNED, returned, returned);
        b->returned.reason = borrowed(news->reason);
    }
}

void fulfillment_tell(struct turn *turn, enum reply_kind kind, const struct news *news)
{
    struct bodies b;
    Orderclerk__V1__ShipmentEvent event = ORDERCLERK__V1__SHIPMENT_EVENT__INIT;
    fill_warehouse(turn, kind, news, &b, &event);
    fill_carrier(turn, kind, news, &b, &event);
    emit(turn, &event);
}

void fulfillment_tell_unreachable(struct turn *turn, const char *reason, int32_t tries)
{
    if (turn->shipment->unreachable)
        return;
    turn->shipment->unreachable = true;
    Orderclerk__V1__ShipmentUnreachable unreachable = ORDERCLERK__V1__SHIPMENT_UNREACHABLE__INIT;
    unreachable.reason = borrowed(reason);
    unreachable.tries = (uint32_t)tries;
    Orderclerk__V1__ShipmentEvent event = ORDERCLERK__V1__SHIPMENT_EVENT__INIT;
    event.body_case = ORDERCLERK__V1__SHIPMENT_EVENT__BODY_UNREACHABLE;
    event.unreachable = &unreachable;
    emit(turn, &event);
}
