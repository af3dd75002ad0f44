// The short texts in key_state: "topic:sequence …" and "batch_no …". Readable in psql, a few entries each.
#pragma once

#include "base/arena.h"
#include "lane/topic.h"

#include <stdint.h>

// 0 where the topic isn't mentioned (or the text is absent).
uint64_t sequences_get(struct bytes text, enum topic topic);
struct bytes sequences_set(struct arena *arena, struct bytes text, enum topic topic, uint64_t sequence);

#define RECENT_MAX 32 // what is older is found through OutboxRecord.earlier: see resend.c
// Numbers in rising order; returns how many (at most RECENT_MAX).
size_t recent_get(struct bytes text, int64_t ret_batch_nos[static RECENT_MAX]);
// Adds a number once. When there is no room, *ret_earlier gets the older half of the numbers; else it is left alone.
struct bytes recent_add(struct arena *arena, struct bytes text, int64_t batch_no, struct bytes *ret_earlier);
