// Validator, the whole service at a glance.
#include "validator/validator.h"

#include "validator/validator_store.h"

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

struct validator_settings validator_settings = {.calendar = "CN"};

static const enum topic inputs[] = {TOPIC_COMMANDS_VALIDATOR, TOPIC_REFERENCE_PRODUCTS,
                                    TOPIC_REFERENCE_CUSTOMERS, TOPIC_REFERENCE_PRICES,
                                    TOPIC_REFERENCE_CALENDARS};
static const enum topic outputs[] = {TOPIC_VALIDATION_EVENTS};

static const struct table *const tables[] = {&product_table, &product_key_table, &customer_table,
                                             &price_table, &calendar_table};

static struct err decide(struct batch *batch, const struct input *in)
{
    if (in->kind == INPUT_EFFECT)
        return validator_decide_lookup(batch, in);
    if (in->kind != INPUT_MESSAGE)
        return err_ok(); // sets no deadlines
    if (in->topic == TOPIC_COMMANDS_VALIDATOR)
        return validator_decide_command(batch, in);
    return validator_decide_reference(batch, in);
}

const struct lane_service validator_lane = {
    .name = "validator",
    .group = "validator.v1",
    .inputs = inputs,
    .input_count = COUNT_OF(inputs),
    .outputs = outputs,
    .output_count = COUNT_OF(outputs),
    .tables = tables,
    .table_count = COUNT_OF(tables),
    .want = validator_want,
    .decide = decide,
    .context = &validator_settings,
};
