// orderctl task, department, reference, stock, dead-letter: what people do beside orders.
#include "orderctl/ctl_audit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool verb_is(struct ctl *ctl, const char *verb)
{
    if (ctl->argc == 0 || strcmp(ctl->argv[0], verb) != 0)
        return false;
    ctl->argc--;
    ctl->argv++;
    return true;
}

static enum ctl_exit print_list(struct ctl *ctl, const char *path, const char *member,
                                const struct ctl_column *columns, size_t count)
{
    json_t *answer;
    enum ctl_exit e = ctl_get(ctl, CTL_DESK, path, &answer);
    if (e != CTL_OK)
        return e;
    if (ctl->json)
        ctl_print_json(json_object_get(answer, member));
    else
        ctl_table(json_object_get(answer, member), columns, count);
    json_decref(answer);
    return CTL_OK;
}

static const char *with_filters(struct ctl *ctl, const char *path, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *value = ctl_option(ctl, names[i]);
        if (value != NULL)
            path = arena_printf(ctl->arena, "%s%s=%s&", path, names[i], ctl_escape(ctl, value));
    }
    return path;
}

enum ctl_exit ctl_task(struct ctl *ctl)
{
    static const char *const filters[] = {"owner", "order_id", "closed", "due_before", "limit"};
    static const struct ctl_column columns[] = {{"owner", "owner", false},    {"what", "kind", false},
                                                {"order", "order_no", false}, {"order id", "order_id", false},
                                                {"due", "due", false},        {"text", "text_en", false}};
    if (!verb_is(ctl, "list"))
        return ctl_usage(
            "orderctl task list [--owner WHO] [--order_id ID] [--closed true] [--due_before INSTANT]");
    return print_list(ctl, with_filters(ctl, "/v1/tasks?", filters, 5), "tasks", columns, 6);
}

// orderctl department reply NAME ORDER TYPE [member=value …]: members that are numbers are sent as numbers.
enum ctl_exit ctl_department(struct ctl *ctl)
{
    if (!verb_is(ctl, "reply") || ctl_word(ctl, 2) == NULL) {
        return ctl_usage(
            "orderctl department reply DEPARTMENT ORDER TYPE [MEMBER=VALUE …]\n"
            "  e.g. orderctl department reply production SO… plan_confirmed kind=PRODUCTION date=2026-12-01");
    }
    json_t *document = json_pack("{s:s, s:s}", "order", ctl_word(ctl, 1), "type", ctl_word(ctl, 2));
    json_t *body = json_object();
    for (int i = 3; ctl_word(ctl, i) != NULL; i++) {
        const char *word = ctl_word(ctl, i);
        const char *equals = strchr(word, '=');
        if (equals == NULL) {
            json_decref(document);
            json_decref(body);
            return ctl_usage("\"%s\": write MEMBER=VALUE", word);
        }
        char *end;
        char *name = arena_str(ctl->arena, bytes_of(word, (size_t)(equals - word)));
        long long number = strtoll(equals + 1, &end, 10);
        bool truth = strcmp(equals + 1, "true") == 0 || strcmp(equals + 1, "false") == 0;
        json_object_set_new(body, name,
                            truth                               ? json_boolean(equals[1] == 't')
                            : *end == '\0' && equals[1] != '\0' ? json_integer(number)
                                                                : json_string(equals + 1));
    }
    json_object_set_new(document, ctl_word(ctl, 2), body);
    json_t *answer;
    enum ctl_exit e =
        ctl_post(ctl, CTL_INTAKE,
                 arena_printf(ctl->arena, "/v1/departments/%s/replies", ctl_escape(ctl, ctl_word(ctl, 0))),
                 document, &answer);
    if (e != CTL_OK)
        return e;
    if (ctl->json)
        ctl_print_json(answer);
    json_decref(answer);
    return CTL_OK;
}

static enum ctl_exit import_file(struct ctl *ctl, const char *path, const char *file)
{
    char *data;
    size_t size;
    enum ctl_exit e = ctl_read_file(ctl, file, &data, &size);
    if (e != CTL_OK)
        return e;
    size_t length = strlen(file);
    bool csv = length > 4 && strcmp(file + length - 4, ".csv") == 0;
    struct ctl_answer answer;
    e = ctl_request(ctl, CTL_INTAKE, "POST", path, csv ? "text/csv" : "application/x-ndjson", data, size,
                    &answer);
    if (e == CTL_OK)
        fputs(answer.body, stdout);
    return e;
}

enum ctl_exit ctl_reference(struct ctl *ctl)
{
    if (!verb_is(ctl, "import") || ctl_word(ctl, 1) == NULL)
        return ctl_usage(
            "orderctl reference import products|customers|prices|calendars|warehouses FILE.ndjson|FILE.csv");
    return import_file(ctl,
                       arena_printf(ctl->arena, "/v1/reference/%s:import", ctl_escape(ctl, ctl_word(ctl, 0))),
                       ctl_word(ctl, 1));
}

enum ctl_exit ctl_stock(struct ctl *ctl)
{
    static const char *const filters[] = {"sku", "warehouse", "limit"};
    static const struct ctl_column columns[] = {{"sku", "sku", false},
                                                {"warehouse", "warehouse", false},
                                                {"available", "available", true},
                                                {"on hand", "on_hand", true},
                                                {"reserved", "reserved", true},
                                                {"backordered", "backordered", true},
                                                {"incoming", "incoming", true},
                                                {"on", "incoming_date", false}};
    if (verb_is(ctl, "show"))
        return print_list(ctl, with_filters(ctl, "/v1/stock?", filters, 3), "stock", columns, 8);
    if (verb_is(ctl, "import") && ctl_word(ctl, 0) != NULL)
        return import_file(ctl, "/v1/stock:import", ctl_word(ctl, 0));
    if (verb_is(ctl, "reconcile"))
        return ctl_audit_stock(ctl);
    if (!verb_is(ctl, "receive") || ctl_word(ctl, 2) == NULL)
        return ctl_usage(
            "orderctl stock show [--sku SKU] [--warehouse W] | receive SKU WAREHOUSE QUANTITY | import FILE "
            "| reconcile [--sku SKU] [--repair --reason TEXT]");
    char *end;
    long long quantity = strtoll(ctl_word(ctl, 2), &end, 10);
    if (*end != '\0' || quantity <= 0)
        return ctl_usage("\"%s\": QUANTITY is a whole number above zero, in base units", ctl_word(ctl, 2));
    json_t *line = json_pack("{s:s, s:s, s:s, s:I}", "type", "received", "sku", ctl_word(ctl, 0), "warehouse",
                             ctl_word(ctl, 1), "quantity", (json_int_t)quantity);
    char *text = json_dumps(line, JSON_COMPACT);
    json_decref(line);
    struct ctl_answer answer;
    enum ctl_exit e = ctl_request(ctl, CTL_INTAKE, "POST", "/v1/stock:import", "application/x-ndjson", text,
                                  strlen(text), &answer);
    free(text);
    if (e == CTL_OK && ctl->json)
        fputs(answer.body, stdout);
    return e;
}

// What a held order's service is told: redrive, discard …
static enum ctl_exit control(struct ctl *ctl, const char *action)
{
    const char *id = ctl_word(ctl, 0);
    const char *reason = ctl_option(ctl, "reason");
    json_t *letter;
    if (id == NULL || reason == NULL)
        return ctl_usage("orderctl dead-letter retry|discard ID --reason TEXT");
    enum ctl_exit e =
        ctl_get(ctl, CTL_DESK, arena_printf(ctl->arena, "/v1/dead-letters/%s", ctl_escape(ctl, id)), &letter);
    if (e != CTL_OK)
        return e;
    if (!json_is_true(json_object_get(letter, "held"))) {
        fprintf(stderr, "orderctl: nothing is held for this dead letter: there is nothing to try again; send "
                        "a new, right record\n");
        json_decref(letter);
        return CTL_REFUSED;
    }
    const char *user = getenv("USER");
    json_t *document = json_pack("{s:s, s:s, s:s, s:s, s:s}", "service", ctl_text(letter, "service"), "key",
                                 ctl_text(letter, "key"), "action", action, "reason", reason, "actor",
                                 user == NULL ? "operator" : user);
    if (strcmp(action, "DISCARD") == 0)
        json_object_set_new(document, "event_id", json_string(ctl_text(letter, "record_event_id")));
    json_decref(letter);
    json_t *answer;
    e = ctl_post(ctl, CTL_INTAKE, "/v1/control", document, &answer);
    if (e == CTL_OK)
        json_decref(answer);
    return e;
}

enum ctl_exit ctl_dead_letter(struct ctl *ctl)
{
    static const char *const filters[] = {"service", "key", "settled", "limit"};
    static const struct ctl_column columns[] = {{"id", "id", false},         {"service", "service", false},
                                                {"topic", "topic", false},   {"key", "key", false},
                                                {"reason", "reason", false}, {"held", "held", false},
                                                {"detail", "detail", false}};
    if (verb_is(ctl, "list"))
        return print_list(ctl, with_filters(ctl, "/v1/dead-letters?", filters, 4), "dead_letters", columns,
                          7);
    if (verb_is(ctl, "retry"))
        return control(ctl, "REDRIVE");
    if (verb_is(ctl, "discard"))
        return control(ctl, "DISCARD");
    if (!verb_is(ctl, "show") || ctl_word(ctl, 0) == NULL)
        return ctl_usage("orderctl dead-letter list [--service S] [--key ORDER] | show ID | retry ID "
                         "--reason TEXT | discard ID --reason TEXT");
    json_t *letter;
    enum ctl_exit e =
        ctl_get(ctl, CTL_DESK,
                arena_printf(ctl->arena, "/v1/dead-letters/%s", ctl_escape(ctl, ctl_word(ctl, 0))), &letter);
    if (e != CTL_OK)
        return e;
    ctl_print_json(letter);
    json_decref(letter);
    return CTL_OK;
}
