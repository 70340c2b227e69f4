// AF_INET sockets on the loopback address: names and ports, a connection, datagrams, what is not there.
#include "check.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
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

int main(void)
{
    test_stream();
    test_datagram();
    CHECK_FAILS(socket(AF_INET, SOCK_STREAM, IPPROTO_UDP), EPROTONOSUPPORT);
    return check_result();
}
