// A seed's faults: planned in sim_faults.c, struck in sim_strike.c.
#pragma once

#include "sim/sim.h"

enum sim_fault_kind {
#define SIM_FAULT(NAME, text) SIM_##NAME,
#include "sim/sim_faults.def"
#undef SIM_FAULT
    SIM_FAULT_KINDS
};

struct sim_fault {
    bool on;     // under way, or armed
    bool struck; // has done something
    enum sim_fault_kind kind;
    uint32_t number;
    instant at; // from then on
    enum sim_service_id service;
    uint32_t nth;   // call or hit from then on, counting down
    uint32_t times; // how often in a row
    int64_t us;     // how long
    enum fault_point point;
    enum store_mem_call call;
    enum store_mem_fault how;
    enum topic topic;
    int32_t partition;
    struct sim_random random;
    struct sim_process *process; // who is meant, once chosen
    // of a truncation
    int64_t read_to[SIM_PROCESSES_MAX]; // by place; -1: not meant
    const struct lane *lanes[SIM_PROCESSES_MAX];
    int64_t epochs[SIM_PROCESSES_MAX]; // of the claim by which it reads
};

struct sim_faults {
    struct sim_fault faults[SIM_FAULTS_MAX];
    uint32_t count;
};

const char *sim_fault_name(enum sim_fault_kind kind);
const char *sim_fault_text(enum sim_fault_kind kind);
void sim_fault_strike(void *fault);          // its time has come
void sim_fault_end(struct sim_fault *fault); // what it holds up goes on
