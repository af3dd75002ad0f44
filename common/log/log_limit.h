// How often a message may be logged. Internal to log/. Not thread-safe: the caller locks.
#pragma once

#include "log/log.h"

#define LOG_BURST             20 // lines of one message in one window
#define LOG_WINDOW_US         1000000LL
#define LOG_LIMIT_SLOTS       256 // messages watched at once, a power of two; more aren't limited
#define LOG_LIMIT_MESSAGE_MAX 80  // of the copy that is kept for the line about the missing ones

// A message is known by its address and its text: the same words in two places are two messages, and so are two
// texts in one buffer.
struct log_limit_slot {
    const char *address; // NULL: free
    uint64_t hash;
    int64_t window_start_us;
    uint32_t count;  // in this window
    uint32_t missed; // of them, not written
    enum log_level level;
    char message[LOG_LIMIT_MESSAGE_MAX];
};

struct log_limit {
    uint32_t missed_slots; // with missed > 0
    struct log_limit_slot slots[LOG_LIMIT_SLOTS];
};

// True: to be written. now_us is monotonic.
bool log_limit_allows(struct log_limit *limit, enum log_level level, const char *message, int64_t now_us);

// Takes out one message whose window has ended with lines missing; false: none. Its address, hash and text
// are *ret_missed's.
bool log_limit_take_missed(struct log_limit *limit, int64_t now_us, struct log_limit_slot *ret_missed);
