// The orchestrator: the only writer of sagas.
#pragma once

#include "lane/lane.h"
#include "lane/process.h"
#include "orchestrator/saga/saga.h"

extern const struct lane_service orchestrator_lane;

// What decide reads; filled by the process from its settings, or left at the defaults.
struct saga_context *orchestrator_context(void);
struct saga_settings *orchestrator_settings(void);

// orchestrator_decide.c
void orchestrator_want(struct batch *batch, const struct input *in);
struct err orchestrator_decide(struct batch *batch, const struct input *in);
void orchestrator_send_newest(struct batch *batch, const struct input *in, enum topic topic, uint64_t known);
// A deadline that was refused: a person is called.
struct err orchestrator_refuse_deadline(struct batch *batch, const struct input *in, const char *why);

// orchestrator_settings.c
struct setting_table orchestrator_setting_table(void);
// Writes the rules into saga_rule. The process's start hook.
struct err orchestrator_start(struct process *process);
