// A thread that asks for the orchestrator's lag on `orders`.
#include "intake/intake_backlog.h"

#include "base/clock.h"
#include "base/timed_wait.h"
#include "ingress/room_waits.h"
#include "kafka/kafka_lag.h"
#include "log/log.h"
#include "metrics/metrics.h"

#include <pthread.h>
#include <stdlib.h>

#define GROUP           "orchestrator.v1"
#define ASK_US          1000000
#define ASK_CLOSELY_US  250000   // near the limit, or while somebody waits
#define STALE_US        10000000 // an answer older than this says nothing
#define RATE_WEIGHT     0.3      // of the newest measurement
#define RETRY_AFTER_MIN 1
#define RETRY_AFTER_MAX 30

static struct metric waiting_metric = {.type = METRIC_GAUGE,
                                       .name = "orderclerk_intake_orders_waiting",
                                       .help = "Records of `orders` that the orchestrator has not read yet."};

struct backlog {
    struct kafka_cluster cluster;
    int64_t max;
    pthread_t thread;
    pthread_mutex_t lock; // guards what follows
    pthread_cond_t changed;
    bool stop;
    struct room_waits waits;
    struct kafka_lag_answer answer;
    int64_t asked_us; // when; 0: never
    double rate;      // records read per second, smoothed
};

// Under lock.
static bool is_full(const struct backlog *b)
{
    return b->asked_us != 0 && clock_monotonic_us() - b->asked_us < STALE_US && b->answer.waiting >= b->max;
}

static void take_answer(struct backlog *b, const struct kafka_lag_answer *answer)
{
    const int64_t now = clock_monotonic_us();
    if (b->asked_us != 0 && now > b->asked_us && answer->read >= b->answer.read) {
        const double rate = (double)(answer->read - b->answer.read) * 1e6 / (double)(now - b->asked_us);
        b->rate += RATE_WEIGHT * (rate - b->rate);
    }
    b->answer = *answer;
    b->asked_us = now;
    metric_set(&waiting_metric, answer->waiting);
}

static void ask(struct backlog *b, struct kafka_lag **lag)
{
    struct err e = err_ok();
    if (*lag == NULL)
        e = kafka_lag_open(&b->cluster, TOPIC_ORDERS, GROUP, lag);
    struct kafka_lag_answer answer;
    if (!err_is(&e))
        e = kafka_lag_ask(*lag, &answer);
    pthread_mutex_lock(&b->lock);
    if (err_is(&e))
        LOG(LOG_DEBUG, "orders that wait can't be counted", log_s("error", e.text));
    else
        take_answer(b, &answer);
    pthread_mutex_unlock(&b->lock);
}

// Under lock.
static void pause_asking(struct backlog *b)
{
    const bool closely = b->waits.first != NULL || b->answer.waiting >= b->max / 2;
    timed_wait(&b->changed, &b->lock, closely ? ASK_CLOSELY_US : ASK_US);
}

static void *run(void *self)
{
    struct backlog *b = self;
    struct kafka_lag *lag = NULL;
    pthread_mutex_lock(&b->lock);
    while (!b->stop) {
        pthread_mutex_unlock(&b->lock);
        ask(b, &lag);
        pthread_mutex_lock(&b->lock);
        const bool room = !b->stop && !is_full(b);
        struct room_waits taken = room_waits_take(&b->waits, clock_monotonic_us(), room || b->stop);
        pthread_mutex_unlock(&b->lock);
        room_waits_tell(taken, room);
        pthread_mutex_lock(&b->lock);
        if (!b->stop)
            pause_asking(b);
    }
    struct room_waits left = room_waits_take(&b->waits, 0, true);
    pthread_mutex_unlock(&b->lock);
    room_waits_tell(left, false);
    kafka_lag_close(lag);
    return NULL;
}

struct err backlog_open(const struct kafka_cluster *cluster, int64_t max, struct backlog **ret_backlog)
{
    struct backlog *b = calloc(1, sizeof *b);
    if (b == NULL)
        abort();
    b->cluster = *cluster;
    b->max = max;
    metrics_register(&waiting_metric);
    pthread_mutex_init(&b->lock, NULL);
    timed_wait_init(&b->changed);
    if (pthread_create(&b->thread, NULL, run, b) != 0) {
        free(b);
        return err_make(ERR_RETRY, "no thread to count the orders that wait");
    }
    *ret_backlog = b;
    return err_ok();
}

void backlog_close(struct backlog *b)
{
    if (b == NULL)
        return;
    pthread_mutex_lock(&b->lock);
    b->stop = true;
    pthread_cond_signal(&b->changed);
    pthread_mutex_unlock(&b->lock);
    pthread_join(b->thread, NULL);
    pthread_cond_destroy(&b->changed);
    pthread_mutex_destroy(&b->lock);
    free(b);
}

bool backlog_full(struct backlog *b, int *ret_retry_after_s)
{
    pthread_mutex_lock(&b->lock);
    const bool full = is_full(b);
    const double rate = b->rate, half = (double)b->answer.waiting / 2;
    pthread_mutex_unlock(&b->lock);
    int seconds = RETRY_AFTER_MAX;
    if (half < rate * RETRY_AFTER_MAX)
        seconds = (int)(half / rate);
    *ret_retry_after_s = seconds < RETRY_AFTER_MIN ? RETRY_AFTER_MIN : seconds;
    return full;
}

void backlog_await(struct backlog *b, int64_t max_us, void (*told)(void *self, bool room), void *self)
{
    pthread_mutex_lock(&b->lock);
    const bool stop = b->stop;
    if (!stop) {
        room_waits_add(&b->waits, clock_monotonic_us() + max_us, told, self);
        pthread_cond_signal(&b->changed);
    }
    pthread_mutex_unlock(&b->lock);
    if (stop)
        told(self, false);
}
