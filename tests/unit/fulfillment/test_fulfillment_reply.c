// News of shipments: in order, doubled, out of order, contradictory, mistaken.
#include "scene.h"

#include <string.h>

static const char *const usual[] = {"accepted",    "picking",    "packed",
                                    "handed_over", "in_transit", "delivered"};
#define USUAL "accepted picking packed handed_over in_transit delivered"

static int released(void **state)
{
    scene_setup(state);
    scene_release(*state, SHIPMENT, "SH1");
    scene_answer(*state, "release_shipment", EFFECT_OK, 202);
    return 0;
}

static void in_order(void **state)
{
    struct harness *h = *state;
    for (size_t i = 0; i < COUNT_OF(usual); i++) {
        scene_say(h, usual[i]);
        const Orderclerk__V1__ShipmentEvent *event = scene_told(h, usual[i]);
        if (event->body_case == ORDERCLERK__V1__SHIPMENT_EVENT__BODY_HANDED_OVER) {
            assert_string_equal(event->handed_over->tracking_no, "SF1234567890123");
            assert_string_equal(event->handed_over->carrier, "SF");
            assert_string_equal(event->handed_over->eta_date, "2026-09-24");
            assert_int_equal(event->handed_over->n_lines, 2);
            assert_int_equal(event->handed_over->lines[1]->quantity, 4);
        }
    }
    assert_null(scene_dead_letter(h));
}

static void doubled(void **state)
{
    struct harness *h = *state;
    for (size_t i = 0; i < COUNT_OF(usual); i++) {
        scene_say(h, usual[i]);
        scene_say(h, usual[i]); // under another id
    }
    for (size_t i = 0; i < COUNT_OF(usual); i++)
        scene_say(h, usual[i]);
    scene_told(h, USUAL);
    assert_null(scene_dead_letter(h));
}

// Whatever the order of arrival: everybody is told the same way, once, in order.
static void any_order(void **state)
{
    (void)state;
    uint64_t seed = 20260921;
    for (int run = 0; run < 200; run++) {
        void *s;
        released(&s);
        struct harness *h = s;
        const char *news[5];
        memcpy(news, usual, sizeof news); // in_transit and what comes before
        for (size_t i = 4; i > 0; i--) {
            size_t j = (size_t)random_between(&seed, 0, (int64_t)i);
            const char *other = news[i];
            news[i] = news[j];
            news[j] = other;
        }
        for (size_t i = 0; i < 5; i++)
            scene_say(h, news[i]);
        scene_say(h, "delivered");
        scene_told(h, USUAL);
        assert_null(scene_dead_letter(h));
        scene_teardown(&s);
    }
}

static void implied_steps_are_told_first(void **state)
{
    struct harness *h = *state;
    scene_say(h, "handed_over");
    scene_told(h, "accepted picking packed handed_over");
    scene_say(h, "packed");
    scene_say(h, "accepted");
    scene_told(h, "");
    scene_is(h, "HANDED_OVER", "NONE");
}

static void delivered_without_a_word_of_the_lines_waits(void **state)
{
    struct harness *h = *state;
    scene_say(h, "accepted");
    scene_say(h, "delivered");
    scene_say(h, "in_transit");
    scene_told(h, "accepted");
    scene_say(h, "handed_over");
    scene_told(h, "picking packed handed_over delivered");
    scene_is(h, "DELIVERED", "NONE");
}

static void delivered_with_lines_implies_the_hand_over(void **state)
{
    struct harness *h = *state;
    Orderclerk__V1__WarehouseReply lines = *scene_reply("packed");
    Orderclerk__V1__WarehouseReply *reply = scene_reply("delivered");
    reply->lines = lines.lines;
    reply->n_lines = 1;
    reply->carrier = "SF";
    reply->tracking_no = "SF1234567890123";
    scene_send(h, reply);
    const Orderclerk__V1__ShipmentEvent *event =
        scene_told(h, "accepted picking packed handed_over delivered");
    assert_int_equal(event->delivered->n_lines, 1); // a line not mentioned is unknown
}

static void packed_lines_stand_in_for_those_of_the_hand_over(void **state)
{
    struct harness *h = *state;
    scene_say(h, "packed");
    scene_say(h, "in_transit");
    scene_told(h, "accepted picking packed handed_over in_transit");
}

static void rejected_ends_it(void **state)
{
    struct harness *h = *state;
    scene_say(h, "rejected");
    const Orderclerk__V1__ShipmentEvent *event = scene_told(h, "rejected");
    assert_string_equal(event->rejected->reason, "closed for stock-taking");
    scene_say(h, "rejected");
    scene_say(h, "accepted");
    scene_told(h, "");
    harness_advance(h, INSTANT_DAY);
    assert_false(scene_asked(h));
    scene_say(h, "handed_over"); // and yet it left
    scene_told(h, "handed_over");
}

static void contradictions_are_shown_and_hold_nothing(void **state)
{
    struct harness *h = *state;
    scene_say(h, "cancel_accepted");
    assert_string_equal(scene_dead_letter(h), "WAREHOUSE_CONTRADICTION");
    scene_say(h, "handed_over");
    scene_say(h, "rejected");
    assert_string_equal(scene_dead_letter(h), "WAREHOUSE_CONTRADICTION");
    Orderclerk__V1__WarehouseReply *less = scene_reply("handed_over");
    less->n_lines = 1;
    scene_send(h, less);
    assert_string_equal(scene_dead_letter(h), "WAREHOUSE_CONTRADICTION");
    scene_told(h, "accepted picking packed handed_over");
    scene_say(h, "delivered");
    scene_told(h, "delivered");
}

static void trouble_on_the_road_comes_and_goes(void **state)
{
    struct harness *h = *state;
    scene_say(h, "handed_over");
    scene_say(h, "in_transit");
    scene_told(h, "accepted picking packed handed_over in_transit");
    harness_advance(h, INSTANT_HOUR);
    Orderclerk__V1__WarehouseReply *reply = scene_reply("exception");
    reply->reason = "ADDRESS_NOT_FOUND: nobody at the door";
    reply->happened_at_us = harness_now(h);
    scene_send(h, reply);
    const Orderclerk__V1__ShipmentEvent *event = scene_told(h, "exception");
    assert_string_equal(event->exception->code, "ADDRESS_NOT_FOUND");
    reply = scene_reply("in_transit");
    reply->happened_at_us = harness_now(h) - INSTANT_MINUTE; // before the trouble
    scene_send(h, reply);
    scene_told(h, "");
    harness_advance(h, INSTANT_HOUR);
    scene_say(h, "in_transit");
    scene_told(h, "in_transit");
    scene_say(h, "lost");
    scene_say(h, "exception");
    scene_say(h, "delivered"); // it turned up
    scene_say(h, "lost");
    scene_told(h, "lost delivered");
}

static void the_future_is_now(void **state)
{
    struct harness *h = *state;
    scene_say(h, "handed_over");
    Orderclerk__V1__WarehouseReply *reply = scene_reply("delivered");
    reply->happened_at_us = harness_now(h) + INSTANT_DAY;
    scene_send(h, reply);
    const Orderclerk__V1__ShipmentEvent *event =
        scene_told(h, "accepted picking packed handed_over delivered");
    assert_int_equal(event->delivered->delivered_at_us, harness_now(h));
}

static void a_wrong_tracking_number_is_not_passed_on(void **state)
{
    struct harness *h = *state;
    Orderclerk__V1__WarehouseReply *reply = scene_reply("handed_over");
    reply->carrier = "UPS";
    reply->tracking_no = "1Z999AA10123456785"; // the check digit is 4
    scene_send(h, reply);
    const Orderclerk__V1__ShipmentEvent *event = scene_told(h, "accepted picking packed handed_over");
    assert_string_equal(event->handed_over->carrier, "UPS");
    assert_string_equal(event->handed_over->tracking_no, "");
    assert_string_equal(scene_dead_letter(h), "TRACKING_NUMBER_INVALID");
}

static void another_warehouse_has_no_say(void **state)
{
    struct harness *h = *state;
    Orderclerk__V1__WarehouseReply *reply = scene_reply("handed_over");
    reply->warehouse = "BJ2";
    scene_send(h, reply);
    scene_told(h, "");
    assert_string_equal(scene_dead_letter(h), "WAREHOUSE_REPLY_UNUSABLE");
    reply = scene_reply("teleported");
    scene_send(h, reply);
    assert_string_equal(scene_dead_letter(h), "WAREHOUSE_REPLY_UNUSABLE");
    scene_say(h, "accepted");
    scene_told(h, "accepted");
}

static void an_unknown_shipment_is_held_for_a_while(void **state)
{
    struct harness *h = *state;
    scene_say(h, "accepted");
    scene_told(h, "");
    assert_null(scene_dead_letter(h));
    scene_release(h, SHIPMENT, "SH1");
    scene_told(h, "accepted");
    Orderclerk__V1__WarehouseReply *reply = scene_reply("accepted");
    reply->shipment_id = OTHER;
    scene_send(h, reply);
    harness_advance(h, 61 * INSTANT_SECOND);
    assert_string_equal(scene_dead_letter(h), "UNKNOWN_ORDER");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, released, scene_teardown)
    const struct CMUnitTest tests[] = {
        T(in_order),
        T(doubled),
        cmocka_unit_test(any_order),
        T(implied_steps_are_told_first),
        T(delivered_without_a_word_of_the_lines_waits),
        T(delivered_with_lines_implies_the_hand_over),
        T(packed_lines_stand_in_for_those_of_the_hand_over),
        T(rejected_ends_it),
        T(contradictions_are_shown_and_hold_nothing),
        T(trouble_on_the_road_comes_and_goes),
        T(the_future_is_now),
        T(a_wrong_tracking_number_is_not_passed_on),
        T(another_warehouse_has_no_say),
        cmocka_unit_test_setup_teardown(an_unknown_shipment_is_held_for_a_while, scene_setup, scene_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
