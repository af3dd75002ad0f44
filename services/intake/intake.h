// Intake: every way in by HTTP. It stores what comes, answers at once, and hands it to the others as records.
#pragma once

#include "lane/lane.h"
#include "lane/process.h"

extern const struct lane_service intake_lane;
extern const struct http_route intake_routes[]; // their context is the process
extern const size_t intake_route_count;
extern const struct setting_table intake_setting_tables[];
extern const size_t intake_setting_table_count;
struct err intake_start(struct process *process); // what the routes share; before ingress is open
void intake_stop(struct process *process);

extern const struct migration intake_migrations[];
extern const unsigned intake_migrations_count;

// The API's description (services/intake/openapi.json), embedded.
extern const char intake_openapi[];
