// Opening and closing the server.
#include "http/http_internal.h"

#include "base/timed_wait.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

// "host:port", "[v6]:port", ":port" or "*:port" (every address).
static bool split_address(const char *listen, char host[static 256], char port[static 8])
{
    const char *colon = strrchr(listen, ':');
    if (colon == NULL || strlen(colon + 1) == 0 || strlen(colon + 1) > 5 || colon - listen > 255)
        return false;
    if (colon[1 + strspn(colon + 1, "0123456789")] != '\0')
        return false;
    size_t size = (size_t)(colon - listen);
    const char *from = listen;
    if (size >= 2 && from[0] == '[' && from[size - 1] == ']') {
        from++;
        size -= 2;
    }
    snprintf(host, 256, "%.*s", (int)size, from);
    snprintf(port, 8, "%s", colon + 1);
    return true;
}

static int listen_at(const struct addrinfo *address)
{
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    int one = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, address->ai_addr, address->ai_addrlen) == 0 && listen(fd, LISTEN_BACKLOG) == 0)
        return fd;
    int saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

static struct err open_listener(const char *listen, int *ret_fd, int *ret_port)
{
    char host[256], port[8];
    if (!split_address(listen, host, port))
        return err_make(ERR_CONFIG, "listen address \"%s\": write host:port, e.g. 127.0.0.1:8080", listen);
    bool any = host[0] == '\0' || strcmp(host, "*") == 0;
    struct addrinfo hints = {.ai_family = any ? AF_INET : AF_UNSPEC,
                             .ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *addresses = NULL;
    int failed = getaddrinfo(any ? NULL : host, port, &hints, &addresses);
    if (failed != 0)
        return err_make(ERR_CONFIG, "listen address \"%s\": %s", listen, gai_strerror(failed));
    int fd = -1;
    for (const struct addrinfo *a = addresses; a != NULL && fd < 0; a = a->ai_next)
        fd = listen_at(a);
    struct err e =
        fd < 0 ? err_make(ERR_CONFIG, "listen address \"%s\": %s", listen, strerror(errno)) : err_ok();
    freeaddrinfo(addresses);
    if (err_is(&e))
        return e;
    struct sockaddr_storage bound;
    socklen_t size = sizeof bound;
    char number[8] = "0";
    getsockname(fd, (struct sockaddr *)&bound, &size);
    getnameinfo((struct sockaddr *)&bound, size, NULL, 0, number, sizeof number, NI_NUMERICSERV);
    *ret_fd = fd;
    *ret_port = (int)strtol(number, NULL, 10);
    return err_ok();
}

static void keep_quiet(void *self, const char *format, va_list args)
{
    (void)self;
    (void)format;
    (void)args;
}

static struct MHD_Daemon *start_daemon(struct http_server *server)
{
    const struct http_settings *s = &server->settings;
    return MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC | MHD_USE_ERROR_LOG, 0, NULL,
        NULL, http_on_request, server, MHD_OPTION_EXTERNAL_LOGGER, keep_quiet, NULL, MHD_OPTION_LISTEN_SOCKET,
        server->listen_fd, MHD_OPTION_THREAD_POOL_SIZE, (unsigned)s->threads, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)s->connections, MHD_OPTION_PER_IP_CONNECTION_LIMIT, (unsigned)s->connections_per_address,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)WRITE_STALL_SECONDS, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        CONNECTION_BYTES, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_NOTIFY_CONNECTION, http_on_connection,
        server, MHD_OPTION_NOTIFY_COMPLETED, http_on_completed, server, MHD_OPTION_URI_LOG_CALLBACK,
        http_on_target, server, MHD_OPTION_END);
}

static void server_free(struct http_server *server)
{
    pthread_mutex_destroy(&server->lock);
    pthread_cond_destroy(&server->changed);
    if (server->listen_fd >= 0)
        close(server->listen_fd);
    free(server->patterns);
    free(server);
}

static struct http_server *server_new(const struct http_settings *settings, const struct http_route *routes,
                                      size_t route_count, void *context)
{
    struct http_server *server = calloc(1, sizeof *server);
    if (server == NULL)
        abort();
    server->patterns = calloc(route_count, sizeof *server->patterns);
    if (server->patterns == NULL && route_count > 0)
        abort();
    server->settings = *settings;
    server->routes = routes;
    server->route_count = route_count;
    server->context = context;
    server->listen_fd = -1;
    pthread_mutex_init(&server->lock, NULL);
    timed_wait_init(&server->changed);
    return server;
}

struct err http_open(const struct http_settings *settings, const struct http_route *routes,
                     size_t route_count, void *context, struct http_server **ret_server)
{
    struct http_server *server = server_new(settings, routes, route_count, context);
    for (size_t i = 0; i < route_count; i++) {
        if (!http_pattern_make(routes[i].path, &server->patterns[i])) {
            server_free(server);
            return err_make(ERR_CONFIG, "route \"%s\": starts with / and has at most %d segments",
                            routes[i].path, HTTP_SEGMENTS_MAX);
        }
    }
    struct err e = open_listener(settings->listen, &server->listen_fd, &server->port);
    if (!err_is(&e) && pthread_create(&server->watcher, NULL, http_watch, server) != 0)
        e = err_make(ERR_RETRY, "no thread for the HTTP server");
    else if (!err_is(&e))
        server->watching = true;
    if (!err_is(&e)) {
        server->daemon = start_daemon(server);
        if (server->daemon == NULL)
            e = err_make(ERR_CONFIG, "HTTP server at \"%s\" can't start", settings->listen);
    }
    if (err_is(&e)) {
        http_close(server);
        return e;
    }
    *ret_server = server;
    return err_ok();
}

int http_port(const struct http_server *server)
{
    return server->port;
}

void http_stop_accepting(struct http_server *server)
{
    if (server->daemon == NULL || atomic_exchange(&server->stopping, true))
        return;
    MHD_quiesce_daemon(server->daemon);
    shutdown(server->listen_fd, SHUT_RDWR); // what the kernel would still take in is refused
}

// Under server->lock. Gives whoever still waits its 503.
static void end_waiting(struct http_server *server)
{
    for (struct connection *c = server->connections; c != NULL; c = c->next) {
        pthread_mutex_lock(&c->x.lock);
        bool unanswered = c->x.suspended && c->x.deferred && !c->x.answered;
        pthread_mutex_unlock(&c->x.lock);
        if (unanswered)
            http_reply_problem(&c->x, &(struct http_problem){.status = 503,
                                                             .type = "stopping",
                                                             .title = "The server is stopping",
                                                             .remedy = "send the request again",
                                                             .retry_after_s = 1});
    }
}

// Under server->lock. Requests whose body is still coming end without an answer.
static void end_uploads(struct http_server *server)
{
    for (struct connection *c = server->connections; c != NULL; c = c->next) {
        pthread_mutex_lock(&c->x.lock);
        bool paused = c->x.suspended && c->x.paused && !c->x.deferred;
        pthread_mutex_unlock(&c->x.lock);
        bool reading = atomic_load(&c->deadline_us) > 0; // header, body, or idle
        if (paused || reading)
            shutdown(c->fd, SHUT_RDWR);
        if (paused)
            http_resume(&c->x);
    }
}

static void end_all(struct http_server *server)
{
    int64_t wait_us = server->settings.close_wait_us > 0 ? server->settings.close_wait_us : CLOSE_WAIT_US;
    int64_t patient_until = clock_monotonic_us() + wait_us, until = patient_until + FLUSH_WAIT_US;
    pthread_mutex_lock(&server->lock);
    while (atomic_load(&server->in_flight) > 0 && clock_monotonic_us() < until) {
        end_uploads(server);
        if (clock_monotonic_us() > patient_until)
            end_waiting(server);
        timed_wait(&server->changed, &server->lock, 10 * INSTANT_MS);
    }
    end_waiting(server);
    for (struct connection *c = server->connections; c != NULL; c = c->next)
        shutdown(c->fd, SHUT_RDWR);
    pthread_mutex_unlock(&server->lock);
}

void http_close(struct http_server *server)
{
    if (server == NULL)
        return;
    if (server->daemon != NULL) {
        http_stop_accepting(server);
        end_all(server);
        MHD_stop_daemon(server->daemon);
    }
    if (server->watching) {
        pthread_mutex_lock(&server->lock);
        server->stop = true;
        pthread_cond_signal(&server->changed);
        pthread_mutex_unlock(&server->lock);
        pthread_join(server->watcher, NULL);
    }
    server_free(server);
}
