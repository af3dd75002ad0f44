// A lane on the real client when librdkafka gives up: it goes on with a new one, also when that can't be had at once.
#include "base/hash.h"
#include "kafka/kafka.h"
#include "lane/lane.h"
#include "orderclerk/v1/commands.pb-c.h"
#include "sim/ports_mem.h"
#include "sim/store_mem.h"
#include "unit/lane/echo.h"

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define PARTITIONS 2
#define WAIT_US    (120 * INSTANT_SECOND)
#define KEY        "0190b7a4-0000-7000-8000-00000000000a"

static const enum topic inputs[] = {TOPIC_COMMANDS_VALIDATOR, TOPIC_ORDERS, TOPIC_CONTROL};
static const enum topic outputs[] = {TOPIC_VALIDATION_EVENTS, TOPIC_DEAD_LETTERS, TOPIC_CONTROL};

struct scene {
    rd_kafka_t *writer;
    rd_kafka_mock_cluster_t *mock;
    struct bus_port *bus;
    struct store_mem_db *db;
    struct store_port *store;
    struct caller_mem *caller;
    struct lane *lane;
};

// ---- librdkafka's instances (the linker's --wrap)

static rd_kafka_t *made[2]; // the last of each type
static unsigned made_count;
static unsigned refusals[2]; // of those to come

rd_kafka_t *__real_rd_kafka_new(rd_kafka_type_t type, rd_kafka_conf_t *conf, char *text, size_t size);
rd_kafka_t *__wrap_rd_kafka_new(rd_kafka_type_t type, rd_kafka_conf_t *conf, char *text, size_t size);
rd_kafka_t *__wrap_rd_kafka_new(rd_kafka_type_t type, rd_kafka_conf_t *conf, char *text, size_t size)
{
    if (refusals[type == RD_KAFKA_CONSUMER] > 0) {
        refusals[type == RD_KAFKA_CONSUMER]--;
        snprintf(text, size, "no thread for it");
        return NULL;
    }
    made_count++;
    return made[type == RD_KAFKA_CONSUMER] = __real_rd_kafka_new(type, conf, text, size);
}

// ---- the scene

static void open_lane(struct scene *s)
{
    struct bus_kafka_settings settings = {
        .cluster = {.brokers = rd_kafka_mock_cluster_bootstraps(s->mock), .topic_prefix = "m."},
        .group = "g.v1",
        .inputs = inputs,
        .input_count = sizeof inputs / sizeof inputs[0],
        .outputs = outputs,
        .output_count = sizeof outputs / sizeof outputs[0],
        .session_timeout_ms = 6000};
    struct err e = bus_kafka_open(&settings, &s->bus);
    assert_int_equal(e.class, ERR_NONE);
    const struct clock_port *clock = clock_system();
    s->db = store_mem_db_new(echo_service.tables, echo_service.table_count, clock);
    s->store = store_mem_open(s->db);
    s->caller = caller_mem_new(clock);
    const struct lane_ports ports = {
        .clock = clock, .bus = s->bus, .store = s->store, .caller = caller_mem_port(s->caller)};
    const struct lane_settings lane = {.batch_max_inputs = 100,
                                       .batch_max_in_bytes = 1 << 20,
                                       .batch_max_out_bytes = 1 << 20,
                                       .stash_max_bytes = 8 << 20,
                                       .session_timeout_us = 3 * INSTANT_SECOND,
                                       .gap_resend_us = 30 * INSTANT_SECOND,
                                       .unknown_hold_us = 60 * INSTANT_SECOND,
                                       .idle_mark_us = 100 * INSTANT_MS};
    s->lane = lane_new(&echo_service, &ports, &lane);
}

static int setup(void **state)
{
    struct scene *s = calloc(1, sizeof *s);
    assert_non_null(s);
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    char text[200];
    rd_kafka_conf_set(conf, "test.mock.num.brokers", "1", text, sizeof text);
    s->writer = __real_rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
    assert_non_null(s->writer);
    s->mock = rd_kafka_handle_mock_cluster(s->writer);
    assert_non_null(s->mock);
    static const char *const names[] = {"commands.validator", "orders", "control", "validation-events",
                                        "dead-letters"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char name[64];
        snprintf(name, sizeof name, "m.%s.v1", names[i]);
        rd_kafka_mock_topic_create(s->mock, name, PARTITIONS, 1);
    }
    refusals[0] = refusals[1] = made_count = 0;
    open_lane(s);
    *state = s;
    return 0;
}

static int teardown(void **state)
{
    struct scene *s = *state;
    lane_free(s->lane);
    bus_kafka_close(s->bus);
    caller_mem_free(s->caller);
    store_mem_close(s->store);
    store_mem_db_free(s->db);
    rd_kafka_destroy(s->writer);
    free(s);
    return 0;
}

static void send_command(struct scene *s, uint64_t sequence)
{
    struct arena *arena = arena_new(4096);
    char id[UUID_TEXT_SIZE];
    uuid_format(uuid_from_name("command", bytes_of(&sequence, sizeof sequence)), id);
    const struct head head = {.event_id = bytes_str(id),
                              .key = bytes_str(KEY),
                              .source = bytes_str("orchestrator"),
                              .sequence = sequence,
                              .occurred_at = 1};
    struct bytes value = head_write(arena, &head, echo_command(""));
    rd_kafka_topic_t *topic = rd_kafka_topic_new(s->writer, "m.commands.validator.v1", NULL);
    assert_non_null(topic);
    int failed = rd_kafka_produce(topic, hash_partition(bytes_str(KEY), PARTITIONS), RD_KAFKA_MSG_F_COPY,
                                  (void *)(uintptr_t)value.data, value.size, KEY, strlen(KEY), NULL);
    rd_kafka_topic_destroy(topic);
    assert_int_equal(failed, 0);
    assert_int_equal(rd_kafka_flush(s->writer, 60000), RD_KAFKA_RESP_ERR_NO_ERROR);
    arena_free(arena);
}

static int64_t applied(struct scene *s)
{
    struct arena *arena = arena_new(4096);
    struct uuid id;
    void *rows;
    assert_true(uuid_parse(bytes_str(KEY), &id));
    size_t count = store_mem_rows(s->db, &echo_table, 0, value_uuid(id), arena, &rows);
    int64_t result = count == 0 ? 0 : ((struct echo_row *)rows)->count;
    arena_free(arena);
    return result;
}

// Answers on their topic, copies included.
static int64_t answered(struct scene *s)
{
    int64_t low = 0;
    int64_t high = 0;
    rd_kafka_resp_err_t code = rd_kafka_query_watermark_offsets(
        s->writer, "m.validation-events.v1", hash_partition(bytes_str(KEY), PARTITIONS), &low, &high, 60000);
    assert_int_equal(code, RD_KAFKA_RESP_ERR_NO_ERROR);
    return high;
}

static void run_until(struct scene *s, int64_t count)
{
    const struct clock_port *clock = clock_system();
    const instant end = clock->now(clock->self) + WAIT_US;
    while (applied(s) < count || answered(s) < count) {
        lane_step(s->lane, 50 * INSTANT_MS);
        assert_true(clock->now(clock->self) < end);
    }
}

// ---- tests

static void fail_fatally(struct scene *s, bool consumer, unsigned producers_refused,
                         unsigned consumers_refused)
{
    send_command(s, 1);
    run_until(s, 1);
    const unsigned before = made_count;
    refusals[0] = producers_refused;
    refusals[1] = consumers_refused;
    rd_kafka_resp_err_t code = rd_kafka_test_fatal_error(
        made[consumer],
        consumer ? RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID : RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER,
        "made up");
    assert_int_equal(code, RD_KAFKA_RESP_ERR_NO_ERROR);
    send_command(s, 2);
    run_until(s, 2);
    assert_int_equal(refusals[0] + refusals[1], 0);
    assert_true(made_count >= before + 2); // both anew
    assert_int_equal(applied(s), 2);       // nothing twice
    assert_true(lane_ready(s->lane));
}

static void a_consumer_that_gives_up(void **state)
{
    fail_fatally(*state, true, 0, 0);
}
static void a_producer_that_gives_up(void **state)
{
    fail_fatally(*state, false, 0, 0);
}
static void no_new_producer_at_first(void **state)
{
    fail_fatally(*state, true, 2, 0);
}
static void no_new_consumer_at_first(void **state)
{
    fail_fatally(*state, false, 0, 1);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_consumer_that_gives_up),
        TEST(a_producer_that_gives_up),
        TEST(no_new_producer_at_first),
        TEST(no_new_consumer_at_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
