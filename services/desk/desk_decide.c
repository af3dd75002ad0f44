// From events and snapshots to the read model.
#include "desk/desk.h"
#include "desk/desk_store.h"
#include "desk/desk_timeline.h"
#include "orderclerk/v1/dead_letters.pb-c.h"
#include "orderclerk/v1/order_state.pb-c.h"
#include "orderclerk/v1/stock.pb-c.h"

#include <string.h>

static instant instant_or_none(int64_t at_us)
{
    return at_us == 0 ? INSTANT_NONE : at_us;
}

void desk_want(struct batch *batch, const struct input *in)
{
    struct uuid id;
    if (in->kind != INPUT_MESSAGE)
        return;
    if (in->topic == TOPIC_STOCK_LEVELS) {
        batch_want(batch, &stock_level_table, STOCK_LEVEL_KEY, value_text(in->key));
    } else if (in->topic == TOPIC_DEAD_LETTERS) {
        batch_want(batch, &dead_letter_table, DEAD_LETTER_ID, value_uuid(in->head.id));
        batch_want(batch, &dead_letter_table, DEAD_LETTER_KEY, value_text(in->key));
    } else if (in->topic == TOPIC_ORDER_STATE && uuid_parse(in->key, &id)) {
        batch_want(batch, &order_row_table, ORDER_ROW_ID, value_uuid(id));
        batch_want(batch, &order_product_table, ORDER_PRODUCT_ORDER, value_uuid(id));
        batch_want(batch, &task_table, TASK_ORDER, value_uuid(id));
    } else if (uuid_parse(in->key, &id)) {
        desk_timeline_want(batch, id);
    }
}

// ---- snapshots

struct bytes desk_phone_key(struct arena *arena, const char *phone)
{
    char *out = arena_alloc(arena, strlen(phone) + 1);
    size_t size = 0;
    for (const char *at = phone; *at != '\0'; at++) {
        if ((*at >= '0' && *at <= '9') || (*at == '+' && size == 0))
            out[size++] = *at;
    }
    return size == 0 ? bytes_of(NULL, 0) : bytes_of(out, size);
}

static struct order_row row_of(struct arena *arena, const Orderclerk__V1__OrderState *s, struct uuid id,
                               const struct input *in)
{
    static const Orderclerk__V1__Order no_order = ORDERCLERK__V1__ORDER__INIT;
    static const Orderclerk__V1__Party no_party = ORDERCLERK__V1__PARTY__INIT;
    const Orderclerk__V1__Order *order = s->order != NULL ? s->order : &no_order;
    const Orderclerk__V1__Party *party = order->customer != NULL ? order->customer : &no_party;
    return (struct order_row){
        .order_id = id,
        .revision = (int64_t)s->saga_revision,
        .order_no = bytes_or_null(s->order_no),
        .state = bytes_str(s->state),
        .waiting_on = bytes_or_null(s->waiting_on),
        .reason = bytes_or_null(s->reason),
        .definition = bytes_or_null(s->definition),
        .channel = bytes_str(order->channel),
        .channel_ref = bytes_or_null(order->channel_ref),
        .customer_po = bytes_or_null(order->customer_po),
        .customer_id = bytes_or_null(party->customer_id),
        .company = bytes_or_null(party->company),
        .phone = desk_phone_key(arena, party->phone),
        .email = bytes_or_null(party->email),
        .currency = bytes_or_null(order->currency),
        .total_minor = s->total_minor,
        .due = instant_or_none(s->deadline_us),
        .state_since = s->state_since_us,
        .submitted_at = s->submitted_at_us,
        .updated_at = in->head.occurred_at,
        .doc = in->value,
    };
}

static void add_product(struct batch *batch, struct uuid id, const char *product)
{
    struct order_product_row row = {.order_id = id, .product = bytes_str(product)};
    if (product[0] != '\0' && batch_find(batch, &order_product_table, &row) == NULL)
        batch_put(batch, &order_product_table, &row);
}

static bool has_product(const Orderclerk__V1__OrderState *s, struct bytes product)
{
    for (size_t i = 0; s->order != NULL && i < s->order->n_lines; i++) {
        if (bytes_is(product, s->order->lines[i]->product_code))
            return true;
    }
    for (size_t i = 0; i < s->n_resolved; i++) {
        if (bytes_is(product, s->resolved[i]->sku))
            return true;
    }
    return false;
}

static void follow_products(struct batch *batch, struct uuid id, const Orderclerk__V1__OrderState *s)
{
    struct order_product_row *row = NULL;
    while ((row = batch_next(batch, &order_product_table, ORDER_PRODUCT_ORDER, value_uuid(id), row)) !=
           NULL) {
        if (!has_product(s, row->product))
            batch_delete(batch, row);
    }
    for (size_t i = 0; s->order != NULL && i < s->order->n_lines; i++)
        add_product(batch, id, s->order->lines[i]->product_code);
    for (size_t i = 0; i < s->n_resolved; i++)
        add_product(batch, id, s->resolved[i]->sku);
}

static bool names_task(const Orderclerk__V1__OrderState *s, struct bytes task_id)
{
    for (size_t i = 0; i < s->n_tasks; i++) {
        if (bytes_is(task_id, s->tasks[i]->task_id))
            return true;
    }
    return false;
}

// The snapshot names the tasks that are open; one that it names no more has been closed.
static void close_tasks(struct batch *batch, struct uuid id, const Orderclerk__V1__OrderState *s, instant at)
{
    struct task_row *row = NULL;
    while ((row = batch_next(batch, &task_table, TASK_ORDER, value_uuid(id), row)) != NULL) {
        if (row->closed != INSTANT_NONE || names_task(s, row->task_id))
            continue;
        batch_touch(batch, row);
        row->closed = at;
    }
}

static void follow_tasks(struct batch *batch, struct uuid id, const Orderclerk__V1__OrderState *s)
{
    for (size_t i = 0; i < s->n_tasks; i++) {
        const Orderclerk__V1__Task *t = s->tasks[i];
        struct task_row fresh = {
            .task_id = bytes_str(t->task_id),
            .order_id = id,
            .owner = bytes_str(t->owner),
            .kind = bytes_str(t->kind),
            .text_en = bytes_or_null(t->text_en),
            .text_zh = bytes_or_null(t->text_zh),
            .since = t->since_us,
            .due = instant_or_none(t->due_us),
            .closed = instant_or_none(t->closed_us),
            .outcome = bytes_or_null(t->outcome),
        };
        struct task_row *row = NULL;
        do {
            row = batch_next(batch, &task_table, TASK_ORDER, value_uuid(id), row);
        } while (row != NULL && !bytes_equal(row->task_id, fresh.task_id));
        if (row == NULL) {
            batch_put(batch, &task_table, &fresh);
        } else if (row->due != fresh.due || row->closed != fresh.closed ||
                   !bytes_equal(row->owner, fresh.owner)) {
            batch_touch(batch, row);
            *row = fresh;
        }
    }
}

static struct err take_state(struct batch *batch, const struct input *in)
{
    const Orderclerk__V1__OrderState *s = (const void *)in->message;
    struct uuid id;
    if (!uuid_parse(in->key, &id))
        return err_make(ERR_REJECT, "order_id: must be a UUID");
    struct order_row fresh = row_of(batch_arena(batch), s, id, in);
    struct order_row *row = batch_find(batch, &order_row_table, &fresh);
    if (row != NULL && row->revision > fresh.revision)
        batch_behind(batch, (uint64_t)row->revision);
    if (row != NULL && row->revision >= fresh.revision)
        return err_ok();
    if (row == NULL) {
        batch_put(batch, &order_row_table, &fresh);
    } else {
        batch_touch(batch, row);
        *row = fresh;
    }
    follow_products(batch, id, s);
    follow_tasks(batch, id, s);
    close_tasks(batch, id, s, in->head.occurred_at);
    return err_ok();
}

// ---- stock and dead letters

static struct err take_stock(struct batch *batch, const struct input *in)
{
    const Orderclerk__V1__StockLevel *s = (const void *)in->message;
    struct stock_level_row fresh = {
        .key = in->key,
        .sku = bytes_str(s->sku),
        .warehouse = bytes_str(s->warehouse),
        .version = (int64_t)s->saga_revision,
        .on_hand = s->on_hand,
        .reserved = s->reserved,
        .backordered = s->backordered,
        .safety = s->safety,
        .damaged = s->damaged,
        .qc_hold = s->qc_hold,
        .incoming = s->incoming,
        .incoming_date = bytes_or_null(s->incoming_date),
        .updated_at = in->head.occurred_at,
    };
    struct stock_level_row *row = batch_find(batch, &stock_level_table, &fresh);
    if (row == NULL) {
        batch_put(batch, &stock_level_table, &fresh);
    } else if (row->version < fresh.version) {
        batch_touch(batch, row);
        *row = fresh;
    } else if (row->version > fresh.version) {
        batch_behind(batch, (uint64_t)row->version);
    }
    return err_ok();
}

// A letter that says "settled" settles the ones of the same record; deadlines and results have no place on a topic.
static void settle(struct batch *batch, const Orderclerk__V1__DeadLetter *letter, const struct input *in)
{
    struct dead_letter_row *row = NULL;
    while ((row = batch_next(batch, &dead_letter_table, DEAD_LETTER_KEY, value_text(in->key), row)) != NULL) {
        bool place = row->record_partition == letter->partition && row->record_offset == letter->offset;
        bool same =
            bytes_is(row->service, letter->service) && bytes_is(row->topic, letter->topic) &&
            (letter->topic[0] == '\0' ? bytes_is(row->record_event_id, letter->record_event_id) : place);
        if (!same || row->settled)
            continue;
        batch_touch(batch, row);
        row->settled = true;
    }
}

static struct err take_dead_letter(struct batch *batch, const struct input *in)
{
    const Orderclerk__V1__DeadLetter *letter = (const void *)in->message;
    if (letter->settled) {
        settle(batch, letter, in);
        return err_ok();
    }
    struct dead_letter_row row = {
        .id = in->head.id,
        .service = bytes_str(letter->service),
        .topic = bytes_str(letter->topic),
        .record_partition = letter->partition,
        .record_offset = letter->offset,
        .key = in->key,
        .reason = bytes_str(letter->reason),
        .detail = bytes_or_null(letter->detail),
        .state = bytes_or_null(letter->state),
        .record_event_id = bytes_or_null(letter->record_event_id),
        .held = letter->held,
        .at = in->head.occurred_at,
        .value =
            bytes_of(letter->value.data != NULL ? (const void *)letter->value.data : "", letter->value.len),
    };
    if (batch_find(batch, &dead_letter_table, &row) == NULL)
        batch_put(batch, &dead_letter_table, &row);
    return err_ok();
}

struct err desk_decide(struct batch *batch, const struct input *in)
{
    if (in->kind != INPUT_MESSAGE)
        return err_ok();
    if (in->topic == TOPIC_ORDER_STATE)
        return take_state(batch, in);
    if (in->topic == TOPIC_STOCK_LEVELS)
        return take_stock(batch, in);
    if (in->topic == TOPIC_DEAD_LETTERS)
        return take_dead_letter(batch, in);
    return desk_timeline_add(batch, in);
}
