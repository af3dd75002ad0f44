// Signatures of callbacks, as Standard Webhooks has them (github.com/standard-webhooks, spec: "Verifying signatures"):
// HMAC-SHA256 over id.timestamp.body with the key behind whsec_<base64>, in a list of `v1,<base64>`. Pure functions.
#pragma once

#include "base/bytes.h"
#include "base/clock.h"

#include <stdbool.h>

#define WEBHOOK_ID_MAX     200  // bytes; an idempotency key
#define WEBHOOK_SECRET_MAX 1024 // bytes; several secrets while one is replaced by another

struct webhook {
    const char *id;        // webhook-id
    const char *timestamp; // webhook-timestamp: seconds since 1970
    const char *signature; // webhook-signature: "v1,… v1,…"
    struct bytes body;
};

// secrets: one or, while one is being replaced, several, separated by blanks; whsec_ may be missing. NULL: the callback is
// authentic; else why not, in words for its sender. Takes the same time wherever a signature differs.
const char *webhook_verify(const struct webhook *webhook, struct bytes secrets, instant now,
                           int64_t window_us);
