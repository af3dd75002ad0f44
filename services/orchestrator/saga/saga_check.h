// Proofs about a definition's table, and its renderings. For tests, `orderctl saga check|render|explain`, and the generator.
#pragma once

#include "orchestrator/saga/saga_table.h"

#include <stdio.h>

// Tells everything that is wrong with the definition, a sentence each; returns how many sentences. Proved are: ids rise; every
// rule says why and decides somewhere; nothing leaves a FINAL state, and an ENDED one is left only for FINAL or by rules
// marked reopen; nothing is shadowed; every cell is filled and ends unguarded; requests are followed, ignored or refused,
// never dropped; every state can be reached and can end; every waiting state has a deadline, an owner and an operator exit;
// every action with an effect names its undo, whose acknowledgement is awaited in COMPENSATING; unmade endings are entered
// only from there, each way there starts undoing once, and late successes are undone too; every message has a reader.
typedef void (*saga_complain_fn)(void *self, const char *sentence);
size_t saga_check(const struct saga_definition *definition, saga_complain_fn complain, void *self);

void saga_render_diagram(FILE *out,
                         const struct saga_definition *definition); // Markdown with a Mermaid state diagram
void saga_render_rules(FILE *out, const struct saga_rule *rules,
                       size_t count); // Markdown tables: states, events, steps, rules
void saga_render_matrix(FILE *out,
                        const struct saga_definition *definition); // every state × event, a line each
// One rule, for people. False: there is no such rule.
bool saga_render_rule(FILE *out, const struct saga_rule *rules, size_t count, uint32_t id);

// MOVE, REFUSE, IGNORE or NEVER: what a cell can do at most, in this order.
enum saga_rule_kind saga_cell_kind(const struct saga_definition *definition, enum saga_state state,
                                   enum saga_event event);
const char *saga_rule_kind_name(enum saga_rule_kind kind);
