// The system calls of sockets: making, sending, receiving, options. AF_UNIX, and the loopback of AF_INET and AF_INET6
// (socket.h).
#include "syscalls/socket.h"
#include <stdlib.h>
#include <string.h>

enum { CONTROL_MAX = 20480 }; // net.core.optmem_max

// ---------------------------------------------------------------- making

static int check_inet(const uint64_t a[6], int type)
{
    enum { IPPROTO_MAX = 263 };
    int protocol = (int)a[2];
    if (protocol < 0 || protocol >= IPPROTO_MAX) return -LX_EINVAL;
    if (type == LX_SOCK_RAW) return -LX_EPERM;
    if (type != LX_SOCK_STREAM && type != LX_SOCK_DGRAM) return -LX_ESOCKTNOSUPPORT;
    if (protocol == SOCK_UDPLITE && type == LX_SOCK_DGRAM) return 0; // UDP with a checksum of its own
    return !protocol || protocol == (type == LX_SOCK_STREAM ? LX_IPPROTO_TCP : LX_IPPROTO_UDP) ? 0
                                                                                               : -LX_EPROTONOSUPPORT;
}

// The netlink there is takes both types for the same (netlink_create).
static int check_netlink(const uint64_t a[6], int type)
{
    if (type != LX_SOCK_RAW && type != LX_SOCK_DGRAM) return -LX_ESOCKTNOSUPPORT;
    return (int)a[2] ? -LX_EPROTONOSUPPORT : 0;
}

static int check_kind(const uint64_t a[6], int *type, const struct sock_family **family)
{
    *type = (int)a[1] & LX_SOCK_TYPE;
    if ((uint32_t)a[1] & ~(uint32_t)(LX_SOCK_TYPE | LX_SOCK_NONBLOCK | LX_SOCK_CLOEXEC)) return -LX_EINVAL;
    bool inet = (int)a[0] == LX_AF_INET || (int)a[0] == LX_AF_INET6;
    if ((int)a[0] == LX_AF_NETLINK) return *family = netlink_family(), check_netlink(a, *type);
    if ((int)a[0] != LX_AF_UNIX && !inet) return -LX_EAFNOSUPPORT;
    *family = inet ? inet_family((int)a[0] == LX_AF_INET6) : unix_family();
    if (inet) return check_inet(a, *type);
    if ((int)a[2] != 0 && (int)a[2] != LX_AF_UNIX) return -LX_EPROTONOSUPPORT;
    if (*type == LX_SOCK_RAW) *type = LX_SOCK_DGRAM; // as Linux
    return *type == LX_SOCK_STREAM || *type == LX_SOCK_DGRAM || *type == LX_SOCK_SEQPACKET ? 0 : -LX_ESOCKTNOSUPPORT;
}

static int new_file(struct task *t, const struct sock_family *family, int type, uint64_t flags, int protocol,
                    struct file **out)
{
    struct sock *s = sock_new(t->box, family, type == LX_SOCK_RAW ? LX_SOCK_DGRAM : type, t->proc);
    if (!s) return -LX_ENOMEM;
    s->shown_type = type;
    if (protocol == SOCK_UDPLITE) s->protocol = protocol;
    int err = sock_file(s, flags & LX_SOCK_NONBLOCK ? LX_O_NONBLOCK : 0, out);
    if (err) sock_unref(s);
    return err;
}

int64_t sys_socket(struct task *t, const uint64_t a[6])
{
    struct file *f;
    const struct sock_family *family;
    int type, err = check_kind(a, &type, &family);
    if (!err) err = new_file(t, family, type, a[1], (int)a[2], &f);
    return err ? err : fd_install(t->proc, f, 0, a[1] & LX_SOCK_CLOEXEC);
}

int64_t sys_socketpair(struct task *t, const uint64_t a[6])
{
    struct file *f[2];
    int32_t fds[2] = {-1, -1};
    const struct sock_family *family;
    int type, err = check_kind(a, &type, &family);
    if (!err && family != unix_family()) err = -LX_EOPNOTSUPP;
    if (!err) err = copy_to_user(t, a[3], fds, sizeof fds); // the place can be written to
    if (!err) err = fd_room(t->proc, 2);
    if (!err) err = new_file(t, family, type, a[1], 0, &f[0]);
    if (err) return err;
    if ((err = new_file(t, family, type, a[1], 0, &f[1]))) {
        file_put(f[0]);
        return err;
    }
    sock_connect_pair(sock_of(f[0]), sock_of(f[1]));
    for (int i = 0; i < 2; i++) fds[i] = fd_install(t->proc, f[i], 0, a[1] & LX_SOCK_CLOEXEC);
    return copy_to_user(t, a[3], fds, sizeof fds);
}

int64_t sys_shutdown(struct task *t, const uint64_t a[6])
{
    struct file *f = fd_io(t, (int)a[0]);
    struct sock *s = sock_of(f);
    if (!s) return f ? -LX_ENOTSOCK : -LX_EBADF;
    if (a[1] > LX_SHUT_RDWR) return -LX_EINVAL;
    if (!s->connected && s->type != LX_SOCK_DGRAM && !s->listening) return -LX_ENOTCONN;
    if (a[1] != LX_SHUT_WR) s->shut_rd = true;
    if (a[1] != LX_SHUT_RD) s->shut_wr = true;
    waitq_wake(&s->wait);
    if (s->peer) waitq_wake(&s->peer->wait);
    return 0;
}

// ---------------------------------------------------------------- waiting

static bool must_wait(const struct file *f, uint64_t flags)
{
    return !(f->flags & LX_O_NONBLOCK || flags & LX_MSG_DONTWAIT);
}

static int64_t wait_for(struct task *t, struct file *f, struct waitq *q, uint64_t timeout)
{
    fd_hold(t, f);
    if (timeout) task_deadline(t, box_monotonic(t->box) + timeout);
    int64_t r = task_wait(t, q);
    return r == -LX_ETIMEDOUT ? -LX_EAGAIN : r;
}

// ---------------------------------------------------------------- sending

struct sending {
    struct file *f;
    struct sock *s, *to;
    struct iob_user u;
    struct sock_extra x;
    uint64_t flags;
};

static int64_t send_now(struct task *t, struct sending *o)
{
    iob_user_skip(&o->u, t->sys.done);
    if (t->sys.done) sock_drop_files(&o->x); // they went with the first bytes
    int err = sock_send(o->s, o->to, &o->u.io, &o->x);
    t->sys.done += o->u.io.done;
    sock_drop_files(&o->x);
    if (err == -LX_EFAULT && o->u.error) err = o->u.error;
    if (err == -LX_EPARK) {
        fd_hold(t, o->f);
        return err;
    }
    if (err == -LX_EAGAIN && must_wait(o->f, o->flags)) {
        int64_t r = wait_for(t, o->f, sock_is_stream(o->s) ? &o->s->wait : &o->to->wait, o->s->snd_timeout);
        if (r == -LX_EPARK) return r;
        err = (int)r;
    }
    if (t->sys.done) return (int64_t)t->sys.done;
    if (err == -LX_EPIPE && !(o->flags & LX_MSG_NOSIGNAL) && o->s->type != LX_SOCK_DGRAM) send_sigpipe(t);
    return err;
}

static int find_target(struct task *t, struct sending *o, gaddr name, uint64_t len)
{
    struct sock_addr addr;
    o->to = sock_target(o->s);
    if (!name || !len) return 0;
    if (sock_is_tcp(o->s)) return 0; // ignored
    if (o->s->type != LX_SOCK_DGRAM) return o->s->connected ? -LX_EISCONN : -LX_EOPNOTSUPP;
    const struct sock_family *family = o->s->family;
    int err = family->get(t, o->s, name, len, &addr);
    if (!err) err = family->find(t, o->s, &addr, &o->to);
    if (!err && !o->s->addr.len && family->autobind) err = family->autobind(t, o->s, &addr);
    return err;
}

static int begin_send(struct task *t, struct sending *o, int fd, uint64_t flags)
{
    memset(&o->x, 0, sizeof o->x);
    o->x.ttl = o->x.tos = -1;
    o->f = fd_io_held(t, fd);
    o->s = sock_of(o->f);
    o->flags = flags;
    if (!o->s) return o->f ? -LX_ENOTSOCK : -LX_EBADF;
    o->x.urgent = flags & LX_MSG_OOB;
    return o->x.urgent && !sock_is_tcp(o->s) ? -LX_EOPNOTSUPP : 0;
}

int64_t sys_sendto(struct task *t, const uint64_t a[6])
{
    struct sending o;
    int err = begin_send(t, &o, (int)a[0], a[3]);
    if (!err) err = find_target(t, &o, a[4], a[5]);
    if (!err) err = iob_user_init(&o.u, t, a[1], a[2]);
    return err ? err : send_now(t, &o);
}

static int add_rights(struct task *t, struct sock_extra *x, const uint8_t *at, size_t n)
{
    for (; n >= 4; at += 4, n -= 4) {
        int32_t fd;
        memcpy(&fd, at, 4);
        struct file *f = fd_get(t->proc, fd);
        if (!f) return -LX_EBADF;
        if (x->nfiles == SCM_MAX_FD) return -LX_EINVAL;
        x->files[x->nfiles++] = file_get(f);
    }
    return 0;
}

static int add_credentials(struct task *t, struct sock_extra *x, const uint8_t *at, size_t n)
{
    const struct cred *c = &t->proc->cred;
    if (n != sizeof x->cred) return -LX_EINVAL;
    memcpy(&x->cred, at, n);
    x->has_cred = true;
    bool any = cred_has_cap(c, LX_CAP_SYS_ADMIN);
    if (x->cred.pid != t->proc->pid && !any) return -LX_EPERM;
    if (x->cred.uid != c->uid && x->cred.uid != c->euid && x->cred.uid != c->suid && !cred_has_cap(c, LX_CAP_SETUID))
        return -LX_EPERM;
    return x->cred.gid != c->gid && x->cred.gid != c->egid && x->cred.gid != c->sgid && !cred_has_cap(c, LX_CAP_SETGID)
               ? -LX_EPERM
               : 0;
}

static int parse_control(struct task *t, struct sock_extra *x, const uint8_t *c, size_t n)
{
    struct lx_cmsghdr h;
    for (size_t at = 0; n - at >= sizeof h; at += (h.len + 7) & ~7ull) {
        memcpy(&h, c + at, sizeof h);
        if (h.len < sizeof h || h.len > n - at) return -LX_EINVAL;
        if (h.level == LX_SOL_SOCKET) {
            int err = -LX_EINVAL;
            if (h.type == LX_SCM_RIGHTS) err = add_rights(t, x, c + at + sizeof h, h.len - sizeof h);
            if (h.type == LX_SCM_CREDENTIALS) err = add_credentials(t, x, c + at + sizeof h, h.len - sizeof h);
            if (err) return err;
        }
        int err = sock_parse_ip(x, h.level, h.type, c + at + sizeof h, h.len - sizeof h);
        if (err) return err;
        if (((h.len + 7) & ~7ull) > n - at) break;
    }
    return 0;
}

static int get_control(struct task *t, struct sock_extra *x, const struct lx_msghdr *m)
{
    if (!m->control || !m->controllen) return 0;
    if (m->controllen > CONTROL_MAX) return -LX_ENOBUFS;
    uint8_t *c = malloc(m->controllen);
    int err = c ? copy_from_user(t, c, m->control, m->controllen) : -LX_ENOMEM;
    if (!err) err = parse_control(t, x, c, m->controllen);
    free(c);
    if (err) sock_drop_files(x);
    return err;
}

static int64_t send_msg(struct task *t, int fd, gaddr at, uint64_t flags)
{
    struct sending *o = malloc(sizeof *o);
    struct lx_msghdr m;
    int64_t r = o ? begin_send(t, o, fd, flags) : -LX_ENOMEM;
    if (!r) r = copy_from_user(t, &m, at, sizeof m);
    if (!r) r = find_target(t, o, m.name, m.namelen);
    if (!r) r = iob_user_iovec(&o->u, t, m.iov, m.iovlen);
    if (!r) {
        r = get_control(t, &o->x, &m);
        if (!r) r = send_now(t, o);
        iob_user_end(&o->u);
    }
    free(o);
    return r;
}

int64_t sys_sendmsg(struct task *t, const uint64_t a[6])
{
    return send_msg(t, (int)a[0], a[1], a[2]);
}

// ---------------------------------------------------------------- receiving

struct receiving {
    struct file *f;
    struct sock *s;
    struct iob_user u;
    struct sock_extra x;
    uint64_t flags;
};

static int begin_receive(struct task *t, struct receiving *o, int fd, uint64_t flags)
{
    memset(&o->x, 0, sizeof o->x);
    o->f = fd_io_held(t, fd);
    o->s = sock_of(o->f);
    o->flags = flags;
    if (!o->s) return o->f ? -LX_ENOTSOCK : -LX_EBADF;
    if (!(flags & LX_MSG_OOB) || sock_is_tcp(o->s)) return 0;
    return sock_is_stream(o->s) ? -LX_EINVAL : -LX_EOPNOTSUPP;
}

// Is a stream read of MSG_WAITALL to go on?
static bool wants_more(const struct receiving *o)
{
    bool all = o->flags & LX_MSG_WAITALL && sock_is_stream(o->s) && !(o->flags & LX_MSG_PEEK);
    return all && o->u.io.left && !sock_at_mark(o->s) && !o->x.nfiles;
}

// What follows a stretch may be more, or the end, which nobody would wake us for.
static int receive_all(struct receiving *o)
{
    size_t before;
    int err;
    do {
        before = o->u.io.done;
        err = sock_receive(o->s, &o->u.io, o->flags & LX_MSG_PEEK ? RECV_PEEK : 0, &o->x);
    } while (!err && o->u.io.done > before && wants_more(o));
    return err;
}

// MSG_OOB never waits: the byte has come or has not.
static int64_t receive_urgent(struct task *t, struct receiving *o)
{
    int err = sock_receive_urgent(o->s, &o->u.io, o->flags & LX_MSG_PEEK ? RECV_PEEK : 0, &o->x);
    if (err == -LX_EFAULT && o->u.error) err = o->u.error;
    if (err == -LX_EPARK) fd_hold(t, o->f);
    return err ? err : (int64_t)o->u.io.done;
}

static int64_t receive_now(struct task *t, struct receiving *o)
{
    iob_user_skip(&o->u, t->sys.done);
    bool empty = (o->u.io.left == 0 || sock_at_mark(o->s)) && t->sys.done;
    if (o->flags & LX_MSG_OOB) return receive_urgent(t, o);
    int err = empty ? 0 : receive_all(o);
    t->sys.done += o->u.io.done;
    if (err == -LX_EFAULT && o->u.error) err = o->u.error;
    if (err == -LX_EPARK && !t->sys.done) {
        fd_hold(t, o->f);
        return err;
    }
    if (err == -LX_EAGAIN && (!t->sys.done || wants_more(o)) && must_wait(o->f, o->flags)) {
        int64_t r = wait_for(t, o->f, &o->s->wait, o->s->rcv_timeout);
        if (r == -LX_EPARK) return r;
        err = (int)r;
    }
    if (err && !t->sys.done) return err;
    return o->x.truncated && o->flags & LX_MSG_TRUNC ? (int64_t)o->x.full : (int64_t)t->sys.done;
}

// A sender without a name has no address at all.
static int put_sender(struct task *t, const struct sock *s, const struct sock_addr *from, gaddr at, gaddr lenp)
{
    uint32_t none = 0;
    bool known = from->len && (s->type == LX_SOCK_DGRAM || !s->family->autobind); // TCP does not tell here
    return known ? sock_put_addr(t, s, from, at, lenp) : copy_to_user(t, lenp, &none, sizeof none);
}

int64_t sys_recvfrom(struct task *t, const uint64_t a[6])
{
    struct receiving *o = malloc(sizeof *o);
    int64_t r = o ? begin_receive(t, o, (int)a[0], a[3]) : -LX_ENOMEM;
    if (!r) r = iob_user_init(&o->u, t, a[1], a[2]);
    if (!r) {
        r = receive_now(t, o);
        sock_drop_files(&o->x);
        if (r >= 0 && a[4] && put_sender(t, o->s, &o->x.from, a[4], a[5])) r = -LX_EFAULT;
    }
    free(o);
    return r;
}

// ---------------------------------------------------------------- what came along: control messages out

struct control_out {
    uint8_t *at;
    size_t n, room;
    bool truncated;
};

static void put_control(struct control_out *c, int level, int type, const void *data, size_t n)
{
    struct lx_cmsghdr h = {sizeof h + n, level, type};
    if (c->room - c->n < sizeof h) {
        c->truncated = true;
        return;
    }
    if (h.len > c->room - c->n) {
        c->truncated = true;
        h.len = c->room - c->n;
    }
    memcpy(c->at + c->n, &h, sizeof h);
    memcpy(c->at + c->n + sizeof h, data, h.len - sizeof h);
    size_t padded = (h.len + 7) & ~7ull;
    c->n += padded < c->room - c->n ? padded : c->room - c->n;
}

static void put_rights(struct task *t, struct control_out *c, struct sock_extra *x, bool cloexec)
{
    int32_t fds[SCM_MAX_FD];
    unsigned n = 0, i = 0;
    size_t room = c->room - c->n > sizeof(struct lx_cmsghdr) ? (c->room - c->n - sizeof(struct lx_cmsghdr)) / 4 : 0;
    for (; i < x->nfiles && n < room; i++) {
        int fd = fd_install(t->proc, file_get(x->files[i]), 0, cloexec);
        if (fd < 0) break;
        fds[n++] = fd;
    }
    if (i < x->nfiles) c->truncated = true;
    if (n) put_control(c, LX_SOL_SOCKET, LX_SCM_RIGHTS, fds, n * sizeof fds[0]);
}

static void put_ip(struct control_out *c, const struct sock *s, const struct sock_extra *x)
{
    struct sock_control out[3];
    unsigned n = sock_is_inet(s) && s->type == LX_SOCK_DGRAM ? sock_ip_control(s, x, out) : 0;
    for (unsigned i = 0; i < n; i++) put_control(c, out[i].level, out[i].type, out[i].data, out[i].n);
}

// Makes the control buffer and writes back lengths and flags. The message has been taken: errors are told, nothing
// comes back.
static int finish_msg(struct task *t, struct receiving *o, gaddr at, struct lx_msghdr *m)
{
    struct control_out c = {.room = m->controllen < CONTROL_MAX ? m->controllen : CONTROL_MAX};
    c.at = calloc(1, c.room + 1);
    if (!c.at) return -LX_ENOMEM;
    if (o->s->passcred && o->x.has_cred)
        put_control(&c, LX_SOL_SOCKET, LX_SCM_CREDENTIALS, &o->x.cred, sizeof o->x.cred);
    put_ip(&c, o->s, &o->x);
    if (o->x.nfiles) put_rights(t, &c, &o->x, o->flags & LX_MSG_CMSG_CLOEXEC);
    int err = c.n ? copy_to_user(t, m->control, c.at, c.n) : 0;
    free(c.at);
    uint8_t name[sizeof(struct lx_sockaddr_un) + 1] = {0};
    bool known = o->x.from.len && (o->s->type == LX_SOCK_DGRAM || !o->s->family->autobind);
    uint32_t len = known ? o->s->family->put(&o->x.from, name) : 0,
             flags = (o->x.truncated ? LX_MSG_TRUNC : 0) | (c.truncated ? LX_MSG_CTRUNC : 0) |
                     (o->x.urgent ? LX_MSG_OOB : 0) | (o->flags & LX_MSG_CMSG_CLOEXEC);
    if (!err && m->name) err = copy_to_user(t, m->name, name, len < m->namelen ? len : m->namelen);
    m->namelen = len;
    m->controllen = c.n;
    m->flags = flags;
    return err ? err : copy_to_user(t, at, m, sizeof *m);
}

static int64_t recv_msg(struct task *t, int fd, gaddr at, uint64_t flags)
{
    struct receiving *o = malloc(sizeof *o);
    struct lx_msghdr m;
    int64_t r = o ? begin_receive(t, o, fd, flags) : -LX_ENOMEM;
    if (!r) r = copy_from_user(t, &m, at, sizeof m);
    if (!r) r = copy_to_user(t, at, &m, sizeof m); // the header can be written back without a wait
    if (!r) r = iob_user_iovec(&o->u, t, m.iov, m.iovlen);
    if (!r) {
        r = receive_now(t, o);
        if (r >= 0) {
            int err = finish_msg(t, o, at, &m);
            if (err) r = err == -LX_EPARK ? -LX_EFAULT : err;
        }
        sock_drop_files(&o->x);
        iob_user_end(&o->u);
    }
    free(o);
    return r;
}

int64_t sys_recvmsg(struct task *t, const uint64_t a[6])
{
    return recv_msg(t, (int)a[0], a[1], a[2]);
}

// Several messages: stops at the first that fails. Only the first one waits, as with MSG_WAITFORONE.
static int64_t many(struct task *t, const uint64_t a[6], int64_t (*one)(struct task *, int, gaddr, uint64_t))
{
    uint64_t n = (uint32_t)a[2] < LX_UIO_MAXIOV ? (uint32_t)a[2] : LX_UIO_MAXIOV;
    int64_t r = 0;
    uint64_t i = 0;
    for (; i < n; i++) {
        gaddr at = a[1] + i * sizeof(struct lx_mmsghdr);
        t->sys.done = 0;
        r = one(t, (int)a[0], at, a[3] | (i ? LX_MSG_DONTWAIT : 0));
        if (r < 0) break;
        uint32_t len = (uint32_t)r;
        if ((r = copy_to_user(t, at + offsetof(struct lx_mmsghdr, len), &len, sizeof len))) break;
    }
    return i ? (int64_t)i : r;
}

int64_t sys_sendmmsg(struct task *t, const uint64_t a[6])
{
    return many(t, a, send_msg);
}
int64_t sys_recvmmsg(struct task *t, const uint64_t a[6])
{
    return many(t, a, recv_msg);
}
