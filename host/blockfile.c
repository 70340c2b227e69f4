// See blockfile.h.
#include "host/blockfile.h"
#include "host/fdstat.h"
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

int host_blockfile_open(const char *path)
{
    int fd =
        open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY); // a FIFO must not make us wait; size() refuses it
    return fd < 0 ? -errno : fd;
}

int host_blockfile_dup(int fd)
{
    int second = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    return second < 0 ? -errno : second;
}

int host_blockfile_size(int fd, uint64_t *bytes)
{
    struct stat st;
    if (host_fstat(fd, &st) != 0) return -errno;
    if (S_ISDIR(st.st_mode)) return -EISDIR;
    if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode)) return -EINVAL;
    off_t end = S_ISREG(st.st_mode) ? st.st_size : lseek(fd, 0, SEEK_END);
    if (end < 0) return -errno;
    *bytes = (uint64_t)end;
    return 0;
}

int host_blockfile_read(int fd, uint64_t offset, void *buf, size_t n)
{
    char *at = buf;
    while (n > 0) {
        ssize_t got = pread(fd, at, n, (off_t)offset);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return -errno;
        if (got == 0) return -EIO;
        at += got;
        offset += (uint64_t)got;
        n -= (size_t)got;
    }
    return 0;
}

void host_blockfile_close(int fd)
{
    close(fd);
}

const void *host_blockfile_map(int fd, size_t n)
{
    const void *at = mmap(NULL, n, PROT_READ, MAP_SHARED, fd, 0);
    return at == MAP_FAILED ? NULL : at;
}

void host_blockfile_unmap(const void *at, size_t n)
{
    munmap((void *)(uintptr_t)at, n);
}
