// The store port on PostgreSQL. See store_pg.h. A batch takes two round trips: begin (BEGIN, fence, queries) and commit
// (changes, positions, COMMIT); each is one pipeline that ends with a sync. (A flush without a sync would do for the first,
// but the server counts a session as idle in its transaction only after a sync: a stopped process would keep its locks.)
#include "lane/store_pg.h"

#include "base/fault.h"
#include "lane/store_pg_internal.h"
#include "pg/db_clock.h"

#include <assert.h>
#include <stdlib.h>
#include <unistd.h>

#define SEEN_CHUNK      10000 // rows per transaction, some tens of milliseconds
#define SEEN_CHUNKS_MAX 20    // per call: a lane isn't kept from its work for longer than about a second

static struct err not_connected(void)
{
    return err_make(ERR_FENCED, "not connected to the database: claim again");
}

// Leaves no transaction behind, and no connection that can't be used.
void store_pg_settle(struct store_pg *s)
{
    s->open = false;
    arena_reset(s->scratch);
    if (s->pg == NULL)
        return;
    struct err e = pg_alive(s->pg) ? pg_rollback(s->pg) : not_connected();
    if (err_is(&e)) {
        pg_close(s->pg);
        s->pg = NULL;
    }
}

static struct err failed(struct store_pg *s, struct err e)
{
    store_pg_settle(s);
    return s->pg == NULL && e.class != ERR_FENCED ? err_make(ERR_FENCED, "%s", e.text) : e;
}

// One statement by itself.
static struct err run(struct store_pg *s, const char *sql, const struct pg_param *params, size_t count,
                      PGresult **ret_result)
{
    if (!pg_alive(s->pg)) {
        store_pg_settle(s);
        return not_connected();
    }
    struct err e = pg_run(s->pg, sql, params, count, ret_result);
    arena_reset(s->scratch);
    return err_is(&e) ? failed(s, e) : e;
}

// The next answer, which nobody wants to see.
struct err store_pg_receive_done(struct store_pg *s)
{
    PGresult *result = NULL;
    struct err e = pg_receive(s->pg, &result);
    PQclear(result);
    return e;
}

// ---- statements on slots

static size_t slot_params(struct store_pg *s, const struct slot_fence *slots, size_t count,
                          bool with_batch_no, struct pg_param *ret_params)
{
    struct pg_array p = pg_array_start(s->scratch, PG_INT4, count, 4 * count);
    struct pg_array epoch = pg_array_start(s->scratch, PG_INT8, count, 8 * count);
    struct pg_array batch_no = pg_array_start(s->scratch, PG_INT8, count, 8 * count);
    struct pg_array published_no = pg_array_start(s->scratch, PG_INT8, count, 8 * count);
    for (size_t i = 0; i < count; i++) {
        pg_array_i32(&p, slots[i].slot);
        pg_array_i64(&epoch, slots[i].epoch);
        pg_array_i64(&batch_no, slots[i].batch_no);
        pg_array_i64(&published_no, slots[i].published_no);
    }
    size_t n = 0;
    ret_params[n++] = pg_array_end(&p);
    ret_params[n++] = pg_array_end(&epoch);
    if (with_batch_no)
        ret_params[n++] = pg_array_end(&batch_no);
    ret_params[n++] = pg_array_end(&published_no);
    return n;
}

static struct err run_on_slots(struct store_pg *s, const char *sql, const struct slot_fence *slots,
                               size_t count)
{
    assert(!s->open);
    struct pg_param params[4];
    size_t n = slot_params(s, slots, count, false, params);
    return run(s, sql, params, n, NULL);
}

static struct err store_release(void *self, const struct slot_fence *slots, size_t count)
{
    struct store_pg *s = self;
    return run_on_slots(s, store_sql_fixed(s->sql)->release, slots, count);
}

static struct err store_mark_published(void *self, const struct slot_fence *slots, size_t count)
{
    struct store_pg *s = self;
    return run_on_slots(s, store_sql_fixed(s->sql)->mark_published, slots, count);
}

static struct err store_mark_begun(void *self, const struct slot_fence *slots, size_t count)
{
    struct store_pg *s = self;
    return run_on_slots(s, store_sql_fixed(s->sql)->mark_begun, slots, count);
}

static struct err store_start(void *self, const struct slot_fence *slots, size_t count,
                              const struct store_position *starts, size_t start_count)
{
    struct store_pg *s = self;
    assert(!s->open);
    int32_t *p = arena_new_array(s->scratch, int32_t, start_count);
    int64_t *epoch = arena_new_array(s->scratch, int64_t, start_count);
    int32_t *topic = arena_new_array(s->scratch, int32_t, start_count);
    int64_t *next = arena_new_array(s->scratch, int64_t, start_count);
    size_t of = 0;
    for (size_t i = 0; i < start_count; i++) {
        for (size_t k = 0; slots[of].slot != starts[i].slot; of = k++)
            assert(k < count);
        p[i] = starts[i].slot;
        epoch[i] = slots[of].epoch;
        topic[i] = (int32_t)starts[i].topic;
        next[i] = starts[i].next_offset;
    }
    struct pg_param params[4] = {
        pg_i32_array(s->scratch, p, start_count), pg_i64_array(s->scratch, epoch, start_count),
        pg_i32_array(s->scratch, topic, start_count), pg_i64_array(s->scratch, next, start_count)};
    return run(s, store_sql_fixed(s->sql)->start, params, 4, NULL);
}

static struct err store_mark_suspect(void *self, int32_t slot, int64_t epoch, struct bytes suspect,
                                     int32_t tries)
{
    struct store_pg *s = self;
    assert(!s->open);
    struct pg_param params[] = {pg_i32(s->scratch, slot), pg_i64(s->scratch, epoch), pg_text(suspect),
                                pg_i32(s->scratch, tries)};
    PGresult *result = NULL;
    struct err e = run(s, store_sql_fixed(s->sql)->mark_suspect, params, 4, &result);
    if (err_is(&e))
        return e;
    int rows = PQntuples(result);
    PQclear(result);
    return rows == 1 ? e : err_make(ERR_FENCED, "slot %d has another owner", slot);
}

// ---- begin and load

static struct err queries_send(struct store_pg *s, const struct store_query *queries, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct store_query *q = &queries[i];
        if (q->value_count == 0)
            continue;
        struct pg_param params[2] = {store_sql_values(s->scratch, q)};
        bool due = q->column == STORE_DUE;
        if (due)
            params[1] = pg_i64(s->scratch, (int64_t)q->limit);
        struct err e = pg_send(s->pg, store_sql_select(s->sql, q->table, q->column), params, due ? 2 : 1);
        if (err_is(&e))
            return e;
    }
    return err_ok();
}

static struct err queries_receive(struct store_pg *s, struct store_query *queries, size_t count,
                                  struct arena *arena)
{
    for (size_t i = 0; i < count; i++) {
        queries[i].rows = NULL;
        queries[i].row_count = 0;
        if (queries[i].value_count == 0)
            continue;
        PGresult *result = NULL;
        struct err e = pg_receive(s->pg, &result);
        if (!err_is(&e))
            e = store_sql_rows(queries[i].table, result, arena, &queries[i]);
        PQclear(result);
        if (err_is(&e))
            return e;
    }
    return err_ok();
}

static struct err fence_send(struct store_pg *s, const struct slot_fence *fences, size_t count)
{
    const struct store_fixed_sql *f = store_sql_fixed(s->sql);
    struct pg_param params[4];
    if (count != 1)
        return pg_send(s->pg, f->fence, params, slot_params(s, fences, count, true, params));
    params[0] = pg_i32(s->scratch, fences->slot);
    params[1] = pg_i64(s->scratch, fences->epoch);
    params[2] = pg_i64(s->scratch, fences->batch_no);
    params[3] = pg_i64(s->scratch, fences->published_no);
    return pg_send(s->pg, f->fence_one, params, 4);
}

static struct err fence_receive(struct store_pg *s, struct slot_fence *fences, size_t count, instant *ret_now)
{
    static const uint32_t types[] = {PG_INT4, PG_TIMESTAMPTZ};
    PGresult *result = NULL;
    struct err e = pg_receive(s->pg, &result);
    if (!err_is(&e))
        e = pg_expect(result, types, 2);
    if (err_is(&e)) {
        PQclear(result);
        return e;
    }
    for (size_t i = 0; i < count; i++) {
        fences[i].ret_owned = false;
        for (int row = 0; row < PQntuples(result); row++) {
            if (!pg_is_null(result, row, 0) && pg_get_i32(result, row, 0) == fences[i].slot)
                fences[i].ret_owned = true;
        }
    }
    *ret_now = pg_get_instant(result, 0, 1);
    PQclear(result);
    return e;
}

static struct err store_begin(void *self, struct slot_fence *fences, size_t fence_count,
                              struct store_query *queries, size_t query_count, struct arena *arena,
                              instant *ret_now)
{
    struct store_pg *s = self;
    assert(!s->open);
    if (!pg_alive(s->pg))
        return failed(s, not_connected());
    s->open = true;
    instant now = 0;
    struct err e = pg_send(s->pg, "BEGIN", NULL, 0);
    if (!err_is(&e))
        e = fence_send(s, fences, fence_count);
    if (!err_is(&e))
        e = queries_send(s, queries, query_count);
    if (!err_is(&e))
        e = pg_sync(s->pg);
    if (!err_is(&e))
        e = store_pg_receive_done(s);
    if (!err_is(&e))
        e = fence_receive(s, fences, fence_count, &now);
    if (!err_is(&e))
        e = queries_receive(s, queries, query_count, arena);
    if (!err_is(&e))
        e = pg_drain(s->pg);
    if (err_is(&e))
        return failed(s, e);
    arena_reset(s->scratch);
    db_clock_learn(now);
    *ret_now = now;
    return e;
}

static struct err store_load(void *self, struct store_query *queries, size_t query_count, struct arena *arena)
{
    struct store_pg *s = self;
    if (!pg_alive(s->pg))
        return failed(s, not_connected());
    assert(s->open);
    struct err e = queries_send(s, queries, query_count);
    if (!err_is(&e))
        e = pg_sync(s->pg);
    if (!err_is(&e))
        e = queries_receive(s, queries, query_count, arena);
    if (!err_is(&e))
        e = pg_drain(s->pg);
    if (err_is(&e))
        return failed(s, e);
    arena_reset(s->scratch);
    return e;
}

// ---- commit

static struct err change_send(struct store_pg *s, const struct store_change *change)
{
    struct pg_param params[STORE_SQL_COLUMNS_MAX];
    size_t count = 0;
    struct err e = store_sql_params(s->scratch, change, params, &count);
    if (!err_is(&e))
        e = pg_send(s->pg, store_sql_change(s->sql, change), params, count);
    arena_reset(s->scratch); // libpq has its copy
    return e;
}

static struct err positions_send(struct store_pg *s, const struct store_position *positions, size_t count)
{
    struct pg_array p = pg_array_start(s->scratch, PG_INT4, count, 4 * count);
    struct pg_array topic = pg_array_start(s->scratch, PG_INT4, count, 4 * count);
    struct pg_array next = pg_array_start(s->scratch, PG_INT8, count, 8 * count);
    for (size_t i = 0; i < count; i++) {
        pg_array_i32(&p, positions[i].slot);
        pg_array_i32(&topic, (int32_t)positions[i].topic);
        pg_array_i64(&next, positions[i].next_offset);
    }
    const struct store_fixed_sql *f = store_sql_fixed(s->sql);
    if (count == 1) {
        struct pg_param params[] = {pg_array_only(&p), pg_array_only(&topic), pg_array_only(&next)};
        return pg_send(s->pg, f->save_position, params, 3);
    }
    struct pg_param params[] = {pg_array_end(&p), pg_array_end(&topic), pg_array_end(&next)};
    return pg_send(s->pg, f->save_positions, params, 3);
}

static struct err commit_send(struct store_pg *s, const struct store_changes *changes, size_t *ret_statements)
{
    size_t sent = 0;
    for (size_t i = 0; i < changes->change_count; i++) {
        if (changes->changes[i].row_count == 0)
            continue;
        struct err e = change_send(s, &changes->changes[i]);
        if (err_is(&e))
            return e;
        sent++;
    }
    if (changes->position_count > 0) {
        struct err e = positions_send(s, changes->positions, changes->position_count);
        if (err_is(&e))
            return e;
        sent++;
    }
    FAULT_POINT(lane_after_save);
    struct err e = pg_send(s->pg, "COMMIT", NULL, 0);
    if (!err_is(&e))
        e = pg_sync(s->pg);
    FAULT_POINT(lane_commit_sent);
    *ret_statements = sent;
    return e;
}

static struct err commit_receive(struct store_pg *s, size_t statements)
{
    for (size_t i = 0; i < statements; i++) {
        struct err e = store_pg_receive_done(s);
        if (err_is(&e))
            return e;
    }
    PGresult *result = NULL;
    struct err e = pg_receive(s->pg, &result);
    if (!err_is(&e) && strcmp(PQcmdStatus(result), "COMMIT") != 0)
        e = err_make(ERR_RETRY, "the transaction was rolled back instead of committed");
    PQclear(result);
    return err_is(&e) ? e : pg_drain(s->pg);
}

static struct err store_commit(void *self, const struct store_changes *changes)
{
    struct store_pg *s = self;
    if (!pg_alive(s->pg))
        return failed(s, not_connected());
    assert(s->open);
    size_t statements = 0;
    struct err e = commit_send(s, changes, &statements);
    if (!err_is(&e))
        e = commit_receive(s, statements);
    if (err_is(&e))
        return failed(s, e);
    s->open = false;
    arena_reset(s->scratch);
    if (pg_committed_locally(s->pg)) {
        pg_close(s->pg);
        s->pg = NULL;
        return err_make(ERR_FENCED,
                        "committed without the synchronous standby's word: the outcome is unknown");
    }
    return e;
}

static void store_rollback(void *self)
{
    store_pg_settle(self);
}

// ---- outbox and deadlines

static struct err outbox_rows(const PGresult *result, struct arena *arena, struct outbox_row **ret_rows,
                              size_t *ret_count)
{
    static const uint32_t types[] = {PG_INT4, PG_INT8, PG_TIMESTAMPTZ, PG_BYTEA};
    struct err e = pg_expect(result, types, 4);
    if (err_is(&e))
        return err_within(e, "outbox");
    size_t count = (size_t)PQntuples(result);
    struct outbox_row *rows = arena_new_array(arena, struct outbox_row, count);
    for (size_t i = 0; i < count; i++)
        rows[i] = (struct outbox_row){.slot = pg_get_i32(result, (int)i, 0),
                                      .batch_no = pg_get_i64(result, (int)i, 1),
                                      .created_at = pg_get_instant(result, (int)i, 2),
                                      .records = arena_bytes(arena, pg_get_bytes(result, (int)i, 3))};
    *ret_rows = rows;
    *ret_count = count;
    return e;
}

static struct err store_outbox_after(void *self, int32_t slot, int64_t after_no, size_t limit,
                                     struct arena *arena, struct outbox_row **ret_rows, size_t *ret_count)
{
    struct store_pg *s = self;
    struct pg_param params[] = {pg_i32(s->scratch, slot), pg_i64(s->scratch, after_no),
                                pg_i64(s->scratch, (int64_t)limit)};
    PGresult *result = NULL;
    struct err e = run(s, store_sql_fixed(s->sql)->outbox_after, params, 3, &result);
    if (!err_is(&e))
        e = outbox_rows(result, arena, ret_rows, ret_count);
    PQclear(result);
    return e;
}

static struct err store_outbox_get(void *self, int32_t slot, const int64_t *batch_nos, size_t count,
                                   struct arena *arena, struct outbox_row **ret_rows, size_t *ret_count)
{
    struct store_pg *s = self;
    struct pg_param params[] = {pg_i32(s->scratch, slot), pg_i64_array(s->scratch, batch_nos, count)};
    PGresult *result = NULL;
    struct err e = run(s, store_sql_fixed(s->sql)->outbox_get, params, 2, &result);
    if (!err_is(&e))
        e = outbox_rows(result, arena, ret_rows, ret_count);
    PQclear(result);
    return e;
}

static struct err store_next_due(void *self, const int32_t *slots, size_t count, instant *ret_due)
{
    static const uint32_t types[] = {PG_INT4, PG_TIMESTAMPTZ};
    struct store_pg *s = self;
    assert(!s->open);
    struct pg_param params[] = {pg_i32_array(s->scratch, slots, count)};
    PGresult *result = NULL;
    struct err e = run(s, store_sql_fixed(s->sql)->next_due, params, 1, &result);
    if (!err_is(&e))
        e = pg_expect(result, types, 2);
    for (size_t i = 0; !err_is(&e) && i < count; i++) {
        ret_due[i] = INSTANT_NONE;
        for (int row = 0; row < PQntuples(result); row++) {
            if (pg_get_i32(result, row, 0) == slots[i])
                ret_due[i] = pg_get_instant(result, row, 1);
        }
    }
    PQclear(result);
    return e;
}

// ---- opening, upkeep

struct err store_pg_open(const char *dsn, const char *service, const struct table *const *tables,
                         size_t table_count, struct store_port **ret_store)
{
    char *why = NULL;
    PQconninfoOption *options = PQconninfoParse(dsn, &why);
    if (options == NULL) {
        struct err e =
            err_make(ERR_CONFIG, "not a connection string: %s", why == NULL ? "out of memory" : why);
        PQfreemem(why);
        return e;
    }
    PQconninfoFree(options);
    struct arena *arena = arena_new(4096);
    struct store_pg *s = calloc(1, sizeof *s);
    if (s == NULL) {
        arena_free(arena);
        return err_make(ERR_CONFIG, "out of memory");
    }
    *s = (struct store_pg){
        .port = {.self = s,
                 .claim = store_pg_claim,
                 .release = store_release,
                 .begin = store_begin,
                 .load = store_load,
                 .commit = store_commit,
                 .rollback = store_rollback,
                 .outbox_after = store_outbox_after,
                 .outbox_get = store_outbox_get,
                 .mark_published = store_mark_published,
                 .start = store_start,
                 .mark_begun = store_mark_begun,
                 .mark_suspect = store_mark_suspect,
                 .next_due = store_next_due},
        .dsn = strdup(dsn),
        .sql = store_sql_new(service, tables, table_count),
        .scratch = arena,
    };
    char host[64] = "";
    gethostname(host, sizeof host - 1);
    snprintf(s->owner, sizeof s->owner, "%s:%ld", host, (long)getpid());
    size_t size = strlen("orderclerk.") + strlen(service) + 1;
    s->application = malloc(size);
    if (s->dsn == NULL || s->application == NULL) {
        store_pg_close(&s->port);
        return err_make(ERR_CONFIG, "out of memory");
    }
    snprintf(s->application, size, "orderclerk.%s", service);
    *ret_store = &s->port;
    return err_ok();
}

void store_pg_close(struct store_port *store)
{
    if (store == NULL)
        return;
    struct store_pg *s = store->self;
    store_pg_settle(s);
    pg_close(s->pg);
    store_sql_free(s->sql);
    arena_free(s->scratch);
    free(s->dsn);
    free(s->application);
    free(s);
}

struct err store_pg_maintain(struct store_port *store, bool *ret_more)
{
    struct store_pg *s = store->self;
    assert(!s->open);
    struct err e = run(s, store_sql_fixed(s->sql)->outbox_maintain, NULL, 0, NULL);
    int64_t deleted = SEEN_CHUNK;
    for (int chunk = 0; chunk < SEEN_CHUNKS_MAX && deleted == SEEN_CHUNK && !err_is(&e); chunk++) {
        struct pg_param chunk_size = pg_i32(s->scratch, SEEN_CHUNK);
        PGresult *result = NULL;
        e = run(s, store_sql_fixed(s->sql)->seen_maintain, &chunk_size, 1, &result);
        if (!err_is(&e))
            e = pg_expect(result, (const uint32_t[]){PG_INT8}, 1);
        if (!err_is(&e))
            deleted = pg_get_i64(result, 0, 0);
        PQclear(result);
    }
    if (!err_is(&e))
        *ret_more = deleted == SEEN_CHUNK;
    return e;
}
