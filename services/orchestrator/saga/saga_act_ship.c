// Actions on shipments and money: release, the warehouse's and carrier's news, the pivot, invoices, payments, the end.
#include "orchestrator/saga/saga_run.h"

#include <stdio.h>
#include <string.h>

static Orderclerk__V1__ShipmentState *named_shipment(const struct saga_run *run)
{
    return saga_shipment(run->doc, run->input->shipment_id);
}

static void tell_progress(struct saga_run *run, Orderclerk__V1__ShipmentState *shipment)
{
    Orderclerk__V1__ShipmentProgressed *body = NEW(run, shipment_progressed);
    body->shipment = shipment;
    saga_tell(run, ORDERCLERK__V1__ORDER_EVENT__BODY_SHIPMENT_PROGRESSED)->shipment_progressed = body;
}

// --- Release.

static void release_shipment(struct saga_run *run, Orderclerk__V1__ShipmentState *shipment)
{
    Orderclerk__V1__OrderState *doc = run->doc;
    Orderclerk__V1__ReleaseShipment *release = NEW(run, release_shipment);
    release->shipment_id = shipment->shipment_id;
    release->warehouse = shipment->warehouse;
    release->order_no = doc->order_no;
    release->customer_po = doc->order->customer_po;
    release->deliver_to = doc->order->delivery;
    release->lines = shipment->lines;
    release->n_lines = shipment->n_lines;
    release->carrier_wish = doc->order->carrier_wish;
    release->requested_date = doc->promise->date;
    Orderclerk__V1__FulfillmentCommand *command = NEW(run, fulfillment_command);
    command->saga_revision = doc->saga_revision;
    command->body_case = ORDERCLERK__V1__FULFILLMENT_COMMAND__BODY_RELEASE;
    command->release = release;
    const struct uuid id = run->sink->command(run->sink->self, SAGA_PEER_FULFILLMENT, &command->base);
    saga_step_ask(run, SAGA_STEP_RELEASE, shipment->shipment_id, id);
    shipment->state = (char *)"RELEASE_REQUESTED";
    Orderclerk__V1__ShipmentReleased *body = NEW(run, shipment_released);
    body->shipment = shipment;
    saga_tell(run, ORDERCLERK__V1__ORDER_EVENT__BODY_SHIPMENT_RELEASED)->shipment_released = body;
}

ACT(release)
{
    for (size_t i = 0; i < run->doc->n_shipments; i++) {
        Orderclerk__V1__ShipmentState *shipment = run->doc->shipments[i];
        if (saga_shipment_is(shipment, "DRAFT") && saga_at_hand(run->doc, shipment))
            release_shipment(run, shipment);
    }
    run->renew = true;
}

// --- News.

static void answered(struct saga_run *run, const Orderclerk__V1__ShipmentState *shipment)
{
    Orderclerk__V1__Step *step =
        saga_step_find(run->doc, SAGA_STEP_RELEASE, shipment->shipment_id, STEP_ASKED);
    if (step != NULL)
        saga_step_set(run, step, STEP_DONE);
    saga_hold_lift(run, "WAREHOUSE", shipment->warehouse, shipment->warehouse, "the warehouse answers");
}

static void take_eta(struct saga_run *run, Orderclerk__V1__ShipmentState *shipment, const char *eta)
{
    local_date date;
    if (IS_EMPTY(eta) || !date_parse(eta, &date) || strcmp(eta, shipment->eta_date) == 0)
        return;
    const bool moved = !IS_EMPTY(shipment->eta_date);
    shipment->eta_date = (char *)eta;
    run->renew = run->from == SAGA_SHIPPED;
    if (moved && strcmp(eta, run->doc->promise->date) != 0)
        saga_promise_move(run, eta, "the carrier's expected arrival");
}

ACT(progress)
{
    Orderclerk__V1__ShipmentState *shipment = named_shipment(run);
    switch ((int)run->event) {
    case SAGA_EVENT_SHIPMENT_ACCEPTED:
        shipment->state = (char *)"ACCEPTED";
        break;
    case SAGA_EVENT_SHIPMENT_REJECTED:
        shipment->state = (char *)"REJECTED";
        break;
    case SAGA_EVENT_SHIPMENT_PICKING:
        shipment->state = (char *)"PICKING";
        break;
    case SAGA_EVENT_SHIPMENT_PACKED:
        shipment->state = (char *)"PACKED";
        break;
    case SAGA_EVENT_SHIPMENT_IN_TRANSIT:
        shipment->state = (char *)"IN_TRANSIT";
        take_eta(run, shipment, BODY(run, ShipmentInTransit)->eta_date);
        break;
    case SAGA_EVENT_SHIPMENT_EXCEPTION:
        shipment->state = (char *)"EXCEPTION";
        break;
    case SAGA_EVENT_SHIPMENT_LOST:
        shipment->state = (char *)"LOST";
        saga_count_short(run, shipment, 1);
        break;
    default:
        if (!saga_shipment_is(shipment, "LOST"))
            saga_count_short(run, shipment, 1);
        shipment->state = (char *)"RETURNED_TO_SENDER";
        break;
    }
    answered(run, shipment);
    tell_progress(run, shipment);
}

ACT(hold_warehouse)
{
    const Orderclerk__V1__ShipmentState *shipment = named_shipment(run);
    const char *reason = BODY(run, ShipmentUnreachable)->reason;
    saga_hold_place(run, "WAREHOUSE", shipment->warehouse,
                    IS_EMPTY(reason) ? "the warehouse does not answer" : reason);
}

// --- The pivot.

ACT(ask_consume)
{
    const Orderclerk__V1__ShipmentHandedOver *handed = BODY(run, ShipmentHandedOver);
    const Orderclerk__V1__ShipmentState *shipment = named_shipment(run);
    Orderclerk__V1__ConsumeStock *consume = NEW(run, consume_stock);
    consume->shipment_id = shipment->shipment_id;
    consume->warehouse = shipment->stock_warehouse;
    consume->lines = handed->lines;
    consume->n_lines = handed->n_lines;
    for (size_t i = 0; i < consume->n_lines; i++) // the saga's own word for what a line is
        consume->lines[i]->sku = saga_line(run->doc, consume->lines[i]->line_no)->sku;
    Orderclerk__V1__InventoryCommand *command = NEW(run, inventory_command);
    command->saga_revision = run->doc->saga_revision;
    command->body_case = ORDERCLERK__V1__INVENTORY_COMMAND__BODY_CONSUME;
    command->consume = consume;
    const struct uuid id = run->sink->command(run->sink->self, SAGA_PEER_INVENTORY, &command->base);
    saga_step_ask(run, SAGA_STEP_CONSUME, shipment->shipment_id, id);
}

ACT(ask_invoice)
{
    Orderclerk__V1__OrderState *doc = run->doc;
    const Orderclerk__V1__ShipmentHandedOver *handed = BODY(run, ShipmentHandedOver);
    Orderclerk__V1__ShipmentState *shipment = named_shipment(run);
    Orderclerk__V1__RequestInvoice *request = NEW(run, request_invoice);
    request->shipment_id = shipment->shipment_id;
    saga_invoice_of(doc, handed->lines, handed->n_lines, &request->net_minor, &request->tax_minor);
    request->gross_minor = request->net_minor + request->tax_minor;
    request->currency = doc->order->currency;
    request->invoice = doc->order->invoice;
    request->lines = handed->lines;
    request->n_lines = handed->n_lines;
    shipment->invoice_minor = request->gross_minor;
    doc->invoiced_minor += request->gross_minor;
    Orderclerk__V1__DepartmentCommand *command = saga_department_command(run, "finance");
    command->body_case = ORDERCLERK__V1__DEPARTMENT_COMMAND__BODY_REQUEST_INVOICE;
    command->request_invoice = request;
    const struct uuid id = run->sink->command(run->sink->self, SAGA_PEER_DEPARTMENTS, &command->base);
    saga_step_ask(run, SAGA_STEP_INVOICE, shipment->shipment_id, id);
    Orderclerk__V1__InvoiceRequested *body = NEW(run, invoice_requested);
    body->shipment_id = request->shipment_id;
    body->net_minor = request->net_minor;
    body->tax_minor = request->tax_minor;
    body->gross_minor = request->gross_minor;
    body->currency = request->currency;
    saga_tell(run, ORDERCLERK__V1__ORDER_EVENT__BODY_INVOICE_REQUESTED)->invoice_requested = body;
}

static void settle_release(struct saga_run *run, Orderclerk__V1__ShipmentState *shipment)
{
    Orderclerk__V1__Step *step = saga_step_find(run->doc, SAGA_STEP_RELEASE, shipment->shipment_id, NULL);
    if (step != NULL && (saga_step_is(step, STEP_UNDOING) || saga_step_is(step, STEP_FAILED)))
        saga_step_set(run, step, STEP_KEPT);
    if (strcmp(shipment->cancel_request, "REQUESTED") == 0)
        shipment->cancel_request = (char *)"REJECTED";
    answered(run, shipment);
}

ACT(hand_over)
{
    const Orderclerk__V1__ShipmentHandedOver *handed = BODY(run, ShipmentHandedOver);
    Orderclerk__V1__OrderState *doc = run->doc;
    Orderclerk__V1__ShipmentState *shipment = named_shipment(run);
    shipment->lines = handed->lines;
    shipment->n_lines = handed->n_lines;
    shipment->carrier = handed->carrier;
    shipment->tracking_no = handed->tracking_no;
    shipment->eta_date = handed->eta_date;
    for (size_t i = 0; i < shipment->n_lines; i++) {
        Orderclerk__V1__LineQuantities *q = saga_quantities(doc, shipment->lines[i]->line_no);
        saga_deallocate(doc, shipment, shipment->lines[i]);
        q->shipped += shipment->lines[i]->quantity;
        if (q->cancelled > q->ordered - q->shipped) // of an order that was undone
            q->cancelled = q->ordered - q->shipped;
    }
    settle_release(run, shipment);
    shipment->state = (char *)"HANDED_OVER";
    saga_quantities_held(run);
    if (run->from != SAGA_CANCELLED && run->from != SAGA_REJECTED)
        saga_shipments_plan(run); // what was released and stayed behind
}

ACT(tell_shipped)
{
    Orderclerk__V1__OrderState *doc = run->doc;
    Orderclerk__V1__ShipmentState *shipment = named_shipment(run);
    const bool all = saga_everything_gone(doc, NULL);
    if (all) {
        Orderclerk__V1__OrderShipped *body = NEW(run, order_shipped);
        body->shipment = shipment;
        saga_tell(run, ORDERCLERK__V1__ORDER_EVENT__BODY_SHIPPED)->shipped = body;
    } else {
        Orderclerk__V1__OrderPartiallyShipped *body = NEW(run, order_partially_shipped);
        body->shipment = shipment;
        saga_tell(run, ORDERCLERK__V1__ORDER_EVENT__BODY_PARTIALLY_SHIPPED)->partially_shipped = body;
    }
    Orderclerk__V1__Notify *notify =
        saga_notice(run, all ? SAGA_NOTICE_SHIPPED : SAGA_NOTICE_PARTIALLY_SHIPPED);
    if (notify == NULL)
        return;
    saga_notice_value(run, notify, "carrier", shipment->carrier);
    saga_notice_value(run, notify, "tracking_no", shipment->tracking_no);
    saga_notice_value(run, notify, "eta_date", shipment->eta_date);
    saga_notice_value(run, notify, "warehouse", shipment->warehouse);
    saga_notice_send(run, notify);
}

#define LOST_TASK "CANCEL_LOST"

ACT(cancel_lost)
{
    Orderclerk__V1__OrderState *doc = run->doc;
    Orderclerk__V1__ShipmentState *shipment = named_shipment(run);
    Orderclerk__V1__CancelLost *body = NEW(run, cancel_lost);
    body->shipment = shipment;
    saga_tell(run, ORDERCLERK__V1__ORDER_EVENT__BODY_CANCEL_LOST)->cancel_lost = body;
    char id[UUID_TEXT_SIZE];
    uuid_format(saga_task_id(run), id);
    Orderclerk__V1__Task *task = NEW(run, task);
    task->task_id = saga_copy(run, id);
    task->owner = (char *)"clerk";
    task->kind = (char *)LOST_TASK;
    task->text_en =
        (char *)"Goods left after the order was undone: agree with the customer on keeping or returning them";
    task->text_zh = (char *)"订单撤销后货物已发出：请与客户协商留货或退货";
    task->since_us = run->now;
    saga_append(run->arena, &doc->tasks, &doc->n_tasks, task);
    Orderclerk__V1__TaskOpened *opened = NEW(run, task_opened);
    opened->task = task;
    saga_tell(run, ORDERCLERK__V1__ORDER_EVENT__BODY_TASK_OPENED)->task_opened = opened;
}

// --- Arrival.

ACT(deliver)
{
    const Orderclerk__V1__ShipmentDelivered *delivered = BODY(run, ShipmentDelivered);
    Orderclerk__V1__ShipmentState *shipment = named_shipment(run);
    if (saga_shipment_is(shipment, "LOST") || saga_shipment_is(shipment, "RETURNED_TO_SENDER"))
        saga_count_short(run, shipment, -1);
    for (size_t i = 0; i < shipment->n_lines; i++) {
        Orderclerk__V1__LineQuantities *q = saga_quantities(run->doc, shipment->lines[i]->line_no);
        const int64_t sent = shipment->lines[i]->quantity;
        int64_t got = delivered->n_lines == 0 ? sent : 0;
        for (size_t j = 0; j < delivered->n_lines; j++)
            if (delivered->lines[j]->line_no == shipment->lines[i]->line_no &&
                delivered->lines[j]->quantity > 0)
                got += delivered->lines[j]->quantity;
        got = got > sent ? sent : got;
        q->delivered += got;
        q->short_delivered += sent - got;
    }
    shipment->state = (char *)"DELIVERED";
    tell_progress(run, shipment);
}

ACT(tell_delivered)
{
    Orderclerk__V1__OrderDelivered *body = NEW(run, order_delivered);
    body->delivered_at_us = run->now;
    if (run->event == SAGA_EVENT_SHIPMENT_DELIVERED && BODY(run, ShipmentDelivered)->delivered_at_us != 0)
        body->delivered_at_us = BODY(run, ShipmentDelivered)->delivered_at_us;
    saga_tell(run, ORDERCLERK__V1__ORDER_EVENT__BODY_DELIVERED)->delivered = body;
    Orderclerk__V1__Notify *notify = saga_notice(run, SAGA_NOTICE_DELIVERED);
    if (notify == NULL)
        return;
    char until[INSTANT_TEXT_SIZE];
    instant_format(run->now + run->settings->dispute_window, until);
    saga_notice_value(run, notify, "report_until", saga_copy(run, until));
    saga_notice_send(run, notify);
}

ACT(take_answer)
{
    saga_step_set(run, saga_step_answered(run, STEP_ASKED), STEP_DONE);
}

// --- Invoice and payment.

ACT(take_invoice)
{
    const Orderclerk__V1__InvoiceIssued *issued = BODY(run, InvoiceIssued);
    Orderclerk__V1__ShipmentState *shipment = saga_shipment(run->doc, issued->shipment_id);
    shipment->invoice_no = issued->invoice_no;
    shipment->invoice_date = issued->date;
    saga_step_set(run, saga_step_answered(run, STEP_ASKED), STEP_DONE);
    Orderclerk__V1__InvoiceRecorded *body = NEW(run, invoice_recorded);
    body->shipment_id = shipment->shipment_id;
    body->invoice_no = issued->invoice_no;
    body->invoice_date = issued->date;
    body->gross_minor = issued->gross_minor;
    saga_tell(run, ORDERCLERK__V1__ORDER_EVENT__BODY_INVOICE_RECORDED)->invoice_recorded = body;
}

static Orderclerk__V1__PaymentKind terms_of(const Orderclerk__V1__OrderState *doc)
{
    return doc->order->payment == NULL ? ORDERCLERK__V1__PAYMENT_KIND__PAYMENT_KIND_UNSPECIFIED
                                       : doc->order->payment->kind;
}

#define INSTALMENT_DAYS 30 // the first instalment; finance schedules the others

static char *due_date(struct saga_run *run, const char *from)
{
    local_date date;
    int minute;
    char text[DATE_TEXT_SIZE];
    if (!date_parse(from, &date) && !zone_local(run->settings->business_zone, run->now, &date, &minute))
        date = (local_date)(run->now / INSTANT_DAY);
    const uint32_t net_days = run->doc->order->payment == NULL ? 0 : run->doc->order->payment->net_days;
    if (terms_of(run->doc) == ORDERCLERK__V1__PAYMENT_KIND__PAYMENT_KIND_NET && net_days < 1000)
        date += (local_date)net_days;
    if (terms_of(run->doc) == ORDERCLERK__V1__PAYMENT_KIND__PAYMENT_KIND_INSTALMENT)
        date += INSTALMENT_DAYS;
    date_format(date, text);
    return saga_copy(run, text);
}

static void ask_money(struct saga_run *run, const char *invoice_no, int64_t amount, const char *from)
{
    Orderclerk__V1__PaymentDue *due = NEW(run, payment_due);
    due->invoice_no = (char *)invoice_no;
    due->amount_minor = amount;
    due->currency = run->doc->order->currency;
    due->due_date = due_date(run, from);
    due->terms = run->doc->order->payment;
    Orderclerk__V1__DepartmentCommand *command = saga_department_command(run, "finance");
    command->body_case = ORDERCLERK__V1__DEPARTMENT_COMMAND__BODY_PAYMENT_DUE;
    command->payment_due = due;
    const struct uuid id = run->sink->command(run->sink->self, SAGA_PEER_DEPARTMENTS, &command->base);
    saga_step_ask(run, SAGA_STEP_PAYMENT, "", id);
}

// An order that is registered again after its customer has changed it: what was asked for may still be on its way.
ACT(ask_prepayment)
{
    Orderclerk__V1__OrderState *doc = run->doc;
    if (terms_of(doc) != ORDERCLERK__V1__PAYMENT_KIND__PAYMENT_KIND_PREPAID)
        return;
    const int64_t asked =
        doc->prepayment_asked_minor > doc->paid_minor ? doc->prepayment_asked_minor : doc->paid_minor;
    if (asked >= doc->total_minor)
        return;
    ask_money(run, "", doc->total_minor - asked, "");
    doc->prepayment_asked_minor = doc->total_minor;
}

// An undone order whose goods left all the same was never billed ahead, or has its money back.
ACT(ask_payment)
{
    const Orderclerk__V1__OrderState *doc = run->doc;
    const Orderclerk__V1__InvoiceIssued *issued = BODY(run, InvoiceIssued);
    const bool unmade = run->from == SAGA_CANCELLED || run->from == SAGA_REJECTED;
    if (unmade || terms_of(doc) != ORDERCLERK__V1__PAYMENT_KIND__PAYMENT_KIND_PREPAID)
        ask_money(run, issued->invoice_no, issued->gross_minor, issued->date);
}

ACT(take_payment)
{
    const Orderclerk__V1__PaymentReceived *received = BODY(run, PaymentReceived);
    Orderclerk__V1__OrderState *doc = run->doc;
    doc->paid_minor += received->amount_minor;
    saga_payment_state(doc);
    Orderclerk__V1__Step *step = saga_step_find(doc, SAGA_STEP_PAYMENT, "", NULL);
    if (step == NULL) // paid before anybody asked
        step = saga_step_ask(run, SAGA_STEP_PAYMENT, "", (struct uuid){{0}});
    if (saga_step_is(step, STEP_ASKED) && doc->paid_minor >= doc->total_minor)
        saga_step_set(run, step, STEP_DONE);
    Orderclerk__V1__PaymentRecorded *body = NEW(run, payment_recorded);
    body->amount_minor = received->amount_minor;
    body->paid_minor = doc->paid_minor;
    body->payment_state = doc->payment_state;
    body->reference = received->reference;
    saga_tell(run, ORDERCLERK__V1__ORDER_EVENT__BODY_PAYMENT_RECORDED)->payment_recorded = body;
}

ACT(write_off)
{
    Orderclerk__V1__OrderState *doc = run->doc;
    Orderclerk__V1__PaymentRecorded *body = NEW(run, payment_recorded);
    doc->payment_state = (char *)"WRITTEN_OFF";
    saga_payment_state(doc);
    body->paid_minor = doc->paid_minor;
    body->payment_state = doc->payment_state;
    body->reference = BODY(run, ResolveByOperator)->reason;
    saga_tell(run, ORDERCLERK__V1__ORDER_EVENT__BODY_PAYMENT_RECORDED)->payment_recorded = body;
}

ACT(complete)
{
    Orderclerk__V1__OrderState *doc = run->doc;
    Orderclerk__V1__OrderCompleted *body = NEW(run, order_completed);
    doc->reason = (char *)"";
    body->invoiced_minor = doc->invoiced_minor;
    body->paid_minor = doc->paid_minor;
    saga_tell(run, ORDERCLERK__V1__ORDER_EVENT__BODY_COMPLETED)->completed = body;
}

ACT(archive)
{
    Orderclerk__V1__OrderArchived *body = NEW(run, order_archived);
    body->ended_as = run->doc->state;
    body->ended_at_us = run->doc->state_since_us;
    run->doc->n_steps = 0;
    run->doc->n_tasks = 0;
    saga_tell(run, ORDERCLERK__V1__ORDER_EVENT__BODY_ARCHIVED)->archived = body;
}
