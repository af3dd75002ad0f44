// One suite for both stores: seeded scripts of calls, answered the same by memory and by PostgreSQL.
// ORDERCLERK_TEST_SEED=n runs that seed alone.
#include "unit/store/script.h"
#include "unit/store/test_tables.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define SEEDS 60
#define STEPS 80

static void test_same_answers(void **state)
{
    (void)state;
    const char *seed = getenv("ORDERCLERK_TEST_SEED");
    struct script_totals totals = {0};
    uint64_t first = seed == NULL ? 1 : strtoull(seed, NULL, 10);
    uint64_t last = seed == NULL ? SEEDS : first;
    for (uint64_t n = first; n <= last; n++)
        assert_int_equal(script_run(n, STEPS, &totals), 0);
    print_message("%u begins (%u slots owned), %u commits: %u done, %u rejected; %u rows read\n",
                  totals.begins, totals.owned, totals.commits, totals.committed, totals.rejected,
                  totals.rows_read);
    if (seed != NULL)
        return;
    // A script in which everything fails, or nothing does, shows nothing.
    assert_true(totals.committed > totals.commits / 5);
    assert_true(totals.rejected > totals.commits / 10);
    assert_true(totals.rows_read > 1000);
    assert_true(totals.owned > totals.begins / 4);
}

int main(void)
{
    test_migrate_all();
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_same_answers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
