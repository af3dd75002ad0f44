// Questions wait in a list; the thread asks up to STORE_BATCH of them in one round trip.
#include "intake/intake_store.h"

#include "pg/pg.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define STORE_BATCH     64
#define STORE_QUEUE_MAX 4000 // above what HTTP's connections can ask at once
#define ID_MAX          64   // of an order number
#define KEY_MAX         400  // of a client's key with its scope

enum question_kind { ORDER_BY_ID, ORDER_BY_NUMBER, REQUEST_BY_ID, REQUEST_BY_KEY };

struct question {
    struct question *next;
    enum question_kind kind;
    struct uuid id;
    char text[KEY_MAX];
    void (*order_found)(void *self, enum store_outcome outcome, const struct stored_order *order);
    void (*request_found)(void *self, enum store_outcome outcome, const struct stored_request *request);
    void *self;
};

struct intake_store {
    const char *dsn;
    struct pg *pg;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool stop;
    struct question *first, **end;
    size_t count;
};

#define VIEW_COLUMNS "v.revision, v.order_no, v.definition, v.state, v.waiting_on, v.reason, v.updated_at"
static const char order_by_id_sql[] =
    "SELECT k.id, s.received_at, " VIEW_COLUMNS " FROM (SELECT $1::uuid AS id) k "
    "LEFT JOIN submission s ON s.id = k.id AND s.kind = 'order' LEFT JOIN order_view v ON v.order_id = k.id "
    "WHERE s.id IS NOT NULL OR v.order_id IS NOT NULL";
static const char order_by_number_sql[] =
    "SELECT v.order_id, s.received_at, " VIEW_COLUMNS " FROM order_view v "
    "LEFT JOIN submission s ON s.id = v.order_id AND s.kind = 'order' WHERE v.order_no = $1::text";
#define REQUEST_SQL                                                                                          \
    "SELECT s.id, s.subject, s.received_at, r.reason, r.allowed, r.at FROM submission s "                    \
    "LEFT JOIN request_refused r ON r.request_id = s.id::text WHERE s.kind = 'request' AND "
static const char request_by_id_sql[] = REQUEST_SQL "s.id = $1::uuid";
static const char request_by_key_sql[] = REQUEST_SQL "s.client_key = $1::text";
static const uint32_t order_types[] = {PG_UUID, PG_TIMESTAMPTZ, PG_INT8, PG_TEXT,       PG_TEXT,
                                       PG_TEXT, PG_TEXT,        PG_TEXT, PG_TIMESTAMPTZ};
static const uint32_t request_types[] = {PG_UUID, PG_UUID, PG_TIMESTAMPTZ, PG_TEXT, PG_TEXT, PG_TIMESTAMPTZ};

static bool about_request(const struct question *q)
{
    return q->kind == REQUEST_BY_ID || q->kind == REQUEST_BY_KEY;
}

static void answer_away(struct question *q)
{
    if (about_request(q))
        q->request_found(q->self, STORE_AWAY, NULL);
    else
        q->order_found(q->self, STORE_AWAY, NULL);
    free(q);
}

static void answer_order(struct question *q, const PGresult *result)
{
    if (PQntuples(result) == 0) {
        q->order_found(q->self, STORE_NONE, NULL);
        return;
    }
    struct stored_order order = {
        .order_id = pg_get_uuid(result, 0, 0),
        .received_at = pg_get_instant(result, 0, 1),
        .has_view = !pg_is_null(result, 0, 2),
        .revision = pg_get_i64(result, 0, 2),
        .order_no = pg_get_bytes(result, 0, 3),
        .definition = pg_get_bytes(result, 0, 4),
        .state = pg_get_bytes(result, 0, 5),
        .waiting_on = pg_get_bytes(result, 0, 6),
        .reason = pg_get_bytes(result, 0, 7),
        .updated_at = pg_get_instant(result, 0, 8),
    };
    q->order_found(q->self, STORE_FOUND, &order);
}

static void answer_request(struct question *q, const PGresult *result)
{
    if (PQntuples(result) == 0) {
        q->request_found(q->self, STORE_NONE, NULL);
        return;
    }
    struct stored_request request = {
        .request_id = pg_get_uuid(result, 0, 0),
        .order_id = pg_get_uuid(result, 0, 1),
        .received_at = pg_get_instant(result, 0, 2),
        .refused = !pg_is_null(result, 0, 3),
        .reason = pg_get_bytes(result, 0, 3),
        .allowed = pg_get_bytes(result, 0, 4),
        .refused_at = pg_get_instant(result, 0, 5),
    };
    q->request_found(q->self, STORE_FOUND, &request);
}

static struct err send_question(struct pg *pg, struct arena *arena, const struct question *q)
{
    static const char *const sql[] = {[ORDER_BY_ID] = order_by_id_sql,
                                      [ORDER_BY_NUMBER] = order_by_number_sql,
                                      [REQUEST_BY_ID] = request_by_id_sql,
                                      [REQUEST_BY_KEY] = request_by_key_sql};
    bool by_text = q->kind == ORDER_BY_NUMBER || q->kind == REQUEST_BY_KEY;
    struct pg_param param = by_text ? pg_text(bytes_str(q->text)) : pg_uuid(arena, q->id);
    return pg_send(pg, sql[q->kind], &param, 1);
}

static struct err receive_answer(struct pg *pg, struct question *q)
{
    PGresult *result = NULL;
    bool request = about_request(q);
    struct err e = pg_receive(pg, &result);
    if (err_is(&e))
        return e;
    e = pg_expect(result, request ? request_types : order_types,
                  request ? sizeof request_types / sizeof request_types[0]
                          : sizeof order_types / sizeof order_types[0]);
    if (!err_is(&e)) {
        if (request)
            answer_request(q, result);
        else
            answer_order(q, result);
        free(q);
    }
    PQclear(result);
    return e;
}

// Answers them all: those after an error with STORE_AWAY.
static void ask(struct intake_store *store, struct question **questions, size_t count)
{
    struct arena *arena = arena_new(4096);
    struct err e = err_ok();
    size_t done = 0;
    if (!pg_alive(store->pg)) {
        pg_close(store->pg);
        store->pg = NULL;
        e = pg_open(store->dsn, "orderclerk intake reader", NULL, &store->pg);
    }
    for (size_t i = 0; i < count && !err_is(&e); i++)
        e = send_question(store->pg, arena, questions[i]);
    if (!err_is(&e))
        e = pg_sync(store->pg);
    while (done < count && !err_is(&e)) {
        e = receive_answer(store->pg, questions[done]);
        if (!err_is(&e))
            done++;
    }
    if (!err_is(&e))
        e = pg_drain(store->pg);
    if (err_is(&e)) {
        pg_close(store->pg);
        store->pg = NULL;
    }
    for (; done < count; done++)
        answer_away(questions[done]);
    arena_free(arena);
}

static void *run(void *self)
{
    struct intake_store *store = self;
    struct question *questions[STORE_BATCH];
    for (;;) {
        pthread_mutex_lock(&store->lock);
        while (!store->stop && store->first == NULL)
            pthread_cond_wait(&store->changed, &store->lock);
        bool stop = store->stop;
        size_t count = 0;
        while (store->first != NULL && count < STORE_BATCH) {
            questions[count] = store->first;
            store->first = store->first->next;
            count++;
        }
        if (store->first == NULL)
            store->end = &store->first;
        store->count -= count;
        pthread_mutex_unlock(&store->lock);
        if (stop) {
            for (size_t i = 0; i < count; i++)
                answer_away(questions[i]);
            if (count == 0)
                return NULL;
        } else {
            ask(store, questions, count);
        }
    }
}

struct err intake_store_open(const char *dsn, struct intake_store **ret_store)
{
    struct intake_store *store = calloc(1, sizeof *store);
    if (store == NULL)
        abort();
    store->dsn = dsn;
    store->end = &store->first;
    pthread_mutex_init(&store->lock, NULL);
    pthread_cond_init(&store->changed, NULL);
    if (pthread_create(&store->thread, NULL, run, store) != 0) {
        free(store);
        return err_make(ERR_RETRY, "no thread for reading");
    }
    *ret_store = store;
    return err_ok();
}

void intake_store_close(struct intake_store *store)
{
    if (store == NULL)
        return;
    pthread_mutex_lock(&store->lock);
    store->stop = true;
    pthread_cond_signal(&store->changed);
    pthread_mutex_unlock(&store->lock);
    pthread_join(store->thread, NULL);
    pg_close(store->pg);
    pthread_mutex_destroy(&store->lock);
    pthread_cond_destroy(&store->changed);
    free(store);
}

static void put(struct intake_store *store, const struct question *asked)
{
    struct question *q = malloc(sizeof *q);
    if (q == NULL)
        abort();
    *q = *asked;
    q->next = NULL;
    pthread_mutex_lock(&store->lock);
    bool room = !store->stop && store->count < STORE_QUEUE_MAX;
    if (room) {
        *store->end = q;
        store->end = &q->next;
        store->count++;
        pthread_cond_signal(&store->changed);
    }
    pthread_mutex_unlock(&store->lock);
    if (!room)
        answer_away(q);
}

void intake_store_order(struct intake_store *store, const char *id,
                        void (*found)(void *self, enum store_outcome outcome,
                                      const struct stored_order *order),
                        void *self)
{
    struct question q = {.kind = ORDER_BY_ID, .order_found = found, .self = self};
    if (!uuid_parse(bytes_str(id), &q.id)) {
        if (strlen(id) >= ID_MAX) {
            found(self, STORE_NONE, NULL);
            return;
        }
        q.kind = ORDER_BY_NUMBER;
        snprintf(q.text, sizeof q.text, "%s", id);
    }
    put(store, &q);
}

void intake_store_request(struct intake_store *store, struct uuid request_id,
                          void (*found)(void *self, enum store_outcome outcome,
                                        const struct stored_request *request),
                          void *self)
{
    struct question q = {.kind = REQUEST_BY_ID, .id = request_id, .request_found = found, .self = self};
    put(store, &q);
}

void intake_store_request_of_key(struct intake_store *store, struct bytes client_key,
                                 void (*found)(void *self, enum store_outcome outcome,
                                               const struct stored_request *request),
                                 void *self)
{
    struct question q = {.kind = REQUEST_BY_KEY, .request_found = found, .self = self};
    if (client_key.size >= KEY_MAX) {
        found(self, STORE_NONE, NULL);
        return;
    }
    memcpy(q.text, client_key.data, client_key.size);
    put(store, &q);
}
