// A line: which product, how much of it, at what price. Amounts are exact in minor units; there is no tolerance.
#include "validator/validator_rules.h"

#include "base/money.h"
#include "validator/validator_spelling.h"

#include <string.h>

// As inventory's: more base units than this is a mistake.
#define QUANTITY_MAX INT64_C(1000000000000)

struct line_case {
    struct violations *v;
    const struct judge_input *input;
    const Orderclerk__V1__OrderLine *line;
    const struct line_reference *reference;
    size_t index;
    int exponent;
    int64_t factor;   // base units in one ordered unit
    int64_t quantity; // base units
    // What the line is charged by: as written, or the list's where no price was written (0).
    int64_t unit_price;
    uint32_t tax_rate_bp;
};

static const char *path(const struct line_case *c, const char *field)
{
    return arena_printf(c->v->arena, "lines[%zu].%s", c->index, field);
}

static const char *money_text(const struct line_case *c, int64_t minor)
{
    char text[MONEY_TEXT_SIZE];
    money_format(minor, c->exponent, text);
    return arena_str(c->v->arena, bytes_str(text));
}

static const char *number_text(const struct line_case *c, int64_t number)
{
    return arena_printf(c->v->arena, "%lld", (long long)number);
}

// 1300 -> 13, 1350 -> 13.5
static const char *rate_text(const struct line_case *c, uint32_t bp)
{
    if (bp % 100 == 0)
        return arena_printf(c->v->arena, "%u", bp / 100);
    if (bp % 10 == 0)
        return arena_printf(c->v->arena, "%u.%u", bp / 100, bp % 100 / 10);
    return arena_printf(c->v->arena, "%u.%02u", bp / 100, bp % 100);
}

// ---- product

static bool judge_product(const struct line_case *c)
{
    const char *field = path(c, "product_code");
    const char *code = c->line->product_code;
    const Orderclerk__V1__Product *product = c->reference->product;
    if (code[strspn(code, " \t")] == '\0') {
        violations_add(c->v, PRODUCT_MISSING, field, NULL, NULL);
        return false;
    }
    if (product == NULL) {
        struct bytes text = bytes_str(code);
        bool mistyped = spelling_looks_like_gtin(text) && !spelling_gtin_ok(text);
        Orderclerk__V1__Violation *violation =
            violations_add(c->v, mistyped ? PRODUCT_GTIN : PRODUCT_UNKNOWN, field, code, NULL);
        for (size_t i = 0; i < c->reference->suggestion_count; i++)
            violations_suggest(c->v, violation, arena_str(c->v->arena, c->reference->suggestions[i]));
        return false;
    }
    if (product->retired) {
        violations_suggest(c->v, violations_add(c->v, PRODUCT_RETIRED, field, product->sku, NULL),
                           product->successor);
        return false;
    }
    return true;
}

// ---- quantity and unit

static bool find_factor(const struct line_case *c, int64_t *ret_factor)
{
    const Orderclerk__V1__Product *product = c->reference->product;
    const char *unit = c->line->unit;
    if (unit[0] == '\0' || strcmp(unit, product->base_unit) == 0) {
        *ret_factor = 1;
        return true;
    }
    for (size_t i = 0; i < product->n_packs; i++) {
        if (strcmp(unit, product->packs[i]->unit) != 0 || product->packs[i]->factor <= 0)
            continue;
        *ret_factor = product->packs[i]->factor;
        return true;
    }
    return false;
}

static bool judge_unit(struct line_case *c)
{
    const Orderclerk__V1__Product *product = c->reference->product;
    if (find_factor(c, &c->factor))
        return true;
    Orderclerk__V1__Violation *violation =
        violations_add(c->v, UNIT_UNKNOWN, path(c, "unit"), c->line->unit, product->sku);
    violations_suggest(c->v, violation, product->base_unit);
    for (size_t i = 0; i < product->n_packs; i++)
        violations_suggest(c->v, violation, product->packs[i]->unit);
    return false;
}

static bool judge_quantity(struct line_case *c)
{
    const Orderclerk__V1__Product *product = c->reference->product;
    const char *field = path(c, "quantity");
    if (c->line->quantity <= 0) {
        violations_add(c->v, QUANTITY_NOT_POSITIVE, field, number_text(c, c->line->quantity), NULL);
        return false;
    }
    int64_t most = product->max_quantity > 0 ? product->max_quantity : QUANTITY_MAX;
    bool fits = money_multiply(c->line->quantity, c->factor, &c->quantity) && c->quantity <= most;
    if (fits)
        return true;
    violations_suggest(
        c->v, violations_add(c->v, QUANTITY_TOO_LARGE, field, number_text(c, most), product->base_unit),
        number_text(c, most / c->factor));
    return false;
}

// ---- price

// The list price of one ordered unit, as the line writes prices. False: none.
static bool list_price(const struct line_case *c, const Orderclerk__V1__Price *price, int64_t *ret_minor)
{
    const Orderclerk__V1__PriceBreak *best = NULL;
    for (size_t i = 0; i < price->n_breaks; i++) {
        const Orderclerk__V1__PriceBreak *one = price->breaks[i];
        if (one->min_quantity <= c->quantity && (best == NULL || one->min_quantity >= best->min_quantity))
            best = one;
    }
    int64_t net;
    int64_t tax = 0;
    if (best == NULL || !money_multiply(best->net_minor, c->factor, &net))
        return false;
    if (c->line->price_includes_tax && !money_tax_of_net(net, price->tax_rate_bp, &tax))
        return false;
    return money_add(net, tax, ret_minor);
}

static bool is_valid_on(const Orderclerk__V1__Price *price, local_date day)
{
    char text[DATE_TEXT_SIZE];
    date_format(day, text);
    bool begun = price->valid_from[0] == '\0' || strcmp(price->valid_from, text) <= 0;
    bool over = price->valid_until[0] != '\0' && strcmp(price->valid_until, text) < 0;
    return begun && !over;
}

static int64_t least_quantity(const Orderclerk__V1__Price *price)
{
    int64_t least = price->breaks[0]->min_quantity;
    for (size_t i = 1; i < price->n_breaks; i++) {
        if (price->breaks[i]->min_quantity < least)
            least = price->breaks[i]->min_quantity;
    }
    return least;
}

static void compare_price(struct line_case *c, int64_t listed)
{
    int64_t asked = c->line->unit_price_minor;
    if (asked == 0)
        c->unit_price = listed;
    if (asked == listed || asked <= 0)
        return;
    enum violation_kind kind = asked < listed ? PRICE_BELOW_LIST : PRICE_ABOVE_LIST;
    violations_suggest(
        c->v, violations_add(c->v, kind, path(c, "unit_price"), money_text(c, asked), money_text(c, listed)),
        money_text(c, listed));
}

static void judge_price(struct line_case *c, local_date ordered_on)
{
    const Orderclerk__V1__Customer *customer = c->input->customer;
    const Orderclerk__V1__Product *product = c->reference->product;
    const Orderclerk__V1__Price *price = c->reference->price;
    if (c->line->unit_price_minor < 0) {
        violations_add(c->v, PRICE_NEGATIVE, path(c, "unit_price"), money_text(c, c->line->unit_price_minor),
                       NULL);
    }
    if (customer == NULL)
        return; // no price list to compare with
    if (price == NULL || price->n_breaks == 0 || !is_valid_on(price, ordered_on)) {
        violations_add(c->v, PRICE_MISSING, path(c, "unit_price"), product->sku, customer->price_list);
        return;
    }
    if (strcmp(price->currency, c->input->order->currency) != 0)
        return; // told once: judge_currency
    if (c->line->unit_price_minor == 0 && c->line->tax_rate_bp == 0) {
        c->tax_rate_bp = price->tax_rate_bp;
    } else if (c->line->tax_rate_bp != price->tax_rate_bp) {
        violations_suggest(c->v,
                           violations_add(c->v, TAX_RATE_WRONG, path(c, "tax_rate"),
                                          rate_text(c, c->line->tax_rate_bp),
                                          rate_text(c, price->tax_rate_bp)),
                           rate_text(c, price->tax_rate_bp));
    }
    int64_t listed;
    int64_t least = least_quantity(price);
    if (list_price(c, price, &listed)) {
        compare_price(c, listed);
    } else if (c->quantity < least) {
        violations_suggest(c->v,
                           violations_add(c->v, QUANTITY_BELOW_MINIMUM, path(c, "quantity"),
                                          number_text(c, least), product->base_unit),
                           number_text(c, (least + c->factor - 1) / c->factor));
    } else {
        violations_add(c->v, AMOUNT_TOO_LARGE, path(c, "unit_price"), NULL, NULL);
    }
}

void judge_currency(struct violations *v, const struct judge_input *input)
{
    const char *currency = input->order->currency;
    for (size_t i = 0; i < input->order->n_lines; i++) {
        const Orderclerk__V1__Price *price = input->lines[i].price;
        if (price == NULL || strcmp(price->currency, currency) == 0)
            continue;
        enum violation_kind kind = money_exponent(currency) < 0 ? CURRENCY_UNKNOWN : CURRENCY_MISMATCH;
        violations_suggest(v, violations_add(v, kind, "currency", currency, price->currency),
                           price->currency);
        return;
    }
    if (money_exponent(currency) < 0)
        violations_add(v, CURRENCY_UNKNOWN, "currency", currency, NULL);
}

// ---- amount

// net, tax and gross of the line as it was ordered: price times quantity less discount, in the line's own way of writing
// prices. False: it doesn't fit, or the discount is more than the line.
static bool amount(const struct line_case *c, Orderclerk__V1__ResolvedLine *ret_line)
{
    const Orderclerk__V1__OrderLine *line = c->line;
    int64_t full;
    if (!money_multiply(c->unit_price, line->quantity, &full)) {
        violations_add(c->v, AMOUNT_TOO_LARGE, path(c, "quantity"), NULL, NULL);
        return false;
    }
    if (line->discount_minor < 0 || line->discount_minor > (full > 0 ? full : 0)) {
        violations_add(c->v, DISCOUNT_TOO_LARGE, path(c, "discount"), money_text(c, line->discount_minor),
                       money_text(c, full));
        return false;
    }
    int64_t stated = full - line->discount_minor;
    int64_t tax;
    int64_t gross = stated;
    bool fits = line->price_includes_tax
                    ? money_tax_in_gross(stated, c->tax_rate_bp, &tax)
                    : money_tax_of_net(stated, c->tax_rate_bp, &tax) && money_add(stated, tax, &gross);
    if (!fits) {
        violations_add(c->v, AMOUNT_TOO_LARGE, path(c, "unit_price"), NULL, NULL);
        return false;
    }
    ret_line->net_minor = gross - tax;
    ret_line->tax_minor = tax;
    ret_line->gross_minor = gross;
    return true;
}

bool judge_line(struct violations *v, const struct judge_input *input, size_t index, local_date ordered_on,
                Orderclerk__V1__ResolvedLine *ret_line)
{
    struct line_case c = {.v = v,
                          .input = input,
                          .line = input->order->lines[index],
                          .reference = &input->lines[index],
                          .index = index,
                          .exponent = money_exponent(input->order->currency),
                          .unit_price = input->order->lines[index]->unit_price_minor,
                          .tax_rate_bp = input->order->lines[index]->tax_rate_bp};
    if (!judge_product(&c)) {
        if (c.line->quantity <= 0) {
            violations_add(v, QUANTITY_NOT_POSITIVE, path(&c, "quantity"), number_text(&c, c.line->quantity),
                           NULL);
        }
        return false;
    }
    if (!judge_unit(&c))
        return false;
    if (!judge_quantity(&c))
        return false;
    judge_price(&c, ordered_on);
    if (!amount(&c, ret_line))
        return false;
    const Orderclerk__V1__Product *product = c.reference->product;
    ret_line->line_no = c.line->line_no != 0 ? c.line->line_no : (uint32_t)index + 1;
    ret_line->sku = product->sku;
    ret_line->name = product->name_zh[0] != '\0' && input->customer != NULL &&
                             strncmp(input->customer->locale, "zh", 2) == 0
                         ? product->name_zh
                         : product->name_en;
    ret_line->kind = product->kind;
    ret_line->quantity = c.quantity;
    ret_line->base_unit = product->base_unit;
    ret_line->requested_date = c.line->requested_date;
    ret_line->no_picking = product->no_picking;
    return true;
}
