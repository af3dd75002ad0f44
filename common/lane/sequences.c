// The short texts in key_state.
#include "lane/sequences.h"

#include <stdio.h>

// Reads digits at *at; stops before anything else. What doesn't fit is as much as fits.
static uint64_t digits(const char **at, const char *end)
{
    uint64_t n = 0;
    for (; *at < end && **at >= '0' && **at <= '9'; (*at)++)
        if (__builtin_mul_overflow(n, UINT64_C(10), &n) ||
            __builtin_add_overflow(n, (uint64_t)(**at - '0'), &n))
            n = UINT64_MAX;
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

#define ENTRY_MAX 44 // a blank, 20 digits, a colon, 20 digits and the terminating zero, with one to spare
// Text that isn't ours may have an entry in each byte, which comes out as "0:0 ".
#define GROWTH_MAX 4

struct bytes sequences_set(struct arena *arena, struct bytes text, enum topic topic, uint64_t sequence)
{
    char *out = arena_alloc(arena, GROWTH_MAX * text.size + ENTRY_MAX);
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
            if (done)
                continue; // the first one counts
            old = sequence;
            done = true;
        }
        size += (size_t)snprintf(out + size, ENTRY_MAX, "%s%llu:%llu", size > 0 ? " " : "",
                                 (unsigned long long)number, (unsigned long long)old);
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
        const uint64_t number = digits(&at, end);
        ret_batch_nos[count++] = number > INT64_MAX ? INT64_MAX : (int64_t)number;
        if (at < end)
            at++;
    }
    return count;
}

static struct bytes recent_text(struct arena *arena, const int64_t *numbers, size_t count)
{
    char *out = arena_alloc(arena, count * ENTRY_MAX + 1);
    size_t size = 0;
    for (size_t i = 0; i < count; i++) {
        size += (size_t)snprintf(out + size, ENTRY_MAX, "%s%lld", i > 0 ? " " : "", (long long)numbers[i]);
    }
    return bytes_of(out, size);
}

struct bytes recent_add(struct arena *arena, struct bytes text, int64_t batch_no, struct bytes *ret_earlier)
{
    int64_t numbers[RECENT_MAX + 1];
    size_t count = recent_get(text, numbers);
    if (count > 0 && numbers[count - 1] == batch_no)
        return text;
    size_t first = count == RECENT_MAX ? RECENT_MAX / 2 : 0;
    if (first > 0)
        *ret_earlier = recent_text(arena, numbers, first);
    numbers[count++] = batch_no;
    return recent_text(arena, numbers + first, count - first);
}
