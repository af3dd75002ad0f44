// bench_peers --brokers HOST:PORT --prefix PREFIX --counted FILE --types TYPE,… [--intake URL]: finance, a mail server, a
// warehouse that refuses, a counter of events and, with --intake, a person who cancels, for benches. Says {"smtp_port": N,
// "warehouse_port": N} once it is there; the end of standard input ends it.
#include "bench/peers.h"

#include <arpa/inet.h>
#include <getopt.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static int listen_anywhere(int *ret_port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) != 0 || listen(fd, 64) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &size) != 0)
        peers_fail("server", "no port to listen on");
    *ret_port = ntohs(address.sin_port);
    return fd;
}

static void start(void *(*run)(void *), void *self)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, run, self) != 0)
        peers_fail("thread", "can't be started");
    pthread_detach(thread);
}

static bool read_options(int argc, char **argv, struct peers_options *ret_options)
{
    static const struct option names[] = {
        {"brokers", required_argument, NULL, 'b'}, {"prefix", required_argument, NULL, 'p'},
        {"counted", required_argument, NULL, 'c'}, {"types", required_argument, NULL, 't'},
        {"intake", required_argument, NULL, 'i'},  {0}};
    for (int c; (c = getopt_long(argc, argv, "", names, NULL)) != -1;) {
        if (c == 'b')
            ret_options->brokers = optarg;
        else if (c == 'p')
            ret_options->prefix = optarg;
        else if (c == 'c')
            ret_options->counted = optarg;
        else if (c == 't')
            ret_options->types = optarg;
        else if (c == 'i')
            ret_options->intake = optarg;
        else
            return false;
    }
    return ret_options->brokers != NULL && ret_options->prefix != NULL && ret_options->counted != NULL &&
           ret_options->types != NULL;
}

int main(int argc, char **argv)
{
    static struct peers_options options;
    static int mail;
    static int warehouse;
    int smtp_port;
    int warehouse_port;
    if (!read_options(argc, argv, &options))
        peers_fail("usage", "--brokers, --prefix, --counted and --types are needed");
    mail = listen_anywhere(&smtp_port);
    warehouse = listen_anywhere(&warehouse_port);
    printf("{\"smtp_port\": %d, \"warehouse_port\": %d}\n", smtp_port, warehouse_port);
    fflush(stdout);
    start(peers_mail, &mail);
    start(peers_warehouse, &warehouse);
    start(peers_finance, &options);
    start(peers_count, &options);
    if (options.intake != NULL)
        start(peers_person, &options);
    while (getchar() != EOF) {}
    return 0;
}
