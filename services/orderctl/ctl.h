// orderctl: the command line. What its files share.
//
// Talks to the HTTP APIs of intake and desk (ORDERCLERK_INTAKE_URL, ORDERCLERK_DESK_URL, or --intake, --desk); the saga's
// table needs neither. The audits alone read Kafka and PostgreSQL themselves (ctl_audit.h): they check what the APIs show.
// Tables for people, --json for programs.
#pragma once

#include "base/arena.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum ctl_exit {
    CTL_OK = 0,
    CTL_REFUSED = 1,     // the service understood and said no; the problem is printed
    CTL_USAGE = 2,       // the command line can't be understood
    CTL_UNREACHABLE = 3, // no answer, or 5xx: try again later
    CTL_NOT_YET =
        4, // --wait: the time is over and the order is not there yet; an audit: orders are still on their way
    CTL_DIFFERS = 5, // a check found something
};

struct ctl {
    struct arena *arena;
    const char *intake;
    const char *desk;
    const char *idempotency_key; // --key; NULL: one is made
    bool json;
    bool repair;
    int64_t wait_s; // --wait; -1: not asked for
    int argc;       // what is left after the options: the command's words
    char **argv;
    const char *options[16][2]; // --name value, for the command to look up
    size_t option_count;
};

// The value of --name, or NULL.
const char *ctl_option(const struct ctl *ctl, const char *name);
// The n-th word after the command's own; NULL: not given.
const char *ctl_word(const struct ctl *ctl, int n);
enum ctl_exit ctl_usage(const char *format, ...) __attribute__((format(printf, 1, 2)));

// ---- ctl_http.c

struct ctl_answer {
    long status; // 0: no answer
    char *body;  // in the arena, with a terminating zero
    size_t size;
    char *location; // NULL: none
    int retry_after_s;
};

enum ctl_base { CTL_INTAKE, CTL_DESK };

// Sends body (NULL: none) and returns CTL_OK on 2xx; prints the problem and returns its exit status otherwise. 503 and lost
// connections are tried again for up to 10 s: requests carry an Idempotency-Key, so that this is safe.
enum ctl_exit ctl_request(struct ctl *ctl, enum ctl_base base, const char *method, const char *path,
                          const char *content_type, const char *body, size_t size,
                          struct ctl_answer *ret_answer);
// GET, parsed. The caller json_decrefs.
enum ctl_exit ctl_get(struct ctl *ctl, enum ctl_base base, const char *path, json_t **ret_json);
// POST of a JSON document, which is taken over; the parsed answer is the caller's.
enum ctl_exit ctl_post(struct ctl *ctl, enum ctl_base base, const char *path, json_t *document,
                       json_t **ret_json);
// A file's bytes ("-": standard input), in the arena.
enum ctl_exit ctl_read_file(struct ctl *ctl, const char *path, char **ret_data, size_t *ret_size);
char *ctl_escape(struct ctl *ctl, const char *text); // for a path segment or query value

// ---- ctl_print.c

struct ctl_column {
    const char *title;
    const char *member; // of each object
    bool right;         // numbers
};
void ctl_table(const json_t *rows, const struct ctl_column *columns, size_t count);
void ctl_print_json(const json_t *value);
const char *ctl_text(const json_t *object, const char *member); // "" where it is missing; numbers as text
const char *ctl_minor(struct arena *arena, int64_t minor, const char *currency); // "1 250.00 CNY"
void ctl_print_problem(const char *body, long status);

// ---- the commands, one file per noun
enum ctl_exit ctl_order(struct ctl *ctl);
enum ctl_exit ctl_task(struct ctl *ctl);
enum ctl_exit ctl_department(struct ctl *ctl);
enum ctl_exit ctl_reference(struct ctl *ctl);
enum ctl_exit ctl_stock(struct ctl *ctl);
enum ctl_exit ctl_dead_letter(struct ctl *ctl);
enum ctl_exit ctl_saga(struct ctl *ctl);
enum ctl_exit ctl_ready(struct ctl *ctl);
