// See lockstep.h. A slice is undone by the pages that it wrote (mem_keep_begin), so both run in the same memory, one
// after the other.
#include "cpu/code.h"
#include "cpu/tier.h"
#include "host/capstone.h"
#include "host/clock.h"
#include "host/cpuid.h"
#include "host/fault.h"
#include "jit/cache.h"
#include "jit/lockstep_inside.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { COUNTING, PLAIN, ENGINES };
static const char *const engine_names[ENGINES] = {"counting", "plain"};

enum {
    LEAST = 2000,
    VARIES = 16384,           // slices take LEAST to LEAST + VARIES instructions
    ENDLESS_NS = 500000000ll, // a slice of some thousand instructions takes far less
    PLENTY = 1 << 24,         // of budget, where it does not end the slice
    AROUND = 8,               // instructions shown
    SHORTEN = 600,
};

struct lockstep {
    struct jit *jit[ENGINES];
    struct jit_check check;
    bool whole;
    bool amd; // is the host's CPU
    struct mem_kept interpreted, translated, traced;
    uint8_t *after; // of the pages the interpreter wrote, as it left them
    size_t room;
    char *text; // the difference
    unsigned endless;
    char what[LOCKSTEP_TEXT];
};

// Stands in the place of the code's tier: passes everything on, to one translator at a time or to none.
struct space {
    struct tier tier; // first
    struct jit_space *of[ENGINES];
    struct tier *active;
    unsigned last; // the translator whose targets are in the region's table
};

static bool due(struct tier *t, const struct cpu *cpu, uint64_t pc)
{
    struct tier *active = ((struct space *)(void *)t)->active;
    return active && active->due(active, cpu, pc);
}

static bool is_counted(struct tier *t, const struct cpu *cpu, uint64_t pc)
{
    struct tier *active = ((struct space *)(void *)t)->active;
    return active && active->counts(active, cpu, pc);
}

static const struct insn *run(struct tier *t, struct cpu *cpu)
{
    struct tier *active = ((struct space *)(void *)t)->active;
    return active->run(active, cpu);
}

static void changed(struct tier *t, uint32_t page)
{
    struct space *s = (void *)t;
    for (unsigned i = 0; i < ENGINES; i++) s->of[i]->tier.changed(&s->of[i]->tier, page);
}

// ---- life ----

void lockstep_load(void)
{
    char why[VERIFY_WHY];
    (void)host_capstone_load();
    (void)verify_load(why, sizeof why);
}

static bool is_amd(void)
{
    uint32_t reg[4] = {0};
#if defined(__x86_64__)
    host_cpuid(0, 0, reg);
#endif
    return reg[2] == 0x444d4163; // "cAMD" of AuthenticAMD
}

struct lockstep *lockstep_new(const struct host_exec *memory, enum cpu_level level, bool whole, const char **why)
{
    struct lockstep *l = calloc(1, sizeof *l);
    char text[VERIFY_WHY];
    *why = "out of memory";
    if (!l) return NULL;
    l->whole = whole;
    l->amd = is_amd();
    bool verifies = jit_check_open(&l->check, text, sizeof text);
    for (unsigned i = 0; i < ENGINES; i++) {
        size_t half = memory->bytes / ENGINES;
        struct host_exec part = {memory->rw + i * half, memory->rx + i * half, half, memory->top};
        struct jit_options o = {
            .level = level, .fuel = i == COUNTING, .eager = true, .longer = i != COUNTING, .verify_ctx = &l->check};
        if (verifies) o.verify = jit_check_block;
        l->jit[i] = jit_new(&part, &o, why);
        if (!l->jit[i]) {
            lockstep_free(l);
            return NULL;
        }
    }
    return l;
}

void lockstep_free(struct lockstep *l)
{
    if (!l) return;
    for (unsigned i = 0; i < ENGINES; i++) jit_free(l->jit[i]);
    if (l->check.verifier) jit_check_close(&l->check);
    mem_kept_free(&l->interpreted);
    mem_kept_free(&l->translated);
    mem_kept_free(&l->traced);
    free(l->after);
    free(l->text);
    free(l);
}

void lockstep_leave(void *space)
{
    struct space *s = space;
    if (!s) return;
    for (unsigned i = 0; i < ENGINES; i++) jit_space_free(s->of[i]);
    free(s);
}

void lockstep_named(void *space)
{
    const struct space *s = space;
    for (unsigned i = 0; s && i < ENGINES; i++) jit_space_named(s->of[i]);
}

void *lockstep_enter(struct lockstep *l, struct mem *mem, struct code *code)
{
    struct space *s = calloc(1, sizeof *s);
    if (!s) return NULL;
    s->tier = (struct tier){.due = due, .counts = is_counted, .run = run, .changed = changed};
    for (unsigned i = 0; i < ENGINES; i++)
        if (!(s->of[i] = jit_space_new(l->jit[i], mem, code))) {
            lockstep_leave(s);
            return NULL;
        }
    code_set_tier(code, &s->tier);
    return s;
}

const char *lockstep_difference(const struct lockstep *l)
{
    return l->text;
}

unsigned lockstep_endless(const struct lockstep *l)
{
    return l->endless;
}

// ---- one run ----

static void restart(struct cpu *cpu, const struct cpu *from)
{
    *cpu = *from;
    memset(cpu->returns, 0, sizeof cpu->returns); // guesses at decoded code, which may have gone since
}

static void interpret(struct cpu *cpu, struct lockstep_end *end)
{
    ((struct space *)(void *)code_tier(cpu->code))->active = NULL;
    end->stop = cpu_run(cpu);
    end->cpu = *cpu;
}

// Code that does not count is ended by a tick when it does not end.
static void translated(struct cpu *cpu, unsigned engine, struct lockstep_end *end)
{
    struct space *s = (void *)code_tier(cpu->code);
    struct host_ticker *ticker = engine == PLAIN ? host_ticker_start(ENDLESS_NS) : NULL;
    if (s->last != engine) space_forget_targets(s->of[engine]);
    s->last = engine;
    s->active = &s->of[engine]->tier;
    end->stop = cpu_run(cpu);
    end->cpu = *cpu;
    s->active = NULL;
    host_ticker_stop(ticker);
}

// ---- pages ----

static bool has_page(const struct mem_kept *k, uint32_t page)
{
    for (uint32_t i = 0; i < k->n; i++)
        if (k->page[i] == page) return true;
    return false;
}

static const void *page_now(struct mem *m, uint32_t page)
{
    return ram_ptr(m->ram, pte_frame(mem_pte(m, page)));
}

static void save_after(struct lockstep *l, struct mem *m)
{
    const struct mem_kept *k = &l->interpreted;
    if (k->n > l->room) {
        free(l->after);
        l->room = k->n + 64;
        l->after = malloc(l->room * PAGE_BYTES);
        if (!l->after) abort();
    }
    for (uint32_t i = 0; i < k->n; i++) memcpy(l->after + (size_t)i * PAGE_BYTES, page_now(m, k->page[i]), PAGE_BYTES);
}

static void restore_after(const struct lockstep *l, struct mem *m)
{
    const struct mem_kept *k = &l->interpreted;
    for (uint32_t i = 0; i < k->n; i++)
        memcpy(mem_host(m, k->page[i] << PAGE_SHIFT, MEM_W), l->after + (size_t)i * PAGE_BYTES, PAGE_BYTES);
}

static bool page_differs(struct lockstep *l, uint32_t page, const uint8_t *interpreted, const uint8_t *translated)
{
    if (!memcmp(interpreted, translated, PAGE_BYTES)) return false;
    uint32_t i = 0;
    while (interpreted[i] == translated[i]) i++;
    i = i > PAGE_BYTES - 8 ? PAGE_BYTES - 8 : i;
    uint64_t a, b;
    memcpy(&a, interpreted + i, 8);
    memcpy(&b, translated + i, 8);
    snprintf(l->what, sizeof l->what, "memory at %#x: %016" PRIx64 ", translated %016" PRIx64, (page << PAGE_SHIFT) + i,
             a, b);
    return true;
}

// Of every page that either wrote: what the interpreter left there, and what is there now.
static bool pages_differ(struct lockstep *l, struct mem *m)
{
    const struct mem_kept *a = &l->interpreted, *b = &l->translated;
    for (uint32_t i = 0; i < a->n; i++)
        if (page_differs(l, a->page[i], l->after + (size_t)i * PAGE_BYTES, page_now(m, a->page[i]))) return true;
    for (uint32_t i = 0; i < b->n; i++)
        if (!has_page(a, b->page[i]) &&
            page_differs(l, b->page[i], b->bytes + (size_t)i * PAGE_BYTES, page_now(m, b->page[i])))
            return true;
    return false;
}

// ---- flags that are undefined ----

// What is known of the flags before an instruction.
struct flags {
    uint64_t undefined;
    bool used; // something has come of one that was undefined, or of what is not compared: anything may differ
};

static bool is_one_of(const struct insn_row *row, const char *const *mnemonics)
{
    for (; *mnemonics; mnemonics++)
        if (!strcmp(row->mnemonic, *mnemonics)) return true;
    return false;
}

// A shift or rotation by CL may be one by 0, one by a constant is when the constant's low bits are, and a repeated
// comparison may be one of nothing: these change none.
static bool always_writes(const struct insn_row *row, const struct insn *in)
{
    static const char *const shifts[] = {"shl", "shr", "sal", "sar", "rol", "ror", "rcl", "rcr", "shld", "shrd", NULL};
    bool repeated = row->attr & INSN_ATTR_REPZ && in->pfx & (PFX_REP | PFX_REPNE);
    bool by_none = is_one_of(row, shifts) && strstr(row->operands, "Ib") && !(in->imm & (in->size == 8 ? 63 : 31));
    return !repeated && !by_none && !strstr(row->operands, "CL");
}

// It stores where the last x87 instruction stood (jit/x87.h).
static bool stores_place(const struct insn_row *row)
{
    static const char *const names[] = {"fnstenv",  "fnsave",  "fxsave",   "fxsave64",   "xsave", "xsavec",
                                        "xsaveopt", "xsave64", "xsavec64", "xsaveopt64", NULL};
    return is_one_of(row, names);
}

// Its result is undefined (SDM vol. 2): of 16 bits, for counts above 16.
static bool undefines_result(const struct insn_row *row, const struct insn *in)
{
    static const char *const names[] = {"shld", "shrd", "bswap", NULL};
    return in->size == 2 && is_one_of(row, names);
}

// Of 8 and 16 bits the count can be greater than the operand; then CF is undefined, too.
static uint64_t undefined_flags(const struct insn_row *row, const struct insn *in)
{
    static const char *const names[] = {"shl", "shr", "sal", NULL};
    return row->flags_undefined | (in->size < 4 && is_one_of(row, names) ? FLAG_CF : 0);
}

// A repeated copy between two addresses of one frame: what comes of an overlap there is the CPU's business (README.md).
static bool copies_into_itself(const struct cpu *cpu, const struct insn *in)
{
    if (in->id != INSN_MOVSB_YbXb && in->id != INSN_MOVS_YvXv) return false;
    if (!(in->pfx & (PFX_REP | PFX_REPNE))) return false;
    uint64_t from = (uint32_t)cpu->regs[RSI] >> PAGE_SHIFT, to = (uint32_t)cpu->regs[RDI] >> PAGE_SHIFT,
             pages = cpu->regs[RCX] / (PAGE_BYTES / 8) + 2;
    for (; pages > 0 && from < MEM_PAGES && to > 0 && to + 1 < MEM_PAGES; pages--, from++, to++) {
        pte_t shown = mem_pte(cpu->mem, (uint32_t)from);
        if (!shown || !mem_pte(cpu->mem, (uint32_t)to)) return false;
        for (uint64_t near = to - 1; near <= to + 1; near++)
            if (near != from && pte_frame(mem_pte(cpu->mem, (uint32_t)near)) == pte_frame(shown)) return true;
    }
    return false;
}

// The interpreter does as Intel's CPUs do. AMD's (seen on one of family 25) do not fault where an operand of SHA is not
// aligned, add in another order where sums of DPPS are NaN, say another thing in MXCSR of VCVTPS2PH and in the upper
// half of a gather's mask, and leave other flags behind a REP that a fault has ended.
static bool is_amds_own(const struct insn_row *row)
{
    static const char *const names[] = {"sha1rnds4",  "sha1nexte", "sha1msg1", "sha1msg2", "sha256rnds2", "sha256msg1",
                                        "sha256msg2", "dpps",      "dppd",     "vdpps",    "vdppd",       "vcvtps2ph",
                                        "cmpsb",      "cmps",      "scasb",    "scas",     NULL};
    return strstr(row->mnemonic, "gather") || is_one_of(row, names);
}

static void flags_behind(const struct lockstep *l, const struct cpu *cpu, struct flags *f)
{
    struct cpu_fault fault;
    const struct insn *in = code_lookup_few(cpu->code, cpu->rip, 1, true, &fault);
    if (!in || in->id >= INSN_COUNT) return;
    const struct insn_row *row = &insn_rows[in->id];
    static const char *const random[] = {"rdrand", "rdseed", NULL};
    if (is_one_of(row, random)) return;                                    // writes them later: cpu_give_random
    bool reads = row->flags_read & f->undefined && in->id != INSN_SYSCALL; // whose copy is compared as flags are
    f->used = f->used || (l->amd && is_amds_own(row)) || reads || stores_place(row) || undefines_result(row, in) ||
              copies_into_itself(cpu, in);
    if (always_writes(row, in)) f->undefined &= ~(uint64_t)row->flags_written;
    f->undefined |= undefined_flags(row, in);
}

// After n instructions from `from` on. Memory is as it is there, and is so again at the end.
static struct flags trace_flags(struct lockstep *l, const struct cpu *from, int64_t n)
{
    struct flags f = {0};
    struct lockstep_end end;
    struct cpu cpu;
    restart(&cpu, from);
    mem_keep_begin(cpu.mem, &l->traced);
    for (; n > 0; n--) {
        flags_behind(l, &cpu, &f);
        cpu.budget = 1;
        interpret(&cpu, &end);
    }
    const struct insn *next = code_lookup_few(cpu.code, cpu.rip, 1, true, &end.cpu.fault); // half done, or has faulted
    bool known = next && next->id < INSN_COUNT, amds = known && l->amd && is_amds_own(&insn_rows[next->id]);
    f.used = f.used || amds || (known && copies_into_itself(&cpu, next));
    mem_keep_end(cpu.mem);
    mem_undo(cpu.mem, &l->traced);
    return f;
}

// ---- a slice ----
// Everything here leaves memory as it found it: at the start of the slice.

struct slice {
    struct cpu from;
    struct lockstep_end interpreted, translated;
    int64_t n; // instructions that the interpreter retired
};

static void slice_interpret(struct lockstep *l, struct slice *s, const struct cpu *from)
{
    struct cpu cpu;
    s->from = *from;
    restart(&cpu, from);
    mem_keep_begin(cpu.mem, &l->interpreted);
    interpret(&cpu, &s->interpreted);
    mem_keep_end(cpu.mem);
    s->n = from->budget - cpu.budget;
    save_after(l, cpu.mem);
    mem_undo(cpu.mem, &l->interpreted);
}

// Does translated code make of it what the interpreter has? If not, l->what says where.
static bool slice_differs(struct lockstep *l, struct slice *s, unsigned engine)
{
    struct cpu cpu;
    restart(&cpu, &s->from);
    if (engine == PLAIN) cpu.budget += PLENTY;
    mem_keep_begin(cpu.mem, &l->translated);
    for (uint32_t i = 0; i < l->interpreted.n; i++) mem_keep_page(cpu.mem, l->interpreted.page[i]);
    translated(&cpu, engine, &s->translated);
    mem_keep_end(cpu.mem);
    bool memory = pages_differ(l, cpu.mem), counts = engine == COUNTING;
    mem_undo(cpu.mem, &l->translated);
    if (l->check.refused[0]) {
        snprintf(l->what, sizeof l->what, "the verifier refuses %s", l->check.refused);
        return true;
    }
    if (!memory && !lockstep_compare(&s->interpreted, &s->translated, counts, ~0ull, l->what)) return false;
    struct flags f = trace_flags(l, &s->from, s->n); // which takes long
    if (f.used) {
        l->endless += s->translated.stop == STOP_REQUEST;
        return false;
    }
    return memory || lockstep_compare(&s->interpreted, &s->translated, counts, ~f.undefined, l->what);
}

// ---- telling ----

// The slice `part` is `whole` from its instruction `skip` on, of `budget` instructions. Does it differ?
static bool part_differs(struct lockstep *l, const struct slice *whole, unsigned engine, int64_t skip, int64_t budget,
                         struct slice *part)
{
    struct mem *m = whole->from.mem;
    struct lockstep_end at;
    struct mem_kept skipped = {0};
    struct cpu cpu;
    restart(&cpu, &whole->from);
    cpu.budget = skip;
    mem_keep_begin(m, &skipped);
    if (skip) interpret(&cpu, &at);
    mem_keep_end(m);
    cpu.budget = budget;
    slice_interpret(l, part, &cpu);
    bool differ = slice_differs(l, part, engine);
    mem_undo(m, &skipped);
    mem_kept_free(&skipped);
    return differ;
}

// How many instructions can be left to the interpreter so that the rest still differs: the one behind them is the first
// that does, unless it takes more than itself to make the difference.
static int64_t bisect(struct lockstep *l, const struct slice *whole, unsigned engine, struct slice *part)
{
    int64_t lo = 0, hi = whole->n + 1;
    while (hi - lo > 1) {
        int64_t mid = lo + (hi - lo) / 2;
        if (part_differs(l, whole, engine, mid, whole->from.budget - mid, part))
            lo = mid;
        else
            hi = mid;
    }
    return lo;
}

// Where instructions are counted the slice can also be cut short: as much of it as it takes.
static int64_t shortest(struct lockstep *l, const struct slice *whole, unsigned engine, int64_t skip,
                        struct slice *part)
{
    int64_t all = whole->from.budget - skip;
    if (engine != COUNTING) return all;
    for (int64_t n = 1; n < all && n < SHORTEN; n++)
        if (part_differs(l, whole, engine, skip, n, part)) return n;
    return all;
}

static void tell(struct lockstep *l, const struct slice *whole, unsigned engine)
{
    size_t size;
    struct slice part;
    bool refused = l->check.refused[0];
    int64_t skip = refused ? 0 : bisect(l, whole, engine, &part);
    int64_t budget = refused ? whole->from.budget : shortest(l, whole, engine, skip, &part);
    bool again = part_differs(l, whole, engine, skip, budget, &part);
    FILE *f = open_memstream(&l->text, &size);
    if (!f) abort();
    fprintf(f,
            "interpreter and %s translator differ from %#" PRIx64 " on (instruction %" PRId64 " of %" PRId64 "): %s\n",
            engine_names[engine], part.from.rip, skip, whole->n, again ? l->what : "not again, when repeated");
    lockstep_tell_code(f, part.from.mem, part.from.rip, AROUND);
    lockstep_tell_states(f, &part.from, &part.interpreted, &part.translated);
    fclose(f);
}

// ---- running ----

// Translated code drops the upper half of an address that the interpreter does not fetch from.
static bool is_alias(const struct slice *s)
{
    return s->interpreted.stop == STOP_FAULT && s->interpreted.cpu.rip >= MEM_TOP;
}

// Nor does it look before accesses at 1 TiB and beyond, where no name is (cpu/mem.h), in memory with names; there the
// interpreter, which knows all 64 bits, faults.
static bool is_beyond_names(const struct slice *s)
{
    const struct cpu *cpu = &s->interpreted.cpu;
    struct cpu_fault fault;
    if (s->interpreted.stop != STOP_FAULT || !cpu->mem->probe) return false;
    const struct insn *in = code_lookup_few(cpu->code, cpu->rip, 1, true, &fault);
    if (!in || in->id >= INSN_COUNT || in->rm != INSN_MEM) return false;
    uint64_t at = insn_disp(in);
    if (in->base != REG_NONE) at += cpu->regs[in->base];
    if (in->index != REG_NONE) at += cpu->regs[in->index] << in->scale;
    if (in->pfx & PFX_ADDR32) at = (uint32_t)at;
    if (in->seg) at += cpu->seg_base[in->seg];
    return at >= (gaddr)MEM_NAMES << MEM_NAME_SHIFT;
}

// Changing from one translator to the other is expensive, so a slice that both can run is run by both every so often.
static bool is_turn(const struct slice *s)
{
    return (s->from.insn_count * 0x9e3779b97f4a7c15 >> 61) == 0;
}

static bool compare_slice(struct lockstep *l, struct slice *s)
{
    bool by_itself = s->interpreted.stop != STOP_BUDGET, wants[ENGINES] = {!by_itself || is_turn(s), by_itself};
    if (is_alias(s) || is_beyond_names(s)) return true;
    for (unsigned i = 0; i < ENGINES; i++) {
        if (!wants[i]) continue;
        if (!slice_differs(l, s, i)) continue;
        tell(l, s, i);
        return false;
    }
    return true;
}

static enum cpu_stop run_slice(struct lockstep *l, struct cpu *cpu)
{
    struct slice s;
    slice_interpret(l, &s, cpu);
    if (!compare_slice(l, &s)) return STOP_REQUEST;
    restore_after(l, cpu->mem);
    restart(cpu, &s.interpreted.cpu);
    return s.interpreted.stop;
}

enum cpu_stop lockstep_run(struct lockstep *l, struct cpu *cpu)
{
    enum cpu_stop stop = STOP_BUDGET;
    int64_t left = cpu->budget;
    if (!code_tier(cpu->code)) return cpu_run(cpu);
    bool fix = !cpu->tsc_fixed;
    if (fix) cpu->tsc_fixed = host_clock_monotonic() + cpu->tsc_offset;
    while (left > 0 && stop == STOP_BUDGET && !l->text) {
        int64_t most = LEAST + (int64_t)(cpu->insn_count * 0x9e3779b97f4a7c15 >> 40) % VARIES;
        int64_t budget = left < most ? left : most;
        cpu->budget = budget;
        stop = run_slice(l, cpu);
        left -= budget - cpu->budget;
        if (!l->whole && stop == STOP_BUDGET && left > 0) stop = STOP_REQUEST;
    }
    if (fix) cpu->tsc_fixed = 0;
    cpu->budget = left;
    return stop;
}
