// What a handler sees of a request, and how it answers.
#include "http/http_internal.h"
#include "json/jsonw.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

void http_answer_problem(struct http_exchange *x, int status, const char *type, const char *title,
                         const char *detail, const char *remedy)
{
    http_reply_problem(
        x, &(struct http_problem){
               .status = status, .type = type, .title = title, .detail = detail, .remedy = remedy});
}

enum MHD_Result http_queue_answer(struct http_exchange *x)
{
    const struct answer *answer = &x->answer;
    struct MHD_Response *response = MHD_create_response_from_buffer(
        answer->body.size, (void *)(uintptr_t)(answer->body.size > 0 ? answer->body.data : ""),
        MHD_RESPMEM_PERSISTENT);
    if (response == NULL)
        return MHD_NO;
    if (answer->content_type != NULL)
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, answer->content_type);
    for (size_t i = 0; i < answer->header_count; i++)
        MHD_add_response_header(response, answer->headers[i].name, answer->headers[i].value);
    if (atomic_load_explicit(&x->server->stopping, memory_order_relaxed))
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
    enum MHD_Result result = MHD_queue_response(x->connection, (unsigned)answer->status, response);
    MHD_destroy_response(response);
    return result;
}

void http_add_header(struct http_exchange *x, const char *name, const char *value)
{
    assert(x->answer.header_count < ANSWER_HEADERS_MAX);
    for (const char *c = value; *c != '\0'; c++) // no header may end early because of what a client sent
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            return;
    x->answer.headers[x->answer.header_count++] = (struct http_pair){
        .name = arena_str(x->arena, bytes_str(name)),
        .value = arena_str(x->arena, bytes_str(value)),
    };
}

void http_reply(struct http_exchange *x, int status, const char *content_type, struct bytes body)
{
    x->answer.status = status;
    x->answer.content_type = content_type == NULL ? NULL : arena_str(x->arena, bytes_str(content_type));
    x->answer.body = bytes_of(arena_copy(x->arena, body.size > 0 ? body.data : "", body.size), body.size);
    pthread_mutex_lock(&x->lock);
    assert(!x->answered);
    x->answered = true;
    if (x->suspended) {
        x->suspended = false;
        MHD_resume_connection(x->connection);
    }
    pthread_mutex_unlock(&x->lock);
}

void http_reply_json(struct http_exchange *x, int status, const char *json)
{
    http_reply(x, status, "application/json", bytes_str(json));
}

void http_reply_problem(struct http_exchange *x, const struct http_problem *problem)
{
    struct jsonw w;
    jsonw_open(&w, x->arena);
    jsonw_begin_object(&w, NULL);
    jsonw_printf(&w, "type", "urn:orderclerk:problem:%s", problem->type);
    jsonw_str(&w, "title", problem->title);
    jsonw_int(&w, "status", problem->status);
    if (problem->detail != NULL)
        jsonw_str(&w, "detail", problem->detail);
    if (problem->field != NULL)
        jsonw_str(&w, "field", problem->field);
    if (problem->remedy != NULL)
        jsonw_str(&w, "remedy", problem->remedy);
    jsonw_raw_members(&w, problem->extra_json);
    jsonw_end_object(&w);
    if (problem->retry_after_s > 0 && (problem->status == 429 || problem->status == 503)) {
        char seconds[16];
        snprintf(seconds, sizeof seconds, "%d", problem->retry_after_s);
        http_add_header(x, MHD_HTTP_HEADER_RETRY_AFTER, seconds);
    }
    http_reply(x, problem->status, "application/problem+json", jsonw_done(&w));
}

void http_defer(struct http_exchange *x)
{
    pthread_mutex_lock(&x->lock);
    x->deferred = true;
    pthread_mutex_unlock(&x->lock);
}

void http_pause(struct http_exchange *x)
{
    pthread_mutex_lock(&x->lock);
    x->paused = true;
    pthread_mutex_unlock(&x->lock);
}

void http_resume(struct http_exchange *x)
{
    pthread_mutex_lock(&x->lock);
    bool was_paused = x->paused;
    x->paused = false;
    if (was_paused && x->suspended) {
        x->suspended = false;
        http_set_deadline(http_connection_of(x), clock_monotonic_us() + x->server->settings.body_deadline_us);
        MHD_resume_connection(x->connection);
    }
    pthread_mutex_unlock(&x->lock);
}

// ---- what a handler sees

struct arena *http_arena(struct http_exchange *x)
{
    return x->arena;
}

const char *http_method(const struct http_exchange *x)
{
    return x->method;
}

const char *http_path(const struct http_exchange *x)
{
    return x->target.path;
}

const char *http_param(const struct http_exchange *x, const char *name)
{
    for (size_t i = 0; x->pattern != NULL && i < x->pattern->count; i++)
        if (x->pattern->is_param[i] && strcmp(x->pattern->segments[i], name) == 0)
            return x->target.segments[i];
    return NULL;
}

const char *http_query(const struct http_exchange *x, const char *name)
{
    for (size_t i = 0; i < x->target.query_count; i++)
        if (strcmp(x->target.query[i].name, name) == 0)
            return x->target.query[i].value;
    return NULL;
}

const char *http_header(const struct http_exchange *x, const char *name)
{
    return MHD_lookup_connection_value(x->connection, MHD_HEADER_KIND, name);
}

struct bytes http_body(const struct http_exchange *x)
{
    return bytes_of(x->body != NULL ? (const void *)x->body : "", x->body_size);
}

void *http_user(const struct http_exchange *x)
{
    return x->user;
}

void http_set_user(struct http_exchange *x, void *user, void (*free_user)(void *user))
{
    x->user = user;
    x->free_user = free_user;
}
