// See attempts.h.
#include "tests/jail/attempts.h"
#include <fcntl.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char *const names[] = {
#define ATTEMPT(name, expression) #name,
#include "tests/jail/attempts.def"
#undef ATTEMPT
    NULL,
};

const char *attempt_name(unsigned index)
{
    return names[index];
}

bool attempt_find(const char *name, unsigned *index)
{
    for (*index = 0; names[*index]; ++*index)
        if (!strcmp(names[*index], name)) return true;
    return false;
}

#define CALL(name, ...) syscall(SYS_##name, ##__VA_ARGS__)
#define MEMORY          ((long)(uintptr_t)memory)
#define STREAM          ((long)stream)
#define MEMFD           ((long)memfd)
#define PARENT          ((long)parent)
long attempt_make(unsigned index, int stream, int memfd, int parent)
{
    void *memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    unsigned at = 0;
    if (memory == MAP_FAILED) return -1;
#define ATTEMPT(name, expression)                                                                                      \
    if (at++ == index) return (expression);
#include "tests/jail/attempts.def"
#undef ATTEMPT
    return -1;
}
