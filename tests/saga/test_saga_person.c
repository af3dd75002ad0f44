// What machines can't finish: failing compensation, silence, goods in trouble, and a person's exits; versions in flight.
#include "life.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define RETRY     ORDERCLERK__V1__OPERATOR_EXIT__OPERATOR_EXIT_RETRY
#define PROCEED   ORDERCLERK__V1__OPERATOR_EXIT__OPERATOR_EXIT_PROCEED
#define CANCEL    ORDERCLERK__V1__OPERATOR_EXIT__OPERATOR_EXIT_CANCEL
#define WRITE_OFF ORDERCLERK__V1__OPERATOR_EXIT__OPERATOR_EXIT_WRITE_OFF

// ---- failing compensation

static void start_failing(struct life *life)
{
    life->lines[0].quantity = 60;
    life->ship_until = LIFE_ACCEPTED;
    life_start(life, "IN_FULFILMENT");
    life_mute(life, "CancelErpOrder");
    life_cancel(life);
    life_run(life);
    life_assert_state(life, "COMPENSATING");
    assert_string_equal(life->doc->waiting_on, "finance");
    const size_t again = life->again_count;
    life_advance(life, life->settings.undo);
    life_assert_state(life, "NEEDS_PERSON");
    assert_true(life->again_count - again >= 3); // with back-off
    assert_true(life->again_count - again <= 6);
    assert_int_equal(life_told(life, ORDERCLERK__V1__ORDER_EVENT__BODY_PERSON_NEEDED), 1);
    assert_string_equal(life->doc->waiting_on, "operator");
    assert_int_equal(life_cancel(life), SAGA_REFUSED);
}

static void test_failing_undo_retry(void **state)
{
    struct life *life = *state;
    start_failing(life);
    assert_int_equal(life_exit(life, RETRY), SAGA_MOVED);
    life_assert_state(life, "COMPENSATING");
    life_unmute(life);
    life_run(life);
    life_assert_state(life, "CANCELLED");
}

static void test_failing_undo_proceed(void **state)
{
    struct life *life = *state;
    start_failing(life);
    assert_int_equal(life_exit(life, PROCEED), SAGA_MOVED);
    life_assert_state(life, "CANCELLED");
}

static void test_failing_undo_heals_itself(void **state)
{
    struct life *life = *state;
    start_failing(life);
    life_unmute(life);
    life_reply(life, "finance", ORDERCLERK__V1__DEPARTMENT_REPLY__BODY_ERP_CANCELLED,
               MESSAGE(life, erp_cancelled));
    life_assert_state(life, "CANCELLED");
}

static void test_nobody_comes(void **state)
{
    struct life *life = *state;
    start_failing(life);
    life_advance(life, (1 + 2 + 4) * life->settings.needs_person); // later each time
    life_assert_state(life, "NEEDS_PERSON");
    assert_int_equal(life_told(life, ORDERCLERK__V1__ORDER_EVENT__BODY_DEADLINE_MISSED), 3);
}

static void test_silent_warehouse_while_cancelling(void **state)
{
    struct life *life = *state;
    life->ship_until = LIFE_ACCEPTED;
    life_start(life, "IN_FULFILMENT");
    life_mute(life, "CancelShipment");
    life_cancel(life);
    life_advance(life, life->settings.undo);
    life_assert_state(life, "NEEDS_PERSON");
    life_news(life, life->doc->shipments[0]->shipment_id,
              ORDERCLERK__V1__SHIPMENT_EVENT__BODY_CANCEL_ACCEPTED);
    life_assert_undone(life);
}

static void test_silent_warehouse_deemed_undone(void **state)
{
    struct life *life = *state;
    life->ship_until = LIFE_ACCEPTED;
    life_start(life, "IN_FULFILMENT");
    life_mute(life, "CancelShipment");
    life_cancel(life);
    life_advance(life, life->settings.undo);
    assert_int_equal(life_exit(life, PROCEED), SAGA_MOVED);
    life_assert_undone(life);
    assert_string_equal(life->doc->shipments[0]->state, "CANCELLED");
}

// ---- persons elsewhere

static void start_silent(struct life *life, const char *muted)
{
    life_mute(life, muted);
    life_submit(life);
    life_run(life);
    life_advance(life, 4 * life->settings.validating);
    life_assert_state(life, "NEEDS_PERSON");
    assert_int_equal(life->again_count, 3);
}

static void test_silent_validator(void **state)
{
    struct life *life = *state;
    start_silent(life, "ValidateOrder");
    assert_int_equal(life_exit(life, PROCEED), SAGA_REFUSED);
    assert_int_equal(life_exit(life, WRITE_OFF), SAGA_REFUSED);
    assert_int_equal(life_exit(life, RETRY), SAGA_MOVED);
    life_assert_state(life, "VALIDATING");
    life_unmute(life);
    life_run(life);
    life_assert_state(life, "DELIVERED");
}

static void test_silent_inventory_answers_late(void **state)
{
    struct life *life = *state;
    start_silent(life, "ReserveStock");
    life_unmute(life);
    life_run(life); // its answer needs no operator
    life_assert_state(life, "DELIVERED");
}

static void test_silent_inventory_cancel(void **state)
{
    struct life *life = *state;
    start_silent(life, "ReserveStock");
    assert_int_equal(life_exit(life, CANCEL), SAGA_MOVED);
    life_assert_undone(life);
}

static void start_rejected(struct life *life)
{
    life->ship_until = LIFE_RELEASED;
    life_start(life, "IN_FULFILMENT");
    life_news(life, life->doc->shipments[0]->shipment_id, ORDERCLERK__V1__SHIPMENT_EVENT__BODY_REJECTED);
    life_assert_state(life, "NEEDS_PERSON");
    life->ship_until = LIFE_DELIVERED;
}

static void test_rejected_shipment_retry(void **state)
{
    struct life *life = *state;
    start_rejected(life);
    life_exit(life, RETRY);
    life_run(life);
    life_assert_state(life, "DELIVERED");
    assert_int_equal(life_count(life, "ReleaseShipment"), 2);
    assert_string_not_equal(life->doc->shipments[0]->shipment_id, life->doc->shipments[1]->shipment_id);
    assert_int_equal(life_news(life, life->doc->shipments[0]->shipment_id,
                               ORDERCLERK__V1__SHIPMENT_EVENT__BODY_HANDED_OVER),
                     SAGA_NEVER);
}

static void test_rejected_shipment_proceed(void **state)
{
    struct life *life = *state;
    start_rejected(life);
    life_exit(life, PROCEED);
    life_assert_state(life, "IN_FULFILMENT");
    life_news(life, life->doc->shipments[0]->shipment_id, ORDERCLERK__V1__SHIPMENT_EVENT__BODY_HANDED_OVER);
    life_assert_state(life, "SHIPPED");
}

static void test_rejected_shipment_cancel(void **state)
{
    struct life *life = *state;
    start_rejected(life);
    life_exit(life, CANCEL);
    life_run(life);
    life_assert_state(life, "CANCELLED");
    assert_int_equal(life_count(life, "CancelShipment"), 0); // the warehouse keeps the goods already
}

static void test_warehouse_changes_its_mind(void **state)
{
    struct life *life = *state;
    start_rejected(life);
    life_news(life, life->doc->shipments[0]->shipment_id, ORDERCLERK__V1__SHIPMENT_EVENT__BODY_ACCEPTED);
    life_assert_state(life, "IN_FULFILMENT");
}

static void start_lost(struct life *life)
{
    life->ship_until = LIFE_IN_TRANSIT;
    life_start(life, "SHIPPED");
    life_news(life, life->doc->shipments[0]->shipment_id, ORDERCLERK__V1__SHIPMENT_EVENT__BODY_LOST);
    life_assert_state(life, "NEEDS_PERSON");
    assert_int_equal(life->doc->quantities[0]->short_delivered, 10);
    assert_int_equal(life_cancel(life), SAGA_REFUSED);
}

static void test_lost_settled_by_hand(void **state)
{
    struct life *life = *state;
    start_lost(life);
    life_exit(life, PROCEED);
    life_assert_state(life, "DELIVERED");
}

static void test_lost_and_found(void **state)
{
    struct life *life = *state;
    start_lost(life);
    life_exit(life, RETRY);
    life_assert_state(life, "SHIPPED");
    assert_int_equal(life->doc->quantities[0]->short_delivered, 0);
    life_news(life, life->doc->shipments[0]->shipment_id, ORDERCLERK__V1__SHIPMENT_EVENT__BODY_DELIVERED);
    life_assert_state(life, "DELIVERED");
}

static void test_lost_and_delivered(void **state)
{
    struct life *life = *state;
    start_lost(life);
    life_news(life, life->doc->shipments[0]->shipment_id, ORDERCLERK__V1__SHIPMENT_EVENT__BODY_DELIVERED);
    life_assert_state(life, "DELIVERED");
    assert_int_equal(life->doc->quantities[0]->delivered, 10);
}

// What a lost shipment's carrier never speaks of again keeps an exit.
static void test_lost_and_never_found(void **state)
{
    struct life *life = *state;
    start_lost(life);
    life_exit(life, RETRY);
    assert_int_equal(life_exit(life, PROCEED), SAGA_REFUSED); // its time isn't over
    life_advance(life, 30 * INSTANT_DAY);
    life_assert_state(life, "SHIPPED");
    assert_int_equal(life_exit(life, PROCEED), SAGA_MOVED);
    life_assert_state(life, "DELIVERED");
    assert_string_equal(life->doc->shipments[0]->state, "LOST");
    assert_int_equal(life->doc->quantities[0]->short_delivered, 10);
}

static void start_sent_back(struct life *life)
{
    life->ship_until = LIFE_IN_TRANSIT;
    life_start(life, "SHIPPED");
    life_news(life, life->doc->shipments[0]->shipment_id, ORDERCLERK__V1__SHIPMENT_EVENT__BODY_RETURNED);
    life_assert_state(life, "NEEDS_PERSON");
}

// The tracker tells nothing more of it: waiting for its arrival would be waiting for ever.
static void test_sent_back_travels_no_more(void **state)
{
    struct life *life = *state;
    start_sent_back(life);
    const Orderclerk__V1__PersonNeeded *needed = NULL;
    for (size_t i = 0; i < life->event_count; i++)
        if (life->events[i]->body_case == ORDERCLERK__V1__ORDER_EVENT__BODY_PERSON_NEEDED)
            needed = life->events[i]->person_needed;
    assert_non_null(needed);
    for (size_t i = 0; i < needed->n_exits; i++)
        assert_string_not_equal(needed->exits[i], "RETRY");
    assert_true(needed->n_exits > 0);
    assert_int_equal(life_exit(life, RETRY), SAGA_REFUSED);
    life_assert_state(life, "NEEDS_PERSON");
    assert_string_equal(life->doc->shipments[0]->state, "RETURNED_TO_SENDER");
    assert_int_equal(life_exit(life, PROCEED), SAGA_MOVED);
    life_assert_state(life, "DELIVERED");
    assert_int_equal(life->doc->quantities[0]->short_delivered, 10);
}

static void test_unreachable_warehouse(void **state)
{
    struct life *life = *state;
    life_mute(life, "ReleaseShipment");
    life_start(life, "IN_FULFILMENT");
    life_advance(life, INSTANT_DAY); // resent, then the WAREHOUSE hold
    assert_int_equal(life->doc->n_holds, 1);
    assert_string_equal(life->doc->holds[0]->kind, "WAREHOUSE");
    assert_string_equal(life->doc->waiting_on, "warehouse:SH1");
    assert_int_equal(life_news(life, life->doc->shipments[0]->shipment_id,
                               ORDERCLERK__V1__SHIPMENT_EVENT__BODY_UNREACHABLE),
                     SAGA_IGNORED);
    life_unmute(life);
    life_run(life);
    life_assert_state(life, "DELIVERED");
    assert_int_equal(life->doc->n_holds, 0);
}

// ---- versions

// Orders in flight end by the definition that they were started with.
static void test_running_orders_keep_their_version(void **state)
{
    struct life *life = *state;
    static struct saga_rule rules[512];
    assert_true(saga_rules_v1_count < 512);
    memcpy(rules, saga_rules_v1, saga_rules_v1_count * sizeof *rules);
    struct saga_definition *second[2];
    const struct saga_definition *all[4];
    for (size_t i = 0; i < saga_rules_v1_count; i++) // version 2 doesn't want mails on delivery
        for (size_t j = 0; j < SAGA_ACTS_MAX; j++)
            if (rules[i].act[j] == SAGA_ACTION_tell_delivered)
                rules[i].act[j] = SAGA_ACTION_NONE;
    for (size_t i = 0; i < 2; i++) {
        struct saga_definition_source source = *saga_definition_source(saga_book()->definitions[i]);
        source.version = 2;
        source.rules = rules;
        second[i] = saga_definition_new(&source);
        all[i] = saga_book()->definitions[i];
        all[i + 2] = second[i];
    }
    life->ship_until = LIFE_PACKED;
    life_start(life, "IN_FULFILMENT");
    life->book = (struct saga_book){.definitions = all, .count = 4, .newest = 2};
    const char *id = life->doc->shipments[0]->shipment_id;
    life_news(life, id, ORDERCLERK__V1__SHIPMENT_EVENT__BODY_HANDED_OVER);
    life_news(life, id, ORDERCLERK__V1__SHIPMENT_EVENT__BODY_DELIVERED);
    life_assert_state(life, "DELIVERED");
    assert_int_equal(life->doc->definition_version, 1);
    assert_int_equal(life_mailed(life, "delivered"), 1);

    struct life *newer = life_new();
    newer->book = life->book;
    life_start(newer, "DELIVERED");
    assert_int_equal(newer->doc->definition_version, 2);
    assert_int_equal(life_mailed(newer, "delivered"), 0);
    life_free(newer);
    for (size_t i = 0; i < 2; i++)
        saga_definition_free(second[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LIFE(test_failing_undo_retry),
        LIFE(test_failing_undo_proceed),
        LIFE(test_failing_undo_heals_itself),
        LIFE(test_nobody_comes),
        LIFE(test_silent_warehouse_while_cancelling),
        LIFE(test_silent_warehouse_deemed_undone),
        LIFE(test_silent_validator),
        LIFE(test_silent_inventory_answers_late),
        LIFE(test_silent_inventory_cancel),
        LIFE(test_rejected_shipment_retry),
        LIFE(test_rejected_shipment_proceed),
        LIFE(test_rejected_shipment_cancel),
        LIFE(test_warehouse_changes_its_mind),
        LIFE(test_lost_settled_by_hand),
        LIFE(test_lost_and_found),
        LIFE(test_lost_and_delivered),
        LIFE(test_lost_and_never_found),
        LIFE(test_sent_back_travels_no_more),
        LIFE(test_unreachable_warehouse),
        LIFE(test_running_orders_keep_their_version),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
