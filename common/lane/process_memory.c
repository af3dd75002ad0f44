// By itself glibc's heap keeps what a peak took: its thresholds grow with the largest block freed, and pages that are free
// between others in use stay.
#include "lane/process_memory.h"

#include <features.h>

#ifdef __GLIBC__
#include <malloc.h>

#define OWN_PAGES_FROM (256 << 10) // a block this large has pages of its own: freed, they are gone
#define FREE_TOP_MAX   (4 << 20)   // free bytes kept at a heap's end

void process_memory_begin(void)
{
    mallopt(M_MMAP_THRESHOLD, OWN_PAGES_FROM);
    mallopt(M_TRIM_THRESHOLD, FREE_TOP_MAX);
}

void process_memory_give_back(void)
{
    malloc_trim(0);
}
#else
void process_memory_begin(void) {}

void process_memory_give_back(void) {}
#endif
