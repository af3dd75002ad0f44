// Instants, dates and ids as text.
#include "base/clock.h"
#include "base/uuid.h"
#include "fuzz/fuzz.h"

#include <string.h>

static void check_instant(const char *text)
{
    instant at, again;
    if (!instant_parse(text, &at))
        return;
    char shown[INSTANT_TEXT_SIZE];
    instant_format(at, shown);
    FUZZ_CHECK(instant_parse(shown, &again) && again == at);
}

static void check_number(int64_t number)
{
    char shown[INSTANT_TEXT_SIZE], twice[INSTANT_TEXT_SIZE];
    instant at;
    instant_format(number, shown);
    if (number == INSTANT_NONE) {
        FUZZ_CHECK(shown[0] == '\0');
        return;
    }
    FUZZ_CHECK(instant_parse(shown, &at)); // of what lies outside of the years too
    instant_format(at, twice);
    FUZZ_CHECK(strcmp(shown, twice) == 0);
}

static void check_date(const char *text, int32_t number)
{
    local_date date, again;
    char shown[DATE_TEXT_SIZE];
    int year, month, day;
    if (date_parse(text, &date)) {
        date_format(date, shown);
        FUZZ_CHECK(strcmp(shown, text) == 0);
        date_civil(date, &year, &month, &day);
        FUZZ_CHECK(date_of_civil(year, month, day) == date);
    }
    date_format(number, shown);
    FUZZ_CHECK(date_parse(shown, &again));
    FUZZ_CHECK(date_weekday(number) >= 1 && date_weekday(number) <= 7);
}

static void check_uuid(struct bytes text)
{
    struct uuid id, again;
    char shown[UUID_TEXT_SIZE];
    if (!uuid_parse(text, &id))
        return;
    uuid_format(id, shown);
    FUZZ_CHECK(uuid_parse(bytes_str(shown), &again) && uuid_equal(id, again));
    FUZZ_CHECK(text.size == UUID_TEXT_SIZE - 1);
}

static void check_zone(const char *name, int64_t number)
{
    local_date date;
    int minute;
    if (zone_local(name, number, &date, &minute))
        FUZZ_CHECK(minute >= 0 && minute < 1440);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    // Each zone that there is stays in memory: a few are enough, and no path out of the zones' folder may be one.
    static const char *const zones[] = {"Asia/Shanghai", "Europe/Berlin", "America/New_York",
                                        "UTC",           "Nowhere",       "../../../etc/passwd"};
    struct arena *arena = arena_new(256);
    struct fuzz_source source = fuzz_source_of(data, size);
    const int64_t number = fuzz_number(&source);
    const char *zone = zones[fuzz_below(&source, 6)];
    const struct bytes rest = fuzz_rest(&source);
    const char *text = arena_str(arena, rest);
    check_number(number);
    check_date(text, (int32_t)number);
    check_instant(text);
    check_uuid(rest);
    check_zone(zone, number);
    FUZZ_CHECK(!zone_exists("../../../etc/passwd"));
    arena_free(arena);
    return 0;
}
