// Calls to a real HTTP server and a real mail sink on this machine.
#include "effects/effects.h"
#include "orderclerk/v1/outbox.pb-c.h"
#include "peer.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define FAR_AWAY (INT64_C(4102444800) * INSTANT_SECOND) // the year 2100

typedef Orderclerk__V1__EffectRequest request_t;

struct bench {
    struct caller_port *caller;
    pthread_mutex_t lock;
    pthread_cond_t woken;
    size_t wakes;
    struct peer *http, *smtp;
    char smtp_url[64];
    struct caller_settings settings;
};

static void on_wake(void *self)
{
    struct bench *b = self;
    pthread_mutex_lock(&b->lock);
    b->wakes++;
    pthread_cond_signal(&b->woken);
    pthread_mutex_unlock(&b->lock);
}

static void open_caller(struct bench *b)
{
    struct err e = caller_curl_open(&b->settings, &b->caller);
    assert_int_equal(e.class, ERR_NONE);
}

static struct bench *bench_new(const char *greeting)
{
    struct bench *b = calloc(1, sizeof *b);
    assert_non_null(b);
    pthread_mutex_init(&b->lock, NULL);
    pthread_cond_init(&b->woken, NULL);
    b->http = peer_http();
    b->smtp = peer_smtp(greeting);
    snprintf(b->smtp_url, sizeof b->smtp_url, "smtp://127.0.0.1:%d", peer_port(b->smtp));
    b->settings = (struct caller_settings){.timeout_us = 60 * INSTANT_SECOND,
                                           .connect_timeout_us = 10 * INSTANT_SECOND,
                                           .per_target = 4,
                                           .total = 16,
                                           .breaker_failures = 1000,
                                           .breaker_open_us = 3600 * INSTANT_SECOND,
                                           .smtp_url = b->smtp_url,
                                           .wake = on_wake,
                                           .wake_self = b};
    open_caller(b);
    return b;
}

static int setup(void **state)
{
    *state = bench_new("220 ready");
    return 0;
}

static int teardown(void **state)
{
    struct bench *b = *state;
    caller_curl_close(b->caller);
    peer_close(b->http);
    peer_close(b->smtp);
    pthread_cond_destroy(&b->woken);
    pthread_mutex_destroy(&b->lock);
    free(b);
    return 0;
}

static void reopen(struct bench *b)
{
    caller_curl_close(b->caller);
    open_caller(b);
}

static struct uuid id_of(uint8_t number)
{
    return (struct uuid){.b = {number, 1}};
}

static void submit(struct bench *b, uint8_t number, int32_t attempt, const char *target, int64_t due_us,
                   const request_t *request)
{
    size_t size = orderclerk__v1__effect_request__get_packed_size(request);
    uint8_t *packed = malloc(size > 0 ? size : 1);
    assert_non_null(packed);
    orderclerk__v1__effect_request__pack(request, packed);
    b->caller->submit(b->caller->self, &(struct effect_call){.id = id_of(number),
                                                             .slot = 3,
                                                             .attempt = attempt,
                                                             .target = bytes_str(target),
                                                             .due_us = due_us,
                                                             .request = bytes_of(packed, size)});
    free(packed);
}

static void submit_http(struct bench *b, uint8_t number, const char *target, int64_t due_us, const char *path)
{
    char url[128];
    snprintf(url, sizeof url, "http://127.0.0.1:%d/%s", peer_port(b->http), path);
    request_t request = ORDERCLERK__V1__EFFECT_REQUEST__INIT;
    request.transport = (char *)"http";
    request.method = (char *)"POST";
    request.url = url;
    request.body.data = (uint8_t *)"hello";
    request.body.len = 5;
    submit(b, number, 1, target, due_us, &request);
}

// The next result; fails the test after a minute.
static struct effect_result take(struct bench *b)
{
    struct effect_result result;
    struct timespec end;
    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += 60;
    pthread_mutex_lock(&b->lock);
    while (!b->caller->next(b->caller->self, &result))
        assert_int_equal(pthread_cond_timedwait(&b->woken, &b->lock, &end), 0);
    pthread_mutex_unlock(&b->lock);
    return result;
}

static void assert_none(struct bench *b)
{
    struct effect_result result;
    assert_false(b->caller->next(b->caller->self, &result));
}

static void expect(struct bench *b, enum effect_outcome outcome, int32_t status, const char *body)
{
    struct effect_result r = take(b);
    assert_int_equal(r.outcome, outcome);
    assert_int_equal(r.status, status);
    if (body != NULL)
        assert_true(bytes_is(r.body, body));
    assert_true((r.outcome == EFFECT_OK) == (r.text[0] == '\0'));
    effect_result_free(&r);
}

// ---- HTTP

static void test_a_call_carries_its_id_and_headers(void **state)
{
    struct bench *b = *state;
    char url[128], id[UUID_TEXT_SIZE], line[128];
    snprintf(url, sizeof url, "http://127.0.0.1:%d/201", peer_port(b->http));
    Orderclerk__V1__EffectHeader type = ORDERCLERK__V1__EFFECT_HEADER__INIT, *headers[] = {&type};
    type.name = (char *)"Content-Type";
    type.value = (char *)"application/json";
    request_t request = ORDERCLERK__V1__EFFECT_REQUEST__INIT;
    request.transport = (char *)"http";
    request.method = (char *)"PATCH";
    request.url = url;
    request.body.data = (uint8_t *)"{}";
    request.body.len = 2;
    request.n_headers = 1;
    request.headers = headers;
    submit(b, 7, 5, "warehouse:SH1", 0, &request);

    struct effect_result r = take(b);
    assert_int_equal(r.outcome, EFFECT_OK);
    assert_int_equal(r.status, 201);
    assert_int_equal(r.attempt, 5);
    assert_int_equal(r.slot, 3);
    assert_true(uuid_equal(r.id, id_of(7)));
    assert_true(bytes_is(r.body, "said 201"));
    effect_result_free(&r);

    const char *text = peer_text(b->http, 0);
    uuid_format(id_of(7), id);
    assert_memory_equal(text, "PATCH /201 HTTP/1.1\r\n", 21);
    snprintf(line, sizeof line, "\r\nIdempotency-Key: %s\r\n", id);
    assert_non_null(strstr(text, line));
    snprintf(line, sizeof line, "\r\nwebhook-id: %s\r\n", id);
    assert_non_null(strstr(text, line));
    assert_non_null(strstr(text, "\r\nContent-Type: application/json\r\n"));
    assert_null(strstr(text, "Expect:"));
    assert_non_null(strstr(text, "\r\n\r\n{}"));
}

static void test_statuses_say_what_to_do_next(void **state)
{
    struct bench *b = *state;
    static const struct {
        const char *path;
        int32_t status;
        enum effect_outcome outcome;
    } rows[] = {
        {"200", 200, EFFECT_OK},          {"202", 202, EFFECT_OK},      {"204", 204, EFFECT_OK},
        {"400", 400, EFFECT_REFUSED},     {"404", 404, EFFECT_REFUSED}, {"409", 409, EFFECT_REFUSED},
        {"422", 422, EFFECT_REFUSED},     {"408", 408, EFFECT_FAILED},  {"425", 425, EFFECT_FAILED},
        {"429", 429, EFFECT_FAILED},      {"500", 500, EFFECT_FAILED},  {"503", 503, EFFECT_FAILED},
        {"redirect", 302, EFFECT_FAILED},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        submit_http(b, (uint8_t)i, "t", 0, rows[i].path);
        expect(b, rows[i].outcome, rows[i].status, NULL);
        assert_int_equal(peer_count(b->http), i + 1); // no redirect was followed, nothing sent twice
    }
}

static void test_no_whole_answer_is_a_failure(void **state)
{
    struct bench *b = *state;
    submit_http(b, 1, "t", 0, "drop");
    expect(b, EFFECT_FAILED, 0, NULL);
    submit_http(b, 2, "t", 0, "cut");
    expect(b, EFFECT_FAILED, 200, NULL);
    request_t request = ORDERCLERK__V1__EFFECT_REQUEST__INIT;
    request.transport = (char *)"http";
    request.method = (char *)"POST";
    request.url = (char *)"http://127.0.0.1:9/"; // nobody listens
    submit(b, 3, 1, "t", 0, &request);
    expect(b, EFFECT_FAILED, 0, NULL);
}

static void test_a_long_answer_is_cut(void **state)
{
    struct bench *b = *state;
    submit_http(b, 1, "t", 0, "big");
    struct effect_result r = take(b);
    assert_int_equal(r.outcome, EFFECT_OK);
    assert_int_equal(r.body.size, 64 * 1024);
    effect_result_free(&r);
}

static void test_a_call_ends_with_its_deadline(void **state)
{
    struct bench *b = *state;
    b->settings.timeout_us = 100 * INSTANT_MS;
    reopen(b);
    submit_http(b, 1, "t", 0, "hang");
    expect(b, EFFECT_FAILED, 0, NULL);
}

static void test_a_hanging_target_holds_up_nobody_else(void **state)
{
    struct bench *b = *state;
    for (uint8_t i = 0; i < 10; i++)
        submit_http(b, i, "hanging", 0, "hang");
    for (uint8_t i = 10; i < 30; i++) {
        submit_http(b, i, "well", 0, "200");
        expect(b, EFFECT_OK, 200, "said 200");
    }
    peer_wait(b->http, 24);
    assert_int_equal(peer_count(b->http), 24); // four of those that hang
    peer_release(b->http);
    for (int i = 0; i < 10; i++)
        expect(b, EFFECT_OK, 200, "late");
    assert_true(peer_most(b->http) <= 5);
}

static void test_the_breaker_stops_calls_to_one_target(void **state)
{
    struct bench *b = *state;
    b->settings.breaker_failures = 2;
    b->settings.per_target = 1;
    reopen(b);
    for (uint8_t i = 0; i < 5; i++)
        submit_http(b, i, "broken", 0, "500");
    expect(b, EFFECT_FAILED, 500, NULL);
    expect(b, EFFECT_FAILED, 500, NULL);
    submit_http(b, 9, "well", 0, "200");
    expect(b, EFFECT_OK, 200, NULL);
    assert_none(b);
    assert_int_equal(peer_count(b->http), 3);
}

static void test_a_call_waits_until_it_is_due(void **state)
{
    struct bench *b = *state;
    submit_http(b, 1, "t", FAR_AWAY, "200");
    submit_http(b, 2, "t", clock_system()->monotonic_us(NULL) + 50 * INSTANT_MS, "404");
    submit_http(b, 3, "t", 0, "201");
    expect(b, EFFECT_OK, 201, NULL);
    expect(b, EFFECT_REFUSED, 404, NULL);
    assert_none(b);
    assert_int_equal(peer_count(b->http), 2);
}

static void test_an_id_is_called_once_at_a_time(void **state)
{
    struct bench *b = *state;
    submit_http(b, 1, "t", 0, "hang");
    peer_wait(b->http, 1);
    submit_http(b, 1, "t", 0, "hang");
    submit_http(b, 2, "t", FAR_AWAY, "200");
    submit_http(b, 2, "t", FAR_AWAY, "200");
    submit_http(b, 3, "t", 0, "200");
    expect(b, EFFECT_OK, 200, "said 200");
    peer_release(b->http);
    expect(b, EFFECT_OK, 200, "late");
    assert_none(b);
    assert_int_equal(peer_count(b->http), 2);
}

static void test_forget_drops_what_waits_and_what_comes(void **state)
{
    struct bench *b = *state;
    submit_http(b, 1, "t", 0, "hang");
    peer_wait(b->http, 1);
    submit_http(b, 2, "t", FAR_AWAY, "200");
    submit_http(b, 3, "u", 0, "200");
    peer_wait(b->http, 2);
    b->caller->forget(b->caller->self);
    peer_release(b->http);
    submit_http(b, 4, "t", 0, "201");
    expect(b, EFFECT_OK, 201, NULL);
    assert_none(b);
    submit_http(b, 2, "t", 0, "202"); // free again
    expect(b, EFFECT_OK, 202, NULL);
    assert_none(b);
}

static void test_a_call_under_way_answers_who_claims_it_again(void **state)
{
    struct bench *b = *state;
    submit_http(b, 1, "t", 0, "hang");
    peer_wait(b->http, 1);
    b->caller->forget(b->caller->self);
    char url[128];
    snprintf(url, sizeof url, "http://127.0.0.1:%d/hang", peer_port(b->http));
    request_t request = ORDERCLERK__V1__EFFECT_REQUEST__INIT;
    request.transport = (char *)"http";
    request.method = (char *)"POST";
    request.url = url;
    submit(b, 1, 2, "t", 0, &request);
    submit_http(b, 2, "u", 0, "200"); // so that the resubmission has been taken
    expect(b, EFFECT_OK, 200, "said 200");
    peer_release(b->http);
    struct effect_result r = take(b);
    assert_int_equal(r.attempt, 2);
    assert_int_equal(r.outcome, EFFECT_OK);
    effect_result_free(&r);
    assert_int_equal(peer_count(b->http), 2);
}

static void test_what_can_never_be_sent_is_refused(void **state)
{
    struct bench *b = *state;
    static const char *const urls[] = {"file:///etc/passwd", "ftp://127.0.0.1/", "gopher://127.0.0.1:1/x",
                                       "http://[", ""};
    for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
        request_t request = ORDERCLERK__V1__EFFECT_REQUEST__INIT;
        request.transport = (char *)"http";
        request.method = (char *)"POST";
        request.url = (char *)(uintptr_t)urls[i];
        submit(b, (uint8_t)i, 1, "t", 0, &request);
        expect(b, EFFECT_REFUSED, 0, NULL);
    }
    Orderclerk__V1__EffectHeader header = ORDERCLERK__V1__EFFECT_HEADER__INIT, *headers[] = {&header};
    header.name = (char *)"X-Note";
    header.value = (char *)"a\r\nX-Evil: 1";
    request_t request = ORDERCLERK__V1__EFFECT_REQUEST__INIT;
    request.transport = (char *)"http";
    request.method = (char *)"POST";
    request.url = (char *)"http://127.0.0.1:9/";
    request.n_headers = 1;
    request.headers = headers;
    submit(b, 20, 1, "t", 0, &request);
    expect(b, EFFECT_REFUSED, 0, NULL);
    request.n_headers = 0;
    request.transport = (char *)"pigeon";
    submit(b, 21, 1, "t", 0, &request);
    expect(b, EFFECT_REFUSED, 0, NULL);
}

static void test_auto_answers_itself(void **state)
{
    struct bench *b = *state;
    request_t request = ORDERCLERK__V1__EFFECT_REQUEST__INIT;
    request.transport = (char *)"auto";
    for (uint8_t i = 0; i < 100; i++)
        submit(b, i, 1, "auto", 0, &request);
    for (int i = 0; i < 100; i++)
        expect(b, EFFECT_OK, 0, "");
    assert_none(b);
}

// ---- mail

static void submit_mail(struct bench *b, uint8_t number, char *from, char *to, char *message)
{
    request_t request = ORDERCLERK__V1__EFFECT_REQUEST__INIT;
    request.transport = (char *)"smtp";
    request.mail_from = from;
    request.n_mail_to = to != NULL ? 1 : 0;
    request.mail_to = &to;
    request.body.data = (uint8_t *)message;
    request.body.len = strlen(message);
    submit(b, number, 1, "smtp", 0, &request);
}

static char FROM[] = "desk@example.com";
static char MESSAGE[] = "From: desk@example.com\r\nMessage-ID: <1@example.com>\r\n\r\nHello\r\n.hidden\r\n";

static void test_a_mail_arrives_whole(void **state)
{
    struct bench *b = *state;
    char to[] = "ok@example.com";
    for (uint8_t i = 0; i < 3; i++) { // over one connection
        submit_mail(b, i, FROM, to, MESSAGE);
        expect(b, EFFECT_OK, 250, NULL);
    }
    assert_int_equal(peer_count(b->smtp), 3);
    const char *text = peer_text(b->smtp, 2);
    assert_non_null(strstr(text, "MAIL FROM:<desk@example.com>"));
    assert_non_null(strstr(text, "RCPT TO:<ok@example.com>"));
    assert_non_null(strstr(text, "Message-ID: <1@example.com>\r\n\r\nHello\r\n..hidden\r\n.\r\n"));
}

static void test_replies_to_a_mail_say_what_to_do_next(void **state)
{
    struct bench *b = *state;
    static const struct {
        const char *to;
        int32_t status;
        enum effect_outcome outcome;
    } rows[] = {
        {"550@example.com", 550, EFFECT_REFUSED},
        {"554-data@example.com", 554, EFFECT_REFUSED},
        {"450@example.com", 450, EFFECT_FAILED},
        {"ok@example.com", 250, EFFECT_OK},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char to[64];
        snprintf(to, sizeof to, "%s", rows[i].to);
        submit_mail(b, (uint8_t)i, FROM, to, MESSAGE);
        expect(b, rows[i].outcome, rows[i].status, NULL);
    }
}

static void test_one_recipient_with_trouble_stops_no_other_mail(void **state)
{
    struct bench *b = *state;
    b->settings.breaker_failures = 2;
    reopen(b);
    char bad[] = "450@example.com", good[] = "ok@example.com";
    for (uint8_t i = 0; i < 5; i++) {
        submit_mail(b, i, FROM, bad, MESSAGE);
        expect(b, EFFECT_FAILED, 450, NULL);
    }
    submit_mail(b, 9, FROM, good, MESSAGE);
    expect(b, EFFECT_OK, 250, NULL);
}

static void test_a_mail_server_that_is_not_well_is_tried_again(void **state)
{
    struct bench *b = bench_new("554 no service here");
    void *own = b;
    char to[] = "ok@example.com";
    submit_mail(b, 1, FROM, to, MESSAGE);
    expect(b, EFFECT_FAILED, 554, NULL);
    teardown(&own);
    (void)state;
}

static void test_a_mail_that_can_not_be_sent_is_refused(void **state)
{
    struct bench *b = *state;
    char evil[] = "a@example.com>\r\nRCPT TO:<b@example.com";
    submit_mail(b, 1, FROM, evil, MESSAGE);
    expect(b, EFFECT_REFUSED, 0, NULL);
    submit_mail(b, 2, evil, FROM, MESSAGE);
    expect(b, EFFECT_REFUSED, 0, NULL);
    submit_mail(b, 3, FROM, NULL, MESSAGE);
    expect(b, EFFECT_REFUSED, 0, NULL);
    assert_int_equal(peer_count(b->smtp), 0);
}

static void test_a_password_is_not_sent_in_the_clear(void **state)
{
    struct bench *b = *state;
    b->settings.smtp_user = "desk";
    b->settings.smtp_password = "secret";
    reopen(b);
    char to[] = "ok@example.com";
    submit_mail(b, 1, FROM, to, MESSAGE);
    struct effect_result r = take(b);
    assert_int_equal(r.outcome, EFFECT_FAILED);
    effect_result_free(&r);
    assert_int_equal(peer_count(b->smtp), 0);
}

static void test_closing_aborts_what_is_under_way(void **state)
{
    struct bench *b = *state;
    char to[] = "ok@example.com";
    for (uint8_t i = 0; i < 8; i++)
        submit_http(b, i, "t", 0, "hang");
    submit_http(b, 20, "t", FAR_AWAY, "200");
    submit_mail(b, 21, FROM, to, MESSAGE);
    peer_wait(b->http, 4);
    reopen(b);
    submit_http(b, 1, "u", 0, "200");
    expect(b, EFFECT_OK, 200, NULL);
}

// libcurl, left to itself, ends a mail that it has not begun to send as if that were all of it.
static void test_closing_sends_no_empty_mail(void **state)
{
    struct bench *b = *state;
    char to[] = "held@example.com";
    submit_mail(b, 1, FROM, to, MESSAGE);
    peer_wait(b->smtp, 1);
    reopen(b);
    peer_release(b->smtp);
    peer_wait(b->smtp, 2);
    assert_string_equal(peer_text(b->smtp, 0), "held");
    assert_string_equal(peer_text(b->smtp, 1), "gone");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_call_carries_its_id_and_headers),
        TEST(test_statuses_say_what_to_do_next),
        TEST(test_no_whole_answer_is_a_failure),
        TEST(test_a_long_answer_is_cut),
        TEST(test_a_call_ends_with_its_deadline),
        TEST(test_a_hanging_target_holds_up_nobody_else),
        TEST(test_the_breaker_stops_calls_to_one_target),
        TEST(test_a_call_waits_until_it_is_due),
        TEST(test_an_id_is_called_once_at_a_time),
        TEST(test_forget_drops_what_waits_and_what_comes),
        TEST(test_a_call_under_way_answers_who_claims_it_again),
        TEST(test_what_can_never_be_sent_is_refused),
        TEST(test_auto_answers_itself),
        TEST(test_a_mail_arrives_whole),
        TEST(test_replies_to_a_mail_say_what_to_do_next),
        TEST(test_one_recipient_with_trouble_stops_no_other_mail),
        TEST(test_a_mail_server_that_is_not_well_is_tried_again),
        TEST(test_a_mail_that_can_not_be_sent_is_refused),
        TEST(test_a_password_is_not_sent_in_the_clear),
        TEST(test_closing_aborts_what_is_under_way),
        TEST(test_closing_sends_no_empty_mail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
