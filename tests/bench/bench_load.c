// bench_load --url URL [--url URL] --bodies FILE --answers FILE [--rate N] [--connections N]: POSTs each line of a file, as JSON.
//
// With --rate an open loop: requests are due by the clock, whatever the answers do, and one that has no connection goes out late.
// Without, a closed one: each connection sends its next request when it has its answer. One line per answer:
// "line due_us answered_us status retry order_id"; status 0: no answer; retry 1: it said when to try again; order_id "-": none.
#include "bench/peers.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define URLS_MAX        4
#define CONNECTIONS     64
#define CONNECTIONS_MAX 1024
#define HEAD_START_US   200000
#define WAIT_MS         100

struct load {
    const char *urls[URLS_MAX];
    size_t url_count;
    const char *bodies_file;
    const char *answers_file;
    double rate; // 0: as fast as answers come
    size_t connections;
    char **bodies;
    int64_t *due_us;
    size_t count;
    int64_t begun_us;
};

static int64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

void peers_fail(const char *what, const char *why)
{
    fprintf(stderr, "bench_load: %s: %s\n", what, why);
    exit(1);
}

static bool read_options(int argc, char **argv, struct load *ret_load)
{
    static const struct option names[] = {
        {"url", required_argument, NULL, 'u'},         {"bodies", required_argument, NULL, 'b'},
        {"answers", required_argument, NULL, 'a'},     {"rate", required_argument, NULL, 'r'},
        {"connections", required_argument, NULL, 'c'}, {0}};
    for (int c; (c = getopt_long(argc, argv, "", names, NULL)) != -1;) {
        if (c == 'u' && ret_load->url_count < URLS_MAX)
            ret_load->urls[ret_load->url_count++] = optarg;
        else if (c == 'b')
            ret_load->bodies_file = optarg;
        else if (c == 'a')
            ret_load->answers_file = optarg;
        else if (c == 'r')
            ret_load->rate = strtod(optarg, NULL);
        else if (c == 'c')
            ret_load->connections = strtoul(optarg, NULL, 10);
        else
            return false;
    }
    return ret_load->url_count > 0 && ret_load->bodies_file != NULL && ret_load->answers_file != NULL &&
           ret_load->rate >= 0 && ret_load->connections > 0 && ret_load->connections <= CONNECTIONS_MAX;
}

static void read_bodies(struct load *load)
{
    FILE *in = fopen(load->bodies_file, "r");
    if (in == NULL)
        peers_fail(load->bodies_file, "can't be read");
    char *line = NULL;
    size_t room = 0;
    size_t places = 0;
    for (ssize_t size; (size = getline(&line, &room, in)) > 0;) {
        if (load->count == places) {
            places = places == 0 ? 1024 : 2 * places;
            load->bodies = realloc(load->bodies, places * sizeof *load->bodies);
            if (load->bodies == NULL)
                peers_fail("bodies", "out of memory");
        }
        line[strcspn(line, "\n")] = '\0';
        load->bodies[load->count++] = line;
        line = NULL;
        room = 0;
    }
    free(line);
    fclose(in);
    load->due_us = calloc(load->count + 1, sizeof *load->due_us);
    if (load->due_us == NULL)
        peers_fail("bodies", "out of memory");
}

static int64_t due(const struct load *load, size_t n)
{
    return load->rate > 0 ? load->begun_us + (int64_t)((double)n * 1e6 / load->rate) : now_us();
}

static void write_answer(FILE *out, const struct load *load, const struct peers_answer *answer)
{
    static const char name[] = "\"order_id\":";
    const size_t n = (size_t)((int64_t *)answer->context - load->due_us);
    const char *id = strstr(answer->body, name);
    if (id != NULL) {
        id += sizeof name - 1;
        id += strspn(id, " \"");
    } else {
        id = "-";
    }
    fprintf(out, "%zu %lld %lld %ld %d %.*s\n", n, (long long)load->due_us[n], (long long)now_us(),
            answer->status, answer->says_when, (int)strcspn(id, "\" ,}"), id);
}

static void run(struct load *load, FILE *out)
{
    struct peers_calls *calls = peers_calls_open(load->connections);
    size_t next = 0;
    load->begun_us = now_us() + (load->rate > 0 ? HEAD_START_US : 0);
    while (next < load->count || peers_calls_open_ones(calls)) {
        int wait_ms = WAIT_MS;
        while (next < load->count && peers_calls_room(calls)) {
            load->due_us[next] = due(load, next);
            int64_t early_us = load->due_us[next] - now_us();
            if (early_us > 0) {
                wait_ms = (int)(early_us / 1000);
                wait_ms = wait_ms < WAIT_MS ? wait_ms : WAIT_MS;
                break;
            }
            peers_calls_post(calls, load->urls[next % load->url_count], load->bodies[next],
                             strlen(load->bodies[next]), &load->due_us[next]);
            next++;
        }
        struct peers_answer answer;
        if (peers_calls_next(calls, wait_ms, &answer))
            write_answer(out, load, &answer);
    }
}

int main(int argc, char **argv)
{
    static struct load load = {.connections = CONNECTIONS};
    if (!read_options(argc, argv, &load))
        peers_fail("usage", "--url, --bodies and --answers are needed");
    read_bodies(&load);
    FILE *out = fopen(load.answers_file, "w");
    if (out == NULL)
        peers_fail(load.answers_file, "can't be written");
    run(&load, out);
    if (fclose(out) != 0)
        peers_fail(load.answers_file, "can't be written");
    return 0;
}
