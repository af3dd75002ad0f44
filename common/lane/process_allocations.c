// The linker sends the calls of malloc, calloc and realloc of a fault build's services here (--wrap).
#include "lane/process_allocations.h"

#include "metrics/metrics.h"

#include <stddef.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);

static struct metric allocations = {.type = METRIC_COUNTER,
                                    .name = "orderclerk_allocations_total",
                                    .help = "Calls of malloc, calloc and realloc by the service's own code."};

void *__wrap_malloc(size_t size)
{
    metric_add(&allocations, 1);
    return __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    metric_add(&allocations, 1);
    return __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    metric_add(&allocations, 1);
    return __real_realloc(old, size);
}

void process_count_allocations(void)
{
    metrics_register(&allocations);
}
