// Orders at the door: what is taken and what each kind of bad input is told.
#include "json/order_json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct arena *arena;
static struct jsonr_problems problems;

static int setup(void **state)
{
    (void)state;
    arena = arena_new(4096);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_free(arena);
    return 0;
}

static Orderclerk__V1__Order *parse(const char *text)
{
    problems = (struct jsonr_problems){.arena = arena};
    return order_json_parse(arena, bytes_str(text), &problems);
}

static const char whole[] =
    "{\"channel\":\"WEB\",\"channel_account\":\"shop\",\"channel_ref\":\"R-1\",\"customer_po\":\"PO-1\","
    "\"customer\":{\"customer_id\":\"C-001\",\"company\":\"\xE5\x8D\x8E\xE4\xB8\x9C\",\"email\":\"a@example."
    "com\"},"
    "\"delivery\":{\"country\":\"CN\",\"city\":\"Shanghai\",\"street\":\"1 Road\",\"postcode\":\"200000\"},"
    "\"currency\":\"CNY\",\"payment\":{\"kind\":\"NET\",\"net_days\":30},\"invoice\":{\"kind\":\"VAT_"
    "SPECIAL\"},"
    "\"ordered_at\":\"2026-11-24T08:00:00+08:00\",\"remarks\":\"two\\nlines\","
    "\"lines\":[{\"product_code\":\"P-1\",\"quantity\":3,\"unit\":\"PCS\",\"unit_price\":\"12.50\",\"tax_"
    "rate\":\"13\","
    "\"discount\":\"1\",\"requested_date\":\"2026-12-01\",\"kind\":\"STOCK\"},"
    "{\"product_code\":\"P-2\",\"quantity\":1,\"tax_rate\":6}]}";

static void takes_an_order(void **state)
{
    (void)state;
    Orderclerk__V1__Order *order = parse(whole);
    if (order == NULL) {
        fail_msg("%s: %s", problems.items[0].field, problems.items[0].detail);
        return;
    }
    assert_string_equal(order->channel_ref, "R-1");
    assert_int_equal(order->n_lines, 2);
    assert_int_equal(order->lines[0]->unit_price_minor, 1250);
    assert_int_equal(order->lines[0]->discount_minor, 100);
    assert_int_equal(order->lines[0]->tax_rate_bp, 1300);
    assert_int_equal(order->lines[0]->line_no, 1);
    assert_int_equal(order->lines[1]->line_no, 2);
    assert_int_equal(order->lines[1]->tax_rate_bp, 600);
    assert_int_equal(order->payment->net_days, 30);
    assert_int_equal(order->payment->kind, ORDERCLERK__V1__PAYMENT_KIND__PAYMENT_KIND_NET);
    assert_true(order->ordered_at_us == 1795478400000000);
    assert_int_equal(order->revision, 1);
    // what is written can be read again, and is the same
    struct jsonw w;
    jsonw_open(&w, arena);
    order->revision = 0;
    proto_json_write(&w, NULL, &order->base);
    Orderclerk__V1__Order *again = parse(jsonw_done(&w).data);
    assert_non_null(again);
    again->revision = 0;
    size_t size = orderclerk__v1__order__get_packed_size(order);
    assert_int_equal(size, orderclerk__v1__order__get_packed_size(again));
    uint8_t *a = arena_alloc(arena, size), *b = arena_alloc(arena, size);
    orderclerk__v1__order__pack(order, a);
    orderclerk__v1__order__pack(again, b);
    assert_memory_equal(a, b, size);
}

static void refuses_bad_orders(void **state)
{
    (void)state;
#define LINE(members) "{\"currency\":\"CNY\",\"lines\":[{\"product_code\":\"P\"," members "}]}"
    static const struct {
        const char *text;
        const char *code;
        const char *field;
    } bad[] = {
        {"{\"currency\":\"CNY\",", "malformed", ""},
        {"[]", "type", ""},
        {"{\"currency\":\"CNY\"}", "required", "lines"},
        {"{\"currency\":\"CNY\",\"lines\":[]}", "required", "lines"},
        {"{\"currency\":\"CNY\",\"lines\":{}}", "type", "lines"},
        {"{\"lines\":[{\"product_code\":\"P\",\"quantity\":1}]}", "required", "currency"},
        {"{\"currency\":\"XXQ\",\"lines\":[{\"product_code\":\"P\",\"quantity\":1}]}", "unknown_value",
         "currency"},
        {"{\"currency\":\"cny\",\"lines\":[{\"product_code\":\"P\",\"quantity\":1}]}", "unknown_value",
         "currency"},
        {"{\"currency\":156,\"lines\":[{\"product_code\":\"P\",\"quantity\":1}]}", "type", "currency"},
        {LINE("\"quantity\":1,\"colour\":\"red\""), "unknown_field", "lines[0].colour"},
        {LINE("\"quantity\":0"), "out_of_range", "lines[0].quantity"},
        {LINE("\"quantity\":-5"), "out_of_range", "lines[0].quantity"},
        {LINE("\"quantity\":\"5\""), "type", "lines[0].quantity"},
        {LINE("\"quantity\":5.0"), "type", "lines[0].quantity"},
        {LINE("\"quantity\":null"), "type", "lines[0].quantity"},
        {LINE("\"unit\":\"PCS\""), "required", "lines[0].quantity"},
        {LINE("\"quantity\":1,\"unit_price\":12.5"), "type", "lines[0].unit_price"},
        {LINE("\"quantity\":1,\"unit_price\":12"), "type", "lines[0].unit_price"},
        {LINE("\"quantity\":1,\"unit_price\":\"-12.50\""), "out_of_range", "lines[0].unit_price"},
        {LINE("\"quantity\":1,\"unit_price\":\"12.505\""), "out_of_range", "lines[0].unit_price"},
        {LINE("\"quantity\":1,\"unit_price\":\"1e3\""), "out_of_range", "lines[0].unit_price"},
        {LINE("\"quantity\":1,\"unit_price\":\"99999999999999999999\""), "out_of_range",
         "lines[0].unit_price"},
        {LINE("\"quantity\":1000000000,\"unit_price\":\"90000000000000000\""), "out_of_range",
         "lines[0].unit_price"},
        {LINE("\"quantity\":1,\"unit_price\":\"1\",\"discount\":\"1.01\""), "out_of_range",
         "lines[0].discount"},
        {LINE("\"quantity\":1,\"unit_price_minor\":5"), "unknown_field", "lines[0].unit_price_minor"},
        {LINE("\"quantity\":1,\"tax_rate\":\"101\""), "out_of_range", "lines[0].tax_rate"},
        {LINE("\"quantity\":1,\"tax_rate\":13.5"), "type", "lines[0].tax_rate"},
        {LINE("\"quantity\":1,\"requested_date\":\"2026-02-30\""), "format", "lines[0].requested_date"},
        {LINE("\"quantity\":1,\"kind\":\"BUY\""), "unknown_value", "lines[0].kind"},
        {LINE("\"quantity\":1,\"product_name\":\"a\\u0007\""), "format", "lines[0].product_name"},
        {LINE("\"quantity\":1,\"attachments\":[{\"name\":\"a\",\"sha256\":\"12\"}]"), "format",
         "lines[0].attachments[0].sha256"},
        {"{\"currency\":\"CNY\",\"lines\":[{\"product_code\":\"P\",\"quantity\":1,\"line_no\":2},"
         "{\"product_code\":\"P\",\"quantity\":1,\"line_no\":2}]}",
         "duplicate", "lines"},
        {"{\"currency\":\"CNY\",\"lines\":[{\"product_code\":\"P\",\"quantity\":1,\"line_no\":2},"
         "{\"product_code\":\"P\",\"quantity\":1}]}",
         "required", "lines[1].line_no"},
        {"{\"order_id\":\"x\",\"currency\":\"CNY\",\"lines\":[{\"product_code\":\"P\",\"quantity\":1}]}",
         "unknown_field", "order_id"},
        {"{\"revision\":2,\"currency\":\"CNY\",\"lines\":[{\"product_code\":\"P\",\"quantity\":1}]}",
         "unknown_field", "revision"},
        {"{\"channel\":\"FAX\",\"currency\":\"CNY\",\"lines\":[{\"product_code\":\"P\",\"quantity\":1}]}",
         "unknown_value", "channel"},
        {"{\"ordered_at\":\"yesterday\",\"currency\":\"CNY\",\"lines\":[{\"product_code\":\"P\",\"quantity\":"
         "1}]}",
         "format", "ordered_at"},
        {"{\"payment\":{\"net_days\":30},\"currency\":\"CNY\",\"lines\":[{\"product_code\":\"P\","
         "\"quantity\":1}]}",
         "required", "payment.kind"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        Orderclerk__V1__Order *order = parse(bad[i].text);
        if (order != NULL || problems.count != 1)
            fail_msg("%s: %zu problems", bad[i].text, problems.count);
        if (strcmp(problems.items[0].code, bad[i].code) != 0 ||
            strcmp(problems.items[0].field, bad[i].field) != 0)
            fail_msg("%s: got %s at %s", bad[i].text, problems.items[0].code, problems.items[0].field);
    }
}

static void tells_everything_at_once(void **state)
{
    (void)state;
    assert_null(parse("{\"currency\":\"QQQ\",\"nope\":1,\"customer\":[],\"lines\":[{\"quantity\":-1},"
                      "{\"product_code\":7,\"quantity\":1,\"unit_price\":\"-1\"}]}"));
    assert_int_equal(problems.count, 7);
}

static char *with_lines(size_t count)
{
    char *text = arena_alloc(arena, 64 + count * 48);
    strcpy(text, "{\"currency\":\"CNY\",\"lines\":[");
    char *at = text + strlen(text);
    for (size_t i = 0; i < count; i++)
        at += sprintf(at, "%s{\"product_code\":\"P%zu\",\"quantity\":1}", i > 0 ? "," : "", i);
    strcpy(at, "]}");
    return text;
}

static void bounds_lines(void **state)
{
    (void)state;
    Orderclerk__V1__Order *order = parse(with_lines(1000));
    assert_non_null(order);
    assert_int_equal(order->n_lines, 1000);
    assert_null(parse(with_lines(1001)));
    assert_string_equal(problems.items[0].code, "too_many");
    assert_string_equal(problems.items[0].field, "lines");
}

static void knows_currencies(void **state)
{
    (void)state;
    Orderclerk__V1__Order *order = parse(
        "{\"currency\":\"JPY\",\"lines\":[{\"product_code\":\"P\",\"quantity\":1,\"unit_price\":\"100\"}]}");
    assert_non_null(order);
    assert_int_equal(order->lines[0]->unit_price_minor, 100);
    assert_null(parse(
        "{\"currency\":\"JPY\",\"lines\":[{\"product_code\":\"P\",\"quantity\":1,\"unit_price\":\"1.5\"}]}"));
    order = parse("{\"currency\":\"KWD\",\"lines\":[{\"product_code\":\"P\",\"quantity\":1,\"unit_price\":"
                  "\"1.505\"}]}");
    assert_non_null(order);
    assert_int_equal(order->lines[0]->unit_price_minor, 1505);
}

static void reads_rows_of_a_table(void **state)
{
    (void)state;
    problems = (struct jsonr_problems){.arena = arena};
    struct jsonr_doc *doc = jsonr_new();
    jsonr_put(doc, NULL, "currency", bytes_str("EUR"));
    jsonr_put(doc, NULL, "delivery.city", bytes_str("Graz"));
    jsonr_put(doc, NULL, "delivery.country", bytes_str("AT"));
    jsonr_put(doc, NULL, "payment.kind", bytes_str("NET"));
    jsonr_put(doc, NULL, "payment.net_days", bytes_str("14"));
    struct jsonr_value *line = jsonr_put_item(doc, "lines");
    jsonr_put(doc, line, "product_code", bytes_str("P"));
    jsonr_put(doc, line, "quantity", bytes_str("4"));
    jsonr_put(doc, line, "unit_price", bytes_str("2.30"));
    jsonr_put(doc, line, "requested_date", bytes_str(""));
    Orderclerk__V1__Order *order = order_json_read(arena, jsonr_root(doc), true, NULL, &problems);
    jsonr_free(doc);
    assert_non_null(order);
    assert_string_equal(order->delivery->city, "Graz");
    assert_int_equal(order->payment->net_days, 14);
    assert_int_equal(order->lines[0]->quantity, 4);
    assert_int_equal(order->lines[0]->unit_price_minor, 230);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(takes_an_order, setup, teardown),
        cmocka_unit_test_setup_teardown(refuses_bad_orders, setup, teardown),
        cmocka_unit_test_setup_teardown(tells_everything_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(bounds_lines, setup, teardown),
        cmocka_unit_test_setup_teardown(knows_currencies, setup, teardown),
        cmocka_unit_test_setup_teardown(reads_rows_of_a_table, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
