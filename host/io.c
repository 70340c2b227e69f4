// Host descriptors: see io.h.
#include "host/io.h"
#include "host/fdstat.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { MAX_POLL = 16 };

int host_poll(struct host_pollfd *f, unsigned n, int64_t timeout_ns)
{
    struct pollfd p[MAX_POLL];
    if (n > MAX_POLL) n = MAX_POLL;
    for (unsigned i = 0; i < n; i++)
        p[i] = (struct pollfd){.fd = f[i].fd,
                               .events =
                                   (short)((f[i].want & HOST_IN ? POLLIN : 0) | (f[i].want & HOST_OUT ? POLLOUT : 0))};
    struct timespec ts = {timeout_ns / 1000000000, timeout_ns % 1000000000};
    int got = ppoll(p, n, timeout_ns < 0 ? NULL : &ts, NULL);
    for (unsigned i = 0; i < n; i++) {
        short r = got > 0 ? p[i].revents : 0;
        f[i].ready = r & (POLLERR | POLLHUP | POLLNVAL) ? f[i].want
                                                        : (r & POLLIN ? HOST_IN : 0u) | (r & POLLOUT ? HOST_OUT : 0u);
    }
    return got < 0 ? 0 : got;
}

bool host_ready(int fd, unsigned want)
{
    struct host_pollfd p = {.fd = fd, .want = want};
    return host_poll(&p, 1, 0) > 0;
}

int64_t host_read(int fd, void *to, size_t n)
{
    ssize_t got;
    do got = read(fd, to, n);
    while (got < 0 && errno == EINTR);
    return got < 0 ? -errno : got;
}

int64_t host_write_all(int fd, const void *from, size_t n)
{
    for (size_t done = 0; done < n;) {
        ssize_t put = write(fd, (const char *)from + done, n - done);
        if (put >= 0) {
            done += (size_t)put;
        } else if (errno == EAGAIN) { // somebody made the descriptor non-blocking
            struct host_pollfd p = {.fd = fd, .want = HOST_OUT};
            host_poll(&p, 1, -1);
        } else if (errno != EINTR) {
            return -errno;
        }
    }
    return (int64_t)n;
}

size_t host_write_room(int fd)
{
    struct stat st;
    return host_fstat(fd, &st) == 0 && (S_ISREG(st.st_mode) || S_ISCHR(st.st_mode))
               ? 65536
               : 4096; // PIPE_BUF: what POLLOUT promises
}

int host_wake_open(struct host_wake *w)
{
    int fd[2];
    if (pipe2(fd, O_CLOEXEC | O_NONBLOCK)) return -errno;
    *w = (struct host_wake){fd[0], fd[1]};
    return 0;
}

void host_wake_close(struct host_wake *w)
{
    close(w->r);
    close(w->w);
}

void host_wake_ring(const struct host_wake *w)
{
    int saved = errno;
    if (write(w->w, "", 1) < 0) errno = saved; // full: it is ringing already
}

void host_wake_drain(const struct host_wake *w)
{
    char sink[64];
    while (read(w->r, sink, sizeof sink) > 0) {
    }
}

_Static_assert(sizeof(sigset_t) <= sizeof(((struct host_sigpipe *)0)->saved), "saved mask fits");

void host_sigpipe_block(struct host_sigpipe *s)
{
    sigset_t set, pending, old;
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    sigpending(&pending);
    s->was_pending = sigismember(&pending, SIGPIPE) == 1;
    pthread_sigmask(SIG_BLOCK, &set, &old);
    memcpy(s->saved, &old, sizeof old);
}

void host_sigpipe_restore(const struct host_sigpipe *s)
{
    sigset_t set, old;
    struct timespec now = {0, 0};
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    if (!s->was_pending)
        while (sigtimedwait(&set, NULL, &now) < 0 && errno == EINTR) {
        }
    memcpy(&old, s->saved, sizeof old);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
}
