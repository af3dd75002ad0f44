// Descriptors of the desk's tables; sql/001_desk.sql says the same.
#include "desk/desk_store.h"

// Every row is written by the lane of its key's slot alone: no locks are needed.

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

static const struct column order_columns[] = {
    COLUMN(struct order_row, order_id, COLUMN_UUID, false),
    COLUMN(struct order_row, revision, COLUMN_I64, false),
    COLUMN(struct order_row, order_no, COLUMN_TEXT, true),
    COLUMN(struct order_row, state, COLUMN_TEXT, false),
    COLUMN(struct order_row, waiting_on, COLUMN_TEXT, true),
    COLUMN(struct order_row, reason, COLUMN_TEXT, true),
    COLUMN(struct order_row, definition, COLUMN_TEXT, true),
    COLUMN(struct order_row, channel, COLUMN_TEXT, false),
    COLUMN(struct order_row, channel_ref, COLUMN_TEXT, true),
    COLUMN(struct order_row, customer_po, COLUMN_TEXT, true),
    COLUMN(struct order_row, customer_id, COLUMN_TEXT, true),
    COLUMN(struct order_row, company, COLUMN_TEXT, true),
    COLUMN(struct order_row, phone, COLUMN_TEXT, true),
    COLUMN(struct order_row, email, COLUMN_TEXT, true),
    COLUMN(struct order_row, currency, COLUMN_TEXT, true),
    COLUMN(struct order_row, total_minor, COLUMN_I64, false),
    COLUMN(struct order_row, due, COLUMN_INSTANT, true),
    COLUMN(struct order_row, state_since, COLUMN_INSTANT, false),
    COLUMN(struct order_row, submitted_at, COLUMN_INSTANT, false),
    COLUMN(struct order_row, updated_at, COLUMN_INSTANT, false),
    COLUMN(struct order_row, doc, COLUMN_BYTES, false),
};
static const size_t order_no_columns[] = {2};
static bool has_order_no(const void *row)
{
    return ((const struct order_row *)row)->order_no.data != NULL;
}
static const struct unique order_uniques[] = {
    {.name = "order_row_order_no", .columns = order_no_columns, .column_count = 1, .where = has_order_no}};
const struct table order_row_table = {.name = "order_row",
                                      .kind = TABLE_REFERENCE,
                                      .row_size = sizeof(struct order_row),
                                      .columns = order_columns,
                                      .column_count = COUNT_OF(order_columns),
                                      .key_count = 1,
                                      .uniques = order_uniques,
                                      .unique_count = 1};

static const struct column order_product_columns[] = {
    COLUMN(struct order_product_row, order_id, COLUMN_UUID, false),
    COLUMN(struct order_product_row, product, COLUMN_TEXT, false),
};
const struct table order_product_table = {.name = "order_product",
                                          .kind = TABLE_REFERENCE,
                                          .row_size = sizeof(struct order_product_row),
                                          .columns = order_product_columns,
                                          .column_count = COUNT_OF(order_product_columns),
                                          .key_count = 2};

static const char *timeline_part_check(const void *row)
{
    return ((const struct timeline_part_row *)row)->records > 0 ? NULL : "timeline_part_records";
}

static const struct column timeline_part_columns[] = {
    COLUMN(struct timeline_part_row, order_id, COLUMN_UUID, false),
    COLUMN(struct timeline_part_row, topic, COLUMN_I32, false),
    COLUMN(struct timeline_part_row, sequence, COLUMN_I64, false),
    COLUMN(struct timeline_part_row, last, COLUMN_I64, false),
    COLUMN(struct timeline_part_row, records, COLUMN_I32, false),
    COLUMN(struct timeline_part_row, part, COLUMN_BYTES, false),
};
const struct table timeline_part_table = {.name = "timeline_part",
                                          .kind = TABLE_REFERENCE,
                                          .row_size = sizeof(struct timeline_part_row),
                                          .columns = timeline_part_columns,
                                          .column_count = COUNT_OF(timeline_part_columns),
                                          .key_count = 3,
                                          .check = timeline_part_check};

static const struct column task_columns[] = {
    COLUMN(struct task_row, order_id, COLUMN_UUID, false),
    COLUMN(struct task_row, task_id, COLUMN_TEXT, false),
    COLUMN(struct task_row, owner, COLUMN_TEXT, false),
    COLUMN(struct task_row, kind, COLUMN_TEXT, false),
    COLUMN(struct task_row, text_en, COLUMN_TEXT, true),
    COLUMN(struct task_row, text_zh, COLUMN_TEXT, true),
    COLUMN(struct task_row, since, COLUMN_INSTANT, false),
    COLUMN(struct task_row, due, COLUMN_INSTANT, true),
    COLUMN(struct task_row, closed, COLUMN_INSTANT, true),
    COLUMN(struct task_row, outcome, COLUMN_TEXT, true),
};
const struct table task_table = {.name = "task",
                                 .kind = TABLE_REFERENCE,
                                 .row_size = sizeof(struct task_row),
                                 .columns = task_columns,
                                 .column_count = COUNT_OF(task_columns),
                                 .key_count = 2};

static const struct column stock_level_columns[] = {
    COLUMN(struct stock_level_row, key, COLUMN_TEXT, false),
    COLUMN(struct stock_level_row, sku, COLUMN_TEXT, false),
    COLUMN(struct stock_level_row, warehouse, COLUMN_TEXT, false),
    COLUMN(struct stock_level_row, version, COLUMN_I64, false),
    COLUMN(struct stock_level_row, on_hand, COLUMN_I64, false),
    COLUMN(struct stock_level_row, reserved, COLUMN_I64, false),
    COLUMN(struct stock_level_row, backordered, COLUMN_I64, false),
    COLUMN(struct stock_level_row, safety, COLUMN_I64, false),
    COLUMN(struct stock_level_row, damaged, COLUMN_I64, false),
    COLUMN(struct stock_level_row, qc_hold, COLUMN_I64, false),
    COLUMN(struct stock_level_row, incoming, COLUMN_I64, false),
    COLUMN(struct stock_level_row, incoming_date, COLUMN_TEXT, true),
    COLUMN(struct stock_level_row, updated_at, COLUMN_INSTANT, false),
};
const struct table stock_level_table = {.name = "stock_level",
                                        .kind = TABLE_REFERENCE,
                                        .row_size = sizeof(struct stock_level_row),
                                        .columns = stock_level_columns,
                                        .column_count = COUNT_OF(stock_level_columns),
                                        .key_count = 1};

static const struct column dead_letter_columns[] = {
    COLUMN(struct dead_letter_row, id, COLUMN_UUID, false),
    COLUMN(struct dead_letter_row, service, COLUMN_TEXT, false),
    COLUMN(struct dead_letter_row, topic, COLUMN_TEXT, false),
    COLUMN(struct dead_letter_row, record_partition, COLUMN_I32, false),
    COLUMN(struct dead_letter_row, record_offset, COLUMN_I64, false),
    COLUMN(struct dead_letter_row, key, COLUMN_TEXT, false),
    COLUMN(struct dead_letter_row, reason, COLUMN_TEXT, false),
    COLUMN(struct dead_letter_row, detail, COLUMN_TEXT, true),
    COLUMN(struct dead_letter_row, state, COLUMN_TEXT, true),
    COLUMN(struct dead_letter_row, record_event_id, COLUMN_TEXT, true),
    COLUMN(struct dead_letter_row, held, COLUMN_BOOL, false),
    COLUMN(struct dead_letter_row, settled, COLUMN_BOOL, false),
    COLUMN(struct dead_letter_row, at, COLUMN_INSTANT, false),
    COLUMN(struct dead_letter_row, value, COLUMN_BYTES, false),
};
const struct table dead_letter_table = {.name = "dead_letter",
                                        .kind = TABLE_REFERENCE,
                                        .row_size = sizeof(struct dead_letter_row),
                                        .columns = dead_letter_columns,
                                        .column_count = COUNT_OF(dead_letter_columns),
                                        .key_count = 1};
