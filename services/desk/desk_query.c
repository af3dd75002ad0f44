// The query API: what clerks, departments and programs may ask of the read model.
//
// Runs on the HTTP threads, each query on a connection of a small pool; reads only.
#include "desk/desk_query.h"
#include "base/clock.h"
#include "desk/desk.h"
#include "pg/pg.h"
#include "json/jsonw.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define POOL_SIZE 4 // HTTP threads rarely need more at once; others wait

struct desk_pool {
    const char *dsn;
    pthread_mutex_t lock;
    pthread_cond_t freed;
    struct pg *connections[POOL_SIZE]; // NULL: not open
    bool taken[POOL_SIZE];
};

struct err desk_query_start(struct process *process)
{
    struct desk_pool *pool = calloc(1, sizeof *pool);
    if (pool == NULL)
        return err_make(ERR_RETRY, "no memory for the query connections");
    pool->dsn = process_pg(process);
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->freed, NULL);
    process_set_user(process, pool);
    return err_ok();
}

void desk_query_stop(struct process *process)
{
    struct desk_pool *pool = process_user(process);
    if (pool == NULL)
        return;
    for (int i = 0; i < POOL_SIZE; i++)
        pg_close(pool->connections[i]);
    pthread_mutex_destroy(&pool->lock);
    pthread_cond_destroy(&pool->freed);
    free(pool);
    process_set_user(process, NULL);
}

static int take(struct desk_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    for (;;) {
        for (int i = 0; i < POOL_SIZE; i++) {
            if (pool->taken[i])
                continue;
            pool->taken[i] = true;
            pthread_mutex_unlock(&pool->lock);
            return i;
        }
        pthread_cond_wait(&pool->freed, &pool->lock);
    }
}

static void give_back(struct desk_pool *pool, int i)
{
    pthread_mutex_lock(&pool->lock);
    pool->taken[i] = false;
    pthread_cond_signal(&pool->freed);
    pthread_mutex_unlock(&pool->lock);
}

static struct err run_on(struct desk_pool *pool, int i, const char *sql, const struct pg_param *params,
                         size_t count, PGresult **ret_result)
{
    struct err e = err_ok();
    // A connection that was lost while idle is only found out by using it: one more try on a new one. Reading twice is harmless.
    for (int attempt = 0; attempt < 2; attempt++) {
        if (pool->connections[i] != NULL && !pg_alive(pool->connections[i])) {
            pg_close(pool->connections[i]);
            pool->connections[i] = NULL;
        }
        if (pool->connections[i] == NULL) {
            e = pg_open(pool->dsn, "desk-query", NULL, &pool->connections[i]);
            if (err_is(&e))
                return e;
        }
        e = pg_run(pool->connections[i], sql, params, count, ret_result);
        if (e.class != ERR_FENCED)
            return e;
    }
    return e;
}

bool desk_query(struct http_exchange *x, struct process *process, const char *sql,
                const struct pg_param *params, size_t count, PGresult **ret_result)
{
    struct desk_pool *pool = process_user(process);
    int i = take(pool);
    struct err e = run_on(pool, i, sql, params, count, ret_result);
    give_back(pool, i);
    if (!err_is(&e))
        return true;
    http_reply_problem(x, &(struct http_problem){.status = 503,
                                                 .type = "unavailable",
                                                 .title = "The read model can't be asked now",
                                                 .detail = e.text,
                                                 .remedy = "Ask again in a moment.",
                                                 .retry_after_s = 2});
    return false;
}

bool desk_refuse(struct http_exchange *x, const char *field, const char *detail, const char *remedy)
{
    http_reply_problem(x, &(struct http_problem){.status = 400,
                                                 .type = "bad-query",
                                                 .title = "The query can't be understood",
                                                 .detail = detail,
                                                 .field = field,
                                                 .remedy = remedy});
    return false;
}

bool desk_limit(struct http_exchange *x, int64_t *ret_limit)
{
    const char *text = http_query(x, "limit");
    char *end;
    *ret_limit = DESK_LIMIT_DEFAULT;
    if (text == NULL)
        return true;
    long n = strtol(text, &end, 10);
    if (*end != '\0' || end == text || n < 1 || n > DESK_LIMIT_MAX)
        return desk_refuse(x, "limit", "limit isn't a number of results", "A whole number from 1 to 1000.");
    *ret_limit = n;
    return true;
}

bool desk_instant_param(struct http_exchange *x, struct arena *arena, const char *name,
                        struct pg_param *ret_param)
{
    const char *text = http_query(x, name);
    instant at = INSTANT_NONE;
    if (text != NULL && !instant_parse(text, &at))
        return desk_refuse(x, name, "not an instant", "RFC 3339 with a zone: 2026-11-23T08:00:00Z.");
    *ret_param = pg_instant(arena, at);
    return true;
}

struct pg_param desk_text_param(const char *text)
{
    return pg_text(text == NULL ? bytes_of(NULL, 0) : bytes_str(text));
}

void desk_reply(struct http_exchange *x, struct jsonw *w)
{
    http_reply(x, 200, "application/json", jsonw_done(w));
}
