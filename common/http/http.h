// A small HTTP server: routes, bounded bodies, problem documents (RFC 9457). libmicrohttpd underneath, known in this folder only.
//
// Handlers run on the server's threads (HTTP_THREADS of them, epoll); they must not block for long: what waits for a commit
// is deferred and answered from another thread. Limits: header block 16 KiB, body per route, absolute deadlines for header
// and body, connections in all and per address. Answers carry `content-length`; errors are application/problem+json.
#pragma once

#include "base/arena.h"
#include "base/bytes.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct http_exchange; // one request and its answer; gone once answered
struct http_server;

struct http_route {
    const char *method; // "GET", "POST" …
    const char *path;   // "/v1/orders/{id}/requests"; a segment in braces is a parameter
    void (*handle)(void *context,
                   struct http_exchange *x); // whole body read (or, with `chunk`, after the last chunk)
    // Not NULL: the body is streamed: called for each piece; returning false stops reading (the handler has answered or
    // deferred): `handle` isn't called then. `handle` isn't called either when the client goes away: free_user is.
    bool (*chunk)(void *context, struct http_exchange *x, struct bytes piece);
    size_t body_max;           // bytes; 0: no body allowed; larger: 413
    const char *content_types; // accepted, blank-separated ("application/json"); NULL: any; others: 415
};

struct http_settings {
    const char *listen; // "127.0.0.1:8080"; port 0: a free one
    int32_t threads;
    int32_t connections;
    int32_t connections_per_address;
    int64_t header_deadline_us;
    int64_t body_deadline_us; // streamed bodies: of inactivity
    int64_t close_wait_us;    // how long http_close waits for deferred answers; 0: 15 s
    // Asked with each request's route when its header is in order; false: it has answered. NULL: every request is taken.
    bool (*admit)(void *context, const struct http_route *route, struct http_exchange *x);
};

struct err http_open(const struct http_settings *settings, const struct http_route *routes,
                     size_t route_count, void *context, struct http_server **ret_server) ERR_MUST_CHECK;
int http_port(const struct http_server *server);
void http_stop_accepting(
    struct http_server *server); // answers what is under way; new connections are refused
// Waits for handlers and deferred answers (close_wait_us); what is unanswered then gets 503, and whoever would have answered it
// must have ended: no exchange is there afterwards.
void http_close(struct http_server *server);

// ---- what a handler sees
struct arena *http_arena(struct http_exchange *x); // lives as long as the exchange
const char *http_method(const struct http_exchange *x);
const char *http_path(const struct http_exchange *x);
const char *http_param(const struct http_exchange *x,
                       const char *name); // path parameter, percent-decoded; NULL: none
const char *http_query(const struct http_exchange *x,
                       const char *name); // query parameter, decoded; NULL: none
const char *http_header(const struct http_exchange *x, const char *name); // NULL: none
struct bytes http_body(const struct http_exchange *x);
void *http_user(const struct http_exchange *x); // the handler's own pointer …
void http_set_user(struct http_exchange *x, void *user,
                   void (*free_user)(void *user)); // … freed with the exchange

// ---- answering: exactly once
void http_add_header(struct http_exchange *x, const char *name, const char *value); // before answering
void http_reply(struct http_exchange *x, int status, const char *content_type,
                struct bytes body); // body is copied
void http_reply_json(struct http_exchange *x, int status, const char *json);

// An error that names the field and what would be right. type: a short code (becomes "urn:orderclerk:problem:<type>");
// field NULL: none. Retry-After is added to 429 and 503 when retry_after_s > 0.
struct http_problem {
    int status;
    const char *type;
    const char *title;
    const char *detail;
    const char *field;
    const char *remedy;
    int retry_after_s;
    const char *extra_json; // members added to the document: "\"allowed\":[…]"; NULL: none
};
void http_reply_problem(struct http_exchange *x, const struct http_problem *problem);

// The handler returns without an answer; any thread answers later with the functions above. No other thread may touch x
// between answering and the end.
void http_defer(struct http_exchange *x);

// From `chunk`: no more pieces until http_resume (any thread; not after the exchange has gone: see free_user).
void http_pause(struct http_exchange *x);
void http_resume(struct http_exchange *x);
