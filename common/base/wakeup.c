// Waking by an eventfd.
#include "base/wakeup.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

const uint64_t wakeup_payload = 1;

struct err wakeup_open(int *ret_fd)
{
    int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (fd < 0)
        return err_make(ERR_RETRY, "eventfd: %s", strerror(errno));
    *ret_fd = fd;
    return err_ok();
}

void wakeup_signal(int fd)
{
    ssize_t size = write(fd, &wakeup_payload, sizeof wakeup_payload); // full: then it wakes anyway
    (void)size;
}

void wakeup_take(int fd)
{
    uint64_t count;
    ssize_t size = read(fd, &count, sizeof count);
    (void)size;
}
