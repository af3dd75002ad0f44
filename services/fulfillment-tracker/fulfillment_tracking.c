// Tracking numbers.
#include "fulfillment-tracker/fulfillment_tracking.h"

#include "base/hash.h"

#include <inttypes.h>
#include <string.h>
#include <strings.h>

#define NUMBER_MIN 6 // shorter ones are no parcel's

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}
static bool is_upper(char c)
{
    return c >= 'A' && c <= 'Z';
}

static bool all_digits(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (!is_digit(text[i]))
            return false;
    }
    return size > 0;
}

static bool prefixed(const char *text, size_t size, const char *prefix, size_t min_digits, size_t max_digits)
{
    size_t n = strlen(prefix);
    return size >= n + min_digits && size <= n + max_digits && memcmp(text, prefix, n) == 0 &&
           all_digits(text + n, size - n);
}

static bool ups(const char *text, size_t size)
{
    if (size != 18 || text[0] != '1' || text[1] != 'Z' || !is_digit(text[17]))
        return false;
    int sum = 0;
    for (int i = 2; i < 17; i++) {
        if (!is_digit(text[i]) && !is_upper(text[i]))
            return false;
        int value = is_digit(text[i]) ? text[i] - '0' : (text[i] - 'A' + 2) % 10;
        sum += i % 2 == 1 ? 2 * value : value;
    }
    return (10 - sum % 10) % 10 == text[17] - '0';
}

static bool fedex(const char *text, size_t size)
{
    static const int weights[3] = {3, 1, 7};
    if (size != 12 || !all_digits(text, size))
        return false;
    int sum = 0;
    for (int i = 0; i < 11; i++)
        sum += weights[i % 3] * (text[i] - '0');
    return sum % 11 % 10 == text[11] - '0';
}

static bool dhl(const char *text, size_t size)
{
    if (size != 10 || !all_digits(text, size))
        return false;
    int64_t number = 0;
    for (int i = 0; i < 9; i++)
        number = number * 10 + (text[i] - '0');
    return number % 7 == text[9] - '0';
}

static bool sf(const char *text, size_t size)
{
    return prefixed(text, size, "SF", 12, 13) || prefixed(text, size, "", 12, 12);
}
static bool yto(const char *text, size_t size)
{
    return prefixed(text, size, "YT", 13, 13) || prefixed(text, size, "", 10, 18);
}
static bool zto(const char *text, size_t size)
{
    return prefixed(text, size, "ZTO", 10, 14) || prefixed(text, size, "", 12, 15);
}

// The digit that makes the sum of a Luhn number (ISO/IEC 7812-1, annex B) a multiple of ten.
static int luhn_digit(const char *digits, size_t size)
{
    int sum = 0;
    for (size_t i = 0; i < size; i++) {
        int value = digits[size - 1 - i] - '0';
        if (i % 2 == 0)
            value = value > 4 ? 2 * value - 9 : 2 * value;
        sum += value;
    }
    return (10 - sum % 10) % 10;
}

static bool automatic(const char *text, size_t size)
{
    return prefixed(text, size, "AU", 13, 13) && luhn_digit(text + 2, 12) == text[14] - '0';
}

static bool plain(const char *text, size_t size)
{
    bool digit = false;
    for (size_t i = 0; i < size; i++) {
        if (!is_digit(text[i]) && !is_upper(text[i]) && !(text[i] >= 'a' && text[i] <= 'z') && text[i] != '-')
            return false;
        digit = digit || is_digit(text[i]);
    }
    return digit;
}

bool tracking_valid(struct bytes carrier, struct bytes number)
{
    static const struct {
        const char *carrier;
        bool (*valid)(const char *text, size_t size);
    } formats[] = {{"SF", sf},       {"YTO", yto}, {"ZTO", zto},       {"UPS", ups},
                   {"FEDEX", fedex}, {"DHL", dhl}, {"AUTO", automatic}};
    if (number.size < NUMBER_MIN || number.size > TRACKING_NUMBER_MAX)
        return false;
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++) {
        if (strlen(formats[i].carrier) == carrier.size &&
            strncasecmp(formats[i].carrier, carrier.data, carrier.size) == 0)
            return formats[i].valid(number.data, number.size);
    }
    return plain(number.data, number.size);
}

char *tracking_auto(struct arena *arena, struct uuid shipment_id)
{
    char digits[13];
    uint64_t number = hash_fnv1a(bytes_of(shipment_id.b, sizeof shipment_id.b)) % UINT64_C(1000000000000);
    for (int i = 11; i >= 0; i--) {
        digits[i] = (char)('0' + number % 10);
        number /= 10;
    }
    digits[12] = '\0';
    return arena_printf(arena, "AU%s%d", digits, luhn_digit(digits, 12));
}
