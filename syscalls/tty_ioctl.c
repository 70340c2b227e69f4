// A terminal's ioctls (ioctl_tty(2)), for both ends of a pty as well.
#include "syscalls/tty_impl.h"
#include <string.h>

enum {
    PARENB = 0x100, // of c_cflag
    EXTPROC = 0x10000,
    TCGETS2 = 0x802c542a,
    TCSETS2 = 0x402c542b,
    TCSETSW2 = 0x402c542c,
    TCSETSF2 = 0x402c542d,
    TIOCGETD = 0x5424,
    TIOCSETD = 0x5423,
    TCSBRKP = 0x5425,
    TIOCMGET = 0x5415,
    TIOCGSERIAL = 0x541e,
    TIOCSBRK = 0x5427,
    TIOCCBRK = 0x5428,
    TIOCGEXCL = 0x80045440,
    TIOCGPTLCK = 0x80045439,
};
#define SPEED_38400 38400u

// ---------------------------------------------------------------- settings

struct termios2 {
    struct lx_termios old;
    uint32_t ispeed, ospeed;
};

static int64_t get_termios(struct tty *y, struct task *t, gaddr to, bool two)
{
    struct termios2 k = {y->termios, SPEED_38400, SPEED_38400};
    return copy_to_user(t, to, &k, two ? sizeof k : sizeof k.old);
}

// ^S and ^Q stop and start.
static bool has_flow_keys(const struct lx_termios *k)
{
    return k->c_iflag & LX_IXON && k->c_cc[LX_VSTOP] == 19 && k->c_cc[LX_VSTART] == 17;
}

// drivers/tty/pty.c, pty_set_termios: for a master in packet mode.
static void tell_master(struct tty *y, const struct lx_termios *new)
{
    bool was = has_flow_keys(&y->termios), is = has_flow_keys(new);
    if (was != is) pty_status(y, PKT_DOSTOP | PKT_NOSTOP, is ? PKT_DOSTOP : PKT_NOSTOP);
    if ((y->termios.c_lflag | new->c_lflag) & EXTPROC) pty_status(y, 0, PKT_IOCTL);
}

// Between canonical and raw: what was typed stays readable (n_tty_set_termios).
static void change(struct tty *y, const struct lx_termios *new)
{
    bool was = tty_is(y, LX_ICANON), is = new->c_lflag &LX_ICANON;
    if (y->pty) tell_master(y, new);
    y->termios = *new;
    // A pseudoterminal has eight bits, no parity and a receiver whatever it is told (pty_set_termios).
    y->termios.c_cflag = (new->c_cflag & ~(uint32_t)PARENB) | LX_CS8 | LX_CREAD;
    if (was != is) {
        y->canon = y->head;
        y->lnext = false;
        if (is && y->head != y->tail) y->in[(y->head - 1) % TTY_IN] |= IN_LINE_END;
    }
    if (!(new->c_iflag &LX_IXON)) tty_stop(y, false);
    tty_flush(y);
    waitq_wake(&y->wait);
}

static int64_t drained(struct tty *y, struct task *t)
{
    return y->out_len ? task_wait(t, &y->wait) : 0;
}

// how: 0 now, 1 when the output is out, 2 and without the input.
static int64_t set_termios(struct tty *y, struct task *t, gaddr from, int how)
{
    struct lx_termios new;
    int64_t err = copy_from_user(t, &new, from, sizeof new);
    if (!err && how > 0) err = drained(y, t);
    if (err) return err;
    if (how == 2) tty_flush_input(y);
    change(y, &new);
    return 0;
}

void tty_set_size(struct tty *y, const struct lx_winsize *size)
{
    if (!memcmp(&y->size, size, sizeof *size)) return;
    y->size = *size;
    tty_signal(y, LX_SIGWINCH);
}

void tty_resize(struct tty *y, const struct lx_winsize *size)
{
    tty_set_size(y, size);
}

static int64_t set_size(struct tty *y, struct task *t, gaddr from)
{
    struct lx_winsize size;
    int err = copy_from_user(t, &size, from, sizeof size);
    if (!err) tty_set_size(y, &size);
    return err;
}

static int64_t flush(struct tty *y, uint64_t which)
{
    if (which > LX_TCIOFLUSH) return -LX_EINVAL;
    if (which != LX_TCOFLUSH) tty_flush_input(y);
    if (which != LX_TCIFLUSH) tty_drop_output(y);
    waitq_wake(&y->wait);
    return 0;
}

// TCXONC: TCOOFF, TCOON, TCIOFF, TCION.
static int64_t flow(struct tty *y, uint64_t what)
{
    if (what > 3) return -LX_EINVAL;
    if (what < 2) tty_stop(y, what == 0);
    if (what == 1) tty_writable(y);
    return 0;
}

// ---------------------------------------------------------------- sessions

static int64_t put_int(struct task *t, gaddr to, int64_t value)
{
    int32_t v = (int32_t)value;
    return copy_to_user(t, to, &v, sizeof v);
}

static int64_t get_pgrp(struct tty *y, struct task *t, gaddr to, bool master)
{
    return !master && t->proc->ctty != y ? -LX_ENOTTY : put_int(t, to, y->pgrp);
}

static int64_t get_sid(struct tty *y, struct task *t, gaddr to, bool master)
{
    return (!master && t->proc->ctty != y) || !y->sid ? -LX_ENOTTY : put_int(t, to, y->sid);
}

static int group_session(struct box *box, int pgid)
{
    for (struct process *p = box->processes; p; p = p->next)
        if (p->pgid == pgid && p->state == PROC_ALIVE) return p->sid;
    return 0;
}

static int64_t set_pgrp(struct tty *y, struct task *t, gaddr from, bool master)
{
    int32_t pgrp;
    if (!master && (t->proc->ctty != y || y->sid != t->proc->sid)) return -LX_ENOTTY;
    int err = copy_from_user(t, &pgrp, from, sizeof pgrp);
    if (err) return err;
    if (pgrp < 0) return -LX_EINVAL;
    int sid = group_session(t->box, pgrp);
    if (!sid) return -LX_ESRCH;
    if (sid != (master ? y->sid : t->proc->sid)) return -LX_EPERM;
    y->pgrp = pgrp;
    return 0;
}

static int64_t take_control(struct tty *y, struct task *t, uint64_t force)
{
    struct process *p = t->proc;
    if (p->sid == p->pid && y->sid == p->sid && p->ctty == y) return 0;
    if (p->sid != p->pid || p->ctty) return -LX_EPERM;
    if (y->sid) {
        if (force != 1 || !cred_has_cap(&p->cred, LX_CAP_SYS_ADMIN)) return -LX_EPERM;
        for (struct process *q = t->box->processes; q; q = q->next)
            if (q->ctty == y) q->ctty = NULL;
    }
    tty_control(y, p);
    return 0;
}

static int64_t give_up(struct tty *y, struct task *t)
{
    if (t->proc->ctty != y) return -LX_ENOTTY;
    tty_session_end(t->proc);
    t->proc->ctty = NULL;
    return 0;
}

static int64_t type_in(struct tty *y, struct task *t, gaddr from)
{
    uint8_t c;
    if (t->proc->ctty != y && !cred_has_cap(&t->proc->cred, LX_CAP_SYS_ADMIN)) return -LX_EPERM;
    int err = copy_from_user(t, &c, from, 1);
    if (!err) tty_input(y, &c, 1);
    return err;
}

// ---------------------------------------------------------------- the commands

static bool changes(uint32_t cmd)
{
    static const uint32_t list[] = {LX_TCSETS, LX_TCSETSW, LX_TCSETSF, TCSETS2,      TCSETSW2, TCSETSF2, LX_TCFLSH,
                                    LX_TCSBRK, TCSBRKP,    LX_TCXONC,  LX_TIOCSPGRP, TIOCSBRK, TIOCCBRK, TIOCSETD};
    for (unsigned i = 0; i < sizeof list / sizeof *list; i++)
        if (list[i] == cmd) return true;
    return false;
}

int64_t tty_do_ioctl(struct tty *y, struct task *t, uint32_t cmd, uint64_t arg, bool master)
{
    int64_t err = changes(cmd) && !master ? tty_check_change(t, y, LX_SIGTTOU) : 0;
    if (err) return err == -LX_EIO && cmd == LX_TIOCSPGRP ? -LX_ENOTTY : err;
    switch (cmd) {
    case LX_TCGETS:
        return get_termios(y, t, arg, false);
    case TCGETS2:
        return get_termios(y, t, arg, true);
    case LX_TCSETS:
    case TCSETS2:
        return set_termios(y, t, arg, 0);
    case LX_TCSETSW:
    case TCSETSW2:
        return set_termios(y, t, arg, 1);
    case LX_TCSETSF:
    case TCSETSF2:
        return set_termios(y, t, arg, 2);
    case LX_TCSBRK:
    case TCSBRKP:
        return drained(y, t);
    case LX_TCXONC:
        return flow(y, arg);
    case LX_TCFLSH:
        return flush(y, arg);
    case LX_TIOCGWINSZ:
        return copy_to_user(t, arg, &y->size, sizeof y->size);
    case LX_TIOCSWINSZ:
        return set_size(y, t, arg);
    case LX_TIOCGPGRP:
        return get_pgrp(y, t, arg, master);
    case LX_TIOCSPGRP:
        return set_pgrp(y, t, arg, master);
    case LX_TIOCGSID:
        return get_sid(y, t, arg, master);
    case LX_TIOCSCTTY:
        return take_control(y, t, arg);
    case LX_TIOCNOTTY:
        return give_up(y, t);
    case LX_TIOCSTI:
        return type_in(y, t, arg);
    case LX_TIOCOUTQ:
        return put_int(t, arg, y->out_len);
    case LX_FIONREAD:
        return put_int(t, arg, tty_readable(y));
    case LX_TIOCEXCL:
    case LX_TIOCNXCL:
        y->exclusive = cmd == LX_TIOCEXCL;
        return 0;
    case TIOCGEXCL:
        return put_int(t, arg, y->exclusive);
    case TIOCGETD:
        return put_int(t, arg, 0); // N_TTY
    case TIOCSBRK:
    case TIOCCBRK:
        return 0;
    default:
        return -LX_ENOTTY;
    }
}

int64_t tty_ioctl(struct file *f, struct task *t, uint32_t cmd, uint64_t arg)
{
    struct tty *y = f->private;
    if (f->pos != y->generation) return cmd == LX_TIOCSPGRP ? -LX_ENOTTY : -LX_EIO;
    return tty_do_ioctl(y, t, cmd, arg, false);
}
