// Whom an order waits on, the task that says so, and what a person is called for.
#include "orchestrator/saga/saga_run.h"

#include "base/hash.h"

#include <stdio.h>
#include <string.h>

#define OWNER_TEXT_MAX 256 // a few departments and warehouses; more are cut

struct names {
    char text[OWNER_TEXT_MAX];
    size_t size;
};

static void add_name(struct names *names, const char *name)
{
    const size_t size = strlen(name);
    for (const char *at = names->text; (at = strstr(at, name)) != NULL; at += size)
        if ((at == names->text || at[-1] == ' ') && (at[size] == ' ' || at[size] == '\0'))
            return;
    if (size == 0 || names->size + size + 2 > sizeof names->text)
        return;
    if (names->size > 0)
        names->text[names->size++] = ' ';
    memcpy(names->text + names->size, name, size + 1);
    names->size += size;
}

static void add_step_owners(struct names *names, struct arena *arena, const Orderclerk__V1__OrderState *doc,
                            const char *state)
{
    for (size_t i = 0; i < doc->n_steps; i++)
        if (saga_step_is(doc->steps[i], state))
            add_name(names, saga_step_owner(arena, doc, doc->steps[i]));
}

const char *saga_department_asked(const Orderclerk__V1__OrderState *doc)
{
    for (size_t i = 0; i < doc->n_violations; i++)
        if (!IS_EMPTY(doc->violations[i]->department))
            return doc->violations[i]->department;
    return "sales";
}

// Released: the warehouses; else holds; else whoever makes or brings the goods.
static void add_goods_owners(struct names *names, struct arena *arena, const Orderclerk__V1__OrderState *doc)
{
    for (size_t i = 0; i < doc->n_shipments; i++) {
        const Orderclerk__V1__ShipmentState *shipment = doc->shipments[i];
        if (saga_shipment_open(shipment) && !saga_shipment_is(shipment, "DRAFT"))
            add_name(names, arena_printf(arena, "warehouse:%s", shipment->warehouse));
    }
    const Orderclerk__V1__Hold *hold = saga_blocking_hold(doc);
    if (hold != NULL)
        add_name(names, hold->placed_by);
    for (size_t i = 0; i < doc->n_quantities; i++) {
        if (doc->quantities[i]->in_production > 0)
            add_name(names, "production");
        if (doc->quantities[i]->backordered > 0)
            add_name(names, "inventory");
    }
    if (names->size == 0)
        add_step_owners(names, arena, doc, STEP_ASKED);
    if (names->size == 0)
        add_name(names, "warehouse");
}

// Within the window the customer may still complain; then whoever hasn't done their part, or pays late.
static void add_closing_owners(struct names *names, struct arena *arena,
                               const Orderclerk__V1__OrderState *doc, instant now)
{
    if (doc->deadline_us != 0 && now < doc->deadline_us && doc->tries == 0) {
        add_name(names, "customer");
        return;
    }
    add_step_owners(names, arena, doc, STEP_ASKED);
    if (names->size == 0)
        add_name(names, saga_paid(doc) ? "operator" : "finance");
}

char *saga_owner_text(struct arena *arena, const Orderclerk__V1__OrderState *doc, enum saga_state state,
                      instant now)
{
    struct names names = {.size = 0};
    switch (saga_state_info(state)->owner) {
    case SAGA_OWNER_NOBODY:
        return (char *)"";
    case SAGA_OWNER_CUSTOMER:
        return (char *)"customer";
    case SAGA_OWNER_OPERATOR:
        return (char *)"operator";
    case SAGA_OWNER_VALIDATOR:
        return (char *)"validator";
    case SAGA_OWNER_INVENTORY:
        return (char *)"inventory";
    case SAGA_OWNER_SALES:
        return (char *)"sales";
    case SAGA_OWNER_LOGISTICS:
        return (char *)"logistics";
    case SAGA_OWNER_DEPARTMENT:
        return (char *)saga_department_asked(doc);
    case SAGA_OWNER_ASKED:
        add_step_owners(&names, arena, doc, STEP_ASKED);
        break;
    case SAGA_OWNER_GOODS:
        add_goods_owners(&names, arena, doc);
        break;
    case SAGA_OWNER_CLOSING:
        add_closing_owners(&names, arena, doc, now);
        break;
    case SAGA_OWNER_UNDOING:
        add_step_owners(&names, arena, doc, STEP_UNDOING);
        break;
    }
    if (names.size == 0)
        add_name(&names, "operator");
    return arena_str(arena, bytes_of(names.text, names.size));
}

// --- Tasks: the open ones are in the document; their history is in the events.

// Tasks of the state that the order is in; others (a lost cancel) stay open beside it.
static Orderclerk__V1__Task *state_task(const Orderclerk__V1__OrderState *doc)
{
    const enum saga_state state = saga_state_find(doc->state);
    const char *kind = saga_state_info(state)->task;
    for (size_t i = 0; kind[0] != '\0' && i < doc->n_tasks; i++)
        if (strcmp(doc->tasks[i]->kind, kind) == 0)
            return doc->tasks[i];
    return NULL;
}

struct uuid saga_task_id(const struct saga_run *run)
{
    uint8_t revision[8];
    for (unsigned i = 0; i < 8; i++)
        revision[i] = (uint8_t)(run->doc->saga_revision >> (56 - 8 * i));
    return uuid_derive(run->order_id, "task", bytes_of(revision, sizeof revision));
}

void saga_task_open(struct saga_run *run, enum saga_state state)
{
    const struct saga_state_info *info = saga_state_info(state);
    if (info->task[0] == '\0')
        return;
    Orderclerk__V1__OrderState *doc = run->doc;
    char id[UUID_TEXT_SIZE];
    uuid_format(saga_task_id(run), id);
    Orderclerk__V1__Task *task = NEW(run, task);
    task->task_id = saga_copy(run, id);
    task->owner = doc->waiting_on;
    task->kind = (char *)info->task;
    task->text_en = (char *)info->text_en;
    task->text_zh = (char *)info->text_zh;
    if (state == SAGA_NEEDS_PERSON)
        task->text_en = doc->reason;
    task->since_us = run->now;
    task->due_us = doc->deadline_us;
    saga_append(run->arena, &doc->tasks, &doc->n_tasks, task);
    if (info->announced) {
        Orderclerk__V1__TaskOpened *body = NEW(run, task_opened);
        body->task = task;
        saga_tell(run, ORDERCLERK__V1__ORDER_EVENT__BODY_TASK_OPENED)->task_opened = body;
    }
}

void saga_task_close(struct saga_run *run, const char *outcome)
{
    Orderclerk__V1__OrderState *doc = run->doc;
    Orderclerk__V1__Task *task = state_task(doc);
    if (task == NULL)
        return;
    size_t n = 0;
    for (size_t i = 0; i < doc->n_tasks; i++)
        if (doc->tasks[i] != task)
            doc->tasks[n++] = doc->tasks[i];
    doc->n_tasks = n;
    task->closed_us = run->now;
    task->outcome = (char *)outcome;
    if (saga_state_info(run->from)->announced) {
        Orderclerk__V1__TaskClosed *body = NEW(run, task_closed);
        body->task = task;
        saga_tell(run, ORDERCLERK__V1__ORDER_EVENT__BODY_TASK_CLOSED)->task_closed = body;
    }
}

void saga_task_follow(struct saga_run *run)
{
    Orderclerk__V1__Task *task = state_task(run->doc);
    if (task == NULL)
        return;
    task->owner = run->doc->waiting_on;
    task->due_us = run->doc->deadline_us;
}

// --- Calling a person.

static bool in_trouble(const Orderclerk__V1__ShipmentState *shipment)
{
    return saga_shipment_is(shipment, "REJECTED") || saga_shipment_is(shipment, "LOST") ||
           saga_shipment_is(shipment, "RETURNED_TO_SENDER");
}

const char *saga_person_what(struct saga_run *run)
{
    const Orderclerk__V1__OrderState *doc = run->doc;
    if (!IS_EMPTY(doc->refused_deadline))
        return saga_text(run, "what was due in %s can't be done: %s", saga_state_info(run->from)->name,
                         doc->refused_deadline);
    if (run->from == SAGA_COMPENSATING) {
        struct names owners = {.size = 0};
        add_step_owners(&owners, run->arena, doc, STEP_FAILED);
        return saga_text(run, "undoing is not acknowledged by: %s", owners.text);
    }
    for (size_t i = 0; i < doc->n_shipments; i++)
        if (in_trouble(doc->shipments[i]))
            return saga_text(run, "shipment %s of warehouse %s is %s", doc->shipments[i]->shipment_id,
                             doc->shipments[i]->warehouse, doc->shipments[i]->state);
    return saga_text(run, "%s does not answer", doc->waiting_on);
}

size_t saga_person_exits(const struct saga_run *run, const char *ret_words[SAGA_REQUESTS_MAX])
{
    size_t count = 0;
    if (!saga_guard_fns[SAGA_GUARD_only_sent_back](run))
        ret_words[count++] = saga_request_word(SAGA_EVENT_OPERATOR_RETRY);
    if (saga_guard_fns[SAGA_GUARD_undoing](run) || saga_guard_fns[SAGA_GUARD_goods_in_trouble](run))
        ret_words[count++] = saga_request_word(SAGA_EVENT_OPERATOR_PROCEED);
    if (saga_guard_fns[SAGA_GUARD_none_gone](run))
        ret_words[count++] = saga_request_word(SAGA_EVENT_CANCEL_REQUESTED);
    else if (saga_guard_fns[SAGA_GUARD_some_gone](run))
        ret_words[count++] = saga_request_word(SAGA_EVENT_OPERATOR_WRITE_OFF);
    return count;
}
