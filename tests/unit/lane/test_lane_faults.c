// Several lanes of one service, and a store and bus that fail: nothing is lost, nothing happens twice.
#include "echo.h"

#include "base/hash.h"
#include "orderclerk/v1/commands.pb-c.h"
#include "orderclerk/v1/dead_letters.pb-c.h"
#include "orderclerk/v1/validation_events.pb-c.h"
#include "sim/ports_mem.h"
#include "sim/store_mem.h"
#include "unit/base/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PARTITIONS 4
#define LANES_MAX  3
#define ORDERS     40
#define MESSAGES   8

struct world {
    struct clock_mem clock;
    struct bus_mem *bus;
    struct store_mem_db *db;
    struct process {
        struct bus_port *member;
        struct store_port *store;
        struct caller_mem *caller;
        struct lane *lane;
    } processes[LANES_MAX];
    int sent[ORDERS];
    uint64_t random;
    int64_t linger_max_us;
};

static uint64_t next_random(struct world *w)
{
    w->random ^= w->random << 13;
    w->random ^= w->random >> 7;
    w->random ^= w->random << 17;
    return w->random;
}

static void start_as(struct world *w, int i, const struct lane_service *service)
{
    struct process *p = &w->processes[i];
    p->member = bus_mem_join(w->bus, service);
    p->store = store_mem_open(w->db);
    p->caller = caller_mem_new(&w->clock.port);
    struct lane_ports ports = {
        .clock = &w->clock.port, .bus = p->member, .store = p->store, .caller = caller_mem_port(p->caller)};
    struct lane_settings settings = {.batch_max_inputs = 7,
                                     .batch_max_in_bytes = 1 << 20,
                                     .batch_max_out_bytes = 1 << 20,
                                     .stash_max_bytes = 8 << 20,
                                     .linger_max_us = w->linger_max_us,
                                     .session_timeout_us = 3 * INSTANT_SECOND,
                                     .gap_resend_us = 30 * INSTANT_SECOND,
                                     .unknown_hold_us = 60 * INSTANT_SECOND,
                                     .idle_mark_us = 100 * INSTANT_MS};
    p->lane = lane_new(service, &ports, &settings);
}

static void start(struct world *w, int i)
{
    start_as(w, i, &echo_service);
}

// As kill -9: nothing is given back; the group learns at once here.
static void kill_process(struct world *w, int i)
{
    struct process *p = &w->processes[i];
    if (p->lane == NULL)
        return;
    lane_free(p->lane);
    bus_mem_leave(p->member);
    store_mem_close(p->store);
    caller_mem_free(p->caller);
    *p = (struct process){.lane = NULL};
}

static void key_of(int order, char key[static UUID_TEXT_SIZE])
{
    snprintf(key, UUID_TEXT_SIZE, "0190b7a4-0000-7000-8000-0000000000%02x", order);
}

static void send_next(struct world *w, int order)
{
    char key[UUID_TEXT_SIZE];
    char id[UUID_TEXT_SIZE];
    struct arena *arena = arena_new(4096);
    key_of(order, key);
    int n = ++w->sent[order];
    uuid_format(uuid_derive((struct uuid){{(uint8_t)order}}, "t", bytes_of(&n, sizeof n)), id);
    struct head head = {.event_id = bytes_str(id),
                        .key = bytes_str(key),
                        .source = bytes_str("orchestrator"),
                        .sequence = (uint64_t)n,
                        .occurred_at = w->clock.now};
    struct bytes value = head_write(arena, &head,
                                    echo_command(n % 3 == 0   ? "effect"
                                                 : n % 5 == 0 ? "deadline"
                                                              : ""));
    bus_mem_append(w->bus, TOPIC_COMMANDS_VALIDATOR, bytes_str(key), value);
    if (next_random(w) % 4 == 0)
        bus_mem_append(w->bus, TOPIC_COMMANDS_VALIDATOR, bytes_str(key), value); // a double
    arena_free(arena);
}

static void turn(struct world *w)
{
    for (int i = 0; i < LANES_MAX; i++) {
        if (w->processes[i].lane == NULL)
            continue;
        lane_step(w->processes[i].lane, 0);
        struct effect_call call;
        if (caller_mem_oldest(w->processes[i].caller, &call)) {
            caller_mem_answer(w->processes[i].caller, call.id,
                              next_random(w) % 3 == 0 ? EFFECT_FAILED : EFFECT_OK, 200, bytes_str(""));
        }
    }
    w->clock.now += (instant)(next_random(w) % 50000);
}

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    clock_mem_init(&w->clock, (instant)1790000000 * INSTANT_SECOND);
    w->bus = bus_mem_new(PARTITIONS);
    w->db = store_mem_db_new(echo_service.tables, echo_service.table_count, &w->clock.port);
    w->random = 88172645463325252u;
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    for (int i = 0; i < LANES_MAX; i++)
        kill_process(w, i);
    store_mem_db_free(w->db);
    bus_mem_free(w->bus);
    free(w);
    return 0;
}

// Answers on the topic: per order numbered without gaps once copies are left out, and no copy differs.
static void check_answers(struct world *w, int order, int64_t ret_expected)
{
    char key[UUID_TEXT_SIZE];
    key_of(order, key);
    int32_t p = hash_partition(bytes_str(key), PARTITIONS);
    uint64_t top = 0;
    char ids[256][UUID_TEXT_SIZE];
    for (int64_t o = 0; o < bus_mem_high(w->bus, TOPIC_VALIDATION_EVENTS, p); o++) {
        const struct bus_record *r = bus_mem_record(w->bus, TOPIC_VALIDATION_EVENTS, p, o);
        struct head head;
        struct err e = head_read(r->value, &head);
        assert_false(err_is(&e));
        if (!bytes_is(r->key, key))
            continue;
        assert_true(head.sequence <= top + 1 && head.sequence < 256);
        if (head.sequence == top + 1) {
            top++;
            uuid_format(head.id, ids[top]);
        } else {
            char id[UUID_TEXT_SIZE];
            uuid_format(head.id, id);
            assert_string_equal(id, ids[head.sequence]); // a copy is the same record
        }
    }
    assert_true((int64_t)top <= ret_expected);
    assert_true((int64_t)top >= w->sent[order]); // every command was answered
}

static void settle(struct world *w)
{
    for (int i = 0; i < LANES_MAX; i++) {
        if (w->processes[i].lane == NULL)
            start(w, i);
        store_mem_on_call(w->processes[i].store, NULL, NULL);
    }
    for (int i = 0; i < 20000; i++)
        turn(w);
    for (int order = 0; order < ORDERS; order++) {
        char key[UUID_TEXT_SIZE];
        struct uuid id;
        void *rows;
        struct arena *arena = arena_new(4096);
        key_of(order, key);
        assert_true(uuid_parse(bytes_str(key), &id));
        size_t n = store_mem_rows(w->db, &echo_table, 0, value_uuid(id), arena, &rows);
        assert_int_equal(n, w->sent[order] > 0);
        if (n == 1)
            check_answers(w, order, ((struct echo_row *)rows)->count);
        assert_int_equal(store_mem_rows(w->db, &held_table, 0, value_text(bytes_str(key)), arena, &rows), 0);
        arena_free(arena);
    }
    struct arena *arena = arena_new(4096);
    void *rows;
    assert_int_equal(store_mem_all(w->db, &effect_table, arena, &rows), 0);
    for (int32_t p = 0; p < PARTITIONS; p++) {
        struct slot_claim slot;
        assert_true(store_mem_slot(w->db, p, arena, &slot));
        assert_int_equal(slot.published_no, slot.batch_no); // I15
    }
    arena_free(arena);
}

static void lanes_share_the_slots(void **state)
{
    struct world *w = *state;
    start(w, 0);
    start(w, 1);
    for (int round = 0; round < MESSAGES; round++) {
        for (int order = 0; order < ORDERS; order++)
            send_next(w, order);
        for (int i = 0; i < 20; i++)
            turn(w);
    }
    settle(w);
}

static void processes_die_at_any_time(void **state)
{
    struct world *w = *state;
    for (int i = 0; i < LANES_MAX; i++)
        start(w, i);
    for (int round = 0; round < 400; round++) {
        int order = (int)(next_random(w) % ORDERS);
        if (w->sent[order] < MESSAGES)
            send_next(w, order);
        turn(w);
        int victim = (int)(next_random(w) % LANES_MAX);
        if (next_random(w) % 10 == 0)
            kill_process(w, victim);
        if (next_random(w) % 5 == 0 && w->processes[victim].lane == NULL)
            start(w, victim);
    }
    settle(w);
}

static enum store_mem_fault any_fault(void *self, enum store_mem_call call)
{
    struct world *w = self;
    (void)call;
    switch (next_random(w) % 12) {
    case 0:
        return STORE_MEM_REFUSED;
    case 1:
        return STORE_MEM_LOST_BEFORE;
    case 2:
        return STORE_MEM_LOST_AFTER;
    default:
        return STORE_MEM_OK;
    }
}

static void every_call_of_the_store_may_fail(void **state)
{
    struct world *w = *state;
    for (int i = 0; i < LANES_MAX; i++) {
        start(w, i);
        store_mem_on_call(w->processes[i].store, any_fault, w);
    }
    for (int round = 0; round < 2000; round++) {
        int order = (int)(next_random(w) % ORDERS);
        if (w->sent[order] < MESSAGES)
            send_next(w, order);
        turn(w);
    }
    settle(w);
}

static void a_stopped_process_that_wakes_up_changes_nothing(void **state)
{
    struct world *w = *state;
    start(w, 0);
    start(w, 1);
    for (int round = 0; round < 200; round++) {
        for (int k = 0; k < 3; k++) {
            int order = (int)(next_random(w) % ORDERS);
            if (w->sent[order] < MESSAGES)
                send_next(w, order);
        }
        turn(w);
        // Process 0 stands still with records in hand; the others take its slots, then it goes on unaware.
        if (round % 20 == 10)
            bus_mem_expire(w->processes[0].member);
        if (round % 20 == 10) {
            struct lane *stopped = w->processes[0].lane;
            w->processes[0].lane = NULL;
            for (int i = 0; i < 30; i++)
                turn(w);
            w->processes[0].lane = stopped;
            for (int i = 0; i < 5; i++)
                turn(w);
            bus_mem_tell(w->processes[0].member);
        }
    }
    settle(w);
}

// The Kafka client of process 0, which breaks now and then: what it said is gone with it.
static struct {
    struct bus_port made;
    char *said;
    unsigned polls;
    unsigned failures;
} client;

static void poll_until_it_breaks(void *self, int64_t timeout_us, struct bus_event *ret_event)
{
    if (client.failures > 0 && ++client.polls % 17 == 0) {
        client.failures--;
        client.said = strdup("an out of order sequence number");
        *ret_event = (struct bus_event){.kind = BUS_FAILED, .text = client.said};
        return;
    }
    client.made.poll(self, timeout_us, ret_event);
}

static struct err make_anew(void *self)
{
    assert_non_null(client.said);
    free(client.said);
    client.said = NULL;
    return client.made.reopen(self);
}

static void a_broken_client_is_made_anew(void **state)
{
    struct world *w = *state;
    start(w, 0);
    start(w, 1);
    struct bus_port *port = w->processes[0].member;
    client.made = *port;
    client.failures = 20;
    port->poll = poll_until_it_breaks;
    port->reopen = make_anew;
    for (int round = 0; round < 800; round++) {
        int order = (int)(next_random(w) % ORDERS);
        if (w->sent[order] < MESSAGES)
            send_next(w, order);
        turn(w);
    }
    assert_int_equal(client.failures, 0);
    settle(w);
}

static void check_all_is_read(struct world *w)
{
    for (int32_t p = 0; p < PARTITIONS; p++) {
        struct arena *arena = arena_new(4096);
        struct slot_claim slot;
        assert_true(store_mem_slot(w->db, p, arena, &slot));
        assert_int_equal(slot.position_count, echo_service.input_count + 1); // and control
        for (size_t i = 0; i < slot.position_count; i++)
            assert_int_equal(slot.positions[i].next_offset, bus_mem_high(w->bus, slot.positions[i].topic, p));
        arena_free(arena);
    }
}

// The store of process 0, whose connection is lost over every larger batch: a line that is too slow for it.
static struct {
    struct store_port *port;
    struct err (*commit)(void *self, const struct store_changes *changes);
} slow_store;

#define SMALL_ROWS 2

static struct err commit_what_is_small(void *self, const struct store_changes *changes)
{
    size_t rows = 0;
    for (size_t i = 0; i < changes->change_count; i++)
        rows += changes->changes[i].table == &echo_table ? changes->changes[i].row_count : 0;
    if (rows > SMALL_ROWS)
        store_mem_cut(slow_store.port);
    return slow_store.commit(self, changes);
}

static void a_batch_that_is_too_much_becomes_smaller(void **state)
{
    struct world *w = *state;
    for (int order = 0; order < ORDERS; order++)
        send_next(w, order);
    start(w, 0);
    slow_store.port = w->processes[0].store;
    slow_store.commit = slow_store.port->commit;
    slow_store.port->commit = commit_what_is_small;
    for (int i = 0; i < 2000; i++)
        turn(w);
    check_all_is_read(w);
    settle(w);
}

// A bus on which what is asked for takes a while to come, as on a network.
#define FETCH_US (500 * INSTANT_MS)

static struct far_bus {
    struct bus_port made;
    const struct clock_mem *clock;
    instant quiet_until;
} far_buses[2];

static struct far_bus *far_bus_of(const void *self)
{
    return far_buses[0].made.self == self ? &far_buses[0] : &far_buses[1];
}

static void poll_from_afar(void *self, int64_t timeout_us, struct bus_event *ret_event)
{
    struct far_bus *far = far_bus_of(self);
    if (far->clock->now < far->quiet_until)
        *ret_event = (struct bus_event){.kind = BUS_NOTHING};
    else
        far->made.poll(self, timeout_us, ret_event);
}

static struct err assign_afar(void *self, const int32_t *slots, size_t slot_count,
                              const struct store_position *positions, size_t position_count,
                              int64_t *ret_start)
{
    struct far_bus *far = far_bus_of(self);
    if (slot_count > 0)
        far->quiet_until = far->clock->now + FETCH_US;
    return far->made.assign(self, slots, slot_count, positions, position_count, ret_start);
}

static void move_far_away(struct world *w, int i)
{
    struct bus_port *port = w->processes[i].member;
    far_buses[i] = (struct far_bus){.made = *port, .clock = &w->clock};
    port->poll = poll_from_afar;
    port->assign = assign_afar;
}

// Before the first record has come: what a topic loses from then on must be missed.
static void where_reading_begins_is_kept_by_the_claim(void **state)
{
    struct world *w = *state;
    start(w, 0);
    store_mem_fail_nth(w->processes[0].store, STORE_MEM_START, 1, STORE_MEM_LOST_BEFORE);
    for (int i = 0; i < 2000; i++)
        turn(w);
    assert_true(lane_ready(w->processes[0].lane));
    struct arena *arena = arena_new(4096);
    for (int32_t p = 0; p < PARTITIONS; p++) {
        struct slot_claim slot;
        assert_true(store_mem_slot(w->db, p, arena, &slot));
        assert_int_equal(slot.batch_no, 0);
        assert_int_equal(slot.position_count, echo_service.input_count + 1); // and control
        for (size_t i = 0; i < slot.position_count; i++)
            assert_int_equal(slot.positions[i].next_offset, 0);
    }
    arena_free(arena);
    for (int order = 0; order < ORDERS; order++)
        send_next(w, order);
    settle(w);
}

static void note_nothing(void *self, const struct store_position *positions, size_t count)
{
    (void)self;
    (void)positions;
    (void)count;
}

// Lag tools would show the slot as behind until something new comes, which may be never.
static void positions_that_got_lost_are_told_again_by_the_next_owner(void **state)
{
    struct world *w = *state;
    start(w, 0);
    w->processes[0].member->note_positions = note_nothing; // as a rebalance does
    for (int order = 0; order < ORDERS; order++)
        send_next(w, order);
    for (int i = 0; i < 1000; i++)
        turn(w);
    check_all_is_read(w);
    kill_process(w, 0);
    start(w, 0);
    for (int i = 0; i < 1000; i++)
        turn(w);
    for (int32_t p = 0; p < PARTITIONS; p++) {
        int64_t high = bus_mem_high(w->bus, TOPIC_COMMANDS_VALIDATOR, p);
        assert_int_equal(bus_mem_noted(w->bus, TOPIC_COMMANDS_VALIDATOR, p), high);
    }
}

// Topics that are new have no leaders yet: reading can't start, while the store answers.
static struct leaderless_bus {
    struct bus_port made;
    const struct clock_mem *clock;
    instant until;
    unsigned refused;
} leaderless;

static struct err assign_to_leader(void *self, const int32_t *slots, size_t slot_count,
                                   const struct store_position *positions, size_t position_count,
                                   int64_t *ret_start)
{
    if (slot_count > 0 && leaderless.clock->now < leaderless.until) {
        leaderless.refused++;
        return err_make(ERR_RETRY, "Kafka watermarks: Not leader for partition");
    }
    return leaderless.made.assign(self, slots, slot_count, positions, position_count, ret_start);
}

static void take_leaders_away(struct world *w, int i, int64_t us)
{
    struct bus_port *port = w->processes[i].member;
    leaderless = (struct leaderless_bus){.made = *port, .clock = &w->clock, .until = w->clock.now + us};
    port->assign = assign_to_leader;
}

static unsigned suspects_marked;

static enum store_mem_fault count_suspects(void *self, enum store_mem_call call)
{
    (void)self;
    suspects_marked += call == STORE_MEM_MARK_SUSPECT;
    return STORE_MEM_OK;
}

// Whether the next owner of slot 0 reads its inputs singly.
static bool slot_is_dirty(struct world *w)
{
    struct arena *arena = arena_new(4096);
    struct slot_claim slot;
    bool dirty = store_mem_slot(w->db, 0, arena, &slot) && slot.dirty > 0;
    arena_free(arena);
    return dirty;
}

static void claims_wait_longer_and_longer_for_leaders(void **state)
{
    struct world *w = *state;
    start(w, 0);
    take_leaders_away(w, 0, 60 * INSTANT_SECOND);
    instant until = leaderless.until;
    while (w->clock.now < until)
        turn(w);
    assert_false(lane_ready(w->processes[0].lane));
    assert_in_range(leaderless.refused, 55, 140); // a second at most between two, and some earlier ones
    for (int order = 0; order < ORDERS; order++)
        send_next(w, order);
    settle(w);
}

// Who owned a slot without running anything can't have died of its inputs.
static void an_owner_that_ran_nothing_leaves_no_suspicion(void **state)
{
    struct world *w = *state;
    start(w, 0);
    take_leaders_away(w, 0, 10 * INSTANT_SECOND);
    while (w->clock.now < leaderless.until)
        turn(w);
    kill_process(w, 0); // before it could read
    start(w, 0);
    for (int i = 0; i < 100; i++)
        turn(w);
    assert_true(lane_ready(w->processes[0].lane));
    kill_process(w, 0); // and when there was nothing to read
    for (int order = 0; order < ORDERS; order++)
        send_next(w, order);
    start(w, 0);
    suspects_marked = 0;
    store_mem_on_call(w->processes[0].store, count_suspects, NULL);
    for (int i = 0; i < 1000; i++)
        turn(w);
    check_all_is_read(w);
    assert_int_equal(suspects_marked, 0);
}

// A rolling upgrade to another subscription: each group gives its process every slot. One has died in its first batch, so that each
// input is written down as suspect first.
static void two_groups_leave_each_other_time_to_work(void **state)
{
    struct world *w = *state;
    struct lane_service next = echo_service;
    for (int order = 0; order < ORDERS; order++)
        send_next(w, order);
    start(w, 0);
    store_mem_fail_nth(w->processes[0].store, STORE_MEM_COMMIT, 1, STORE_MEM_LOST_BEFORE);
    for (int i = 0; i < 100 && !slot_is_dirty(w); i++)
        lane_step(w->processes[0].lane, 0);
    assert_true(slot_is_dirty(w));
    kill_process(w, 0);
    start(w, 0);
    start_as(w, 1, &next);
    move_far_away(w, 0);
    move_far_away(w, 1);
    for (int i = 0; i < 4000; i++)
        turn(w);
    check_all_is_read(w);
    kill_process(w, 1); // its service ends with this function
    settle(w);
}

// As a client with another partitioner would send it: the lane of that partition must not touch the order's rows.
static void a_record_on_another_partition_is_refused(void **state)
{
    struct world *w = *state;
    char key[UUID_TEXT_SIZE];
    start(w, 0);
    send_next(w, 0);
    key_of(0, key);
    int32_t right = hash_partition(bytes_str(key), PARTITIONS);
    const struct bus_record *sent = bus_mem_record(w->bus, TOPIC_COMMANDS_VALIDATOR, right, 0);
    bus_mem_append_at(w->bus, TOPIC_COMMANDS_VALIDATOR, (right + 1) % PARTITIONS, sent->key, sent->value);
    for (int i = 0; i < 100; i++)
        turn(w);
    check_all_is_read(w);
    assert_int_equal(bus_mem_high(w->bus, TOPIC_DEAD_LETTERS, right), 1);
    struct bytes value = bus_mem_record(w->bus, TOPIC_DEAD_LETTERS, right, 0)->value;
    Orderclerk__V1__DeadLetter *letter = orderclerk__v1__dead_letter__unpack(NULL, value.size, value.data);
    assert_non_null(letter);
    assert_string_equal(letter->reason, "WRONG_PARTITION");
    assert_int_equal(letter->partition, (right + 1) % PARTITIONS);
    assert_false(letter->held);
    orderclerk__v1__dead_letter__free_unpacked(letter, NULL);
    send_next(w, 0); // the order goes on
    settle(w);
}

#define BATCH_US 20000 // that a batch takes

static struct {
    struct world *world;
    void (*poll)(void *self, int64_t timeout_us, struct bus_event *ret_event);
} waiting;

static void poll_that_waits(void *self, int64_t timeout_us, struct bus_event *ret_event)
{
    waiting.poll(self, 0, ret_event);
    if (ret_event->kind == BUS_NOTHING && timeout_us > 0)
        waiting.world->clock.now += timeout_us;
}

static enum store_mem_fault commit_that_takes_time(void *self, enum store_mem_call call)
{
    struct world *w = self;
    if (call == STORE_MEM_COMMIT)
        w->clock.now += BATCH_US;
    return STORE_MEM_OK;
}

// How long a record waits for company.
static int64_t wait_of(struct world *w, int order)
{
    send_next(w, order);
    const instant before = w->clock.now;
    lane_step(w->processes[0].lane, 0);
    return w->clock.now - before - BATCH_US;
}

static void who_comes_after_a_load_waits_for_nobody(void **state)
{
    struct world *w = *state;
    w->linger_max_us = 100 * INSTANT_MS;
    start(w, 0);
    for (int i = 0; i < 10; i++)
        lane_step(w->processes[0].lane, 0);
    struct bus_port *bus = w->processes[0].member;
    waiting.world = w;
    waiting.poll = bus->poll;
    bus->poll = poll_that_waits;
    store_mem_on_call(w->processes[0].store, commit_that_takes_time, w);
    for (int sent = 0; sent < ORDERS; sent++) {
        send_next(w, sent);
        if (sent % 5 == 4)
            lane_step(w->processes[0].lane, 0);
    }
    assert_true(wait_of(w, 0) > BATCH_US / 2); // others may be on their way
    w->clock.now += INSTANT_SECOND;
    assert_int_equal(wait_of(w, 1), 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(lanes_share_the_slots),
        T(processes_die_at_any_time),
        T(every_call_of_the_store_may_fail),
        T(a_stopped_process_that_wakes_up_changes_nothing),
        T(a_broken_client_is_made_anew),
        T(a_batch_that_is_too_much_becomes_smaller),
        T(where_reading_begins_is_kept_by_the_claim),
        T(positions_that_got_lost_are_told_again_by_the_next_owner),
        T(claims_wait_longer_and_longer_for_leaders),
        T(an_owner_that_ran_nothing_leaves_no_suspicion),
        T(two_groups_leave_each_other_time_to_work),
        T(a_record_on_another_partition_is_refused),
        T(who_comes_after_a_load_waits_for_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
