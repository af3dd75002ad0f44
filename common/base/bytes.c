// Ordering of byte views; UTF-8 checked and mended.
#include "base/bytes.h"

int bytes_compare(struct bytes a, struct bytes b)
{
    const size_t common = a.size < b.size ? a.size : b.size;
    const int order = common == 0 ? 0 : memcmp(a.data, b.data, common);
    if (order != 0)
        return order < 0 ? -1 : 1;
    return (a.size > b.size) - (a.size < b.size);
}

static bool is_continuation(uint8_t byte)
{
    return (byte & 0xC0) == 0x80;
}

size_t bytes_utf8_length(const uint8_t *text, size_t size)
{
    if (size == 0)
        return 0;
    const uint8_t lead = text[0];
    if (lead < 0x80)
        return 1;
    if (lead >= 0xC2 && lead <= 0xDF)
        return size >= 2 && is_continuation(text[1]) ? 2 : 0;
    if (lead >= 0xE0 && lead <= 0xEF) {
        if (size < 3 || !is_continuation(text[1]) || !is_continuation(text[2]))
            return 0;
        if ((lead == 0xE0 && text[1] < 0xA0) || (lead == 0xED && text[1] > 0x9F)) // overlong, surrogate
            return 0;
        return 3;
    }
    if (lead >= 0xF0 && lead <= 0xF4) {
        if (size < 4 || !is_continuation(text[1]) || !is_continuation(text[2]) || !is_continuation(text[3]))
            return 0;
        if ((lead == 0xF0 && text[1] < 0x90) || (lead == 0xF4 && text[1] > 0x8F)) // overlong, above U+10FFFF
            return 0;
        return 4;
    }
    return 0;
}

// Eight bytes of ASCII without NUL: the usual case, taken at once.
static bool all_ascii(const uint8_t *at)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    const uint64_t highs = UINT64_C(0x8080808080808080);
    uint64_t word;
    memcpy(&word, at, sizeof word);
    return ((word | (word - ones)) & highs) == 0; // no byte above 0x7f, and none that borrows: 0
}

bool bytes_is_utf8(struct bytes text)
{
    const uint8_t *at = text.data;
    size_t left = text.size;
    while (left > 0) {
        if (left >= sizeof(uint64_t) && all_ascii(at)) {
            at += sizeof(uint64_t);
            left -= sizeof(uint64_t);
            continue;
        }
        const size_t length = *at < 0x80 ? 1 : bytes_utf8_length(at, left);
        if (length == 0 || *at == 0)
            return false;
        at += length;
        left -= length;
    }
    return true;
}

void bytes_mend_utf8(char *text)
{
    size_t left = strlen(text);
    for (uint8_t *at = (uint8_t *)text; left > 0;) {
        size_t size = bytes_utf8_length(at, left);
        if (size == 0) {
            *at = '?';
            size = 1;
        }
        at += size;
        left -= size;
    }
}
