// orderctl order …
#include "base/clock.h"
#include "orderctl/ctl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define WAIT_DEFAULT_S 60
#define POLL_MS        200L

static bool ended(const char *state)
{
    static const char *const ends[] = {"COMPLETED", "REJECTED", "CANCELLED", "ARCHIVED"};
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        if (strcmp(state, ends[i]) == 0)
            return true;
    }
    return false;
}

static const char *order_path(struct ctl *ctl, const char *id, const char *rest)
{
    return arena_printf(ctl->arena, "/v1/orders/%s%s", ctl_escape(ctl, id), rest);
}

// Waits until the order is in --until STATE (default: has ended, or waits for the customer or a person).
static enum ctl_exit wait_for(struct ctl *ctl, const char *id)
{
    static const char *const resting[] = {"AWAITING_CUSTOMER", "AWAITING_DEPARTMENT", "SHORTAGE_OFFERED",
                                          "IN_REVIEW", "NEEDS_PERSON"};
    const char *until = ctl_option(ctl, "until");
    int64_t end = clock_monotonic_us() + ctl->wait_s * INSTANT_SECOND;
    const char *last = "";
    for (;;) {
        json_t *order;
        enum ctl_exit e = ctl_get(ctl, CTL_INTAKE, order_path(ctl, id, ""), &order);
        if (e != CTL_OK)
            return e;
        const char *state = arena_str(ctl->arena, bytes_str(ctl_text(order, "state")));
        const char *no = arena_str(ctl->arena, bytes_str(ctl_text(order, "order_no")));
        const char *on = arena_str(ctl->arena, bytes_str(ctl_text(order, "waiting_on")));
        json_decref(order);
        if (strcmp(state, last) != 0 && !ctl->json)
            fprintf(stderr, "%s %s%s%s%s%s\n", id, state, no[0] != '\0' ? " " : "", no,
                    on[0] != '\0' ? ", waiting on " : "", on);
        last = state;
        bool there = until != NULL ? strcmp(state, until) == 0 : ended(state);
        for (size_t i = 0; until == NULL && !there && i < sizeof resting / sizeof resting[0]; i++)
            there = strcmp(state, resting[i]) == 0;
        if (there)
            return CTL_OK;
        if (until != NULL && ended(state)) {
            fprintf(stderr, "orderctl: the order has ended as %s\n", state);
            return CTL_NOT_YET;
        }
        if (clock_monotonic_us() > end) {
            fprintf(stderr, "orderctl: still %s after %lld s\n", state, (long long)ctl->wait_s);
            return CTL_NOT_YET;
        }
        nanosleep(&(struct timespec){.tv_nsec = POLL_MS * 1000000}, NULL);
    }
}

static enum ctl_exit submitted(struct ctl *ctl, json_t *answer)
{
    const char *id = arena_str(ctl->arena, bytes_str(ctl_text(answer, "order_id")));
    if (ctl->json)
        ctl_print_json(answer);
    else
        printf("%s\n", id);
    json_decref(answer);
    return ctl->wait_s >= 0 ? wait_for(ctl, id) : CTL_OK;
}

static enum ctl_exit submit(struct ctl *ctl)
{
    const char *path = ctl_word(ctl, 0);
    char *data;
    size_t size;
    if (path == NULL)
        return ctl_usage("orderctl order submit FILE: a JSON order document (\"-\": standard input)");
    enum ctl_exit e = ctl_read_file(ctl, path, &data, &size);
    if (e != CTL_OK)
        return e;
    json_error_t error;
    json_t *document = json_loadb(data, size, JSON_REJECT_DUPLICATES, &error);
    if (document == NULL)
        return ctl_usage("%s:%d: %s", path, error.line, error.text);
    json_t *answer;
    e = ctl_post(ctl, CTL_INTAKE, "/v1/orders", document, &answer);
    return e == CTL_OK ? submitted(ctl, answer) : e;
}

static bool ends_with(const char *text, const char *end)
{
    size_t size = strlen(text);
    size_t tail = strlen(end);
    return size >= tail && strcmp(text + size - tail, end) == 0;
}

static enum ctl_exit import(struct ctl *ctl)
{
    const char *path = ctl_word(ctl, 0);
    char *data;
    size_t size;
    if (path == NULL)
        return ctl_usage("orderctl order import FILE.csv|FILE.ndjson");
    enum ctl_exit e = ctl_read_file(ctl, path, &data, &size);
    if (e != CTL_OK)
        return e;
    const char *type = ends_with(path, ".csv") ? "text/csv" : "application/x-ndjson";
    struct ctl_answer answer;
    e = ctl_request(ctl, CTL_INTAKE, "POST", "/v1/orders:import", type, data, size, &answer);
    if (e == CTL_OK)
        fputs(answer.body, stdout);
    return e;
}

// ---- asking

static char *ask(struct ctl *ctl, const char *question, const char *fallback)
{
    char line[512];
    fprintf(stderr, "%s%s%s%s: ", question, fallback[0] != '\0' ? " [" : "", fallback,
            fallback[0] != '\0' ? "]" : "");
    if (fgets(line, sizeof line, stdin) == NULL)
        return arena_str(ctl->arena, bytes_str(fallback));
    line[strcspn(line, "\r\n")] = '\0';
    return arena_str(ctl->arena, bytes_str(line[0] != '\0' ? line : fallback));
}

static void set(json_t *object, const char *member, const char *value)
{
    if (value[0] != '\0')
        json_object_set_new(object, member, json_string(value));
}

static json_t *ask_line(struct ctl *ctl, const char *code)
{
    json_t *line = json_object();
    char *end;
    set(line, "product_code", code);
    const char *quantity = ask(ctl, "  Quantity", "1");
    long n = strtol(quantity, &end, 10);
    json_object_set_new(line, "quantity", *end == '\0' ? json_integer(n) : json_string(quantity));
    set(line, "unit", ask(ctl, "  Unit", ""));
    set(line, "unit_price", ask(ctl, "  Unit price", ""));
    set(line, "tax_rate", ask(ctl, "  Tax rate, per cent", "13"));
    set(line, "requested_date", ask(ctl, "  Wanted on (YYYY-MM-DD)", ""));
    return line;
}

static json_t *ask_order(struct ctl *ctl)
{
    json_t *order = json_object();
    json_t *customer = json_object();
    json_t *delivery = json_object();
    json_t *lines = json_array();
    json_t *payment = json_object();
    set(order, "channel", ask(ctl, "Channel", "PHONE"));
    set(order, "customer_po", ask(ctl, "Customer's own reference", ""));
    set(customer, "customer_id", ask(ctl, "Customer id", ""));
    set(customer, "company", ask(ctl, "Company", ""));
    set(customer, "contact", ask(ctl, "Contact", ""));
    set(customer, "phone", ask(ctl, "Phone", ""));
    set(customer, "email", ask(ctl, "E-mail", ""));
    set(customer, "locale", ask(ctl, "Language", "zh-CN"));
    set(delivery, "country", ask(ctl, "Country", "CN"));
    set(delivery, "province", ask(ctl, "Province", ""));
    set(delivery, "city", ask(ctl, "City", ""));
    set(delivery, "district", ask(ctl, "District", ""));
    set(delivery, "street", ask(ctl, "Street and number", ""));
    set(delivery, "postcode", ask(ctl, "Postcode", ""));
    set(delivery, "recipient", ask(ctl, "Recipient", ctl_text(customer, "contact")));
    set(delivery, "phone", ask(ctl, "Recipient's phone", ctl_text(customer, "phone")));
    set(order, "currency", ask(ctl, "Currency", "CNY"));
    set(payment, "kind", ask(ctl, "Payment (PREPAID, COD, NET, INSTALMENT)", "PREPAID"));
    if (strcmp(ctl_text(payment, "kind"), "NET") == 0)
        json_object_set_new(payment, "net_days", json_integer(strtol(ask(ctl, "Days", "30"), NULL, 10)));
    for (;;) {
        const char *code = ask(ctl, "Product code (empty: no more)", "");
        if (code[0] == '\0')
            break;
        json_array_append_new(lines, ask_line(ctl, code));
    }
    json_object_set_new(order, "customer", customer);
    json_object_set_new(order, "delivery", delivery);
    json_object_set_new(order, "payment", payment);
    json_object_set_new(order, "lines", lines);
    return order;
}

static void print_violations(const json_t *order)
{
    size_t index;
    const json_t *v;
    json_array_foreach(json_object_get(order, "violations"), index, v)
    {
        printf("  %s %s: %s\n", ctl_text(v, "code"), ctl_text(v, "field"), ctl_text(v, "text_en"));
        size_t i;
        const json_t *suggestion;
        json_array_foreach(json_object_get(v, "suggestions"), i, suggestion)
            printf("    perhaps: %s\n", json_string_value(suggestion));
    }
}

// Violations of a waiting order come from the desk, which may be a moment behind.
static enum ctl_exit answer_violations(struct ctl *ctl, const char *id)
{
    json_t *order;
    enum ctl_exit e = ctl_get(ctl, CTL_DESK, order_path(ctl, id, ""), &order);
    if (e != CTL_OK)
        return e;
    json_t *changes = json_array();
    size_t index;
    const json_t *v;
    print_violations(order);
    json_array_foreach(json_object_get(order, "violations"), index, v)
    {
        if (strcmp(ctl_text(v, "severity"), "CLEARABLE_BY_CUSTOMER") != 0)
            continue;
        const char *value = ask(ctl, ctl_text(v, "field"), "");
        if (value[0] != '\0')
            json_array_append_new(changes,
                                  json_pack("{s:s, s:s}", "field", ctl_text(v, "field"), "value", value));
    }
    json_decref(order);
    if (json_array_size(changes) == 0) {
        json_decref(changes);
        return CTL_OK;
    }
    json_t *answer;
    e = ctl_post(ctl, CTL_INTAKE, order_path(ctl, id, "/requests"),
                 json_pack("{s:s, s:o}", "type", "answer", "changes", changes), &answer);
    if (e == CTL_OK)
        json_decref(answer);
    return e == CTL_OK ? wait_for(ctl, id) : e;
}

static enum ctl_exit new_order(struct ctl *ctl)
{
    json_t *answer;
    enum ctl_exit e = ctl_post(ctl, CTL_INTAKE, "/v1/orders", ask_order(ctl), &answer);
    if (e != CTL_OK)
        return e;
    const char *id = arena_str(ctl->arena, bytes_str(ctl_text(answer, "order_id")));
    json_decref(answer);
    printf("%s\n", id);
    if (ctl->wait_s < 0)
        ctl->wait_s = WAIT_DEFAULT_S;
    e = wait_for(ctl, id);
    return e == CTL_OK && ctl_option(ctl, "until") == NULL ? answer_violations(ctl, id) : e;
}

// ---- looking

static enum ctl_exit show(struct ctl *ctl)
{
    const char *id = ctl_word(ctl, 0);
    json_t *order;
    if (id == NULL)
        return ctl_usage("orderctl order show ORDER: an order_id or order_no");
    if (ctl->wait_s >= 0) {
        enum ctl_exit waited = wait_for(ctl, id);
        if (waited != CTL_OK)
            return waited;
    }
    enum ctl_exit e = ctl_get(ctl, CTL_DESK, order_path(ctl, id, ""), &order);
    if (e != CTL_OK)
        return e;
    if (ctl->json) {
        ctl_print_json(order);
        json_decref(order);
        return CTL_OK;
    }
    const json_t *inner = json_object_get(order, "order");
    static const char *const members[] = {"order_id",   "order_no", "state",      "reason",
                                          "waiting_on", "deadline", "definition", "payment_state"};
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        if (ctl_text(order, members[i])[0] != '\0')
            printf("%-14s %s\n", members[i], ctl_text(order, members[i]));
    }
    const json_t *total = json_object_get(order, "total_minor");
    if (json_is_integer(total))
        printf("%-14s %s\n", "total",
               ctl_minor(ctl->arena, json_integer_value(total), ctl_text(inner, "currency")));
    print_violations(order);
    static const struct ctl_column quantities[] = {
        {"line", "line_no", true},        {"ordered", "ordered", true},
        {"reserved", "reserved", true},   {"backordered", "backordered", true},
        {"released", "released", true},   {"shipped", "shipped", true},
        {"delivered", "delivered", true}, {"cancelled", "cancelled", true}};
    static const struct ctl_column shipments[] = {
        {"shipment", "shipment_id", false}, {"warehouse", "warehouse", false},
        {"state", "state", false},          {"carrier", "carrier", false},
        {"tracking", "tracking_no", false}, {"invoice", "invoice_no", false}};
    if (json_array_size(json_object_get(order, "quantities")) > 0) {
        putchar('\n');
        ctl_table(json_object_get(order, "quantities"), quantities, 8);
    }
    if (json_array_size(json_object_get(order, "shipments")) > 0) {
        putchar('\n');
        ctl_table(json_object_get(order, "shipments"), shipments, 6);
    }
    json_decref(order);
    return CTL_OK;
}

static enum ctl_exit list(struct ctl *ctl)
{
    static const char *const filters[] = {"order_no",    "customer_po", "phone", "customer",
                                          "channel_ref", "product",     "state", "waiting_on",
                                          "channel",     "due_before",  "limit"};
    char *path = arena_str(ctl->arena, bytes_str("/v1/orders?"));
    for (size_t i = 0; i < sizeof filters / sizeof filters[0]; i++) {
        const char *value = ctl_option(ctl, filters[i]);
        if (value != NULL)
            path = arena_printf(ctl->arena, "%s%s=%s&", path, filters[i], ctl_escape(ctl, value));
    }
    bool all = ctl_option(ctl, "limit") == NULL;
    json_t *orders = json_array();
    const char *after = NULL;
    do { // every page, unless --limit asks for so many
        json_t *page;
        const char *url = after == NULL ? path : arena_printf(ctl->arena, "%safter=%s", path, after);
        enum ctl_exit e = ctl_get(ctl, CTL_DESK, url, &page);
        if (e != CTL_OK) {
            json_decref(orders);
            return e;
        }
        json_array_extend(orders, json_object_get(page, "orders"));
        const char *next = ctl_text(page, "next");
        after = next[0] == '\0' ? NULL : arena_str(ctl->arena, bytes_str(next));
        json_decref(page);
    } while (all && after != NULL);
    static const struct ctl_column columns[] = {
        {"order", "order_no", false},           {"id", "order_id", false},     {"state", "state", false},
        {"waiting on", "waiting_on", false},    {"company", "company", false}, {"po", "customer_po", false},
        {"total (minor)", "total_minor", true}, {"", "currency", false},       {"reason", "reason", false}};
    if (ctl->json)
        ctl_print_json(orders);
    else
        ctl_table(orders, columns, 9);
    json_decref(orders);
    return CTL_OK;
}

static enum ctl_exit timeline(struct ctl *ctl)
{
    const char *id = ctl_word(ctl, 0);
    json_t *answer;
    if (id == NULL)
        return ctl_usage("orderctl order timeline ORDER: an order_id or order_no");
    enum ctl_exit e = ctl_get(ctl, CTL_DESK, order_path(ctl, id, "/timeline"), &answer);
    if (e != CTL_OK)
        return e;
    static const struct ctl_column columns[] = {{"at", "at", false},
                                                {"topic", "topic", false},
                                                {"what", "kind", false},
                                                {"from", "from_state", false},
                                                {"to", "to_state", false},
                                                {"because of", "saga_event", false},
                                                {"rule", "rule", true},
                                                {"message", "cause_topic", false},
                                                {"p", "cause_partition", true},
                                                {"offset", "cause_offset", true}};
    if (ctl->json)
        ctl_print_json(answer);
    else
        ctl_table(json_object_get(answer, "timeline"), columns, 10);
    json_decref(answer);
    return CTL_OK;
}

// ---- asking for something

static enum ctl_exit request(struct ctl *ctl, const char *id, json_t *document)
{
    json_t *answer;
    enum ctl_exit e = ctl_post(ctl, CTL_INTAKE, order_path(ctl, id, "/requests"), document, &answer);
    if (e != CTL_OK)
        return e;
    if (ctl->json)
        ctl_print_json(answer);
    else
        printf("%s\n", ctl_text(answer, "request_id"));
    json_decref(answer);
    return ctl->wait_s >= 0 ? wait_for(ctl, id) : CTL_OK;
}

static enum ctl_exit cancel(struct ctl *ctl)
{
    const char *id = ctl_word(ctl, 0);
    const char *reason = ctl_option(ctl, "reason");
    if (id == NULL)
        return ctl_usage("orderctl order cancel ORDER [--reason TEXT]");
    return request(ctl, id,
                   json_pack("{s:s, s:s}", "type", "cancel", "reason",
                             reason == NULL ? "asked for by a clerk" : reason));
}

// orderctl order answer ORDER field=value …
static enum ctl_exit answer(struct ctl *ctl)
{
    const char *id = ctl_word(ctl, 0);
    json_t *changes = json_array();
    for (int i = 1; id != NULL && ctl_word(ctl, i) != NULL; i++) {
        const char *word = ctl_word(ctl, i);
        const char *equals = strchr(word, '=');
        if (equals == NULL) {
            json_decref(changes);
            return ctl_usage("\"%s\": write FIELD=VALUE, e.g. delivery.phone=13800000000", word);
        }
        json_array_append_new(
            changes, json_pack("{s:s%, s:s}", "field", word, (size_t)(equals - word), "value", equals + 1));
    }
    if (id == NULL || json_array_size(changes) == 0) {
        json_decref(changes);
        return ctl_usage(
            "orderctl order answer ORDER FIELD=VALUE …: answers the questions of `orderctl order show`");
    }
    return request(ctl, id, json_pack("{s:s, s:o}", "type", "answer", "changes", changes));
}

// orderctl order choose ORDER LINE wait|cancel|refuse|reduce=N|substitute=SKU …
static enum ctl_exit choose(struct ctl *ctl)
{
    static const char *const words[][2] = {{"wait", "WAIT"},
                                           {"cancel", "CANCEL_LINE"},
                                           {"refuse", "REFUSE"},
                                           {"reduce", "REDUCE"},
                                           {"substitute", "SUBSTITUTE"}};
    const char *id = ctl_word(ctl, 0);
    const char *line = ctl_word(ctl, 1);
    const char *choice = ctl_word(ctl, 2);
    static const char usage[] = "orderctl order choose ORDER LINE wait|cancel|refuse|reduce=N|substitute=SKU";
    if (id == NULL || line == NULL || choice == NULL)
        return ctl_usage("%s", usage);
    size_t size = strcspn(choice, "=");
    for (size_t i = 0; i < 5; i++) {
        if (strlen(words[i][0]) != size || strncmp(words[i][0], choice, size) != 0)
            continue;
        json_t *one = json_pack("{s:i, s:s}", "line_no", (int)strtol(line, NULL, 10), "kind", words[i][1]);
        if (i == 3)
            json_object_set_new(one, "quantity",
                                json_integer(choice[size] == '=' ? strtoll(choice + size + 1, NULL, 10) : 0));
        if (i == 4)
            json_object_set_new(one, "substitute_sku",
                                json_string(choice[size] == '=' ? choice + size + 1 : ""));
        return request(ctl, id, json_pack("{s:s, s:[o]}", "type", "shortage", "choices", one));
    }
    return ctl_usage("%s", usage);
}

static enum ctl_exit resolve(struct ctl *ctl)
{
    const char *id = ctl_word(ctl, 0);
    const char *exit = ctl_word(ctl, 1);
    const char *reason = ctl_option(ctl, "reason");
    if (id == NULL || exit == NULL || reason == NULL)
        return ctl_usage("orderctl order resolve ORDER RETRY|PROCEED|CANCEL|WRITE_OFF --reason TEXT");
    return request(ctl, id, json_pack("{s:s, s:s, s:s}", "type", "resolve", "exit", exit, "reason", reason));
}

enum ctl_exit ctl_order(struct ctl *ctl)
{
    static const struct {
        const char *verb;
        enum ctl_exit (*run)(struct ctl *ctl);
    } verbs[] = {{"new", new_order}, {"submit", submit},     {"import", import}, {"show", show},
                 {"list", list},     {"timeline", timeline}, {"cancel", cancel}, {"answer", answer},
                 {"choose", choose}, {"resolve", resolve}};
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        if (ctl->argc > 0 && strcmp(ctl->argv[0], verbs[i].verb) == 0) {
            ctl->argc--;
            ctl->argv++;
            return verbs[i].run(ctl);
        }
    }
    return ctl_usage("orderctl order new|submit|import|show|list|timeline|cancel|answer|choose|resolve");
}
