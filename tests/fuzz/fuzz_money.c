// Amounts as text, taxes, and splits.
#include "base/money.h"
#include "fuzz/fuzz.h"

#include <string.h>

#define WEIGHTS_MAX  16
#define EXPONENT_MAX 20 // beyond any currency's, and beyond what money_parse takes

static void check_text(struct bytes text, int exponent)
{
    int64_t minor;
    if (!money_parse(text, exponent, &minor))
        return;
    char shown[MONEY_TEXT_SIZE];
    money_format(minor, exponent, shown);
    int64_t again;
    FUZZ_CHECK(money_parse(bytes_str(shown), exponent, &again));
    FUZZ_CHECK(again == minor);
}

static void check_number(int64_t minor, int exponent)
{
    char shown[MONEY_TEXT_SIZE];
    memset(shown, 'x', sizeof shown);
    money_format(minor, exponent, shown);
    FUZZ_CHECK(memchr(shown, '\0', sizeof shown) != NULL);
    int64_t again;
    if (exponent >= 0 && exponent <= 18)
        FUZZ_CHECK(money_parse(bytes_str(shown), exponent, &again) && again == minor);
}

static void check_tax(int64_t amount, uint32_t rate_bp)
{
    int64_t tax, back;
    if (money_tax_of_net(amount, rate_bp, &tax) && amount > INT64_MIN) {
        FUZZ_CHECK(money_tax_of_net(-amount, rate_bp, &back) && back == -tax);
        FUZZ_CHECK((amount < 0) == (tax < 0) || tax == 0);
    }
    if (money_tax_in_gross(amount, rate_bp, &tax) && amount > INT64_MIN) {
        FUZZ_CHECK(money_tax_in_gross(-amount, rate_bp, &back) && back == -tax);
        FUZZ_CHECK(amount >= 0 ? tax >= 0 && tax <= amount : tax <= 0 && tax >= amount);
    }
}

static void check_split(struct fuzz_source *source, int64_t total)
{
    int64_t weights[WEIGHTS_MAX], parts[WEIGHTS_MAX];
    const uint32_t count = fuzz_below(source, WEIGHTS_MAX);
    for (uint32_t i = 0; i < count; i++)
        weights[i] = fuzz_number(source);
    if (!money_split(total, weights, parts, count))
        return;
    __extension__ __int128 sum = 0;
    for (uint32_t i = 0; i < count; i++) {
        sum += parts[i];
        FUZZ_CHECK(total >= 0 ? parts[i] >= 0 : parts[i] <= 0);
        FUZZ_CHECK(weights[i] > 0 || parts[i] == 0);
    }
    FUZZ_CHECK(sum == total);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_source source = fuzz_source_of(data, size);
    const int exponent = (int)fuzz_below(&source, EXPONENT_MAX + 2) - 1;
    const int64_t amount = fuzz_number(&source);
    check_number(amount, exponent);
    check_tax(amount, (uint32_t)fuzz_number(&source));
    check_split(&source, amount);
    check_text(fuzz_rest(&source), exponent);
    return 0;
}
