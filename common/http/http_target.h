// The request target and what routes are matched by: pure functions, no sockets.
#pragma once

#include "base/arena.h"

#include <stdbool.h>
#include <stddef.h>

#define HTTP_SEGMENTS_MAX 16 // the longest route has 6
#define HTTP_QUERY_MAX    32 // members of a query string

struct http_pair {
    const char *name;
    const char *value;
};

struct http_target {
    const char *path; // decoded, for people
    const char *segments[HTTP_SEGMENTS_MAX];
    size_t segment_count;
    struct http_pair query[HTTP_QUERY_MAX];
    size_t query_count;
};

// Splits and percent-decodes a raw request target (origin form, RFC 9112 §3.2.1). Slashes that are encoded stay in their
// segment. False: not such a target, not UTF-8, a NUL, or more parts than the limits above.
bool http_target_parse(struct arena *arena, const char *raw, struct http_target *ret_target);

// A route's path: literal segments and {parameters}.
struct http_pattern {
    char text[256];
    const char *segments[HTTP_SEGMENTS_MAX]; // a parameter's name without braces
    bool is_param[HTTP_SEGMENTS_MAX];
    size_t count;
};
bool http_pattern_make(const char *path,
                       struct http_pattern *ret_pattern); // false: too long; ret_pattern stays in place
bool http_pattern_matches(const struct http_pattern *pattern, const struct http_target *target);

// Whether a Content-Type is one of the blank-separated accepted ones. A charset other than utf-8 is not.
bool http_content_type_accepted(const char *accepted, const char *content_type);
