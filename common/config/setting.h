// Settings as text, shared by loading and showing. Internal to config/.
#pragma once

#include "base/bytes.h"
#include "config/config.h"

#define SETTING_TEXT_SIZE 32

struct setting_duration_unit {
    const char *name;
    int64_t us;
};
extern const struct setting_duration_unit setting_duration_units[]; // rising; ends with a NULL name

// In the largest unit that divides it: 90s, not 1m30s.
void setting_format_duration(int64_t us, char text[static SETTING_TEXT_SIZE]);
// False: not a number and unit, or overflow.
bool setting_parse_duration(const char *text, int64_t *ret_us);

// The next of "a|b|c", NULL after the last. Start with *at = choices.
bool setting_next_choice(const char **at, struct bytes *ret_choice);

static inline void *setting_value(const struct setting_table *table, const struct setting *setting)
{
    return (char *)table->target + setting->offset;
}
