// Runs a command where seccomp filters cannot be had, as under a kernel or a sandbox without them, and prints its
// status.
#include <errno.h>
#include <seccomp.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static int forbid(void)
{
    scmp_filter_ctx f = seccomp_init(SCMP_ACT_ALLOW);
    if (!f || seccomp_rule_add(f, SCMP_ACT_ERRNO(EINVAL), SCMP_SYS(seccomp), 0) ||
        seccomp_rule_add(f, SCMP_ACT_ERRNO(EINVAL), SCMP_SYS(prctl), 1, SCMP_A0(SCMP_CMP_EQ, PR_SET_SECCOMP, 0)))
        return -1;
    return seccomp_load(f);
}

int main(int argc, char **argv)
{
    int status;
    pid_t pid = argc > 1 ? fork() : -1;
    if (pid == 0) {
        if (forbid()) _exit(2);
        execv(argv[1], argv + 1);
        _exit(2);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid) return 2;
    printf("%d\n", WIFEXITED(status) ? WEXITSTATUS(status) : -1);
    return 0;
}
