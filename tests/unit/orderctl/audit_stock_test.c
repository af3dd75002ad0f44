// The audit of stock: each counter that differs is named, and what can't be put right from what is written down isn't tried.
#include "orderctl/audit_stock.h"

#include "unit/base/unit.h"

static struct audit_stock equal(void)
{
    return (struct audit_stock){.there = true,
                                .on_hand = 10,
                                .reserved = 4,
                                .backordered = 2,
                                .movements = 7,
                                .ledger_on_hand = 10,
                                .ledger_reserved = 4,
                                .ledger_rows = 7,
                                .ledger_last = 7,
                                .queued = 2,
                                .shares = 4};
}

static void equal_is_equal(void **state)
{
    (void)state;
    struct audit_stock s = equal();
    assert_int_equal(audit_stock_compare(&s), 0);
    assert_null(audit_stock_unrepairable(&s));
    s = (struct audit_stock){.there = true}; // announced only, or nothing at all
    assert_int_equal(audit_stock_compare(&s), 0);
}

static void each_difference_has_its_name(void **state)
{
    (void)state;
    static const struct {
        size_t offset;
        unsigned found;
        const char *name;
        bool repairable;
    } all[] = {
        {offsetof(struct audit_stock, on_hand), AUDIT_STOCK_ON_HAND, "on_hand", true},
        {offsetof(struct audit_stock, reserved), AUDIT_STOCK_RESERVED, "reserved", true},
        {offsetof(struct audit_stock, backordered), AUDIT_STOCK_BACKORDERED, "backordered", true},
        {offsetof(struct audit_stock, queued), AUDIT_STOCK_BACKORDERED, "backordered", true},
        {offsetof(struct audit_stock, movements), AUDIT_STOCK_MOVEMENTS, "movements", false},
        {offsetof(struct audit_stock, ledger_rows), AUDIT_STOCK_LEDGER, "ledger rows", false},
        {offsetof(struct audit_stock, shares), AUDIT_STOCK_SHARES, "orders' shares", true},
    };
    for (size_t i = 0; i < COUNT_OF(all); i++) {
        struct audit_stock s = equal();
        int64_t *field = (int64_t *)(void *)((char *)&s + all[i].offset);
        (*field)++;
        assert_int_equal(audit_stock_compare(&s), all[i].found);
        assert_string_equal(audit_stock_field_name((enum audit_stock_field)all[i].found), all[i].name);
        assert_int_equal(audit_stock_unrepairable(&s) == NULL, all[i].repairable);
        int64_t written, counter;
        audit_stock_values(&s, (enum audit_stock_field)all[i].found, &written, &counter);
        assert_int_equal(written > counter ? written - counter : counter - written, 1);
    }
}

static void what_is_not_repaired(void **state)
{
    (void)state;
    struct audit_stock s = equal();
    s.there = false;
    s.on_hand = s.reserved = s.backordered = s.movements = 0;
    assert_int_equal(audit_stock_compare(&s), AUDIT_STOCK_ROW);
    assert_non_null(audit_stock_unrepairable(&s));
    s = equal();
    s.ledger_on_hand = -1;
    assert_non_null(audit_stock_unrepairable(&s));
    s = equal();
    s.qc_hold = 7; // 10 - 7 is less than the 4 that are reserved
    assert_non_null(audit_stock_unrepairable(&s));
}

static void items_stay_sorted(void **state)
{
    (void)state;
    static const char *const names[] = {"B", "A", "C", "A", "B2", "AB"};
    struct audit_stock_list list = {.arena = arena_new(1024)};
    for (size_t i = 0; i < 600; i++) {
        const char *sku = arena_printf(list.arena, "%s%zu", names[i % COUNT_OF(names)], i % 100);
        audit_stock_item(&list, bytes_str(sku), bytes_str(i % 2 == 0 ? "SH1" : "GZ1"))->queued++;
    }
    int64_t sum = 0;
    for (size_t i = 0; i < list.count; i++) {
        sum += list.items[i].queued;
        if (i == 0)
            continue;
        const struct audit_stock *before = &list.items[i - 1];
        const int order = bytes_compare(before->sku, list.items[i].sku);
        assert_true(order < 0 ||
                    (order == 0 && bytes_compare(before->warehouse, list.items[i].warehouse) < 0));
    }
    assert_int_equal(sum, 600);
    arena_free(list.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_is_equal),
        cmocka_unit_test(each_difference_has_its_name),
        cmocka_unit_test(what_is_not_repaired),
        cmocka_unit_test(items_stay_sorted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
