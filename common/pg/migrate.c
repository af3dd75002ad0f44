// Numbered, forward-only migrations under an advisory lock, with checksums. See migrate.h.
#include "pg/migrate.h"

#include "base/hash.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEX_SIZE       (2 * SHA256_SIZE + 1)
#define STATEMENT_SIZE 512 // with a schema's or role's name, 63 bytes, quoted

struct session {
    PGconn *conn;
    char *schema; // quoted identifiers, of PQescapeIdentifier
    char *owner;
    const char *schema_name;
};

static struct err database_error(struct session *s, const char *what)
{
    const char *message = PQerrorMessage(s->conn);
    enum err_class class = PQstatus(s->conn) == CONNECTION_OK ? ERR_CONFIG : ERR_RETRY;
    return err_make(class, "%s: %.*s", what, (int)strcspn(message, "\n"), message);
}

static struct err session_open(const char *dsn, const char *schema, const char *owner,
                               struct session *ret_session)
{
    static const char *const names[] = {"dbname", "application_name", "connect_timeout", "client_encoding",
                                        NULL};
    const char *const values[] = {dsn, "orderclerk.migrate", "5", "UTF8", NULL};
    struct session s = {.conn = PQconnectdbParams(names, values, 1), .schema_name = schema};
    if (s.conn == NULL || PQstatus(s.conn) != CONNECTION_OK) {
        struct err e =
            s.conn == NULL ? err_make(ERR_RETRY, "out of memory") : database_error(&s, "can't connect");
        PQfinish(s.conn);
        return e;
    }
    s.schema = PQescapeIdentifier(s.conn, schema, strlen(schema));
    s.owner = owner == NULL ? NULL : PQescapeIdentifier(s.conn, owner, strlen(owner));
    if (s.schema == NULL || (owner != NULL && s.owner == NULL)) {
        PQfreemem(s.schema);
        PQfinish(s.conn);
        return err_make(ERR_CONFIG, "%s, %s: not names", schema, owner == NULL ? "" : owner);
    }
    *ret_session = s;
    return err_ok();
}

static void session_close(struct session *s)
{
    PQfreemem(s->schema);
    PQfreemem(s->owner);
    PQfinish(s->conn);
}

// A statement without data, or a migration's text: several statements.
static struct err execute(struct session *s, const char *sql, const char *what)
{
    PGresult *result = PQexec(s->conn, sql);
    ExecStatusType status = PQresultStatus(result);
    PQclear(result);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
        return database_error(s, what);
    return err_ok();
}

static struct err execute_named(struct session *s, const char *before, const char *name, const char *after,
                                const char *what)
{
    char sql[STATEMENT_SIZE];
    int size = snprintf(sql, sizeof sql, "%s%s%s", before, name, after);
    if (size < 0 || (size_t)size >= sizeof sql)
        return err_make(ERR_CONFIG, "%s: the name %s is too long", what, name);
    return execute(s, sql, what);
}

static void checksum(const struct migration *m, char ret_hex[static HEX_SIZE])
{
    uint8_t digest[SHA256_SIZE];
    hash_sha256(bytes_str(m->sql), digest);
    hash_hex(digest, sizeof digest, ret_hex);
}

// The migrations of this set that the database has: number and checksum, in rising order.
static struct err applied(struct session *s, const char *title, PGresult **ret_result)
{
    char sql[STATEMENT_SIZE];
    snprintf(sql, sizeof sql, "SELECT number, checksum FROM %s.migration WHERE title = $1 ORDER BY number",
             s->schema);
    PGresult *result = PQexecParams(s->conn, sql, 1, NULL, &title, NULL, NULL, 0);
    if (PQresultStatus(result) != PGRES_TUPLES_OK) {
        PQclear(result);
        return database_error(s, "reading what is applied");
    }
    *ret_result = result;
    return err_ok();
}

static const char *applied_checksum(const PGresult *result, unsigned number)
{
    for (int row = 0; row < PQntuples(result); row++) {
        if (strtoul(PQgetvalue(result, row, 0), NULL, 10) == number)
            return PQgetvalue(result, row, 1);
    }
    return NULL;
}

static struct err check_known(struct session *s, const struct migration_set *set, const PGresult *result)
{
    for (int row = 0; row < PQntuples(result); row++) {
        unsigned long number = strtoul(PQgetvalue(result, row, 0), NULL, 10);
        bool known = false;
        for (unsigned i = 0; i < set->count; i++)
            known = known || set->migrations[i].number == number;
        if (!known)
            return err_make(ERR_CONFIG,
                            "schema %s has migration %s %03lu, which this program doesn't know: it is older",
                            s->schema_name, set->title, number);
    }
    return err_ok();
}

static struct err check_checksum(struct session *s, const struct migration_set *set,
                                 const struct migration *m, const char *recorded)
{
    char hex[HEX_SIZE];
    checksum(m, hex);
    if (strcmp(hex, recorded) == 0)
        return err_ok();
    return err_make(ERR_CONFIG,
                    "schema %s: migration %s %s was changed after it was applied; add a new one instead",
                    s->schema_name, set->title, m->name);
}

static struct err record(struct session *s, const struct migration_set *set, const struct migration *m)
{
    char hex[HEX_SIZE];
    char number[16];
    char sql[STATEMENT_SIZE];
    checksum(m, hex);
    snprintf(number, sizeof number, "%u", m->number);
    snprintf(sql, sizeof sql,
             "INSERT INTO %s.migration (title, number, name, checksum) VALUES ($1, $2::integer, $3, $4)",
             s->schema);
    const char *const values[] = {set->title, number, m->name, hex};
    PGresult *result = PQexecParams(s->conn, sql, 4, NULL, values, NULL, NULL, 0);
    ExecStatusType status = PQresultStatus(result);
    PQclear(result);
    return status == PGRES_COMMAND_OK ? err_ok() : database_error(s, "recording a migration");
}

static struct err apply_one(struct session *s, const struct migration_set *set, const struct migration *m)
{
    struct err e = execute(s, "BEGIN", "begin");
    if (!err_is(&e))
        e = execute_named(s, "SET LOCAL search_path = ", s->schema, "", "search_path");
    if (!err_is(&e))
        e = execute(s, m->sql, "statement");
    if (!err_is(&e))
        e = record(s, set, m);
    if (!err_is(&e))
        e = execute(s, "COMMIT", "commit");
    if (err_is(&e)) {
        struct err undone = execute(s, "ROLLBACK", "rollback");
        (void)undone; // the first error says more; a connection that is lost rolls back by itself
    }
    return err_within(e, "schema %s: migration %s %s", s->schema_name, set->title, m->name);
}

// apply false: an error instead of applying.
static struct err run_set(struct session *s, const struct migration_set *set, bool apply)
{
    PGresult *have = NULL;
    struct err e = applied(s, set->title, &have);
    if (err_is(&e))
        return e;
    e = check_known(s, set, have);
    for (unsigned i = 0; i < set->count && !err_is(&e); i++) {
        const struct migration *m = &set->migrations[i];
        const char *recorded = applied_checksum(have, m->number);
        if (recorded != NULL)
            e = check_checksum(s, set, m, recorded);
        else if (apply)
            e = apply_one(s, set, m);
        else
            e = err_make(ERR_CONFIG, "schema %s lacks migration %s %s: run with --migrate first",
                         s->schema_name, set->title, m->name);
    }
    PQclear(have);
    return e;
}

static struct err prepare_schema(struct session *s)
{
    // Waits for another that migrates the same schema, and ends with the session.
    static const char lock[] = "SELECT pg_advisory_lock(hashtextextended('orderclerk.migrate.' || $1, 0))";
    PGresult *result = PQexecParams(s->conn, lock, 1, NULL, &s->schema_name, NULL, NULL, 0);
    ExecStatusType status = PQresultStatus(result);
    PQclear(result);
    if (status != PGRES_TUPLES_OK)
        return database_error(s, "waiting for another migration");
    struct err e = execute_named(s, "SET ROLE ", s->owner, "", "becoming the owner");
    if (err_is(&e))
        return e;
    // Roles and schemas are made by deploy/postgres/roles.sql; an owner that may create schemas needs no such help.
    result = PQexecParams(s->conn, "SELECT to_regnamespace(quote_ident($1)) IS NULL", 1, NULL,
                          &s->schema_name, NULL, NULL, 0);
    bool missing = PQresultStatus(result) == PGRES_TUPLES_OK && PQgetvalue(result, 0, 0)[0] == 't';
    PQclear(result);
    if (missing)
        e = execute_named(s, "CREATE SCHEMA ", s->schema, "", "creating the schema");
    if (!err_is(&e))
        e = execute(s, "SET client_min_messages = warning", "settings");
    if (!err_is(&e))
        e = execute_named(s, "CREATE TABLE IF NOT EXISTS ", s->schema,
                          ".migration (title text NOT NULL, number integer NOT NULL CHECK (number > 0), name "
                          "text NOT NULL, "
                          "checksum text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now(), PRIMARY "
                          "KEY (title, number))",
                          "the table migration");
    return e;
}

// The service reads what is applied and no more.
static struct err restrict_migration_table(struct session *s)
{
    char name[128];
    snprintf(name, sizeof name, "orderclerk_%s", s->schema_name);
    const char *param = name;
    PGresult *result = PQexecParams(s->conn, "SELECT quote_ident($1) FROM pg_roles WHERE rolname = $1", 1,
                                    NULL, &param, NULL, NULL, 0);
    struct err e = err_ok();
    if (PQresultStatus(result) == PGRES_TUPLES_OK && PQntuples(result) == 1) {
        char sql[2 * STATEMENT_SIZE];
        const char *role = PQgetvalue(result, 0, 0);
        snprintf(sql, sizeof sql, "REVOKE ALL ON %s.migration FROM %s; GRANT SELECT ON %s.migration TO %s",
                 s->schema, role, s->schema, role);
        e = execute(s, sql, "rights on the table migration");
    }
    PQclear(result);
    return e;
}

struct err migrate(const char *dsn, const char *schema, const char *owner, const struct migration_set *sets,
                   unsigned set_count)
{
    struct session s = {0};
    struct err e = session_open(dsn, schema, owner, &s);
    if (err_is(&e))
        return e;
    e = prepare_schema(&s);
    if (!err_is(&e))
        e = restrict_migration_table(&s);
    for (unsigned i = 0; i < set_count && !err_is(&e); i++)
        e = run_set(&s, &sets[i], true);
    session_close(&s);
    return e;
}

struct err migrate_check(const char *dsn, const char *schema, const struct migration_set *sets,
                         unsigned set_count)
{
    struct session s = {0};
    struct err e = session_open(dsn, schema, NULL, &s);
    if (err_is(&e))
        return e;
    for (unsigned i = 0; i < set_count && !err_is(&e); i++)
        e = run_set(&s, &sets[i], false);
    session_close(&s);
    return e;
}
