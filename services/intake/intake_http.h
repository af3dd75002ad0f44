// What intake's endpoints share: who asks, under which key, and how refusals look.
#pragma once

#include "http/http.h"
#include "ingress/ingress.h"
#include "intake/intake_backlog.h"
#include "intake/intake_store.h"
#include "json/proto_json.h"

#define INTAKE_KEY_MAX  200 // of an Idempotency-Key
#define INTAKE_JSON     "application/json"
#define INTAKE_TABLES   "text/csv application/x-ndjson application/ndjson"
#define INTAKE_BODY_MAX ((size_t)256 * 1024)

struct intake {
    struct ingress *ingress;
    struct intake_store *store;
    struct backlog *backlog;
};

// Of the routes' context.
struct intake *intake_of(void *context);

// Who asks: the header X-Client until there are API keys; "anonymous" without. NULL: not a name; answered with 400.
const char *intake_client(struct http_exchange *x);
// The Idempotency-Key, absent when there is none. False: not a key; answered with 400.
bool intake_key(struct http_exchange *x, struct bytes *ret_key);
// The name that the key has in the store: one endpoint's, one client's. Absent stays absent.
struct bytes intake_client_key(struct arena *arena, const char *endpoint, const char *client,
                               struct bytes key);
// False: submissions can't be taken now; answered with 503.
bool intake_takes(struct intake *intake, struct http_exchange *x);
// Likewise of new orders, which wait behind those that were taken before.
bool intake_takes_orders(struct intake *intake, struct http_exchange *x);

// 400 with every problem found.
void intake_refuse(struct http_exchange *x, const char *title, const struct jsonr_problems *problems);
// The body as an object. NULL: answered with 400. The document must be freed.
struct jsonr_doc *intake_read_object(struct http_exchange *x, struct jsonr_problems *problems);
void intake_reply_away(struct http_exchange *x); // 503: what is stored can't be read now
void intake_reply_unknown(struct http_exchange *x, const char *what, const char *id); // 404
// For every status but STORED and REPEATED: 422 or 503.
void intake_reply_not_stored(struct http_exchange *x, const struct ingress_answer *answer);
// 202 with Location and {"<name>":id,"order_id":…,"status":"RECEIVED","location":…}; order_id NULL: left out; location "":
// none.
void intake_reply_accepted(struct http_exchange *x, const char *name, struct uuid id, const char *order_id,
                           const char *location);

// Reads the members of a body that belong to one of a oneof's messages. The body says which by "type", or by being named
// after it: {"type":"cancel","reason":…}, {"type":"cancel","cancel":{…}} and {"cancel":{…}} are the same. `besides` are the
// members that aren't the body's. Returns the whole message (of `descriptor`, whose oneof is meant) with the body set; NULL
// with problems.
ProtobufCMessage *intake_read_body(const struct proto_reader *reader, const struct jsonr_value *object,
                                   const ProtobufCMessageDescriptor *descriptor, const char *const *besides);
// The name of the body that is set, e.g. "cancel".
const char *intake_body_name(const ProtobufCMessage *message);
