// Rows of imports: the same rows come out of a stream whatever its pieces.
#include "fuzz/fuzz.h"
#include "intake/intake_rows.h"

#include <string.h>

struct seen {
    struct arena *arena;
    char *text; // every row, written down
    size_t size, capacity;
    size_t last_line;
};

static void note(struct seen *seen, struct bytes text, char end)
{
    if (seen->size + text.size + 1 > seen->capacity) {
        seen->capacity = 2 * (seen->size + text.size + 1);
        char *bigger = arena_alloc(seen->arena, seen->capacity);
        if (seen->size > 0)
            memcpy(bigger, seen->text, seen->size);
        seen->text = bigger;
    }
    if (text.size > 0)
        memcpy(seen->text + seen->size, text.data, text.size);
    seen->size += text.size;
    seen->text[seen->size++] = end;
}

static bool take(void *self, const struct intake_row *row)
{
    struct seen *seen = self;
    FUZZ_CHECK(row->line > seen->last_line);
    seen->last_line = row->line;
    FUZZ_CHECK(row->raw.size <= ROWS_BYTES_MAX);
    note(seen, bytes_of(&row->line, sizeof row->line), ':');
    if (row->error != NULL) {
        FUZZ_CHECK(strstr(row->error, "; ") != NULL); // what is wrong, and the remedy
        note(seen, bytes_str(row->error), '!');
        return true;
    }
    FUZZ_CHECK(bytes_is_utf8(row->raw));
    note(seen, row->raw, '\n');
    FUZZ_CHECK(row->cell_count <= ROWS_CELLS_MAX);
    for (size_t i = 0; i < row->cell_count; i++) {
        FUZZ_CHECK(bytes_is_utf8(row->cells[i]));
        note(seen, row->cells[i], '|');
    }
    return true;
}

static void cut(enum intake_rows_format format, struct bytes text, struct fuzz_source sizes, bool whole,
                struct seen *seen)
{
    struct intake_rows *rows = intake_rows_new(format);
    const uint8_t *data = text.data;
    for (size_t at = 0; at < text.size;) {
        size_t size = whole ? text.size : (size_t)1 + fuzz_byte(&sizes) % 64;
        size = size > text.size - at ? text.size - at : size;
        FUZZ_CHECK(intake_rows_feed(rows, bytes_of(data + at, size), take, seen));
        at += size;
    }
    FUZZ_CHECK(intake_rows_end(rows, take, seen));
    intake_rows_free(rows);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *arena = arena_new(1024);
    struct fuzz_source source = fuzz_source_of(data, size);
    const enum intake_rows_format format = fuzz_byte(&source) % 2 == 0 ? ROWS_CSV : ROWS_NDJSON;
    const struct bytes pieces = fuzz_piece(&source, arena, 32);
    const struct fuzz_source sizes = fuzz_source_of(pieces.data, pieces.size);
    const struct bytes text = fuzz_rest(&source);
    struct seen whole = {.arena = arena}, split = {.arena = arena};
    cut(format, text, sizes, true, &whole);
    cut(format, text, sizes, false, &split);
    FUZZ_CHECK(bytes_equal(bytes_of(whole.text, whole.size), bytes_of(split.text, split.size)));
    arena_free(arena);
    return 0;
}
