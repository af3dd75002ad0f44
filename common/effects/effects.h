// Calls to the outside: committed effect rows are performed here, their results become inputs of the lane.
//
// At least once outside, once by id: every try of an effect carries the same id (Idempotency-Key, Message-ID).
// caller_curl runs one thread with a curl multi handle (HTTP and SMTP): per-target concurrency limits, deadlines, and a
// circuit breaker, so that one hanging target holds up nobody else. Redirects are not followed.
#pragma once

#include "base/arena.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/uuid.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum effect_outcome {
    EFFECT_OK,      // 2xx, mail accepted; AUTO: always
    EFFECT_REFUSED, // the target understood and said no (4xx but 408, 425, 429; SMTP 5xx)
    EFFECT_FAILED,  // no answer, 5xx, 429, connection trouble, breaker open: try again later
};

struct effect_call {
    struct uuid id;
    int32_t slot;
    int32_t attempt; // this try's number, from 1
    struct bytes target;
    int64_t due_us;       // not before, by the monotonic clock
    struct bytes request; // an EffectRequest (proto/orderclerk/v1/outbox.proto)
};

struct effect_result {
    struct uuid id;
    int32_t slot;
    int32_t attempt;
    enum effect_outcome outcome;
    int32_t status;    // HTTP or SMTP status; 0: none
    struct bytes body; // answer, at most 64 KiB; malloc'd, freed with effect_result_free
    char text[128];    // what went wrong
};
void effect_result_free(struct effect_result *result);

struct caller_port {
    void *self;
    // Takes a copy. A call whose id waits or is under way already is not made twice: its outcome answers both.
    void (*submit)(void *self, const struct effect_call *call);
    // A result that is there, or false. Lane's thread.
    bool (*next)(void *self, struct effect_result *ret_result);
    // Forgets everything queued; results of calls under way are dropped. Before claiming again.
    void (*forget)(void *self);
};

struct caller_settings {
    int64_t timeout_us; // whole call
    int64_t connect_timeout_us;
    int32_t per_target; // calls under way per target
    int32_t total;
    int32_t breaker_failures; // in a row, until the target is left alone …
    int64_t breaker_open_us;  // … for this long; then one try
    const char *smtp_url;     // smtp://host:port; NULL: no SMTP effects
    const char *smtp_user, *smtp_password;
    void (*wake)(void *wake_self); // called from the effect thread when a result is there
    void *wake_self;
};
struct err caller_curl_open(const struct caller_settings *settings,
                            struct caller_port **ret_caller) ERR_MUST_CHECK;
void caller_curl_close(
    struct caller_port *caller); // waits for the thread; calls under way are aborted. NULL is fine
