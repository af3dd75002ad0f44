// Imports: a streamed file of CSV records or NDJSON lines, a submission for each thing in it, a result for each.
//
// The answer is NDJSON: a line for each order or row, in the order in which they were decided, and {"summary":{…}} at the end.
#pragma once

#include "http/http.h"
#include "ingress/ingress.h"
#include "intake/intake_rows.h"
#include "json/jsonr.h"

#define IMPORT_BODY_MAX ((size_t)256 << 20) // streamed: costs no memory

// One thing to be submitted.
struct import_unit {
    struct arena *arena; // lives until it has been submitted
    size_t line;         // of the file
    struct bytes raw;    // CSV: with the header's line
    const char *content_type;
    const struct jsonr_value *object;
    bool from_text; // CSV
    const char *client;
    struct bytes key; // the import's Idempotency-Key and the line; absent: none
    instant now;
    struct jsonr_problems *problems;
};

struct import_kind {
    const char *name;            // "orders", "products" …
    const char *label;           // member of a result that says what it is about
    const char *const *required; // columns, NULL-terminated
    bool (*knows_column)(const struct import_kind *kind, const char *name);
    // NULL: each row stands alone. Else rows that follow one another with the same cell here are one object, whose `lines`
    // are made of the columns that is_line_column names.
    const char *group_by;
    bool (*is_line_column)(const char *name);
    // Makes the submission and its label, in the unit's arena. False: problems have been added; the label may be set.
    bool (*make)(const struct import_kind *kind, const struct import_unit *unit,
                 struct ingress_item *ret_item, const char **ret_label);
    const void *detail; // the kind's own
};
extern const struct import_kind import_orders;
// By the last part of the path, "products:import". NULL: none.
const struct import_kind *import_kind_of(const char *path);

bool intake_import_chunk(void *context, struct http_exchange *x, struct bytes piece);
void intake_import_end(void *context, struct http_exchange *x);
