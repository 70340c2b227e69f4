// Locks: POSIX records with splitting, merging, waiting and deadlock; open-file-description locks; flock.
#include "check.h"
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/wait.h>

static int set(int fd, int cmd, int type, off_t start, off_t len)
{
    struct flock f = {.l_type = (short)type, .l_whence = SEEK_SET, .l_start = start, .l_len = len};
    return fcntl(fd, cmd, &f);
}

// What another process would find in the way of a write lock: its type, start and length.
static struct flock ask(off_t start, off_t len)
{
    struct flock f = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = start, .l_len = len};
    int p[2];
    CHECK(pipe(p) == 0);
    if (fork() == 0) {
        int fd = open("lock", O_RDWR);
        fcntl(fd, F_GETLK, &f);
        _exit(write(p[1], &f, sizeof f) != sizeof f);
    }
    CHECK(read(p[0], &f, sizeof f) == sizeof f);
    wait(NULL);
    close(p[0]);
    close(p[1]);
    return f;
}

static int is(struct flock f, int type, off_t start, off_t len)
{
    return f.l_type == type && (type == F_UNLCK || (f.l_start == start && f.l_len == len && f.l_pid == getpid()));
}

static void test_ranges(int fd)
{
    CHECK(set(fd, F_SETLK, F_WRLCK, 10, 20) == 0 && is(ask(0, 0), F_WRLCK, 10, 20) && is(ask(0, 10), F_UNLCK, 0, 0));
    CHECK(set(fd, F_SETLK, F_UNLCK, 15, 5) == 0 && is(ask(0, 0), F_WRLCK, 10, 5) && is(ask(15, 5), F_UNLCK, 0, 0) &&
          is(ask(16, 5), F_WRLCK, 20, 10));
    CHECK(set(fd, F_SETLK, F_WRLCK, 15, 5) == 0 && is(ask(0, 0), F_WRLCK, 10, 20)); // merged again
    CHECK(set(fd, F_SETLK, F_RDLCK, 12, 2) == 0 && is(ask(12, 1), F_RDLCK, 12, 2) && is(ask(14, 1), F_WRLCK, 14, 16));
    CHECK(set(fd, F_SETLK, F_UNLCK, 0, 0) == 0 && is(ask(0, 0), F_UNLCK, 0, 0));
    CHECK(set(fd, F_SETLK, F_RDLCK, 100, 0) == 0 && is(ask(1000, 1), F_RDLCK, 100, 0));
    close(dup(fd)); // closing any descriptor lets go of all
    CHECK(is(ask(0, 0), F_UNLCK, 0, 0));
    CHECK_FAILS(set(fd, F_SETLK, 7, 0, 0), EINVAL);
    CHECK_FAILS(set(fd, F_SETLK, F_RDLCK, -1, 0), EINVAL);
}

static void test_conflict(int fd)
{
    int status, p[2];
    char c;
    CHECK(pipe(p) == 0 && set(fd, F_SETLK, F_WRLCK, 0, 10) == 0);
    if (fork() == 0) {
        int mine = open("lock", O_RDWR), bad = 0;
        if (set(mine, F_SETLK, F_RDLCK, 5, 1) != -1 || errno != EAGAIN) bad = 1;
        if (write(p[1], "x", 1) != 1) bad = 2;
        if (set(mine, F_SETLKW, F_WRLCK, 5, 1) != 0) bad = 3; // waits for the parent
        _exit(bad);
    }
    CHECK(read(p[0], &c, 1) == 1);
    usleep(50000);
    CHECK(set(fd, F_SETLK, F_UNLCK, 0, 0) == 0);
    wait(&status);
    CHECK(status == 0);
    close(p[0]);
    close(p[1]);
}

static void test_deadlock(int fd)
{
    int status, p[2];
    char c;
    CHECK(pipe(p) == 0 && set(fd, F_SETLK, F_WRLCK, 0, 1) == 0);
    if (fork() == 0) {
        int mine = open("lock", O_RDWR);
        set(mine, F_SETLK, F_WRLCK, 1, 1);
        if (write(p[1], "x", 1) != 1) _exit(2);
        _exit(set(mine, F_SETLKW, F_WRLCK, 0, 1) != 0);
    }
    CHECK(read(p[0], &c, 1) == 1);
    usleep(50000);
    CHECK_FAILS(set(fd, F_SETLKW, F_WRLCK, 1, 1), EDEADLK);
    set(fd, F_SETLK, F_UNLCK, 0, 0);
    wait(&status);
    CHECK(status == 0);
    close(p[0]);
    close(p[1]);
}

static void on_alarm(int sig)
{
    (void)sig;
}

static void test_flock(void)
{
    int a = open("lock", O_RDWR), b = open("lock", O_RDWR), d;
    struct sigaction sa = {.sa_handler = on_alarm};
    CHECK(flock(a, LOCK_SH) == 0 && flock(b, LOCK_SH | LOCK_NB) == 0);
    CHECK_FAILS(flock(a, LOCK_EX | LOCK_NB), EWOULDBLOCK);
    CHECK(flock(b, LOCK_UN) == 0 && flock(a, LOCK_EX | LOCK_NB) == 0);
    CHECK_FAILS(flock(b, LOCK_SH | LOCK_NB), EWOULDBLOCK);
    sigaction(SIGALRM, &sa, NULL);
    ualarm(50000, 0);
    CHECK_FAILS(flock(b, LOCK_SH), EINTR);
    d = dup(a);
    close(a);
    CHECK_FAILS(flock(b, LOCK_SH | LOCK_NB), EWOULDBLOCK); // the description is still open
    close(d);
    CHECK(flock(b, LOCK_SH | LOCK_NB) == 0);
    CHECK_FAILS(flock(b, 77), EINVAL);
    close(b);
}

static void test_ofd(void)
{
    int a = open("lock", O_RDWR), b = open("lock", O_RDWR);
    CHECK(set(a, F_OFD_SETLK, F_WRLCK, 0, 10) == 0);
    CHECK_FAILS(set(b, F_OFD_SETLK, F_WRLCK, 5, 1), EAGAIN);
    close(open("lock", O_RDWR));
    CHECK_FAILS(set(b, F_OFD_SETLK, F_RDLCK, 5, 1), EAGAIN);
    close(a);
    CHECK(set(b, F_OFD_SETLK, F_WRLCK, 5, 1) == 0);
    close(b);
}

int main(void)
{
    char dir[64];
    check_enter(dir);
    int fd = open("lock", O_RDWR | O_CREAT, 0644);
    test_ranges(fd);
    test_conflict(fd);
    test_deadlock(fd);
    test_flock();
    test_ofd();
    unlink("lock");
    rmdir(dir);
    return check_result();
}
