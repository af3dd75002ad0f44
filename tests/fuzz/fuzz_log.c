// Log lines: one JSON object on one line, whatever is logged.
#include "fuzz/fuzz.h"
#include "log/log_line.h"
#include "json/jsonr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"order", "text", "key", "detail", "more"};
    struct arena *arena = arena_new(4096);
    struct fuzz_source source = fuzz_source_of(data, size);
    static struct log_line line;
    log_line_start(&line);
    log_line_int(&line, "at", fuzz_number(&source));
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        log_line_text(&line, names[i], fuzz_piece(&source, arena, 4096));
    log_line_text(&line, "last", fuzz_rest(&source));
    log_line_end(&line);
    FUZZ_CHECK(line.size <= LOG_LINE_MAX && line.size > 0 && line.text[line.size - 1] == '\n');
    FUZZ_CHECK(memchr(line.text, '\n', line.size) == line.text + line.size - 1);
    struct jsonr_problems problems = {.arena = arena};
    struct jsonr_doc *doc = jsonr_parse(bytes_of(line.text, line.size), &problems);
    // A zero is written as JSON has it, which our own reader doesn't take.
    FUZZ_CHECK(doc != NULL || memmem(line.text, line.size, "\\u0000", 6) != NULL);
    jsonr_free(doc);
    arena_free(arena);
    return 0;
}
