// log/log_limit: twenty lines of a message a second, the rest counted.
#include "log/log_limit.h"
#include "unit/base/unit.h"

#include <stdio.h>
#include <string.h>

#define SECOND LOG_WINDOW_US

static struct log_limit limit;

static int set_up(void **state)
{
    (void)state;
    memset(&limit, 0, sizeof limit);
    return 0;
}

static int count_allowed(const char *message, int calls, int64_t now_us)
{
    int allowed = 0;
    for (int i = 0; i < calls; i++)
        allowed += log_limit_allows(&limit, LOG_WARN, message, now_us);
    return allowed;
}

static void test_burst(void **state)
{
    (void)state;
    struct log_limit_slot missed;
    assert_int_equal(count_allowed("full", LOG_BURST, 5), LOG_BURST);
    assert_false(log_limit_take_missed(&limit, 5 + 9 * SECOND, &missed));
    assert_int_equal(count_allowed("full", 30, 5 + SECOND - 1), 0);
    assert_false(log_limit_take_missed(&limit, 5 + SECOND - 1, &missed)); // still in its window

    assert_true(log_limit_take_missed(&limit, 5 + SECOND, &missed));
    assert_int_equal(missed.missed, 30);
    assert_int_equal(missed.level, LOG_WARN);
    assert_string_equal(missed.message, "full");
    assert_false(log_limit_take_missed(&limit, 5 + SECOND, &missed));
    assert_int_equal(count_allowed("full", 100, 5 + SECOND), LOG_BURST); // a new window
}

// A slow stream never loses a line.
static void test_slow_messages(void **state)
{
    (void)state;
    for (int i = 0; i < 10000; i++)
        assert_true(log_limit_allows(&limit, LOG_INFO, "slow", i * (SECOND / LOG_BURST)));
    assert_int_equal(limit.missed_slots, 0);
}

static void test_messages_are_told_apart(void **state)
{
    (void)state;
    char first[] = "same words";
    char second[] = "same words";
    assert_int_equal(count_allowed(first, 50, 0), LOG_BURST);
    assert_int_equal(count_allowed(second, 50, 0), LOG_BURST);
    memcpy(first, "new", 4); // other words in the same place
    assert_int_equal(count_allowed(first, 50, 0), LOG_BURST);
    struct log_limit_slot missed;
    int found = 0;
    while (log_limit_take_missed(&limit, SECOND, &missed))
        found += missed.missed == 30;
    assert_int_equal(found, 3);
}

static void test_long_messages(void **state)
{
    (void)state;
    char message[300];
    memset(message, 'm', sizeof message);
    message[sizeof message - 1] = '\0';
    assert_int_equal(count_allowed(message, 21, 0), LOG_BURST);
    struct log_limit_slot missed;
    assert_true(log_limit_take_missed(&limit, SECOND, &missed));
    assert_int_equal(strlen(missed.message), LOG_LIMIT_MESSAGE_MAX - 1);
}

// More messages than slots: none is lost without being counted.
static void test_many_messages(void **state)
{
    (void)state;
    static char messages[1000][12];
    int64_t allowed = 0;
    int64_t counted = 0;
    for (int second = 0; second < 5; second++) {
        const int64_t now = second * SECOND;
        struct log_limit_slot missed;
        while (log_limit_take_missed(&limit, now, &missed))
            counted += missed.missed;
        for (size_t i = 0; i < COUNT_OF(messages); i++) {
            snprintf(messages[i], sizeof messages[i], "m%zu", i);
            allowed += count_allowed(messages[i], 25, now);
        }
    }
    struct log_limit_slot missed;
    while (log_limit_take_missed(&limit, 5 * SECOND, &missed))
        counted += missed.missed;
    assert_int_equal(allowed + counted, 5 * 25 * 1000);
    assert_true(counted > 0);
    assert_int_equal(limit.missed_slots, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_burst, set_up),
        cmocka_unit_test_setup(test_slow_messages, set_up),
        cmocka_unit_test_setup(test_messages_are_told_apart, set_up),
        cmocka_unit_test_setup(test_long_messages, set_up),
        cmocka_unit_test_setup(test_many_messages, set_up),
    };
    return cmocka_run_group_tests_name("log_limit", tests, NULL, NULL);
}
