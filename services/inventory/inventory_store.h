// Inventory's rows: what is kept of stock, of orders' shares in it, and of the master data that decisions need.
//
// Who writes what: an order's allocations only by the lane that owns the order's slot; stock, the queue of backorders and
// the ledger by whoever holds the locks of the sku's stock rows. Lock order: allocation, stock, backorder.
#pragma once

#include "lane/store.h"

// One product in one warehouse. Quantities are in the product's base unit and never negative.
struct stock_row {
    struct bytes sku; // primary key (sku, warehouse)
    struct bytes warehouse;
    int64_t on_hand;
    int64_t reserved;    // shares of orders, those granted and not yet booked included
    int64_t backordered; // promised from this warehouse's next deliveries
    int64_t safety;
    int64_t damaged;
    int64_t qc_hold;
    int64_t missing; // counted less than what orders hold: written off as soon as something is free
    int64_t incoming;
    struct bytes incoming_date; // YYYY-MM-DD
    instant counted_as_of;      // of the last count applied
    instant moved_at;           // goods last came or went
    int64_t movements;          // number of the last ledger row
    int64_t version;            // rises by one with each input that changes the row
    struct uuid turn;           // not stored: the input that changed it last
};
extern const struct table stock_table;
#define STOCK_SKU       0
#define STOCK_WAREHOUSE 1

// What an order holds of a product in a warehouse.
struct allocation_row {
    struct uuid order_id; // primary key (order_id, line_no, sku, warehouse)
    int32_t line_no;
    struct bytes sku;
    struct bytes warehouse;
    int64_t reserved;
    int64_t backordered; // granted and not yet booked included
    int64_t consumed;    // has left
    int64_t released;    // was given back
    int32_t priority;
    struct bytes promised_date; // of the backordered part; NULL: unknown
    instant backordered_at;
    bool made; // production's output for this line: a reservation of the order doesn't touch it
};
extern const struct table allocation_table;
#define ALLOCATION_ORDER 0

// Who waits for a product: the queue that receipts serve.
struct backorder_row {
    struct bytes sku; // primary key (sku, order_id, line_no)
    struct uuid order_id;
    int32_t line_no;
    struct bytes warehouse; // whose stock row counts it
    int64_t quantity;       // still to be granted
    int32_t priority;
    struct bytes promised_date;
    instant since;
};
extern const struct table backorder_table;
#define BACKORDER_SKU 0

// A product that may stand in for another, with what a customer is told of it: so that a shortage is answered without
// locking the substitute's stock. Whoever holds the locks of the substitute's stock writes the row; others only read it,
// and may see it a little late.
struct substitute_row {
    struct bytes for_sku; // primary key (for_sku, sku)
    struct bytes sku;
    int32_t position; // in the product's list; -1: no longer there
    bool offered;     // false: not in the list, retired, or not known
    struct bytes name;
    int64_t available; // all warehouses together, rounded down (stock_round_down)
};
extern const struct table substitute_table;
#define SUBSTITUTE_FOR 0
#define SUBSTITUTE_SKU 1

// Every movement, once, never changed.
struct ledger_row {
    struct uuid id; // primary key
    struct bytes sku;
    struct bytes warehouse;
    int64_t movement;     // 1, 2, 3 … per sku and warehouse
    struct uuid order_id; // nil: no order's
    int32_t line_no;
    struct bytes kind; // ledger_kind_name
    int64_t quantity;
    int64_t on_hand_change;
    int64_t reserved_change;
    int64_t on_hand_after;
    int64_t reserved_after;
    instant at;
    struct uuid causation; // the input
    struct bytes period;   // where goods came or went: what counts look back by (stock_period); else NULL
    struct bytes actor;    // RECONCILE: who put the counters right …
    struct bytes reason;   // … and why, with the numbers as they were; else NULL
};
extern const struct table ledger_table;
#define LEDGER_PERIOD 14

// A shipment whose goods have been taken out of stock.
struct shipment_row {
    struct bytes shipment_id; // primary key
    struct uuid order_id;
    instant at;
};
extern const struct table inventory_shipment_table;
#define SHIPMENT_ID 0

struct product_row {
    struct bytes sku; // primary key
    struct bytes name;
    bool retired;
    bool no_picking;
    int64_t version;
};
extern const struct table inventory_product_table;
#define PRODUCT_SKU 0

struct warehouse_row {
    struct bytes warehouse; // primary key
    struct bytes adapter;
    int64_t version;
};
extern const struct table warehouse_table;
#define WAREHOUSE_ADAPTER 1
#define WAREHOUSE_KEY     0
