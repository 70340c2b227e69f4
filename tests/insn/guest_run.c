// See guest_run.h.
#include "guest_run.h"
#include "cpu/code.h"
#include "cpu/cpu.h"
#include "cpu/mem.h"
#include "host/ram.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GUEST_FRAMES = 64 };

struct guest {
    struct ram ram;
    struct mem *mem;
    struct code *code;
    struct cpu cpu;
    uint8_t *code_bytes, *data[DATA_PAGES];
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
        g->data[i] = map_frames(g, DATA_BASE + i * PAGE, 1, MEM_R | (data_writable(i) ? MEM_W : 0));
        ok = ok && g->data[i];
    }
    return ok;
}

struct guest *guest_open(bool checked)
{
    struct guest *g = aligned_alloc(64, (sizeof *g + 63) & ~(size_t)63);
    if (!g) return NULL;
    memset(g, 0, sizeof *g);
    if (ram_open(&g->ram, GUEST_FRAMES)) return fprintf(stderr, "guest_run: no memory\n"), free(g), NULL;
    g->mem = mem_new(&g->ram, checked ? MEM_CHECKED : MEM_DIRECT);
    g->code = g->mem ? code_new(g->mem, CPU_LEVEL_V3) : NULL;
    if (!g->code || !map_arena(g)) return fprintf(stderr, "guest_run: cannot make an address space\n"), NULL;
    cpu_init(&g->cpu, CPU_LEVEL_V3);
    cpu_attach(&g->cpu, g->mem, g->code);
    return g;
}

void guest_close(struct guest *g)
{
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

static void load_state(struct cpu *cpu, const struct machine *m)
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

void guest_run(struct guest *g, const struct machine *in, struct outcome *out)
{
    memset(out, 0, sizeof *out);
    load_state(&g->cpu, in);
    g->cpu.budget = 1;
    enum cpu_stop stop = cpu_run(&g->cpu);
    out->vector = stop == STOP_BUDGET ? VECTOR_NONE : stop == STOP_SYSCALL ? VECTOR_SYSCALL : VECTOR_LOST;
    if (stop == STOP_RANDOM) {
        cpu_give_random(&g->cpu, GUEST_RANDOM);
        out->vector = VECTOR_NONE;
    }
    if (stop == STOP_FAULT) save_fault(out, &g->cpu.fault);
    save_state(&out->after, &g->cpu);
}
