// What can be imported: orders, the kinds of master data, changes of stock.
#include "base/hash.h"
#include "base/money.h"
#include "intake/intake_http.h"
#include "intake/intake_import.h"
#include "intake/intake_order.h"
#include "orderclerk/v1/reference.pb-c.h"
#include "orderclerk/v1/stock.pb-c.h"
#include "json/order_json.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define COUNT_OF(array)   (sizeof(array) / sizeof(array)[0])
#define CALENDAR_DAYS_MAX 2000
#define QUANTITY_MAX      1000000000000LL

static bool listed(const char *const *names, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

// ---- orders

static const char *const order_columns[] = {"channel",
                                            "channel_account",
                                            "channel_ref",
                                            "customer_po",
                                            "customer.customer_id",
                                            "customer.company",
                                            "customer.contact",
                                            "customer.phone",
                                            "customer.email",
                                            "customer.locale",
                                            "delivery.country",
                                            "delivery.province",
                                            "delivery.city",
                                            "delivery.district",
                                            "delivery.street",
                                            "delivery.postcode",
                                            "delivery.recipient",
                                            "delivery.phone",
                                            "currency",
                                            "payment.kind",
                                            "payment.net_days",
                                            "payment.instalments",
                                            "invoice.kind",
                                            "invoice.title",
                                            "invoice.tax_number",
                                            "carrier_wish",
                                            "remarks",
                                            "ordered_at"};
static const char *const line_columns[] = {"line_no",       "product_code",       "product_name",
                                           "specification", "quantity",           "unit",
                                           "unit_price",    "price_includes_tax", "tax_rate",
                                           "discount",      "requested_date",     "technical_requirements",
                                           "kind"};
static const char *const order_required[] = {"channel_ref", "currency", "product_code", "quantity", NULL};

static bool is_line_column(const char *name)
{
    return listed(line_columns, COUNT_OF(line_columns), name);
}

static bool knows_order_column(const struct import_kind *kind, const char *name)
{
    (void)kind;
    return is_line_column(name) || listed(order_columns, COUNT_OF(order_columns), name);
}

static bool make_order(const struct import_kind *kind, const struct import_unit *unit,
                       struct ingress_item *ret_item, const char **ret_label)
{
    (void)kind;
    const struct jsonr_value *ref = jsonr_member(unit->object, "channel_ref");
    if (ref != NULL && jsonr_type_of(ref) == JSONR_TEXT && jsonr_text(ref).size <= 200)
        *ret_label = arena_str(unit->arena, jsonr_text(ref));
    Orderclerk__V1__Order *order =
        order_json_read(unit->arena, unit->object, unit->from_text, NULL, unit->problems);
    if (order == NULL)
        return false;
    if (order->channel_ref[0] == '\0') {
        jsonr_problem(unit->problems, "required", "channel_ref", "give each order its number at its origin",
                      "is missing: without it a repeated import would order twice");
        return false;
    }
    struct order_source source = {.client = unit->client,
                                  .channel = "FILE",
                                  .key = unit->key,
                                  .raw = unit->raw,
                                  .content_type = unit->content_type,
                                  .now = unit->now};
    intake_order_item(unit->arena, order, &source, ret_item);
    return true;
}

const struct import_kind import_orders = {.name = "orders",
                                          .label = "channel_ref",
                                          .required = order_required,
                                          .knows_column = knows_order_column,
                                          .group_by = "channel_ref",
                                          .is_line_column = is_line_column,
                                          .make = make_order};

// ---- master data

// clang-format off
static const struct proto_rule reference_rules[] = {
    {"Product", "sku", PROTO_REQUIRED, 100, 0},
    {"Product", "kind", PROTO_REQUIRED, 0, 0},
    {"Product", "base_unit", PROTO_REQUIRED, 20, 0},
    {"Product", "lead_time_days", 0, 1000, 0},
    {"Product", "successor", 0, 100, 0},
    {"PackFactor", "unit", PROTO_REQUIRED, 20, 0},
    {"PackFactor", "factor", PROTO_REQUIRED | PROTO_POSITIVE, 1000000, 0},
    {"Customer", "customer_id", PROTO_REQUIRED, 100, 0},
    {"Customer", "price_list", PROTO_REQUIRED, 100, 0},
    {"Price", "price_list", PROTO_REQUIRED, 100, 0},
    {"Price", "sku", PROTO_REQUIRED, 100, 0},
    {"Price", "currency", PROTO_REQUIRED, 3, 0},
    {"Price", "breaks", PROTO_REQUIRED, 0, 50},
    {"Price", "valid_from", PROTO_DATE, 0, 0},
    {"Price", "valid_until", PROTO_DATE, 0, 0},
    {"PriceBreak", "min_quantity", PROTO_REQUIRED | PROTO_POSITIVE, QUANTITY_MAX, 0},
    {"PriceBreak", "net_minor", PROTO_REQUIRED, 0, 0},
    {"Calendar", "calendar_id", PROTO_REQUIRED, 100, 0},
    {"Calendar", "zone", PROTO_REQUIRED, 64, 0},
    {"Calendar", "holidays", PROTO_DATE, 0, CALENDAR_DAYS_MAX},
    {"Calendar", "workdays", PROTO_DATE, 0, CALENDAR_DAYS_MAX},
    {"Calendar", "cutoff", 0, 5, 0},
    {"Warehouse", "warehouse", PROTO_REQUIRED, 100, 0},
    {"Warehouse", "adapter", PROTO_REQUIRED, 20, 0},
    {"GoodsReceived", "quantity", PROTO_REQUIRED | PROTO_POSITIVE, QUANTITY_MAX, 0},
    {"IncomingAnnounced", "quantity", PROTO_REQUIRED, QUANTITY_MAX, 0},
    {"StockCounted", "on_hand", PROTO_REQUIRED, QUANTITY_MAX, 0},
    {"SafetySet", "safety", PROTO_REQUIRED, QUANTITY_MAX, 0},
    {"StockReconciled", "movement", PROTO_REQUIRED, 0, 0},
    {"StockReconciled", "seen_on_hand", PROTO_REQUIRED, 0, 0},
    {"StockReconciled", "seen_reserved", PROTO_REQUIRED, 0, 0},
    {"StockReconciled", "seen_backordered", PROTO_REQUIRED, 0, 0},
    {"StockReconciled", "on_hand", PROTO_REQUIRED, QUANTITY_MAX, 0},
    {"StockReconciled", "reserved", PROTO_REQUIRED, QUANTITY_MAX, 0},
    {"StockReconciled", "backordered", PROTO_REQUIRED, QUANTITY_MAX, 0},
    {"StockReconciled", "reason", PROTO_REQUIRED, 500, 0},
};
// clang-format on

static void check_price(const ProtobufCMessage *message, struct jsonr_problems *problems)
{
    const Orderclerk__V1__Price *price = (const Orderclerk__V1__Price *)(const void *)message;
    if (money_exponent(price->currency) < 0)
        jsonr_problem(problems, "unknown_value", "currency",
                      "send an ISO 4217 code in capitals: CNY, EUR, USD", "unknown: \"%s\"", price->currency);
    for (size_t i = 1; i < price->n_breaks; i++)
        if (price->breaks[i]->min_quantity <= price->breaks[i - 1]->min_quantity) {
            jsonr_problem(problems, "out_of_order", "breaks", "let min_quantity rise from break to break",
                          "min_quantity %lld comes after %lld", (long long)price->breaks[i]->min_quantity,
                          (long long)price->breaks[i - 1]->min_quantity);
            return;
        }
}

static bool is_clock_time(const char *text)
{
    return strlen(text) == 5 && strspn(text, "0123456789:") == 5 && text[2] == ':' &&
           strcmp(text, "24:00") < 0 && text[3] < '6';
}

static void check_calendar(const ProtobufCMessage *message, struct jsonr_problems *problems)
{
    const Orderclerk__V1__Calendar *calendar = (const Orderclerk__V1__Calendar *)(const void *)message;
    if (!zone_exists(calendar->zone))
        jsonr_problem(problems, "unknown_value", "zone", "send an IANA time zone: Asia/Shanghai",
                      "unknown: \"%s\"", calendar->zone);
    if (calendar->cutoff[0] != '\0' && !is_clock_time(calendar->cutoff))
        jsonr_problem(problems, "format", "cutoff", "send HH:MM", "no time of day: \"%s\"", calendar->cutoff);
}

static void check_warehouse(const ProtobufCMessage *message, struct jsonr_problems *problems)
{
    const Orderclerk__V1__Warehouse *warehouse = (const Orderclerk__V1__Warehouse *)(const void *)message;
    bool http = strcmp(warehouse->adapter, "http") == 0;
    if (!http && strcmp(warehouse->adapter, "auto") != 0)
        jsonr_problem(problems, "unknown_value", "adapter", "one of: http auto", "unknown: \"%s\"",
                      warehouse->adapter);
    if (http && strncmp(warehouse->url, "http://", 7) != 0 && strncmp(warehouse->url, "https://", 8) != 0)
        jsonr_problem(problems, "format", "url", "send the warehouse's base address: https://…",
                      "isn't an HTTP address");
}

struct reference_detail {
    enum topic topic;
    const ProtobufCMessageDescriptor *descriptor;
    const char *key_fields[2]; // joined by "/"
    void (*check)(const ProtobufCMessage *message, struct jsonr_problems *problems);
};

static const char *text_field(const ProtobufCMessage *message, const char *name)
{
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field_by_name(message->descriptor, name);
    return *(char *const *)(const void *)((const char *)message + field->offset);
}

// One record to a topic; named by the client's key and the line, or by nothing.
static void make_item(const struct import_unit *unit, const char *endpoint, const char *kind,
                      enum topic topic, const char *key, const ProtobufCMessage *message,
                      struct ingress_item *ret_item)
{
    struct ingress_record *record = arena_new_object(unit->arena, struct ingress_record);
    *record = (struct ingress_record){.topic = topic, .key = bytes_str(key), .message = message};
    struct ingress_item item = {.id = uuid_v7(unit->now),
                                .scope = bytes_str("id"),
                                .client_key =
                                    intake_client_key(unit->arena, endpoint, unit->client, unit->key),
                                .kind = bytes_str(kind),
                                .content_type = bytes_str(unit->content_type),
                                .raw = unit->raw,
                                .records = record,
                                .record_count = 1};
    char *id = arena_alloc(unit->arena, UUID_TEXT_SIZE);
    uuid_format(item.id, id);
    item.key = bytes_str(id);
    hash_sha256(unit->raw, item.fingerprint);
    *ret_item = item;
}

static struct proto_reader reader_of(const struct import_unit *unit)
{
    return (struct proto_reader){.arena = unit->arena,
                                 .problems = unit->problems,
                                 .rules = reference_rules,
                                 .rule_count = COUNT_OF(reference_rules),
                                 .exponent = -1,
                                 .from_text = unit->from_text};
}

static bool knows_reference_column(const struct import_kind *kind, const char *name)
{
    const struct reference_detail *detail = kind->detail;
    return proto_json_knows(detail->descriptor, name);
}

static bool make_reference(const struct import_kind *kind, const struct import_unit *unit,
                           struct ingress_item *ret_item, const char **ret_label)
{
    const struct reference_detail *detail = kind->detail;
    struct proto_reader reader = reader_of(unit);
    ProtobufCMessage *message = proto_json_read(&reader, unit->object, "", detail->descriptor, NULL);
    if (unit->problems->count > 0)
        return false;
    const char *first = text_field(message, detail->key_fields[0]);
    *ret_label = detail->key_fields[1] == NULL
                     ? first
                     : arena_printf(unit->arena, "%s/%s", first, text_field(message, detail->key_fields[1]));
    if (detail->check != NULL)
        detail->check(message, unit->problems);
    if (unit->problems->count > 0)
        return false;
    make_item(unit, kind->name, "reference", detail->topic, *ret_label, message, ret_item);
    return true;
}

#define REFERENCE(kind_name, TOPIC_PART, message, check_function, ...)                                       \
    static const struct reference_detail kind_name##_detail = {.topic = TOPIC_REFERENCE_##TOPIC_PART,        \
                                                               .descriptor =                                 \
                                                                   &orderclerk__v1__##message##__descriptor, \
                                                               .key_fields = {__VA_ARGS__},                  \
                                                               .check = (check_function)};                   \
    static const char *const kind_name##_required[] = {__VA_ARGS__, NULL};                                   \
    static const struct import_kind kind_name##_kind = {.name = #kind_name,                                  \
                                                        .label = "key",                                      \
                                                        .required = kind_name##_required,                    \
                                                        .knows_column = knows_reference_column,              \
                                                        .make = make_reference,                              \
                                                        .detail = &kind_name##_detail};
REFERENCE(products, PRODUCTS, product, NULL, "sku")
REFERENCE(customers, CUSTOMERS, customer, NULL, "customer_id")
REFERENCE(prices, PRICES, price, check_price, "price_list", "sku")
REFERENCE(calendars, CALENDARS, calendar, check_calendar, "calendar_id")
REFERENCE(warehouses, WAREHOUSES, warehouse, check_warehouse, "warehouse")

// ---- stock

static const char *const stock_required[] = {"type", "sku", "warehouse", NULL};
static const char *const stock_columns[] = {
    "type",     "sku",         "warehouse", "actor",    "quantity",     "reference",     "date",
    "on_hand",  "as_of",       "safety",    "movement", "seen_on_hand", "seen_reserved", "seen_backordered",
    "reserved", "backordered", "reason"};

static bool knows_stock_column(const struct import_kind *kind, const char *name)
{
    (void)kind;
    return listed(stock_columns, COUNT_OF(stock_columns), name);
}

static bool make_stock(const struct import_kind *kind, const struct import_unit *unit,
                       struct ingress_item *ret_item, const char **ret_label)
{
    static const char *const besides[] = {"sku", "warehouse", "actor", NULL};
    struct proto_reader reader = reader_of(unit);
    struct bytes sku = jsonr_member_text(unit->object, "sku", true, 100, unit->problems);
    struct bytes warehouse = jsonr_member_text(unit->object, "warehouse", true, 100, unit->problems);
    struct bytes actor = jsonr_member_text(unit->object, "actor", false, 100, unit->problems);
    Orderclerk__V1__StockChange *change = (Orderclerk__V1__StockChange *)(void *)intake_read_body(
        &reader, unit->object, &orderclerk__v1__stock_change__descriptor, besides);
    if (change != NULL && change->body_case == ORDERCLERK__V1__STOCK_CHANGE__BODY_RECONCILED &&
        actor.size == 0)
        jsonr_problem(unit->problems, "required", "actor", "say who puts the counters right", "is missing");
    if (change == NULL || unit->problems->count > 0)
        return false;
    change->sku = arena_str(unit->arena, sku);
    change->warehouse = arena_str(unit->arena, warehouse);
    change->actor = actor.data != NULL ? arena_str(unit->arena, actor)
                                       : arena_printf(unit->arena, "client:%s", unit->client);
    if (change->body_case == ORDERCLERK__V1__STOCK_CHANGE__BODY_COUNTED && change->counted->as_of_us == 0)
        change->counted->as_of_us = unit->now;
    *ret_label = arena_printf(unit->arena, "%s@%s", change->sku, change->warehouse);
    make_item(unit, kind->name, "stock", TOPIC_STOCK_CHANGES, *ret_label, &change->base, ret_item);
    return true;
}

static const struct import_kind stock_kind = {.name = "stock",
                                              .label = "key",
                                              .required = stock_required,
                                              .knows_column = knows_stock_column,
                                              .make = make_stock};

const struct import_kind *import_kind_of(const char *path)
{
    static const struct import_kind *const kinds[] = {&import_orders, &products_kind,  &customers_kind,
                                                      &prices_kind,   &calendars_kind, &warehouses_kind,
                                                      &stock_kind};
    const char *last = strrchr(path, '/');
    size_t size = last == NULL ? 0 : strcspn(last + 1, ":");
    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        if (last != NULL && strlen(kinds[i]->name) == size && strncmp(last + 1, kinds[i]->name, size) == 0)
            return kinds[i];
    return NULL;
}
