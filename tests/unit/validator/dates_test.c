// The earliest day: around midnight, cut-off, weekends, holidays, worked Saturdays and changes of daylight saving time.
#include "orders.h"

#include "unit/base/unit.h"

#include <string.h>

#define TEXT(s) ((char *)(uintptr_t)(s))

struct when {
    const char *zone;
    const char *now;
    const char *cutoff;
    uint32_t lead;
    const char *today;
    const char *earliest;
};

// Holidays everywhere: 2026-12-01, 2026-12-02. Worked: Saturday 2026-12-05.
// clang-format off
static const struct when cases[] = {
    // 2026-11-24 is a Tuesday.
    {"Asia/Shanghai", "2026-11-24T01:00:00Z", "16:00", 0, "2026-11-24", "2026-11-24"},
    {"Asia/Shanghai", "2026-11-24T07:59:59Z", "16:00", 0, "2026-11-24", "2026-11-24"}, // 15:59
    {"Asia/Shanghai", "2026-11-24T08:00:00Z", "16:00", 0, "2026-11-24", "2026-11-25"}, // 16:00: too late for today
    {"Asia/Shanghai", "2026-11-24T15:30:00Z", "16:00", 1, "2026-11-24", "2026-11-26"}, // 23:30
    {"Asia/Shanghai", "2026-11-24T15:30:00Z", "", 1, "2026-11-24", "2026-11-25"},      // 23:30 without a cut-off
    {"Asia/Shanghai", "2026-11-24T15:59:59Z", "", 1, "2026-11-24", "2026-11-25"},
    {"Asia/Shanghai", "2026-11-24T16:00:00Z", "", 1, "2026-11-25", "2026-11-26"},      // midnight there, the 24th in UTC
    {"America/New_York", "2026-11-25T04:30:00Z", "15:00", 1, "2026-11-24", "2026-11-26"}, // 23:30 on the 24th, the 25th in UTC
    {"America/New_York", "2026-11-25T04:30:00Z", "", 10, "2026-11-24", "2026-12-09"},
    {"America/New_York", "2026-11-25T05:00:00Z", "", 1, "2026-11-25", "2026-11-26"},
    // Ten days of production: 25, 26, 27, 30 November, 3, 4, 5 (worked), 7, 8, 9 December.
    {"Asia/Shanghai", "2026-11-24T02:00:00Z", "16:00", 10, "2026-11-24", "2026-12-09"},
    {"Asia/Shanghai", "2026-11-24T15:30:00Z", "16:00", 10, "2026-11-24", "2026-12-10"},
    // Friday, before and after the cut-off, and the weekend.
    {"Asia/Shanghai", "2026-11-20T07:00:00Z", "16:00", 1, "2026-11-20", "2026-11-23"},
    {"Asia/Shanghai", "2026-11-20T09:00:00Z", "16:00", 1, "2026-11-20", "2026-11-24"},
    {"Asia/Shanghai", "2026-11-21T01:00:00Z", "16:00", 1, "2026-11-21", "2026-11-24"},
    {"Asia/Shanghai", "2026-11-22T15:30:00Z", "16:00", 0, "2026-11-22", "2026-11-23"},
    // Into the holidays, and a Saturday on which one works.
    {"Asia/Shanghai", "2026-11-30T01:00:00Z", "16:00", 1, "2026-11-30", "2026-12-03"},
    {"Asia/Shanghai", "2026-12-01T01:00:00Z", "16:00", 0, "2026-12-01", "2026-12-03"},
    {"Asia/Shanghai", "2026-12-04T01:00:00Z", "16:00", 1, "2026-12-04", "2026-12-05"},
    {"Asia/Shanghai", "2026-12-05T01:00:00Z", "16:00", 1, "2026-12-05", "2026-12-07"},
    // Spring forward in New York: 2026-03-08, 02:00 does not exist; 23:30 the day before is 04:30 UTC, that day's 03:30.
    {"America/New_York", "2026-03-08T04:30:00Z", "", 1, "2026-03-07", "2026-03-10"},
    {"America/New_York", "2026-03-09T03:30:00Z", "", 1, "2026-03-08", "2026-03-10"},
    {"America/New_York", "2026-03-09T18:59:00Z", "15:00", 1, "2026-03-09", "2026-03-10"}, // 14:59 in summer time
    {"America/New_York", "2026-03-06T19:59:00Z", "15:00", 1, "2026-03-06", "2026-03-09"}, // 14:59 in winter time
    {"America/New_York", "2026-03-06T20:00:00Z", "15:00", 1, "2026-03-06", "2026-03-10"},
    // Fall back: 2026-11-01; 01:30 comes twice, 23:30 is 03:30 and 04:30 UTC.
    {"America/New_York", "2026-11-01T03:30:00Z", "", 0, "2026-10-31", "2026-11-02"},
    {"America/New_York", "2026-11-02T04:30:00Z", "", 0, "2026-11-01", "2026-11-02"},
    {"America/New_York", "2026-11-03T04:30:00Z", "", 0, "2026-11-02", "2026-11-02"},
    // A cut-off that can't be read is none.
    {"Asia/Shanghai", "2026-11-24T15:30:00Z", "4 pm", 0, "2026-11-24", "2026-11-24"},
    {"Asia/Shanghai", "2026-11-24T15:30:00Z", "16:00:00", 0, "2026-11-24", "2026-11-24"},
};
// clang-format on

static void earliest_day(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct when *w = &cases[i];
        struct sample s;
        sample_init(&s);
        s.calendar.zone = TEXT(w->zone);
        s.calendar.cutoff = TEXT(w->cutoff);
        struct working_days days;
        assert_true(working_days_open(&s.calendar, sample_at(w->now), &days));
        char today[DATE_TEXT_SIZE];
        char earliest[DATE_TEXT_SIZE];
        date_format(days.today, today);
        date_format(working_days_after(&days, w->lead), earliest);
        if (strcmp(today, w->today) != 0 || strcmp(earliest, w->earliest) != 0) {
            fail_msg("case %zu (%s in %s): today %s, earliest %s", i, w->now, w->zone, today, earliest);
        }
    }
}

// The day itself is possible, the one before isn't, at 23:30 in either zone.
static void never_off_by_one(void **state)
{
    (void)state;
    static const char *const moments[][2] = {{"Asia/Shanghai", "2026-11-24T15:30:00Z"},
                                             {"America/New_York", "2026-11-25T04:30:00Z"}};
    struct arena *arena = arena_new(1 << 16);
    for (size_t i = 0; i < COUNT_OF(moments); i++) {
        struct sample s;
        sample_init(&s);
        s.calendar.zone = TEXT(moments[i][0]);
        s.input.now = sample_at(moments[i][1]);
        s.lines[1].requested_date = TEXT("2026-12-09");
        struct judgement j = judge(arena, &s.input);
        assert_int_equal(j.violation_count, 1);
        assert_string_equal(j.violations[0]->suggestions[0], "2026-12-10");
        s.lines[1].requested_date = j.violations[0]->suggestions[0];
        j = judge(arena, &s.input);
        assert_int_equal(j.violation_count, 0);
        assert_string_equal(j.earliest_date, "2026-12-10");
    }
    arena_free(arena);
}

static void calendar_without_working_days_ends(void **state)
{
    (void)state;
    static char texts[8000][DATE_TEXT_SIZE];
    static char *dates[8000];
    struct sample s;
    sample_init(&s);
    local_date first;
    assert_true(date_parse("2026-11-24", &first));
    for (int i = 0; i < 8000; i++) {
        date_format(first + i, texts[i]);
        dates[i] = texts[i];
    }
    s.calendar.holidays = dates;
    s.calendar.n_holidays = 8000;
    struct working_days days;
    assert_true(working_days_open(&s.calendar, s.input.now, &days));
    assert_true(working_days_after(&days, UINT32_MAX) > first);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(earliest_day),
        cmocka_unit_test(never_off_by_one),
        cmocka_unit_test(calendar_without_working_days_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
