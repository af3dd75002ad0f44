// Shared parts of the endpoints.
#include "intake/intake_http.h"

#include "lane/process.h"
#include "orderclerk/v1/control.pb-c.h"

#include <stdio.h>
#include <string.h>

#define CLIENT_MAX 64
#define SEPARATOR  "\x1f" // in no name: texts have no control characters

struct intake *intake_of(void *context)
{
    struct process *process = context;
    struct intake *intake = process_user(process);
    intake->ingress = process_ingress(process);
    return intake;
}

const char *intake_client(struct http_exchange *x)
{
    const char *client = http_header(x, "X-Client");
    if (client == NULL || client[0] == '\0')
        return "anonymous";
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    if (strlen(client) <= CLIENT_MAX && client[strspn(client, allowed)] == '\0')
        return client;
    http_reply_problem(
        x, &(struct http_problem){.status = 400,
                                  .type = "invalid-header",
                                  .title = "X-Client isn't a name",
                                  .field = "X-Client",
                                  .remedy = "use at most 64 letters, digits, dots, underscores, hyphens"});
    return NULL;
}

bool intake_key(struct http_exchange *x, struct bytes *ret_key)
{
    const char *header = http_header(x, "Idempotency-Key");
    *ret_key = (struct bytes){.data = NULL};
    if (header == NULL)
        return true;
    struct bytes key = bytes_str(header);
    if (key.size >= 2 && header[0] == '"' && header[key.size - 1] == '"') // as a structured field's string
        key = bytes_of(header + 1, key.size - 2);
    bool good = key.size > 0 && key.size <= INTAKE_KEY_MAX;
    for (size_t i = 0; i < key.size; i++) {
        char c = ((const char *)key.data)[i];
        good = good && c > 0x20 && c < 0x7f;
    }
    if (!good) {
        http_reply_problem(
            x, &(struct http_problem){.status = 400,
                                      .type = "invalid-header",
                                      .title = "Idempotency-Key isn't a key",
                                      .field = "Idempotency-Key",
                                      .remedy = "use 1 to 200 printable ASCII characters without blanks"});
        return false;
    }
    *ret_key = key;
    return true;
}

struct bytes intake_client_key(struct arena *arena, const char *endpoint, const char *client,
                               struct bytes key)
{
    if (key.data == NULL)
        return key;
    return bytes_str(arena_printf(arena, "%s" SEPARATOR "%s" SEPARATOR "%.*s", endpoint, client,
                                  (int)key.size, (const char *)key.data));
}

bool intake_takes(struct intake *intake, struct http_exchange *x)
{
    int retry_after_s = 0;
    if (ingress_accepts(intake->ingress, &retry_after_s))
        return true;
    http_reply_problem(x,
                       &(struct http_problem){.status = 503,
                                              .type = "unavailable",
                                              .title = "Nothing can be taken just now",
                                              .detail = "the database or the message bus is away or behind",
                                              .remedy = "send the same request again, with the same key",
                                              .retry_after_s = retry_after_s});
    return false;
}

bool intake_takes_orders(struct intake *intake, struct http_exchange *x)
{
    if (!intake_takes(intake, x))
        return false;
    int retry_after_s = 0;
    if (!backlog_full(intake->backlog, &retry_after_s))
        return true;
    http_reply_problem(
        x, &(struct http_problem){.status = 503,
                                  .type = "overloaded",
                                  .title = "No new orders can be taken just now",
                                  .detail = "too many orders that were taken wait to be worked on",
                                  .remedy = "send the same order again, with the same key",
                                  .retry_after_s = retry_after_s});
    return false;
}

void intake_refuse(struct http_exchange *x, const char *title, const struct jsonr_problems *problems)
{
    const struct jsonr_problem *first = &problems->items[0];
    struct jsonw w;
    jsonw_open(&w, http_arena(x));
    jsonr_problems_write(&w, NULL, problems);
    const char *list = jsonw_done(&w).data;
    http_reply_problem(x, &(struct http_problem){
                              .status = 400,
                              .type = "invalid",
                              .title = title,
                              .detail = arena_printf(http_arena(x), "%s%s%s", first->field,
                                                     first->field[0] != '\0' ? " " : "", first->detail),
                              .field = first->field[0] != '\0' ? first->field : NULL,
                              .remedy = first->remedy,
                              .extra_json = arena_printf(http_arena(x), "\"problems\":%s%s", list,
                                                         problems->more ? ",\"more_problems\":true" : "")});
}

struct jsonr_doc *intake_read_object(struct http_exchange *x, struct jsonr_problems *problems)
{
    struct jsonr_doc *doc = jsonr_parse(http_body(x), problems);
    if (doc != NULL && jsonr_type_of(jsonr_root(doc)) != JSONR_OBJECT) {
        jsonr_problem(problems, "type", "", "send an object", "is %s",
                      jsonr_type_name(jsonr_type_of(jsonr_root(doc))));
        jsonr_free(doc);
        doc = NULL;
    }
    if (doc == NULL)
        intake_refuse(x, "The body can't be read", problems);
    return doc;
}

void intake_reply_away(struct http_exchange *x)
{
    http_reply_problem(x, &(struct http_problem){.status = 503,
                                                 .type = "unavailable",
                                                 .title = "The database can't be reached",
                                                 .remedy = "ask again",
                                                 .retry_after_s = 2});
}

void intake_reply_unknown(struct http_exchange *x, const char *what, const char *id)
{
    http_reply_problem(
        x, &(struct http_problem){.status = 404,
                                  .type = "not-found",
                                  .title = arena_printf(http_arena(x), "There is no such %s", what),
                                  .detail = id,
                                  .remedy = "use the id of an answer's Location, or an order number"});
}

void intake_reply_not_stored(struct http_exchange *x, const struct ingress_answer *answer)
{
    if (answer->status == INGRESS_CONFLICT) {
        http_reply_problem(
            x, &(struct http_problem){
                   .status = 422,
                   .type = "idempotency-conflict",
                   .title = "This was submitted before, with another content",
                   .detail = "the Idempotency-Key, or channel, channel_account and channel_ref, are another "
                             "submission's",
                   .remedy = "send the content of the first submission, or use a new key and reference"});
        return;
    }
    http_reply_problem(x, &(struct http_problem){.status = 503,
                                                 .type = "unavailable",
                                                 .title = "The submission could not be stored",
                                                 .detail = answer->text,
                                                 .remedy = "send the same request again, with the same key",
                                                 .retry_after_s = 2});
}

void intake_reply_accepted(struct http_exchange *x, const char *name, struct uuid id, const char *order_id,
                           const char *location)
{
    char text[UUID_TEXT_SIZE];
    uuid_format(id, text);
    struct jsonw w;
    jsonw_open(&w, http_arena(x));
    jsonw_begin_object(&w, NULL);
    jsonw_str(&w, name, text);
    if (order_id != NULL)
        jsonw_str(&w, "order_id", order_id);
    jsonw_str(&w, "status", "RECEIVED");
    if (location[0] != '\0') {
        jsonw_str(&w, "location", location);
        http_add_header(x, "Location", location);
    }
    jsonw_end_object(&w);
    http_reply(x, 202, INTAKE_JSON, jsonw_done(&w));
}

// ---- bodies

static const ProtobufCFieldDescriptor *body_field(const ProtobufCMessageDescriptor *descriptor,
                                                  struct bytes name)
{
    for (unsigned i = 0; i < descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &descriptor->fields[i];
        if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) && field->type == PROTOBUF_C_TYPE_MESSAGE &&
            bytes_is(name, field->name))
            return field;
    }
    return NULL;
}

static const char *body_names(struct arena *arena, const ProtobufCMessageDescriptor *descriptor)
{
    const char *names = "one of:";
    for (unsigned i = 0; i < descriptor->n_fields; i++)
        if (descriptor->fields[i].flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
            names = arena_printf(arena, "%s %s", names, descriptor->fields[i].name);
    return names;
}

static const ProtobufCFieldDescriptor *find_body(const struct proto_reader *reader,
                                                 const struct jsonr_value *object,
                                                 const ProtobufCMessageDescriptor *descriptor)
{
    const char *names = body_names(reader->problems->arena, descriptor);
    const struct jsonr_value *type = jsonr_member(object, "type");
    if (type != NULL && jsonr_type_of(type) == JSONR_TEXT) {
        const ProtobufCFieldDescriptor *field = body_field(descriptor, jsonr_text(type));
        if (field == NULL)
            jsonr_problem(reader->problems, "unknown_value", "type", names, "is unknown here");
        return field;
    }
    if (type != NULL) {
        jsonr_problem(reader->problems, "type", "type", names, "is %s", jsonr_type_name(jsonr_type_of(type)));
        return NULL;
    }
    for (void *i = jsonr_first(object); i != NULL; i = jsonr_next(object, i)) {
        const ProtobufCFieldDescriptor *field = body_field(descriptor, bytes_str(jsonr_name_at(i)));
        if (field != NULL)
            return field;
    }
    jsonr_problem(reader->problems, "required", "type", names, "is missing");
    return NULL;
}

#define BESIDES_MAX 12

ProtobufCMessage *intake_read_body(const struct proto_reader *reader, const struct jsonr_value *object,
                                   const ProtobufCMessageDescriptor *descriptor, const char *const *besides)
{
    size_t before = reader->problems->count;
    const ProtobufCFieldDescriptor *field = find_body(reader, object, descriptor);
    if (field == NULL)
        return NULL;
    const struct jsonr_value *nested = jsonr_member(object, field->name);
    const char *others[BESIDES_MAX + 3] = {"type"};
    size_t n = 1;
    for (; besides != NULL && *besides != NULL && n < BESIDES_MAX; besides++)
        others[n++] = *besides;
    ProtobufCMessage *body = NULL;
    if (nested != NULL && jsonr_type_of(nested) == JSONR_OBJECT) {
        others[n++] = field->name;
        static const ProtobufCMessageDescriptor *const nothing = &orderclerk__v1__resume__descriptor;
        proto_json_read(reader, object, "", nothing, others); // whatever else is there is unknown
        body = proto_json_read(reader, nested, field->name, field->descriptor, NULL);
    } else {
        body = proto_json_read(reader, object, "", field->descriptor, others);
    }
    if (reader->problems->count > before)
        return NULL;
    ProtobufCMessage *message = arena_alloc(reader->arena, descriptor->sizeof_message);
    protobuf_c_message_init(descriptor, message);
    *(ProtobufCMessage **)(void *)((char *)message + field->offset) = body;
    *(uint32_t *)(void *)((char *)message + field->quantifier_offset) = field->id;
    return message;
}

const char *intake_body_name(const ProtobufCMessage *message)
{
    const ProtobufCMessageDescriptor *descriptor = message->descriptor;
    for (unsigned i = 0; i < descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &descriptor->fields[i];
        if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) &&
            *(const uint32_t *)(const void *)((const char *)message + field->quantifier_offset) == field->id)
            return field->name;
    }
    return "";
}
