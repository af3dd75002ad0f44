// Warehouses, carriers and the mail server: what they answer to calls, and what warehouses report later by callbacks.
#include "sim/sim.h"

#include "base/hash.h"
#include "fulfillment-tracker/fulfillment_callbacks.h"
#include "orderclerk/v1/commands.pb-c.h"
#include "orderclerk/v1/order_state.pb-c.h"
#include "orderclerk/v1/outbox.pb-c.h"
#include "sim/sim_map.h"

#include <assert.h>
#include <stdio.h>

struct parcel {
    struct parcel *next;
    const char *shipment_id, *order_id, *warehouse;
    const Orderclerk__V1__ReleaseShipment *release;
    struct sim_random random;
    uint32_t asked, cancels, callbacks;
    bool known;    // the warehouse has taken the release
    bool gone;     // handed over
    bool kept;     // said that it won't ship: rejected or cancelled
    bool stubborn; // refuses to cancel
    bool rogue;    // has shipped what it had said it would not
    bool less;     // a unit of each line is not found
    bool vanished; // handed over, and never heard of again: a person settles it with the customer
};

struct sim_outside {
    struct sim_map parcels;
};

// ---- callbacks

struct callback {
    struct parcel *parcel;
    const char *kind;
    const char *lines;
    uint32_t number;
    instant at; // when it happened
};

static bool make_callback(struct sim_client *client, struct arena *arena, struct ingress_item *ret_item)
{
    const struct callback *c = client->what;
    char at[INSTANT_TEXT_SIZE];
    instant_format(c->at, at);
    char *body = arena_printf(
        arena,
        "{\"shipment_id\":\"%s\",\"order_id\":\"%s\",\"kind\":\"%s\",\"carrier\":\"SF\",\"tracking_no\":"
        "\"SF1000000000017\",\"happened_at\":\"%s\"%s%s}",
        c->parcel->shipment_id, c->parcel->order_id, c->kind, at,
        c->lines[0] == '\0' ? "" : ",\"lines\":", c->lines);
    struct jsonr_problems problems = {.arena = arena};
    struct uuid order_id;
    const Orderclerk__V1__WarehouseReply *reply =
        callback_parse(arena, c->parcel->warehouse, bytes_str(body), &order_id, &problems);
    if (reply == NULL)
        fprintf(stderr, "callback refused: %s: %s %s\n", body, problems.items[0].field,
                problems.items[0].detail);
    assert(reply != NULL);
    struct ingress_record *record = arena_new_object(arena, struct ingress_record);
    *record = (struct ingress_record){
        .topic = TOPIC_WAREHOUSE_REPLIES, .key = bytes_str(c->parcel->order_id), .message = &reply->base};
    *ret_item = (struct ingress_item){
        .scope = bytes_str(arena_printf(arena, "callback:%s", c->parcel->warehouse)),
        .key = bytes_str(arena_printf(arena, "%s-%u", c->parcel->shipment_id, c->number)),
        .kind = bytes_str("callback"),
        .content_type = bytes_str("application/json"),
        .raw = bytes_str(body),
        .subject = order_id,
        .records = record,
        .record_count = 1};
    hash_sha256(bytes_str(c->kind), ret_item->fingerprint);
    return true;
}

static void post(void *self)
{
    struct callback *c = self;
    struct parcel *p = c->parcel;
    bool hands_over = strcmp(c->kind, "handed_over") == 0;
    if (p->kept && !(hands_over && sim_chance(&p->random, 4)))
        return; // it has said that it won't ship
    if (hands_over) {
        p->rogue = p->rogue || p->kept;
        p->gone = true;
        p->kept = false;
    }
    c->at = sim->now;
    if (hands_over)
        sim_check_left(p->order_id, p->shipment_id, p->release, p->less, p->rogue);
    struct sim_client *client = arena_new_object(sim->arena, struct sim_client);
    struct sim_random *ids = arena_new_object(sim->arena, struct sim_random);
    *ids = sim_stream(sim->options.seed, 12, sim_next(&p->random));
    *client = (struct sim_client){.service = SIM_FULFILLMENT,
                                  .make = make_callback,
                                  .what = c,
                                  .random = ids,
                                  .extra_tries = sim_chance(&p->random, 10) ? 1 : 0};
    sim_client_send(client, sim->now);
}

static void report(struct parcel *p, const char *kind, const char *lines, int64_t after_us)
{
    struct callback *c = arena_new_object(sim->arena, struct callback);
    *c = (struct callback){.parcel = p, .kind = kind, .lines = lines, .number = p->callbacks++};
    sim_after(after_us, post, c);
    if (!sim->healed && sim_chance(&p->random, 8)) { // once more under another id
        struct callback *twice = arena_new_object(sim->arena, struct callback);
        *twice = *c;
        twice->number = p->callbacks++;
        sim_after(after_us + (int64_t)sim_below(&p->random, 3600) * INSTANT_SECOND, post, twice);
    }
}

static const char *lines_of(struct parcel *p)
{
    const Orderclerk__V1__ReleaseShipment *r = p->release;
    p->less = !sim->healed && sim_chance(&p->random, 5);
    const char *text = "[";
    bool any = false;
    for (size_t i = 0; i < r->n_lines; i++) {
        int64_t quantity = r->lines[i]->quantity;
        if (p->less && quantity > 1)
            quantity--;
        text = arena_printf(sim->arena, "%s%s{\"line_no\":%u,\"sku\":\"%s\",\"quantity\":%lld}", text,
                            any ? "," : "", r->lines[i]->line_no, r->lines[i]->sku, (long long)quantity);
        any = true;
    }
    return arena_printf(sim->arena, "%s]", text);
}

// From taking the order to the customer's door.
static void process(struct parcel *p)
{
    struct sim_random *r = &p->random;
    bool calm = sim->healed;
    if (!calm && sim_chance(r, 5)) {
        p->kept = true;
        struct callback *c = arena_new_object(sim->arena, struct callback);
        *c = (struct callback){.parcel = p, .kind = "rejected", .lines = "", .number = p->callbacks++};
        p->kept = false;
        post(c);
        p->kept = true;
        return;
    }
    static const char *const way[] = {"accepted",    "picking",    "packed",
                                      "handed_over", "in_transit", "delivered"};
    uint32_t fate = calm ? 99 : sim_below(r, 100);
    bool shuffled = !calm && sim_chance(r, 12);
    const char *lines = lines_of(p);
    int64_t at = (int64_t)sim_below(r, 30) * INSTANT_SECOND;
    p->vanished = fate == 99 && !calm;
    for (size_t i = 0; i < (p->vanished ? 4 : 6); i++) {
        const char *kind = way[i];
        if (i == 4 && fate < 8)
            report(p, "exception", "", at);
        if (i == 5)
            kind = fate < 4 ? "lost" : fate < 7 ? "returned" : "delivered";
        bool skip = (i < 3 || i == 4) && sim_chance(r, 15);
        int64_t when = shuffled ? (int64_t)sim_below(r, 7200) * INSTANT_SECOND : at;
        if (!skip)
            report(p, kind, i == 3 ? lines : "", when);
        uint32_t most = i == 4 ? 200000 : i == 3 ? 40000 : sim_chance(r, 70) ? 60 : 20000;
        at += (int64_t)sim_below(r, most) * INSTANT_SECOND;
    }
}

// ---- calls

static struct sim_answer answer(enum effect_outcome outcome, int32_t status, struct sim_random *random)
{
    return (struct sim_answer){.outcome = outcome,
                               .status = status,
                               .body = outcome == EFFECT_OK ? NULL : "no",
                               .delay_us = (int64_t)sim_below(random, sim_chance(random, 90) ? 400 : 9000) *
                                           INSTANT_MS};
}

static struct sim_answer take_release(struct parcel *p)
{
    struct sim_random *r = &p->random;
    p->asked++;
    if (!sim->healed && sim_chance(r, 10))
        return answer(EFFECT_FAILED, 503, r);
    if (!sim->healed && !p->known && sim_chance(r, 2)) {
        p->kept = true;
        return answer(EFFECT_REFUSED, 422, r);
    }
    bool lost = !sim->healed && sim_chance(r, 5); // taken, and the answer doesn't come back
    bool silent = !sim->healed && p->asked == 1 && sim_chance(r, 6);
    if (!p->known && !silent) {
        p->known = true;
        p->stubborn = sim_chance(r, 30);
        if (!p->kept)
            process(p);
    }
    return lost ? answer(EFFECT_FAILED, 0, r) : answer(EFFECT_OK, 202, r);
}

static struct sim_answer take_cancel(struct parcel *p)
{
    struct sim_random *r = &p->random;
    p->cancels++;
    if (!sim->healed && sim_chance(r, 8))
        return answer(EFFECT_FAILED, 503, r);
    if (!p->known)
        return answer(EFFECT_REFUSED, 404, r);
    if (!sim->healed && p->cancels == 1 && sim_chance(r, 8))
        return answer(EFFECT_OK, 202, r); // and no word about it
    int64_t when = (int64_t)sim_below(r, 600) * INSTANT_SECOND;
    if (p->gone || p->stubborn) {
        report(p, "cancel_rejected", "", when);
    } else {
        struct callback *c = arena_new_object(sim->arena, struct callback);
        *c = (struct callback){.parcel = p, .kind = "cancel_accepted", .lines = "", .number = p->callbacks++};
        post(c);
        p->kept = true;
    }
    return answer(EFFECT_OK, 202, r);
}

static struct parcel *parcel_of(struct bytes shipment_id)
{
    struct sim_map_item *item = sim_map_find(&sim->outside->parcels, sim_key(1, shipment_id));
    return item == NULL ? NULL : item->value.pointer;
}

void sim_outside_released(const struct bus_record *record)
{
    const Orderclerk__V1__FulfillmentCommand *command = orderclerk__v1__fulfillment_command__unpack(
        arena_protobuf(sim->arena), record->value.size, record->value.data);
    if (command == NULL)
        return; // not a command: somebody has written garbage
    if (command->body_case != ORDERCLERK__V1__FULFILLMENT_COMMAND__BODY_RELEASE ||
        parcel_of(bytes_str(command->release->shipment_id)) != NULL)
        return;
    struct parcel *p = arena_new_object(sim->arena, struct parcel);
    *p = (struct parcel){
        .shipment_id = command->release->shipment_id,
        .order_id = command->order_id,
        .warehouse = command->release->warehouse,
        .release = command->release,
        .random = sim_stream(sim->options.seed, 11, hash_fnv1a(bytes_str(command->release->shipment_id)))};
    sim_map_at(&sim->outside->parcels, sim_key(1, bytes_str(p->shipment_id)))->value.pointer = p;
}

struct sim_answer sim_outside_call(const struct effect_call *call)
{
    struct sim_random random =
        sim_stream(sim->options.seed, 13, hash_fnv1a(bytes_of(call->id.b, 16)) + (uint64_t)call->attempt);
    const Orderclerk__V1__EffectRequest *request = orderclerk__v1__effect_request__unpack(
        arena_protobuf(sim->arena), call->request.size, call->request.data);
    assert(request != NULL);
    if (strcmp(request->transport, "auto") == 0)
        return (struct sim_answer){.outcome = EFFECT_OK};
    if (strcmp(request->transport, "smtp") == 0) {
        if (!sim->healed && sim_chance(&random, 8))
            return answer(EFFECT_FAILED, sim_chance(&random, 50) ? 0 : 451, &random);
        return sim_chance(&random, 2) ? answer(EFFECT_REFUSED, 550, &random)
                                      : answer(EFFECT_OK, 250, &random);
    }
    struct parcel *p = parcel_of(bytes_str(request->note));
    SIM_CHECK(I5_RELEASED_RESERVED, p != NULL,
              "a warehouse is called about shipment %s, which was never released", request->note);
    return strcmp(request->kind, "release_shipment") == 0 ? take_release(p) : take_cancel(p);
}

// Faults are over: what the order still waits for leaves and arrives, whatever had become of it.
static struct parcel *being_withdrawn(const Orderclerk__V1__ShipmentState *shipment)
{
    return strcmp(shipment->cancel_request, "REQUESTED") == 0 ? parcel_of(bytes_str(shipment->shipment_id))
                                                              : NULL;
}

bool sim_outside_withdraw(const Orderclerk__V1__OrderState *doc)
{
    for (size_t i = 0; i < doc->n_shipments; i++) {
        const struct parcel *p = being_withdrawn(doc->shipments[i]);
        if (p != NULL && p->gone)
            return false;
    }
    for (size_t i = 0; i < doc->n_shipments; i++) {
        struct parcel *p = being_withdrawn(doc->shipments[i]);
        if (p != NULL)
            p->kept = true;
    }
    return true;
}

void sim_outside_push(const Orderclerk__V1__OrderState *doc)
{
    for (size_t i = 0; i < doc->n_shipments; i++) {
        const Orderclerk__V1__ShipmentState *s = doc->shipments[i];
        struct parcel *p = parcel_of(bytes_str(s->shipment_id));
        bool here = strcmp(s->state, "RELEASE_REQUESTED") == 0 || strcmp(s->state, "ACCEPTED") == 0 ||
                    strcmp(s->state, "PICKING") == 0 || strcmp(s->state, "PACKED") == 0;
        bool away = strcmp(s->state, "HANDED_OVER") == 0 || strcmp(s->state, "IN_TRANSIT") == 0 ||
                    strcmp(s->state, "EXCEPTION") == 0;
        if (p == NULL || strcmp(p->warehouse, "AUTO") == 0)
            continue;
        p->kept = p->kept && !here;
        if (here && strcmp(s->cancel_request, "REQUESTED") == 0)
            report(p, p->gone ? "cancel_rejected" : "cancel_accepted", "", 0);
        else if (here)
            report(p, "handed_over", lines_of(p), 0);
        if ((here || away) && !p->vanished)
            report(p, "delivered", "", INSTANT_HOUR);
    }
}

void sim_outside_start(void)
{
    sim->outside = arena_new_object(sim->arena, struct sim_outside);
}

void sim_outside_free(void)
{
    sim_map_free(&sim->outside->parcels);
}
