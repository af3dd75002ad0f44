// The table made from topics.def, and the wire format of the fields that every message has.
#include "lane/topic.h"

#include "orderclerk/v1/commands.pb-c.h"
#include "orderclerk/v1/control.pb-c.h"
#include "orderclerk/v1/dead_letters.pb-c.h"
#include "orderclerk/v1/department_replies.pb-c.h"
#include "orderclerk/v1/inventory_events.pb-c.h"
#include "orderclerk/v1/notification_events.pb-c.h"
#include "orderclerk/v1/order_events.pb-c.h"
#include "orderclerk/v1/order_state.pb-c.h"
#include "orderclerk/v1/orders.pb-c.h"
#include "orderclerk/v1/reference.pb-c.h"
#include "orderclerk/v1/shipment_events.pb-c.h"
#include "orderclerk/v1/stock.pb-c.h"
#include "orderclerk/v1/validation_events.pb-c.h"
#include "orderclerk/v1/warehouse_replies.pb-c.h"

#include <assert.h>
#include <string.h>

#define IS_COMPACT true
#define IS_DELETE  false

static const struct topic_info topics[] = {
#define TOPIC(NAME, num, topic, key, Message, message_name, MODE, CLEANUP, hours, from, to)                  \
    {.number = TOPIC_##NAME,                                                                                 \
     .name = topic,                                                                                          \
     .mode = TOPIC_##MODE,                                                                                   \
     .compacted = IS_##CLEANUP,                                                                              \
     .writers = from,                                                                                        \
     .readers = to,                                                                                          \
     .descriptor = &orderclerk__v1__##message_name##__descriptor},
#include "topics.def"
#undef TOPIC
};
#define TOPIC_COUNT (sizeof topics / sizeof topics[0])

const struct topic_info *topic_at(size_t index)
{
    return index < TOPIC_COUNT ? &topics[index] : NULL;
}

const struct topic_info *topic_info(enum topic topic)
{
    // Numbers run from 1 without holes today; the walk is for the day when one is retired.
    size_t guess = (size_t)topic - 1;
    if (guess < TOPIC_COUNT && topics[guess].number == topic)
        return &topics[guess];
    for (size_t i = 0; i < TOPIC_COUNT; i++) {
        if (topics[i].number == topic)
            return &topics[i];
    }
    assert(false && "a topic of topics.def");
    return NULL;
}

const struct topic_info *topic_find(const char *name)
{
    for (size_t i = 0; i < TOPIC_COUNT; i++) {
        if (strcmp(topics[i].name, name) == 0)
            return &topics[i];
    }
    return NULL;
}

static bool is_writer(const struct topic_info *info, struct bytes name)
{
    for (const char *at = info->writers; *at != '\0';) {
        size_t word = strcspn(at, " ");
        if (bytes_equal(bytes_of(at, word), name))
            return true;
        at += word;
        at += strspn(at, " ");
    }
    return false;
}

bool topic_written_by(enum topic topic, const char *service)
{
    return is_writer(topic_info(topic), bytes_str(service));
}

bool topic_accepts(enum topic topic, struct bytes source)
{
    const struct topic_info *info = topic_info(topic);
    if (is_writer(info, source))
        return true;
    if (!is_writer(info, bytes_str("departments")))
        return false;
    // Every service of ours writes to `control`.
    return !is_writer(topic_info(TOPIC_CONTROL), source);
}

// ---- wire format (protobuf encoding: varint, length-delimited; fixed 32 and 64 are skipped)

enum wire { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };

struct reader {
    const uint8_t *at;
    const uint8_t *end;
};

static bool read_long_varint(struct reader *r, uint64_t *ret)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        if (r->at == r->end)
            return false;
        uint8_t byte = *r->at++;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0) {
            *ret = value;
            return true;
        }
    }
    return false;
}

static inline bool read_varint(struct reader *r, uint64_t *ret)
{
    if (r->at == r->end || *r->at >= 0x80)
        return read_long_varint(r, ret);
    *ret = *r->at++; // most are one byte
    return true;
}

static bool read_bytes(struct reader *r, struct bytes *ret)
{
    uint64_t size;
    if (!read_varint(r, &size) || size > (uint64_t)(r->end - r->at))
        return false;
    *ret = bytes_of(r->at, (size_t)size);
    r->at += size;
    return true;
}

static bool skip(struct reader *r, uint64_t wire)
{
    struct bytes ignored;
    uint64_t number;
    size_t fixed = wire == WIRE_FIXED64 ? 8 : 4;
    switch (wire) {
    case WIRE_VARINT:
        return read_varint(r, &number);
    case WIRE_BYTES:
        return read_bytes(r, &ignored);
    case WIRE_FIXED64:
    case WIRE_FIXED32:
        if ((size_t)(r->end - r->at) < fixed)
            return false;
        r->at += fixed;
        return true;
    default:
        return false;
    }
}

static bool read_field(struct reader *r, struct head *head)
{
    uint64_t tag;
    if (!read_varint(r, &tag))
        return false;
    struct bytes *text = NULL;
    uint64_t number;
    switch (tag) {
    case 1 << 3 | WIRE_BYTES:
        text = &head->event_id;
        break;
    case 2 << 3 | WIRE_BYTES:
        text = &head->key;
        break;
    case 3 << 3 | WIRE_BYTES:
        text = &head->source;
        break;
    case 6 << 3 | WIRE_BYTES:
        text = &head->causation_id;
        break;
    case 4 << 3 | WIRE_VARINT:
        return read_varint(r, &head->sequence);
    case 5 << 3 | WIRE_VARINT:
        if (!read_varint(r, &number))
            return false;
        head->occurred_at = (instant)number;
        return true;
    case 7 << 3 | WIRE_VARINT:
        return read_varint(r, &head->saga_revision);
    case 8 << 3 | WIRE_VARINT:
        if (!read_varint(r, &number))
            return false;
        head->again = number != 0;
        return true;
    default:
        return (tag >> 3) != 0 && skip(r, tag & 7);
    }
    return read_bytes(r, text);
}

struct err head_read(struct bytes value, struct head *ret_head)
{
    struct head head = {.sequence = 0};
    struct reader r = {.at = value.data, .end = (const uint8_t *)value.data + value.size};
    if (value.data == NULL)
        return err_make(ERR_REJECT, "UNDECODABLE: the record has no value");
    while (r.at < r.end) {
        if (!read_field(&r, &head)) {
            return err_make(ERR_REJECT, "UNDECODABLE: not a protobuf message, at byte %zu of %zu",
                            (size_t)(r.at - (const uint8_t *)value.data), value.size);
        }
    }
    if (head.event_id.size == 0)
        return err_make(ERR_REJECT, "UNDECODABLE: event_id (field 1) is missing");
    if (head.key.size == 0)
        return err_make(ERR_REJECT, "UNDECODABLE: order_id (field 2) is missing");
    const struct bytes texts[] = {head.event_id, head.key, head.source, head.causation_id};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (texts[i].size > 0 && !bytes_is_utf8(texts[i]))
            return err_make(ERR_REJECT, "UNDECODABLE: a common field (1, 2, 3 or 6) isn't UTF-8 without NUL");
    if (!uuid_parse(head.event_id, &head.id))
        head.id = uuid_from_name("foreign-event", head.event_id);
    *ret_head = head;
    return err_ok();
}

// ---- texts

static const char *value_not_utf8(const ProtobufCFieldDescriptor *field, const void *at)
{
    const void *value;
    memcpy(&value, at, sizeof value); // a string or a message: pointers both
    if (value == NULL)
        return NULL;
    if (field->type == PROTOBUF_C_TYPE_MESSAGE)
        return message_not_utf8(value);
    if (*(const char *)value == '\0')
        return NULL;
    return bytes_is_utf8(bytes_str(value)) ? NULL : field->name;
}

static const char *field_not_utf8(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
    if (field->type != PROTOBUF_C_TYPE_STRING && field->type != PROTOBUF_C_TYPE_MESSAGE)
        return NULL;
    const char *base = (const char *)message;
    size_t count = 1;
    const char *values = base + field->offset;
    if (field->label == PROTOBUF_C_LABEL_REPEATED) {
        memcpy(&count, base + field->quantifier_offset, sizeof count);
        memcpy(&values, base + field->offset, sizeof values);
    }
    const char *name = NULL;
    for (size_t i = 0; i < count && name == NULL; i++)
        name = value_not_utf8(field, values + i * sizeof(void *));
    return name;
}

// The set member of the oneof that this field is a member of; NULL: none.
static const ProtobufCFieldDescriptor *member_set(const ProtobufCMessage *message,
                                                  const ProtobufCFieldDescriptor *field)
{
    uint32_t which;
    memcpy(&which, (const char *)message + field->quantifier_offset, sizeof which);
    return which == 0 ? NULL : protobuf_c_message_descriptor_get_field(message->descriptor, which);
}

const char *message_not_utf8(const ProtobufCMessage *message)
{
    const char *name = NULL;
    unsigned oneof = 0; // where the last oneof keeps which member is set: its members are one after another
    for (unsigned i = 0; i < message->descriptor->n_fields && name == NULL; i++) {
        const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];
        if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) {
            if (field->quantifier_offset == oneof)
                continue;
            oneof = field->quantifier_offset;
            field = member_set(message, field);
        }
        if (field != NULL)
            name = field_not_utf8(message, field);
    }
    return name;
}

// ---- writing

#define HEAD_FIXED_MAX 64 // tags and varints of the eight fields

static uint8_t *put_varint(uint8_t *at, uint64_t value)
{
    while (value >= 0x80) {
        *at++ = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    *at++ = (uint8_t)value;
    return at;
}

static uint8_t *put_text(uint8_t *at, uint8_t tag, struct bytes text)
{
    if (text.size == 0)
        return at;
    *at++ = (uint8_t)(tag << 3 | WIRE_BYTES);
    at = put_varint(at, text.size);
    memcpy(at, text.data, text.size);
    return at + text.size;
}

static uint8_t *put_number(uint8_t *at, uint8_t tag, uint64_t number)
{
    if (number == 0)
        return at;
    *at++ = (uint8_t)(tag << 3 | WIRE_VARINT);
    return put_varint(at, number);
}

struct bytes head_write(struct arena *arena, const struct head *head, const ProtobufCMessage *message)
{
    size_t body = protobuf_c_message_get_packed_size(message);
    size_t texts = head->event_id.size + head->key.size + head->source.size + head->causation_id.size;
    uint8_t *start = arena_alloc(arena, HEAD_FIXED_MAX + texts + body);
    uint8_t *at = put_text(start, 1, head->event_id);
    at = put_text(at, 2, head->key);
    at = put_text(at, 3, head->source);
    at = put_number(at, 4, head->sequence);
    at = put_number(at, 5, (uint64_t)head->occurred_at);
    at = put_text(at, 6, head->causation_id);
    at = put_number(at, 8, head->again ? 1 : 0);
    at += protobuf_c_message_pack(message, at);
    return bytes_of(start, (size_t)(at - start));
}

const char *message_type(const ProtobufCMessage *message)
{
    const ProtobufCMessageDescriptor *d = message->descriptor;
    for (unsigned i = 0; i < d->n_fields; i++) {
        const ProtobufCFieldDescriptor *f = &d->fields[i];
        if ((f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) == 0)
            continue;
        const ProtobufCFieldDescriptor *set = member_set(message, f);
        if (set != NULL && set->type == PROTOBUF_C_TYPE_MESSAGE)
            return ((const ProtobufCMessageDescriptor *)set->descriptor)->name;
    }
    return d->name;
}
