// The short texts in key_state: "topic:sequence …" and "batch_no …". Readable in psql, a few entries each.
#pragma once

#include "base/arena.h"
#include "lane/topic.h"

#include <stdint.h>

// 0 where the topic isn't mentioned (or the text is absent).
uint64_t sequences_get(struct bytes text, enum topic topic);
struct bytes sequences_set(struct arena *arena, struct bytes text, enum topic topic, uint64_t sequence);

// A key rarely sends in more batches than this in its life; what is older is not sent again.
#define RECENT_MAX 32
// Numbers in rising order; returns how many (at most RECENT_MAX).
size_t recent_get(struct bytes text, int64_t ret_batch_nos[static RECENT_MAX]);
struct bytes recent_add(struct arena *arena, struct bytes text, int64_t batch_no); // once
