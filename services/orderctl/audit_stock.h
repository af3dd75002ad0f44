// Counters of stock against the ledger, the queue of backorders and the orders' shares. Pure.
#pragma once

#include "base/arena.h"
#include "base/bytes.h"
#include "base/uuid.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// One product in one warehouse, as it is counted and as it is written down, all of one instant.
struct audit_stock {
    struct bytes sku;
    struct bytes warehouse;
    bool there; // has a row of stock; false: only the others know it
    int64_t on_hand, reserved, backordered, damaged, qc_hold;
    int64_t movements;       // number of the last ledger row, by the counter
    int64_t ledger_on_hand;  // sum of the ledger's changes
    int64_t ledger_reserved; // likewise
    int64_t ledger_rows;
    int64_t ledger_last; // number of the last row
    int64_t queued;      // what waits, of the queue
    int64_t shares;      // reserved, of the orders' shares
};

// Sorted by sku, then warehouse.
struct audit_stock_list {
    struct audit_stock *items;
    size_t count;
    size_t capacity;
    struct arena *arena;
    int64_t ledger_rows; // read
};
// The item; made when there is none yet. Texts are copied.
struct audit_stock *audit_stock_item(struct audit_stock_list *list, struct bytes sku, struct bytes warehouse);

// An order's share as the ledger and as its allocations have it.
struct audit_share {
    struct uuid order_id;
    int64_t ledger, allocated;
};

enum audit_stock_field {
    AUDIT_STOCK_ROW = 1 << 0,         // movements without a counter
    AUDIT_STOCK_ON_HAND = 1 << 1,     // the counters differ from what is written down
    AUDIT_STOCK_RESERVED = 1 << 2,    //
    AUDIT_STOCK_BACKORDERED = 1 << 3, //
    AUDIT_STOCK_MOVEMENTS = 1 << 4,   // the counter of ledger rows isn't the ledger's last
    AUDIT_STOCK_LEDGER = 1 << 5,      // the ledger has not as many rows as its last one's number
    AUDIT_STOCK_SHARES =
        1 << 6, // orders hold other shares than the ledger says; passing while a share is on its way
};
#define AUDIT_STOCK_COUNTERS (AUDIT_STOCK_ON_HAND | AUDIT_STOCK_RESERVED | AUDIT_STOCK_BACKORDERED)
#define AUDIT_STOCK_FIELDS   7

// What differs: a set of audit_stock_field.
unsigned audit_stock_compare(const struct audit_stock *stock);
const char *audit_stock_field_name(enum audit_stock_field field);
// What is written down, and what the counter says.
void audit_stock_values(const struct audit_stock *stock, enum audit_stock_field field, int64_t *ret_written,
                        int64_t *ret_counter);
// NULL: the counters can be put right from what is written down. Else why not.
const char *audit_stock_unrepairable(const struct audit_stock *stock);
