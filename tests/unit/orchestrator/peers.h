// What the orchestrator's peers say of a small express order, from its submission on. Each is sent and worked through.
#pragma once

#include "sim/harness.h"

void peers_submit(struct harness *h, const char *key);
void peers_validated(struct harness *h, const char *key);
void peers_reserved(struct harness *h, const char *key);
void peers_erp_accepted(struct harness *h, const char *key);
