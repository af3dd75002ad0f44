// What a callback's body may say: the limits at the door. What it means is decided in the lane.
#include "fulfillment-tracker/fulfillment_callbacks.h"

#include "fulfillment-tracker/fulfillment.h"
#include "fulfillment-tracker/fulfillment_tracking.h"
#include "json/proto_json.h"

#define QUANTITY_MAX 1000000000000LL // as inventory's
#define REASON_MAX   500

// clang-format off
static const struct proto_rule rules[] = {
    {"WarehouseReply", "shipment_id", PROTO_REQUIRED, 36, 0},
    {"WarehouseReply", "warehouse", PROTO_REFUSED, 0, 0}, // the path says it
    {"WarehouseReply", "kind", PROTO_REQUIRED, 40, 0},
    {"WarehouseReply", "reason", PROTO_LINES, REASON_MAX, 0},
    {"WarehouseReply", "carrier", 0, TRACKING_CARRIER_MAX, 0},
    {"WarehouseReply", "tracking_no", 0, TRACKING_NUMBER_MAX, 0},
    {"WarehouseReply", "lines", 0, 0, FULFILLMENT_LINES_MAX},
    {"WarehouseReply", "happened_at_us", PROTO_REQUIRED, 0, 0},
    {"ShipmentLine", "line_no", PROTO_REQUIRED | PROTO_POSITIVE, 1000000, 0},
    {"ShipmentLine", "sku", PROTO_REQUIRED, 100, 0},
    {"ShipmentLine", "quantity", PROTO_REQUIRED | PROTO_POSITIVE, QUANTITY_MAX, 0},
};
// clang-format on

static void check_ids(const Orderclerk__V1__WarehouseReply *reply, struct bytes order_id,
                      struct uuid *ret_order_id, struct jsonr_problems *problems)
{
    struct uuid id;
    if (order_id.size > 0 && !uuid_parse(order_id, ret_order_id))
        jsonr_problem(problems, "format", "order_id", "send the release's order_id", "is not a UUID");
    if (reply->shipment_id[0] != '\0' && !uuid_parse(bytes_str(reply->shipment_id), &id))
        jsonr_problem(problems, "format", "shipment_id", "send the release's shipment_id", "is not a UUID");
}

static void check_kind(const Orderclerk__V1__WarehouseReply *reply, struct jsonr_problems *problems)
{
    enum reply_kind kind;
    if (reply->kind[0] == '\0')
        return; // said already
    if (!reply_kind_parse(reply->kind, &kind)) {
        const char *known = "";
        for (size_t i = 0; i < REPLY_KIND_COUNT; i++)
            known = arena_printf(problems->arena, "%s%s%s", known, i == 0 ? "one of " : ", ",
                                 reply_kind_name((enum reply_kind)i));
        jsonr_problem(problems, "unknown_value", "kind", known, "\"%s\" is no kind of callback", reply->kind);
    } else if (kind == REPLY_HANDED_OVER && reply->n_lines == 0) {
        jsonr_problem(problems, "required", "lines",
                      "name every line that was handed over, with its quantity",
                      "a line that is not mentioned is unknown, not shipped");
    }
}

Orderclerk__V1__WarehouseReply *callback_parse(struct arena *arena, const char *warehouse, struct bytes body,
                                               struct uuid *ret_order_id, struct jsonr_problems *problems)
{
    static const char *const besides[] = {"order_id", NULL};
    struct jsonr_doc *doc = jsonr_parse(body, problems);
    if (doc == NULL)
        return NULL;
    const struct jsonr_value *root = jsonr_root(doc);
    Orderclerk__V1__WarehouseReply *reply = NULL;
    if (jsonr_type_of(root) != JSONR_OBJECT) {
        jsonr_problem(problems, "type", "", "send one object", "is %s", jsonr_type_name(jsonr_type_of(root)));
    } else {
        struct proto_reader reader = {.arena = arena,
                                      .problems = problems,
                                      .rules = rules,
                                      .rule_count = sizeof rules / sizeof rules[0],
                                      .exponent = -1};
        struct uuid order_id = {{0}};
        struct bytes text = jsonr_member_text(root, "order_id", true, UUID_TEXT_SIZE - 1, problems);
        reply = (Orderclerk__V1__WarehouseReply *)proto_json_read(
            &reader, root, "", &orderclerk__v1__warehouse_reply__descriptor, besides);
        if (reply != NULL) {
            check_ids(reply, text, &order_id, problems);
            check_kind(reply, problems);
            reply->warehouse = arena_str(arena, bytes_str(warehouse));
            *ret_order_id = order_id;
        }
    }
    jsonr_free(doc);
    return problems->count > 0 ? NULL : reply;
}
