// What the fuzz targets share: one target a file, each a function of bytes that must neither crash nor break a property.
//
// Built with -DFUZZ=ON a target is a libFuzzer program; without it, a program that runs the files of its corpus once (ctest,
// label unit). A target keeps nothing from one input to the next.
#pragma once

#include "base/arena.h"
#include "base/bytes.h"

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// The target. Returns 0.
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// A property: ends the process with its text when it doesn't hold.
#define FUZZ_CHECK(condition) ((condition) ? (void)0 : fuzz_fail(__FILE__, __LINE__, #condition))
_Noreturn void fuzz_fail(const char *file, int line, const char *condition);

// The input as a series of choices; after its end every choice is 0.
struct fuzz_source {
    const uint8_t *at, *end;
    int64_t limit; // of numbers; 0: none
};
static inline struct fuzz_source fuzz_source_of(const uint8_t *data, size_t size)
{
    return (struct fuzz_source){.at = data, .end = size == 0 ? data : data + size};
}
static inline bool fuzz_more(const struct fuzz_source *source)
{
    return source->at < source->end;
}
uint8_t fuzz_byte(struct fuzz_source *source);
uint32_t fuzz_below(struct fuzz_source *source, uint32_t bound); // bound > 0; one byte up to 256, else four
int64_t fuzz_number(struct fuzz_source *source);                 // small, at an edge, or any
// Up to `most` bytes, in a block of exactly their size with a zero behind them, so that reading further is seen.
struct bytes fuzz_piece(struct fuzz_source *source, struct arena *arena, size_t most);
char *fuzz_string(struct fuzz_source *source, struct arena *arena, size_t most); // up to its first zero
struct bytes fuzz_rest(struct fuzz_source *source);

// A message of this type with fields chosen by the source: numbers as above, texts mostly from `words` (NULL-terminated),
// small lists, nested messages. A oneof has one member or none.
ProtobufCMessage *fuzz_message(struct fuzz_source *source, struct arena *arena,
                               const ProtobufCMessageDescriptor *descriptor, const char *const *words);
struct bytes fuzz_pack(struct arena *arena, const ProtobufCMessage *message);
