// SQL made from table descriptors, and rows to and from its parameters and results. For store_pg only.
#pragma once

#include "lane/store.h"
#include "pg/pg.h"

struct store_sql;

// Statements for tables of this schema; texts are made on first use and live as long as the object.
struct store_sql *store_sql_new(const char *schema, const struct table *const *tables, size_t table_count);
void store_sql_free(struct store_sql *sql);

// What all lanes need, made for the schema.
struct store_fixed_sql {
    const char *fence, *fence_one, *release, *mark_published, *mark_begun, *mark_suspect;
    const char *claim_make, *claim_lock, *claim_raise, *claim_positions, *start;
    const char *save_positions, *save_position;
    const char *due, *next_due;
    const char *outbox_after, *outbox_get;
    const char *outbox_maintain, *seen_maintain;
};
const struct store_fixed_sql *store_sql_fixed(const struct store_sql *sql);

// SELECT … WHERE column = ANY($1) ORDER BY key [FOR UPDATE]; STORE_DUE: key_state's due rows ($1 slots, $2 limit).
const char *store_sql_select(struct store_sql *sql, const struct table *table, size_t column);
// Parameters: an array per column (INSERT, UPDATE) or key column (DELETE). For one row: its values.
const char *store_sql_change(struct store_sql *sql, const struct store_change *change);

uint32_t store_sql_type(enum column_type type); // of the column in PostgreSQL

// The parameter of a query, and its rows from the result. Rows are made in the arena.
struct pg_param store_sql_values(struct arena *arena, const struct store_query *query);
struct err store_sql_rows(const struct table *table, const PGresult *result, struct arena *arena,
                          struct store_query *query) ERR_MUST_CHECK;
// The parameters of a change, in the arena. REJECT: a value that timestamptz can't hold.
struct err store_sql_params(struct arena *arena, const struct store_change *change,
                            struct pg_param *ret_params, size_t *ret_count) ERR_MUST_CHECK;
#define STORE_SQL_COLUMNS_MAX 64 // far more than a hot row should have
