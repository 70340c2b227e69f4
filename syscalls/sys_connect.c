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
    if (s->remote.len && !s->awaited) return sock_put_addr(t, s, &s->remote, a[1], a[2]);
    if (!s->peer || (sock_is_tcp(s) && s->reset)) return -LX_ENOTCONN;
    return sock_put_addr(t, s, &s->peer->addr, a[1], a[2]);
}

// ---------------------------------------------------------------- listen, connect, accept

static int connect_dgram(struct sock *s, struct sock *to, const struct sock_addr *remote)
{
    if (s->peer) sock_unref(s->peer);
    s->peer = to;
    s->connected = to || remote;
    s->remote = remote ? *remote : (struct sock_addr){0};
    if (to) to->refs++;
    return 0;
}

// The server's end, in the listener's backlog.
static int join(struct sock *s, struct sock *listener, const struct sock_addr *to, const struct process *by)
{
    struct sock *server = sock_new(s->box, listener->family, s->type, by);
    if (!server) return -LX_ENOMEM;
    server->owner = listener->owner;
    server->addr = *to;
    server->accepted = true;
    server->sndbuf = listener->sndbuf, server->rcvbuf = listener->rcvbuf;
    sock_connect_pair(s, server);
    struct sock **at = &listener->backlog;
    while (*at) at = &(*at)->backlog_next;
    *at = server;
    listener->nbacklog++;
    waitq_wake(&listener->wait);
    waitq_wake(&s->wait);
    return 0;
}

static bool backlog_full(const struct sock *listener)
{
    return listener->nbacklog > listener->max_backlog;
}

// ---------------------------------------------------------------- TCP connections on their way

// A listener whose backlog is full does not answer; the client asks again and again (tcp_v4_conn_request drops the
// SYN).
static void await_room(struct sock *s, struct sock *listener, const struct sock_addr *to)
{
    struct sock **at = &listener->pending;
    while (*at) at = &(*at)->backlog_next;
    *at = s;
    s->backlog_next = NULL;
    s->awaited = listener;
    s->connecting = true;
    s->remote = *to;
}

static void end_await(struct sock *s, int error)
{
    struct sock **at = &s->awaited->pending;
    while (*at != s) at = &(*at)->backlog_next;
    *at = s->backlog_next;
    s->backlog_next = s->awaited = NULL;
    s->remote = (struct sock_addr){0};
    s->error = error;
    waitq_wake(&s->wait);
}

static void admit_pending(struct sock *listener, const struct process *by)
{
    while (listener->pending && !backlog_full(listener)) {
        struct sock *s = listener->pending;
        struct sock_addr to = s->remote;
        end_await(s, 0);
        s->error = -join(s, listener, &to, by);
    }
}

void sock_end_pending(struct sock *s)
{
    if (s->awaited) end_await(s, 0);
    while (s->pending) end_await(s->pending, LX_ECONNREFUSED);
}

// TCP without waiting: the outcome is there, or will be, but is told only when asked for (SO_ERROR, or connect again).
static int connect_later(struct sock *s, int error)
{
    s->connecting = true;
    s->error = error;
    waitq_wake(&s->wait);
    return -LX_EINPROGRESS;
}

// connect of a socket that is on its way, or was when it was last asked.
static int64_t connect_outcome(struct task *t, struct file *f, struct sock *s)
{
    if (!s->awaited) return s->connecting = false, -sock_take_error(s);
    if (f->flags & LX_O_NONBLOCK) return -LX_EALREADY;
    fd_hold(t, f);
    if (s->snd_timeout) task_deadline(t, box_monotonic(t->box) + s->snd_timeout);
    int64_t r = task_wait(t, &s->wait);
    return r == -LX_ETIMEDOUT ? -LX_EINPROGRESS : r;
}

static int64_t connect_stream(struct task *t, struct file *f, struct sock *s, struct sock *listener,
                              const struct sock_addr *to)
{
    if (!listener->listening || listener->closed) return -LX_ECONNREFUSED;
    if (!s->addr.len && s->family->autobind) {
        int err = s->family->autobind(t, s, to);
        if (err) return err;
    }
    s->owner = (struct lx_ucred){t->proc->pid, t->proc->cred.euid, t->proc->cred.egid};
    if (!backlog_full(listener)) return join(s, listener, to, t->proc);
    if (sock_is_tcp(s)) {
        await_room(s, listener, to);
        return f->flags & LX_O_NONBLOCK ? -LX_EINPROGRESS : connect_outcome(t, f, s);
    }
    if (f->flags & LX_O_NONBLOCK) return -LX_EAGAIN;
    fd_hold(t, f);
    return task_wait(t, &listener->wait);
}

// The inet families look their peer up at each send: it may come later.
static int64_t connect_inet_dgram(struct task *t, struct sock *s, const struct sock_addr *to)
{
    int err = s->addr.len ? 0 : s->family->autobind(t, s, to);
    return err ? err : connect_dgram(s, NULL, to);
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
    if (s->connecting) return connect_outcome(t, f, s);
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

int64_t sys_listen(struct task *t, const uint64_t a[6])
{
    struct file *f = fd_io(t, (int)a[0]);
    struct sock *s = sock_of(f);
    if (!s) return f ? -LX_ENOTSOCK : -LX_EBADF;
    if (s->type == LX_SOCK_DGRAM) return -LX_EOPNOTSUPP;
    if (s->connected || s->awaited) return -LX_EINVAL;
    int err = s->addr.len ? 0 : s->family->autobind ? s->family->autobind(t, s, NULL) : -LX_EINVAL;
    if (err) return err;
    s->listening = true;
    s->max_backlog = (uint32_t)a[1] > LX_SOMAXCONN ? LX_SOMAXCONN : (unsigned)a[1];
    s->owner = (struct lx_ucred){t->proc->pid, t->proc->cred.euid, t->proc->cred.egid};
    admit_pending(s, t->proc);
    return 0;
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
    admit_pending(s, t->proc);
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
