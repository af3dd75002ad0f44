// The mails' texts.
#include "notifier/notifier_texts.h"

#include <stdio.h>
#include <string.h>

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])
#define TEXT_MAX        (64 * 1024) // of a template file: a mail is a page or two
#define VALUES_MAX      32

static const char *const kind_names[] = {
#define KIND(NAME, name, values) name,
#include "notifier/notifier_kinds.def"
#undef KIND
};
static const char *const kind_values[] = {
#define KIND(NAME, name, values) values,
#include "notifier/notifier_kinds.def"
#undef KIND
};
static const char *const common_values[] = {
    "sender", "reference", // the notifier's own
#define COMMON(name) name,
#include "notifier/notifier_kinds.def"
#undef COMMON
};
static const char *const locale_names[] = {"zh-CN", "en"};

const char *notice_kind_name(enum notice_kind kind)
{
    return kind_names[kind];
}

const char *notice_kind_values(enum notice_kind kind)
{
    return kind_values[kind];
}

bool notice_kind_parse(const char *name, enum notice_kind *ret_kind)
{
    for (size_t i = 0; i < COUNT_OF(kind_names); i++) {
        if (strcmp(name, kind_names[i]) == 0) {
            *ret_kind = (enum notice_kind)i;
            return true;
        }
    }
    return false;
}

const char *notice_locale_name(enum notice_locale locale)
{
    return locale_names[locale];
}

enum notice_locale notice_locale_for(const char *bcp47)
{
    bool chinese = (bcp47[0] == 'z' || bcp47[0] == 'Z') && (bcp47[1] == 'h' || bcp47[1] == 'H') &&
                   (bcp47[2] == '\0' || bcp47[2] == '-' || bcp47[2] == '_');
    return chinese ? LOCALE_ZH_CN : LOCALE_EN;
}

// ---- what a kind's templates may name

static const char *const violation_values[] = {"text", "field", "code", "suggestions", "department", NULL};
static const char *const shortage_values[] = {"line_no", "sku", "wanted", "available", "restock_date", NULL};
static const char *const substitute_values[] = {"sku", "name", "available", NULL};
static const char *const line_values[] = {
    "line_no", "product_code", "product_name", "specification", "quantity", "unit", NULL};
static const struct vocabulary substitute = {substitute_values, NULL};
static const struct vocabulary_list shortage_lists[] = {{"substitutes", &substitute}, {NULL, NULL}};
static const struct vocabulary violation = {violation_values, NULL};
static const struct vocabulary shortage = {shortage_values, shortage_lists};
static const struct vocabulary line = {line_values, NULL};
static const struct vocabulary_list all_lists[] = {
    {"violations", &violation}, {"shortages", &shortage}, {"lines", &line}};

static struct vocabulary *vocabulary_of(struct arena *arena, enum notice_kind kind)
{
    const char **values = arena_new_array(arena, const char *, COUNT_OF(common_values) + VALUES_MAX + 1);
    struct vocabulary_list *lists = arena_new_array(arena, struct vocabulary_list, COUNT_OF(all_lists) + 1);
    size_t value_count = 0;
    size_t list_count = 0;
    for (size_t i = 0; i < COUNT_OF(common_values); i++)
        values[value_count++] = common_values[i];
    for (const char *at = kind_values[kind]; *at != '\0';) {
        size_t n = strcspn(at, " ");
        const char *name = arena_str(arena, bytes_of(at, n));
        const struct vocabulary_list *list = NULL;
        for (size_t i = 0; i < COUNT_OF(all_lists); i++) {
            if (strcmp(all_lists[i].name, name) == 0)
                list = &all_lists[i];
        }
        if (list != NULL)
            lists[list_count++] = *list;
        else
            values[value_count++] = name;
        at += n + (at[n] == ' ');
    }
    struct vocabulary *vocabulary = arena_new_object(arena, struct vocabulary);
    *vocabulary = (struct vocabulary){.values = values, .lists = lists};
    return vocabulary;
}

// ---- reading

static struct err read_file(struct arena *arena, const char *directory, const char *name,
                            struct bytes *ret_text)
{
    FILE *file = fopen(arena_printf(arena, "%s/%s", directory, name), "rb");
    if (file == NULL)
        return err_make(ERR_CONFIG, "%s: can't be read in %s", name, directory);
    char *text = arena_alloc(arena, TEXT_MAX + 1);
    size_t size = fread(text, 1, TEXT_MAX + 1, file);
    bool failed = ferror(file) != 0;
    fclose(file);
    if (failed || size > TEXT_MAX)
        return err_make(ERR_CONFIG, "%s: can't be read, or is larger than %d bytes", name, TEXT_MAX);
    *ret_text = bytes_of(text, size);
    return err_ok();
}

static struct err read_text(struct arena *arena, const char *directory, const char *name,
                            struct bytes *ret_text)
{
    if (directory != NULL && directory[0] != '\0')
        return read_file(arena, directory, name, ret_text);
    for (const struct notifier_text *t = notifier_texts; t->name != NULL; t++) {
        if (strcmp(t->name, name) == 0) {
            *ret_text = bytes_of(t->data, t->size);
            return err_ok();
        }
    }
    return err_make(ERR_CONFIG, "%s: missing", name);
}

static struct err load_one(struct texts *texts, const char *directory, enum notice_kind kind,
                           enum notice_locale locale)
{
    struct arena *arena = texts->arena;
    const char *name = arena_printf(arena, "%s.%s.txt", kind_names[kind], locale_names[locale]);
    struct bytes text = bytes_str("");
    struct err e = read_text(arena, directory, name, &text);
    if (err_is(&e))
        return e;
    if (!bytes_is_utf8(text))
        return err_make(ERR_CONFIG, "%s: isn't UTF-8", name);
    const char *end = memmem(text.data, text.size, "\n\n", 2);
    size_t n = end == NULL ? 0 : (size_t)(end - (const char *)text.data);
    if (n == 0 || memchr(text.data, '\n', n) != NULL || n + 2 == text.size)
        return err_make(ERR_CONFIG, "%s: must be a line with the subject, an empty line, and a body", name);
    const struct vocabulary *vocabulary = vocabulary_of(arena, kind);
    struct notice_text *item = &texts->items[kind][locale];
    e = template_parse(arena, bytes_of(text.data, n), vocabulary, &item->subject);
    if (err_is(&e))
        return err_within(e, "%s", name);
    e = template_parse(arena, bytes_of((const char *)text.data + n + 2, text.size - n - 2), vocabulary,
                       &item->body);
    return err_within(e, "%s, body", name);
}

struct err texts_load(const char *directory, struct texts *ret_texts)
{
    struct texts texts = {.arena = arena_new(1 << 18)};
    struct err e = err_ok();
    for (int kind = 0; kind < NOTICE_KIND_COUNT && !err_is(&e); kind++) {
        for (int locale = 0; locale < LOCALE_COUNT && !err_is(&e); locale++)
            e = load_one(&texts, directory, (enum notice_kind)kind, (enum notice_locale)locale);
    }
    if (err_is(&e))
        arena_free(texts.arena);
    else
        *ret_texts = texts;
    return e;
}

void texts_free(struct texts *texts)
{
    arena_free(texts->arena);
    *texts = (struct texts){.arena = NULL};
}
