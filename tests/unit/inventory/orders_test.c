// What orders get, keep, wait for and give back.
#include "desk.h"

#include "orderclerk/v1/dead_letters.pb-c.h"
#include "unit/base/unit.h"

static const char *const skus[] = {"P1", "P2", "P3"};

static int setup(void **state)
{
    struct harness *h = harness_new(&inventory_lane);
    desk_product(h, "P2", 1, NULL, false, false);
    desk_product(h, "P1", 1, "P2", false, false);
    desk_product(h, "P3", 1, NULL, false, true);
    harness_run(h);
    *state = h;
    return 0;
}

static int teardown(void **state)
{
    desk_check(*state, skus, COUNT_OF(skus));
    harness_free(*state);
    return 0;
}

// Commands are read before news about stock: each is let through first.
static void receive(struct harness *h, const char *sku, const char *warehouse, int64_t quantity)
{
    desk_receive(h, sku, warehouse, quantity);
    harness_run(h);
}

static void announce(struct harness *h, const char *sku, const char *warehouse, int64_t quantity,
                     const char *date)
{
    desk_announce(h, sku, warehouse, quantity, date);
    harness_run(h);
}

static const Orderclerk__V1__InventoryEvent *answer(struct harness *h,
                                                    Orderclerk__V1__InventoryEvent__BodyCase kind)
{
    const Orderclerk__V1__InventoryEvent *event = desk_answer(h);
    assert_non_null(event);
    assert_int_equal(event->body_case, kind);
    return event;
}

#define RESERVED ORDERCLERK__V1__INVENTORY_EVENT__BODY_RESERVED
#define SHORT    ORDERCLERK__V1__INVENTORY_EVENT__BODY_SHORT_OF_STOCK
#define REFUSED  ORDERCLERK__V1__INVENTORY_EVENT__BODY_REFUSED
#define RELEASED ORDERCLERK__V1__INVENTORY_EVENT__BODY_RELEASED
#define CONSUMED ORDERCLERK__V1__INVENTORY_EVENT__BODY_CONSUMED
#define FILLED   ORDERCLERK__V1__INVENTORY_EVENT__BODY_BACKORDER_FILLED
#define RECEIVED ORDERCLERK__V1__INVENTORY_EVENT__BODY_RECEIVED

static void expect_stock(struct harness *h, const char *sku, const char *warehouse, int64_t on_hand,
                         int64_t reserved)
{
    struct stock_row s = desk_stock(h, sku, warehouse);
    assert_int_equal(s.on_hand, on_hand);
    assert_int_equal(s.reserved, reserved);
}

static void reserves_and_releases(void **state)
{
    struct harness *h = *state;
    receive(h, "P1", "SH1", 10);
    const struct line line = {1, "P1", 4, false, 0};
    desk_reserve(h, desk_order(1), 3, &line, 1);
    const Orderclerk__V1__InventoryEvent *event = answer(h, RESERVED);
    assert_int_equal(event->reserved->order_revision, 3);
    assert_int_equal(event->reserved->n_allocations, 1);
    assert_string_equal(event->reserved->allocations[0]->warehouse, "SH1");
    assert_int_equal(event->reserved->allocations[0]->reserved, 4);
    expect_stock(h, "P1", "SH1", 10, 4);
    desk_release(h, desk_order(1), "P1");
    event = answer(h, RELEASED);
    assert_int_equal(event->released->n_released, 1);
    assert_int_equal(event->released->released[0]->reserved, 4);
    expect_stock(h, "P1", "SH1", 10, 0);
    desk_release(h, desk_order(1), "P1");
    event = answer(h, RELEASED);
    assert_int_equal(event->released->n_released, 0);
}

static void only_differences_move(void **state)
{
    struct harness *h = *state;
    receive(h, "P1", "SH1", 10);
    receive(h, "P2", "SH1", 10);
    const struct line first[] = {{1, "P1", 4, false, 0}, {2, "P2", 3, false, 0}};
    desk_reserve(h, desk_order(1), 1, first, 2);
    answer(h, RESERVED);
    int64_t movements = desk_stock(h, "P1", "SH1").movements;
    desk_reserve(h, desk_order(1), 2, first, 2);
    answer(h, RESERVED);
    assert_int_equal(desk_stock(h, "P1", "SH1").movements, movements); // nothing moved
    const struct line second[] = {{1, "P1", 6, false, 0}};
    desk_reserve(h, desk_order(1), 3, second, 1);
    const Orderclerk__V1__InventoryEvent *event = answer(h, RESERVED);
    assert_int_equal(event->reserved->n_allocations, 1);
    harness_run(h);
    expect_stock(h, "P1", "SH1", 10, 6);
    expect_stock(h, "P2", "SH1", 10, 0); // not named by the command: given back all the same
    const struct line third[] = {{1, "P1", 1, false, 0}};
    desk_reserve(h, desk_order(1), 4, third, 1);
    answer(h, RESERVED);
    expect_stock(h, "P1", "SH1", 10, 1);
}

static void substitute_takes_the_place(void **state)
{
    struct harness *h = *state;
    receive(h, "P1", "SH1", 2);
    receive(h, "P2", "SH2", 250);
    const struct line wanted = {1, "P1", 5, false, 0};
    announce(h, "P1", "SH1", 20, "2026-12-01");
    desk_reserve(h, desk_order(1), 1, &wanted, 1);
    const Orderclerk__V1__InventoryEvent *event = answer(h, SHORT);
    assert_int_equal(event->short_of_stock->n_shortages, 1);
    const Orderclerk__V1__Shortage *s = event->short_of_stock->shortages[0];
    assert_int_equal(s->wanted, 5);
    assert_int_equal(s->available, 2);
    assert_string_equal(s->restock_date, "2026-12-01");
    assert_int_equal(s->n_substitutes, 1);
    assert_string_equal(s->substitutes[0]->sku, "P2");
    assert_string_equal(s->substitutes[0]->name, "Product P2");
    assert_int_equal(s->substitutes[0]->available, 250);
    assert_int_equal(event->short_of_stock->n_allocations, 1); // what is there is held
    expect_stock(h, "P1", "SH1", 2, 2);
    const struct line chosen = {1, "P2", 5, false, 0};
    desk_reserve(h, desk_order(1), 2, &chosen, 1);
    event = answer(h, RESERVED);
    assert_int_equal(event->reserved->n_allocations, 1);
    harness_run(h);
    expect_stock(h, "P1", "SH1", 2, 0);
    expect_stock(h, "P2", "SH2", 250, 5);
}

static void retired_substitute_is_not_offered(void **state)
{
    struct harness *h = *state;
    receive(h, "P2", "SH2", 9);
    receive(h, "P1", "SH1", 1);
    desk_product(h, "P2", 2, NULL, true, false);
    harness_run(h);
    const struct line wanted = {1, "P1", 5, false, 0};
    desk_reserve(h, desk_order(1), 1, &wanted, 1);
    const Orderclerk__V1__InventoryEvent *event = answer(h, SHORT);
    assert_int_equal(event->short_of_stock->shortages[0]->n_substitutes, 0);
    assert_string_equal(event->short_of_stock->shortages[0]->restock_date, "");
    desk_product(h, "P2", 1, NULL, false, false); // older: changes nothing
    const struct line retired = {1, "P2", 1, false, 0};
    desk_reserve(h, desk_order(2), 1, &retired, 1);
    event = answer(h, REFUSED);
    assert_string_equal(event->refused->reason, "RETIRED");
}

static void unknown_is_refused(void **state)
{
    struct harness *h = *state;
    receive(h, "P1", "SH1", 5);
    const struct line lines[] = {{1, "P1", 1, false, 0}, {2, "NIX", 1, false, 0}};
    desk_reserve(h, desk_order(1), 1, lines, 2);
    const Orderclerk__V1__InventoryEvent *event = answer(h, REFUSED);
    assert_string_equal(event->refused->reason, "UNKNOWN");
    assert_int_equal(event->refused->line_no, 2);
    expect_stock(h, "P1", "SH1", 5, 0);
}

static void no_picking_is_served_by_itself(void **state)
{
    struct harness *h = *state;
    receive(h, "P3", "SH1", 50);
    receive(h, "P3", "AUTO", 5);
    receive(h, "P1", "AUTO", 5); // needs picking: not from there
    const struct line lines[] = {{1, "P3", 5, false, 0}, {2, "P1", 1, false, 0}};
    desk_reserve(h, desk_order(1), 1, lines, 2);
    const Orderclerk__V1__InventoryEvent *event = answer(h, SHORT);
    assert_int_equal(event->short_of_stock->n_allocations, 1);
    assert_string_equal(event->short_of_stock->allocations[0]->warehouse, "AUTO");
    assert_int_equal(event->short_of_stock->shortages[0]->line_no, 2);
}

static void waits_and_is_filled_by_priority(void **state)
{
    struct harness *h = *state;
    receive(h, "P1", "SH1", 2);
    announce(h, "P1", "SH1", 10, "2026-12-01");
    const struct line low = {1, "P1", 5, true, 1};
    const struct line high = {1, "P1", 4, true, 7};
    desk_reserve(h, desk_order(1), 1, &low, 1);
    const Orderclerk__V1__InventoryEvent *event = answer(h, RESERVED);
    assert_int_equal(event->reserved->allocations[0]->reserved, 2);
    assert_int_equal(event->reserved->allocations[0]->backordered, 3);
    assert_string_equal(event->reserved->allocations[0]->promised_date, "2026-12-01");
    desk_reserve(h, desk_order(2), 1, &high, 1);
    answer(h, RESERVED);
    assert_int_equal(desk_stock(h, "P1", "SH1").backordered, 7);
    receive(h, "P1", "SH2", 5); // elsewhere, and not enough for both
    event = answer(h, FILLED);
    assert_int_equal(desk_share(h, desk_order(2), 1, "P1", "SH2").reserved, 4);
    answer(h, FILLED);
    assert_int_equal(desk_share(h, desk_order(1), 1, "P1", NULL).reserved, 3);
    assert_int_equal(desk_share(h, desk_order(1), 1, "P1", NULL).backordered, 2);
    assert_int_equal(desk_stock(h, "P1", "SH1").backordered, 2);
    expect_stock(h, "P1", "SH2", 5, 5);
    desk_release(h, desk_order(2), NULL); // what is given back serves who waits
    answer(h, RELEASED);
    event = answer(h, FILLED);
    assert_int_equal(desk_share(h, desk_order(1), 1, "P1", NULL).reserved, 5);
    assert_int_equal(desk_share(h, desk_order(1), 1, "P1", NULL).backordered, 0);
}

// The order gives up while what it waited for is on its way.
static void granted_too_late_comes_back(void **state)
{
    struct harness *h = *state;
    receive(h, "P1", "SH1", 1);
    const struct line line = {1, "P1", 5, true, 0};
    desk_reserve(h, desk_order(1), 1, &line, 1);
    answer(h, RESERVED);
    desk_pause(h, desk_order(1), true);
    harness_run(h);
    desk_release(h, desk_order(1), "P1");
    harness_run(h);
    receive(h, "P1", "SH1", 3);
    assert_null(desk_answer(h));
    expect_stock(h, "P1", "SH1", 4, 4); // granted: it counts as reserved from now on
    desk_pause(h, desk_order(1), false);
    const Orderclerk__V1__InventoryEvent *event = answer(h, RELEASED);
    assert_int_equal(event->released->released[0]->reserved, 1);
    assert_int_equal(event->released->released[0]->backordered, 4);
    assert_null(desk_answer(h)); // nothing was filled
    expect_stock(h, "P1", "SH1", 4, 0);
}

static void consumes_once(void **state)
{
    struct harness *h = *state;
    receive(h, "P1", "SH1", 10);
    const struct line line = {1, "P1", 4, false, 0};
    const struct line part = {1, "P1", 3, false, 0};
    desk_reserve(h, desk_order(1), 1, &line, 1);
    answer(h, RESERVED);
    desk_consume(h, desk_order(1), "SHIP-1", "SH1", &part);
    const Orderclerk__V1__InventoryEvent *event = answer(h, CONSUMED);
    assert_string_equal(event->consumed->shipment_id, "SHIP-1");
    expect_stock(h, "P1", "SH1", 7, 1);
    desk_consume(h, desk_order(1), "SHIP-1", "SH1", &part); // the shipment's goods have left already
    answer(h, CONSUMED);
    expect_stock(h, "P1", "SH1", 7, 1);
    desk_reserve(h, desk_order(1), 2, &line, 1); // what has left is part of the need
    answer(h, RESERVED);
    expect_stock(h, "P1", "SH1", 7, 1);
}

static void goods_that_left_unreserved(void **state)
{
    struct harness *h = *state;
    receive(h, "P1", "SH1", 10);
    const struct line others = {1, "P1", 8, false, 0};
    desk_reserve(h, desk_order(1), 1, &others, 1);
    answer(h, RESERVED);
    const struct line gone = {1, "P1", 5, false, 0};
    desk_consume(h, desk_order(2), "SHIP-2", "SH1", &gone);
    answer(h, CONSUMED);
    expect_stock(h, "P1", "SH1", 8, 8); // two were free, three are missing from what order 1 holds
    assert_int_equal(desk_stock(h, "P1", "SH1").missing, 3);
    const Orderclerk__V1__DeadLetter *letter = (const void *)harness_take(h, TOPIC_DEAD_LETTERS, NULL);
    assert_non_null(letter);
    assert_string_equal(letter->reason, "STOCK_DISCREPANCY");
    assert_false(letter->held);
    desk_release(h, desk_order(1), "P1");
    answer(h, RELEASED);
    expect_stock(h, "P1", "SH1", 5, 0); // written off as soon as it could be
    assert_int_equal(desk_stock(h, "P1", "SH1").missing, 0);
}

static void production_books_in_for_a_line(void **state)
{
    struct harness *h = *state;
    desk_made(h, desk_order(1), 2, "M1", "SH1", 6);
    const Orderclerk__V1__InventoryEvent *event = answer(h, RECEIVED);
    assert_int_equal(event->received->allocation->reserved, 6);
    expect_stock(h, "M1", "SH1", 6, 6);
    receive(h, "P1", "SH1", 10);
    const struct line line = {1, "P1", 4, false, 0};
    desk_reserve(h, desk_order(1), 2, &line, 1); // a reservation of the stock lines leaves it alone
    event = answer(h, RESERVED);
    assert_int_equal(event->reserved->n_allocations, 2);
    expect_stock(h, "M1", "SH1", 6, 6);
    desk_release(h, desk_order(1), NULL);
    event = answer(h, RELEASED);
    assert_int_equal(event->released->n_released, 2);
    harness_run(h);
    expect_stock(h, "M1", "SH1", 6, 0);
}

static void production_ends_the_waiting(void **state)
{
    struct harness *h = *state;
    receive(h, "P1", "SH1", 1);
    const struct line line = {1, "P1", 5, true, 0};
    desk_reserve(h, desk_order(1), 1, &line, 1);
    answer(h, RESERVED);
    desk_made(h, desk_order(1), 1, "P1", "SH2", 4);
    answer(h, RECEIVED);
    assert_int_equal(desk_share(h, desk_order(1), 1, "P1", NULL).reserved, 5);
    assert_int_equal(desk_share(h, desk_order(1), 1, "P1", NULL).backordered, 0);
    assert_int_equal(desk_stock(h, "P1", "SH1").backordered, 0);
}

static void waiting_is_given_up(void **state)
{
    struct harness *h = *state;
    receive(h, "P1", "SH1", 1);
    const struct line waits = {1, "P1", 5, true, 0};
    const struct line not = {1, "P1", 5, false, 0};
    desk_reserve(h, desk_order(1), 1, &waits, 1);
    answer(h, RESERVED);
    desk_reserve(h, desk_order(1), 2, &not, 1);
    answer(h, SHORT);
    assert_int_equal(desk_share(h, desk_order(1), 1, "P1", NULL).backordered, 0);
}

static void same_command_again_same_answer(void **state)
{
    struct harness *h = *state;
    receive(h, "P1", "SH1", 10);
    Orderclerk__V1__ReserveLine line = ORDERCLERK__V1__RESERVE_LINE__INIT;
    line.line_no = 1;
    line.sku = (char *)(uintptr_t) "P1";
    line.quantity = 4;
    Orderclerk__V1__ReserveLine *list[1] = {&line};
    Orderclerk__V1__ReserveStock body = ORDERCLERK__V1__RESERVE_STOCK__INIT;
    body.lines = list;
    body.n_lines = 1;
    Orderclerk__V1__InventoryCommand c = ORDERCLERK__V1__INVENTORY_COMMAND__INIT;
    c.body_case = ORDERCLERK__V1__INVENTORY_COMMAND__BODY_RESERVE;
    c.reserve = &body;
    const struct head once = {.event_id = bytes_str("0190b7a4-0000-7000-8000-00000000feed"), .sequence = 1};
    harness_send_head(h, TOPIC_COMMANDS_INVENTORY, desk_order(1), &c.base, &once);
    harness_run(h);
    struct head first;
    assert_non_null(harness_take(h, TOPIC_INVENTORY_EVENTS, &first));
    char first_id[UUID_TEXT_SIZE];
    uuid_format(first.id, first_id);
    struct head again = once;
    again.again = true;
    harness_send_head(h, TOPIC_COMMANDS_INVENTORY, desk_order(1), &c.base, &again);
    harness_run(h);
    struct head second;
    assert_non_null(harness_take(h, TOPIC_INVENTORY_EVENTS, &second));
    assert_true(bytes_is(second.event_id, first_id) && second.again);
    expect_stock(h, "P1", "SH1", 10, 4);
}

static void senseless_commands_are_rejected(void **state)
{
    struct harness *h = *state;
    static const struct line bad[][2] = {
        {{1, "P1", -1, false, 0}, {2, "P1", 1, false, 0}},
        {{0, "P1", 1, false, 0}, {2, "P1", 1, false, 0}},
        {{1, "", 1, false, 0}, {2, "P1", 1, false, 0}},
        {{1, "P1", 1, false, 0}, {1, "P1", 1, false, 0}},
        {{1, "P1", INT64_MAX, false, 0}, {2, "P1", 1, false, 0}},
    };
    for (unsigned i = 0; i < COUNT_OF(bad); i++) {
        desk_reserve(h, desk_order(i + 10), 1, bad[i], 2);
        assert_null(desk_answer(h));
        const Orderclerk__V1__DeadLetter *letter = (const void *)harness_take(h, TOPIC_DEAD_LETTERS, NULL);
        assert_non_null(letter);
        assert_true(letter->held);
    }
}

// What the service writes itself always names one; a foreign record on its topic may not.
static void news_without_a_product_is_rejected(void **state)
{
    struct harness *h = *state;
    Orderclerk__V1__BackorderGranted granted = ORDERCLERK__V1__BACKORDER_GRANTED__INIT;
    Orderclerk__V1__ShareReturned returned = ORDERCLERK__V1__SHARE_RETURNED__INIT;
    Orderclerk__V1__CountDue due = ORDERCLERK__V1__COUNT_DUE__INIT;
    Orderclerk__V1__InventoryInternal news[3];
    for (unsigned i = 0; i < COUNT_OF(news); i++)
        news[i] = (Orderclerk__V1__InventoryInternal)ORDERCLERK__V1__INVENTORY_INTERNAL__INIT;
    news[0].body_case = ORDERCLERK__V1__INVENTORY_INTERNAL__BODY_GRANTED;
    news[0].granted = &granted;
    news[1].body_case = ORDERCLERK__V1__INVENTORY_INTERNAL__BODY_RETURNED;
    news[1].returned = &returned;
    news[2].body_case = ORDERCLERK__V1__INVENTORY_INTERNAL__BODY_COUNT_DUE;
    news[2].count_due = &due;
    for (unsigned i = 0; i < COUNT_OF(news); i++) {
        harness_send(h, TOPIC_INVENTORY_INTERNAL, desk_order(i + 20), &news[i].base);
        harness_run(h);
        const Orderclerk__V1__DeadLetter *letter = (const void *)harness_take(h, TOPIC_DEAD_LETTERS, NULL);
        assert_non_null(letter);
        assert_true(letter->held);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(reserves_and_releases),
        TEST(only_differences_move),
        TEST(substitute_takes_the_place),
        TEST(retired_substitute_is_not_offered),
        TEST(unknown_is_refused),
        TEST(no_picking_is_served_by_itself),
        TEST(waits_and_is_filled_by_priority),
        TEST(granted_too_late_comes_back),
        TEST(consumes_once),
        TEST(goods_that_left_unreserved),
        TEST(production_books_in_for_a_line),
        TEST(production_ends_the_waiting),
        TEST(waiting_is_given_up),
        TEST(same_command_again_same_answer),
        TEST(senseless_commands_are_rejected),
        TEST(news_without_a_product_is_rejected),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
