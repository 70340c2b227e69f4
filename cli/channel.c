// See channel.h.
#include "cli/channel.h"
#include <errno.h>
#include <unistd.h>

int channel_send(int fd, const void *from, size_t n)
{
    ssize_t put;
    do put = write(fd, from, n);
    while (put < 0 && errno == EINTR);
    return put < 0 ? -1 : 0;
}

ptrdiff_t channel_take(int fd, void *to, size_t n)
{
    ssize_t got;
    do got = read(fd, to, n);
    while (got < 0 && errno == EINTR);
    return got;
}
