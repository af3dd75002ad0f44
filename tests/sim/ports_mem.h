// Clock, bus and caller over memory, for the simulator and for tests of one service.
//
// The bus keeps every topic as a list of records per partition and knows members of groups; nothing is lost or late here:
// faults are put in by whoever drives it (see the hooks). One thread.
#pragma once

#include "base/clock.h"
#include "effects/effects.h"
#include "lane/bus.h"
#include "lane/lane.h"

// ---- virtual time
struct clock_mem {
    struct clock_port port;
    instant now;
};
void clock_mem_init(struct clock_mem *clock, instant start);

// ---- the bus
struct bus_mem; // the broker

struct bus_mem *bus_mem_new(int32_t partitions);
void bus_mem_free(struct bus_mem *bus);
// Puts a record on a topic; returns its offset.
int64_t bus_mem_append(struct bus_mem *bus, enum topic topic, struct bytes key, struct bytes value);
int64_t bus_mem_append_at(struct bus_mem *bus, enum topic topic, int32_t partition, struct bytes key,
                          struct bytes value);
// The records of a partition, oldest first; NULL past the end. Valid until the bus is freed.
const struct bus_record *bus_mem_record(struct bus_mem *bus, enum topic topic, int32_t partition,
                                        int64_t offset);
int64_t bus_mem_high(struct bus_mem *bus, enum topic topic, int32_t partition);
int32_t bus_mem_partitions(const struct bus_mem *bus);
// What lag tools see: the position that was noted last, whichever group it was; 0: none.
int64_t bus_mem_noted(const struct bus_mem *bus, enum topic topic, int32_t partition);

// A member of a service's group. Joining and leaving spreads the partitions anew over the members (ranges).
struct bus_port *bus_mem_join(struct bus_mem *bus, const struct lane_service *service);
void bus_mem_leave(struct bus_port *port);
// The group goes on without it, but it isn't told: a stopped process. bus_mem_tell lets it learn.
void bus_mem_expire(struct bus_port *port);
void bus_mem_tell(struct bus_port *port);

// ---- effects
struct caller_mem;
struct caller_mem *caller_mem_new(const struct clock_port *clock);
void caller_mem_free(struct caller_mem *caller);
struct caller_port *caller_mem_port(struct caller_mem *caller);
// The oldest call that is due and not yet answered; false: none. Views into the caller.
bool caller_mem_oldest(struct caller_mem *caller, struct effect_call *ret_call);
bool caller_mem_has(struct caller_mem *caller, struct uuid id);
void caller_mem_answer(struct caller_mem *caller, struct uuid id, enum effect_outcome outcome, int32_t status,
                       struct bytes body);
