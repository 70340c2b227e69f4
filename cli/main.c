// The belljar command: runs a program in a fresh box and ends as it ended.
#include "cli/options.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct belljar_box *volatile running; // for the signal handler; set while a box runs

static void pass_on(int sig)
{
    struct belljar_box *b = running;
    if (b) belljar_box_signal(b, sig);
}

static void catch_signals(void)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH, SIGUSR1, SIGUSR2};
    struct sigaction act = {.sa_handler = pass_on, .sa_flags = SA_RESTART};
    for (unsigned i = 0; i < sizeof signals / sizeof *signals; i++) {
        struct sigaction old;
        sigaction(signals[i], NULL, &old);
        if (old.sa_handler != SIG_IGN || signals[i] == SIGWINCH) sigaction(signals[i], &act, NULL); // nohup stays nohup
    }
}

static int status_of(enum belljar_code code)
{
    return code == BELLJAR_NOT_FOUND        ? STATUS_NOT_FOUND
           : code == BELLJAR_NOT_EXECUTABLE ? STATUS_NOT_EXECUTABLE
                                            : STATUS_FAILED;
}

// ---------------------------------------------------------------- files in and out

static int put_file(struct belljar_box *b, const struct copy *c)
{
    struct belljar_error why;
    struct stat st;
    int fd = open(c->from, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st)) return fail(STATUS_FAILED, "--put: cannot read %s: %s", c->from, strerror(errno));
    int code = S_ISDIR(st.st_mode) ? -1 : belljar_box_put_fd(b, c->to, st.st_mode & 0777, fd, &why);
    close(fd);
    if (code < 0) return fail(STATUS_FAILED, "--put: %s is a directory; put its files, or a tar file", c->from);
    return code ? fail(STATUS_FAILED, "--put: %s", why.text) : 0;
}

static int get_file(struct belljar_box *b, const struct copy *c)
{
    struct belljar_error why;
    int fd = open(c->to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0) return fail(STATUS_FAILED, "--get: cannot write %s: %s", c->to, strerror(errno));
    int code = belljar_box_get_fd(b, c->from, fd, &why);
    if (close(fd) && !code) return fail(STATUS_FAILED, "--get: cannot write %s: %s", c->to, strerror(errno));
    return code ? fail(STATUS_FAILED, "--get: %s", why.text) : 0;
}

// ---------------------------------------------------------------- how it ended

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

static int write_report(const char *path, const struct belljar_result *r, int status)
{
    static const char *const ends[] = {[BELLJAR_EXITED] = "exited",
                                       [BELLJAR_KILLED] = "killed",
                                       [BELLJAR_TIMEOUT] = "timeout",
                                       [BELLJAR_OUTPUT_LIMIT] = "output-limit",
                                       [BELLJAR_STOPPED] = "stopped"};
    FILE *f = fopen(path, "we");
    if (!f) return fail(STATUS_FAILED, "--report: cannot write %s: %s", path, strerror(errno));
    fprintf(f,
            "{\"end\": \"%s\", \"code\": %d, \"status\": %d, \"wall_ns\": %" PRIu64 ", \"cpu_ns\": %" PRIu64
            ", \"instructions\": %" PRIu64 ", \"peak_memory\": %" PRIu64 ", \"live_processes\": %u}\n",
            ends[r->end], r->code, status, r->wall_ns, r->cpu_ns, r->instructions, r->peak_memory, r->live_processes);
    return fclose(f) ? fail(STATUS_FAILED, "--report: cannot write %s: %s", path, strerror(errno)) : 0;
}

static int run_box(const struct command_line *l, struct belljar_box *b)
{
    struct belljar_result result;
    struct belljar_error why;
    int err = 0;
    for (unsigned i = 0; i < l->put.n && !err; i++) err = put_file(b, &l->put.at[i]);
    if (err) return err;
    running = b;
    int code = belljar_box_run(b, &result, &why);
    running = NULL;
    if (code) return fail(status_of(code), "%s", why.text);
    int status = end_status(l, &result);
    for (unsigned i = 0; i < l->get.n; i++) {
        int failed = get_file(b, &l->get.at[i]);
        if (failed && !status) status = failed;
    }
    if (l->report && (err = write_report(l->report, &result, status)) && !status) status = err;
    return status;
}

static int run_program(const struct command_line *l)
{
    struct belljar_image *image;
    struct belljar_box *b;
    struct belljar_error why;
    int code = belljar_image_open(l->image, &image, &why);
    if (code) return fail(status_of(code), "%s", why.text);
    catch_signals();
    code = belljar_box_new(image, &l->box, &b, &why);
    int status = code ? fail(status_of(code), "%s", why.text) : run_box(l, b);
    if (!code) belljar_box_free(b);
    belljar_image_close(image);
    return status;
}

int main(int argc, char **argv)
{
    if (argc > 1 && !strcmp(argv[1], "image")) return image_command(argc - 1, argv + 1);
    if (argc == 2 && !strcmp(argv[1], "syscalls")) return syscalls_command();
    if (argc == 2 && !strcmp(argv[1], "insns")) return insns_command();
    struct command_line line;
    int status = options_parse(&line, argc, argv);
    if (!status && !line.done) status = run_program(&line);
    options_free(&line);
    return status;
}
