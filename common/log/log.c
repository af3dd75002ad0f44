// JSON log lines; see log.h.
#include "log/log.h"

#include "base/clock.h"
#include "log/log_limit.h"
#include "log/log_line.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#define NAME_MAX_SIZE 64

static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER; // guards log_limit
static struct log_limit log_limit;
static char log_service[NAME_MAX_SIZE]; // written before threads start
static char log_instance[NAME_MAX_SIZE];
static atomic_int log_minimum = LOG_INFO;

static const char *level_name(enum log_level level)
{
    switch (level) {
    case LOG_DEBUG:
        return "debug";
    case LOG_INFO:
        return "info";
    case LOG_WARN:
        return "warn";
    case LOG_ERROR:
        return "error";
    }
    return "?";
}

void log_open(const char *service, const char *instance, enum log_level minimum)
{
    snprintf(log_service, sizeof log_service, "%s", service);
    snprintf(log_instance, sizeof log_instance, "%s", instance);
    atomic_store(&log_minimum, (int)minimum);
}

static void start_line(struct log_line *line, enum log_level level, const char *message)
{
    const struct clock_port *clock = clock_system();
    char at[INSTANT_TEXT_SIZE];
    instant_format(clock->now(clock->self), at);
    log_line_start(line);
    log_line_text(line, "at", bytes_str(at));
    log_line_text(line, "level", bytes_str(level_name(level)));
    log_line_text(line, "service", bytes_str(log_service));
    log_line_text(line, "instance", bytes_str(log_instance));
    log_line_text(line, "msg", bytes_str(message));
}

// Nobody can be told when standard error is gone or full: the line is lost.
static void write_line(struct log_line *line)
{
    log_line_end(line);
    for (size_t done = 0; done < line->size;) {
        const ssize_t written = write(STDERR_FILENO, line->text + done, line->size - done);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return;
        done += (size_t)written;
    }
}

static bool take_missed(int64_t now_us, struct log_limit_slot *ret_missed)
{
    pthread_mutex_lock(&log_lock);
    const bool found = log_limit_take_missed(&log_limit, now_us, ret_missed);
    pthread_mutex_unlock(&log_lock);
    return found;
}

// A line for each message of which some weren't written, with their number.
static void write_missed(int64_t now_us)
{
    struct log_limit_slot missed;
    while (take_missed(now_us, &missed)) {
        struct log_line line;
        start_line(&line, missed.level, missed.message);
        log_line_int(&line, "not_logged", missed.missed);
        write_line(&line);
    }
}

static void put_field(struct log_line *line, const struct log_field *field)
{
    if (field->name[0] == '\0') // the last of LOG's, so that there may be no other
        return;
    switch (field->type) {
    case LOG_FIELD_TEXT:
        if (field->text != NULL)
            log_line_text(line, field->name, bytes_str(field->text));
        break;
    case LOG_FIELD_INT:
        log_line_int(line, field->name, field->number);
        break;
    case LOG_FIELD_BYTES:
        log_line_text(line, field->name, field->bytes);
        break;
    }
}

void log_write(enum log_level level, const char *message, const struct log_field *fields, size_t count)
{
    if ((int)level < atomic_load_explicit(&log_minimum, memory_order_relaxed))
        return;
    const int saved_errno = errno;
    const struct clock_port *clock = clock_system();
    const int64_t now_us = clock->monotonic_us(clock->self);
    write_missed(now_us);

    pthread_mutex_lock(&log_lock);
    const bool allowed = log_limit_allows(&log_limit, level, message, now_us);
    pthread_mutex_unlock(&log_lock);
    if (allowed) {
        struct log_line line;
        start_line(&line, level, message);
        for (size_t i = 0; i < count; i++)
            put_field(&line, &fields[i]);
        write_line(&line);
    }
    errno = saved_errno;
}
