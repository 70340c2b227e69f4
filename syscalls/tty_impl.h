// What the files of the terminal share: tty.c (object, reading, writing), tty_input.c (line discipline), tty_ioctl.c,
// pty.c.
#pragma once
#include "syscalls/fs.h"
#include "syscalls/tty.h"

enum { TTY_IN = 4096, TTY_OUT = 8192, TTY_EXPAND = 8, TTY_MAJOR = 136, TTY_MAX = 64 };
enum {
    IN_LINE_END = 0x100,
    IN_EOF = 0x200
}; // bits of an input entry beside the byte: ends a line; is VEOF, not to be read

struct tty {
    struct box *box;
    unsigned index; // /dev/pts/index
    const struct tty_host_ops *ops;
    void *ctx;
    struct lx_termios termios;
    struct lx_winsize size;
    int sid, pgrp; // session it controls, foreground group; 0 none
    unsigned opens;
    uint64_t generation; // a file whose pos differs was hung up
    bool was_open;
    bool stopped;                 // by VSTOP
    bool exclusive, locked;       // TIOCEXCL; a pty before unlockpt
    bool lnext;                   // VLNEXT was typed
    struct waitq wait;            // readers, writers, pollers
    uint16_t in[TTY_IN];          // ring; the counters run on
    uint32_t tail, canon, head;   // tail .. canon: complete lines, canon .. head: the line being edited
    unsigned column, line_column; // of the output; where the line being edited began
    uint64_t last_input_ns;
    uint32_t out_len;
    uint8_t out[TTY_OUT];
    struct pty *pty; // NULL: the box's own
};

struct ttys {
    struct fs *devfs;
    struct tty *tty[TTY_MAX];
};

extern const struct file_ops tty_fops;

// tty.c
struct tty *tty_create(struct box *, const struct tty_host_ops *, void *ctx, uint32_t uid, uint32_t gid);
void tty_destroy(struct tty *);
int tty_check_change(struct task *, struct tty *,
                     int sig); // job control: 0 go on, -LX_ERESTARTSYS (a signal was sent), -LX_EIO
void tty_flush(struct tty *);
void tty_flush_input(struct tty *);
void tty_put(struct tty *, uint8_t c); // one byte through output processing; dropped when there is no room
static inline uint32_t tty_out_room(const struct tty *y)
{
    return TTY_OUT - y->out_len;
}
static inline bool tty_is(const struct tty *y, uint32_t lflag)
{
    return y->termios.c_lflag & lflag;
}
uint32_t tty_readable(const struct tty *); // bytes a read finds
void tty_signal(struct tty *, int sig);    // to the foreground group
void tty_stop(struct tty *, bool);         // its output, or lets it go on
void tty_drop_output(struct tty *);

// tty_ioctl.c
int64_t tty_ioctl(struct file *, struct task *, uint32_t cmd, uint64_t arg);
int64_t tty_do_ioctl(struct tty *, struct task *, uint32_t cmd, uint64_t arg, bool master);
void tty_set_size(struct tty *, const struct lx_winsize *);

// pty.c
int pty_init(struct box *, struct fs *devfs);
void pty_slave_closed(struct tty *); // its last file went; may free it
void pty_input_read(struct tty *);   // there is room for the master's writes
enum {                               // what a master in packet mode is told (man ioctl_tty, TIOCPKT)
    PKT_FLUSHREAD = 1,
    PKT_FLUSHWRITE = 2,
    PKT_STOP = 4,
    PKT_START = 8,
    PKT_NOSTOP = 16,
    PKT_DOSTOP = 32,
    PKT_IOCTL = 64
};
void pty_status(struct tty *, unsigned clear, unsigned set); // PKT_*: has happened to the slave
