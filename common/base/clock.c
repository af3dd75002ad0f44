// The system's clocks; instants and dates as text.
#include "base/clock.h"

#include "base/fault_clock.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define YEAR_MIN 1
#define YEAR_MAX 9999

static int64_t read_us(clockid_t id)
{
    struct timespec now;
    clock_gettime(id, &now); // can't fail for the two clocks below
    return (int64_t)now.tv_sec * INSTANT_SECOND + now.tv_nsec / 1000;
}

static instant system_now(void *self)
{
    (void)self;
    return read_us(CLOCK_REALTIME) + fault_clock_off_us();
}

static int64_t system_monotonic_us(void *self)
{
    (void)self;
    return read_us(CLOCK_MONOTONIC);
}

const struct clock_port *clock_system(void)
{
    static const struct clock_port port = {.now = system_now, .monotonic_us = system_monotonic_us};
    return &port;
}

static int64_t floor_divide(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

// From 0 to b - 1. b > 0.
static int64_t floor_remainder(int64_t a, int64_t b)
{
    return a % b + (a % b < 0 ? b : 0);
}

static bool is_leap(int year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int days_in_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return month == 2 && is_leap(year) ? 29 : days[month - 1];
}

// Both ways: Howard Hinnant, "chrono-compatible low-level date algorithms". Years start in March, so that the
// leap day is the last one; 719468 days lie between 0000-03-01 and 1970-01-01, 146097 in each era of 400
// years.
local_date date_of_civil(int year, int month, int day)
{
    const int64_t shifted = (int64_t)year - (month <= 2);
    const int64_t era = floor_divide(shifted, 400);
    const int64_t year_of_era = floor_remainder(shifted, 400);
    const int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    const int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return (local_date)(era * 146097 + day_of_era - 719468);
}

void date_civil(local_date date, int *ret_year, int *ret_month, int *ret_day)
{
    const int64_t shifted = (int64_t)date + 719468;
    const int64_t era = floor_divide(shifted, 146097);
    const int64_t day_of_era = floor_remainder(shifted, 146097);
    const int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    const int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    const int64_t month_from_march = (5 * day_of_year + 2) / 153;
    const int month = (int)(month_from_march < 10 ? month_from_march + 3 : month_from_march - 9);
    *ret_year = (int)(year_of_era + era * 400) + (month <= 2);
    *ret_month = month;
    *ret_day = (int)(day_of_year - (153 * month_from_march + 2) / 5) + 1;
}

int date_weekday(local_date date)
{
    const int64_t from_monday = (int64_t)date + 3; // 1970-01-01 was a Thursday
    return (int)floor_remainder(from_monday, 7) + 1;
}

static void put_digits(char *text, int64_t value, int digits)
{
    for (int i = digits - 1; i >= 0; i--) {
        text[i] = (char)('0' + value % 10);
        value /= 10;
    }
}

static local_date clamp_date(int64_t date)
{
    const local_date first = date_of_civil(YEAR_MIN, 1, 1);
    const local_date last = date_of_civil(YEAR_MAX, 12, 31);
    return date < first ? first : date > last ? last : (local_date)date;
}

void date_format(local_date date, char text[static DATE_TEXT_SIZE])
{
    int year;
    int month;
    int day;
    date_civil(clamp_date(date), &year, &month, &day);
    memcpy(text, "0000-00-00", DATE_TEXT_SIZE);
    put_digits(text, year, 4);
    put_digits(text + 5, month, 2);
    put_digits(text + 8, day, 2);
}

void instant_format(instant at, char text[static INSTANT_TEXT_SIZE])
{
    if (at == INSTANT_NONE) {
        text[0] = '\0';
        return;
    }
    const int64_t date = floor_divide(at, INSTANT_DAY);
    int64_t us = floor_remainder(at, INSTANT_DAY);
    const int64_t clamped = clamp_date(date);
    if (clamped != date)
        us = clamped > date ? 0 : INSTANT_DAY - 1;
    date_format((local_date)clamped, text);
    memcpy(text + 10, "T00:00:00.000000Z", INSTANT_TEXT_SIZE - 10);
    put_digits(text + 11, us / INSTANT_HOUR, 2);
    put_digits(text + 14, us / INSTANT_MINUTE % 60, 2);
    put_digits(text + 17, us / INSTANT_SECOND % 60, 2);
    put_digits(text + 20, us % INSTANT_SECOND, 6);
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

// Exactly this many digits, a value of at most max. Moves *at behind them.
static bool take_digits(const char **at, int digits, int max, int *ret_value)
{
    int value = 0;
    for (int i = 0; i < digits; i++) {
        if (!is_digit((*at)[i]))
            return false;
        value = value * 10 + ((*at)[i] - '0');
    }
    if (value > max)
        return false;
    *at += digits;
    *ret_value = value;
    return true;
}

static bool take_char(const char **at, char c)
{
    if (**at != c)
        return false;
    (*at)++;
    return true;
}

static bool take_date(const char **at, local_date *ret_date)
{
    int year;
    int month;
    int day;
    if (!take_digits(at, 4, YEAR_MAX, &year) || !take_char(at, '-') || !take_digits(at, 2, 12, &month) ||
        !take_char(at, '-') || !take_digits(at, 2, 31, &day))
        return false;
    if (year < YEAR_MIN || month < 1 || day < 1 || day > days_in_month(year, month))
        return false;
    *ret_date = date_of_civil(year, month, day);
    return true;
}

bool date_parse(const char *text, local_date *ret_date)
{
    local_date date;
    if (!take_date(&text, &date) || *text != '\0')
        return false;
    *ret_date = date;
    return true;
}

// ".1" or nothing, in microseconds.
static bool take_fraction(const char **at, int64_t *ret_us)
{
    *ret_us = 0;
    if (!take_char(at, '.'))
        return true;
    if (!is_digit(**at))
        return false;
    for (int64_t unit = INSTANT_SECOND / 10; is_digit(**at); unit /= 10)
        *ret_us += (*(*at)++ - '0') * unit;
    return true;
}

// "Z" or "+hh:mm", in minutes east of UTC.
static bool take_offset(const char **at, int *ret_minutes)
{
    *ret_minutes = 0;
    if (take_char(at, 'Z') || take_char(at, 'z'))
        return true;
    const int sign = **at == '-' ? -1 : 1;
    int hours;
    int minutes;
    if (!take_char(at, '-') && !take_char(at, '+'))
        return false;
    if (!take_digits(at, 2, 23, &hours) || !take_char(at, ':') || !take_digits(at, 2, 59, &minutes))
        return false;
    *ret_minutes = sign * (hours * 60 + minutes);
    return true;
}

bool instant_parse(const char *text, instant *ret_at)
{
    local_date date;
    int hour;
    int minute;
    int second;
    int64_t us;
    int offset;
    if (!take_date(&text, &date) || (!take_char(&text, 'T') && !take_char(&text, 't')) ||
        !take_digits(&text, 2, 23, &hour) || !take_char(&text, ':') || !take_digits(&text, 2, 59, &minute) ||
        !take_char(&text, ':') || !take_digits(&text, 2, 60, &second) || !take_fraction(&text, &us) ||
        !take_offset(&text, &offset) || *text != '\0')
        return false;
    const int64_t minutes = (int64_t)date * 1440 + hour * 60 + minute - offset;
    if (second == 60 && floor_remainder(minutes, 1440) != 1439) // leap seconds end a UTC day
        return false;
    const instant at = minutes * INSTANT_MINUTE + second * INSTANT_SECOND + us;
    if (floor_divide(at, INSTANT_DAY) !=
        clamp_date(floor_divide(at, INSTANT_DAY))) // the offset may leave the years
        return false;
    *ret_at = at;
    return true;
}
