// One service's lane over memory: send it messages, let time pass, answer its effects, see what it sends and keeps.
//
// The lane code and decide functions are the production ones; clock, bus, store and caller are tests/sim's.
#pragma once

#include "lane/lane.h"

struct harness;

struct harness *harness_new(const struct lane_service *service);
void harness_free(struct harness *h);

// Puts a message on a topic; event id, sequence (SEQUENCED: next of this key) and occurred_at are filled in. Returns its id.
struct uuid harness_send(struct harness *h, enum topic topic, const char *key,
                         const ProtobufCMessage *message);
// With chosen common fields (duplicates, gaps, again): head's empty fields are filled in.
struct uuid harness_send_head(struct harness *h, enum topic topic, const char *key,
                              const ProtobufCMessage *message, const struct head *head);
// A reader of this compacted topic knows this version of the key, and asks the service for its newest. Runs.
void harness_ask_newest(struct harness *h, const char *service, const char *topic, const char *key,
                        uint64_t known);
void harness_send_raw(struct harness *h, enum topic topic, const char *key, struct bytes value);

void harness_run(struct harness *h);                 // until nothing more happens without time passing
void harness_advance(struct harness *h, int64_t us); // the clock; runs deadlines that are due
instant harness_now(const struct harness *h);

// Messages that the service has sent to a topic, oldest first, each once; NULL: none left. Valid until harness_free.
const ProtobufCMessage *harness_take(struct harness *h, enum topic topic, struct head *ret_head);
size_t harness_waiting(struct harness *h, enum topic topic); // not yet taken

// Effects asked for and not yet answered, oldest first; false: none.
bool harness_effect(struct harness *h, struct effect_call *ret_call,
                    const Orderclerk__V1__EffectRequest **ret_request);
void harness_answer(struct harness *h, struct uuid effect_id, enum effect_outcome outcome, int status,
                    struct bytes body);

// Stored rows of a table with this value in this column, in key order. Valid until the next run.
size_t harness_rows(struct harness *h, const struct table *table, size_t column, struct value value,
                    void **ret_rows);
