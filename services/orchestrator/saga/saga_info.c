// Names and attributes of states, events, steps, guards and actions; the index of a definition; the book of definitions.
#include "orchestrator/saga/saga_table.h"

#include "orchestrator/saga/saga_settings.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static const struct saga_state_info states[SAGA_STATE_COUNT] = {
#define STATE(name, kind, deadline, setting, owner, task, announced, text_en, text_zh)                       \
    [SAGA_##name] = {#name,                                                                                  \
                     SAGA_##kind,                                                                            \
                     SAGA_DEADLINE_##deadline,                                                               \
                     offsetof(struct saga_settings, setting),                                                \
                     SAGA_OWNER_##owner,                                                                     \
                     task,                                                                                   \
                     announced,                                                                              \
                     text_en,                                                                                \
                     text_zh},
#include "orchestrator/saga/saga_states.def"
#undef STATE
};

static const struct saga_event_info events[SAGA_EVENT_COUNT] = {
#define EVENT(name, kind, source, step, role, text)                                                          \
    [SAGA_EVENT_##name] = {#name, SAGA_##kind, source, SAGA_STEP_##step, SAGA_##role, text},
#include "orchestrator/saga/saga_events.def"
#undef EVENT
};

static const struct saga_step_info steps[SAGA_STEP_COUNT] = {
#define STEP(name, text, command, peer, owner, again, undo, wave, why)                                       \
    [SAGA_STEP_##name] = {text, command, SAGA_PEER_##peer, owner, AGAIN_##again, undo, wave, why},
#define AGAIN_asked         SIZE_MAX
#define AGAIN_service_again offsetof(struct saga_settings, service_again)
#define AGAIN_release_again offsetof(struct saga_settings, release_again)
#define AGAIN_erp_again     offsetof(struct saga_settings, erp_again)
#define AGAIN_invoice_again offsetof(struct saga_settings, invoice_again)
#include "orchestrator/saga/saga_steps.def"
#undef STEP
};

static const struct saga_text_info guards[SAGA_GUARD_COUNT] = {
#define GUARD(name, text) [SAGA_GUARD_##name] = {#name, SAGA_STEP_NONE, text},
#include "orchestrator/saga/saga_guards.def"
#undef GUARD
};

static const struct saga_text_info actions[SAGA_ACTION_COUNT] = {
#define ACTION(name, asks, text) [SAGA_ACTION_##name] = {#name, SAGA_STEP_##asks, text},
#include "orchestrator/saga/saga_actions.def"
#undef ACTION
};

static const char *const peer_topics[SAGA_PEER_COUNT] = {
    [SAGA_PEER_VALIDATOR] = "commands.validator",     [SAGA_PEER_INVENTORY] = "commands.inventory",
    [SAGA_PEER_FULFILLMENT] = "commands.fulfillment", [SAGA_PEER_NOTIFIER] = "commands.notifier",
    [SAGA_PEER_DEPARTMENTS] = "commands.departments",
};

const struct saga_state_info *saga_state_info(enum saga_state state)
{
    assert(state > SAGA_STATE_NONE && state < SAGA_STATE_COUNT);
    return &states[state];
}

const struct saga_event_info *saga_event_info(enum saga_event event)
{
    assert(event > SAGA_EVENT_NONE && event < SAGA_EVENT_COUNT);
    return &events[event];
}

const struct saga_step_info *saga_step_info(enum saga_step step)
{
    assert(step > SAGA_STEP_NONE && step < SAGA_STEP_COUNT);
    return &steps[step];
}

const struct saga_text_info *saga_guard_info(enum saga_guard guard)
{
    assert(guard > SAGA_GUARD_NONE && guard < SAGA_GUARD_COUNT);
    return &guards[guard];
}

const struct saga_text_info *saga_action_info(enum saga_action action)
{
    assert(action > SAGA_ACTION_NONE && action < SAGA_ACTION_COUNT);
    return &actions[action];
}

const char *saga_peer_topic(enum saga_peer peer)
{
    assert(peer < SAGA_PEER_COUNT);
    return peer_topics[peer];
}

enum saga_state saga_state_find(const char *name)
{
    for (enum saga_state s = 1; s < SAGA_STATE_COUNT; s++)
        if (strcmp(states[s].name, name) == 0)
            return s;
    return SAGA_STATE_NONE;
}

enum saga_event saga_event_find(const char *name)
{
    for (enum saga_event e = 1; e < SAGA_EVENT_COUNT; e++)
        if (strcmp(events[e].name, name) == 0)
            return e;
    return SAGA_EVENT_NONE;
}

struct saga_settings saga_settings_default(void)
{
    return (struct saga_settings){
#define DURATION(name, key, text, value, help) .name = (value),
#define WINDOW(name, key, text, value, help)   .name = (value),
#define NUMBER(name, key, text, value, help)   .name = (value),
#include "orchestrator/saga/saga_settings.def"
#undef DURATION
#undef WINDOW
#undef NUMBER
        .working_time = true,
        .business_zone = "Asia/Shanghai",
    };
}

// --- Definitions.

struct cell {
    uint16_t rules[SAGA_CELL_MAX];
    uint16_t count;
};

struct saga_definition {
    struct saga_definition_source source;
    struct cell cells[SAGA_STATE_COUNT][SAGA_EVENT_COUNT];
};

static void add_to_cell(struct cell *cell, size_t rule)
{
    assert(cell->count < SAGA_CELL_MAX); // saga_check tells it politely
    cell->rules[cell->count++] = (uint16_t)rule;
}

struct saga_definition *saga_definition_new(const struct saga_definition_source *source)
{
    struct saga_definition *definition = calloc(1, sizeof *definition);
    if (definition == NULL)
        abort();
    definition->source = *source;
    for (size_t i = 0; i < source->rule_count; i++) {
        const struct saga_rule *rule = &source->rules[i];
        if (rule->only != 0 && (rule->only & source->only) == 0)
            continue;
        for (enum saga_state s = 1; s < SAGA_STATE_COUNT; s++) {
            for (enum saga_event e = 1; e < SAGA_EVENT_COUNT; e++) {
                struct cell *cell = &definition->cells[s][e];
                if ((rule->on & SAGA_BIT(e)) == 0)
                    continue;
                // A REST rule also ends groups whose conditions may all fail.
                const bool open =
                    cell->count == 0 || source->rules[cell->rules[cell->count - 1]].when != SAGA_GUARD_NONE;
                if (rule->from == 0 ? open : (rule->from & SAGA_BIT(s)) != 0)
                    add_to_cell(cell, i);
            }
        }
    }
    return definition;
}

void saga_definition_free(struct saga_definition *definition)
{
    free(definition);
}

const struct saga_definition_source *saga_definition_source(const struct saga_definition *definition)
{
    return &definition->source;
}

size_t saga_cell(const struct saga_definition *definition, enum saga_state state, enum saga_event event,
                 const uint16_t **ret_rules)
{
    assert(state > SAGA_STATE_NONE && state < SAGA_STATE_COUNT && event > SAGA_EVENT_NONE &&
           event < SAGA_EVENT_COUNT);
    const struct cell *cell = &definition->cells[state][event];
    *ret_rules = cell->rules;
    return cell->count;
}

// --- The book.

static struct saga_book book;
static const struct saga_definition *book_definitions[2];
static pthread_once_t book_once = PTHREAD_ONCE_INIT;

static void make_book(void)
{
    const struct saga_definition_source sources[] = {
        {.name = "standard",
         .version = 1,
         .only = SAGA_STANDARD,
         .rules = saga_rules_v1,
         .rule_count = saga_rules_v1_count},
        {.name = "express",
         .version = 1,
         .only = SAGA_EXPRESS,
         .without = SAGA_BIT(SAGA_IN_REVIEW) | SAGA_BIT(SAGA_IN_PRODUCTION),
         .rules = saga_rules_v1,
         .rule_count = saga_rules_v1_count},
    };
    for (size_t i = 0; i < sizeof sources / sizeof sources[0]; i++)
        book_definitions[i] = saga_definition_new(&sources[i]);
    book = (struct saga_book){.definitions = book_definitions, .count = 2, .newest = 1};
}

const struct saga_book *saga_book(void)
{
    pthread_once(&book_once, make_book);
    return &book;
}

const struct saga_definition *saga_book_find(const struct saga_book *of, const char *name, uint32_t version)
{
    for (size_t i = 0; i < of->count; i++) {
        const struct saga_definition_source *source = saga_definition_source(of->definitions[i]);
        if (source->version == version && strcmp(source->name, name) == 0)
            return of->definitions[i];
    }
    return NULL;
}

// --- Requests.

const char *saga_request_word(enum saga_event request)
{
    switch ((int)request) {
    case SAGA_EVENT_CANCEL_REQUESTED:
        return "cancel";
    case SAGA_EVENT_ANSWER_GIVEN:
        return "answer";
    case SAGA_EVENT_SHORTAGE_ANSWERED:
        return "shortage";
    case SAGA_EVENT_OPERATOR_RETRY:
        return "retry";
    case SAGA_EVENT_OPERATOR_PROCEED:
        return "proceed";
    case SAGA_EVENT_OPERATOR_WRITE_OFF:
        return "write_off";
    default:
        return NULL;
    }
}

bool saga_request_allowed(const struct saga_definition *definition, enum saga_state state,
                          enum saga_event request)
{
    const uint16_t *rules;
    const size_t count = saga_cell(definition, state, request, &rules);
    for (size_t i = 0; i < count; i++)
        if (definition->source.rules[rules[i]].kind == SAGA_RULE_MOVE)
            return true;
    return false;
}
