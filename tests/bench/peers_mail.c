// A mail server that takes everything and keeps nothing (RFC 5321: EHLO, MAIL, RCPT, DATA, RSET, NOOP, QUIT).
#include "bench/peers.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define SESSIONS_MAX 64
#define BUFFER_MAX   65536

struct session {
    int fd;
    bool data; // between DATA and the line with a dot
    size_t size;
    char buffer[BUFFER_MAX]; // what has come and isn't a whole line yet
};

static _Atomic uint64_t mails;

uint64_t peers_mails(void)
{
    return atomic_load(&mails);
}

static void say(struct session *s, const char *text)
{
    // A peer that doesn't read its answers isn't worth waiting for.
    if (send(s->fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
        s->size = 0;
}

// False: the session is over.
static bool take_line(struct session *s, const char *line, size_t size)
{
    static const char ok[] = "250 OK\r\n";
    if (s->data) {
        if (size != 1 || line[0] != '.')
            return true;
        s->data = false;
        atomic_fetch_add(&mails, 1);
        say(s, ok);
        return true;
    }
    if (size >= 4 && strncasecmp(line, "DATA", 4) == 0) {
        s->data = true;
        say(s, "354 go on\r\n");
        return true;
    }
    if (size >= 4 && strncasecmp(line, "QUIT", 4) == 0) {
        say(s, "221 bye\r\n");
        return false;
    }
    say(s, size >= 4 && strncasecmp(line, "EHLO", 4) == 0
               ? "250-bench.example\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n"
               : ok);
    return true;
}

static bool take_lines(struct session *s)
{
    char *at = s->buffer;
    char *const end = s->buffer + s->size;
    for (char *eol; at < end && (eol = memchr(at, '\n', (size_t)(end - at))) != NULL; at = eol + 1) {
        size_t size = (size_t)(eol - at);
        if (size > 0 && at[size - 1] == '\r')
            size--;
        if (!take_line(s, at, size))
            return false;
    }
    s->size = (size_t)(end - at);
    memmove(s->buffer, at, s->size);
    return s->size < sizeof s->buffer; // else a line without an end
}

static bool read_more(struct session *s)
{
    ssize_t got = read(s->fd, s->buffer + s->size, sizeof s->buffer - s->size);
    if (got < 0 && (errno == EINTR || errno == EAGAIN))
        return true;
    if (got <= 0)
        return false;
    s->size += (size_t)got;
    return take_lines(s);
}

void *peers_mail(void *self)
{
    const int listener = *(const int *)self;
    struct session *sessions = calloc(SESSIONS_MAX, sizeof *sessions);
    if (sessions == NULL)
        peers_fail("mail", "out of memory");
    size_t count = 0;
    for (;;) {
        struct pollfd fds[SESSIONS_MAX + 1] = {
            {.fd = count < SESSIONS_MAX ? listener : -1, .events = POLLIN}};
        for (size_t i = 0; i < count; i++)
            fds[i + 1] = (struct pollfd){.fd = sessions[i].fd, .events = POLLIN};
        if (poll(fds, (nfds_t)count + 1, -1) < 0 && errno != EINTR)
            peers_fail("poll", strerror(errno));
        for (size_t i = count; i-- > 0;) {
            if (fds[i + 1].revents == 0 || read_more(&sessions[i]))
                continue;
            close(sessions[i].fd);
            if (i != --count)
                memcpy(&sessions[i], &sessions[count], sizeof sessions[i]);
        }
        if ((fds[0].revents & POLLIN) == 0)
            continue;
        int fd = accept(listener, NULL, NULL);
        if (fd < 0)
            continue;
        sessions[count] = (struct session){.fd = fd};
        say(&sessions[count++], "220 bench.example\r\n");
    }
}
