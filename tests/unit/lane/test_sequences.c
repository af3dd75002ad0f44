#include "lane/sequences.h"
#include "unit/base/unit.h"

static void sequences_are_kept_per_topic(void **state)
{
    (void)state;
    struct arena *arena = arena_new(1024);
    struct bytes text = bytes_of(NULL, 0);
    assert_int_equal(sequences_get(text, TOPIC_ORDER_EVENTS), 0);
    text = sequences_set(arena, text, TOPIC_ORDER_EVENTS, 1);
    text = sequences_set(arena, text, TOPIC_COMMANDS_NOTIFIER, 12);
    text = sequences_set(arena, text, TOPIC_ORDER_EVENTS, UINT64_MAX);
    assert_true(bytes_is(text, "2:18446744073709551615 7:12"));
    assert_true(sequences_get(text, TOPIC_ORDER_EVENTS) == UINT64_MAX);
    assert_int_equal(sequences_get(text, TOPIC_COMMANDS_NOTIFIER), 12);
    assert_int_equal(sequences_get(text, TOPIC_ORDERS), 0);
    arena_free(arena);
}

static void recent_keeps_the_newest_and_hands_on_the_rest(void **state)
{
    (void)state;
    struct arena *arena = arena_new(1024);
    struct bytes text = bytes_str("");
    struct bytes earlier = bytes_of(NULL, 0);
    int64_t numbers[RECENT_MAX];
    int64_t next = 1; // the oldest that hasn't been handed on
    for (int64_t i = 1; i <= 5 * RECENT_MAX; i++) {
        earlier = bytes_of(NULL, 0);
        text = recent_add(arena, text, i * 10, &earlier);
        text = recent_add(arena, text, i * 10, &earlier);
        size_t moved = recent_get(earlier, numbers);
        for (size_t n = 0; n < moved; n++)
            assert_int_equal(numbers[n], 10 * next++);
        size_t kept = recent_get(text, numbers);
        assert_int_equal(next + (int64_t)kept - 1, i);
        assert_int_equal(numbers[0], 10 * next);
        assert_int_equal(numbers[kept - 1], i * 10);
        assert_true(i <= RECENT_MAX || kept >= RECENT_MAX / 2);
    }
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sequences_are_kept_per_topic),
        cmocka_unit_test(recent_keeps_the_newest_and_hands_on_the_rest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
