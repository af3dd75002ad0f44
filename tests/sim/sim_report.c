// Traces, and how a broken invariant is told.
#include "sim/sim_share.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EXIT_BROKEN 3

static const struct {
    const char *name, *text;
} invariants[SIM_INVARIANTS] = {
#define INVARIANT(NAME, WHEN, words) [NAME] = {#NAME, words},
#include "sim/sim_invariants.def"
#undef INVARIANT
};

void sim_trace_line(const char *format, ...)
{
    if (sim->step < sim->options.print_from)
        return;
    va_list args;
    va_start(args, format);
    printf("%6lld %12.6f  ", (long long)sim->step, (double)(sim->now - SIM_START) / 1e6);
    vprintf(format, args);
    printf("\n");
    va_end(args);
}

static void add(const char *line)
{
    size_t size = strlen(sim_share->report);
    snprintf(sim_share->report + size, sizeof sim_share->report - size, "%s\n", line);
}

_Noreturn void sim_fail(enum sim_invariant invariant, const char *format, ...)
{
    char text[512];
    char line[700];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (atomic_exchange(&sim_share->failed, 1) == 0 || sim_share->failed_seed == sim->options.seed) {
        sim_share->failed_seed = sim->options.seed;
        sim_share->failed_invariant = invariant;
        sim_share->failed_step = sim->step;
        sim_share->report[0] = '\0';
        snprintf(line, sizeof line, "seed %llu breaks %s (%s)", (unsigned long long)sim->options.seed,
                 invariants[invariant].name, invariants[invariant].text);
        add(line);
        snprintf(line, sizeof line, "  at step %lld, %.6f s: %s", (long long)sim->step,
                 (double)(sim->now - SIM_START) / 1e6, text);
        add(line);
        sim_faults_print(add);
    }
    if (sim->options.trace)
        printf("%s", sim_share->report);
    fflush(stdout);
    _exit(EXIT_BROKEN);
}
