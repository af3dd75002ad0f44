// What can be had and where to take it from.
#include "inventory/inventory_stock.h"

#include <stdlib.h>

int64_t stock_free(const struct stock_row *stock)
{
    int64_t free_units = stock->on_hand - stock->reserved - stock->damaged - stock->qc_hold;
    return free_units > 0 ? free_units : 0;
}

int64_t stock_available(const struct stock_row *stock)
{
    int64_t available = stock_free(stock) - stock->safety - stock->missing;
    return available > 0 ? available : 0;
}

// ---- choosing

// qsort has no context: what a comparison needs beside the site is kept in the sites being sorted.
static int compare_true_first(bool a, bool b)
{
    return (int)b - (int)a;
}

static int compare_larger_first(int64_t a, int64_t b)
{
    return (a < b) - (a > b);
}

static int site_by_size(const struct stock_site *a, const struct stock_site *b)
{
    int order = compare_larger_first(stock_available(a->stock), stock_available(b->stock));
    return order != 0 ? order : bytes_compare(a->stock->warehouse, b->stock->warehouse);
}

static int site_whole(const void *left, const void *right)
{
    const struct stock_site *a = left;
    const struct stock_site *b = right;
    int order = compare_true_first(a->used, b->used);
    if (order == 0)
        order = compare_larger_first(a->covers, b->covers);
    return order != 0 ? order : site_by_size(a, b);
}

static int site_split(const void *left, const void *right)
{
    return site_by_size(left, right);
}

size_t stock_choose(struct stock_site *sites, size_t count, int64_t quantity, bool no_picking,
                    struct stock_pick *ret_picks)
{
    if (quantity <= 0)
        return 0;
    if (count > 1)
        qsort(sites, count, sizeof *sites, site_whole);
    for (int automatic = no_picking ? 1 : 0; automatic >= 0; automatic--) {
        for (size_t i = 0; i < count; i++) {
            if (automatic == 1 && !sites[i].automatic)
                continue;
            if (stock_available(sites[i].stock) < quantity)
                continue;
            ret_picks[0] = (struct stock_pick){.stock = sites[i].stock, .quantity = quantity};
            return 1;
        }
    }
    if (count > 1)
        qsort(sites, count, sizeof *sites, site_split);
    size_t picks = 0;
    for (int automatic = 1; automatic >= 0; automatic--) {
        for (size_t i = 0; i < count && quantity > 0; i++) {
            bool first = no_picking && sites[i].automatic;
            if (first != (automatic == 1))
                continue;
            int64_t available = stock_available(sites[i].stock);
            int64_t taken = available < quantity ? available : quantity;
            if (taken == 0)
                continue;
            ret_picks[picks++] = (struct stock_pick){.stock = sites[i].stock, .quantity = taken};
            quantity -= taken;
        }
    }
    return picks;
}

// ---- waiting

static int row_by_incoming(const void *left, const void *right)
{
    const struct stock_row *a = *(struct stock_row *const *)left;
    const struct stock_row *b = *(struct stock_row *const *)right;
    int order = bytes_compare(a->incoming_date, b->incoming_date);
    return order != 0 ? order : bytes_compare(a->warehouse, b->warehouse);
}

bool stock_restock(struct stock_row **rows, size_t count, int64_t ahead, int64_t quantity,
                   struct bytes *ret_date, struct stock_row **ret_row)
{
    if (count > 1)
        qsort(rows, count, sizeof(struct stock_row *), row_by_incoming);
    int64_t sum = 0;
    for (size_t i = 0; i < count; i++) {
        if (rows[i]->incoming == 0 || rows[i]->incoming_date.size == 0)
            continue;
        sum += rows[i]->incoming;
        if (sum - ahead < quantity)
            continue;
        *ret_date = rows[i]->incoming_date;
        *ret_row = rows[i];
        return true;
    }
    return false;
}

int backorder_compare(const struct backorder_row *a, const struct backorder_row *b)
{
    if (a->priority != b->priority)
        return a->priority > b->priority ? -1 : 1;
    bool dated_a = a->promised_date.size > 0;
    bool dated_b = b->promised_date.size > 0;
    if (dated_a != dated_b)
        return dated_a ? -1 : 1;
    int order = dated_a ? bytes_compare(a->promised_date, b->promised_date) : 0;
    if (order != 0)
        return order;
    if (a->since != b->since)
        return a->since < b->since ? -1 : 1;
    order = uuid_compare(a->order_id, b->order_id);
    return order != 0 ? order : (a->line_no > b->line_no) - (a->line_no < b->line_no);
}

int64_t stock_round_down(int64_t quantity)
{
    int64_t unit = 1;
    while (quantity / unit >= 100)
        unit *= 10;
    return quantity - quantity % unit;
}

// ---- counting

struct stock_count stock_count(const struct stock_row *stock, int64_t there)
{
    if (there < 0)
        there = 0;
    int64_t held = stock->reserved + stock->damaged + stock->qc_hold;
    int64_t on_hand = there > held ? there : held;
    return (struct stock_count){.on_hand = on_hand, .missing = on_hand - there};
}

int64_t stock_period_of(instant at)
{
    return at / STOCK_PERIOD_US;
}

struct bytes stock_period(struct arena *arena, struct bytes sku, struct bytes warehouse, int64_t period)
{
    return bytes_str(arena_printf(arena, "%.*s@%.*s@%lld", (int)sku.size, (const char *)sku.data,
                                  (int)warehouse.size, (const char *)warehouse.data, (long long)period));
}
