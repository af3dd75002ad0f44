// The saga as data: states, events, steps, guards, actions, rules, definitions.
//
// A rule says: in one of these states, on one of these events, when this holds, go there, do this; and why. The first rule
// that fits decides. Rules are never changed once released: a change is a new version of the definitions, and orders
// in flight keep theirs.
#pragma once

#include "base/clock.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum saga_state_kind { SAGA_PASSING, SAGA_WAITING, SAGA_ENDED, SAGA_FINAL };
enum saga_deadline_basis {
    SAGA_DEADLINE_NONE,
    SAGA_DEADLINE_FIXED,
    SAGA_DEADLINE_WORKING,
    SAGA_DEADLINE_PLANNED,
    SAGA_DEADLINE_ARRIVAL,
    SAGA_DEADLINE_WINDOW
};
enum saga_owner {
    SAGA_OWNER_NOBODY,
    SAGA_OWNER_CUSTOMER,
    SAGA_OWNER_OPERATOR,
    SAGA_OWNER_VALIDATOR,
    SAGA_OWNER_INVENTORY,
    SAGA_OWNER_SALES,
    SAGA_OWNER_LOGISTICS,
    SAGA_OWNER_DEPARTMENT, // that may clear the violations
    SAGA_OWNER_ASKED,      // those whose answers are missing
    SAGA_OWNER_GOODS,      // whoever keeps the next shipment from leaving
    SAGA_OWNER_CLOSING,    // the customer within the dispute window, then whoever keeps the order open
    SAGA_OWNER_UNDOING,    // those who have to undo something
};

enum saga_state {
    SAGA_STATE_NONE,
#define STATE(name, kind, deadline, setting, owner, task, announced, text_en, text_zh) SAGA_##name,
#include "orchestrator/saga/saga_states.def"
#undef STATE
    SAGA_STATE_COUNT, // with NONE
    SAGA_SAME,        // targets of rules, not states: stay; go back to where the order was
    SAGA_RESUME,
};

enum saga_event_kind { SAGA_REQUEST, SAGA_ANSWER, SAGA_REPLY, SAGA_DEADLINE, SAGA_INTERNAL };
enum saga_role { SAGA_ASKED, SAGA_UNDO };
enum saga_event {
    SAGA_EVENT_NONE,
#define EVENT(name, kind, source, step, role, text) SAGA_EVENT_##name,
#include "orchestrator/saga/saga_events.def"
#undef EVENT
    SAGA_EVENT_COUNT,
};

enum saga_step {
    SAGA_STEP_NONE,
#define STEP(name, text, command, peer, owner, again, undo, wave, why) SAGA_STEP_##name,
#include "orchestrator/saga/saga_steps.def"
#undef STEP
    SAGA_STEP_COUNT,
};

enum saga_guard {
    SAGA_GUARD_NONE,
#define GUARD(name, text) SAGA_GUARD_##name,
#include "orchestrator/saga/saga_guards.def"
#undef GUARD
    SAGA_GUARD_COUNT,
};

enum saga_action {
    SAGA_ACTION_NONE,
#define ACTION(name, asks, text) SAGA_ACTION_##name,
#include "orchestrator/saga/saga_actions.def"
#undef ACTION
    SAGA_ACTION_COUNT,
};

// Whose topic a command goes to.
enum saga_peer {
    SAGA_PEER_VALIDATOR,
    SAGA_PEER_INVENTORY,
    SAGA_PEER_FULFILLMENT,
    SAGA_PEER_NOTIFIER,
    SAGA_PEER_DEPARTMENTS,
    SAGA_PEER_COUNT
};

struct saga_state_info {
    const char *name;
    enum saga_state_kind kind;
    enum saga_deadline_basis basis;
    size_t setting; // offset in struct saga_settings
    enum saga_owner owner;
    const char *task; // "": none
    bool announced;
    const char *text_en, *text_zh;
};
struct saga_event_info {
    const char *name;
    enum saga_event_kind kind;
    const char *source;
    enum saga_step step;
    enum saga_role role;
    const char *text;
};
struct saga_step_info {
    const char *name;
    const char *command; // "": none is sent
    enum saga_peer peer;
    const char *owner; // "": its part names it
    size_t again;      // offset in struct saga_settings; SIZE_MAX: the state's deadline asks again
    const char *undo;  // "": nothing to take back
    unsigned wave;
    const char *why;
};
struct saga_text_info {
    const char *name;
    enum saga_step asks; // actions only
    const char *text;
};
const struct saga_state_info *saga_state_info(enum saga_state state);
const struct saga_event_info *saga_event_info(enum saga_event event);
const struct saga_step_info *saga_step_info(enum saga_step step);
const struct saga_text_info *saga_guard_info(enum saga_guard guard);
const struct saga_text_info *saga_action_info(enum saga_action action);
const char *saga_peer_topic(enum saga_peer peer);  // as in topics.def: commands.validator
enum saga_state saga_state_find(const char *name); // SAGA_STATE_NONE: there is none
enum saga_event saga_event_find(const char *name);

// ---- rules

#define SAGA_BIT(n)   (UINT64_C(1) << (n))
#define SAGA_ACTS_MAX 6

enum saga_rule_kind {
    SAGA_RULE_MOVE,   // to `to`: another state, the same one entered again, or (SAGA_SAME) without leaving it
    SAGA_RULE_REFUSE, // stays; the request is refused with `why` and with what is allowed
    SAGA_RULE_IGNORE, // nothing changes, nothing is told: late or doubled, as must be expected
    SAGA_RULE_NEVER,  // nothing changes; a dead letter: somebody has made a mistake
};

// Which definitions a rule belongs to; 0: all.
#define SAGA_STANDARD 1u
#define SAGA_EXPRESS  2u

struct saga_rule {
    uint32_t id; // stored with every transition; rising within the table, never used again
    enum saga_rule_kind kind;
    unsigned only; // SAGA_STANDARD, SAGA_EXPRESS; 0: both
    uint64_t from; // SAGA_BIT(state) …; 0: every state in which no rule above speaks of the event
    uint64_t on;   // SAGA_BIT(event) …
    enum saga_guard when;
    enum saga_state to;
    enum saga_state ending;     // with to = COMPENSATING: what it works for
    uint8_t act[SAGA_ACTS_MAX]; // enum saga_action, up to the first NONE
    uint64_t
        undo;  // SAGA_BIT(step) …: the steps that `act` asks for; saga_steps.def says what takes them back
    bool redo; // the same event is then looked at again in the new state (instead of GO)
    bool reopen; // may leave an ENDED state
    const char *why;
};

// A definition in one version: its rules, indexed.
struct saga_definition;

struct saga_definition_source {
    const char *name;
    uint32_t version;
    unsigned only;    // SAGA_STANDARD or SAGA_EXPRESS: which rules of the table are its own
    uint64_t without; // states that it leaves out
    const struct saga_rule *rules;
    size_t rule_count;
};

// malloc'd; the rules must outlive it. Thread-safe to read.
struct saga_definition *saga_definition_new(const struct saga_definition_source *source);
void saga_definition_free(struct saga_definition *definition); // NULL is fine
const struct saga_definition_source *saga_definition_source(const struct saga_definition *definition);

// The rules of a cell in the order in which they are tried: indexes into the source's rules. At most SAGA_CELL_MAX.
#define SAGA_CELL_MAX 8
size_t saga_cell(const struct saga_definition *definition, enum saga_state state, enum saga_event event,
                 const uint16_t **ret_rules);

// All definitions that this binary knows: orders in flight find theirs here.
struct saga_book {
    const struct saga_definition *const *definitions;
    size_t count;
    uint32_t newest; // version that new orders get
};
const struct saga_book *saga_book(void); // built on first use; thread-safe
const struct saga_definition *saga_book_find(const struct saga_book *book, const char *name,
                                             uint32_t version); // NULL: none

// The production table.
extern const struct saga_rule saga_rules_v1[];
extern const size_t saga_rules_v1_count;

// True when a request could be followed in this state (guards aside): for 409 answers before the saga is asked.
bool saga_request_allowed(const struct saga_definition *definition, enum saga_state state,
                          enum saga_event request);
// Words for people and programs: cancel, answer, shortage, retry, proceed, write_off. NULL: not a request of this kind.
const char *saga_request_word(enum saga_event request);
