// Loading settings: the file and the environment are read and checked for unknown keys first, then each
// setting takes its value from the environment, the file or its default, in this order.
#include "config/config.h"

#include "base/arena.h"
#include "config/setting.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PREFIX          "ORDERCLERK_"
#define PREFIX_SIZE     (sizeof PREFIX - 1)
#define KEY_MAX         63      // longer keys aren't known ones
#define FILE_MAX        1048576 // a settings file or a secret of more isn't meant
#define VALUE_SHOWN_MAX 60      // of a bad value in an error

// Variables that other programs of ours read aren't settings of a service: deploy/local's, the tests', orderctl's, the fault
// points'; and all that begin with TEST_PREFIX.
static const char *const other_variables[] = {
    "HOME", "BUILD", "PARTITIONS", "KEEP", "INTAKE_URL", "DESK_URL", "PG_AUDIT", "FAULT", "FAULT_CLOCK"};
#define TEST_PREFIX "TEST_"

struct entry {
    char *key;
    char *value;
    unsigned line;
};

struct source {
    const char *path; // NULL: no file
    struct entry *entries;
    size_t count;
};

// Settings' strings; kept until the process ends.
static struct arena *strings;

// --- Keys.

static void variable_name(const char *key, char name[static PREFIX_SIZE + KEY_MAX + 1])
{
    memcpy(name, PREFIX, PREFIX_SIZE);
    size_t i = 0;
    for (; key[i] != '\0' && i < KEY_MAX; i++)
        name[PREFIX_SIZE + i] = (char)(key[i] >= 'a' && key[i] <= 'z' ? key[i] - 'a' + 'A' : key[i]);
    name[PREFIX_SIZE + i] = '\0';
}

static char lower(char c)
{
    return (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

static size_t min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

// Levenshtein's distance, of the first KEY_MAX characters, capitals being equal to small letters.
static size_t edit_distance(const char *a, const char *b)
{
    const size_t a_size = strnlen(a, KEY_MAX);
    const size_t b_size = strnlen(b, KEY_MAX);
    size_t row[KEY_MAX + 1];
    for (size_t j = 0; j <= b_size; j++)
        row[j] = j;
    for (size_t i = 1; i <= a_size; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b_size; j++) {
            const size_t replaced = diagonal + (lower(a[i - 1]) != lower(b[j - 1]));
            diagonal = row[j];
            row[j] = min_size(replaced, min_size(row[j], row[j - 1]) + 1);
        }
    }
    return row[b_size];
}

// NULL: there are no settings at all.
static const char *nearest_key(const struct setting_table *tables, size_t table_count, const char *key)
{
    const char *nearest = NULL;
    size_t nearest_distance = SIZE_MAX;
    for (size_t t = 0; t < table_count; t++) {
        for (size_t i = 0; i < tables[t].count; i++) {
            const size_t distance = edit_distance(tables[t].settings[i].key, key);
            if (distance < nearest_distance) {
                nearest_distance = distance;
                nearest = tables[t].settings[i].key;
            }
        }
    }
    return nearest;
}

static bool is_known_key(const struct setting_table *tables, size_t table_count, const char *key)
{
    for (size_t t = 0; t < table_count; t++)
        for (size_t i = 0; i < tables[t].count; i++)
            if (strcmp(tables[t].settings[i].key, key) == 0)
                return true;
    return false;
}

static bool is_known_variable(const struct setting_table *tables, size_t table_count, struct bytes name)
{
    char known[PREFIX_SIZE + KEY_MAX + 1];
    for (size_t t = 0; t < table_count; t++) {
        for (size_t i = 0; i < tables[t].count; i++) {
            variable_name(tables[t].settings[i].key, known);
            if (bytes_is(name, known))
                return true;
        }
    }
    return false;
}

static bool is_other_variable(struct bytes name)
{
    const struct bytes rest = bytes_of((const char *)name.data + PREFIX_SIZE, name.size - PREFIX_SIZE);
    for (size_t i = 0; i < sizeof other_variables / sizeof other_variables[0]; i++)
        if (bytes_is(rest, other_variables[i]))
            return true;
    return rest.size >= sizeof TEST_PREFIX - 1 && memcmp(rest.data, TEST_PREFIX, sizeof TEST_PREFIX - 1) == 0;
}

static struct err check_environment(const struct setting_table *tables, size_t table_count)
{
    for (char **variable = environ; variable != NULL && *variable != NULL; variable++) {
        if (strncmp(*variable, PREFIX, PREFIX_SIZE) != 0)
            continue;
        const struct bytes name = bytes_of(*variable, strcspn(*variable, "="));
        if (is_known_variable(tables, table_count, name) || is_other_variable(name))
            continue;
        char rest[KEY_MAX + 1];
        snprintf(rest, sizeof rest, "%.*s", (int)min_size(name.size - PREFIX_SIZE, KEY_MAX),
                 *variable + PREFIX_SIZE);
        const char *nearest = nearest_key(tables, table_count, rest);
        char meant[PREFIX_SIZE + KEY_MAX + 1];
        variable_name(nearest == NULL ? "" : nearest, meant);
        return err_make(ERR_CONFIG,
                        PREFIX "%s in the environment is not a setting of this process; the nearest is %s",
                        rest, nearest == NULL ? "none: it has no settings" : meant);
    }
    return err_ok();
}

// --- The file.

// The whole file as text in the arena. what: "settings file"…
static struct err read_text(struct arena *arena, const char *what, const char *path, char **ret_text)
{
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return err_make(ERR_CONFIG, "%s %s can't be opened: %s", what, path, strerror(errno));
    struct err e = err_ok();
    char *buffer = malloc(FILE_MAX + 1);
    const size_t size = buffer == NULL ? 0 : fread(buffer, 1, FILE_MAX + 1, file);
    if (buffer == NULL || ferror(file))
        e = err_make(ERR_CONFIG, "%s %s can't be read: %s", what, path, strerror(errno));
    else if (size > FILE_MAX)
        e = err_make(ERR_CONFIG, "%s %s has more than %d bytes", what, path, FILE_MAX);
    else if (!bytes_is_utf8(bytes_of(buffer, size)))
        e = err_make(ERR_CONFIG, "%s %s isn't UTF-8 text", what, path);
    else
        *ret_text = arena_str(arena, bytes_of(buffer, size));
    free(buffer);
    fclose(file);
    return e;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

// Cuts the blanks around text off, in place.
static char *trim(char *text)
{
    while (is_blank(*text))
        text++;
    size_t size = strlen(text);
    while (size > 0 && is_blank(text[size - 1]))
        size--;
    text[size] = '\0';
    return text;
}

static const struct entry *find_entry(const struct source *source, const char *key)
{
    for (size_t i = 0; i < source->count; i++)
        if (strcmp(source->entries[i].key, key) == 0)
            return &source->entries[i];
    return NULL;
}

// One line, `key = value`; the value may hold anything, # included. Lines aren't repeated in errors: they may
// be secrets.
static struct err add_line(const struct setting_table *tables, size_t table_count, char *line,
                           unsigned number, struct source *source)
{
    line = trim(line);
    if (*line == '\0' || *line == '#')
        return err_ok();
    char *equals = strchr(line, '=');
    if (equals == NULL)
        return err_make(ERR_CONFIG, "%s:%u: must be `key = value` or start with #", source->path, number);
    *equals = '\0';
    struct entry entry = {.key = trim(line), .value = trim(equals + 1), .line = number};
    if (!is_known_key(tables, table_count, entry.key)) {
        const char *nearest = nearest_key(tables, table_count, entry.key);
        return err_make(ERR_CONFIG, "%s:%u: %.*s is not a setting of this process; the nearest is %s",
                        source->path, number, KEY_MAX, entry.key,
                        nearest == NULL ? "none: it has no settings" : nearest);
    }
    const struct entry *earlier = find_entry(source, entry.key);
    if (earlier != NULL)
        return err_make(ERR_CONFIG, "%s:%u: %s is given twice, first in line %u", source->path, number,
                        entry.key, earlier->line);
    source->entries[source->count++] = entry;
    return err_ok();
}

static struct err read_file(const struct setting_table *tables, size_t table_count, const char *path,
                            struct arena *arena, struct source *ret_source)
{
    struct source source = {.path = path};
    if (path != NULL) {
        char *text = NULL;
        struct err e = read_text(arena, "settings file", path, &text);
        if (err_is(&e))
            return e;
        assert(text != NULL);
        size_t settings = 0; // each at most once
        for (size_t t = 0; t < table_count; t++)
            settings += tables[t].count;
        source.entries = arena_new_array(arena, struct entry, settings);
        unsigned number = 0;
        for (char *line = text; line != NULL;) {
            char *end = strchr(line, '\n');
            if (end != NULL)
                *end++ = '\0';
            e = add_line(tables, table_count, line, ++number, &source);
            if (err_is(&e))
                return e;
            line = end;
        }
    }
    *ret_source = source;
    return err_ok();
}

// --- Values. origin names the place that a value comes from, for errors.

static struct err take_int(const struct setting *setting, const char *origin, const char *text,
                           int64_t *ret_value)
{
    char *end = NULL;
    errno = 0;
    const long long value = strtoll(text, &end, 10);
    const char *digits = *text == '-' ? text + 1 : text;
    if (*digits < '0' || *digits > '9' || *end != '\0' || errno != 0 || value < setting->min ||
        value > setting->max)
        return err_make(ERR_CONFIG, "%s: \"%.*s\" must be a whole number from %" PRId64 " to %" PRId64,
                        origin, VALUE_SHOWN_MAX, text, setting->min, setting->max);
    *ret_value = value;
    return err_ok();
}

static struct err take_duration(const struct setting *setting, const char *origin, const char *text,
                                int64_t *ret_value)
{
    int64_t value;
    if (!setting_parse_duration(text, &value) || value < setting->min || value > setting->max) {
        char min[SETTING_TEXT_SIZE];
        char max[SETTING_TEXT_SIZE];
        setting_format_duration(setting->min, min);
        setting_format_duration(setting->max, max);
        return err_make(ERR_CONFIG,
                        "%s: \"%.*s\" must be a duration from %s to %s, as 500us, 20ms, 3s, 10m, 48h or 7d",
                        origin, VALUE_SHOWN_MAX, text, min, max);
    }
    *ret_value = value;
    return err_ok();
}

static struct err take_bool(const char *origin, const char *text, bool *ret_value)
{
    const bool yes = strcmp(text, "true") == 0;
    if (!yes && strcmp(text, "false") != 0)
        return err_make(ERR_CONFIG, "%s: \"%.*s\" must be true or false", origin, VALUE_SHOWN_MAX, text);
    *ret_value = yes;
    return err_ok();
}

static struct err take_choice(const struct setting *setting, const char *origin, const char *text,
                              const char **ret_value)
{
    const char *at = setting->choices;
    for (struct bytes choice; setting_next_choice(&at, &choice);) {
        if (bytes_is(choice, text)) {
            *ret_value = arena_str(strings, choice);
            return err_ok();
        }
    }
    return err_make(ERR_CONFIG, "%s: \"%.*s\" must be one of %s", origin, VALUE_SHOWN_MAX, text,
                    setting->choices);
}

// "@path" stands for that file's text without the line ends behind it.
static struct err take_secret(const char *origin, const char *text, const char **ret_value)
{
    if (*text != '@') {
        *ret_value = arena_str(strings, bytes_str(text));
        return err_ok();
    }
    char *secret = NULL;
    struct err e = read_text(strings, "secret file", text + 1, &secret);
    if (err_is(&e))
        return err_within(e, "%s", origin);
    assert(secret != NULL);
    size_t size = strlen(secret);
    while (size > 0 && (secret[size - 1] == '\n' || secret[size - 1] == '\r'))
        size--;
    secret[size] = '\0';
    *ret_value = secret;
    return err_ok();
}

static struct err take_value(const struct setting *setting, const char *origin, const char *text,
                             void *target)
{
    if (!bytes_is_utf8(bytes_str(text)))
        return err_make(ERR_CONFIG, "%s: must be UTF-8 text", origin);
    switch (setting->type) {
    case SETTING_TEXT:
        *(const char **)target = arena_str(strings, bytes_str(text));
        return err_ok();
    case SETTING_SECRET:
        return take_secret(origin, text, target);
    case SETTING_INT:
        return take_int(setting, origin, text, target);
    case SETTING_BOOL:
        return take_bool(origin, text, target);
    case SETTING_DURATION:
        return take_duration(setting, origin, text, target);
    case SETTING_CHOICE:
        return take_choice(setting, origin, text, target);
    }
    return err_make(ERR_CONFIG, "%s: unknown type of setting", origin);
}

static struct err load_setting(const struct setting *setting, const struct source *source,
                               struct arena *arena, void *target)
{
    char variable[PREFIX_SIZE + KEY_MAX + 1];
    variable_name(setting->key, variable);
    const char *text = getenv(variable);
    if (text != NULL)
        return take_value(setting, variable, text, target);
    const struct entry *entry = find_entry(source, setting->key);
    if (entry != NULL)
        return take_value(setting, arena_printf(arena, "%s:%u: %s", source->path, entry->line, setting->key),
                          entry->value, target);
    if (setting->fallback == NULL)
        return err_make(ERR_CONFIG, "%s must be given, in the environment or as %s in the settings file: %s",
                        variable, setting->key, setting->help);
    return take_value(setting, arena_printf(arena, "default of %s", setting->key), setting->fallback, target);
}

struct err config_load(const struct setting_table *tables, size_t table_count, const char *path)
{
    if (strings == NULL)
        strings = arena_new(0);
    struct arena *arena = arena_new(0);
    struct source source;
    struct err e = read_file(tables, table_count, path, arena, &source);
    if (!err_is(&e))
        e = check_environment(tables, table_count);
    for (size_t t = 0; t < table_count && !err_is(&e); t++) {
        for (size_t i = 0; i < tables[t].count && !err_is(&e); i++) {
            const struct setting *setting = &tables[t].settings[i];
            e = load_setting(setting, &source, arena, setting_value(&tables[t], setting));
        }
    }
    arena_free(arena);
    return e;
}
