// pidfds: descriptors that name a process.
#pragma once
#include "syscalls/kernel.h"

int pidfd_install(struct task *, struct process *, unsigned flags); // the descriptor (close-on-exec) or -errno
int pidfd_pid(struct task *, int fd, bool *nonblock);               // the pid it names; -LX_EBADF
