// What the lane's files share. Nobody else includes this.
#pragma once

#include "lane/lane.h"
#include "lane/rows.h"

#include <stdatomic.h>

#ifndef SLOT_MAX     // the simulator builds with fewer: its topics have few partitions
#define SLOT_MAX 256 // partitions of a topic; more would be a configuration mistake
#endif
#define HELD_MAX      1000   // held records of one key; more become dead letters
#define RECORD_MAX    900000 // bytes of a record with its headers: below the broker's 1 MiB with room to spare
#define RESULTS_MAX   256    // results of effects taken into one batch
#define DUE_MAX       500    // deadlines fired by one batch
#define SUSPECT_TRIES 2      // an input that was alone when the process died this often is refused

extern const char HELD_GAP[], HELD_UNKNOWN[], HELD_REJECTED[], HELD_PAUSED[];

// ---- a batch

struct out {
    int32_t slot;
    enum topic topic;
    struct bytes key;
    struct bytes value;
    const char *type;
    uint64_t sequence;
    char event_id[UUID_TEXT_SIZE];
    const char *causation_id;
    const char *traceparent;
    instant at;
    bool fresh;           // not a record sent again
    const char *not_utf8; // a field of it that its readers would refuse it for; NULL: none
    struct bytes earlier; // see resend.c
};

// Asks for records of the outbox to be sent once more.
struct resend {
    int32_t slot;
    struct bytes key;
    enum topic topic;          // TOPIC_NONE: any
    struct bytes causation_id; // size 0: any
    struct bytes event_id;     // size 0: any
    uint64_t from_sequence;
};

// A record that came behind a newer one.
struct behind {
    const struct input *in;
    uint64_t known;
};

struct tally {
    uint32_t applied, duplicates, held, dead_letters, dropped, again;
};

struct batch {
    struct arena *arena;
    const struct lane_service *service;
    const struct lane_settings *settings;
    struct rows *rows;
    instant now;
    bool hold_refused; // a refused deadline holds its key at once: the service's way out was refused as well

    const struct input *current;
    struct uuid current_id;
    char current_id_text[UUID_TEXT_SIZE];
    uint32_t emitted; // by the current decide: ordinal of BY_ID event ids
    uint32_t rule;
    enum { EFFECT_DECIDED_NOT, EFFECT_DECIDED_AGAIN, EFFECT_DECIDED_FINISH } effect_decision;
    int64_t effect_delay_us;

    struct out *outs;
    size_t out_count, out_capacity;
    size_t out_bytes;
    struct effect_row **effects; // asked for by this batch, or to be tried again
    size_t effect_count, effect_capacity;
    struct resend *resends;
    size_t resend_count, resend_capacity;
    struct behind *behinds;
    size_t behind_count, behind_capacity;
    struct tally tally;
};

void batch_begin(struct batch *batch, struct arena *arena, const struct lane_service *service,
                 const struct lane_settings *settings, size_t input_count);

// A record as it came from the bus (views into the stash).
struct raw {
    enum topic topic;
    int32_t partition;
    int64_t offset;
    struct bytes key;
    struct bytes value;
    struct bytes traceparent;
};
// The record that an input came as; a deadline or a result has no topic and no value.
struct raw raw_of_input(const struct input *in);
// Makes an input of a record. REJECT: it isn't one of its topic's messages (UNDECODABLE: …), or not from one of its topic's
// writers (WRONG_SOURCE: …). That it is on its key's partition is the batch's to see (WRONG_PARTITION: …).
struct err input_decode(struct batch *batch, const struct raw *raw, struct input *ret_input);

// Says which of the lane's own rows and the service's rows an input needs.
void inbox_want(struct batch *batch, const struct input *in);
// Held input of keys that are held; true when something new is wanted.
void inbox_want_held(struct batch *batch, const struct bytes *keys, size_t count);
void inbox_want_held_inputs(struct batch *batch, const struct bytes *keys, size_t count);

bool inbox_is_held(const struct key_state_row *ks); // NULL: no
// Of topic control: it is for this service, to send a compacted topic's newest record again.
bool inbox_asks_newest(const struct batch *batch, const struct input *in);
// What is held of a key, oldest first; its rows must have been wanted.
struct held_row *inbox_next_held(struct batch *batch, struct bytes key, const struct held_row *after);
struct raw inbox_held_raw(const struct held_row *row);
// Its record as an input, decoded once; NULL: this program can't read it.
const struct input *inbox_held_input(struct batch *batch, struct held_row *row);

// Applies one input: duplicates, gaps, holds and control are dealt with here; the rest goes to the service's decide.
// forced: not NULL: don't decide, refuse it with this text (SQL refused it, or it crashed the process).
void inbox_apply(struct batch *batch, const struct input *in, const char *forced);
// Asks for what batch_behind has found, when all input has been applied.
void inbox_ask_newest(struct batch *batch);
// A record that can't be an input at all. reason: input_decode's text, whose word before the colon is the dead letter's.
void inbox_undecodable(struct batch *batch, const struct raw *raw, const char *reason);

struct key_state_row *inbox_key_state(struct batch *batch, struct bytes key); // NULL: none
struct key_state_row *inbox_key_state_put(struct batch *batch, struct bytes key, int32_t slot);

void batch_set_current(struct batch *batch, const struct input *in);
void batch_add_out(struct batch *batch, const struct out *out);
// Of the records for one key of a compacted VERSIONED topic only the last is kept: what stays when the topic is compacted.
void batch_drop_superseded(struct batch *batch);
void batch_add_effect(struct batch *batch, struct effect_row *row); // handed to the caller after the commit
void batch_add_resend(struct batch *batch, const struct resend *resend);
void batch_dead_letter_of(struct batch *batch, const struct raw *record, int32_t slot, const char *event_id,
                          const char *reason, const char *detail, const char *state, bool held, bool settled);

// ---- the lane

struct inflight {
    int64_t batch_no;
    uint32_t reports; // still to come
};

struct slot {
    bool owned;
    bool stopped; // a position that can't be: an operator's matter
    bool begun;   // the database knows that batches are run: see mark_begun
    bool unnoted; // Kafka hasn't been told the last positions
    int64_t epoch;
    int64_t batch_no;
    int64_t published_no; // all up to here are on their topics
    int64_t marked_no;    // the last stored published_no
    instant next_due;
    int64_t position[TOPIC_MAX]; // next offset to apply; -1: not known yet
    int64_t read_to[TOPIC_MAX];  // next offset to poll: position plus what is in the stash
    int64_t due_target[TOPIC_MAX];
    int64_t due_reached[TOPIC_MAX]; // position, with what the batch under way takes; -1: not known yet
    int32_t careful;                // inputs still to be run singly
    struct bytes suspect;
    int32_t suspect_tries;
    char suspect_text[64];
    struct inflight *inflight; // ring, oldest first
    size_t inflight_first, inflight_count, inflight_capacity;
};

enum lane_phase { LANE_JOINING, LANE_CLAIMING, LANE_PUBLISHING, LANE_RUNNING };

struct stash {
    struct arena *arena;
    struct raw *items;
    size_t head, count, capacity;
    size_t bytes;
};

// What one attempt is made of.
struct work {
    const struct raw *raws;
    size_t raw_count;
    const struct effect_result *results;
    size_t result_count;
    const int32_t *due_slots;
    size_t due_slot_count;
    size_t due_limit;
    instant due_until;  // deadlines later than this wait
    const char *forced; // see inbox_apply
    bool hold_refused;  // see struct batch
};

struct lane {
    const struct lane_service *service;
    struct lane_ports ports;
    struct lane_settings settings;
    enum topic inputs[TOPIC_MAX]; // the service's and control
    size_t input_count;
    const struct table *tables[64]; // the lane's and the service's, in lock order
    size_t table_count;

    enum lane_phase phase;
    int32_t assigned[SLOT_MAX];
    size_t assigned_count;
    bool member; // an assignment has come
    struct slot slots[SLOT_MAX];
    uint16_t generation; // raised when everything is dropped: late reports are told apart
    int64_t claim_at;    // monotonic
    int64_t backoff_us;
    uint32_t failures;
    uint32_t claims_failed; // since the last that succeeded; each may have raised the epochs all the same
    uint32_t halvings;      // of the next batch: failures less commits since
    int64_t lost_at;        // monotonic: when a slot was found to have another owner; 0: none

    struct stash stash;
    struct arena *batch_arena;
    struct batch batch;
    struct effect_result results[RESULTS_MAX]; // taken from the caller, not yet applied
    size_t result_count;

    struct arena *pending_arena;
    struct bus_out *pending; // committed, not yet handed to the producer
    size_t pending_first, pending_count, pending_capacity;

    int64_t db_offset_us;   // the database's clock minus our monotonic one
    int64_t wall_offset_us; // our wall clock minus our monotonic one, when the above was learned
    int64_t clock_retry_at; // monotonic
    bool due_known;         // due_target is valid …
    instant due_until;      // … for deadlines up to here
    int64_t due_retry_at;   // monotonic

    double rate;     // inputs per second, smoothed
    double batch_us; // that a batch takes, smoothed
    int64_t marked_at;
    int64_t noted_at;
    int64_t last_batch_at;
    int64_t retry_at; // monotonic: the next attempt after RETRY
    uint32_t tries;

    _Atomic bool ready;
    char reason[160];
};

int64_t lane_mono(const struct lane *lane);
// The database's time by our monotonic clock, which nobody can set. Learned with each batch, at each claim, and when the wall
// clock has moved by itself.
instant lane_db_now(const struct lane *lane);
void lane_learn_db_now(struct lane *lane, instant now);
void lane_set_ready(struct lane *lane, bool ready, const char *reason);

// Drops everything in memory; claims again after a back-off. The one path for every unknown outcome.
void lane_drop(struct lane *lane, const char *why);
void lane_backoff(struct lane *lane, const char *what, const struct err *e);
void lane_note_positions(struct lane *lane); // tells Kafka what it hasn't been told yet

// What a slot must still be, to go on with it.
struct slot_fence lane_fence(const struct lane *lane, int32_t slot);
// Hands a committed effect to the caller: its next try.
void lane_submit_effect(struct lane *lane, const struct effect_row *row);

// claim.c
void lane_claim(struct lane *lane);           // CLAIMING -> PUBLISHING
void lane_claim_published(struct lane *lane); // PUBLISHING -> RUNNING when all reports are in
void lane_release(struct lane *lane);         // stores what is known, gives the slots up

// publish.c
struct bytes publish_pack(struct arena *arena, const struct out *outs, size_t count, int32_t slot);
void publish_after_commit(struct lane *lane, const struct batch *batch, const struct slot_fence *fences,
                          size_t fence_count);
bool publish_pump(struct lane *lane); // hands pending records to the producer; true: all handed over
void publish_report(struct lane *lane, uint64_t tag);
bool publish_idle(const struct lane *lane); // nothing pending, every report in
void publish_mark(struct lane *lane);       // stores published_no where it has moved
struct err publish_queue_stored(struct lane *lane, const struct outbox_row *rows,
                                size_t count); // a claim's republication
struct err publish_unpack(struct arena *arena, const struct outbox_row *row,
                          Orderclerk__V1__OutboxBatch **ret_batch);

struct err resend_run(struct lane *lane, struct batch *batch); // finds what batch->resends ask for

// attempt.c
struct done {
    size_t raws; // applied or dropped, in order; the rest waits for the next batch
    size_t results;
    size_t dues;
};
// Runs the work in one commit, or in several where a part must be refused. On RETRY and FENCED *ret_done says what was
// committed before.
struct err attempt_run(struct lane *lane, const struct work *work, struct done *ret_done);

// gather.c
bool gather_events(struct lane *lane, int64_t max_wait_us); // polls; false: nothing to do yet
void gather_batch(struct lane *lane);

extern struct metric lane_metric_batches, lane_metric_round_trips, lane_metric_inputs, lane_metric_applied,
    lane_metric_duplicates, lane_metric_held, lane_metric_dead_letters, lane_metric_dropped,
    lane_metric_again, lane_metric_records, lane_metric_retries, lane_metric_fenced, lane_metric_bisects,
    lane_metric_claims, lane_metric_deadlines, lane_metric_effects, lane_metric_batch_size,
    lane_metric_batch_us, lane_metric_slots;
