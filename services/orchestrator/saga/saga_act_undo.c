// Actions that take back: cancelling, waves of undoing, late successes, and a person's exits.
#include "base/mutant.h"
#include "orchestrator/saga/saga_run.h"

#include <assert.h>
#include <string.h>

bool saga_undoing(const Orderclerk__V1__OrderState *doc)
{
    return !IS_EMPTY(doc->compensating_to);
}

bool saga_undo_open(const Orderclerk__V1__Step *step)
{
    const enum saga_step kind = saga_step_of(step);
    return kind != SAGA_STEP_NONE && saga_step_info(kind)->wave != 0 &&
           (saga_step_is(step, STEP_ASKED) || saga_step_is(step, STEP_DONE));
}

// --- One undoing.

static struct uuid to_department(struct saga_run *run, Orderclerk__V1__DepartmentCommand *command)
{
    return run->sink->command(run->sink->self, SAGA_PEER_DEPARTMENTS, &command->base);
}

static struct uuid send_release_stock(struct saga_run *run)
{
    Orderclerk__V1__OrderState *doc = run->doc;
    Orderclerk__V1__ReleaseStock *release = NEW(run, release_stock);
    release->reason = doc->reason;
    // The products named, so that inventory finds their rows at once.
    for (size_t i = 0; i < doc->n_resolved; i++)
        saga_append(run->arena, &release->skus, &release->n_skus, doc->resolved[i]->sku);
    Orderclerk__V1__InventoryCommand *command = NEW(run, inventory_command);
    command->saga_revision = doc->saga_revision;
    command->body_case = ORDERCLERK__V1__INVENTORY_COMMAND__BODY_RELEASE;
    command->release = release;
    if (MUTANT(compensation_twice))
        run->sink->command(run->sink->self, SAGA_PEER_INVENTORY, &command->base);
    return run->sink->command(run->sink->self, SAGA_PEER_INVENTORY, &command->base);
}

static struct uuid send_cancel_erp(struct saga_run *run)
{
    Orderclerk__V1__CancelErpOrder *cancel = NEW(run, cancel_erp_order);
    cancel->order_no = run->doc->order_no;
    cancel->reason = run->doc->reason;
    Orderclerk__V1__DepartmentCommand *command = saga_department_command(run, "finance");
    command->body_case = ORDERCLERK__V1__DEPARTMENT_COMMAND__BODY_CANCEL_ERP;
    command->cancel_erp = cancel;
    return to_department(run, command);
}

static struct uuid send_cancel_plan(struct saga_run *run, const Orderclerk__V1__Step *step)
{
    Orderclerk__V1__CancelPlan *cancel = NEW(run, cancel_plan);
    cancel->kind = (char *)saga_step_part(step);
    cancel->reason = run->doc->reason;
    Orderclerk__V1__DepartmentCommand *command =
        saga_department_command(run, saga_step_owner(run->arena, run->doc, step));
    command->body_case = ORDERCLERK__V1__DEPARTMENT_COMMAND__BODY_CANCEL_PLAN;
    command->cancel_plan = cancel;
    return to_department(run, command);
}

static struct uuid send_cancel_production(struct saga_run *run)
{
    const Orderclerk__V1__OrderState *doc = run->doc;
    Orderclerk__V1__CancelProduction *cancel = NEW(run, cancel_production);
    cancel->line_nos = arena_new_array(run->arena, uint32_t, doc->n_quantities + 1);
    for (size_t i = 0; i < doc->n_quantities; i++)
        if (doc->quantities[i]->in_production > 0)
            cancel->line_nos[cancel->n_line_nos++] = doc->quantities[i]->line_no;
    if (cancel->n_line_nos == 0) // all of it is made: it goes back with the stock
        return (struct uuid){{0}};
    cancel->reason = doc->reason;
    Orderclerk__V1__DepartmentCommand *command = saga_department_command(run, "production");
    command->body_case = ORDERCLERK__V1__DEPARTMENT_COMMAND__BODY_CANCEL_PRODUCTION;
    command->cancel_production = cancel;
    return to_department(run, command);
}

static struct uuid send_cancel_shipment(struct saga_run *run, const Orderclerk__V1__Step *step)
{
    Orderclerk__V1__ShipmentState *shipment = saga_shipment(run->doc, saga_step_part(step));
    if (shipment == NULL || !saga_shipment_open(shipment))
        return (struct uuid){{0}};
    if (saga_shipment_is(shipment, "REJECTED")) { // the warehouse keeps the goods already
        shipment->state = (char *)"CANCELLED";
        return (struct uuid){{0}};
    }
    shipment->cancel_request = (char *)"REQUESTED";
    Orderclerk__V1__CancelShipment *cancel = NEW(run, cancel_shipment);
    cancel->shipment_id = shipment->shipment_id;
    cancel->reason = run->doc->reason;
    Orderclerk__V1__FulfillmentCommand *command = NEW(run, fulfillment_command);
    command->saga_revision = run->doc->saga_revision;
    command->body_case = ORDERCLERK__V1__FULFILLMENT_COMMAND__BODY_CANCEL;
    command->cancel = cancel;
    return run->sink->command(run->sink->self, SAGA_PEER_FULFILLMENT, &command->base);
}

// credited_minor is what finance has been asked to give back; goods that left all the same are paid for.
static struct uuid send_credit_note(struct saga_run *run)
{
    Orderclerk__V1__OrderState *doc = run->doc;
    const int64_t amount = doc->paid_minor - doc->credited_minor - doc->invoiced_minor;
    if (amount <= 0)
        return (struct uuid){{0}};
    doc->credited_minor += amount;
    saga_payment_state(doc);
    Orderclerk__V1__IssueCreditNote *note = NEW(run, issue_credit_note);
    note->amount_minor = amount;
    note->currency = doc->order->currency;
    note->reason = doc->reason;
    Orderclerk__V1__DepartmentCommand *command = saga_department_command(run, "finance");
    command->body_case = ORDERCLERK__V1__DEPARTMENT_COMMAND__BODY_CREDIT_NOTE;
    command->credit_note = note;
    return to_department(run, command);
}

static struct uuid send_undo(struct saga_run *run, const Orderclerk__V1__Step *step)
{
    switch ((int)saga_step_of(step)) {
    case SAGA_STEP_RESERVE:
        return send_release_stock(run);
    case SAGA_STEP_ERP:
        return send_cancel_erp(run);
    case SAGA_STEP_PLAN:
        return send_cancel_plan(run, step);
    case SAGA_STEP_PRODUCE:
        return send_cancel_production(run);
    case SAGA_STEP_RELEASE:
        return send_cancel_shipment(run, step);
    case SAGA_STEP_PAYMENT:
        return send_credit_note(run);
    default:
        return (struct uuid){{0}};
    }
}

void saga_undo_step(struct saga_run *run, Orderclerk__V1__Step *step)
{
    assert(step != NULL); // the rule's condition found it
    const struct uuid id = send_undo(run, step);
    if (uuid_is_nil(id)) {
        saga_step_set(run, step, STEP_UNDONE);
        return;
    }
    char text[UUID_TEXT_SIZE];
    uuid_format(id, text);
    saga_step_set(run, step, STEP_UNDOING);
    step->command_event_id = saga_copy(run, text);
    step->due_us = run->now + run->settings->undo_again;
}

// --- Waves.

static void undo_wave(struct saga_run *run)
{
    Orderclerk__V1__OrderState *doc = run->doc;
    unsigned wave = UINT32_MAX;
    for (size_t i = 0; i < doc->n_steps; i++) {
        const unsigned of =
            saga_undo_open(doc->steps[i]) ? saga_step_info(saga_step_of(doc->steps[i]))->wave : UINT32_MAX;
        wave = of < wave ? of : wave;
    }
    for (size_t i = doc->n_steps; i-- > 0;)
        if (saga_undo_open(doc->steps[i]) && saga_step_info(saga_step_of(doc->steps[i]))->wave == wave)
            saga_undo_step(run, doc->steps[i]);
    run->renew = true;
}

// What the order was waiting for at the time is waited for no more. Other questions stay open: undoing may be given up.
ACT(begin_undo)
{
    static const enum saga_step questions[] = {SAGA_STEP_VALIDATE, SAGA_STEP_APPROVAL, SAGA_STEP_REVIEW};
    for (size_t i = 0; i < sizeof questions / sizeof questions[0]; i++) {
        Orderclerk__V1__Step *step = saga_step_find(run->doc, questions[i], NULL, STEP_ASKED);
        if (step != NULL)
            saga_step_set(run, step, STEP_DONE);
    }
    undo_wave(run);
}

ACT(next_undo)
{
    undo_wave(run);
}

// An acknowledgement gives the others time again.
static void revive(struct saga_run *run)
{
    for (size_t i = 0; i < run->doc->n_steps; i++) {
        Orderclerk__V1__Step *step = run->doc->steps[i];
        if (!saga_step_is(step, STEP_FAILED))
            continue;
        step->state = (char *)STEP_UNDOING;
        step->due_us = run->now + run->settings->undo_again;
    }
    run->renew = true;
}

static Orderclerk__V1__Step *pending_answered(const struct saga_run *run)
{
    Orderclerk__V1__Step *step = saga_step_answered(run, STEP_UNDOING);
    return step != NULL ? step : saga_step_answered(run, STEP_FAILED);
}

ACT(take_undone)
{
    Orderclerk__V1__OrderState *doc = run->doc;
    Orderclerk__V1__Step *step = pending_answered(run);
    if (saga_step_of(step) == SAGA_STEP_RESERVE) {
        doc->n_allocations = 0;
        saga_quantities_held(run);
    }
    if (saga_step_of(step) == SAGA_STEP_PAYMENT)
        doc->payment_state =
            (char *)(doc->credited_minor >= doc->paid_minor ? "REFUNDED" : "PARTIALLY_REFUNDED");
    revive(run);
    saga_step_set(run, step, STEP_UNDONE);
    run->renew = run->from == SAGA_COMPENSATING;
}

ACT(withdrawn)
{
    Orderclerk__V1__ShipmentState *shipment = saga_shipment(run->doc, run->input->shipment_id);
    shipment->state = (char *)"CANCELLED";
    shipment->cancel_request = (char *)"ACCEPTED";
    saga_hold_lift(run, "WAREHOUSE", shipment->warehouse, shipment->warehouse, "the warehouse answers");
    Orderclerk__V1__Step *step = saga_step_find(run->doc, SAGA_STEP_RELEASE, shipment->shipment_id, NULL);
    revive(run);
    if (step != NULL)
        saga_step_set(run, step, STEP_UNDONE);
    Orderclerk__V1__ShipmentProgressed *body = NEW(run, shipment_progressed);
    body->shipment = shipment;
    saga_tell(run, ORDERCLERK__V1__ORDER_EVENT__BODY_SHIPMENT_PROGRESSED)->shipment_progressed = body;
}

ACT(withdrawal_refused)
{
    Orderclerk__V1__ShipmentState *shipment = saga_shipment(run->doc, run->input->shipment_id);
    if (shipment != NULL)
        shipment->cancel_request = (char *)"REJECTED";
    Orderclerk__V1__Step *step = pending_answered(run);
    revive(run);
    if (step != NULL)
        saga_step_set(run, step, STEP_KEPT);
}

// Shipments that their warehouse has cancelled are released anew; all else was never touched.
ACT(give_up_cancel)
{
    Orderclerk__V1__OrderState *doc = run->doc;
    for (size_t i = 0; i < doc->n_steps; i++)
        if (saga_step_is(doc->steps[i], STEP_KEPT)) // production goes on: what it makes is still awaited
            saga_step_set(run, doc->steps[i],
                          saga_step_of(doc->steps[i]) == SAGA_STEP_PRODUCE ? STEP_ASKED : STEP_DONE);
    doc->compensating_to = (char *)"";
    doc->reason = (char *)"";
    saga_production_finish(run);
    saga_shipments_plan(run);
    Orderclerk__V1__CancelRefused *body = NEW(run, cancel_refused);
    body->reason = (char *)"the goods can't be kept any more";
    saga_tell(run, ORDERCLERK__V1__ORDER_EVENT__BODY_CANCEL_REFUSED)->cancel_refused = body;
}

ACT(end_unmade)
{
    Orderclerk__V1__OrderState *doc = run->doc;
    doc->compensating_to = (char *)"";
    doc->n_allocations = 0;
    doc->n_holds = 0;
    doc->n_shortages = 0;
    doc->n_plans_confirmed = 0;
    for (size_t i = 0; i < doc->n_quantities; i++) {
        Orderclerk__V1__LineQuantities *q = doc->quantities[i];
        q->reserved = 0;
        q->backordered = 0;
        q->in_production = 0;
        q->cancelled = q->ordered - q->shipped;
    }
    size_t n = 0; // drafts never left the document
    for (size_t i = 0; i < doc->n_shipments; i++)
        if (!saga_shipment_is(doc->shipments[i], "DRAFT"))
            doc->shipments[n++] = doc->shipments[i];
    doc->n_shipments = n;
}

// --- Late successes.

ACT(undo_again)
{
    saga_undo_step(run, saga_step_answered(run, STEP_UNDONE));
}

ACT(release_again)
{
    Orderclerk__V1__Step *step = saga_step_find(run->doc, SAGA_STEP_RESERVE, "", NULL);
    if (step != NULL)
        saga_undo_step(run, step);
}

ACT(receive_and_release)
{
    saga_do_ask_receive(run);
    Orderclerk__V1__Step *step = saga_step_find(run->doc, SAGA_STEP_RESERVE, "", NULL);
    if (step != NULL && !saga_undo_open(step)) // else its turn comes
        saga_undo_step(run, step);
}

ACT(refund)
{
    Orderclerk__V1__Step *step = saga_step_find(run->doc, SAGA_STEP_PAYMENT, "", NULL);
    if (step != NULL && saga_undo_open(step) && saga_undoing(run->doc))
        return; // its turn comes
    saga_undo_step(run, step);
}

// --- Why it is undone.

ACT(note_cancel)
{
    const bool operator_exit =
        run->input->body->descriptor == &orderclerk__v1__resolve_by_operator__descriptor;
    const char *reason =
        operator_exit ? BODY(run, ResolveByOperator)->reason : BODY(run, CancelOrder)->reason;
    run->doc->reason = IS_EMPTY(reason) ? (char *)"cancelled on request" : (char *)reason;
    Orderclerk__V1__CancelRequested *body = NEW(run, cancel_requested);
    body->reason = run->doc->reason;
    body->by = (char *)run->input->actor;
    saga_tell(run, ORDERCLERK__V1__ORDER_EVENT__BODY_CANCEL_REQUESTED)->cancel_requested = body;
}

ACT(note_no_answer)
{
    Orderclerk__V1__OrderState *doc = run->doc;
    doc->reason = (char *)"no_answer";
    Orderclerk__V1__DeadlineMissed *body = NEW(run, deadline_missed);
    body->state = doc->state;
    body->owner = doc->waiting_on;
    body->tries = doc->tries + 1;
    saga_tell(run, ORDERCLERK__V1__ORDER_EVENT__BODY_DEADLINE_MISSED)->deadline_missed = body;
}

static void notify_reason(struct saga_run *run, enum saga_notice notice, const char *reason, bool violations)
{
    Orderclerk__V1__Notify *notify = saga_notice(run, notice);
    if (notify == NULL)
        return;
    saga_notice_value(run, notify, "reason", reason);
    if (violations) {
        notify->violations = run->doc->violations;
        notify->n_violations = run->doc->n_violations;
    }
    saga_notice_send(run, notify);
}

ACT(tell_cancelled)
{
    Orderclerk__V1__OrderCancelled *body = NEW(run, order_cancelled);
    body->reason = run->doc->reason;
    saga_tell(run, ORDERCLERK__V1__ORDER_EVENT__BODY_CANCELLED)->cancelled = body;
    notify_reason(run, SAGA_NOTICE_CANCELLED, run->doc->reason, false);
}

ACT(tell_rejected)
{
    Orderclerk__V1__OrderRejected *body = NEW(run, order_rejected);
    body->reason = run->doc->reason;
    body->violations = run->doc->violations;
    body->n_violations = run->doc->n_violations;
    saga_tell(run, ORDERCLERK__V1__ORDER_EVENT__BODY_REJECTED)->rejected = body;
    notify_reason(run, SAGA_NOTICE_REJECTED, run->doc->reason, true);
}

ACT(tell_cancel_refused)
{
    notify_reason(run, SAGA_NOTICE_CANCEL_REFUSED, "the goods can't be kept any more", false);
}

// --- A person.

ACT(fail_undo)
{
    for (size_t i = 0; i < run->doc->n_steps; i++)
        if (saga_step_is(run->doc->steps[i], STEP_UNDOING))
            saga_step_set(run, run->doc->steps[i], STEP_FAILED);
}

static void find_again(struct saga_run *run, Orderclerk__V1__ShipmentState *shipment)
{
    saga_count_short(run, shipment, -1);
    shipment->state = (char *)"IN_TRANSIT";
}

ACT(try_again)
{
    Orderclerk__V1__OrderState *doc = run->doc;
    if (saga_undoing(doc))
        revive(run);
    for (size_t i = 0; i < doc->n_shipments && !saga_undoing(doc); i++) {
        Orderclerk__V1__ShipmentState *shipment = doc->shipments[i];
        if (saga_shipment_is(shipment, "REJECTED")) { // another one takes its place
            shipment->state = (char *)"CANCELLED";
            Orderclerk__V1__Step *step = saga_step_find(doc, SAGA_STEP_RELEASE, shipment->shipment_id, NULL);
            if (step != NULL)
                saga_step_set(run, step, STEP_UNDONE);
        } else if (saga_shipment_is(shipment, "LOST")) {
            find_again(run, shipment);
        }
    }
    if (!saga_undoing(doc) && doc->n_shipments > 0)
        saga_shipments_plan(run);
    saga_do_ask_again(run);
}

ACT(deem_undone)
{
    Orderclerk__V1__OrderState *doc = run->doc;
    for (size_t i = 0; i < doc->n_steps; i++) {
        Orderclerk__V1__Step *step = doc->steps[i];
        if (!saga_step_is(step, STEP_FAILED) && !saga_step_is(step, STEP_UNDOING))
            continue;
        Orderclerk__V1__ShipmentState *shipment =
            saga_step_of(step) == SAGA_STEP_RELEASE ? saga_shipment(doc, saga_step_part(step)) : NULL;
        if (shipment != NULL) {
            shipment->state = (char *)"CANCELLED";
            shipment->cancel_request = (char *)"ACCEPTED";
        }
        saga_step_set(run, step, STEP_UNDONE);
    }
}

// Lost and returned shipments stay what they are: the GO rules take them as settled.
ACT(deem_done)
{
    Orderclerk__V1__OrderState *doc = run->doc;
    for (size_t i = 0; i < doc->n_shipments; i++)
        if (saga_shipment_is(doc->shipments[i], "REJECTED"))
            doc->shipments[i]->state = (char *)"ACCEPTED";
}

ACT(give_up_arrival)
{
    Orderclerk__V1__OrderState *doc = run->doc;
    for (size_t i = 0; i < doc->n_shipments; i++) {
        Orderclerk__V1__ShipmentState *shipment = doc->shipments[i];
        if (!saga_shipment_is(shipment, "HANDED_OVER") && !saga_shipment_is(shipment, "IN_TRANSIT") &&
            !saga_shipment_is(shipment, "EXCEPTION"))
            continue;
        shipment->state = (char *)"LOST";
        saga_count_short(run, shipment, 1);
        Orderclerk__V1__ShipmentProgressed *body = NEW(run, shipment_progressed);
        body->shipment = shipment;
        saga_tell(run, ORDERCLERK__V1__ORDER_EVENT__BODY_SHIPMENT_PROGRESSED)->shipment_progressed = body;
    }
}

ACT(ask_due_again)
{
    Orderclerk__V1__OrderState *doc = run->doc;
    for (size_t i = 0; i < doc->n_steps; i++) {
        Orderclerk__V1__Step *step = doc->steps[i];
        const bool undoing = saga_step_is(step, STEP_UNDOING);
        if (step->due_us == 0 || step->due_us > run->now || (!undoing && !saga_step_is(step, STEP_ASKED)))
            continue;
        saga_step_again(run, step);
        step->due_us = run->now + saga_step_again_after(run, step);
        const Orderclerk__V1__ShipmentState *shipment = saga_shipment(doc, saga_step_part(step));
        if (saga_step_of(step) == SAGA_STEP_RELEASE && shipment != NULL &&
            step->tries >= run->settings->resend_max)
            saga_hold_place(run, "WAREHOUSE", shipment->warehouse, "the warehouse does not answer");
    }
}

const saga_action_fn saga_action_fns[SAGA_ACTION_COUNT] = {
#define ACTION(name, asks, text) [SAGA_ACTION_##name] = saga_do_##name,
#include "orchestrator/saga/saga_actions.def"
#undef ACTION
};
