// Messages of proto/ as JSON and back, by their descriptors: one shape for every API.
//
// Members have the fields' names (snake_case) and come in the fields' order. What differs from protobuf:
//   *_us         instants: RFC 3339 text, named without "_us" (occurred_at_us -> "occurred_at")
//   *_bp         rates: per cent as text, named without "_bp" (tax_rate_bp 1350 -> "tax_rate":"13.5")
//   OrderLine's unit_price_minor and discount_minor: decimal text in the currency of the order around it, named without
//                "_minor" ("unit_price":"12.50"); every other *_minor is an integer of minor units under its own name
//   enums        by short name: PAYMENT_KIND_NET -> "NET"
//   oneof        "type" names the set member, which follows under that name
//   bytes        base64 (RFC 4648 §4)
// Fields that are empty or zero are left out. Integers are JSON integers, also above 2^53.
#pragma once

#include "json/jsonr.h"
#include "json/jsonw.h"

#include <protobuf-c/protobuf-c.h>

void proto_json_write(struct jsonw *w, const char *name, const ProtobufCMessage *message);
// The members only, into the open object.
void proto_json_write_members(struct jsonw *w, const ProtobufCMessage *message);

enum {
    PROTO_REQUIRED = 1, // not absent, empty or zero
    PROTO_REFUSED = 2,  // not for clients: treated as unknown
    PROTO_POSITIVE = 4, // at least 1 when given
    PROTO_DATE = 8,     // YYYY-MM-DD; fields named *date are dates without being told
    PROTO_LINES = 16,   // text may have line breaks and tabs
};

// What is asked of a field beyond its type. A set's rules for one message stand together.
struct proto_rule {
    const char *message; // short name: "OrderLine"
    const char *field;   // protobuf name
    unsigned flags;
    int64_t
        max; // text: bytes (0: PROTO_TEXT_MAX); integers: value (0: the type's); rates: basis points (0: 10000)
    size_t items; // repeated fields (0: PROTO_ITEMS_MAX)
};
#define PROTO_TEXT_MAX  500
#define PROTO_ITEMS_MAX 100

struct proto_reader {
    struct arena *arena; // for the message
    struct jsonr_problems *problems;
    const struct proto_rule *rules;
    size_t rule_count;
    int exponent; // of OrderLine's money; -1: unknown, such texts are not judged
    // Values come from a table (CSV): numbers and booleans are written as text; lists as "a;b", lists of small messages as
    // "BOX:12;PALLET:480" in the order of their fields.
    bool from_text;
    bool int64_text; // 64-bit integers may be text as well: protobuf's own JSON writes them so
};

// Reads an object; members named in `besides` (NULL-terminated, or NULL) are not its own. The common fields of messages on
// topics are refused like unknown members. What is wrong is added to the problems; the message is then not to be used.
// path: the object's own, "" at the top.
ProtobufCMessage *proto_json_read(const struct proto_reader *reader, const struct jsonr_value *object,
                                  const char *path, const ProtobufCMessageDescriptor *descriptor,
                                  const char *const *besides);

// Whether an object of this message may have a member of this name.
bool proto_json_knows(const ProtobufCMessageDescriptor *descriptor, const char *name);

// The value of an enum by its short name. False: none.
bool proto_enum_parse(const ProtobufCEnumDescriptor *descriptor, struct bytes text, int *ret_value);
const char *proto_enum_name(const ProtobufCEnumDescriptor *descriptor, int value); // short; NULL: unknown
