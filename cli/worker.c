// The worker: closes the jail around itself, builds the box, takes the files in, runs the program and gives the files
// out. It opens nothing: what it needs from outside it inherits (streams, trace, image) or asks the broker for.
#include "cli/worker.h"
#include "cli/channel.h"
#include "host/jail.h"
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#ifndef BELLJAR_SANITIZED
#define BELLJAR_SANITIZED 0
#endif

// Descriptors on their way into the jail, where they get numbers in this order.
struct passage {
    int fd[JAIL_FDS];
    unsigned n;
    int first; // number
};

struct worker {
    struct command_line *line;
    int channel;
    struct cachefill *cache;
    int image;                      // -1: `pool` is it
    struct belljar_pool_image pool; // and its head
    const struct disk_head *head;
    struct shares *shares;
    const struct deltakeep *delta;
    int memory;
    struct belljar_box *box;
};

static struct belljar_box *volatile running; // for the signal handler

static void on_signal(int sig)
{
    struct belljar_box *b = running;
    if (b) belljar_box_signal(b, sig - channel_signal(0));
}

// ---------------------------------------------------------------- messages

static void say(const struct worker *w, enum channel_say what)
{
    struct channel_message m = {.say = what};
    channel_send(w->channel, &m, sizeof m);
}

static int say_failed(const struct worker *w, enum belljar_code code, const char *what, const char *text)
{
    struct channel_message m = {.say = SAY_FAILED, .code = code};
    snprintf(m.text, sizeof m.text, "%s%s", what, text);
    channel_send(w->channel, &m, sizeof m);
    return -1;
}

// ---------------------------------------------------------------- into the jail

// The host's environment is in this process's memory, and may hold what the guest must not know.
static void forget_environment(void)
{
    for (char **e = environ; e && *e; e++) memset(*e, 0, strlen(*e));
}

// The broker passes signals on; what the terminal sends to the whole process group is not for us.
static void set_signals(void)
{
    static const int ignored[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH, SIGUSR1, SIGUSR2};
    struct sigaction ignore = {.sa_handler = SIG_IGN}, act = {.sa_handler = on_signal, .sa_flags = SA_ONSTACK};
    sigset_t forwarded;
    sigemptyset(&forwarded);
    for (unsigned i = 0; i < sizeof ignored / sizeof *ignored; i++) {
        sigaction(ignored[i], &ignore, NULL);
        sigaction(channel_signal(ignored[i]), &act, NULL);
        sigaddset(&forwarded, channel_signal(ignored[i]));
    }
    signal(SIGCONT, SIG_DFL);                   // the broker catches it
    sigprocmask(SIG_SETMASK, &forwarded, NULL); // until there is a box that could take one
}

static void accept_signals(struct belljar_box *b)
{
    sigset_t none;
    sigemptyset(&none);
    running = b;
    sigprocmask(SIG_SETMASK, &none, NULL);
}

// The files that it makes are memory; its limit on their size comes with the jail.
static void allow_large_files(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_FSIZE, &limit)) return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_FSIZE, &limit);
}

// The jail allows no executable memory, so it is made before. Without, the box is interpreted.
static void make_code(struct worker *w)
{
    struct belljar_options *o = &w->line->box;
    struct belljar_error why;
    uint32_t top = w->cache->store.head ? w->cache->store.head->top : 0;
    if (o->engine == BELLJAR_INTERP || o->exact) return;
    if (top && !belljar_code_memory_new_at(&o->code, top, NULL)) cachefill_lend(w->cache, o);
    if (o->code || !belljar_code_memory_new(&o->code, &why)) return;
    if (o->trace & BELLJAR_TRACE_JIT) dprintf(o->trace_fd, "jit: interpreting: %s\n", why.text);
    o->engine = BELLJAR_INTERP;
}

// The number that it will have; -1 stays -1.
static int pass(struct passage *p, int fd)
{
    if (fd < 0) return -1;
    p->fd[p->n] = fd;
    return p->first + (int)p->n++;
}

// The image first: a group may not be empty.
static void pass_image(struct worker *w, struct passage *outside, struct passage *own, const struct imageserver *server)
{
    int of_server[IMAGESERVER_OWN];
    w->image = pass(own, w->image);
    if (w->image >= 0) return;
    imageserver_own(server, of_server);
    w->pool = (struct belljar_pool_image){.name = server->name};
    w->pool.blocks = pass(own, of_server[0]);
    w->pool.table = pass(own, of_server[1]);
    w->pool.spare = pass(own, of_server[2]);
    pass(own, of_server[3]);
    w->pool.link = pass(outside, server->server.link);
}

static int move_descriptors(struct worker *w, const struct imageserver *server, struct host_jail *jail)
{
    struct belljar_options *o = &w->line->box;
    struct passage outside = {.first = 3}, own = {.first = JAIL_OWN};
    int shares = -1;
    w->channel = pass(&outside, w->channel);
    if (o->trace_fd > 2) o->trace_fd = pass(&outside, o->trace_fd);
    pass_image(w, &outside, &own, server);
    if (w->delta->server.pid) o->delta = pass(&outside, w->delta->server.link);
    if (w->shares->server.pid) shares = pass(&outside, w->shares->server.link);
    o->memory_file = pass(&own, w->memory);
    w->cache->profile = pass(&own, w->cache->profile);
    w->cache->store.fd = pass(&own, o->cache ? w->cache->store.fd : -1);
    jail->outside = outside.fd;
    jail->noutside = outside.n;
    jail->own = own.fd;
    jail->nown = own.n;
    int err = host_jail_descriptors(jail);
    if (!err && shares >= 0) shares_linked(w->shares, shares);
    return err;
}

static int enter_jail(struct worker *w, const struct imageserver *server, int broker)
{
    struct command_line *l = w->line;
    allow_large_files();
    make_code(w);
    struct host_jail jail = {.cpu_seconds = l->box.cpu_time_ns ? l->box.cpu_time_ns / 1000000000 + 10 : 0,
                             .parent = broker};
    char why[256];
    struct belljar_error unprepared;
    set_signals();
    if (belljar_prepare(&l->box, &unprepared)) return say_failed(w, unprepared.code, "", unprepared.text);
    int channel = w->channel;
    if (move_descriptors(w, server, &jail)) {
        w->channel = channel;
        return say_failed(w, BELLJAR_NO_RESOURCES, "", "the worker needs numbers for 64 descriptors (ulimit -n)");
    }
    l->image = strdup(l->image); // it may be a string of the environment
    if (!l->image) return say_failed(w, BELLJAR_NO_RESOURCES, "", "out of memory");
    if (server->name == server->image) w->pool.name = l->image;
    forget_environment();
    if (!l->jail) return host_jail_bind(&jail);
    return host_jail_close(&jail, why, sizeof why) ? say_failed(w, BELLJAR_NO_RESOURCES, "", why) : 0;
}

// ---------------------------------------------------------------- files in and out

static int put_file(struct worker *w, const struct copy *c)
{
    struct channel_file file;
    struct belljar_error why;
    say(w, SAY_PUT);
    if (channel_take(w->channel, &file, sizeof file) != sizeof file || !file.good) return -1;
    // An empty packet reads as the end of a file does.
    if (!belljar_box_put_fd(w->box, c->to, file.mode, w->channel, &why)) return 0;
    return say_failed(w, why.code, "--put: ", why.text);
}

static int get_file(struct worker *w, const struct copy *c)
{
    struct channel_file file;
    struct belljar_error why = {0};
    struct channel_message got = {.say = SAY_GOT};
    say(w, SAY_GET);
    if (channel_take(w->channel, &file, sizeof file) != sizeof file) return -1;
    if (!file.good) return 0;
    got.code = (uint32_t)belljar_box_get_fd(w->box, c->from, w->channel, &why);
    snprintf(got.text, sizeof got.text, "%s", why.text);
    if (channel_send(w->channel, "", 0)) return -1;
    return channel_send(w->channel, &got, sizeof got);
}

// ---------------------------------------------------------------- the box

// The broker takes its line of progress from the terminal first.
static void before_output(void *ctx)
{
    const struct worker *w = ctx;
    char none;
    say(w, SAY_OUTPUT);
    (void)channel_take(w->channel, &none, 1);
}

static int save(struct worker *w)
{
    struct channel_message saved = {.say = SAY_SAVED};
    struct belljar_error why = {0};
    saved.code = (uint32_t)belljar_box_save(w->box, &why);
    snprintf(saved.text, sizeof saved.text, "%s", why.text);
    return channel_send(w->channel, &saved, sizeof saved);
}

static int run_box(struct worker *w)
{
    const struct command_line *l = w->line;
    struct channel_message end = {.say = SAY_END};
    struct belljar_error why;
    int err = 0;
    for (unsigned i = 0; i < l->put.n && !err; i++) err = put_file(w, &l->put.at[i]);
    if (err) return err;
    accept_signals(w->box);
    int code = belljar_box_run(w->box, &end.result, &why);
    running = NULL;
    if (!code && w->cache->profile >= 0) (void)belljar_box_profile(w->box, w->cache->profile, NULL);
    if (code) return say_failed(w, (enum belljar_code)code, "", why.text);
    err = channel_send(w->channel, &end, sizeof end);
    if (!err && l->box.delta) err = save(w);
    for (unsigned i = 0; i < l->get.n && !err; i++) err = get_file(w, &l->get.at[i]);
    return err;
}

static int open_image(const struct worker *w, struct belljar_image **out, struct belljar_error *why)
{
    if (w->image >= 0) return belljar_image_open_fd(w->image, w->line->image, out, why);
    int code = belljar_image_open_pool(&w->pool, out, why);
    if (!code) cachefill_name(w->cache, w->head->digest);
    return code;
}

int worker_main(struct command_line *l, const struct inherited *from)
{
    struct worker w = {.line = l,
                       .channel = from->channel,
                       .cache = from->cache,
                       .shares = from->shares,
                       .delta = from->delta,
                       .memory = from->memory,
                       .image = from->image,
                       .head = from->server->head};
    struct belljar_image *opened;
    struct belljar_error why;
    belljar_trace_phase(&l->box, "in the worker");
    if (from->server->progress) {
        l->box.before_output = before_output;
        l->box.before_output_ctx = &w;
    }
    if (enter_jail(&w, from->server, from->broker)) return 1;
    belljar_trace_phase(&l->box, "jail closed");
    int code = open_image(&w, &opened, &why);
    if (code) return say_failed(&w, why.code, "", why.text);
    belljar_trace_phase(&l->box, "image opened");
    code = belljar_box_new(opened, &l->box, &w.box, &why);
    belljar_trace_phase(&l->box, "box made");
    if (code) {
        say_failed(&w, why.code, "", why.text);
    } else {
        run_box(&w);
    }
    if (!BELLJAR_SANITIZED) return 0; // the end of the process frees all at once
    belljar_box_free(w.box);
    belljar_image_close(opened);
    belljar_code_memory_free(l->box.code);
    return 0;
}
