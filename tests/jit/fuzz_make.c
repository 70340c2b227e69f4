// See fuzz_make.h. Four kinds: instructions of random rows with branches among them, functions that call each other and
// mostly return, random bytes, real code with a few bits changed.
#include "fuzz_make.h"
#include "arena.h"
#include "cpu/insn.h"
#include "shape.h"
#include "test_case.h"

enum { LONGEST = 15 };

struct piece { // an instruction, perhaps with those that set its address up
    uint8_t bytes[64];
    unsigned n;
    int target; // a branch to this piece, by a rel32 in its last bytes; -1: none
};

struct maker_state {
    struct rng *rng;
    struct data_image data;
    struct piece piece[MAX_INSNS];
    unsigned count;
    bool named;
};

// ---- pieces ----

static void put(struct piece *p, uint64_t v, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++) p->bytes[p->n++] = (uint8_t)(v >> 8 * i);
}

static void put_mov(struct piece *p, unsigned reg, uint64_t value)
{
    put(p, 0x48 | (reg & 8 ? 1 : 0), 1);
    put(p, 0xb8 | (reg & 7), 1);
    put(p, value, 8);
}

// Where the next instruction's data lies.
static void choose_data(const struct maker_state *m)
{
    if (m->named) arena_choose(rng_percent(m->rng, 75) ? ARENA_NAME_START : ARENA_LOW);
}

// What it has its address in, though it does not say so.
static void put_implied(struct piece *p, const struct row *row, const struct machine *in)
{
    static const char both[] = "movs movsb cmps cmpsb", source[] = "lods lodsb",
                      destination[] = "stos stosb scas scasb maskmovq maskmovdqu vmaskmovdqu";
    if (row_is(row, both) || row_is(row, source)) put_mov(p, GPR_RSI, in->gpr[GPR_RSI]);
    if (row_is(row, both) || row_is(row, destination)) put_mov(p, GPR_RDI, in->gpr[GPR_RDI]);
    if (row_is(row, "xlat")) put_mov(p, GPR_RBX, in->gpr[GPR_RBX]);
}

// An instruction of the row as the instruction tests make it, its address registers mostly set as it wants them.
static void row_piece(struct maker_state *m, struct piece *p, const struct row *row)
{
    struct test_case c;
    struct insn in;
    choose_data(m);
    make_case(&c, row, m->rng, &m->data);
    p->target = -1;
    p->n = 0;
    if (m->named && rng_percent(m->rng, 60)) put_implied(p, row, &c.in);
    if (insn_decode(&in, c.bytes, c.len, (uint32_t)c.in.rip, CPU_LEVEL_V3, false) > 0 && in.rm == INSN_MEM &&
        rng_percent(m->rng, 85)) {
        if (in.base < 16) put_mov(p, in.base, c.in.gpr[in.base]);
        if (in.index < 16 && in.index != in.base) put_mov(p, in.index, c.in.gpr[in.index]);
    }
    memcpy(p->bytes + p->n, c.bytes, c.len);
    p->n += c.len;
}

static const struct row *pick_row(struct maker_state *m, const struct row_table *rows)
{
    for (;;) {
        const struct row *row = &rows->row[rng_below(m->rng, (unsigned)rows->count)];
        if (!row_attr(row, "branch") || rng_percent(m->rng, 30)) return row;
    }
}

// A branch to some piece, mostly one that comes later.
static void branch_piece(struct maker_state *m, struct piece *p, unsigned at, unsigned count)
{
    unsigned roll = rng_below(m->rng, 100);
    p->n = 0;
    p->target = (int)(rng_percent(m->rng, 80) ? at + rng_below(m->rng, count - at) : rng_below(m->rng, count));
    if (roll < 75)
        put(p, 0x800f | rng_below(m->rng, 16) << 8, 2); // Jcc
    else
        put(p, roll < 88 ? 0xe9 : 0xe8, 1); // JMP, CALL
    put(p, 0, 4);
}

// What programs are made of, in short: moves, sums and comparisons of all registers, pushes and pops, [rsp + disp].
static void common_piece(struct maker_state *m, struct piece *p)
{
    static const uint8_t opcodes[] = {0x01, 0x03, 0x29, 0x2b, 0x31, 0x21, 0x39,
                                      0x3b, 0x85, 0x89, 0x8b, 0x89, 0x8b, 0x8d};
    unsigned roll = rng_below(m->rng, 100), reg = rng_below(m->rng, 16), rm = rng_below(m->rng, 16);
    p->n = 0;
    p->target = -1;
    if (roll < 20) { // push, pop
        if (reg & 8) put(p, 0x41, 1);
        put(p, (roll < 10 ? 0x50 : 0x58) | (reg & 7), 1);
    } else if (roll < 28) { // add, sub rsp, imm8
        put(p, roll < 24 ? 0xc48348 : 0xec8348, 3);
        put(p, rng_below(m->rng, 16) * 8, 1);
    } else if (roll < 34) { // sub, add rsp, imm32; lea rsp, [rsp + disp32]
        put(p, roll < 30 ? 0xc48148 : roll < 32 ? 0xec8148 : 0x24a48d48, roll < 32 ? 3 : 4);
        put(p, (rng_below(m->rng, 2) ? -1u : 1u) * rng_below(m->rng, 0x3000), 4);
    } else {
        unsigned opcode = opcodes[rng_below(m->rng, sizeof opcodes)];
        bool stack = opcode == 0x8d || rng_percent(m->rng, 40);
        put(p, 0x40 | (rng_percent(m->rng, 70) ? 8 : 0) | (reg & 8 ? 4 : 0) | (!stack && rm & 8 ? 1 : 0), 1);
        put(p, opcode, 1);
        put(p, (stack ? 0x44 : 0xc0 | (rm & 7)) | (reg & 7) << 3, 1);
        if (stack) put(p, 0x24 | (rng_below(m->rng, 64) * 8) << 8, 2);
    }
}

static void link_pieces(struct maker_state *m, struct program *p)
{
    unsigned at[MAX_INSNS + 1] = {0}, fits = 0;
    for (unsigned i = 0; i < m->count; i++) {
        if (at[i] + m->piece[i].n > PROGRAM_BYTES - 64) break;
        at[i + 1] = at[i] + m->piece[i].n;
        fits = i + 1;
    }
    for (unsigned i = 0; i < fits; i++) {
        struct piece *q = &m->piece[i];
        unsigned target = q->target >= (int)fits ? fits : (unsigned)q->target;
        int32_t rel = q->target < 0 ? 0 : (int32_t)at[target] - (int32_t)at[i + 1];
        if (q->target >= 0) memcpy(q->bytes + q->n - 4, &rel, 4);
        memcpy(p->code + at[i], q->bytes, q->n);
    }
    p->n = at[fits];
}

static void rows_program(struct maker_state *m, struct program *p, const struct row_table *rows)
{
    p->kind = "rows";
    m->count = 1 + rng_below(m->rng, MAX_INSNS);
    for (unsigned i = 0; i < m->count; i++) {
        unsigned roll = rng_below(m->rng, 100);
        if (roll < 14)
            branch_piece(m, &m->piece[i], i, m->count);
        else if (roll < 55)
            common_piece(m, &m->piece[i]);
        else
            row_piece(m, &m->piece[i], pick_row(m, rows));
    }
    link_pieces(m, p);
}

// ---- functions ----

enum { MAX_FUNCTIONS = 5, LEAST_BODY = 3, BODY_VARIES = 6 };

static void bytes_piece(struct piece *p, const char *bytes, unsigned n)
{
    p->n = 0;
    p->target = -1;
    for (unsigned i = 0; i < n; i++) put(p, (uint8_t)bytes[i], 1);
}

// Neither rsp nor the counter: functions return, and loops end.
static unsigned tame_register(struct maker_state *m)
{
    unsigned reg = rng_below(m->rng, 15); // r15 counts
    return reg == GPR_RSP ? 11 : reg;
}

static void tame_piece(struct maker_state *m, struct piece *p)
{
    static const uint8_t opcodes[] = {0x01, 0x03, 0x11, 0x29, 0x31, 0x39, 0x85, 0x89, 0x8b, 0x8b};
    unsigned reg = tame_register(m), rm = tame_register(m);
    bool stack = rng_percent(m->rng, 20);
    bytes_piece(p, "", 0);
    put(p, 0x48 | (reg & 8 ? 4 : 0) | (!stack && rm & 8 ? 1 : 0), 1);
    put(p, stack ? 0x8b : opcodes[rng_below(m->rng, sizeof opcodes)], 1);
    put(p, (stack ? 0x44 : 0xc0 | (rm & 7)) | (reg & 7) << 3, 1);
    if (stack) put(p, 0x24 | (rng_below(m->rng, 16) * 8) << 8, 2);
}

// lea reg, [rip + rel32], then call or jump there: the same register in both.
static void computed_piece(struct maker_state *m, struct piece *lea, struct piece *go, unsigned target)
{
    unsigned reg = tame_register(m);
    bytes_piece(lea, "", 0);
    put(lea, 0x8d48 | (reg & 8 ? 4 : 0) | (0x05u | (reg & 7) << 3) << 16, 3);
    put(lea, 0, 4);
    lea->target = (int)target;
    bytes_piece(go, "", 0);
    if (reg & 8) put(go, 0x41, 1);
    put(go, 0xd0ff | (reg & 7) << 8, 2);
}

static void return_piece(struct maker_state *m, struct piece *p)
{
    unsigned roll = rng_below(m->rng, 100);
    bytes_piece(p, "\xc3", 1);
    if (roll < 8) bytes_piece(p, "\xc2\x08\x00", 3);
    if (roll >= 8 && roll < 14) bytes_piece(p, "\x41\x5b\x41\xff\xe3", 5);          // pop r11; jmp r11
    if (roll >= 14 && roll < 18) bytes_piece(p, "\x48\x8d\x64\x24\xf8\x58\xc3", 7); // lea rsp, [rsp - 8]; pop; ret
    if (roll >= 18 && roll < 21) bytes_piece(p, "\x48\xff\x04\x24\xc3", 5);         // inc qword [rsp]: elsewhere
}

static struct piece *next_piece(struct maker_state *m)
{
    return &m->piece[m->count++];
}

static void body_piece(struct maker_state *m, const struct row_table *rows, unsigned later, unsigned end)
{
    unsigned roll = rng_below(m->rng, 100);
    struct piece *p = next_piece(m);
    if (roll < 30) {
        bytes_piece(p, "\xe8\0\0\0\0", 5);
        p->target = (int)later;
    } else if (roll < 40 && m->count < end) {
        computed_piece(m, p, next_piece(m), later);
    } else if (roll < 52) {
        bytes_piece(p, "", 0);
        put(p, 0x800f | rng_below(m->rng, 16) << 8, 2);
        put(p, 0, 4);
        p->target = (int)(m->count + rng_below(m->rng, end - m->count + 1));
    } else if (roll < 64) {
        row_piece(m, p, pick_row(m, rows));
    } else {
        tame_piece(m, p);
    }
}

// From where m->count is to `end`; what it calls is mostly further on.
static void function(struct maker_state *m, const struct row_table *rows, const unsigned *start, unsigned n, unsigned i)
{
    unsigned saved = tame_register(m), end = start[i + 1] - 2;
    bool saves = i && rng_percent(m->rng, 50);
    if (saves) {
        struct piece *p = next_piece(m);
        bytes_piece(p, "", 0);
        put(p, saved & 8 ? 0x5041 | (saved & 7) << 8 : 0x50 | saved, saved & 8 ? 2 : 1);
    }
    while (m->count < end) {
        unsigned from = i + 1 < n && rng_percent(m->rng, 90) ? i + 1 : 0;
        body_piece(m, rows, start[from + rng_below(m->rng, n - from)], end);
    }
    bytes_piece(next_piece(m), "", 0);
    if (saves) put(&m->piece[m->count - 1], saved & 8 ? 0x5841 | (saved & 7) << 8 : 0x58 | saved, saved & 8 ? 2 : 1);
    return_piece(m, next_piece(m));
}

// mov r15d, n; loop: call the first function; dec r15; jnz loop; syscall.
static void calls_program(struct maker_state *m, struct program *p, const struct row_table *rows)
{
    enum { LOOP = 1, MAIN = 5 };
    unsigned start[MAX_FUNCTIONS + 1] = {MAIN}, n = 1 + rng_below(m->rng, MAX_FUNCTIONS);
    p->kind = "calls";
    for (unsigned i = 0; i < n; i++) start[i + 1] = start[i] + 2 + LEAST_BODY + rng_below(m->rng, BODY_VARIES);
    m->count = 0;
    bytes_piece(next_piece(m), "\x41\xbf", 2);
    put(&m->piece[0], 1 + rng_below(m->rng, 12), 4);
    bytes_piece(next_piece(m), "\xe8\0\0\0\0", 5);
    m->piece[LOOP].target = (int)start[0];
    bytes_piece(next_piece(m), "\x49\xff\xcf", 3);
    bytes_piece(next_piece(m), "\x0f\x85\0\0\0\0", 6);
    m->piece[MAIN - 2].target = LOOP;
    bytes_piece(next_piece(m), "\x0f\x05\xcc", 3);
    for (unsigned i = 0; i < n; i++) function(m, rows, start, n, i);
    link_pieces(m, p);
}

// ---- bytes ----

static void bytes_program(struct maker_state *m, struct program *p)
{
    unsigned count = 1 + rng_below(m->rng, 40);
    p->kind = "bytes";
    for (unsigned i = 0; i < count; i++) {
        uint8_t bytes[SHAPE_BYTES];
        struct insn in;
        random_bytes(m->rng, bytes);
        int n = insn_decode(&in, bytes, LONGEST, 0x10000000, CPU_LEVEL_V3, false);
        if (n <= 0 && rng_percent(m->rng, 95)) continue;
        n = n > 0 ? n : (int)rng_below(m->rng, LONGEST);
        memcpy(p->code + p->n, bytes, (size_t)n);
        p->n += (unsigned)n;
    }
}

static void mutated_program(struct maker_state *m, struct program *p, const struct corpus *corpus)
{
    unsigned n = 16 + rng_below(m->rng, 240), flips = rng_below(m->rng, 4);
    p->kind = "mutated";
    memcpy(p->code, corpus->bytes + rng_next(m->rng) % (corpus->n - n), n);
    p->n = n;
    for (unsigned i = 0; i < flips; i++) p->code[rng_below(m->rng, n)] ^= (uint8_t)(1u << rng_below(m->rng, 8));
}

// ---- the state ----

// At an edge of the name: across its start or its end.
static uint64_t edge(struct rng *r, uint64_t name)
{
    return name + (rng_below(r, 2) ? ARENA_NAME_BYTES : 0) - 48 + rng_below(r, 96);
}

// In a name, where there is memory and where there is none; beside it, though it claims that; in nobody's; and below
// 4 GiB.
static uint64_t named_address(struct rng *r)
{
    uint64_t data = ARENA_NAME + rng_below(r, DATA_PAGES * PAGE);
    unsigned roll = rng_below(r, 100);
    if (roll < 45) return data;
    if (roll < 57) return NAME_MIXED + rng_below(r, PAGE);
    if (roll < 67) return edge(r, rng_below(r, 2) ? ARENA_NAME : NAME_MIXED);
    if (roll < 74) return ARENA_NAME + rng_below(r, ARENA_NAME_BYTES);
    if (roll < 81) return data + ((uint64_t)rng_below(r, 11) << 30);
    if (roll < 88) return (uint64_t)rng_below(r, 256) << 32 | (uint32_t)data;
    return roll < 94 ? (uint32_t)data : STACK_BASE + rng_below(r, STACK_PAGES * PAGE);
}

static uint64_t data_address(struct rng *r)
{
    switch (rng_below(r, 8)) {
    case 0:
        return MIXED_BASE + rng_below(r, PAGE);
    case 1:
        return SHARED_BASE + rng_below(r, PAGE);
    case 2:
        return STACK_BASE + rng_below(r, STACK_PAGES * PAGE);
    default:
        return DATA_LOW + rng_below(r, DATA_PAGES * PAGE);
    }
}

static uint64_t stack_pointer(struct rng *r, bool named)
{
    uint64_t inside = STACK_BASE + PAGE + 8 * rng_below(r, (STACK_PAGES - 2) * PAGE / 8);
    unsigned roll = rng_below(r, 100);
    if (roll < 85) return inside;
    if (roll < 90) return inside + rng_below(r, 16);
    if (roll < 94) return data_address(r);
    if (named && roll < 96) return named_address(r);
    return roll < 97 ? random_int(r) : (uint32_t)rng_next(r);
}

static void set_registers(struct maker_state *m, struct program *p, const struct row_table *rows)
{
    struct test_case c; // its state serves, whatever its instruction is
    choose_data(m);
    make_case(&c, &rows->row[rng_below(m->rng, (unsigned)rows->count)], m->rng, &m->data);
    p->in = c.in;
    for (unsigned i = 0; i < GPR_COUNT && m->named; i++)
        if (rng_percent(m->rng, 60)) p->in.gpr[i] = named_address(m->rng);
    for (unsigned i = 0; i < GPR_COUNT; i++)
        if (rng_percent(m->rng, m->named ? 15 : 60))
            p->in.gpr[i] = data_address(m->rng) & ~(uint64_t)(rng_percent(m->rng, 70) ? 15 : 0);
    if (rng_percent(m->rng, 40)) p->in.gpr[GPR_RCX] = rng_below(m->rng, 40);
    if (rng_percent(m->rng, 85)) p->in.eflags &= ~0x400ull; // DF
    if (rng_percent(m->rng, 85)) p->in.fx.mxcsr |= 0x1f80, p->in.fx.fcw |= 0x3f, p->in.fx.fsw &= 0x7f7f;
    if (rng_percent(m->rng, 30)) p->in.fs_base = data_address(m->rng);
    if (rng_percent(m->rng, 10)) p->in.gs_base = random_int(m->rng) >> 17;
    if (m->named && rng_percent(m->rng, 15)) p->in.fs_base = named_address(m->rng);
    if (m->named && rng_percent(m->rng, 15)) p->in.gs_base = (uint64_t)rng_below(m->rng, 256) << 32;
    p->in.gpr[GPR_RSP] = stack_pointer(m->rng, m->named);
}

void make_program(struct program *p, struct rng *r, const struct row_table *rows, const struct corpus *corpus,
                  bool named)
{
    static struct maker_state state; // large; nothing of it is kept
    struct maker_state *m = &state;
    memset(p, 0, sizeof *p);
    m->rng = r;
    m->named = named;
    set_registers(m, p, rows);
    unsigned roll = rng_below(r, 100);
    if (roll < 40)
        rows_program(m, p, rows);
    else if (roll < 60)
        calls_program(m, p, rows);
    else if (roll < 75)
        bytes_program(m, p);
    else
        mutated_program(m, p, corpus);
    uint32_t last = PAGE - p->n - 1;
    p->base = rng_percent(r, 15)   ? MIXED_BASE + rng_below(r, last)
              : rng_percent(r, 15) ? CODE_BASE + PAGE - rng_below(r, p->n + 1)
                                   : CODE_BASE + rng_below(r, last);
    p->in.rip = p->base;
}
