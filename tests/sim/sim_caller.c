// The caller of a process: calls reach the outside when they are due and come back a little later, unless the process dies
// between the two.
#include "sim/sim.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

struct call {
    struct call *next;
    struct sim_caller *caller; // NULL: forgotten, or its process is dead
    struct effect_call call;
    struct sim_answer answer;
};

struct sim_caller {
    struct caller_port port;
    struct sim_process *process;
    struct call *calls;
    struct effect_result results[64];
    size_t result_count;
};

static void unlink_call(struct sim_caller *c, struct call *call)
{
    struct call **link = &c->calls;
    while (*link != call)
        link = &(*link)->next;
    *link = call->next;
    call->caller = NULL;
}

static void come_back(void *self)
{
    struct call *call = self;
    struct sim_caller *c = call->caller;
    if (c == NULL)
        return;
    if (c->result_count == sizeof c->results / sizeof c->results[0]) {
        sim_after(100 * INSTANT_MS, come_back, call);
        return;
    }
    struct effect_result *r = &c->results[c->result_count++];
    *r = (struct effect_result){.id = call->call.id,
                                .slot = call->call.slot,
                                .attempt = call->call.attempt,
                                .outcome = call->answer.outcome,
                                .status = call->answer.status};
    if (call->answer.body != NULL) {
        size_t size = strlen(call->answer.body);
        char *body = malloc(size + 1);
        assert(body != NULL);
        memcpy(body, call->answer.body, size + 1);
        r->body = bytes_of(body, size);
    }
    unlink_call(c, call);
    sim_wake(&c->process->threads[0]);
}

static void go_out(void *self)
{
    struct call *call = self;
    struct sim_caller *c = call->caller;
    if (c == NULL)
        return;
    if (c->process->stopped_until > sim->now) {
        sim_at(c->process->stopped_until, go_out, call);
        return;
    }
    if (sim_faults_effect(c->process, FAULT_effect_before_call))
        return; // the process is dead
    sim_check_called(c->process, &call->call);
    call->answer = sim_outside_call(&call->call);
    struct sim_process *p = c->process;
    if (sim_faults_effect(p, FAULT_effect_after_call))
        return;
    sim_after(call->answer.delay_us, come_back, call);
}

bool sim_caller_has(struct caller_port *caller, struct uuid id)
{
    struct sim_caller *c = caller->self;
    for (struct call *call = c->calls; call != NULL; call = call->next) {
        if (uuid_equal(call->call.id, id))
            return true;
    }
    for (size_t i = 0; i < c->result_count; i++) {
        if (uuid_equal(c->results[i].id, id))
            return true;
    }
    return false;
}

static void submit(void *self, const struct effect_call *given)
{
    struct sim_caller *c = self;
    for (struct call *call = c->calls; call != NULL; call = call->next) {
        if (uuid_equal(call->call.id, given->id))
            return;
    }
    struct call *call = arena_new_object(sim->arena, struct call);
    call->caller = c;
    call->call = *given;
    call->call.target = arena_bytes(sim->arena, given->target);
    call->call.request = arena_bytes(sim->arena, given->request);
    call->next = c->calls;
    c->calls = call;
    instant at = given->due_us > sim->now ? given->due_us : sim->now; // the monotonic clock of every process
    sim_at(at + sim_below(&sim->schedule, 2000), go_out, call);
}

static bool next(void *self, struct effect_result *ret_result)
{
    struct sim_caller *c = self;
    if (c->result_count == 0)
        return false;
    *ret_result = c->results[0];
    memmove(c->results, c->results + 1, --c->result_count * sizeof c->results[0]);
    return true;
}

static void forget(void *self)
{
    struct sim_caller *c = self;
    for (size_t i = 0; i < c->result_count; i++)
        effect_result_free(&c->results[i]);
    c->result_count = 0;
    while (c->calls != NULL)
        unlink_call(c, c->calls);
}

struct caller_port *sim_caller_new(struct sim_process *process)
{
    struct sim_caller *c = calloc(1, sizeof *c);
    assert(c != NULL);
    c->process = process;
    c->port = (struct caller_port){.self = c, .submit = submit, .next = next, .forget = forget};
    return &c->port;
}

void sim_caller_free(struct caller_port *caller)
{
    forget(caller->self);
    free(caller->self);
}
