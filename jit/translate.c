// Translating a trace: from its head along the code, through branches that are always taken, past those that may not
// be, until something computes its target or leaves, or there is a block already.
//
// Host code is written where it will run; its exits, operations and map entries are taken from the pools as they come.
// If nothing comes of it all of that is given back.
#include "jit/quick.h"
#include "cpu/mem.h"
#include "host/clock.h"
#include "jit/verify.h"
#include "jit/view.h"
#include <string.h>

#define SAME(slot) _Static_assert((int)SLOT_##slot == (int)VERIFY_SLOT_##slot, "the verifier's list of slots");
SAME(R11)
SAME(TMP)
SAME(TMP2)
SAME(FS_BASE)
SAME(GS_BASE)
SAME(REGION)
SAME(X87_ABSENT)
SAME(EXIT)
SAME(FUEL)
SAME(PC)
SAME(CW)
#undef SAME

enum { MAX_INSN = 15, HEAD_ALIGN = 32, STUB_ROOM = 2048 };

// ---- exits ----

static uint32_t new_exit(struct trace *t, enum exit_kind kind, uint32_t pc)
{
    struct jit *j = t->jit;
    j->exits[j->nexits] =
        (struct exit){.kind = (uint8_t)kind, .pc = pc, .block = j->nblocks, .r11 = t->r11, .insn = (uint16_t)t->ninsns};
    return j->nexits++;
}

static uint32_t here(const struct trace *t)
{
    return t->jit->used + t->e.n;
}

static void emit_leave(struct trace *t, uint32_t exit)
{
    emit_store_slot_imm(&t->e, SLOT_PC, t->jit->first_number + exit);
    emit_jump_slot(&t->e, SLOT_EXIT);
}

void trace_leave(struct trace *t, enum exit_kind kind, uint32_t pc)
{
    if (t->r11 == R11_REG) {
        emit_store_slot(&t->e, 8, SLOT_R11, R11);
        t->r11 = R11_BOTH;
    }
    emit_leave(t, new_exit(t, kind, pc));
}

static void pend(struct trace *t, const struct pending *p)
{
    if (t->npending < MAX_PENDING)
        t->pending[t->npending++] = *p;
    else
        t->e.full = true;
}

void trace_exit(struct trace *t, uint32_t rel32, uint32_t pc)
{
    struct pending p = {.exit = {.kind = EXIT_BRANCH, .pc = pc, .r11 = t->r11}, .rel32 = rel32};
    pend(t, &p);
}

// Back to the head: r11 may have to be moved first, which a stub does.
static void to_head(struct trace *t, uint32_t rel32)
{
    unsigned r11 = t->x87 && t->body ? R11_SLOT : t->head_r11;
    if (t->r11 & r11) {
        emit_to32(&t->e, rel32, t->x87 ? t->body : 0);
        return;
    }
    struct pending p = {.exit = {.r11 = t->r11}, .rel32 = rel32, .to_head = true};
    pend(t, &p);
}

// Blocks whose r11 is where it is now.
static uint32_t find_like(const struct trace *t, uint32_t pc)
{
    return cache_find(t->jit, t->view, pc, t->r11);
}

static bool is_inside(const struct trace *t, uint32_t pc)
{
    const struct view *v = t->shared;
    uint32_t page = pc >> PAGE_SHIFT;
    return v ? page >= v->of.first && page < v->of.end : view_at(t->space, pc) == t->view;
}

bool trace_known(const struct trace *t, uint32_t pc)
{
    if (!is_inside(t, pc)) return true;
    if (!t->called) {
        uint32_t like = find_like(t, pc);
        if (pc == t->head || (like && (!t->hot || cache_block(t->jit, like)->hot))) return true;
    }
    for (unsigned i = t->called ? t->call_at : 0; i < t->ninsns; i++)
        if (t->map[i].pc == pc) return true;
    return false;
}

bool trace_seen(const struct trace *t, uint32_t pc)
{
    if (t->jit->build) return build_ran(t->jit->build, pc);
    return t->jit->options.eager || *cache_heat(t->jit, t->view, pc);
}

void trace_follow(struct trace *t, uint32_t pc)
{
    t->pc = pc;
    if (t->jit->build && !t->called) build_want(t->jit->build, pc);
}

// The body, behind what asks for the x87 state, wants r11 in its slot. It is no head, so no stub may jump there.
static void ready_for_body(struct trace *t, uint32_t pc)
{
    if (pc != t->head || !t->x87 || !t->body || t->r11 != R11_REG) return;
    emit_store_slot(&t->e, 8, SLOT_R11, R11);
    t->r11 = R11_BOTH;
}

void trace_go(struct trace *t, uint32_t pc)
{
    ready_for_body(t, pc);
    uint32_t rel32 = emit_jump(&t->e);
    if (pc == t->head)
        to_head(t, rel32);
    else
        trace_exit(t, rel32, pc);
}

void trace_go_if(struct trace *t, unsigned cc, uint32_t pc)
{
    ready_for_body(t, pc);
    uint32_t rel32 = emit_jcc(&t->e, cc);
    if (pc == t->head)
        to_head(t, rel32);
    else
        trace_exit(t, rel32, pc);
}

// ---- stubs ----

static void move_r11(struct emitter *e, unsigned from, unsigned to)
{
    if (from & to) return;
    if (to == R11_REG)
        emit_load_slot(e, 8, R11, SLOT_R11, 0);
    else
        emit_store_slot(e, 8, SLOT_R11, R11);
}

// To another view: through the table.
static void emit_far(struct trace *t, const struct pending *p)
{
    move_r11(&t->stubs, p->exit.r11, R11_SLOT);
    emit_mov_imm(&t->stubs, R11, p->exit.pc);
    emit_table_jump(&t->stubs);
}

// The jump at `rel32` of the block leads to where the stubs stand now.
static void lead_to_stub(struct trace *t, uint32_t rel32)
{
    uint32_t v = (t->jit->stub_used + t->stubs.n) - (t->jit->used + rel32 + 4);
    if (!t->e.full) memcpy(t->e.at + rel32, &v, sizeof v);
}

static void stub_jump(struct trace *t, uint32_t to)
{
    emit8(&t->stubs, 0xe9);
    emit32(&t->stubs, to - (t->jit->stub_used + t->stubs.n + 4));
}

static void emit_stub(struct trace *t, const struct pending *p)
{
    struct jit *j = t->jit;
    lead_to_stub(t, p->rel32);
    if (p->to_head) {
        move_r11(&t->stubs, p->exit.r11, t->head_r11);
        stub_jump(t, j->used);
        return;
    }
    if (!is_inside(t, p->exit.pc)) {
        emit_far(t, p);
        return;
    }
    uint32_t exit = j->nexits++;
    j->exits[exit] = p->exit;
    j->exits[exit].block = j->nblocks;
    j->exits[exit].site = j->used + p->rel32;
    j->exits[exit].stub = j->stub_used + t->stubs.n;
    if (j->build) { // nobody will chain it while it runs
        emit_far(t, p);
        return;
    }
    move_r11(&t->stubs, p->exit.r11, R11_SLOT);
    emit_mov_imm(&t->stubs, R11, exit);
    stub_jump(t, j->leave);
}

// ---- instructions of the guest ----

static bool in_pages(struct trace *t, uint32_t page)
{
    for (unsigned i = 0; i < t->npages; i++)
        if (t->pages[i] == page) return true;
    if (t->npages == (t->shared ? VIEW_PAGES : TRACE_PAGES) || !is_inside(t, page << PAGE_SHIFT)) return false;
    if (t->shared && !t->jit->build && !view_has_code(t->space, t->shared, page)) return false;
    t->pages[t->npages++] = page;
    return true;
}

static bool open_page(struct trace *t, uint32_t page)
{
    t->code = mem_host(t->space->mem, page << PAGE_SHIFT, MEM_X);
    t->code_page = page;
    if (t->code && (mem_is_restless(t->space->mem, page) || !in_pages(t, page))) t->code = NULL;
    return t->code != NULL;
}

// Finds the instruction at t->pc; all of it is known when it is decoded. False: it cannot be fetched, is none, or lies
// on a page too many.
static bool fetch(struct trace *t)
{
    uint8_t bytes[2 * MAX_INSN];
    uint32_t avail = PAGE_BYTES - (t->pc & (PAGE_BYTES - 1)), page = t->pc >> PAGE_SHIFT;
    if ((!t->code || t->code_page != page) && !open_page(t, page)) return false;
    const uint8_t *at = t->code + (t->pc & (PAGE_BYTES - 1)), *more = NULL;
    if (avail < MAX_INSN && page + 1 < MEM_PAGES) more = mem_host(t->space->mem, (page + 1) << PAGE_SHIFT, MEM_X);
    if (more) {
        memcpy(bytes, at, avail);
        memcpy(bytes + avail, more, MAX_INSN);
        at = bytes;
    }
    uint32_t readable = more ? avail + MAX_INSN : avail;
    t->shape = readable >= SHAPE_ROOM ? shape_find(t->jit->shapes, at, &t->parts) : NULL;
    t->in.pc = t->pc;
    if (t->shape) t->in.len = t->shape->len;
    int n = t->shape ? t->in.len : insn_decode(&t->in, at, readable, t->pc, t->jit->options.level, false);
    return n > 0 && ((unsigned)n <= avail || in_pages(t, page + 1)) && insn_next_pc(&t->in) < MEM_TOP;
}

// What fetch may have left to be done.
static void decode(struct trace *t)
{
    if (t->shape) shape_fill(t->shape, &t->in, &t->parts, t->in.pc);
}

// Without claiming its page.
const struct insn *trace_insn_at(struct trace *t, uint32_t pc)
{
    uint32_t next = t->pc;
    unsigned npages = t->npages;
    t->pc = pc;
    bool good = is_inside(t, pc) && fetch(t);
    if (good) decode(t);
    t->pc = next;
    if (t->npages != npages) t->code = NULL;
    t->npages = npages;
    return good ? &t->in : NULL;
}

static bool touches_stack(const struct insn *in)
{
    static const uint16_t ids[] = {INSN_PUSH_Zv, INSN_PUSH_Iz, INSN_PUSH_Ibs, INSN_POP_Zv,
                                   INSN_CALL_Jz, INSN_RET,     INSN_RET_Iw};
    for (unsigned i = 0; i < sizeof ids / sizeof *ids; i++)
        if (in->id == ids[i]) return true;
    return false;
}

static const struct insn *op_resume(struct cpu *cpu, const struct insn *in)
{
    cpu->budget -= in->run;
    cpu->rip = insn_target(in);
    cpu->stop = STOP_TIER;
    return NULL;
}

bool op_end(struct op *op)
{
    uint64_t next = insn_next_pc(&op->in[0]);
    op->in[1] = (struct insn){.fn = op_resume, .id = INSN_COUNT, .run = 1, .pc = (uint32_t)next - 1, .len = 1};
    return next < MEM_TOP && !(insn_rows[op->in[0].id].attr & INSN_ATTR_BRANCH);
}

// The interpreter does it, then the trace goes on; branches and the like end it.
static enum step hand_over(struct trace *t, const struct insn *in)
{
    struct jit *j = t->jit;
    if (t->gap > GAP_AT_EXIT) trace_probe(t); // a push or pop that is not emitted after all
    t->map[t->ninsns - 1].flags |= MAP_OP;
    if (insn_rows[in->id].attr & INSN_ATTR_BRANCH || j->nops == MAX_OPS || t->called) {
        trace_leave(t, EXIT_INTERP, in->pc);
        return STEP_END;
    }
    j->ops[j->nops] = (struct op){{*in}};
    if (t->probe) insn_check(j->ops[j->nops].in);
    (void)op_end(&j->ops[j->nops]);
    trace_leave(t, EXIT_OP, (uint32_t)insn_next_pc(in));
    struct exit *x = &j->exits[j->nexits - 1];
    x->op = j->nops++;
    x->resume = here(t);
    t->r11 = R11_BOTH;
    t->gap = GAP_AT_EXIT;
    t->x87 = false;
    return STEP_ON;
}

static void note(struct trace *t, uint32_t pc, unsigned flags)
{
    t->map[t->ninsns++] = (struct map_entry){
        .pc = pc,
        .host = (uint16_t)t->e.n,
        .flags = (uint16_t)(flags | (t->r11 == R11_REG ? MAP_R11_REG : 0) | (t->called ? MAP_FOLLOWED : 0))};
}

// A probe between two instructions: when it faults, the one behind it is the next.
static void probe_before(struct trace *t, uint32_t pc)
{
    if (t->gap <= GAP_AT_EXIT) return;
    note(t, pc, MAP_OP);
    trace_probe(t);
}

// What an emitter that then hands over has done to the instruction is undone.
static enum step hand_over_as_it_was(struct trace *t)
{
    uint32_t next = t->pc;
    t->pc = t->in.pc;
    bool same = fetch(t);
    decode(t);
    t->pc = next;
    if (same) return hand_over(t, &t->in);
    t->e.full = true; // cannot be: nothing is kept of a trace without an end
    return STEP_END;
}

// Not what is just copied, or nothing.
static bool may_leave(const struct trace *t, const struct insn *in)
{
    unsigned way = t->jit->row_way[in->id];
    return way != WAY_NOTHING && (way != WAY_COPY || insn_encodings[in->id].x87 || trace_names(in, RSP));
}

static bool one_quickly(struct trace *t)
{
    uint32_t at = t->e.n;
    if (!t->shape || t->gap > GAP_AT_EXIT || !quick_emit(t)) return false;
    note(t, t->in.pc, (unsigned)t->in.len << MAP_LENGTH);
    t->map[t->ninsns - 1].host = (uint16_t)at;
    t->pc = (uint32_t)insn_next_pc(&t->in);
    t->turned = false;
    t->charged++;
    return true;
}

static enum step one(struct trace *t)
{
    if (one_quickly(t)) return STEP_ON;
    decode(t);
    if (t->gap > GAP_AT_EXIT && !touches_stack(&t->in) && may_leave(t, &t->in)) probe_before(t, t->in.pc);
    note(t, t->in.pc, (unsigned)t->in.len << MAP_LENGTH);
    t->pc = (uint32_t)insn_next_pc(&t->in);
    t->turned = insn_rows[t->in.id].attr & INSN_ATTR_BRANCH;
    enum step step = trace_insn(t, &t->in);
    if (step == STEP_CALL) step = hand_over_as_it_was(t);
    if (!(t->map[t->ninsns - 1].flags & MAP_OP)) t->charged++;
    return step;
}

// ---- paying for instructions ----

// Where they are counted: takes what the block costs, or leaves when there is not enough. Returns where the cost
// stands.
static uint32_t emit_toll(struct trace *t)
{
    struct emitter *e = &t->e;
    if (t->r11 == R11_REG) emit_store_slot(e, 8, SLOT_R11, R11);
    t->r11 = R11_SLOT;
    emit_mov(e, 8, R11, RCX);
    emit_load_slot(e, 8, RCX, SLOT_FUEL, 0);
    emit_bytes(e, "\x48\x8d\x89\0\0\0\0", 7); // lea rcx, [rcx + disp32]
    uint32_t cost = e->n - 4;
    emit_store_slot(e, 8, SLOT_FUEL, RCX);
    emit_load_slot(e, 4, RCX, SLOT_FUEL, 4);
    uint32_t paid = emit_jecxz(e);
    emit_mov(e, 8, RCX, R11);
    trace_leave(t, EXIT_FUEL, t->head);
    emit_here8(e, paid);
    emit_mov(e, 8, RCX, R11);
    return cost;
}

static void set_toll(struct trace *t, uint32_t cost)
{
    if (t->e.full) return;
    uint32_t v = 0u - t->charged;
    memcpy(t->e.at + cost, &v, sizeof v);
}

// ---- the trace ----

static bool has_room(const struct trace *t)
{
    return t->ninsns < TRACE_INSNS && t->e.n + STUB_ROOM < t->e.size;
}

// Is there a block already for what comes next? Then the trace ends: one translation of it is enough.
static bool join_block(struct trace *t)
{
    uint32_t block = cache_find(t->jit, t->view, t->pc, R11_BOTH);
    if (!block) return false;
    if (find_like(t, t->pc)) return true;
    move_r11(&t->e, t->r11, cache_block(t->jit, block)->r11);
    t->r11 = R11_BOTH;
    return true;
}

static bool is_head(const struct trace *t, uint32_t pc)
{
    for (unsigned i = 0; i < t->nheads; i++)
        if (t->heads[i].pc == pc) return true;
    return false;
}

// What leads to the old block will lead here.
static void add_head(struct trace *t, uint32_t old, uint8_t r11)
{
    uint32_t last = t->nheads ? t->heads[t->nheads - 1].host : 0;
    if (t->nheads == TRACE_HEADS || t->x87 || t->gap > GAP_AT_EXIT || t->e.n <= last || t->jit->options.fuel) return;
    t->r11 = r11;
    t->gap = GAP_AT_EXIT;
    t->heads[t->nheads++] = (struct trace_head){.pc = t->pc, .host = t->e.n, .old = old, .r11 = t->r11};
}

// A hot trace comes to where there is a block. If that is hot, too, the trace ends, else it takes its place.
static bool meet(struct trace *t)
{
    uint32_t block = cache_find(t->jit, t->view, t->pc, R11_BOTH), like = find_like(t, t->pc);
    if (!block) return false;
    if (is_head(t, t->pc)) return true;
    if (like && cache_block(t->jit, like)->hot) return true;
    if (like) {
        add_head(t, like, cache_block(t->jit, like)->r11);
        return false;
    }
    if (!cache_block(t->jit, block)->hot) return false;
    move_r11(&t->e, t->r11, cache_block(t->jit, block)->r11);
    t->r11 = R11_BOTH;
    return true;
}

static bool is_end(struct trace *t)
{
    if (!has_room(t)) return true;
    if (t->ninsns == 0 || t->called) return false;
    if (t->pc == t->head || (t->turned && trace_known(t, t->pc))) return true;
    if (t->hot ? meet(t) : !t->turned && join_block(t)) return true;
    if (t->jit->build && t->r11 & R11_SLOT && build_wanted(t->jit->build, t->pc) && !is_head(t, t->pc) &&
        !find_like(t, t->pc))
        add_head(t, 0, R11_SLOT);
    return false;
}

static void walk(struct trace *t)
{
    enum step step = STEP_ON;
    while (step == STEP_ON) {
        if (is_end(t)) {
            probe_before(t, t->pc);
            if (t->jit->build) build_run(t->jit->build, t->pc);
            trace_go(t, t->pc);
            return;
        }
        if (!fetch(t)) {
            if (t->ninsns == 0) return;                                           // nothing comes of it
            if (t->nheads && t->heads[t->nheads - 1].host == t->e.n) t->nheads--; // it would lead to itself
            probe_before(t, t->pc);
            trace_go(t, t->pc); // the trace has its pages; or whoever comes there finds that it is no instruction
            return;
        }
        step = one(t);
    }
}

static void give_back(struct jit *j, uint32_t exits, uint32_t ops)
{
    j->nexits = exits;
    j->nops = ops;
}

static void keep_heads(struct trace *t, uint32_t block)
{
    struct jit *j = t->jit;
    for (unsigned i = 0; i < t->nheads; i++) {
        const struct trace_head *h = &t->heads[i];
        const struct block *b = &j->blocks[block];
        j->blocks[j->nblocks++] = (struct block){.pc = h->pc,
                                                 .view = b->view,
                                                 .host = b->host + h->host,
                                                 .size = b->size - h->host,
                                                 .hot = b->hot,
                                                 .of = block,
                                                 .r11 = h->r11};
        cache_add(j, t->space, j->nblocks - 1, NULL, 0);
        if (h->old) cache_replace(t->space, h->old, j->nblocks - 1);
    }
}

static uint32_t keep(struct trace *t, uint32_t first_exit)
{
    struct jit *j = t->jit;
    uint32_t block = j->nblocks;
    memcpy(j->memory.rw + j->used, t->e.at, t->e.n);
    memcpy(j->memory.rw + j->stub_used, t->stubs.at, t->stubs.n);
    j->blocks[block] = (struct block){.pc = t->head,
                                      .view = t->view,
                                      .host = j->used,
                                      .size = t->e.n,
                                      .stubs = j->stub_used,
                                      .stubs_size = t->stubs.n,
                                      .map = j->nmap,
                                      .first_exit = first_exit,
                                      .insns = (uint16_t)t->ninsns,
                                      .nexits = (uint16_t)(j->nexits - first_exit),
                                      .x87 = t->x87_used,
                                      .hot = t->hot && !j->options.longer,
                                      .r11 = t->head_r11};
    j->nmap += t->ninsns;
    j->nblocks++;
    j->stub_used += t->stubs.n;
    j->used = (j->used + t->e.n + HEAD_ALIGN - 1) & ~(uint32_t)(HEAD_ALIGN - 1);
    j->stats.blocks++;
    j->stats.insns += t->ninsns;
    j->stats.bytes += t->e.n + t->stubs.n;
    cache_add(j, t->space, block, t->pages, t->npages);
    keep_heads(t, block);
    if (j->build) build_keep(j->build, t->map, t->ninsns, t->returns, t->nreturns);
    for (unsigned i = 0; i < t->nreturns; i++) cache_fill(t->space, t->returns[i]);
    for (uint32_t i = first_exit; i < j->nexits; i++) {
        struct exit *x = &j->exits[i];
        if (x->kind != EXIT_BRANCH) continue;
        uint32_t to = cache_find(j, t->view, x->pc, x->r11);
        if (to) cache_chain(j, i, to);
    }
    return block;
}

// The pages of code memory behind us are complete.
static void settle(struct jit *j)
{
    enum { PIECE = 256 << 10 };
    if (j->build) return;
    if (j->used - j->settled >= PIECE) {
        host_exec_settle(&j->memory, j->settled, j->used);
        j->settled = j->used;
    }
    if (j->stub_used - j->stub_settled >= PIECE) {
        host_exec_settle(&j->memory, j->stub_settled, j->stub_used);
        j->stub_settled = j->stub_used;
    }
}

// Its arrays are filled as they are used: clearing their 20 KiB takes as long as translating.
static void begin(struct trace *t, struct jit_space *s, uint32_t pc, unsigned r11)
{
    struct jit *j = s->jit;
    t->space = s;
    t->jit = j;
    t->view = view_at(s, pc);
    t->shared = view_shown(s, pc >> PAGE_SHIFT);
    t->probe = t->shared ? 0 : s->mem->probe << PAGE_SHIFT;
    t->e = (struct emitter){.at = j->draft[0], .size = BLOCK_BYTES, .slots = j->slots};
    t->stubs = (struct emitter){.at = j->draft[1], .size = BLOCK_BYTES, .slots = j->slots};
    t->head = t->pc = pc;
    cache_expect(j, t->view, pc);
    t->head_r11 = t->r11 = (uint8_t)r11;
    t->gap = GAP_AT_EXIT;
    t->x87 = t->x87_used = false;
    t->body = 0;
    t->code = NULL;
    t->map = j->map + j->nmap;
    t->turned = false;
    t->npages = t->npending = t->ninsns = t->nreturns = t->nheads = 0;
    t->charged = 0;
    t->called = 0;
}

static uint32_t translate_trace(struct jit_space *s, uint32_t pc, unsigned r11, bool hot)
{
    struct jit *j = s->jit;
    if (cache_is_full(j)) cache_flush(j);
    cache_ready(j);
    uint32_t exits = j->nexits, ops = j->nops, cost = 0;
    struct trace t;
    begin(&t, s, pc, r11);
    t.hot = hot;
    if (!t.shared && !space_needs_own(s)) return 0;
    if (j->options.fuel)
        cost = emit_toll(&t);
    else if (hot && cache_block(j, cache_find(j, t.view, pc, r11))->x87)
        trace_x87_head(&t);
    walk(&t);
    for (unsigned i = 0; i < t.npending; i++) emit_stub(&t, &t.pending[i]);
    if (t.e.full || t.stubs.full || t.ninsns == 0) {
        give_back(j, exits, ops);
        return 0;
    }
    if (j->options.fuel) set_toll(&t, cost);
    uint32_t block = keep(&t, exits);
    settle(j);
    if (j->options.verify && !j->options.verify(j->options.verify_ctx, j, block)) {
        cache_kill(s, block);
        j->refused = true;
        return 0;
    }
    return view_at(s, pc) == t.view ? block : 0; // the space may have left it (view_has_code); others run it
}

uint32_t translate(struct jit_space *s, uint32_t pc, unsigned r11)
{
    uint64_t start = s->jit->options.timed ? host_clock_monotonic() : 0;
    uint32_t block = cache_revive(s, pc, r11);
    if (!block) block = translate_trace(s, pc, r11, s->jit->options.longer);
    if (start) s->jit->stats.translate_ns += host_clock_monotonic() - start;
    return block;
}

uint32_t translate_hot(struct jit_space *s, uint32_t pc, unsigned r11)
{
    return translate_trace(s, pc, r11, true);
}
