// Intake, the whole service at a glance.
#include "intake/intake.h"

#include "intake/intake_backlog.h"
#include "intake/intake_http.h"
#include "intake/intake_import.h"
#include "intake/intake_order.h"
#include "intake/intake_request.h"
#include "intake/intake_view.h"
#include "kafka/kafka.h"

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

// The lane only keeps a copy of each order's state; everything that intake sends goes through ingress.
static const enum topic inputs[] = {TOPIC_ORDER_STATE};
static const struct table *const tables[] = {&order_view_table, &request_refused_table};

static struct err decide(struct batch *batch, const struct input *in)
{
    return in->kind == INPUT_MESSAGE && in->topic == TOPIC_ORDER_STATE ? intake_view_decide(batch, in)
                                                                       : err_ok();
}

static struct {
    int64_t orders_waiting_max;
} intake_settings;

static const struct setting settings[] = {
    {.key = "orders_waiting_max",
     .type = SETTING_INT,
     .offset = 0,
     .fallback = "10000",
     .min = 1,
     .max = INT64_MAX,
     .help = "No new orders are taken (503) while so many records of `orders` wait for the orchestrator."},
};

const struct setting_table intake_setting_tables[] = {
    {.settings = settings, .count = COUNT_OF(settings), .target = &intake_settings}};
const size_t intake_setting_table_count = COUNT_OF(intake_setting_tables);

const struct lane_service intake_lane = {
    .name = "intake",
    .unhurried = true,
    .group = "intake.v1",
    .inputs = inputs,
    .input_count = COUNT_OF(inputs),
    .tables = tables,
    .table_count = COUNT_OF(tables),
    .decoded_as = intake_view_decoded_as,
    .want = intake_view_want,
    .decide = decide,
};

static void get_openapi(void *context, struct http_exchange *x)
{
    (void)context;
    http_reply_json(x, 200, intake_openapi);
}

#define IMPORT(resource)                                                                                     \
    {                                                                                                        \
        .method = "POST", .path = (resource), .handle = intake_import_end, .chunk = intake_import_chunk,     \
        .body_max = IMPORT_BODY_MAX, .content_types = INTAKE_TABLES                                          \
    }
#define POST(resource, handler)                                                                              \
    {                                                                                                        \
        .method = "POST", .path = (resource), .handle = (handler), .body_max = INTAKE_BODY_MAX,              \
        .content_types = INTAKE_JSON                                                                         \
    }
#define GET(resource, handler)                                                                               \
    {                                                                                                        \
        .method = "GET", .path = (resource), .handle = (handler)                                             \
    }

const struct http_route intake_routes[] = {
    POST("/v1/orders", intake_post_order),
    GET("/v1/orders/{id}", intake_get_order),
    POST("/v1/orders/{id}/requests", intake_post_request),
    GET("/v1/orders/{id}/requests/{request_id}", intake_get_request),
    POST("/v1/departments/{name}/replies", intake_post_reply),
    POST("/v1/control", intake_post_control),
    IMPORT("/v1/orders:import"),
    IMPORT("/v1/reference/products:import"),
    IMPORT("/v1/reference/customers:import"),
    IMPORT("/v1/reference/prices:import"),
    IMPORT("/v1/reference/calendars:import"),
    IMPORT("/v1/reference/warehouses:import"),
    IMPORT("/v1/stock:import"),
    IMPORT("/v1/reference/stock:import"),
    GET("/openapi.json", get_openapi),
};
const size_t intake_route_count = COUNT_OF(intake_routes);

static struct intake shared;

struct err intake_start(struct process *process)
{
    process_set_user(process, &shared);
    struct err e = shared.store == NULL ? intake_store_open(process_pg(process), &shared.store) : err_ok();
    if (err_is(&e))
        return e;
    const struct kafka_cluster cluster = process_cluster(process);
    return backlog_open(&cluster, intake_settings.orders_waiting_max, &shared.backlog);
}

void intake_stop(struct process *process)
{
    (void)process;
    backlog_close(shared.backlog);
    shared.backlog = NULL;
    intake_store_close(shared.store);
    shared.store = NULL;
}
