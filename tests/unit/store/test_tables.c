// See test_tables.h.
#include "unit/store/test_tables.h"

#include "pg/migrate.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

extern const struct migration test_migrations[];
extern const unsigned test_migrations_count;

static const char *kinds_check(const void *row)
{
    return ((const struct kinds_row *)row)->number < 0 ? "kinds_number" : NULL;
}

static bool kinds_active(const void *row)
{
    return ((const struct kinds_row *)row)->flag;
}

static const struct column kinds_columns[] = {
    COLUMN(struct kinds_row, id, COLUMN_UUID, false),   COLUMN(struct kinds_row, number, COLUMN_I64, false),
    COLUMN(struct kinds_row, small, COLUMN_I32, false), COLUMN(struct kinds_row, flag, COLUMN_BOOL, false),
    COLUMN(struct kinds_row, name, COLUMN_TEXT, true),  COLUMN(struct kinds_row, data, COLUMN_BYTES, true),
    COLUMN(struct kinds_row, at, COLUMN_INSTANT, true), COLUMN(struct kinds_row, team, COLUMN_TEXT, false),
};
static const struct unique kinds_uniques[] = {
    {.name = "kinds_one_active",
     .columns = (const size_t[]){KINDS_TEAM, KINDS_SMALL},
     .column_count = 2,
     .where = kinds_active},
};
const struct table kinds_table = {
    .name = "kinds",
    .kind = TABLE_ROWS,
    .row_size = sizeof(struct kinds_row),
    .columns = kinds_columns,
    .column_count = COUNT(kinds_columns),
    .key_count = 1,
    .uniques = kinds_uniques,
    .unique_count = COUNT(kinds_uniques),
    .check = kinds_check,
};

static const char *pair_check(const void *row)
{
    const struct pair_row *r = row;
    return r->badge < 0 || r->badge > 100 ? "pair_badge" : NULL;
}

static const struct column pair_columns[] = {
    COLUMN(struct pair_row, code, COLUMN_TEXT, false), COLUMN(struct pair_row, ordinal, COLUMN_I64, false),
    COLUMN(struct pair_row, badge, COLUMN_I32, false), COLUMN(struct pair_row, word, COLUMN_TEXT, true),
    COLUMN(struct pair_row, other, COLUMN_UUID, true),
};
static const struct unique pair_uniques[] = {
    {.name = "pair_word", .columns = (const size_t[]){3}, .column_count = 1},
};
const struct table pair_table = {
    .name = "pair",
    .kind = TABLE_REFERENCE,
    .row_size = sizeof(struct pair_row),
    .columns = pair_columns,
    .column_count = COUNT(pair_columns),
    .key_count = 2,
    .uniques = pair_uniques,
    .unique_count = COUNT(pair_uniques),
    .check = pair_check,
};

static const char *journal_check(const void *row)
{
    return ((const struct journal_row *)row)->amount == 0 ? "journal_amount" : NULL;
}

static const struct column journal_columns[] = {
    COLUMN(struct journal_row, id, COLUMN_UUID, false),
    COLUMN(struct journal_row, ordinal, COLUMN_I32, false),
    COLUMN(struct journal_row, amount, COLUMN_I64, false),
    COLUMN(struct journal_row, note, COLUMN_TEXT, true),
};
const struct table journal_table = {
    .name = "journal",
    .kind = TABLE_APPEND,
    .row_size = sizeof(struct journal_row),
    .columns = journal_columns,
    .column_count = COUNT(journal_columns),
    .key_count = 2,
    .check = journal_check,
};

const struct table *const test_tables[3] = {&kinds_table, &pair_table, &journal_table};

static const void *cell(const struct column *column, const void *row)
{
    return (const unsigned char *)row + column->offset;
}

static const char *cell_text(struct arena *arena, const struct column *column, const void *row)
{
    const void *value = cell(column, row);
    char uuid[UUID_TEXT_SIZE];
    switch (column->type) {
    case COLUMN_UUID:
        uuid_format(*(const struct uuid *)value, uuid);
        return arena_printf(arena, "%s", uuid);
    case COLUMN_I64:
    case COLUMN_INSTANT:
        return arena_printf(arena, "%lld", (long long)*(const int64_t *)value);
    case COLUMN_I32:
        return arena_printf(arena, "%d", *(const int32_t *)value);
    case COLUMN_BOOL:
        return *(const bool *)value ? "true" : "false";
    case COLUMN_TEXT:
    case COLUMN_BYTES:
        break;
    }
    struct bytes bytes = *(const struct bytes *)value;
    if (bytes.data == NULL)
        return "NULL";
    char *hex = arena_alloc(arena, 2 * bytes.size + 1);
    for (size_t i = 0; i < bytes.size; i++)
        snprintf(hex + 2 * i, 3, "%02x", ((const unsigned char *)bytes.data)[i]);
    return arena_printf(arena, "'%s'", hex);
}

const char *test_row_text(struct arena *arena, const struct table *table, const void *row)
{
    const char *text = table->name;
    for (size_t i = 0; i < table->column_count; i++)
        text = arena_printf(arena, "%s %s=%s", text, table->columns[i].name,
                            cell_text(arena, &table->columns[i], row));
    return text;
}

bool test_rows_equal(const struct table *table, const void *a, const void *b)
{
    struct arena *arena = arena_new(4096);
    bool equal = strcmp(test_row_text(arena, table, a), test_row_text(arena, table, b)) == 0;
    arena_free(arena);
    return equal;
}

static const char *environment(const char *name)
{
    const char *value = getenv(name);
    if (value == NULL) {
        fprintf(stderr, "%s isn't set: run this by tests/lib/with_stack.py --only postgres -- …\n", name);
        exit(2);
    }
    return value;
}

const char *test_dsn(void)
{
    return environment("ORDERCLERK_TEST_PG_INVENTORY");
}

const char *test_dsn_admin(void)
{
    return environment("ORDERCLERK_TEST_PG_ADMIN");
}

const char *test_dsn_migrate(void)
{
    return environment("ORDERCLERK_TEST_PG_MIGRATE");
}

void test_migrate_all(void)
{
    const struct migration_set sets[] = {
        {.title = "lane", .migrations = lane_migrations, .count = lane_migrations_count},
        {.title = "test", .migrations = test_migrations, .count = test_migrations_count},
    };
    struct err e = migrate(test_dsn_migrate(), TEST_SCHEMA, TEST_OWNER, sets, 2);
    if (err_is(&e)) {
        fprintf(stderr, "%s\n", e.text);
        exit(1);
    }
}

void test_admin(const char *sql)
{
    PGconn *conn = PQconnectdb(test_dsn_admin());
    PQclear(PQexec(conn, "SET search_path = " TEST_SCHEMA ", public; SET client_min_messages = warning"));
    PGresult *result = PQexec(conn, sql);
    ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
        fprintf(stderr, "%s: %s\n", sql, PQerrorMessage(conn));
        exit(1);
    }
    PQclear(result);
    PQfinish(conn);
}
