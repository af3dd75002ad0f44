// One table in memory: rows in key order, changed one by one as PostgreSQL would, with an undo list. For store_mem only.
#pragma once

#include "lane/store.h"

struct mem_row {
    const void *locked_by; // a port with an open transaction; NULL: none
    unsigned char *data;   // table->row_size bytes, its strings behind them in the same block
};

struct mem_table {
    const struct table *table;
    struct mem_row **rows;
    size_t count;
    size_t capacity;
};

// What a change did, to take it back.
struct mem_undo_step {
    struct mem_table *table;
    struct mem_row *added;   // NULL: none
    struct mem_row *removed; // NULL: none
};
struct mem_undo {
    struct mem_undo_step *steps;
    size_t count;
    size_t capacity;
};

void mem_table_free(struct mem_table *table);

// Values that PostgreSQL can't hold. store_pg looks at instants before it sends anything; the server looks at a statement's
// texts before its first row. column_count: of those that are sent.
struct err mem_row_check_instants(const struct table *table, const void *row, size_t column_count);
struct err mem_row_check_texts(const struct table *table, const void *row, size_t column_count);
// REJECT: not null, check, primary key, unique, in this order. RETRY: locked by a transaction.
struct err mem_insert(struct mem_table *table, const void *row, struct mem_undo *undo);
// A row that isn't there is left alone, as SQL's UPDATE and DELETE do.
struct err mem_update(struct mem_table *table, const void *row, struct mem_undo *undo);
struct err mem_delete(struct mem_table *table, const void *row, struct mem_undo *undo);
void mem_undo_all(struct mem_undo *undo);  // takes everything back and empties the list
void mem_undo_keep(struct mem_undo *undo); // lets what was removed go and empties the list

// The row with this primary key, or NULL.
struct mem_row *mem_find(const struct mem_table *table, const void *row);
bool mem_matches(const struct table *table, const void *row, size_t column, struct value value);
// Copies the described columns into *ret_row, strings into the arena.
void mem_copy_out(const struct table *table, const void *row, struct arena *arena, void *ret_row);
int mem_compare_values(struct value a, struct value b); // of one type
int mem_compare_column(const struct table *table, const void *row, size_t column,
                       struct value value); // NULLs first
int mem_compare_keys(const struct table *table, const void *a, const void *b);
