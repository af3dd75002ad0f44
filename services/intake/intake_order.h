// Orders: what is submitted from an order document, and the endpoints of one order.
#pragma once

#include "http/http.h"
#include "ingress/ingress.h"
#include "orderclerk/v1/order.pb-c.h"

struct order_source {
    const char *client;
    const char *channel; // when the order names none
    struct bytes key;    // the client's Idempotency-Key; absent: none
    struct bytes raw;
    const char *content_type;
    instant now;
};

// Fills in what the order leaves open (channel, account, instant) and makes the submission; everything in the arena.
// With a channel_ref the order is known by (channel, channel_account, channel_ref), and by the key if there is one; else by
// the key alone. The same content by the same customer is suspected.
void intake_order_item(struct arena *arena, Orderclerk__V1__Order *order, const struct order_source *source,
                       struct ingress_item *ret_item);

void intake_post_order(void *context, struct http_exchange *x);
void intake_get_order(void *context, struct http_exchange *x);
