// Running translated code, and everything that makes it leave: the way back to a precise instruction of the guest.
//
// A fault or a tick inside emitted code is diverted (host/fault.h) to a piece that saves the registers and returns
// here; the instruction is found by the block's map, and the interpreter does it again from its start, which then
// faults, or does not, as the hardware would have it. So there is one place that knows faults: cpu/run.c.
#include "jit/run.h"
#include "cpu/flags.h"
#include "cpu/hostfp.h"
#include "cpu/op.h"
#include "host/fault.h"
#include "jit/cache.h"
#include "jit/emit.h"
#include "jit/enter.h"
#include "jit/view.h"
#include "jit/x87.h"

enum {
    EDGE = 64 << 10, // never mapped, at both ends of the guest's memory
    HEAT = 2,        // times that code is interpreted first
    LEAST_FUEL = 2 * TRACE_INSNS,
};

struct run {
    struct jit_space *space;
    struct jit *jit;
    struct cpu *cpu;
    uint64_t *words;
};

// ---- may it run here? ----

// The guest's flags and rsp are in the host's registers: nothing there that host code or a signal would stumble over.
static bool can_enter(const struct cpu *cpu)
{
    uint64_t sp = cpu->regs[RSP];
    return !(cpu->flags_other & (FLAG_DF | FLAG_TF | FLAG_AC)) && sp >= EDGE && sp < MEM_TOP - EDGE;
}

static bool has_fuel(const struct jit *j, const struct cpu *cpu)
{
    return !j->options.fuel || cpu->budget >= LEAST_FUEL;
}

static bool is_hot(struct jit_space *s, uint32_t pc)
{
    struct jit *j = s->jit;
    if (mem_is_restless(s->mem, pc >> PAGE_SHIFT)) return false;
    if (j->options.eager) return true;
    uint32_t view = view_at(s, pc);
    uint8_t *heat = cache_heat(j, view, pc);
    if (!(*heat & HEAT_MAX)) cache_ran(j, s, view, pc, 0);
    if ((*heat & HEAT_MAX) < HEAT) ++*heat;
    return (*heat & HEAT_MAX) >= HEAT;
}

static struct known *known_at(struct jit_space *s, uint32_t pc)
{
    return &s->known[pc * 0x9e3779b1u >> 26];
}
_Static_assert(sizeof((struct jit_space *)0)->known == sizeof(struct known) << 6, "known_at takes six bits");

// The place in the code memory, 0: not known.
static uint32_t known(struct jit_space *s, uint64_t pc)
{
    const struct known *k = known_at(s, (uint32_t)pc);
    return k->epoch == s->jit->epoch && k->pc == pc ? k->host : 0;
}

bool jit_due(struct tier *tier, const struct cpu *cpu, uint64_t pc)
{
    struct jit_space *s = (void *)tier;
    if (s->jit->off) return false;
    if (known(s, pc)) return true; // whether it can be entered, jit_run finds out
    if (pc >= MEM_TOP || !can_enter(cpu) || !has_fuel(s->jit, cpu)) return false;
    return cache_find(s->jit, view_at(s, (uint32_t)pc), (uint32_t)pc, R11_BOTH) || is_hot(s, (uint32_t)pc);
}

bool jit_counts(struct tier *tier, const struct cpu *cpu, uint64_t pc)
{
    const struct jit_space *s = (const void *)tier;
    return pc < MEM_TOP && !s->jit->off && can_enter(cpu) && has_fuel(s->jit, cpu);
}

void jit_changed(struct tier *tier, uint32_t page)
{
    cache_page_changed((void *)tier, page);
}

// A block for pc whose r11 is where `r11` allows, if the code there is worth one.
static uint32_t find_or_translate(struct run *r, uint64_t pc, unsigned r11)
{
    struct jit_space *s = r->space;
    if (pc >= MEM_TOP) return 0;
    uint32_t view = view_at(s, (uint32_t)pc), block = cache_find(r->jit, view, (uint32_t)pc, r11);
    if (block) return block;
    bool known = cache_find(r->jit, view, (uint32_t)pc, R11_BOTH) != 0;
    if (!known && !is_hot(s, (uint32_t)pc)) return 0;
    block = translate(s, (uint32_t)pc, r11 & R11_SLOT ? R11_SLOT : R11_REG);
    if (block) cache_ran(r->jit, s, view, (uint32_t)pc, 0); // is_hot may have taken it for something else
    if (r->jit->refused) cpu_interrupt(r->cpu);             // whoever runs it has something to decide
    return block;
}

// ---- in and out ----

typedef uint64_t pair __attribute__((vector_size(16)));

static inline pair upper(const struct cpu *cpu, unsigned i)
{
    pair half;
    memcpy(&half, &cpu->v[i].u64[2], sizeof half);
    return half;
}

static bool uppers_used(const struct cpu *cpu)
{
    pair any = {0};
    for (unsigned i = 0; i < 16; i += 8) // eight at a time: asked at every entry
        any |= (upper(cpu, i) | upper(cpu, i + 1)) | (upper(cpu, i + 2) | upper(cpu, i + 3)) |
               ((upper(cpu, i + 4) | upper(cpu, i + 5)) | (upper(cpu, i + 6) | upper(cpu, i + 7)));
    return (any[0] | any[1]) != 0;
}

static uint64_t address_of(const struct jit *j, uint32_t host)
{
    return (uint64_t)(uintptr_t)(j->memory.rx + host);
}

// The flags as EFLAGS has them: often still what the last run left, and then there is nothing to work out.
static uint32_t flags_now(const struct run *r)
{
    const struct left_flags *f = &r->jit->left_flags;
    bool same = f->res == r->cpu->flags_res && f->aux == r->cpu->flags_aux;
    return same ? f->eflags : flags_get(r->cpu);
}

// AH of LAHF: SF ZF AF PF CF where EFLAGS has them; AL: OF.
static void store_flags(struct run *r)
{
    struct left_flags *f = &r->jit->left_flags;
    uint32_t left = (uint32_t)r->words[SLOT_FLAGS], eflags = (left >> 8 & 0xd5) | (left & 1 ? FLAG_OF : 0);
    f->eflags = eflags;
    f->res = r->cpu->flags_res = flags_res_of(eflags);
    f->aux = r->cpu->flags_aux = flags_aux_of(eflags);
}

static void load_state(struct run *r, uint32_t host)
{
    struct cpu *cpu = r->cpu;
    uint64_t *w = r->words;
    w[SLOT_TARGET] = address_of(r->jit, host);
    w[SLOT_RSP] = (uint64_t)(uintptr_t)cpu->region + cpu->regs[RSP];
    w[SLOT_FS_BASE] = cpu->seg_base[SEG_FS];
    w[SLOT_GS_BASE] = cpu->seg_base[SEG_GS];
    w[SLOT_FLAGS] = flags_now(r);
    w[SLOT_VECTOR] = r->jit->ymm && uppers_used(cpu) ? VECTOR_YMM : VECTOR_XMM;
    w[SLOT_FUEL] = (uint64_t)cpu->budget;
}

static void store_state(struct run *r)
{
    struct cpu *cpu = r->cpu;
    const uint64_t *w = r->words;
    cpu->regs[RSP] = w[SLOT_RSP] - (uint64_t)(uintptr_t)cpu->region;
    store_flags(r);
    if (r->jit->options.fuel) cpu->budget = (int64_t)w[SLOT_FUEL];
}

// With SSE exceptions that the guest has unmasked: one that comes is SIGFPE, and diverted as any fault of emitted code.
// It is the guest's only there; whatever C computes has all of them masked (cpu/hostfp.h).
static void enter_unmasked(struct run *r)
{
    hostfp_unmask(r->cpu);
    jit_enter(r->cpu, r->words);
    hostfp_mask();
}

static void enter(struct run *r, uint32_t host)
{
    load_state(r, host);
    if (fp_wants_soft(r->cpu))
        enter_unmasked(r);
    else
        jit_enter(r->cpu, r->words);
    store_state(r);
    r->jit->stats.exits++;
}

// ---- where it stands ----

// The map entry of the instruction whose code has this place of the block.
static uint32_t entry_at(const struct jit *j, uint32_t block, uint32_t host)
{
    const struct map_entry *map = cache_map(j, block);
    uint32_t lo = 0, hi = cache_block(j, block)->insns;
    while (hi - lo > 1) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (map[mid].host <= host)
            lo = mid;
        else
            hi = mid;
    }
    return lo;
}

// Is this the string instruction of the entry, not begun or half done? Its pointers are host addresses.
static bool is_in_string(const struct map_entry *m, uint32_t host)
{
    uint32_t pointers = !!(m->flags & MAP_RDI) + !!(m->flags & MAP_RSI);
    return pointers && host - m->host == pointers * MAP_POINTER_BYTES;
}

static void end_string(struct cpu *cpu, const struct map_entry *m)
{
    if (m->flags & MAP_RDI) cpu->regs[RDI] = (uint32_t)cpu->regs[RDI];
    if (m->flags & MAP_RSI) cpu->regs[RSI] = (uint32_t)cpu->regs[RSI];
}

// A repeated string instruction has boundaries inside, which are all at its start (SDM vol. 2, REP).
static bool is_boundary(void *arg, uintptr_t rip)
{
    const struct jit *j = ((const struct run *)arg)->jit;
    uint32_t host = (uint32_t)(rip - (uintptr_t)j->memory.rx), block = cache_block_at(j, host);
    if (!block) return false;
    host -= cache_host(j, block);
    const struct map_entry *m = &cache_map(j, block)[entry_at(j, block, host)];
    return m->host == host || is_in_string(m, host);
}

// What was paid for instructions of the block from the i-th on, which have not run, is given back.
static void refund(const struct jit *j, struct cpu *cpu, uint32_t block, uint32_t i)
{
    if (!j->options.fuel) return;
    for (; i < cache_block(j, block)->insns; i++) cpu->budget += !(cache_map(j, block)[i].flags & MAP_OP);
}

// Paid again, when the interpreter has come through.
static void charge(const struct jit *j, struct cpu *cpu, uint32_t block, uint32_t i)
{
    if (!j->options.fuel) return;
    for (; i < cache_block(j, block)->insns; i++) cpu->budget -= !(cache_map(j, block)[i].flags & MAP_OP);
}

// After a fault or a tick: the guest's state at the start of the instruction. Returns the block it is in, 0: none.
static uint32_t recover(struct run *r)
{
    struct jit *j = r->jit;
    uint32_t host = (uint32_t)(r->jit->divert.rip - (uintptr_t)j->memory.rx);
    uint32_t block = r->jit->divert.rip ? cache_block_at(j, host) : 0;
    r->jit->divert.rip = 0; // so that it counts once
    if (!block) return 0;
    host -= cache_host(j, block);
    uint32_t i = entry_at(j, block, host);
    const struct map_entry *m = &cache_map(j, block)[i];
    bool at_start = m->host == host;
    if (m->flags & MAP_R11_REG && (at_start || !(m->flags & MAP_SCRATCHED))) r->cpu->regs[R11] = r->words[SLOT_TMP2];
    if (is_in_string(m, host)) end_string(r->cpu, m);
    r->cpu->rip = m->pc;
    refund(j, r->cpu, block, i);
    return block;
}

// ---- what comes after ----

static const struct insn *stop(struct cpu *cpu, enum cpu_stop why)
{
    cpu->stop = (uint8_t)why;
    return NULL;
}

static const struct insn *interpret(struct cpu *cpu)
{
    const struct insn *in = code_next(cpu, cpu->rip, cpu->budget + BLOCK_MAX);
    return in ? in : stop(cpu, STOP_FAULT);
}

// One instruction alone, not watching its own page (cpu/run.c says why).
static const struct insn *interpret_one(struct cpu *cpu)
{
    const struct insn *in = code_lookup_few(cpu->code, cpu->rip, 1, false, &cpu->fault);
    return in ? in : stop(cpu, STOP_FAULT);
}

static const struct insn *syscall_stop(struct run *r, uint32_t next)
{
    struct cpu *cpu = r->cpu;
    r->space->called = next;
    cpu->regs[RCX] = next;
    cpu->regs[R11] = flags_now(r) | cpu->flags_other | FLAG_IF | 2;
    cpu->rip = next;
    return stop(cpu, STOP_SYSCALL);
}

enum { GO_INTERPRET, GO_HOST, GO_RETURN };
struct next { // where to go on: `host`, or with the interpreter, or out of cpu_run with `insn`
    int go;
    uint32_t host;
    const struct insn *insn;
};

static struct next to_insn(const struct insn *in)
{
    return (struct next){.go = GO_RETURN, .insn = in};
}

static struct next to_block(const struct run *r, uint32_t block)
{
    r->jit->stats.found += !cache_is_own(block);
    return (struct next){.go = GO_HOST, .host = cache_host(r->jit, block)};
}

// A table jump that found nothing.
static struct next missed(struct run *r)
{
    uint32_t pc = (uint32_t)(r->words[SLOT_TMP2] - TABLE_BIAS);
    r->cpu->rip = pc;
    uint32_t block = find_or_translate(r, pc, R11_SLOT);
    if (block) {
        cache_aim(r->space, pc, block);
        cache_ran(r->jit, r->space, view_at(r->space, pc), pc, PROFILE_COMPUTED);
    } else
        cache_fill(r->space, pc);
    return block ? to_block(r, block) : (struct next){.go = GO_INTERPRET};
}

static struct next branched(struct run *r, uint32_t exit)
{
    struct jit *j = r->jit;
    uint32_t pc = j->exits[exit].pc;
    unsigned r11 = j->exits[exit].r11;
    uint64_t flushes = j->stats.flushes;
    r->cpu->rip = pc;
    uint32_t block = find_or_translate(r, pc, r11);
    if (!block) return (struct next){.go = GO_INTERPRET};
    const struct block *from = &j->blocks[j->exits[exit].block];
    bool chains = flushes == j->stats.flushes && !from->dead && from->view == cache_view(j, block);
    if (chains && !j->exits[exit].to) cache_chain(j, exit, block);
    return to_block(r, block);
}

static struct next wants_x87(struct run *r, uint32_t exit)
{
    const struct exit *x = cache_exit(r->jit, exit);
    uint32_t block = cache_exit_block(r->jit, exit);
    r->cpu->rip = x->pc; // should the run end before it goes on
    r->cpu->fpu.cw = (uint16_t)r->words[SLOT_CW];
    if (jit_x87_can(r->cpu)) {
        jit_x87_load(r->cpu);
        r->words[SLOT_X87_ABSENT] = 0;
        return (struct next){.go = GO_HOST, .host = cache_base(r->jit, exit) + x->resume};
    }
    refund(r->jit, r->cpu, block, x->insn - 1u);
    return (struct next){.go = GO_INTERPRET};
}

// One instruction for the interpreter, behind which the block goes on. A shard's is decoded now; if its page is not
// there, the interpreter fetches it.
static struct next operation(struct run *r, uint32_t exit)
{
    struct jit *j = r->jit;
    const struct exit *x = cache_exit(j, exit);
    uint32_t block = cache_exit_block(j, exit);
    const struct op *op = cache_is_own(exit) ? &j->ops[x->op] : shard_op(r->space, exit);
    if (!op) {
        r->cpu->rip = cache_map(j, block)[x->insn - 1].pc;
        refund(j, r->cpu, block, x->insn - 1u);
        return (struct next){.go = GO_INTERPRET};
    }
    j->row_done[op->in->id]++;
    r->space->resume = exit;
    refund(j, r->cpu, block, x->insn);
    return to_insn(op->in);
}

// Emitted code has left in a way in which it never does: nothing is known of where the guest is.
static struct next lost(struct run *r)
{
    struct jit *j = r->jit;
    jit_switch_off(j);
    if (j->options.lost) j->options.lost(j->options.ctx);
    return to_insn(stop(r->cpu, STOP_REQUEST));
}

// That code of a shard names an exit of its own is not proven (record.h): it may say any number.
static bool is_exit(const struct jit *j, uint32_t exit)
{
    uint32_t slot = exit >> SHARD_SHIFT, index = exit & SHARD_INDEX;
    if (!slot) return index && index < j->nexits;
    return j->shards && slot <= STORE_MAX_SHARDS && j->shards[slot].row && index && index < j->shards[slot].nexits;
}

static struct next left_by_exit(struct run *r, uint32_t exit)
{
    if (!is_exit(r->jit, exit)) return lost(r);
    const struct exit *x = cache_exit(r->jit, exit);
    uint32_t block = cache_exit_block(r->jit, exit);
    struct cpu *cpu = r->cpu;
    switch ((enum exit_kind)x->kind) {
    case EXIT_BRANCH:
        if (!cache_is_own(exit)) break; // a shard's lead through the table
        r->jit->stats.branches++;
        return branched(r, exit);
    case EXIT_X87:
        r->jit->stats.x87++;
        return wants_x87(r, exit);
    case EXIT_SYSCALL:
        r->jit->stats.syscalls++;
        return to_insn(syscall_stop(r, x->pc));
    case EXIT_OP:
        r->jit->stats.operations++;
        return operation(r, exit);
    case EXIT_FUEL:
        r->jit->stats.fuel++;
        cpu->rip = x->pc;
        refund(r->jit, cpu, block, 0);
        return (struct next){.go = GO_INTERPRET};
    case EXIT_INTERP:
        break;
    }
    r->jit->stats.interpreted++;
    cpu->rip = x->pc;
    if (x->insn && cache_map(r->jit, block)[x->insn - 1].pc == x->pc) refund(r->jit, cpu, block, x->insn - 1u);
    return (struct next){.go = GO_INTERPRET};
}

// A fault of the emitted code, in the signal handler: a page that only waits to be fetched or mirrored is, and the code
// goes on. If it is about to lose its code, that may be the very code that runs.
static bool mend(void *arg, uintptr_t addr, bool write)
{
    const struct run *r = arg;
    uint64_t at = addr - (uintptr_t)r->cpu->region;
    if (at >= MEM_TOP || (write && mem_pte(r->space->mem, (uint32_t)at >> PAGE_SHIFT) & MEM_CODE)) return false;
    bool mended = mem_mirror(r->space->mem, (uint32_t)at, write ? MEM_W : MEM_R);
    r->jit->stats.mended += mended;
    return mended;
}

// What the handler left: if the page only has to lose its code, the interpreter does not run into it again.
static void make_good(struct run *r)
{
    const struct host_fault *guard = host_fault_active();
    uint64_t at = guard->addr - (uintptr_t)r->cpu->region;
    if (at < MEM_TOP) (void)mem_mirror(r->space->mem, (uint32_t)at, guard->write ? MEM_W : MEM_R);
}

// Ticks are samples: what they find twice is worth a longer trace.
static void found_running(struct run *r, uint32_t block)
{
    enum { OFTEN = 2 };
    if (cache_is_replaced(r->jit, block) || cache_tick(r->jit, block) < OFTEN) return;
    translate_around(r->space, block);
}

static struct next left(struct run *r)
{
    uint32_t why = (uint32_t)r->words[SLOT_PC];
    if (why == LEFT_MISSED) {
        r->jit->stats.missed++;
        return missed(r);
    }
    if (why != LEFT_FAULTED) return left_by_exit(r, why);
    uint32_t block = recover(r);
    if (!block) return lost(r);
    if (!r->jit->divert.sig) {
        r->jit->stats.ticks++;
        found_running(r, block);
        return to_insn(stop(r->cpu, STOP_REQUEST));
    }
    r->jit->stats.faulted++;
    make_good(r);
    return to_insn(interpret_one(r->cpu));
}

// ---- the tier ----

// The interpreter may have called this code, which then returns there: the table is made ready for it.
static void expect_return(const struct run *r)
{
    struct mem *m = r->space->mem;
    uint64_t pc, sp = r->cpu->regs[RSP];
    const uint8_t *top = (sp & (PAGE_BYTES - 1)) <= PAGE_BYTES - 8 ? mem_host(m, (uint32_t)sp, MEM_R) : NULL;
    if (!top) return;
    memcpy(&pc, top, sizeof pc);
    if (pc < MEM_TOP && pte_allows(mem_pte(m, (uint32_t)pc >> PAGE_SHIFT), MEM_X)) cache_fill(r->space, (uint32_t)pc);
}

static struct next find_begin(struct run *r)
{
    uint32_t block = find_or_translate(r, r->cpu->rip, R11_BOTH);
    return block ? to_block(r, block) : (struct next){.go = GO_INTERPRET};
}

static struct next begin(struct run *r)
{
    struct jit_space *s = r->space;
    struct cpu *cpu = r->cpu;
    uint32_t exit = s->resume, called = s->called;
    s->resume = s->called = 0;
    if (!can_enter(cpu) || !has_fuel(r->jit, cpu)) return (struct next){.go = GO_INTERPRET};
    if (exit) {
        const struct exit *x = cache_exit(r->jit, exit);
        uint32_t of = cache_exit_block(r->jit, exit);
        const struct block *b = cache_block(r->jit, of);
        if (x->pc == cpu->rip && !b->dead && cache_view(r->jit, of) == view_at(s, b->pc)) {
            charge(r->jit, cpu, of, x->insn);
            return (struct next){.go = GO_HOST, .host = cache_base(r->jit, exit) + x->resume};
        }
    }
    if (called != cpu->rip || !called) {
        expect_return(r);
        return find_begin(r);
    }
    uint32_t host = known(s, called);
    if (host) return (struct next){.go = GO_HOST, .host = host};
    struct next n = find_begin(r);
    if (n.go == GO_HOST) *known_at(s, called) = (struct known){r->jit->epoch, called, n.host};
    return n;
}

// What of it is the same in all runs of this translator.
static void make_divert(struct jit *j, uint64_t *words)
{
    uintptr_t rx = (uintptr_t)j->memory.rx;
    j->divert = (struct host_divert){
        .lo = rx,
        .hi = rx + (j->store ? STORE_WINDOW + (uintptr_t)j->store->head->code_bytes : j->memory.bytes),
        .leave = rx + j->faulted,
        .missed = rx + j->missed,
        .jump = TABLE_JUMP,
        .jump_bytes = TABLE_JUMP_BYTES,
        .nowhere = j->memory.top,
        .in = &words[SLOT_IN],
        .is_boundary = is_boundary,
        .mend = mend};
    words[SLOT_EXIT] = (uint64_t)(uintptr_t)jit_leave;
    words[SLOT_ENTER] = address_of(j, j->enter);
}

static void open_run(struct run *r, struct host_fault *guard)
{
    struct jit *j = r->jit;
    uint64_t *w = r->words;
    uint64_t region = (uint64_t)(uintptr_t)r->cpu->region;
    if (j->divert.in != &w[SLOT_IN] || w[SLOT_ENTER] != address_of(j, j->enter)) make_divert(j, w);
    j->divert.arg = r;
    j->divert.rip = 0;
    j->divert.stepping = false;
    host_set_gs((uintptr_t)region, j->wrgsbase);
    w[SLOT_REGION] = region;
    w[SLOT_X87_ABSENT] = 1;
    w[SLOT_CW] = r->cpu->fpu.cw;
    w[SLOT_SAVE] = j->ymm;
    guard->divert = &j->divert;
}

static void close_run(struct run *r, struct host_fault *guard)
{
    guard->divert = NULL;
    jit_x87_close(r->cpu, (uint16_t)r->words[SLOT_CW], !r->words[SLOT_X87_ABSENT]);
}

// Between two stretches of emitted code: does somebody want the run to end?
static bool asked_to_stop(struct run *r)
{
    struct cpu *cpu = r->cpu;
    if (__atomic_load_n(&cpu->interrupt, __ATOMIC_SEQ_CST)) return true;
    return cpu->budget + BLOCK_MAX <= 0;
}

const struct insn *jit_run(struct tier *tier, struct cpu *cpu)
{
    struct jit_space *s = (void *)tier;
    int32_t displacement;
    struct run r = {.space = s, .jit = s->jit, .cpu = cpu, .words = host_thread_words(&displacement)};
    struct host_fault *guard = host_fault_active();
    open_run(&r, guard);
    struct next n = begin(&r);
    while (n.go == GO_HOST) {
        if (asked_to_stop(&r)) break;
        enter(&r, n.host);
        n = left(&r);
    }
    close_run(&r, guard);
    if (n.go == GO_RETURN) return n.insn;
    if (asked_to_stop(&r)) return stop(cpu, cpu->interrupt ? STOP_REQUEST : STOP_BUDGET);
    return interpret(cpu);
}
