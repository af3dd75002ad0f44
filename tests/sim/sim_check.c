// Invariants of batches, records and effects, at every step.
#include "sim/sim_check.h"

#include "lane/internal.h"
#include "orderclerk/v1/orders.pb-c.h"

#include <assert.h>
#include <stdlib.h>

void sim_check_start(void)
{
    sim->check = calloc(1, sizeof *sim->check);
    assert(sim->check != NULL);
    sim->check->scratch = arena_new(65536);
}

void sim_check_free(void)
{
    struct sim_check *c = sim->check;
    struct sim_map *maps[] = {&c->sent,    &c->sequences, &c->numbered, &c->effects, &c->called,
                              &c->applied, &c->sagas,     &c->ledger,   &c->held,    &c->ordered,
                              &c->shipped, &c->accounts,  &c->undoing,  &c->shares};
    for (size_t i = 0; i < sizeof maps / sizeof maps[0]; i++)
        sim_map_free(maps[i]);
    for (size_t i = 0; i < (size_t)SIM_SERVICES * 2; i++) {
        for (size_t p = 0; p < SIM_PARTITIONS; p++) {
            free(c->outbox[i][p].ids);
            free(c->outbox[i][p].batches);
        }
    }
    arena_free(c->scratch);
    free(c);
}

// ---- records

static struct bytes without_mark(const struct head *head, struct bytes value)
{
    return head->again ? bytes_of(value.data, value.size - 2) : value; // see lane/publish.c
}

static uint64_t sent_key(enum topic topic, struct bytes event_id)
{
    return sim_key((uint64_t)topic + 1000, event_id);
}

static void add_outbox_id(size_t owner, int32_t slot, uint64_t id)
{
    struct sim_check *c = sim->check;
    if (c->outbox[owner][slot].count == c->outbox[owner][slot].capacity) {
        size_t capacity = c->outbox[owner][slot].capacity == 0 ? 256 : c->outbox[owner][slot].capacity * 2;
        c->outbox[owner][slot].ids = realloc(c->outbox[owner][slot].ids, capacity * sizeof(uint64_t));
        assert(c->outbox[owner][slot].ids != NULL);
        c->outbox[owner][slot].capacity = capacity;
    }
    c->outbox[owner][slot].ids[c->outbox[owner][slot].count++] = id;
}

static void begin_outbox_batch(size_t owner, int32_t slot, int64_t batch_no)
{
    struct sim_check *c = sim->check;
    if (c->outbox[owner][slot].batch_count == c->outbox[owner][slot].batch_capacity) {
        size_t capacity =
            c->outbox[owner][slot].batch_capacity == 0 ? 128 : c->outbox[owner][slot].batch_capacity * 2;
        c->outbox[owner][slot].batches =
            realloc(c->outbox[owner][slot].batches, capacity * sizeof c->outbox[0][0].batches[0]);
        assert(c->outbox[owner][slot].batches != NULL);
        c->outbox[owner][slot].batch_capacity = capacity;
    }
    size_t n = c->outbox[owner][slot].batch_count++;
    SIM_CHECK(I15_OUTBOX, batch_no == (int64_t)n + 1, "outbox row %lld of slot %d comes after %zu rows",
              (long long)batch_no, slot, n);
    c->outbox[owner][slot].batches[n].batch_no = batch_no;
    c->outbox[owner][slot].batches[n].first = c->outbox[owner][slot].count;
    c->outbox[owner][slot].batches[n].count = 0;
}

// Each order of the plan is stored once, whatever its client does.
static void check_submitted(struct bytes value)
{
    const Orderclerk__V1__OrderRequest *request =
        orderclerk__v1__order_request__unpack(arena_protobuf(sim->arena), value.size, value.data);
    if (request == NULL || request->body_case != ORDERCLERK__V1__ORDER_REQUEST__BODY_SUBMIT)
        return;
    struct bytes account = bytes_str(request->submit->order->channel_account);
    struct sim_map_item *item = sim_map_at(&sim->check->accounts, sim_key(1, account));
    SIM_CHECK(I3_ONE_ANSWER, item->value.number == 0, "order %s of the plan is stored twice",
              request->submit->order->channel_account);
    item->value.number = 1;
    sim_map_at(&sim->check->accounts, sim_key(2, bytes_str(request->order_id)))->value.number = 1;
}

static void note_records(size_t owner, enum sim_service_id service, int32_t slot, int64_t batch_no,
                         struct bytes records)
{
    struct arena *scratch = sim->check->scratch;
    arena_reset(scratch);
    Orderclerk__V1__OutboxBatch *batch =
        orderclerk__v1__outbox_batch__unpack(arena_protobuf(scratch), records.size, records.data);
    assert(batch != NULL);
    begin_outbox_batch(owner, slot, batch_no);
    for (size_t i = 0; i < batch->n_records; i++) {
        const Orderclerk__V1__OutboxRecord *r = batch->records[i];
        struct bytes value = bytes_of(r->value.data, r->value.len);
        struct head head;
        struct err e = head_read(value, &head);
        assert(!err_is(&e));
        uint64_t key = sent_key((enum topic)r->topic, head.event_id);
        struct sim_map_item *item = sim_map_at(&sim->check->sent, key);
        uint64_t hash = sim_hash(without_mark(&head, value));
        struct sim_sent *sent = item->value.pointer;
        if (sent == NULL) {
            sent = item->value.pointer = arena_new_object(sim->arena, struct sim_sent);
            *sent = (struct sim_sent){.service = service, .hash = hash};
            if (owner == (size_t)SIM_SERVICES + SIM_INTAKE && r->topic == TOPIC_ORDERS)
                check_submitted(value);
        }
        // A letter about the same record says when and why anew; it is known by its id all the same.
        SIM_CHECK(I10_SEQUENCE,
                  sent->hash == hash || (r->topic == TOPIC_DEAD_LETTERS && sent->service == service),
                  "%s: record %s is committed again with another content",
                  topic_info((enum topic)r->topic)->name, r->event_id);
        add_outbox_id(owner, slot, key);
        sim->check->outbox[owner][slot].batches[batch_no - 1].count++;
    }
}

bool sim_arrived(enum topic topic, struct bytes event_id)
{
    const struct sim_map_item *item = sim_map_find(&sim->check->sent, sent_key(topic, event_id));
    return item != NULL && ((const struct sim_sent *)item->value.pointer)->arrived > 0;
}

static void check_published(size_t owner, int32_t slot, int64_t before, int64_t published_no)
{
    struct sim_check *c = sim->check;
    for (int64_t n = before + 1; n <= published_no && n <= (int64_t)c->outbox[owner][slot].batch_count; n++) {
        for (size_t i = 0; i < c->outbox[owner][slot].batches[n - 1].count; i++) {
            uint64_t key = c->outbox[owner][slot].ids[c->outbox[owner][slot].batches[n - 1].first + i];
            const struct sim_map_item *item = sim_map_find(&c->sent, key);
            SIM_CHECK(I15_PUBLISHED, ((const struct sim_sent *)item->value.pointer)->arrived > 0,
                      "%s: batch %lld of slot %d counts as published, but a record of it isn't on its topic",
                      sim_service_name((enum sim_service_id)(owner % SIM_SERVICES)), (long long)n, slot);
        }
    }
}

static void check_sequence(enum topic topic, struct bytes key, const struct head *head, uint64_t hash)
{
    struct sim_check *c = sim->check;
    if (topic_info(topic)->mode != TOPIC_SEQUENCED)
        return;
    struct sim_map_item *last = sim_map_at(&c->sequences, sim_key((uint64_t)topic, key));
    SIM_CHECK(I10_SEQUENCE, (int64_t)head->sequence <= last->value.number + 1,
              "%s of %.*s: %llu comes after %lld", topic_info(topic)->name, (int)key.size,
              (const char *)key.data, (unsigned long long)head->sequence, (long long)last->value.number);
    if ((int64_t)head->sequence == last->value.number + 1)
        last->value.number++;
    uint64_t number = sim_key(head->sequence * 64 + (uint64_t)topic, key);
    struct sim_map_item *first = sim_map_at(&c->numbered, number);
    if (first->value.number == 0)
        first->value.number = (int64_t)(hash | 1);
    SIM_CHECK(I10_SEQUENCE, first->value.number == (int64_t)(hash | 1),
              "%s of %.*s: two records are number %llu", topic_info(topic)->name, (int)key.size,
              (const char *)key.data, (unsigned long long)head->sequence);
}

void sim_check_appended(enum topic topic, int32_t partition, const struct sim_entry *entry,
                        const struct head *head, struct sim_process *writer)
{
    if (head == NULL) {
        assert(writer == NULL);
        return;
    }
    if (sim->options.trace)
        sim_trace("%s/%d:%lld %.*s %llu%s", topic_info(topic)->name, partition,
                  (long long)entry->record.offset, (int)entry->record.key.size,
                  (const char *)entry->record.key.data, (unsigned long long)head->sequence,
                  head->again ? " again" : "");
    struct sim_map_item *item = sim_map_find(&sim->check->sent, sent_key(topic, head->event_id));
    uint64_t hash = sim_hash(without_mark(head, entry->record.value));
    if (item == NULL) {
        SIM_CHECK(COMMITTED_FIRST,
                  writer == NULL &&
                      (bytes_is(head->source, "departments") || sim_faults_injected(head->event_id)),
                  "%s: record %.*s of %.*s is sent and was never committed", topic_info(topic)->name,
                  (int)head->event_id.size, (const char *)head->event_id.data, (int)head->source.size,
                  (const char *)head->source.data);
        sim_check_command(topic, entry, head);
        return;
    }
    struct sim_sent *sent = item->value.pointer;
    SIM_CHECK(I10_SEQUENCE, sent->hash == hash || topic == TOPIC_DEAD_LETTERS,
              "%s: record %.*s isn't what was committed", topic_info(topic)->name, (int)head->event_id.size,
              (const char *)head->event_id.data);
    SIM_CHECK(COMMITTED_FIRST, writer == NULL || writer->service == sent->service, "%s sends a record of %s",
              writer == NULL ? "" : sim_service_name(writer->service), sim_service_name(sent->service));
    sent->arrived++;
    check_sequence(topic, entry->record.key, head, hash);
    if (sent->arrived == 1)
        sim_check_command(topic, entry, head);
}

// ---- batches

static enum sim_service_id service_of(void *self)
{
    return (enum sim_service_id)((struct sim_service *)self - sim->services);
}

static struct sim_process *process_of(struct store_port *port)
{
    for (size_t i = 0; i < sim->process_count; i++) {
        if (sim->processes[i] != NULL && sim->processes[i]->store == port)
            return sim->processes[i];
    }
    abort();
}

static void claimed(void *self, struct store_port *port, const struct slot_claim *claims, size_t count)
{
    enum sim_service_id s = service_of(self);
    struct sim_process *p = process_of(port);
    for (size_t i = 0; i < count; i++) {
        int64_t *epoch = &sim->check->slots[s][claims[i].slot].epoch;
        SIM_CHECK(I13_EPOCH, claims[i].epoch > *epoch, "%s: slot %d is claimed with epoch %lld after %lld",
                  sim_service_name(s), claims[i].slot, (long long)claims[i].epoch, (long long)*epoch);
        *epoch = claims[i].epoch;
        sim_trace("%s-%d claims slot %d, epoch %lld", sim_service_name(s), p->number, claims[i].slot,
                  (long long)claims[i].epoch);
    }
}

static void check_fences(enum sim_service_id s, const struct slot_fence *fences, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct slot_fence *f = &fences[i];
        SIM_CHECK(I13_EPOCH, f->epoch == sim->check->slots[s][f->slot].epoch,
                  "%s: slot %d is saved under epoch %lld of %lld", sim_service_name(s), f->slot,
                  (long long)f->epoch, (long long)sim->check->slots[s][f->slot].epoch);
    }
}

// Records that had come before a deadline was due, and that it fires without having read.
static void check_deadline(enum sim_service_id s, const struct sim_decided *d)
{
    const struct sim_service *service = &sim->services[s];
    for (size_t i = 0; i < service->lane->input_count; i++) {
        enum topic topic = service->lane->inputs[i];
        int64_t at = sim->check->slots[s][d->slot].position[topic];
        const struct sim_entry *unread = sim_bus_entry(topic, d->slot, at);
        if (unread == NULL || sim_bus_is_cut(topic, d->slot))
            continue;
        SIM_CHECK(CHECKED_CAUSE, unread->at > d->due,
                  "%s: a deadline of %.*s fires before %s/%d:%lld is read, which came first",
                  sim_service_name(s), (int)d->key.size, (const char *)d->key.data, topic_info(topic)->name,
                  d->slot, (long long)at);
    }
}

// What is refused holds its key, and is itself held, until somebody decides about it.
static void check_held(enum sim_service_id s, const struct sim_decided *d)
{
    const struct held_row *row;
    bool held = false;
    for (size_t i = 0; !held && (row = store_mem_row(sim->services[s].db, &held_table, i)) != NULL; i++)
        held = bytes_equal(row->key, d->key) && bytes_equal(row->event_id, d->event_id);
    SIM_CHECK(I17_CONSUMED, held, "%s refuses %s %.*s and doesn't hold it", sim_service_name(s),
              topic_info(d->topic)->name, (int)d->event_id.size, (const char *)d->event_id.data);
}

static void check_decided(enum sim_service_id s, const struct sim_decided *d)
{
    if (d->rejected) {
        check_held(s, d);
        return;
    }
    if (d->kind == INPUT_DEADLINE)
        check_deadline(s, d);
    if (d->kind != INPUT_MESSAGE || topic_info(d->topic)->mode == TOPIC_VERSIONED)
        return;
    struct sim_map_item *item =
        sim_map_at(&sim->check->applied, sim_key((uint64_t)d->topic * 16 + (uint64_t)s, d->event_id));
    SIM_CHECK(I11_APPLIED_ONCE, item->value.number == 0, "%s applies %s %.*s once more", sim_service_name(s),
              topic_info(d->topic)->name, (int)d->event_id.size, (const char *)d->event_id.data);
    item->value.number = 1;
}

static void check_positions(enum sim_service_id s, const struct store_changes *changes,
                            const struct sim_process *p)
{
    for (size_t i = 0; i < changes->position_count; i++) {
        const struct store_position *n = &changes->positions[i];
        int64_t *position = &sim->check->slots[s][n->slot].position[n->topic];
        SIM_CHECK(I13_POSITION, n->next_offset > *position, "%s: slot %d of %s goes from %lld to %lld",
                  sim_service_name(s), n->slot, topic_info(n->topic)->name, (long long)*position,
                  (long long)n->next_offset);
        *position = n->next_offset;
    }
    for (const struct sim_decided *d = p->decided; d != NULL; d = d->next) {
        if (d->kind == INPUT_MESSAGE)
            SIM_CHECK(I13_POSITION, d->offset < sim->check->slots[s][d->slot].position[d->topic],
                      "%s: %s/%d:%lld is applied, and the position isn't saved with it", sim_service_name(s),
                      topic_info(d->topic)->name, d->slot, (long long)d->offset);
    }
}

static void check_change(enum sim_service_id s, const struct store_change *change)
{
    if (change->table == &outbox_table) {
        for (size_t i = 0; i < change->row_count; i++) {
            const struct outbox_table_row *row = change->rows[i];
            note_records(s, s, row->slot, row->batch_no, row->records);
        }
    } else if (change->table == &effect_table && change->kind == CHANGE_INSERT) {
        for (size_t i = 0; i < change->row_count; i++)
            sim_map_at(&sim->check->effects,
                       sim_key_uuid(1, ((const struct effect_row *)change->rows[i])->id))
                ->value.number = 1;
    }
}

static void committed(void *self, struct store_port *port, const struct slot_fence *fences,
                      size_t fence_count, const struct store_changes *changes)
{
    enum sim_service_id s = service_of(self);
    struct sim_process *p = process_of(port);
    p->batches++;
    if (sim->options.trace)
        sim_trace("%s-%d commits batch %lld of slot %d%s", sim_service_name(s), p->number,
                  fence_count == 0 ? 0LL : (long long)fences[0].batch_no + 1,
                  fence_count == 0 ? -1 : fences[0].slot, fence_count > 1 ? " and others" : "");
    check_fences(s, fences, fence_count);
    for (size_t i = 0; i < changes->change_count; i++)
        check_change(s, &changes->changes[i]);
    if (s == SIM_ORCHESTRATOR)
        sim_check_sagas(changes);
    if (s == SIM_INVENTORY)
        sim_check_stock(changes);
    check_positions(s, changes, p);
    for (const struct sim_decided *d = p->decided; d != NULL; d = d->next)
        check_decided(s, d);
    p->decided = NULL;
    arena_reset(p->decided_arena);
}

static void started(void *self, struct store_port *port, const struct store_position *start)
{
    (void)port;
    int64_t *position = &sim->check->slots[service_of(self)][start->slot].position[start->topic];
    SIM_CHECK(I13_POSITION, start->next_offset == 0 && *position == 0,
              "%s: slot %d begins to read %s at %lld", sim_service_name(service_of(self)), start->slot,
              topic_info(start->topic)->name, (long long)start->next_offset);
}

static void published(void *self, struct store_port *port, int32_t slot, int64_t published_no)
{
    (void)port;
    enum sim_service_id s = service_of(self);
    check_published(s, slot, store_mem_published(sim->services[s].db, slot), published_no);
}

struct store_mem_tap sim_check_tap(enum sim_service_id service)
{
    return (struct store_mem_tap){.self = &sim->services[service],
                                  .claimed = claimed,
                                  .committed = committed,
                                  .started = started,
                                  .published = published};
}

void sim_check_door_committed(struct sim_process *process, int32_t slot, int64_t batch_no,
                              struct bytes records)
{
    note_records((size_t)SIM_SERVICES + process->service, process->service, slot, batch_no, records);
}

void sim_check_door_published(const struct sim_ingress_db *db, int32_t slot, int64_t before,
                              int64_t published_no)
{
    for (size_t s = 0; s < SIM_SERVICES; s++) {
        if (sim->services[s].door == db)
            check_published(SIM_SERVICES + s, slot, before, published_no);
    }
}

// ---- effects

void sim_check_called(struct sim_process *process, const struct effect_call *call)
{
    SIM_CHECK(COMMITTED_FIRST, sim_map_find(&sim->check->effects, sim_key_uuid(1, call->id)) != NULL,
              "%s performs an effect that was never committed", sim_service_name(process->service));
    if (process->service != SIM_NOTIFIER)
        return;
    Orderclerk__V1__EffectRequest *request = orderclerk__v1__effect_request__unpack(
        arena_protobuf(sim->arena), call->request.size, call->request.data);
    struct sim_map_item *item = sim_map_at(
        &sim->check->called, sim_key2(1, bytes_str(request->note), bytes_str(request->mail_to[0])));
    int64_t id = (int64_t)sim_key_uuid(2, call->id);
    SIM_CHECK(I12_ONE_NOTIFICATION, item->value.number == 0 || item->value.number == id,
              "two mails for %s to %s", request->note, request->mail_to[0]);
    item->value.number = id;
}
