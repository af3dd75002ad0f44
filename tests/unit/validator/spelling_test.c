// Codes as people write them.
#include "unit/base/unit.h"
#include "validator/validator_spelling.h"

#include <string.h>

static struct arena *arena;

static struct bytes normal(const char *code)
{
    return spelling_normal(arena, bytes_str(code));
}

static bool share_a_key(const char *a, const char *b)
{
    struct bytes *left;
    struct bytes *right;
    size_t left_count = spelling_keys(arena, bytes_str(a), &left);
    size_t right_count = spelling_keys(arena, bytes_str(b), &right);
    for (size_t i = 0; i < left_count; i++) {
        for (size_t j = 0; j < right_count; j++) {
            if (bytes_equal(left[i], right[j]))
                return true;
        }
    }
    return false;
}

static void normal_forms(void **state)
{
    (void)state;
    assert_true(bytes_is(normal("a-1OO"), "A100"));
    assert_true(bytes_is(normal(" A_l0.0 "), "A100"));
    assert_true(bytes_is(normal("KI-2"), "K12"));
    assert_true(bytes_is(normal("螺栓-1"), "螺栓1"));
    assert_int_equal(normal(" - ").size, 0);
}

static void near_codes_share_a_key(void **state)
{
    (void)state;
    static const char *const near[] = {"A-1OO",  "A-10",  "A-1000", "A-1I0",  "a 100",
                                       "A-100X", "A-200", "B-100",  "A-10O0", "A-010"};
    for (size_t i = 0; i < COUNT_OF(near); i++) {
        if (!share_a_key("A-100", near[i]))
            fail_msg("%s", near[i]);
        assert_true(spelling_distance(normal("A-100"), normal(near[i])) <= 2);
    }
    assert_false(share_a_key("A-100", "M-253"));
}

static void any_single_change_is_found(void **state)
{
    (void)state;
    const char *code = "KX-4719";
    size_t size = strlen(code);
    for (size_t at = 0; at < size; at++) {
        char changed[16];
        memcpy(changed, code, size + 1);
        changed[at] = 'Z';
        assert_true(share_a_key(code, changed));
        memmove(changed + at, code + at + 1, size - at);
        assert_true(share_a_key(code, changed));
        memcpy(changed, code, at);
        changed[at] = 'Z';
        memcpy(changed + at + 1, code + at, size - at + 1);
        assert_true(share_a_key(code, changed));
        assert_true(spelling_distance(normal(code), normal(changed)) == 1);
    }
}

static void keys_are_bounded_and_well_formed(void **state)
{
    (void)state;
    struct bytes *keys;
    char longest[128];
    memset(longest, 'A', sizeof longest);
    assert_int_equal(spelling_keys(arena, bytes_of(longest, CODE_MAX + 1), &keys), 0);
    assert_int_equal(spelling_keys(arena, bytes_of(longest, CODE_MAX), &keys),
                     2); // all deletions are the same
    assert_int_equal(spelling_keys(arena, bytes_str("\xff\xfe"), &keys), 0);
    size_t count = spelling_keys(arena, bytes_str("螺栓1"), &keys);
    assert_int_equal(count, 4);
    for (size_t i = 0; i < count; i++)
        assert_true(bytes_is_utf8(keys[i]));
}

static void distances(void **state)
{
    (void)state;
    assert_int_equal(spelling_distance(bytes_str(""), bytes_str("ABC")), 3);
    assert_int_equal(spelling_distance(bytes_str("ABC"), bytes_str("ACB")), 1);
    assert_int_equal(spelling_distance(bytes_str("ABCD"), bytes_str("ABCD")), 0);
    assert_int_equal(spelling_distance(bytes_str("KITTEN"), bytes_str("SITTING")), 3);
}

static void gtins(void **state)
{
    (void)state;
    static const char *const good[] = {"4006381333931", "96385074", "036000291452", "00012345600012",
                                       "6990000000015"};
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        assert_true(spelling_gtin_ok(bytes_str(good[i])));
        char wrong[16];
        strcpy(wrong, good[i]);
        wrong[2] = wrong[2] == '9' ? '0' : (char)(wrong[2] + 1);
        assert_true(spelling_looks_like_gtin(bytes_str(wrong)));
        assert_false(spelling_gtin_ok(bytes_str(wrong)));
    }
    assert_false(spelling_looks_like_gtin(bytes_str("400638133393")) &&
                 spelling_gtin_ok(bytes_str("400638133393")));
    assert_false(spelling_looks_like_gtin(bytes_str("A-100")));
    assert_false(spelling_looks_like_gtin(bytes_str("400638133393A")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(normal_forms),
        cmocka_unit_test(near_codes_share_a_key),
        cmocka_unit_test(any_single_change_is_found),
        cmocka_unit_test(keys_are_bounded_and_well_formed),
        cmocka_unit_test(distances),
        cmocka_unit_test(gtins),
    };
    arena = arena_new(1 << 16);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    arena_free(arena);
    return failed;
}
