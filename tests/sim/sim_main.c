// platform_sim: runs seeds, in several processes at once; a failing one is made as small as it gets and printed.
//
// platform_sim [--seeds N] [--seed S] [--orders MASK] [--faults MASK] [--trace] [--jobs N] [--list FILE] [--complete]
#include "sim/sim_share.h"

#include "log/log.h"

#include <errno.h>
#include <getopt.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#ifdef ORDERCLERK_BRANCHES
#include <gcov.h>
#endif

#define SEEDS_PER_PROCESS 64 // doors that were killed leave memory behind

enum { EXIT_GOOD = 0, EXIT_USAGE = 2, EXIT_BROKEN = 3 };

struct arguments {
    uint64_t seeds, first;
    bool one;
    uint64_t orders;
    uint32_t faults;
    bool trace, complete;
    int jobs;
    const char *list;
};

// NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp,readability-identifier-naming): --wrap's names
int __real_clock_gettime(clockid_t id, struct timespec *ret);
void __wrap_log_write(enum log_level level, const char *message, const struct log_field *fields,
                      size_t count);
void __wrap_log_write(enum log_level level, const char *message, const struct log_field *fields, size_t count)
{
    if (sim == NULL || !sim->options.trace)
        return;
    const struct sim_process *p = sim_current();
    char text[300] = "";
    for (size_t i = 0; i < count; i++) {
        size_t size = strlen(text);
        if (fields[i].name[0] == '\0')
            continue;
        if (fields[i].type == LOG_FIELD_INT)
            snprintf(text + size, sizeof text - size, " %s=%lld", fields[i].name,
                     (long long)fields[i].number);
        else if (fields[i].type == LOG_FIELD_TEXT && fields[i].text != NULL)
            snprintf(text + size, sizeof text - size, " %s=%s", fields[i].name, fields[i].text);
    }
    sim_trace("%s-%d logs: %s%s", p == NULL ? "?" : sim_service_name(p->service), p == NULL ? 0 : p->number,
              message, text);
    (void)level;
}
// NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp,readability-identifier-naming)

static double seconds(void)
{
    struct timespec t;
    __real_clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double cpu_seconds(void)
{
    struct rusage u;
    getrusage(RUSAGE_CHILDREN, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

// What a seed frees the next one uses: it isn't given back to the kernel, which would have to clear it anew.
static void keep_memory(void)
{
    mallopt(M_MMAP_THRESHOLD, 1 << 30);
    mallopt(M_TRIM_THRESHOLD, 1 << 30);
    mallopt(M_TOP_PAD, 1 << 24);
}

static int usage(void)
{
    fprintf(stderr, "platform_sim [--seeds N] [--seed S] [--orders MASK] [--faults MASK] [--trace] [--jobs "
                    "N] [--list FILE] "
                    "[--complete]\n");
    return EXIT_USAGE;
}

static bool parse(int argc, char **argv, struct arguments *a)
{
    static const struct option options[] = {{"seeds", required_argument, NULL, 'n'},
                                            {"seed", required_argument, NULL, 's'},
                                            {"orders", required_argument, NULL, 'o'},
                                            {"faults", required_argument, NULL, 'f'},
                                            {"trace", no_argument, NULL, 't'},
                                            {"jobs", required_argument, NULL, 'j'},
                                            {"list", required_argument, NULL, 'l'},
                                            {"complete", no_argument, NULL, 'c'},
                                            {0}};
    *a = (struct arguments){.seeds = 100, .first = 1, .orders = UINT64_MAX, .faults = UINT32_MAX, .jobs = 1};
    int c;
    bool seeds = false;
    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (c) {
        case 'n':
            a->seeds = strtoull(optarg, NULL, 10);
            seeds = true;
            break;
        case 's':
            a->first = strtoull(optarg, NULL, 10);
            a->one = true;
            break;
        case 'o':
            a->orders = strtoull(optarg, NULL, 16);
            break;
        case 'f':
            a->faults = (uint32_t)strtoul(optarg, NULL, 16);
            break;
        case 't':
            a->trace = true;
            break;
        case 'j':
            a->jobs = (int)strtol(optarg, NULL, 10);
            break;
        case 'l':
            a->list = optarg;
            break;
        case 'c':
            a->complete = true;
            break;
        default:
            return false;
        }
    }
    a->one = a->one && !seeds;
    return optind == argc && a->jobs > 0;
}

static int run_one(const struct sim_options *options)
{
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        if (!options->trace && freopen("/dev/null", "w", stderr) == NULL)
            _exit(1);
        if (options->trace)
            setvbuf(stdout, NULL, _IOLBF, 0);
        sim_run(options);
        fflush(stdout);
        _exit(EXIT_GOOD);
    }
    int status;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

// ---- making a failure small

static bool still_fails(const struct sim_options *options, int how, enum sim_invariant invariant)
{
    int status = run_one(options);
    return status == how && (status != EXIT_BROKEN || sim_share->failed_invariant == invariant);
}

static void shrink(struct sim_options *options, int how, enum sim_invariant invariant)
{
    for (int pass = 0; pass < 2; pass++) {
        for (int i = 0; i < SIM_FAULTS_MAX; i++) {
            struct sim_options less = *options;
            less.faults &= ~(UINT32_C(1) << i);
            if (less.faults != options->faults && still_fails(&less, how, invariant))
                *options = less;
        }
        for (uint64_t width = 8; width > 0; width /= 2) {
            for (uint64_t at = 0; at < SIM_ORDERS_MAX; at += width) {
                struct sim_options less = *options;
                less.orders &= ~(((UINT64_C(1) << width) - 1) << at);
                if (less.orders != options->orders && still_fails(&less, how, invariant))
                    *options = less;
            }
        }
    }
}

static void tell_failure(uint64_t seed, int how)
{
    struct sim_options options = {.seed = seed,
                                  .orders = (UINT64_C(1) << SIM_ORDERS_MAX) - 1,
                                  .faults = (UINT32_C(1) << SIM_FAULTS_MAX) - 1};
    enum sim_invariant invariant = sim_share->failed_invariant;
    printf("%s", how == EXIT_BROKEN ? sim_share->report : "");
    if (how != EXIT_BROKEN)
        printf("seed %llu ends with status %d\n", (unsigned long long)seed, how);
    printf("making it small …\n");
    shrink(&options, how, invariant);
    atomic_store(&sim_share->failed, 0);
    run_one(&options);
    options.trace = true;
    options.print_from =
        how == EXIT_BROKEN && sim_share->failed_step > 400 ? sim_share->failed_step - 400 : 0;
    printf("its shortest trace (the last steps):\n");
    run_one(&options);
    printf("replay: tests/sim/run --seed %llu --orders %llx --faults %x --trace\n", (unsigned long long)seed,
           (unsigned long long)options.orders, options.faults);
}

// ---- many seeds

static void work(const struct arguments *a, const uint64_t *listed, uint64_t total)
{
    for (int i = 0; i < SEEDS_PER_PROCESS; i++) {
        uint64_t n = atomic_fetch_add(&sim_share->next_seed, 1);
        if (n >= total || atomic_load(&sim_share->failed) != 0)
            break;
        struct sim_options options = {
            .seed = listed != NULL ? listed[n] : a->first + n, .orders = a->orders, .faults = a->faults};
        sim_share->running[getpid() % SIM_RUNNING] = options.seed;
        sim_run(&options);
    }
    sim_share_add();
#ifdef ORDERCLERK_BRANCHES
    __gcov_dump(); // which _exit doesn't
#endif
    _exit(EXIT_GOOD);
}

static pid_t start_worker(const struct arguments *a, const uint64_t *listed, uint64_t total)
{
    fflush(stdout);
    pid_t child = fork();
    if (child == 0)
        work(a, listed, total);
    return child;
}

// 0: all good; else how the failing one ended, *ret_seed which.
static int run_many(const struct arguments *a, const uint64_t *listed, uint64_t total, uint64_t *ret_seed)
{
    int running = 0;
    int how = 0;
    for (; running < a->jobs; running++)
        start_worker(a, listed, total);
    while (running > 0) {
        int status;
        pid_t child = wait(&status);
        running--;
        int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        if (code != EXIT_GOOD && how == 0) {
            how = code;
            *ret_seed =
                code == EXIT_BROKEN ? sim_share->failed_seed : sim_share->running[child % SIM_RUNNING];
            atomic_store(&sim_share->failed, 1);
        }
        if (code == EXIT_GOOD && atomic_load(&sim_share->next_seed) < total &&
            atomic_load(&sim_share->failed) == 0) {
            start_worker(a, listed, total);
            running++;
        }
    }
    return how;
}

static size_t read_list(const char *path, uint64_t *ret_seeds, size_t max)
{
    FILE *file = fopen(path, "r");
    size_t count = 0;
    char line[256];
    while (file != NULL && count < max && fgets(line, sizeof line, file) != NULL) {
        char *end;
        uint64_t seed = strtoull(line, &end, 10);
        if (end != line)
            ret_seeds[count++] = seed;
    }
    if (file != NULL)
        fclose(file);
    return count;
}

int main(int argc, char **argv)
{
    struct arguments a;
    if (!parse(argc, argv, &a))
        return usage();
    sim_share_make();
    keep_memory();
#ifdef ORDERCLERK_FAULTS
    fault_on_hit(sim_faults_hit);
#endif
    if (a.one) {
        struct sim_options options = {
            .seed = a.first, .orders = a.orders, .faults = a.faults, .trace = a.trace};
        int status = run_one(&options);
        if (!a.trace && status != EXIT_GOOD)
            tell_failure(a.first, status);
        printf("seed %llu: %s (status %d)\n", (unsigned long long)a.first,
               status == EXIT_GOOD ? "good" : "broken", status);
        return status;
    }
    static uint64_t listed[1000];
    size_t listed_count = a.list == NULL ? 0 : read_list(a.list, listed, 1000);
    uint64_t seed = 0;
    double begun = seconds();
    int how = listed_count > 0 ? run_many(&a, listed, listed_count, &seed) : 0;
    atomic_store(&sim_share->next_seed, 0);
    if (how == 0)
        how = run_many(&a, NULL, a.seeds, &seed);
    double took = seconds() - begun;
    double cpu = cpu_seconds();
    sim_share_collect();
    printf("%llu seeds, %llu sagas, %llu steps in %.1f s (%.1f s of CPU): %.0f sagas/s/core\n",
           (unsigned long long)sim_counts.seeds, (unsigned long long)sim_counts.sagas,
           (unsigned long long)sim_counts.steps, took, cpu, (double)sim_counts.sagas / cpu);
    if (how != 0) {
        tell_failure(seed, how);
        return EXIT_BROKEN;
    }
    return sim_cover_print(a.complete) || !a.complete ? EXIT_GOOD : EXIT_BROKEN;
}
