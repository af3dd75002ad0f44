// The cutting is a small state machine over bytes; a CSV record is split into cells once it is whole.
#include "intake/intake_rows.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_BYTES ((size_t)4096)
#define MARK        "\xEF\xBB\xBF"
#define MARK_OVER   3

struct intake_rows {
    enum intake_rows_format format;
    char *data; // of the row under way
    size_t size, capacity;
    bool too_long;   // the rest of the row is dropped
    bool in_quotes;  // CSV
    bool cell_begun; // CSV: a quote now would be in the middle of a cell
    size_t mark;     // bytes of the byte order mark that have been seen; all of them, or MARK_OVER
    size_t line;     // of the next byte
    size_t row_line; // of the row's first
    char delimiter;  // 0: not known yet
    struct bytes cells[ROWS_CELLS_MAX];
    struct arena *arena;
    char error[128];
};

struct intake_rows *intake_rows_new(enum intake_rows_format format)
{
    struct intake_rows *rows = calloc(1, sizeof *rows);
    if (rows == NULL)
        abort();
    rows->format = format;
    rows->line = rows->row_line = 1;
    rows->arena = arena_new(FIRST_BYTES);
    return rows;
}

void intake_rows_free(struct intake_rows *rows)
{
    if (rows == NULL)
        return;
    arena_free(rows->arena);
    free(rows->data);
    free(rows);
}

static void append(struct intake_rows *rows, const char *data, size_t size)
{
    if (size == 0)
        return;
    if (rows->too_long || rows->size + size > ROWS_BYTES_MAX) {
        rows->too_long = true;
        return;
    }
    if (rows->size + size > rows->capacity) {
        size_t capacity = rows->capacity == 0 ? FIRST_BYTES : rows->capacity;
        while (capacity < rows->size + size)
            capacity *= 2;
        char *bigger = realloc(rows->data, capacity);
        if (bigger == NULL)
            abort();
        rows->data = bigger;
        rows->capacity = capacity;
    }
    memcpy(rows->data + rows->size, data, size);
    rows->size += size;
}

static char find_delimiter(const char *data, size_t size)
{
    static const char candidates[] = {',', ';', '\t'};
    size_t counts[sizeof candidates] = {0};
    bool quoted = false;
    for (size_t i = 0; i < size; i++) {
        if (data[i] == '"')
            quoted = !quoted;
        for (size_t c = 0; c < sizeof candidates && !quoted; c++)
            counts[c] += data[i] == candidates[c];
    }
    size_t best = 0;
    for (size_t c = 1; c < sizeof candidates; c++)
        if (counts[c] > counts[best])
            best = c;
    return candidates[best];
}

// One cell from `at` on; returns where its delimiter, or the end, is. NULL: text beside quotes.
static const char *take_cell(struct intake_rows *rows, const char *at, const char *end,
                             struct bytes *ret_cell)
{
    if (at == end || *at != '"') {
        const char *stop = memchr(at, rows->delimiter, (size_t)(end - at));
        stop = stop != NULL ? stop : end;
        *ret_cell = bytes_of(at, (size_t)(stop - at));
        return memchr(at, '"', ret_cell->size) == NULL ? stop : NULL;
    }
    char *text = arena_alloc(rows->arena, (size_t)(end - at));
    size_t size = 0;
    for (at++; at < end; at++) {
        if (*at == '"' && (at + 1 == end || at[1] != '"'))
            break;
        at += *at == '"';
        text[size++] = *at;
    }
    if (at == end || (at + 1 < end && at[1] != rows->delimiter))
        return NULL;
    *ret_cell = bytes_of(text, size);
    return at + 1;
}

static const char *split(struct intake_rows *rows, struct intake_row *row)
{
    const char *at = row->raw.data, *end = at + row->raw.size;
    if (rows->delimiter == 0)
        rows->delimiter = find_delimiter(at, row->raw.size);
    row->cells = rows->cells;
    for (;;) {
        if (row->cell_count == ROWS_CELLS_MAX)
            return "has more than 100 cells; leave the columns that aren't asked for out";
        at = take_cell(rows, at, end, &rows->cells[row->cell_count]);
        if (at == NULL)
            return "has quotes in the middle of a cell, or a quote that isn't closed; quote the whole cell "
                   "and double the "
                   "quotes in it";
        row->cell_count++;
        if (at == end)
            return NULL;
        at++;
    }
}

static bool is_blank(struct bytes raw)
{
    const char *data = raw.data;
    for (size_t i = 0; i < raw.size; i++)
        if (data[i] != ' ' && data[i] != '\t')
            return false;
    return true;
}

static bool give(struct intake_rows *rows, bool (*take)(void *self, const struct intake_row *row), void *self)
{
    size_t size = rows->size;
    if (size > 0 && rows->data[size - 1] == '\r')
        size--;
    struct intake_row row = {.line = rows->row_line, .raw = bytes_of(size > 0 ? rows->data : "", size)};
    if (rows->too_long) {
        snprintf(rows->error, sizeof rows->error, "has more than %zu bytes; make it smaller", ROWS_BYTES_MAX);
        row.error = rows->error;
    } else if (!bytes_is_utf8(row.raw)) {
        row.error = "isn't UTF-8; save the file as UTF-8";
    } else if (rows->in_quotes) {
        row.error = "has a quote that isn't closed; close it";
    } else if (rows->format == ROWS_CSV && size > 0) {
        row.error = split(rows, &row);
    }
    bool blank = row.error == NULL && is_blank(row.raw);
    bool go_on = blank || take(self, &row);
    arena_reset(rows->arena);
    rows->size = 0;
    rows->too_long = rows->in_quotes = rows->cell_begun = false;
    return go_on;
}

// Follows quotes up to the row's end; returns how much of the piece belongs to the row, its line end included.
static size_t scan(struct intake_rows *rows, const char *data, size_t size, bool *ret_complete)
{
    *ret_complete = false;
    for (size_t i = 0; i < size; i++) {
        char c = data[i];
        if (c == '\n') {
            rows->line++;
            if (!rows->in_quotes) {
                *ret_complete = true;
                return i + 1;
            }
        } else if (rows->format == ROWS_CSV && c == '"') {
            if (rows->in_quotes || !rows->cell_begun)
                rows->in_quotes = !rows->in_quotes;
        }
        // a quote opens a cell only at its beginning; after the closing one it may be the second of a pair
        bool delimits = rows->delimiter == 0 ? c == ',' || c == ';' || c == '\t' : c == rows->delimiter;
        rows->cell_begun = !rows->in_quotes && c != '"' && !delimits;
    }
    return size;
}

// Skips the mark, which may come in several pieces; what only began like one belongs to the first row.
static size_t skip_mark(struct intake_rows *rows, const char *data, size_t size)
{
    size_t at = 0;
    while (rows->mark < MARK_OVER && at < size && data[at] == MARK[rows->mark]) {
        rows->mark++;
        at++;
    }
    if (rows->mark < MARK_OVER && at < size) {
        append(rows, MARK, rows->mark);
        rows->cell_begun = rows->mark > 0;
        rows->mark = MARK_OVER;
    }
    return at;
}

bool intake_rows_feed(struct intake_rows *rows, struct bytes piece,
                      bool (*take)(void *self, const struct intake_row *row), void *self)
{
    const char *data = piece.data;
    size_t at = rows->mark < MARK_OVER ? skip_mark(rows, data, piece.size) : 0;
    while (at < piece.size) {
        bool complete = false;
        size_t used = scan(rows, data + at, piece.size - at, &complete);
        append(rows, data + at, used - complete);
        at += used;
        if (complete) {
            if (!give(rows, take, self))
                return false;
            rows->row_line = rows->line;
        }
    }
    return true;
}

bool intake_rows_end(struct intake_rows *rows, bool (*take)(void *self, const struct intake_row *row),
                     void *self)
{
    if (rows->mark > 0 && rows->mark < MARK_OVER)
        append(rows, MARK, rows->mark);
    return (rows->size == 0 && !rows->too_long) || give(rows, take, self);
}
