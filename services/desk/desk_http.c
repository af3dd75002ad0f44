// The endpoints of the desk.
#include "base/arena.h"
#include "desk/desk.h"
#include "desk/desk_query.h"
#include "desk/desk_timeline.h"
#include "lane/topic.h"
#include "orderclerk/v1/order_state.pb-c.h"
#include "json/proto_json.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

// ---- orders

#define ORDER_COLUMNS                                                                                        \
    "SELECT o.order_id, o.order_no, o.state, o.waiting_on, o.reason, o.definition, o.channel, "              \
    "o.channel_ref, "                                                                                        \
    "o.customer_po, o.customer_id, o.company, o.phone, o.currency, o.total_minor, o.due, o.state_since, "    \
    "o.submitted_at, o.updated_at, o.revision FROM order_row o "
// $1 … $12 in the order of `filters`, then due_before, after, limit. Each statement is led by one filter with an index; the
// others only thin its result out.
#define REST                                                                                                 \
    "AND ($1::text IS NULL OR o.order_no = $1) AND ($2::text IS NULL OR o.customer_po = $2) "                \
    "AND ($3::text IS NULL OR o.phone = $3) AND ($4::text IS NULL OR o.customer_id = $4) "                   \
    "AND ($5::text IS NULL OR o.channel_ref = $5) "                                                          \
    "AND ($6::text IS NULL OR EXISTS (SELECT FROM order_product p WHERE p.order_id = o.order_id AND "        \
    "p.product = $6)) "                                                                                      \
    "AND ($7::text IS NULL OR o.state = $7) AND ($8::text IS NULL OR o.waiting_on = $8) "                    \
    "AND ($9::text IS NULL OR o.channel = $9) "                                                              \
    "AND ($10::timestamptz IS NULL OR (o.due <= $10 AND o.open)) "                                           \
    "AND ($11::uuid IS NULL OR o.order_id < $11) ORDER BY o.order_id DESC LIMIT $12"

static const struct {
    const char *parameter;
    const char *sql;
} filters[] = {
    {"order_no", ORDER_COLUMNS "WHERE o.order_no = $1 " REST},
    {"customer_po", ORDER_COLUMNS "WHERE o.customer_po = $2 " REST},
    {"phone", ORDER_COLUMNS "WHERE o.phone = $3 " REST},
    {"customer", ORDER_COLUMNS "WHERE o.customer_id = $4 " REST},
    {"channel_ref", ORDER_COLUMNS "WHERE o.channel_ref = $5 " REST},
    {"product",
     ORDER_COLUMNS "WHERE o.order_id IN (SELECT p.order_id FROM order_product p WHERE p.product = $6) " REST},
    {"state", ORDER_COLUMNS "WHERE o.state = $7 " REST},
    {"waiting_on", ORDER_COLUMNS "WHERE o.waiting_on = $8 AND o.open " REST},
    {"channel", ORDER_COLUMNS "WHERE o.channel = $9 " REST},
};
#define FILTER_COUNT (sizeof filters / sizeof filters[0])
static const char all_orders[] = ORDER_COLUMNS "WHERE true " REST;

static void write_order(struct jsonw *w, const PGresult *r, int row)
{
    char id[UUID_TEXT_SIZE];
    static const char *const texts[] = {"order_no",    "state",   "waiting_on",  "reason",
                                        "definition",  "channel", "channel_ref", "customer_po",
                                        "customer_id", "company", "phone",       "currency"};
    uuid_format(pg_get_uuid(r, row, 0), id);
    jsonw_begin_object(w, NULL);
    jsonw_str(w, "order_id", id);
    for (int i = 0; i < 12; i++) {
        if (!pg_is_null(r, row, i + 1))
            jsonw_bytes(w, texts[i], pg_get_bytes(r, row, i + 1));
    }
    jsonw_int(w, "total_minor", pg_get_i64(r, row, 13));
    if (!pg_is_null(r, row, 14))
        jsonw_instant(w, "due", pg_get_instant(r, row, 14));
    jsonw_instant(w, "state_since", pg_get_instant(r, row, 15));
    jsonw_instant(w, "submitted_at", pg_get_instant(r, row, 16));
    jsonw_instant(w, "updated_at", pg_get_instant(r, row, 17));
    jsonw_int(w, "revision", pg_get_i64(r, row, 18));
    jsonw_end_object(w);
}

static void list_orders(void *context, struct http_exchange *x)
{
    struct arena *arena = http_arena(x);
    struct pg_param params[12];
    const char *sql = all_orders;
    for (size_t i = FILTER_COUNT; i-- > 0;) {
        const char *value = http_query(x, filters[i].parameter);
        params[i] = desk_text_param(value);
        if (value != NULL && strcmp(filters[i].parameter, "phone") == 0)
            params[i] = pg_text(desk_phone_key(arena, value));
        if (value != NULL)
            sql = filters[i].sql; // the first of the list that is given
    }
    int64_t limit;
    if (!desk_instant_param(x, arena, "due_before", &params[9]) || !desk_limit(x, &limit))
        return;
    struct uuid after = {{0}};
    const char *cursor = http_query(x, "after");
    if (cursor != NULL && !uuid_parse(bytes_str(cursor), &after)) {
        desk_refuse(x, "after", "not an order id", "The `next` of the page before.");
        return;
    }
    params[10] = pg_uuid(arena, after);
    params[11] = pg_i64(arena, limit);
    PGresult *r;
    if (!desk_query(x, context, sql, params, 12, &r))
        return;
    struct jsonw w;
    jsonw_open(&w, arena);
    jsonw_begin_object(&w, NULL);
    jsonw_begin_array(&w, "orders");
    int rows = PQntuples(r);
    for (int i = 0; i < rows; i++)
        write_order(&w, r, i);
    jsonw_end_array(&w);
    if (rows == limit) {
        char id[UUID_TEXT_SIZE];
        uuid_format(pg_get_uuid(r, rows - 1, 0), id);
        jsonw_str(&w, "next", id);
    }
    jsonw_end_object(&w);
    PQclear(r);
    desk_reply(x, &w);
}

// By order_id or order_no. False: x has been answered.
static bool find_order(void *context, struct http_exchange *x, struct uuid *ret_id, struct bytes *ret_doc)
{
    static const char by_id[] = "SELECT order_id, doc FROM order_row WHERE order_id = $1";
    static const char by_no[] = "SELECT order_id, doc FROM order_row WHERE order_no = $1";
    const char *text = http_param(x, "id");
    struct uuid id;
    bool is_id = uuid_parse(bytes_str(text), &id);
    struct pg_param param = is_id ? pg_uuid(http_arena(x), id) : pg_text(bytes_str(text));
    PGresult *r;
    if (!desk_query(x, context, is_id ? by_id : by_no, &param, 1, &r))
        return false;
    bool found = PQntuples(r) == 1;
    if (found) {
        *ret_id = pg_get_uuid(r, 0, 0);
        *ret_doc = arena_bytes(http_arena(x), pg_get_bytes(r, 0, 1));
    }
    PQclear(r);
    if (!found) {
        http_reply_problem(
            x, &(struct http_problem){.status = 404,
                                      .type = "unknown-order",
                                      .title = "No such order",
                                      .detail = "The desk knows no order by this id or number (yet).",
                                      .field = "id",
                                      .remedy = "An order_id or order_no from GET /v1/orders."});
    }
    return found;
}

static void show_order(void *context, struct http_exchange *x)
{
    struct uuid id;
    struct bytes doc;
    if (!find_order(context, x, &id, &doc))
        return;
    const ProtobufCMessage *message = protobuf_c_message_unpack(
        &orderclerk__v1__order_state__descriptor, arena_protobuf(http_arena(x)), doc.size, doc.data);
    assert(message != NULL); // it was decoded before it was stored
    struct jsonw w;
    jsonw_open(&w, http_arena(x));
    proto_json_write(&w, NULL, message);
    desk_reply(x, &w);
}

// ---- the timeline

static void show_timeline(void *context, struct http_exchange *x)
{
    static const char sql[] =
        "SELECT topic, part FROM timeline_part WHERE order_id = $1 ORDER BY topic, sequence";
    struct uuid id;
    struct bytes doc;
    if (!find_order(context, x, &id, &doc))
        return;
    struct pg_param param = pg_uuid(http_arena(x), id);
    PGresult *r;
    if (!desk_query(x, context, sql, &param, 1, &r))
        return;
    struct jsonw w;
    jsonw_open(&w, http_arena(x));
    jsonw_begin_object(&w, NULL);
    char text[UUID_TEXT_SIZE];
    uuid_format(id, text);
    jsonw_str(&w, "order_id", text);
    jsonw_begin_array(&w, "timeline");
    size_t count = (size_t)PQntuples(r);
    enum topic *topics = arena_new_array(http_arena(x), enum topic, count);
    struct bytes *parts = arena_new_array(http_arena(x), struct bytes, count);
    for (size_t i = 0; i < count; i++) {
        topics[i] = (enum topic)pg_get_i32(r, (int)i, 0);
        parts[i] = pg_get_bytes(r, (int)i, 1);
    }
    desk_timeline_write(&w, http_arena(x), topics, parts, count);
    jsonw_end_array(&w);
    jsonw_end_object(&w);
    PQclear(r);
    desk_reply(x, &w);
}

// ---- tasks

static void list_tasks(void *context, struct http_exchange *x)
{
    static const char sql[] =
        "SELECT t.task_id, t.owner, t.kind, t.text_en, t.text_zh, t.outcome, o.order_no, o.state, "
        "t.order_id, t.since, t.due, "
        "t.closed FROM task t LEFT JOIN order_row o USING (order_id) "
        "WHERE ($1::text IS NULL OR t.owner = $1) AND ($2::uuid IS NULL OR t.order_id = $2) "
        "AND ($3::bool OR t.closed IS NULL) AND ($4::timestamptz IS NULL OR t.due <= $4) "
        "ORDER BY t.due NULLS LAST, t.task_id LIMIT $5";
    static const char *const texts[] = {"task_id", "owner",   "kind",     "text_en",
                                        "text_zh", "outcome", "order_no", "order_state"};
    struct arena *arena = http_arena(x);
    const char *order = http_query(x, "order_id");
    const char *closed = http_query(x, "closed");
    struct uuid id = {{0}};
    int64_t limit;
    if (order != NULL && !uuid_parse(bytes_str(order), &id)) {
        desk_refuse(x, "order_id", "not an order id", "A UUID.");
        return;
    }
    struct pg_param params[5] = {desk_text_param(http_query(x, "owner")), pg_uuid(arena, id),
                                 pg_bool(arena, closed != NULL && strcmp(closed, "true") == 0)};
    if (!desk_instant_param(x, arena, "due_before", &params[3]) || !desk_limit(x, &limit))
        return;
    params[4] = pg_i64(arena, limit);
    PGresult *r;
    if (!desk_query(x, context, sql, params, 5, &r))
        return;
    struct jsonw w;
    jsonw_open(&w, arena);
    jsonw_begin_object(&w, NULL);
    jsonw_begin_array(&w, "tasks");
    for (int i = 0; i < PQntuples(r); i++) {
        char text[UUID_TEXT_SIZE];
        uuid_format(pg_get_uuid(r, i, 8), text);
        jsonw_begin_object(&w, NULL);
        jsonw_str(&w, "order_id", text);
        for (int c = 0; c < 8; c++) {
            if (!pg_is_null(r, i, c))
                jsonw_bytes(&w, texts[c], pg_get_bytes(r, i, c));
        }
        jsonw_instant(&w, "since", pg_get_instant(r, i, 9));
        if (!pg_is_null(r, i, 10))
            jsonw_instant(&w, "due", pg_get_instant(r, i, 10));
        if (!pg_is_null(r, i, 11))
            jsonw_instant(&w, "closed", pg_get_instant(r, i, 11));
        jsonw_end_object(&w);
    }
    jsonw_end_array(&w);
    jsonw_end_object(&w);
    PQclear(r);
    desk_reply(x, &w);
}

// ---- stock, dead letters, summary

static void list_stock(void *context, struct http_exchange *x)
{
    static const char sql[] =
        "SELECT sku, warehouse, on_hand, reserved, backordered, safety, damaged, qc_hold, incoming, version, "
        "incoming_date, updated_at "
        "FROM stock_level WHERE ($1::text IS NULL OR sku = $1) AND ($2::text IS NULL OR warehouse = $2) "
        "ORDER BY sku, warehouse LIMIT $3";
    static const char *const numbers[] = {"on_hand", "reserved", "backordered", "safety",
                                          "damaged", "qc_hold",  "incoming",    "version"};
    struct arena *arena = http_arena(x);
    int64_t limit;
    if (!desk_limit(x, &limit))
        return;
    struct pg_param params[3] = {desk_text_param(http_query(x, "sku")),
                                 desk_text_param(http_query(x, "warehouse")), pg_i64(arena, limit)};
    PGresult *r;
    if (!desk_query(x, context, sql, params, 3, &r))
        return;
    struct jsonw w;
    jsonw_open(&w, arena);
    jsonw_begin_object(&w, NULL);
    jsonw_begin_array(&w, "stock");
    for (int i = 0; i < PQntuples(r); i++) {
        int64_t available = pg_get_i64(r, i, 2) - pg_get_i64(r, i, 3) - pg_get_i64(r, i, 5) -
                            pg_get_i64(r, i, 6) - pg_get_i64(r, i, 7);
        jsonw_begin_object(&w, NULL);
        jsonw_bytes(&w, "sku", pg_get_bytes(r, i, 0));
        jsonw_bytes(&w, "warehouse", pg_get_bytes(r, i, 1));
        jsonw_int(&w, "available", available);
        for (int c = 0; c < 8; c++)
            jsonw_int(&w, numbers[c], pg_get_i64(r, i, c + 2));
        if (!pg_is_null(r, i, 10))
            jsonw_bytes(&w, "incoming_date", pg_get_bytes(r, i, 10));
        jsonw_instant(&w, "updated_at", pg_get_instant(r, i, 11));
        jsonw_end_object(&w);
    }
    jsonw_end_array(&w);
    jsonw_end_object(&w);
    PQclear(r);
    desk_reply(x, &w);
}

#define DEAD_LETTER_COLUMNS                                                                                  \
    "SELECT id, service, topic, key, reason, detail, state, record_event_id, record_partition, "             \
    "record_offset, held, "                                                                                  \
    "settled, at, value FROM dead_letter "

static void write_dead_letter(struct jsonw *w, const PGresult *r, int i, bool whole, struct arena *arena)
{
    static const char *const texts[] = {"service", "topic",          "key", "reason", "detail",
                                        "state",   "record_event_id"};
    char id[UUID_TEXT_SIZE];
    uuid_format(pg_get_uuid(r, i, 0), id);
    jsonw_begin_object(w, NULL);
    jsonw_str(w, "id", id);
    for (int c = 0; c < 7; c++) {
        if (!pg_is_null(r, i, c + 1))
            jsonw_bytes(w, texts[c], pg_get_bytes(r, i, c + 1));
    }
    jsonw_int(w, "partition", pg_get_i32(r, i, 8));
    jsonw_int(w, "offset", pg_get_i64(r, i, 9));
    jsonw_bool(w, "held", pg_get_bool(r, i, 10));
    jsonw_bool(w, "settled", pg_get_bool(r, i, 11));
    jsonw_instant(w, "at", pg_get_instant(r, i, 12));
    struct bytes topic_name = pg_get_bytes(r, i, 2);
    const struct topic_info *topic = topic_find(arena_str(arena, topic_name));
    struct bytes value = pg_get_bytes(r, i, 13);
    const ProtobufCMessage *m =
        !whole || topic == NULL
            ? NULL
            : protobuf_c_message_unpack(topic->descriptor, arena_protobuf(arena), value.size, value.data);
    if (m != NULL)
        proto_json_write(w, "message", m);
    jsonw_end_object(w);
}

static void list_dead_letters(void *context, struct http_exchange *x)
{
    static const char sql[] =
        DEAD_LETTER_COLUMNS "WHERE ($1::text IS NULL OR service = $1) AND ($2::text IS NULL OR key = $2) "
                            "AND ($3::bool OR NOT settled) ORDER BY at DESC, id LIMIT $4";
    struct arena *arena = http_arena(x);
    const char *settled = http_query(x, "settled");
    int64_t limit;
    if (!desk_limit(x, &limit))
        return;
    struct pg_param params[4] = {
        desk_text_param(http_query(x, "service")), desk_text_param(http_query(x, "key")),
        pg_bool(arena, settled != NULL && strcmp(settled, "true") == 0), pg_i64(arena, limit)};
    PGresult *r;
    if (!desk_query(x, context, sql, params, 4, &r))
        return;
    struct jsonw w;
    jsonw_open(&w, arena);
    jsonw_begin_object(&w, NULL);
    jsonw_begin_array(&w, "dead_letters");
    for (int i = 0; i < PQntuples(r); i++)
        write_dead_letter(&w, r, i, false, arena);
    jsonw_end_array(&w);
    jsonw_end_object(&w);
    PQclear(r);
    desk_reply(x, &w);
}

static void show_dead_letter(void *context, struct http_exchange *x)
{
    static const char sql[] = DEAD_LETTER_COLUMNS "WHERE id = $1";
    struct uuid id;
    if (!uuid_parse(bytes_str(http_param(x, "id")), &id)) {
        desk_refuse(x, "id", "not a dead letter's id", "A UUID from GET /v1/dead-letters.");
        return;
    }
    struct pg_param param = pg_uuid(http_arena(x), id);
    PGresult *r;
    if (!desk_query(x, context, sql, &param, 1, &r))
        return;
    if (PQntuples(r) == 0) {
        PQclear(r);
        http_reply_problem(x, &(struct http_problem){.status = 404,
                                                     .type = "unknown-dead-letter",
                                                     .title = "No such dead letter",
                                                     .field = "id",
                                                     .remedy = "An id from GET /v1/dead-letters."});
        return;
    }
    struct jsonw w;
    jsonw_open(&w, http_arena(x));
    write_dead_letter(&w, r, 0, true, http_arena(x));
    PQclear(r);
    desk_reply(x, &w);
}

static void show_summary(void *context, struct http_exchange *x)
{
    static const char sql[] =
        "SELECT state, channel, coalesce(definition, ''), coalesce(waiting_on, ''), coalesce(reason, ''), "
        "count(*) FROM order_row GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5";
    static const char *const texts[] = {"state", "channel", "definition", "waiting_on", "reason"};
    PGresult *r;
    if (!desk_query(x, context, sql, NULL, 0, &r))
        return;
    struct jsonw w;
    jsonw_open(&w, http_arena(x));
    jsonw_begin_object(&w, NULL);
    jsonw_begin_array(&w, "groups");
    for (int i = 0; i < PQntuples(r); i++) {
        jsonw_begin_object(&w, NULL);
        for (int c = 0; c < 5; c++)
            jsonw_bytes(&w, texts[c], pg_get_bytes(r, i, c));
        jsonw_int(&w, "orders", pg_get_i64(r, i, 5));
        jsonw_end_object(&w);
    }
    jsonw_end_array(&w);
    jsonw_end_object(&w);
    PQclear(r);
    desk_reply(x, &w);
}

static void get_openapi(void *context, struct http_exchange *x)
{
    (void)context;
    http_reply_json(x, 200, desk_openapi);
}

const struct http_route desk_routes[] = {
    {.method = "GET", .path = "/openapi.json", .handle = get_openapi},
    {.method = "GET", .path = "/v1/orders", .handle = list_orders},
    {.method = "GET", .path = "/v1/orders/{id}", .handle = show_order},
    {.method = "GET", .path = "/v1/orders/{id}/timeline", .handle = show_timeline},
    {.method = "GET", .path = "/v1/tasks", .handle = list_tasks},
    {.method = "GET", .path = "/v1/stock", .handle = list_stock},
    {.method = "GET", .path = "/v1/dead-letters", .handle = list_dead_letters},
    {.method = "GET", .path = "/v1/dead-letters/{id}", .handle = show_dead_letter},
    {.method = "GET", .path = "/v1/summary", .handle = show_summary},
};
const size_t desk_route_count = sizeof desk_routes / sizeof desk_routes[0];
