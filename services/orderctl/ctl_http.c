// HTTP for orderctl, by libcurl.
#include "base/clock.h"
#include "base/uuid.h"
#include "orderctl/ctl.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define TIMEOUT_S      60L // imports stream for a while
#define TRY_FOR_US     (10 * INSTANT_SECOND)
#define TRY_AGAIN_MS   300L
#define ANSWER_MAX     (64u << 20)
#define FILE_MAX_BYTES (256u << 20)

struct received {
    char *data;
    size_t size;
    bool overflow;
};

static size_t take_body(char *data, size_t size, size_t count, void *self)
{
    struct received *r = self;
    size_t n = size * count;
    if (r->size + n > ANSWER_MAX) {
        r->overflow = true;
        return 0;
    }
    char *grown = realloc(r->data, r->size + n + 1);
    if (grown == NULL)
        return 0;
    memcpy(grown + r->size, data, n);
    r->data = grown;
    r->size += n;
    r->data[r->size] = '\0';
    return n;
}

struct headers {
    struct ctl *ctl;
    struct ctl_answer *answer;
};

static size_t take_header(char *data, size_t size, size_t count, void *self)
{
    struct headers *h = self;
    size_t n = size * count;
    char *line = arena_str(h->ctl->arena, bytes_of(data, n));
    line[strcspn(line, "\r\n")] = '\0';
    if (strncasecmp(line, "Location:", 9) == 0)
        h->answer->location = line + 9 + strspn(line + 9, " ");
    if (strncasecmp(line, "Retry-After:", 12) == 0)
        h->answer->retry_after_s = (int)strtol(line + 12, NULL, 10);
    return n;
}

static void sleep_ms(long ms)
{
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    nanosleep(&t, NULL);
}

static struct curl_slist *headers_of(struct ctl *ctl, const char *content_type, const char *key)
{
    struct curl_slist *list =
        curl_slist_append(NULL, "Accept: application/json, application/problem+json, */*");
    if (content_type != NULL)
        list = curl_slist_append(list, arena_printf(ctl->arena, "Content-Type: %s", content_type));
    if (key != NULL)
        list = curl_slist_append(list, arena_printf(ctl->arena, "Idempotency-Key: %s", key));
    return curl_slist_append(list, "Expect:");
}

// One try. False: no answer; *ret_why says why.
static bool try_once(struct ctl *ctl, const char *url, const char *method, const char *content_type,
                     const char *key, const char *body, size_t size, struct ctl_answer *ret_answer,
                     const char **ret_why)
{
    struct received received = {.data = NULL};
    struct ctl_answer answer = {.status = 0};
    struct headers headers = {.ctl = ctl, .answer = &answer};
    CURL *curl = curl_easy_init();
    if (curl == NULL) {
        *ret_why = "libcurl can't be used";
        return false;
    }
    struct curl_slist *list = headers_of(ctl, content_type, key);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, list);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, TIMEOUT_S);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &received);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, &headers);
    if (body != NULL) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)size);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
    }
    CURLcode code = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answer.status);
    curl_slist_free_all(list);
    curl_easy_cleanup(curl);
    answer.body = arena_str(ctl->arena, bytes_of(received.data == NULL ? "" : received.data, received.size));
    answer.size = received.size;
    free(received.data);
    *ret_why = received.overflow ? "the answer is too large" : curl_easy_strerror(code);
    if (code != CURLE_OK)
        return false;
    *ret_answer = answer;
    return true;
}

static const char *base_url(const struct ctl *ctl, enum ctl_base base)
{
    return base == CTL_INTAKE ? ctl->intake : ctl->desk;
}

enum ctl_exit ctl_request(struct ctl *ctl, enum ctl_base base, const char *method, const char *path,
                          const char *content_type, const char *body, size_t size,
                          struct ctl_answer *ret_answer)
{
    if (base_url(ctl, base) == NULL) {
        return ctl_usage(
            "%s must be set (or give --%s URL); `deploy/local/status --env` prints both of a local stack",
            base == CTL_INTAKE ? "ORDERCLERK_INTAKE_URL" : "ORDERCLERK_DESK_URL",
            base == CTL_INTAKE ? "intake" : "desk");
    }
    const char *key = NULL;
    if (strcmp(method, "POST") == 0) {
        key = ctl->idempotency_key;
        if (key == NULL) {
            char text[UUID_TEXT_SIZE];
            uuid_format(uuid_v7(clock_system()->now(NULL)), text);
            key = arena_str(ctl->arena, bytes_str(text));
        }
    }
    const char *url = arena_printf(ctl->arena, "%s%s", base_url(ctl, base), path);
    int64_t until = clock_monotonic_us() + TRY_FOR_US;
    const char *why = "";
    for (;;) {
        bool answered = try_once(ctl, url, method, content_type, key, body, size, ret_answer, &why);
        if (answered && ret_answer->status / 100 == 2)
            return CTL_OK;
        if (answered && ret_answer->status != 503 && ret_answer->status != 429) {
            ctl_print_problem(ret_answer->body, ret_answer->status);
            return ret_answer->status / 100 == 5 ? CTL_UNREACHABLE : CTL_REFUSED;
        }
        if (clock_monotonic_us() >= until) {
            if (answered)
                ctl_print_problem(ret_answer->body, ret_answer->status);
            else
                fprintf(stderr, "orderctl: %s: %s\n", url, why);
            return CTL_UNREACHABLE;
        }
        sleep_ms(TRY_AGAIN_MS);
    }
}

enum ctl_exit ctl_get(struct ctl *ctl, enum ctl_base base, const char *path, json_t **ret_json)
{
    struct ctl_answer answer;
    enum ctl_exit e = ctl_request(ctl, base, "GET", path, NULL, NULL, 0, &answer);
    if (e != CTL_OK)
        return e;
    json_error_t error;
    *ret_json = json_loadb(answer.body, answer.size, 0, &error);
    if (*ret_json != NULL)
        return CTL_OK;
    fprintf(stderr, "orderctl: %s: the answer isn't JSON: %s\n", path, error.text);
    return CTL_UNREACHABLE;
}

enum ctl_exit ctl_post(struct ctl *ctl, enum ctl_base base, const char *path, json_t *document,
                       json_t **ret_json)
{
    char *text = json_dumps(document, JSON_COMPACT);
    json_decref(document);
    if (text == NULL)
        return ctl_usage("the document can't be written as JSON");
    struct ctl_answer answer;
    enum ctl_exit e = ctl_request(ctl, base, "POST", path, "application/json", text, strlen(text), &answer);
    free(text);
    if (e != CTL_OK)
        return e;
    *ret_json = json_loadb(answer.body, answer.size, 0, NULL);
    if (*ret_json == NULL)
        *ret_json = json_object();
    return CTL_OK;
}

enum ctl_exit ctl_read_file(struct ctl *ctl, const char *path, char **ret_data, size_t *ret_size)
{
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");
    if (file == NULL)
        return ctl_usage("%s: %s", path, strerror(errno));
    char *data = NULL;
    size_t size = 0;
    size_t capacity = 0;
    for (;;) {
        if (size == capacity) {
            capacity = capacity == 0 ? 1 << 16 : capacity * 2;
            char *grown = capacity > FILE_MAX_BYTES * 2u ? NULL : realloc(data, capacity);
            if (grown == NULL)
                break;
            data = grown;
        }
        size_t n = fread(data + size, 1, capacity - size, file);
        if (n == 0)
            break;
        size += n;
    }
    bool failed = ferror(file) != 0 || size > FILE_MAX_BYTES;
    if (file != stdin)
        fclose(file);
    if (!failed) {
        *ret_data = arena_str(ctl->arena, bytes_of(data == NULL ? "" : data, size));
        *ret_size = size;
    }
    free(data);
    return failed ? ctl_usage("%s: can't be read, or is larger than 256 MiB", path) : CTL_OK;
}

char *ctl_escape(struct ctl *ctl, const char *text)
{
    char *escaped = curl_easy_escape(NULL, text, 0);
    char *kept = arena_str(ctl->arena, bytes_str(escaped == NULL ? "" : escaped));
    curl_free(escaped);
    return kept;
}

enum ctl_exit ctl_ready(struct ctl *ctl)
{
    const char *url = ctl_word(ctl, 0);
    struct ctl_answer answer;
    const char *why;
    if (url == NULL)
        return ctl_usage("orderctl ready URL: whose /ready is asked");
    bool answered =
        try_once(ctl, arena_printf(ctl->arena, "%s/ready", url), "GET", NULL, NULL, NULL, 0, &answer, &why);
    if (answered && answer.status == 200)
        return CTL_OK;
    fprintf(stderr, "orderctl: %s: %s\n", url, answered ? answer.body : why);
    return CTL_UNREACHABLE;
}
