// Warehouses' and carriers' callbacks. HTTP threads, and ingress's thread for the answers.
#include "fulfillment-tracker/fulfillment_callbacks.h"

#include "base/hash.h"
#include "fulfillment-tracker/fulfillment.h"
#include "fulfillment-tracker/fulfillment_secrets.h"
#include "ingress/ingress.h"
#include "lane/process.h"
#include "pg/db_clock.h"
#include "json/jsonw.h"

#include <sodium.h>

#define RETRY_S 1

extern const char callback_openapi[]; // openapi.json, embedded

// ---- answers

static void answer_unavailable(struct http_exchange *x, const char *detail, int retry_after_s)
{
    http_reply_problem(x, &(struct http_problem){.status = 503,
                                                 .type = "unavailable",
                                                 .title = "The callback can't be stored now",
                                                 .detail = detail,
                                                 .remedy = "Send it again with the same webhook-id.",
                                                 .retry_after_s = retry_after_s});
}

static void answer_problems(struct http_exchange *x, const struct jsonr_problems *problems)
{
    const struct jsonr_problem *first = &problems->items[0];
    struct jsonw w;
    jsonw_open(&w, http_arena(x));
    jsonw_begin_object(&w, NULL);
    jsonr_problems_write(&w, "problems", problems);
    jsonw_end_object(&w);
    struct bytes object = jsonw_done(&w);
    // The members alone: without the braces.
    const char *members = arena_str(http_arena(x), bytes_of((const char *)object.data + 1, object.size - 2));
    bool unreadable = first->field[0] == '\0';
    http_reply_problem(x, &(struct http_problem){.status = unreadable ? 400 : 422,
                                                 .type = unreadable ? "malformed" : "invalid",
                                                 .title = "The callback can't be taken",
                                                 .detail = first->detail,
                                                 .field = unreadable ? NULL : first->field,
                                                 .remedy = first->remedy,
                                                 .extra_json = members});
}

static void stored(void *self, const struct ingress_answer *answer)
{
    struct http_exchange *x = self;
    char id[UUID_TEXT_SIZE];
    switch (answer->status) {
    case INGRESS_STORED:
    case INGRESS_REPEATED:
        uuid_format(answer->submission, id);
        http_reply_json(x, answer->status == INGRESS_STORED ? 202 : 200,
                        arena_printf(http_arena(x), "{\"status\":\"%s\",\"submission\":\"%s\"}",
                                     answer->status == INGRESS_STORED ? "accepted" : "known already", id));
        return;
    case INGRESS_CONFLICT:
        http_reply_problem(x, &(struct http_problem){.status = 422,
                                                     .type = "id-used",
                                                     .title = "This webhook-id was used for another body",
                                                     .field = "webhook-id",
                                                     .remedy = "Give each callback an id of its own."});
        return;
    case INGRESS_FAILED:
    case INGRESS_UNKNOWN:
        answer_unavailable(x, answer->text == NULL ? "The database didn't answer." : answer->text, RETRY_S);
        return;
    }
}

// ---- the request

static bool authentic(struct http_exchange *x, struct process *process, const char *warehouse)
{
    struct secret secret;
    struct err e = secrets_get(process_user(process), bytes_str(warehouse), &secret);
    if (err_is(&e)) {
        answer_unavailable(x, "The warehouse's secret can't be read.", RETRY_S);
        return false;
    }
    if (!secret.known) {
        http_reply_problem(x, &(struct http_problem){
                                  .status = 404,
                                  .type = "unknown-warehouse",
                                  .title = "There is no such warehouse",
                                  .field = "warehouse",
                                  .remedy = "Use the code by which the warehouse is in the master data."});
        return false;
    }
    struct webhook webhook = {.id = http_header(x, "webhook-id"),
                              .timestamp = http_header(x, "webhook-timestamp"),
                              .signature = http_header(x, "webhook-signature"),
                              .body = http_body(x)};
    const char *wrong = webhook_verify(&webhook, bytes_str(secret.text), db_clock_now(),
                                       fulfillment_settings.callback_window);
    if (wrong == NULL)
        return true;
    http_reply_problem(x, &(struct http_problem){.status = 401,
                                                 .type = "signature",
                                                 .title = "The callback's signature doesn't hold",
                                                 .detail = wrong,
                                                 .remedy = "Sign it as Standard Webhooks describes."});
    return false;
}

static void submit(struct http_exchange *x, struct process *process, const char *warehouse,
                   const Orderclerk__V1__WarehouseReply *reply, struct uuid order_id)
{
    char key[UUID_TEXT_SIZE];
    uuid_format(order_id, key);
    struct ingress_record record = {
        .topic = TOPIC_WAREHOUSE_REPLIES, .key = bytes_str(key), .message = &reply->base};
    struct ingress_item item = {
        .scope = bytes_str(arena_printf(http_arena(x), "callback:%s", warehouse)),
        .key = bytes_str(http_header(x, "webhook-id")),
        .kind = bytes_str("callback"),
        .content_type = bytes_str("application/json"),
        .raw = http_body(x),
        .subject = order_id,
        .records = &record,
        .record_count = 1,
    };
    hash_sha256(http_body(x), item.fingerprint);
    http_defer(x);
    ingress_submit(process_ingress(process), &item, stored, x);
}

static void take_callback(void *context, struct http_exchange *x)
{
    struct process *process = context;
    const char *warehouse = http_param(x, "warehouse");
    int retry_after_s = RETRY_S;
    if (!ingress_accepts(process_ingress(process), &retry_after_s)) {
        answer_unavailable(x, "Too much waits to be published.", retry_after_s);
        return;
    }
    if (!authentic(x, process, warehouse))
        return;
    struct jsonr_problems problems = {.arena = http_arena(x)};
    struct uuid order_id;
    const Orderclerk__V1__WarehouseReply *reply =
        callback_parse(http_arena(x), warehouse, http_body(x), &order_id, &problems);
    if (reply == NULL) {
        answer_problems(x, &problems);
        return;
    }
    submit(x, process, warehouse, reply, order_id);
}

static void get_openapi(void *context, struct http_exchange *x)
{
    (void)context;
    http_reply_json(x, 200, callback_openapi);
}

const struct http_route callback_routes[] = {
    {.method = "GET", .path = "/openapi.json", .handle = get_openapi},
    {.method = "POST",
     .path = "/v1/warehouses/{warehouse}/callbacks",
     .handle = take_callback,
     .body_max = CALLBACK_BODY_MAX,
     .content_types = "application/json"},
};
const size_t callback_route_count = sizeof callback_routes / sizeof callback_routes[0];

struct err callbacks_start(struct process *process)
{
    if (sodium_init() < 0)
        return err_make(ERR_CONFIG, "libsodium can't be used here");
    process_set_user(process, secrets_new(process_pg(process), fulfillment_settings.callback_cache));
    return err_ok();
}

void callbacks_stop(struct process *process)
{
    secrets_free(process_user(process));
}
