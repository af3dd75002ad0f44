// The rate limit of log lines: a small table of the messages of the last second.
#include "log/log_limit.h"

#include "base/hash.h"

#include <stdio.h>
#include <string.h>

#define PROBES 8 // slots looked at for one message

static bool window_ended(const struct log_limit_slot *slot, int64_t now_us)
{
    return now_us - slot->window_start_us >= LOG_WINDOW_US;
}

// The message's slot, or one that can be taken; NULL: all of them are in use.
static struct log_limit_slot *find_slot(struct log_limit *limit, const char *address, uint64_t hash,
                                        int64_t now_us)
{
    struct log_limit_slot *available = NULL;
    const uint64_t start = hash ^ (hash >> 32) ^ ((uint64_t)(uintptr_t)address >> 4);
    for (uint64_t i = 0; i < PROBES; i++) {
        struct log_limit_slot *slot = &limit->slots[(start + i) % LOG_LIMIT_SLOTS];
        if (slot->address == address && slot->hash == hash)
            return slot;
        if (available == NULL && slot->missed == 0 && (slot->address == NULL || window_ended(slot, now_us)))
            available = slot;
    }
    return available;
}

bool log_limit_allows(struct log_limit *limit, enum log_level level, const char *message, int64_t now_us)
{
    const uint64_t hash = hash_fnv1a(bytes_str(message));
    struct log_limit_slot *slot = find_slot(limit, message, hash, now_us);
    if (slot == NULL)
        return true;
    const bool other = slot->address != message || slot->hash != hash;
    if (other || (slot->missed == 0 && window_ended(slot, now_us))) {
        slot->address = message;
        slot->hash = hash;
        slot->window_start_us = now_us;
        slot->count = 0;
    }
    if (slot->count < LOG_BURST) {
        slot->count++;
        return true;
    }
    if (slot->missed == 0) {
        limit->missed_slots++;
        slot->level = level;
        snprintf(slot->message, sizeof slot->message, "%s", message);
    }
    if (slot->missed < UINT32_MAX)
        slot->missed++;
    return false;
}

bool log_limit_take_missed(struct log_limit *limit, int64_t now_us, struct log_limit_slot *ret_missed)
{
    if (limit->missed_slots == 0)
        return false;
    for (size_t i = 0; i < LOG_LIMIT_SLOTS; i++) {
        struct log_limit_slot *slot = &limit->slots[i];
        if (slot->missed > 0 && window_ended(slot, now_us)) {
            *ret_missed = *slot;
            slot->missed = 0;
            limit->missed_slots--;
            return true;
        }
    }
    return false;
}
