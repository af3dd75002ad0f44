// Where goods are taken from, when more comes, who is served first, what a count changes.
#include "inventory/inventory_stock.h"
#include "unit/base/unit.h"

#include <stdio.h>

static struct stock_row stock(const char *warehouse, int64_t on_hand, int64_t reserved)
{
    return (struct stock_row){
        .sku = bytes_str("S"), .warehouse = bytes_str(warehouse), .on_hand = on_hand, .reserved = reserved};
}

static void available_never_below_zero(void **state)
{
    (void)state;
    struct stock_row s = stock("SH1", 10, 4);
    assert_int_equal(stock_available(&s), 6);
    s.safety = 2;
    s.damaged = 1;
    s.qc_hold = 1;
    assert_int_equal(stock_available(&s), 2);
    assert_int_equal(stock_free(&s), 4);
    s.missing = 1;
    assert_int_equal(stock_available(&s), 1);
    s.safety = 50;
    assert_int_equal(stock_available(&s), 0);
}

struct choice {
    const char *what;
    int64_t quantity;
    bool no_picking;
    struct {
        const char *warehouse;
        int64_t on_hand;
        bool used;
        bool automatic;
        int32_t covers;
    } sites[3];
    const char *expected;
};

// clang-format off
static const struct choice choices[] = {
    {"one that has all", 5, false, {{"A", 3, false, false, 0}, {"B", 5, false, false, 0}}, "B5"},
    {"the larger of two", 5, false, {{"A", 6, false, false, 0}, {"B", 9, false, false, 0}}, "B5"},
    {"the used before the larger", 5, false, {{"A", 6, true, false, 0}, {"B", 9, false, false, 0}}, "A5"},
    {"the one that covers more lines", 5, false, {{"A", 6, false, false, 2}, {"B", 9, false, false, 1}}, "A5"},
    {"by name when equal", 5, false, {{"B", 9, false, false, 0}, {"A", 9, false, false, 0}}, "A5"},
    {"split, the largest first", 10, false, {{"A", 4, true, false, 0}, {"B", 7, false, false, 0}}, "B7 A3"},
    {"split over three", 10, false, {{"A", 2, false, false, 0}, {"B", 3, false, false, 0}, {"C", 5, false, false, 0}}, "C5 B3 A2"},
    {"what there is", 10, false, {{"A", 2, false, false, 0}, {"B", 0, false, false, 0}}, "A2"},
    {"nothing", 10, false, {{"A", 0, false, false, 0}}, ""},
    {"none wanted", 0, false, {{"A", 5, false, false, 0}}, ""},
    {"automatic first without picking", 5, true, {{"A", 9, true, false, 3}, {"X", 5, false, true, 0}}, "X5"},
    {"automatic has too little: one that has all", 5, true, {{"A", 9, false, false, 0}, {"X", 4, false, true, 0}}, "A5"},
    {"split, automatic first", 12, true, {{"A", 9, false, false, 0}, {"X", 4, false, true, 0}}, "X4 A8"},
};
// clang-format on

static void choosing(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(choices); i++) {
        const struct choice *c = &choices[i];
        struct stock_row rows[3];
        struct stock_site sites[3];
        struct stock_pick picks[3];
        size_t count = 0;
        for (; count < 3 && c->sites[count].warehouse != NULL; count++) {
            rows[count] = stock(c->sites[count].warehouse, c->sites[count].on_hand, 0);
            sites[count] = (struct stock_site){.stock = &rows[count],
                                               .used = c->sites[count].used,
                                               .automatic = c->sites[count].automatic,
                                               .covers = c->sites[count].covers};
        }
        size_t picked = stock_choose(sites, count, c->quantity, c->no_picking, picks);
        char text[64] = "";
        size_t length = 0;
        for (size_t j = 0; j < picked; j++) {
            length +=
                (size_t)snprintf(text + length, sizeof text - length, "%s%.*s%lld", j == 0 ? "" : " ",
                                 (int)picks[j].stock->warehouse.size,
                                 (const char *)picks[j].stock->warehouse.data, (long long)picks[j].quantity);
        }
        if (!bytes_is(bytes_str(text), c->expected))
            fail_msg("%s: %s, not %s", c->what, text, c->expected);
    }
}

static void restock(void **state)
{
    (void)state;
    struct stock_row a = stock("A", 0, 0);
    struct stock_row b = stock("B", 0, 0);
    a.incoming = 10;
    a.incoming_date = bytes_str("2026-12-01");
    b.incoming = 5;
    b.incoming_date = bytes_str("2026-11-25");
    struct stock_row *rows[2] = {&a, &b};
    struct bytes date = bytes_str("unchanged");
    struct stock_row *row = NULL;
    assert_true(stock_restock(rows, 2, 0, 5, &date, &row));
    assert_true(bytes_is(date, "2026-11-25") && row == &b);
    assert_true(stock_restock(rows, 2, 0, 6, &date, &row));
    assert_true(bytes_is(date, "2026-12-01") && row == &a);
    assert_true(stock_restock(rows, 2, 5, 1, &date, &row)); // the first five are promised already
    assert_true(bytes_is(date, "2026-12-01"));
    assert_false(stock_restock(rows, 2, 10, 6, &date, &row));
    a.incoming_date = bytes_of(NULL, 0);
    assert_false(stock_restock(rows, 2, 0, 6, &date, &row));
}

static void queue_order(void **state)
{
    (void)state;
    const struct backorder_row rows[] = {
        {.priority = 9, .since = 5},
        {.priority = 1, .promised_date = bytes_str("2026-11-25"), .since = 9},
        {.priority = 1, .promised_date = bytes_str("2026-11-26"), .since = 3},
        {.priority = 1, .promised_date = bytes_str("2026-11-26"), .since = 4, .line_no = 1},
        {.priority = 1, .promised_date = bytes_str("2026-11-26"), .since = 4, .line_no = 2},
        {.priority = 1, .since = 1},
        {.priority = 0, .promised_date = bytes_str("2026-11-01"), .since = 0},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        for (size_t j = 0; j < COUNT_OF(rows); j++) {
            int order = backorder_compare(&rows[i], &rows[j]);
            assert_true(i < j ? order < 0 : i > j ? order > 0 : order == 0);
        }
    }
}

static void rounding_down(void **state)
{
    (void)state;
    assert_int_equal(stock_round_down(0), 0);
    assert_int_equal(stock_round_down(99), 99);
    assert_int_equal(stock_round_down(100), 100);
    assert_int_equal(stock_round_down(109), 100);
    assert_int_equal(stock_round_down(1999), 1900);
    assert_int_equal(stock_round_down(INT64_MAX), INT64_C(9200000000000000000));
}

static void counting(void **state)
{
    (void)state;
    struct stock_row s = stock("A", 10, 6);
    struct stock_count c = stock_count(&s, 8);
    assert_int_equal(c.on_hand, 8);
    assert_int_equal(c.missing, 0);
    c = stock_count(&s, 4); // orders hold six
    assert_int_equal(c.on_hand, 6);
    assert_int_equal(c.missing, 2);
    c = stock_count(&s, -3);
    assert_int_equal(c.on_hand, 6);
    assert_int_equal(c.missing, 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(available_never_below_zero),
        cmocka_unit_test(choosing),
        cmocka_unit_test(restock),
        cmocka_unit_test(queue_order),
        cmocka_unit_test(rounding_down),
        cmocka_unit_test(counting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
