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

int64_t host_link_take(int fd, void *packet, size_t n, bool wait)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    int ready;
    do {
        ready = ppoll(&p, 1, wait ? NULL : &(struct timespec){0}, NULL);
    } while (ready < 0 && errno == EINTR);
    if (ready < 0) return -errno;
    if (ready == 0) return -EAGAIN;
    ssize_t got = read(fd, packet, n);
    if (got < 0 && errno == ECONNRESET) return 0; // gone, with something of ours unread
    return got < 0 ? -errno : got;
}

void host_link_close(int fd)
{
    close(fd);
}
