// Slots, transactions and connections of the store over memory. See store_mem.h.
#include "sim/store_mem_internal.h"

#include "base/mutant.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

void *mem_calloc(size_t count, size_t size)
{
    void *memory = calloc(count, size);
    if (memory == NULL) {
        fprintf(stderr, "out of memory: %zu * %zu bytes\n", count, size);
        abort();
    }
    return memory;
}

struct mem_table *mem_table_of(struct store_mem_db *db, const struct table *table)
{
    for (size_t i = 0; i < db->table_count; i++) {
        if (db->tables[i].table == table)
            return &db->tables[i];
    }
    fprintf(stderr, "table %s isn't in this store\n", table->name);
    abort();
}

struct mem_slot *mem_slot_of(struct store_mem_db *db, int32_t slot)
{
    assert(slot >= 0 && slot < SLOTS_MAX);
    return &db->slots[slot];
}

void mem_tell_published(struct store_mem *m, int32_t slot, int64_t published_no)
{
    if (m->db->tap.published != NULL && published_no > mem_slot_of(m->db, slot)->published_no)
        m->db->tap.published(m->db->tap.self, &m->port, slot, published_no);
}

void mem_suspect_set(struct mem_slot *slot, struct bytes suspect, int32_t tries)
{
    free(slot->suspect);
    slot->suspect = NULL;
    slot->suspect_size = 0;
    slot->suspect_tries = tries;
    if (suspect.data == NULL)
        return;
    slot->suspect = mem_calloc(1, suspect.size + 1);
    memcpy(slot->suspect, suspect.data, suspect.size);
    slot->suspect_size = suspect.size;
}

// ---- transactions

void mem_lock_row(struct store_mem *m, struct mem_row *row)
{
    if (row->locked_by == m)
        return;
    if (m->locked_count == m->locked_capacity) {
        m->locked_capacity = m->locked_capacity == 0 ? 64 : m->locked_capacity * 2;
        m->locked = realloc(m->locked, m->locked_capacity * sizeof(struct mem_row *));
        if (m->locked == NULL)
            abort();
    }
    row->locked_by = m;
    m->locked[m->locked_count++] = row;
}

void mem_unlock_rows(struct store_mem *m)
{
    for (size_t i = 0; i < m->locked_count; i++)
        m->locked[i]->locked_by = NULL;
    m->locked_count = 0;
}

void mem_end_transaction(struct store_mem *m)
{
    if (!m->open)
        return;
    for (size_t i = 0; i < m->fence_count; i++)
        mem_slot_of(m->db, m->fences[i].slot)->locked_by = NULL;
    mem_unlock_rows(m);
    m->open = false;
    m->fences = NULL;
    m->fence_count = 0;
    arena_reset(m->arena);
}

static void lose_connection(struct store_mem *m)
{
    mem_end_transaction(m);
    m->connected = false;
}

static struct err lost(void)
{
    return err_make(ERR_FENCED, "connection to the database lost");
}

static enum store_mem_fault ask(struct store_mem *m, enum store_mem_call call)
{
    if (m->fail_in > 0 && m->fail_call == call && --m->fail_in == 0)
        return m->fail_how;
    return m->hook == NULL ? STORE_MEM_OK : m->hook(m->hook_self, call);
}

// What every call does first. An error: the call is over.
struct err mem_enter(struct store_mem *m, enum store_mem_call call, bool *ret_lost_after)
{
    *ret_lost_after = false;
    if (!m->connected)
        return lost();
    enum store_mem_fault fault = ask(m, call);
    if (!m->connected) // cut meanwhile
        return lost();
    switch (fault) {
    case STORE_MEM_OK:
        break;
    case STORE_MEM_REFUSED:
        mem_end_transaction(m);
        return err_make(ERR_RETRY, "refused by a test");
    case STORE_MEM_LOST_BEFORE:
        lose_connection(m);
        return lost();
    case STORE_MEM_LOST_AFTER:
        *ret_lost_after = true;
        break;
    }
    return err_ok();
}

struct err mem_leave(struct store_mem *m, struct err e, bool lost_after)
{
    if (!lost_after)
        return e;
    lose_connection(m);
    return lost();
}

struct err mem_roll_back_with(struct store_mem *m, struct err e)
{
    mem_end_transaction(m);
    return e;
}

// ---- claim and release

static int by_slot(const void *a, const void *b)
{
    int32_t left = *(const int32_t *)a;
    int32_t right = *(const int32_t *)b;
    return (left > right) - (left < right);
}

void mem_slot_out(const struct mem_slot *s, int32_t slot, struct arena *arena, struct slot_claim *ret_claim)
{
    struct store_position *positions = arena_new_array(arena, struct store_position, TOPIC_MAX);
    size_t count = 0;
    for (int topic = 0; topic < TOPIC_MAX; topic++) {
        if (s->next_offset[topic] >= 0)
            positions[count++] = (struct store_position){
                .slot = slot, .topic = (enum topic)topic, .next_offset = s->next_offset[topic]};
    }
    *ret_claim = (struct slot_claim){
        .slot = slot,
        .epoch = s->epoch,
        .batch_no = s->batch_no,
        .published_no = s->published_no,
        .dirty = s->dirty,
        .suspect = arena_bytes(arena, bytes_of(s->suspect, s->suspect_size)),
        .suspect_tries = s->suspect_tries,
        .positions = positions,
        .position_count = count,
    };
}

struct err mem_claim(void *self, const int32_t *slots, size_t count, struct arena *arena,
                     struct slot_claim *ret_claims)
{
    struct store_mem *m = self;
    mem_end_transaction(m);
    m->connected = true;
    bool lost_after;
    struct err e = mem_enter(m, STORE_MEM_CLAIM, &lost_after);
    if (!err_is(&e)) {
        int32_t *sorted = arena_new_array(arena, int32_t, count);
        if (count > 0)
            memcpy(sorted, slots, count * sizeof *sorted);
        qsort(sorted, count, sizeof *sorted, by_slot);
        for (size_t i = 0; i < count; i++) {
            struct mem_slot *s = mem_slot_of(m->db, sorted[i]);
            if (s->locked_by != NULL)
                lose_connection((struct store_mem *)s->locked_by);
            s->known = true;
            s->epoch += MUTANT(claim_keeps_epoch) ? 0 : 1;
        }
        for (size_t i = 0; i < count; i++) {
            mem_slot_out(mem_slot_of(m->db, slots[i]), slots[i], arena, &ret_claims[i]);
        }
        if (m->db->tap.claimed != NULL)
            m->db->tap.claimed(m->db->tap.self, &m->port, ret_claims, count);
        e = mem_leave(m, e, lost_after);
    }
    if (e.class == ERR_FENCED)
        e.class = ERR_RETRY;
    return e;
}

bool mem_owned(struct store_mem_db *db, int32_t slot, int64_t epoch)
{
    struct mem_slot *s = mem_slot_of(db, slot);
    return s->known && s->epoch == epoch;
}

// Whether another transaction is changing a slot that is still ours; a slot that isn't is passed by without waiting.
bool mem_any_locked(struct store_mem *m, const struct slot_fence *slots, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct store_mem *by = mem_slot_of(m->db, slots[i].slot)->locked_by;
        if (by != NULL && by != m && mem_owned(m->db, slots[i].slot, slots[i].epoch))
            return true;
    }
    return false;
}

struct err mem_slot_locked(void)
{
    return err_make(ERR_RETRY, "slot: a row is locked by another transaction (SQLSTATE 55P03)");
}

int64_t mem_greater(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

// release, mark_published and mark_begun
static struct err store_published(struct store_mem *m, enum store_mem_call call,
                                  const struct slot_fence *slots, size_t count)
{
    bool lost_after;
    struct err e = mem_enter(m, call, &lost_after);
    if (err_is(&e))
        return e;
    assert(!m->open);
    if (mem_any_locked(m, slots, count))
        return mem_leave(m, mem_slot_locked(), lost_after);
    for (size_t i = 0; i < count; i++) {
        struct mem_slot *s = mem_slot_of(m->db, slots[i].slot);
        if (mem_owned(m->db, slots[i].slot, slots[i].epoch) && slots[i].published_no > s->batch_no)
            return mem_leave(
                m, err_make(ERR_REJECT, "slot: breaks the check slot_published_no (SQLSTATE 23514)"),
                lost_after);
    }
    for (size_t i = 0; i < count; i++) {
        if (!mem_owned(m->db, slots[i].slot, slots[i].epoch))
            continue;
        struct mem_slot *s = mem_slot_of(m->db, slots[i].slot);
        mem_tell_published(m, slots[i].slot, slots[i].published_no);
        s->published_no = mem_greater(s->published_no, slots[i].published_no);
        if (call == STORE_MEM_MARK_BEGUN)
            s->dirty++;
        if (call == STORE_MEM_RELEASE) {
            s->dirty = 0;
            mem_suspect_set(s, (struct bytes){0}, 0);
        }
    }
    return mem_leave(m, err_ok(), lost_after);
}

struct err mem_release(void *self, const struct slot_fence *slots, size_t count)
{
    return store_published(self, STORE_MEM_RELEASE, slots, count);
}

struct err mem_mark_published(void *self, const struct slot_fence *slots, size_t count)
{
    return store_published(self, STORE_MEM_MARK_PUBLISHED, slots, count);
}

struct err mem_mark_begun(void *self, const struct slot_fence *slots, size_t count)
{
    return store_published(self, STORE_MEM_MARK_BEGUN, slots, count);
}

struct err mem_start(void *self, const struct slot_fence *slots, size_t count,
                     const struct store_position *starts, size_t start_count)
{
    struct store_mem *m = self;
    bool lost_after;
    struct err e = mem_enter(m, STORE_MEM_START, &lost_after);
    if (err_is(&e))
        return e;
    assert(!m->open);
    if (mem_any_locked(m, slots, count))
        return mem_leave(m, mem_slot_locked(), lost_after);
    size_t of = 0;
    for (size_t i = 0; i < start_count; i++) {
        for (size_t k = 0; slots[of].slot != starts[i].slot; of = k++)
            assert(k < count);
        struct mem_slot *s = mem_slot_of(m->db, starts[i].slot);
        if (!mem_owned(m->db, starts[i].slot, slots[of].epoch) || s->next_offset[starts[i].topic] >= 0)
            continue;
        s->next_offset[starts[i].topic] = starts[i].next_offset;
        if (m->db->tap.started != NULL)
            m->db->tap.started(m->db->tap.self, &m->port, &starts[i]);
    }
    return mem_leave(m, err_ok(), lost_after);
}

struct err mem_mark_suspect(void *self, int32_t slot, int64_t epoch, struct bytes suspect, int32_t tries)
{
    struct store_mem *m = self;
    bool lost_after;
    struct err e = mem_enter(m, STORE_MEM_MARK_SUSPECT, &lost_after);
    if (err_is(&e))
        return e;
    assert(!m->open);
    struct mem_slot *s = mem_slot_of(m->db, slot);
    if (!mem_owned(m->db, slot, epoch))
        return mem_leave(m, err_make(ERR_FENCED, "slot %d has another owner", slot), lost_after);
    if (s->locked_by != NULL)
        return mem_leave(m, mem_slot_locked(), lost_after);
    mem_suspect_set(s, suspect, tries);
    return mem_leave(m, err_ok(), lost_after);
}
