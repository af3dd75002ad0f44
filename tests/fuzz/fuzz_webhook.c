// Signatures of callbacks: the right one holds, for this body and this secret only.
#include "fulfillment-tracker/fulfillment_webhook.h"
#include "fuzz/fuzz.h"

#include <inttypes.h>
#include <sodium.h>
#include <string.h>

#define NOW    (1790000000 * INSTANT_SECOND)
#define WINDOW (5 * INSTANT_MINUTE)

static char *base64(struct arena *arena, const void *data, size_t size)
{
    const size_t room = sodium_base64_encoded_len(size, sodium_base64_VARIANT_ORIGINAL);
    char *text = arena_alloc(arena, room);
    sodium_bin2base64(text, room, data, size, sodium_base64_VARIANT_ORIGINAL);
    return text;
}

// As Standard Webhooks has it: over "id.timestamp.body".
static char *signature_of(struct arena *arena, struct bytes key, const char *id, const char *timestamp,
                          struct bytes body)
{
    uint8_t mac[crypto_auth_hmacsha256_BYTES];
    crypto_auth_hmacsha256_state state;
    const char *head = arena_printf(arena, "%s.%s.", id, timestamp);
    crypto_auth_hmacsha256_init(&state, key.data, key.size);
    crypto_auth_hmacsha256_update(&state, (const uint8_t *)head, strlen(head));
    crypto_auth_hmacsha256_update(&state, body.data, body.size);
    crypto_auth_hmacsha256_final(&state, mac);
    return arena_printf(arena, "v1,%s", base64(arena, mac, sizeof mac));
}

static void check_signed(struct fuzz_source *source, struct arena *arena)
{
    const struct bytes key = fuzz_piece(source, arena, 64);
    const char *id = fuzz_string(source, arena, WEBHOOK_ID_MAX);
    const int64_t apart = fuzz_number(source) % 1000;
    const char *timestamp = arena_printf(arena, "%" PRId64, (int64_t)(NOW / INSTANT_SECOND + apart));
    const struct bytes body = fuzz_piece(source, arena, 1000);
    const char *other = fuzz_string(source, arena, 60);
    const char *right = signature_of(arena, key, id, timestamp, body);
    struct webhook webhook = {.id = id, .timestamp = timestamp, .body = body};
    const char *secret = arena_printf(arena, "whsec_%s", base64(arena, key.data, key.size));
    const char *secrets = arena_printf(arena, "%s %s", base64(arena, other, strlen(other)), secret);
    webhook.signature = arena_printf(arena, "v2,x %s", right);
    const bool good = id[0] != '\0' && key.size > 0 && apart * INSTANT_SECOND <= WINDOW &&
                      apart * INSTANT_SECOND >= -WINDOW;
    FUZZ_CHECK((webhook_verify(&webhook, bytes_str(secrets), NOW, WINDOW) == NULL) == good);

    uint8_t *changed = arena_copy(arena, body.data, body.size);
    if (body.size == 0)
        return;
    changed[fuzz_below(source, (uint32_t)body.size)] ^= 1;
    webhook.body = bytes_of(changed, body.size);
    FUZZ_CHECK(webhook_verify(&webhook, bytes_str(secret), NOW, WINDOW) != NULL);
}

// Whatever a stranger sends: no signature of the list can be right, for the secret isn't theirs.
static void check_strange(struct fuzz_source *source, struct arena *arena)
{
    const struct webhook webhook = {.id = fuzz_string(source, arena, 300),
                                    .timestamp = fuzz_string(source, arena, 40),
                                    .signature = fuzz_string(source, arena, 400),
                                    .body = fuzz_piece(source, arena, 200)};
    const char *wrong =
        webhook_verify(&webhook, bytes_str("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), NOW, WINDOW);
    FUZZ_CHECK(wrong != NULL && strncmp(wrong, "webhook-", 8) == 0);
    const struct bytes secrets = fuzz_piece(source, arena, 200);
    FUZZ_CHECK(webhook_verify(&webhook, secrets, NOW, WINDOW) != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *arena = arena_new(4096);
    struct fuzz_source source = fuzz_source_of(data, size);
    FUZZ_CHECK(sodium_init() >= 0);
    if (fuzz_byte(&source) % 2 == 0)
        check_signed(&source, arena);
    else
        check_strange(&source, arena);
    arena_free(arena);
    return 0;
}
