// Fulfillment's rows. A shipment belongs to its order's slot; a warehouse's row to the slot of its name.
#pragma once

#include "lane/store.h"

enum shipment_state {
#define STATE(NAME) SHIPMENT_##NAME,
#include "fulfillment-tracker/fulfillment_states.def"
#undef STATE
    SHIPMENT_STATE_COUNT
};
const char *shipment_state_name(enum shipment_state state);
bool shipment_state_parse(struct bytes name, enum shipment_state *ret_state);

enum cancel_request { CANCEL_NONE, CANCEL_REQUESTED, CANCEL_ACCEPTED, CANCEL_REJECTED, CANCEL_REQUEST_COUNT };
const char *cancel_request_name(enum cancel_request request);
bool cancel_request_parse(struct bytes name, enum cancel_request *ret_request);

struct shipment_row {
    struct uuid order_id; // primary key (order_id, shipment_id)
    struct uuid shipment_id;
    struct bytes warehouse;      // NULL: cancelled before it was released
    struct bytes state;          // shipment_state_name
    struct bytes cancel_request; // cancel_request_name
    int64_t revision;            // the saga's, of the command that released it
    struct bytes carrier;
    struct bytes tracking_no;   // of the carrier's format; NULL: not told, or wrong
    struct bytes lines;         // a ShipmentPacked: what was last said to be packed or handed over
    struct bytes early;         // a WarehouseReply that waits for the hand-over it presupposes
    struct uuid release_effect; // nil: no request under way
    struct uuid cancel_effect;  // likewise
    instant released_at;        // the warehouse took the request
    int32_t tries;              // requests that stayed without an answer
    bool unreachable;           // told, and not heard of since
    instant due;                // when to ask again
    instant last_reply_at;
    instant last_happened_at; // of carrier's news: older news change nothing
    // Not stored, of this batch only: the release is not committed, so nobody has been asked yet.
    bool fresh;
};
extern const struct table shipment_table;
#define SHIPMENT_ORDER 0

struct shipment_release_row {
    struct uuid order_id; // primary key (order_id, shipment_id)
    struct uuid shipment_id;
    struct bytes release; // a ReleaseShipment
};
extern const struct table shipment_release_table;
#define SHIPMENT_RELEASE_ORDER 0

struct warehouse_ref_row {
    struct bytes warehouse; // primary key
    struct bytes adapter;
    struct bytes url;
    struct bytes secret;
    int64_t version;
};
extern const struct table warehouse_ref_table;
#define WAREHOUSE_REF_KEY 0
