// MOVS STOS LODS CMPS SCAS with REP, REPE, REPNE, both directions and address sizes.
//
// A repeated instruction keeps its registers up to date element by element, so that a fault or a request in its middle
// leaves them as the CPU does; flags of a repeated CMPS or SCAS change at its end only (SDM vol. 2, REP). Going
// forward, all of them do one element of each stretch within pages in full, which proves those pages accessible, and
// the rest of it through host addresses, and look for a request between stretches.
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
// How many of `most` elements from a on lie wholly in a page that the element before has touched: in that of a, unless
// a is its very start.
ALWAYS_INLINE uint64_t proven(uint64_t a, unsigned bits, uint64_t most)
{
    uint64_t n = page_offset(a) ? (PAGE_BYTES - page_offset(a)) / (bits / 8) : 0;
    return n < most ? n : most;
}

// Host address of n bytes within one page; NULL: go through load and store.
ALWAYS_INLINE uint8_t *span(struct cpu *cpu, uint64_t a, uint64_t n, unsigned need)
{
#ifdef OPS_CHECKED
    return mem_checked_fast(cpu->mem, a, (unsigned)n, need);
#else
    (void)n, (void)need;
    return cpu->region + (uint32_t)a;
#endif
}

// Two guest pages may show one frame. Then the source is read in the page that is written, so that what overlaps does
// so in host addresses. (In the checked back end they are those of the frames anyway.)
ALWAYS_INLINE const uint8_t *span_beside(struct cpu *cpu, uint64_t from, const uint8_t *f, uint64_t to,
                                         const uint8_t *t)
{
#ifdef OPS_CHECKED
    (void)cpu, (void)from, (void)to, (void)t;
    return f;
#else
    pte_t source_pte = mem_pte(cpu->mem, (uint32_t)from >> PAGE_SHIFT),
          target_pte = mem_pte(cpu->mem, (uint32_t)to >> PAGE_SHIFT);
    return pte_frame(source_pte) == pte_frame(target_pte) ? t - page_offset(to) + page_offset(from) : f;
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

// ---- stretches ----
// Each takes, of the `count` elements left, those that lie in pages the element before has touched. Nothing there can
// fault (but for a SIGBUS of the host, whose registers are those before the stretch).

// n bytes at `to` go on with the period that ends before it.
static void repeat_before(uint8_t *to, size_t period, size_t n)
{
    const uint8_t *from = to - period;
    for (size_t k; n > 0; to += k, n -= k) {
        k = (size_t)(to - from) < n ? (size_t)(to - from) : n;
        memcpy(to, from, k);
    }
}

// n bytes, element by element upwards: a target inside the source repeats what stands before it.
static void copy_up(uint8_t *to, const uint8_t *from, size_t n, size_t size)
{
    size_t above = (uintptr_t)to - (uintptr_t)from;
    if (above >= n || above == 0)
        memmove(to, from, n);
    else if (above >= size)
        repeat_before(to, above, n);
    else
        for (size_t i = 0; i < n; i += size) memmove(to + i, from + i, size);
}

ALWAYS_INLINE void movs_stretch(struct cpu *cpu, const struct insn *in, unsigned bits, uint64_t count)
{
    uint64_t from = source(cpu, in), to = destination(cpu, in), n = proven(from, bits, proven(to, bits, count)),
             bytes = n * (bits / 8);
    if (n == 0) return;
    uint8_t *f = span(cpu, from, bytes, MEM_R), *t = span(cpu, to, bytes, MEM_W);
    if (!f || !t) return;
    copy_up(t, span_beside(cpu, from, f, to, t), bytes, bits / 8);
    advance(cpu, in, RSI, bytes);
    advance(cpu, in, RDI, bytes);
    advance(cpu, in, RCX, -n);
}

ALWAYS_INLINE void stos_stretch(struct cpu *cpu, const struct insn *in, unsigned bits, uint64_t count)
{
    uint64_t to = destination(cpu, in), n = proven(to, bits, count), bytes = n * (bits / 8),
             v = get_reg(cpu, bits, RAX), same = (v & 0xff) * (0x0101010101010101u >> (64 - bits));
    if (n == 0) return;
    uint8_t *t = span(cpu, to, bytes, MEM_W);
    if (!t) return;
    if (v == same) {
        memset(t, (uint8_t)v, bytes);
    } else {
        memcpy(t, &v, bits / 8);
        repeat_before(t + bits / 8, bits / 8, bytes - bits / 8);
    }
    advance(cpu, in, RDI, bytes);
    advance(cpu, in, RCX, -n);
}

// Only the last element stays.
ALWAYS_INLINE void lods_stretch(struct cpu *cpu, const struct insn *in, unsigned bits, uint64_t count)
{
    uint64_t from = source(cpu, in), n = proven(from, bits, count), bytes = n * (bits / 8), v = 0;
    if (n == 0) return;
    const uint8_t *f = span(cpu, from, bytes, MEM_R);
    if (!f) return;
    memcpy(&v, f + bytes - bits / 8, bits / 8);
    set_reg(cpu, bits, RAX, v);
    advance(cpu, in, RSI, bytes);
    advance(cpu, in, RCX, -n);
}

ALWAYS_INLINE uint64_t element(const uint8_t *p, unsigned bits, uint64_t i)
{
    uint64_t v = 0;
    memcpy(&v, p + i * (bits / 8), bits / 8);
    return v;
}

// Elements at the start of a stretch after which SCAS or CMPS goes on: those equal (wanted) or not.
ALWAYS_INLINE uint64_t scas_run(const uint8_t *p, uint64_t v, unsigned bits, uint64_t n, bool wanted)
{
    uint64_t i = 0;
    if (bits == 8 && !wanted) {
        const uint8_t *hit = memchr(p, (uint8_t)v, n);
        return hit ? (uint64_t)(hit - p) : n;
    }
    if (wanted && element(p, bits, 0) == v && memcmp(p, p + bits / 8, (n - 1) * (bits / 8)) == 0) return n;
    while (i < n && (element(p, bits, i) == v) == wanted) i++;
    return i;
}
ALWAYS_INLINE uint64_t cmps_run(const uint8_t *a, const uint8_t *b, unsigned bits, uint64_t n, bool wanted)
{
    uint64_t i = 0;
    if (wanted && memcmp(a, b, n * (bits / 8)) == 0) return n;
    while (i < n && (element(a, bits, i) == element(b, bits, i)) == wanted) i++;
    return i;
}

ALWAYS_INLINE void scas_stretch(struct cpu *cpu, const struct insn *in, unsigned bits, uint64_t count, bool wanted)
{
    uint64_t at = destination(cpu, in), n = proven(at, bits, count);
    const uint8_t *p = n ? span(cpu, at, n * (bits / 8), MEM_R) : NULL;
    if (!p) return;
    n = scas_run(p, get_reg(cpu, bits, RAX), bits, n, wanted);
    advance(cpu, in, RDI, n * (bits / 8));
    advance(cpu, in, RCX, -n);
}
ALWAYS_INLINE void cmps_stretch(struct cpu *cpu, const struct insn *in, unsigned bits, uint64_t count, bool wanted)
{
    uint64_t from = source(cpu, in), to = destination(cpu, in), n = proven(from, bits, proven(to, bits, count));
    const uint8_t *a = n ? span(cpu, from, n * (bits / 8), MEM_R) : NULL,
                  *b = n ? span(cpu, to, n * (bits / 8), MEM_R) : NULL;
    if (!a || !b) return;
    n = cmps_run(a, b, bits, n, wanted);
    advance(cpu, in, RSI, n * (bits / 8));
    advance(cpu, in, RDI, n * (bits / 8));
    advance(cpu, in, RCX, -n);
}

// ---- repeating ----

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
        if (op == STRING_LODS) lods_stretch(cpu, in, bits, left);
    }
    return op_next(cpu, in);
}

// CMPS, SCAS: until the count is 0, or the elements differ (REPE) or are equal (REPNE). The one that ends it is never
// in a stretch, so that it makes the flags.
ALWAYS_INLINE const struct insn *repeat_compare(struct cpu *cpu, const struct insn *in, enum string op, unsigned bits)
{
    bool wanted = in->pfx & PFX_REP;
    struct pair p;
    narrow_registers(cpu, in, op);
    if (string_reg(cpu, in, RCX) == 0) return op_next(cpu, in);
    for (;;) {
        if (cpu->interrupt) return op_stop(cpu, in, STOP_REQUEST, in->pc);
        p = op == STRING_CMPS ? cmps(cpu, in, bits) : scas(cpu, in, bits);
        advance(cpu, in, RCX, -1ull);
        uint64_t left = string_reg(cpu, in, RCX);
        if (left == 0 || (p.a == p.b) != wanted) break;
        if (cpu->flags_other & FLAG_DF) continue;
        if (op == STRING_CMPS) cmps_stretch(cpu, in, bits, left - 1, wanted);
        if (op == STRING_SCAS) scas_stretch(cpu, in, bits, left - 1, wanted);
    }
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
