// UUIDs; see uuid.h. Layouts: RFC 9562, sections 5.7 (version 7) and 5.8 (version 8).
#include "base/uuid.h"

#include <assert.h>
#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>

// The counter: 26 bits below the version, seeded with 25 random ones, so that at least 2^25 ids of a
// millisecond rise.
#define COUNTER_BITS      26
#define COUNTER_SEED_MASK ((UINT32_C(1) << (COUNTER_BITS - 1)) - 1)
#define COUNTER_MAX       ((UINT32_C(1) << COUNTER_BITS) - 1)
#define MILLISECOND_MAX   ((INT64_C(1) << 48) - 1)
// A clock set back by less than this doesn't make ids fall; one set back by more is believed.
#define STEP_BACK_MAX_MS 10000

static pthread_mutex_t v7_lock = PTHREAD_MUTEX_INITIALIZER;
static int64_t v7_millisecond = -1; // of the last id; guarded by v7_lock
static uint32_t v7_counter;

bool uuid_is_nil(struct uuid id)
{
    static const struct uuid nil;
    return uuid_equal(id, nil);
}

bool uuid_equal(struct uuid a, struct uuid b)
{
    return memcmp(a.b, b.b, sizeof a.b) == 0;
}

int uuid_compare(struct uuid a, struct uuid b)
{
    const int order = memcmp(a.b, b.b, sizeof a.b);
    return (order > 0) - (order < 0);
}

static void start_sodium(void)
{
    if (sodium_init() < 0)
        abort(); // no source of random numbers
}

static void set_version(struct uuid *id, uint8_t version)
{
    id->b[6] = (uint8_t)((id->b[6] & 0x0F) | version << 4);
    id->b[8] = (uint8_t)((id->b[8] & 0x3F) | 0x80);
}

// The next (millisecond, counter), above the last one.
static void next_v7(int64_t now_ms, uint32_t seed, int64_t *ret_millisecond, uint32_t *ret_counter)
{
    pthread_mutex_lock(&v7_lock);
    if (now_ms > v7_millisecond || now_ms < v7_millisecond - STEP_BACK_MAX_MS) {
        v7_millisecond = now_ms;
        v7_counter = seed;
    } else if (v7_counter < COUNTER_MAX) {
        v7_counter++;
    } else {
        v7_millisecond = v7_millisecond < MILLISECOND_MAX ? v7_millisecond + 1 : 0;
        v7_counter = seed;
    }
    *ret_millisecond = v7_millisecond;
    *ret_counter = v7_counter;
    pthread_mutex_unlock(&v7_lock);
}

struct uuid uuid_v7(instant now)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, start_sodium);

    struct uuid id;
    uint32_t seed;
    uint8_t random[sizeof seed + 6];
    randombytes_buf(random, sizeof random);
    memcpy(&seed, random, sizeof seed);

    int64_t millisecond = now > 0 ? now / INSTANT_MS : 0;
    if (millisecond > MILLISECOND_MAX)
        millisecond = MILLISECOND_MAX;
    uint32_t counter;
    next_v7(millisecond, seed & COUNTER_SEED_MASK, &millisecond, &counter);

    for (int i = 0; i < 6; i++)
        id.b[i] = (uint8_t)(millisecond >> (40 - 8 * i));
    id.b[6] = (uint8_t)(counter >> 22);         // 4 bits beside the version
    id.b[7] = (uint8_t)(counter >> 14);         // 8 bits
    id.b[8] = (uint8_t)((counter >> 8) & 0x3F); // 6 bits beside the variant
    id.b[9] = (uint8_t)counter;                 // 8 bits
    memcpy(id.b + 10, random + sizeof seed, 6);
    set_version(&id, 7);
    return id;
}

// BLAKE2b-128 of kind, domain with its zero, parent (if any) and data.
static struct uuid hash_v8(uint8_t kind, const struct uuid *parent, const char *domain, struct bytes data)
{
    struct uuid id;
    crypto_generichash_state state;
    crypto_generichash_init(&state, NULL, 0, sizeof id.b);
    crypto_generichash_update(&state, &kind, 1);
    crypto_generichash_update(&state, (const unsigned char *)domain, strlen(domain) + 1);
    if (parent != NULL)
        crypto_generichash_update(&state, parent->b, sizeof parent->b);
    if (data.size > 0)
        crypto_generichash_update(&state, data.data, data.size);
    crypto_generichash_final(&state, id.b, sizeof id.b);
    set_version(&id, 8);
    return id;
}

struct uuid uuid_derive(struct uuid parent, const char *domain, struct bytes data)
{
    struct uuid id = hash_v8(1, &parent, domain, data);
    memcpy(id.b, parent.b, 6);
    return id;
}

struct uuid uuid_from_name(const char *domain, struct bytes data)
{
    return hash_v8(0, NULL, domain, data);
}

// A hyphen goes before these bytes.
static bool hyphen_before(int byte)
{
    return byte == 4 || byte == 6 || byte == 8 || byte == 10;
}

void uuid_format(struct uuid id, char text[static UUID_TEXT_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    char *at = text;
    for (int i = 0; i < 16; i++) {
        if (hyphen_before(i))
            *at++ = '-';
        *at++ = digits[id.b[i] >> 4];
        *at++ = digits[id.b[i] & 15];
    }
    *at = '\0';
}

bool uuid_parse(struct bytes text, struct uuid *ret_id)
{
    if (text.size != UUID_TEXT_SIZE - 1)
        return false;
    static const uint8_t places[16] = {0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34};
    const char *at = text.data;
    if (at[8] != '-' || at[13] != '-' || at[18] != '-' || at[23] != '-')
        return false;
    struct uuid id;
    int bad = 0;
    for (int i = 0; i < 16; i++) {
        const int high = bytes_hex_digit(at[places[i]]);
        const int low = bytes_hex_digit(at[places[i] + 1]);
        bad |= high | low; // negative: no digit
        id.b[i] = (uint8_t)((unsigned)high << 4 | ((unsigned)low & 15));
    }
    if (bad < 0)
        return false;
    *ret_id = id;
    return true;
}
