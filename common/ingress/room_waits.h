// Who waits until there is room for more, and how long at most. The list's owner guards it with a lock of its own, which is
// not held while those who waited are told.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct room_wait;
struct room_waits {
    struct room_wait *first; // NULL: nobody waits
};

// told is called once, by room_waits_tell. until_us: of the monotonic clock.
void room_waits_add(struct room_waits *waits, int64_t until_us, void (*told)(void *self, bool room),
                    void *self);
// Takes out those whose time is over at now_us, or everybody (all).
struct room_waits room_waits_take(struct room_waits *waits, int64_t now_us, bool all);
void room_waits_tell(struct room_waits taken, bool room);
