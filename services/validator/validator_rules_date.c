// Dates: the calendar, zone and cut-off of where the goods go. All counting is in local dates; an instant becomes one
// exactly once.
#include "validator/validator_rules.h"

#include <string.h>

// Ten years: nothing is made longer, and a calendar without working days must not be searched for ever.
#define SEARCH_DAYS_MAX 3650
#define DAY_MINUTES     (24 * 60)

static bool listed(char *const *dates, size_t count, const char *date)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(dates[i], date) == 0)
            return true;
    }
    return false;
}

bool working_day(const Orderclerk__V1__Calendar *calendar, local_date date)
{
    char text[DATE_TEXT_SIZE];
    date_format(date, text);
    if (listed(calendar->holidays, calendar->n_holidays, text))
        return false;
    return date_weekday(date) <= 5 || listed(calendar->workdays, calendar->n_workdays, text);
}

static bool two_digits(const char *text, int *ret_number)
{
    if (text[0] < '0' || text[0] > '9' || text[1] < '0' || text[1] > '9')
        return false;
    *ret_number = (text[0] - '0') * 10 + (text[1] - '0');
    return true;
}

// HH:MM; anything else is no cut-off.
static int cutoff_minute(const char *cutoff)
{
    int hour;
    int minute;
    if (strlen(cutoff) != 5 || cutoff[2] != ':' || !two_digits(cutoff, &hour) ||
        !two_digits(cutoff + 3, &minute)) {
        return DAY_MINUTES;
    }
    return hour <= 24 && minute <= 59 ? hour * 60 + minute : DAY_MINUTES;
}

static local_date next_working_day(const Orderclerk__V1__Calendar *calendar, local_date date)
{
    for (int i = 0; i < SEARCH_DAYS_MAX; i++) {
        if (working_day(calendar, ++date))
            break;
    }
    return date;
}

bool working_days_open(const Orderclerk__V1__Calendar *calendar, instant now, struct working_days *ret_days)
{
    if (calendar == NULL)
        return false;
    local_date today;
    int minute;
    if (!zone_local(calendar->zone, now, &today, &minute))
        return false;
    bool today_counts = working_day(calendar, today) && minute < cutoff_minute(calendar->cutoff);
    *ret_days = (struct working_days){.calendar = calendar,
                                      .today = today,
                                      .counts = today_counts ? today : next_working_day(calendar, today)};
    return true;
}

local_date working_days_after(const struct working_days *days, uint32_t lead_days)
{
    local_date date = days->counts;
    for (uint32_t i = 0; i < lead_days && date - days->counts < SEARCH_DAYS_MAX; i++)
        date = next_working_day(days->calendar, date);
    return date;
}

local_date judge_date(struct violations *v, const struct working_days *days,
                      const Orderclerk__V1__OrderLine *line, const Orderclerk__V1__Product *product,
                      size_t index)
{
    local_date earliest = working_days_after(days, product->lead_time_days);
    if (line->requested_date[0] == '\0')
        return earliest;
    const char *field = arena_printf(v->arena, "lines[%zu].requested_date", index);
    char text[DATE_TEXT_SIZE];
    date_format(earliest, text);
    bool make = product->kind == ORDERCLERK__V1__LINE_KIND__LINE_KIND_MAKE;
    local_date wanted;
    if (!date_parse(line->requested_date, &wanted)) {
        violations_suggest(v, violations_add(v, DATE_INVALID, field, line->requested_date, NULL), text);
    } else if (wanted < days->today) {
        violations_suggest(v, violations_add(v, DATE_PAST, field, line->requested_date, text), text);
    } else if (wanted < earliest) {
        enum violation_kind kind = make ? DATE_TOO_EARLY_MAKE : DATE_TOO_EARLY_STOCK;
        violations_suggest(v, violations_add(v, kind, field, line->requested_date, text), text);
    }
    return earliest;
}
