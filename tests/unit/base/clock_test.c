// base/clock: the clocks, RFC 3339 texts and calendar dates.
#include "base/clock.h"
#include "unit/base/unit.h"

#include <string.h>
#include <time.h>

static void test_system_clock(void **state)
{
    (void)state;
    const struct clock_port *clock = clock_system();
    const instant now = clock->now(clock->self);
    assert_true(now / INSTANT_SECOND - (int64_t)time(NULL) <= 1);
    assert_true((int64_t)time(NULL) - now / INSTANT_SECOND <= 5);
    const int64_t before = clock->monotonic_us(clock->self);
    const int64_t after = clock->monotonic_us(clock->self);
    assert_true(after >= before);
}

struct instant_case {
    const char *text;
    const char *formatted; // NULL: the same
    instant at;
};

static void test_instants(void **state)
{
    (void)state;
    static const struct instant_case cases[] = {
        {"1970-01-01T00:00:00.000000Z", NULL, 0},
        {"2026-11-23T08:15:30.123456Z", NULL, 1795421730123456},
        {"1969-12-31T23:59:59.999999Z", NULL, -1},
        {"2000-02-29T12:00:00.000000Z", NULL, 951825600000000},
        {"0001-01-01T00:00:00.000000Z", NULL, -62135596800000000},
        {"9999-12-31T23:59:59.999999Z", NULL, 253402300799999999},
        {"2026-11-23T08:15:30Z", "2026-11-23T08:15:30.000000Z", 1795421730000000},
        {"2026-11-23t08:15:30z", "2026-11-23T08:15:30.000000Z", 1795421730000000},
        {"2026-11-23T08:15:30.1Z", "2026-11-23T08:15:30.100000Z", 1795421730100000},
        {"2026-11-23T08:15:30.1234567899999Z", "2026-11-23T08:15:30.123456Z", 1795421730123456},
        {"2026-11-23T16:15:30+08:00", "2026-11-23T08:15:30.000000Z", 1795421730000000},
        {"2026-11-23T00:45:30-07:30", "2026-11-23T08:15:30.000000Z", 1795421730000000},
        {"2026-11-23T08:15:30-00:00", "2026-11-23T08:15:30.000000Z", 1795421730000000},
        {"2016-12-31T23:59:60Z", "2017-01-01T00:00:00.000000Z", 1483228800000000},
        {"2017-01-01T00:59:60.5+01:00", "2017-01-01T00:00:00.500000Z", 1483228800500000},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        instant at = 7;
        if (!instant_parse(cases[i].text, &at) || at != cases[i].at)
            fail_msg("%s gave %lld", cases[i].text, (long long)at);
        char text[INSTANT_TEXT_SIZE];
        instant_format(at, text);
        assert_string_equal(text, cases[i].formatted == NULL ? cases[i].text : cases[i].formatted);
    }
}

static void test_bad_instants(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "",
        "2026-11-23",
        "2026-11-23T08:15:30",
        "2026-11-23T08:15:30.Z",
        "2026-11-23T08:15Z",
        "2026-11-23 08:15:30Z",
        "2026-11-23T24:00:00Z",
        "2026-11-23T08:60:00Z",
        "2026-11-23T08:15:61Z",
        "2026-11-23T08:15:60Z",
        "2016-12-31T23:59:60+01:00",
        "2026-11-31T08:15:30Z",
        "2026-02-29T08:15:30Z",
        "2026-00-10T08:15:30Z",
        "2026-13-10T08:15:30Z",
        "2026-11-00T08:15:30Z",
        "0000-01-01T00:00:00Z",
        "26-11-23T08:15:30Z",
        "+2026-11-23T08:15:30Z",
        "2026-11-23T08:15:30Z ",
        " 2026-11-23T08:15:30Z",
        "2026-11-23T08:15:30+0800",
        "2026-11-23T08:15:30+08",
        "2026-11-23T08:15:30+24:00",
        "2026-11-23T08:15:30+08:60",
        "2026-11-23T08:15:30,5Z",
        "0001-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59-00:01",
        "9999-12-31T23:59:60Z",
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        instant at = 7;
        if (instant_parse(cases[i], &at) || at != 7)
            fail_msg("\"%s\" was taken", cases[i]);
    }
}

static void test_instants_at_the_ends(void **state)
{
    (void)state;
    char text[INSTANT_TEXT_SIZE];
    instant_format(INSTANT_NONE, text);
    assert_string_equal(text, "");
    instant_format(INSTANT_NONE + 1, text);
    assert_string_equal(text, "0001-01-01T00:00:00.000000Z");
    instant_format(-62135596800000001, text);
    assert_string_equal(text, "0001-01-01T00:00:00.000000Z");
    instant_format(253402300800000000, text);
    assert_string_equal(text, "9999-12-31T23:59:59.999999Z");
    instant_format(INT64_MAX, text);
    assert_string_equal(text, "9999-12-31T23:59:59.999999Z");
}

static void test_instants_come_back(void **state)
{
    (void)state;
    uint64_t random = 1;
    for (int i = 0; i < 200000; i++) {
        const instant at = random_between(&random, -62135596800000000, 253402300799999999);
        char text[INSTANT_TEXT_SIZE];
        instant_format(at, text);
        instant back;
        assert_true(instant_parse(text, &back));
        assert_true(back == at);
    }
}

// Every day from year 1 to 9999, counted by hand.
static void test_every_date(void **state)
{
    (void)state;
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    local_date date = -719162; // 0001-01-01, a Monday
    int weekday = 1;
    for (int year = 1; year <= 9999; year++) {
        const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
        for (int month = 1; month <= 12; month++) {
            const int last = days[month - 1] + (month == 2 && leap);
            for (int day = 1; day <= last; day++, date++, weekday = weekday % 7 + 1) {
                int y;
                int m;
                int d;
                date_civil(date, &y, &m, &d);
                if (y != year || m != month || d != day || date_of_civil(year, month, day) != date ||
                    date_weekday(date) != weekday)
                    fail_msg("%04d-%02d-%02d", year, month, day);
            }
        }
    }
    assert_int_equal(date, 2932897);
}

static void test_dates(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        local_date date;
        int weekday;
    } cases[] = {
        {"1970-01-01", 0, 4},     {"1969-12-31", -1, 3},      {"2026-11-23", 20780, 1},
        {"2000-02-29", 11016, 2}, {"0001-01-01", -719162, 1}, {"9999-12-31", 2932896, 5},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        local_date date;
        assert_true(date_parse(cases[i].text, &date));
        assert_int_equal(date, cases[i].date);
        assert_int_equal(date_weekday(date), cases[i].weekday);
        char text[DATE_TEXT_SIZE];
        date_format(date, text);
        assert_string_equal(text, cases[i].text);
    }
    static const char *const bad[] = {"",           "2026",       "2026-1-1",   "2026-02-29",  "1900-02-29",
                                      "2026-04-31", "2026-11-32", "0000-01-01", "2026-11-23 ", "2026/11/23",
                                      "-026-11-23", "2026-11-2x"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        local_date date = 7;
        if (date_parse(bad[i], &date) || date != 7)
            fail_msg("\"%s\" was taken", bad[i]);
    }
    char text[DATE_TEXT_SIZE];
    date_format(INT32_MIN, text);
    assert_string_equal(text, "0001-01-01");
    date_format(INT32_MAX, text);
    assert_string_equal(text, "9999-12-31");
    assert_in_range(date_weekday(INT32_MIN), 1, 7);
    assert_in_range(date_weekday(INT32_MAX), 1, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_system_clock),
        cmocka_unit_test(test_instants),
        cmocka_unit_test(test_bad_instants),
        cmocka_unit_test(test_instants_at_the_ends),
        cmocka_unit_test(test_instants_come_back),
        cmocka_unit_test(test_every_date),
        cmocka_unit_test(test_dates),
    };
    return cmocka_run_group_tests_name("clock", tests, NULL, NULL);
}
