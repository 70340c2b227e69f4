// Which addresses of IPv4 and IPv6 two sockets may have with one port: those that no address means both
// (ipv6(7), IPV6_V6ONLY). Servers for both, as epmd and nginx are, bind both.
#include "check.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>

union any_addr {
    struct sockaddr sa;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static socklen_t parse(union any_addr *a, const char *text, in_port_t port)
{
    memset(a, 0, sizeof *a);
    if (inet_pton(AF_INET, text, &a->v4.sin_addr) == 1) {
        a->v4.sin_family = AF_INET;
        a->v4.sin_port = port;
        return sizeof a->v4;
    }
    CHECK(inet_pton(AF_INET6, text, &a->v6.sin6_addr) == 1);
    a->v6.sin6_family = AF_INET6;
    a->v6.sin6_port = port;
    return sizeof a->v6;
}

// A '!' before the address: IPv6 only. -1: the port is taken.
static int listener(const char *text, in_port_t port)
{
    union any_addr a;
    int one = 1;
    bool only = *text == '!';
    socklen_t len = parse(&a, text + only, port);
    int s = socket(a.sa.sa_family, SOCK_STREAM, 0);
    CHECK(s >= 0 && setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0);
    if (only) CHECK(setsockopt(s, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one) == 0);
    if (bind(s, &a.sa, len) == 0) {
        CHECK(listen(s, 5) == 0);
        return s;
    }
    CHECK(errno == EADDRINUSE);
    close(s);
    return -1;
}

static in_port_t port_of(int s)
{
    union any_addr a;
    socklen_t len = sizeof a;
    CHECK(getsockname(s, &a.sa, &len) == 0);
    return a.sa.sa_family == AF_INET ? a.v4.sin_port : a.v6.sin6_port;
}

static void test_pair(const char *one, const char *two, bool both)
{
    int a = listener(one, 0), b = listener(two, port_of(a));
    if (!CHECK((b >= 0) == both)) printf("  %s and %s\n", one, two);
    close(a);
    if (b >= 0) close(b);
}

static void test_reached(void)
{
    union any_addr a;
    int v4 = listener("0.0.0.0", 0), v6 = listener("!::", port_of(v4));
    int c = socket(AF_INET6, SOCK_STREAM, 0), d = socket(AF_INET, SOCK_STREAM, 0), e;
    socklen_t len = parse(&a, "::1", port_of(v4));
    CHECK(connect(c, &a.sa, len) == 0 && (e = accept(v6, NULL, NULL)) >= 0 && close(e) == 0);
    len = parse(&a, "127.0.0.1", port_of(v4));
    CHECK(connect(d, &a.sa, len) == 0 && (e = accept(v4, NULL, NULL)) >= 0 && close(e) == 0);
    close(c), close(d), close(v4), close(v6);
}

int main(void)
{
    int s = socket(AF_INET6, SOCK_STREAM, 0);
    union any_addr a;
    socklen_t len = parse(&a, "::1", 0);
    if (s < 0 || bind(s, &a.sa, len) != 0) return 0; // a machine without IPv6
    close(s);
    test_pair("0.0.0.0", "!::", true);
    test_pair("!::", "0.0.0.0", true);
    test_pair("0.0.0.0", "::", false);
    test_pair("::", "0.0.0.0", false);
    test_pair("::", "127.0.0.1", false);
    test_pair("!::", "127.0.0.1", true);
    test_pair("0.0.0.0", "::1", true);
    test_pair("127.0.0.1", "::1", true);
    test_pair("127.0.0.1", "::ffff:127.0.0.1", false);
    test_pair("0.0.0.0", "::ffff:127.0.0.1", false);
    test_pair("::", "::1", false);
    test_pair("127.0.0.1", "127.0.0.2", true);
    test_reached();
    return check_result();
}
