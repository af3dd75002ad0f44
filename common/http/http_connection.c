// Connections, and the watch over their deadlines.
#include "http/http_internal.h"

#include "base/timed_wait.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

// ---- connections and their deadlines

// False: the watch thread has taken it; nothing may be answered any more.
bool http_set_deadline(struct connection *connection, int64_t deadline_us)
{
    if (atomic_exchange(&connection->deadline_us, deadline_us) != EXPIRED)
        return true;
    atomic_store(&connection->deadline_us, EXPIRED);
    return false;
}

struct connection *http_connection_of(struct http_exchange *x)
{
    return (struct connection *)(void *)((char *)x - offsetof(struct connection, x));
}

void http_exchange_clear(struct http_exchange *x)
{
    if (x->free_user != NULL)
        x->free_user(x->user);
    free(x->body);
    if (arena_used(x->arena) > ARENA_KEEP_MAX) {
        arena_free(x->arena);
        x->arena = arena_new(ARENA_BYTES);
    } else {
        arena_reset(x->arena);
    }
    x->connection = NULL;
    x->method = NULL;
    x->raw_target = NULL;
    x->target = (struct http_target){.segment_count = 0};
    x->route = NULL;
    x->pattern = NULL;
    x->body = NULL;
    x->body_size = x->body_capacity = x->received = x->drained = 0;
    x->discard = x->handled = false;
    x->user = NULL;
    x->free_user = NULL;
    x->answer = (struct answer){.status = 0};
    pthread_mutex_lock(&x->lock);
    x->answered = x->deferred = x->paused = x->suspended = false;
    pthread_mutex_unlock(&x->lock);
}

static void connection_started(struct http_server *server, struct MHD_Connection *mhd, void **socket_context)
{
    struct connection *connection = calloc(1, sizeof *connection);
    if (connection == NULL)
        abort();
    connection->server = server;
    connection->fd = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    connection->x.server = server;
    connection->x.arena = arena_new(ARENA_BYTES);
    pthread_mutex_init(&connection->x.lock, NULL);
    atomic_store(&connection->in_request, true);
    atomic_store(&connection->deadline_us, clock_monotonic_us() + server->settings.header_deadline_us);
    pthread_mutex_lock(&server->lock);
    connection->next = server->connections;
    if (server->connections != NULL)
        server->connections->previous = connection;
    server->connections = connection;
    pthread_mutex_unlock(&server->lock);
    *socket_context = connection;
}

static void connection_closed(struct http_server *server, struct connection *connection)
{
    pthread_mutex_lock(&server->lock);
    if (connection->previous != NULL)
        connection->previous->next = connection->next;
    else
        server->connections = connection->next;
    if (connection->next != NULL)
        connection->next->previous = connection->previous;
    pthread_mutex_unlock(&server->lock);
    http_exchange_clear(&connection->x);
    arena_free(connection->x.arena);
    pthread_mutex_destroy(&connection->x.lock);
    free(connection);
}

void http_on_connection(void *self, struct MHD_Connection *mhd, void **socket_context,
                        enum MHD_ConnectionNotificationCode what)
{
    if (what == MHD_CONNECTION_NOTIFY_STARTED)
        connection_started(self, mhd, socket_context);
    else if (*socket_context != NULL)
        connection_closed(self, *socket_context);
}

struct connection *http_connection_get(struct MHD_Connection *mhd)
{
    return MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
}

// Written past libmicrohttpd, which takes no answer while a body is coming in.
void http_send_past(int fd, int status, const char *content_type, struct bytes body)
{
    char head[256];
    int size =
        snprintf(head, sizeof head,
                 "HTTP/1.1 %d %s\r\nConnection: close\r\nContent-Type: %s\r\nContent-Length: %zu\r\n\r\n",
                 status, MHD_get_reason_phrase_for((unsigned)status), content_type, body.size);
    if (size > 0 && (size_t)size < sizeof head &&
        send(fd, head, (size_t)size, MSG_NOSIGNAL | MSG_DONTWAIT) == size)
        (void)!send(fd, body.data, body.size, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static const char overdue_body[] =
    "{\"type\":\"urn:orderclerk:problem:timeout\",\"title\":\"The request took too long\",\"status\":408,"
    "\"detail\":\"header and body must arrive within their deadlines\",\"remedy\":\"send the request "
    "again\"}";

static void end_overdue(struct connection *connection, int64_t now)
{
    int64_t deadline = atomic_load(&connection->deadline_us);
    if (deadline <= 0 || deadline > now)
        return;
    if (!atomic_compare_exchange_strong(&connection->deadline_us, &deadline, EXPIRED))
        return;
    if (atomic_load(&connection->in_request))
        http_send_past(connection->fd, 408, "application/problem+json", bytes_str(overdue_body));
    shutdown(connection->fd, SHUT_RDWR);
}

void *http_watch(void *self)
{
    struct http_server *server = self;
    pthread_mutex_lock(&server->lock);
    while (!server->stop) {
        timed_wait(&server->changed, &server->lock, WATCH_US);
        int64_t now = clock_monotonic_us();
        for (struct connection *c = server->connections; c != NULL; c = c->next)
            end_overdue(c, now);
    }
    pthread_mutex_unlock(&server->lock);
    return NULL;
}
