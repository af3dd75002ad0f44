// Ways in: stores raw submissions, their idempotency keys and the outbox records made from them, many in one commit, and
// publishes the records. An endpoint answers 2xx only after the commit.
//
// Each instance owns at least one ingress slot (epoch, batch_no, published_no), held by a session advisory lock; any live
// instance takes over free slots each second and publishes what was left. One writer thread with its own PostgreSQL
// connection and producer. Keys are sorted within a commit, so that two instances can't deadlock.
#pragma once

#include "base/arena.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/uuid.h"
#include "lane/topic.h"
#include "pg/migrate.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ingress;
struct kafka_cluster; // kafka/kafka.h

struct ingress_settings {
    const char *service; // schema and `source`
    const char *pg;      // DSN
    const char *kafka;   // brokers, in plaintext without login …
    const char *topic_prefix;
    const struct kafka_cluster
        *cluster;       // … or how to reach them; NULL: the two above. Its strings must outlive ingress
    int32_t slots;      // ingress slots in all (rows are made)
    int32_t commit_max; // submissions per commit
    int32_t unpublished_max;    // batches …
    int64_t unpublished_age_us; // … and age from which ingress_accepts says no
};

struct ingress_record {
    enum topic topic;
    struct bytes key;
    const ProtobufCMessage
        *message; // common fields empty; packed at submit. VERSIONED topics: ingress gives the version
};

struct ingress_item {
    // Who the submission is known by. scope: who may use the key ("orders:<client>"); key: the client's. A unique index holds
    // both. A second one with the same fingerprint gets the first one's answer; another fingerprint: conflict.
    struct bytes scope;
    struct bytes key;
    uint8_t fingerprint[32];
    struct bytes kind; // "order", "request", "reply", "callback", "reference", "stock"
    struct bytes content_type;
    struct bytes raw;          // as received
    struct uuid subject;       // order id or nil; what a repeat is answered with
    struct bytes customer_key; // for suspecting look-alikes: who …
    uint8_t content_hash[32];  // … asked for what; all zero: don't look
    const struct ingress_record *records;
    size_t record_count;
    // Optional:
    struct uuid
        id; // of the submission (version 7), when records or the answer name it; nil: ingress makes one
    struct bytes
        client_key; // a second name that no other submission may have, with its scope inside; absent: none
    // Called from ingress's thread for each record when an order with the same look was accepted within 24 hours: may put
    // `subject` (UUID text, of that order) into the message.
    void (*suspect)(enum topic topic, ProtobufCMessage *message, char *subject);
};

enum ingress_status {
    INGRESS_STORED,
    INGRESS_REPEATED, // same scope, key and fingerprint: `subject` is the first one's
    INGRESS_CONFLICT, // same scope and key, another fingerprint
    INGRESS_FAILED,   // not stored, and known not to be: answer 503
    INGRESS_UNKNOWN,  // the commit's outcome is unknown: answer 503; the client asks again with its key
};
struct ingress_answer {
    enum ingress_status status;
    struct uuid submission;
    struct uuid subject;
    struct uuid look_alike; // STORED: who asked for the same within 24 hours; nil: nobody
    const char *text;       // FAILED, UNKNOWN: why
};

struct err ingress_open(const struct ingress_settings *settings, struct ingress **ret_ingress) ERR_MUST_CHECK;
// Copies what it needs. done is called once, from ingress's thread, after the commit or its failure (from the caller's own,
// with FAILED, when a record is larger than Kafka takes).
void ingress_submit(struct ingress *ingress, const struct ingress_item *item,
                    void (*done)(void *self, const struct ingress_answer *answer), void *self);
// False: too much is unpublished, or the database is away: answer 503 with this Retry-After. Any thread.
bool ingress_accepts(struct ingress *ingress, int *ret_retry_after_s);
// For what streams in, and can wait: tells once, from ingress's thread, when submissions are taken again (room), or after max_us
// and when ingress ends (no room). Any thread; whoever waits is one of a bounded number.
void ingress_await_room(struct ingress *ingress, int64_t max_us, void (*told)(void *self, bool room),
                        void *self);
void ingress_close(struct ingress *ingress); // commits what is queued, publishes (bounded), frees the slots
// Why submissions can't be taken or published just now; "": nothing is wrong. Any thread.
void ingress_trouble(struct ingress *ingress, char ret_text[static ERR_TEXT_MAX]);

// Migration set "ingress": the tables, in the service's schema.
extern const struct migration ingress_migrations[];
extern const unsigned ingress_migrations_count;
