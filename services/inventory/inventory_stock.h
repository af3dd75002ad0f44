// What can be had and where to take it from: pure functions of stock rows.
#pragma once

#include "base/arena.h"
#include "inventory/inventory_store.h"

#include <stdbool.h>
#include <stddef.h>

// More than a trillion base units of one product is a mistake; sums of a thousand of these still fit an int64.
#define STOCK_QUANTITY_MAX INT64_C(1000000000000)

// on_hand - reserved - safety - damaged - qc_hold - missing, never below 0: safety may be raised above what is there.
int64_t stock_available(const struct stock_row *stock);
// on_hand that nobody holds: what a write-off or an unforeseen departure may take.
int64_t stock_free(const struct stock_row *stock);

// A warehouse from which an order's line may be served.
struct stock_site {
    struct stock_row *stock;
    bool used;      // the order already takes goods from there
    bool automatic; // ships without picking
    int32_t covers; // lines of the order that it could serve whole
};

struct stock_pick {
    struct stock_row *stock;
    int64_t quantity;
};

// Divides `quantity` over the sites: one that can serve all of it first, else the largest first. Sites used by the order
// come before others, then those that cover more of it, then by stock, then by name; automatic ones before all where
// the product needs no picking. ret_picks has room for `count`; returns how many are set. Their sum is less than
// `quantity` when all sites together have less. Reorders sites.
size_t stock_choose(struct stock_site *sites, size_t count, int64_t quantity, bool no_picking,
                    struct stock_pick *ret_picks);

// The day on which deliveries that are announced cover `quantity` beyond the `ahead` units already promised from them:
// *ret_date a view into a row, and whose row that is. False: not known. Reorders rows.
bool stock_restock(struct stock_row **rows, size_t count, int64_t ahead, int64_t quantity,
                   struct bytes *ret_date, struct stock_row **ret_row);

// How the queue is served: priority (higher first), promised date (unknown last), age, then by id.
int backorder_compare(const struct backorder_row *a, const struct backorder_row *b);

// Below 100 exact, else two digits and zeros: a figure that is still true when it is a little old.
int64_t stock_round_down(int64_t quantity);

// How a count is kept: what orders hold isn't touched, so what is lacking of it is `missing`.
struct stock_count {
    int64_t on_hand;
    int64_t missing;
};
struct stock_count stock_count(const struct stock_row *stock, int64_t there); // there: on the shelf now

// Goods that came and went are found again by sku, warehouse and ten minutes of time.
#define STOCK_PERIOD_US (10 * INSTANT_MINUTE)
// A count older than the topics' retention is refused: at most 1008 periods are looked through.
#define STOCK_COUNT_AGE_MAX_US (7 * INSTANT_DAY)
int64_t stock_period_of(instant at); // rises with time
struct bytes stock_period(struct arena *arena, struct bytes sku, struct bytes warehouse, int64_t period);
