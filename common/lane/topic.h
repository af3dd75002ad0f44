// The topics of proto/topics.def as C, and the fields that every message has.
#pragma once

#include "base/arena.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/uuid.h"

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stdint.h>

enum topic {
    TOPIC_NONE = 0,
#define TOPIC(NAME, number, topic, key, Message, message_name, MODE, CLEANUP, hours, writers, readers)       \
    TOPIC_##NAME = number,
#include "topics.def"
#undef TOPIC
};
#define TOPIC_MAX 32 // numbers are below this

enum topic_mode { TOPIC_SEQUENCED, TOPIC_BY_ID, TOPIC_VERSIONED };

struct topic_info {
    enum topic number;
    const char *name; // without prefix and version
    enum topic_mode mode;
    bool compacted;
    const char *writers; // service names, separated by blanks
    const char *readers;
    const ProtobufCMessageDescriptor *descriptor;
};

const struct topic_info *topic_info(enum topic topic); // aborts on a number that isn't a topic
const struct topic_info *topic_find(const char *name); // NULL: none
const struct topic_info *topic_at(size_t index);       // walks all; NULL after the last
bool topic_written_by(enum topic topic, const char *service);
// Whether a record of the topic may say that it is from this source. The writer "departments" stands for any program that isn't
// one of our services.
bool topic_accepts(enum topic topic, struct bytes source);

// The fields with the same tags in every message (1 to 8). Views into the record.
struct head {
    struct bytes event_id; // as text
    struct uuid id;        // event_id parsed; derived from it when it isn't a UUID (foreign writers)
    struct bytes key;      // order_id, or the record's key
    struct bytes source;
    uint64_t sequence;
    instant occurred_at;
    struct bytes causation_id;
    uint64_t saga_revision;
    bool again;
};

// Reads the common fields of any record without knowing its type. REJECT: not protobuf, event_id or key missing, or a text
// that isn't UTF-8 without NUL.
struct err head_read(struct bytes value, struct head *ret_head) ERR_MUST_CHECK;

// Encodes head's fields followed by message's own (whose common fields, but saga_revision, are left empty): protobuf
// takes fields in any order. saga_revision is the message's.
struct bytes head_write(struct arena *arena, const struct head *head, const ProtobufCMessage *message);

// The name of a text that isn't UTF-8, in the message or whatever is nested in it; NULL: all are. protobuf asks for UTF-8,
// protobuf-c doesn't look, and PostgreSQL takes nothing else.
const char *message_not_utf8(const ProtobufCMessage *message);

// The name of the set member of the message's oneof `body`, e.g. "orderclerk.v1.OrderEvent.registered" -> its ce_type
// "orderclerk.v1.OrderRegistered"; the message's own name where there is no oneof.
const char *message_type(const ProtobufCMessage *message);
