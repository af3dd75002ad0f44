// SQL made from table descriptors. Only names from descriptors and the schema go into a text; all data are parameters.
// See store_sql.h.
#include "lane/store_sql.h"

#include "base/mutant.h"

#include <assert.h>
#include <stdlib.h>

// A batch that touches nothing else writes these; they don't come from the service's list.
static const struct table *const lane_tables[] = {&key_state_table, &seen_table, &held_table, &effect_table,
                                                  &outbox_table};
#define LANE_TABLES (sizeof lane_tables / sizeof lane_tables[0])

struct table_sql {
    const struct table *table;
    const char **select;      // per column
    const char *change[3][2]; // by kind; of many rows and of one
};

struct store_sql {
    struct arena *arena;
    const char *schema; // quoted
    struct table_sql *tables;
    size_t table_count;
    struct store_fixed_sql fixed;
};

// ---- names

static const char *quoted(struct arena *arena, const char *name)
{
    size_t size = strlen(name);
    char *text = arena_alloc(arena, 2 * size + 3);
    char *to = text;
    *to++ = '"';
    for (const char *c = name; *c != '\0'; c++) {
        if (*c == '"')
            *to++ = '"';
        *to++ = *c;
    }
    *to++ = '"';
    return text;
}

static const char *type_name(enum column_type type)
{
    switch (type) {
    case COLUMN_UUID:
        return "uuid";
    case COLUMN_I64:
        return "bigint";
    case COLUMN_I32:
        return "integer";
    case COLUMN_BOOL:
        return "boolean";
    case COLUMN_TEXT:
        return "text";
    case COLUMN_BYTES:
        return "bytea";
    case COLUMN_INSTANT:
        return "timestamptz";
    }
    abort();
}

uint32_t store_sql_type(enum column_type type)
{
    switch (type) {
    case COLUMN_UUID:
        return PG_UUID;
    case COLUMN_I64:
        return PG_INT8;
    case COLUMN_I32:
        return PG_INT4;
    case COLUMN_BOOL:
        return PG_BOOL;
    case COLUMN_TEXT:
        return PG_TEXT;
    case COLUMN_BYTES:
        return PG_BYTEA;
    case COLUMN_INSTANT:
        return PG_TIMESTAMPTZ;
    }
    abort();
}

// "a", "b", …
static const char *column_names(struct arena *arena, const char *prefix, const struct table *table)
{
    const char *list = "";
    for (size_t i = 0; i < table->column_count; i++)
        list = arena_printf(arena, "%s%s%s%s", list, i == 0 ? "" : ", ", prefix,
                            quoted(arena, table->columns[i].name));
    return list;
}

// $1::uuid, $2::bigint, …
static const char *one_row(struct arena *arena, const struct table *table)
{
    const char *list = "";
    for (size_t i = 0; i < table->column_count; i++)
        list = arena_printf(arena, "%s%s$%zu::%s", list, i == 0 ? "" : ", ", i + 1,
                            type_name(table->columns[i].type));
    return list;
}

// SELECT unnest($1::uuid[]) AS "a", unnest($2::bigint[]) AS "b", … of the first `count` columns: side by side in the list they
// give a row after another, where unnest in FROM puts each column into a tuplestore first.
static const char *all_rows(struct arena *arena, const struct table *table, size_t count)
{
    const char *list = "SELECT ";
    for (size_t i = 0; i < count; i++)
        list = arena_printf(arena, "%s%sunnest($%zu::%s[]) AS %s", list, i == 0 ? "" : ", ", i + 1,
                            type_name(table->columns[i].type), quoted(arena, table->columns[i].name));
    return list;
}

static const char *table_name(const struct store_sql *sql, const struct table *table)
{
    return arena_printf(sql->arena, "%s.%s", sql->schema, quoted(sql->arena, table->name));
}

// u."a" or, for one row, $1
static const char *new_value(struct arena *arena, const struct table *table, size_t i, bool one)
{
    return one ? arena_printf(arena, "$%zu", i + 1)
               : arena_printf(arena, "u.%s", quoted(arena, table->columns[i].name));
}

// t."a" = u."a" AND … over the key
static const char *key_match(struct arena *arena, const struct table *table, bool one)
{
    const char *list = "";
    for (size_t i = 0; i < table->key_count; i++)
        list = arena_printf(arena, "%s%st.%s = %s", list, i == 0 ? "" : " AND ",
                            quoted(arena, table->columns[i].name), new_value(arena, table, i, one));
    return list;
}

static const char *key_order(struct arena *arena, const struct table *table)
{
    const char *list = "";
    for (size_t i = 0; i < table->key_count; i++)
        list =
            arena_printf(arena, "%s%s%s%s", list, i == 0 ? "" : ", ", quoted(arena, table->columns[i].name),
                         table->columns[i].type == COLUMN_TEXT ? " COLLATE \"C\"" : "");
    return list;
}

// ---- statements of a table

static struct table_sql *of_table(struct store_sql *sql, const struct table *table)
{
    for (size_t i = 0; i < sql->table_count; i++) {
        if (sql->tables[i].table == table)
            return &sql->tables[i];
    }
    assert(false && "a table that the store wasn't opened with");
    return NULL;
}

// The due keys are found per slot by the index's order, so that a great many of them cost no more than `limit` per slot.
static const char *make_due(struct store_sql *sql)
{
    const char *name = table_name(sql, &key_state_table);
    return arena_printf(
        sql->arena,
        "SELECT %s FROM %s WHERE \"key\" = ANY (ARRAY("
        "SELECT d.\"key\" FROM unnest($1::integer[]) AS s(slot) CROSS JOIN LATERAL ("
        "SELECT k.\"key\", k.due FROM %s k WHERE k.slot = s.slot AND k.due <= now() "
        "ORDER BY k.due, k.\"key\" LIMIT $2) d ORDER BY d.due, d.\"key\" LIMIT $2)) ORDER BY due, \"key\"",
        column_names(sql->arena, "", &key_state_table), name, name);
}

const char *store_sql_select(struct store_sql *sql, const struct table *table, size_t column)
{
    if (column == STORE_DUE) {
        assert(table == &key_state_table);
        return sql->fixed.due;
    }
    assert(column < table->column_count && table->kind != TABLE_APPEND);
    struct table_sql *t = of_table(sql, table);
    if (t->select[column] == NULL)
        t->select[column] = arena_printf(
            sql->arena, "SELECT %s FROM %s WHERE %s = ANY ($1::%s[]) ORDER BY %s%s",
            column_names(sql->arena, "", table), table_name(sql, table),
            quoted(sql->arena, table->columns[column].name), type_name(table->columns[column].type),
            key_order(sql->arena, table), table->kind == TABLE_ROWS ? " FOR UPDATE" : "");
    return t->select[column];
}

// A statement for one row has plain values: arrays would be most of what it costs.
static const char *make_insert(struct store_sql *sql, const struct table *table, bool one)
{
    struct arena *arena = sql->arena;
    const char *source = one ? arena_printf(arena, "VALUES (%s)", one_row(arena, table))
                             : all_rows(arena, table, table->column_count);
    return arena_printf(arena, "INSERT INTO %s (%s) %s", table_name(sql, table),
                        column_names(arena, "", table), source);
}

static const char *make_update(struct store_sql *sql, const struct table *table, bool one)
{
    assert(table->column_count > table->key_count);
    struct arena *arena = sql->arena;
    const char *set = "";
    for (size_t i = table->key_count; i < table->column_count; i++)
        set = arena_printf(arena, "%s%s%s = %s", set, i == table->key_count ? "" : ", ",
                           quoted(arena, table->columns[i].name), new_value(arena, table, i, one));
    if (one)
        return arena_printf(arena, "UPDATE %s t SET %s WHERE %s", table_name(sql, table), set,
                            key_match(arena, table, true));
    return arena_printf(arena, "UPDATE %s t SET %s FROM (%s) u WHERE %s", table_name(sql, table), set,
                        all_rows(arena, table, table->column_count), key_match(arena, table, false));
}

static const char *make_delete(struct store_sql *sql, const struct table *table, bool one)
{
    if (one)
        return arena_printf(sql->arena, "DELETE FROM %s t WHERE %s", table_name(sql, table),
                            key_match(sql->arena, table, true));
    return arena_printf(sql->arena, "DELETE FROM %s t USING (%s) u WHERE %s", table_name(sql, table),
                        all_rows(sql->arena, table, table->key_count), key_match(sql->arena, table, false));
}

const char *store_sql_change(struct store_sql *sql, const struct store_change *change)
{
    const struct table *table = change->table;
    assert(change->kind == CHANGE_INSERT || table->kind != TABLE_APPEND);
    const bool one = change->row_count == 1;
    const char **text = &of_table(sql, table)->change[change->kind][one];
    if (*text != NULL)
        return *text;
    switch (change->kind) {
    case CHANGE_INSERT:
        *text = make_insert(sql, table, one);
        break;
    case CHANGE_UPDATE:
        *text = make_update(sql, table, one);
        break;
    case CHANGE_DELETE:
        *text = make_delete(sql, table, one);
        break;
    }
    return *text;
}

// ---- the lane's fixed statements

static void make_slot_statements(struct store_sql *sql)
{
    struct store_fixed_sql *f = &sql->fixed;
    struct arena *a = sql->arena;
    const char *s = sql->schema;
    // Always one row more than slots owned: now() is wanted even when none is.
    f->fence =
        arena_printf(a,
                     "WITH mine AS (UPDATE %s.slot s SET batch_no = s.batch_no + 1, "
                     "published_no = greatest(s.published_no, f.published_no), dirty = 0, suspect = NULL, "
                     "suspect_tries = 0 "
                     "FROM unnest($1::integer[], $2::bigint[], $3::bigint[], $4::bigint[]) "
                     "AS f(p, epoch, batch_no, published_no) "
                     "WHERE s.p = f.p AND s.epoch = f.epoch AND s.batch_no = f.batch_no RETURNING s.p) "
                     "SELECT NULL::integer, now() UNION ALL SELECT p, now() FROM mine",
                     s);
    f->fence_one = arena_printf(
        a,
        "WITH mine AS (UPDATE %s.slot SET batch_no = batch_no + 1, "
        "published_no = greatest(published_no, $4), dirty = 0, suspect = NULL, suspect_tries = 0 "
        "WHERE p = $1 AND epoch = $2 AND batch_no = $3 RETURNING p) "
        "SELECT (SELECT p FROM mine), now()",
        s);
    f->release = arena_printf(
        a,
        "UPDATE %s.slot s SET published_no = greatest(s.published_no, f.published_no), dirty = 0, "
        "suspect = NULL, suspect_tries = 0, owner = NULL "
        "FROM unnest($1::integer[], $2::bigint[], $3::bigint[]) AS f(p, epoch, published_no) "
        "WHERE s.p = f.p AND s.epoch = f.epoch",
        s);
    f->mark_published =
        arena_printf(a,
                     "UPDATE %s.slot s SET published_no = greatest(s.published_no, f.published_no) "
                     "FROM unnest($1::integer[], $2::bigint[], $3::bigint[]) AS f(p, epoch, published_no) "
                     "WHERE s.p = f.p AND s.epoch = f.epoch",
                     s);
    f->mark_begun = arena_printf(
        a,
        "UPDATE %s.slot s SET published_no = greatest(s.published_no, f.published_no), dirty = s.dirty + 1 "
        "FROM unnest($1::integer[], $2::bigint[], $3::bigint[]) AS f(p, epoch, published_no) "
        "WHERE s.p = f.p AND s.epoch = f.epoch",
        s);
    f->mark_suspect = arena_printf(
        a, "UPDATE %s.slot SET suspect = $3, suspect_tries = $4 WHERE p = $1 AND epoch = $2 RETURNING p", s);
    f->claim_make =
        arena_printf(a,
                     "INSERT INTO %s.slot (p) SELECT p FROM unnest($1::integer[]) AS u(p) ORDER BY p "
                     "ON CONFLICT DO NOTHING",
                     s);
    f->claim_lock =
        arena_printf(a, "SELECT p FROM %s.slot WHERE p = ANY ($1::integer[]) ORDER BY p FOR UPDATE", s);
    f->claim_raise = arena_printf(a,
                                  "UPDATE %s.slot SET epoch = epoch + %d, owner = $2, claimed_at = now() "
                                  "WHERE p = ANY ($1::integer[]) "
                                  "RETURNING p, epoch, batch_no, published_no, dirty, suspect, suspect_tries",
                                  s, MUTANT(claim_keeps_epoch) ? 0 : 1);
    f->claim_positions = arena_printf(a,
                                      "SELECT p, topic::integer, next_offset FROM %s.position "
                                      "WHERE p = ANY ($1::integer[]) ORDER BY p, topic",
                                      s);
    // The slot's row is locked: its next owner waits, and finds these positions.
    f->start = arena_printf(a,
                            "INSERT INTO %s.position (p, topic, next_offset) "
                            "SELECT u.p, u.topic, u.next_offset "
                            "FROM unnest($1::integer[], $2::bigint[], $3::integer[], $4::bigint[]) "
                            "AS u(p, epoch, topic, next_offset) "
                            "JOIN %s.slot s ON s.p = u.p AND s.epoch = u.epoch FOR SHARE OF s "
                            "ON CONFLICT (p, topic) DO NOTHING",
                            s, s);
    f->save_positions =
        arena_printf(a,
                     "INSERT INTO %s.position (p, topic, next_offset) "
                     "SELECT p, topic, next_offset FROM unnest($1::integer[], $2::integer[], $3::bigint[]) "
                     "AS u(p, topic, next_offset) "
                     "ON CONFLICT (p, topic) DO UPDATE SET next_offset = excluded.next_offset",
                     s);
    f->save_position = arena_printf(a,
                                    "INSERT INTO %s.position (p, topic, next_offset) VALUES ($1, $2, $3) "
                                    "ON CONFLICT (p, topic) DO UPDATE SET next_offset = excluded.next_offset",
                                    s);
}

static void make_other_statements(struct store_sql *sql)
{
    struct store_fixed_sql *f = &sql->fixed;
    struct arena *a = sql->arena;
    const char *s = sql->schema;
    f->due = make_due(sql);
    f->next_due = arena_printf(
        a,
        "SELECT s.slot, (SELECT k.due FROM %s.key_state k WHERE k.slot = s.slot AND k.due IS NOT NULL "
        "ORDER BY k.due LIMIT 1) FROM unnest($1::integer[]) AS s(slot)",
        s);
    f->outbox_after = arena_printf(a,
                                   "SELECT slot, batch_no, created_at, records FROM %s.outbox "
                                   "WHERE slot = $1 AND batch_no > $2 ORDER BY batch_no, created_at LIMIT $3",
                                   s);
    f->outbox_get =
        arena_printf(a,
                     "SELECT slot, batch_no, created_at, records FROM %s.outbox "
                     "WHERE slot = $1 AND batch_no = ANY ($2::bigint[]) ORDER BY batch_no, created_at",
                     s);
    f->outbox_maintain = arena_printf(a, "SELECT 1 FROM %s.outbox_maintain()", s);
    f->seen_maintain = arena_printf(a, "SELECT %s.seen_maintain($1)", s);
}

struct store_sql *store_sql_new(const char *schema, const struct table *const *tables, size_t table_count)
{
    struct arena *arena = arena_new(16384);
    struct store_sql *sql = arena_new_object(arena, struct store_sql);
    sql->arena = arena;
    sql->schema = quoted(arena, schema);
    sql->table_count = LANE_TABLES + table_count;
    sql->tables = arena_new_array(arena, struct table_sql, sql->table_count);
    for (size_t i = 0; i < sql->table_count; i++) {
        const struct table *table = i < LANE_TABLES ? lane_tables[i] : tables[i - LANE_TABLES];
        assert(table->column_count <= STORE_SQL_COLUMNS_MAX && table->key_count > 0);
        sql->tables[i].table = table;
        sql->tables[i].select = arena_new_array(arena, const char *, table->column_count);
    }
    make_slot_statements(sql);
    make_other_statements(sql);
    return sql;
}

void store_sql_free(struct store_sql *sql)
{
    if (sql != NULL)
        arena_free(sql->arena);
}

const struct store_fixed_sql *store_sql_fixed(const struct store_sql *sql)
{
    return &sql->fixed;
}

// ---- parameters

static const void *cell(const struct column *column, const void *row)
{
    return (const unsigned char *)row + column->offset;
}

static size_t payload_bytes(const struct column *column, const struct store_change *change)
{
    switch (column->type) {
    case COLUMN_UUID:
        return 16 * change->row_count;
    case COLUMN_I64:
    case COLUMN_INSTANT:
        return 8 * change->row_count;
    case COLUMN_I32:
        return 4 * change->row_count;
    case COLUMN_BOOL:
        return change->row_count;
    case COLUMN_TEXT:
    case COLUMN_BYTES:
        break;
    }
    size_t sum = 0;
    for (size_t i = 0; i < change->row_count; i++)
        sum += ((const struct bytes *)cell(column, change->rows[i]))->size;
    return sum;
}

static struct err add_cell(struct pg_array *array, const struct table *table, const struct column *column,
                           const void *value)
{
    switch (column->type) {
    case COLUMN_UUID:
        pg_array_uuid(array, *(const struct uuid *)value);
        break;
    case COLUMN_I64:
        pg_array_i64(array, *(const int64_t *)value);
        break;
    case COLUMN_I32:
        pg_array_i32(array, *(const int32_t *)value);
        break;
    case COLUMN_BOOL:
        pg_array_bool(array, *(const bool *)value);
        break;
    case COLUMN_TEXT:
    case COLUMN_BYTES:
        pg_array_bytes(array, *(const struct bytes *)value);
        break;
    case COLUMN_INSTANT:
        if (*(const instant *)value != INSTANT_NONE && *(const instant *)value < PG_INSTANT_MIN)
            return err_make(ERR_REJECT, "%s.%s: an instant before 4714 BC (SQLSTATE 22008)", table->name,
                            column->name);
        pg_array_instant(array, *(const instant *)value);
        break;
    }
    return err_ok();
}

struct err store_sql_params(struct arena *arena, const struct store_change *change,
                            struct pg_param *ret_params, size_t *ret_count)
{
    const struct table *table = change->table;
    size_t count = change->kind == CHANGE_DELETE ? table->key_count : table->column_count;
    for (size_t c = 0; c < count; c++) {
        const struct column *column = &table->columns[c];
        struct pg_array array = pg_array_start(arena, store_sql_type(column->type), change->row_count,
                                               payload_bytes(column, change));
        for (size_t i = 0; i < change->row_count; i++) {
            struct err e = add_cell(&array, table, column, cell(column, change->rows[i]));
            if (err_is(&e))
                return e;
        }
        ret_params[c] = change->row_count == 1 ? pg_array_only(&array) : pg_array_end(&array);
    }
    *ret_count = count;
    return err_ok();
}

struct pg_param store_sql_values(struct arena *arena, const struct store_query *query)
{
    enum column_type type =
        query->column == STORE_DUE ? COLUMN_I32 : query->table->columns[query->column].type;
    size_t payload = 16 * query->value_count;
    for (size_t i = 0; type == COLUMN_TEXT && i < query->value_count; i++)
        payload += query->values[i].text.size;
    struct pg_array array = pg_array_start(arena, store_sql_type(type), query->value_count, payload);
    for (size_t i = 0; i < query->value_count; i++) {
        const struct value *value = &query->values[i];
        assert(value->type == type);
        switch (type) {
        case COLUMN_UUID:
            pg_array_uuid(&array, value->uuid);
            break;
        case COLUMN_I64:
            pg_array_i64(&array, value->number);
            break;
        case COLUMN_I32:
            pg_array_i32(&array, (int32_t)value->number);
            break;
        case COLUMN_TEXT:
            pg_array_bytes(&array, value->text);
            break;
        case COLUMN_BOOL:
        case COLUMN_BYTES:
        case COLUMN_INSTANT:
            assert(false && "not a type to look up by");
            break;
        }
    }
    return pg_array_end(&array);
}

// ---- rows

static struct err read_cell(const PGresult *result, int row, int index, const struct column *column,
                            struct arena *arena, unsigned char *to)
{
    switch (column->type) {
    case COLUMN_UUID:
        *(struct uuid *)(void *)to = pg_get_uuid(result, row, index);
        return err_ok();
    case COLUMN_TEXT:
    case COLUMN_BYTES:
        *(struct bytes *)(void *)to = arena_bytes(arena, pg_get_bytes(result, row, index));
        return err_ok();
    case COLUMN_INSTANT:
        *(instant *)(void *)to = pg_get_instant(result, row, index);
        return err_ok();
    case COLUMN_I64:
    case COLUMN_I32:
    case COLUMN_BOOL:
        break;
    }
    if (pg_is_null(result, row, index))
        return err_make(ERR_CONFIG, "column %s is NULL, which its type here can't be", column->name);
    if (column->type == COLUMN_I64)
        *(int64_t *)(void *)to = pg_get_i64(result, row, index);
    else if (column->type == COLUMN_I32)
        *(int32_t *)(void *)to = pg_get_i32(result, row, index);
    else
        *(bool *)(void *)to = pg_get_bool(result, row, index);
    return err_ok();
}

struct err store_sql_rows(const struct table *table, const PGresult *result, struct arena *arena,
                          struct store_query *query)
{
    uint32_t types[STORE_SQL_COLUMNS_MAX];
    for (size_t c = 0; c < table->column_count; c++)
        types[c] = store_sql_type(table->columns[c].type);
    struct err e = pg_expect(result, types, table->column_count);
    if (err_is(&e))
        return err_within(e, "table %s", table->name);
    size_t count = (size_t)PQntuples(result);
    unsigned char *rows = arena_alloc_array(arena, count, table->row_size);
    for (size_t i = 0; i < count; i++) {
        for (size_t c = 0; c < table->column_count; c++) {
            const struct column *column = &table->columns[c];
            e = read_cell(result, (int)i, (int)c, column, arena, rows + i * table->row_size + column->offset);
            if (err_is(&e))
                return err_within(e, "table %s", table->name);
        }
    }
    query->rows = rows;
    query->row_count = count;
    return err_ok();
}
