// Names and connections of sockets: bind, getsockname, getpeername, listen, connect, accept. What a name is, the
// families say (unix.c, inet.c).
#include "syscalls/socket.h"
#include <string.h>

// Copies an address out as far as there is room; *lenp becomes its real length (net/socket.c, move_addr_to_user).
int sock_put_addr(struct task *t, const struct sock *s, const struct sock_addr *a, gaddr at, gaddr lenp)
{
    int32_t room;
    uint8_t bytes[sizeof(struct lx_sockaddr_un) + 1] = {0};
    uint32_t len = s->family->put(a, bytes);
    int err = copy_from_user(t, &room, lenp, sizeof room);
    if (err) return err;
    if (room < 0) return -LX_EINVAL;
    err = copy_to_user(t, at, bytes, (uint32_t)room < len ? (uint32_t)room : len);
    return err ? err : copy_to_user(t, lenp, &len, sizeof len);
}

int64_t sys_bind(struct task *t, const uint64_t a[6])
{
    struct file *f = fd_io(t, (int)a[0]);
    struct sock *s = sock_of(f);
    struct sock_addr addr;
    if (!s) return f ? -LX_ENOTSOCK : -LX_EBADF;
    int err = s->family->get(t, s, a[1], a[2], &addr);
    if (err) return err;
    if (s->addr.len) return -LX_EINVAL;
    err = s->family->bind(t, s, &addr);
    if (!err) s->addr = addr;
    return err;
}

int64_t sys_getsockname(struct task *t, const uint64_t a[6])
{
    struct file *f = fd_io(t, (int)a[0]);
    struct sock *s = sock_of(f);
    if (!s) return f ? -LX_ENOTSOCK : -LX_EBADF;
    return sock_put_addr(t, s, &s->addr, a[1], a[2]);
}

int64_t sys_getpeername(struct task *t, const uint64_t a[6])
{
    struct file *f = fd_io(t, (int)a[0]);
    struct sock *s = sock_of(f);
    if (!s) return f ? -LX_ENOTSOCK : -LX_EBADF;
    if (s->remote.len) return sock_put_addr(t, s, &s->remote, a[1], a[2]);
    if (!s->peer) return -LX_ENOTCONN;
    return sock_put_addr(t, s, &s->peer->addr, a[1], a[2]);
}

// ---------------------------------------------------------------- listen, connect, accept

int64_t sys_listen(struct task *t, const uint64_t a[6])
{
    struct file *f = fd_io(t, (int)a[0]);
    struct sock *s = sock_of(f);
    if (!s) return f ? -LX_ENOTSOCK : -LX_EBADF;
    if (s->type == LX_SOCK_DGRAM) return -LX_EOPNOTSUPP;
    if (s->connected) return -LX_EINVAL;
    int err = s->addr.len ? 0 : s->family->autobind ? s->family->autobind(t, s, NULL) : -LX_EINVAL;
    if (err) return err;
    s->listening = true;
    s->max_backlog = (uint32_t)a[1] > LX_SOMAXCONN ? LX_SOMAXCONN : (unsigned)a[1];
    s->owner = (struct lx_ucred){t->proc->pid, t->proc->cred.euid, t->proc->cred.egid};
    return 0;
}

static int connect_dgram(struct sock *s, struct sock *to, const struct sock_addr *remote)
{
    if (s->peer) sock_unref(s->peer);
    s->peer = to;
    s->connected = to || remote;
    s->remote = remote ? *remote : (struct sock_addr){0};
    if (to) to->refs++;
    return 0;
}

static int64_t connect_stream(struct task *t, struct file *f, struct sock *s, struct sock *listener,
                              const struct sock_addr *to)
{
    if (!listener->listening || listener->closed) return -LX_ECONNREFUSED;
    if (!s->addr.len && s->family->autobind) {
        int err = s->family->autobind(t, s, to);
        if (err) return err;
    }
    if (listener->nbacklog > listener->max_backlog) {
        if (f->flags & LX_O_NONBLOCK) return -LX_EAGAIN;
        fd_hold(t, f);
        return task_wait(t, &listener->wait);
    }
    struct sock *server = sock_new(t->box, listener->family, s->type, t->proc);
    if (!server) return -LX_ENOMEM;
    server->owner = listener->owner;
    server->addr = *to;
    server->accepted = true;
    server->sndbuf = listener->sndbuf, server->rcvbuf = listener->rcvbuf;
    s->owner = (struct lx_ucred){t->proc->pid, t->proc->cred.euid, t->proc->cred.egid};
    sock_connect_pair(s, server);
    struct sock **at = &listener->backlog;
    while (*at) at = &(*at)->backlog_next;
    *at = server;
    listener->nbacklog++;
    waitq_wake(&listener->wait);
    waitq_wake(&s->wait);
    return 0;
}

// The inet families look their peer up at each send: it may come later.
static int64_t connect_inet_dgram(struct task *t, struct sock *s, const struct sock_addr *to)
{
    int err = s->addr.len ? 0 : s->family->autobind(t, s, to);
    return err ? err : connect_dgram(s, NULL, to);
}

// TCP without waiting: the outcome is there, but is told only when asked for (SO_ERROR, or connect again).
static int connect_later(struct sock *s, int error)
{
    s->connecting = true;
    s->error = error;
    waitq_wake(&s->wait);
    return -LX_EINPROGRESS;
}

int64_t sys_connect(struct task *t, const uint64_t a[6])
{
    struct file *f = fd_io_held(t, (int)a[0]);
    struct sock *s = sock_of(f), *to;
    struct sock_addr addr;
    uint16_t family;
    if (!s) return f ? -LX_ENOTSOCK : -LX_EBADF;
    int err = a[2] < sizeof family ? -LX_EINVAL : copy_from_user(t, &family, a[1], sizeof family);
    if (!err && family == LX_AF_UNSPEC && s->type == LX_SOCK_DGRAM) return connect_dgram(s, NULL, NULL);
    if (!err) err = s->family->get(t, s, a[1], a[2], &addr);
    if (err) return err;
    if (s->listening) return -LX_EINVAL;
    if (s->connecting) return s->connecting = false, -sock_take_error(s);
    if (s->type != LX_SOCK_DGRAM && s->connected) return -LX_EISCONN;
    err = s->family->find(t, s, &addr, &to);
    if (s->type == LX_SOCK_DGRAM && (sock_is_inet(s) || s->family->request) && (!err || err == -LX_ECONNREFUSED))
        return connect_inet_dgram(t, s, &addr);
    if (err == -LX_ECONNREFUSED && sock_is_tcp(s) && f->flags & LX_O_NONBLOCK) return connect_later(s, LX_ECONNREFUSED);
    if (err) return err;
    if (s->type == LX_SOCK_DGRAM) return connect_dgram(s, to, NULL);
    int64_t r = connect_stream(t, f, s, to, s->family->autobind ? &addr : &to->addr);
    return r == 0 && sock_is_tcp(s) && f->flags & LX_O_NONBLOCK ? connect_later(s, 0) : r;
}

static int64_t do_accept(struct task *t, int fd, gaddr addr, gaddr lenp, unsigned flags)
{
    struct file *f = fd_io_held(t, fd), *made;
    struct sock *s = sock_of(f);
    if (flags & ~(unsigned)(LX_SOCK_NONBLOCK | LX_SOCK_CLOEXEC)) return -LX_EINVAL;
    if (!s) return f ? -LX_ENOTSOCK : -LX_EBADF;
    if (s->type == LX_SOCK_DGRAM) return -LX_EOPNOTSUPP;
    if (!s->listening || s->closed) return -LX_EINVAL;
    if (!s->backlog) {
        if (f->flags & LX_O_NONBLOCK) return -LX_EAGAIN;
        fd_hold(t, f);
        if (s->rcv_timeout) task_deadline(t, box_monotonic(t->box) + s->rcv_timeout);
        int64_t r = task_wait(t, &s->wait);
        return r == -LX_ETIMEDOUT ? -LX_EAGAIN : r;
    }
    struct sock *c = s->backlog;
    int err = addr ? sock_put_addr(t, s, c->peer ? &c->peer->addr : &(struct sock_addr){0}, addr, lenp) : 0;
    if (!err) err = fd_room(t->proc, 1);
    if (!err) err = sock_file(c, flags & LX_SOCK_NONBLOCK ? LX_O_NONBLOCK : 0, &made);
    if (err) return err;
    s->backlog = c->backlog_next;
    s->nbacklog--;
    waitq_wake(&s->wait);
    return fd_install(t->proc, made, 0, flags & LX_SOCK_CLOEXEC);
}

int64_t sys_accept(struct task *t, const uint64_t a[6])
{
    return do_accept(t, (int)a[0], a[1], a[2], 0);
}
int64_t sys_accept4(struct task *t, const uint64_t a[6])
{
    return do_accept(t, (int)a[0], a[1], a[2], (unsigned)a[3]);
}
