// Rows of an import, cut out of a stream: CSV records (RFC 4180) or lines of NDJSON. Pure: no I/O.
#pragma once

#include "base/arena.h"
#include "base/bytes.h"

#include <stdbool.h>
#include <stddef.h>

#define ROWS_BYTES_MAX ((size_t)256 * 1024) // one row: an order's own limit
#define ROWS_CELLS_MAX 100

enum intake_rows_format { ROWS_CSV, ROWS_NDJSON };

struct intake_row {
    size_t line;      // in the file, from 1, where the row begins
    struct bytes raw; // without the line's end
    // CSV only. Cells are UTF-8 without NUL.
    const struct bytes *cells;
    size_t cell_count;
    const char
        *error; // NULL, or why the row can't be read (what comes after it can); the remedy follows "; "
};

struct intake_rows;

// A byte order mark at the start is skipped, blank lines are, lines end with LF or CRLF. CSV: the delimiter is whichever of
// comma, semicolon and tab is most frequent in the first line; cells in quotes may contain delimiters, line ends and doubled
// quotes.
struct intake_rows *intake_rows_new(enum intake_rows_format format);
void intake_rows_free(struct intake_rows *rows); // NULL is fine

// Takes the next piece, and calls `take` for each row that is complete; the row and its cells are valid during the call.
// False: take returned false (nothing more may be fed).
bool intake_rows_feed(struct intake_rows *rows, struct bytes piece,
                      bool (*take)(void *self, const struct intake_row *row), void *self);
// The stream's end: the last row, which may lack its line end.
bool intake_rows_end(struct intake_rows *rows, bool (*take)(void *self, const struct intake_row *row),
                     void *self);
