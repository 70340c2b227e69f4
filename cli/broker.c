// The broker: the process that the user started. It opens what has to be opened (the image, the files of --put, --get
// and --report), forks the worker, answers its messages, passes signals on, and turns the end into messages and a
// status.
//
// The worker may be in the guest's hands. So: a message counts only where channel.h lets it stand, an index is never
// taken from one, text is shown without control characters, a file got out has a largest size, --timeout is also kept
// from here, and the terminal gets its modes back whatever the worker did to them.
#include "cli/broker.h"
#include "cli/cachefill.h"
#include "cli/channel.h"
#include "cli/imageserver.h"
#include "cli/memory.h"
#include "cli/shares.h"
#include "cli/value.h"
#include "cli/worker.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#ifndef BELLJAR_SANITIZED
#define BELLJAR_SANITIZED 0
#endif

enum phase { PUTTING, RUNNING, GETTING };

static const uint64_t grace = 2000000000; // how much later than --timeout the broker ends what did not end itself
static const uint64_t save_patience = 3600000000000; // for the last save: a disk may be slow
static const uint64_t patience = 60000000000;        // for an answer when no guest runs

struct broker {
    const struct command_line *line;
    int channel, image; // image: -1 when it is the server's
    int memory;         // the box's
    struct imageserver disk;
    struct cachefill cache;
    struct shares shares;
    pid_t worker;
    enum phase phase;
    bool over;  // nothing more is to come
    bool got;   // the next message says how a get went
    bool saved; // what the box wrote is kept, or not to be
    struct deltakeep delta;
    int status;          // the command's
    unsigned puts, gets; // so many have been asked for
    uint64_t limit;      // of a file got out
    struct timespec start;
    struct belljar_result result; // in GETTING
    bool terminal;
    struct termios modes; // as they were
    sigset_t unblocked;   // while it waits; otherwise what it catches is blocked
};

static volatile sig_atomic_t caught[NSIG]; // for the signal handler

static void on_signal(int sig)
{
    caught[sig] = 1;
}

// What went wrong counts when the program itself ended well.
static void finish(struct broker *b, int status)
{
    if (!b->status) b->status = status;
}

static void no_progress(struct broker *b)
{
    b->disk.progress = false;
    imageserver_hide(&b->disk);
}

static void stop(struct broker *b, int status)
{
    finish(b, status);
    b->over = true;
}

// ---------------------------------------------------------------- what it says

static int status_of(uint32_t code)
{
    return code == BELLJAR_NOT_FOUND        ? STATUS_NOT_FOUND
           : code == BELLJAR_NOT_EXECUTABLE ? STATUS_NOT_EXECUTABLE
                                            : STATUS_FAILED;
}

static int end_status(const struct command_line *l, const struct belljar_result *r)
{
    switch (r->end) {
    case BELLJAR_EXITED:
        return r->code;
    case BELLJAR_KILLED:
        return 128 + r->code;
    case BELLJAR_TIMEOUT:
        return fail(STATUS_LIMIT, "time limit reached after %.3g s (%.3g s of computing)", (double)r->wall_ns / 1e9,
                    (double)r->cpu_ns / 1e9);
    case BELLJAR_OUTPUT_LIMIT:
        return fail(128 + SIGXFSZ, "output limit of %" PRIu64 " bytes reached", l->box.output);
    default:
        return fail(STATUS_FAILED, "stopped");
    }
}

// What it says of the code cache may hold a path, so anything.
static void put_string(FILE *f, const char *text)
{
    fputc('"', f);
    for (const unsigned char *c = (const unsigned char *)text; *c; c++)
        fprintf(f, *c == '"' || *c == '\\' || *c < ' ' ? "\\u%04x" : "%c", *c);
    fputc('"', f);
}

static void put_cache(FILE *f, const struct cachefill *c)
{
    fprintf(f, ", \"cache_shards\": %u, \"cache_lacks\": ", c->shards);
    if (*c->lacks)
        put_string(f, c->lacks);
    else
        fputs("null", f);
}

static int write_report(const char *path, const struct broker *b)
{
    static const char *const ends[] = {[BELLJAR_EXITED] = "exited",
                                       [BELLJAR_KILLED] = "killed",
                                       [BELLJAR_TIMEOUT] = "timeout",
                                       [BELLJAR_OUTPUT_LIMIT] = "output-limit",
                                       [BELLJAR_STOPPED] = "stopped"};
    const struct belljar_result *r = &b->result;
    FILE *f = fopen(path, "we");
    if (!f) return fail(STATUS_FAILED, "--report: cannot write %s: %s", path, strerror(errno));
    char count[24] = "null"; // translated code does not count
    if (r->instructions) snprintf(count, sizeof count, "%" PRIu64, r->instructions);
    fprintf(f,
            "{\"end\": \"%s\", \"code\": %d, \"status\": %d, \"wall_ns\": %" PRIu64 ", \"cpu_ns\": %" PRIu64
            ", \"instructions\": %s, \"peak_memory\": %" PRIu64 ", \"live_processes\": %u",
            ends[r->end], r->code, b->status, r->wall_ns, r->cpu_ns, count, r->peak_memory, r->live_processes);
    put_cache(f, &b->cache);
    imageserver_report(&b->disk, f);
    deltakeep_report(&b->delta, f);
    fputs("}\n", f);
    return fclose(f) ? fail(STATUS_FAILED, "--report: cannot write %s: %s", path, strerror(errno)) : 0;
}

// The box has ended, or has to be.
static void tell_end(struct broker *b, const struct belljar_result *r)
{
    b->phase = GETTING;
    b->result = *r;
    b->status = end_status(b->line, r);
    if (r->damage[0])
        fail(0, "%s: %s (e2fsck -fn tells more)", b->disk.image ? b->disk.name : b->line->image, r->damage);
}

// ---------------------------------------------------------------- signals, waiting

static void catch_signals(struct broker *b)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH, SIGUSR1, SIGUSR2, SIGCONT};
    struct sigaction act = {.sa_handler = on_signal}, ignore = {.sa_handler = SIG_IGN};
    sigset_t ours;
    sigemptyset(&ours);
    for (unsigned i = 0; i < sizeof signals / sizeof *signals; i++) {
        struct sigaction old;
        sigaction(signals[i], NULL, &old);
        if (old.sa_handler == SIG_IGN && signals[i] != SIGWINCH) continue; // nohup stays nohup
        sigaction(signals[i], &act, NULL);
        sigaddset(&ours, signals[i]);
    }
    sigaction(SIGPIPE, &ignore, NULL); // a worker that is gone is an error code
    signal(SIGCHLD, SIG_DFL);          // somebody may have left it ignored, and nothing to wait for
    // For the worker, which takes them when it can.
    for (unsigned i = 0; i < sizeof signals / sizeof *signals; i++) sigaddset(&ours, channel_signal(signals[i]));
    sigprocmask(SIG_BLOCK, &ours, &b->unblocked);
    for (unsigned i = 0; i < sizeof signals / sizeof *signals; i++) sigdelset(&b->unblocked, signals[i]);
}

// A box that waits for its image takes no signals; nobody should have to wait with it.
static bool ends(int sig)
{
    return sig == SIGINT || sig == SIGTERM || sig == SIGHUP || sig == SIGQUIT;
}

static void pass_on(struct broker *b)
{
    for (int sig = 1; sig < NSIG; sig++) {
        if (!caught[sig]) continue;
        caught[sig] = 0;
        if (sig == SIGCONT)
            kill(b->worker, SIGCONT); // a shell continues both, kill(1) only the one it was told of
        else if (b->phase == RUNNING && !imageserver_opening(&b->disk) && !(ends(sig) && imageserver_stuck(&b->disk)))
            kill(b->worker, channel_signal(sig));
        else if (sig != SIGWINCH && (b->saved || b->phase != GETTING || sig == SIGQUIT)) // a save is not to be cut off
            stop(b, 128 + sig);
    }
}

static uint64_t nanoseconds(const struct timespec *t)
{
    return (uint64_t)t->tv_sec * 1000000000u + (uint64_t)t->tv_nsec;
}

static uint64_t elapsed(const struct broker *b)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return nanoseconds(&now) - nanoseconds(&b->start);
}

// How long to wait for fd; 0: as long as it takes.
static uint64_t wait_time(const struct broker *b, int fd)
{
    uint64_t limit = b->line->box.timeout_ns, spent;
    if (fd != b->channel) return 0;
    if (b->phase == GETTING && !b->saved) return save_patience;
    if (b->phase != RUNNING) return patience;
    if (!limit) return 0;
    spent = elapsed(b);
    return limit > spent ? limit - spent : 1;
}

static void out_of_time(struct broker *b)
{
    no_progress(b);
    if (b->phase == RUNNING)
        tell_end(b, &(struct belljar_result){.end = BELLJAR_TIMEOUT, .wall_ns = elapsed(b)});
    else
        finish(b, fail(STATUS_FAILED, "the worker does not answer"));
    b->over = true;
}

// Until fd is ready: true; false when a signal or the time limit ended the command first.
static bool wait_ready(struct broker *b, int fd, short events)
{
    bool late = false;
    while (!b->over) {
        // The grace is not counted from the limit: both processes may have been stopped meanwhile.
        uint64_t ns = late ? grace : wait_time(b, fd);
        bool tick = b->disk.progress && b->phase == RUNNING && !late && (!ns || ns > IMAGESERVER_TICK);
        if (tick) ns = IMAGESERVER_TICK;
        struct timespec ts = {(time_t)(ns / 1000000000), (long)(ns % 1000000000)};
        struct pollfd p[] = {{.fd = fd, .events = events},
                             {.fd = b->disk.image ? b->disk.ended : -1, .events = POLLIN}};
        int n = ppoll(p, 2, ns ? &ts : NULL, &b->unblocked), err = errno;
        pass_on(b);
        if (n > 0 && p[0].revents) return !b->over;
        if (n > 0) stop(b, imageserver_tell_end(&b->disk)); // it has ended before the worker
        if (n < 0 && err != EINTR) stop(b, fail(STATUS_FAILED, "poll: %s", strerror(err)));
        if (n == 0 && tick) imageserver_tick(&b->disk);
        if (n == 0 && late) out_of_time(b);
        late = late || (n == 0 && !tick);
    }
    return false;
}

// ---------------------------------------------------------------- files in and out

// The content of fd, in packets, and an empty one.
static void send_content(struct broker *b, int fd, const char *name)
{
    char packet[CHANNEL_PACKET];
    ssize_t n = 1;
    while (n > 0 && wait_ready(b, fd, POLLIN)) {
        n = read(fd, packet, sizeof packet);
        if (n < 0) stop(b, fail(STATUS_FAILED, "--put: cannot read %s: %s", name, strerror(errno)));
        // A worker that has no use for more says why in its next message.
        if (n >= 0 && (!wait_ready(b, b->channel, POLLOUT) || channel_send(b->channel, packet, (size_t)n))) return;
    }
}

static void serve_put(struct broker *b)
{
    const char *name = b->line->put.at[b->puts++].from;
    struct channel_file file = {0};
    struct stat st;
    int fd = open(name, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st)) {
        stop(b, fail(STATUS_FAILED, "--put: cannot read %s: %s", name, strerror(errno)));
    } else if (S_ISDIR(st.st_mode)) {
        stop(b, fail(STATUS_FAILED, "--put: %s is a directory; put its files, or a tar file", name));
    } else {
        file = (struct channel_file){.good = 1, .mode = st.st_mode & 0777};
        if (!channel_send(b->channel, &file, sizeof file)) send_content(b, fd, name);
    }
    if (fd >= 0) close(fd);
}

static bool write_all(int fd, const char *from, size_t n)
{
    while (n) {
        ssize_t put = write(fd, from, n);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) return false;
        from += put;
        n -= (size_t)put;
    }
    return true;
}

// What comes until an empty packet, into fd. 0 or an errno, after which the rest was only taken from the channel.
static int take_content(struct broker *b, int fd)
{
    char packet[CHANNEL_PACKET];
    uint64_t bytes = 0;
    int err = 0;
    for (;;) {
        if (!wait_ready(b, b->channel, POLLIN)) return EINTR;
        ptrdiff_t n = channel_take(b->channel, packet, sizeof packet);
        if (n <= 0) return err;
        bytes += (uint64_t)n;
        if (bytes > b->limit) {
            stop(b, 0);
            return EFBIG;
        }
        if (!err && !write_all(fd, packet, (size_t)n)) err = errno;
    }
}

static void serve_get(struct broker *b)
{
    const char *name = b->line->get.at[b->gets++].to;
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    struct channel_file file = {.good = fd >= 0};
    int err = fd < 0 ? errno : 0;
    if (b->disk.image) b->limit = b->line->box.memory + b->disk.head->bytes;
    b->got = fd >= 0;
    if (!channel_send(b->channel, &file, sizeof file) && fd >= 0) err = take_content(b, fd);
    if (fd >= 0 && close(fd) && !err) err = errno;
    if (err && err != EINTR) finish(b, fail(STATUS_FAILED, "--get: cannot write %s: %s", name, strerror(err)));
}

// ---------------------------------------------------------------- messages

static bool good_result(const struct belljar_result *r)
{
    size_t n = strnlen(r->damage, sizeof r->damage);
    for (size_t k = 0; k < n; k++)
        if (r->damage[k] < ' ' || r->damage[k] > '~') return false;
    if (n == sizeof r->damage) return false;
    int least = r->end == BELLJAR_KILLED ? 1 : 0, most = r->end == BELLJAR_KILLED ? 64 : 255;
    return (unsigned)r->end <= BELLJAR_STOPPED && r->code >= least && r->code <= most;
}

// All files are in: the program runs.
static void maybe_start(struct broker *b)
{
    if (b->phase != PUTTING || b->puts < b->line->put.n) return;
    b->phase = RUNNING;
    clock_gettime(CLOCK_MONOTONIC, &b->start);
}

static void serve(struct broker *b, struct channel_message *m)
{
    printable(m->text, m->text, sizeof m->text);
    // A program may come to its end before the box is ended.
    bool ends = m->say == SAY_FAILED || (m->say == SAY_END && b->phase == RUNNING);
    if (ends && imageserver_ended(&b->disk)) {
        stop(b, imageserver_tell_end(&b->disk));
    } else if (m->say == SAY_FAILED && b->phase != GETTING) {
        stop(b, fail(status_of(m->code), "%s", m->text));
    } else if (m->say == SAY_PUT && b->phase == PUTTING) {
        serve_put(b);
        maybe_start(b);
    } else if (m->say == SAY_OUTPUT && b->phase == RUNNING && b->disk.progress) {
        no_progress(b);
        channel_send(b->channel, "", 0);
    } else if (m->say == SAY_END && b->phase == RUNNING && good_result(&m->result)) {
        tell_end(b, &m->result);
    } else if (m->say == SAY_SAVED && b->phase == GETTING && !b->saved) {
        b->saved = true;
        if (m->code) finish(b, fail(STATUS_FAILED, "what the box wrote last is not kept: %s", m->text));
    } else if (m->say == SAY_GOT && b->got) {
        b->got = false;
        if (m->code) finish(b, fail(STATUS_FAILED, "--get: %s", m->text));
    } else if (m->say == SAY_GET && b->phase == GETTING && b->saved && !b->got && b->gets < b->line->get.n) {
        serve_get(b);
    } else {
        stop(b, fail(STATUS_FAILED, "the worker said what it must not say at this point"));
    }
}

// How the worker died without a message that says so.
static void tell_death(struct broker *b, int status)
{
    if (WIFSIGNALED(status) && cachefill_tell_cut_off(&b->cache))
        finish(b, STATUS_FAILED);
    else if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
        finish(b, fail(STATUS_FAILED, "the worker made a system call that the jail does not allow, and was killed: a "
                                      "bug of belljar's, or a guest that broke out of the box"));
    else if (WIFSIGNALED(status))
        finish(b, fail(STATUS_FAILED, "the worker was killed by signal %d (%s)", WTERMSIG(status),
                       strsignal(WTERMSIG(status))));
    else
        finish(b, fail(STATUS_FAILED, "the worker ended before the program did"));
}

static bool all_said(const struct broker *b)
{
    return b->phase == GETTING && b->saved && b->gets == b->line->get.n && !b->got;
}

static void serve_all(struct broker *b)
{
    struct channel_message m;
    bool gone = false;
    int status = 0;
    maybe_start(b);
    while (!gone && !all_said(b) && wait_ready(b, b->channel, POLLIN)) {
        ptrdiff_t n = channel_take(b->channel, &m, sizeof m);
        if (n < 0 && errno == ECONNRESET) continue; // it left something unread; what it said comes next
        gone = n != sizeof m;
        if (!gone && m.say != SAY_PUT && m.say != SAY_OUTPUT) no_progress(b);
        if (!gone) serve(b, &m);
    }
    no_progress(b);
    // A sanitizer looks for leaks when the worker ends.
    if (!BELLJAR_SANITIZED || !all_said(b)) kill(b->worker, SIGKILL);
    // It takes a moment, for its memory to be given back.
    if (b->phase == GETTING) cachefill_look(&b->cache, b->line, b->image, &b->disk);
    while (waitpid(b->worker, &status, 0) < 0 && errno == EINTR) {
    }
    if (gone && !all_said(b)) tell_death(b, status);
    if (BELLJAR_SANITIZED && all_said(b) && status) b->status = fail(STATUS_FAILED, "the sanitizer found something");
}

// ---------------------------------------------------------------- the whole

// A descriptor that the user closed must not become the image or the channel.
static bool open_streams(void)
{
    int fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd < 3) fd = dup(fd);
    if (fd >= 0) close(fd);
    return fd >= 0;
}

// In the file system of the image nothing is larger than the image and what the box may hold in memory.
static bool open_image(struct broker *b)
{
    b->image = -1;
    b->status = imageserver_start(&b->disk, b->line);
    if (b->status || b->disk.image) return !b->status;
    b->image = open(b->line->image, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY); // a FIFO must not make us wait
    if (b->image < 0) {
        const char *hint = strstr(b->line->image, "://") ? "; servers are asked by http:// and https:// only" : "";
        b->status = fail(STATUS_FAILED, "%s: cannot open the image file: %s%s", b->line->image, strerror(errno), hint);
        return false;
    }
    off_t bytes = lseek(b->image, 0, SEEK_END);
    b->limit = b->line->box.memory + (bytes > 0 ? (uint64_t)bytes : 0);
    return true;
}

static bool make_memory(struct broker *b)
{
    b->memory = memory_new();
    if (b->memory >= 0) return true;
    b->status = fail(STATUS_FAILED, "cannot make the box's memory: %s%s", strerror(-b->memory),
                     b->memory == -EFBIG ? " (ulimit -f: it needs 16 GiB, of holes)" : "");
    return false;
}

static void keep_terminal(struct broker *b)
{
    b->terminal = isatty(0) && isatty(1) && !tcgetattr(0, &b->modes);
}

// As they were, unless the terminal is another's by now.
static void restore_terminal(const struct broker *b)
{
    struct termios now;
    if (!b->terminal || tcgetpgrp(0) != getpgrp() || tcgetattr(0, &now)) return;
    if (memcmp(&now, &b->modes, sizeof now)) tcsetattr(0, TCSANOW, &b->modes);
}

// Time of --trace startup begins with the program, which nothing tells to the microsecond; but until now it has
// computed all the time.
static void count_from_exec(struct belljar_options *o)
{
    struct timespec cpu, now;
    if (!(o->trace & BELLJAR_TRACE_STARTUP)) return;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
    clock_gettime(CLOCK_MONOTONIC, &now);
    o->start_ns = nanoseconds(&now) - nanoseconds(&cpu);
    belljar_trace_phase(o, "command loaded, options read");
}

// The worker's computing is added to the command's.
static void add_cpu_time(struct belljar_options *o, int who)
{
    struct rusage r;
    if (!(o->trace & BELLJAR_TRACE_STARTUP) || getrusage(who, &r)) return;
    o->start_cpu_ns += (uint64_t)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) * 1000000000u +
                       (uint64_t)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) * 1000u;
}

static bool fork_worker(struct broker *b, struct command_line *l)
{
    int pair[2], broker = getpid(), size = 4 * CHANNEL_PACKET;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair)) return false;
    for (int i = 0; i < 2; i++) setsockopt(pair[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    uint64_t none = l->box.start_cpu_ns;
    add_cpu_time(&l->box, RUSAGE_SELF); // as the worker will count it
    b->worker = fork();
    if (b->worker == 0) {
        int status = worker_main(l, &(struct inherited){.channel = pair[1],
                                                        .image = b->image,
                                                        .broker = broker,
                                                        .cache = &b->cache,
                                                        .server = &b->disk,
                                                        .shares = &b->shares,
                                                        .delta = &b->delta,
                                                        .memory = b->memory});
        if (BELLJAR_SANITIZED) exit(status);
        _exit(status);
    }
    l->box.start_cpu_ns = none;
    b->channel = pair[0];
    close(pair[1]);
    close(b->memory);
    server_lent(&b->disk.server);
    deltakeep_lent(&b->delta);
    return b->worker > 0;
}

int broker_run(struct command_line *l)
{
    struct broker b = {.line = l, .saved = !l->delta};
    int err;
    count_from_exec(&l->box);
    if (!open_streams()) return fail(STATUS_FAILED, "/dev/null: %s", strerror(errno));
    if (!open_image(&b)) return b.status;
    keep_terminal(&b);
    catch_signals(&b);
    if ((err = cachefill_open(&b.cache, l, b.image))) return err;
    if ((err = shares_start(&b.shares, l))) return err;
    if (!make_memory(&b)) return b.status;
    if ((err = deltakeep_start(&b.delta, l, b.image, &b.disk, b.memory))) return err;
    if (!fork_worker(&b, l)) return fail(STATUS_FAILED, "cannot start the worker: %s", strerror(errno));
    server_lent(&b.shares.server);
    belljar_trace_phase(&l->box, "worker forked");
    serve_all(&b);
    add_cpu_time(&l->box, RUSAGE_CHILDREN);
    belljar_trace_phase(&l->box, "worker ended");
    server_end(&b.shares.server);
    deltakeep_end(&b.delta);
    restore_terminal(&b);
    if (b.phase == GETTING) cachefill_end(&b.cache, l, b.image, &b.disk);
    imageserver_end(&b.disk);
    if (l->report && b.phase == GETTING && (err = write_report(l->report, &b))) finish(&b, err);
    return b.status;
}
