// The user's own terminal: whether a descriptor is one, its size, raw mode and back.
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct host_tty_mode {
    uint8_t saved[64];
}; // a struct termios
bool host_is_tty(int fd);
bool host_tty_size(int fd, uint16_t *rows, uint16_t *columns);
int host_tty_raw(
    int fd, struct host_tty_mode *); // every byte comes as it is typed, nothing is echoed or translated. 0 or -errno
void host_tty_restore(int fd, const struct host_tty_mode *);
