// Intake's copy of order-state, by the production lane over memory.
#include "intake/intake.h"
#include "intake/intake_view.h"
#include "orderclerk/v1/order_state.pb-c.h"
#include "sim/harness.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const char order[] = "01900000-0000-7000-8000-000000000001";
static struct harness *h;

static int setup(void **state)
{
    (void)state;
    h = harness_new(&intake_lane);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    harness_free(h);
    return 0;
}

static void send(const char *key, uint64_t revision, char *name, char *waiting_on, size_t refused_count,
                 Orderclerk__V1__RefusedRequest **refused)
{
    Orderclerk__V1__OrderState message = ORDERCLERK__V1__ORDER_STATE__INIT;
    message.saga_revision = revision;
    message.state = name;
    message.waiting_on = waiting_on;
    message.refused_requests = refused;
    message.n_refused_requests = refused_count;
    harness_send(h, TOPIC_ORDER_STATE, key, &message.base);
    harness_run(h);
}

static const struct order_view_row *view(void)
{
    struct uuid id;
    void *row = NULL;
    assert_true(uuid_parse(bytes_str(order), &id));
    return harness_rows(h, &order_view_table, 0, value_uuid(id), &row) == 1 ? row : NULL;
}

// What intake decodes is read from the bytes of an OrderState: whatever both have must be the same field.
static void what_is_decoded_is_of_the_document(void **state)
{
    (void)state;
    const ProtobufCMessageDescriptor *whole = topic_info(TOPIC_ORDER_STATE)->descriptor;
    const ProtobufCMessageDescriptor *shown = intake_lane.decoded_as(TOPIC_ORDER_STATE);
    assert_non_null(shown);
    for (unsigned i = 0; i < shown->n_fields; i++) {
        const ProtobufCFieldDescriptor *a = &shown->fields[i];
        const ProtobufCFieldDescriptor *b = protobuf_c_message_descriptor_get_field(whole, a->id);
        assert_non_null(b);
        assert_string_equal(a->name, b->name);
        assert_int_equal(a->type, b->type);
        assert_int_equal(a->label, b->label);
        assert_ptr_equal(a->descriptor, b->descriptor);
    }
    assert_null(intake_lane.decoded_as(TOPIC_CONTROL));
}

static void keeps_the_newest(void **state)
{
    (void)state;
    send(order, 1, "VALIDATING", "", 0, NULL);
    assert_true(bytes_is(view()->state, "VALIDATING"));
    assert_null(view()->waiting_on.data);
    send(order, 4, "AWAITING_CUSTOMER", "customer", 0, NULL);
    assert_true(bytes_is(view()->waiting_on, "customer"));
    send(order, 3, "RESERVING", "", 0, NULL);
    assert_true(bytes_is(view()->state, "AWAITING_CUSTOMER"));
    send(order, 5, "AWAITING_CUSTOMER", "customer", 0, NULL); // shows nothing new: no write
    assert_int_equal(view()->revision, 4);
    send(order, 6, "RESERVING", "", 0, NULL);
    assert_int_equal(view()->revision, 6);
    assert_null(view()->waiting_on.data);
}

static void keeps_refused_requests(void **state)
{
    (void)state;
    Orderclerk__V1__RefusedRequest one = ORDERCLERK__V1__REFUSED_REQUEST__INIT;
    char *allowed[] = {"answer", "cancel"};
    one.request_id = "r-1";
    one.reason = "too late";
    one.allowed = allowed;
    one.n_allowed = 2;
    Orderclerk__V1__RefusedRequest two = ORDERCLERK__V1__REFUSED_REQUEST__INIT;
    two.request_id = "r-2";
    Orderclerk__V1__RefusedRequest *refused[] = {&one, &two};
    send(order, 1, "VALIDATING", "", 1, refused);
    send(order, 2, "VALIDATING", "", 2, refused);
    send(order, 3, "VALIDATING", "", 1, refused + 1);
    void *row = NULL;
    assert_int_equal(harness_rows(h, &request_refused_table, 0, value_text(bytes_str("r-1")), &row), 1);
    assert_true(bytes_is(((struct request_refused_row *)row)->allowed, "answer cancel"));
    assert_int_equal(harness_rows(h, &request_refused_table, 0, value_text(bytes_str("r-2")), &row), 1);
}

static void refuses_what_is_no_order(void **state)
{
    (void)state;
    send("no-uuid", 1, "VALIDATING", "", 0, NULL);
    send(order, 1, "", "", 0, NULL);
    assert_null(view());
    assert_int_equal(harness_waiting(h, TOPIC_DEAD_LETTERS), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_decoded_is_of_the_document),
        cmocka_unit_test_setup_teardown(keeps_the_newest, setup, teardown),
        cmocka_unit_test_setup_teardown(keeps_refused_requests, setup, teardown),
        cmocka_unit_test_setup_teardown(refuses_what_is_no_order, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
