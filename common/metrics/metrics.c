// The registry and its exposition; see metrics.h.
#include "metrics/metrics.h"

#include <assert.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static pthread_mutex_t registry_lock = PTHREAD_MUTEX_INITIALIZER;
static struct metric
    *registry; // guarded by registry_lock; metrics of one name lie side by side, as the format wants

// [a-zA-Z_:][a-zA-Z0-9_:]*
static bool is_metric_name(const char *name)
{
    if (*name >= '0' && *name <= '9')
        return false;
    const char *at = name;
    while ((*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') || (*at >= '0' && *at <= '9') ||
           *at == '_' || *at == ':')
        at++;
    return *at == '\0' && at > name;
}

static bool same_text(const char *a, const char *b)
{
    return strcmp(a == NULL ? "" : a, b == NULL ? "" : b) == 0;
}

void metrics_register(struct metric *metric)
{
    assert(is_metric_name(metric->name));
    pthread_mutex_lock(&registry_lock);
    struct metric **place = NULL; // behind the last one of that name, or at the end
    struct metric **at = &registry;
    for (; *at != NULL; at = &(*at)->next) {
        if (*at == metric) { // again: fine
            pthread_mutex_unlock(&registry_lock);
            return;
        }
        if (strcmp((*at)->name, metric->name) != 0)
            continue;
        assert((*at)->type == metric->type);
        assert(!same_text((*at)->labels, metric->labels)); // two series that nobody could tell apart
        place = &(*at)->next;
    }
    if (place == NULL)
        place = at;
    metric->next = *place;
    *place = metric;
    pthread_mutex_unlock(&registry_lock);
}

// The bucket whose upper bound 2^i is the first at or above value.
static unsigned bucket_of(int64_t value)
{
    if (value <= 1)
        return 0;
    const unsigned bucket = 64 - (unsigned)__builtin_clzll((unsigned long long)value - 1);
    return bucket < METRIC_BUCKETS - 1 ? bucket : METRIC_BUCKETS - 1;
}

void metric_observe(struct metric *m, int64_t value)
{
    const int64_t counted = value > 0 ? value : 0; // a sum never falls
    atomic_fetch_add_explicit(&m->buckets[bucket_of(counted)], 1, memory_order_relaxed);
    metric_add(m, counted);
}

static const char *type_name(enum metric_type type)
{
    switch (type) {
    case METRIC_COUNTER:
        return "counter";
    case METRIC_GAUGE:
        return "gauge";
    case METRIC_HISTOGRAM:
        return "histogram";
    }
    return "untyped";
}

static void print_head(FILE *out, const struct metric *metric)
{
    fprintf(out, "# HELP %s ", metric->name);
    for (const char *at = metric->help; *at != '\0'; at++) {
        if (*at == '\\')
            fputs("\\\\", out);
        else if (*at == '\n')
            fputs("\\n", out);
        else
            fputc(*at, out);
    }
    fprintf(out, "\n# TYPE %s %s\n", metric->name, type_name(metric->type));
}

// name_suffix{labels} value
static void print_series(FILE *out, const struct metric *metric, const char *suffix, int64_t value)
{
    fprintf(out, "%s%s", metric->name, suffix);
    if (!same_text(metric->labels, NULL))
        fprintf(out, "{%s}", metric->labels);
    fprintf(out, " %" PRId64 "\n", value);
}

static void print_histogram(FILE *out, struct metric *metric)
{
    const bool bare = same_text(metric->labels, NULL);
    int64_t count = 0;
    for (unsigned i = 0; i < METRIC_BUCKETS; i++) {
        count += atomic_load_explicit(&metric->buckets[i], memory_order_relaxed);
        fprintf(out, "%s_bucket{%s%sle=\"", metric->name, bare ? "" : metric->labels, bare ? "" : ",");
        if (i == METRIC_BUCKETS - 1)
            fputs("+Inf", out);
        else
            fprintf(out, "%ld", 1L << i);
        fprintf(out, "\"} %" PRId64 "\n", count);
    }
    print_series(out, metric, "_sum", atomic_load_explicit(&metric->value, memory_order_relaxed));
    print_series(out, metric, "_count", count);
}

char *metrics_render(size_t *ret_size)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (out == NULL)
        abort(); // out of memory
    pthread_mutex_lock(&registry_lock);
    const struct metric *before = NULL;
    for (struct metric *metric = registry; metric != NULL; before = metric, metric = metric->next) {
        if (before == NULL || strcmp(before->name, metric->name) != 0)
            print_head(out, metric);
        if (metric->type == METRIC_HISTOGRAM)
            print_histogram(out, metric);
        else
            print_series(out, metric, "", atomic_load_explicit(&metric->value, memory_order_relaxed));
    }
    pthread_mutex_unlock(&registry_lock);
    if (fclose(out) != 0)
        abort();
    *ret_size = size;
    return text;
}
