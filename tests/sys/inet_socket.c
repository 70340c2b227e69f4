// AF_INET sockets on the loopback address: names and ports, a connection, datagrams, urgent bytes, what is not there.
#include "check.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

static struct sockaddr_in loopback(uint16_t port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return a;
}

static int bound(int type, struct sockaddr_in *a)
{
    socklen_t len = sizeof *a;
    int s = socket(AF_INET, type, 0);
    *a = loopback(0);
    CHECK(s >= 0 && bind(s, (struct sockaddr *)a, sizeof *a) == 0);
    CHECK(getsockname(s, (struct sockaddr *)a, &len) == 0 && len == sizeof *a && a->sin_port != 0);
    return s;
}

static void test_stream(void)
{
    struct sockaddr_in a, peer;
    socklen_t len = sizeof peer;
    char buf[8];
    int status, on = 1, l = bound(SOCK_STREAM, &a);
    CHECK(listen(l, 5) == 0);
    pid_t pid = fork();
    if (pid == 0) {
        int s = accept(l, (struct sockaddr *)&peer, &len);
        _exit(s >= 0 && peer.sin_addr.s_addr == htonl(INADDR_LOOPBACK) && read(s, buf, 8) == 4 &&
                      write(s, "pong", 4) == 4 && read(s, buf, 8) == 0
                  ? 0
                  : 1);
    }
    int c = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(connect(c, (struct sockaddr *)&a, sizeof a) == 0);
    CHECK(getpeername(c, (struct sockaddr *)&peer, &len) == 0 && peer.sin_port == a.sin_port);
    CHECK(setsockopt(c, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0);
    CHECK(write(c, "ping", 4) == 4 && read(c, buf, 8) == 4 && memcmp(buf, "pong", 4) == 0);
    close(c);
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
    int other = socket(AF_INET, SOCK_STREAM, 0);
    CHECK_FAILS(bind(other, (struct sockaddr *)&a, sizeof a), EADDRINUSE);
    close(l);
    CHECK_FAILS(connect(other, (struct sockaddr *)&a, sizeof a), ECONNREFUSED);
    close(other);
}

static void test_datagram(void)
{
    struct sockaddr_in a, b, from;
    socklen_t len = sizeof from;
    char buf[8];
    int r = bound(SOCK_DGRAM, &a), s = bound(SOCK_DGRAM, &b);
    CHECK(sendto(s, "one", 3, 0, (struct sockaddr *)&a, sizeof a) == 3);
    CHECK(recvfrom(r, buf, 8, 0, (struct sockaddr *)&from, &len) == 3 && from.sin_port == b.sin_port);
    CHECK(connect(s, (struct sockaddr *)&a, sizeof a) == 0 && write(s, "two", 3) == 3 && read(r, buf, 8) == 3);
    struct pollfd p = {r, POLLIN, 0};
    CHECK(poll(&p, 1, 0) == 0);
    close(r);
    close(s);
}

// A port that was just given up is not the next one that the kernel chooses: programs look for a free port this way.
static void test_free_port(void)
{
    struct sockaddr_in a, b;
    close(bound(SOCK_STREAM, &a));
    int other = bound(SOCK_STREAM, &b), again = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(a.sin_port != b.sin_port && bind(again, (struct sockaddr *)&a, sizeof a) == 0);
    close(other);
    close(again);
}

// ---------------------------------------------------------------- urgent bytes: tcp(7), `Out of band data`

static void connected(int s[2])
{
    struct sockaddr_in a;
    int l = bound(SOCK_STREAM, &a);
    s[0] = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(listen(l, 1) == 0 && connect(s[0], (struct sockaddr *)&a, sizeof a) == 0 &&
          (s[1] = accept(l, NULL, NULL)) >= 0);
    close(l);
}

// Waits until what was sent has arrived: POLLIN, POLLPRI or both.
static int wait_for(int s, int events)
{
    struct pollfd p = {s, (short)events, 0};
    poll(&p, 1, events ? 5000 : 20);
    p.events = POLLIN | POLLPRI;
    poll(&p, 1, 0);
    return p.revents;
}

static int at_mark(int s)
{
    int mark = -1;
    CHECK(ioctl(s, SIOCATMARK, &mark) == 0);
    return mark;
}

static volatile sig_atomic_t signals;
static void count(int sig)
{
    (void)sig;
    signals++;
}

static void test_urgent(void)
{
    int s[2], n = 0;
    char buf[8];
    connected(s);
    signal(SIGURG, count);
    CHECK(fcntl(s[1], F_SETOWN, getpid()) == 0);
    CHECK_FAILS(recv(s[1], buf, 1, MSG_OOB), EINVAL);
    CHECK(send(s[0], "abX", 3, MSG_OOB) == 3 && wait_for(s[1], POLLPRI) == (POLLIN | POLLPRI) && signals == 1);
    CHECK(send(s[0], "cd", 2, 0) == 2 && ioctl(s[1], FIONREAD, &n) == 0 && n == 2);
    CHECK(recv(s[1], buf, 8, 0) == 2 && !memcmp(buf, "ab", 2) && at_mark(s[1]));
    struct iovec v = {buf, 8};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};
    CHECK(recvmsg(s[1], &m, MSG_OOB) == 1 && buf[0] == 'X' && m.msg_flags & MSG_OOB);
    CHECK_FAILS(recv(s[1], buf, 1, MSG_OOB), EINVAL);
    CHECK(wait_for(s[1], POLLIN) == POLLIN && recv(s[1], buf, 8, 0) == 2 && !memcmp(buf, "cd", 2) && !at_mark(s[1]));
    close(s[0]);
    close(s[1]);
}

// Alone in the queue and read out of band, it is nothing to read; the next one takes the place of one not read.
static void test_urgent_alone(void)
{
    int s[2];
    char buf[8];
    connected(s);
    CHECK(send(s[0], "X", 1, MSG_OOB) == 1 && wait_for(s[1], POLLPRI) == POLLPRI && at_mark(s[1]));
    CHECK(recv(s[1], buf, 1, MSG_OOB | MSG_PEEK) == 1 && recv(s[1], buf, 1, MSG_OOB) == 1 && wait_for(s[1], 0) == 0);
    CHECK_FAILS(recv(s[1], buf, 8, MSG_DONTWAIT | MSG_PEEK), EAGAIN);
    CHECK(at_mark(s[1]) == 1);
    CHECK_FAILS(recv(s[1], buf, 8, MSG_DONTWAIT), EAGAIN);
    CHECK(at_mark(s[1]) == 0);
    CHECK(send(s[0], "Y", 1, MSG_OOB) == 1 && wait_for(s[1], POLLPRI) == POLLPRI);
    CHECK(send(s[0], "abZ", 3, MSG_OOB) == 3 && wait_for(s[1], POLLIN) == (POLLIN | POLLPRI));
    CHECK(recv(s[1], buf, 1, MSG_OOB) == 1 && buf[0] == 'Z');
    CHECK(recv(s[1], buf, 8, 0) == 2 && !memcmp(buf, "ab", 2));
    close(s[0]);
    close(s[1]);
}

// A close without lingering breaks the connection off: what had come can be read, the other end has no peer any more.
static void test_reset(void)
{
    int s[2], error;
    char buf[8];
    struct sockaddr_in a;
    struct linger none = {1, 0};
    socklen_t len = sizeof a, n = sizeof error;
    connected(s);
    CHECK(send(s[0], "ab", 2, 0) == 2 && wait_for(s[1], POLLIN) == POLLIN);
    CHECK(setsockopt(s[0], SOL_SOCKET, SO_LINGER, &none, sizeof none) == 0);
    close(s[0]);
    CHECK(wait_for(s[1], POLLERR) & POLLHUP);
    CHECK_FAILS(getpeername(s[1], (struct sockaddr *)&a, &len), ENOTCONN);
    CHECK(recv(s[1], buf, 8, 0) == 2 && getsockopt(s[1], SOL_SOCKET, SO_ERROR, &error, &n) == 0 && error == ECONNRESET);
    CHECK(recv(s[1], buf, 8, 0) == 0);
    CHECK_FAILS(send(s[1], "x", 1, MSG_NOSIGNAL), EPIPE);
    close(s[1]);
}

// The other end has closed: no hang-up as long as this one has not.
static void test_half_closed(void)
{
    int s[2];
    char buf[8];
    connected(s);
    CHECK(send(s[0], "ab", 2, 0) == 2);
    close(s[0]);
    CHECK(recv(s[1], buf, 8, MSG_WAITALL) == 2 && wait_for(s[1], POLLIN) == POLLIN);
    CHECK(shutdown(s[1], SHUT_WR) == 0 && wait_for(s[1], POLLIN) == (POLLIN | POLLHUP));
    close(s[1]);
}

static void test_urgent_in_line(void)
{
    int s[2], on = 1;
    char buf[8];
    connected(s);
    CHECK(setsockopt(s[1], SOL_SOCKET, SO_OOBINLINE, &on, sizeof on) == 0);
    CHECK(send(s[0], "abX", 3, MSG_OOB) == 3 && wait_for(s[1], POLLPRI) == (POLLIN | POLLPRI));
    CHECK(send(s[0], "cd", 2, 0) == 2);
    shutdown(s[0], SHUT_WR);
    CHECK_FAILS(recv(s[1], buf, 1, MSG_OOB), EINVAL);
    CHECK(recv(s[1], buf, 8, MSG_WAITALL) == 2 && at_mark(s[1]));
    CHECK(recv(s[1], buf, 8, MSG_WAITALL) == 3 && !memcmp(buf, "Xcd", 3) && !at_mark(s[1]));
    close(s[0]);
    close(s[1]);
}

// ---------------------------------------------------------------- a backlog without room

static int begin_connect(const struct sockaddr_in *a)
{
    int s = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    CHECK_FAILS(connect(s, (const struct sockaddr *)a, sizeof *a), EINPROGRESS);
    return s;
}

// The connection is under way until there is room; the client is not told that there is none.
static void test_full_backlog(void)
{
    struct sockaddr_in a, peer;
    socklen_t len = sizeof peer;
    char buf[4];
    int l = bound(SOCK_STREAM, &a), error = -1;
    CHECK(listen(l, 0) == 0);
    int first = begin_connect(&a), second = begin_connect(&a);
    CHECK(wait_for(first, POLLOUT) == 0);
    struct pollfd p = {second, POLLIN | POLLOUT, 0};
    CHECK(poll(&p, 1, 100) == 0);
    CHECK_FAILS(connect(second, (struct sockaddr *)&a, sizeof a), EALREADY);
    CHECK_FAILS(getpeername(second, (struct sockaddr *)&peer, &len), ENOTCONN);
    CHECK_FAILS(write(second, "x", 1), EAGAIN);
    CHECK_FAILS(read(second, buf, 1), EAGAIN);
    CHECK_FAILS(listen(second, 1), EINVAL);
    int one = accept(l, NULL, NULL), two = accept(l, NULL, NULL); // the second comes when the client asks again
    CHECK(one >= 0 && two >= 0 && poll(&p, 1, 5000) == 1 && p.revents == POLLOUT);
    len = sizeof error;
    CHECK(getsockopt(second, SOL_SOCKET, SO_ERROR, &error, &len) == 0 && error == 0);
    CHECK(connect(second, (struct sockaddr *)&a, sizeof a) == 0);
    CHECK(write(second, "ab", 2) == 2 && read(two, buf, 4) == 2);
    int third = begin_connect(&a), fourth = begin_connect(&a);
    close(fourth);
    close(l);
    CHECK(poll(&(struct pollfd){third, POLLIN, 0}, 1, 5000) == 1); // what waits in the backlog is reset
    CHECK_FAILS(read(third, buf, 1), ECONNRESET);
    for (int i = 0, all[] = {first, second, third, one, two}; i < 5; i++) close(all[i]);
}

// A connect that may wait does; the server comes to it later.
static void test_wait_for_room(void)
{
    struct sockaddr_in a;
    int status, l = bound(SOCK_STREAM, &a);
    CHECK(listen(l, 0) == 0);
    int first = begin_connect(&a), s = socket(AF_INET, SOCK_STREAM, 0);
    pid_t pid = fork();
    if (pid == 0) {
        usleep(200000);
        _exit(accept(l, NULL, NULL) >= 0 && accept(l, NULL, NULL) >= 0 ? 0 : 1);
    }
    CHECK(connect(s, (struct sockaddr *)&a, sizeof a) == 0);
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
    close(first);
    close(s);
    close(l);
}

int main(void)
{
    test_stream();
    test_datagram();
    test_free_port();
    test_urgent();
    test_urgent_alone();
    test_urgent_in_line();
    test_reset();
    test_half_closed();
    test_full_backlog();
    test_wait_for_room();
    CHECK_FAILS(socket(AF_INET, SOCK_STREAM, IPPROTO_UDP), EPROTONOSUPPORT);
    return check_result();
}
