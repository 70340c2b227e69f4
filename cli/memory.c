// See memory.h.
#include "cli/memory.h"
#include "belljar.h"
#include <errno.h>
#include <signal.h>
#include <sys/resource.h>

int memory_new(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_FSIZE, &limit)) return -errno;
    struct rlimit most = {limit.rlim_max, limit.rlim_max};
    bool limited = limit.rlim_cur != RLIM_INFINITY;
    void (*before)(int) = limited ? signal(SIGXFSZ, SIG_IGN) : NULL;
    if (limited) setrlimit(RLIMIT_FSIZE, &most);
    int memory = belljar_memory_file();
    if (limited) setrlimit(RLIMIT_FSIZE, &limit);
    if (limited) signal(SIGXFSZ, before);
    return memory;
}
