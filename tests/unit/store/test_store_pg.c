// What can't be compared with memory: lost connections, stopped owners, waiting for locks, statements counted, large
// batches, upkeep.
#include "lane/store_pg.h"
#include "pg/pg.h"
#include "unit/store/test_tables.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define LARGE_ROWS  800
#define LARGE_BYTES 12000 // together more than any socket buffer

struct world {
    struct store_port *a, *b;
    struct arena *arena;
};

static int setup(void **state)
{
    static struct world world;
    world = (struct world){.arena = arena_new(4096)};
    test_admin("TRUNCATE slot, position, kinds, pair, journal, key_state, seen, held, effect, outbox");
    struct err e = store_pg_open(test_dsn(), TEST_SCHEMA, test_tables, TEST_TABLES, &world.a);
    if (!err_is(&e))
        e = store_pg_open(test_dsn(), TEST_SCHEMA, test_tables, TEST_TABLES, &world.b);
    *state = &world;
    return err_is(&e);
}

static int teardown(void **state)
{
    struct world *w = *state;
    store_pg_close(w->a);
    store_pg_close(w->b);
    arena_free(w->arena);
    return 0;
}

static void good(struct err e)
{
    assert_string_equal(e.text, "");
    assert_int_equal(e.class, ERR_NONE);
}

// One number that the superuser sees.
static int64_t seen_by_admin(const char *sql)
{
    struct pg *pg = NULL;
    PGresult *result = NULL;
    good(pg_open(test_dsn_admin(), "test", NULL, &pg));
    good(pg_run(pg, sql, NULL, 0, &result));
    good(pg_expect(result, (const uint32_t[]){PG_INT8}, 1));
    assert_int_equal(PQntuples(result), 1);
    int64_t number = pg_get_i64(result, 0, 0);
    PQclear(result);
    pg_close(pg);
    return number;
}

static struct slot_fence claim(struct world *w, struct store_port *port, int32_t slot)
{
    struct slot_claim got;
    good(port->claim(port->self, &slot, 1, w->arena, &got));
    return (struct slot_fence){.slot = slot, .epoch = got.epoch, .batch_no = got.batch_no};
}

static struct err begin(struct world *w, struct store_port *port, struct slot_fence *fence)
{
    instant now;
    return port->begin(port->self, fence, 1, NULL, 0, w->arena, &now);
}

static struct kinds_row row_of(int64_t number)
{
    return (struct kinds_row){.id = uuid_from_name("test", bytes_of(&number, sizeof number)),
                              .number = number,
                              .at = INSTANT_NONE,
                              .team = bytes_str("t")};
}

static struct err commit_row(struct store_port *port, struct kinds_row row)
{
    void *rows[] = {&row};
    struct store_change change = {.table = &kinds_table, .kind = CHANGE_INSERT, .rows = rows, .row_count = 1};
    struct store_changes changes = {.changes = &change, .change_count = 1};
    return port->commit(port->self, &changes);
}

static int64_t stored(void)
{
    return seen_by_admin("SELECT count(*) FROM inventory.kinds");
}

static void test_refusals_save_nothing(void **state)
{
    struct world *w = *state;
    struct slot_fence fence = claim(w, w->a, 0);
    struct kinds_row rows[] = {row_of(1), row_of(2)};
    rows[1].name = bytes_str("\xff");
    for (int i = 0; i < 2; i++) {
        good(begin(w, w->a, &fence));
        assert_true(fence.ret_owned);
        void *both[] = {&rows[0], &rows[1]};
        struct store_change change = {
            .table = &kinds_table, .kind = CHANGE_INSERT, .rows = both, .row_count = 2};
        struct store_position position = {.slot = 0, .topic = TOPIC_ORDERS, .next_offset = 5};
        struct store_changes changes = {
            .changes = &change, .change_count = 1, .positions = &position, .position_count = 1};
        assert_int_equal(w->a->commit(w->a->self, &changes).class, ERR_REJECT);
        assert_int_equal(stored(), 0);
        assert_int_equal(seen_by_admin("SELECT count(*) FROM inventory.position"), 0);
        rows[1] = row_of(-1);
    }
    good(begin(w, w->a, &fence));
    assert_true(fence.ret_owned);
    good(commit_row(w->a, rows[0]));
    assert_int_equal(stored(), 1);
}

static const char end_lanes[] = "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity "
                                "WHERE application_name = 'orderclerk.inventory'";

static void test_lost_connection(void **state)
{
    struct world *w = *state;
    struct slot_fence fence = claim(w, w->a, 0);
    good(begin(w, w->a, &fence));
    assert_int_equal(seen_by_admin(end_lanes), 1);
    assert_int_equal(commit_row(w->a, row_of(1)).class, ERR_FENCED);
    assert_int_equal(stored(), 0);
    assert_int_equal(begin(w, w->a, &fence).class, ERR_FENCED); // until it claims again
    instant due;
    assert_int_equal(w->a->next_due(w->a->self, &(int32_t){0}, 1, &due).class, ERR_FENCED);
    fence = claim(w, w->a, 0);
    assert_int_equal(fence.batch_no, 0);
    assert_int_equal(seen_by_admin(end_lanes), 1);
    assert_int_equal(begin(w, w->a, &fence).class, ERR_FENCED);
    fence = claim(w, w->a, 0);
    good(begin(w, w->a, &fence));
    good(commit_row(w->a, row_of(1)));
    assert_int_equal(stored(), 1);
}

// The server must know that a lane between its two round trips is idle: idle_in_transaction_session_timeout goes by it.
static void test_idle_in_transaction(void **state)
{
    struct world *w = *state;
    struct slot_fence fence = claim(w, w->a, 0);
    good(begin(w, w->a, &fence));
    assert_int_equal(
        seen_by_admin("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'orderclerk.inventory' "
                      "AND state = 'idle in transaction'"),
        1);
    w->a->rollback(w->a->self);
    assert_int_equal(
        seen_by_admin("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'orderclerk.inventory' "
                      "AND state = 'idle'"),
        1);
}

// A session that holds what the statement locks and would do so for ever.
static PGconn *stopped_session(const char *dsn, const char *statement)
{
    PGconn *conn = PQconnectdb(dsn);
    const char *const steps[] = {"SET idle_in_transaction_session_timeout = 0", "BEGIN", statement};
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        PGresult *result = PQexec(conn, steps[i]);
        assert_int_equal(PQresultStatus(result), PGRES_COMMAND_OK);
        PQclear(result);
    }
    return conn;
}

static const char hold_slot[] = "UPDATE inventory.slot SET batch_no = batch_no + 1 WHERE p = 0";

static void test_claim_ends_blockers(void **state)
{
    struct world *w = *state;
    struct slot_fence mine = claim(w, w->a, 0);
    PGconn *stopped = stopped_session(test_dsn(), hold_slot);
    struct slot_fence theirs = claim(w, w->b, 0);
    assert_int_equal(theirs.epoch, mine.epoch + 1);
    assert_int_equal(theirs.batch_no, 0);
    PGresult *result = PQexec(stopped, "COMMIT");
    assert_int_not_equal(PQresultStatus(result), PGRES_COMMAND_OK);
    PQclear(result);
    PQfinish(stopped);
}

static void test_claim_spares_other_roles(void **state)
{
    struct world *w = *state;
    claim(w, w->a, 0);
    PGconn *stopped = stopped_session(test_dsn_admin(), hold_slot);
    struct slot_claim got;
    assert_int_equal(w->b->claim(w->b->self, &(int32_t){0}, 1, w->arena, &got).class, ERR_RETRY);
    PGresult *result = PQexec(stopped, "ROLLBACK");
    assert_int_equal(PQresultStatus(result), PGRES_COMMAND_OK);
    PQclear(result);
    PQfinish(stopped);
    claim(w, w->b, 0);
}

static void test_locked_row(void **state)
{
    struct world *w = *state;
    struct slot_fence fence = claim(w, w->a, 0);
    good(begin(w, w->a, &fence));
    good(commit_row(w->a, row_of(1)));
    fence.batch_no++;
    PGconn *stopped = stopped_session(test_dsn(), "UPDATE inventory.kinds SET small = 7");
    struct value id = value_uuid(row_of(1).id);
    struct store_query q = {.table = &kinds_table, .column = KINDS_ID, .values = &id, .value_count = 1};
    instant now;
    struct err e = w->a->begin(w->a->self, &fence, 1, &q, 1, w->arena, &now); // waits for lock_timeout
    assert_int_equal(e.class, ERR_RETRY);
    PGresult *result = PQexec(stopped, "COMMIT");
    assert_int_equal(PQresultStatus(result), PGRES_COMMAND_OK);
    PQclear(result);
    PQfinish(stopped);
    good(w->a->begin(w->a->self, &fence, 1, &q, 1, w->arena, &now));
    assert_true(fence.ret_owned);
    assert_int_equal(q.row_count, 1);
    assert_int_equal(((struct kinds_row *)q.rows)->small, 7);
    w->a->rollback(w->a->self);
}

// Loads the rows by key, then saves them, with a journal, positions and an outbox row.
static void save_batch(struct world *w, struct slot_fence *fence, int64_t first, size_t count,
                       struct bytes data, size_t expect)
{
    struct value *ids = arena_new_array(w->arena, struct value, count);
    void **kinds = arena_new_array(w->arena, void *, count);
    void **journal = arena_new_array(w->arena, void *, count);
    for (size_t i = 0; i < count; i++) {
        struct kinds_row row = row_of(first + (int64_t)i);
        row.data = data;
        ids[i] = value_uuid(row.id);
        kinds[i] = arena_copy(w->arena, &row, sizeof row);
        struct journal_row entry = {.id = row.id, .ordinal = (int32_t)fence->batch_no, .amount = 1};
        journal[i] = arena_copy(w->arena, &entry, sizeof entry);
    }
    struct store_query q = {.table = &kinds_table, .column = KINDS_ID, .values = ids, .value_count = count};
    instant now;
    good(w->a->begin(w->a->self, fence, 1, &q, 1, w->arena, &now));
    assert_int_equal(q.row_count, expect);
    for (size_t i = 0; i < q.row_count; i++)
        assert_true(bytes_equal(((struct kinds_row *)q.rows)[i].data, data));
    struct outbox_table_row out = {.batch_no = fence->batch_no + 1, .created_at = now, .records = data};
    void *outbox[] = {&out};
    struct store_change changes[] = {
        {.table = &kinds_table,
         .kind = expect > 0 ? CHANGE_UPDATE : CHANGE_INSERT,
         .rows = kinds,
         .row_count = count},
        {.table = &journal_table, .kind = CHANGE_INSERT, .rows = journal, .row_count = count},
        {.table = &outbox_table, .kind = CHANGE_INSERT, .rows = outbox, .row_count = 1},
    };
    struct store_position position = {.topic = TOPIC_ORDERS, .next_offset = first};
    struct store_changes all = {
        .changes = changes, .change_count = 3, .positions = &position, .position_count = 1};
    good(w->a->commit(w->a->self, &all));
    fence->batch_no++;
}

// Without BEGIN and COMMIT: of a prepared one, PostgreSQL 15 counts the first run only.
static int64_t statements(void)
{
    return seen_by_admin("SELECT coalesce(sum(calls), 0)::bigint FROM public.pg_stat_statements "
                         "WHERE toplevel AND userid = 'orderclerk_inventory'::regrole "
                         "AND query NOT IN ('BEGIN', 'COMMIT')");
}

static void test_statements_do_not_grow(void **state)
{
    struct world *w = *state;
    struct slot_fence fence = claim(w, w->a, 0);
    test_admin("SELECT public.pg_stat_statements_reset()");
    save_batch(w, &fence, 1, 1, bytes_str("x"), 0);
    int64_t one = statements();
    save_batch(w, &fence, 1000, 500, bytes_str("x"), 0);
    assert_int_equal(statements() - one, one);
    assert_int_equal(one, 6); // fence, query, three changes, positions
    assert_int_equal(stored(), 501);
}

static void test_large_batch(void **state)
{
    struct world *w = *state;
    struct slot_fence fence = claim(w, w->a, 0);
    unsigned char *data = arena_alloc(w->arena, LARGE_BYTES);
    for (size_t i = 0; i < LARGE_BYTES; i++)
        data[i] = (unsigned char)(i * 2654435761u >> 13);
    save_batch(w, &fence, 1, LARGE_ROWS, bytes_of(data, LARGE_BYTES), 0);
    save_batch(w, &fence, 1, LARGE_ROWS, bytes_of(data, LARGE_BYTES), LARGE_ROWS);
    struct outbox_row *rows;
    size_t count;
    good(w->a->outbox_after(w->a->self, 0, 1, 10, w->arena, &rows, &count));
    assert_int_equal(count, 1);
    assert_true(bytes_equal(rows[0].records, bytes_of(data, LARGE_BYTES)));
}

static void test_maintain(void **state)
{
    struct world *w = *state;
    claim(w, w->a, 0);
    test_admin(
        "DROP TABLE IF EXISTS outbox_20200101, outbox_20200102;"
        "CREATE TABLE outbox_20200101 PARTITION OF outbox FOR VALUES FROM ('2020-01-01Z') TO ('2020-01-02Z');"
        "CREATE TABLE outbox_20200102 PARTITION OF outbox FOR VALUES FROM ('2020-01-02Z') TO ('2020-01-03Z');"
        "UPDATE slot SET batch_no = 9, published_no = 4 WHERE p = 0;"
        "INSERT INTO outbox SELECT 0, n, '2020-01-01 12:00Z', '' FROM generate_series(1, 4) n;"
        "INSERT INTO outbox VALUES (0, 5, '2020-01-02 12:00Z', '');"
        "ALTER TABLE outbox_20200101 OWNER TO orderclerk_owner;"
        "ALTER TABLE outbox_20200102 OWNER TO orderclerk_owner;"
        "INSERT INTO outbox VALUES (0, 3, '2020-01-03Z', ''), (0, 6, '2020-01-03Z', '');"
        "INSERT INTO seen SELECT gen_random_uuid(), 'k', now() - interval '32 days' FROM generate_series(1, "
        "12000);"
        "INSERT INTO seen SELECT gen_random_uuid(), 'k', now() - interval '30 days' FROM generate_series(1, "
        "10)");
    bool more = true;
    good(store_pg_maintain(w->a, &more));
    assert_false(more);
    assert_int_equal(seen_by_admin("SELECT count(*) FROM inventory.seen"), 10);
    assert_int_equal(seen_by_admin("SELECT count(*) FROM inventory.outbox"), 2); // 5 and 6 aren't published
    assert_int_equal(
        seen_by_admin("SELECT count(*) FROM pg_class WHERE oid = to_regclass('inventory.outbox_20200101')"),
        0);
    assert_int_equal(
        seen_by_admin("SELECT count(*) FROM pg_inherits WHERE inhparent = 'inventory.outbox'::regclass"), 5);
    test_admin("UPDATE slot SET published_no = 6 WHERE p = 0");
    good(store_pg_maintain(w->a, &more));
    assert_int_equal(seen_by_admin("SELECT count(*) FROM inventory.outbox"), 0);
    assert_int_equal(
        seen_by_admin("SELECT count(*) FROM pg_inherits WHERE inhparent = 'inventory.outbox'::regclass"), 4);
}

// A new day is a new partition of its own; rows of a day without one are not refused.
static void test_outbox_days(void **state)
{
    struct world *w = *state;
    claim(w, w->a, 0);
    test_admin("DO $$ BEGIN EXECUTE format('DROP TABLE outbox_%s', to_char(now() AT TIME ZONE 'UTC', "
               "'YYYYMMDD')); END $$");
    struct slot_fence fence = claim(w, w->a, 0);
    save_batch(w, &fence, 1, 1, bytes_str("x"), 0);
    bool more;
    good(store_pg_maintain(w->a, &more));
    assert_int_equal(seen_by_admin("SELECT count(*) FROM inventory.outbox_default"), 1);
    test_admin("TRUNCATE outbox");
    good(store_pg_maintain(w->a, &more));
    save_batch(w, &fence, 2, 1, bytes_str("x"), 0);
    assert_int_equal(seen_by_admin("SELECT count(*) FROM inventory.outbox_default"), 0);
    assert_int_equal(seen_by_admin("SELECT count(*) FROM inventory.outbox"), 1);
}

int main(void)
{
    test_migrate_all();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_refusals_save_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_lost_connection, setup, teardown),
        cmocka_unit_test_setup_teardown(test_idle_in_transaction, setup, teardown),
        cmocka_unit_test_setup_teardown(test_claim_ends_blockers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_claim_spares_other_roles, setup, teardown),
        cmocka_unit_test_setup_teardown(test_locked_row, setup, teardown),
        cmocka_unit_test_setup_teardown(test_statements_do_not_grow, setup, teardown),
        cmocka_unit_test_setup_teardown(test_large_batch, setup, teardown),
        cmocka_unit_test_setup_teardown(test_maintain, setup, teardown),
        cmocka_unit_test_setup_teardown(test_outbox_days, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
