// What the store over memory has beside PostgreSQL's behaviour (which the conformance suite compares): faults, lost
// connections, locks without waiting.
#include "sim/store_mem.h"
#include "unit/store/test_tables.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

struct world {
    struct store_mem_db *db;
    struct store_port *a, *b;
    struct arena *arena;
    instant now;
};

static instant world_now(void *self)
{
    return ((struct world *)self)->now;
}

static int64_t world_monotonic(void *self)
{
    return ((struct world *)self)->now;
}

static int setup(void **state)
{
    static struct world world;
    static struct clock_port clock = {.self = &world, .now = world_now, .monotonic_us = world_monotonic};
    world = (struct world){.now = 1000, .arena = arena_new(4096)};
    world.db = store_mem_db_new(test_tables, TEST_TABLES, &clock);
    world.a = store_mem_open(world.db);
    world.b = store_mem_open(world.db);
    *state = &world;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    store_mem_close(w->a);
    store_mem_close(w->b);
    store_mem_db_free(w->db);
    arena_free(w->arena);
    return 0;
}

static void good(struct err e)
{
    assert_string_equal(e.text, "");
    assert_int_equal(e.class, ERR_NONE);
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
    struct err e = port->begin(port->self, fence, 1, NULL, 0, w->arena, &now);
    if (!err_is(&e))
        assert_int_equal(now, w->now);
    return e;
}

static struct kinds_row row_of(const char *id, int64_t number)
{
    return (struct kinds_row){
        .id = uuid_from_name("test", bytes_str(id)), .number = number, .team = bytes_str("t")};
}

static struct err commit_row(struct store_port *port, struct kinds_row row)
{
    void *rows[] = {&row};
    struct store_change change = {.table = &kinds_table, .kind = CHANGE_INSERT, .rows = rows, .row_count = 1};
    struct store_changes changes = {.changes = &change, .change_count = 1};
    return port->commit(port->self, &changes);
}

static size_t stored(struct world *w)
{
    void *rows;
    return store_mem_all(w->db, &kinds_table, w->arena, &rows);
}

static void test_rows_live_apart(void **state)
{
    struct world *w = *state;
    struct slot_fence fence = claim(w, w->a, 0);
    good(begin(w, w->a, &fence));
    char name[] = "before";
    struct kinds_row row = row_of("one", 1);
    row.name = bytes_str(name);
    row.decoded = name; // no column
    good(commit_row(w->a, row));
    name[0] = 'X';
    void *rows;
    assert_int_equal(store_mem_rows(w->db, &kinds_table, KINDS_NUMBER, value_i64(1), w->arena, &rows), 1);
    assert_true(bytes_is(((struct kinds_row *)rows)->name, "before"));
    assert_null(((struct kinds_row *)rows)->decoded);
}

static void test_lost_commit(void **state)
{
    struct world *w = *state;
    struct slot_fence fence = claim(w, w->a, 0);
    good(begin(w, w->a, &fence));
    store_mem_fail_nth(w->a, STORE_MEM_COMMIT, 1, STORE_MEM_LOST_BEFORE);
    assert_int_equal(commit_row(w->a, row_of("one", 1)).class, ERR_FENCED);
    assert_int_equal(stored(w), 0);
    assert_int_equal(begin(w, w->a, &fence).class, ERR_FENCED); // until it claims again

    fence = claim(w, w->a, 0);
    assert_int_equal(fence.batch_no, 0);
    good(begin(w, w->a, &fence));
    store_mem_fail_nth(w->a, STORE_MEM_COMMIT, 1, STORE_MEM_LOST_AFTER);
    assert_int_equal(commit_row(w->a, row_of("one", 1)).class, ERR_FENCED);
    assert_int_equal(stored(w), 1); // it was done all the same
    assert_int_equal(claim(w, w->a, 0).batch_no, 1);
}

static void test_refused_is_rolled_back(void **state)
{
    struct world *w = *state;
    struct slot_fence fence = claim(w, w->a, 0);
    store_mem_fail_nth(w->a, STORE_MEM_BEGIN, 2, STORE_MEM_REFUSED);
    good(begin(w, w->a, &fence));
    w->a->rollback(w->a->self);
    assert_int_equal(begin(w, w->a, &fence).class, ERR_RETRY);
    good(begin(w, w->a, &fence));
    assert_int_equal(commit_row(w->a, row_of("one", -1)).class, ERR_REJECT);
    assert_int_equal(stored(w), 0);
    good(begin(w, w->a, &fence)); // batch_no wasn't raised
    assert_true(fence.ret_owned);
    good(commit_row(w->a, row_of("one", 1)));
}

static void test_locks(void **state)
{
    struct world *w = *state;
    struct kinds_row row = row_of("one", 1);
    good(store_mem_put(w->db, &kinds_table, &row));
    struct slot_fence a = claim(w, w->a, 0);
    struct slot_fence b = claim(w, w->b, 1);
    struct value id = value_uuid(row.id);
    struct store_query mine = {.table = &kinds_table, .column = KINDS_ID, .values = &id, .value_count = 1};
    struct store_query theirs = mine;
    instant now;
    good(w->a->begin(w->a->self, &a, 1, &mine, 1, w->arena, &now));
    assert_int_equal(mine.row_count, 1);
    assert_int_equal(w->b->begin(w->b->self, &b, 1, &theirs, 1, w->arena, &now).class, ERR_RETRY);
    w->a->rollback(w->a->self);
    good(w->b->begin(w->b->self, &b, 1, &theirs, 1, w->arena, &now));
    w->b->rollback(w->b->self);
}

static void test_claim_ends_a_stopped_owner(void **state)
{
    struct world *w = *state;
    struct slot_fence a = claim(w, w->a, 0);
    good(begin(w, w->a, &a)); // and stops here
    struct slot_fence b = claim(w, w->b, 0);
    good(begin(w, w->b, &b));
    assert_true(b.ret_owned);
    good(commit_row(w->b, row_of("one", 1)));
    assert_int_equal(commit_row(w->a, row_of("two", 1)).class, ERR_FENCED);
    assert_int_equal(stored(w), 1);
}

static void test_fence(void **state)
{
    struct world *w = *state;
    struct slot_fence a = claim(w, w->a, 0);
    struct slot_fence b = claim(w, w->b, 0);
    good(begin(w, w->a, &a));
    assert_false(a.ret_owned);
    w->a->rollback(w->a->self);
    struct slot_claim slot;
    assert_true(store_mem_slot(w->db, 0, w->arena, &slot));
    assert_int_equal(slot.epoch, 2);
    assert_int_equal(slot.dirty, 0);
    good(w->a->mark_begun(w->a->self, &a, 1)); // not its own any more
    store_mem_slot(w->db, 0, w->arena, &slot);
    assert_int_equal(slot.dirty, 0);
    good(w->b->mark_begun(w->b->self, &b, 1));
    store_mem_slot(w->db, 0, w->arena, &slot);
    assert_int_equal(slot.dirty, 1);
    assert_false(store_mem_slot(w->db, 9, w->arena, &slot));
}

static void test_due(void **state)
{
    struct world *w = *state;
    struct slot_fence a = claim(w, w->a, 0);
    static const char *const keys[] = {"late", "early", "none", "future"};
    static const instant due[] = {900, 800, INSTANT_NONE, 1001};
    for (size_t i = 0; i < 4; i++) {
        struct key_state_row row = {
            .key = bytes_str(keys[i]), .service_due = due[i], .due = due[i], .held_since = INSTANT_NONE};
        good(store_mem_put(w->db, &key_state_table, &row));
    }
    struct value slot = value_i32(0);
    struct store_query q = {
        .table = &key_state_table, .column = STORE_DUE, .values = &slot, .value_count = 1, .limit = 10};
    instant now;
    good(w->a->begin(w->a->self, &a, 1, &q, 1, w->arena, &now));
    const struct key_state_row *rows = q.rows;
    assert_int_equal(q.row_count, 2);
    assert_true(bytes_is(rows[0].key, "early"));
    assert_true(bytes_is(rows[1].key, "late"));
    w->a->rollback(w->a->self);
    instant next;
    good(w->a->next_due(w->a->self, &(int32_t){0}, 1, &next));
    assert_int_equal(next, 800);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_rows_live_apart, setup, teardown),
        cmocka_unit_test_setup_teardown(test_lost_commit, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refused_is_rolled_back, setup, teardown),
        cmocka_unit_test_setup_teardown(test_locks, setup, teardown),
        cmocka_unit_test_setup_teardown(test_claim_ends_a_stopped_owner, setup, teardown),
        cmocka_unit_test_setup_teardown(test_fence, setup, teardown),
        cmocka_unit_test_setup_teardown(test_due, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
