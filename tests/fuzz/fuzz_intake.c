// Every route of intake, from the request's target to the answer: the production handlers over doubles of libmicrohttpd, of
// ingress and of the store.
//
// Each request has one answer, a document of its kind; nothing is accepted that wasn't submitted; an import's answer is the same
// whatever the pieces in which its body came.
#include "fuzz/intake_doubles.h"

#include "http/http_internal.h"
#include "intake/intake.h"
#include "json/jsonr.h"

#include <stdlib.h>
#include <string.h>

#define BODY_DEADLINE_US (3600 * INSTANT_SECOND)

static const char *const methods[] = {"POST", "GET", "PUT", "HEAD", "DELETE"};
static const char *const types[] = {
    "application/json", "text/csv", "application/x-ndjson", NULL, "application/json; charset=utf-8",
    "text/plain"};

static struct http_server *server_of(void)
{
    static struct http_server server;
    if (server.patterns != NULL)
        return &server;
    server.patterns = calloc(intake_route_count, sizeof *server.patterns);
    FUZZ_CHECK(server.patterns != NULL);
    for (size_t i = 0; i < intake_route_count; i++)
        FUZZ_CHECK(http_pattern_make(intake_routes[i].path, &server.patterns[i]));
    server.routes = intake_routes;
    server.route_count = intake_route_count;
    server.settings.body_deadline_us = BODY_DEADLINE_US;
    pthread_mutex_init(&server.lock, NULL);
    return &server;
}

// ---- one request

struct request {
    const char *method;
    const char *target;
    struct bytes choices; // of the doubles
    struct bytes sizes;   // of the body's pieces; whole: all at once
    struct bytes body;
    bool whole;
    bool cut; // the client goes away in the middle of the body
};

static bool goes_on(struct double_connection *mhd)
{
    doubles_answer(mhd); // whoever has been asked answers; a paused body goes on
    return mhd->status == 0 && !mhd->closed;
}

static void give_body(struct double_connection *mhd, const struct request *r, void **context)
{
    struct fuzz_source sizes = fuzz_source_of(r->sizes.data, r->sizes.size);
    const char *data = r->body.data;
    size_t at = 0;
    const size_t end = r->cut ? r->body.size / 2 : r->body.size;
    while (at < end && goes_on(mhd)) {
        size_t size = r->whole ? end : (size_t)1 + fuzz_byte(&sizes);
        size = size > end - at ? end - at : size;
        char *piece = malloc(size); // exactly so large: reading further is seen
        FUZZ_CHECK(piece != NULL);
        memcpy(piece, data + at, size);
        at += size;
        mhd->closed =
            http_on_request(NULL, (void *)mhd, "", r->method, "HTTP/1.1", piece, &size, context) == MHD_NO;
        free(piece);
        FUZZ_CHECK(size == 0); // taken whole
    }
}

static void give(struct double_connection *mhd, const struct request *r)
{
    struct http_server *server = server_of();
    void *context = NULL;
    size_t none = 0;
    http_on_connection(server, (void *)mhd, &mhd->socket_context, MHD_CONNECTION_NOTIFY_STARTED);
    http_on_target(server, r->target, (void *)mhd);
    mhd->closed =
        http_on_request(NULL, (void *)mhd, "", r->method, "HTTP/1.1", NULL, &none, &context) == MHD_NO;
    give_body(mhd, r, &context);
    for (int turn = 0; turn < 3 && !r->cut && goes_on(mhd); turn++)
        mhd->closed =
            http_on_request(NULL, (void *)mhd, "", r->method, "HTTP/1.1", NULL, &none, &context) == MHD_NO;
    if (context != NULL)
        http_on_completed(server, (void *)mhd, &context, MHD_REQUEST_TERMINATED_COMPLETED_OK);
    http_on_connection(server, (void *)mhd, &mhd->socket_context, MHD_CONNECTION_NOTIFY_CLOSED);
    doubles_answer(mhd); // what was asked for a client that is gone
    FUZZ_CHECK(server->connections == NULL && atomic_load(&server->in_flight) == 0);
}

// ---- its answer

static const struct jsonr_value *member_of(const struct jsonr_value *object, const char *name)
{
    const struct jsonr_value *value = jsonr_member(object, name);
    FUZZ_CHECK(value != NULL);
    return value;
}

static void check_document(struct arena *arena, struct bytes text, bool problem, int status)
{
    struct jsonr_problems problems = {.arena = arena};
    struct jsonr_doc *doc = jsonr_parse(text, &problems);
    FUZZ_CHECK(doc != NULL && jsonr_type_of(jsonr_root(doc)) == JSONR_OBJECT);
    if (problem) {
        FUZZ_CHECK(jsonr_integer(member_of(jsonr_root(doc), "status")) == status);
        FUZZ_CHECK(jsonr_text(member_of(jsonr_root(doc), "title")).size > 0);
        FUZZ_CHECK(jsonr_text(member_of(jsonr_root(doc), "remedy")).size > 0);
        const struct jsonr_value *all = jsonr_member(jsonr_root(doc), "problems");
        for (size_t i = 0; all != NULL && i < jsonr_size(all); i++) {
            member_of(jsonr_at(all, i), "field");
            FUZZ_CHECK(jsonr_text(member_of(jsonr_at(all, i), "remedy")).size > 0);
        }
    }
    jsonr_free(doc);
}

static void check_answer(struct arena *arena, const struct double_connection *mhd, const struct request *r)
{
    if (mhd->status == 0) {
        FUZZ_CHECK(mhd->closed || r->cut);
        return;
    }
    FUZZ_CHECK(mhd->status >= 200 && mhd->status < 600);
    const bool problem = strcmp(mhd->type, "application/problem+json") == 0;
    FUZZ_CHECK(problem == (mhd->status >= 400));
    if (mhd->status == 202)
        FUZZ_CHECK(mhd->submitted > 0);
    if (strcmp(mhd->type, "application/x-ndjson") != 0) {
        check_document(arena, mhd->body, problem, mhd->status);
        return;
    }
    struct bytes rest = mhd->body;
    size_t lines = 0;
    for (const char *end; (end = memchr(rest.data, '\n', rest.size)) != NULL; lines++) {
        const size_t size = (size_t)(end - (const char *)rest.data);
        check_document(arena, bytes_of(rest.data, size), false, 200);
        rest = bytes_of(end + 1, rest.size - size - 1);
    }
    FUZZ_CHECK(rest.size == 0 && lines > 0);
}

// Ids are new each time: they are blotted out.
static struct bytes without_ids(struct arena *arena, struct bytes text)
{
    char *copy = arena_str(arena, text);
    struct uuid id;
    for (size_t i = 0; i + UUID_TEXT_SIZE - 1 <= text.size; i++)
        if (copy[i + 8] == '-' && uuid_parse(bytes_of(copy + i, UUID_TEXT_SIZE - 1), &id))
            memset(copy + i, '0', UUID_TEXT_SIZE - 1);
    return bytes_of(copy, text.size);
}

static int compare_lines(const void *a, const void *b)
{
    return bytes_compare(*(const struct bytes *)a, *(const struct bytes *)b);
}

// The same lines, in any order: an import's results come as they are decided.
static bool same_lines(struct arena *arena, struct bytes a, struct bytes b)
{
    struct bytes *lines[2], texts[2] = {without_ids(arena, a), without_ids(arena, b)};
    size_t counts[2] = {0, 0};
    for (int side = 0; side < 2; side++) {
        lines[side] = arena_new_array(arena, struct bytes, texts[side].size + 1);
        const char *at = texts[side].data, *const end = at + texts[side].size;
        while (at < end) {
            const char *stop = memchr(at, '\n', (size_t)(end - at));
            stop = stop == NULL ? end : stop;
            lines[side][counts[side]++] = bytes_of(at, (size_t)(stop - at));
            at = stop < end ? stop + 1 : end;
        }
        qsort(lines[side], counts[side], sizeof *lines[side], compare_lines);
    }
    bool same = counts[0] == counts[1];
    for (size_t i = 0; same && i < counts[0]; i++)
        same = bytes_equal(lines[0][i], lines[1][i]);
    return same;
}

static void run(struct arena *arena, struct double_connection *mhd, struct request *r)
{
    struct double_connection first = *mhd, second = *mhd;
    doubles_begin(arena, &first, r->choices);
    give(&first, r);
    check_answer(arena, &first, r);
    r->whole = true;
    doubles_begin(arena, &second, r->choices);
    give(&second, r);
    check_answer(arena, &second, r);
    if (r->cut || first.closed || second.closed)
        return;
    FUZZ_CHECK(first.status == second.status && first.submitted == second.submitted);
    FUZZ_CHECK(same_lines(arena, first.body, second.body));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *arena = arena_new(1 << 14);
    struct fuzz_source source = fuzz_source_of(data, size);
    struct double_connection mhd = {.headers = {{"Content-Type", NULL}}};
    struct request r = {.method = methods[fuzz_byte(&source) % (sizeof methods / sizeof methods[0])]};
    const uint8_t type = fuzz_byte(&source);
    const uint8_t how = fuzz_byte(&source);
    r.target = fuzz_string(&source, arena, 300);
    mhd.headers[1] = (struct http_pair){"X-Client", fuzz_string(&source, arena, 80)};
    mhd.headers[2] = (struct http_pair){"Idempotency-Key", fuzz_string(&source, arena, 300)};
    r.sizes = fuzz_piece(&source, arena, 16);
    r.choices = fuzz_piece(&source, arena, 16);
    mhd.headers[0].value = types[type % (sizeof types / sizeof types[0])];
    for (size_t i = 1; i < 3; i++)
        if (mhd.headers[i].value[0] == '\0')
            mhd.headers[i].value = NULL;
    r.body = fuzz_rest(&source);
    const char *length = arena_printf(arena, "%zu", r.body.size);
    if (r.body.size > 0 && how % 2 == 0)
        mhd.headers[3] = (struct http_pair){"Content-Length", length};
    else if (r.body.size > 0)
        mhd.headers[3] = (struct http_pair){"Transfer-Encoding", "chunked"};
    if (how % 16 == 4) // a request smuggled: two lengths
        mhd.headers[4] = (struct http_pair){"Content-Length", length};
    if (how % 16 == 6)
        mhd.headers[4] = (struct http_pair){"Expect", "100-continue"};
    r.cut = how >= 248;
    run(arena, &mhd, &r);
    arena_free(arena);
    return 0;
}
