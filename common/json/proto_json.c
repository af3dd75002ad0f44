// Messages written as JSON.
#include "json/proto_json.h"

#include "base/money.h"
#include "json/proto_shape.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#define NO_CURRENCY (-1)

static const char *short_name(const ProtobufCEnumDescriptor *descriptor, const char *name)
{
    size_t prefix = proto_enum_prefix(descriptor);
    return strlen(name) > prefix ? name + prefix : name;
}

const char *proto_enum_name(const ProtobufCEnumDescriptor *descriptor, int value)
{
    const ProtobufCEnumValue *v = protobuf_c_enum_descriptor_get_value(descriptor, value);
    return v == NULL ? NULL : short_name(descriptor, v->name);
}

static void write_message(struct jsonw *w, const char *name, const ProtobufCMessage *message, int exponent);

static void write_integer(struct jsonw *w, const char *name, enum proto_form form, int64_t number,
                          int exponent)
{
    char text[MONEY_TEXT_SIZE];
    switch (form) {
    case FORM_INSTANT:
        jsonw_instant(w, name, number);
        break;
    case FORM_RATE:
        money_format(number, 2, text);
        while (strchr(text, '.') != NULL && strchr("0.", text[strlen(text) - 1]) != NULL) {
            bool point = text[strlen(text) - 1] == '.';
            text[strlen(text) - 1] = '\0';
            if (point)
                break;
        }
        jsonw_str(w, name, text);
        break;
    case FORM_MONEY:
        money_format(number, exponent, text);
        jsonw_str(w, name, text);
        break;
    case FORM_PLAIN:
        jsonw_int(w, name, number);
        break;
    }
}

static void write_bytes(struct jsonw *w, const char *name, const ProtobufCBinaryData *data)
{
    size_t size = sodium_base64_encoded_len(data->len, sodium_base64_VARIANT_ORIGINAL);
    char *text = arena_alloc(w->arena, size);
    sodium_bin2base64(text, size, data->data, data->len, sodium_base64_VARIANT_ORIGINAL);
    jsonw_str(w, name, text);
}

static void write_value(struct jsonw *w, const char *name, const ProtobufCFieldDescriptor *field,
                        enum proto_form form, const void *at, int exponent)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_STRING:
        jsonw_str(w, name, *(char *const *)at);
        break;
    case PROTOBUF_C_TYPE_BYTES:
        write_bytes(w, name, at);
        break;
    case PROTOBUF_C_TYPE_BOOL:
        jsonw_bool(w, name, *(const protobuf_c_boolean *)at);
        break;
    case PROTOBUF_C_TYPE_ENUM: {
        const char *text = proto_enum_name(field->descriptor, *(const int *)at);
        if (text != NULL)
            jsonw_str(w, name, text);
        else
            jsonw_int(w, name, *(const int *)at);
        break;
    }
    case PROTOBUF_C_TYPE_MESSAGE:
        write_message(w, name, *(ProtobufCMessage *const *)at, exponent);
        break;
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
        write_integer(w, name, form, *(const int64_t *)at, exponent);
        break;
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        jsonw_uint(w, name, *(const uint64_t *)at);
        break;
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
        write_integer(w, name, form, *(const uint32_t *)at, exponent);
        break;
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
        write_integer(w, name, form, *(const int32_t *)at, exponent);
        break;
    case PROTOBUF_C_TYPE_FLOAT:
    case PROTOBUF_C_TYPE_DOUBLE:
        break; // no message has them: nothing here is a fraction
    }
}

static void write_field(struct jsonw *w, const ProtobufCMessage *message,
                        const ProtobufCFieldDescriptor *field, int exponent)
{
    const char *at = (const char *)message + field->offset;
    char name[PROTO_NAME_MAX];
    enum proto_form form = proto_form_of(message->descriptor, field, exponent >= 0, name);
    if (field->label == PROTOBUF_C_LABEL_REPEATED) {
        size_t count = *(const size_t *)(const void *)((const char *)message + field->quantifier_offset);
        if (count == 0)
            return;
        const char *items = *(char *const *)(const void *)at;
        size_t size = proto_item_size(field);
        jsonw_begin_array(w, name);
        for (size_t i = 0; i < count; i++)
            write_value(w, NULL, field, form, items + i * size, exponent);
        jsonw_end_array(w);
    } else if (!proto_is_empty(message, field)) {
        if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
            jsonw_str(w, "type", field->name);
        write_value(w, name, field, form, at, exponent);
    }
}

// The currency that a message names is its parts' too.
static int exponent_within(const ProtobufCMessage *message, int exponent)
{
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field_by_name(message->descriptor, "currency");
    if (field == NULL || field->type != PROTOBUF_C_TYPE_STRING || proto_is_empty(message, field))
        return exponent;
    return money_exponent(*(char *const *)(const void *)((const char *)message + field->offset));
}

static void write_members(struct jsonw *w, const ProtobufCMessage *message, int exponent)
{
    exponent = exponent_within(message, exponent);
    for (unsigned i = 0; i < message->descriptor->n_fields; i++)
        write_field(w, message, &message->descriptor->fields[i], exponent);
}

static void write_message(struct jsonw *w, const char *name, const ProtobufCMessage *message, int exponent)
{
    jsonw_begin_object(w, name);
    write_members(w, message, exponent);
    jsonw_end_object(w);
}

void proto_json_write(struct jsonw *w, const char *name, const ProtobufCMessage *message)
{
    write_message(w, name, message, NO_CURRENCY);
}

void proto_json_write_members(struct jsonw *w, const ProtobufCMessage *message)
{
    write_members(w, message, NO_CURRENCY);
}
