// One step of an order's saga: (document, input, now) -> (document', messages). Pure: no clock, no I/O, no globals.
//
// The document is an OrderState: what is kept in PostgreSQL and what is published on order-state are the same. saga_step
// changes it in place and hands every message to the sink; whoever calls it packs, saves and sends.
// Memory: everything comes from the arena. The document, and input messages that were applied to it, may share strings: both
// must live until the document has been packed.
#pragma once

#include "base/arena.h"
#include "base/clock.h"
#include "base/uuid.h"
#include "orchestrator/saga/saga_settings.h"
#include "orchestrator/saga/saga_table.h"
#include "orderclerk/v1/commands.pb-c.h"
#include "orderclerk/v1/department_replies.pb-c.h"
#include "orderclerk/v1/inventory_events.pb-c.h"
#include "orderclerk/v1/order_events.pb-c.h"
#include "orderclerk/v1/order_state.pb-c.h"
#include "orderclerk/v1/orders.pb-c.h"
#include "orderclerk/v1/shipment_events.pb-c.h"
#include "orderclerk/v1/validation_events.pb-c.h"

struct saga_context {
    const struct saga_settings *settings;
    const struct saga_book *book;
};

// What has happened.
struct saga_input {
    enum saga_event event;
    const ProtobufCMessage *body; // the member of the message's oneof; NULL: a deadline
    const char *actor;            // of requests and replies; "" elsewhere
    const char *request_id;       // of requests
    const char *department;       // of replies
    const char *shipment_id;      // of shipment news
    const char *topic;            // where it came from, for the history; "" for a deadline
    int32_t partition;
    int64_t offset;
    instant due;         // of a deadline
    const char *refusal; // of DEADLINE_REFUSED: why what was due can't be done
};

// Classifies a message of one of the orchestrator's topics. False: its oneof is empty or of a newer version.
bool saga_input_of(const ProtobufCMessage *message, struct saga_input *ret_input);

struct saga_transition {
    uint64_t revision; // of the document, after it
    uint32_t rule_id;
    const char *from, *to, *event;
};

// Where messages go. Messages are valid during the call only; their common fields, but saga_revision, are left empty.
struct saga_sink {
    void *self;
    void (*order_event)(void *self, const Orderclerk__V1__OrderEvent *event);
    // Returns the command's event id, by which it can be sent again.
    struct uuid (*command)(void *self, enum saga_peer peer, const ProtobufCMessage *command);
    void (*again)(void *self, enum saga_peer peer, struct uuid event_id);
    // A number that no other order has had.
    uint64_t (*number)(void *self);
    void (*transition)(void *self, const struct saga_transition *transition);
};

enum saga_outcome {
    SAGA_MOVED,   // at least one rule fired
    SAGA_REFUSED, // a request; told by RequestRefused
    SAGA_IGNORED, // nothing changed
    SAGA_NEVER,   // nothing changed, and it should not have happened: a dead letter
};
struct saga_result {
    enum saga_outcome outcome;
    uint32_t rule_id; // that decided on the input; 0: none did
    const char *why;
};

// A new document in RECEIVED, for an ORDER_SUBMITTED input to follow. Its definition's version is the book's newest.
Orderclerk__V1__OrderState *saga_new(const struct saga_context *context, struct arena *arena,
                                     const char *order_id);

// Applies one input, then whatever can go on by itself. order_id must be a UUID. The document's saga_revision rises by
// one with every rule that fires.
struct saga_result saga_step(const struct saga_context *context, struct arena *arena,
                             Orderclerk__V1__OrderState *doc, const struct saga_input *input, instant now,
                             const struct saga_sink *sink);

// The next instant at which time itself is an input; INSTANT_NONE: never.
instant saga_due(const struct saga_context *context, const Orderclerk__V1__OrderState *doc);
// Applies every deadline that is due now. Returns how many.
#define SAGA_DUE_MAX 8 // a deadline's rule moves it into the future, or ends the order: more would be a loop
unsigned saga_run_due(const struct saga_context *context, struct arena *arena,
                      Orderclerk__V1__OrderState *doc, instant now, const struct saga_sink *sink);

// Instead of saga_run_due, when its outcome was refused: calls a person, with the operator's exits. MOVED: called.
struct saga_result saga_refuse_due(const struct saga_context *context, struct arena *arena,
                                   Orderclerk__V1__OrderState *doc, const char *why, instant now,
                                   const struct saga_sink *sink);

// What may be asked of the order in its state: words (saga_request_word). Returns how many, at most SAGA_REQUESTS_MAX.
#define SAGA_REQUESTS_MAX 8
size_t saga_allowed(const struct saga_definition *definition, enum saga_state state,
                    const char *ret_words[SAGA_REQUESTS_MAX]);

// The document's definition; NULL: this binary doesn't know it.
const struct saga_definition *saga_definition_of(const struct saga_book *book,
                                                 const Orderclerk__V1__OrderState *doc);
