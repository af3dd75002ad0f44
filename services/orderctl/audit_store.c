// The audits' statements over sagas. Those over stock are in audit_stock_store.c.
#include "orderctl/audit_store.h"

#include <assert.h>
#include <string.h>

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

struct err audit_store_open(const char *dsn, struct pg **ret_pg)
{
    return pg_open(dsn, "orderctl-audit", NULL, ret_pg);
}

static const char *text_at(struct arena *arena, const PGresult *result, int row, int column)
{
    struct bytes text = pg_get_bytes(result, row, column);
    return text.data == NULL ? "" : arena_str(arena, text);
}

static struct pg_param uuids(struct arena *arena, const struct uuid *ids, size_t count)
{
    struct pg_array array = pg_array_start(arena, PG_UUID, count, count * sizeof(struct uuid));
    for (size_t i = 0; i < count; i++)
        pg_array_uuid(&array, ids[i]);
    return pg_array_end(&array);
}

// ---- sagas

#define SAGA_COLUMNS                                                                                         \
    "SELECT s.order_id, s.slot, s.definition, s.definition_version, s.state, s.revision, s.order_no, "       \
    "s.waiting_on, s.state_since, s.deadline, s.doc, "                                                       \
    "(SELECT max(h.revision) FROM orchestrator.saga_history h WHERE h.order_id = s.order_id), b.batch_no "   \
    "FROM orchestrator.saga s LEFT JOIN orchestrator.slot b ON b.p = s.slot "
static const uint32_t saga_types[] = {PG_UUID,  PG_INT4, PG_TEXT, PG_INT4,        PG_TEXT,
                                      PG_INT8,  PG_TEXT, PG_TEXT, PG_TIMESTAMPTZ, PG_TIMESTAMPTZ,
                                      PG_BYTEA, PG_INT8, PG_INT8};

static struct audit_saga saga_at(struct arena *arena, const PGresult *r, int i)
{
    return (struct audit_saga){.id = pg_get_uuid(r, i, 0),
                               .slot = pg_get_i32(r, i, 1),
                               .row = {.definition = text_at(arena, r, i, 2),
                                       .definition_version = (uint32_t)pg_get_i32(r, i, 3),
                                       .state = text_at(arena, r, i, 4),
                                       .revision = (uint64_t)pg_get_i64(r, i, 5),
                                       .order_no = text_at(arena, r, i, 6),
                                       .waiting_on = text_at(arena, r, i, 7),
                                       .state_since = pg_get_instant(r, i, 8),
                                       .deadline = pg_get_instant(r, i, 9)},
                               .doc = arena_bytes(arena, pg_get_bytes(r, i, 10)),
                               .last_history = (uint64_t)pg_get_i64(r, i, 11),
                               .batch_no = pg_is_null(r, i, 12) ? -1 : pg_get_i64(r, i, 12)};
}

static struct err read_sagas(struct pg *pg, struct arena *arena, const char *sql,
                             const struct pg_param *params, size_t param_count, struct audit_saga **ret_sagas,
                             size_t *ret_count)
{
    PGresult *result = NULL;
    struct err e = pg_run(pg, sql, params, param_count, &result);
    if (!err_is(&e))
        e = pg_expect(result, saga_types, COUNT_OF(saga_types));
    if (!err_is(&e)) {
        const int count = PQntuples(result);
        struct audit_saga *sagas = arena_new_array(arena, struct audit_saga, (size_t)count);
        for (int i = 0; i < count; i++)
            sagas[i] = saga_at(arena, result, i);
        *ret_sagas = sagas;
        *ret_count = (size_t)count;
    }
    PQclear(result);
    return e;
}

struct err audit_store_sagas_after(struct pg *pg, struct arena *arena, struct uuid after,
                                   struct audit_saga **ret_sagas, size_t *ret_count)
{
    static const char sql[] = SAGA_COLUMNS "WHERE s.order_id > $1 ORDER BY s.order_id LIMIT $2";
    // The first page: pg_uuid would send nil as NULL.
    struct pg_param from = {.type = PG_UUID, .data = arena_copy(arena, &after, sizeof after), .size = 16};
    const struct pg_param params[] = {from, pg_i64(arena, AUDIT_PAGE_ROWS)};
    return read_sagas(pg, arena, sql, params, COUNT_OF(params), ret_sagas, ret_count);
}

struct err audit_store_sagas_of(struct pg *pg, struct arena *arena, const struct uuid *ids, size_t count,
                                struct audit_saga **ret_sagas, size_t *ret_count)
{
    static const char sql[] = SAGA_COLUMNS "WHERE s.order_id = ANY($1)";
    assert(count <= AUDIT_PAGE_ROWS);
    const struct pg_param params[] = {uuids(arena, ids, count)};
    return read_sagas(pg, arena, sql, params, COUNT_OF(params), ret_sagas, ret_count);
}

struct err audit_store_id_of(struct pg *pg, struct bytes order_no, struct uuid *ret_id)
{
    static const char sql[] = "SELECT order_id FROM orchestrator.saga WHERE order_no = $1";
    static const uint32_t types[] = {PG_UUID};
    const struct pg_param params[] = {pg_text(order_no)};
    PGresult *result = NULL;
    struct err e = pg_run(pg, sql, params, COUNT_OF(params), &result);
    if (!err_is(&e))
        e = pg_expect(result, types, COUNT_OF(types));
    if (!err_is(&e) && PQntuples(result) == 0)
        e = err_make(ERR_UNKNOWN, "no order has the number %.*s: give its id", (int)order_no.size,
                     (const char *)order_no.data);
    if (!err_is(&e))
        *ret_id = pg_get_uuid(result, 0, 0);
    PQclear(result);
    return e;
}

// ---- history

static const uint32_t history_types[] = {PG_INT8, PG_INT4, PG_TEXT, PG_TEXT, PG_TEXT,
                                         PG_TEXT, PG_INT4, PG_INT8, PG_TEXT, PG_TIMESTAMPTZ};

static struct audit_history_row history_at(struct arena *arena, const PGresult *r, int i)
{
    return (struct audit_history_row){.there = !pg_is_null(r, i, 1),
                                      .rule_id = (uint32_t)pg_get_i32(r, i, 1),
                                      .from = text_at(arena, r, i, 2),
                                      .to = text_at(arena, r, i, 3),
                                      .event = text_at(arena, r, i, 4),
                                      .topic = text_at(arena, r, i, 5),
                                      .partition = pg_get_i32(r, i, 6),
                                      .offset = pg_get_i64(r, i, 7),
                                      .causation = text_at(arena, r, i, 8),
                                      .at = pg_get_instant(r, i, 9)};
}

struct err audit_store_history(struct pg *pg, struct arena *arena, const struct audit_transition *transitions,
                               size_t count, struct audit_history_row *ret_rows)
{
    static const char sql[] =
        "SELECT w.n, h.rule_id, h.from_state, h.to_state, h.event, h.topic, h.record_partition, "
        "h.record_offset, h.causation_id, h.at "
        "FROM unnest($1::uuid[], $2::bigint[]) WITH ORDINALITY AS w(order_id, revision, n) "
        "LEFT JOIN orchestrator.saga_history h ON h.order_id = w.order_id AND h.revision = w.revision";
    assert(count <= AUDIT_PAGE_ROWS);
    struct uuid *ids = arena_new_array(arena, struct uuid, count);
    int64_t *revisions = arena_new_array(arena, int64_t, count);
    for (size_t i = 0; i < count; i++) {
        ids[i] = transitions[i].order->id;
        revisions[i] = (int64_t)transitions[i].revision;
    }
    const struct pg_param params[] = {uuids(arena, ids, count), pg_i64_array(arena, revisions, count)};
    PGresult *result = NULL;
    struct err e = pg_run(pg, sql, params, COUNT_OF(params), &result);
    if (!err_is(&e))
        e = pg_expect(result, history_types, COUNT_OF(history_types));
    for (int i = 0; !err_is(&e) && i < PQntuples(result); i++) {
        const int64_t n = pg_get_i64(result, i, 0);
        if (n >= 1 && (size_t)n <= count)
            ret_rows[n - 1] = history_at(arena, result, i);
    }
    PQclear(result);
    return e;
}

struct err audit_store_began(struct pg *pg, struct arena *arena, const struct uuid *ids, size_t count,
                             instant *ret_at)
{
    static const char sql[] =
        "SELECT w.n, (SELECT min(h.at) FROM orchestrator.saga_history h WHERE h.order_id = w.order_id) "
        "FROM unnest($1::uuid[]) WITH ORDINALITY AS w(order_id, n)";
    static const uint32_t types[] = {PG_INT8, PG_TIMESTAMPTZ};
    assert(count <= AUDIT_PAGE_ROWS);
    const struct pg_param params[] = {uuids(arena, ids, count)};
    PGresult *result = NULL;
    struct err e = pg_run(pg, sql, params, COUNT_OF(params), &result);
    if (!err_is(&e))
        e = pg_expect(result, types, COUNT_OF(types));
    for (int i = 0; !err_is(&e) && i < PQntuples(result); i++) {
        const int64_t n = pg_get_i64(result, i, 0);
        if (n >= 1 && (size_t)n <= count)
            ret_at[n - 1] = pg_get_instant(result, i, 1);
    }
    PQclear(result);
    return e;
}

struct err audit_store_published(struct pg *pg, struct arena *arena, int32_t slot, int64_t *ret_published_no)
{
    static const char sql[] = "SELECT published_no FROM orchestrator.slot WHERE p = $1";
    static const uint32_t types[] = {PG_INT8};
    const struct pg_param params[] = {pg_i32(arena, slot)};
    PGresult *result = NULL;
    struct err e = pg_run(pg, sql, params, COUNT_OF(params), &result);
    if (!err_is(&e))
        e = pg_expect(result, types, COUNT_OF(types));
    if (!err_is(&e))
        *ret_published_no = PQntuples(result) == 0 ? -1 : pg_get_i64(result, 0, 0);
    PQclear(result);
    return e;
}
