// order-state in, rows out. Records are versioned: only a higher revision counts.
#include "intake/intake_view.h"

#include "orderclerk/v1/order_state.pb-c.h"

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

#define ORDER_VIEW_ID      0
#define REQUEST_REFUSED_ID 0

static const struct column order_view_columns[] = {
    COLUMN(struct order_view_row, order_id, COLUMN_UUID, false),
    COLUMN(struct order_view_row, revision, COLUMN_I64, false),
    COLUMN(struct order_view_row, order_no, COLUMN_TEXT, true),
    COLUMN(struct order_view_row, definition, COLUMN_TEXT, true),
    COLUMN(struct order_view_row, state, COLUMN_TEXT, false),
    COLUMN(struct order_view_row, waiting_on, COLUMN_TEXT, true),
    COLUMN(struct order_view_row, reason, COLUMN_TEXT, true),
    COLUMN(struct order_view_row, updated_at, COLUMN_INSTANT, false),
};

static const char *order_view_check(const void *row)
{
    const struct order_view_row *v = row;
    if (v->revision < 0)
        return "order_view_revision";
    if (v->state.size == 0)
        return "order_view_state";
    return NULL;
}

static bool has_number(const void *row)
{
    return ((const struct order_view_row *)row)->order_no.data != NULL;
}

static const size_t order_no_columns[] = {2};
static const struct unique order_view_uniques[] = {
    {.name = "order_view_order_no", .columns = order_no_columns, .column_count = 1, .where = has_number}};

const struct table order_view_table = {
    .name = "order_view",
    .kind = TABLE_REFERENCE, // one order, one slot
    .row_size = sizeof(struct order_view_row),
    .columns = order_view_columns,
    .column_count = COUNT_OF(order_view_columns),
    .key_count = 1,
    .uniques = order_view_uniques,
    .unique_count = COUNT_OF(order_view_uniques),
    .check = order_view_check,
};

static const struct column request_refused_columns[] = {
    COLUMN(struct request_refused_row, request_id, COLUMN_TEXT, false),
    COLUMN(struct request_refused_row, order_id, COLUMN_UUID, false),
    COLUMN(struct request_refused_row, reason, COLUMN_TEXT, false),
    COLUMN(struct request_refused_row, allowed, COLUMN_TEXT, true),
    COLUMN(struct request_refused_row, at, COLUMN_INSTANT, false),
};

const struct table request_refused_table = {
    .name = "request_refused",
    .kind = TABLE_REFERENCE,
    .row_size = sizeof(struct request_refused_row),
    .columns = request_refused_columns,
    .column_count = COUNT_OF(request_refused_columns),
    .key_count = 1,
};

const ProtobufCMessageDescriptor *intake_view_decoded_as(enum topic topic)
{
    return topic == TOPIC_ORDER_STATE ? &orderclerk__v1__order_state_shown__descriptor : NULL;
}

static const Orderclerk__V1__OrderStateShown *state_of(const struct input *in)
{
    return (const Orderclerk__V1__OrderStateShown *)(const void *)in->message;
}

void intake_view_want(struct batch *batch, const struct input *in)
{
    struct uuid id;
    if (in->kind != INPUT_MESSAGE || !uuid_parse(in->key, &id))
        return;
    batch_want(batch, &order_view_table, ORDER_VIEW_ID, value_uuid(id));
    const Orderclerk__V1__OrderStateShown *state = state_of(in);
    for (size_t i = 0; i < state->n_refused_requests; i++)
        batch_want(batch, &request_refused_table, REQUEST_REFUSED_ID,
                   value_text(bytes_str(state->refused_requests[i]->request_id)));
}

static struct bytes text_or_absent(const char *text)
{
    return text[0] == '\0' ? (struct bytes){.data = NULL} : bytes_str(text);
}

static struct bytes allowed_of(struct arena *arena, const Orderclerk__V1__RefusedRequest *refused)
{
    const char *text = "";
    for (size_t i = 0; i < refused->n_allowed; i++)
        text = arena_printf(arena, "%s%s%s", text, i > 0 ? " " : "", refused->allowed[i]);
    return text_or_absent(text);
}

static void put_refused(struct batch *batch, struct uuid order_id,
                        const Orderclerk__V1__RefusedRequest *refused)
{
    struct request_refused_row row = {.request_id = bytes_str(refused->request_id)};
    if (row.request_id.size == 0 || batch_find(batch, &request_refused_table, &row) != NULL)
        return;
    row.order_id = order_id;
    row.reason = bytes_str(refused->reason);
    row.allowed = allowed_of(batch_arena(batch), refused);
    row.at = refused->at_us != 0 ? refused->at_us : batch_now(batch);
    batch_put(batch, &request_refused_table, &row);
}

static bool same(const struct order_view_row *a, const struct order_view_row *b)
{
    return bytes_equal(a->state, b->state) && bytes_equal(a->waiting_on, b->waiting_on) &&
           bytes_equal(a->reason, b->reason) && bytes_equal(a->order_no, b->order_no) &&
           bytes_equal(a->definition, b->definition);
}

struct err intake_view_decide(struct batch *batch, const struct input *in)
{
    const Orderclerk__V1__OrderStateShown *state = state_of(in);
    struct order_view_row row = {.revision = (int64_t)state->saga_revision,
                                 .order_no = text_or_absent(state->order_no),
                                 .definition = text_or_absent(state->definition),
                                 .state = bytes_str(state->state),
                                 .waiting_on = text_or_absent(state->waiting_on),
                                 .reason = text_or_absent(state->reason),
                                 .updated_at =
                                     state->occurred_at_us != 0 ? state->occurred_at_us : batch_now(batch)};
    if (!uuid_parse(in->key, &row.order_id))
        return err_make(ERR_REJECT, "order_id: not a UUID");
    if (row.state.size == 0)
        return err_make(ERR_REJECT, "state: is missing");
    for (size_t i = 0; i < state->n_refused_requests; i++)
        put_refused(batch, row.order_id, state->refused_requests[i]);
    struct order_view_row *known = batch_find(batch, &order_view_table, &row);
    if (known == NULL) {
        batch_put(batch, &order_view_table, &row);
    } else if (known->revision < row.revision &&
               !same(known, &row)) { // a revision that shows nothing new isn't worth a write
        batch_touch(batch, known);
        *known = row;
    }
    return err_ok();
}
