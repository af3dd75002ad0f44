// orderctl saga …: the table that every order follows; needs no running service. verify is in ctl_audit_saga.c.
#include "orchestrator/saga/saga_check.h"
#include "orchestrator/saga/saga_table.h"
#include "orderctl/ctl_audit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void explain_rule(const struct saga_rule *rule)
{
    printf("  rule %u %s", rule->id, saga_rule_kind_name(rule->kind));
    if (rule->kind == SAGA_RULE_MOVE) {
        printf(" to %s", rule->to == SAGA_SAME     ? "(stays)"
                         : rule->to == SAGA_RESUME ? "(where it was)"
                                                   : saga_state_info(rule->to)->name);
    }
    printf("\n    why   %s\n", rule->why);
    if (rule->when != SAGA_GUARD_NONE)
        printf("    when  %s: %s\n", saga_guard_info(rule->when)->name, saga_guard_info(rule->when)->text);
    for (int i = 0; i < SAGA_ACTS_MAX && rule->act[i] != SAGA_ACTION_NONE; i++) {
        const struct saga_text_info *action = saga_action_info((enum saga_action)rule->act[i]);
        printf("    does  %s: %s\n", action->name, action->text);
    }
}

static void explain_cell(const struct saga_definition *definition, enum saga_state state,
                         enum saga_event event)
{
    const uint16_t *rules;
    const struct saga_definition_source *source = saga_definition_source(definition);
    size_t count = saga_cell(definition, state, event, &rules);
    printf("%s v%u: %s on %s\n", source->name, source->version, saga_state_info(state)->name,
           saga_event_info(event)->name);
    for (size_t i = 0; i < count; i++)
        explain_rule(&source->rules[rules[i]]);
    if (count == 0)
        printf("  the definition leaves this state out\n");
}

// orderctl saga explain STATE EVENT, or explain RULE.
static enum ctl_exit explain(struct ctl *ctl)
{
    const char *first = ctl_word(ctl, 0);
    const char *second = ctl_word(ctl, 1);
    if (first == NULL)
        return ctl_usage("orderctl saga explain STATE EVENT | RULE");
    const struct saga_book *book = saga_book();
    if (second == NULL) {
        char *end;
        unsigned long id = strtoul(first, &end, 10);
        for (size_t i = 0; *end == '\0' && i < saga_rules_v1_count; i++) {
            if (saga_rules_v1[i].id != id)
                continue;
            explain_rule(&saga_rules_v1[i]);
            return CTL_OK;
        }
        return ctl_usage("\"%s\" isn't a rule's number", first);
    }
    enum saga_state state = saga_state_find(first);
    enum saga_event event = saga_event_find(second);
    if (state == SAGA_STATE_NONE)
        return ctl_usage("\"%s\" isn't a state; `orderctl saga render` shows them", first);
    if (event == SAGA_EVENT_NONE)
        return ctl_usage("\"%s\" isn't an event; `orderctl saga render` shows them", second);
    for (size_t i = 0; i < book->count; i++)
        explain_cell(book->definitions[i], state, event);
    return CTL_OK;
}

static void complain(void *self, const char *sentence)
{
    printf("%s: %s\n", (const char *)self, sentence);
}

// Every definition that this program knows is proved.
static enum ctl_exit check(void)
{
    const struct saga_book *book = saga_book();
    size_t found = 0;
    for (size_t i = 0; i < book->count; i++) {
        const struct saga_definition_source *source = saga_definition_source(book->definitions[i]);
        char name[64];
        snprintf(name, sizeof name, "%s v%u", source->name, source->version);
        size_t complaints = saga_check(book->definitions[i], complain, name);
        if (complaints == 0)
            printf("%s: every rule holds\n", name);
        found += complaints;
    }
    return found == 0 ? CTL_OK : CTL_DIFFERS;
}

static void render(void)
{
    const struct saga_book *book = saga_book();
    for (size_t i = 0; i < book->count; i++)
        saga_render_diagram(stdout, book->definitions[i]);
    saga_render_rules(stdout, saga_rules_v1, saga_rules_v1_count);
}

enum ctl_exit ctl_saga(struct ctl *ctl)
{
    const char *verb = ctl_word(ctl, 0);
    if (verb != NULL) {
        ctl->argc--;
        ctl->argv++;
    }
    if (verb != NULL && strcmp(verb, "explain") == 0)
        return explain(ctl);
    if (verb != NULL && strcmp(verb, "check") == 0)
        return check();
    if (verb != NULL && strcmp(verb, "render") == 0) {
        render();
        return CTL_OK;
    }
    if (verb != NULL && strcmp(verb, "verify") == 0)
        return ctl_audit_sagas(ctl);
    return ctl_usage(
        "orderctl saga check | render | explain STATE EVENT | explain RULE | verify [--since T] [--order "
        "ORDER] [--rate N] [--patience S]");
}
