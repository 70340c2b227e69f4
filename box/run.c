// Running a box: guest threads take turns (syscalls/sched.c); when all of them wait, this is the one place where the
// host thread sleeps.
#include "box/box.h"
#include "host/clock.h"
#include "vfs/blockdev.h"
#include <string.h>

enum { MAX_POLL = 9 };

// ---------------------------------------------------------------- what comes from outside

static void send_signals(struct belljar_box *b)
{
    uint64_t set = __atomic_exchange_n(&b->host.signals, 0, __ATOMIC_ACQ_REL);
    for (int sig = 1; set; sig++, set >>= 1) {
        if (!(set & 1)) continue;
        if (sig == LX_SIGWINCH)
            terminal_resize(b);
        else
            terminal_signal(b, sig);
    }
}

static void take_orders(struct belljar_box *b)
{
    host_wake_drain(&b->host.wake);
    send_signals(b);
    if (!b->host.stop) return;
    if (b->box.end_reason == BOX_RUNNING) b->box.end_reason = BOX_END_ASKED;
    b->box.dying = true;
}

// Ask the host about everything somebody waits for, and wake those for whom it is there.
static void poll_host(struct belljar_box *b, int64_t timeout_ns)
{
    struct host_pollfd p[MAX_POLL] = {{.fd = b->host.wake.r, .want = HOST_IN}};
    struct waitq *queue[MAX_POLL] = {0};
    unsigned n = 1 + stdio_poll_set(b, p + 1, queue + 1), all = n + terminal_poll_set(b, p + n);
    int disk = blockdev_waits(b->device);
    p[all] = (struct host_pollfd){.fd = disk, .want = HOST_IN};
    if (!host_poll(p, all + (disk >= 0), timeout_ns)) return;
    if (p[all].ready) b->device->ops->news(b->device);
    if (p[0].ready) take_orders(b);
    for (unsigned i = 1; i < n; i++)
        if (p[i].ready) waitq_wake(queue[i]);
    for (unsigned i = n; i < all; i++)
        if (p[i].ready) terminal_ready(b, p[i].ready);
}

static int64_t idle_time(const struct belljar_box *b, uint64_t until)
{
    if (until == UINT64_MAX) return -1;
    uint64_t now = box_monotonic(&b->box);
    return until > now ? (int64_t)(until - now) : 0;
}

static void run_until_end(struct belljar_box *b)
{
    for (;;) {
        uint64_t until = UINT64_MAX;
        enum sched_result r = sched_run(&b->box, &until);
        if (r == SCHED_ENDED) return;
        poll_host(b, r == SCHED_IDLE ? idle_time(b, until) : 0);
    }
}

// ---------------------------------------------------------------- the end

static unsigned count_live(const struct box *box)
{
    unsigned n = 0;
    for (const struct process *p = box->processes; p; p = p->next)
        n += p->state == PROC_ALIVE && p != box->init && p != box->reaper;
    return n;
}

static void tell_end(const struct box *box, struct belljar_result *r)
{
    int status = box->init_status;
    switch (box->end_reason) {
    case BOX_END_TIMEOUT:
    case BOX_END_CPU_TIME:
        r->end = BELLJAR_TIMEOUT;
        return;
    case BOX_END_OUTPUT:
        r->end = BELLJAR_OUTPUT_LIMIT;
        return;
    case BOX_END_ASKED:
        r->end = BELLJAR_STOPPED;
        return;
    default:
        r->end = status & 0x7f ? BELLJAR_KILLED : BELLJAR_EXITED;
        r->code = status & 0x7f ? status & 0x7f : status >> 8 & 0xff;
    }
}

int belljar_box_run(struct belljar_box *b, struct belljar_result *result, struct belljar_error *why)
{
    struct host_sigpipe sigpipe;
    if (b->ran) return belljar_fail(why, BELLJAR_BAD_OPTION, "this box has been run already");
    b->ran = true;
    int code = box_load(b, why);
    belljar_trace_phase(b->options, "program mapped");
    if (!code) code = engine_start(b, why);
    if (code) return code;
    belljar_trace_phase(b->options, "first instruction");
    uint64_t start = host_clock_monotonic();
    host_sigpipe_block(&sigpipe);
    b->device->stalls = b->options->deterministic;
    run_until_end(b);
    b->device->stalls = true; // for files that are taken out
    belljar_trace_phase(b->options, "program ended");
    vfs_finish(b->box.vfs);
    host_sigpipe_restore(&sigpipe);
    engine_stop(b);
    terminal_close(b);
    memset(result, 0, sizeof *result);
    code = engine_failed(b, why);
    tell_end(&b->box, result);
    result->wall_ns = host_clock_monotonic() - start;
    result->cpu_ns = b->box.cpu_ns;
    result->instructions = engine_counts(b) ? b->box.insn_count : 0;
    result->peak_memory = (uint64_t)ram_peak(&b->box.ram) * PAGE_BYTES;
    result->live_processes = count_live(&b->box);
    memcpy(result->damage, b->damage, sizeof result->damage);
    return code;
}

void belljar_box_signal(struct belljar_box *b, int sig)
{
    if (sig < 1 || sig > NSIG) return;
    __atomic_fetch_or(&b->host.signals, 1ull << (sig - 1), __ATOMIC_ACQ_REL);
    host_wake_ring(&b->host.wake);
}

void belljar_box_stop(struct belljar_box *b)
{
    b->host.stop = 1;
    host_wake_ring(&b->host.wake);
}

int belljar_run(struct belljar_image *image, const struct belljar_options *options, struct belljar_result *result,
                struct belljar_error *why)
{
    struct belljar_box *b;
    int err = belljar_box_new(image, options, &b, why);
    if (err) return err;
    err = belljar_box_run(b, result, why);
    belljar_box_free(b);
    return err;
}
