// A view of bytes that somebody else owns. Text is UTF-8, without a terminating zero unless said.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct bytes {
    const void *data; // NULL means absent (SQL NULL)
    size_t size;
};

static inline struct bytes bytes_of(const void *data, size_t size)
{
    return (struct bytes){.data = data, .size = size};
}
// text must not be NULL
static inline struct bytes bytes_str(const char *text)
{
    return (struct bytes){.data = text, .size = strlen(text)};
}
// As a nullable column has it: empty text is absent.
static inline struct bytes bytes_or_null(const char *text)
{
    return text[0] == '\0' ? bytes_of(NULL, 0) : bytes_str(text);
}
static inline bool bytes_equal(struct bytes a, struct bytes b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}
// Order as memcmp, shorter first: PostgreSQL's collation "C" and bytea order.
int bytes_compare(struct bytes a, struct bytes b);
static inline bool bytes_is(struct bytes a, const char *text)
{
    return bytes_equal(a, bytes_str(text));
}

// The value of a hexadecimal digit in either case; -1: none.
static inline int bytes_hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    const char lower = (char)(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}
// True for well-formed UTF-8 without NUL (RFC 3629).
bool bytes_is_utf8(struct bytes text);
// The size in bytes (1 to 4) of the well-formed UTF-8 character that text starts with; 0: none. NUL counts as
// a character.
size_t bytes_utf8_length(const uint8_t *text, size_t size);
// Puts '?' in the place of each byte that isn't of a well-formed character: what quotes somebody, or was cut by a precision
// within a character, stays text.
void bytes_mend_utf8(char *text);
