// What is judged before a callback is stored: signatures, tracking numbers, bodies.
#include "fulfillment-tracker/fulfillment_callbacks.h"
#include "fulfillment-tracker/fulfillment_tracking.h"
#include "fulfillment-tracker/fulfillment_webhook.h"
#include "unit/base/unit.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

// The published test vector of Standard Webhooks.
#define SECRET    "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
#define AT        ((instant)1614265330 * INSTANT_SECOND)
#define SIGNATURE "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
#define WINDOW    (5 * INSTANT_MINUTE)

static struct webhook vector(void)
{
    return (struct webhook){.id = "msg_p5jXN8AQM9LWM0D4loKWxJek",
                            .timestamp = "1614265330",
                            .signature = SIGNATURE,
                            .body = bytes_str("{\"test\": 2432232314}")};
}

static const char *verify(struct webhook webhook, const char *secrets, instant now)
{
    return webhook_verify(&webhook, bytes_str(secrets), now, WINDOW);
}

static void signatures(void **state)
{
    (void)state;
    assert_null(verify(vector(), SECRET, AT));
    assert_null(verify(vector(), "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", AT));                   // without prefix
    assert_null(verify(vector(), "whsec_b3RoZXItc2VjcmV0LW90aGVyLXNlY3JldA== " SECRET, AT)); // being replaced
    struct webhook list = vector();
    list.signature = "v1,AAAA v2,x v1a,y " SIGNATURE;
    assert_null(verify(list, SECRET, AT));
}

static void wrong_signatures(void **state)
{
    (void)state;
    assert_non_null(
        strstr(verify(vector(), "whsec_b3RoZXItc2VjcmV0LW90aGVyLXNlY3JldA==", AT), "webhook-signature"));
    assert_non_null(verify(vector(), "", AT)); // no secret: nothing is authentic
    assert_non_null(verify(vector(), "whsec_", AT));
    assert_non_null(verify(vector(), "whsec_not base64!", AT));
    struct webhook changed = vector();
    changed.body = bytes_str("{\"test\": 2432232315}");
    assert_non_null(verify(changed, SECRET, AT));
    changed = vector();
    changed.id = "msg_other";
    assert_non_null(verify(changed, SECRET, AT));
    changed = vector();
    changed.signature = "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
    assert_non_null(verify(changed, SECRET, AT));
    changed.signature = "";
    assert_non_null(verify(changed, SECRET, AT));
    changed.signature = NULL;
    assert_non_null(verify(changed, SECRET, AT));
    changed = vector();
    changed.id = NULL;
    assert_non_null(strstr(verify(changed, SECRET, AT), "webhook-id"));
}

static void timestamps(void **state)
{
    (void)state;
    assert_null(verify(vector(), SECRET, AT + WINDOW));
    assert_null(verify(vector(), SECRET, AT - WINDOW));
    assert_non_null(strstr(verify(vector(), SECRET, AT + WINDOW + 1), "webhook-timestamp"));
    assert_non_null(strstr(verify(vector(), SECRET, AT - WINDOW - 1), "webhook-timestamp"));
    static const char *const none[] = {
        "", "soon", "1614265330x", " 1614265330", "-5", "99999999999999999999"};
    for (size_t i = 0; i < COUNT_OF(none); i++) {
        struct webhook webhook = vector();
        webhook.timestamp = none[i];
        assert_non_null(strstr(verify(webhook, SECRET, AT), "webhook-timestamp"));
    }
}

static void tracking_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *carrier, *number;
        bool valid;
    } cases[] = {
        {"UPS", "1Z999AA10123456784", true},
        {"ups", "1Z999AA10123456784", true},
        {"UPS", "1Z999AA10123456785", false},
        {"UPS", "1Z999AA1012345678", false},
        {"UPS", "1Z5R89390357567127", true},
        {"FEDEX", "986578788855", true},
        {"FEDEX", "477179081230", true},
        {"FedEx", "477179081231", false},
        {"FEDEX", "4771790812301", false},
        {"DHL", "3318810025", true},
        {"DHL", "3318810026", false},
        {"DHL", "331881002", false},
        {"SF", "SF1234567890123", true},
        {"SF", "SF12345678901X3", false},
        {"SF", "123456789012", true},
        {"SF", "SF123", false},
        {"YTO", "YT1234567890123", true},
        {"YTO", "YT12", false},
        {"ZTO", "75312345678901", true},
        {"ZTO", "7531", false},
        {"Local courier", "AB-12345", true},
        {"Local courier", "AB 12345", false},
        {"Local courier", "ABCDEFGH", false},
        {"", "12345", false},
        {"", "123456", true},
        {"AUTO", "AU1234567890123", false},
        {"SF", "SF12345678901\r\n", false},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        if (tracking_valid(bytes_str(cases[i].carrier), bytes_str(cases[i].number)) != cases[i].valid)
            fail_msg("%s %s should be %s", cases[i].carrier, cases[i].number,
                     cases[i].valid ? "valid" : "invalid");
    }
    struct arena *arena = arena_new(4096);
    struct uuid id = uuid_from_name("test", bytes_str("shipment"));
    const char *number = tracking_auto(arena, id);
    assert_true(tracking_valid(bytes_str("AUTO"), bytes_str(number)));
    assert_string_equal(number, tracking_auto(arena, id));
    arena_free(arena);
}

// ---- bodies

#define HEAD                                                                                                 \
    "{\"shipment_id\":\"0190b7a4-0000-7000-8000-0000000000a1\",\"order_id\":\"0190b7a4-0000-7000-8000-"      \
    "00000000000a\","
#define AT_TEXT "\"happened_at\":\"2026-09-21T10:00:00Z\""

static void bodies(void **state)
{
    (void)state;
    struct arena *arena = arena_new(4096);
    struct jsonr_problems problems = {.arena = arena};
    struct uuid order_id;
    Orderclerk__V1__WarehouseReply *reply = callback_parse(
        arena, "SH1",
        bytes_str(
            HEAD
            "\"kind\":\"handed_over\",\"carrier\":\"SF\",\"tracking_no\":\"SF1234567890123\",\"eta_date\":"
            "\"2026-09-24\",\"lines\":[{\"line_no\":1,\"sku\":\"P-100\",\"quantity\":3}]," AT_TEXT "}"),
        &order_id, &problems);
    if (reply == NULL) {
        fail_msg("%s: %s", problems.items[0].field, problems.items[0].detail);
        return;
    }
    assert_string_equal(reply->warehouse, "SH1");
    assert_string_equal(reply->kind, "handed_over");
    assert_int_equal(reply->happened_at_us, 1789984800 * INSTANT_SECOND);
    assert_int_equal(reply->lines[0]->quantity, 3);
    char text[UUID_TEXT_SIZE];
    uuid_format(order_id, text);
    assert_string_equal(text, "0190b7a4-0000-7000-8000-00000000000a");
    arena_free(arena);
}

static void bad_bodies(void **state)
{
    (void)state;
    static const struct {
        const char *body, *field;
    } cases[] = {
        {"", ""},
        {"{", ""},
        {"[]", ""},
        {"\"accepted\"", ""},
        {"{}", "order_id"},
        {HEAD AT_TEXT "}", "kind"},
        {HEAD "\"kind\":\"teleported\"," AT_TEXT "}", "kind"},
        {HEAD "\"kind\":7," AT_TEXT "}", "kind"},
        {HEAD "\"kind\":\"accepted\"}", "happened_at"},
        {HEAD "\"kind\":\"accepted\",\"happened_at\":\"yesterday\"}", "happened_at"},
        {HEAD "\"kind\":\"handed_over\"," AT_TEXT "}", "lines"},
        {HEAD "\"kind\":\"packed\",\"lines\":[{\"line_no\":1,\"sku\":\"P\",\"quantity\":-1}]," AT_TEXT "}",
         "lines[0].quantity"},
        {HEAD "\"kind\":\"packed\",\"lines\":[{\"line_no\":1,\"quantity\":1}]," AT_TEXT "}", "lines[0].sku"},
        {HEAD "\"kind\":\"accepted\",\"warehouse\":\"BJ2\"," AT_TEXT "}", "warehouse"},
        {HEAD "\"kind\":\"accepted\",\"event_id\":\"x\"," AT_TEXT "}", "event_id"},
        {HEAD "\"kind\":\"handed_over\",\"eta_date\":\"2026-02-30\",\"lines\":[{\"line_no\":1,\"sku\":\"P\","
              "\"quantity\":1}]," AT_TEXT "}",
         "eta_date"},
        {"{\"shipment_id\":\"S-1\",\"order_id\":\"0190b7a4-0000-7000-8000-00000000000a\",\"kind\":"
         "\"accepted\"," AT_TEXT "}",
         "shipment_id"},
        {"{\"order_id\":\"O-1\",\"shipment_id\":\"0190b7a4-0000-7000-8000-0000000000a1\",\"kind\":"
         "\"accepted\"," AT_TEXT "}",
         "order_id"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct arena *arena = arena_new(4096);
        struct jsonr_problems problems = {.arena = arena};
        struct uuid order_id;
        assert_null(callback_parse(arena, "SH1", bytes_str(cases[i].body), &order_id, &problems));
        bool named = false;
        for (size_t j = 0; j < problems.count; j++)
            named = named || strcmp(problems.items[j].field, cases[i].field) == 0;
        if (!named)
            fail_msg("%s: \"%s\" isn't named", cases[i].body, cases[i].field);
        arena_free(arena);
    }
}

int main(void)
{
    if (sodium_init() < 0)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signatures),       cmocka_unit_test(wrong_signatures), cmocka_unit_test(timestamps),
        cmocka_unit_test(tracking_numbers), cmocka_unit_test(bodies),           cmocka_unit_test(bad_bodies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
