// Requests about an order that is there: of customers, clerks and operators, and departments' replies and control.
#pragma once

#include "base/bytes.h"
#include "http/http.h"

void intake_post_request(void *context, struct http_exchange *x);
void intake_get_request(void *context, struct http_exchange *x);
void intake_post_reply(void *context, struct http_exchange *x);
void intake_post_control(void *context, struct http_exchange *x);

// Whether a request of this type is ruled out in a state that intake has seen: by then the order can't have moved on to where
// it would be right. Names unknown here are not ruled out: the saga decides.
bool intake_ruled_out(const char *type, struct bytes state);
