// Pipes and FIFOs: blocking, end of file, SIGPIPE, atomic writes, partial writes, interruption by signals, restarts.
#include "check.h"
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>

static volatile int got;
static void on_signal(int sig)
{
    got = sig;
}

static void handler(int sig, int flags)
{
    struct sigaction sa = {.sa_handler = on_signal, .sa_flags = flags};
    sigaction(sig, &sa, NULL);
    got = 0;
}

static void alarm_in(int ms)
{
    struct itimerval t = {.it_value = {ms / 1000, ms % 1000 * 1000}};
    setitimer(ITIMER_REAL, &t, NULL);
}

static void test_basic(void)
{
    int p[2], n;
    char buf[100];
    CHECK(pipe2(p, O_CLOEXEC) == 0 && fcntl(p[0], F_GETFD) == FD_CLOEXEC);
    CHECK(write(p[1], "abc", 3) == 3 && ioctl(p[0], FIONREAD, &n) == 0 && n == 3);
    CHECK(read(p[0], buf, 2) == 2 && read(p[0], buf, 100) == 1 && buf[0] == 'c');
    CHECK_FAILS(lseek(p[0], 0, SEEK_SET), ESPIPE);
    CHECK_FAILS(pread(p[0], buf, 1, 0), ESPIPE);
    CHECK_FAILS(read(p[1], buf, 1), EBADF);
    CHECK_FAILS(write(p[0], buf, 1), EBADF);
    CHECK(fcntl(p[0], F_SETFL, O_NONBLOCK) == 0);
    CHECK_FAILS(read(p[0], buf, 1), EAGAIN);
    CHECK(fcntl(p[1], F_GETPIPE_SZ) == 65536);
    close(p[1]);
    CHECK(read(p[0], buf, 1) == 0);
    close(p[0]);
    CHECK_FAILS(pipe2(p, O_APPEND), EINVAL);
}

static void test_sigpipe(void)
{
    int p[2];
    handler(SIGPIPE, 0);
    CHECK(pipe(p) == 0);
    close(p[0]);
    CHECK_FAILS(write(p[1], "x", 1), EPIPE);
    CHECK(got == SIGPIPE);
    close(p[1]);
    signal(SIGPIPE, SIG_DFL);
}

static void test_full(void)
{
    static char big[200000];
    int p[2];
    CHECK(pipe2(p, O_NONBLOCK) == 0);
    CHECK(write(p[1], big, sizeof big) == 65536);
    CHECK_FAILS(write(p[1], big, 1), EAGAIN);
    CHECK(read(p[0], big, 4095) == 4095);
    CHECK_FAILS(write(p[1], big, 4096), EAGAIN); // PIPE_BUF bytes: whole or not at all
    close(p[0]);
    close(p[1]);
}

// The child drains slowly; one write of much more than the pipe holds must arrive whole.
static void test_big_write(void)
{
    static char big[300000], in[300000];
    int p[2], status;
    CHECK(pipe(p) == 0);
    for (unsigned i = 0; i < sizeof big; i++) big[i] = (char)(i / 77);
    if (fork() == 0) {
        size_t have = 0;
        ssize_t n;
        close(p[1]);
        while ((n = read(p[0], in + have, 5000)) > 0) have += (size_t)n;
        _exit(have == sizeof big && !memcmp(in, big, sizeof big) ? 0 : 1);
    }
    close(p[0]);
    CHECK(write(p[1], big, sizeof big) == sizeof big);
    close(p[1]);
    wait(&status);
    CHECK(status == 0);
}

static void test_interrupted(void)
{
    static char big[100000];
    int p[2], status;
    char c = 0;
    CHECK(pipe(p) == 0);
    handler(SIGALRM, 0);
    alarm_in(50);
    CHECK_FAILS(read(p[0], &c, 1), EINTR);
    CHECK(got == SIGALRM);
    alarm_in(50);
    CHECK(write(p[1], big, sizeof big) == 65536); // what went in before the signal
    handler(SIGALRM, SA_RESTART);
    alarm_in(50);
    while (read(p[0], big, sizeof big) == sizeof big) continue;
    if (fork() == 0) {
        usleep(150000);
        _exit(write(p[1], "R", 1) == 1 ? 0 : 1);
    }
    handler(SIGALRM, SA_RESTART);
    alarm_in(50);
    CHECK(read(p[0], &c, 1) == 1 && c == 'R' && got == SIGALRM);
    wait(&status);
    close(p[0]);
    close(p[1]);
}

static void test_fifo(void)
{
    char buf[8];
    int status, fd;
    CHECK(mkfifo("fifo", 0600) == 0);
    CHECK_FAILS(open("fifo", O_WRONLY | O_NONBLOCK), ENXIO);
    CHECK((fd = open("fifo", O_RDONLY | O_NONBLOCK)) >= 0 && read(fd, buf, 8) == 0);
    close(fd);
    if (fork() == 0) {
        usleep(30000);
        int w = open("fifo", O_WRONLY);
        _exit(w >= 0 && write(w, "thru", 4) == 4 ? 0 : 1);
    }
    CHECK((fd = open("fifo", O_RDONLY)) >= 0); // waits for the writer
    CHECK(read(fd, buf, 8) == 4 && !memcmp(buf, "thru", 4));
    CHECK(read(fd, buf, 8) == 0);
    wait(&status);
    CHECK(status == 0);
    close(fd);
    handler(SIGALRM, 0);
    alarm_in(50);
    CHECK_FAILS(open("fifo", O_RDONLY), EINTR);
    unlink("fifo");
}

int main(void)
{
    char dir[64];
    check_enter(dir);
    test_basic();
    test_sigpipe();
    test_full();
    test_big_write();
    test_interrupted();
    test_fifo();
    rmdir(dir);
    return check_result();
}
