// Request targets, routes and media types.
#include "fuzz/fuzz.h"
#include "http/http_target.h"

#include <string.h>

static char *encoded(struct arena *arena, const char *text)
{
    static const char hex[] = "0123456789abcdef";
    char *out = arena_alloc(arena, 3 * strlen(text) + 1);
    size_t size = 0;
    for (const char *c = text; *c != '\0'; c++) {
        out[size++] = '%';
        out[size++] = hex[(unsigned char)*c >> 4];
        out[size++] = hex[(unsigned char)*c & 15];
    }
    return out;
}

// The same target with every character percent-encoded.
static char *spelled_out(struct arena *arena, const struct http_target *target)
{
    char *text = target->segment_count == 0 ? arena_str(arena, bytes_str("/")) : "";
    for (size_t i = 0; i < target->segment_count; i++)
        text = arena_printf(arena, "%s/%s", text, encoded(arena, target->segments[i]));
    for (size_t i = 0; i < target->query_count; i++)
        text = arena_printf(arena, "%s%c%s=%s", text, i == 0 ? '?' : '&',
                            encoded(arena, target->query[i].name), encoded(arena, target->query[i].value));
    return text;
}

static void check_target(struct arena *arena, const char *raw)
{
    struct http_target target, again;
    if (!http_target_parse(arena, raw, &target))
        return;
    FUZZ_CHECK(raw[0] == '/' && bytes_is_utf8(bytes_str(target.path)));
    for (size_t i = 0; i < target.segment_count; i++)
        FUZZ_CHECK(bytes_is_utf8(bytes_str(target.segments[i])));
    FUZZ_CHECK(http_target_parse(arena, spelled_out(arena, &target), &again));
    FUZZ_CHECK(again.segment_count == target.segment_count && again.query_count == target.query_count);
    for (size_t i = 0; i < target.segment_count; i++)
        FUZZ_CHECK(strcmp(again.segments[i], target.segments[i]) == 0);
    for (size_t i = 0; i < target.query_count; i++) {
        FUZZ_CHECK(strcmp(again.query[i].name, target.query[i].name) == 0);
        FUZZ_CHECK(strcmp(again.query[i].value, target.query[i].value) == 0);
    }
    static const char *const paths[] = {"/", "/v1/orders/{id}", "/v1/orders/{id}/requests/{request_id}"};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        struct http_pattern pattern;
        FUZZ_CHECK(http_pattern_make(paths[i], &pattern));
        if (http_pattern_matches(&pattern, &target))
            FUZZ_CHECK(pattern.count == target.segment_count);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *arena = arena_new(1024);
    struct fuzz_source source = fuzz_source_of(data, size);
    const char *type = fuzz_string(&source, arena, 100);
    const char *path = fuzz_string(&source, arena, 400);
    const struct bytes rest = fuzz_rest(&source);
    struct http_pattern pattern;
    if (http_content_type_accepted("application/json text/csv", type))
        FUZZ_CHECK(strncasecmp(type, "application/json", 16) == 0 || strncasecmp(type, "text/csv", 8) == 0);
    if (path[0] != '\0')
        (void)http_pattern_make(path, &pattern);
    check_target(arena, arena_str(arena, rest));
    arena_free(arena);
    return 0;
}
