// How a box runs its guest's code: interpreted only, or with the translator as a second tier (jit/).
//
// What a host lacks for the translator is no error: the box is interpreted then, and says why with --trace jit.
#include "box/box.h"
#include "host/fault.h"
#include "jit/check.h"
#include "jit/lockstep.h"
#include "jit/store.h"
#include "syscalls/mm.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TICK_NS = 4000000 };

struct belljar_code_memory {
    struct host_exec memory;
};

struct engine {
    struct jit *jit;
    struct lockstep *lockstep;
    struct jit_check check;          // --verify-code
    struct belljar_code_memory *own; // made for this box, when the options bring none
    struct host_ticker *ticker;
    struct host_signal_stack *stack;
    bool told;
    bool lost;
};

int belljar_code_memory_new(struct belljar_code_memory **out, struct belljar_error *why)
{
    return belljar_code_memory_new_at(out, 0, why);
}

void *belljar_code_memory_window(struct belljar_code_memory *c)
{
    return (void *)(uintptr_t)((uint64_t)c->memory.top << 32);
}

int belljar_code_memory_new_at(struct belljar_code_memory **out, uint32_t top, struct belljar_error *why)
{
    struct belljar_code_memory *c = calloc(1, sizeof *c);
    int err = c ? host_exec_new(&c->memory, JIT_BYTES, top) : -LX_ENOMEM;
    *out = err ? NULL : c;
    if (!err) return BELLJAR_OK;
    free(c);
    return belljar_fail(why, BELLJAR_NO_RESOURCES, "the host gives no executable memory: %s", strerror(-err));
}

void belljar_code_memory_free(struct belljar_code_memory *c)
{
    if (!c) return;
    host_exec_free(&c->memory);
    free(c);
}

// Said once a box.
static void fall_back(struct belljar_box *b, const char *why)
{
    char line[200];
    int n = snprintf(line, sizeof line, "jit: interpreting: %s\n", why);
    if (b->engine->told || !(b->options->trace & BELLJAR_TRACE_JIT)) return;
    b->engine->told = true;
    (void)host_write_all(b->options->trace_fd, line, (size_t)n);
}

// ---- what code belongs to (jit/view.h) ----

static bool mapping_at(void *owner, uint32_t page, struct jit_mapping *m)
{
    const struct vma *v = vma_at(owner, page);
    if (!v) return false;
    *m = (struct jit_mapping){.first = v->start, .end = v->end};
    m->shareable = v->inode && !(v->flags & LX_MAP_SHARED) && v->prot & LX_PROT_EXEC && !(v->prot & LX_PROT_WRITE);
    if (!m->shareable) return true;
    m->device = v->inode->fs->dev;
    m->inode = v->inode->ino;
    m->offset = v->pgoff;
    m->of_image = inode_is_pristine(v->inode);
    return true;
}

static uint32_t show_page(void *owner, uint32_t page)
{
    return mm_show_file(owner, page);
}

static const struct jit_source source = {.mapping = mapping_at, .show = show_page};

static void space_changed(void *ctx, void *space, uint32_t first, uint32_t end)
{
    (void)ctx;
    jit_space_changed(space, first, end);
}

static void space_named(void *ctx, void *space)
{
    (void)ctx;
    jit_space_named(space);
}

// ---- translated ----

static void *enter_space(void *ctx, struct mm *mm)
{
    struct belljar_box *b = ctx;
    struct jit_space *space = jit_space_new(b->engine->jit, mm_mem(mm), mm_code(mm));
    if (space)
        jit_space_share(space, mm);
    else
        fall_back(b, "no room for the table of targets (vm.overcommit_memory is 2, or a limit on address space)");
    return space;
}

static void leave_space(void *ctx, void *space)
{
    (void)ctx;
    jit_space_free(space);
}

static const struct host_exec *code_memory(struct belljar_box *b)
{
    struct belljar_error why;
    if (b->options->code) return &b->options->code->memory;
    if (belljar_code_memory_new(&b->engine->own, &why)) {
        fall_back(b, why.text);
        return NULL;
    }
    return &b->engine->own->memory;
}

static void end_early(struct belljar_box *b)
{
    b->box.end_reason = BOX_END_ASKED;
    b->box.dying = true;
}

// What is refused is not run: its code is interpreted until this turn ends, and with it the box.
static bool judge(void *ctx, const struct jit *jit, uint32_t block)
{
    struct belljar_box *b = ctx;
    if (jit_check_block(&b->engine->check, jit, block)) return true;
    end_early(b);
    return false;
}

static void lost(void *ctx)
{
    struct belljar_box *b = ctx;
    b->engine->lost = true;
    end_early(b);
}

// Only where its code is: elsewhere in the window of this memory there is none.
static const struct store *store_for(const struct belljar_options *o, const struct host_exec *memory)
{
    const struct store *s = o->cache ? o->cache->file : NULL;
    return s && s->head->top == memory->top ? s : NULL;
}

static void set_tier(struct belljar_box *b)
{
    const struct belljar_options *o = b->options;
    struct jit_options options = {.level = b->box.level,
                                  .fuel = o->deterministic,
                                  .eager = o->jit_eager,
                                  .host_tsc = !o->deterministic,
                                  .source = source,
                                  .timed = o->trace & BELLJAR_TRACE_JIT,
                                  .image = o->cache ? o->cache->image : NULL,
                                  .verify = o->verify_code ? judge : NULL,
                                  .verify_ctx = b,
                                  .lost = lost,
                                  .ctx = b};
    const char *why;
    const struct host_exec *memory = code_memory(b);
    if (!memory) return;
    options.store = store_for(o, memory);
    b->engine->jit = jit_new(memory, &options, &why);
    b->box.host_tsc = b->engine->jit && options.host_tsc;
    if (b->engine->jit)
        b->box.tier = (struct box_tier){.ctx = b,
                                        .enter = enter_space,
                                        .leave = leave_space,
                                        .changed = space_changed,
                                        .named = jit_can_probe() ? space_named : NULL};
    else
        fall_back(b, why);
}

// ---- side by side ----

// Its spaces share nothing: shared code also runs from a page that is absent, where the interpreter faults.
static void *enter_lockstep(void *ctx, struct mm *mm)
{
    struct belljar_box *b = ctx;
    return lockstep_enter(b->engine->lockstep, mm_mem(mm), mm_code(mm));
}

static void named_lockstep(void *ctx, void *space)
{
    (void)ctx;
    lockstep_named(space);
}

static void leave_lockstep(void *ctx, void *space)
{
    (void)ctx;
    lockstep_leave(space);
}

static void end_different(struct belljar_box *b, const char *text)
{
    (void)host_write_all(b->options->trace_fd, text, strlen(text));
    end_early(b);
}

static enum cpu_stop run_lockstep(void *ctx, struct cpu *cpu)
{
    struct belljar_box *b = ctx;
    enum cpu_stop stop = lockstep_run(b->engine->lockstep, cpu);
    const char *difference = lockstep_difference(b->engine->lockstep);
    if (difference && !b->box.dying) end_different(b, difference);
    return stop;
}

static void set_lockstep(struct belljar_box *b)
{
    const char *why;
    const struct host_exec *memory = code_memory(b);
    if (!memory) return;
    b->engine->lockstep = lockstep_new(memory, b->box.level, b->options->deterministic, &why);
    if (b->engine->lockstep)
        b->box.tier = (struct box_tier){.ctx = b,
                                        .enter = enter_lockstep,
                                        .leave = leave_lockstep,
                                        .named = jit_can_probe() ? named_lockstep : NULL,
                                        .run = run_lockstep};
    else
        fall_back(b, why);
}

int engine_failed(const struct belljar_box *b, struct belljar_error *why)
{
    const char *text = b->engine->lockstep ? lockstep_difference(b->engine->lockstep) : NULL;
    if (b->engine->check.refused[0])
        return belljar_fail(why, BELLJAR_BUG, "a mistake of the translator's, caught by the verifier: %s",
                            b->engine->check.refused);
    if (b->engine->lost)
        return belljar_fail(why, BELLJAR_BUG, "translated code left in a way in which it never does%s",
                            b->options->cache ? ": belljar cache clear removes what is kept of it" : "");
    if (!text) return 0;
    return belljar_fail(why, BELLJAR_DIFFERENT, "lockstep: %.*s", (int)strcspn(text, "\n"), text);
}

// ---- life ----

int engine_open(struct belljar_box *b, struct belljar_error *why)
{
    const struct belljar_options *o = b->options;
    char lacks[200];
    b->engine = calloc(1, sizeof *b->engine);
    if (!b->engine) return belljar_fail(why, BELLJAR_NO_RESOURCES, "out of memory");
    if (o->verify_code && o->engine == BELLJAR_JIT && !jit_check_open(&b->engine->check, lacks, sizeof lacks))
        return belljar_fail(why, BELLJAR_NO_RESOURCES, "%s", lacks);
    if (b->options->engine == BELLJAR_JIT && !b->options->exact) set_tier(b);
    if (b->options->engine == BELLJAR_LOCKSTEP && !b->options->exact) set_lockstep(b);
    return 0;
}

void engine_close(struct belljar_box *b)
{
    if (!b->engine) return;
    jit_free(b->engine->jit);
    if (b->engine->check.verifier) jit_check_close(&b->engine->check);
    lockstep_free(b->engine->lockstep);
    belljar_code_memory_free(b->engine->own);
    free(b->engine);
}

// The thread that runs the box: ticks end the turns of guest threads, since translated code counts no instructions.
// Without, or without a stack for signals, it is interpreted.
int engine_start(struct belljar_box *b, struct belljar_error *why)
{
    if (!b->engine->jit && !b->engine->lockstep) return BELLJAR_OK;
    bool ticks = b->engine->jit && !b->options->deterministic;
    b->engine->stack = host_signal_stack_new();
    if (ticks) b->engine->ticker = host_ticker_start(TICK_NS);
    if (b->engine->stack && !(ticks && !b->engine->ticker)) return BELLJAR_OK;
    if (b->engine->lockstep) return belljar_fail(why, BELLJAR_NO_RESOURCES, "no memory for a signal stack");
    jit_switch_off(b->engine->jit);
    fall_back(b, b->engine->stack ? "the host gives no timer (a limit on pending signals?)"
                                  : "no memory for a signal stack");
    return BELLJAR_OK;
}

struct profile_file {
    int fd;
    size_t n;
    uint8_t piece[32 << 10];
};

static bool flush_profile(struct profile_file *f)
{
    bool good = host_write_all(f->fd, f->piece, f->n) >= 0;
    f->n = 0;
    return good;
}

static bool put_profile(void *ctx, const void *from, size_t n)
{
    struct profile_file *f = ctx;
    for (size_t done = 0, part; done < n; done += part) {
        if (f->n == sizeof f->piece && !flush_profile(f)) return false;
        part = n - done < sizeof f->piece - f->n ? n - done : sizeof f->piece - f->n;
        memcpy(f->piece + f->n, (const uint8_t *)from + done, part);
        f->n += part;
    }
    return true;
}

int belljar_box_profile(struct belljar_box *b, int fd, struct belljar_error *why)
{
    struct profile_file *f = b->engine->jit ? malloc(sizeof *f) : NULL;
    if (!b->engine->jit) return BELLJAR_OK;
    if (f) *f = (struct profile_file){.fd = fd};
    bool good = f && jit_profile(b->engine->jit, put_profile, f) && flush_profile(f);
    free(f);
    return good ? BELLJAR_OK : belljar_fail(why, BELLJAR_NO_RESOURCES, "the profile cannot be written");
}

bool engine_counts(const struct belljar_box *b)
{
    return !b->engine->jit || b->options->deterministic;
}

// What the translator did, for --trace jit.
static void tell_stats(const struct belljar_box *b)
{
    struct jit_stats s;
    char line[800];
    if (!b->engine->jit || !(b->options->trace & BELLJAR_TRACE_JIT)) return;
    jit_stats(b->engine->jit, &s);
    int n = snprintf(line, sizeof line,
                     "jit: %" PRIu64 " blocks of %" PRIu64 " instructions, %" PRIu64
                     " bytes, in %.1f ms; emptied %" PRIu64 " times\n"
                     "jit: left %" PRIu64 " times: %" PRIu64 " system calls, %" PRIu64
                     " instructions for the interpreter, %" PRIu64 " other code for it, %" PRIu64 " branches, %" PRIu64
                     " computed branches, %" PRIu64 " faults (not those that were just mended, %" PRIu64 "), %" PRIu64
                     " ticks, %" PRIu64 " x87 loads, %" PRIu64 " out of fuel\n"
                     "jit: code changed on a page %" PRIu64 " times, %" PRIu64 " blocks went, %" PRIu64 " came back\n"
                     "jit: code cache: %" PRIu64 " shards used, entered %" PRIu64 " times\n",
                     s.blocks, s.insns, s.bytes, (double)s.translate_ns / 1e6, s.flushes, s.exits, s.syscalls,
                     s.operations, s.interpreted, s.branches, s.missed, s.faulted, s.mended, s.ticks, s.x87, s.fuel,
                     s.changes, s.killed, s.revived, s.shards, s.found);
    (void)host_write_all(b->options->trace_fd, line, (size_t)n);
}

static void tell_rows(const struct belljar_box *b)
{
    enum { ROWS = 8 };
    char line[600];
    uint64_t times;
    size_t n = (size_t)snprintf(line, sizeof line, "jit: interpreted most:");
    if (!b->engine->jit || !(b->options->trace & BELLJAR_TRACE_JIT)) return;
    for (unsigned i = 0; i < ROWS; i++) {
        const char *name = jit_most_handed(b->engine->jit, i, &times);
        if (!name) break;
        n += (size_t)snprintf(line + n, sizeof line - n, " %s %" PRIu64, name, times);
    }
    line[n++] = '\n';
    (void)host_write_all(b->options->trace_fd, line, n);
}

void engine_stop(struct belljar_box *b)
{
    tell_stats(b);
    tell_rows(b);
    host_ticker_stop(b->engine->ticker);
    host_signal_stack_free(b->engine->stack);
    b->engine->ticker = NULL;
    b->engine->stack = NULL;
}
