// See link.h.
#include "host/link.h"
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

int host_link_pair(int fd[2])
{
    int size = 4 * LINK_PACKET;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fd)) return -errno;
    for (int i = 0; i < 2; i++) setsockopt(fd[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    return 0;
}

// write(2) and read(2), which the jail knows; SIGPIPE is its user's to block.
int host_link_send(int fd, const void *packet, size_t n)
{
    ssize_t put;
    do {
        put = write(fd, packet, n);
    } while (put < 0 && errno == EINTR);
    return put < 0 ? -errno : 0;
}

static bool is_ready(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    int n;
    do {
        n = ppoll(&p, 1, &(struct timespec){0}, NULL);
    } while (n < 0 && errno == EINTR);
    return n > 0;
}

int64_t host_link_take(int fd, void *packet, size_t n, bool wait)
{
    ssize_t got;
    if (!wait && !is_ready(fd)) return -EAGAIN;
    do {
        got = read(fd, packet, n); // waits by itself
    } while (got < 0 && errno == EINTR);
    if (got < 0 && errno == ECONNRESET) return 0; // gone, with something of ours unread
    return got < 0 ? -errno : got;
}

void host_link_close(int fd)
{
    close(fd);
}
