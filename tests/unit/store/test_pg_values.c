// Parameters and arrays in PostgreSQL's binary format, against bytes written down by hand, and SQLSTATEs by class.
#include "pg/pg.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void same(struct pg_param p, uint32_t type, const char *bytes, size_t size)
{
    assert_int_equal(p.type, type);
    assert_int_equal(p.size, size);
    assert_memory_equal(p.data, bytes, size);
}

static void test_scalars(void **state)
{
    struct arena *arena = *state;
    same(pg_i32(arena, -2), PG_INT4, "\xff\xff\xff\xfe", 4);
    same(pg_i64(arena, 258), PG_INT8, "\0\0\0\0\0\0\x01\x02", 8);
    same(pg_bool(arena, true), PG_BOOL, "\x01", 1);
    same(pg_text(bytes_str("ab")), PG_TEXT, "ab", 2);
    same(pg_instant(arena, 946684800000001), PG_TIMESTAMPTZ, "\0\0\0\0\0\0\0\x01",
         8); // 1 µs after 2000 began
    assert_null(pg_instant(arena, INSTANT_NONE).data);
    assert_null(pg_text((struct bytes){0}).data);
    assert_null(pg_uuid(arena, (struct uuid){{0}}).data);
    assert_non_null(pg_text(bytes_str("")).data); // empty isn't NULL
}

static void test_arrays(void **state)
{
    struct arena *arena = *state;
    same(pg_i32_array(arena, (const int32_t[]){1, 2}, 2), PG_INT4_ARRAY,
         "\0\0\0\x01"
         "\0\0\0\0"
         "\0\0\0\x17"
         "\0\0\0\x02"
         "\0\0\0\x01"
         "\0\0\0\x04\0\0\0\x01"
         "\0\0\0\x04\0\0\0\x02",
         36);
    same(pg_i64_array(arena, NULL, 0), PG_INT8_ARRAY, "\0\0\0\0\0\0\0\0\0\0\0\x14", 12);
    struct pg_array array = pg_array_start(arena, PG_TEXT, 3, 3);
    pg_array_bytes(&array, bytes_str("abc"));
    pg_array_bytes(&array, (struct bytes){0});
    pg_array_bytes(&array, bytes_str(""));
    same(pg_array_end(&array), PG_TEXT_ARRAY,
         "\0\0\0\x01"
         "\0\0\0\x01"
         "\0\0\0\x19"
         "\0\0\0\x03"
         "\0\0\0\x01"
         "\0\0\0\x03"
         "abc"
         "\xff\xff\xff\xff"
         "\0\0\0\0",
         35);
    struct pg_array one = pg_array_start(arena, PG_TEXT, 1, 3);
    pg_array_bytes(&one, bytes_str("abc"));
    same(pg_array_only(&one), PG_TEXT, "abc", 3);
    one = pg_array_start(arena, PG_TEXT, 1, 0);
    pg_array_bytes(&one, bytes_str(""));
    same(pg_array_only(&one), PG_TEXT, "", 0); // empty isn't NULL
    one = pg_array_start(arena, PG_INT8, 1, 0);
    pg_array_null(&one);
    assert_null(pg_array_only(&one).data);
}

static void test_classes(void **state)
{
    (void)state;
    static const struct {
        const char *sqlstate;
        enum err_class class;
    } rows[] = {
        {"23505", ERR_REJECT}, {"22021", ERR_REJECT}, {"54000", ERR_REJECT}, {"40001", ERR_RETRY},
        {"40P01", ERR_RETRY},  {"55P03", ERR_RETRY},  {"57014", ERR_RETRY},  {"53100", ERR_RETRY},
        {"57P01", ERR_FENCED}, {"08006", ERR_FENCED}, {"25P03", ERR_FENCED}, {"25006", ERR_FENCED},
        {"42P01", ERR_CONFIG}, {"42501", ERR_CONFIG},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_int_equal(pg_error_class(rows[i].sqlstate), rows[i].class);
}

static void test_bad_dsn(void **state)
{
    (void)state;
    struct pg *pg = NULL;
    struct err e = pg_open("host=x nonsense=1", "test", NULL, &pg);
    assert_int_equal(e.class, ERR_CONFIG);
    assert_null(pg);
    e = pg_open("host=/nonexistent port=1", "test", NULL, &pg);
    assert_int_equal(e.class, ERR_RETRY);
    assert_null(pg);
}

static int setup(void **state)
{
    *state = arena_new(1024);
    return 0;
}

static int teardown(void **state)
{
    arena_free(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_scalars, setup, teardown),
        cmocka_unit_test_setup_teardown(test_arrays, setup, teardown),
        cmocka_unit_test(test_classes),
        cmocka_unit_test(test_bad_dsn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
