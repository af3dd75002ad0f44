// What both audits share: how they reach PostgreSQL and Kafka, how fast they read, how they say what they found.
#pragma once

#include "base/err.h"
#include "kafka/kafka.h"
#include "orderctl/ctl.h"
#include "pg/pg.h"

// Settings, from the environment: ORDERCLERK_PG_AUDIT (or --pg), a connection string of the role orderclerk_audit;
// ORDERCLERK_KAFKA, ORDERCLERK_TOPIC_PREFIX and ORDERCLERK_KAFKA_SECURITY, _MECHANISM, _USER, _PASSWORD (@FILE reads it
// from there) and _CA, as the services have them.
enum ctl_exit ctl_audit_pg(struct ctl *ctl, struct pg **ret_pg);
enum ctl_exit ctl_audit_cluster(struct ctl *ctl, struct kafka_cluster *ret_cluster);

// Prints the error; CTL_UNREACHABLE where trying again may help.
enum ctl_exit ctl_audit_failed(const struct err *e);

// At most `rate` records or rows a second on average; 0: as fast as it goes.
struct ctl_pace {
    int64_t rate;
    int64_t taken;
    int64_t started_us;
};
struct ctl_pace ctl_pace_start(int64_t rate);
void ctl_pace_take(struct ctl_pace *pace, int64_t count);
void ctl_audit_sleep_ms(int64_t ms);

// A whole number option; false: told why.
bool ctl_audit_number(const struct ctl *ctl, const char *name, int64_t fallback, int64_t *ret_number);
// --since: an RFC 3339 instant, or a time back from now: 90s, 30m, 2h, 7d. INSTANT_NONE: not given. False: told why.
bool ctl_audit_since(const struct ctl *ctl, instant *ret_since);

enum ctl_exit ctl_audit_sagas(struct ctl *ctl); // orderctl saga verify
enum ctl_exit ctl_audit_stock(struct ctl *ctl); // orderctl stock reconcile
