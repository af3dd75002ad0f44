// The desk's rows.
#pragma once

#include "lane/store.h"
#include "pg/migrate.h"

struct order_row {
    struct uuid order_id;
    int64_t revision;
    struct bytes order_no;
    struct bytes state;
    struct bytes waiting_on;
    struct bytes reason;
    struct bytes definition;
    struct bytes channel;
    struct bytes channel_ref;
    struct bytes customer_po;
    struct bytes customer_id;
    struct bytes company;
    struct bytes phone; // digits and a leading plus: as it is searched
    struct bytes email;
    struct bytes currency;
    int64_t total_minor;
    instant due;
    instant state_since;
    instant submitted_at;
    instant updated_at;
    struct bytes doc; // the OrderState
};
struct order_product_row {
    struct uuid order_id;
    struct bytes product;
};
// What a batch brings of an order and topic; only ever added.
struct timeline_part_row {
    struct uuid order_id;
    int32_t topic;
    int64_t sequence, last; // of its first and last record
    int32_t records;
    struct bytes part; // a TimelinePart
    uint8_t *room;     // where `part` lies, with space for more; not stored
    size_t room_size;
};
struct task_row {
    struct bytes task_id;
    struct uuid order_id;
    struct bytes owner;
    struct bytes kind;
    struct bytes text_en;
    struct bytes text_zh;
    instant since;
    instant due;
    instant closed;
    struct bytes outcome;
};
struct stock_level_row {
    struct bytes key;
    struct bytes sku;
    struct bytes warehouse;
    int64_t version;
    int64_t on_hand, reserved, backordered, safety, damaged, qc_hold, incoming;
    struct bytes incoming_date;
    instant updated_at;
};
struct dead_letter_row {
    struct uuid id;
    struct bytes service;
    struct bytes topic;
    int32_t record_partition;
    int64_t record_offset;
    struct bytes key;
    struct bytes reason;
    struct bytes detail;
    struct bytes state;
    struct bytes record_event_id;
    bool held;
    bool settled;
    instant at;
    struct bytes value;
};

extern const struct table order_row_table, order_product_table, timeline_part_table, task_table,
    stock_level_table, dead_letter_table;
enum {
    ORDER_ROW_ID = 0,
    ORDER_PRODUCT_ORDER = 0,
    TIMELINE_PART_ORDER = 0,
    TASK_ORDER = 0,
    STOCK_LEVEL_KEY = 0,
    DEAD_LETTER_ID = 0,
    DEAD_LETTER_KEY = 5
};

extern const struct migration desk_migrations[];
extern const unsigned desk_migrations_count;
