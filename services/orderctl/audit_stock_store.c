// The audit's statements over stock: one snapshot, read in parts.
#include "orderctl/audit_store.h"

#include <inttypes.h>
#include <string.h>

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])
#define SHARES_MAX      100 // orders named for one stock row

typedef void take_row(struct audit_stock_list *list, const PGresult *result, int row);

static struct err read_rows(struct pg *pg, const char *sql, const struct pg_param *params, size_t param_count,
                            const uint32_t *types, size_t type_count, take_row *take,
                            struct audit_stock_list *list, int *ret_rows)
{
    PGresult *result = NULL;
    struct err e = pg_run(pg, sql, params, param_count, &result);
    if (!err_is(&e))
        e = pg_expect(result, types, type_count);
    if (!err_is(&e)) {
        *ret_rows = PQntuples(result);
        for (int i = 0; i < *ret_rows; i++)
            take(list, result, i);
    }
    PQclear(result);
    return e;
}

static struct audit_stock *item_at(struct audit_stock_list *list, const PGresult *result, int row)
{
    return audit_stock_item(list, pg_get_bytes(result, row, 0), pg_get_bytes(result, row, 1));
}

// ---- counters

static void take_counter(struct audit_stock_list *list, const PGresult *r, int i)
{
    struct audit_stock *item = item_at(list, r, i);
    item->there = true;
    item->on_hand = pg_get_i64(r, i, 2);
    item->reserved = pg_get_i64(r, i, 3);
    item->backordered = pg_get_i64(r, i, 4);
    item->damaged = pg_get_i64(r, i, 5);
    item->qc_hold = pg_get_i64(r, i, 6);
    item->movements = pg_get_i64(r, i, 7);
}

static struct err read_counters(struct pg *pg, struct arena *arena, struct bytes sku,
                                struct audit_stock_list *list)
{
    static const char sql[] =
        "SELECT sku, warehouse, on_hand, reserved, backordered, damaged, qc_hold, movements "
        "FROM inventory.stock WHERE (sku, warehouse) > ($1, $2) AND ($3::text IS NULL OR sku = $3) "
        "ORDER BY sku, warehouse LIMIT $4";
    static const uint32_t types[] = {PG_TEXT, PG_TEXT, PG_INT8, PG_INT8, PG_INT8, PG_INT8, PG_INT8, PG_INT8};
    int rows = AUDIT_PAGE_ROWS;
    while (rows == AUDIT_PAGE_ROWS) {
        const struct audit_stock *last = list->count == 0 ? NULL : &list->items[list->count - 1];
        const struct pg_param params[] = {pg_text(last == NULL ? bytes_str("") : last->sku),
                                          pg_text(last == NULL ? bytes_str("") : last->warehouse),
                                          pg_text(sku), pg_i64(arena, AUDIT_PAGE_ROWS)};
        struct err e =
            read_rows(pg, sql, params, COUNT_OF(params), types, COUNT_OF(types), take_counter, list, &rows);
        if (err_is(&e))
            return e;
    }
    return err_ok();
}

// ---- the ledger

static void take_ledger(struct audit_stock_list *list, const PGresult *r, int i)
{
    struct audit_stock *item = item_at(list, r, i);
    item->ledger_on_hand += pg_get_i64(r, i, 2);
    item->ledger_reserved += pg_get_i64(r, i, 3);
    item->ledger_rows += pg_get_i64(r, i, 4);
    if (pg_get_i64(r, i, 5) > item->ledger_last)
        item->ledger_last = pg_get_i64(r, i, 5);
    list->ledger_rows += pg_get_i64(r, i, 4);
}

static struct err ledger_pages(struct pg *pg, int64_t *ret_pages)
{
    static const char sql[] =
        "SELECT pg_relation_size('inventory.stock_ledger') / current_setting('block_size')::bigint";
    static const uint32_t types[] = {PG_INT8};
    PGresult *result = NULL;
    struct err e = pg_run(pg, sql, NULL, 0, &result);
    if (!err_is(&e))
        e = pg_expect(result, types, COUNT_OF(types));
    if (!err_is(&e))
        *ret_pages = pg_get_i64(result, 0, 0);
    PQclear(result);
    return e;
}

// By places in the table rather than by a key: no index serves this, and none has to be kept up for it.
static struct err read_ledger(struct pg *pg, struct arena *arena, struct bytes sku,
                              struct audit_stock_list *list)
{
    static const char sql[] =
        "SELECT sku, warehouse, sum(on_hand_change)::bigint, sum(reserved_change)::bigint, count(*), "
        "max(movement) FROM inventory.stock_ledger "
        "WHERE ctid >= $1::text::tid AND ctid < $2::text::tid AND ($3::text IS NULL OR sku = $3) "
        "GROUP BY sku, warehouse";
    static const uint32_t types[] = {PG_TEXT, PG_TEXT, PG_INT8, PG_INT8, PG_INT8, PG_INT8};
    int64_t pages = 0;
    struct err e = ledger_pages(pg, &pages);
    for (int64_t page = 0; !err_is(&e) && page < pages; page += AUDIT_LEDGER_PAGES) {
        const char *from = arena_printf(arena, "(%" PRId64 ",0)", page);
        const char *to = arena_printf(arena, "(%" PRId64 ",0)", page + AUDIT_LEDGER_PAGES);
        const struct pg_param params[] = {pg_text(bytes_str(from)), pg_text(bytes_str(to)), pg_text(sku)};
        int rows;
        e = read_rows(pg, sql, params, COUNT_OF(params), types, COUNT_OF(types), take_ledger, list, &rows);
    }
    return e;
}

// ---- what waits and what orders hold

static void take_queued(struct audit_stock_list *list, const PGresult *r, int i)
{
    item_at(list, r, i)->queued = pg_get_i64(r, i, 2);
}

static void take_shares(struct audit_stock_list *list, const PGresult *r, int i)
{
    item_at(list, r, i)->shares = pg_get_i64(r, i, 2);
}

static struct err read_orders(struct pg *pg, struct bytes sku, struct audit_stock_list *list)
{
    static const char queue[] = "SELECT sku, warehouse, sum(quantity)::bigint FROM inventory.backorder "
                                "WHERE $1::text IS NULL OR sku = $1 GROUP BY sku, warehouse";
    static const char shares[] =
        "SELECT sku, warehouse, sum(reserved)::bigint FROM inventory.allocation "
        "WHERE (reserved > 0 OR backordered > 0) AND ($1::text IS NULL OR sku = $1) GROUP BY sku, warehouse";
    static const uint32_t types[] = {PG_TEXT, PG_TEXT, PG_INT8};
    const struct pg_param params[] = {pg_text(sku)};
    int rows;
    struct err e =
        read_rows(pg, queue, params, COUNT_OF(params), types, COUNT_OF(types), take_queued, list, &rows);
    if (err_is(&e))
        return e;
    return read_rows(pg, shares, params, COUNT_OF(params), types, COUNT_OF(types), take_shares, list, &rows);
}

struct err audit_store_stock(struct pg *pg, struct arena *arena, struct bytes sku,
                             struct audit_stock_list *ret_list)
{
    struct audit_stock_list list = {.arena = arena};
    struct err e = pg_run(pg, "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY", NULL, 0, NULL);
    if (!err_is(&e))
        e = read_counters(pg, arena, sku, &list);
    if (!err_is(&e))
        e = read_ledger(pg, arena, sku, &list);
    if (!err_is(&e))
        e = read_orders(pg, sku, &list);
    if (!err_is(&e))
        e = pg_run(pg, "COMMIT", NULL, 0, NULL);
    if (!err_is(&e))
        *ret_list = list;
    return e;
}

struct err audit_store_shares(struct pg *pg, struct arena *arena, struct bytes sku, struct bytes warehouse,
                              struct audit_share **ret_shares, size_t *ret_count)
{
    static const char sql[] =
        "SELECT order_id, coalesce(l.n, 0), coalesce(a.n, 0) "
        "FROM (SELECT order_id, sum(reserved_change)::bigint AS n FROM inventory.stock_ledger "
        "      WHERE sku = $1 AND warehouse = $2 AND order_id IS NOT NULL GROUP BY 1) l "
        "FULL JOIN (SELECT order_id, sum(reserved)::bigint AS n FROM inventory.allocation "
        "           WHERE sku = $1 AND warehouse = $2 GROUP BY 1) a USING (order_id) "
        "LEFT JOIN inventory.key_state k ON k.key = order_id::text "
        "WHERE coalesce(l.n, 0) <> coalesce(a.n, 0) AND k.held IS NULL ORDER BY 1 LIMIT $3";
    static const uint32_t types[] = {PG_UUID, PG_INT8, PG_INT8};
    const struct pg_param params[] = {pg_text(sku), pg_text(warehouse), pg_i64(arena, SHARES_MAX)};
    PGresult *result = NULL;
    struct err e = pg_run(pg, sql, params, COUNT_OF(params), &result);
    if (!err_is(&e))
        e = pg_expect(result, types, COUNT_OF(types));
    if (!err_is(&e)) {
        const size_t count = (size_t)PQntuples(result);
        struct audit_share *shares = arena_new_array(arena, struct audit_share, count);
        for (size_t i = 0; i < count; i++)
            shares[i] = (struct audit_share){.order_id = pg_get_uuid(result, (int)i, 0),
                                             .ledger = pg_get_i64(result, (int)i, 1),
                                             .allocated = pg_get_i64(result, (int)i, 2)};
        *ret_shares = shares;
        *ret_count = count;
    }
    PQclear(result);
    return e;
}
