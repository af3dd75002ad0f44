// Sagas rebuilt from order-events: the fold. What it asks of each step is in audit_rules.c.
#include "orderctl/audit_fold.h"

#include "orderclerk/v1/order_events.pb-c.h"
#include "orderctl/audit_rules.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TABLE_FIRST 1024 // places of the table at the start; a power of two

struct audit_fold {
    const struct saga_book *book;
    struct audit_report report;
    struct audit_counts counts;
    struct arena *arena;
    struct audit_order **orders; // in the order of their first record
    size_t count;
    size_t capacity;
    uint32_t *places; // open addressing: index + 1 into orders; 0: free
    size_t place_count;
};

struct audit_fold *audit_fold_new(const struct saga_book *book, const struct audit_report *report)
{
    struct audit_fold *fold = calloc(1, sizeof *fold);
    if (fold == NULL)
        abort();
    fold->book = book;
    fold->report = *report;
    fold->arena = arena_new(1 << 16);
    fold->place_count = TABLE_FIRST;
    fold->places = calloc(fold->place_count, sizeof *fold->places);
    if (fold->places == NULL)
        abort();
    return fold;
}

void audit_fold_free(struct audit_fold *fold)
{
    if (fold == NULL)
        return;
    arena_free(fold->arena);
    free(fold->orders);
    free(fold->places);
    free(fold);
}

const struct audit_counts *audit_fold_counts(const struct audit_fold *fold)
{
    return &fold->counts;
}

size_t audit_fold_size(const struct audit_fold *fold)
{
    return fold->count;
}

// ---- the table

// Version 7 ids share their first bits: the last ones are random.
static size_t place_of(const struct audit_fold *fold, struct uuid id)
{
    uint64_t hash;
    memcpy(&hash, id.b + 8, sizeof hash);
    size_t at = (size_t)(hash * UINT64_C(0x9E3779B97F4A7C15) >> 20) & (fold->place_count - 1);
    while (fold->places[at] != 0 && !uuid_equal(fold->orders[fold->places[at] - 1]->id, id))
        at = (at + 1) & (fold->place_count - 1);
    return at;
}

struct audit_order *audit_fold_find(const struct audit_fold *fold, struct uuid id)
{
    const uint32_t place = fold->places[place_of(fold, id)];
    return place == 0 ? NULL : fold->orders[place - 1];
}

struct audit_order *audit_fold_at(const struct audit_fold *fold, size_t index)
{
    return index < fold->count ? fold->orders[index] : NULL;
}

static void grow(struct audit_fold *fold)
{
    fold->capacity = fold->capacity == 0 ? TABLE_FIRST / 2 : fold->capacity * 2;
    fold->orders = realloc(fold->orders, fold->capacity * sizeof(struct audit_order *));
    fold->place_count = fold->capacity * 2;
    free(fold->places);
    fold->places = calloc(fold->place_count, sizeof *fold->places);
    if (fold->orders == NULL || fold->places == NULL)
        abort();
    for (size_t i = 0; i < fold->count; i++)
        fold->places[place_of(fold, fold->orders[i]->id)] = (uint32_t)i + 1;
}

struct audit_order *audit_fold_order(struct audit_fold *fold, struct uuid id)
{
    struct audit_order *order = audit_fold_find(fold, id);
    if (order != NULL || fold->count == AUDIT_ORDERS_MAX)
        return order;
    if (fold->count == fold->capacity)
        grow(fold);
    order = arena_new_object(fold->arena, struct audit_order);
    order->id = id;
    order->folded = (struct audit_row){.definition = "",
                                       .state = "",
                                       .order_no = "",
                                       .waiting_on = "",
                                       .state_since = INSTANT_NONE,
                                       .deadline = INSTANT_NONE};
    fold->places[place_of(fold, id)] = (uint32_t)fold->count + 1;
    fold->orders[fold->count++] = order;
    return order;
}

// ---- telling

void audit_tell(const struct audit_fold *fold, const struct audit_order *order, const char *field,
                const char *topic, const char *row, uint64_t revision)
{
    char id[UUID_TEXT_SIZE];
    uuid_format(order->id, id);
    const struct audit_finding finding = {.order_id = id,
                                          .order_no = order->folded.order_no,
                                          .field = field,
                                          .topic = topic,
                                          .row = row,
                                          .revision = revision};
    fold->report.found(fold->report.self, &finding);
}

#define NUMBER_SIZE 24
static const char *number(char text[static NUMBER_SIZE], uint64_t value)
{
    snprintf(text, NUMBER_SIZE, "%" PRIu64, value);
    return text;
}

static void tell_numbers(const struct audit_fold *fold, const struct audit_order *order, const char *field,
                         uint64_t topic, uint64_t row, uint64_t revision)
{
    char left[NUMBER_SIZE], right[NUMBER_SIZE];
    audit_tell(fold, order, field, number(left, topic), number(right, row), revision);
}

// ---- folding

// Few different values per order, and most of them the last one again.
static const char *keep(struct audit_fold *fold, const char *before, const char *text)
{
    return strcmp(before, text) == 0 ? before : arena_str(fold->arena, bytes_str(text));
}

static const char *known_definition(const struct audit_fold *fold, const char *name, uint32_t version)
{
    const struct saga_definition *definition = saga_book_find(fold->book, name, version);
    return definition == NULL ? NULL : saga_definition_source(definition)->name;
}

static void check_step(const struct audit_fold *fold, struct audit_order *order,
                       const Orderclerk__V1__Transition *t, uint64_t revision)
{
    const struct audit_row *before = &order->folded;
    const bool first = order->first == 0;
    // Orders start as standard; where the first records are gone, so may the choice be.
    const bool standard = first && known_definition(fold, "standard", t->definition_version) != NULL;
    struct audit_step step = {.definition = standard ? "standard"
                                            : first  ? t->definition
                                                     : before->definition,
                              .chosen = t->definition,
                              .version = t->definition_version,
                              .rule_id = t->rule_id,
                              .from = t->from_state,
                              .to = t->to_state,
                              .event = t->event,
                              .resume = order->resume};
    if (!first && revision != before->revision + 1)
        tell_numbers(fold, order, "revision", before->revision + 1, revision, before->revision + 1);
    if (!first && revision == before->revision + 1 && strcmp(before->state, t->from_state) != 0)
        audit_tell(fold, order, "from_state", before->state, t->from_state, revision);
    if (revision == 1 && strcmp(t->from_state, saga_state_info(SAGA_RECEIVED)->name) != 0)
        audit_tell(fold, order, "from_state", saga_state_info(SAGA_RECEIVED)->name, t->from_state, revision);
    if (!first && t->definition_version != before->definition_version)
        tell_numbers(fold, order, "definition_version", before->definition_version, t->definition_version,
                     revision);
    char wanted[AUDIT_TEXT_SIZE], found[AUDIT_TEXT_SIZE];
    const char *field = audit_rule_breach(fold->book, &step, wanted, found);
    if (field != NULL)
        audit_tell(fold, order, field, wanted, found, revision);
    order->resume = audit_resume_after(fold->book, &step);
}

static void apply(struct audit_fold *fold, struct audit_order *order, const Orderclerk__V1__OrderEvent *e)
{
    const Orderclerk__V1__Transition *t = e->transition;
    struct audit_row *row = &order->folded;
    const char *definition = known_definition(fold, t->definition, t->definition_version);
    const enum saga_state to = saga_state_find(t->to_state);
    if (audit_rule_enters(fold->book, t->definition, t->definition_version, t->rule_id))
        row->state_since = e->occurred_at_us;
    row->definition = definition != NULL ? definition : keep(fold, row->definition, t->definition);
    row->definition_version = t->definition_version;
    row->state = to != SAGA_STATE_NONE ? saga_state_info(to)->name : keep(fold, row->state, t->to_state);
    row->revision = e->saga_revision;
    row->order_no = keep(fold, row->order_no, e->order_no);
    row->waiting_on = keep(fold, row->waiting_on, t->waiting_on);
    row->deadline = t->deadline_us == 0 ? INSTANT_NONE : t->deadline_us;
    if (order->first == 0)
        order->first = e->saga_revision;
}

// Further events of a revision tell the same transition.
static void check_same(const struct audit_fold *fold, const struct audit_order *order,
                       const Orderclerk__V1__OrderEvent *e)
{
    if (strcmp(e->transition->to_state, order->folded.state) != 0)
        audit_tell(fold, order, "to_state", order->folded.state, e->transition->to_state, e->saga_revision);
}

static enum audit_folded take(struct audit_fold *fold, struct arena *arena, struct audit_order *order,
                              const Orderclerk__V1__OrderEvent *e, struct audit_transition *ret_transition)
{
    if (order->sequence != 0 && e->sequence <= order->sequence) {
        fold->counts.copies++;
        return AUDIT_NOTHING;
    }
    if (order->sequence != 0 && e->sequence != order->sequence + 1)
        tell_numbers(fold, order, "sequence", order->sequence + 1, e->sequence, order->folded.revision + 1);
    order->sequence = e->sequence;
    if (e->transition == NULL) {
        audit_tell(fold, order, "transition", "a transition", "none in the record", e->saga_revision);
        return AUDIT_NOTHING;
    }
    if (order->first != 0 && e->saga_revision == order->folded.revision) {
        check_same(fold, order, e);
        return AUDIT_NOTHING;
    }
    check_step(fold, order, e->transition, e->saga_revision);
    apply(fold, order, e);
    fold->counts.transitions++;
    const Orderclerk__V1__Transition *t = e->transition;
    *ret_transition = (struct audit_transition){.order = order,
                                                .revision = e->saga_revision,
                                                .rule_id = t->rule_id,
                                                .from = arena_str(arena, bytes_str(t->from_state)),
                                                .to = arena_str(arena, bytes_str(t->to_state)),
                                                .event = arena_str(arena, bytes_str(t->event)),
                                                .topic = arena_str(arena, bytes_str(t->cause_topic)),
                                                .partition = t->cause_partition,
                                                .offset = t->cause_offset,
                                                .causation = arena_str(arena, bytes_str(e->causation_id)),
                                                .at = e->occurred_at_us};
    return AUDIT_TRANSITION;
}

enum audit_folded audit_fold_record(struct audit_fold *fold, struct arena *arena, struct uuid key,
                                    int32_t partition, struct bytes value,
                                    struct audit_transition *ret_transition)
{
    fold->counts.records++;
    struct audit_order *order = audit_fold_order(fold, key);
    if (order == NULL)
        return AUDIT_FULL;
    order->partition = partition;
    Orderclerk__V1__OrderEvent *e =
        orderclerk__v1__order_event__unpack(arena_protobuf(arena), value.size, value.data);
    struct uuid id;
    if (e == NULL) {
        audit_tell(fold, order, "record", "an OrderEvent", "can't be decoded", order->folded.revision + 1);
        return AUDIT_NOTHING;
    }
    if (!uuid_parse(bytes_str(e->order_id), &id) || !uuid_equal(id, key)) {
        audit_tell(fold, order, "order_id", "the record's key", e->order_id, e->saga_revision);
        return AUDIT_NOTHING;
    }
    return take(fold, arena, order, e, ret_transition);
}

// ---- comparing

static void differ_text(const struct audit_fold *fold, const struct audit_order *order, const char *field,
                        const char *topic, const char *row, uint64_t revision)
{
    if (strcmp(topic, row) != 0)
        audit_tell(fold, order, field, topic, row, revision);
}

static void differ_instant(const struct audit_fold *fold, const struct audit_order *order, const char *field,
                           instant topic, instant row, uint64_t revision)
{
    if (topic == row)
        return;
    char left[INSTANT_TEXT_SIZE], right[INSTANT_TEXT_SIZE];
    instant_format(topic, left);
    instant_format(row, right);
    audit_tell(fold, order, field, left, right, revision);
}

void audit_compare_history(const struct audit_fold *fold, const struct audit_transition *t,
                           const struct audit_history_row *row)
{
    if (!row->there) {
        audit_tell(fold, t->order, "history", t->to, "no row", t->revision);
        return;
    }
    if (t->rule_id != row->rule_id)
        tell_numbers(fold, t->order, "history.rule_id", t->rule_id, row->rule_id, t->revision);
    differ_text(fold, t->order, "history.from_state", t->from, row->from, t->revision);
    differ_text(fold, t->order, "history.to_state", t->to, row->to, t->revision);
    differ_text(fold, t->order, "history.event", t->event, row->event, t->revision);
    differ_instant(fold, t->order, "history.at", t->at, row->at, t->revision);
    differ_text(fold, t->order, "history.topic", t->topic, row->topic, t->revision);
    if (t->topic[0] == '\0')
        return; // a deadline has no record
    char left[64], right[64];
    snprintf(left, sizeof left, "%" PRId32 "/%" PRId64, t->partition, t->offset);
    snprintf(right, sizeof right, "%" PRId32 "/%" PRId64, row->partition, row->offset);
    differ_text(fold, t->order, "history.record", left, right, t->revision);
    differ_text(fold, t->order, "history.causation_id", t->causation, row->causation, t->revision);
}

void audit_compare_row(const struct audit_fold *fold, const struct audit_order *order,
                       const struct audit_row *row, const char *prefix)
{
    const struct audit_row *f = &order->folded;
    const struct {
        const char *name, *topic, *row;
    } texts[] = {{"definition", f->definition, row->definition},
                 {"state", f->state, row->state},
                 {"order_no", f->order_no, row->order_no},
                 {"waiting_on", f->waiting_on, row->waiting_on}};
    char field[64];
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        snprintf(field, sizeof field, "%s%s", prefix, texts[i].name);
        differ_text(fold, order, field, texts[i].topic, texts[i].row, f->revision);
    }
    snprintf(field, sizeof field, "%srevision", prefix);
    if (f->revision != row->revision)
        tell_numbers(fold, order, field, f->revision, row->revision,
                     f->revision < row->revision ? f->revision + 1 : row->revision + 1);
    snprintf(field, sizeof field, "%sdefinition_version", prefix);
    if (f->definition_version != row->definition_version)
        tell_numbers(fold, order, field, f->definition_version, row->definition_version, f->revision);
    snprintf(field, sizeof field, "%sdeadline", prefix);
    differ_instant(fold, order, field, f->deadline, row->deadline, f->revision);
    snprintf(field, sizeof field, "%sstate_since", prefix);
    if (f->state_since != INSTANT_NONE)
        differ_instant(fold, order, field, f->state_since, row->state_since, f->revision);
}
