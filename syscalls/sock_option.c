// Socket options (socket(7), ip(7), ipv6(7), tcp(7)): getsockopt, setsockopt, the control messages that some of them
// ask for, and the ioctls about the interface.
//
// Options that make no difference between two ends on one machine are rows of a table: checked, kept and read back.
#include "syscalls/socket.h"
#include <stdlib.h>
#include <string.h>

enum { SOL_NETLINK = 270 };

struct option { // an int: its place in sock->option is the row's number
    int level, name;
    int32_t min, max, initial;
    bool minus_one; // -1: back to the default
};

#define FLAG(level, name)                                                                                              \
    {                                                                                                                  \
        level, name, INT32_MIN, INT32_MAX, 0, false                                                                    \
    }
static const struct option options[] = {
    FLAG(LX_SOL_SOCKET, LX_SO_DEBUG),
    FLAG(LX_SOL_SOCKET, LX_SO_BROADCAST),
    FLAG(LX_SOL_SOCKET, LX_SO_KEEPALIVE),
    FLAG(LX_SOL_SOCKET, LX_SO_OOBINLINE),
    FLAG(LX_SOL_SOCKET, LX_SO_DONTROUTE),
    FLAG(LX_SOL_SOCKET, LX_SO_TIMESTAMP),
    FLAG(LX_SOL_SOCKET, 11), // SO_NO_CHECK
    FLAG(LX_SOL_SOCKET, 34), // SO_PASSSEC
    FLAG(LX_SOL_SOCKET, 35), // SO_TIMESTAMPNS
    FLAG(LX_SOL_SOCKET, 40), // SO_RXQ_OVFL
    FLAG(LX_SOL_SOCKET, 41), // SO_WIFI_STATUS
    FLAG(LX_SOL_SOCKET, 44), // SO_LOCK_FILTER
    FLAG(LX_SOL_SOCKET, 45), // SO_SELECT_ERR_QUEUE
    {LX_SOL_SOCKET, LX_SO_PRIORITY, INT32_MIN, INT32_MAX, 0, false},
    {LX_SOL_SOCKET, 42, INT32_MIN, INT32_MAX, -1, false}, // SO_PEEK_OFF
    {LX_SOL_SOCKET, 46, INT32_MIN, INT32_MAX, 0, false},  // SO_BUSY_POLL
    {LX_SOL_SOCKET, 49, 0, INT32_MAX, 0, false},          // SO_INCOMING_CPU
    {LX_IPPROTO_IP, LX_IP_TOS, INT32_MIN, INT32_MAX, 0, false},
    {LX_IPPROTO_IP, LX_IP_TTL, 1, 255, 64, true},
    FLAG(LX_IPPROTO_IP, 3), // IP_HDRINCL
    FLAG(LX_IPPROTO_IP, 5), // IP_ROUTER_ALERT
    FLAG(LX_IPPROTO_IP, 6), // IP_RECVOPTS
    FLAG(LX_IPPROTO_IP, 7), // IP_RETOPTS
    FLAG(LX_IPPROTO_IP, LX_IP_PKTINFO),
    {LX_IPPROTO_IP, 10, 0, 5, 1, false}, // IP_MTU_DISCOVER
    FLAG(LX_IPPROTO_IP, 11),             // IP_RECVERR
    FLAG(LX_IPPROTO_IP, LX_IP_RECVTTL),
    FLAG(LX_IPPROTO_IP, LX_IP_RECVTOS),
    FLAG(LX_IPPROTO_IP, 15),                              // IP_FREEBIND
    FLAG(LX_IPPROTO_IP, 20),                              // IP_RECVORIGDSTADDR
    FLAG(LX_IPPROTO_IP, 24),                              // IP_BIND_ADDRESS_NO_PORT
    {LX_IPPROTO_IP, 33, 0, 255, 1, true},                 // IP_MULTICAST_TTL
    {LX_IPPROTO_IP, 34, 0, 1, 1, false},                  // IP_MULTICAST_LOOP
    {LX_IPPROTO_IP, 49, 0, 1, 1, false},                  // IP_MULTICAST_ALL
    {LX_IPPROTO_TCP, 1, INT32_MIN, INT32_MAX, 0, false},  // TCP_NODELAY
    {LX_IPPROTO_TCP, 2, 88, 32767, 65483, false},         // TCP_MAXSEG
    FLAG(LX_IPPROTO_TCP, 3),                              // TCP_CORK
    {LX_IPPROTO_TCP, 4, 1, 32767, 7200, false},           // TCP_KEEPIDLE
    {LX_IPPROTO_TCP, 5, 1, 32767, 75, false},             // TCP_KEEPINTVL
    {LX_IPPROTO_TCP, 6, 1, 127, 9, false},                // TCP_KEEPCNT
    {LX_IPPROTO_TCP, 7, 1, 127, 6, false},                // TCP_SYNCNT
    {LX_IPPROTO_TCP, 8, INT32_MIN, INT32_MAX, 60, false}, // TCP_LINGER2
    {LX_IPPROTO_TCP, 9, INT32_MIN, INT32_MAX, 0, false},  // TCP_DEFER_ACCEPT
    {LX_IPPROTO_TCP, 10, 0, INT32_MAX, 0, false},         // TCP_WINDOW_CLAMP
    {LX_IPPROTO_TCP, 12, INT32_MIN, INT32_MAX, 1, false}, // TCP_QUICKACK
    {LX_IPPROTO_TCP, 18, 0, INT32_MAX, 0, false},         // TCP_USER_TIMEOUT
    {LX_IPPROTO_TCP, 23, 0, INT32_MAX, 0, false},         // TCP_FASTOPEN
    {LX_IPPROTO_TCP, 25, INT32_MIN, INT32_MAX, 0, false}, // TCP_NOTSENT_LOWAT
    {LX_IPPROTO_TCP, 30, 0, 1, 0, false},                 // TCP_FASTOPEN_CONNECT
    FLAG(LX_IPPROTO_UDP, 1),                              // UDP_CORK
    {SOCK_UDPLITE, 10, 0, 65535, 0, false},               // UDPLITE_SEND_CSCOV
    {SOCK_UDPLITE, 11, 0, 65535, 0, false},               // UDPLITE_RECV_CSCOV
    {LX_IPPROTO_IPV6, LX_IPV6_UNICAST_HOPS, 0, 255, 64, true},
    {LX_IPPROTO_IPV6, 17, 0, 1, 0, false},  // IPV6_MULTICAST_IF
    {LX_IPPROTO_IPV6, 18, 0, 255, 1, true}, // IPV6_MULTICAST_HOPS
    {LX_IPPROTO_IPV6, 19, 0, 1, 1, false},  // IPV6_MULTICAST_LOOP
    {LX_IPPROTO_IPV6, 23, 0, 5, 1, false},  // IPV6_MTU_DISCOVER
    FLAG(LX_IPPROTO_IPV6, 25),              // IPV6_RECVERR
    {LX_IPPROTO_IPV6, 29, 0, 1, 1, false},  // IPV6_MULTICAST_ALL
    FLAG(LX_IPPROTO_IPV6, LX_IPV6_RECVPKTINFO),
    FLAG(LX_IPPROTO_IPV6, LX_IPV6_RECVHOPLIMIT),
    FLAG(LX_IPPROTO_IPV6, 53), // IPV6_RECVHOPOPTS
    FLAG(LX_IPPROTO_IPV6, 56), // IPV6_RECVRTHDR
    FLAG(LX_IPPROTO_IPV6, 58), // IPV6_RECVDSTOPTS
    FLAG(LX_IPPROTO_IPV6, 60), // IPV6_RECVPATHMTU
    FLAG(LX_IPPROTO_IPV6, 62), // IPV6_DONTFRAG
    FLAG(LX_IPPROTO_IPV6, LX_IPV6_RECVTCLASS),
    {LX_IPPROTO_IPV6, LX_IPV6_TCLASS, 0, 255, 0, true},
};
enum { NOPTIONS = sizeof options / sizeof *options };
_Static_assert((int)NOPTIONS <= (int)SOCK_OPTIONS, "room in struct sock");

static const struct option *find(int level, int name)
{
    for (size_t i = 0; i < NOPTIONS; i++)
        if (options[i].level == level && options[i].name == name) return &options[i];
    return NULL;
}

// Kept as the difference from what it is at first, so that a zeroed socket has the defaults.
static int32_t value_of(const struct sock *s, const struct option *o)
{
    return (int32_t)((uint32_t)s->option[o - options] + (uint32_t)o->initial);
}

int sock_option(const struct sock *s, int level, int name)
{
    const struct option *o = find(level, name);
    return o ? value_of(s, o) : 0;
}

static bool is_flag(const struct option *o)
{
    return o->min == INT32_MIN && !o->initial && (o->level != LX_SOL_SOCKET || o->name != LX_SO_PRIORITY) &&
           o->name != LX_IP_TOS;
}

static int keep(struct sock *s, const struct option *o, int32_t v)
{
    if (v == -1 && o->minus_one) v = o->initial;
    if (v < o->min || v > o->max) return -LX_EINVAL;
    if (is_flag(o) || (o->level == LX_IPPROTO_TCP && o->name == 1)) v = v != 0;
    s->option[o - options] = (int32_t)((uint32_t)v - (uint32_t)o->initial);
    return 0;
}

// ---------------------------------------------------------------- control messages of IP

static int parse_int(const uint8_t *data, size_t n, int min, int *out)
{
    int32_t v;
    if (n != sizeof v) return -LX_EINVAL;
    memcpy(&v, data, sizeof v);
    if (v < min || v > 255) return -LX_EINVAL;
    *out = v;
    return 0;
}

// ip_cmsg_send, ip6_datagram_send_ctl
int sock_parse_ip(struct sock_extra *x, int level, int type, const uint8_t *data, size_t n)
{
    if (level == LX_IPPROTO_IP) {
        if (type == LX_IP_TTL) return parse_int(data, n, 1, &x->ttl);
        if (type == LX_IP_TOS && n == 1) return x->tos = data[0], 0;
        if (type == LX_IP_TOS) return parse_int(data, n, 0, &x->tos);
        return type == LX_IP_PKTINFO && n == 12 ? 0 : -LX_EINVAL;
    }
    if (level != LX_IPPROTO_IPV6) return 0;
    if (type == LX_IPV6_HOPLIMIT) return parse_int(data, n, -1, &x->ttl);
    if (type == LX_IPV6_TCLASS) return parse_int(data, n, -1, &x->tos);
    return type == LX_IPV6_PKTINFO && n >= 20 ? 0 : -LX_EINVAL;
}

static struct sock_control int_control(int level, int type, int32_t v)
{
    struct sock_control c = {.level = level, .type = type, .n = sizeof v};
    memcpy(c.data, &v, sizeof v);
    return c;
}

enum { LO_INDEX = 1 };

static struct sock_control info4(void)
{
    struct sock_control c = {.level = LX_IPPROTO_IP, .type = LX_IP_PKTINFO, .n = 12};
    static const uint8_t lo[4] = {127, 0, 0, 1};
    c.data[0] = LO_INDEX;
    memcpy(c.data + 4, lo, 4);
    memcpy(c.data + 8, lo, 4);
    return c;
}

// A datagram that came over IPv4 shows a mapped address.
static struct sock_control info6(const struct sock_extra *x)
{
    struct sock_control c = {.level = LX_IPPROTO_IPV6, .type = LX_IPV6_PKTINFO, .n = 20};
    c.data[15] = 1;
    if (x->from.in.ip[10] == 0xff) memcpy(c.data, x->from.in.ip, 16);
    c.data[16] = LO_INDEX;
    return c;
}

unsigned sock_ip_control(const struct sock *s, const struct sock_extra *x, struct sock_control out[3])
{
    unsigned n = 0;
    if (s->family->number == LX_AF_INET) {
        if (sock_option(s, LX_IPPROTO_IP, LX_IP_PKTINFO)) out[n++] = info4();
        if (sock_option(s, LX_IPPROTO_IP, LX_IP_RECVTTL)) out[n++] = int_control(LX_IPPROTO_IP, LX_IP_TTL, x->ttl);
        if (sock_option(s, LX_IPPROTO_IP, LX_IP_RECVTOS)) {
            out[n] = int_control(LX_IPPROTO_IP, LX_IP_TOS, x->tos);
            out[n++].n = 1;
        }
        return n;
    }
    if (sock_option(s, LX_IPPROTO_IPV6, LX_IPV6_RECVPKTINFO)) out[n++] = info6(x);
    if (sock_option(s, LX_IPPROTO_IPV6, LX_IPV6_RECVHOPLIMIT))
        out[n++] = int_control(LX_IPPROTO_IPV6, LX_IPV6_HOPLIMIT, x->ttl);
    if (sock_option(s, LX_IPPROTO_IPV6, LX_IPV6_RECVTCLASS))
        out[n++] = int_control(LX_IPPROTO_IPV6, LX_IPV6_TCLASS, x->tos);
    return n;
}

// ---------------------------------------------------------------- getsockopt

static int put_option(struct task *t, const uint64_t a[6], const void *value, uint32_t n)
{
    uint32_t room;
    int err = copy_from_user(t, &room, a[4], sizeof room);
    if (err) return err;
    if ((int32_t)room < 0) return -LX_EINVAL;
    if (n > room) n = room;
    err = copy_to_user(t, a[3], value, n);
    return err ? err : copy_to_user(t, a[4], &n, sizeof n);
}

static int put_timeout(struct task *t, const uint64_t a[6], uint64_t ns)
{
    struct lx_timeval tv = timeval_of(ns);
    return put_option(t, a, &tv, sizeof tv);
}

static int32_t protocol_of(const struct sock *s)
{
    if (s->protocol) return s->protocol;
    return !sock_is_inet(s) ? 0 : sock_is_stream(s) ? LX_IPPROTO_TCP : LX_IPPROTO_UDP;
}

// Those of SOL_SOCKET that are not in the table. False: no such option.
static bool int_option(struct sock *s, int name, int32_t *v)
{
    switch (name) {
    case LX_SO_TYPE:
        *v = s->shown_type ? s->shown_type : s->type;
        return true;
    case LX_SO_DOMAIN:
        *v = s->family->number;
        return true;
    case LX_SO_PROTOCOL:
        *v = protocol_of(s);
        return true;
    case LX_SO_REUSEADDR:
        *v = !!(s->reuse & REUSE_ADDR);
        return true;
    case LX_SO_REUSEPORT:
        *v = !!(s->reuse & REUSE_PORT);
        return true;
    case LX_SO_SNDBUF:
        *v = s->sndbuf ? s->sndbuf : SOCK_LIMIT;
        return true;
    case LX_SO_RCVBUF:
        *v = s->rcvbuf ? s->rcvbuf : SOCK_LIMIT;
        return true;
    case LX_SO_ACCEPTCONN:
        *v = s->listening;
        return true;
    case LX_SO_PASSCRED:
        *v = s->passcred;
        return true;
    case LX_SO_RCVLOWAT:
        *v = s->rcvlowat ? s->rcvlowat : 1;
        return true;
    case LX_SO_SNDLOWAT:
        *v = 1;
        return true;
    case LX_SO_ERROR:
        *v = sock_take_error(s);
        return true;
    default:
        return false;
    }
}

static bool has_level(const struct sock *s, int level)
{
    switch (level) {
    case LX_SOL_SOCKET:
        return true;
    case LX_IPPROTO_IP:
        return sock_is_inet(s);
    case LX_IPPROTO_IPV6:
        return s->family->number == LX_AF_INET6;
    case LX_IPPROTO_TCP:
        return sock_is_tcp(s);
    case LX_IPPROTO_UDP:
        return sock_is_inet(s) && !sock_is_stream(s);
    case SOCK_UDPLITE:
        return s->protocol == SOCK_UDPLITE;
    default:
        return level == SOL_NETLINK && s->family->request;
    }
}

static int64_t get_tcp(struct task *t, const struct sock *s, const uint64_t a[6])
{
    enum { TCP_INFO = 11, TCP_CONGESTION = 13, ESTABLISHED = 1, SYN_SENT = 2, CLOSE = 7, LISTEN = 10 };
    uint8_t info[104] = {s->listening ? LISTEN : s->awaited ? SYN_SENT : s->peer ? ESTABLISHED : CLOSE};
    if ((int)a[2] == TCP_INFO) return put_option(t, a, info, sizeof info);
    return (int)a[2] == TCP_CONGESTION ? put_option(t, a, "cubic\0\0\0\0\0\0\0\0\0\0\0", 16) : -LX_ENOPROTOOPT;
}

static int64_t get_other(struct task *t, struct sock *s, const uint64_t a[6])
{
    int level = (int)a[1], name = (int)a[2];
    int32_t v = 0;
    if (level == LX_IPPROTO_IPV6 && name == LX_IPV6_V6ONLY) return v = s->v6only, put_option(t, a, &v, sizeof v);
    if (level == LX_IPPROTO_IP && name == 4) return put_option(t, a, &v, 0); // IP_OPTIONS: none
    if (level == LX_IPPROTO_TCP) return get_tcp(t, s, a);
    if (level == SOL_NETLINK) return put_option(t, a, &v, sizeof v);
    if (level != LX_SOL_SOCKET) return -LX_ENOPROTOOPT;
    if (name == LX_SO_PEERCRED)
        return put_option(t, a, s->connected ? &s->peer_cred : &(struct lx_ucred){0, UINT32_MAX, UINT32_MAX},
                          sizeof s->peer_cred);
    if (name == LX_SO_RCVTIMEO) return put_timeout(t, a, s->rcv_timeout);
    if (name == LX_SO_SNDTIMEO) return put_timeout(t, a, s->snd_timeout);
    if (name == LX_SO_LINGER) return put_option(t, a, s->linger, sizeof s->linger);
    return int_option(s, name, &v) ? put_option(t, a, &v, sizeof v) : -LX_ENOPROTOOPT;
}

int64_t sys_getsockopt(struct task *t, const uint64_t a[6])
{
    struct file *f = fd_io(t, (int)a[0]);
    struct sock *s = sock_of(f);
    if (!s) return f ? -LX_ENOTSOCK : -LX_EBADF;
    if (!has_level(s, (int)a[1])) return sock_is_inet(s) ? -LX_ENOPROTOOPT : -LX_EOPNOTSUPP;
    const struct option *o = find((int)a[1], (int)a[2]);
    if (!o) return get_other(t, s, a);
    int32_t v = value_of(s, o);
    return put_option(t, a, &v, sizeof v);
}

// ---------------------------------------------------------------- setsockopt

static int set_timeout(struct task *t, const uint64_t a[6], uint64_t *ns)
{
    struct lx_timeval tv;
    if (a[4] < sizeof tv) return -LX_EINVAL;
    int err = copy_from_user(t, &tv, a[3], sizeof tv);
    if (err) return err;
    if (tv.tv_usec < 0 || tv.tv_usec >= 1000000) return -LX_EDOM;
    *ns = tv.tv_sec < 0 || tv.tv_sec > 4000000000 ? 0 : (uint64_t)tv.tv_sec * 1000000000 + (uint64_t)tv.tv_usec * 1000;
    return 0;
}

// The double of what was asked for, within bounds (__sock_set_rcvbuf).
static int32_t buffer_size(int32_t asked, int32_t min)
{
    if (asked > SOCK_LIMIT || asked < 0) asked = SOCK_LIMIT;
    return asked * 2 < min ? min : asked * 2;
}

static int set_socket(struct sock *s, int name, int32_t v)
{
    enum { MIN_SNDBUF = 4608, MIN_RCVBUF = 2304 };
    unsigned bit = name == LX_SO_REUSEADDR ? REUSE_ADDR : REUSE_PORT;
    switch (name) {
    case LX_SO_PASSCRED:
        s->passcred = v;
        return 0;
    case LX_SO_REUSEADDR:
    case LX_SO_REUSEPORT:
        s->reuse = v ? s->reuse | bit : s->reuse & ~bit;
        return 0;
    case LX_SO_RCVLOWAT:
        s->rcvlowat = v < 0 ? INT32_MAX : v ? v : 1;
        return 0;
    case LX_SO_SNDBUF:
    case LX_SO_SNDBUFFORCE:
        s->sndbuf = buffer_size(v, MIN_SNDBUF);
        return 0;
    case LX_SO_RCVBUF:
    case LX_SO_RCVBUFFORCE:
        s->rcvbuf = buffer_size(v, MIN_RCVBUF);
        return 0;
    default:
        return -LX_ENOPROTOOPT;
    }
}

// The inet levels take a short value too: one byte.
static int get_value(struct task *t, const uint64_t a[6], int32_t *v)
{
    uint8_t byte;
    if (a[4] >= sizeof *v) return copy_from_user(t, v, a[3], sizeof *v);
    if ((int)a[1] != LX_IPPROTO_IP || !a[4]) return -LX_EINVAL;
    int err = copy_from_user(t, &byte, a[3], 1);
    *v = byte;
    return err;
}

// Those whose value is no int: multicast groups (nobody is there), congestion control, filters.
static int64_t set_special(const uint64_t a[6])
{
    int level = (int)a[1], name = (int)a[2];
    enum { TCP_CONGESTION = 13, SO_BINDTODEVICE = 25, SO_ATTACH_FILTER = 26, SO_DETACH_FILTER = 27 };
    bool group4 = level == LX_IPPROTO_IP && (name == 4 || name == 32 || (name >= 35 && name <= 48));
    bool group6 = level == LX_IPPROTO_IPV6 && (name == 20 || name == 21 || (name >= 42 && name <= 48));
    if (group4 || group6 || level == SOL_NETLINK) return 0;
    if (level == LX_IPPROTO_TCP && name == TCP_CONGESTION) return 0;
    if (level == LX_SOL_SOCKET && (name == SO_BINDTODEVICE || name == SO_ATTACH_FILTER || name == SO_DETACH_FILTER))
        return 0;
    return -LX_ENOPROTOOPT;
}

static int64_t set_other(struct task *t, struct sock *s, const uint64_t a[6])
{
    int level = (int)a[1], name = (int)a[2];
    int32_t v;
    if (level == LX_SOL_SOCKET && name == LX_SO_RCVTIMEO) return set_timeout(t, a, &s->rcv_timeout);
    if (level == LX_SOL_SOCKET && name == LX_SO_SNDTIMEO) return set_timeout(t, a, &s->snd_timeout);
    if (level == LX_SOL_SOCKET && name == LX_SO_LINGER)
        return a[4] < sizeof s->linger ? -LX_EINVAL : copy_from_user(t, s->linger, a[3], sizeof s->linger);
    if (set_special(a) == 0) return 0;
    if (a[4] < sizeof v) return -LX_EINVAL;
    int err = copy_from_user(t, &v, a[3], sizeof v);
    if (err) return err;
    if (level == LX_SOL_SOCKET) return set_socket(s, name, v);
    if (level != LX_IPPROTO_IPV6 || name != LX_IPV6_V6ONLY) return -LX_ENOPROTOOPT;
    if (s->addr.len) return -LX_EINVAL;
    s->v6only = v;
    return 0;
}

int64_t sys_setsockopt(struct task *t, const uint64_t a[6])
{
    struct file *f = fd_io(t, (int)a[0]);
    struct sock *s = sock_of(f);
    int32_t v;
    if (!s) return f ? -LX_ENOTSOCK : -LX_EBADF;
    if ((int32_t)a[4] < 0) return -LX_EINVAL;
    if (!has_level(s, (int)a[1])) return sock_is_inet(s) ? -LX_ENOPROTOOPT : -LX_EOPNOTSUPP;
    const struct option *o = find((int)a[1], (int)a[2]);
    if (!o) return set_other(t, s, a);
    int err = get_value(t, a, &v);
    return err ? err : keep(s, o, v);
}

// ---------------------------------------------------------------- netdevice(7)

enum { IFR_NAME = 16, IFR_SIZE = 40 };

static void put_address(uint8_t *at, const uint8_t ip[4])
{
    struct lx_sockaddr_in in = {.sin_family = LX_AF_INET};
    memcpy(in.sin_addr, ip, 4);
    memcpy(at, &in, sizeof in);
}

static int64_t list_interfaces(struct task *t, gaddr arg)
{
    struct {
        int32_t len, pad;
        uint64_t buf;
    } conf;
    uint8_t r[IFR_SIZE] = "lo";
    int err = copy_from_user(t, &conf, arg, sizeof conf);
    if (err) return err;
    put_address(r + IFR_NAME, (const uint8_t[4]){127, 0, 0, 1});
    if (conf.buf && conf.len < IFR_SIZE)
        conf.len = 0;
    else if (conf.buf)
        err = copy_to_user(t, conf.buf, r, sizeof r);
    if (conf.len || !conf.buf) conf.len = IFR_SIZE;
    return err ? err : copy_to_user(t, arg, &conf, sizeof conf);
}

// What is asked about lo, into the union behind the name.
static int fill_request(uint32_t cmd, uint8_t u[IFR_SIZE - IFR_NAME])
{
    enum {
        FLAGS = 0x8913,
        ADDR = 0x8915,
        DSTADDR = 0x8917,
        BRDADDR = 0x8919,
        NETMASK = 0x891b,
        METRIC = 0x891d,
        MTU = 0x8921,
        HWADDR = 0x8927,
        INDEX = 0x8933,
        TXQLEN = 0x8942,
        MAP = 0x8970
    };
    static const uint8_t ip[4] = {127, 0, 0, 1}, mask[4] = {255}, none[4];
    uint32_t v = cmd == FLAGS ? 0x49 : cmd == MTU ? 65536 : cmd == INDEX ? LO_INDEX : cmd == TXQLEN ? 1000 : 0;
    uint16_t kind = 772; // ARPHRD_LOOPBACK
    memset(u, 0, IFR_SIZE - IFR_NAME);
    switch (cmd) {
    case ADDR:
    case DSTADDR:
        put_address(u, ip);
        return 0;
    case BRDADDR:
        put_address(u, none);
        return 0;
    case NETMASK:
        put_address(u, mask);
        return 0;
    case HWADDR:
        memcpy(u, &kind, sizeof kind);
        return 0;
    case MAP:
        return 0;
    case FLAGS:
    case METRIC:
    case MTU:
    case INDEX:
    case TXQLEN:
        memcpy(u, &v, sizeof v);
        return 0;
    default:
        return -LX_ENOTTY;
    }
}

int64_t sock_if_ioctl(struct task *t, uint32_t cmd, gaddr arg)
{
    enum { SIOCGIFNAME = 0x8910, SIOCGIFCONF = 0x8912, SIOCETHTOOL = 0x8946 };
    uint8_t r[IFR_SIZE];
    int32_t index;
    if (cmd == SIOCGIFCONF) return list_interfaces(t, arg);
    int err = copy_from_user(t, r, arg, sizeof r);
    if (err) return err;
    if (cmd == SIOCGIFNAME) {
        memcpy(&index, r + IFR_NAME, sizeof index);
        if (index != LO_INDEX) return -LX_ENODEV;
        memset(r, 0, IFR_NAME);
        memcpy(r, "lo", 2);
        return copy_to_user(t, arg, r, sizeof r);
    }
    r[IFR_NAME - 1] = 0;
    if (fill_request(cmd, (uint8_t[IFR_SIZE - IFR_NAME]){0}) && cmd != SIOCETHTOOL) // setting
        return cmd >= 0x8914 && cmd <= 0x8943 && !cred_has_cap(&t->proc->cred, LX_CAP_NET_ADMIN) ? -LX_EPERM
                                                                                                 : -LX_ENOTTY;
    if (strcmp((const char *)r, "lo")) return -LX_ENODEV;
    if (cmd == SIOCETHTOOL) return -LX_EOPNOTSUPP;
    fill_request(cmd, r + IFR_NAME);
    return copy_to_user(t, arg, r, sizeof r);
}
