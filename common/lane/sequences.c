// The short texts in key_state.
#include "lane/sequences.h"

#include <string.h>

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

struct entry {
    const char *number_end; // where its topic's number ends
    const char *end;
    uint64_t sequence;
};

// The first entry of this topic counts.
static bool find_entry(struct bytes text, enum topic topic, struct entry *ret_entry)
{
    const char *at = text.data;
    const char *end = text.data == NULL ? NULL : at + text.size;
    while (at < end) {
        const uint64_t number = digits(&at, end);
        ret_entry->number_end = at;
        if (at < end && *at == ':')
            at++;
        ret_entry->sequence = digits(&at, end);
        ret_entry->end = at;
        if (number == (uint64_t)topic)
            return true;
        if (at < end)
            at++;
    }
    return false;
}

uint64_t sequences_get(struct bytes text, enum topic topic)
{
    struct entry entry;
    return find_entry(text, topic, &entry) ? entry.sequence : 0;
}

#define NUMBER_MAX 20 // digits of a number of 64 bits

static char *put_number(char *at, uint64_t number)
{
    char reversed[NUMBER_MAX];
    size_t count = 0;
    do {
        reversed[count++] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    while (count > 0)
        *at++ = reversed[--count];
    return at;
}

static char *put_text(char *at, const char *text, const char *end)
{
    if (text < end)
        memcpy(at, text, (size_t)(end - text));
    return at + (end - text);
}

struct bytes sequences_set(struct arena *arena, struct bytes text, enum topic topic, uint64_t sequence)
{
    char *out = arena_alloc(arena, text.size + NUMBER_MAX + 1 + NUMBER_MAX + 1);
    char *at = out;
    const char *start = text.data;
    const char *end = text.data == NULL ? NULL : start + text.size;
    struct entry entry;
    if (find_entry(text, topic, &entry)) {
        at = put_text(at, start, entry.number_end);
    } else {
        entry.end = end;
        at = put_text(at, start, end);
        if (at > out)
            *at++ = ' ';
        at = put_number(at, (uint64_t)topic);
    }
    *at++ = ':';
    at = put_number(at, sequence);
    at = put_text(at, entry.end, end);
    return bytes_of(out, (size_t)(at - out));
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
    char *out = arena_alloc(arena, count * (NUMBER_MAX + 1));
    char *at = out;
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            *at++ = ' ';
        at = put_number(at, (uint64_t)numbers[i]);
    }
    return bytes_of(out, (size_t)(at - out));
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
