// NETLINK_ROUTE as far as getifaddrs, if_nameindex and `ip` ask what interfaces there are (rtnetlink(7)): one, lo. A
// request is answered at once into the queue of the socket that sent it; nothing can be changed.
#include "syscalls/socket.h"
#include <stddef.h>
#include <string.h>

enum {
    NLMSG_NOOP = 1,
    NLMSG_ERROR = 2,
    NLMSG_DONE = 3,
    NLM_F_REQUEST = 1,
    NLM_F_MULTI = 2,
    NLM_F_ACK = 4,
    NLM_F_DUMP = 0x300,
    RTM_BASE = 16,
    RTM_NEWLINK = 16,
    RTM_GETLINK = 18,
    RTM_NEWADDR = 20,
    RTM_GETADDR = 22,
    RTM_MAX = 120,
    LO_INDEX = 1,
    LO_FLAGS = 0x10049, // IFF_UP, LOOPBACK, RUNNING, LOWER_UP
    LO_MTU = 65536,
    ARPHRD_LOOPBACK = 772,
    ANSWER_MAX = 2048,
    REQUEST_MAX = 8192,
};

struct nlmsghdr {
    uint32_t len;
    uint16_t type, flags;
    uint32_t seq, pid;
};
struct ifinfomsg {
    uint8_t family, pad;
    uint16_t type;
    int32_t index;
    uint32_t flags, change;
};
struct ifaddrmsg {
    uint8_t family, prefixlen, flags, scope;
    uint32_t index;
};
struct sockaddr_nl {
    uint16_t family, pad;
    uint32_t pid, groups;
};

// ---------------------------------------------------------------- names

static int get(struct task *t, const struct sock *s, gaddr at, uint64_t len, struct sock_addr *a)
{
    struct sockaddr_nl nl;
    (void)s;
    *a = (struct sock_addr){0};
    if (len < sizeof nl) return -LX_EINVAL;
    int err = copy_from_user(t, &nl, at, sizeof nl);
    if (err) return err;
    if (nl.family != LX_AF_NETLINK) return -LX_EINVAL;
    a->len = 1;
    a->nl.pid = nl.pid;
    a->nl.groups = nl.groups;
    return 0;
}

static uint32_t put(const struct sock_addr *a, uint8_t out[sizeof(struct lx_sockaddr_un) + 1])
{
    struct sockaddr_nl nl = {
        .family = LX_AF_NETLINK, .pid = a->len ? a->nl.pid : 0, .groups = a->len ? a->nl.groups : 0};
    memcpy(out, &nl, sizeof nl);
    return sizeof nl;
}

// The kernel is number 0; nobody else is listened to.
static int find(struct task *t, const struct sock *s, struct sock_addr *a, struct sock **out)
{
    (void)t;
    if (a->nl.groups) return -LX_EPERM;
    if (a->nl.pid) return -LX_ECONNREFUSED;
    *out = (struct sock *)s;
    return 0;
}

static bool taken(const struct box *box, const struct sock_family *family, uint32_t pid)
{
    for (const struct sock *s = box->sockets; s; s = s->next)
        if (!s->closed && s->family == family && s->addr.len && s->addr.nl.pid == pid) return true;
    return false;
}

static int bind(struct task *t, struct sock *s, struct sock_addr *a)
{
    uint32_t next = UINT32_MAX - 4096; // netlink_autobind: negative numbers once the pid is taken
    if (a->nl.groups && !cred_has_cap(&t->proc->cred, LX_CAP_NET_ADMIN) && a->nl.groups >> 31) return -LX_EPERM;
    if (a->nl.pid) return taken(t->box, s->family, a->nl.pid) ? -LX_EADDRINUSE : 0;
    a->nl.pid = (uint32_t)t->proc->pid;
    while (taken(t->box, s->family, a->nl.pid)) a->nl.pid = next--;
    return 0;
}

static int autobind(struct task *t, struct sock *s, const struct sock_addr *to)
{
    struct sock_addr a = {.len = 1};
    (void)to;
    int err = bind(t, s, &a);
    if (!err) s->addr = a;
    return err;
}

// ---------------------------------------------------------------- answers

struct answer {
    uint8_t bytes[ANSWER_MAX];
    size_t n, start; // start: of the message being written
    const struct nlmsghdr *asked;
    uint32_t to;
};

static void *add(struct answer *w, const void *bytes, size_t n)
{
    size_t padded = (n + 3) & ~(size_t)3;
    if (padded > sizeof w->bytes - w->n) return NULL;
    uint8_t *at = w->bytes + w->n;
    memset(at, 0, padded);
    if (n) memcpy(at, bytes, n);
    w->n += padded;
    return at;
}

static void begin(struct answer *w, uint16_t type, uint16_t flags)
{
    struct nlmsghdr h = {.type = type, .flags = flags, .seq = w->asked->seq, .pid = w->to};
    w->start = w->n;
    add(w, &h, sizeof h);
}

static void end(struct answer *w)
{
    uint32_t len = (uint32_t)(w->n - w->start);
    memcpy(w->bytes + w->start, &len, sizeof len);
}

static void attr(struct answer *w, uint16_t type, const void *value, size_t n)
{
    uint16_t head[2] = {(uint16_t)(4 + n), type};
    add(w, head, sizeof head);
    add(w, value, n);
}

static void attr_u32(struct answer *w, uint16_t type, uint32_t value)
{
    attr(w, type, &value, sizeof value);
}

static void add_link(struct answer *w, uint16_t flags)
{
    enum {
        ADDRESS = 1,
        BROADCAST,
        IFNAME,
        MTU,
        QDISC = 6,
        STATS,
        TXQLEN = 13,
        OPERSTATE = 16,
        LINKMODE,
        STATS64 = 23,
        GROUP = 27,
        PROMISCUITY = 30,
        NUM_TX,
        NUM_RX,
        CARRIER
    };
    static const struct ifinfomsg info = {.type = ARPHRD_LOOPBACK, .index = LO_INDEX, .flags = LO_FLAGS};
    static const uint8_t zeros[192];
    begin(w, RTM_NEWLINK, flags);
    add(w, &info, sizeof info);
    attr(w, IFNAME, "lo", 3);
    attr_u32(w, TXQLEN, 1000);
    attr(w, OPERSTATE, zeros, 1);
    attr(w, LINKMODE, zeros, 1);
    attr_u32(w, MTU, LO_MTU);
    attr_u32(w, GROUP, 0);
    attr_u32(w, PROMISCUITY, 0);
    attr_u32(w, NUM_TX, 1);
    attr_u32(w, NUM_RX, 1);
    attr(w, CARRIER, &(uint8_t){1}, 1);
    attr(w, QDISC, "noqueue", 8);
    attr(w, ADDRESS, zeros, 6);
    attr(w, BROADCAST, zeros, 6);
    attr(w, STATS64, zeros, 192);
    attr(w, STATS, zeros, 96);
    end(w);
}

static void add_address(struct answer *w, bool v6, uint16_t flags)
{
    enum { ADDRESS = 1, LOCAL, LABEL, CACHEINFO = 6, FLAGS = 8, PERMANENT = 0x80, SCOPE_HOST = 254 };
    static const uint8_t four[4] = {127, 0, 0, 1}, six[16] = {[15] = 1};
    static const uint32_t for_ever[4] = {UINT32_MAX, UINT32_MAX, 0, 0};
    struct ifaddrmsg m = {.family = v6 ? LX_AF_INET6 : LX_AF_INET,
                          .prefixlen = v6 ? 128 : 8,
                          .flags = PERMANENT,
                          .scope = SCOPE_HOST,
                          .index = LO_INDEX};
    begin(w, RTM_NEWADDR, flags);
    add(w, &m, sizeof m);
    attr(w, ADDRESS, v6 ? six : four, v6 ? 16 : 4);
    if (!v6) attr(w, LOCAL, four, 4);
    if (!v6) attr(w, LABEL, "lo", 3);
    attr(w, CACHEINFO, for_ever, sizeof for_ever);
    attr_u32(w, FLAGS, PERMANENT);
    end(w);
}

static void add_done(struct answer *w)
{
    static const int32_t zero;
    begin(w, NLMSG_DONE, NLM_F_MULTI);
    add(w, &zero, sizeof zero);
    end(w);
}

static void add_error(struct answer *w, int err)
{
    int32_t code = err;
    begin(w, NLMSG_ERROR, 0);
    add(w, &code, sizeof code);
    add(w, w->asked, sizeof *w->asked);
    end(w);
}

// One link, by its index or its name.
static int one_link(struct answer *w, const uint8_t *body, size_t n)
{
    enum { IFNAME = 3 };
    struct ifinfomsg m = {0};
    bool named = false;
    if (n < sizeof m) return -LX_EINVAL;
    memcpy(&m, body, sizeof m);
    for (size_t at = sizeof m; at + 4 <= n;) {
        uint16_t head[2];
        memcpy(head, body + at, 4);
        if (head[0] < 4 || head[0] > n - at) break;
        if (head[1] == IFNAME) named = head[0] >= 7 && !memcmp(body + at + 4, "lo", 3);
        at += ((size_t)head[0] + 3) & ~(size_t)3;
    }
    if (m.index ? m.index != LO_INDEX : !named) return -LX_ENODEV;
    add_link(w, 0);
    return 0;
}

static void dump(struct answer *w, uint8_t family)
{
    if (w->asked->type == RTM_GETLINK) add_link(w, NLM_F_MULTI);
    if (w->asked->type == RTM_GETADDR && family != LX_AF_INET6) add_address(w, false, NLM_F_MULTI);
    if (w->asked->type == RTM_GETADDR && family != LX_AF_INET) add_address(w, true, NLM_F_MULTI);
    add_done(w);
}

// rtnetlink_rcv_msg: the types come in fours, NEW, DEL, GET, SET.
static void answer(struct answer *w, const struct process *p, const uint8_t *body, size_t n)
{
    uint16_t type = w->asked->type;
    bool get_kind = type >= RTM_BASE && (type & 3) == 2, full = (w->asked->flags & NLM_F_DUMP) == NLM_F_DUMP;
    int err = 0;
    if (type < RTM_BASE) {
        err = 0; // control messages are ignored
    } else if (type > RTM_MAX) {
        err = -LX_EOPNOTSUPP;
    } else if (!get_kind) {
        err = cred_has_cap(&p->cred, LX_CAP_NET_ADMIN) ? -LX_EOPNOTSUPP : -LX_EPERM;
    } else if (full) {
        dump(w, n ? body[0] : 0);
        return;
    } else {
        err = type == RTM_GETLINK ? one_link(w, body, n) : -LX_EOPNOTSUPP;
    }
    if (err || w->asked->flags & NLM_F_ACK) add_error(w, err);
}

// The requests in one datagram.
static int handle(struct sock *s, const struct process *p, const uint8_t *bytes, size_t n)
{
    struct nlmsghdr h;
    for (size_t at = 0; n - at >= sizeof h;) {
        memcpy(&h, bytes + at, sizeof h);
        if (h.len < sizeof h || h.len > n - at) break;
        struct answer w = {.asked = &h, .to = s->addr.nl.pid};
        if (h.flags & NLM_F_REQUEST) answer(&w, p, bytes + at + sizeof h, h.len - sizeof h);
        int err = w.n ? sock_deliver(s, w.bytes, (uint32_t)w.n) : 0;
        if (err) return err;
        size_t step = ((size_t)h.len + 3) & ~(size_t)3;
        if (step > n - at) break;
        at += step;
    }
    return 0;
}

static int request(struct sock *s, struct iob *io)
{
    uint8_t bytes[REQUEST_MAX];
    size_t n = io->left, before = io->done;
    struct task *t = s->box->current;
    if (n > sizeof bytes) return -LX_EMSGSIZE;
    if (!t) return -LX_EINVAL;
    if (!s->addr.len && autobind(t, s, NULL)) return -LX_EINVAL;
    if (iob_get(io, bytes, n) == n) return handle(s, t->proc, bytes, n);
    io->done = before;
    return -LX_EFAULT;
}

static const struct sock_family family = {.number = LX_AF_NETLINK,
                                          .get = get,
                                          .put = put,
                                          .find = find,
                                          .bind = bind,
                                          .autobind = autobind,
                                          .request = request};

const struct sock_family *netlink_family(void)
{
    return &family;
}
