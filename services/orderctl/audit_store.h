// What the audits read of PostgreSQL: the role orderclerk_audit may SELECT this and nothing else.
//
// Each call is one statement of at most AUDIT_PAGE_ROWS rows, by itself; the stock's are several in one snapshot. Results live
// in the caller's arena.
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "orderctl/audit_fold.h"
#include "orderctl/audit_stock.h"
#include "pg/pg.h"

#define AUDIT_PAGE_ROWS 500

struct err audit_store_open(const char *dsn,
                            struct pg **ret_pg) ERR_MUST_CHECK; // of the primary: a standby lags

struct audit_saga {
    struct uuid id;
    int32_t slot;
    struct audit_row row;
    struct bytes doc;
    uint64_t last_history; // the highest revision of its history; 0: none
    int64_t batch_no;      // of the slot, when the row was read
};
// Sagas with ids above `after`, in order of id.
struct err audit_store_sagas_after(struct pg *pg, struct arena *arena, struct uuid after,
                                   struct audit_saga **ret_sagas, size_t *ret_count) ERR_MUST_CHECK;
// Those of these orders (at most AUDIT_PAGE_ROWS) that are there, in any order.
struct err audit_store_sagas_of(struct pg *pg, struct arena *arena, const struct uuid *ids, size_t count,
                                struct audit_saga **ret_sagas, size_t *ret_count) ERR_MUST_CHECK;
// The order with this number; UNKNOWN: none.
struct err audit_store_id_of(struct pg *pg, struct bytes order_no, struct uuid *ret_id) ERR_MUST_CHECK;
// ret_rows[i] belongs to transitions[i]; count at most AUDIT_PAGE_ROWS.
struct err audit_store_history(struct pg *pg, struct arena *arena, const struct audit_transition *transitions,
                               size_t count, struct audit_history_row *ret_rows) ERR_MUST_CHECK;
// When each order's history begins: ret_at[i], INSTANT_NONE: it has none. count at most AUDIT_PAGE_ROWS.
struct err audit_store_began(struct pg *pg, struct arena *arena, const struct uuid *ids, size_t count,
                             instant *ret_at) ERR_MUST_CHECK;
// How far the orchestrator's slot has published its batches; -1: there is no such slot.
struct err audit_store_published(struct pg *pg, struct arena *arena, int32_t slot,
                                 int64_t *ret_published_no) ERR_MUST_CHECK;

// Every counter of stock (sku absent: all) with what the ledger, the queue and the orders' shares say of it, all of one
// instant. Reads the whole ledger, AUDIT_LEDGER_PAGES pages at a time.
#define AUDIT_LEDGER_PAGES 1024
struct err audit_store_stock(struct pg *pg, struct arena *arena, struct bytes sku,
                             struct audit_stock_list *ret_list) ERR_MUST_CHECK;
// Orders whose shares of a stock row aren't what the ledger says, those that are held or wait for input left out.
struct err audit_store_shares(struct pg *pg, struct arena *arena, struct bytes sku, struct bytes warehouse,
                              struct audit_share **ret_shares, size_t *ret_count) ERR_MUST_CHECK;
