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

static void recent_keeps_the_newest(void **state)
{
    (void)state;
    struct arena *arena = arena_new(1024);
    struct bytes text = bytes_str("");
    int64_t numbers[RECENT_MAX];
    for (int64_t i = 1; i <= RECENT_MAX + 5; i++) {
        text = recent_add(arena, text, i * 10);
        text = recent_add(arena, text, i * 10);
    }
    assert_int_equal(recent_get(text, numbers), RECENT_MAX);
    assert_int_equal(numbers[0], 60);
    assert_int_equal(numbers[RECENT_MAX - 1], (RECENT_MAX + 5) * 10);
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sequences_are_kept_per_topic),
        cmocka_unit_test(recent_keeps_the_newest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
