// What sim_bus.c (topics and groups) and sim_producer.c (what is under way to them) share.
#pragma once

#include "sim/sim.h"

struct sim_log {
    struct sim_entry *entries;
    size_t count, capacity;
    int64_t low;   // what is before is gone
    int64_t shown; // the high watermark while the tail is cut off; -1: it isn't
};

// A record on its way to its topic. Of one producer they arrive in order.
struct sim_out {
    enum topic topic;
    struct bytes key, value;
    uint64_t tag;
    instant at;
};

struct sim_producer {
    struct sim_producer *next;   // all that have something under way, or may
    struct sim_process *process; // NULL: it has ended; what was sent arrives, reports go nowhere
    struct sim_thread *wakes;
    struct sim_out *queue;
    size_t first, count, capacity;
    uint64_t *reports;
    size_t report_first, report_count, report_capacity;
    instant slow_until; // what is sent until then takes seconds
    bool failed;
};

struct sim_member {
    struct bus_port port;
    struct sim_process *process;
    const struct lane_service *service;
    enum topic inputs[TOPIC_MAX];
    size_t input_count;
    bool in_group;
    bool told; // of the last rebalance
    bool revoke_first;
    bool has_assignment;
    int32_t slots[SIM_PARTITIONS];
    size_t slot_count;
    bool reading[SIM_PARTITIONS];
    bool positioned[TOPIC_MAX][SIM_PARTITIONS]; // false: BUS_POSITION was told
    int64_t next[TOPIC_MAX][SIM_PARTITIONS];
    struct {
        enum topic topic;
        int32_t partition;
    } troubles[TOPIC_MAX * SIM_PARTITIONS]; // positions that can't be
    size_t trouble_count;
    struct sim_producer *producer;
};

struct sim_bus {
    struct sim_log logs[TOPIC_MAX][SIM_PARTITIONS];
    struct sim_member *members[SIM_PROCESSES_MAX];
    size_t member_count;
    struct sim_producer *producers;
    instant next_arrival;          // of anything; INSTANT_NONE: nothing is under way
    instant hold_until[TOPIC_MAX]; // readers wait
    instant blind_until;
};

// sim_producer.c
bool sim_producer_full(const struct sim_producer *producer);
void sim_producer_reopen(struct sim_producer *producer);
void sim_producers_free(struct sim_bus *bus);
