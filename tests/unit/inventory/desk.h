// A stock room for tests: inventory's lane over memory, commands in short form, and the checks that must hold at rest.
#pragma once

#include "inventory/inventory.h"
#include "inventory/inventory_order.h"
#include "sim/harness.h"

struct line {
    uint32_t line_no;
    const char *sku;
    int64_t quantity;
    bool backorder;
    uint32_t priority;
};

// Order ids by number.
const char *desk_order(unsigned n);

void desk_product(struct harness *h, const char *sku, uint64_t version, const char *substitute, bool retired,
                  bool no_picking);
void desk_receive(struct harness *h, const char *sku, const char *warehouse, int64_t quantity);
void desk_announce(struct harness *h, const char *sku, const char *warehouse, int64_t quantity,
                   const char *date);
void desk_count(struct harness *h, const char *sku, const char *warehouse, int64_t on_hand, instant as_of);
void desk_safety(struct harness *h, const char *sku, const char *warehouse, int64_t safety);

// Commands. The harness isn't run.
void desk_reserve(struct harness *h, const char *order, uint32_t revision, const struct line *lines,
                  size_t count);
void desk_release(struct harness *h, const char *order, const char *sku); // NULL: names none
void desk_consume(struct harness *h, const char *order, const char *shipment, const char *warehouse,
                  const struct line *line);
void desk_made(struct harness *h, const char *order, uint32_t line_no, const char *sku, const char *warehouse,
               int64_t quantity);

// An operator holds the order's input back, or lets it through: so that what is on its way comes late.
void desk_pause(struct harness *h, const char *order, bool paused);

// Runs, then the next answer; NULL: none.
const Orderclerk__V1__InventoryEvent *desk_answer(struct harness *h);

struct stock_row desk_stock(struct harness *h, const char *sku,
                            const char *warehouse); // all zero: no such row
struct share desk_share(struct harness *h, const char *order, uint32_t line_no, const char *sku,
                        const char *warehouse);

// Runs, then: every prefix of the ledger adds up and none is negative, stock is what the ledger says, `reserved` is what
// orders hold, `backordered` what waits, and nobody waits while something is available.
void desk_check(struct harness *h, const char *const *skus, size_t sku_count);
