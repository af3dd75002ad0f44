// Master data as it comes in: the higher version of each record is kept whole.
#include "validator/validator.h"
#include "validator/validator_spelling.h"
#include "validator/validator_store.h"

#include <string.h>

// Keys of rows; longer ones are a mistake and would not fit an index page.
#define KEY_MAX 200

static struct err check_key(const char *field, const char *key)
{
    if (key[0] == '\0')
        return err_make(ERR_REJECT, "%s: missing", field);
    if (strlen(key) > KEY_MAX)
        return err_make(ERR_REJECT, "%s: longer than %d bytes", field, KEY_MAX);
    return err_ok();
}

static struct bytes text_or_null(const char *text)
{
    return text[0] == '\0' || strlen(text) > KEY_MAX ? bytes_of(NULL, 0) : bytes_str(text);
}

// A product's code never changes, so its keys are made once; only whether it is sold does.
static void keep_keys(struct batch *batch, struct bytes sku, bool retired)
{
    struct product_key_row *row = NULL;
    bool known = false;
    while ((row = batch_next(batch, &product_key_table, PRODUCT_KEY_SKU, value_text(sku), row)) != NULL) {
        known = true;
        if (row->retired == retired)
            continue;
        batch_touch(batch, row);
        row->retired = retired;
    }
    if (known)
        return;
    struct bytes *keys;
    size_t count = spelling_keys(batch_arena(batch), sku, &keys);
    for (size_t i = 0; i < count; i++) {
        struct product_key_row fresh = {.key = keys[i], .sku = sku, .retired = retired};
        if (batch_find(batch, &product_key_table, &fresh) == NULL)
            batch_put(batch, &product_key_table, &fresh);
    }
}

static struct err keep_product(struct batch *batch, const struct input *in)
{
    const Orderclerk__V1__Product *product = (const void *)in->message;
    struct err e = check_key("sku", product->sku);
    if (err_is(&e))
        return e;
    struct product_row row = {.sku = bytes_str(product->sku),
                              .gtin = text_or_null(product->gtin),
                              .version = (int64_t)product->saga_revision,
                              .record = in->value};
    struct product_row *kept = batch_find(batch, &product_table, &row);
    if (kept != NULL && kept->version >= row.version)
        return err_ok();
    if (kept == NULL) {
        batch_put(batch, &product_table, &row);
    } else {
        batch_touch(batch, kept);
        *kept = row;
        batch_set_decoded(batch, kept, NULL);
    }
    keep_keys(batch, row.sku, product->retired);
    return err_ok();
}

static struct err keep_customer(struct batch *batch, const struct input *in)
{
    const Orderclerk__V1__Customer *customer = (const void *)in->message;
    struct err e = check_key("customer_id", customer->customer_id);
    if (err_is(&e))
        return e;
    struct customer_row row = {.customer_id = bytes_str(customer->customer_id),
                               .company = text_or_null(customer->company),
                               .version = (int64_t)customer->saga_revision,
                               .record = in->value};
    struct customer_row *kept = batch_find(batch, &customer_table, &row);
    if (kept != NULL && kept->version >= row.version)
        return err_ok();
    if (kept == NULL) {
        batch_put(batch, &customer_table, &row);
    } else {
        batch_touch(batch, kept);
        *kept = row;
        batch_set_decoded(batch, kept, NULL);
    }
    return err_ok();
}

static struct err keep_price(struct batch *batch, const struct input *in)
{
    const Orderclerk__V1__Price *price = (const void *)in->message;
    struct err e = check_key("price_list", price->price_list);
    if (!err_is(&e))
        e = check_key("sku", price->sku);
    if (err_is(&e))
        return e;
    struct price_row row = {.price_list = bytes_str(price->price_list),
                            .sku = bytes_str(price->sku),
                            .version = (int64_t)price->saga_revision,
                            .record = in->value};
    struct price_row *kept = batch_find(batch, &price_table, &row);
    if (kept != NULL && kept->version >= row.version)
        return err_ok();
    if (kept == NULL) {
        batch_put(batch, &price_table, &row);
    } else {
        batch_touch(batch, kept);
        *kept = row;
        batch_set_decoded(batch, kept, NULL);
    }
    return err_ok();
}

static struct err keep_calendar(struct batch *batch, const struct input *in)
{
    const Orderclerk__V1__Calendar *calendar = (const void *)in->message;
    struct err e = check_key("calendar_id", calendar->calendar_id);
    if (err_is(&e))
        return e;
    if (!zone_exists(calendar->zone))
        return err_make(ERR_REJECT, "zone: %s is no IANA time zone", calendar->zone);
    struct calendar_row row = {.calendar_id = bytes_str(calendar->calendar_id),
                               .version = (int64_t)calendar->saga_revision,
                               .record = in->value};
    struct calendar_row *kept = batch_find(batch, &calendar_table, &row);
    if (kept != NULL && kept->version >= row.version)
        return err_ok();
    if (kept == NULL) {
        batch_put(batch, &calendar_table, &row);
    } else {
        batch_touch(batch, kept);
        *kept = row;
        batch_set_decoded(batch, kept, NULL);
    }
    return err_ok();
}

struct err validator_decide_reference(struct batch *batch, const struct input *in)
{
    if (in->topic == TOPIC_REFERENCE_PRODUCTS)
        return keep_product(batch, in);
    if (in->topic == TOPIC_REFERENCE_CUSTOMERS)
        return keep_customer(batch, in);
    if (in->topic == TOPIC_REFERENCE_PRICES)
        return keep_price(batch, in);
    return keep_calendar(batch, in);
}
