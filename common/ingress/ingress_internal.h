// What the files of common/ingress share: submissions waiting, the slots held, and what goes between the two threads.
//
// The writer thread owns the database connection and the slots; the publisher thread owns the Kafka producer. Committed
// batches go from one to the other through the publisher's queue, at most PUBLISH_BYTES_MAX of them; what doesn't fit
// stays in the outbox and is read from there later. So is what a slot's owner before left behind.
#pragma once

#include "ingress/ingress.h"
#include "ingress/room_waits.h"
#include "kafka/kafka_producer.h"
#include "orderclerk/v1/outbox.pb-c.h"
#include "pg/pg.h"

#include <pthread.h>

#define INGRESS_SLOTS_MAX    256
#define INGRESS_RECORD_MAX   900000               // bytes of a record with its headers, as everywhere
#define INGRESS_COMMIT_BYTES ((size_t)8 << 20)    // raw bytes and records of one commit
#define INGRESS_QUEUE_MAX    5000                 // submissions that wait for a commit
#define INGRESS_QUEUE_BYTES  ((size_t)64 << 20)   // a 256 KiB order is there twice: raw and as record
#define INGRESS_WAIT_MAX_US  (5 * INSTANT_SECOND) // a submission that isn't committed after this has failed
#define PUBLISH_BATCHES_MAX  1024                 // under way to Kafka
#define PUBLISH_BYTES_MAX    ((size_t)32 << 20)
#define OUTBOX_READ_ROWS     32 // read back at once

// One submission, in an arena of its own.
struct submission {
    struct submission *next;
    struct arena *arena;
    struct uuid id;
    struct bytes scope, key, client_key;
    struct bytes fingerprint; // 32 bytes
    struct bytes kind, content_type, raw;
    struct uuid subject;
    struct bytes customer_key;
    struct bytes look; // 32 bytes; absent: don't look
    Orderclerk__V1__OutboxRecord *records;
    size_t record_count;
    size_t bytes;
    void (*suspect)(enum topic topic, ProtobufCMessage *message, char *subject);
    void (*done)(void *self, const struct ingress_answer *answer);
    void *self;
    int64_t since_us; // monotonic
    // the commit's findings
    struct ingress_answer answer;
    bool stored;
};

// A slot that this instance holds. The first is the one that it writes to; others have been taken over and are given back
// once everything of theirs is published.
struct held_slot {
    int32_t i;
    int64_t epoch;
    int64_t batch_no;  // committed
    int64_t handed_no; // given to the publisher
    int64_t marked_no; // published_no as the row has it
};

struct submission_queue {
    struct submission *first, **end;
    size_t count;
    size_t bytes;
};

struct ingress {
    struct ingress_settings settings;
    struct publisher *publisher;
    pthread_t thread;

    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct submission_queue queue;
    struct room_waits waits;
    bool stop;
    bool woken;
    bool ready;       // connected, with a slot
    int32_t own_slot; // below: while ready
    int64_t own_batch_no;
    int64_t progress_us; // when something was published, or nothing was waiting
    char trouble[ERR_TEXT_MAX];

    // the thread's own
    struct pg *pg;
    struct held_slot slots[INGRESS_SLOTS_MAX];
    size_t slot_count;
    int32_t preferred;
    struct arena *arena;
    struct submission **items;
    size_t last_count;
    int64_t next_connect_us, next_tick_us, next_mark_us, next_maintain_us;
    int64_t last_published;
};

// ---- ingress_store.c: every statement. Errors as common/pg's
struct store_found { // a submission that is there already
    struct uuid id;
    struct bytes scope, key, client_key, fingerprint;
    struct uuid subject;
};
struct store_stored {
    struct uuid id;
    struct uuid look_alike; // nil: none
};
struct store_version {
    int32_t topic;
    struct bytes key;
    int64_t count;   // in: how many are wanted
    int64_t version; // out: the last of them
};
struct store_outbox_row {
    int64_t batch_no;
    struct bytes records;
};
struct err ingress_store_open(const char *dsn, int32_t slots, struct pg **ret_pg) ERR_MUST_CHECK;
// False, without an error, in *ret_held: another instance has it.
struct err ingress_store_hold(struct pg *pg, int32_t i, bool *ret_held) ERR_MUST_CHECK;
struct err ingress_store_claim(struct pg *pg, int32_t i, struct held_slot *ret_slot) ERR_MUST_CHECK;
struct err ingress_store_give_back(struct pg *pg, int32_t i) ERR_MUST_CHECK;
// Slots with something unpublished; stale: whose owner has shown no sign of life for ten seconds.
struct err ingress_store_left(struct pg *pg, struct arena *arena, int32_t **ret_slots, bool **ret_stale,
                              size_t *ret_count) ERR_MUST_CHECK;
struct err ingress_store_end_holder(struct pg *pg,
                                    int32_t i) ERR_MUST_CHECK; // ends the session that holds it
// published_no, and a sign of life. FENCED: another owner has the slot.
struct err ingress_store_mark(struct pg *pg, const struct held_slot *slot,
                              int64_t published_no) ERR_MUST_CHECK;
struct err ingress_store_outbox(struct pg *pg, struct arena *arena, int32_t slot, int64_t after_no,
                                struct store_outbox_row **ret_rows, size_t *ret_count) ERR_MUST_CHECK;
struct err ingress_store_maintain(struct pg *pg) ERR_MUST_CHECK;
// Opens the transaction, fences, stores what is new. FENCED: another owner has the slot, or the connection is lost.
struct err ingress_store_begin(struct pg *pg, const struct held_slot *slot, int64_t published_no,
                               struct submission *const *items, size_t count, struct arena *arena,
                               struct store_stored **ret_stored, size_t *ret_count) ERR_MUST_CHECK;
// Those that have the same names as these.
struct err ingress_store_find(struct pg *pg, struct submission *const *items, size_t count,
                              struct arena *arena, struct store_found **ret_found,
                              size_t *ret_count) ERR_MUST_CHECK;
struct err ingress_store_versions(struct pg *pg, struct store_version *versions, size_t count,
                                  struct arena *arena) ERR_MUST_CHECK; // sorted by topic and key
// FENCED: the outcome is unknown.
struct err ingress_store_commit(struct pg *pg, const struct held_slot *slot, struct bytes records,
                                struct arena *arena) ERR_MUST_CHECK;

// ---- ingress_slots.c: the writer's slots; its thread
struct ingress;
void ingress_slots_register(void); // metrics
// Everything in memory about slots and connection goes; the next turn claims again.
void ingress_disconnect(struct ingress *g, const char *why);
struct err ingress_connect(struct ingress *g); // CONFIG, RETRY: shown as trouble too
// What is due beside commits. *ret_again: more is to be done at once.
struct err ingress_upkeep(struct ingress *g, bool *ret_again) ERR_MUST_CHECK;

// ---- ingress_commit.c
// Commits these submissions (sorted here) under the slot and fills their answers; the slot's batch_no rises when something
// was stored, and *ret_records is then what to publish (in the arena; untouched otherwise). An error: nobody has an answer;
// nothing is stored unless *ret_unknown.
struct err ingress_commit(struct pg *pg, struct held_slot *slot, int64_t published_no,
                          struct submission **items, size_t count, struct arena *arena,
                          struct bytes *ret_records, bool *ret_unknown) ERR_MUST_CHECK;
// A copy of the item in an arena of its own, with its records packed. REJECT: a record is too large.
struct err ingress_submission_make(const struct ingress_item *item, const char *service,
                                   struct submission **ret_submission) ERR_MUST_CHECK;

// ---- ingress_publish.c
struct publisher;
struct err publisher_open(const struct ingress_settings *settings, void (*wake)(void *self), void *self,
                          struct publisher **ret_publisher) ERR_MUST_CHECK;
// False: no room; the batch stays in the outbox. Batches of a slot are given in order.
bool publisher_give(struct publisher *publisher, int32_t slot, int64_t batch_no, struct bytes records);
// Everything up to here has been given and is on its topics; after_no before anything is.
int64_t publisher_published(struct publisher *publisher, int32_t slot);
// Forgets a slot's batches and counts its published ones from here.
void publisher_start_slot(struct publisher *publisher, int32_t slot, int64_t published_no);
bool publisher_idle(struct publisher *publisher); // nothing is under way
void publisher_trouble(struct publisher *publisher, char ret_text[static ERR_TEXT_MAX]);
void publisher_close(struct publisher *publisher); // drops what isn't published; NULL is fine
