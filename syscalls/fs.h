// What the file system calls (sys_file.c, sys_rw.c, sys_stat.c, sys_dir.c, fcntl.c, sys_poll.c, ...) share.
#pragma once
#include "syscalls/kernel.h"

// Host memory whose amount a guest steers, counted against the vfs's limit. kmalloc'ed memory is zeroed; NULL: over the
// limit.
void *kmalloc(struct vfs *, size_t n);
void kmfree(struct vfs *, void *, size_t n);

// -- descriptors (fdtable.c)
struct file *fd_io(struct task *, int fd); // like fd_get, but NULL for O_PATH too: for calls that use the file itself
int fd_set_cloexec(struct process *, int fd, bool on); // -LX_EBADF
unsigned fd_capacity(struct process *);                // every open descriptor is below
uint64_t fd_limit(const struct process *);             // RLIMIT_NOFILE
// While a call waits, its file may be closed by another thread: hold it, so that the re-run finds the same one. A call
// that holds nothing else calls fd_io_held first in each run and fd_hold before it parks.
struct file *fd_io_held(struct task *, int fd);
void fd_hold(struct task *, struct file *);

// -- paths (at.c). What a *at call names; `at` borrows from the process or the descriptor until the call ends.
int at_base(struct task *, int dirfd, const char *path, unsigned lookup_flags, struct vfs_at *at);
int at_path(struct task *, int dirfd, gaddr upath, unsigned lookup_flags, struct vfs_at *at, char path[LX_PATH_MAX]);
int at_lookup(struct task *, int dirfd, gaddr upath, unsigned lookup_flags, struct path *out); // out: with a reference
void at_cwd(struct task *, struct vfs_at *); // at the current directory

// -- moving bytes (sys_rw.c)
void iob_user_skip(struct iob_user *, size_t n); // what an earlier run of the call has moved
int64_t wait_file(struct task *, struct file *); // until vfs_poll may say something new; holds the file
int64_t file_limit(struct task *, struct file *, uint64_t pos,
                   uint64_t *left); // RLIMIT_FSIZE: bytes that may be written at pos; -LX_EFBIG with SIGXFSZ
void send_sigpipe(struct task *);

// -- locks (locks.c)
void locks_closed(struct fdtable *owner,
                  struct file *);        // a descriptor was closed: its process's POSIX locks on the file go
void locks_file_released(struct file *); // flock and OFD locks go
int64_t lock_fcntl(struct task *, struct file *, int cmd, gaddr arg);

// -- inotify.c
struct inotify_line { // of /proc/PID/fdinfo
    int wd;
    uint32_t mask;
    uint64_t ino;
    uint32_t dev;
};
void inotify_fdinfo(struct file *, void (*line)(void *ctx, const struct inotify_line *), void *ctx); // each watch

// -- sigio.c
int sigio_set(struct task *, struct file *, int fd, bool on);             // O_ASYNC
int64_t sigio_fcntl(struct task *, struct file *, int cmd, uint64_t arg); // F_SETOWN and relatives
void sigio_file_released(struct file *);
void sigio_urgent(struct file *); // TCP's urgent byte has come: SIGURG

// -- epoll.c
void epoll_file_released(struct file *);

// -- tty.c
void tty_opened(struct task *, struct file *); // a session leader without a terminal that opens one gets it
