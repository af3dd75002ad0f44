// Choices and messages made of an input's bytes.
#include "fuzz/fuzz.h"

#include "json/proto_shape.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 6 // of nested messages: an order in a request in a state has 5
#define LIST_MAX  4

_Noreturn void fuzz_fail(const char *file, int line, const char *condition)
{
    fprintf(stderr, "%s:%d: doesn't hold: %s\n", file, line, condition);
    abort();
}

uint8_t fuzz_byte(struct fuzz_source *source)
{
    return fuzz_more(source) ? *source->at++ : 0;
}

uint32_t fuzz_below(struct fuzz_source *source, uint32_t bound)
{
    uint32_t value = fuzz_byte(source);
    for (int i = 0; bound > 256 && i < 3; i++)
        value = value << 8 | fuzz_byte(source);
    return value % bound;
}

static int64_t any_number(struct fuzz_source *source)
{
    static const int64_t edges[] = {
        0,         1,         -1,        INT32_MAX, INT32_MIN,     UINT32_MAX,
        INT64_MAX, INT64_MIN, 1LL << 53, 10000,     4000000000000, -4000000000000};
    const uint8_t kind = fuzz_byte(source);
    if (kind < 160)
        return kind % 20;
    if (kind < 200)
        return edges[kind % (sizeof edges / sizeof edges[0])];
    uint64_t value = 0;
    for (int i = 0; i < (kind < 230 ? 2 : 8); i++)
        value = value << 8 | fuzz_byte(source);
    return (int64_t)value;
}

int64_t fuzz_number(struct fuzz_source *source)
{
    const int64_t number = any_number(source);
    return source->limit > 0 ? number % source->limit : number;
}

struct bytes fuzz_piece(struct fuzz_source *source, struct arena *arena, size_t most)
{
    size_t size = fuzz_byte(source);
    if (size >= 224) // now and then a long one
        size = (size - 223) * 256;
    const size_t left = (size_t)(source->end - source->at);
    size = size > most ? most : size;
    size = size > left ? left : size;
    char *text = arena_str(arena, bytes_of(size == 0 ? (const uint8_t *)"" : source->at, size));
    source->at += size;
    return bytes_of(text, size);
}

char *fuzz_string(struct fuzz_source *source, struct arena *arena, size_t most)
{
    const struct bytes piece = fuzz_piece(source, arena, most);
    return arena_str(arena, bytes_of(piece.data, strnlen(piece.data, piece.size)));
}

struct bytes fuzz_rest(struct fuzz_source *source)
{
    const struct bytes rest = bytes_of(source->at, (size_t)(source->end - source->at));
    source->at = source->end;
    return rest;
}

// ---- messages

struct maker {
    struct fuzz_source *source;
    struct arena *arena;
    const char *const *words;
    unsigned depth;
};

static char *make_text(const struct maker *m)
{
    size_t count = 0;
    while (m->words[count] != NULL)
        count++;
    const uint8_t kind = fuzz_byte(m->source);
    if (kind < 240 && count > 0)
        return (char *)(uintptr_t)m->words[kind % count];
    return fuzz_string(m->source, m->arena, 40);
}

static ProtobufCMessage *make_message(const struct maker *m, const ProtobufCMessageDescriptor *descriptor);

static int make_enum(const struct maker *m, const ProtobufCEnumDescriptor *descriptor)
{
    const uint8_t kind = fuzz_byte(m->source);
    if (kind >= 250)
        return (int)fuzz_number(m->source); // of a newer version
    return descriptor->values[kind % descriptor->n_values].value;
}

static void make_value(const struct maker *m, const ProtobufCFieldDescriptor *field, void *slot)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_STRING: {
        char *text = make_text(m);
        memcpy(slot, &text, sizeof text);
        return;
    }
    case PROTOBUF_C_TYPE_BYTES: {
        const struct bytes piece = fuzz_piece(m->source, m->arena, 40);
        ProtobufCBinaryData data = {.len = piece.size, .data = (uint8_t *)(uintptr_t)piece.data};
        memcpy(slot, &data, sizeof data);
        return;
    }
    case PROTOBUF_C_TYPE_MESSAGE: {
        ProtobufCMessage *message = make_message(m, field->descriptor);
        memcpy(slot, &message, sizeof message);
        return;
    }
    case PROTOBUF_C_TYPE_BOOL: {
        const protobuf_c_boolean truth = fuzz_byte(m->source) & 1;
        memcpy(slot, &truth, sizeof truth);
        return;
    }
    case PROTOBUF_C_TYPE_ENUM: {
        const int value = make_enum(m, field->descriptor);
        memcpy(slot, &value, sizeof value);
        return;
    }
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_FLOAT: {
        const uint32_t number = (uint32_t)fuzz_number(m->source);
        memcpy(slot, &number, sizeof number);
        return;
    }
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE: {
        const int64_t number = fuzz_number(m->source);
        memcpy(slot, &number, sizeof number);
        return;
    }
    }
}

static void make_list(const struct maker *m, const ProtobufCFieldDescriptor *field, ProtobufCMessage *message)
{
    const size_t count = fuzz_below(m->source, LIST_MAX);
    const size_t size = proto_item_size(field);
    char *items = arena_alloc_array(m->arena, count, size);
    for (size_t i = 0; i < count; i++)
        make_value(m, field, items + i * size);
    memcpy((char *)message + field->offset, &items, sizeof items);
    memcpy((char *)message + field->quantifier_offset, &count, sizeof count);
}

// The members of a oneof share their memory; one is chosen among all, the first time that one is met.
static bool is_chosen(const struct maker *m, const ProtobufCMessageDescriptor *descriptor, unsigned index,
                      unsigned *chosen)
{
    if (*chosen == UINT32_MAX) {
        unsigned members = 0;
        for (unsigned i = index; i < descriptor->n_fields; i++)
            members += (descriptor->fields[i].flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0;
        const uint8_t kind = fuzz_byte(m->source);
        unsigned nth = kind >= 252 || members == 0 ? members : kind % members; // rarely none
        for (*chosen = index; *chosen < descriptor->n_fields; ++*chosen)
            if ((descriptor->fields[*chosen].flags & PROTOBUF_C_FIELD_FLAG_ONEOF) && nth-- == 0)
                break;
    }
    return *chosen == index;
}

static ProtobufCMessage *make_message(const struct maker *m, const ProtobufCMessageDescriptor *descriptor)
{
    struct maker inner = *m;
    inner.depth++;
    ProtobufCMessage *message = arena_alloc(m->arena, descriptor->sizeof_message);
    protobuf_c_message_init(descriptor, message);
    unsigned chosen = UINT32_MAX;
    for (unsigned i = 0; i < descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &descriptor->fields[i];
        if (field->type == PROTOBUF_C_TYPE_MESSAGE && inner.depth > DEPTH_MAX)
            continue;
        if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) {
            if (!is_chosen(&inner, descriptor, i, &chosen))
                continue;
            const uint32_t which = field->id;
            memcpy((char *)message + field->quantifier_offset, &which, sizeof which);
            make_value(&inner, field, (char *)message + field->offset);
        } else if (field->label == PROTOBUF_C_LABEL_REPEATED) {
            make_list(&inner, field, message);
        } else if (fuzz_byte(m->source) % 4 != 3) {
            make_value(&inner, field, (char *)message + field->offset);
        }
    }
    return message;
}

ProtobufCMessage *fuzz_message(struct fuzz_source *source, struct arena *arena,
                               const ProtobufCMessageDescriptor *descriptor, const char *const *words)
{
    const struct maker maker = {.source = source, .arena = arena, .words = words};
    return make_message(&maker, descriptor);
}

struct bytes fuzz_pack(struct arena *arena, const ProtobufCMessage *message)
{
    const size_t size = protobuf_c_message_get_packed_size(message);
    uint8_t *packed = arena_alloc(arena, size);
    protobuf_c_message_pack(message, packed);
    return bytes_of(packed, size);
}
