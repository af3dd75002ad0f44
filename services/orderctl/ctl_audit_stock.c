// orderctl stock reconcile: inventory's counters against its ledger, its queue and the orders' shares.
//
// Repairs go the way of every news about stock: through intake to inventory's lane, which compares the numbers that were seen
// here with its row, refuses when they have moved, and writes a ledger row that says who and why.
#include "orderctl/ctl_audit.h"

#include "orderctl/audit_store.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define IN_FLIGHT_S    10 // for shares that are on their way from one of inventory's lanes to another
#define REPAIR_S       60 // from intake's answer to the counter
#define POLL_MS        300
#define FINDINGS_SHOWN 1000

struct reconcile {
    struct ctl *ctl;
    struct pg *pg;
    struct bytes sku; // absent: all
    struct arena *arena;
    struct audit_stock_list list;
};

static struct err read_stock(struct reconcile *r)
{
    arena_reset(r->arena);
    return audit_store_stock(r->pg, r->arena, r->sku, &r->list);
}

// What differs and stays so: shares on their way don't count.
static unsigned differences(const struct audit_stock *stock)
{
    return audit_stock_compare(stock) & ~(unsigned)AUDIT_STOCK_SHARES;
}

static bool has_shares_differing(const struct reconcile *r)
{
    for (size_t i = 0; i < r->list.count; i++) {
        if ((audit_stock_compare(&r->list.items[i]) & AUDIT_STOCK_SHARES) != 0)
            return true;
    }
    return false;
}

// Reads until no share is on its way, or for IN_FLIGHT_S.
static struct err read_settled(struct reconcile *r)
{
    const int64_t until = clock_monotonic_us() + IN_FLIGHT_S * INSTANT_SECOND;
    struct err e = read_stock(r);
    while (!err_is(&e) && has_shares_differing(r) && clock_monotonic_us() < until) {
        ctl_audit_sleep_ms(POLL_MS);
        e = read_stock(r);
    }
    return e;
}

// ---- telling

static void add(json_t *findings, const struct audit_stock *s, const char *field, int64_t written,
                int64_t counter, const char *note)
{
    if (json_array_size(findings) < FINDINGS_SHOWN)
        json_array_append_new(
            findings, json_pack("{s:s%, s:s%, s:s, s:I, s:I, s:s}", "sku", s->sku.data, s->sku.size,
                                "warehouse", s->warehouse.data, s->warehouse.size, "field", field, "written",
                                (json_int_t)written, "counter", (json_int_t)counter, "note", note));
}

static void add_counters(json_t *findings, const struct audit_stock *s)
{
    const char *why = audit_stock_unrepairable(s);
    for (unsigned bit = 0; bit < AUDIT_STOCK_FIELDS; bit++) {
        const enum audit_stock_field field = (enum audit_stock_field)(1 << bit);
        if ((differences(s) & field) == 0)
            continue;
        int64_t written, counter;
        audit_stock_values(s, field, &written, &counter);
        const bool repairable = (field & AUDIT_STOCK_COUNTERS) != 0 && why == NULL;
        add(findings, s, audit_stock_field_name(field), written, counter,
            repairable    ? "--repair puts it right"
            : why == NULL ? ""
                          : why);
    }
}

static struct err add_shares(struct reconcile *r, json_t *findings, const struct audit_stock *s)
{
    struct audit_share *shares;
    size_t count;
    struct err e = audit_store_shares(r->pg, r->arena, s->sku, s->warehouse, &shares, &count);
    for (size_t i = 0; !err_is(&e) && i < count; i++) {
        char id[UUID_TEXT_SIZE];
        uuid_format(shares[i].order_id, id);
        add(findings, s, audit_stock_field_name(AUDIT_STOCK_SHARES), shares[i].ledger, shares[i].allocated,
            arena_printf(r->arena, "order %s", id));
    }
    return e;
}

static struct err collect(struct reconcile *r, json_t *findings)
{
    struct err e = err_ok();
    for (size_t i = 0; !err_is(&e) && i < r->list.count; i++) {
        const struct audit_stock *s = &r->list.items[i];
        add_counters(findings, s);
        if ((audit_stock_compare(s) & AUDIT_STOCK_SHARES) != 0)
            e = add_shares(r, findings, s);
    }
    return e;
}

static void print_result(const struct reconcile *r, const json_t *findings, size_t repaired)
{
    static const struct ctl_column columns[] = {
        {"sku", "sku", false},        {"warehouse", "warehouse", false}, {"what", "field", false},
        {"written", "written", true}, {"counter", "counter", true},      {"", "note", false}};
    if (r->ctl->json) {
        json_t *result = json_pack("{s:I, s:I, s:I, s:O}", "counters", (json_int_t)r->list.count,
                                   "ledger_rows", (json_int_t)r->list.ledger_rows, "repaired",
                                   (json_int_t)repaired, "divergences", findings);
        ctl_print_json(result);
        json_decref(result);
        return;
    }
    if (json_array_size(findings) > 0)
        ctl_table(findings, columns, sizeof columns / sizeof columns[0]);
    printf("%zu products in warehouses compared with %" PRId64 " rows of the ledger, %zu divergences",
           r->list.count, r->list.ledger_rows, json_array_size(findings));
    printf(repaired > 0 ? ", %zu repaired\n" : "\n", repaired);
}

// ---- repairing

static bool is_repairable(const struct audit_stock *s)
{
    return (differences(s) & AUDIT_STOCK_COUNTERS) != 0 && audit_stock_unrepairable(s) == NULL;
}

static size_t count_repairable(const struct reconcile *r)
{
    size_t count = 0;
    for (size_t i = 0; i < r->list.count; i++)
        count += is_repairable(&r->list.items[i]) ? 1 : 0;
    return count;
}

// One line for each, as intake's /v1/stock:import takes them; the caller frees it.
static char *repair_lines(const struct reconcile *r, const char *reason)
{
    const char *user = getenv("USER");
    char *lines = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&lines, &size);
    if (out == NULL)
        abort();
    for (size_t i = 0; i < r->list.count; i++) {
        const struct audit_stock *s = &r->list.items[i];
        if (!is_repairable(s))
            continue;
        json_t *line =
            json_pack("{s:s, s:s%, s:s%, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "type", "reconciled",
                      "sku", s->sku.data, s->sku.size, "warehouse", s->warehouse.data, s->warehouse.size,
                      "actor", user == NULL || user[0] == '\0' ? "operator" : user, "reason", reason,
                      "movement", (json_int_t)s->movements, "seen_on_hand", (json_int_t)s->on_hand,
                      "seen_reserved", (json_int_t)s->reserved, "seen_backordered",
                      (json_int_t)s->backordered, "on_hand", (json_int_t)s->ledger_on_hand, "reserved",
                      (json_int_t)s->ledger_reserved, "backordered", (json_int_t)s->queued);
        char *text = json_dumps(line, JSON_COMPACT);
        json_decref(line);
        if (text == NULL)
            abort();
        fprintf(out, "%s\n", text);
        free(text);
    }
    if (fclose(out) != 0)
        abort();
    return lines;
}

// Intake answers 200 with a line for each row; a row that it refused has problems.
static enum ctl_exit send_repairs(struct reconcile *r, const char *reason)
{
    char *lines = repair_lines(r, reason);
    struct ctl_answer answer;
    enum ctl_exit status = ctl_request(r->ctl, CTL_INTAKE, "POST", "/v1/stock:import", "application/x-ndjson",
                                       lines, strlen(lines), &answer);
    free(lines);
    if (status != CTL_OK)
        return status;
    if (strstr(answer.body, "\"problems\"") == NULL)
        return CTL_OK;
    fprintf(stderr, "orderctl: intake refused a repair:\n%s", answer.body);
    return CTL_REFUSED;
}

// *ret_repaired: how many of the rows that could be repaired differ no more.
static enum ctl_exit repair(struct reconcile *r, const char *reason, size_t *ret_repaired)
{
    const size_t before = count_repairable(r);
    if (before == 0)
        return CTL_OK;
    const enum ctl_exit status = send_repairs(r, reason);
    if (status != CTL_OK)
        return status;
    const int64_t until = clock_monotonic_us() + REPAIR_S * INSTANT_SECOND;
    struct err e = read_stock(r);
    while (!err_is(&e) && count_repairable(r) > 0 && clock_monotonic_us() < until) {
        ctl_audit_sleep_ms(POLL_MS);
        e = read_stock(r);
    }
    if (!err_is(&e))
        e = read_settled(r);
    if (err_is(&e))
        return ctl_audit_failed(&e);
    const size_t left = count_repairable(r);
    *ret_repaired = left < before ? before - left : 0;
    if (left > 0)
        fprintf(stderr, "orderctl: not every repair was applied: the numbers have moved meanwhile; `orderctl "
                        "dead-letter list --service inventory` says why; run it again\n");
    return CTL_OK;
}

static enum ctl_exit run(struct reconcile *r, const char *reason)
{
    struct err e = read_settled(r);
    if (err_is(&e))
        return ctl_audit_failed(&e);
    size_t repaired = 0;
    const enum ctl_exit status = r->ctl->repair ? repair(r, reason, &repaired) : CTL_OK;
    if (status != CTL_OK)
        return status;
    json_t *findings = json_array();
    e = collect(r, findings);
    if (!err_is(&e))
        print_result(r, findings, repaired);
    const bool equal = json_array_size(findings) == 0;
    json_decref(findings);
    if (err_is(&e))
        return ctl_audit_failed(&e);
    return equal ? CTL_OK : CTL_DIFFERS;
}

enum ctl_exit ctl_audit_stock(struct ctl *ctl)
{
    const char *sku = ctl_option(ctl, "sku");
    const char *reason = ctl_option(ctl, "reason");
    if (ctl->repair && (reason == NULL || reason[0] == '\0'))
        return ctl_usage(
            "orderctl stock reconcile --repair --reason TEXT: the ledger keeps who did it and why");
    struct reconcile r = {.ctl = ctl, .sku = sku == NULL ? bytes_of(NULL, 0) : bytes_str(sku)};
    enum ctl_exit status = ctl_audit_pg(ctl, &r.pg);
    if (status != CTL_OK)
        return status;
    r.arena = arena_new(1 << 16);
    status = run(&r, reason);
    arena_free(r.arena);
    pg_close(r.pg);
    return status;
}
