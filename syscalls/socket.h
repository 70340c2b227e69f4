// Sockets: the object, shared by socket.c (queues, file operations), unix.c and inet.c (names), sys_connect.c and
// sys_socket.c (system calls).
//
// sock_option.c has the options, netlink.c the one netlink there is.
//
// AF_INET and AF_INET6 are there as far as one machine without a network has them: the loopback addresses.
#pragma once
#include "syscalls/fs.h"

enum {
    SOCK_LIMIT = 212992,
    SOCK_CHUNK = 32768,
    SCM_MAX_FD = 253,
    SOCK_UDPLITE = 136,
    SOCK_OPTIONS = 72,
    REUSE_ADDR = 1,
    REUSE_PORT = 2
};

struct sock_addr {
    uint32_t
        len; // 0: none. AF_UNIX: as bound (abstract names begin with a NUL byte and may contain more); else only not 0
    union {
        struct lx_sockaddr_un un;
        struct {
            uint8_t ip[16];
            uint16_t port;
        } in; // IPv4 mapped into IPv6; the port in host order
        struct {
            uint32_t pid, groups;
        } nl;
    };
};

struct sockmsg { // one datagram, or a stretch of a stream
    struct sockmsg *next;
    uint32_t n, off;           // bytes; off: already read
    unsigned nfiles, capacity; // of files: still in it, room made
    struct file **files;       // SCM_RIGHTS, referenced
    struct lx_ucred cred;      // the sender's
    struct sock_addr from;
    uint8_t ttl, tos; // of the inet families: IP_TTL, IP_TOS, IPV6_HOPLIMIT, IPV6_TCLASS
    uint8_t data[];
};

struct sock {
    struct sock *next, **prev; // box->sockets
    struct box *box;
    unsigned refs; // its file, its peer's pointer, the backlog it waits in
    int type;      // LX_SOCK_STREAM, DGRAM, SEQPACKET
    const struct sock_family *family;
    bool listening, connected, closed, shut_rd, shut_wr, passcred, v6only;
    unsigned reuse;    // REUSE_*
    bool accepted;     // shares its name with the listener it came from
    bool connecting;   // TCP, not blocking: the next connect tells how it went
    bool reset;        // TCP: the connection is over: has sent to an end that was closed, or that one left it so
    int error;         // pending, positive: SO_ERROR
    struct sock *peer; // referenced
    struct sockmsg *first, **last;
    uint32_t queued;                     // bytes waiting to be read
    struct sockmsg *urgent;              // TCP: the last byte that came urgent, still in the queue
    bool urgent_read;                    // by MSG_OOB
    struct waitq wait;                   // anything about this socket changed
    struct sock_addr addr;               // bound to
    struct sock_addr remote;             // connected datagrams of the inet families: looked up at each send
    struct inode *inode;                 // of a bound path, referenced
    struct file *file;                   // borrowed; NULL before accept and after close
    uint64_t file_ino;                   // of its file: "socket:[ino]"
    struct sock *backlog, *backlog_next; // connections not accepted yet
    struct sock *pending, *awaited; // TCP: those for whom the backlog has no room yet (by backlog_next); its listener
    unsigned nbacklog, max_backlog;
    struct lx_ucred owner, peer_cred;
    uint64_t rcv_timeout, snd_timeout; // ns; 0: none
    int protocol;                      // IPPROTO_UDPLITE, else 0: the usual one of its type
    int shown_type;                    // SO_TYPE, where it is not `type` (netlink's SOCK_RAW)
    int32_t option[SOCK_OPTIONS], linger[2], sndbuf, rcvbuf, rcvlowat; // sock_option.c's; buffers 0: as at first
};

// What came with a message, or goes with it. Files are referenced.
struct sock_extra {
    struct file *files[SCM_MAX_FD];
    unsigned nfiles;
    struct lx_ucred cred;
    bool has_cred, truncated, urgent; // urgent: MSG_OOB
    size_t full;
    struct sock_addr from;
    int ttl, tos; // to send with: -1: as the socket has it
};
enum { RECV_PEEK = 1 };

// How the addresses of a family are read, written, found and taken. A name found is borrowed.
struct sock_family {
    int number;
    int (*get)(struct task *, const struct sock *, gaddr, uint64_t len, struct sock_addr *);
    uint32_t (*put)(const struct sock_addr *, uint8_t out[sizeof(struct lx_sockaddr_un) + 1]); // its length
    int (*find)(struct task *, const struct sock *, struct sock_addr *, struct sock **);
    int (*bind)(struct task *, struct sock *, struct sock_addr *);
    int (*autobind)(struct task *, struct sock *, const struct sock_addr *to); // before connect; NULL: needs no name
    int (*request)(struct sock *, struct iob *); // what is sent goes to the kernel (netlink), else NULL
};
const struct sock_family *unix_family(void);
const struct sock_family *inet_family(bool v6);
const struct sock_family *netlink_family(void);
bool sock_is_inet(const struct sock *);
struct sock *inet_lookup(const struct sock *from, const struct sock_addr *);

struct sock *sock_new(struct box *, const struct sock_family *, int type, const struct process *owner); // one reference
void sock_unref(struct sock *);
int sock_file(struct sock *, unsigned flags, struct file **); // takes over the reference on success
struct sock *sock_of(struct file *);                          // NULL: not a socket
void sock_connect_pair(struct sock *, struct sock *);
bool sock_is_stream(const struct sock *);
bool sock_is_tcp(const struct sock *);
void sock_end_pending(struct sock *); // it closes: nobody waits for it any more, and it for nobody

// As file operations: why they stopped. extra may be NULL.
int sock_receive(struct sock *, struct iob *, unsigned flags, struct sock_extra *);
int sock_send(struct sock *, struct sock *to, struct iob *, struct sock_extra *);
void sock_drop_files(struct sock_extra *);
int sock_receive_urgent(struct sock *, struct iob *, unsigned flags, struct sock_extra *);
bool sock_at_mark(const struct sock *);                         // the next byte is the urgent one
int sock_deliver(struct sock *, const void *bytes, uint32_t n); // a datagram from the kernel. -LX_ENOBUFS

// sock_option.c: options by level and name, and what comes along with a datagram because of them
int sock_option(const struct sock *, int level, int name); // as set, or as it is by default
int sock_parse_ip(struct sock_extra *, int level, int type, const uint8_t *data, size_t n); // a control message to send
struct sock_control {
    int level, type;
    uint32_t n;
    uint8_t data[24];
};
int64_t sock_if_ioctl(struct task *, uint32_t cmd, gaddr arg); // SIOCGIF* (netdevice(7)): about lo
unsigned sock_ip_control(const struct sock *, const struct sock_extra *, struct sock_control out[3]);

int sock_take_error(struct sock *);      // SO_ERROR: positive, and forgotten
struct sock *sock_target(struct sock *); // whom it sends to; NULL: nobody
int sock_put_addr(struct task *, const struct sock *, const struct sock_addr *, gaddr at, gaddr lenp); // sys_connect.c
