// Documents, values and problems.
#include "json/jsonr.h"

#include <assert.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void jsonr_problem(struct jsonr_problems *problems, const char *code, const char *field, const char *remedy,
                   const char *detail, ...)
{
    if (problems->count == JSONR_PROBLEMS_MAX) {
        problems->more = true;
        return;
    }
    va_list args;
    va_start(args, detail);
    char *text = arena_vprintf(problems->arena, detail, args);
    va_end(args);
    bytes_mend_utf8(text); // jansson cuts characters too
    problems->items[problems->count++] = (struct jsonr_problem){
        .code = code,
        .field = arena_str(problems->arena, bytes_str(field)),
        .detail = text,
        .remedy = arena_str(problems->arena, bytes_str(remedy)),
    };
}

void jsonr_problems_write(struct jsonw *w, const char *name, const struct jsonr_problems *problems)
{
    jsonw_begin_array(w, name);
    for (size_t i = 0; i < problems->count; i++) {
        const struct jsonr_problem *p = &problems->items[i];
        jsonw_begin_object(w, NULL);
        jsonw_str(w, "code", p->code);
        jsonw_str(w, "field", p->field);
        jsonw_str(w, "detail", p->detail);
        jsonw_str(w, "remedy", p->remedy);
        jsonw_end_object(w);
    }
    jsonw_end_array(w);
}

// The opaque types are jansson's values under our names.
static json_t *json_of(const struct jsonr_value *value)
{
    return (json_t *)(uintptr_t)value;
}

static const struct jsonr_value *value_of(const json_t *json)
{
    return (const struct jsonr_value *)(uintptr_t)json;
}

static json_t *doc_json(const struct jsonr_doc *doc)
{
    return (json_t *)(uintptr_t)doc;
}

// How deep brackets nest outside of texts; jansson's own limit is far too high for a thread's stack.
static int depth_of(struct bytes text)
{
    const char *data = text.data;
    bool in_text = false;
    int depth = 0, deepest = 0;
    for (size_t i = 0; i < text.size; i++) {
        char c = data[i];
        if (in_text) {
            if (c == '\\')
                i++;
            else if (c == '"')
                in_text = false;
        } else if (c == '"') {
            in_text = true;
        } else if (c == '{' || c == '[') {
            depth++;
            deepest = depth > deepest ? depth : deepest;
        } else if (c == '}' || c == ']') {
            depth--;
        }
    }
    return deepest;
}

static void explain(struct jsonr_problems *problems, const json_error_t *error)
{
    const char *remedy = "send one JSON document (RFC 8259)";
    const char *code = "malformed";
    enum json_error_code what = json_error_code(error);
    if (what == json_error_invalid_utf8) {
        remedy = "send UTF-8";
        code = "not_utf8";
    } else if (what == json_error_duplicate_key) {
        remedy = "give each member once";
        code = "duplicate";
    } else if (what == json_error_numeric_overflow) {
        remedy = "use integers within 64 bits";
        code = "out_of_range";
    }
    jsonr_problem(problems, code, "", remedy, "line %d, column %d: %s", error->line, error->column,
                  error->text);
}

struct jsonr_doc *jsonr_parse(struct bytes text, struct jsonr_problems *problems)
{
    if (!bytes_is_utf8(text)) {
        jsonr_problem(problems, "not_utf8", "", "send UTF-8 without NUL", "the text isn't UTF-8");
        return NULL;
    }
    if (depth_of(text) > JSONR_DEPTH_MAX) {
        jsonr_problem(problems, "too_deep", "", "nest less", "more than %d levels of nesting",
                      JSONR_DEPTH_MAX);
        return NULL;
    }
    json_error_t error;
    json_t *json = json_loadb(text.data, text.size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    if (json == NULL)
        explain(problems, &error);
    return (struct jsonr_doc *)json;
}

static json_t *made(json_t *json)
{
    if (json == NULL)
        abort(); // memory
    return json;
}

struct jsonr_doc *jsonr_new(void)
{
    return (struct jsonr_doc *)made(json_object());
}

void jsonr_free(struct jsonr_doc *doc)
{
    json_decref(doc_json(doc));
}

const struct jsonr_value *jsonr_root(const struct jsonr_doc *doc)
{
    return value_of(doc_json(doc));
}

enum jsonr_type jsonr_type_of(const struct jsonr_value *value)
{
    switch (json_typeof(json_of(value))) {
    case JSON_OBJECT:
        return JSONR_OBJECT;
    case JSON_ARRAY:
        return JSONR_ARRAY;
    case JSON_STRING:
        return JSONR_TEXT;
    case JSON_INTEGER:
        return JSONR_INTEGER;
    case JSON_REAL:
        return JSONR_NUMBER;
    case JSON_TRUE:
    case JSON_FALSE:
        return JSONR_BOOLEAN;
    case JSON_NULL:
        break;
    }
    return JSONR_NULL;
}

const char *jsonr_type_name(enum jsonr_type type)
{
    static const char *const names[] = {"an object", "an array",      "text", "an integer",
                                        "a number",  "true or false", "null"};
    return names[type];
}

struct bytes jsonr_text(const struct jsonr_value *value)
{
    assert(jsonr_type_of(value) == JSONR_TEXT);
    return bytes_of(json_string_value(json_of(value)), json_string_length(json_of(value)));
}

int64_t jsonr_integer(const struct jsonr_value *value)
{
    assert(jsonr_type_of(value) == JSONR_INTEGER);
    return json_integer_value(json_of(value));
}

bool jsonr_boolean(const struct jsonr_value *value)
{
    assert(jsonr_type_of(value) == JSONR_BOOLEAN);
    return json_is_true(json_of(value));
}

size_t jsonr_size(const struct jsonr_value *value)
{
    return json_array_size(json_of(value));
}

const struct jsonr_value *jsonr_at(const struct jsonr_value *array, size_t index)
{
    return value_of(json_array_get(json_of(array), index));
}

const struct jsonr_value *jsonr_member(const struct jsonr_value *object, const char *name)
{
    return value_of(json_object_get(json_of(object), name));
}

void *jsonr_first(const struct jsonr_value *object)
{
    return json_object_iter(json_of(object));
}

void *jsonr_next(const struct jsonr_value *object, void *at)
{
    return json_object_iter_next(json_of(object), at);
}

const char *jsonr_name_at(void *at)
{
    return json_object_iter_key(at);
}

const struct jsonr_value *jsonr_value_at(void *at)
{
    return value_of(json_object_iter_value(at));
}

void jsonr_put(struct jsonr_doc *doc, struct jsonr_value *at, const char *dotted_path, struct bytes text)
{
    json_t *object = at != NULL ? json_of(at) : doc_json(doc);
    char name[64];
    for (;;) {
        size_t size = strcspn(dotted_path, ".");
        assert(size < sizeof name);
        memcpy(name, dotted_path, size);
        name[size] = '\0';
        json_t *member = json_object_get(object, name);
        if (dotted_path[size] == '\0') {
            if (member == NULL)
                json_object_set_new(object, name, made(json_stringn(text.data, text.size)));
            return;
        }
        if (member == NULL) {
            member = made(json_object());
            json_object_set_new(object, name, member);
        }
        object = member;
        dotted_path += size + 1;
    }
}

struct jsonr_value *jsonr_put_item(struct jsonr_doc *doc, const char *name)
{
    json_t *array = json_object_get(doc_json(doc), name);
    if (array == NULL) {
        array = made(json_array());
        json_object_set_new(doc_json(doc), name, array);
    }
    json_t *item = made(json_object());
    json_array_append_new(array, item);
    return (struct jsonr_value *)item;
}

struct bytes jsonr_member_text(const struct jsonr_value *object, const char *name, bool required,
                               size_t max_bytes, struct jsonr_problems *problems)
{
    const struct jsonr_value *value = jsonr_member(object, name);
    struct bytes absent = {.data = NULL};
    if (value != NULL && jsonr_type_of(value) != JSONR_TEXT) {
        jsonr_problem(problems, "type", name, "send text", "is %s", jsonr_type_name(jsonr_type_of(value)));
        return absent;
    }
    struct bytes text = value != NULL ? jsonr_text(value) : absent;
    if (text.size == 0) {
        if (required)
            jsonr_problem(problems, "required", name, arena_printf(problems->arena, "add \"%s\"", name),
                          "is missing");
        return absent;
    }
    if (text.size > max_bytes) {
        jsonr_problem(problems, "too_long", name,
                      arena_printf(problems->arena, "at most %zu bytes", max_bytes), "has %zu bytes",
                      text.size);
        return absent;
    }
    return text;
}
