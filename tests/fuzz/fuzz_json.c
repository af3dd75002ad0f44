// JSON bodies: what is read can be written and read again as the same; whatever is written is JSON.
#include "fuzz/fuzz.h"
#include "json/jsonr.h"

static void write_value(struct jsonw *w, const char *name, const struct jsonr_value *value)
{
    switch (jsonr_type_of(value)) {
    case JSONR_OBJECT:
        jsonw_begin_object(w, name);
        for (void *i = jsonr_first(value); i != NULL; i = jsonr_next(value, i)) {
            FUZZ_CHECK(jsonr_member(value, jsonr_name_at(i)) == jsonr_value_at(i)); // no member twice
            write_value(w, jsonr_name_at(i), jsonr_value_at(i));
        }
        jsonw_end_object(w);
        return;
    case JSONR_ARRAY:
        jsonw_begin_array(w, name);
        for (size_t i = 0; i < jsonr_size(value); i++)
            write_value(w, NULL, jsonr_at(value, i));
        jsonw_end_array(w);
        return;
    case JSONR_TEXT:
        FUZZ_CHECK(bytes_is_utf8(jsonr_text(value)));
        jsonw_bytes(w, name, jsonr_text(value));
        return;
    case JSONR_INTEGER:
        jsonw_int(w, name, jsonr_integer(value));
        return;
    case JSONR_BOOLEAN:
        jsonw_bool(w, name, jsonr_boolean(value));
        return;
    case JSONR_NUMBER: // nothing of ours reads a fraction
    case JSONR_NULL:
        jsonw_null(w, name);
        return;
    }
}

static struct bytes rewrite(struct arena *arena, struct bytes text, bool must_be_json)
{
    struct jsonr_problems problems = {.arena = arena};
    struct jsonr_doc *doc = jsonr_parse(text, &problems);
    if (doc == NULL) {
        FUZZ_CHECK(problems.count > 0 && problems.items[0].remedy[0] != '\0');
        FUZZ_CHECK(!must_be_json);
        return bytes_of(NULL, 0);
    }
    FUZZ_CHECK(problems.count == 0);
    struct jsonw w;
    jsonw_open(&w, arena);
    write_value(&w, NULL, jsonr_root(doc));
    jsonr_free(doc);
    return jsonw_done(&w);
}

static void check_written(struct arena *arena, struct bytes any)
{
    struct jsonw w;
    jsonw_open(&w, arena);
    jsonw_begin_array(&w, NULL);
    jsonw_bytes(&w, NULL, any);
    jsonw_end_array(&w);
    const struct bytes text = jsonw_done(&w);
    struct jsonr_problems problems = {.arena = arena};
    struct jsonr_doc *doc = jsonr_parse(text, &problems);
    const struct bytes zero = bytes_of(memchr(any.data, '\0', any.size), 1);
    FUZZ_CHECK(doc != NULL || zero.data != NULL); // JSON's \u0000 is nothing that we read
    if (doc != NULL && bytes_is_utf8(any))
        FUZZ_CHECK(bytes_equal(jsonr_text(jsonr_at(jsonr_root(doc), 0)), any));
    jsonr_free(doc);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *arena = arena_new(1024);
    const struct bytes text = bytes_of(arena_copy(arena, data, size), size);
    const struct bytes once = rewrite(arena, text, false);
    if (once.data != NULL)
        FUZZ_CHECK(bytes_equal(once, rewrite(arena, once, true)));
    check_written(arena, text);
    arena_free(arena);
    return 0;
}
