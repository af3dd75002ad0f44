// A list of those who wait for room.
#include "ingress/room_waits.h"

#include <stddef.h>
#include <stdlib.h>

struct room_wait {
    struct room_wait *next;
    int64_t until_us;
    void (*told)(void *self, bool room);
    void *self;
};

void room_waits_add(struct room_waits *waits, int64_t until_us, void (*told)(void *self, bool room),
                    void *self)
{
    struct room_wait *wait = malloc(sizeof *wait);
    if (wait == NULL)
        abort();
    *wait = (struct room_wait){.next = waits->first, .until_us = until_us, .told = told, .self = self};
    waits->first = wait;
}

struct room_waits room_waits_take(struct room_waits *waits, int64_t now_us, bool all)
{
    struct room_waits taken = {.first = NULL};
    for (struct room_wait **at = &waits->first; *at != NULL;) {
        struct room_wait *wait = *at;
        if (!all && now_us < wait->until_us) {
            at = &wait->next;
            continue;
        }
        *at = wait->next;
        wait->next = taken.first;
        taken.first = wait;
    }
    return taken;
}

void room_waits_tell(struct room_waits taken, bool room)
{
    while (taken.first != NULL) {
        struct room_wait *wait = taken.first;
        taken.first = wait->next;
        wait->told(wait->self, room);
        free(wait);
    }
}
