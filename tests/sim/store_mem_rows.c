// One table in memory. See store_mem_rows.h.
#include "sim/store_mem_rows.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

// The earliest timestamptz: 4714-11-24 BC. (The latest is beyond what an instant can hold.)
#define INSTANT_MIN (-210866803200000000LL)

static void *checked_realloc(void *old, size_t size)
{
    void *memory = realloc(old, size);
    if (memory == NULL) {
        fprintf(stderr, "out of memory: %zu bytes\n", size);
        abort();
    }
    return memory;
}

static const void *cell(const struct column *column, const void *row)
{
    return (const unsigned char *)row + column->offset;
}

static bool holds_bytes(const struct column *column)
{
    return column->type == COLUMN_TEXT || column->type == COLUMN_BYTES;
}

static bool cell_is_null(const struct column *column, const void *row)
{
    switch (column->type) {
    case COLUMN_UUID:
        return uuid_is_nil(*(const struct uuid *)cell(column, row));
    case COLUMN_TEXT:
    case COLUMN_BYTES:
        return ((const struct bytes *)cell(column, row))->data == NULL;
    case COLUMN_INSTANT:
        return *(const instant *)cell(column, row) == INSTANT_NONE;
    case COLUMN_I64:
    case COLUMN_I32:
    case COLUMN_BOOL:
        return false;
    }
    abort();
}

static int compare_i64(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

static int cell_compare(const struct column *column, const void *a, const void *b)
{
    const void *left = cell(column, a);
    const void *right = cell(column, b);
    switch (column->type) {
    case COLUMN_UUID:
        return uuid_compare(*(const struct uuid *)left, *(const struct uuid *)right);
    case COLUMN_I64:
        return compare_i64(*(const int64_t *)left, *(const int64_t *)right);
    case COLUMN_I32:
        return compare_i64(*(const int32_t *)left, *(const int32_t *)right);
    case COLUMN_BOOL:
        return compare_i64(*(const bool *)left, *(const bool *)right);
    case COLUMN_TEXT:
    case COLUMN_BYTES:
        return bytes_compare(*(const struct bytes *)left, *(const struct bytes *)right);
    case COLUMN_INSTANT:
        return compare_i64(*(const instant *)left, *(const instant *)right);
    }
    abort();
}

static size_t cell_size(enum column_type type)
{
    switch (type) {
    case COLUMN_UUID:
        return sizeof(struct uuid);
    case COLUMN_I64:
        return sizeof(int64_t);
    case COLUMN_I32:
        return sizeof(int32_t);
    case COLUMN_BOOL:
        return sizeof(bool);
    case COLUMN_TEXT:
    case COLUMN_BYTES:
        return sizeof(struct bytes);
    case COLUMN_INSTANT:
        return sizeof(instant);
    }
    abort();
}

int mem_compare_keys(const struct table *table, const void *a, const void *b)
{
    for (size_t i = 0; i < table->key_count; i++) {
        int order = cell_compare(&table->columns[i], a, b);
        if (order != 0)
            return order;
    }
    return 0;
}

int mem_compare_values(struct value a, struct value b)
{
    switch (a.type) {
    case COLUMN_UUID:
        return uuid_compare(a.uuid, b.uuid);
    case COLUMN_TEXT:
        return bytes_compare(a.text, b.text);
    case COLUMN_I64:
    case COLUMN_I32:
        return compare_i64(a.number, b.number);
    case COLUMN_BOOL:
    case COLUMN_BYTES:
    case COLUMN_INSTANT:
        break;
    }
    abort(); // not a type to look up by
}

int mem_compare_column(const struct table *table, const void *row, size_t column, struct value value)
{
    const struct column *c = &table->columns[column];
    struct value own = {.type = c->type};
    if (c->type == COLUMN_UUID)
        own.uuid = *(const struct uuid *)cell(c, row);
    else if (c->type == COLUMN_TEXT)
        own.text = *(const struct bytes *)cell(c, row);
    else
        own.number = c->type == COLUMN_I32 ? *(const int32_t *)cell(c, row) : *(const int64_t *)cell(c, row);
    return mem_compare_values(own, value);
}

bool mem_matches(const struct table *table, const void *row, size_t column, struct value value)
{
    assert(column < table->column_count);
    const struct column *c = &table->columns[column];
    assert(c->type == value.type);
    if (cell_is_null(c, row))
        return false;
    switch (c->type) {
    case COLUMN_UUID:
        return uuid_equal(*(const struct uuid *)cell(c, row), value.uuid);
    case COLUMN_I64:
        return *(const int64_t *)cell(c, row) == value.number;
    case COLUMN_I32:
        return *(const int32_t *)cell(c, row) == value.number;
    case COLUMN_TEXT:
        return value.text.data != NULL && bytes_equal(*(const struct bytes *)cell(c, row), value.text);
    case COLUMN_BOOL:
    case COLUMN_BYTES:
    case COLUMN_INSTANT:
        break;
    }
    abort(); // not a type to look up by
}

void mem_copy_out(const struct table *table, const void *row, struct arena *arena, void *ret_row)
{
    for (size_t i = 0; i < table->column_count; i++) {
        const struct column *c = &table->columns[i];
        unsigned char *to = (unsigned char *)ret_row + c->offset;
        if (holds_bytes(c))
            *(struct bytes *)(void *)to = arena_bytes(arena, *(const struct bytes *)cell(c, row));
        else
            memcpy(to, cell(c, row), cell_size(c->type));
    }
}

// One block: struct mem_row, the row, its strings. Only the described columns are kept.
static struct mem_row *row_new(const struct table *table, const void *row)
{
    size_t head = (sizeof(struct mem_row) + 15) & ~(size_t)15;
    size_t body = (table->row_size + 15) & ~(size_t)15;
    size_t strings = 0;
    for (size_t i = 0; i < table->column_count; i++) {
        if (holds_bytes(&table->columns[i]))
            strings += ((const struct bytes *)cell(&table->columns[i], row))->size;
    }
    unsigned char *block = checked_realloc(NULL, head + body + strings + 1);
    memset(block, 0, head + body);
    struct mem_row *made = (struct mem_row *)(void *)block;
    made->data = block + head;
    unsigned char *next = block + head + body;
    for (size_t i = 0; i < table->column_count; i++) {
        const struct column *c = &table->columns[i];
        memcpy(made->data + c->offset, cell(c, row), cell_size(c->type));
        if (!holds_bytes(c) || cell_is_null(c, row))
            continue;
        struct bytes *text = (struct bytes *)(void *)(made->data + c->offset);
        if (text->size > 0)
            memcpy(next, text->data, text->size);
        text->data = next;
        next += text->size;
    }
    return made;
}

// The index of the first row whose key is not below row's.
static size_t lower_bound(const struct mem_table *table, const void *row)
{
    size_t low = 0;
    size_t high = table->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (mem_compare_keys(table->table, table->rows[middle]->data, row) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

// Where the row with this key stands, or would; true: it is there.
static bool find_at(const struct mem_table *table, const void *row, size_t *ret_at)
{
    *ret_at = lower_bound(table, row);
    for (size_t i = 0; i < table->table->key_count; i++) {
        if (cell_is_null(&table->table->columns[i], row))
            return false; // equal to nothing
    }
    return *ret_at < table->count && mem_compare_keys(table->table, table->rows[*ret_at]->data, row) == 0;
}

struct mem_row *mem_find(const struct mem_table *table, const void *row)
{
    size_t at;
    return find_at(table, row, &at) ? table->rows[at] : NULL;
}

static void place_at(struct mem_table *table, size_t at, struct mem_row *row)
{
    if (table->count == table->capacity) {
        table->capacity = table->capacity == 0 ? 16 : table->capacity * 2;
        table->rows = checked_realloc(table->rows, table->capacity * sizeof(struct mem_row *));
    }
    memmove(&table->rows[at + 1], &table->rows[at], (table->count - at) * sizeof(struct mem_row *));
    table->rows[at] = row;
    table->count++;
}

static void take_away(struct mem_table *table, size_t at)
{
    table->count--;
    memmove(&table->rows[at], &table->rows[at + 1], (table->count - at) * sizeof(struct mem_row *));
}

static void remember(struct mem_undo *undo, struct mem_table *table, struct mem_row *added,
                     struct mem_row *removed)
{
    if (undo->count == undo->capacity) {
        undo->capacity = undo->capacity == 0 ? 64 : undo->capacity * 2;
        undo->steps = checked_realloc(undo->steps, undo->capacity * sizeof *undo->steps);
    }
    undo->steps[undo->count++] = (struct mem_undo_step){.table = table, .added = added, .removed = removed};
}

void mem_undo_all(struct mem_undo *undo)
{
    while (undo->count > 0) {
        struct mem_undo_step *step = &undo->steps[--undo->count];
        if (step->added != NULL) {
            size_t at = lower_bound(step->table, step->added->data);
            assert(step->table->rows[at] == step->added);
            take_away(step->table, at);
            free(step->added);
        }
        if (step->removed != NULL)
            place_at(step->table, lower_bound(step->table, step->removed->data), step->removed);
    }
    free(undo->steps);
    *undo = (struct mem_undo){0};
}

void mem_undo_keep(struct mem_undo *undo)
{
    for (size_t i = 0; i < undo->count; i++)
        free(undo->steps[i].removed);
    free(undo->steps);
    *undo = (struct mem_undo){0};
}

struct err mem_row_check_instants(const struct table *table, const void *row, size_t column_count)
{
    for (size_t i = 0; i < column_count; i++) {
        const struct column *c = &table->columns[i];
        if (c->type == COLUMN_INSTANT && !cell_is_null(c, row) &&
            *(const instant *)cell(c, row) < INSTANT_MIN)
            return err_make(ERR_REJECT, "%s.%s: an instant before 4714 BC (SQLSTATE 22008)", table->name,
                            c->name);
    }
    return err_ok();
}

struct err mem_row_check_texts(const struct table *table, const void *row, size_t column_count)
{
    for (size_t i = 0; i < column_count; i++) {
        const struct column *c = &table->columns[i];
        if (c->type == COLUMN_TEXT && !cell_is_null(c, row) &&
            !bytes_is_utf8(*(const struct bytes *)cell(c, row)))
            return err_make(ERR_REJECT, "%s.%s: not well-formed UTF-8 (SQLSTATE 22021)", table->name,
                            c->name);
    }
    return err_ok();
}

static struct err check_constraints(const struct table *table, const void *row)
{
    for (size_t i = 0; i < table->column_count; i++) {
        const struct column *c = &table->columns[i];
        if (!c->nullable && cell_is_null(c, row))
            return err_make(ERR_REJECT, "%s.%s: must not be null (SQLSTATE 23502)", table->name, c->name);
    }
    const char *broken = table->check == NULL ? NULL : table->check(row);
    if (broken != NULL)
        return err_make(ERR_REJECT, "%s: breaks the check %s (SQLSTATE 23514)", table->name, broken);
    return err_ok();
}

// NULLs are distinct.
static bool same_unique(const struct table *table, const struct unique *unique, const void *a, const void *b)
{
    for (size_t i = 0; i < unique->column_count; i++) {
        const struct column *c = &table->columns[unique->columns[i]];
        if (cell_is_null(c, a) || cell_is_null(c, b) || cell_compare(c, a, b) != 0)
            return false;
    }
    return true;
}

// `self` is the version of the row that is being replaced, or NULL.
static struct err check_uniques(const struct mem_table *table, const void *row, const struct mem_row *self)
{
    const struct table *t = table->table;
    for (size_t u = 0; u < t->unique_count; u++) {
        const struct unique *unique = &t->uniques[u];
        if (unique->where != NULL && !unique->where(row))
            continue;
        for (size_t i = 0; i < table->count; i++) {
            const struct mem_row *other = table->rows[i];
            if (other == self || (unique->where != NULL && !unique->where(other->data)))
                continue;
            if (same_unique(t, unique, row, other->data))
                return err_make(ERR_REJECT, "%s: breaks %s, which is unique (SQLSTATE 23505)", t->name,
                                unique->name);
        }
    }
    return err_ok();
}

static struct err lock_refused(const struct table *table)
{
    return err_make(ERR_RETRY, "%s: a row is locked by another transaction (SQLSTATE 55P03)", table->name);
}

struct err mem_insert(struct mem_table *table, const void *row, struct mem_undo *undo)
{
    const struct table *t = table->table;
    struct err e = check_constraints(t, row);
    if (err_is(&e))
        return e;
    size_t at;
    if (find_at(table, row, &at))
        return err_make(ERR_REJECT, "%s: breaks %s_pkey, which is unique (SQLSTATE 23505)", t->name, t->name);
    e = check_uniques(table, row, NULL);
    if (err_is(&e))
        return e;
    struct mem_row *added = row_new(t, row);
    place_at(table, at, added);
    remember(undo, table, added, NULL);
    return err_ok();
}

struct err mem_update(struct mem_table *table, const void *row, struct mem_undo *undo)
{
    const struct table *t = table->table;
    size_t at;
    if (!find_at(table, row, &at))
        return err_ok();
    struct mem_row *old = table->rows[at];
    if (old->locked_by != NULL)
        return lock_refused(t);
    struct err e = check_constraints(t, row);
    if (err_is(&e))
        return e;
    e = check_uniques(table, row, old);
    if (err_is(&e))
        return e;
    struct mem_row *added = row_new(t, row);
    table->rows[at] = added;
    remember(undo, table, added, old);
    return err_ok();
}

struct err mem_delete(struct mem_table *table, const void *row, struct mem_undo *undo)
{
    size_t at;
    if (!find_at(table, row, &at))
        return err_ok();
    struct mem_row *old = table->rows[at];
    if (old->locked_by != NULL)
        return lock_refused(table->table);
    take_away(table, at);
    remember(undo, table, NULL, old);
    return err_ok();
}

void mem_table_free(struct mem_table *table)
{
    for (size_t i = 0; i < table->count; i++)
        free(table->rows[i]);
    free(table->rows);
    *table = (struct mem_table){0};
}
