// The machine of imports. The server's thread reads rows and submits; ingress's thread brings the answers; both meet at
// import.lock. The import outlives its exchange until the last answer is there.
#include "intake/intake_import.h"

#include "intake/intake_http.h"
#include "pg/db_clock.h"
#include "json/order_json.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OUTSTANDING_MAX 512                   // submissions without an answer: reading pauses …
#define OUTSTANDING_LOW 256                   // … until so many are left
#define ROOM_WAIT_US    (60 * INSTANT_SECOND) // for the publisher or the database; then lines fail
#define RESULTS_MAX     ((size_t)32 << 20)    // bytes; about 200 000 results
#define GROUP_BYTES_MAX ((size_t)640 * 1024)  // an order's rows: its record must stay below Kafka's limit
#define UNIT_BYTES      ((size_t)8 * 1024)

enum result {
    RESULT_ACCEPTED,
    RESULT_REPEATED,
    RESULT_REFUSED,
    RESULT_CONFLICT,
    RESULT_FAILED,
    RESULT_COUNT
};
static const char *const result_names[] = {"accepted", "repeated", "refused", "conflict", "failed"};

// The rows of the unit under way.
struct group {
    struct arena *arena; // NULL: none
    struct jsonr_doc *doc;
    struct jsonr_problems problems;
    size_t line, last_line, rows;
    const char *key;
    const char **first_cells;
    char *raw;
    size_t raw_size, raw_capacity;
};

struct import {
    struct intake *intake;
    const struct import_kind *kind;
    enum intake_rows_format format;
    struct intake_rows *rows;
    char client[128];
    char key[INTAKE_KEY_MAX + 1]; // empty: none
    // CSV
    struct arena *arena;
    const char *columns[ROWS_CELLS_MAX];
    size_t column_count;
    char *header;
    size_t key_column; // of group_by
    bool tainted;      // the row before couldn't be read: it may have been a part of the next order
    struct group group;

    pthread_mutex_t lock;
    int references;
    struct http_exchange *x; // NULL: gone, or answered
    size_t outstanding;
    bool paused;
    bool awaits_room; // and stays paused until it is told
    bool late;        // has waited for room in vain: it waits no more
    bool ended;
    char *results;
    size_t results_size, results_capacity;
    size_t counts[RESULT_COUNT];
};

struct slip {
    struct import *import;
    size_t line, last_line;
    char label[];
};

// ---- results; under lock

static void add_result(struct import *import, struct bytes json)
{
    if (import->results_size + json.size + 1 > import->results_capacity) {
        import->results_capacity = (import->results_size + json.size + 1) * 2;
        char *bigger = realloc(import->results, import->results_capacity);
        if (bigger == NULL)
            abort();
        import->results = bigger;
    }
    memcpy(import->results + import->results_size, json.data, json.size);
    import->results_size += json.size;
    import->results[import->results_size++] = '\n';
}

static void note_result(struct import *import, struct arena *arena, enum result result, size_t line,
                        size_t last_line, const char *label, const struct ingress_answer *answer,
                        const struct jsonr_problems *problems)
{
    struct jsonw w;
    jsonw_open(&w, arena);
    jsonw_begin_object(&w, NULL);
    jsonw_int(&w, "line", (int64_t)line);
    if (last_line != line)
        jsonw_int(&w, "last_line", (int64_t)last_line);
    jsonw_str(&w, "status", result_names[result]);
    if (label != NULL && label[0] != '\0')
        jsonw_str(&w, import->kind->label, label);
    if (answer != NULL && !uuid_is_nil(answer->subject) && result != RESULT_CONFLICT) {
        char id[UUID_TEXT_SIZE];
        uuid_format(answer->subject, id);
        jsonw_str(&w, "order_id", id);
    }
    if (result == RESULT_CONFLICT)
        jsonw_str(&w, "detail", "was submitted before with another content");
    if (result == RESULT_FAILED)
        jsonw_str(&w, "detail", "could not be stored now; send it again");
    if (problems != NULL)
        jsonr_problems_write(&w, "problems", problems);
    jsonw_end_object(&w);
    add_result(import, jsonw_done(&w));
    import->counts[result]++;
}

static void reply(struct import *import)
{
    struct http_exchange *x = import->x;
    struct jsonw w;
    jsonw_open(&w, http_arena(x));
    jsonw_begin_object(&w, NULL);
    jsonw_begin_object(&w, "summary");
    for (size_t i = 0; i < RESULT_COUNT; i++)
        jsonw_int(&w, result_names[i], (int64_t)import->counts[i]);
    jsonw_end_object(&w);
    jsonw_end_object(&w);
    add_result(import, jsonw_done(&w));
    import->x = NULL;
    http_reply(x, 200, "application/x-ndjson", bytes_of(import->results, import->results_size));
}

// ---- life

static void group_clear(struct group *group)
{
    jsonr_free(group->doc);
    arena_free(group->arena);
    free(group->raw);
    *group = (struct group){.arena = NULL};
}

// Takes the lock with it.
static void release(struct import *import)
{
    bool last = --import->references == 0;
    pthread_mutex_unlock(&import->lock);
    if (!last)
        return;
    group_clear(&import->group);
    intake_rows_free(import->rows);
    arena_free(import->arena);
    free(import->header);
    free(import->results);
    pthread_mutex_destroy(&import->lock);
    free(import);
}

// The exchange ends: answered, or its client has gone.
static void leave(void *user)
{
    struct import *import = user;
    pthread_mutex_lock(&import->lock);
    import->x = NULL;
    release(import);
}

static struct import *import_new(void *context, struct http_exchange *x)
{
    struct intake *intake = intake_of(context);
    const char *client = intake_client(x);
    struct bytes key;
    const struct import_kind *kind = import_kind_of(http_path(x));
    if (client == NULL || !intake_key(x, &key))
        return NULL;
    if (kind == &import_orders ? !intake_takes_orders(intake, x) : !intake_takes(intake, x))
        return NULL;
    struct import *import = calloc(1, sizeof *import);
    if (import == NULL)
        abort();
    const char *type = http_header(x, "Content-Type");
    import->format = type != NULL && strncasecmp(type, "text/csv", 8) == 0 ? ROWS_CSV : ROWS_NDJSON;
    import->intake = intake;
    import->kind = kind;
    import->rows = intake_rows_new(import->format);
    import->arena = arena_new(1024);
    snprintf(import->client, sizeof import->client, "%s", client);
    snprintf(import->key, sizeof import->key, "%.*s", (int)key.size,
             key.data != NULL ? (const char *)key.data : "");
    pthread_mutex_init(&import->lock, NULL);
    import->references = 1;
    import->x = x;
    http_set_user(x, import, leave);
    return import;
}

// Whether it could be taken now.
static bool has_room(const struct import *import)
{
    int retry_after_s = 0;
    return ingress_accepts(import->intake->ingress, &retry_after_s) &&
           (import->kind != &import_orders || !backlog_full(import->intake->backlog, &retry_after_s));
}

// ---- submitting

// Under lock.
static void resume_if_low(struct import *import)
{
    if (import->x == NULL || !import->paused || import->awaits_room || import->outstanding > OUTSTANDING_LOW)
        return;
    import->paused = false;
    http_resume(import->x);
}

static void stored(void *self, const struct ingress_answer *answer)
{
    static const enum result results[] = {[INGRESS_STORED] = RESULT_ACCEPTED,
                                          [INGRESS_REPEATED] = RESULT_REPEATED,
                                          [INGRESS_CONFLICT] = RESULT_CONFLICT,
                                          [INGRESS_FAILED] = RESULT_FAILED,
                                          [INGRESS_UNKNOWN] = RESULT_FAILED};
    struct slip *slip = self;
    struct import *import = slip->import;
    struct arena *arena = arena_new(1024);
    pthread_mutex_lock(&import->lock);
    note_result(import, arena, results[answer->status], slip->line, slip->last_line, slip->label, answer,
                NULL);
    import->outstanding--;
    if (import->x != NULL && import->ended && import->outstanding == 0) {
        reply(import);
    } else {
        resume_if_low(import);
    }
    release(import);
    arena_free(arena);
    free(slip);
}

static void room_told(void *self, bool room)
{
    struct import *import = self;
    pthread_mutex_lock(&import->lock);
    import->awaits_room = false;
    import->late = !room;
    resume_if_low(import);
    release(import);
}

static void await_room(struct import *import)
{
    int retry_after_s = 0;
    if (ingress_accepts(import->intake->ingress, &retry_after_s))
        backlog_await(import->intake->backlog, ROOM_WAIT_US, room_told, import);
    else
        ingress_await_room(import->intake->ingress, ROOM_WAIT_US, room_told, import);
}

static void refuse(struct import *import, struct arena *arena, size_t line, size_t last_line,
                   const char *label, const struct jsonr_problems *problems)
{
    pthread_mutex_lock(&import->lock);
    note_result(import, arena, RESULT_REFUSED, line, last_line, label, NULL, problems);
    pthread_mutex_unlock(&import->lock);
}

static void submit(struct import *import, const struct import_unit *unit, size_t last_line,
                   const struct ingress_item *item, const char *label)
{
    pthread_mutex_lock(&import->lock);
    bool late = import->late;
    pthread_mutex_unlock(&import->lock);
    if (late && !has_room(import)) {
        pthread_mutex_lock(&import->lock);
        note_result(import, unit->arena, RESULT_FAILED, unit->line, last_line, label, NULL, NULL);
        pthread_mutex_unlock(&import->lock);
        return;
    }
    size_t size = strlen(label) + 1;
    struct slip *slip = malloc(sizeof *slip + size);
    if (slip == NULL)
        abort();
    *slip = (struct slip){.import = import, .line = unit->line, .last_line = last_line};
    memcpy(slip->label, label, size);
    pthread_mutex_lock(&import->lock);
    import->outstanding++;
    import->references++;
    pthread_mutex_unlock(&import->lock);
    ingress_submit(import->intake->ingress, item, stored, slip);
}

static void make_and_submit(struct import *import, struct arena *arena, struct jsonr_problems *problems,
                            const struct jsonr_value *object, struct bytes raw, size_t line, size_t last_line)
{
    bool csv = import->format == ROWS_CSV;
    struct import_unit unit = {.arena = arena,
                               .line = line,
                               .raw = raw,
                               .content_type = csv ? "text/csv" : "application/x-ndjson",
                               .object = object,
                               .from_text = csv,
                               .client = import->client,
                               .now = db_clock_now(),
                               .problems = problems};
    if (import->key[0] != '\0')
        unit.key = bytes_str(arena_printf(arena, "%s#%zu", import->key, line));
    struct ingress_item item;
    const char *label = "";
    if (import->kind->make(import->kind, &unit, &item, &label) && problems->count == 0)
        submit(import, &unit, last_line, &item, label);
    else
        refuse(import, arena, line, last_line, label, problems);
}

// ---- CSV: the header, and groups of rows

static size_t column_of(const struct import *import, const char *name)
{
    for (size_t i = 0; i < import->column_count; i++)
        if (strcmp(import->columns[i], name) == 0)
            return i;
    return ROWS_CELLS_MAX;
}

static struct bytes trimmed(struct bytes text)
{
    const char *data = text.data;
    while (text.size > 0 && (data[0] == ' ' || data[0] == '\t')) {
        data++;
        text.size--;
    }
    while (text.size > 0 && (data[text.size - 1] == ' ' || data[text.size - 1] == '\t'))
        text.size--;
    return bytes_of(data, text.size);
}

// Names what is missing, unknown or there twice. False: answered.
static bool read_header(struct import *import, const struct intake_row *row)
{
    struct jsonr_problems problems = {.arena = import->arena};
    if (row->error != NULL)
        jsonr_problem(&problems, "malformed", "header", "send column names in the first line",
                      "the first line %s", row->error);
    for (size_t i = 0; i < row->cell_count; i++) {
        const char *name = arena_str(import->arena, trimmed(row->cells[i]));
        if (column_of(import, name) < ROWS_CELLS_MAX)
            jsonr_problem(&problems, "duplicate", name, "name each column once",
                          "column \"%s\" is there twice", name);
        else if (!import->kind->knows_column(import->kind, name))
            jsonr_problem(&problems, "unknown_field", name, "leave the column out",
                          "column \"%s\" isn't known here", name);
        import->columns[import->column_count++] = name;
    }
    for (const char *const *name = import->kind->required; row->error == NULL && *name != NULL; name++)
        if (column_of(import, *name) == ROWS_CELLS_MAX)
            jsonr_problem(&problems, "missing_column", *name,
                          arena_printf(import->arena, "add a column \"%s\"", *name),
                          "column \"%s\" is missing", *name);
    if (problems.count > 0) {
        pthread_mutex_lock(&import->lock);
        struct http_exchange *x = import->x;
        import->x = NULL;
        pthread_mutex_unlock(&import->lock);
        intake_refuse(x, "The file's columns aren't right", &problems);
        return false;
    }
    import->header = strndup(row->raw.data, row->raw.size);
    if (import->kind->group_by != NULL)
        import->key_column = column_of(import, import->kind->group_by);
    return true;
}

static void add_raw(struct group *group, struct bytes text)
{
    if (group->raw_size + text.size + 1 > group->raw_capacity) {
        group->raw_capacity = (group->raw_size + text.size + 1) * 2;
        char *bigger = realloc(group->raw, group->raw_capacity);
        if (bigger == NULL)
            abort();
        group->raw = bigger;
    }
    memcpy(group->raw + group->raw_size, text.data, text.size);
    group->raw_size += text.size;
    group->raw[group->raw_size++] = '\n';
}

static void finish_group(struct import *import)
{
    struct group *group = &import->group;
    if (group->arena == NULL)
        return;
    if (group->raw_size > GROUP_BYTES_MAX)
        jsonr_problem(&group->problems, "too_large", "", "shorten its texts",
                      "the order's rows have more than %zu bytes", GROUP_BYTES_MAX);
    if (group->problems.count > 0)
        refuse(import, group->arena, group->line, group->last_line, group->key, &group->problems);
    else
        make_and_submit(import, group->arena, &group->problems, jsonr_root(group->doc),
                        bytes_of(group->raw, group->raw_size), group->line, group->last_line);
    group_clear(group);
}

static void begin_group(struct import *import, const struct intake_row *row)
{
    struct group *group = &import->group;
    *group = (struct group){.arena = arena_new(UNIT_BYTES), .doc = jsonr_new(), .line = row->line};
    group->problems.arena = group->arena;
    group->first_cells = arena_new_array(group->arena, const char *, import->column_count);
    for (size_t i = 0; i < import->column_count; i++)
        group->first_cells[i] = arena_str(group->arena, trimmed(row->cells[i]));
    group->key = import->kind->group_by != NULL ? group->first_cells[import->key_column] : "";
    if (import->tainted)
        jsonr_problem(&group->problems, "malformed", "", "mend the row before",
                      "the row before can't be read: it may belong to it");
    import->tainted = false;
    add_raw(group, bytes_str(import->header));
}

static void add_row(struct import *import, const struct intake_row *row)
{
    struct group *group = &import->group;
    bool grouped = import->kind->group_by != NULL;
    bool continued = group->rows > 0;
    group->last_line = row->line;
    if (grouped && group->rows++ >= ORDER_LINES_MAX) {
        if (group->rows == ORDER_LINES_MAX + 1)
            jsonr_problem(&group->problems, "too_many", "lines", "split the order", "has more than %d lines",
                          ORDER_LINES_MAX);
        return;
    }
    struct jsonr_value *line = grouped ? jsonr_put_item(group->doc, "lines") : NULL;
    if (group->raw_size <= GROUP_BYTES_MAX)
        add_raw(group, row->raw);
    for (size_t i = 0; i < import->column_count; i++) {
        struct bytes cell = trimmed(row->cells[i]);
        if (cell.size == 0)
            continue;
        if (grouped && import->kind->is_line_column(import->columns[i]))
            jsonr_put(group->doc, line, import->columns[i], cell);
        else if (!continued || group->first_cells[i][0] == '\0')
            jsonr_put(group->doc, NULL, import->columns[i], cell);
        else if (!bytes_is(cell, group->first_cells[i]))
            jsonr_problem(&group->problems, "differs", import->columns[i],
                          "give all rows of an order the same value",
                          "line %zu says something else than line %zu", row->line, group->line);
    }
}

static void refuse_row(struct import *import, const struct intake_row *row, const char *why)
{
    struct arena *arena = arena_new(1024);
    struct jsonr_problems problems = {.arena = arena};
    const char *remedy = strstr(why, "; ");
    jsonr_problem(&problems, "malformed", "", remedy != NULL ? remedy + 2 : "mend the row", "the row %.*s",
                  remedy != NULL ? (int)(remedy - why) : (int)strlen(why), why);
    refuse(import, arena, row->line, row->line, NULL, &problems);
    arena_free(arena);
}

static bool take_csv(struct import *import, const struct intake_row *row)
{
    if (import->header == NULL)
        return read_header(import, row);
    struct group *group = &import->group;
    char counts[96];
    snprintf(counts, sizeof counts, "has %zu cells; the header has %zu", row->cell_count,
             import->column_count);
    const char *why = row->error != NULL                        ? row->error
                      : row->cell_count != import->column_count ? counts
                                                                : NULL;
    if (why != NULL) {
        if (group->arena != NULL)
            jsonr_problem(&group->problems, "malformed", "", "mend the row after",
                          "line %zu can't be read: it may belong to it", row->line);
        finish_group(import);
        refuse_row(import, row, why);
        import->tainted = import->kind->group_by != NULL;
        return true;
    }
    bool same = group->arena != NULL && import->kind->group_by != NULL && group->key[0] != '\0' &&
                bytes_is(trimmed(row->cells[import->key_column]), group->key);
    if (!same) {
        finish_group(import);
        begin_group(import, row);
    }
    add_row(import, row);
    if (import->kind->group_by == NULL)
        finish_group(import);
    return true;
}

static bool take_line(struct import *import, const struct intake_row *row)
{
    if (row->error != NULL) {
        refuse_row(import, row, row->error);
        return true;
    }
    struct arena *arena = arena_new(UNIT_BYTES);
    struct jsonr_problems problems = {.arena = arena};
    struct jsonr_doc *doc = jsonr_parse(row->raw, &problems);
    if (doc != NULL && jsonr_type_of(jsonr_root(doc)) != JSONR_OBJECT)
        jsonr_problem(&problems, "type", "", "send an object", "is %s",
                      jsonr_type_name(jsonr_type_of(jsonr_root(doc))));
    if (problems.count > 0)
        refuse(import, arena, row->line, row->line, NULL, &problems);
    else
        make_and_submit(import, arena, &problems, jsonr_root(doc), row->raw, row->line, row->line);
    jsonr_free(doc);
    arena_free(arena);
    return true;
}

static bool take_row(void *self, const struct intake_row *row)
{
    struct import *import = self;
    return import->format == ROWS_CSV ? take_csv(import, row) : take_line(import, row);
}

// ---- the routes

// False: answered with 413. Pauses reading while too much has no answer, or can't be taken just now.
static bool check_bounds(struct import *import, struct http_exchange *x)
{
    const bool room = has_room(import);
    pthread_mutex_lock(&import->lock);
    bool too_many = import->results_size > RESULTS_MAX;
    bool wait = !too_many && !room && !import->late;
    if (too_many)
        import->x = NULL;
    else if (wait || import->outstanding > OUTSTANDING_MAX) {
        import->paused = true;
        http_pause(x);
    }
    if (wait) {
        import->awaits_room = true;
        import->references++;
    }
    pthread_mutex_unlock(&import->lock);
    if (wait)
        await_room(import);
    if (too_many)
        http_reply_problem(
            x, &(struct http_problem){.status = 413,
                                      .type = "too-large",
                                      .title = "The file has too many rows",
                                      .detail = "what came before this has been taken",
                                      .remedy = "split the file; rows that were taken may be sent again"});
    return !too_many;
}

bool intake_import_chunk(void *context, struct http_exchange *x, struct bytes piece)
{
    struct import *import = http_user(x);
    if (import == NULL)
        import = import_new(context, x);
    if (import == NULL)
        return false;
    return intake_rows_feed(import->rows, piece, take_row, import) && check_bounds(import, x);
}

void intake_import_end(void *context, struct http_exchange *x)
{
    struct import *import = http_user(x);
    if (import == NULL)
        import = import_new(context, x); // an empty body
    if (import == NULL || !intake_rows_end(import->rows, take_row, import))
        return;
    finish_group(import);
    pthread_mutex_lock(&import->lock);
    import->ended = true;
    bool empty = import->format == ROWS_CSV && import->header == NULL;
    if (empty)
        import->x = NULL;
    else if (import->outstanding == 0)
        reply(import);
    else
        http_defer(x);
    pthread_mutex_unlock(&import->lock);
    if (empty)
        http_reply_problem(
            x, &(struct http_problem){.status = 400,
                                      .type = "invalid",
                                      .title = "The file is empty",
                                      .remedy = "send column names in the first line, then the rows"});
}
