// BMI1, BMI2, LZCNT, ADX and MOVBE: integer instructions that came with x86-64-v3. Where the manual leaves AF and PF
// undefined, AF is 0 and PF is the result's.
#include "cpu/op_int.h"

#define KINDS_RM(X, ...)   X(__VA_ARGS__, r) X(__VA_ARGS__, m)
#define SIZES_Y_RM(X, ...) KINDS_RM(X, __VA_ARGS__, 32) KINDS_RM(X, __VA_ARGS__, 64)
#define SIZES_RM(X, ...)   KINDS_RM(X, __VA_ARGS__, 16) SIZES_Y_RM(X, __VA_ARGS__)

// ---- counting zeros ----

ALWAYS_INLINE uint64_t zeros(bool leading, unsigned bits, uint64_t a)
{
    if (a == 0) return bits;
    return leading ? (unsigned)__builtin_clzll(a) - (64 - bits) : (unsigned)__builtin_ctzll(a);
}
#define COUNT_GvEv(name, leading, bits, kind)                                                                          \
    OP(name##_GvEv_##bits##_##kind)                                                                                    \
    {                                                                                                                  \
        uint64_t a = get_rm(cpu, in, bits, KIND_##kind), n = zeros(leading, bits, a);                                  \
        set_reg(cpu, bits, in->reg, n);                                                                                \
        flags_result(cpu, bits, n, a == 0, false);                                                                     \
        return op_next(cpu, in);                                                                                       \
    }
SIZES_RM(COUNT_GvEv, TZCNT, false)
SIZES_RM(COUNT_GvEv, LZCNT, true)

// ---- BMI1 ----

#define ANDN_GyByEy(name, bits, kind)                                                                                  \
    OP(name##_GyByEy_##bits##_##kind)                                                                                  \
    {                                                                                                                  \
        uint64_t res = ~get_reg(cpu, bits, in->vvvv) & get_rm(cpu, in, bits, KIND_##kind);                             \
        set_reg(cpu, bits, in->reg, res);                                                                              \
        flags_logic(cpu, bits, res);                                                                                   \
        return op_next(cpu, in);                                                                                       \
    }
SIZES_Y_RM(ANDN_GyByEy, ANDN)

enum lowest { LOWEST_BLSR, LOWEST_BLSMSK, LOWEST_BLSI };

ALWAYS_INLINE void lowest_bit(struct cpu *cpu, const struct insn *in, enum lowest op, unsigned bits, uint64_t a)
{
    uint64_t res = op == LOWEST_BLSR ? a & (a - 1) : op == LOWEST_BLSMSK ? a ^ (a - 1) : a & -a;
    set_reg(cpu, bits, in->vvvv, res);
    flags_result(cpu, bits, res, (a == 0) != (op == LOWEST_BLSI), false);
}
#define LOWEST_ByEy(name, bits, kind)                                                                                  \
    OP(name##_ByEy_##bits##_##kind)                                                                                    \
    {                                                                                                                  \
        lowest_bit(cpu, in, LOWEST_##name, bits, get_rm(cpu, in, bits, KIND_##kind));                                  \
        return op_next(cpu, in);                                                                                       \
    }
SIZES_Y_RM(LOWEST_ByEy, BLSR)
SIZES_Y_RM(LOWEST_ByEy, BLSMSK)
SIZES_Y_RM(LOWEST_ByEy, BLSI)

// A field of `control`: start in bits 7:0, length in 15:8.
ALWAYS_INLINE uint64_t field(unsigned bits, uint64_t a, uint64_t control)
{
    unsigned start = control & 0xff, length = control >> 8 & 0xff;
    if (start >= bits) return 0;
    return length < 64 ? a >> start & ((1ull << length) - 1) : a >> start;
}
// The low bits, and whether that is all of them.
ALWAYS_INLINE uint64_t low_bits(unsigned bits, uint64_t a, unsigned n)
{
    return n < bits ? a & ((1ull << n) - 1) : a;
}
#define BEXTR_GyEyBy(name, bits, kind)                                                                                 \
    OP(name##_GyEyBy_##bits##_##kind)                                                                                  \
    {                                                                                                                  \
        uint64_t res = field(bits, get_rm(cpu, in, bits, KIND_##kind), cpu->regs[in->vvvv]);                           \
        set_reg(cpu, bits, in->reg, res);                                                                              \
        flags_logic(cpu, bits, res);                                                                                   \
        return op_next(cpu, in);                                                                                       \
    }
SIZES_Y_RM(BEXTR_GyEyBy, BEXTR)

// ---- BMI2 ----

#define BZHI_GyEyBy(name, bits, kind)                                                                                  \
    OP(name##_GyEyBy_##bits##_##kind)                                                                                  \
    {                                                                                                                  \
        unsigned n = cpu->regs[in->vvvv] & 0xff;                                                                       \
        uint64_t res = low_bits(bits, get_rm(cpu, in, bits, KIND_##kind), n);                                          \
        set_reg(cpu, bits, in->reg, res);                                                                              \
        flags_result(cpu, bits, res, n >= bits, false);                                                                \
        return op_next(cpu, in);                                                                                       \
    }
SIZES_Y_RM(BZHI_GyEyBy, BZHI)

// The upper half is written last: it wins when both go to one register.
#define MULX_GyByEy(name, bits, kind)                                                                                  \
    OP(name##_GyByEy_##bits##_##kind)                                                                                  \
    {                                                                                                                  \
        unsigned __int128 res = (unsigned __int128)get_reg(cpu, bits, RDX) * get_rm(cpu, in, bits, KIND_##kind);       \
        set_reg(cpu, bits, in->vvvv, (uint64_t)res &width_mask(bits));                                                 \
        set_reg(cpu, bits, in->reg, (uint64_t)(res >> bits) & width_mask(bits));                                       \
        return op_next(cpu, in);                                                                                       \
    }
SIZES_Y_RM(MULX_GyByEy, MULX)

// Source bits from the lowest on go to the mask's places, or come from there.
static uint64_t deposit(uint64_t a, uint64_t mask)
{
    uint64_t res = 0;
    for (; mask; mask &= mask - 1, a >>= 1)
        if (a & 1) res |= mask & -mask;
    return res;
}
static uint64_t extract(uint64_t a, uint64_t mask)
{
    uint64_t res = 0;
    for (uint64_t to = 1; mask; mask &= mask - 1, to <<= 1)
        if (a & mask & -mask) res |= to;
    return res;
}
#define PARALLEL_GyByEy(name, f, bits, kind)                                                                           \
    OP(name##_GyByEy_##bits##_##kind)                                                                                  \
    {                                                                                                                  \
        uint64_t mask = get_rm(cpu, in, bits, KIND_##kind);                                                            \
        set_reg(cpu, bits, in->reg, f(get_reg(cpu, bits, in->vvvv), mask));                                            \
        return op_next(cpu, in);                                                                                       \
    }
SIZES_Y_RM(PARALLEL_GyByEy, PDEP, deposit)
SIZES_Y_RM(PARALLEL_GyByEy, PEXT, extract)

#define RORX_GyEyIb(name, bits, kind)                                                                                  \
    OP(name##_GyEyIb_##bits##_##kind)                                                                                  \
    {                                                                                                                  \
        uint64_t a = get_rm(cpu, in, bits, KIND_##kind);                                                               \
        unsigned n = (unsigned)in->imm & (bits - 1);                                                                   \
        set_reg(cpu, bits, in->reg, (a >> n | a << (-n & (bits - 1))) & width_mask(bits));                             \
        return op_next(cpu, in);                                                                                       \
    }
SIZES_Y_RM(RORX_GyEyIb, RORX)

enum shift { SHIFT_SARX, SHIFT_SHLX, SHIFT_SHRX };

ALWAYS_INLINE uint64_t shifted(enum shift op, unsigned bits, uint64_t a, unsigned n)
{
    return op == SHIFT_SHLX ? a << n : op == SHIFT_SHRX ? a >> n : (uint64_t)((int64_t)sext(a, bits) >> n);
}
#define SHIFT_GyEyBy(name, bits, kind)                                                                                 \
    OP(name##_GyEyBy_##bits##_##kind)                                                                                  \
    {                                                                                                                  \
        uint64_t a = get_rm(cpu, in, bits, KIND_##kind);                                                               \
        unsigned n = cpu->regs[in->vvvv] & (bits - 1);                                                                 \
        set_reg(cpu, bits, in->reg, shifted(SHIFT_##name, bits, a, n) & width_mask(bits));                             \
        return op_next(cpu, in);                                                                                       \
    }
SIZES_Y_RM(SHIFT_GyEyBy, SARX)
SIZES_Y_RM(SHIFT_GyEyBy, SHLX)
SIZES_Y_RM(SHIFT_GyEyBy, SHRX)

// ---- ADX: two additions with carry side by side, one carries in CF, the other in OF ----

ALWAYS_INLINE bool add_carry(struct cpu *cpu, const struct insn *in, unsigned bits, uint64_t b, bool carry)
{
    unsigned __int128 sum = (unsigned __int128)get_reg(cpu, bits, in->reg) + b + carry;
    set_reg(cpu, bits, in->reg, (uint64_t)sum & width_mask(bits));
    return (sum >> bits) & 1;
}
#define ADCX_GyEy(name, bits, kind)                                                                                    \
    OP(name##_GyEy_##bits##_##kind)                                                                                    \
    {                                                                                                                  \
        flags_cf(cpu, add_carry(cpu, in, bits, get_rm(cpu, in, bits, KIND_##kind), flag_cf(cpu)));                     \
        return op_next(cpu, in);                                                                                       \
    }
#define ADOX_GyEy(name, bits, kind)                                                                                    \
    OP(name##_GyEy_##bits##_##kind)                                                                                    \
    {                                                                                                                  \
        bool of = add_carry(cpu, in, bits, get_rm(cpu, in, bits, KIND_##kind), flag_of(cpu));                          \
        flags_cf_of(cpu, flag_cf(cpu), of);                                                                            \
        return op_next(cpu, in);                                                                                       \
    }
SIZES_Y_RM(ADCX_GyEy, ADCX)
SIZES_Y_RM(ADOX_GyEy, ADOX)

// ---- MOVBE: rows with 66 (16 bits, or 64 with REX.W) and without (32, 64) ----

ALWAYS_INLINE uint64_t swapped(unsigned bits, uint64_t a)
{
    return __builtin_bswap64(a) >> (64 - bits);
}
#define MOVBE_load(suffix, bits)                                                                                       \
    OP(MOVBE_##suffix##_##bits)                                                                                        \
    {                                                                                                                  \
        set_reg(cpu, bits, in->reg, swapped(bits, load(cpu, in, bits, ea(cpu, in))));                                  \
        return op_next(cpu, in);                                                                                       \
    }
#define MOVBE_store(suffix, bits)                                                                                      \
    OP(MOVBE_##suffix##_##bits)                                                                                        \
    {                                                                                                                  \
        store(cpu, in, bits, ea(cpu, in), swapped(bits, get_reg(cpu, bits, in->reg)));                                 \
        return op_next(cpu, in);                                                                                       \
    }
MOVBE_load(GyMy, 32) MOVBE_load(GyMy, 64) SIZES(MOVBE_load, GvMv) MOVBE_store(MyGy, 32) MOVBE_store(MyGy, 64)
    SIZES(MOVBE_store, MvGv)
