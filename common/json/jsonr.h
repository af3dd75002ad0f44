// Reading JSON bodies strictly: UTF-8, no duplicate members, at most JSONR_DEPTH_MAX levels, and everything that is wrong
// with a document told at once, each problem with its field path and what would be right. jansson underneath, known in this
// folder only. Integers stay integers; whoever reads money reads text.
//
// Values are valid as long as their document. Not thread-safe: one owner.
#pragma once

#include "base/arena.h"
#include "base/bytes.h"
#include "json/jsonw.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JSONR_DEPTH_MAX    32 // an order has 5
#define JSONR_PROBLEMS_MAX 20 // told at once: more help nobody

struct jsonr_problem {
    const char *code;   // a short word: required, type, unknown_field, too_long …
    const char *field;  // path: lines[2].quantity; empty: the document
    const char *detail; // what is wrong
    const char *remedy; // what would be right
};

struct jsonr_problems {
    struct arena *arena; // for the texts
    struct jsonr_problem items[JSONR_PROBLEMS_MAX];
    size_t count;
    bool more; // there were more than fit
};

void jsonr_problem(struct jsonr_problems *problems, const char *code, const char *field, const char *remedy,
                   const char *detail, ...) __attribute__((format(printf, 5, 6)));
// An array [{"code":…,"field":…,"detail":…,"remedy":…}, …].
void jsonr_problems_write(struct jsonw *w, const char *name, const struct jsonr_problems *problems);

struct jsonr_value; // one value in a document
struct jsonr_doc;

enum jsonr_type {
    JSONR_OBJECT,
    JSONR_ARRAY,
    JSONR_TEXT,
    JSONR_INTEGER,
    JSONR_NUMBER,
    JSONR_BOOLEAN,
    JSONR_NULL
};

// NULL: not JSON as above; the problem has been added.
struct jsonr_doc *jsonr_parse(struct bytes text, struct jsonr_problems *problems);
// An empty object, to be filled with jsonr_put: what the rows of a table say.
struct jsonr_doc *jsonr_new(void);
void jsonr_free(struct jsonr_doc *doc); // NULL is fine
const struct jsonr_value *jsonr_root(const struct jsonr_doc *doc);

enum jsonr_type jsonr_type_of(const struct jsonr_value *value);
const char *jsonr_type_name(enum jsonr_type type);        // "text", "integer" …
struct bytes jsonr_text(const struct jsonr_value *value); // of a JSONR_TEXT
int64_t jsonr_integer(const struct jsonr_value *value);   // of a JSONR_INTEGER
bool jsonr_boolean(const struct jsonr_value *value);      // of a JSONR_BOOLEAN
size_t jsonr_size(const struct jsonr_value *value);       // of a JSONR_ARRAY
const struct jsonr_value *jsonr_at(const struct jsonr_value *array, size_t index);
const struct jsonr_value *jsonr_member(const struct jsonr_value *object, const char *name); // NULL: none

// Walks an object's members: for (void *i = jsonr_first(o); i != NULL; i = jsonr_next(o, i)).
void *jsonr_first(const struct jsonr_value *object);
void *jsonr_next(const struct jsonr_value *object, void *at);
const char *jsonr_name_at(void *at);
const struct jsonr_value *jsonr_value_at(void *at);

// Sets a member of the object `at` (NULL: the root) to a text, making objects on the way: "delivery.city". text: UTF-8 without
// NUL. Members that are there already stay.
void jsonr_put(struct jsonr_doc *doc, struct jsonr_value *at, const char *dotted_path, struct bytes text);
// Appends an empty object to the array `name` of the root, making the array.
struct jsonr_value *jsonr_put_item(struct jsonr_doc *doc, const char *name);

// A member that must be text; absent or empty gives an absent view. Adds a problem when it is of another type, longer than
// max_bytes, or missing though required.
struct bytes jsonr_member_text(const struct jsonr_value *object, const char *name, bool required,
                               size_t max_bytes, struct jsonr_problems *problems);
