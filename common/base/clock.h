// Instants and local dates. An instant is microseconds since 1970-01-01 UTC: what PostgreSQL's timestamptz
// can hold.
#pragma once

#include <stdbool.h>
#include <stdint.h>

typedef int64_t instant;

#define INSTANT_NONE   INT64_MIN // absent (SQL NULL)
#define INSTANT_MS     1000LL
#define INSTANT_SECOND 1000000LL
#define INSTANT_MINUTE (60 * INSTANT_SECOND)
#define INSTANT_HOUR   (60 * INSTANT_MINUTE)
#define INSTANT_DAY    (24 * INSTANT_HOUR)

// The wall clock and the monotonic one, behind a struct so that the simulator can supply its own. Decide
// functions read neither: their now is the batch's.
struct clock_port {
    void *self;
    instant (*now)(void *self);
    int64_t (*monotonic_us)(void *self);
};
const struct clock_port *clock_system(void);

static inline int64_t clock_monotonic_us(void)
{
    const struct clock_port *clock = clock_system();
    return clock->monotonic_us(clock->self);
}

// Text reaches from year 0001 to 9999: PostgreSQL has no year 0 and RFC 3339 four digits. Parsing refuses
// others, formatting shows the nearest end; INSTANT_NONE gives an empty text.
#define INSTANT_TEXT_SIZE 28
// 2026-11-23T08:15:30.123456Z (RFC 3339)
void instant_format(instant at, char text[static INSTANT_TEXT_SIZE]);
// RFC 3339 with zone. Digits after the microsecond are dropped; second 60 of a leap second is the next
// minute's 0.
bool instant_parse(const char *text, instant *ret_at);

// A local calendar date: days since 1970-01-01, proleptic Gregorian.
typedef int32_t local_date;
#define DATE_TEXT_SIZE 11
// YYYY-MM-DD, real days only.
bool date_parse(const char *text, local_date *ret_date);
// Outside of the years 0001 to 9999: the nearest end.
void date_format(local_date date, char text[static DATE_TEXT_SIZE]);
void date_civil(local_date date, int *ret_year, int *ret_month, int *ret_day);
local_date date_of_civil(int year, int month, int day); // of a real day, years -9999 to 99999
int date_weekday(local_date date);                      // 1 = Monday … 7 = Sunday

// The local date and minute of the day of an instant in an IANA zone (from the system's zone files). False:
// unknown zone. Each zone is read once per process. Thread-safe.
bool zone_local(const char *zone, instant at, local_date *ret_date, int *ret_minute_of_day);
bool zone_exists(const char *zone);
