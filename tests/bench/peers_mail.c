// A mail server that takes everything and keeps nothing (RFC 5321: EHLO, MAIL, RCPT, DATA, RSET, NOOP, QUIT).
#include "bench/peers.h"

#include <string.h>
#include <strings.h>

// False: the session is over.
static bool take_line(struct peers_session *s, const char *line, size_t size)
{
    static const char ok[] = "250 OK\r\n";
    if (s->in_text) {
        if (size != 1 || line[0] != '.')
            return true;
        s->in_text = false;
        peers_say(s, ok);
        return true;
    }
    if (size >= 4 && strncasecmp(line, "DATA", 4) == 0) {
        s->in_text = true;
        peers_say(s, "354 go on\r\n");
        return true;
    }
    if (size >= 4 && strncasecmp(line, "QUIT", 4) == 0) {
        peers_say(s, "221 bye\r\n");
        return false;
    }
    peers_say(s, size >= 4 && strncasecmp(line, "EHLO", 4) == 0
                     ? "250-bench.example\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n"
                     : ok);
    return true;
}

static bool take_lines(struct peers_session *s)
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
    peers_taken(s, (size_t)(at - s->buffer));
    return true;
}

void *peers_mail(void *listener)
{
    peers_serve(*(const int *)listener, "220 bench.example\r\n", take_lines);
}
