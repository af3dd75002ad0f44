// The saga's table as rows of the database, so that SQL explains any order.
#pragma once

#include "base/err.h"

// Writes saga_rule and saga_state of every version that this binary knows, in one transaction. dsn: of the service's role.
struct err orchestrator_rules_write(const char *dsn) ERR_MUST_CHECK;
