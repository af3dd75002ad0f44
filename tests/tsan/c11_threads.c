// C11's threads over POSIX's, for ThreadSanitizer, which knows only the latter: librdkafka starts and synchronises its threads by
// C11's, and a thread that ThreadSanitizer hasn't seen begin crashes in it.
//
// Linked into every program of a build with -fsanitize=thread, where these definitions go before the C library's.
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <threads.h>

_Static_assert(sizeof(mtx_t) == sizeof(pthread_mutex_t), "glibc's mtx_t is a pthread_mutex_t");
_Static_assert(sizeof(cnd_t) == sizeof(pthread_cond_t), "glibc's cnd_t is a pthread_cond_t");

static int outcome(int error)
{
    return error == 0           ? thrd_success
           : error == ENOMEM    ? thrd_nomem
           : error == EBUSY     ? thrd_busy
           : error == ETIMEDOUT ? thrd_timedout
                                : thrd_error;
}

static pthread_mutex_t *mutex_of(mtx_t *mtx)
{
    return (pthread_mutex_t *)(void *)mtx;
}

static pthread_cond_t *cond_of(cnd_t *cnd)
{
    return (pthread_cond_t *)(void *)cnd;
}

// ---- threads

struct start {
    thrd_start_t run;
    void *argument;
};

static void *run(void *self)
{
    const struct start start = *(struct start *)self;
    free(self);
    return (void *)(intptr_t)start.run(start.argument);
}

int thrd_create(thrd_t *ret_thread, thrd_start_t begin, void *argument)
{
    struct start *start = malloc(sizeof *start);
    if (start == NULL)
        return thrd_nomem;
    *start = (struct start){.run = begin, .argument = argument};
    const int error = pthread_create(ret_thread, NULL, run, start);
    if (error != 0)
        free(start);
    return outcome(error);
}

int thrd_join(thrd_t thread, int *ret_value)
{
    void *value = NULL;
    const int error = pthread_join(thread, &value);
    if (ret_value != NULL)
        *ret_value = (int)(intptr_t)value;
    return outcome(error);
}

// ---- mutexes

int mtx_init(mtx_t *mtx, int type)
{
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    if (type & mtx_recursive)
        pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE);
    const int error = pthread_mutex_init(mutex_of(mtx), &attributes);
    pthread_mutexattr_destroy(&attributes);
    return outcome(error);
}

int mtx_lock(mtx_t *mtx)
{
    return outcome(pthread_mutex_lock(mutex_of(mtx)));
}

int mtx_unlock(mtx_t *mtx)
{
    return outcome(pthread_mutex_unlock(mutex_of(mtx)));
}

void mtx_destroy(mtx_t *mtx)
{
    pthread_mutex_destroy(mutex_of(mtx));
}

// ---- conditions

int cnd_init(cnd_t *cnd)
{
    return outcome(pthread_cond_init(cond_of(cnd), NULL));
}

int cnd_signal(cnd_t *cnd)
{
    return outcome(pthread_cond_signal(cond_of(cnd)));
}

int cnd_broadcast(cnd_t *cnd)
{
    return outcome(pthread_cond_broadcast(cond_of(cnd)));
}

int cnd_wait(cnd_t *cnd, mtx_t *mtx)
{
    return outcome(pthread_cond_wait(cond_of(cnd), mutex_of(mtx)));
}

int cnd_timedwait(cnd_t *restrict cnd, mtx_t *restrict mtx, const struct timespec *restrict until)
{
    return outcome(pthread_cond_timedwait(cond_of(cnd), mutex_of(mtx), until));
}

void cnd_destroy(cnd_t *cnd)
{
    pthread_cond_destroy(cond_of(cnd));
}
