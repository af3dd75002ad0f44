// Requests to warehouses, as effects: released shipments and cancel requests.
#include "fulfillment-tracker/fulfillment.h"

#include "json/jsonw.h"
#include "json/proto_json.h"

#include <string.h>
#include <strings.h>

// Doubling of the silence stops here: 15 minutes become 8 hours, so that a warehouse which comes back is asked the same day.
#define SILENCE_DOUBLINGS_MAX 5
// A warehouse whose master data hasn't come yet is looked up again so soon: both travel at the same time.
#define LOOKUP_FIRST_US INSTANT_SECOND

const struct warehouse_ref_row *fulfillment_warehouse(struct batch *batch, struct bytes warehouse)
{
    if (warehouse.data == NULL)
        return NULL;
    struct warehouse_ref_row probe = {.warehouse = warehouse};
    return batch_find(batch, &warehouse_ref_table, &probe);
}

bool fulfillment_is_auto(struct bytes warehouse, const struct warehouse_ref_row *ref)
{
    return ref == NULL ? bytes_is(warehouse, FULFILLMENT_AUTO_WAREHOUSE)
                       : bytes_is(ref->adapter, FULFILLMENT_AUTO_ADAPTER);
}

const Orderclerk__V1__ReleaseShipment *fulfillment_release_of(struct turn *turn)
{
    struct shipment_release_row probe = {.order_id = turn->shipment->order_id,
                                         .shipment_id = turn->shipment->shipment_id};
    const struct shipment_release_row *row = batch_find(turn->batch, &shipment_release_table, &probe);
    if (row == NULL)
        return NULL;
    return orderclerk__v1__release_shipment__unpack(arena_protobuf(batch_arena(turn->batch)),
                                                    row->release.size, row->release.data);
}

static instant later(const struct turn *turn, int64_t first_us, int32_t tries)
{
    int32_t doublings = tries < SILENCE_DOUBLINGS_MAX ? tries : SILENCE_DOUBLINGS_MAX;
    return turn->now + (first_us << doublings);
}

// The body of a release: the same bytes for the same shipment, whenever it is sent.
static struct bytes release_body(struct turn *turn, const Orderclerk__V1__ReleaseShipment *release)
{
    struct jsonw w;
    jsonw_open(&w, batch_arena(turn->batch));
    jsonw_begin_object(&w, NULL);
    jsonw_bytes(&w, "order_id", turn->in->key);
    proto_json_write_members(&w, &release->base);
    jsonw_end_object(&w);
    return jsonw_done(&w);
}

static struct bytes cancel_body(struct turn *turn)
{
    struct jsonw w;
    char id[UUID_TEXT_SIZE];
    uuid_format(turn->shipment->shipment_id, id);
    jsonw_open(&w, batch_arena(turn->batch));
    jsonw_begin_object(&w, NULL);
    jsonw_bytes(&w, "order_id", turn->in->key);
    jsonw_str(&w, "shipment_id", id);
    jsonw_bytes(&w, "warehouse", turn->shipment->warehouse);
    jsonw_end_object(&w);
    return jsonw_done(&w);
}

// path: behind the shipment's own address.
static struct uuid call(struct turn *turn, const struct warehouse_ref_row *ref, const char *kind,
                        const char *method, const char *path, struct bytes body)
{
    struct arena *arena = batch_arena(turn->batch);
    char id[UUID_TEXT_SIZE];
    uuid_format(turn->shipment->shipment_id, id);
    struct bytes url = ref->url;
    while (url.size > 0 && ((const char *)url.data)[url.size - 1] == '/')
        url.size--;
    Orderclerk__V1__EffectHeader type = ORDERCLERK__V1__EFFECT_HEADER__INIT;
    type.name = (char *)(uintptr_t) "content-type";
    type.value = (char *)(uintptr_t) "application/json";
    Orderclerk__V1__EffectHeader *headers[] = {&type};
    Orderclerk__V1__EffectRequest request = ORDERCLERK__V1__EFFECT_REQUEST__INIT;
    request.kind = (char *)(uintptr_t)kind;
    request.transport = (char *)(uintptr_t) "http";
    request.method = (char *)(uintptr_t)method;
    request.url =
        arena_printf(arena, "%.*s/wms/v1/shipments/%s%s", (int)url.size, (const char *)url.data, id, path);
    request.headers = headers;
    request.n_headers = 1;
    request.body = (ProtobufCBinaryData){.data = (uint8_t *)(uintptr_t)body.data, .len = body.size};
    request.note = id;
    const char *target = arena_printf(arena, "warehouse:%s", arena_str(arena, turn->shipment->warehouse));
    return batch_effect(turn->batch, target, &request, INSTANT_NONE);
}

static struct uuid call_auto(struct turn *turn)
{
    char id[UUID_TEXT_SIZE];
    uuid_format(turn->shipment->shipment_id, id);
    Orderclerk__V1__EffectRequest request = ORDERCLERK__V1__EFFECT_REQUEST__INIT;
    request.kind = (char *)(uintptr_t)FULFILLMENT_RELEASE_EFFECT;
    request.transport = (char *)(uintptr_t) "auto";
    request.note = id;
    return batch_effect(turn->batch, "warehouse:auto", &request, INSTANT_NONE);
}

static const char *unusable(const struct warehouse_ref_row *ref)
{
    if (ref == NULL)
        return "the warehouse is not in the master data";
    return ref->url.size == 0 ? "the warehouse's master data has no url" : NULL;
}

void fulfillment_ask_release(struct turn *turn)
{
    struct shipment_row *s = turn->shipment;
    const struct warehouse_ref_row *ref = fulfillment_warehouse(turn->batch, s->warehouse);
    s->due = INSTANT_NONE;
    if (fulfillment_is_auto(s->warehouse, ref)) {
        s->release_effect = call_auto(turn);
        return;
    }
    const char *why = unusable(ref);
    const Orderclerk__V1__ReleaseShipment *release = fulfillment_release_of(turn);
    if (why == NULL && release != NULL) {
        s->due = turn->now + turn->settings->unreachable_after;
        s->release_effect =
            call(turn, ref, FULFILLMENT_RELEASE_EFFECT, "PUT", "", release_body(turn, release));
        return;
    }
    s->due = later(turn, LOOKUP_FIRST_US, s->tries);
    s->tries++;
    if (s->tries >= FULFILLMENT_TRIES_TOLD)
        fulfillment_tell_unreachable(turn, why == NULL ? "what to ship is not kept any more" : why, s->tries);
}

void fulfillment_ask_cancel(struct turn *turn)
{
    struct shipment_row *s = turn->shipment;
    const struct warehouse_ref_row *ref = fulfillment_warehouse(turn->batch, s->warehouse);
    const char *why = unusable(ref);
    if (why != NULL) {
        s->due = later(turn, LOOKUP_FIRST_US, s->tries);
        s->tries++;
        return;
    }
    s->due = turn->now + turn->settings->unreachable_after;
    s->cancel_effect =
        call(turn, ref, FULFILLMENT_CANCEL_EFFECT, "POST", "/cancel-request", cancel_body(turn));
}

void fulfillment_await(struct turn *turn)
{
    turn->shipment->due = later(turn, turn->settings->accept_silence, turn->shipment->tries);
}
