// XSAVE, XSAVEOPT, XSAVEC, XRSTOR with and without REX.W, XGETBV, XSETBV. The images are cpu/xsave.c's business; here
// is which bytes of memory are touched, in the order in which the hardware does: of a save the last byte, then the
// first; of a restore the header, the first byte, the last.
#include "cpu/hostfp.h"
#include "cpu/op_int.h"
#include "cpu/xsave.h"

enum { IMAGE_ALIGNMENT = 64 };

static uint64_t image_address(struct cpu *cpu, const struct insn *in)
{
    uint64_t at = ea(cpu, in);
    if (at & (IMAGE_ALIGNMENT - 1)) cpu_raise(cpu, in, VEC_GP);
    return at;
}

// EDX:EAX, of what XCR0 has.
static uint64_t requested(const struct cpu *cpu)
{
    return reg32(cpu, RAX) & XCR0;
}

static __attribute__((noinline)) void save(struct cpu *cpu, const struct insn *in, enum xsave_kind kind)
{
    uint8_t image[XSAVE_BYTES];
    uint64_t at = image_address(cpu, in), components = requested(cpu), bv = 0;
    struct xsave_extent extent = fpu_xsave_extent(components, kind);
    probe_store(cpu, in, at + extent.last, 1);
    probe_store(cpu, in, at + extent.first, 1);
    if (kind != XSAVE_COMPACTED) bv = load64(cpu, in, at + XSAVE_HEADER);
    memcpy(image + XSAVE_HEADER, &bv, sizeof bv);
    cpu->mxcsr = cpu_get_mxcsr(cpu);
    unsigned parts = fpu_xsave(cpu, image, components, kind, in->pfx & PFX_REXW);
    for (unsigned i = 0; i < XSAVE_PARTS; i++)
        if (parts >> i & 1)
            store_bytes(cpu, in, at + xsave_parts[i].at, image + xsave_parts[i].at, xsave_parts[i].bytes);
}

static __attribute__((noinline)) void restore(struct cpu *cpu, const struct insn *in)
{
    uint8_t image[XSAVE_BYTES];
    uint64_t at = image_address(cpu, in), components = requested(cpu);
    struct xsave_extent extent;
    load_bytes(cpu, in, at + XSAVE_HEADER, image + XSAVE_HEADER, XSAVE_HEADER_BYTES);
    if (!fpu_xrstor_extent(image, components, &extent)) cpu_raise(cpu, in, VEC_GP);
    probe_load(cpu, in, at + extent.first, 1);
    probe_load(cpu, in, at + extent.last, 1);
    if (extent.first < XSAVE_HEADER) load_bytes(cpu, in, at, image, FXSAVE_BYTES);
    if (extent.last > XSAVE_AVX) load_bytes(cpu, in, at + XSAVE_AVX, image + XSAVE_AVX, XSAVE_AVX_BYTES);
    cpu->mxcsr = cpu_get_mxcsr(cpu);
    if (!fpu_xrstor(cpu, image, components, in->pfx & PFX_REXW)) cpu_raise(cpu, in, VEC_GP);
    cpu_set_mxcsr(cpu, cpu->mxcsr);
}

#define SAVE(name, kind)                                                                                               \
    OP(name##_M)                                                                                                       \
    {                                                                                                                  \
        save(cpu, in, kind);                                                                                           \
        return op_next(cpu, in);                                                                                       \
    }
SAVE(XSAVE, XSAVE_STANDARD)
SAVE(XSAVEOPT, XSAVE_OPTIMIZED)
SAVE(XSAVEC, XSAVE_COMPACTED)

OP(XRSTOR_M)
{
    restore(cpu, in);
    return op_next(cpu, in);
}

OP(XGETBV)
{
    uint32_t which = reg32(cpu, RCX);
    if (which > 1) cpu_raise(cpu, in, VEC_GP);
    cpu->mxcsr = cpu_get_mxcsr(cpu);
    cpu->regs[RAX] = which == 0 ? XCR0 : fpu_in_use_mxcsr(cpu);
    cpu->regs[RDX] = 0;
    return op_next(cpu, in);
}

OP(XSETBV)
{
    cpu_raise(cpu, in, VEC_GP); // the kernel's
}
