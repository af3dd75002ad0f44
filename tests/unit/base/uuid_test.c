// base/uuid: order, layout, derivation, texts.
#include "base/uuid.h"
#include "unit/base/unit.h"

#include <pthread.h>
#include <stdlib.h>

#define NOW (1795421730123 * INSTANT_MS)

static int version_of(struct uuid id)
{
    return id.b[6] >> 4;
}

static int variant_of(struct uuid id)
{
    return id.b[8] >> 6;
}

static int64_t millisecond_of(struct uuid id)
{
    int64_t ms = 0;
    for (int i = 0; i < 6; i++)
        ms = ms << 8 | id.b[i];
    return ms;
}

static void test_v7_layout(void **state)
{
    (void)state;
    static const struct {
        instant at;
        int64_t millisecond;
    } cases[] = {
        {NOW, NOW / INSTANT_MS},
        {NOW + 999, NOW / INSTANT_MS},
        {NOW + 1000, NOW / INSTANT_MS + 1},
        {0, 0},
        {-1, 0},
        {INSTANT_NONE, 0},
        {INT64_MAX, INT64_MAX / INSTANT_MS},
        {NOW + INSTANT_DAY, (NOW + INSTANT_DAY) / INSTANT_MS},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct uuid id = uuid_v7(cases[i].at);
        assert_int_equal(version_of(id), 7);
        assert_int_equal(variant_of(id), 2);
        const int64_t most = (INT64_C(1) << 48) - 1;
        assert_true(millisecond_of(id) == (cases[i].millisecond < most ? cases[i].millisecond : most));
    }
}

// Whatever the clock does within its bound, ids of one process rise.
static void test_v7_rises(void **state)
{
    (void)state;
    uint64_t random = 17;
    instant now = NOW + 10 * INSTANT_DAY;
    struct uuid last = uuid_v7(now);
    for (int i = 0; i < 200000; i++) {
        now += random_between(&random, -3, 4) * INSTANT_MS;
        const struct uuid id = uuid_v7(now);
        assert_true(uuid_compare(last, id) < 0);
        last = id;
    }
}

static void test_v7_small_steps_back_are_held_large_ones_believed(void **state)
{
    (void)state;
    const instant ahead = NOW + 30 * INSTANT_DAY;
    const struct uuid first = uuid_v7(ahead);
    const struct uuid held = uuid_v7(ahead - 10 * INSTANT_SECOND);
    assert_true(millisecond_of(held) == ahead / INSTANT_MS);
    assert_true(uuid_compare(first, held) < 0);
    const struct uuid believed = uuid_v7(NOW);
    assert_true(millisecond_of(believed) == NOW / INSTANT_MS);
}

#define THREADS  8
#define IDS_EACH 20000

static void *make_ids(void *ids)
{
    struct uuid *own = ids;
    for (int i = 0; i < IDS_EACH; i++)
        own[i] = uuid_v7(NOW + 60 * INSTANT_DAY + i / 100 * INSTANT_MS);
    return NULL;
}

static int compare_ids(const void *a, const void *b)
{
    return uuid_compare(*(const struct uuid *)a, *(const struct uuid *)b);
}

static void test_v7_of_several_threads(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    struct uuid *ids = calloc(THREADS * IDS_EACH, sizeof *ids);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, make_ids, ids + i * IDS_EACH), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 1; i < THREADS * IDS_EACH; i++)
        assert_true(i % IDS_EACH == 0 || uuid_compare(ids[i - 1], ids[i]) < 0);
    qsort(ids, THREADS * IDS_EACH, sizeof *ids, compare_ids);
    for (int i = 1; i < THREADS * IDS_EACH; i++)
        assert_false(uuid_equal(ids[i - 1], ids[i]));
    free(ids);
}

// Stored ids depend on these values, computed with another BLAKE2b: a change would make replays derive
// others.
static void test_derived_ids_are_fixed(void **state)
{
    (void)state;
    struct uuid parent;
    assert_true(uuid_parse(bytes_str("019a2b3c-4d5e-7f60-8123-456789abcdef"), &parent));
    char text[UUID_TEXT_SIZE];
    uuid_format(uuid_derive(parent, "event:order-events", bytes_str("7")), text);
    assert_string_equal(text, "019a2b3c-4d5e-81a9-9c87-a3294e9f8579");
    uuid_format(uuid_from_name("customer", bytes_str("C-100")), text);
    assert_string_equal(text, "22ecf250-765a-8846-a265-7f745677421f");
}

static void test_derived_ids(void **state)
{
    (void)state;
    struct uuid parents[2];
    assert_true(uuid_parse(bytes_str("019a2b3c-4d5e-7f60-8123-456789abcdef"), &parents[0]));
    assert_true(uuid_parse(bytes_str("019a2b3c-4d5e-7f60-8123-456789abcdee"), &parents[1]));
    static const char *const domains[] = {"a", "b", "ab", ""};
    static const struct bytes data[] = {{NULL, 0}, {"a", 1}, {"b", 1}, {"\0", 1}, {"ba", 2}};
    struct uuid ids[2 * COUNT_OF(domains) * COUNT_OF(data)];
    size_t count = 0;
    for (size_t p = 0; p < 2; p++)
        for (size_t i = 0; i < COUNT_OF(domains); i++)
            for (size_t j = 0; j < COUNT_OF(data); j++)
                ids[count++] = uuid_derive(parents[p], domains[i], data[j]);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(version_of(ids[i]), 8);
        assert_int_equal(variant_of(ids[i]), 2);
        assert_true(millisecond_of(ids[i]) == millisecond_of(parents[0]));
        for (size_t j = 0; j < i; j++)
            assert_false(uuid_equal(ids[i], ids[j]));
    }
    assert_true(uuid_equal(uuid_derive(parents[0], "a", bytes_str("")),
                           uuid_derive(parents[0], "a", bytes_of(NULL, 0))));

    for (size_t i = 0; i < COUNT_OF(domains); i++) {
        for (size_t j = 0; j < COUNT_OF(data); j++) {
            const struct uuid named = uuid_from_name(domains[i], data[j]);
            assert_int_equal(version_of(named), 8);
            assert_int_equal(variant_of(named), 2);
            assert_true(uuid_equal(named, uuid_from_name(domains[i], data[j])));
            assert_false(uuid_equal(named, uuid_derive((struct uuid){{0}}, domains[i], data[j])));
        }
    }
    // A name that repeats a parent's bytes isn't that parent's child.
    const struct uuid child = uuid_derive(parents[0], "a", bytes_of(NULL, 0));
    const struct uuid named = uuid_from_name("a", bytes_of(parents[0].b, sizeof parents[0].b));
    assert_memory_not_equal(child.b + 6, named.b + 6, 10);
}

static void test_compare(void **state)
{
    (void)state;
    const struct uuid nil = {{0}};
    assert_true(uuid_is_nil(nil));
    for (size_t i = 0; i < 16; i++) {
        struct uuid id = nil;
        id.b[i] = 0x80;
        assert_false(uuid_is_nil(id));
        assert_false(uuid_equal(id, nil));
        assert_int_equal(uuid_compare(id, nil), 1);
        assert_int_equal(uuid_compare(nil, id), -1);
        assert_int_equal(uuid_compare(id, id), 0);
    }
}

static void test_texts(void **state)
{
    (void)state;
    uint64_t random = 19;
    for (int i = 0; i < 10000; i++) {
        struct uuid id;
        for (size_t j = 0; j < 16; j++)
            id.b[j] = (uint8_t)random_next(&random);
        char text[UUID_TEXT_SIZE];
        uuid_format(id, text);
        assert_int_equal(strlen(text), 36);
        struct uuid back;
        assert_true(uuid_parse(bytes_str(text), &back));
        assert_true(uuid_equal(id, back));
        for (char *at = text; *at != '\0'; at++)
            if (*at >= 'a' && *at <= 'f')
                *at = (char)(*at - 'a' + 'A');
        assert_true(uuid_parse(bytes_str(text), &back));
        assert_true(uuid_equal(id, back));
    }
}

static void test_bad_texts(void **state)
{
    (void)state;
    static const char good[] = "019a2b3c-4d5e-7f60-8123-456789abcdef";
    static const char *const cases[] = {
        "",
        "019a2b3c-4d5e-7f60-8123-456789abcde",
        "019a2b3c-4d5e-7f60-8123-456789abcdef0",
        "019a2b3c4d5e-7f60-8123-456789abcdef00",
        "019a2b3c4d5e7f608123456789abcdef",
        "{019a2b3c-4d5e-7f60-8123-456789abcde}",
        "019a2b3c-4d5e-7f60-8123_456789abcdef",
    };
    struct uuid id = {{7}};
    const struct uuid before = id;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_false(uuid_parse(bytes_str(cases[i]), &id));
    assert_false(uuid_parse(bytes_of(NULL, 0), &id));
    static const char wrong[] = {'g', ' ', '\0', '/', ':', '@', '`', 'G', '\xFF'};
    for (size_t place = 0; place < sizeof good - 1; place++) {
        for (size_t i = 0; i < sizeof wrong; i++) {
            char text[sizeof good];
            memcpy(text, good, sizeof good);
            text[place] = wrong[i];
            assert_false(uuid_parse(bytes_of(text, sizeof good - 1), &id));
        }
    }
    assert_true(uuid_equal(id, before));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_v7_layout),
        cmocka_unit_test(test_v7_rises),
        cmocka_unit_test(test_v7_small_steps_back_are_held_large_ones_believed),
        cmocka_unit_test(test_v7_of_several_threads),
        cmocka_unit_test(test_derived_ids_are_fixed),
        cmocka_unit_test(test_derived_ids),
        cmocka_unit_test(test_compare),
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_bad_texts),
    };
    return cmocka_run_group_tests_name("uuid", tests, NULL, NULL);
}
