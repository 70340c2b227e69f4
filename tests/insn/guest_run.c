// See guest_run.h.
#include "guest_run.h"
#include "arena.h"
#include "cpu/code.h"
#include "cpu/cpu.h"
#include "cpu/mem.h"
#include "host/ram.h"
#include "tests/eager_jit.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const guest_engine_names[GUEST_ENGINES] = {"direct memory", "checked memory", "translated"};

enum { GUEST_FRAMES = 64 + ARENA_FRAMES, ENOUGH = 1000 /* instructions, to pay for a block and what is behind it */ };

struct guest {
    struct ram ram;
    struct mem *mem;
    struct code *code;
    struct cpu cpu;
    uint8_t *code_bytes, *data[DATA_PAGES];
    struct eager_jit translator;
    struct jit_space *space; // NULL: interpreted
    char complaint[VERIFY_WHY + 100];
};

// Maps fresh frames at addr; returns their host address.
static uint8_t *map_frames(struct guest *g, uint32_t addr, uint32_t pages, unsigned prot)
{
    uint32_t frame = ram_alloc(&g->ram, pages, true);
    if (!frame || mem_map(g->mem, addr >> PAGE_SHIFT, pages, frame, prot)) return NULL;
    return ram_ptr(&g->ram, frame);
}

static bool map_arena(struct guest *g)
{
    g->code_bytes = map_frames(g, CODE_BASE, CODE_PAGES, MEM_R | MEM_W | MEM_X);
    bool ok = g->code_bytes != NULL;
    for (unsigned i = 0; i < DATA_PAGES; i++) {
        if (!data_present(i)) continue;
        g->data[i] = map_frames(g, arena_low(data_base) + i * PAGE, 1, MEM_R | (data_writable(i) ? MEM_W : 0));
        ok = ok && g->data[i];
    }
    if (!arena_is_named()) return ok;
    return ok && map_frames(g, arena_beside(), 1, MEM_R) && arena_name(g->mem, g->code, 0);
}

static bool start_jit(struct guest *g)
{
    char why[200];
    if (!eager_jit_open(&g->translator, CPU_LEVEL_V3, why, sizeof why))
        return fprintf(stderr, "guest_run: no translator: %s\n", why), false;
    g->space = jit_space_new(g->translator.jit, g->mem, g->code);
    if (!g->space) fprintf(stderr, "guest_run: no room for the table of targets\n");
    return g->space != NULL;
}

struct guest *guest_open(enum guest_engine engine)
{
    struct guest *g = aligned_alloc(64, (sizeof *g + 63) & ~(size_t)63);
    if (!g) return NULL;
    memset(g, 0, sizeof *g);
    if (ram_open(&g->ram, GUEST_FRAMES)) return fprintf(stderr, "guest_run: no memory\n"), free(g), NULL;
    g->mem = mem_new(&g->ram, engine == GUEST_CHECKED ? MEM_CHECKED : MEM_DIRECT);
    g->code = g->mem ? code_new(g->mem, CPU_LEVEL_V3) : NULL;
    if (!g->code || !map_arena(g)) return fprintf(stderr, "guest_run: cannot make an address space\n"), NULL;
    cpu_init(&g->cpu, CPU_LEVEL_V3);
    cpu_attach(&g->cpu, g->mem, g->code);
    return engine != GUEST_JIT || start_jit(g) ? g : NULL;
}

void guest_close(struct guest *g)
{
    jit_space_free(g->space);
    if (g->translator.jit) eager_jit_close(&g->translator);
    code_free(g->code);
    mem_free(g->mem);
    ram_close(&g->ram);
    free(g);
}

uint8_t *guest_data(struct guest *g, unsigned page)
{
    return g->data[page];
}
uint8_t *guest_code(struct guest *g)
{
    return g->code_bytes;
}

static void load_fpu(struct fpu *f, const struct fx_image *fx)
{
    unsigned top = fx->fsw >> 11 & 7;
    memset(f, 0, sizeof *f);
    f->cw = fx->fcw, f->sw = fx->fsw, f->tag = fx->ftw;
    for (unsigned i = 0; i < 8; i++) f->st[(top + i) & 7] = (struct f80){.frac = fx->st[i].frac, .se = fx->st[i].se};
}

static void save_fpu(struct fx_image *fx, const struct fpu *f)
{
    unsigned top = f->sw >> 11 & 7;
    fx->fcw = f->cw, fx->fsw = f->sw, fx->ftw = f->tag;
    for (unsigned i = 0; i < 8; i++) fx->st[i].frac = f->st[(top + i) & 7].frac, fx->st[i].se = f->st[(top + i) & 7].se;
}

void guest_load_state(struct cpu *cpu, const struct machine *m)
{
    memcpy(cpu->regs, m->gpr, sizeof m->gpr);
    cpu->rip = m->rip;
    cpu_set_eflags(cpu, m->eflags);
    cpu->seg_base[SEG_FS] = m->fs_base, cpu->seg_base[SEG_GS] = m->gs_base;
    load_fpu(&cpu->fpu, &m->fx);
    cpu->mxcsr = m->fx.mxcsr;
    for (int i = 0; i < 16; i++) {
        memcpy(cpu->v[i].u64, m->fx.xmm[i], 16);
        memcpy(cpu->v[i].u64 + 2, m->ymm_high[i], 16);
    }
}

static void save_state(struct machine *m, const struct cpu *cpu)
{
    memcpy(m->gpr, cpu->regs, sizeof m->gpr);
    m->rip = cpu->rip;
    m->eflags = cpu_eflags(cpu);
    m->fs_base = cpu->seg_base[SEG_FS], m->gs_base = cpu->seg_base[SEG_GS];
    save_fpu(&m->fx, &cpu->fpu);
    m->fx.mxcsr = cpu->mxcsr;
    for (int i = 0; i < 16; i++) {
        memcpy(m->fx.xmm[i], cpu->v[i].u64, 16);
        memcpy(m->ymm_high[i], cpu->v[i].u64 + 2, 16);
    }
}

static void save_fault(struct outcome *out, const struct cpu_fault *f)
{
    out->vector = f->vector;
    if (f->vector != VEC_PF) return;
    out->present = f->present;
    out->write = f->access == ACCESS_WRITE;
    out->exec = f->access == ACCESS_EXEC;
    out->fault_addr = f->addr;
}

static void interpret(struct guest *g, struct outcome *out)
{
    g->cpu.budget = 1;
    enum cpu_stop stop = cpu_run(&g->cpu);
    out->vector = stop == STOP_BUDGET ? VECTOR_NONE : stop == STOP_SYSCALL ? VECTOR_SYSCALL : VECTOR_LOST;
    if (stop == STOP_RANDOM) {
        cpu_give_random(&g->cpu, GUEST_RANDOM);
        out->vector = VECTOR_NONE;
    }
    if (stop == STOP_FAULT) save_fault(out, &g->cpu.fault);
}

// As the host's runner sees it (host_run.c): where the instruction has gone on to is INT3, or a page that cannot be
// executed. Returns how many instructions are to be counted.
static unsigned judge_fault(struct guest *g, uint64_t start, struct outcome *out)
{
    struct cpu *cpu = &g->cpu;
    save_fault(out, &cpu->fault);
    bool trap = out->vector == VEC_BP || out->vector == VEC_DB || out->vector == VEC_OF;
    bool behind = out->vector == VEC_BP && cpu->insn_count != 1;
    bool fetch = out->vector == VEC_PF && out->exec && cpu->rip != start;
    if (!behind && !fetch) return trap;
    memset(out, 0, sizeof *out);
    out->vector = VECTOR_NONE;
    cpu->rip -= behind;
    return behind ? 2 : 1;
}

// What was decoded and translated is dropped, as by a write of the guest's: before the next case's code is written.
static void forget_code(struct guest *g)
{
    for (unsigned i = 0; i < CODE_PAGES; i++) (void)mem_host(g->mem, CODE_BASE + i * PAGE, MEM_W);
}

static void translate_and_run(struct guest *g, uint64_t start, struct outcome *out)
{
    struct cpu *cpu = &g->cpu;
    unsigned counted = 1;
    cpu->insn_count = 0;
    cpu->budget = ENOUGH;
    enum cpu_stop stop = cpu_run(cpu);
    host_set_gs(0, false); // the C library's, and the host runner's
    out->vector = stop == STOP_SYSCALL ? VECTOR_SYSCALL : stop == STOP_RANDOM ? VECTOR_NONE : VECTOR_LOST;
    if (stop == STOP_RANDOM) cpu_give_random(cpu, GUEST_RANDOM);
    if (stop == STOP_FAULT) counted = judge_fault(g, start, out);
    g->complaint[0] = 0;
    if (g->translator.check.refused[0])
        snprintf(g->complaint, sizeof g->complaint, "refused: %s", g->translator.check.refused);
    else if (out->vector == VECTOR_LOST)
        snprintf(g->complaint, sizeof g->complaint, "stopped for reason %d", (int)stop);
    else if (cpu->insn_count != counted || cpu->budget != ENOUGH - (int64_t)counted)
        snprintf(g->complaint, sizeof g->complaint, "counted %llu instructions instead of %u, vector %d, rip %#llx",
                 (unsigned long long)cpu->insn_count, counted, out->vector, (unsigned long long)cpu->rip);
    if (g->complaint[0]) out->vector = VECTOR_LOST;
    g->translator.check.refused[0] = 0;
    forget_code(g);
}

void guest_run(struct guest *g, const struct machine *in, struct outcome *out)
{
    memset(out, 0, sizeof *out);
    guest_load_state(&g->cpu, in);
    if (g->space)
        translate_and_run(g, in->rip, out);
    else
        interpret(g, out);
    save_state(&out->after, &g->cpu);
}

const char *guest_complaint(const struct guest *g)
{
    return g->complaint;
}

uint64_t guest_entered(const struct guest *g)
{
    struct jit_stats stats = {0};
    if (g->space) jit_stats(g->translator.jit, &stats);
    return stats.exits;
}
