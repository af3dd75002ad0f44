// Time zone files: RFC 9636 (TZif) versions 1 to 4 with the POSIX TZ rule of their footer. Parsing is pure;
// zone.c reads files.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tzif;

// False: not a TZif file that can be used (damaged, or counting leap seconds). The zone is malloc'd;
// tzif_free frees it.
bool tzif_parse(const uint8_t *data, size_t size, struct tzif **ret_zone);
void tzif_free(struct tzif *zone); // NULL is fine

// Seconds east of UTC at an instant (seconds since 1970-01-01 UTC). Thread-safe.
int32_t tzif_offset(const struct tzif *zone, int64_t at_seconds);
