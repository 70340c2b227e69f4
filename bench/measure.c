// measure COMMAND [ARG...]: runs a command and then writes one line to standard error, behind all it wrote there
// itself:
//
//     measured STATUS CPU WALL RESIDENT
//
// STATUS as a shell has it; CPU (user + system) and WALL in microseconds; RESIDENT the largest resident size, in KiB,
// of the command or of any process that it waited for. A small static program, so that starting it costs next to
// nothing: the resident size of a forked shell would count as the command's (exec keeps the high-water mark).
#include <spawn.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

extern char **environ;

static long long now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000LL + t.tv_nsec / 1000;
}

static long long microseconds(struct timeval t)
{
    return t.tv_sec * 1000000LL + t.tv_usec;
}

int main(int argc, char **argv)
{
    pid_t child;
    int how;
    struct rusage use;
    long long start = now();
    if (argc < 2 || posix_spawnp(&child, argv[1], NULL, NULL, argv + 1, environ) || wait4(child, &how, 0, &use) < 0) {
        fprintf(stderr, "measure: cannot run %s\n", argc < 2 ? "nothing" : argv[1]);
        return 125;
    }
    long long wall = now() - start;
    int status = WIFSIGNALED(how) ? 128 + WTERMSIG(how) : WEXITSTATUS(how);
    fprintf(stderr, "measured %d %lld %lld %ld\n", status, microseconds(use.ru_utime) + microseconds(use.ru_stime),
            wall, use.ru_maxrss);
    return status;
}
