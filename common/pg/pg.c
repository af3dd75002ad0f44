// A connection in pipeline mode: what was sent and is not answered stands in a queue, in order. See pg.h.
#include "pg/pg.h"

#include "base/hash.h"
#include "base/mutant.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#define PENDING_MAX  1024 // statements in one round trip; a batch has some dozens
#define PREPARED_MAX 1024 // statements per connection, a power of two; a service has about a hundred
#define PARAMS_MAX   128  // columns of a table
#define OPTIONS_MAX  64   // keywords of a DSN; libpq knows about 45

#define SESSION_SETTINGS                                                                                     \
    "-c idle_in_transaction_session_timeout=2s -c lock_timeout=2s -c statement_timeout=10s -c jit=off -c "   \
    "timezone=UTC"

enum pending_kind { PENDING_PREPARE, PENDING_STATEMENT, PENDING_SYNC };

struct pending {
    enum pending_kind kind;
    size_t prepared; // index of the statement
};

enum prepared_state { PREPARED_NOT, PREPARED_SENT, PREPARED_READY };

struct prepared {
    const char *sql; // NULL: free
    enum prepared_state state;
};

struct pg {
    PGconn *conn;
    bool dead;
    bool committed_locally;
    struct pending pending[PENDING_MAX]; // ring
    size_t first;
    size_t count;
    size_t syncs; // in the queue
    struct prepared prepared[PREPARED_MAX];
    size_t prepared_count;
};

// ---- errors

enum err_class pg_error_class(const char *sqlstate)
{
    static const struct {
        const char *prefix;
        enum err_class class;
    } classes[] = {
        {"08", ERR_FENCED},    // connection
        {"57P", ERR_FENCED},   // the server ends, or ended this session
        {"25P03", ERR_FENCED}, // idle in a transaction for too long
        {"25006", ERR_FENCED}, // a standby now: the primary is elsewhere
        {"26000", ERR_FENCED}, // a prepared statement is gone: a new connection prepares anew
        {"22", ERR_REJECT},    // data
        {"23", ERR_REJECT},    // constraints
        {"54", ERR_REJECT},    // too large for an index or a row
        {"40", ERR_RETRY},     // serialisation, deadlock
        {"55", ERR_RETRY},     // lock not available, object in use
        {"57014", ERR_RETRY},  // cancelled, by statement_timeout too
        {"53", ERR_RETRY},     // resources: disk, memory, connections
        {"58", ERR_RETRY},     // I/O
        {"25P02", ERR_RETRY},  // after another error
        {"XX", ERR_RETRY},     // internal
    };
    for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++) {
        if (strncmp(sqlstate, classes[i].prefix, strlen(classes[i].prefix)) == 0)
            return classes[i].class;
    }
    return ERR_CONFIG;
}

static struct err lost(struct pg *pg)
{
    const char *message = PQerrorMessage(pg->conn);
    int size = (int)strcspn(message, "\n");
    pg->dead = true;
    if (size == 0)
        return err_make(ERR_FENCED, "connection to the database lost");
    return err_make(ERR_FENCED, "connection to the database lost: %.*s", size, message);
}

static const char *field(const PGresult *result, int code)
{
    const char *text = PQresultErrorField(result, code);
    return text == NULL ? "" : text;
}

static struct err result_error(struct pg *pg, const PGresult *result)
{
    if (PQresultStatus(result) == PGRES_PIPELINE_ABORTED)
        return err_make(ERR_RETRY, "not run: an earlier statement failed");
    const char *sqlstate = field(result, PG_DIAG_SQLSTATE);
    const char *severity = field(result, PG_DIAG_SEVERITY_NONLOCALIZED);
    if (sqlstate[0] == '\0')
        return lost(pg);
    enum err_class class = pg_error_class(sqlstate);
    if (strcmp(severity, "FATAL") == 0 || strcmp(severity, "PANIC") == 0)
        class = ERR_FENCED;
    // "cached plan must not change result type": its tables were altered; a new connection prepares anew.
    if (strcmp(field(result, PG_DIAG_SOURCE_FUNCTION), "RevalidateCachedQuery") == 0)
        class = ERR_FENCED;
    if (class == ERR_FENCED)
        pg->dead = true;
    const char *table = field(result, PG_DIAG_TABLE_NAME);
    const char *constraint = field(result, PG_DIAG_CONSTRAINT_NAME);
    return err_make(class, "%s%s%s%s%s (SQLSTATE %s)", table, constraint[0] ? " " : "", constraint,
                    table[0] || constraint[0] ? ": " : "", field(result, PG_DIAG_MESSAGE_PRIMARY), sqlstate);
}

static void notice(void *self, const PGresult *result)
{
    struct pg *pg = self;
    // A commit whose wait for the standby was given up says so by a warning only (syncrep.c).
    if (strcmp(field(result, PG_DIAG_SOURCE_FUNCTION), "SyncRepWaitForLSN") == 0)
        pg->committed_locally = true;
}

bool pg_committed_locally(struct pg *pg)
{
    bool was = pg->committed_locally;
    pg->committed_locally = false;
    return was;
}

// ---- connecting

struct keywords {
    const char *names[OPTIONS_MAX + 1];
    const char *values[OPTIONS_MAX + 1];
    size_t count;
};

static void keyword_add(struct keywords *k, const char *name, const char *value)
{
    assert(k->count < OPTIONS_MAX);
    k->names[k->count] = name;
    k->values[k->count++] = value;
}

static const char *keyword_get(const PQconninfoOption *given, const char *name)
{
    for (const PQconninfoOption *o = given; o->keyword != NULL; o++) {
        if (strcmp(o->keyword, name) == 0)
            return o->val;
    }
    return NULL;
}

static PGconn *connect_with(const PQconninfoOption *given, const char *application, const char *settings)
{
    static const char *const defaults[][2] = {
        {"connect_timeout", "10"},   {"keepalives", "1"},
        {"keepalives_idle", "2"},    {"keepalives_interval", "1"},
        {"keepalives_count", "3"},   {"tcp_user_timeout", "5000"},
        {"client_encoding", "UTF8"}, {"target_session_attrs", "read-write"},
    };
    struct keywords k = {.count = 0};
    char options[1024];
    const char *own = keyword_get(given, "options");
    const char *session =
        MUTANT(asynchronous_commit) ? SESSION_SETTINGS " -c synchronous_commit=off" : SESSION_SETTINGS;
    int size = snprintf(options, sizeof options, "%s %s %s", session, settings == NULL ? "" : settings,
                        own == NULL ? "" : own);
    if (size < 0 || (size_t)size >= sizeof options)
        return NULL;
    for (const PQconninfoOption *o = given; o->keyword != NULL; o++) {
        if (o->val != NULL && strcmp(o->keyword, "options") != 0)
            keyword_add(&k, o->keyword, o->val);
    }
    for (size_t i = 0; i < sizeof defaults / sizeof defaults[0]; i++) {
        if (keyword_get(given, defaults[i][0]) == NULL)
            keyword_add(&k, defaults[i][0], defaults[i][1]);
    }
    if (keyword_get(given, "application_name") == NULL)
        keyword_add(&k, "application_name", application);
    keyword_add(&k, "options", options);
    return PQconnectdbParams(k.names, k.values, 0);
}

struct err pg_open(const char *dsn, const char *application, const char *settings, struct pg **ret_pg)
{
    char *why = NULL;
    PQconninfoOption *given = PQconninfoParse(dsn, &why);
    if (given == NULL) {
        struct err e =
            err_make(ERR_CONFIG, "not a connection string: %s", why == NULL ? "out of memory" : why);
        PQfreemem(why);
        return e;
    }
    PGconn *conn = connect_with(given, application, settings);
    PQconninfoFree(given);
    if (conn == NULL)
        return err_make(ERR_CONFIG, "connection string: `options` is too long, or memory is exhausted");
    if (PQstatus(conn) != CONNECTION_OK) {
        const char *message = PQerrorMessage(conn);
        struct err e = err_make(ERR_RETRY, "%.*s", (int)strcspn(message, "\n"), message);
        PQfinish(conn);
        return e;
    }
    struct pg *pg = calloc(1, sizeof *pg);
    if (pg == NULL || PQsetnonblocking(conn, 1) != 0 || PQenterPipelineMode(conn) != 1) {
        free(pg);
        PQfinish(conn);
        return err_make(ERR_RETRY, "out of memory");
    }
    pg->conn = conn;
    PQsetNoticeReceiver(conn, notice, pg);
    *ret_pg = pg;
    return err_ok();
}

void pg_close(struct pg *pg)
{
    if (pg == NULL)
        return;
    PQfinish(pg->conn);
    free(pg);
}

bool pg_alive(const struct pg *pg)
{
    return pg != NULL && !pg->dead && PQstatus(pg->conn) == CONNECTION_OK;
}

int pg_backend(const struct pg *pg)
{
    return PQbackendPID(pg->conn);
}

// ---- the queue of what isn't answered yet

static void pending_add(struct pg *pg, enum pending_kind kind, size_t prepared)
{
    assert(pg->count < PENDING_MAX);
    pg->pending[(pg->first + pg->count++) % PENDING_MAX] =
        (struct pending){.kind = kind, .prepared = prepared};
    pg->syncs += kind == PENDING_SYNC;
}

static struct pending pending_take(struct pg *pg)
{
    assert(pg->count > 0);
    struct pending p = pg->pending[pg->first];
    pg->first = (pg->first + 1) % PENDING_MAX;
    pg->count--;
    pg->syncs -= p.kind == PENDING_SYNC;
    return p;
}

// ---- sending

static size_t prepared_slot(struct pg *pg, const char *sql)
{
    size_t at = (size_t)hash_fnv1a(bytes_of(&sql, sizeof sql)) % PREPARED_MAX;
    while (pg->prepared[at].sql != NULL && pg->prepared[at].sql != sql)
        at = (at + 1) % PREPARED_MAX;
    if (pg->prepared[at].sql == NULL) {
        pg->prepared_count++;
        assert(pg->prepared_count < PREPARED_MAX);
        pg->prepared[at].sql = sql;
    }
    return at;
}

struct err pg_send(struct pg *pg, const char *sql, const struct pg_param *params, size_t param_count)
{
    assert(param_count <= PARAMS_MAX);
    if (!pg_alive(pg))
        return lost(pg);
    const char *values[PARAMS_MAX];
    int sizes[PARAMS_MAX];
    int formats[PARAMS_MAX];
    Oid types[PARAMS_MAX];
    for (size_t i = 0; i < param_count; i++) {
        values[i] = params[i].data;
        sizes[i] = params[i].size;
        formats[i] = 1;
        types[i] = params[i].type;
    }
    size_t at = prepared_slot(pg, sql);
    char name[24];
    snprintf(name, sizeof name, "s%zu", at);
    if (pg->prepared[at].state == PREPARED_NOT) {
        if (PQsendPrepare(pg->conn, name, sql, (int)param_count, types) != 1)
            return lost(pg);
        pg->prepared[at].state = PREPARED_SENT;
        pending_add(pg, PENDING_PREPARE, at);
    }
    if (PQsendQueryPrepared(pg->conn, name, (int)param_count, values, sizes, formats, 1) != 1)
        return lost(pg);
    pending_add(pg, PENDING_STATEMENT, at);
    return err_ok();
}

struct err pg_sync(struct pg *pg)
{
    if (!pg_alive(pg) || PQpipelineSync(pg->conn) != 1)
        return lost(pg);
    pending_add(pg, PENDING_SYNC, 0);
    return err_ok();
}

// ---- receiving

enum waited { WAITED_ANSWER, WAITED_TIMEOUT, WAITED_LOST };

// Sends what is left and reads until libpq has an answer. Each byte that comes in starts the timeout anew.
static enum waited wait_answer(struct pg *pg, int64_t timeout_us)
{
    int64_t until = clock_monotonic_us() + timeout_us;
    for (;;) {
        int unsent = PQflush(pg->conn);
        if (unsent < 0)
            return WAITED_LOST;
        if (!PQisBusy(pg->conn))
            return WAITED_ANSWER;
        int64_t left = until - clock_monotonic_us();
        if (left <= 0)
            return WAITED_TIMEOUT;
        struct pollfd fd = {.fd = PQsocket(pg->conn), .events = (short)(POLLIN | (unsent > 0 ? POLLOUT : 0))};
        int ready = poll(&fd, 1, (int)((left + 999) / 1000));
        if (ready < 0 && errno != EINTR)
            return WAITED_LOST;
        if (ready > 0 && (fd.revents & ~POLLOUT) != 0) {
            if (PQconsumeInput(pg->conn) != 1)
                return WAITED_LOST;
            until = clock_monotonic_us() + timeout_us;
        }
    }
}

bool pg_answered(struct pg *pg, int64_t timeout_us)
{
    if (!pg_alive(pg))
        return true;
    return wait_answer(pg, timeout_us) != WAITED_TIMEOUT;
}

// The next thing that libpq has; NULL between the answers of two statements. False: the connection is lost.
static bool take(struct pg *pg, PGresult **ret_result)
{
    if (pg->dead)
        return false;
    switch (wait_answer(pg, PG_SILENCE_MAX_US)) {
    case WAITED_ANSWER:
        *ret_result = PQgetResult(pg->conn);
        return true;
    case WAITED_TIMEOUT:
    case WAITED_LOST:
        break;
    }
    return false;
}

// The answer of one queued thing that isn't a sync.
static struct err take_answer(struct pg *pg, struct pending p, PGresult **ret_result)
{
    PGresult *answer = NULL;
    if (!take(pg, &answer) || answer == NULL)
        return lost(pg);
    ExecStatusType status = PQresultStatus(answer);
    bool good = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
    struct err e = good ? err_ok() : result_error(pg, answer);
    if (p.kind == PENDING_PREPARE)
        pg->prepared[p.prepared].state = good ? PREPARED_READY : PREPARED_NOT;
    PGresult *end = NULL;
    if (!pg->dead && (!take(pg, &end) || end != NULL)) {
        PQclear(end);
        e = lost(pg);
    }
    if (err_is(&e) || p.kind == PENDING_PREPARE)
        PQclear(answer);
    else
        *ret_result = answer;
    return e;
}

struct err pg_receive(struct pg *pg, PGresult **ret_result)
{
    for (;;) {
        if (!pg_alive(pg))
            return lost(pg);
        struct pending p = pending_take(pg);
        assert(p.kind != PENDING_SYNC); // more receives than sends
        struct err e = take_answer(pg, p, ret_result);
        if (err_is(&e) || p.kind == PENDING_STATEMENT)
            return e;
    }
}

struct err pg_drain(struct pg *pg)
{
    struct err first = err_ok();
    while (pg->count > 0) {
        if (!pg_alive(pg))
            return lost(pg);
        struct pending p = pending_take(pg);
        PGresult *result = NULL;
        struct err e = err_ok();
        if (p.kind != PENDING_SYNC) {
            e = take_answer(pg, p, &result);
        } else if (!take(pg, &result) || result == NULL || PQresultStatus(result) != PGRES_PIPELINE_SYNC) {
            e = lost(pg);
        }
        PQclear(result);
        if (err_is(&e) && (!err_is(&first) || e.class == ERR_FENCED))
            first = e;
        if (p.kind == PENDING_SYNC)
            break;
    }
    return first;
}

// Reads everything that is under way; errors in it are no news. False: the connection is lost.
static bool quiet(struct pg *pg)
{
    if (pg->count > pg->syncs &&
        pg->pending[(pg->first + pg->count - 1) % PENDING_MAX].kind != PENDING_SYNC) {
        struct err e = pg_sync(pg);
        if (err_is(&e))
            return false;
    }
    while (pg->count > 0) {
        struct err e = pg_drain(pg);
        if (e.class == ERR_FENCED)
            return false;
    }
    return pg_alive(pg);
}

struct err pg_rollback(struct pg *pg)
{
    if (!quiet(pg))
        return lost(pg);
    PGTransactionStatusType status = PQtransactionStatus(pg->conn);
    if (status == PQTRANS_IDLE)
        return err_ok();
    struct err e = pg_send(pg, "ROLLBACK", NULL, 0);
    if (!err_is(&e))
        e = pg_sync(pg);
    if (!err_is(&e))
        e = pg_drain(pg);
    if (err_is(&e))
        return lost(pg);
    return e;
}

struct err pg_run(struct pg *pg, const char *sql, const struct pg_param *params, size_t param_count,
                  PGresult **ret_result)
{
    PGresult *result = NULL;
    struct err e = pg_send(pg, sql, params, param_count);
    if (!err_is(&e))
        e = pg_sync(pg);
    if (!err_is(&e))
        e = pg_receive(pg, &result);
    if (!err_is(&e)) {
        struct err end = pg_drain(pg);
        if (err_is(&end)) {
            PQclear(result);
            return end;
        }
        if (ret_result != NULL)
            *ret_result = result;
        else
            PQclear(result);
        return e;
    }
    if (e.class != ERR_FENCED) {
        struct err undone = pg_rollback(pg);
        if (err_is(&undone))
            return undone;
    }
    return e;
}
