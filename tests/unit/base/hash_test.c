// base/hash: known answers.
#include "base/hash.h"
#include "unit/base/unit.h"

#include <stdio.h>
#include <stdlib.h>

// From Kafka's UtilsTest.testMurmur2.
static void test_murmur2(void **state)
{
    (void)state;
    static const struct {
        struct bytes key;
        int32_t hash;
    } cases[] = {
        {{"21", 2}, -973932308},
        {{"foobar", 6}, -790332482},
        {{"a-little-bit-long-string", 24}, -985981536},
        {{"a-little-bit-longer-string", 26}, -1486304829},
        {{"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", 48}, -58897971},
        {{"abc", 3}, 479470107},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_int_equal((int32_t)hash_murmur2(cases[i].key), cases[i].hash);
    assert_int_equal(hash_murmur2(bytes_of(NULL, 0)), hash_murmur2(bytes_str("")));
    // Bytes from 0x80 count as unsigned, as `& 0xff` does in Java.
    assert_int_not_equal(hash_murmur2(bytes_str("\x80")), hash_murmur2(bytes_str("\x01")));
}

static void test_partition(void **state)
{
    (void)state;
    assert_int_equal(hash_partition(bytes_str("21"), 10), (-973932308 & 0x7fffffff) % 10);
    assert_int_equal(hash_partition(bytes_str("foobar"), 10), (-790332482 & 0x7fffffff) % 10);
    uint64_t random = 3;
    int counts[12] = {0};
    for (int i = 0; i < 120000; i++) {
        uint64_t key[2] = {random_next(&random), random_next(&random)};
        const int32_t partition = hash_partition(bytes_of(key, sizeof key), 12);
        assert_in_range(partition, 0, 11);
        assert_int_equal(partition, (hash_murmur2(bytes_of(key, sizeof key)) & 0x7fffffff) % 12);
        counts[partition]++;
        assert_int_equal(hash_partition(bytes_of(key, sizeof key), 1), 0);
    }
    for (size_t i = 0; i < COUNT_OF(counts); i++)
        assert_in_range(counts[i], 9500, 10500);
}

// A key may lie anywhere and have any length: nothing beyond it is read.
static void test_any_length_and_place(void **state)
{
    (void)state;
    for (size_t size = 0; size < 40; size++) {
        char *key = malloc(size == 0 ? 1 : size);
        memset(key, 'k', size);
        const uint32_t hash = hash_murmur2(bytes_of(key, size));
        char shifted[48];
        for (size_t shift = 0; shift < 4; shift++) {
            memset(shifted + shift, 'k', size);
            assert_int_equal(hash_murmur2(bytes_of(shifted + shift, size)), hash);
        }
        free(key);
    }
}

// FIPS 180-4 examples.
static void test_sha256(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *hex;
    } cases[] = {
        {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        uint8_t digest[SHA256_SIZE];
        hash_sha256(bytes_str(cases[i].text), digest);
        char hex[2 * SHA256_SIZE + 1];
        hash_hex(digest, sizeof digest, hex);
        assert_string_equal(hex, cases[i].hex);
    }
    uint8_t digest[SHA256_SIZE];
    hash_sha256(bytes_of(NULL, 0), digest);
    assert_int_equal(digest[0], 0xe3);
    char none[1] = "x";
    hash_hex(digest, 0, none);
    assert_string_equal(none, "");
}

static void test_fnv1a(void **state)
{
    (void)state;
    assert_true(hash_fnv1a(bytes_of(NULL, 0)) == UINT64_C(0xcbf29ce484222325));
    assert_true(hash_fnv1a(bytes_str("a")) == UINT64_C(0xaf63dc4c8601ec8c));
    assert_true(hash_fnv1a(bytes_str("foobar")) == UINT64_C(0x85944171f73967e8));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_murmur2),
        cmocka_unit_test(test_partition),
        cmocka_unit_test(test_any_length_and_place),
        cmocka_unit_test(test_sha256),
        cmocka_unit_test(test_fnv1a),
    };
    return cmocka_run_group_tests_name("hash", tests, NULL, NULL);
}
