// What can be wrong with an order: one row per kind, with who may clear it and how it is told.
#pragma once

#include "base/arena.h"
#include "base/bytes.h"
#include "orderclerk/v1/order.pb-c.h"

#include <stdbool.h>
#include <stddef.h>

enum violation_kind {
    CUSTOMER_UNKNOWN,
    CUSTOMER_NOT_IDENTIFIED,
    CUSTOMER_BLOCKED,
    CONTACT_MISSING,
    CONTACT_EMAIL,
    CONTACT_PHONE,
    ADDRESS_INCOMPLETE,
    ADDRESS_COUNTRY,
    ADDRESS_NO_HOUSE_NUMBER,
    ADDRESS_POSTCODE,
    ADDRESS_PHONE,
    TERMS_MISSING,
    TERMS_INCOMPLETE,
    TERMS_NOT_GRANTED,
    INVOICE_INCOMPLETE,
    INVOICE_TAX_NUMBER,
    CURRENCY_UNKNOWN,
    CURRENCY_MISMATCH,
    LINES_MISSING,
    LINES_TOO_MANY,
    LINE_NUMBER_TWICE,
    PRODUCT_MISSING,
    PRODUCT_UNKNOWN,
    PRODUCT_GTIN,
    PRODUCT_RETIRED,
    QUANTITY_NOT_POSITIVE,
    QUANTITY_TOO_LARGE,
    QUANTITY_BELOW_MINIMUM,
    UNIT_UNKNOWN,
    PRICE_MISSING,
    PRICE_NEGATIVE,
    PRICE_BELOW_LIST,
    PRICE_ABOVE_LIST,
    TAX_RATE_WRONG,
    DISCOUNT_TOO_LARGE,
    AMOUNT_TOO_LARGE,
    DATE_INVALID,
    DATE_PAST,
    DATE_TOO_EARLY_STOCK,
    DATE_TOO_EARLY_MAKE,
    CALENDAR_MISSING,
    VIOLATION_KINDS,
};

struct violation_row {
    const char *code;
    Orderclerk__V1__Severity severity;
    const char *department; // who clears it; "": the customer (or nobody)
    bool needed;            // the order can't be understood without it: can't be waived
    const char *text_en;    // {0} and {1} stand for what add() is given
    const char *text_zh;
};
const struct violation_row *violation_row(enum violation_kind kind);

// Collects violations, in the arena. What has been waived ("CODE@field") is left out, unless it is needed.
struct violations {
    struct arena *arena;
    char *const *waived;
    size_t waived_count;
    Orderclerk__V1__Violation **items;
    size_t count;
    size_t capacity;
};

#define VIOLATION_SUGGESTIONS_MAX 5 // more than a person reads

// field: path in the order as clients write it ("lines[2].quantity"). first, second: for {0} and {1}; NULL: "".
// Returns NULL when it is waived.
Orderclerk__V1__Violation *violations_add(struct violations *v, enum violation_kind kind, const char *field,
                                          const char *first, const char *second);
// Does nothing without a violation, an empty value, or room.
void violations_suggest(struct violations *v, Orderclerk__V1__Violation *violation, const char *value);
