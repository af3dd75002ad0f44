// Hashes; see hash.h.
#include "base/hash.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

// org.apache.kafka.common.utils.Utils.murmur2: MurmurHash2 with a fixed seed, little-endian words.
uint32_t hash_murmur2(struct bytes key)
{
    const uint32_t multiplier = 0x5bd1e995;
    const uint8_t *data = key.data;
    uint32_t hash = UINT32_C(0x9747b28c) ^ (uint32_t)key.size;

    const size_t whole = key.size & ~(size_t)3;
    for (size_t i = 0; i < whole; i += 4) {
        uint32_t word = (uint32_t)data[i] | (uint32_t)data[i + 1] << 8 | (uint32_t)data[i + 2] << 16 |
                        (uint32_t)data[i + 3] << 24;
        word *= multiplier;
        word ^= word >> 24;
        word *= multiplier;
        hash *= multiplier;
        hash ^= word;
    }
    switch (key.size & 3) {
    case 3:
        hash ^= (uint32_t)data[whole + 2] << 16;
        __attribute__((fallthrough));
    case 2:
        hash ^= (uint32_t)data[whole + 1] << 8;
        __attribute__((fallthrough));
    case 1:
        hash ^= data[whole];
        hash *= multiplier;
        break;
    default:
        break;
    }
    hash ^= hash >> 13;
    hash *= multiplier;
    hash ^= hash >> 15;
    return hash;
}

int32_t hash_partition(struct bytes key, int32_t partitions)
{
    assert(partitions > 0);
    return (int32_t)(hash_murmur2(key) & INT32_MAX) % partitions;
}

static_assert(SHA256_SIZE == crypto_hash_sha256_BYTES, "SHA-256 has 32 bytes");

void hash_sha256(struct bytes data, uint8_t ret_digest[static SHA256_SIZE])
{
    crypto_hash_sha256(ret_digest, data.data, data.size);
}

void hash_hex(const uint8_t *data, size_t size, char *ret_text)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < size; i++) {
        ret_text[2 * i] = digits[data[i] >> 4];
        ret_text[2 * i + 1] = digits[data[i] & 15];
    }
    ret_text[2 * size] = '\0';
}

// FNV-1a, 64 bits.
uint64_t hash_fnv1a(struct bytes data)
{
    const uint8_t *at = data.data;
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < data.size; i++) {
        hash ^= at[i];
        hash *= UINT64_C(0x100000001b3);
    }
    return hash;
}

// Words multiplied and folded: the ids and keys of a batch are looked up many times.
uint64_t hash_quick(struct bytes data)
{
    const uint64_t odd = UINT64_C(0x9e3779b97f4a7c15);
    const uint8_t *at = data.data;
    size_t left = data.size;
    uint64_t hash = (uint64_t)data.size * odd;
    for (; left >= 8; left -= 8, at += 8) {
        uint64_t word;
        memcpy(&word, at, sizeof word);
        hash = (hash ^ word) * odd;
        hash ^= hash >> 32;
    }
    if (left > 0) {
        uint64_t word = 0;
        memcpy(&word, at, left);
        hash = (hash ^ word) * odd;
        hash ^= hash >> 32;
    }
    return hash;
}
