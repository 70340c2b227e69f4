// fstat(2) as the call of that number: glibc makes it newfstatat(2) with a path, and a call that takes a path can have
// no place in the jail (jail.def).
#pragma once
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static inline int host_fstat(int fd, struct stat *st)
{
    return (int)syscall(SYS_fstat, fd, st);
}
