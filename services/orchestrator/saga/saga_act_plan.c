// Actions from registration to goods at hand: number, ERP, credit, plans, promise, production.
#include "orchestrator/saga/saga_run.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static struct uuid to_department(struct saga_run *run, Orderclerk__V1__DepartmentCommand *command)
{
    return run->sink->command(run->sink->self, SAGA_PEER_DEPARTMENTS, &command->base);
}

// --- The order number.

// ISO 7064 MOD 97-10: the number with its check digits is 1 modulo 97.
static unsigned check_digits(const char *digits)
{
    unsigned rest = 0;
    for (; *digits != '\0'; digits++)
        if (*digits >= '0' && *digits <= '9')
            rest = (rest * 10 + (unsigned)(*digits - '0')) % 97;
    return 98 - rest * 100 % 97;
}

// SO20261123-1234004-87: the day, a number that no other order has had, check digits over both.
static char *mint_number(struct saga_run *run)
{
    local_date date;
    int minute;
    int year;
    int month;
    int day;
    if (!zone_local(run->settings->business_zone, run->now, &date, &minute))
        date = (local_date)(run->now / INSTANT_DAY);
    date_civil(date, &year, &month, &day);
    const uint64_t number = run->sink->number(run->sink->self);
    char *text = saga_text(run, "SO%04d%02d%02d-%" PRIu64, year, month, day, number);
    return saga_text(run, "%s-%02u", text, check_digits(text));
}

ACT(register)
{
    Orderclerk__V1__OrderState *doc = run->doc;
    if (IS_EMPTY(doc->order_no))
        doc->order_no = mint_number(run);
    for (size_t i = 0; i < doc->n_resolved; i++) {
        Orderclerk__V1__LineQuantities *q = saga_quantities(doc, doc->resolved[i]->line_no);
        if (doc->resolved[i]->kind == ORDERCLERK__V1__LINE_KIND__LINE_KIND_MAKE)
            q->in_production = q->ordered - q->reserved;
    }
    saga_shipments_plan(run);
    Orderclerk__V1__OrderRegistered *body = NEW(run, order_registered);
    body->order_no = doc->order_no;
    body->order = doc->order;
    body->lines = doc->resolved;
    body->n_lines = doc->n_resolved;
    body->allocations = doc->allocations;
    body->n_allocations = doc->n_allocations;
    body->total_minor = doc->total_minor;
    saga_tell(run, ORDERCLERK__V1__ORDER_EVENT__BODY_REGISTERED)->registered = body;
}

ACT(ask_erp)
{
    Orderclerk__V1__OrderState *doc = run->doc;
    Orderclerk__V1__HandOverToErp *hand_over = NEW(run, hand_over_to_erp);
    hand_over->order_no = doc->order_no;
    hand_over->order = doc->order;
    hand_over->lines = doc->resolved;
    hand_over->n_lines = doc->n_resolved;
    hand_over->total_minor = doc->total_minor;
    Orderclerk__V1__DepartmentCommand *command = saga_department_command(run, "finance");
    command->body_case = ORDERCLERK__V1__DEPARTMENT_COMMAND__BODY_HAND_OVER;
    command->hand_over = hand_over;
    saga_step_ask(run, SAGA_STEP_ERP, "", to_department(run, command));
}

ACT(take_erp)
{
    run->doc->erp_no = BODY(run, ErpAccepted)->erp_no;
    saga_step_set(run, saga_step_answered(run, STEP_ASKED), STEP_DONE);
}

// --- Credit.

ACT(ask_credit)
{
    Orderclerk__V1__OrderState *doc = run->doc;
    Orderclerk__V1__CheckCredit *check = NEW(run, check_credit);
    check->customer_id = doc->order->customer->customer_id;
    check->amount_minor = doc->total_minor;
    check->currency = doc->order->currency;
    check->terms = doc->order->payment;
    Orderclerk__V1__DepartmentCommand *command = saga_department_command(run, "finance");
    command->body_case = ORDERCLERK__V1__DEPARTMENT_COMMAND__BODY_CHECK_CREDIT;
    command->check_credit = check;
    saga_step_ask(run, SAGA_STEP_CREDIT, "", to_department(run, command));
}

ACT(take_credit)
{
    saga_step_set(run, saga_step_answered(run, STEP_ASKED), STEP_DONE);
    saga_hold_lift(run, "CREDIT", "finance", run->input->actor, "credit is good");
}

ACT(hold_credit)
{
    const char *reason = BODY(run, CreditRefused)->reason;
    saga_hold_place(run, "CREDIT", "finance", IS_EMPTY(reason) ? "credit does not suffice" : reason);
    run->changed = saga_step_answered(run, STEP_ASKED);
}

// --- Plans and promise.

static const char *wanted_date(const Orderclerk__V1__OrderState *doc)
{
    const char *last = IS_EMPTY(doc->earliest_date) ? "" : doc->earliest_date;
    for (size_t i = 0; i < doc->n_resolved; i++)
        if (strcmp(doc->resolved[i]->requested_date, last) > 0)
            last = doc->resolved[i]->requested_date;
    for (size_t i = 0; i < doc->n_allocations; i++)
        if (doc->allocations[i]->backordered > 0 && strcmp(doc->allocations[i]->promised_date, last) > 0)
            last = doc->allocations[i]->promised_date;
    return last;
}

static void ask_plan(struct saga_run *run, const char *kind, const char *department)
{
    Orderclerk__V1__OrderState *doc = run->doc;
    Orderclerk__V1__Plan *plan = NEW(run, plan);
    plan->kind = (char *)kind;
    plan->lines = doc->resolved;
    plan->n_lines = doc->n_resolved;
    plan->allocations = doc->allocations;
    plan->n_allocations = doc->n_allocations;
    plan->wanted_date = (char *)wanted_date(doc);
    Orderclerk__V1__DepartmentCommand *command = saga_department_command(run, department);
    command->body_case = ORDERCLERK__V1__DEPARTMENT_COMMAND__BODY_PLAN;
    command->plan = plan;
    saga_step_ask(run, SAGA_STEP_PLAN, kind, to_department(run, command));
}

// A plan of the same kind replaces the former: after a revision the round starts anew.
ACT(ask_plans)
{
    run->doc->promise->date = (char *)"";
    run->doc->promise->window = (char *)"";
    run->doc->n_plans_confirmed = 0;
    if (saga_has_make_lines(run->doc))
        ask_plan(run, "PRODUCTION", "production");
    ask_plan(run, "WAREHOUSE", "warehouse");
    ask_plan(run, "TRANSPORT", "logistics");
}

ACT(take_plan)
{
    const Orderclerk__V1__PlanConfirmed *plan = BODY(run, PlanConfirmed);
    Orderclerk__V1__OrderState *doc = run->doc;
    saga_step_set(run, saga_step_answered(run, NULL), STEP_DONE);
    bool known = false;
    for (size_t i = 0; i < doc->n_plans_confirmed; i++)
        known = known || strcmp(doc->plans_confirmed[i], plan->kind) == 0;
    if (!known)
        saga_append(run->arena, &doc->plans_confirmed, &doc->n_plans_confirmed, plan->kind);
    if (strcmp(plan->date, doc->promise->date) > 0)
        doc->promise->date = plan->date;
    if (!IS_EMPTY(plan->window))
        doc->promise->window = plan->window;
}

ACT(take_infeasible)
{
    const Orderclerk__V1__PlanInfeasible *plan = BODY(run, PlanInfeasible);
    Orderclerk__V1__OrderState *doc = run->doc;
    doc->n_violations = 0;
    const char *reason = IS_EMPTY(plan->reason) ? "the date can't be met" : plan->reason;
    size_t last = 0;
    for (size_t i = 0; i < doc->order->n_lines; i++)
        if (strcmp(doc->order->lines[i]->requested_date, doc->order->lines[last]->requested_date) > 0)
            last = i;
    saga_violation_add(
        run, "DATE_INFEASIBLE", saga_text(run, "lines[%zu].requested_date", last),
        saga_text(run, "The date can't be met (%s). Earliest: %s", reason, plan->earliest_date),
        saga_text(run, "无法按期交付（%s），最早日期：%s", reason, plan->earliest_date), plan->earliest_date);
    run->changed = saga_step_answered(run, NULL);
}

ACT(promise)
{
    Orderclerk__V1__OrderState *doc = run->doc;
    if (strcmp(wanted_date(doc), doc->promise->date) > 0)
        doc->promise->date = (char *)wanted_date(doc);
    if (IS_EMPTY(doc->promise->zone))
        doc->promise->zone = (char *)run->settings->business_zone;
    Orderclerk__V1__OrderScheduled *body = NEW(run, order_scheduled);
    body->promise = doc->promise;
    saga_tell(run, ORDERCLERK__V1__ORDER_EVENT__BODY_SCHEDULED)->scheduled = body;
}

ACT(tell_confirmed)
{
    Orderclerk__V1__OrderState *doc = run->doc;
    Orderclerk__V1__Notify *notify = saga_notice(run, SAGA_NOTICE_CONFIRMED);
    if (notify == NULL)
        return;
    saga_notice_value(run, notify, "promise_date", doc->promise->date);
    saga_notice_value(run, notify, "promise_window", doc->promise->window);
    saga_notice_value(run, notify, "promise_zone", doc->promise->zone);
    notify->lines = doc->order->lines;
    notify->n_lines = doc->order->n_lines;
    saga_notice_send(run, notify);
}

void saga_promise_move(struct saga_run *run, const char *date, const char *cause)
{
    Orderclerk__V1__OrderState *doc = run->doc;
    Orderclerk__V1__PromiseChanged *body = NEW(run, promise_changed);
    body->old_promise = NEW(run, promise);
    body->old_promise->date = doc->promise->date;
    body->old_promise->window = doc->promise->window;
    body->old_promise->zone = doc->promise->zone;
    doc->promise->date = (char *)date;
    body->new_promise = doc->promise;
    body->cause = (char *)cause;
    saga_tell(run, ORDERCLERK__V1__ORDER_EVENT__BODY_PROMISE_CHANGED)->promise_changed = body;
    Orderclerk__V1__Notify *notify = saga_notice(run, SAGA_NOTICE_PROMISE_CHANGED);
    if (notify == NULL)
        return;
    saga_notice_value(run, notify, "old_date", body->old_promise->date);
    saga_notice_value(run, notify, "new_date", date);
    saga_notice_value(run, notify, "promise_window", doc->promise->window);
    saga_notice_value(run, notify, "promise_zone", doc->promise->zone);
    saga_notice_value(run, notify, "cause", cause);
    saga_notice_send(run, notify);
}

ACT(slip)
{
    const Orderclerk__V1__ScheduleSlipped *slipped = BODY(run, ScheduleSlipped);
    saga_promise_move(run, slipped->new_date,
                      IS_EMPTY(slipped->reason) ? "production is late" : slipped->reason);
    run->renew = run->from == SAGA_SCHEDULED || run->from == SAGA_IN_PRODUCTION;
}

// --- Goods coming to hand.

ACT(take_allocations)
{
    Orderclerk__V1__OrderState *doc = run->doc;
    if (run->event == SAGA_EVENT_STOCK_RESERVED) {
        const Orderclerk__V1__StockReserved *reserved = BODY(run, StockReserved);
        saga_step_set(run, saga_step_find(doc, SAGA_STEP_RESERVE, "", NULL), STEP_DONE);
        saga_allocate(run, reserved->allocations, reserved->n_allocations);
        return;
    }
    const Orderclerk__V1__BackorderFilled *filled = BODY(run, BackorderFilled);
    int64_t *waiting = arena_new_array(run->arena, int64_t, doc->n_quantities + 1);
    for (size_t i = 0; i < doc->n_quantities; i++)
        waiting[i] = doc->quantities[i]->backordered;
    saga_allocate(run, filled->allocations, filled->n_allocations);
    if (doc->n_shipments > 0)
        saga_shipments_plan(run);
    for (size_t i = 0; i < doc->n_quantities; i++) {
        if (waiting[i] == 0 || doc->quantities[i]->backordered > 0)
            continue;
        Orderclerk__V1__LineAtHand *body = NEW(run, line_at_hand);
        body->line_no = doc->quantities[i]->line_no;
        body->quantity = doc->quantities[i]->reserved;
        saga_tell(run, ORDERCLERK__V1__ORDER_EVENT__BODY_LINE_AT_HAND)->line_at_hand = body;
    }
}

ACT(start_production)
{
    Orderclerk__V1__OrderState *doc = run->doc;
    Orderclerk__V1__ProductionStarted *body = NEW(run, production_started);
    for (size_t i = 0; i < doc->n_resolved; i++)
        if (doc->resolved[i]->kind == ORDERCLERK__V1__LINE_KIND__LINE_KIND_MAKE)
            saga_append(run->arena, &body->lines, &body->n_lines, doc->resolved[i]);
    saga_step_ask(run, SAGA_STEP_PRODUCE, "", (struct uuid){{0}});
    saga_tell(run, ORDERCLERK__V1__ORDER_EVENT__BODY_PRODUCTION_STARTED)->production_started = body;
}

// Only the event tells it: how far a line is made changes nothing that the saga decides by.
ACT(note_progress)
{
    const Orderclerk__V1__ProductionProgress *progress = BODY(run, ProductionProgress);
    Orderclerk__V1__StepChanged *body = NEW(run, step_changed);
    body->step = NEW(run, step);
    body->step->name = saga_text(run, "produce:%u", progress->line_no);
    body->step->state = saga_text(run, "%u %%", progress->percent);
    saga_tell(run, ORDERCLERK__V1__ORDER_EVENT__BODY_STEP_CHANGED)->step_changed = body;
}

ACT(ask_receive)
{
    const Orderclerk__V1__ProductionDone *done = BODY(run, ProductionDone);
    const Orderclerk__V1__ResolvedLine *line = saga_line(run->doc, done->line_no);
    Orderclerk__V1__ReceiveForOrder *receive = NEW(run, receive_for_order);
    receive->line_no = done->line_no;
    receive->sku = line->sku;
    receive->warehouse = done->warehouse;
    receive->quantity = done->quantity;
    Orderclerk__V1__InventoryCommand *command = NEW(run, inventory_command);
    command->saga_revision = run->doc->saga_revision;
    command->body_case = ORDERCLERK__V1__INVENTORY_COMMAND__BODY_RECEIVE;
    command->receive = receive;
    const struct uuid id = run->sink->command(run->sink->self, SAGA_PEER_INVENTORY, &command->base);
    saga_step_ask(run, SAGA_STEP_RECEIVE, saga_text(run, "%u", done->line_no), id);
    // Made, on its way into stock; reserved once inventory says so.
    Orderclerk__V1__LineQuantities *q = saga_quantities(run->doc, done->line_no);
    q->in_production -= q->in_production < done->quantity ? q->in_production : done->quantity;
}

void saga_production_finish(struct saga_run *run)
{
    Orderclerk__V1__OrderState *doc = run->doc;
    Orderclerk__V1__Step *step = saga_step_find(doc, SAGA_STEP_PRODUCE, "", STEP_ASKED);
    for (size_t i = 0; i < doc->n_quantities; i++)
        if (doc->quantities[i]->in_production > 0)
            return;
    if (step != NULL && saga_step_find(doc, SAGA_STEP_RECEIVE, NULL, STEP_ASKED) == NULL)
        saga_step_set(run, step, STEP_DONE);
}

ACT(take_receipt)
{
    const Orderclerk__V1__Allocation *received = BODY(run, ReceivedForOrder)->allocation;
    Orderclerk__V1__OrderState *doc = run->doc;
    saga_step_set(run, saga_step_answered(run, STEP_ASKED), STEP_DONE);
    Orderclerk__V1__Allocation *at = NULL;
    for (size_t i = 0; i < doc->n_allocations; i++)
        if (doc->allocations[i]->line_no == received->line_no &&
            strcmp(doc->allocations[i]->warehouse, received->warehouse) == 0)
            at = doc->allocations[i];
    if (at == NULL) {
        at = NEW(run, allocation);
        saga_append(run->arena, &doc->allocations, &doc->n_allocations, at);
    }
    at->line_no = received->line_no;
    at->sku = received->sku;
    at->warehouse = received->warehouse;
    at->reserved = received->reserved;
    saga_quantities_held(run);
    if (!IS_EMPTY(doc->order_no))
        saga_shipments_plan(run);
    saga_production_finish(run);
    Orderclerk__V1__LineAtHand *body = NEW(run, line_at_hand);
    body->line_no = received->line_no;
    body->quantity = received->reserved;
    body->warehouse = received->warehouse;
    saga_tell(run, ORDERCLERK__V1__ORDER_EVENT__BODY_LINE_AT_HAND)->line_at_hand = body;
}
