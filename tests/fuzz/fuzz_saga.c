// The saga under random walks: the input chooses every step; what must always hold is asserted by tests/saga after each.
#include "fuzz/fuzz.h"
#include "saga/walk.h"

struct choices {
    struct fuzz_source bytes;
    uint32_t after; // the end: choices go on changing, for a walk may choose until something fits
};

static uint32_t next(void *self, uint32_t bound)
{
    struct choices *choices = self;
    return fuzz_more(&choices->bytes) ? fuzz_below(&choices->bytes, bound) : choices->after++ % bound;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct choices choices = {.bytes = fuzz_source_of(data, size)};
    struct walk_source source = {.next = next, .self = &choices};
    struct life *life = life_new();
    walk_order(life, &source);
    life_submit(life);
    for (int i = 0;
         i < WALK_STEPS_MAX && fuzz_more(&choices.bytes) && life->command_count < LIFE_SENT_MAX / 2; i++)
        walk_step(life, &source);
    walk_finish(life);
    life_free(life);
    return 0;
}
