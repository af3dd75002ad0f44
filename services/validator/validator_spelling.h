// Product codes as people write them: what a code looks like, and which known ones are near.
#pragma once

#include "base/arena.h"
#include "base/bytes.h"

#include <stdbool.h>
#include <stddef.h>

#define CODE_MAX 40 // characters of a code that are compared; longer ones have no suggestions

// Without blanks, hyphens and dots, upper case, with look-alikes made equal (O and 0; I, l and 1).
struct bytes spelling_normal(struct arena *arena, struct bytes code);

// Keys under which a code is kept and sought: its normal form, and that with any one character left out. Two codes that
// differ by one character more, less or other share a key. Returns how many; *ret_keys in the arena, distinct.
size_t spelling_keys(struct arena *arena, struct bytes code, struct bytes **ret_keys);

// Changes of one character between the normal forms: insertions, deletions, replacements, swaps of neighbours.
int spelling_distance(struct bytes a, struct bytes b);

// 8, 12, 13 or 14 digits. GS1 General Specifications, section 3.3.
bool spelling_looks_like_gtin(struct bytes code);
bool spelling_gtin_ok(struct bytes code); // its check digit is right
