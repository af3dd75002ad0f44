// Reading what intake has stored, for its answers: a thread with a connection of its own takes questions in batches.
#pragma once

#include "base/bytes.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/uuid.h"

#include <stdbool.h>

struct intake_store;

struct err intake_store_open(const char *dsn, struct intake_store **ret_store) ERR_MUST_CHECK;
void intake_store_close(struct intake_store *store); // answers what is queued with STORE_AWAY; NULL is fine

enum store_outcome { STORE_FOUND, STORE_NONE, STORE_AWAY };

// Views are valid during the call of `found` only.
struct stored_order {
    struct uuid order_id;
    instant received_at; // INSTANT_NONE: not through intake
    bool has_view;
    int64_t revision;
    struct bytes order_no, definition, state, waiting_on, reason;
    instant updated_at;
};
struct stored_request {
    struct uuid request_id, order_id;
    instant received_at;
    bool refused;
    struct bytes reason, allowed;
    instant refused_at;
};

// By order_id or order_no. found: called once, from the store's thread; order is valid with STORE_FOUND.
void intake_store_order(struct intake_store *store, const char *id,
                        void (*found)(void *self, enum store_outcome outcome,
                                      const struct stored_order *order),
                        void *self);
void intake_store_request(struct intake_store *store, struct uuid request_id,
                          void (*found)(void *self, enum store_outcome outcome,
                                        const struct stored_request *request),
                          void *self);
// By the client's key, as submissions have it.
void intake_store_request_of_key(struct intake_store *store, struct bytes client_key,
                                 void (*found)(void *self, enum store_outcome outcome,
                                               const struct stored_request *request),
                                 void *self);
