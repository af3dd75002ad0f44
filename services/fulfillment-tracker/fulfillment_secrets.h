// The warehouses' secrets for HTTP threads: read from the reference table through a connection of its own, remembered for
// a short while. Any thread.
#pragma once

#include "base/bytes.h"
#include "base/err.h"
#include "fulfillment-tracker/fulfillment_webhook.h"

#include <stdbool.h>
#include <stdint.h>

struct secrets;

struct secret {
    bool known;                    // the warehouse is in the master data
    char text[WEBHOOK_SECRET_MAX]; // "" when it has none: nothing it sends can be authentic
};

// dsn must outlive it. Connects on first use.
struct secrets *secrets_new(const char *dsn, int64_t remember_us);
void secrets_free(struct secrets *secrets); // NULL is fine
// RETRY: the database can't be asked now.
struct err secrets_get(struct secrets *secrets, struct bytes warehouse,
                       struct secret *ret_secret) ERR_MUST_CHECK;
