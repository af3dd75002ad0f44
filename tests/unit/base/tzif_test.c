// base/tzif: files made by hand, their rules, and damaged ones.
#include "base/clock.h"
#include "base/tzif.h"
#include "unit/base/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct file {
    uint8_t data[2048];
    size_t size;
};

static void put_u32(struct file *file, uint32_t value)
{
    for (int shift = 24; shift >= 0; shift -= 8)
        file->data[file->size++] = (uint8_t)(value >> shift);
}

static void put_header(struct file *file, char version, uint32_t leaps, uint32_t changes, uint32_t types)
{
    memcpy(file->data + file->size, "TZif", 4);
    file->data[file->size + 4] = (uint8_t)version;
    memset(file->data + file->size + 5, 0, 15);
    file->size += 20;
    const uint32_t counts[] = {0, 0, leaps, changes, types, 4};
    for (size_t i = 0; i < COUNT_OF(counts); i++)
        put_u32(file, counts[i]);
}

// A block with these changes, each to the type of its number (the first change is to type 1), and a name.
static void put_block(struct file *file, char version, size_t time_size, const int64_t *times,
                      uint32_t changes, const int32_t *offsets)
{
    put_header(file, version, 0, changes, changes + 1);
    for (uint32_t i = 0; i < changes; i++) {
        if (time_size == 8)
            put_u32(file, (uint32_t)((uint64_t)times[i] >> 32));
        put_u32(file, (uint32_t)times[i]);
    }
    for (uint32_t i = 0; i < changes; i++)
        file->data[file->size++] = (uint8_t)(i + 1);
    for (uint32_t i = 0; i <= changes; i++) {
        put_u32(file, (uint32_t)offsets[i]);
        file->data[file->size++] = 0;
        file->data[file->size++] = 0;
    }
    memcpy(file->data + file->size, "ABC", 4);
    file->size += 4;
}

// Version 2: a first block without changes, a second one with them, and the rule.
static struct file make_file(const int64_t *times, uint32_t changes, const int32_t *offsets, const char *rule)
{
    struct file file = {.size = 0};
    put_block(&file, '2', 4, NULL, 0, offsets);
    put_block(&file, '2', 8, times, changes, offsets);
    file.size += (size_t)sprintf((char *)file.data + file.size, "\n%s\n", rule);
    return file;
}

static bool parses(const uint8_t *data, size_t size)
{
    uint8_t *exact = malloc(size == 0 ? 1 : size); // so that reading on is noticed
    memcpy(exact, data, size);
    struct tzif *zone = NULL;
    const bool parsed = tzif_parse(exact, size, &zone);
    free(exact);
    assert_int_equal(parsed, zone != NULL);
    if (parsed)
        for (int64_t at = -90000; at < 90000; at += 997)
            tzif_offset(zone, at * 1000003);
    tzif_free(zone);
    return parsed;
}

static void test_changes(void **state)
{
    (void)state;
    static const int64_t times[] = {-5000000000, -100, 0, 5000000000};
    static const int32_t offsets[] = {100, 200, -300, 400, 500};
    const struct file file = make_file(times, 4, offsets, "");
    struct tzif *zone;
    assert_true(tzif_parse(file.data, file.size, &zone));
    static const struct {
        int64_t at;
        int32_t offset;
    } cases[] = {
        {INT64_MIN, 100}, {-5000000001, 100}, {-5000000000, 200}, {-101, 200},       {-100, -300},
        {-1, -300},       {0, 400},           {4999999999, 400},  {5000000000, 500}, {INT64_MAX, 500},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_int_equal(tzif_offset(zone, cases[i].at), cases[i].offset);
    tzif_free(zone);
    tzif_free(NULL);
}

static void test_version_1(void **state)
{
    (void)state;
    static const int64_t times[] = {-2000000000, 1000};
    static const int32_t offsets[] = {1, 2, 3};
    struct file file = {.size = 0};
    put_block(&file, 0, 4, times, 2, offsets);
    struct tzif *zone;
    assert_true(tzif_parse(file.data, file.size, &zone));
    assert_int_equal(tzif_offset(zone, -2000000001), 1);
    assert_int_equal(tzif_offset(zone, -2000000000), 2);
    assert_int_equal(tzif_offset(zone, 1000), 3);
    tzif_free(zone);
}

struct rule_case {
    const char *rule;
    const char *at; // the instant at which the offset changes
    int32_t before, after;
};

static void test_rules(void **state)
{
    (void)state;
    static const struct rule_case cases[] = {
        {"CET-1CEST,M3.5.0,M10.5.0/3", "2026-03-29T01:00:00Z", 3600, 7200},
        {"CET-1CEST,M3.5.0,M10.5.0/3", "2026-10-25T01:00:00Z", 7200, 3600},
        {"CET-1CEST,M3.5.0,M10.5.0/3", "1890-03-30T01:00:00Z", 3600, 7200},
        {"CET-1CEST,M3.5.0,M10.5.0/3", "9998-10-25T01:00:00Z", 7200, 3600},
        {"EST5EDT,M3.2.0,M11.1.0", "2026-03-08T07:00:00Z", -18000, -14400},
        {"EST5EDT,M3.2.0,M11.1.0", "2026-11-01T06:00:00Z", -14400, -18000},
        {"NZST-12NZDT,M9.5.0,M4.1.0/3", "2026-04-04T14:00:00Z", 46800,
         43200}, // south: summer over the new year
        {"NZST-12NZDT,M9.5.0,M4.1.0/3", "2026-09-26T14:00:00Z", 43200, 46800},
        {"IST-1GMT0,M10.5.0,M3.5.0/1", "2026-03-29T01:00:00Z", 0, 3600}, // winter time as the exception
        {"IST-1GMT0,M10.5.0,M3.5.0/1", "2026-10-25T01:00:00Z", 3600, 0},
        {"<-02>2<-01>,M3.5.0/-1,M10.5.0/0", "2026-03-29T01:00:00Z", -7200, -3600}, // the evening before
        {"<+1030>-10:30<+11>-11,M10.1.0,M4.1.0", "2026-10-03T15:30:00Z", 37800, 39600},
        {"IST-2IDT,M3.4.4/26,M10.5.0", "2026-03-27T00:00:00Z", 7200, 10800}, // hour 26 of a Thursday
        {"AAA0BBB,J60/0,J300/0", "2024-03-01T00:00:00Z", 0, 3600}, // J60 is 1 March, leap year or not
        {"AAA0BBB,J60/0,J300/0", "2026-03-01T00:00:00Z", 0, 3600},
        {"AAA0BBB,J59/0,J300/0", "2024-02-28T00:00:00Z", 0, 3600},
        {"AAA0BBB,59/0,300/0", "2024-02-29T00:00:00Z", 0, 3600}, // 59 is the 60th day
        {"AAA0BBB,59/0,300/0", "2026-03-01T00:00:00Z", 0, 3600},
        {"AAA0BBB,J1/-167,J300/0", "2025-12-25T01:00:00Z", 0, 3600}, // in the year before
        {"AAA0BBB,J100/0,J365/167", "2027-01-06T22:00:00Z", 3600, 0},
        {"AAA-0:30:15BBB-1:30:15,M3.5.0,M10.5.0", "2026-03-29T01:29:45Z", 1815, 5415},
        {"AAA+3BBB+2,M3.5.0,M10.5.0", "2026-03-29T05:00:00Z", -10800, -7200},
    };
    static const int32_t offsets[] = {7777};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct file file = make_file(NULL, 0, offsets, cases[i].rule);
        struct tzif *zone;
        assert_true(tzif_parse(file.data, file.size, &zone));
        instant at;
        assert_true(instant_parse(cases[i].at, &at));
        const int32_t before = tzif_offset(zone, at / INSTANT_SECOND - 1);
        const int32_t after = tzif_offset(zone, at / INSTANT_SECOND);
        if (before != cases[i].before || after != cases[i].after)
            fail_msg("%s at %s: %d, then %d", cases[i].rule, cases[i].at, before, after);
        tzif_offset(zone, INT64_MIN);
        tzif_offset(zone, INT64_MAX);
        tzif_free(zone);
    }
}

// Daylight saving all year: RFC 9636, section 3.3.1.
static void test_rule_without_winter(void **state)
{
    (void)state;
    static const int32_t offsets[] = {0};
    const struct file file = make_file(NULL, 0, offsets, "XXX3EDT4,0/0,J365/23");
    struct tzif *zone;
    assert_true(tzif_parse(file.data, file.size, &zone));
    for (int64_t day = 0; day < 365 * 30; day++)
        for (int64_t hour = 0; hour < 24; hour++)
            assert_int_equal(tzif_offset(zone, (day * 24 + hour) * 3600), -14400);
    tzif_free(zone);
}

static void test_rule_holds_after_the_last_change(void **state)
{
    (void)state;
    static const int64_t times[] = {0, 1000000000};
    static const int32_t offsets[] = {1, 2, 3};
    const struct file file = make_file(times, 2, offsets, "CET-1");
    struct tzif *zone;
    assert_true(tzif_parse(file.data, file.size, &zone));
    assert_int_equal(tzif_offset(zone, -1), 1);
    assert_int_equal(tzif_offset(zone, 999999999), 2);
    assert_int_equal(tzif_offset(zone, 1000000000), 3600);
    tzif_free(zone);
}

static void test_bad_rules(void **state)
{
    (void)state;
    static const char *const rules[] = {
        "CET",
        "CE-1",
        "-1",
        "<CET-1",
        "CET-25",
        "CET-1:60",
        "CET-1:00:60",
        "CET-1CEST",
        "CET-1CEST,M3.5.0",
        "CET-1CEST,M3.5.0,",
        "CET-1CEST,M0.5.0,M10.5.0",
        "CET-1CEST,M13.5.0,M10.5.0",
        "CET-1CEST,M3.0.0,M10.5.0",
        "CET-1CEST,M3.6.0,M10.5.0",
        "CET-1CEST,M3.5.7,M10.5.0",
        "CET-1CEST,M3.5,M10.5.0",
        "CET-1CEST,M3.5.0/168,M10.5.0",
        "CET-1CEST,J0,J365",
        "CET-1CEST,J1,J366",
        "CET-1CEST,0,366",
        "CET-1CEST,M3.5.0,M10.5.0x",
        "CET-1CEST,M3.5.0,M10.5.0,",
        "CET-1CEST M3.5.0,M10.5.0",
        "CET-99999999999999999999",
        ("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
         "x"
         "xxxxxxxxxxxx"
         "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx-1"),
    };
    static const int32_t offsets[] = {0};
    for (size_t i = 0; i < COUNT_OF(rules); i++) {
        const struct file file = make_file(NULL, 0, offsets, rules[i]);
        if (parses(file.data, file.size))
            fail_msg("%s was taken", rules[i]);
    }
}

static void test_damaged_files(void **state)
{
    (void)state;
    static const int64_t times[] = {-100, 100, 200};
    static const int32_t offsets[] = {0, 3600, 7200, 10800};
    const struct file good = make_file(times, 3, offsets, "CET-1CEST,M3.5.0,M10.5.0/3");
    assert_true(parses(good.data, good.size));
    for (size_t size = 0; size < good.size; size++)
        assert_false(parses(good.data, size));
    for (size_t i = 0; i < good.size; i++) { // any byte changed: refused or used, never more
        for (int value = 0; value < 256; value += 5) {
            struct file damaged = good;
            damaged.data[i] = (uint8_t)value;
            parses(damaged.data, damaged.size);
        }
    }

    static const int64_t falling[] = {100, 100};
    const struct file unsorted = make_file(falling, 2, offsets, "");
    assert_false(parses(unsorted.data, unsorted.size));
    static const int32_t too_far[] = {93600};
    const struct file far = make_file(NULL, 0, too_far, "");
    assert_false(parses(far.data, far.size));

    struct file leap = {.size = 0};
    put_header(&leap, 0, 1, 0, 1);
    memset(leap.data + leap.size, 0, 6 + 4 + 8);
    leap.size += 6 + 4 + 8;
    assert_false(parses(leap.data, leap.size));

    struct file huge = {.size = 0};
    put_header(&huge, 0, UINT32_MAX, UINT32_MAX, UINT32_MAX);
    assert_false(parses(huge.data, huge.size));
    struct file empty = {.size = 0};
    put_header(&empty, 0, 0, 0, 0);
    memset(empty.data + empty.size, 0, 4);
    assert_false(parses(empty.data, empty.size + 4));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_changes),
        cmocka_unit_test(test_version_1),
        cmocka_unit_test(test_rules),
        cmocka_unit_test(test_rule_without_winter),
        cmocka_unit_test(test_rule_holds_after_the_last_change),
        cmocka_unit_test(test_bad_rules),
        cmocka_unit_test(test_damaged_files),
    };
    return cmocka_run_group_tests_name("tzif", tests, NULL, NULL);
}
