// Releasing and cancelling: what is asked of warehouses, and what follows from answers, refusals and silence.
#include "scene.h"

#include <string.h>

static void release_is_a_request_to_the_warehouse(void **state)
{
    struct harness *h = *state;
    scene_release(h, SHIPMENT, "SH1");
    struct effect_call call;
    const Orderclerk__V1__EffectRequest *request;
    assert_true(harness_effect(h, &call, &request));
    assert_string_equal(request->transport, "http");
    assert_string_equal(request->method, "PUT");
    assert_string_equal(request->url, "http://warehouse.example:9000/wms/v1/shipments/" SHIPMENT);
    assert_true(bytes_is(call.target, "warehouse:SH1"));
    const char expected[] = "{\"order_id\":\"" ORDER "\",\"shipment_id\":\"" SHIPMENT
                            "\",\"warehouse\":\"SH1\",\"order_no\":\"OC-1004-7\",\"customer_po\":\"PO-77\","
                            "\"deliver_to\":{\"country\":\"CN\","
                            "\"city\":\"上海\",\"street\":\"世纪大道 1 "
                            "号\"},\"lines\":[{\"line_no\":1,\"sku\":\"P-100\",\"quantity\":3},"
                            "{\"line_no\":2,\"sku\":\"P-200\",\"quantity\":4}]}";
    assert_int_equal(request->body.len, sizeof expected - 1);
    assert_memory_equal(request->body.data, expected, sizeof expected - 1);
    scene_told(h, "");
    scene_is(h, "RELEASE_REQUESTED", "NONE");
    scene_answer(h, "release_shipment", EFFECT_OK, 202);
    scene_told(h, ""); // taken is not accepted
    scene_say(h, "accepted");
    const Orderclerk__V1__ShipmentEvent *event = scene_told(h, "accepted");
    assert_string_equal(event->shipment_id, SHIPMENT);
    assert_string_equal(event->warehouse, "SH1");
    assert_int_equal(event->saga_revision, 7);
    harness_advance(h, 2 * INSTANT_DAY);
    assert_false(scene_asked(h));
}

static void callbacks_may_be_faster_than_the_answer(void **state)
{
    struct harness *h = *state;
    scene_release(h, SHIPMENT, "SH1");
    scene_say(h, "accepted");
    scene_say(h, "picking");
    scene_answer(h, "release_shipment", EFFECT_FAILED, 0); // stored, the answer was lost
    harness_advance(h, INSTANT_DAY);
    assert_false(scene_asked(h));
    scene_told(h, "accepted picking");
}

static void a_refused_release_is_rejected(void **state)
{
    struct harness *h = *state;
    scene_release(h, SHIPMENT, "SH1");
    scene_answer(h, "release_shipment", EFFECT_REFUSED, 422);
    const Orderclerk__V1__ShipmentEvent *event = scene_told(h, "rejected");
    assert_non_null(strstr(event->rejected->reason, "422"));
    scene_is(h, "REJECTED", "NONE");
    scene_release(h, SHIPMENT, "SH1");
    scene_told(h, "rejected");
    assert_false(scene_asked(h));
}

static void unreachable_is_told_once_and_tries_go_on(void **state)
{
    struct harness *h = *state;
    scene_release(h, SHIPMENT, "SH1");
    for (int i = 1; i <= 6; i++) {
        scene_answer(h, "release_shipment", EFFECT_FAILED, 503);
        if (i == 2)
            scene_told(h, "");
        if (i == 3) {
            const Orderclerk__V1__ShipmentEvent *event = scene_told(h, "unreachable");
            assert_int_equal(event->unreachable->tries, 3);
        }
        harness_advance(h, 2 * INSTANT_MINUTE);
    }
    scene_told(h, "");
    scene_answer(h, "release_shipment", EFFECT_OK, 202);
    scene_say(h, "accepted");
    scene_told(h, "accepted");
    assert_false(scene_row(h, SHIPMENT)->unreachable);
}

static void not_taken_for_long_is_told(void **state)
{
    struct harness *h = *state;
    scene_release(h, SHIPMENT, "SH1");
    scene_answer(h, "release_shipment", EFFECT_FAILED, 0);
    harness_advance(h, 4 * INSTANT_MINUTE); // its next try waits for its turn
    scene_told(h, "");
    harness_advance(h, 2 * INSTANT_MINUTE);
    const Orderclerk__V1__ShipmentEvent *event = scene_told(h, "unreachable");
    assert_int_equal(event->unreachable->tries, 1);
    harness_advance(h, INSTANT_HOUR);
    scene_told(h, "");
    scene_answer(h, "release_shipment", EFFECT_OK, 202);
    scene_say(h, "accepted");
    scene_cancel(h, SHIPMENT);
    harness_advance(h, 6 * INSTANT_MINUTE);
    scene_told(h, "accepted unreachable");
    scene_answer(h, "cancel_shipment", EFFECT_OK, 202);
    scene_say(h, "cancel_accepted");
    scene_told(h, "cancel_accepted");
}

static void silence_sends_the_same_request_again(void **state)
{
    struct harness *h = *state;
    struct effect_call call;
    const Orderclerk__V1__EffectRequest *first;
    const Orderclerk__V1__EffectRequest *again;
    scene_release(h, SHIPMENT, "SH1");
    assert_true(harness_effect(h, &call, &first));
    scene_answer(h, "release_shipment", EFFECT_OK, 202);
    harness_advance(h, 14 * INSTANT_MINUTE);
    assert_false(scene_asked(h));
    harness_advance(h, 2 * INSTANT_MINUTE);
    assert_true(harness_effect(h, &call, &again));
    assert_string_equal(again->url, first->url);
    assert_int_equal(again->body.len, first->body.len);
    assert_memory_equal(again->body.data, first->body.data, first->body.len);
    scene_answer(h, "release_shipment", EFFECT_REFUSED, 409); // it has it: no rejection
    scene_told(h, "unreachable");
    scene_is(h, "RELEASE_REQUESTED", "NONE");
    harness_advance(h, INSTANT_HOUR);
    assert_true(scene_asked(h));
    scene_say(h, "accepted");
    scene_answer(h, "release_shipment", EFFECT_OK, 200);
    harness_advance(h, INSTANT_DAY);
    assert_false(scene_asked(h));
    scene_told(h, "accepted");
}

static void long_silence_is_told(void **state)
{
    struct harness *h = *state;
    scene_release(h, SHIPMENT, "SH1");
    for (int i = 0; i < 3; i++) {
        scene_answer(h, "release_shipment", EFFECT_OK, 202);
        scene_told(h, "");
        harness_advance(h, INSTANT_HOUR + INSTANT_SECOND);
    }
    scene_told(h, "unreachable");
    assert_true(scene_asked(h));
}

static void a_warehouse_may_be_known_later(void **state)
{
    struct harness *h = *state;
    scene_release(h, SHIPMENT, "BJ2");
    assert_false(scene_asked(h));
    harness_advance(h, 2 * INSTANT_SECOND);
    scene_told(h, "");
    harness_advance(h, 5 * INSTANT_SECOND);
    scene_told(h, "unreachable");
    scene_warehouse(h, "BJ2", "http", "http://bj2.example", 3);
    harness_advance(h, INSTANT_MINUTE);
    struct effect_call call;
    const Orderclerk__V1__EffectRequest *request;
    assert_true(harness_effect(h, &call, &request));
    assert_string_equal(request->url, "http://bj2.example/wms/v1/shipments/" SHIPMENT);
}

static void older_master_data_changes_nothing(void **state)
{
    struct harness *h = *state;
    scene_warehouse(h, "SH1", "http", "http://new.example", 5);
    scene_warehouse(h, "SH1", "http", "http://old.example", 4);
    scene_release(h, SHIPMENT, "SH1");
    struct effect_call call;
    const Orderclerk__V1__EffectRequest *request;
    assert_true(harness_effect(h, &call, &request));
    assert_string_equal(request->url, "http://new.example/wms/v1/shipments/" SHIPMENT);
}

static void the_auto_warehouse_ships_by_itself(void **state)
{
    struct harness *h = *state;
    scene_release(h, SHIPMENT, "AUTO");
    scene_answer(h, "release_shipment", EFFECT_OK, 0);
    const Orderclerk__V1__ShipmentEvent *event =
        scene_told(h, "accepted picking packed handed_over delivered");
    assert_int_equal(event->delivered->n_lines, 2);
    assert_int_equal(event->delivered->delivered_at_us, harness_now(h));
    const struct shipment_row *row = scene_row(h, SHIPMENT);
    assert_true(bytes_is(row->carrier, "AUTO") && row->tracking_no.size == 15);
    scene_is(h, "DELIVERED", "NONE");
    assert_null(scene_dead_letter(h));
}

// ---- cancelling

static void cancelled_before_anybody_was_asked(void **state)
{
    struct harness *h = *state;
    scene_release_and_cancel(h, SHIPMENT);
    scene_told(h, "cancel_accepted");
    assert_false(scene_asked(h));
    scene_is(h, "RELEASE_REQUESTED", "ACCEPTED");
    harness_advance(h, INSTANT_DAY);
    assert_false(scene_asked(h));
}

static void a_release_under_way_is_awaited_before_cancelling(void **state)
{
    struct harness *h = *state;
    scene_release(h, SHIPMENT, "SH1");
    scene_cancel(h, SHIPMENT);
    scene_told(h, "");
    scene_is(h, "RELEASE_REQUESTED", "REQUESTED");
    scene_answer(h, "release_shipment", EFFECT_OK, 202);
    struct effect_call call;
    const Orderclerk__V1__EffectRequest *request;
    assert_true(harness_effect(h, &call, &request));
    assert_string_equal(request->method, "POST");
    assert_string_equal(request->url,
                        "http://warehouse.example:9000/wms/v1/shipments/" SHIPMENT "/cancel-request");
    scene_answer(h, "cancel_shipment", EFFECT_OK, 202);
    scene_told(h, "");
    scene_say(h, "cancel_accepted");
    scene_say(h, "cancel_accepted");
    scene_told(h, "cancel_accepted");
    scene_say(h, "accepted"); // a late copy
    scene_told(h, "");
    harness_advance(h, INSTANT_DAY);
    assert_false(scene_asked(h));
}

static void a_release_that_never_arrived_is_cancelled(void **state)
{
    struct harness *h = *state;
    scene_release(h, SHIPMENT, "SH1");
    scene_answer(h, "release_shipment", EFFECT_FAILED, 0);
    scene_cancel(h, SHIPMENT);
    harness_advance(h, 5 * INSTANT_SECOND);
    scene_answer(h, "release_shipment", EFFECT_FAILED, 0); // one more may have been on its way
    scene_answer(h, "cancel_shipment", EFFECT_REFUSED, 404);
    scene_told(h, "cancel_accepted");
    harness_advance(h, INSTANT_DAY);
    assert_false(scene_asked(h));
}

static void a_warehouse_may_refuse_to_cancel(void **state)
{
    struct harness *h = *state;
    scene_release(h, SHIPMENT, "SH1");
    scene_answer(h, "release_shipment", EFFECT_OK, 202);
    scene_say(h, "packed");
    scene_told(h, "accepted picking packed");
    scene_cancel(h, SHIPMENT);
    scene_answer(h, "cancel_shipment", EFFECT_OK, 202);
    scene_say(h, "cancel_rejected");
    const Orderclerk__V1__ShipmentEvent *event = scene_told(h, "cancel_rejected");
    assert_string_equal(event->cancel_rejected->reason, "closed for stock-taking");
    scene_say(h, "handed_over");
    scene_told(h, "handed_over");
    scene_cancel(h, SHIPMENT);
    scene_told(h, "cancel_rejected");
}

static void a_refused_cancel_request_is_rejected(void **state)
{
    struct harness *h = *state;
    scene_release(h, SHIPMENT, "SH1");
    scene_answer(h, "release_shipment", EFFECT_OK, 202);
    scene_cancel(h, SHIPMENT);
    scene_answer(h, "cancel_shipment", EFFECT_REFUSED, 409);
    scene_told(h, "cancel_rejected");
    harness_advance(h, 16 * INSTANT_MINUTE);
    assert_true(scene_asked(h)); // still not accepted: the release goes on being asked for
}

static void a_silent_cancel_request_is_asked_again(void **state)
{
    struct harness *h = *state;
    scene_release(h, SHIPMENT, "SH1");
    scene_answer(h, "release_shipment", EFFECT_OK, 202);
    scene_cancel(h, SHIPMENT);
    scene_answer(h, "cancel_shipment", EFFECT_OK, 202);
    harness_advance(h, 16 * INSTANT_MINUTE);
    scene_answer(h, "cancel_shipment", EFFECT_OK, 202);
    scene_say(h, "cancel_accepted");
    scene_told(h, "cancel_accepted");
}

static void rejecting_grants_the_cancel_request(void **state)
{
    struct harness *h = *state;
    scene_release(h, SHIPMENT, "SH1");
    scene_answer(h, "release_shipment", EFFECT_OK, 202);
    scene_cancel(h, SHIPMENT);
    scene_say(h, "rejected");
    scene_told(h, "cancel_accepted");
    scene_is(h, "REJECTED", "ACCEPTED");
    scene_answer(h, "cancel_shipment", EFFECT_REFUSED, 409);
    scene_told(h, "");
}

static void unknown_shipment_is_remembered_as_cancelled(void **state)
{
    struct harness *h = *state;
    scene_cancel(h, SHIPMENT);
    scene_told(h, "cancel_accepted");
    scene_is(h, "DRAFT", "ACCEPTED");
    scene_release(h, SHIPMENT, "SH1");
    scene_told(h, "rejected");
    assert_false(scene_asked(h));
    scene_cancel(h, SHIPMENT);
    scene_told(h, "cancel_accepted");
}

static void handed_over_while_cancelling(void **state)
{
    struct harness *h = *state;
    scene_release(h, SHIPMENT, "SH1");
    scene_answer(h, "release_shipment", EFFECT_OK, 202);
    scene_cancel(h, SHIPMENT);
    scene_answer(h, "cancel_shipment", EFFECT_OK, 202);
    scene_say(h, "handed_over");
    scene_told(h, "accepted picking packed cancel_rejected handed_over");
    scene_say(h, "cancel_accepted"); // too late
    scene_told(h, "");
    assert_null(scene_dead_letter(h));
    scene_is(h, "HANDED_OVER", "REJECTED");
}

static void goods_that_leave_all_the_same_are_told(void **state)
{
    struct harness *h = *state;
    scene_release(h, SHIPMENT, "SH1");
    scene_answer(h, "release_shipment", EFFECT_OK, 202);
    scene_cancel(h, SHIPMENT);
    scene_answer(h, "cancel_shipment", EFFECT_OK, 202);
    scene_say(h, "cancel_accepted");
    scene_say(h, "handed_over");
    scene_say(h, "delivered");
    scene_told(h, "cancel_accepted handed_over delivered");
}

static void auto_release_can_be_cancelled(void **state)
{
    struct harness *h = *state;
    scene_release(h, SHIPMENT, "AUTO");
    scene_cancel(h, SHIPMENT);
    scene_told(h, "");
    scene_answer(h, "release_shipment", EFFECT_OK, 0);
    scene_told(h, "cancel_accepted");
}

static void two_shipments_of_an_order_wait_apart(void **state)
{
    struct harness *h = *state;
    scene_release(h, SHIPMENT, "SH1");
    scene_answer(h, "release_shipment", EFFECT_OK, 202);
    harness_advance(h, 10 * INSTANT_MINUTE);
    scene_release(h, OTHER, "SH1");
    scene_answer(h, "release_shipment", EFFECT_OK, 202);
    harness_advance(h, 6 * INSTANT_MINUTE);
    struct effect_call call;
    const Orderclerk__V1__EffectRequest *request;
    assert_true(harness_effect(h, &call, &request));
    assert_string_equal(request->note, SHIPMENT);
    scene_answer(h, "release_shipment", EFFECT_OK, 200);
    assert_false(scene_asked(h));
    harness_advance(h, 10 * INSTANT_MINUTE);
    assert_true(harness_effect(h, &call, &request));
    assert_string_equal(request->note, OTHER);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, scene_setup, scene_teardown)
    const struct CMUnitTest tests[] = {
        T(release_is_a_request_to_the_warehouse),
        T(callbacks_may_be_faster_than_the_answer),
        T(a_refused_release_is_rejected),
        T(unreachable_is_told_once_and_tries_go_on),
        T(not_taken_for_long_is_told),
        T(silence_sends_the_same_request_again),
        T(long_silence_is_told),
        T(a_warehouse_may_be_known_later),
        T(older_master_data_changes_nothing),
        T(the_auto_warehouse_ships_by_itself),
        T(cancelled_before_anybody_was_asked),
        T(a_release_under_way_is_awaited_before_cancelling),
        T(a_release_that_never_arrived_is_cancelled),
        T(a_warehouse_may_refuse_to_cancel),
        T(a_refused_cancel_request_is_rejected),
        T(a_silent_cancel_request_is_asked_again),
        T(rejecting_grants_the_cancel_request),
        T(unknown_shipment_is_remembered_as_cancelled),
        T(handed_over_while_cancelling),
        T(goods_that_leave_all_the_same_are_told),
        T(auto_release_can_be_cancelled),
        T(two_shipments_of_an_order_wait_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
