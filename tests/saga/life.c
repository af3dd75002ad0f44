// See life.h.
#include "life.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ORDER_ID "019aafde-0000-7000-8000-000000000001"
#define BEGIN    (INSTANT_DAY * 20780 + 2 * INSTANT_HOUR) // a Monday, 10:00 in Shanghai
#define RUN_MAX  4000

void *life_message(struct life *life, const ProtobufCMessageDescriptor *descriptor)
{
    ProtobufCMessage *message = arena_alloc(life->arena, descriptor->sizeof_message);
    protobuf_c_message_init(descriptor, message);
    return message;
}

static void *again(struct life *life, const ProtobufCMessage *message)
{
    const size_t size = protobuf_c_message_get_packed_size(message);
    uint8_t *packed = arena_alloc(life->arena, size);
    protobuf_c_message_pack(message, packed);
    ProtobufCMessage *copy =
        protobuf_c_message_unpack(message->descriptor, arena_protobuf(life->arena), size, packed);
    assert_non_null(copy);
    return copy;
}

// The set member of the message's oneof.
static const ProtobufCMessage *body_of(const ProtobufCMessage *message)
{
    for (unsigned i = 0; i < message->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];
        if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) == 0)
            continue;
        uint32_t set;
        memcpy(&set, (const char *)message + field->quantifier_offset, sizeof set);
        if (set != field->id)
            continue;
        const ProtobufCMessage *body;
        memcpy(&body, (const char *)message + field->offset, sizeof body);
        return body;
    }
    return NULL;
}

// ---- the sink

static void take_event(void *self, const Orderclerk__V1__OrderEvent *event)
{
    struct life *life = self;
    assert_true(life->event_count < LIFE_SENT_MAX);
    Orderclerk__V1__OrderEvent *copy = again(life, &event->base);
    assert_int_equal(copy->saga_revision, life->doc->saga_revision);
    assert_non_null(copy->transition);
    assert_int_not_equal(copy->transition->rule_id, 0);
    assert_string_equal(copy->transition->to_state, life->doc->state);
    life->events[life->event_count++] = copy;
}

static struct uuid take_command(void *self, enum saga_peer peer, const ProtobufCMessage *command)
{
    struct life *life = self;
    assert_true(life->command_count < LIFE_SENT_MAX);
    struct life_command *c = &life->commands[life->command_count];
    char name[32];
    snprintf(name, sizeof name, "%zu", life->command_count);
    *c = (struct life_command){.peer = peer, .message = again(life, command)};
    c->body = body_of(c->message);
    assert_non_null(c->body);
    c->name = c->body->descriptor->short_name;
    c->id = uuid_from_name("life", bytes_str(name));
    life->command_count++;
    if (peer == SAGA_PEER_INVENTORY)
        life_book(life, c);
    return c->id;
}

static void take_again(void *self, enum saga_peer peer, struct uuid event_id)
{
    struct life *life = self;
    assert_true(life->again_count < LIFE_SENT_MAX);
    life->again[life->again_count++] = event_id;
    for (size_t i = 0; i < life->command_count; i++) {
        if (!uuid_equal(life->commands[i].id, event_id))
            continue;
        assert_int_equal(life->commands[i].peer, peer);
        life->commands[i].answered = false; // whoever has it answers again
        return;
    }
    fail_msg("sent again: a command that was never sent");
}

static uint64_t take_number(void *self)
{
    return ++((struct life *)self)->number;
}

static void take_transition(void *self, const struct saga_transition *transition)
{
    struct life *life = self;
    assert_int_equal(transition->revision, life->transition_revision + 1); // one by one
    assert_string_equal(transition->from, life->transition_to);            // from where it was
    life->transition_revision = transition->revision;
    life->transition_to = transition->to;
    if (getenv("SAGA_LIFE_TRACE") != NULL)
        print_message("%4llu %-20s %-26s %4u %s\n", (unsigned long long)transition->revision,
                      transition->from, transition->event, transition->rule_id, transition->to);
}

static struct saga_sink sink_of(struct life *life)
{
    return (struct saga_sink){.self = life,
                              .order_event = take_event,
                              .command = take_command,
                              .again = take_again,
                              .number = take_number,
                              .transition = take_transition};
}

// ---- making one

struct life_line *life_line(struct life *life, const char *sku, int64_t quantity, int64_t net_minor,
                            int64_t tax_minor)
{
    assert_true(life->line_count < LIFE_LINES_MAX);
    struct life_line *line = &life->lines[life->line_count++];
    *line = (struct life_line){.sku = sku,
                               .quantity = quantity,
                               .net_minor = net_minor,
                               .tax_minor = tax_minor,
                               .warehouse = "SH1",
                               .available = INT64_MAX};
    return line;
}

struct life *life_new(void)
{
    struct arena *arena = arena_new(1 << 20);
    struct life *life = arena_new_object(arena, struct life);
    life->arena = arena;
    life->settings = saga_settings_default();
    life->book = *saga_book();
    life->context = (struct saga_context){.settings = &life->settings, .book = &life->book};
    life->now = BEGIN;
    life->currency = "CNY";
    life->terms = ORDERCLERK__V1__PAYMENT_KIND__PAYMENT_KIND_PREPAID;
    life->ship_until = LIFE_DELIVERED;
    life->transition_to = "RECEIVED";
    life_line(life, "A-100", 10, 1000, 130);
    return life;
}

void life_free(struct life *life)
{
    arena_free(life->arena);
}

void life_mute(struct life *life, const char *command)
{
    life->mute[life->mute_count++] = command;
}

void life_unmute(struct life *life)
{
    life->mute_count = 0;
}

// ---- inputs

static void copy_doc(struct life *life)
{
    Orderclerk__V1__OrderState *copy = again(life, &life->doc->base);
    life->doc = copy;
}

void life_run_due(struct life *life)
{
    const struct saga_sink sink = sink_of(life);
    copy_doc(life);
    saga_run_due(&life->context, life->arena, life->doc, life->now, &sink);
    const instant next = saga_due(&life->context, life->doc);
    assert_true(next == INSTANT_NONE || next > life->now); // time always gets on
    life_check(life);
}

enum saga_outcome life_send(struct life *life, const ProtobufCMessage *message)
{
    struct saga_input input;
    const struct saga_sink sink = sink_of(life);
    assert_true(saga_input_of(again(life, message), &input));
    copy_doc(life);
    const uint64_t revision = life->doc->saga_revision;
    const size_t events = life->event_count;
    life->result = saga_step(&life->context, life->arena, life->doc, &input, life->now, &sink);
    const bool changed = life->result.outcome == SAGA_MOVED || life->result.outcome == SAGA_REFUSED;
    assert_int_equal(changed, life->doc->saga_revision > revision);
    assert_int_equal(changed, life->event_count > events); // every transition is told
    assert_int_equal(life->doc->saga_revision, life->transition_revision);
    life_check(life);
    return life->result.outcome;
}

static Orderclerk__V1__Order *order_of(struct life *life)
{
    Orderclerk__V1__Order *order = MESSAGE(life, order);
    order->channel = (char *)"WEB";
    order->currency = (char *)life->currency;
    order->customer = MESSAGE(life, party);
    order->customer->email = (char *)"buyer@customer.example";
    order->customer->company = (char *)"Kehu";
    order->delivery = MESSAGE(life, address);
    order->delivery->street = (char *)"1 Road";
    order->payment = MESSAGE(life, payment_terms);
    order->payment->kind = life->terms;
    order->payment->net_days = 30;
    order->lines = arena_new_array(life->arena, Orderclerk__V1__OrderLine *, LIFE_LINES_MAX);
    for (size_t i = 0; i < life->line_count; i++) {
        Orderclerk__V1__OrderLine *line = MESSAGE(life, order_line);
        line->line_no = (uint32_t)i + 1;
        line->product_code = (char *)life->lines[i].sku;
        line->quantity = life->lines[i].quantity;
        order->lines[order->n_lines++] = line;
    }
    return order;
}

enum saga_outcome life_submit(struct life *life)
{
    Orderclerk__V1__OrderRequest *request = MESSAGE(life, order_request);
    request->body_case = ORDERCLERK__V1__ORDER_REQUEST__BODY_SUBMIT;
    request->submit = MESSAGE(life, submit_order);
    request->submit->order = order_of(life);
    if (life->duplicate_of != NULL)
        request->submit->suspected_duplicate_of = (char *)life->duplicate_of;
    if (life->doc == NULL)
        life->doc = saga_new(&life->context, life->arena, ORDER_ID);
    return life_send(life, &request->base);
}

enum saga_outcome life_cancel(struct life *life)
{
    Orderclerk__V1__OrderRequest *request = MESSAGE(life, order_request);
    request->body_case = ORDERCLERK__V1__ORDER_REQUEST__BODY_CANCEL;
    request->request_id = (char *)"cancel-1";
    request->cancel = MESSAGE(life, cancel_order);
    request->cancel->reason = (char *)"no longer needed";
    return life_send(life, &request->base);
}

enum saga_outcome life_exit(struct life *life, Orderclerk__V1__OperatorExit exit)
{
    Orderclerk__V1__OrderRequest *request = MESSAGE(life, order_request);
    request->body_case = ORDERCLERK__V1__ORDER_REQUEST__BODY_RESOLVE;
    request->actor = (char *)"operator:li";
    request->resolve = MESSAGE(life, resolve_by_operator);
    request->resolve->exit = exit;
    return life_send(life, &request->base);
}

enum saga_outcome life_answer(struct life *life, const char *field, const char *value)
{
    Orderclerk__V1__OrderRequest *request = MESSAGE(life, order_request);
    request->body_case = ORDERCLERK__V1__ORDER_REQUEST__BODY_ANSWER;
    request->request_id = (char *)"answer-1";
    request->answer = MESSAGE(life, answer_clarification);
    Orderclerk__V1__FieldChange *change = MESSAGE(life, field_change);
    change->field = (char *)field;
    change->value = (char *)value;
    request->answer->changes = arena_copy(life->arena, &change, sizeof change);
    request->answer->n_changes = 1;
    return life_send(life, &request->base);
}

enum saga_outcome life_choose(struct life *life, uint32_t line_no, Orderclerk__V1__ShortageChoiceKind kind,
                              int64_t quantity, const char *sku)
{
    Orderclerk__V1__OrderRequest *request = MESSAGE(life, order_request);
    request->body_case = ORDERCLERK__V1__ORDER_REQUEST__BODY_SHORTAGE;
    request->shortage = MESSAGE(life, answer_shortage);
    Orderclerk__V1__ShortageChoice *choice = MESSAGE(life, shortage_choice);
    choice->line_no = line_no;
    choice->kind = kind;
    choice->quantity = quantity;
    choice->substitute_sku = (char *)sku;
    request->shortage->choices = arena_copy(life->arena, &choice, sizeof choice);
    request->shortage->n_choices = 1;
    return life_send(life, &request->base);
}

enum saga_outcome life_reply(struct life *life, const char *department,
                             Orderclerk__V1__DepartmentReply__BodyCase body_case, ProtobufCMessage *body)
{
    Orderclerk__V1__DepartmentReply *reply = MESSAGE(life, department_reply);
    reply->department = (char *)department;
    reply->actor = (char *)"somebody";
    reply->body_case = body_case;
    reply->approved = (void *)body;
    return life_send(life, &reply->base);
}

static Orderclerk__V1__ShipmentState *shipment_of(const struct life *life, const char *id)
{
    for (size_t i = 0; i < life->doc->n_shipments; i++)
        if (strcmp(life->doc->shipments[i]->shipment_id, id) == 0)
            return life->doc->shipments[i];
    return NULL;
}

enum saga_outcome life_news(struct life *life, const char *shipment_id,
                            Orderclerk__V1__ShipmentEvent__BodyCase news)
{
    Orderclerk__V1__ShipmentEvent *event = MESSAGE(life, shipment_event);
    event->shipment_id = (char *)shipment_id;
    event->body_case = news;
    // The oneof's members have one representation; every body starts empty.
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field(event->base.descriptor, (unsigned)news);
    void *body = life_message(life, field->descriptor);
    event->accepted = body;
    if (news == ORDERCLERK__V1__SHIPMENT_EVENT__BODY_HANDED_OVER) {
        const Orderclerk__V1__ShipmentState *shipment = shipment_of(life, shipment_id);
        event->handed_over->carrier = (char *)"SF";
        event->handed_over->tracking_no = (char *)"SF1000000000017";
        event->handed_over->eta_date = (char *)"2026-11-27";
        event->handed_over->lines = shipment == NULL ? NULL : shipment->lines;
        event->handed_over->n_lines = shipment == NULL ? 0 : shipment->n_lines;
    }
    return life_send(life, &event->base);
}

// ---- looking

const struct life_command *life_last(const struct life *life, const char *command)
{
    for (size_t i = life->command_count; i-- > 0;)
        if (strcmp(life->commands[i].name, command) == 0)
            return &life->commands[i];
    return NULL;
}

size_t life_count(const struct life *life, const char *command)
{
    size_t count = 0;
    for (size_t i = 0; i < life->command_count; i++)
        count += strcmp(life->commands[i].name, command) == 0;
    return count;
}

size_t life_told(const struct life *life, Orderclerk__V1__OrderEvent__BodyCase body)
{
    size_t count = 0;
    for (size_t i = 0; i < life->event_count; i++)
        count += life->events[i]->body_case == body;
    return count;
}

size_t life_mailed(const struct life *life, const char *kind)
{
    size_t count = 0;
    for (size_t i = 0; i < life->command_count; i++) {
        const struct life_command *command = &life->commands[i];
        if (command->peer == SAGA_PEER_NOTIFIER)
            count += strcmp(((const Orderclerk__V1__Notify *)(const void *)command->body)->kind, kind) == 0;
    }
    return count;
}

void life_assert_state(const struct life *life, const char *state)
{
    if (strcmp(life->doc->state, state) != 0)
        fail_msg("state is %s (%s, waiting on %s), not %s", life->doc->state, life->doc->reason,
                 life->doc->waiting_on, state);
}

// ---- what must always hold

static void check_lines(const struct life *life)
{
    for (size_t i = 0; i < life->doc->n_quantities; i++) {
        const Orderclerk__V1__LineQuantities *q = life->doc->quantities[i];
        const int64_t all[] = {q->ordered,       q->cancelled, q->reserved,       q->backordered,
                               q->in_production, q->released,  q->picked,         q->packed,
                               q->delivered,     q->shipped,   q->short_delivered};
        for (size_t j = 0; j < sizeof all / sizeof all[0]; j++)
            assert_true(all[j] >= 0);
        assert_true(q->reserved + q->backordered + q->in_production + q->shipped + q->cancelled <=
                    q->ordered);
        assert_true(q->delivered + q->short_delivered + q->damaged <= q->shipped);
        assert_true(q->returned <= q->delivered + q->damaged);
    }
}

static void check_money(const struct life *life)
{
    const Orderclerk__V1__OrderState *doc = life->doc;
    int64_t invoiced = 0;
    bool all_gone = doc->n_quantities > 0;
    for (size_t i = 0; i < doc->n_shipments; i++)
        invoiced += doc->shipments[i]->invoice_minor;
    assert_int_equal(invoiced, doc->invoiced_minor);
    for (size_t i = 0; i < doc->n_quantities; i++)
        all_gone = all_gone && doc->quantities[i]->shipped == doc->quantities[i]->ordered;
    assert_true(doc->invoiced_minor <= doc->total_minor);
    if (all_gone)
        assert_int_equal(doc->invoiced_minor, doc->total_minor);
    assert_true(doc->credited_minor <= doc->paid_minor);
}

static void check_waiting(struct life *life)
{
    const Orderclerk__V1__OrderState *doc = life->doc;
    const enum saga_state state = saga_state_find(doc->state);
    assert_int_not_equal(state, SAGA_STATE_NONE);
    const struct saga_state_info *info = saga_state_info(state);
    size_t open = 0;
    for (size_t i = 0; i < doc->n_tasks; i++) {
        open += info->task[0] != '\0' && strcmp(doc->tasks[i]->kind, info->task) == 0;
        assert_string_not_equal(doc->tasks[i]->owner, "");
    }
    assert_int_equal(open, info->task[0] != '\0');
    if (info->kind == SAGA_WAITING)
        assert_string_not_equal(doc->waiting_on, "");
    if (info->kind != SAGA_FINAL)
        assert_true(doc->deadline_us > 0);
    else
        assert_int_equal(saga_due(&life->context, doc), INSTANT_NONE);
}

static void check_unmade(const struct life *life)
{
    const Orderclerk__V1__OrderState *doc = life->doc;
    if (strcmp(doc->state, "CANCELLED") != 0 && strcmp(doc->state, "REJECTED") != 0)
        return;
    assert_int_equal(doc->n_allocations, 0);
    for (size_t i = 0; i < doc->n_steps; i++) {
        const Orderclerk__V1__Step *step = doc->steps[i];
        const char *part = strchr(step->name, ':');
        const char *names[] = {"reserve", "erp", "plan", "produce"};
        for (size_t j = 0; j < 4; j++)
            if (strncmp(step->name, names[j],
                        part == NULL ? strlen(step->name) : (size_t)(part - step->name)) == 0)
                assert_true(strcmp(step->state, "UNDONE") == 0 || strcmp(step->state, "UNDOING") == 0);
    }
}

void life_check(struct life *life)
{
    check_lines(life);
    check_money(life);
    check_waiting(life);
    check_unmade(life);
}

// ---- for tests

int life_setup(void **state)
{
    *state = life_new();
    return 0;
}

int life_teardown(void **state)
{
    life_free(*state);
    return 0;
}

void life_complete(struct life *life)
{
    life_run(life);
    life_assert_state(life, "DELIVERED");
    life_advance(life, life->settings.dispute_window);
    life_assert_state(life, "COMPLETED");
    assert_int_equal(life->doc->invoiced_minor, life->doc->total_minor);
    assert_int_equal(life->doc->paid_minor, life->doc->total_minor);
    assert_string_equal(life->doc->payment_state, "PAID");
    assert_int_equal(life->doc->n_tasks, 0);
}

// The same number of each command as of its undoing; every plan and shipment its own.
void life_assert_undone(struct life *life)
{
    life_run(life);
    life_assert_state(life, "CANCELLED");
    assert_int_equal(life_count(life, "ReleaseStock"), life_count(life, "ReserveStock") > 0);
    assert_int_equal(life_count(life, "CancelErpOrder"), life_count(life, "HandOverToErp"));
    assert_int_equal(life_count(life, "CancelPlan"), life_count(life, "Plan"));
    assert_int_equal(life_count(life, "CancelShipment"), life_count(life, "ReleaseShipment"));
    assert_int_equal(life->doc->credited_minor, life->doc->paid_minor);
    assert_int_equal(life_mailed(life, "cancelled"), 1);
    assert_int_equal(life_told(life, ORDERCLERK__V1__ORDER_EVENT__BODY_CANCELLED), 1);
    for (size_t i = 0; i < life->doc->n_quantities; i++)
        assert_int_equal(life->doc->quantities[i]->cancelled, life->doc->quantities[i]->ordered);
}

enum saga_outcome life_produced(struct life *life, uint32_t line_no, int64_t quantity)
{
    Orderclerk__V1__ProductionDone *done = MESSAGE(life, production_done);
    done->line_no = line_no;
    done->quantity = quantity;
    done->warehouse = (char *)"GZ1";
    return life_reply(life, "production", ORDERCLERK__V1__DEPARTMENT_REPLY__BODY_PRODUCTION_DONE,
                      &done->base);
}

void life_produce(struct life *life, uint32_t line_no, int64_t quantity)
{
    assert_int_equal(life_produced(life, line_no, quantity), SAGA_MOVED);
}
