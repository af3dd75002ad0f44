// One order's allocations, and the commands that change them.
#pragma once

#include "inventory/inventory_turn.h"
#include "orderclerk/v1/commands.pb-c.h"
#include "orderclerk/v1/inventory_events.pb-c.h"
#include "orderclerk/v1/stock.pb-c.h"

#define INVENTORY_LINES_MAX 1000 // the door's limit for an order

// The order's rows as they are now; new ones come at the end.
struct order {
    struct turn *turn;
    struct allocation_row **rows;
    size_t count;
    size_t capacity;
};

struct order order_load(struct turn *turn);
struct allocation_row *order_row(struct order *order, int32_t line_no, struct bytes sku,
                                 struct bytes warehouse); // NULL
struct allocation_row *order_row_make(struct order *order, int32_t line_no, struct bytes sku,
                                      struct bytes warehouse);

// Sums over the line's rows of this sku.
struct share {
    int64_t reserved;
    int64_t backordered;
    int64_t consumed;
};
struct share order_share(const struct order *order, int32_t line_no, struct bytes sku);

// Each moves exactly this quantity between the row and its stock; the row must hold it, the command must name its sku.
void order_reserve(struct order *order, struct allocation_row *row, int64_t quantity);
void order_release(struct order *order, struct allocation_row *row, int64_t quantity);
// What is being granted already comes in and is given back then.
void order_wait_less(struct order *order, struct allocation_row *row, int64_t quantity);
// Gives back all that the row holds. named: the command names its sku, so that its stock is at hand; if not, the order's
// share ends now and the stock's follows by a message of this service to itself.
void order_drop(struct order *order, struct allocation_row *row, bool named);

// Rows that hold something, as messages in the batch's arena.
Orderclerk__V1__Allocation **order_allocations(const struct order *order, size_t *ret_count);
void order_emit(const struct order *order, Orderclerk__V1__InventoryEvent *event); // fills common fields

// REJECT: a command that doesn't make sense; nothing is changed.
struct err order_decide_reserve(struct turn *turn, const Orderclerk__V1__ReserveStock *command);
struct err order_decide_release(struct turn *turn, const Orderclerk__V1__ReleaseStock *command);
struct err order_decide_consume(struct turn *turn, const Orderclerk__V1__ConsumeStock *command);
struct err order_decide_receive(struct turn *turn, const Orderclerk__V1__ReceiveForOrder *command);
struct err order_decide_granted(struct turn *turn, const Orderclerk__V1__BackorderGranted *granted);
struct err order_decide_returned(struct turn *turn, const Orderclerk__V1__ShareReturned *returned);
