// What clone shares between processes: root, directory and umask (CLONE_FS), until unshared; children of threads
// (__WNOTHREAD) and death signals.
#include "check.h"
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static pid_t fork_with(unsigned long flags)
{
    return (pid_t)syscall(SYS_clone, flags | SIGCHLD, NULL, NULL, NULL, NULL);
}

static int exited_well(pid_t pid)
{
    int status;
    return waitpid(pid, &status, 0) == pid && status == 0;
}

static int cwd_is(const char *dir)
{
    char at[256];
    return getcwd(at, sizeof at) && !strcmp(at, dir);
}

static void test_fs(void)
{
    CHECK(chdir("/") == 0 && umask(022) != 0777);
    pid_t child = fork_with(CLONE_FS);
    if (!child) {
        umask(027);
        _exit(chdir("/tmp") != 0);
    }
    CHECK(exited_well(child) && cwd_is("/tmp") && umask(022) == 027);
    child = fork_with(CLONE_FS);
    if (!child) {
        pid_t grandchild = fork_with(CLONE_FS); // three share
        if (!grandchild) _exit(chdir("/usr") != 0);
        _exit(!exited_well(grandchild) || !cwd_is("/usr"));
    }
    CHECK(exited_well(child) && cwd_is("/usr"));
    child = fork_with(CLONE_FS);
    if (!child) _exit(unshare(CLONE_FS) != 0 || chdir("/") != 0);
    CHECK(exited_well(child) && cwd_is("/usr"));
    child = fork_with(0);
    if (!child) _exit(chdir("/") != 0);
    CHECK(exited_well(child) && cwd_is("/usr"));
    child = fork_with(CLONE_FS); // the other way round, and the first of the ring ends first
    if (!child) {
        for (int i = 0; i < 400 && !cwd_is("/tmp"); i++) usleep(5000);
        _exit(!cwd_is("/tmp"));
    }
    CHECK(chdir("/tmp") == 0 && exited_well(child));
}

static pid_t theirs;
static volatile int stop;

static void *has_child(void *arg)
{
    (void)arg;
    pid_t child = fork();
    if (!child) {
        pause();
        _exit(0);
    }
    __atomic_store_n(&theirs, child, __ATOMIC_SEQ_CST);
    CHECK(waitpid(child, NULL, __WNOTHREAD | WNOHANG) == 0);
    while (!stop) usleep(1000);
    return NULL;
}

static void test_nothread(void)
{
    pthread_t t;
    int status;
    siginfo_t info;
    pthread_create(&t, NULL, has_child, NULL);
    while (!__atomic_load_n(&theirs, __ATOMIC_SEQ_CST)) usleep(1000);
    usleep(10000);
    CHECK_FAILS(waitpid(theirs, &status, __WNOTHREAD | WNOHANG), ECHILD);
    CHECK_FAILS(waitid(P_PID, (id_t)theirs, &info, WEXITED | WNOHANG | __WNOTHREAD), ECHILD);
    CHECK(waitpid(theirs, &status, WNOHANG) == 0);
    stop = 1;
    pthread_join(t, NULL);
    for (int i = 0; i < 200 && waitpid(theirs, &status, __WNOTHREAD | WNOHANG) == -1; i++) usleep(1000);
    CHECK(waitpid(theirs, &status, __WNOTHREAD | WNOHANG) == 0); // ours now
    kill(theirs, SIGKILL);
    CHECK(waitpid(theirs, &status, __WNOTHREAD) == theirs);
}

static void *mourned(void *arg)
{
    pid_t child = fork();
    if (!child) {
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        CHECK(write(*(int *)arg, "r", 1) == 1);
        pause();
        _exit(0);
    }
    __atomic_store_n(&theirs, child, __ATOMIC_SEQ_CST);
    while (!stop) usleep(1000);
    return NULL;
}

// The thread that made it ends, not the process: the death signal comes all the same.
static void test_death_signal(void)
{
    pthread_t t;
    int p[2], status;
    char byte;
    stop = 0;
    CHECK(pipe(p) == 0);
    pthread_create(&t, NULL, mourned, &p[1]);
    CHECK(read(p[0], &byte, 1) == 1);
    stop = 1;
    pthread_join(t, NULL);
    CHECK(waitpid(theirs, &status, 0) == theirs && WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
    close(p[0]);
    close(p[1]);
}

int main(void)
{
    test_fs();
    test_nothread();
    test_death_signal();
    return check_result();
}
