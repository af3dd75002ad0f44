// One input's changes of stock.
#include "inventory/inventory_turn.h"

#include "inventory/inventory.h"
#include "orderclerk/v1/stock.pb-c.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

// A turn that frees goods for more lines than this leaves the rest of the queue to the product's next movement: one
// commit stays bounded.
#define GRANTS_MAX 10000

const char *ledger_kind_name(enum ledger_kind kind)
{
    switch (kind) {
    case LEDGER_RECEIPT:
        return "RECEIPT";
    case LEDGER_MADE:
        return "MADE";
    case LEDGER_RESERVE:
        return "RESERVE";
    case LEDGER_RELEASE:
        return "RELEASE";
    case LEDGER_CONSUME:
        return "CONSUME";
    case LEDGER_LEFT:
        return "LEFT";
    case LEDGER_GRANT:
        return "GRANT";
    case LEDGER_GRANT_BACK:
        return "GRANT_BACK";
    case LEDGER_BACKORDER:
        return "BACKORDER";
    case LEDGER_BACKORDER_CUT:
        return "BACKORDER_CUT";
    case LEDGER_COUNT:
        return "COUNT";
    case LEDGER_WRITE_OFF:
        return "WRITE_OFF";
    case LEDGER_SAFETY:
        return "SAFETY";
    case LEDGER_INCOMING:
        return "INCOMING";
    case LEDGER_RECONCILE:
        return "RECONCILE";
    }
    return "";
}

struct turn turn_begin(struct batch *batch, const struct input *in)
{
    struct turn turn = {.batch = batch, .in = in, .now = batch_now(batch)};
    (void)uuid_parse(in->key, &turn.order_id); // news about stock has another key: no order
    return turn;
}

// ---- looking up

struct stock_row *turn_stock(struct turn *turn, struct bytes sku, struct bytes warehouse)
{
    struct stock_row probe = {.sku = sku, .warehouse = warehouse};
    return batch_find(turn->batch, &stock_table, &probe);
}

struct stock_row *turn_stock_make(struct turn *turn, struct bytes sku, struct bytes warehouse)
{
    struct stock_row *stock = turn_stock(turn, sku, warehouse);
    if (stock != NULL)
        return stock;
    struct stock_row row = {
        .sku = sku, .warehouse = warehouse, .counted_as_of = INSTANT_NONE, .moved_at = INSTANT_NONE};
    return batch_put(turn->batch, &stock_table, &row);
}

struct stock_row **turn_stock_rows(struct turn *turn, struct bytes sku, size_t *ret_count)
{
    size_t count = 0;
    for (void *r = NULL; (r = batch_next(turn->batch, &stock_table, STOCK_SKU, value_text(sku), r)) != NULL;)
        count++;
    struct stock_row **rows = arena_new_array(batch_arena(turn->batch), struct stock_row *, count);
    count = 0;
    for (void *r = NULL; (r = batch_next(turn->batch, &stock_table, STOCK_SKU, value_text(sku), r)) != NULL;)
        rows[count++] = r;
    *ret_count = count;
    return rows;
}

int64_t turn_available(struct turn *turn, struct bytes sku)
{
    size_t count;
    struct stock_row **rows = turn_stock_rows(turn, sku, &count);
    int64_t sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += stock_available(rows[i]);
    return sum;
}

const struct product_row *turn_product(struct turn *turn, struct bytes sku)
{
    struct product_row probe = {.sku = sku};
    return batch_find(turn->batch, &inventory_product_table, &probe);
}

bool turn_is_automatic(struct turn *turn, struct bytes warehouse)
{
    if (bytes_is(warehouse, INVENTORY_AUTO_WAREHOUSE))
        return true;
    const struct warehouse_row *row = NULL;
    while ((row = batch_next(turn->batch, &warehouse_table, WAREHOUSE_ADAPTER,
                             value_text(bytes_str(INVENTORY_AUTO_ADAPTER)), row)) != NULL) {
        // A row put in this batch may have had another adapter before.
        if (bytes_equal(row->warehouse, warehouse))
            return bytes_is(row->adapter, INVENTORY_AUTO_ADAPTER);
    }
    return false;
}

bool turn_may_serve(struct turn *turn, const struct product_row *product, const struct stock_row *stock)
{
    bool no_picking = product != NULL && product->no_picking;
    return no_picking || !turn_is_automatic(turn, stock->warehouse);
}

// ---- changing

void turn_touch(struct turn *turn, struct stock_row *stock)
{
    batch_touch(turn->batch, stock);
    if (uuid_equal(stock->turn, turn->in->head.id))
        return;
    stock->turn = turn->in->head.id;
    stock->version++;
    if (turn->touched_count == turn->touched_capacity) {
        turn->touched_capacity = turn->touched_capacity == 0 ? 16 : turn->touched_capacity * 2;
        struct stock_row **grown =
            arena_new_array(batch_arena(turn->batch), struct stock_row *, turn->touched_capacity);
        if (turn->touched_count > 0)
            memcpy(grown, turn->touched, turn->touched_count * sizeof(struct stock_row *));
        turn->touched = grown;
    }
    turn->touched[turn->touched_count++] = stock;
}

// Goods that came or went, as against corrections of the books.
static bool is_physical(enum ledger_kind kind)
{
    return kind == LEDGER_RECEIPT || kind == LEDGER_MADE || kind == LEDGER_CONSUME || kind == LEDGER_LEFT;
}

int64_t ledger_physical(struct bytes kind, int64_t quantity)
{
    if (bytes_is(kind, ledger_kind_name(LEDGER_RECEIPT)) || bytes_is(kind, ledger_kind_name(LEDGER_MADE))) {
        return quantity;
    }
    if (bytes_is(kind, ledger_kind_name(LEDGER_CONSUME)) || bytes_is(kind, ledger_kind_name(LEDGER_LEFT))) {
        return -quantity;
    }
    return 0;
}

void turn_move(struct turn *turn, struct stock_row *stock, const struct movement *m)
{
    turn_touch(turn, stock);
    stock->on_hand += m->on_hand;
    stock->reserved += m->reserved;
    assert(stock->on_hand >= 0 && stock->reserved >= 0 && stock->reserved <= stock->on_hand);
    uint32_t ordinal = turn->movements++;
    struct ledger_row row = {
        .id = uuid_derive(turn->in->head.id, "stock-ledger", bytes_of(&ordinal, sizeof ordinal)),
        .sku = stock->sku,
        .warehouse = stock->warehouse,
        .movement = ++stock->movements,
        .order_id = m->order_id,
        .line_no = m->line_no,
        .kind = bytes_str(ledger_kind_name(m->kind)),
        .quantity = m->quantity,
        .on_hand_change = m->on_hand,
        .reserved_change = m->reserved,
        .on_hand_after = stock->on_hand,
        .reserved_after = stock->reserved,
        .at = turn->now,
        .causation = turn->in->head.id,
        .actor = m->actor,
        .reason = m->reason,
    };
    if (is_physical(m->kind)) {
        stock->moved_at = turn->now;
        row.period =
            stock_period(batch_arena(turn->batch), stock->sku, stock->warehouse, stock_period_of(turn->now));
    }
    batch_put(turn->batch, &ledger_table, &row);
}

// ---- the queue

static struct backorder_row *queue_find(struct turn *turn, int32_t line_no, struct bytes sku)
{
    struct backorder_row probe = {.sku = sku, .order_id = turn->order_id, .line_no = line_no};
    return batch_find(turn->batch, &backorder_table, &probe);
}

int64_t turn_waiting(struct turn *turn, int32_t line_no, struct bytes sku)
{
    const struct backorder_row *row = queue_find(turn, line_no, sku);
    return row == NULL ? 0 : row->quantity;
}

void turn_wait(struct turn *turn, int32_t line_no, struct stock_row *stock, int64_t quantity,
               int32_t priority, struct bytes promised_date, instant since)
{
    struct backorder_row *row = queue_find(turn, line_no, stock->sku);
    if (row == NULL && quantity == 0)
        return; // all of it is being granted
    if (row == NULL) {
        row = batch_put(turn->batch, &backorder_table,
                        &(struct backorder_row){.sku = stock->sku,
                                                .order_id = turn->order_id,
                                                .line_no = line_no,
                                                .warehouse = stock->warehouse,
                                                .since = since});
    }
    batch_touch(turn->batch, row);
    row->quantity += quantity;
    row->priority = priority;
    row->promised_date = promised_date;
    if (quantity == 0)
        return;
    stock = turn_stock(turn, row->sku, row->warehouse);
    turn_move(
        turn, stock,
        &(struct movement){
            .kind = LEDGER_BACKORDER, .quantity = quantity, .order_id = turn->order_id, .line_no = line_no});
    stock->backordered += quantity;
}

static void queue_take(struct turn *turn, struct backorder_row *row, int64_t quantity)
{
    struct stock_row *counted = turn_stock(turn, row->sku, row->warehouse);
    turn_touch(turn, counted);
    counted->backordered -= quantity;
    if (quantity == row->quantity) {
        batch_delete(turn->batch, row);
        return;
    }
    batch_touch(turn->batch, row);
    row->quantity -= quantity;
}

int64_t turn_wait_less(struct turn *turn, int32_t line_no, struct bytes sku, int64_t quantity)
{
    struct backorder_row *row = queue_find(turn, line_no, sku);
    if (row == NULL || quantity <= 0)
        return 0;
    if (quantity > row->quantity)
        quantity = row->quantity;
    turn_move(turn, turn_stock(turn, sku, row->warehouse),
              &(struct movement){.kind = LEDGER_BACKORDER_CUT,
                                 .quantity = quantity,
                                 .order_id = turn->order_id,
                                 .line_no = line_no});
    queue_take(turn, row, quantity);
    return quantity;
}

// The order's slot books the share (inventory_order.c); until then the stock row's `reserved` holds it.
static void grant(struct turn *turn, struct backorder_row *waiting, struct stock_row *stock, int64_t quantity)
{
    char key[UUID_TEXT_SIZE];
    uuid_format(waiting->order_id, key);
    struct arena *arena = batch_arena(turn->batch);
    Orderclerk__V1__BackorderGranted granted = ORDERCLERK__V1__BACKORDER_GRANTED__INIT;
    granted.line_no = (uint32_t)waiting->line_no;
    granted.sku = arena_str(arena, stock->sku);
    granted.warehouse = arena_str(arena, stock->warehouse);
    granted.quantity = quantity;
    Orderclerk__V1__InventoryInternal message = ORDERCLERK__V1__INVENTORY_INTERNAL__INIT;
    message.body_case = ORDERCLERK__V1__INVENTORY_INTERNAL__BODY_GRANTED;
    message.granted = &granted;
    turn_move(turn, stock,
              &(struct movement){.kind = LEDGER_GRANT,
                                 .quantity = quantity,
                                 .reserved = quantity,
                                 .order_id = waiting->order_id,
                                 .line_no = waiting->line_no});
    batch_emit(turn->batch, TOPIC_INVENTORY_INTERNAL, bytes_str(key), &message.base);
    queue_take(turn, waiting, quantity);
}

static int waiting_order(const void *left, const void *right)
{
    return backorder_compare(*(struct backorder_row *const *)left, *(struct backorder_row *const *)right);
}

// Everybody who waits for the sku, in the order of service.
static struct backorder_row **queue_rows(struct turn *turn, struct bytes sku, size_t *ret_count)
{
    size_t count = 0;
    const struct value value = value_text(sku);
    for (void *r = NULL; (r = batch_next(turn->batch, &backorder_table, BACKORDER_SKU, value, r)) != NULL;)
        count++;
    struct backorder_row **rows = arena_new_array(batch_arena(turn->batch), struct backorder_row *, count);
    count = 0;
    for (void *r = NULL; (r = batch_next(turn->batch, &backorder_table, BACKORDER_SKU, value, r)) != NULL;)
        rows[count++] = r;
    if (count > 1)
        qsort(rows, count, sizeof(struct backorder_row *), waiting_order);
    *ret_count = count;
    return rows;
}

static struct stock_row *largest_site(struct turn *turn, const struct product_row *product,
                                      struct stock_row **rows, size_t count)
{
    struct stock_row *largest = NULL;
    for (size_t i = 0; i < count; i++) {
        if (stock_available(rows[i]) == 0 || !turn_may_serve(turn, product, rows[i]))
            continue;
        if (largest == NULL || stock_available(rows[i]) > stock_available(largest))
            largest = rows[i];
    }
    return largest;
}

static void serve_queue(struct turn *turn, struct bytes sku)
{
    size_t count;
    struct stock_row **rows = turn_stock_rows(turn, sku, &count);
    const struct product_row *product = turn_product(turn, sku);
    struct stock_row *site = largest_site(turn, product, rows, count);
    if (site == NULL)
        return;
    size_t waiting_count;
    struct backorder_row **waiting = queue_rows(turn, sku, &waiting_count);
    size_t grants = 0;
    for (size_t i = 0; i < waiting_count; i++) {
        int64_t left = waiting[i]->quantity; // the row is gone when all of it is granted
        for (; left > 0 && site != NULL && grants < GRANTS_MAX; grants++) {
            int64_t available = stock_available(site);
            int64_t quantity = available < left ? available : left;
            grant(turn, waiting[i], site, quantity);
            left -= quantity;
            site = largest_site(turn, product, rows, count);
        }
    }
}

// ---- the end

static void write_off(struct turn *turn, struct stock_row *stock)
{
    int64_t free_units = stock_free(stock);
    int64_t lost = stock->missing < free_units ? stock->missing : free_units;
    if (lost == 0)
        return;
    turn_move(turn, stock, &(struct movement){.kind = LEDGER_WRITE_OFF, .quantity = lost, .on_hand = -lost});
    stock->missing -= lost;
}

static struct bytes level_key(struct arena *arena, const struct stock_row *stock)
{
    return bytes_str(arena_printf(arena, "%.*s@%.*s", (int)stock->sku.size, (const char *)stock->sku.data,
                                  (int)stock->warehouse.size, (const char *)stock->warehouse.data));
}

static void tell_level(struct batch *batch, const struct stock_row *stock)
{
    struct arena *arena = batch_arena(batch);
    Orderclerk__V1__StockLevel level = ORDERCLERK__V1__STOCK_LEVEL__INIT;
    level.saga_revision = (uint64_t)stock->version;
    level.sku = arena_str(arena, stock->sku);
    level.warehouse = arena_str(arena, stock->warehouse);
    level.on_hand = stock->on_hand;
    level.reserved = stock->reserved;
    level.backordered = stock->backordered;
    level.safety = stock->safety;
    level.damaged = stock->damaged;
    level.qc_hold = stock->qc_hold;
    level.incoming = stock->incoming;
    if (stock->incoming_date.size > 0)
        level.incoming_date = arena_str(arena, stock->incoming_date);
    batch_emit(batch, TOPIC_STOCK_LEVELS, level_key(arena, stock), &level.base);
}

struct bytes inventory_level_sku(struct bytes key)
{
    const char *at = key.size == 0 ? NULL : memrchr(key.data, '@', key.size);
    return bytes_of(key.data, at == NULL ? 0 : (size_t)(at - (const char *)key.data));
}

void inventory_send_newest(struct batch *batch, const struct input *in, enum topic topic, uint64_t known)
{
    const struct value sku = value_text(inventory_level_sku(in->key));
    const struct stock_row *row = NULL;
    while (topic == TOPIC_STOCK_LEVELS &&
           (row = batch_next(batch, &stock_table, STOCK_SKU, sku, row)) != NULL) {
        if (bytes_equal(level_key(batch_arena(batch), row), in->key) && (uint64_t)row->version >= known)
            tell_level(batch, row);
    }
}

// What those are told who may be offered this product instead of another.
static void update_substitutes(struct turn *turn, struct bytes sku)
{
    int64_t available = stock_round_down(turn_available(turn, sku));
    struct substitute_row *row = NULL;
    while ((row = batch_next(turn->batch, &substitute_table, SUBSTITUTE_SKU, value_text(sku), row)) != NULL) {
        if (row->available == available)
            continue;
        batch_touch(turn->batch, row);
        row->available = available;
    }
}

void turn_finish(struct turn *turn)
{
    // Serving the queue may touch further rows of the same skus; those are then served already.
    size_t changed = turn->touched_count;
    for (size_t i = 0; i < changed; i++)
        write_off(turn, turn->touched[i]);
    for (size_t i = 0; i < changed; i++) {
        bool seen = false;
        for (size_t j = 0; j < i && !seen; j++)
            seen = bytes_equal(turn->touched[j]->sku, turn->touched[i]->sku);
        if (seen)
            continue;
        serve_queue(turn, turn->touched[i]->sku);
        update_substitutes(turn, turn->touched[i]->sku);
    }
    for (size_t i = 0; i < turn->touched_count; i++)
        tell_level(turn->batch, turn->touched[i]);
}
