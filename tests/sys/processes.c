// Processes: fork, vfork, wait in its forms, groups and sessions, orphans, pidfds, limits, credentials, clocks.
#include "check.h"
#include <poll.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/times.h>
#include <sys/wait.h>
#include <time.h>

static pid_t child(int code)
{
    pid_t pid = fork();
    if (pid == 0) _exit(code);
    return pid;
}

static void test_wait(void)
{
    int status;
    siginfo_t info = {0};
    struct rusage usage;
    CHECK_FAILS(waitpid(-1, NULL, 0), ECHILD);
    pid_t a = child(5), b = child(6);
    CHECK(waitpid(b, &status, 0) == b && WIFEXITED(status) && WEXITSTATUS(status) == 6);
    CHECK(waitid(P_PID, (id_t)a, &info, WEXITED | WNOWAIT) == 0 && info.si_pid == a && info.si_status == 5 &&
          info.si_code == CLD_EXITED);
    CHECK(wait4(-getpgrp(), &status, 0, &usage) == a && WEXITSTATUS(status) == 5);
    CHECK_FAILS(waitpid(a, NULL, 0), ECHILD);
    CHECK_FAILS(waitid(P_ALL, 0, &info, 0), EINVAL);
    pid_t c = fork();
    if (c == 0) {
        pause();
        _exit(0);
    }
    CHECK(waitpid(c, &status, WNOHANG) == 0);
    kill(c, SIGTERM);
    CHECK(waitpid(c, &status, 0) == c && WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
    signal(SIGCHLD, SIG_IGN); // children are not kept
    child(1);
    CHECK_FAILS(waitpid(-1, NULL, 0), ECHILD);
    signal(SIGCHLD, SIG_DFL);
}

static void test_vfork(char *self)
{
    int status;
    volatile int shared = 0;
    pid_t pid = vfork();
    if (pid == 0) {
        shared = 1;
        execl(self, self, "exit", "7", (char *)NULL);
        _exit(1);
    }
    CHECK(shared == 1 && waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 7);
}

static void test_groups(void)
{
    int status;
    pid_t pid = fork();
    if (pid == 0)
        _exit(setsid() == getpid() && getpgrp() == getpid() && getsid(0) == getpid() && setsid() == -1 && errno == EPERM
                  ? 5
                  : 6);
    CHECK(waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 5);
    pid = fork();
    if (pid == 0) {
        pause();
        _exit(0);
    }
    CHECK(setpgid(pid, pid) == 0 && getpgid(pid) == pid && kill(-pid, SIGKILL) == 0 &&
          waitpid(-pid, &status, 0) == pid);
    CHECK_FAILS(setpgid(99999, 0), ESRCH);
    CHECK_FAILS(setpgid(0, -1), EINVAL);
    CHECK_FAILS(kill(-99999, 0), ESRCH);
}

// A grandchild whose parent exits gets another parent.
static void test_orphan(void)
{
    int p[2];
    pid_t seen = 0;
    CHECK(pipe(p) == 0);
    pid_t pid = fork();
    if (pid == 0) {
        pid_t me = getpid();
        if (fork() == 0) {
            while (getppid() == me) usleep(1000);
            seen = getppid();
            _exit(write(p[1], &seen, sizeof seen) != sizeof seen);
        }
        _exit(0);
    }
    waitpid(pid, NULL, 0);
    CHECK(read(p[0], &seen, sizeof seen) == sizeof seen && seen != pid && seen > 0);
    close(p[0]);
    close(p[1]);
}

static void test_pidfd(void)
{
    siginfo_t info;
    pid_t pid = fork();
    if (pid == 0) {
        pause();
        _exit(0);
    }
    struct pollfd p = {.fd = (int)syscall(SYS_pidfd_open, pid, 0), .events = POLLIN};
    CHECK(p.fd >= 0 && poll(&p, 1, 0) == 0);
    CHECK(syscall(SYS_pidfd_send_signal, p.fd, SIGKILL, NULL, 0) == 0);
    CHECK(poll(&p, 1, 5000) == 1 && p.revents == POLLIN);
    CHECK(waitid(P_PIDFD, (id_t)p.fd, &info, WEXITED) == 0 && info.si_pid == pid && info.si_status == SIGKILL);
    CHECK_FAILS(syscall(SYS_pidfd_send_signal, p.fd, 0, NULL, 0), ESRCH);
    close(p.fd);
    CHECK_FAILS(syscall(SYS_pidfd_open, 99999, 0), ESRCH);
}

static void test_settings(void)
{
    struct rlimit limit;
    char name[17] = "";
    cpu_set_t cpus;
    CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    limit.rlim_cur = 60;
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0 && getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur == 60);
    limit.rlim_cur = limit.rlim_max + 1;
    CHECK_FAILS(setrlimit(RLIMIT_NOFILE, &limit), EINVAL);
    CHECK(prctl(PR_SET_NAME, "0123456789abcdefgh") == 0 && prctl(PR_GET_NAME, name) == 0 &&
          strcmp(name, "0123456789abcde") == 0);
    CHECK(setpriority(PRIO_PROCESS, 0, 5) == 0 && getpriority(PRIO_PROCESS, 0) == 5);
    CHECK(sched_getaffinity(0, sizeof cpus, &cpus) == 0 && CPU_COUNT(&cpus) >= 1);
    CHECK(sched_getscheduler(0) == SCHED_OTHER && sched_get_priority_max(SCHED_FIFO) == 99);
}

static void test_clocks(void)
{
    struct timespec a, b, mono;
    struct rusage usage;
    struct tms tms;
    CHECK(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a) == 0 && clock_gettime(CLOCK_MONOTONIC, &mono) == 0);
    for (volatile int i = 0; i < 1000000; i++) {
    }
    CHECK(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b) == 0);
    CHECK((b.tv_sec - a.tv_sec) * 1000000000 + b.tv_nsec - a.tv_nsec > 100000);
    CHECK(getrusage(RUSAGE_SELF, &usage) == 0 && usage.ru_maxrss > 100 && times(&tms) != -1);
    CHECK_FAILS(clock_gettime(77, &a), EINVAL);
    b = mono;
    b.tv_nsec = b.tv_nsec < 980000000 ? b.tv_nsec + 20000000 : 0;
    b.tv_sec += b.tv_nsec == 0;
    CHECK(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &b, NULL) == 0 && clock_gettime(CLOCK_MONOTONIC, &a) == 0);
    CHECK(a.tv_sec > b.tv_sec || (a.tv_sec == b.tv_sec && a.tv_nsec >= b.tv_nsec));
    a.tv_nsec = 1000000000;
    CHECK_FAILS(nanosleep(&a, NULL), EINVAL);
}

// Last: root becomes nobody in particular (as another user there is nothing to give up).
static void test_credentials(void)
{
    uid_t r, e, s;
    if (getuid() != 0) return;
    CHECK(setresgid(1000, 1000, 1000) == 0 && setresuid(1000, 1001, 1002) == 0);
    CHECK(getresuid(&r, &e, &s) == 0 && r == 1000 && e == 1001 && s == 1002);
    CHECK(setreuid(1001, 1000) == 0 && getuid() == 1001 && geteuid() == 1000);
    CHECK(setuid(1001) == 0 && geteuid() == 1001);
    CHECK_FAILS(setuid(0), EPERM);
    CHECK_FAILS(setgroups(0, NULL), EPERM);
    CHECK_FAILS(kill(1, SIGTERM), EPERM);
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "exit") == 0) return atoi(argv[2]);
    test_wait();
    test_vfork(argv[0]);
    test_groups();
    test_orphan();
    test_pidfd();
    test_settings();
    test_clocks();
    test_credentials();
    return check_result();
}
