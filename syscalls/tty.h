// Terminals: struct tty is one terminal device with its line discipline (termios, window size, foreground group, input
// and output buffers).
//
// The user's own terminal (box/terminal.c) and ptys (pty.c) are the same object; they differ in who is at the other
// end:
//   input   tty_input hands over what was typed; the line discipline (tty_input.c) edits, echoes, signals, and makes it
//   readable output  leaves through ops->write, which may take less than it is given: tty_writable says that it can
//   take more
// Each is /dev/pts/N. A struct tty lives until ttys_free (the box's) or until both its sides are closed (a pty's).
#pragma once
#include "syscalls/kernel.h"

struct tty;
struct tty_host_ops {
    size_t (*write)(void *ctx, const void *, size_t n); // the bytes taken; 0: none now
};

// For the box.
struct tty *tty_new(struct box *, const struct tty_host_ops *, void *ctx); // NULL: no memory
int tty_open(struct tty *, unsigned flags, struct file **out);             // a descriptor's file on it, LX_O_*
void tty_control(
    struct tty *,
    struct process *); // becomes the controlling terminal of this session leader; its group is the foreground
void tty_input(struct tty *, const void *, size_t n);
size_t tty_input_room(const struct tty *); // how much tty_input can take without losing any
void tty_writable(struct tty *);
bool tty_output_pending(const struct tty *);              // ops->write has not taken everything
void tty_resize(struct tty *, const struct lx_winsize *); // SIGWINCH when it changes
void tty_hangup(struct tty *);          // the other end is gone: reads end, writes fail, SIGHUP to the session
int tty_foreground(const struct tty *); // its foreground process group, 0 none
