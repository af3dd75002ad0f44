// Descriptors of the tables that every lane has in its service's schema. Their migrations are in lane/sql; the checks and
// columns here and there say the same, and the store's tests compare them.
//
// Every row here belongs to one slot, and a slot has one writing lane (the fence), so none needs a lock of its own:
// TABLE_REFERENCE saves the row locks and their log records.
#include "lane/store.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static bool one_of(struct bytes text, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (bytes_is(text, names[i]))
            return true;
    }
    return false;
}

static const char *key_state_check(const void *row)
{
    static const char *const holds[] = {"GAP", "UNKNOWN", "REJECTED", "PAUSED"};
    const struct key_state_row *r = row;
    if (r->slot < 0)
        return "key_state_slot";
    if (r->held.data != NULL && !one_of(r->held, holds, COUNT(holds)))
        return "key_state_held";
    if (r->held_next < 0)
        return "key_state_held_next";
    return NULL;
}

static const struct column key_state_columns[] = {
    COLUMN(struct key_state_row, key, COLUMN_TEXT, false),
    COLUMN(struct key_state_row, slot, COLUMN_I32, false),
    COLUMN(struct key_state_row, read, COLUMN_TEXT, true),
    COLUMN(struct key_state_row, written, COLUMN_TEXT, true),
    COLUMN(struct key_state_row, recent, COLUMN_TEXT, true),
    COLUMN(struct key_state_row, held, COLUMN_TEXT, true),
    COLUMN(struct key_state_row, held_detail, COLUMN_TEXT, true),
    COLUMN(struct key_state_row, held_since, COLUMN_INSTANT, true),
    COLUMN(struct key_state_row, held_next, COLUMN_I64, false),
    COLUMN(struct key_state_row, service_due, COLUMN_INSTANT, true),
    COLUMN(struct key_state_row, due, COLUMN_INSTANT, true),
};
const struct table key_state_table = {
    .name = "key_state",
    .kind = TABLE_REFERENCE,
    .row_size = sizeof(struct key_state_row),
    .columns = key_state_columns,
    .column_count = COUNT(key_state_columns),
    .key_count = 1,
    .check = key_state_check,
};

static const struct column seen_columns[] = {
    COLUMN(struct seen_row, id, COLUMN_UUID, false),
    COLUMN(struct seen_row, key, COLUMN_TEXT, false),
    COLUMN(struct seen_row, at, COLUMN_INSTANT, false),
};
const struct table seen_table = {
    .name = "seen",
    .kind = TABLE_REFERENCE,
    .row_size = sizeof(struct seen_row),
    .columns = seen_columns,
    .column_count = COUNT(seen_columns),
    .key_count = 1,
};

static const char *held_check(const void *row)
{
    const struct held_row *r = row;
    if (r->ordinal < 0)
        return "held_ordinal";
    if (r->topic <= 0)
        return "held_topic";
    if (r->partition < 0)
        return "held_partition";
    return NULL;
}

static const struct column held_columns[] = {
    COLUMN(struct held_row, key, COLUMN_TEXT, false),
    COLUMN(struct held_row, ordinal, COLUMN_I64, false),
    COLUMN(struct held_row, topic, COLUMN_I32, false),
    COLUMN(struct held_row, partition, COLUMN_I32, false),
    COLUMN(struct held_row, record_offset, COLUMN_I64, false),
    COLUMN(struct held_row, event_id, COLUMN_TEXT, true),
    COLUMN(struct held_row, value, COLUMN_BYTES, true),
    COLUMN(struct held_row, reason, COLUMN_TEXT, true),
    COLUMN(struct held_row, at, COLUMN_INSTANT, false),
};
const struct table held_table = {
    .name = "held",
    .kind = TABLE_REFERENCE,
    .row_size = sizeof(struct held_row),
    .columns = held_columns,
    .column_count = COUNT(held_columns),
    .key_count = 2,
    .check = held_check,
};

static const char *effect_check(const void *row)
{
    const struct effect_row *r = row;
    if (r->slot < 0)
        return "effect_slot";
    if (r->attempt < 0)
        return "effect_attempt";
    return NULL;
}

static const struct column effect_columns[] = {
    COLUMN(struct effect_row, id, COLUMN_UUID, false),
    COLUMN(struct effect_row, slot, COLUMN_I32, false),
    COLUMN(struct effect_row, key, COLUMN_TEXT, false),
    COLUMN(struct effect_row, target, COLUMN_TEXT, false),
    COLUMN(struct effect_row, attempt, COLUMN_I32, false),
    COLUMN(struct effect_row, due, COLUMN_INSTANT, false),
    COLUMN(struct effect_row, created_at, COLUMN_INSTANT, false),
    COLUMN(struct effect_row, request, COLUMN_BYTES, false),
    COLUMN(struct effect_row, causation_id, COLUMN_TEXT, true),
};
const struct table effect_table = {
    .name = "effect",
    .kind = TABLE_REFERENCE,
    .row_size = sizeof(struct effect_row),
    .columns = effect_columns,
    .column_count = COUNT(effect_columns),
    .key_count = 1,
    .check = effect_check,
};

static const char *outbox_check(const void *row)
{
    const struct outbox_table_row *r = row;
    if (r->slot < 0)
        return "outbox_slot";
    if (r->batch_no <= 0)
        return "outbox_batch_no";
    return NULL;
}

static const struct column outbox_columns[] = {
    COLUMN(struct outbox_table_row, slot, COLUMN_I32, false),
    COLUMN(struct outbox_table_row, batch_no, COLUMN_I64, false),
    COLUMN(struct outbox_table_row, created_at, COLUMN_INSTANT, false),
    COLUMN(struct outbox_table_row, records, COLUMN_BYTES, false),
};
const struct table outbox_table = {
    .name = "outbox",
    .kind = TABLE_APPEND,
    .row_size = sizeof(struct outbox_table_row),
    .columns = outbox_columns,
    .column_count = COUNT(outbox_columns),
    .key_count = 3,
    .check = outbox_check,
};
