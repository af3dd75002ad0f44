// Inventory: stock per product and warehouse, orders' reservations in it, and the ledger of every movement.
#pragma once

#include "inventory/inventory_turn.h"
#include "lane/lane.h"
#include "orderclerk/v1/reference.pb-c.h"
#include "orderclerk/v1/stock.pb-c.h"
#include "pg/migrate.h"

extern const struct lane_service inventory_lane;
extern const struct migration inventory_migrations[]; // sql/
extern const unsigned inventory_migrations_count;

// Goods that need no picking are shipped from here; so are those of any warehouse with this adapter.
#define INVENTORY_AUTO_WAREHOUSE "AUTO"
#define INVENTORY_AUTO_ADAPTER   "auto"

#define INVENTORY_CODE_MAX        64 // characters of a sku or warehouse
#define INVENTORY_SUBSTITUTES_MAX 16 // of a product; what a customer is offered must be readable

// inventory_want.c
void inventory_want(struct batch *batch, const struct input *in);

// inventory_change.c: goods received, announced, counted; safety stock. What makes no sense is a dead letter that holds
// nothing up.
void inventory_decide_change(struct turn *turn, const Orderclerk__V1__StockChange *change);
struct err inventory_decide_count(struct turn *turn, const Orderclerk__V1__CountDue *due);
// The periods of the ledger between a count and the last movement that it must take into account.
void inventory_count_periods(const Orderclerk__V1__CountDue *due, int64_t *ret_first, int64_t *ret_last);

// inventory_reference.c: master data; an older version than the one kept changes nothing
struct err inventory_decide_product(struct batch *batch, const struct input *in);
struct err inventory_decide_warehouse(struct batch *batch, const struct input *in);
bool inventory_is_substitute(const Orderclerk__V1__Product *product,
                             size_t i); // substitutes[i] may be offered
