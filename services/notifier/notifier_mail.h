// Mails as RFC 5322 messages with MIME bodies (RFC 2045 to 2047): UTF-8 in, bytes for SMTP's DATA out, without dot-stuffing.
// Nothing that is put in can make another header or another recipient. Pure functions.
#pragma once

#include "base/arena.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/uuid.h"

#include <stdbool.h>
#include <stddef.h>

#define MAIL_ADDRESS_MAX 254 // RFC 5321, 4.5.3.1.3 less the angle brackets

// An address that SMTP can take without extensions: local part of letters, digits and !#$%&'*+-/=?^_`{|}~ with single dots within
// (RFC 5322, dot-atom), and a host name with at least one dot.
bool mail_address_ok(struct bytes address);

struct mail_header {
    const char *name;
    // Kept together, folded between: "code@field", "1:P-100". What isn't printable ASCII, a comma, a blank or % is written as %XX.
    struct bytes *items;
    size_t item_count;
};

struct mail {
    struct uuid id;         // Message-ID, at the sender's domain
    instant at;             // Date
    struct bytes from;      // address
    struct bytes from_name; // any text
    struct bytes to;        // address
    struct bytes to_name;   // any text; empty: none
    const char *language;   // Content-Language
    struct bytes subject;   // any text
    struct bytes body;      // any text
    const struct mail_header *headers;
    size_t header_count;
};

struct bytes mail_write(struct arena *arena, const struct mail *mail);
// "<id@domain>" as in the message.
char *mail_message_id(struct arena *arena, struct uuid id, struct bytes from);
