// Terminals, on a pty: canonical editing, echo, output processing, raw reads with VMIN and VTIME, signals, job control,
// window size, hang-up.
#include "check.h"
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>

static int master, slave;
static char name[64];

static void open_pair(void)
{
    int unlock = 0, n = -1;
    master = open("/dev/ptmx", O_RDWR | O_NOCTTY);
    CHECK(master >= 0 && ioctl(master, TIOCGPTN, &n) == 0);
    snprintf(name, sizeof name, "/dev/pts/%d", n);
    CHECK(ioctl(master, TIOCSPTLCK, &unlock) == 0);
    slave = open(name, O_RDWR | O_NOCTTY);
    CHECK(slave >= 0 && isatty(slave));
}

static void type(const char *s)
{
    CHECK(write(master, s, strlen(s)) == (ssize_t)strlen(s));
}

// What the master sees now.
static int shows(const char *want)
{
    char buf[256] = "";
    size_t have = 0;
    struct pollfd p = {.fd = master, .events = POLLIN};
    while (have < strlen(want) && poll(&p, 1, 500) == 1) {
        ssize_t n = read(master, buf + have, sizeof buf - 1 - have);
        if (n <= 0) break;
        have += (size_t)n;
    }
    buf[have] = 0;
    if (strcmp(buf, want)) printf("shown: '%s' wanted '%s'\n", buf, want);
    return !strcmp(buf, want);
}

static int reads(const char *want)
{
    char buf[256] = "";
    ssize_t n = read(slave, buf, sizeof buf - 1);
    if (n != (ssize_t)strlen(want) || memcmp(buf, want, strlen(want)))
        printf("read: %zd '%s' wanted '%s'\n", n, buf, want);
    return n == (ssize_t)strlen(want) && !memcmp(buf, want, strlen(want));
}

static int readable(void)
{
    struct pollfd p = {.fd = slave, .events = POLLIN};
    return poll(&p, 1, 30) == 1;
}

static void test_canonical(void)
{
    char c;
    int n;
    type("hello");
    CHECK(!readable() && shows("hello"));
    type("\n");
    CHECK(readable() && shows("\r\n") && ioctl(slave, FIONREAD, &n) == 0 && n == 6 && reads("hello\n"));
    type("abx\177c\r");
    CHECK(reads("abc\n") && shows("abx\b \bc\r\n"));
    type("one two\027three\n");
    CHECK(reads("one three\n") && shows("one two\b \b\b \b\b \bthree\r\n"));
    type("kill\025new\n");
    CHECK(reads("new\n") && shows("kill\b \b\b \b\b \b\b \bnew\r\n"));
    type("a\026\003b\001\n"); // VLNEXT makes ^C a character
    CHECK(reads("a\003b\001\n") && shows("a^\b^Cb^A\r\n"));
    type("\004");
    CHECK(read(slave, &c, 1) == 0); // an empty line ended by VEOF
    type("part\004");
    CHECK(reads("part") && shows("part"));
    type("l1\nl2\n");
    CHECK(reads("l1\n") && read(slave, &c, 1) == 1 && c == 'l' && reads("2\n") && shows("l1\r\nl2\r\n"));
    type("ab\004");
    char two[2];
    CHECK(read(slave, two, 2) == 2 && !readable() && shows("ab")); // the VEOF goes with what filled the buffer
}

static void test_output(void)
{
    struct termios t;
    CHECK(write(slave, "x\ny", 3) == 3 && shows("x\r\ny"));
    CHECK(tcgetattr(slave, &t) == 0 && t.c_lflag & ICANON && t.c_cc[VINTR] == 3);
    t.c_oflag &= ~(tcflag_t)OPOST;
    CHECK(tcsetattr(slave, TCSADRAIN, &t) == 0 && write(slave, "x\ny", 3) == 3 && shows("x\ny"));
    t.c_oflag |= OPOST;
    t.c_lflag &= ~(tcflag_t)ECHO;
    CHECK(tcsetattr(slave, TCSAFLUSH, &t) == 0);
    type("secret\n");
    CHECK(reads("secret\n") && write(slave, ".", 1) == 1 && shows("."));
    t.c_lflag |= ECHO;
    t.c_cflag = (t.c_cflag & ~(tcflag_t)(CSIZE | CREAD)) | CS7 | PARENB | PARODD;
    CHECK(tcsetattr(slave, TCSANOW, &t) == 0);
    CHECK(tcgetattr(slave, &t) == 0 && (t.c_cflag & (CSIZE | CREAD | PARENB | PARODD)) == (CS8 | CREAD | PARODD));
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void test_raw(void)
{
    struct termios old, t;
    char buf[16];
    tcgetattr(slave, &old);
    t = old;
    cfmakeraw(&t);
    CHECK(tcsetattr(slave, TCSANOW, &t) == 0);
    type("\003\r");
    CHECK(reads("\003\r"));
    t.c_cc[VMIN] = 0;
    t.c_cc[VTIME] = 2;
    CHECK(tcsetattr(slave, TCSANOW, &t) == 0);
    double start = now();
    CHECK(read(slave, buf, 1) == 0 && now() - start >= 0.19 && now() - start < 2);
    t.c_cc[VTIME] = 0;
    CHECK(tcsetattr(slave, TCSANOW, &t) == 0 && read(slave, buf, 1) == 0);
    t.c_cc[VMIN] = 3;
    CHECK(tcsetattr(slave, TCSANOW, &t) == 0);
    type("ab");
    CHECK(!readable());
    type("c");
    CHECK(reads("abc"));
    t.c_cc[VTIME] = 1;
    CHECK(tcsetattr(slave, TCSANOW, &t) == 0);
    type("de");
    CHECK(reads("de")); // the pause ends it
    fcntl(slave, F_SETFL, O_NONBLOCK);
    CHECK_FAILS(read(slave, buf, 1), EAGAIN);
    fcntl(slave, F_SETFL, 0);
    CHECK(tcsetattr(slave, TCSAFLUSH, &old) == 0);
}

static volatile int got;
static void on_signal(int sig)
{
    got = sig;
}

// In a session of its own, with the slave as controlling terminal.
static int session(void)
{
    struct sigaction sa = {.sa_handler = on_signal};
    struct winsize w = {24, 80, 0, 0}, seen;
    char buf[16];
    int status;
    CHECK(setsid() > 0);
    CHECK_FAILS(open("/dev/tty", O_RDWR), ENXIO);
    CHECK(ioctl(slave, TIOCSCTTY, 0) == 0);
    int tty = open("/dev/tty", O_RDWR);
    CHECK(tty >= 0 && tcgetpgrp(tty) == getpgrp() && tcgetsid(slave) == getsid(0));
    sigaction(SIGINT, &sa, NULL);
    sigaction(SIGWINCH, &sa, NULL);
    CHECK(write(slave, "go\n", 3) == 3); // the parent types ^C
    CHECK_FAILS(read(slave, buf, 1), EINTR);
    CHECK(got == SIGINT);
    w.ws_row = 50;
    CHECK(ioctl(slave, TIOCSWINSZ, &w) == 0 && got == SIGWINCH && ioctl(tty, TIOCGWINSZ, &seen) == 0 &&
          seen.ws_row == 50);
    pid_t child = fork();
    if (child == 0) { // a background job that reads is stopped
        setpgid(0, 0);
        _exit(read(slave, buf, 16) == 5 && !memcmp(buf, "back\n", 5) ? 7 : 1);
    }
    CHECK(waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status) && WSTOPSIG(status) == SIGTTIN);
    signal(SIGTTOU, SIG_IGN);
    CHECK(tcsetpgrp(slave, child) == 0 && tcgetpgrp(slave) == child && kill(child, SIGCONT) == 0);
    CHECK(write(slave, "type\n", 5) == 5); // the parent types "back"
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 7);
    CHECK_FAILS(tcsetpgrp(slave, 99999), ESRCH);
    CHECK(tcsetpgrp(slave, getpgrp()) == 0);
    signal(SIGTTOU, SIG_DFL);
    child = fork();
    if (child == 0) { // a background job that writes is not, unless TOSTOP; setting modes stops it
        struct termios t;
        setpgid(0, 0);
        tcgetattr(slave, &t);
        tcsetattr(slave, TCSANOW, &t);
        _exit(0);
    }
    CHECK(waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status) && WSTOPSIG(status) == SIGTTOU);
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
    return check_result();
}

// What one read of the master gives: its first byte, the rest in rest.
static int packet(char rest[64])
{
    char buf[65] = "";
    struct pollfd p = {.fd = master, .events = POLLIN | POLLPRI};
    CHECK(poll(&p, 1, 500) == 1);
    ssize_t n = read(master, buf, 64);
    CHECK(n >= 1 && !!(p.revents & POLLPRI) == !!buf[0]);
    strcpy(rest, buf + 1);
    return buf[0];
}

static void test_packets(void)
{
    int on = 1, is = -1;
    char rest[64];
    struct termios old, t;
    CHECK(ioctl(master, TIOCGPKT, &is) == 0 && is == 0);
    CHECK(ioctl(master, TIOCPKT, &on) == 0 && ioctl(master, TIOCGPKT, &is) == 0 && is == 1);
    CHECK(write(slave, "data", 4) == 4 && packet(rest) == TIOCPKT_DATA && !strcmp(rest, "data"));
    tcgetattr(slave, &old);
    t = old;
    t.c_iflag &= ~(tcflag_t)IXON;
    CHECK(tcsetattr(slave, TCSANOW, &t) == 0 && packet(rest) == TIOCPKT_NOSTOP && !*rest);
    CHECK(tcsetattr(slave, TCSANOW, &old) == 0 && packet(rest) == TIOCPKT_DOSTOP);
    CHECK(tcflow(slave, TCOOFF) == 0 && packet(rest) == TIOCPKT_STOP);
    CHECK(tcflow(slave, TCOON) == 0 && packet(rest) == TIOCPKT_START);
    CHECK(tcflush(slave, TCIFLUSH) == 0 && packet(rest) == TIOCPKT_FLUSHREAD);
    CHECK(tcflush(slave, TCIOFLUSH) == 0 && packet(rest) == (TIOCPKT_FLUSHREAD | TIOCPKT_FLUSHWRITE));
    CHECK(write(slave, "ab", 2) == 2 && tcflow(slave, TCOOFF) == 0); // first what happened, then the data
    CHECK(packet(rest) == TIOCPKT_STOP && tcflow(slave, TCOON) == 0);
    CHECK(packet(rest) == TIOCPKT_START && packet(rest) == TIOCPKT_DATA && !strcmp(rest, "ab"));
    on = 0;
    CHECK(tcflush(slave, TCIFLUSH) == 0 && ioctl(master, TIOCPKT, &on) == 0);
    CHECK(write(slave, "plain", 5) == 5 && shows("plain"));
}

static void test_session(void)
{
    int status;
    pid_t child = fork();
    if (child == 0) {
        close(master);
        _exit(session());
    }
    CHECK(shows("go\r\n"));
    usleep(50000);
    type("\003");
    CHECK(shows("^Ctype\r\n"));
    type("back\n");
    CHECK(shows("back\r\n"));
    CHECK(waitpid(child, &status, 0) == child && status == 0);
}

static void test_hangup(void)
{
    char c;
    struct pollfd p = {.events = POLLIN};
    int first = slave;
    close(slave);
    slave = open(name, O_RDWR | O_NOCTTY); // the session's end hung the old ones up
    CHECK(slave >= 0 && write(slave, "last", 4) == 4 && shows("last"));
    close(slave);
    p.fd = master;
    CHECK(poll(&p, 1, 500) == 1 && p.revents & POLLHUP);
    CHECK_FAILS(read(master, &c, 1), EIO);
    slave = open(name, O_RDWR | O_NOCTTY);
    CHECK(slave >= 0);
    close(master);
    CHECK(read(slave, &c, 1) == 0);
    CHECK_FAILS(write(slave, "x", 1), EIO);
    close(slave);
    CHECK_FAILS(open(name, O_RDWR | O_NOCTTY), ENOENT);
    (void)first;
}

int main(void)
{
    open_pair();
    test_canonical();
    test_output();
    test_raw();
    test_packets();
    test_session();
    test_hangup();
    return check_result();
}
