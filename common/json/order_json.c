// The limits of an order at the door.
#include "json/order_json.h"

#include "base/money.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LONG_TEXT_MAX       4000
#define ATTACHMENTS_MAX     20
#define ATTACHMENT_SIZE_MAX (25LL * 1024 * 1024)
#define QUANTITY_MAX        1000000000LL // above any real order; keeps sums of 1000 lines far from overflow
#define NET_DAYS_MAX        365
#define INSTALMENTS_MAX     60

// clang-format off
const struct proto_rule order_rules[] = {
    {"Order", "currency", PROTO_REQUIRED, 3, 0},
    {"Order", "lines", PROTO_REQUIRED, 0, ORDER_LINES_MAX},
    {"Order", "revision", PROTO_REFUSED, 0, 0},
    {"Order", "channel_account", 0, 100, 0},
    {"Order", "channel_ref", 0, 200, 0},
    {"Order", "customer_po", 0, 200, 0},
    {"Order", "remarks", PROTO_LINES, LONG_TEXT_MAX, 0},
    {"OrderLine", "line_no", PROTO_POSITIVE, 1000000, 0},
    {"OrderLine", "product_code", PROTO_REQUIRED, 100, 0},
    {"OrderLine", "quantity", PROTO_REQUIRED | PROTO_POSITIVE, QUANTITY_MAX, 0},
    {"OrderLine", "unit", 0, 20, 0},
    {"OrderLine", "specification", PROTO_LINES, LONG_TEXT_MAX, 0},
    {"OrderLine", "technical_requirements", PROTO_LINES, LONG_TEXT_MAX, 0},
    {"OrderLine", "attachments", 0, 0, ATTACHMENTS_MAX},
    {"Attachment", "name", PROTO_REQUIRED, 255, 0},
    {"Attachment", "sha256", PROTO_REQUIRED, 64, 0},
    {"Attachment", "size_bytes", 0, ATTACHMENT_SIZE_MAX, 0},
    {"Party", "customer_id", 0, 100, 0},
    {"Party", "phone", 0, 50, 0},
    {"Party", "email", 0, 254, 0},
    {"Party", "locale", 0, 20, 0},
    {"Address", "country", 0, 2, 0},
    {"Address", "postcode", 0, 20, 0},
    {"Address", "phone", 0, 50, 0},
    {"PaymentTerms", "kind", PROTO_REQUIRED, 0, 0},
    {"PaymentTerms", "net_days", 0, NET_DAYS_MAX, 0},
    {"PaymentTerms", "instalments", 0, INSTALMENTS_MAX, 0},
    {"InvoiceRequest", "tax_number", 0, 50, 0},
    {"FieldChange", "field", PROTO_REQUIRED, 200, 0},
    {"FieldChange", "value", PROTO_LINES, LONG_TEXT_MAX, 0},
    {"ShortageChoice", "line_no", PROTO_REQUIRED | PROTO_POSITIVE, 1000000, 0},
    {"ShortageChoice", "kind", PROTO_REQUIRED, 0, 0},
    {"ShortageChoice", "substitute_sku", 0, 100, 0},
    {"ShortageChoice", "quantity", PROTO_POSITIVE, QUANTITY_MAX, 0},
};
// clang-format on
const size_t order_rule_count = sizeof order_rules / sizeof order_rules[0];

static void line_problem(struct jsonr_problems *problems, size_t index, const char *member, const char *code,
                         const char *remedy, const char *detail)
{
    char field[96]; // an index, the text around it and a member's name
    snprintf(field, sizeof field, "lines[%zu].%s", index, member);
    jsonr_problem(problems, code, field, remedy, "%s", detail);
}

// Each line's total and their sum must be computable in 64 bits: nobody after this has to fear an overflow.
static void check_money(const Orderclerk__V1__Order *order, struct jsonr_problems *problems)
{
    int64_t sum = 0;
    for (size_t i = 0; i < order->n_lines; i++) {
        const Orderclerk__V1__OrderLine *line = order->lines[i];
        int64_t total = 0;
        if (!money_multiply(line->unit_price_minor, line->quantity, &total) || total > INT64_MAX / 4 ||
            !money_add(sum, total, &sum) || sum > INT64_MAX / 4) {
            line_problem(problems, i, "unit_price", "out_of_range", "send a smaller price or quantity",
                         "price times quantity doesn't fit 64 bits");
            return;
        }
        if (line->discount_minor > total)
            line_problem(problems, i, "discount", "out_of_range", "send at most the line's total",
                         "is more than price times quantity");
    }
}

static int compare_numbers(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static void number_lines(struct arena *arena, Orderclerk__V1__Order *order, struct jsonr_problems *problems)
{
    bool any = false;
    for (size_t i = 0; i < order->n_lines; i++)
        any = any || order->lines[i]->line_no != 0;
    uint32_t *numbers = arena_new_array(arena, uint32_t, order->n_lines);
    for (size_t i = 0; i < order->n_lines; i++) {
        if (any && order->lines[i]->line_no == 0)
            line_problem(problems, i, "line_no", "required", "number all lines, or none", "is missing");
        else if (!any)
            order->lines[i]->line_no = (uint32_t)(i + 1);
        numbers[i] = order->lines[i]->line_no;
    }
    qsort(numbers, order->n_lines, sizeof *numbers, compare_numbers);
    for (size_t i = 1; i < order->n_lines; i++) {
        if (numbers[i] != 0 && numbers[i] == numbers[i - 1]) {
            jsonr_problem(problems, "duplicate", "lines", "give each line another line_no",
                          "line_no %" PRIu32 " is there twice", numbers[i]);
            return;
        }
    }
}

static void check_attachments(const Orderclerk__V1__Order *order, struct jsonr_problems *problems)
{
    for (size_t i = 0; i < order->n_lines; i++) {
        const Orderclerk__V1__OrderLine *line = order->lines[i];
        for (size_t k = 0; k < line->n_attachments; k++) {
            const char *sha256 = line->attachments[k]->sha256;
            if (strlen(sha256) == 64 && sha256[strspn(sha256, "0123456789abcdef")] == '\0')
                continue;
            char field[64];
            snprintf(field, sizeof field, "attachments[%zu].sha256", k);
            line_problem(problems, i, field, "format", "send 64 lower-case hexadecimal digits",
                         "isn't a SHA-256");
        }
    }
}

static void check_channel(const Orderclerk__V1__Order *order, struct jsonr_problems *problems)
{
    static const char *const channels[] = {"",      "WEB",         "EMAIL", "CHAT",
                                           "WECOM", "MARKETPLACE", "FILE",  "PHONE"};
    for (size_t i = 0; i < sizeof channels / sizeof channels[0]; i++)
        if (strcmp(order->channel, channels[i]) == 0)
            return;
    jsonr_problem(problems, "unknown_value", "channel", "one of: WEB EMAIL CHAT WECOM MARKETPLACE FILE PHONE",
                  "unknown: \"%.40s\"", order->channel);
}

// -1, with a problem unless the reader will find one: missing, another type, or unknown.
static int currency_exponent(const struct jsonr_value *object, struct jsonr_problems *problems)
{
    const struct jsonr_value *value = jsonr_member(object, "currency");
    if (value == NULL || jsonr_type_of(value) != JSONR_TEXT)
        return -1;
    struct bytes text = jsonr_text(value);
    if (text.size == 0 || text.size > 3)
        return -1;
    char code[4] = "";
    memcpy(code, text.data, text.size);
    int exponent = money_exponent(code);
    if (exponent < 0)
        jsonr_problem(problems, "unknown_value", "currency",
                      "send an ISO 4217 code in capitals: CNY, EUR, USD", "unknown: \"%s\"", code);
    return exponent;
}

Orderclerk__V1__Order *order_json_read(struct arena *arena, const struct jsonr_value *object, bool from_text,
                                       const char *const *besides, struct jsonr_problems *problems)
{
    size_t before = problems->count;
    if (jsonr_type_of(object) != JSONR_OBJECT) {
        jsonr_problem(problems, "type", "", "send an object", "is %s",
                      jsonr_type_name(jsonr_type_of(object)));
        return NULL;
    }
    struct proto_reader reader = {.arena = arena,
                                  .problems = problems,
                                  .rules = order_rules,
                                  .rule_count = order_rule_count,
                                  .exponent = currency_exponent(object, problems),
                                  .from_text = from_text};
    Orderclerk__V1__Order *order = (Orderclerk__V1__Order *)proto_json_read(
        &reader, object, "", &orderclerk__v1__order__descriptor, besides);
    if (problems->count > before)
        return NULL;
    number_lines(arena, order, problems);
    check_channel(order, problems);
    check_money(order, problems);
    check_attachments(order, problems);
    order->revision = 1;
    return problems->count > before ? NULL : order;
}

Orderclerk__V1__Order *order_json_parse(struct arena *arena, struct bytes body,
                                        struct jsonr_problems *problems)
{
    struct jsonr_doc *doc = jsonr_parse(body, problems);
    if (doc == NULL)
        return NULL;
    Orderclerk__V1__Order *order = order_json_read(arena, jsonr_root(doc), false, NULL, problems);
    jsonr_free(doc);
    return order;
}
