// The orchestrator's rows.
#pragma once

#include "lane/store.h"
#include "orderclerk/v1/order_state.pb-c.h"
#include "pg/migrate.h"

struct saga_row {
    struct uuid order_id;
    int32_t slot;
    struct bytes definition;
    int32_t definition_version;
    struct bytes state;
    int64_t revision;
    struct bytes order_no;
    struct bytes waiting_on;
    instant state_since;
    instant deadline;
    struct bytes doc; // the OrderState; decoded: an Orderclerk__V1__OrderState in the batch's arena
};
struct saga_history_row {
    struct uuid order_id;
    int64_t revision;
    instant at;
    int32_t rule_id;
    struct bytes from_state;
    struct bytes to_state;
    struct bytes event;
    struct bytes topic;
    int32_t record_partition;
    int64_t record_offset;
    struct bytes causation_id;
};
struct order_number_row {
    int32_t slot;
    int64_t next;
};
extern const struct table saga_table, saga_history_table, order_number_table;
enum { SAGA_ORDER = 0, ORDER_NUMBER_SLOT = 0 };

// The document to be packed so that the order and what its lines resolved to, which hardly ever change, come last: a new
// version of a row is logged without what it has in common with the old one at its end. Protobuf's readers take fields in
// any sequence. A shallow copy, for packing only; what it adds lives in the arena.
Orderclerk__V1__OrderState saga_doc_steady_last(const Orderclerk__V1__OrderState *doc, struct arena *arena);

extern const struct migration orchestrator_migrations[];
extern const unsigned orchestrator_migrations_count;
