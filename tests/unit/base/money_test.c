// base/money: exponents, checked arithmetic, taxes, splitting, texts; properties against 128-bit arithmetic.
#include "base/money.h"
#include "unit/base/unit.h"

#include <stdlib.h>

__extension__ typedef __int128 int128;

static void test_exponents(void **state)
{
    (void)state;
    static const struct {
        const char *currency;
        int exponent;
    } cases[] = {
        {"CNY", 2},  {"EUR", 2},  {"USD", 2},  {"JPY", 0},  {"KRW", 0},   {"VND", 0},
        {"CLP", 0},  {"ISK", 0},  {"UGX", 0},  {"KWD", 3},  {"BHD", 3},   {"TND", 3},
        {"CLF", 4},  {"UYW", 4},  {"AED", 2},  {"ZWG", 2},  {"XCG", 2},   {"HUF", 2},
        {"", -1},    {"E", -1},   {"EU", -1},  {"eur", -1}, {"EURO", -1}, {"XXX", -1},
        {"XAU", -1}, {"AAA", -1}, {"ZZZ", -1}, {"BGN", -1}, {"HRK", -1},  {"EUR ", -1},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        if (money_exponent(cases[i].currency) != cases[i].exponent)
            fail_msg("%s: %d", cases[i].currency, money_exponent(cases[i].currency));
}

// All three-letter codes: each row is found only if the table is sorted; the numbers are the standard's.
static void test_every_code(void **state)
{
    (void)state;
    int counts[5] = {0};
    char code[4] = {0};
    for (code[0] = 'A'; code[0] <= 'Z'; code[0]++) {
        for (code[1] = 'A'; code[1] <= 'Z'; code[1]++) {
            for (code[2] = 'A'; code[2] <= 'Z'; code[2]++) {
                const int exponent = money_exponent(code);
                assert_in_range(exponent + 1, 0, 5);
                if (exponent >= 0)
                    counts[exponent]++;
            }
        }
    }
    assert_int_equal(counts[0], 17); // BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF
    assert_int_equal(counts[1], 0);
    assert_int_equal(counts[3], 7); // BHD IQD JOD KWD LYD OMR TND
    assert_int_equal(counts[4], 2); // CLF UYW
}

static void test_arithmetic(void **state)
{
    (void)state;
    static const int64_t values[] = {
        0, 1, -1, 99, INT64_MAX, INT64_MIN, INT64_MAX / 2, INT64_MIN / 2, 3037000500, -3037000500};
    for (size_t i = 0; i < COUNT_OF(values); i++) {
        for (size_t j = 0; j < COUNT_OF(values); j++) {
            const int128 sum = (int128)values[i] + values[j];
            const int128 product = (int128)values[i] * values[j];
            int64_t got = 7;
            assert_int_equal(money_add(values[i], values[j], &got), sum == (int64_t)sum);
            assert_true(got == (sum == (int64_t)sum ? (int64_t)sum : 7));
            got = 7;
            assert_int_equal(money_multiply(values[i], values[j], &got), product == (int64_t)product);
            assert_true(got == (product == (int64_t)product ? (int64_t)product : 7));
        }
    }
}

static void test_taxes(void **state)
{
    (void)state;
    static const struct {
        int64_t amount;
        uint32_t rate_bp;
        int64_t of_net, in_gross;
    } cases[] = {
        {10000, 1900, 1900, 1597}, {0, 1900, 0, 0},       {10000, 0, 0, 0},
        {1, 1900, 0, 0},           {50, 100, 1, 0},       {49, 100, 0, 0},
        {-50, 100, -1, 0},         {-49, 100, 0, 0},      {-10000, 1900, -1900, -1597},
        {119, 1900, 23, 19},       {333, 700, 23, 22},    {1, 10000, 1, 0},
        {3, 10000, 3, 1},          {100, 20000, 200, 67},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        int64_t tax;
        assert_true(money_tax_of_net(cases[i].amount, cases[i].rate_bp, &tax));
        assert_int_equal(tax, cases[i].of_net);
        assert_true(money_tax_in_gross(cases[i].amount, cases[i].rate_bp, &tax));
        assert_int_equal(tax, cases[i].in_gross);
    }
    int64_t tax = 7;
    assert_false(money_tax_of_net(INT64_MAX, 10001, &tax));
    assert_false(money_tax_of_net(INT64_MIN, UINT32_MAX, &tax));
    assert_int_equal(tax, 7);
    assert_true(money_tax_of_net(INT64_MAX, 10000, &tax) && tax == INT64_MAX);
    assert_true(money_tax_in_gross(INT64_MIN, UINT32_MAX, &tax));
}

static void test_tax_properties(void **state)
{
    (void)state;
    uint64_t random = 5;
    for (int i = 0; i < 300000; i++) {
        const int64_t amount = random_any(&random);
        const uint32_t rate = (uint32_t)random_between(&random, 0, 10000);
        int64_t tax;
        int64_t mirrored;
        assert_true(money_tax_of_net(amount, rate, &tax));
        assert_true(money_tax_of_net(-amount, rate, &mirrored));
        assert_true(mirrored == -tax);
        const int128 off = (int128)tax * 10000 - (int128)amount * rate; // within half a unit
        assert_true(off <= 5000 && off >= -5000);

        assert_true(money_tax_in_gross(amount, rate, &tax));
        assert_true(money_tax_in_gross(-amount, rate, &mirrored));
        assert_true(mirrored == -tax);
        const int128 net_off = ((int128)amount - tax) * (10000 + rate) - (int128)amount * 10000;
        assert_true(2 * net_off <= 10000 + (int128)rate && 2 * net_off >= -(10000 + (int128)rate));
    }
}

static void test_splits(void **state)
{
    (void)state;
    static const struct {
        int64_t total;
        int64_t weights[4];
        int64_t parts[4];
        uint32_t count;
    } cases[] = {
        {100, {1, 1, 1}, {34, 33, 33}, 3},
        {-100, {1, 1, 1}, {-34, -33, -33}, 3},
        {101, {1, 1, 1}, {34, 34, 33}, 3},
        {0, {1, 2}, {0, 0}, 2},
        {5, {0, 1, 0, 1}, {0, 3, 0, 2}, 4},
        {1, {1, 1, 1, 1}, {1, 0, 0, 0}, 4},
        {3, {1, 2, 1, 2}, {1, 1, 0, 1}, 4},
        {10, {1, 3, 6}, {1, 3, 6}, 3},
        {7, {5}, {7}, 1},
        {INT64_MAX, {INT64_MAX}, {INT64_MAX}, 1},
        {INT64_MIN, {INT64_MAX}, {INT64_MIN}, 1},
        {INT64_MIN, {1, 1}, {INT64_MIN / 2, INT64_MIN / 2}, 2},
        {INT64_MAX, {INT64_MAX - 1, 1}, {INT64_MAX - 1, 1}, 2},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        int64_t parts[4];
        assert_true(money_split(cases[i].total, cases[i].weights, parts, cases[i].count));
        for (uint32_t j = 0; j < cases[i].count; j++)
            if (parts[j] != cases[i].parts[j])
                fail_msg("case %zu, part %u: %lld", i, j, (long long)parts[j]);
    }
    int64_t parts[2] = {7, 7};
    assert_false(money_split(10, (int64_t[]){0, 0}, parts, 2));
    assert_false(money_split(10, (int64_t[]){1, -1}, parts, 2));
    assert_false(money_split(10, (int64_t[]){2, -1}, parts, 2));
    assert_false(money_split(10, (int64_t[]){INT64_MAX, 1}, parts, 2));
    assert_false(money_split(10, (int64_t[]){1}, parts, 0));
    assert_true(parts[0] == 7 && parts[1] == 7);
}

// The largest-remainder method, done plainly: one unit at a time to the largest remainder left.
static void split_plainly(uint64_t total, const int64_t *weights, int64_t *parts, uint32_t count)
{
    int128 sum = 0;
    int128 given = 0;
    int128 remainders[40];
    for (uint32_t i = 0; i < count; i++)
        sum += weights[i];
    for (uint32_t i = 0; i < count; i++) {
        parts[i] = (int64_t)((int128)total * weights[i] / sum);
        remainders[i] = (int128)total * weights[i] % sum;
        given += parts[i];
    }
    for (; given < (int128)total; given++) {
        uint32_t largest = 0;
        for (uint32_t i = 1; i < count; i++)
            if (remainders[i] > remainders[largest])
                largest = i;
        parts[largest]++;
        remainders[largest] = -1;
    }
}

static void test_split_properties(void **state)
{
    (void)state;
    uint64_t random = 11;
    for (int i = 0; i < 100000; i++) {
        int64_t weights[40];
        int64_t parts[40];
        int64_t expected[40];
        const uint32_t count = (uint32_t)random_between(&random, 1, 40);
        const int shift = (int)random_between(&random, 6, 62);
        int128 sum = 0;
        for (uint32_t j = 0; j < count; j++) {
            weights[j] = random_next(&random) % 4 == 0 ? 0 : llabs(random_any(&random)) >> shift;
            sum += weights[j];
        }
        if (sum == 0)
            sum = weights[random_next(&random) % count] = 1;
        const int64_t total = random_any(&random);
        assert_true(money_split(total, weights, parts, count));
        split_plainly((uint64_t)llabs(total), weights, expected, count);
        int128 added = 0;
        for (uint32_t j = 0; j < count; j++) {
            assert_true(parts[j] == (total < 0 ? -expected[j] : expected[j]));
            assert_true(weights[j] > 0 || parts[j] == 0);
            added += parts[j];
        }
        assert_true(added == total);
    }
}

static void test_texts(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int exponent;
        int64_t minor;
        const char *formatted; // NULL: the same
    } cases[] = {
        {"12.50", 2, 1250, NULL},
        {"12.5", 2, 1250, "12.50"},
        {"12", 2, 1200, "12.00"},
        {"0.05", 2, 5, NULL},
        {"0", 0, 0, NULL},
        {"0.00", 2, 0, NULL},
        {"-0.01", 2, -1, NULL},
        {"-0", 2, 0, "0.00"},
        {"007", 0, 7, "7"},
        {"1500", 0, 1500, NULL},
        {"1.234", 3, 1234, NULL},
        {"-1.2345", 4, -12345, NULL},
        {"92233720368547758.07", 2, INT64_MAX, NULL},
        {"-92233720368547758.08", 2, INT64_MIN, NULL},
        {"9223372036854775807", 0, INT64_MAX, NULL},
        {"-9223372036854775808", 0, INT64_MIN, NULL},
        {"9.223372036854775807", 18, INT64_MAX, NULL},
        {"-9.223372036854775808", 18, INT64_MIN, NULL},
        {"0.000000000000000001", 18, 1, NULL},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        int64_t minor = 7;
        if (!money_parse(bytes_str(cases[i].text), cases[i].exponent, &minor) || minor != cases[i].minor)
            fail_msg("%s gave %lld", cases[i].text, (long long)minor);
        char text[MONEY_TEXT_SIZE];
        money_format(minor, cases[i].exponent, text);
        assert_string_equal(text, cases[i].formatted == NULL ? cases[i].text : cases[i].formatted);
    }
    char text[MONEY_TEXT_SIZE];
    money_format(-1250, -1, text);
    assert_string_equal(text, "-1250");
    money_format(1250, 19, text);
    assert_string_equal(text, "1250");
}

static void test_bad_texts(void **state)
{
    (void)state;
    static const struct {
        struct bytes text;
        int exponent;
    } cases[] = {
        {{NULL, 0}, 2},
        {{"", 0}, 2},
        {{"-", 1}, 2},
        {{".", 1}, 2},
        {{".5", 2}, 2},
        {{"5.", 2}, 2},
        {{"1.2.3", 5}, 2},
        {{"1..2", 4}, 2},
        {{"+1", 2}, 2},
        {{"--1", 3}, 2},
        {{" 1", 2}, 2},
        {{"1 ", 2}, 2},
        {{"1,5", 3}, 2},
        {{"1e3", 3}, 2},
        {{"0x1", 3}, 2},
        {{"1.234", 5}, 2},
        {{"1.0", 3}, 0},
        {{"1\0", 2}, 2},
        {{"-.5", 3}, 2},
        {{"NaN", 3}, 2},
        {{"1", 1}, -1},
        {{"1", 1}, 19},
        {{"\xC2\xB2", 2}, 2},
        {{"92233720368547758.08", 20}, 2},
        {{"-92233720368547758.09", 21}, 2},
        {{"92233720368547759", 17}, 2},
        {{"9223372036854775808", 19}, 0},
        {{"99999999999999999999999999", 26}, 0},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        int64_t minor = 7;
        if (money_parse(cases[i].text, cases[i].exponent, &minor) || minor != 7)
            fail_msg("case %zu was taken", i);
    }
}

static void test_texts_come_back(void **state)
{
    (void)state;
    uint64_t random = 13;
    for (int i = 0; i < 300000; i++) {
        const int64_t minor = random_any(&random);
        const int exponent = (int)random_between(&random, 0, 18);
        char text[MONEY_TEXT_SIZE];
        money_format(minor, exponent, text);
        int64_t back;
        assert_true(money_parse(bytes_str(text), exponent, &back));
        assert_true(back == minor);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exponents),        cmocka_unit_test(test_every_code),
        cmocka_unit_test(test_arithmetic),       cmocka_unit_test(test_taxes),
        cmocka_unit_test(test_tax_properties),   cmocka_unit_test(test_splits),
        cmocka_unit_test(test_split_properties), cmocka_unit_test(test_texts),
        cmocka_unit_test(test_bad_texts),        cmocka_unit_test(test_texts_come_back),
    };
    return cmocka_run_group_tests_name("money", tests, NULL, NULL);
}
