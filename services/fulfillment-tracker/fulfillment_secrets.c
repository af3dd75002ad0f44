// The warehouses' secrets.
#include "fulfillment-tracker/fulfillment_secrets.h"

#include "base/arena.h"
#include "base/clock.h"
#include "fulfillment-tracker/fulfillment.h"
#include "pg/pg.h"

#include <assert.h>
#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define REMEMBERED_MAX 256 // warehouses, and names that are none
#define RETRY_AFTER_US                                                                                       \
    INSTANT_SECOND // after a failure: callers are told at once, not one by one after a timeout

struct remembered {
    char warehouse[FULFILLMENT_CODE_MAX + 1];
    int64_t until; // monotonic; 0: free
    struct secret secret;
};

struct secrets {
    pthread_mutex_t mutex; // everything below
    const char *dsn;
    int64_t remember_us;
    struct pg *pg;
    int64_t failed_until;
    struct remembered entries[REMEMBERED_MAX];
};

struct secrets *secrets_new(const char *dsn, int64_t remember_us)
{
    struct secrets *secrets = calloc(1, sizeof *secrets);
    assert(secrets != NULL);
    pthread_mutex_init(&secrets->mutex, NULL);
    secrets->dsn = dsn;
    secrets->remember_us = remember_us;
    return secrets;
}

void secrets_free(struct secrets *secrets)
{
    if (secrets == NULL)
        return;
    pg_close(secrets->pg);
    pthread_mutex_destroy(&secrets->mutex);
    sodium_memzero(secrets, sizeof *secrets);
    free(secrets);
}

static bool is(const struct remembered *entry, struct bytes warehouse)
{
    return bytes_is(warehouse, entry->warehouse);
}

// The warehouse's entry, or the one that is nearest to being forgotten.
static struct remembered *place_of(struct secrets *secrets, struct bytes warehouse)
{
    struct remembered *oldest = &secrets->entries[0];
    for (size_t i = 0; i < REMEMBERED_MAX; i++) {
        struct remembered *entry = &secrets->entries[i];
        if (entry->until != 0 && is(entry, warehouse))
            return entry;
        if (entry->until < oldest->until)
            oldest = entry;
    }
    return oldest;
}

static struct err ask(struct secrets *secrets, struct bytes warehouse, struct secret *ret_secret)
{
    static const char sql[] = "SELECT secret FROM fulfillment.warehouse_ref WHERE warehouse = $1";
    static const uint32_t types[] = {PG_TEXT};
    struct pg_param param = pg_text(warehouse);
    PGresult *result = NULL;
    struct err e = pg_run(secrets->pg, sql, &param, 1, &result);
    if (err_is(&e))
        return e;
    e = pg_expect(result, types, 1);
    struct secret found = {.known = PQntuples(result) > 0};
    if (!err_is(&e) && found.known) {
        struct bytes text = pg_get_bytes(result, 0, 0);
        if (text.size >= sizeof found.text)
            e = err_make(ERR_CONFIG, "warehouse_ref.secret: longer than %d bytes", WEBHOOK_SECRET_MAX - 1);
        else if (text.size > 0)
            memcpy(found.text, text.data, text.size);
    }
    PQclear(result);
    if (!err_is(&e))
        *ret_secret = found;
    return e;
}

// Twice: a connection that was idle may have been closed by the server.
static struct err ask_connected(struct secrets *secrets, struct bytes warehouse, struct secret *ret_secret)
{
    struct err e = err_ok();
    for (int i = 0; i < 2; i++) {
        if (!pg_alive(secrets->pg)) {
            pg_close(secrets->pg);
            secrets->pg = NULL;
            e = pg_open(secrets->dsn, "fulfillment callbacks", NULL, &secrets->pg);
            if (err_is(&e))
                return e;
        }
        e = ask(secrets, warehouse, ret_secret);
        if (!err_is(&e) || pg_alive(secrets->pg))
            return e;
    }
    return e;
}

static struct err get(struct secrets *secrets, struct bytes warehouse, struct secret *ret_secret)
{
    int64_t now = clock_monotonic_us();
    struct remembered *entry = place_of(secrets, warehouse);
    if (entry->until > now && is(entry, warehouse)) {
        *ret_secret = entry->secret;
        return err_ok();
    }
    if (secrets->failed_until > now)
        return err_make(ERR_RETRY, "the database could not be asked a moment ago");
    struct secret found = {.known = false};
    struct err e = ask_connected(secrets, warehouse, &found);
    if (err_is(&e)) {
        secrets->failed_until = clock_monotonic_us() + RETRY_AFTER_US;
        return err_make(ERR_RETRY, "%s", e.text);
    }
    memset(entry, 0, sizeof *entry);
    memcpy(entry->warehouse, warehouse.data, warehouse.size);
    entry->secret = found;
    entry->until = now + secrets->remember_us;
    *ret_secret = found;
    return err_ok();
}

struct err secrets_get(struct secrets *secrets, struct bytes warehouse, struct secret *ret_secret)
{
    if (warehouse.size == 0 || warehouse.size > FULFILLMENT_CODE_MAX || !bytes_is_utf8(warehouse)) {
        *ret_secret = (struct secret){.known = false};
        return err_ok();
    }
    pthread_mutex_lock(&secrets->mutex);
    struct err e = get(secrets, warehouse, ret_secret);
    pthread_mutex_unlock(&secrets->mutex);
    return e;
}
