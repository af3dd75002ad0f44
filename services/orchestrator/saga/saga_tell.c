// Order events, mails and commands to departments: their common parts, and whom order events are addressed to.
#include "orchestrator/saga/saga_run.h"

#include "base/money.h"

#include <assert.h>
#include <string.h>

#define DEPARTMENTS_MAX 8 // of one event

// Sales follows every order at header level, operations whatever is stuck; the others what they work on.
const char *saga_departments_of(Orderclerk__V1__OrderEvent__BodyCase body)
{
    switch ((int)body) {
    case ORDERCLERK__V1__ORDER_EVENT__BODY_REGISTERED:
    case ORDERCLERK__V1__ORDER_EVENT__BODY_CANCELLED:
        return "production warehouse logistics finance sales";
    case ORDERCLERK__V1__ORDER_EVENT__BODY_SCHEDULED:
    case ORDERCLERK__V1__ORDER_EVENT__BODY_PROMISE_CHANGED:
        return "production warehouse logistics sales";
    case ORDERCLERK__V1__ORDER_EVENT__BODY_PRODUCTION_STARTED:
    case ORDERCLERK__V1__ORDER_EVENT__BODY_SHORTAGE_OFFERED:
    case ORDERCLERK__V1__ORDER_EVENT__BODY_SHORTAGE_ANSWERED:
        return "production sales";
    case ORDERCLERK__V1__ORDER_EVENT__BODY_REVIEW_REQUESTED:
    case ORDERCLERK__V1__ORDER_EVENT__BODY_REVIEW_DECIDED:
        return "production warehouse logistics finance sales qa";
    case ORDERCLERK__V1__ORDER_EVENT__BODY_LINE_AT_HAND:
    case ORDERCLERK__V1__ORDER_EVENT__BODY_SHIPMENT_RELEASED:
        return "warehouse";
    case ORDERCLERK__V1__ORDER_EVENT__BODY_SHIPMENT_PROGRESSED:
        return "logistics";
    case ORDERCLERK__V1__ORDER_EVENT__BODY_PARTIALLY_SHIPPED:
    case ORDERCLERK__V1__ORDER_EVENT__BODY_SHIPPED:
    case ORDERCLERK__V1__ORDER_EVENT__BODY_DELIVERED:
        return "logistics finance sales";
    case ORDERCLERK__V1__ORDER_EVENT__BODY_COMPLETED:
        return "finance sales";
    case ORDERCLERK__V1__ORDER_EVENT__BODY_CANCEL_REQUESTED:
    case ORDERCLERK__V1__ORDER_EVENT__BODY_CANCEL_REFUSED:
        return "warehouse sales";
    case ORDERCLERK__V1__ORDER_EVENT__BODY_CANCEL_LOST:
        return "warehouse logistics finance sales ops";
    case ORDERCLERK__V1__ORDER_EVENT__BODY_INVOICE_REQUESTED:
    case ORDERCLERK__V1__ORDER_EVENT__BODY_INVOICE_RECORDED:
    case ORDERCLERK__V1__ORDER_EVENT__BODY_PAYMENT_RECORDED:
        return "finance";
    case ORDERCLERK__V1__ORDER_EVENT__BODY_DEADLINE_MISSED:
    case ORDERCLERK__V1__ORDER_EVENT__BODY_PERSON_NEEDED:
        return "ops sales";
    case ORDERCLERK__V1__ORDER_EVENT__BODY_HOLD_PLACED:
    case ORDERCLERK__V1__ORDER_EVENT__BODY_HOLD_RELEASED:
        return "finance warehouse sales";
    case ORDERCLERK__V1__ORDER_EVENT__BODY_STEP_CHANGED:
        return "";
    default:
        return "sales";
    }
}

static void address(struct saga_run *run, Orderclerk__V1__OrderEvent *event, const char *names)
{
    char **departments = arena_new_array(run->arena, char *, DEPARTMENTS_MAX);
    size_t count = 0;
    for (const char *at = names; *at != '\0' && count < DEPARTMENTS_MAX;) {
        const size_t size = strcspn(at, " ");
        departments[count++] = arena_str(run->arena, bytes_of(at, size));
        at += size + (at[size] == ' ');
    }
    event->departments = departments;
    event->n_departments = count;
}

Orderclerk__V1__OrderEvent *saga_tell(struct saga_run *run, Orderclerk__V1__OrderEvent__BodyCase body)
{
    assert(run->event_count < SAGA_RUN_EVENTS_MAX);
    Orderclerk__V1__OrderEvent *event = NEW(run, order_event);
    event->body_case = body;
    address(run, event, saga_departments_of(body));
    run->events[run->event_count++] = event;
    return event;
}

Orderclerk__V1__DepartmentCommand *saga_department_command(struct saga_run *run, const char *department)
{
    Orderclerk__V1__DepartmentCommand *command = NEW(run, department_command);
    command->saga_revision = run->doc->saga_revision;
    command->order_no = run->doc->order_no;
    command->department = (char *)department;
    return command;
}

// --- Mails.

static const char *const notice_kinds[SAGA_NOTICE_COUNT] = {
#define NOTICE(name, kind, values) [SAGA_NOTICE_##name] = kind,
#include "orchestrator/saga/saga_notices.def"
#undef NOTICE
};

const char *saga_notice_kind(enum saga_notice notice)
{
    assert(notice < SAGA_NOTICE_COUNT);
    return notice_kinds[notice];
}

void saga_notice_value(struct saga_run *run, Orderclerk__V1__Notify *notify, const char *name,
                       const char *value)
{
    if (notify == NULL)
        return;
    Orderclerk__V1__NotifyValue *pair = NEW(run, notify_value);
    pair->name = (char *)name;
    pair->value = (char *)value;
    saga_append(run->arena, &notify->values, &notify->n_values, pair);
}

Orderclerk__V1__Notify *saga_notice(struct saga_run *run, enum saga_notice notice)
{
    const Orderclerk__V1__OrderState *doc = run->doc;
    const Orderclerk__V1__Party *customer = doc->order != NULL ? doc->order->customer : NULL;
    if (customer == NULL || IS_EMPTY(customer->email))
        return NULL;
    Orderclerk__V1__Notify *notify = NEW(run, notify);
    notify->kind = (char *)saga_notice_kind(notice);
    notify->channel = (char *)"email";
    notify->recipient = customer->email;
    notify->locale = customer->locale;
    char total[MONEY_TEXT_SIZE];
    money_format(doc->total_minor, money_exponent(doc->order->currency), total);
    saga_notice_value(run, notify, "order_id", doc->order_id);
    saga_notice_value(run, notify, "order_no", doc->order_no);
    saga_notice_value(run, notify, "customer_po", doc->order->customer_po);
    saga_notice_value(run, notify, "company", customer->company);
    saga_notice_value(run, notify, "contact", customer->contact);
    saga_notice_value(run, notify, "total", saga_copy(run, total));
    saga_notice_value(run, notify, "currency", doc->order->currency);
    return notify;
}

void saga_notice_send(struct saga_run *run, Orderclerk__V1__Notify *notify)
{
    if (notify == NULL)
        return;
    Orderclerk__V1__NotifierCommand *command = NEW(run, notifier_command);
    command->saga_revision = run->doc->saga_revision;
    command->order_no = run->doc->order_no;
    command->body_case = ORDERCLERK__V1__NOTIFIER_COMMAND__BODY_NOTIFY;
    command->notify = notify;
    run->sink->command(run->sink->self, SAGA_PEER_NOTIFIER, &command->base);
}
