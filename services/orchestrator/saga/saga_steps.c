// The document's step list: what was asked of others, what of it is done, and what has been taken back.
#include "orchestrator/saga/saga_run.h"

#include <assert.h>
#include <string.h>

enum saga_step saga_step_of(const Orderclerk__V1__Step *step)
{
    const size_t size = strcspn(step->name, ":");
    for (enum saga_step s = 1; s < SAGA_STEP_COUNT; s++) {
        const char *name = saga_step_info(s)->name;
        if (strlen(name) == size && memcmp(name, step->name, size) == 0)
            return s;
    }
    return SAGA_STEP_NONE;
}

const char *saga_step_part(const Orderclerk__V1__Step *step)
{
    const char *colon = strchr(step->name, ':');
    return colon == NULL ? "" : colon + 1;
}

bool saga_step_is(const Orderclerk__V1__Step *step, const char *state)
{
    return strcmp(step->state, state) == 0;
}

static bool is_named(const Orderclerk__V1__Step *step, enum saga_step kind, const char *part,
                     const char *state)
{
    return saga_step_of(step) == kind && (part == NULL || strcmp(saga_step_part(step), part) == 0) &&
           (state == NULL || saga_step_is(step, state));
}

Orderclerk__V1__Step *saga_step_find(const Orderclerk__V1__OrderState *doc, enum saga_step kind,
                                     const char *part, const char *state)
{
    for (size_t i = doc->n_steps; i-- > 0;)
        if (is_named(doc->steps[i], kind, part, state))
            return doc->steps[i];
    return NULL;
}

// Receipts and consumptions may be under way several times for one line or shipment.
static bool is_single(enum saga_step kind)
{
    return kind != SAGA_STEP_RECEIVE && kind != SAGA_STEP_CONSUME;
}

static int64_t again_after(const struct saga_run *run, enum saga_step kind)
{
    const size_t offset = saga_step_info(kind)->again;
    int64_t us = 0;
    if (offset != SIZE_MAX)
        memcpy(&us, (const char *)run->settings + offset, sizeof us);
    return us;
}

#define DOUBLINGS_MAX 6 // of a resend's distance

int64_t saga_step_again_after(const struct saga_run *run, const Orderclerk__V1__Step *step)
{
    const bool undoing = saga_step_is(step, STEP_UNDOING);
    const int64_t first = undoing ? run->settings->undo_again : again_after(run, saga_step_of(step));
    return first << (step->tries < DOUBLINGS_MAX ? step->tries : DOUBLINGS_MAX);
}

static char *event_id_text(struct saga_run *run, struct uuid id)
{
    char text[UUID_TEXT_SIZE];
    if (uuid_is_nil(id))
        return (char *)"";
    uuid_format(id, text);
    return saga_copy(run, text);
}

Orderclerk__V1__Step *saga_step_ask(struct saga_run *run, enum saga_step kind, const char *part,
                                    struct uuid command)
{
    assert((run->rule->undo & SAGA_BIT(kind)) != 0); // the table names what takes this back
    Orderclerk__V1__OrderState *doc = run->doc;
    Orderclerk__V1__Step *step = is_single(kind) ? saga_step_find(doc, kind, part, NULL) : NULL;
    if (step == NULL) {
        step = NEW(run, step);
        step->step_no = doc->n_steps == 0 ? 1 : doc->steps[doc->n_steps - 1]->step_no + 1;
        const char *name = saga_step_info(kind)->name;
        step->name = part[0] == '\0' ? (char *)name : saga_text(run, "%s:%s", name, part);
        saga_append(run->arena, &doc->steps, &doc->n_steps, step);
    }
    step->state = (char *)STEP_ASKED;
    step->command_event_id = event_id_text(run, command);
    step->tries = 0;
    const int64_t after = again_after(run, kind);
    step->due_us = after == 0 ? 0 : run->now + after;
    run->changed = step;
    return step;
}

static bool is_kept(enum saga_step kind)
{
    return saga_step_info(kind)->wave != 0 || kind == SAGA_STEP_CREDIT;
}

static void drop(Orderclerk__V1__OrderState *doc, const Orderclerk__V1__Step *step)
{
    size_t n = 0;
    for (size_t i = 0; i < doc->n_steps; i++)
        if (doc->steps[i] != step)
            doc->steps[n++] = doc->steps[i];
    doc->n_steps = n;
}

void saga_step_set(struct saga_run *run, Orderclerk__V1__Step *step, const char *state)
{
    const enum saga_step kind = saga_step_of(step);
    step->state = (char *)state;
    step->due_us = 0;
    step->tries = 0;
    run->changed = step;
    if (strcmp(state, STEP_DONE) != 0)
        return;
    if (kind == SAGA_STEP_CREDIT)
        step->due_us = run->now + run->settings->credit_valid; // until when the answer counts
    if (!is_kept(kind))
        drop(run->doc, step);
}

// The part of the step that the input speaks of.
static const char *answered_part(const struct saga_run *run)
{
    switch ((int)run->event) {
    case SAGA_EVENT_PLAN_CONFIRMED:
        return BODY(run, PlanConfirmed)->kind;
    case SAGA_EVENT_PLAN_INFEASIBLE:
        return BODY(run, PlanInfeasible)->kind;
    case SAGA_EVENT_PLAN_CANCELLED:
        return BODY(run, PlanCancelled)->kind;
    case SAGA_EVENT_STOCK_CONSUMED:
        return BODY(run, StockConsumed)->shipment_id;
    case SAGA_EVENT_INVOICE_ISSUED:
        return BODY(run, InvoiceIssued)->shipment_id;
    case SAGA_EVENT_GOODS_RECEIVED: {
        const Orderclerk__V1__Allocation *allocation = BODY(run, ReceivedForOrder)->allocation;
        return allocation == NULL ? "" : arena_printf(run->arena, "%u", allocation->line_no);
    }
    default:
        return run->input->shipment_id;
    }
}

// Answers come in the order of asking: the oldest step is meant.
Orderclerk__V1__Step *saga_step_answered(const struct saga_run *run, const char *state)
{
    const enum saga_step kind = saga_event_info(run->event)->step;
    const char *part = answered_part(run);
    for (size_t i = 0; i < run->doc->n_steps && kind != SAGA_STEP_NONE; i++)
        if (is_named(run->doc->steps[i], kind, part, state))
            return run->doc->steps[i];
    return NULL;
}

const char *saga_step_owner(struct arena *arena, const Orderclerk__V1__OrderState *doc,
                            const Orderclerk__V1__Step *step)
{
    const enum saga_step kind = saga_step_of(step);
    const char *part = saga_step_part(step);
    if (kind == SAGA_STEP_RELEASE) {
        const Orderclerk__V1__ShipmentState *shipment = saga_shipment(doc, part);
        return shipment == NULL ? "warehouse" : arena_printf(arena, "warehouse:%s", shipment->warehouse);
    }
    if (kind == SAGA_STEP_PLAN) {
        if (strcmp(part, "PRODUCTION") == 0)
            return "production";
        return strcmp(part, "WAREHOUSE") == 0 ? "warehouse" : "logistics";
    }
    return kind == SAGA_STEP_NONE ? "operator" : saga_step_info(kind)->owner;
}

void saga_step_again(struct saga_run *run, Orderclerk__V1__Step *step)
{
    struct uuid id;
    const enum saga_step kind = saga_step_of(step);
    // A bill isn't a lost message: sending it again would be a reminder.
    if (kind == SAGA_STEP_NONE || (kind == SAGA_STEP_PAYMENT && saga_step_is(step, STEP_ASKED)) ||
        !uuid_parse(bytes_str(step->command_event_id), &id))
        return;
    step->tries++;
    run->changed = step;
    run->sink->again(run->sink->self, saga_step_info(kind)->peer, id);
}
