// The fulfillment tracker: asks warehouses to ship, and tells everybody how far each shipment is.
#pragma once

#include "config/config.h"
#include "fulfillment-tracker/fulfillment_store.h"
#include "lane/lane.h"
#include "orderclerk/v1/commands.pb-c.h"
#include "orderclerk/v1/reference.pb-c.h"
#include "orderclerk/v1/warehouse_replies.pb-c.h"
#include "pg/migrate.h"

extern const struct lane_service fulfillment_lane;
extern const struct setting_table fulfillment_setting_tables[];
extern const size_t fulfillment_setting_table_count;
extern const struct migration fulfillment_migrations[];
extern const unsigned fulfillment_migrations_count;

// Settings, in the lane's context. Times in microseconds.
struct fulfillment_settings {
    int64_t accept_silence;    // after this a request without an answer is sent again
    int64_t unreachable_after; // after this a request that isn't even taken is told
    int64_t callback_cache;    // how long a warehouse's secret is remembered
    int64_t callback_window;   // how far a callback's timestamp may be from now
};
extern struct fulfillment_settings fulfillment_settings;

// Goods that need no picking are shipped from here; so are those of any warehouse with this adapter.
#define FULFILLMENT_AUTO_WAREHOUSE "AUTO"
#define FULFILLMENT_AUTO_ADAPTER   "auto"

#define FULFILLMENT_CODE_MAX 64 // bytes of a warehouse's code
// A warehouse that has not taken or not answered so many requests is told to be unreachable: the order's owner should know
// before the day is over, and a single lost answer is no news.
#define FULFILLMENT_TRIES_TOLD 3
#define FULFILLMENT_LINES_MAX  1000 // as an order's

enum reply_kind {
#define REPLY(NAME, name) REPLY_##NAME,
#include "fulfillment-tracker/fulfillment_states.def"
#undef REPLY
    REPLY_KIND_COUNT
};
const char *reply_kind_name(enum reply_kind kind);
bool reply_kind_parse(const char *name, enum reply_kind *ret_kind);

// One input applied to one shipment. Lane's thread, as everything below but what is of the callbacks.
struct turn {
    struct batch *batch;
    const struct input *in;
    struct shipment_row *shipment; // touched
    const struct fulfillment_settings *settings;
    instant now;
};
struct turn turn_of(struct batch *batch, const struct input *in, struct shipment_row *shipment);
enum shipment_state turn_state(const struct turn *turn);
enum cancel_request turn_cancel(const struct turn *turn);
void turn_set_state(struct turn *turn, enum shipment_state state);
void turn_set_cancel(struct turn *turn, enum cancel_request request);

// fulfillment_decide.c
void fulfillment_want(struct batch *batch, const struct input *in);
struct err fulfillment_decide(struct batch *batch, const struct input *in);

// fulfillment_reply.c: what a warehouse or carrier says, and what follows from it. What contradicts what is known already
// is a dead letter that holds nothing up.
void fulfillment_apply_reply(struct turn *turn, enum reply_kind kind,
                             const Orderclerk__V1__WarehouseReply *reply);

// fulfillment_request.c: asking, by effects of these kinds; their note is the shipment's id
#define FULFILLMENT_RELEASE_EFFECT "release_shipment"
#define FULFILLMENT_CANCEL_EFFECT  "cancel_shipment"
// The row of the shipment's warehouse; NULL: not known (yet). Its table must have been wanted.
const struct warehouse_ref_row *fulfillment_warehouse(struct batch *batch, struct bytes warehouse);
bool fulfillment_is_auto(struct bytes warehouse, const struct warehouse_ref_row *ref);
// Sends the release, once more or for the first time. A warehouse that isn't known is looked up again later.
void fulfillment_ask_release(struct turn *turn);
void fulfillment_ask_cancel(struct turn *turn);
// The warehouse took the request: sets when it is sent again, later after each that stayed without an answer.
void fulfillment_await(struct turn *turn);
// What was asked to be shipped, or NULL. Its table must have been wanted. In the batch's arena.
const Orderclerk__V1__ReleaseShipment *fulfillment_release_of(struct turn *turn);

// fulfillment_events.c: messages to shipment-events
struct news {
    const char *reason;
    const char *eta_date;
    Orderclerk__V1__ShipmentLine **lines;
    size_t line_count;
    instant happened_at;
    uint32_t tries;
};
void fulfillment_tell(struct turn *turn, enum reply_kind kind, const struct news *news);
void fulfillment_tell_unreachable(struct turn *turn, const char *reason, int32_t tries);
