// The notifier's rows: one per causing event, kind, channel and recipient. A row belongs to its order's slot.
#pragma once

#include "lane/store.h"

#define NOTIFICATION_PENDING "PENDING"
#define NOTIFICATION_SENT    "SENT"
#define NOTIFICATION_FAILED  "FAILED"

struct notification_row {
    struct uuid causing_event; // primary key (causing_event, kind, channel, recipient)
    struct bytes kind;
    struct bytes channel;
    struct bytes recipient; // an impossible one: cut to NOTIFIER_RECIPIENT_MAX bytes
    struct uuid id;         // of the Message-ID
    struct uuid order_id;
    struct bytes locale;
    struct bytes state;
    struct bytes reason; // of a failure
    int32_t tries;
    instant created_at;
    instant settled_at;
    int64_t revision; // the saga's
};
extern const struct table notification_table;
#define NOTIFICATION_CAUSE 0
