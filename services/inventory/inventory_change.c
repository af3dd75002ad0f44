// News about stock itself: goods received, announced, counted; safety stock; counters put right.
#include "inventory/inventory.h"

#include "base/clock.h"

#include <string.h>

// A warehouse's clock may run ahead of ours by this much; a count from further in the future is a mistake.
#define COUNT_AHEAD_MAX_US (5 * INSTANT_MINUTE)
// Receipts stop here, so that no sum of a product's rows overflows.
#define ON_HAND_MAX (1000 * STOCK_QUANTITY_MAX)

static void refuse(struct turn *turn, const char *detail)
{
    batch_dead_letter(turn->batch, "STOCK_CHANGE_REFUSED", NULL, detail);
}

static bool quantity_ok(int64_t quantity, int64_t least)
{
    return quantity >= least && quantity <= STOCK_QUANTITY_MAX;
}

static void receive(struct turn *turn, struct bytes sku, struct bytes warehouse,
                    const Orderclerk__V1__GoodsReceived *received)
{
    if (!quantity_ok(received->quantity, 1)) {
        refuse(turn, "received.quantity: must be from 1 to 1000000000000");
        return;
    }
    struct stock_row *stock = turn_stock(turn, sku, warehouse);
    if (stock != NULL && stock->on_hand > ON_HAND_MAX - received->quantity) {
        refuse(turn, "received.quantity: more than can be kept");
        return;
    }
    stock = turn_stock_make(turn, sku, warehouse);
    turn_move(turn, stock,
              &(struct movement){
                  .kind = LEDGER_RECEIPT, .quantity = received->quantity, .on_hand = received->quantity});
    stock->incoming = stock->incoming > received->quantity ? stock->incoming - received->quantity : 0;
    if (stock->incoming == 0)
        stock->incoming_date = bytes_of(NULL, 0);
}

static void announce(struct turn *turn, struct bytes sku, struct bytes warehouse,
                     const Orderclerk__V1__IncomingAnnounced *incoming)
{
    local_date date;
    if (!quantity_ok(incoming->quantity, 0)) {
        refuse(turn, "incoming.quantity: must be from 0 to 1000000000000");
        return;
    }
    if (incoming->quantity > 0 && !date_parse(incoming->date, &date)) {
        refuse(turn, "incoming.date: must be a date, YYYY-MM-DD");
        return;
    }
    struct stock_row *stock = turn_stock_make(turn, sku, warehouse);
    turn_move(turn, stock, &(struct movement){.kind = LEDGER_INCOMING, .quantity = incoming->quantity});
    stock->incoming = incoming->quantity;
    stock->incoming_date = incoming->quantity > 0 ? bytes_str(incoming->date) : bytes_of(NULL, 0);
}

// ---- counts

void inventory_count_periods(const Orderclerk__V1__CountDue *due, int64_t *ret_first, int64_t *ret_last)
{
    *ret_first = stock_period_of(due->as_of_us);
    *ret_last = stock_period_of(due->moved_at_us);
    // Ours, and checked when it was sent; a foreign one is bounded all the same.
    if (due->moved_at_us < due->as_of_us || due->moved_at_us - due->as_of_us > STOCK_COUNT_AGE_MAX_US) {
        *ret_last = *ret_first - 1;
    }
}

static void tell_missing(struct turn *turn, const struct stock_row *stock, int64_t there)
{
    int64_t held = there + stock->missing;
    batch_dead_letter(turn->batch, "STOCK_DISCREPANCY", NULL,
                      arena_printf(batch_arena(turn->batch),
                                   "%.*s in %.*s: %lld are there, %lld are held for orders or blocked",
                                   (int)stock->sku.size, (const char *)stock->sku.data,
                                   (int)stock->warehouse.size, (const char *)stock->warehouse.data,
                                   (long long)there, (long long)held));
}

// difference: found minus expected, at the time of the count; it holds for now as well.
static void correct(struct turn *turn, struct stock_row *stock, int64_t counted, int64_t difference)
{
    int64_t there = stock->on_hand - stock->missing + difference;
    struct stock_count result = stock_count(stock, there);
    turn_move(turn, stock,
              &(struct movement){
                  .kind = LEDGER_COUNT, .quantity = counted, .on_hand = result.on_hand - stock->on_hand});
    stock->missing = result.missing;
    if (result.missing > 0)
        tell_missing(turn, stock, there > 0 ? there : 0);
}

static void look_back(struct turn *turn, const struct stock_row *stock,
                      const Orderclerk__V1__StockCounted *counted)
{
    struct arena *arena = batch_arena(turn->batch);
    Orderclerk__V1__CountDue due = ORDERCLERK__V1__COUNT_DUE__INIT;
    due.sku = arena_str(arena, stock->sku);
    due.warehouse = arena_str(arena, stock->warehouse);
    due.counted = counted->on_hand;
    due.as_of_us = counted->as_of_us;
    due.expected = stock->on_hand - stock->missing;
    due.movement = stock->movements;
    due.moved_at_us = stock->moved_at;
    Orderclerk__V1__InventoryInternal message = ORDERCLERK__V1__INVENTORY_INTERNAL__INIT;
    message.body_case = ORDERCLERK__V1__INVENTORY_INTERNAL__BODY_COUNT_DUE;
    message.count_due = &due;
    const char *key = arena_printf(arena, "%s@%s", due.sku, due.warehouse);
    batch_emit(turn->batch, TOPIC_INVENTORY_INTERNAL, bytes_str(key), &message.base);
}

static void count(struct turn *turn, struct bytes sku, struct bytes warehouse,
                  const Orderclerk__V1__StockCounted *counted)
{
    if (!quantity_ok(counted->on_hand, 0)) {
        refuse(turn, "counted.on_hand: must be from 0 to 1000000000000");
        return;
    }
    if (counted->as_of_us <= 0 || counted->as_of_us > turn->now + COUNT_AHEAD_MAX_US) {
        refuse(turn, "counted.as_of_us: must be the time of the count, not in the future");
        return;
    }
    struct stock_row *stock = turn_stock(turn, sku, warehouse);
    if (stock != NULL && stock->counted_as_of != INSTANT_NONE && counted->as_of_us <= stock->counted_as_of) {
        return; // a newer count is known
    }
    bool moved = stock != NULL && stock->moved_at != INSTANT_NONE && stock->moved_at > counted->as_of_us;
    if (moved && stock->moved_at - counted->as_of_us > STOCK_COUNT_AGE_MAX_US) {
        refuse(turn, "counted.as_of_us: more than 7 days before the last movement");
        return;
    }
    stock = turn_stock_make(turn, sku, warehouse);
    if (moved) {
        turn_touch(turn, stock);
        look_back(turn, stock, counted);
    } else {
        correct(turn, stock, counted->on_hand, counted->on_hand - (stock->on_hand - stock->missing));
    }
    stock->counted_as_of = counted->as_of_us;
}

struct err inventory_decide_count(struct turn *turn, const Orderclerk__V1__CountDue *due)
{
    if (due->sku[0] == '\0')
        return err_make(ERR_REJECT, "count_due.sku: missing");
    struct bytes sku = bytes_str(due->sku);
    struct stock_row *stock = turn_stock(turn, sku, bytes_str(due->warehouse));
    if (stock == NULL)
        return err_make(ERR_REJECT, "count_due: no stock of %s in %s", due->sku, due->warehouse);
    if (stock->counted_as_of != due->as_of_us)
        return err_ok(); // a newer count has taken its place
    int64_t first;
    int64_t last;
    inventory_count_periods(due, &first, &last);
    int64_t moved = 0;
    for (int64_t period = first; period <= last; period++) {
        struct bytes name = stock_period(batch_arena(turn->batch), sku, stock->warehouse, period);
        const struct ledger_row *row = NULL;
        while ((row = batch_next(turn->batch, &ledger_table, LEDGER_PERIOD, value_text(name), row)) != NULL) {
            if (row->at <= due->as_of_us || row->movement > due->movement)
                continue;
            moved += ledger_physical(row->kind, row->quantity);
        }
    }
    correct(turn, stock, due->counted, due->counted - (due->expected - moved));
    turn_finish(turn);
    return err_ok();
}

static void set_safety(struct turn *turn, struct bytes sku, struct bytes warehouse,
                       const Orderclerk__V1__SafetySet *safety)
{
    if (!quantity_ok(safety->safety, 0)) {
        refuse(turn, "safety.safety: must be from 0 to 1000000000000");
        return;
    }
    struct stock_row *stock = turn_stock_make(turn, sku, warehouse);
    turn_move(turn, stock, &(struct movement){.kind = LEDGER_SAFETY, .quantity = safety->safety});
    stock->safety = safety->safety;
}

// ---- counters that differ from what is written down

static bool counters_ok(const struct stock_row *stock, const Orderclerk__V1__StockReconciled *r)
{
    return quantity_ok(r->on_hand, 0) && quantity_ok(r->reserved, 0) && quantity_ok(r->backordered, 0) &&
           r->reserved <= r->on_hand - stock->damaged - stock->qc_hold;
}

// The sums of the ledger stay: its row says nothing moved, and has the counters as they are from now on.
static void reconcile(struct turn *turn, struct bytes sku, struct bytes warehouse, const char *actor,
                      const Orderclerk__V1__StockReconciled *r)
{
    struct stock_row *stock = turn_stock(turn, sku, warehouse);
    if (actor[0] == '\0' || r->reason[0] == '\0') {
        refuse(turn, "actor, reconciled.reason: must say who puts the counters right and why");
        return;
    }
    if (stock == NULL || stock->movements != r->movement || stock->on_hand != r->seen_on_hand ||
        stock->reserved != r->seen_reserved || stock->backordered != r->seen_backordered) {
        refuse(turn, "reconciled: the numbers have moved since they were seen; reconcile again");
        return;
    }
    if (!counters_ok(stock, r)) {
        refuse(turn,
               "reconciled: reserved must be from 0 to on_hand - damaged - qc_hold, backordered 0 or more");
        return;
    }
    struct arena *arena = batch_arena(turn->batch);
    const char *numbers =
        arena_printf(arena, "on_hand %lld, was %lld; reserved %lld, was %lld; backordered %lld, was %lld",
                     (long long)r->on_hand, (long long)stock->on_hand, (long long)r->reserved,
                     (long long)stock->reserved, (long long)r->backordered, (long long)stock->backordered);
    turn_touch(turn, stock);
    stock->on_hand = r->on_hand;
    stock->reserved = r->reserved;
    stock->backordered = r->backordered;
    turn_move(turn, stock,
              &(struct movement){.kind = LEDGER_RECONCILE,
                                 .actor = bytes_str(actor),
                                 .reason = bytes_str(arena_printf(arena, "%s (%s)", r->reason, numbers))});
    batch_dead_letter(turn->batch, "STOCK_CORRECTED", NULL,
                      arena_printf(arena, "%.*s in %.*s: %s; by %s: %s", (int)sku.size,
                                   (const char *)sku.data, (int)warehouse.size, (const char *)warehouse.data,
                                   numbers, actor, r->reason));
}

static bool code_ok(const char *code)
{
    return code[0] != '\0' && strlen(code) <= INVENTORY_CODE_MAX && strchr(code, '@') == NULL;
}

void inventory_decide_change(struct turn *turn, const Orderclerk__V1__StockChange *change)
{
    if (!code_ok(change->sku) || !code_ok(change->warehouse)) {
        refuse(turn, "sku, warehouse: must have 1 to 64 characters without @");
        return;
    }
    struct bytes sku = bytes_str(change->sku);
    struct bytes warehouse = bytes_str(change->warehouse);
    switch (change->body_case) {
    case ORDERCLERK__V1__STOCK_CHANGE__BODY_RECEIVED:
        receive(turn, sku, warehouse, change->received);
        break;
    case ORDERCLERK__V1__STOCK_CHANGE__BODY_INCOMING:
        announce(turn, sku, warehouse, change->incoming);
        break;
    case ORDERCLERK__V1__STOCK_CHANGE__BODY_COUNTED:
        count(turn, sku, warehouse, change->counted);
        break;
    case ORDERCLERK__V1__STOCK_CHANGE__BODY_SAFETY:
        set_safety(turn, sku, warehouse, change->safety);
        break;
    case ORDERCLERK__V1__STOCK_CHANGE__BODY_RECONCILED:
        reconcile(turn, sku, warehouse, change->actor, change->reconciled);
        break;
    case ORDERCLERK__V1__STOCK_CHANGE__BODY__NOT_SET:
    case _ORDERCLERK__V1__STOCK_CHANGE__BODY__CASE_IS_INT_SIZE:
    default:
        refuse(turn, "body: a change of a kind that isn't known here");
        return;
    }
    turn_finish(turn);
}
