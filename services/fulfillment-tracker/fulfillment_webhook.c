// Signatures of callbacks.
#include "fulfillment-tracker/fulfillment_webhook.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define KEY_MAX        256
#define SIGNATURES_MAX 16 // in one header
#define MAC_SIZE       crypto_auth_hmacsha256_BYTES

// The next word of a list separated by blanks.
static bool next_word(struct bytes *rest, struct bytes *ret_word)
{
    const char *text = rest->data;
    size_t size = rest->size;
    while (size > 0 && *text == ' ') {
        text++;
        size--;
    }
    size_t n = 0;
    while (n < size && text[n] != ' ')
        n++;
    *ret_word = bytes_of(text, n);
    *rest = bytes_of(text + n, size - n);
    return n > 0;
}

static bool decode(struct bytes text, uint8_t *ret_data, size_t capacity, size_t *ret_size)
{
    return sodium_base642bin(ret_data, capacity, text.data, text.size, NULL, ret_size, NULL,
                             sodium_base64_VARIANT_ORIGINAL) == 0;
}

static bool secret_key(struct bytes secret, uint8_t ret_key[static KEY_MAX], size_t *ret_size)
{
    static const char prefix[] = "whsec_";
    size_t n = sizeof prefix - 1;
    if (secret.size > n && memcmp(secret.data, prefix, n) == 0)
        secret = bytes_of((const char *)secret.data + n, secret.size - n);
    return decode(secret, ret_key, KEY_MAX, ret_size) && *ret_size > 0;
}

static void sign(const struct webhook *webhook, const uint8_t *key, size_t key_size,
                 uint8_t ret_mac[static MAC_SIZE])
{
    crypto_auth_hmacsha256_state state;
    crypto_auth_hmacsha256_init(&state, key, key_size);
    struct bytes parts[] = {bytes_str(webhook->id), bytes_str("."), bytes_str(webhook->timestamp),
                            bytes_str("."), webhook->body};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (parts[i].size > 0)
            crypto_auth_hmacsha256_update(&state, parts[i].data, parts[i].size);
    }
    crypto_auth_hmacsha256_final(&state, ret_mac);
    sodium_memzero(&state, sizeof state);
}

// Compares with every signature of the list, whatever the outcome so far.
static bool listed(const char *signatures, const uint8_t mac[static MAC_SIZE])
{
    struct bytes rest = bytes_str(signatures);
    struct bytes word;
    bool found = false;
    for (int i = 0; i < SIGNATURES_MAX && next_word(&rest, &word); i++) {
        uint8_t given[MAC_SIZE];
        size_t size = 0;
        if (word.size < 3 || memcmp(word.data, "v1,", 3) != 0)
            continue;
        if (!decode(bytes_of((const char *)word.data + 3, word.size - 3), given, sizeof given, &size) ||
            size != MAC_SIZE)
            continue;
        found = (sodium_memcmp(given, mac, MAC_SIZE) == 0) | found;
    }
    return found;
}

static const char *check_time(const char *text, instant now, int64_t window_us)
{
    char *end;
    errno = 0;
    long long seconds = strtoll(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 ||
        seconds > INT64_MAX / INSTANT_SECOND / 2)
        return "webhook-timestamp: must be seconds since 1970";
    int64_t apart = now - (instant)seconds * INSTANT_SECOND;
    if (apart > window_us || apart < -window_us)
        return "webhook-timestamp: too far from now; check the clock and sign each attempt anew";
    return NULL;
}

const char *webhook_verify(const struct webhook *webhook, struct bytes secrets, instant now,
                           int64_t window_us)
{
    if (webhook->id == NULL || webhook->id[0] == '\0')
        return "webhook-id: missing";
    if (strlen(webhook->id) > WEBHOOK_ID_MAX)
        return "webhook-id: too long";
    if (webhook->timestamp == NULL || webhook->signature == NULL)
        return "webhook-timestamp, webhook-signature: both are needed";
    const char *wrong = check_time(webhook->timestamp, now, window_us);
    if (wrong != NULL)
        return wrong;
    bool authentic = false;
    struct bytes secret;
    while (next_word(&secrets, &secret)) {
        uint8_t key[KEY_MAX];
        size_t key_size = 0;
        uint8_t mac[MAC_SIZE];
        if (secret_key(secret, key, &key_size)) {
            sign(webhook, key, key_size, mac);
            authentic = listed(webhook->signature, mac) | authentic;
        }
        sodium_memzero(key, sizeof key);
    }
    return authentic ? NULL : "webhook-signature: none of the list is right for this body";
}
