// The table as data: proofs, the golden matrix, drift of what is generated from it, and a mutation of every rule.
#include "orchestrator/saga/saga.h"
#include "orchestrator/saga/saga_check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MATRIX   "tests/saga/matrix.txt"
#define DIAGRAMS "services/orchestrator/diagrams/"

static void print_complaint(void *self, const char *sentence)
{
    print_message("%s: %s\n", (const char *)self, sentence);
}

static void keep_silent(void *self, const char *sentence)
{
    (void)self;
    (void)sentence;
}

static void test_every_definition_is_sound(void **state)
{
    (void)state;
    const struct saga_book *book = saga_book();
    size_t complaints = 0;
    for (size_t i = 0; i < book->count; i++) {
        char name[64];
        snprintf(name, sizeof name, "%s", saga_definition_source(book->definitions[i])->name);
        complaints += saga_check(book->definitions[i], print_complaint, name);
    }
    assert_int_equal(complaints, 0);
}

// ---- what is generated

static char *read_file(const char *path)
{
    FILE *in = fopen(path, "r");
    if (in == NULL)
        fail_msg("%s: can't be read", path);
    char *text = NULL;
    size_t size = 0;
    const ssize_t got = getdelim(&text, &size, '\0', in);
    assert_true(got > 0);
    fclose(in);
    return text;
}

static void assert_current(const char *path, const char *text)
{
    char *golden = read_file(path);
    if (strcmp(golden, text) != 0) {
        size_t at = 0;
        while (golden[at] == text[at])
            at++;
        while (at > 0 && text[at - 1] != '\n')
            at--;
        fail_msg("%s differs from the table (run bin/saga_docs and look at the difference), first at: %.120s",
                 path, text + at);
    }
    free(golden);
}

static char *matrix_of(const struct saga_definition *const *definitions, size_t count)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    for (size_t i = 0; i < count; i++)
        saga_render_matrix(out, definitions[i]);
    fclose(out);
    return text;
}

static void test_matrix_is_golden(void **state)
{
    (void)state;
    char *text = matrix_of(saga_book()->definitions, saga_book()->count);
    assert_current(MATRIX, text);
    free(text);
}

static void test_diagrams_are_current(void **state)
{
    (void)state;
    for (size_t i = 0; i < saga_book()->count; i++) {
        const struct saga_definition *definition = saga_book()->definitions[i];
        char path[128];
        char *text = NULL;
        size_t size = 0;
        FILE *out = open_memstream(&text, &size);
        saga_render_diagram(out, definition);
        fclose(out);
        snprintf(path, sizeof path, DIAGRAMS "%s.md", saga_definition_source(definition)->name);
        assert_current(path, text);
        free(text);
    }
}

static void test_rules_are_current(void **state)
{
    (void)state;
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    saga_render_rules(out, saga_rules_v1, saga_rules_v1_count);
    fclose(out);
    assert_current(DIAGRAMS "rules.md", text);
    free(text);
}

static void test_a_rule_can_be_explained(void **state)
{
    (void)state;
    for (size_t i = 0; i < saga_rules_v1_count; i++) {
        char *text = NULL;
        size_t size = 0;
        FILE *out = open_memstream(&text, &size);
        assert_true(saga_render_rule(out, saga_rules_v1, saga_rules_v1_count, saga_rules_v1[i].id));
        fclose(out);
        assert_non_null(strstr(text, saga_rules_v1[i].why));
        free(text);
    }
    assert_false(saga_render_rule(stdout, saga_rules_v1, saga_rules_v1_count, 0));
}

// ---- mutations: a table with one rule less, or with another target, must not pass for this one

static bool is_noticed(const struct saga_rule *rules, size_t count, const char *golden)
{
    struct saga_definition *definitions[2];
    const struct saga_definition *view[2];
    size_t complaints = 0;
    for (size_t i = 0; i < 2; i++) {
        struct saga_definition_source source = *saga_definition_source(saga_book()->definitions[i]);
        source.rules = rules;
        source.rule_count = count;
        view[i] = definitions[i] = saga_definition_new(&source);
        complaints += saga_check(definitions[i], keep_silent, NULL);
    }
    char *text = matrix_of(view, 2);
    const bool noticed = complaints > 0 || strcmp(text, golden) != 0;
    free(text);
    for (size_t i = 0; i < 2; i++)
        saga_definition_free(definitions[i]);
    return noticed;
}

static void test_a_deleted_rule_is_noticed(void **state)
{
    (void)state;
    char *golden = read_file(MATRIX);
    struct saga_rule *rules = calloc(saga_rules_v1_count, sizeof *rules);
    size_t survivors = 0;
    for (size_t i = 0; i < saga_rules_v1_count; i++) {
        memcpy(rules, saga_rules_v1, i * sizeof *rules);
        memcpy(rules + i, saga_rules_v1 + i + 1, (saga_rules_v1_count - i - 1) * sizeof *rules);
        if (!is_noticed(rules, saga_rules_v1_count - 1, golden)) {
            print_message("survivor: rule %u deleted\n", saga_rules_v1[i].id);
            survivors++;
        }
    }
    free(rules);
    free(golden);
    assert_int_equal(survivors, 0);
}

static void swap_target(struct saga_rule *rule)
{
    if (rule->kind != SAGA_RULE_MOVE)
        rule->kind = rule->kind == SAGA_RULE_IGNORE ? SAGA_RULE_NEVER : SAGA_RULE_IGNORE;
    else
        rule->to = rule->to >= SAGA_STATE_COUNT - 1 ? SAGA_VALIDATING : rule->to + 1;
}

static void test_a_swapped_target_is_noticed(void **state)
{
    (void)state;
    char *golden = read_file(MATRIX);
    struct saga_rule *rules = calloc(saga_rules_v1_count, sizeof *rules);
    size_t survivors = 0;
    for (size_t i = 0; i < saga_rules_v1_count; i++) {
        memcpy(rules, saga_rules_v1, saga_rules_v1_count * sizeof *rules);
        swap_target(&rules[i]);
        if (!is_noticed(rules, saga_rules_v1_count, golden)) {
            print_message("survivor: rule %u with another target\n", rules[i].id);
            survivors++;
        }
    }
    free(rules);
    free(golden);
    assert_int_equal(survivors, 0);
}

// Mistakes that the proofs themselves must catch, whatever the golden matrix says.
static size_t complaints_with(size_t index, const struct saga_rule *rule)
{
    struct saga_rule *rules = calloc(saga_rules_v1_count, sizeof *rules);
    memcpy(rules, saga_rules_v1, saga_rules_v1_count * sizeof *rules);
    rules[index] = *rule;
    size_t complaints = 0;
    for (size_t i = 0; i < 2; i++) {
        struct saga_definition_source source = *saga_definition_source(saga_book()->definitions[i]);
        source.rules = rules;
        struct saga_definition *definition = saga_definition_new(&source);
        complaints += saga_check(definition, keep_silent, NULL);
        saga_definition_free(definition);
    }
    free(rules);
    return complaints;
}

static void test_the_proofs_catch_mistakes(void **state)
{
    (void)state;
    for (size_t i = 0; i < saga_rules_v1_count; i++) {
        struct saga_rule rule = saga_rules_v1[i];
        rule.why = "";
        assert_true(complaints_with(i, &rule) > 0);
        rule = saga_rules_v1[i];
        rule.id = 0;
        assert_true(complaints_with(i, &rule) > 0);
        if (saga_rules_v1[i].undo != 0) {
            rule = saga_rules_v1[i];
            rule.undo = 0;
            assert_true(complaints_with(i, &rule) > 0);
        }
        if (saga_rules_v1[i].ending != SAGA_STATE_NONE) { // an ending that leaves effects behind
            rule = saga_rules_v1[i];
            rule.to = rule.ending;
            assert_true(complaints_with(i, &rule) > 0);
        }
    }
}

// ---- the lists

static void test_every_guard_and_action_is_used(void **state)
{
    (void)state;
    bool guards[SAGA_GUARD_COUNT] = {false};
    bool actions[SAGA_ACTION_COUNT] = {false};
    for (size_t i = 0; i < saga_rules_v1_count; i++) {
        guards[saga_rules_v1[i].when] = true;
        for (size_t j = 0; j < SAGA_ACTS_MAX; j++)
            actions[saga_rules_v1[i].act[j]] = true;
    }
    for (enum saga_guard g = 1; g < SAGA_GUARD_COUNT; g++)
        if (!guards[g])
            fail_msg("no rule asks for guard %s", saga_guard_info(g)->name);
    for (enum saga_action a = 1; a < SAGA_ACTION_COUNT; a++)
        if (!actions[a])
            fail_msg("no rule does %s", saga_action_info(a)->name);
}

// Every body of every topic that the orchestrator reads is an event of its own.
static void test_every_message_is_an_event(void **state)
{
    (void)state;
    static const ProtobufCMessageDescriptor *const topics[] = {
        &orderclerk__v1__order_request__descriptor,    &orderclerk__v1__validation_event__descriptor,
        &orderclerk__v1__inventory_event__descriptor,  &orderclerk__v1__shipment_event__descriptor,
        &orderclerk__v1__department_reply__descriptor,
    };
    bool seen[SAGA_EVENT_COUNT] = {false};
    for (size_t t = 0; t < sizeof topics / sizeof topics[0]; t++) {
        for (unsigned f = 0; f < topics[t]->n_fields; f++) {
            const ProtobufCFieldDescriptor *field = &topics[t]->fields[f];
            if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) == 0)
                continue;
            const ProtobufCMessageDescriptor *body_type = field->descriptor;
            ProtobufCMessage *message = calloc(1, topics[t]->sizeof_message);
            ProtobufCMessage *body = calloc(1, body_type->sizeof_message);
            protobuf_c_message_init(topics[t], message);
            protobuf_c_message_init(body_type, body);
            memcpy((char *)message + field->offset, &body, sizeof body);
            const int body_case = (int)field->id;
            memcpy((char *)message + field->quantifier_offset, &body_case, sizeof body_case);
            for (int exit = 1; exit <= 4; exit++) {
                struct saga_input input;
                if (body_type == &orderclerk__v1__resolve_by_operator__descriptor)
                    ((Orderclerk__V1__ResolveByOperator *)(void *)body)->exit =
                        (Orderclerk__V1__OperatorExit)exit;
                assert_true(saga_input_of(message, &input));
                assert_ptr_equal(input.body, body);
                seen[input.event] = true;
            }
            free(body);
            free(message);
        }
    }
    for (enum saga_event e = 1; e < SAGA_EVENT_COUNT; e++) {
        const enum saga_event_kind kind = saga_event_info(e)->kind;
        if (!seen[e] && kind != SAGA_DEADLINE && kind != SAGA_INTERNAL)
            fail_msg("no message is %s", saga_event_info(e)->name);
        assert_int_equal(saga_event_find(saga_event_info(e)->name), e);
    }
    Orderclerk__V1__OrderRequest empty = ORDERCLERK__V1__ORDER_REQUEST__INIT;
    struct saga_input input;
    assert_false(saga_input_of(&empty.base, &input));
}

static void test_requests_that_are_allowed(void **state)
{
    (void)state;
    const struct saga_definition *standard = saga_book_find(saga_book(), "standard", 1);
    const char *words[SAGA_REQUESTS_MAX];
    assert_int_equal(saga_allowed(standard, SAGA_AWAITING_CUSTOMER, words), 3);
    assert_string_equal(words[0], "cancel");
    assert_string_equal(words[1], "answer");
    assert_string_equal(words[2], "retry");
    assert_int_equal(saga_allowed(standard, SAGA_CANCELLED, words), 0);
    assert_null(saga_book_find(saga_book(), "standard", 99));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_definition_is_sound),
        cmocka_unit_test(test_matrix_is_golden),
        cmocka_unit_test(test_diagrams_are_current),
        cmocka_unit_test(test_rules_are_current),
        cmocka_unit_test(test_a_rule_can_be_explained),
        cmocka_unit_test(test_a_deleted_rule_is_noticed),
        cmocka_unit_test(test_a_swapped_target_is_noticed),
        cmocka_unit_test(test_the_proofs_catch_mistakes),
        cmocka_unit_test(test_every_guard_and_action_is_used),
        cmocka_unit_test(test_every_message_is_an_event),
        cmocka_unit_test(test_requests_that_are_allowed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
