// Counters, gauges and histograms of one process, shown in the Prometheus text format (version 0.0.4).
//
// Metrics are static objects registered once; updating is lock-free (C11 atomics) and thread-safe.
#pragma once

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

// Histogram bounds, in microseconds or items: powers of two from 1 to 2^26; the last bucket is +Inf.
#define METRIC_BUCKETS 28

struct metric {
    enum metric_type type;
    const char *name; // orderclerk_lane_batches_total
    const char *help;
    const char *labels;    // fixed ones: `topic="orders"`; NULL: none
    _Atomic int64_t value; // histogram: sum
    _Atomic int64_t buckets[METRIC_BUCKETS];
    struct metric *next; // the registry's
};

void metrics_register(struct metric *metric); // before threads that update it start; the object must live on
static inline void metric_add(struct metric *m, int64_t n)
{
    atomic_fetch_add_explicit(&m->value, n, memory_order_relaxed);
}
static inline void metric_set(struct metric *m, int64_t n)
{
    atomic_store_explicit(&m->value, n, memory_order_relaxed);
}
void metric_observe(struct metric *m, int64_t value);

// The whole exposition, malloc'd; the caller frees it.
char *metrics_render(size_t *ret_size);
