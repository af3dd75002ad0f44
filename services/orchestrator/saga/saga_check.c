// Proofs about the table: see saga_check.h for what is proved.
#include "orchestrator/saga/saga_check.h"

#include <stdarg.h>
#include <string.h>

#define SENTENCE_MAX 300

struct check {
    const struct saga_definition *definition;
    const struct saga_definition_source *source;
    saga_complain_fn complain;
    void *self;
    size_t count;
};

__attribute__((format(printf, 2, 3))) static void complain(struct check *check, const char *format, ...)
{
    char sentence[SENTENCE_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    check->count++;
    check->complain(check->self, sentence);
}

static bool is_own(const struct check *check, const struct saga_rule *rule)
{
    return rule->only == 0 || (rule->only & check->source->only) != 0;
}

static bool is_left_out(const struct check *check, enum saga_state state)
{
    return (check->source->without & SAGA_BIT(state)) != 0;
}

static bool acts(const struct saga_rule *rule, enum saga_action action)
{
    for (size_t i = 0; i < SAGA_ACTS_MAX; i++)
        if (rule->act[i] == action)
            return true;
    return false;
}

static bool moves_on(const struct check *check, enum saga_state state, enum saga_event event)
{
    return saga_request_allowed(check->definition, state, event);
}

// --- Rules by themselves.

static void check_rule(struct check *check, const struct saga_rule *rule)
{
    uint64_t asks = 0;
    for (size_t i = 0; i < SAGA_ACTS_MAX && rule->act[i] != SAGA_ACTION_NONE; i++) {
        const enum saga_step step = saga_action_info(rule->act[i])->asks;
        asks |= step == SAGA_STEP_NONE ? 0 : SAGA_BIT(step);
    }
    if (asks != rule->undo)
        complain(check, "rule %u: what its actions ask for is not what its UNDO names", rule->id);
    if (rule->why == NULL || rule->why[0] == '\0')
        complain(check, "rule %u: doesn't say why", rule->id);
    if (rule->on == 0)
        complain(check, "rule %u: on no event", rule->id);
    const bool fires = rule->kind == SAGA_RULE_MOVE || rule->kind == SAGA_RULE_REFUSE;
    if (fires != (rule->to != SAGA_STATE_NONE) || (!fires && rule->act[0] != SAGA_ACTION_NONE))
        complain(check, "rule %u: its kind and its target or actions don't go together", rule->id);
    if (rule->redo && rule->to != SAGA_RESUME)
        complain(check, "rule %u: only a return may look at the event again", rule->id);
    for (enum saga_event e = 1; e < SAGA_EVENT_COUNT; e++)
        if ((rule->on & SAGA_BIT(e)) != 0 && rule->kind == SAGA_RULE_REFUSE &&
            saga_event_info(e)->kind != SAGA_REQUEST)
            complain(check, "rule %u: only requests can be refused, %s isn't one", rule->id,
                     saga_event_info(e)->name);
    if (rule->kind == SAGA_RULE_MOVE && rule->to < SAGA_STATE_COUNT && is_left_out(check, rule->to))
        complain(check, "rule %u: goes to %s, which %s leaves out", rule->id, saga_state_info(rule->to)->name,
                 check->source->name);
}

static void check_rules(struct check *check)
{
    uint32_t last = 0;
    for (size_t i = 0; i < check->source->rule_count; i++) {
        const struct saga_rule *rule = &check->source->rules[i];
        if (rule->id <= last)
            complain(check, "rule %u: ids must rise", rule->id);
        last = rule->id;
        if (is_own(check, rule))
            check_rule(check, rule);
    }
}

// Each way out of making an order goes through COMPENSATING, starts undoing there, once, and names its ending.
static void check_unmaking(struct check *check, const struct saga_rule *rule)
{
    const bool begins = acts(rule, SAGA_ACTION_begin_undo);
    const bool goes = rule->kind == SAGA_RULE_MOVE && rule->to == SAGA_COMPENSATING;
    if (begins != goes)
        complain(check, "rule %u: undoing begins with the way to COMPENSATING, and only there", rule->id);
    if (goes != (rule->ending != SAGA_STATE_NONE))
        complain(check, "rule %u: COMPENSATING works for an ending, nothing else does", rule->id);
    if (rule->ending != SAGA_STATE_NONE && saga_state_info(rule->ending)->kind != SAGA_ENDED)
        complain(check, "rule %u: %s isn't an ending", rule->id, saga_state_info(rule->ending)->name);
    const bool unmade = rule->to == SAGA_CANCELLED || rule->to == SAGA_REJECTED;
    if (unmade && rule->from != SAGA_BIT(SAGA_COMPENSATING))
        complain(check, "rule %u: enters %s without undoing", rule->id, saga_state_info(rule->to)->name);
    if (unmade && rule->when == SAGA_GUARD_NONE && rule->on != SAGA_BIT(SAGA_EVENT_GO))
        complain(check, "rule %u: enters %s before every undoing is acknowledged", rule->id,
                 saga_state_info(rule->to)->name);
}

// --- Cells.

static void check_leaving(struct check *check, const struct saga_rule *rule, enum saga_state state)
{
    const enum saga_state_kind kind = saga_state_info(state)->kind;
    if (rule->kind != SAGA_RULE_MOVE || (kind != SAGA_ENDED && kind != SAGA_FINAL))
        return;
    const bool stays = rule->to == SAGA_SAME;
    const bool closes = rule->to < SAGA_STATE_COUNT && saga_state_info(rule->to)->kind == SAGA_FINAL;
    if (kind == SAGA_FINAL)
        complain(check, "rule %u: %s is final", rule->id, saga_state_info(state)->name);
    else if (!stays && !closes && !rule->reopen)
        complain(check, "rule %u: leaves %s without being marked reopen", rule->id,
                 saga_state_info(state)->name);
}

static void check_cell(struct check *check, enum saga_state state, enum saga_event event, bool *decides)
{
    const uint16_t *cell;
    const size_t count = saga_cell(check->definition, state, event, &cell);
    const char *state_name = saga_state_info(state)->name;
    const char *event_name = saga_event_info(event)->name;
    bool ended = false;
    for (size_t i = 0; i < count; i++) {
        const struct saga_rule *rule = &check->source->rules[cell[i]];
        decides[cell[i]] = true;
        bool shadowed = ended;
        for (size_t j = 0; j < i; j++)
            shadowed = shadowed || check->source->rules[cell[j]].when == rule->when;
        if (shadowed)
            complain(check, "rule %u: shadowed in %s on %s", rule->id, state_name, event_name);
        ended = ended || rule->when == SAGA_GUARD_NONE;
        check_leaving(check, rule, state);
        if (rule->kind == SAGA_RULE_NEVER && saga_event_info(event)->kind == SAGA_REQUEST &&
            state != SAGA_RECEIVED)
            complain(check, "rule %u: drops a request in %s on %s", rule->id, state_name, event_name);
    }
    if (!ended)
        complain(check, "%s on %s: no rule decides when all conditions fail", state_name, event_name);
}

static void check_cells(struct check *check)
{
    bool decides[UINT16_MAX + 1] = {false};
    for (enum saga_state s = 1; s < SAGA_STATE_COUNT; s++)
        for (enum saga_event e = 1; e < SAGA_EVENT_COUNT; e++)
            if (!is_left_out(check, s))
                check_cell(check, s, e, decides);
    for (size_t i = 0; i < check->source->rule_count; i++)
        if (is_own(check, &check->source->rules[i]) && !decides[i])
            complain(check, "rule %u: decides nowhere", check->source->rules[i].id);
}

// --- Ways.

// Where RESUME may lead: every state from which an order is set aside.
static uint64_t set_aside_from(const struct check *check)
{
    uint64_t from = 0;
    for (enum saga_state s = 1; s < SAGA_STATE_COUNT; s++) {
        for (enum saga_event e = 1; e < SAGA_EVENT_COUNT; e++) {
            const uint16_t *cell;
            const size_t count = saga_cell(check->definition, s, e, &cell);
            for (size_t i = 0; i < count; i++) {
                const enum saga_state to = check->source->rules[cell[i]].to;
                if ((to == SAGA_COMPENSATING || to == SAGA_NEEDS_PERSON) && !is_left_out(check, s))
                    from |= SAGA_BIT(s);
            }
        }
    }
    return from;
}

static uint64_t next_states(const struct check *check, enum saga_state state, uint64_t resumable)
{
    uint64_t next = 0;
    for (enum saga_event e = 1; e < SAGA_EVENT_COUNT; e++) {
        const uint16_t *cell;
        const size_t count = saga_cell(check->definition, state, e, &cell);
        for (size_t i = 0; i < count; i++) {
            const struct saga_rule *rule = &check->source->rules[cell[i]];
            if (rule->kind == SAGA_RULE_MOVE && rule->to < SAGA_STATE_COUNT)
                next |= SAGA_BIT(rule->to);
            else if (rule->kind == SAGA_RULE_MOVE && rule->to == SAGA_RESUME)
                next |= resumable;
        }
    }
    return next;
}

static void check_ways(struct check *check)
{
    const uint64_t resumable = set_aside_from(check);
    uint64_t reached = SAGA_BIT(SAGA_RECEIVED);
    uint64_t ending = 0;
    for (enum saga_state s = 1; s < SAGA_STATE_COUNT; s++)
        if (saga_state_info(s)->kind == SAGA_ENDED || saga_state_info(s)->kind == SAGA_FINAL)
            ending |= SAGA_BIT(s);
    for (unsigned round = 0; round < SAGA_STATE_COUNT; round++) {
        for (enum saga_state s = 1; s < SAGA_STATE_COUNT; s++) {
            const uint64_t next = is_left_out(check, s) ? 0 : next_states(check, s, resumable);
            if ((reached & SAGA_BIT(s)) != 0)
                reached |= next;
            if ((next & ending) != 0)
                ending |= SAGA_BIT(s);
        }
    }
    for (enum saga_state s = 1; s < SAGA_STATE_COUNT; s++) {
        if (is_left_out(check, s))
            continue;
        if ((reached & SAGA_BIT(s)) == 0)
            complain(check, "%s: can't be reached", saga_state_info(s)->name);
        if ((ending & SAGA_BIT(s)) == 0)
            complain(check, "%s: can't end", saga_state_info(s)->name);
    }
}

static void check_waiting(struct check *check)
{
    for (enum saga_state s = 1; s < SAGA_STATE_COUNT; s++) {
        const struct saga_state_info *info = saga_state_info(s);
        if (is_left_out(check, s) || info->kind == SAGA_PASSING || info->kind == SAGA_FINAL)
            continue;
        if (info->basis == SAGA_DEADLINE_NONE || !moves_on(check, s, SAGA_EVENT_DEADLINE_PASSED))
            complain(check, "%s: has no deadline, or nothing follows from it", info->name);
        if (info->kind != SAGA_WAITING)
            continue;
        if (info->owner == SAGA_OWNER_NOBODY)
            complain(check, "%s: waits on nobody", info->name);
        if (!moves_on(check, s, SAGA_EVENT_OPERATOR_RETRY) &&
            !moves_on(check, s, SAGA_EVENT_CANCEL_REQUESTED))
            complain(check, "%s: has no exit for an operator", info->name);
    }
}

// --- Effects.

static void check_steps(struct check *check)
{
    for (enum saga_step step = 1; step < SAGA_STEP_COUNT; step++) {
        const struct saga_step_info *info = saga_step_info(step);
        const bool undoable = info->undo[0] != '\0';
        bool acknowledged = false;
        for (enum saga_event e = 1; e < SAGA_EVENT_COUNT; e++) {
            const struct saga_event_info *event = saga_event_info(e);
            if (event->step == step && event->role == SAGA_UNDO)
                acknowledged = acknowledged || moves_on(check, SAGA_COMPENSATING, e);
        }
        if (undoable != (info->wave != 0) || undoable != acknowledged)
            complain(check, "step %s: what takes it back, when, and whose acknowledgement don't go together",
                     info->name);
        if (info->why[0] == '\0')
            complain(check, "step %s: doesn't say why it is undone so, or not", info->name);
    }
}

// What takes effect although the order is unmade is undone, or followed where it can't be.
static void check_late(struct check *check)
{
    static const enum saga_event successes[] = {
        SAGA_EVENT_STOCK_RESERVED,  SAGA_EVENT_STOCK_SHORT,      SAGA_EVENT_BACKORDER_FILLED,
        SAGA_EVENT_GOODS_RECEIVED,  SAGA_EVENT_ERP_ACCEPTED,     SAGA_EVENT_PLAN_CONFIRMED,
        SAGA_EVENT_PRODUCTION_DONE, SAGA_EVENT_PAYMENT_RECEIVED, SAGA_EVENT_SHIPMENT_HANDED_OVER,
    };
    static const enum saga_state states[] = {SAGA_COMPENSATING, SAGA_CANCELLED, SAGA_REJECTED};
    for (size_t i = 0; i < sizeof successes / sizeof successes[0]; i++)
        for (size_t j = 0; j < sizeof states / sizeof states[0]; j++)
            if (!moves_on(check, states[j], successes[i]))
                complain(check, "%s: a late %s would stand", saga_state_info(states[j])->name,
                         saga_event_info(successes[i])->name);
}

// --- Messages.

static const struct {
    const char *topic, *writers, *readers;
} topics[] = {
#define TOPIC(NAME, number, topic, key, Message, message_name, MODE, CLEANUP, hours, writers, readers)       \
    {topic, writers, readers},
#include "topics.def"
#undef TOPIC
};

static bool names(const char *list, const char *word)
{
    const size_t size = strlen(word);
    for (const char *at = list; (at = strstr(at, word)) != NULL; at += size)
        if ((at == list || at[-1] == ' ') && (at[size] == ' ' || at[size] == '\0'))
            return true;
    return false;
}

static void check_written(struct check *check, const char *topic)
{
    for (size_t i = 0; i < sizeof topics / sizeof topics[0]; i++)
        if (strcmp(topics[i].topic, topic) == 0 && names(topics[i].writers, "orchestrator") &&
            topics[i].readers[0] != '\0')
            return;
    complain(check, "topic %s: isn't the orchestrator's to write, or nobody reads it", topic);
}

static void check_messages(struct check *check)
{
    check_written(check, "order-events");
    check_written(check, "order-state");
    for (enum saga_peer peer = 0; peer < SAGA_PEER_COUNT; peer++)
        check_written(check, saga_peer_topic(peer));
    for (enum saga_event e = 1; e < SAGA_EVENT_COUNT; e++) {
        const struct saga_event_info *info = saga_event_info(e);
        const size_t size = strcspn(info->source, ":");
        bool found = info->kind == SAGA_DEADLINE || info->kind == SAGA_INTERNAL;
        for (size_t i = 0; i < sizeof topics / sizeof topics[0]; i++)
            found = found ||
                    (strlen(topics[i].topic) == size && memcmp(topics[i].topic, info->source, size) == 0 &&
                     names(topics[i].readers, "orchestrator"));
        if (!found)
            complain(check, "event %s: the orchestrator doesn't read where it comes from", info->name);
    }
}

size_t saga_check(const struct saga_definition *definition, saga_complain_fn tell, void *self)
{
    struct check check = {.definition = definition,
                          .source = saga_definition_source(definition),
                          .complain = tell,
                          .self = self};
    check_rules(&check);
    for (size_t i = 0; i < check.source->rule_count; i++)
        if (is_own(&check, &check.source->rules[i]))
            check_unmaking(&check, &check.source->rules[i]);
    check_cells(&check);
    check_ways(&check);
    check_waiting(&check);
    check_steps(&check);
    check_late(&check);
    check_messages(&check);
    return check.count;
}
