// An eventfd, by which one thread makes another's poll return.
#pragma once

#include "base/err.h"

#include <stdint.h>

// What is written to it: for who writes by himself.
extern const uint64_t wakeup_payload;

struct err wakeup_open(int *ret_fd) ERR_MUST_CHECK; // close() ends it. RETRY: no file descriptor left
void wakeup_signal(int fd);                         // any thread
void wakeup_take(int fd); // it is readable no more until the next signal; how many there were doesn't matter
