// Making errors: formatted into a fixed buffer, so that it can't fail.
#include "base/err.h"

#include "base/bytes.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

// A text that filled the buffer may end inside a UTF-8 character: drop that piece.
static void cut_at_character(char *text, size_t size)
{
    size_t start = size;
    while (start > 0 && size - start < 3 && ((unsigned char)text[start - 1] & 0xC0) == 0x80)
        start--;
    if (start == 0)
        return;
    start--;
    const unsigned char lead = (unsigned char)text[start];
    if (lead >= 0xC0 && bytes_utf8_length((const uint8_t *)text + start, size - start) == 0)
        text[start] = '\0';
}

static __attribute__((format(printf, 2, 0))) void format_text(struct err *e, const char *format, va_list args)
{
    const int length = vsnprintf(e->text, sizeof e->text, format, args);
    if (length < 0)
        e->text[0] = '\0'; // an encoding error of the format: the class still says what to do
    else if ((size_t)length >= sizeof e->text)
        cut_at_character(e->text, sizeof e->text - 1);
    bytes_mend_utf8(e->text); // it is kept and told: in columns, dead letters, answers
}

struct err err_make(enum err_class class, const char *format, ...)
{
    assert(class != ERR_NONE);
    struct err e = {.class = class};
    va_list args;
    va_start(args, format);
    format_text(&e, format, args);
    va_end(args);
    return e;
}

struct err err_within(struct err e, const char *format, ...)
{
    if (!err_is(&e))
        return e;
    struct err outer = {.class = e.class};
    va_list args;
    va_start(args, format);
    format_text(&outer, format, args);
    va_end(args);

    const size_t used = strlen(outer.text);
    const int length = snprintf(outer.text + used, sizeof outer.text - used, ": %s", e.text);
    if (length > 0 && (size_t)length >= sizeof outer.text - used)
        cut_at_character(outer.text, sizeof outer.text - 1);
    return outer;
}

const char *err_class_name(enum err_class class)
{
    switch (class) {
    case ERR_NONE:
        return "none";
    case ERR_RETRY:
        return "retry";
    case ERR_REJECT:
        return "reject";
    case ERR_UNKNOWN:
        return "unknown";
    case ERR_FENCED:
        return "fenced";
    case ERR_CONFIG:
        return "config";
    }
    return "?";
}
