// The process's heap: what a peak needed goes back to the system. (glibc; elsewhere nothing is done.)
#pragma once

void process_memory_begin(void);     // before other threads start
void process_memory_give_back(void); // now and then; takes milliseconds, other threads may allocate meanwhile
