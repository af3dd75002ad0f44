// Writes JSON text into an arena: commas, nesting and escaping are the writer's business.
//
// Members are named in objects and have a NULL name in arrays and at the top. Not thread-safe: one owner.
#pragma once

#include "base/arena.h"
#include "base/bytes.h"
#include "base/clock.h"

#include <stdbool.h>
#include <stdint.h>

struct jsonw {
    struct arena *arena;
    char *text;
    size_t size;
    size_t capacity;
    bool follows; // something precedes in the open object or array
};

void jsonw_open(struct jsonw *w, struct arena *arena);
// The text so far, with a terminating zero behind it; valid as long as the arena, or until more is written.
struct bytes jsonw_done(struct jsonw *w);

void jsonw_begin_object(struct jsonw *w, const char *name);
void jsonw_end_object(struct jsonw *w);
void jsonw_begin_array(struct jsonw *w, const char *name);
void jsonw_end_array(struct jsonw *w);

// Text that isn't UTF-8 is written with U+FFFD for each byte that is wrong. Absent bytes (and NULL) are null.
void jsonw_bytes(struct jsonw *w, const char *name, struct bytes text);
void jsonw_str(struct jsonw *w, const char *name, const char *text);
void jsonw_printf(struct jsonw *w, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void jsonw_int(struct jsonw *w, const char *name, int64_t number);
void jsonw_uint(struct jsonw *w, const char *name, uint64_t number);
void jsonw_bool(struct jsonw *w, const char *name, bool value);
void jsonw_null(struct jsonw *w, const char *name);
void jsonw_instant(struct jsonw *w, const char *name, instant at);    // RFC 3339; INSTANT_NONE is null
void jsonw_raw(struct jsonw *w, const char *name, struct bytes json); // JSON already: trusted
// Members of the open object that are JSON already: "\"a\":1,\"b\":2". Empty or NULL: nothing.
void jsonw_raw_members(struct jsonw *w, const char *members);
