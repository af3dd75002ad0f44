// The orchestrator as a later release would be: it knows version 1 of the definitions and a version 2, which new orders get.
// Version 2 differs in two rules: an order without its customer's answer is rejected, not cancelled, and no mail is sent when
// everything has arrived.
#include "orchestrator/orchestrator.h"
#include "orchestrator/orchestrator_store.h"
#include "orchestrator/saga/saga_check.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define RULES_MAX       512
#define DEFINITIONS     2
#define NO_ANSWER       1008 // in version 1; 1009 in version 2
#define LAST_ARRIVAL    626  // in version 1; 627 in version 2
#define WRONG_STATUS    2
#define VERSION         2
#define NEW_ID(rule_id) ((rule_id) + 1) // a rule that is changed gets an id that no other had

static struct saga_rule rules[RULES_MAX];

static struct saga_rule *changed(uint32_t id)
{
    for (size_t i = 0; i < saga_rules_v1_count; i++) {
        if (rules[i].id != id)
            continue;
        rules[i].id = NEW_ID(id);
        assert(i + 1 == saga_rules_v1_count || rules[i + 1].id > rules[i].id);
        return &rules[i];
    }
    assert(false && "version 1 has no such rule");
    return NULL;
}

static void make_rules(void)
{
    assert(saga_rules_v1_count <= RULES_MAX);
    memcpy(rules, saga_rules_v1, saga_rules_v1_count * sizeof rules[0]);
    struct saga_rule *no_answer = changed(NO_ANSWER);
    no_answer->ending = SAGA_REJECTED;
    no_answer->why = "no answer: the order is rejected";
    struct saga_rule *last_arrival = changed(LAST_ARRIVAL);
    for (size_t i = 0; i < SAGA_ACTS_MAX; i++)
        if (last_arrival->act[i] == SAGA_ACTION_tell_delivered)
            last_arrival->act[i] = SAGA_ACTION_NONE; // the last one: nothing stands behind it
    last_arrival->why = "the customer has everything, and knows it";
}

static void complain(void *self, const char *sentence)
{
    (void)self;
    fprintf(stderr, "version %d: %s\n", VERSION, sentence);
}

// Version 1 as it is, then version 2 of the same definitions. NULL: version 2 doesn't pass the checks.
static const struct saga_book *make_book(void)
{
    static const struct saga_definition *all[2 * DEFINITIONS];
    static struct saga_book book = {.definitions = all, .count = 2 * DEFINITIONS, .newest = VERSION};
    const struct saga_book *v1 = saga_book();
    assert(v1->count == DEFINITIONS);
    make_rules();
    size_t wrong = 0;
    for (size_t i = 0; i < DEFINITIONS; i++) {
        struct saga_definition_source source = *saga_definition_source(v1->definitions[i]);
        source.version = VERSION;
        source.rules = rules;
        all[i] = v1->definitions[i];
        all[DEFINITIONS + i] = saga_definition_new(&source);
        wrong += saga_check(all[DEFINITIONS + i], complain, NULL);
    }
    return wrong == 0 ? &book : NULL;
}

int main(int argc, char **argv)
{
    const struct setting_table settings = orchestrator_setting_table();
    const struct service_process process = {
        .lane = &orchestrator_lane,
        .settings = &settings,
        .setting_count = 1,
        .migrations = {"orchestrator", orchestrator_migrations, orchestrator_migrations_count},
        .start = orchestrator_start,
    };
    const struct saga_book *book = make_book();
    if (book == NULL)
        return WRONG_STATUS;
    orchestrator_context()->book = book;
    return process_main(&process, argc, argv);
}
