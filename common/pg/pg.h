// One connection to PostgreSQL in pipeline mode: prepared statements, binary parameters and results, errors by class.
//
// A round trip: pg_send …, pg_sync, then pg_receive once per statement sent (or pg_drain). Statements are prepared on first
// use, in the same round trip. Sending never waits; receiving sends what is left and reads at the same time, so that
// client and server can't block each other.
// Sessions have idle_in_transaction_session_timeout = 2 s, lock_timeout = 2 s, statement_timeout = 10 s.
// Thread: one owner.
//
// Errors: RETRY (lock, serialisation, resources), REJECT (SQLSTATE 22, 23, 54), CONFIG (anything that an installation must
// mend: missing tables, rights) leave the connection in a state that pg_rollback mends. FENCED: the connection is gone,
// and what was under way may or may not have happened.
#pragma once

#include "base/arena.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/uuid.h"

#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Type numbers (pg_type.dat).
#define PG_BOOL              16u
#define PG_BYTEA             17u
#define PG_INT8              20u
#define PG_INT2              21u
#define PG_INT4              23u
#define PG_TEXT              25u
#define PG_VARCHAR           1043u
#define PG_TIMESTAMPTZ       1184u
#define PG_UUID              2950u
#define PG_VOID              2278u
#define PG_BOOL_ARRAY        1000u
#define PG_BYTEA_ARRAY       1001u
#define PG_INT4_ARRAY        1007u
#define PG_TEXT_ARRAY        1009u
#define PG_INT8_ARRAY        1016u
#define PG_TIMESTAMPTZ_ARRAY 1185u
#define PG_UUID_ARRAY        2951u

// The earliest instant that timestamptz holds (4714-11-24 BC); the latest is beyond int64 microseconds.
#define PG_INSTANT_MIN (-210866803200000000LL)

// Longer than statement_timeout and lock_timeout: a server that has said nothing for this long is gone.
#define PG_SILENCE_MAX_US (12 * INSTANT_SECOND)

struct pg;

// dsn: keywords or URI, several hosts allowed. application: shown in pg_stat_activity. settings: more of the session's
// settings as "-c name=value …", or NULL; the DSN's own `options` win. CONFIG: not a DSN; RETRY: can't connect.
struct err pg_open(const char *dsn, const char *application, const char *settings,
                   struct pg **ret_pg) ERR_MUST_CHECK;
void pg_close(struct pg *pg);        // NULL is fine
bool pg_alive(const struct pg *pg);  // as far as is known; NULL: false
int pg_backend(const struct pg *pg); // process id of the server's side

// ---- parameters, encoded into an arena that must live until pg_send has returned

struct pg_param {
    uint32_t type;
    const void *data; // NULL: SQL NULL
    int size;
};
struct pg_param pg_bool(struct arena *arena, bool value);
struct pg_param pg_i32(struct arena *arena, int32_t value);
struct pg_param pg_i64(struct arena *arena, int64_t value);
struct pg_param pg_text(struct bytes value);                     // absent: NULL
struct pg_param pg_bytea(struct bytes value);                    // absent: NULL
struct pg_param pg_uuid(struct arena *arena, struct uuid value); // nil: NULL
struct pg_param pg_instant(struct arena *arena, instant value);  // NONE: NULL; not before PG_INSTANT_MIN

// A one-dimensional array: start with the element count and the bytes of all elements, add each, end.
struct pg_array {
    unsigned char *data;
    size_t capacity;
    size_t size;
    uint32_t element; // PG_INT4 …
    size_t count;
    size_t added;
};
struct pg_array pg_array_start(struct arena *arena, uint32_t element, size_t count, size_t payload_bytes);
void pg_array_null(struct pg_array *array);
void pg_array_bool(struct pg_array *array, bool value);
void pg_array_i32(struct pg_array *array, int32_t value);
void pg_array_i64(struct pg_array *array, int64_t value);
void pg_array_bytes(struct pg_array *array, struct bytes value); // TEXT and BYTEA; absent: NULL
void pg_array_uuid(struct pg_array *array, struct uuid value);   // nil: NULL
void pg_array_instant(struct pg_array *array, instant value);    // NONE: NULL
struct pg_param pg_array_end(struct pg_array *array);
struct pg_param pg_array_only(const struct pg_array *array); // the value of an array of one, not an array

struct pg_param pg_i32_array(struct arena *arena, const int32_t *values, size_t count);
struct pg_param pg_i64_array(struct arena *arena, const int64_t *values, size_t count);

// ---- statements

// sql: a text that lives as long as the connection, the same pointer each time; $1 … have the parameters' types.
struct err pg_send(struct pg *pg, const char *sql, const struct pg_param *params,
                   size_t param_count) ERR_MUST_CHECK;
struct err pg_sync(struct pg *pg) ERR_MUST_CHECK; // ends the round trip
// The answer to the next statement sent. The caller frees it by PQclear. After an error: pg_rollback.
struct err pg_receive(struct pg *pg, PGresult **ret_result) ERR_MUST_CHECK;
struct err pg_drain(struct pg *pg) ERR_MUST_CHECK; // answers up to the end of the round trip; the first error
// Whether an answer is there, waiting for it up to timeout_us. A lost connection is an answer.
bool pg_answered(struct pg *pg, int64_t timeout_us);
// Ends whatever is under way: reads to the end of the round trip and rolls an open transaction back.
struct err pg_rollback(struct pg *pg);
// One statement and its own round trip, in the open transaction or by itself. ret_result NULL: not wanted. In an error,
// rolls back.
struct err pg_run(struct pg *pg, const char *sql, const struct pg_param *params, size_t param_count,
                  PGresult **ret_result) ERR_MUST_CHECK;
// True when a COMMIT since the last call was made without the synchronous standby's word: its outcome counts as unknown.
bool pg_committed_locally(struct pg *pg);

// ---- results

// CONFIG unless the result's columns have these types (PG_TEXT also takes varchar). Makes pg_get_* safe.
struct err pg_expect(const PGresult *result, const uint32_t *types, size_t count) ERR_MUST_CHECK;
bool pg_is_null(const PGresult *result, int row, int column);
bool pg_get_bool(const PGresult *result, int row, int column);   // NULL: false
int32_t pg_get_i32(const PGresult *result, int row, int column); // NULL: 0
int64_t pg_get_i64(const PGresult *result, int row, int column); // NULL: 0
struct bytes pg_get_bytes(const PGresult *result, int row,
                          int column);                                // a view into the result; NULL: absent
struct uuid pg_get_uuid(const PGresult *result, int row, int column); // NULL: nil
instant pg_get_instant(const PGresult *result, int row, int column);  // NULL: INSTANT_NONE

// The class of an SQLSTATE, as above.
enum err_class pg_error_class(const char *sqlstate);
