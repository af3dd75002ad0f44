// The database of common/ingress in memory, with the rules of its statements, and the producer of its publisher. The linker
// sends the calls here (--wrap); all else of ingress is the production's own.
//
// Slots are fenced by epoch and batch number and held by a session (an advisory lock); names of submissions are unique; what a
// transaction has put in is seen by nobody else, and who puts in the same name waits for its end; outbox rows are numbered
// without gaps. A session that stands still inside a transaction is ended after two seconds.
#include "sim/sim.h"

#include "ingress/ingress_internal.h"
#include "sim/sim_door.h"

#include <assert.h>
#include <stdlib.h>

#define SLOTS       3
#define IDLE_MAX_US (2 * INSTANT_SECOND)
#define LOOK_US     (200 * INSTANT_MS) // between looks whether another transaction has ended
#define STALE_US    (10 * INSTANT_SECOND)
#define LOOK_DAY_US (24 * INSTANT_HOUR)

struct row {
    struct submission_row {
        struct uuid id, subject;
        struct bytes scope, key, client_key, fingerprint, look;
    } s;
    struct sim_session *by; // of a transaction that isn't over; NULL: committed
};

struct outbox {
    int32_t slot;
    int64_t batch_no;
    struct bytes records;
};

struct door_slot {
    int64_t epoch, batch_no, published_no;
    instant seen_at;
    struct sim_session *held_by;
    struct sim_session *changing; // row lock
};

struct look {
    struct uuid subject;
    instant at;
};

struct sim_ingress_db {
    struct door_slot slots[SLOTS];
    struct row **rows;
    size_t row_count, row_capacity;
    struct sim_map names; // of (scope, key) and client_key: the row
    struct sim_map looks; // struct look
    struct sim_map versions;
    struct sim_session *versions_by; // who changes versions
    struct outbox *outbox;
    size_t outbox_count, outbox_capacity;
};

struct sim_session {
    struct sim_process *process;
    struct sim_ingress_db *db;
    bool connected;
    bool open;
    instant since; // of the transaction
    struct row *mine[512];
    size_t mine_count;
    struct {
        uint64_t key;
        int64_t before;
    } versions[512];
    size_t version_count;
};
// struct pg is the library's word for a session.
#define SESSION(pg) ((struct sim_session *)(void *)(pg))

struct sim_ingress_db *sim_ingress_db_new(void)
{
    return arena_new_object(sim->arena, struct sim_ingress_db);
}

void sim_ingress_db_free(struct sim_ingress_db *db)
{
    if (db == NULL)
        return;
    sim_map_free(&db->names);
    sim_map_free(&db->looks);
    sim_map_free(&db->versions);
    free(db->rows);
    free(db->outbox);
}

size_t sim_door_unpublished(const struct sim_ingress_db *db)
{
    size_t count = 0;
    for (size_t i = 0; i < SLOTS; i++)
        count += (size_t)(db->slots[i].batch_no - db->slots[i].published_no);
    return count;
}

bool sim_door_idle(const struct sim_process *p)
{
    return p->session != NULL && p->session->connected && !p->leaving &&
           sim_door_unpublished(p->session->db) == 0;
}

static void wake_doors(const struct sim_ingress_db *db)
{
    for (size_t i = 0; i < sim->process_count; i++) {
        struct sim_process *p = sim->processes[i];
        if (p == NULL || !p->alive || sim->services[p->service].door != db)
            continue;
        for (size_t k = 1; k < p->thread_count; k++)
            sim_wake(&p->threads[k]);
    }
}

// ---- transactions

static uint64_t name_of(const struct submission_row *s)
{
    return sim_key2(1, s->scope, s->key);
}

static void unname(struct sim_ingress_db *db, uint64_t key, const struct row *row)
{
    struct sim_map_item *item = sim_map_find(&db->names, key);
    if (item != NULL && item->value.pointer == row)
        item->value.pointer = NULL;
}

static void roll_back(struct sim_session *s)
{
    if (!s->open)
        return;
    s->open = false;
    for (size_t i = 0; i < s->mine_count; i++) {
        struct row *row = s->mine[i];
        unname(s->db, name_of(&row->s), row);
        if (row->s.client_key.data != NULL)
            unname(s->db, sim_key(2, row->s.client_key), row);
        row->by = NULL; // without names: nobody finds it
    }
    for (size_t i = 0; i < s->version_count; i++)
        sim_map_at(&s->db->versions, s->versions[i].key)->value.number = s->versions[i].before;
    for (size_t i = 0; i < SLOTS; i++) {
        if (s->db->slots[i].changing == s)
            s->db->slots[i].changing = NULL;
    }
    if (s->db->versions_by == s)
        s->db->versions_by = NULL;
    s->mine_count = s->version_count = 0;
}

void sim_session_end(struct sim_session *s)
{
    roll_back(s);
    s->connected = false;
    for (size_t i = 0; i < SLOTS; i++) {
        if (s->db->slots[i].held_by == s)
            s->db->slots[i].held_by = NULL;
    }
}

static struct err lost(void)
{
    return err_make(ERR_FENCED, "connection to the database lost");
}

// What every call does first. *ret_after: it is done, and then the connection is lost.
static struct err enter(struct sim_session *s, const char *call, bool *ret_after)
{
    *ret_after = false;
    sim_point(s->process);
    if (!s->connected)
        return lost();
    switch (sim_faults_door(s->process, call)) {
    case STORE_MEM_OK:
        break;
    case STORE_MEM_REFUSED:
        roll_back(s);
        return err_make(ERR_RETRY, "refused by a fault");
    case STORE_MEM_LOST_BEFORE:
        sim_session_end(s);
        return lost();
    case STORE_MEM_LOST_AFTER:
        *ret_after = true;
        break;
    }
    return err_ok();
}

static struct err leave(struct sim_session *s, struct err e, bool after)
{
    if (!after)
        return e;
    sim_session_end(s);
    return lost();
}

// Waits until that session's transaction is over. RETRY: lock_timeout. FENCED: ended meanwhile.
static struct err wait_for(struct sim_session *s, struct sim_session *const *by)
{
    instant until = sim->now + IDLE_MAX_US;
    while (*by != NULL && *by != s) {
        if ((*by)->since + IDLE_MAX_US < sim->now) {
            sim_session_end(*by);
            continue;
        }
        if (sim->now >= until) {
            roll_back(s);
            return err_make(ERR_RETRY, "lock timeout");
        }
        sim_wait(sim_thread_current(), sim->now + LOOK_US);
        if (!s->connected)
            return lost();
    }
    return err_ok();
}

// ---- statements. NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp,readability-identifier-naming)

struct err __wrap_ingress_store_open(const char *dsn, int32_t slots, struct pg **ret_pg)
{
    (void)dsn;
    (void)slots;
    struct sim_process *p = sim_current();
    struct sim_session *s = arena_new_object(sim->arena, struct sim_session);
    s->process = p;
    s->db = sim->services[p->service].door;
    s->connected = true;
    bool after;
    struct err e = enter(s, "open", &after);
    if (err_is(&e))
        return err_make(ERR_RETRY, "no connection");
    p->session = s;
    *ret_pg = (struct pg *)(void *)s;
    return err_ok();
}

struct err __wrap_ingress_store_hold(struct pg *pg, int32_t i, bool *ret_held)
{
    struct sim_session *s = SESSION(pg);
    bool after;
    struct err e = enter(s, "hold", &after);
    if (err_is(&e))
        return e;
    struct door_slot *slot = &s->db->slots[i];
    *ret_held = slot->held_by == NULL || slot->held_by == s;
    if (*ret_held)
        slot->held_by = s;
    return leave(s, e, after);
}

struct err __wrap_ingress_store_claim(struct pg *pg, int32_t i, struct held_slot *ret_slot)
{
    struct sim_session *s = SESSION(pg);
    bool after;
    struct err e = enter(s, "claim", &after);
    if (!err_is(&e))
        e = wait_for(s, &s->db->slots[i].changing);
    if (err_is(&e))
        return e;
    struct door_slot *slot = &s->db->slots[i];
    slot->epoch++;
    slot->seen_at = sim->now;
    *ret_slot = (struct held_slot){.i = i,
                                   .epoch = slot->epoch,
                                   .batch_no = slot->batch_no,
                                   .handed_no = slot->published_no,
                                   .marked_no = slot->published_no};
    return leave(s, e, after);
}

struct err __wrap_ingress_store_give_back(struct pg *pg, int32_t i)
{
    struct sim_session *s = SESSION(pg);
    bool after;
    struct err e = enter(s, "give_back", &after);
    if (err_is(&e))
        return e;
    if (s->db->slots[i].held_by == s)
        s->db->slots[i].held_by = NULL;
    return leave(s, e, after);
}

struct err __wrap_ingress_store_left(struct pg *pg, struct arena *arena, int32_t **ret_slots,
                                     bool **ret_stale, size_t *ret_count)
{
    struct sim_session *s = SESSION(pg);
    bool after;
    struct err e = enter(s, "left", &after);
    if (err_is(&e))
        return e;
    int32_t *slots = arena_new_array(arena, int32_t, SLOTS);
    bool *stale = arena_new_array(arena, bool, SLOTS);
    size_t count = 0;
    for (int32_t i = 0; i < SLOTS; i++) {
        const struct door_slot *slot = &s->db->slots[i];
        if (slot->batch_no <= slot->published_no)
            continue;
        slots[count] = i;
        stale[count++] = slot->seen_at < sim->now - STALE_US;
    }
    *ret_slots = slots;
    *ret_stale = stale;
    *ret_count = count;
    return leave(s, e, after);
}

struct err __wrap_ingress_store_end_holder(struct pg *pg, int32_t i)
{
    struct sim_session *s = SESSION(pg);
    bool after;
    struct err e = enter(s, "end_holder", &after);
    if (err_is(&e))
        return e;
    struct sim_session *holder = s->db->slots[i].held_by;
    if (holder != NULL && holder != s)
        sim_session_end(holder);
    return leave(s, e, after);
}

struct err __wrap_ingress_store_mark(struct pg *pg, const struct held_slot *slot, int64_t published_no)
{
    struct sim_session *s = SESSION(pg);
    bool after;
    struct err e = enter(s, "mark", &after);
    if (!err_is(&e))
        e = wait_for(s, &s->db->slots[slot->i].changing);
    if (err_is(&e))
        return e;
    struct door_slot *row = &s->db->slots[slot->i];
    if (row->epoch != slot->epoch)
        return leave(s, err_make(ERR_FENCED, "ingress slot %d has another owner", slot->i), after);
    row->seen_at = sim->now;
    if (published_no > row->published_no) {
        sim_check_door_published(s->db, slot->i, row->published_no, published_no);
        row->published_no = published_no;
    }
    return leave(s, e, after);
}

struct err __wrap_ingress_store_outbox(struct pg *pg, struct arena *arena, int32_t slot, int64_t after_no,
                                       struct store_outbox_row **ret_rows, size_t *ret_count)
{
    struct sim_session *s = SESSION(pg);
    bool after;
    struct err e = enter(s, "outbox", &after);
    if (err_is(&e))
        return e;
    struct store_outbox_row *rows = arena_new_array(arena, struct store_outbox_row, OUTBOX_READ_ROWS);
    size_t count = 0;
    for (size_t i = 0; i < s->db->outbox_count && count < OUTBOX_READ_ROWS; i++) {
        const struct outbox *row = &s->db->outbox[i];
        if (row->slot == slot && row->batch_no > after_no)
            rows[count++] = (struct store_outbox_row){.batch_no = row->batch_no, .records = row->records};
    }
    *ret_rows = rows;
    *ret_count = count;
    return leave(s, e, after);
}

struct err __wrap_ingress_store_maintain(struct pg *pg)
{
    (void)pg;
    return err_ok();
}

// ---- a commit

static void name_row(struct sim_session *s, struct row *row)
{
    struct sim_ingress_db *db = s->db;
    sim_map_at(&db->names, name_of(&row->s))->value.pointer = row;
    if (row->s.client_key.data != NULL)
        sim_map_at(&db->names, sim_key(2, row->s.client_key))->value.pointer = row;
    assert(s->mine_count < sizeof s->mine / sizeof s->mine[0]);
    s->mine[s->mine_count++] = row;
}

// The row that has one of the names; waits for a transaction that has put one in. NULL: none.
static struct err find_row(struct sim_session *s, const struct submission *item, struct row **ret_row)
{
    uint64_t keys[2] = {sim_key2(1, item->scope, item->key), sim_key(2, item->client_key)};
    *ret_row = NULL;
    for (size_t k = 0; k < (item->client_key.data != NULL ? 2 : 1); k++) {
        const struct sim_map_item *found = sim_map_find(&s->db->names, keys[k]);
        struct row *row = found == NULL ? NULL : found->value.pointer;
        if (row == NULL)
            continue;
        struct sim_session *by = row->by;
        if (by != NULL && by != s) {
            struct err e = wait_for(s, &row->by);
            if (err_is(&e))
                return e;
            return find_row(s, item, ret_row); // it may have been taken back
        }
        *ret_row = row;
    }
    return err_ok();
}

static struct row *row_new(const struct submission *item)
{
    struct row *row = arena_new_object(sim->arena, struct row);
    row->s = (struct submission_row){.id = item->id,
                                     .subject = item->subject,
                                     .scope = arena_bytes(sim->arena, item->scope),
                                     .key = arena_bytes(sim->arena, item->key),
                                     .client_key = arena_bytes(sim->arena, item->client_key),
                                     .fingerprint = arena_bytes(sim->arena, item->fingerprint),
                                     .look = arena_bytes(sim->arena, item->look)};
    return row;
}

static struct uuid look_before(struct sim_session *s, const struct submission *item)
{
    struct sim_map_item *found =
        item->look.data == NULL ? NULL : sim_map_find(&s->db->looks, sim_key(3, item->look));
    if (found == NULL || ((struct look *)found->value.pointer)->at <= sim->now - LOOK_DAY_US)
        return (struct uuid){{0}};
    return ((struct look *)found->value.pointer)->subject;
}

struct err __wrap_ingress_store_begin(struct pg *pg, const struct held_slot *slot, int64_t published_no,
                                      struct submission *const *items, size_t count, struct arena *arena,
                                      struct store_stored **ret_stored, size_t *ret_count)
{
    struct sim_session *s = SESSION(pg);
    bool after;
    struct err e = enter(s, "begin", &after);
    if (err_is(&e))
        return e;
    struct door_slot *row = &s->db->slots[slot->i];
    s->open = true;
    s->since = sim->now;
    e = wait_for(s, &row->changing);
    if (err_is(&e))
        return e;
    if (row->epoch != slot->epoch || row->batch_no != slot->batch_no) {
        roll_back(s);
        return leave(s, err_make(ERR_FENCED, "ingress slot %d has another owner", slot->i), after);
    }
    row->changing = s;
    if (published_no > row->published_no)
        sim_check_door_published(s->db, slot->i, row->published_no, published_no);
    struct store_stored *stored = arena_new_array(arena, struct store_stored, count);
    size_t stored_count = 0;
    for (size_t i = 0; i < count; i++) {
        struct row *other;
        e = find_row(s, items[i], &other);
        if (err_is(&e))
            return e;
        if (other != NULL)
            continue;
        struct row *fresh = row_new(items[i]);
        fresh->by = s;
        name_row(s, fresh);
        stored[stored_count].id = items[i]->id;
        stored[stored_count++].look_alike = look_before(s, items[i]);
    }
    *ret_stored = stored;
    *ret_count = stored_count;
    return leave(s, e, after);
}

struct err __wrap_ingress_store_find(struct pg *pg, struct submission *const *items, size_t count,
                                     struct arena *arena, struct store_found **ret_found, size_t *ret_count)
{
    struct sim_session *s = SESSION(pg);
    bool after;
    struct err e = enter(s, "find", &after);
    if (err_is(&e))
        return e;
    struct store_found *found = arena_new_array(arena, struct store_found, 2 * count);
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t keys[2] = {sim_key2(1, items[i]->scope, items[i]->key), sim_key(2, items[i]->client_key)};
        for (size_t k = 0; k < (items[i]->client_key.data != NULL ? 2 : 1); k++) {
            const struct sim_map_item *item = sim_map_find(&s->db->names, keys[k]);
            const struct row *row = item == NULL ? NULL : item->value.pointer;
            if (row == NULL || (row->by != NULL && row->by != s))
                continue;
            found[n++] = (struct store_found){.id = row->s.id,
                                              .scope = row->s.scope,
                                              .key = row->s.key,
                                              .client_key = row->s.client_key,
                                              .fingerprint = row->s.fingerprint,
                                              .subject = row->s.subject};
        }
    }
    *ret_found = found;
    *ret_count = n;
    return leave(s, e, after);
}

struct err __wrap_ingress_store_versions(struct pg *pg, struct store_version *versions, size_t count,
                                         struct arena *arena)
{
    (void)arena;
    struct sim_session *s = SESSION(pg);
    bool after;
    struct err e = enter(s, "versions", &after);
    if (!err_is(&e))
        e = wait_for(s, &s->db->versions_by);
    if (err_is(&e))
        return e;
    s->db->versions_by = s;
    for (size_t i = 0; i < count; i++) {
        uint64_t key = sim_key((uint64_t)versions[i].topic + 100, versions[i].key);
        struct sim_map_item *item = sim_map_at(&s->db->versions, key);
        assert(s->version_count < sizeof s->versions / sizeof s->versions[0]);
        s->versions[s->version_count].key = key;
        s->versions[s->version_count++].before = item->value.number;
        item->value.number += versions[i].count;
        versions[i].version = item->value.number;
    }
    return leave(s, e, after);
}

static void commit_rows(struct sim_session *s)
{
    for (size_t i = 0; i < s->mine_count; i++) {
        struct row *row = s->mine[i];
        row->by = NULL;
        if (row->s.look.data == NULL)
            continue;
        struct look *look = arena_new_object(sim->arena, struct look);
        *look = (struct look){.subject = row->s.subject, .at = sim->now};
        sim_map_at(&s->db->looks, sim_key(3, row->s.look))->value.pointer = look;
    }
    s->mine_count = s->version_count = 0;
}

struct err __wrap_ingress_store_commit(struct pg *pg, const struct held_slot *slot, struct bytes records,
                                       struct arena *arena)
{
    (void)arena;
    struct sim_session *s = SESSION(pg);
    struct sim_ingress_db *db = s->db;
    bool after;
    struct err e = enter(s, "commit", &after);
    if (err_is(&e))
        return e;
    if (!s->open)
        return leave(s, err_make(ERR_RETRY, "no transaction"), after);
    struct door_slot *row = &db->slots[slot->i];
    SIM_CHECK(I13_EPOCH, row->epoch == slot->epoch && row->changing == s,
              "a door saves slot %d under epoch %lld of %lld", slot->i, (long long)slot->epoch,
              (long long)row->epoch);
    if (db->outbox_count == db->outbox_capacity) {
        db->outbox_capacity = db->outbox_capacity == 0 ? 64 : db->outbox_capacity * 2;
        db->outbox = realloc(db->outbox, db->outbox_capacity * sizeof *db->outbox);
        assert(db->outbox != NULL);
    }
    row->batch_no++;
    row->seen_at = sim->now;
    db->outbox[db->outbox_count] = (struct outbox){
        .slot = slot->i, .batch_no = row->batch_no, .records = arena_bytes(sim->arena, records)};
    sim_check_door_committed(s->process, slot->i, row->batch_no, db->outbox[db->outbox_count].records);
    db->outbox_count++;
    commit_rows(s);
    roll_back(s); // what is left: locks
    wake_doors(db);
    return leave(s, e, after);
}

void __wrap_pg_close(struct pg *pg)
{
    if (pg == NULL)
        return;
    struct sim_session *s = SESSION(pg);
    sim_session_end(s);
    if (s->process->session == s)
        s->process->session = NULL;
}

bool __wrap_pg_alive(const struct pg *pg)
{
    return pg != NULL && ((const struct sim_session *)(const void *)pg)->connected;
}

struct err __wrap_pg_rollback(struct pg *pg)
{
    roll_back(SESSION(pg));
    return err_ok();
}

// NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp,readability-identifier-naming)
