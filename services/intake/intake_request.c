// POST and GET /v1/orders/{id}/requests, POST /v1/departments/{name}/replies, POST /v1/control.
#include "intake/intake_request.h"

#include "base/hash.h"
#include "intake/intake_http.h"
#include "orderclerk/v1/control.pb-c.h"
#include "orderclerk/v1/department_replies.pb-c.h"
#include "orderclerk/v1/orders.pb-c.h"
#include "pg/db_clock.h"
#include "json/order_json.h"

#include <stdio.h>
#include <string.h>

#define ACTOR_MAX       100
#define ID_MAX          64
#define REASON_MAX      500
#define CHANGES_MAX     200
#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

// ---- what is ruled out

// Every state but those in which the request is right or from which the order may have gone there since: intake's copy is a
// moment old. The answer to "what then?" is whatever isn't ruled out.
static const struct {
    const char *type;
    const char *states; // separated by blanks
} ruled_out[] = {
    {"cancel", "SHIPPED DELIVERED COMPLETED REJECTED CANCELLED ARCHIVED"},
    {"answer", "SHORTAGE_OFFERED SCHEDULED IN_PRODUCTION IN_FULFILMENT PARTIALLY_SHIPPED SHIPPED DELIVERED "
               "COMPLETED REJECTED "
               "CANCELLED ARCHIVED COMPENSATING"},
    {"shortage", "IN_REVIEW REGISTERED SCHEDULED IN_PRODUCTION IN_FULFILMENT PARTIALLY_SHIPPED SHIPPED "
                 "DELIVERED COMPLETED "
                 "REJECTED CANCELLED ARCHIVED COMPENSATING"},
    {"resolve", "COMPLETED REJECTED CANCELLED ARCHIVED"},
};

static bool has_word(const char *words, struct bytes word)
{
    while (*words != '\0') {
        size_t size = strcspn(words, " ");
        if (bytes_equal(bytes_of(words, size), word))
            return true;
        words += size;
        words += strspn(words, " ");
    }
    return false;
}

bool intake_ruled_out(const char *type, struct bytes state)
{
    for (size_t i = 0; i < COUNT_OF(ruled_out); i++)
        if (strcmp(ruled_out[i].type, type) == 0)
            return has_word(ruled_out[i].states, state);
    return false;
}

// ---- a message about an order: read, the order looked up, submitted, answered

struct about {
    struct intake *intake;
    struct http_exchange *x;
    const char *type;      // checked against the order's state; NULL: isn't
    const char *asked_for; // the order's id or number
    const char *state;     // that rules the request out
    ProtobufCMessage *message;
    struct ingress_record record;
    struct ingress_item item;
    char id[UUID_TEXT_SIZE]; // of the submission
    char order_id[UUID_TEXT_SIZE];
};

static struct about *about_new(struct intake *intake, struct http_exchange *x, const char *endpoint,
                               const char *client, struct bytes key)
{
    struct arena *arena = http_arena(x);
    struct about *about = arena_new_object(arena, struct about);
    *about = (struct about){.intake = intake, .x = x};
    about->item.id = uuid_v7(db_clock_now());
    uuid_format(about->item.id, about->id);
    about->item.scope = bytes_str("id");
    about->item.key = bytes_str(about->id);
    about->item.client_key = intake_client_key(arena, endpoint, client, key);
    about->item.content_type = bytes_str(INTAKE_JSON);
    about->item.raw = http_body(x);
    about->item.records = &about->record;
    about->item.record_count = 1;
    return about;
}

static void fingerprint(struct about *about)
{
    struct arena *arena = http_arena(about->x);
    struct bytes raw = about->item.raw;
    char *text = arena_alloc(arena, raw.size + sizeof about->order_id);
    memcpy(text, about->order_id, sizeof about->order_id);
    memcpy(text + sizeof about->order_id, raw.data, raw.size);
    hash_sha256(bytes_of(text, raw.size + sizeof about->order_id), about->item.fingerprint);
}

static void submit(struct about *about, enum topic topic,
                   void (*stored)(void *self, const struct ingress_answer *answer))
{
    about->record =
        (struct ingress_record){.topic = topic, .key = bytes_str(about->order_id), .message = about->message};
    fingerprint(about);
    ingress_submit(about->intake->ingress, &about->item, stored, about);
}

// True: known, and its id noted.
static bool order_is_known(struct about *about, enum store_outcome outcome, const struct stored_order *order)
{
    if (outcome == STORE_AWAY)
        intake_reply_away(about->x);
    else if (outcome == STORE_NONE)
        intake_reply_unknown(about->x, "order", about->asked_for);
    if (outcome != STORE_FOUND)
        return false;
    uuid_format(order->order_id, about->order_id);
    about->item.subject = order->order_id;
    return true;
}

static const char *actor_of(struct http_exchange *x, const struct jsonr_value *object, const char *kind,
                            const char *client, struct jsonr_problems *problems)
{
    struct bytes actor = jsonr_member_text(object, "actor", false, ACTOR_MAX, problems);
    return actor.data != NULL ? arena_str(http_arena(x), actor)
                              : arena_printf(http_arena(x), "%s:%s", kind, client);
}

// ---- requests

// clang-format off
static const struct proto_rule request_rules[] = {
    {"CancelOrder", "reason", 0, REASON_MAX, 0},
    {"AnswerClarification", "changes", PROTO_REQUIRED, 0, CHANGES_MAX},
    {"AnswerShortage", "choices", PROTO_REQUIRED, 0, ORDER_LINES_MAX},
    {"ResolveByOperator", "exit", PROTO_REQUIRED, 0, 0},
    {"ResolveByOperator", "reason", PROTO_REQUIRED, REASON_MAX, 0},
    {"FieldChange", "field", PROTO_REQUIRED, 200, 0},
    {"FieldChange", "value", PROTO_LINES, 4000, 0},
    {"ShortageChoice", "line_no", PROTO_REQUIRED | PROTO_POSITIVE, 1000000, 0},
    {"ShortageChoice", "kind", PROTO_REQUIRED, 0, 0},
    {"ShortageChoice", "substitute_sku", 0, 100, 0},
    {"ShortageChoice", "quantity", 0, 1000000000, 0},
};
// clang-format on

static void request_stored(void *self, const struct ingress_answer *answer)
{
    struct about *about = self;
    if (answer->status != INGRESS_STORED && answer->status != INGRESS_REPEATED) {
        intake_reply_not_stored(about->x, answer);
        return;
    }
    char id[UUID_TEXT_SIZE];
    uuid_format(answer->submission, id);
    intake_reply_accepted(
        about->x, "request_id", answer->submission, about->order_id,
        arena_printf(http_arena(about->x), "/v1/orders/%s/requests/%s", about->order_id, id));
}

static void reply_ruled_out(struct about *about)
{
    struct http_exchange *x = about->x;
    struct jsonw w;
    jsonw_open(&w, http_arena(x));
    jsonw_begin_array(&w, NULL);
    for (size_t i = 0; i < COUNT_OF(ruled_out); i++)
        if (!has_word(ruled_out[i].states, bytes_str(about->state)))
            jsonw_str(&w, NULL, ruled_out[i].type);
    jsonw_end_array(&w);
    const char *allowed = jsonw_done(&w).data;
    http_reply_problem(
        x, &(struct http_problem){
               .status = 409,
               .type = "not-in-this-state",
               .title = "The order's state rules this out",
               .detail = arena_printf(http_arena(x), "%s isn't possible in %s", about->type, about->state),
               .field = "type",
               .remedy = "see `allowed` for what can be asked now",
               .extra_json =
                   arena_printf(http_arena(x), "\"state\":\"%s\",\"allowed\":%s", about->state, allowed)});
}

// A repeat of a request that was taken gets its first answer even when the order has moved on since.
static void first_found(void *self, enum store_outcome outcome, const struct stored_request *request)
{
    (void)request;
    struct about *about = self;
    if (outcome == STORE_AWAY)
        intake_reply_away(about->x);
    else if (outcome == STORE_NONE)
        reply_ruled_out(about);
    else
        submit(about, TOPIC_ORDERS, request_stored);
}

static void request_order_found(void *self, enum store_outcome outcome, const struct stored_order *order)
{
    struct about *about = self;
    if (!order_is_known(about, outcome, order))
        return;
    if (!order->has_view || !intake_ruled_out(about->type, order->state)) {
        submit(about, TOPIC_ORDERS, request_stored);
        return;
    }
    about->state = arena_str(http_arena(about->x), order->state);
    if (about->item.client_key.data == NULL)
        reply_ruled_out(about);
    else
        intake_store_request_of_key(about->intake->store, about->item.client_key, first_found, about);
}

// A choice is complete: a substitute names what, a smaller quantity how much.
static void check_choices(const Orderclerk__V1__AnswerShortage *shortage, struct jsonr_problems *problems)
{
    for (size_t i = 0; i < shortage->n_choices; i++) {
        const Orderclerk__V1__ShortageChoice *choice = shortage->choices[i];
        char field[64];
        if (choice->kind == ORDERCLERK__V1__SHORTAGE_CHOICE_KIND__SHORTAGE_CHOICE_KIND_SUBSTITUTE &&
            choice->substitute_sku[0] == '\0') {
            snprintf(field, sizeof field, "choices[%zu].substitute_sku", i);
            jsonr_problem(problems, "required", field, "name the product to send instead", "is missing");
        }
        if (choice->kind == ORDERCLERK__V1__SHORTAGE_CHOICE_KIND__SHORTAGE_CHOICE_KIND_REDUCE &&
            choice->quantity < 1) {
            snprintf(field, sizeof field, "choices[%zu].quantity", i);
            jsonr_problem(problems, "required", field, "give the quantity wanted instead, at least 1",
                          "is missing");
        }
    }
}

static Orderclerk__V1__OrderRequest *read_request(struct http_exchange *x, const struct jsonr_value *object,
                                                  const char *client, struct jsonr_problems *problems)
{
    static const char *const besides[] = {"actor", NULL};
    struct proto_reader reader = {.arena = http_arena(x),
                                  .problems = problems,
                                  .rules = request_rules,
                                  .rule_count = COUNT_OF(request_rules),
                                  .exponent = -1};
    Orderclerk__V1__OrderRequest *request = (Orderclerk__V1__OrderRequest *)(void *)intake_read_body(
        &reader, object, &orderclerk__v1__order_request__descriptor, besides);
    const char *actor = actor_of(x, object, "client", client, problems);
    if (request == NULL)
        return NULL;
    request->actor = (char *)(uintptr_t)actor;
    if (request->body_case == ORDERCLERK__V1__ORDER_REQUEST__BODY_SUBMIT)
        jsonr_problem(problems, "unknown_value", "type", "one of: cancel answer shortage resolve",
                      "an order is submitted by POST /v1/orders");
    if (request->body_case == ORDERCLERK__V1__ORDER_REQUEST__BODY_SHORTAGE)
        check_choices(request->shortage, problems);
    return request;
}

void intake_post_request(void *context, struct http_exchange *x)
{
    struct intake *intake = intake_of(context);
    const char *client = intake_client(x);
    struct bytes key;
    if (client == NULL || !intake_key(x, &key))
        return;
    struct jsonr_problems problems = {.arena = http_arena(x)};
    struct jsonr_doc *doc = intake_read_object(x, &problems);
    if (doc == NULL)
        return;
    Orderclerk__V1__OrderRequest *request = read_request(x, jsonr_root(doc), client, &problems);
    jsonr_free(doc);
    if (request == NULL || problems.count > 0) {
        intake_refuse(x, "The request can't be taken as it is", &problems);
        return;
    }
    if (!intake_takes(intake, x))
        return;
    struct about *about = about_new(intake, x, "requests", client, key);
    about->asked_for = http_param(x, "id");
    about->type = intake_body_name(&request->base);
    about->item.kind = bytes_str("request");
    request->request_id = about->id;
    about->message = &request->base;
    http_defer(x);
    intake_store_order(intake->store, about->asked_for, request_order_found, about);
}

static void write_allowed(struct jsonw *w, struct bytes allowed)
{
    const char *text = arena_str(w->arena, allowed.data != NULL ? allowed : bytes_str(""));
    jsonw_begin_array(w, "allowed");
    while (*text != '\0') {
        size_t size = strcspn(text, " ");
        jsonw_bytes(w, NULL, bytes_of(text, size));
        text += size;
        text += strspn(text, " ");
    }
    jsonw_end_array(w);
}

static void request_found(void *self, enum store_outcome outcome, const struct stored_request *request)
{
    struct http_exchange *x = self;
    if (outcome == STORE_AWAY) {
        intake_reply_away(x);
        return;
    }
    struct uuid asked;
    bool other = outcome == STORE_FOUND && uuid_parse(bytes_str(http_param(x, "id")), &asked) &&
                 !uuid_equal(asked, request->order_id);
    if (outcome == STORE_NONE || other) {
        intake_reply_unknown(x, "request", http_param(x, "request_id"));
        return;
    }
    char id[UUID_TEXT_SIZE], order_id[UUID_TEXT_SIZE];
    uuid_format(request->request_id, id);
    uuid_format(request->order_id, order_id);
    struct jsonw w;
    jsonw_open(&w, http_arena(x));
    jsonw_begin_object(&w, NULL);
    jsonw_str(&w, "request_id", id);
    jsonw_str(&w, "order_id", order_id);
    jsonw_str(&w, "status", request->refused ? "REFUSED" : "RECEIVED");
    jsonw_instant(&w, "received_at", request->received_at);
    if (request->refused) {
        jsonw_bytes(&w, "reason", request->reason);
        write_allowed(&w, request->allowed);
        jsonw_instant(&w, "refused_at", request->refused_at);
    }
    jsonw_end_object(&w);
    http_reply(x, 200, INTAKE_JSON, jsonw_done(&w));
}

void intake_get_request(void *context, struct http_exchange *x)
{
    struct uuid id;
    if (!uuid_parse(bytes_str(http_param(x, "request_id")), &id)) {
        intake_reply_unknown(x, "request", http_param(x, "request_id"));
        return;
    }
    http_defer(x);
    intake_store_request(intake_of(context)->store, id, request_found, x);
}

// ---- departments' replies

static void reply_stored(void *self, const struct ingress_answer *answer)
{
    struct about *about = self;
    if (answer->status != INGRESS_STORED && answer->status != INGRESS_REPEATED)
        intake_reply_not_stored(about->x, answer);
    else
        intake_reply_accepted(about->x, "reply_id", answer->submission, about->order_id,
                              arena_printf(http_arena(about->x), "/v1/orders/%s", about->order_id));
}

static void reply_order_found(void *self, enum store_outcome outcome, const struct stored_order *order)
{
    struct about *about = self;
    if (order_is_known(about, outcome, order))
        submit(about, TOPIC_DEPARTMENT_REPLIES, reply_stored);
}

static bool is_department(const char *name)
{
    return has_word("production warehouse logistics finance sales qa", bytes_str(name));
}

static const char *order_of(struct http_exchange *x, const struct jsonr_value *object,
                            struct jsonr_problems *problems)
{
    static const char *const names[] = {"order_id", "order_no", "order"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (jsonr_member(object, names[i]) == NULL)
            continue;
        struct bytes id = jsonr_member_text(object, names[i], true, ID_MAX - 1, problems);
        return id.data != NULL ? arena_str(http_arena(x), id) : NULL;
    }
    jsonr_problem(problems, "required", "order_id", "add \"order_id\" or \"order_no\"", "is missing");
    return NULL;
}

static Orderclerk__V1__DepartmentReply *read_reply(struct http_exchange *x, const struct jsonr_value *object,
                                                   const char *client, struct jsonr_problems *problems)
{
    static const char *const besides[] = {"order_id", "order_no", "order", "actor", NULL};
    struct proto_reader reader = {
        .arena = http_arena(x), .problems = problems, .exponent = -1, .int64_text = true};
    Orderclerk__V1__DepartmentReply *reply = (Orderclerk__V1__DepartmentReply *)(void *)intake_read_body(
        &reader, object, &orderclerk__v1__department_reply__descriptor, besides);
    const char *actor = actor_of(x, object, "client", client, problems);
    if (reply != NULL) {
        reply->actor = (char *)(uintptr_t)actor;
        reply->department = arena_str(http_arena(x), bytes_str(http_param(x, "name")));
    }
    return reply;
}

void intake_post_reply(void *context, struct http_exchange *x)
{
    struct intake *intake = intake_of(context);
    const char *client = intake_client(x);
    struct bytes key;
    if (client == NULL || !intake_key(x, &key))
        return;
    if (!is_department(http_param(x, "name"))) {
        http_reply_problem(
            x, &(struct http_problem){.status = 404,
                                      .type = "not-found",
                                      .title = "There is no such department",
                                      .detail = http_param(x, "name"),
                                      .remedy = "one of: production warehouse logistics finance sales qa"});
        return;
    }
    struct jsonr_problems problems = {.arena = http_arena(x)};
    struct jsonr_doc *doc = intake_read_object(x, &problems);
    if (doc == NULL)
        return;
    const char *order = order_of(x, jsonr_root(doc), &problems);
    Orderclerk__V1__DepartmentReply *reply = read_reply(x, jsonr_root(doc), client, &problems);
    jsonr_free(doc);
    if (reply == NULL || order == NULL || problems.count > 0) {
        intake_refuse(x, "The reply can't be taken as it is", &problems);
        return;
    }
    if (!intake_takes(intake, x))
        return;
    struct about *about = about_new(intake, x, "replies", client, key);
    about->asked_for = order;
    about->item.kind = bytes_str("reply");
    about->message = &reply->base;
    http_defer(x);
    intake_store_order(intake->store, order, reply_order_found, about);
}

// ---- control

static void control_stored(void *self, const struct ingress_answer *answer)
{
    struct about *about = self;
    if (answer->status != INGRESS_STORED && answer->status != INGRESS_REPEATED)
        intake_reply_not_stored(about->x, answer);
    else
        intake_reply_accepted(about->x, "control_id", answer->submission, NULL, "");
}

struct control_words {
    struct bytes service, key, action, actor, reason;
};

static void read_control_words(const struct jsonr_value *object, struct jsonr_problems *problems,
                               struct control_words *ret_words)
{
    const char *key = jsonr_member(object, "order_id") != NULL ? "order_id" : "key";
    ret_words->service = jsonr_member_text(object, "service", true, 40, problems);
    ret_words->key = jsonr_member_text(object, key, true, 200, problems);
    ret_words->action = jsonr_member_text(object, "action", true, 20, problems);
    ret_words->actor = jsonr_member_text(object, "actor", true, ACTOR_MAX, problems);
    ret_words->reason = jsonr_member_text(object, "reason", true, REASON_MAX, problems);
    if (ret_words->service.data != NULL && !has_word(topic_info(TOPIC_CONTROL)->readers, ret_words->service))
        jsonr_problem(problems, "unknown_value", "service",
                      arena_printf(problems->arena, "one of: %s", topic_info(TOPIC_CONTROL)->readers),
                      "is unknown");
}

// The members that an action has beside the common words are those of its message.
static Orderclerk__V1__Control *read_action(struct http_exchange *x, const struct jsonr_value *object,
                                            struct bytes action, struct jsonr_problems *problems)
{
    static const char *const besides[] = {"service", "order_id", "key", "action", "actor", "reason", NULL};
    char name[24] = "";
    for (size_t i = 0; i < action.size && i < sizeof name - 1; i++) {
        char c = ((const char *)action.data)[i];
        name[i] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
    }
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field_by_name(&orderclerk__v1__control__descriptor, name);
    if (field == NULL || !(field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)) {
        jsonr_problem(problems, "unknown_value", "action",
                      "one of: REDRIVE DISCARD SKIP_GAP RESEND PAUSE RESUME", "is unknown");
        return NULL;
    }
    struct proto_reader reader = {.arena = http_arena(x), .problems = problems, .exponent = -1};
    ProtobufCMessage *body = proto_json_read(&reader, object, "", field->descriptor, besides);
    Orderclerk__V1__Control *control = arena_new_object(http_arena(x), Orderclerk__V1__Control);
    orderclerk__v1__control__init(control);
    *(ProtobufCMessage **)(void *)((char *)control + field->offset) = body;
    control->body_case = (Orderclerk__V1__Control__BodyCase)field->id;
    return control;
}

static Orderclerk__V1__Control *read_control(struct http_exchange *x, const struct jsonr_value *object,
                                             struct jsonr_problems *problems, const char **ret_key)
{
    struct control_words words;
    read_control_words(object, problems, &words);
    Orderclerk__V1__Control *control =
        words.action.data != NULL ? read_action(x, object, words.action, problems) : NULL;
    if (control == NULL || problems->count > 0)
        return NULL;
    control->service = arena_str(http_arena(x), words.service);
    control->actor = arena_str(http_arena(x), words.actor);
    control->reason = arena_str(http_arena(x), words.reason);
    if (control->body_case == ORDERCLERK__V1__CONTROL__BODY_PAUSE)
        control->pause->reason = control->reason;
    *ret_key = arena_str(http_arena(x), words.key);
    return control;
}

void intake_post_control(void *context, struct http_exchange *x)
{
    struct intake *intake = intake_of(context);
    const char *client = intake_client(x);
    struct bytes key;
    if (client == NULL || !intake_key(x, &key))
        return;
    struct jsonr_problems problems = {.arena = http_arena(x)};
    struct jsonr_doc *doc = intake_read_object(x, &problems);
    if (doc == NULL)
        return;
    const char *about_key = NULL;
    Orderclerk__V1__Control *control = read_control(x, jsonr_root(doc), &problems, &about_key);
    jsonr_free(doc);
    if (control == NULL) {
        intake_refuse(x, "The order to a service can't be taken as it is", &problems);
        return;
    }
    if (!intake_takes(intake, x))
        return;
    struct about *about = about_new(intake, x, "control", client, key);
    about->item.kind = bytes_str("control");
    about->record = (struct ingress_record){
        .topic = TOPIC_CONTROL, .key = bytes_str(about_key), .message = &control->base};
    fingerprint(about);
    http_defer(x);
    ingress_submit(intake->ingress, &about->item, control_stored, about);
}
