// Warehouses' and carriers' callbacks: POST /v1/warehouses/{warehouse}/callbacks, signed as Standard Webhooks. Only stored here
// (ingress); what they mean is decided in the lane.
#pragma once

#include "base/arena.h"
#include "base/uuid.h"
#include "http/http.h"
#include "orderclerk/v1/warehouse_replies.pb-c.h"
#include "json/jsonr.h"

#define CALLBACK_BODY_MAX ((size_t)256 * 1024)

extern const struct http_route callback_routes[];
extern const size_t callback_route_count;

// Makes what the routes share, and ends it.
struct process;
struct err callbacks_start(struct process *process);
void callbacks_stop(struct process *process);

// Reads a callback's body. NULL, with at least one problem added: it can't be taken. Pure; in the arena.
Orderclerk__V1__WarehouseReply *callback_parse(struct arena *arena, const char *warehouse, struct bytes body,
                                               struct uuid *ret_order_id, struct jsonr_problems *problems);
