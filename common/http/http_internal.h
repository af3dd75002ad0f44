// What the files of common/http share. libmicrohttpd is known in this folder only.
//
// libmicrohttpd calls everything of one connection from one thread, except while the connection is suspended; the answering
// thread and that one meet at exchange.lock. A watch thread ends connections whose header or body is overdue: it takes the
// deadline away by compare-and-swap, so that only one of the two sides answers.
#pragma once

#include "base/clock.h"
#include "http/http.h"
#include "http/http_target.h"

#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>

#define HEADER_MAX ((size_t)16 * 1024) // of one request
#define CONNECTION_BYTES                                                                                     \
    ((size_t)32 * 1024) // libmicrohttpd's per connection: the header block and as much again
#define DRAIN_MAX           ((size_t)1024 * 1024) // of a refused body, read so that the client sees the answer
#define IDLE_US             (60 * INSTANT_SECOND) // a kept-alive connection without a request
#define WRITE_STALL_SECONDS 60                    // a client that doesn't take its answer
#define WATCH_US            (100 * INSTANT_MS)
#define CLOSE_WAIT_US       (15 * INSTANT_SECOND) // longer than ingress takes to commit or to give up
#define FLUSH_WAIT_US       (1 * INSTANT_SECOND)  // for the last answers to be written
#define ARENA_BYTES         ((size_t)4096)
#define ARENA_KEEP_MAX      ((size_t)64 * 1024) // a larger arena is given back after its request
#define ANSWER_HEADERS_MAX  8
#define LISTEN_BACKLOG      1024

#define NO_DEADLINE 0
#define EXPIRED     (-1)

struct answer {
    int status;
    const char *content_type;
    struct bytes body;
    struct http_pair headers[ANSWER_HEADERS_MAX];
    size_t header_count;
};

struct http_exchange {
    struct http_server *server;
    struct MHD_Connection *connection;
    const char *method;
    struct arena *arena;
    const char *raw_target;
    struct http_target target;
    const struct http_route *route;
    const struct http_pattern *pattern;

    uint8_t *body;
    size_t body_size;
    size_t body_capacity;
    size_t received;
    size_t drained;
    bool discard; // the answer stands already: what still comes is dropped
    bool handled;

    void *user;
    void (*free_user)(void *user);

    pthread_mutex_t lock;
    struct answer answer;
    bool answered; // below: under lock
    bool deferred;
    bool paused;
    bool suspended; // libmicrohttpd doesn't touch the connection until it is resumed
};

struct connection {
    struct http_server *server;
    struct connection *previous, *next;
    int fd;
    _Atomic int64_t deadline_us; // monotonic; NO_DEADLINE, EXPIRED
    atomic_bool in_request;
    struct http_exchange x;
};

struct http_server {
    struct MHD_Daemon *daemon;
    struct http_settings settings;
    const struct http_route *routes;
    struct http_pattern *patterns;
    size_t route_count;
    void *context;
    int listen_fd;
    int port;
    atomic_bool stopping;
    atomic_int in_flight;

    pthread_t watcher;
    bool watching;
    pthread_mutex_t lock; // connections and stop
    pthread_cond_t changed;
    bool stop;
    struct connection *connections;
};

// ---- http_connection.c
// False: the watch thread has taken it; nothing may be answered any more.
bool http_set_deadline(struct connection *connection, int64_t deadline_us);
struct connection *http_connection_of(struct http_exchange *x);
struct connection *http_connection_get(struct MHD_Connection *mhd);
void http_exchange_clear(struct http_exchange *x);
void http_on_connection(void *self, struct MHD_Connection *mhd, void **socket_context,
                        enum MHD_ConnectionNotificationCode what);
// Written past libmicrohttpd, which takes no answer while a body is coming in.
void http_send_past(int fd, int status, const char *content_type, struct bytes body);
void *http_watch(void *server);

// ---- http_request.c
enum MHD_Result http_on_request(void *self, struct MHD_Connection *mhd, const char *url, const char *method,
                                const char *version, const char *data, size_t *size, void **request_context);
void *http_on_target(void *self, const char *target, struct MHD_Connection *mhd);
void http_on_completed(void *self, struct MHD_Connection *mhd, void **request_context,
                       enum MHD_RequestTerminationCode how);

// ---- http_answer.c
enum MHD_Result http_queue_answer(struct http_exchange *x);
void http_answer_problem(struct http_exchange *x, int status, const char *type, const char *title,
                         const char *detail, const char *remedy);
