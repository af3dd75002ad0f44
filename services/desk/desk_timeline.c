// The timeline's records, packed by batch and unpacked for who asks.
#include "desk/desk_timeline.h"

#include "desk/desk_store.h"
#include "orderclerk/v1/order_events.pb-c.h"
#include "orderclerk/v1/timeline.pb-c.h"
#include "json/proto_json.h"

#include <stdlib.h>
#include <string.h>

#define ROOM_LEAST 1024 // bytes; a record has a few hundred

// ---- keeping

void desk_timeline_want(struct batch *batch, struct uuid order_id)
{
    batch_assume_none(batch, &timeline_part_table, TIMELINE_PART_ORDER, value_uuid(order_id));
}

// In place while there is room: a refused input takes the size back, and what lies behind it counts for nothing.
static void append(struct arena *arena, struct timeline_part_row *row, const struct input *in)
{
    Orderclerk__V1__TimelineRecord record = ORDERCLERK__V1__TIMELINE_RECORD__INIT;
    record.partition = in->partition;
    record.offset = in->offset;
    record.value = (ProtobufCBinaryData){.data = (uint8_t *)(uintptr_t)in->value.data, .len = in->value.size};
    Orderclerk__V1__TimelineRecord *records[] = {&record};
    Orderclerk__V1__TimelinePart one = ORDERCLERK__V1__TIMELINE_PART__INIT;
    one.records = records;
    one.n_records = 1;
    size_t size = orderclerk__v1__timeline_part__get_packed_size(&one);
    if (row->room_size - row->part.size < size) {
        row->room_size = 2 * (row->part.size + size);
        if (row->room_size < ROOM_LEAST)
            row->room_size = ROOM_LEAST;
        uint8_t *room = arena_alloc(arena, row->room_size);
        if (row->part.size > 0)
            memcpy(room, row->part.data, row->part.size);
        row->room = room;
    }
    orderclerk__v1__timeline_part__pack(&one, row->room + row->part.size);
    row->part = bytes_of(row->room, row->part.size + size);
    row->last = (int64_t)in->head.sequence;
    row->records++;
}

struct err desk_timeline_add(struct batch *batch, const struct input *in)
{
    struct timeline_part_row fresh = {.topic = (int32_t)in->topic, .sequence = (int64_t)in->head.sequence};
    if (!uuid_parse(in->key, &fresh.order_id))
        return err_make(ERR_REJECT, "order_id: must be a UUID");
    struct timeline_part_row *row = NULL;
    do {
        row = batch_next(batch, &timeline_part_table, TIMELINE_PART_ORDER, value_uuid(fresh.order_id), row);
    } while (row != NULL && row->topic != fresh.topic);
    if (row == NULL)
        row = batch_put(batch, &timeline_part_table, &fresh);
    batch_touch(batch, row);
    append(batch_arena(batch), row, in);
    return err_ok();
}

// ---- showing

struct entry {
    const struct topic_info *topic;
    const Orderclerk__V1__TimelineRecord *record;
    const ProtobufCMessage *message;
    struct head head;
};

static int entry_order(const void *x, const void *y)
{
    const struct entry *a = x;
    const struct entry *b = y;
    if (a->head.occurred_at != b->head.occurred_at)
        return a->head.occurred_at < b->head.occurred_at ? -1 : 1;
    if (a->topic->number != b->topic->number)
        return a->topic->number < b->topic->number ? -1 : 1;
    return (a->head.sequence > b->head.sequence) - (a->head.sequence < b->head.sequence);
}

static const char *short_name(const char *type)
{
    const char *dot = strrchr(type, '.');
    return dot == NULL ? type : dot + 1;
}

static void write_text(struct jsonw *w, const char *name, const char *text)
{
    if (text[0] != '\0')
        jsonw_str(w, name, text);
}

static void write_transition(struct jsonw *w, const Orderclerk__V1__Transition *t)
{
    write_text(w, "from_state", t->from_state);
    write_text(w, "to_state", t->to_state);
    write_text(w, "saga_event", t->event);
    write_text(w, "cause_topic", t->cause_topic);
    if (t->rule_id != 0)
        jsonw_int(w, "rule", t->rule_id);
    if (t->cause_topic[0] == '\0')
        return;
    jsonw_int(w, "cause_partition", t->cause_partition);
    jsonw_int(w, "cause_offset", t->cause_offset);
}

static void write_departments(struct jsonw *w, const Orderclerk__V1__OrderEvent *event, struct arena *arena)
{
    char *text = arena_str(arena, bytes_str(""));
    for (size_t i = 0; i < event->n_departments; i++)
        text = arena_printf(arena, "%s%s%s", text, i > 0 ? " " : "", event->departments[i]);
    write_text(w, "departments", text);
}

static void write_entry(struct jsonw *w, const struct entry *e, struct arena *arena)
{
    jsonw_begin_object(w, NULL);
    jsonw_instant(w, "at", e->head.occurred_at);
    jsonw_str(w, "topic", e->topic->name);
    jsonw_int(w, "sequence", (int64_t)e->head.sequence);
    jsonw_int(w, "partition", e->record->partition);
    jsonw_int(w, "offset", e->record->offset);
    jsonw_str(w, "kind", short_name(message_type(e->message)));
    jsonw_bytes(w, "source", e->head.source);
    jsonw_bytes(w, "event_id", e->head.event_id);
    if (e->head.causation_id.size > 0)
        jsonw_bytes(w, "causation_id", e->head.causation_id);
    if (e->topic->number == TOPIC_ORDER_EVENTS) {
        const Orderclerk__V1__OrderEvent *event = (const void *)e->message;
        if (event->transition != NULL)
            write_transition(w, event->transition);
        write_departments(w, event, arena);
    }
    proto_json_write(w, "message", e->message);
    jsonw_end_object(w);
}

static bool read_entry(struct entry *ret, const struct topic_info *topic,
                       const Orderclerk__V1__TimelineRecord *record, struct arena *arena)
{
    struct entry e = {.topic = topic, .record = record};
    struct err error = head_read(bytes_of(record->value.data, record->value.len), &e.head);
    if (err_is(&error))
        return false;
    e.message = protobuf_c_message_unpack(topic->descriptor, arena_protobuf(arena), record->value.len,
                                          record->value.data);
    *ret = e;
    return e.message != NULL;
}

void desk_timeline_write(struct jsonw *w, struct arena *arena, const enum topic *topics,
                         const struct bytes *parts, size_t count)
{
    Orderclerk__V1__TimelinePart **opened = arena_new_array(arena, Orderclerk__V1__TimelinePart *, count);
    size_t most = 0;
    for (size_t i = 0; i < count; i++) {
        opened[i] =
            orderclerk__v1__timeline_part__unpack(arena_protobuf(arena), parts[i].size, parts[i].data);
        most += opened[i] != NULL ? opened[i]->n_records : 0;
    }
    struct entry *entries = arena_new_array(arena, struct entry, most);
    size_t found = 0;
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; opened[i] != NULL && j < opened[i]->n_records; j++)
            found += read_entry(&entries[found], topic_info(topics[i]), opened[i]->records[j], arena);
    }
    if (found > 1)
        qsort(entries, found, sizeof *entries, entry_order);
    for (size_t i = 0; i < found; i++)
        write_entry(w, &entries[i], arena);
}
