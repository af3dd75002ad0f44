// The engine: finds the rule that decides, fires it, and goes on while something can go on by itself.
#include "orchestrator/saga/saga.h"

#include "orchestrator/saga/saga_run.h"

#include <assert.h>
#include <string.h>

#define CHAIN_MAX                                                                                            \
    16 // rules that one input may fire in a row: the longest useful chain is 6; more is a loop in the table

Orderclerk__V1__OrderState *saga_new(const struct saga_context *context, struct arena *arena,
                                     const char *order_id)
{
    Orderclerk__V1__OrderState *doc = saga_message(arena, &orderclerk__v1__order_state__descriptor);
    doc->order_id = arena_str(arena, bytes_str(order_id));
    doc->state = (char *)saga_state_info(SAGA_RECEIVED)->name;
    doc->definition =
        (char *)"standard"; // until ORDER_VALIDATED chooses: coming in and checking are the same in all
    doc->definition_version = context->book->newest;
    doc->payment_state = (char *)"UNPAID";
    return doc;
}

const struct saga_definition *saga_definition_of(const struct saga_book *book,
                                                 const Orderclerk__V1__OrderState *doc)
{
    return saga_book_find(book, doc->definition, doc->definition_version);
}

static const struct saga_rule *deciding_rule(const struct saga_run *run, enum saga_state state)
{
    const struct saga_rule *rules = saga_definition_source(run->definition)->rules;
    const uint16_t *cell;
    const size_t count = saga_cell(run->definition, state, run->event, &cell);
    for (size_t i = 0; i < count; i++) {
        const struct saga_rule *rule = &rules[cell[i]];
        if (rule->when == SAGA_GUARD_NONE || saga_guard_fns[rule->when](run))
            return rule;
    }
    return NULL;
}

static enum saga_state target_of(const struct saga_run *run, const struct saga_rule *rule,
                                 enum saga_state from)
{
    if (rule->to == SAGA_SAME)
        return from;
    if (rule->to != SAGA_RESUME)
        return rule->to;
    if (from == SAGA_NEEDS_PERSON && saga_undoing(run->doc))
        return SAGA_COMPENSATING;
    return saga_state_find(run->doc->resume_state);
}

// Keeps where the order was, for a refused cancel and for a person's exits.
static void remember(struct saga_run *run)
{
    const bool aside = run->to == SAGA_COMPENSATING || run->to == SAGA_NEEDS_PERSON;
    if (aside && run->from != SAGA_COMPENSATING && run->from != SAGA_NEEDS_PERSON)
        run->doc->resume_state = (char *)saga_state_info(run->from)->name;
    if (run->rule->ending != SAGA_STATE_NONE)
        run->doc->compensating_to = (char *)saga_state_info(run->rule->ending)->name;
    if (!aside && saga_state_info(run->to)->kind == SAGA_WAITING)
        run->doc->reason = (char *)"";
}

static void enter(struct saga_run *run)
{
    run->doc->state_since_us = run->now;
    run->doc->tries = 0;
    run->renew = true;
    if (run->to != SAGA_COMPENSATING && run->to != SAGA_NEEDS_PERSON)
        run->doc->resume_state = (char *)"";
    if (run->to != SAGA_NEEDS_PERSON)
        run->doc->refused_deadline = (char *)"";
}

static void send_events(struct saga_run *run)
{
    Orderclerk__V1__OrderState *doc = run->doc;
    if (run->event_count == 0) {
        // Every rule that fires is told, so that the saga can be rebuilt from order-events alone.
        Orderclerk__V1__StepChanged *body = NEW(run, step_changed);
        body->step = run->changed != NULL ? run->changed : NEW(run, step);
        saga_tell(run, ORDERCLERK__V1__ORDER_EVENT__BODY_STEP_CHANGED)->step_changed = body;
    }
    Orderclerk__V1__Transition *transition = NEW(run, transition);
    transition->definition = doc->definition;
    transition->definition_version = doc->definition_version;
    transition->rule_id = run->rule->id;
    transition->from_state = (char *)saga_state_info(run->from)->name;
    transition->to_state = doc->state;
    transition->event = (char *)saga_event_info(run->event)->name;
    transition->cause_topic = (char *)run->input->topic;
    transition->cause_partition = run->input->partition;
    transition->cause_offset = run->input->offset;
    transition->deadline_us = doc->deadline_us;
    transition->waiting_on = doc->waiting_on;
    for (size_t i = 0; i < run->event_count; i++) {
        Orderclerk__V1__OrderEvent *event = run->events[i];
        event->saga_revision = doc->saga_revision;
        event->order_no = doc->order_no;
        event->transition = transition;
        run->sink->order_event(run->sink->self, event);
    }
    const struct saga_transition row = {
        .revision = doc->saga_revision,
        .rule_id = run->rule->id,
        .from = transition->from_state,
        .to = transition->to_state,
        .event = transition->event,
    };
    run->sink->transition(run->sink->self, &row);
}

static void fire(struct saga_run *run, const struct saga_rule *rule, enum saga_state from)
{
    Orderclerk__V1__OrderState *doc = run->doc;
    run->rule = rule;
    run->from = from;
    run->to = target_of(run, rule, from);
    run->renew = false;
    run->doublings = 0;
    run->changed = NULL;
    run->event_count = 0;
    assert(run->to != SAGA_STATE_NONE && run->to < SAGA_STATE_COUNT);
    doc->saga_revision++;
    const bool entering = rule->to != SAGA_SAME;
    if (entering) {
        saga_task_close(run, saga_event_info(run->event)->name);
        remember(run);
    }
    if (rule->kind == SAGA_RULE_REFUSE)
        saga_refuse(run, rule->why);
    for (size_t i = 0; i < SAGA_ACTS_MAX && rule->act[i] != SAGA_ACTION_NONE; i++)
        saga_action_fns[rule->act[i]](run);
    saga_quantities_count(doc);
    doc->state = (char *)saga_state_info(run->to)->name;
    if (entering)
        enter(run);
    if (run->renew) {
        const instant deadline = saga_deadline(run, run->to);
        doc->deadline_us =
            deadline == INSTANT_NONE ? 0 : run->now + ((deadline - run->now) << run->doublings);
    }
    doc->waiting_on = saga_owner_text(run->arena, doc, run->to, run->now);
    if (entering)
        saga_task_open(run, run->to);
    else
        saga_task_follow(run);
    send_events(run);
}

static enum saga_outcome outcome_of(const struct saga_rule *rule)
{
    switch (rule->kind) {
    case SAGA_RULE_MOVE:
        return SAGA_MOVED;
    case SAGA_RULE_REFUSE:
        return SAGA_REFUSED;
    case SAGA_RULE_IGNORE:
        return SAGA_IGNORED;
    case SAGA_RULE_NEVER:
        return SAGA_NEVER;
    }
    return SAGA_NEVER;
}

struct saga_result saga_step(const struct saga_context *context, struct arena *arena,
                             Orderclerk__V1__OrderState *doc, const struct saga_input *input, instant now,
                             const struct saga_sink *sink)
{
    struct saga_result result = {.outcome = SAGA_NEVER, .rule_id = 0, .why = "no rule decides"};
    struct saga_run *run = arena_new_object(arena, struct saga_run);
    run->context = context;
    run->settings = context->settings;
    run->arena = arena;
    run->doc = doc;
    run->input = input;
    run->event = input->event;
    run->now = now;
    run->sink = sink;
    const bool is_uuid = uuid_parse(bytes_str(doc->order_id), &run->order_id);
    assert(is_uuid);
    for (unsigned n = 0;; n++) {
        assert(n < CHAIN_MAX);
        run->definition = saga_definition_of(context->book, doc);
        const enum saga_state state = saga_state_find(doc->state);
        if (run->definition == NULL || state == SAGA_STATE_NONE) {
            if (n == 0)
                result.why = "the order's definition or state isn't known here";
            return result;
        }
        const struct saga_rule *rule = deciding_rule(run, state);
        if (n == 0 && rule != NULL)
            result = (struct saga_result){.outcome = outcome_of(rule), .rule_id = rule->id, .why = rule->why};
        if (rule == NULL || rule->kind == SAGA_RULE_IGNORE || rule->kind == SAGA_RULE_NEVER)
            return result;
        fire(run, rule, state);
        run->event = rule->redo ? input->event : SAGA_EVENT_GO;
    }
}

// --- Time as an input.

instant saga_due(const struct saga_context *context, const Orderclerk__V1__OrderState *doc)
{
    instant due = doc->deadline_us == 0 ? INT64_MAX : doc->deadline_us;
    const instant reminder = saga_reminder(context->settings, doc);
    if (reminder != INSTANT_NONE && reminder < due)
        due = reminder;
    for (size_t i = 0; i < doc->n_steps; i++) {
        const Orderclerk__V1__Step *step = doc->steps[i];
        const bool open = saga_step_is(step, STEP_ASKED) || saga_step_is(step, STEP_UNDOING);
        if (open && step->due_us != 0 && step->due_us < due)
            due = step->due_us;
    }
    return due == INT64_MAX ? INSTANT_NONE : due;
}

// The kind of the earliest deadline. Resends and reminders go first: they never end anything.
static enum saga_event due_event(const struct saga_context *context, const Orderclerk__V1__OrderState *doc,
                                 instant due)
{
    for (size_t i = 0; i < doc->n_steps; i++) {
        const Orderclerk__V1__Step *step = doc->steps[i];
        if (step->due_us == due && (saga_step_is(step, STEP_ASKED) || saga_step_is(step, STEP_UNDOING)))
            return SAGA_EVENT_STEP_DUE;
    }
    return saga_reminder(context->settings, doc) == due ? SAGA_EVENT_REMINDER_DUE
                                                        : SAGA_EVENT_DEADLINE_PASSED;
}

unsigned saga_run_due(const struct saga_context *context, struct arena *arena,
                      Orderclerk__V1__OrderState *doc, instant now, const struct saga_sink *sink)
{
    unsigned count = 0;
    for (; count < SAGA_DUE_MAX; count++) {
        const instant due = saga_due(context, doc);
        if (due == INSTANT_NONE || due > now)
            break;
        const struct saga_input input = {
            .event = due_event(context, doc, due),
            .actor = "",
            .request_id = "",
            .department = "",
            .shipment_id = "",
            .topic = "",
            .due = due,
        };
        saga_step(context, arena, doc, &input, now, sink);
    }
    return count;
}

struct saga_result saga_refuse_due(const struct saga_context *context, struct arena *arena,
                                   Orderclerk__V1__OrderState *doc, const char *why, instant now,
                                   const struct saga_sink *sink)
{
    const struct saga_input input = {
        .event = SAGA_EVENT_DEADLINE_REFUSED,
        .actor = "",
        .request_id = "",
        .department = "",
        .shipment_id = "",
        .topic = "",
        .due = now,
        .refusal = why,
    };
    return saga_step(context, arena, doc, &input, now, sink);
}

size_t saga_allowed(const struct saga_definition *definition, enum saga_state state,
                    const char *ret_words[SAGA_REQUESTS_MAX])
{
    size_t count = 0;
    for (enum saga_event e = 1; e < SAGA_EVENT_COUNT; e++) {
        const char *word = saga_request_word(e);
        if (word != NULL && count < SAGA_REQUESTS_MAX && saga_request_allowed(definition, state, e))
            ret_words[count++] = word;
    }
    return count;
}
