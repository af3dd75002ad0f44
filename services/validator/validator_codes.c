// What can be wrong with an order.
#include "validator/validator_codes.h"

#include <assert.h>
#include <string.h>

#define BY_CUSTOMER ORDERCLERK__V1__SEVERITY__SEVERITY_CLEARABLE_BY_CUSTOMER, ""
#define BY(who)     ORDERCLERK__V1__SEVERITY__SEVERITY_CLEARABLE_BY_DEPARTMENT, who
#define FATAL       ORDERCLERK__V1__SEVERITY__SEVERITY_FATAL, ""

// clang-format off
static const struct violation_row rows[] = {
    [CUSTOMER_UNKNOWN] = {"CUSTOMER_UNKNOWN", FATAL, true, "There is no customer {0}.", "没有客户编号 {0}。"},
    [CUSTOMER_NOT_IDENTIFIED] = {"CUSTOMER_NOT_IDENTIFIED", BY_CUSTOMER, true, "Please give your customer number: company and phone don't tell who you are.", "请提供客户编号：凭公司名称和电话无法确认您的身份。"},
    [CUSTOMER_BLOCKED] = {"CUSTOMER_BLOCKED", FATAL, true, "Customer {0} can't be supplied at present.", "客户 {0} 目前无法供货。"},
    [CONTACT_MISSING] = {"CONTACT_MISSING", BY_CUSTOMER, false, "Please give an e-mail address for questions and news about the order.", "请提供电子邮箱，以便沟通订单事宜。"},
    [CONTACT_EMAIL] = {"CONTACT_EMAIL", BY_CUSTOMER, false, "{0} is not an e-mail address.", "{0} 不是有效的电子邮箱。"},
    [CONTACT_PHONE] = {"CONTACT_PHONE", BY_CUSTOMER, false, "{0} is not a phone number.", "{0} 不是有效的电话号码。"},
    [ADDRESS_INCOMPLETE] = {"ADDRESS_INCOMPLETE", BY_CUSTOMER, false, "The delivery address lacks: {0}.", "收货地址缺少：{1}。"},
    [ADDRESS_COUNTRY] = {"ADDRESS_COUNTRY", BY_CUSTOMER, false, "{0} is not a two-letter country code.", "{0} 不是两位国家代码。"},
    [ADDRESS_NO_HOUSE_NUMBER] = {"ADDRESS_NO_HOUSE_NUMBER", BY_CUSTOMER, false, "The street {0} has no house number.", "街道 {0} 缺少门牌号。"},
    [ADDRESS_POSTCODE] = {"ADDRESS_POSTCODE", BY_CUSTOMER, false, "{0} is not a postcode of {1}.", "{0} 不是 {1} 的邮政编码。"},
    [ADDRESS_PHONE] = {"ADDRESS_PHONE", BY_CUSTOMER, false, "{0} is not a phone number that the carrier can call.", "{0} 不是承运人可以拨打的电话号码。"},
    [TERMS_MISSING] = {"TERMS_MISSING", BY_CUSTOMER, false, "Please say how you will pay.", "请说明付款方式。"},
    [TERMS_INCOMPLETE] = {"TERMS_INCOMPLETE", BY_CUSTOMER, false, "Payment terms {0} lack: {1}.", "付款条件 {0} 缺少：{1}。"},
    [TERMS_NOT_GRANTED] = {"TERMS_NOT_GRANTED", BY("finance"), false, "Payment terms {0} are not agreed with customer {1}.", "未与客户 {1} 约定付款条件 {0}。"},
    [INVOICE_INCOMPLETE] = {"INVOICE_INCOMPLETE", BY_CUSTOMER, false, "A special VAT invoice needs: {0}.", "增值税专用发票需要：{1}。"},
    [INVOICE_TAX_NUMBER] = {"INVOICE_TAX_NUMBER", BY_CUSTOMER, false, "{0} is not a tax number: 15 to 20 letters and digits.", "{0} 不是有效的税号：应为 15 至 20 位字母和数字。"},
    [CURRENCY_UNKNOWN] = {"CURRENCY_UNKNOWN", BY_CUSTOMER, true, "{0} is not a currency.", "{0} 不是有效的币种。"},
    [CURRENCY_MISMATCH] = {"CURRENCY_MISMATCH", BY_CUSTOMER, false, "The order is in {0}, your prices are in {1}.", "订单币种为 {0}，您的价格表币种为 {1}。"},
    [LINES_MISSING] = {"LINES_MISSING", BY_CUSTOMER, true, "The order has no lines.", "订单没有商品行。"},
    [LINES_TOO_MANY] = {"LINES_TOO_MANY", FATAL, true, "An order may have {0} lines.", "一张订单最多 {0} 行。"},
    [LINE_NUMBER_TWICE] = {"LINE_NUMBER_TWICE", BY_CUSTOMER, true, "Line number {0} is used twice.", "行号 {0} 重复。"},
    [PRODUCT_MISSING] = {"PRODUCT_MISSING", BY_CUSTOMER, true, "The product code is missing.", "缺少产品编码。"},
    [PRODUCT_UNKNOWN] = {"PRODUCT_UNKNOWN", BY_CUSTOMER, true, "There is no product {0}.", "没有产品编码 {0}。"},
    [PRODUCT_GTIN] = {"PRODUCT_GTIN", BY_CUSTOMER, true, "{0} looks like a GTIN, but its check digit is wrong.", "{0} 看似商品条码，但校验位不正确。"},
    [PRODUCT_RETIRED] = {"PRODUCT_RETIRED", BY_CUSTOMER, true, "Product {0} is no longer sold.", "产品 {0} 已停产。"},
    [QUANTITY_NOT_POSITIVE] = {"QUANTITY_NOT_POSITIVE", BY_CUSTOMER, true, "The quantity {0} is not positive.", "数量 {0} 必须大于零。"},
    [QUANTITY_TOO_LARGE] = {"QUANTITY_TOO_LARGE", BY_CUSTOMER, true, "At most {0} {1} can be ordered in one line.", "每行最多可订 {0} {1}。"},
    [QUANTITY_BELOW_MINIMUM] = {"QUANTITY_BELOW_MINIMUM", BY_CUSTOMER, false, "At least {0} {1} must be ordered.", "起订量为 {0} {1}。"},
    [UNIT_UNKNOWN] = {"UNIT_UNKNOWN", BY_CUSTOMER, true, "Product {1} isn't sold by {0}.", "产品 {1} 不按“{0}”销售。"},
    [PRICE_MISSING] = {"PRICE_MISSING", BY("sales"), false, "Price list {1} has no price for {0}.", "价格表 {1} 中没有 {0} 的价格。"},
    [PRICE_NEGATIVE] = {"PRICE_NEGATIVE", BY_CUSTOMER, true, "The unit price {0} is negative.", "单价 {0} 为负数。"},
    [PRICE_BELOW_LIST] = {"PRICE_BELOW_LIST", BY("sales"), false, "The unit price {0} is below the list price {1}.", "单价 {0} 低于目录价 {1}。"},
    [PRICE_ABOVE_LIST] = {"PRICE_ABOVE_LIST", BY_CUSTOMER, false, "The unit price {0} is above the list price {1}.", "单价 {0} 高于目录价 {1}。"},
    [TAX_RATE_WRONG] = {"TAX_RATE_WRONG", BY_CUSTOMER, false, "The tax rate is {1} %, not {0} %.", "税率应为 {1}%，而非 {0}%。"},
    [DISCOUNT_TOO_LARGE] = {"DISCOUNT_TOO_LARGE", BY_CUSTOMER, true, "The discount {0} is negative or more than the line's amount {1}.", "折扣 {0} 为负数或超过该行金额 {1}。"},
    [AMOUNT_TOO_LARGE] = {"AMOUNT_TOO_LARGE", BY_CUSTOMER, true, "The amount is larger than can be invoiced.", "金额超出可开票的上限。"},
    [DATE_INVALID] = {"DATE_INVALID", BY_CUSTOMER, false, "{0} is not a date of the form YYYY-MM-DD.", "{0} 不是 YYYY-MM-DD 格式的日期。"},
    [DATE_PAST] = {"DATE_PAST", BY_CUSTOMER, false, "The date {0} is past; {1} is the earliest possible.", "日期 {0} 已过；最早可为 {1}。"},
    [DATE_TOO_EARLY_STOCK] = {"DATE_TOO_EARLY", BY_CUSTOMER, false, "The date {0} can't be met; {1} is the earliest possible.", "无法在 {0} 交货；最早可为 {1}。"},
    [DATE_TOO_EARLY_MAKE] = {"DATE_TOO_EARLY", BY("production"), false, "The date {0} is too early for production; {1} is the earliest possible.", "生产来不及在 {0} 交货；最早可为 {1}。"},
    [CALENDAR_MISSING] = {"CALENDAR_MISSING", BY("logistics"), false, "There is no calendar of working days for {0}.", "没有 {0} 的工作日历。"},
};
// clang-format on
_Static_assert(sizeof rows / sizeof rows[0] == VIOLATION_KINDS, "one row per kind");

const struct violation_row *violation_row(enum violation_kind kind)
{
    assert(kind < VIOLATION_KINDS);
    return &rows[kind];
}

static char *fill(struct arena *arena, const char *text, const char *first, const char *second)
{
    size_t size = strlen(text) + strlen(first) + strlen(second) + 1; // each is used at most once
    char *out = arena_alloc(arena, size);
    char *at = out;
    while (*text != '\0') {
        bool is_first = strncmp(text, "{0}", 3) == 0;
        if (!is_first && strncmp(text, "{1}", 3) != 0) {
            *at++ = *text++;
            continue;
        }
        const char *value = is_first ? first : second;
        size_t length = strlen(value);
        memcpy(at, value, length);
        at += length;
        text += 3;
    }
    return out;
}

static bool is_waived(const struct violations *v, const char *code, const char *field)
{
    size_t length = strlen(code);
    for (size_t i = 0; i < v->waived_count; i++) {
        const char *one = v->waived[i];
        if (strncmp(one, code, length) == 0 && one[length] == '@' && strcmp(one + length + 1, field) == 0)
            return true;
    }
    return false;
}

Orderclerk__V1__Violation *violations_add(struct violations *v, enum violation_kind kind, const char *field,
                                          const char *first, const char *second)
{
    const struct violation_row *row = violation_row(kind);
    if (!row->needed && is_waived(v, row->code, field))
        return NULL;
    if (v->count == v->capacity) {
        v->capacity = v->capacity == 0 ? 16 : v->capacity * 2;
        Orderclerk__V1__Violation **grown =
            arena_new_array(v->arena, Orderclerk__V1__Violation *, v->capacity);
        if (v->count > 0)
            memcpy(grown, v->items, v->count * sizeof(Orderclerk__V1__Violation *));
        v->items = grown;
    }
    if (first == NULL)
        first = "";
    if (second == NULL)
        second = "";
    Orderclerk__V1__Violation *violation = arena_new_object(v->arena, Orderclerk__V1__Violation);
    orderclerk__v1__violation__init(violation);
    violation->code = (char *)(uintptr_t)row->code;
    violation->field = arena_str(v->arena, bytes_str(field));
    violation->severity = row->severity;
    violation->department = (char *)(uintptr_t)row->department;
    violation->text_en = fill(v->arena, row->text_en, first, second);
    violation->text_zh = fill(v->arena, row->text_zh, first, second);
    v->items[v->count++] = violation;
    return violation;
}

void violations_suggest(struct violations *v, Orderclerk__V1__Violation *violation, const char *value)
{
    if (violation == NULL || value[0] == '\0' || violation->n_suggestions == VIOLATION_SUGGESTIONS_MAX)
        return;
    if (violation->suggestions == NULL) {
        violation->suggestions = arena_new_array(v->arena, char *, VIOLATION_SUGGESTIONS_MAX);
    }
    violation->suggestions[violation->n_suggestions++] = arena_str(v->arena, bytes_str(value));
}
