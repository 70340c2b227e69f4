// The command and its two processes in a terminal, as the user's shell sees them: keys, signals that count once, window
// size, job control, the terminal's modes afterwards, and that neither process outlives the other.
//
// This program is the shell: it makes a terminal, runs the command in it as a foreground job, types and watches.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

enum { WAIT_MS = 20000 };

struct job {
    int master, slave;
    pid_t pid;
    struct termios before;
    char seen[65536];
    size_t n;
};

static const char *belljar;
static int failures;

static void check(bool good, const char *test, const char *what)
{
    if (good) return;
    fprintf(stderr, "terminal: %s: %s\n", test, what);
    failures++;
}

static void nap(void)
{
    nanosleep(&(struct timespec){0, 10000000}, NULL);
}

// ---------------------------------------------------------------- jobs

// Runs script with bash in a box, as the foreground job of a new terminal. With pipe, standard input is a pipe of which
// the other end stays open.
static void start(struct job *j, const char *script, bool pipe_in)
{
    struct winsize size = {.ws_row = 30, .ws_col = 100};
    int feed[2] = {-1, -1};
    memset(j, 0, sizeof *j);
    if (openpty(&j->master, &j->slave, NULL, NULL, &size) || (pipe_in && pipe(feed))) exit(2);
    tcgetattr(j->slave, &j->before);
    j->pid = fork();
    if (j->pid == 0) {
        setsid();
        ioctl(j->slave, TIOCSCTTY, 0);
        dup2(pipe_in ? feed[0] : j->slave, 0);
        dup2(j->slave, 1);
        dup2(j->slave, 2);
        // Its own foreground process group in this session, so that the terminal can stop it: an orphaned one it
        // cannot.
        pid_t pid = fork();
        if (pid == 0) {
            setpgid(0, 0);
            signal(SIGTTOU, SIG_IGN);
            tcsetpgrp(1, getpid());
            signal(SIGTTOU, SIG_DFL);
            close(j->master);
            execl(belljar, belljar, "--", "bash", "-c", script, NULL);
            _exit(2);
        }
        int status;
        for (;;) {
            waitpid(pid, &status, WUNTRACED);
            if (!WIFSTOPPED(status)) break;
            dprintf(1, "[stopped]\n");
            while (waitpid(pid, &status, WCONTINUED) >= 0 && !WIFCONTINUED(status) && !WIFEXITED(status)) {
            }
            if (!WIFCONTINUED(status)) break;
        }
        dprintf(1, "[status %d]", WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status));
        _exit(0);
    }
    if (pipe_in) close(feed[0]); // the other end stays open, in this process
}

// Until text was seen.
static bool expect(struct job *j, const char *text)
{
    for (int left = WAIT_MS; left > 0; left -= 100) {
        struct pollfd p = {.fd = j->master, .events = POLLIN};
        if (strstr(j->seen, text)) return true;
        if (poll(&p, 1, 100) <= 0) continue;
        ssize_t n = read(j->master, j->seen + j->n, sizeof j->seen - 1 - j->n);
        if (n > 0) j->n += (size_t)n;
    }
    fprintf(stderr, "terminal: did not see '%s' in: %s\n", text, j->seen);
    failures++;
    return false;
}

static void type(struct job *j, const char *keys)
{
    if (write(j->master, keys, strlen(keys)) < 0) exit(2);
}

static unsigned count(const struct job *j, const char *text)
{
    unsigned n = 0;
    for (const char *at = j->seen; (at = strstr(at, text)); at++) n++;
    return n;
}

// The child of a process, and its state; 0: none.
static pid_t child_of(pid_t parent, char *state)
{
    DIR *d = opendir("/proc");
    pid_t found = 0;
    for (struct dirent *e; !found && d && (e = readdir(d));) {
        char path[300], text[512] = "";
        int ppid;
        snprintf(path, sizeof path, "/proc/%s/stat", e->d_name);
        int fd = e->d_name[0] >= '0' && e->d_name[0] <= '9' ? open(path, O_RDONLY) : -1;
        if (fd < 0) continue;
        ssize_t n = read(fd, text, sizeof text - 1);
        close(fd);
        const char *after = n > 0 ? strrchr(text, ')') : NULL;
        if (after && sscanf(after, ") %c %d", state, &ppid) == 2 && ppid == parent) found = atoi(e->d_name);
    }
    if (d) closedir(d);
    return found;
}

static void processes(const struct job *j, pid_t *broker, pid_t *worker)
{
    char state;
    *broker = child_of(j->pid, &state);
    *worker = *broker ? child_of(*broker, &state) : 0;
}

static bool gone(pid_t pid)
{
    for (int i = 0; i < 300; i++, nap())
        if (kill(pid, 0) && errno == ESRCH) return true;
    return false;
}

static bool stopped(pid_t parent)
{
    char state = 0;
    for (int i = 0; i < 300; i++, nap())
        if (child_of(parent, &state) && state == 'T') return true;
    return false;
}

// Before the terminal is closed: its modes are what they were.
static void finish(struct job *j, const char *test)
{
    struct termios now;
    tcgetattr(j->slave, &now);
    check(now.c_lflag == j->before.c_lflag && now.c_iflag == j->before.c_iflag && now.c_oflag == j->before.c_oflag,
          test, "the terminal has other modes than before");
    close(j->master);
    close(j->slave);
    kill(j->pid, SIGKILL);
    waitpid(j->pid, NULL, 0);
}

// ---------------------------------------------------------------- tests

static void keys_and_size(void)
{
    static const char script[] = "trap 'echo int' INT; trap 'stty size; n=1' WINCH; stty size; stty -echo; echo ready;"
                                 "until [ \"$n\" ]; do sleep 0.05; done; read x; read y; echo got $y; exit 7";
    struct job j;
    struct winsize size = {.ws_row = 41, .ws_col = 123};
    start(&j, script, false);
    expect(&j, "30 100");
    expect(&j, "ready");
    ioctl(j.master, TIOCSWINSZ, &size);
    expect(&j, "41 123");
    type(&j, "\003");
    expect(&j, "int");
    type(&j, "one\ntwo\n");
    expect(&j, "got two");
    expect(&j, "[status 7]");
    check(count(&j, "int") == 1, "keys", "Ctrl-C counted more than once");
    finish(&j, "keys");
}

// Standard input is no terminal: the host's terminal makes the signals, for both processes.
static void job_control(void)
{
    struct job j;
    pid_t broker, worker;
    start(&j, "trap 'echo int; n=1' INT; echo ready; until [ \"$n\" ]; do sleep 0.05; done; sleep 0.3; exit 8", true);
    expect(&j, "ready");
    processes(&j, &broker, &worker);
    type(&j, "\032");
    expect(&j, "[stopped]");
    check(stopped(broker), "job control", "the worker goes on when the command is stopped");
    kill(broker, SIGCONT); // as kill(1) does; the worker is to follow
    type(&j, "\003");
    expect(&j, "[status 8]");
    check(count(&j, "int") == 1, "job control", "Ctrl-C counted more than once");
    finish(&j, "job control");
}

static void worker_killed(void)
{
    struct job j;
    pid_t broker, worker;
    start(&j, "stty raw -echo; echo ready; sleep 100", false);
    expect(&j, "ready");
    processes(&j, &broker, &worker);
    kill(worker, SIGKILL);
    expect(&j, "belljar: the worker was killed by signal 9");
    expect(&j, "[status 125]");
    finish(&j, "worker killed");
}

static void command_killed(void)
{
    struct job j;
    pid_t broker, worker;
    start(&j, "echo ready; sleep 100", true);
    expect(&j, "ready");
    processes(&j, &broker, &worker);
    kill(broker, SIGKILL);
    check(gone(worker), "command killed", "the worker stays when the command is killed");
    expect(&j, "[status 1009]");
    finish(&j, "command killed");
}

static void command_terminated(void)
{
    struct job j;
    pid_t broker, worker;
    start(&j, "echo ready; sleep 100", false);
    expect(&j, "ready");
    processes(&j, &broker, &worker);
    kill(broker, SIGTERM);
    expect(&j, "[status 143]");
    check(gone(worker), "command terminated", "the worker stays");
    finish(&j, "command terminated");
}

int main(int argc, char **argv)
{
    if (argc != 2) return 2;
    belljar = argv[1];
    keys_and_size();
    job_control();
    worker_killed();
    command_killed();
    command_terminated();
    return failures != 0;
}
