// The producer of ingress's publisher, and how a process opens its door. The linker sends calls of common/kafka here (--wrap).
#include "sim/sim.h"

#include "ingress/ingress.h"
#include "kafka/kafka_producer.h"

#include <assert.h>

#define SLOTS   3 // as many as sim_door.c has
#define IDLE_US (6 * INSTANT_HOUR)

// NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp,readability-identifier-naming)
struct kafka_producer {
    struct sim_process *process;
    struct sim_thread *thread;
    struct sim_producer *producer;
    bool woken;
    bool failed;
};
struct err __wrap_kafka_producer_open(const struct kafka_cluster *cluster, const enum topic *outputs,
                                      size_t output_count, struct kafka_producer **ret_producer);
void __wrap_kafka_producer_close(struct kafka_producer *k);
struct err __wrap_kafka_producer_send(struct kafka_producer *k, const struct bus_out *record);
void __wrap_kafka_producer_next(struct kafka_producer *k, int64_t timeout_us,
                                struct kafka_report *ret_report);
void __wrap_kafka_producer_wake(struct kafka_producer *k);

struct err __wrap_kafka_producer_open(const struct kafka_cluster *cluster, const enum topic *outputs,
                                      size_t output_count, struct kafka_producer **ret_producer)
{
    (void)cluster;
    (void)outputs;
    (void)output_count;
    struct kafka_producer *k = arena_new_object(sim->arena, struct kafka_producer);
    k->process = sim_current();
    k->thread = sim_thread_current();
    k->producer = sim_producer_new(k->process, k->thread);
    *ret_producer = k;
    return err_ok();
}

void __wrap_kafka_producer_close(struct kafka_producer *k)
{
    if (k == NULL || k->producer == NULL)
        return;
    sim_producer_end(k->producer);
    k->producer = NULL;
}

struct err __wrap_kafka_producer_send(struct kafka_producer *k, const struct bus_out *record)
{
    sim_point(k->process);
    sim_producer_send(k->producer, record);
    return err_ok();
}

void __wrap_kafka_producer_next(struct kafka_producer *k, int64_t timeout_us, struct kafka_report *ret_report)
{
    sim_point(k->process);
    instant until = sim->now + (timeout_us > 0 ? IDLE_US : 0); // woken by whatever there is to do
    ret_report->kind = KAFKA_REPORT_NONE;
    for (;;) {
        if (!sim->healed && !k->failed && timeout_us > 0 && sim_below(&sim->schedule, 400) == 0) {
            k->failed = true;
            *ret_report = (struct kafka_report){.kind = KAFKA_REPORT_FAILED, .text = "beyond repair"};
            return;
        }
        if (sim_producer_report(k->producer, &ret_report->tag)) {
            ret_report->kind = KAFKA_REPORT_SENT;
            return;
        }
        bool woken = k->thread->woken;
        k->thread->woken = false;
        if (woken || sim->now >= until)
            return;
        sim_wait(k->thread, until);
    }
}

void __wrap_kafka_producer_wake(struct kafka_producer *k)
{
    sim_wake(k->thread);
}
// NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp,readability-identifier-naming)

// ---- opening

void sim_door_open(struct sim_process *process)
{
    const struct ingress_settings settings = {.service = sim_service_name(process->service),
                                              .pg = "",
                                              .kafka = "",
                                              .topic_prefix = "",
                                              .slots = SLOTS,
                                              .commit_max = 8,
                                              .unpublished_max = 1000,
                                              .unpublished_age_us = 10 * INSTANT_SECOND};
    struct err e = ingress_open(&settings, &process->ingress);
    assert(!err_is(&e));
}

void sim_door_close(struct sim_process *process)
{
    ingress_close(process->ingress);
    process->ingress = NULL;
}
