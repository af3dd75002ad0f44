// Invariants of stock: the ledger, the books, what orders hold, what leaves.
#include "sim/sim_check.h"

#include "inventory/inventory_store.h"
#include "inventory/inventory_turn.h"
#include "orderclerk/v1/commands.pb-c.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct sim_books *books_of(struct bytes sku, struct bytes warehouse)
{
    struct sim_map_item *item = sim_map_at(&sim->check->ledger, sim_key2(1, sku, warehouse));
    if (item->value.pointer == NULL)
        item->value.pointer = arena_new_object(sim->arena, struct sim_books);
    return item->value.pointer;
}

static void check_ledger(const struct ledger_row *row)
{
    struct sim_books *b = books_of(row->sku, row->warehouse);
    SIM_CHECK(I4_LEDGER, row->movement == b->movement + 1, "%.*s: movement %lld comes after %lld",
              (int)row->sku.size, (const char *)row->sku.data, (long long)row->movement,
              (long long)b->movement);
    SIM_CHECK(I4_LEDGER,
              row->on_hand_after == b->on_hand + row->on_hand_change &&
                  row->reserved_after == b->reserved + row->reserved_change,
              "%.*s: movement %lld doesn't continue the books: %lld + %lld, %lld + %lld", (int)row->sku.size,
              (const char *)row->sku.data, (long long)row->movement, (long long)b->on_hand,
              (long long)row->on_hand_change, (long long)b->reserved, (long long)row->reserved_change);
    SIM_CHECK(I4_LEDGER, row->on_hand_after >= 0 && row->reserved_after >= 0,
              "%.*s: %lld on hand, %lld reserved", (int)row->sku.size, (const char *)row->sku.data,
              (long long)row->on_hand_after, (long long)row->reserved_after);
    bool takes = bytes_is(row->kind, ledger_kind_name(LEDGER_RESERVE)) ||
                 bytes_is(row->kind, ledger_kind_name(LEDGER_GRANT));
    if (takes)
        SIM_CHECK(I4_LEDGER, row->reserved_after <= row->on_hand_after,
                  "%.*s is oversold: %lld of %lld are reserved", (int)row->sku.size,
                  (const char *)row->sku.data, (long long)row->reserved_after, (long long)row->on_hand_after);
    *b = (struct sim_books){row->movement, row->on_hand_after, row->reserved_after};
}

static int by_movement(const void *a, const void *b)
{
    const struct ledger_row *x = *(const struct ledger_row *const *)a;
    const struct ledger_row *y = *(const struct ledger_row *const *)b;
    return (x->movement > y->movement) - (x->movement < y->movement);
}

// Rows are saved in the order of their keys, which says nothing.
static void check_ledger_rows(const struct store_change *c)
{
    const struct ledger_row **rows = malloc(c->row_count * sizeof(struct ledger_row *));
    assert(rows != NULL);
    for (size_t i = 0; i < c->row_count; i++)
        rows[i] = c->rows[i];
    qsort(rows, c->row_count, sizeof(struct ledger_row *), by_movement);
    for (size_t i = 0; i < c->row_count; i++)
        check_ledger(rows[i]);
    free(rows);
}

static void check_stock(const struct stock_row *row)
{
    const struct sim_books *b = books_of(row->sku, row->warehouse);
    SIM_CHECK(I4_BOOKS,
              row->on_hand == b->on_hand && row->reserved == b->reserved && row->movements == b->movement,
              "%.*s: the stock row says %lld on hand, %lld reserved; the ledger %lld, %lld",
              (int)row->sku.size, (const char *)row->sku.data, (long long)row->on_hand,
              (long long)row->reserved, (long long)b->on_hand, (long long)b->reserved);
    const struct sim_map_item *shares =
        sim_map_find(&sim->check->shares, sim_key2(2, row->sku, row->warehouse));
    SIM_CHECK(I5_ONE_RESERVATION, shares == NULL || shares->value.number <= row->reserved,
              "%.*s: orders hold %lld, stock has reserved %lld", (int)row->sku.size,
              (const char *)row->sku.data, shares == NULL ? 0LL : (long long)shares->value.number,
              (long long)row->reserved);
}

static void note_share(const struct allocation_row *row, int64_t reserved)
{
    struct sim_check *c = sim->check;
    char order[UUID_TEXT_SIZE];
    uuid_format(row->order_id, order);
    struct bytes key = bytes_str(order);
    uint64_t name = sim_key(sim_key2((uint64_t)row->line_no, row->sku, row->warehouse), key);
    int64_t *share = &sim_map_at(&c->shares, name)->value.number;
    int64_t change = reserved - *share;
    *share = reserved;
    sim_map_at(&c->shares, sim_key2(2, row->sku, row->warehouse))->value.number += change;
    int64_t *held = &sim_map_at(&c->held, sim_key((uint64_t)row->line_no, key))->value.number;
    *held += change;
}

// No line holds more than was ever ordered of it.
static void check_line(const struct allocation_row *row)
{
    struct sim_check *c = sim->check;
    char order[UUID_TEXT_SIZE];
    uuid_format(row->order_id, order);
    uint64_t key = sim_key((uint64_t)row->line_no, bytes_str(order));
    const struct sim_map_item *ordered = sim_map_find(&c->ordered, key);
    int64_t held = sim_map_at(&c->held, key)->value.number;
    if (ordered != NULL && !row->made)
        SIM_CHECK(I5_ONE_RESERVATION, held <= ordered->value.number, "line %d of %s holds %lld of %lld",
                  row->line_no, order, (long long)held, (long long)ordered->value.number);
}

void sim_check_stock(const struct store_changes *changes)
{
    for (size_t i = 0; i < changes->change_count; i++) {
        const struct store_change *c = &changes->changes[i];
        if (c->table == &ledger_table)
            check_ledger_rows(c);
        for (size_t k = 0; c->table == &allocation_table && k < c->row_count; k++) {
            const struct allocation_row *row = c->rows[k];
            note_share(row, c->kind == CHANGE_DELETE ? 0 : row->reserved);
        }
    }
    for (size_t i = 0; i < changes->change_count; i++) {
        const struct store_change *c = &changes->changes[i];
        for (size_t k = 0; c->table == &allocation_table && k < c->row_count; k++)
            check_line(c->rows[k]);
        for (size_t k = 0; c->table == &stock_table && c->kind != CHANGE_DELETE && k < c->row_count; k++)
            check_stock(c->rows[k]);
    }
}

// ---- what leaves

void sim_check_left(const char *order_id, const char *shipment_id, const void *release, bool less, bool rogue)
{
    const Orderclerk__V1__ReleaseShipment *r = release;
    struct sim_map_item *once = sim_map_at(&sim->check->shipped, sim_key(1000000, bytes_str(shipment_id)));
    if (once->value.number != 0 || rogue)
        return; // a callback that is said twice; goods that the order doesn't count on any more
    once->value.number = 1;
    for (size_t i = 0; i < r->n_lines; i++) {
        uint64_t key = sim_key(r->lines[i]->line_no, bytes_str(order_id));
        const struct sim_map_item *ordered = sim_map_find(&sim->check->ordered, key);
        int64_t *shipped = &sim_map_at(&sim->check->shipped, key)->value.number;
        *shipped += r->lines[i]->quantity - (less && r->lines[i]->quantity > 1);
        if (ordered != NULL)
            SIM_CHECK(I5_SHIPPED_ONCE, *shipped <= ordered->value.number,
                      "%lld of line %u of %s leave, %lld were ordered", (long long)*shipped,
                      r->lines[i]->line_no, order_id, (long long)ordered->value.number);
    }
}

void sim_check_stock_end(void)
{
    const struct stock_row *row;
    for (size_t i = 0; (row = store_mem_row(sim->services[SIM_INVENTORY].db, &stock_table, i)) != NULL; i++) {
        check_stock(row);
        const struct sim_map_item *shares =
            sim_map_find(&sim->check->shares, sim_key2(2, row->sku, row->warehouse));
        int64_t held = shares == NULL ? 0 : shares->value.number;
        char key[256];
        snprintf(key, sizeof key, "%.*s@%.*s", (int)row->sku.size, (const char *)row->sku.data,
                 (int)row->warehouse.size, (const char *)row->warehouse.data);
        const uint64_t last = sim_check_last_version(TOPIC_STOCK_LEVELS, bytes_str(key));
        SIM_CHECK(I14_REBUILD, last == (uint64_t)row->version,
                  "%s: version %lld, stock-levels ends with %llu", key, (long long)row->version,
                  (unsigned long long)last);
        SIM_CHECK(I4_GOODS, held == row->reserved, "%.*s: at rest orders hold %lld, stock has reserved %lld",
                  (int)row->sku.size, (const char *)row->sku.data, (long long)held, (long long)row->reserved);
    }
}
