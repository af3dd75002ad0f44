// A seeded script of store calls, made on both stores side by side: every answer must be the same. script_run returns the
// number of differences, having printed each with its seed and step.
#pragma once

#include <stdint.h>

struct script_totals {
    unsigned begins, owned, commits, committed, rejected, rows_read;
};
unsigned script_run(uint64_t seed, unsigned steps, struct script_totals *totals);
