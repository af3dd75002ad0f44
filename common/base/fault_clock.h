// A fault build's wall clock that is wrong on request: ORDERCLERK_FAULT_CLOCK=<file>, which holds by how many microseconds
// (int64, this machine's byte order). It may be written while the process runs: the clock jumps.
#pragma once

#include <stdint.h>

#ifdef ORDERCLERK_FAULTS
// 0 without the variable; ends the process when its file can't be had. Thread-safe.
int64_t fault_clock_off_us(void);
#else
#define fault_clock_off_us() ((int64_t)0)
#endif
