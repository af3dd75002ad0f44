// libcurl's multi handle with an epoll of its own: what a turn costs goes by the sockets on which something has happened, not
// by the calls under way.
//
// Thread: one, but for multi_wake. Transfers are added and removed by libcurl's functions.
#pragma once

#include "base/err.h"

#include <curl/curl.h>
#include <stdint.h>

struct multi {
    CURLM *curl;
    int epoll_fd;
    int wake_fd;
    int64_t timer; // monotonic, when libcurl wants to be called without an event
};

// Its callbacks keep its address. RETRY: no file descriptor or memory left.
struct err multi_open(struct multi *ret_multi) ERR_MUST_CHECK;
void multi_close(struct multi *multi); // opened, or failed to; every transfer has been removed
// Waits up to max_us for sockets, libcurl's timer or multi_wake, and lets transfers go on.
void multi_step(struct multi *multi, int64_t max_us);
void multi_wake(struct multi *multi); // any thread
