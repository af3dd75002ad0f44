// What every cmocka program includes, and repeatable random numbers for property tests.
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

// xorshift64*: the same numbers in each run.
static inline uint64_t random_next(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(2685821657736338717);
}

// From low to high, both included; high - low < 2^63.
static inline int64_t random_between(uint64_t *state, int64_t low, int64_t high)
{
    return low + (int64_t)(random_next(state) % ((uint64_t)high - (uint64_t)low + 1));
}

// Any size from a few bits to all 64: property tests need small numbers as much as large ones.
static inline int64_t random_any(uint64_t *state)
{
    const uint64_t value = random_next(state);
    const int64_t magnitude = (int64_t)(value >> 1 >> (random_next(state) % 63));
    return value & 1 ? -magnitude : magnitude;
}
