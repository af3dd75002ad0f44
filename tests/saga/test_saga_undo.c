// Lives that are taken back: cancelling in every state, what comes too late, late successes.
#include "life.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

// ---- cancelling, state by state

static void start_make(struct life *life)
{
    life->line_count = 0;
    life_line(life, "M-1", 6, 100003, 13001)->make = true;
}

static void cancel_when_silent(void **state, const char *muted, const char *reached)
{
    struct life *life = *state;
    life->lines[0].quantity = 60;
    life_mute(life, muted);
    life_start(life, reached);
    assert_int_equal(life_cancel(life), SAGA_MOVED);
    life_assert_undone(life);
    life_unmute(life); // late answers to what was asked
    life_run(life);
    life_assert_state(life, "CANCELLED");
}

static void test_cancel_in_validating(void **state)
{
    cancel_when_silent(state, "ValidateOrder", "VALIDATING");
}

static void test_cancel_in_reserving(void **state)
{
    cancel_when_silent(state, "ReserveStock", "RESERVING");
}

static void test_cancel_in_registered(void **state)
{
    cancel_when_silent(state, "Plan", "REGISTERED");
}

static void test_cancel_when_released(void **state)
{
    cancel_when_silent(state, "ReleaseShipment", "IN_FULFILMENT");
}

static void test_cancel_in_shortage(void **state)
{
    struct life *life = *state;
    life->lines[0].available = 3;
    life_start(life, "SHORTAGE_OFFERED");
    life_cancel(life);
    life_assert_undone(life);
}

static void test_cancel_in_review(void **state)
{
    struct life *life = *state;
    start_make(life);
    life_mute(life, "RequestReview");
    life_start(life, "IN_REVIEW");
    life_cancel(life);
    life_assert_undone(life);
}

static void test_cancel_in_scheduled(void **state)
{
    struct life *life = *state;
    life->lines[0].available = 3;
    life_start(life, "SHORTAGE_OFFERED");
    life_choose(life, 1, ORDERCLERK__V1__SHORTAGE_CHOICE_KIND__SHORTAGE_CHOICE_KIND_WAIT, 0, "");
    life_run(life);
    life_assert_state(life, "SCHEDULED");
    life_cancel(life);
    life_run(life);
    life_assert_state(life, "CANCELLED");
    assert_int_equal(life_count(life, "ReleaseStock"), 1);
}

static void test_cancel_in_production(void **state)
{
    struct life *life = *state;
    start_make(life);
    life_start(life, "IN_PRODUCTION");
    life_cancel(life);
    // Production's word first, then the rest, in reverse order.
    assert_int_equal(life_count(life, "CancelProduction"), 1);
    assert_int_equal(life_count(life, "ReleaseStock"), 0);
    life_assert_undone(life);
}

static void test_cancel_while_picking(void **state)
{
    struct life *life = *state;
    life->ship_until = LIFE_PICKING;
    life_start(life, "IN_FULFILMENT");
    life_mute(life, "CancelShipment");
    life_cancel(life);
    life_run(life);
    life_assert_state(life, "COMPENSATING");
    assert_string_equal(life->doc->waiting_on, "warehouse:SH1");
    assert_int_equal(life_count(life, "ReleaseStock"), 0); // nothing else before the warehouse's word
    assert_int_equal(life_cancel(life), SAGA_IGNORED);
    life_unmute(life);
    life_assert_undone(life);
    assert_string_equal(life->doc->shipments[0]->state, "CANCELLED");
}

static void test_cancel_after_the_pivot_is_refused(void **state)
{
    struct life *life = *state;
    life->ship_until = LIFE_HANDED_OVER;
    life_start(life, "SHIPPED");
    assert_int_equal(life_cancel(life), SAGA_REFUSED);
    assert_int_equal(life->doc->n_refused_requests, 1);
    assert_string_equal(life->doc->refused_requests[0]->request_id, "cancel-1");
    assert_int_equal(life_mailed(life, "cancel_refused"), 1);
    life_assert_state(life, "SHIPPED");
}

static void test_undo_goes_in_reverse_order(void **state)
{
    struct life *life = *state;
    life->lines[0].quantity = 60;
    life->ship_until = LIFE_ACCEPTED;
    life_start(life, "IN_FULFILMENT");
    const size_t before = life->command_count;
    life_cancel(life);
    life_run(life);
    static const char *const order[] = {"CancelShipment", "IssueCreditNote", "CancelPlan",
                                        "CancelPlan",     "CancelErpOrder",  "ReleaseStock"};
    size_t found = 0;
    for (size_t i = before; i < life->command_count; i++) {
        if (life->commands[i].peer == SAGA_PEER_NOTIFIER)
            continue;
        assert_string_equal(life->commands[i].name, order[found]);
        found++;
    }
    assert_int_equal(found, 6);
}

// ---- too late

static void test_warehouse_refuses(void **state)
{
    struct life *life = *state;
    life->ship_until = LIFE_PACKED;
    life_start(life, "IN_FULFILMENT");
    life->cancel_refused = true;
    life_cancel(life);
    life_run(life);
    life_assert_state(life, "IN_FULFILMENT"); // back to where it was
    assert_int_equal(life_count(life, "ReleaseStock"), 0);
    assert_int_equal(life_mailed(life, "cancel_refused"), 1);
    assert_string_equal(life->doc->shipments[0]->cancel_request, "REJECTED");
    life_news(life, life->doc->shipments[0]->shipment_id, ORDERCLERK__V1__SHIPMENT_EVENT__BODY_HANDED_OVER);
    life_assert_state(life, "SHIPPED");
}

static void test_handed_over_meanwhile(void **state)
{
    struct life *life = *state;
    life->ship_until = LIFE_PACKED;
    life_start(life, "IN_FULFILMENT");
    life->handed_over_meanwhile = true;
    life_cancel(life);
    life_run(life);
    life_assert_state(life, "SHIPPED");
    assert_int_equal(life_count(life, "ReleaseStock"), 0);
    assert_int_equal(life_count(life, "ConsumeStock"), 1);
    assert_int_equal(life_count(life, "RequestInvoice"), 1);
    assert_int_equal(life_mailed(life, "cancel_refused"), 1);
}

// One warehouse keeps its goods, the other doesn't: the order goes on whole.
static void test_one_of_two_refuses(void **state)
{
    struct life *life = *state;
    life_line(life, "B-200", 3, 300, 39)->warehouse = "GZ1";
    life->ship_until = LIFE_PACKED;
    life_start(life, "IN_FULFILMENT");
    const char *first = life->doc->shipments[0]->shipment_id;
    const char *second = life->doc->shipments[1]->shipment_id;
    life_mute(life, "CancelShipment");
    life_cancel(life);
    life_news(life, first, ORDERCLERK__V1__SHIPMENT_EVENT__BODY_CANCEL_REJECTED);
    life_assert_state(life, "COMPENSATING"); // the other's word is still to come
    life_news(life, second, ORDERCLERK__V1__SHIPMENT_EVENT__BODY_CANCEL_ACCEPTED);
    life_assert_state(life, "IN_FULFILMENT");
    assert_int_equal(life->doc->n_shipments, 3); // released anew
    assert_int_equal(life_count(life, "ReleaseShipment"), 3);
    life->ship_until = LIFE_DELIVERED;
    life_run(life);
    life_news(life, first, ORDERCLERK__V1__SHIPMENT_EVENT__BODY_HANDED_OVER);
    life_assert_state(life, "SHIPPED");
    life_run(life);
    assert_int_equal(life->doc->invoiced_minor, life->doc->total_minor);
}

static void test_production_refuses(void **state)
{
    struct life *life = *state;
    start_make(life);
    life->production_goes_on = true;
    life_start(life, "IN_PRODUCTION");
    life_cancel(life);
    life_run(life);
    life_assert_state(life, "IN_PRODUCTION");
    assert_int_equal(life_count(life, "CancelPlan"), 0);
    assert_int_equal(life_mailed(life, "cancel_refused"), 1);
    life_produced(life, 1, 6);
    life_run(life);
    life_assert_state(life, "DELIVERED");
    life_advance(life, life->settings.dispute_window);
    life_assert_state(life, "COMPLETED");
}

// ---- late successes

static void test_ship_confirmation_after_cancel(void **state)
{
    struct life *life = *state;
    life->ship_until = LIFE_PACKED;
    life_start(life, "IN_FULFILMENT");
    life_cancel(life);
    life_assert_undone(life);
    const char *id = life->doc->shipments[0]->shipment_id;
    assert_int_equal(life_news(life, id, ORDERCLERK__V1__SHIPMENT_EVENT__BODY_HANDED_OVER), SAGA_MOVED);
    assert_int_equal(life_news(life, id, ORDERCLERK__V1__SHIPMENT_EVENT__BODY_HANDED_OVER), SAGA_IGNORED);
    life_assert_state(life, "CANCELLED"); // the header does not jump
    assert_int_equal(life_told(life, ORDERCLERK__V1__ORDER_EVENT__BODY_CANCEL_LOST), 1);
    assert_int_equal(life_count(life, "ConsumeStock"), 1);
    assert_int_equal(life_count(life, "RequestInvoice"), 1);
    assert_string_equal(life->doc->tasks[0]->kind, "CANCEL_LOST");
    life_run(life);
    life_news(life, id, ORDERCLERK__V1__SHIPMENT_EVENT__BODY_DELIVERED);
    life_assert_state(life, "CANCELLED");
    assert_int_equal(life->doc->invoiced_minor, life->doc->paid_minor - life->doc->credited_minor);
}

static void test_late_answers_are_undone(void **state)
{
    struct life *life = *state;
    life->lines[0].quantity = 60;
    life_mute(life, "Plan");
    life_mute(life, "HandOverToErp");
    life_mute(life, "PaymentDue");
    life_start(life, "REGISTERED");
    life_cancel(life);
    life_run(life);
    life_assert_state(life, "CANCELLED");
    assert_int_equal(life_count(life, "IssueCreditNote"), 0);
    life_unmute(life);
    life_run(life);
    assert_int_equal(life_count(life, "CancelPlan"), 4);
    assert_int_equal(life_count(life, "CancelErpOrder"), 2);
    assert_int_equal(life_count(life, "IssueCreditNote"), 1);
    assert_int_equal(life->doc->credited_minor, life->doc->paid_minor);
    for (size_t i = 0; i < life->doc->n_steps; i++)
        if (life->doc->steps[i]->state[0] == 'U')
            assert_string_equal(life->doc->steps[i]->state, "UNDONE");
}

static void test_made_all_the_same(void **state)
{
    struct life *life = *state;
    start_make(life);
    life_start(life, "IN_PRODUCTION");
    life_cancel(life);
    life_assert_undone(life);
    life_produce(life, 1, 6);
    life_run(life);
    assert_int_equal(life_count(life, "ReceiveForOrder"), 1);
    assert_int_equal(life_count(life, "ReleaseStock"), 2); // into stock, and free for others
    life_assert_state(life, "CANCELLED");
}

// Production was asked twice, and says twice that it is done; the second word comes while the first goods are under way.
static void test_made_twice_is_shipped_once(void **state)
{
    struct life *life = *state;
    start_make(life);
    life->ship_until = LIFE_PACKED;
    life->cancel_refused = true;
    life_start(life, "IN_PRODUCTION");
    life_produce(life, 1, 6);
    life_run(life);
    life_assert_state(life, "IN_FULFILMENT");
    life_cancel(life);
    life_assert_state(life, "COMPENSATING");
    assert_int_equal(life_produced(life, 1, 6), SAGA_NEVER);
    life_run(life);
    life_assert_state(life, "IN_FULFILMENT");
    assert_int_equal(life_count(life, "ReleaseShipment"), 1);
    life_news(life, life->doc->shipments[0]->shipment_id, ORDERCLERK__V1__SHIPMENT_EVENT__BODY_HANDED_OVER);
    life_assert_state(life, "SHIPPED");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LIFE(test_cancel_in_validating),       LIFE(test_cancel_in_reserving),
        LIFE(test_cancel_in_registered),       LIFE(test_cancel_when_released),
        LIFE(test_cancel_in_shortage),         LIFE(test_cancel_in_review),
        LIFE(test_cancel_in_scheduled),        LIFE(test_cancel_in_production),
        LIFE(test_cancel_while_picking),       LIFE(test_cancel_after_the_pivot_is_refused),
        LIFE(test_undo_goes_in_reverse_order), LIFE(test_warehouse_refuses),
        LIFE(test_handed_over_meanwhile),      LIFE(test_one_of_two_refuses),
        LIFE(test_production_refuses),         LIFE(test_ship_confirmation_after_cancel),
        LIFE(test_late_answers_are_undone),    LIFE(test_made_all_the_same),
        LIFE(test_made_twice_is_shipped_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
