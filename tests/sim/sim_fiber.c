// Fibers over ucontext. AddressSanitizer is told of every switch, or it takes one stack for another.
#include "sim/sim_fiber.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SIM_ASAN 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define SIM_ASAN 1
#endif
#ifdef SIM_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

#define STACK_SIZE ((size_t)512 * 1024) // a lane's deepest calls keep a few tens of KiB; the sanitizers more

struct fiber {
    ucontext_t context;
    void (*run)(void *self);
    void *self;
    void *stack;
    bool ended;
    struct fiber *next; // in the pool
#ifdef SIM_ASAN
    void *fake_stack;
#endif
};

static struct fiber *pool;
static struct fiber *current;
static ucontext_t scheduler;
#ifdef SIM_ASAN
static void *scheduler_fake_stack;
static const void *scheduler_bottom;
static size_t scheduler_size;
#endif

static void enter(void)
{
    struct fiber *f = current;
#ifdef SIM_ASAN
    __sanitizer_finish_switch_fiber(NULL, &scheduler_bottom, &scheduler_size);
#endif
    f->run(f->self);
    f->ended = true;
    fiber_yield();
    abort(); // nobody resumes what has ended
}

struct fiber *fiber_new(void (*run)(void *self), void *self)
{
    struct fiber *f = pool;
    if (f != NULL) {
        pool = f->next;
    } else {
        f = calloc(1, sizeof *f);
        assert(f != NULL);
        f->stack = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        assert(f->stack != MAP_FAILED);
    }
#ifdef SIM_ASAN
    __asan_unpoison_memory_region(f->stack, STACK_SIZE);
    f->fake_stack = NULL;
#endif
    f->run = run;
    f->self = self;
    f->ended = false;
    f->next = NULL;
    getcontext(&f->context);
    f->context.uc_stack.ss_sp = f->stack;
    f->context.uc_stack.ss_size = STACK_SIZE;
    f->context.uc_link = NULL;
    makecontext(&f->context, enter, 0);
    return f;
}

void fiber_free(struct fiber *fiber)
{
    if (fiber == NULL)
        return;
    assert(fiber != current);
    fiber->next = pool;
    pool = fiber;
}

void fiber_resume(struct fiber *fiber)
{
    assert(current == NULL && !fiber->ended);
    current = fiber;
#ifdef SIM_ASAN
    __sanitizer_start_switch_fiber(&scheduler_fake_stack, fiber->stack, STACK_SIZE);
#endif
    swapcontext(&scheduler, &fiber->context);
#ifdef SIM_ASAN
    __sanitizer_finish_switch_fiber(scheduler_fake_stack, NULL, NULL);
#endif
    current = NULL;
}

void fiber_yield(void)
{
    struct fiber *f = current;
    assert(f != NULL);
#ifdef SIM_ASAN
    __sanitizer_start_switch_fiber(&f->fake_stack, scheduler_bottom, scheduler_size);
#endif
    swapcontext(&f->context, &scheduler);
#ifdef SIM_ASAN
    __sanitizer_finish_switch_fiber(f->fake_stack, &scheduler_bottom, &scheduler_size);
#endif
}

struct fiber *fiber_current(void)
{
    return current;
}

bool fiber_ended(const struct fiber *fiber)
{
    return fiber->ended;
}
