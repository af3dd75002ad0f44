// The HTTP server over real sockets: routes, limits, deadlines, answers from other threads.
#include "base/clock.h"
#include "http/http.h"
#include "http/http_target.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define ANSWER_MAX 65536

static struct http_server *server;
static int port;
static int per_address = 32;
static pthread_t repliers[64];
static size_t replier_count;

// ---- the routes under test

static void hello(void *context, struct http_exchange *x)
{
    (void)context;
    const char *name = http_param(x, "name");
    const char *greeting = http_query(x, "greeting");
    http_add_header(x, "X-Method", http_method(x));
    http_reply(x, 200, "text/plain",
               bytes_str(arena_printf(http_arena(x), "%s %s", greeting != NULL ? greeting : "hello", name)));
}

static void echo(void *context, struct http_exchange *x)
{
    (void)context;
    http_reply(x, 201, "application/json", http_body(x));
}

static void *reply_later(void *self)
{
    struct http_exchange *x = self;
    http_reply_json(x, 202, "{\"later\":true}");
    return NULL;
}

static void later(void *context, struct http_exchange *x)
{
    (void)context;
    http_defer(x);
    assert_int_equal(pthread_create(&repliers[replier_count++], NULL, reply_later, x), 0);
}

static void never(void *context, struct http_exchange *x)
{
    (void)context;
    http_defer(x);
}

static void forgotten(void *context, struct http_exchange *x)
{
    (void)context;
    (void)x;
}

struct upload {
    size_t size;
    size_t pieces;
};

static void *resume_later(void *self)
{
    http_resume(self);
    return NULL;
}

static bool upload_piece(void *context, struct http_exchange *x, struct bytes piece)
{
    (void)context;
    struct upload *upload = http_user(x);
    if (upload == NULL) {
        upload = calloc(1, sizeof *upload);
        http_set_user(x, upload, free);
    }
    upload->size += piece.size;
    upload->pieces++;
    if (memchr(piece.data, '!', piece.size) != NULL) {
        http_reply_problem(
            x, &(struct http_problem){.status = 422, .type = "bang", .title = "No exclamation marks"});
        return false;
    }
    if (upload->pieces == 1) {
        http_pause(x);
        assert_int_equal(pthread_create(&repliers[replier_count++], NULL, resume_later, x), 0);
    }
    return true;
}

static void upload_end(void *context, struct http_exchange *x)
{
    (void)context;
    struct upload *upload = http_user(x);
    http_reply(x, 200, "text/plain",
               bytes_str(arena_printf(http_arena(x), "%zu", upload == NULL ? 0 : upload->size)));
}

static void limited(void *context, struct http_exchange *x)
{
    (void)context;
    http_reply_problem(x, &(struct http_problem){.status = 503,
                                                 .type = "busy",
                                                 .title = "Too \"busy\"",
                                                 .field = "lines[2].quantity",
                                                 .retry_after_s = 7,
                                                 .extra_json = "\"allowed\":[\"cancel\"]"});
}

static const struct http_route routes[] = {
    {.method = "GET", .path = "/hello/{name}", .handle = hello},
    {.method = "POST", .path = "/hello/{name}", .handle = hello, .body_max = 10},
    {.method = "POST",
     .path = "/v1/echo",
     .handle = echo,
     .body_max = 1024,
     .content_types = "application/json"},
    {.method = "GET", .path = "/later", .handle = later},
    {.method = "GET", .path = "/never", .handle = never},
    {.method = "GET", .path = "/forgotten", .handle = forgotten},
    {.method = "GET", .path = "/limited", .handle = limited},
    {.method = "POST",
     .path = "/v1/things:import",
     .handle = upload_end,
     .chunk = upload_piece,
     .body_max = 8 << 20},
};

static bool opened; // what the routes but /hello need is there

static bool admit(void *context, const struct http_route *route, struct http_exchange *x)
{
    (void)context;
    if (opened || route->handle == hello)
        return true;
    http_reply_problem(x, &(struct http_problem){
                              .status = 503, .type = "starting", .title = "Starting", .retry_after_s = 2});
    return false;
}

static int start(void **state)
{
    (void)state;
    struct http_settings settings = {.listen = "127.0.0.1:0",
                                     .threads = 2,
                                     .connections = 64,
                                     .connections_per_address = per_address,
                                     .header_deadline_us = 300 * INSTANT_MS,
                                     .body_deadline_us = 300 * INSTANT_MS,
                                     .close_wait_us = 300 * INSTANT_MS,
                                     .admit = admit};
    opened = true;
    replier_count = 0;
    struct err e = http_open(&settings, routes, sizeof routes / sizeof routes[0], NULL, &server);
    if (err_is(&e))
        print_error("%s\n", e.text);
    port = err_is(&e) ? 0 : http_port(server);
    return err_is(&e) ? -1 : 0;
}

static int stop(void **state)
{
    (void)state;
    for (size_t i = 0; i < replier_count; i++)
        pthread_join(repliers[i], NULL);
    http_close(server);
    return 0;
}

// ---- a client

static int dial(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (connect(fd, (struct sockaddr *)&to, sizeof to) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static void put(int fd, const char *text, size_t size)
{
    while (size > 0) {
        ssize_t sent = send(fd, text, size, MSG_NOSIGNAL);
        if (sent <= 0)
            return;
        text += sent;
        size -= (size_t)sent;
    }
}

// Reads one whole answer (by its Content-Length), or up to the end of the connection.
static char *get(int fd, bool head_only)
{
    static char answer[ANSWER_MAX];
    size_t size = 0;
    answer[0] = '\0';
    for (;;) {
        const char *body = strstr(answer, "\r\n\r\n");
        if (body != NULL) {
            const char *length = strcasestr(answer, "content-length: ");
            size_t have = size - (size_t)(body + 4 - answer);
            if (head_only || (length != NULL && have >= strtoul(length + 16, NULL, 10)))
                return answer;
        }
        ssize_t got = recv(fd, answer + size, sizeof answer - 1 - size, 0);
        if (got <= 0)
            return answer;
        size += (size_t)got;
        answer[size] = '\0';
    }
}

static char *ask(const char *request)
{
    int fd = dial();
    assert_true(fd >= 0);
    put(fd, request, strlen(request));
    char *answer = get(fd, strncmp(request, "HEAD", 4) == 0);
    close(fd);
    return answer;
}

static void expect(const char *answer, const char *status, const char *text)
{
    if (strncmp(answer, "HTTP/1.1 ", 9) != 0 || strncmp(answer + 9, status, strlen(status)) != 0)
        fail_msg("expected %s, got: %s", status, answer);
    if (text != NULL && strstr(answer, text) == NULL)
        fail_msg("expected %s in: %s", text, answer);
}

#define HOST "Host: x\r\n"

// ---- the tests

static void answers_routes(void **state)
{
    (void)state;
    expect(ask("GET /hello/w%C3%B6rld?greeting=good+day HTTP/1.1\r\n" HOST "\r\n"), "200",
           "good day w\xC3\xB6rld");
    expect(ask("GET /hello/a%2Fb HTTP/1.1\r\n" HOST "\r\n"), "200", "hello a/b");
    const char *head = ask("HEAD /hello/you HTTP/1.1\r\n" HOST "\r\n");
    expect(head, "200", "X-Method: HEAD");
    assert_null(strstr(head, "hello you"));
    expect(ask("GET /limited HTTP/1.1\r\n" HOST "\r\n"), "503", "Retry-After: 7");
    expect(ask("GET /limited HTTP/1.1\r\n" HOST "\r\n"), "503",
           "{\"type\":\"urn:orderclerk:problem:busy\",\"title\":\"Too \\\"busy\\\"\",\"status\":503,"
           "\"field\":\"lines[2].quantity\",\"allowed\":[\"cancel\"]}");
    expect(ask("GET /forgotten HTTP/1.1\r\n" HOST "\r\n"), "500", "problem+json");
}

static void refuses_what_has_no_route(void **state)
{
    (void)state;
    expect(ask("GET /nowhere HTTP/1.1\r\n" HOST "\r\n"), "404", "urn:orderclerk:problem:not-found");
    expect(ask("GET /hello/ HTTP/1.1\r\n" HOST "\r\n"), "400", NULL);
    expect(ask("GET /hello/a%00b HTTP/1.1\r\n" HOST "\r\n"), "400", NULL);
    expect(ask("GET /hello/%FF HTTP/1.1\r\n" HOST "\r\n"), "400", NULL);
    expect(ask("DELETE /hello/you HTTP/1.1\r\n" HOST "\r\n"), "405", "Allow: GET, HEAD, POST");
    expect(ask("GET /v1/echo HTTP/1.1\r\n" HOST "\r\n"), "405", "Allow: POST\r\n");
}

static void bounds_bodies(void **state)
{
    (void)state;
    expect(ask("POST /v1/echo HTTP/1.1\r\n" HOST "Content-Type: application/json; charset=UTF-8\r\n"
               "Content-Length: 2\r\n\r\n{}"),
           "201", "{}");
    expect(ask("POST /v1/echo HTTP/1.1\r\n" HOST "Content-Type: text/xml\r\nContent-Length: 2\r\n\r\n{}"),
           "415", "application/json");
    expect(ask("POST /v1/echo HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\n{}"), "415", "problem+json");
    expect(ask("POST /v1/echo HTTP/1.1\r\n" HOST "Content-Type: application/json; charset=gbk\r\n"
               "Content-Length: 2\r\n\r\n{}"),
           "415", NULL);
    expect(ask("POST /hello/you HTTP/1.1\r\n" HOST "Content-Length: 11\r\n\r\n12345678901"), "413",
           "at most 10 bytes");
    expect(ask("POST /hello/you HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
               "6\r\n123456\r\n5\r\n78901\r\n0\r\n\r\n"),
           "413", "at most 10 bytes");
    expect(ask("GET /hello/you HTTP/1.1\r\n" HOST "Content-Length: 1\r\n\r\n1"), "413", "takes no body");
    expect(ask("POST /hello/you HTTP/1.1\r\n" HOST "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"
               "1\r\nx\r\n0\r\n\r\n"),
           "400", NULL);
    expect(ask("POST /hello/you HTTP/1.1\r\n" HOST "Content-Length: 999999999\r\n\r\n"), "413", NULL);
}

static void bounds_headers(void **state)
{
    (void)state;
    char *request = calloc(1, 70000);
    for (size_t size = 17000; size <= 60000; size += 43000) {
        strcpy(request, "GET /hello/you HTTP/1.1\r\n" HOST);
        for (int i = 0; strlen(request) < size; i++)
            sprintf(request + strlen(request), "X-Filler-%d: %0100d\r\n", i, i);
        strcat(request, "\r\n");
        expect(ask(request), "431", NULL);
    }
    free(request);
}

static void cuts_off_a_body_that_never_ends(void **state)
{
    (void)state;
    int fd = dial();
    const char *head = "POST /hello/you HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n";
    put(fd, head, strlen(head));
    char piece[8192 + 16];
    memset(piece, 'x', sizeof piece);
    memcpy(piece, "2000\r\n", 6);
    memcpy(piece + 6 + 8192, "\r\n", 2);
    for (int i = 0; i < 400; i++)
        put(fd, piece, 6 + 8192 + 2);
    char *answer = get(fd, false);
    if (answer[0] != '\0') // the connection may be reset before the answer is read
        expect(answer, "413", NULL);
    close(fd);
}

static void keeps_deadlines(void **state)
{
    (void)state;
    static const char *const starts[] = {"", "GET /hello/you HT", "GET /hello/you HTTP/1.1\r\nHost: ",
                                         "POST /v1/echo HTTP/1.1\r\n" HOST
                                         "Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n123"};
    for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++) {
        int fd = dial();
        put(fd, starts[i], strlen(starts[i]));
        // bytes that keep trickling in don't move the deadline
        for (;;) {
            struct pollfd readable = {.fd = fd, .events = POLLIN};
            if (poll(&readable, 1, 50) > 0)
                break;
            put(fd, i == 3 ? "4" : "", i == 3 ? 1 : 0);
            if (i == 2)
                put(fd, "y", 1);
        }
        expect(get(fd, false), "408", "problem:timeout");
        close(fd);
    }
    // a second request's header has a deadline of its own
    int fd = dial();
    put(fd, "GET /hello/a HTTP/1.1\r\n" HOST "\r\n", strlen("GET /hello/a HTTP/1.1\r\n" HOST "\r\n"));
    expect(get(fd, false), "200", "hello a");
    put(fd, "GET /hello/b HTTP/1.1\r\nHo", strlen("GET /hello/b HTTP/1.1\r\nHo"));
    expect(get(fd, false), "408", NULL);
    close(fd);
}

static void keeps_connections_alive(void **state)
{
    (void)state;
    int fd = dial();
    for (int i = 0; i < 50; i++) {
        char request[128];
        snprintf(request, sizeof request, "%s /hello/n%d HTTP/1.1\r\n" HOST "Content-Length: %d\r\n\r\n%s",
                 i % 2 ? "POST" : "GET", i, i % 2 ? 3 : 0, i % 2 ? "abc" : "");
        put(fd, request, strlen(request));
        char wanted[32];
        snprintf(wanted, sizeof wanted, "hello n%d", i);
        expect(get(fd, false), "200", wanted);
    }
    close(fd);
}

static void limits_connections_per_address(void **state)
{
    (void)state;
    http_close(server);
    per_address = 8;
    assert_int_equal(start(NULL), 0);
    int fds[8];
    for (int i = 0; i < 8; i++) {
        fds[i] = dial();
        put(fds[i], "GET /hello/a HTTP/1.1\r\n" HOST "\r\n", strlen("GET /hello/a HTTP/1.1\r\n" HOST "\r\n"));
        expect(get(fds[i], false), "200", NULL);
    }
    int over = dial();
    put(over, "GET /hello/a HTTP/1.1\r\n" HOST "\r\n", strlen("GET /hello/a HTTP/1.1\r\n" HOST "\r\n"));
    assert_string_equal(get(over, false), "");
    close(over);
    for (int i = 0; i < 8; i++)
        close(fds[i]);
    http_close(server);
    per_address = 32;
    assert_int_equal(start(NULL), 0);
}

static void answers_from_other_threads(void **state)
{
    (void)state;
    int fd = dial();
    for (int i = 0; i < 20; i++) {
        put(fd, "GET /later HTTP/1.1\r\n" HOST "\r\n", strlen("GET /later HTTP/1.1\r\n" HOST "\r\n"));
        expect(get(fd, false), "202", "{\"later\":true}");
    }
    close(fd);
}

static void streams_bodies(void **state)
{
    (void)state;
    size_t size = 3 << 20;
    char *body = malloc(size);
    memset(body, 'a', size);
    char head[128];
    snprintf(head, sizeof head, "POST /v1/things:import HTTP/1.1\r\n" HOST "Content-Length: %zu\r\n\r\n",
             size);
    int fd = dial();
    put(fd, head, strlen(head));
    put(fd, body, size);
    expect(get(fd, false), "200", "3145728");
    body[100] = '!';
    put(fd, head, strlen(head));
    put(fd, body, size);
    char *answer = get(fd, false);
    if (answer[0] != '\0') // cut off after DRAIN_MAX
        expect(answer, "422", "exclamation");
    close(fd);
    fd = dial();
    put(fd, "POST /v1/things:import HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nabcd!",
        strlen("POST /v1/things:import HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nabcd!"));
    expect(get(fd, false), "422", "exclamation");
    close(fd);
    free(body);
}

static void *close_server(void *self)
{
    http_close(self);
    return NULL;
}

static void answers_503_when_it_stops(void **state)
{
    (void)state;
    int fd = dial();
    put(fd, "GET /never HTTP/1.1\r\n" HOST "\r\n", strlen("GET /never HTTP/1.1\r\n" HOST "\r\n"));
    int upload = dial(); // an upload in the middle of its body ends too
    put(upload, "POST /v1/things:import HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nab",
        strlen("POST /v1/things:import HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nab"));
    struct pollfd readable = {.fd = fd, .events = POLLIN};
    pthread_t closer;
    assert_int_equal(poll(&readable, 1, 100), 0); // the handler has been called, or is about to be
    assert_int_equal(pthread_create(&closer, NULL, close_server, server), 0);
    expect(get(fd, false), "503", "Connection: close");
    for (size_t i = 0; i < replier_count; i++)
        pthread_join(repliers[i], NULL);
    replier_count = 0;
    pthread_join(closer, NULL);
    assert_true(dial() < 0);
    close(fd);
    close(upload);
    start(NULL);
}

static void checks_targets(void **state)
{
    (void)state;
    struct arena *arena = arena_new(1024);
    struct http_target target;
    assert_true(http_target_parse(arena, "/a/b%20c?x=1&y&z=%3d", &target));
    assert_int_equal(target.segment_count, 2);
    assert_string_equal(target.segments[1], "b c");
    assert_string_equal(target.query[1].name, "y");
    assert_string_equal(target.query[2].value, "=");
    assert_true(http_target_parse(arena, "/", &target));
    assert_int_equal(target.segment_count, 0);
    static const char *const bad[] = {"",
                                      "a",
                                      "*",
                                      "http://x/",
                                      "/a%",
                                      "/a%4",
                                      "/a%zz",
                                      "/a/?x=%f",
                                      "/%c0%af",
                                      "/a/",
                                      "/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(http_target_parse(arena, bad[i], &target));
    assert_true(http_content_type_accepted("text/csv application/json", "Application/JSON"));
    assert_true(http_content_type_accepted("text/csv", "text/csv;charset=\"utf-8\""));
    assert_false(http_content_type_accepted("text/csv", "text/csvx"));
    assert_false(http_content_type_accepted("text/csv", "text/csv; charset=utf-80"));
    assert_false(http_content_type_accepted("text/csv", ""));
    arena_free(arena);
}

static void keeps_routes_shut(void **state)
{
    (void)state;
    opened = false;
    expect(ask("GET /hello/you HTTP/1.1\r\n" HOST "\r\n"), "200", "hello you");
    expect(ask("GET /later HTTP/1.1\r\n" HOST "\r\n"), "503", "Retry-After: 2");
    expect(ask("POST /v1/echo HTTP/1.1\r\n" HOST
               "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"),
           "503", "urn:orderclerk:problem:starting");
    expect(ask("POST /v1/things:import HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc"), "503", "starting");
    expect(ask("GET /nowhere HTTP/1.1\r\n" HOST "\r\n"), "404", NULL);
    opened = true;
    expect(ask("POST /v1/things:import HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc"), "200", "3");
}

static void refuses_bad_addresses(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "", "8080", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:123456", "no.such.host.invalid:1"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct http_settings settings = {
            .listen = bad[i], .threads = 1, .connections = 1, .connections_per_address = 1};
        struct http_server *none = NULL;
        struct err e = http_open(&settings, routes, 1, NULL, &none);
        assert_int_equal(e.class, ERR_CONFIG);
        assert_null(none);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_routes),
        cmocka_unit_test(refuses_what_has_no_route),
        cmocka_unit_test(bounds_bodies),
        cmocka_unit_test(bounds_headers),
        cmocka_unit_test(cuts_off_a_body_that_never_ends),
        cmocka_unit_test(keeps_deadlines),
        cmocka_unit_test(keeps_connections_alive),
        cmocka_unit_test(limits_connections_per_address),
        cmocka_unit_test(answers_from_other_threads),
        cmocka_unit_test(streams_bodies),
        cmocka_unit_test(answers_503_when_it_stops),
        cmocka_unit_test(keeps_routes_shut),
        cmocka_unit_test(checks_targets),
        cmocka_unit_test(refuses_bad_addresses),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
