// A service as a process: reads its settings, opens what it needs, runs the lane until it is told to stop.
#include "lane/process.h"

#include "base/clock.h"
#include "effects/effects.h"
#include "kafka/kafka.h"
#include "lane/internal.h"
#include "lane/store_pg.h"
#include "log/log.h"
#include "metrics/metrics.h"

#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#define ROUTES_MAX        40
#define STEP_MAX_US       1000000  // a turn of an idle lane; its heartbeat
#define LIVE_MAX_US       30000000 // a lane that hasn't turned for this long hangs
#define OPEN_RETRY_US     200000   // between attempts to reach a broker or database at start
#define MAINTAIN_EVERY_US INSTANT_HOUR
#define DRAIN_MAX_US      10000000

enum exit_status { EXIT_ENDED = 0, EXIT_MISCONFIGURED = 2, EXIT_LOST = 3 };

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

#define S(member, kind, initial, low, high, text)                                                            \
    {                                                                                                        \
        .key = #member, .type = (kind), .offset = offsetof(struct common_settings, member),                  \
        .fallback = (initial), .min = (low), .max = (high), .help = (text)                                   \
    }
static const struct setting common_table[] = {
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
    S(session_timeout, SETTING_DURATION, "3s", INSTANT_SECOND, INSTANT_HOUR,
      "After this long without a sign of life a process's partitions go to others."),
    S(batch_max, SETTING_INT, "1000", 1, 10000, "Inputs per batch."),
    S(linger_max, SETTING_DURATION, "5ms", 0, INSTANT_SECOND,
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

struct process {
    const struct service_process *service;
    struct common_settings settings;
    struct http_server *http;
    struct ingress *ingress;
    struct store_port *store;
    struct bus_port *bus;
    struct caller_port *caller;
    _Atomic(struct lane *) lane;
    _Atomic bool stop;
    _Atomic int64_t turned_at; // monotonic
    void *user;
    enum topic inputs[TOPIC_MAX], outputs[TOPIC_MAX];
    size_t input_count, output_count;
    struct http_route routes[ROUTES_MAX];
    size_t route_count;
};

struct ingress *process_ingress(struct process *process)
{
    return process->ingress;
}
const char *process_pg(const struct process *process)
{
    return process->settings.pg;
}
const struct service_process *process_service(const struct process *process)
{
    return process->service;
}
void process_set_user(struct process *process, void *user)
{
    process->user = user;
}
void *process_user(struct process *process)
{
    return process->user;
}

static int64_t monotonic_us(void)
{
    const struct clock_port *clock = clock_system();
    return clock->monotonic_us(clock->self);
}

static void wait_us(int64_t us)
{
    struct timespec t = {.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000};
    nanosleep(&t, NULL);
}

static const char *or_null(const char *text)
{
    return text[0] == '\0' ? NULL : text;
}

// ---- what every service serves

static void serve_metrics(void *context, struct http_exchange *x)
{
    (void)context;
    size_t size;
    char *text = metrics_render(&size);
    http_reply(x, 200, "text/plain; version=0.0.4; charset=utf-8", bytes_of(text, size));
    free(text);
}

static void serve_live(void *context, struct http_exchange *x)
{
    struct process *process = context;
    if (monotonic_us() - atomic_load(&process->turned_at) < LIVE_MAX_US) {
        http_reply(x, 200, "text/plain; charset=utf-8", bytes_str("live\n"));
        return;
    }
    http_reply_problem(x, &(struct http_problem){.status = 503,
                                                 .type = "not-live",
                                                 .title = "The lane hangs",
                                                 .detail = "It hasn't turned for 30 seconds.",
                                                 .remedy = "Restart the process."});
}

static void serve_ready(void *context, struct http_exchange *x)
{
    struct process *process = context;
    const struct lane *lane = atomic_load(&process->lane);
    int retry;
    const char *why = lane == NULL ? "starting" : lane_not_ready_reason(lane);
    if (lane != NULL && lane_ready(lane) && process->service->ingress &&
        !ingress_accepts(process->ingress, &retry)) {
        why = "ingress doesn't accept: the database or the broker is behind";
    } else if (lane != NULL && lane_ready(lane)) {
        http_reply(x, 200, "text/plain; charset=utf-8", bytes_str("ready\n"));
        return;
    }
    http_reply_problem(
        x, &(struct http_problem){
               .status = 503, .type = "not-ready", .title = "Not ready", .detail = why, .retry_after_s = 1});
}

static void collect_routes(struct process *process)
{
    static const struct http_route own[] = {
        {.method = "GET", .path = "/metrics", .handle = serve_metrics},
        {.method = "GET", .path = "/live", .handle = serve_live},
        {.method = "GET", .path = "/ready", .handle = serve_ready},
    };
    size_t count = process->service->route_count;
    assert(count + 3 <= ROUTES_MAX);
    if (count > 0)
        memcpy(process->routes, process->service->routes, count * sizeof own[0]);
    memcpy(process->routes + count, own, sizeof own);
    process->route_count = count + 3;
}

// ---- settings and migrations

static size_t all_tables(struct process *process, struct setting_table *ret_tables)
{
    size_t count = 0;
    ret_tables[count++] = (struct setting_table){.settings = common_table,
                                                 .count = sizeof common_table / sizeof common_table[0],
                                                 .target = &process->settings};
    for (size_t i = 0; i < process->service->setting_count; i++)
        ret_tables[count++] = process->service->settings[i];
    return count;
}

static unsigned all_migrations(const struct process *process, struct migration_set *ret_sets)
{
    unsigned count = 0;
    ret_sets[count++] = (struct migration_set){"lane", lane_migrations, lane_migrations_count};
    if (process->service->ingress)
        ret_sets[count++] = (struct migration_set){"ingress", ingress_migrations, ingress_migrations_count};
    if (process->service->migrations.count > 0)
        ret_sets[count++] = process->service->migrations;
    return count;
}

static void collect_topics(struct process *process)
{
    const struct lane_service *lane = process->service->lane;
    for (size_t i = 0; i < lane->input_count; i++)
        process->inputs[process->input_count++] = lane->inputs[i];
    process->inputs[process->input_count++] = TOPIC_CONTROL;
    for (size_t i = 0; i < lane->output_count; i++)
        process->outputs[process->output_count++] = lane->outputs[i];
    process->outputs[process->output_count++] = TOPIC_CONTROL;
    process->outputs[process->output_count++] = TOPIC_DEAD_LETTERS;
}

// ---- opening

// Tries until it works, is told to stop, or can't work at all.
static struct err until_open(struct process *process, const char *what, struct err (*open)(struct process *))
{
    while (!atomic_load(&process->stop)) {
        struct err e = open(process);
        if (!err_is(&e))
            break;
        LOG(e.class == ERR_CONFIG ? LOG_ERROR : LOG_WARN, "can't start yet", log_s("what", what),
            log_s("error", e.text));
        if (e.class == ERR_CONFIG)
            return e;
        wait_us(OPEN_RETRY_US);
        atomic_store(&process->turned_at, monotonic_us());
    }
    return err_ok();
}

static void kafka_says(void *self, int level, const char *text)
{
    (void)self;
    LOG(level <= 3   ? LOG_ERROR
        : level <= 4 ? LOG_WARN
        : level <= 6 ? LOG_INFO
                     : LOG_DEBUG,
        "kafka", log_s("text", text));
}

static struct kafka_cluster cluster_of(const struct process *process)
{
    const struct common_settings *s = &process->settings;
    return (struct kafka_cluster){.brokers = s->kafka,
                                  .topic_prefix = s->topic_prefix,
                                  .client_id = process->service->lane->name,
                                  .security_protocol = or_null(s->kafka_security),
                                  .sasl_mechanism = or_null(s->kafka_mechanism),
                                  .sasl_user = or_null(s->kafka_user),
                                  .sasl_password = or_null(s->kafka_password),
                                  .ca_location = or_null(s->kafka_ca),
                                  .log = kafka_says};
}

static void wake_lane(void *self)
{
    struct process *process = self;
    struct lane *lane = atomic_load(&process->lane);
    if (lane != NULL)
        lane_wake(lane);
}

static struct err open_ingress(struct process *process)
{
    const struct common_settings *s = &process->settings;
    struct kafka_cluster cluster = cluster_of(process);
    struct ingress_settings settings = {.service = process->service->lane->name,
                                        .pg = s->pg,
                                        .kafka = s->kafka,
                                        .topic_prefix = s->topic_prefix,
                                        .cluster = &cluster,
                                        .slots = (int32_t)s->ingress_slots,
                                        .commit_max = (int32_t)s->ingress_commit_max,
                                        .unpublished_max = (int32_t)s->ingress_unpublished_max,
                                        .unpublished_age_us = s->ingress_unpublished_age};
    return ingress_open(&settings, &process->ingress);
}

static struct err open_caller(struct process *process)
{
    const struct common_settings *s = &process->settings;
    struct caller_settings settings = {.timeout_us = s->effect_timeout,
                                       .connect_timeout_us = s->effect_connect_timeout,
                                       .per_target = (int32_t)s->effect_per_target,
                                       .total = (int32_t)s->effect_total,
                                       .breaker_failures = (int32_t)s->breaker_failures,
                                       .breaker_open_us = s->breaker_open,
                                       .smtp_url = or_null(s->smtp_url),
                                       .smtp_user = or_null(s->smtp_user),
                                       .smtp_password = or_null(s->smtp_password),
                                       .wake = wake_lane,
                                       .wake_self = process};
    return caller_curl_open(&settings, &process->caller);
}

static struct err open_bus(struct process *process)
{
    struct bus_kafka_settings settings = {.cluster = cluster_of(process),
                                          .group = process->service->lane->group,
                                          .inputs = process->inputs,
                                          .input_count = process->input_count,
                                          .outputs = process->outputs,
                                          .output_count = process->output_count,
                                          .session_timeout_ms =
                                              (int32_t)(process->settings.session_timeout / 1000)};
    return bus_kafka_open(&settings, &process->bus);
}

static struct err open_http(struct process *process)
{
    const struct common_settings *s = &process->settings;
    struct http_settings settings = {.listen = s->http_listen,
                                     .threads = (int32_t)s->http_threads,
                                     .connections = (int32_t)s->http_connections,
                                     .connections_per_address = (int32_t)s->http_per_address,
                                     .header_deadline_us = s->http_header_deadline,
                                     .body_deadline_us = s->http_body_deadline};
    return http_open(&settings, process->routes, process->route_count, process, &process->http);
}

static struct err check_migrations(struct process *process)
{
    struct migration_set sets[3];
    unsigned count = all_migrations(process, sets);
    return migrate_check(process->settings.pg, process->service->lane->name, sets, count);
}

static struct err open_store(struct process *process)
{
    const struct lane_service *lane = process->service->lane;
    return store_pg_open(process->settings.pg, lane->name, lane->tables, lane->table_count, &process->store);
}

// In the order in which each needs what is before it.
static struct err open_all(struct process *process)
{
    const struct {
        const char *what;
        struct err (*open)(struct process *); // NULL: this service has none
        bool waits;                           // for a peer that may be away; others fail for good
    } parts[] = {
        {"database", check_migrations, true},
        {"store", open_store, false},
        {"effects", open_caller, false},
        {"service", process->service->start, true},
        {"ingress", process->service->ingress ? open_ingress : NULL, true},
        {"Kafka", open_bus, true},
        {"HTTP", open_http, false},
    };
    for (size_t i = 0; i < sizeof parts / sizeof parts[0] && !atomic_load(&process->stop); i++) {
        if (parts[i].open == NULL)
            continue;
        struct err e =
            parts[i].waits ? until_open(process, parts[i].what, parts[i].open) : parts[i].open(process);
        if (err_is(&e))
            return e;
    }
    if (!atomic_load(&process->stop)) {
        LOG(LOG_INFO, "started", log_i("http_port", http_port(process->http)),
            log_s("group", process->service->lane->group));
    }
    return err_ok();
}

static struct lane *make_lane(struct process *process)
{
    const struct common_settings *s = &process->settings;
    struct lane_ports ports = {
        .clock = clock_system(), .bus = process->bus, .store = process->store, .caller = process->caller};
    struct lane_settings settings = {.batch_max_inputs = (int32_t)s->batch_max,
                                     .batch_max_in_bytes = 4 << 20,
                                     .batch_max_out_bytes = 16 << 20,
                                     .linger_max_us = s->linger_max,
                                     .stash_max_bytes = 64 << 20,
                                     .session_timeout_us = s->session_timeout,
                                     .gap_resend_us = s->gap_resend,
                                     .unknown_hold_us = s->unknown_hold,
                                     .idle_mark_us = 100 * INSTANT_MS};
    return lane_new(process->service->lane, &ports, &settings);
}

// ---- running

static void *watch_signals(void *self)
{
    struct process *process = self;
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    int signal;
    sigwait(&set, &signal);
    atomic_store(&process->stop, true);
    wake_lane(process);
    return NULL;
}

static void maintain(struct process *process, int64_t *due)
{
    if (monotonic_us() < *due || !lane_ready(atomic_load(&process->lane)))
        return;
    bool more = false;
    struct err e = store_pg_maintain(process->store, &more);
    if (err_is(&e))
        LOG(LOG_WARN, "upkeep of the tables will be tried again", log_s("error", e.text));
    *due = monotonic_us() + (err_is(&e) || more ? 10 * INSTANT_SECOND : MAINTAIN_EVERY_US);
}

static void run(struct process *process)
{
    struct lane *lane = make_lane(process);
    int64_t maintain_at = 0;
    atomic_store(&process->lane, lane);
    while (!atomic_load(&process->stop)) {
        atomic_store(&process->turned_at, monotonic_us());
        lane_step(lane, STEP_MAX_US);
        maintain(process, &maintain_at);
    }
    LOG(LOG_INFO, "stopping");
    if (process->http != NULL)
        http_stop_accepting(process->http);
    lane_drain(lane, DRAIN_MAX_US);
}

static void close_all(struct process *process)
{
    // First those whose threads may still use what comes after them.
    if (process->http != NULL)
        http_close(process->http);
    if (process->ingress != NULL)
        ingress_close(process->ingress);
    if (process->service->stop != NULL)
        process->service->stop(process);
    struct lane *lane = atomic_exchange(&process->lane, NULL);
    if (process->caller != NULL)
        caller_curl_close(process->caller);
    lane_free(lane);
    bus_kafka_close(process->bus);
    store_pg_close(process->store);
}

static enum log_level level_of(const char *name)
{
    if (strcmp(name, "debug") == 0)
        return LOG_DEBUG;
    if (strcmp(name, "warn") == 0)
        return LOG_WARN;
    if (strcmp(name, "error") == 0)
        return LOG_ERROR;
    return LOG_INFO;
}

static int serve(struct process *process)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_DUMPABLE, 0); // secrets are in memory
    pthread_t watcher;
    if (pthread_create(&watcher, NULL, watch_signals, process) != 0)
        return EXIT_LOST;
    pthread_detach(watcher);
    collect_routes(process);
    collect_topics(process);
    struct err e = open_all(process);
    if (err_is(&e)) {
        LOG(LOG_ERROR, "can't work as configured", log_s("error", e.text));
        close_all(process);
        return EXIT_MISCONFIGURED;
    }
    if (!atomic_load(&process->stop))
        run(process);
    close_all(process);
    LOG(LOG_INFO, "ended");
    return EXIT_ENDED;
}

static int run_migrations(struct process *process)
{
    struct migration_set sets[3];
    unsigned count = all_migrations(process, sets);
    struct err e =
        migrate(process->settings.pg, process->service->lane->name, process->settings.pg_owner, sets, count);
    if (!err_is(&e))
        return EXIT_ENDED;
    fprintf(stderr, "%s --migrate: %s\n", process->service->lane->name, e.text);
    return e.class == ERR_CONFIG ? EXIT_MISCONFIGURED : EXIT_LOST;
}

#define SETTING_TABLES_MAX 8

int process_main(const struct service_process *service, int argc, char **argv)
{
    static struct process process; // one per process: threads hold pointers to it
    process.service = service;
    const char *config = NULL;
    const char *what = "";
    struct setting_table tables[SETTING_TABLES_MAX];
    assert(service->setting_count + 1 <= SETTING_TABLES_MAX);
    size_t count = all_tables(&process, tables);
    for (int i = 1; i < argc; i++) {
        bool known = strcmp(argv[i], "--migrate") == 0 || strcmp(argv[i], "--check") == 0 ||
                     strcmp(argv[i], "--settings") == 0;
        if (strcmp(argv[i], "--help") == 0) {
            printf("%s [--config FILE] [--migrate | --check | --settings | --help]\n\n", service->lane->name);
            config_help(stdout, tables, count);
            return EXIT_ENDED;
        } else if (strcmp(argv[i], "--config") == 0 && i + 1 < argc) {
            config = argv[++i];
        } else if (known && what[0] == '\0') {
            what = argv[i];
        } else {
            fprintf(stderr, "%s: \"%s\" isn't an option here; --help lists them\n", service->lane->name,
                    argv[i]);
            return EXIT_MISCONFIGURED;
        }
    }
    struct err e = config_load(tables, count, config);
    if (err_is(&e)) {
        fprintf(stderr, "%s: %s\n", service->lane->name, e.text);
        return EXIT_MISCONFIGURED;
    }
    log_open(service->lane->name, process.settings.instance, level_of(process.settings.log_level));
    if (strcmp(what, "--migrate") == 0)
        return run_migrations(&process);
    if (strcmp(what, "--settings") == 0)
        config_print(stdout, tables, count);
    if (what[0] != '\0')
        return EXIT_ENDED;
    return serve(&process);
}
