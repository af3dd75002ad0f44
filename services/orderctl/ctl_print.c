// Tables for people, JSON for programs.
#include "base/money.h"
#include "orderctl/ctl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#define CELL_MAX       60  // columns of the screen; longer cells are cut
#define BODY_SHOWN_MAX 400 // bytes of an answer that isn't a problem document

// Columns that UTF-8 text takes on a terminal (East Asian characters take two).
static int width_of(const char *text, size_t bytes)
{
    int width = 0;
    mbstate_t state = {0};
    for (size_t i = 0; i < bytes;) {
        wchar_t c;
        size_t n = mbrtowc(&c, text + i, bytes - i, &state);
        if (n == (size_t)-1 || n == (size_t)-2 || n == 0) {
            memset(&state, 0, sizeof state);
            n = 1;
            width++;
        } else {
            int w = wcwidth(c);
            width += w < 0 ? 0 : w;
        }
        i += n;
    }
    return width;
}

// Bytes of text that fit into CELL_MAX columns, ending at a whole character.
static size_t fitting(const char *text)
{
    size_t size = strlen(text);
    while (size > 0 && width_of(text, size) > CELL_MAX) {
        size--;
        while (size > 0 && ((unsigned char)text[size] & 0xC0) == 0x80)
            size--;
    }
    return size;
}

// A terminal acts on control characters, and texts come from anybody: blanks for line breaks and tabs, "?" for the others
// (of Unicode too: U+0080 to U+009F, two bytes in UTF-8). In place; true when there were any.
static bool without_controls(char *text)
{
    bool any = false;
    for (unsigned char *c = (unsigned char *)text; *c != '\0'; c++) {
        const bool two = c[0] == 0xC2 && c[1] >= 0x80 && c[1] < 0xA0;
        if (*c >= 0x20 && *c != 0x7F && !two)
            continue;
        any = true;
        *c = *c == '\n' || *c == '\t' || *c == '\r' ? ' ' : '?';
        if (two)
            c[1] = '?';
    }
    return any;
}

// The same string from now on without them.
static const char *shown_string(const json_t *value)
{
    char *text = strdup(json_string_value(value));
    if (text != NULL && without_controls(text))
        json_string_set((json_t *)(uintptr_t)value, text);
    free(text);
    return json_string_value(value);
}

const char *ctl_text(const json_t *object, const char *member)
{
    // A few at a time: callers print at once.
    static char numbers[8][32];
    static unsigned next;
    const json_t *value = json_object_get(object, member);
    if (json_is_string(value))
        return shown_string(value);
    if (json_is_true(value))
        return "yes";
    if (json_is_false(value))
        return "no";
    if (!json_is_integer(value))
        return "";
    char *text = numbers[next++ % 8];
    snprintf(text, sizeof numbers[0], "%lld", (long long)json_integer_value(value));
    return text;
}

void ctl_table(const json_t *rows, const struct ctl_column *columns, size_t count)
{
    int widths[16] = {0};
    size_t index;
    json_t *row;
    for (size_t c = 0; c < count; c++)
        widths[c] = width_of(columns[c].title, strlen(columns[c].title));
    json_array_foreach(rows, index, row)
    {
        for (size_t c = 0; c < count; c++) {
            const char *text = ctl_text(row, columns[c].member);
            int width = width_of(text, fitting(text));
            if (width > widths[c])
                widths[c] = width;
        }
    }
    for (size_t c = 0; c < count; c++)
        printf("%-*s%s", widths[c], columns[c].title, c + 1 < count ? "  " : "\n");
    json_array_foreach(rows, index, row)
    {
        for (size_t c = 0; c < count; c++) {
            const char *text = ctl_text(row, columns[c].member);
            size_t bytes = fitting(text);
            int pad = widths[c] - width_of(text, bytes);
            if (columns[c].right)
                printf("%*s", pad, "");
            printf("%.*s", (int)bytes, text);
            if (!columns[c].right && c + 1 < count)
                printf("%*s", pad, "");
            printf("%s", c + 1 < count ? "  " : "\n");
        }
    }
}

void ctl_print_json(const json_t *value)
{
    json_dumpf(value, stdout, JSON_INDENT(2));
    putchar('\n');
}

const char *ctl_minor(struct arena *arena, int64_t minor, const char *currency)
{
    char text[MONEY_TEXT_SIZE];
    int exponent = money_exponent(currency);
    money_format(minor, exponent < 0 ? 0 : exponent, text);
    return arena_printf(arena, "%s %s", text, currency);
}

static void print_one(const json_t *problem)
{
    const char *field = ctl_text(problem, "field");
    fprintf(stderr, "  %s%s%s", field, field[0] != '\0' ? ": " : "", ctl_text(problem, "detail"));
    if (ctl_text(problem, "remedy")[0] != '\0')
        fprintf(stderr, " → %s", ctl_text(problem, "remedy"));
    fputc('\n', stderr);
}

void ctl_print_problem(const char *body, long status)
{
    json_t *problem = json_loads(body, 0, NULL);
    if (!json_is_object(problem)) {
        char *text = strndup(body, BODY_SHOWN_MAX);
        if (text != NULL)
            without_controls(text);
        fprintf(stderr, "orderctl: refused with status %ld: %s\n", status, text == NULL ? "" : text);
        free(text);
        json_decref(problem);
        return;
    }
    fprintf(stderr, "orderctl: %s (%ld)\n", ctl_text(problem, "title"), status);
    const json_t *all = json_object_get(problem, "problems"); // the first one is also the document's own
    size_t index;
    const json_t *one;
    if (json_array_size(all) == 0)
        print_one(problem);
    json_array_foreach(all, index, one) print_one(one);
    const json_t *allowed = json_object_get(problem, "allowed");
    if (json_array_size(allowed) > 0) {
        fputs("  allowed now:", stderr);
        json_array_foreach(allowed, index, one)
            fprintf(stderr, " %s", json_is_string(one) ? shown_string(one) : "?");
        fputc('\n', stderr);
    }
    json_decref(problem);
}
