// Sessions of a small server: read until there is something whole.
#include "bench/peers.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SESSIONS_MAX 64

void peers_say(struct peers_session *session, const char *text)
{
    // A peer that doesn't read its answers isn't worth waiting for.
    if (send(session->fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
        session->size = 0;
}

void peers_taken(struct peers_session *session, size_t size)
{
    session->size -= size < session->size ? size : session->size;
    memmove(session->buffer, session->buffer + size, session->size);
}

static bool read_more(struct peers_session *s, peers_take *take)
{
    ssize_t got = read(s->fd, s->buffer + s->size, sizeof s->buffer - s->size);
    if (got < 0 && (errno == EINTR || errno == EAGAIN))
        return true;
    if (got <= 0)
        return false;
    s->size += (size_t)got;
    return take(s) && s->size < sizeof s->buffer; // full: something without an end
}

void peers_serve(int listener, const char *greeting, peers_take *take)
{
    struct peers_session *sessions = calloc(SESSIONS_MAX, sizeof *sessions);
    if (sessions == NULL)
        peers_fail("server", "out of memory");
    size_t count = 0;
    for (;;) {
        struct pollfd fds[SESSIONS_MAX + 1] = {
            {.fd = count < SESSIONS_MAX ? listener : -1, .events = POLLIN}};
        for (size_t i = 0; i < count; i++)
            fds[i + 1] = (struct pollfd){.fd = sessions[i].fd, .events = POLLIN};
        if (poll(fds, (nfds_t)count + 1, -1) < 0 && errno != EINTR)
            peers_fail("poll", strerror(errno));
        for (size_t i = count; i-- > 0;) {
            if (fds[i + 1].revents == 0 || read_more(&sessions[i], take))
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
        sessions[count] = (struct peers_session){.fd = fd};
        peers_say(&sessions[count++], greeting);
    }
}
