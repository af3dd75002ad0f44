// Master data and stock: enter through intake's door as in production, and change while orders are under way.
#include "sim/sim.h"

#include "intake/intake_import.h"
#include "sim/sim_map.h"

#include <assert.h>
#include <stdio.h>

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

static const struct {
    const char *sku;
    int64_t price; // net, minor units
} products[SIM_PRODUCTS] = {{"PEN-01", 1000}, {"HOT-01", 2500},  {"KEY-01", 1000},
                            {"HOT-02", 2600}, {"LAMP-01", 9990}, {"TABLE-01", 50000}};

struct row {
    const char *kind; // of import_kind_of
    const char *json;
};
static const struct row first[] = {
    {"warehouses",
     "{\"warehouse\":\"SH1\",\"name\":\"Shanghai\",\"adapter\":\"http\",\"url\":\"http://sh1.example\","
     "\"secret\":\"whsec_x\",\"countries\":[\"CN\"],\"calendar_id\":\"CN\"}"},
    {"warehouses",
     "{\"warehouse\":\"GZ1\",\"name\":\"Guangzhou\",\"adapter\":\"http\",\"url\":\"http://gz1.example\","
     "\"secret\":\"whsec_x\",\"countries\":[\"CN\"],\"calendar_id\":\"CN\"}"},
    {"warehouses",
     "{\"warehouse\":\"AUTO\",\"name\":\"Ships by itself\",\"adapter\":\"auto\",\"countries\":[\"CN\"],"
     "\"calendar_id\":\"CN\"}"},
    {"calendars", "{\"calendar_id\":\"CN\",\"zone\":\"Asia/"
                  "Shanghai\",\"holidays\":[],\"workdays\":[],\"cutoff\":\"16:00\"}"},
    {"customers",
     "{\"customer_id\":\"C1\",\"company\":\"Example "
     "Studio\",\"price_list\":\"CN\",\"terms\":[\"PREPAID\",\"NET\","
     "\"COD\"],\"max_net_days\":30,\"credit_limit_minor\":100000000,\"locale\":\"zh-CN\",\"country\":\"CN\","
     "\"email\":\"studio@example.com\",\"phone\":\"+86 199 0000 0001\"}"},
    {"customers",
     "{\"customer_id\":\"C2\",\"company\":\"Example Works\",\"price_list\":\"CN\",\"terms\":[\"PREPAID\"],"
     "\"locale\":\"en\",\"country\":\"CN\",\"email\":\"works@example.com\",\"phone\":\"+86 199 0000 0002\"}"},
    {"customers",
     "{\"customer_id\":\"C3\",\"company\":\"Example Debts\",\"price_list\":\"CN\",\"terms\":[\"PREPAID\"],"
     "\"blocked\":true,\"locale\":\"en\",\"country\":\"CN\",\"email\":\"debts@example.com\"}"},
    {"products",
     "{\"sku\":\"PEN-01\",\"name_en\":\"Pen\",\"name_zh\":\"笔\",\"kind\":\"STOCK\",\"base_unit\":\"pc\","
     "\"lead_time_days\":1}"},
    {"products", "{\"sku\":\"HOT-01\",\"name_en\":\"Hot "
                 "thing\",\"name_zh\":\"热门\",\"kind\":\"STOCK\",\"base_unit\":\"pc\","
                 "\"lead_time_days\":1,\"substitutes\":[\"HOT-02\"]}"},
    {"products", "{\"sku\":\"KEY-01\",\"name_en\":\"Licence key\",\"name_zh\":\"授权码\",\"kind\":\"STOCK\","
                 "\"base_unit\":\"pc\",\"lead_time_days\":0,\"no_picking\":true}"},
    {"products", "{\"sku\":\"HOT-02\",\"name_en\":\"Lukewarm thing\",\"name_zh\":\"替代\",\"kind\":\"STOCK\","
                 "\"base_unit\":\"pc\",\"lead_time_days\":1}"},
    {"products",
     "{\"sku\":\"LAMP-01\",\"name_en\":\"Lamp\",\"name_zh\":\"灯\",\"kind\":\"STOCK\",\"base_unit\":\"pc\","
     "\"lead_time_days\":2}"},
    {"products",
     "{\"sku\":\"TABLE-01\",\"name_en\":\"Table\",\"name_zh\":\"桌\",\"kind\":\"MAKE\",\"base_unit\":\"pc\","
     "\"lead_time_days\":10}"},
    {"stock", "{\"type\":\"received\",\"sku\":\"PEN-01\",\"warehouse\":\"SH1\",\"quantity\":4000}"},
    {"stock", "{\"type\":\"received\",\"sku\":\"PEN-01\",\"warehouse\":\"GZ1\",\"quantity\":2000}"},
    {"stock", "{\"type\":\"received\",\"sku\":\"HOT-01\",\"warehouse\":\"SH1\",\"quantity\":9}"},
    {"stock", "{\"type\":\"received\",\"sku\":\"HOT-01\",\"warehouse\":\"GZ1\",\"quantity\":5}"},
    {"stock", "{\"type\":\"received\",\"sku\":\"HOT-02\",\"warehouse\":\"SH1\",\"quantity\":12}"},
    {"stock", "{\"type\":\"received\",\"sku\":\"KEY-01\",\"warehouse\":\"AUTO\",\"quantity\":500}"},
    {"stock", "{\"type\":\"received\",\"sku\":\"LAMP-01\",\"warehouse\":\"GZ1\",\"quantity\":200}"},
};
// While orders are under way.
static const struct row later[] = {
    {"stock", "{\"type\":\"received\",\"sku\":\"HOT-01\",\"warehouse\":\"SH1\",\"quantity\":15}"},
    {"stock", "{\"type\":\"received\",\"sku\":\"HOT-01\",\"warehouse\":\"GZ1\",\"quantity\":20}"},
    {"stock", "{\"type\":\"incoming\",\"sku\":\"HOT-01\",\"warehouse\":\"SH1\",\"quantity\":20,\"date\":"
              "\"2026-10-09\"}"},
    {"stock", "{\"type\":\"safety\",\"sku\":\"PEN-01\",\"warehouse\":\"SH1\",\"safety\":20}"},
    {"products", "{\"sku\":\"PEN-01\",\"name_en\":\"Better "
                 "pen\",\"name_zh\":\"笔\",\"kind\":\"STOCK\",\"base_unit\":\"pc\","
                 "\"lead_time_days\":1}"},
    {"customers",
     "{\"customer_id\":\"C2\",\"company\":\"Example "
     "Works\",\"price_list\":\"CN\",\"terms\":[\"PREPAID\",\"NET\"],"
     "\"max_net_days\":14,\"locale\":\"en\",\"country\":\"CN\",\"email\":\"works@example.com\"}"},
};

const char *sim_reference_sku(uint32_t n)
{
    return products[n].sku;
}

int64_t sim_reference_price(uint32_t n)
{
    return products[n].price;
}

static bool make_row(struct sim_client *client, struct arena *arena, struct ingress_item *ret_item)
{
    const struct row *row = client->what;
    char path[64];
    snprintf(path, sizeof path, "/v1/reference/%s:import", row->kind);
    const struct import_kind *kind = import_kind_of(path);
    assert(kind != NULL);
    struct jsonr_problems problems = {.arena = arena};
    struct jsonr_doc *doc = jsonr_parse(bytes_str(row->json), &problems);
    assert(doc != NULL);
    const struct import_unit unit = {
        .arena = arena,
        .line = 1,
        .raw = bytes_str(row->json),
        .content_type = "application/x-ndjson",
        .object = jsonr_root(doc),
        .client = "sim",
        .key =
            bytes_str(arena_printf(arena, "row-%llx", (unsigned long long)hash_fnv1a(bytes_str(row->json)))),
        .now = sim->now,
        .problems = &problems};
    const char *label = "";
    bool made = kind->make(kind, &unit, ret_item, &label);
    jsonr_free(doc);
    if (!made)
        fprintf(stderr, "reference data is refused: %s: %s\n", row->json, problems.items[0].detail);
    assert(made);
    return true;
}

static void send_row(const struct row *row, uint32_t number, instant at)
{
    struct sim_client *client = arena_new_object(sim->arena, struct sim_client);
    struct sim_random *random = arena_new_object(sim->arena, struct sim_random);
    *random = sim_stream(sim->options.seed, 5, number);
    *client = (struct sim_client){.service = SIM_INTAKE, .make = make_row, .what = row, .random = random};
    sim_client_send(client, at);
}

void sim_reference_start(void)
{
    uint32_t number = 0;
    for (size_t i = 0; i < COUNT_OF(first); i++)
        send_row(&first[i], number++, sim->now + (int64_t)i * INSTANT_MS);
    for (uint32_t i = 0; i < SIM_PRODUCTS; i++) {
        char *json = arena_printf(
            sim->arena,
            "{\"price_list\":\"CN\",\"sku\":\"%s\",\"currency\":\"CNY\",\"breaks\":[{\"min_quantity\":1,"
            "\"net_minor\":%lld}],\"tax_rate\":\"13\",\"valid_from\":\"2020-01-01\"}",
            products[i].sku, (long long)products[i].price);
        struct row *row = arena_new_object(sim->arena, struct row);
        *row = (struct row){"prices", json};
        send_row(row, number++, sim->now + 30 * INSTANT_MS);
    }
    struct sim_random random = sim_stream(sim->options.seed, 6, 0);
    for (size_t i = 0; i < COUNT_OF(later); i++) {
        uint32_t spread = sim_chance(&random, 50) ? 120 : 3 * 86400;
        instant at = sim->now + (int64_t)(10 + sim_below(&random, spread)) * INSTANT_SECOND;
        if (sim_chance(&random, 70))
            send_row(&later[i], number, at);
        number++;
    }
}

// Enough for everybody who still waits.
void sim_reference_heal(void)
{
    static const struct row rows[] = {
        {"stock", "{\"type\":\"received\",\"sku\":\"HOT-01\",\"warehouse\":\"SH1\",\"quantity\":900}"},
        {"stock", "{\"type\":\"received\",\"sku\":\"HOT-02\",\"warehouse\":\"SH1\",\"quantity\":901}"},
        {"stock", "{\"type\":\"received\",\"sku\":\"PEN-01\",\"warehouse\":\"GZ1\",\"quantity\":90000}"},
    };
    for (uint32_t i = 0; i < COUNT_OF(rows); i++)
        send_row(&rows[i], 1000 + i, sim->now);
}
