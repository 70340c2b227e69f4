// MOVS STOS LODS CMPS SCAS with REP, REPE, REPNE, both directions and address sizes.
//
// A repeated instruction keeps its registers up to date element by element, so that a fault or a request in its middle
// leaves them as the CPU does; flags of a repeated CMPS or SCAS change at its end only (SDM vol. 2, REP). Going
// forward, MOVS and STOS do one element of each stretch within pages in full, which proves those pages accessible, and
// the rest of it through host addresses.
#include "cpu/op_int.h"

ALWAYS_INLINE uint64_t string_reg(const struct cpu *cpu, const struct insn *in, unsigned r)
{
    return in->pfx & PFX_ADDR32 ? (uint32_t)cpu->regs[r] : cpu->regs[r];
}
ALWAYS_INLINE void advance(struct cpu *cpu, const struct insn *in, unsigned r, uint64_t by)
{
    uint64_t v = cpu->regs[r] + by;
    cpu->regs[r] = in->pfx & PFX_ADDR32 ? (uint32_t)v : v;
}
ALWAYS_INLINE uint64_t source(const struct cpu *cpu, const struct insn *in)
{
    return string_reg(cpu, in, RSI) + cpu->seg_base[in->seg];
}
ALWAYS_INLINE uint64_t destination(const struct cpu *cpu, const struct insn *in)
{
    return string_reg(cpu, in, RDI);
}
ALWAYS_INLINE uint64_t step(const struct cpu *cpu, unsigned bits)
{
    return cpu->flags_other & FLAG_DF ? -(uint64_t)(bits / 8) : bits / 8;
}
ALWAYS_INLINE bool repeats(const struct insn *in)
{
    return in->pfx & (PFX_REP | PFX_REPNE);
}

ALWAYS_INLINE uint64_t page_offset(uint64_t a)
{
    return a & (PAGE_BYTES - 1);
}
// Elements of the operand size that lie wholly in the page from a on.
ALWAYS_INLINE uint64_t room(uint64_t a, unsigned bits)
{
    return (PAGE_BYTES - page_offset(a)) / (bits / 8);
}

// Host address of n bytes within one page; NULL: go through load and store.
ALWAYS_INLINE uint8_t *span(struct cpu *cpu, uint64_t a, unsigned n, unsigned need)
{
#ifdef OPS_CHECKED
    return mem_checked_fast(cpu->mem, a, n, need);
#else
    (void)n, (void)need;
    return cpu->region + (uint32_t)a;
#endif
}

// One element each.
ALWAYS_INLINE void movs(struct cpu *cpu, const struct insn *in, unsigned bits)
{
    uint64_t v = load(cpu, in, bits, source(cpu, in));
    store(cpu, in, bits, destination(cpu, in), v);
    advance(cpu, in, RSI, step(cpu, bits));
    advance(cpu, in, RDI, step(cpu, bits));
}
ALWAYS_INLINE void stos(struct cpu *cpu, const struct insn *in, unsigned bits)
{
    store(cpu, in, bits, destination(cpu, in), get_reg(cpu, bits, RAX));
    advance(cpu, in, RDI, step(cpu, bits));
}
ALWAYS_INLINE void lods(struct cpu *cpu, const struct insn *in, unsigned bits)
{
    set_reg(cpu, bits, RAX, load(cpu, in, bits, source(cpu, in)));
    advance(cpu, in, RSI, step(cpu, bits));
}
struct pair {
    uint64_t a, b;
};
ALWAYS_INLINE struct pair cmps(struct cpu *cpu, const struct insn *in, unsigned bits)
{
    uint64_t b = load(cpu, in, bits, destination(cpu, in)),
             a = load(cpu, in, bits, source(cpu, in)); // in this order they fault on Intel
    advance(cpu, in, RSI, step(cpu, bits));
    advance(cpu, in, RDI, step(cpu, bits));
    return (struct pair){a, b};
}
ALWAYS_INLINE struct pair scas(struct cpu *cpu, const struct insn *in, unsigned bits)
{
    uint64_t b = load(cpu, in, bits, destination(cpu, in));
    advance(cpu, in, RDI, step(cpu, bits));
    return (struct pair){get_reg(cpu, bits, RAX), b};
}

// The stretches. What is written in order element by element is so even when source and destination overlap.
static void copy_up(uint8_t *to, const uint8_t *from, uint64_t n, unsigned size)
{
    if ((uintptr_t)to - (uintptr_t)from >= n * size)
        memmove(to, from, n * size);
    else
        for (uint64_t i = 0; i < n; i++) memmove(to + i * size, from + i * size, size);
}
ALWAYS_INLINE void movs_stretch(struct cpu *cpu, const struct insn *in, unsigned bits, uint64_t count)
{
    uint64_t from = source(cpu, in), to = destination(cpu, in),
             n = room(from, bits) < room(to, bits) ? room(from, bits) : room(to, bits);
    if (n > count) n = count;
    // The element before must have touched this page: at its very start it has not.
    if (n == 0 || page_offset(from) == 0 || page_offset(to) == 0) return;
    uint8_t *f = span(cpu, from, (unsigned)n * (bits / 8), MEM_R), *t = span(cpu, to, (unsigned)n * (bits / 8), MEM_W);
    if (!f || !t) return;
    copy_up(t, f, n, bits / 8);
    advance(cpu, in, RSI, n * (bits / 8));
    advance(cpu, in, RDI, n * (bits / 8));
    advance(cpu, in, RCX, -n);
}
ALWAYS_INLINE void stos_stretch(struct cpu *cpu, const struct insn *in, unsigned bits, uint64_t count)
{
    uint64_t to = destination(cpu, in), n = room(to, bits), v = cpu->regs[RAX];
    if (n > count) n = count;
    if (n == 0 || page_offset(to) == 0) return;
    uint8_t *t = span(cpu, to, (unsigned)n * (bits / 8), MEM_W);
    if (!t) return;
    if (bits == 8)
        memset(t, (uint8_t)v, n);
    else
        for (uint64_t i = 0; i < n; i++) memcpy(t + i * (bits / 8), &v, bits / 8);
    advance(cpu, in, RDI, n * (bits / 8));
    advance(cpu, in, RCX, -n);
}

enum string { STRING_MOVS, STRING_STOS, STRING_LODS, STRING_CMPS, STRING_SCAS };

// With 67, a repeated instruction clears the high half of rCX first, whatever the count, and MOVS and STOS with a count
// those of their pointers, before anything faults. Not in the manual; Intel's CPUs do so.
ALWAYS_INLINE void narrow_registers(struct cpu *cpu, const struct insn *in, enum string op)
{
    if (!(in->pfx & PFX_ADDR32)) return;
    cpu->regs[RCX] = (uint32_t)cpu->regs[RCX];
    if (cpu->regs[RCX] == 0) return;
    if (op == STRING_MOVS) cpu->regs[RSI] = (uint32_t)cpu->regs[RSI];
    if (op == STRING_MOVS || op == STRING_STOS) cpu->regs[RDI] = (uint32_t)cpu->regs[RDI];
}

// MOVS, STOS, LODS. Between elements somebody may ask the run to stop; then the instruction is run again for the rest.
ALWAYS_INLINE const struct insn *repeat(struct cpu *cpu, const struct insn *in, enum string op, unsigned bits)
{
    narrow_registers(cpu, in, op);
    while (string_reg(cpu, in, RCX)) {
        if (cpu->interrupt) return op_stop(cpu, in, STOP_REQUEST, in->pc);
        if (op == STRING_MOVS)
            movs(cpu, in, bits);
        else if (op == STRING_STOS)
            stos(cpu, in, bits);
        else
            lods(cpu, in, bits);
        advance(cpu, in, RCX, -1ull);
        uint64_t left = string_reg(cpu, in, RCX);
        if (left == 0 || cpu->flags_other & FLAG_DF) continue;
        if (op == STRING_MOVS) movs_stretch(cpu, in, bits, left);
        if (op == STRING_STOS) stos_stretch(cpu, in, bits, left);
    }
    return op_next(cpu, in);
}

// CMPS, SCAS: until the count is 0, or the elements differ (REPE) or are equal (REPNE).
ALWAYS_INLINE const struct insn *repeat_compare(struct cpu *cpu, const struct insn *in, enum string op, unsigned bits)
{
    bool wanted = in->pfx & PFX_REP;
    struct pair p = {0, 0};
    narrow_registers(cpu, in, op);
    if (string_reg(cpu, in, RCX) == 0) return op_next(cpu, in);
    do {
        if (cpu->interrupt) return op_stop(cpu, in, STOP_REQUEST, in->pc);
        p = op == STRING_CMPS ? cmps(cpu, in, bits) : scas(cpu, in, bits);
        advance(cpu, in, RCX, -1ull);
    } while (string_reg(cpu, in, RCX) && (p.a == p.b) == wanted);
    flags_sub(cpu, bits, p.a, p.b, p.a - p.b);
    return op_next(cpu, in);
}

#define MOVE(name, op, fn, bits)                                                                                       \
    OP(name)                                                                                                           \
    {                                                                                                                  \
        if (repeats(in)) return repeat(cpu, in, op, bits);                                                             \
        fn(cpu, in, bits);                                                                                             \
        return op_next(cpu, in);                                                                                       \
    }
#define COMPARE(name, op, fn, bits)                                                                                    \
    OP(name)                                                                                                           \
    {                                                                                                                  \
        if (repeats(in)) return repeat_compare(cpu, in, op, bits);                                                     \
        struct pair p = fn(cpu, in, bits);                                                                             \
        flags_sub(cpu, bits, p.a, p.b, p.a - p.b);                                                                     \
        return op_next(cpu, in);                                                                                       \
    }
#define SIZED(what, name, op, fn) what(name##_16, op, fn, 16) what(name##_32, op, fn, 32) what(name##_64, op, fn, 64)
MOVE(MOVSB_YbXb, STRING_MOVS, movs, 8)
MOVE(STOSB_YbAL, STRING_STOS, stos, 8)
MOVE(LODSB_ALXb, STRING_LODS, lods, 8)
COMPARE(CMPSB_XbYb, STRING_CMPS, cmps, 8)
COMPARE(SCASB_ALYb, STRING_SCAS, scas, 8)
SIZED(MOVE, MOVS_YvXv, STRING_MOVS, movs)
SIZED(MOVE, STOS_YvrAX, STRING_STOS, stos)
SIZED(MOVE, LODS_rAXXv, STRING_LODS, lods)
SIZED(COMPARE, CMPS_XvYv, STRING_CMPS, cmps)
SIZED(COMPARE, SCAS_rAXYv, STRING_SCAS, scas)
