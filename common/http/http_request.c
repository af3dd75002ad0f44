// A request's way: target and header -> pieces of the body -> the handler -> its answer, at once or later.
#include "http/http_internal.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool method_is(const char *route_method, const char *method)
{
    return strcmp(route_method, method) == 0 ||
           (strcmp(method, "HEAD") == 0 && strcmp(route_method, "GET") == 0);
}

static void refuse_method(struct http_exchange *x)
{
    char allow[128] = "";
    for (size_t i = 0; i < x->server->route_count; i++) {
        const char *method = x->server->routes[i].method;
        if (!http_pattern_matches(&x->server->patterns[i], &x->target) || strstr(allow, method) != NULL)
            continue;
        size_t used = strlen(allow);
        snprintf(allow + used, sizeof allow - used, "%s%s%s", used > 0 ? ", " : "", method,
                 strcmp(method, "GET") == 0 ? ", HEAD" : "");
    }
    http_add_header(x, MHD_HTTP_HEADER_ALLOW, allow);
    http_answer_problem(x, 405, "method-not-allowed", "This method isn't allowed here", x->method,
                        arena_printf(x->arena, "use one of: %s", allow));
}

static void find_route(struct http_exchange *x)
{
    bool path_known = false;
    for (size_t i = 0; i < x->server->route_count; i++) {
        if (!http_pattern_matches(&x->server->patterns[i], &x->target))
            continue;
        path_known = true;
        if (method_is(x->server->routes[i].method, x->method)) {
            x->route = &x->server->routes[i];
            x->pattern = &x->server->patterns[i];
            return;
        }
    }
    if (path_known)
        refuse_method(x);
    else
        http_answer_problem(x, 404, "not-found", "There is nothing at this path", x->target.path,
                            "the paths are listed in the API's OpenAPI document");
}

static enum MHD_Result count_length(void *self, enum MHD_ValueKind kind, const char *name, const char *value)
{
    (void)kind;
    (void)value;
    if (strcasecmp(name, MHD_HTTP_HEADER_CONTENT_LENGTH) == 0)
        (*(int *)self)++;
    return MHD_YES;
}

static void refuse_size(struct http_exchange *x)
{
    assert(x->route != NULL);
    size_t max = x->route->body_max;
    if (max == 0)
        http_answer_problem(x, 413, "too-large", "This request takes no body", NULL,
                            "send it without a body");
    else
        http_answer_problem(x, 413, "too-large", "The body is too large", NULL,
                            arena_printf(x->arena, "send at most %zu bytes", max));
}

// Answers what can be refused by the header alone. *ret_length: announced; 0 for chunked bodies.
static void check_header(struct http_exchange *x, unsigned long long *ret_length)
{
    const char *length_text = http_header(x, MHD_HTTP_HEADER_CONTENT_LENGTH);
    bool chunked = http_header(x, MHD_HTTP_HEADER_TRANSFER_ENCODING) != NULL;
    *ret_length = length_text != NULL ? strtoull(length_text, NULL, 10) : 0;
    size_t header_size =
        MHD_get_connection_info(x->connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE)->header_size;
    int lengths = 0;
    MHD_get_connection_values(x->connection, MHD_HEADER_KIND, count_length, &lengths);
    if (header_size > HEADER_MAX) {
        http_answer_problem(x, 431, "header-too-large", "The request's header is too large", NULL,
                            arena_printf(x->arena, "send at most %zu bytes of header", HEADER_MAX));
    } else if (lengths > 1 || (lengths == 1 && chunked)) {
        http_answer_problem(x, 400, "bad-request", "The body's length is given twice", NULL,
                            "send either one Content-Length or Transfer-Encoding: chunked");
    } else if (x->raw_target == NULL || !http_target_parse(x->arena, x->raw_target, &x->target)) {
        http_answer_problem(x, 400, "bad-request", "The request's target can't be read", NULL,
                            "percent-encode UTF-8; no NUL, no trailing slash");
    } else {
        find_route(x);
        if (x->route == NULL)
            return;
        bool has_body = *ret_length > 0 || chunked;
        if (*ret_length > x->route->body_max || (chunked && x->route->body_max == 0)) {
            refuse_size(x);
        } else if (has_body && x->route->content_types != NULL) {
            const char *type = http_header(x, MHD_HTTP_HEADER_CONTENT_TYPE);
            if (type == NULL || !http_content_type_accepted(x->route->content_types, type))
                http_answer_problem(x, 415, "unsupported-media-type", "This content type isn't accepted here",
                                    type == NULL ? "there is no Content-Type" : type,
                                    arena_printf(x->arena, "send %s in UTF-8", x->route->content_types));
        }
    }
}

static enum MHD_Result begin(struct connection *connection, struct MHD_Connection *mhd, const char *method)
{
    struct http_exchange *x = &connection->x;
    x->connection = mhd;
    x->method = arena_str(x->arena, bytes_str(method));
    atomic_fetch_add(&x->server->in_flight, 1);
    unsigned long long length = 0;
    check_header(x, &length);
    if (!x->answered && x->server->settings.admit != NULL)
        x->server->settings.admit(x->server->context, x->route, x);
    x->discard = x->answered;
    if (!http_set_deadline(connection, clock_monotonic_us() + x->server->settings.body_deadline_us))
        return MHD_NO;
    bool asks = http_header(x, MHD_HTTP_HEADER_EXPECT) != NULL;
    if (x->answered && (asks || length > DRAIN_MAX)) {
        x->handled = true;
        return http_set_deadline(connection, NO_DEADLINE) ? http_queue_answer(x) : MHD_NO;
    }
    return MHD_YES;
}

static bool append_body(struct http_exchange *x, const char *data, size_t size)
{
    assert(x->route != NULL); // bodies of requests without a route are dropped before this
    if (x->body_size + size > x->route->body_max)
        return false;
    if (x->body_size + size > x->body_capacity) {
        size_t capacity = x->body_capacity == 0 ? 1024 : x->body_capacity;
        while (capacity < x->body_size + size)
            capacity *= 2;
        uint8_t *body = realloc(x->body, capacity);
        if (body == NULL)
            abort();
        x->body = body;
        x->body_capacity = capacity;
    }
    memcpy(x->body + x->body_size, data, size);
    x->body_size += size;
    return true;
}

// Suspends while the lock is held, so that whoever answers or resumes sees either nothing or a suspended connection.
static void suspend_if(struct http_exchange *x, bool wanted)
{
    if (wanted) {
        x->suspended = true;
        MHD_suspend_connection(x->connection);
    }
}

// Reads on, so that the client gets to its answer; a client that sends too much is cut off.
static enum MHD_Result drain(struct connection *connection, size_t size)
{
    struct http_exchange *x = &connection->x;
    x->drained += size;
    if (x->drained <= DRAIN_MAX)
        return MHD_YES;
    if (!http_set_deadline(connection, NO_DEADLINE))
        return MHD_NO;
    pthread_mutex_lock(&x->lock);
    bool answered = x->answered;
    bool wait = !answered && x->deferred;
    suspend_if(x, wait);
    pthread_mutex_unlock(&x->lock);
    if (wait) // whoever answers still holds the exchange
        return MHD_YES;
    if (answered)
        http_send_past(connection->fd, x->answer.status, x->answer.content_type, x->answer.body);
    return MHD_NO;
}

static enum MHD_Result take_piece(struct connection *connection, const char *data, size_t size)
{
    struct http_exchange *x = &connection->x;
    x->received += size;
    if (x->route != NULL && x->route->chunk != NULL && !x->discard) {
        if (!http_set_deadline(connection, NO_DEADLINE)) // the handler may take its time
            return MHD_NO;
        if (x->received > x->route->body_max) {
            refuse_size(x);
            x->discard = true;
        } else {
            x->discard = !x->route->chunk(x->server->context, x, bytes_of(data, size));
        }
        pthread_mutex_lock(&x->lock);
        bool pause = x->paused && !x->discard;
        suspend_if(x, pause);
        if (!pause)
            http_set_deadline(connection, clock_monotonic_us() + x->server->settings.body_deadline_us);
        pthread_mutex_unlock(&x->lock);
    } else if (!x->discard && !append_body(x, data, size)) {
        refuse_size(x);
        x->discard = true;
    }
    return x->discard ? drain(connection, size) : MHD_YES;
}

static enum MHD_Result finish(struct connection *connection)
{
    struct http_exchange *x = &connection->x;
    if (!http_set_deadline(connection, NO_DEADLINE))
        return MHD_NO;
    if (!x->handled) {
        x->handled = true;
        if (!x->discard)
            x->route->handle(x->server->context, x);
    }
    pthread_mutex_lock(&x->lock);
    bool answered = x->answered;
    bool wait = !answered && x->deferred;
    suspend_if(x, wait);
    pthread_mutex_unlock(&x->lock);
    if (wait)
        return MHD_YES;
    if (!answered)
        http_answer_problem(x, 500, "internal", "The server has no answer", NULL,
                            "try again; tell the operator if it stays so");
    return http_queue_answer(x);
}

enum MHD_Result http_on_request(void *self, struct MHD_Connection *mhd, const char *url, const char *method,
                                const char *version, const char *data, size_t *size, void **request_context)
{
    (void)self;
    (void)url;
    (void)version;
    struct connection *connection = http_connection_get(mhd);
    if (*request_context == NULL) {
        *request_context = connection;
        return begin(connection, mhd, method);
    }
    if (*size > 0) {
        enum MHD_Result result = take_piece(connection, data, *size);
        *size = 0;
        return result;
    }
    return finish(connection);
}

// The request line has been read. The header's time runs from here at the latest.
void *http_on_target(void *self, const char *target, struct MHD_Connection *mhd)
{
    struct http_server *server = self;
    struct connection *connection = http_connection_get(mhd);
    if (connection == NULL)
        return NULL;
    connection->x.raw_target = arena_str(connection->x.arena, bytes_str(target));
    if (!atomic_exchange(&connection->in_request, true))
        http_set_deadline(connection, clock_monotonic_us() + server->settings.header_deadline_us);
    return NULL;
}

void http_on_completed(void *self, struct MHD_Connection *mhd, void **request_context,
                       enum MHD_RequestTerminationCode how)
{
    (void)mhd;
    (void)how;
    struct http_server *server = self;
    struct connection *connection = *request_context;
    if (connection == NULL)
        return;
    *request_context = NULL;
    http_exchange_clear(&connection->x);
    atomic_store(&connection->in_request, false);
    http_set_deadline(connection, clock_monotonic_us() + IDLE_US);
    atomic_fetch_sub(&server->in_flight, 1);
}
