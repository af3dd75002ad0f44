// The rows of one batch: what was wanted, loaded, put, changed and deleted; with an undo per input.
//
// Internal to the lane. Everything lives in the batch's arena.
#pragma once

#include "base/arena.h"
#include "lane/store.h"

#include <stdbool.h>
#include <stddef.h>

struct rows;

// input_count: about how many inputs will ask for rows; a table's buckets are made for as many.
struct rows *rows_new(struct arena *arena, size_t input_count);

// A new input begins: changes from here on can be undone together.
void rows_mark(struct rows *rows);
void rows_undo(struct rows *rows);

bool rows_want(struct rows *rows, const struct table *table, size_t column,
               struct value value); // true: newly wanted
// It is known that nothing is stored under this value: as if wanted and not found.
void rows_assume_none(struct rows *rows, const struct table *table, size_t column, struct value value);
// Queries for everything wanted since the last call; 0: nothing new.
size_t rows_queries(struct rows *rows, struct store_query **ret_queries);
// Takes what the store found for them.
void rows_loaded(struct rows *rows, const struct store_query *queries, size_t count);

// A row that was found in another way than by a want; it is the only one with its value in `column` (a key's column).
void *rows_take(struct rows *rows, const struct table *table, size_t column, const void *row);

void *rows_find(struct rows *rows, const struct table *table, const void *probe);
void *rows_next(struct rows *rows, const struct table *table, size_t column, struct value value,
                const void *after);
void *rows_put(struct rows *rows, const struct table *table, const void *row);
void rows_touch(struct rows *rows, void *row);
void rows_delete(struct rows *rows, void *row);
void rows_set_decoded(void *row, void *decoded);
void *rows_decoded(const void *row);

// Everything to be saved: per table (in the order given) inserts, updates, deletes, sorted by key.
size_t rows_changes(struct rows *rows, const struct table *const *tables, size_t table_count,
                    struct store_change **ret_changes);
