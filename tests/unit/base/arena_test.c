// base/arena: alignment, zeroing, growth, reset and the protobuf allocator.
#include "base/arena.h"
#include "unit/base/unit.h"

#include <protobuf-c/protobuf-c.h>
#include <signal.h>
#include <stdalign.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef WITH_ASAN
#include <sanitizer/asan_interface.h>
#endif

static void *const nowhere = NULL;

static bool is_zero(const unsigned char *data, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (data[i] != 0)
            return false;
    return true;
}

static void test_allocations_are_zeroed_aligned_and_apart(void **state)
{
    (void)state;
    static const size_t first_blocks[] = {0, 1, 1000, 4096, 1 << 20};
    static const size_t sizes[] = {0, 1, 7, 8, 15, 16, 17, 100, 1023, 1024, 1025, 5000, 100000};
    for (size_t b = 0; b < COUNT_OF(first_blocks); b++) {
        struct arena *arena = arena_new(first_blocks[b]);
        for (int round = 0; round < 3; round++) {
            unsigned char *blocks[COUNT_OF(sizes)];
            for (size_t i = 0; i < COUNT_OF(sizes); i++) {
                blocks[i] = arena_alloc(arena, sizes[i]);
                assert_non_null(blocks[i]);
                assert_int_equal((uintptr_t)blocks[i] % alignof(max_align_t), 0);
                assert_true(is_zero(blocks[i], sizes[i]));
                memset(blocks[i], (int)i + 1, sizes[i]); // the next rounds find it dirty
            }
            for (size_t i = 0; i < COUNT_OF(sizes); i++)
                for (size_t j = 0; j < sizes[i]; j++)
                    assert_int_equal(blocks[i][j], i + 1);
            arena_reset(arena);
        }
        arena_free(arena);
    }
}

static void test_used_counts_from_the_last_reset(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    assert_int_equal(arena_used(arena), 0);
    size_t before = 0;
    for (size_t size = 1; size < 100000; size *= 3) {
        arena_alloc(arena, size);
        assert_true(arena_used(arena) >= before + size);
        before = arena_used(arena);
    }
    arena_reset(arena);
    assert_int_equal(arena_used(arena), 0);
    arena_free(arena);
}

// The largest block is kept, so that the same batch again fits into it, at the same place each time.
static void test_reset_keeps_the_largest_block(void **state)
{
    (void)state;
    struct arena *arena = arena_new(1024);
    for (int i = 0; i < 5; i++)
        arena_alloc(arena, 1000);
    void *large = arena_alloc(arena, 1 << 20);
    arena_alloc(arena, 10);
    arena_reset(arena);
    const char *first = arena_alloc(arena, 1000);
    for (int i = 0; i < 4; i++) {
        arena_reset(arena);
        assert_ptr_equal(arena_alloc(arena, 1000), first);
        const char *behind = arena_alloc(arena, (1 << 20) - 4096);
        assert_true(behind > first && behind < first + 4096);
    }
    assert_non_null(large);
    arena_free(arena);
}

// A trim leaves what was needed since the last one; the arena works on as before.
static void test_trim_gives_back_what_was_not_needed(void **state)
{
    (void)state;
    struct arena *arena = arena_new(1024);
    arena_alloc(arena, 1 << 20);
    arena_reset(arena);
    const unsigned char *large = arena_alloc(arena, 1000);
    arena_reset(arena);
    arena_trim(arena); // the megabyte was needed
    assert_ptr_equal(arena_alloc(arena, 1000), large);
    arena_alloc(arena, 5000);
    arena_reset(arena);
    arena_trim(arena);
    for (int i = 0; i < 2; i++) {
        const unsigned char *small = arena_alloc(arena, 1000);
        assert_true(is_zero(small, 1000));
        const unsigned char *behind = arena_alloc(arena, 4000); // as much as was needed stands in one block
        assert_true(behind > small && behind < small + 2048);
        arena_reset(arena);
    }
    for (int i = 0; i < 3; i++)
        arena_trim(arena); // never below the first block
    assert_true(is_zero(arena_alloc(arena, 1000), 1000));
    arena_free(arena);
}

static void test_random_batches(void **state)
{
    (void)state;
    uint64_t random = 42;
    struct arena *arena = arena_new(256);
    for (int batch = 0; batch < 200; batch++) {
        unsigned char *pieces[64];
        size_t sizes[64];
        const int64_t count = random_between(&random, 1, 64);
        for (int64_t i = 0; i < count; i++) {
            sizes[i] = (size_t)random_between(&random, 0, 3000);
            pieces[i] = arena_alloc(arena, sizes[i]);
            assert_true(is_zero(pieces[i], sizes[i]));
            memset(pieces[i], (int)i + 1, sizes[i]);
        }
        for (int64_t i = 0; i < count; i++)
            for (size_t j = 0; j < sizes[i]; j++)
                assert_int_equal(pieces[i][j], i + 1);
        arena_reset(arena);
        if (batch % 7 == 0)
            arena_trim(arena);
    }
    arena_free(arena);
}

#ifdef WITH_ASAN
// The sanitizer notices writes behind an allocation and reads after a reset.
static void test_poison(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    for (size_t size = 0; size < 100; size++) {
        char *memory = arena_alloc(arena, size);
        assert_true(size == 0 || !__asan_address_is_poisoned(memory + size - 1));
        assert_true(__asan_address_is_poisoned(memory + size));
    }
    const char *memory = arena_alloc(arena, 10);
    arena_reset(arena);
    assert_true(__asan_address_is_poisoned(memory));
    arena_free(arena);
}
#endif

static void test_copies(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    char source[] = "order";
    char *copy = arena_copy(arena, source, sizeof source);
    const struct bytes view = arena_bytes(arena, bytes_str(source));
    char *text = arena_str(arena, bytes_of(source, 3));
    source[0] = 'X';
    assert_string_equal(copy, "order");
    assert_true(bytes_is(view, "order"));
    assert_string_equal(text, "ord");

    assert_non_null(arena_copy(arena, nowhere, 0));
    assert_null(arena_bytes(arena, bytes_of(nowhere, 0)).data);
    assert_non_null(arena_bytes(arena, bytes_str("")).data);
    assert_string_equal(arena_str(arena, bytes_of(nowhere, 0)), "");
    arena_free(arena);
}

static void test_printf(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    assert_string_equal(arena_printf(arena, "%s", ""), "");
    assert_string_equal(arena_printf(arena, "%d of %s", 3, "lanes"), "3 of lanes");
    char *padded = arena_printf(arena, "%5000d", 7);
    assert_int_equal(strlen(padded), 5000);
    assert_int_equal(padded[4999], '7');
    arena_free(arena);
}

struct pair {
    int64_t a;
    char b;
};

static void test_arrays_and_objects(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    struct pair *pair = arena_new_object(arena, struct pair);
    assert_true(pair->a == 0 && pair->b == 0);
    struct pair *pairs = arena_new_array(arena, struct pair, 1000);
    assert_true(is_zero((const unsigned char *)pairs, 1000 * sizeof *pairs));
    assert_non_null(arena_new_array(arena, struct pair, 0));
    arena_free(arena);
    arena_free(NULL);
}

static void ask_for_array(struct arena *arena)
{
    arena_alloc_array(arena, SIZE_MAX / 2, 3);
}

static void ask_for_size(struct arena *arena)
{
    arena_alloc(arena, SIZE_MAX);
}

static void ask_for_text(struct arena *arena)
{
    arena_str(arena, bytes_of("", SIZE_MAX));
}

static void ask_for_arena(struct arena *arena)
{
    (void)arena;
    arena_new(SIZE_MAX);
}

// Sizes that overflow end the process instead of giving a small block.
static void test_impossible_sizes_abort(void **state)
{
    (void)state;
    static void (*const asks[])(struct arena *) = {ask_for_array, ask_for_size, ask_for_text, ask_for_arena};
    for (size_t i = 0; i < COUNT_OF(asks); i++) {
        const pid_t child = fork();
        if (child == 0) {
            signal(SIGABRT, SIG_DFL);
            fclose(stderr);
            asks[i](arena_new(0));
            _exit(0);
        }
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    }
}

static void test_protobuf_allocator(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    ProtobufCAllocator *allocator = arena_protobuf(arena);
    char *memory = allocator->alloc(allocator->allocator_data, 100);
    memset(memory, 'x', 100);
    allocator->free(allocator->allocator_data, memory);
    assert_int_equal(memory[99], 'x'); // still there: only the arena frees
    assert_true(arena_used(arena) >= 100);
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_allocations_are_zeroed_aligned_and_apart),
        cmocka_unit_test(test_used_counts_from_the_last_reset),
        cmocka_unit_test(test_reset_keeps_the_largest_block),
        cmocka_unit_test(test_trim_gives_back_what_was_not_needed),
        cmocka_unit_test(test_random_batches),
#ifdef WITH_ASAN
        cmocka_unit_test(test_poison),
#endif
        cmocka_unit_test(test_copies),
        cmocka_unit_test(test_printf),
        cmocka_unit_test(test_arrays_and_objects),
        cmocka_unit_test(test_impossible_sizes_abort),
        cmocka_unit_test(test_protobuf_allocator),
    };
    return cmocka_run_group_tests_name("arena", tests, NULL, NULL);
}
