// Money: int64 minor units of an ISO 4217 currency. No floating point anywhere near it; every operation is
// checked.
#pragma once

#include "base/bytes.h"

#include <stdbool.h>
#include <stdint.h>

// Number of decimal places (CNY 2, JPY 0, KWD 3). -1: unknown currency.
int money_exponent(const char *currency);

// False on overflow; *ret untouched.
bool money_add(int64_t a, int64_t b, int64_t *ret_sum);
bool money_multiply(int64_t unit_minor, int64_t quantity, int64_t *ret_product);

// Rounding takes halves away from zero: a refund's tax is the sale's, negated.
// round-half-up of amount * rate_bp / 10000 (tax on a net amount)
bool money_tax_of_net(int64_t net_minor, uint32_t rate_bp, int64_t *ret_tax);
// the tax contained in a gross amount: gross - round-half-up(gross * 10000 / (10000 + rate_bp))
bool money_tax_in_gross(int64_t gross_minor, uint32_t rate_bp, int64_t *ret_tax);

// Splits total by weights so that the parts add up to total exactly (largest remainder, ties to the earlier
// part). weights[i] >= 0, their sum > 0 and within int64; false otherwise. ret_parts isn't weights. A
// negative total gives the negated parts.
bool money_split(int64_t total_minor, const int64_t *weights, int64_t *ret_parts, uint32_t count);

// "12.50" in the currency's exponent -> 1250. False: not a number of at most that many places, or overflow.
bool money_parse(struct bytes text, int exponent, int64_t *ret_minor);
#define MONEY_TEXT_SIZE 32 // an unknown currency's exponent (-1) shows minor units
void money_format(int64_t minor, int exponent, char text[static MONEY_TEXT_SIZE]);
