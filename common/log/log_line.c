// JSON log lines (RFC 8259); see log_line.h.
#include "log/log_line.h"

#include <inttypes.h>
#include <stdio.h>

#define END_ROOM    (sizeof ",\"cut\":true}\n" - 1)
#define LIMIT       (LOG_LINE_MAX - END_ROOM)
#define VALUE_MIN   24 // any int64 with its zero, or quotes and an ellipsis
#define ESCAPED_MAX 6  // \u001f
#define ELLIPSIS    "\xE2\x80\xA6"
#define REPLACEMENT "\xEF\xBF\xBD" // U+FFFD, for a byte that isn't UTF-8

// False: no room, nothing written.
static bool put(struct log_line *line, size_t limit, const char *text, size_t size)
{
    if (line->size > limit || size > limit - line->size)
        return false;
    memcpy(line->text + line->size, text, size);
    line->size += size;
    return true;
}

// The next character of a value, escaped. Returns how many bytes of the value it stands for; ret_size: those
// in escaped.
static size_t escape(const uint8_t *at, size_t left, char escaped[static ESCAPED_MAX + 1], size_t *ret_size)
{
    const uint8_t c = *at;
    if (c == '"' || c == '\\') {
        escaped[0] = '\\';
        escaped[1] = (char)c;
        *ret_size = 2;
        return 1;
    }
    if (c == '\n' || c == '\t') {
        memcpy(escaped, c == '\n' ? "\\n" : "\\t", 2);
        *ret_size = 2;
        return 1;
    }
    if (c < 0x20 || c == 0x7F) {
        *ret_size = (size_t)snprintf(escaped, ESCAPED_MAX + 1, "\\u%04x", c);
        return 1;
    }
    const size_t length = bytes_utf8_length(at, left);
    if (length == 0) {
        memcpy(escaped, REPLACEMENT, 3);
        *ret_size = 3;
        return 1;
    }
    memcpy(escaped, at, length);
    *ret_size = length;
    return length;
}

// A value in quotes, cut at the limit. There is room for VALUE_MIN bytes.
static void put_value(struct log_line *line, struct bytes value)
{
    const size_t longest = line->size + LOG_VALUE_MAX;
    const size_t end =
        (longest < LIMIT ? longest : LIMIT) - sizeof ELLIPSIS; // leaves room for it and the quote

    put(line, LIMIT, "\"", 1);
    const uint8_t *at = value.data;
    for (size_t left = value.size; left > 0;) {
        char escaped[ESCAPED_MAX + 1];
        size_t size;
        const size_t used = escape(at, left, escaped, &size);
        if (!put(line, end, escaped, size)) {
            put(line, LIMIT, ELLIPSIS, sizeof ELLIPSIS - 1);
            break;
        }
        at += used;
        left -= used;
    }
    put(line, LIMIT, "\"", 1);
}

// `,"name":`, leaving room for a short value. False: no room, the field is left out. Names are constants of
// ours.
static bool put_name(struct log_line *line, const char *name)
{
    const size_t start = line->size;
    const bool first = start == 1;
    if (put(line, LIMIT - VALUE_MIN, first ? "\"" : ",\"", first ? 1 : 2) &&
        put(line, LIMIT - VALUE_MIN, name, strlen(name)) && put(line, LIMIT - VALUE_MIN, "\":", 2))
        return true;
    line->size = start;
    line->cut = true;
    return false;
}

void log_line_start(struct log_line *line)
{
    line->size = 1;
    line->cut = false;
    line->text[0] = '{';
}

void log_line_text(struct log_line *line, const char *name, struct bytes value)
{
    if (value.data != NULL && put_name(line, name))
        put_value(line, value);
}

void log_line_int(struct log_line *line, const char *name, int64_t value)
{
    if (!put_name(line, name))
        return;
    char text[VALUE_MIN];
    const int size = snprintf(text, sizeof text, "%" PRId64, value);
    put(line, LIMIT, text, (size_t)size);
}

void log_line_end(struct log_line *line)
{
    const char *end = line->cut ? ",\"cut\":true}\n" : "}\n";
    put(line, LOG_LINE_MAX, end, strlen(end));
}
