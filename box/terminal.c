// The user's terminal, when the program's streams are one: inside it is a tty of the box with its own line discipline
// (syscalls/tty.h); outside, the host's terminal is in raw mode for as long as the box runs, so that every key reaches
// the program's.
//
// Standard input counts as the terminal only when standard output does too: in `belljar ... | less` the keys and the
// modes are less's.
#include "box/box.h"
#include "host/tty.h"
#include "syscalls/tty.h"
#include <stdlib.h>

enum { CHUNK = 4096 };

struct terminal {
    struct tty *tty;
    int in, out; // host descriptors; in -1: only output is a terminal
    bool raw;
    struct host_tty_mode mode; // as it was
};

static bool is_terminal(const struct belljar_box *b, unsigned i)
{
    const struct belljar_stream *s = &b->options->stdio[i];
    return b->options->terminal && !s->read && !s->write && host_is_tty(s->fd);
}

bool terminal_wants(const struct belljar_box *b, unsigned i)
{
    return is_terminal(b, i) && (i > 0 || is_terminal(b, 1));
}

static size_t give(void *ctx, const void *from, size_t n)
{
    struct belljar_box *b = ctx;
    int fd = b->host.terminal->out;
    size_t part = stdio_allowed(b, n < CHUNK ? n : CHUNK);
    if (!part || !host_ready(fd, HOST_OUT))
        return part ? 0 : n;                          // over the limit: the box is ending, what is left is dropped
    if (host_write_all(fd, from, part) < 0) return n; // the terminal is gone: likewise
    stdio_take_output(b, part);
    return part;
}

static struct terminal *make(struct belljar_box *b)
{
    static const struct tty_host_ops ops = {.write = give};
    struct terminal *t = calloc(1, sizeof *t);
    if (!t) return NULL;
    t->in = -1;
    t->tty = tty_new(&b->box, &ops, b);
    if (t->tty) return t;
    free(t);
    return NULL;
}

int terminal_open(struct belljar_box *b, unsigned i, struct file **out)
{
    struct terminal *t = b->host.terminal;
    if (!t) t = b->host.terminal = make(b);
    if (!t) return -LX_ENOMEM;
    int fd = b->options->stdio[i].fd;
    if (i == 0)
        t->in = fd;
    else
        t->out = fd;
    return tty_open(t->tty, LX_O_RDWR, out);
}

// Everything is open: the first process's terminal is this one, and the keys come raw.
void terminal_start(struct belljar_box *b, struct process *p)
{
    struct terminal *t = b->host.terminal;
    if (!t) return;
    tty_control(t->tty, p);
    terminal_resize(b);
    if (t->in >= 0) t->raw = host_tty_raw(t->in, &t->mode) == 0;
}

void terminal_close(struct belljar_box *b)
{
    struct terminal *t = b->host.terminal;
    if (!t) return;
    if (t->raw) host_tty_restore(t->in, &t->mode);
    t->raw = false;
}

void terminal_free(struct belljar_box *b)
{
    terminal_close(b);
    free(b->host.terminal);
    b->host.terminal = NULL;
}

unsigned terminal_poll_set(struct belljar_box *b, struct host_pollfd *p)
{
    struct terminal *t = b->host.terminal;
    unsigned n = 0;
    if (!t) return 0;
    if (t->in >= 0 && tty_input_room(t->tty)) p[n++] = (struct host_pollfd){.fd = t->in, .want = HOST_IN};
    if (tty_output_pending(t->tty)) p[n++] = (struct host_pollfd){.fd = t->out, .want = HOST_OUT};
    return n;
}

static void take_input(struct terminal *t)
{
    char buf[CHUNK];
    size_t room = tty_input_room(t->tty);
    int64_t got = host_read(t->in, buf, room < sizeof buf ? room : sizeof buf);
    if (got > 0) {
        tty_input(t->tty, buf, (size_t)got);
        return;
    }
    t->in = -1; // hung up
    tty_hangup(t->tty);
}

void terminal_ready(struct belljar_box *b, unsigned ready)
{
    if (ready & HOST_IN) take_input(b->host.terminal);
    if (ready & HOST_OUT) tty_writable(b->host.terminal->tty);
}

void terminal_resize(struct belljar_box *b)
{
    struct terminal *t = b->host.terminal;
    struct lx_winsize w = {0};
    if (t && host_tty_size(t->out, &w.ws_row, &w.ws_col)) tty_resize(t->tty, &w);
}

void terminal_signal(struct belljar_box *b, int sig)
{
    struct lx_siginfo info = {.si_signo = sig, .si_code = LX_SI_KERNEL};
    int group = b->host.terminal ? tty_foreground(b->host.terminal->tty) : 0;
    if (!group && b->box.init) group = b->box.init->pgid;
    if (group) signal_send_group(&b->box, group, &info);
}
