// Showing settings: the values in force and the Markdown table of help.
#include "config/config.h"
#include "config/setting.h"

#include <inttypes.h>
#include <string.h>

static void print_value(FILE *out, const struct setting *setting, const void *value)
{
    char text[SETTING_TEXT_SIZE];
    switch (setting->type) {
    case SETTING_TEXT:
    case SETTING_CHOICE:
        fputs(*(const char *const *)value, out);
        break;
    case SETTING_SECRET:
        fputs(**(const char *const *)value == '\0' ? "" : "***", out);
        break;
    case SETTING_INT:
        fprintf(out, "%" PRId64, *(const int64_t *)value);
        break;
    case SETTING_BOOL:
        fputs(*(const bool *)value ? "true" : "false", out);
        break;
    case SETTING_DURATION:
        setting_format_duration(*(const int64_t *)value, text);
        fputs(text, out);
        break;
    }
}

// True for the first of several settings with that key.
static bool is_first(const struct setting_table *tables, size_t table, size_t index)
{
    const char *key = tables[table].settings[index].key;
    for (size_t t = 0; t <= table; t++)
        for (size_t i = 0; i < (t == table ? index : tables[t].count); i++)
            if (strcmp(tables[t].settings[i].key, key) == 0)
                return false;
    return true;
}

void config_print(FILE *out, const struct setting_table *tables, size_t table_count)
{
    for (size_t t = 0; t < table_count; t++) {
        for (size_t i = 0; i < tables[t].count; i++) {
            if (!is_first(tables, t, i))
                continue;
            const struct setting *setting = &tables[t].settings[i];
            fprintf(out, "%s = ", setting->key);
            print_value(out, setting, setting_value(&tables[t], setting));
            fputc('\n', out);
        }
    }
}

// In a table's cell a bar would start the next one.
static void print_cell(FILE *out, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '|')
            fputc('\\', out);
        fputc(*text, out);
    }
}

static void print_default(FILE *out, const struct setting *setting)
{
    if (setting->fallback == NULL) {
        fputs("must be given", out);
    } else if (*setting->fallback == '\0') {
        fputs("empty", out);
    } else {
        fputc('`', out);
        print_cell(out, setting->type == SETTING_SECRET ? "***" : setting->fallback);
        fputc('`', out);
    }
}

static void print_range(FILE *out, const struct setting *setting)
{
    if (setting->type == SETTING_INT) {
        fprintf(out, " (%" PRId64 " to %" PRId64 ")", setting->min, setting->max);
    } else if (setting->type == SETTING_DURATION) {
        char min[SETTING_TEXT_SIZE];
        char max[SETTING_TEXT_SIZE];
        setting_format_duration(setting->min, min);
        setting_format_duration(setting->max, max);
        fprintf(out, " (%s to %s)", min, max);
    } else if (setting->type == SETTING_BOOL) {
        fputs(" (`true`, `false`)", out);
    } else if (setting->type == SETTING_CHOICE) {
        const char *at = setting->choices;
        const char *before = " (";
        for (struct bytes choice; setting_next_choice(&at, &choice); before = ", ")
            fprintf(out, "%s`%.*s`", before, (int)choice.size, (const char *)choice.data);
        fputc(')', out);
    }
}

void config_help(FILE *out, const struct setting_table *tables, size_t table_count)
{
    fputs("| key | default | meaning |\n|---|---|---|\n", out);
    for (size_t t = 0; t < table_count; t++) {
        for (size_t i = 0; i < tables[t].count; i++) {
            if (!is_first(tables, t, i))
                continue;
            const struct setting *setting = &tables[t].settings[i];
            fprintf(out, "| `%s` | ", setting->key);
            print_default(out, setting);
            fputs(" | ", out);
            print_cell(out, setting->help);
            print_range(out, setting);
            fputs(" |\n", out);
        }
    }
}
