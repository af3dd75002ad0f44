// The table of librdkafka's settings, topic names, and where reading may start. No broker.
#include "kafka/kafka_conf.h"
#include "kafka/kafka_offsets.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const struct kafka_cluster cluster = {.brokers = "127.0.0.1:9"};
static const struct bus_kafka_settings members = {
    .cluster = {.brokers = "127.0.0.1:9"}, .group = "inventory.v1", .session_timeout_ms = 4000};

static const char *setting(const char **dump, size_t count, const char *name)
{
    for (size_t i = 0; i + 1 < count; i += 2) {
        if (strcmp(dump[i], name) == 0)
            return dump[i + 1];
    }
    return NULL;
}

// What librdkafka itself calls some of the names in the table.
static const char *canonical(const char *name)
{
    static const char *const names[][2] = {{"linger.ms", "queue.buffering.max.ms"},
                                           {"acks", "request.required.acks"}};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(names[i][0], name) == 0)
            return names[i][1];
    }
    return name;
}

static void check_side(enum kafka_side side)
{
    rd_kafka_t *rk = NULL;
    struct err e = kafka_conf_open(side, &cluster, side == KAFKA_CONSUMER ? &members : NULL, &rk);
    assert_int_equal(e.class, ERR_NONE);
    size_t count;
    const char **dump = rd_kafka_conf_dump((rd_kafka_conf_t *)(uintptr_t)rd_kafka_conf(rk), &count);
    const struct kafka_conf_row *row;
    for (size_t i = 0; (row = kafka_conf_at(i)) != NULL; i++) {
        const char *value = setting(dump, count, canonical(row->name));
        if ((row->side & side) == 0 || value == NULL) // a topic's setting isn't among the client's
            continue;
        if (strcmp(value, row->value) != 0)
            print_error("%s is %s, not %s\n", row->name, value, row->value);
        assert_string_equal(value, row->value);
    }
    if (side == KAFKA_CONSUMER) {
        assert_string_equal(setting(dump, count, "session.timeout.ms"), "4000");
        assert_string_equal(setting(dump, count, "max.poll.interval.ms"), "300000");
        assert_string_equal(setting(dump, count, "group.id"), "inventory.v1");
        assert_string_equal(setting(dump, count, "enable.partition.eof"), "false");
    }
    rd_kafka_conf_dump_free(dump, count);
    rd_kafka_destroy(rk);
}

static void test_every_setting_is_in_force(void **state)
{
    (void)state;
    check_side(KAFKA_PRODUCER);
    check_side(KAFKA_CONSUMER);
}

static void test_a_refused_setting_is_named(void **state)
{
    (void)state;
    rd_kafka_t *rk = NULL;
    struct kafka_cluster wrong = cluster;
    wrong.security_protocol = "carrier-pigeon";
    struct err e = kafka_conf_open(KAFKA_PRODUCER, &wrong, NULL, &rk);
    assert_int_equal(e.class, ERR_CONFIG);
    assert_non_null(strstr(e.text, "security.protocol"));
    wrong = cluster;
    wrong.security_protocol = "sasl_plaintext";
    wrong.sasl_mechanism = "SCRAM-SHA-512";
    e = kafka_conf_open(KAFKA_PRODUCER, &wrong, NULL, &rk); // no user
    assert_int_equal(e.class, ERR_CONFIG);
    wrong.sasl_user = "orders";
    wrong.sasl_password = "secret";
    e = kafka_conf_open(KAFKA_PRODUCER, &wrong, NULL, &rk);
    assert_int_equal(e.class, ERR_NONE);
    rd_kafka_destroy(rk);
}

static void test_topic_names(void **state)
{
    (void)state;
    char name[KAFKA_TOPIC_NAME_SIZE], prefix[KAFKA_TOPIC_NAME_SIZE];
    const struct topic_info *topic;
    for (size_t i = 0; (topic = topic_at(i)) != NULL; i++) {
        char expected[128];
        struct err e = kafka_conf_topic_name(&cluster, topic->number, name);
        assert_int_equal(e.class, ERR_NONE);
        snprintf(expected, sizeof expected, "orderclerk.%s.v1", topic->name);
        assert_string_equal(name, expected);
    }
    struct kafka_cluster other = cluster;
    other.topic_prefix = "";
    struct err e = kafka_conf_topic_name(&other, TOPIC_ORDERS, name);
    assert_int_equal(e.class, ERR_NONE);
    assert_string_equal(name, "orders.v1");
    memset(prefix, 'p', sizeof prefix);
    prefix[sizeof prefix - 1] = '\0';
    other.topic_prefix = prefix;
    e = kafka_conf_topic_name(&other, TOPIC_ORDERS, name);
    assert_int_equal(e.class, ERR_CONFIG);
    other.topic_prefix = prefix + 9; // with "orders.v1" it just fits
    e = kafka_conf_topic_name(&other, TOPIC_ORDERS, name);
    assert_int_equal(e.class, ERR_NONE);
    assert_int_equal(strlen(name), KAFKA_TOPIC_NAME_SIZE - 1);
}

static void test_where_reading_starts(void **state)
{
    (void)state;
    static const struct {
        int64_t stored, low, high;
        bool compacted;
        int64_t start; // -1: stops the slot
    } rows[] = {
        {-1, 0, 0, false, 0}, {-1, 5, 9, false, 5},  {5, 5, 9, false, 5},  {7, 5, 9, false, 7},
        {9, 5, 9, false, 9},  {10, 5, 9, false, -1}, {4, 5, 9, false, -1}, {0, 0, 0, false, 0},
        {1, 0, 0, false, -1}, {-1, 5, 9, true, 5},   {4, 5, 9, true, 5},   {0, 5, 9, true, 5},
        {9, 5, 9, true, 9},   {10, 5, 9, true, -1},  {7, 5, 9, true, 7},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t start = -1;
        bool good = kafka_offsets_start(rows[i].stored, rows[i].low, rows[i].high, rows[i].compacted, &start);
        assert_int_equal(start, rows[i].start);
        assert_int_equal(good, rows[i].start >= 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_setting_is_in_force),
        cmocka_unit_test(test_a_refused_setting_is_named),
        cmocka_unit_test(test_topic_names),
        cmocka_unit_test(test_where_reading_starts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
