// See walk.h.
#include "walk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define FINISH_MAX 200 // rounds in which a walk must be brought to its end

static uint32_t walk_next(struct walk_source *source, uint32_t bound)
{
    return source->next(source->self, bound) % bound;
}

static bool chance(struct walk_source *source, uint32_t percent)
{
    return walk_next(source, 100) < percent;
}

static const char *some_date(struct walk_source *source)
{
    static const char *const dates[] = {"2026-11-25", "2026-12-01", "2026-12-24", "2027-01-31", "soon", ""};
    return dates[walk_next(source, 6)];
}

static const char *some_shipment(struct life *life, struct walk_source *source)
{
    if (life->doc->n_shipments == 0 || chance(source, 3))
        return "019aafde-0000-7000-8000-0000000000ff";
    return life->doc->shipments[walk_next(source, (uint32_t)life->doc->n_shipments)]->shipment_id;
}

static const char *some_department(struct walk_source *source)
{
    static const char *const names[] = {"sales", "finance", "production", "warehouse", "logistics", "qa"};
    return names[walk_next(source, 6)];
}

static const char *some_plan(struct walk_source *source)
{
    static const char *const kinds[] = {"PRODUCTION", "WAREHOUSE", "TRANSPORT", "LUNCH"};
    return kinds[walk_next(source, 4)];
}

// Any body of a department's reply, filled with what may fit.
static void some_reply(struct life *life, struct walk_source *source)
{
    const ProtobufCMessageDescriptor *type = &orderclerk__v1__department_reply__descriptor;
    const ProtobufCFieldDescriptor *field = NULL;
    while (field == NULL || (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) == 0)
        field = &type->fields[walk_next(source, type->n_fields)];
    ProtobufCMessage *body = life_message(life, field->descriptor);
    const ProtobufCMessageDescriptor *of = body->descriptor;
    for (unsigned i = 0; i < of->n_fields; i++) {
        char *at = (char *)body + of->fields[i].offset;
        const char *name = of->fields[i].name;
        if (of->fields[i].type == PROTOBUF_C_TYPE_STRING) {
            const char *text = strcmp(name, "kind") == 0          ? some_plan(source)
                               : strcmp(name, "shipment_id") == 0 ? some_shipment(life, source)
                               : strcmp(name, "currency") == 0    ? life->currency
                               : strcmp(name, "warehouse") == 0   ? "GZ1"
                               : strstr(name, "date") != NULL     ? some_date(source)
                                                                  : "";
            memcpy(at, &text, sizeof text);
        } else if (of->fields[i].type == PROTOBUF_C_TYPE_UINT32) {
            const uint32_t number = walk_next(source, 4);
            memcpy(at, &number, sizeof number);
        } else if (of->fields[i].type == PROTOBUF_C_TYPE_BOOL) {
            const protobuf_c_boolean truth = chance(source, 50);
            memcpy(at, &truth, sizeof truth);
        } else {
            const int64_t number = (int64_t)walk_next(source, 20) - 2;
            memcpy(at, &number, sizeof number);
        }
    }
    life_reply(life, some_department(source), (Orderclerk__V1__DepartmentReply__BodyCase)field->id, body);
}

static void some_request(struct life *life, struct walk_source *source)
{
    switch (walk_next(source, 6)) {
    case 0:
        life_cancel(life);
        break;
    case 1:
        life_answer(life, chance(source, 20) ? "nonsense" : "remarks", "please");
        break;
    case 2:
        life_choose(life, 1 + walk_next(source, 2), (Orderclerk__V1__ShortageChoiceKind)walk_next(source, 6),
                    walk_next(source, 12), "B-200");
        break;
    case 3:
        life_submit(life);
        break;
    default:
        life_exit(life, (Orderclerk__V1__OperatorExit)(1 + walk_next(source, 4)));
        break;
    }
}

static void some_news(struct life *life, struct walk_source *source)
{
    const int first = ORDERCLERK__V1__SHIPMENT_EVENT__BODY_ACCEPTED;
    const int last = ORDERCLERK__V1__SHIPMENT_EVENT__BODY_UNREACHABLE;
    const int news = first + (int)walk_next(source, (uint32_t)(last - first + 1));
    life_news(life, some_shipment(life, source), (Orderclerk__V1__ShipmentEvent__BodyCase)news);
}

static void make_goods(struct life *life)
{
    for (size_t i = 0; i < life->doc->n_quantities; i++) {
        const Orderclerk__V1__LineQuantities *q = life->doc->quantities[i];
        if (q->in_production > 0)
            life_produced(life, q->line_no, q->in_production);
    }
}

void walk_step(struct life *life, struct walk_source *source)
{
    const uint32_t what = walk_next(source, 100);
    life->ship_until = (enum life_stage)walk_next(source, LIFE_DELIVERED + 1);
    life->cancel_refused = chance(source, 30);
    life->handed_over_meanwhile = chance(source, 20);
    life->production_goes_on = chance(source, 30);
    if (what < 55)
        life_turn(life);
    else if (what < 67)
        some_news(life, source);
    else if (what < 79)
        some_reply(life, source);
    else if (what < 86)
        some_request(life, source);
    else if (what < 90)
        life_fill(life);
    else if (what < 93)
        make_goods(life);
    else if (what < 96)
        life_mute(life, life->command_count == 0
                            ? "Plan"
                            : life->commands[walk_next(source, (uint32_t)life->command_count)].name);
    else if (what < 98)
        life_unmute(life);
    else
        life_advance(life, (int64_t)walk_next(source, 200000) * INSTANT_SECOND);
    if (life->mute_count >= 15)
        life_unmute(life);
}

void walk_order(struct life *life, struct walk_source *source)
{
    static const Orderclerk__V1__PaymentKind terms[] = {
        ORDERCLERK__V1__PAYMENT_KIND__PAYMENT_KIND_PREPAID, ORDERCLERK__V1__PAYMENT_KIND__PAYMENT_KIND_COD,
        ORDERCLERK__V1__PAYMENT_KIND__PAYMENT_KIND_NET,
        ORDERCLERK__V1__PAYMENT_KIND__PAYMENT_KIND_INSTALMENT};
    life->terms = terms[walk_next(source, 4)];
    life->line_count = 0;
    const uint32_t count = 1 + walk_next(source, 3);
    for (uint32_t i = 0; i < count; i++) {
        static const char *const skus[] = {"A-100", "B-200", "C-300"};
        struct life_line *line = life_line(life, skus[i], 1 + walk_next(source, 12), walk_next(source, 2000),
                                           walk_next(source, 200));
        line->warehouse = chance(source, 50) ? "SH1" : "GZ1";
        line->make = chance(source, 15);
        line->no_picking = chance(source, 10);
        line->available = chance(source, 30) ? walk_next(source, 6) : INT64_MAX;
    }
    if (chance(source, 30)) {
        Orderclerk__V1__Violation *violation = MESSAGE(life, violation);
        violation->code = (char *)"CODE";
        violation->field = (char *)"remarks";
        violation->severity = (Orderclerk__V1__Severity)(1 + (chance(source, 15) ? 2 : walk_next(source, 2)));
        violation->department =
            (char *)(violation->severity == ORDERCLERK__V1__SEVERITY__SEVERITY_CLEARABLE_BY_DEPARTMENT
                         ? "sales"
                         : "");
        life->violations[life->violation_count++] = violation;
    }
    if (chance(source, 15))
        life->settings.express_total_minor = 0;
    if (chance(source, 15))
        life->settings.review_units = 1;
}

static bool is_over(const struct life *life)
{
    return strcmp(life->doc->state, "COMPLETED") == 0 || strcmp(life->doc->state, "REJECTED") == 0 ||
           strcmp(life->doc->state, "CANCELLED") == 0 || strcmp(life->doc->state, "ARCHIVED") == 0;
}

// What has left and not arrived arrives; what was accepted leaves.
static void push_shipments(struct life *life)
{
    static const Orderclerk__V1__ShipmentEvent__BodyCase way[] = {
        ORDERCLERK__V1__SHIPMENT_EVENT__BODY_ACCEPTED, ORDERCLERK__V1__SHIPMENT_EVENT__BODY_HANDED_OVER,
        ORDERCLERK__V1__SHIPMENT_EVENT__BODY_DELIVERED};
    for (size_t i = 0; i < life->doc->n_shipments; i++) {
        const Orderclerk__V1__ShipmentState *shipment = life->doc->shipments[i];
        const bool unreal =
            strcmp(shipment->state, "DRAFT") == 0 || strcmp(shipment->state, "CANCELLED") == 0;
        const char *id = shipment->shipment_id;
        for (size_t j = 0; j < 3 && !unreal; j++)
            life_news(life, id, way[j]);
    }
}

static void pay(struct life *life)
{
    if (life->doc->paid_minor >= life->doc->total_minor)
        return;
    Orderclerk__V1__PaymentReceived *received = MESSAGE(life, payment_received);
    received->amount_minor = life->doc->total_minor - life->doc->paid_minor;
    received->currency = (char *)life->currency;
    life_reply(life, "finance", ORDERCLERK__V1__DEPARTMENT_REPLY__BODY_PAYMENT_RECEIVED, &received->base);
}

static void assert_ended_well(struct life *life)
{
    const Orderclerk__V1__OrderState *doc = life->doc;
    if (strcmp(doc->state, "COMPLETED") == 0)
        assert_int_equal(doc->invoiced_minor, doc->total_minor);
    for (size_t i = 0; i < doc->n_steps; i++)
        if (strcmp(doc->steps[i]->state, "UNDOING") == 0)
            fail_msg("%s is left %s", doc->steps[i]->name, doc->steps[i]->state);
    assert_int_equal(doc->n_holds, 0);
    assert_int_equal(life_held(life), 0); // inventory holds nothing for it any more
    // What was paid for goods that didn't ship is given back; of an order that is worth nothing, as of any, too much may be paid.
    if (doc->invoiced_minor == 0 && strcmp(doc->state, "COMPLETED") != 0)
        assert_int_equal(doc->paid_minor, doc->credited_minor);
}

// Everybody does what the order says that it waits for.
void walk_finish(struct life *life)
{
    life_unmute(life);
    life->ship_until = LIFE_DELIVERED;
    life->cancel_refused = life->handed_over_meanwhile = life->production_goes_on = false;
    for (unsigned round = 0; !is_over(life); round++) {
        if (round >= FINISH_MAX)
            fail_msg("can't be finished: %s, waiting on %s: %s", life->doc->state, life->doc->waiting_on,
                     life->doc->reason);
        life_run(life);
        life_fill(life);
        make_goods(life);
        life_run(life);
        push_shipments(life);
        if (strcmp(life->doc->state, "NEEDS_PERSON") == 0)
            life_exit(life, round % 2 == 0 ? ORDERCLERK__V1__OPERATOR_EXIT__OPERATOR_EXIT_PROCEED
                                           : ORDERCLERK__V1__OPERATOR_EXIT__OPERATOR_EXIT_RETRY);
        if (strcmp(life->doc->state, "DELIVERED") == 0)
            pay(life);
        if (!is_over(life))
            life_advance(life, INSTANT_DAY);
    }
    life_run(life);
    assert_ended_well(life);
}
