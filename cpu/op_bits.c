// BT BTS BTR BTC BSF BSR POPCNT CRC32.
#include "cpu/op_int.h"

enum bt { BT_BT, BT_BTS, BT_BTR, BT_BTC };

ALWAYS_INLINE uint64_t bt_result(enum bt op, uint64_t a, uint64_t mask)
{
    return op == BT_BTS ? a | mask : op == BT_BTR ? a & ~mask : op == BT_BTC ? a ^ mask : a;
}
// CF is the bit; Intel leaves the other flags as they were.
ALWAYS_INLINE void bt_reg(struct cpu *cpu, const struct insn *in, enum bt op, unsigned bits, uint64_t offset)
{
    uint64_t a = get_reg(cpu, bits, in->rm), mask = 1ull << (offset & (bits - 1));
    if (op != BT_BT) set_reg(cpu, bits, in->rm, bt_result(op, a, mask));
    flags_cf(cpu, (a & mask) != 0);
}
// In memory a register's offset is signed and reaches beyond the operand (SDM vol. 1, 3.1.1.9); an immediate does not.
ALWAYS_INLINE void bt_mem(struct cpu *cpu, const struct insn *in, enum bt op, unsigned bits, int64_t offset)
{
    uint64_t at = ea_plus(cpu, in, (uint64_t)((offset >> (bits == 16 ? 4 : bits == 32 ? 5 : 6)) * (int64_t)(bits / 8)));
    uint64_t a = load(cpu, in, bits, at), mask = 1ull << ((uint64_t)offset & (bits - 1));
    if (op != BT_BT) store(cpu, in, bits, at, bt_result(op, a, mask));
    flags_cf(cpu, (a & mask) != 0);
}
#define BT_EvGv(op, bits)                                                                                              \
    OP(op##_EvGv_##bits##_r)                                                                                           \
    {                                                                                                                  \
        bt_reg(cpu, in, BT_##op, bits, get_reg(cpu, bits, in->reg));                                                   \
        return op_next(cpu, in);                                                                                       \
    }                                                                                                                  \
    OP(op##_EvGv_##bits##_m)                                                                                           \
    {                                                                                                                  \
        bt_mem(cpu, in, BT_##op, bits, (int64_t)sext(get_reg(cpu, bits, in->reg), bits));                              \
        return op_next(cpu, in);                                                                                       \
    }
#define BT_EvIb(op, bits)                                                                                              \
    OP(op##_EvIb_##bits##_r)                                                                                           \
    {                                                                                                                  \
        bt_reg(cpu, in, BT_##op, bits, in->imm);                                                                       \
        return op_next(cpu, in);                                                                                       \
    }                                                                                                                  \
    OP(op##_EvIb_##bits##_m)                                                                                           \
    {                                                                                                                  \
        bt_mem(cpu, in, BT_##op, bits, (int64_t)((unsigned)in->imm & (bits - 1)));                                     \
        return op_next(cpu, in);                                                                                       \
    }
#define BT_ROWS(op) SIZES(BT_EvGv, op) SIZES(BT_EvIb, op)
BT_ROWS(BT)
BT_ROWS(BTS)
BT_ROWS(BTR)
BT_ROWS(BTC)

// A source of 0 leaves the destination as it is, all 64 bits of it, on Intel and (documented) on AMD.
ALWAYS_INLINE void bit_scan(struct cpu *cpu, const struct insn *in, bool reverse, unsigned bits, uint64_t a)
{
    if (a) set_reg(cpu, bits, in->reg, reverse ? 63 - (uint64_t)__builtin_clzll(a) : (uint64_t)__builtin_ctzll(a));
    flags_logic(cpu, bits, a);
}
#define SCAN_GvEv(name, reverse, bits, kind)                                                                           \
    OP(name##_GvEv_##bits##_##kind)                                                                                    \
    {                                                                                                                  \
        bit_scan(cpu, in, reverse, bits, get_rm(cpu, in, bits, KIND_##kind));                                          \
        return op_next(cpu, in);                                                                                       \
    }
SIZES_KINDS(SCAN_GvEv, BSF, false)
SIZES_KINDS(SCAN_GvEv, BSR, true)

#define POPCNT_GvEv(name, bits, kind)                                                                                  \
    OP(name##_GvEv_##bits##_##kind)                                                                                    \
    {                                                                                                                  \
        uint64_t a = get_rm(cpu, in, bits, KIND_##kind);                                                               \
        set_reg(cpu, bits, in->reg, (uint64_t)__builtin_popcountll(a));                                                \
        flags_set(cpu, a ? 0 : FLAG_ZF);                                                                               \
        return op_next(cpu, in);                                                                                       \
    }
SIZES_KINDS(POPCNT_GvEv, POPCNT)

// CRC-32C, polynomial 0x11EDC6F41, bit-reflected: no inversion before or after. Eight steps by table of four bits each.
static uint32_t crc32c(uint32_t crc, uint64_t v, unsigned bytes)
{
    static const uint32_t table[16] = {
        0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
        0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9, 0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
    };
    for (unsigned i = 0; i < bytes; i++, v >>= 8) {
        crc ^= (uint8_t)v;
        crc = crc >> 4 ^ table[crc & 15];
        crc = crc >> 4 ^ table[crc & 15];
    }
    return crc;
}
OP(CRC32_GdEb_r)
{
    cpu->regs[in->reg] = crc32c(reg32(cpu, in->reg), *reg8(cpu, in->rm), 1);
    return op_next(cpu, in);
}
OP(CRC32_GdEb_m)
{
    cpu->regs[in->reg] = crc32c(reg32(cpu, in->reg), load8(cpu, in, ea(cpu, in)), 1);
    return op_next(cpu, in);
}
#define CRC32_GdEv(name, bits, kind)                                                                                   \
    OP(name##_GdEv_##bits##_##kind)                                                                                    \
    {                                                                                                                  \
        cpu->regs[in->reg] = crc32c(reg32(cpu, in->reg), get_rm(cpu, in, bits, KIND_##kind), bits / 8);                \
        return op_next(cpu, in);                                                                                       \
    }
#define CRC32_GdEv_m(name, bits) CRC32_GdEv(name, bits, r) CRC32_GdEv(name, bits, m)
SIZES(CRC32_GdEv_m, CRC32)
