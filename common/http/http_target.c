// Targets, patterns and media types.
#include "http/http_target.h"

#include "base/bytes.h"

#include <string.h>
#include <strings.h>

// NULL: bad encoding, a NUL, or not UTF-8.
static const char *decode(struct arena *arena, const char *from, size_t size, bool plus_is_blank)
{
    char *text = arena_alloc(arena, size + 1);
    size_t length = 0;
    for (size_t i = 0; i < size; i++) {
        char c = from[i];
        if (c == '%') {
            int high = i + 2 < size ? bytes_hex_digit(from[i + 1]) : -1;
            int low = high >= 0 ? bytes_hex_digit(from[i + 2]) : -1;
            if (low < 0)
                return NULL;
            c = (char)(high * 16 + low);
            i += 2;
        } else if (c == '+' && plus_is_blank) {
            c = ' ';
        }
        text[length++] = c;
    }
    return bytes_is_utf8(bytes_of(text, length)) ? text : NULL;
}

static bool parse_query(struct arena *arena, const char *query, struct http_target *target)
{
    while (*query != '\0') {
        size_t size = strcspn(query, "&");
        if (size > 0) {
            if (target->query_count == HTTP_QUERY_MAX)
                return false;
            const char *equals = memchr(query, '=', size);
            size_t name_size = equals != NULL ? (size_t)(equals - query) : size;
            const char *name = decode(arena, query, name_size, true);
            const char *value = equals != NULL ? decode(arena, equals + 1, size - name_size - 1, true) : "";
            if (name == NULL || value == NULL)
                return false;
            target->query[target->query_count++] = (struct http_pair){.name = name, .value = value};
        }
        query += size;
        if (*query == '&')
            query++;
    }
    return true;
}

bool http_target_parse(struct arena *arena, const char *raw, struct http_target *ret_target)
{
    if (raw[0] != '/')
        return false;
    struct http_target target = {.segment_count = 0};
    size_t path_size = strcspn(raw, "?#");
    target.path = decode(arena, raw, path_size, false);
    if (target.path == NULL)
        return false;
    size_t at = 1;
    while (at < path_size) {
        size_t size = strcspn(raw + at, "/?#");
        if (target.segment_count == HTTP_SEGMENTS_MAX)
            return false;
        const char *segment = decode(arena, raw + at, size, false);
        if (segment == NULL)
            return false;
        target.segments[target.segment_count++] = segment;
        at += size + 1;
    }
    if (path_size > 1 && raw[path_size - 1] == '/') // "/v1/" names another thing than "/v1"
        return false;
    if (raw[path_size] == '?' && !parse_query(arena, raw + path_size + 1, &target))
        return false;
    *ret_target = target;
    return true;
}

bool http_pattern_make(const char *path, struct http_pattern *ret_pattern)
{
    size_t size = strlen(path);
    if (path[0] != '/' || size >= sizeof ret_pattern->text)
        return false;
    memcpy(ret_pattern->text, path, size + 1);
    ret_pattern->count = 0;
    char *at = ret_pattern->text + 1;
    while (*at != '\0') {
        if (ret_pattern->count == HTTP_SEGMENTS_MAX)
            return false;
        size_t length = strcspn(at, "/");
        bool last = at[length] == '\0';
        at[length] = '\0';
        bool is_param = length > 2 && at[0] == '{' && at[length - 1] == '}';
        if (is_param)
            at[length - 1] = '\0';
        ret_pattern->segments[ret_pattern->count] = is_param ? at + 1 : at;
        ret_pattern->is_param[ret_pattern->count++] = is_param;
        if (last)
            break;
        at += length + 1;
    }
    return true;
}

bool http_pattern_matches(const struct http_pattern *pattern, const struct http_target *target)
{
    if (pattern->count != target->segment_count)
        return false;
    for (size_t i = 0; i < pattern->count; i++) {
        const char *segment = target->segments[i];
        if (pattern->is_param[i] ? segment[0] == '\0' : strcmp(pattern->segments[i], segment) != 0)
            return false;
    }
    return true;
}

static bool charset_is_utf8(const char *parameters)
{
    const char *charset = strcasestr(parameters, "charset=");
    if (charset == NULL)
        return true;
    charset += strlen("charset=");
    if (*charset == '"')
        charset++;
    return strncasecmp(charset, "utf-8", 5) == 0 && strchr("\"; \t", charset[5]) != NULL;
}

bool http_content_type_accepted(const char *accepted, const char *content_type)
{
    size_t size = strcspn(content_type, "; \t");
    if (size == 0 || !charset_is_utf8(content_type + size))
        return false;
    while (*accepted != '\0') {
        size_t length = strcspn(accepted, " ");
        if (length == size && strncasecmp(accepted, content_type, size) == 0)
            return true;
        accepted += length;
        accepted += strspn(accepted, " ");
    }
    return false;
}
