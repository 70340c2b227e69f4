// measure [-n N] COMMAND [ARG...]: runs a command, N times one after the other, and then writes one line to standard
// error, behind all it wrote there itself:
//
//     measured STATUS CPU WALL RESIDENT
//
// STATUS as a shell has it (the first that is not 0 ends it); CPU (user + system) and WALL in microseconds, all runs';
// RESIDENT the largest resident size, in KiB, of the command or of any process that it waited for. A small static
// program, so that starting it costs next to nothing: the resident size of a forked shell would count as the command's
// (exec keeps the high-water mark).
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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
    int how = 0;
    long long cpu = 0, start = now();
    struct rusage use = {0};
    char **command = argv + 1;
    int times = 1;
    if (argc > 3 && !strcmp(command[0], "-n")) {
        times = atoi(command[1]);
        command += 2;
    }
    for (int i = 0; i < times && !how; i++) {
        pid_t child;
        if (!*command || posix_spawnp(&child, *command, NULL, NULL, command, environ) ||
            wait4(child, &how, 0, &use) < 0) {
            fprintf(stderr, "measure: cannot run %s\n", *command ? *command : "nothing");
            return 125;
        }
        cpu += microseconds(use.ru_utime) + microseconds(use.ru_stime);
    }
    int status = WIFSIGNALED(how) ? 128 + WTERMSIG(how) : WEXITSTATUS(how);
    fprintf(stderr, "measured %d %lld %lld %ld\n", status, cpu, now() - start, use.ru_maxrss);
    return status;
}
