// Interfaces and options of sockets: getifaddrs and if_nameindex through netlink, the netdevice ioctls, options kept
// and checked, control messages of IPv4 and IPv6 datagrams.
#include "check.h"
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

static void test_interfaces(void)
{
    struct ifaddrs *all, *i;
    int v4 = 0, v6 = 0, packet = 0;
    CHECK(getifaddrs(&all) == 0);
    for (i = all; i; i = i->ifa_next) {
        if (strcmp(i->ifa_name, "lo") || !i->ifa_addr) continue;
        CHECK(i->ifa_flags & IFF_UP && i->ifa_flags & IFF_LOOPBACK);
        if (i->ifa_addr->sa_family == AF_INET)
            v4 += ((struct sockaddr_in *)i->ifa_addr)->sin_addr.s_addr == htonl(INADDR_LOOPBACK) &&
                  ((struct sockaddr_in *)i->ifa_netmask)->sin_addr.s_addr == htonl(0xff000000);
        if (i->ifa_addr->sa_family == AF_INET6) v6++;
        if (i->ifa_addr->sa_family == AF_PACKET) packet++;
    }
    CHECK(v4 == 1 && v6 <= 1 && packet == 1);
    freeifaddrs(all);
    struct if_nameindex *names = if_nameindex(), *n;
    for (n = names; n && n->if_index && strcmp(n->if_name, "lo"); n++) {
    }
    CHECK(n && n->if_index == 1);
    if_freenameindex(names);
    char name[IF_NAMESIZE];
    CHECK(if_nametoindex("lo") == 1 && if_indextoname(1, name) && !strcmp(name, "lo"));
    CHECK(if_nametoindex("nonesuch") == 0 && errno == ENODEV);
    CHECK(if_indextoname(9999, name) == NULL && errno == ENXIO);
}

static void test_ioctls(void)
{
    struct ifreq r = {.ifr_name = "lo"}, none = {.ifr_name = "nonesuch"};
    int s = socket(AF_INET, SOCK_DGRAM, 0);
    CHECK(ioctl(s, SIOCGIFFLAGS, &r) == 0 && r.ifr_flags & IFF_UP && r.ifr_flags & IFF_LOOPBACK);
    CHECK(ioctl(s, SIOCGIFMTU, &r) == 0 && r.ifr_mtu == 65536);
    CHECK(ioctl(s, SIOCGIFADDR, &r) == 0 &&
          ((struct sockaddr_in *)&r.ifr_addr)->sin_addr.s_addr == htonl(INADDR_LOOPBACK));
    CHECK(ioctl(s, SIOCGIFHWADDR, &r) == 0 && r.ifr_hwaddr.sa_family == 772);
    CHECK_FAILS(ioctl(s, SIOCGIFMTU, &none), ENODEV);
    CHECK_FAILS(ioctl(s, SIOCGIFMTU, 8), EFAULT);
    close(s);
}

static int ask(int s, int type, int flags, char *buf, size_t size)
{
    struct {
        struct nlmsghdr h;
        struct ifinfomsg i;
    } q = {.h = {sizeof q, (unsigned short)type, (unsigned short)(NLM_F_REQUEST | flags), 77, 0}};
    struct sockaddr_nl to = {.nl_family = AF_NETLINK}, from;
    socklen_t len = sizeof from;
    if (sendto(s, &q, sizeof q, 0, (struct sockaddr *)&to, sizeof to) != sizeof q) return -1;
    int n = (int)recvfrom(s, buf, size, 0, (struct sockaddr *)&from, &len);
    CHECK(from.nl_pid == 0 && ((struct nlmsghdr *)buf)->nlmsg_seq == 77);
    return n;
}

static void test_netlink(void)
{
    static char buf[32768] __attribute__((aligned(8)));
    struct nlmsghdr *h = (struct nlmsghdr *)buf;
    struct sockaddr_nl me = {.nl_family = AF_NETLINK};
    socklen_t len = sizeof me;
    int on = 1, s = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE), type;
    CHECK(s >= 0 && bind(s, (struct sockaddr *)&me, sizeof me) == 0);
    CHECK(getsockname(s, (struct sockaddr *)&me, &len) == 0 && len == sizeof me && me.nl_pid != 0);
    len = sizeof type;
    CHECK(getsockopt(s, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_RAW);
    CHECK(getsockopt(s, SOL_SOCKET, SO_DOMAIN, &type, &len) == 0 && type == AF_NETLINK);
    CHECK(setsockopt(s, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on) == 0);
    CHECK(ask(s, RTM_GETLINK, 0, buf, sizeof buf) > 0 && h->nlmsg_type == NLMSG_ERROR);
    CHECK(ask(s, RTM_GETADDR, NLM_F_DUMP, buf, sizeof buf) > 0 && h->nlmsg_type == RTM_NEWADDR &&
          h->nlmsg_pid == me.nl_pid && h->nlmsg_flags & NLM_F_MULTI);
    close(s);
    CHECK_FAILS(socket(AF_NETLINK, SOCK_STREAM, 0), ESOCKTNOSUPPORT);
    CHECK_FAILS(socket(AF_NETLINK, SOCK_RAW, 99), EPROTONOSUPPORT);
    CHECK_FAILS(socket(AF_INET, SOCK_STREAM, 9999), EINVAL);
    CHECK_FAILS(socket(9999, SOCK_STREAM, 0), EAFNOSUPPORT);
    CHECK_FAILS(socket(AF_INET, SOCK_STREAM, IPPROTO_UDP), EPROTONOSUPPORT);
    CHECK_FAILS(socket(AF_INET, 9, 0), ESOCKTNOSUPPORT);
}

static int option(int s, int level, int name)
{
    int v = -99;
    socklen_t len = sizeof v;
    return getsockopt(s, level, name, &v, &len) ? -errno : v;
}

static int set(int s, int level, int name, int v)
{
    return setsockopt(s, level, name, &v, sizeof v) ? -errno : option(s, level, name);
}

static void test_options(void)
{
    struct linger l = {1, 5}, got = {0, 0};
    socklen_t len = sizeof got;
    int t = socket(AF_INET, SOCK_STREAM, 0), u = socket(AF_INET6, SOCK_DGRAM, 0);
    CHECK(option(t, IPPROTO_TCP, TCP_NODELAY) == 0 && set(t, IPPROTO_TCP, TCP_NODELAY, 5) == 1);
    CHECK(option(t, IPPROTO_TCP, TCP_KEEPIDLE) == 7200 && set(t, IPPROTO_TCP, TCP_KEEPIDLE, 60) == 60);
    CHECK(set(t, IPPROTO_TCP, TCP_KEEPIDLE, 0) == -EINVAL);
    CHECK(set(t, SOL_SOCKET, SO_KEEPALIVE, 7) == 1 && set(t, SOL_SOCKET, SO_KEEPALIVE, 0) == 0);
    CHECK(set(t, SOL_SOCKET, SO_RCVBUF, 10000) == 20000 && set(t, SOL_SOCKET, SO_SNDBUF, 1) == 4608);
    CHECK(set(t, IPPROTO_IP, IP_TOS, 16) == 16 && option(t, IPPROTO_IP, IP_TTL) == 64);
    CHECK(set(t, IPPROTO_IP, IP_TTL, 256) == -EINVAL && set(t, IPPROTO_IP, IP_TTL, -1) == 64);
    CHECK(setsockopt(t, SOL_SOCKET, SO_LINGER, &l, sizeof l) == 0);
    CHECK(getsockopt(t, SOL_SOCKET, SO_LINGER, &got, &len) == 0 && got.l_onoff == 1 && got.l_linger == 5);
    CHECK(set(t, IPPROTO_TCP, 9999, 1) == -ENOPROTOOPT && option(t, SOL_SOCKET, 9999) == -ENOPROTOOPT);
    CHECK(option(t, IPPROTO_UDP, UDP_CORK) == -EOPNOTSUPP || option(t, IPPROTO_UDP, UDP_CORK) == -ENOPROTOOPT);
    CHECK_FAILS(setsockopt(t, SOL_SOCKET, SO_KEEPALIVE, (void *)8, 4), EFAULT);
    CHECK_FAILS(setsockopt(t, SOL_SOCKET, SO_KEEPALIVE, &l, 1), EINVAL);
    CHECK_FAILS(setsockopt(t, SOL_SOCKET, SO_KEEPALIVE, &l, -1), EINVAL);
    if (u >= 0) {
        CHECK(option(u, IPPROTO_IPV6, IPV6_V6ONLY) == 0 && set(u, IPPROTO_IPV6, IPV6_V6ONLY, 1) == 1);
        CHECK(set(u, IPPROTO_IPV6, IPV6_UNICAST_HOPS, 9) == 9 && set(u, IPPROTO_IPV6, IPV6_UNICAST_HOPS, -1) == 64);
        CHECK(set(u, IPPROTO_IPV6, IPV6_TCLASS, 300) == -EINVAL);
        close(u);
    }
    close(t);
}

// Receives one datagram; how many control messages came, and the value of each.
static int controls(int s, struct msghdr *m)
{
    static char data[16];
    static union {
        char bytes[256];
        struct cmsghdr align;
    } c;
    static struct iovec v = {data, sizeof data};
    *m = (struct msghdr){.msg_iov = &v, .msg_iovlen = 1, .msg_control = c.bytes, .msg_controllen = sizeof c.bytes};
    if (recvmsg(s, m, 0) < 0) return -1;
    int n = 0;
    for (struct cmsghdr *h = CMSG_FIRSTHDR(m); h; h = CMSG_NXTHDR(m, h)) n++;
    return n;
}

static int control_int(struct msghdr *m, int level, int type)
{
    int v = -1;
    for (struct cmsghdr *h = CMSG_FIRSTHDR(m); h; h = CMSG_NXTHDR(m, h))
        if (h->cmsg_level == level && h->cmsg_type == type) {
            size_t n = h->cmsg_len - CMSG_LEN(0);
            v = 0;
            memcpy(&v, CMSG_DATA(h), n < 4 ? n : 4);
        }
    return v;
}

static int send_with(int s, const struct sockaddr_in6 *to, int type, int value)
{
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } c = {{0}};
    struct iovec v = {"x", 1};
    struct msghdr m = {(void *)(uintptr_t)to, sizeof *to, &v, 1, &c, sizeof c, 0};
    struct cmsghdr *h = CMSG_FIRSTHDR(&m);
    *h = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof value), .cmsg_level = IPPROTO_IPV6, .cmsg_type = type};
    memcpy(CMSG_DATA(h), &value, sizeof value);
    return sendmsg(s, &m, 0) == 1 ? 0 : -errno;
}

static void test_control6(void)
{
    struct sockaddr_in6 a = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    socklen_t len = sizeof a;
    struct msghdr m;
    int s = socket(AF_INET6, SOCK_DGRAM, 0), c = socket(AF_INET6, SOCK_DGRAM, 0);
    if (s < 0 || bind(s, (struct sockaddr *)&a, sizeof a)) return; // a host without IPv6
    getsockname(s, (struct sockaddr *)&a, &len);
    CHECK(sendto(c, "x", 1, 0, (struct sockaddr *)&a, len) == 1 && controls(s, &m) == 0);
    CHECK(set(s, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1) == 1 && set(s, IPPROTO_IPV6, IPV6_RECVTCLASS, 1) == 1 &&
          set(s, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1) == 1);
    CHECK(sendto(c, "x", 1, 0, (struct sockaddr *)&a, len) == 1 && controls(s, &m) == 3);
    CHECK(control_int(&m, IPPROTO_IPV6, IPV6_HOPLIMIT) == 64 && control_int(&m, IPPROTO_IPV6, IPV6_TCLASS) == 0);
    CHECK(send_with(c, &a, IPV6_HOPLIMIT, 3) == 0 && controls(s, &m) == 3 &&
          control_int(&m, IPPROTO_IPV6, IPV6_HOPLIMIT) == 3);
    CHECK(send_with(c, &a, IPV6_TCLASS, 0x10) == 0 && controls(s, &m) == 3 &&
          control_int(&m, IPPROTO_IPV6, IPV6_TCLASS) == 0x10);
    CHECK(send_with(c, &a, IPV6_HOPLIMIT, 256) == -EINVAL && send_with(c, &a, IPV6_TCLASS, -2) == -EINVAL);
    close(s), close(c);
}

static void test_control4(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof a;
    struct msghdr m;
    int s = socket(AF_INET, SOCK_DGRAM, 0), c = socket(AF_INET, SOCK_DGRAM, 0);
    CHECK(bind(s, (struct sockaddr *)&a, sizeof a) == 0 && getsockname(s, (struct sockaddr *)&a, &len) == 0);
    CHECK(set(s, IPPROTO_IP, IP_PKTINFO, 1) == 1 && set(s, IPPROTO_IP, IP_RECVTTL, 1) == 1 &&
          set(s, IPPROTO_IP, IP_RECVTOS, 1) == 1);
    CHECK(set(c, IPPROTO_IP, IP_TTL, 5) == 5 && set(c, IPPROTO_IP, IP_TOS, 8) == 8);
    CHECK(sendto(c, "x", 1, 0, (struct sockaddr *)&a, len) == 1 && controls(s, &m) == 3);
    CHECK(control_int(&m, IPPROTO_IP, IP_TTL) == 5 && control_int(&m, IPPROTO_IP, IP_TOS) == 8 &&
          control_int(&m, IPPROTO_IP, IP_PKTINFO) == 1);
    close(s), close(c);
}

int main(void)
{
    test_interfaces();
    test_ioctls();
    test_netlink();
    test_options();
    test_control6();
    test_control4();
    return check_result();
}
