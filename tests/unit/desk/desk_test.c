// The desk's lane over memory: what it does when a compacted topic doesn't end with a key's newest record.
#include "desk/desk.h"
#include "desk/desk_store.h"
#include "orderclerk/v1/control.pb-c.h"
#include "orderclerk/v1/order_state.pb-c.h"
#include "orderclerk/v1/stock.pb-c.h"
#include "sim/harness.h"
#include "unit/base/unit.h"

#include <string.h>

#define ORDER "019aafde-0000-7000-8000-000000000001"
#define OTHER "019aafde-0000-7000-8000-000000000002"

static int setup(void **state)
{
    *state = harness_new(&desk_lane);
    return 0;
}

static int teardown(void **state)
{
    harness_free(*state);
    return 0;
}

static void order_state(struct harness *h, const char *key, uint64_t revision)
{
    Orderclerk__V1__OrderState state = ORDERCLERK__V1__ORDER_STATE__INIT;
    state.saga_revision = revision;
    state.state = (char *)"VALIDATING";
    harness_send(h, TOPIC_ORDER_STATE, key, &state.base);
}

static void stock_level(struct harness *h, uint64_t version)
{
    Orderclerk__V1__StockLevel level = ORDERCLERK__V1__STOCK_LEVEL__INIT;
    level.saga_revision = version;
    level.sku = (char *)"P1";
    level.warehouse = (char *)"SH1";
    harness_send(h, TOPIC_STOCK_LEVELS, "P1@SH1", &level.base);
}

static void assert_asked(struct harness *h, const char *service, const char *topic, const char *key,
                         uint64_t known)
{
    struct head head;
    const Orderclerk__V1__Control *control = (const void *)harness_take(h, TOPIC_CONTROL, &head);
    assert_non_null(control);
    assert_string_equal(control->service, service);
    assert_int_equal(control->body_case, ORDERCLERK__V1__CONTROL__BODY_RESEND);
    assert_string_equal(control->resend->topic, topic);
    assert_int_equal(control->resend->from_sequence, known);
    assert_true(bytes_is(head.key, key));
}

static void test_an_older_state_behind_a_newer_one(void **state)
{
    struct harness *h = *state;
    order_state(h, ORDER, 2);
    harness_run(h);
    order_state(h, ORDER, 1);
    harness_run(h);
    assert_asked(h, "orchestrator", "order-state", ORDER, 2);
    void *rows;
    struct uuid id;
    assert_true(uuid_parse(bytes_str(ORDER), &id));
    assert_int_equal(harness_rows(h, &order_row_table, ORDER_ROW_ID, value_uuid(id), &rows), 1);
    assert_int_equal(((const struct order_row *)rows)->revision, 2);
    order_state(h, ORDER, 2); // the answer
    harness_run(h);
    assert_int_equal(harness_waiting(h, TOPIC_CONTROL), 0);
}

static void test_what_is_followed_by_a_newer_one_is_not_asked_for(void **state)
{
    struct harness *h = *state;
    order_state(h, ORDER, 2);
    order_state(h, ORDER, 1); // an owner who publishes again what a dead one had published
    order_state(h, OTHER, 3);
    order_state(h, OTHER, 1);
    order_state(h, ORDER, 2);
    harness_run(h);
    assert_asked(h, "orchestrator", "order-state", OTHER, 3);
    assert_int_equal(harness_waiting(h, TOPIC_CONTROL), 0);
}

static void test_an_older_level_behind_a_newer_one(void **state)
{
    struct harness *h = *state;
    stock_level(h, 7);
    stock_level(h, 6);
    harness_run(h);
    assert_asked(h, "inventory", "stock-levels", "P1@SH1", 7);
    stock_level(h, 8);
    harness_run(h);
    assert_int_equal(harness_waiting(h, TOPIC_CONTROL), 0);
}

// A record may come again and again: each time is told apart.
static void test_the_same_older_record_twice(void **state)
{
    struct harness *h = *state;
    struct head heads[2];
    order_state(h, ORDER, 2);
    harness_run(h);
    for (size_t i = 0; i < 2; i++) {
        Orderclerk__V1__OrderState old = ORDERCLERK__V1__ORDER_STATE__INIT;
        old.saga_revision = 1;
        old.state = (char *)"RECEIVED";
        const struct head head = {.event_id = bytes_str(OTHER)};
        harness_send_head(h, TOPIC_ORDER_STATE, ORDER, &old.base, &head);
        harness_run(h);
        assert_non_null(harness_take(h, TOPIC_CONTROL, &heads[i]));
    }
    assert_false(uuid_equal(heads[0].id, heads[1].id));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_an_older_state_behind_a_newer_one),
        TEST(test_what_is_followed_by_a_newer_one_is_not_asked_for),
        TEST(test_an_older_level_behind_a_newer_one),
        TEST(test_the_same_older_record_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
