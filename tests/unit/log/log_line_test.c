// log/log_line: every line is one JSON object, whatever its values hold and however long they are.
#include "log/log_line.h"
#include "unit/base/unit.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

// The line as JSON; fails the test if it isn't one.
static json_t *parse(const struct log_line *line)
{
    assert_true(line->size > 2 && line->size <= LOG_LINE_MAX);
    assert_int_equal(line->text[line->size - 1], '\n');
    assert_null(memchr(line->text, '\n', line->size - 1));
    json_error_t error;
    json_t *object = json_loadb(line->text, line->size - 1, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
    if (object == NULL)
        fail_msg("%s: %.*s", error.text, (int)line->size, line->text);
    return object;
}

static void test_escapes(void **state)
{
    (void)state;
    static const struct {
        struct bytes value;
        const char *escaped;
    } cases[] = {
        {{"", 0}, ""},
        {{"order", 5}, "order"},
        {{"a\"b\\c/d", 7}, "a\\\"b\\\\c/d"},
        {{"a\nb\tc\rd", 7}, "a\\nb\\tc\\u000dd"},
        {{"\0\x01\x1F\x7F", 4}, "\\u0000\\u0001\\u001f\\u007f"},
        {{"Gr\xC3\xBC\xC3\x9F"
          "e \xE2\x82\xAC\xF0\x9F\x93\xA6",
          15},
         "Gr\xC3\xBC\xC3\x9F"
         "e \xE2\x82\xAC\xF0\x9F\x93\xA6"},
        {{"\xFF", 1}, "\xEF\xBF\xBD"},
        {{"a\x80"
          "b",
          3},
         "a\xEF\xBF\xBD"
         "b"},
        {{"\xE2\x82", 2}, "\xEF\xBF\xBD\xEF\xBF\xBD"},
        {{"\xED\xA0\x80", 3}, "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"},
        {{"\xC0\x80", 2}, "\xEF\xBF\xBD\xEF\xBF\xBD"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct log_line line;
        log_line_start(&line);
        log_line_text(&line, "v", cases[i].value);
        log_line_end(&line);
        char expected[100];
        const int size = snprintf(expected, sizeof expected, "{\"v\":\"%s\"}\n", cases[i].escaped);
        assert_int_equal(line.size, size);
        assert_memory_equal(line.text, expected, line.size);
        json_decref(parse(&line));
    }
}

static void test_fields(void **state)
{
    (void)state;
    struct log_line line;
    log_line_start(&line);
    log_line_text(&line, "absent", bytes_of(NULL, 0));
    log_line_int(&line, "min", INT64_MIN);
    log_line_int(&line, "max", INT64_MAX);
    log_line_text(&line, "text", bytes_str("x"));
    log_line_end(&line);
    static const char expected[] =
        "{\"min\":-9223372036854775808,\"max\":9223372036854775807,\"text\":\"x\"}\n";
    assert_int_equal(line.size, sizeof expected - 1);
    assert_memory_equal(line.text, expected, line.size);

    log_line_start(&line);
    log_line_end(&line);
    assert_int_equal(line.size, 3);
    assert_memory_equal(line.text, "{}\n", 3);
}

static void test_long_values_are_cut(void **state)
{
    (void)state;
    static const char *const pieces[] = {"x",   "\"", "\x01", "\xC3\xBC", "\xE2\x82\xAC", "\xF0\x9F\x93\xA6",
                                         "\xFF"};
    char value[2 * LOG_VALUE_MAX];
    for (size_t p = 0; p < COUNT_OF(pieces); p++) {
        size_t size = 0;
        while (size + 4 < sizeof value) {
            memcpy(value + size, pieces[p], strlen(pieces[p]));
            size += strlen(pieces[p]);
        }
        struct log_line line;
        log_line_start(&line);
        log_line_text(&line, "long", bytes_of(value, size));
        log_line_int(&line, "next", 1);
        log_line_end(&line);
        json_t *object = parse(&line);
        const char *text = json_string_value(json_object_get(object, "long"));
        assert_non_null(text);
        assert_string_equal(text + strlen(text) - 3, "\xE2\x80\xA6");
        assert_int_equal(json_integer_value(json_object_get(object, "next")), 1);
        assert_null(json_object_get(object, "cut"));
        assert_true(line.size > LOG_VALUE_MAX && line.size < LOG_VALUE_MAX + 40);
        json_decref(object);
    }
}

static void test_fields_without_room_are_left_out(void **state)
{
    (void)state;
    char value[LOG_VALUE_MAX];
    memset(value, 'v', sizeof value);
    for (size_t length = 0; length < sizeof value; length += 7) {
        struct log_line line;
        log_line_start(&line);
        size_t fields = 0;
        for (; fields < 2000 && !line.cut; fields++) {
            static char names[2000][8];
            snprintf(names[fields], sizeof names[fields], "f%zu", fields);
            if (fields % 2 == 0)
                log_line_text(&line, names[fields], bytes_of(value, length));
            else
                log_line_int(&line, names[fields], INT64_MIN);
        }
        assert_true(line.cut);
        log_line_int(&line, "x", 1); // may still fit, or not
        log_line_end(&line);
        json_t *object = parse(&line);
        assert_true(json_is_true(json_object_get(object, "cut")));
        assert_true(line.size > LOG_LINE_MAX - 100);
        json_decref(object);
    }
}

static void test_random_lines(void **state)
{
    (void)state;
    uint64_t random = 31;
    for (int i = 0; i < 20000; i++) {
        struct log_line line;
        log_line_start(&line);
        const int64_t fields = random_between(&random, 0, 12);
        for (int64_t f = 0; f < fields; f++) {
            static const char *const names[] = {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"};
            uint8_t value[900];
            const size_t size = (size_t)random_between(&random, 0, sizeof value);
            for (size_t j = 0; j < size; j++)
                value[j] = (uint8_t)(random_next(&random) >> 20);
            if (random_next(&random) % 3 == 0)
                log_line_int(&line, names[f], random_any(&random));
            else
                log_line_text(&line, names[f], bytes_of(value, size));
        }
        log_line_end(&line);
        json_decref(parse(&line));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_escapes),
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_long_values_are_cut),
        cmocka_unit_test(test_fields_without_room_are_left_out),
        cmocka_unit_test(test_random_lines),
    };
    return cmocka_run_group_tests_name("log_line", tests, NULL, NULL);
}
