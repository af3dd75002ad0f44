// What a lane keeps, and the port through which it is kept: typed rows of described tables, loaded and saved in sets.
//
// Two implementations refuse the same things: store_pg (PostgreSQL) and store_mem (the simulator). Everything else in
// the lane and in services is written against this header; no service writes SQL for its own rows.
// Thread: a store belongs to one lane.
#pragma once

#include "base/arena.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/uuid.h"
#include "lane/topic.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum column_type {
    COLUMN_UUID,    // struct uuid; nil is NULL
    COLUMN_I64,     // int64_t
    COLUMN_I32,     // int32_t
    COLUMN_BOOL,    // bool
    COLUMN_TEXT,    // struct bytes, UTF-8; data NULL is NULL
    COLUMN_BYTES,   // struct bytes; data NULL is NULL
    COLUMN_INSTANT, // instant; INSTANT_NONE is NULL
};

struct column {
    const char *name;
    enum column_type type;
    size_t offset; // in the row struct
    bool nullable; // a NULL in another column is refused (as 23502)
};
#define COLUMN(row_struct, member, column_type, is_nullable)                                                 \
    {                                                                                                        \
        .name = #member, .type = (column_type), .offset = offsetof(row_struct, member),                      \
        .nullable = (is_nullable)                                                                            \
    }

enum table_kind {
    TABLE_ROWS,      // loaded FOR UPDATE, in key order; inserted, updated, deleted
    TABLE_REFERENCE, // loaded without locks (each row has one writing slot); inserted, updated, deleted
    TABLE_APPEND,    // inserted only; never loaded
};

// A UNIQUE constraint or index besides the primary key.
struct unique {
    const char *name;
    const size_t *columns; // indexes into table.columns
    size_t column_count;
    bool (*where)(const void *row); // partial index; NULL: all rows
};

struct table {
    const char *name; // in the service's schema
    enum table_kind kind;
    size_t row_size;
    const struct column *columns; // the first key_count are the primary key
    size_t column_count;
    size_t key_count;
    const struct unique *uniques;
    size_t unique_count;
    // The name of a CHECK constraint that the row breaks, or NULL. The migration has the same constraints.
    const char *(*check)(const void *row);
    // Called before a changed row is saved or copied: packs what the row struct holds decoded into its columns.
    void (*flush)(void *row, struct arena *arena);
};

// One value to look rows up by.
struct value {
    enum column_type type; // UUID, I64, I32 or TEXT
    union {
        struct uuid uuid;
        int64_t number;
        struct bytes text;
    };
};
static inline struct value value_uuid(struct uuid id)
{
    return (struct value){.type = COLUMN_UUID, .uuid = id};
}
static inline struct value value_i64(int64_t n)
{
    return (struct value){.type = COLUMN_I64, .number = n};
}
static inline struct value value_i32(int32_t n)
{
    return (struct value){.type = COLUMN_I32, .number = n};
}
static inline struct value value_text(struct bytes t)
{
    return (struct value){.type = COLUMN_TEXT, .text = t};
}

// All rows of `table` whose column is one of values[], ordered by primary key (locked where the kind says so).
// With TABLE key_state, column SIZE_MAX: rows of the slots in values[] (I32) whose due <= the transaction's now,
// oldest first, at most `limit`.
#define STORE_DUE SIZE_MAX
struct store_query {
    const struct table *table;
    size_t column;
    const struct value *values; // distinct, sorted by the caller
    size_t value_count;
    size_t limit; // STORE_DUE only
    // out: row_count structs of table->row_size, one after another, in the arena given to the call
    void *rows;
    size_t row_count;
};

enum change_kind { CHANGE_INSERT, CHANGE_UPDATE, CHANGE_DELETE };
struct store_change {
    const struct table *table;
    enum change_kind kind;
    void *const *rows; // UPDATE sets every non-key column; INSERT of an existing key is refused (as 23505)
    size_t row_count;
};

struct store_position {
    int32_t slot;
    enum topic topic;
    int64_t next_offset;
};

struct store_changes {
    const struct store_change *changes;
    size_t change_count;
    const struct store_position *positions; // upserted
    size_t position_count;
};

// What claiming a slot gives.
struct slot_claim {
    int32_t slot;
    int64_t epoch;        // now ours
    int64_t batch_no;     // of the last committed batch
    int64_t published_no; // outbox rows up to this one are known to be on their topics
    int32_t dirty;        // 0: no batch was begun that wasn't committed, nor given up in order
    struct bytes
        suspect; // "topic/offset" or "key" of the input that was run singly when the owner died; absent: none
    int32_t suspect_tries;
    const struct store_position *positions; // of this slot; topics never read have none
    size_t position_count;
};

// What a batch must still own, and what it stores with the fence.
struct slot_fence {
    int32_t slot;
    int64_t epoch;
    int64_t batch_no; // expected; the store raises it by one
    int64_t published_no;
    bool ret_owned; // out: false, another owner has it
};

struct outbox_row {
    int32_t slot;
    int64_t batch_no;
    instant created_at;
    struct bytes records; // an OutboxBatch
};

struct store_port {
    void *self;

    // Connects when there is no connection; raises the slots' epochs (creating rows that don't exist), in slot order.
    // Claims that wait for a lock longer than lock_timeout end the blocking backends of the same role and try again.
    // RETRY on connection trouble; all or nothing.
    struct err (*claim)(void *self, const int32_t *slots, size_t count, struct arena *arena,
                        struct slot_claim *ret_claims);

    // Clean end: dirty = 0, suspect cleared, published_no stored, where the epoch is still ours. Best effort.
    struct err (*release)(void *self, const struct slot_fence *slots, size_t count);

    // Opens a transaction, fences, and answers the queries, in one round trip. *ret_now is the transaction's clock.
    // Slots not owned any more are marked, the rest goes on. Sets dirty = 0 and clears suspect with the fence.
    // RETRY: rolled back, same batch again later. FENCED: the connection is lost.
    struct err (*begin)(void *self, struct slot_fence *fences, size_t fence_count,
                        struct store_query *queries, size_t query_count, struct arena *arena,
                        instant *ret_now);

    // Further queries in the open transaction, one round trip.
    struct err (*load)(void *self, struct store_query *queries, size_t query_count, struct arena *arena);

    // Saves everything and commits, in one round trip. REJECT (constraint or data refused: SQLSTATE 22, 23) and RETRY:
    // rolled back. FENCED: the outcome is unknown.
    struct err (*commit)(void *self, const struct store_changes *changes);

    void (*rollback)(void *self);

    // Outside a transaction.
    // Outbox rows of a slot with batch_no > after_no (rising), at most limit rows.
    struct err (*outbox_after)(void *self, int32_t slot, int64_t after_no, size_t limit, struct arena *arena,
                               struct outbox_row **ret_rows, size_t *ret_count);
    // Outbox rows by number; those that are gone are left out. Allowed inside a transaction too.
    struct err (*outbox_get)(void *self, int32_t slot, const int64_t *batch_nos, size_t count,
                             struct arena *arena, struct outbox_row **ret_rows, size_t *ret_count);
    // Stores published_no where the epoch is still ours.
    struct err (*mark_published)(void *self, const struct slot_fence *slots, size_t count);
    // Keeps where reading begins of topics that a slot has no position of yet, where the epoch is still ours: records that are
    // lost later are missed then. Not a batch: nothing else of the slot is changed. Each start is of one of the slots. RETRY, or FENCED as
    // begin: nothing was kept, or it isn't known.
    struct err (*start)(void *self, const struct slot_fence *slots, size_t count,
                        const struct store_position *starts, size_t start_count);
    // Commits that batches of these slots are about to be run: dirty is raised and published_no stored where the epoch is still
    // ours. Who finds it raised knows that the last owner ended in the middle of its work. RETRY, or FENCED as begin.
    struct err (*mark_begun)(void *self, const struct slot_fence *slots, size_t count);
    // Careful mode: commits that this input is about to be run alone, and how often it has been. FENCED as begin.
    struct err (*mark_suspect)(void *self, int32_t slot, int64_t epoch, struct bytes suspect, int32_t tries);
    // The earliest due of each slot's key_state (INSTANT_NONE: none).
    struct err (*next_due)(void *self, const int32_t *slots, size_t count, instant *ret_due);
};

// Tables that every lane has in its service's schema (lane/lane_tables.c, migration lane/sql/): what is known of each key,
// ids seen, held input, pending effects, the outbox.
struct key_state_row {
    struct bytes key; // TEXT, primary key
    int32_t slot;
    struct bytes read;    // TEXT "topic:sequence …": the last applied, per SEQUENCED topic in
    struct bytes written; // TEXT "topic:sequence …": the last sent, per SEQUENCED topic out
    struct bytes
        recent; // TEXT "batch_no …": the last batches in which this key sent something, for sending again
    struct bytes held; // TEXT, NULL: not held; else GAP, UNKNOWN, REJECTED, PAUSED
    struct bytes held_detail;
    instant held_since;
    int64_t held_next;   // next ordinal in `held`
    instant service_due; // the service's next deadline
    instant due;         // when the lane looks at it: service_due or earlier, or the hold's own deadline
};
struct seen_row {
    struct uuid id; // primary key
    struct bytes key;
    instant at;
};
struct held_row {
    struct bytes key; // primary key (key, ordinal)
    int64_t ordinal;
    int32_t topic;
    int32_t partition;
    int64_t record_offset;
    struct bytes event_id;
    struct bytes value;
    struct bytes reason;
    instant at;
};
struct effect_row {
    struct uuid id; // primary key
    int32_t slot;
    struct bytes key;
    struct bytes target; // what limits and circuit breaker go by: warehouse:SH1, smtp
    int32_t attempt;     // tries so far
    instant due;
    instant created_at;
    struct bytes request; // an EffectRequest
    struct bytes causation_id;
};
struct outbox_table_row {
    int32_t slot; // primary key (slot, batch_no, created_at): partitioned by created_at
    int64_t batch_no;
    instant created_at;
    struct bytes records;
};
extern const struct table key_state_table, seen_table, held_table, effect_table, outbox_table;
// Column indexes to look up by.
#define KEY_STATE_KEY 0
#define SEEN_ID       0
#define HELD_KEY      0
#define EFFECT_ID     0
#define EFFECT_SLOT   1
