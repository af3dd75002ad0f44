// The settings that every service has. process.c fills one of these; nobody else includes this.
#pragma once

#include "config/config.h"

#include <stddef.h>
#include <stdint.h>

struct common_settings {
    const char *pg, *pg_owner;
    const char *kafka, *topic_prefix, *kafka_security, *kafka_mechanism, *kafka_user, *kafka_password,
        *kafka_ca;
    const char *http_listen, *instance, *log_level;
    int64_t http_threads, http_connections, http_per_address, http_header_deadline, http_body_deadline;
    int64_t session_timeout, batch_max, linger_max, gap_resend, unknown_hold;
    const char *smtp_url, *smtp_user, *smtp_password;
    int64_t effect_timeout, effect_connect_timeout, effect_per_target, effect_total, breaker_failures,
        breaker_open;
    int64_t ingress_slots, ingress_commit_max, ingress_unpublished_max, ingress_unpublished_age;
};

extern const struct setting common_setting_table[]; // offsets in struct common_settings
extern const size_t common_setting_count;
