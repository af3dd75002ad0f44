// How many orders wait for the orchestrator. Beyond a limit no more are taken: who is told so can wait or go elsewhere,
// and those that were taken wait for a bounded time.
//
// One thread asks the broker. What is told may be two seconds old: so long may more come in. While the broker can't
// be asked there is no limit but ingress's own, of what isn't published.
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

struct backlog;
struct kafka_cluster; // kafka/kafka.h

// *cluster is copied; its strings must outlive the backlog. max: orders, requests about orders counted like them.
struct err backlog_open(const struct kafka_cluster *cluster, int64_t max,
                        struct backlog **ret_backlog) ERR_MUST_CHECK;
void backlog_close(struct backlog *backlog); // tells everybody who waits: no room. NULL is fine

// True: answer 503 with this Retry-After, which is about when half of what waits will have been read. Any thread.
bool backlog_full(struct backlog *backlog, int *ret_retry_after_s);
// For what streams in: tells once, from the backlog's thread, when it isn't full (room), or after max_us (no room). Any thread.
void backlog_await(struct backlog *backlog, int64_t max_us, void (*told)(void *self, bool room), void *self);
