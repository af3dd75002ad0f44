// The audit of sagas: what the production orchestrator writes is equal; every kind of tampering is found, at its revision.
#include "orderctl/audit_fold.h"

#include "orchestrator/orchestrator.h"
#include "orchestrator/orchestrator_store.h"
#include "sim/harness.h"
#include "unit/base/unit.h"
#include "unit/orchestrator/peers.h"

#include <stdlib.h>
#include <string.h>

#define ORDER       "019aafde-0000-7000-8000-000000000001"
#define TEXT(s)     ((char *)(uintptr_t)(s))
#define EVENTS_MAX  64
#define LAST        5 // revision that the order of these tests comes to
#define HISTORY_MAX (LAST + 1)

struct found {
    char field[40];
    uint64_t revision;
};

// What the orchestrator wrote of one order, ready to be tampered with.
struct world {
    struct harness *h;
    struct arena *arena;
    Orderclerk__V1__OrderEvent *events[EVENTS_MAX];
    size_t event_count;
    struct audit_history_row history[HISTORY_MAX]; // by revision
    struct audit_row row;
    struct found found[32];
    size_t found_count;
    struct audit_counts counts;
};

// ---- what was written

static const char *text(struct world *w, struct bytes value)
{
    return value.data == NULL ? "" : arena_str(w->arena, value);
}

static void read_history(struct world *w, struct uuid id)
{
    void *found;
    const size_t count = harness_rows(w->h, &saga_history_table, 0, value_uuid(id), &found);
    const struct saga_history_row *rows = found;
    assert_int_equal(count, LAST);
    for (size_t i = 0; i < count; i++) {
        w->history[rows[i].revision] = (struct audit_history_row){.there = true,
                                                                  .rule_id = (uint32_t)rows[i].rule_id,
                                                                  .from = text(w, rows[i].from_state),
                                                                  .to = text(w, rows[i].to_state),
                                                                  .event = text(w, rows[i].event),
                                                                  .topic = text(w, rows[i].topic),
                                                                  .partition = rows[i].record_partition,
                                                                  .offset = rows[i].record_offset,
                                                                  .causation = text(w, rows[i].causation_id),
                                                                  .at = rows[i].at};
    }
}

static void read_row(struct world *w, struct uuid id)
{
    void *found;
    assert_int_equal(harness_rows(w->h, &saga_table, SAGA_ORDER, value_uuid(id), &found), 1);
    const struct saga_row *row = found;
    w->row = (struct audit_row){.definition = text(w, row->definition),
                                .definition_version = (uint32_t)row->definition_version,
                                .state = text(w, row->state),
                                .revision = (uint64_t)row->revision,
                                .order_no = text(w, row->order_no),
                                .waiting_on = text(w, row->waiting_on),
                                .state_since = row->state_since,
                                .deadline = row->deadline};
}

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    orchestrator_context();
    w->h = harness_new(&orchestrator_lane);
    w->arena = arena_new(1 << 12);
    peers_submit(w->h, ORDER);
    peers_validated(w->h, ORDER);
    peers_reserved(w->h, ORDER);
    peers_erp_accepted(w->h, ORDER);
    const ProtobufCMessage *message;
    while ((message = harness_take(w->h, TOPIC_ORDER_EVENTS, NULL)) != NULL) {
        assert_true(w->event_count < EVENTS_MAX);
        w->events[w->event_count++] = (Orderclerk__V1__OrderEvent *)(uintptr_t)message;
    }
    struct uuid id;
    assert_true(uuid_parse(bytes_str(ORDER), &id));
    read_history(w, id);
    read_row(w, id);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    harness_free(w->h);
    arena_free(w->arena);
    free(w);
    return 0;
}

// ---- the audit

static void note(void *self, const struct audit_finding *finding)
{
    struct world *w = self;
    assert_string_equal(finding->order_id, ORDER);
    assert_true(w->found_count < COUNT_OF(w->found));
    struct found *found = &w->found[w->found_count++];
    snprintf(found->field, sizeof found->field, "%s", finding->field);
    found->revision = finding->revision;
}

static struct bytes packed(struct world *w, const Orderclerk__V1__OrderEvent *event)
{
    uint8_t *data = arena_alloc(w->arena, orderclerk__v1__order_event__get_packed_size(event));
    return bytes_of(data, orderclerk__v1__order_event__pack(event, data));
}

// Folds the events from the first-th on, each revision against its history, the end against the row.
static void audit_from(struct world *w, size_t first)
{
    const struct audit_report report = {.self = w, .found = note};
    struct audit_fold *fold = audit_fold_new(saga_book(), &report);
    struct uuid id;
    assert_true(uuid_parse(bytes_str(ORDER), &id));
    w->found_count = 0;
    for (size_t i = first; i < w->event_count; i++) {
        struct audit_transition t;
        if (w->events[i] == NULL)
            continue;
        if (audit_fold_record(fold, w->arena, id, 0, packed(w, w->events[i]), &t) == AUDIT_TRANSITION &&
            t.revision < HISTORY_MAX)
            audit_compare_history(fold, &t, &w->history[t.revision]);
    }
    assert_int_equal(audit_fold_size(fold), 1);
    audit_compare_row(fold, audit_fold_find(fold, id), &w->row, "");
    w->counts = *audit_fold_counts(fold);
    audit_fold_free(fold);
}

static bool has_found(const struct world *w, const char *field, uint64_t revision)
{
    for (size_t i = 0; i < w->found_count; i++) {
        if (strcmp(w->found[i].field, field) == 0 && w->found[i].revision == revision)
            return true;
    }
    return false;
}

static void assert_first(const struct world *w, const char *field, uint64_t revision)
{
    assert_true(w->found_count > 0);
    assert_string_equal(w->found[0].field, field);
    assert_int_equal(w->found[0].revision, revision);
}

static void assert_only(const struct world *w, const char *field, uint64_t revision)
{
    assert_first(w, field, revision);
    assert_int_equal(w->found_count, 1);
}

// ---- tests

static void what_the_orchestrator_writes_is_equal(void **state)
{
    struct world *w = *state;
    audit_from(w, 0);
    assert_int_equal(w->found_count, 0);
    assert_int_equal(w->counts.transitions, LAST);
    assert_int_equal(w->counts.records, w->event_count);
    assert_string_not_equal(w->row.order_no, "");
    // The first records may be gone by retention: the rest is still compared.
    for (size_t first = 1; first < w->event_count; first++) {
        audit_from(w, first);
        assert_int_equal(w->found_count, 0);
    }
}

static void copies_are_no_divergence(void **state)
{
    struct world *w = *state;
    const size_t count = w->event_count;
    for (size_t i = 0; i < count; i++)
        w->events[w->event_count++] = w->events[i]; // a zombie's, late
    audit_from(w, 0);
    assert_int_equal(w->found_count, 0);
    assert_int_equal(w->counts.copies, count);
}

// Changes one event of revision 3 or later and says which finding must come first.
struct tampering {
    const char *field;
    void (*change)(Orderclerk__V1__OrderEvent *event);
};
static void unknown_rule(Orderclerk__V1__OrderEvent *e)
{
    e->transition->rule_id = 9999;
}
static void rule_of_another_cell(Orderclerk__V1__OrderEvent *e)
{
    e->transition->rule_id = saga_rules_v1[0].id;
}
static void other_target(Orderclerk__V1__OrderEvent *e)
{
    e->transition->to_state = TEXT("COMPLETED");
}
static void no_state(Orderclerk__V1__OrderEvent *e)
{
    e->transition->to_state = TEXT("LIMBO");
}
static void other_source(Orderclerk__V1__OrderEvent *e)
{
    e->transition->from_state = TEXT("SHIPPED");
}
static void other_event(Orderclerk__V1__OrderEvent *e)
{
    e->transition->event = TEXT("PAYMENT_RECEIVED");
}
static void no_event(Orderclerk__V1__OrderEvent *e)
{
    e->transition->event = TEXT("NOTHING");
}
static void unknown_definition(Orderclerk__V1__OrderEvent *e)
{
    e->transition->definition = TEXT("wholesale");
}
static void other_version(Orderclerk__V1__OrderEvent *e)
{
    e->transition->definition_version = 77;
}
static void no_transition(Orderclerk__V1__OrderEvent *e)
{
    e->transition = NULL;
}
static void other_order(Orderclerk__V1__OrderEvent *e)
{
    e->order_id = TEXT("019aafde-0000-7000-8000-000000000009");
}
static void lost_before(Orderclerk__V1__OrderEvent *e)
{
    e->sequence++;
}
static void skipped_revision(Orderclerk__V1__OrderEvent *e)
{
    e->saga_revision += 10;
}

static void tampered_records_are_found(void **state)
{
    static const struct tampering all[] = {
        {"rule_id", unknown_rule},
        {"rule_id", rule_of_another_cell},
        {"to_state", other_target},
        {"to_state", no_state},
        {"from_state", other_source},
        {"rule_id", other_event},
        {"event", no_event},
        {"definition", unknown_definition},
        {"definition_version", other_version},
        {"transition", no_transition},
        {"order_id", other_order},
        {"sequence", lost_before},
        {"revision", skipped_revision},
    };
    struct world *w = *state;
    for (size_t i = 0; i < COUNT_OF(all); i++) {
        for (size_t at = 0; at < w->event_count; at++) {
            Orderclerk__V1__OrderEvent *original = w->events[at];
            const bool begins = at > 0 && original->saga_revision != w->events[at - 1]->saga_revision;
            if (!begins || original->saga_revision < 3)
                continue;
            Orderclerk__V1__OrderEvent event = *original;
            Orderclerk__V1__Transition transition = *original->transition;
            event.transition = &transition;
            all[i].change(&event);
            w->events[at] = &event;
            audit_from(w, 0);
            w->events[at] = original;
            assert_true(w->found_count > 0);
            assert_first(w, all[i].field, original->saga_revision);
        }
    }
}

static void what_cannot_be_decoded_is_found(void **state)
{
    struct world *w = *state;
    const struct audit_report report = {.self = w, .found = note};
    struct audit_fold *fold = audit_fold_new(saga_book(), &report);
    struct audit_transition t;
    struct uuid id;
    assert_true(uuid_parse(bytes_str(ORDER), &id));
    assert_int_equal(audit_fold_record(fold, w->arena, id, 0, bytes_str("\xff\xff"), &t), AUDIT_NOTHING);
    assert_only(w, "record", 1);
    audit_fold_free(fold);
}

static void lost_records_are_found(void **state)
{
    struct world *w = *state;
    for (size_t at = 1; at + 1 < w->event_count; at++) {
        Orderclerk__V1__OrderEvent *lost = w->events[at];
        w->events[at] = NULL;
        audit_from(w, 0);
        w->events[at] = lost;
        assert_true(w->found_count > 0);
        assert_string_equal(w->found[0].field, "sequence");
    }
    // The last one: its row is ahead; the caller waits for it, then tells the revision.
    w->event_count--;
    while (w->events[w->event_count - 1]->saga_revision == LAST)
        w->event_count--;
    audit_from(w, 0);
    assert_true(has_found(w, "revision", LAST));
}

static void tampered_history_is_found(void **state)
{
    struct world *w = *state;
    for (uint64_t revision = 1; revision <= LAST; revision++) {
        const struct audit_history_row original = w->history[revision];
        struct audit_history_row *row = &w->history[revision];
#define TAMPER(member, value, field)                                                                         \
    row->member = (value);                                                                                   \
    audit_from(w, 0);                                                                                        \
    assert_only(w, field, revision);                                                                         \
    *row = original
        TAMPER(there, false, "history");
        TAMPER(rule_id, 1 + original.rule_id, "history.rule_id");
        TAMPER(from, "SHIPPED", "history.from_state");
        TAMPER(to, "SHIPPED", "history.to_state");
        TAMPER(event, "PAYMENT_RECEIVED", "history.event");
        TAMPER(at, original.at + 1, "history.at");
        TAMPER(topic, "control", "history.topic");
        TAMPER(partition, original.partition + 1, "history.record");
        TAMPER(offset, original.offset + 1, "history.record");
        TAMPER(causation, "somebody else", "history.causation_id");
#undef TAMPER
    }
}

static void tampered_rows_are_found(void **state)
{
    struct world *w = *state;
    const struct audit_row original = w->row;
#define TAMPER(member, value)                                                                                \
    w->row.member = (value);                                                                                 \
    audit_from(w, 0);                                                                                        \
    assert_only(w, #member, LAST);                                                                           \
    w->row = original
    TAMPER(definition, "wholesale");
    TAMPER(definition_version, 77);
    TAMPER(state, "COMPLETED");
    TAMPER(order_no, "SO0");
    TAMPER(waiting_on, "nobody");
    TAMPER(state_since, original.state_since - 1);
    TAMPER(deadline, INSTANT_NONE);
#undef TAMPER
    w->row.revision = LAST + 1;
    audit_from(w, 0);
    assert_only(w, "revision", LAST + 1);
    w->row.revision = LAST - 1;
    audit_from(w, 0);
    assert_only(w, "revision", LAST);
}

static void many_orders_are_told_apart(void **state)
{
    (void)state;
    const struct audit_report report = {.found = note};
    struct audit_fold *fold = audit_fold_new(saga_book(), &report);
    const instant begin = 1800000000 * INSTANT_SECOND;
    for (int64_t i = 0; i < 20000; i++) {
        const struct uuid id = uuid_derive(uuid_v7(begin), "order", bytes_of(&i, sizeof i));
        struct audit_order *order = audit_fold_order(fold, id);
        assert_true(audit_fold_order(fold, id) == order);
        assert_true(audit_fold_find(fold, id) == order);
        assert_true(audit_fold_at(fold, (size_t)i) == order);
        assert_null(audit_fold_at(fold, (size_t)i + 1));
    }
    assert_int_equal(audit_fold_size(fold), 20000);
    audit_fold_free(fold);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(what_the_orchestrator_writes_is_equal),
        TEST(copies_are_no_divergence),
        TEST(tampered_records_are_found),
        TEST(what_cannot_be_decoded_is_found),
        TEST(lost_records_are_found),
        TEST(tampered_history_is_found),
        TEST(tampered_rows_are_found),
        cmocka_unit_test(many_orders_are_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
