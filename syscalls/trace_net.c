// Printers of the trace for sockets: addresses, messages with what they carry, values of options.
#include "syscalls/trace_impl.h"
#include <arpa/inet.h>
#include <inttypes.h>
#include <string.h>

#define PRINTER(name) void name(struct trace_line *l, const void *what, uint64_t v, unsigned i)

// ---------------------------------------------------------------- addresses

static void add_unix(struct trace_line *l, const unsigned char *path, size_t n)
{
    if (!n) return;
    bool abstract = !path[0];
    trace_add(l, abstract ? ", sun_path=@" : ", sun_path=");
    trace_add_quoted(l, path + abstract, abstract ? n - 1 : strnlen((const char *)path, n), false);
}

static void add_inet(struct trace_line *l, const struct lx_sockaddr_in *a)
{
    const uint8_t *b = a->sin_addr;
    trace_add(l, ", sin_port=htons(%u), sin_addr=inet_addr(\"%u.%u.%u.%u\")", ntohs(a->sin_port), b[0], b[1], b[2],
              b[3]);
}

static void add_inet6(struct trace_line *l, const struct lx_sockaddr_in6 *a)
{
    char text[INET6_ADDRSTRLEN];
    if (!inet_ntop(AF_INET6, a->sin6_addr, text, sizeof text)) return;
    trace_add(
        l, ", sin6_port=htons(%u), sin6_flowinfo=htonl(%u), inet_pton(AF_INET6, \"%s\", &sin6_addr), sin6_scope_id=%u",
        ntohs(a->sin6_port), ntohl(a->sin6_flowinfo), text, a->sin6_scope_id);
}

static void add_netlink(struct trace_line *l, const unsigned char *b)
{
    uint32_t pid, groups;
    memcpy(&pid, b + 4, 4);
    memcpy(&groups, b + 8, 4);
    trace_add(l, ", nl_pid=%u, nl_groups=%08x", pid, groups);
}

void trace_sockaddr(struct trace_line *l, gaddr at, uint64_t len)
{
    union {
        uint16_t family;
        unsigned char bytes[128];
        struct lx_sockaddr_in in;
        struct lx_sockaddr_in6 in6;
    } a;
    size_t n = len < sizeof a ? len : sizeof a;
    memset(&a, 0, sizeof a);
    if (n < 2 || !trace_peek(l, &a, at, n)) {
        trace_add_pointer(l, at);
        return;
    }
    trace_add(l, "{sa_family=");
    trace_add_kind(l, AF, a.family, 0);
    if (a.family == LX_AF_UNIX)
        add_unix(l, a.bytes + 2, n > 110 ? 108 : n - 2);
    else if (a.family == LX_AF_INET && n >= sizeof a.in)
        add_inet(l, &a.in);
    else if (a.family == LX_AF_INET6 && n >= 24)
        add_inet6(l, &a.in6);
    else if (a.family == LX_AF_NETLINK && n >= 12)
        add_netlink(l, a.bytes);
    else if (n > 2) {
        trace_add(l, ", sa_data=");
        trace_add_quoted(l, a.bytes + 2, n - 2, false);
    }
    trace_add(l, "}");
}

PRINTER(trace_sockaddr_in)
{
    (void)what;
    trace_sockaddr(l, v, (uint32_t)l->task->sys_arg[i + 1]);
}

// As long as the caller had room for, or as the kernel says it is.
PRINTER(trace_sockaddr_out)
{
    uint32_t len;
    (void)what;
    if (!v || !(l->has_before >> (i + 1) & 1) || !trace_peek(l, &len, l->task->sys_arg[i + 1], 4)) {
        trace_add_pointer(l, v);
        return;
    }
    trace_sockaddr(l, v, len < (uint32_t)l->before[i + 1] ? len : (uint32_t)l->before[i + 1]);
}

PRINTER(trace_socklen)
{
    uint32_t now, before = (uint32_t)l->before[i];
    (void)what;
    if (!(l->has_before >> i & 1) || !trace_peek(l, &now, v, 4))
        trace_add_pointer(l, v);
    else if (now == before)
        trace_add(l, "[%d]", (int)now);
    else
        trace_add(l, "[%d => %d]", (int)before, (int)now);
}

// ---------------------------------------------------------------- options

static void add_option(struct trace_line *l, gaddr at, uint32_t len, unsigned i)
{
    bool socket = l->task->sys_arg[1] == LX_SOL_SOCKET;
    uint64_t option = l->task->sys_arg[2];
    int32_t error;
    if (socket && option == LX_SO_ERROR && trace_peek(l, &error, at, 4) && trace_errno(error))
        trace_add(l, "[%s]", trace_errno(error));
    else if (socket && option == LX_SO_LINGER && len == 8)
        trace_add_kind(l, LINGER, at, i);
    else if (socket && option == LX_SO_PEERCRED && len == 12)
        trace_add_kind(l, UCRED, at, i);
    else if (len == 4)
        trace_add_kind(l, INT_IN, at, i);
    else
        trace_add_bytes(l, at, len, false);
}

PRINTER(trace_option_in)
{
    (void)what;
    add_option(l, v, (uint32_t)l->task->sys_arg[i + 1], i);
}

PRINTER(trace_option_out)
{
    uint32_t len;
    (void)what;
    if (trace_peek(l, &len, l->task->sys_arg[i + 1], 4))
        add_option(l, v, len, i);
    else
        trace_add_pointer(l, v);
}

// ---------------------------------------------------------------- messages

static void add_descriptors(struct trace_line *l, gaddr at, uint64_t n)
{
    int fd;
    trace_add(l, "[");
    for (uint64_t k = 0; k < n && k < TRACE_ELEMENTS && trace_peek(l, &fd, at + 4 * k, 4); k++)
        trace_add(l, k ? ", %d" : "%d", fd);
    trace_add(l, "]");
}

static void add_cmsg(struct trace_line *l, gaddr at, const struct lx_cmsghdr *c)
{
    uint64_t data = at + sizeof *c, n = c->len - sizeof *c;
    trace_add(l, "{cmsg_len=%" PRIu64 ", cmsg_level=", c->len);
    trace_add_kind(l, SOL, (uint32_t)c->level, 0);
    bool socket = c->level == LX_SOL_SOCKET;
    if (socket && c->type == LX_SCM_RIGHTS) {
        trace_add(l, ", cmsg_type=SCM_RIGHTS, cmsg_data=");
        add_descriptors(l, data, n / 4);
    } else if (socket && c->type == LX_SCM_CREDENTIALS) {
        trace_add(l, ", cmsg_type=SCM_CREDENTIALS, cmsg_data=");
        trace_add_kind(l, UCRED, data, 0);
    } else {
        trace_add(l, ", cmsg_type=%#x", (unsigned)c->type);
        if (n) trace_add(l, ", cmsg_data=");
        if (n) trace_add_bytes(l, data, n, false);
    }
    trace_add(l, "}");
}

static void add_control(struct trace_line *l, gaddr at, uint64_t len)
{
    struct lx_cmsghdr c;
    uint64_t off = 0;
    if (len < sizeof c || !trace_peek(l, &c, at, sizeof c)) {
        trace_add_pointer(l, at);
        return;
    }
    trace_add(l, "[");
    for (unsigned k = 0; k < TRACE_ELEMENTS && len - off >= sizeof c && trace_peek(l, &c, at + off, sizeof c); k++) {
        if (c.len < sizeof c || c.len > len - off) break;
        if (k) trace_add(l, ", ");
        add_cmsg(l, at + off, &c);
        off += (c.len + 7) & ~7ull;
        if (off > len) break;
    }
    trace_add(l, "]");
}

static void add_msghdr(struct trace_line *l, const struct lx_msghdr *m, uint32_t room, uint64_t limit)
{
    trace_add(l, "{msg_name=");
    trace_sockaddr(l, m->name, m->namelen < room ? m->namelen : room);
    if (m->namelen != room && room != UINT32_MAX)
        trace_add(l, ", msg_namelen=%d => %d, msg_iov=", (int)room, (int)m->namelen);
    else
        trace_add(l, ", msg_namelen=%d, msg_iov=", (int)m->namelen);
    trace_iovecs(l, m->iov, m->iovlen, limit);
    trace_add(l, ", msg_iovlen=%" PRIu64, m->iovlen);
    if (m->controllen) {
        trace_add(l, ", msg_control=");
        add_control(l, m->control, m->controllen);
    }
    trace_add(l, ", msg_controllen=%" PRIu64 ", msg_flags=", m->controllen);
    trace_add_kind(l, MSG, m->flags, 0);
    trace_add(l, "}");
}

PRINTER(trace_msghdr_in)
{
    struct lx_msghdr m;
    (void)what, (void)i;
    if (trace_peek(l, &m, v, sizeof m))
        add_msghdr(l, &m, UINT32_MAX, UINT64_MAX);
    else
        trace_add_pointer(l, v);
}

PRINTER(trace_msghdr_out)
{
    struct lx_msghdr m;
    (void)what;
    if (!trace_peek(l, &m, v, sizeof m))
        trace_add_pointer(l, v);
    else if (l->result < 0)
        trace_add(l, "{msg_namelen=%d}", (int)m.namelen);
    else
        add_msghdr(l, &m, l->has_before >> i & 1 ? (uint32_t)l->before[i] : UINT32_MAX, (uint64_t)l->result);
}

PRINTER(trace_mmsghdrs)
{
    struct lx_mmsghdr m;
    bool done = l->result >= 0;
    uint64_t n = done ? (uint64_t)l->result : (uint32_t)l->task->sys_arg[i + 1];
    (void)what;
    if (!v || (n && !trace_peek(l, &m, v, sizeof m))) {
        trace_add_pointer(l, v);
        return;
    }
    trace_add(l, "[");
    for (uint64_t k = 0; k < n && k < TRACE_ELEMENTS && trace_peek(l, &m, v + k * sizeof m, sizeof m); k++) {
        trace_add(l, k ? ", {msg_hdr=" : "{msg_hdr=");
        add_msghdr(l, &m.hdr, UINT32_MAX, done ? m.len : UINT64_MAX);
        if (done) trace_add(l, ", msg_len=%u", m.len);
        trace_add(l, "}");
    }
    trace_add(l, "]");
}
