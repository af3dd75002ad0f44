// libcurl's multi_socket interface over epoll.
#include "effects/multi.h"

#include "base/clock.h"
#include "base/wakeup.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define EVENTS_MAX 64
#define NO_TIMER   INT64_MAX

// A socket that can't be watched lets its call run into its timeout: libcurl would give up all of them for an error.
static int watch(CURL *easy, curl_socket_t socket, int what, void *self, void *known)
{
    struct multi *m = self;
    struct epoll_event event = {.data.fd = socket};
    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        epoll_ctl(m->epoll_fd, EPOLL_CTL_DEL, socket, NULL);
        return 0;
    }
    event.events |= what & CURL_POLL_IN ? EPOLLIN : 0;
    event.events |= what & CURL_POLL_OUT ? EPOLLOUT : 0;
    if (epoll_ctl(m->epoll_fd, known == NULL ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, socket, &event) == 0)
        curl_multi_assign(m->curl, socket, m);
    return 0;
}

static int set_timer(CURLM *curl, long timeout_ms, void *self)
{
    (void)curl;
    ((struct multi *)self)->timer = timeout_ms < 0 ? NO_TIMER : clock_monotonic_us() + timeout_ms * 1000;
    return 0;
}

struct err multi_open(struct multi *ret_multi)
{
    struct multi *m = ret_multi;
    *m = (struct multi){.curl = curl_multi_init(), .epoll_fd = -1, .wake_fd = -1, .timer = NO_TIMER};
    struct err e = wakeup_open(&m->wake_fd);
    if (err_is(&e))
        return e;
    m->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = m->wake_fd};
    if (m->epoll_fd < 0 || epoll_ctl(m->epoll_fd, EPOLL_CTL_ADD, m->wake_fd, &event) != 0)
        return err_make(ERR_RETRY, "sockets can't be watched: %s", strerror(errno));
    if (m->curl == NULL)
        return err_make(ERR_RETRY, "libcurl gives no multi handle");
    curl_multi_setopt(m->curl, CURLMOPT_SOCKETFUNCTION, watch);
    curl_multi_setopt(m->curl, CURLMOPT_SOCKETDATA, m);
    curl_multi_setopt(m->curl, CURLMOPT_TIMERFUNCTION, set_timer);
    curl_multi_setopt(m->curl, CURLMOPT_TIMERDATA, m);
    return err_ok();
}

void multi_close(struct multi *m)
{
    if (m->curl != NULL)
        curl_multi_cleanup(m->curl); // closes connections, which are taken out of the epoll
    if (m->wake_fd >= 0)
        close(m->wake_fd);
    if (m->epoll_fd >= 0)
        close(m->epoll_fd);
}

static void take_event(struct multi *m, const struct epoll_event *event)
{
    int running;
    if (event->data.fd == m->wake_fd) {
        wakeup_take(m->wake_fd);
        return;
    }
    int what = 0;
    what |= event->events & EPOLLIN ? CURL_CSELECT_IN : 0;
    what |= event->events & EPOLLOUT ? CURL_CSELECT_OUT : 0;
    what |= event->events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0;
    curl_multi_socket_action(m->curl, event->data.fd, what, &running);
}

// Whole milliseconds, rounded up: a wait that ends too early would be begun again.
static int wait_ms(const struct multi *m, int64_t max_us)
{
    int64_t timer = m->timer - clock_monotonic_us();
    int64_t wait = timer < max_us ? timer : max_us;
    return wait <= 0 ? 0 : (int)((wait + 999) / 1000);
}

void multi_step(struct multi *m, int64_t max_us)
{
    struct epoll_event events[EVENTS_MAX];
    int running;
    int count = epoll_wait(m->epoll_fd, events, EVENTS_MAX, wait_ms(m, max_us)); // interrupted: no event
    for (int i = 0; i < count; i++)
        take_event(m, &events[i]);
    if (m->timer <= clock_monotonic_us()) {
        m->timer = NO_TIMER; // libcurl sets the next one in this call
        curl_multi_socket_action(m->curl, CURL_SOCKET_TIMEOUT, 0, &running);
    }
}

void multi_wake(struct multi *m)
{
    wakeup_signal(m->wake_fd);
}
