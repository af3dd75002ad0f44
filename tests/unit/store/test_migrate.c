// Migrations: applied once, in order, whole or not at all; changed or unknown ones stop the program.
#include "pg/migrate.h"
#include "pg/pg.h"
#include "unit/store/test_tables.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define SCHEMA "test_migrate"

static const struct migration first[] = {
    {1, "001_one", "CREATE TABLE one (n integer); INSERT INTO one VALUES (1)"},
    {2, "002_two", "UPDATE one SET n = n + 1"},
};
static const struct migration changed[] = {
    {1, "001_one", "CREATE TABLE one (n bigint)"},
    {2, "002_two", "UPDATE one SET n = n + 1"},
};
static const struct migration broken[] = {
    {1, "001_one", "CREATE TABLE one (n integer); INSERT INTO one VALUES (1)"},
    {2, "002_two", "UPDATE one SET n = n + 1"},
    {3, "003_three", "UPDATE one SET n = 100; SELECT nothing FROM nowhere"},
};
static const struct migration other[] = {{1, "001_other", "CREATE TABLE other AS SELECT n FROM one"}};

static struct err apply(const struct migration *migrations, unsigned count)
{
    const struct migration_set set = {.title = "test", .migrations = migrations, .count = count};
    return migrate(test_dsn_migrate(), SCHEMA, TEST_OWNER, &set, 1);
}

static struct err check(const struct migration *migrations, unsigned count)
{
    const struct migration_set set = {.title = "test", .migrations = migrations, .count = count};
    return migrate_check(test_dsn_migrate(), SCHEMA, &set, 1);
}

static void good(struct err e)
{
    assert_string_equal(e.text, "");
}

static int64_t number(const char *sql)
{
    struct pg *pg = NULL;
    PGresult *result = NULL;
    good(pg_open(test_dsn_admin(), "test", NULL, &pg));
    good(pg_run(pg, sql, NULL, 0, &result));
    good(pg_expect(result, (const uint32_t[]){PG_INT8}, 1));
    int64_t n = pg_get_i64(result, 0, 0);
    PQclear(result);
    pg_close(pg);
    return n;
}

static int setup(void **state)
{
    (void)state;
    test_admin("DROP SCHEMA IF EXISTS " SCHEMA " CASCADE");
    return 0;
}

static void test_applied_once(void **state)
{
    (void)state;
    good(apply(first, 1));
    assert_int_equal(check(first, 2).class, ERR_CONFIG);
    good(apply(first, 2));
    good(apply(first, 2));
    good(check(first, 2));
    assert_int_equal(number("SELECT n::bigint FROM " SCHEMA ".one"), 2);
    assert_int_equal(number("SELECT count(*) FROM " SCHEMA ".migration WHERE length(checksum) = 64"), 2);
    assert_int_equal(number("SELECT count(*) FROM pg_class WHERE relnamespace = '" SCHEMA
                            "'::regnamespace AND relkind = 'r' "
                            "AND relowner = 'orderclerk_owner'::regrole"),
                     2);
}

static void test_changed_or_unknown(void **state)
{
    (void)state;
    good(apply(first, 2));
    struct err e = apply(changed, 2);
    assert_int_equal(e.class, ERR_CONFIG);
    assert_non_null(strstr(e.text, "001_one"));
    assert_int_equal(check(changed, 2).class, ERR_CONFIG);
    e = apply(first, 1); // an older program
    assert_int_equal(e.class, ERR_CONFIG);
    assert_non_null(strstr(e.text, "older"));
    assert_int_equal(check(first, 1).class, ERR_CONFIG);
}

static void test_whole_or_not_at_all(void **state)
{
    (void)state;
    struct err e = apply(broken, 3);
    assert_int_equal(e.class, ERR_CONFIG);
    assert_non_null(strstr(e.text, "003_three"));
    assert_int_equal(number("SELECT n::bigint FROM " SCHEMA ".one"), 2);
    assert_int_equal(number("SELECT max(number)::bigint FROM " SCHEMA ".migration"), 2);
}

static void test_sets_in_order(void **state)
{
    (void)state;
    const struct migration_set sets[] = {{.title = "test", .migrations = first, .count = 2},
                                         {.title = "other", .migrations = other, .count = 1}};
    good(migrate(test_dsn_migrate(), SCHEMA, TEST_OWNER, sets, 2));
    good(migrate_check(test_dsn_migrate(), SCHEMA, sets, 2));
    assert_int_equal(number("SELECT n::bigint FROM " SCHEMA ".other"), 2);
}

static void test_out_of_reach(void **state)
{
    (void)state;
    const struct migration_set set = {.title = "test", .migrations = first, .count = 2};
    assert_int_equal(migrate("host=/nonexistent", SCHEMA, TEST_OWNER, &set, 1).class, ERR_RETRY);
    assert_int_equal(migrate(test_dsn(), SCHEMA, TEST_OWNER, &set, 1).class,
                     ERR_CONFIG); // may not become the owner
    assert_int_equal(migrate_check(test_dsn(), TEST_SCHEMA "_none", &set, 1).class, ERR_CONFIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_applied_once, setup),
        cmocka_unit_test_setup(test_changed_or_unknown, setup),
        cmocka_unit_test_setup(test_whole_or_not_at_all, setup),
        cmocka_unit_test_setup(test_sets_in_order, setup),
        cmocka_unit_test_setup_teardown(test_out_of_reach, setup, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
