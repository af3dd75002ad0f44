// Durations and choices as text.
#include "config/setting.h"

#include <inttypes.h>
#include <string.h>

const struct setting_duration_unit setting_duration_units[] = {
    {"us", 1},          {"ms", INSTANT_MS}, {"s", INSTANT_SECOND}, {"m", INSTANT_MINUTE}, {"h", INSTANT_HOUR},
    {"d", INSTANT_DAY}, {NULL, 0},
};

void setting_format_duration(int64_t us, char text[static SETTING_TEXT_SIZE])
{
    const struct setting_duration_unit *unit =
        us == 0 ? &setting_duration_units[2] : &setting_duration_units[0];
    for (const struct setting_duration_unit *larger = unit + 1; us != 0 && larger->name != NULL; larger++)
        if (us % larger->us == 0)
            unit = larger;
    snprintf(text, SETTING_TEXT_SIZE, "%" PRId64 "%s", us / unit->us, unit->name);
}

bool setting_parse_duration(const char *text, int64_t *ret_us)
{
    if (*text < '0' || *text > '9')
        return false;
    int64_t number = 0;
    for (; *text >= '0' && *text <= '9'; text++)
        if (__builtin_mul_overflow(number, INT64_C(10), &number) ||
            __builtin_add_overflow(number, *text - '0', &number))
            return false;
    for (const struct setting_duration_unit *unit = setting_duration_units; unit->name != NULL; unit++) {
        if (strcmp(text, unit->name) == 0) {
            int64_t us;
            if (__builtin_mul_overflow(number, unit->us, &us))
                return false;
            *ret_us = us;
            return true;
        }
    }
    return false;
}

bool setting_next_choice(const char **at, struct bytes *ret_choice)
{
    if (*at == NULL)
        return false;
    const size_t size = strcspn(*at, "|");
    *ret_choice = bytes_of(*at, size);
    *at = (*at)[size] == '|' ? *at + size + 1 : NULL;
    return true;
}
