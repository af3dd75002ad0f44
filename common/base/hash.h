// Hashes: which partition a key belongs to, fingerprints, in-memory tables.
#pragma once

#include "base/bytes.h"

#include <stdint.h>

// Kafka's default partitioner of Java clients: murmur2(key) without its sign bit, modulo the number of
// partitions, which is positive.
uint32_t hash_murmur2(struct bytes key);
int32_t hash_partition(struct bytes key, int32_t partitions);

#define SHA256_SIZE 32
void hash_sha256(struct bytes data, uint8_t ret_digest[static SHA256_SIZE]);
void hash_hex(const uint8_t *data, size_t size, char *ret_text); // 2 * size characters and a zero

uint64_t hash_fnv1a(struct bytes data);
uint64_t hash_quick(struct bytes data); // in-memory tables only: another one on another machine
