// What both audits share.
#include "orderctl/ctl_audit.h"

#include "base/clock.h"
#include "orderctl/audit_store.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SECRET_MAX 1024

static const char *environment(const char *name)
{
    const char *value = getenv(name);
    return value == NULL || value[0] == '\0' ? NULL : value;
}

enum ctl_exit ctl_audit_failed(const struct err *e)
{
    fprintf(stderr, "orderctl: %s\n", e->text);
    switch (e->class) {
    case ERR_CONFIG:
        return CTL_USAGE;
    case ERR_REJECT:
    case ERR_UNKNOWN:
        return CTL_REFUSED;
    case ERR_NONE:
    case ERR_RETRY:
    case ERR_FENCED:
        break;
    }
    return CTL_UNREACHABLE;
}

enum ctl_exit ctl_audit_pg(struct ctl *ctl, struct pg **ret_pg)
{
    const char *dsn = ctl_option(ctl, "pg");
    if (dsn == NULL)
        dsn = environment("ORDERCLERK_PG_AUDIT");
    if (dsn == NULL)
        return ctl_usage("ORDERCLERK_PG_AUDIT must be set (or give --pg): a connection string of the role "
                         "orderclerk_audit; `deploy/local/status --env` prints a local stack's");
    struct err e = audit_store_open(dsn, ret_pg);
    return err_is(&e) ? ctl_audit_failed(&e) : CTL_OK;
}

// A secret as the services read it: @FILE is the file's first line. False: told why.
static bool read_secret(struct ctl *ctl, const char *value, const char **ret_secret)
{
    *ret_secret = value;
    if (value == NULL || value[0] != '@')
        return true;
    char line[SECRET_MAX];
    FILE *file = fopen(value + 1, "rb");
    if (file == NULL || fgets(line, sizeof line, file) == NULL) {
        ctl_usage("ORDERCLERK_KAFKA_PASSWORD: %s: %s", value + 1, strerror(errno));
        if (file != NULL)
            fclose(file);
        return false;
    }
    fclose(file);
    line[strcspn(line, "\r\n")] = '\0';
    *ret_secret = arena_str(ctl->arena, bytes_str(line));
    return true;
}

enum ctl_exit ctl_audit_cluster(struct ctl *ctl, struct kafka_cluster *ret_cluster)
{
    struct kafka_cluster cluster = {.brokers = environment("ORDERCLERK_KAFKA"),
                                    .topic_prefix = environment("ORDERCLERK_TOPIC_PREFIX"),
                                    .client_id = "orderctl",
                                    .security_protocol = environment("ORDERCLERK_KAFKA_SECURITY"),
                                    .sasl_mechanism = environment("ORDERCLERK_KAFKA_MECHANISM"),
                                    .sasl_user = environment("ORDERCLERK_KAFKA_USER"),
                                    .ca_location = environment("ORDERCLERK_KAFKA_CA")};
    if (cluster.brokers == NULL)
        return ctl_usage("ORDERCLERK_KAFKA must be set: the brokers, host:port, separated by commas");
    if (!read_secret(ctl, environment("ORDERCLERK_KAFKA_PASSWORD"), &cluster.sasl_password))
        return CTL_USAGE;
    *ret_cluster = cluster;
    return CTL_OK;
}

// ---- pace

void ctl_audit_sleep_ms(int64_t ms)
{
    struct timespec t = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000 * 1000000)};
    nanosleep(&t, NULL);
}

struct ctl_pace ctl_pace_start(int64_t rate)
{
    return (struct ctl_pace){.rate = rate, .started_us = clock_monotonic_us()};
}

void ctl_pace_take(struct ctl_pace *pace, int64_t count)
{
    pace->taken += count;
    if (pace->rate == 0)
        return;
    const int64_t due_us = pace->started_us + pace->taken * INSTANT_SECOND / pace->rate;
    const int64_t early_ms = (due_us - clock_monotonic_us()) / 1000;
    if (early_ms > 0)
        ctl_audit_sleep_ms(early_ms);
}

// ---- options

bool ctl_audit_number(const struct ctl *ctl, const char *name, int64_t fallback, int64_t *ret_number)
{
    const char *text = ctl_option(ctl, name);
    *ret_number = fallback;
    if (text == NULL)
        return true;
    char *end;
    errno = 0;
    *ret_number = strtoll(text, &end, 10);
    if (errno == 0 && *end == '\0' && end != text && *ret_number >= 0 && *ret_number <= INT32_MAX)
        return true;
    ctl_usage("--%s %s: must be a whole number, 0 or more", name, text);
    return false;
}

bool ctl_audit_since(const struct ctl *ctl, instant *ret_since)
{
    static const struct {
        char unit;
        int64_t us;
    } units[] = {{'s', INSTANT_SECOND}, {'m', INSTANT_MINUTE}, {'h', INSTANT_HOUR}, {'d', INSTANT_DAY}};
    const char *text = ctl_option(ctl, "since");
    *ret_since = INSTANT_NONE;
    if (text == NULL || instant_parse(text, ret_since))
        return true;
    char *end;
    errno = 0;
    const long long back = strtoll(text, &end, 10);
    for (size_t i = 0; i < sizeof units / sizeof units[0] && errno == 0 && end != text && back >= 0; i++) {
        if (end[0] != units[i].unit || end[1] != '\0' || back > 100 * 365 * INSTANT_DAY / units[i].us)
            continue;
        *ret_since = clock_system()->now(clock_system()->self) - back * units[i].us;
        return true;
    }
    ctl_usage(
        "--since %s: must be an instant, 2026-11-24T08:00:00Z, or a time back from now: 90s, 30m, 2h, 7d",
        text);
    return false;
}
