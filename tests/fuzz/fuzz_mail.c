// Mails: whatever is put in, the message has our headers and no others, short lines of ASCII, and the body that was meant.
#include "fuzz/fuzz.h"
#include "notifier/notifier_mail.h"

#include <sodium.h>
#include <string.h>

#define LINE_MAX_BYTES 998 // RFC 5322, 2.1.1

static const char *const headers[] = {"Date",
                                      "From",
                                      "To",
                                      "Subject",
                                      "Message-ID",
                                      "MIME-Version",
                                      "Content-Type",
                                      "Content-Transfer-Encoding",
                                      "Content-Language",
                                      "Auto-Submitted",
                                      "X-Codes"};

// The next line without its CRLF.
static struct bytes take_line(struct bytes *rest)
{
    const char *text = rest->data;
    const char *end = memmem(text, rest->size, "\r\n", 2);
    FUZZ_CHECK(end != NULL);
    const size_t size = (size_t)(end - text);
    FUZZ_CHECK(size <= LINE_MAX_BYTES);
    for (size_t i = 0; i < size; i++)
        FUZZ_CHECK((text[i] >= 0x20 && text[i] < 0x7F) || text[i] == '\t');
    *rest = bytes_of(end + 2, rest->size - size - 2);
    return bytes_of(text, size);
}

static void check_headers(struct bytes *rest, bool *ret_base64)
{
    size_t next = 0;
    for (struct bytes line; (line = take_line(rest)).size > 0;) {
        const char *text = line.data;
        if (text[0] == ' ')
            continue; // folded
        FUZZ_CHECK(next < sizeof headers / sizeof headers[0]);
        const size_t size = strlen(headers[next]);
        FUZZ_CHECK(line.size > size && memcmp(text, headers[next], size) == 0 && text[size] == ':');
        if (strcmp(headers[next], "Content-Transfer-Encoding") == 0)
            *ret_base64 = memmem(text, line.size, "base64", 6) != NULL;
        next++;
    }
    FUZZ_CHECK(next == sizeof headers / sizeof headers[0]);
}

static size_t decode_quoted(struct bytes line, char *out)
{
    const char *text = line.data;
    size_t size = 0;
    for (size_t i = 0; i < line.size; i++) {
        if (text[i] != '=') {
            out[size++] = text[i];
            continue;
        }
        if (i + 1 == line.size)
            return size; // a soft break
        FUZZ_CHECK(i + 2 < line.size);
        const int high = bytes_hex_digit(text[i + 1]), low = bytes_hex_digit(text[i + 2]);
        FUZZ_CHECK(high >= 0 && low >= 0);
        out[size++] = (char)(high * 16 + low);
        i += 2;
    }
    out[size++] = '\r';
    out[size++] = '\n';
    return size;
}

static struct bytes decode_body(struct arena *arena, struct bytes rest, bool base64)
{
    char *out = arena_alloc(arena, rest.size + 2);
    size_t size = 0;
    while (rest.size > 0) {
        const struct bytes line = take_line(&rest);
        FUZZ_CHECK(line.size <= 76); // RFC 2045, 6.7 and 6.8
        size_t decoded = 0;
        if (!base64)
            size += decode_quoted(line, out + size);
        else
            FUZZ_CHECK(sodium_base642bin((uint8_t *)out + size, line.size, line.data, line.size, NULL,
                                         &decoded, NULL, sodium_base64_VARIANT_ORIGINAL) == 0);
        size += decoded;
    }
    return bytes_of(out, size);
}

// Text without control characters comes through unchanged, with CRLF for each line break.
static void check_body(struct arena *arena, struct bytes meant, struct bytes got)
{
    const char *text = meant.data;
    bool plain = bytes_is_utf8(meant);
    char *expected = arena_alloc(arena, 2 * meant.size + 2);
    size_t size = 0;
    for (size_t i = 0; i < meant.size; i++) {
        plain = plain &&
                (text[i] == '\n' || text[i] == '\t' || ((unsigned char)text[i] >= 0x20 && text[i] != 0x7F));
        if (text[i] == '\n')
            expected[size++] = '\r';
        expected[size++] = text[i];
    }
    if (size == 0 || expected[size - 1] != '\n') {
        memcpy(expected + size, "\r\n", 2);
        size += 2;
    }
    FUZZ_CHECK(bytes_is_utf8(got));
    FUZZ_CHECK(!plain || bytes_equal(got, bytes_of(expected, size)));
}

static struct bytes address_of(struct bytes text, const char *otherwise)
{
    return mail_address_ok(text) ? text : bytes_str(otherwise);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *arena = arena_new(8192);
    struct fuzz_source source = fuzz_source_of(data, size);
    struct bytes items[4];
    for (size_t i = 0; i < 4; i++)
        items[i] = fuzz_piece(&source, arena, 500);
    const struct mail_header header = {
        .name = "X-Codes", .items = items, .item_count = fuzz_below(&source, 5)};
    const struct mail mail = {.at = fuzz_number(&source) & (INT64_MAX >> 8),
                              .from = address_of(fuzz_piece(&source, arena, 300), "desk@company.example"),
                              .from_name = fuzz_piece(&source, arena, 300),
                              .to = address_of(fuzz_piece(&source, arena, 300), "buyer@customer.example"),
                              .to_name = fuzz_piece(&source, arena, 300),
                              .language = "en",
                              .subject = fuzz_piece(&source, arena, 2000),
                              .headers = &header,
                              .header_count = 1,
                              .body = fuzz_rest(&source)};
    struct bytes rest = mail_write(arena, &mail);
    bool base64 = false;
    check_headers(&rest, &base64);
    check_body(arena, mail.body, decode_body(arena, rest, base64));
    arena_free(arena);
    return 0;
}
