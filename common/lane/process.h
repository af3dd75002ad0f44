// A service as a process: settings, log, metrics, HTTP, lane, signals. `main.c` of a service calls process_main and nothing else.
//
//   <service> [--config FILE] [--migrate | --check | --settings | --help]
// Exit status: 0 ended on request, 2 can't work as configured, 3 lost for good (the supervisor starts it again).
#pragma once

#include "base/err.h"
#include "config/config.h"
#include "http/http.h"
#include "ingress/ingress.h"
#include "lane/lane.h"
#include "pg/migrate.h"

struct process;

struct service_process {
    const struct lane_service *lane;      // its `context` is what `settings` tables fill
    const struct setting_table *settings; // the service's own, beside the common ones
    size_t setting_count;
    struct migration_set migrations; // beside the lane's and ingress's
    const struct http_route *routes; // beside /metrics, /live, /ready; context: the struct process
    size_t route_count;
    bool ingress;                                 // takes submissions: process_ingress() works
    struct err (*start)(struct process *process); // NULL: nothing. Settings are read, nothing else runs yet
    void (*stop)(struct process *process);
};

int process_main(const struct service_process *service, int argc, char **argv);

struct ingress *process_ingress(struct process *process);
struct kafka_cluster; // kafka/kafka.h
// How to reach the broker; the strings live as long as the process.
struct kafka_cluster process_cluster(const struct process *process);
const char *process_pg(const struct process *process); // the DSN, for readers of their own schema
const struct service_process *process_service(const struct process *process);
void process_set_user(struct process *process, void *user); // for start: what the routes share
void *process_user(struct process *process);
