// A service as a process: reads its settings, opens what it needs, runs the lane until it is told to stop.
#include "lane/process.h"

#include "base/clock.h"
#include "effects/effects.h"
#include "kafka/kafka.h"
#include "lane/internal.h"
#include "lane/process_allocations.h"
#include "lane/process_memory.h"
#include "lane/process_settings.h"
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
#define TRIM_EVERY_US     INSTANT_MINUTE
#define DRAIN_MAX_US      10000000

enum exit_status { EXIT_ENDED = 0, EXIT_MISCONFIGURED = 2, EXIT_LOST = 3 };

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
    _Atomic bool serving;      // what the service's own routes use is there
    _Atomic int64_t turned_at; // monotonic
    pthread_mutex_t lock;      // of `waiting`
    char waiting[ERR_TEXT_MAX + 64];
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

static void wait_us(int64_t us)
{
    struct timespec t = {.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000};
    nanosleep(&t, NULL);
}

static const char *or_null(const char *text)
{
    return text[0] == '\0' ? NULL : text;
}

// What the start waits for, shown by /ready.
static void set_waiting(struct process *process, const char *what, const char *why)
{
    pthread_mutex_lock(&process->lock);
    snprintf(process->waiting, sizeof process->waiting, "waiting for the %s: %s", what, why);
    pthread_mutex_unlock(&process->lock);
}

static const char *get_waiting(struct process *process, struct arena *arena)
{
    pthread_mutex_lock(&process->lock);
    const char *text = arena_str(arena, bytes_str(process->waiting));
    pthread_mutex_unlock(&process->lock);
    return text;
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
    if (clock_monotonic_us() - atomic_load(&process->turned_at) < LIVE_MAX_US) {
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
    const char *why = lane == NULL ? get_waiting(process, http_arena(x)) : lane_not_ready_reason(lane);
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

static const struct http_route own[] = {
    {.method = "GET", .path = "/metrics", .handle = serve_metrics},
    {.method = "GET", .path = "/live", .handle = serve_live},
    {.method = "GET", .path = "/ready", .handle = serve_ready},
};

static bool is_own(const struct http_route *route)
{
    return route->handle == serve_metrics || route->handle == serve_live || route->handle == serve_ready;
}

// The service's routes are there from the start, but what they use may not be.
static bool admit(void *context, const struct http_route *route, struct http_exchange *x)
{
    struct process *process = context;
    if (atomic_load(&process->serving) || is_own(route))
        return true;
    http_reply_problem(x, &(struct http_problem){.status = 503,
                                                 .type = "starting",
                                                 .title = "The service is starting",
                                                 .detail = get_waiting(process, http_arena(x)),
                                                 .remedy = "Try again later.",
                                                 .retry_after_s = 1});
    return false;
}

static void collect_routes(struct process *process)
{
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
    ret_tables[count++] = (struct setting_table){
        .settings = common_setting_table, .count = common_setting_count, .target = &process->settings};
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
        set_waiting(process, what, e.text);
        LOG(e.class == ERR_CONFIG ? LOG_ERROR : LOG_WARN, "can't start yet", log_s("what", what),
            log_s("error", e.text));
        if (e.class == ERR_CONFIG)
            return e;
        wait_us(OPEN_RETRY_US);
        atomic_store(&process->turned_at, clock_monotonic_us());
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

struct kafka_cluster process_cluster(const struct process *process)
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
    struct kafka_cluster cluster = process_cluster(process);
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
    struct bus_kafka_settings settings = {.cluster = process_cluster(process),
                                          .group = process->service->lane->group,
                                          .inputs = process->inputs,
                                          .input_count = process->input_count,
                                          .beginning = process->service->lane->beginning,
                                          .unhurried = process->service->lane->unhurried,
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
                                     .body_deadline_us = s->http_body_deadline,
                                     .admit = admit};
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

static struct err begin_serving(struct process *process)
{
    atomic_store(&process->serving, true);
    return err_ok();
}

// In the order in which each needs what is before it; HTTP first, so that whoever looks sees what the rest waits for.
static struct err open_all(struct process *process)
{
    const struct {
        const char *what;
        struct err (*open)(struct process *); // NULL: this service has none
        bool waits;                           // for a peer that may be away; others fail for good
    } parts[] = {
        {"HTTP", open_http, false},
        {"database", check_migrations, true},
        {"store", open_store, false},
        {"effects", open_caller, false},
        {"service's own tables", process->service->start, true},
        {"ingress", process->service->ingress ? open_ingress : NULL, true},
        {"routes", begin_serving,
         false}, // Kafka isn't needed to take what comes in, or to show what is known
        {"broker", open_bus, true},
    };
    for (size_t i = 0; i < sizeof parts / sizeof parts[0] && !atomic_load(&process->stop); i++) {
        if (parts[i].open == NULL)
            continue;
        set_waiting(process, parts[i].what, "starting");
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
                                     .linger_unhurried_us = 50 * INSTANT_MS,
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
    if (clock_monotonic_us() < *due || !lane_ready(atomic_load(&process->lane)))
        return;
    bool more = false;
    struct err e = store_pg_maintain(process->store, &more);
    if (err_is(&e))
        LOG(LOG_WARN, "upkeep of the tables will be tried again", log_s("error", e.text));
    *due = clock_monotonic_us() + (err_is(&e) || more ? 10 * INSTANT_SECOND : MAINTAIN_EVERY_US);
}

static void give_memory_back(struct lane *lane, int64_t *due)
{
    if (clock_monotonic_us() < *due)
        return;
    lane_trim(lane);
    process_memory_give_back();
    *due = clock_monotonic_us() + TRIM_EVERY_US;
}

static void run(struct process *process)
{
    struct lane *lane = make_lane(process);
    int64_t maintain_at = 0, trim_at = clock_monotonic_us() + TRIM_EVERY_US;
    atomic_store(&process->lane, lane);
    while (!atomic_load(&process->stop)) {
        atomic_store(&process->turned_at, clock_monotonic_us());
        lane_step(lane, STEP_MAX_US);
        maintain(process, &maintain_at);
        give_memory_back(lane, &trim_at);
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
    process_count_allocations();
    process_memory_begin();
    pthread_t watcher;
    if (pthread_create(&watcher, NULL, watch_signals, process) != 0)
        return EXIT_LOST;
    pthread_detach(watcher);
    collect_routes(process);
    collect_topics(process);
    atomic_store(&process->turned_at, clock_monotonic_us());
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
    static struct process process = {.lock =
                                         PTHREAD_MUTEX_INITIALIZER}; // one per process: threads point to it
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
