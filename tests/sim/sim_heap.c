// A binary heap of actions.
#include "sim/sim_heap.h"

#include <assert.h>
#include <stddef.h>
#include <stdlib.h>

struct item {
    instant at;
    uint64_t number;
    sim_action *action;
    void *self;
};

struct sim_heap {
    struct item *items;
    size_t count, capacity;
    uint64_t numbers;
};

struct sim_heap *sim_heap_new(void)
{
    struct sim_heap *heap = calloc(1, sizeof *heap);
    assert(heap != NULL);
    return heap;
}

void sim_heap_free(struct sim_heap *heap)
{
    if (heap == NULL)
        return;
    free(heap->items);
    free(heap);
}

static bool before(const struct item *a, const struct item *b)
{
    return a->at != b->at ? a->at < b->at : a->number < b->number;
}

void sim_heap_add(struct sim_heap *heap, instant at, sim_action *action, void *self)
{
    if (heap->count == heap->capacity) {
        heap->capacity = heap->capacity == 0 ? 256 : heap->capacity * 2;
        heap->items = realloc(heap->items, heap->capacity * sizeof *heap->items);
        assert(heap->items != NULL);
    }
    struct item item = {.at = at, .number = heap->numbers++, .action = action, .self = self};
    size_t i = heap->count++;
    while (i > 0 && before(&item, &heap->items[(i - 1) / 2])) {
        heap->items[i] = heap->items[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    heap->items[i] = item;
}

instant sim_heap_next(const struct sim_heap *heap)
{
    return heap->count == 0 ? INSTANT_NONE : heap->items[0].at;
}

void sim_heap_run_first(struct sim_heap *heap)
{
    struct item first = heap->items[0];
    struct item last = heap->items[--heap->count];
    size_t i = 0;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= heap->count)
            break;
        if (child + 1 < heap->count && before(&heap->items[child + 1], &heap->items[child]))
            child++;
        if (!before(&heap->items[child], &last))
            break;
        heap->items[i] = heap->items[child];
        i = child;
    }
    if (heap->count > 0)
        heap->items[i] = last;
    first.action(first.self);
}
