// Bodies of warehouses' callbacks.
#include "fulfillment-tracker/fulfillment.h"
#include "fulfillment-tracker/fulfillment_callbacks.h"
#include "fuzz/fuzz.h"
#include "fuzz/problems.h"
#include "json/proto_json.h"

static struct bytes write_reply(struct arena *arena, Orderclerk__V1__WarehouseReply *reply,
                                struct uuid order_id)
{
    char id[UUID_TEXT_SIZE];
    uuid_format(order_id, id);
    reply->warehouse = (char *)(uintptr_t) ""; // not a member: the path says it
    struct jsonw w;
    jsonw_open(&w, arena);
    jsonw_begin_object(&w, NULL);
    jsonw_str(&w, "order_id", id);
    proto_json_write_members(&w, &reply->base);
    jsonw_end_object(&w);
    return jsonw_done(&w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *arena = arena_new(4096);
    struct jsonr_problems problems = {.arena = arena};
    struct uuid order_id, again_id, shipment_id;
    Orderclerk__V1__WarehouseReply *reply =
        callback_parse(arena, "SH1", bytes_of(data, size), &order_id, &problems);
    if (reply == NULL) {
        fuzz_check_problems(&problems);
    } else {
        enum reply_kind kind;
        FUZZ_CHECK(reply_kind_parse(reply->kind, &kind));
        FUZZ_CHECK(uuid_parse(bytes_str(reply->shipment_id), &shipment_id));
        FUZZ_CHECK(reply->happened_at_us != 0 && reply->n_lines <= FULFILLMENT_LINES_MAX);
        const struct bytes written = write_reply(arena, reply, order_id);
        Orderclerk__V1__WarehouseReply *again = callback_parse(arena, "SH1", written, &again_id, &problems);
        FUZZ_CHECK(again != NULL && uuid_equal(again_id, order_id));
        FUZZ_CHECK(bytes_equal(write_reply(arena, again, again_id), written));
    }
    arena_free(arena);
    return 0;
}
