// A warehouse that refuses every release: 422 to each HTTP request, on connections that are kept.
#include "bench/peers.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char refusal[] = "HTTP/1.1 422 Unprocessable Content\r\n"
                              "Content-Type: application/problem+json\r\n"
                              "Content-Length: 31\r\n"
                              "\r\n"
                              "{\"title\":\"closed for counting\"}";

// The body's size, from a head that ends with an empty line.
static size_t body_size(const char *head, size_t size)
{
    static const char name[] = "\r\ncontent-length:";
    for (size_t i = 0; i + sizeof name <= size; i++)
        if (strncasecmp(head + i, name, sizeof name - 1) == 0)
            return strtoul(head + i + sizeof name - 1, NULL, 10);
    return 0;
}

static bool take_requests(struct peers_session *s)
{
    for (;;) {
        const char *end = memmem(s->buffer, s->size, "\r\n\r\n", 4);
        if (end == NULL)
            return true;
        size_t head = (size_t)(end - s->buffer) + 4;
        size_t size = head + body_size(s->buffer, head);
        if (size > sizeof s->buffer)
            return false;
        if (size > s->size)
            return true; // the rest is on its way
        peers_say(s, refusal);
        peers_taken(s, size);
    }
}

void *peers_warehouse(void *listener)
{
    peers_serve(*(const int *)listener, "", take_requests);
}
