// A disk image in a host file, opened read-only: the only way vfs/ reads host files. And memory that a server shares.
#pragma once
#include <stddef.h>
#include <stdint.h>

int host_blockfile_open(const char *path);                             // a descriptor, or -errno
int host_blockfile_dup(int fd);                                        // a second descriptor of it, or -errno
int host_blockfile_size(int fd, uint64_t *bytes);                      // 0 or -errno; regular files and block devices
int host_blockfile_read(int fd, uint64_t offset, void *buf, size_t n); // 0 or -errno; -EIO when the file ends before
void host_blockfile_close(int fd);
const void *host_blockfile_map(int fd, size_t n); // n bytes from its start, for reading; NULL: no memory
void host_blockfile_unmap(const void *, size_t n);
