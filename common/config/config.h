// Settings: one table per process, filled from the environment (ORDERCLERK_<KEY>) and a --config file: lines
// of `key = value`, empty ones and comments (# at the start).
//
// The table also makes `--help`, the README's table and the masking of secrets. An unknown key in the file,
// or an unknown ORDERCLERK_ variable, refuses to start and names the nearest known key; a bad value names the
// key and what is right. The environment wins over the file.
#pragma once

#include "base/clock.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum setting_type {
    SETTING_TEXT,     // const char *
    SETTING_SECRET,   // const char *, printed as ***; `@path` reads it from a file
    SETTING_INT,      // int64_t within [min, max]
    SETTING_BOOL,     // bool: true/false
    SETTING_DURATION, // int64_t microseconds: 500us, 20ms, 3s, 10m, 48h, 7d
    SETTING_CHOICE,   // const char *, one of `choices`
};

struct setting {
    const char *key; // lower case with underscores: pg, kafka, http_listen
    enum setting_type type;
    size_t offset;        // of the value in the settings struct
    const char *fallback; // default, as text; NULL: must be given
    int64_t min, max;     // INT and DURATION
    const char *choices;  // "a|b|c"
    const char *help;     // one sentence, with the unit
};

// Fills *settings (an application struct) from defaults, then `path` (NULL: none), then the environment.
// Strings live as long as the process. tables: several tables over the same struct or over several (a
// service's own beside the lane's); a key in more than one fills each. Called by main, before threads start.
// Errors are ERR_CONFIG.
struct setting_table {
    const struct setting *settings;
    size_t count;
    void *target;
};
struct err config_load(const struct setting_table *tables, size_t table_count,
                       const char *path) ERR_MUST_CHECK;

// The values in force, as lines of a settings file; secrets masked.
void config_print(FILE *out, const struct setting_table *tables, size_t table_count);
// A Markdown table: key, default, meaning.
void config_help(FILE *out, const struct setting_table *tables, size_t table_count);
