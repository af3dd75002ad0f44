#include "scene.h"

#include "orderclerk/v1/dead_letters.pb-c.h"

#include <stdio.h>
#include <string.h>

static Orderclerk__V1__ShipmentLine lines[2];
static Orderclerk__V1__ShipmentLine *line_list[2];

int scene_setup(void **state)
{
    for (int i = 0; i < 2; i++) {
        orderclerk__v1__shipment_line__init(&lines[i]);
        lines[i].line_no = (uint32_t)i + 1;
        lines[i].sku = i == 0 ? "P-100" : "P-200";
        lines[i].quantity = 3 + i;
        line_list[i] = &lines[i];
    }
    struct harness *h = harness_new(&fulfillment_lane);
    scene_warehouse(h, "SH1", "http", "http://warehouse.example:9000/", 1);
    scene_warehouse(h, "AUTO", "auto", "", 1);
    *state = h;
    return 0;
}

int scene_teardown(void **state)
{
    harness_free(*state);
    return 0;
}

void scene_warehouse(struct harness *h, const char *code, const char *adapter, const char *url,
                     uint64_t version)
{
    Orderclerk__V1__Warehouse warehouse = ORDERCLERK__V1__WAREHOUSE__INIT;
    warehouse.warehouse = (char *)(uintptr_t)code;
    warehouse.adapter = (char *)(uintptr_t)adapter;
    warehouse.url = (char *)(uintptr_t)url;
    warehouse.secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    warehouse.saga_revision = version;
    harness_send(h, TOPIC_REFERENCE_WAREHOUSES, code, &warehouse.base);
    harness_run(h);
}

static void send_release(struct harness *h, const char *shipment, const char *warehouse)
{
    Orderclerk__V1__Address address = ORDERCLERK__V1__ADDRESS__INIT;
    address.country = "CN";
    address.city = "上海";
    address.street = "世纪大道 1 号";
    Orderclerk__V1__ReleaseShipment release = ORDERCLERK__V1__RELEASE_SHIPMENT__INIT;
    release.shipment_id = (char *)(uintptr_t)shipment;
    release.warehouse = (char *)(uintptr_t)warehouse;
    release.order_no = "OC-1004-7";
    release.customer_po = "PO-77";
    release.deliver_to = &address;
    release.lines = line_list;
    release.n_lines = 2;
    Orderclerk__V1__FulfillmentCommand command = ORDERCLERK__V1__FULFILLMENT_COMMAND__INIT;
    command.saga_revision = 7;
    command.body_case = ORDERCLERK__V1__FULFILLMENT_COMMAND__BODY_RELEASE;
    command.release = &release;
    harness_send(h, TOPIC_COMMANDS_FULFILLMENT, ORDER, &command.base);
}

static void send_cancel(struct harness *h, const char *shipment)
{
    Orderclerk__V1__CancelShipment cancel = ORDERCLERK__V1__CANCEL_SHIPMENT__INIT;
    cancel.shipment_id = (char *)(uintptr_t)shipment;
    Orderclerk__V1__FulfillmentCommand command = ORDERCLERK__V1__FULFILLMENT_COMMAND__INIT;
    command.body_case = ORDERCLERK__V1__FULFILLMENT_COMMAND__BODY_CANCEL;
    command.cancel = &cancel;
    harness_send(h, TOPIC_COMMANDS_FULFILLMENT, ORDER, &command.base);
}

void scene_release(struct harness *h, const char *shipment, const char *warehouse)
{
    send_release(h, shipment, warehouse);
    harness_run(h);
}

void scene_cancel(struct harness *h, const char *shipment)
{
    send_cancel(h, shipment);
    harness_run(h);
}

void scene_release_and_cancel(struct harness *h, const char *shipment)
{
    send_release(h, shipment, "SH1");
    send_cancel(h, shipment);
    harness_run(h);
}

Orderclerk__V1__WarehouseReply *scene_reply(const char *kind)
{
    static Orderclerk__V1__WarehouseReply reply;
    orderclerk__v1__warehouse_reply__init(&reply);
    reply.shipment_id = SHIPMENT;
    reply.warehouse = "SH1";
    reply.kind = (char *)(uintptr_t)kind;
    enum reply_kind parsed;
    if (reply_kind_parse(kind, &parsed) && (parsed == REPLY_PACKED || parsed == REPLY_HANDED_OVER)) {
        reply.lines = line_list;
        reply.n_lines = 2;
    }
    if (strcmp(kind, "handed_over") == 0) {
        reply.carrier = "SF";
        reply.tracking_no = "SF1234567890123";
        reply.eta_date = "2026-09-24";
    }
    if (strcmp(kind, "rejected") == 0 || strcmp(kind, "cancel_rejected") == 0)
        reply.reason = "closed for stock-taking";
    return &reply;
}

void scene_send(struct harness *h, const Orderclerk__V1__WarehouseReply *reply)
{
    harness_send(h, TOPIC_WAREHOUSE_REPLIES, ORDER, &reply->base);
    harness_run(h);
}

void scene_say(struct harness *h, const char *kind)
{
    scene_send(h, scene_reply(kind));
}

void scene_answer(struct harness *h, const char *kind, enum effect_outcome outcome, int status)
{
    struct effect_call call;
    const Orderclerk__V1__EffectRequest *request;
    assert_true(harness_effect(h, &call, &request));
    assert_string_equal(request->kind, kind);
    harness_answer(h, call.id, outcome, status,
                   bytes_str(outcome == EFFECT_OK ? "{}" : "{\"title\":\"no\"}"));
}

bool scene_asked(struct harness *h)
{
    struct effect_call call;
    const Orderclerk__V1__EffectRequest *request;
    return harness_effect(h, &call, &request);
}

const Orderclerk__V1__ShipmentEvent *scene_told(struct harness *h, const char *kinds)
{
    char told[400] = "";
    const ProtobufCMessage *message;
    const Orderclerk__V1__ShipmentEvent *last = NULL;
    while ((message = harness_take(h, TOPIC_SHIPMENT_EVENTS, NULL)) != NULL) {
        last = (const Orderclerk__V1__ShipmentEvent *)message;
        const ProtobufCFieldDescriptor *field = protobuf_c_message_descriptor_get_field(
            &orderclerk__v1__shipment_event__descriptor, (unsigned)last->body_case);
        size_t used = strlen(told);
        snprintf(told + used, sizeof told - used, "%s%s", used == 0 ? "" : " ", field->name);
    }
    assert_string_equal(told, kinds);
    return last;
}

const struct shipment_row *scene_row(struct harness *h, const char *shipment)
{
    struct uuid order_id;
    struct uuid shipment_id;
    void *rows;
    assert_true(uuid_parse(bytes_str(ORDER), &order_id) && uuid_parse(bytes_str(shipment), &shipment_id));
    size_t count = harness_rows(h, &shipment_table, SHIPMENT_ORDER, value_uuid(order_id), &rows);
    for (size_t i = 0; i < count; i++) {
        const struct shipment_row *row = (const struct shipment_row *)rows + i;
        if (uuid_equal(row->shipment_id, shipment_id))
            return row;
    }
    return NULL;
}

void scene_is(struct harness *h, const char *state, const char *cancel_request)
{
    const struct shipment_row *row = scene_row(h, SHIPMENT);
    assert_non_null(row);
    if (!bytes_is(row->state, state) || !bytes_is(row->cancel_request, cancel_request))
        fail_msg("is %.*s %.*s, not %s %s", (int)row->state.size, (const char *)row->state.data,
                 (int)row->cancel_request.size, (const char *)row->cancel_request.data, state,
                 cancel_request);
}

const char *scene_dead_letter(struct harness *h)
{
    const ProtobufCMessage *message = harness_take(h, TOPIC_DEAD_LETTERS, NULL);
    return message == NULL ? NULL : ((const Orderclerk__V1__DeadLetter *)message)->reason;
}
