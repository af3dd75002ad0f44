// The desk: the order clerk's view. Subscribes like any department, keeps the read model, answers queries.
#pragma once

#include "http/http.h"
#include "lane/lane.h"
#include "lane/process.h"

extern const struct lane_service desk_lane;
extern const struct http_route desk_routes[];
extern const size_t desk_route_count;
extern const char desk_openapi[]; // openapi.json, embedded

// desk_decide.c
void desk_want(struct batch *batch, const struct input *in);
// A phone number as it is searched: without blanks, brackets and dashes; absent when no digit is left.
struct bytes desk_phone_key(struct arena *arena, const char *phone);
struct err desk_decide(struct batch *batch, const struct input *in);

// desk_query.c: connections for the HTTP threads. start and stop are the process's hooks.
struct err desk_query_start(struct process *process);
void desk_query_stop(struct process *process);
