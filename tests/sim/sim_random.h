// Numbers from a seed: splitmix64, one stream for each purpose, so that leaving an order or a fault out changes no other.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct sim_random {
    uint64_t state;
};

static inline uint64_t sim_next(struct sim_random *random)
{
    uint64_t z = (random->state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static inline uint32_t sim_below(struct sim_random *random, uint32_t bound) // bound > 0
{
    return (uint32_t)((sim_next(random) >> 32) * bound >> 32);
}

static inline bool sim_chance(struct sim_random *random, uint32_t percent)
{
    return sim_below(random, 100) < percent;
}

// A stream of its own for the nth thing of a kind.
static inline struct sim_random sim_stream(uint64_t seed, uint64_t kind, uint64_t n)
{
    struct sim_random random = {seed * UINT64_C(0xd1342543de82ef95) ^ kind << 32 ^ n};
    (void)sim_next(&random);
    random.state = sim_next(&random);
    return random;
}
