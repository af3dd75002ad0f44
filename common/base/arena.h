// Memory that lives as long as one batch, one request or one file: allocated in order, freed at once.
//
// Not thread-safe: one owner. Allocation never returns NULL: exhausted memory ends the process.
#pragma once

#include "base/bytes.h"

#include <stdarg.h>
#include <stddef.h>

struct arena;

struct arena *arena_new(size_t first_block_bytes);
void arena_free(struct arena *arena);  // NULL is fine
void arena_reset(struct arena *arena); // keeps its largest block for the next use
// Of an arena that holds nothing since its reset: gives back what wasn't needed between the last call and now. To be called
// now and then where an arena lives long, so that it doesn't stay as large as its greatest use ever.
void arena_trim(struct arena *arena);
size_t arena_used(const struct arena *arena); // bytes since the last reset, with padding

// Zeroed, aligned for any type; size 0 gives a valid pointer.
void *arena_alloc(struct arena *arena, size_t size);
void *arena_copy(struct arena *arena, const void *data, size_t size);
struct bytes arena_bytes(struct arena *arena, struct bytes source); // absent stays absent
char *arena_str(struct arena *arena, struct bytes source);          // with a terminating zero
char *arena_printf(struct arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));
char *arena_vprintf(struct arena *arena, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));

#define arena_new_object(arena, type)       ((type *)arena_alloc((arena), sizeof(type)))
#define arena_new_array(arena, type, count) ((type *)arena_alloc_array((arena), (count), sizeof(type)))
void *arena_alloc_array(struct arena *arena, size_t count, size_t item_size); // overflow-checked

// A protobuf-c allocator that takes from the arena (its free does nothing). Valid as long as the arena.
struct ProtobufCAllocator;
struct ProtobufCAllocator *arena_protobuf(struct arena *arena);
