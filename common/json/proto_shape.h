// What reading and writing messages as JSON have in common. Internal to common/json.
#pragma once

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>

#define PROTO_NAME_MAX 64

enum proto_form {
    FORM_PLAIN,
    FORM_INSTANT, // *_us
    FORM_RATE,    // *_bp
    FORM_MONEY,   // OrderLine's *_minor, when the currency is known
};

// How a field looks in JSON, and its name there.
enum proto_form proto_form_of(const ProtobufCMessageDescriptor *descriptor,
                              const ProtobufCFieldDescriptor *field, bool currency_known,
                              char ret_name[static PROTO_NAME_MAX]);
// The field that a member's name stands for, or NULL.
const ProtobufCFieldDescriptor *proto_field_of(const ProtobufCMessageDescriptor *descriptor, const char *name,
                                               enum proto_form *ret_form);
size_t proto_item_size(const ProtobufCFieldDescriptor *field); // of one value
bool proto_is_empty(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field);
size_t proto_enum_prefix(const ProtobufCEnumDescriptor *descriptor); // "PAYMENT_KIND_": 13
