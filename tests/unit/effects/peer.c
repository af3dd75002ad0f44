// A thread accepts, a thread serves each connection; what came in is kept as text.
#include "peer.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CONNECTIONS_MAX 64
#define TEXTS_MAX       256
#define TEXT_SIZE       65536
#define BIG_SIZE        ((size_t)200 * 1024)

struct connection {
    struct peer *peer;
    pthread_t thread;
    int fd;
};

struct peer {
    int listener, port;
    bool smtp;
    const char *greeting;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool released, closing;
    struct connection connections[CONNECTIONS_MAX];
    size_t connection_count;
    char *texts[TEXTS_MAX];
    size_t text_count, under_way, most;
};

static void say(int fd, const char *data, size_t size)
{
    while (size > 0) {
        ssize_t n = send(fd, data, size, MSG_NOSIGNAL);
        if (n <= 0)
            return;
        data += n;
        size -= (size_t)n;
    }
}

static void say_text(int fd, const char *text)
{
    say(fd, text, strlen(text));
}

static void keep(struct peer *peer, const char *text)
{
    pthread_mutex_lock(&peer->lock);
    assert(peer->text_count < TEXTS_MAX);
    peer->texts[peer->text_count++] = strdup(text);
    if (++peer->under_way > peer->most)
        peer->most = peer->under_way;
    pthread_cond_broadcast(&peer->changed);
    pthread_mutex_unlock(&peer->lock);
}

static void done(struct peer *peer)
{
    pthread_mutex_lock(&peer->lock);
    peer->under_way--;
    pthread_mutex_unlock(&peer->lock);
}

// ---- HTTP

// A whole request; false: the connection ended.
static bool read_request(int fd, char text[static TEXT_SIZE])
{
    size_t size = 0;
    for (;;) {
        ssize_t n = recv(fd, text + size, TEXT_SIZE - 1 - size, 0);
        if (n <= 0)
            return false;
        size += (size_t)n;
        text[size] = '\0';
        char *end = strstr(text, "\r\n\r\n");
        if (end == NULL)
            continue;
        char *length = strcasestr(text, "\r\ncontent-length:");
        size_t body = length != NULL && length < end ? strtoul(length + 17, NULL, 10) : 0;
        if (size >= (size_t)(end + 4 - text) + body)
            return true;
    }
}

static void say_status(int fd, const char *status, const char *header, const char *body)
{
    char answer[512];
    snprintf(answer, sizeof answer, "HTTP/1.1 %s x\r\n%sContent-Length: %zu\r\n\r\n%s", status, header,
             strlen(body), body);
    say_text(fd, answer);
}

static void say_big(int fd)
{
    char head[64];
    char *body = malloc(BIG_SIZE);
    assert(body != NULL);
    memset(body, 'b', BIG_SIZE);
    snprintf(head, sizeof head, "HTTP/1.1 200 x\r\nContent-Length: %zu\r\n\r\n", BIG_SIZE);
    say_text(fd, head);
    say(fd, body, BIG_SIZE);
    free(body);
}

static void wait_for_release(struct peer *peer)
{
    pthread_mutex_lock(&peer->lock);
    while (!peer->released && !peer->closing)
        pthread_cond_wait(&peer->changed, &peer->lock);
    pthread_mutex_unlock(&peer->lock);
}

// False: close the connection.
static bool answer_request(struct peer *peer, int fd, const char *text)
{
    char path[64] = "", body[80];
    sscanf(text, "%*15s /%60s", path);
    if (strcmp(path, "drop") == 0)
        return false;
    if (strcmp(path, "cut") == 0) {
        say_text(fd, "HTTP/1.1 200 x\r\nContent-Length: 100\r\n\r\nhalf");
        return false;
    }
    if (strcmp(path, "hang") == 0) {
        wait_for_release(peer);
        say_status(fd, "200", "", "late");
    } else if (strcmp(path, "big") == 0) {
        say_big(fd);
    } else if (strcmp(path, "redirect") == 0) {
        say_status(fd, "302", "Location: /200\r\n", "");
    } else {
        snprintf(body, sizeof body, "said %s", path);
        say_status(fd, path, "", body);
    }
    return true;
}

static void serve_http(struct peer *peer, int fd)
{
    char *text = malloc(TEXT_SIZE);
    assert(text != NULL);
    for (bool more = true; more && read_request(fd, text);) {
        keep(peer, text);
        more = answer_request(peer, fd, text);
        done(peer);
    }
    free(text);
}

// ---- SMTP (RFC 5321, as much as a client needs)

static const char *answer_line(const char *line, bool *in_data, const char **after_data)
{
    if (*in_data) {
        if (strcmp(line, ".\r\n") != 0)
            return NULL;
        *in_data = false;
        return *after_data;
    }
    if (strncasecmp(line, "RCPT", 4) == 0) {
        if (strstr(line, "<550@") != NULL)
            return "550 no such user\r\n";
        if (strstr(line, "<450@") != NULL)
            return "450 later\r\n";
        if (strstr(line, "<554-data@") != NULL)
            *after_data = "554 no spam\r\n";
        return "250 ok\r\n";
    }
    if (strncasecmp(line, "DATA", 4) == 0) {
        *in_data = true;
        return "354 go\r\n";
    }
    return strncasecmp(line, "QUIT", 4) == 0 ? "221 bye\r\n" : "250 ok\r\n";
}

static void serve_smtp(struct peer *peer, int fd)
{
    char *text = calloc(1, TEXT_SIZE), line[1024];
    assert(text != NULL);
    bool in_data = false, held = false;
    const char *after_data = "250 taken\r\n";
    FILE *in = fdopen(dup(fd), "r");
    assert(in != NULL);
    say_text(fd, peer->greeting);
    say_text(fd, "\r\n");
    while (fgets(line, sizeof line, in) != NULL) {
        bool was_data = in_data;
        if (strlen(text) + strlen(line) < TEXT_SIZE)
            strcat(text, line);
        if (strncasecmp(line, "DATA", 4) != 0 && was_data && strcmp(line, ".\r\n") == 0) {
            keep(peer, text);
            done(peer);
            text[0] = '\0';
        }
        const char *answer = answer_line(line, &in_data, &after_data);
        if (!was_data && in_data && strstr(text, "RCPT TO:<held@") != NULL) {
            held = true;
            keep(peer, "held");
            done(peer);
            wait_for_release(peer);
        }
        if (answer != NULL)
            say_text(fd, answer);
    }
    if (held) {
        keep(peer, "gone");
        done(peer);
    }
    fclose(in);
    free(text);
}

// ---- the peer

static void *serve(void *self)
{
    struct connection *c = self;
    if (c->peer->smtp)
        serve_smtp(c->peer, c->fd);
    else
        serve_http(c->peer, c->fd);
    shutdown(c->fd, SHUT_RDWR);
    return NULL;
}

static void *accept_all(void *self)
{
    struct peer *peer = self;
    for (;;) {
        int fd = accept(peer->listener, NULL, NULL);
        if (fd < 0)
            return NULL;
        pthread_mutex_lock(&peer->lock);
        assert(peer->connection_count < CONNECTIONS_MAX);
        struct connection *c = &peer->connections[peer->connection_count++];
        *c = (struct connection){.peer = peer, .fd = fd};
        int failed = pthread_create(&c->thread, NULL, serve, c);
        assert(failed == 0);
        pthread_mutex_unlock(&peer->lock);
    }
}

static struct peer *open_peer(bool smtp, const char *greeting)
{
    struct peer *peer = calloc(1, sizeof *peer);
    assert(peer != NULL);
    peer->smtp = smtp;
    peer->greeting = greeting;
    pthread_mutex_init(&peer->lock, NULL);
    pthread_cond_init(&peer->changed, NULL);
    peer->listener = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof address;
    int failed = bind(peer->listener, (struct sockaddr *)&address, sizeof address);
    failed |= listen(peer->listener, 64);
    failed |= getsockname(peer->listener, (struct sockaddr *)&address, &size);
    failed |= pthread_create(&peer->thread, NULL, accept_all, peer);
    assert(failed == 0);
    peer->port = ntohs(address.sin_port);
    return peer;
}

struct peer *peer_http(void)
{
    return open_peer(false, "");
}

struct peer *peer_smtp(const char *greeting)
{
    return open_peer(true, greeting);
}

void peer_close(struct peer *peer)
{
    shutdown(peer->listener, SHUT_RDWR);
    pthread_join(peer->thread, NULL);
    close(peer->listener);
    pthread_mutex_lock(&peer->lock);
    peer->closing = true;
    pthread_cond_broadcast(&peer->changed);
    pthread_mutex_unlock(&peer->lock);
    for (size_t i = 0; i < peer->connection_count; i++) {
        shutdown(peer->connections[i].fd, SHUT_RDWR);
        pthread_join(peer->connections[i].thread, NULL);
        close(peer->connections[i].fd);
    }
    for (size_t i = 0; i < peer->text_count; i++)
        free(peer->texts[i]);
    pthread_cond_destroy(&peer->changed);
    pthread_mutex_destroy(&peer->lock);
    free(peer);
}

int peer_port(const struct peer *peer)
{
    return peer->port;
}

void peer_release(struct peer *peer)
{
    pthread_mutex_lock(&peer->lock);
    peer->released = true;
    pthread_cond_broadcast(&peer->changed);
    pthread_mutex_unlock(&peer->lock);
}

void peer_wait(struct peer *peer, size_t count)
{
    struct timespec end;
    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += 60;
    pthread_mutex_lock(&peer->lock);
    while (peer->text_count < count) {
        int late = pthread_cond_timedwait(&peer->changed, &peer->lock, &end);
        assert(late == 0);
    }
    pthread_mutex_unlock(&peer->lock);
}

size_t peer_count(struct peer *peer)
{
    pthread_mutex_lock(&peer->lock);
    size_t count = peer->text_count;
    pthread_mutex_unlock(&peer->lock);
    return count;
}

size_t peer_most(struct peer *peer)
{
    pthread_mutex_lock(&peer->lock);
    size_t most = peer->most;
    pthread_mutex_unlock(&peer->lock);
    return most;
}

const char *peer_text(struct peer *peer, size_t i)
{
    pthread_mutex_lock(&peer->lock);
    assert(i < peer->text_count);
    const char *text = peer->texts[i];
    pthread_mutex_unlock(&peer->lock);
    return text;
}
