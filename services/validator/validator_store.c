// The validator's tables as the lane sees them.
#include "validator/validator_store.h"

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

static const struct column product_columns[] = {
    COLUMN(struct product_row, sku, COLUMN_TEXT, false),
    COLUMN(struct product_row, gtin, COLUMN_TEXT, true),
    COLUMN(struct product_row, version, COLUMN_I64, false),
    COLUMN(struct product_row, record, COLUMN_BYTES, false),
};
const struct table product_table = {
    .name = "product",
    .kind = TABLE_REFERENCE,
    .row_size = sizeof(struct product_row),
    .columns = product_columns,
    .column_count = COUNT_OF(product_columns),
    .key_count = 1,
};

static const struct column product_key_columns[] = {
    COLUMN(struct product_key_row, key, COLUMN_TEXT, false),
    COLUMN(struct product_key_row, sku, COLUMN_TEXT, false),
    COLUMN(struct product_key_row, retired, COLUMN_BOOL, false),
};
const struct table product_key_table = {
    .name = "product_key",
    .kind = TABLE_REFERENCE,
    .row_size = sizeof(struct product_key_row),
    .columns = product_key_columns,
    .column_count = COUNT_OF(product_key_columns),
    .key_count = 2,
};

static const struct column customer_columns[] = {
    COLUMN(struct customer_row, customer_id, COLUMN_TEXT, false),
    COLUMN(struct customer_row, company, COLUMN_TEXT, true),
    COLUMN(struct customer_row, version, COLUMN_I64, false),
    COLUMN(struct customer_row, record, COLUMN_BYTES, false),
};
const struct table customer_table = {
    .name = "customer",
    .kind = TABLE_REFERENCE,
    .row_size = sizeof(struct customer_row),
    .columns = customer_columns,
    .column_count = COUNT_OF(customer_columns),
    .key_count = 1,
};

static const struct column price_columns[] = {
    COLUMN(struct price_row, price_list, COLUMN_TEXT, false),
    COLUMN(struct price_row, sku, COLUMN_TEXT, false),
    COLUMN(struct price_row, version, COLUMN_I64, false),
    COLUMN(struct price_row, record, COLUMN_BYTES, false),
};
const struct table price_table = {
    .name = "price",
    .kind = TABLE_REFERENCE,
    .row_size = sizeof(struct price_row),
    .columns = price_columns,
    .column_count = COUNT_OF(price_columns),
    .key_count = 2,
};

static const struct column calendar_columns[] = {
    COLUMN(struct calendar_row, calendar_id, COLUMN_TEXT, false),
    COLUMN(struct calendar_row, version, COLUMN_I64, false),
    COLUMN(struct calendar_row, record, COLUMN_BYTES, false),
};
const struct table calendar_table = {
    .name = "calendar",
    .kind = TABLE_REFERENCE,
    .row_size = sizeof(struct calendar_row),
    .columns = calendar_columns,
    .column_count = COUNT_OF(calendar_columns),
    .key_count = 1,
};
