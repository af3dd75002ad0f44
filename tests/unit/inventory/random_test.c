// Any commands in any order, doubled and mixed into one batch or many: the books always balance.
#include "desk.h"

#include "orderclerk/v1/dead_letters.pb-c.h"
#include "unit/base/unit.h"

#include <stdio.h>

#define RUNS   60
#define STEPS  120
#define ORDERS 6

static const char *const skus[] = {"P1", "P2", "P3"};
static const char *const warehouses[] = {"SH1", "SH2", "AUTO"};

static const char *pick_sku(uint64_t *seed)
{
    return skus[random_between(seed, 0, COUNT_OF(skus) - 1)];
}

static const char *pick_warehouse(uint64_t *seed)
{
    return warehouses[random_between(seed, 0, COUNT_OF(warehouses) - 1)];
}

static void reserve(struct harness *h, uint64_t *seed, const char *order)
{
    struct line lines[3];
    size_t count = (size_t)random_between(seed, 0, 3);
    for (size_t i = 0; i < count; i++) {
        lines[i] = (struct line){.line_no = (uint32_t)i + 1,
                                 .sku = pick_sku(seed),
                                 .quantity = random_between(seed, 0, 25),
                                 .backorder = random_between(seed, 0, 2) > 0,
                                 .priority = (uint32_t)random_between(seed, 0, 3)};
    }
    desk_reserve(h, order, 1, lines, count);
}

static void step(struct harness *h, uint64_t *seed)
{
    const char *order = desk_order((unsigned)random_between(seed, 0, ORDERS - 1));
    const char *sku = pick_sku(seed);
    const char *warehouse = pick_warehouse(seed);
    char shipment[24];
    switch (random_between(seed, 0, 13)) {
    case 0:
    case 1:
    case 2:
    case 3:
        reserve(h, seed, order);
        break;
    case 4:
        desk_release(h, order, random_between(seed, 0, 1) == 0 ? NULL : sku);
        break;
    case 5:
    case 6: {
        // Shipment numbers come twice; what leaves is now and then more than was reserved.
        struct line line = {.line_no = (uint32_t)random_between(seed, 1, 3), .sku = sku};
        line.quantity = random_between(seed, 1, 12);
        snprintf(shipment, sizeof shipment, "SHIP-%lld", (long long)random_between(seed, 1, 30));
        desk_consume(h, order, shipment, warehouse, &line);
        break;
    }
    case 7:
        desk_made(h, order, (uint32_t)random_between(seed, 1, 4), sku, warehouse, random_between(seed, 1, 9));
        break;
    case 8:
        desk_safety(h, sku, warehouse, random_between(seed, 0, 6));
        break;
    case 9:
        desk_count(h, sku, warehouse, random_between(seed, 0, 40),
                   harness_now(h) - random_between(seed, 0, 3) * INSTANT_MINUTE);
        break;
    case 10:
        desk_pause(h, order, true);
        break;
    case 11:
        desk_pause(h, order, false);
        break;
    default:
        desk_receive(h, sku, warehouse, random_between(seed, 1, 30));
        break;
    }
}

static void check_at_rest(struct harness *h)
{
    for (unsigned o = 0; o < ORDERS; o++)
        desk_pause(h, desk_order(o), false);
    desk_check(h, skus, COUNT_OF(skus));
}

// Nothing of this is ever refused or held.
static void check_no_refusal(struct harness *h)
{
    const Orderclerk__V1__DeadLetter *letter;
    while ((letter = (const void *)harness_take(h, TOPIC_DEAD_LETTERS, NULL)) != NULL) {
        if (letter->held)
            fail_msg("%s: %s", letter->reason, letter->detail);
    }
}

static void note_kinds(struct harness *h, bool *kinds)
{
    for (size_t s = 0; s < COUNT_OF(skus); s++) {
        void *found;
        size_t count = harness_rows(h, &ledger_table, 1, value_text(bytes_str(skus[s])), &found);
        const struct ledger_row *rows = found;
        for (size_t i = 0; i < count; i++) {
            for (int kind = 0; kind <= LEDGER_INCOMING; kind++) {
                if (bytes_is(rows[i].kind, ledger_kind_name((enum ledger_kind)kind)))
                    kinds[kind] = true;
            }
        }
    }
}

static void books_balance(void **state)
{
    (void)state;
    bool kinds[LEDGER_INCOMING + 1] = {false};
    for (uint64_t run = 1; run <= RUNS; run++) {
        uint64_t seed = run * UINT64_C(0x9e3779b97f4a7c15);
        struct harness *h = harness_new(&inventory_lane);
        desk_product(h, "P1", 1, "P2", false, false);
        desk_product(h, "P2", 1, "P1", false, false);
        desk_product(h, "P3", 1, "P1", false, true);
        for (int i = 0; i < STEPS; i++) {
            step(h, &seed);
            if (random_between(&seed, 0, 2) == 0)
                harness_run(h);
            if (random_between(&seed, 0, 9) == 0)
                harness_advance(h, random_between(&seed, 1, 400) * INSTANT_SECOND);
            if (i % 20 == 19)
                check_at_rest(h);
        }
        check_at_rest(h);
        // Everything given up: nothing is held, nobody waits.
        for (unsigned o = 0; o < ORDERS; o++)
            desk_release(h, desk_order(o), NULL);
        desk_check(h, skus, COUNT_OF(skus));
        for (size_t s = 0; s < COUNT_OF(skus); s++) {
            for (size_t w = 0; w < COUNT_OF(warehouses); w++) {
                struct stock_row row = desk_stock(h, skus[s], warehouses[w]);
                if (row.reserved != 0 || row.backordered != 0)
                    fail_msg("run %llu", (unsigned long long)run);
            }
        }
        check_no_refusal(h);
        note_kinds(h, kinds);
        harness_free(h);
    }
    for (int kind = 0; kind < LEDGER_INCOMING; kind++) {
        if (!kinds[kind])
            fail_msg("no run had a %s", ledger_kind_name((enum ledger_kind)kind));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(books_balance)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
