// One step against the table of rules.
#include "orderctl/audit_rules.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct saga_rule *find_rule(const struct saga_definition *definition, uint32_t id)
{
    const struct saga_definition_source *source = saga_definition_source(definition);
    for (size_t i = 0; i < source->rule_count; i++) {
        if (source->rules[i].id == id)
            return &source->rules[i];
    }
    return NULL;
}

static bool in_cell(const struct saga_definition *definition, enum saga_state from, enum saga_event event,
                    const struct saga_rule *rule)
{
    const uint16_t *cell;
    const size_t count = saga_cell(definition, from, event, &cell);
    for (size_t i = 0; i < count; i++) {
        if (&saga_definition_source(definition)->rules[cell[i]] == rule)
            return true;
    }
    return false;
}

static bool is_aside(enum saga_state state)
{
    return state == SAGA_COMPENSATING || state == SAGA_NEEDS_PERSON;
}

static bool leads_to(const struct saga_rule *rule, enum saga_state from, enum saga_state to,
                     enum saga_state resume)
{
    if (rule->kind == SAGA_RULE_REFUSE || rule->to == SAGA_SAME)
        return to == from;
    if (rule->to != SAGA_RESUME)
        return to == rule->to;
    if (from == SAGA_NEEDS_PERSON && to == SAGA_COMPENSATING)
        return true; // something is still to be undone
    return resume == SAGA_STATE_NONE || to == resume;
}

static const char *wanted_target(const struct saga_rule *rule, const struct audit_step *step)
{
    if (rule->kind == SAGA_RULE_REFUSE || rule->to == SAGA_SAME)
        return step->from;
    if (rule->to != SAGA_RESUME)
        return saga_state_info(rule->to)->name;
    return step->resume == SAGA_STATE_NONE ? "where the order was" : saga_state_info(step->resume)->name;
}

// Writes the two texts and returns the field.
__attribute__((format(printf, 5, 6))) static const char *
breach(char *ret_wanted, char *ret_found, const char *field, const char *found, const char *wanted, ...)
{
    va_list args;
    va_start(args, wanted);
    vsnprintf(ret_wanted, AUDIT_TEXT_SIZE, wanted, args);
    va_end(args);
    snprintf(ret_found, AUDIT_TEXT_SIZE, "%s", found);
    return field;
}

const char *audit_rule_breach(const struct saga_book *book, const struct audit_step *step,
                              char ret_wanted[static AUDIT_TEXT_SIZE], char ret_found[static AUDIT_TEXT_SIZE])
{
    const struct saga_definition *definition = saga_book_find(book, step->definition, step->version);
    char found[AUDIT_TEXT_SIZE];
    snprintf(found, sizeof found, "%s v%" PRIu32, step->chosen, step->version);
    if (definition == NULL || saga_book_find(book, step->chosen, step->version) == NULL)
        return breach(ret_wanted, ret_found, "definition", found, "a definition that is known here");
    const struct saga_rule *rule = find_rule(definition, step->rule_id);
    snprintf(found, sizeof found, "%" PRIu32, step->rule_id);
    if (rule == NULL)
        return breach(ret_wanted, ret_found, "rule_id", found, "a rule of %s v%" PRIu32, step->definition,
                      step->version);
    const enum saga_state from = saga_state_find(step->from);
    const enum saga_state to = saga_state_find(step->to);
    const enum saga_event event = saga_event_find(step->event);
    if (from == SAGA_STATE_NONE)
        return breach(ret_wanted, ret_found, "from_state", step->from, "a state");
    if (to == SAGA_STATE_NONE)
        return breach(ret_wanted, ret_found, "to_state", step->to, "a state");
    if (event == SAGA_EVENT_NONE)
        return breach(ret_wanted, ret_found, "event", step->event, "an event");
    if (rule->kind != SAGA_RULE_MOVE && rule->kind != SAGA_RULE_REFUSE)
        return breach(ret_wanted, ret_found, "rule_id", found, "a rule that changes an order");
    const struct saga_definition *chosen = saga_book_find(book, step->chosen, step->version);
    if (!in_cell(definition, from, event, rule) && !in_cell(chosen, from, event, rule))
        return breach(ret_wanted, ret_found, "rule_id", found, "a rule of %s on %s", step->from, step->event);
    if (!leads_to(rule, from, to, step->resume))
        return breach(ret_wanted, ret_found, "to_state", step->to, "%s", wanted_target(rule, step));
    return NULL;
}

enum saga_state audit_resume_after(const struct saga_book *book, const struct audit_step *step)
{
    const enum saga_state from = saga_state_find(step->from);
    const enum saga_state to = saga_state_find(step->to);
    if (!audit_rule_enters(book, step->chosen, step->version, step->rule_id) || from == SAGA_STATE_NONE)
        return step->resume;
    if (!is_aside(to))
        return SAGA_STATE_NONE;
    return is_aside(from) ? step->resume : from;
}

bool audit_rule_enters(const struct saga_book *book, const char *definition, uint32_t version,
                       uint32_t rule_id)
{
    const struct saga_definition *known = saga_book_find(book, definition, version);
    const struct saga_rule *rule = known == NULL ? NULL : find_rule(known, rule_id);
    return rule != NULL && rule->kind == SAGA_RULE_MOVE && rule->to != SAGA_SAME;
}
