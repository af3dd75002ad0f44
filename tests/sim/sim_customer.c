// Customers and operators, by what the newest snapshot of their order says.
#include "sim/sim.h"

#include "base/hash.h"
#include "orderclerk/v1/control.pb-c.h"
#include "orderclerk/v1/dead_letters.pb-c.h"
#include "orderclerk/v1/order_state.pb-c.h"
#include "orderclerk/v1/orders.pb-c.h"

#include <stdio.h>

#define ANSWERS_MAX 6
#define NEW(name)   make(&orderclerk__v1__##name##__descriptor)

static void *make(const ProtobufCMessageDescriptor *descriptor)
{
    ProtobufCMessage *message = arena_alloc(sim->arena, descriptor->sizeof_message);
    protobuf_c_message_init(descriptor, message);
    return message;
}

static Orderclerk__V1__OrderRequest *request_new(const char *actor)
{
    Orderclerk__V1__OrderRequest *request = NEW(order_request);
    request->actor = (char *)(uintptr_t)actor;
    return request;
}

static void ask(struct sim_order *order, const Orderclerk__V1__OrderRequest *request, const char *what,
                uint32_t nth, int64_t after_us)
{
    const struct sim_note note = {.topic = TOPIC_ORDERS,
                                  .endpoint = "requests",
                                  .key = order->id_text,
                                  .name = arena_printf(sim->arena, "%s-%u-%u", what, order->number, nth),
                                  .message = &request->base,
                                  .subject = order->id};
    sim_client_note(SIM_INTAKE, &note, sim->now + after_us);
}

// Most at once, some after minutes, some after a day.
static int64_t patience(struct sim_random *random)
{
    uint32_t dice = sim_below(random, 100);
    return (int64_t)sim_below(random, dice < 70 ? 5000 : dice < 95 ? 1800000 : 80000000) * INSTANT_MS;
}

static void cancel(struct sim_order *order, int64_t after_us)
{
    Orderclerk__V1__OrderRequest *request = request_new("customer:1");
    request->body_case = ORDERCLERK__V1__ORDER_REQUEST__BODY_CANCEL;
    request->cancel = NEW(cancel_order);
    request->cancel->reason = (char *)"changed my mind";
    order->cancelled = true;
    ask(order, request, "cancel", order->answers++, after_us);
}

static const char *value_for(const Orderclerk__V1__Violation *violation)
{
    if (violation->n_suggestions > 0)
        return violation->suggestions[0];
    if (strcmp(violation->field, "delivery.street") == 0)
        return "Example Road 7";
    if (strcmp(violation->field, "customer.email") == 0)
        return "buyer@example.com";
    if (strcmp(violation->field, "lines[0].product_code") == 0)
        return "PEN-01";
    return "yes";
}

static void answer_questions(struct sim_order *order, const Orderclerk__V1__OrderState *doc)
{
    struct sim_random *r = &order->random;
    if (sim_chance(r, 12))
        return; // says nothing, ever
    if (sim_chance(r, 8)) {
        cancel(order, patience(r));
        return;
    }
    Orderclerk__V1__OrderRequest *request = request_new("customer:1");
    request->body_case = ORDERCLERK__V1__ORDER_REQUEST__BODY_ANSWER;
    request->answer = NEW(answer_clarification);
    request->answer->changes =
        arena_new_array(sim->arena, Orderclerk__V1__FieldChange *, doc->n_violations + 1);
    bool nonsense = sim_chance(r, 8);
    for (size_t i = 0; i < doc->n_violations; i++) {
        Orderclerk__V1__FieldChange *change = NEW(field_change);
        change->field = nonsense ? (char *)"no.such.field" : doc->violations[i]->field;
        change->value = (char *)(uintptr_t)value_for(doc->violations[i]);
        request->answer->changes[request->answer->n_changes++] = change;
    }
    if (request->answer->n_changes == 0) {
        Orderclerk__V1__FieldChange *change = NEW(field_change);
        change->field = (char *)"remarks";
        change->value = (char *)"please go on";
        request->answer->changes[request->answer->n_changes++] = change;
    }
    ask(order, request, "answer", order->answers++, patience(r));
}

static void choose_for(Orderclerk__V1__ShortageChoice *choice, const Orderclerk__V1__Shortage *shortage,
                       struct sim_random *r)
{
    uint32_t dice = sim_below(r, 100);
    choice->line_no = shortage->line_no;
    choice->kind = ORDERCLERK__V1__SHORTAGE_CHOICE_KIND__SHORTAGE_CHOICE_KIND_WAIT;
    if (dice < 20 && shortage->n_substitutes > 0) {
        choice->kind = ORDERCLERK__V1__SHORTAGE_CHOICE_KIND__SHORTAGE_CHOICE_KIND_SUBSTITUTE;
        choice->substitute_sku = shortage->substitutes[0]->sku;
    } else if (dice < 45 && shortage->available > 0) {
        choice->kind = ORDERCLERK__V1__SHORTAGE_CHOICE_KIND__SHORTAGE_CHOICE_KIND_REDUCE;
        choice->quantity = shortage->available;
    } else if (dice < 55) {
        choice->kind = ORDERCLERK__V1__SHORTAGE_CHOICE_KIND__SHORTAGE_CHOICE_KIND_CANCEL_LINE;
    } else if (dice < 63) {
        choice->kind = ORDERCLERK__V1__SHORTAGE_CHOICE_KIND__SHORTAGE_CHOICE_KIND_REFUSE;
    } else if (dice < 68) {
        choice->line_no = 99; // nobody asked about that
    }
}

static void answer_shortage(struct sim_order *order, const Orderclerk__V1__OrderState *doc)
{
    struct sim_random *r = &order->random;
    if (sim_chance(r, 8))
        return;
    Orderclerk__V1__OrderRequest *request = request_new("customer:1");
    request->body_case = ORDERCLERK__V1__ORDER_REQUEST__BODY_SHORTAGE;
    request->shortage = NEW(answer_shortage);
    request->shortage->choices =
        arena_new_array(sim->arena, Orderclerk__V1__ShortageChoice *, doc->n_shortages);
    for (size_t i = 0; i < doc->n_shortages; i++) {
        Orderclerk__V1__ShortageChoice *choice = NEW(shortage_choice);
        choose_for(choice, doc->shortages[i], r);
        request->shortage->choices[request->shortage->n_choices++] = choice;
    }
    ask(order, request, "choice", order->answers++, patience(r));
}

// ---- operators

static void exit_order(struct sim_order *order, Orderclerk__V1__OperatorExit exit, int64_t after_us)
{
    Orderclerk__V1__OrderRequest *request = request_new("operator:li");
    request->body_case = ORDERCLERK__V1__ORDER_REQUEST__BODY_RESOLVE;
    request->resolve = NEW(resolve_by_operator);
    request->resolve->exit = exit;
    request->resolve->reason = (char *)"seen to";
    ask(order, request, "exit", order->exits++, after_us);
}

static const Orderclerk__V1__OrderState *newest(const struct sim_order *order)
{
    return orderclerk__v1__order_state__unpack(arena_protobuf(sim->arena), order->snapshot.size,
                                               order->snapshot.data);
}

static Orderclerk__V1__OperatorExit some_exit(struct sim_order *order)
{
    static const Orderclerk__V1__OperatorExit exits[] = {
        ORDERCLERK__V1__OPERATOR_EXIT__OPERATOR_EXIT_PROCEED,
        ORDERCLERK__V1__OPERATOR_EXIT__OPERATOR_EXIT_RETRY,
        ORDERCLERK__V1__OPERATOR_EXIT__OPERATOR_EXIT_CANCEL,
        ORDERCLERK__V1__OPERATOR_EXIT__OPERATOR_EXIT_WRITE_OFF};
    Orderclerk__V1__OperatorExit exit = exits[sim_below(&order->random, order->exits < 3 ? 2 : 4)];
    if (exit != ORDERCLERK__V1__OPERATOR_EXIT__OPERATOR_EXIT_PROCEED || order->snapshot.data == NULL)
        return exit;
    return sim_outside_withdraw(newest(order)) ? exit : ORDERCLERK__V1__OPERATOR_EXIT__OPERATOR_EXIT_RETRY;
}

// What a customer does unasked.
static void be_a_nuisance(struct sim_order *order)
{
    Orderclerk__V1__OrderRequest *request = request_new("customer:1");
    switch (sim_below(&order->random, 4)) {
    case 0:
        request->body_case = ORDERCLERK__V1__ORDER_REQUEST__BODY_ANSWER;
        request->answer = NEW(answer_clarification);
        break;
    case 1:
        request->body_case = ORDERCLERK__V1__ORDER_REQUEST__BODY_SHORTAGE;
        request->shortage = NEW(answer_shortage);
        break;
    case 2:
        exit_order(order, some_exit(order), patience(&order->random));
        return;
    default:
        cancel(order, patience(&order->random));
        return;
    }
    ask(order, request, "nuisance", order->answers++, 0);
}

// The text of field `number`, which must be below 16, of a packed message; absent: none.
static struct bytes text_field(struct bytes value, uint32_t number)
{
    const uint8_t *at = value.data;
    const uint8_t *end = at + value.size;
    while (at < end) {
        uint64_t parts[2] = {0, 0};
        uint32_t tag = *at++;
        bool wide = (tag & 0x80) != 0;
        tag = wide ? (tag & 0x7f) | (uint32_t)*at++ << 7 : tag;
        unsigned shift = 0;
        do {
            parts[0] |= (uint64_t)(*at & 0x7f) << shift;
            shift += 7;
        } while ((*at++ & 0x80) != 0);
        if ((tag & 7) == 0)
            continue;
        if (tag >> 3 == number)
            return bytes_of(at, parts[0]);
        at += parts[0];
    }
    return bytes_of(NULL, 0);
}

void sim_customer_heed(const struct sim_entry *entry)
{
    struct sim_order *order = entry->readable ? sim_order_find(entry->record.key) : NULL;
    if (order == NULL || entry->saga_revision <= order->seen_revision)
        return;
    order->seen_revision = entry->saga_revision;
    order->snapshot = entry->record.value;
    struct bytes state = text_field(entry->record.value, 12);
    bool asked = bytes_is(state, "AWAITING_CUSTOMER") || bytes_is(state, "SHORTAGE_OFFERED");
    if (order->cancel_in != NULL && !order->cancelled && bytes_is(state, order->cancel_in))
        cancel(order, sim_chance(&order->random, 60) ? sim_below(&order->random, 3000000)
                                                     : patience(&order->random));
    if (sim_chance(&order->random, 1) && !sim->healed)
        be_a_nuisance(order);
    if (bytes_is(state, "NEEDS_PERSON") && order->exits < 60)
        exit_order(order, some_exit(order), 10 * INSTANT_MINUTE + patience(&order->random));
    if (!asked || order->answers >= ANSWERS_MAX)
        return;
    const Orderclerk__V1__OrderState *doc = newest(order);
    if (bytes_is(state, "AWAITING_CUSTOMER"))
        answer_questions(order, doc);
    else
        answer_shortage(order, doc);
}

// Who is there when faults are over: an operator looks at what still waits, every half day.
void sim_customer_push(void)
{
    for (uint32_t i = 0; i < sim->plan->count; i++) {
        struct sim_order *order = &sim->plan->orders[i];
        if (order->snapshot.data == NULL)
            continue;
        struct bytes state = text_field(order->snapshot, 12);
        if (bytes_is(state, "COMPLETED") || bytes_is(state, "REJECTED") || bytes_is(state, "CANCELLED") ||
            bytes_is(state, "ARCHIVED"))
            continue;
        const Orderclerk__V1__OrderState *doc = newest(order);
        sim_outside_push(doc);
        if (bytes_is(state, "IN_PRODUCTION") || bytes_is(state, "IN_FULFILMENT") ||
            bytes_is(state, "PARTIALLY_SHIPPED"))
            sim_department_push(doc, bytes_str(order->id_text));
        if (bytes_is(state, "NEEDS_PERSON"))
            exit_order(order, some_exit(order), 0);
        if (bytes_is(state, "SHIPPED") && sim_chance(&order->random, 10))
            exit_order(order, ORDERCLERK__V1__OPERATOR_EXIT__OPERATOR_EXIT_PROCEED, 0);
        if (bytes_is(state, "DELIVERED") && sim_chance(&order->random, 10))
            exit_order(order, ORDERCLERK__V1__OPERATOR_EXIT__OPERATOR_EXIT_WRITE_OFF, 0);
    }
}

// Orders are archived: one customer in two still wants out, one department in two still has an answer.
void sim_customer_late(void)
{
    for (uint32_t i = 0; i < sim->plan->count; i++) {
        struct sim_order *order = &sim->plan->orders[i];
        if (!order->accepted)
            continue;
        if (i % 2 == 0)
            cancel(order, 0);
        else
            sim_department_late(bytes_str(order->id_text));
    }
}

// ---- dead letters that hold an order

void sim_operator_heed(const struct sim_entry *entry)
{
    const Orderclerk__V1__DeadLetter *letter = orderclerk__v1__dead_letter__unpack(
        arena_protobuf(sim->arena), entry->record.value.size, entry->record.value.data);
    if (letter == NULL || !letter->held || letter->settled)
        return;
    Orderclerk__V1__Control *control = NEW(control);
    control->service = letter->service;
    control->actor = (char *)"operator:li";
    control->reason = (char *)"seen to";
    bool injected = sim_faults_injected(bytes_str(letter->record_event_id));
    if (injected) {
        control->body_case = ORDERCLERK__V1__CONTROL__BODY_DISCARD;
        control->discard = NEW(discard);
        control->discard->event_id = letter->record_event_id;
    } else {
        control->body_case = ORDERCLERK__V1__CONTROL__BODY_REDRIVE;
        control->redrive = NEW(redrive);
    }
    const struct sim_note note = {.topic = TOPIC_CONTROL,
                                  .endpoint = "control",
                                  .key = arena_str(sim->arena, entry->record.key),
                                  .name =
                                      arena_printf(sim->arena, "control-%s-%d-%lld", letter->service,
                                                   entry->record.partition, (long long)entry->record.offset),
                                  .message = &control->base};
    sim_client_note(SIM_INTAKE, &note, sim->now + 5 * INSTANT_SECOND);
}

void sim_peers_heed(enum topic topic, const struct sim_entry *entry)
{
    if (topic == TOPIC_ORDER_STATE)
        sim_customer_heed(entry);
    else if (topic == TOPIC_COMMANDS_DEPARTMENTS)
        sim_department_heed(entry);
    else if (topic == TOPIC_COMMANDS_FULFILLMENT)
        sim_outside_released(&entry->record);
    else if (topic == TOPIC_DEAD_LETTERS)
        sim_operator_heed(entry);
}
