// Random walks by seeds (see walk.h). SAGA_WALK_SEED runs one seed only.
#include "walk.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define SEEDS 5000

struct bytes_source {
    uint64_t state; // splitmix64
};

static uint32_t next(void *self, uint32_t bound)
{
    struct bytes_source *source = self;
    uint64_t z = (source->state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (uint32_t)((z ^ (z >> 31)) >> 16) % bound;
}

static void walk(uint64_t seed, size_t *endings)
{
    struct bytes_source bytes = {.state = seed};
    struct walk_source source = {.next = next, .self = &bytes};
    struct life *life = life_new();
    walk_order(life, &source);
    life_submit(life);
    const uint32_t steps = next(&bytes, WALK_STEPS_MAX);
    for (uint32_t i = 0; i < steps && life->command_count < LIFE_SENT_MAX / 2; i++)
        walk_step(life, &source);
    walk_finish(life);
    endings[saga_state_find(life->doc->state)]++;
    life_free(life);
}

static char seed_text[64]; // "" when all is well

// A failing seed is told, whatever ends the walk.
static void tell_seed(int signal_number)
{
    (void)signal_number;
    const ssize_t written = write(STDERR_FILENO, seed_text, strlen(seed_text));
    (void)written;
}

static int tell_failed_seed(void **state)
{
    (void)state;
    tell_seed(0);
    return 0;
}

static void test_walks(void **state)
{
    (void)state;
    size_t endings[SAGA_STATE_COUNT] = {0};
    const char *one = getenv("SAGA_WALK_SEED");
    const uint64_t first = one == NULL ? 1 : strtoull(one, NULL, 10);
    const uint64_t last = one == NULL ? SEEDS : first;
    signal(SIGABRT, tell_seed);
    for (uint64_t seed = first; seed <= last; seed++) {
        snprintf(seed_text, sizeof seed_text, "failed at SAGA_WALK_SEED=%llu\n", (unsigned long long)seed);
        walk(seed, endings);
    }
    seed_text[0] = '\0';
    for (enum saga_state s = 1; s < SAGA_STATE_COUNT; s++)
        if (endings[s] > 0)
            print_message("%zu ended %s\n", endings[s], saga_state_info(s)->name);
    if (one == NULL) { // walks that only ever cancel prove little
        assert_true(endings[SAGA_COMPLETED] > SEEDS / 10);
        assert_true(endings[SAGA_CANCELLED] > SEEDS / 10);
        assert_true(endings[SAGA_REJECTED] > 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test_teardown(test_walks, tell_failed_seed)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
