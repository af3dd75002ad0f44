// base/err: making, wrapping and cutting error texts.
#include "base/bytes.h"
#include "base/err.h"
#include "unit/base/unit.h"

#include <string.h>

static const enum err_class classes[] = {ERR_RETRY, ERR_REJECT, ERR_UNKNOWN, ERR_FENCED, ERR_CONFIG};

static void test_classes(void **state)
{
    (void)state;
    const struct err ok = err_ok();
    assert_false(err_is(&ok));
    assert_string_equal(ok.text, "");
    assert_string_equal(err_class_name(ERR_NONE), "none");
    for (size_t i = 0; i < COUNT_OF(classes); i++) {
        struct err e = err_make(classes[i], "line %d: quantity must be positive", 3);
        assert_true(err_is(&e));
        assert_int_equal(e.class, classes[i]);
        assert_string_equal(e.text, "line 3: quantity must be positive");
        e = err_within(e, "order %s", "A-1");
        assert_int_equal(e.class, classes[i]);
        assert_string_equal(e.text, "order A-1: line 3: quantity must be positive");
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(err_class_name(classes[i]), err_class_name(classes[j]));
    }
}

static void test_no_error_stays_none(void **state)
{
    (void)state;
    const struct err e = err_within(err_ok(), "order");
    assert_false(err_is(&e));
    assert_string_equal(e.text, "");
}

// A text of any length, with characters of one to four bytes at the end of the buffer, is cut between two
// characters.
static void test_long_texts_are_cut_at_a_character(void **state)
{
    (void)state;
    static const char *const characters[] = {"x", "\xC3\xBC", "\xE2\x82\xAC", "\xF0\x9F\x93\xA6"};
    for (size_t c = 0; c < COUNT_OF(characters); c++) {
        for (size_t start = 0; start < 8; start++) {
            char text[2 * ERR_TEXT_MAX] = "";
            memset(text, '-', start);
            while (strlen(text) + 8 < sizeof text)
                strcat(text, characters[c]);
            const struct err made = err_make(ERR_REJECT, "%s", text);
            const struct err wrapped = err_within(made, "abc");
            const struct err *const both[] = {&made, &wrapped};
            for (size_t i = 0; i < 2; i++) {
                const size_t size = strlen(both[i]->text);
                assert_true(bytes_is_utf8(bytes_str(both[i]->text)));
                assert_true(size < ERR_TEXT_MAX && size >= ERR_TEXT_MAX - 4);
            }
            assert_memory_equal(made.text, text, strlen(made.text));
        }
    }
}

// Texts are kept and told: bytes from outside, and what a precision has cut, become text.
static void test_other_bytes(void **state)
{
    (void)state;
    struct err e = err_make(ERR_REJECT, "%.3s \"\xFF\xC3\xBC\x80\"", "a\xC3\xBC\xC3\xBC");
    assert_string_equal(e.text, "a\xC3\xBC \"?\xC3\xBC?\"");
    e = err_make(ERR_REJECT, "%.2s", "a\xC3\xBC");
    assert_string_equal(e.text, "a?");
    char text[2 * ERR_TEXT_MAX];
    memset(text, 0x80, sizeof text - 1);
    text[sizeof text - 1] = '\0';
    e = err_make(ERR_REJECT, "%s", text);
    assert_true(bytes_is_utf8(bytes_str(e.text)));
    assert_int_equal(strlen(e.text), ERR_TEXT_MAX - 1);
    struct err full = e;
    for (int i = 0; i < 5; i++)
        full = err_within(full, "%s", text);
    assert_int_equal(strlen(full.text), ERR_TEXT_MAX - 1);
    e = err_within(e, "%s", "where");
    assert_true(bytes_is_utf8(bytes_str(e.text)));
    assert_int_equal(strlen(e.text), ERR_TEXT_MAX - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_classes),
        cmocka_unit_test(test_no_error_stays_none),
        cmocka_unit_test(test_long_texts_are_cut_at_a_character),
        cmocka_unit_test(test_other_bytes),
    };
    return cmocka_run_group_tests_name("err", tests, NULL, NULL);
}
