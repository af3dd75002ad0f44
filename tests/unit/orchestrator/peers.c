// What peers say of a small express order: ten of A-100 from SH1.
#include "unit/orchestrator/peers.h"

#include "orderclerk/v1/department_replies.pb-c.h"
#include "orderclerk/v1/inventory_events.pb-c.h"
#include "orderclerk/v1/orders.pb-c.h"
#include "orderclerk/v1/validation_events.pb-c.h"

void peers_submit(struct harness *h, const char *key)
{
    Orderclerk__V1__OrderLine line = ORDERCLERK__V1__ORDER_LINE__INIT;
    line.line_no = 1;
    line.product_code = (char *)"A-100";
    line.quantity = 10;
    Orderclerk__V1__OrderLine *lines[] = {&line};
    Orderclerk__V1__Party customer = ORDERCLERK__V1__PARTY__INIT;
    customer.email = (char *)"buyer@customer.example";
    Orderclerk__V1__Order order = ORDERCLERK__V1__ORDER__INIT;
    order.currency = (char *)"CNY";
    order.customer = &customer;
    order.lines = lines;
    order.n_lines = 1;
    Orderclerk__V1__SubmitOrder body = ORDERCLERK__V1__SUBMIT_ORDER__INIT;
    body.order = &order;
    Orderclerk__V1__OrderRequest request = ORDERCLERK__V1__ORDER_REQUEST__INIT;
    request.body_case = ORDERCLERK__V1__ORDER_REQUEST__BODY_SUBMIT;
    request.submit = &body;
    harness_send(h, TOPIC_ORDERS, key, &request.base);
    harness_run(h);
}

void peers_validated(struct harness *h, const char *key)
{
    Orderclerk__V1__ResolvedLine line = ORDERCLERK__V1__RESOLVED_LINE__INIT;
    line.line_no = 1;
    line.sku = (char *)"A-100";
    line.kind = ORDERCLERK__V1__LINE_KIND__LINE_KIND_STOCK;
    line.quantity = 10;
    line.net_minor = 1000;
    line.tax_minor = 130;
    line.gross_minor = 1130;
    Orderclerk__V1__ResolvedLine *lines[] = {&line};
    Orderclerk__V1__OrderValidated body = ORDERCLERK__V1__ORDER_VALIDATED__INIT;
    body.order_revision = 1;
    body.terms_granted = true;
    body.lines = lines;
    body.n_lines = 1;
    Orderclerk__V1__ValidationEvent event = ORDERCLERK__V1__VALIDATION_EVENT__INIT;
    event.body_case = ORDERCLERK__V1__VALIDATION_EVENT__BODY_VALIDATED;
    event.validated = &body;
    harness_send(h, TOPIC_VALIDATION_EVENTS, key, &event.base);
    harness_run(h);
}

void peers_reserved(struct harness *h, const char *key)
{
    Orderclerk__V1__Allocation allocation = ORDERCLERK__V1__ALLOCATION__INIT;
    allocation.line_no = 1;
    allocation.sku = (char *)"A-100";
    allocation.warehouse = (char *)"SH1";
    allocation.reserved = 10;
    Orderclerk__V1__Allocation *allocations[] = {&allocation};
    Orderclerk__V1__StockReserved body = ORDERCLERK__V1__STOCK_RESERVED__INIT;
    body.order_revision = 1;
    body.allocations = allocations;
    body.n_allocations = 1;
    Orderclerk__V1__InventoryEvent event = ORDERCLERK__V1__INVENTORY_EVENT__INIT;
    event.body_case = ORDERCLERK__V1__INVENTORY_EVENT__BODY_RESERVED;
    event.reserved = &body;
    harness_send(h, TOPIC_INVENTORY_EVENTS, key, &event.base);
    harness_run(h);
}

void peers_erp_accepted(struct harness *h, const char *key)
{
    Orderclerk__V1__ErpAccepted body = ORDERCLERK__V1__ERP_ACCEPTED__INIT;
    Orderclerk__V1__DepartmentReply reply = ORDERCLERK__V1__DEPARTMENT_REPLY__INIT;
    reply.department = (char *)"finance";
    reply.body_case = ORDERCLERK__V1__DEPARTMENT_REPLY__BODY_ERP_ACCEPTED;
    reply.erp_accepted = &body;
    harness_send(h, TOPIC_DEPARTMENT_REPLIES, key, &reply.base);
    harness_run(h);
}
