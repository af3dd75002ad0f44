// base/fault_clock: the wall clock is as wrong as the file says, from the moment that it says so.
#include "base/fault_clock.h"
#include "unit/base/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static void make_file(char path[static 64], const void *content, size_t size)
{
    snprintf(path, 64, "/tmp/fault-clock-XXXXXX");
    const int file = mkstemp(path);
    assert_true(file >= 0);
    assert_int_equal(write(file, content, size), size);
    close(file);
}

// What a fresh process says of its clock: its exit status is 0 when it is `before`, and `after` once that is written.
static int run(const char *path, int64_t before, int64_t after)
{
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        const int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
        dup2(null, STDERR_FILENO);
        if (path == NULL)
            unsetenv("ORDERCLERK_FAULT_CLOCK");
        else
            setenv("ORDERCLERK_FAULT_CLOCK", path, 1);
        if (fault_clock_off_us() != before)
            _exit(3);
        if (path == NULL || before == after)
            _exit(0);
        const int file = open(path, O_WRONLY | O_CLOEXEC);
        if (write(file, &after, sizeof after) != (ssize_t)sizeof after)
            _exit(4);
        _exit(fault_clock_off_us() == after ? 0 : 5);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void test_the_clock_follows_the_file(void **state)
{
    (void)state;
    static const int64_t hour = 3600000000;
    char path[64];
    make_file(path, &hour, sizeof hour);
    assert_int_equal(run(path, hour, -hour), 0);
    assert_int_equal(run(path, -hour, 0), 0);
    unlink(path);
    assert_int_equal(run(NULL, 0, 0), 0);
    assert_int_equal(run("", 0, 0), 0);
}

static void test_bad_files_end_the_process(void **state)
{
    (void)state;
    char path[64];
    make_file(path, "1234567", 7);
    assert_int_equal(run(path, 0, 0), 2);
    unlink(path);
    assert_int_equal(run(path, 0, 0), 2);
    assert_int_equal(run("/tmp", 0, 0), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_clock_follows_the_file),
        cmocka_unit_test(test_bad_files_end_the_process),
    };
    return cmocka_run_group_tests_name("fault_clock", tests, NULL, NULL);
}
