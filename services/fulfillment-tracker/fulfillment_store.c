// Fulfillment's tables as the lane sees them. The checks are those of sql/.
#include "fulfillment-tracker/fulfillment_store.h"

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

static const char *const state_names[] = {
#define STATE(NAME) #NAME,
#include "fulfillment-tracker/fulfillment_states.def"
#undef STATE
};
static const char *const cancel_names[] = {"NONE", "REQUESTED", "ACCEPTED", "REJECTED"};
_Static_assert(COUNT_OF(cancel_names) == CANCEL_REQUEST_COUNT, "a name each");

const char *shipment_state_name(enum shipment_state state)
{
    return state_names[state];
}

bool shipment_state_parse(struct bytes name, enum shipment_state *ret_state)
{
    for (size_t i = 0; i < COUNT_OF(state_names); i++) {
        if (bytes_is(name, state_names[i])) {
            *ret_state = (enum shipment_state)i;
            return true;
        }
    }
    return false;
}

const char *cancel_request_name(enum cancel_request request)
{
    return cancel_names[request];
}

bool cancel_request_parse(struct bytes name, enum cancel_request *ret_request)
{
    for (size_t i = 0; i < COUNT_OF(cancel_names); i++) {
        if (bytes_is(name, cancel_names[i])) {
            *ret_request = (enum cancel_request)i;
            return true;
        }
    }
    return false;
}

static const struct column shipment_columns[] = {
    COLUMN(struct shipment_row, order_id, COLUMN_UUID, false),
    COLUMN(struct shipment_row, shipment_id, COLUMN_UUID, false),
    COLUMN(struct shipment_row, warehouse, COLUMN_TEXT, true),
    COLUMN(struct shipment_row, state, COLUMN_TEXT, false),
    COLUMN(struct shipment_row, cancel_request, COLUMN_TEXT, false),
    COLUMN(struct shipment_row, revision, COLUMN_I64, false),
    COLUMN(struct shipment_row, carrier, COLUMN_TEXT, true),
    COLUMN(struct shipment_row, tracking_no, COLUMN_TEXT, true),
    COLUMN(struct shipment_row, lines, COLUMN_BYTES, true),
    COLUMN(struct shipment_row, early, COLUMN_BYTES, true),
    COLUMN(struct shipment_row, release_effect, COLUMN_UUID, true),
    COLUMN(struct shipment_row, cancel_effect, COLUMN_UUID, true),
    COLUMN(struct shipment_row, released_at, COLUMN_INSTANT, true),
    COLUMN(struct shipment_row, tries, COLUMN_I32, false),
    COLUMN(struct shipment_row, unreachable, COLUMN_BOOL, false),
    COLUMN(struct shipment_row, due, COLUMN_INSTANT, true),
    COLUMN(struct shipment_row, last_reply_at, COLUMN_INSTANT, true),
    COLUMN(struct shipment_row, last_happened_at, COLUMN_INSTANT, true),
};

static const char *shipment_check(const void *row)
{
    const struct shipment_row *s = row;
    enum shipment_state state;
    enum cancel_request request;
    if (!shipment_state_parse(s->state, &state))
        return "shipment_state_check";
    if (!cancel_request_parse(s->cancel_request, &request))
        return "shipment_cancel_request_check";
    if (s->tries < 0)
        return "shipment_tries_check";
    if (state == SHIPMENT_DRAFT && request != CANCEL_ACCEPTED)
        return "shipment_draft_check";
    if (s->warehouse.data == NULL && request != CANCEL_ACCEPTED)
        return "shipment_warehouse_check";
    return NULL;
}

const struct table shipment_table = {
    .name = "shipment",
    .kind = TABLE_ROWS,
    .row_size = sizeof(struct shipment_row),
    .columns = shipment_columns,
    .column_count = COUNT_OF(shipment_columns),
    .key_count = 2,
    .check = shipment_check,
};

static const struct column shipment_release_columns[] = {
    COLUMN(struct shipment_release_row, order_id, COLUMN_UUID, false),
    COLUMN(struct shipment_release_row, shipment_id, COLUMN_UUID, false),
    COLUMN(struct shipment_release_row, release, COLUMN_BYTES, false),
};

const struct table shipment_release_table = {
    .name = "shipment_release",
    .kind = TABLE_REFERENCE,
    .row_size = sizeof(struct shipment_release_row),
    .columns = shipment_release_columns,
    .column_count = COUNT_OF(shipment_release_columns),
    .key_count = 2,
};

static const struct column warehouse_ref_columns[] = {
    COLUMN(struct warehouse_ref_row, warehouse, COLUMN_TEXT, false),
    COLUMN(struct warehouse_ref_row, adapter, COLUMN_TEXT, false),
    COLUMN(struct warehouse_ref_row, url, COLUMN_TEXT, false),
    COLUMN(struct warehouse_ref_row, secret, COLUMN_TEXT, true),
    COLUMN(struct warehouse_ref_row, version, COLUMN_I64, false),
};

const struct table warehouse_ref_table = {
    .name = "warehouse_ref",
    .kind = TABLE_REFERENCE,
    .row_size = sizeof(struct warehouse_ref_row),
    .columns = warehouse_ref_columns,
    .column_count = COUNT_OF(warehouse_ref_columns),
    .key_count = 1,
};
