// Errors that say what to do next.
//
// A function that can fail returns a struct err; its text names the field or thing and what would be right.
// Making one can't fail. Library code returns errors and never logs them; whoever decides what happens next
// logs, once.
#pragma once

#include <stdarg.h>
#include <stdbool.h>

enum err_class {
    ERR_NONE = 0,
    ERR_RETRY,   // passing: connection, lock, serialisation. Roll back, back off, try again
    ERR_REJECT,  // this input can't be applied, now or later: hold it, show it, go on with others
    ERR_UNKNOWN, // the thing named by the input isn't known (yet): hold for a bounded time
    ERR_FENCED,  // somebody else owns it now, or the outcome is unknown: drop what is in memory, claim again
    ERR_CONFIG,  // the process can't work like this: say why and end with status 2
};

// Long enough for a field path, a value and a remedy; longer texts are cut.
#define ERR_TEXT_MAX 236

struct err {
    enum err_class class;
    char text[ERR_TEXT_MAX];
};

#define ERR_MUST_CHECK __attribute__((warn_unused_result))

static inline struct err err_ok(void)
{
    struct err e;
    e.class = ERR_NONE;
    e.text[0] = '\0';
    return e;
}

static inline bool err_is(const struct err *e)
{
    return e->class != ERR_NONE;
}

struct err err_make(enum err_class class, const char *format, ...) __attribute__((format(printf, 2, 3)));

// Puts "context: " in front of e's text, keeping its class. No error stays no error.
struct err err_within(struct err e, const char *format, ...) __attribute__((format(printf, 2, 3)));

const char *err_class_name(enum err_class class);
