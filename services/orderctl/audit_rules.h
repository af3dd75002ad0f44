// One step of an order, as order-events tells it, against the table of rules.
#pragma once

#include "orchestrator/saga/saga_table.h"

#include <stdbool.h>
#include <stdint.h>

struct audit_step {
    const char *definition; // in force before the step: the one whose rules decided
    const char *chosen;     // in force after it: ORDER_VALIDATED may choose another
    uint32_t version;
    uint32_t rule_id;
    const char *from, *to, *event;
    enum saga_state resume; // where the order was before it was set aside; NONE: not known
};

#define AUDIT_TEXT_SIZE 96
// NULL: the rule exists, decides on this event in this state, can fire, and leads there. Else the field that is wrong, with
// what the table asks for and what the step says.
const char *audit_rule_breach(const struct saga_book *book, const struct audit_step *step,
                              char ret_wanted[static AUDIT_TEXT_SIZE],
                              char ret_found[static AUDIT_TEXT_SIZE]);
// Where the order would go back to after the step; NONE: nowhere, or not known.
enum saga_state audit_resume_after(const struct saga_book *book, const struct audit_step *step);
// True when the rule enters a state, be it the same one again. False too for rules that aren't known.
bool audit_rule_enters(const struct saga_book *book, const char *definition, uint32_t version,
                       uint32_t rule_id);
