// Doubles under intake's handlers: of libmicrohttpd's connection, of ingress and of the store; what they do is chosen by bytes.
// One thread.
#pragma once

#include "fuzz/fuzz.h"
#include "http/http_target.h"

#define DOUBLE_HEADERS_MAX 6

// What libmicrohttpd knows of a connection (its struct MHD_Connection is this).
struct double_connection {
    struct http_pair headers[DOUBLE_HEADERS_MAX]; // NULL values: not there
    void *socket_context;
    struct arena *arena;
    bool suspended;
    bool closed;      // by MHD_NO
    int status;       // of the answer; 0: none yet
    const char *type; // in the arena
    struct bytes body;
    size_t submitted;
};

void doubles_begin(struct arena *arena, struct double_connection *mhd, struct bytes choices);
// Answers everything that ingress and the store have been asked and that stands open.
void doubles_answer(struct double_connection *mhd);
