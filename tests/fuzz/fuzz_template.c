// Mails' templates: read or refused with the line; what is read renders.
#include "fuzz/fuzz.h"
#include "notifier/notifier_template.h"

#include <string.h>

static const char *const line_values[] = {"sku", "quantity", NULL};
static const struct vocabulary line_vocabulary = {.values = line_values};
static const struct vocabulary_list lists[] = {{"lines", &line_vocabulary}, {NULL, NULL}};
static const char *const values[] = {"name", "date", "at", NULL};
static const struct vocabulary vocabulary = {.values = values, .lists = lists};

static void check_render(struct fuzz_source *source, struct arena *arena, const struct template *template)
{
    const struct scope_value item_values[] = {{"sku", fuzz_piece(source, arena, 20)},
                                              {"quantity", bytes_str("3")}};
    const struct scope_value own[] = {{"name", fuzz_piece(source, arena, 60)},
                                      {"date", fuzz_piece(source, arena, 20)},
                                      {"at", fuzz_piece(source, arena, 40)}};
    struct scope top = {.values = own, .value_count = 3};
    struct scope items[3];
    for (size_t i = 0; i < 3; i++)
        items[i] = (struct scope){.outer = &top, .values = item_values, .value_count = 2};
    const struct scope_list list = {.name = "lines", .items = items, .count = fuzz_below(source, 4)};
    top.lists = &list;
    top.list_count = 1;
    const struct template_style style = {.language = fuzz_byte(source) % 2 == 0 ? LANGUAGE_ZH : LANGUAGE_EN,
                                         .zone = "Asia/Shanghai"};
    const struct bytes once = template_render(arena, template, &top, &style);
    FUZZ_CHECK(bytes_equal(once, template_render(arena, template, &top, &style)));
    template_date(arena, own[0].text, &style);
    template_instant(arena, own[0].text, &style);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *arena = arena_new(4096);
    struct fuzz_source source = fuzz_source_of(data, size);
    const struct bytes text = fuzz_piece(&source, arena, 4096);
    struct template *template;
    struct err e = template_parse(arena, text, &vocabulary, &template);
    if (err_is(&e))
        FUZZ_CHECK(e.class == ERR_CONFIG && strncmp(e.text, "line ", 5) == 0);
    else
        check_render(&source, arena, template);
    arena_free(arena);
    return 0;
}
