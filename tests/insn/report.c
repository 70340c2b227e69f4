// See report.h.
#include "report.h"
#include "disasm.h"
#include "cpu/cpu.h"
#include <string.h>

static const char *const gpr_names[GPR_COUNT] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                                 "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};

static void print_flags(FILE *f, uint64_t v)
{
    static const struct {
        uint64_t bit;
        char letter;
    } known[] = {{FLAG_ID, 'i'}, {FLAG_AC, 'a'}, {FLAG_NT, 'n'}, {FLAG_OF, 'O'}, {FLAG_DF, 'D'}, {FLAG_TF, 'T'},
                 {FLAG_SF, 'S'}, {FLAG_ZF, 'Z'}, {FLAG_AF, 'A'}, {FLAG_PF, 'P'}, {FLAG_CF, 'C'}};
    for (unsigned i = 0; i < sizeof known / sizeof *known; i++) fputc(v & known[i].bit ? known[i].letter : '-', f);
}

static void print_bytes(FILE *f, const uint8_t *p, unsigned n)
{
    for (unsigned i = 0; i < n; i++) fprintf(f, "%02x%s", p[i], i % 8 == 7 ? " " : "");
}

static void print_gprs(FILE *f, const struct machine *m)
{
    for (int i = 0; i < GPR_COUNT; i++)
        fprintf(f, "%s%-3s %016llx%s", i % 4 ? "  " : "    ", gpr_names[i], (unsigned long long)m->gpr[i],
                i % 4 == 3 ? "\n" : "");
}

static void print_memory(FILE *f, const struct test_case *c, const struct data_image *before)
{
    unsigned bytes = c->mem_bytes < 32 ? c->mem_bytes : 32;
    fprintf(f, "    [%#llx, %u bytes] ", (unsigned long long)c->mem, c->mem_bytes);
    if (c->mem >= data_base && c->mem + bytes <= data_base + DATA_BYTES)
        print_bytes(f, before->byte + (c->mem - data_base), bytes);
    fputc('\n', f);
}

static bool uses(const struct row *row, const char *letters)
{
    for (int i = 0; i < row->operand_count; i++)
        if (strchr(letters, row->operand[i][0])) return true;
    return false;
}

static void print_xmm(FILE *f, const struct test_case *c)
{
    const struct fx_image *fx = &c->in.fx;
    int shown[] = {c->modrm_reg, c->modrm_rm, c->vvvv};
    for (int i = 0; i < 3; i++)
        if (shown[i] >= 0)
            fprintf(f, "    xmm%-2d %016llx_%016llx\n", shown[i], (unsigned long long)fx->xmm[shown[i]][1],
                    (unsigned long long)fx->xmm[shown[i]][0]);
    fprintf(f, "    mxcsr %04x\n", fx->mxcsr);
}

static void print_x87(FILE *f, const struct fx_image *fx)
{
    fprintf(f, "    fcw %04x fsw %04x (top %d) tags %02x\n", fx->fcw, fx->fsw, fx->fsw >> 11 & 7, fx->ftw);
    for (int i = 0; i < 8; i++)
        fprintf(f, "%sst%d %04x_%016llx%s", i % 4 ? "  " : "    ", i, fx->st[i].se, (unsigned long long)fx->st[i].frac,
                i % 4 == 3 ? "\n" : "");
}

void report_case(FILE *f, const struct test_case *c, const struct data_image *before)
{
    struct disasm d = disassemble(c->bytes, c->len, c->in.rip);
    fprintf(f, "  %s:  ", c->row->id);
    print_bytes(f, c->bytes, c->len);
    fprintf(f, "  %s %s%s\n", d.len ? d.mnemonic : "(not known to Capstone)", d.operands,
            d.len && d.len != c->len ? "  (Capstone takes another length)" : "");
    fprintf(f, "    rip %08llx  eflags ", (unsigned long long)c->in.rip);
    print_flags(f, c->in.eflags);
    if (c->in.fs_base) fprintf(f, "  fs base %llx", (unsigned long long)c->in.fs_base);
    if (c->in.gs_base) fprintf(f, "  gs base %llx", (unsigned long long)c->in.gs_base);
    fputc('\n', f);
    print_gprs(f, &c->in);
    if (c->has_mem) print_memory(f, c, before);
    if (uses(c->row, "VWUH")) print_xmm(f, c);
    if (row_is_x87(c->row) || uses(c->row, "PQN")) print_x87(f, &c->in.fx);
}

static void print_outcome(FILE *f, const struct outcome *o)
{
    static const char *const names[] = {
        [0] = "#DE",  [1] = "#DB",  [3] = "#BP",  [4] = "#OF",  [5] = "#BR", [6] = "#UD",
        [13] = "#GP", [14] = "#PF", [16] = "#MF", [17] = "#AC", [19] = "#XM"};
    int v = o->vector;
    if (v == VECTOR_NONE)
        fprintf(f, "completed");
    else if (v == VECTOR_LOST)
        fprintf(f, "(neither completed nor faulted)");
    else if (v >= 0 && v < 20 && names[v])
        fprintf(f, "%s", names[v]);
    else
        fprintf(f, "vector %d", v);
    if (v == VEC_PF)
        fprintf(f, " at %#llx, %s, page %s", (unsigned long long)o->fault_addr,
                o->exec    ? "fetch"
                : o->write ? "write"
                           : "read",
                o->present ? "present" : "absent");
}

static void difference64(FILE *f, const char *name, uint64_t before, uint64_t host, uint64_t guest)
{
    if (host == guest) return;
    fprintf(f, "    %-6s expected %016llx  got %016llx  (before %016llx)\n", name, (unsigned long long)host,
            (unsigned long long)guest, (unsigned long long)before);
}

static void registers(FILE *f, const struct machine *before, const struct machine *h, const struct machine *g)
{
    char name[16];
    difference64(f, "rip", before->rip, h->rip, g->rip);
    for (int i = 0; i < GPR_COUNT; i++) difference64(f, gpr_names[i], before->gpr[i], h->gpr[i], g->gpr[i]);
    for (int i = 0; i < 16; i++) {
        for (int half = 1; half >= 0; half--) {
            snprintf(name, sizeof name, "xmm%d%s", i, half ? "h" : "l");
            difference64(f, name, before->fx.xmm[i][half], h->fx.xmm[i][half], g->fx.xmm[i][half]);
            snprintf(name, sizeof name, "ymm%d%s", i, half ? "h" : "l");
            difference64(f, name, before->ymm_high[i][half], h->ymm_high[i][half], g->ymm_high[i][half]);
        }
    }
    difference64(f, "fsbase", before->fs_base, h->fs_base, g->fs_base);
    difference64(f, "gsbase", before->gs_base, h->gs_base, g->gs_base);
    difference64(f, "mxcsr", before->fx.mxcsr, h->fx.mxcsr, g->fx.mxcsr);
    difference64(f, "fcw", before->fx.fcw, h->fx.fcw, g->fx.fcw);
    difference64(f, "fsw", before->fx.fsw, h->fx.fsw, g->fx.fsw);
    difference64(f, "tags", before->fx.ftw, h->fx.ftw, g->fx.ftw);
}

static void x87_registers(FILE *f, const struct fx_image *h, const struct fx_image *g)
{
    for (int i = 0; i < 8; i++) {
        if (h->st[i].frac == g->st[i].frac && h->st[i].se == g->st[i].se) continue;
        fprintf(f, "    st%d    expected %04x_%016llx  got %04x_%016llx\n", i, h->st[i].se,
                (unsigned long long)h->st[i].frac, g->st[i].se, (unsigned long long)g->st[i].frac);
    }
}

// The first bytes that differ.
static void memory(FILE *f, const struct data_image *before, const struct memories *m)
{
    for (unsigned i = 0; i < DATA_PAGES; i++) {
        if (!data_present(i)) continue;
        unsigned at = 0;
        while (at < PAGE && m->host[i][at] == m->guest[i][at]) at++;
        if (at == PAGE) continue;
        unsigned n = PAGE - at < 16 ? PAGE - at : 16;
        fprintf(f, "    memory at %#llx: expected ", (unsigned long long)data_base + i * PAGE + at);
        print_bytes(f, m->host[i] + at, n);
        fprintf(f, " got ");
        print_bytes(f, m->guest[i] + at, n);
        fprintf(f, " (before ");
        print_bytes(f, before->byte + i * PAGE + at, n);
        fprintf(f, ")\n");
        return;
    }
}

void report_difference(FILE *f, const struct test_case *c, const struct data_image *before, const struct outcome *host,
                       const struct outcome *guest, const struct memories *m, unsigned diff)
{
    report_case(f, c, before);
    if (diff & (DIFF_FAULT | DIFF_LOST)) {
        fprintf(f, "    expected ");
        print_outcome(f, host);
        fprintf(f, "; got ");
        print_outcome(f, guest);
        fputc('\n', f);
    }
    registers(f, &c->in, &host->after, &guest->after);
    if (diff & DIFF_FLAGS) {
        fprintf(f, "    eflags expected ");
        print_flags(f, host->after.eflags);
        fprintf(f, "  got ");
        print_flags(f, guest->after.eflags);
        fprintf(f, "  not compared ");
        print_flags(f, undefined_flags(c));
        fputc('\n', f);
    }
    if (diff & DIFF_X87) x87_registers(f, &host->after.fx, &guest->after.fx);
    if (diff & DIFF_MEMORY) memory(f, before, m);
}
