// /proc/net: the interface, and the sockets of the box (proc_net(5)).
#include "syscalls/procfs.h"
#include "syscalls/socket.h"
#include <inttypes.h>
#include <string.h>

enum { R = LX_S_IFREG | 0444 };

static void show_dev(struct proc_text *x, const struct proc_who *w)
{
    (void)w;
    text_add(x,
             "Inter-|   Receive                                                |  Transmit\n"
             " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls "
             "carrier compressed\n"
             "    lo:       0       0    0    0    0     0          0         0        0       0    0    0    0     0  "
             "     0          0\n");
}

static void show_if_inet6(struct proc_text *x, const struct proc_who *w)
{
    (void)w;
    text_add(x, "00000000000000000000000000000001 01 80 10 80       lo\n");
}

static void show_route(struct proc_text *x, const struct proc_who *w)
{
    (void)w;
    text_add(
        x,
        "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT                         "
        "                              \n");
}

static void show_nothing(struct proc_text *x, const struct proc_who *w)
{
    (void)x, (void)w;
}

static void show_sockstat(struct proc_text *x, const struct proc_who *w)
{
    unsigned all = 0, tcp = 0, udp = 0;
    for (const struct sock *s = w->box->sockets; s; s = s->next) {
        all++;
        if (sock_is_tcp(s)) tcp++;
        if (sock_is_inet(s) && !sock_is_stream(s)) udp++;
    }
    text_add(x, "sockets: used %u\nTCP: inuse %u orphan 0 tw 0 alloc %u mem 0\nUDP: inuse %u mem 0\n", all, tcp, tcp,
             udp);
}

static uint64_t inode_of(const struct sock *s)
{
    return s->file_ino;
}

// ---------------------------------------------------------------- unix

static void show_unix(struct proc_text *x, const struct proc_who *w)
{
    enum { ACCEPTING = 0x10000, UNCONNECTED = 1, CONNECTED = 3 };
    text_add(x, "Num       RefCount Protocol Flags    Type St Inode Path\n");
    for (const struct sock *s = w->box->sockets; s; s = s->next) {
        if (s->family->number != LX_AF_UNIX || s->closed) continue;
        text_add(x, "%016x: %08x %08x %08x %04x %02x %5" PRIu64, 0, s->refs + 1, 0, s->listening ? ACCEPTING : 0,
                 (unsigned)s->type, s->connected ? CONNECTED : UNCONNECTED, inode_of(s));
        size_t n = s->addr.len > 2 ? s->addr.len - 2 : 0;
        const char *path = s->addr.un.sun_path;
        if (n && path[0]) n = strnlen(path, n);
        if (n) text_add(x, " ");
        for (size_t i = 0; i < n; i++) text_add(x, "%c", path[i] ? path[i] : '@');
        text_add(x, "\n");
    }
}

// ---------------------------------------------------------------- tcp, udp

static void add_address(struct proc_text *x, const struct sock_addr *a, bool v6)
{
    uint32_t word[4] = {0};
    if (a && a->len) memcpy(word, v6 ? a->in.ip : a->in.ip + 12, v6 ? 16 : 4);
    for (int i = 0; i < (v6 ? 4 : 1); i++) text_add(x, "%08X", word[i]);
    text_add(x, ":%04X", a && a->len ? a->in.port : 0);
}

static void show_inet(struct proc_text *x, const struct box *box, int type, bool v6)
{
    enum { ESTABLISHED = 1, SYN_SENT = 2, CLOSE = 7, LISTEN = 10 };
    unsigned n = 0;
    text_add(
        x,
        v6 ? "  sl  local_address                         remote_address                        st tx_queue rx_queue "
             "tr tm->when retrnsmt   uid  timeout inode\n"
           : "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n");
    for (const struct sock *s = box->sockets; s; s = s->next) {
        if (s->family->number != (v6 ? LX_AF_INET6 : LX_AF_INET) || s->type != type || s->closed || !s->addr.len)
            continue;
        const struct sock_addr *peer = s->remote.len ? &s->remote : s->peer ? &s->peer->addr : NULL;
        text_add(x, "%4u: ", n++);
        add_address(x, &s->addr, v6);
        text_add(x, " ");
        add_address(x, peer, v6);
        text_add(x, " %02X 00000000:%08X 00:00000000 00000000 %5u        0 %" PRIu64 " 1 0000000000000000 0 0 0 0 0\n",
                 s->listening ? LISTEN
                 : s->awaited ? SYN_SENT
                 : peer       ? ESTABLISHED
                              : CLOSE,
                 s->queued, s->owner.uid, inode_of(s));
    }
}

static void show_tcp(struct proc_text *x, const struct proc_who *w)
{
    show_inet(x, w->box, LX_SOCK_STREAM, false);
}
static void show_tcp6(struct proc_text *x, const struct proc_who *w)
{
    show_inet(x, w->box, LX_SOCK_STREAM, true);
}
static void show_udp(struct proc_text *x, const struct proc_who *w)
{
    show_inet(x, w->box, LX_SOCK_DGRAM, false);
}
static void show_udp6(struct proc_text *x, const struct proc_who *w)
{
    show_inet(x, w->box, LX_SOCK_DGRAM, true);
}

const struct proc_entry proc_net_files[] = {{"arp", R, show_nothing, NULL, NULL},
                                            {"dev", R, show_dev, NULL, NULL},
                                            {"if_inet6", R, show_if_inet6, NULL, NULL},
                                            {"route", R, show_route, NULL, NULL},
                                            {"sockstat", R, show_sockstat, NULL, NULL},
                                            {"tcp", R, show_tcp, NULL, NULL},
                                            {"tcp6", R, show_tcp6, NULL, NULL},
                                            {"udp", R, show_udp, NULL, NULL},
                                            {"udp6", R, show_udp6, NULL, NULL},
                                            {"unix", R, show_unix, NULL, NULL},
                                            {NULL, 0, NULL, NULL, NULL}};
