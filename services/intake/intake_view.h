// Intake's own copy of order-state: the tables and what the lane does with each record.
#pragma once

#include "lane/lane.h"

struct order_view_row {
    struct uuid order_id; // primary key
    int64_t revision;
    struct bytes order_no;
    struct bytes definition;
    struct bytes state;
    struct bytes waiting_on;
    struct bytes reason;
    instant updated_at;
};
extern const struct table order_view_table;

struct request_refused_row {
    struct bytes request_id; // primary key
    struct uuid order_id;
    struct bytes reason;
    struct bytes allowed; // separated by blanks
    instant at;
};
extern const struct table request_refused_table;

const ProtobufCMessageDescriptor *intake_view_decoded_as(enum topic topic);
void intake_view_want(struct batch *batch, const struct input *in);
struct err intake_view_decide(struct batch *batch, const struct input *in);
