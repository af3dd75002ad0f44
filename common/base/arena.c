// Arenas: a list of malloc'd blocks, filled in order. Each new block is twice the one before, so that a batch
// needs few of them and reset, which keeps the largest, soon leaves a single block that fits every batch.
#include "base/arena.h"

#include <assert.h>
#include <protobuf-c/protobuf-c.h>
#include <stdalign.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#ifdef WITH_ASAN
#include <sanitizer/asan_interface.h>
#define GAP_BYTES 16 // poisoned, between two allocations
#else
#define ASAN_POISON_MEMORY_REGION(start, size)   ((void)(start), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(start, size) ((void)(start), (void)(size))
#define GAP_BYTES                                0
#endif

#define ALIGNMENT       alignof(max_align_t)
#define BLOCK_BYTES_MIN ((size_t)1024)
#define ALLOCATION_MAX  (SIZE_MAX / 4) // far above any real size: the sums below can't overflow

struct block {
    struct block *older;
    size_t capacity;
    size_t used;
    alignas(max_align_t) unsigned char data[];
};

struct arena {
    struct block *newest;
    size_t first; // bytes of the first block: never less
    size_t used;
    size_t most; // used at any reset since the last trim
    ProtobufCAllocator protobuf;
};

static _Noreturn void out_of_memory(size_t size)
{
    fprintf(stderr, "out of memory: %zu bytes\n", size);
    abort();
}

static struct block *block_new(size_t capacity, struct block *older)
{
    struct block *block = malloc(sizeof *block + capacity);
    if (block == NULL)
        out_of_memory(capacity);
    block->older = older;
    block->capacity = capacity;
    block->used = 0;
    ASAN_POISON_MEMORY_REGION(block->data, capacity);
    return block;
}

static void block_free(struct block *block)
{
    ASAN_UNPOISON_MEMORY_REGION(block->data, block->capacity);
    free(block);
}

static inline void *take(struct arena *arena, size_t size);

// As malloc: protobuf-c fills what it asks for.
static void *protobuf_alloc(void *self, size_t size)
{
    return take(self, size);
}

static void protobuf_free(void *self, void *pointer)
{
    (void)self;
    (void)pointer;
}

struct arena *arena_new(size_t first_block_bytes)
{
    if (first_block_bytes > ALLOCATION_MAX)
        out_of_memory(first_block_bytes);
    struct arena *arena = malloc(sizeof *arena);
    if (arena == NULL)
        out_of_memory(sizeof *arena);
    const size_t first = first_block_bytes < BLOCK_BYTES_MIN ? BLOCK_BYTES_MIN : first_block_bytes;
    *arena = (struct arena){
        .newest = block_new(first, NULL),
        .first = first,
        .protobuf = {.alloc = protobuf_alloc, .free = protobuf_free, .allocator_data = arena},
    };
    return arena;
}

static void free_blocks(struct block *block)
{
    while (block != NULL) {
        struct block *older = block->older;
        block_free(block);
        block = older;
    }
}

void arena_free(struct arena *arena)
{
    if (arena == NULL)
        return;
    free_blocks(arena->newest);
    free(arena);
}

// The newest block is the largest.
void arena_reset(struct arena *arena)
{
    struct block *kept = arena->newest;
    free_blocks(kept->older);
    kept->older = NULL;
    kept->used = 0;
    ASAN_POISON_MEMORY_REGION(kept->data, kept->capacity);
    if (arena->used > arena->most)
        arena->most = arena->used;
    arena->used = 0;
}

void arena_trim(struct arena *arena)
{
    assert(arena->used == 0);
    const size_t needed = arena->most > arena->first ? arena->most : arena->first;
    arena->most = 0;
    if (arena->newest->capacity / 2 <= needed)
        return;
    free_blocks(arena->newest);
    arena->newest = block_new(needed, NULL);
}

size_t arena_used(const struct arena *arena)
{
    return arena->used;
}

// Uninitialised memory.
static inline void *take(struct arena *arena, size_t size)
{
    if (size > ALLOCATION_MAX)
        out_of_memory(size);
    const size_t needed = (size + GAP_BYTES + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    struct block *block = arena->newest;
    if (__builtin_expect(needed > block->capacity - block->used, false)) {
        const size_t doubled = block->capacity <= ALLOCATION_MAX / 2 ? block->capacity * 2 : block->capacity;
        block = block_new(needed > doubled ? needed : doubled, block);
        arena->newest = block;
    }
    void *memory = block->data + block->used;
    block->used += needed;
    arena->used += needed;
    ASAN_UNPOISON_MEMORY_REGION(memory, size);
    return memory;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    void *memory = take(arena, size);
    memset(memory, 0, size);
    return memory;
}

void *arena_alloc_array(struct arena *arena, size_t count, size_t item_size)
{
    size_t size;
    if (__builtin_mul_overflow(count, item_size, &size))
        out_of_memory(SIZE_MAX);
    return arena_alloc(arena, size);
}

void *arena_copy(struct arena *arena, const void *data, size_t size)
{
    void *memory = take(arena, size);
    if (size > 0)
        memcpy(memory, data, size);
    return memory;
}

struct bytes arena_bytes(struct arena *arena, struct bytes source)
{
    if (source.data == NULL)
        return source;
    return bytes_of(arena_copy(arena, source.data, source.size), source.size);
}

char *arena_str(struct arena *arena, struct bytes source)
{
    if (source.size > ALLOCATION_MAX)
        out_of_memory(source.size);
    char *text = take(arena, source.size + 1);
    if (source.size > 0)
        memcpy(text, source.data, source.size);
    text[source.size] = '\0';
    return text;
}

char *arena_printf(struct arena *arena, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = arena_vprintf(arena, format, args);
    va_end(args);
    return text;
}

char *arena_vprintf(struct arena *arena, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    const int length = vsnprintf(NULL, 0, format, args);
    assert(length >= 0);
    char *text = take(arena, (size_t)length + 1);
    vsnprintf(text, (size_t)length + 1, format, again);
    va_end(again);
    return text;
}

ProtobufCAllocator *arena_protobuf(struct arena *arena)
{
    return &arena->protobuf;
}
