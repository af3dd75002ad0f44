// Ingress's statements.
#include "ingress/ingress_internal.h"
#include "pg/db_clock.h"

#include <assert.h>

#define SESSION_SETTINGS NULL // common/pg's own are right
#define MAINTAIN_ROWS    20000

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

// The advisory lock of slot $1 in this schema.
#define LOCK_CLASS "hashtext('orderclerk.ingress.' || current_schema())"

static const char make_slots_sql[] =
    "INSERT INTO ingress_slot (i) SELECT n FROM generate_series(0, $1::int - 1) AS n "
    "ON CONFLICT (i) DO NOTHING";
static const char hold_sql[] = "SELECT pg_try_advisory_lock(" LOCK_CLASS ", $1::int)";
static const char give_back_sql[] = "SELECT pg_advisory_unlock(" LOCK_CLASS ", $1::int)";
static const char claim_sql[] =
    "UPDATE ingress_slot SET epoch = epoch + 1, seen_at = now() WHERE i = $1::int "
    "RETURNING epoch, batch_no, published_no, now()";
static const char left_sql[] = "SELECT i, seen_at < now() - interval '10 seconds' FROM ingress_slot "
                               "WHERE batch_no > published_no ORDER BY i";
static const char end_holder_sql[] =
    "SELECT count(pg_terminate_backend(pid)) FROM pg_locks "
    "WHERE locktype = 'advisory' AND granted AND objsubid = 2 AND objid = $1::int::oid "
    "AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
    "AND classid = (" LOCK_CLASS "::bigint & 4294967295)::oid";
static const char mark_sql[] =
    "UPDATE ingress_slot SET published_no = greatest(published_no, $3::bigint), seen_at = now() "
    "WHERE i = $1::int AND epoch = $2::bigint RETURNING i";
static const char outbox_sql[] =
    "SELECT batch_no, records FROM ingress_outbox WHERE slot = $1::int AND batch_no > $2::bigint "
    "ORDER BY batch_no LIMIT $3::int";
static const char maintain_sql[] = "SELECT ingress_maintain($1::int)";
static const char begin_sql[] = "BEGIN";
static const char fence_sql[] =
    "UPDATE ingress_slot SET batch_no = batch_no + 1, published_no = greatest(published_no, $4::bigint), "
    "seen_at = now() "
    "WHERE i = $1::int AND epoch = $2::bigint AND batch_no = $3::bigint RETURNING now()";
static const char insert_sql[] =
    "WITH given AS ("
    "    SELECT unnest($1::uuid[]) AS id, unnest($2::text[]) AS scope, unnest($3::text[]) AS key, "
    "           unnest($4::text[]) AS client_key, unnest($5::bytea[]) AS fingerprint, "
    "           unnest($6::text[]) AS kind, unnest($7::text[]) AS content_type, unnest($8::bytea[]) AS raw, "
    "           unnest($9::uuid[]) AS subject, unnest($10::text[]) AS customer_key, "
    "           unnest($11::bytea[]) AS look), "
    "stored AS ("
    "    INSERT INTO submission (id, scope, key, client_key, fingerprint, kind, content_type, raw, subject, "
    "customer_key,"
    "                            received_at)"
    "    SELECT id, scope, key, client_key, fingerprint, kind, content_type, raw, subject, customer_key, "
    "now() FROM given"
    "    ORDER BY scope, key ON CONFLICT DO NOTHING RETURNING id), "
    "seen AS ("
    "    INSERT INTO look_alike AS l (look, subject, at)"
    "    SELECT DISTINCT ON (g.look) g.look, g.subject, now() FROM stored s JOIN given g USING (id)"
    "    WHERE g.look IS NOT NULL ORDER BY g.look, g.id"
    "    ON CONFLICT (look) DO UPDATE SET subject = excluded.subject, at = excluded.at,"
    "        previous = CASE WHEN l.at > excluded.at - interval '24 hours' THEN l.subject END"
    "    RETURNING look, previous) "
    "SELECT s.id, n.previous FROM stored s JOIN given g USING (id) LEFT JOIN seen n USING (look)";
static const char find_sql[] = "SELECT id, scope, key, client_key, fingerprint, subject FROM submission "
                               "WHERE (scope, key) IN (SELECT * FROM unnest($1::text[], $2::text[])) "
                               "UNION "
                               "SELECT id, scope, key, client_key, fingerprint, subject FROM submission "
                               "WHERE client_key = ANY ($3::text[])";
static const char versions_sql[] = "INSERT INTO reference_version AS v (topic, key, version) "
                                   "SELECT * FROM unnest($1::int[], $2::text[], $3::bigint[]) AS g (topic, "
                                   "key, version) ORDER BY topic, key "
                                   "ON CONFLICT (topic, key) DO UPDATE SET version = v.version + "
                                   "excluded.version RETURNING topic, key, version";
static const char append_sql[] = "INSERT INTO ingress_outbox (slot, batch_no, created_at, records) VALUES "
                                 "($1::int, $2::bigint, now(), $3::bytea)";
static const char commit_sql[] = "COMMIT";

// One statement that gives rows of these types.
static struct err ask(struct pg *pg, const char *sql, const struct pg_param *params, size_t param_count,
                      const uint32_t *types, size_t type_count, PGresult **ret_result)
{
    PGresult *result = NULL;
    struct err e = pg_run(pg, sql, params, param_count, &result);
    if (err_is(&e))
        return e;
    e = pg_expect(result, types, type_count);
    if (err_is(&e))
        PQclear(result);
    else
        *ret_result = result;
    return e;
}

struct err ingress_store_open(const char *dsn, int32_t slots, struct pg **ret_pg)
{
    struct pg *pg = NULL;
    struct err e = pg_open(dsn, "orderclerk ingress", SESSION_SETTINGS, &pg);
    if (err_is(&e))
        return e;
    struct arena *arena = arena_new(1024);
    struct pg_param params[] = {pg_i32(arena, slots)};
    e = pg_run(pg, make_slots_sql, params, COUNT_OF(params), NULL);
    arena_free(arena);
    if (err_is(&e))
        pg_close(pg);
    else
        *ret_pg = pg;
    return e;
}

static struct err ask_bool(struct pg *pg, const char *sql, int32_t i, bool *ret_answer)
{
    struct arena *arena = arena_new(1024);
    struct pg_param params[] = {pg_i32(arena, i)};
    PGresult *result = NULL;
    struct err e = ask(pg, sql, params, COUNT_OF(params), (uint32_t[]){PG_BOOL}, 1, &result);
    if (!err_is(&e))
        *ret_answer = pg_get_bool(result, 0, 0);
    PQclear(result);
    arena_free(arena);
    return e;
}

struct err ingress_store_hold(struct pg *pg, int32_t i, bool *ret_held)
{
    return ask_bool(pg, hold_sql, i, ret_held);
}

struct err ingress_store_give_back(struct pg *pg, int32_t i)
{
    bool held = false;
    return ask_bool(pg, give_back_sql, i, &held);
}

struct err ingress_store_claim(struct pg *pg, int32_t i, struct held_slot *ret_slot)
{
    struct arena *arena = arena_new(1024);
    struct pg_param params[] = {pg_i32(arena, i)};
    PGresult *result = NULL;
    static const uint32_t types[] = {PG_INT8, PG_INT8, PG_INT8, PG_TIMESTAMPTZ};
    struct err e = ask(pg, claim_sql, params, COUNT_OF(params), types, COUNT_OF(types), &result);
    if (!err_is(&e) && PQntuples(result) == 1) {
        db_clock_learn(pg_get_instant(result, 0, 3));
        *ret_slot = (struct held_slot){.i = i,
                                       .epoch = pg_get_i64(result, 0, 0),
                                       .batch_no = pg_get_i64(result, 0, 1),
                                       .handed_no = pg_get_i64(result, 0, 2),
                                       .marked_no = pg_get_i64(result, 0, 2)};
    } else if (!err_is(&e)) {
        e = err_make(ERR_CONFIG, "ingress_slot: row %d is missing", i);
    }
    PQclear(result);
    arena_free(arena);
    return e;
}

struct err ingress_store_left(struct pg *pg, struct arena *arena, int32_t **ret_slots, bool **ret_stale,
                              size_t *ret_count)
{
    PGresult *result = NULL;
    struct err e = ask(pg, left_sql, NULL, 0, (uint32_t[]){PG_INT4, PG_BOOL}, 2, &result);
    if (err_is(&e))
        return e;
    size_t count = (size_t)PQntuples(result);
    int32_t *slots = arena_new_array(arena, int32_t, count);
    bool *stale = arena_new_array(arena, bool, count);
    for (size_t row = 0; row < count; row++) {
        slots[row] = pg_get_i32(result, (int)row, 0);
        stale[row] = pg_get_bool(result, (int)row, 1);
    }
    PQclear(result);
    *ret_slots = slots;
    *ret_stale = stale;
    *ret_count = count;
    return err_ok();
}

struct err ingress_store_end_holder(struct pg *pg, int32_t i)
{
    struct arena *arena = arena_new(1024);
    struct pg_param params[] = {pg_i32(arena, i)};
    struct err e = pg_run(pg, end_holder_sql, params, COUNT_OF(params), NULL);
    arena_free(arena);
    return e;
}

struct err ingress_store_mark(struct pg *pg, const struct held_slot *slot, int64_t published_no)
{
    struct arena *arena = arena_new(1024);
    struct pg_param params[] = {pg_i32(arena, slot->i), pg_i64(arena, slot->epoch),
                                pg_i64(arena, published_no)};
    PGresult *result = NULL;
    struct err e = ask(pg, mark_sql, params, COUNT_OF(params), (uint32_t[]){PG_INT4}, 1, &result);
    if (!err_is(&e) && PQntuples(result) == 0)
        e = err_make(ERR_FENCED, "ingress slot %d has another owner", slot->i);
    PQclear(result);
    arena_free(arena);
    return e;
}

struct err ingress_store_outbox(struct pg *pg, struct arena *arena, int32_t slot, int64_t after_no,
                                struct store_outbox_row **ret_rows, size_t *ret_count)
{
    struct pg_param params[] = {pg_i32(arena, slot), pg_i64(arena, after_no),
                                pg_i32(arena, OUTBOX_READ_ROWS)};
    PGresult *result = NULL;
    struct err e = ask(pg, outbox_sql, params, COUNT_OF(params), (uint32_t[]){PG_INT8, PG_BYTEA}, 2, &result);
    if (err_is(&e))
        return e;
    size_t count = (size_t)PQntuples(result);
    struct store_outbox_row *rows = arena_new_array(arena, struct store_outbox_row, count);
    for (size_t row = 0; row < count; row++) {
        rows[row].batch_no = pg_get_i64(result, (int)row, 0);
        rows[row].records = arena_bytes(arena, pg_get_bytes(result, (int)row, 1));
    }
    PQclear(result);
    *ret_rows = rows;
    *ret_count = count;
    return err_ok();
}

struct err ingress_store_maintain(struct pg *pg)
{
    struct arena *arena = arena_new(1024);
    struct pg_param params[] = {pg_i32(arena, MAINTAIN_ROWS)};
    struct err e = pg_run(pg, maintain_sql, params, COUNT_OF(params), NULL);
    arena_free(arena);
    return e;
}

// ---- a commit

typedef struct bytes (*text_of)(const struct submission *item);
static struct bytes scope_of(const struct submission *item)
{
    return item->scope;
}
static struct bytes key_of(const struct submission *item)
{
    return item->key;
}
static struct bytes client_key_of(const struct submission *item)
{
    return item->client_key;
}
static struct bytes fingerprint_of(const struct submission *item)
{
    return item->fingerprint;
}
static struct bytes kind_of(const struct submission *item)
{
    return item->kind;
}
static struct bytes content_type_of(const struct submission *item)
{
    return item->content_type;
}
static struct bytes raw_of(const struct submission *item)
{
    return item->raw;
}
static struct bytes customer_key_of(const struct submission *item)
{
    return item->customer_key;
}
static struct bytes look_of(const struct submission *item)
{
    return item->look;
}

static struct pg_param column(struct arena *arena, uint32_t element, struct submission *const *items,
                              size_t count, text_of get)
{
    size_t size = 0;
    for (size_t i = 0; i < count; i++)
        size += get(items[i]).size;
    struct pg_array array = pg_array_start(arena, element, count, size);
    for (size_t i = 0; i < count; i++)
        pg_array_bytes(&array, get(items[i]));
    return pg_array_end(&array);
}

static struct pg_param ids(struct arena *arena, struct submission *const *items, size_t count, bool subjects)
{
    struct pg_array array = pg_array_start(arena, PG_UUID, count, count * sizeof(struct uuid));
    for (size_t i = 0; i < count; i++)
        pg_array_uuid(&array, subjects ? items[i]->subject : items[i]->id);
    return pg_array_end(&array);
}

static struct err send_insert(struct pg *pg, struct submission *const *items, size_t count,
                              struct arena *arena)
{
    struct pg_param params[] = {
        ids(arena, items, count, false),
        column(arena, PG_TEXT, items, count, scope_of),
        column(arena, PG_TEXT, items, count, key_of),
        column(arena, PG_TEXT, items, count, client_key_of),
        column(arena, PG_BYTEA, items, count, fingerprint_of),
        column(arena, PG_TEXT, items, count, kind_of),
        column(arena, PG_TEXT, items, count, content_type_of),
        column(arena, PG_BYTEA, items, count, raw_of),
        ids(arena, items, count, true),
        column(arena, PG_TEXT, items, count, customer_key_of),
        column(arena, PG_BYTEA, items, count, look_of),
    };
    return pg_send(pg, insert_sql, params, COUNT_OF(params));
}

static struct err receive_fence(struct pg *pg, const struct held_slot *slot)
{
    PGresult *result = NULL;
    struct err e = pg_receive(pg, &result); // BEGIN
    PQclear(result);
    if (err_is(&e))
        return e;
    result = NULL;
    e = pg_receive(pg, &result);
    if (!err_is(&e))
        e = pg_expect(result, (uint32_t[]){PG_TIMESTAMPTZ}, 1);
    if (!err_is(&e) && PQntuples(result) != 1)
        e = err_make(ERR_FENCED, "ingress slot %d has another owner", slot->i);
    if (!err_is(&e))
        db_clock_learn(pg_get_instant(result, 0, 0));
    PQclear(result);
    return e;
}

static struct err receive_stored(struct pg *pg, struct arena *arena, struct store_stored **ret_stored,
                                 size_t *ret_count)
{
    PGresult *result = NULL;
    struct err e = pg_receive(pg, &result);
    if (err_is(&e))
        return e;
    e = pg_expect(result, (uint32_t[]){PG_UUID, PG_UUID}, 2);
    if (!err_is(&e)) {
        size_t count = (size_t)PQntuples(result);
        struct store_stored *stored = arena_new_array(arena, struct store_stored, count);
        for (size_t row = 0; row < count; row++) {
            stored[row].id = pg_get_uuid(result, (int)row, 0);
            stored[row].look_alike = pg_get_uuid(result, (int)row, 1);
        }
        *ret_stored = stored;
        *ret_count = count;
    }
    PQclear(result);
    return e;
}

// After an error the transaction is rolled back; the error stays what it was.
static struct err undo(struct pg *pg, struct err e)
{
    struct err rolled = pg_rollback(pg);
    (void)rolled; // a connection that is lost is told by the next statement
    return e;
}

struct err ingress_store_begin(struct pg *pg, const struct held_slot *slot, int64_t published_no,
                               struct submission *const *items, size_t count, struct arena *arena,
                               struct store_stored **ret_stored, size_t *ret_count)
{
    struct pg_param fence[] = {pg_i32(arena, slot->i), pg_i64(arena, slot->epoch),
                               pg_i64(arena, slot->batch_no), pg_i64(arena, published_no)};
    struct err e = pg_send(pg, begin_sql, NULL, 0);
    if (!err_is(&e))
        e = pg_send(pg, fence_sql, fence, COUNT_OF(fence));
    if (!err_is(&e))
        e = send_insert(pg, items, count, arena);
    if (!err_is(&e))
        e = pg_sync(pg);
    if (!err_is(&e))
        e = receive_fence(pg, slot);
    if (!err_is(&e))
        e = receive_stored(pg, arena, ret_stored, ret_count);
    if (!err_is(&e))
        e = pg_drain(pg);
    return err_is(&e) ? undo(pg, e) : e;
}

struct err ingress_store_find(struct pg *pg, struct submission *const *items, size_t count,
                              struct arena *arena, struct store_found **ret_found, size_t *ret_count)
{
    struct pg_param params[] = {column(arena, PG_TEXT, items, count, scope_of),
                                column(arena, PG_TEXT, items, count, key_of),
                                column(arena, PG_TEXT, items, count, client_key_of)};
    PGresult *result = NULL;
    struct err e = ask(pg, find_sql, params, COUNT_OF(params),
                       (uint32_t[]){PG_UUID, PG_TEXT, PG_TEXT, PG_TEXT, PG_BYTEA, PG_UUID}, 6, &result);
    if (err_is(&e))
        return undo(pg, e);
    size_t rows = (size_t)PQntuples(result);
    struct store_found *found = arena_new_array(arena, struct store_found, rows);
    for (size_t row = 0; row < rows; row++) {
        found[row].id = pg_get_uuid(result, (int)row, 0);
        found[row].scope = arena_bytes(arena, pg_get_bytes(result, (int)row, 1));
        found[row].key = arena_bytes(arena, pg_get_bytes(result, (int)row, 2));
        found[row].client_key = arena_bytes(arena, pg_get_bytes(result, (int)row, 3));
        found[row].fingerprint = arena_bytes(arena, pg_get_bytes(result, (int)row, 4));
        found[row].subject = pg_get_uuid(result, (int)row, 5);
    }
    PQclear(result);
    *ret_found = found;
    *ret_count = rows;
    return err_ok();
}

struct err ingress_store_versions(struct pg *pg, struct store_version *versions, size_t count,
                                  struct arena *arena)
{
    size_t size = 0;
    for (size_t i = 0; i < count; i++)
        size += versions[i].key.size;
    struct pg_array topics = pg_array_start(arena, PG_INT4, count, count * 4);
    struct pg_array keys = pg_array_start(arena, PG_TEXT, count, size);
    struct pg_array counts = pg_array_start(arena, PG_INT8, count, count * 8);
    for (size_t i = 0; i < count; i++) {
        pg_array_i32(&topics, versions[i].topic);
        pg_array_bytes(&keys, versions[i].key);
        pg_array_i64(&counts, versions[i].count);
    }
    struct pg_param params[] = {pg_array_end(&topics), pg_array_end(&keys), pg_array_end(&counts)};
    PGresult *result = NULL;
    struct err e =
        ask(pg, versions_sql, params, COUNT_OF(params), (uint32_t[]){PG_INT4, PG_TEXT, PG_INT8}, 3, &result);
    if (err_is(&e))
        return undo(pg, e);
    size_t found = 0;
    for (int row = 0; row < PQntuples(result); row++) {
        for (size_t i = 0; i < count; i++) {
            if (versions[i].topic == pg_get_i32(result, row, 0) &&
                bytes_equal(versions[i].key, pg_get_bytes(result, row, 1))) {
                versions[i].version = pg_get_i64(result, row, 2);
                found++;
            }
        }
    }
    PQclear(result);
    return found == count
               ? err_ok()
               : undo(pg, err_make(ERR_RETRY, "reference_version: %zu of %zu given", found, count));
}

struct err ingress_store_commit(struct pg *pg, const struct held_slot *slot, struct bytes records,
                                struct arena *arena)
{
    struct pg_param params[] = {pg_i32(arena, slot->i), pg_i64(arena, slot->batch_no + 1), pg_bytea(records)};
    struct err e = pg_send(pg, append_sql, params, COUNT_OF(params));
    if (!err_is(&e))
        e = pg_send(pg, commit_sql, NULL, 0);
    if (!err_is(&e))
        e = pg_sync(pg);
    if (!err_is(&e))
        e = pg_drain(pg);
    if (!err_is(&e) && pg_committed_locally(pg))
        e = err_make(ERR_FENCED, "committed without the standby's word: the outcome counts as unknown");
    return err_is(&e) ? undo(pg, e) : e;
}
