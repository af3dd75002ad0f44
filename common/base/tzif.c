// TZif files and POSIX TZ rules; see tzif.h.
#include "base/tzif.h"

#include "base/clock.h"

#include <stdlib.h>
#include <string.h>

#define HEADER_SIZE   44
#define TYPE_SIZE     6 // offset (4), is daylight saving (1), index of the name (1)
#define RULE_TEXT_MAX 127
#define OFFSET_MIN    (-89999) // RFC 9636, section 3.2: utoff
#define OFFSET_MAX    93599
#define DAY_SECONDS   86400

// When a rule changes, in each year.
struct rule_date {
    enum { RULE_MONTH_WEEKDAY, RULE_DAY_WITHOUT_LEAP, RULE_DAY } kind; // "Mm.w.d", "Jn", "n"
    int month, week, day;
    int32_t seconds; // from that local day's start, may lie outside of it
};

struct rule {
    int32_t standard, daylight; // seconds east
    bool has_daylight;
    struct rule_date start, end; // of daylight saving
};

struct change {
    int64_t at;
    int32_t offset; // from then on
};

struct tzif {
    int32_t first_offset; // before the first change
    uint32_t change_count;
    bool has_rule; // for instants at or after the last change
    struct rule rule;
    struct change changes[];
};

// --- The footer: POSIX TZ, as extended by RFC 9636, section 3.3.1.

static bool take_number(const char **at, int max, int *ret_value)
{
    int value = 0;
    if (**at < '0' || **at > '9')
        return false;
    for (; **at >= '0' && **at <= '9'; (*at)++) {
        value = value * 10 + (**at - '0');
        if (value > max)
            return false;
    }
    *ret_value = value;
    return true;
}

// [+-]hh[:mm[:ss]], in seconds
static bool take_time(const char **at, int max_hours, int32_t *ret_seconds)
{
    const int sign = **at == '-' ? -1 : 1;
    if (**at == '-' || **at == '+')
        (*at)++;
    int hours;
    int minutes = 0;
    int seconds = 0;
    if (!take_number(at, max_hours, &hours))
        return false;
    if (**at == ':') {
        (*at)++;
        if (!take_number(at, 59, &minutes))
            return false;
        if (**at == ':') {
            (*at)++;
            if (!take_number(at, 59, &seconds))
                return false;
        }
    }
    *ret_seconds = sign * (hours * 3600 + minutes * 60 + seconds);
    return true;
}

// At least three letters, or anything between < and >.
static bool take_name(const char **at)
{
    if (**at == '<') {
        const char *end = strchr(*at, '>');
        if (end == NULL)
            return false;
        *at = end + 1;
        return true;
    }
    const char *start = *at;
    while ((**at >= 'A' && **at <= 'Z') || (**at >= 'a' && **at <= 'z'))
        (*at)++;
    return *at - start >= 3;
}

static bool take_rule_date(const char **at, struct rule_date *ret_date)
{
    struct rule_date date = {.kind = RULE_DAY, .seconds = 2 * 3600};
    if (*(*at)++ != ',')
        return false;
    if (**at == 'M') {
        date.kind = RULE_MONTH_WEEKDAY;
        (*at)++;
        if (!take_number(at, 12, &date.month) || date.month < 1 || *(*at)++ != '.' ||
            !take_number(at, 5, &date.week) || date.week < 1 || *(*at)++ != '.' ||
            !take_number(at, 6, &date.day))
            return false;
    } else if (**at == 'J') {
        date.kind = RULE_DAY_WITHOUT_LEAP;
        (*at)++;
        if (!take_number(at, 365, &date.day) || date.day < 1)
            return false;
    } else if (!take_number(at, 365, &date.day)) {
        return false;
    }
    if (**at == '/') {
        (*at)++;
        if (!take_time(at, 167, &date.seconds))
            return false;
    }
    *ret_date = date;
    return true;
}

static bool parse_rule(const char *text, struct rule *ret_rule)
{
    struct rule rule = {0};
    int32_t west;
    if (!take_name(&text) || !take_time(&text, 24, &west))
        return false;
    rule.standard = -west;
    rule.daylight = rule.standard + 3600;
    if (*text != '\0') {
        rule.has_daylight = true;
        if (!take_name(&text))
            return false;
        if (*text != ',') {
            if (!take_time(&text, 24, &west))
                return false;
            rule.daylight = -west;
        }
        if (!take_rule_date(&text, &rule.start) || !take_rule_date(&text, &rule.end) || *text != '\0')
            return false;
    }
    *ret_rule = rule;
    return true;
}

// Local seconds since 1970-01-01T00:00 at which the rule changes in that year.
static int64_t rule_date_in(const struct rule_date *when, int year)
{
    int64_t day;
    if (when->kind == RULE_MONTH_WEEKDAY) {
        const local_date first = date_of_civil(year, when->month, 1);
        const local_date next =
            when->month == 12 ? date_of_civil(year + 1, 1, 1) : date_of_civil(year, when->month + 1, 1);
        day = first + (when->day - date_weekday(first) % 7 + 7) % 7 + (when->week - 1) * 7;
        while (day >= next) // week 5: the last one
            day -= 7;
    } else {
        const bool leap = date_of_civil(year, 3, 1) - date_of_civil(year, 2, 28) == 2;
        day = date_of_civil(year, 1, 1) + when->day;
        if (when->kind == RULE_DAY_WITHOUT_LEAP && !(leap && when->day >= 60)) // J60 is 1 March, always
            day--;
    }
    return day * DAY_SECONDS + when->seconds;
}

// The latest change at or before an instant decides. A change's hour may lie in a neighbouring year, so three
// are looked at.
static int32_t rule_offset(const struct rule *rule, int64_t at)
{
    if (!rule->has_daylight)
        return rule->standard;
    // Beyond these years the calendar below would overflow, and no rule is meant: 30000 years either way.
    if (at > INT64_C(946728000000) || at < -INT64_C(946728000000))
        return rule->standard;
    const int64_t local = at + rule->standard;
    int year;
    int month;
    int day;
    date_civil((local_date)(local / DAY_SECONDS - (local % DAY_SECONDS < 0)), &year, &month, &day);

    int64_t latest = INT64_MIN;
    int32_t offset = rule->standard;
    for (int y = year - 1; y <= year + 1; y++) {
        const int64_t end = rule_date_in(&rule->end, y) - rule->daylight;
        if (end <= at && end > latest) {
            latest = end;
            offset = rule->standard;
        }
        const int64_t start = rule_date_in(&rule->start, y) - rule->standard;
        if (start <= at && start >= latest) { // daylight saving all year: the next start falls on the end
            latest = start;
            offset = rule->daylight;
        }
    }
    return offset;
}

// --- The file.

static uint32_t read_u32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static int64_t read_time(const uint8_t *at, size_t time_size)
{
    if (time_size == 4)
        return (int32_t)read_u32(at);
    return (int64_t)((uint64_t)read_u32(at) << 32 | read_u32(at + 4));
}

// One of a file's one or two blocks: header and data.
struct block {
    uint8_t version;
    size_t time_size; // 4 in the first block, 8 in the second
    uint32_t change_count, type_count, leap_count;
    const uint8_t *times, *indices, *types;
    size_t size; // all of it
};

static bool read_block(const uint8_t *data, size_t size, size_t time_size, struct block *ret_block)
{
    if (size < HEADER_SIZE || memcmp(data, "TZif", 4) != 0)
        return false;
    const uint32_t utc_count = read_u32(data + 20);
    const uint32_t standard_count = read_u32(data + 24);
    const uint32_t name_size = read_u32(data + 40);
    struct block block = {
        .version = data[4],
        .time_size = time_size,
        .leap_count = read_u32(data + 28),
        .change_count = read_u32(data + 32),
        .type_count = read_u32(data + 36),
    };
    block.times = data + HEADER_SIZE;
    block.size = HEADER_SIZE + block.change_count * (time_size + 1) + block.type_count * (size_t)TYPE_SIZE +
                 name_size + block.leap_count * (time_size + 4) + standard_count +
                 utc_count; // counts < 2^32: no overflow
    if (block.size > size)
        return false;
    block.indices = block.times + block.change_count * time_size;
    block.types = block.indices + block.change_count;
    *ret_block = block;
    return true;
}

static bool type_offset(const struct block *block, uint32_t type, int32_t *ret_offset)
{
    if (type >= block->type_count)
        return false;
    const int32_t offset = (int32_t)read_u32(block->types + (size_t)type * TYPE_SIZE);
    if (offset < OFFSET_MIN || offset > OFFSET_MAX)
        return false;
    *ret_offset = offset;
    return true;
}

static bool read_changes(const struct block *block, struct tzif *zone)
{
    if (!type_offset(block, 0,
                     &zone->first_offset)) // RFC 9636, section 3.2: type 0 holds before the first change
        return false;
    for (uint32_t i = 0; i < block->change_count; i++) {
        struct change *change = &zone->changes[i];
        change->at = read_time(block->times + i * block->time_size, block->time_size);
        if (i > 0 && change->at <= zone->changes[i - 1].at)
            return false;
        if (!type_offset(block, block->indices[i], &change->offset))
            return false;
    }
    zone->change_count = block->change_count;
    return true;
}

// "\nTZ\n" behind the second block; an empty TZ is no rule.
static bool read_footer(const uint8_t *data, size_t size, struct tzif *zone)
{
    if (size < 2 || data[0] != '\n')
        return false;
    const uint8_t *end = memchr(data + 1, '\n', size - 1);
    if (end == NULL || end - data - 1 > RULE_TEXT_MAX)
        return false;
    char text[RULE_TEXT_MAX + 1] = {0};
    memcpy(text, data + 1, (size_t)(end - data - 1));
    if (text[0] == '\0')
        return true;
    zone->has_rule = parse_rule(text, &zone->rule);
    return zone->has_rule;
}

bool tzif_parse(const uint8_t *data, size_t size, struct tzif **ret_zone)
{
    struct block block;
    if (!read_block(data, size, 4, &block))
        return false;
    const bool has_second = block.version != 0;
    size_t end = block.size;
    if (has_second) {
        if (!read_block(data + end, size - end, 8, &block))
            return false;
        end += block.size;
    }
    if (block.leap_count > 0)
        return false;

    struct tzif *zone = calloc(1, sizeof *zone + block.change_count * sizeof zone->changes[0]);
    if (zone == NULL)
        return false;
    if (!read_changes(&block, zone) || (has_second && !read_footer(data + end, size - end, zone))) {
        free(zone);
        return false;
    }
    *ret_zone = zone;
    return true;
}

void tzif_free(struct tzif *zone)
{
    free(zone);
}

int32_t tzif_offset(const struct tzif *zone, int64_t at_seconds)
{
    uint32_t low = 0; // the changes before low are at or before the instant, those from high on are after it
    uint32_t high = zone->change_count;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (zone->changes[middle].at <= at_seconds)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == zone->change_count && zone->has_rule)
        return rule_offset(&zone->rule, at_seconds);
    return low == 0 ? zone->first_offset : zone->changes[low - 1].offset;
}
