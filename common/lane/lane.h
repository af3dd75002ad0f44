// The lane: takes a batch of inputs, loads in a few set-based statements every row that the batch needs, decides input by
// input in memory, and saves rows, positions, deadlines, effects and outgoing messages in one PostgreSQL commit.
//
// What a service must supply is in struct lane_service; what its functions may call is the batch API below. Decide
// functions are pure: they see the input, the rows and the batch's now; they touch no clock, no I/O, no global.
// Thread: everything here belongs to the lane's thread, but lane_wake.
#pragma once

#include "base/arena.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/uuid.h"
#include "effects/effects.h"
#include "lane/bus.h"
#include "lane/store.h"
#include "lane/topic.h"
#include "orderclerk/v1/outbox.pb-c.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct batch;

enum input_kind { INPUT_MESSAGE, INPUT_DEADLINE, INPUT_EFFECT };

struct input {
    enum input_kind kind;
    struct bytes key; // the Kafka key: order_id as text, sku@warehouse …; for effects and deadlines too
    int32_t slot;
    // INPUT_MESSAGE
    enum topic topic;
    int32_t partition;
    int64_t offset;
    struct head head;                // views
    const ProtobufCMessage *message; // of the topic's type, or what decoded_as says; in the batch's arena
    struct bytes value;
    struct bytes traceparent;
    // INPUT_DEADLINE
    instant due;
    // INPUT_EFFECT
    const struct effect_row *effect;
    const Orderclerk__V1__EffectRequest *request;
    const struct effect_result *result;
};

struct lane_service {
    const char *name;         // "inventory": schema, role, metrics, `source` of its messages
    const char *group;        // Kafka group with the subscription's version: "inventory.v1"
    const enum topic *inputs; // control needn't be listed: every lane reads it
    size_t input_count;
    const enum topic *outputs; // control and dead-letters needn't be listed
    size_t output_count;
    const struct table *const *tables; // that it owns, in lock order
    size_t table_count;
    // NULL, or the message as which a topic's records are decoded, where it isn't the topic's own (then NULL is returned): some of
    // its fields, with the same numbers and types. What it leaves out isn't looked at, not even for UTF-8.
    const ProtobufCMessageDescriptor *(*decoded_as)(enum topic topic);
    // Says which rows `in` may need, by batch_want. Of topic control, only what send_newest will be called for. Called again
    // after rows have been loaded, until nothing new is wanted (most services: one round).
    void (*want)(struct batch *batch, const struct input *in);
    // Applies one input. REJECT and UNKNOWN undo what this call has changed and hold the key (VERSIONED topics: dead letter
    // only). Duplicates, gaps and held keys never get here.
    struct err (*decide)(struct batch *batch, const struct input *in);
    // NULL, or what is done in the place of a deadline that was refused alone: by decide, by the database, or because it ended
    // the process again and again; nobody else would bring it. `why` lives as long as the batch. An error, or the database's
    // refusal of this too, holds the key. A dead letter tells of the deadline in any case.
    struct err (*refuse_deadline)(struct batch *batch, const struct input *in, const char *why);
    // NULL, or for the writer of compacted VERSIONED topics: sends the newest record of this topic for in's key once more, which
    // `in` (of topic control) asks for; nothing, if its version is below `known`, which is the asker's.
    void (*send_newest)(struct batch *batch, const struct input *in, enum topic topic, uint64_t known);
    // No order waits for this service: what comes may always wait a little for company, so that the several records of one
    // order's step are one batch.
    bool unhurried;
    // The input that begins work, TOPIC_NONE if there is none such. The records of the others, which are of work under way, go
    // before its: under more load than can be borne, what was begun ends, and what waits is what isn't begun.
    enum topic beginning;
    const void *context; // settings and fixed tables; read by batch_context
};

// ---- for want and decide

struct arena *batch_arena(struct batch *batch); // lives until the batch has been committed
instant batch_now(const struct batch *batch);   // the transaction's clock; want must not use it
const void *batch_context(const struct batch *batch);

void batch_want(struct batch *batch, const struct table *table, size_t column, struct value value);

// It is known that nothing is stored under this value, as if it were wanted and not found: for rows that are only ever added,
// batch_next then shows those of this batch.
void batch_assume_none(struct batch *batch, const struct table *table, size_t column, struct value value);

// The row with probe's primary key, or NULL. Its table must have been wanted by a column of that key (or the row put).
void *batch_find(struct batch *batch, const struct table *table, const void *probe);

// Rows whose column has this value, in key order, those put in this batch after the loaded ones, deleted ones left out. The
// value must have been wanted. In want, what was wanted in the same round isn't loaded yet: NULL (of batch_find too); want is
// called again when it is, and may then want what these rows name. for (void *row = NULL; (row = batch_next(b, t, c, v, row));) …
void *batch_next(struct batch *batch, const struct table *table, size_t column, struct value value,
                 const void *after);

// A new row (copied from *row; its strings must live in the batch's arena or longer). APPEND tables: NULL is returned.
void *batch_put(struct batch *batch, const struct table *table, const void *row);
// Call before changing a row: remembers how it was, for REJECT, and marks it to be saved.
void batch_touch(struct batch *batch, void *row);
void batch_delete(struct batch *batch, void *row);
// What decode made of a row for this batch (e.g. an unpacked document); dropped when the row is restored.
void batch_set_decoded(struct batch *batch, void *row, void *decoded);
void *batch_decoded(const void *row);

// Sends a message. The lane fills event_id, order_id (= key), source, sequence, occurred_at and causation_id; the message's
// own saga_revision is kept. SEQUENCED topics: key must be the current input's. `message` is packed at once.
// Returns the event id given to it.
struct uuid batch_emit(struct batch *batch, enum topic topic, struct bytes key,
                       const ProtobufCMessage *message);

// The current input, of a compacted VERSIONED topic, came behind a newer record, of version `known`: a writer that had stood
// still, or two that wrote at once. Compaction would keep the older one. Its writer is asked to send the newest again, unless
// another record of the key follows in this batch.
void batch_behind(struct batch *batch, uint64_t known);

// Sends the record of this SEQUENCED topic with this event id once more, unchanged, marked `again`; nothing when the outbox
// has it no more (7 days). The current input's key only.
void batch_emit_again(struct batch *batch, enum topic topic, struct uuid event_id);

// The key's next deadline (INSTANT_NONE: none): an INPUT_DEADLINE comes at or after it, unless it is set again before.
// One per key: a service with several keeps them in its own row and sets the earliest.
void batch_deadline(struct batch *batch, instant due);
instant batch_deadline_get(struct batch *batch); // of the current input's key

// Asks for a call to the outside, performed after the commit. Returns its id: the same on every try.
// The target is what limits go by.
struct uuid batch_effect(struct batch *batch, const char *target,
                         const Orderclerk__V1__EffectRequest *request, instant due);
// With an INPUT_EFFECT: keep the effect and try again after delay_us. Without this, an OK or REFUSED effect is finished, a
// FAILED one is tried again after the lane's back-off (1 s doubling to 60 s, with jitter).
void batch_effect_again(struct batch *batch, int64_t delay_us);
void batch_effect_finish(struct batch *batch); // finished in any case
// Gives up a pending effect of the current key, if its row was wanted. A call that has been handed on isn't stopped: it may be
// under way, or still be made, and its result is dropped. Whoever must know whether it was made asks the other side. An effect
// of the same batch is never called.
void batch_effect_cancel(struct batch *batch, struct uuid id);

// Shows an input that changes nothing as a dead letter without holding the key (e.g. a NEVER cell of the saga).
void batch_dead_letter(struct batch *batch, const char *reason, const char *state, const char *detail);

// A small number kept by the batch for logs: "rule" of the transition that the current input fired.
void batch_note_rule(struct batch *batch, uint32_t rule_id);

// ---- for whoever runs lanes: processes and the simulator

struct lane_ports {
    const struct clock_port *clock;
    struct bus_port *bus;
    struct store_port *store;
    struct caller_port *caller;
};

struct lane_settings {
    int32_t batch_max_inputs;    // 1000
    int64_t batch_max_in_bytes;  // 4 MiB
    int64_t batch_max_out_bytes; // 16 MiB
    int64_t linger_max_us;       // longest wait for a fuller batch
    int64_t linger_unhurried_us; // the wait of services that no order waits for
    int64_t stash_max_bytes;     // records polled while retrying
    int64_t session_timeout_us;
    int64_t gap_resend_us;   // 30 s: a gap older than this asks the writer to publish again
    int64_t unknown_hold_us; // 60 s: input of an unknown order is held this long, then a dead letter
    int64_t idle_mark_us;    // 100 ms: an idle lane stores published_no
};

struct lane;
struct lane *lane_new(const struct lane_service *service, const struct lane_ports *ports,
                      const struct lane_settings *settings);
// One turn: poll, gather, and at most one batch. The waiting is in bus->poll, up to max_wait_us; never blocks otherwise for longer
// than the ports' own timeouts.
void lane_step(struct lane *lane, int64_t max_wait_us);
// Between two steps, now and then: gives back memory that batches haven't needed since the last call.
void lane_trim(struct lane *lane);
void lane_wake(struct lane *lane); // any thread
bool lane_ready(
    const struct lane *lane); // member of the group, slots (if any) claimed, no stopped slot. Any thread
const char *lane_not_ready_reason(const struct lane *lane); // any thread; "" when ready
// Finishes what is decided, publishes, waits for reports (bounded), releases the slots.
void lane_drain(struct lane *lane, int64_t max_us);
void lane_free(struct lane *lane);
