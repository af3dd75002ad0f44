// Judging an order: pure functions of the order, the master data it was looked up against, and now.
#pragma once

#include "base/clock.h"
#include "orderclerk/v1/reference.pb-c.h"
#include "orderclerk/v1/validation_events.pb-c.h"
#include "validator/validator_codes.h"

#define JUDGE_LINES_MAX 1000 // the door's limit for an order

// What is known of a line's product; NULL: nothing.
struct line_reference {
    const Orderclerk__V1__Product *product;
    const Orderclerk__V1__Price *price; // in the customer's price list
    const struct bytes *suggestions; // codes near to the one written, the nearest first; when product is NULL
    size_t suggestion_count;
};

struct judge_input {
    const Orderclerk__V1__Order *order;
    char *const *waived; // "CODE@field"
    size_t waived_count;
    instant now;
    const Orderclerk__V1__Customer *customer; // NULL: not known
    const Orderclerk__V1__Calendar *calendar; // of the delivery's country; NULL: none
    const struct line_reference *lines;       // one per line of the order
};

struct judgement {
    Orderclerk__V1__Violation **violations;
    size_t violation_count;
    // Meaningful without violations:
    Orderclerk__V1__ResolvedLine **lines;
    size_t line_count;
    int64_t total_minor; // gross
    bool terms_granted;
    const char *zone;
    char earliest_date[DATE_TEXT_SIZE]; // "": not known
};

// Everything that is wrong, at once. The result lives in the arena.
struct judgement judge(struct arena *arena, const struct judge_input *input);

// ---- the parts (each adds to *v)

// validator_rules_party.c: customer, contact, payment terms, invoice
void judge_customer(struct violations *v, const struct judge_input *input);
bool judge_terms(struct violations *v,
                 const struct judge_input *input); // true: granted by the customer's record
void judge_invoice(struct violations *v, const Orderclerk__V1__InvoiceRequest *invoice);
bool judge_is_phone(const char *text);
bool judge_is_email(const char *text);

// validator_rules_address.c
void judge_address(struct violations *v, const Orderclerk__V1__Address *address); // NULL: none given

// validator_rules_date.c
struct working_days {
    const Orderclerk__V1__Calendar *calendar;
    local_date today;  // where the goods go
    local_date counts; // the day from which working days are counted: today, or the next working day
};
// False: no calendar, or its zone isn't known.
bool working_days_open(const Orderclerk__V1__Calendar *calendar, instant now, struct working_days *ret_days);
bool working_day(const Orderclerk__V1__Calendar *calendar, local_date date);
// The working day on which something with this lead time can be there.
local_date working_days_after(const struct working_days *days, uint32_t lead_days);
// Returns the line's earliest date.
local_date judge_date(struct violations *v, const struct working_days *days,
                      const Orderclerk__V1__OrderLine *line, const Orderclerk__V1__Product *product,
                      size_t index);

// validator_rules_line.c: product, quantity, unit, price, tax. Fills *ret_line; false: it can't be computed.
bool judge_line(struct violations *v, const struct judge_input *input, size_t index, local_date ordered_on,
                Orderclerk__V1__ResolvedLine *ret_line);
void judge_currency(struct violations *v, const struct judge_input *input);
