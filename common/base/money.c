// Money; see money.h. Products are formed in 128 bits and checked on the way back.
#include "base/money.h"

#include <assert.h>
#include <string.h>

__extension__ typedef __int128 int128;

#define EXPONENT_MAX 18 // 10^18 fits into int64
#define BASIS_POINTS 10000

// ISO 4217 list one of 2026-01-01: currencies and funds that have minor units, sorted by code. Metals,
// testing codes and others without minor units (XAU, XDR, XXX…) can't be paid in here.
struct currency {
    char code[4];
    int exponent;
};
// clang-format off
static const struct currency currencies[] = {
    {"AED", 2}, {"AFN", 2}, {"ALL", 2}, {"AMD", 2}, {"AOA", 2}, {"ARS", 2}, {"AUD", 2}, {"AWG", 2},
    {"AZN", 2}, {"BAM", 2}, {"BBD", 2}, {"BDT", 2}, {"BHD", 3}, {"BIF", 0}, {"BMD", 2}, {"BND", 2},
    {"BOB", 2}, {"BOV", 2}, {"BRL", 2}, {"BSD", 2}, {"BTN", 2}, {"BWP", 2}, {"BYN", 2}, {"BZD", 2},
    {"CAD", 2}, {"CDF", 2}, {"CHE", 2}, {"CHF", 2}, {"CHW", 2}, {"CLF", 4}, {"CLP", 0}, {"CNY", 2},
    {"COP", 2}, {"COU", 2}, {"CRC", 2}, {"CUP", 2}, {"CVE", 2}, {"CZK", 2}, {"DJF", 0}, {"DKK", 2},
    {"DOP", 2}, {"DZD", 2}, {"EGP", 2}, {"ERN", 2}, {"ETB", 2}, {"EUR", 2}, {"FJD", 2}, {"FKP", 2},
    {"GBP", 2}, {"GEL", 2}, {"GHS", 2}, {"GIP", 2}, {"GMD", 2}, {"GNF", 0}, {"GTQ", 2}, {"GYD", 2},
    {"HKD", 2}, {"HNL", 2}, {"HTG", 2}, {"HUF", 2}, {"IDR", 2}, {"ILS", 2}, {"INR", 2}, {"IQD", 3},
    {"IRR", 2}, {"ISK", 0}, {"JMD", 2}, {"JOD", 3}, {"JPY", 0}, {"KES", 2}, {"KGS", 2}, {"KHR", 2},
    {"KMF", 0}, {"KPW", 2}, {"KRW", 0}, {"KWD", 3}, {"KYD", 2}, {"KZT", 2}, {"LAK", 2}, {"LBP", 2},
    {"LKR", 2}, {"LRD", 2}, {"LSL", 2}, {"LYD", 3}, {"MAD", 2}, {"MDL", 2}, {"MGA", 2}, {"MKD", 2},
    {"MMK", 2}, {"MNT", 2}, {"MOP", 2}, {"MRU", 2}, {"MUR", 2}, {"MVR", 2}, {"MWK", 2}, {"MXN", 2},
    {"MXV", 2}, {"MYR", 2}, {"MZN", 2}, {"NAD", 2}, {"NGN", 2}, {"NIO", 2}, {"NOK", 2}, {"NPR", 2},
    {"NZD", 2}, {"OMR", 3}, {"PAB", 2}, {"PEN", 2}, {"PGK", 2}, {"PHP", 2}, {"PKR", 2}, {"PLN", 2},
    {"PYG", 0}, {"QAR", 2}, {"RON", 2}, {"RSD", 2}, {"RUB", 2}, {"RWF", 0}, {"SAR", 2}, {"SBD", 2},
    {"SCR", 2}, {"SDG", 2}, {"SEK", 2}, {"SGD", 2}, {"SHP", 2}, {"SLE", 2}, {"SOS", 2}, {"SRD", 2},
    {"SSP", 2}, {"STN", 2}, {"SVC", 2}, {"SYP", 2}, {"SZL", 2}, {"THB", 2}, {"TJS", 2}, {"TMT", 2},
    {"TND", 3}, {"TOP", 2}, {"TRY", 2}, {"TTD", 2}, {"TWD", 2}, {"TZS", 2}, {"UAH", 2}, {"UGX", 0},
    {"USD", 2}, {"USN", 2}, {"UYI", 0}, {"UYU", 2}, {"UYW", 4}, {"UZS", 2}, {"VED", 2}, {"VES", 2},
    {"VND", 0}, {"VUV", 0}, {"WST", 2}, {"XAD", 2}, {"XAF", 0}, {"XCD", 2}, {"XCG", 2}, {"XOF", 0},
    {"XPF", 0}, {"YER", 2}, {"ZAR", 2}, {"ZMW", 2}, {"ZWG", 2},
};
// clang-format on

int money_exponent(const char *currency)
{
    size_t low = 0;
    size_t high = sizeof currencies / sizeof currencies[0];
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const int order = strcmp(currency, currencies[middle].code);
        if (order == 0)
            return currencies[middle].exponent;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return -1;
}

bool money_add(int64_t a, int64_t b, int64_t *ret_sum)
{
    int64_t sum;
    if (__builtin_add_overflow(a, b, &sum))
        return false;
    *ret_sum = sum;
    return true;
}

bool money_multiply(int64_t unit_minor, int64_t quantity, int64_t *ret_product)
{
    int64_t product;
    if (__builtin_mul_overflow(unit_minor, quantity, &product))
        return false;
    *ret_product = product;
    return true;
}

static bool narrow(int128 value, int64_t *ret_value)
{
    if (value < INT64_MIN || value > INT64_MAX)
        return false;
    *ret_value = (int64_t)value;
    return true;
}

// Halves away from zero, so that a refund is rounded as the sale was. divisor > 0.
static int128 divide_half_up(int128 value, int128 divisor)
{
    const int128 half = divisor / 2 + divisor % 2; // value's remainder at or above it rounds up
    const int128 quotient = value / divisor;
    const int128 remainder = value % divisor;
    if (remainder >= half)
        return quotient + 1;
    if (remainder <= -half)
        return quotient - 1;
    return quotient;
}

bool money_tax_of_net(int64_t net_minor, uint32_t rate_bp, int64_t *ret_tax)
{
    return narrow(divide_half_up((int128)net_minor * rate_bp, BASIS_POINTS), ret_tax);
}

bool money_tax_in_gross(int64_t gross_minor, uint32_t rate_bp, int64_t *ret_tax)
{
    const int128 net = divide_half_up((int128)gross_minor * BASIS_POINTS, (int128)BASIS_POINTS + rate_bp);
    return narrow(gross_minor - net, ret_tax);
}

static bool sum_weights(const int64_t *weights, uint32_t count, int64_t *ret_sum)
{
    int64_t sum = 0;
    for (uint32_t i = 0; i < count; i++)
        if (weights[i] < 0 || __builtin_add_overflow(sum, weights[i], &sum))
            return false;
    *ret_sum = sum;
    return sum > 0;
}

// The smallest bound such that at most `wanted` of the values (0 <= value < limit) lie above it.
static int64_t find_bound(const int64_t *values, uint32_t count, int64_t limit, int64_t wanted)
{
    int64_t low = 0;
    int64_t high = limit;
    while (low < high) {
        const int64_t middle = low + (high - low) / 2;
        int64_t above = 0;
        for (uint32_t i = 0; i < count; i++)
            above += values[i] > middle;
        if (above <= wanted)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

bool money_split(int64_t total_minor, const int64_t *weights, int64_t *ret_parts, uint32_t count)
{
    int64_t sum;
    if (!sum_weights(weights, count, &sum))
        return false;
    const int sign = total_minor < 0 ? -1 : 1;
    const int128 total = (int128)total_minor * sign;

    // First the remainders, in the parts' place; what they add up to is the units that the rounded-down parts
    // lack.
    int128 remainders = 0;
    for (uint32_t i = 0; i < count; i++) {
        ret_parts[i] = (int64_t)(total * weights[i] % sum);
        remainders += ret_parts[i];
    }
    const int64_t missing = (int64_t)(remainders / sum);
    const int64_t bound = find_bound(ret_parts, count, sum, missing);
    int64_t at_bound = missing; // units for the remainders that equal the bound
    for (uint32_t i = 0; i < count; i++)
        at_bound -= ret_parts[i] > bound;
    for (uint32_t i = 0; i < count; i++) {
        const bool tie = ret_parts[i] == bound && at_bound > 0;
        const int extra = ret_parts[i] > bound || tie;
        at_bound -= tie;
        ret_parts[i] = (int64_t)((total * weights[i] / sum + extra) * sign);
    }
    return true;
}

bool money_parse(struct bytes text, int exponent, int64_t *ret_minor)
{
    if (exponent < 0 || exponent > EXPONENT_MAX)
        return false;
    const char *at = text.data;
    size_t left = text.size;
    const bool negative = left > 0 && *at == '-';
    if (negative) {
        at++;
        left--;
    }
    int64_t minor = 0;
    int places = -1; // -1: before the point
    size_t digits = 0;
    for (; left > 0; at++, left--) {
        if (*at == '.' && places < 0 && digits > 0) {
            places = 0;
            continue;
        }
        if (*at < '0' || *at > '9' || places == exponent)
            return false;
        const int64_t digit = negative ? -(*at - '0') : *at - '0';
        if (__builtin_mul_overflow(minor, INT64_C(10), &minor) ||
            __builtin_add_overflow(minor, digit, &minor))
            return false;
        digits++;
        places += places >= 0;
    }
    if (digits == 0 || places == 0)
        return false;
    for (int i = places < 0 ? 0 : places; i < exponent; i++)
        if (__builtin_mul_overflow(minor, INT64_C(10), &minor))
            return false;
    *ret_minor = minor;
    return true;
}

void money_format(int64_t minor, int exponent, char text[static MONEY_TEXT_SIZE])
{
    const int places = exponent < 0 || exponent > EXPONENT_MAX ? 0 : exponent;
    char reversed[MONEY_TEXT_SIZE];
    int size = 0;
    uint64_t rest = minor < 0 ? 0 - (uint64_t)minor : (uint64_t)minor;
    for (int digit = 0; rest > 0 || digit <= places; digit++) {
        if (digit == places && places > 0)
            reversed[size++] = '.';
        reversed[size++] = (char)('0' + rest % 10);
        rest /= 10;
    }
    if (minor < 0)
        reversed[size++] = '-';
    for (int i = 0; i < size; i++)
        text[i] = reversed[size - 1 - i];
    text[size] = '\0';
}
