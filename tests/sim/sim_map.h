// Numbers by name: a hash table whose keys are 64-bit hashes of what they stand for (two names with one hash: once in 10^12 runs).
#pragma once

#include "base/bytes.h"
#include "base/hash.h"
#include "base/uuid.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sim_map {
    struct sim_map_item {
        uint64_t key; // 0: free
        union {
            int64_t number;
            void *pointer;
        } value;
    } * items;
    size_t count, capacity;
};

// Eight bytes at a time.
static inline uint64_t sim_hash(struct bytes a)
{
    uint64_t h = a.size + UINT64_C(0xcbf29ce484222325);
    const uint8_t *at = a.data;
    for (size_t left = a.size; left > 0;) {
        uint64_t word = 0;
        size_t size = left < sizeof word ? left : sizeof word;
        memcpy(&word, at, size);
        h = (h ^ word) * UINT64_C(0x9e3779b97f4a7c15);
        h ^= h >> 32;
        at += size;
        left -= size;
    }
    return h;
}
static inline uint64_t sim_key(uint64_t kind, struct bytes a)
{
    uint64_t h = sim_hash(a) * UINT64_C(0x9e3779b97f4a7c15) + kind * UINT64_C(0xd1342543de82ef95);
    h ^= h >> 29;
    return h == 0 ? 1 : h;
}
static inline uint64_t sim_key2(uint64_t kind, struct bytes a, struct bytes b)
{
    return sim_key(sim_key(kind, a), b);
}
static inline uint64_t sim_key_uuid(uint64_t kind, struct uuid id)
{
    return sim_key(kind, bytes_of(id.b, sizeof id.b));
}

void sim_map_free(struct sim_map *map);
// The place of this key, made (zeroed) when there is none. Valid until the next call.
struct sim_map_item *sim_map_at(struct sim_map *map, uint64_t key);
struct sim_map_item *sim_map_find(const struct sim_map *map, uint64_t key); // NULL: none
