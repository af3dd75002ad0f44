// One input's changes of stock: each goes through turn_move, which keeps the ledger; at the end the queue of those who wait
// is served, and each changed row is told to the world once.
#pragma once

#include "inventory/inventory_stock.h"
#include "lane/lane.h"

enum ledger_kind {
    LEDGER_RECEIPT,       // goods came in
    LEDGER_MADE,          // production's output, reserved for an order's line at once
    LEDGER_RESERVE,       // an order's line took a share
    LEDGER_RELEASE,       // … gave it back
    LEDGER_CONSUME,       // reserved goods left
    LEDGER_LEFT,          // goods left that were not reserved (a confirmation after a cancel)
    LEDGER_GRANT,         // a share for a line that waited
    LEDGER_GRANT_BACK,    // … which didn't wait any more
    LEDGER_BACKORDER,     // a line began to wait; nothing moves
    LEDGER_BACKORDER_CUT, // … waits no more; nothing moves
    LEDGER_COUNT,         // on_hand follows a count
    LEDGER_WRITE_OFF,     // goods that were found missing
    LEDGER_SAFETY,        // a new safety stock; nothing moves
    LEDGER_INCOMING,      // a delivery was announced; nothing moves
    LEDGER_RECONCILE,     // an operator put the counters back to what is written down; nothing moves
};
const char *ledger_kind_name(enum ledger_kind kind);
// What a ledger row says of the goods themselves: more, fewer, or 0 where only the books changed.
int64_t ledger_physical(struct bytes kind, int64_t quantity);

struct movement {
    enum ledger_kind kind;
    int64_t quantity;
    int64_t on_hand;  // change
    int64_t reserved; // change
    struct uuid order_id;
    int32_t line_no;
    struct bytes actor;  // RECONCILE: who …
    struct bytes reason; // … and why
};

struct turn {
    struct batch *batch;
    const struct input *in;
    struct uuid order_id; // nil when the input isn't an order's
    instant now;
    uint32_t movements;
    struct stock_row **touched;
    size_t touched_count;
    size_t touched_capacity;
};

struct turn turn_begin(struct batch *batch, const struct input *in);

struct stock_row *turn_stock(struct turn *turn, struct bytes sku, struct bytes warehouse); // NULL: none
struct stock_row *turn_stock_make(struct turn *turn, struct bytes sku, struct bytes warehouse);
int64_t turn_available(struct turn *turn, struct bytes sku); // all warehouses together
// The sku's rows in key order, in the batch's arena.
struct stock_row **turn_stock_rows(struct turn *turn, struct bytes sku, size_t *ret_count);
const struct product_row *turn_product(struct turn *turn, struct bytes sku); // NULL: none
bool turn_is_automatic(struct turn *turn, struct bytes warehouse);
// False: the product needs picking and this warehouse only ships by itself.
bool turn_may_serve(struct turn *turn, const struct product_row *product, const struct stock_row *stock);

// Before changing a field of a stock row that turn_move doesn't.
void turn_touch(struct turn *turn, struct stock_row *stock);
// Changes on_hand and reserved and writes the ledger.
void turn_move(struct turn *turn, struct stock_row *stock, const struct movement *movement);

// Lets `quantity` more of the order's line wait, counted at this warehouse (always the same one while the line waits).
void turn_wait(struct turn *turn, int32_t line_no, struct stock_row *stock, int64_t quantity,
               int32_t priority, struct bytes promised_date, instant since);
// Lets up to `quantity` of it wait no more; what has been granted already isn't in the queue. Returns how much.
int64_t turn_wait_less(struct turn *turn, int32_t line_no, struct bytes sku, int64_t quantity);
int64_t turn_waiting(struct turn *turn, int32_t line_no, struct bytes sku);

// Writes off what is missing, serves the queue, and emits a StockLevel for each row changed.
void turn_finish(struct turn *turn);

// Of a StockLevel's key, sku@warehouse; empty: it is none.
struct bytes inventory_level_sku(struct bytes key);
// The StockLevel of in's key once more: see lane_service.send_newest.
void inventory_send_newest(struct batch *batch, const struct input *in, enum topic topic, uint64_t known);
