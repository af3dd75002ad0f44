// bench_peers --brokers HOST:PORT --prefix PREFIX --completed FILE: finance, a mail server and a counter of completed orders
// for benches. Says {"smtp_port": N} once it is there; each line read from standard input is answered by {"mails": N}, its end
// ends the program.
#include "bench/peers.h"

#include <arpa/inet.h>
#include <getopt.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static int listen_anywhere(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) != 0 || listen(fd, 64) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &size) != 0)
        peers_fail("mail", "no port to listen on");
    printf("{\"smtp_port\": %d}\n", ntohs(address.sin_port));
    return fd;
}

static void start(void *(*run)(void *), void *self)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, run, self) != 0)
        peers_fail("thread", "can't be started");
    pthread_detach(thread);
}

int main(int argc, char **argv)
{
    static struct peers_options options;
    static int listener;
    static const struct option names[] = {{"brokers", required_argument, NULL, 'b'},
                                          {"prefix", required_argument, NULL, 'p'},
                                          {"completed", required_argument, NULL, 'c'},
                                          {0}};
    for (int c; (c = getopt_long(argc, argv, "", names, NULL)) != -1;) {
        if (c == 'b')
            options.brokers = optarg;
        else if (c == 'p')
            options.prefix = optarg;
        else if (c == 'c')
            options.completed = optarg;
        else
            return 2;
    }
    if (options.brokers == NULL || options.prefix == NULL || options.completed == NULL)
        peers_fail("usage", "--brokers, --prefix and --completed are needed");
    listener = listen_anywhere();
    fflush(stdout);
    start(peers_mail, &listener);
    start(peers_finance, &options);
    start(peers_count, &options);
    char line[64];
    while (fgets(line, sizeof line, stdin) != NULL) {
        printf("{\"mails\": %llu}\n", (unsigned long long)peers_mails());
        fflush(stdout);
    }
    return 0;
}
