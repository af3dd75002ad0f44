// Master data as inventory needs it: which products may be reserved, what stands in for them, who ships by itself.
#include "inventory/inventory.h"

#include <string.h>

bool inventory_is_substitute(const Orderclerk__V1__Product *product, size_t i)
{
    const char *sku = product->substitutes[i];
    return i < INVENTORY_SUBSTITUTES_MAX && sku[0] != '\0' && strlen(sku) <= INVENTORY_CODE_MAX &&
           strcmp(sku, product->sku) != 0;
}

static struct err check_code(const char *field, const char *code)
{
    if (code[0] == '\0')
        return err_make(ERR_REJECT, "%s: missing", field);
    if (strlen(code) > INVENTORY_CODE_MAX) {
        return err_make(ERR_REJECT, "%s: longer than %d bytes", field, INVENTORY_CODE_MAX);
    }
    return err_ok();
}

// The product's own list: rows are added and switched, never deleted.
static void list_substitutes(struct turn *turn, const Orderclerk__V1__Product *product)
{
    struct bytes for_sku = bytes_str(product->sku);
    struct substitute_row *row = NULL;
    while ((row = batch_next(turn->batch, &substitute_table, SUBSTITUTE_FOR, value_text(for_sku), row)) !=
           NULL) {
        batch_touch(turn->batch, row);
        row->offered = false;
        row->position = -1; // not in the list
    }
    for (size_t i = 0; i < product->n_substitutes; i++) {
        if (!inventory_is_substitute(product, i))
            continue;
        struct bytes sku = bytes_str(product->substitutes[i]);
        const struct product_row *other = turn_product(turn, sku);
        struct substitute_row fresh = {
            .for_sku = for_sku,
            .sku = sku,
            .position = (int32_t)i,
            // One that isn't known yet may be on its way in another slot at this moment; the
            // validator judges what a customer chooses.
            .offered = other == NULL || !other->retired,
            .name = other != NULL ? other->name : sku,
            .available = stock_round_down(turn_available(turn, sku))};
        row = batch_find(turn->batch, &substitute_table, &fresh);
        if (row == NULL) {
            batch_put(turn->batch, &substitute_table, &fresh);
        } else {
            batch_touch(turn->batch, row);
            *row = fresh;
        }
    }
}

// The lists in which this product stands.
static void update_lists(struct turn *turn, const struct product_row *product)
{
    struct substitute_row *row = NULL;
    const struct value sku = value_text(product->sku);
    while ((row = batch_next(turn->batch, &substitute_table, SUBSTITUTE_SKU, sku, row)) != NULL) {
        batch_touch(turn->batch, row);
        row->name = product->name;
        row->offered = !product->retired && row->position >= 0;
    }
}

struct err inventory_decide_product(struct batch *batch, const struct input *in)
{
    const Orderclerk__V1__Product *product = (const void *)in->message;
    struct err e = check_code("sku", product->sku);
    if (err_is(&e))
        return e;
    struct product_row row = {
        .sku = bytes_str(product->sku),
        .name = bytes_str(product->name_en[0] != '\0' ? product->name_en : product->name_zh),
        .retired = product->retired,
        .no_picking = product->no_picking,
        .version = (int64_t)product->saga_revision,
    };
    struct product_row *kept = batch_find(batch, &inventory_product_table, &row);
    if (kept != NULL && kept->version >= row.version)
        return err_ok();
    if (kept == NULL) {
        kept = batch_put(batch, &inventory_product_table, &row);
    } else {
        batch_touch(batch, kept);
        *kept = row;
    }
    struct turn turn = turn_begin(batch, in);
    list_substitutes(&turn, product);
    update_lists(&turn, kept);
    return err_ok();
}

struct err inventory_decide_warehouse(struct batch *batch, const struct input *in)
{
    const Orderclerk__V1__Warehouse *warehouse = (const void *)in->message;
    struct err e = check_code("warehouse", warehouse->warehouse);
    if (err_is(&e))
        return e;
    struct warehouse_row row = {.warehouse = bytes_str(warehouse->warehouse),
                                .adapter = bytes_str(warehouse->adapter),
                                .version = (int64_t)warehouse->saga_revision};
    struct warehouse_row *kept = batch_find(batch, &warehouse_table, &row);
    if (kept == NULL) {
        batch_put(batch, &warehouse_table, &row);
    } else if (kept->version < row.version) {
        batch_touch(batch, kept);
        *kept = row;
    }
    return err_ok();
}
