// The short texts in key_state.
#include "lane/sequences.h"

#include <stdio.h>

// Reads digits at *at; stops before anything else.
static uint64_t digits(const char **at, const char *end)
{
    uint64_t n = 0;
    while (*at < end && **at >= '0' && **at <= '9')
        n = n * 10 + (uint64_t)(*(*at)++ - '0');
    return n;
}

uint64_t sequences_get(struct bytes text, enum topic topic)
{
    const char *at = text.data;
    const char *end = text.data == NULL ? NULL : at + text.size;
    while (at < end) {
        uint64_t number = digits(&at, end);
        if (at < end && *at == ':')
            at++;
        uint64_t sequence = digits(&at, end);
        if (number == (uint64_t)topic)
            return sequence;
        if (at < end)
            at++;
    }
    return 0;
}

#define ENTRY_MAX 32 // " NN:" and 20 digits

struct bytes sequences_set(struct arena *arena, struct bytes text, enum topic topic, uint64_t sequence)
{
    char *out = arena_alloc(arena, text.size + ENTRY_MAX);
    size_t size = 0;
    bool done = false;
    const char *at = text.data;
    const char *end = text.data == NULL ? NULL : at + text.size;
    while (at < end) {
        uint64_t number = digits(&at, end);
        if (at < end && *at == ':')
            at++;
        uint64_t old = digits(&at, end);
        if (at < end)
            at++;
        if (number == (uint64_t)topic) {
            old = sequence;
            done = true;
        }
        size += (size_t)snprintf(out + size, ENTRY_MAX, "%s%u:%llu", size > 0 ? " " : "", (unsigned)number,
                                 (unsigned long long)old);
    }
    if (!done) {
        size += (size_t)snprintf(out + size, ENTRY_MAX, "%s%u:%llu", size > 0 ? " " : "", (unsigned)topic,
                                 (unsigned long long)sequence);
    }
    return bytes_of(out, size);
}

size_t recent_get(struct bytes text, int64_t ret_batch_nos[static RECENT_MAX])
{
    size_t count = 0;
    const char *at = text.data;
    const char *end = text.data == NULL ? NULL : at + text.size;
    while (at < end && count < RECENT_MAX) {
        ret_batch_nos[count++] = (int64_t)digits(&at, end);
        if (at < end)
            at++;
    }
    return count;
}

struct bytes recent_add(struct arena *arena, struct bytes text, int64_t batch_no)
{
    int64_t numbers[RECENT_MAX];
    size_t count = recent_get(text, numbers);
    if (count > 0 && numbers[count - 1] == batch_no)
        return text;
    size_t first = count == RECENT_MAX ? 1 : 0;
    char *out = arena_alloc(arena, (count + 1) * ENTRY_MAX);
    size_t size = 0;
    for (size_t i = first; i < count; i++) {
        size += (size_t)snprintf(out + size, ENTRY_MAX, "%lld ", (long long)numbers[i]);
    }
    size += (size_t)snprintf(out + size, ENTRY_MAX, "%lld", (long long)batch_no);
    return bytes_of(out, size);
}
