// See server.h.
#include "disk/server.h"
#include "host/link.h"
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static bool is_kept(int fd, const int *keep, size_t nkeep)
{
    for (size_t i = 0; i < nkeep; i++)
        if (keep[i] == fd) return true;
    return fd == 2;
}

// Of the descriptors that the user left open many may be pipes whose end somebody waits for.
static void close_others(int link, const int *keep, size_t nkeep)
{
    int last = link;
    for (size_t i = 0; i < nkeep; i++) last = keep[i] > last ? keep[i] : last;
    for (int fd = 0; fd <= last; fd++)
        if (fd != link && !is_kept(fd, keep, nkeep)) close(fd);
    syscall(SYS_close_range, last + 1, ~0u, 0);
}

static int run(int (*serve)(void *ctx, int link), void *ctx, int link, pid_t broker, const int *keep, size_t nkeep)
{
    static const int ignored[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE};
    for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++) signal(ignored[i], SIG_IGN);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != broker) return 1; // it was gone before that
    close_others(link, keep, nkeep);
    return serve(ctx, link);
}

int server_start(struct server *s, int (*serve)(void *ctx, int link), void *ctx, const int *keep, size_t nkeep)
{
    int pair[2];
    pid_t broker = getpid();
    *s = (struct server){0};
    if ((errno = -host_link_pair(pair))) return -1;
    pid_t pid = fork();
    if (pid == 0) _exit(run(serve, ctx, pair[1], broker, keep, nkeep));
    int err = errno;
    close(pair[1]);
    if (pid < 0) close(pair[0]);
    errno = err;
    if (pid > 0) *s = (struct server){pid, pair[0]};
    return pid > 0 ? 0 : -1;
}

void server_lent(struct server *s)
{
    if (s->pid) host_link_close(s->link);
}

int server_end(struct server *s)
{
    int status = 0;
    if (!s->pid) return 0;
    while (waitpid(s->pid, &status, 0) < 0)
        if (errno != EINTR) return 1;
    s->pid = 0;
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
