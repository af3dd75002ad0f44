// The store port over memory: the rows of one service, shared by its lanes, with the refusals of store_pg.
//
// Time comes from a clock port, so that the simulator's own can drive it. A hook sees every call and may make it fail as
// a database or a network would. One thread; lanes take turns, so a lock is refused at once where PostgreSQL would wait
// for lock_timeout, and a claim ends whoever holds the slot.
#pragma once

#include "lane/store.h"

struct store_mem_db; // outlives the ports opened on it

// The lane's own tables are added to `tables`.
struct store_mem_db *store_mem_db_new(const struct table *const *tables, size_t table_count,
                                      const struct clock_port *clock);
void store_mem_db_free(struct store_mem_db *db);

// A lane's port. Closing it with an open transaction rolls that back; leaving it open with one is a stopped process.
struct store_port *store_mem_open(struct store_mem_db *db);
void store_mem_close(struct store_port *port); // NULL is fine

enum store_mem_call {
    STORE_MEM_CLAIM,
    STORE_MEM_RELEASE,
    STORE_MEM_BEGIN,
    STORE_MEM_LOAD,
    STORE_MEM_COMMIT,
    STORE_MEM_OUTBOX,
    STORE_MEM_MARK_PUBLISHED,
    STORE_MEM_START,
    STORE_MEM_MARK_BEGUN,
    STORE_MEM_MARK_SUSPECT,
    STORE_MEM_NEXT_DUE,
};

enum store_mem_fault {
    STORE_MEM_OK,
    STORE_MEM_REFUSED,     // RETRY, nothing done, an open transaction rolled back
    STORE_MEM_LOST_BEFORE, // the connection is lost and nothing was done
    STORE_MEM_LOST_AFTER,  // it is lost after everything was done: a commit's outcome is unknown
};

// Asked at the start of every call (not rollback). NULL: never fails.
typedef enum store_mem_fault store_mem_hook(void *self, enum store_mem_call call);
void store_mem_on_call(struct store_port *port, store_mem_hook *hook, void *self);
// The nth call of this kind from now (1: the next) fails so, once. Takes the place of a hook.
void store_mem_fail_nth(struct store_port *port, enum store_mem_call call, unsigned nth,
                        enum store_mem_fault fault);

// Told of what has just been changed, in the call that changes it.
struct store_mem_tap {
    void *self;
    void (*claimed)(void *self, struct store_port *port, const struct slot_claim *claims, size_t count);
    // The rows are changed already; slots and positions aren't yet.
    void (*committed)(void *self, struct store_port *port, const struct slot_fence *fences,
                      size_t fence_count, const struct store_changes *changes);
    void (*started)(void *self, struct store_port *port, const struct store_position *start);
    void (*published)(void *self, struct store_port *port, int32_t slot, int64_t published_no);
};
void store_mem_on_change(struct store_mem_db *db, const struct store_mem_tap *tap);
// The connection is lost, whatever it was in the middle of: its next call says so.
void store_mem_cut(struct store_port *port);
bool store_mem_in_transaction(const struct store_port *port);

// Each row in key order, as it is kept: valid until the next change. NULL past the end.
const void *store_mem_row(struct store_mem_db *db, const struct table *table, size_t index);
// The row with the key of probe; NULL: none. Valid until the next commit.
const void *store_mem_find(struct store_mem_db *db, const struct table *table, const void *probe);
// What is committed, for tests: rows in key order, copied into the arena.
size_t store_mem_rows(struct store_mem_db *db, const struct table *table, size_t column, struct value value,
                      struct arena *arena, void **ret_rows);
size_t store_mem_all(struct store_mem_db *db, const struct table *table, struct arena *arena,
                     void **ret_rows);
// A slot and its positions. False: never claimed.
int64_t store_mem_published(struct store_mem_db *db, int32_t slot); // 0: never claimed
bool store_mem_slot(struct store_mem_db *db, int32_t slot, struct arena *arena, struct slot_claim *ret_slot);
// Whether it is stored where the slot goes on reading the topic.
bool store_mem_started(const struct store_mem_db *db, int32_t slot, enum topic topic);
// Puts a row in place, as if it had always been there (a test's starting state). The same refusals.
struct err store_mem_put(struct store_mem_db *db, const struct table *table, const void *row) ERR_MUST_CHECK;
