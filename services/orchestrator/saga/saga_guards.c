// The conditions of the table. Pure: they look and change nothing.
#include "orchestrator/saga/saga_run.h"

#include <stdio.h>
#include <string.h>

#define GUARD_FN(name) static bool name(const struct saga_run *run)

// --- Helpers.

static const Orderclerk__V1__ShipmentState *named_shipment(const struct saga_run *run)
{
    return saga_shipment(run->doc, run->input->shipment_id);
}

static bool any_shipment(const struct saga_run *run, bool (*test)(const Orderclerk__V1__ShipmentState *))
{
    for (size_t i = 0; i < run->doc->n_shipments; i++)
        if (test(run->doc->shipments[i]))
            return true;
    return false;
}

static bool any_step(const struct saga_run *run, const char *state)
{
    for (size_t i = 0; i < run->doc->n_steps; i++)
        if (saga_step_is(run->doc->steps[i], state))
            return true;
    return false;
}

static bool is_state(const struct saga_run *run, const char *state)
{
    return strcmp(run->doc->state, state) == 0;
}

// --- Checking.

GUARD_FN(stale)
{
    uint32_t revision = 0;
    switch ((int)run->event) {
    case SAGA_EVENT_ORDER_VALIDATED:
        revision = BODY(run, OrderValidated)->order_revision;
        break;
    case SAGA_EVENT_VALIDATION_FAILED:
        revision = BODY(run, ValidationFailed)->order_revision;
        break;
    case SAGA_EVENT_STOCK_RESERVED:
        revision = BODY(run, StockReserved)->order_revision;
        break;
    case SAGA_EVENT_STOCK_SHORT:
        revision = BODY(run, StockShort)->order_revision;
        break;
    case SAGA_EVENT_STOCK_REFUSED:
        revision = BODY(run, StockRefused)->order_revision;
        break;
    default:
        break;
    }
    return revision != run->doc->order->revision;
}

GUARD_FN(duplicate_open)
{
    for (size_t i = 0; i < run->doc->n_waived; i++)
        if (strncmp(run->doc->waived[i], "DUPLICATE_SUSPECTED@", 20) == 0)
            return false;
    return !IS_EMPTY(run->doc->suspected_duplicate_of);
}

static bool has_severity(const Orderclerk__V1__ValidationFailed *failed, Orderclerk__V1__Severity severity)
{
    for (size_t i = 0; i < failed->n_violations; i++)
        if (failed->violations[i]->severity == severity)
            return true;
    return false;
}

GUARD_FN(fatal)
{
    return has_severity(BODY(run, ValidationFailed), ORDERCLERK__V1__SEVERITY__SEVERITY_FATAL);
}

GUARD_FN(customer_may_clear)
{
    const Orderclerk__V1__ValidationFailed *failed = BODY(run, ValidationFailed);
    return failed->n_violations == 0 || duplicate_open(run) ||
           has_severity(failed, ORDERCLERK__V1__SEVERITY__SEVERITY_CLEARABLE_BY_CUSTOMER) ||
           has_severity(failed, ORDERCLERK__V1__SEVERITY__SEVERITY_UNSPECIFIED);
}

GUARD_FN(answer_unusable)
{
    return saga_refusal_detail(run)[0] != '\0';
}

static const char *task_id_of(const struct saga_run *run)
{
    switch ((int)run->event) {
    case SAGA_EVENT_TASK_APPROVED:
        return BODY(run, Approved)->task_id;
    case SAGA_EVENT_TASK_REFUSED:
        return BODY(run, Refused)->task_id;
    default:
        return BODY(run, ChangesWanted)->task_id;
    }
}

// Without a task id, the department must be the one that was asked.
GUARD_FN(other_task)
{
    const char *task_id = task_id_of(run);
    const char *kind = saga_state_info(saga_state_find(run->doc->state))->task;
    for (size_t i = 0; i < run->doc->n_tasks; i++) {
        const Orderclerk__V1__Task *task = run->doc->tasks[i];
        if (strcmp(task->kind, kind) == 0)
            return strcmp(task->owner, run->input->department) != 0 ||
                   (!IS_EMPTY(task_id) && strcmp(task->task_id, task_id) != 0);
    }
    return true;
}

GUARD_FN(for_good)
{
    return BODY(run, Refused)->fatal;
}

// --- Stock.

GUARD_FN(needs_review)
{
    const Orderclerk__V1__OrderState *doc = run->doc;
    const bool large =
        strcmp(doc->order->currency, "CNY") == 0 && doc->total_minor >= run->settings->review_total_minor;
    return large || saga_units(doc) >= run->settings->review_units || saga_has_make_lines(doc);
}

GUARD_FN(choice_unusable)
{
    return saga_choices_wrong(run->doc, BODY(run, AnswerShortage)) != NULL;
}

GUARD_FN(choice_refuses)
{
    return saga_choices_refuse(run->doc, BODY(run, AnswerShortage));
}

GUARD_FN(choice_substitutes)
{
    const Orderclerk__V1__AnswerShortage *answer = BODY(run, AnswerShortage);
    for (size_t i = 0; i < answer->n_choices; i++)
        if (answer->choices[i]->kind == ORDERCLERK__V1__SHORTAGE_CHOICE_KIND__SHORTAGE_CHOICE_KIND_SUBSTITUTE)
            return true;
    return false;
}

GUARD_FN(stock_let_go)
{
    const Orderclerk__V1__Step *step = saga_step_find(run->doc, SAGA_STEP_RESERVE, NULL, NULL);
    return saga_undoing(run->doc) && step != NULL && saga_step_is(step, STEP_UNDONE);
}

// --- Steps.

GUARD_FN(awaited)
{
    const enum saga_step kind = saga_event_info(run->event)->step;
    const char *resume = kind == SAGA_STEP_VALIDATE ? "VALIDATING" : "RESERVING";
    return !saga_undoing(run->doc) && strcmp(run->doc->resume_state, resume) == 0;
}

GUARD_FN(undoing)
{
    return saga_undoing(run->doc);
}

GUARD_FN(asked)
{
    return saga_step_answered(run, STEP_ASKED) != NULL;
}

GUARD_FN(never_asked)
{
    return saga_step_answered(run, NULL) == NULL;
}

GUARD_FN(undone_before)
{
    return saga_step_answered(run, STEP_UNDONE) != NULL;
}

GUARD_FN(undo_asked)
{
    return saga_step_answered(run, STEP_UNDOING) != NULL || saga_step_answered(run, STEP_FAILED) != NULL;
}

// --- Plans and credit.

GUARD_FN(plan_unknown)
{
    local_date date;
    if (saga_step_answered(run, NULL) == NULL)
        return true;
    return run->event == SAGA_EVENT_PLAN_CONFIRMED && !date_parse(BODY(run, PlanConfirmed)->date, &date);
}

GUARD_FN(last_answer)
{
    const Orderclerk__V1__Step *answered = saga_step_answered(run, NULL);
    for (size_t i = 0; i < run->doc->n_steps; i++) {
        const Orderclerk__V1__Step *step = run->doc->steps[i];
        const enum saga_step kind = saga_step_of(step);
        if ((kind == SAGA_STEP_PLAN || kind == SAGA_STEP_CREDIT) && step != answered &&
            !saga_step_is(step, STEP_DONE))
            return false;
    }
    return answered != NULL;
}

GUARD_FN(credit_held)
{
    return saga_hold_find(run->doc, "CREDIT", "finance") != NULL;
}

// --- Goods before the pivot.

static bool draft_at_hand(const struct saga_run *run)
{
    for (size_t i = 0; i < run->doc->n_shipments; i++)
        if (saga_shipment_is(run->doc->shipments[i], "DRAFT") &&
            saga_at_hand(run->doc, run->doc->shipments[i]))
            return true;
    return false;
}

static bool credit_is_old(const struct saga_run *run)
{
    const Orderclerk__V1__Step *step = saga_step_find(run->doc, SAGA_STEP_CREDIT, "", NULL);
    return step != NULL && saga_step_is(step, STEP_DONE) && step->due_us < run->now;
}

GUARD_FN(ready)
{
    return draft_at_hand(run) && saga_blocking_hold(run->doc) == NULL &&
           saga_step_find(run->doc, SAGA_STEP_CREDIT, "", STEP_ASKED) == NULL;
}

GUARD_FN(credit_old)
{
    return ready(run) && credit_is_old(run);
}

GUARD_FN(to_be_made)
{
    for (size_t i = 0; i < run->doc->n_quantities; i++)
        if (run->doc->quantities[i]->in_production > 0)
            return saga_step_find(run->doc, SAGA_STEP_PRODUCE, "", NULL) == NULL;
    return false;
}

GUARD_FN(not_made)
{
    const bool done = run->event == SAGA_EVENT_PRODUCTION_DONE;
    const uint32_t line_no =
        done ? BODY(run, ProductionDone)->line_no : BODY(run, ProductionProgress)->line_no;
    const Orderclerk__V1__ResolvedLine *line = saga_line(run->doc, line_no);
    const Orderclerk__V1__LineQuantities *quantities = saga_quantities(run->doc, line_no);
    if (line == NULL || quantities == NULL || line->kind != ORDERCLERK__V1__LINE_KIND__LINE_KIND_MAKE)
        return true;
    if (!done)
        return false;
    const int64_t quantity = BODY(run, ProductionDone)->quantity;
    // What is made though it was cancelled may be of a plan that is forgotten, but not more than the line lacks: the undoing
    // may be given up, and then all that it has is shipped.
    const bool unmade = saga_undoing(run->doc) || is_state(run, "CANCELLED") || is_state(run, "REJECTED");
    const int64_t lacking = quantities->ordered - quantities->shipped - quantities->reserved;
    return IS_EMPTY(BODY(run, ProductionDone)->warehouse) || quantity <= 0 ||
           quantity > (unmade ? lacking : quantities->in_production);
}

GUARD_FN(date_stands)
{
    local_date date;
    const Orderclerk__V1__Promise *promise = run->doc->promise;
    const char *new_date = BODY(run, ScheduleSlipped)->new_date;
    return promise == NULL || IS_EMPTY(promise->date) || !date_parse(new_date, &date) ||
           strcmp(promise->date, new_date) == 0;
}

// --- Shipments.

GUARD_FN(shipment_unknown)
{
    const Orderclerk__V1__ShipmentState *shipment = named_shipment(run);
    return shipment == NULL || saga_shipment_is(shipment, "DRAFT");
}

static const char *state_of_news(enum saga_event event)
{
    switch ((int)event) {
    case SAGA_EVENT_SHIPMENT_ACCEPTED:
        return "ACCEPTED";
    case SAGA_EVENT_SHIPMENT_PICKING:
        return "PICKING";
    case SAGA_EVENT_SHIPMENT_PACKED:
        return "PACKED";
    case SAGA_EVENT_SHIPMENT_IN_TRANSIT:
        return "IN_TRANSIT";
    case SAGA_EVENT_SHIPMENT_EXCEPTION:
        return "EXCEPTION";
    case SAGA_EVENT_SHIPMENT_LOST:
        return "LOST";
    case SAGA_EVENT_SHIPMENT_RETURNED:
        return "RETURNED_TO_SENDER";
    default:
        return "DELIVERED";
    }
}

GUARD_FN(no_progress)
{
    const Orderclerk__V1__ShipmentState *shipment = named_shipment(run);
    const unsigned rank = saga_shipment_rank(shipment->state);
    switch ((int)run->event) {
    case SAGA_EVENT_SHIPMENT_REJECTED:
        return !saga_shipment_open(shipment) || saga_shipment_is(shipment, "REJECTED");
    case SAGA_EVENT_SHIPMENT_UNREACHABLE:
        return !saga_shipment_open(shipment);
    case SAGA_EVENT_SHIPMENT_CANCEL_ACCEPTED:
    case SAGA_EVENT_SHIPMENT_CANCEL_REJECTED:
        return strcmp(shipment->cancel_request, "REQUESTED") != 0;
    case SAGA_EVENT_SHIPMENT_HANDED_OVER:
        return saga_shipment_gone(shipment);
    default:
        break;
    }
    const char *next = state_of_news(run->event);
    const unsigned next_rank = saga_shipment_rank(next);
    if (run->event == SAGA_EVENT_SHIPMENT_IN_TRANSIT && rank == next_rank) {
        const char *eta = BODY(run, ShipmentInTransit)->eta_date;
        return saga_shipment_is(shipment, next) && (IS_EMPTY(eta) || strcmp(eta, shipment->eta_date) == 0);
    }
    return next_rank < rank || (next_rank == rank && (rank != saga_shipment_rank("EXCEPTION") ||
                                                      saga_shipment_is(shipment, next)));
}

// What other shipments, released and not gone, have of a line.
static int64_t with_others(const struct saga_run *run, const Orderclerk__V1__ShipmentState *shipment,
                           uint32_t line_no)
{
    int64_t quantity = 0;
    for (size_t i = 0; i < run->doc->n_shipments; i++) {
        const Orderclerk__V1__ShipmentState *other = run->doc->shipments[i];
        if (other == shipment || !saga_shipment_open(other) || saga_shipment_is(other, "DRAFT"))
            continue;
        for (size_t j = 0; j < other->n_lines; j++)
            quantity += other->lines[j]->line_no == line_no ? other->lines[j]->quantity : 0;
    }
    return quantity;
}

// Of the i-th line handed over: is there less in the shipment, or would more leave than was ordered?
static bool is_too_much(const struct saga_run *run, const Orderclerk__V1__ShipmentHandedOver *handed,
                        size_t i)
{
    const Orderclerk__V1__ShipmentState *shipment = named_shipment(run);
    const Orderclerk__V1__LineQuantities *quantities = saga_quantities(run->doc, handed->lines[i]->line_no);
    int64_t left = 0;
    int64_t leaving = with_others(run, shipment, handed->lines[i]->line_no);
    for (size_t j = 0; j < shipment->n_lines; j++)
        if (shipment->lines[j]->line_no == handed->lines[i]->line_no)
            left += shipment->lines[j]->quantity;
    for (size_t j = 0; j <= i; j++) {
        if (handed->lines[j]->line_no != handed->lines[i]->line_no)
            continue;
        if (handed->lines[j]->quantity <= 0 || handed->lines[j]->quantity > left)
            return true;
        left -= handed->lines[j]->quantity;
        leaving += handed->lines[j]->quantity;
    }
    return quantities == NULL || quantities->shipped + leaving > quantities->ordered;
}

GUARD_FN(not_as_released)
{
    const Orderclerk__V1__ShipmentHandedOver *handed = BODY(run, ShipmentHandedOver);
    for (size_t i = 0; i < handed->n_lines; i++)
        if (is_too_much(run, handed, i))
            return true;
    return handed->n_lines == 0;
}

GUARD_FN(withdrawn_before)
{
    return saga_shipment_is(named_shipment(run), "CANCELLED");
}

GUARD_FN(withdrawal_asked)
{
    return strcmp(named_shipment(run)->cancel_request, "REQUESTED") == 0;
}

GUARD_FN(last_to_go)
{
    const Orderclerk__V1__ShipmentHandedOver *handed = BODY(run, ShipmentHandedOver);
    const Orderclerk__V1__ShipmentState with = {.n_lines = handed->n_lines, .lines = handed->lines};
    return saga_everything_gone(run->doc, &with);
}

static bool is_settled(const Orderclerk__V1__ShipmentState *shipment)
{
    return saga_shipment_is(shipment, "DELIVERED") || saga_shipment_is(shipment, "LOST") ||
           saga_shipment_is(shipment, "RETURNED_TO_SENDER") || saga_shipment_is(shipment, "CANCELLED");
}

static bool arrived_with(const struct saga_run *run, const Orderclerk__V1__ShipmentState *with)
{
    for (size_t i = 0; i < run->doc->n_shipments; i++)
        if (run->doc->shipments[i] != with && !is_settled(run->doc->shipments[i]))
            return false;
    return saga_everything_gone(run->doc, NULL);
}

GUARD_FN(last_to_arrive)
{
    return saga_shipment_gone(named_shipment(run)) && arrived_with(run, named_shipment(run));
}

GUARD_FN(all_arrived)
{
    return arrived_with(run, NULL);
}

GUARD_FN(all_gone)
{
    return saga_everything_gone(run->doc, NULL);
}

GUARD_FN(some_gone)
{
    return any_shipment(run, saga_shipment_gone);
}

GUARD_FN(none_gone)
{
    return !some_gone(run) && !saga_undoing(run->doc);
}

GUARD_FN(gone)
{
    return saga_shipment_gone(named_shipment(run));
}

GUARD_FN(warehouse_held)
{
    return saga_hold_find(run->doc, "WAREHOUSE", named_shipment(run)->warehouse) != NULL;
}

static bool may_be_tried_again(const Orderclerk__V1__ShipmentState *shipment)
{
    return saga_shipment_is(shipment, "REJECTED") || saga_shipment_is(shipment, "LOST");
}

static bool was_sent_back(const Orderclerk__V1__ShipmentState *shipment)
{
    return saga_shipment_is(shipment, "RETURNED_TO_SENDER");
}

static bool is_in_trouble(const Orderclerk__V1__ShipmentState *shipment)
{
    return may_be_tried_again(shipment) || was_sent_back(shipment);
}

GUARD_FN(goods_in_trouble)
{
    return !saga_undoing(run->doc) && any_shipment(run, is_in_trouble);
}

GUARD_FN(only_sent_back)
{
    return !saga_undoing(run->doc) && IS_EMPTY(run->doc->refused_deadline) &&
           any_shipment(run, was_sent_back) && !any_shipment(run, may_be_tried_again);
}

GUARD_FN(overdue)
{
    return run->doc->tries > 0;
}

GUARD_FN(trouble_over)
{
    const enum saga_state resume = saga_state_find(run->doc->resume_state);
    const bool shipping =
        resume == SAGA_IN_FULFILMENT || resume == SAGA_PARTIALLY_SHIPPED || resume == SAGA_SHIPPED;
    return shipping && !saga_undoing(run->doc) && !any_shipment(run, is_in_trouble) &&
           IS_EMPTY(run->doc->refused_deadline);
}

// --- Money.

GUARD_FN(invoice_misfit)
{
    const Orderclerk__V1__InvoiceIssued *issued = BODY(run, InvoiceIssued);
    const Orderclerk__V1__ShipmentState *shipment = saga_shipment(run->doc, issued->shipment_id);
    return shipment == NULL || !saga_shipment_gone(shipment) || IS_EMPTY(issued->invoice_no) ||
           issued->gross_minor != shipment->invoice_minor;
}

GUARD_FN(invoiced)
{
    return !IS_EMPTY(saga_shipment(run->doc, BODY(run, InvoiceIssued)->shipment_id)->invoice_no);
}

GUARD_FN(payment_misfit)
{
    const Orderclerk__V1__PaymentReceived *received = BODY(run, PaymentReceived);
    int64_t sum;
    return received->amount_minor <= 0 || strcmp(received->currency, run->doc->order->currency) != 0 ||
           __builtin_add_overflow(received->amount_minor, run->doc->paid_minor, &sum);
}

GUARD_FN(owes)
{
    return run->doc->invoiced_minor > run->doc->paid_minor - run->doc->credited_minor;
}

GUARD_FN(settled)
{
    const Orderclerk__V1__OrderState *doc = run->doc;
    if (run->now < doc->state_since_us + run->settings->dispute_window || !saga_paid(doc))
        return false;
    for (size_t i = 0; i < doc->n_steps; i++)
        if (saga_step_is(doc->steps[i], STEP_ASKED) && saga_step_of(doc->steps[i]) != SAGA_STEP_PAYMENT)
            return false;
    return true;
}

// --- Undoing.

static bool is_withdrawal(const Orderclerk__V1__Step *step)
{
    const enum saga_step kind = saga_step_of(step);
    return kind == SAGA_STEP_RELEASE || kind == SAGA_STEP_PRODUCE;
}

GUARD_FN(withdrawal_pending)
{
    for (size_t i = 0; i < run->doc->n_steps; i++) {
        const Orderclerk__V1__Step *step = run->doc->steps[i];
        if (is_withdrawal(step) && (saga_step_is(step, STEP_UNDOING) || saga_step_is(step, STEP_FAILED)))
            return true;
    }
    return false;
}

GUARD_FN(withdrawal_failed)
{
    return any_step(run, STEP_KEPT);
}

GUARD_FN(undo_pending)
{
    return any_step(run, STEP_UNDOING) || any_step(run, STEP_FAILED);
}

// While a wave is under way the next one waits.
GUARD_FN(undo_unasked)
{
    if (undo_pending(run))
        return false;
    for (size_t i = 0; i < run->doc->n_steps; i++)
        if (saga_undo_open(run->doc->steps[i]))
            return true;
    return false;
}

GUARD_FN(production_refuses)
{
    return undo_asked(run) && !BODY(run, ProductionCancelled)->accepted;
}

GUARD_FN(to_reject)
{
    return strcmp(run->doc->compensating_to, "REJECTED") == 0;
}

GUARD_FN(tries_left)
{
    return run->doc->tries < run->settings->resend_max;
}

const saga_guard_fn saga_guard_fns[SAGA_GUARD_COUNT] = {
#define GUARD(name, text) [SAGA_GUARD_##name] = name,
#include "orchestrator/saga/saga_guards.def"
#undef GUARD
};
