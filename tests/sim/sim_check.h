// What the invariants remember: their own account of what was committed, sent and done, kept beside the platform's.
#pragma once

#include "sim/sim.h"

// A record that a service has committed: it may be sent, any number of times, always the same.
struct sim_sent {
    enum sim_service_id service;
    uint64_t hash; // of the value, without the mark `again`
    int64_t arrived;
};

struct sim_saga {
    uint64_t revision;
    const char *state;
    int64_t event_revision; // of the last order event on the topic
    struct sim_map undoing; // what is being taken back
};

struct sim_check {
    struct sim_map sent;      // by topic and event id: struct sim_sent
    struct sim_map sequences; // by topic and key: the last on the topic
    struct sim_map numbered;  // by topic, key and sequence: hash of the record
    struct sim_map effects;   // by id: committed
    struct sim_map called;    // by cause, kind, recipient: effect id
    struct sim_map applied;   // by service, topic and event id
    struct sim_map sagas;     // by order: struct sim_saga
    struct sim_map ledger;    // by sku@warehouse: struct sim_books
    struct sim_map held;      // by order and line: what inventory holds
    struct sim_map shares;    // by allocation row: reserved; by sku@warehouse: their sum
    struct sim_map ordered;   // by order and line: what the saga wants
    struct sim_map shipped;   // by order and line; by shipment
    struct sim_map accounts;  // by order of the plan: its id
    struct sim_map undoing;   // by order and thing: its undoing was asked for
    int64_t received[SIM_PRODUCTS], left[SIM_PRODUCTS];
    struct {
        int64_t epoch, batch_no;
        int64_t position[TOPIC_MAX];
    } slots[SIM_SERVICES][SIM_PARTITIONS];
    struct {
        uint64_t *ids; // of the records of each batch, for published_no
        size_t count, capacity;
        struct {
            int64_t batch_no;
            size_t first, count;
        } * batches;
        size_t batch_count, batch_capacity;
    } outbox[SIM_SERVICES * 2][SIM_PARTITIONS]; // lanes', then doors'
    struct arena *scratch;                      // for one call
};

struct sim_books {
    int64_t movement, on_hand, reserved;
};

struct sim_saga *sim_saga_of(struct uuid order_id);
bool sim_arrived(enum topic topic, struct bytes event_id);
// sim_check_saga.c, sim_check_stock.c
void sim_check_sagas(const struct store_changes *changes);
void sim_check_stock(const struct store_changes *changes);
void sim_check_stock_end(void);
void sim_check_command(enum topic topic, const struct sim_entry *entry, const struct head *head);
// sim_check_end.c: the version of this key's last record, which is what compaction leaves; 0: none.
uint64_t sim_check_last_version(enum topic topic, struct bytes key);
