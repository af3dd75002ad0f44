// The whole platform in one process and one thread: what the simulator's parts share.
//
// A seed decides everything: which orders come, how people, departments and warehouses behave, which faults strike and who
// runs next. Services are the production's lanes and doors; clock, bus, stores, callers and the outside are the simulator's.
// Each simulated thread has a stack of its own (sim_fiber.h) and can be stopped or killed at every call of a port.
#pragma once

#include "base/arena.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/uuid.h"
#include "ingress/ingress.h"
#include "lane/lane.h"
#include "orderclerk/v1/order_state.pb-c.h"
#include "sim/sim_fiber.h"
#include "sim/sim_heap.h"
#include "sim/sim_map.h"
#include "sim/sim_random.h"
#include "sim/store_mem.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIM_START         ((instant)1790000000 * INSTANT_SECOND) // 2026-09-21, a Monday
#define SIM_PARTITIONS    3
#define SIM_ORDERS_MAX    24
#define SIM_ORDERS_MIN    20
#define SIM_PRODUCTS      6
#define SIM_PROCESSES_MAX 40 // alive and dead ones whose place isn't used again yet
#define SIM_THREADS_MAX   3  // of a process: its lane, its door's writer and publisher
#define SIM_FAULTS_MAX    12

enum sim_service_id {
    SIM_INTAKE,
    SIM_ORCHESTRATOR,
    SIM_VALIDATOR,
    SIM_INVENTORY,
    SIM_FULFILLMENT,
    SIM_NOTIFIER,
    SIM_DESK,
    SIM_SERVICES
};

enum sim_invariant {
#define INVARIANT(NAME, WHEN, text) NAME,
#include "sim/sim_invariants.def"
#undef INVARIANT
    SIM_INVARIANTS
};

// ---- a run

struct sim_options {
    uint64_t seed;
    uint64_t orders;    // bit per order: left out ones don't come (shrinking)
    uint32_t faults;    // likewise
    bool trace;         // every step on standard output
    int64_t print_from; // with trace: the first step printed
};

struct sim_process;

struct sim_thread {
    struct sim_process *process;
    struct fiber *fiber; // NULL: no thread
    bool waiting;        // for wake_at or woken; else it goes on at any time
    bool woken;
    instant wake_at;
    const void *waits_for; // a condition variable
    void *(*run)(void *self);
    void *self;
    bool ended;
};

// An input that decide was called with, in the attempt under way.
struct sim_decided {
    struct sim_decided *next;
    enum input_kind kind;
    int32_t slot;
    enum topic topic;
    int64_t offset;
    instant due;
    struct bytes key, event_id;
    bool rejected; // decide has refused it
};

struct sim_process {
    int number; // of the seed's processes; in traces
    enum sim_service_id service;
    bool alive;
    bool dying;            // its thread has met its end; the scheduler buries it
    bool leaving;          // asked to end: drains, then ends
    instant stopped_until; // SIGSTOP; 0: runs
    bool expired;          // the group goes on without it
    int64_t clock_skew;
    struct clock_port clock;
    struct sim_thread threads[SIM_THREADS_MAX];
    size_t thread_count;
    struct bus_port *bus;
    struct store_port *store;
    struct caller_port *caller;
    struct lane *lane;
    struct ingress *ingress;     // NULL: its service has no door
    struct sim_session *session; // the door's connection to the database
    struct arena *decided_arena;
    struct sim_decided *decided;
    bool at_rest;               // between two steps of its lane
    uint64_t batches, compared; // committed; those that were looked at
};

struct sim_service {
    const struct lane_service *lane; // the production's declaration …
    struct lane_service watched;     // … with a decide that takes notes
    struct store_mem_db *db;
    struct sim_ingress_db *door; // NULL: none
};

struct sim {
    struct sim_options options;
    instant now;
    struct arena *arena;        // of the whole seed
    struct sim_random schedule; // who runs next, small delays
    struct sim_service services[SIM_SERVICES];
    struct sim_process *processes[SIM_PROCESSES_MAX];
    size_t process_count;
    int process_numbers;
    struct sim_bus *bus;
    struct lane_settings settings;
    bool restart_each; // every step's process is thrown away and rebuilt
    uint32_t preempt;  // per mille: how often a thread loses its turn at a port
    int64_t step;
    instant last_plan; // when the last order has come
    bool healed;       // faults are over
    struct clock_port store_clock;
    uint64_t checked[SIM_INVARIANTS];
    struct sim_random ids;     // of uuid_v7 …
    struct sim_random *ids_of; // … or those of the order under way
    // the parts' own
    struct sim_heap *heap; // what is to happen
    struct sim_plan *plan;
    struct sim_faults *faults;
    struct sim_check *check;
    struct sim_outside *outside;
    struct sim_map department_seen; // sim_department.c
};
extern struct sim *sim; // the one under way

// ---- sim_world.c: time, threads, processes

void sim_at(instant at, sim_action *action, void *self); // at or after
static inline void sim_after(int64_t us, sim_action *action, void *self)
{
    sim_at(sim->now + us, action, self);
}
struct sim_process *sim_current(void); // whose thread runs; NULL: the scheduler
// Where a thread may be killed, stopped, or lose its turn: at every call of a port. Nothing outside of threads.
void sim_point(struct sim_process *process);
_Noreturn void sim_die(struct sim_process *process);     // from its own thread
void sim_wait(struct sim_thread *thread, instant until); // until woken, too
void sim_wake(struct sim_thread *thread);
struct sim_thread *sim_thread_current(void);
struct sim_thread *sim_thread_start(struct sim_process *process, void *(*run)(void *self), void *self);
void sim_process_rebuild(struct sim_process *process); // thrown away, and made from the store
struct sim_process *sim_process_start(enum sim_service_id service);
void sim_start_after(enum sim_service_id service, int64_t us);
void sim_process_kill(struct sim_process *process);  // as kill -9; not from its own thread
void sim_process_leave(struct sim_process *process); // as SIGTERM
struct sim_process *sim_some_process(struct sim_random *random,
                                     enum sim_service_id service); // NULL: none is alive
// True: something was done. False: nothing will ever happen any more.
bool sim_turn(void);
const char *sim_service_name(enum sim_service_id service);
const struct lane_service *sim_lane_of(enum sim_service_id service); // the production's declaration

// Runs one seed to its end. A violation ends the (operating system's) process: see sim_fail.
void sim_run(const struct sim_options *options);

// ---- sim_report.c

// An invariant is broken: says so with the seed, the faults and the last steps, and ends the process.
_Noreturn void sim_fail(enum sim_invariant invariant, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
// A line of the trace. Costs nothing when nobody reads it.
#define sim_trace(...)                                                                                       \
    do {                                                                                                     \
        if (sim->options.trace)                                                                              \
            sim_trace_line(__VA_ARGS__);                                                                     \
    } while (0)
void sim_trace_line(const char *format, ...) __attribute__((format(printf, 1, 2)));
#define SIM_CHECK(invariant, condition, ...)                                                                 \
    do {                                                                                                     \
        sim_checked(invariant);                                                                              \
        if (!(condition))                                                                                    \
            sim_fail((invariant), __VA_ARGS__);                                                              \
    } while (0)

// ---- sim_bus.c

struct sim_bus *sim_bus_new(void);
void sim_bus_free(struct sim_bus *bus);
struct bus_port *sim_bus_join(struct sim_process *process, const struct lane_service *service);
void sim_bus_leave(struct bus_port *port);
void sim_bus_silence(
    struct bus_port *port); // killed: what it has sent may still arrive; the group finds out later
void sim_bus_reset(struct bus_port *port);  // rebuilt: the same member, which knows nothing
void sim_bus_expire(struct bus_port *port); // the group goes on without it
void sim_bus_return(struct bus_port *port); // it learns of that, and is a member again
int64_t sim_bus_append(enum topic topic, struct bytes key, struct bytes value, struct sim_process *writer);
struct sim_entry {
    struct bus_record record;
    instant at;     // when it came
    bool readable;  // its head can be read: what follows is its
    struct uuid id; // of its event
    uint64_t sequence, saga_revision;
};
const struct sim_entry *sim_bus_entry(enum topic topic, int32_t partition,
                                      int64_t offset); // NULL past the end
int64_t sim_bus_high(enum topic topic, int32_t partition);
void sim_bus_flush(void);   // what is under way and due arrives
instant sim_bus_next(void); // when something under way arrives; INSTANT_NONE: nothing
// A producer of its own, for doors.
struct sim_producer;
struct sim_producer *sim_producer_new(struct sim_process *process, struct sim_thread *wakes);
void sim_producer_send(struct sim_producer *producer, const struct bus_out *out);
bool sim_producer_report(struct sim_producer *producer, uint64_t *ret_tag);
void sim_producer_end(struct sim_producer *producer); // what it has sent may still arrive
bool sim_producer_failed(const struct sim_producer *producer);
// Faults.
void sim_bus_fail(struct bus_port *port); // the client is beyond repair
void sim_bus_redeliver(struct bus_port *port, struct sim_random *random);
void sim_bus_delay(enum topic topic, instant until);     // readers wait for this topic
void sim_bus_slow(struct bus_port *port, instant until); // what it produces arrives late
void sim_bus_blind(instant until);                       // watermarks can't be had, nor reading be started
void sim_bus_truncate(enum topic topic, int32_t partition, int64_t low);
void sim_bus_cut_tail(enum topic topic, int32_t partition, int64_t shown);
bool sim_bus_is_cut(enum topic topic, int32_t partition);
int64_t sim_bus_low(enum topic topic, int32_t partition);
void sim_bus_restore(enum topic topic, int32_t partition);
void sim_bus_again(enum topic topic, int32_t partition, int64_t offset); // an old record once more

// ---- sim_caller.c

struct caller_port *sim_caller_new(struct sim_process *process);
void sim_caller_free(struct caller_port *caller);
bool sim_caller_has(struct caller_port *caller, struct uuid id);
// ---- sim_outside.c: what answers calls: warehouses, mail

struct sim_answer {
    enum effect_outcome outcome;
    int32_t status;
    const char *body;
    int64_t delay_us; // until the caller knows
};
struct sim_answer sim_outside_call(const struct effect_call *call);
// Who says that a withdrawal is done by hand has made sure on the telephone: what hasn't left stays. False: some of it has left.
bool sim_outside_withdraw(const Orderclerk__V1__OrderState *doc);
void sim_outside_push(const Orderclerk__V1__OrderState *doc); // faults are over: goods leave and arrive
void sim_outside_start(void);
void sim_outside_free(void);
void sim_outside_released(const struct bus_record *record); // a command to the tracker has been given

// ---- sim_door.c, sim_door_producer.c: ingress's database and producer

struct sim_ingress_db *sim_ingress_db_new(void);
void sim_session_end(struct sim_session *session); // killed: its locks are free
void sim_door_open(struct sim_process *process);
void sim_door_close(struct sim_process *process); // in order; from a thread
void sim_ingress_db_free(struct sim_ingress_db *db);
bool sim_door_idle(const struct sim_process *process); // its database is there and nothing is unpublished
size_t sim_door_unpublished(const struct sim_ingress_db *db);

// ---- sim_client.c: whoever sends something to a door, until it has a definite answer

struct sim_client {
    enum sim_service_id service;
    // Makes the submission anew for each try, as an endpoint does. False: refused at the door.
    bool (*make)(struct sim_client *client, struct arena *arena, struct ingress_item *ret_item);
    void (*stored)(struct sim_client *client, struct uuid subject); // once, NULL: nobody cares
    const void *what;                                               // for make
    struct sim_random *random;                                      // ids of its submissions
    uint32_t extra_tries; // though the answer has come: it was lost on the way
    bool definite, refused;
    struct uuid subject, submission;
    uint32_t tries;
    struct sim_try *last;
};
void sim_client_send(struct sim_client *client, instant at);
// A record through a door, as endpoints other than orders make it. key: the record's.
struct sim_note {
    enum topic topic;
    const char *endpoint, *key, *name; // name: the client's key
    const ProtobufCMessage *message;
    struct uuid subject;
};
struct sim_client *sim_client_note(enum sim_service_id service, const struct sim_note *note, instant at);

// ---- sim_plan.c: orders and who sends them; sim_reference.c: master data and stock

enum sim_order_kind { SIM_EXPRESS, SIM_HOT, SIM_MAKE, SIM_LARGE, SIM_BAD, SIM_TWIN };
struct sim_order {
    uint32_t number;
    enum sim_order_kind kind;
    const char *json;
    const char *idempotency_key; // NULL: known by its channel_ref
    struct sim_random random;    // of everything that people do about it
    struct sim_random ids;
    struct sim_client client;
    instant at;
    bool malformed; // refused at the door
    bool accepted;
    struct uuid id;
    char id_text[UUID_TEXT_SIZE];
    // the customer
    const char *cancel_in; // cancels on seeing this state; NULL: doesn't
    bool cancelled;
    uint64_t seen_revision; // of its snapshots
    uint32_t answers;       // given
    uint32_t exits;         // by operators
    struct bytes snapshot;  // the newest
};
struct sim_plan {
    struct sim_order orders[SIM_ORDERS_MAX];
    uint32_t count;
};
void sim_plan_make(void);
void sim_plan_start(void);
struct sim_order *sim_order_find(struct bytes order_id); // NULL: no order of the plan (yet)
void sim_reference_start(void);
void sim_reference_heal(void); // faults are over: goods for everybody who waits
const char *sim_reference_sku(uint32_t n);
int64_t sim_reference_price(uint32_t n);          // net, of one unit
int64_t sim_reference_received(struct bytes sku); // goods that have been received, by committed submissions

// ---- sim_customer.c, sim_department.c: people, by what they see on the topics

void sim_customer_heed(const struct sim_entry *entry); // order-state
void sim_customer_late(void);                          // orders are archived: somebody still wants something
void sim_department_late(struct bytes order_id);
void sim_customer_push(void);                            // faults are over: somebody looks after what waits
void sim_operator_heed(const struct sim_entry *entry);   // dead-letters
void sim_department_heed(const struct sim_entry *entry); // commands.departments
void sim_department_push(const Orderclerk__V1__OrderState *doc, struct bytes order_id);
void sim_peers_heed(enum topic topic, const struct sim_entry *entry); // any record

// ---- sim_faults.c, sim_strike.c

struct sim_fault;
void sim_faults_make(void);
void sim_faults_start(void);
void sim_faults_print(void (*print)(const char *line));
void sim_faults_point(struct sim_process *process); // may not return
void sim_faults_hit(enum fault_point point);        // of common/base/fault.h; may not return
enum store_mem_fault sim_faults_store(struct sim_process *process, enum store_mem_call call);
enum store_mem_fault sim_faults_door(struct sim_process *process, const char *call);
bool sim_faults_effect(struct sim_process *process, enum fault_point point); // true: the process is dead now
bool sim_faults_injected(struct bytes event_id);                             // a record that a fault made
uint32_t sim_faults_count(void);
void sim_faults_end(uint32_t number); // what it holds up goes on
void sim_restart_stopped(void);       // an operator: processes that have stopped a slot

// ---- sim_check.c, sim_check_stock.c, sim_check_end.c: invariants

void sim_check_start(void);
void sim_check_free(void);
void sim_check_appended(enum topic topic, int32_t partition, const struct sim_entry *entry,
                        const struct head *head, struct sim_process *writer); // head NULL: can't be read
void sim_check_door_committed(struct sim_process *process, int32_t slot, int64_t batch_no,
                              struct bytes records);
void sim_check_door_published(const struct sim_ingress_db *db, int32_t slot, int64_t before,
                              int64_t published_no);
// A warehouse hands a release's goods over; less: one of each line is kept; rogue: it had agreed not to.
void sim_check_left(const char *order_id, const char *shipment_id, const void *release, bool less,
                    bool rogue);
void sim_check_called(struct sim_process *process, const struct effect_call *call);
void sim_check_step(struct sim_process *process); // after a thread's turn: restart-and-compare
void sim_check_end(void);
_Noreturn void sim_check_why_not(void); // nothing settles: says what doesn't
bool sim_check_settled(void);           // every order has ended or waits for a person
struct store_mem_tap sim_check_tap(enum sim_service_id service);
void sim_checked(enum sim_invariant invariant); // counts

// ---- sim_cover.c: what the seeds have reached

void sim_cover_rule(uint32_t state, uint32_t event, uint32_t rule_id);
void sim_cover_point(enum fault_point point);
void sim_cover_branch(enum sim_service_id service, enum input_kind kind, enum topic topic, uint32_t body);
void sim_cover_fault(uint32_t kind);
void sim_cover_ending(const char *state);
