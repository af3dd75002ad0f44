// Templates: what they make, what is refused when they are read, and that every text of the notifier is right.
#include "notifier/notifier.h"
#include "unit/base/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const item_values[] = {"sku", "name", NULL};
static const struct vocabulary item = {item_values, NULL};
static const struct vocabulary_list lists[] = {{"lines", &item}, {NULL, NULL}};
static const char *const values[] = {"name", "empty", "day", "at", NULL};
static const struct vocabulary vocabulary = {values, lists};

static struct arena *arena;
static int setup(void **state)
{
    (void)state;
    arena = arena_new(1 << 16);
    return 0;
}
static int teardown(void **state)
{
    (void)state;
    arena_free(arena);
    return 0;
}

static const char *render(const char *text, enum template_language language)
{
    static const struct scope_value first[] = {{"sku", {"P-1", 3}}, {"name", {"Bolt", 4}}};
    static const struct scope_value second[] = {{"sku", {"P-2", 3}}};
    static const struct scope_value root_values[] = {{"name", {"Li", 2}},
                                                     {"empty", {"", 0}},
                                                     {"day", {"2026-09-24", 10}},
                                                     {"at", {"2026-09-24T20:30:00Z", 20}}};
    struct scope root = {.values = root_values, .value_count = 4};
    struct scope items[] = {{.outer = &root, .values = first, .value_count = 2},
                            {.outer = &root, .values = second, .value_count = 1}};
    struct scope_list list = {"lines", items, 2};
    root.lists = &list;
    root.list_count = 1;
    struct template *template;
    struct template_style style = {.language = language, .zone = "Asia/Shanghai"};
    struct err e = template_parse(arena, bytes_str(text), &vocabulary, &template);
    if (err_is(&e))
        fail_msg("%s: %s", text, e.text);
    return arena_str(arena, template_render(arena, template, &root, &style));
}

static void renders(void **state)
{
    (void)state;
    static const struct {
        const char *text, *made;
    } cases[] = {
        {"", ""},
        {"plain { } text", "plain { } text"},
        {"Dear {{name}},", "Dear Li,"},
        {"{{ name }}", "Li"},
        {"a{{empty}}b", "ab"},
        {"{{#if name}}yes{{/if}}{{#unless name}}no{{/unless}}", "yes"},
        {"{{#if empty}}yes{{/if}}{{#unless empty}}no{{/unless}}", "no"},
        {"{{#if lines}}some{{/if}}", "some"},
        {"{{#each lines}}[{{sku}} {{name}}]{{/each}}",
         "[P-1 Bolt][P-2 Li]"}, // what an item lacks is the outer one's
        {"a\n{{#if name}}\nb\n{{/if}}\nc\n", "a\nb\nc\n"},
        {"a\n  {{#if empty}}\nb\n  {{/if}}\nc\n", "a\nc\n"},
        {"{{#each lines}}\n- {{sku}}\n{{/each}}\nend", "- P-1\n- P-2\nend"},
        {"{{#if name}}{{#if empty}}x{{/if}}y{{/if}}", "y"},
        {"{{day|date}}", "Thursday, 24 September 2026"},
        {"{{at|instant}}", "Friday, 25 September 2026, 04:30 (Asia/Shanghai, UTC+8)"},
        {"{{name|date}} {{name|instant}}", "Li Li"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_string_equal(render(cases[i].text, LANGUAGE_EN), cases[i].made);
    assert_string_equal(render("{{day|date}}", LANGUAGE_ZH), "2026年9月24日（星期四）");
    assert_string_equal(render("{{at|instant}}", LANGUAGE_ZH),
                        "2026年9月25日（星期五） 04:30（Asia/Shanghai，UTC+8）");
}

static void refuses(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "{{nobody}}",
        "{{name",
        "{{}}",
        "{{name|upper}}",
        "{{sku}}", // an item's value outside of its list
        "{{#each name}}{{/each}}",
        "{{#if nobody}}{{/if}}",
        "{{#if}}{{/if}}",
        "{{#while name}}{{/while}}",
        "{{#if name}}",
        "{{/if}}",
        "{{#if name}}{{#each lines}}{{/if}}{{/each}}",
        "{{#each lines}}{{nobody}}{{/each}}",
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct template *template;
        struct err e = template_parse(arena, bytes_str(cases[i]), &vocabulary, &template);
        if (e.class != ERR_CONFIG)
            fail_msg("%s is not refused", cases[i]);
    }
    struct template *template;
    struct err e = template_parse(arena, bytes_str("a\nb\n{{wrong}}"), &vocabulary, &template);
    assert_non_null(strstr(e.text, "line 3"));
    assert_non_null(strstr(e.text, "wrong"));
}

static void distances_from_utc(void **state)
{
    (void)state;
    static const struct {
        const char *zone, *made;
    } cases[] = {{"UTC", "Thursday, 24 September 2026, 20:30 (UTC, UTC)"},
                 {"America/New_York", "Thursday, 24 September 2026, 16:30 (America/New_York, UTC-4)"},
                 {"Asia/Kolkata", "Friday, 25 September 2026, 02:00 (Asia/Kolkata, UTC+5:30)"}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct template_style style = {.language = LANGUAGE_EN, .zone = cases[i].zone};
        struct bytes made = template_instant(arena, bytes_str("2026-09-24T20:30:00Z"), &style);
        assert_string_equal(arena_str(arena, made), cases[i].made);
    }
}

// ---- the notifier's own

static void every_text_is_right(void **state)
{
    (void)state;
    struct texts texts;
    struct err e = texts_load(NULL, &texts);
    if (err_is(&e))
        fail_msg("%s", e.text);
    texts_free(&texts);
    size_t count = 0;
    while (notifier_texts[count].name != NULL)
        count++;
    assert_int_equal(count, NOTICE_KIND_COUNT * LOCALE_COUNT); // none that nobody reads
}

// The saga's list of mails, and ours.
struct saga_notice_kind {
    const char *kind, *values;
};
static const struct saga_notice_kind saga_kinds[] = {
#define NOTICE(NAME, kind, values) {kind, values},
#include "orchestrator/saga/saga_notices.def"
#undef NOTICE
};

// "deadline (and violations or shortages)" -> "deadline violations shortages"
static void plain_words(const char *text, char *ret_words)
{
    size_t size = 0;
    char word[64];
    int taken;
    while (sscanf(text, " %63[^ ()]%n", word, &taken) == 1 || *text != '\0') {
        if (*text == '(' || *text == ')' || *text == ' ') {
            text++;
            continue;
        }
        text += taken;
        if (strcmp(word, "and") != 0 && strcmp(word, "or") != 0)
            size += (size_t)sprintf(ret_words + size, "%s%s", size == 0 ? "" : " ", word);
    }
    ret_words[size] = '\0';
}

static void kinds_are_those_of_the_saga(void **state)
{
    (void)state;
    assert_int_equal(COUNT_OF(saga_kinds), NOTICE_KIND_COUNT);
    for (size_t i = 0; i < COUNT_OF(saga_kinds); i++) {
        enum notice_kind kind;
        char words[200];
        assert_true(notice_kind_parse(saga_kinds[i].kind, &kind));
        plain_words(saga_kinds[i].values, words);
        assert_string_equal(notice_kind_values(kind), words);
    }
}

static void write_all(const char *directory, const char *except)
{
    for (const struct notifier_text *t = notifier_texts; t->name != NULL; t++) {
        char path[300];
        snprintf(path, sizeof path, "%s/%s", directory, t->name);
        if (strcmp(t->name, except) == 0)
            continue;
        FILE *file = fopen(path, "wb");
        assert_non_null(file);
        assert_int_equal(fwrite(t->data, 1, t->size, file), t->size);
        fclose(file);
    }
}

static void write_one(const char *directory, const char *name, const char *text)
{
    char path[300];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void remove_all(const char *directory)
{
    for (const struct notifier_text *t = notifier_texts; t->name != NULL; t++) {
        char path[300];
        snprintf(path, sizeof path, "%s/%s", directory, t->name);
        unlink(path);
    }
    rmdir(directory);
}

static void a_directory_of_ones_own(void **state)
{
    (void)state;
    char directory[] = "/tmp/notifier-texts-XXXXXX";
    assert_non_null(mkdtemp(directory));
    struct texts texts;
    write_all(directory, "shipped.en.txt");
    struct err e = texts_load(directory, &texts);
    assert_int_equal(e.class, ERR_CONFIG);
    assert_non_null(strstr(e.text, "shipped.en.txt"));
    static const char *const wrong[] = {"",
                                        "Subject only\n",
                                        "Subject\n\n",
                                        "Two\nlines\n\nbody\n",
                                        "Subject\n\n{{promise_date}}\n",
                                        "{{nobody}}\n\nbody\n",
                                        "Subject\n\nbroken \xFF\n"};
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        write_one(directory, "shipped.en.txt", wrong[i]);
        e = texts_load(directory, &texts);
        assert_int_equal(e.class, ERR_CONFIG);
        assert_non_null(strstr(e.text, "shipped.en.txt"));
    }
    write_one(directory, "shipped.en.txt", "Gone: {{tracking_no}}\n\nYes.\n");
    e = texts_load(directory, &texts);
    assert_false(err_is(&e));
    texts_free(&texts);
    remove_all(directory);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(renders),
        T(refuses),
        T(distances_from_utc),
        T(every_text_is_right),
        T(kinds_are_those_of_the_saga),
        T(a_directory_of_ones_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
