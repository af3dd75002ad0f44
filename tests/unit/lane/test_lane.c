// What the lane does with good, doubled, early, refused, unknown and late input. One lane, nothing fails.
#include "echo.h"

#include "orderclerk/v1/control.pb-c.h"
#include "orderclerk/v1/dead_letters.pb-c.h"
#include "orderclerk/v1/orders.pb-c.h"
#include "orderclerk/v1/validation_events.pb-c.h"
#include "sim/harness.h"
#include "unit/base/unit.h"

#include <stdio.h>
#include <string.h>

static const char A[] = "0190b7a4-0000-7000-8000-00000000000a";
static const char B[] = "0190b7a4-0000-7000-8000-00000000000b";

static int setup(void **state)
{
    echo_accept_rejects = echo_reject_results = false;
    *state = harness_new(&echo_service);
    return 0;
}
static int teardown(void **state)
{
    harness_free(*state);
    return 0;
}

static struct uuid send(struct harness *h, const char *key, const char *remarks, uint64_t sequence,
                        bool again)
{
    struct head head = {.sequence = sequence, .again = again};
    char id[UUID_TEXT_SIZE];
    if (sequence > 0) { // the same record again has the same id
        char name[80];
        snprintf(name, sizeof name, "%s %llu", key, (unsigned long long)sequence);
        uuid_format(uuid_from_name("test", bytes_str(name)), id);
        head.event_id = bytes_str(id);
    }
    return harness_send_head(h, TOPIC_COMMANDS_VALIDATOR, key, echo_command(remarks), &head);
}

static void control(struct harness *h, const char *key, Orderclerk__V1__Control__BodyCase what)
{
    Orderclerk__V1__Redrive redrive = ORDERCLERK__V1__REDRIVE__INIT;
    Orderclerk__V1__Discard discard = ORDERCLERK__V1__DISCARD__INIT;
    Orderclerk__V1__SkipGap skip = ORDERCLERK__V1__SKIP_GAP__INIT;
    Orderclerk__V1__Pause pause = ORDERCLERK__V1__PAUSE__INIT;
    Orderclerk__V1__Resume resume = ORDERCLERK__V1__RESUME__INIT;
    Orderclerk__V1__Resend resend = ORDERCLERK__V1__RESEND__INIT;
    Orderclerk__V1__Control c = ORDERCLERK__V1__CONTROL__INIT;
    c.service = "validator";
    c.body_case = what;
    switch (what) {
    case ORDERCLERK__V1__CONTROL__BODY_REDRIVE:
        c.redrive = &redrive;
        break;
    case ORDERCLERK__V1__CONTROL__BODY_DISCARD:
        c.discard = &discard;
        break;
    case ORDERCLERK__V1__CONTROL__BODY_SKIP_GAP:
        c.skip_gap = &skip;
        break;
    case ORDERCLERK__V1__CONTROL__BODY_PAUSE:
        c.pause = &pause;
        break;
    case ORDERCLERK__V1__CONTROL__BODY_RESUME:
        c.resume = &resume;
        break;
    case ORDERCLERK__V1__CONTROL__BODY_RESEND:
        resend.topic = "validation-events";
        resend.from_sequence = 1;
        c.resend = &resend;
        break;
    case ORDERCLERK__V1__CONTROL__BODY__NOT_SET:
    case _ORDERCLERK__V1__CONTROL__BODY__CASE_IS_INT_SIZE:
        fail();
    }
    harness_send(h, TOPIC_CONTROL, key, &c.base);
    harness_run(h);
}

// Answers so far for a key must be numbered from 1 without gaps; returns how many there are.
static uint64_t answers(struct harness *h, const char *key, int64_t *ret_last_count)
{
    struct head head;
    const ProtobufCMessage *m;
    uint64_t last = 0;
    while ((m = harness_take(h, TOPIC_VALIDATION_EVENTS, &head)) != NULL) {
        assert_true(bytes_is(head.key, key));
        if (head.again)
            continue;
        assert_true(last == 0 || head.sequence == last + 1);
        last = head.sequence;
        if (ret_last_count != NULL)
            *ret_last_count = ((const Orderclerk__V1__ValidationEvent *)m)->validated->total_minor;
    }
    return last;
}

static int64_t count_of(struct harness *h, const char *key)
{
    struct uuid id;
    void *rows;
    assert_true(uuid_parse(bytes_str(key), &id));
    if (harness_rows(h, &echo_table, 0, value_uuid(id), &rows) == 0)
        return 0;
    return ((struct echo_row *)rows)->count;
}

static const struct key_state_row *key_state(struct harness *h, const char *key)
{
    void *rows;
    return harness_rows(h, &key_state_table, 0, value_text(bytes_str(key)), &rows) == 0 ? NULL : rows;
}

static size_t held(struct harness *h, const char *key)
{
    void *rows;
    return harness_rows(h, &held_table, 0, value_text(bytes_str(key)), &rows);
}

static const Orderclerk__V1__DeadLetter *dead_letter(struct harness *h)
{
    return (const Orderclerk__V1__DeadLetter *)harness_take(h, TOPIC_DEAD_LETTERS, NULL);
}

static void applies_in_order_and_answers(void **state)
{
    struct harness *h = *state;
    for (int i = 0; i < 5; i++)
        send(h, A, "", 0, false);
    harness_run(h);
    int64_t count = 0;
    assert_int_equal(answers(h, A, &count), 5);
    assert_int_equal(count, 5);
    assert_int_equal(count_of(h, A), 5);
    assert_null(dead_letter(h));
}

static void duplicates_have_no_effect(void **state)
{
    struct harness *h = *state;
    for (int i = 0; i < 3; i++)
        send(h, A, "", 1, false);
    harness_run(h);
    send(h, A, "", 1, false);
    harness_run(h);
    assert_int_equal(count_of(h, A), 1);
    assert_int_equal(answers(h, A, NULL), 1);
}

static void foreign_records_are_known_by_id(void **state)
{
    struct harness *h = *state;
    Orderclerk__V1__OrderRequest request = ORDERCLERK__V1__ORDER_REQUEST__INIT;
    struct head head = {.event_id = bytes_str("click-4711")};
    for (int i = 0; i < 3; i++)
        harness_send_head(h, TOPIC_ORDERS, A, &request.base, &head);
    harness_run(h);
    harness_send_head(h, TOPIC_ORDERS, A, &request.base, &head);
    harness_run(h);
    assert_int_equal(count_of(h, A), 1);
}

static void again_brings_the_same_answer(void **state)
{
    struct harness *h = *state;
    send(h, A, "", 1, false);
    harness_run(h);
    struct head first;
    assert_non_null(harness_take(h, TOPIC_VALIDATION_EVENTS, &first));
    send(h, A, "", 2, false);
    harness_run(h);
    assert_non_null(harness_take(h, TOPIC_VALIDATION_EVENTS, NULL));
    send(h, A, "", 1, true);
    harness_run(h);
    struct head second;
    assert_non_null(harness_take(h, TOPIC_VALIDATION_EVENTS, &second));
    assert_true(second.again && second.sequence == first.sequence &&
                bytes_equal(second.event_id, first.event_id));
    assert_null(harness_take(h, TOPIC_VALIDATION_EVENTS, NULL));
    assert_int_equal(count_of(h, A), 2);
}

static void resend_on_control(void **state)
{
    struct harness *h = *state;
    for (int i = 0; i < 3; i++) {
        send(h, A, "", 0, false);
        harness_run(h);
    }
    assert_int_equal(answers(h, A, NULL), 3);
    control(h, A, ORDERCLERK__V1__CONTROL__BODY_RESEND);
    struct head head;
    for (uint64_t i = 1; i <= 3; i++) {
        assert_non_null(harness_take(h, TOPIC_VALIDATION_EVENTS, &head));
        assert_true(head.again && head.sequence == i);
    }
}

// Copies that share a batch with something new are found by the next search, and at some time the first ones no longer are.
static void a_copy_is_sent_again(void **state)
{
    enum { MANY = 40 };
    struct harness *h = *state;
    for (uint64_t last = 1; last <= MANY; last++) {
        send(h, A, "", 0, false);
        control(h, A, ORDERCLERK__V1__CONTROL__BODY_RESEND); // in the same batch
        uint64_t copies = 0;
        struct head head;
        while (harness_take(h, TOPIC_VALIDATION_EVENTS, &head) != NULL) {
            copies += head.again;
            assert_int_equal(head.sequence, head.again ? copies : last);
        }
        assert_int_equal(copies, last - 1);
    }
}

// However long ago it was: more batches than key_state names, several times over.
static void old_records_are_sent_again_too(void **state)
{
    enum { MANY = 150 };
    struct harness *h = *state;
    for (uint64_t i = 1; i <= MANY; i++) {
        send(h, A, "", i, false);
        send(h, B, "", i, false); // another key in the same batches
        harness_run(h);
    }
    struct head head;
    while (harness_take(h, TOPIC_VALIDATION_EVENTS, &head) != NULL)
        assert_false(head.again);
    control(h, A, ORDERCLERK__V1__CONTROL__BODY_RESEND); // from 1
    for (uint64_t i = 1; i <= MANY; i++) {
        assert_non_null(harness_take(h, TOPIC_VALIDATION_EVENTS, &head));
        assert_true(bytes_is(head.key, A));
        assert_true(head.again && head.sequence == i);
    }
    assert_null(harness_take(h, TOPIC_VALIDATION_EVENTS, &head));
    for (uint64_t i = 3; i <= MANY; i += 49) { // a command again brings its own answer again, once
        send(h, B, "", i, true);
        send(h, B, "", i, true);
        harness_run(h);
        assert_non_null(harness_take(h, TOPIC_VALIDATION_EVENTS, &head));
        assert_true(bytes_is(head.key, B));
        assert_true(head.again && head.sequence == i);
        assert_null(harness_take(h, TOPIC_VALIDATION_EVENTS, &head));
    }
    assert_int_equal(count_of(h, B), MANY);
}

static void a_gap_is_held_until_it_is_filled(void **state)
{
    struct harness *h = *state;
    send(h, A, "", 1, false);
    send(h, A, "", 3, false);
    send(h, A, "", 4, false);
    send(h, B, "", 1, false);
    harness_run(h);
    assert_int_equal(count_of(h, A), 1);
    assert_int_equal(count_of(h, B), 1);
    assert_int_equal(held(h, A), 2);
    assert_true(bytes_is(key_state(h, A)->held, "GAP"));
    send(h, A, "", 2, false);
    harness_run(h);
    assert_int_equal(count_of(h, A), 4);
    assert_int_equal(held(h, A), 0);
    assert_null(key_state(h, A)->held.data);
}

static void an_old_gap_asks_the_writer_again(void **state)
{
    struct harness *h = *state;
    send(h, A, "", 2, false);
    harness_run(h);
    assert_null(harness_take(h, TOPIC_CONTROL, NULL));
    harness_advance(h, 31 * INSTANT_SECOND);
    const Orderclerk__V1__Control *c = (const Orderclerk__V1__Control *)harness_take(h, TOPIC_CONTROL, NULL);
    assert_non_null(c);
    assert_string_equal(c->service, "orchestrator");
    assert_int_equal(c->body_case, ORDERCLERK__V1__CONTROL__BODY_RESEND);
    assert_string_equal(c->resend->topic, "commands.validator");
    assert_int_equal(c->resend->from_sequence, 1);
    harness_advance(h, 31 * INSTANT_SECOND);
    assert_non_null(harness_take(h, TOPIC_CONTROL, NULL)); // and once more
    control(h, A, ORDERCLERK__V1__CONTROL__BODY_SKIP_GAP);
    assert_int_equal(count_of(h, A), 1);
    assert_null(key_state(h, A)->held.data);
}

static void rejected_input_holds_its_order_only(void **state)
{
    struct harness *h = *state;
    send(h, A, "", 0, false);
    send(h, A, "reject", 0, false);
    send(h, A, "", 0, false);
    send(h, B, "", 0, false);
    harness_run(h);
    assert_int_equal(count_of(h, A), 1); // what the refused decide had changed is undone
    assert_int_equal(count_of(h, B), 1);
    assert_int_equal(held(h, A), 2);
    const Orderclerk__V1__DeadLetter *letter = dead_letter(h);
    assert_non_null(letter);
    assert_string_equal(letter->reason, "REJECTED");
    assert_non_null(strstr(letter->detail, "remarks"));
    assert_true(letter->held && letter->value.len > 0);
    assert_null(dead_letter(h));
    assert_int_equal(harness_waiting(h, TOPIC_VALIDATION_EVENTS), 2);
    // The program is mended: the operator lets it try again.
    echo_accept_rejects = true;
    control(h, A, ORDERCLERK__V1__CONTROL__BODY_REDRIVE);
    assert_int_equal(count_of(h, A), 3);
    assert_int_equal(held(h, A), 0);
    assert_true(dead_letter(h)->settled);
}

static void redrive_that_fails_holds_again(void **state)
{
    struct harness *h = *state;
    send(h, A, "reject", 0, false);
    send(h, A, "", 0, false);
    harness_run(h);
    control(h, A, ORDERCLERK__V1__CONTROL__BODY_REDRIVE);
    assert_int_equal(held(h, A), 2);
    assert_true(bytes_is(key_state(h, A)->held, "REJECTED"));
    control(h, A, ORDERCLERK__V1__CONTROL__BODY_DISCARD); // all of it
    assert_int_equal(held(h, A), 0);
    assert_int_equal(count_of(h, A), 0);
    send(h, A, "", 0, false);
    harness_run(h);
    assert_int_equal(count_of(h, A), 1); // what was discarded leaves no gap
}

static void pause_and_resume(void **state)
{
    struct harness *h = *state;
    control(h, A, ORDERCLERK__V1__CONTROL__BODY_PAUSE);
    for (int i = 0; i < 3; i++)
        send(h, A, "", 0, false);
    harness_run(h);
    assert_int_equal(count_of(h, A), 0);
    assert_int_equal(held(h, A), 3);
    control(h, A, ORDERCLERK__V1__CONTROL__BODY_REDRIVE); // isn't a resume
    assert_int_equal(held(h, A), 3);
    control(h, A, ORDERCLERK__V1__CONTROL__BODY_RESUME);
    assert_int_equal(count_of(h, A), 3);
}

static void unknown_is_held_then_given_up(void **state)
{
    struct harness *h = *state;
    send(h, A, "unknown", 0, false);
    harness_run(h);
    assert_true(bytes_is(key_state(h, A)->held, "UNKNOWN"));
    assert_null(dead_letter(h));
    harness_advance(h, 61 * INSTANT_SECOND);
    assert_string_equal(dead_letter(h)->reason, "UNKNOWN_ORDER");
    assert_null(key_state(h, A)->held.data);
    send(h, A, "", 0, false);
    harness_run(h);
    assert_int_equal(count_of(h, A), 1);
}

static void deadlines_fire_once_and_after_messages(void **state)
{
    struct harness *h = *state;
    send(h, A, "deadline", 0, false);
    harness_run(h);
    harness_advance(h, 9 * INSTANT_SECOND);
    assert_int_equal(count_of(h, A), 1);
    harness_advance(h, 2 * INSTANT_SECOND);
    assert_int_equal(count_of(h, A), 2);
    harness_advance(h, 100 * INSTANT_SECOND);
    assert_int_equal(count_of(h, A), 2);
    assert_int_equal(answers(h, A, NULL), 2);
}

static void a_deadline_that_moves_away_is_looked_at_once_in_vain(void **state)
{
    struct harness *h = *state;
    send(h, A, "deadline", 0, false);
    harness_run(h);
    const instant first = key_state(h, A)->due;
    send(h, A, "later", 0, false);
    harness_run(h);
    assert_int_equal(key_state(h, A)->due, first); // indexed: not written anew with every move
    harness_advance(h, 20 * INSTANT_SECOND);
    assert_int_equal(count_of(h, A), 2);
    assert_int_equal(key_state(h, A)->due, first + 50 * INSTANT_SECOND);
    send(h, A, "deadline", 0, false);
    harness_advance(h, 11 * INSTANT_SECOND); // nearer again: at its time, not later
    assert_int_equal(count_of(h, A), 4);
    send(h, A, "deadline", 0, false);
    send(h, A, "never", 0, false);
    harness_advance(h, 100 * INSTANT_SECOND);
    assert_int_equal(count_of(h, A), 6);
    assert_int_equal(key_state(h, A)->due, INSTANT_NONE);
}

static void a_near_deadline_that_moves_far_away_is_not_looked_at_in_vain(void **state)
{
    struct harness *h = *state;
    send(h, A, "deadline", 0, false);
    harness_run(h);
    const instant first = key_state(h, A)->due;
    send(h, A, "tomorrow", 0, false);
    harness_run(h);
    assert_int_equal(key_state(h, A)->due, first - 10 * INSTANT_SECOND + INSTANT_DAY);
    harness_advance(h, 20 * INSTANT_SECOND);
    assert_int_equal(count_of(h, A), 2);
    harness_advance(h, INSTANT_DAY);
    assert_int_equal(count_of(h, A), 3);
    send(h, A, "deadline", 0, false);
    harness_run(h);
    send(h, A, "never", 0, false);
    harness_run(h);
    assert_int_equal(key_state(h, A)->due, INSTANT_NONE);
}

static void a_held_order_keeps_its_deadline(void **state)
{
    struct harness *h = *state;
    send(h, A, "deadline", 0, false);
    harness_run(h);
    control(h, A, ORDERCLERK__V1__CONTROL__BODY_PAUSE);
    harness_advance(h, 60 * INSTANT_SECOND);
    assert_int_equal(count_of(h, A), 1);
    control(h, A, ORDERCLERK__V1__CONTROL__BODY_RESUME);
    harness_advance(h, INSTANT_SECOND);
    assert_int_equal(count_of(h, A), 2);
}

static void effects_are_called_until_they_succeed(void **state)
{
    struct harness *h = *state;
    struct effect_call call;
    const Orderclerk__V1__EffectRequest *request;
    assert_false(harness_effect(h, &call, &request));
    send(h, A, "effect", 0, false);
    harness_run(h);
    assert_true(harness_effect(h, &call, &request));
    assert_string_equal(request->kind, "echo");
    assert_int_equal(call.attempt, 1);
    struct uuid id = call.id;
    harness_answer(h, id, EFFECT_FAILED, 503, bytes_str(""));
    assert_int_equal(count_of(h, A), 2); // decide saw the failure
    assert_false(harness_effect(h, &call, &request));
    harness_advance(h, 2 * INSTANT_SECOND);
    assert_true(harness_effect(h, &call, &request));
    assert_true(uuid_equal(call.id, id)); // the same id on every try
    assert_int_equal(call.attempt, 2);
    harness_answer(h, id, EFFECT_OK, 200, bytes_str(""));
    harness_advance(h, 600 * INSTANT_SECOND);
    assert_false(harness_effect(h, &call, &request));
    assert_int_equal(count_of(h, A), 3);
    void *rows;
    assert_int_equal(harness_rows(h, &effect_table, EFFECT_SLOT, value_i32(0), &rows), 0);
}

static void a_cancelled_effect_may_still_be_called_in_vain(void **state)
{
    struct harness *h = *state;
    struct effect_call call;
    const Orderclerk__V1__EffectRequest *request;
    void *rows;
    send(h, A, "effect", 0, false);
    harness_run(h);
    assert_true(harness_effect(h, &call, &request)); // under way
    send(h, A, "give up", 0, false);
    harness_run(h);
    assert_int_equal(harness_rows(h, &effect_table, EFFECT_ID, value_uuid(call.id), &rows), 0);
    assert_int_equal(count_of(h, A), 2);
    harness_answer(h, call.id, EFFECT_OK, 200, bytes_str(""));
    harness_run(h);
    assert_int_equal(count_of(h, A), 2);
    assert_int_equal(answers(h, A, NULL), 2);
}

static void what_the_database_refuses_is_found_and_held(void **state)
{
    struct harness *h = *state;
    for (int i = 0; i < 20; i++) {
        char key[UUID_TEXT_SIZE];
        snprintf(key, sizeof key, "0190b7a4-0000-7000-8000-0000000000%02x", i);
        send(h, key, i == 13 ? "fail" : "", 0, false);
    }
    harness_run(h);
    for (int i = 0; i < 20; i++) {
        char key[UUID_TEXT_SIZE];
        snprintf(key, sizeof key, "0190b7a4-0000-7000-8000-0000000000%02x", i);
        assert_int_equal(count_of(h, key), i == 13 ? 0 : 1);
        assert_int_equal(held(h, key), i == 13 ? 1 : 0);
    }
    assert_non_null(strstr(dead_letter(h)->detail, "echo_count"));
}

// What another process has written at the same moment is there at the next look: nothing is held for that.
static void a_row_that_another_was_quicker_to_make_is_read(void **state)
{
    struct harness *h = *state;
    echo_races = 1;
    send(h, A, "race", 0, false);
    harness_run(h);
    assert_int_equal(echo_races, 0);
    assert_int_equal(count_of(h, A), 1);
    assert_int_equal(answers(h, A, NULL), 1);
    assert_int_equal(held(h, A), 0);
}

static struct bytes last_of(struct harness *h, const char *key)
{
    struct uuid id;
    void *rows;
    assert_true(uuid_parse(bytes_str(key), &id));
    assert_int_equal(harness_rows(h, &echo_table, 0, value_uuid(id), &rows), 1);
    return ((struct echo_row *)rows)->last;
}

// A deadline that is refused alone: dead letter, and the service's other way; the key isn't held.
static void assert_refused_deadline(struct harness *h, const char *why)
{
    const Orderclerk__V1__DeadLetter *letter = dead_letter(h);
    assert_non_null(letter);
    assert_string_equal(letter->reason, "DEADLINE_REJECTED");
    assert_non_null(strstr(letter->detail, why));
    assert_false(letter->held);
    assert_null(key_state(h, A)->held.data);
    assert_non_null(strstr((const char *)last_of(h, A).data, why));
    assert_true(key_state(h, A)->due > harness_now(h) + 50 * INSTANT_SECOND);
}

static void a_deadline_that_is_refused_goes_another_way(void **state)
{
    static const char *const cases[][2] = {{"refused time", "refused: the row says so"},
                                           {"bad time", "echo_count"}}; // the CHECK
    for (size_t i = 0; i < 2; i++) {
        struct harness *h = *state;
        send(h, A, cases[i][0], 0, false);
        send(h, B, "deadline", 0, false); // due in the same batch
        harness_run(h);
        harness_advance(h, 11 * INSTANT_SECOND);
        assert_refused_deadline(h, cases[i][1]);
        assert_int_equal(count_of(h, A), 1);
        assert_int_equal(count_of(h, B), 2);
        send(h, A, "", 0, false);
        harness_run(h);
        assert_int_equal(count_of(h, A), 2);
        harness_free(h);
        *state = harness_new(&echo_service);
    }
}

static void a_deadline_with_no_way_left_holds_its_key(void **state)
{
    struct harness *h = *state;
    send(h, A, "worse time", 0, false);
    send(h, B, "deadline", 0, false);
    harness_run(h);
    harness_advance(h, 11 * INSTANT_SECOND);
    const Orderclerk__V1__DeadLetter *letter = dead_letter(h);
    assert_non_null(letter);
    assert_string_equal(letter->reason, "DEADLINE_REJECTED");
    assert_true(letter->held);
    assert_true(bytes_is(key_state(h, A)->held, "REJECTED"));
    assert_int_equal(count_of(h, A), 1);
    assert_int_equal(count_of(h, B), 2);
    harness_advance(h, 100 * INSTANT_SECOND);
    assert_null(dead_letter(h)); // it waits for an operator
    // Tried again in vain: the old letter is settled, and a new one says that it is held.
    char of[UUID_TEXT_SIZE];
    char id[UUID_TEXT_SIZE];
    snprintf(of, sizeof of, "%s", letter->record_event_id);
    snprintf(id, sizeof id, "%s", letter->event_id);
    control(h, A, ORDERCLERK__V1__CONTROL__BODY_REDRIVE);
    harness_advance(h, INSTANT_SECOND);
    letter = dead_letter(h);
    assert_true(letter->settled);
    assert_string_equal(letter->record_event_id, of);
    letter = dead_letter(h);
    assert_true(letter->held && !letter->settled);
    assert_string_equal(letter->record_event_id, of);
    assert_string_not_equal(letter->event_id, id);
    // Tried again with a mended program.
    echo_accept_rejects = true;
    control(h, A, ORDERCLERK__V1__CONTROL__BODY_REDRIVE);
    harness_advance(h, INSTANT_SECOND);
    assert_true(dead_letter(h)->settled);
    assert_null(dead_letter(h));
    assert_null(key_state(h, A)->held.data);
    assert_int_equal(count_of(h, A), 2);
}

static void a_deadline_can_be_discarded(void **state)
{
    struct harness *h = *state;
    send(h, A, "worse time", 0, false);
    harness_run(h);
    harness_advance(h, 11 * INSTANT_SECOND);
    assert_true(dead_letter(h)->held);
    control(h, A, ORDERCLERK__V1__CONTROL__BODY_DISCARD);
    assert_true(dead_letter(h)->settled);
    harness_advance(h, 100 * INSTANT_SECOND);
    assert_null(dead_letter(h));
    assert_int_equal(count_of(h, A), 1);
    send(h, A, "", 0, false);
    harness_run(h);
    assert_int_equal(count_of(h, A), 2);
}

// Orders A and B: each has a dead letter of its own that says that the order is held.
static void a_refused_result_holds_its_key_and_says_so(void **state)
{
    struct harness *h = *state;
    struct effect_call call;
    const Orderclerk__V1__EffectRequest *request;
    const char *const keys[] = {A, B};
    char ids[2][UUID_TEXT_SIZE];
    echo_reject_results = true;
    for (int i = 0; i < 2; i++) {
        send(h, keys[i], "effect", 0, false);
        harness_run(h);
        assert_true(harness_effect(h, &call, &request));
        harness_answer(h, call.id, EFFECT_OK, 200, bytes_str(""));
        const Orderclerk__V1__DeadLetter *letter = dead_letter(h);
        assert_string_equal(letter->reason, "EFFECT_REJECTED");
        assert_true(letter->held);
        snprintf(ids[i], sizeof ids[i], "%s", letter->event_id);
        assert_true(bytes_is(key_state(h, keys[i])->held, "REJECTED"));
    }
    assert_string_not_equal(ids[0], ids[1]);
    echo_reject_results = false;
    control(h, A, ORDERCLERK__V1__CONTROL__BODY_REDRIVE);
    assert_true(dead_letter(h)->settled);
    harness_advance(h, 60 * INSTANT_SECOND);
    while (harness_effect(h, &call, &request))
        harness_answer(h, call.id, EFFECT_OK, 200, bytes_str(""));
    assert_int_equal(count_of(h, A), 2);
    assert_int_equal(count_of(h, B), 1); // still held
    assert_null(dead_letter(h));
}

static void who_is_no_writer_of_a_topic_is_refused(void **state)
{
    struct harness *h = *state;
    struct head head = {.sequence = 1, .source = bytes_str("intake")};
    harness_send_head(h, TOPIC_COMMANDS_VALIDATOR, A, echo_command(""), &head);
    harness_run(h);
    const Orderclerk__V1__DeadLetter *letter = dead_letter(h);
    assert_non_null(letter);
    assert_string_equal(letter->reason, "WRONG_SOURCE");
    assert_non_null(strstr(letter->detail, "commands.validator is written by orchestrator"));
    assert_non_null(strstr(letter->detail, "\"intake\""));
    assert_false(letter->held);
    assert_int_equal(answers(h, A, NULL), 0);
    head.source = bytes_str("orchestrator"); // the true one takes its place
    harness_send_head(h, TOPIC_COMMANDS_VALIDATOR, A, echo_command(""), &head);
    harness_run(h);
    assert_int_equal(count_of(h, A), 1);
}

// Of what it quotes only a part is shown: never half a character.
static void what_a_bad_record_says_is_quoted_as_text(void **state)
{
    struct harness *h = *state;
    static const char long_source[] =
        "012345678901234567890123456789012345678901234567890123456789012\xc3\xa9";
    struct head head = {.sequence = 1, .source = bytes_str(long_source)};
    harness_send_head(h, TOPIC_COMMANDS_VALIDATOR, A, echo_command(""), &head);
    harness_run(h);
    const Orderclerk__V1__DeadLetter *letter = dead_letter(h);
    assert_non_null(letter);
    assert_string_equal(letter->reason, "WRONG_SOURCE");
    assert_true(bytes_is_utf8(bytes_str(letter->detail)));
    assert_non_null(strstr(letter->detail, "12?"));
}

// Two spellings of an order's id hash to two partitions, and mean the same rows.
static void an_order_id_has_one_spelling(void **state)
{
    struct harness *h = *state;
    send(h, "0190B7A4-0000-7000-8000-00000000000A", "", 0, false);
    harness_run(h);
    const Orderclerk__V1__DeadLetter *letter = dead_letter(h);
    assert_non_null(letter);
    assert_string_equal(letter->reason, "UNDECODABLE");
    assert_non_null(strstr(letter->detail, A));
    assert_int_equal(count_of(h, A), 0);
    send(h, A, "", 0, false);
    harness_run(h);
    assert_int_equal(count_of(h, A), 1);
    assert_null(dead_letter(h));
}

// Who reads it would refuse it, and wait for it for ever.
static void a_record_that_could_not_be_read_is_not_sent(void **state)
{
    struct harness *h = *state;
    send(h, A, "bad text", 0, false);
    send(h, A, "", 0, false);
    send(h, B, "", 0, false);
    harness_run(h);
    const Orderclerk__V1__DeadLetter *letter = dead_letter(h);
    assert_non_null(letter);
    assert_string_equal(letter->reason, "REJECTED");
    assert_non_null(strstr(letter->detail, "validation-events"));
    assert_non_null(strstr(letter->detail, "currency"));
    assert_true(letter->held);
    assert_int_equal(count_of(h, A), 0);
    assert_int_equal(answers(h, B, NULL), 1); // the only one on the topic
}

static void what_is_no_record_becomes_a_dead_letter(void **state)
{
    struct harness *h = *state;
    harness_send_raw(h, TOPIC_COMMANDS_VALIDATOR, A, bytes_str("not protobuf"));
    Orderclerk__V1__OrderRequest request = ORDERCLERK__V1__ORDER_REQUEST__INIT;
    struct head other = {.key = bytes_str(B)};
    harness_send_head(h, TOPIC_ORDERS, A, &request.base, &other); // the key and order_id differ
    send(h, A, "", 0, false);
    harness_run(h);
    for (int i = 0; i < 2; i++) {
        const Orderclerk__V1__DeadLetter *letter = dead_letter(h);
        assert_non_null(letter);
        assert_string_equal(letter->reason, "UNDECODABLE");
        assert_false(letter->held);
    }
    assert_int_equal(count_of(h, A), 1);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(applies_in_order_and_answers),
        T(duplicates_have_no_effect),
        T(foreign_records_are_known_by_id),
        T(again_brings_the_same_answer),
        T(resend_on_control),
        T(a_copy_is_sent_again),
        T(old_records_are_sent_again_too),
        T(a_gap_is_held_until_it_is_filled),
        T(an_old_gap_asks_the_writer_again),
        T(rejected_input_holds_its_order_only),
        T(redrive_that_fails_holds_again),
        T(pause_and_resume),
        T(unknown_is_held_then_given_up),
        T(deadlines_fire_once_and_after_messages),
        T(a_deadline_that_moves_away_is_looked_at_once_in_vain),
        T(a_near_deadline_that_moves_far_away_is_not_looked_at_in_vain),
        T(a_held_order_keeps_its_deadline),
        T(effects_are_called_until_they_succeed),
        T(a_cancelled_effect_may_still_be_called_in_vain),
        T(what_the_database_refuses_is_found_and_held),
        T(a_row_that_another_was_quicker_to_make_is_read),
        T(a_deadline_that_is_refused_goes_another_way),
        T(a_deadline_with_no_way_left_holds_its_key),
        T(a_deadline_can_be_discarded),
        T(a_refused_result_holds_its_key_and_says_so),
        T(who_is_no_writer_of_a_topic_is_refused),
        T(what_a_bad_record_says_is_quoted_as_text),
        T(an_order_id_has_one_spelling),
        T(a_record_that_could_not_be_read_is_not_sent),
        T(what_is_no_record_becomes_a_dead_letter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
