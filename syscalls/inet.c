// Names of AF_INET and AF_INET6 sockets: the loopback addresses and ports. There is no network: anything else is
// unreachable.
//
// IPv4 addresses are kept as IPv6 ones that map them (::ffff:a.b.c.d), so that a dual-stack server is found under both.
#include "syscalls/socket.h"
#include <string.h>

enum { FIRST_EPHEMERAL = 32768, LAST_EPHEMERAL = 60999 }; // net.ipv4.ip_local_port_range

static const uint8_t any6[16], loop6[16] = {[15] = 1}, v4_prefix[12] = {[10] = 0xff, [11] = 0xff};
static const uint8_t any4[16] = {[10] = 0xff, [11] = 0xff},
                     loop4[16] = {[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1};

static bool equal(const uint8_t a[16], const uint8_t b[16])
{
    return !memcmp(a, b, 16);
}
static bool is_v4(const uint8_t a[16])
{
    return !memcmp(a, v4_prefix, sizeof v4_prefix);
}
static bool is_any(const uint8_t a[16])
{
    return equal(a, any6) || equal(a, any4);
}
static bool is_local(const uint8_t a[16])
{
    return is_any(a) || equal(a, loop6) || (is_v4(a) && a[12] == 127);
}
static uint16_t swap(uint16_t v)
{
    return (uint16_t)(v << 8 | v >> 8);
}

// ---------------------------------------------------------------- in and out

static int get4(struct task *t, gaddr at, uint64_t len, struct sock_addr *a)
{
    struct lx_sockaddr_in in;
    if (len < sizeof in) return -LX_EINVAL;
    int err = copy_from_user(t, &in, at, sizeof in);
    if (err) return err;
    if (in.sin_family != LX_AF_INET && in.sin_family != LX_AF_UNSPEC) return -LX_EAFNOSUPPORT;
    memcpy(a->in.ip, v4_prefix, sizeof v4_prefix);
    memcpy(a->in.ip + 12, in.sin_addr, 4);
    a->in.port = swap(in.sin_port);
    return 0;
}

static int get6(struct task *t, gaddr at, uint64_t len, struct sock_addr *a)
{
    struct lx_sockaddr_in6 in;
    if (len < sizeof in - 4) return -LX_EINVAL; // without the scope: RFC 2133
    int err = copy_from_user(t, &in, at, sizeof in - 4);
    if (err) return err;
    if (in.sin6_family != LX_AF_INET6) return -LX_EAFNOSUPPORT;
    memcpy(a->in.ip, in.sin6_addr, 16);
    a->in.port = swap(in.sin6_port);
    return 0;
}

static int get(struct task *t, const struct sock *s, gaddr at, uint64_t len, struct sock_addr *a)
{
    *a = (struct sock_addr){.len = 1};
    return s->family->number == LX_AF_INET ? get4(t, at, len, a) : get6(t, at, len, a);
}

static uint32_t put4(const struct sock_addr *a, uint8_t out[sizeof(struct lx_sockaddr_un) + 1])
{
    struct lx_sockaddr_in in = {.sin_family = LX_AF_INET, .sin_port = swap(a->in.port)};
    if (a->len) memcpy(in.sin_addr, a->in.ip + 12, 4);
    memcpy(out, &in, sizeof in);
    return sizeof in;
}

static uint32_t put6(const struct sock_addr *a, uint8_t out[sizeof(struct lx_sockaddr_un) + 1])
{
    struct lx_sockaddr_in6 in = {.sin6_family = LX_AF_INET6, .sin6_port = swap(a->in.port)};
    if (a->len) memcpy(in.sin6_addr, a->in.ip, 16);
    memcpy(out, &in, sizeof in);
    return sizeof in;
}

// ---------------------------------------------------------------- finding

// Does the address that a socket has, or is to have, stand for this one?
static bool covers(const struct sock *s, const uint8_t own[16], const uint8_t ip[16])
{
    if (equal(own, any6)) return !s->v6only || !is_v4(ip);
    if (equal(own, any4)) return is_v4(ip);
    return equal(own, ip);
}

bool sock_is_inet(const struct sock *s)
{
    return s->family->number == LX_AF_INET || s->family->number == LX_AF_INET6;
}

static bool same_kind(const struct sock *a, const struct sock *b)
{
    return sock_is_inet(b) && a->type == b->type && a->protocol == b->protocol;
}

struct sock *inet_lookup(const struct sock *from, const struct sock_addr *a)
{
    for (struct sock *s = from->box->sockets; s; s = s->next) {
        if (s->closed || s->accepted || !same_kind(from, s) || !s->addr.len || s->addr.in.port != a->in.port) continue;
        if ((s->type == LX_SOCK_DGRAM || s->listening) && covers(s, s->addr.in.ip, a->in.ip)) return s;
    }
    return NULL;
}

static int find(struct task *t, const struct sock *s, struct sock_addr *a, struct sock **out)
{
    (void)t;
    if (equal(a->in.ip, any4)) memcpy(a->in.ip, loop4, 16); // as Linux: the machine itself
    if (equal(a->in.ip, any6)) memcpy(a->in.ip, loop6, 16);
    if (!is_local(a->in.ip)) return -LX_ENETUNREACH;
    *out = inet_lookup(s, a);
    return *out ? 0 : -LX_ECONNREFUSED;
}

// ---------------------------------------------------------------- taking a name

// Is there an address that would mean both (inet_rcv_saddr_equal)?
static bool overlap(const struct sock *o, const struct sock *s, const struct sock_addr *a)
{
    return o->addr.in.port == a->in.port && (covers(o, o->addr.in.ip, a->in.ip) || covers(s, a->in.ip, o->addr.in.ip));
}

static bool taken(const struct sock *s, const struct sock_addr *a)
{
    for (const struct sock *o = s->box->sockets; o; o = o->next) {
        if (o == s || o->closed || o->accepted || !same_kind(s, o) || !o->addr.len || !overlap(o, s, a)) continue;
        bool both = s->reuse & o->reuse & REUSE_PORT || (s->reuse & o->reuse & REUSE_ADDR && !o->listening);
        if (!both) return true;
    }
    return false;
}

// Behind the last one chosen: a port that was just given up does not come back at once (Linux begins anywhere).
// Programs look for a free port, close the socket and mean to bind it again.
static int choose_port(const struct sock *s, struct sock_addr *a)
{
    enum { PORTS = LAST_EPHEMERAL - FIRST_EPHEMERAL + 1 };
    for (unsigned i = 0; i < PORTS; i++) {
        unsigned n = (s->box->port_hint + i) % PORTS;
        a->in.port = (uint16_t)(FIRST_EPHEMERAL + n);
        if (taken(s, a)) continue;
        s->box->port_hint = n + 1;
        return 0;
    }
    return -LX_EADDRINUSE;
}

static int bind(struct task *t, struct sock *s, struct sock_addr *a)
{
    if (!is_local(a->in.ip)) return -LX_EADDRNOTAVAIL;
    if (!a->in.port) return choose_port(s, a);
    if (a->in.port < 1024 && !cred_has_cap(&t->proc->cred, LX_CAP_NET_BIND_SERVICE)) return -LX_EACCES;
    return taken(s, a) ? -LX_EADDRINUSE : 0;
}

// to NULL: before listen, any address.
static int autobind(struct task *t, struct sock *s, const struct sock_addr *to)
{
    struct sock_addr a = {.len = 1};
    bool v4 = to ? is_v4(to->in.ip) : s->family->number == LX_AF_INET;
    memcpy(a.in.ip, to ? (v4 ? loop4 : loop6) : v4 ? any4 : any6, 16);
    int err = bind(t, s, &a);
    if (!err) s->addr = a;
    return err;
}

static const struct sock_family families[2] = {
    {.number = LX_AF_INET, .get = get, .put = put4, .find = find, .bind = bind, .autobind = autobind},
    {.number = LX_AF_INET6, .get = get, .put = put6, .find = find, .bind = bind, .autobind = autobind}};

const struct sock_family *inet_family(bool v6)
{
    return &families[v6];
}
