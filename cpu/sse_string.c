/* PCMPESTRI, PCMPESTRM, PCMPISTRI, PCMPISTRM, step by step as SDM volume 2, 4.1 ("Imm8 control byte operation")
 * describes them. */
#include "cpu/sse.h"

/* Immediate 1:0 */
enum { STR_WORDS = 1, STR_SIGNED = 2 };
/* Immediate 3:2: what is compared with what */
enum { STR_EQUAL_ANY, STR_RANGES, STR_EQUAL_EACH, STR_EQUAL_ORDERED };
/* Immediate 5:4 */
enum { STR_NEGATE = 0x10, STR_MASKED = 0x20 };
/* Immediate 6: the last index instead of the first, a mask of elements instead of bits */
enum { STR_LAST_OR_WIDE = 0x40 };

/* One operand: its elements, and how many of them (a bit each in `valid`) belong to the string. */
struct text {
    int32_t element[16];
    uint32_t valid;
};

SSE_INLINE unsigned text_capacity(unsigned imm)
{
    return imm & STR_WORDS ? 8 : 16;
}

static int32_t text_element(const union lanes *v, unsigned i, unsigned imm)
{
    switch (imm & (STR_WORDS | STR_SIGNED)) {
    case 0:
        return v->u8[i];
    case STR_WORDS:
        return v->u16[i];
    case STR_SIGNED:
        return v->s8[i];
    default:
        return v->s16[i];
    }
}

static void text_read(struct text *t, vx v, unsigned imm)
{
    union lanes x = {.v = v};
    for (unsigned i = 0; i < text_capacity(imm); i++) t->element[i] = text_element(&x, i, imm);
}

/* The string ends before the first zero. */
static void text_end_implicit(struct text *t, unsigned imm)
{
    unsigned n = 0;
    while (n < text_capacity(imm) && t->element[n]) n++;
    t->valid = (1u << n) - 1;
}

/* Its length is the register's magnitude, at most what fits. */
static void text_end_explicit(struct text *t, unsigned imm, int64_t length)
{
    uint64_t n = length < 0 ? -(uint64_t)length : (uint64_t)length;
    if (n > text_capacity(imm)) n = text_capacity(imm);
    t->valid = (1u << n) - 1;
}

static bool text_has(const struct text *t, unsigned i)
{
    return t->valid >> i & 1;
}

/* Is b's element j one of a's elements? */
static bool equal_any(const struct text *a, const struct text *b, unsigned j, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        if (text_has(a, i) && text_has(b, j) && a->element[i] == b->element[j]) return true;
    }
    return false;
}

/* Is it within one of the ranges whose ends are pairs of a's elements? */
static bool in_ranges(const struct text *a, const struct text *b, unsigned j, unsigned n)
{
    for (unsigned i = 0; i + 1 < n; i += 2) {
        bool valid = text_has(a, i + 1) && text_has(b, j);
        if (valid && a->element[i] <= b->element[j] && b->element[j] <= a->element[i + 1]) return true;
    }
    return false;
}

/* Elements behind both strings' ends are equal. */
static bool equal_each(const struct text *a, const struct text *b, unsigned j)
{
    if (text_has(a, j) && text_has(b, j)) return a->element[j] == b->element[j];
    return text_has(a, j) == text_has(b, j);
}

/* Does a occur in b at j (as far as b is seen)? */
static bool equal_ordered(const struct text *a, const struct text *b, unsigned j, unsigned n)
{
    for (unsigned i = 0; i + j < n; i++) {
        if (!text_has(a, i)) return true;
        if (!text_has(b, i + j) || a->element[i] != b->element[i + j]) return false;
    }
    return true;
}

static bool text_matches(const struct text *a, const struct text *b, unsigned j, unsigned imm)
{
    unsigned n = text_capacity(imm);
    switch (imm >> 2 & 3) {
    case STR_EQUAL_ANY:
        return equal_any(a, b, j, n);
    case STR_RANGES:
        return in_ranges(a, b, j, n);
    case STR_EQUAL_EACH:
        return equal_each(a, b, j);
    default:
        return equal_ordered(a, b, j, n);
    }
}

/* The result bits (IntRes2) and the flags. */
static uint32_t text_compare(struct cpu *cpu, const struct text *a, const struct text *b, unsigned imm)
{
    unsigned n = text_capacity(imm);
    uint32_t all = (1u << n) - 1, result = 0;
    for (unsigned j = 0; j < n; j++) result |= (uint32_t)text_matches(a, b, j, imm) << j;
    if (imm & STR_NEGATE) result ^= imm & STR_MASKED ? b->valid : all;
    flags_set(cpu, (result ? FLAG_CF : 0) | (b->valid != all ? FLAG_ZF : 0) | (a->valid != all ? FLAG_SF : 0) |
                       (result & 1 ? FLAG_OF : 0));
    return result;
}

static uint32_t compare_explicit(struct cpu *cpu, const struct insn *in, vx vb)
{
    unsigned imm = (uint8_t)in->imm;
    bool wide = in->pfx & PFX_REXW;
    struct text a, b;
    text_read(&a, xmm(cpu, in->reg), imm);
    text_read(&b, vb, imm);
    text_end_explicit(&a, imm, wide ? (int64_t)cpu->regs[RAX] : (int32_t)cpu->regs[RAX]);
    text_end_explicit(&b, imm, wide ? (int64_t)cpu->regs[RDX] : (int32_t)cpu->regs[RDX]);
    return text_compare(cpu, &a, &b, imm);
}

static uint32_t compare_implicit(struct cpu *cpu, const struct insn *in, vx vb)
{
    unsigned imm = (uint8_t)in->imm;
    struct text a, b;
    text_read(&a, xmm(cpu, in->reg), imm);
    text_read(&b, vb, imm);
    text_end_implicit(&a, imm);
    text_end_implicit(&b, imm);
    return text_compare(cpu, &a, &b, imm);
}

/* The first or last index into ECX; the number of elements when there is none. */
static void return_index(struct cpu *cpu, unsigned imm, uint32_t result)
{
    unsigned index = text_capacity(imm);
    if (result) index = imm & STR_LAST_OR_WIDE ? 31 - (unsigned)__builtin_clz(result) : (unsigned)__builtin_ctz(result);
    set_reg32(cpu, RCX, index);
}

/* The bits, or elements of ones, into xmm0. */
static void return_mask(struct cpu *cpu, unsigned imm, uint32_t result)
{
    union lanes r = {.v = vx_low(result)};
    if (imm & STR_LAST_OR_WIDE) {
        for (unsigned i = 0; i < 16; i++) r.u8[i] = result >> (imm & STR_WORDS ? i / 2 : i) & 1 ? 0xff : 0;
    }
    set_xmm(cpu, 0, r.v);
}

/* What VEX clears besides. */
SSE_INLINE void clear_beyond_index(struct cpu *cpu)
{
    (void)cpu;
}

SSE_INLINE void clear_beyond_mask(struct cpu *cpu)
{
    set_ymm(cpu, 0, (vy){.lo = xmm(cpu, 0)});
}

/* row, lengths, result */
#define STRING_OPS(X)                                                                                                  \
    X(PCMPESTRI_VdqWdqIb, explicit, index)                                                                             \
    X(PCMPESTRM_VdqWdqIb, explicit, mask)                                                                              \
    X(PCMPISTRI_VdqWdqIb, implicit, index)                                                                             \
    X(PCMPISTRM_VdqWdqIb, implicit, mask)

/* Out of line, since the operands live on the stack. The memory operand need not be aligned. */
#define STRING_ROWS(row, lengths, kind)                                                                                \
    SSE_NOINLINE void string_##lengths##_##kind(struct cpu *cpu, const struct insn *in, vx b)                          \
    {                                                                                                                  \
        return_##kind(cpu, (uint8_t)in->imm, compare_##lengths(cpu, in, b));                                           \
    }                                                                                                                  \
    OP(row##_r)                                                                                                        \
    {                                                                                                                  \
        string_##lengths##_##kind(cpu, in, xmm(cpu, in->rm));                                                          \
        return op_next(cpu, in);                                                                                       \
    }                                                                                                                  \
    OP(row##_m)                                                                                                        \
    {                                                                                                                  \
        string_##lengths##_##kind(cpu, in, vx_load(cpu, in, ea(cpu, in)));                                             \
        return op_next(cpu, in);                                                                                       \
    }                                                                                                                  \
    OP(V##row)                                                                                                         \
    {                                                                                                                  \
        string_##lengths##_##kind(cpu, in, is_mem(in) ? vx_load(cpu, in, ea(cpu, in)) : xmm(cpu, in->rm));             \
        clear_beyond_##kind(cpu);                                                                                      \
        return op_next(cpu, in);                                                                                       \
    }
STRING_OPS(STRING_ROWS)
