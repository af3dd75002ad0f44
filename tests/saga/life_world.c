// The world of a life: what inventory books, and what everybody answers. See life.h.
#include "life.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define RUN_MAX 4000 // answers in a row: more is a loop

// ---- what inventory holds

static const struct life_line *world_line(const struct life *life, const char *sku)
{
    for (size_t i = 0; i < life->line_count; i++)
        if (strcmp(life->lines[i].sku, sku) == 0)
            return &life->lines[i];
    return &life->lines[0];
}

static void book_reserve(struct life *life, const Orderclerk__V1__ReserveStock *reserve)
{
    for (size_t i = 0; i < reserve->n_lines; i++) {
        const Orderclerk__V1__ReserveLine *line = reserve->lines[i];
        const int64_t available = world_line(life, line->sku)->available;
        const int64_t reserved = available < line->quantity ? available : line->quantity;
        life->stock[line->line_no].reserved = reserved;
        life->stock[line->line_no].backordered = line->backorder ? line->quantity - reserved : 0;
    }
    for (uint32_t line_no = 1; line_no <= LIFE_LINES_MAX; line_no++) {
        bool wanted = false;
        for (size_t i = 0; i < reserve->n_lines; i++)
            wanted = wanted || reserve->lines[i]->line_no == line_no;
        if (!wanted && (line_no > life->line_count || !life->lines[line_no - 1].make))
            life->stock[line_no].reserved = life->stock[line_no].backordered = 0;
    }
}

// Inventory books in the order in which it is asked, whenever its answers arrive.
void life_book(struct life *life, struct life_command *command)
{
    if (strcmp(command->name, "ReserveStock") == 0)
        book_reserve(life, (const void *)command->body);
    if (strcmp(command->name, "ReleaseStock") == 0)
        memset(life->stock, 0, sizeof life->stock);
    if (strcmp(command->name, "ReceiveForOrder") == 0) {
        const Orderclerk__V1__ReceiveForOrder *receive = (const void *)command->body;
        life->stock[receive->line_no].reserved += receive->quantity;
        command->booked = life->stock[receive->line_no].reserved;
    }
    if (strcmp(command->name, "ConsumeStock") != 0)
        return;
    const Orderclerk__V1__ConsumeStock *consume = (const void *)command->body;
    for (size_t i = 0; i < consume->n_lines; i++) {
        int64_t *reserved = &life->stock[consume->lines[i]->line_no].reserved;
        *reserved -= *reserved < consume->lines[i]->quantity ? *reserved : consume->lines[i]->quantity;
    }
}

int64_t life_held(const struct life *life)
{
    int64_t held = 0;
    for (size_t i = 1; i <= LIFE_LINES_MAX; i++)
        held += life->stock[i].reserved + life->stock[i].backordered;
    return held;
}

// ---- the world's answers

static bool is_waived(const Orderclerk__V1__ValidateOrder *validate,
                      const Orderclerk__V1__Violation *violation)
{
    char name[128];
    snprintf(name, sizeof name, "%s@%s", violation->code, violation->field);
    for (size_t i = 0; i < validate->n_waived; i++)
        if (strcmp(validate->waived[i], name) == 0)
            return true;
    return violation->severity == ORDERCLERK__V1__SEVERITY__SEVERITY_CLEARABLE_BY_CUSTOMER &&
           validate->order->revision > 1;
}

static void answer_validate(struct life *life, const Orderclerk__V1__ValidateOrder *validate)
{
    Orderclerk__V1__ValidationEvent *event = MESSAGE(life, validation_event);
    Orderclerk__V1__ValidationFailed *failed = MESSAGE(life, validation_failed);
    failed->order_revision = validate->order->revision;
    failed->violations = arena_new_array(life->arena, Orderclerk__V1__Violation *, 8);
    for (size_t i = 0; i < life->violation_count; i++)
        if (!is_waived(validate, life->violations[i]))
            failed->violations[failed->n_violations++] = life->violations[i];
    if (failed->n_violations > 0) {
        event->body_case = ORDERCLERK__V1__VALIDATION_EVENT__BODY_FAILED;
        event->failed = failed;
        life_send(life, &event->base);
        return;
    }
    Orderclerk__V1__OrderValidated *validated = MESSAGE(life, order_validated);
    validated->order_revision = validate->order->revision;
    validated->terms_granted = true;
    validated->promise_zone = (char *)"Asia/Shanghai";
    validated->earliest_date = (char *)"2026-11-26";
    validated->customer_id = (char *)"C01";
    validated->lines = arena_new_array(life->arena, Orderclerk__V1__ResolvedLine *, LIFE_LINES_MAX);
    for (size_t i = 0; i < validate->order->n_lines; i++) {
        const Orderclerk__V1__OrderLine *written = validate->order->lines[i];
        const struct life_line *known = world_line(life, written->product_code);
        Orderclerk__V1__ResolvedLine *line = MESSAGE(life, resolved_line);
        line->line_no = written->line_no;
        line->sku = written->product_code;
        line->kind = known->make ? ORDERCLERK__V1__LINE_KIND__LINE_KIND_MAKE
                                 : ORDERCLERK__V1__LINE_KIND__LINE_KIND_STOCK;
        line->quantity = written->quantity;
        line->net_minor = known->net_minor / known->quantity * written->quantity;
        line->tax_minor = known->tax_minor / known->quantity * written->quantity;
        if (written->quantity == known->quantity) {
            line->net_minor = known->net_minor;
            line->tax_minor = known->tax_minor;
        }
        line->gross_minor = line->net_minor + line->tax_minor;
        line->no_picking = known->no_picking;
        validated->lines[validated->n_lines++] = line;
    }
    event->body_case = ORDERCLERK__V1__VALIDATION_EVENT__BODY_VALIDATED;
    event->validated = validated;
    life_send(life, &event->base);
}

static void answer_reserve(struct life *life, const Orderclerk__V1__ReserveStock *reserve)
{
    Orderclerk__V1__InventoryEvent *event = MESSAGE(life, inventory_event);
    Orderclerk__V1__Allocation **allocations =
        arena_new_array(life->arena, Orderclerk__V1__Allocation *, LIFE_LINES_MAX);
    Orderclerk__V1__Shortage **shortages =
        arena_new_array(life->arena, Orderclerk__V1__Shortage *, LIFE_LINES_MAX);
    size_t count = 0;
    size_t shorts = 0;
    for (size_t i = 0; i < reserve->n_lines; i++) {
        const Orderclerk__V1__ReserveLine *line = reserve->lines[i];
        const struct life_line *known = world_line(life, line->sku);
        Orderclerk__V1__Allocation *allocation = MESSAGE(life, allocation);
        allocation->line_no = line->line_no;
        allocation->sku = line->sku;
        allocation->warehouse = (char *)known->warehouse;
        allocation->reserved = known->available < line->quantity ? known->available : line->quantity;
        const int64_t lacking = line->quantity - allocation->reserved;
        if (lacking > 0 && line->backorder) {
            allocation->backordered = lacking;
            allocation->promised_date = (char *)"2026-12-01";
        } else if (lacking > 0) {
            Orderclerk__V1__Shortage *shortage = MESSAGE(life, shortage);
            shortage->line_no = line->line_no;
            shortage->sku = line->sku;
            shortage->wanted = line->quantity;
            shortage->available = known->available;
            Orderclerk__V1__Substitute *substitute = MESSAGE(life, substitute);
            substitute->sku = (char *)"B-200";
            shortage->substitutes = arena_copy(life->arena, &substitute, sizeof substitute);
            shortage->n_substitutes = 1;
            shortages[shorts++] = shortage;
        }
        allocations[count++] = allocation;
    }
    if (shorts > 0) {
        event->body_case = ORDERCLERK__V1__INVENTORY_EVENT__BODY_SHORT_OF_STOCK;
        event->short_of_stock = MESSAGE(life, stock_short);
        event->short_of_stock->order_revision = reserve->order_revision;
        event->short_of_stock->shortages = shortages;
        event->short_of_stock->n_shortages = shorts;
        event->short_of_stock->allocations = allocations;
        event->short_of_stock->n_allocations = count;
    } else {
        event->body_case = ORDERCLERK__V1__INVENTORY_EVENT__BODY_RESERVED;
        event->reserved = MESSAGE(life, stock_reserved);
        event->reserved->order_revision = reserve->order_revision;
        event->reserved->allocations = allocations;
        event->reserved->n_allocations = count;
    }
    life_send(life, &event->base);
}

void life_fill(struct life *life)
{
    for (size_t i = 0; i < life->command_count; i++)
        if (life->commands[i].peer == SAGA_PEER_INVENTORY && !life->commands[i].answered)
            return; // its answers come in order
    Orderclerk__V1__InventoryEvent *event = MESSAGE(life, inventory_event);
    event->body_case = ORDERCLERK__V1__INVENTORY_EVENT__BODY_BACKORDER_FILLED;
    event->backorder_filled = MESSAGE(life, backorder_filled);
    event->backorder_filled->allocations =
        arena_new_array(life->arena, Orderclerk__V1__Allocation *, LIFE_LINES_MAX);
    int64_t filled = 0;
    for (uint32_t line_no = 1; line_no <= LIFE_LINES_MAX; line_no++) {
        filled += life->stock[line_no].backordered;
        life->stock[line_no].reserved += life->stock[line_no].backordered;
        life->stock[line_no].backordered = 0;
        if (life->stock[line_no].reserved == 0)
            continue;
        Orderclerk__V1__Allocation *allocation = MESSAGE(life, allocation);
        allocation->line_no = line_no;
        allocation->warehouse =
            (char *)(life->lines[line_no - 1].make ? "GZ1" : life->lines[line_no - 1].warehouse);
        allocation->reserved = life->stock[line_no].reserved;
        for (size_t i = 0; i < life->doc->n_resolved; i++)
            if (life->doc->resolved[i]->line_no == line_no) {
                allocation->sku = life->doc->resolved[i]->sku;
                if (!life->lines[line_no - 1].make)
                    allocation->warehouse = (char *)world_line(life, allocation->sku)->warehouse;
            }
        event->backorder_filled->allocations[event->backorder_filled->n_allocations++] = allocation;
    }
    if (filled > 0)
        life_send(life, &event->base);
}

static void answer_inventory(struct life *life, const struct life_command *command)
{
    Orderclerk__V1__InventoryEvent *event = MESSAGE(life, inventory_event);
    if (strcmp(command->name, "ReserveStock") == 0) {
        answer_reserve(life, (const void *)command->body);
        return;
    }
    if (strcmp(command->name, "ReleaseStock") == 0) {
        event->body_case = ORDERCLERK__V1__INVENTORY_EVENT__BODY_RELEASED;
        event->released = MESSAGE(life, stock_released);
    } else if (strcmp(command->name, "ConsumeStock") == 0) {
        event->body_case = ORDERCLERK__V1__INVENTORY_EVENT__BODY_CONSUMED;
        event->consumed = MESSAGE(life, stock_consumed);
        event->consumed->shipment_id =
            ((const Orderclerk__V1__ConsumeStock *)(const void *)command->body)->shipment_id;
    } else {
        const Orderclerk__V1__ReceiveForOrder *receive = (const void *)command->body;
        event->body_case = ORDERCLERK__V1__INVENTORY_EVENT__BODY_RECEIVED;
        event->received = MESSAGE(life, received_for_order);
        event->received->allocation = MESSAGE(life, allocation);
        event->received->allocation->line_no = receive->line_no;
        event->received->allocation->sku = receive->sku;
        event->received->allocation->warehouse = receive->warehouse;
        event->received->allocation->reserved = command->booked;
    }
    life_send(life, &event->base);
}

static void answer_release(struct life *life, const Orderclerk__V1__ReleaseShipment *release)
{
    static const Orderclerk__V1__ShipmentEvent__BodyCase news[] = {
        [LIFE_ACCEPTED] = ORDERCLERK__V1__SHIPMENT_EVENT__BODY_ACCEPTED,
        [LIFE_PICKING] = ORDERCLERK__V1__SHIPMENT_EVENT__BODY_PICKING,
        [LIFE_PACKED] = ORDERCLERK__V1__SHIPMENT_EVENT__BODY_PACKED,
        [LIFE_HANDED_OVER] = ORDERCLERK__V1__SHIPMENT_EVENT__BODY_HANDED_OVER,
        [LIFE_IN_TRANSIT] = ORDERCLERK__V1__SHIPMENT_EVENT__BODY_IN_TRANSIT,
        [LIFE_DELIVERED] = ORDERCLERK__V1__SHIPMENT_EVENT__BODY_DELIVERED,
    };
    for (enum life_stage stage = LIFE_ACCEPTED; stage <= life->ship_until; stage++)
        life_news(life, release->shipment_id, news[stage]);
}

static void answer_fulfillment(struct life *life, const struct life_command *command)
{
    if (strcmp(command->name, "ReleaseShipment") == 0) {
        answer_release(life, (const void *)command->body);
        return;
    }
    const char *id = ((const Orderclerk__V1__CancelShipment *)(const void *)command->body)->shipment_id;
    if (life->handed_over_meanwhile)
        life_news(life, id, ORDERCLERK__V1__SHIPMENT_EVENT__BODY_HANDED_OVER);
    life_news(life, id,
              life->cancel_refused || life->handed_over_meanwhile
                  ? ORDERCLERK__V1__SHIPMENT_EVENT__BODY_CANCEL_REJECTED
                  : ORDERCLERK__V1__SHIPMENT_EVENT__BODY_CANCEL_ACCEPTED);
}

#define REPLY(NAME, name)                                                                                    \
    life_reply(life, c->department, ORDERCLERK__V1__DEPARTMENT_REPLY__BODY_##NAME, MESSAGE(life, name))

static void answer_department(struct life *life, const Orderclerk__V1__DepartmentCommand *c)
{
    switch ((int)c->body_case) {
    case ORDERCLERK__V1__DEPARTMENT_COMMAND__BODY_HAND_OVER:
        REPLY(ERP_ACCEPTED, erp_accepted);
        break;
    case ORDERCLERK__V1__DEPARTMENT_COMMAND__BODY_CHECK_CREDIT:
        REPLY(CREDIT_OK, credit_ok);
        break;
    case ORDERCLERK__V1__DEPARTMENT_COMMAND__BODY_PLAN: {
        Orderclerk__V1__PlanConfirmed *plan = MESSAGE(life, plan_confirmed);
        plan->kind = c->plan->kind;
        plan->date = (char *)"2026-11-30";
        plan->window = (char *)"09:00-18:00";
        life_reply(life, c->department, ORDERCLERK__V1__DEPARTMENT_REPLY__BODY_PLAN_CONFIRMED, &plan->base);
        break;
    }
    case ORDERCLERK__V1__DEPARTMENT_COMMAND__BODY_CANCEL_PLAN: {
        Orderclerk__V1__PlanCancelled *plan = MESSAGE(life, plan_cancelled);
        plan->kind = c->cancel_plan->kind;
        life_reply(life, c->department, ORDERCLERK__V1__DEPARTMENT_REPLY__BODY_PLAN_CANCELLED, &plan->base);
        break;
    }
    case ORDERCLERK__V1__DEPARTMENT_COMMAND__BODY_CANCEL_PRODUCTION: {
        Orderclerk__V1__ProductionCancelled *cancelled = MESSAGE(life, production_cancelled);
        cancelled->accepted = !life->production_goes_on;
        life_reply(life, c->department, ORDERCLERK__V1__DEPARTMENT_REPLY__BODY_PRODUCTION_CANCELLED,
                   &cancelled->base);
        break;
    }
    case ORDERCLERK__V1__DEPARTMENT_COMMAND__BODY_CANCEL_ERP:
        REPLY(ERP_CANCELLED, erp_cancelled);
        break;
    case ORDERCLERK__V1__DEPARTMENT_COMMAND__BODY_REQUEST_APPROVAL:
    case ORDERCLERK__V1__DEPARTMENT_COMMAND__BODY_REQUEST_REVIEW: {
        Orderclerk__V1__Approved *approved = MESSAGE(life, approved);
        approved->task_id = c->body_case == ORDERCLERK__V1__DEPARTMENT_COMMAND__BODY_REQUEST_REVIEW
                                ? c->request_review->task_id
                                : c->request_approval->task_id;
        life_reply(life, c->department, ORDERCLERK__V1__DEPARTMENT_REPLY__BODY_APPROVED, &approved->base);
        break;
    }
    case ORDERCLERK__V1__DEPARTMENT_COMMAND__BODY_REQUEST_INVOICE: {
        Orderclerk__V1__InvoiceIssued *issued = MESSAGE(life, invoice_issued);
        issued->shipment_id = c->request_invoice->shipment_id;
        issued->gross_minor = c->request_invoice->gross_minor;
        issued->invoice_no = (char *)"INV-1";
        issued->date = (char *)"2026-11-24";
        life_reply(life, c->department, ORDERCLERK__V1__DEPARTMENT_REPLY__BODY_INVOICE_ISSUED, &issued->base);
        break;
    }
    case ORDERCLERK__V1__DEPARTMENT_COMMAND__BODY_PAYMENT_DUE: {
        Orderclerk__V1__PaymentReceived *received = MESSAGE(life, payment_received);
        received->amount_minor = c->payment_due->amount_minor;
        received->currency = c->payment_due->currency;
        life_reply(life, c->department, ORDERCLERK__V1__DEPARTMENT_REPLY__BODY_PAYMENT_RECEIVED,
                   &received->base);
        break;
    }
    case ORDERCLERK__V1__DEPARTMENT_COMMAND__BODY_CREDIT_NOTE: {
        Orderclerk__V1__CreditNoteIssued *note = MESSAGE(life, credit_note_issued);
        note->amount_minor = c->credit_note->amount_minor;
        life_reply(life, c->department, ORDERCLERK__V1__DEPARTMENT_REPLY__BODY_CREDIT_NOTE_ISSUED,
                   &note->base);
        break;
    }
    default:
        fail_msg("a command to a department that the world doesn't know");
    }
}

static bool is_muted(const struct life *life, const char *command)
{
    for (size_t i = 0; i < life->mute_count; i++)
        if (strcmp(life->mute[i], command) == 0)
            return true;
    return false;
}

bool life_turn(struct life *life)
{
    for (size_t i = 0; i < life->command_count; i++) {
        struct life_command *command = &life->commands[i];
        if (command->answered || command->peer == SAGA_PEER_NOTIFIER || is_muted(life, command->name))
            continue;
        command->answered = true;
        if (command->peer == SAGA_PEER_VALIDATOR)
            answer_validate(life, (const void *)command->body);
        else if (command->peer == SAGA_PEER_INVENTORY)
            answer_inventory(life, command);
        else if (command->peer == SAGA_PEER_FULFILLMENT)
            answer_fulfillment(life, command);
        else
            answer_department(life, (const void *)command->message);
        return true;
    }
    return false;
}

void life_run(struct life *life)
{
    for (unsigned i = 0; life_turn(life); i++)
        assert_true(i < RUN_MAX);
}

void life_advance(struct life *life, int64_t us)
{
    const instant until = life->now + us;
    for (unsigned i = 0;; i++) {
        assert_true(i < RUN_MAX);
        const instant due = saga_due(&life->context, life->doc);
        if (due == INSTANT_NONE || due > until)
            break;
        life->now = due > life->now ? due : life->now;
        life_run_due(life);
        life_run(life);
    }
    life->now = until;
}

void life_start(struct life *life, const char *state)
{
    assert_int_equal(life_submit(life), SAGA_MOVED);
    life_run(life);
    life_assert_state(life, state);
}
