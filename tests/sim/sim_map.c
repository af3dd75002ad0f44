// Open addressing with linear probing.
#include "sim/sim_map.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void sim_map_free(struct sim_map *map)
{
    free(map->items);
    *map = (struct sim_map){0};
}

struct sim_map_item *sim_map_find(const struct sim_map *map, uint64_t key)
{
    if (map->capacity == 0)
        return NULL;
    for (size_t i = key & (map->capacity - 1);; i = (i + 1) & (map->capacity - 1)) {
        if (map->items[i].key == key)
            return &map->items[i];
        if (map->items[i].key == 0)
            return NULL;
    }
}

static struct sim_map_item *place(struct sim_map *map, uint64_t key)
{
    size_t i = key & (map->capacity - 1);
    while (map->items[i].key != 0)
        i = (i + 1) & (map->capacity - 1);
    map->items[i].key = key;
    map->count++;
    return &map->items[i];
}

static void grow(struct sim_map *map)
{
    struct sim_map bigger = {.capacity = map->capacity == 0 ? 256 : map->capacity * 2};
    bigger.items = calloc(bigger.capacity, sizeof *bigger.items);
    assert(bigger.items != NULL);
    for (size_t i = 0; i < map->capacity; i++) {
        if (map->items[i].key != 0)
            place(&bigger, map->items[i].key)->value = map->items[i].value;
    }
    free(map->items);
    *map = bigger;
}

struct sim_map_item *sim_map_at(struct sim_map *map, uint64_t key)
{
    struct sim_map_item *found = sim_map_find(map, key);
    if (found != NULL)
        return found;
    if (map->count * 2 >= map->capacity)
        grow(map);
    return place(map, key);
}
