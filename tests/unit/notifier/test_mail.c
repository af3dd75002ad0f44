// Mails: addresses, headers, encodings, and that nothing put in makes another header.
#include "notifier/notifier_mail.h"
#include "unit/base/unit.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct arena *arena;
static int setup(void **state)
{
    (void)state;
    arena = arena_new(1 << 16);
    return 0;
}
static int teardown(void **state)
{
    (void)state;
    arena_free(arena);
    return 0;
}

static struct mail plain_mail(void)
{
    struct uuid id = {{0}};
    assert_true(uuid_parse(bytes_str("0190b7a4-0000-8000-8000-0000000000a1"), &id));
    return (struct mail){.id = id,
                         .at = 1790000000 * INSTANT_SECOND,
                         .from = bytes_str("orders@orderclerk.example"),
                         .from_name = bytes_str("Order desk"),
                         .to = bytes_str("li@customer.example"),
                         .to_name = bytes_str("Li Lei"),
                         .language = "en",
                         .subject = bytes_str("Your order 1004 is confirmed"),
                         .body = bytes_str("Dear Li,\nall is well.\n")};
}

static const char *written(const struct mail *mail)
{
    return arena_str(arena, mail_write(arena, mail));
}

static void plain(void **state)
{
    (void)state;
    struct mail mail = plain_mail();
    struct bytes items[] = {bytes_str("ADDRESS_INCOMPLETE@delivery.street"),
                            bytes_str("PRICE@lines[2].unit_price")};
    struct mail_header header = {"X-Orderclerk-Questions", items, 2};
    mail.headers = &header;
    mail.header_count = 1;
    assert_string_equal(written(&mail),
                        "Date: Mon, 21 Sep 2026 14:13:20 +0000\r\n"
                        "From: \"Order desk\" <orders@orderclerk.example>\r\n"
                        "To: \"Li Lei\" <li@customer.example>\r\n"
                        "Subject: Your order 1004 is confirmed\r\n"
                        "Message-ID: <0190b7a4-0000-8000-8000-0000000000a1@orderclerk.example>\r\n"
                        "MIME-Version: 1.0\r\n"
                        "Content-Type: text/plain; charset=UTF-8\r\n"
                        "Content-Transfer-Encoding: quoted-printable\r\n"
                        "Content-Language: en\r\n"
                        "Auto-Submitted: auto-generated\r\n"
                        "X-Orderclerk-Questions: ADDRESS_INCOMPLETE@delivery.street,\r\n"
                        " PRICE@lines[2].unit_price\r\n"
                        "\r\n"
                        "Dear Li,\r\n"
                        "all is well.\r\n");
}

static void addresses(void **state)
{
    (void)state;
    static const char *const good[] = {"a@b.example", "first.last+tag@sub.domain.example",
                                       "o'neil@x-y.example", "1@1.example"};
    static const char *const bad[] = {"",
                                      "a",
                                      "@b.example",
                                      "a@",
                                      "a@b",
                                      "a b@c.example",
                                      "a@b .example",
                                      "a@b.example\r\nRCPT TO:<x@y.example>",
                                      "a\r\n@b.example",
                                      ".a@b.example",
                                      "a.@b.example",
                                      "a..b@c.example",
                                      "a@-b.example",
                                      "a@b-.example",
                                      "a@b..example",
                                      "<a@b.example>",
                                      "a@b.example,c@d.example",
                                      "\"quoted\"@b.example",
                                      "\xE6\x9D\x8E@b.example",
                                      "a@\xE6\x9D\x8E.example"};
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        if (!mail_address_ok(bytes_str(good[i])))
            fail_msg("%s is good", good[i]);
    }
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        if (mail_address_ok(bytes_str(bad[i])))
            fail_msg("%s is bad", bad[i]);
    }
    char longest[400];
    memset(longest, 'a', sizeof longest);
    memcpy(longest + 64, "@", 1);
    memcpy(longest + 300, ".example", 9);
    assert_false(mail_address_ok(bytes_str(longest)));
}

// Every line of the head must be one of the headers that were meant, or go on one.
static void check_head(const char *message)
{
    static const char *const names[] = {"Date",
                                        "From",
                                        "To",
                                        "Subject",
                                        "Message-ID",
                                        "MIME-Version",
                                        "Content-Type",
                                        "Content-Transfer-Encoding",
                                        "Content-Language",
                                        "Auto-Submitted",
                                        "X-Orderclerk-Order"};
    const char *end = strstr(message, "\r\n\r\n");
    assert_non_null(end);
    size_t seen = 0;
    for (const char *line = message; line < end + 2;) {
        const char *next = strstr(line, "\r\n");
        size_t size = (size_t)(next - line);
        assert_true(size <= 78);
        for (size_t i = 0; i < size; i++)
            assert_true(line[i] >= 0x20 && line[i] < 0x7F);
        if (line[0] != ' ') {
            const char *colon = memchr(line, ':', size);
            assert_non_null(colon);
            assert_true(seen < COUNT_OF(names));
            assert_true(bytes_is(bytes_of(line, (size_t)(colon - line)), names[seen]));
            seen++;
        }
        line = next + 2;
    }
    assert_int_equal(seen, COUNT_OF(names));
}

static void nothing_injects_a_header(void **state)
{
    (void)state;
    static const char *const evil[] = {
        "x\r\nBcc: thief@evil.example",
        "x\nBcc: thief@evil.example",
        "x\r\n\r\nThe body is mine",
        "\" <thief@evil.example>, \"",
        "x\\",
        "=?UTF-8?B?DQpCY2M6IGE=?=",
        "李雷\r\nBcc: thief@evil.example",
        "\xFF\xFE broken",
        ("a very long name that goes on and on and on until no line of a header can take it all, "
         "and still goes on for a while after that"),
        "很长很长的名字很长很长的名字很长很长的名字很长很长的名字很长很长的名字很长很长的名字很长很长的名字"};
    for (size_t i = 0; i < COUNT_OF(evil); i++) {
        struct mail mail = plain_mail();
        struct bytes item = bytes_str(evil[i]);
        struct mail_header header = {"X-Orderclerk-Order", &item, 1};
        item.size = item.size > 15 ? 15 : item.size;
        mail.to_name = mail.from_name = mail.subject = bytes_str(evil[i]);
        mail.headers = &header;
        mail.header_count = 1;
        const char *message = written(&mail);
        check_head(message);
        const char *thief = strstr(message, "<thief");
        assert_true(thief == NULL || thief > strstr(message, "\r\nSubject: ")); // nobody's address
        assert_null(strstr(message, "\nBcc"));
    }
}

static void encoded_subject(void **state)
{
    (void)state;
    struct mail mail = plain_mail();
    mail.subject = bytes_str("订单 1004 已确认");
    const char *message = written(&mail);
    assert_non_null(strstr(message, "\r\nSubject: =?UTF-8?B?6K6i5Y2VIDEwMDQg5bey56Gu6K6k?=\r\n"));
}

// Decodes a base64 or quoted-printable body as RFC 2045 says.
static size_t decode(const char *message, uint8_t *ret_body, size_t capacity)
{
    const char *body = strstr(message, "\r\n\r\n") + 4;
    size_t size = 0;
    if (strstr(message, "Content-Transfer-Encoding: base64\r\n") != NULL) {
        assert_int_equal(sodium_base642bin(ret_body, capacity, body, strlen(body), "\r\n", &size, NULL,
                                           sodium_base64_VARIANT_ORIGINAL),
                         0);
        return size;
    }
    for (const char *c = body; *c != '\0'; c++) {
        if (c[0] == '=' && c[1] == '\r') {
            c += 2;
        } else if (c[0] == '=') {
            char code[3] = {c[1], c[2], '\0'};
            char *end;
            ret_body[size++] = (uint8_t)strtoul(code, &end, 16);
            assert_ptr_equal(end, code + 2);
            c += 2;
        } else {
            ret_body[size++] = (uint8_t)*c;
        }
        assert_true(size < capacity);
    }
    return size;
}

static void bodies_come_back(void **state)
{
    (void)state;
    static const struct {
        const char *given, *read;
        const char *encoding;
    } cases[] = {
        {"", "\r\n", "quoted-printable"},
        {"one\ntwo", "one\r\ntwo\r\n", "quoted-printable"},
        {"one\r\ntwo\r\n", "one\r\ntwo\r\n", "quoted-printable"},
        {"1 = 1, café\n", "1 = 1, café\r\n", "quoted-printable"},
        {"blank at the end \n.\n..dots\nFrom me\n", "blank at the end \r\n.\r\n..dots\r\nFrom me\r\n",
         "quoted-printable"},
        {"tab\there\x01\x7F\n", "tab\there  \r\n", "quoted-printable"},
        {"broken \xFF here\n", "broken   here\r\n", "quoted-printable"},
        {"尊敬的客户：\n您的订单已确认。\n", "尊敬的客户：\r\n您的订单已确认。\r\n", "base64"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct mail mail = plain_mail();
        uint8_t body[2000];
        mail.body = bytes_str(cases[i].given);
        const char *message = written(&mail);
        assert_non_null(strstr(message, cases[i].encoding));
        size_t size = decode(message, body, sizeof body);
        if (!bytes_is(bytes_of(body, size), cases[i].read))
            fail_msg("%s came back as %.*s", cases[i].given, (int)size, (const char *)body);
    }
}

static void lines_stay_short(void **state)
{
    (void)state;
    uint64_t seed = 7;
    for (int run = 0; run < 200; run++) {
        static const char *const pieces[] = {"a", " ", "=", "订", "é", "\n", ".", "word", "\t", "😀"};
        char text[4000] = "";
        size_t used = 0;
        size_t zh = (size_t)random_between(&seed, 0, 9);
        while (used < 3000) {
            const char *piece =
                pieces[random_between(&seed, 0, 1) ? (size_t)random_between(&seed, 0, 9) : zh];
            memcpy(text + used, piece, strlen(piece));
            used += strlen(piece);
        }
        struct mail mail = plain_mail();
        mail.body = bytes_of(text, used);
        const char *message = written(&mail);
        const char *line = message;
        for (const char *end; (end = strstr(line, "\r\n")) != NULL; line = end + 2) {
            assert_true(end - line <= 78);
            assert_null(memchr(line, '\n', (size_t)(end - line)));
            assert_true(end == line || end[-1] != ' ');
        }
        assert_int_equal(*line, '\0'); // ends with a line's end
    }
}

int main(void)
{
    if (sodium_init() < 0)
        return 1;
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(plain),           T(addresses),        T(nothing_injects_a_header),
        T(encoded_subject), T(bodies_come_back), T(lines_stay_short),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
