// orderctl saga verify: sagas rebuilt from order-events, held against PostgreSQL.
//
// First the topic is read up to where it ends, each new revision compared with its row of saga_history. Then the rows of saga
// are read: a row at the revision that the topic has told is compared at once; one that is ahead is kept until the topic has
// told its revision. What isn't told although the slot has published the batch that was the last one when the row was
// read, and the topic has been read up to its end after that, differs. Nothing is judged by how long it takes.
#include "orderctl/ctl_audit.h"

#include "base/hash.h"
#include "kafka/kafka_reader.h"
#include "orderclerk/v1/order_state.pb-c.h"
#include "orderctl/audit_store.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RATE_DEFAULT   10000 // records and rows a second: a tenth of a core of the broker and of the database
#define PATIENCE_S     60    // for slots to publish what their rows say: a recovery takes less
#define POLL_MS        100
#define FINDINGS_SHOWN 1000
#define WINDOW_BYTES   (8u << 20) // of decoded records

struct verify {
    struct ctl *ctl;
    struct pg *pg;
    struct kafka_reader *reader;
    struct audit_fold *fold;
    struct ctl_pace pace;
    struct audit_transition window[AUDIT_PAGE_ROWS]; // not yet compared with their history
    size_t window_count;
    struct arena *window_texts;
    struct arena *page; // of one statement
    struct arena *kept; // rows that are ahead
    instant *covered;   // per partition: when the first revision read was made; INSTANT_NONE: none was read
    json_t *findings;
    json_t *unsettled;
    uint64_t finding_count, rows, compared, not_covered, unsettled_count;
    uint64_t waiting; // orders whose rows are ahead
    instant since;
    int64_t patience_s;
    struct uuid only; // nil: all orders
};

static bool selects(const struct verify *v)
{
    return v->since != INSTANT_NONE || !uuid_is_nil(v->only);
}

static void found(void *self, const struct audit_finding *f)
{
    struct verify *v = self;
    if (v->finding_count++ >= FINDINGS_SHOWN)
        return;
    json_array_append_new(v->findings,
                          json_pack("{s:s, s:s, s:s, s:s, s:s, s:I}", "order_no", f->order_no, "order_id",
                                    f->order_id, "field", f->field, "topic", f->topic, "row", f->row,
                                    "revision", (json_int_t)f->revision));
}

// ---- the topic

static struct err flush_window(struct verify *v)
{
    struct audit_history_row rows[AUDIT_PAGE_ROWS] = {{.there = false}};
    arena_reset(v->page);
    struct err e = err_ok();
    if (v->window_count > 0)
        e = audit_store_history(v->pg, v->page, v->window, v->window_count, rows);
    for (size_t i = 0; !err_is(&e) && i < v->window_count; i++)
        audit_compare_history(v->fold, &v->window[i], &rows[i]);
    ctl_pace_take(&v->pace, (int64_t)v->window_count);
    v->window_count = 0;
    arena_reset(v->window_texts);
    return e;
}

// A row and its document at the revision that the topic has told.
static void compare(struct verify *v, const struct audit_order *order, const struct audit_row *row_and_doc)
{
    audit_compare_row(v->fold, order, &row_and_doc[0], "");
    audit_compare_row(v->fold, order, &row_and_doc[1], "doc.");
    v->compared++;
}

static struct err take_record(struct verify *v, const struct kafka_reader_record *record)
{
    struct uuid key;
    if (!uuid_parse(record->key, &key))
        return err_make(ERR_REJECT, "order-events [%" PRId32 "] at %" PRId64 ": the key isn't an order's id",
                        record->partition, record->offset);
    if (!uuid_is_nil(v->only) && !uuid_equal(v->only, key))
        return err_ok();
    struct audit_transition transition;
    const enum audit_folded folded =
        audit_fold_record(v->fold, v->window_texts, key, record->partition, record->value, &transition);
    if (folded == AUDIT_FULL)
        return err_make(ERR_REJECT, "more than %d orders: audit them in parts, by --since", AUDIT_ORDERS_MAX);
    if (folded != AUDIT_TRANSITION)
        return arena_used(v->window_texts) > WINDOW_BYTES ? flush_window(v) : err_ok();
    if (v->covered[record->partition] == INSTANT_NONE)
        v->covered[record->partition] = transition.at;
    struct audit_order *order = transition.order;
    if (order->ahead != NULL && transition.revision >= order->ahead[0].revision) {
        compare(v, order, order->ahead);
        order->ahead = NULL;
        v->waiting--;
    }
    v->window[v->window_count++] = transition;
    const bool full = v->window_count == AUDIT_PAGE_ROWS || arena_used(v->window_texts) > WINDOW_BYTES;
    return full ? flush_window(v) : err_ok();
}

// Up to where the partitions ended at the last aim.
static struct err read_topic(struct verify *v)
{
    struct kafka_reader_record record;
    bool there = true;
    struct err e = err_ok();
    for (int64_t count = 1; !err_is(&e) && there; count++) {
        e = kafka_reader_next(v->reader, &record, &there);
        if (!err_is(&e) && there)
            e = take_record(v, &record);
        if (count % AUDIT_PAGE_ROWS == 0)
            ctl_pace_take(&v->pace, AUDIT_PAGE_ROWS);
    }
    return err_is(&e) ? e : flush_window(v);
}

// ---- the rows

static struct audit_row row_of_doc(struct arena *arena, struct bytes doc)
{
    Orderclerk__V1__OrderState *s =
        orderclerk__v1__order_state__unpack(arena_protobuf(arena), doc.size, doc.data);
    if (s == NULL)
        return (struct audit_row){.definition = "can't be decoded",
                                  .state = "",
                                  .order_no = "",
                                  .waiting_on = "",
                                  .state_since = INSTANT_NONE,
                                  .deadline = INSTANT_NONE};
    return (struct audit_row){.definition = s->definition,
                              .definition_version = s->definition_version,
                              .state = s->state,
                              .revision = s->saga_revision,
                              .order_no = s->order_no,
                              .waiting_on = s->waiting_on,
                              .state_since = s->state_since_us,
                              .deadline = s->deadline_us == 0 ? INSTANT_NONE : s->deadline_us};
}

static struct audit_row copied(struct arena *arena, const struct audit_row *row)
{
    struct audit_row copy = *row;
    copy.definition = arena_str(arena, bytes_str(row->definition));
    copy.state = arena_str(arena, bytes_str(row->state));
    copy.order_no = arena_str(arena, bytes_str(row->order_no));
    copy.waiting_on = arena_str(arena, bytes_str(row->waiting_on));
    return copy;
}

static void tell_revision(struct verify *v, const struct audit_order *order, const struct audit_row *row)
{
    char topic[24], in_row[24];
    const uint64_t told = order->folded.revision;
    snprintf(topic, sizeof topic, "%" PRIu64, told);
    snprintf(in_row, sizeof in_row, "%" PRIu64, row->revision);
    audit_tell(v->fold, order, "revision", topic, in_row, (told < row->revision ? told : row->revision) + 1);
}

static void keep_ahead(struct verify *v, struct audit_order *order, const struct audit_row *row_and_doc,
                       int64_t batch_no)
{
    order->ahead = arena_new_array(v->kept, struct audit_row, 2);
    order->ahead[0] = copied(v->kept, &row_and_doc[0]);
    order->ahead[1] = copied(v->kept, &row_and_doc[1]);
    order->ahead_batch = batch_no;
    v->waiting++;
}

static int32_t partition_of(const struct verify *v, struct uuid id)
{
    char text[UUID_TEXT_SIZE];
    uuid_format(id, text);
    return hash_partition(bytes_str(text), kafka_reader_partitions(v->reader));
}

static struct err take_saga(struct verify *v, const struct audit_saga *saga)
{
    struct audit_order *order = audit_fold_order(v->fold, saga->id);
    if (order == NULL)
        return err_make(ERR_REJECT, "more than %d orders: audit them in parts, by --since", AUDIT_ORDERS_MAX);
    const struct audit_row row_and_doc[2] = {saga->row, row_of_doc(v->page, saga->doc)};
    order->seen = true;
    order->partition = partition_of(v, saga->id);
    char left[24], right[24];
    if (saga->slot != order->partition) {
        snprintf(left, sizeof left, "%" PRId32, order->partition);
        snprintf(right, sizeof right, "%" PRId32, saga->slot);
        audit_tell(v->fold, order, "slot", left, right, saga->row.revision);
    }
    if (saga->last_history != saga->row.revision) {
        snprintf(left, sizeof left, "up to %" PRIu64, saga->row.revision);
        snprintf(right, sizeof right, "up to %" PRIu64, saga->last_history);
        audit_tell(v->fold, order, "history", left, right,
                   (saga->last_history < saga->row.revision ? saga->last_history : saga->row.revision) + 1);
    }
    if (order->first == 0 || saga->row.revision > order->folded.revision) {
        // The batches of a wrong slot say nothing of this order's records.
        keep_ahead(v, order, row_and_doc, saga->slot == order->partition ? saga->batch_no : -1);
    } else if (saga->row.revision < order->folded.revision) {
        tell_revision(v, order, &saga->row);
        v->compared++;
    } else {
        compare(v, order, row_and_doc);
    }
    return err_ok();
}

static struct err take_sagas(struct verify *v, const struct audit_saga *sagas, size_t count)
{
    struct err e = err_ok();
    for (size_t i = 0; !err_is(&e) && i < count; i++)
        e = take_saga(v, &sagas[i]);
    v->rows += count;
    ctl_pace_take(&v->pace, (int64_t)count);
    return e;
}

static struct err read_all_rows(struct verify *v)
{
    struct uuid after = {{0}};
    size_t count = AUDIT_PAGE_ROWS;
    struct err e = err_ok();
    while (!err_is(&e) && count == AUDIT_PAGE_ROWS) {
        struct audit_saga *sagas;
        arena_reset(v->page);
        e = audit_store_sagas_after(v->pg, v->page, after, &sagas, &count);
        if (!err_is(&e) && count > 0)
            after = sagas[count - 1].id;
        if (!err_is(&e))
            e = take_sagas(v, sagas, count);
    }
    return e;
}

// Those of the orders that were read on the topic, or of the one asked for.
static struct err read_selected_rows(struct verify *v, size_t known)
{
    struct err e = err_ok();
    const bool one = !uuid_is_nil(v->only);
    const size_t total = one ? 1 : known;
    for (size_t from = 0; !err_is(&e) && from < total; from += AUDIT_PAGE_ROWS) {
        struct uuid ids[AUDIT_PAGE_ROWS] = {v->only};
        size_t count = one ? 1 : 0;
        for (; !one && count < AUDIT_PAGE_ROWS && from + count < known; count++)
            ids[count] = audit_fold_at(v->fold, from + count)->id;
        struct audit_saga *sagas;
        size_t sagas_count;
        arena_reset(v->page);
        e = audit_store_sagas_of(v->pg, v->page, ids, count, &sagas, &sagas_count);
        if (!err_is(&e))
            e = take_sagas(v, sagas, sagas_count);
    }
    return e;
}

// ---- rows that are ahead

// Waits until every slot has published what its kept rows need; one that doesn't within --patience keeps its orders unsettled.
// published: per partition.
static struct err wait_published(struct verify *v, int64_t *published)
{
    const int64_t until = clock_monotonic_us() + v->patience_s * INSTANT_SECOND;
    const int32_t partitions = kafka_reader_partitions(v->reader);
    int64_t *needed = arena_new_array(v->kept, int64_t, (size_t)partitions);
    const struct audit_order *order;
    for (size_t i = 0; (order = audit_fold_at(v->fold, i)) != NULL; i++) {
        if (order->ahead != NULL && order->ahead_batch > needed[order->partition])
            needed[order->partition] = order->ahead_batch;
    }
    for (int32_t p = 0; p < partitions; p++) {
        while (needed[p] > 0) {
            arena_reset(v->page);
            struct err e = audit_store_published(v->pg, v->page, p, &published[p]);
            if (err_is(&e))
                return e;
            if (published[p] >= needed[p] || clock_monotonic_us() >= until)
                break;
            ctl_audit_sleep_ms(POLL_MS);
        }
    }
    return err_ok();
}

static void leave_unsettled(struct verify *v, const struct audit_order *order)
{
    char id[UUID_TEXT_SIZE];
    uuid_format(order->id, id);
    if (v->unsettled_count++ < FINDINGS_SHOWN)
        json_array_append_new(v->unsettled, json_string(id));
}

// An order without any record: it differs when its first record must have been among those read.
static void judge_absent(struct verify *v, const struct audit_order *order, instant began)
{
    const instant covered = v->covered[order->partition];
    const bool must = (v->since == INSTANT_NONE && kafka_reader_is_whole(v->reader, order->partition)) ||
                      (covered != INSTANT_NONE && began != INSTANT_NONE && began > covered);
    if (!must) {
        v->not_covered++;
        return;
    }
    char row[96];
    snprintf(row, sizeof row, "%.60s at revision %" PRIu64, order->ahead[0].state, order->ahead[0].revision);
    audit_tell(v->fold, order, "topic", "no record", row, 1);
    v->compared++;
}

static struct err judge_absents(struct verify *v, struct audit_order **orders, size_t count)
{
    struct uuid ids[AUDIT_PAGE_ROWS];
    instant began[AUDIT_PAGE_ROWS];
    for (size_t i = 0; i < count; i++) {
        ids[i] = orders[i]->id;
        began[i] = INSTANT_NONE;
    }
    arena_reset(v->page);
    struct err e = audit_store_began(v->pg, v->page, ids, count, began);
    for (size_t i = 0; !err_is(&e) && i < count; i++)
        judge_absent(v, orders[i], began[i]);
    ctl_pace_take(&v->pace, (int64_t)count);
    return e;
}

static struct err judge_ahead(struct verify *v, const int64_t *published)
{
    struct audit_order *absent[AUDIT_PAGE_ROWS];
    size_t absent_count = 0;
    struct audit_order *order;
    struct err e = err_ok();
    for (size_t i = 0; !err_is(&e) && (order = audit_fold_at(v->fold, i)) != NULL; i++) {
        if (order->ahead == NULL)
            continue;
        if (published[order->partition] < order->ahead_batch) {
            leave_unsettled(v, order);
        } else if (order->first != 0) {
            tell_revision(v, order, &order->ahead[0]);
            v->compared++;
        } else {
            absent[absent_count++] = order;
        }
        if (absent_count == AUDIT_PAGE_ROWS) {
            e = judge_absents(v, absent, absent_count);
            absent_count = 0;
        }
    }
    return err_is(&e) || absent_count == 0 ? e : judge_absents(v, absent, absent_count);
}

static struct err settle(struct verify *v)
{
    if (v->waiting == 0)
        return err_ok();
    int64_t *published = arena_new_array(v->kept, int64_t, (size_t)kafka_reader_partitions(v->reader));
    struct err e = wait_published(v, published);
    if (!err_is(&e))
        e = kafka_reader_aim(v->reader);
    if (!err_is(&e))
        e = read_topic(v);
    return err_is(&e) ? e : judge_ahead(v, published);
}

// ---- the whole

static void judge_rowless(struct verify *v, size_t known)
{
    for (size_t i = 0; i < known; i++) {
        const struct audit_order *order = audit_fold_at(v->fold, i);
        if (order->seen)
            continue;
        char topic[96];
        snprintf(topic, sizeof topic, "%.60s at revision %" PRIu64, order->folded.state,
                 order->folded.revision);
        audit_tell(v->fold, order, "row", topic, "none", 1);
        v->compared++;
    }
}

static struct err run(struct verify *v)
{
    const int32_t partitions = kafka_reader_partitions(v->reader);
    v->covered = arena_new_array(v->kept, instant, (size_t)partitions);
    for (int32_t p = 0; p < partitions; p++)
        v->covered[p] = INSTANT_NONE;
    const bool one = !uuid_is_nil(v->only);
    struct err e = kafka_reader_start(v->reader, one ? partition_of(v, v->only) : KAFKA_READER_ALL, v->since);
    if (!err_is(&e))
        e = read_topic(v);
    const size_t known = audit_fold_size(v->fold);
    if (!err_is(&e))
        e = selects(v) ? read_selected_rows(v, known) : read_all_rows(v);
    if (!err_is(&e))
        e = settle(v);
    if (!err_is(&e))
        judge_rowless(v, known);
    return e;
}

// What was found at an early revision was told before the order had its number.
static void add_numbers(struct verify *v)
{
    size_t index;
    json_t *finding;
    json_array_foreach(v->findings, index, finding)
    {
        struct uuid id;
        if (!uuid_parse(bytes_str(ctl_text(finding, "order_id")), &id))
            continue;
        const struct audit_order *order = audit_fold_find(v->fold, id);
        if (order != NULL)
            json_object_set_new(finding, "order_no", json_string(order->folded.order_no));
    }
}

static enum ctl_exit print_result(struct verify *v)
{
    add_numbers(v);
    const struct audit_counts *counts = audit_fold_counts(v->fold);
    json_t *result =
        json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:O, s:O}", "orders_compared",
                  (json_int_t)v->compared, "orders_not_covered", (json_int_t)v->not_covered,
                  "orders_unsettled", (json_int_t)v->unsettled_count, "records_read",
                  (json_int_t)counts->records, "copies", (json_int_t)counts->copies, "transitions_checked",
                  (json_int_t)counts->transitions, "rows_read", (json_int_t)v->rows, "divergence_count",
                  (json_int_t)v->finding_count, "divergences", v->findings, "unsettled", v->unsettled);
    static const struct ctl_column columns[] = {
        {"order", "order_no", false},       {"order id", "order_id", false}, {"field", "field", false},
        {"the topic says", "topic", false}, {"the row says", "row", false},  {"revision", "revision", true}};
    if (v->ctl->json) {
        ctl_print_json(result);
    } else {
        if (v->finding_count > 0)
            ctl_table(v->findings, columns, sizeof columns / sizeof columns[0]);
        printf("%" PRIu64 " orders compared, %" PRIu64 " records read (%" PRIu64 " of them copies), %" PRIu64
               " transitions checked, %" PRIu64 " divergences\n",
               v->compared, counts->records, counts->copies, counts->transitions, v->finding_count);
        if (v->not_covered > 0)
            printf("%" PRIu64 " orders are older than what the topic keeps: not compared\n", v->not_covered);
        if (v->unsettled_count > 0)
            printf("%" PRIu64
                   " orders wait for the orchestrator to publish what their rows say: run it again\n",
                   v->unsettled_count);
    }
    json_decref(result);
    if (v->finding_count > 0)
        return CTL_DIFFERS;
    return v->unsettled_count > 0 ? CTL_NOT_YET : CTL_OK;
}

// --order: an id, or a number.
static enum ctl_exit find_order(struct verify *v)
{
    const char *name = ctl_option(v->ctl, "order");
    if (name == NULL || uuid_parse(bytes_str(name), &v->only))
        return CTL_OK;
    struct err e = audit_store_id_of(v->pg, bytes_str(name), &v->only);
    return err_is(&e) ? ctl_audit_failed(&e) : CTL_OK;
}

static enum ctl_exit open_and_run(struct verify *v)
{
    struct kafka_cluster cluster;
    enum ctl_exit status = ctl_audit_cluster(v->ctl, &cluster);
    if (status == CTL_OK)
        status = ctl_audit_pg(v->ctl, &v->pg);
    if (status == CTL_OK)
        status = find_order(v);
    if (status != CTL_OK)
        return status;
    struct err e = kafka_reader_open(&cluster, TOPIC_ORDER_EVENTS, &v->reader);
    if (!err_is(&e))
        e = run(v);
    status = err_is(&e) ? ctl_audit_failed(&e) : print_result(v);
    kafka_reader_close(v->reader);
    return status;
}

enum ctl_exit ctl_audit_sagas(struct ctl *ctl)
{
    int64_t rate;
    int64_t patience_s;
    instant since;
    if (!ctl_audit_number(ctl, "rate", RATE_DEFAULT, &rate) ||
        !ctl_audit_number(ctl, "patience", PATIENCE_S, &patience_s) || !ctl_audit_since(ctl, &since))
        return CTL_USAGE;
    struct verify *v = calloc(1, sizeof *v);
    if (v == NULL)
        abort();
    const struct audit_report report = {.self = v, .found = found};
    v->ctl = ctl;
    v->fold = audit_fold_new(saga_book(), &report);
    v->pace = ctl_pace_start(rate);
    v->window_texts = arena_new(1 << 16);
    v->page = arena_new(1 << 16);
    v->kept = arena_new(1 << 16);
    v->findings = json_array();
    v->unsettled = json_array();
    v->since = since;
    v->patience_s = patience_s;
    const enum ctl_exit status = open_and_run(v);
    pg_close(v->pg);
    audit_fold_free(v->fold);
    arena_free(v->window_texts);
    arena_free(v->page);
    arena_free(v->kept);
    json_decref(v->findings);
    json_decref(v->unsettled);
    free(v);
    return status;
}
