// Fibers over ucontext. AddressSanitizer is told of every switch, or it takes one stack for another; without it, all switches but
// a fiber's first are jumps, which cost no call of the kernel.
#undef _FORTIFY_SOURCE // its check of longjmp knows one stack only
#include "sim/sim_fiber.h"

#include <assert.h>
#include <setjmp.h>
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
#else
    jmp_buf at; // where it has yielded
    bool begun;
#endif
};

static struct fiber *pool;
static struct fiber *current;
#ifndef SIM_ASAN
static jmp_buf scheduler;
#else
static ucontext_t scheduler;
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
#else
    f->begun = false;
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

#ifdef SIM_ASAN

void fiber_resume(struct fiber *fiber)
{
    assert(current == NULL && !fiber->ended);
    current = fiber;
    __sanitizer_start_switch_fiber(&scheduler_fake_stack, fiber->stack, STACK_SIZE);
    swapcontext(&scheduler, &fiber->context);
    __sanitizer_finish_switch_fiber(scheduler_fake_stack, NULL, NULL);
    current = NULL;
}

void fiber_yield(void)
{
    struct fiber *f = current;
    assert(f != NULL);
    __sanitizer_start_switch_fiber(&f->fake_stack, scheduler_bottom, scheduler_size);
    swapcontext(&f->context, &scheduler);
    __sanitizer_finish_switch_fiber(f->fake_stack, &scheduler_bottom, &scheduler_size);
}

#else

void fiber_resume(struct fiber *fiber)
{
    assert(current == NULL && !fiber->ended);
    current = fiber;
    if (_setjmp(scheduler) == 0) {
        if (fiber->begun)
            _longjmp(fiber->at, 1);
        fiber->begun = true;
        setcontext(&fiber->context);
    }
    current = NULL;
}

void fiber_yield(void)
{
    assert(current != NULL);
    if (_setjmp(current->at) == 0)
        _longjmp(scheduler, 1);
}

#endif

struct fiber *fiber_current(void)
{
    return current;
}

bool fiber_ended(const struct fiber *fiber)
{
    return fiber->ended;
}
