// The validator's own copies of master data: each record whole, beside what it is looked up by. Each row has one writer, the
// lane that owns its record's slot.
#pragma once

#include "lane/store.h"

struct product_row {
    struct bytes sku;  // primary key
    struct bytes gtin; // NULL: none
    int64_t version;
    struct bytes record; // a Product
};
extern const struct table product_table;
#define PRODUCT_SKU         0
#define PRODUCT_GTIN_COLUMN 1

// Ways of writing a product's code (validator_spelling.h): what near codes are found by.
struct product_key_row {
    struct bytes key; // primary key (key, sku)
    struct bytes sku;
    bool retired;
};
extern const struct table product_key_table;
#define PRODUCT_KEY_KEY 0
#define PRODUCT_KEY_SKU 1

struct customer_row {
    struct bytes customer_id; // primary key
    struct bytes company;     // NULL: none
    int64_t version;
    struct bytes record; // a Customer
};
extern const struct table customer_table;
#define CUSTOMER_ID      0
#define CUSTOMER_COMPANY 1

struct price_row {
    struct bytes price_list; // primary key (price_list, sku)
    struct bytes sku;
    int64_t version;
    struct bytes record; // a Price
};
extern const struct table price_table;
#define PRICE_SKU 1

struct calendar_row {
    struct bytes calendar_id; // primary key
    int64_t version;
    struct bytes record; // a Calendar
};
extern const struct table calendar_table;
#define CALENDAR_ID 0
