// UUIDs (RFC 9562). Order ids are version 7: time-ordered, so that index inserts stay at the right edge.
// Derived ids are version 8: the first 48 bits are the parent's, the rest a hash of what they stand for, so
// that a replay makes the same.
#pragma once

#include "base/bytes.h"
#include "base/clock.h"

#include <stdbool.h>
#include <stdint.h>

#define UUID_TEXT_SIZE 37 // with the terminating zero

struct uuid {
    uint8_t b[16];
};

bool uuid_is_nil(struct uuid id);
bool uuid_equal(struct uuid a, struct uuid b);
int uuid_compare(struct uuid a, struct uuid b);

// From the instant, random bits and a counter that keeps ids of one process and millisecond rising.
// Thread-safe.
struct uuid uuid_v7(instant now);

// The same parent, domain and data always give the same id. domain is a short constant such as
// "event:order-events".
struct uuid uuid_derive(struct uuid parent, const char *domain, struct bytes data);
// For parents that aren't UUIDs: the time bits come from the hash too.
struct uuid uuid_from_name(const char *domain, struct bytes data);

void uuid_format(struct uuid id, char text[static UUID_TEXT_SIZE]); // lower case, 8-4-4-4-12
bool uuid_parse(struct bytes text, struct uuid *ret_id); // any case; false leaves *ret_id untouched
