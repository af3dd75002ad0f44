// The order in which calls start, limits and the circuit breaker, with clocks of the test's own.
#include "effects/caller_queue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define LIMITS                                                                                               \
    ((struct queue_limits){.per_target = 2, .total = 3, .breaker_failures = 2, .breaker_open_us = 1000})

static struct queue_entry make(uint8_t number, const char *target, int64_t due)
{
    return (struct queue_entry){.id = {.b = {number}}, .target_name = bytes_str(target), .due = due};
}

static struct queue_entry *start(struct queue *q, int64_t now)
{
    int64_t wait;
    return queue_start(q, now, &wait);
}

static void empty(struct queue *q)
{
    while (queue_take_waiting(q) != NULL)
        ;
    queue_free(q);
}

static void test_the_earliest_due_starts_first(void **state)
{
    (void)state;
    struct queue *q =
        queue_new(&(struct queue_limits){.per_target = 100, .total = 100, .breaker_failures = 9});
    struct queue_entry e[50];
    for (size_t i = 0; i < 50; i++) {
        e[i] = make((uint8_t)i, "t", (int64_t)((i * 37) % 50));
        queue_add(q, &e[i]);
    }
    for (int64_t due = 0; due < 50; due++) {
        struct queue_entry *next = start(q, 100);
        assert_non_null(next);
        assert_int_equal(next->due, due);
    }
    assert_null(start(q, 100));
    for (size_t i = 0; i < 50; i++)
        queue_end(q, &e[i], false, 0);
    queue_free(q);
}

static void test_nothing_starts_before_it_is_due(void **state)
{
    (void)state;
    struct queue *q = queue_new(&LIMITS);
    struct queue_entry a = make(1, "t", 500);
    int64_t wait = 0;
    queue_add(q, &a);
    assert_null(queue_start(q, 100, &wait));
    assert_int_equal(wait, 400);
    assert_ptr_equal(queue_start(q, 500, &wait), &a);
    assert_null(queue_start(q, 500, &wait));
    assert_true(wait == INT64_MAX);
    queue_end(q, &a, false, 0);
    queue_free(q);
}

static void test_limits_per_target_and_in_all(void **state)
{
    (void)state;
    struct queue *q = queue_new(&LIMITS);
    struct queue_entry e[6];
    for (size_t i = 0; i < 6; i++) {
        e[i] = make((uint8_t)i, i < 3 ? "hanging" : "other", 0);
        queue_add(q, &e[i]);
    }
    struct queue_entry *first = start(q, 0), *second = start(q, 0), *third = start(q, 0);
    assert_ptr_equal(first, &e[0]);
    assert_ptr_equal(second, &e[3]); // targets take turns
    assert_ptr_equal(third, &e[1]);
    assert_null(start(q, 0)); // three in all
    queue_end(q, second, false, 0);
    assert_ptr_equal(start(q, 0), &e[4]); // "hanging" has its two
    queue_end(q, &e[4], false, 0);
    assert_ptr_equal(start(q, 0), &e[5]);
    queue_end(q, &e[5], false, 0);
    assert_null(start(q, 0));
    queue_end(q, first, false, 0);
    assert_ptr_equal(start(q, 0), &e[2]);
    queue_end(q, third, false, 0);
    queue_end(q, &e[2], false, 0);
    queue_free(q);
}

static void test_the_breaker_leaves_one_target_alone_and_then_tries_once(void **state)
{
    (void)state;
    struct queue *q = queue_new(&LIMITS);
    struct queue_entry e[5], other = make(9, "other", 0);
    int64_t wait = 0;
    for (size_t i = 0; i < 5; i++) {
        e[i] = make((uint8_t)i, "t", 0);
        queue_add(q, &e[i]);
    }
    for (size_t i = 0; i < 2; i++)
        queue_end(q, queue_start(q, 0, &wait), true, 10);
    assert_null(queue_start(q, 10, &wait));
    assert_int_equal(wait, 1000);
    queue_add(q, &other);
    assert_ptr_equal(queue_start(q, 10, &wait), &other); // others go on
    queue_end(q, &other, false, 10);

    assert_ptr_equal(queue_start(q, 1010, &wait), &e[2]);
    assert_null(queue_start(q, 1010, &wait)); // one try only
    queue_end(q, &e[2], true, 1020);
    assert_null(queue_start(q, 1021, &wait));
    assert_int_equal(wait, 999); // open again at once
    assert_ptr_equal(queue_start(q, 2020, &wait), &e[3]);
    queue_end(q, &e[3], false, 2021);
    assert_ptr_equal(queue_start(q, 2021, &wait), &e[4]); // closed
    queue_end(q, &e[4], true, 2022);
    queue_free(q);
}

static void test_a_success_in_between_starts_the_count_anew(void **state)
{
    (void)state;
    struct queue *q = queue_new(&LIMITS);
    struct queue_entry e[4];
    for (size_t i = 0; i < 4; i++) {
        e[i] = make((uint8_t)i, "t", 0);
        queue_add(q, &e[i]);
        struct queue_entry *one = start(q, 0);
        assert_non_null(one);
        queue_end(q, one, i % 2 == 0, 0);
    }
    queue_free(q);
}

static void test_entries_are_found_by_id_until_they_end(void **state)
{
    (void)state;
    struct queue *q = queue_new(&LIMITS);
    struct queue_entry a = make(1, "t", 0), b = make(2, "t", 100);
    assert_null(queue_find(q, a.id));
    queue_add(q, &a);
    queue_add(q, &b);
    assert_ptr_equal(queue_find(q, a.id), &a);
    assert_ptr_equal(start(q, 0), &a);
    assert_ptr_equal(queue_find(q, a.id), &a);
    assert_true(a.under_way);
    queue_end(q, &a, false, 0);
    assert_null(queue_find(q, a.id));
    assert_ptr_equal(queue_take_waiting(q), &b);
    assert_null(queue_find(q, b.id));
    assert_null(queue_take_waiting(q));
    queue_free(q);
}

static void test_waiting_entries_can_be_taken_out(void **state)
{
    (void)state;
    struct queue *q = queue_new(&LIMITS);
    struct queue_entry e[20];
    for (size_t i = 0; i < 20; i++) {
        e[i] = make((uint8_t)i, i % 2 ? "a" : "b", (instant)i);
        queue_add(q, &e[i]);
    }
    struct queue_entry *running = start(q, 10);
    size_t count = 0;
    while (queue_take_waiting(q) != NULL)
        count++;
    assert_int_equal(count, 19);
    queue_end(q, running, false, 0);
    empty(q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_earliest_due_starts_first),
        cmocka_unit_test(test_nothing_starts_before_it_is_due),
        cmocka_unit_test(test_limits_per_target_and_in_all),
        cmocka_unit_test(test_the_breaker_leaves_one_target_alone_and_then_tries_once),
        cmocka_unit_test(test_a_success_in_between_starts_the_count_anew),
        cmocka_unit_test(test_entries_are_found_by_id_until_they_end),
        cmocka_unit_test(test_waiting_entries_can_be_taken_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
