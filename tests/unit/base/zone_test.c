// base/zone: names, and every zone of this system against the C library's localtime_r.
#include "base/clock.h"
#include "unit/base/unit.h"

#include <ftw.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define DIRECTORY "/usr/share/zoneinfo/"

static void test_names(void **state)
{
    (void)state;
    static const char *const good[] = {"UTC",           "Europe/Berlin",
                                       "Asia/Shanghai", "America/Argentina/Buenos_Aires",
                                       "Etc/GMT+5",     "America/Port-au-Prince"};
    for (size_t i = 0; i < COUNT_OF(good); i++)
        if (!zone_exists(good[i]))
            fail_msg("%s must exist", good[i]);
    static const char *const bad[] = {
        "",
        "/",
        "/UTC",
        "/usr/share/zoneinfo/UTC",
        "../zoneinfo/UTC",
        "Europe/../UTC",
        "Europe/./Berlin",
        "Europe//Berlin",
        "Europe/Berlin/",
        "Europe",
        "Europe/berlin",
        "europe/Berlin",
        "Europe/Atlantis",
        "posix/Europe/Berlin",
        "right/Europe/Berlin",
        "localtime",
        "tzdata.zi",
        "zone.tab",
        "Europe/Berlin ",
        "Europe/Berlin\n",
        "Europe\\Berlin",
        "CET-1CEST",
        "UTC+2",
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        local_date date = 7;
        int minute = 7;
        if (zone_exists(bad[i]) || zone_local(bad[i], 0, &date, &minute) || date != 7 || minute != 7)
            fail_msg("\"%s\" was taken", bad[i]);
    }
}

static void test_instants(void **state)
{
    (void)state;
    static const struct {
        const char *zone, *at, *date;
        int minute;
    } cases[] = {
        {"UTC", "2026-11-23T08:15:30Z", "2026-11-23", 8 * 60 + 15},
        {"UTC", "1969-12-31T23:59:59.999999Z", "1969-12-31", 1439},
        {"Asia/Shanghai", "2026-11-23T16:00:00Z", "2026-11-24", 0},
        {"Asia/Shanghai", "2026-11-23T15:59:59.999999Z", "2026-11-23", 1439},
        {"Europe/Berlin", "2026-03-29T00:59:59Z", "2026-03-29", 119},
        {"Europe/Berlin", "2026-03-29T01:00:00Z", "2026-03-29", 180},
        {"Europe/Berlin", "2026-10-25T00:59:00Z", "2026-10-25", 179},
        {"Europe/Berlin", "2026-10-25T01:00:00Z", "2026-10-25", 120},
        {"Europe/Berlin", "2126-07-01T12:00:00Z", "2126-07-01", 14 * 60},
        {"America/New_York", "2026-07-01T03:59:00Z", "2026-06-30", 1439},
        {"Asia/Kathmandu", "2026-11-23T18:15:00Z", "2026-11-24", 0},
        {"Pacific/Kiritimati", "2026-11-23T10:00:00Z", "2026-11-24", 0},
        {"Pacific/Apia", "2011-12-30T09:59:00Z", "2011-12-29", 1439}, // 30 December was left out
        {"Pacific/Apia", "2011-12-30T10:00:00Z", "2011-12-31", 0},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        instant at;
        local_date date;
        int minute;
        assert_true(instant_parse(cases[i].at, &at));
        assert_true(zone_local(cases[i].zone, at, &date, &minute));
        char text[DATE_TEXT_SIZE];
        date_format(date, text);
        if (strcmp(text, cases[i].date) != 0 || minute != cases[i].minute)
            fail_msg("%s at %s: %s, minute %d", cases[i].zone, cases[i].at, text, minute);
    }
    local_date date;
    int minute;
    assert_true(zone_local("Europe/Berlin", INT64_MAX, &date, &minute));
    assert_true(zone_local("Europe/Berlin", INSTANT_NONE, &date, &minute));
    assert_in_range(minute, 0, 1439);
}

static uint64_t random_state = 23;
static int zones_compared;

static void compare_at(const char *zone, int64_t second)
{
    const time_t time = (time_t)second;
    struct tm local;
    assert_non_null(localtime_r(&time, &local));
    local_date date;
    int minute;
    assert_true(zone_local(zone, second * INSTANT_SECOND, &date, &minute));
    if (date != date_of_civil(local.tm_year + 1900, local.tm_mon + 1, local.tm_mday) ||
        minute != local.tm_hour * 60 + local.tm_min)
        fail_msg("%s at %lld: date %d, minute %d; %02d:%02d expected", zone, (long long)second, date, minute,
                 local.tm_hour, local.tm_min);
}

static int compare_zone(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    (void)status;
    (void)walk;
    const char *zone = path + sizeof DIRECTORY - 1;
    if (type != FTW_F || !zone_exists(zone))
        return 0;
    setenv("TZ", zone, 1); // the threads of other tests have ended
    tzset();
    for (int i = 0; i < 600; i++) {
        const int64_t second = random_between(&random_state, -4000000000, 16000000000); // 1843 to 2477
        compare_at(zone, second);
    }
    // Around each change of the offset in these years.
    int64_t at = random_between(&random_state, -3000000000, 2900000000);
    long offset = LONG_MIN;
    for (int day = 0; day < 800; day++, at += 86400) {
        const time_t time = (time_t)at;
        struct tm local;
        localtime_r(&time, &local);
        if (local.tm_gmtoff == offset || offset == LONG_MIN) {
            offset = local.tm_gmtoff;
            continue;
        }
        offset = local.tm_gmtoff;
        for (int64_t second = at - 86400; second <= at; second += 59)
            compare_at(zone, second);
    }
    zones_compared++;
    return 0;
}

static void test_every_zone_against_the_library(void **state)
{
    (void)state;
    assert_int_equal(nftw(DIRECTORY, compare_zone, 16, 0), 0);
    assert_true(zones_compared > 300);
}

static void *look_up(void *argument)
{
    (void)argument;
    static const char *const zones[] = {"Africa/Cairo", "Asia/Tokyo", "Europe/Paris", "America/Lima",
                                        "Nowhere/Land"};
    for (int i = 0; i < 2000; i++) {
        local_date date;
        int minute;
        const bool found = zone_local(zones[i % 5], (instant)i * INSTANT_DAY, &date, &minute);
        if (found != (i % 5 != 4))
            return NULL;
    }
    return argument;
}

static void test_threads(void **state)
{
    (void)state;
    pthread_t threads[8];
    int mark;
    for (size_t i = 0; i < COUNT_OF(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, look_up, &mark), 0);
    for (size_t i = 0; i < COUNT_OF(threads); i++) {
        void *result;
        pthread_join(threads[i], &result);
        assert_ptr_equal(result, &mark);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_instants),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_every_zone_against_the_library),
    };
    return cmocka_run_group_tests_name("zone", tests, NULL, NULL);
}
