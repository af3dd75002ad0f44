// base/fault: every point of the list kills at its turn, and only then.
#include "base/fault.h"
#include "unit/base/unit.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define HITS 5

// Runs a child that passes every point HITS times, in order of the list; returns its wait status. Each
// passed point is a byte in the pipe: *ret_passed.
static int run(const char *setting, long *ret_passed)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        const int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
        dup2(null, STDERR_FILENO);
        if (setting == NULL)
            unsetenv("ORDERCLERK_FAULT");
        else
            setenv("ORDERCLERK_FAULT", setting, 1);
        for (unsigned point = 0; point < FAULT_COUNT; point++) {
            for (int i = 0; i < HITS; i++) {
                fault_hit((enum fault_point)point);
                if (write(ends[1], "x", 1) != 1)
                    _exit(9);
            }
        }
        _exit(0);
    }
    close(ends[1]);
    char byte;
    *ret_passed = 0;
    while (read(ends[0], &byte, 1) == 1)
        ++*ret_passed;
    close(ends[0]);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void test_names(void **state)
{
    (void)state;
    for (unsigned i = 0; i < FAULT_COUNT; i++) {
        assert_true(strlen(fault_name((enum fault_point)i)) > 0);
        for (unsigned j = 0; j < i; j++)
            assert_string_not_equal(fault_name((enum fault_point)i), fault_name((enum fault_point)j));
    }
    assert_string_equal(fault_name(FAULT_lane_before_load), "lane_before_load");
    assert_string_equal(fault_name(FAULT_COUNT), "?");
}

static void test_each_point_kills_at_its_turn(void **state)
{
    (void)state;
    static const char *const turns[] = {"", ":1", ":2", ":5"};
    static const long passed_before[] = {0, 0, 1, 4};
    for (unsigned point = 0; point < FAULT_COUNT; point++) {
        for (size_t i = 0; i < COUNT_OF(turns); i++) {
            char setting[80];
            snprintf(setting, sizeof setting, "%s%s", fault_name((enum fault_point)point), turns[i]);
            long passed;
            const int status = run(setting, &passed);
            assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
            assert_int_equal(passed, (long)point * HITS + passed_before[i]);
        }
    }
}

static void test_no_fault(void **state)
{
    (void)state;
    static const char *const settings[] = {NULL, "", "lane_after_save:6"};
    for (size_t i = 0; i < COUNT_OF(settings); i++) {
        long passed;
        const int status = run(settings[i], &passed);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        assert_int_equal(passed, FAULT_COUNT * HITS);
    }
}

static void test_bad_settings_end_the_process(void **state)
{
    (void)state;
    static const char *const settings[] = {
        "lane",
        "lane_after_saves",
        "lane_after_save:",
        "lane_after_save:0",
        "lane_after_save:-1",
        "lane_after_save:1x",
        ":1",
        "LANE_AFTER_SAVE",
        " ",
        "lane_after_save:99999999999999999999",
    };
    for (size_t i = 0; i < COUNT_OF(settings); i++) {
        long passed;
        const int status = run(settings[i], &passed);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 2);
        assert_int_equal(passed, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_each_point_kills_at_its_turn),
        cmocka_unit_test(test_no_fault),
        cmocka_unit_test(test_bad_settings_end_the_process),
    };
    return cmocka_run_group_tests_name("fault", tests, NULL, NULL);
}
