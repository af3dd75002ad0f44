// ReserveStock: brings what the order holds to what it needs now. Only differences move: first what is too much goes back,
// then what is lacking is taken, line by line; what is there is held even when it isn't enough.
#include "inventory/inventory.h"
#include "inventory/inventory_order.h"

#include <stdlib.h>

// The order's lines beside its rows, for this command.
struct reserve {
    struct order order;
    const Orderclerk__V1__ReserveStock *command;
    struct site_use *sites; // warehouses of the products wanted
    size_t site_count;
    Orderclerk__V1__Shortage **shortages;
    size_t shortage_count;
};

struct site_use {
    struct bytes warehouse;
    bool used;
    int32_t covers;
};

// ---- checking

static int line_order(const void *left, const void *right)
{
    const Orderclerk__V1__ReserveLine *a = *(Orderclerk__V1__ReserveLine *const *)left;
    const Orderclerk__V1__ReserveLine *b = *(Orderclerk__V1__ReserveLine *const *)right;
    return (a->line_no > b->line_no) - (a->line_no < b->line_no);
}

static struct err check_lines(struct arena *arena, const Orderclerk__V1__ReserveStock *command)
{
    if (command->n_lines > INVENTORY_LINES_MAX) {
        return err_make(ERR_REJECT, "lines: %zu given, at most %d", command->n_lines, INVENTORY_LINES_MAX);
    }
    for (size_t i = 0; i < command->n_lines; i++) {
        const Orderclerk__V1__ReserveLine *line = command->lines[i];
        if (line->line_no == 0 || line->line_no > INT32_MAX) {
            return err_make(ERR_REJECT, "lines[%zu].line_no: %u is no line number", i, line->line_no);
        }
        if (line->sku[0] == '\0')
            return err_make(ERR_REJECT, "lines[%zu].sku: missing", i);
        if (line->quantity < 0 || line->quantity > STOCK_QUANTITY_MAX) {
            return err_make(ERR_REJECT, "lines[%zu].quantity: %lld must be from 0 to %lld", i,
                            (long long)line->quantity, (long long)STOCK_QUANTITY_MAX);
        }
        if (line->priority > INT32_MAX)
            return err_make(ERR_REJECT, "lines[%zu].priority: too large", i);
    }
    Orderclerk__V1__ReserveLine **sorted =
        arena_copy(arena, command->lines, command->n_lines * sizeof(Orderclerk__V1__ReserveLine *));
    if (command->n_lines > 1)
        qsort(sorted, command->n_lines, sizeof(Orderclerk__V1__ReserveLine *), line_order);
    for (size_t i = 1; i < command->n_lines; i++) {
        if (sorted[i]->line_no == sorted[i - 1]->line_no) {
            return err_make(ERR_REJECT, "lines: line %u is given twice", sorted[i]->line_no);
        }
    }
    return err_ok();
}

// What the line must hold now; what has left already was part of its need.
static int64_t line_need(const struct reserve *r, const Orderclerk__V1__ReserveLine *line)
{
    int64_t need =
        line->quantity - order_share(&r->order, (int32_t)line->line_no, bytes_str(line->sku)).consumed;
    return need > 0 ? need : 0;
}

static int64_t line_lack(const struct reserve *r, const Orderclerk__V1__ReserveLine *line)
{
    int64_t lack =
        line_need(r, line) - order_share(&r->order, (int32_t)line->line_no, bytes_str(line->sku)).reserved;
    return lack > 0 ? lack : 0;
}

// NULL: the line can be served, now or later.
static const char *refusal(struct reserve *r, const Orderclerk__V1__ReserveLine *line)
{
    struct bytes sku = bytes_str(line->sku);
    if (line_lack(r, line) <= order_share(&r->order, (int32_t)line->line_no, sku).backordered)
        return NULL;
    const struct product_row *product = turn_product(r->order.turn, sku);
    if (product != NULL && product->retired)
        return "RETIRED";
    size_t count;
    turn_stock_rows(r->order.turn, sku, &count);
    // Stock without master data: the product's record is still on its way to this service.
    return product == NULL && count == 0 ? "UNKNOWN" : NULL;
}

static bool emit_refusal(struct reserve *r)
{
    for (size_t i = 0; i < r->command->n_lines; i++) {
        const char *why = refusal(r, r->command->lines[i]);
        if (why == NULL)
            continue;
        Orderclerk__V1__StockRefused refused = ORDERCLERK__V1__STOCK_REFUSED__INIT;
        refused.order_revision = r->command->order_revision;
        refused.reason = (char *)(uintptr_t)why;
        refused.line_no = r->command->lines[i]->line_no;
        Orderclerk__V1__InventoryEvent event = ORDERCLERK__V1__INVENTORY_EVENT__INIT;
        event.body_case = ORDERCLERK__V1__INVENTORY_EVENT__BODY_REFUSED;
        event.refused = &refused;
        order_emit(&r->order, &event);
        return true;
    }
    return false;
}

// ---- giving back

static const Orderclerk__V1__ReserveLine *line_of(const struct reserve *r, const struct allocation_row *row)
{
    for (size_t i = 0; i < r->command->n_lines; i++) {
        const Orderclerk__V1__ReserveLine *line = r->command->lines[i];
        if ((int32_t)line->line_no == row->line_no && bytes_is(row->sku, line->sku))
            return line;
    }
    return NULL;
}

static bool is_named(const struct reserve *r, struct bytes sku)
{
    for (size_t i = 0; i < r->command->n_lines; i++) {
        if (bytes_is(sku, r->command->lines[i]->sku))
            return true;
    }
    return false;
}

static int64_t at_most(int64_t value, int64_t limit)
{
    return value < limit ? value : limit;
}

static void give_back_line(struct reserve *r, const Orderclerk__V1__ReserveLine *line)
{
    struct bytes sku = bytes_str(line->sku);
    struct share share = order_share(&r->order, (int32_t)line->line_no, sku);
    int64_t need = line_need(r, line);
    int64_t excess = share.reserved > need ? share.reserved - need : 0;
    int64_t lack = need > share.reserved ? need - share.reserved : 0;
    int64_t waits = line->backorder ? lack : 0;
    int64_t less = share.backordered > waits ? share.backordered - waits : 0;
    for (size_t i = r->order.count; i-- > 0 && (excess > 0 || less > 0);) {
        struct allocation_row *row = r->order.rows[i];
        if (row->line_no != (int32_t)line->line_no || !bytes_equal(row->sku, sku))
            continue;
        int64_t part = at_most(row->reserved, excess);
        order_release(&r->order, row, part);
        excess -= part;
        part = at_most(row->backordered, less);
        order_wait_less(&r->order, row, part);
        less -= part;
    }
}

static void give_back(struct reserve *r)
{
    for (size_t i = 0; i < r->order.count; i++) {
        struct allocation_row *row = r->order.rows[i];
        if (row->made || line_of(r, row) != NULL)
            continue;
        order_drop(&r->order, row, is_named(r, row->sku));
    }
    for (size_t i = 0; i < r->command->n_lines; i++)
        give_back_line(r, r->command->lines[i]);
}

// ---- taking

static struct site_use *site_of(struct reserve *r, struct bytes warehouse)
{
    for (size_t i = 0; i < r->site_count; i++) {
        if (bytes_equal(r->sites[i].warehouse, warehouse))
            return &r->sites[i];
    }
    return NULL;
}

// Which warehouses the order uses, and how many of its lines each could serve whole: fewer parcels.
static void survey_sites(struct reserve *r)
{
    struct turn *turn = r->order.turn;
    size_t rows = 0;
    for (size_t i = 0; i < r->command->n_lines; i++) {
        size_t count;
        turn_stock_rows(turn, bytes_str(r->command->lines[i]->sku), &count);
        rows += count;
    }
    r->sites = arena_new_array(batch_arena(turn->batch), struct site_use, rows + r->order.count);
    for (size_t i = 0; i < r->order.count; i++) {
        if (r->order.rows[i]->reserved == 0 || site_of(r, r->order.rows[i]->warehouse) != NULL)
            continue;
        r->sites[r->site_count++] = (struct site_use){.warehouse = r->order.rows[i]->warehouse, .used = true};
    }
    for (size_t i = 0; i < r->command->n_lines; i++) {
        const Orderclerk__V1__ReserveLine *line = r->command->lines[i];
        int64_t lack = line_lack(r, line);
        size_t count;
        struct stock_row **stock = turn_stock_rows(turn, bytes_str(line->sku), &count);
        for (size_t j = 0; j < count; j++) {
            struct site_use *site = site_of(r, stock[j]->warehouse);
            if (site == NULL) {
                site = &r->sites[r->site_count++];
                site->warehouse = stock[j]->warehouse;
            }
            if (lack > 0 && stock_available(stock[j]) >= lack)
                site->covers++;
        }
    }
}

static void take(struct reserve *r, const Orderclerk__V1__ReserveLine *line)
{
    int64_t lack = line_lack(r, line);
    if (lack == 0)
        return;
    struct turn *turn = r->order.turn;
    struct arena *arena = batch_arena(turn->batch);
    const struct product_row *product = turn_product(turn, bytes_str(line->sku));
    size_t count;
    struct stock_row **stock = turn_stock_rows(turn, bytes_str(line->sku), &count);
    struct stock_site *sites = arena_new_array(arena, struct stock_site, count);
    struct stock_pick *picks = arena_new_array(arena, struct stock_pick, count);
    size_t usable = 0;
    for (size_t i = 0; i < count; i++) {
        if (!turn_may_serve(turn, product, stock[i]))
            continue;
        const struct site_use *use = site_of(r, stock[i]->warehouse);
        sites[usable++] = (struct stock_site){.stock = stock[i],
                                              .used = use->used,
                                              .automatic = turn_is_automatic(turn, stock[i]->warehouse),
                                              .covers = use->covers};
    }
    size_t pick_count = stock_choose(sites, usable, lack, product != NULL && product->no_picking, picks);
    for (size_t i = 0; i < pick_count; i++) {
        struct allocation_row *row = order_row_make(&r->order, (int32_t)line->line_no, bytes_str(line->sku),
                                                    picks[i].stock->warehouse);
        order_reserve(&r->order, row, picks[i].quantity);
        row->priority = (int32_t)line->priority;
        site_of(r, picks[i].stock->warehouse)->used = true;
    }
    if (pick_count > 0)
        give_back_line(r, line); // it waits for less now
}

// ---- waiting

// Where the line's waiting share is counted: where it is already, else where the delivery comes in, else where the order
// has goods, else the first. NULL: the product has never been in stock anywhere.
static struct stock_row *waiting_site(struct reserve *r, const Orderclerk__V1__ReserveLine *line,
                                      int64_t quantity, struct bytes *ret_date)
{
    struct turn *turn = r->order.turn;
    struct bytes sku = bytes_str(line->sku);
    size_t count;
    struct stock_row **rows = turn_stock_rows(turn, sku, &count);
    if (count == 0)
        return NULL;
    struct stock_row *site = NULL;
    for (size_t i = 0; i < count; i++) {
        const struct site_use *use = site_of(r, rows[i]->warehouse);
        if (site == NULL || (use->used && !site_of(r, site->warehouse)->used))
            site = rows[i];
    }
    int64_t ahead = -order_share(&r->order, (int32_t)line->line_no, sku).backordered;
    for (size_t i = 0; i < count; i++)
        ahead += rows[i]->backordered;
    *ret_date = bytes_of(NULL, 0);
    stock_restock(rows, count, ahead > 0 ? ahead : 0, quantity, ret_date, &site);
    for (size_t i = 0; i < r->order.count; i++) {
        const struct allocation_row *row = r->order.rows[i];
        if (row->line_no == (int32_t)line->line_no && row->backordered > 0 && bytes_equal(row->sku, sku)) {
            site = turn_stock(turn, sku, row->warehouse);
        }
    }
    return site;
}

static bool wait_for(struct reserve *r, const Orderclerk__V1__ReserveLine *line)
{
    struct turn *turn = r->order.turn;
    struct bytes sku = bytes_str(line->sku);
    int32_t line_no = (int32_t)line->line_no;
    int64_t lack = line_lack(r, line);
    struct bytes date;
    struct stock_row *stock = waiting_site(r, line, lack, &date);
    if (stock == NULL)
        return false;
    struct allocation_row *row = order_row_make(&r->order, line_no, sku, stock->warehouse);
    batch_touch(turn->batch, row);
    int64_t waiting = order_share(&r->order, line_no, sku).backordered;
    if (row->backordered == 0)
        row->backordered_at = turn->now;
    row->backordered += lack - waiting; // never more than it lacks: give_back_line
    row->priority = (int32_t)line->priority;
    row->promised_date = date;
    turn_wait(turn, line_no, stock, lack - waiting, row->priority, date, row->backordered_at);
    return true;
}

// ---- answering

static int substitute_order(const void *left, const void *right)
{
    const struct substitute_row *a = *(const struct substitute_row *const *)left;
    const struct substitute_row *b = *(const struct substitute_row *const *)right;
    return (a->position > b->position) - (a->position < b->position);
}

static void add_substitutes(struct reserve *r, struct bytes sku, Orderclerk__V1__Shortage *shortage)
{
    struct batch *batch = r->order.turn->batch;
    struct arena *arena = batch_arena(batch);
    const struct substitute_row *rows[INVENTORY_SUBSTITUTES_MAX];
    size_t count = 0;
    const struct substitute_row *row = NULL;
    while (count < INVENTORY_SUBSTITUTES_MAX &&
           (row = batch_next(batch, &substitute_table, SUBSTITUTE_FOR, value_text(sku), row)) != NULL) {
        if (row->offered)
            rows[count++] = row;
    }
    if (count > 1)
        qsort(rows, count, sizeof(struct substitute_row *), substitute_order);
    shortage->substitutes = arena_new_array(arena, Orderclerk__V1__Substitute *, count);
    for (size_t i = 0; i < count; i++) {
        Orderclerk__V1__Substitute *s = arena_new_object(arena, Orderclerk__V1__Substitute);
        orderclerk__v1__substitute__init(s);
        s->sku = arena_str(arena, rows[i]->sku);
        s->name = arena_str(arena, rows[i]->name);
        s->available = rows[i]->available;
        shortage->substitutes[shortage->n_substitutes++] = s;
    }
}

static void add_shortage(struct reserve *r, const Orderclerk__V1__ReserveLine *line)
{
    struct turn *turn = r->order.turn;
    struct arena *arena = batch_arena(turn->batch);
    struct bytes sku = bytes_str(line->sku);
    struct share share = order_share(&r->order, (int32_t)line->line_no, sku);
    Orderclerk__V1__Shortage *shortage = arena_new_object(arena, Orderclerk__V1__Shortage);
    orderclerk__v1__shortage__init(shortage);
    shortage->line_no = line->line_no;
    shortage->sku = line->sku;
    shortage->wanted = line->quantity;
    shortage->available = share.reserved + share.consumed;
    struct bytes date;
    if (waiting_site(r, line, line_lack(r, line), &date) != NULL && date.size > 0) {
        shortage->restock_date = arena_str(arena, date);
    }
    add_substitutes(r, sku, shortage);
    r->shortages[r->shortage_count++] = shortage;
}

static void answer(struct reserve *r)
{
    Orderclerk__V1__InventoryEvent event = ORDERCLERK__V1__INVENTORY_EVENT__INIT;
    Orderclerk__V1__StockReserved reserved = ORDERCLERK__V1__STOCK_RESERVED__INIT;
    Orderclerk__V1__StockShort short_of = ORDERCLERK__V1__STOCK_SHORT__INIT;
    if (r->shortage_count == 0) {
        reserved.order_revision = r->command->order_revision;
        reserved.allocations = order_allocations(&r->order, &reserved.n_allocations);
        event.body_case = ORDERCLERK__V1__INVENTORY_EVENT__BODY_RESERVED;
        event.reserved = &reserved;
    } else {
        short_of.order_revision = r->command->order_revision;
        short_of.shortages = r->shortages;
        short_of.n_shortages = r->shortage_count;
        short_of.allocations = order_allocations(&r->order, &short_of.n_allocations);
        event.body_case = ORDERCLERK__V1__INVENTORY_EVENT__BODY_SHORT_OF_STOCK;
        event.short_of_stock = &short_of;
    }
    order_emit(&r->order, &event);
}

struct err order_decide_reserve(struct turn *turn, const Orderclerk__V1__ReserveStock *command)
{
    struct arena *arena = batch_arena(turn->batch);
    struct err e = check_lines(arena, command);
    if (err_is(&e))
        return e;
    struct reserve r = {.order = order_load(turn), .command = command};
    r.shortages = arena_new_array(arena, Orderclerk__V1__Shortage *, command->n_lines);
    if (emit_refusal(&r))
        return err_ok();
    give_back(&r);
    survey_sites(&r);
    for (size_t i = 0; i < command->n_lines; i++)
        take(&r, command->lines[i]);
    for (size_t i = 0; i < command->n_lines; i++) {
        const Orderclerk__V1__ReserveLine *line = command->lines[i];
        if (line_lack(&r, line) == 0)
            continue;
        if (!line->backorder || !wait_for(&r, line))
            add_shortage(&r, line);
    }
    turn_finish(turn);
    answer(&r);
    return err_ok();
}
