// The table of the settings that every service has.
#include "lane/process_settings.h"

#include "base/clock.h"

#define S(member, kind, initial, low, high, text)                                                            \
    {                                                                                                        \
        .key = #member, .type = (kind), .offset = offsetof(struct common_settings, member),                  \
        .fallback = (initial), .min = (low), .max = (high), .help = (text)                                   \
    }
const struct setting common_setting_table[] = {
    S(pg, SETTING_SECRET, NULL, 0, 0, "PostgreSQL connection string (libpq), with the service's own role."),
    S(pg_owner, SETTING_TEXT, "orderclerk_owner", 0, 0, "Role that owns the tables; --migrate becomes it."),
    S(kafka, SETTING_TEXT, NULL, 0, 0, "Kafka brokers, host:port, separated by commas."),
    S(topic_prefix, SETTING_TEXT, "orderclerk.", 0, 0, "What every topic's name begins with."),
    S(kafka_security, SETTING_TEXT, "", 0, 0,
      "plaintext, ssl, sasl_plaintext or sasl_ssl; empty: plaintext."),
    S(kafka_mechanism, SETTING_TEXT, "", 0, 0, "SASL mechanism, e.g. SCRAM-SHA-512."),
    S(kafka_user, SETTING_TEXT, "", 0, 0, "SASL user."),
    S(kafka_password, SETTING_SECRET, "", 0, 0, "SASL password."),
    S(kafka_ca, SETTING_TEXT, "", 0, 0, "File with the CA certificates of the brokers."),
    S(http_listen, SETTING_TEXT, "127.0.0.1:0", 0, 0,
      "Address and port of HTTP (/metrics, /live, /ready and the service's own)."),
    S(instance, SETTING_TEXT, "1", 0, 0, "Name of this process among its service's, for logs."),
    {.key = "log_level",
     .type = SETTING_CHOICE,
     .offset = offsetof(struct common_settings, log_level),
     .fallback = "info",
     .choices = "debug|info|warn|error",
     .help = "Least level that is logged."},
    S(http_threads, SETTING_INT, "2", 1, 64, "HTTP threads."),
    S(http_connections, SETTING_INT, "1000", 1, 100000, "HTTP connections in all."),
    S(http_per_address, SETTING_INT, "200", 1, 100000, "HTTP connections per address."),
    S(http_header_deadline, SETTING_DURATION, "5s", 1000, INSTANT_HOUR,
      "From connecting to the end of the headers."),
    S(http_body_deadline, SETTING_DURATION, "10s", 1000, INSTANT_HOUR,
      "From the headers to the end of the body; streamed bodies: of inactivity."),
    S(session_timeout, SETTING_DURATION, "3s", INSTANT_SECOND, 5 * INSTANT_MINUTE,
      "After this long without a sign of life a process's partitions go to others."),
    S(batch_max, SETTING_INT, "1000", 1, 10000, "Inputs per batch."),
    S(linger_max, SETTING_DURATION, "100ms", 0, INSTANT_SECOND,
      "Longest wait for a fuller batch, reached under load only."),
    S(gap_resend, SETTING_DURATION, "30s", INSTANT_MS, INSTANT_DAY,
      "A gap older than this asks the writer to publish again."),
    S(unknown_hold, SETTING_DURATION, "60s", INSTANT_MS, INSTANT_DAY,
      "How long input of an unknown order is held before it becomes a dead letter."),
    S(smtp_url, SETTING_TEXT, "", 0, 0, "Mail server, smtp://host:port; needed by the notifier."),
    S(smtp_user, SETTING_TEXT, "", 0, 0, "Mail server's user."),
    S(smtp_password, SETTING_SECRET, "", 0, 0, "Mail server's password."),
    S(effect_timeout, SETTING_DURATION, "10s", INSTANT_MS, INSTANT_HOUR, "Longest call to the outside."),
    S(effect_connect_timeout, SETTING_DURATION, "3s", INSTANT_MS, INSTANT_HOUR,
      "Longest wait for a connection to the outside."),
    S(effect_per_target, SETTING_INT, "8", 1, 1000, "Calls under way per target."),
    S(effect_total, SETTING_INT, "256", 1, 10000, "Calls under way in all."),
    S(breaker_failures, SETTING_INT, "5", 1, 1000, "Failures in a row after which a target is left alone."),
    S(breaker_open, SETTING_DURATION, "5s", INSTANT_MS, INSTANT_HOUR, "How long it is left alone."),
    S(ingress_slots, SETTING_INT, "8", 1, 256, "Ingress slots in all; at least as many as processes."),
    S(ingress_commit_max, SETTING_INT, "500", 1, 10000, "Submissions per commit."),
    S(ingress_unpublished_max, SETTING_INT, "1000", 1, 1000000,
      "Unpublished batches from which requests are answered 503."),
    S(ingress_unpublished_age, SETTING_DURATION, "10s", INSTANT_MS, INSTANT_HOUR,
      "Age of unpublished batches from which requests are answered 503."),
};
#undef S

const size_t common_setting_count = sizeof common_setting_table / sizeof common_setting_table[0];
