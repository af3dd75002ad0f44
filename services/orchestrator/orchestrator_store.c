// Descriptors of the orchestrator's tables; sql/001_orchestrator.sql says the same. Every row has one writing slot.
#include "orchestrator/orchestrator_store.h"

#include "lane/lane.h"
#include "orchestrator/saga/saga_table.h"
#include "orderclerk/v1/order_state.pb-c.h"

#include <string.h>

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

enum { TAG_ORDER = 17, TAG_RESOLVED = 18, VARINT_MAX = 5 };

static ProtobufCMessageUnknownField field_of(uint32_t tag, const ProtobufCMessage *message,
                                             struct arena *arena)
{
    size_t size = protobuf_c_message_get_packed_size(message);
    uint8_t *start = arena_alloc(arena, VARINT_MAX + size);
    uint8_t *at = start;
    size_t rest = size;
    for (; rest >= 0x80; rest >>= 7)
        *at++ = (uint8_t)(rest | 0x80);
    *at++ = (uint8_t)rest;
    at += protobuf_c_message_pack(message, at);
    return (ProtobufCMessageUnknownField){.tag = tag,
                                          .wire_type = PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED,
                                          .len = (size_t)(at - start),
                                          .data = start};
}

Orderclerk__V1__OrderState saga_doc_steady_last(const Orderclerk__V1__OrderState *doc, struct arena *arena)
{
    Orderclerk__V1__OrderState copy = *doc;
    unsigned count = doc->base.n_unknown_fields; // of a newer program: they stay
    ProtobufCMessageUnknownField *fields =
        arena_new_array(arena, ProtobufCMessageUnknownField, count + doc->n_resolved + 1);
    if (count > 0)
        memcpy(fields, doc->base.unknown_fields, count * sizeof *fields);
    for (size_t i = 0; i < doc->n_resolved; i++)
        fields[count++] = field_of(TAG_RESOLVED, &doc->resolved[i]->base, arena);
    if (doc->order != NULL)
        fields[count++] = field_of(TAG_ORDER, &doc->order->base, arena);
    copy.n_resolved = 0;
    copy.order = NULL;
    copy.base.unknown_fields = fields;
    copy.base.n_unknown_fields = count;
    return copy;
}

// The columns follow the document.
static void pack(void *row, struct arena *arena)
{
    struct saga_row *r = row;
    const Orderclerk__V1__OrderState *doc = batch_decoded(row);
    if (doc == NULL)
        return;
    const Orderclerk__V1__OrderState ordered = saga_doc_steady_last(doc, arena);
    size_t size = orderclerk__v1__order_state__get_packed_size(&ordered);
    uint8_t *packed = arena_alloc(arena, size);
    orderclerk__v1__order_state__pack(&ordered, packed);
    r->doc = bytes_of(packed, size);
    r->definition = bytes_str(doc->definition);
    r->definition_version = (int32_t)doc->definition_version;
    r->state = bytes_str(doc->state);
    r->revision = (int64_t)doc->saga_revision;
    r->order_no = bytes_or_null(doc->order_no);
    r->waiting_on = bytes_or_null(doc->waiting_on);
    r->state_since = doc->state_since_us;
    r->deadline = doc->deadline_us == 0 ? INSTANT_NONE : doc->deadline_us;
}

static const char *saga_check_row(const void *row)
{
    const struct saga_row *r = row;
    if (r->revision < 1)
        return "saga_revision_positive";
    for (enum saga_state s = SAGA_STATE_NONE + 1; s < SAGA_STATE_COUNT; s++) {
        if (bytes_is(r->state, saga_state_info(s)->name))
            return NULL;
    }
    return "saga_state_known";
}

static const char *number_check(const void *row)
{
    return ((const struct order_number_row *)row)->next > 0 ? NULL : "order_number_positive";
}

static bool has_number(const void *row)
{
    return ((const struct saga_row *)row)->order_no.data != NULL;
}

static const struct column saga_columns[] = {
    COLUMN(struct saga_row, order_id, COLUMN_UUID, false),
    COLUMN(struct saga_row, slot, COLUMN_I32, false),
    COLUMN(struct saga_row, definition, COLUMN_TEXT, false),
    COLUMN(struct saga_row, definition_version, COLUMN_I32, false),
    COLUMN(struct saga_row, state, COLUMN_TEXT, false),
    COLUMN(struct saga_row, revision, COLUMN_I64, false),
    COLUMN(struct saga_row, order_no, COLUMN_TEXT, true),
    COLUMN(struct saga_row, waiting_on, COLUMN_TEXT, true),
    COLUMN(struct saga_row, state_since, COLUMN_INSTANT, false),
    COLUMN(struct saga_row, deadline, COLUMN_INSTANT, true),
    COLUMN(struct saga_row, doc, COLUMN_BYTES, false),
};
static const size_t order_no_columns[] = {6};
static const struct unique saga_uniques[] = {
    {.name = "saga_order_no", .columns = order_no_columns, .column_count = 1, .where = has_number}};
const struct table saga_table = {
    .name = "saga",
    .kind = TABLE_REFERENCE,
    .row_size = sizeof(struct saga_row),
    .columns = saga_columns,
    .column_count = COUNT_OF(saga_columns),
    .key_count = 1,
    .uniques = saga_uniques,
    .unique_count = 1,
    .check = saga_check_row,
    .flush = pack,
};

static const struct column history_columns[] = {
    COLUMN(struct saga_history_row, order_id, COLUMN_UUID, false),
    COLUMN(struct saga_history_row, revision, COLUMN_I64, false),
    COLUMN(struct saga_history_row, at, COLUMN_INSTANT, false),
    COLUMN(struct saga_history_row, rule_id, COLUMN_I32, false),
    COLUMN(struct saga_history_row, from_state, COLUMN_TEXT, false),
    COLUMN(struct saga_history_row, to_state, COLUMN_TEXT, false),
    COLUMN(struct saga_history_row, event, COLUMN_TEXT, false),
    COLUMN(struct saga_history_row, topic, COLUMN_TEXT, true),
    COLUMN(struct saga_history_row, record_partition, COLUMN_I32, false),
    COLUMN(struct saga_history_row, record_offset, COLUMN_I64, false),
    COLUMN(struct saga_history_row, causation_id, COLUMN_TEXT, true),
};
const struct table saga_history_table = {
    .name = "saga_history",
    .kind = TABLE_APPEND,
    .row_size = sizeof(struct saga_history_row),
    .columns = history_columns,
    .column_count = COUNT_OF(history_columns),
    .key_count = 2,
};

static const struct column number_columns[] = {
    COLUMN(struct order_number_row, slot, COLUMN_I32, false),
    COLUMN(struct order_number_row, next, COLUMN_I64, false),
};
const struct table order_number_table = {
    .name = "order_number",
    .kind = TABLE_REFERENCE,
    .row_size = sizeof(struct order_number_row),
    .columns = number_columns,
    .column_count = COUNT_OF(number_columns),
    .key_count = 1,
    .check = number_check,
};
