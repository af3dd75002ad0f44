// A fulfillment lane over memory with two warehouses, and short words for what tests send and expect.
#pragma once

#include "fulfillment-tracker/fulfillment.h"
#include "orderclerk/v1/shipment_events.pb-c.h"
#include "sim/harness.h"
#include "unit/base/unit.h"

#define ORDER    "0190b7a4-0000-7000-8000-00000000000a"
#define SHIPMENT "0190b7a4-0000-7000-8000-0000000000a1"
#define OTHER    "0190b7a4-0000-7000-8000-0000000000a2"

int scene_setup(void **state); // *state: the harness; warehouses SH1 (http) and AUTO
int scene_teardown(void **state);

void scene_warehouse(struct harness *h, const char *code, const char *adapter, const char *url,
                     uint64_t version);
void scene_release(struct harness *h, const char *shipment, const char *warehouse);
void scene_cancel(struct harness *h, const char *shipment);
// Both in one batch.
void scene_release_and_cancel(struct harness *h, const char *shipment);

// A reply of SH1 for SHIPMENT with two lines where lines belong. Filled in before it is sent.
Orderclerk__V1__WarehouseReply *scene_reply(const char *kind);
void scene_send(struct harness *h, const Orderclerk__V1__WarehouseReply *reply);
void scene_say(struct harness *h, const char *kind);

// The pending request must be of this kind; answers it.
void scene_answer(struct harness *h, const char *kind, enum effect_outcome outcome, int status);
bool scene_asked(struct harness *h); // is a request pending?

// The events told since the last call must be exactly these, e.g. "accepted picking packed". Returns the last one.
const Orderclerk__V1__ShipmentEvent *scene_told(struct harness *h, const char *kinds);
const struct shipment_row *scene_row(struct harness *h, const char *shipment);
void scene_is(struct harness *h, const char *state, const char *cancel_request);
// Reason of the next dead letter; NULL: none.
const char *scene_dead_letter(struct harness *h);
