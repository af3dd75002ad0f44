// Ingress on a real PostgreSQL and Kafka: one answer per name, look-alikes, versions, take-over, lost connections.
#include "base/hash.h"
#include "ingress/ingress.h"
#include "orderclerk/v1/orders.pb-c.h"
#include "orderclerk/v1/outbox.pb-c.h"
#include "orderclerk/v1/reference.pb-c.h"
#include "pg/pg.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define WAIT_S 20

static const char *dsn;
static struct pg *pg;
static struct ingress_settings settings = {.service = "intake",
                                           .slots = 4,
                                           .commit_max = 100,
                                           .unpublished_max = 1000,
                                           .unpublished_age_us = 10 * INSTANT_SECOND};

static const char *env(const char *name)
{
    const char *value = getenv(name);
    if (value == NULL)
        fail_msg("%s: run this beside a stack: tests/lib/with_stack.py", name);
    return value;
}

static void check(struct err e)
{
    if (err_is(&e))
        fail_msg("%s", e.text);
}

static int setup(void **state)
{
    (void)state;
    dsn = settings.pg = env("ORDERCLERK_TEST_PG_INTAKE");
    settings.kafka = env("ORDERCLERK_TEST_KAFKA");
    settings.topic_prefix = env("ORDERCLERK_TEST_TOPIC_PREFIX");
    struct migration_set set = {
        .title = "ingress", .migrations = ingress_migrations, .count = ingress_migrations_count};
    check(migrate(env("ORDERCLERK_TEST_PG_MIGRATE"), "intake", "orderclerk_owner", &set, 1));
    check(pg_open(dsn, "test", NULL, &pg));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    pg_close(pg);
    return 0;
}

static int64_t number(const char *sql)
{
    PGresult *result = NULL;
    check(pg_run(pg, sql, NULL, 0, &result));
    check(pg_expect(result, (uint32_t[]){PG_INT8}, 1));
    int64_t n = pg_get_i64(result, 0, 0);
    PQclear(result);
    return n;
}

static void wait_for(const char *sql, int64_t wanted)
{
    time_t until = time(NULL) + WAIT_S;
    int64_t n = 0;
    while ((n = number(sql)) != wanted) {
        if (time(NULL) > until)
            fail_msg("%s: is %lld", sql, (long long)n);
        nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    }
}

static const char all_published[] =
    "SELECT coalesce(sum(batch_no - published_no), 0)::bigint FROM ingress_slot";

// ---- submissions and their answers

struct inbox {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct ingress_answer answers[2000];
    size_t count;
};
struct slip {
    struct inbox *inbox;
    size_t index;
};

static struct inbox inbox = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
static struct slip slips[2000];
static size_t slip_count;

static void answered(void *self, const struct ingress_answer *answer)
{
    struct slip *slip = self;
    pthread_mutex_lock(&slip->inbox->lock);
    slip->inbox->answers[slip->index] = *answer;
    slip->inbox->answers[slip->index].text = NULL;
    slip->inbox->count++;
    pthread_cond_signal(&slip->inbox->changed);
    pthread_mutex_unlock(&slip->inbox->lock);
}

static void start_round(void)
{
    inbox.count = slip_count = 0;
}

static void wait_answers(void)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += WAIT_S;
    pthread_mutex_lock(&inbox.lock);
    while (inbox.count < slip_count && pthread_cond_timedwait(&inbox.changed, &inbox.lock, &until) == 0)
        ;
    size_t count = inbox.count;
    pthread_mutex_unlock(&inbox.lock);
    assert_int_equal(count, slip_count);
}

static void put_suspect(enum topic topic, ProtobufCMessage *message, char *subject)
{
    assert_int_equal(topic, TOPIC_ORDERS);
    Orderclerk__V1__OrderRequest *request = (Orderclerk__V1__OrderRequest *)(void *)message;
    request->submit->suspected_duplicate_of = subject;
}

// Order `content` of customer `who`, under this key and client key (NULL: none).
static void submit(struct ingress *ingress, const char *key, const char *client_key, const char *who,
                   const char *content)
{
    struct uuid order = uuid_v7(clock_system()->now(NULL));
    char order_id[UUID_TEXT_SIZE];
    uuid_format(order, order_id);
    Orderclerk__V1__SubmitOrder body = ORDERCLERK__V1__SUBMIT_ORDER__INIT;
    Orderclerk__V1__OrderRequest request = ORDERCLERK__V1__ORDER_REQUEST__INIT;
    request.body_case = ORDERCLERK__V1__ORDER_REQUEST__BODY_SUBMIT;
    request.submit = &body;
    struct ingress_record record = {
        .topic = TOPIC_ORDERS, .key = bytes_str(order_id), .message = &request.base};
    struct ingress_item item = {.scope = bytes_str("orders:test"),
                                .key = bytes_str(key),
                                .client_key =
                                    client_key != NULL ? bytes_str(client_key) : (struct bytes){.data = NULL},
                                .kind = bytes_str("order"),
                                .content_type = bytes_str("text/plain"),
                                .raw = bytes_str(content),
                                .subject = order,
                                .id = order,
                                .customer_key = bytes_str(who),
                                .records = &record,
                                .record_count = 1,
                                .suspect = put_suspect};
    hash_sha256(bytes_str(content), item.fingerprint);
    hash_sha256(bytes_str(content), item.content_hash);
    slips[slip_count] = (struct slip){.inbox = &inbox, .index = slip_count};
    ingress_submit(ingress, &item, answered, &slips[slip_count++]);
}

static struct ingress *open_ingress(void)
{
    struct ingress *ingress = NULL;
    check(ingress_open(&settings, &ingress));
    return ingress;
}

static void answers_once_per_name(void **state)
{
    (void)state;
    struct ingress *a = open_ingress(), *b = open_ingress();
    start_round();
    for (int i = 0; i < 3; i++) // the same at once, to both instances
        for (int n = 0; n < 50; n++) {
            char key[32];
            snprintf(key, sizeof key, "once-%d", n);
            submit(i == 1 ? b : a, key, NULL, key, "one");
        }
    wait_answers();
    for (int n = 0; n < 50; n++) {
        int stored = 0;
        for (int i = 0; i < 3; i++) {
            struct ingress_answer *answer = &inbox.answers[i * 50 + n];
            assert_true(answer->status == INGRESS_STORED || answer->status == INGRESS_REPEATED);
            stored += answer->status == INGRESS_STORED;
            assert_true(uuid_equal(answer->subject, inbox.answers[n].subject));
            assert_true(uuid_equal(answer->submission, inbox.answers[n].submission));
        }
        assert_int_equal(stored, 1);
    }
    start_round();
    submit(b, "once-7", NULL, "w", "another");
    submit(b, "twice-1", "client-1", "w1", "x");
    submit(b, "twice-1", "client-1", "w2", "x");
    wait_answers();
    assert_int_equal(inbox.answers[0].status, INGRESS_CONFLICT);
    assert_int_equal(
        (inbox.answers[1].status == INGRESS_STORED) + (inbox.answers[2].status == INGRESS_STORED), 1);
    assert_int_equal(
        (inbox.answers[1].status == INGRESS_REPEATED) + (inbox.answers[2].status == INGRESS_REPEATED), 1);
    start_round();
    submit(a, "twice-2", "client-1", "w1", "y"); // the client's key is taken by another content
    submit(a, "twice-3", "client-1", "w1", "x"); // or by the same, under another name
    wait_answers();
    assert_int_equal(inbox.answers[0].status, INGRESS_CONFLICT);
    assert_int_equal(inbox.answers[1].status, INGRESS_REPEATED);
    wait_for(all_published, 0);
    assert_int_equal(number("SELECT count(*) FROM submission WHERE key LIKE 'once-%'"), 50);
    ingress_close(a);
    ingress_close(b);
}

static void suspects_look_alikes(void **state)
{
    (void)state;
    struct ingress *a = open_ingress();
    start_round();
    submit(a, "look-1", NULL, "same", "ten bolts");
    wait_answers();
    struct uuid first = inbox.answers[0].subject;
    assert_true(uuid_is_nil(inbox.answers[0].look_alike));
    start_round();
    submit(a, "look-2", NULL, "same", "ten bolts");
    submit(a, "look-3", NULL, "same", "ten bolts");
    submit(a, "look-4", NULL, "other", "ten bolts");
    submit(a, "look-5", NULL, "same", "ten nuts");
    submit(a, "look-1", NULL, "same", "ten bolts"); // a repeat looks like nobody
    wait_answers();
    assert_false(uuid_is_nil(inbox.answers[0].look_alike));
    assert_false(uuid_is_nil(inbox.answers[1].look_alike));
    assert_true(uuid_equal(inbox.answers[0].look_alike, first) ||
                uuid_equal(inbox.answers[1].look_alike, first));
    assert_true(uuid_is_nil(inbox.answers[2].look_alike));
    assert_true(uuid_is_nil(inbox.answers[3].look_alike));
    assert_int_equal(inbox.answers[4].status, INGRESS_REPEATED);
    wait_for(all_published, 0);
    ingress_close(a);
}

static void gives_versions(void **state)
{
    (void)state;
    struct ingress *a = open_ingress();
    Orderclerk__V1__Product product = ORDERCLERK__V1__PRODUCT__INIT;
    product.sku = "V-1";
    start_round();
    for (int i = 0; i < 5; i++) {
        char key[32];
        snprintf(key, sizeof key, "version-%d", i);
        struct ingress_record records[] = {
            {.topic = TOPIC_REFERENCE_PRODUCTS, .key = bytes_str("V-1"), .message = &product.base},
            {.topic = TOPIC_REFERENCE_PRODUCTS, .key = bytes_str("V-1"), .message = &product.base}};
        struct ingress_item item = {.scope = bytes_str("reference"),
                                    .key = bytes_str(key),
                                    .kind = bytes_str("reference"),
                                    .content_type = bytes_str("text/csv"),
                                    .raw = bytes_str("x"),
                                    .records = records,
                                    .record_count = 2};
        slips[slip_count] = (struct slip){.inbox = &inbox, .index = slip_count};
        ingress_submit(a, &item, answered, &slips[slip_count++]);
    }
    wait_answers();
    assert_int_equal(number("SELECT version FROM reference_version WHERE key = 'V-1'"), 10);
    // each record carries its own, 1 to 10
    PGresult *result = NULL;
    check(pg_run(pg, "SELECT records FROM ingress_outbox ORDER BY created_at DESC, batch_no DESC LIMIT 5",
                 NULL, 0, &result));
    bool seen[11] = {false};
    for (int row = 0; row < PQntuples(result); row++) {
        struct bytes data = pg_get_bytes(result, row, 0);
        Orderclerk__V1__OutboxBatch *batch = orderclerk__v1__outbox_batch__unpack(NULL, data.size, data.data);
        assert_non_null(batch);
        for (size_t i = 0; i < batch->n_records; i++) {
            struct head head;
            if (batch->records[i]->topic != TOPIC_REFERENCE_PRODUCTS)
                continue;
            check(head_read(bytes_of(batch->records[i]->value.data, batch->records[i]->value.len), &head));
            assert_in_range(head.saga_revision, 1, 10);
            seen[head.saga_revision] = true;
            Orderclerk__V1__Product *read = orderclerk__v1__product__unpack(
                NULL, batch->records[i]->value.len, batch->records[i]->value.data);
            assert_non_null(read);
            assert_string_equal(read->sku, "V-1");
            assert_string_equal(read->order_id, "V-1");
            orderclerk__v1__product__free_unpacked(read, NULL);
        }
        orderclerk__v1__outbox_batch__free_unpacked(batch, NULL);
    }
    for (int v = 1; v <= 10; v++)
        assert_true(seen[v]);
    PQclear(result);
    ingress_close(a);
}

static void takes_over_what_others_left(void **state)
{
    (void)state;
    struct ingress *a = open_ingress();
    start_round();
    for (int i = 0; i < 20; i++) {
        char key[32];
        snprintf(key, sizeof key, "left-%d", i);
        submit(a, key, NULL, key, "left");
    }
    wait_answers();
    wait_for(all_published, 0);
    ingress_close(a);
    // as if the owner had died before it published
    check(pg_run(pg, "UPDATE ingress_slot SET published_no = 0", NULL, 0, NULL));
    assert_true(number(all_published) > 0);
    struct ingress *b = open_ingress();
    wait_for(all_published, 0);
    ingress_close(b);
}

static void claims_again_when_the_connection_is_lost(void **state)
{
    (void)state;
    struct ingress *a = open_ingress();
    int64_t epochs = number("SELECT sum(epoch)::bigint FROM ingress_slot");
    check(pg_run(pg,
                 "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name LIKE "
                 "'%ingress%'",
                 NULL, 0, NULL));
    start_round();
    for (int i = 0; i < 50; i++) {
        char key[32];
        snprintf(key, sizeof key, "lost-%d", i);
        submit(a, key, NULL, key, "lost");
    }
    wait_answers(); // they waited for the new connection
    for (int i = 0; i < 50; i++)
        assert_int_equal(inbox.answers[i].status, INGRESS_STORED);
    assert_true(number("SELECT sum(epoch)::bigint FROM ingress_slot") > epochs);
    wait_for(all_published, 0);
    int retry = 0;
    assert_true(ingress_accepts(a, &retry));
    // somebody else raises the epoch: the fenced owner claims again
    check(pg_run(pg, "UPDATE ingress_slot SET epoch = epoch + 1", NULL, 0, NULL));
    start_round();
    submit(a, "fenced-1", NULL, "fenced", "fenced");
    wait_answers();
    assert_int_equal(inbox.answers[0].status, INGRESS_STORED);
    wait_for(all_published, 0);
    ingress_close(a);
}

static void stores_many(void **state)
{
    (void)state;
    struct ingress *a = open_ingress();
    start_round();
    int64_t before = number("SELECT sum(batch_no)::bigint FROM ingress_slot");
    for (int i = 0; i < 2000; i++) {
        char key[32];
        snprintf(key, sizeof key, "many-%d", i);
        submit(a, key, i % 2 ? key : NULL, key, "many");
    }
    wait_answers();
    for (int i = 0; i < 2000; i++)
        assert_int_equal(inbox.answers[i].status, INGRESS_STORED);
    assert_true(number("SELECT sum(batch_no)::bigint FROM ingress_slot") - before < 500);
    wait_for(all_published, 0);
    ingress_close(a);
}

static void waits_for_nobody_without_a_database(void **state)
{
    (void)state;
    struct ingress_settings away = settings;
    away.pg = "host=127.0.0.1 port=1 connect_timeout=1";
    struct ingress *a = NULL;
    check(ingress_open(&away, &a));
    int retry = 0;
    assert_false(ingress_accepts(a, &retry));
    assert_true(retry > 0);
    char trouble[ERR_TEXT_MAX];
    ingress_trouble(a, trouble);
    assert_string_not_equal(trouble, "");
    start_round();
    submit(a, "away-1", NULL, "away", "away");
    wait_answers();
    assert_int_equal(inbox.answers[0].status, INGRESS_FAILED);
    ingress_close(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_once_per_name),
        cmocka_unit_test(suspects_look_alikes),
        cmocka_unit_test(gives_versions),
        cmocka_unit_test(takes_over_what_others_left),
        cmocka_unit_test(claims_again_when_the_connection_is_lost),
        cmocka_unit_test(stores_many),
        cmocka_unit_test(waits_for_nobody_without_a_database),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
