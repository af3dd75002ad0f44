// What guards and actions see, and what they share. Internal to the saga library.
#pragma once

#include "orchestrator/saga/saga.h"

#define SAGA_RUN_EVENTS_MAX 256 // order events of one rule: a line or a shipment each at most, and a few

// Letters of the document's own vocabularies.
#define STEP_ASKED   "ASKED"
#define STEP_DONE    "DONE"
#define STEP_UNDOING "UNDOING"
#define STEP_UNDONE  "UNDONE"
#define STEP_FAILED  "FAILED" // undoing it stayed unanswered
#define STEP_KEPT    "KEPT"   // undoing it was refused

struct saga_run {
    const struct saga_context *context;
    const struct saga_settings *settings;
    struct arena *arena;
    Orderclerk__V1__OrderState *doc;
    const struct saga_input *input;
    enum saga_event event; // the input's, or GO
    instant now;
    const struct saga_sink *sink;
    const struct saga_definition *definition;
    struct uuid order_id;
    // of the rule that fires
    const struct saga_rule *rule;
    enum saga_state from;
    enum saga_state to;
    bool renew;                    // an action wants the deadline counted from now …
    unsigned doublings;            // … and so much longer
    Orderclerk__V1__Step *changed; // the last step that changed: told when nothing else is
    Orderclerk__V1__OrderEvent *events[SAGA_RUN_EVENTS_MAX];
    size_t event_count;
};

typedef bool (*saga_guard_fn)(const struct saga_run *run);
typedef void (*saga_action_fn)(struct saga_run *run);

// ---- memory (saga_doc.c)

void *saga_message(struct arena *arena, const ProtobufCMessageDescriptor *descriptor); // initialised
// Appends to a repeated message field: list is the address of its array, count of its size.
void saga_append(struct arena *arena, void *list, size_t *count, void *item);
char *saga_text(struct saga_run *run, const char *format, ...) __attribute__((format(printf, 2, 3)));
char *saga_copy(struct saga_run *run, const char *text);

// ---- telling (saga_tell.c)

// An order event with this body, to be sent when the rule has fired. The caller sets the body's pointer.
Orderclerk__V1__OrderEvent *saga_tell(struct saga_run *run, Orderclerk__V1__OrderEvent__BodyCase body);
// Whom an event is addressed to: department names, blank-separated.
const char *saga_departments_of(Orderclerk__V1__OrderEvent__BodyCase body);

enum saga_notice {
#define NOTICE(name, kind, values) SAGA_NOTICE_##name,
#include "orchestrator/saga/saga_notices.def"
#undef NOTICE
    SAGA_NOTICE_COUNT
};
const char *saga_notice_kind(enum saga_notice notice);
// A mail to the customer, or NULL where there is no address. Add values, then send.
Orderclerk__V1__Notify *saga_notice(struct saga_run *run, enum saga_notice notice);
void saga_notice_value(struct saga_run *run, Orderclerk__V1__Notify *notify, const char *name,
                       const char *value);
void saga_notice_send(struct saga_run *run, Orderclerk__V1__Notify *notify);

Orderclerk__V1__DepartmentCommand *saga_department_command(struct saga_run *run, const char *department);

// ---- steps (saga_steps.c)

enum saga_step saga_step_of(const Orderclerk__V1__Step *step);
const char *saga_step_part(const Orderclerk__V1__Step *step); // behind ":"; "" when there is none
bool saga_step_is(const Orderclerk__V1__Step *step, const char *state);
// The newest step of this kind and part, in this state; NULL: any part, any state. NULL: there is none.
Orderclerk__V1__Step *saga_step_find(const Orderclerk__V1__OrderState *doc, enum saga_step kind,
                                     const char *part, const char *state);
// Records that `kind` was asked for by the command with this event id; a step of the same name starts anew.
Orderclerk__V1__Step *saga_step_ask(struct saga_run *run, enum saga_step kind, const char *part,
                                    struct uuid command);
// Marks a step; answered questions that nobody ever undoes are dropped from the list.
void saga_step_set(struct saga_run *run, Orderclerk__V1__Step *step, const char *state);
// The step that the input answers: by its event and the part named in its body. NULL: there is none in `state` (NULL: any).
Orderclerk__V1__Step *saga_step_answered(const struct saga_run *run, const char *state);
const char *saga_step_owner(struct arena *arena, const Orderclerk__V1__OrderState *doc,
                            const Orderclerk__V1__Step *step);
// Sends the step's last command once more.
void saga_step_again(struct saga_run *run, Orderclerk__V1__Step *step);
int64_t saga_step_again_after(const struct saga_run *run,
                              const Orderclerk__V1__Step *step); // doubling with its tries

// ---- promise (saga_act_plan.c)

void saga_production_finish(struct saga_run *run); // when all is made and received: the step is done
void saga_promise_move(struct saga_run *run, const char *date,
                       const char *cause); // tells departments and the customer

// ---- undoing (saga_act_undo.c)

void saga_undo_step(struct saga_run *run,
                    Orderclerk__V1__Step *step);       // asks for it; what needs no asking is undone at once
bool saga_undo_open(const Orderclerk__V1__Step *step); // an effect that stands and can be undone
bool saga_undoing(const Orderclerk__V1__OrderState *doc); // COMPENSATING, or a person called from it

// ---- the goods (saga_goods.c)

Orderclerk__V1__ResolvedLine *saga_line(const Orderclerk__V1__OrderState *doc, uint32_t line_no);
Orderclerk__V1__LineQuantities *saga_quantities(const Orderclerk__V1__OrderState *doc, uint32_t line_no);
Orderclerk__V1__ShipmentState *saga_shipment(const Orderclerk__V1__OrderState *doc, const char *shipment_id);
bool saga_shipment_is(const Orderclerk__V1__ShipmentState *shipment, const char *state);
bool saga_shipment_gone(const Orderclerk__V1__ShipmentState *shipment); // handed over, whatever became of it
bool saga_shipment_open(const Orderclerk__V1__ShipmentState *shipment); // not gone, not cancelled
unsigned saga_shipment_rank(const char *state);                         // how far along; higher is further
bool saga_at_hand(const Orderclerk__V1__OrderState *doc, const Orderclerk__V1__ShipmentState *shipment);
bool saga_everything_gone(const Orderclerk__V1__OrderState *doc,
                          const Orderclerk__V1__ShipmentState *with); // with: this one too
bool saga_has_make_lines(const Orderclerk__V1__OrderState *doc);
int64_t saga_units(const Orderclerk__V1__OrderState *doc);
void saga_quantities_rebuild(struct saga_run *run); // after the lines have changed
void saga_quantities_held(struct saga_run *run);    // reserved, backordered from the allocations
// Lost and sent back (sign 1): the customer is short of them; found again (-1): no more.
void saga_count_short(struct saga_run *run, const Orderclerk__V1__ShipmentState *shipment, int64_t sign);
void saga_quantities_count(Orderclerk__V1__OrderState *doc); // released, picked, packed from the shipments
void saga_allocate(struct saga_run *run, Orderclerk__V1__Allocation *const *allocations, size_t count);
// Takes a line that has left off what is held.
void saga_deallocate(Orderclerk__V1__OrderState *doc, const Orderclerk__V1__ShipmentState *shipment,
                     const Orderclerk__V1__ShipmentLine *line);
void saga_shipments_plan(struct saga_run *run); // drafts for what is held and in no shipment
const Orderclerk__V1__Hold *saga_blocking_hold(const Orderclerk__V1__OrderState *doc);
const Orderclerk__V1__Hold *saga_hold_find(const Orderclerk__V1__OrderState *doc, const char *kind,
                                           const char *placed_by);
void saga_hold_place(struct saga_run *run, const char *kind, const char *placed_by, const char *reason);
void saga_hold_lift(struct saga_run *run, const char *kind, const char *placed_by, const char *by,
                    const char *reason);

// ---- the order as the customer wrote it (saga_order.c)

// Applies changes by field path to the order. NULL: applied; else what is wrong. With `check` nothing is changed.
const char *saga_order_change(struct arena *arena, Orderclerk__V1__Order *order,
                              Orderclerk__V1__FieldChange *const *changes, size_t count, bool check);
// What is wrong with the customer's choices about the document's shortages; NULL: nothing.
const char *saga_choices_wrong(const Orderclerk__V1__OrderState *doc,
                               const Orderclerk__V1__AnswerShortage *answer);
bool saga_choices_refuse(const Orderclerk__V1__OrderState *doc, const Orderclerk__V1__AnswerShortage *answer);
void saga_choices_apply(struct saga_run *run, const Orderclerk__V1__AnswerShortage *answer);
void saga_violation_add(struct saga_run *run, const char *code, const char *field, const char *text_en,
                        const char *text_zh, const char *suggestion);

// ---- money (saga_money.c)

// net, tax of `lines` when what was shipped before them is doc's: the sum over all shipments is the order's, to the unit.
void saga_invoice_of(const Orderclerk__V1__OrderState *doc, Orderclerk__V1__ShipmentLine *const *lines,
                     size_t count, int64_t *ret_net, int64_t *ret_tax);
bool saga_paid(const Orderclerk__V1__OrderState *doc); // in full, or written off
void saga_payment_state(Orderclerk__V1__OrderState *doc);

// ---- time and owners (saga_time.c, saga_owner.c)

instant saga_deadline(const struct saga_run *run, enum saga_state state); // counted from now
instant saga_working_time(const char *zone, instant from, int64_t working_us);
instant saga_instant_of(const char *zone, local_date date); // its midnight
instant saga_reminder(const struct saga_settings *settings,
                      const Orderclerk__V1__OrderState *doc); // INSTANT_NONE: none
char *saga_owner_text(struct arena *arena, const Orderclerk__V1__OrderState *doc, enum saga_state state,
                      instant now);
const char *saga_department_asked(const Orderclerk__V1__OrderState *doc); // whose violations come first
void saga_task_open(struct saga_run *run, enum saga_state state);
void saga_task_close(struct saga_run *run, const char *outcome);
void saga_task_follow(struct saga_run *run);          // the open task is of whom the order now waits on
struct uuid saga_task_id(const struct saga_run *run); // of the task that the firing rule's state will have
// What a person must do, and how to get out.
const char *saga_person_what(struct saga_run *run);
size_t saga_person_exits(const struct saga_run *run, const char *ret_words[SAGA_REQUESTS_MAX]);

// ---- refusing (saga_act_ask.c)
void saga_refuse(struct saga_run *run, const char *why);
const char *saga_refusal_detail(const struct saga_run *run); // what exactly, or ""

extern const saga_guard_fn saga_guard_fns[SAGA_GUARD_COUNT];
extern const saga_action_fn saga_action_fns[SAGA_ACTION_COUNT];
#define ACTION(name, asks, text) void saga_do_##name(struct saga_run *run);
#include "orchestrator/saga/saga_actions.def"
#undef ACTION
#define ACT(name) void saga_do_##name(struct saga_run *run)

#define BODY(run, Type) ((const Orderclerk__V1__##Type *)(const void *)(run)->input->body)
// A new message in the run's arena: NEW(run, step) -> Orderclerk__V1__Step *.
#define NEW(run, name) saga_message((run)->arena, &orderclerk__v1__##name##__descriptor)
// The orders' texts are never NULL in protobuf-c, but "" when unset.
#define IS_EMPTY(text) ((text) == NULL || (text)[0] == '\0')
