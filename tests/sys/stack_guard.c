// A guard page of a program's own below its main stack: the stack grows until it touches the guard, however near
// (mm/mmap.c, expand_downwards: the gap of 256 pages is kept from what can be accessed only), and SIGSEGV tells an
// address in it. So Mono's run-time system finds an overflow. Memory that can be accessed keeps the stack away.
#include "check.h"
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>

enum { PAGE = 4096, GUARD = 8 * PAGE, DEPTH = 4 << 20, GAP = 256 * PAGE };

static sigjmp_buf back;
static char *volatile fault;

static void on_fault(int sig, siginfo_t *info, void *context)
{
    (void)sig, (void)context;
    fault = info->si_addr;
    siglongjmp(back, 1);
}

static char *stack_end(void)
{
    char line[512];
    unsigned long lo, hi = 0;
    FILE *f = fopen("/proc/self/maps", "r");
    while (f && fgets(line, sizeof line, f))
        if (strstr(line, "[stack]")) CHECK(sscanf(line, "%lx-%lx", &lo, &hi) == 2);
    fclose(f);
    return (char *)hi;
}

static char *map_below(int prot)
{
    char *at = stack_end() - DEPTH;
    CHECK(mmap(at, GUARD, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == at);
    return at;
}

static int down(volatile char *caller)
{
    volatile char frame[PAGE / 2];
    frame[0] = *caller;
    return frame[0] ? down(frame) + frame[0] : 0; // it never is 0
}

// Where the stack ends.
static char *overflow(void)
{
    char first = 1;
    if (sigsetjmp(back, 1) == 0) down(&first);
    return fault;
}

int main(void)
{
    stack_t alt = {.ss_sp = malloc(1 << 16), .ss_size = 1 << 16};
    struct sigaction sa = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    CHECK(sigaltstack(&alt, NULL) == 0 && sigaction(SIGSEGV, &sa, NULL) == 0);
    char *guard = map_below(PROT_READ | PROT_WRITE), *at = overflow();
    CHECK(at < guard + GUARD + GAP && at >= guard + GUARD + GAP - 2 * PAGE);
    CHECK(munmap(guard, GUARD) == 0);
    guard = map_below(PROT_NONE);
    at = overflow();
    CHECK(at >= guard + GUARD - PAGE && at < guard + GUARD);
    return check_result();
}
