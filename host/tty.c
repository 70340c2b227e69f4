// The user's own terminal: see tty.h.
#include "host/tty.h"
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

_Static_assert(sizeof(struct termios) <= sizeof(((struct host_tty_mode *)0)->saved), "a saved mode fits");

bool host_is_tty(int fd)
{
    return fd >= 0 && isatty(fd);
}

bool host_tty_size(int fd, uint16_t *rows, uint16_t *columns)
{
    struct winsize w;
    if (ioctl(fd, TIOCGWINSZ, &w)) return false;
    *rows = w.ws_row;
    *columns = w.ws_col;
    return true;
}

int host_tty_raw(int fd, struct host_tty_mode *m)
{
    struct termios t;
    if (tcgetattr(fd, &t)) return -errno;
    memcpy(m->saved, &t, sizeof t);
    cfmakeraw(&t);
    return tcsetattr(fd, TCSADRAIN, &t) ? -errno : 0;
}

void host_tty_restore(int fd, const struct host_tty_mode *m)
{
    struct termios t;
    memcpy(&t, m->saved, sizeof t);
    tcsetattr(fd, TCSADRAIN, &t);
}
