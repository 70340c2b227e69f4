// XCHG XADD CMPXCHG CMPXCHG8B CMPXCHG16B BSWAP. One host thread drives a box, so LOCK needs no work; the decoder has
// checked that it is allowed.
#include "cpu/op_int.h"

ALWAYS_INLINE void xchg(struct cpu *cpu, const struct insn *in, unsigned bits, enum kind kind)
{
    uint64_t at = kind == KIND_r ? 0 : address(cpu, in, kind), reg = get_reg(cpu, bits, in->reg);
    uint64_t old = kind == KIND_r ? get_reg(cpu, bits, in->rm) : load(cpu, in, bits, at);
    if (kind == KIND_r)
        set_reg(cpu, bits, in->rm, reg);
    else
        store(cpu, in, bits, at, reg);
    set_reg(cpu, bits, in->reg, old);
}
#define XCHG_EvGv(name, bits, kind)                                                                                    \
    OP(name##_EvGv_##bits##_##kind)                                                                                    \
    {                                                                                                                  \
        xchg(cpu, in, bits, KIND_##kind);                                                                              \
        return op_next(cpu, in);                                                                                       \
    }
#define XCHG_EbGb(name, kind)                                                                                          \
    OP(name##_EbGb_##kind)                                                                                             \
    {                                                                                                                  \
        xchg(cpu, in, 8, KIND_##kind);                                                                                 \
        return op_next(cpu, in);                                                                                       \
    }
#define XCHG_ZvrAX(name, bits)                                                                                         \
    OP(name##_ZvrAX_##bits)                                                                                            \
    {                                                                                                                  \
        uint64_t a = get_reg(cpu, bits, RAX), z = get_reg(cpu, bits, in->reg);                                         \
        set_reg(cpu, bits, RAX, z);                                                                                    \
        set_reg(cpu, bits, in->reg, a);                                                                                \
        return op_next(cpu, in);                                                                                       \
    }
SIZES_KINDS(XCHG_EvGv, XCHG)
KINDS(XCHG_EbGb, XCHG)
SIZES(XCHG_ZvrAX, XCHG)

// Destination written after the source register: XADD AX, AX doubles.
ALWAYS_INLINE void xadd(struct cpu *cpu, const struct insn *in, unsigned bits, enum kind kind)
{
    uint64_t at = kind == KIND_r ? 0 : address(cpu, in, kind), b = get_reg(cpu, bits, in->reg);
    uint64_t a = kind == KIND_r ? get_reg(cpu, bits, in->rm) : load(cpu, in, bits, at), res = a + b;
    if (kind != KIND_r) store(cpu, in, bits, at, res);
    set_reg(cpu, bits, in->reg, a);
    if (kind == KIND_r) set_reg(cpu, bits, in->rm, res);
    flags_add(cpu, bits, a, b, res);
}
#define XADD_EvGv(name, bits, kind)                                                                                    \
    OP(name##_EvGv_##bits##_##kind)                                                                                    \
    {                                                                                                                  \
        xadd(cpu, in, bits, KIND_##kind);                                                                              \
        return op_next(cpu, in);                                                                                       \
    }
#define XADD_EbGb(name, kind)                                                                                          \
    OP(name##_EbGb_##kind)                                                                                             \
    {                                                                                                                  \
        xadd(cpu, in, 8, KIND_##kind);                                                                                 \
        return op_next(cpu, in);                                                                                       \
    }
SIZES_KINDS(XADD_EvGv, XADD)
KINDS(XADD_EbGb, XADD)

// The destination is written in either case (SDM: "to simplify the interface to the bus").
ALWAYS_INLINE void cmpxchg(struct cpu *cpu, const struct insn *in, unsigned bits, enum kind kind)
{
    uint64_t at = kind == KIND_r ? 0 : address(cpu, in, kind), acc = get_reg(cpu, bits, RAX);
    uint64_t old = kind == KIND_r ? get_reg(cpu, bits, in->rm) : load(cpu, in, bits, at);
    uint64_t to = old == acc ? get_reg(cpu, bits, in->reg) : old;
    if (kind != KIND_r)
        store(cpu, in, bits, at, to);
    else if (old == acc)
        set_reg(cpu, bits, in->rm, to);
    if (old != acc) set_reg(cpu, bits, RAX, old);
    flags_sub(cpu, bits, acc, old, acc - old);
}
#define CMPXCHG_EvGv(name, bits, kind)                                                                                 \
    OP(name##_EvGv_##bits##_##kind)                                                                                    \
    {                                                                                                                  \
        cmpxchg(cpu, in, bits, KIND_##kind);                                                                           \
        return op_next(cpu, in);                                                                                       \
    }
#define CMPXCHG_EbGb(name, kind)                                                                                       \
    OP(name##_EbGb_##kind)                                                                                             \
    {                                                                                                                  \
        cmpxchg(cpu, in, 8, KIND_##kind);                                                                              \
        return op_next(cpu, in);                                                                                       \
    }
SIZES_KINDS(CMPXCHG_EvGv, CMPXCHG)
KINDS(CMPXCHG_EbGb, CMPXCHG)

static void set_zf(struct cpu *cpu, bool zf)
{
    flags_set(cpu, (flags_get(cpu) & ~(uint32_t)FLAG_ZF) | (zf ? FLAG_ZF : 0u));
}

OP(CMPXCHG8B_Mq)
{
    uint64_t at = ea(cpu, in), old = load64(cpu, in, at), acc = (uint32_t)cpu->regs[RAX] | cpu->regs[RDX] << 32;
    bool same = old == acc;
    store64(cpu, in, at, same ? (uint32_t)cpu->regs[RBX] | cpu->regs[RCX] << 32 : old);
    if (!same) {
        cpu->regs[RAX] = (uint32_t)old;
        cpu->regs[RDX] = old >> 32;
    }
    set_zf(cpu, same);
    return op_next(cpu, in);
}

OP(CMPXCHG16B_Mdq)
{
    uint64_t at = ea(cpu, in), old[2], to[2] = {cpu->regs[RBX], cpu->regs[RCX]};
    if (at & 15) cpu_raise(cpu, in, VEC_GP);
    load_bytes(cpu, in, at, old, 16);
    bool same = old[0] == cpu->regs[RAX] && old[1] == cpu->regs[RDX];
    store_bytes(cpu, in, at, same ? to : old, 16);
    if (!same) {
        cpu->regs[RAX] = old[0];
        cpu->regs[RDX] = old[1];
    }
    set_zf(cpu, same);
    return op_next(cpu, in);
}

// With 66 the result is undefined; Intel and AMD clear the register's low half.
OP(BSWAP_Zv_16)
{
    set_reg16(cpu, in->reg, 0);
    return op_next(cpu, in);
}
OP(BSWAP_Zv_32)
{
    set_reg32(cpu, in->reg, __builtin_bswap32(reg32(cpu, in->reg)));
    return op_next(cpu, in);
}
OP(BSWAP_Zv_64)
{
    set_reg64(cpu, in->reg, __builtin_bswap64(reg64(cpu, in->reg)));
    return op_next(cpu, in);
}
