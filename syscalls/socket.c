// Sockets: message queues and what read, write, poll and close do to them (net/unix/af_unix.c).
//
// A message belongs to the receiver's queue. A stream's bytes travel in messages too; descriptors passed along stay
// with the bytes they were sent with, and a read does not go past them. A closed socket lives on, without its file, as
// long as its peer points to it.
//
// TCP's urgent byte (tcp_check_urg, tcp_recv_urg) is a message of its own in the queue: where it lies is the mark,
// which a read does not go across.
#include "syscalls/socket.h"
#include <string.h>

bool sock_is_stream(const struct sock *s)
{
    return s->type == LX_SOCK_STREAM;
}
bool sock_is_tcp(const struct sock *s)
{
    return sock_is_stream(s) && sock_is_inet(s);
}

// ---------------------------------------------------------------- messages

static size_t message_bytes(uint32_t n)
{
    return sizeof(struct sockmsg) + n;
}

static struct sockmsg *message_new(struct sock *s, uint32_t n)
{
    struct sockmsg *m = kmalloc(s->box->vfs, message_bytes(n));
    if (!m) return NULL;
    m->n = n;
    m->cred = s->owner;
    m->from = s->addr;
    if (sock_is_inet(s)) {
        bool v6 = s->family->number == LX_AF_INET6;
        m->ttl = (uint8_t)sock_option(s, v6 ? LX_IPPROTO_IPV6 : LX_IPPROTO_IP, v6 ? LX_IPV6_UNICAST_HOPS : LX_IP_TTL);
        m->tos = (uint8_t)sock_option(s, v6 ? LX_IPPROTO_IPV6 : LX_IPPROTO_IP, v6 ? LX_IPV6_TCLASS : LX_IP_TOS);
    }
    return m;
}

static int take_files(struct sock *s, struct sockmsg *m, struct sock_extra *x)
{
    if (!x || !x->nfiles) return 0;
    m->files = kmalloc(s->box->vfs, x->nfiles * sizeof *m->files);
    if (!m->files) return -LX_ENOMEM;
    memcpy(m->files, x->files, x->nfiles * sizeof *m->files);
    m->nfiles = m->capacity = x->nfiles;
    x->nfiles = 0;
    return 0;
}

static void free_now(struct vfs *v, struct sockmsg *m)
{
    for (unsigned i = 0; i < m->nfiles; i++) file_put(m->files[i]);
    kmfree(v, m->files, m->capacity * sizeof *m->files);
    kmfree(v, m, message_bytes(m->n));
}

// A file that goes with a message may be a socket whose messages carry sockets, and so on: a guest can make that chain
// as long as it likes, so it is walked in a loop.
static void message_free(struct box *box, struct sockmsg *m)
{
    m->next = box->dropped_messages;
    box->dropped_messages = m;
    if (box->dropping_messages) return;
    box->dropping_messages = true;
    while ((m = box->dropped_messages)) {
        box->dropped_messages = m->next;
        free_now(box->vfs, m);
    }
    box->dropping_messages = false;
}

static void enqueue(struct sock *s, struct sockmsg *m)
{
    *s->last = m;
    s->last = &m->next;
    s->queued += m->n;
    waitq_wake(&s->wait);
}

static struct sockmsg *dequeue(struct sock *s)
{
    struct sockmsg *m = s->first;
    s->first = m->next;
    if (!s->first) s->last = &s->first;
    s->queued -= m->n;
    if (m == s->urgent) s->urgent = NULL;
    waitq_wake(&s->wait); // datagram senders wait here for room
    if (s->peer) waitq_wake(&s->peer->wait);
    return m;
}

static void flush(struct sock *s)
{
    while (s->first) message_free(s->box, dequeue(s));
}

void sock_drop_files(struct sock_extra *x)
{
    while (x->nfiles) file_put(x->files[--x->nfiles]);
}

// ---------------------------------------------------------------- the object

struct sock *sock_new(struct box *box, const struct sock_family *family, int type, const struct process *owner)
{
    struct sock *s = kmalloc(box->vfs, sizeof *s);
    if (!s) return NULL;
    *s = (struct sock){
        .box = box, .refs = 1, .family = family, .type = type, .next = box->sockets, .prev = &box->sockets};
    s->owner = (struct lx_ucred){owner->pid, owner->cred.euid, owner->cred.egid};
    s->last = &s->first;
    if (s->next) s->next->prev = &s->next;
    box->sockets = s;
    return s;
}

void sock_unref(struct sock *s)
{
    if (!s || --s->refs > 0) return;
    *s->prev = s->next;
    if (s->next) s->next->prev = s->prev;
    waitq_dismiss(&s->wait);
    kmfree(s->box->vfs, s, sizeof *s);
}

void sockets_flush(struct box *box)
{
    for (bool any = true; any;) {
        any = false;
        for (struct sock *s = box->sockets; s && !any; s = s->next) {
            any = s->first != NULL;
            if (!any) continue;
            s->refs++;
            flush(s);
            sock_unref(s); // others may be gone too: begin again
            break;
        }
    }
}

void sock_connect_pair(struct sock *a, struct sock *b)
{
    a->peer = b;
    b->peer = a;
    a->refs++;
    b->refs++;
    a->connected = b->connected = true;
    a->peer_cred = b->owner;
    b->peer_cred = a->owner;
}

static void close_backlog(struct sock *s);

// Data that was not read makes the other side's next call fail (unix_release_sock), and so does, with TCP, a close that
// was told not to linger at all (__tcp_close).
static bool ends_with_reset(const struct sock *s)
{
    return s->first || (sock_is_tcp(s) && s->linger[0] && !s->linger[1]);
}

static void close_sock(struct sock *s)
{
    struct sock *peer = s->peer;
    s->closed = true;
    if (peer && s->type != LX_SOCK_DGRAM && !peer->closed && ends_with_reset(s)) {
        peer->error = LX_ECONNRESET;
        peer->reset = true;
    }
    flush(s);
    sock_end_pending(s);
    close_backlog(s);
    if (s->inode) {
        s->inode->sock = NULL;
        inode_put(s->inode);
        s->inode = NULL;
    }
    waitq_wake(&s->wait);
    s->peer = NULL;
    if (peer) {
        waitq_wake(&peer->wait);
        sock_unref(peer);
    }
    sock_unref(s);
}

static void close_backlog(struct sock *s)
{
    while (s->backlog) {
        struct sock *c = s->backlog;
        s->backlog = c->backlog_next;
        if (c->peer) c->peer->error = LX_ECONNRESET;
        close_sock(c);
    }
}

// ---------------------------------------------------------------- receiving

static bool at_end(const struct sock *s)
{
    return s->shut_rd ||
           (s->type != LX_SOCK_DGRAM && s->connected && (!s->peer || s->peer->closed || s->peer->shut_wr));
}

int sock_take_error(struct sock *s)
{
    int error = s->error;
    s->error = 0;
    return error;
}

static int nothing_to_read(struct sock *s)
{
    if (s->error) return -sock_take_error(s);
    if (s->awaited) return -LX_EAGAIN;
    if (at_end(s)) return 0;
    if (s->type != LX_SOCK_DGRAM && !s->connected)
        return sock_is_stream(s) && !sock_is_tcp(s) ? -LX_EINVAL : -LX_ENOTCONN;
    return -LX_EAGAIN;
}

static void hand_over(struct sockmsg *m, struct sock_extra *x, bool peek)
{
    if (!x) return;
    x->cred = m->cred;
    x->has_cred = true;
    x->from = m->from;
    x->ttl = m->ttl;
    x->tos = m->tos;
    for (unsigned i = 0; i < m->nfiles; i++) x->files[x->nfiles++] = peek ? file_get(m->files[i]) : m->files[i];
    if (!peek) m->nfiles = 0;
}

static int receive_stream(struct sock *s, struct sockmsg *m, struct iob *io, bool peek, struct sock_extra *x)
{
    for (bool first = true; m && io->left; first = false) {
        if (!first && (m->nfiles || m == s->urgent)) break;
        if (x && x->has_cred && (x->cred.pid != m->cred.pid || x->cred.uid != m->cred.uid) && s->passcred) break;
        size_t want = m->n - m->off < io->left ? m->n - m->off : io->left;
        size_t got = iob_put(io, m->data + m->off, want);
        if (got < want && !got) return -LX_EFAULT;
        unsigned files = m->nfiles;
        if (first || files) hand_over(m, x, peek);
        struct sockmsg *next = m->next;
        if (!peek) {
            m->off += (uint32_t)got;
            if (files && !x) { // read(2) loses what came along
                for (unsigned i = 0; i < m->nfiles; i++) file_put(m->files[i]);
                m->nfiles = 0;
            }
            if (m->off == m->n) message_free(s->box, dequeue(s));
        }
        if (got < want) return -LX_EFAULT;
        m = next;
    }
    return 0;
}

static int receive_one(struct sock *s, struct iob *io, bool peek, struct sock_extra *x)
{
    struct sockmsg *m = s->first;
    size_t want = m->n < io->left ? m->n : io->left;
    if (iob_put(io, m->data, want) < want) {
        io->done = 0;
        return -LX_EFAULT;
    }
    hand_over(m, x, peek);
    if (x) {
        x->truncated = want < m->n;
        x->full = m->n;
    }
    if (!peek) message_free(s->box, dequeue(s));
    return 0;
}

// ---------------------------------------------------------------- urgent bytes

static bool out_of_band(const struct sock *s)
{
    return !sock_option(s, LX_SOL_SOCKET, LX_SO_OOBINLINE);
}

bool sock_at_mark(const struct sock *s)
{
    return s->urgent && s->urgent == s->first;
}

// A read that begins at the mark goes on behind it.
static struct sockmsg *past_mark(struct sock *s, bool peek)
{
    if (!sock_at_mark(s) || !out_of_band(s)) return s->first;
    if (peek) return s->first->next;
    message_free(s->box, dequeue(s));
    return s->first;
}

// There is one mark: an urgent byte nobody has read is forgotten when the next one follows at once, else it becomes a
// byte like others.
static void mark_urgent(struct sock *s, struct sockmsg *m)
{
    past_mark(s, false);
    s->urgent = m;
    s->urgent_read = false;
    if (s->file) sigio_urgent(s->file);
}

int sock_receive_urgent(struct sock *s, struct iob *io, unsigned flags, struct sock_extra *x)
{
    if (s->listening) return -LX_ENOTCONN;
    if (!s->urgent || s->urgent_read || !out_of_band(s)) return -LX_EINVAL;
    x->truncated = !io->left;
    if (io->left && !iob_put(io, s->urgent->data, 1)) return -LX_EFAULT;
    if (!(flags & RECV_PEEK)) s->urgent_read = true;
    x->urgent = true;
    return 0;
}

static bool readable(const struct sock *s)
{
    return s->first && (s->first->next || !sock_at_mark(s) || !out_of_band(s));
}

int sock_receive(struct sock *s, struct iob *io, unsigned flags, struct sock_extra *x)
{
    struct sockmsg *m = io->left ? past_mark(s, flags & RECV_PEEK) : s->first;
    if (!m) return nothing_to_read(s);
    if (sock_is_stream(s)) return receive_stream(s, m, io, flags & RECV_PEEK, x);
    return receive_one(s, io, flags & RECV_PEEK, x);
}

// ---------------------------------------------------------------- sending

static int send_message(struct sock *s, struct sock *to, struct iob *io, uint32_t n, struct sock_extra *x)
{
    struct sockmsg *m = message_new(s, n);
    if (!m) return -LX_ENOBUFS;
    size_t got = iob_get(io, m->data, n);
    int err = got < n ? -LX_EFAULT : take_files(s, m, x);
    if (x && x->has_cred) m->cred = x->cred;
    if (x && x->ttl >= 0) m->ttl = (uint8_t)x->ttl;
    if (x && x->tos >= 0) m->tos = (uint8_t)x->tos;
    if (err) {
        io->done -= got < io->done ? got : io->done; // none of it was sent
        io->left += got;
        message_free(s->box, m);
        return err;
    }
    enqueue(to, m);
    if (x && x->urgent && !io->left) mark_urgent(to, m);
    return 0;
}

// How much may wait at `to` of what `from` sends. A TCP connection holds both buffers, here in one queue; a datagram
// counts for its receiver, on AF_UNIX, as all does there, for its sender.
static uint32_t queue_limit(const struct sock *from, const struct sock *to)
{
    uint32_t out = from->sndbuf ? (uint32_t)from->sndbuf : SOCK_LIMIT / 2;
    uint32_t in = to->rcvbuf ? (uint32_t)to->rcvbuf : SOCK_LIMIT / 2;
    if (sock_is_tcp(from)) return out + in;
    if (from->family->number == LX_AF_UNIX) return from->sndbuf ? out : SOCK_LIMIT;
    return to->rcvbuf ? in : SOCK_LIMIT;
}

int sock_deliver(struct sock *s, const void *bytes, uint32_t n)
{
    struct sockmsg *m = s->queued && s->queued + n > queue_limit(s, s) ? NULL : message_new(s, n);
    if (!m) return -LX_ENOBUFS;
    memcpy(m->data, bytes, n);
    m->cred = (struct lx_ucred){0};
    m->from = (struct sock_addr){.len = 1};
    enqueue(s, m);
    return 0;
}

struct sock *sock_target(struct sock *s)
{
    if (s->family->request) return s;
    return s->remote.len ? inet_lookup(s, &s->remote) : s->peer;
}

static int may_send(const struct sock *s, const struct sock *to)
{
    if (s->shut_wr) return -LX_EPIPE;
    if (!to && s->remote.len) return -LX_ECONNREFUSED;
    if (!to) return s->connected || sock_is_tcp(s) ? -LX_EPIPE : -LX_ENOTCONN;
    if (to->closed || to->shut_rd) return s->type == LX_SOCK_DGRAM ? -LX_ECONNREFUSED : -LX_EPIPE;
    return 0;
}

// TCP learns only from the answer that the other end is closed: what is sent first is lost without a word.
static int send_into_the_void(struct sock *s, struct iob *io)
{
    uint8_t scratch[512];
    s->reset = true;
    while (io->left)
        if (!iob_get(io, scratch, io->left < sizeof scratch ? io->left : sizeof scratch)) return -LX_EFAULT;
    return 0;
}

int sock_send(struct sock *s, struct sock *to, struct iob *io, struct sock_extra *x)
{
    if (s->family->request) return s->family->request(s, io);
    if (s->awaited) return -LX_EAGAIN;
    if (sock_is_tcp(s) && s->connected && !s->reset && !s->shut_wr && !s->error && (!to || to->closed))
        return send_into_the_void(s, io);
    int err = may_send(s, to);
    if (s->error) err = -sock_take_error(s);
    if (err) return err;
    uint32_t limit = queue_limit(s, to);
    if (!sock_is_stream(s)) {
        if (io->left > limit) return -LX_EMSGSIZE;
        return to->queued && to->queued + io->left > limit ? -LX_EAGAIN
                                                           : send_message(s, to, io, (uint32_t)io->left, x);
    }
    while (io->left && !err) {
        if (to->queued >= limit) return -LX_EAGAIN;
        uint32_t n = limit - to->queued < SOCK_CHUNK ? limit - to->queued : SOCK_CHUNK;
        if (io->left < n) n = (uint32_t)io->left;
        if (x && x->urgent && n == io->left && n > 1) n--; // the last byte by itself
        err = send_message(s, to, io, n, x);
    }
    return err;
}

// ---------------------------------------------------------------- the file

static int socket_read(struct file *f, struct iob *io, uint64_t *pos)
{
    (void)pos;
    return sock_receive(f->private, io, 0, NULL);
}

static int socket_write(struct file *f, struct iob *io, uint64_t *pos)
{
    struct sock *s = f->private;
    (void)pos;
    return sock_send(s, sock_target(s), io, NULL);
}

static unsigned socket_poll(struct file *f, struct waitq **queue)
{
    struct sock *s = f->private;
    *queue = &s->wait;
    if (s->listening) return s->backlog ? LX_POLLIN | LX_POLLRDNORM : 0;
    if (s->awaited) return 0;
    unsigned ready = readable(s) ? LX_POLLIN | LX_POLLRDNORM : 0;
    bool end = at_end(s), dead = s->type != LX_SOCK_DGRAM && s->connected && (!s->peer || s->peer->closed);
    if (end) ready |= LX_POLLIN | LX_POLLRDNORM | LX_POLLRDHUP;
    if (s->urgent && !s->urgent_read) ready |= LX_POLLPRI;
    if (s->error) ready |= LX_POLLERR;
    bool over = sock_is_tcp(s) ? s->reset || (end && s->shut_wr) : dead || (s->shut_rd && s->shut_wr);
    if (over || (s->type != LX_SOCK_DGRAM && !s->connected)) ready |= LX_POLLHUP;
    if (dead || !s->peer || s->peer->queued < queue_limit(s, s->peer)) ready |= LX_POLLOUT | LX_POLLWRNORM;
    return ready;
}

static void socket_release(struct file *f)
{
    ((struct sock *)f->private)->file = NULL;
    close_sock(f->private);
}

// SIOCINQ and SIOCOUTQ: of a stream the bytes up to the mark (tcp_inq), otherwise the first datagram's.
static uint32_t bytes_queued(const struct sock *q)
{
    if (!q || !q->first) return 0;
    if (!sock_is_stream(q)) return q->first->n;
    if (!q->urgent || !out_of_band(q)) return q->queued - q->first->off;
    uint32_t n = 0;
    for (const struct sockmsg *m = q->first; m != q->urgent; m = m->next) n += m->n - m->off;
    return n;
}

static int64_t socket_ioctl(struct file *f, struct task *t, uint32_t cmd, uint64_t arg)
{
    struct sock *s = f->private;
    enum { SIOCINQ = 0x541b, SIOCOUTQ = 0x5411, SIOCATMARK = 0x8905 };
    uint32_t n = sock_at_mark(s);
    if (cmd == SIOCATMARK) return sock_is_stream(s) ? copy_to_user(t, arg, &n, sizeof n) : -LX_ENOTTY;
    if (cmd >> 8 == 0x89) return sock_if_ioctl(t, cmd, arg);
    if (cmd != SIOCINQ && cmd != SIOCOUTQ) return -LX_ENOTTY;
    if (s->listening) return -LX_EINVAL;
    n = bytes_queued(cmd == SIOCINQ ? s : s->peer);
    return copy_to_user(t, arg, &n, sizeof n);
}

static const struct file_ops socket_fops = {
    .read = socket_read, .write = socket_write, .poll = socket_poll, .release = socket_release, .ioctl = socket_ioctl};

struct sock *sock_of(struct file *f)
{
    return f && f->ops == &socket_fops ? f->private : NULL;
}

int sock_file(struct sock *s, unsigned flags, struct file **out)
{
    int err = vfs_anon_file(s->box->vfs, "socket:", LX_S_IFSOCK | 0777, &socket_fops, s, LX_O_RDWR | flags, out);
    if (err) return err;
    s->file_ino = (*out)->inode->ino;
    s->file = *out;
    return 0;
}
