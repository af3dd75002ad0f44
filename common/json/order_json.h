// The order document as it comes in: the JSON shape of orderclerk.v1.Order (proto_json.h says how fields look), and the
// limits that hold at every door, whatever the channel. What only master data can judge (codes, prices, addresses, terms)
// is the validator's.
#pragma once

#include "orderclerk/v1/order.pb-c.h"
#include "json/proto_json.h"

#define ORDER_LINES_MAX 1000
#define ORDER_BODY_MAX  ((size_t)256 * 1024)

// What is asked of the fields of an Order and of what customers answer with (FieldChange, ShortageChoice).
extern const struct proto_rule order_rules[];
extern const size_t order_rule_count;

// Reads an order from an object whose members are the order's (and `besides`). Lines without numbers get 1, 2, 3 …;
// revision becomes 1. NULL, with at least one problem added: it can't be taken.
Orderclerk__V1__Order *order_json_read(struct arena *arena, const struct jsonr_value *object, bool from_text,
                                       const char *const *besides, struct jsonr_problems *problems);
// The same from a body's text.
Orderclerk__V1__Order *order_json_parse(struct arena *arena, struct bytes body,
                                        struct jsonr_problems *problems);
