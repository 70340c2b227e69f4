// See fuzz_box.h.
#include "fuzz_box.h"
#include "arena.h"
#include "fuzz_ahead.h"
#include "cpu/code.h"
#include "cpu/cpu.h"
#include "cpu/insn.h"
#include "guest_run.h"
#include "host/exec.h"
#include "host/fault.h"
#include "jit/jit.h"
#include "jit/lockstep.h"
#include <stdlib.h>

enum { FRAMES = 64 + ARENA_FRAMES, BUDGET = 3000, MOST_STOPS = 80 };

struct fuzz_box {
    struct ram ram;
    struct mem *mem;
    struct code *code;
    struct host_exec exec;
    bool named;
    struct fuzz_ahead *ahead; // NULL: all is translated while it runs, by one engine
    struct lockstep *lockstep;
    void *space;
    struct host_signal_stack *signal_stack;
    struct cpu cpu;
};

static bool map(struct fuzz_box *b, uint32_t addr, uint32_t pages, unsigned prot)
{
    uint32_t frame = ram_alloc(&b->ram, pages, true);
    return frame && mem_map(b->mem, addr >> PAGE_SHIFT, pages, frame, prot) == 0;
}

// The first data page's frame at a second address.
static bool map_shared(struct fuzz_box *b)
{
    uint32_t frame = pte_frame(mem_pte(b->mem, DATA_LOW >> PAGE_SHIFT));
    ram_ref(&b->ram, frame);
    return mem_map(b->mem, SHARED_BASE >> PAGE_SHIFT, 1, frame, MEM_R | MEM_W) == 0;
}

static bool map_code(struct fuzz_box *b, bool ahead)
{
    if (!ahead) return map(b, CODE_BASE, CODE_PAGES, MEM_R | MEM_X);
    return (b->ahead = fuzz_ahead_open(&b->ram, b->mem)) != NULL;
}

// Each name's last page; the page before and the next but one behind, which are nobody's.
static bool map_named(struct fuzz_box *b)
{
    static const uint32_t low[] = {(uint32_t)ARENA_NAME, (uint32_t)NAME_MIXED};
    bool ok = arena_name(b->mem, b->code, NAME_MIXED);
    for (unsigned i = 0; i < 2 && ok; i++)
        ok = map(b, low[i] + ARENA_NAME_BYTES - PAGE, 1, MEM_R | MEM_W) && map(b, low[i] - PAGE, 1, MEM_R) &&
             map(b, low[i] + ARENA_NAME_BYTES + PAGE, 1, MEM_R);
    return ok;
}

static bool map_all(struct fuzz_box *b, bool ahead)
{
    bool ok = (!b->named || map_named(b)) && map_code(b, ahead) && map(b, STACK_BASE, STACK_PAGES, MEM_R | MEM_W) &&
              map(b, MIXED_BASE, 1, MEM_R | MEM_W | MEM_X);
    for (unsigned i = 0; i < DATA_PAGES && ok; i++)
        if (data_present(i)) ok = map(b, DATA_LOW + i * PAGE, 1, MEM_R | (data_writable(i) ? MEM_W : 0));
    return ok && map_shared(b);
}

static bool open_engine(struct fuzz_box *b, const char **why)
{
    if (host_exec_new(&b->exec, JIT_BYTES, 0)) return false;
    b->lockstep = lockstep_new(&b->exec, CPU_LEVEL_V3, true, why);
    if (b->lockstep) b->space = lockstep_enter(b->lockstep, b->mem, b->code);
    return b->space != NULL;
}

struct fuzz_box *fuzz_box_open(enum fuzz_kind kind)
{
    bool ahead = kind == FUZZ_AHEAD;
    const char *why = "out of memory";
    struct fuzz_box *b = aligned_alloc(64, (sizeof *b + 63) & ~(size_t)63);
    if (!b) return NULL;
    memset(b, 0, sizeof *b);
    b->named = kind == FUZZ_NAMED;
    if (ram_open(&b->ram, FRAMES)) return NULL;
    b->mem = mem_new(&b->ram, MEM_DIRECT);
    b->code = b->mem ? code_new(b->mem, CPU_LEVEL_V3) : NULL;
    bool good = b->code && map_all(b, ahead) && (ahead || open_engine(b, &why));
    b->signal_stack = host_signal_stack_new();
    if (good) return b;
    fprintf(stderr, "jit-fuzz: %s\n", why);
    return NULL;
}

void fuzz_box_close(struct fuzz_box *b)
{
    if (!b->ahead) {
        lockstep_leave(b->space);
        lockstep_free(b->lockstep);
    }
    code_free(b->code);
    mem_free(b->mem);
    if (b->ahead) fuzz_ahead_close(b->ahead);
    ram_close(&b->ram);
    host_exec_free(&b->exec);
    host_signal_stack_free(b->signal_stack);
    free(b);
}

// ---- a case ----

// Of a page that the guest cannot write, too.
static uint8_t *page_bytes(struct fuzz_box *b, uint32_t page)
{
    return ram_ptr(&b->ram, pte_frame(mem_pte(b->mem, page)));
}

static void fill_pages(struct fuzz_box *b, uint32_t addr, uint32_t pages, struct rng *r)
{
    for (uint32_t i = 0; i < pages; i++) {
        uint32_t page = (addr >> PAGE_SHIFT) + i;
        if (!mem_pte(b->mem, page)) continue;
        (void)mem_host(b->mem, page << PAGE_SHIFT, MEM_W);
        uint8_t *to = page_bytes(b, page);
        for (unsigned k = 0; k < PAGE; k += 8) {
            uint64_t v = rng_next(r) & (rng_below(r, 4) ? ~0ull : 0xffff);
            memcpy(to + k, &v, 8);
        }
    }
}

static void put_code(struct fuzz_box *b, const struct program *p)
{
    uint32_t page = CODE_BASE >> PAGE_SHIFT;
    (void)mem_host(b->mem, MIXED_BASE, MEM_W);
    memset(page_bytes(b, MIXED_BASE >> PAGE_SHIFT), 0xcc, PAGE);
    if (b->ahead) return;                         // it is in its file
    mem_protect(b->mem, page, CODE_PAGES, MEM_R); // drops what was made of the code before
    mem_protect(b->mem, page, CODE_PAGES, MEM_R | MEM_X);
    memset(page_bytes(b, page), 0xcc, CODE_PAGES * PAGE);
    memcpy(page_bytes(b, p->base >> PAGE_SHIFT) + p->base % PAGE, p->code, p->n);
}

// Past an instruction that faults. False: there is none.
static bool step_over(struct fuzz_box *b)
{
    struct insn in;
    uint64_t pc = b->cpu.rip;
    const uint8_t *at = pc < MEM_TOP ? mem_host(b->mem, (uint32_t)pc, MEM_X) : NULL;
    if (!at || b->cpu.fault.vector == VEC_BP) return false;
    unsigned avail = PAGE - (unsigned)(pc % PAGE);
    int n = insn_decode(&in, at, avail < 15 ? avail : 15, (uint32_t)pc, CPU_LEVEL_V3, false);
    b->cpu.rip += n > 0 ? (unsigned)n : 1;
    return true;
}

static bool goes_on(struct fuzz_box *b, enum cpu_stop stop, struct rng *r, struct fuzz_counts *counts)
{
    counts->stops++;
    if (stop == STOP_RANDOM) cpu_give_random(&b->cpu, rng_next(r));
    if (stop == STOP_SYSCALL) b->cpu.regs[RAX] = rng_next(r) & 0xff;
    counts->faults += stop == STOP_FAULT;
    return stop != STOP_BUDGET && (stop != STOP_FAULT || step_over(b));
}

static const char *run(struct fuzz_box *b, const struct program *p, struct rng *r, struct fuzz_counts *counts)
{
    enum cpu_stop stop;
    unsigned left = MOST_STOPS, endless = lockstep_endless(b->lockstep);
    fill_pages(b, DATA_LOW, DATA_PAGES, r);
    fill_pages(b, STACK_BASE, STACK_PAGES, r);
    if (b->named) fill_pages(b, (uint32_t)ARENA_NAME + ARENA_NAME_BYTES - PAGE, 1, r);
    if (b->named) fill_pages(b, (uint32_t)NAME_MIXED + ARENA_NAME_BYTES - PAGE, 1, r);
    put_code(b, p);
    cpu_init(&b->cpu, CPU_LEVEL_V3);
    cpu_attach(&b->cpu, b->mem, b->code);
    guest_load_state(&b->cpu, &p->in);
    do {
        b->cpu.budget = BUDGET;
        stop = lockstep_run(b->lockstep, &b->cpu);
        if (lockstep_difference(b->lockstep)) return lockstep_difference(b->lockstep);
    } while (goes_on(b, stop, r, counts) && --left && lockstep_endless(b->lockstep) == endless);
    counts->insns += b->cpu.insn_count;
    return NULL;
}

static const char *run_in_new_engine(struct fuzz_box *b, const struct program *p, struct rng *r,
                                     struct fuzz_counts *counts)
{
    b->lockstep = fuzz_ahead_begin(b->ahead, b->mem, b->code);
    return b->lockstep ? run(b, p, r, counts) : "no engine";
}

// All is the same in both runs, but for the shards in the second.
static const char *run_twice(struct fuzz_box *b, const struct program *p, struct rng *r, struct fuzz_counts *counts)
{
    struct rng dice = {rng_next(r)}, first = *r;
    struct fuzz_counts untold = {0};
    fuzz_ahead_put(b->ahead, b->mem, p, &dice);
    const char *wrong = run_in_new_engine(b, p, &first, &untold);
    if (!wrong) wrong = fuzz_ahead_make(b->ahead, p, &dice, &counts->ahead);
    if (wrong) return wrong;
    fuzz_ahead_end(b->ahead, &untold.ahead);
    counts->second = true;
    wrong = run_in_new_engine(b, p, r, counts);
    if (wrong) return wrong;
    counts->second = false;
    fuzz_ahead_end(b->ahead, &counts->ahead);
    fuzz_ahead_forget(b->ahead);
    return NULL;
}

const char *fuzz_run(struct fuzz_box *b, struct program *p, struct rng *r, struct fuzz_counts *counts)
{
    if (b->ahead && p->base >= MIXED_BASE) p->in.rip = p->base += CODE_BASE - MIXED_BASE; // a page of no file
    const char *wrong = b->ahead ? run_twice(b, p, r, counts) : run(b, p, r, counts);
    counts->cases += !wrong;
    return wrong;
}
