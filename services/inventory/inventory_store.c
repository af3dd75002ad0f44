// Inventory's tables as the lane sees them. The checks are those of sql/.
#include "inventory/inventory_store.h"

#include "base/mutant.h"

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

static const struct column stock_columns[] = {
    COLUMN(struct stock_row, sku, COLUMN_TEXT, false),
    COLUMN(struct stock_row, warehouse, COLUMN_TEXT, false),
    COLUMN(struct stock_row, on_hand, COLUMN_I64, false),
    COLUMN(struct stock_row, reserved, COLUMN_I64, false),
    COLUMN(struct stock_row, backordered, COLUMN_I64, false),
    COLUMN(struct stock_row, safety, COLUMN_I64, false),
    COLUMN(struct stock_row, damaged, COLUMN_I64, false),
    COLUMN(struct stock_row, qc_hold, COLUMN_I64, false),
    COLUMN(struct stock_row, missing, COLUMN_I64, false),
    COLUMN(struct stock_row, incoming, COLUMN_I64, false),
    COLUMN(struct stock_row, incoming_date, COLUMN_TEXT, true),
    COLUMN(struct stock_row, counted_as_of, COLUMN_INSTANT, true),
    COLUMN(struct stock_row, moved_at, COLUMN_INSTANT, true),
    COLUMN(struct stock_row, movements, COLUMN_I64, false),
    COLUMN(struct stock_row, version, COLUMN_I64, false),
};

static const char *stock_check(const void *row)
{
    const struct stock_row *s = row;
    if (s->on_hand < 0)
        return "stock_on_hand_check";
    if (s->reserved < 0)
        return "stock_reserved_check";
    if (s->backordered < 0)
        return "stock_backordered_check";
    if (s->safety < 0)
        return "stock_safety_check";
    if (s->damaged < 0)
        return "stock_damaged_check";
    if (s->qc_hold < 0)
        return "stock_qc_hold_check";
    if (s->missing < 0)
        return "stock_missing_check";
    if (s->incoming < 0)
        return "stock_incoming_check";
    if (s->reserved > s->on_hand - s->damaged - s->qc_hold)
        return "stock_covered_check";
    if (s->movements < 0 || s->version < 1)
        return "stock_version_check";
    return NULL;
}

const struct table stock_table = {
    .name = "stock",
    .kind = MUTANT(stock_unlocked) ? TABLE_REFERENCE : TABLE_ROWS,
    .row_size = sizeof(struct stock_row),
    .columns = stock_columns,
    .column_count = COUNT_OF(stock_columns),
    .key_count = 2,
    .check = stock_check,
};

static const struct column allocation_columns[] = {
    COLUMN(struct allocation_row, order_id, COLUMN_UUID, false),
    COLUMN(struct allocation_row, line_no, COLUMN_I32, false),
    COLUMN(struct allocation_row, sku, COLUMN_TEXT, false),
    COLUMN(struct allocation_row, warehouse, COLUMN_TEXT, false),
    COLUMN(struct allocation_row, reserved, COLUMN_I64, false),
    COLUMN(struct allocation_row, backordered, COLUMN_I64, false),
    COLUMN(struct allocation_row, consumed, COLUMN_I64, false),
    COLUMN(struct allocation_row, released, COLUMN_I64, false),
    COLUMN(struct allocation_row, priority, COLUMN_I32, false),
    COLUMN(struct allocation_row, promised_date, COLUMN_TEXT, true),
    COLUMN(struct allocation_row, backordered_at, COLUMN_INSTANT, true),
    COLUMN(struct allocation_row, made, COLUMN_BOOL, false),
};

static const char *allocation_check(const void *row)
{
    const struct allocation_row *a = row;
    if (a->reserved < 0 || a->backordered < 0 || a->consumed < 0 || a->released < 0)
        return "allocation_quantity_check";
    if (a->backordered > 0 && a->backordered_at == INSTANT_NONE)
        return "allocation_backordered_check";
    return NULL;
}

const struct table allocation_table = {
    .name = "allocation",
    .kind = TABLE_ROWS,
    .row_size = sizeof(struct allocation_row),
    .columns = allocation_columns,
    .column_count = COUNT_OF(allocation_columns),
    .key_count = 4,
    .check = allocation_check,
};

static const struct column backorder_columns[] = {
    COLUMN(struct backorder_row, sku, COLUMN_TEXT, false),
    COLUMN(struct backorder_row, order_id, COLUMN_UUID, false),
    COLUMN(struct backorder_row, line_no, COLUMN_I32, false),
    COLUMN(struct backorder_row, warehouse, COLUMN_TEXT, false),
    COLUMN(struct backorder_row, quantity, COLUMN_I64, false),
    COLUMN(struct backorder_row, priority, COLUMN_I32, false),
    COLUMN(struct backorder_row, promised_date, COLUMN_TEXT, true),
    COLUMN(struct backorder_row, since, COLUMN_INSTANT, false),
};

static const char *backorder_check(const void *row)
{
    return ((const struct backorder_row *)row)->quantity > 0 ? NULL : "backorder_quantity_check";
}

const struct table backorder_table = {
    .name = "backorder",
    .kind = TABLE_ROWS,
    .row_size = sizeof(struct backorder_row),
    .columns = backorder_columns,
    .column_count = COUNT_OF(backorder_columns),
    .key_count = 3,
    .check = backorder_check,
};

static const struct column substitute_columns[] = {
    COLUMN(struct substitute_row, for_sku, COLUMN_TEXT, false),
    COLUMN(struct substitute_row, sku, COLUMN_TEXT, false),
    COLUMN(struct substitute_row, position, COLUMN_I32, false),
    COLUMN(struct substitute_row, offered, COLUMN_BOOL, false),
    COLUMN(struct substitute_row, name, COLUMN_TEXT, false),
    COLUMN(struct substitute_row, available, COLUMN_I64, false),
};

static const char *substitute_check(const void *row)
{
    return ((const struct substitute_row *)row)->available >= 0 ? NULL : "substitute_available_check";
}

const struct table substitute_table = {
    .name = "substitute",
    .kind = TABLE_REFERENCE,
    .row_size = sizeof(struct substitute_row),
    .columns = substitute_columns,
    .column_count = COUNT_OF(substitute_columns),
    .key_count = 2,
    .check = substitute_check,
};

static const struct column ledger_columns[] = {
    COLUMN(struct ledger_row, id, COLUMN_UUID, false),
    COLUMN(struct ledger_row, sku, COLUMN_TEXT, false),
    COLUMN(struct ledger_row, warehouse, COLUMN_TEXT, false),
    COLUMN(struct ledger_row, movement, COLUMN_I64, false),
    COLUMN(struct ledger_row, order_id, COLUMN_UUID, true),
    COLUMN(struct ledger_row, line_no, COLUMN_I32, false),
    COLUMN(struct ledger_row, kind, COLUMN_TEXT, false),
    COLUMN(struct ledger_row, quantity, COLUMN_I64, false),
    COLUMN(struct ledger_row, on_hand_change, COLUMN_I64, false),
    COLUMN(struct ledger_row, reserved_change, COLUMN_I64, false),
    COLUMN(struct ledger_row, on_hand_after, COLUMN_I64, false),
    COLUMN(struct ledger_row, reserved_after, COLUMN_I64, false),
    COLUMN(struct ledger_row, at, COLUMN_INSTANT, false),
    COLUMN(struct ledger_row, causation, COLUMN_UUID, false),
    COLUMN(struct ledger_row, period, COLUMN_TEXT, true),
    COLUMN(struct ledger_row, actor, COLUMN_TEXT, true),
    COLUMN(struct ledger_row, reason, COLUMN_TEXT, true),
};

static const char *ledger_check(const void *row)
{
    const struct ledger_row *l = row;
    if (l->quantity < 0)
        return "stock_ledger_quantity_check";
    if (l->on_hand_after < 0 || l->reserved_after < 0 || l->reserved_after > l->on_hand_after)
        return "stock_ledger_after_check";
    if (bytes_is(l->kind, "RECONCILE") && (l->actor.data == NULL || l->reason.data == NULL))
        return "stock_ledger_reconcile_check";
    return NULL;
}

// Not TABLE_APPEND: a count looks back at what came and went after its time. Rows are never changed.
const struct table ledger_table = {
    .name = "stock_ledger",
    .kind = TABLE_REFERENCE,
    .row_size = sizeof(struct ledger_row),
    .columns = ledger_columns,
    .column_count = COUNT_OF(ledger_columns),
    .key_count = 1,
    .check = ledger_check,
};
_Static_assert(COUNT_OF(ledger_columns) == LEDGER_PERIOD + 3, "two columns follow LEDGER_PERIOD");

static const struct column shipment_columns[] = {
    COLUMN(struct shipment_row, shipment_id, COLUMN_TEXT, false),
    COLUMN(struct shipment_row, order_id, COLUMN_UUID, false),
    COLUMN(struct shipment_row, at, COLUMN_INSTANT, false),
};

const struct table inventory_shipment_table = {
    .name = "consumed_shipment",
    .kind = TABLE_REFERENCE,
    .row_size = sizeof(struct shipment_row),
    .columns = shipment_columns,
    .column_count = COUNT_OF(shipment_columns),
    .key_count = 1,
};

static const struct column product_columns[] = {
    COLUMN(struct product_row, sku, COLUMN_TEXT, false),
    COLUMN(struct product_row, name, COLUMN_TEXT, false),
    COLUMN(struct product_row, retired, COLUMN_BOOL, false),
    COLUMN(struct product_row, no_picking, COLUMN_BOOL, false),
    COLUMN(struct product_row, version, COLUMN_I64, false),
};

const struct table inventory_product_table = {
    .name = "product_ref",
    .kind = TABLE_REFERENCE,
    .row_size = sizeof(struct product_row),
    .columns = product_columns,
    .column_count = COUNT_OF(product_columns),
    .key_count = 1,
};

static const struct column warehouse_columns[] = {
    COLUMN(struct warehouse_row, warehouse, COLUMN_TEXT, false),
    COLUMN(struct warehouse_row, adapter, COLUMN_TEXT, false),
    COLUMN(struct warehouse_row, version, COLUMN_I64, false),
};

const struct table warehouse_table = {
    .name = "warehouse_ref",
    .kind = TABLE_REFERENCE,
    .row_size = sizeof(struct warehouse_row),
    .columns = warehouse_columns,
    .column_count = COUNT_OF(warehouse_columns),
    .key_count = 1,
};
