// See entropy.h.
#include "host/entropy.h"
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/random.h>

void host_entropy(void *buf, size_t n)
{
    uint8_t *at = buf;
    while (n > 0) {
        ssize_t got = getrandom(at, n, 0);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) abort();
        at += got;
        n -= (size_t)got;
    }
}
