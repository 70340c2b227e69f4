// A link to a server, a process outside the jail: packets in both directions (SOCK_SEQPACKET), so that a message is
// whole or not there. What comes from it is input as any other.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LINK_PACKET = 65536 + 512 }; // bytes that a packet may have

int host_link_pair(int fd[2]);                            // 0 or -errno; both close on exec
int host_link_send(int fd, const void *packet, size_t n); // 0 or -errno: -EPIPE, the other side is gone. Waits for room
// The size of the next packet, of which what does not fit is lost. 0: the other side is gone. -EAGAIN, without `wait`:
// none is there. Empty packets are never sent.
int64_t host_link_take(int fd, void *packet, size_t n, bool wait);
void host_link_close(int fd);
