// A right order and the master data that it is right by, for tests to spoil.
#pragma once

#include "validator/validator_rules.h"

struct sample {
    Orderclerk__V1__Order order;
    Orderclerk__V1__Party party;
    Orderclerk__V1__Address address;
    Orderclerk__V1__PaymentTerms terms;
    Orderclerk__V1__InvoiceRequest invoice;
    Orderclerk__V1__OrderLine lines[2]; // the second one's product is made
    Orderclerk__V1__OrderLine *line_list[2];
    Orderclerk__V1__Customer customer;
    Orderclerk__V1__PaymentKind granted[2]; // PREPAID, NET up to 30 days
    Orderclerk__V1__Calendar calendar;      // China
    char *holidays[2];                      // 2026-12-01 and 2026-12-02
    char *workdays[1];                      // Saturday 2026-12-05
    Orderclerk__V1__Product products[2];    // A-100 (piece; box of 12), M-100
    Orderclerk__V1__PackFactor packs[1];
    Orderclerk__V1__PackFactor *pack_list[1];
    Orderclerk__V1__Price prices[2]; // 1.00 from 1, 0.90 from 100; M-100: 250.00; 13 % tax
    Orderclerk__V1__PriceBreak breaks[3];
    Orderclerk__V1__PriceBreak *break_lists[2][2];
    struct line_reference references[2];
    struct judge_input input; // now: Tuesday 2026-11-24 10:00 in Shanghai
};

void sample_init(struct sample *s);
instant sample_at(const char *rfc3339);
