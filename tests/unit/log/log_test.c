// log: what arrives at standard error.
#include "base/clock.h"
#include "log/log.h"
#include "unit/base/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int saved_stderr;
static FILE *captured;

// From here on standard error goes to a file; captured reads it.
static void capture(void)
{
    char path[] = "/tmp/orderclerk-log-XXXXXX";
    const int file = mkstemp(path);
    assert_true(file >= 0);
    captured = fopen(path, "r");
    unlink(path);
    fcntl(file, F_SETFL, O_APPEND);
    saved_stderr = dup(STDERR_FILENO);
    dup2(file, STDERR_FILENO);
    close(file);
}

static void release(void)
{
    dup2(saved_stderr, STDERR_FILENO);
    close(saved_stderr);
}

// The next line; NULL after the last.
static json_t *next_line(void)
{
    char text[5000];
    if (fgets(text, sizeof text, captured) == NULL) {
        fclose(captured);
        return NULL;
    }
    json_error_t error;
    json_t *line = json_loads(text, JSON_REJECT_DUPLICATES, &error);
    if (line == NULL)
        fail_msg("%s: %s", error.text, text);
    return line;
}

static const char *text_of(const json_t *line, const char *name)
{
    return json_string_value(json_object_get(line, name));
}

static void test_fields(void **state)
{
    (void)state;
    log_open("orchestrator", "orch-1", LOG_INFO);
    capture();
    errno = EAGAIN;
    LOG(LOG_DEBUG, "not shown");
    LOG(LOG_INFO, "started");
    LOG(LOG_WARN, "held", log_s("order", "A-1"), log_s("absent", NULL), log_i("tries", 3),
        log_b("key", bytes_of("k\xFF", 2)), log_b("none", bytes_of(NULL, 0)));
    LOG(LOG_ERROR, "failed");
    assert_int_equal(errno, EAGAIN);
    release();

    json_t *line = next_line();
    instant at;
    assert_true(instant_parse(text_of(line, "at"), &at));
    assert_string_equal(text_of(line, "level"), "info");
    assert_string_equal(text_of(line, "service"), "orchestrator");
    assert_string_equal(text_of(line, "instance"), "orch-1");
    assert_string_equal(text_of(line, "msg"), "started");
    assert_int_equal(json_object_size(line), 5);
    json_decref(line);
    line = next_line();
    assert_string_equal(text_of(line, "level"), "warn");
    assert_string_equal(text_of(line, "order"), "A-1");
    assert_int_equal(json_integer_value(json_object_get(line, "tries")), 3);
    assert_string_equal(text_of(line, "key"), "k\xEF\xBF\xBD");
    assert_int_equal(json_object_size(line), 8);
    json_decref(line);
    line = next_line();
    assert_string_equal(text_of(line, "level"), "error");
    json_decref(line);
    assert_null(next_line());
}

static void test_debug(void **state)
{
    (void)state;
    log_open("s", "i", LOG_DEBUG);
    capture();
    LOG(LOG_DEBUG, "shown");
    release();
    json_t *line = next_line();
    assert_string_equal(text_of(line, "level"), "debug");
    json_decref(line);
    assert_null(next_line());
}

static void test_repeated_messages_are_counted(void **state)
{
    (void)state;
    log_open("s", "i", LOG_INFO);
    capture();
    for (int i = 0; i < 50; i++)
        LOG(LOG_WARN, "broker away", log_i("try", i));
    usleep(1100000);
    LOG(LOG_INFO, "other");
    release();
    for (int i = 0; i < 20; i++) {
        json_t *line = next_line();
        assert_int_equal(json_integer_value(json_object_get(line, "try")), i);
        json_decref(line);
    }
    json_t *line = next_line();
    assert_string_equal(text_of(line, "msg"), "broker away");
    assert_string_equal(text_of(line, "level"), "warn");
    assert_int_equal(json_integer_value(json_object_get(line, "not_logged")), 30);
    json_decref(line);
    line = next_line();
    assert_string_equal(text_of(line, "msg"), "other");
    json_decref(line);
    assert_null(next_line());
}

static void *write_lines(void *argument)
{
    const char *name = argument;
    for (int i = 0; i < 200; i++) {
        char message[32];
        snprintf(message, sizeof message, "%s %d", name, i); // each its own message
        LOG(LOG_INFO, message, log_i("number", i));
    }
    return NULL;
}

static void test_lines_of_threads_stay_whole(void **state)
{
    (void)state;
    capture();
    pthread_t threads[4];
    char names[4][8];
    for (size_t i = 0; i < COUNT_OF(threads); i++) {
        snprintf(names[i], sizeof names[i], "t%zu", i);
        assert_int_equal(pthread_create(&threads[i], NULL, write_lines, names[i]), 0);
    }
    for (size_t i = 0; i < COUNT_OF(threads); i++)
        pthread_join(threads[i], NULL);
    release();
    int lines = 0;
    for (json_t *line; (line = next_line()) != NULL; lines++)
        json_decref(line);
    assert_int_equal(lines, 800);
}

static void test_closed_standard_error(void **state)
{
    (void)state;
    capture();
    close(STDERR_FILENO);
    LOG(LOG_ERROR, "nobody hears this");
    release();
    assert_null(next_line());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_debug),
        cmocka_unit_test(test_repeated_messages_are_counted),
        cmocka_unit_test(test_lines_of_threads_stay_whole),
        cmocka_unit_test(test_closed_standard_error),
    };
    return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
