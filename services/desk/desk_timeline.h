// An order's timeline: how its records are kept, how they are shown.
#pragma once

#include "lane/lane.h"
#include "json/jsonw.h"

// Says that nothing is loaded of what is only ever added to.
void desk_timeline_want(struct batch *batch, struct uuid order_id);
// Adds the record to the part of its order and topic in this batch. REJECT: the key isn't an order's.
struct err desk_timeline_add(struct batch *batch, const struct input *in);
// The elements of the array `timeline`, oldest first, from TimelineParts and the topic of each. What can't be read is left out.
void desk_timeline_write(struct jsonw *w, struct arena *arena, const enum topic *topics,
                         const struct bytes *parts, size_t count);
