// One commit: many submissions in, an answer for each, and the records to publish.
#include "ingress/ingress_internal.h"

#include "base/fault.h"
#include "base/hash.h"
#include "base/mutant.h"
#include "pg/db_clock.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VERSION_TAG       (7 << 3) // saga_revision, a varint: appended, since protobuf takes fields in any order
#define VERSION_BYTES_MAX 11
#define SUBMISSION_BYTES  1024 // of a submission's arena beside what is copied into it

// ---- taking a submission in

static struct bytes look_of(struct arena *arena, const struct ingress_item *item)
{
    static const uint8_t none[SHA256_SIZE];
    if (memcmp(item->content_hash, none, sizeof none) == 0 || item->customer_key.size == 0)
        return (struct bytes){.data = NULL};
    uint8_t *text = arena_alloc(arena, item->customer_key.size + sizeof none);
    memcpy(text, item->content_hash, sizeof none);
    memcpy(text + sizeof none, item->customer_key.data, item->customer_key.size);
    uint8_t *look = arena_alloc(arena, SHA256_SIZE);
    hash_sha256(bytes_of(text, item->customer_key.size + sizeof none), look);
    return bytes_of(look, SHA256_SIZE);
}

// The same submission always makes the same event ids.
static struct err pack_record(struct submission *s, const struct ingress_record *record, const char *source,
                              size_t index, instant now)
{
    const struct topic_info *topic = topic_info(record->topic);
    Orderclerk__V1__OutboxRecord *out = &s->records[index];
    char domain[64], id[UUID_TEXT_SIZE];
    snprintf(domain, sizeof domain, "event:%s", topic->name);
    uint32_t ordinal = (uint32_t)index;
    uuid_format(uuid_derive(s->id, domain, bytes_of(&ordinal, sizeof ordinal)), id);
    struct head head = {
        .event_id = bytes_str(id), .key = record->key, .source = bytes_str(source), .occurred_at = now};
    struct bytes value = head_write(s->arena, &head, record->message);
    if (value.size + record->key.size + VERSION_BYTES_MAX > INGRESS_RECORD_MAX)
        return err_make(ERR_REJECT, "a record for %s has %zu bytes: at most %d are possible", topic->name,
                        value.size, INGRESS_RECORD_MAX);
    orderclerk__v1__outbox_record__init(out);
    struct bytes key = arena_bytes(s->arena, record->key);
    out->topic = (uint32_t)record->topic;
    out->key = (ProtobufCBinaryData){.data = (uint8_t *)(uintptr_t)key.data, .len = key.size};
    out->value = (ProtobufCBinaryData){.data = (uint8_t *)(uintptr_t)value.data, .len = value.size};
    out->type = arena_str(s->arena, bytes_str(message_type(record->message)));
    out->event_id = arena_str(s->arena, bytes_str(id));
    out->occurred_at_us = now;
    s->bytes += value.size;
    return err_ok();
}

struct err ingress_submission_make(const struct ingress_item *item, const char *service,
                                   struct submission **ret_submission)
{
    instant now = db_clock_now();
    struct arena *arena = arena_new(SUBMISSION_BYTES + item->raw.size);
    struct submission *s = arena_new_object(arena, struct submission);
    *s = (struct submission){
        .arena = arena,
        .id = uuid_is_nil(item->id) ? uuid_v7(now) : item->id,
        .scope = arena_bytes(arena, item->scope),
        .key = arena_bytes(arena, item->key),
        .client_key = arena_bytes(arena, item->client_key),
        .fingerprint = bytes_of(arena_copy(arena, item->fingerprint, SHA256_SIZE), SHA256_SIZE),
        .kind = arena_bytes(arena, item->kind),
        .content_type = arena_bytes(arena, item->content_type),
        .raw = arena_bytes(arena, item->raw),
        .subject = item->subject,
        .customer_key = arena_bytes(arena, item->customer_key),
        .look = look_of(arena, item),
        .records = arena_new_array(arena, Orderclerk__V1__OutboxRecord, item->record_count),
        .record_count = item->record_count,
        .bytes = item->raw.size,
        .suspect = item->suspect,
        .since_us = clock_monotonic_us(),
    };
    if (MUTANT(key_not_unique)) {
        s->key = bytes_of(s->id.b, sizeof s->id.b);
        s->client_key = bytes_of(NULL, 0);
    }
    struct err e = err_ok();
    for (size_t i = 0; i < item->record_count && !err_is(&e); i++)
        e = pack_record(s, &item->records[i], service, i, now);
    if (err_is(&e))
        arena_free(arena);
    else
        *ret_submission = s;
    return e;
}

// ---- who was stored, who was there before

static int compare_keys(const void *a, const void *b)
{
    const struct submission *x = *(struct submission *const *)a, *y = *(struct submission *const *)b;
    int order = bytes_compare(x->scope, y->scope);
    if (order == 0)
        order = bytes_compare(x->key, y->key);
    return order != 0 ? order : uuid_compare(x->id, y->id);
}

static int compare_stored(const void *a, const void *b)
{
    return uuid_compare(((const struct store_stored *)a)->id, ((const struct store_stored *)b)->id);
}

static int compare_looks(const void *a, const void *b)
{
    const struct submission *x = *(struct submission *const *)a, *y = *(struct submission *const *)b;
    int order = bytes_compare(x->look, y->look);
    return order != 0 ? order : uuid_compare(x->id, y->id);
}

// Within a commit the one with the lowest id of each look comes first; the others look like it.
static void note_suspects(struct submission **items, size_t count, struct arena *arena)
{
    struct submission **sorted = arena_new_array(arena, struct submission *, count);
    size_t n = 0;
    for (size_t i = 0; i < count; i++)
        if (items[i]->stored && items[i]->look.data != NULL)
            sorted[n++] = items[i];
    qsort(sorted, n, sizeof(struct submission *), compare_looks);
    const struct submission *first = n > 0 ? sorted[0] : NULL;
    for (size_t i = 1; i < n; i++) {
        if (bytes_equal(sorted[i]->look, first->look))
            sorted[i]->answer.look_alike = first->subject;
        else
            first = sorted[i];
    }
}

static size_t note_stored(struct submission **items, size_t count, struct store_stored *stored,
                          size_t stored_count, struct arena *arena)
{
    qsort(stored, stored_count, sizeof *stored, compare_stored);
    bool any_look = false;
    for (size_t i = 0; i < count; i++) {
        struct submission *s = items[i];
        struct store_stored wanted = {.id = s->id};
        const struct store_stored *found =
            bsearch(&wanted, stored, stored_count, sizeof *stored, compare_stored);
        s->stored = found != NULL;
        s->answer =
            (struct ingress_answer){.status = INGRESS_STORED, .submission = s->id, .subject = s->subject};
        if (found != NULL && s->look.data != NULL) {
            s->answer.look_alike = found->look_alike;
            any_look = true;
        }
    }
    if (any_look && count > 1)
        note_suspects(items, count, arena);
    return stored_count;
}

static bool same_name(const struct submission *s, const struct store_found *found)
{
    return (bytes_equal(s->scope, found->scope) && bytes_equal(s->key, found->key)) ||
           (s->client_key.data != NULL && found->client_key.data != NULL &&
            bytes_equal(s->client_key, found->client_key));
}

static void note_found(struct submission *s, const struct store_found *found, size_t found_count)
{
    s->answer =
        (struct ingress_answer){.status = INGRESS_FAILED, .text = "the submission of the same name is gone"};
    for (size_t i = 0; i < found_count; i++) {
        if (!same_name(s, &found[i]))
            continue;
        bool equal = bytes_equal(s->fingerprint, found[i].fingerprint);
        s->answer = (struct ingress_answer){.status = equal ? INGRESS_REPEATED : INGRESS_CONFLICT,
                                            .submission = found[i].id,
                                            .subject = found[i].subject};
        if (!equal) // one of its two names is another submission's
            return;
    }
}

static struct err find_others(struct pg *pg, struct submission **items, size_t count, struct arena *arena)
{
    struct submission **others = arena_new_array(arena, struct submission *, count);
    size_t other_count = 0;
    for (size_t i = 0; i < count; i++)
        if (!items[i]->stored)
            others[other_count++] = items[i];
    if (other_count == 0)
        return err_ok();
    struct store_found *found = NULL;
    size_t found_count = 0;
    struct err e = ingress_store_find(pg, others, other_count, arena, &found, &found_count);
    for (size_t i = 0; i < other_count && !err_is(&e); i++)
        note_found(others[i], found, found_count);
    return e;
}

// ---- what is decided at the commit only: suspects and versions

static void put_suspect(struct submission *s)
{
    char subject[UUID_TEXT_SIZE];
    uuid_format(s->answer.look_alike, subject);
    for (size_t i = 0; i < s->record_count; i++) {
        Orderclerk__V1__OutboxRecord *record = &s->records[i];
        const struct topic_info *topic = topic_info((enum topic)record->topic);
        ProtobufCMessage *message = protobuf_c_message_unpack(topic->descriptor, arena_protobuf(s->arena),
                                                              record->value.len, record->value.data);
        assert(message != NULL); // packed by us
        s->suspect((enum topic)record->topic, message, subject);
        record->value.data = arena_alloc(s->arena, protobuf_c_message_get_packed_size(message));
        record->value.len = protobuf_c_message_pack(message, record->value.data);
    }
}

static int compare_versions(const void *a, const void *b)
{
    const struct store_version *x = a, *y = b;
    return x->topic != y->topic ? (x->topic < y->topic ? -1 : 1) : bytes_compare(x->key, y->key);
}

static struct bytes record_key(const Orderclerk__V1__OutboxRecord *record)
{
    return bytes_of(record->key.data, record->key.len);
}

static bool is_versioned(const Orderclerk__V1__OutboxRecord *record)
{
    return topic_info((enum topic)record->topic)->mode == TOPIC_VERSIONED;
}

static void append_version(struct arena *arena, Orderclerk__V1__OutboxRecord *record, int64_t version)
{
    uint8_t *value = arena_alloc(arena, record->value.len + VERSION_BYTES_MAX);
    memcpy(value, record->value.data, record->value.len);
    uint8_t *at = value + record->value.len;
    *at++ = VERSION_TAG;
    for (uint64_t rest = (uint64_t)version; rest > 0; rest >>= 7)
        *at++ = (uint8_t)((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0));
    record->value = (ProtobufCBinaryData){.data = value, .len = (size_t)(at - value)};
}

// The versions that these records need, one row per topic and key, in order.
static size_t wanted_versions(struct submission **items, size_t count, struct arena *arena,
                              struct store_version **ret_versions)
{
    size_t wanted = 0;
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; items[i]->stored && k < items[i]->record_count; k++)
            wanted += is_versioned(&items[i]->records[k]);
    struct store_version *versions = arena_new_array(arena, struct store_version, wanted);
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; items[i]->stored && k < items[i]->record_count; k++) {
            const Orderclerk__V1__OutboxRecord *record = &items[i]->records[k];
            if (is_versioned(record))
                versions[n++] = (struct store_version){
                    .topic = (int32_t)record->topic, .key = record_key(record), .count = 1};
        }
    }
    qsort(versions, n, sizeof *versions, compare_versions);
    size_t distinct = 0;
    for (size_t i = 0; i < n; i++) {
        if (distinct > 0 && compare_versions(&versions[distinct - 1], &versions[i]) == 0)
            versions[distinct - 1].count++;
        else
            versions[distinct++] = versions[i];
    }
    *ret_versions = versions;
    return distinct;
}

static struct err give_versions(struct pg *pg, struct submission **items, size_t count, struct arena *arena)
{
    struct store_version *versions = NULL;
    size_t distinct = wanted_versions(items, count, arena, &versions);
    if (distinct == 0)
        return err_ok();
    struct err e = ingress_store_versions(pg, versions, distinct, arena);
    if (err_is(&e))
        return e;
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; items[i]->stored && k < items[i]->record_count; k++) {
            Orderclerk__V1__OutboxRecord *record = &items[i]->records[k];
            if (!is_versioned(record))
                continue;
            struct store_version wanted = {.topic = (int32_t)record->topic, .key = record_key(record)};
            struct store_version *given =
                bsearch(&wanted, versions, distinct, sizeof *versions, compare_versions);
            // In the submission's own memory: a commit that is refused is tried again with the same submissions.
            append_version(items[i]->arena, record, given->version - --given->count);
        }
    }
    return err_ok();
}

static struct bytes pack_batch(struct submission **items, size_t count, struct arena *arena)
{
    size_t record_count = 0;
    for (size_t i = 0; i < count; i++)
        record_count += items[i]->stored ? items[i]->record_count : 0;
    Orderclerk__V1__OutboxRecord **records =
        arena_new_array(arena, Orderclerk__V1__OutboxRecord *, record_count);
    size_t n = 0;
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; items[i]->stored && k < items[i]->record_count; k++)
            records[n++] = &items[i]->records[k];
    Orderclerk__V1__OutboxBatch batch = ORDERCLERK__V1__OUTBOX_BATCH__INIT;
    batch.records = records;
    batch.n_records = n;
    size_t size = orderclerk__v1__outbox_batch__get_packed_size(&batch);
    uint8_t *data = arena_alloc(arena, size);
    orderclerk__v1__outbox_batch__pack(&batch, data);
    return bytes_of(data, size);
}

struct err ingress_commit(struct pg *pg, struct held_slot *slot, int64_t published_no,
                          struct submission **items, size_t count, struct arena *arena,
                          struct bytes *ret_records, bool *ret_unknown)
{
    *ret_unknown = false;
    qsort(items, count, sizeof(struct submission *),
          compare_keys); // two instances can't wait for each other in a ring
    struct store_stored *stored = NULL;
    size_t stored_count = 0;
    struct err e = ingress_store_begin(pg, slot, published_no, items, count, arena, &stored, &stored_count);
    if (err_is(&e))
        return e;
    bool any = note_stored(items, count, stored, stored_count, arena) > 0;
    e = find_others(pg, items, count, arena);
    if (err_is(&e))
        return e;
    if (!any) // outbox rows have no gaps: nothing stored, no batch
        return pg_rollback(pg);
    for (size_t i = 0; i < count; i++)
        if (items[i]->stored && items[i]->suspect != NULL && !uuid_is_nil(items[i]->answer.look_alike))
            put_suspect(items[i]);
    e = give_versions(pg, items, count, arena);
    if (err_is(&e))
        return e;
    struct bytes records = pack_batch(items, count, arena);
    FAULT_POINT(ingress_before_commit);
    e = ingress_store_commit(pg, slot, records, arena);
    *ret_unknown = e.class == ERR_FENCED;
    if (err_is(&e))
        return e;
    FAULT_POINT(ingress_after_commit);
    slot->batch_no++;
    *ret_records = records;
    return err_ok();
}
