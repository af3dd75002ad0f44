// Stacks to switch between in one thread: a simulated thread can stop in the middle of any call and go on later, or never.
#pragma once

#include <stdbool.h>

struct fiber;

struct fiber *fiber_new(void (*run)(void *self), void *self);
// Whatever it was about to do never happens; its stack is used again. Not from within itself. NULL is fine.
void fiber_free(struct fiber *fiber);
// Runs it until it yields or ends. From the scheduler only.
void fiber_resume(struct fiber *fiber);
void fiber_yield(void);            // back to the scheduler; from within a fiber
struct fiber *fiber_current(void); // NULL: the scheduler
bool fiber_ended(const struct fiber *fiber);
