// What the bus and the producer make of a broker's errors: librdkafka's mock broker gives any at will. What a real one
// does is tested in tests/integration/kafka.
#include "kafka/bus_kafka_internal.h"
#include "kafka/kafka.h"
#include "kafka/kafka_producer.h"
#include "kafka/kafka_wait.h"

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define API_PRODUCE     0 // Kafka protocol: api keys
#define API_FETCH       1
#define API_LISTOFFSETS 2
#define PARTITIONS      3
#define RECORDS         160
#define WAIT_US         60000000LL
#define TRIES           60 // one in three or so shows it

static const enum topic topics[] = {TOPIC_ORDERS, TOPIC_CONTROL};

struct broker {
    rd_kafka_t *rk;
    rd_kafka_mock_cluster_t *mock;
    struct kafka_cluster cluster;
    struct bus_kafka_settings settings;
};

static int setup(void **state)
{
    struct broker *b = calloc(1, sizeof *b);
    assert_non_null(b);
    b->rk = rd_kafka_new(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), NULL, 0);
    b->mock = rd_kafka_mock_cluster_new(b->rk, 1);
    assert_non_null(b->mock);
    b->cluster =
        (struct kafka_cluster){.brokers = rd_kafka_mock_cluster_bootstraps(b->mock), .topic_prefix = "m."};
    b->settings = (struct bus_kafka_settings){.cluster = b->cluster,
                                              .group = "g.v1",
                                              .inputs = topics,
                                              .input_count = 2,
                                              .outputs = topics,
                                              .output_count = 2,
                                              .session_timeout_ms = 6000};
    rd_kafka_mock_topic_create(b->mock, "m.orders.v1", PARTITIONS, 1);
    rd_kafka_mock_topic_create(b->mock, "m.control.v1", PARTITIONS, 1);
    *state = b;
    return 0;
}

static int teardown(void **state)
{
    struct broker *b = *state;
    rd_kafka_mock_cluster_destroy(b->mock);
    rd_kafka_destroy(b->rk);
    free(b);
    return 0;
}

static struct bus_out record(uint64_t tag)
{
    return (struct bus_out){.topic = TOPIC_ORDERS,
                            .key = bytes_str("order-1"),
                            .value = bytes_str("value"),
                            .type = "orderclerk.v1.OrderRequest",
                            .event_id = "e-1",
                            .source = "/orderclerk/test",
                            .tag = tag};
}

static void send_record(struct kafka_producer *p, uint64_t tag)
{
    struct bus_out out = record(tag);
    struct err e = kafka_producer_send(p, &out);
    assert_int_equal(e.class, ERR_NONE);
}

static struct kafka_producer *open_producer(struct broker *b)
{
    struct kafka_producer *p = NULL;
    struct err e = kafka_producer_open(&b->cluster, topics, 2, &p);
    assert_int_equal(e.class, ERR_NONE);
    return p;
}

static struct bus_port *open_bus(struct broker *b)
{
    struct bus_port *bus = NULL;
    struct err e = bus_kafka_open(&b->settings, &bus);
    assert_int_equal(e.class, ERR_NONE);
    return bus;
}

// The next event of this kind; others are passed over.
static struct bus_event await(struct bus_port *bus, enum bus_event_kind kind)
{
    struct bus_event event;
    int64_t end = clock_monotonic_us() + WAIT_US;
    do {
        bus->poll(bus->self, WAIT_US, &event);
        assert_true(clock_monotonic_us() < end);
    } while (event.kind != kind);
    return event;
}

static void assign_all(struct bus_port *bus, const struct store_position *positions, size_t count)
{
    int32_t slots[PARTITIONS];
    struct bus_event event = await(bus, BUS_ASSIGNED);
    assert_int_equal(event.slot_count, PARTITIONS);
    memcpy(slots, event.slots, sizeof slots);
    struct err e = bus->assign(bus->self, slots, PARTITIONS, positions, count, NULL);
    assert_int_equal(e.class, ERR_NONE);
}

// ---- the producer

// Sends what has not been seen to arrive, and reads the reports until all have or the producer fails.
static bool send_the_rest(struct kafka_producer *p, bool *seen, uint64_t count)
{
    size_t sent = 0;
    for (uint64_t tag = 1; tag <= count; tag++) {
        if (seen[tag])
            continue;
        send_record(p, tag);
        sent++;
    }
    for (size_t i = 0; i < sent; i++) {
        struct kafka_report report;
        kafka_producer_next(p, WAIT_US, &report);
        if (report.kind == KAFKA_REPORT_FAILED)
            return false;
        assert_int_equal(report.kind, KAFKA_REPORT_SENT);
        assert_true(report.tag >= 1 && report.tag <= count && !seen[report.tag]);
        seen[report.tag] = true;
    }
    assert_int_equal(kafka_producer_unreported(p), 0);
    return true;
}

static void test_each_record_is_reported_once_whatever_passes(void **state)
{
    struct broker *b = *state;
    rd_kafka_mock_push_request_errors(b->mock, API_PRODUCE, 5, RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
                                      RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
                                      RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT, RD_KAFKA_RESP_ERR__TRANSPORT,
                                      RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS);
    bool seen[51] = {false};
    bool all = false;
    for (int i = 0; i < 5 && !all; i++) { // at most one failure for each error: what has no offset
        struct kafka_producer *p = open_producer(b);
        all = send_the_rest(p, seen, 50);
        kafka_producer_close(p);
    }
    assert_true(all);
}

static void test_what_can_not_arrive_is_told_once(void **state)
{
    struct broker *b = *state;
    struct kafka_producer *p = open_producer(b);
    struct kafka_report report;
    struct bus_out out = record(1);
    rd_kafka_mock_push_request_errors(b->mock, API_PRODUCE, 1, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
    struct err e = kafka_producer_send(p, &out);
    assert_int_equal(e.class, ERR_NONE);
    kafka_producer_next(p, WAIT_US, &report);
    assert_int_equal(report.kind, KAFKA_REPORT_FAILED);
    assert_non_null(strstr(report.text, "m.orders.v1"));
    assert_false(kafka_producer_flush(p, WAIT_US));
    kafka_producer_next(p, 0, &report);
    assert_int_equal(report.kind, KAFKA_REPORT_NONE);
    kafka_producer_close(p);
}

// Reads the reports of as many records. Why the producer failed, and that before this one was reported; NULL: all were
// reported. Valid until the producer is closed.
static const char *failed_before(struct kafka_producer *p, uint64_t tag, size_t sent)
{
    bool reported = false;
    for (size_t i = 0; i < sent; i++) {
        struct kafka_report report;
        kafka_producer_next(p, WAIT_US, &report);
        if (report.kind == KAFKA_REPORT_FAILED) {
            assert_false(reported);
            return report.text;
        }
        assert_int_equal(report.kind, KAFKA_REPORT_SENT);
        reported |= report.tag == tag;
    }
    return NULL;
}

static void test_what_has_no_offset_is_not_believed(void **state)
{
    struct broker *b = *state;
    struct kafka_producer *p = open_producer(b);
    rd_kafka_mock_push_request_errors(b->mock, API_PRODUCE, 1, RD_KAFKA_RESP_ERR_DUPLICATE_SEQUENCE_NUMBER);
    for (uint64_t tag = 1; tag <= 3; tag++)
        send_record(p, tag);
    const char *text = failed_before(p, 1, 3);
    assert_non_null(text);
    assert_non_null(strstr(text, "m.orders.v1: a record was reported without an offset"));
    struct kafka_report report;
    kafka_producer_next(p, 0, &report); // those behind it neither
    assert_int_equal(report.kind, KAFKA_REPORT_NONE);
    kafka_producer_close(p);
}

// librdkafka before 2.3 takes a record whose answer got lost for written as soon as a later one of its partition is. A broker
// that has come back takes the later one although it never saw the first, when the partition got its leader between the two.
static void test_a_later_record_s_answer_does_not_stand_for_a_lost_one_s(void **state)
{
    struct broker *b = *state;
    bool failed = false;
    for (int i = 0; i < TRIES && !failed; i++) {
        struct kafka_producer *p = open_producer(b);
        rd_kafka_mock_push_request_errors(b->mock, API_PRODUCE, 2, RD_KAFKA_RESP_ERR__TRANSPORT,
                                          RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION);
        for (uint64_t tag = 1; tag <= 3; tag++) {
            send_record(p, tag);
            if (tag == 1)
                usleep(20000); // its request is on its way, and not tried again yet
        }
        failed = failed_before(p, 1, 3) != NULL;
        rd_kafka_mock_clear_request_errors(b->mock, API_PRODUCE);
        kafka_producer_close(p);
    }
    if (rd_kafka_version() < 0x02030000)
        assert_true(failed);
}

static void test_flush_keeps_the_reports(void **state)
{
    struct broker *b = *state;
    struct kafka_producer *p = open_producer(b);
    for (uint64_t tag = 1; tag <= 3000; tag++)
        send_record(p, tag);
    assert_int_equal(kafka_producer_unreported(p), 3000);
    assert_true(kafka_producer_flush(p, WAIT_US));
    assert_int_equal(kafka_producer_unreported(p), 3000);
    for (uint64_t tag = 1; tag <= 3000; tag++) { // one key: in order
        struct kafka_report report;
        kafka_producer_next(p, 0, &report);
        assert_int_equal(report.kind, KAFKA_REPORT_SENT);
        assert_int_equal(report.tag, tag);
    }
    assert_int_equal(kafka_producer_unreported(p), 0);
    kafka_producer_close(p);
}

static void test_a_record_that_can_not_be_queued_is_refused(void **state)
{
    struct broker *b = *state;
    struct kafka_producer *p = open_producer(b);
    static const char big[1100000];
    struct bus_out out = record(1);
    out.value = bytes_of(big, sizeof big);
    struct err e = kafka_producer_send(p, &out);
    assert_int_equal(e.class, ERR_REJECT);
    out = record(1);
    out.topic = TOPIC_ORDER_EVENTS;
    e = kafka_producer_send(p, &out);
    assert_int_equal(e.class, ERR_CONFIG);
    assert_int_equal(kafka_producer_unreported(p), 0);
    kafka_producer_close(p);
}

static void test_topics_are_checked(void **state)
{
    struct broker *b = *state;
    struct kafka_producer *p = NULL;
    rd_kafka_mock_topic_create(b->mock, "m.order-events.v1", PARTITIONS + 1, 1);
    const enum topic odd[] = {TOPIC_ORDERS, TOPIC_ORDER_EVENTS};
    struct err e = kafka_producer_open(&b->cluster, odd, 2, &p);
    assert_int_equal(e.class, ERR_CONFIG);
    assert_non_null(strstr(e.text, "m.order-events.v1 has 4 partitions and m.orders.v1 has 3"));
    const enum topic missing[] = {TOPIC_ORDERS, TOPIC_DEAD_LETTERS};
    e = kafka_producer_open(&b->cluster, missing, 2, &p);
    assert_int_equal(e.class, ERR_CONFIG);
    assert_non_null(strstr(e.text, "m.dead-letters.v1"));
}

static void *wake_producer(void *self)
{
    kafka_producer_wake(self);
    return NULL;
}

static void test_waking_a_producer_that_waits(void **state)
{
    struct broker *b = *state;
    struct kafka_producer *p = open_producer(b);
    pthread_t thread;
    struct kafka_report report;
    assert_int_equal(pthread_create(&thread, NULL, wake_producer, p), 0);
    int64_t start = clock_monotonic_us();
    kafka_producer_next(p, 10 * WAIT_US, &report);
    assert_int_equal(report.kind, KAFKA_REPORT_NONE);
    assert_true(clock_monotonic_us() - start < 10 * WAIT_US);
    pthread_join(thread, NULL);
    kafka_producer_close(p);
}

// ---- the bus

static void test_records_and_reports_come_by_one_poll(void **state)
{
    struct broker *b = *state;
    struct bus_port *bus = open_bus(b);
    assert_int_equal(bus_kafka_partitions(bus), PARTITIONS);
    assign_all(bus, NULL, 0);
    struct bus_out out = record(42);
    out.traceparent = "00-trace";
    struct err e = bus->produce(bus->self, &out);
    assert_int_equal(e.class, ERR_NONE);
    bool report = false, arrived = false;
    while (!report || !arrived) {
        struct bus_event event;
        bus->poll(bus->self, WAIT_US, &event);
        assert_true(event.kind == BUS_REPORT || event.kind == BUS_RECORD);
        if (event.kind == BUS_REPORT) {
            assert_int_equal(event.tag, 42);
            report = true;
        } else {
            assert_int_equal(event.record.topic, TOPIC_ORDERS);
            assert_true(bytes_is(event.record.key, "order-1"));
            assert_true(bytes_is(event.record.value, "value"));
            assert_true(bytes_is(event.record.traceparent, "00-trace"));
            assert_int_equal(event.record.partition, bus->partition_of(bus->self, bytes_str("order-1")));
            arrived = true;
        }
    }
    bus_kafka_close(bus);
}

// All of it has been fetched, and what begins work has a queue of its own.
static void await_queues(const struct bus_kafka *b, size_t common, size_t beginning)
{
    int64_t end = clock_monotonic_us() + WAIT_US;
    while (rd_kafka_queue_length(b->queue) < common || rd_kafka_queue_length(b->beginning) < beginning)
        assert_true(clock_monotonic_us() < end);
}

static void test_what_is_under_way_goes_before_what_begins(void **state)
{
    struct broker *b = *state;
    b->settings.beginning = TOPIC_ORDERS;
    struct bus_port *bus = open_bus(b);
    struct kafka_producer *p = open_producer(b);
    assign_all(bus, NULL, 0);
    for (uint64_t i = 0; i < 2 * RECORDS; i++) {
        struct bus_out out = record(i);
        out.topic = i < RECORDS ? TOPIC_ORDERS : TOPIC_CONTROL;
        struct err e = kafka_producer_send(p, &out);
        assert_int_equal(e.class, ERR_NONE);
    }
    assert_true(kafka_producer_flush(p, WAIT_US));
    await_queues((const struct bus_kafka *)bus, RECORDS, RECORDS);
    size_t begun = 0, under_way = 0, early = 0;
    while (begun + under_way < (size_t)2 * RECORDS) {
        struct bus_event event = await(bus, BUS_RECORD);
        size_t *count = event.record.topic == TOPIC_ORDERS ? &begun : &under_way;
        assert_int_equal(event.record.offset, *count); // in order, each once
        ++*count;
        early += event.record.topic == TOPIC_ORDERS && under_way < RECORDS;
    }
    assert_in_range(early, 1, RECORDS / 10); // it can't wait for ever
    kafka_producer_close(p);
    bus_kafka_close(bus);
}

static void *wake_bus(void *self)
{
    struct bus_port *bus = self;
    bus->wake(bus->self);
    return NULL;
}

static void test_waking_a_poll(void **state)
{
    struct broker *b = *state;
    struct bus_port *bus = open_bus(b);
    struct bus_event event;
    pthread_t thread;
    assign_all(bus, NULL, 0);
    assert_int_equal(pthread_create(&thread, NULL, wake_bus, bus), 0);
    bus->poll(bus->self, 60 * WAIT_US, &event);
    assert_int_equal(event.kind, BUS_NOTHING);
    pthread_join(thread, NULL);
    bus->wake(bus->self); // before the poll: not lost
    bus->poll(bus->self, 60 * WAIT_US, &event);
    assert_int_equal(event.kind, BUS_NOTHING);
    bus_kafka_close(bus);
}

static void test_watermarks_that_can_not_be_had_are_asked_for_again(void **state)
{
    struct broker *b = *state;
    struct bus_port *bus = open_bus(b);
    assign_all(bus, NULL, 0);
    int64_t high[2 * PARTITIONS];
    const int32_t slots[] = {0, 1, 2};
    rd_kafka_mock_push_request_errors(b->mock, API_LISTOFFSETS, 1,
                                      RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION);
    struct err e = bus->high_watermarks(bus->self, slots, PARTITIONS, high);
    assert_int_equal(e.class, ERR_RETRY);
    e = bus->high_watermarks(bus->self, slots, PARTITIONS, high);
    assert_int_equal(e.class, ERR_NONE);
    for (size_t i = 0; i < 2 * PARTITIONS; i++)
        assert_int_equal(high[i], 0);
    rd_kafka_mock_push_request_errors(b->mock, API_LISTOFFSETS, 1,
                                      RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION);
    e = bus->assign(bus->self, slots, PARTITIONS, NULL, 0, NULL);
    assert_int_equal(e.class, ERR_RETRY);
    bus_kafka_close(bus);
}

static void test_a_producer_beyond_repair_is_told_and_reopened(void **state)
{
    struct broker *b = *state;
    struct bus_port *bus = open_bus(b);
    assign_all(bus, NULL, 0);
    rd_kafka_mock_push_request_errors(b->mock, API_PRODUCE, 1, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
    struct bus_out out = record(1);
    struct err e = bus->produce(bus->self, &out);
    assert_int_equal(e.class, ERR_NONE);
    struct bus_event event = await(bus, BUS_FAILED);
    assert_non_null(strstr(event.text, "m.orders.v1"));
    bus->poll(bus->self, 0, &event);
    assert_int_not_equal(event.kind, BUS_FAILED); // once
    e = bus->reopen(bus->self);
    assert_int_equal(e.class, ERR_NONE);
    assign_all(bus, NULL, 0);
    out.tag = 2;
    e = bus->produce(bus->self, &out);
    assert_int_equal(e.class, ERR_NONE);
    assert_int_equal(await(bus, BUS_REPORT).tag, 2);
    bus_kafka_close(bus);
}

static void test_a_position_that_the_topic_does_not_hold(void **state)
{
    struct broker *b = *state;
    struct bus_port *bus = open_bus(b);
    const struct store_position positions[] = {{.slot = 1, .topic = TOPIC_CONTROL, .next_offset = 5},
                                               {.slot = 0, .topic = TOPIC_CONTROL, .next_offset = 0}};
    int32_t slots[PARTITIONS];
    int64_t start[2 * PARTITIONS];
    struct bus_event event = await(bus, BUS_ASSIGNED);
    memcpy(slots, event.slots, sizeof slots);
    struct err e = bus->assign(bus->self, slots, PARTITIONS, positions, 2, start);
    assert_int_equal(e.class, ERR_NONE);
    for (size_t i = 0; i < 2 * PARTITIONS;
         i++) // both topics of slot 1 aren't read, all else from its beginning
        assert_int_equal(start[i], slots[i / 2] == 1 ? -1 : 0);
    event = await(bus, BUS_POSITION);
    assert_int_equal(event.record.topic, TOPIC_CONTROL);
    assert_int_equal(event.record.partition, 1);
    assert_int_equal(event.record.offset, 5);
    assert_non_null(strstr(event.text, "m.control.v1 [1]"));
    const int32_t not_ours[] = {PARTITIONS};
    e = bus->assign(bus->self, not_ours, 1, NULL, 0, NULL);
    assert_int_equal(e.class, ERR_FENCED);
    bus_kafka_close(bus);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_each_record_is_reported_once_whatever_passes),
        TEST(test_what_can_not_arrive_is_told_once),
        TEST(test_what_has_no_offset_is_not_believed),
        TEST(test_a_later_record_s_answer_does_not_stand_for_a_lost_one_s),
        TEST(test_flush_keeps_the_reports),
        TEST(test_a_record_that_can_not_be_queued_is_refused),
        TEST(test_topics_are_checked),
        TEST(test_waking_a_producer_that_waits),
        TEST(test_records_and_reports_come_by_one_poll),
        TEST(test_what_is_under_way_goes_before_what_begins),
        TEST(test_waking_a_poll),
        TEST(test_watermarks_that_can_not_be_had_are_asked_for_again),
        TEST(test_a_producer_beyond_repair_is_told_and_reopened),
        TEST(test_a_position_that_the_topic_does_not_hold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
