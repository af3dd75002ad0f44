// What the processes that run seeds share: counts of everything, and the report of the one that failed.
#pragma once

#include "sim/sim.h"

#include "orchestrator/saga/saga_table.h"

#include <stdatomic.h>

#define SIM_RULES_MAX  512
#define SIM_BODIES     64    // of a topic's oneof: field numbers are below
#define SIM_KINDS      3     // of inputs
#define SIM_RUNNING    65536 // process numbers, by their remainder
#define SIM_REPORT_MAX (64 * 1024)

// What the seeds of one process have done and reached; added up when it ends.
struct sim_counts {
    uint64_t seeds, sagas, steps;
    uint64_t checks[SIM_INVARIANTS];
    uint64_t cells[SAGA_STATE_COUNT][SAGA_EVENT_COUNT]; // a rule fired there
    uint64_t rules[1100];                               // by id
    uint64_t points[FAULT_COUNT];
    uint64_t branches[SIM_SERVICES][SIM_KINDS][TOPIC_MAX][SIM_BODIES];
    uint64_t struck[64]; // by kind of fault
    uint64_t endings[SAGA_STATE_COUNT];
};
extern struct sim_counts sim_counts; // this process's

struct sim_share {
    _Atomic uint64_t counts[sizeof(struct sim_counts) / sizeof(uint64_t)]; // a struct sim_counts
    _Atomic uint64_t next_seed;
    _Atomic int failed;            // a report is there
    uint64_t running[SIM_RUNNING]; // the seed that a process is at
    uint64_t failed_seed;
    enum sim_invariant failed_invariant;
    int64_t failed_step;
    char report[SIM_REPORT_MAX];
};
extern struct sim_share *sim_share; // NULL: counts are kept by nobody
void sim_share_make(void);
void sim_share_add(void);     // this process's counts to the shared ones
void sim_share_collect(void); // the shared ones to this process

// sim_cover.c: prints what was reached; false: something never was, and isn't on the list of what can't be.
bool sim_cover_print(bool complete);
