// What a message of the orchestrator's topics is to the saga: which event, with which body.
#include "orchestrator/saga/saga.h"

#define CASE(PREFIX, NAME, member, EVENT)                                                                    \
    case ORDERCLERK__V1__##PREFIX##__BODY_##NAME:                                                            \
        *ret_body = &m->member->base;                                                                        \
        return SAGA_EVENT_##EVENT

static enum saga_event exit_event(const Orderclerk__V1__ResolveByOperator *resolve)
{
    switch ((int)resolve->exit) {
    case ORDERCLERK__V1__OPERATOR_EXIT__OPERATOR_EXIT_RETRY:
        return SAGA_EVENT_OPERATOR_RETRY;
    case ORDERCLERK__V1__OPERATOR_EXIT__OPERATOR_EXIT_PROCEED:
        return SAGA_EVENT_OPERATOR_PROCEED;
    case ORDERCLERK__V1__OPERATOR_EXIT__OPERATOR_EXIT_CANCEL:
        return SAGA_EVENT_CANCEL_REQUESTED;
    case ORDERCLERK__V1__OPERATOR_EXIT__OPERATOR_EXIT_WRITE_OFF:
        return SAGA_EVENT_OPERATOR_WRITE_OFF;
    default:
        return SAGA_EVENT_NONE;
    }
}

static enum saga_event of_request(const Orderclerk__V1__OrderRequest *m, const ProtobufCMessage **ret_body)
{
    switch ((int)m->body_case) {
        CASE(ORDER_REQUEST, SUBMIT, submit, ORDER_SUBMITTED);
        CASE(ORDER_REQUEST, CANCEL, cancel, CANCEL_REQUESTED);
        CASE(ORDER_REQUEST, ANSWER, answer, ANSWER_GIVEN);
        CASE(ORDER_REQUEST, SHORTAGE, shortage, SHORTAGE_ANSWERED);
    case ORDERCLERK__V1__ORDER_REQUEST__BODY_RESOLVE:
        *ret_body = &m->resolve->base;
        return exit_event(m->resolve);
    default:
        return SAGA_EVENT_NONE;
    }
}

static enum saga_event of_validation(const Orderclerk__V1__ValidationEvent *m,
                                     const ProtobufCMessage **ret_body)
{
    switch ((int)m->body_case) {
        CASE(VALIDATION_EVENT, VALIDATED, validated, ORDER_VALIDATED);
        CASE(VALIDATION_EVENT, FAILED, failed, VALIDATION_FAILED);
    default:
        return SAGA_EVENT_NONE;
    }
}

static enum saga_event of_inventory(const Orderclerk__V1__InventoryEvent *m,
                                    const ProtobufCMessage **ret_body)
{
    switch ((int)m->body_case) {
        CASE(INVENTORY_EVENT, RESERVED, reserved, STOCK_RESERVED);
        CASE(INVENTORY_EVENT, SHORT_OF_STOCK, short_of_stock, STOCK_SHORT);
        CASE(INVENTORY_EVENT, REFUSED, refused, STOCK_REFUSED);
        CASE(INVENTORY_EVENT, RELEASED, released, STOCK_RELEASED);
        CASE(INVENTORY_EVENT, CONSUMED, consumed, STOCK_CONSUMED);
        CASE(INVENTORY_EVENT, BACKORDER_FILLED, backorder_filled, BACKORDER_FILLED);
        CASE(INVENTORY_EVENT, RECEIVED, received, GOODS_RECEIVED);
    default:
        return SAGA_EVENT_NONE;
    }
}

static enum saga_event of_shipment(const Orderclerk__V1__ShipmentEvent *m, const ProtobufCMessage **ret_body)
{
    switch ((int)m->body_case) {
        CASE(SHIPMENT_EVENT, ACCEPTED, accepted, SHIPMENT_ACCEPTED);
        CASE(SHIPMENT_EVENT, REJECTED, rejected, SHIPMENT_REJECTED);
        CASE(SHIPMENT_EVENT, PICKING, picking, SHIPMENT_PICKING);
        CASE(SHIPMENT_EVENT, PACKED, packed, SHIPMENT_PACKED);
        CASE(SHIPMENT_EVENT, HANDED_OVER, handed_over, SHIPMENT_HANDED_OVER);
        CASE(SHIPMENT_EVENT, IN_TRANSIT, in_transit, SHIPMENT_IN_TRANSIT);
        CASE(SHIPMENT_EVENT, EXCEPTION, exception, SHIPMENT_EXCEPTION);
        CASE(SHIPMENT_EVENT, DELIVERED, delivered, SHIPMENT_DELIVERED);
        CASE(SHIPMENT_EVENT, LOST, lost, SHIPMENT_LOST);
        CASE(SHIPMENT_EVENT, RETURNED, returned, SHIPMENT_RETURNED);
        CASE(SHIPMENT_EVENT, CANCEL_ACCEPTED, cancel_accepted, SHIPMENT_CANCEL_ACCEPTED);
        CASE(SHIPMENT_EVENT, CANCEL_REJECTED, cancel_rejected, SHIPMENT_CANCEL_REJECTED);
        CASE(SHIPMENT_EVENT, UNREACHABLE, unreachable, SHIPMENT_UNREACHABLE);
    default:
        return SAGA_EVENT_NONE;
    }
}

static enum saga_event of_reply(const Orderclerk__V1__DepartmentReply *m, const ProtobufCMessage **ret_body)
{
    switch ((int)m->body_case) {
        CASE(DEPARTMENT_REPLY, APPROVED, approved, TASK_APPROVED);
        CASE(DEPARTMENT_REPLY, REFUSED, refused, TASK_REFUSED);
        CASE(DEPARTMENT_REPLY, CHANGES_WANTED, changes_wanted, CHANGES_WANTED);
        CASE(DEPARTMENT_REPLY, ERP_ACCEPTED, erp_accepted, ERP_ACCEPTED);
        CASE(DEPARTMENT_REPLY, ERP_CANCELLED, erp_cancelled, ERP_CANCELLED);
        CASE(DEPARTMENT_REPLY, CREDIT_OK, credit_ok, CREDIT_OK);
        CASE(DEPARTMENT_REPLY, CREDIT_REFUSED, credit_refused, CREDIT_REFUSED);
        CASE(DEPARTMENT_REPLY, PLAN_CONFIRMED, plan_confirmed, PLAN_CONFIRMED);
        CASE(DEPARTMENT_REPLY, PLAN_INFEASIBLE, plan_infeasible, PLAN_INFEASIBLE);
        CASE(DEPARTMENT_REPLY, PLAN_CANCELLED, plan_cancelled, PLAN_CANCELLED);
        CASE(DEPARTMENT_REPLY, PRODUCTION_PROGRESS, production_progress, PRODUCTION_PROGRESS);
        CASE(DEPARTMENT_REPLY, PRODUCTION_DONE, production_done, PRODUCTION_DONE);
        CASE(DEPARTMENT_REPLY, SCHEDULE_SLIPPED, schedule_slipped, SCHEDULE_SLIPPED);
        CASE(DEPARTMENT_REPLY, PRODUCTION_CANCELLED, production_cancelled, PRODUCTION_CANCELLED);
        CASE(DEPARTMENT_REPLY, INVOICE_ISSUED, invoice_issued, INVOICE_ISSUED);
        CASE(DEPARTMENT_REPLY, PAYMENT_RECEIVED, payment_received, PAYMENT_RECEIVED);
        CASE(DEPARTMENT_REPLY, CREDIT_NOTE_ISSUED, credit_note_issued, CREDIT_NOTE_ISSUED);
    default:
        return SAGA_EVENT_NONE;
    }
}

bool saga_input_of(const ProtobufCMessage *message, struct saga_input *ret_input)
{
    struct saga_input input = {
        .actor = "", .request_id = "", .department = "", .shipment_id = "", .topic = ""};
    const ProtobufCMessage *body = NULL;
    if (message->descriptor == &orderclerk__v1__order_request__descriptor) {
        const Orderclerk__V1__OrderRequest *request = (const void *)message;
        input.event = of_request(request, &body);
        input.actor = request->actor;
        input.request_id = request->request_id;
    } else if (message->descriptor == &orderclerk__v1__validation_event__descriptor) {
        input.event = of_validation((const void *)message, &body);
    } else if (message->descriptor == &orderclerk__v1__inventory_event__descriptor) {
        input.event = of_inventory((const void *)message, &body);
    } else if (message->descriptor == &orderclerk__v1__shipment_event__descriptor) {
        const Orderclerk__V1__ShipmentEvent *news = (const void *)message;
        input.event = of_shipment(news, &body);
        input.shipment_id = news->shipment_id;
    } else if (message->descriptor == &orderclerk__v1__department_reply__descriptor) {
        const Orderclerk__V1__DepartmentReply *reply = (const void *)message;
        input.event = of_reply(reply, &body);
        input.actor = reply->actor;
        input.department = reply->department;
    }
    input.body = body;
    if (input.event == SAGA_EVENT_NONE)
        return false;
    *ret_input = input;
    return true;
}
