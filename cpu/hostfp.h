/* Where floating point of SSE instructions is computed: by the host's own SSE unit, or by cpu/softfp.h.
 *
 * Owns: the guest's MXCSR while cpu_run runs. Use:
 *
 *     uint32_t host = cpu_enter_fp(cpu);      // cpu_run, on entry and again after a fault was unwound
 *     ...                                     // the interpreter: cpu_get_mxcsr, cpu_set_mxcsr
 *     cpu_leave_fp(cpu, host);                // before cpu_run returns: cpu->mxcsr is exact again
 *
 * HOST_SSE (x86-64 hosts, which then must have SSE4.1, unless BELLJAR_PORTABLE is defined): between enter and leave
 * the host's MXCSR has the guest's rounding mode, DAZ and FTZ, every exception masked, and collects the sticky flags;
 * cpu->mxcsr holds those from before. When the guest has unmasked an exception, the interpreter computes by softfp
 * instruction by instruction (fp_wants_soft), so that no SIGFPE arises in C; translated code runs with the guest's
 * masks (jit/run.c). Nothing else between enter and leave may use floating point. A host fault handler that jumps out
 * must load the interrupted context's MXCSR before it jumps (host/fault.c), since the kernel starts signal handlers
 * with a fresh one: otherwise flags are lost.
 *
 * Without HOST_SSE everything is computed by softfp, bit for bit the same except RCPPS and RSQRTPS (cpu/sse_float.c).
 */
#pragma once
#include "cpu/cpu.h"

#if defined(__x86_64__) && !defined(BELLJAR_PORTABLE)
#define HOST_SSE 1
#else
#define HOST_SSE 0
#endif

/* MXCSR (SDM volume 1, 10.2.3). */
enum {
    MXCSR_FLAGS = 0x3f,
    MXCSR_DAZ = 0x40,
    MXCSR_MASKS = 0x1f80,
    MXCSR_MASKS_SHIFT = 7,
    MXCSR_RC_SHIFT = 13,
    MXCSR_FTZ = 0x8000,
    MXCSR_VALID = 0xffff, /* MXCSR_MASK in FXSAVE's image; other bits are #GP */
};

#if HOST_SSE

/* Volatile and with memory clobbered: neither moves across the floating point of op functions, which is volatile asm
 * too. */
static inline uint32_t hostfp_get(void)
{
    uint32_t v;
    __asm__ volatile("stmxcsr %0" : "=m"(v) : : "memory");
    return v;
}

static inline void hostfp_set(uint32_t v)
{
    __asm__ volatile("ldmxcsr %0" : : "m"(v) : "memory");
}

static inline uint32_t cpu_get_mxcsr(const struct cpu *cpu)
{
    return cpu->mxcsr | (hostfp_get() & MXCSR_FLAGS);
}

static inline uint32_t hostfp_wanted(uint32_t mxcsr)
{
    return (mxcsr | MXCSR_MASKS) & ~(uint32_t)MXCSR_FLAGS;
}

static inline void cpu_set_mxcsr(struct cpu *cpu, uint32_t v)
{
    cpu->mxcsr = v;
    hostfp_set(hostfp_wanted(v));
}

static inline uint32_t cpu_enter_fp(struct cpu *cpu)
{
    uint32_t host = hostfp_get();
    if (host != hostfp_wanted(cpu->mxcsr)) hostfp_set(hostfp_wanted(cpu->mxcsr));
    return host;
}

static inline void cpu_leave_fp(struct cpu *cpu, uint32_t host)
{
    uint32_t now = hostfp_get();
    cpu->mxcsr |= now & MXCSR_FLAGS;
    if (now != host) hostfp_set(host); // a comparison is cheaper by far
}

/* For translated code: between these two the host's masks are the guest's. */
static inline void hostfp_unmask(const struct cpu *cpu)
{
    hostfp_set((hostfp_get() & ~(uint32_t)MXCSR_MASKS) | (cpu->mxcsr & MXCSR_MASKS));
}

static inline void hostfp_mask(void)
{
    hostfp_set(hostfp_get() | MXCSR_MASKS);
}

/* Some exception is unmasked: the host's unit must not do it. */
static inline bool fp_wants_soft(const struct cpu *cpu)
{
    return __builtin_expect((cpu->mxcsr & MXCSR_MASKS) != MXCSR_MASKS, 0);
}

#else

static inline uint32_t cpu_get_mxcsr(const struct cpu *cpu)
{
    return cpu->mxcsr;
}

static inline void cpu_set_mxcsr(struct cpu *cpu, uint32_t v)
{
    cpu->mxcsr = v;
}

static inline uint32_t cpu_enter_fp(struct cpu *cpu)
{
    (void)cpu;
    return 0;
}

static inline void cpu_leave_fp(struct cpu *cpu, uint32_t host)
{
    (void)cpu;
    (void)host;
}

static inline void hostfp_unmask(const struct cpu *cpu)
{
    (void)cpu;
}

static inline void hostfp_mask(void) {}

static inline bool fp_wants_soft(const struct cpu *cpu)
{
    (void)cpu;
    return true;
}

#endif
