// Writes JSON text into an arena: commas, nesting and escaping are the writer's business.
//
// Members are named in objects and have a NULL name in arrays and at the top. Not thread-safe: one owner.
#pragma once

#include "base/arena.h"
#include "base/bytes.h"
#include "base/clock.h"

#include <stdbool.h>
#include <stdint.h>

struct json_writer {
    struct arena *arena;
    char *text;
    size_t size;
    size_t capacity;
    bool follows; // something precedes in the open object or array
};

void json_open(struct json_writer *w, struct arena *arena);
// The text so far, with a terminating zero behind it; valid as long as the arena, or until more is written.
struct bytes json_done(struct json_writer *w);

void json_begin_object(struct json_writer *w, const char *name);
void json_end_object(struct json_writer *w);
void json_begin_array(struct json_writer *w, const char *name);
void json_end_array(struct json_writer *w);

// Text that isn't UTF-8 is written with U+FFFD for each byte that is wrong. Absent bytes (and NULL) are null.
void json_bytes(struct json_writer *w, const char *name, struct bytes text);
void json_str(struct json_writer *w, const char *name, const char *text);
void json_printf(struct json_writer *w, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void json_int(struct json_writer *w, const char *name, int64_t number);
void json_uint(struct json_writer *w, const char *name, uint64_t number);
void json_bool(struct json_writer *w, const char *name, bool value);
void json_null(struct json_writer *w, const char *name);
void json_instant(struct json_writer *w, const char *name, instant at);    // RFC 3339; INSTANT_NONE is null
void json_raw(struct json_writer *w, const char *name, struct bytes json); // JSON already: trusted
// Members of the open object that are JSON already: "\"a\":1,\"b\":2". Empty or NULL: nothing.
void json_raw_members(struct json_writer *w, const char *members);
