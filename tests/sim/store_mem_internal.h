// What the parts of the store over memory share: store_mem.c and store_mem_slots.c only.
#pragma once

#include "sim/store_mem.h"
#include "sim/store_mem_rows.h"

#define SLOTS_MAX 256 // more partitions than a test's topics have

struct mem_slot {
    int64_t epoch;
    int64_t batch_no;
    int64_t published_no;
    int32_t dirty;
    bool known;
    char *suspect; // malloc'd with its size; NULL: none
    size_t suspect_size;
    int32_t suspect_tries;
    int64_t next_offset[TOPIC_MAX]; // -1: never read
    const struct store_mem *locked_by;
};

struct store_mem {
    struct store_port port;
    struct store_mem_db *db;
    struct store_mem *next;
    bool connected;
    bool open; // a transaction
    // What a commit makes visible.
    const struct slot_fence *fences; // copies, owned ones only
    size_t fence_count;
    struct mem_row **locked; // rows that it has locked
    size_t locked_count;
    size_t locked_capacity;
    struct arena *arena; // of the transaction
    instant now;
    store_mem_hook *hook;
    void *hook_self;
    enum store_mem_call fail_call;
    unsigned fail_in;
    enum store_mem_fault fail_how;
};

struct store_mem_db {
    const struct clock_port *clock;
    struct mem_table *tables;
    size_t table_count;
    struct mem_slot *slots; // SLOTS_MAX
    struct store_mem_tap tap;
    struct store_mem *ports;
};

void *mem_calloc(size_t count, size_t size);
struct mem_table *mem_table_of(struct store_mem_db *db, const struct table *table);
struct mem_slot *mem_slot_of(struct store_mem_db *db, int32_t slot);
void mem_suspect_set(struct mem_slot *slot, struct bytes suspect, int32_t tries);
void mem_slot_out(const struct mem_slot *s, int32_t slot, struct arena *arena, struct slot_claim *ret_claim);
bool mem_owned(struct store_mem_db *db, int32_t slot, int64_t epoch);
bool mem_any_locked(struct store_mem *m, const struct slot_fence *slots, size_t count);
struct err mem_slot_locked(void);
int64_t mem_greater(int64_t a, int64_t b);

void mem_tell_published(struct store_mem *m, int32_t slot, int64_t published_no);
void mem_lock_row(struct store_mem *m, struct mem_row *row);
void mem_unlock_rows(struct store_mem *m);
void mem_end_transaction(struct store_mem *m);
// What every call does first and last. An error of mem_enter: the call is over.
struct err mem_enter(struct store_mem *m, enum store_mem_call call, bool *ret_lost_after);
struct err mem_leave(struct store_mem *m, struct err e, bool lost_after);
struct err mem_roll_back_with(struct store_mem *m, struct err e);

// Of the port.
struct err mem_claim(void *self, const int32_t *slots, size_t count, struct arena *arena,
                     struct slot_claim *ret_claims);
struct err mem_release(void *self, const struct slot_fence *slots, size_t count);
struct err mem_mark_published(void *self, const struct slot_fence *slots, size_t count);
struct err mem_start(void *self, const struct slot_fence *slots, size_t count,
                     const struct store_position *starts, size_t start_count);
struct err mem_mark_begun(void *self, const struct slot_fence *slots, size_t count);
struct err mem_mark_suspect(void *self, int32_t slot, int64_t epoch, struct bytes suspect, int32_t tries);
