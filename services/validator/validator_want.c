// Which rows an input may need: all named by the input itself, in one round.
#include "validator/validator.h"
#include "validator/validator_rules.h"
#include "validator/validator_spelling.h"
#include "validator/validator_store.h"

#include <string.h>

static void want_text(struct batch *batch, const struct table *table, size_t column, struct bytes text)
{
    if (text.size > 0)
        batch_want(batch, table, column, value_text(text));
}

static void want_order(struct batch *batch, const Orderclerk__V1__Order *order)
{
    const struct validator_settings *settings = batch_context(batch);
    const Orderclerk__V1__Party *party = order->customer;
    if (party != NULL && party->customer_id[0] != '\0') {
        want_text(batch, &customer_table, CUSTOMER_ID, bytes_str(party->customer_id));
    } else if (party != NULL) {
        want_text(batch, &customer_table, CUSTOMER_COMPANY, bytes_str(party->company));
    }
    want_text(batch, &calendar_table, CALENDAR_ID, bytes_str(settings->calendar));
    if (order->delivery != NULL) {
        want_text(batch, &calendar_table, CALENDAR_ID, bytes_str(order->delivery->country));
    }
    for (size_t i = 0; i < order->n_lines && i < JUDGE_LINES_MAX; i++) {
        struct bytes code = validator_code(order->lines[i]->product_code);
        want_text(batch, &product_table, PRODUCT_SKU, code);
        want_text(batch, &price_table, PRICE_SKU, code);
        if (spelling_looks_like_gtin(code))
            want_text(batch, &product_table, PRODUCT_GTIN_COLUMN, code);
    }
}

static void want_lookup(struct batch *batch, const Orderclerk__V1__EffectRequest *request)
{
    struct arena *arena = batch_arena(batch);
    const Orderclerk__V1__ValidatorCommand *command = validator_lookup_command(arena, request);
    if (command == NULL)
        return;
    const Orderclerk__V1__Order *order = command->validate->order;
    want_order(batch, order);
    for (size_t i = 0; i < order->n_lines && i < JUDGE_LINES_MAX; i++) {
        struct bytes *keys;
        size_t count = spelling_keys(arena, validator_code(order->lines[i]->product_code), &keys);
        for (size_t k = 0; k < count; k++)
            want_text(batch, &product_key_table, PRODUCT_KEY_KEY, keys[k]);
    }
    struct bytes rest = bytes_str(request->note);
    for (struct bytes sku; validator_next_line(&rest, &sku);)
        want_text(batch, &price_table, PRICE_SKU, sku);
}

static void want_reference(struct batch *batch, const struct input *in)
{
    const void *message = in->message;
    if (in->topic == TOPIC_REFERENCE_PRODUCTS) {
        const Orderclerk__V1__Product *product = message;
        want_text(batch, &product_table, PRODUCT_SKU, bytes_str(product->sku));
        want_text(batch, &product_key_table, PRODUCT_KEY_SKU, bytes_str(product->sku));
    } else if (in->topic == TOPIC_REFERENCE_CUSTOMERS) {
        const Orderclerk__V1__Customer *customer = message;
        want_text(batch, &customer_table, CUSTOMER_ID, bytes_str(customer->customer_id));
    } else if (in->topic == TOPIC_REFERENCE_PRICES) {
        const Orderclerk__V1__Price *price = message;
        want_text(batch, &price_table, PRICE_SKU, bytes_str(price->sku));
    } else if (in->topic == TOPIC_REFERENCE_CALENDARS) {
        const Orderclerk__V1__Calendar *calendar = message;
        want_text(batch, &calendar_table, CALENDAR_ID, bytes_str(calendar->calendar_id));
    }
}

void validator_want(struct batch *batch, const struct input *in)
{
    if (in->kind == INPUT_EFFECT) {
        want_lookup(batch, in->request);
    } else if (in->kind == INPUT_MESSAGE && in->topic == TOPIC_COMMANDS_VALIDATOR) {
        const Orderclerk__V1__ValidatorCommand *command = (const void *)in->message;
        bool whole = command->body_case == ORDERCLERK__V1__VALIDATOR_COMMAND__BODY_VALIDATE &&
                     command->validate->order != NULL;
        if (whole)
            want_order(batch, command->validate->order);
    } else if (in->kind == INPUT_MESSAGE) {
        want_reference(batch, in);
    }
}
