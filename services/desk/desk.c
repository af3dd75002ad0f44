// The desk, the whole service at a glance.
#include "desk/desk.h"

#include "desk/desk_store.h"

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

static const enum topic inputs[] = {TOPIC_ORDER_EVENTS,        TOPIC_ORDER_STATE,  TOPIC_COMMANDS_DEPARTMENTS,
                                    TOPIC_NOTIFICATION_EVENTS, TOPIC_STOCK_LEVELS, TOPIC_DEAD_LETTERS};
static const struct table *const tables[] = {&order_row_table, &order_product_table, &timeline_part_table,
                                             &task_table,      &stock_level_table,   &dead_letter_table};

const struct lane_service desk_lane = {
    .name = "desk",
    .unhurried = true,
    .group = "desk.v1",
    .inputs = inputs,
    .input_count = COUNT_OF(inputs),
    .tables = tables,
    .table_count = COUNT_OF(tables),
    .want = desk_want,
    .decide = desk_decide,
};
