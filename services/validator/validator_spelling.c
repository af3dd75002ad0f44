// Product codes as people write them.
#include "validator/validator_spelling.h"

#include <stdlib.h>
#include <string.h>

static bool is_noise(char c)
{
    return c == ' ' || c == '-' || c == '_' || c == '.' || c == '/' || c == '\t';
}

static char normal_character(char c)
{
    if (c == 'l')
        return '1';
    if (c >= 'a' && c <= 'z')
        c = (char)(c - 'a' + 'A');
    if (c == 'O')
        return '0';
    if (c == 'I')
        return '1';
    return c;
}

struct bytes spelling_normal(struct arena *arena, struct bytes code)
{
    const char *text = code.data;
    char *out = arena_alloc(arena, code.size + 1);
    size_t size = 0;
    for (size_t i = 0; i < code.size; i++) {
        if (!is_noise(text[i]))
            out[size++] = normal_character(text[i]);
    }
    return bytes_of(out, size);
}

// A character of several bytes is left out as a whole, so that keys stay UTF-8.
static size_t character_at(struct bytes text, size_t at)
{
    size_t length = bytes_utf8_length((const uint8_t *)text.data + at, text.size - at);
    return length == 0 ? 1 : length;
}

size_t spelling_keys(struct arena *arena, struct bytes code, struct bytes **ret_keys)
{
    struct bytes normal = spelling_normal(arena, code);
    if (normal.size == 0 || normal.size > CODE_MAX || !bytes_is_utf8(normal))
        return 0;
    struct bytes *keys = arena_new_array(arena, struct bytes, normal.size + 1);
    size_t count = 0;
    keys[count++] = normal;
    for (size_t at = 0; at < normal.size;) {
        size_t length = character_at(normal, at);
        char *key = arena_alloc(arena, normal.size);
        memcpy(key, normal.data, at);
        memcpy(key + at, (const char *)normal.data + at + length, normal.size - at - length);
        struct bytes one = bytes_of(key, normal.size - length);
        // Leaving out either of two equal neighbours gives the same.
        if (one.size > 0 && !bytes_equal(keys[count - 1], one))
            keys[count++] = one;
        at += length;
    }
    *ret_keys = keys;
    return count;
}

static int least(int a, int b)
{
    return a < b ? a : b;
}

int spelling_distance(struct bytes a, struct bytes b)
{
    if (a.size > CODE_MAX || b.size > CODE_MAX)
        return CODE_MAX;
    const char *left = a.data;
    const char *right = b.data;
    int cost[CODE_MAX + 1][CODE_MAX + 1];
    for (size_t i = 0; i <= a.size; i++)
        cost[i][0] = (int)i;
    for (size_t j = 0; j <= b.size; j++)
        cost[0][j] = (int)j;
    for (size_t i = 1; i <= a.size; i++) {
        for (size_t j = 1; j <= b.size; j++) {
            int other = left[i - 1] == right[j - 1] ? 0 : 1;
            int best = least(cost[i - 1][j - 1] + other, least(cost[i - 1][j], cost[i][j - 1]) + 1);
            if (i > 1 && j > 1 && left[i - 1] == right[j - 2] && left[i - 2] == right[j - 1]) {
                best = least(best, cost[i - 2][j - 2] + 1);
            }
            cost[i][j] = best;
        }
    }
    return cost[a.size][b.size];
}

bool spelling_looks_like_gtin(struct bytes code)
{
    if (code.size != 8 && code.size != 12 && code.size != 13 && code.size != 14)
        return false;
    const char *text = code.data;
    for (size_t i = 0; i < code.size; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
    }
    return true;
}

bool spelling_gtin_ok(struct bytes code)
{
    if (!spelling_looks_like_gtin(code))
        return false;
    const char *text = code.data;
    int sum = 0;
    for (size_t i = 0; i < code.size; i++) {
        bool odd_from_right = (code.size - 1 - i) % 2 == 1;
        sum += (text[i] - '0') * (odd_from_right ? 3 : 1);
    }
    return sum % 10 == 0;
}
