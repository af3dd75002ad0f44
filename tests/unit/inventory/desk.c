#include "desk.h"

#include "orderclerk/v1/control.pb-c.h"
#include "unit/base/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT(s) ((char *)(uintptr_t)(s))

const char *desk_order(unsigned n)
{
    static char ids[64][UUID_TEXT_SIZE];
    assert_true(n < 64);
    snprintf(ids[n], sizeof ids[n], "0190b7a4-0000-7000-8000-%012x", n + 1);
    return ids[n];
}

void desk_product(struct harness *h, const char *sku, uint64_t version, const char *substitute, bool retired,
                  bool no_picking)
{
    char *substitutes[1] = {TEXT(substitute)};
    char name[80];
    snprintf(name, sizeof name, "Product %s", sku);
    Orderclerk__V1__Product p = ORDERCLERK__V1__PRODUCT__INIT;
    p.saga_revision = version;
    p.sku = TEXT(sku);
    p.name_en = name;
    p.substitutes = substitutes;
    p.n_substitutes = substitute == NULL ? 0 : 1;
    p.retired = retired;
    p.no_picking = no_picking;
    harness_send(h, TOPIC_REFERENCE_PRODUCTS, sku, &p.base);
}

static void change(struct harness *h, Orderclerk__V1__StockChange *c, const char *sku, const char *warehouse)
{
    char key[160];
    snprintf(key, sizeof key, "%s@%s", sku, warehouse);
    c->sku = TEXT(sku);
    c->warehouse = TEXT(warehouse);
    harness_send(h, TOPIC_STOCK_CHANGES, key, &c->base);
}

void desk_receive(struct harness *h, const char *sku, const char *warehouse, int64_t quantity)
{
    Orderclerk__V1__GoodsReceived body = ORDERCLERK__V1__GOODS_RECEIVED__INIT;
    body.quantity = quantity;
    Orderclerk__V1__StockChange c = ORDERCLERK__V1__STOCK_CHANGE__INIT;
    c.body_case = ORDERCLERK__V1__STOCK_CHANGE__BODY_RECEIVED;
    c.received = &body;
    change(h, &c, sku, warehouse);
}

void desk_announce(struct harness *h, const char *sku, const char *warehouse, int64_t quantity,
                   const char *date)
{
    Orderclerk__V1__IncomingAnnounced body = ORDERCLERK__V1__INCOMING_ANNOUNCED__INIT;
    body.quantity = quantity;
    body.date = TEXT(date);
    Orderclerk__V1__StockChange c = ORDERCLERK__V1__STOCK_CHANGE__INIT;
    c.body_case = ORDERCLERK__V1__STOCK_CHANGE__BODY_INCOMING;
    c.incoming = &body;
    change(h, &c, sku, warehouse);
}

void desk_count(struct harness *h, const char *sku, const char *warehouse, int64_t on_hand, instant as_of)
{
    Orderclerk__V1__StockCounted body = ORDERCLERK__V1__STOCK_COUNTED__INIT;
    body.on_hand = on_hand;
    body.as_of_us = as_of;
    Orderclerk__V1__StockChange c = ORDERCLERK__V1__STOCK_CHANGE__INIT;
    c.body_case = ORDERCLERK__V1__STOCK_CHANGE__BODY_COUNTED;
    c.counted = &body;
    change(h, &c, sku, warehouse);
}

void desk_safety(struct harness *h, const char *sku, const char *warehouse, int64_t safety)
{
    Orderclerk__V1__SafetySet body = ORDERCLERK__V1__SAFETY_SET__INIT;
    body.safety = safety;
    Orderclerk__V1__StockChange c = ORDERCLERK__V1__STOCK_CHANGE__INIT;
    c.body_case = ORDERCLERK__V1__STOCK_CHANGE__BODY_SAFETY;
    c.safety = &body;
    change(h, &c, sku, warehouse);
}

// ---- commands

void desk_reserve(struct harness *h, const char *order, uint32_t revision, const struct line *lines,
                  size_t count)
{
    Orderclerk__V1__ReserveLine messages[16];
    Orderclerk__V1__ReserveLine *list[16];
    assert_true(count <= 16);
    for (size_t i = 0; i < count; i++) {
        orderclerk__v1__reserve_line__init(&messages[i]);
        messages[i].line_no = lines[i].line_no;
        messages[i].sku = TEXT(lines[i].sku);
        messages[i].quantity = lines[i].quantity;
        messages[i].backorder = lines[i].backorder;
        messages[i].priority = lines[i].priority;
        list[i] = &messages[i];
    }
    Orderclerk__V1__ReserveStock body = ORDERCLERK__V1__RESERVE_STOCK__INIT;
    body.order_revision = revision;
    body.lines = list;
    body.n_lines = count;
    Orderclerk__V1__InventoryCommand c = ORDERCLERK__V1__INVENTORY_COMMAND__INIT;
    c.body_case = ORDERCLERK__V1__INVENTORY_COMMAND__BODY_RESERVE;
    c.reserve = &body;
    harness_send(h, TOPIC_COMMANDS_INVENTORY, order, &c.base);
}

void desk_release(struct harness *h, const char *order, const char *sku)
{
    char *skus[1] = {TEXT(sku)};
    Orderclerk__V1__ReleaseStock body = ORDERCLERK__V1__RELEASE_STOCK__INIT;
    body.skus = skus;
    body.n_skus = sku == NULL ? 0 : 1;
    Orderclerk__V1__InventoryCommand c = ORDERCLERK__V1__INVENTORY_COMMAND__INIT;
    c.body_case = ORDERCLERK__V1__INVENTORY_COMMAND__BODY_RELEASE;
    c.release = &body;
    harness_send(h, TOPIC_COMMANDS_INVENTORY, order, &c.base);
}

void desk_consume(struct harness *h, const char *order, const char *shipment, const char *warehouse,
                  const struct line *line)
{
    Orderclerk__V1__ShipmentLine message = ORDERCLERK__V1__SHIPMENT_LINE__INIT;
    message.line_no = line->line_no;
    message.sku = TEXT(line->sku);
    message.quantity = line->quantity;
    Orderclerk__V1__ShipmentLine *list[1] = {&message};
    Orderclerk__V1__ConsumeStock body = ORDERCLERK__V1__CONSUME_STOCK__INIT;
    body.shipment_id = TEXT(shipment);
    body.warehouse = TEXT(warehouse);
    body.lines = list;
    body.n_lines = 1;
    Orderclerk__V1__InventoryCommand c = ORDERCLERK__V1__INVENTORY_COMMAND__INIT;
    c.body_case = ORDERCLERK__V1__INVENTORY_COMMAND__BODY_CONSUME;
    c.consume = &body;
    harness_send(h, TOPIC_COMMANDS_INVENTORY, order, &c.base);
}

void desk_made(struct harness *h, const char *order, uint32_t line_no, const char *sku, const char *warehouse,
               int64_t quantity)
{
    Orderclerk__V1__ReceiveForOrder body = ORDERCLERK__V1__RECEIVE_FOR_ORDER__INIT;
    body.line_no = line_no;
    body.sku = TEXT(sku);
    body.warehouse = TEXT(warehouse);
    body.quantity = quantity;
    Orderclerk__V1__InventoryCommand c = ORDERCLERK__V1__INVENTORY_COMMAND__INIT;
    c.body_case = ORDERCLERK__V1__INVENTORY_COMMAND__BODY_RECEIVE;
    c.receive = &body;
    harness_send(h, TOPIC_COMMANDS_INVENTORY, order, &c.base);
}

void desk_pause(struct harness *h, const char *order, bool paused)
{
    Orderclerk__V1__Pause pause = ORDERCLERK__V1__PAUSE__INIT;
    Orderclerk__V1__Resume resume = ORDERCLERK__V1__RESUME__INIT;
    Orderclerk__V1__Control c = ORDERCLERK__V1__CONTROL__INIT;
    c.service = TEXT("inventory");
    c.body_case = paused ? ORDERCLERK__V1__CONTROL__BODY_PAUSE : ORDERCLERK__V1__CONTROL__BODY_RESUME;
    if (paused) {
        c.pause = &pause;
    } else {
        c.resume = &resume;
    }
    harness_send(h, TOPIC_CONTROL, order, &c.base);
}

// ---- seeing

const Orderclerk__V1__InventoryEvent *desk_answer(struct harness *h)
{
    harness_run(h);
    return (const void *)harness_take(h, TOPIC_INVENTORY_EVENTS, NULL);
}

struct stock_row desk_stock(struct harness *h, const char *sku, const char *warehouse)
{
    void *rows;
    size_t count = harness_rows(h, &stock_table, STOCK_SKU, value_text(bytes_str(sku)), &rows);
    for (size_t i = 0; i < count; i++) {
        const struct stock_row *row = (const struct stock_row *)rows + i;
        if (bytes_is(row->warehouse, warehouse))
            return *row;
    }
    return (struct stock_row){.version = 0};
}

struct share desk_share(struct harness *h, const char *order, uint32_t line_no, const char *sku,
                        const char *warehouse)
{
    struct share share = {0};
    struct uuid id;
    assert_true(uuid_parse(bytes_str(order), &id));
    void *rows;
    size_t count = harness_rows(h, &allocation_table, ALLOCATION_ORDER, value_uuid(id), &rows);
    for (size_t i = 0; i < count; i++) {
        const struct allocation_row *row = (const struct allocation_row *)rows + i;
        if ((uint32_t)row->line_no != line_no || !bytes_is(row->sku, sku))
            continue;
        if (warehouse != NULL && !bytes_is(row->warehouse, warehouse))
            continue;
        share.reserved += row->reserved;
        share.backordered += row->backordered;
        share.consumed += row->consumed;
    }
    return share;
}

// ---- what must hold

#define COLUMN_SKU_OF_LEDGER     1
#define COLUMN_SKU_OF_ALLOCATION 2

static int by_movement(const void *left, const void *right)
{
    const struct ledger_row *a = left;
    const struct ledger_row *b = right;
    int order = bytes_compare(a->warehouse, b->warehouse);
    return order != 0 ? order : (a->movement > b->movement) - (a->movement < b->movement);
}

static void check_ledger(struct harness *h, const struct stock_row *stock)
{
    void *found;
    size_t count = harness_rows(h, &ledger_table, COLUMN_SKU_OF_LEDGER, value_text(stock->sku), &found);
    struct ledger_row *rows = found;
    qsort(rows, count, sizeof *rows, by_movement);
    int64_t on_hand = 0;
    int64_t reserved = 0;
    int64_t movement = 0;
    for (size_t i = 0; i < count; i++) {
        if (!bytes_equal(rows[i].warehouse, stock->warehouse))
            continue;
        on_hand += rows[i].on_hand_change;
        reserved += rows[i].reserved_change;
        assert_int_equal(rows[i].movement, ++movement);
        assert_int_equal(rows[i].on_hand_after, on_hand);
        assert_int_equal(rows[i].reserved_after, reserved);
        assert_true(reserved >= 0 && reserved <= on_hand);
    }
    assert_int_equal(on_hand, stock->on_hand);
    assert_int_equal(reserved, stock->reserved);
    assert_int_equal(movement, stock->movements);
}

static int64_t held_by_orders(struct harness *h, const struct stock_row *stock)
{
    void *rows;
    size_t count =
        harness_rows(h, &allocation_table, COLUMN_SKU_OF_ALLOCATION, value_text(stock->sku), &rows);
    int64_t sum = 0;
    for (size_t i = 0; i < count; i++) {
        const struct allocation_row *row = (const struct allocation_row *)rows + i;
        if (bytes_equal(row->warehouse, stock->warehouse))
            sum += row->reserved;
    }
    return sum;
}

static void check_waiting(struct harness *h, struct bytes sku)
{
    void *found;
    size_t count = harness_rows(h, &backorder_table, BACKORDER_SKU, value_text(sku), &found);
    const struct backorder_row *queue = found;
    size_t allocation_count =
        harness_rows(h, &allocation_table, COLUMN_SKU_OF_ALLOCATION, value_text(sku), &found);
    const struct allocation_row *allocations = found;
    int64_t queued = 0;
    for (size_t i = 0; i < count; i++)
        queued += queue[i].quantity;
    int64_t agreed = 0;
    for (size_t i = 0; i < allocation_count; i++)
        agreed += allocations[i].backordered;
    assert_int_equal(queued, agreed);
    size_t stock_count = harness_rows(h, &stock_table, STOCK_SKU, value_text(sku), &found);
    const struct stock_row *stock = found;
    int64_t counted = 0;
    int64_t available = 0;
    for (size_t i = 0; i < stock_count; i++) {
        counted += stock[i].backordered;
        if (!bytes_is(stock[i].warehouse, INVENTORY_AUTO_WAREHOUSE))
            available += stock_available(&stock[i]);
    }
    assert_int_equal(queued, counted);
    assert_true(queued == 0 || available == 0);
}

void desk_check(struct harness *h, const char *const *skus, size_t sku_count)
{
    harness_run(h);
    for (size_t i = 0; i < sku_count; i++) {
        void *found;
        size_t count = harness_rows(h, &stock_table, STOCK_SKU, value_text(bytes_str(skus[i])), &found);
        const struct stock_row *stock = found;
        for (size_t j = 0; j < count; j++) {
            check_ledger(h, &stock[j]);
            assert_int_equal(held_by_orders(h, &stock[j]), stock[j].reserved);
        }
        check_waiting(h, bytes_str(skus[i]));
    }
}
