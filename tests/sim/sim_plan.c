// The orders of a seed: what each asks for and when it comes. Everything about an order comes from a stream of its own, so that
// leaving another one out changes nothing here.
#include "sim/sim.h"

#include "intake/intake_order.h"
#include "sim/sim_map.h"
#include "json/order_json.h"

#include <assert.h>
#include <stdio.h>

#define FIRST_AT (2 * INSTANT_SECOND) // when master data is mostly in

struct line {
    const char *code;
    int64_t quantity;
    int64_t price; // net, minor; as the customer writes it
    const char *date;
};

struct draft {
    struct line lines[3];
    size_t count;
    const char *customer, *email, *street, *payment;
    const char *po;
};

static void add_line(struct draft *d, uint32_t product, int64_t quantity)
{
    d->lines[d->count++] = (struct line){.code = sim_reference_sku(product),
                                         .quantity = quantity,
                                         .price = sim_reference_price(product),
                                         .date = ""};
}

// The account names the order among all of the seed: it isn't part of what look-alikes are known by.
static const char *json_of(const struct draft *d, uint32_t number, const char *ref)
{
    const char *lines = "";
    for (size_t i = 0; i < d->count; i++) {
        const struct line *l = &d->lines[i];
        lines = arena_printf(
            sim->arena,
            "%s%s{\"product_code\":\"%s\",\"quantity\":%lld,\"unit\":\"pc\",\"unit_price\":\"%lld.%02lld\","
            "\"tax_rate\":\"13\"%s%s%s}",
            lines, i == 0 ? "" : ",", l->code, (long long)l->quantity, (long long)(l->price / 100),
            (long long)(l->price % 100), l->date[0] == '\0' ? "" : ",\"requested_date\":\"", l->date,
            l->date[0] == '\0' ? "" : "\"");
    }
    return arena_printf(sim->arena,
                        "{\"channel\":\"WEB\",\"channel_account\":\"%u\"%s%s%s,\"customer_po\":\"%s\","
                        "\"customer\":{\"customer_id\":\"%s\",\"company\":\"Example\","
                        "\"contact\":\"Lin\",\"phone\":\"+86 199 0000 "
                        "0001\",\"email\":\"%s\",\"locale\":\"%s\"},\"delivery\":{\"country\":\"CN\","
                        "\"province\":\"Shanghai\",\"city\":\"Shanghai\",\"street\":\"%s\",\"postcode\":"
                        "\"200001\",\"recipient\":\"Lin\","
                        "\"phone\":\"+86 199 0000 "
                        "0001\"},\"lines\":[%s],\"currency\":\"CNY\",\"payment\":%s,\"invoice\":{\"kind\":"
                        "\"ORDINARY\",\"title\":\"Example\"}}",
                        number, ref[0] == '\0' ? "" : ",\"channel_ref\":\"", ref, ref[0] == '\0' ? "" : "\"",
                        d->po, d->customer, d->email, strcmp(d->customer, "C1") == 0 ? "zh-CN" : "en",
                        d->street, lines, d->payment);
}

static void draft_bad(struct draft *d, struct sim_order *order)
{
    struct sim_random *r = &order->random;
    switch (sim_below(r, 10)) {
    case 0:
        d->lines[0].code = "PEN-O1"; // a letter for a digit: the validator offers what is near
        break;
    case 1:
        d->street = "Example Road";
        break;
    case 2:
        d->lines[0].price -= 100; // below the list: sales may approve
        break;
    case 3:
        d->customer = "C2";
        d->payment = "{\"kind\":\"INSTALMENT\",\"instalments\":3}";
        break;
    case 4:
        d->count = 0;
        add_line(d, 5, 1 + sim_below(r, 3));
        d->lines[0].date = "2026-09-23"; // sooner than it can be made
        break;
    case 5:
        d->customer = "C3";
        break;
    case 6:
        order->malformed = true;
        break;
    case 7:
        d->lines[0].code = "ZZZ-999";
        break;
    case 8:
        d->email = "nobody";
        break;
    default:
        d->lines[0].price -= 100;
        d->street = "Example Road";
        break;
    }
}

static struct draft draft_of(struct sim_order *order)
{
    struct sim_random *r = &order->random;
    struct draft d = {.customer = sim_chance(r, 70) ? "C1" : "C2",
                      .email = sim_chance(r, 95) ? "buyer@example.com" : "",
                      .street = "Example Road 5",
                      .po = arena_printf(sim->arena, "PO-%u", order->number)};
    static const uint32_t usual[] = {0, 2, 3, 4};
    d.payment = strcmp(d.customer, "C1") == 0 && sim_chance(r, 60)   ? "{\"kind\":\"NET\",\"net_days\":30}"
                : strcmp(d.customer, "C1") == 0 && sim_chance(r, 15) ? "{\"kind\":\"COD\"}"
                                                                     : "{\"kind\":\"PREPAID\"}";
    add_line(&d, usual[sim_below(r, 4)], 1 + sim_below(r, 5));
    switch (order->kind) {
    case SIM_EXPRESS:
    case SIM_TWIN:
        if (sim_chance(r, 40))
            add_line(&d, usual[sim_below(r, 4)], 1 + sim_below(r, 4));
        break;
    case SIM_HOT:
        d.count = sim_chance(r, 60) ? 0 : 1;
        add_line(&d, 1, 1 + sim_below(r, 9));
        break;
    case SIM_MAKE:
        d.count = sim_chance(r, 50) ? 0 : 1;
        add_line(&d, 5, 1 + sim_below(r, 4));
        break;
    case SIM_LARGE:
        d.count = 0;
        add_line(&d, 0, sim_chance(r, 30) ? 1000 + sim_below(r, 400) : 60 + sim_below(r, 60));
        if (sim_chance(r, 40))
            add_line(&d, 1, 1 + sim_below(r, 6));
        break;
    case SIM_BAD:
        draft_bad(&d, order);
        break;
    }
    return d;
}

static enum sim_order_kind kind_of(struct sim_random *random)
{
    uint32_t dice = sim_below(random, 100);
    return dice < 32   ? SIM_EXPRESS
           : dice < 52 ? SIM_HOT
           : dice < 66 ? SIM_MAKE
           : dice < 78 ? SIM_LARGE
           : dice < 94 ? SIM_BAD
                       : SIM_TWIN;
}

// ---- sending it, as POST /v1/orders does

static bool make_order(struct sim_client *client, struct arena *arena, struct ingress_item *ret_item)
{
    struct sim_order *order = (struct sim_order *)(uintptr_t)client->what;
    struct jsonr_problems problems = {.arena = arena};
    Orderclerk__V1__Order *parsed = order_json_parse(arena, bytes_str(order->json), &problems);
    if (parsed == NULL) {
        if (!order->malformed)
            fprintf(stderr, "refused: %s: %s\n", order->json, problems.items[0].detail);
        assert(order->malformed);
        return false;
    }
    struct order_source source = {.client = "sim",
                                  .channel = "WEB",
                                  .raw = bytes_str(order->json),
                                  .content_type = "application/json",
                                  .now = sim->now};
    if (order->idempotency_key != NULL)
        source.key = bytes_str(order->idempotency_key);
    intake_order_item(arena, parsed, &source, ret_item);
    return true;
}

static void stored(struct sim_client *client, struct uuid subject)
{
    struct sim_order *order = (struct sim_order *)(uintptr_t)client->what;
    order->accepted = true;
    order->id = subject;
    uuid_format(subject, order->id_text);
    sim_trace("order %u is accepted as %s", order->number, order->id_text);
}

static void make_one(uint32_t number)
{
    static const char *const cancel_states[] = {"VALIDATING",        "RESERVING",         "SHORTAGE_OFFERED",
                                                "REGISTERED",        "SCHEDULED",         "IN_PRODUCTION",
                                                "IN_FULFILMENT",     "IN_FULFILMENT",     "IN_REVIEW",
                                                "AWAITING_CUSTOMER", "PARTIALLY_SHIPPED", "SHIPPED"};
    struct sim_order *order = &sim->plan->orders[number];
    uint64_t seed = sim->options.seed;
    *order = (struct sim_order){
        .number = number, .random = sim_stream(seed, 1, number), .ids = sim_stream(seed, 2, number)};
    struct sim_random *r = &order->random;
    order->kind = kind_of(r);
    const char *po = NULL;
    if (order->kind == SIM_TWIN && number > 0) { // what another one has asked for already
        const struct sim_order *twin = &sim->plan->orders[number - 1];
        order->random = sim_stream(seed, 1, number - 1);
        order->kind = kind_of(&order->random);
        if (twin->kind != order->kind) // a twin's twin
            order->random = sim_stream(seed, 1, number);
        po = arena_printf(sim->arena, "PO-%u", number - 1);
    }
    struct draft d = draft_of(order);
    if (po != NULL) {
        d.po = po;
        order->random = sim_stream(seed, 3, number);
    }
    bool by_ref = sim_chance(r, 50);
    order->json = order->malformed
                      ? "{\"channel\":\"WEB\",\"lines\":["

                      : json_of(&d, number, by_ref ? arena_printf(sim->arena, "REF-%u", number) : "");
    if (!by_ref || sim_chance(r, 20))
        order->idempotency_key = arena_printf(sim->arena, "key-%u", number);
    uint32_t spread = sim_chance(r, 80) ? 20000 : 4000000; // most at once
    order->at = sim->now + FIRST_AT + (int64_t)sim_below(r, spread) * INSTANT_MS;
    if (sim_chance(r, 30))
        order->cancel_in = cancel_states[sim_below(r, 12)];
    order->client = (struct sim_client){.service = SIM_INTAKE,
                                        .make = make_order,
                                        .stored = stored,
                                        .what = order,
                                        .random = &order->ids,
                                        .extra_tries = sim_chance(r, 20) ? 1 + sim_below(r, 2) : 0};
}

void sim_plan_make(void)
{
    sim->plan = arena_new_object(sim->arena, struct sim_plan);
    struct sim_random random = sim_stream(sim->options.seed, 4, 0);
    sim->plan->count = SIM_ORDERS_MIN + sim_below(&random, SIM_ORDERS_MAX - SIM_ORDERS_MIN + 1);
    for (uint32_t i = 0; i < sim->plan->count; i++)
        make_one(i);
}

void sim_plan_start(void)
{
    for (uint32_t i = 0; i < sim->plan->count; i++) {
        struct sim_order *order = &sim->plan->orders[i];
        if ((sim->options.orders >> i & 1) == 0)
            continue;
        sim_client_send(&order->client, order->at);
        if (order->at > sim->last_plan)
            sim->last_plan = order->at;
    }
}

struct sim_order *sim_order_find(struct bytes order_id)
{
    for (uint32_t i = 0; i < sim->plan->count; i++) {
        struct sim_order *order = &sim->plan->orders[i];
        if (order->accepted && bytes_is(order_id, order->id_text))
            return order;
    }
    return NULL;
}
