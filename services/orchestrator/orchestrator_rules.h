// The saga's table as rows of the database, so that SQL explains any order.
#pragma once

#include "base/err.h"
#include "orchestrator/saga/saga_table.h"

// Writes saga_rule and saga_state of every version in the book, in one transaction. dsn: of the service's role.
struct err orchestrator_rules_write(const char *dsn, const struct saga_book *book) ERR_MUST_CHECK;
