// JSON log lines on standard error: {"at":…,"level":…,"service":…,"instance":…,"msg":…, fields…}.
//
// Thread-safe; one write(2) a line. Only processes' own loops log; library code returns errors.
// The same message at the same place more than 20 times a second is counted instead of written.
#pragma once

#include "base/bytes.h"

#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

void log_open(const char *service, const char *instance, enum log_level minimum);

struct log_field {
    const char *name;
    enum { LOG_FIELD_TEXT, LOG_FIELD_INT, LOG_FIELD_BYTES } type;
    const char *text; // NULL is left out
    int64_t number;
    struct bytes bytes;
};
#define log_s(n, v) ((struct log_field){.name = (n), .type = LOG_FIELD_TEXT, .text = (v)})
#define log_i(n, v) ((struct log_field){.name = (n), .type = LOG_FIELD_INT, .number = (int64_t)(v)})
#define log_b(n, v) ((struct log_field){.name = (n), .type = LOG_FIELD_BYTES, .bytes = (v)})

void log_write(enum log_level level, const char *message, const struct log_field *fields, size_t count);
// LOG(LOG_WARN, "held", log_s("order", id), log_i("tries", n)); any number of fields, or none.
#define LOG(level, ...) LOG_FIELDS((level), __VA_ARGS__, ((struct log_field){.name = ""}))
#define LOG_FIELDS(level, message, ...)                                                                      \
    log_write((level), (message), (const struct log_field[]){__VA_ARGS__},                                   \
              sizeof((const struct log_field[]){__VA_ARGS__}) / sizeof(struct log_field))
