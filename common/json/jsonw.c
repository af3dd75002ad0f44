// The JSON writer: a growing text in an arena.
#include "json/jsonw.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define FIRST_BYTES ((size_t)1024) // a usual answer

static char *more(struct jsonw *w, size_t size)
{
    if (w->capacity - w->size < size + 1) {
        size_t capacity = w->capacity * 2;
        while (capacity - w->size < size + 1)
            capacity *= 2;
        char *text = arena_alloc(w->arena, capacity);
        memcpy(text, w->text, w->size);
        w->text = text;
        w->capacity = capacity;
    }
    char *at = w->text + w->size;
    w->size += size;
    return at;
}

static void put(struct jsonw *w, const char *text, size_t size)
{
    memcpy(more(w, size), text, size);
}

// The escapes of RFC 8259 §7; 0: none is needed, 'u': \u00XX.
static char escape_of(uint8_t c)
{
    switch (c) {
    case '"':
        return '"';
    case '\\':
        return '\\';
    case '\b':
        return 'b';
    case '\f':
        return 'f';
    case '\n':
        return 'n';
    case '\r':
        return 'r';
    case '\t':
        return 't';
    default:
        return c < 0x20 ? 'u' : 0;
    }
}

static void put_text(struct jsonw *w, struct bytes text)
{
    const uint8_t *data = text.data;
    put(w, "\"", 1);
    size_t from = 0;
    size_t at = 0;
    while (at < text.size) {
        size_t length = data[at] < 0x80 ? 1 : bytes_utf8_length(data + at, text.size - at);
        char escape = length == 1 ? escape_of(data[at]) : 0;
        if (length >= 1 && escape == 0) {
            at += length;
            continue;
        }
        put(w, (const char *)data + from, at - from);
        if (length == 0) {
            put(w, "\xEF\xBF\xBD", 3);
        } else if (escape == 'u') {
            char code[7];
            snprintf(code, sizeof code, "\\u%04x", (unsigned)data[at]);
            put(w, code, 6);
        } else {
            char pair[2] = {'\\', escape};
            put(w, pair, 2);
        }
        at++;
        from = at;
    }
    if (text.size > from)
        put(w, (const char *)data + from, text.size - from);
    put(w, "\"", 1);
}

static void lead(struct jsonw *w, const char *name)
{
    if (w->follows)
        put(w, ",", 1);
    w->follows = true;
    if (name != NULL) {
        put_text(w, bytes_str(name));
        put(w, ":", 1);
    }
}

void jsonw_open(struct jsonw *w, struct arena *arena)
{
    *w = (struct jsonw){.arena = arena, .text = arena_alloc(arena, FIRST_BYTES), .capacity = FIRST_BYTES};
}

struct bytes jsonw_done(struct jsonw *w)
{
    w->text[w->size] = '\0';
    return bytes_of(w->text, w->size);
}

void jsonw_begin_object(struct jsonw *w, const char *name)
{
    lead(w, name);
    put(w, "{", 1);
    w->follows = false;
}

void jsonw_end_object(struct jsonw *w)
{
    put(w, "}", 1);
    w->follows = true;
}

void jsonw_begin_array(struct jsonw *w, const char *name)
{
    lead(w, name);
    put(w, "[", 1);
    w->follows = false;
}

void jsonw_end_array(struct jsonw *w)
{
    put(w, "]", 1);
    w->follows = true;
}

void jsonw_null(struct jsonw *w, const char *name)
{
    lead(w, name);
    put(w, "null", 4);
}

void jsonw_bytes(struct jsonw *w, const char *name, struct bytes text)
{
    if (text.data == NULL) {
        jsonw_null(w, name);
        return;
    }
    lead(w, name);
    put_text(w, text);
}

void jsonw_str(struct jsonw *w, const char *name, const char *text)
{
    jsonw_bytes(w, name, text == NULL ? (struct bytes){.data = NULL} : bytes_str(text));
}

void jsonw_printf(struct jsonw *w, const char *name, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = arena_vprintf(w->arena, format, args);
    va_end(args);
    jsonw_str(w, name, text);
}

void jsonw_int(struct jsonw *w, const char *name, int64_t number)
{
    char text[24];
    int size = snprintf(text, sizeof text, "%" PRId64, number);
    lead(w, name);
    put(w, text, (size_t)size);
}

void jsonw_uint(struct jsonw *w, const char *name, uint64_t number)
{
    char text[24];
    int size = snprintf(text, sizeof text, "%" PRIu64, number);
    lead(w, name);
    put(w, text, (size_t)size);
}

void jsonw_bool(struct jsonw *w, const char *name, bool value)
{
    lead(w, name);
    if (value)
        put(w, "true", 4);
    else
        put(w, "false", 5);
}

void jsonw_instant(struct jsonw *w, const char *name, instant at)
{
    char text[INSTANT_TEXT_SIZE];
    instant_format(at, text);
    jsonw_str(w, name, at == INSTANT_NONE ? NULL : text);
}

void jsonw_raw(struct jsonw *w, const char *name, struct bytes json)
{
    lead(w, name);
    if (json.size > 0)
        put(w, json.data, json.size);
}

void jsonw_raw_members(struct jsonw *w, const char *members)
{
    if (members == NULL || members[0] == '\0')
        return;
    lead(w, NULL);
    put(w, members, strlen(members));
}
