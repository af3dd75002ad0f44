// What the query handlers share.
#pragma once

#include "http/http.h"
#include "lane/process.h"
#include "pg/pg.h"
#include "json/jsonw.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DESK_LIMIT_DEFAULT 100
#define DESK_LIMIT_MAX     1000

// Runs a query; false: x has been answered 503. The caller frees the result by PQclear.
bool desk_query(struct http_exchange *x, struct process *process, const char *sql,
                const struct pg_param *params, size_t count, PGresult **ret_result);
// Answers 400 naming the parameter and what would be right; returns false.
bool desk_refuse(struct http_exchange *x, const char *field, const char *detail, const char *remedy);
// Query parameters; false: x has been answered 400.
bool desk_limit(struct http_exchange *x, int64_t *ret_limit);
bool desk_instant_param(struct http_exchange *x, struct arena *arena, const char *name,
                        struct pg_param *ret_param);
struct pg_param desk_text_param(const char *text); // NULL: SQL NULL
void desk_reply(struct http_exchange *x, struct jsonw *w);
