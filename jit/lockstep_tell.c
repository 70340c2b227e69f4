// See lockstep_inside.h: what is compared of two states, and how they are shown.
#include "host/capstone.h"
#include "jit/lockstep_inside.h"
#include <inttypes.h>
#include <string.h>

static const char *const reg_names[16] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                          "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};
static const char *const stop_names[] = {"system call", "fault", "budget", "request", "random", "tier"};

// ---- comparing ----

static uint64_t compared_bits(const struct lockstep_end *e, unsigned reg, uint64_t flags)
{
    uint64_t v = e->cpu.regs[reg];
    return e->stop == STOP_SYSCALL && reg == R11 ? v & flags : v; // SYSCALL leaves EFLAGS there
}

static bool numbers_differ(char *text, const char *name, uint64_t a, uint64_t b)
{
    if (a == b) return false;
    snprintf(text, LOCKSTEP_TEXT, "%s: %#" PRIx64 ", translated %#" PRIx64, name, a, b);
    return true;
}

static bool registers_differ(const struct lockstep_end *a, const struct lockstep_end *b, uint64_t flags, char *text)
{
    for (unsigned i = 0; i < 16; i++)
        if (numbers_differ(text, reg_names[i], compared_bits(a, i, flags), compared_bits(b, i, flags))) return true;
    return false;
}

static bool faults_differ(const struct lockstep_end *a, const struct lockstep_end *b, char *text)
{
    const struct cpu_fault *f = &a->cpu.fault, *g = &b->cpu.fault;
    if (a->stop != STOP_FAULT) return false;
    if (numbers_differ(text, "exception", f->vector, g->vector)) return true;
    if (f->vector != VEC_PF) return false;
    return numbers_differ(text, "fault's access", f->access, g->access) ||
           numbers_differ(text, "fault's present", f->present, g->present) ||
           numbers_differ(text, "fault's address", f->addr, g->addr);
}

static bool fpus_differ(const struct fpu *a, const struct fpu *b, char *text)
{
    char name[16];
    if (numbers_differ(text, "x87 control", a->cw, b->cw) || numbers_differ(text, "x87 status", a->sw, b->sw) ||
        numbers_differ(text, "x87 tags", a->tag, b->tag))
        return true;
    for (unsigned i = 0; i < 8; i++) {
        snprintf(name, sizeof name, "x87 r%u", i);
        if (numbers_differ(text, name, a->st[i].frac, b->st[i].frac) ||
            numbers_differ(text, name, a->st[i].se, b->st[i].se))
            return true;
    }
    return false;
}

static bool vectors_differ(const struct cpu *a, const struct cpu *b, char *text)
{
    char name[24];
    for (unsigned i = 0; i < 16; i++)
        for (unsigned k = 0; k < 4; k++) {
            snprintf(name, sizeof name, "ymm%u[%u]", i, k);
            if (numbers_differ(text, name, a->v[i].u64[k], b->v[i].u64[k])) return true;
        }
    return false;
}

static bool segments_differ(const struct cpu *a, const struct cpu *b, char *text)
{
    for (unsigned i = 0; i < 6; i++)
        if (numbers_differ(text, "segment", a->seg_sel[i], b->seg_sel[i])) return true;
    return numbers_differ(text, "fs base", a->seg_base[SEG_FS], b->seg_base[SEG_FS]) ||
           numbers_differ(text, "gs base", a->seg_base[SEG_GS], b->seg_base[SEG_GS]);
}

bool lockstep_compare(const struct lockstep_end *a, const struct lockstep_end *b, bool counts, uint64_t flags,
                      char *text)
{
    if (a->stop != b->stop) {
        snprintf(text, LOCKSTEP_TEXT, "stop: %s, translated %s", stop_names[a->stop], stop_names[b->stop]);
        return true;
    }
    return numbers_differ(text, "rip", a->cpu.rip, b->cpu.rip) || registers_differ(a, b, flags, text) ||
           numbers_differ(text, "flags", cpu_eflags(&a->cpu) & flags, cpu_eflags(&b->cpu) & flags) ||
           faults_differ(a, b, text) || numbers_differ(text, "mxcsr", a->cpu.mxcsr, b->cpu.mxcsr) ||
           fpus_differ(&a->cpu.fpu, &b->cpu.fpu, text) || vectors_differ(&a->cpu, &b->cpu, text) ||
           segments_differ(&a->cpu, &b->cpu, text) ||
           (counts && numbers_differ(text, "instructions", a->cpu.insn_count, b->cpu.insn_count));
}

// ---- showing ----

static void tell_state(FILE *f, const char *name, const char *why, const struct cpu *c)
{
    fprintf(f, "  %s: %s at %#" PRIx64 ", flags %#" PRIx64 ", mxcsr %#x, fs base %#" PRIx64 ", gs base %#" PRIx64, name,
            why, c->rip, cpu_eflags(c), c->mxcsr, c->seg_base[SEG_FS], c->seg_base[SEG_GS]);
    for (unsigned i = 0; i < 16; i++)
        fprintf(f, "%s%-3s %016" PRIx64, i % 4 ? "  " : "\n    ", reg_names[i], c->regs[i]);
    fprintf(f, "\n");
    if (strcmp(why, stop_names[STOP_FAULT]) == 0)
        fprintf(f, "    exception %u, access %u, present %d, address %#" PRIx64 "\n", c->fault.vector, c->fault.access,
                c->fault.present, c->fault.addr);
}

static void tell_vectors(FILE *f, const struct cpu *before, const struct cpu *a, const struct cpu *b)
{
    const struct cpu *of[] = {before, a, b};
    for (unsigned i = 0; i < 16; i++) {
        if (!memcmp(&a->v[i], &b->v[i], sizeof a->v[i])) continue;
        for (unsigned k = 0; k < 3; k++)
            fprintf(f, "    ymm%-2u %016" PRIx64 " %016" PRIx64 " %016" PRIx64 " %016" PRIx64 " %s\n", i,
                    of[k]->v[i].u64[3], of[k]->v[i].u64[2], of[k]->v[i].u64[1], of[k]->v[i].u64[0],
                    k == 0   ? "before"
                    : k == 1 ? "interpreted"
                             : "translated");
    }
}

static void tell_fpu(FILE *f, const char *name, const struct fpu *x)
{
    fprintf(f, "    %-11s x87 control %#x status %#x tags %#x", name, x->cw, x->sw, x->tag);
    for (unsigned i = 0; i < 8; i++) fprintf(f, " %04x.%016" PRIx64, x->st[i].se, x->st[i].frac);
    fprintf(f, "\n");
}

void lockstep_tell_states(FILE *f, const struct cpu *before, const struct lockstep_end *a, const struct lockstep_end *b)
{
    char text[LOCKSTEP_TEXT];
    tell_state(f, "before", "state", before);
    tell_state(f, "interpreted", stop_names[a->stop], &a->cpu);
    tell_state(f, "translated", stop_names[b->stop], &b->cpu);
    tell_vectors(f, before, &a->cpu, &b->cpu);
    if (!fpus_differ(&a->cpu.fpu, &b->cpu.fpu, text)) return;
    tell_fpu(f, "before", &before->fpu);
    tell_fpu(f, "interpreted", &a->cpu.fpu);
    tell_fpu(f, "translated", &b->cpu.fpu);
}

static size_t fetch(struct mem *m, uint64_t pc, uint8_t *to, size_t n)
{
    size_t got = 0;
    for (; got < n && pc + got < MEM_TOP; got++) {
        const uint8_t *p = mem_host(m, (uint32_t)(pc + got), MEM_X);
        if (!p) break;
        to[got] = *p;
    }
    return got;
}

static void tell_insns(FILE *f, const struct host_capstone *c, const uint8_t *bytes, size_t n, uint64_t pc,
                       unsigned most)
{
    csh handle;
    cs_insn *insn;
    if (c->open(CS_ARCH_X86, CS_MODE_64, &handle) != CS_ERR_OK) return;
    size_t got = c->disasm(handle, bytes, n, pc, most, &insn);
    for (size_t i = 0; i < got; i++) {
        fprintf(f, "  %#" PRIx64 ":", insn[i].address);
        for (unsigned k = 0; k < insn[i].size; k++) fprintf(f, " %02x", insn[i].bytes[k]);
        fprintf(f, "   %s %s\n", insn[i].mnemonic, insn[i].op_str);
    }
    if (got) c->free(insn, got);
    c->close(&handle);
}

void lockstep_tell_code(FILE *f, struct mem *m, uint64_t pc, unsigned n)
{
    uint8_t bytes[15 * 8];
    struct host_capstone c;
    size_t got = fetch(m, pc, bytes, sizeof bytes);
    fprintf(f, "  code at %#" PRIx64 ":", pc);
    for (size_t i = 0; i < got && i < 16; i++) fprintf(f, " %02x", bytes[i]);
    fprintf(f, "\n");
    if (host_capstone_open(&c)) return;
    tell_insns(f, &c, bytes, got, pc, n);
    host_capstone_close(&c);
}
