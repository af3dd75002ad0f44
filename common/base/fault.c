// Crash points of fault builds.
#include "base/fault.h"

#include <stddef.h>

static const char *const fault_names[FAULT_COUNT] = {
#define FAULT_TEXT(name) [FAULT_##name] = #name,
    FAULT_POINTS(FAULT_TEXT)
#undef FAULT_TEXT
};

const char *fault_name(enum fault_point point)
{
    return (unsigned)point < FAULT_COUNT ? fault_names[point] : "?";
}

#ifdef ORDERCLERK_FAULTS

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static pthread_once_t read_once = PTHREAD_ONCE_INIT;
static enum fault_point armed = FAULT_COUNT; // FAULT_COUNT: none
static atomic_long hits_left;
static void (*hit_hook)(enum fault_point point);

// A misspelt point would make a fault test pass without a fault, so it ends the process.
static _Noreturn void refuse(const char *text)
{
    fprintf(stderr,
            "ORDERCLERK_FAULT=%s: must be <point>[:nth], with a point of base/fault.h and nth from 1\n",
            text);
    exit(2);
}

static void read_environment(void)
{
    const char *text = getenv("ORDERCLERK_FAULT");
    if (text == NULL || *text == '\0')
        return;
    const size_t name_size = strcspn(text, ":");
    long nth = 1;
    if (text[name_size] == ':') {
        const char *digits = text + name_size + 1;
        char *end = NULL;
        errno = 0;
        nth = strtol(digits, &end, 10);
        if (*digits < '1' || *digits > '9' || *end != '\0' || errno != 0)
            refuse(text);
    }
    for (unsigned point = 0; point < FAULT_COUNT; point++) {
        if (strlen(fault_names[point]) == name_size && memcmp(fault_names[point], text, name_size) == 0) {
            atomic_store(&hits_left, nth);
            armed = (enum fault_point)point;
            return;
        }
    }
    refuse(text);
}

void fault_on_hit(void (*hook)(enum fault_point point))
{
    hit_hook = hook;
}

void fault_hit(enum fault_point point)
{
    if (hit_hook != NULL) {
        hit_hook(point);
        return;
    }
    pthread_once(&read_once, read_environment);
    if (point != armed || atomic_fetch_sub(&hits_left, 1) != 1)
        return;
    dprintf(STDERR_FILENO, "fault point %s\n", fault_names[point]);
    kill(getpid(), SIGKILL);
    for (;;)
        pause(); // nothing more happens in this thread until the signal arrives
}

#endif
