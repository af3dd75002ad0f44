// The JSON writer, strict reading, and messages as JSON.
#include "orderclerk/v1/dead_letters.pb-c.h"
#include "orderclerk/v1/order_events.pb-c.h"
#include "orderclerk/v1/reference.pb-c.h"
#include "json/jsonr.h"
#include "json/jsonw.h"
#include "json/proto_json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct arena *arena;
static struct jsonr_problems problems;

static int setup(void **state)
{
    (void)state;
    arena = arena_new(4096);
    problems = (struct jsonr_problems){.arena = arena};
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_free(arena);
    return 0;
}

static void writer_writes(void **state)
{
    (void)state;
    struct jsonw w;
    jsonw_open(&w, arena);
    jsonw_begin_object(&w, NULL);
    jsonw_str(&w, "text", "a\"b\\c\n\x01\xE4\xB8\xAD");
    jsonw_bytes(&w, "bad", bytes_of("x\xFFy\xC0", 4));
    jsonw_str(&w, "none", NULL);
    jsonw_int(&w, "least", INT64_MIN);
    jsonw_uint(&w, "most", UINT64_MAX);
    jsonw_begin_array(&w, "list");
    jsonw_bool(&w, NULL, true);
    jsonw_null(&w, NULL);
    jsonw_begin_object(&w, NULL);
    jsonw_end_object(&w);
    jsonw_end_array(&w);
    jsonw_instant(&w, "at", 0);
    jsonw_raw_members(&w, "\"x\":1");
    jsonw_raw_members(&w, "");
    jsonw_raw(&w, "raw", bytes_str("[1]"));
    jsonw_end_object(&w);
    assert_string_equal(
        jsonw_done(&w).data,
        "{\"text\":\"a\\\"b\\\\c\\n\\u0001\xE4\xB8\xAD\",\"bad\":\"x\xEF\xBF\xBDy\xEF\xBF\xBD\","
        "\"none\":null,\"least\":-9223372036854775808,\"most\":18446744073709551615,"
        "\"list\":[true,null,{}],\"at\":\"1970-01-01T00:00:00.000000Z\",\"x\":1,\"raw\":[1]}");
}

static void writer_grows(void **state)
{
    (void)state;
    struct jsonw w;
    jsonw_open(&w, arena);
    jsonw_begin_array(&w, NULL);
    for (int i = 0; i < 10000; i++)
        jsonw_int(&w, NULL, i);
    jsonw_end_array(&w);
    struct jsonr_doc *doc = jsonr_parse(jsonw_done(&w), &problems);
    assert_non_null(doc);
    assert_int_equal(jsonr_size(jsonr_root(doc)), 10000);
    assert_int_equal(jsonr_integer(jsonr_at(jsonr_root(doc), 9999)), 9999);
    jsonr_free(doc);
}

static void refuses(const char *text, size_t size, const char *code)
{
    problems.count = 0;
    struct jsonr_doc *doc = jsonr_parse(bytes_of(text, size), &problems);
    if (doc != NULL || problems.count != 1 || strcmp(problems.items[0].code, code) != 0)
        fail_msg("%s: expected %s, got %s", text, code,
                 problems.count > 0 ? problems.items[0].code : "nothing");
    assert_true(strlen(problems.items[0].remedy) > 0);
}

static void reader_refuses_what_is_no_json(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *code;
    } bad[] = {
        {"", "malformed"},
        {"{", "malformed"},
        {"{}{}", "malformed"},
        {"{'a':1}", "malformed"},
        {"{\"a\":1,}", "malformed"},
        {"{\"a\":01}", "malformed"},
        {"{\"a\":NaN}", "malformed"},
        {"// x\n{}", "malformed"},
        {"{\"a\":1,\"a\":2}", "duplicate"},
        {"{\"a\":9223372036854775808}", "out_of_range"},
        {"{\"a\":1e999}", "out_of_range"},
        {"{\"a\":\"\\u0000\"}", "malformed"},
        {"{\"a\":\"\\ud800\"}", "malformed"},
        {"{\"a\":\"\xFF\"}", "not_utf8"},
        {"{\"a\":\"\xC0\x80\"}", "not_utf8"},
        {"{\"a\":\"\xED\xA0\x80\"}", "not_utf8"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        refuses(bad[i].text, strlen(bad[i].text), bad[i].code);
    refuses("{\0}", 3, "not_utf8");
    char deep[100];
    memset(deep, '[', 33);
    memset(deep + 33, ']', 33);
    refuses(deep, 66, "too_deep");
    struct jsonr_doc *doc = jsonr_parse(bytes_of(deep + 1, 64), &problems);
    assert_non_null(doc);
    jsonr_free(doc);
    doc = jsonr_parse(bytes_str("{\"a\":\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\\\"[[\"}"), &problems);
    assert_non_null(doc);
    jsonr_free(doc);
}

static void problems_are_bounded(void **state)
{
    (void)state;
    for (int i = 0; i < JSONR_PROBLEMS_MAX + 5; i++)
        jsonr_problem(&problems, "x", "f", "r", "d%d", i);
    assert_int_equal(problems.count, JSONR_PROBLEMS_MAX);
    assert_true(problems.more);
}

static void members_are_texts(void **state)
{
    (void)state;
    struct jsonr_doc *doc =
        jsonr_parse(bytes_str("{\"a\":\"x\",\"b\":1,\"c\":\"\",\"d\":\"long\"}"), &problems);
    const struct jsonr_value *root = jsonr_root(doc);
    assert_true(bytes_is(jsonr_member_text(root, "a", true, 10, &problems), "x"));
    assert_int_equal(problems.count, 0);
    assert_null(jsonr_member_text(root, "b", false, 10, &problems).data);
    assert_null(jsonr_member_text(root, "c", true, 10, &problems).data);
    assert_null(jsonr_member_text(root, "d", true, 3, &problems).data);
    assert_null(jsonr_member_text(root, "e", true, 3, &problems).data);
    assert_null(jsonr_member_text(root, "e", false, 3, &problems).data);
    assert_int_equal(problems.count, 4);
    assert_string_equal(problems.items[0].code, "type");
    assert_string_equal(problems.items[1].code, "required");
    assert_string_equal(problems.items[2].code, "too_long");
    assert_string_equal(problems.items[3].code, "required");
    jsonr_free(doc);
}

static const char *json_of(const ProtobufCMessage *message)
{
    struct jsonw w;
    jsonw_open(&w, arena);
    proto_json_write(&w, NULL, message);
    return jsonw_done(&w).data;
}

static void messages_are_written(void **state)
{
    (void)state;
    Orderclerk__V1__OrderLine line = ORDERCLERK__V1__ORDER_LINE__INIT;
    line.line_no = 1;
    line.unit_price_minor = 1250;
    line.discount_minor = 5;
    line.tax_rate_bp = 1350;
    line.price_includes_tax = true;
    line.kind = ORDERCLERK__V1__LINE_KIND__LINE_KIND_MAKE;
    Orderclerk__V1__OrderLine *lines[] = {&line};
    Orderclerk__V1__Order order = ORDERCLERK__V1__ORDER__INIT;
    order.currency = "CNY";
    order.lines = lines;
    order.n_lines = 1;
    order.ordered_at_us = 1000000;
    Orderclerk__V1__OrderReceived received = ORDERCLERK__V1__ORDER_RECEIVED__INIT;
    received.order = &order;
    Orderclerk__V1__OrderEvent event = ORDERCLERK__V1__ORDER_EVENT__INIT;
    event.event_id = "e";
    event.sequence = 3;
    event.occurred_at_us = 2000000;
    event.body_case = ORDERCLERK__V1__ORDER_EVENT__BODY_RECEIVED;
    event.received = &received;
    char *departments[] = {"sales", "finance"};
    event.departments = departments;
    event.n_departments = 2;
    assert_string_equal(
        json_of(&event.base),
        "{\"event_id\":\"e\",\"sequence\":3,\"occurred_at\":\"1970-01-01T00:00:02.000000Z\","
        "\"departments\":[\"sales\",\"finance\"],\"type\":\"received\",\"received\":{\"order\":{"
        "\"lines\":[{\"line_no\":1,\"unit_price\":\"12.50\",\"price_includes_tax\":true,"
        "\"tax_rate\":\"13.5\",\"discount\":\"0.05\",\"kind\":\"MAKE\"}],\"currency\":\"CNY\","
        "\"ordered_at\":\"1970-01-01T00:00:01.000000Z\"}}}");
    order.currency = "";
    line = (Orderclerk__V1__OrderLine)ORDERCLERK__V1__ORDER_LINE__INIT;
    line.unit_price_minor = 7;
    line.tax_rate_bp = 1000;
    assert_string_equal(json_of(&line.base), "{\"unit_price_minor\":7,\"tax_rate\":\"10\"}");
    Orderclerk__V1__DeadLetter letter = ORDERCLERK__V1__DEAD_LETTER__INIT;
    letter.value = (ProtobufCBinaryData){.len = 4, .data = (uint8_t[]){0xff, 0, 1, 2}};
    letter.offset = 12;
    assert_string_equal(json_of(&letter.base), "{\"offset\":12,\"value\":\"/wABAg==\"}");
}

static Orderclerk__V1__Product *read_product(const char *text, bool from_text)
{
    static const struct proto_rule rules[] = {
        {"Product", "sku", PROTO_REQUIRED, 40, 0},
        {"Product", "substitutes", 0, 40, 3},
        {"PackFactor", "factor", PROTO_REQUIRED | PROTO_POSITIVE, 0, 0}};
    problems.count = 0;
    struct proto_reader reader = {.arena = arena,
                                  .problems = &problems,
                                  .rules = rules,
                                  .rule_count = 3,
                                  .exponent = -1,
                                  .from_text = from_text};
    struct jsonr_doc *doc = jsonr_parse(bytes_str(text), &problems);
    assert_non_null(doc);
    void *product =
        proto_json_read(&reader, jsonr_root(doc), "rows[7]", &orderclerk__v1__product__descriptor, NULL);
    jsonr_free(doc);
    return product;
}

static void expect_problem(size_t index, const char *code, const char *field)
{
    assert_true(problems.count > index);
    assert_string_equal(problems.items[index].code, code);
    assert_string_equal(problems.items[index].field, field);
    assert_true(strlen(problems.items[index].remedy) > 0);
    assert_true(strlen(problems.items[index].detail) > 0);
}

static void messages_are_read(void **state)
{
    (void)state;
    Orderclerk__V1__Product *p =
        read_product("{\"sku\":\"A-1\",\"kind\":\"STOCK\",\"packs\":[{\"unit\":\"BOX\",\"factor\":12}],"
                     "\"substitutes\":[\"B\",\"C\"],\"no_picking\":true,\"lead_time_days\":3,\"name_zh\":"
                     "\"\xE8\x9E\xBA\"}",
                     false);
    assert_int_equal(problems.count, 0);
    assert_string_equal(p->sku, "A-1");
    assert_int_equal(p->packs[0]->factor, 12);
    assert_int_equal(p->n_substitutes, 2);
    assert_true(p->no_picking);
    assert_int_equal(p->kind, ORDERCLERK__V1__LINE_KIND__LINE_KIND_STOCK);
    p = read_product(
        "{\"sku\":\"A-1\",\"kind\":\"MAKE\",\"packs\":\"BOX:12;PALLET:480\",\"substitutes\":\"B;C\","
        "\"no_picking\":\"false\",\"lead_time_days\":\"3\",\"name_en\":\"\"}",
        true);
    assert_int_equal(problems.count, 0);
    assert_int_equal(p->n_packs, 2);
    assert_string_equal(p->packs[1]->unit, "PALLET");
    assert_int_equal(p->packs[1]->factor, 480);
    assert_string_equal(p->substitutes[1], "C");
    assert_int_equal(p->lead_time_days, 3);
}

static void messages_are_refused(void **state)
{
    (void)state;
    read_product(
        "{\"order_id\":\"x\",\"sku\":7,\"kind\":\"SOFT\",\"packs\":[{\"unit\":\"BOX\",\"factor\":0},3],"
        "\"lead_time_days\":-1,\"no_picking\":\"true\",\"substitutes\":[\"1\",\"2\",\"3\",\"4\"],\"nope\":1,"
        "\"name_en\":null,\"gtin\":1.5}",
        false);
    static const char *const fields[] = {
        "order_id",   "sku",         "kind", "packs[0].factor", "packs[1]", "lead_time_days",
        "no_picking", "substitutes", "nope", "name_en",         "gtin"};
    assert_int_equal(problems.count, sizeof fields / sizeof fields[0]);
    for (size_t i = 0; i < problems.count; i++) { // in no special order
        char path[64];
        snprintf(path, sizeof path, "rows[7].%s", fields[i]);
        bool found = false;
        for (size_t k = 0; k < problems.count; k++)
            found = found || strcmp(problems.items[k].field, path) == 0;
        if (!found)
            fail_msg("no problem at %s", path);
    }
    read_product("{}", false);
    expect_problem(0, "required", "rows[7].sku");
    read_product("{\"sku\":\"\",\"packs\":[{\"unit\":\"B\"}]}", false);
    assert_int_equal(problems.count, 2);
    expect_problem(0, "required", "rows[7].packs[0].factor");
    expect_problem(1, "required", "rows[7].sku");
    read_product("[]", false);
    expect_problem(0, "type", "rows[7]");
    read_product("{\"sku\":\"x\",\"packs\":\"BOX:many\",\"lead_time_days\":\"3x\"}", true);
    assert_int_equal(problems.count, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(writer_writes, setup, teardown),
        cmocka_unit_test_setup_teardown(writer_grows, setup, teardown),
        cmocka_unit_test_setup_teardown(reader_refuses_what_is_no_json, setup, teardown),
        cmocka_unit_test_setup_teardown(problems_are_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(members_are_texts, setup, teardown),
        cmocka_unit_test_setup_teardown(messages_are_written, setup, teardown),
        cmocka_unit_test_setup_teardown(messages_are_read, setup, teardown),
        cmocka_unit_test_setup_teardown(messages_are_refused, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
