#include "echo.h"

#include "orderclerk/v1/commands.pb-c.h"
#include "orderclerk/v1/orders.pb-c.h"
#include "orderclerk/v1/validation_events.pb-c.h"

#include <assert.h>
#include <string.h>

bool echo_accept_rejects, echo_reject_results;
unsigned echo_races;

static const char *echo_check(const void *row)
{
    return ((const struct echo_row *)row)->count < 1000 ? NULL : "echo_count";
}

static const struct column columns[] = {
    COLUMN(struct echo_row, order_id, COLUMN_UUID, false),
    COLUMN(struct echo_row, count, COLUMN_I64, false),
    COLUMN(struct echo_row, last, COLUMN_TEXT, true),
};
const struct table echo_table = {.name = "echo",
                                 .kind = TABLE_ROWS,
                                 .row_size = sizeof(struct echo_row),
                                 .columns = columns,
                                 .column_count = 3,
                                 .key_count = 1,
                                 .check = echo_check};

static struct uuid order_of(const struct input *in)
{
    struct uuid id = {{0}};
    bool ok = uuid_parse(in->key, &id);
    assert(ok);
    return id;
}

// The effect that the order's row names, as soon as the row is there: the second round of wants.
static void want(struct batch *batch, const struct input *in)
{
    struct value order = value_uuid(order_of(in));
    struct uuid effect;
    batch_want(batch, &echo_table, 0, order);
    const struct echo_row *row = batch_next(batch, &echo_table, 0, order, NULL);
    if (row != NULL && uuid_parse(row->last, &effect))
        batch_want(batch, &effect_table, EFFECT_ID, value_uuid(effect));
}

static struct echo_row *row_of(struct batch *batch, const struct input *in)
{
    struct echo_row probe = {.order_id = order_of(in)};
    struct echo_row *row = batch_find(batch, &echo_table, &probe);
    if (row == NULL)
        row = batch_put(batch, &echo_table, &probe);
    batch_touch(batch, row);
    return row;
}

static void answer(struct batch *batch, const struct input *in, int64_t count, const char *currency)
{
    Orderclerk__V1__OrderValidated validated = ORDERCLERK__V1__ORDER_VALIDATED__INIT;
    validated.total_minor = count;
    validated.currency = (char *)(uintptr_t)currency;
    Orderclerk__V1__ValidationEvent event = ORDERCLERK__V1__VALIDATION_EVENT__INIT;
    event.body_case = ORDERCLERK__V1__VALIDATION_EVENT__BODY_VALIDATED;
    event.validated = &validated;
    batch_emit(batch, TOPIC_VALIDATION_EVENTS, in->key, &event.base);
}

static void ask(struct batch *batch, struct echo_row *row)
{
    char id[UUID_TEXT_SIZE];
    Orderclerk__V1__EffectRequest request = ORDERCLERK__V1__EFFECT_REQUEST__INIT;
    request.kind = "echo";
    request.transport = "auto";
    uuid_format(batch_effect(batch, "target", &request, INSTANT_NONE), id);
    row->last = bytes_str(arena_str(batch_arena(batch), bytes_str(id)));
}

static struct err decide(struct batch *batch, const struct input *in)
{
    struct echo_row *row = row_of(batch, in);
    row->count++;
    if (in->kind == INPUT_DEADLINE && bytes_is(row->last, "refused time"))
        return err_make(ERR_REJECT, "refused: the row says so");
    if (in->kind == INPUT_EFFECT && echo_reject_results)
        return err_make(ERR_REJECT, "refused: no results are taken");
    if (in->kind == INPUT_DEADLINE && !echo_accept_rejects &&
        (bytes_is(row->last, "bad time") || bytes_is(row->last, "worse time")))
        row->count = 1000;
    if (in->kind != INPUT_MESSAGE && row->count < 1000) {
        row->last = bytes_str(in->kind == INPUT_DEADLINE         ? "deadline"
                              : in->result->outcome == EFFECT_OK ? "ok"
                                                                 : "failed");
        if (in->kind == INPUT_DEADLINE || in->result->outcome == EFFECT_OK)
            answer(batch, in, row->count, "CNY");
    }
    if (in->kind != INPUT_MESSAGE)
        return err_ok();
    const char *what = "";
    if (in->topic == TOPIC_COMMANDS_VALIDATOR) {
        const Orderclerk__V1__ValidatorCommand *command =
            (const Orderclerk__V1__ValidatorCommand *)in->message;
        what = command->validate->order->remarks;
    }
    struct uuid asked;
    const bool has_asked = uuid_parse(row->last, &asked);
    row->last = bytes_str(what);
    answer(batch, in, row->count, strcmp(what, "bad text") == 0 ? "\xff" : "CNY"); // undone when refused
    if (strcmp(what, "reject") == 0 && !echo_accept_rejects)
        return err_make(ERR_REJECT, "refused: remarks say so");
    if (strcmp(what, "unknown") == 0)
        return err_make(ERR_UNKNOWN, "no such order");
    if (strcmp(what, "deadline") == 0 || strstr(what, " time") != NULL)
        batch_deadline(batch, batch_now(batch) + 10 * INSTANT_SECOND);
    if (strcmp(what, "later") == 0)
        batch_deadline(batch, batch_now(batch) + 60 * INSTANT_SECOND);
    if (strcmp(what, "tomorrow") == 0)
        batch_deadline(batch, batch_now(batch) + INSTANT_DAY);
    if (strcmp(what, "never") == 0)
        batch_deadline(batch, INSTANT_NONE);
    if (strcmp(what, "effect") == 0)
        ask(batch, row);
    if (strcmp(what, "give up") == 0 && has_asked)
        batch_effect_cancel(batch, asked);
    if (strcmp(what, "fail") == 0 || (strcmp(what, "race") == 0 && echo_races > 0 && echo_races-- > 0))
        row->count = 1000;
    return err_ok();
}

static struct err refuse_deadline(struct batch *batch, const struct input *in, const char *why)
{
    struct echo_row *row = row_of(batch, in);
    if (bytes_is(row->last, "worse time"))
        row->count = 1000;
    row->last = bytes_str(why);
    batch_deadline(batch, batch_now(batch) + 60 * INSTANT_SECOND);
    return err_ok();
}

static const enum topic inputs[] = {TOPIC_COMMANDS_VALIDATOR, TOPIC_ORDERS};
static const enum topic outputs[] = {TOPIC_VALIDATION_EVENTS};
static const struct table *const tables[] = {&echo_table};
const struct lane_service echo_service = {.name = "validator",
                                          .group = "echo.v1",
                                          .inputs = inputs,
                                          .input_count = 2,
                                          .outputs = outputs,
                                          .output_count = 1,
                                          .tables = tables,
                                          .table_count = 1,
                                          .want = want,
                                          .decide = decide,
                                          .refuse_deadline = refuse_deadline};

ProtobufCMessage *echo_command(const char *remarks)
{
    static Orderclerk__V1__Order order;
    static Orderclerk__V1__ValidateOrder validate;
    static Orderclerk__V1__ValidatorCommand command;
    orderclerk__v1__order__init(&order);
    orderclerk__v1__validate_order__init(&validate);
    orderclerk__v1__validator_command__init(&command);
    order.remarks = (char *)(uintptr_t)remarks;
    validate.order = &order;
    command.body_case = ORDERCLERK__V1__VALIDATOR_COMMAND__BODY_VALIDATE;
    command.validate = &validate;
    return &command.base;
}
