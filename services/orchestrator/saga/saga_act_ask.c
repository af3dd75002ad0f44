// Actions up to registration: taking in, validating, asking the customer and departments, reserving, offering; refusing.
#include "orchestrator/saga/saga_run.h"

#include <string.h>

#define REFUSED_MAX                                                                                          \
    20 // kept in the document: more than one batch can refuse, of which intake sees the last document

// --- Refusing.

const char *saga_refusal_detail(const struct saga_run *run)
{
    const char *wrong = NULL;
    if (run->event == SAGA_EVENT_ANSWER_GIVEN) {
        const Orderclerk__V1__AnswerClarification *answer = BODY(run, AnswerClarification);
        if (answer->n_changes == 0)
            return "no field was changed";
        // Checked on a copy: descending makes absent sub-messages.
        Orderclerk__V1__Order copy = *run->doc->order;
        wrong = saga_order_change(run->arena, &copy, answer->changes, answer->n_changes, true);
    } else if (run->event == SAGA_EVENT_SHORTAGE_ANSWERED &&
               strcmp(run->doc->state, "SHORTAGE_OFFERED") == 0) {
        wrong = saga_choices_wrong(run->doc, BODY(run, AnswerShortage));
    }
    return wrong == NULL ? "" : wrong;
}

void saga_refuse(struct saga_run *run, const char *why)
{
    Orderclerk__V1__OrderState *doc = run->doc;
    const char *words[SAGA_REQUESTS_MAX];
    const size_t count = saga_allowed(run->definition, run->from, words);
    const char *detail = saga_refusal_detail(run);
    Orderclerk__V1__RequestRefused *body = NEW(run, request_refused);
    body->request_id = (char *)run->input->request_id;
    body->reason = detail[0] == '\0' ? (char *)why : saga_text(run, "%s: %s", why, detail);
    body->allowed = arena_copy(run->arena, words, count * sizeof *words);
    body->n_allowed = count;
    saga_tell(run, ORDERCLERK__V1__ORDER_EVENT__BODY_REQUEST_REFUSED)->request_refused = body;

    Orderclerk__V1__RefusedRequest *kept = NEW(run, refused_request);
    kept->request_id = body->request_id;
    kept->reason = body->reason;
    kept->allowed = body->allowed;
    kept->n_allowed = count;
    kept->at_us = run->now;
    saga_append(run->arena, &doc->refused_requests, &doc->n_refused_requests, kept);
    if (doc->n_refused_requests > REFUSED_MAX) {
        doc->refused_requests++;
        doc->n_refused_requests--;
    }
}

// --- Coming in.

ACT(receive)
{
    const Orderclerk__V1__SubmitOrder *submit = BODY(run, SubmitOrder);
    Orderclerk__V1__OrderState *doc = run->doc;
    doc->order = submit->order != NULL ? submit->order : NEW(run, order);
    doc->order->revision = 1;
    doc->suspected_duplicate_of = submit->suspected_duplicate_of;
    doc->submitted_at_us = run->now;
    doc->promise = NEW(run, promise);
    Orderclerk__V1__OrderReceived *body = NEW(run, order_received);
    body->order = doc->order;
    body->suspected_duplicate_of = doc->suspected_duplicate_of;
    saga_tell(run, ORDERCLERK__V1__ORDER_EVENT__BODY_RECEIVED)->received = body;
}

ACT(ask_validate)
{
    Orderclerk__V1__ValidateOrder *validate = NEW(run, validate_order);
    validate->order = run->doc->order;
    validate->waived = run->doc->waived;
    validate->n_waived = run->doc->n_waived;
    Orderclerk__V1__ValidatorCommand *command = NEW(run, validator_command);
    command->saga_revision = run->doc->saga_revision;
    command->body_case = ORDERCLERK__V1__VALIDATOR_COMMAND__BODY_VALIDATE;
    command->validate = validate;
    saga_step_ask(run, SAGA_STEP_VALIDATE, "",
                  run->sink->command(run->sink->self, SAGA_PEER_VALIDATOR, &command->base));
}

static void answered(struct saga_run *run, enum saga_step kind)
{
    Orderclerk__V1__Step *step = saga_step_find(run->doc, kind, "", STEP_ASKED);
    if (step != NULL)
        saga_step_set(run, step, STEP_DONE);
}

// Small, in stock, on granted terms: express. Once registered, an order keeps its definition.
static void choose_definition(struct saga_run *run, const Orderclerk__V1__OrderValidated *validated)
{
    Orderclerk__V1__OrderState *doc = run->doc;
    if (!IS_EMPTY(doc->order_no))
        return;
    const bool express = strcmp(doc->order->currency, "CNY") == 0 &&
                         doc->total_minor <= run->settings->express_total_minor &&
                         saga_units(doc) <= run->settings->express_units && !saga_has_make_lines(doc) &&
                         validated->terms_granted;
    doc->definition = (char *)(express ? "express" : "standard");
}

ACT(take_validation)
{
    const Orderclerk__V1__OrderValidated *validated = BODY(run, OrderValidated);
    Orderclerk__V1__OrderState *doc = run->doc;
    answered(run, SAGA_STEP_VALIDATE);
    doc->resolved = validated->lines;
    doc->n_resolved = validated->n_lines;
    doc->total_minor = 0; // of the lines: the only numbers that later steps compute with
    for (size_t i = 0; i < doc->n_resolved; i++)
        doc->total_minor += doc->resolved[i]->gross_minor;
    doc->n_violations = 0;
    doc->earliest_date = validated->earliest_date;
    doc->promise->zone =
        IS_EMPTY(validated->promise_zone) ? (char *)run->settings->business_zone : validated->promise_zone;
    if (doc->order->customer == NULL)
        doc->order->customer = NEW(run, party);
    if (!IS_EMPTY(validated->customer_id))
        doc->order->customer->customer_id = validated->customer_id;
    saga_quantities_rebuild(run);
    choose_definition(run, validated);
    Orderclerk__V1__OrderPriced *body = NEW(run, order_priced);
    body->lines = doc->resolved;
    body->n_lines = doc->n_resolved;
    body->total_minor = doc->total_minor;
    body->currency = doc->order->currency;
    body->judged_by = validated->judged_by;
    body->n_judged_by = validated->n_judged_by;
    saga_tell(run, ORDERCLERK__V1__ORDER_EVENT__BODY_PRICED)->priced = body;
}

ACT(take_violations)
{
    const Orderclerk__V1__ValidationFailed *failed = BODY(run, ValidationFailed);
    Orderclerk__V1__OrderState *doc = run->doc;
    const bool duplicate = saga_guard_fns[SAGA_GUARD_duplicate_open](run);
    answered(run, SAGA_STEP_VALIDATE);
    doc->violations = failed->violations;
    doc->n_violations = failed->n_violations;
    doc->reason = (char *)"violations";
    if (run->to == SAGA_AWAITING_CUSTOMER && duplicate)
        saga_do_ask_duplicate(run);
}

// --- Asking the customer.

ACT(ask_duplicate)
{
    saga_violation_add(run, "DUPLICATE_SUSPECTED", "suspected_duplicate_of",
                       "This looks like an order that you placed already. Do you want both?",
                       "此订单与您已下的订单相似，是否两单都需要？", "yes");
}

ACT(ask_customer)
{
    Orderclerk__V1__OrderState *doc = run->doc;
    doc->reason = (char *)"questions to the customer";
    Orderclerk__V1__ClarificationRequested *body = NEW(run, clarification_requested);
    body->violations = doc->violations;
    body->n_violations = doc->n_violations;
    saga_tell(run, ORDERCLERK__V1__ORDER_EVENT__BODY_CLARIFICATION_REQUESTED)->clarification_requested = body;
    Orderclerk__V1__Notify *notify = saga_notice(run, SAGA_NOTICE_CLARIFICATION);
    if (notify == NULL)
        return;
    char deadline[INSTANT_TEXT_SIZE];
    instant_format(run->now + run->settings->awaiting_customer, deadline);
    saga_notice_value(run, notify, "deadline", saga_copy(run, deadline));
    notify->violations = doc->violations;
    notify->n_violations = doc->n_violations;
    saga_notice_send(run, notify);
}

static void waive_code(struct saga_run *run, const Orderclerk__V1__Violation *violation)
{
    Orderclerk__V1__OrderState *doc = run->doc;
    char *name = saga_text(run, "%s@%s", violation->code, violation->field);
    for (size_t i = 0; i < doc->n_waived; i++)
        if (strcmp(doc->waived[i], name) == 0)
            return;
    saga_append(run->arena, &doc->waived, &doc->n_waived, name);
}

ACT(revise)
{
    const Orderclerk__V1__AnswerClarification *answer = BODY(run, AnswerClarification);
    Orderclerk__V1__OrderState *doc = run->doc;
    saga_order_change(run->arena, doc->order, answer->changes, answer->n_changes, false);
    doc->order->revision++;
    for (size_t i = 0; i < doc->n_violations; i++)
        if (strcmp(doc->violations[i]->code, "DUPLICATE_SUSPECTED") == 0)
            waive_code(run, doc->violations[i]);
    doc->n_violations = 0;
    Orderclerk__V1__OrderRevised *body = NEW(run, order_revised);
    body->order = doc->order;
    body->changes = answer->changes;
    body->n_changes = answer->n_changes;
    saga_tell(run, ORDERCLERK__V1__ORDER_EVENT__BODY_REVISED)->revised = body;
}

// --- Asking a department.

static char *next_task_id(struct saga_run *run)
{
    char id[UUID_TEXT_SIZE];
    uuid_format(saga_task_id(run), id);
    return saga_copy(run, id);
}

ACT(ask_approval)
{
    Orderclerk__V1__OrderState *doc = run->doc;
    const char *department = saga_department_asked(doc);
    doc->reason = (char *)"approval wanted";
    Orderclerk__V1__RequestApproval *request = NEW(run, request_approval);
    request->task_id = next_task_id(run);
    for (size_t i = 0; i < doc->n_violations; i++)
        if (strcmp(doc->violations[i]->department, department) == 0)
            saga_append(run->arena, &request->violations, &request->n_violations, doc->violations[i]);
    Orderclerk__V1__DepartmentCommand *command = saga_department_command(run, department);
    command->body_case = ORDERCLERK__V1__DEPARTMENT_COMMAND__BODY_REQUEST_APPROVAL;
    command->request_approval = request;
    saga_step_ask(run, SAGA_STEP_APPROVAL, "",
                  run->sink->command(run->sink->self, SAGA_PEER_DEPARTMENTS, &command->base));
    Orderclerk__V1__ApprovalRequested *body = NEW(run, approval_requested);
    body->department = (char *)department;
    body->violations = request->violations;
    body->n_violations = request->n_violations;
    saga_tell(run, ORDERCLERK__V1__ORDER_EVENT__BODY_APPROVAL_REQUESTED)->approval_requested = body;
}

ACT(waive)
{
    Orderclerk__V1__OrderState *doc = run->doc;
    const char *department = saga_department_asked(doc);
    for (size_t i = 0; i < doc->n_violations; i++)
        if (strcmp(doc->violations[i]->department, department) == 0)
            waive_code(run, doc->violations[i]);
    doc->n_violations = 0;
}

// A wish is a question to the customer, beside those that the department would not waive.
static void wish(struct saga_run *run, const char *comment)
{
    if (run->from == SAGA_IN_REVIEW)
        run->doc->n_violations = 0;
    const char *text = IS_EMPTY(comment) ? "Changes are wanted" : comment;
    saga_violation_add(run, run->from == SAGA_IN_REVIEW ? "REVIEW_CHANGES" : "APPROVAL_REFUSED", "remarks",
                       text, text, "");
}

ACT(note_decision)
{
    Orderclerk__V1__ReviewDecided *body = NEW(run, review_decided);
    body->by = IS_EMPTY(run->input->actor) ? (char *)run->input->department : (char *)run->input->actor;
    switch ((int)run->event) {
    case SAGA_EVENT_TASK_APPROVED:
        body->decision = (char *)"APPROVED";
        body->comment = BODY(run, Approved)->comment;
        break;
    case SAGA_EVENT_TASK_REFUSED:
        body->decision = (char *)"REJECTED";
        body->comment = BODY(run, Refused)->reason;
        run->doc->reason = IS_EMPTY(body->comment) ? (char *)"refused" : body->comment;
        break;
    default:
        body->decision = (char *)"CHANGES";
        body->comment = BODY(run, ChangesWanted)->comment;
        break;
    }
    answered(run, SAGA_STEP_APPROVAL);
    answered(run, SAGA_STEP_REVIEW);
    if (run->to == SAGA_AWAITING_CUSTOMER)
        wish(run, body->comment);
    saga_tell(run, ORDERCLERK__V1__ORDER_EVENT__BODY_REVIEW_DECIDED)->review_decided = body;
}

ACT(ask_review)
{
    Orderclerk__V1__OrderState *doc = run->doc;
    Orderclerk__V1__RequestReview *request = NEW(run, request_review);
    request->task_id = next_task_id(run);
    if (doc->total_minor >= run->settings->review_total_minor)
        saga_append(run->arena, &request->reasons, &request->n_reasons, (void *)"TOTAL");
    if (saga_units(doc) >= run->settings->review_units)
        saga_append(run->arena, &request->reasons, &request->n_reasons, (void *)"UNITS");
    if (saga_has_make_lines(doc))
        saga_append(run->arena, &request->reasons, &request->n_reasons, (void *)"MAKE_LINE");
    request->lines = doc->resolved;
    request->n_lines = doc->n_resolved;
    request->total_minor = doc->total_minor;
    Orderclerk__V1__DepartmentCommand *command = saga_department_command(run, "sales");
    command->body_case = ORDERCLERK__V1__DEPARTMENT_COMMAND__BODY_REQUEST_REVIEW;
    command->request_review = request;
    saga_step_ask(run, SAGA_STEP_REVIEW, "",
                  run->sink->command(run->sink->self, SAGA_PEER_DEPARTMENTS, &command->base));
    Orderclerk__V1__ReviewRequested *body = NEW(run, review_requested);
    body->reasons = request->reasons;
    body->n_reasons = request->n_reasons;
    body->lines = doc->resolved;
    body->n_lines = doc->n_resolved;
    body->total_minor = doc->total_minor;
    body->currency = doc->order->currency;
    saga_tell(run, ORDERCLERK__V1__ORDER_EVENT__BODY_REVIEW_REQUESTED)->review_requested = body;
    saga_notice_send(run, saga_notice(run, SAGA_NOTICE_REVIEW_PENDING));
}

// --- Stock.

ACT(ask_reserve)
{
    Orderclerk__V1__OrderState *doc = run->doc;
    Orderclerk__V1__ReserveStock *reserve = NEW(run, reserve_stock);
    reserve->order_revision = doc->order->revision;
    reserve->lines = arena_new_array(run->arena, Orderclerk__V1__ReserveLine *, doc->n_resolved + 1);
    for (size_t i = 0; i < doc->n_resolved; i++) {
        const Orderclerk__V1__ResolvedLine *resolved = doc->resolved[i];
        if (resolved->kind == ORDERCLERK__V1__LINE_KIND__LINE_KIND_MAKE)
            continue;
        const Orderclerk__V1__LineQuantities *quantities = saga_quantities(doc, resolved->line_no);
        Orderclerk__V1__ReserveLine *line = NEW(run, reserve_line);
        line->line_no = resolved->line_no;
        line->sku = resolved->sku;
        line->quantity = resolved->quantity;
        line->backorder = quantities != NULL && quantities->backorder_agreed;
        reserve->lines[reserve->n_lines++] = line;
    }
    Orderclerk__V1__InventoryCommand *command = NEW(run, inventory_command);
    command->saga_revision = doc->saga_revision;
    command->body_case = ORDERCLERK__V1__INVENTORY_COMMAND__BODY_RESERVE;
    command->reserve = reserve;
    saga_step_ask(run, SAGA_STEP_RESERVE, "",
                  run->sink->command(run->sink->self, SAGA_PEER_INVENTORY, &command->base));
}

ACT(take_shortage)
{
    const Orderclerk__V1__StockShort *shortage = BODY(run, StockShort);
    answered(run, SAGA_STEP_RESERVE);
    run->doc->shortages = shortage->shortages;
    run->doc->n_shortages = shortage->n_shortages;
    saga_allocate(run, shortage->allocations, shortage->n_allocations);
}

ACT(offer)
{
    Orderclerk__V1__OrderState *doc = run->doc;
    doc->reason = (char *)"goods are missing";
    Orderclerk__V1__ShortageOffered *body = NEW(run, shortage_offered);
    body->shortages = doc->shortages;
    body->n_shortages = doc->n_shortages;
    saga_tell(run, ORDERCLERK__V1__ORDER_EVENT__BODY_SHORTAGE_OFFERED)->shortage_offered = body;
    Orderclerk__V1__Notify *notify = saga_notice(run, SAGA_NOTICE_SHORTAGE_OFFER);
    if (notify == NULL)
        return;
    char deadline[INSTANT_TEXT_SIZE];
    instant_format(run->now + run->settings->shortage_offered, deadline);
    saga_notice_value(run, notify, "deadline", saga_copy(run, deadline));
    notify->shortages = doc->shortages;
    notify->n_shortages = doc->n_shortages;
    saga_notice_send(run, notify);
}

ACT(choose)
{
    const Orderclerk__V1__AnswerShortage *answer = BODY(run, AnswerShortage);
    Orderclerk__V1__OrderState *doc = run->doc;
    if (run->to == SAGA_COMPENSATING) {
        doc->reason = (char *)"the customer refuses the shortage";
    } else {
        saga_choices_apply(run, answer);
        doc->order->revision++;
    }
    doc->n_shortages = 0;
    Orderclerk__V1__ShortageAnswered *body = NEW(run, shortage_answered);
    body->choices = answer->choices;
    body->n_choices = answer->n_choices;
    saga_tell(run, ORDERCLERK__V1__ORDER_EVENT__BODY_SHORTAGE_ANSWERED)->shortage_answered = body;
}

ACT(note_stock_refusal)
{
    const Orderclerk__V1__StockRefused *refused = BODY(run, StockRefused);
    answered(run, SAGA_STEP_RESERVE);
    run->doc->reason = saga_text(run, "line %u: %s", refused->line_no, refused->reason);
}

// --- Reminding, asking again.

ACT(remind)
{
    Orderclerk__V1__OrderState *doc = run->doc;
    doc->tries++;
    Orderclerk__V1__DeadlineMissed *body = NEW(run, deadline_missed);
    body->state = doc->state;
    body->owner = doc->waiting_on;
    body->tries = doc->tries;
    saga_tell(run, ORDERCLERK__V1__ORDER_EVENT__BODY_DEADLINE_MISSED)->deadline_missed = body;
    Orderclerk__V1__Notify *notify = saga_notice(run, SAGA_NOTICE_REMINDER);
    if (notify == NULL)
        return;
    char deadline[INSTANT_TEXT_SIZE];
    instant_format(doc->deadline_us, deadline);
    saga_notice_value(run, notify, "state", doc->state);
    saga_notice_value(run, notify, "deadline", saga_copy(run, deadline));
    notify->violations = doc->violations;
    notify->n_violations = doc->n_violations;
    notify->shortages = doc->shortages;
    notify->n_shortages = doc->n_shortages;
    saga_notice_send(run, notify);
}

#define ALARM_DOUBLINGS_MAX                                                                                  \
    3 // an alarm that nobody follows comes again later each time, up to eight times the first

ACT(alarm)
{
    Orderclerk__V1__OrderState *doc = run->doc;
    Orderclerk__V1__DeadlineMissed *body = NEW(run, deadline_missed);
    body->state = doc->state;
    body->owner = doc->waiting_on;
    body->tries = ++doc->tries;
    run->renew = true;
    run->doublings = doc->tries < ALARM_DOUBLINGS_MAX ? doc->tries : ALARM_DOUBLINGS_MAX;
    saga_tell(run, ORDERCLERK__V1__ORDER_EVENT__BODY_DEADLINE_MISSED)->deadline_missed = body;
}

ACT(ask_again)
{
    if (run->to == SAGA_VALIDATING || run->to == SAGA_RESERVING)
        run->doc->tries++;
    run->renew = run->event == SAGA_EVENT_DEADLINE_PASSED;
    for (size_t i = 0; i < run->doc->n_steps; i++)
        if (saga_step_is(run->doc->steps[i], STEP_ASKED) || saga_step_is(run->doc->steps[i], STEP_UNDOING))
            saga_step_again(run, run->doc->steps[i]);
}

ACT(tell_received)
{
    saga_notice_send(run, saga_notice(run, SAGA_NOTICE_RECEIVED));
}

ACT(put_off)
{
    Orderclerk__V1__OrderState *doc = run->doc;
    doc->refused_deadline = saga_copy(run, run->input->refusal);
    run->renew = true;
    // Asking again may be what was refused: it would be due, and refused, again and again.
    for (size_t i = 0; i < doc->n_steps; i++)
        if (doc->steps[i]->due_us != 0 && doc->steps[i]->due_us <= run->now)
            doc->steps[i]->due_us = run->now + run->settings->needs_person;
}

ACT(call_person)
{
    Orderclerk__V1__OrderState *doc = run->doc;
    const char *words[SAGA_REQUESTS_MAX];
    doc->reason = (char *)saga_person_what(run);
    Orderclerk__V1__PersonNeeded *body = NEW(run, person_needed);
    body->what = doc->reason;
    body->who = (char *)"operator";
    body->n_exits = saga_person_exits(run, words);
    body->exits = arena_copy(run->arena, words, body->n_exits * sizeof *words);
    saga_tell(run, ORDERCLERK__V1__ORDER_EVENT__BODY_PERSON_NEEDED)->person_needed = body;
}
