// Mails as RFC 5322 messages.
#include "notifier/notifier_mail.h"

#include <sodium.h>
#include <string.h>

#define LINE_GOOD      76 // RFC 5322, 2.1.1: should be at most 78
#define ITEM_MAX       400
#define LABEL_MAX      63
#define LOCAL_MAX      64
#define NAME_PLAIN_MAX 50
#define BASE64_BYTES   57 // of a body line of 76 characters
#define WORD_OVERHEAD  12 // =?UTF-8?B?…?=
#define WORD_MAX       75 // RFC 2047, 2

// ---- addresses

static bool is_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool local_ok(const char *text, size_t size)
{
    if (size == 0 || size > LOCAL_MAX || text[0] == '.' || text[size - 1] == '.')
        return false;
    for (size_t i = 0; i < size; i++) {
        if (text[i] == '.' && text[i - 1] == '.')
            return false;
        if (text[i] != '.' && !is_alnum(text[i]) &&
            (text[i] == '\0' || strchr("!#$%&'*+-/=?^_`{|}~", text[i]) == NULL))
            return false;
    }
    return true;
}

static bool domain_ok(const char *text, size_t size)
{
    size_t label = 0;
    size_t dots = 0;
    for (size_t i = 0; i <= size; i++) {
        if (i == size || text[i] == '.') {
            if (label == 0 || label > LABEL_MAX || text[i - 1] == '-')
                return false;
            dots += i < size;
            label = 0;
        } else if (is_alnum(text[i]) || (text[i] == '-' && label > 0)) {
            label++;
        } else {
            return false;
        }
    }
    return dots > 0;
}

bool mail_address_ok(struct bytes address)
{
    const char *text = address.data;
    if (address.size > MAIL_ADDRESS_MAX)
        return false;
    const char *at = address.size == 0 ? NULL : memrchr(text, '@', address.size);
    if (at == NULL)
        return false;
    size_t local = (size_t)(at - text);
    return local_ok(text, local) && domain_ok(at + 1, address.size - local - 1);
}

static struct bytes domain_of(struct bytes address)
{
    const char *at = memrchr(address.data, '@', address.size);
    size_t local = at == NULL ? 0 : (size_t)(at - (const char *)address.data) + 1;
    return bytes_of((const char *)address.data + local, address.size - local);
}

char *mail_message_id(struct arena *arena, struct uuid id, struct bytes from)
{
    char text[UUID_TEXT_SIZE];
    struct bytes domain = domain_of(from);
    uuid_format(id, text);
    return arena_printf(arena, "<%s@%.*s>", text, (int)domain.size, (const char *)domain.data);
}

// ---- output

struct output {
    struct arena *arena;
    char *text;
    size_t size;
    size_t capacity;
    size_t column;
};

static void put(struct output *o, const void *data, size_t size)
{
    if (o->size + size > o->capacity) {
        o->capacity = 2 * (o->size + size) + 1024;
        char *grown = arena_alloc(o->arena, o->capacity);
        if (o->size > 0)
            memcpy(grown, o->text, o->size);
        o->text = grown;
    }
    if (size > 0)
        memcpy(o->text + o->size, data, size);
    o->size += size;
    o->column += size;
}

static void put_str(struct output *o, const char *text)
{
    put(o, text, strlen(text));
}

static void end_line(struct output *o)
{
    put(o, "\r\n", 2);
    o->column = 0;
}

static void fold(struct output *o)
{
    end_line(o);
    put(o, " ", 1);
}

// ---- text in headers

// Well-formed UTF-8 on one line: every control character and broken byte becomes a blank.
static struct bytes one_line(struct arena *arena, struct bytes text)
{
    char *out = arena_alloc(arena, text.size + 1);
    const uint8_t *in = text.data;
    size_t size = 0;
    for (size_t i = 0; i < text.size;) {
        size_t n = bytes_utf8_length(in + i, text.size - i);
        bool bad = n == 0 || (n == 1 && (in[i] < 0x20 || in[i] == 0x7F));
        if (bad)
            out[size++] = ' ';
        else
            memcpy(out + size, in + i, n);
        size += bad ? 0 : n;
        i += n == 0 ? 1 : n;
    }
    return bytes_of(out, size);
}

static bool is_ascii(struct bytes text)
{
    for (size_t i = 0; i < text.size; i++) {
        if (((const uint8_t *)text.data)[i] >= 0x80)
            return false;
    }
    return true;
}

// As many bytes of whole characters as fit one encoded word in the rest of the line.
static size_t word_size(const struct output *o, const uint8_t *text, size_t left)
{
    size_t room = LINE_GOOD > o->column + WORD_OVERHEAD ? LINE_GOOD - o->column : 0;
    if (room > WORD_MAX)
        room = WORD_MAX;
    size_t most = room < WORD_OVERHEAD ? 0 : (room - WORD_OVERHEAD) / 4 * 3;
    size_t size = 0;
    while (size < left) {
        size_t n = bytes_utf8_length(text + size, left - size);
        if (n == 0 || size + n > most)
            break;
        size += n;
    }
    return size;
}

// RFC 2047 encoded words, with B encoding.
static void put_encoded(struct output *o, struct bytes text)
{
    const uint8_t *at = text.data;
    size_t left = text.size;
    bool first = true;
    while (left > 0) {
        size_t size = word_size(o, at, left);
        if (size == 0 || !first)
            fold(o);
        if (size == 0 || !first)
            size = word_size(o, at, left);
        char word[WORD_MAX + 8];
        sodium_bin2base64(word, sizeof word, at, size, sodium_base64_VARIANT_ORIGINAL);
        put_str(o, "=?UTF-8?B?");
        put_str(o, word);
        put_str(o, "?=");
        at += size;
        left -= size;
        first = false;
    }
}

// Unstructured text (Subject). Short ASCII stays readable, unless it could be taken for an encoded word.
static void put_text(struct output *o, struct bytes text)
{
    text = one_line(o->arena, text);
    bool plain =
        is_ascii(text) && o->column + text.size <= LINE_GOOD && memmem(text.data, text.size, "=?", 2) == NULL;
    if (plain)
        put(o, text.data, text.size);
    else
        put_encoded(o, text);
}

// A display name: a quoted string, or encoded words for everything that a careless reader could take for an address.
static void put_name(struct output *o, struct bytes name)
{
    name = one_line(o->arena, name);
    bool plain = is_ascii(name) && name.size <= NAME_PLAIN_MAX;
    for (size_t i = 0; plain && i < name.size; i++) {
        char c = ((const char *)name.data)[i];
        plain = is_alnum(c) || strchr(" .,'-&/", c) != NULL;
    }
    if (!plain) {
        put_encoded(o, name);
        return;
    }
    put(o, "\"", 1);
    put(o, name.data, name.size);
    put(o, "\"", 1);
}

static void put_address(struct output *o, const char *header, struct bytes name, struct bytes address)
{
    put_str(o, header);
    put_str(o, ": ");
    if (name.size > 0) {
        put_name(o, name);
        if (o->column + address.size + 3 > LINE_GOOD)
            fold(o);
        else
            put(o, " ", 1);
    }
    put(o, "<", 1);
    put(o, address.data, address.size);
    put(o, ">", 1);
    end_line(o);
}

static void put_date(struct output *o, instant at)
{
    static const char *const days[] = {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"};
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    int64_t seconds = at / INSTANT_SECOND;
    int64_t day = seconds / 86400;
    int second = (int)(seconds - day * 86400);
    int year;
    int month;
    int day_of_month;
    date_civil((local_date)day, &year, &month, &day_of_month);
    put_str(o, arena_printf(o->arena, "Date: %s, %d %s %d %02d:%02d:%02d +0000",
                            days[date_weekday((local_date)day) - 1], day_of_month, months[month - 1], year,
                            second / 3600, second / 60 % 60, second % 60));
    end_line(o);
}

static struct bytes escaped(struct arena *arena, struct bytes item)
{
    char *out = arena_alloc(arena, 3 * item.size + 1);
    size_t size = 0;
    for (size_t i = 0; i < item.size && size + 3 < ITEM_MAX; i++) {
        uint8_t c = ((const uint8_t *)item.data)[i];
        if (c > 0x20 && c < 0x7F && c != ',' && c != '%') {
            out[size++] = (char)c;
        } else {
            static const char hex[] = "0123456789ABCDEF";
            out[size++] = '%';
            out[size++] = hex[c >> 4];
            out[size++] = hex[c & 15];
        }
    }
    return bytes_of(out, size);
}

static void put_items(struct output *o, const struct mail_header *header)
{
    put_str(o, header->name);
    put_str(o, ": ");
    for (size_t i = 0; i < header->item_count; i++) {
        struct bytes item = escaped(o->arena, header->items[i]);
        if (i > 0)
            put(o, ",", 1);
        if (i > 0 && o->column + item.size + 2 > LINE_GOOD)
            fold(o);
        else if (i > 0)
            put(o, " ", 1);
        put(o, item.data, item.size);
    }
    end_line(o);
}

// ---- the body

// Well-formed UTF-8 with CRLF between lines and at the end; no control characters but tabs.
static struct bytes canonical(struct arena *arena, struct bytes text)
{
    char *out = arena_alloc(arena, 2 * text.size + 2);
    const uint8_t *in = text.data;
    size_t size = 0;
    for (size_t i = 0; i < text.size;) {
        size_t n = bytes_utf8_length(in + i, text.size - i);
        if (n == 1 && in[i] == '\n') {
            out[size++] = '\r';
            out[size++] = '\n';
        } else if (n == 0 ||
                   (n == 1 && ((in[i] < 0x20 && in[i] != '\t' && in[i] != '\r') || in[i] == 0x7F))) {
            out[size++] = ' ';
        } else if (n > 1 || in[i] != '\r') {
            memcpy(out + size, in + i, n);
            size += n;
        }
        i += n == 0 ? 1 : n;
    }
    if (size < 2 || out[size - 1] != '\n') {
        out[size++] = '\r';
        out[size++] = '\n';
    }
    return bytes_of(out, size);
}

static void put_base64(struct output *o, struct bytes text)
{
    const uint8_t *in = text.data;
    for (size_t at = 0; at < text.size; at += BASE64_BYTES) {
        size_t size = text.size - at < BASE64_BYTES ? text.size - at : BASE64_BYTES;
        char line[LINE_GOOD + 4];
        sodium_bin2base64(line, sizeof line, in + at, size, sodium_base64_VARIANT_ORIGINAL);
        put_str(o, line);
        end_line(o);
    }
}

// RFC 2045, 6.7.
static void put_quoted(struct output *o, struct bytes text)
{
    static const char hex[] = "0123456789ABCDEF";
    const uint8_t *in = text.data;
    for (size_t i = 0; i < text.size; i++) {
        if (in[i] == '\r') { // canonical: a line's end
            end_line(o);
            i++;
            continue;
        }
        bool last = i + 1 < text.size && in[i + 1] == '\r';
        bool plain = (in[i] > 0x20 && in[i] < 0x7F && in[i] != '=') || (in[i] == ' ' && !last);
        size_t size = plain ? 1 : 3;
        if (o->column + size > LINE_GOOD - 1) {
            put(o, "=", 1);
            end_line(o);
        }
        char code[3] = {'=', hex[in[i] >> 4], hex[in[i] & 15]};
        put(o, plain ? (const char *)&in[i] : code, size);
    }
}

static size_t non_ascii(struct bytes text)
{
    size_t count = 0;
    for (size_t i = 0; i < text.size; i++)
        count += ((const uint8_t *)text.data)[i] >= 0x80;
    return count;
}

struct bytes mail_write(struct arena *arena, const struct mail *mail)
{
    struct output out = {.arena = arena};
    struct output *o = &out;
    struct bytes body = canonical(arena, mail->body);
    bool quoted =
        non_ascii(body) * 6 < body.size; // three times as long for each; base64 is a third longer for all
    put_date(o, mail->at);
    put_address(o, "From", mail->from_name, mail->from);
    put_address(o, "To", mail->to_name, mail->to);
    put_str(o, "Subject: ");
    put_text(o, mail->subject);
    end_line(o);
    put_str(o, arena_printf(arena, "Message-ID: %s\r\n", mail_message_id(arena, mail->id, mail->from)));
    put_str(o, "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=UTF-8\r\n");
    put_str(o, quoted ? "Content-Transfer-Encoding: quoted-printable\r\n"
                      : "Content-Transfer-Encoding: base64\r\n");
    put_str(o, arena_printf(arena, "Content-Language: %s\r\n", mail->language));
    put_str(o, "Auto-Submitted: auto-generated"); // RFC 3834: no vacation notices in return
    end_line(o);
    for (size_t i = 0; i < mail->header_count; i++)
        put_items(o, &mail->headers[i]);
    end_line(o);
    if (quoted)
        put_quoted(o, body);
    else
        put_base64(o, body);
    return bytes_of(out.text, out.size);
}
