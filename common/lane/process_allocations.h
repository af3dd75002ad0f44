// How often a fault build's own code takes memory from the heap, told as a metric. Libraries' own calls aren't counted.
#pragma once

#ifdef ORDERCLERK_FAULTS
void process_count_allocations(void); // from here on; before other threads start
#else
#define process_count_allocations() ((void)0)
#endif
