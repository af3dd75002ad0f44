// What is to happen later, by time, in the order of asking where times are equal.
#pragma once

#include "base/clock.h"

typedef void sim_action(void *self);

struct sim_heap;
struct sim_heap *sim_heap_new(void);
void sim_heap_free(struct sim_heap *heap);
void sim_heap_add(struct sim_heap *heap, instant at, sim_action *action, void *self);
instant sim_heap_next(const struct sim_heap *heap); // INSTANT_NONE: nothing
void sim_heap_run_first(struct sim_heap *heap);     // not empty
