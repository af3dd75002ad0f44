// Messages read from JSON objects, or from the texts of a table's row.
#include "base/money.h"
#include "json/proto_json.h"
#include "json/proto_shape.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATH_MAX_BYTES 256
#define RATE_MAX       10000 // 100 %
#define COMMON_FIELDS  8     // tags of the fields that every message on a topic has

// Where a value is; written out only when something is wrong with it.
struct path {
    const struct path *up;
    const char *text; // member, or the whole path at the top
    size_t index;     // SIZE_MAX: no item
};

struct at {
    const struct proto_reader *reader;
    struct path path;
    const ProtobufCFieldDescriptor *field;
    const struct proto_rule *rule; // never NULL
    enum proto_form form;
};

static size_t path_write(const struct path *path, char *text, size_t size)
{
    size_t used = path->up != NULL ? path_write(path->up, text, size) : 0;
    const char *dot = used > 0 && path->text[0] != '\0' ? "." : "";
    int more = path->index == SIZE_MAX
                   ? snprintf(text + used, size - used, "%s%s", dot, path->text)
                   : snprintf(text + used, size - used, "%s%s[%zu]", dot, path->text, path->index);
    size_t total = used + (size_t)more;
    return total < size ? total : size - 1;
}

static void wrong(const struct at *at, const char *code, const char *remedy, const char *detail)
{
    char path[PATH_MAX_BYTES];
    path_write(&at->path, path, sizeof path);
    jsonr_problem(at->reader->problems, code, path, remedy, "%s", detail);
}

static void wrong_type(const struct at *at, const char *remedy, const struct jsonr_value *value)
{
    wrong(at, "type", remedy,
          arena_printf(at->reader->problems->arena, "is %s", jsonr_type_name(jsonr_type_of(value))));
}

static const char *show(const struct at *at, const char *format, struct bytes text)
{
    int size = text.size > 60 ? 60 : (int)text.size;
    while (size > 0 && text.size > (size_t)size && (((const uint8_t *)text.data)[size] & 0xC0) == 0x80)
        size--; // not within a character
    return arena_printf(at->reader->problems->arena, "%s: \"%.*s\"", format, size, (const char *)text.data);
}

static bool text_is(const struct at *at, const struct jsonr_value *value, const char *remedy,
                    struct bytes *ret_text)
{
    if (jsonr_type_of(value) != JSONR_TEXT) {
        wrong_type(at, remedy, value);
        return false;
    }
    *ret_text = jsonr_text(value);
    return true;
}

// ---- numbers

static bool integer_of_text(struct bytes text, int64_t *ret_number)
{
    char digits[24];
    if (text.size == 0 || text.size >= sizeof digits)
        return false;
    memcpy(digits, text.data, text.size);
    digits[text.size] = '\0';
    if (digits[strspn(digits, "-0123456789")] != '\0')
        return false;
    char *end = NULL;
    errno = 0;
    *ret_number = strtoll(digits, &end, 10);
    return errno == 0 && *end == '\0' && end != digits;
}

static bool read_number(const struct at *at, const struct jsonr_value *value, int64_t type_max,
                        int64_t *ret_number)
{
    enum jsonr_type type = jsonr_type_of(value);
    int64_t number = 0;
    if (type == JSONR_INTEGER)
        number = jsonr_integer(value);
    else if (!((at->reader->from_text || (at->reader->int64_text && type_max == INT64_MAX)) &&
               type == JSONR_TEXT && integer_of_text(jsonr_text(value), &number))) {
        wrong_type(at, "send a whole number", value);
        return false;
    }
    int64_t min = at->rule->flags & PROTO_POSITIVE ? 1 : 0;
    int64_t max = at->rule->max > 0 && at->rule->max < type_max ? at->rule->max : type_max;
    if (number < min || number > max) {
        struct arena *arena = at->reader->problems->arena;
        wrong(at, "out_of_range", arena_printf(arena, "send %" PRId64 " to %" PRId64, min, max),
              arena_printf(arena, "is %" PRId64, number));
        return false;
    }
    *ret_number = number;
    return true;
}

static bool read_rate(const struct at *at, const struct jsonr_value *value, int64_t *ret_number)
{
    const char *remedy = "send per cent as text, 0 to 100 with at most two decimals: \"13\"";
    struct bytes text;
    int64_t max = at->rule->max > 0 ? at->rule->max : RATE_MAX;
    if (jsonr_type_of(value) == JSONR_INTEGER && jsonr_integer(value) >= 0 &&
        jsonr_integer(value) <= max / 100) {
        *ret_number = jsonr_integer(value) * 100;
        return true;
    }
    if (!text_is(at, value, remedy, &text))
        return false;
    int64_t number;
    if (!money_parse(text, 2, &number) || number < 0 || number > max) {
        wrong(at, "out_of_range", remedy, show(at, "no rate", text));
        return false;
    }
    *ret_number = number;
    return true;
}

static bool read_money(const struct at *at, const struct jsonr_value *value, int64_t *ret_number)
{
    struct bytes text;
    if (!text_is(at, value, "send the amount as text: \"12.50\"", &text))
        return false;
    int exponent = at->reader->exponent;
    int64_t number = 0;
    if (exponent >= 0 && !money_parse(text, exponent, &number)) {
        wrong(at, "out_of_range",
              arena_printf(at->reader->problems->arena,
                           "send a decimal number with at most %d decimals and a value that fits 64 bits",
                           exponent),
              show(at, "no amount", text));
        return false;
    }
    if (number < 0 || (text.size > 0 && *(const char *)text.data == '-')) {
        wrong(at, "out_of_range", "send 0 or more", show(at, "is negative", text));
        return false;
    }
    *ret_number = number;
    return true;
}

static bool read_instant(const struct at *at, const struct jsonr_value *value, int64_t *ret_number)
{
    const char *remedy = "send an RFC 3339 instant with zone: 2026-11-24T08:30:00Z";
    struct bytes text;
    char copy[64];
    if (!text_is(at, value, remedy, &text))
        return false;
    snprintf(copy, sizeof copy, "%.*s", (int)(text.size < sizeof copy ? text.size : sizeof copy - 1),
             (const char *)text.data);
    instant parsed;
    if (text.size >= sizeof copy || !instant_parse(copy, &parsed)) {
        wrong(at, "format", remedy, show(at, "no instant", text));
        return false;
    }
    *ret_number = parsed;
    return true;
}

static bool read_integer(const struct at *at, const struct jsonr_value *value, int64_t type_max,
                         int64_t *ret_number)
{
    switch (at->form) {
    case FORM_INSTANT:
        return read_instant(at, value, ret_number);
    case FORM_RATE:
        return read_rate(at, value, ret_number);
    case FORM_MONEY:
        return read_money(at, value, ret_number);
    case FORM_PLAIN:
        break;
    }
    return read_number(at, value, type_max, ret_number);
}

// ---- texts

static bool has_control(struct bytes text, bool lines_allowed)
{
    const uint8_t *data = text.data;
    for (size_t i = 0; i < text.size; i++) {
        bool control = data[i] < 0x20 || data[i] == 0x7f;
        if (control && !(lines_allowed && (data[i] == '\n' || data[i] == '\t' || data[i] == '\r')))
            return true;
    }
    return false;
}

static bool is_date_field(const struct at *at)
{
    size_t size = strlen(at->field->name);
    return (at->rule->flags & PROTO_DATE) || (size >= 4 && strcmp(at->field->name + size - 4, "date") == 0);
}

static bool read_text(const struct at *at, const struct jsonr_value *value, char **ret_text)
{
    struct bytes text;
    if (!text_is(at, value, "send text", &text))
        return false;
    size_t max = at->rule->max > 0 ? (size_t)at->rule->max : PROTO_TEXT_MAX;
    struct arena *arena = at->reader->problems->arena;
    if (text.size > max) {
        wrong(at, "too_long", arena_printf(arena, "send at most %zu bytes", max),
              arena_printf(arena, "has %zu bytes", text.size));
        return false;
    }
    if (has_control(text, (at->rule->flags & PROTO_LINES) != 0)) {
        wrong(at, "format", "leave control characters out", "has control characters");
        return false;
    }
    char *copy = arena_str(at->reader->arena, text);
    local_date date;
    if (text.size > 0 && is_date_field(at) && !date_parse(copy, &date)) {
        wrong(at, "format", "send a real day as YYYY-MM-DD", show(at, "no date", text));
        return false;
    }
    *ret_text = copy;
    return true;
}

bool proto_enum_parse(const ProtobufCEnumDescriptor *descriptor, struct bytes text, int *ret_value)
{
    size_t prefix = proto_enum_prefix(descriptor);
    for (unsigned i = 0; i < descriptor->n_values; i++) {
        const ProtobufCEnumValue *v = &descriptor->values[i];
        if (v->value != 0 && strlen(v->name) > prefix && bytes_is(text, v->name + prefix)) {
            *ret_value = v->value;
            return true;
        }
    }
    return false;
}

static bool read_enum(const struct at *at, const struct jsonr_value *value, int *ret_value)
{
    const ProtobufCEnumDescriptor *descriptor = at->field->descriptor;
    char *allowed = arena_str(at->reader->problems->arena, bytes_str("one of:"));
    for (unsigned i = 0; i < descriptor->n_values; i++)
        if (descriptor->values[i].value != 0)
            allowed = arena_printf(at->reader->problems->arena, "%s %s", allowed,
                                   proto_enum_name(descriptor, descriptor->values[i].value));
    struct bytes text;
    if (!text_is(at, value, allowed, &text))
        return false;
    if (!proto_enum_parse(descriptor, text, ret_value)) {
        wrong(at, "unknown_value", allowed, show(at, "unknown", text));
        return false;
    }
    return true;
}

static bool read_boolean(const struct at *at, const struct jsonr_value *value, protobuf_c_boolean *ret_value)
{
    if (jsonr_type_of(value) == JSONR_BOOLEAN) {
        *ret_value = jsonr_boolean(value);
        return true;
    }
    if (at->reader->from_text && jsonr_type_of(value) == JSONR_TEXT) {
        struct bytes text = jsonr_text(value);
        if (bytes_is(text, "true") || bytes_is(text, "false")) {
            *ret_value = bytes_is(text, "true");
            return true;
        }
    }
    wrong_type(at, "send true or false", value);
    return false;
}

// ---- messages

static ProtobufCMessage *read_object(const struct proto_reader *reader, const struct jsonr_value *object,
                                     const struct path *path, const ProtobufCMessageDescriptor *descriptor,
                                     const char *const *besides);
static ProtobufCMessage *read_packed(const struct at *at, const struct jsonr_value *value);

// One value into *slot. False: a problem has been added.
static bool read_value(const struct at *at, const struct jsonr_value *value, void *slot)
{
    int64_t number = 0;
    switch (at->field->type) {
    case PROTOBUF_C_TYPE_STRING:
        return read_text(at, value, slot);
    case PROTOBUF_C_TYPE_BOOL:
        return read_boolean(at, value, slot);
    case PROTOBUF_C_TYPE_ENUM:
        return read_enum(at, value, slot);
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_UINT64:
        if (read_integer(at, value, INT64_MAX, &number))
            *(int64_t *)slot = number;
        return true;
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_UINT32:
        if (read_integer(at, value, INT32_MAX, &number))
            *(int32_t *)slot = (int32_t)number;
        return true;
    case PROTOBUF_C_TYPE_MESSAGE: {
        bool packed = at->reader->from_text && jsonr_type_of(value) == JSONR_TEXT;
        ProtobufCMessage *message =
            packed ? read_packed(at, value)
                   : read_object(at->reader, value, &at->path, at->field->descriptor, NULL);
        *(ProtobufCMessage **)slot = message;
        return message != NULL;
    }
    case PROTOBUF_C_TYPE_BYTES:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_FLOAT:
    case PROTOBUF_C_TYPE_DOUBLE:
        break;
    }
    wrong(at, "unknown_field", "leave it out", "can't be given");
    return false;
}

static void read_items(struct at *at, const struct jsonr_value *array, ProtobufCMessage *message)
{
    size_t count = jsonr_size(array);
    size_t max = at->rule->items > 0 ? at->rule->items : PROTO_ITEMS_MAX;
    if (count > max) {
        struct arena *arena = at->reader->problems->arena;
        wrong(at, "too_many", arena_printf(arena, "send at most %zu", max),
              arena_printf(arena, "has %zu items", count));
        return;
    }
    size_t size = proto_item_size(at->field);
    char *items = arena_alloc_array(at->reader->arena, count, size);
    for (size_t i = 0; i < count; i++) {
        at->path.index = i;
        read_value(at, jsonr_at(array, i), items + i * size);
    }
    *(size_t *)(void *)((char *)message + at->field->quantifier_offset) = count;
    *(char **)(void *)((char *)message + at->field->offset) = items;
}

// A table's list, "a;b;c", as if it had been an array.
static void read_list_text(struct at *at, const struct jsonr_value *value, ProtobufCMessage *message)
{
    const char *text = arena_str(at->reader->arena, jsonr_text(value));
    struct jsonw w;
    jsonw_open(&w, at->reader->arena);
    jsonw_begin_array(&w, NULL);
    while (*text != '\0') {
        size_t size = strcspn(text, ";");
        if (size > 0)
            jsonw_bytes(&w, NULL, bytes_of(text, size));
        text += size + (text[size] == ';');
    }
    jsonw_end_array(&w);
    struct jsonr_doc *doc = jsonr_parse(jsonw_done(&w), at->reader->problems);
    if (doc != NULL)
        read_items(at, jsonr_root(doc), message);
    jsonr_free(doc);
}

// "BOX:12": the fields of a small message in their order.
static ProtobufCMessage *read_packed(const struct at *at, const struct jsonr_value *value)
{
    const ProtobufCMessageDescriptor *descriptor = at->field->descriptor;
    const char *text = arena_str(at->reader->arena, jsonr_text(value));
    struct jsonr_doc *doc = jsonr_new();
    for (unsigned i = 0; i < descriptor->n_fields && *text != '\0'; i++) {
        size_t size = i + 1 < descriptor->n_fields ? strcspn(text, ":") : strlen(text);
        char name[PROTO_NAME_MAX];
        proto_form_of(descriptor, &descriptor->fields[i], true, name);
        jsonr_put(doc, NULL, name, bytes_of(text, size));
        text += size + (text[size] == ':');
    }
    ProtobufCMessage *message = read_object(at->reader, jsonr_root(doc), &at->path, descriptor, NULL);
    jsonr_free(doc);
    return message;
}

static void read_member(struct at *at, const struct jsonr_value *value, ProtobufCMessage *message)
{
    void *slot = (char *)message + at->field->offset;
    if (at->field->label == PROTOBUF_C_LABEL_REPEATED) {
        if (jsonr_type_of(value) == JSONR_ARRAY)
            read_items(at, value, message);
        else if (at->reader->from_text && jsonr_type_of(value) == JSONR_TEXT)
            read_list_text(at, value, message);
        else
            wrong_type(at, "send an array", value);
        return;
    }
    if (read_value(at, value, slot) && (at->field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF))
        *(uint32_t *)(void *)((char *)message + at->field->quantifier_offset) = at->field->id;
}

static const struct proto_rule no_rule;

static const struct proto_rule *rule_of(const struct proto_reader *reader, size_t first, const char *message,
                                        const char *field)
{
    for (size_t i = first; i < reader->rule_count && strcmp(reader->rules[i].message, message) == 0; i++)
        if (strcmp(reader->rules[i].field, field) == 0)
            return &reader->rules[i];
    return &no_rule;
}

static size_t first_rule(const struct proto_reader *reader, const char *message)
{
    size_t first = 0;
    while (first < reader->rule_count && strcmp(reader->rules[first].message, message) != 0)
        first++;
    return first;
}

static bool on_topic(const ProtobufCMessageDescriptor *descriptor)
{
    return descriptor->n_fields >= COMMON_FIELDS && strcmp(descriptor->fields[0].name, "event_id") == 0;
}

static bool listed(const char *const *names, const char *name)
{
    for (; names != NULL && *names != NULL; names++)
        if (strcmp(*names, name) == 0)
            return true;
    return false;
}

static void check_required(const struct proto_reader *reader, size_t first, const struct path *path,
                           const ProtobufCMessage *message, const struct jsonr_value *object)
{
    const ProtobufCMessageDescriptor *descriptor = message->descriptor;
    for (size_t i = first;
         i < reader->rule_count && strcmp(reader->rules[i].message, descriptor->short_name) == 0; i++) {
        const struct proto_rule *rule = &reader->rules[i];
        if (!(rule->flags & PROTO_REQUIRED))
            continue;
        const ProtobufCFieldDescriptor *field =
            protobuf_c_message_descriptor_get_field_by_name(descriptor, rule->field);
        char name[PROTO_NAME_MAX];
        proto_form_of(descriptor, field, true, name);
        const struct jsonr_value *given = jsonr_member(object, name);
        bool empty_text = given != NULL && jsonr_type_of(given) == JSONR_TEXT && jsonr_text(given).size == 0;
        bool empty_list = given != NULL && jsonr_type_of(given) == JSONR_ARRAY && jsonr_size(given) == 0;
        if (given != NULL && !empty_text && !empty_list) // what is wrong with it has been said
            continue;
        struct at at = {.reader = reader,
                        .path = {.up = path, .text = name, .index = SIZE_MAX},
                        .field = field,
                        .rule = rule};
        wrong(&at, "required", arena_printf(reader->problems->arena, "add \"%s\"", name), "is missing");
    }
}

static ProtobufCMessage *read_object(const struct proto_reader *reader, const struct jsonr_value *object,
                                     const struct path *path, const ProtobufCMessageDescriptor *descriptor,
                                     const char *const *besides)
{
    if (jsonr_type_of(object) != JSONR_OBJECT) {
        struct at at = {.reader = reader, .path = *path, .rule = &no_rule};
        wrong_type(&at, "send an object", object);
        return NULL;
    }
    ProtobufCMessage *message = arena_alloc(reader->arena, descriptor->sizeof_message);
    protobuf_c_message_init(descriptor, message);
    size_t first = first_rule(reader, descriptor->short_name);
    for (void *i = jsonr_first(object); i != NULL; i = jsonr_next(object, i)) {
        const char *name = jsonr_name_at(i);
        const struct jsonr_value *value = jsonr_value_at(i);
        if (listed(besides, name))
            continue;
        struct at at = {
            .reader = reader, .path = {.up = path, .text = name, .index = SIZE_MAX}, .rule = &no_rule};
        at.field = proto_field_of(descriptor, name, &at.form);
        if (at.field != NULL)
            at.rule = rule_of(reader, first, descriptor->short_name, at.field->name);
        if (at.field == NULL || (at.rule->flags & PROTO_REFUSED) ||
            (on_topic(descriptor) && at.field->id <= COMMON_FIELDS)) {
            wrong(&at, "unknown_field", "leave it out", "isn't a field that can be given here");
            continue;
        }
        if (reader->from_text && jsonr_type_of(value) == JSONR_TEXT && jsonr_text(value).size == 0)
            continue; // an empty cell
        read_member(&at, value, message);
    }
    check_required(reader, first, path, message, object);
    return message;
}

ProtobufCMessage *proto_json_read(const struct proto_reader *reader, const struct jsonr_value *object,
                                  const char *path, const ProtobufCMessageDescriptor *descriptor,
                                  const char *const *besides)
{
    struct path top = {.up = NULL, .text = path, .index = SIZE_MAX};
    return read_object(reader, object, &top, descriptor, besides);
}

bool proto_json_knows(const ProtobufCMessageDescriptor *descriptor, const char *name)
{
    enum proto_form form;
    const ProtobufCFieldDescriptor *field = proto_field_of(descriptor, name, &form);
    return field != NULL && !(on_topic(descriptor) && field->id <= COMMON_FIELDS);
}
