// Dates and instants as people write them, with weekday and zone.
#include "notifier/notifier_template.h"

#include <string.h>

static const char *const weekdays_zh[] = {"星期一", "星期二", "星期三", "星期四",
                                          "星期五", "星期六", "星期日"};
static const char *const weekdays_en[] = {"Monday", "Tuesday",  "Wednesday", "Thursday",
                                          "Friday", "Saturday", "Sunday"};
static const char *const months_en[] = {"January",   "February", "March",    "April",
                                        "May",       "June",     "July",     "August",
                                        "September", "October",  "November", "December"};

static char *written(struct arena *arena, local_date date, const struct template_style *style)
{
    int year;
    int month;
    int day;
    date_civil(date, &year, &month, &day);
    int weekday = date_weekday(date) - 1;
    if (style->language == LANGUAGE_ZH)
        return arena_printf(arena, "%d年%d月%d日（%s）", year, month, day, weekdays_zh[weekday]);
    return arena_printf(arena, "%s, %d %s %d", weekdays_en[weekday], day, months_en[month - 1], year);
}

struct bytes template_date(struct arena *arena, struct bytes text, const struct template_style *style)
{
    local_date date;
    if (!date_parse(arena_str(arena, text), &date))
        return text;
    return bytes_str(written(arena, date, style));
}

// "UTC+8", "UTC-3:30", "UTC"
static char *distance(struct arena *arena, instant at, local_date date, int minute)
{
    int64_t local = (int64_t)date * 1440 + minute;
    int64_t utc = at / INSTANT_MINUTE - (at % INSTANT_MINUTE < 0);
    int minutes = (int)(local - utc);
    if (minutes == 0)
        return arena_printf(arena, "UTC");
    int ahead = minutes < 0 ? -minutes : minutes;
    if (ahead % 60 == 0)
        return arena_printf(arena, "UTC%c%d", minutes < 0 ? '-' : '+', ahead / 60);
    return arena_printf(arena, "UTC%c%d:%02d", minutes < 0 ? '-' : '+', ahead / 60, ahead % 60);
}

struct bytes template_instant(struct arena *arena, struct bytes text, const struct template_style *style)
{
    instant at;
    local_date date;
    int minute;
    if (!instant_parse(arena_str(arena, text), &at) || !zone_local(style->zone, at, &date, &minute))
        return text;
    const char *from_utc = distance(arena, at, date, minute);
    const char *day = written(arena, date, style);
    char *out = style->language == LANGUAGE_ZH
                    ? arena_printf(arena, "%s %02d:%02d（%s，%s）", day, minute / 60, minute % 60,
                                   style->zone, from_utc)
                    : arena_printf(arena, "%s, %02d:%02d (%s, %s)", day, minute / 60, minute % 60,
                                   style->zone, from_utc);
    return bytes_str(out);
}
