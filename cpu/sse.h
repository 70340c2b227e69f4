/* What the MMX, SSE and AVX op functions are written with: vector values, their operands, and the frames of the common
 * shapes of instruction.
 *
 * A vector value is a vx, 16 bytes, whatever its elements are; `union lanes` names the elements. An MMX value is a vx
 * whose upper half is zero. A lane function (vx, vx) -> vx says what an instruction computes, in portable C; loops over
 * lanes are vectorised by the compiler. The frames (xmm_binary_r, ...) fetch operands, call it, store the result and go
 * on; they are always inlined, so that each op function is one piece of code that ends in a sibling call. For the same
 * reason no op function may let the address of a local escape.
 *
 * Legacy SSE leaves bits 255:128 of its destination as they are: its frames write only the low 16 bytes of cpu->v[].
 * VEX instructions of 128 bits clear them; those of 256 (in->size is 32) do the same as the 128-bit ones once for each
 * half, with a few exceptions that cross the middle. So a VEX row takes the lane function of its SSE row, and a vy is
 * two vx. VEX memory operands need not be aligned, moves that say so aside. */
#pragma once
#include "cpu/hostfp.h"
#include "cpu/op.h"

#define SSE_INLINE   static inline __attribute__((always_inline, unused))
#define SSE_NOINLINE static __attribute__((noinline, unused))

typedef uint64_t vx __attribute__((vector_size(16)));

union lanes {
    vx v;
    uint8_t u8[16];
    uint16_t u16[8];
    uint32_t u32[4];
    uint64_t u64[2];
    int8_t s8[16];
    int16_t s16[8];
    int32_t s32[4];
    int64_t s64[2];
};
_Static_assert(sizeof(union lanes) == 16, "one xmm register");

#define LANES_OF(field) (sizeof(((union lanes *)0)->field) / sizeof(((union lanes *)0)->field[0]))

typedef struct {
    vx lo, hi;
} vy; /* a whole register: bits 127:0 and 255:128 */

typedef vx vx_binary_fn(vx a, vx b);
typedef vx vx_imm_fn(vx a, vx b, unsigned imm);

/* fast_NAME: lane_NAME by the host's own instruction where there is one (HOST_SSE, cpu/hostfp.h), since not every
 * compiler finds it in the loop. Portable builds prove the loops. */
#if HOST_SSE
#define VX_FAST(name, mnemonic)                                                                                        \
    SSE_INLINE vx fast_##name(vx a, vx b)                                                                              \
    {                                                                                                                  \
        __asm__(mnemonic " %1, %0" : "+x"(a) : "x"(b));                                                                \
        return a;                                                                                                      \
    }
#else
#define VX_FAST(name, mnemonic)                                                                                        \
    SSE_INLINE vx fast_##name(vx a, vx b)                                                                              \
    {                                                                                                                  \
        return lane_##name(a, b);                                                                                      \
    }
#endif

/* ---- Registers ---- */

SSE_INLINE vx xmm(const struct cpu *cpu, unsigned r)
{
    vx v;
    memcpy(&v, &cpu->v[r], sizeof v);
    return v;
}

SSE_INLINE void set_xmm(struct cpu *cpu, unsigned r, vx v)
{
    memcpy(&cpu->v[r], &v, sizeof v);
}

SSE_INLINE bool is_256(const struct insn *in)
{
    return in->size == 32;
}

/* In halves: of one copy of 32 bytes gcc keeps a second one on the stack. */
SSE_INLINE vy ymm(const struct cpu *cpu, unsigned r)
{
    vy v;
    memcpy(&v.lo, &cpu->v[r].u8[0], sizeof v.lo);
    memcpy(&v.hi, &cpu->v[r].u8[16], sizeof v.hi);
    return v;
}

SSE_INLINE void set_ymm(struct cpu *cpu, unsigned r, vy v)
{
    memcpy(&cpu->v[r].u8[0], &v.lo, sizeof v.lo);
    memcpy(&cpu->v[r].u8[16], &v.hi, sizeof v.hi);
}

SSE_INLINE vx vx_low(uint64_t low)
{
    return (vx){low, 0};
}

/* As one integer of 128 bits. */
SSE_INLINE unsigned __int128 vx_whole(vx v)
{
    return (unsigned __int128)v[1] << 64 | v[0];
}

SSE_INLINE vx vx_from(unsigned __int128 v)
{
    return (vx){(uint64_t)v, (uint64_t)(v >> 64)};
}

/* MMX registers are the significands of the physical x87 registers; ModRM's fourth bit (REX.R, REX.B) is ignored. */
SSE_INLINE uint64_t mm(const struct cpu *cpu, unsigned r)
{
    return cpu->fpu.st[r & 7].frac;
}

SSE_INLINE void set_mm(struct cpu *cpu, unsigned r, uint64_t v)
{
    cpu->fpu.st[r & 7].frac = v;
    cpu->fpu.st[r & 7].se = 0xffff;
}

enum { X87_SW_ES = 0x80, X87_SW_TOP = 7 << 11 };

/* Before an MMX instruction does anything: a pending unmasked x87 exception is raised first (SDM volume 3, 12.5). */
SSE_INLINE void mmx_check(struct cpu *cpu, const struct insn *in)
{
    if (__builtin_expect(cpu->fpu.sw & X87_SW_ES, 0)) cpu_raise(cpu, in, VEC_MF);
}

/* When it can no longer fault: TOP is 0 and all registers are valid (SDM volume 1, 9.5.1). */
SSE_INLINE void mmx_enter(struct cpu *cpu)
{
    cpu->fpu.sw &= (uint16_t)~X87_SW_TOP;
    cpu->fpu.tag = 0xff;
}

/* ---- Memory operands ---- */

/* The checked back end passes addresses of locals to its slow path; out of line they do not cost the op functions their
 * sibling calls. */
#ifdef OPS_CHECKED
#define SSE_MEM SSE_NOINLINE
#else
#define SSE_MEM SSE_INLINE
#endif

/* The compiler may not see that only a part of v is used: a load of 16 bytes must fault as one. */
SSE_INLINE vx undivided(vx v)
{
#if defined(__x86_64__)
    __asm__("" : "+x"(v));
#elif defined(__aarch64__)
    __asm__("" : "+w"(v));
#else
    __asm__("" : "+m"(v));
#endif
    return v;
}

SSE_MEM vx vx_load(struct cpu *cpu, const struct insn *in, uint64_t a)
{
    vx v;
    load_bytes(cpu, in, a, &v, sizeof v);
    return undivided(v);
}

SSE_MEM void vx_store(struct cpu *cpu, const struct insn *in, uint64_t a, vx v)
{
    store_bytes(cpu, in, a, &v, sizeof v);
}

SSE_MEM uint64_t vx_load64(struct cpu *cpu, const struct insn *in, uint64_t a)
{
    return load64(cpu, in, a);
}

SSE_MEM uint32_t vx_load32(struct cpu *cpu, const struct insn *in, uint64_t a)
{
    return load32(cpu, in, a);
}

SSE_MEM uint16_t vx_load16(struct cpu *cpu, const struct insn *in, uint64_t a)
{
    return load16(cpu, in, a);
}

SSE_MEM uint8_t vx_load8(struct cpu *cpu, const struct insn *in, uint64_t a)
{
    return load8(cpu, in, a);
}

SSE_MEM void vx_store64(struct cpu *cpu, const struct insn *in, uint64_t a, uint64_t v)
{
    store64(cpu, in, a, v);
}

SSE_MEM void vx_store32(struct cpu *cpu, const struct insn *in, uint64_t a, uint32_t v)
{
    store32(cpu, in, a, v);
}

SSE_MEM void vx_store16(struct cpu *cpu, const struct insn *in, uint64_t a, uint16_t v)
{
    store16(cpu, in, a, v);
}

SSE_MEM void vx_store8(struct cpu *cpu, const struct insn *in, uint64_t a, uint8_t v)
{
    store8(cpu, in, a, v);
}

SSE_INLINE vy vy_load_256(struct cpu *cpu, const struct insn *in, uint64_t a)
{
    vy v;
#ifdef OPS_CHECKED
    v.lo = vx_load(cpu, in, a);
    v.hi = vx_load(cpu, in, a + 16);
#else
    load_bytes(cpu, in, a, &v, sizeof v);
#endif
    return (vy){undivided(v.lo), undivided(v.hi)};
}

/* 32 bytes, or the low 16 of them. */
SSE_INLINE vy vy_load(struct cpu *cpu, const struct insn *in, uint64_t a)
{
    return is_256(in) ? vy_load_256(cpu, in, a) : (vy){.lo = vx_load(cpu, in, a)};
}

SSE_MEM void vy_store_256(struct cpu *cpu, const struct insn *in, uint64_t a, vy v)
{
    store_bytes(cpu, in, a, &v, sizeof v);
}

SSE_INLINE void vy_store(struct cpu *cpu, const struct insn *in, uint64_t a, vy v)
{
    if (is_256(in))
        vy_store_256(cpu, in, a, v);
    else
        vx_store(cpu, in, a, v.lo);
}

/* The effective address of an operand that must be aligned to 16 bytes: #GP(0) otherwise. */
SSE_INLINE uint64_t aligned(struct cpu *cpu, const struct insn *in, uint64_t a)
{
    if (__builtin_expect(a & 15, 0)) cpu_raise(cpu, in, VEC_GP);
    return a;
}

SSE_INLINE uint64_t ea_aligned(struct cpu *cpu, const struct insn *in)
{
    return aligned(cpu, in, ea(cpu, in));
}

SSE_INLINE uint64_t ea_b_aligned(struct cpu *cpu, const struct insn *in)
{
    return aligned(cpu, in, ea_b(cpu, in));
}

SSE_INLINE vx xmm_m128(struct cpu *cpu, const struct insn *in)
{
    return vx_load(cpu, in, ea_aligned(cpu, in));
}

SSE_INLINE vx xmm_m64(struct cpu *cpu, const struct insn *in)
{
    return vx_low(vx_load64(cpu, in, ea(cpu, in)));
}

/* In _b forms. */
SSE_INLINE vx xmm_m64_b(struct cpu *cpu, const struct insn *in)
{
    return vx_low(vx_load64(cpu, in, ea_b(cpu, in)));
}

SSE_INLINE vx xmm_m32(struct cpu *cpu, const struct insn *in)
{
    return vx_low(vx_load32(cpu, in, ea(cpu, in)));
}

SSE_INLINE vx xmm_m16(struct cpu *cpu, const struct insn *in)
{
    return vx_low(vx_load16(cpu, in, ea(cpu, in)));
}

/* ---- Frames ---- */

SSE_INLINE const struct insn *xmm_done(struct cpu *cpu, const struct insn *in, vx v)
{
    set_xmm(cpu, in->reg, v);
    return op_next(cpu, in);
}

SSE_INLINE const struct insn *xmm_binary_r(struct cpu *cpu, const struct insn *in, vx_binary_fn *f)
{
    return xmm_done(cpu, in, f(xmm(cpu, in->reg), xmm(cpu, in->rm)));
}

SSE_INLINE const struct insn *xmm_binary_m(struct cpu *cpu, const struct insn *in, vx_binary_fn *f)
{
    vx b = xmm_m128(cpu, in);
    return xmm_done(cpu, in, f(xmm(cpu, in->reg), b));
}

SSE_INLINE const struct insn *xmm_imm_r(struct cpu *cpu, const struct insn *in, vx_imm_fn *f)
{
    return xmm_done(cpu, in, f(xmm(cpu, in->reg), xmm(cpu, in->rm), (uint8_t)in->imm));
}

SSE_INLINE const struct insn *xmm_imm_m(struct cpu *cpu, const struct insn *in, vx_imm_fn *f)
{
    vx b = xmm_m128(cpu, in);
    return xmm_done(cpu, in, f(xmm(cpu, in->reg), b, (uint8_t)in->imm));
}

SSE_INLINE const struct insn *mmx_done(struct cpu *cpu, const struct insn *in, unsigned r, uint64_t v)
{
    mmx_enter(cpu);
    set_mm(cpu, r, v);
    return op_next(cpu, in);
}

SSE_INLINE const struct insn *mmx_binary_r(struct cpu *cpu, const struct insn *in, vx_binary_fn *f)
{
    mmx_check(cpu, in);
    return mmx_done(cpu, in, in->reg, f(vx_low(mm(cpu, in->reg)), vx_low(mm(cpu, in->rm)))[0]);
}

SSE_INLINE const struct insn *mmx_binary_m(struct cpu *cpu, const struct insn *in, vx_binary_fn *f)
{
    mmx_check(cpu, in);
    vx b = xmm_m64(cpu, in);
    return mmx_done(cpu, in, in->reg, f(vx_low(mm(cpu, in->reg)), b)[0]);
}

SSE_INLINE const struct insn *mmx_imm_r(struct cpu *cpu, const struct insn *in, vx_imm_fn *f)
{
    mmx_check(cpu, in);
    return mmx_done(cpu, in, in->reg, f(vx_low(mm(cpu, in->reg)), vx_low(mm(cpu, in->rm)), (uint8_t)in->imm)[0]);
}

SSE_INLINE const struct insn *mmx_imm_m(struct cpu *cpu, const struct insn *in, vx_imm_fn *f)
{
    mmx_check(cpu, in);
    vx b = xmm_m64(cpu, in);
    return mmx_done(cpu, in, in->reg, f(vx_low(mm(cpu, in->reg)), b, (uint8_t)in->imm)[0]);
}

/* VEX: the second source; the first is register vvvv. */
SSE_INLINE vy ymm_rm(struct cpu *cpu, const struct insn *in)
{
    return is_mem(in) ? vy_load(cpu, in, ea(cpu, in)) : ymm(cpu, in->rm);
}

/* A scalar or 128-bit result. */
SSE_INLINE const struct insn *vex_done(struct cpu *cpu, const struct insn *in, vx v)
{
    set_ymm(cpu, in->reg, (vy){.lo = v});
    return op_next(cpu, in);
}

/* v.hi of a 128-bit instruction may be anything. */
SSE_INLINE const struct insn *vex_done_y(struct cpu *cpu, const struct insn *in, vy v)
{
    if (!is_256(in)) v.hi = (vx){0};
    set_ymm(cpu, in->reg, v);
    return op_next(cpu, in);
}

SSE_INLINE const struct insn *vex_binary(struct cpu *cpu, const struct insn *in, vx_binary_fn *f)
{
    vy a = ymm(cpu, in->vvvv), b = ymm_rm(cpu, in), r = {.lo = f(a.lo, b.lo)};
    if (is_256(in)) r.hi = f(a.hi, b.hi);
    set_ymm(cpu, in->reg, r);
    return op_next(cpu, in);
}

/* With the forms m and b, for the most frequent rows: 256 bits and the usual kind of operand go straight through. */
SSE_INLINE const struct insn *vex_binary_r(struct cpu *cpu, const struct insn *in, vx_binary_fn *f)
{
    vy a = ymm(cpu, in->vvvv), b = ymm(cpu, in->rm), r = {.lo = f(a.lo, b.lo)};
    if (__builtin_expect(is_256(in), 1)) r.hi = f(a.hi, b.hi);
    set_ymm(cpu, in->reg, r);
    return op_next(cpu, in);
}

SSE_INLINE const struct insn *vex_binary_at(struct cpu *cpu, const struct insn *in, vx_binary_fn *f, uint64_t at)
{
    if (__builtin_expect(!is_256(in), 0)) return vex_done(cpu, in, f(xmm(cpu, in->vvvv), vx_load(cpu, in, at)));
    vy b = vy_load_256(cpu, in, at), a = ymm(cpu, in->vvvv);
    set_ymm(cpu, in->reg, (vy){f(a.lo, b.lo), f(a.hi, b.hi)});
    return op_next(cpu, in);
}

/* The immediate's part for the high half begins at bit `shift`. */
SSE_INLINE const struct insn *vex_imm_halves(struct cpu *cpu, const struct insn *in, vx_imm_fn *f, unsigned shift)
{
    uint8_t imm = (uint8_t)in->imm;
    vy a = ymm(cpu, in->vvvv), b = ymm_rm(cpu, in), r = {.lo = f(a.lo, b.lo, imm)};
    if (is_256(in)) r.hi = f(a.hi, b.hi, imm >> shift);
    set_ymm(cpu, in->reg, r);
    return op_next(cpu, in);
}

SSE_INLINE const struct insn *vex_imm(struct cpu *cpu, const struct insn *in, vx_imm_fn *f)
{
    return vex_imm_halves(cpu, in, f, 0);
}

/* ---- Op functions of a row, register and memory form, from its lane function ---- */

/* VEX rows have no forms, but for the most frequent: which kind of operand is asked at run time. */
#define VEX_BINARY(row, f)                                                                                             \
    OP(row)                                                                                                            \
    {                                                                                                                  \
        return vex_binary(cpu, in, f);                                                                                 \
    }

#define VEX_BINARY_FORMS(row, f)                                                                                       \
    OP(row##_r)                                                                                                        \
    {                                                                                                                  \
        return vex_binary_r(cpu, in, f);                                                                               \
    }                                                                                                                  \
    OP(row##_m)                                                                                                        \
    {                                                                                                                  \
        return vex_binary_at(cpu, in, f, ea(cpu, in));                                                                 \
    }                                                                                                                  \
    OP(row##_b)                                                                                                        \
    {                                                                                                                  \
        return vex_binary_at(cpu, in, f, ea_b(cpu, in));                                                               \
    }

#define VEX_IMM(row, f)                                                                                                \
    OP(row)                                                                                                            \
    {                                                                                                                  \
        return vex_imm(cpu, in, f);                                                                                    \
    }

#define VEX_IMM_HALVES(row, f, shift)                                                                                  \
    OP(row)                                                                                                            \
    {                                                                                                                  \
        return vex_imm_halves(cpu, in, f, shift);                                                                      \
    }

#define XMM_BINARY(row, f)                                                                                             \
    OP(row##_r)                                                                                                        \
    {                                                                                                                  \
        return xmm_binary_r(cpu, in, f);                                                                               \
    }                                                                                                                  \
    OP(row##_m)                                                                                                        \
    {                                                                                                                  \
        return xmm_binary_m(cpu, in, f);                                                                               \
    }

#define MMX_BINARY(row, f)                                                                                             \
    OP(row##_r)                                                                                                        \
    {                                                                                                                  \
        return mmx_binary_r(cpu, in, f);                                                                               \
    }                                                                                                                  \
    OP(row##_m)                                                                                                        \
    {                                                                                                                  \
        return mmx_binary_m(cpu, in, f);                                                                               \
    }

#define XMM_IMM(row, f)                                                                                                \
    OP(row##_r)                                                                                                        \
    {                                                                                                                  \
        return xmm_imm_r(cpu, in, f);                                                                                  \
    }                                                                                                                  \
    OP(row##_m)                                                                                                        \
    {                                                                                                                  \
        return xmm_imm_m(cpu, in, f);                                                                                  \
    }

#define MMX_IMM(row, f)                                                                                                \
    OP(row##_r)                                                                                                        \
    {                                                                                                                  \
        return mmx_imm_r(cpu, in, f);                                                                                  \
    }                                                                                                                  \
    OP(row##_m)                                                                                                        \
    {                                                                                                                  \
        return mmx_imm_m(cpu, in, f);                                                                                  \
    }
