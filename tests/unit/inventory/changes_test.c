// News about stock: receipts, announcements, counts in the past, safety stock; levels told to the world.
#include "desk.h"

#include "orderclerk/v1/dead_letters.pb-c.h"
#include "unit/base/unit.h"

#include <string.h>

static const char *const skus[] = {"P1"};

static int setup(void **state)
{
    struct harness *h = harness_new(&inventory_lane);
    desk_product(h, "P1", 1, NULL, false, false);
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

static const Orderclerk__V1__DeadLetter *dead_letter(struct harness *h)
{
    harness_run(h);
    return (const void *)harness_take(h, TOPIC_DEAD_LETTERS, NULL);
}

// Of several levels in one batch only the last goes out: the topic is compacted.
static void last_level_of_each_batch(void **state)
{
    struct harness *h = *state;
    desk_receive(h, "P1", "SH1", 10);
    desk_receive(h, "P1", "SH1", 5);
    harness_run(h);
    const struct line line = {1, "P1", 12, false, 0};
    desk_reserve(h, desk_order(1), 1, &line, 1);
    harness_run(h);
    static const int64_t expected[][3] = {{2, 15, 0}, {3, 15, 12}};
    for (size_t i = 0; i < COUNT_OF(expected); i++) {
        struct head head;
        const Orderclerk__V1__StockLevel *level = (const void *)harness_take(h, TOPIC_STOCK_LEVELS, &head);
        assert_non_null(level);
        assert_true(bytes_is(head.key, "P1@SH1"));
        assert_int_equal(level->saga_revision, expected[i][0]);
        assert_int_equal(level->on_hand, expected[i][1]);
        assert_int_equal(level->reserved, expected[i][2]);
    }
    assert_int_equal(harness_waiting(h, TOPIC_STOCK_LEVELS), 0);
}

static void ask_newest(struct harness *h, const char *key, uint64_t known)
{
    harness_ask_newest(h, "inventory", "stock-levels", key, known);
}

// A reader saw an older level behind a newer one: two orders that took of the same goods at once.
static void the_newest_level_is_sent_again(void **state)
{
    struct harness *h = *state;
    desk_receive(h, "P1", "SH1", 10);
    harness_run(h);
    desk_receive(h, "P1", "SH1", 5);
    harness_run(h);
    while (harness_take(h, TOPIC_STOCK_LEVELS, NULL) != NULL)
        ;
    ask_newest(h, "P1@SH1", 2);
    const Orderclerk__V1__StockLevel *level = (const void *)harness_take(h, TOPIC_STOCK_LEVELS, NULL);
    assert_non_null(level);
    assert_int_equal(level->saga_revision, 2);
    assert_int_equal(level->on_hand, 15);
    ask_newest(h, "P1@SH1", 3); // whoever knows more isn't told less
    ask_newest(h, "P1@SH2", 1); // no such goods
    ask_newest(h, "P1", 1);
    assert_null(harness_take(h, TOPIC_STOCK_LEVELS, NULL));
    assert_null(dead_letter(h));
}

static void receipt_uses_up_the_announcement(void **state)
{
    struct harness *h = *state;
    desk_announce(h, "P1", "SH1", 10, "2026-12-01");
    desk_receive(h, "P1", "SH1", 4);
    harness_run(h);
    assert_int_equal(desk_stock(h, "P1", "SH1").incoming, 6);
    assert_true(bytes_is(desk_stock(h, "P1", "SH1").incoming_date, "2026-12-01"));
    desk_receive(h, "P1", "SH1", 40);
    harness_run(h);
    assert_int_equal(desk_stock(h, "P1", "SH1").incoming, 0);
    assert_null(desk_stock(h, "P1", "SH1").incoming_date.data);
}

static void count_of_now(void **state)
{
    struct harness *h = *state;
    desk_receive(h, "P1", "SH1", 10);
    harness_advance(h, INSTANT_SECOND);
    desk_count(h, "P1", "SH1", 7, harness_now(h));
    desk_count(h, "P1", "SH2", 3, harness_now(h)); // never heard of before
    harness_run(h);
    assert_int_equal(desk_stock(h, "P1", "SH1").on_hand, 7);
    assert_int_equal(desk_stock(h, "P1", "SH2").on_hand, 3);
    assert_null(dead_letter(h));
}

// What came and went after the count isn't part of it.
static void count_of_the_past(void **state)
{
    struct harness *h = *state;
    desk_receive(h, "P1", "SH1", 100);
    harness_run(h);
    const struct line line = {1, "P1", 30, false, 0};
    desk_reserve(h, desk_order(1), 1, &line, 1);
    harness_advance(h, INSTANT_HOUR);
    instant counted_at = harness_now(h);
    harness_advance(h, 25 * INSTANT_MINUTE);
    desk_receive(h, "P1", "SH1", 50);
    harness_advance(h, 25 * INSTANT_MINUTE);
    desk_consume(h, desk_order(1), "SHIP-1", "SH1", &line);
    harness_advance(h, INSTANT_HOUR);
    desk_count(h, "P1", "SH1", 98, counted_at); // two fewer than the 100 on the books then
    desk_receive(h, "P1", "SH1", 1000);         // in the same batch
    harness_run(h);
    struct stock_row s = desk_stock(h, "P1", "SH1");
    assert_int_equal(s.on_hand, 1000 + 120 - 2);
    assert_int_equal(s.reserved, 0);
    desk_count(h, "P1", "SH1", 5, counted_at); // not newer: ignored
    desk_count(h, "P1", "SH1", 5, counted_at - 1);
    harness_run(h);
    assert_int_equal(desk_stock(h, "P1", "SH1").on_hand, 1118);
    desk_count(h, "P1", "SH1", 98,
               counted_at + INSTANT_MINUTE); // later, and the first one's correction holds for it
    harness_run(h);
    assert_int_equal(desk_stock(h, "P1", "SH1").on_hand, 1118);
}

static void newer_count_takes_the_place_of_one_under_way(void **state)
{
    struct harness *h = *state;
    desk_receive(h, "P1", "SH1", 100);
    harness_advance(h, INSTANT_HOUR);
    instant counted_at = harness_now(h);
    harness_advance(h, INSTANT_HOUR);
    desk_receive(h, "P1", "SH1", 1);
    harness_advance(h, INSTANT_MINUTE);
    desk_count(h, "P1", "SH1", 90, counted_at);
    desk_count(h, "P1", "SH1", 91,
               harness_now(h)); // in the same batch: the older one's look back comes too late
    harness_run(h);
    assert_int_equal(desk_stock(h, "P1", "SH1").on_hand, 91);
}

static void count_never_takes_what_orders_hold(void **state)
{
    struct harness *h = *state;
    desk_receive(h, "P1", "SH1", 10);
    harness_run(h);
    const struct line line = {1, "P1", 8, false, 0};
    desk_reserve(h, desk_order(1), 1, &line, 1);
    harness_advance(h, INSTANT_SECOND);
    desk_count(h, "P1", "SH1", 5, harness_now(h));
    const Orderclerk__V1__DeadLetter *letter = dead_letter(h);
    assert_non_null(letter);
    assert_string_equal(letter->reason, "STOCK_DISCREPANCY");
    struct stock_row s = desk_stock(h, "P1", "SH1");
    assert_int_equal(s.on_hand, 8);
    assert_int_equal(s.reserved, 8);
    assert_int_equal(s.missing, 3);
    harness_advance(h, INSTANT_SECOND);
    desk_count(h, "P1", "SH1", 9, harness_now(h)); // found again
    harness_run(h);
    s = desk_stock(h, "P1", "SH1");
    assert_int_equal(s.on_hand, 9);
    assert_int_equal(s.missing, 0);
}

static void safety_stock_is_kept(void **state)
{
    struct harness *h = *state;
    desk_receive(h, "P1", "SH1", 10);
    desk_safety(h, "P1", "SH1", 4);
    harness_run(h);
    const struct line line = {1, "P1", 10, true, 0};
    desk_reserve(h, desk_order(1), 1, &line, 1);
    harness_run(h);
    assert_int_equal(desk_share(h, desk_order(1), 1, "P1", NULL).reserved, 6);
    desk_safety(h, "P1", "SH1", 1); // what is set free goes to who waits
    harness_run(h);
    assert_int_equal(desk_share(h, desk_order(1), 1, "P1", NULL).reserved, 9);
}

static void senseless_changes_hold_nothing_up(void **state)
{
    struct harness *h = *state;
    desk_receive(h, "P1", "SH1", 0);
    desk_receive(h, "P1", "SH1", -5);
    desk_receive(h, "P1", "SH1", INT64_MAX);
    desk_announce(h, "P1", "SH1", 5, "2026-02-30");
    desk_count(h, "P1", "SH1", -1, harness_now(h));
    desk_count(h, "P1", "SH1", 1, 0);
    desk_count(h, "P1", "SH1", 1, harness_now(h) + INSTANT_HOUR);
    desk_safety(h, "P1", "SH1", -1);
    desk_receive(h, "", "SH1", 1);
    for (int i = 0; i < 9; i++) {
        const Orderclerk__V1__DeadLetter *letter = dead_letter(h);
        assert_non_null(letter);
        assert_string_equal(letter->reason, "STOCK_CHANGE_REFUSED");
        assert_false(letter->held);
    }
    desk_receive(h, "P1", "SH1", 3);
    harness_run(h);
    assert_int_equal(desk_stock(h, "P1", "SH1").on_hand, 3);
}

static void too_old_a_count(void **state)
{
    struct harness *h = *state;
    instant long_ago = harness_now(h);
    harness_advance(h, 8 * INSTANT_DAY);
    desk_receive(h, "P1", "SH1", 3);
    harness_advance(h, INSTANT_SECOND);
    desk_count(h, "P1", "SH1", 9, long_ago);
    const Orderclerk__V1__DeadLetter *letter = dead_letter(h);
    assert_non_null(letter);
    assert_non_null(strstr(letter->detail, "7 days"));
    assert_int_equal(desk_stock(h, "P1", "SH1").on_hand, 3);
}

// ---- counters put right

// The ledger and the counter differ on purpose here: desk_check would say so.
static int free_only(void **state)
{
    harness_free(*state);
    return 0;
}

static void reconcile(struct harness *h, const char *actor, const char *reason, int64_t movement,
                      int64_t seen, int64_t reserved, int64_t on_hand)
{
    Orderclerk__V1__StockReconciled body = ORDERCLERK__V1__STOCK_RECONCILED__INIT;
    body.movement = movement;
    body.seen_on_hand = seen;
    body.seen_reserved = reserved;
    body.on_hand = on_hand;
    body.reserved = reserved;
    body.reason = (char *)(uintptr_t)reason;
    Orderclerk__V1__StockChange c = ORDERCLERK__V1__STOCK_CHANGE__INIT;
    c.sku = (char *)(uintptr_t) "P1";
    c.warehouse = (char *)(uintptr_t) "SH1";
    c.actor = (char *)(uintptr_t)actor;
    c.body_case = ORDERCLERK__V1__STOCK_CHANGE__BODY_RECONCILED;
    c.reconciled = &body;
    harness_send(h, TOPIC_STOCK_CHANGES, "P1@SH1", &c.base);
}

static void counters_are_put_right_once(void **state)
{
    struct harness *h = *state;
    desk_receive(h, "P1", "SH1", 10);
    const struct line line = {1, "P1", 4, false, 0};
    harness_run(h);
    desk_reserve(h, desk_order(1), 1, &line, 1);
    harness_run(h);
    reconcile(h, "operator-1", "restored from a backup", 2, 10, 4, 7);
    reconcile(h, "operator-1", "restored from a backup", 2, 10, 4, 7); // sent twice: the numbers have moved
    const Orderclerk__V1__DeadLetter *letter = dead_letter(h);
    assert_string_equal(letter->reason, "STOCK_CORRECTED");
    assert_non_null(strstr(letter->detail, "P1 in SH1: on_hand 7, was 10; reserved 4, was 4"));
    assert_non_null(strstr(letter->detail, "by operator-1: restored from a backup"));
    assert_string_equal(dead_letter(h)->reason, "STOCK_CHANGE_REFUSED");
    assert_null(dead_letter(h));
    assert_int_equal(desk_stock(h, "P1", "SH1").on_hand, 7);
    assert_int_equal(desk_stock(h, "P1", "SH1").reserved, 4);
    assert_int_equal(desk_stock(h, "P1", "SH1").movements, 3);
    void *found;
    size_t count = harness_rows(h, &ledger_table, 1, value_text(bytes_str("P1")), &found);
    const struct ledger_row *rows = found;
    size_t seen = 0;
    for (size_t i = 0; i < count; i++) {
        if (!bytes_is(rows[i].kind, "RECONCILE"))
            continue;
        seen++;
        assert_int_equal(rows[i].on_hand_change, 0); // nothing moved
        assert_int_equal(rows[i].on_hand_after, 7);
        assert_true(bytes_is(rows[i].actor, "operator-1"));
        assert_true(memmem(rows[i].reason.data, rows[i].reason.size, "was 10", 6) != NULL);
    }
    assert_int_equal(seen, 1);
}

static void corrections_that_are_refused(void **state)
{
    struct harness *h = *state;
    desk_receive(h, "P1", "SH1", 10);
    harness_run(h);
    static const struct {
        const char *actor, *reason;
        int64_t movement, seen, reserved, on_hand;
    } wrong[] = {
        {"", "why", 1, 10, 0, 9},   // nobody
        {"o", "", 1, 10, 0, 9},     // no reason
        {"o", "why", 2, 10, 0, 9},  // another movement
        {"o", "why", 1, 11, 0, 9},  // other numbers
        {"o", "why", 1, 10, 1, 9},  // likewise
        {"o", "why", 1, 10, 0, -1}, // less than nothing
    };
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        reconcile(h, wrong[i].actor, wrong[i].reason, wrong[i].movement, wrong[i].seen, wrong[i].reserved,
                  wrong[i].on_hand);
        const Orderclerk__V1__DeadLetter *letter = dead_letter(h);
        assert_non_null(letter);
        assert_string_equal(letter->reason, "STOCK_CHANGE_REFUSED");
        assert_false(letter->held);
    }
    assert_int_equal(desk_stock(h, "P1", "SH1").on_hand, 10);
    assert_int_equal(desk_stock(h, "P1", "SH1").movements, 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(last_level_of_each_batch),
        TEST(the_newest_level_is_sent_again),
        TEST(receipt_uses_up_the_announcement),
        TEST(count_of_now),
        TEST(count_of_the_past),
        TEST(newer_count_takes_the_place_of_one_under_way),
        TEST(count_never_takes_what_orders_hold),
        TEST(safety_stock_is_kept),
        TEST(senseless_changes_hold_nothing_up),
        TEST(too_old_a_count),
        cmocka_unit_test_setup_teardown(counters_are_put_right_once, setup, free_only),
        TEST(corrections_that_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
