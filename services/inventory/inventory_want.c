// Which rows an input may need, all named by the input itself: one round of loading, and all locks of stock rows in one
// sorted statement. Commands name their products; what an order holds of others is given back by a message that names them.
// The queue and the substitutes are read after the stock rows' locks are held (the lane asks in the order in which tables
// are first wanted), so that what was changed under those locks is seen.
#include "inventory/inventory.h"

#include "inventory/inventory_order.h"

static void want_sku(struct batch *batch, const char *name)
{
    if (name[0] == '\0')
        return;
    struct value sku = value_text(bytes_str(name));
    batch_want(batch, &inventory_product_table, PRODUCT_SKU, sku);
    batch_want(batch, &stock_table, STOCK_SKU, sku);
    batch_want(batch, &backorder_table, BACKORDER_SKU, sku);
    batch_want(batch, &substitute_table, SUBSTITUTE_SKU, sku);
}

static void want_command(struct batch *batch, const Orderclerk__V1__InventoryCommand *command)
{
    switch (command->body_case) {
    case ORDERCLERK__V1__INVENTORY_COMMAND__BODY_RESERVE:
        for (size_t i = 0; i < command->reserve->n_lines && i < INVENTORY_LINES_MAX; i++) {
            const char *sku = command->reserve->lines[i]->sku;
            want_sku(batch, sku);
            batch_want(batch, &substitute_table, SUBSTITUTE_FOR, value_text(bytes_str(sku)));
        }
        break;
    case ORDERCLERK__V1__INVENTORY_COMMAND__BODY_RELEASE:
        for (size_t i = 0; i < command->release->n_skus && i < INVENTORY_LINES_MAX; i++)
            want_sku(batch, command->release->skus[i]);
        break;
    case ORDERCLERK__V1__INVENTORY_COMMAND__BODY_CONSUME:
        batch_want(batch, &inventory_shipment_table, SHIPMENT_ID,
                   value_text(bytes_str(command->consume->shipment_id)));
        for (size_t i = 0; i < command->consume->n_lines && i < INVENTORY_LINES_MAX; i++)
            want_sku(batch, command->consume->lines[i]->sku);
        break;
    case ORDERCLERK__V1__INVENTORY_COMMAND__BODY_RECEIVE:
        want_sku(batch, command->receive->sku);
        break;
    case ORDERCLERK__V1__INVENTORY_COMMAND__BODY__NOT_SET:
    case _ORDERCLERK__V1__INVENTORY_COMMAND__BODY__CASE_IS_INT_SIZE:
    default:
        break;
    }
}

static void want_count(struct batch *batch, const Orderclerk__V1__CountDue *due)
{
    want_sku(batch, due->sku);
    int64_t first;
    int64_t last;
    inventory_count_periods(due, &first, &last);
    for (int64_t period = first; period <= last; period++) {
        struct bytes name =
            stock_period(batch_arena(batch), bytes_str(due->sku), bytes_str(due->warehouse), period);
        batch_want(batch, &ledger_table, LEDGER_PERIOD, value_text(name));
    }
}

static void want_internal(struct batch *batch, const Orderclerk__V1__InventoryInternal *message)
{
    switch (message->body_case) {
    case ORDERCLERK__V1__INVENTORY_INTERNAL__BODY_GRANTED:
        want_sku(batch, message->granted->sku);
        break;
    case ORDERCLERK__V1__INVENTORY_INTERNAL__BODY_RETURNED:
        want_sku(batch, message->returned->sku);
        break;
    case ORDERCLERK__V1__INVENTORY_INTERNAL__BODY_COUNT_DUE:
        want_count(batch, message->count_due);
        break;
    case ORDERCLERK__V1__INVENTORY_INTERNAL__BODY__NOT_SET:
    case _ORDERCLERK__V1__INVENTORY_INTERNAL__BODY__CASE_IS_INT_SIZE:
    default:
        break;
    }
}

// Its stock too: whoever writes a substitute's row holds the locks of the substitute's stock.
static void want_product(struct batch *batch, const Orderclerk__V1__Product *product)
{
    want_sku(batch, product->sku);
    batch_want(batch, &substitute_table, SUBSTITUTE_FOR, value_text(bytes_str(product->sku)));
    for (size_t i = 0; i < product->n_substitutes; i++) {
        if (inventory_is_substitute(product, i))
            want_sku(batch, product->substitutes[i]);
    }
}

void inventory_want(struct batch *batch, const struct input *in)
{
    if (in->kind != INPUT_MESSAGE)
        return;
    const void *message = in->message;
    if (in->topic == TOPIC_REFERENCE_WAREHOUSES) {
        const Orderclerk__V1__Warehouse *warehouse = message;
        batch_want(batch, &warehouse_table, WAREHOUSE_KEY, value_text(bytes_str(warehouse->warehouse)));
        return;
    }
    if (in->topic == TOPIC_CONTROL) {
        batch_want(batch, &stock_table, STOCK_SKU, value_text(inventory_level_sku(in->key)));
        return;
    }
    batch_want(batch, &warehouse_table, WAREHOUSE_ADAPTER, value_text(bytes_str(INVENTORY_AUTO_ADAPTER)));
    struct uuid order_id;
    if (uuid_parse(in->key, &order_id)) {
        batch_want(batch, &allocation_table, ALLOCATION_ORDER, value_uuid(order_id));
    }
    if (in->topic == TOPIC_COMMANDS_INVENTORY) {
        want_command(batch, message);
    } else if (in->topic == TOPIC_INVENTORY_INTERNAL) {
        want_internal(batch, message);
    } else if (in->topic == TOPIC_STOCK_CHANGES) {
        want_sku(batch, ((const Orderclerk__V1__StockChange *)message)->sku);
    } else if (in->topic == TOPIC_REFERENCE_PRODUCTS) {
        want_product(batch, message);
    }
}
