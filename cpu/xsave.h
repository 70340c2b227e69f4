// The images of XSAVE, XSAVEOPT, XSAVEC and XRSTOR (SDM vol. 1, chapter 13): for the instructions (cpu/op_xsave.c) and
// for signal frames. Known are three state components, so the compacted format puts them where the standard one does.
//
//     uint8_t image[XSAVE_BYTES] = {0};
//     fpu_xsave(cpu, image, XCR0, XSAVE_STANDARD, true); // what the kernel puts into a frame
//     ok = fpu_xrstor(cpu, image, XCR0, true);           // false: the instruction would have raised #GP
#pragma once
#include "cpu/fpu.h"

enum { XSTATE_X87 = 1, XSTATE_SSE = 2, XSTATE_AVX = 4, XCR0 = 7 };
enum { XSAVE_HEADER = 512, XSAVE_HEADER_BYTES = 64, XSAVE_AVX = 576, XSAVE_AVX_BYTES = 256, XSAVE_BYTES = 832 };
enum xsave_kind { XSAVE_STANDARD, XSAVE_OPTIMIZED, XSAVE_COMPACTED };

// XINUSE: the components that are not in their initial state. MXCSR does not count. Processors may call a component in
// use that is initial all the same; here its contents decide.
uint64_t fpu_in_use(const struct cpu *);
// XGETBV(1), and what XSAVEC goes by: here MXCSR counts as part of SSE.
uint64_t fpu_in_use_mxcsr(const struct cpu *);

// The parts of an image that are written as a whole.
enum { XSAVE_PARTS = 7 };
struct xsave_part {
    uint16_t at, bytes;
};
extern const struct xsave_part xsave_parts[XSAVE_PARTS];

// Brings `components` of the image, and its header, up to date. The standard formats keep the header's bits of other
// components, so those must be there before. Returns the parts it has written, bit by index.
unsigned fpu_xsave(const struct cpu *, uint8_t image[XSAVE_BYTES], uint64_t components, enum xsave_kind, bool wide);

// The first and last byte that the processor checks before it stores.
struct xsave_extent {
    uint16_t first, last;
};
struct xsave_extent fpu_xsave_extent(uint64_t components, enum xsave_kind);

// The same for XRSTOR, when it knows the header. False: #GP before it looks at anything else.
bool fpu_xrstor_extent(const uint8_t image[XSAVE_BYTES], uint64_t components, struct xsave_extent *);
// False: the header or reserved bits of MXCSR forbid it; nothing was changed.
bool fpu_xrstor(struct cpu *, const uint8_t image[XSAVE_BYTES], uint64_t components, bool wide);
