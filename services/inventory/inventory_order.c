// An order's allocations; release, departure, production's output and granted backorders.
//
// A share that waits is counted twice until it is there: in the order's allocation (`backordered`) and in the queue
// (`backorder.quantity`). A grant takes it out of the queue and raises the stock's `reserved` at once; the order's own
// lane books it here. The allocation may therefore show more than the queue; what the order needs no more goes back when
// the grant comes in.
//
// The stock's `reserved` is at any time the sum of the allocations' and of what is on its way: granted and not yet booked,
// or returned and not yet taken off.
#include "inventory/inventory_order.h"

#include "base/mutant.h"

#include <assert.h>
#include <string.h>

static void append(struct order *order, struct allocation_row *row)
{
    if (order->count == order->capacity) {
        order->capacity = order->capacity == 0 ? 16 : order->capacity * 2;
        struct allocation_row **grown =
            arena_new_array(batch_arena(order->turn->batch), struct allocation_row *, order->capacity);
        if (order->count > 0)
            memcpy(grown, order->rows, order->count * sizeof(struct allocation_row *));
        order->rows = grown;
    }
    order->rows[order->count++] = row;
}

struct order order_load(struct turn *turn)
{
    struct order order = {.turn = turn};
    const struct value value = value_uuid(turn->order_id);
    for (void *r = NULL;
         (r = batch_next(turn->batch, &allocation_table, ALLOCATION_ORDER, value, r)) != NULL;)
        append(&order, r);
    return order;
}

struct allocation_row *order_row(struct order *order, int32_t line_no, struct bytes sku,
                                 struct bytes warehouse)
{
    struct allocation_row probe = {
        .order_id = order->turn->order_id, .line_no = line_no, .sku = sku, .warehouse = warehouse};
    return batch_find(order->turn->batch, &allocation_table, &probe);
}

struct allocation_row *order_row_make(struct order *order, int32_t line_no, struct bytes sku,
                                      struct bytes warehouse)
{
    struct allocation_row *row = order_row(order, line_no, sku, warehouse);
    if (row != NULL)
        return row;
    row = batch_put(order->turn->batch, &allocation_table,
                    &(struct allocation_row){.order_id = order->turn->order_id,
                                             .line_no = line_no,
                                             .sku = sku,
                                             .warehouse = warehouse,
                                             .backordered_at = INSTANT_NONE});
    append(order, row);
    return row;
}

struct share order_share(const struct order *order, int32_t line_no, struct bytes sku)
{
    struct share share = {0};
    for (size_t i = 0; i < order->count; i++) {
        const struct allocation_row *row = order->rows[i];
        if (row->line_no != line_no || !bytes_equal(row->sku, sku))
            continue;
        share.reserved += row->reserved;
        share.backordered += row->backordered;
        share.consumed += row->consumed;
    }
    return share;
}

// ---- moving

static struct movement moved(const struct allocation_row *row, enum ledger_kind kind, int64_t quantity)
{
    return (struct movement){
        .kind = kind, .quantity = quantity, .order_id = row->order_id, .line_no = row->line_no};
}

static struct stock_row *stock_of(struct order *order, const struct allocation_row *row)
{
    struct stock_row *stock = turn_stock(order->turn, row->sku, row->warehouse);
    assert(stock != NULL); // allocations are only made from stock rows, which are never deleted
    return stock;
}

void order_reserve(struct order *order, struct allocation_row *row, int64_t quantity)
{
    struct movement m = moved(row, LEDGER_RESERVE, quantity);
    m.reserved = quantity;
    turn_move(order->turn, stock_of(order, row), &m);
    batch_touch(order->turn->batch, row);
    row->reserved += quantity;
}

void order_release(struct order *order, struct allocation_row *row, int64_t quantity)
{
    if (quantity == 0)
        return;
    assert(quantity <= row->reserved);
    struct movement m = moved(row, LEDGER_RELEASE, quantity);
    m.reserved = MUTANT(release_unreserved) ? -quantity - row->backordered : -quantity;
    turn_move(order->turn, stock_of(order, row), &m);
    batch_touch(order->turn->batch, row);
    row->reserved -= quantity;
    row->released += quantity;
}

static void row_wait_less(struct order *order, struct allocation_row *row, int64_t quantity)
{
    batch_touch(order->turn->batch, row);
    row->backordered -= quantity;
    if (row->backordered > 0)
        return;
    row->promised_date = bytes_of(NULL, 0);
    row->backordered_at = INSTANT_NONE;
}

void order_wait_less(struct order *order, struct allocation_row *row, int64_t quantity)
{
    if (quantity == 0)
        return;
    assert(quantity <= row->backordered);
    turn_wait_less(order->turn, row->line_no, row->sku, quantity);
    row_wait_less(order, row, quantity);
}

static void send_returned(struct order *order, const struct allocation_row *row, int64_t quantity)
{
    struct arena *arena = batch_arena(order->turn->batch);
    Orderclerk__V1__ShareReturned returned = ORDERCLERK__V1__SHARE_RETURNED__INIT;
    returned.line_no = (uint32_t)row->line_no;
    returned.sku = arena_str(arena, row->sku);
    returned.warehouse = arena_str(arena, row->warehouse);
    returned.quantity = quantity;
    Orderclerk__V1__InventoryInternal message = ORDERCLERK__V1__INVENTORY_INTERNAL__INIT;
    message.body_case = ORDERCLERK__V1__INVENTORY_INTERNAL__BODY_RETURNED;
    message.returned = &returned;
    batch_emit(order->turn->batch, TOPIC_INVENTORY_INTERNAL, order->turn->in->key, &message.base);
}

void order_drop(struct order *order, struct allocation_row *row, bool named)
{
    if (row->reserved == 0 && row->backordered == 0)
        return;
    if (named) {
        order_release(order, row, row->reserved);
        order_wait_less(order, row, row->backordered);
        return;
    }
    send_returned(order, row, row->reserved);
    batch_touch(order->turn->batch, row);
    row->released += row->reserved;
    row->reserved = 0;
    row_wait_less(order, row, row->backordered);
}

// ---- telling

static Orderclerk__V1__Allocation *allocation_message(const struct order *order,
                                                      const struct allocation_row *row)
{
    struct arena *arena = batch_arena(order->turn->batch);
    Orderclerk__V1__Allocation *a = arena_new_object(arena, Orderclerk__V1__Allocation);
    orderclerk__v1__allocation__init(a);
    a->line_no = (uint32_t)row->line_no;
    a->sku = arena_str(arena, row->sku);
    a->warehouse = arena_str(arena, row->warehouse);
    a->reserved = row->reserved;
    a->backordered = row->backordered;
    if (row->promised_date.size > 0)
        a->promised_date = arena_str(arena, row->promised_date);
    return a;
}

Orderclerk__V1__Allocation **order_allocations(const struct order *order, size_t *ret_count)
{
    Orderclerk__V1__Allocation **list =
        arena_new_array(batch_arena(order->turn->batch), Orderclerk__V1__Allocation *, order->count);
    size_t count = 0;
    for (size_t i = 0; i < order->count; i++) {
        if (order->rows[i]->reserved == 0 && order->rows[i]->backordered == 0)
            continue;
        list[count++] = allocation_message(order, order->rows[i]);
    }
    *ret_count = count;
    return list;
}

void order_emit(const struct order *order, Orderclerk__V1__InventoryEvent *event)
{
    event->saga_revision = order->turn->in->head.saga_revision;
    batch_emit(order->turn->batch, TOPIC_INVENTORY_EVENTS, order->turn->in->key, &event->base);
}

// ---- release

static bool names(const Orderclerk__V1__ReleaseStock *command, struct bytes sku)
{
    for (size_t i = 0; i < command->n_skus && i < INVENTORY_LINES_MAX; i++) {
        if (bytes_is(sku, command->skus[i]))
            return true;
    }
    return false;
}

struct err order_decide_release(struct turn *turn, const Orderclerk__V1__ReleaseStock *command)
{
    struct order order = order_load(turn);
    Orderclerk__V1__StockReleased released = ORDERCLERK__V1__STOCK_RELEASED__INIT;
    released.released = order_allocations(&order, &released.n_released);
    for (size_t i = 0; i < order.count; i++)
        order_drop(&order, order.rows[i], names(command, order.rows[i]->sku));
    turn_finish(turn);
    Orderclerk__V1__InventoryEvent event = ORDERCLERK__V1__INVENTORY_EVENT__INIT;
    event.body_case = ORDERCLERK__V1__INVENTORY_EVENT__BODY_RELEASED;
    event.released = &released;
    order_emit(&order, &event);
    return err_ok();
}

// ---- departure

// Goods that have left are gone, whatever the order held: what it didn't hold comes out of free stock, and what isn't
// there either is missing from what others hold. The latter is shown.
static void leave_unreserved(struct order *order, struct stock_row *stock, int32_t line_no, int64_t quantity)
{
    int64_t free_units = stock_free(stock);
    int64_t taken = quantity < free_units ? quantity : free_units;
    turn_move(order->turn, stock,
              &(struct movement){.kind = LEDGER_LEFT,
                                 .quantity = quantity,
                                 .on_hand = -taken,
                                 .order_id = order->turn->order_id,
                                 .line_no = line_no});
    if (taken == quantity)
        return;
    stock->missing += quantity - taken;
    batch_dead_letter(
        order->turn->batch, "STOCK_DISCREPANCY", NULL,
        arena_printf(
            batch_arena(order->turn->batch),
            "line %d: %lld of %.*s left %.*s without being reserved; %lld held by others are missing",
            line_no, (long long)quantity, (int)stock->sku.size, (const char *)stock->sku.data,
            (int)stock->warehouse.size, (const char *)stock->warehouse.data, (long long)(quantity - taken)));
}

static void consume_line(struct order *order, const Orderclerk__V1__ShipmentLine *line,
                         struct bytes warehouse)
{
    struct bytes sku = bytes_str(line->sku);
    struct stock_row *stock = turn_stock(order->turn, sku, warehouse);
    if (stock == NULL) {
        batch_dead_letter(order->turn->batch, "STOCK_UNKNOWN", NULL,
                          arena_printf(batch_arena(order->turn->batch),
                                       "line %u: %lld of %s left %.*s, where none was ever booked in",
                                       line->line_no, (long long)line->quantity, line->sku,
                                       (int)warehouse.size, (const char *)warehouse.data));
        return;
    }
    struct allocation_row *row = order_row_make(order, (int32_t)line->line_no, sku, warehouse);
    int64_t reserved = row->reserved < line->quantity ? row->reserved : line->quantity;
    if (reserved > 0) {
        struct movement m = moved(row, LEDGER_CONSUME, reserved);
        m.on_hand = -reserved;
        m.reserved = -reserved;
        turn_move(order->turn, stock, &m);
    }
    batch_touch(order->turn->batch, row);
    row->reserved -= reserved;
    row->consumed += line->quantity;
    if (reserved < line->quantity)
        leave_unreserved(order, stock, row->line_no, line->quantity - reserved);
}

static struct err check_shipment(const Orderclerk__V1__ConsumeStock *command)
{
    if (command->shipment_id[0] == '\0')
        return err_make(ERR_REJECT, "shipment_id: missing");
    if (command->warehouse[0] == '\0')
        return err_make(ERR_REJECT, "warehouse: missing");
    if (command->n_lines > INVENTORY_LINES_MAX) {
        return err_make(ERR_REJECT, "lines: %zu given, at most %d", command->n_lines, INVENTORY_LINES_MAX);
    }
    for (size_t i = 0; i < command->n_lines; i++) {
        const Orderclerk__V1__ShipmentLine *line = command->lines[i];
        if (line->line_no == 0 || line->line_no > INT32_MAX) {
            return err_make(ERR_REJECT, "lines[%zu].line_no: %u is no line number", i, line->line_no);
        }
        if (line->sku[0] == '\0')
            return err_make(ERR_REJECT, "lines[%zu].sku: missing", i);
        if (line->quantity < 1 || line->quantity > STOCK_QUANTITY_MAX) {
            return err_make(ERR_REJECT, "lines[%zu].quantity: %lld must be positive", i,
                            (long long)line->quantity);
        }
    }
    return err_ok();
}

struct err order_decide_consume(struct turn *turn, const Orderclerk__V1__ConsumeStock *command)
{
    struct err e = check_shipment(command);
    if (err_is(&e))
        return e;
    struct order order = order_load(turn);
    struct shipment_row shipment = {
        .shipment_id = bytes_str(command->shipment_id), .order_id = turn->order_id, .at = turn->now};
    if (batch_find(turn->batch, &inventory_shipment_table, &shipment) == NULL) {
        batch_put(turn->batch, &inventory_shipment_table, &shipment);
        for (size_t i = 0; i < command->n_lines; i++)
            consume_line(&order, command->lines[i], bytes_str(command->warehouse));
        turn_finish(turn);
    }
    Orderclerk__V1__StockConsumed consumed = ORDERCLERK__V1__STOCK_CONSUMED__INIT;
    consumed.shipment_id = command->shipment_id;
    Orderclerk__V1__InventoryEvent event = ORDERCLERK__V1__INVENTORY_EVENT__INIT;
    event.body_case = ORDERCLERK__V1__INVENTORY_EVENT__BODY_CONSUMED;
    event.consumed = &consumed;
    order_emit(&order, &event);
    return err_ok();
}

// ---- what comes in for a line

// Books up to `quantity` of the line's waiting share as there. Returns how much was waiting.
static int64_t stop_waiting(struct order *order, int32_t line_no, struct bytes sku, int64_t quantity)
{
    int64_t stopped = 0;
    for (size_t i = 0; i < order->count && stopped < quantity; i++) {
        struct allocation_row *row = order->rows[i];
        if (row->line_no != line_no || row->backordered == 0 || !bytes_equal(row->sku, sku))
            continue;
        int64_t part = row->backordered < quantity - stopped ? row->backordered : quantity - stopped;
        row_wait_less(order, row, part);
        stopped += part;
    }
    return stopped;
}

// The queue never asks for more than the order waits for.
static void trim_queue(struct order *order, int32_t line_no, struct bytes sku)
{
    int64_t excess = turn_waiting(order->turn, line_no, sku) - order_share(order, line_no, sku).backordered;
    turn_wait_less(order->turn, line_no, sku, excess);
}

struct err order_decide_receive(struct turn *turn, const Orderclerk__V1__ReceiveForOrder *command)
{
    if (command->line_no == 0 || command->line_no > INT32_MAX) {
        return err_make(ERR_REJECT, "line_no: %u is no line number", command->line_no);
    }
    if (command->sku[0] == '\0')
        return err_make(ERR_REJECT, "sku: missing");
    if (command->warehouse[0] == '\0')
        return err_make(ERR_REJECT, "warehouse: missing");
    if (command->quantity < 1 || command->quantity > STOCK_QUANTITY_MAX) {
        return err_make(ERR_REJECT, "quantity: %lld must be positive", (long long)command->quantity);
    }
    struct order order = order_load(turn);
    int32_t line_no = (int32_t)command->line_no;
    struct bytes sku = bytes_str(command->sku);
    struct stock_row *stock = turn_stock_make(turn, sku, bytes_str(command->warehouse));
    if (stock->on_hand > 1000 * STOCK_QUANTITY_MAX)
        return err_make(ERR_REJECT, "quantity: the stock would overflow");
    bool made = order_share(&order, line_no, sku).backordered == 0;
    for (size_t i = 0; made && i < order.count; i++)
        made = order.rows[i]->line_no != line_no || order.rows[i]->made;
    struct allocation_row *row = order_row_make(&order, line_no, sku, stock->warehouse);
    struct movement m = moved(row, LEDGER_MADE, command->quantity);
    m.on_hand = command->quantity;
    m.reserved = command->quantity;
    turn_move(turn, stock, &m);
    batch_touch(turn->batch, row);
    row->reserved += command->quantity;
    row->made = made;
    stop_waiting(&order, line_no, sku, command->quantity);
    trim_queue(&order, line_no, sku);
    turn_finish(turn);
    Orderclerk__V1__ReceivedForOrder received = ORDERCLERK__V1__RECEIVED_FOR_ORDER__INIT;
    received.allocation = allocation_message(&order, row);
    Orderclerk__V1__InventoryEvent event = ORDERCLERK__V1__INVENTORY_EVENT__INIT;
    event.body_case = ORDERCLERK__V1__INVENTORY_EVENT__BODY_RECEIVED;
    event.received = &received;
    order_emit(&order, &event);
    return err_ok();
}

struct err order_decide_granted(struct turn *turn, const Orderclerk__V1__BackorderGranted *granted)
{
    if (granted->sku[0] == '\0')
        return err_make(ERR_REJECT, "granted.sku: missing");
    struct order order = order_load(turn);
    int32_t line_no = (int32_t)granted->line_no;
    struct stock_row *stock = turn_stock(turn, bytes_str(granted->sku), bytes_str(granted->warehouse));
    // Written by this service: what doesn't fit the rows is a record from somewhere else.
    if (stock == NULL || granted->line_no > INT32_MAX || granted->quantity < 1 ||
        granted->quantity > stock->reserved) {
        return err_make(ERR_REJECT, "granted: %lld of %s in %s is not reserved there",
                        (long long)granted->quantity, granted->sku, granted->warehouse);
    }
    int64_t booked = stop_waiting(&order, line_no, stock->sku, granted->quantity);
    if (booked > 0) {
        struct allocation_row *row = order_row_make(&order, line_no, stock->sku, stock->warehouse);
        batch_touch(turn->batch, row);
        row->reserved += booked;
    }
    int64_t back = granted->quantity - booked;
    if (back > 0) {
        turn_move(turn, stock,
                  &(struct movement){.kind = LEDGER_GRANT_BACK,
                                     .quantity = back,
                                     .reserved = -back,
                                     .order_id = turn->order_id,
                                     .line_no = line_no});
    }
    trim_queue(&order, line_no, stock->sku);
    turn_finish(turn);
    if (booked == 0)
        return err_ok();
    Orderclerk__V1__BackorderFilled filled = ORDERCLERK__V1__BACKORDER_FILLED__INIT;
    filled.allocations = order_allocations(&order, &filled.n_allocations);
    Orderclerk__V1__InventoryEvent event = ORDERCLERK__V1__INVENTORY_EVENT__INIT;
    event.body_case = ORDERCLERK__V1__INVENTORY_EVENT__BODY_BACKORDER_FILLED;
    event.backorder_filled = &filled;
    order_emit(&order, &event);
    return err_ok();
}

struct err order_decide_returned(struct turn *turn, const Orderclerk__V1__ShareReturned *returned)
{
    if (returned->sku[0] == '\0')
        return err_make(ERR_REJECT, "returned.sku: missing");
    struct order order = order_load(turn);
    int32_t line_no = (int32_t)returned->line_no;
    struct stock_row *stock = turn_stock(turn, bytes_str(returned->sku), bytes_str(returned->warehouse));
    if (stock == NULL || returned->line_no > INT32_MAX || returned->quantity < 0 ||
        returned->quantity > stock->reserved) {
        return err_make(ERR_REJECT, "returned: %lld of %s in %s is not reserved there",
                        (long long)returned->quantity, returned->sku, returned->warehouse);
    }
    if (returned->quantity > 0) {
        turn_move(turn, stock,
                  &(struct movement){.kind = LEDGER_RELEASE,
                                     .quantity = returned->quantity,
                                     .reserved = -returned->quantity,
                                     .order_id = turn->order_id,
                                     .line_no = line_no});
    }
    trim_queue(&order, line_no, stock->sku);
    turn_finish(turn);
    return err_ok();
}
