// The store port over memory: loading, saving, and what tests see. See store_mem.h; slots and transactions are in
// store_mem_slots.c, rows in store_mem_rows.c.
#include "sim/store_mem.h"

#include "sim/store_mem_internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

// ---- loading

// Rows whose first key column has this value: found by halving.
static size_t first_of(const struct mem_table *t, struct value value)
{
    size_t low = 0;
    size_t high = t->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (mem_compare_column(t->table, t->rows[middle]->data, 0, value) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

// Values that rise (the lane asks in order) are looked up; others make a walk through the table.
static bool rise(const struct store_query *q)
{
    for (size_t i = 1; i < q->value_count; i++) {
        if (mem_compare_values(q->values[i - 1], q->values[i]) >= 0)
            return false;
    }
    return true;
}

static size_t find_by_key(const struct mem_table *t, const struct store_query *q, struct mem_row **found)
{
    size_t count = 0;
    for (size_t v = 0; v < q->value_count; v++) {
        for (size_t i = first_of(t, q->values[v]);
             i < t->count && mem_matches(t->table, t->rows[i]->data, 0, q->values[v]); i++)
            found[count++] = t->rows[i];
    }
    return count;
}

static int by_due(const void *a, const void *b)
{
    const struct key_state_row *left = (const void *)(*(struct mem_row *const *)a)->data;
    const struct key_state_row *right = (const void *)(*(struct mem_row *const *)b)->data;
    if (left->due != right->due)
        return left->due < right->due ? -1 : 1;
    return bytes_compare(left->key, right->key);
}

static bool is_due(const struct store_query *q, const struct key_state_row *row, instant now)
{
    if (row->due == INSTANT_NONE || row->due > now)
        return false;
    for (size_t i = 0; i < q->value_count; i++) {
        if (q->values[i].number == row->slot)
            return true;
    }
    return false;
}

static bool is_wanted(const struct store_query *q, const void *row)
{
    for (size_t i = 0; i < q->value_count; i++) {
        if (mem_matches(q->table, row, q->column, q->values[i]))
            return true;
    }
    return false;
}

// A text or UUID that PostgreSQL would refuse as a parameter.
static struct err check_query(const struct store_query *q)
{
    for (size_t i = 0; i < q->value_count; i++) {
        if (q->values[i].type == COLUMN_TEXT && q->values[i].text.data != NULL &&
            !bytes_is_utf8(q->values[i].text))
            return err_make(ERR_REJECT, "%s: a value to look up isn't well-formed UTF-8 (SQLSTATE 22021)",
                            q->table->name);
    }
    return err_ok();
}

static struct err answer(struct store_mem *m, struct store_query *q, struct arena *arena)
{
    assert(q->table->kind != TABLE_APPEND);
    struct err e = check_query(q);
    if (err_is(&e))
        return e;
    struct mem_table *t = mem_table_of(m->db, q->table);
    bool by_key = q->column == 0 && rise(q);
    size_t most = by_key && t->table->key_count == 1 && q->value_count < t->count ? q->value_count : t->count;
    struct mem_row **found = arena_new_array(arena, struct mem_row *, most);
    size_t count = by_key ? find_by_key(t, q, found) : 0;
    for (size_t i = 0; !by_key && i < t->count; i++) {
        bool take = q->column == STORE_DUE ? is_due(q, (const void *)t->rows[i]->data, m->now)
                                           : is_wanted(q, t->rows[i]->data);
        if (take)
            found[count++] = t->rows[i];
    }
    if (q->column == STORE_DUE) {
        assert(q->table == &key_state_table);
        qsort(found, count, sizeof(struct mem_row *), by_due);
        count = count < q->limit ? count : q->limit;
    }
    for (size_t i = 0; q->table->kind == TABLE_ROWS && i < count; i++) {
        if (found[i]->locked_by != NULL && found[i]->locked_by != m)
            return err_make(ERR_RETRY, "%s: a row is locked by another transaction (SQLSTATE 55P03)",
                            q->table->name);
        mem_lock_row(m, found[i]);
    }
    unsigned char *rows = arena_alloc_array(arena, count, q->table->row_size);
    for (size_t i = 0; i < count; i++)
        mem_copy_out(q->table, found[i]->data, arena, rows + i * q->table->row_size);
    q->rows = rows;
    q->row_count = count;
    return err_ok();
}

static struct err answer_all(struct store_mem *m, struct store_query *queries, size_t count,
                             struct arena *arena)
{
    for (size_t i = 0; i < count; i++) {
        struct err e = answer(m, &queries[i], arena);
        if (err_is(&e))
            return e;
    }
    return err_ok();
}

static struct err mem_begin(void *self, struct slot_fence *fences, size_t fence_count,
                            struct store_query *queries, size_t query_count, struct arena *arena,
                            instant *ret_now)
{
    struct store_mem *m = self;
    assert(!m->open);
    bool lost_after;
    struct err e = mem_enter(m, STORE_MEM_BEGIN, &lost_after);
    if (err_is(&e))
        return e;
    m->open = true;
    m->now = m->db->clock->now(m->db->clock->self);
    if (mem_any_locked(m, fences, fence_count))
        return mem_leave(m, mem_roll_back_with(m, mem_slot_locked()), lost_after);
    struct slot_fence *mine = arena_new_array(m->arena, struct slot_fence, fence_count);
    m->fences = mine;
    for (size_t i = 0; i < fence_count; i++) {
        struct mem_slot *s = mem_slot_of(m->db, fences[i].slot);
        fences[i].ret_owned =
            mem_owned(m->db, fences[i].slot, fences[i].epoch) && s->batch_no == fences[i].batch_no;
        if (!fences[i].ret_owned)
            continue;
        if (fences[i].published_no > fences[i].batch_no + 1)
            return mem_leave(
                m,
                mem_roll_back_with(
                    m, err_make(ERR_REJECT, "slot: breaks the check slot_published_no (SQLSTATE 23514)")),
                lost_after);
        s->locked_by = m;
        mine[m->fence_count++] = fences[i];
    }
    e = answer_all(m, queries, query_count, arena);
    if (err_is(&e))
        return mem_leave(m, mem_roll_back_with(m, e), lost_after);
    *ret_now = m->now;
    return mem_leave(m, err_ok(), lost_after);
}

static struct err mem_load(void *self, struct store_query *queries, size_t query_count, struct arena *arena)
{
    struct store_mem *m = self;
    bool lost_after;
    struct err e = mem_enter(m, STORE_MEM_LOAD, &lost_after);
    if (err_is(&e))
        return e;
    assert(m->open);
    e = answer_all(m, queries, query_count, arena);
    if (err_is(&e))
        mem_end_transaction(m);
    return mem_leave(m, e, lost_after);
}

// ---- saving

static struct err apply_row(struct store_mem *m, const struct store_change *change, const void *row,
                            struct mem_undo *undo)
{
    struct mem_table *t = mem_table_of(m->db, change->table);
    switch (change->kind) {
    case CHANGE_INSERT:
        return mem_insert(t, row, undo);
    case CHANGE_UPDATE:
        assert(change->table->kind != TABLE_APPEND);
        return mem_update(t, row, undo);
    case CHANGE_DELETE:
        assert(change->table->kind != TABLE_APPEND);
        return mem_delete(t, row, undo);
    }
    abort();
}

static size_t sent_columns(const struct store_change *change)
{
    return change->kind == CHANGE_DELETE ? change->table->key_count : change->table->column_count;
}

static struct err apply(struct store_mem *m, const struct store_changes *changes, struct mem_undo *undo)
{
    for (size_t c = 0; c < changes->change_count; c++) {
        const struct store_change *change = &changes->changes[c];
        for (size_t i = 0; i < change->row_count; i++) {
            struct err e = mem_row_check_instants(change->table, change->rows[i], sent_columns(change));
            if (err_is(&e))
                return e;
        }
    }
    for (size_t c = 0; c < changes->change_count; c++) {
        const struct store_change *change = &changes->changes[c];
        for (size_t i = 0; i < change->row_count; i++) {
            struct err e = mem_row_check_texts(change->table, change->rows[i], sent_columns(change));
            if (err_is(&e))
                return e;
        }
        for (size_t i = 0; i < change->row_count; i++) {
            struct err e = apply_row(m, change, change->rows[i], undo);
            if (err_is(&e))
                return e;
        }
    }
    for (size_t i = 0; i < changes->position_count; i++) {
        const struct store_position *p = &changes->positions[i];
        if (p->topic <= TOPIC_NONE || (int)p->topic >= TOPIC_MAX)
            return err_make(ERR_REJECT, "position: breaks the check position_topic (SQLSTATE 23514)");
        if (p->next_offset < 0)
            return err_make(ERR_REJECT, "position: breaks the check position_next_offset (SQLSTATE 23514)");
    }
    return err_ok();
}

static void apply_slots(struct store_mem *m, const struct store_changes *changes)
{
    for (size_t i = 0; i < m->fence_count; i++)
        mem_tell_published(m, m->fences[i].slot, m->fences[i].published_no);
    for (size_t i = 0; i < changes->position_count; i++) {
        const struct store_position *p = &changes->positions[i];
        mem_slot_of(m->db, p->slot)->next_offset[p->topic] = p->next_offset;
    }
    for (size_t i = 0; i < m->fence_count; i++) {
        const struct slot_fence *f = &m->fences[i];
        struct mem_slot *s = mem_slot_of(m->db, f->slot);
        s->batch_no = f->batch_no + 1;
        s->published_no = mem_greater(s->published_no, f->published_no);
        s->dirty = 0;
        mem_suspect_set(s, (struct bytes){0}, 0);
    }
}

static struct err mem_commit(void *self, const struct store_changes *changes)
{
    struct store_mem *m = self;
    bool lost_after;
    struct err e = mem_enter(m, STORE_MEM_COMMIT, &lost_after);
    if (err_is(&e))
        return e;
    assert(m->open);
    struct mem_undo undo = {0};
    mem_unlock_rows(m); // nobody else has a turn before the end, and rows are about to be replaced
    e = apply(m, changes, &undo);
    if (err_is(&e)) {
        mem_undo_all(&undo);
    } else {
        if (m->db->tap.committed != NULL)
            m->db->tap.committed(m->db->tap.self, &m->port, m->fences, m->fence_count, changes);
        mem_undo_keep(&undo);
        apply_slots(m, changes);
    }
    mem_end_transaction(m);
    return mem_leave(m, e, lost_after);
}

static void mem_rollback(void *self)
{
    mem_end_transaction(self);
}

// ---- outbox and deadlines

static bool asked_for(const int64_t *batch_nos, size_t count, int64_t batch_no)
{
    for (size_t i = 0; i < count; i++) {
        if (batch_nos[i] == batch_no)
            return true;
    }
    return false;
}

static int64_t greatest_of(const int64_t *batch_nos, size_t count)
{
    int64_t greatest = batch_nos == NULL ? INT64_MAX : 0;
    for (size_t i = 0; batch_nos != NULL && i < count; i++)
        greatest = mem_greater(greatest, batch_nos[i]);
    return greatest;
}

// batch_nos NULL: all above after_no, at most limit; else all with one of `limit` numbers.
static struct err outbox(struct store_mem *m, int32_t slot, int64_t after_no, const int64_t *batch_nos,
                         size_t limit, struct arena *arena, struct outbox_row **ret_rows, size_t *ret_count)
{
    bool lost_after;
    struct err e = mem_enter(m, STORE_MEM_OUTBOX, &lost_after);
    if (err_is(&e))
        return e;
    struct mem_table *t = mem_table_of(m->db, &outbox_table);
    size_t most = limit < t->count ? limit : t->count;
    struct outbox_row *rows = arena_new_array(arena, struct outbox_row, most);
    size_t count = 0;
    int64_t last = greatest_of(batch_nos, limit);
    for (size_t i = 0; i < t->count && (batch_nos != NULL || count < limit); i++) {
        const struct outbox_table_row *row = (const void *)t->rows[i]->data;
        if (row->slot < slot)
            continue;
        if (row->slot > slot || row->batch_no > last)
            break;
        if (count == most) { // a number that two rows have
            struct outbox_row *grown = arena_new_array(arena, struct outbox_row, t->count);
            if (count > 0)
                memcpy(grown, rows, count * sizeof *rows);
            rows = grown;
            most = t->count;
        }
        if (batch_nos == NULL ? row->batch_no > after_no : asked_for(batch_nos, limit, row->batch_no))
            rows[count++] = (struct outbox_row){.slot = row->slot,
                                                .batch_no = row->batch_no,
                                                .created_at = row->created_at,
                                                .records = arena_bytes(arena, row->records)};
    }
    e = mem_leave(m, err_ok(), lost_after);
    if (err_is(&e))
        return e;
    *ret_rows = rows;
    *ret_count = count;
    return e;
}

static struct err mem_outbox_after(void *self, int32_t slot, int64_t after_no, size_t limit,
                                   struct arena *arena, struct outbox_row **ret_rows, size_t *ret_count)
{
    return outbox(self, slot, after_no, NULL, limit, arena, ret_rows, ret_count);
}

static struct err mem_outbox_get(void *self, int32_t slot, const int64_t *batch_nos, size_t count,
                                 struct arena *arena, struct outbox_row **ret_rows, size_t *ret_count)
{
    static const int64_t none[1];
    return outbox(self, slot, 0, count == 0 ? none : batch_nos, count, arena, ret_rows, ret_count);
}

static struct err mem_next_due(void *self, const int32_t *slots, size_t count, instant *ret_due)
{
    struct store_mem *m = self;
    bool lost_after;
    struct err e = mem_enter(m, STORE_MEM_NEXT_DUE, &lost_after);
    if (err_is(&e))
        return e;
    struct mem_table *t = mem_table_of(m->db, &key_state_table);
    for (size_t s = 0; s < count && !lost_after; s++) {
        instant earliest = INSTANT_NONE;
        for (size_t i = 0; i < t->count; i++) {
            const struct key_state_row *row = (const void *)t->rows[i]->data;
            if (row->slot == slots[s] && row->due != INSTANT_NONE &&
                (earliest == INSTANT_NONE || row->due < earliest))
                earliest = row->due;
        }
        ret_due[s] = earliest;
    }
    return mem_leave(m, e, lost_after);
}

// ---- databases and ports

struct store_mem_db *store_mem_db_new(const struct table *const *tables, size_t table_count,
                                      const struct clock_port *clock)
{
    static const struct table *const lane_tables[] = {&key_state_table, &seen_table, &held_table,
                                                      &effect_table, &outbox_table};
    size_t lane_count = sizeof lane_tables / sizeof lane_tables[0];
    struct store_mem_db *db = mem_calloc(1, sizeof *db);
    db->clock = clock;
    db->table_count = lane_count + table_count;
    db->tables = mem_calloc(db->table_count, sizeof *db->tables);
    for (size_t i = 0; i < db->table_count; i++)
        db->tables[i].table = i < lane_count ? lane_tables[i] : tables[i - lane_count];
    db->slots = mem_calloc(SLOTS_MAX, sizeof *db->slots);
    for (size_t i = 0; i < SLOTS_MAX; i++) {
        for (int topic = 0; topic < TOPIC_MAX; topic++)
            db->slots[i].next_offset[topic] = -1;
    }
    return db;
}

void store_mem_db_free(struct store_mem_db *db)
{
    if (db == NULL)
        return;
    assert(db->ports == NULL); // close them first
    for (size_t i = 0; i < db->table_count; i++)
        mem_table_free(&db->tables[i]);
    for (size_t i = 0; i < SLOTS_MAX; i++)
        free(db->slots[i].suspect);
    free(db->tables);
    free(db->slots);
    free(db);
}

struct store_port *store_mem_open(struct store_mem_db *db)
{
    struct store_mem *m = mem_calloc(1, sizeof *m);
    *m = (struct store_mem){
        .port = {.self = m,
                 .claim = mem_claim,
                 .release = mem_release,
                 .begin = mem_begin,
                 .load = mem_load,
                 .commit = mem_commit,
                 .rollback = mem_rollback,
                 .outbox_after = mem_outbox_after,
                 .outbox_get = mem_outbox_get,
                 .mark_published = mem_mark_published,
                 .start = mem_start,
                 .mark_begun = mem_mark_begun,
                 .mark_suspect = mem_mark_suspect,
                 .next_due = mem_next_due},
        .db = db,
        .next = db->ports,
        .arena = arena_new(1024),
    };
    db->ports = m;
    return &m->port;
}

void store_mem_close(struct store_port *port)
{
    if (port == NULL)
        return;
    struct store_mem *m = port->self;
    mem_end_transaction(m);
    struct store_mem **link = &m->db->ports;
    while (*link != m)
        link = &(*link)->next;
    *link = m->next;
    arena_free(m->arena);
    free(m->locked);
    free(m);
}

void store_mem_on_call(struct store_port *port, store_mem_hook *hook, void *self)
{
    struct store_mem *m = port->self;
    m->hook = hook;
    m->hook_self = self;
    m->fail_in = 0;
}

void store_mem_fail_nth(struct store_port *port, enum store_mem_call call, unsigned nth,
                        enum store_mem_fault fault)
{
    struct store_mem *m = port->self;
    m->hook = NULL;
    m->fail_call = call;
    m->fail_in = nth;
    m->fail_how = fault;
}

void store_mem_on_change(struct store_mem_db *db, const struct store_mem_tap *tap)
{
    db->tap = *tap;
}

void store_mem_cut(struct store_port *port)
{
    struct store_mem *m = port->self;
    mem_end_transaction(m);
    m->connected = false;
}

bool store_mem_in_transaction(const struct store_port *port)
{
    return ((const struct store_mem *)port->self)->open;
}

const void *store_mem_row(struct store_mem_db *db, const struct table *table, size_t index)
{
    const struct mem_table *t = mem_table_of(db, table);
    return index < t->count ? t->rows[index]->data : NULL;
}

const void *store_mem_find(struct store_mem_db *db, const struct table *table, const void *probe)
{
    const struct mem_row *row = mem_find(mem_table_of(db, table), probe);
    return row == NULL ? NULL : row->data;
}

// ---- for tests

static size_t rows_where(struct store_mem_db *db, const struct table *table, size_t column,
                         const struct value *value, struct arena *arena, void **ret_rows)
{
    struct mem_table *t = mem_table_of(db, table);
    unsigned char *rows = arena_alloc_array(arena, t->count, table->row_size);
    size_t count = 0;
    for (size_t i = 0; i < t->count; i++) {
        if (value == NULL || mem_matches(table, t->rows[i]->data, column, *value))
            mem_copy_out(table, t->rows[i]->data, arena, rows + count++ * table->row_size);
    }
    *ret_rows = rows;
    return count;
}

size_t store_mem_rows(struct store_mem_db *db, const struct table *table, size_t column, struct value value,
                      struct arena *arena, void **ret_rows)
{
    return rows_where(db, table, column, &value, arena, ret_rows);
}

size_t store_mem_all(struct store_mem_db *db, const struct table *table, struct arena *arena, void **ret_rows)
{
    return rows_where(db, table, 0, NULL, arena, ret_rows);
}

bool store_mem_slot(struct store_mem_db *db, int32_t slot, struct arena *arena, struct slot_claim *ret_slot)
{
    const struct mem_slot *s = mem_slot_of(db, slot);
    if (!s->known)
        return false;
    mem_slot_out(s, slot, arena, ret_slot);
    return true;
}

int64_t store_mem_published(struct store_mem_db *db, int32_t slot)
{
    return mem_slot_of(db, slot)->published_no;
}

bool store_mem_started(const struct store_mem_db *db, int32_t slot, enum topic topic)
{
    return db->slots[slot].next_offset[topic] >= 0;
}

struct err store_mem_put(struct store_mem_db *db, const struct table *table, const void *row)
{
    struct mem_undo undo = {0};
    struct err e = mem_row_check_instants(table, row, table->column_count);
    if (!err_is(&e))
        e = mem_row_check_texts(table, row, table->column_count);
    if (!err_is(&e))
        e = mem_insert(mem_table_of(db, table), row, &undo);
    mem_undo_keep(&undo);
    return e;
}
