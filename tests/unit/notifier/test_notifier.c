// The notifier over memory: stored before sent, once per cause, what became of each.
#include "notifier/notifier.h"
#include "orderclerk/v1/dead_letters.pb-c.h"
#include "orderclerk/v1/notification_events.pb-c.h"
#include "sim/harness.h"
#include "unit/base/unit.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ORDER "0190b7a4-0000-7000-8000-00000000000a"
#define CAUSE "0190b7a4-0000-8000-8000-0000000000c1"

static int group_setup(void **state)
{
    (void)state;
    struct err e = notifier_prepare();
    if (err_is(&e))
        fprintf(stderr, "%s\n", e.text);
    return err_is(&e) || sodium_init() < 0;
}
static int group_teardown(void **state)
{
    (void)state;
    texts_free(&notifier_context.texts);
    return 0;
}
static int setup(void **state)
{
    *state = harness_new(&notifier_lane);
    return 0;
}
static int teardown(void **state)
{
    harness_free(*state);
    return 0;
}

static Orderclerk__V1__NotifyValue values[20];
static Orderclerk__V1__NotifyValue *value_list[20];

static Orderclerk__V1__Notify *notify_of(const char *kind, const char *locale)
{
    static Orderclerk__V1__Notify notify;
    static const char *const given[][2] = {{"order_id", ORDER},
                                           {"order_no", "OC-1004-7"},
                                           {"customer_po", "PO-77"},
                                           {"company", "华东机械"},
                                           {"contact", "李雷"},
                                           {"total", "1250.00"},
                                           {"currency", "CNY"},
                                           {"deadline", "2026-09-23T04:00:00Z"},
                                           {"promise_date", "2026-09-28"},
                                           {"promise_window", "09:00-12:00"},
                                           {"promise_zone", "Asia/Shanghai"},
                                           {"old_date", "2026-09-25"},
                                           {"new_date", "2026-09-28"},
                                           {"cause", "production is late"},
                                           {"carrier", "SF"},
                                           {"tracking_no", "SF1234567890123"},
                                           {"eta_date", "2026-09-24"},
                                           {"warehouse", "SH1"},
                                           {"report_until", "2026-10-01T04:00:00Z"},
                                           {"reason", "no_answer"}};
    for (size_t i = 0; i < COUNT_OF(given); i++) {
        orderclerk__v1__notify_value__init(&values[i]);
        values[i].name = (char *)(uintptr_t)given[i][0];
        values[i].value = (char *)(uintptr_t)given[i][1];
        value_list[i] = &values[i];
    }
    orderclerk__v1__notify__init(&notify);
    notify.kind = (char *)(uintptr_t)kind;
    notify.channel = "email";
    notify.recipient = "li@customer.example";
    notify.locale = (char *)(uintptr_t)locale;
    notify.values = value_list;
    notify.n_values = COUNT_OF(given);
    return &notify;
}

static void send_from(struct harness *h, const char *cause, Orderclerk__V1__Notify *notify)
{
    Orderclerk__V1__NotifierCommand command = ORDERCLERK__V1__NOTIFIER_COMMAND__INIT;
    command.order_no = "OC-1004-7";
    command.saga_revision = 7;
    command.body_case = ORDERCLERK__V1__NOTIFIER_COMMAND__BODY_NOTIFY;
    command.notify = notify;
    struct head head = {.causation_id = bytes_str(cause)};
    harness_send_head(h, TOPIC_COMMANDS_NOTIFIER, ORDER, &command.base, &head);
    harness_run(h);
}

static const Orderclerk__V1__EffectRequest *pending(struct harness *h, struct effect_call *ret_call)
{
    const Orderclerk__V1__EffectRequest *request;
    assert_true(harness_effect(h, ret_call, &request));
    return request;
}

static const char *text_of(const Orderclerk__V1__EffectRequest *request)
{
    static char text[65536];
    assert_true(request->body.len < sizeof text);
    memcpy(text, request->body.data, request->body.len);
    text[request->body.len] = '\0';
    return text;
}

// The decoded body.
static const char *body_of(const Orderclerk__V1__EffectRequest *request)
{
    static char body[65536];
    const char *text = text_of(request);
    const char *at = strstr(text, "\r\n\r\n") + 4;
    size_t size = 0;
    if (strstr(text, "encoding: base64") != NULL || strstr(text, "Encoding: base64") != NULL) {
        assert_int_equal(sodium_base642bin((unsigned char *)body, sizeof body - 1, at, strlen(at), "\r\n",
                                           &size, NULL, sodium_base64_VARIANT_ORIGINAL),
                         0);
    } else {
        for (; *at != '\0'; at++) {
            if (at[0] == '=' && at[1] == '\r') {
                at += 2;
            } else if (at[0] == '=') {
                char code[3] = {at[1], at[2], '\0'};
                body[size++] = (char)strtoul(code, NULL, 16);
                at += 2;
            } else {
                body[size++] = *at;
            }
        }
    }
    body[size] = '\0';
    return body;
}

static const Orderclerk__V1__NotificationEvent *event_of(struct harness *h)
{
    return (const Orderclerk__V1__NotificationEvent *)harness_take(h, TOPIC_NOTIFICATION_EVENTS, NULL);
}

static const char *message_id(const char *text)
{
    static char id[2][200];
    static int turn;
    turn = 1 - turn;
    const char *at = strstr(text, "\r\nMessage-ID: ");
    assert_non_null(at);
    assert_int_equal(sscanf(at, "\r\nMessage-ID: %199[^\r]", id[turn]), 1);
    return id[turn];
}

static void sends_and_says_so(void **state)
{
    struct harness *h = *state;
    struct effect_call call;
    send_from(h, CAUSE, notify_of("confirmed", "zh-CN"));
    const Orderclerk__V1__EffectRequest *request = pending(h, &call);
    assert_string_equal(request->transport, "smtp");
    assert_string_equal(request->mail_from, "orders@orderclerk.example");
    assert_string_equal(request->mail_to[0], "li@customer.example");
    assert_non_null(strstr(text_of(request), "\r\nX-Orderclerk-Order: " ORDER "\r\n"));
    assert_non_null(strstr(text_of(request), "\r\nX-Orderclerk-Kind: confirmed\r\n"));
    assert_non_null(strstr(body_of(request), "尊敬的李雷：\r\n\r\n您的订单已确认。"));
    assert_non_null(
        strstr(body_of(request), "2026年9月28日（星期一），时段 09:00-12:00（时区 Asia/Shanghai）"));
    assert_non_null(strstr(body_of(request), "1250.00 CNY"));
    assert_null(event_of(h));
    char id[200];
    snprintf(id, sizeof id, "%s", message_id(text_of(request)));
    harness_answer(h, call.id, EFFECT_OK, 250, bytes_str(""));
    const Orderclerk__V1__NotificationEvent *event = event_of(h);
    assert_non_null(event);
    assert_int_equal(event->body_case, ORDERCLERK__V1__NOTIFICATION_EVENT__BODY_SENT);
    assert_string_equal(event->sent->message_id, id);
    assert_string_equal(event->kind, "confirmed");
    assert_string_equal(event->recipient, "li@customer.example");
    assert_int_equal(event->saga_revision, 7);
    assert_null(event_of(h));
}

static void every_kind_in_both_languages(void **state)
{
    struct harness *h = *state;
    for (int kind = 0; kind < NOTICE_KIND_COUNT; kind++) {
        for (int locale = 0; locale < LOCALE_COUNT; locale++) {
            struct effect_call call;
            char cause[UUID_TEXT_SIZE];
            snprintf(cause, sizeof cause, "0190b7a4-0000-8000-8000-0000000%02d0%02d", kind, locale);
            send_from(h, cause,
                      notify_of(notice_kind_name((enum notice_kind)kind),
                                notice_locale_name((enum notice_locale)locale)));
            const Orderclerk__V1__EffectRequest *request = pending(h, &call);
            const char *body = body_of(request);
            assert_null(strstr(body, "{{"));
            assert_null(strstr(body, "no_answer"));
            assert_null(strstr(body, "2026-")); // dates are written out
            assert_non_null(strstr(body, locale == LOCALE_ZH_CN ? "此致" : "Kind regards"));
            assert_non_null(strstr(body, "OC-1004-7"));
            harness_answer(h, call.id, EFFECT_OK, 250, bytes_str(""));
            assert_non_null(event_of(h));
        }
    }
}

static void questions_are_in_text_and_header(void **state)
{
    struct harness *h = *state;
    struct effect_call call;
    Orderclerk__V1__Violation address = ORDERCLERK__V1__VIOLATION__INIT;
    address.code = "ADDRESS_INCOMPLETE";
    address.field = "delivery.street";
    address.text_en = "The street is missing.";
    address.text_zh = "缺少街道地址。";
    Orderclerk__V1__Violation product = ORDERCLERK__V1__VIOLATION__INIT;
    char *suggestions[] = {"P-100", "P-101"};
    product.code = "PRODUCT_UNKNOWN";
    product.field = "lines[2].product_code";
    product.text_en = "There is no such product.";
    product.suggestions = suggestions;
    product.n_suggestions = 2;
    Orderclerk__V1__Violation *violations[] = {&address, &product};
    Orderclerk__V1__Notify *notify = notify_of("clarification", "en");
    notify->violations = violations;
    notify->n_violations = 2;
    send_from(h, CAUSE, notify);
    const Orderclerk__V1__EffectRequest *request = pending(h, &call);
    assert_non_null(strstr(text_of(request),
                           "\r\nX-Orderclerk-Questions: ADDRESS_INCOMPLETE@delivery.street,\r\n"
                           " PRODUCT_UNKNOWN@lines[2].product_code\r\n"));
    const char *body = body_of(request);
    assert_non_null(strstr(body, "The street is missing."));
    assert_non_null(strstr(body, "Would be right: P-100, P-101"));
    assert_non_null(strstr(body, "before Wednesday, 23 September 2026, 12:00 (Asia/Shanghai, UTC+8)"));
}

static void shortages_are_in_text_and_header(void **state)
{
    struct harness *h = *state;
    struct effect_call call;
    Orderclerk__V1__Substitute substitute = ORDERCLERK__V1__SUBSTITUTE__INIT;
    substitute.sku = "P-101";
    substitute.name = "Bolt M8";
    substitute.available = 500;
    Orderclerk__V1__Substitute *substitutes[] = {&substitute};
    Orderclerk__V1__Shortage shortage = ORDERCLERK__V1__SHORTAGE__INIT;
    shortage.line_no = 2;
    shortage.sku = "P-100";
    shortage.wanted = 10;
    shortage.available = 4;
    shortage.restock_date = "2026-10-05";
    shortage.substitutes = substitutes;
    shortage.n_substitutes = 1;
    Orderclerk__V1__Shortage *shortages[] = {&shortage};
    Orderclerk__V1__Notify *notify = notify_of("shortage_offer", "en");
    notify->shortages = shortages;
    notify->n_shortages = 1;
    send_from(h, CAUSE, notify);
    const Orderclerk__V1__EffectRequest *request = pending(h, &call);
    assert_non_null(strstr(text_of(request), "\r\nX-Orderclerk-Shortages: 2:P-100\r\n"));
    const char *body = body_of(request);
    assert_non_null(strstr(body, "Line 2, P-100: 10 wanted, at most 4 available now"));
    assert_non_null(strstr(body, "Expected in stock again: Monday, 5 October 2026"));
    assert_non_null(strstr(body, "Substitute: P-101 Bolt M8 (500 available)"));
}

static void once_per_cause_kind_and_recipient(void **state)
{
    struct harness *h = *state;
    struct effect_call call;
    send_from(h, CAUSE, notify_of("received", "en"));
    send_from(h, CAUSE, notify_of("received", "en")); // another command for the same cause
    harness_answer(h, (pending(h, &call), call.id), EFFECT_OK, 250, bytes_str(""));
    const Orderclerk__V1__EffectRequest *request;
    assert_false(harness_effect(h, &call, &request));
    send_from(h, CAUSE, notify_of("confirmed", "en"));
    harness_answer(h, (pending(h, &call), call.id), EFFECT_OK, 250, bytes_str(""));
    Orderclerk__V1__Notify *other = notify_of("received", "en");
    other->recipient = "han@customer.example";
    send_from(h, CAUSE, other);
    harness_answer(h, (pending(h, &call), call.id), EFFECT_OK, 250, bytes_str(""));
    send_from(h, "0190b7a4-0000-8000-8000-0000000000c2", notify_of("received", "en"));
    harness_answer(h, (pending(h, &call), call.id), EFFECT_OK, 250, bytes_str(""));
    assert_int_equal(harness_waiting(h, TOPIC_NOTIFICATION_EVENTS), 4);
}

static void a_resend_is_the_same_mail(void **state)
{
    struct harness *h = *state;
    struct effect_call call;
    send_from(h, CAUSE, notify_of("received", "en"));
    char first[65536];
    snprintf(first, sizeof first, "%s", text_of(pending(h, &call)));
    harness_answer(h, call.id, EFFECT_FAILED, 451, bytes_str(""));
    assert_null(event_of(h));
    harness_advance(h, INSTANT_HOUR);
    assert_string_equal(text_of(pending(h, &call)), first);
    harness_answer(h, call.id, EFFECT_OK, 250, bytes_str(""));
    assert_non_null(event_of(h)->sent);
}

static void refused_for_good(void **state)
{
    struct harness *h = *state;
    struct effect_call call;
    send_from(h, CAUSE, notify_of("received", "en"));
    pending(h, &call);
    harness_answer(h, call.id, EFFECT_REFUSED, 550, bytes_str(""));
    const Orderclerk__V1__NotificationEvent *event = event_of(h);
    assert_int_equal(event->body_case, ORDERCLERK__V1__NOTIFICATION_EVENT__BODY_FAILED);
    assert_non_null(strstr(event->failed->reason, "550"));
    harness_advance(h, INSTANT_DAY);
    const Orderclerk__V1__EffectRequest *request;
    assert_false(harness_effect(h, &call, &request));
}

static void given_up_after_days(void **state)
{
    struct harness *h = *state;
    struct effect_call call;
    const Orderclerk__V1__EffectRequest *request;
    send_from(h, CAUSE, notify_of("received", "en"));
    int tries = 0;
    while (harness_effect(h, &call, &request)) {
        harness_answer(h, call.id, EFFECT_FAILED, 0, bytes_str(""));
        harness_advance(h, 6 * INSTANT_HOUR);
        assert_true(++tries < 100);
    }
    assert_int_equal(tries, 18); // the first past four days
    assert_non_null(strstr(event_of(h)->failed->reason, "given up"));
}

static void impossible_recipients_are_not_tried(void **state)
{
    struct harness *h = *state;
    struct effect_call call;
    const Orderclerk__V1__EffectRequest *request;
    char longest[3000];
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    const char *const recipients[] = {"", "nobody", "a@b.example\r\nBcc: c@d.example", "李@b.example",
                                      longest};
    for (size_t i = 0; i < COUNT_OF(recipients); i++) {
        Orderclerk__V1__Notify *notify = notify_of("received", "en");
        notify->recipient = (char *)(uintptr_t)recipients[i];
        send_from(h, CAUSE, notify);
        assert_non_null(strstr(event_of(h)->failed->reason, "recipient"));
    }
    Orderclerk__V1__Notify *notify = notify_of("received", "en");
    notify->channel = "pigeon";
    send_from(h, CAUSE, notify);
    assert_non_null(strstr(event_of(h)->failed->reason, "channel"));
    assert_false(harness_effect(h, &call, &request));
}

static void names_inject_nothing(void **state)
{
    struct harness *h = *state;
    struct effect_call call;
    Orderclerk__V1__Notify *notify = notify_of("received", "en");
    values[4].value = "Li\r\nBcc: thief@evil.example\r\n\r\nMy body";
    values[2].value = "PO-1\nSubject: other {{total}}";
    send_from(h, CAUSE, notify);
    const char *text = text_of(pending(h, &call));
    const char *end = strstr(text, "\r\n\r\n");
    const char *bcc = strstr(text, "\nBcc");
    assert_true(bcc == NULL || bcc > end); // at most in the body, as text
    assert_non_null(strstr(text, "\r\nTo: =?UTF-8?B?"));
    assert_non_null(strstr(body_of(pending(h, &call)), "{{total}}")); // a value is no template
}

static void locales(void **state)
{
    (void)state;
    static const char *const chinese[] = {"zh-CN", "zh", "zh-Hans", "ZH-TW", "zh_CN"};
    static const char *const english[] = {"", "en", "en-GB", "de", "zhx"};
    for (size_t i = 0; i < COUNT_OF(chinese); i++)
        assert_int_equal(notice_locale_for(chinese[i]), LOCALE_ZH_CN);
    for (size_t i = 0; i < COUNT_OF(english); i++)
        assert_int_equal(notice_locale_for(english[i]), LOCALE_EN);
}

static void an_unknown_kind_is_held(void **state)
{
    struct harness *h = *state;
    struct effect_call call;
    const Orderclerk__V1__EffectRequest *request;
    send_from(h, CAUSE, notify_of("greetings", "en"));
    assert_false(harness_effect(h, &call, &request));
    const ProtobufCMessage *letter = harness_take(h, TOPIC_DEAD_LETTERS, NULL);
    assert_non_null(letter);
    assert_non_null(strstr(((const Orderclerk__V1__DeadLetter *)letter)->detail, "greetings"));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(sends_and_says_so),
        T(every_kind_in_both_languages),
        T(questions_are_in_text_and_header),
        T(shortages_are_in_text_and_header),
        T(once_per_cause_kind_and_recipient),
        T(a_resend_is_the_same_mail),
        T(refused_for_good),
        T(given_up_after_days),
        T(impossible_recipients_are_not_tried),
        T(names_inject_nothing),
        T(locales),
        T(an_unknown_kind_is_held),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
