// Whole lives that end well: express and standard orders, goods from several places, news out of order, silence, money.
#include "life.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

// ---- straight through

static void test_express(void **state)
{
    struct life *life = *state;
    life_start(life, "DELIVERED");
    assert_string_equal(life->doc->definition, "express");
    assert_int_equal(life_count(life, "CheckCredit"), 0);
    assert_int_equal(life_count(life, "Plan"), 0);
    assert_int_equal(life_count(life, "RequestReview"), 0);
    assert_int_equal(life_count(life, "ReleaseShipment"), 1);
    life_complete(life);
    static const char *const mails[] = {"received", "confirmed", "shipped", "delivered"};
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(life_mailed(life, mails[i]), 1);
    assert_int_equal(life_told(life, ORDERCLERK__V1__ORDER_EVENT__BODY_REGISTERED), 1);
    life_advance(life, life->settings.retention);
    life_assert_state(life, "ARCHIVED");
    assert_int_equal(life_cancel(life), SAGA_REFUSED);
}

static void test_order_number_has_check_digits(void **state)
{
    struct life *life = *state;
    life->number = 1234003;
    life_start(life, "DELIVERED");
    unsigned rest = 0;
    for (const char *at = life->doc->order_no; *at != '\0'; at++)
        if (*at >= '0' && *at <= '9')
            rest = (rest * 10 + (unsigned)(*at - '0')) % 97;
    assert_int_equal(rest, 1);
    assert_memory_equal(life->doc->order_no, "SO20261123-1234004-", 19);
}

static void test_standard_by_total(void **state)
{
    struct life *life = *state;
    life->lines[0].net_minor = 2000001;
    life->lines[0].tax_minor = 0;
    life->terms = ORDERCLERK__V1__PAYMENT_KIND__PAYMENT_KIND_NET;
    life_start(life, "DELIVERED");
    assert_string_equal(life->doc->definition, "standard");
    assert_int_equal(life_count(life, "CheckCredit"), 1);
    assert_int_equal(life_count(life, "Plan"), 2); // nothing to be made
    assert_int_equal(life_count(life, "RequestReview"), 0);
    life_complete(life);
    assert_string_equal(
        ((const Orderclerk__V1__PaymentDue *)(const void *)life_last(life, "PaymentDue")->body)->due_date,
        "2026-12-24");
}

static void test_other_currencies_are_standard(void **state)
{
    struct life *life = *state;
    life->currency = "USD";
    life_start(life, "DELIVERED");
    assert_string_equal(life->doc->definition, "standard");
}

static void test_make_line_and_stock_line(void **state)
{
    struct life *life = *state;
    life_line(life, "M-1", 6, 100003, 13001)->make = true;
    life_start(life, "PARTIALLY_SHIPPED"); // the stock line doesn't wait for the other
    assert_int_equal(life_count(life, "RequestReview"), 1);
    assert_int_equal(life_count(life, "Plan"), 3);
    assert_int_equal(life_told(life, ORDERCLERK__V1__ORDER_EVENT__BODY_PRODUCTION_STARTED), 1);
    assert_string_equal(life->doc->waiting_on, "production");
    life_produce(life, 2, 2);
    life_run(life);
    life_assert_state(life, "PARTIALLY_SHIPPED"); // a line ships when all of it is made
    life_produce(life, 2, 4);
    assert_int_equal(life_produced(life, 2, 1), SAGA_NEVER);
    life_complete(life);
    assert_int_equal(life_count(life, "RequestInvoice"), 2);
    assert_int_equal(life_mailed(life, "partially_shipped"), 1);
    assert_int_equal(life_mailed(life, "shipped"), 1);
}

static void test_two_warehouses_and_auto(void **state)
{
    struct life *life = *state;
    life_line(life, "B-200", 3, 1001, 131)->warehouse = "GZ1";
    life_line(life, "LICENCE", 1, 100, 13)->no_picking = true;
    life_start(life, "DELIVERED");
    assert_int_equal(life->doc->n_shipments, 3);
    assert_string_equal(life->doc->shipments[2]->warehouse, "AUTO");
    const Orderclerk__V1__ConsumeStock *consume = (const void *)life_last(life, "ConsumeStock")->body;
    assert_string_equal(consume->warehouse, "SH1"); // where its goods are booked
    life_complete(life);
}

// Three shipments of one line whose amounts don't divide: the sum is the order's, to the unit.
static void test_invoices_add_up_when_a_shipment_is_short(void **state)
{
    struct life *life = *state;
    life->lines[0].quantity = 7;
    life->lines[0].net_minor = 1000;
    life->lines[0].tax_minor = 131;
    life->ship_until = LIFE_PACKED;
    life_start(life, "IN_FULFILMENT");
    const char *first = life->doc->shipments[0]->shipment_id;
    Orderclerk__V1__ShipmentEvent *event = MESSAGE(life, shipment_event);
    event->shipment_id = (char *)first;
    event->body_case = ORDERCLERK__V1__SHIPMENT_EVENT__BODY_HANDED_OVER;
    event->handed_over = MESSAGE(life, shipment_handed_over);
    assert_int_equal(life_send(life, &event->base), SAGA_NEVER); // what isn't mentioned has not left
    Orderclerk__V1__ShipmentLine *line = MESSAGE(life, shipment_line);
    line->line_no = 1;
    line->quantity = 8;
    event->handed_over->lines = &line;
    event->handed_over->n_lines = 1;
    assert_int_equal(life_send(life, &event->base), SAGA_NEVER); // nor more than was released
    line->quantity = 3;
    assert_int_equal(life_send(life, &event->base), SAGA_MOVED);
    assert_int_equal(life_send(life, &event->base), SAGA_IGNORED);
    life_assert_state(life, "PARTIALLY_SHIPPED");
    life->ship_until = LIFE_DELIVERED;
    life_run(life);
    life_assert_state(life, "SHIPPED");
    assert_int_equal(life->doc->n_shipments, 2);
    life_news(life, first, ORDERCLERK__V1__SHIPMENT_EVENT__BODY_DELIVERED);
    life_complete(life);
}

static void test_news_out_of_order(void **state)
{
    struct life *life = *state;
    life->ship_until = LIFE_HANDED_OVER;
    life_start(life, "SHIPPED");
    const char *id = life->doc->shipments[0]->shipment_id;
    assert_int_equal(life_news(life, id, ORDERCLERK__V1__SHIPMENT_EVENT__BODY_PICKING), SAGA_IGNORED);
    assert_int_equal(life_news(life, id, ORDERCLERK__V1__SHIPMENT_EVENT__BODY_EXCEPTION), SAGA_MOVED);
    assert_int_equal(life_news(life, id, ORDERCLERK__V1__SHIPMENT_EVENT__BODY_EXCEPTION), SAGA_IGNORED);
    Orderclerk__V1__ShipmentEvent *event = MESSAGE(life, shipment_event);
    event->shipment_id = (char *)id;
    event->body_case = ORDERCLERK__V1__SHIPMENT_EVENT__BODY_IN_TRANSIT;
    event->in_transit = MESSAGE(life, shipment_in_transit);
    event->in_transit->eta_date = (char *)"2026-11-29";
    assert_int_equal(life_send(life, &event->base), SAGA_MOVED);
    assert_int_equal(life_send(life, &event->base), SAGA_IGNORED);
    assert_int_equal(life_told(life, ORDERCLERK__V1__ORDER_EVENT__BODY_PROMISE_CHANGED), 1);
    assert_int_equal(life_mailed(life, "promise_changed"), 1);
    assert_int_equal(life_news(life, id, ORDERCLERK__V1__SHIPMENT_EVENT__BODY_DELIVERED), SAGA_MOVED);
    assert_int_equal(life_send(life, &event->base), SAGA_IGNORED);
    assert_int_equal(life_news(life, "019aafde-0000-7000-8000-0000000000ff",
                               ORDERCLERK__V1__SHIPMENT_EVENT__BODY_ACCEPTED),
                     SAGA_NEVER);
    life_complete(life);
}

// ---- silence

static void test_lost_commands_are_sent_again(void **state)
{
    struct life *life = *state;
    life_mute(life, "ValidateOrder");
    life_submit(life);
    life_advance(life, life->settings.validating);
    assert_int_equal(life->again_count, 1);
    life_unmute(life);
    life_complete(life);
    assert_int_equal(life_count(life, "ValidateOrder"), 1); // the same command, never a new one
}

static void test_silent_erp_and_finance(void **state)
{
    struct life *life = *state;
    life_mute(life, "HandOverToErp");
    life_mute(life, "RequestInvoice");
    life_start(life, "DELIVERED");
    life_advance(life, life->settings.dispute_window + INSTANT_DAY);
    life_assert_state(life, "DELIVERED"); // not without them
    assert_string_equal(life->doc->waiting_on, "finance");
    assert_true(life->again_count > 2);
    life_unmute(life);
    life_run(life);
    life_assert_state(life, "COMPLETED");
}

static void test_unpaid(void **state)
{
    struct life *life = *state;
    life->terms = ORDERCLERK__V1__PAYMENT_KIND__PAYMENT_KIND_NET;
    life_mute(life, "PaymentDue");
    life_start(life, "DELIVERED");
    life_advance(life, 2 * life->settings.dispute_window);
    life_assert_state(life, "DELIVERED");
    assert_int_equal(life_exit(life, ORDERCLERK__V1__OPERATOR_EXIT__OPERATOR_EXIT_WRITE_OFF), SAGA_MOVED);
    life_assert_state(life, "COMPLETED");
    assert_string_equal(life->doc->payment_state, "WRITTEN_OFF");
}

static void test_payment_that_does_not_fit(void **state)
{
    struct life *life = *state;
    life_mute(life, "PaymentDue");
    life_start(life, "DELIVERED");
    Orderclerk__V1__PaymentReceived *received = MESSAGE(life, payment_received);
    received->amount_minor = 1130;
    received->currency = (char *)"USD";
    assert_int_equal(
        life_reply(life, "finance", ORDERCLERK__V1__DEPARTMENT_REPLY__BODY_PAYMENT_RECEIVED, &received->base),
        SAGA_NEVER);
    received->currency = (char *)"CNY";
    received->amount_minor = 1000;
    life_reply(life, "finance", ORDERCLERK__V1__DEPARTMENT_REPLY__BODY_PAYMENT_RECEIVED, &received->base);
    assert_string_equal(life->doc->payment_state, "PARTIAL");
    received->amount_minor = 130;
    life_reply(life, "finance", ORDERCLERK__V1__DEPARTMENT_REPLY__BODY_PAYMENT_RECEIVED, &received->base);
    life_complete(life);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LIFE(test_express),
        LIFE(test_order_number_has_check_digits),
        LIFE(test_standard_by_total),
        LIFE(test_other_currencies_are_standard),
        LIFE(test_make_line_and_stock_line),
        LIFE(test_two_warehouses_and_auto),
        LIFE(test_invoices_add_up_when_a_shipment_is_short),
        LIFE(test_news_out_of_order),
        LIFE(test_lost_commands_are_sent_again),
        LIFE(test_silent_erp_and_finance),
        LIFE(test_unpaid),
        LIFE(test_payment_that_does_not_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
