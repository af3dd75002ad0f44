// POST /v1/orders and GET /v1/orders/{id}.
#include "intake/intake_order.h"

#include "base/hash.h"
#include "intake/intake_http.h"
#include "orderclerk/v1/orders.pb-c.h"
#include "pg/db_clock.h"
#include "json/order_json.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define SEPARATOR "\x1f"

static void hash_order(struct arena *arena, const Orderclerk__V1__Order *order,
                       uint8_t ret_digest[static SHA256_SIZE])
{
    size_t size = orderclerk__v1__order__get_packed_size(order);
    uint8_t *packed = arena_alloc(arena, size);
    orderclerk__v1__order__pack(order, packed);
    hash_sha256(bytes_of(packed, size), ret_digest);
}

// What was asked for, whichever way it came and whenever.
static void hash_content(struct arena *arena, const Orderclerk__V1__Order *order,
                         uint8_t ret_digest[static SHA256_SIZE])
{
    Orderclerk__V1__Order content = *order;
    content.channel = content.channel_account = content.channel_ref = "";
    content.ordered_at_us = 0;
    hash_order(arena, &content, ret_digest);
}

// The best name that the order gives its customer; absent: none.
static struct bytes customer_of(struct arena *arena, const Orderclerk__V1__Order *order)
{
    const Orderclerk__V1__Party *c = order->customer;
    if (c == NULL)
        return (struct bytes){.data = NULL};
    const struct {
        const char *kind, *value;
    } names[] = {{"id", c->customer_id}, {"email", c->email}, {"phone", c->phone}, {"company", c->company}};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (names[i].value[0] == '\0')
            continue;
        char *name = arena_printf(arena, "%s:%s", names[i].kind, names[i].value);
        for (char *at = name; i == 1 && *at != '\0'; at++)
            *at = (char)tolower((unsigned char)*at);
        return bytes_str(name);
    }
    return (struct bytes){.data = NULL};
}

static void put_suspect(enum topic topic, ProtobufCMessage *message, char *subject)
{
    Orderclerk__V1__OrderRequest *request = (Orderclerk__V1__OrderRequest *)(void *)message;
    if (topic == TOPIC_ORDERS && request->submit != NULL)
        request->submit->suspected_duplicate_of = subject;
}

static void make_record(struct arena *arena, Orderclerk__V1__Order *order, const char *order_id,
                        const char *client, struct ingress_item *item)
{
    Orderclerk__V1__SubmitOrder *submit = arena_new_object(arena, Orderclerk__V1__SubmitOrder);
    orderclerk__v1__submit_order__init(submit);
    submit->order = order;
    submit->submission_id = (char *)(uintptr_t)order_id;
    Orderclerk__V1__OrderRequest *request = arena_new_object(arena, Orderclerk__V1__OrderRequest);
    orderclerk__v1__order_request__init(request);
    request->request_id = submit->submission_id;
    request->actor = arena_printf(arena, "client:%s", client);
    request->body_case = ORDERCLERK__V1__ORDER_REQUEST__BODY_SUBMIT;
    request->submit = submit;
    struct ingress_record *record = arena_new_object(arena, struct ingress_record);
    *record =
        (struct ingress_record){.topic = TOPIC_ORDERS, .key = bytes_str(order_id), .message = &request->base};
    item->records = record;
    item->record_count = 1;
}

void intake_order_item(struct arena *arena, Orderclerk__V1__Order *order, const struct order_source *source,
                       struct ingress_item *ret_item)
{
    struct uuid id = uuid_v7(source->now);
    char *order_id = arena_alloc(arena, UUID_TEXT_SIZE);
    uuid_format(id, order_id);
    if (order->channel[0] == '\0')
        order->channel = (char *)(uintptr_t)source->channel;
    if (order->channel_account[0] == '\0')
        order->channel_account = arena_str(arena, bytes_str(source->client));
    bool has_ref = order->channel_ref[0] != '\0';
    struct ingress_item item = {
        .id = id, // an order's submission has its id: one index for both
        .subject = id,
        .scope = bytes_str(has_ref ? "order" : "id"),
        .key = has_ref ? bytes_str(arena_printf(arena, "%s" SEPARATOR "%s" SEPARATOR "%s", order->channel,
                                                order->channel_account, order->channel_ref))
                       : bytes_str(order_id),
        .client_key = intake_client_key(arena, "orders", source->client, source->key),
        .kind = bytes_str("order"),
        .content_type = bytes_str(source->content_type),
        .raw = source->raw,
        .customer_key = customer_of(arena, order),
        .suspect = put_suspect,
    };
    hash_order(arena, order, item.fingerprint);
    hash_content(arena, order, item.content_hash);
    if (order->ordered_at_us == 0)
        order->ordered_at_us = source->now;
    make_record(arena, order, order_id, source->client, &item);
    *ret_item = item;
}

// ---- POST

static void order_stored(void *self, const struct ingress_answer *answer)
{
    struct http_exchange *x = self;
    if (answer->status != INGRESS_STORED && answer->status != INGRESS_REPEATED) {
        intake_reply_not_stored(x, answer);
        return;
    }
    char id[UUID_TEXT_SIZE];
    uuid_format(answer->subject, id);
    intake_reply_accepted(x, "order_id", answer->subject, NULL,
                          arena_printf(http_arena(x), "/v1/orders/%s", id));
}

void intake_post_order(void *context, struct http_exchange *x)
{
    struct intake *intake = intake_of(context);
    struct order_source source = {
        .channel = "WEB", .raw = http_body(x), .content_type = INTAKE_JSON, .now = db_clock_now()};
    source.client = intake_client(x);
    if (source.client == NULL || !intake_key(x, &source.key))
        return;
    struct jsonr_problems problems = {.arena = http_arena(x)};
    Orderclerk__V1__Order *order = order_json_parse(http_arena(x), http_body(x), &problems);
    if (order == NULL) {
        intake_refuse(x, "The order can't be taken as it is", &problems);
        return;
    }
    if (!intake_takes_orders(intake, x))
        return;
    struct ingress_item item;
    intake_order_item(http_arena(x), order, &source, &item);
    http_defer(x);
    ingress_submit(intake->ingress, &item, order_stored, x);
}

// ---- GET

static void write_text(struct jsonw *w, const char *name, struct bytes text)
{
    if (text.size > 0)
        jsonw_bytes(w, name, text);
}

static void order_found(void *self, enum store_outcome outcome, const struct stored_order *order)
{
    struct http_exchange *x = self;
    if (outcome == STORE_AWAY) {
        intake_reply_away(x);
        return;
    }
    if (outcome == STORE_NONE) {
        intake_reply_unknown(x, "order", http_param(x, "id"));
        return;
    }
    char id[UUID_TEXT_SIZE];
    uuid_format(order->order_id, id);
    struct jsonw w;
    jsonw_open(&w, http_arena(x));
    jsonw_begin_object(&w, NULL);
    jsonw_str(&w, "order_id", id);
    write_text(&w, "order_no", order->order_no);
    jsonw_bytes(&w, "state", order->has_view ? order->state : bytes_str("RECEIVED"));
    write_text(&w, "definition", order->definition);
    write_text(&w, "waiting_on", order->waiting_on);
    write_text(&w, "reason", order->reason);
    if (order->received_at != INSTANT_NONE)
        jsonw_instant(&w, "received_at", order->received_at);
    if (order->has_view) {
        jsonw_int(&w, "revision", order->revision);
        jsonw_instant(&w, "updated_at", order->updated_at);
    }
    jsonw_end_object(&w);
    http_reply(x, 200, INTAKE_JSON, jsonw_done(&w));
}

void intake_get_order(void *context, struct http_exchange *x)
{
    struct intake *intake = intake_of(context);
    http_defer(x);
    intake_store_order(intake->store, http_param(x, "id"), order_found, x);
}
