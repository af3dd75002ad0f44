// Inventory, the whole service at a glance.
#include "inventory/inventory.h"

#include "inventory/inventory_order.h"

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

static const enum topic inputs[] = {TOPIC_COMMANDS_INVENTORY, TOPIC_STOCK_CHANGES, TOPIC_INVENTORY_INTERNAL,
                                    TOPIC_REFERENCE_PRODUCTS, TOPIC_REFERENCE_WAREHOUSES};
static const enum topic outputs[] = {TOPIC_INVENTORY_EVENTS, TOPIC_STOCK_LEVELS, TOPIC_INVENTORY_INTERNAL};

// In lock order.
static const struct table *const tables[] = {
    &allocation_table, &inventory_shipment_table, &stock_table,    &backorder_table, &ledger_table,
    &substitute_table, &inventory_product_table,  &warehouse_table};

static struct err decide_command(struct batch *batch, const struct input *in)
{
    const Orderclerk__V1__InventoryCommand *command = (const void *)in->message;
    struct turn turn = turn_begin(batch, in);
    if (uuid_is_nil(turn.order_id))
        return err_make(ERR_REJECT, "order_id: must be a UUID");
    switch (command->body_case) {
    case ORDERCLERK__V1__INVENTORY_COMMAND__BODY_RESERVE:
        return order_decide_reserve(&turn, command->reserve);
    case ORDERCLERK__V1__INVENTORY_COMMAND__BODY_RELEASE:
        return order_decide_release(&turn, command->release);
    case ORDERCLERK__V1__INVENTORY_COMMAND__BODY_CONSUME:
        return order_decide_consume(&turn, command->consume);
    case ORDERCLERK__V1__INVENTORY_COMMAND__BODY_RECEIVE:
        return order_decide_receive(&turn, command->receive);
    case ORDERCLERK__V1__INVENTORY_COMMAND__BODY__NOT_SET:
    case _ORDERCLERK__V1__INVENTORY_COMMAND__BODY__CASE_IS_INT_SIZE:
    default:
        return err_make(ERR_REJECT, "body: a command of a kind that isn't known here");
    }
}

static struct err decide_internal(struct batch *batch, const struct input *in)
{
    const Orderclerk__V1__InventoryInternal *message = (const void *)in->message;
    struct turn turn = turn_begin(batch, in);
    switch (message->body_case) {
    case ORDERCLERK__V1__INVENTORY_INTERNAL__BODY_GRANTED:
        return order_decide_granted(&turn, message->granted);
    case ORDERCLERK__V1__INVENTORY_INTERNAL__BODY_RETURNED:
        return order_decide_returned(&turn, message->returned);
    case ORDERCLERK__V1__INVENTORY_INTERNAL__BODY_COUNT_DUE:
        return inventory_decide_count(&turn, message->count_due);
    case ORDERCLERK__V1__INVENTORY_INTERNAL__BODY__NOT_SET:
    case _ORDERCLERK__V1__INVENTORY_INTERNAL__BODY__CASE_IS_INT_SIZE:
    default:
        return err_make(ERR_REJECT, "body: a message of a kind that isn't known here");
    }
}

static struct err decide_change(struct batch *batch, const struct input *in)
{
    struct turn turn = turn_begin(batch, in);
    inventory_decide_change(&turn, (const void *)in->message);
    return err_ok();
}

// The lane hands over only what `inputs` names; its own topics never get here.
static struct err decide(struct batch *batch, const struct input *in)
{
    if (in->kind != INPUT_MESSAGE)
        return err_ok();
    if (in->topic == TOPIC_COMMANDS_INVENTORY)
        return decide_command(batch, in);
    if (in->topic == TOPIC_STOCK_CHANGES)
        return decide_change(batch, in);
    if (in->topic == TOPIC_INVENTORY_INTERNAL)
        return decide_internal(batch, in);
    if (in->topic == TOPIC_REFERENCE_PRODUCTS)
        return inventory_decide_product(batch, in);
    return inventory_decide_warehouse(batch, in);
}

const struct lane_service inventory_lane = {
    .name = "inventory",
    .group = "inventory.v1",
    .inputs = inputs,
    .input_count = COUNT_OF(inputs),
    .outputs = outputs,
    .output_count = COUNT_OF(outputs),
    .tables = tables,
    .table_count = COUNT_OF(tables),
    .want = inventory_want,
    .decide = decide,
    .send_newest = inventory_send_newest,
};
