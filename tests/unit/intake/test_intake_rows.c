// Rows cut out of a stream, whatever its pieces; and what is ruled out in each state.
#include "intake/intake_request.h"
#include "intake/intake_rows.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

// What came out, as text: "line:cell|cell" or "line!error", one after another.
static char seen[1 << 20];

static bool note(void *self, const struct intake_row *row)
{
    (void)self;
    size_t used = strlen(seen);
    char *at = seen + used;
    at += sprintf(at, "%zu%c", row->line, row->error != NULL ? '!' : ':');
    if (row->error != NULL) {
        at += sprintf(at, "%.*s", (int)strcspn(row->error, ";"), row->error);
    } else if (row->cells == NULL) {
        at += sprintf(at, "%.*s", (int)row->raw.size, (const char *)row->raw.data);
    } else {
        for (size_t i = 0; i < row->cell_count; i++)
            at += sprintf(at, "%s%.*s", i > 0 ? "|" : "", (int)row->cells[i].size,
                          (const char *)row->cells[i].data);
    }
    strcpy(at, "\n");
    return true;
}

static const char *cut(enum intake_rows_format format, const char *text, size_t size, size_t piece)
{
    seen[0] = '\0';
    struct intake_rows *rows = intake_rows_new(format);
    for (size_t at = 0; at < size; at += piece) {
        size_t n = size - at < piece ? size - at : piece;
        char *copy = malloc(n); // exactly so large: reading further is seen
        memcpy(copy, text + at, n);
        assert_true(intake_rows_feed(rows, bytes_of(copy, n), note, NULL));
        free(copy);
    }
    assert_true(intake_rows_end(rows, note, NULL));
    intake_rows_free(rows);
    return seen;
}

static void cuts_rows(void **state)
{
    (void)state;
    static const struct {
        enum intake_rows_format format;
        const char *text, *rows;
    } cases[] = {
        {ROWS_CSV, "", ""},
        {ROWS_CSV, "a,b\n1,2\n", "1:a|b\n2:1|2\n"},
        {ROWS_CSV, "a,b\r\n1,2", "1:a|b\n2:1|2\n"},
        {ROWS_CSV,
         "\xEF\xBB\xBF"
         "a,b\n",
         "1:a|b\n"},
        {ROWS_CSV, "\xEF\xBB\xBF\"a\",\"b\"\n", "1:a|b\n"},
        {ROWS_CSV, "\xEF\xBB", "1!isn't UTF-8\n"},
        {ROWS_CSV, "\xEF\xBB\x80,x\n", "1:\xEF\xBB\x80|x\n"},
        {ROWS_CSV, "a\n\n  \n\nb", "1:a\n5:b\n"},
        {ROWS_CSV, "\"x,\"\"y\"\"\r\nz\",2\n3,\"\"\n", "1:x,\"y\"\r\nz|2\n3:3|\n"},
        {ROWS_CSV, "a;b,c;d\n1;2;3\n", "1:a|b,c|d\n2:1|2|3\n"},
        {ROWS_CSV, "a\tb\n1\t2\n", "1:a|b\n2:1|2\n"},
        {ROWS_CSV, "a,b\nx\"y,z\n1,2\n",
         "1:a|b\n2!has quotes in the middle of a cell, or a quote that isn't closed\n3:1|2\n"},
        {ROWS_CSV, "a,b\n\"x\"y,z\n1,2\n",
         "1:a|b\n2!has quotes in the middle of a cell, or a quote that isn't closed\n3:1|2\n"},
        {ROWS_CSV, "a\n\"x\n1\n", "1:a\n2!has a quote that isn't closed\n"},
        {ROWS_CSV, "a,b\n,\n", "1:a|b\n2:|\n"},
        {ROWS_CSV, "a\n\xFF\nb\n", "1:a\n2!isn't UTF-8\n3:b\n"},
        {ROWS_CSV, "\"\"\n", "1:\n"},
        {ROWS_NDJSON, "{\"a\":\"x,\"}\r\n\n[\"\\\"\"]", "1:{\"a\":\"x,\"}\n3:[\"\\\"\"]\n"},
        {ROWS_NDJSON, "\xEF\xBB\xBF{}\n\xC3\n{}\n", "1:{}\n2!isn't UTF-8\n3:{}\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (size_t piece = 1; piece < 12; piece++)
            assert_string_equal(cut(cases[i].format, cases[i].text, strlen(cases[i].text), piece),
                                cases[i].rows);
}

static void bounds_rows(void **state)
{
    (void)state;
    size_t size = ROWS_BYTES_MAX + 10;
    char *text = malloc(size + 3);
    memset(text, 'x', size);
    memcpy(text + size, "\ny\n", 3);
    assert_string_equal(cut(ROWS_NDJSON, text, size + 3, 5000), "1!has more than 262144 bytes\n2:y\n");
    memset(text, ',', 100);
    text[100] = '\n';
    assert_string_equal(cut(ROWS_CSV, text, 101, 7), "1!has more than 100 cells\n");
    free(text);
}

static bool refuse(void *self, const struct intake_row *row)
{
    (*(int *)self)++;
    return row->line < 2;
}

static void stops_when_told(void **state)
{
    (void)state;
    int calls = 0;
    struct intake_rows *rows = intake_rows_new(ROWS_NDJSON);
    assert_false(intake_rows_feed(rows, bytes_str("1\n2\n3\n4\n"), refuse, &calls));
    assert_int_equal(calls, 2);
    intake_rows_free(rows);
}

static void rules_requests_out(void **state)
{
    (void)state;
    static const char *const states[] = {
        "RECEIVED",         "VALIDATING",        "AWAITING_CUSTOMER", "AWAITING_DEPARTMENT", "RESERVING",
        "SHORTAGE_OFFERED", "IN_REVIEW",         "REGISTERED",        "SCHEDULED",           "IN_PRODUCTION",
        "IN_FULFILMENT",    "PARTIALLY_SHIPPED", "SHIPPED",           "DELIVERED",           "COMPLETED",
        "REJECTED",         "CANCELLED",         "ARCHIVED",          "COMPENSATING",        "NEEDS_PERSON",
        "SOMETHING_NEW"};
    static const struct {
        const char *type;
        const char *ruled; // 1 for each state above that rules it out
    } types[] = {
        {"cancel", "000000000000111111000"},   {"answer", "000001001111111111100"},
        {"shortage", "000000111111111111100"}, {"resolve", "000000000000001111000"},
        {"dance", "000000000000000000000"},
    };
    for (size_t t = 0; t < sizeof types / sizeof types[0]; t++)
        for (size_t s = 0; s < sizeof states / sizeof states[0]; s++)
            if (intake_ruled_out(types[t].type, bytes_str(states[s])) != (types[t].ruled[s] == '1'))
                fail_msg("%s in %s", types[t].type, states[s]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cuts_rows),
        cmocka_unit_test(bounds_rows),
        cmocka_unit_test(stops_when_told),
        cmocka_unit_test(rules_requests_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
