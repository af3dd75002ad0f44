// The table for people: diagrams, rules, the whole matrix.
#include "orchestrator/saga/saga_check.h"

#include <ctype.h>
#include <string.h>

const char *saga_rule_kind_name(enum saga_rule_kind kind)
{
    static const char *const names[] = {"MOVE", "REFUSE", "IGNORE", "NEVER"};
    return names[kind];
}

enum saga_rule_kind saga_cell_kind(const struct saga_definition *definition, enum saga_state state,
                                   enum saga_event event)
{
    const uint16_t *cell;
    const size_t count = saga_cell(definition, state, event, &cell);
    enum saga_rule_kind kind = SAGA_RULE_NEVER;
    for (size_t i = 0; i < count; i++) {
        const enum saga_rule_kind of = saga_definition_source(definition)->rules[cell[i]].kind;
        kind = of < kind ? of : kind;
    }
    return kind;
}

static const char *target_name(const struct saga_rule *rule)
{
    if (rule->kind != SAGA_RULE_MOVE)
        return saga_rule_kind_name(rule->kind);
    if (rule->to == SAGA_SAME)
        return "stays";
    return rule->to == SAGA_RESUME ? "back" : saga_state_info(rule->to)->name;
}

// --- The diagram.

static bool draws(const struct saga_rule *rule)
{
    return rule->kind == SAGA_RULE_MOVE && rule->to != SAGA_SAME;
}

// One arrow for each pair of states, with all events and rules that lead along it.
static void render_arrow(FILE *out, const struct saga_definition *definition, enum saga_state from,
                         enum saga_state to)
{
    const struct saga_rule *rules = saga_definition_source(definition)->rules;
    bool drawn = false;
    for (enum saga_event e = 1; e < SAGA_EVENT_COUNT; e++) {
        const uint16_t *cell;
        const size_t count = saga_cell(definition, from, e, &cell);
        for (size_t i = 0; i < count; i++) {
            const struct saga_rule *rule = &rules[cell[i]];
            if (!draws(rule) || rule->to != to)
                continue;
            if (!drawn)
                fprintf(out, "    %s --> %s : ", saga_state_info(from)->name,
                        to == SAGA_RESUME ? "WHERE_IT_WAS" : saga_state_info(to)->name);
            fprintf(out, "%s%s (%u)", drawn ? ", " : "", saga_event_info(e)->name, rule->id);
            drawn = true;
        }
    }
    if (drawn)
        fputc('\n', out);
}

void saga_render_diagram(FILE *out, const struct saga_definition *definition)
{
    const struct saga_definition_source *source = saga_definition_source(definition);
    fprintf(out, "# %s, version %u\n\n", source->name, source->version);
    fprintf(out, "Generated from saga_table.c; numbers are rules. Rules that stay in their state are in "
                 "rules.md.\n\n");
    fprintf(out, "```mermaid\nstateDiagram-v2\n    [*] --> RECEIVED\n");
    for (enum saga_state from = 1; from < SAGA_STATE_COUNT; from++) {
        if ((source->without & SAGA_BIT(from)) != 0)
            continue;
        for (enum saga_state to = 1; to < SAGA_STATE_COUNT; to++)
            render_arrow(out, definition, from, to);
        render_arrow(out, definition, from, SAGA_RESUME);
        if (saga_state_info(from)->kind == SAGA_FINAL)
            fprintf(out, "    %s --> [*]\n", saga_state_info(from)->name);
    }
    fprintf(out, "```\n");
}

// --- Rules.

static void render_set(FILE *out, uint64_t set, enum saga_state count, bool events)
{
    bool first = true;
    for (enum saga_state i = 1; i < count; i++) {
        if ((set & SAGA_BIT(i)) == 0)
            continue;
        fprintf(out, "%s%s", first ? "" : " ",
                events ? saga_event_info((enum saga_event)i)->name : saga_state_info(i)->name);
        first = false;
    }
}

static unsigned set_size(uint64_t set)
{
    return (unsigned)__builtin_popcountll(set);
}

static void render_actions(FILE *out, const struct saga_rule *rule, const char *separator)
{
    for (size_t i = 0; i < SAGA_ACTS_MAX && rule->act[i] != SAGA_ACTION_NONE; i++)
        fprintf(out, "%s%s", i == 0 ? "" : separator, saga_action_info(rule->act[i])->text);
}

static void render_undo(FILE *out, const struct saga_rule *rule)
{
    bool first = true;
    for (enum saga_step step = 1; step < SAGA_STEP_COUNT; step++) {
        if ((rule->undo & SAGA_BIT(step)) == 0 || saga_step_info(step)->undo[0] == '\0')
            continue;
        fprintf(out, "%s%s", first ? "" : " ", saga_step_info(step)->undo);
        first = false;
    }
}

static void render_rule_row(FILE *out, const struct saga_rule *rule)
{
    fprintf(out, "| %u | ", rule->id);
    if (rule->from == 0)
        fprintf(out, "elsewhere");
    else
        render_set(out, rule->from, SAGA_STATE_COUNT, false);
    fprintf(out, " | ");
    if (set_size(rule->on) > SAGA_EVENT_COUNT / 2) {
        fprintf(out, "all but ");
        render_set(out, ~rule->on, (enum saga_state)SAGA_EVENT_COUNT, true);
    } else {
        render_set(out, rule->on, (enum saga_state)SAGA_EVENT_COUNT, true);
    }
    fprintf(out, " | %s | %s%s%s | ", rule->when == SAGA_GUARD_NONE ? "" : saga_guard_info(rule->when)->text,
            target_name(rule),
            rule->only == 0               ? ""
            : rule->only == SAGA_STANDARD ? " (standard)"
                                          : " (express)",
            rule->redo ? ", then again" : "");
    if (rule->ending != SAGA_STATE_NONE)
        fprintf(out, "for %s: ", saga_state_info(rule->ending)->name);
    render_actions(out, rule, "; ");
    fprintf(out, " | ");
    render_undo(out, rule);
    fprintf(out, " | %s |\n", rule->why);
}

void saga_render_rules(FILE *out, const struct saga_rule *rules, size_t count)
{
    fprintf(out, "# The saga's table\n\nGenerated from services/orchestrator/saga. The first rule that fits "
                 "decides.\n\n");
    fprintf(out, "## Rules\n\n| id | in | on | when | then | do | undone by | why "
                 "|\n|---|---|---|---|---|---|---|---|\n");
    for (size_t i = 0; i < count; i++)
        render_rule_row(out, &rules[i]);
    fprintf(out, "\n## States\n\n| state | kind | task | asked |\n|---|---|---|---|\n");
    static const char *const kinds[] = {"passing", "waiting", "ended", "final"};
    for (enum saga_state s = 1; s < SAGA_STATE_COUNT; s++)
        fprintf(out, "| %s | %s | %s | %s |\n", saga_state_info(s)->name, kinds[saga_state_info(s)->kind],
                saga_state_info(s)->task, saga_state_info(s)->text_en);
    fprintf(out, "\n## Events\n\n| event | from | meaning |\n|---|---|---|\n");
    for (enum saga_event e = 1; e < SAGA_EVENT_COUNT; e++)
        fprintf(out, "| %s | %s | %s |\n", saga_event_info(e)->name, saga_event_info(e)->source,
                saga_event_info(e)->text);
    fprintf(out, "\n## Steps\n\n| step | command | undone by | wave | why |\n|---|---|---|---|---|\n");
    for (enum saga_step s = 1; s < SAGA_STEP_COUNT; s++)
        fprintf(out, "| %s | %s | %s | %u | %s |\n", saga_step_info(s)->name, saga_step_info(s)->command,
                saga_step_info(s)->undo, saga_step_info(s)->wave, saga_step_info(s)->why);
}

bool saga_render_rule(FILE *out, const struct saga_rule *rules, size_t count, uint32_t id)
{
    for (size_t i = 0; i < count; i++) {
        const struct saga_rule *rule = &rules[i];
        if (rule->id != id)
            continue;
        fprintf(out, "rule  %u\nin    ", rule->id);
        if (rule->from == 0)
            fprintf(out, "every state in which no rule above decides");
        else
            render_set(out, rule->from, SAGA_STATE_COUNT, false);
        fprintf(out, "\non    ");
        render_set(out, rule->on, (enum saga_state)SAGA_EVENT_COUNT, true);
        if (rule->when != SAGA_GUARD_NONE)
            fprintf(out, "\nwhen  %s", saga_guard_info(rule->when)->text);
        fprintf(out, "\nthen  %s", target_name(rule));
        if (rule->act[0] != SAGA_ACTION_NONE) {
            fprintf(out, "\ndo    ");
            render_actions(out, rule, "\n      ");
        }
        if (rule->undo != 0) {
            fprintf(out, "\nundo  ");
            render_undo(out, rule);
        }
        fprintf(out, "\nwhy   %s\n", rule->why);
        return true;
    }
    return false;
}

// --- The matrix.

void saga_render_matrix(FILE *out, const struct saga_definition *definition)
{
    const struct saga_definition_source *source = saga_definition_source(definition);
    fprintf(out, "# %s, version %u: state, event, kind, rules as id[?condition]>target[/ending]\n",
            source->name, source->version);
    for (enum saga_state s = 1; s < SAGA_STATE_COUNT; s++) {
        if ((source->without & SAGA_BIT(s)) != 0) {
            fprintf(out, "%s left out\n", saga_state_info(s)->name);
            continue;
        }
        for (enum saga_event e = 1; e < SAGA_EVENT_COUNT; e++) {
            const uint16_t *cell;
            const size_t count = saga_cell(definition, s, e, &cell);
            fprintf(out, "%s %s %s", saga_state_info(s)->name, saga_event_info(e)->name,
                    saga_rule_kind_name(saga_cell_kind(definition, s, e)));
            for (size_t i = 0; i < count; i++) {
                const struct saga_rule *rule = &source->rules[cell[i]];
                fprintf(out, " %u%s%s>%s", rule->id, rule->when == SAGA_GUARD_NONE ? "" : "?",
                        rule->when == SAGA_GUARD_NONE ? "" : saga_guard_info(rule->when)->name,
                        target_name(rule));
                if (rule->ending != SAGA_STATE_NONE)
                    fprintf(out, "/%s", saga_state_info(rule->ending)->name);
            }
            fputc('\n', out);
        }
    }
}
