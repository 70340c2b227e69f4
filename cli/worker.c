// The worker: closes the jail around itself, builds the box, takes the files in, runs the program and gives the files
// out. It opens nothing: what it needs from outside it inherits (streams, trace, image) or asks the broker for.
#include "cli/worker.h"
#include "cli/channel.h"
#include "host/jail.h"
#include <signal.h>
#include <string.h>
#include <unistd.h>

#ifndef BELLJAR_SANITIZED
#define BELLJAR_SANITIZED 0
#endif

enum { CHANNEL = 3, TRACE = 4, IMAGE = JAIL_OWN, PROFILE, CACHE }; // where host_jail_descriptors puts them

struct worker {
    struct command_line *line;
    int channel;
    struct cachefill *cache;
    struct shares *shares;
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

static int enter_jail(struct worker *w, int image, int broker)
{
    struct command_line *l = w->line;
    make_code(w);
    bool trace = l->box.trace_fd > 2;
    int outside[3] = {w->channel}, noutside = 1, link = 0;
    if (trace) outside[noutside++] = l->box.trace_fd;
    if (w->shares->server.pid) link = noutside, outside[noutside++] = w->shares->server.link;
    int own[] = {image, w->cache->profile, w->cache->store.fd};
    struct host_jail jail = {.outside = outside,
                             .noutside = (unsigned)noutside,
                             .own = own,
                             .nown = w->cache->profile < 0 ? 1
                                     : l->box.cache        ? 3
                                                           : 2,
                             .cpu_seconds = l->box.cpu_time_ns ? l->box.cpu_time_ns / 1000000000 + 10 : 0,
                             .parent = broker};
    char why[256];
    struct belljar_error unprepared;
    set_signals();
    if (belljar_prepare(&l->box, &unprepared)) return say_failed(w, unprepared.code, "", unprepared.text);
    if (host_jail_descriptors(&jail))
        return say_failed(w, BELLJAR_NO_RESOURCES, "", "the worker needs numbers for 64 descriptors (ulimit -n)");
    w->channel = CHANNEL;
    if (w->cache->profile >= 0) w->cache->profile = PROFILE;
    w->cache->store.fd = CACHE;
    if (trace) l->box.trace_fd = TRACE;
    if (link) shares_linked(w->shares, CHANNEL + link);
    l->image = strdup(l->image); // it may be a string of the environment
    if (!l->image) return say_failed(w, BELLJAR_NO_RESOURCES, "", "out of memory");
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
    for (unsigned i = 0; i < l->get.n && !err; i++) err = get_file(w, &l->get.at[i]);
    return err;
}

int worker_main(struct command_line *l, int channel, struct cachefill *cache, struct shares *shares, int image,
                int broker)
{
    struct worker w = {.line = l, .channel = channel, .cache = cache, .shares = shares};
    struct belljar_image *opened;
    struct belljar_error why;
    belljar_trace_phase(&l->box, "in the worker");
    if (enter_jail(&w, image, broker)) return 1;
    belljar_trace_phase(&l->box, "jail closed");
    int code = belljar_image_open_fd(IMAGE, l->image, &opened, &why);
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
