// What services answer, as orderctl shows it.
#include "fuzz/fuzz.h"
#include "orderctl/ctl.h"

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void show(struct arena *arena, const char *text, size_t size, long status)
{
    static const struct ctl_column columns[] = {
        {"order", "order_no", false}, {"total", "total_minor", true}, {"reason", "reason", false}};
    ctl_print_problem(text, status);
    json_t *answer = json_loadb(text, size, 0, NULL);
    if (answer == NULL)
        return;
    ctl_table(json_object_get(answer, "orders"), columns, 3);
    ctl_table(answer, columns, 3);
    ctl_text(answer, "state");
    ctl_minor(arena, json_integer_value(json_object_get(answer, "total_minor")),
              ctl_text(answer, "currency"));
    ctl_print_json(answer);
    json_decref(answer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *arena = arena_new(4096);
    struct fuzz_source source = fuzz_source_of(data, size);
    const long status = 200 + (long)fuzz_below(&source, 400);
    const char *text = arena_str(arena, fuzz_rest(&source));
    setlocale(LC_CTYPE, "C.UTF-8");
    char *shown = NULL;
    size_t shown_size = 0;
    FILE *memory = open_memstream(&shown, &shown_size);
    FUZZ_CHECK(memory != NULL);
    FILE *const out = stdout, *const errors = stderr;
    stdout = stderr = memory;
    show(arena, text, strlen(text), status);
    stdout = out;
    stderr = errors;
    fclose(memory);
    // A terminal acts on control characters: no customer's text may reach it with one.
    for (size_t i = 0; i < shown_size; i++)
        FUZZ_CHECK((unsigned char)shown[i] >= 0x20 || shown[i] == '\n');
    free(shown);
    arena_free(arena);
    return 0;
}
