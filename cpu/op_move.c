// Data moves that change no flags: MOV MOVZX MOVSX MOVSXD MOVNTI LEA CMOVcc SETcc XLAT CBW CWD, and the no-ops. Segment
// registers: op_system.c.
#include "cpu/op_body.h"

#define MOV_EvGv(name, bits, kind)                                                                                     \
    OP(name##_EvGv_##bits##_##kind)                                                                                    \
    {                                                                                                                  \
        mov_store(cpu, in, bits, KIND_##kind);                                                                         \
        return op_next(cpu, in);                                                                                       \
    }
#define MOV_GvEv(name, bits, kind)                                                                                     \
    OP(name##_GvEv_##bits##_##kind)                                                                                    \
    {                                                                                                                  \
        mov_load(cpu, in, bits, KIND_##kind);                                                                          \
        return op_next(cpu, in);                                                                                       \
    }
#define MOV_EvIz(name, bits, kind)                                                                                     \
    OP(name##_EvIz_##bits##_##kind)                                                                                    \
    {                                                                                                                  \
        set_rm(cpu, in, bits, KIND_##kind, in->imm);                                                                   \
        return op_next(cpu, in);                                                                                       \
    }
#define MOV_ZvIv(name, bits)                                                                                           \
    OP(name##_ZvIv_##bits)                                                                                             \
    {                                                                                                                  \
        set_reg(cpu, bits, in->reg, bits == 64 ? in->imm64 : (uint64_t)in->imm);                                       \
        return op_next(cpu, in);                                                                                       \
    }
#define MOV_EbGb(name, kind)                                                                                           \
    OP(name##_EbGb_##kind)                                                                                             \
    {                                                                                                                  \
        mov_store(cpu, in, 8, KIND_##kind);                                                                            \
        return op_next(cpu, in);                                                                                       \
    }
#define MOV_GbEb(name, kind)                                                                                           \
    OP(name##_GbEb_##kind)                                                                                             \
    {                                                                                                                  \
        mov_load(cpu, in, 8, KIND_##kind);                                                                             \
        return op_next(cpu, in);                                                                                       \
    }
#define MOV_EbIb(name, kind)                                                                                           \
    OP(name##_EbIb_##kind)                                                                                             \
    {                                                                                                                  \
        set_rm(cpu, in, 8, KIND_##kind, in->imm);                                                                      \
        return op_next(cpu, in);                                                                                       \
    }
SIZES_KINDS(MOV_EvGv, MOV)
SIZES_KINDS(MOV_GvEv, MOV)
SIZES_KINDS(MOV_EvIz, MOV)
SIZES(MOV_ZvIv, MOV)
KINDS(MOV_EbGb, MOV)
KINDS(MOV_GbEb, MOV)
KINDS(MOV_EbIb, MOV)
OP(MOV_ZbIb)
{
    *reg8(cpu, in->reg) = (uint8_t)in->imm;
    return op_next(cpu, in);
}

ALWAYS_INLINE uint64_t moffs(const struct cpu *cpu, const struct insn *in)
{
    return in->imm64 + cpu->seg_base[in->seg];
}
#define MOV_rAXOv(name, bits)                                                                                          \
    OP(name##_rAXOv_##bits)                                                                                            \
    {                                                                                                                  \
        set_reg(cpu, bits, RAX, load(cpu, in, bits, moffs(cpu, in)));                                                  \
        return op_next(cpu, in);                                                                                       \
    }
#define MOV_OvrAX(name, bits)                                                                                          \
    OP(name##_OvrAX_##bits)                                                                                            \
    {                                                                                                                  \
        store(cpu, in, bits, moffs(cpu, in), get_reg(cpu, bits, RAX));                                                 \
        return op_next(cpu, in);                                                                                       \
    }
SIZES(MOV_rAXOv, MOV)
SIZES(MOV_OvrAX, MOV)
OP(MOV_ALOb)
{
    *reg8(cpu, RAX) = load8(cpu, in, moffs(cpu, in));
    return op_next(cpu, in);
}
OP(MOV_ObAL)
{
    store8(cpu, in, moffs(cpu, in), *reg8(cpu, RAX));
    return op_next(cpu, in);
}

OP(MOVNTI_MyGy_32)
{
    store32(cpu, in, ea(cpu, in), reg32(cpu, in->reg));
    return op_next(cpu, in);
}
OP(MOVNTI_MyGy_64)
{
    store64(cpu, in, ea(cpu, in), reg64(cpu, in->reg));
    return op_next(cpu, in);
}

#define EXTEND(how, name, operands, from, bits, kind)                                                                  \
    OP(name##_##operands##_##bits##_##kind)                                                                            \
    {                                                                                                                  \
        how(cpu, in, from, bits, KIND_##kind);                                                                         \
        return op_next(cpu, in);                                                                                       \
    }
SIZES_KINDS(EXTEND, mov_zx, MOVZX, GvEb, 8)
SIZES_KINDS(EXTEND, mov_zx, MOVZX, GvEw, 16)
SIZES_KINDS(EXTEND, mov_sx, MOVSX, GvEb, 8)
SIZES_KINDS(EXTEND, mov_sx, MOVSX, GvEw, 16)
KINDS(EXTEND, mov_zx, MOVSXD, GvEd, 16, 16) // MOVSXD r16 reads 16 bits
KINDS(EXTEND, mov_zx, MOVSXD, GvEd, 32, 32)
KINDS(EXTEND, mov_sx, MOVSXD, GvEd, 32, 64)

#define LEA_GvM(name, bits)                                                                                            \
    OP(name##_GvM_##bits##_b)                                                                                          \
    {                                                                                                                  \
        lea(cpu, in, bits, KIND_b);                                                                                    \
        return op_next(cpu, in);                                                                                       \
    }                                                                                                                  \
    OP(name##_GvM_##bits##_m)                                                                                          \
    {                                                                                                                  \
        lea(cpu, in, bits, KIND_m);                                                                                    \
        return op_next(cpu, in);                                                                                       \
    }
SIZES(LEA_GvM, LEA)

// The source is read, and the upper half of a 32-bit destination cleared, whatever the condition.
#define CMOV(name, cc, bits, kind)                                                                                     \
    OP(CMOV##name##_GvEv_##bits##_##kind)                                                                              \
    {                                                                                                                  \
        uint64_t v = get_rm(cpu, in, bits, KIND_##kind);                                                               \
        set_reg(cpu, bits, in->reg, cond(cpu, cc) ? v : get_reg(cpu, bits, in->reg));                                  \
        return op_next(cpu, in);                                                                                       \
    }
#define CMOV_ROWS(name, cc) SIZES_KINDS(CMOV, name, cc)
CONDITIONS(CMOV_ROWS)

#define SET(name, cc, kind)                                                                                            \
    OP(SET##name##_Eb_##kind)                                                                                          \
    {                                                                                                                  \
        set_rm(cpu, in, 8, KIND_##kind, cond(cpu, cc));                                                                \
        return op_next(cpu, in);                                                                                       \
    }
#define SET_ROWS(name, cc) KINDS(SET, name, cc)
CONDITIONS(SET_ROWS)

OP(XLAT_Xb)
{
    uint64_t a = cpu->regs[RBX] + *reg8(cpu, RAX);
    if (in->pfx & PFX_ADDR32) a = (uint32_t)a;
    *reg8(cpu, RAX) = load8(cpu, in, a + cpu->seg_base[in->seg]);
    return op_next(cpu, in);
}

OP(CBW_Av_16)
{
    set_reg16(cpu, RAX, (uint16_t)sext(cpu->regs[RAX], 8));
    return op_next(cpu, in);
}
OP(CBW_Av_32)
{
    set_reg32(cpu, RAX, (uint32_t)sext(cpu->regs[RAX], 16));
    return op_next(cpu, in);
}
OP(CBW_Av_64)
{
    set_reg64(cpu, RAX, sext(cpu->regs[RAX], 32));
    return op_next(cpu, in);
}
OP(CWD_Av_16)
{
    set_reg16(cpu, RDX, cpu->regs[RAX] & 0x8000 ? 0xffff : 0);
    return op_next(cpu, in);
}
OP(CWD_Av_32)
{
    set_reg32(cpu, RDX, cpu->regs[RAX] & 0x80000000 ? 0xffffffff : 0);
    return op_next(cpu, in);
}
OP(CWD_Av_64)
{
    set_reg64(cpu, RDX, (uint64_t)((int64_t)cpu->regs[RAX] >> 63));
    return op_next(cpu, in);
}

// NOPs with a ModRM byte and prefetches form no access; RDSSP is a NOP while there are no shadow stacks; code that was
// written is seen without SERIALIZE.
#define NOTHING(X)                                                                                                     \
    X(NOP)                                                                                                             \
    X(NOP_Ev) X(NOP_0D_Ev) X(NOP_18_Ev) X(NOP_19_Ev) X(NOP_1A_Ev) X(NOP_1B_Ev) X(NOP_1C_Ev) X(NOP_1D_Ev) X(NOP_1E_Ev)  \
        X(ENDBR64) X(ENDBR32) X(PAUSE) X(PREFETCHW_Mb) X(PREFETCHNTA_Mb) X(PREFETCHT0_Mb) X(PREFETCHT1_Mb)             \
            X(PREFETCHT2_Mb) X(SFENCE) X(LFENCE) X(MFENCE) X(RDSSP_Ry) X(PREFETCHWT1_Mb) X(CLDEMOTE_Mb) X(SERIALIZE)
#define NOTHING_DONE(name)                                                                                             \
    OP(name)                                                                                                           \
    {                                                                                                                  \
        return op_next(cpu, in);                                                                                       \
    }
NOTHING(NOTHING_DONE)

// Flushing a line faults as a read of a byte.
#define FLUSH(name)                                                                                                    \
    OP(name)                                                                                                           \
    {                                                                                                                  \
        uint8_t v = load8(cpu, in, ea(cpu, in));                                                                       \
        __asm__ volatile("" : : "r"(v)); /* or the compiler drops the access */                                        \
        return op_next(cpu, in);                                                                                       \
    }
FLUSH(CLFLUSH_Mb)
FLUSH(CLFLUSHOPT_Mb)
FLUSH(CLWB_Mb)
