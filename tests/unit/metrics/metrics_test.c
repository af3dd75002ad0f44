// metrics: the exposition's text, buckets, and updates from several threads.
#include "metrics/metrics.h"
#include "unit/base/unit.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct metric batches = {
    .type = METRIC_COUNTER, .name = "orderclerk_lane_batches_total", .help = "Batches."};
static struct metric orders = {
    .type = METRIC_COUNTER,
    .name = "orderclerk_messages_total",
    .help = "Messages\nwith \\ and \"quotes\".",
    .labels = "topic=\"orders\"",
};
static struct metric replies = {
    .type = METRIC_COUNTER,
    .name = "orderclerk_messages_total",
    .help = "Messages.",
    .labels = "topic=\"replies\"",
};
static struct metric lag = {.type = METRIC_GAUGE, .name = "orderclerk_lag", .help = "Lag.", .labels = ""};
static struct metric wait_time = {
    .type = METRIC_HISTOGRAM,
    .name = "orderclerk_wait_us",
    .help = "Waiting.",
    .labels = "lane=\"1\"",
};
static struct metric sizes = {
    .type = METRIC_HISTOGRAM, .name = "orderclerk_batch_messages", .help = "Sizes."};

static bool has_line(const char *text, const char *line)
{
    const size_t size = strlen(line);
    for (const char *at = text; (at = strstr(at, line)) != NULL; at++)
        if ((at == text || at[-1] == '\n') && at[size] == '\n')
            return true;
    return false;
}

static void test_nothing(void **state)
{
    (void)state;
    size_t size;
    char *text = metrics_render(&size);
    assert_int_equal(size, 0);
    assert_string_equal(text, "");
    free(text);
}

static void test_counters_and_gauges(void **state)
{
    (void)state;
    metrics_register(&orders);
    metrics_register(&batches);
    metrics_register(&lag);
    metrics_register(&replies); // beside orders, as the format wants
    metrics_register(&orders);  // again
    metric_add(&orders, 2);
    metric_add(&orders, 3);
    metric_add(&batches, INT64_C(9007199254740993));
    metric_set(&lag, 17);
    metric_set(&lag, -4);
    size_t size;
    char *text = metrics_render(&size);
    assert_string_equal(text, "# HELP orderclerk_messages_total Messages\\nwith \\\\ and \"quotes\".\n"
                              "# TYPE orderclerk_messages_total counter\n"
                              "orderclerk_messages_total{topic=\"orders\"} 5\n"
                              "orderclerk_messages_total{topic=\"replies\"} 0\n"
                              "# HELP orderclerk_lane_batches_total Batches.\n"
                              "# TYPE orderclerk_lane_batches_total counter\n"
                              "orderclerk_lane_batches_total 9007199254740993\n"
                              "# HELP orderclerk_lag Lag.\n"
                              "# TYPE orderclerk_lag gauge\n"
                              "orderclerk_lag -4\n");
    assert_int_equal(size, strlen(text));
    free(text);
}

static void test_buckets(void **state)
{
    (void)state;
    static const struct {
        int64_t value;
        unsigned bucket;
    } cases[] = {
        {INT64_MIN, 0},
        {-1, 0},
        {0, 0},
        {1, 0},
        {2, 1},
        {3, 2},
        {4, 2},
        {5, 3},
        {8, 3},
        {9, 4},
        {1000, 10},
        {1024, 10},
        {1025, 11},
        {(1 << 26) - 1, 26},
        {1 << 26, 26},
        {(1 << 26) + 1, 27},
        {INT64_MAX / 2, 27},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct metric histogram = {.type = METRIC_HISTOGRAM};
        metric_observe(&histogram, cases[i].value);
        for (unsigned bucket = 0; bucket < METRIC_BUCKETS; bucket++)
            assert_int_equal(histogram.buckets[bucket], bucket == cases[i].bucket);
        assert_true(histogram.value == (cases[i].value > 0 ? cases[i].value : 0));
    }
}

static void test_histograms(void **state)
{
    (void)state;
    metrics_register(&wait_time);
    metrics_register(&sizes);
    static const int64_t values[] = {1, 2, 3, 1 << 26, (1 << 26) + 1};
    for (size_t i = 0; i < COUNT_OF(values); i++) {
        metric_observe(&wait_time, values[i]);
        metric_observe(&sizes, values[i]);
    }
    size_t size;
    char *text = metrics_render(&size);
    static const char *const lines[] = {
        "# TYPE orderclerk_wait_us histogram",
        "orderclerk_wait_us_bucket{lane=\"1\",le=\"1\"} 1",
        "orderclerk_wait_us_bucket{lane=\"1\",le=\"2\"} 2",
        "orderclerk_wait_us_bucket{lane=\"1\",le=\"4\"} 3",
        "orderclerk_wait_us_bucket{lane=\"1\",le=\"33554432\"} 3",
        "orderclerk_wait_us_bucket{lane=\"1\",le=\"67108864\"} 4",
        "orderclerk_wait_us_bucket{lane=\"1\",le=\"+Inf\"} 5",
        "orderclerk_wait_us_sum{lane=\"1\"} 134217735",
        "orderclerk_wait_us_count{lane=\"1\"} 5",
        "orderclerk_batch_messages_bucket{le=\"1\"} 1",
        "orderclerk_batch_messages_bucket{le=\"+Inf\"} 5",
        "orderclerk_batch_messages_sum 134217735",
        "orderclerk_batch_messages_count 5",
    };
    for (size_t i = 0; i < COUNT_OF(lines); i++)
        if (!has_line(text, lines[i]))
            fail_msg("%s isn't in\n%s", lines[i], text);
    free(text);
}

static void *update(void *argument)
{
    for (int i = 0; i < 100000; i++) {
        metric_add(&replies, 1);
        metric_observe(&sizes, i % 100);
    }
    return argument;
}

static void test_threads(void **state)
{
    (void)state;
    pthread_t threads[4];
    const int64_t sum_before = sizes.value;
    for (size_t i = 0; i < COUNT_OF(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, update, NULL), 0);
    for (int i = 0; i < 50; i++) {
        size_t size;
        free(metrics_render(&size));
    }
    for (size_t i = 0; i < COUNT_OF(threads); i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(replies.value, 400000);
    assert_int_equal(sizes.value - sum_before, 4 * 1000 * 4950);
}

// Mistakes in our own tables end the process at its start.
static void test_bad_registrations_abort(void **state)
{
    (void)state;
    static struct metric bad[] = {
        {.type = METRIC_COUNTER, .name = "", .help = ""},
        {.type = METRIC_COUNTER, .name = "1st", .help = ""},
        {.type = METRIC_COUNTER, .name = "a-b", .help = ""},
        {.type = METRIC_GAUGE, .name = "orderclerk_messages_total", .help = "", .labels = "topic=\"x\""},
        {.type = METRIC_COUNTER,
         .name = "orderclerk_messages_total",
         .help = "",
         .labels = "topic=\"orders\""},
        {.type = METRIC_COUNTER, .name = "orderclerk_lane_batches_total", .help = "", .labels = ""},
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        const pid_t child = fork();
        if (child == 0) {
            signal(SIGABRT, SIG_DFL);
            fclose(stderr);
            metrics_register(&bad[i]);
            _exit(0);
        }
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing), cmocka_unit_test(test_counters_and_gauges),
        cmocka_unit_test(test_buckets), cmocka_unit_test(test_histograms),
        cmocka_unit_test(test_threads), cmocka_unit_test(test_bad_registrations_abort),
    };
    return cmocka_run_group_tests_name("metrics", tests, NULL, NULL);
}
