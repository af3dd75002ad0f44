// Random walks of an order: choices become inputs, likely and unlikely, in any order; life_check asserts after each what must
// always hold.
//
// Our own services answer in the order in which they were asked (their topics are sequenced); departments, customers,
// operators and carriers say anything at any time. At the end everybody answers, an operator helps, and the order must end.
#pragma once

#include "life.h"

#define WALK_STEPS_MAX 120

struct walk_source {
    uint32_t (*next)(void *self, uint32_t bound); // a choice below bound
    void *self;
};

void walk_order(struct life *life, struct walk_source *source); // what will be ordered, and from whom
void walk_step(struct life *life, struct walk_source *source);  // after life_submit
void walk_finish(struct life *life);                            // asserts that it ends, and ends well
