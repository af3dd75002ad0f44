// base/bytes: equality, order and UTF-8.
#include "base/bytes.h"
#include "unit/base/unit.h"

static void test_compare_and_equal(void **state)
{
    (void)state;
    static const struct bytes rising[] = {
        {NULL, 0}, {"\0", 1}, {"\0\0", 2}, {"a", 1},    {"a\0", 2},
        {"ab", 2}, {"b", 1},  {"\x7F", 1}, {"\x80", 1}, {"\xFF", 1},
    };
    for (size_t i = 0; i < COUNT_OF(rising); i++) {
        for (size_t j = 0; j < COUNT_OF(rising); j++) {
            assert_int_equal(bytes_compare(rising[i], rising[j]), (i > j) - (i < j));
            assert_int_equal(bytes_equal(rising[i], rising[j]), i == j);
        }
    }
    assert_true(bytes_equal(bytes_of(NULL, 0), bytes_str("")));
    assert_true(bytes_is(bytes_of("orders", 5), "order"));
    assert_false(bytes_is(bytes_of("orders", 6), "order"));
}

struct utf8_case {
    struct bytes text;
    bool valid;
};
#define TEXT(literal)                                                                                        \
    {                                                                                                        \
        literal, sizeof(literal) - 1                                                                         \
    }

static void test_utf8(void **state)
{
    (void)state;
    static const struct utf8_case cases[] = {
        {{NULL, 0}, true},
        {TEXT(""), true},
        {TEXT("order 12"), true},
        {TEXT("\x7F"), true},
        {TEXT("\xC2\x80"), true},
        {TEXT("\xDF\xBF"), true},
        {TEXT("\xE0\xA0\x80"), true},
        {TEXT("\xED\x9F\xBF"), true}, // U+D7FF
        {TEXT("\xEE\x80\x80"), true}, // U+E000
        {TEXT("\xEF\xBF\xBF"), true},
        {TEXT("\xF0\x90\x80\x80"), true},
        {TEXT("\xF4\x8F\xBF\xBF"), true}, // U+10FFFF
        {TEXT("Gr\xC3\xBC\xC3\x9F"
              "e \xE2\x82\xAC \xF0\x9F\x93\xA6"),
         true},
        {TEXT("a\0b"), false},
        {TEXT("\x80"), false},
        {TEXT("\xBF"), false},
        {TEXT("\xC0\x80"), false}, // overlong NUL
        {TEXT("\xC1\xBF"), false},
        {TEXT("\xC3"), false},
        {TEXT("\xC3("), false},
        {TEXT("\xE0\x9F\xBF"), false}, // overlong
        {TEXT("\xE2\x82"), false},
        {TEXT("\xE2(\xAC"), false},
        {TEXT("\xE2\x82("), false},
        {TEXT("\xED\xA0\x80"), false},     // surrogate
        {TEXT("\xF0\x8F\xBF\xBF"), false}, // overlong
        {TEXT("\xF0\x9F\x93"), false},
        {TEXT("\xF0\x9F\x93("), false},
        {TEXT("\xF4\x90\x80\x80"), false}, // above U+10FFFF
        {TEXT("\xF5\x80\x80\x80"), false},
        {TEXT("\xFE"), false},
        {TEXT("\xFF"), false},
        {TEXT("fine until here\xFF"), false},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        if (bytes_is_utf8(cases[i].text) != cases[i].valid)
            fail_msg("case %zu must be %s", i, cases[i].valid ? "valid" : "invalid");
}

static size_t encode(uint32_t code, uint8_t *text)
{
    if (code < 0x80) {
        text[0] = (uint8_t)code;
        return 1;
    }
    const size_t size = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (size_t i = size - 1; i > 0; i--) {
        text[i] = (uint8_t)(0x80 | (code & 0x3F));
        code >>= 6;
    }
    text[0] = (uint8_t)(0xF00 >> size | code);
    return size;
}

static void test_every_code_point(void **state)
{
    (void)state;
    for (uint32_t code = 0; code < 0x120000; code++) {
        uint8_t text[4];
        const size_t size = encode(code, text);
        const bool surrogate = code >= 0xD800 && code <= 0xDFFF;
        const bool scalar = code <= 0x10FFFF && !surrogate;
        assert_int_equal(bytes_utf8_length(text, size), scalar ? size : 0);
        assert_int_equal(bytes_is_utf8(bytes_of(text, size)), scalar && code != 0);
        for (size_t cut = 0; cut < size; cut++)
            assert_int_equal(bytes_utf8_length(text, cut), 0);
    }
}

static void test_mending(void **state)
{
    (void)state;
    static const char *const cases[][2] = {{"", ""},
                                           {"order", "order"},
                                           {"\xC3\xBC\xC3", "\xC3\xBC?"},
                                           {"\xFFx\xE2\x82", "?x??"},
                                           {"\xE2\x82\xAC", "\xE2\x82\xAC"}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char text[16];
        strcpy(text, cases[i][0]);
        bytes_mend_utf8(text);
        assert_string_equal(text, cases[i][1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_compare_and_equal),
        cmocka_unit_test(test_utf8),
        cmocka_unit_test(test_every_code_point),
        cmocka_unit_test(test_mending),
    };
    return cmocka_run_group_tests_name("bytes", tests, NULL, NULL);
}
