// Sagas rebuilt from order-events alone, held against the rule table and against PostgreSQL's rows.
//
// A fold takes the records of each order in the order of its partition and keeps where the order is. Every revision is handed
// out once as a transition, to be compared with its row of saga_history; what the fold keeps is compared with the order's row
// of saga at the same revision. Pure: no clock, no I/O. Everything that differs is told to `report`.
// Memory: about 200 bytes an order, kept until the fold is freed. Thread: one owner.
#pragma once

#include "base/arena.h"
#include "base/clock.h"
#include "base/uuid.h"
#include "orchestrator/saga/saga_table.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AUDIT_ORDERS_MAX 8000000 // of one fold: 1.6 GB; a longer time is audited in parts

// One divergence. Texts are valid during the call.
struct audit_finding {
    const char *order_id;
    const char *order_no; // "": none yet
    const char *field;
    const char *topic; // what the topic says, or what the rule table asks for
    const char *row;   // what the row says, or what the record does
    uint64_t revision; // the first that differs
};
struct audit_report {
    void *self;
    void (*found)(void *self, const struct audit_finding *finding);
};

// A row of saga, or a document. Texts "": none.
struct audit_row {
    const char *definition;
    uint32_t definition_version;
    const char *state;
    uint64_t revision;
    const char *order_no;
    const char *waiting_on;
    instant state_since;
    instant deadline; // INSTANT_NONE: none
};

struct audit_order {
    struct uuid id;
    int32_t partition;
    uint64_t sequence;       // of the last record
    uint64_t first;          // revision of the first record that was read; 0: none was
    enum saga_state resume;  // where the order goes back to; NONE: not known, or nowhere
    struct audit_row folded; // as the topic tells it; state_since NONE: was entered before the first record
    struct audit_row *ahead; // the caller's: a row whose revision the topic hasn't reached; NULL: none
    int64_t ahead_batch;     // the caller's
    bool seen;               // the caller's
};

struct audit_transition {
    struct audit_order *order;
    uint64_t revision;
    uint32_t rule_id;
    const char *from, *to, *event;
    const char *topic; // of the cause; "": a deadline
    int32_t partition;
    int64_t offset;
    const char *causation; // the cause's event id
    instant at;
};

struct audit_history_row {
    bool there;
    uint32_t rule_id;
    const char *from, *to, *event;
    const char *topic; // "": a deadline
    int32_t partition;
    int64_t offset;
    const char *causation;
    instant at;
};

struct audit_counts {
    uint64_t records;
    uint64_t copies; // records that came once more
    uint64_t transitions;
};

struct audit_fold;
struct audit_fold *audit_fold_new(const struct saga_book *book, const struct audit_report *report);
void audit_fold_free(struct audit_fold *fold); // NULL is fine
const struct audit_counts *audit_fold_counts(const struct audit_fold *fold);
size_t audit_fold_size(const struct audit_fold *fold); // orders

// The order; made when there is none yet. NULL: AUDIT_ORDERS_MAX are there.
struct audit_order *audit_fold_order(struct audit_fold *fold, struct uuid id);
struct audit_order *audit_fold_find(const struct audit_fold *fold, struct uuid id); // NULL: none
struct audit_order *audit_fold_at(const struct audit_fold *fold, size_t index);     // NULL after the last

enum audit_folded {
    AUDIT_TRANSITION, // the record begins a new revision, given in *ret_transition: its texts live as long as `arena`
    AUDIT_NOTHING, // a further record of the same revision, or a copy, or told as a finding
    AUDIT_FULL,    // AUDIT_ORDERS_MAX
};
// Takes one record of order-events. key: the record's.
enum audit_folded audit_fold_record(struct audit_fold *fold, struct arena *arena, struct uuid key,
                                    int32_t partition, struct bytes value,
                                    struct audit_transition *ret_transition);

// A revision against its row of saga_history.
void audit_compare_history(const struct audit_fold *fold, const struct audit_transition *transition,
                           const struct audit_history_row *row);
// The order against its row, and against the document in the row (prefix "doc."), at the same revision.
void audit_compare_row(const struct audit_fold *fold, const struct audit_order *order,
                       const struct audit_row *row, const char *prefix);
// Tells a finding about the order that only the caller can see.
void audit_tell(const struct audit_fold *fold, const struct audit_order *order, const char *field,
                const char *topic, const char *row, uint64_t revision);
