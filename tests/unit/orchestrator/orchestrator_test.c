// The orchestrator's lane over memory: from records to sagas and back, what is kept, what is held, what is a dead letter.
// What the saga itself decides is tested in tests/saga.
#include "orchestrator/orchestrator.h"
#include "orchestrator/orchestrator_store.h"
#include "orderclerk/v1/dead_letters.pb-c.h"
#include "sim/harness.h"
#include "unit/orchestrator/peers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ORDER "019aafde-0000-7000-8000-000000000001"
#define OTHER "019aafde-0000-7000-8000-000000000002"

// The orchestrator, whose deadlines are refused while a test wants it.
static bool time_refused;

static struct err decide_unless_refused(struct batch *batch, const struct input *in)
{
    if (in->kind == INPUT_DEADLINE && time_refused)
        return err_make(ERR_REJECT, "a record is too large");
    return orchestrator_decide(batch, in);
}

static int setup(void **state)
{
    static struct lane_service service;
    service = orchestrator_lane;
    service.decide = decide_unless_refused;
    time_refused = false;
    orchestrator_context();
    *state = harness_new(&service);
    return 0;
}

static int teardown(void **state)
{
    harness_free(*state);
    return 0;
}

// ---- records

static void cancel(struct harness *h, const char *key)
{
    Orderclerk__V1__CancelOrder body = ORDERCLERK__V1__CANCEL_ORDER__INIT;
    Orderclerk__V1__OrderRequest request = ORDERCLERK__V1__ORDER_REQUEST__INIT;
    request.request_id = (char *)"request-1";
    request.body_case = ORDERCLERK__V1__ORDER_REQUEST__BODY_CANCEL;
    request.cancel = &body;
    harness_send(h, TOPIC_ORDERS, key, &request.base);
    harness_run(h);
}

// A reader of order-state knows this revision, and saw an older one behind it.
static void ask_newest(struct harness *h, const char *key, uint64_t known)
{
    harness_ask_newest(h, "orchestrator", "order-state", key, known);
}

// ---- looking

static struct saga_row *saga_of(struct harness *h, const char *key)
{
    struct uuid id;
    void *rows;
    assert_true(uuid_parse(bytes_str(key), &id));
    return harness_rows(h, &saga_table, SAGA_ORDER, value_uuid(id), &rows) == 0 ? NULL : rows;
}

static void assert_saga(struct harness *h, const char *key, const char *state, int64_t revision)
{
    const struct saga_row *row = saga_of(h, key);
    assert_non_null(row);
    assert_int_equal(row->state.size, strlen(state));
    assert_memory_equal(row->state.data, state, row->state.size);
    assert_int_equal(row->revision, revision);
}

static const Orderclerk__V1__OrderState *last_state(struct harness *h, size_t *ret_count)
{
    const ProtobufCMessage *last = NULL;
    const ProtobufCMessage *next;
    *ret_count = 0;
    while ((next = harness_take(h, TOPIC_ORDER_STATE, NULL)) != NULL) {
        last = next;
        (*ret_count)++;
    }
    return (const void *)last;
}

static const Orderclerk__V1__DeadLetter *dead_letter(struct harness *h)
{
    return (const void *)harness_take(h, TOPIC_DEAD_LETTERS, NULL);
}

// ---- tests

static void test_an_order_becomes_a_saga(void **state)
{
    struct harness *h = *state;
    size_t count;
    peers_submit(h, ORDER);
    assert_saga(h, ORDER, "VALIDATING", 1);
    assert_int_equal(harness_waiting(h, TOPIC_COMMANDS_VALIDATOR), 1);
    assert_int_equal(harness_waiting(h, TOPIC_COMMANDS_NOTIFIER), 1);
    const Orderclerk__V1__OrderState *snapshot = last_state(h, &count);
    assert_int_equal(count, 1);
    assert_string_equal(snapshot->order_id, ORDER);
    assert_string_equal(snapshot->state, "VALIDATING");
    assert_string_equal(snapshot->waiting_on, "validator");
    peers_validated(h, ORDER);
    peers_reserved(h, ORDER); // three rules fire, one snapshot
    assert_saga(h, ORDER, "IN_FULFILMENT", 4);
    snapshot = last_state(h, &count);
    assert_int_equal(count, 2);
    assert_int_equal(snapshot->saga_revision, 4);
    assert_int_equal(saga_of(h, ORDER)->order_no.size, strlen(snapshot->order_no));
    assert_int_equal(harness_waiting(h, TOPIC_COMMANDS_FULFILLMENT), 1);
    assert_int_equal(harness_waiting(h, TOPIC_COMMANDS_DEPARTMENTS), 1);
}

static void test_events_carry_the_transition(void **state)
{
    struct harness *h = *state;
    uint64_t sequence = 0;
    uint64_t revision = 0;
    struct head head;
    const ProtobufCMessage *message;
    peers_submit(h, ORDER);
    peers_validated(h, ORDER);
    peers_reserved(h, ORDER);
    peers_erp_accepted(h, ORDER);
    while ((message = harness_take(h, TOPIC_ORDER_EVENTS, &head)) != NULL) {
        const Orderclerk__V1__OrderEvent *event = (const void *)message;
        assert_int_equal(head.sequence, ++sequence);
        assert_true(event->saga_revision == revision || event->saga_revision == revision + 1);
        revision = event->saga_revision;
        assert_true(event->transition->rule_id > 0);
        assert_string_not_equal(event->transition->cause_topic, "");
    }
    assert_int_equal(revision, 5);
}

static void test_history_says_which_rule_and_why(void **state)
{
    struct harness *h = *state;
    peers_submit(h, ORDER);
    peers_validated(h, ORDER);
    peers_reserved(h, ORDER);
    struct uuid id;
    void *rows;
    uuid_parse(bytes_str(ORDER), &id);
    assert_int_equal(harness_rows(h, &saga_history_table, 0, value_uuid(id), &rows), 4);
    const struct saga_history_row *history = rows;
    static const int32_t rules[] = {10, 104, 206, 428};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(history[i].revision, i + 1);
        assert_int_equal(history[i].rule_id, rules[i]);
        assert_int_equal(history[i].causation_id.size, UUID_TEXT_SIZE - 1);
    }
    assert_true(bytes_is(history[0].topic, "orders"));
    assert_true(bytes_is(history[3].topic, "inventory-events")); // what set the chain off
}

static void test_order_numbers_differ(void **state)
{
    struct harness *h = *state;
    static const char *const orders[] = {ORDER, OTHER};
    for (size_t i = 0; i < 2; i++) {
        peers_submit(h, orders[i]);
        peers_validated(h, orders[i]);
        peers_reserved(h, orders[i]);
    }
    assert_false(bytes_equal(saga_of(h, ORDER)->order_no, saga_of(h, OTHER)->order_no));
}

static void test_silence_is_answered_by_the_same_command(void **state)
{
    struct harness *h = *state;
    struct head first;
    struct head head;
    peers_submit(h, ORDER);
    assert_non_null(harness_take(h, TOPIC_COMMANDS_VALIDATOR, &first));
    harness_advance(h, 30 * INSTANT_SECOND);
    assert_non_null(harness_take(h, TOPIC_COMMANDS_VALIDATOR, &head));
    assert_true(head.again);
    assert_true(uuid_equal(head.id, first.id));
    assert_int_equal(head.sequence, first.sequence);
    assert_saga(h, ORDER, "VALIDATING", 2);
    for (int i = 0; i < 3; i++)
        harness_advance(h, 30 * INSTANT_SECOND);
    assert_saga(h, ORDER, "NEEDS_PERSON", 5);
    peers_validated(h, ORDER); // late, and still what was missing
    assert_saga(h, ORDER, "RESERVING", 7);
}

static void test_what_can_not_be_is_a_dead_letter(void **state)
{
    struct harness *h = *state;
    peers_submit(h, ORDER);
    peers_erp_accepted(h, ORDER); // nobody asked
    const Orderclerk__V1__DeadLetter *letter = dead_letter(h);
    assert_non_null(letter);
    assert_string_equal(letter->reason, "NEVER");
    assert_string_equal(letter->state, "VALIDATING");
    assert_false(letter->held);
    assert_saga(h, ORDER, "VALIDATING", 1);
    peers_validated(h, ORDER); // the order goes on
    assert_saga(h, ORDER, "RESERVING", 2);
}

static void test_an_unknown_order_is_held_then_dead(void **state)
{
    struct harness *h = *state;
    cancel(h, ORDER);
    assert_null(saga_of(h, ORDER));
    assert_null(dead_letter(h));
    peers_submit(h, OTHER); // nobody else waits
    assert_saga(h, OTHER, "VALIDATING", 1);
    harness_advance(h, 2 * INSTANT_MINUTE);
    const Orderclerk__V1__DeadLetter *letter = dead_letter(h);
    assert_non_null(letter);
    assert_string_equal(letter->order_id, ORDER);
}

static void test_a_refused_request_is_told(void **state)
{
    struct harness *h = *state;
    size_t count;
    peers_submit(h, ORDER);
    cancel(h, ORDER);
    assert_saga(h, ORDER, "CANCELLED", 3);
    cancel(h, ORDER);
    assert_saga(h, ORDER, "CANCELLED", 4);
    const Orderclerk__V1__OrderState *snapshot = last_state(h, &count);
    assert_int_equal(count, 3);
    assert_int_equal(snapshot->n_refused_requests, 1);
    assert_string_equal(snapshot->refused_requests[0]->request_id, "request-1");
}

static void test_ignored_input_changes_nothing(void **state)
{
    struct harness *h = *state;
    size_t count;
    peers_submit(h, ORDER);
    last_state(h, &count);
    peers_submit(h, ORDER);
    assert_saga(h, ORDER, "VALIDATING", 1);
    assert_null(last_state(h, &count));
    assert_int_equal(harness_waiting(h, TOPIC_COMMANDS_VALIDATOR), 1);
}

static void test_a_message_of_a_newer_version_is_held(void **state)
{
    struct harness *h = *state;
    peers_submit(h, ORDER);
    Orderclerk__V1__OrderRequest request = ORDERCLERK__V1__ORDER_REQUEST__INIT; // without a body known here
    harness_send(h, TOPIC_ORDERS, ORDER, &request.base);
    harness_run(h);
    const Orderclerk__V1__DeadLetter *letter = dead_letter(h);
    assert_non_null(letter);
    assert_true(letter->held);
    peers_validated(h, ORDER); // held behind it, never skipped
    assert_saga(h, ORDER, "VALIDATING", 1);
}

static void test_retention_archives(void **state)
{
    struct harness *h = *state;
    peers_submit(h, ORDER);
    cancel(h, ORDER);
    harness_advance(h, orchestrator_settings()->retention);
    assert_saga(h, ORDER, "ARCHIVED", 4);
    assert_int_equal(saga_of(h, ORDER)->deadline, INSTANT_NONE);
}

static const Orderclerk__V1__Task *open_task(const Orderclerk__V1__OrderState *state)
{
    const Orderclerk__V1__Task *open = NULL;
    for (size_t i = 0; i < state->n_tasks; i++) {
        if (state->tasks[i]->closed_us != 0)
            continue;
        assert_null(open);
        open = state->tasks[i];
    }
    return open;
}

static void resolve(struct harness *h, const char *key, Orderclerk__V1__OperatorExit exit)
{
    Orderclerk__V1__ResolveByOperator body = ORDERCLERK__V1__RESOLVE_BY_OPERATOR__INIT;
    Orderclerk__V1__OrderRequest request = ORDERCLERK__V1__ORDER_REQUEST__INIT;
    body.exit = exit;
    request.actor = (char *)"operator:olga";
    request.body_case = ORDERCLERK__V1__ORDER_REQUEST__BODY_RESOLVE;
    request.resolve = &body;
    harness_send(h, TOPIC_ORDERS, key, &request.base);
    harness_run(h);
}

// Lets the order's next deadline be refused: a person is called, by name, with exits; nothing is held.
static void refuse_next_deadline(struct harness *h, const char *what)
{
    size_t count;
    last_state(h, &count);
    time_refused = true;
    harness_advance(h, saga_of(h, ORDER)->deadline - harness_now(h));
    time_refused = false;
    const struct saga_row *row = saga_of(h, ORDER);
    assert_memory_equal(row->state.data, "NEEDS_PERSON", row->state.size);
    assert_true(row->deadline > harness_now(h));
    const Orderclerk__V1__DeadLetter *letter = dead_letter(h);
    assert_non_null(letter);
    assert_string_equal(letter->reason, "DEADLINE_REJECTED");
    assert_false(letter->held);
    assert_null(dead_letter(h));
    const Orderclerk__V1__OrderState *state = last_state(h, &count);
    assert_int_equal(count, 1);
    assert_string_equal(state->state, "NEEDS_PERSON");
    assert_string_equal(state->waiting_on, "operator");
    assert_string_equal(state->reason, what);
    const Orderclerk__V1__Task *task = open_task(state);
    assert_non_null(task);
    assert_string_equal(task->owner, "operator");
    assert_string_equal(task->kind, "FIX");
}

static const Orderclerk__V1__PersonNeeded *person_needed(struct harness *h)
{
    const Orderclerk__V1__PersonNeeded *found = NULL;
    const ProtobufCMessage *message;
    while ((message = harness_take(h, TOPIC_ORDER_EVENTS, NULL)) != NULL) {
        const Orderclerk__V1__OrderEvent *event = (const void *)message;
        if (event->body_case == ORDERCLERK__V1__ORDER_EVENT__BODY_PERSON_NEEDED)
            found = event->person_needed;
    }
    return found;
}

#define TOO_LARGE "a record is too large"

static void test_a_refused_deadline_calls_a_person(void **state)
{
    struct harness *h = *state;
    peers_submit(h, ORDER);
    refuse_next_deadline(h, "what was due in VALIDATING can't be done: " TOO_LARGE);
    const Orderclerk__V1__PersonNeeded *needed = person_needed(h);
    assert_non_null(needed);
    assert_string_equal(needed->who, "operator");
    assert_int_equal(needed->n_exits, 2); // retry, cancel
    const size_t commands = harness_waiting(h, TOPIC_COMMANDS_VALIDATOR);
    resolve(h, ORDER, ORDERCLERK__V1__OPERATOR_EXIT__OPERATOR_EXIT_RETRY);
    assert_saga(h, ORDER, "VALIDATING", 3);
    assert_int_equal(harness_waiting(h, TOPIC_COMMANDS_VALIDATOR), commands + 1);
    peers_validated(h, ORDER);
    assert_saga(h, ORDER, "RESERVING", 4);
}

static void test_a_late_answer_still_helps_after_a_refused_deadline(void **state)
{
    struct harness *h = *state;
    peers_submit(h, ORDER);
    refuse_next_deadline(h, "what was due in VALIDATING can't be done: " TOO_LARGE);
    peers_validated(h, ORDER);
    const struct saga_row *row = saga_of(h, ORDER);
    assert_memory_equal(row->state.data, "RESERVING", row->state.size);
}

static void test_goods_wait_for_the_person_too(void **state)
{
    struct harness *h = *state;
    peers_submit(h, ORDER);
    peers_validated(h, ORDER);
    peers_reserved(h, ORDER);
    refuse_next_deadline(h, "what was due in IN_FULFILMENT can't be done: " TOO_LARGE);
    // What is due for the person is refused as well: no second call, and no loop.
    time_refused = true;
    harness_advance(h, saga_of(h, ORDER)->deadline - harness_now(h));
    time_refused = false;
    assert_non_null(dead_letter(h));
    assert_null(dead_letter(h));
    assert_true(saga_of(h, ORDER)->deadline > harness_now(h));
    resolve(h, ORDER, ORDERCLERK__V1__OPERATOR_EXIT__OPERATOR_EXIT_RETRY);
    const struct saga_row *row = saga_of(h, ORDER);
    assert_memory_equal(row->state.data, "IN_FULFILMENT", row->state.size);
}

static void test_undoing_goes_on_by_hand_after_a_refused_deadline(void **state)
{
    struct harness *h = *state;
    peers_submit(h, ORDER);
    peers_validated(h, ORDER);
    peers_reserved(h, ORDER);
    cancel(h, ORDER);
    refuse_next_deadline(h, "what was due in COMPENSATING can't be done: " TOO_LARGE);
    resolve(h, ORDER, ORDERCLERK__V1__OPERATOR_EXIT__OPERATOR_EXIT_PROCEED);
    for (int i = 0; i < 4; i++) // each wave of undoing is taken as done by hand, and the next one asked for
        if (bytes_is(saga_of(h, ORDER)->state, "COMPENSATING")) {
            harness_advance(h, orchestrator_settings()->undo);
            resolve(h, ORDER, ORDERCLERK__V1__OPERATOR_EXIT__OPERATOR_EXIT_PROCEED);
        }
    const struct saga_row *row = saga_of(h, ORDER);
    assert_memory_equal(row->state.data, "CANCELLED", row->state.size);
}

static void test_an_ended_order_keeps_a_refused_deadline(void **state)
{
    struct harness *h = *state;
    peers_submit(h, ORDER);
    cancel(h, ORDER);
    time_refused = true;
    harness_advance(h, orchestrator_settings()->retention);
    time_refused = false;
    const Orderclerk__V1__DeadLetter *letter = dead_letter(h);
    assert_non_null(letter);
    assert_string_equal(letter->reason, "DEADLINE_REJECTED");
    assert_true(letter->held);
    assert_saga(h, ORDER, "CANCELLED", 3);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

static void test_the_newest_state_is_sent_again(void **state)
{
    struct harness *h = *state;
    size_t count;
    peers_submit(h, ORDER);
    const Orderclerk__V1__OrderState *first = last_state(h, &count);
    const uint64_t revision = first->saga_revision;
    ask_newest(h, ORDER, revision);
    const Orderclerk__V1__OrderState *again = last_state(h, &count);
    assert_string_not_equal(again->event_id,
                            first->event_id); // it isn't the same record: its time and cause are others
    assert_int_equal(count, 1);
    assert_int_equal(again->saga_revision, revision);
    assert_string_equal(again->state, "VALIDATING");
    ask_newest(h, ORDER, revision + 1); // whoever knows more isn't told less
    ask_newest(h, OTHER, 1);            // no such order
    (void)last_state(h, &count);
    assert_int_equal(count, 0);
    assert_null(dead_letter(h));
    assert_int_equal(saga_of(h, ORDER)->revision, revision);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_an_order_becomes_a_saga),
        TEST(test_events_carry_the_transition),
        TEST(test_history_says_which_rule_and_why),
        TEST(test_the_newest_state_is_sent_again),
        TEST(test_order_numbers_differ),
        TEST(test_silence_is_answered_by_the_same_command),
        TEST(test_what_can_not_be_is_a_dead_letter),
        TEST(test_an_unknown_order_is_held_then_dead),
        TEST(test_a_refused_request_is_told),
        TEST(test_ignored_input_changes_nothing),
        TEST(test_a_message_of_a_newer_version_is_held),
        TEST(test_retention_archives),
        TEST(test_a_refused_deadline_calls_a_person),
        TEST(test_a_late_answer_still_helps_after_a_refused_deadline),
        TEST(test_goods_wait_for_the_person_too),
        TEST(test_undoing_goes_on_by_hand_after_a_refused_deadline),
        TEST(test_an_ended_order_keeps_a_refused_deadline),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
