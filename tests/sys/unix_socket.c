// AF_UNIX sockets: pairs, streams, datagrams, names, passed descriptors and credentials, ends.
#include "check.h"
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

static socklen_t name(struct sockaddr_un *a, const char *text, size_t n)
{
    *a = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(a->sun_path, text, n);
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
}

static void test_pair(void)
{
    int s[2], type, n;
    socklen_t len = sizeof type;
    char buf[64];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s) == 0 && fcntl(s[0], F_GETFD) == FD_CLOEXEC);
    CHECK(write(s[0], "hello", 5) == 5 && ioctl(s[1], FIONREAD, &n) == 0 && n == 5);
    CHECK(recv(s[1], buf, 3, MSG_PEEK) == 3 && read(s[1], buf, 64) == 5);
    CHECK_FAILS(recv(s[1], buf, 1, MSG_DONTWAIT), EAGAIN);
    CHECK(getsockopt(s[0], SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_STREAM);
    CHECK(shutdown(s[0], SHUT_WR) == 0 && read(s[1], buf, 1) == 0);
    CHECK_FAILS(send(s[0], "x", 1, MSG_NOSIGNAL), EPIPE);
    CHECK(write(s[1], "y", 1) == 1 && read(s[0], buf, 2) == 1);
    close(s[1]);
    struct pollfd p = {s[0], POLLIN | POLLOUT, 0};
    CHECK(poll(&p, 1, 0) == 1 && p.revents & POLLHUP && p.revents & POLLIN);
    close(s[0]);
    CHECK_FAILS(socketpair(AF_UNIX, 99, 0, s), EINVAL);
}

static void test_stream(void)
{
    enum { BYTES = 1000000 };
    struct sockaddr_un a, b;
    socklen_t len = name(&a, "listener", 9), blen = sizeof b;
    int l = socket(AF_UNIX, SOCK_STREAM, 0), c = socket(AF_UNIX, SOCK_STREAM, 0);
    static char big[BYTES];
    CHECK_FAILS(connect(c, (struct sockaddr *)&a, len), ENOENT);
    CHECK(bind(l, (struct sockaddr *)&a, len) == 0);
    CHECK_FAILS(connect(c, (struct sockaddr *)&a, len), ECONNREFUSED);
    CHECK(listen(l, 1) == 0 && getsockname(l, (struct sockaddr *)&b, &blen) == 0 &&
          strcmp(b.sun_path, "listener") == 0);
    pid_t pid = fork();
    if (pid == 0) {
        size_t got = 0;
        ssize_t n;
        int s = accept4(l, NULL, NULL, SOCK_CLOEXEC);
        while ((n = read(s, big, sizeof big)) > 0) got += (size_t)n;
        _exit(got == BYTES && write(s, "ok", 2) == 2 ? 0 : 1);
    }
    CHECK(connect(c, (struct sockaddr *)&a, len) == 0);
    CHECK(write(c, big, BYTES) == BYTES && shutdown(c, SHUT_WR) == 0 && read(c, big, 9) == 2);
    int status;
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
    struct ucred cred;
    len = sizeof cred;
    CHECK(getsockopt(c, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0 && cred.pid == getpid() && cred.uid == getuid());
    CHECK_FAILS(connect(c, (struct sockaddr *)&a, name(&a, "listener", 9)), EISCONN);
    int again = socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK_FAILS(bind(again, (struct sockaddr *)&a, name(&a, "listener", 9)), EADDRINUSE);
    close(again);
    close(c);
    close(l);
}

static void test_datagram(void)
{
    struct sockaddr_un a, from;
    socklen_t len = name(&a, "\0abstract", 9), flen = sizeof from;
    int r = socket(AF_UNIX, SOCK_DGRAM, 0), s = socket(AF_UNIX, SOCK_DGRAM, 0);
    char buf[8];
    CHECK(bind(r, (struct sockaddr *)&a, len) == 0);
    CHECK(sendto(s, "first", 5, 0, (struct sockaddr *)&a, len) == 5 &&
          sendto(s, "second", 6, 0, (struct sockaddr *)&a, len) == 6);
    CHECK(recv(r, NULL, 0, MSG_PEEK | MSG_TRUNC) == 5 && recv(r, NULL, 0, MSG_PEEK) == 0); // how long is the next?
    CHECK(recv(r, buf, 2, MSG_TRUNC) == 5 && recvfrom(r, buf, 8, 0, (struct sockaddr *)&from, &flen) == 6 &&
          memcmp(buf, "second", 6) == 0);
    CHECK_FAILS(send(s, "x", 1, 0), ENOTCONN);
    CHECK(connect(s, (struct sockaddr *)&a, len) == 0 && send(s, "", 0, 0) == 0 && recv(r, buf, 8, 0) == 0);
    close(r);
    CHECK_FAILS(send(s, "x", 1, 0), ECONNREFUSED);
    close(s);
}

static void test_passing(void)
{
    int s[2], p[2], fd;
    char c = 'x', control[CMSG_SPACE(sizeof fd)] = "";
    struct iovec v = {&c, 1};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0 && pipe(p) == 0);
    struct cmsghdr *h = CMSG_FIRSTHDR(&m);
    *h = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof fd), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
    memcpy(CMSG_DATA(h), &p[1], sizeof fd);
    CHECK(sendmsg(s[0], &m, 0) == 1);
    close(p[1]);
    memset(control, 0, sizeof control);
    CHECK(recvmsg(s[1], &m, MSG_CMSG_CLOEXEC) == 1 && (h = CMSG_FIRSTHDR(&m)) && h->cmsg_type == SCM_RIGHTS);
    memcpy(&fd, CMSG_DATA(h), sizeof fd);
    CHECK(write(fd, "via", 3) == 3 && fcntl(fd, F_GETFD) == FD_CLOEXEC);
    close(fd);
    char buf[4];
    CHECK(read(p[0], buf, 4) == 3 && read(p[0], buf, 4) == 0);
    close(s[0]);
    close(s[1]);
    close(p[0]);
}

int main(void)
{
    char dir[64];
    check_enter(dir);
    signal(SIGPIPE, SIG_IGN);
    test_pair();
    test_stream();
    test_datagram();
    test_passing();
    unlink("listener");
    rmdir(dir);
    return check_result();
}
