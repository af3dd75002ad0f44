// Names and forms of fields in JSON.
#include "json/proto_shape.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static bool ends_with(const char *text, const char *end)
{
    size_t size = strlen(text), tail = strlen(end);
    return size > tail && strcmp(text + size - tail, end) == 0;
}

static bool is_order_line(const ProtobufCMessageDescriptor *descriptor)
{
    return strcmp(descriptor->short_name, "OrderLine") == 0;
}

enum proto_form proto_form_of(const ProtobufCMessageDescriptor *descriptor,
                              const ProtobufCFieldDescriptor *field, bool currency_known,
                              char ret_name[static PROTO_NAME_MAX])
{
    size_t size = strlen(field->name);
    enum proto_form form = FORM_PLAIN;
    if (field->type == PROTOBUF_C_TYPE_INT64 && ends_with(field->name, "_us")) {
        form = FORM_INSTANT;
        size -= 3;
    } else if (field->type == PROTOBUF_C_TYPE_UINT32 && ends_with(field->name, "_bp")) {
        form = FORM_RATE;
        size -= 3;
    } else if (currency_known && is_order_line(descriptor) && ends_with(field->name, "_minor")) {
        form = FORM_MONEY;
        size -= 6;
    }
    assert(size < PROTO_NAME_MAX);
    memcpy(ret_name, field->name, size);
    ret_name[size] = '\0';
    return form;
}

const ProtobufCFieldDescriptor *proto_field_of(const ProtobufCMessageDescriptor *descriptor, const char *name,
                                               enum proto_form *ret_form)
{
    static const char *const endings[] = {"", "_us", "_bp", "_minor"};
    if (strlen(name) >= PROTO_NAME_MAX)
        return NULL;
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        char full[PROTO_NAME_MAX + 8], shown[PROTO_NAME_MAX];
        snprintf(full, sizeof full, "%s%s", name, endings[i]);
        const ProtobufCFieldDescriptor *field =
            protobuf_c_message_descriptor_get_field_by_name(descriptor, full);
        if (field == NULL)
            continue;
        *ret_form = proto_form_of(descriptor, field, true, shown);
        return strcmp(shown, name) == 0 ? field : NULL;
    }
    return NULL;
}

size_t proto_item_size(const ProtobufCFieldDescriptor *field)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_MESSAGE:
        return sizeof(void *);
    case PROTOBUF_C_TYPE_BYTES:
        return sizeof(ProtobufCBinaryData);
    case PROTOBUF_C_TYPE_BOOL:
        return sizeof(protobuf_c_boolean);
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return 8;
    case PROTOBUF_C_TYPE_ENUM:
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_FLOAT:
        break;
    }
    return 4;
}

bool proto_is_empty(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
    const char *base = (const char *)message;
    if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
        return *(const uint32_t *)(const void *)(base + field->quantifier_offset) != field->id;
    if (field->label == PROTOBUF_C_LABEL_REPEATED)
        return *(const size_t *)(const void *)(base + field->quantifier_offset) == 0;
    const void *at = base + field->offset;
    if (field->type == PROTOBUF_C_TYPE_STRING) {
        const char *text = *(char *const *)at;
        return text == NULL || text[0] == '\0';
    }
    if (field->type == PROTOBUF_C_TYPE_MESSAGE)
        return *(void *const *)at == NULL;
    if (field->type == PROTOBUF_C_TYPE_BYTES)
        return ((const ProtobufCBinaryData *)at)->len == 0;
    return proto_item_size(field) == 8 ? *(const uint64_t *)at == 0 : *(const uint32_t *)at == 0;
}

size_t proto_enum_prefix(const ProtobufCEnumDescriptor *descriptor)
{
    const ProtobufCEnumValue *first = protobuf_c_enum_descriptor_get_value(descriptor, 0);
    const char *word = first == NULL ? NULL : strstr(first->name, "UNSPECIFIED");
    return word == NULL ? 0 : (size_t)(word - first->name);
}
