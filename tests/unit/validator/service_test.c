// The validator as a service: master data comes in by version, orders are found, judged and answered.
#include "orders.h"

#include "orderclerk/v1/commands.pb-c.h"
#include "orderclerk/v1/dead_letters.pb-c.h"
#include "orderclerk/v1/orders.pb-c.h"
#include "sim/harness.h"
#include "unit/base/unit.h"
#include "validator/validator.h"

#include <string.h>

#define TEXT(s) ((char *)(uintptr_t)(s))

static const char ORDER[] = "0190b7a4-0000-7000-8000-00000000000a";

struct desk {
    struct harness *h;
    struct sample s;
};

static void send_product(struct harness *h, Orderclerk__V1__Product *product, uint64_t version)
{
    product->saga_revision = version;
    harness_send(h, TOPIC_REFERENCE_PRODUCTS, product->sku, &product->base);
}

static void send_price(struct harness *h, Orderclerk__V1__Price *price, uint64_t version)
{
    char key[64] = "CN-STD/";
    strcat(key, price->sku);
    price->saga_revision = version;
    harness_send(h, TOPIC_REFERENCE_PRICES, key, &price->base);
}

static int setup(void **state)
{
    static struct desk desk;
    desk.h = harness_new(&validator_lane);
    sample_init(&desk.s);
    desk.s.products[0].gtin = TEXT("6990000000015");
    for (size_t i = 0; i < 2; i++) {
        send_product(desk.h, &desk.s.products[i], 3);
        send_price(desk.h, &desk.s.prices[i], 4);
    }
    desk.s.customer.saga_revision = 5;
    harness_send(desk.h, TOPIC_REFERENCE_CUSTOMERS, "C0001", &desk.s.customer.base);
    desk.s.calendar.saga_revision = 6;
    harness_send(desk.h, TOPIC_REFERENCE_CALENDARS, "CN", &desk.s.calendar.base);
    harness_run(desk.h);
    *state = &desk;
    return 0;
}

static int teardown(void **state)
{
    harness_free(((struct desk *)*state)->h);
    return 0;
}

// first not NULL: a copy of that command, which was the order's first.
static struct uuid send_command(struct desk *desk, const struct uuid *first)
{
    Orderclerk__V1__ValidateOrder validate = ORDERCLERK__V1__VALIDATE_ORDER__INIT;
    validate.order = &desk->s.order;
    Orderclerk__V1__ValidatorCommand command = ORDERCLERK__V1__VALIDATOR_COMMAND__INIT;
    command.saga_revision = 9;
    command.body_case = ORDERCLERK__V1__VALIDATOR_COMMAND__BODY_VALIDATE;
    command.validate = &validate;
    char text[UUID_TEXT_SIZE] = "";
    struct head head = {.sequence = 0};
    if (first != NULL) {
        uuid_format(*first, text);
        head = (struct head){.event_id = bytes_str(text), .sequence = 1, .again = true};
    }
    struct uuid id = harness_send_head(desk->h, TOPIC_COMMANDS_VALIDATOR, ORDER, &command.base, &head);
    harness_run(desk->h);
    return id;
}

static void send_order(struct desk *desk)
{
    send_command(desk, NULL);
}

// Near codes and products by GTIN are looked up by an effect that answers by itself.
static size_t let_look_up(struct desk *desk)
{
    size_t count = 0;
    struct effect_call call;
    const Orderclerk__V1__EffectRequest *request;
    for (; harness_effect(desk->h, &call, &request); count++) {
        assert_string_equal(request->transport, "auto");
        harness_answer(desk->h, call.id, EFFECT_OK, 0, bytes_str(""));
    }
    return count;
}

static const Orderclerk__V1__ValidationEvent *answer(struct desk *desk)
{
    const void *event = harness_take(desk->h, TOPIC_VALIDATION_EVENTS, NULL);
    assert_non_null(event);
    return event;
}

static const Orderclerk__V1__OrderValidated *validated(struct desk *desk)
{
    const Orderclerk__V1__ValidationEvent *event = answer(desk);
    if (event->body_case == ORDERCLERK__V1__VALIDATION_EVENT__BODY_FAILED) {
        fail_msg("%s@%s", event->failed->violations[0]->code, event->failed->violations[0]->field);
    }
    assert_int_equal(event->saga_revision, 9);
    return event->validated;
}

static const Orderclerk__V1__Violation *failed(struct desk *desk)
{
    const Orderclerk__V1__ValidationEvent *event = answer(desk);
    assert_int_equal(event->body_case, ORDERCLERK__V1__VALIDATION_EVENT__BODY_FAILED);
    assert_int_equal(event->failed->n_violations, 1);
    assert_int_equal(event->failed->order_revision, 1);
    return event->failed->violations[0];
}

static void right_order_is_validated(void **state)
{
    struct desk *desk = *state;
    send_order(desk);
    assert_int_equal(let_look_up(desk), 0); // at once
    const Orderclerk__V1__OrderValidated *v = validated(desk);
    assert_int_equal(v->order_revision, 1);
    assert_string_equal(v->customer_id, "C0001");
    assert_string_equal(v->currency, "CNY");
    assert_int_equal(v->total_minor, 1130 + 28250);
    assert_true(v->terms_granted);
    assert_string_equal(v->promise_zone, "Asia/Shanghai");
    assert_int_equal(v->n_lines, 2);
    assert_string_equal(v->lines[0]->sku, "A-100");
    assert_int_equal(v->lines[1]->kind, ORDERCLERK__V1__LINE_KIND__LINE_KIND_MAKE);
    static const struct {
        const char *kind, *key;
        uint64_t version;
    } expected[] = {{"customer", "C0001", 5},     {"calendar", "CN", 6},   {"product", "A-100", 3},
                    {"price", "CN-STD/A-100", 4}, {"product", "M-100", 3}, {"price", "CN-STD/M-100", 4}};
    assert_int_equal(v->n_judged_by, COUNT_OF(expected));
    for (size_t i = 0; i < COUNT_OF(expected); i++) {
        assert_string_equal(v->judged_by[i]->kind, expected[i].kind);
        assert_string_equal(v->judged_by[i]->key, expected[i].key);
        assert_int_equal(v->judged_by[i]->version, expected[i].version);
    }
}

static void near_codes_are_suggested(void **state)
{
    struct desk *desk = *state;
    Orderclerk__V1__Product other = desk->s.products[0];
    other.gtin = TEXT("");
    other.sku = TEXT("A-120");
    send_product(desk->h, &other, 1);
    other.sku = TEXT("A-101");
    other.retired = true;
    send_product(desk->h, &other, 1);
    harness_run(desk->h);
    desk->s.lines[0].product_code = TEXT("a-1OO");
    send_order(desk);
    assert_int_equal(harness_waiting(desk->h, TOPIC_VALIDATION_EVENTS), 0);
    assert_int_equal(let_look_up(desk), 1);
    const Orderclerk__V1__Violation *v = failed(desk);
    assert_string_equal(v->code, "PRODUCT_UNKNOWN");
    assert_int_equal(v->n_suggestions, 3); // the retired one isn't offered
    assert_string_equal(v->suggestions[0], "A-100");
    assert_string_equal(v->suggestions[1], "A-120");
    assert_string_equal(v->suggestions[2], "M-100");
    desk->s.lines[0].product_code = TEXT("QQQQQQ");
    send_order(desk);
    let_look_up(desk);
    assert_int_equal(failed(desk)->n_suggestions, 0);
}

static void product_is_found_by_gtin(void **state)
{
    struct desk *desk = *state;
    desk->s.lines[0].product_code = TEXT(" 6990000000015 ");
    send_order(desk);
    assert_int_equal(let_look_up(desk), 1);
    const Orderclerk__V1__OrderValidated *v = validated(desk);
    assert_string_equal(v->lines[0]->sku, "A-100");
    desk->s.lines[0].unit_price_minor = 1;
    send_order(desk);
    let_look_up(desk);
    assert_string_equal(failed(desk)->code, "PRICE_BELOW_LIST");
}

static void look_up_is_tried_again(void **state)
{
    struct desk *desk = *state;
    desk->s.lines[0].product_code = TEXT("A-1OO");
    send_order(desk);
    struct effect_call call;
    const Orderclerk__V1__EffectRequest *request;
    assert_true(harness_effect(desk->h, &call, &request));
    harness_answer(desk->h, call.id, EFFECT_FAILED, 0, bytes_str(""));
    assert_int_equal(harness_waiting(desk->h, TOPIC_VALIDATION_EVENTS), 0);
    harness_advance(desk->h, INSTANT_MINUTE);
    assert_int_equal(let_look_up(desk), 1);
    assert_string_equal(failed(desk)->code, "PRODUCT_UNKNOWN");
}

// The answer got lost on its way: the command that is sent again must find it.
static void answer_after_a_look_up_is_sent_again(void **state)
{
    struct desk *desk = *state;
    desk->s.lines[0].product_code = TEXT("A-1OO");
    struct uuid id = send_command(desk, NULL);
    assert_int_equal(let_look_up(desk), 1);
    struct head first;
    struct head second;
    assert_non_null(harness_take(desk->h, TOPIC_VALIDATION_EVENTS, &first));
    send_command(desk, &id);
    assert_int_equal(let_look_up(desk), 0);
    assert_non_null(harness_take(desk->h, TOPIC_VALIDATION_EVENTS, &second));
    assert_true(second.again && second.sequence == first.sequence && uuid_equal(second.id, first.id));
    assert_int_equal(harness_waiting(desk->h, TOPIC_VALIDATION_EVENTS), 0);
}

static void higher_version_is_kept(void **state)
{
    struct desk *desk = *state;
    desk->s.breaks[0].net_minor = 101;
    send_price(desk->h, &desk->s.prices[0], 3); // older than what is kept
    send_order(desk);
    validated(desk);
    send_price(desk->h, &desk->s.prices[0], 5);
    harness_run(desk->h);
    send_order(desk);
    assert_string_equal(failed(desk)->code, "PRICE_BELOW_LIST");
    desk->s.products[0].retired = true;
    send_product(desk->h, &desk->s.products[0], 4);
    harness_run(desk->h);
    send_order(desk);
    assert_string_equal(failed(desk)->code, "PRODUCT_RETIRED");
}

static void customer_is_found_by_company_and_phone(void **state)
{
    struct desk *desk = *state;
    desk->s.party.customer_id = TEXT("");
    desk->s.party.company = TEXT("Example Ltd");
    desk->s.party.phone = TEXT("+86-19900000001");
    send_order(desk);
    assert_string_equal(validated(desk)->customer_id, "C0001");
    Orderclerk__V1__Customer twin = desk->s.customer; // two branches under one number: which is it?
    twin.customer_id = TEXT("C0002");
    harness_send(desk->h, TOPIC_REFERENCE_CUSTOMERS, "C0002", &twin.base);
    harness_run(desk->h);
    send_order(desk);
    assert_string_equal(failed(desk)->code, "CUSTOMER_NOT_IDENTIFIED");
}

static void country_has_its_own_calendar(void **state)
{
    struct desk *desk = *state;
    Orderclerk__V1__Calendar german = desk->s.calendar;
    german.calendar_id = TEXT("DE");
    german.zone = TEXT("Europe/Berlin");
    harness_send(desk->h, TOPIC_REFERENCE_CALENDARS, "DE", &german.base);
    harness_run(desk->h);
    desk->s.address.country = TEXT("DE");
    desk->s.address.postcode = TEXT("20459");
    send_order(desk);
    assert_string_equal(validated(desk)->promise_zone, "Europe/Berlin");
    desk->s.address.country = TEXT("FR"); // none: the setting's
    send_order(desk);
    assert_string_equal(validated(desk)->promise_zone, "Asia/Shanghai");
}

static void what_is_no_record_is_refused(void **state)
{
    struct desk *desk = *state;
    Orderclerk__V1__Calendar odd = desk->s.calendar;
    odd.zone = TEXT("Moon/Tycho");
    odd.saga_revision = 99;
    harness_send(desk->h, TOPIC_REFERENCE_CALENDARS, "CN", &odd.base);
    harness_run(desk->h);
    const Orderclerk__V1__DeadLetter *letter = (const void *)harness_take(desk->h, TOPIC_DEAD_LETTERS, NULL);
    assert_non_null(letter);
    assert_non_null(strstr(letter->detail, "Moon/Tycho"));
    send_order(desk);
    assert_string_equal(validated(desk)->promise_zone, "Asia/Shanghai");
}

static void nothing_known_is_no_crash(void **state)
{
    struct desk *desk = *state;
    harness_free(desk->h);
    desk->h = harness_new(&validator_lane);
    send_order(desk);
    assert_int_equal(let_look_up(desk), 1);
    const Orderclerk__V1__ValidationEvent *event = answer(desk);
    assert_int_equal(event->body_case, ORDERCLERK__V1__VALIDATION_EVENT__BODY_FAILED);
    assert_int_equal(event->failed->n_violations, 4); // customer, two products, calendar
    assert_int_equal(event->failed->n_judged_by, 0);
}

static void empty_command_is_rejected(void **state)
{
    struct desk *desk = *state;
    Orderclerk__V1__ValidatorCommand command = ORDERCLERK__V1__VALIDATOR_COMMAND__INIT;
    harness_send(desk->h, TOPIC_COMMANDS_VALIDATOR, ORDER, &command.base);
    harness_run(desk->h);
    const Orderclerk__V1__DeadLetter *letter = (const void *)harness_take(desk->h, TOPIC_DEAD_LETTERS, NULL);
    assert_non_null(letter);
    assert_true(letter->held);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(right_order_is_validated),
        TEST(near_codes_are_suggested),
        TEST(product_is_found_by_gtin),
        TEST(look_up_is_tried_again),
        TEST(higher_version_is_kept),
        TEST(customer_is_found_by_company_and_phone),
        TEST(country_has_its_own_calendar),
        TEST(what_is_no_record_is_refused),
        TEST(nothing_known_is_no_crash),
        TEST(empty_command_is_rejected),
        TEST(answer_after_a_look_up_is_sent_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
