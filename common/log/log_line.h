// One JSON log line in a fixed buffer: always a whole object, however long its values are. Internal to log/.
#pragma once

#include "base/bytes.h"
#include "base/clock.h"

// A pipe takes that many bytes in one piece (Linux's PIPE_BUF), so lines of several processes don't mix.
#define LOG_LINE_MAX 4096
// Of one value, in the line: a long one leaves room for the others. Longer values end in "…".
#define LOG_VALUE_MAX 1024

struct log_line {
    size_t size;
    bool cut; // a field had no room; the line ends with "cut":true
    char text[LOG_LINE_MAX];
};

void log_line_start(struct log_line *line);
void log_line_text(struct log_line *line, const char *name, struct bytes value); // absent is left out
void log_line_int(struct log_line *line, const char *name, int64_t value);
void log_line_end(struct log_line *line); // with a newline, without a terminating zero
