// The rows of one batch.
#include "lane/rows.h"

#include "base/hash.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS_MIN     16
#define BUCKETS_MAX     1024 // a batch has at most a few thousand rows per table
#define TABLE_MAX       32   // tables of a service and of the lane
#define WANT_COLUMN_MAX 4

enum row_origin { ROW_LOADED, ROW_PUT };

// Stands in memory right before the row struct.
struct row_head {
    const struct table *table;
    struct row_head *chain; // same bucket of the primary key
    struct row_head *next;  // all rows of the table
    void *decoded;
    enum row_origin origin;
    bool dirty;
    bool deleted;
    bool gone; // a put that was undone
    uint32_t undo_mark;
    max_align_t row[];
};

// Rows that have one value in one column, in key order; those put in this batch last.
struct group {
    struct group *chain;
    struct value value;
    struct row_head **rows;
    size_t count;
    size_t capacity;
    bool sorted;
    bool pending; // not yet asked for
};

struct lookup {
    size_t column;
    struct group **buckets;
    size_t bucket_mask;
    struct group **pending;
    size_t pending_count;
    size_t pending_capacity;
};

struct table_rows {
    const struct table *table;
    struct row_head **buckets;
    size_t bucket_mask;
    struct row_head *first;
    struct row_head *last;
    size_t count;
    struct lookup *lookups[WANT_COLUMN_MAX];
    size_t lookup_count;
};

struct undo {
    struct undo *next;
    struct row_head *head;
    void *copy; // NULL: the row was put
    bool dirty;
    bool deleted;
};

struct rows {
    struct arena *arena;
    struct table_rows *tables[TABLE_MAX];
    size_t table_count;
    size_t bucket_count; // a power of two
    struct undo *undo;
    uint32_t mark;
};

static struct row_head *head_of(const void *row)
{
    return (struct row_head *)((char *)(uintptr_t)row - offsetof(struct row_head, row));
}

struct rows *rows_new(struct arena *arena, size_t input_count)
{
    struct rows *rows = arena_new_object(arena, struct rows);
    rows->arena = arena;
    rows->bucket_count = BUCKETS_MIN;
    while (rows->bucket_count < input_count && rows->bucket_count < BUCKETS_MAX)
        rows->bucket_count *= 2;
    rows->mark = 1;
    return rows;
}

static struct table_rows *table_of(struct rows *rows, const struct table *table)
{
    for (size_t i = 0; i < rows->table_count; i++) {
        if (rows->tables[i]->table == table)
            return rows->tables[i];
    }
    assert(rows->table_count < TABLE_MAX);
    struct table_rows *t = arena_new_object(rows->arena, struct table_rows);
    t->table = table;
    t->buckets = arena_new_array(rows->arena, struct row_head *, rows->bucket_count);
    t->bucket_mask = rows->bucket_count - 1;
    rows->tables[rows->table_count++] = t;
    return t;
}

// ---- values

static struct value column_value(const struct column *column, const void *row)
{
    const char *at = (const char *)row + column->offset;
    struct value v = {.type = column->type};
    int32_t small;
    switch (column->type) {
    case COLUMN_UUID:
        memcpy(&v.uuid, at, sizeof v.uuid);
        break;
    case COLUMN_I64:
    case COLUMN_INSTANT:
        memcpy(&v.number, at, sizeof v.number);
        break;
    case COLUMN_I32:
        memcpy(&small, at, sizeof small);
        v.number = small;
        break;
    case COLUMN_BOOL:
        v.number = *(const bool *)at ? 1 : 0;
        break;
    case COLUMN_TEXT:
    case COLUMN_BYTES:
        memcpy(&v.text, at, sizeof v.text);
        break;
    }
    return v;
}

static int value_compare(const struct value *a, const struct value *b)
{
    switch (a->type) {
    case COLUMN_UUID:
        return uuid_compare(a->uuid, b->uuid);
    case COLUMN_TEXT:
    case COLUMN_BYTES:
        return bytes_compare(a->text, b->text);
    case COLUMN_I64:
    case COLUMN_I32:
    case COLUMN_BOOL:
    case COLUMN_INSTANT:
        return (a->number > b->number) - (a->number < b->number);
    }
    return 0;
}

static uint64_t value_hash(const struct value *v)
{
    switch (v->type) {
    case COLUMN_UUID:
        return hash_quick(bytes_of(v->uuid.b, sizeof v->uuid.b));
    case COLUMN_TEXT:
    case COLUMN_BYTES:
        return hash_quick(v->text);
    case COLUMN_I64:
    case COLUMN_I32:
    case COLUMN_BOOL:
    case COLUMN_INSTANT:
        return hash_quick(bytes_of(&v->number, sizeof v->number));
    }
    return 0;
}

static size_t key_bucket(const struct table_rows *t, const void *row)
{
    const struct table *table = t->table;
    uint64_t hash = 0;
    for (size_t i = 0; i < table->key_count; i++) {
        struct value v = column_value(&table->columns[i], row);
        hash = hash * 31 + value_hash(&v);
    }
    return hash & t->bucket_mask;
}

static int key_compare(const struct table *table, const void *a, const void *b)
{
    int order = 0;
    for (size_t i = 0; i < table->key_count && order == 0; i++) {
        struct value va = column_value(&table->columns[i], a);
        struct value vb = column_value(&table->columns[i], b);
        order = value_compare(&va, &vb);
    }
    return order;
}

// ---- wants

static struct lookup *lookup_of(struct rows *rows, struct table_rows *t, size_t column)
{
    for (size_t i = 0; i < t->lookup_count; i++) {
        if (t->lookups[i]->column == column)
            return t->lookups[i];
    }
    assert(t->lookup_count < WANT_COLUMN_MAX);
    struct lookup *lookup = arena_new_object(rows->arena, struct lookup);
    lookup->column = column;
    lookup->buckets = arena_new_array(rows->arena, struct group *, rows->bucket_count);
    lookup->bucket_mask = t->bucket_mask;
    t->lookups[t->lookup_count++] = lookup;
    return lookup;
}

static struct group *group_of(struct lookup *lookup, const struct value *value)
{
    struct group *g = lookup->buckets[value_hash(value) & lookup->bucket_mask];
    while (g != NULL && value_compare(&g->value, value) != 0)
        g = g->chain;
    return g;
}

static void group_add(struct rows *rows, struct group *g, struct row_head *head)
{
    if (g->count == g->capacity) {
        size_t capacity = g->capacity == 0 ? 4 : g->capacity * 2;
        struct row_head **grown = arena_new_array(rows->arena, struct row_head *, capacity);
        if (g->count > 0)
            memcpy(grown, g->rows, g->count * sizeof *grown);
        g->rows = grown;
        g->capacity = capacity;
    }
    g->rows[g->count++] = head;
}

static struct group *new_group(struct rows *rows, struct lookup *lookup, struct value value)
{
    struct group *g = arena_new_object(rows->arena, struct group);
    size_t bucket = value_hash(&value) & lookup->bucket_mask;
    g->value = value;
    g->chain = lookup->buckets[bucket];
    lookup->buckets[bucket] = g;
    return g;
}

bool rows_want(struct rows *rows, const struct table *table, size_t column, struct value value)
{
    assert(table->kind != TABLE_APPEND && column < table->column_count);
    assert(table->columns[column].type == value.type);
    struct table_rows *t = table_of(rows, table);
    struct lookup *lookup = lookup_of(rows, t, column);
    if (group_of(lookup, &value) != NULL)
        return false;
    struct group *g = new_group(rows, lookup, value);
    g->pending = true;
    if (lookup->pending_count == lookup->pending_capacity) {
        size_t capacity = lookup->pending_capacity == 0 ? 16 : lookup->pending_capacity * 2;
        struct group **grown = arena_new_array(rows->arena, struct group *, capacity);
        if (lookup->pending_count > 0)
            memcpy(grown, lookup->pending, lookup->pending_count * sizeof(struct group *));
        lookup->pending = grown;
        lookup->pending_capacity = capacity;
    }
    lookup->pending[lookup->pending_count++] = g;
    // Rows known through another column belong here too.
    for (struct row_head *head = t->lookup_count > 1 ? t->first : NULL; head != NULL; head = head->next) {
        struct value v = column_value(&table->columns[column], head->row);
        if (value_compare(&v, &value) == 0)
            group_add(rows, g, head);
    }
    return true;
}

void rows_assume_none(struct rows *rows, const struct table *table, size_t column, struct value value)
{
    struct lookup *lookup = lookup_of(rows, table_of(rows, table), column);
    if (group_of(lookup, &value) == NULL)
        new_group(rows, lookup, value);
}

static int group_order(const void *a, const void *b)
{
    return value_compare(&(*(struct group *const *)a)->value, &(*(struct group *const *)b)->value);
}

size_t rows_queries(struct rows *rows, struct store_query **ret_queries)
{
    struct store_query *queries =
        arena_new_array(rows->arena, struct store_query, rows->table_count * WANT_COLUMN_MAX);
    size_t count = 0;
    for (size_t i = 0; i < rows->table_count; i++) {
        for (size_t j = 0; j < rows->tables[i]->lookup_count; j++) {
            struct lookup *lookup = rows->tables[i]->lookups[j];
            if (lookup->pending_count == 0)
                continue;
            qsort(lookup->pending, lookup->pending_count, sizeof(struct group *), group_order);
            struct value *values = arena_new_array(rows->arena, struct value, lookup->pending_count);
            for (size_t k = 0; k < lookup->pending_count; k++) {
                values[k] = lookup->pending[k]->value;
                lookup->pending[k]->pending = false;
            }
            queries[count++] = (struct store_query){.table = rows->tables[i]->table,
                                                    .column = lookup->column,
                                                    .values = values,
                                                    .value_count = lookup->pending_count};
            lookup->pending_count = 0;
        }
    }
    *ret_queries = queries;
    return count;
}

// ---- rows

static struct row_head *find_any(struct table_rows *t, const void *probe)
{
    struct row_head *head = t->buckets[key_bucket(t, probe)];
    while (head != NULL && (head->gone || key_compare(t->table, head->row, probe) != 0))
        head = head->chain;
    return head;
}

static struct row_head *add_row(struct rows *rows, struct table_rows *t, const void *row,
                                enum row_origin origin)
{
    struct row_head *head = arena_alloc(rows->arena, offsetof(struct row_head, row) + t->table->row_size);
    head->table = t->table;
    head->origin = origin;
    memcpy(head->row, row, t->table->row_size);
    if (t->table->kind != TABLE_APPEND) {
        size_t bucket = key_bucket(t, row);
        head->chain = t->buckets[bucket];
        t->buckets[bucket] = head;
        for (size_t i = 0; i < t->lookup_count; i++) {
            struct value v = column_value(&t->table->columns[t->lookups[i]->column], row);
            struct group *g = group_of(t->lookups[i], &v);
            if (g != NULL)
                group_add(rows, g, head);
        }
    }
    if (t->last != NULL) {
        t->last->next = head;
    } else {
        t->first = head;
    }
    t->last = head;
    t->count++;
    return head;
}

void rows_loaded(struct rows *rows, const struct store_query *queries, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct table_rows *t = table_of(rows, queries[i].table);
        const char *at = queries[i].rows;
        for (size_t j = 0; j < queries[i].row_count; j++, at += t->table->row_size) {
            if (find_any(t, at) == NULL)
                add_row(rows, t, at, ROW_LOADED);
        }
    }
}

void *rows_take(struct rows *rows, const struct table *table, size_t column, const void *row)
{
    struct table_rows *t = table_of(rows, table);
    rows_assume_none(rows, table, column, column_value(&table->columns[column], row));
    struct row_head *head = find_any(t, row);
    return head != NULL ? head->row : add_row(rows, t, row, ROW_LOADED)->row;
}

static bool wanted(const struct table_rows *t, const void *probe)
{
    for (size_t i = 0; i < t->lookup_count; i++) {
        struct value v = column_value(&t->table->columns[t->lookups[i]->column], probe);
        const struct group *g = group_of(t->lookups[i], &v);
        if (g != NULL && !g->pending)
            return true;
    }
    return false;
}

void *rows_find(struct rows *rows, const struct table *table, const void *probe)
{
    struct table_rows *t = table_of(rows, table);
    struct row_head *head = find_any(t, probe);
    if (head == NULL) {
        assert(wanted(t, probe)); // a row that was never asked for isn't absent, only unknown
        return NULL;
    }
    return head->deleted ? NULL : head->row;
}

static int head_order(const void *a, const void *b)
{
    const struct row_head *ha = *(struct row_head *const *)a;
    const struct row_head *hb = *(struct row_head *const *)b;
    if (ha->origin != hb->origin)
        return ha->origin == ROW_LOADED ? -1 : 1;
    return key_compare(ha->table, ha->row, hb->row);
}

void *rows_next(struct rows *rows, const struct table *table, size_t column, struct value value,
                const void *after)
{
    struct group *g = group_of(lookup_of(rows, table_of(rows, table), column), &value);
    assert(g != NULL); // want it first
    if (g->pending)
        return NULL; // not loaded yet: a want function looks again in the next round
    if (!g->sorted) {
        if (g->count > 1)
            qsort(g->rows, g->count, sizeof(struct row_head *), head_order);
        g->sorted = true;
    }
    size_t i = 0;
    if (after != NULL) {
        while (i < g->count && g->rows[i]->row != after)
            i++;
        i++;
    }
    while (i < g->count && (g->rows[i]->deleted || g->rows[i]->gone))
        i++;
    return i < g->count ? g->rows[i]->row : NULL;
}

static void remember(struct rows *rows, struct row_head *head, bool put)
{
    if (head->undo_mark == rows->mark)
        return;
    head->undo_mark = rows->mark;
    struct undo *undo = arena_new_object(rows->arena, struct undo);
    undo->head = head;
    undo->dirty = head->dirty;
    undo->deleted = head->deleted;
    if (!put) {
        if (head->dirty && head->table->flush != NULL)
            head->table->flush(head->row, rows->arena);
        undo->copy = arena_copy(rows->arena, head->row, head->table->row_size);
    }
    undo->next = rows->undo;
    rows->undo = undo;
}

void *rows_put(struct rows *rows, const struct table *table, const void *row)
{
    struct table_rows *t = table_of(rows, table);
    struct row_head *head = table->kind == TABLE_APPEND ? NULL : find_any(t, row);
    if (head != NULL) {
        // A row deleted in this batch comes back as a change of it.
        assert(head->deleted);
        remember(rows, head, false);
        memcpy(head->row, row, table->row_size);
        head->deleted = false;
        head->dirty = true;
        head->decoded = NULL;
        return head->row;
    }
    head = add_row(rows, t, row, ROW_PUT);
    head->dirty = true;
    remember(rows, head, true);
    return table->kind == TABLE_APPEND ? NULL : head->row;
}

void rows_touch(struct rows *rows, void *row)
{
    struct row_head *head = head_of(row);
    assert(!head->deleted && !head->gone && head->table->kind != TABLE_APPEND);
    remember(rows, head, false);
    head->dirty = true;
}

void rows_delete(struct rows *rows, void *row)
{
    rows_touch(rows, row);
    head_of(row)->deleted = true;
}

void rows_set_decoded(void *row, void *decoded)
{
    head_of(row)->decoded = decoded;
}
void *rows_decoded(const void *row)
{
    return head_of(row)->decoded;
}

void rows_mark(struct rows *rows)
{
    rows->mark++;
    rows->undo = NULL;
}

void rows_undo(struct rows *rows)
{
    for (struct undo *undo = rows->undo; undo != NULL; undo = undo->next) {
        struct row_head *head = undo->head;
        if (undo->copy == NULL) {
            head->gone = true;
        } else {
            memcpy(head->row, undo->copy, head->table->row_size);
        }
        head->dirty = undo->dirty;
        head->deleted = undo->deleted;
        head->decoded = NULL;
    }
    rows_mark(rows);
}

// ---- saving

static bool change_of(const struct row_head *head, enum change_kind *ret_kind)
{
    if (head->gone || !head->dirty)
        return false;
    if (head->origin == ROW_PUT) {
        *ret_kind = CHANGE_INSERT;
        return !head->deleted;
    }
    *ret_kind = head->deleted ? CHANGE_DELETE : CHANGE_UPDATE;
    return true;
}

static size_t table_changes(struct rows *rows, struct table_rows *t, struct store_change *ret)
{
    size_t changes = 0;
    for (enum change_kind kind = CHANGE_INSERT; kind <= CHANGE_DELETE; kind++) {
        struct row_head **heads = NULL;
        size_t count = 0;
        for (struct row_head *head = t->first; head != NULL; head = head->next) {
            enum change_kind its;
            if (!change_of(head, &its) || its != kind)
                continue;
            if (heads == NULL)
                heads = arena_new_array(rows->arena, struct row_head *, t->count);
            if (t->table->flush != NULL)
                t->table->flush(head->row, rows->arena);
            heads[count++] = head;
        }
        if (count == 0)
            continue;
        if (count > 1 && t->table->kind != TABLE_APPEND)
            qsort(heads, count, sizeof(struct row_head *), head_order);
        void **out = arena_new_array(rows->arena, void *, count);
        for (size_t i = 0; i < count; i++)
            out[i] = heads[i]->row;
        ret[changes++] =
            (struct store_change){.table = t->table, .kind = kind, .rows = out, .row_count = count};
    }
    return changes;
}

size_t rows_changes(struct rows *rows, const struct table *const *tables, size_t table_count,
                    struct store_change **ret_changes)
{
    struct store_change *changes = arena_new_array(rows->arena, struct store_change, table_count * 3);
    size_t count = 0;
    size_t seen = 0;
    for (size_t i = 0; i < table_count; i++) {
        for (size_t j = 0; j < rows->table_count; j++) {
            if (rows->tables[j]->table != tables[i])
                continue;
            count += table_changes(rows, rows->tables[j], &changes[count]);
            seen++;
        }
    }
    assert(seen == rows->table_count); // a table that the service doesn't declare
    *ret_changes = changes;
    return count;
}
