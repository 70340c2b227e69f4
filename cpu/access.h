// Guest memory as op_* functions reach it: loadN, storeN, load_bytes, store_bytes. They return only when the access
// succeeded.
//
// A fault unwinds to cpu_run, so the instruction must be known and nothing may have changed before: each access first
// stores cpu->insn, and compiler barriers stand on both sides, because a host fault is a jump the compiler does not
// see. (Gathers alone change state between accesses: cpu/sse_gather.c.) Reads and writes of a read-modify-write go in
// this order: load, store, then flags and registers. n is 1 to 512 bytes, a constant. An access that crosses into a
// page that faults changes nothing.
#pragma once
#include "cpu/insn.h"
#include "cpu/mem.h"
#include <string.h>

static inline void access_barrier(void)
{
    __asm__ volatile("" ::: "memory");
}

#ifdef OPS_CHECKED

// Across pages, or with a fault; in the second case they do not return (cpu/mem_checked.c).
void access_load_slow(struct cpu *cpu, const struct insn *in, uint64_t a, void *to, unsigned n);
void access_store_slow(struct cpu *cpu, const struct insn *in, uint64_t a, const void *from, unsigned n);

static inline __attribute__((always_inline)) void load_bytes(struct cpu *cpu, const struct insn *in, uint64_t a,
                                                             void *to, unsigned n)
{
    const uint8_t *p = mem_checked_fast(cpu->mem, a, n, MEM_R);
    if (__builtin_expect(p != NULL, 1))
        memcpy(to, p, n);
    else
        access_load_slow(cpu, in, a, to, n);
}

static inline __attribute__((always_inline)) void store_bytes(struct cpu *cpu, const struct insn *in, uint64_t a,
                                                              const void *from, unsigned n)
{
    uint8_t *p = mem_checked_fast(cpu->mem, a, n, MEM_W);
    if (__builtin_expect(p != NULL, 1))
        memcpy(p, from, n);
    else
        access_store_slow(cpu, in, a, from, n);
}

// As for the direct back end, below.
void access_probe_slow(struct cpu *cpu, const struct insn *in, uint64_t a, unsigned n, unsigned need);

static inline void probe_store(struct cpu *cpu, const struct insn *in, uint64_t a, unsigned n)
{
    if (!mem_checked_fast(cpu->mem, a, n, MEM_W)) access_probe_slow(cpu, in, a, n, MEM_W);
}

static inline void probe_load(struct cpu *cpu, const struct insn *in, uint64_t a, unsigned n)
{
    if (!mem_checked_fast(cpu->mem, a, n, MEM_R)) access_probe_slow(cpu, in, a, n, MEM_R);
}

#else

// An x86 host does stores of these sizes in one instruction (access_copy_out), so they are all or nothing there too.
// Others may store a part before the rest faults (Arm ARM, B2.2.1: an unaligned access is one to each byte).
static inline bool access_is_single(unsigned n)
{
#if defined(__x86_64__)
    return n == 1 || n == 2 || n == 4 || n == 8 || n == 16;
#else
    return n == 1;
#endif
}

// One host instruction for 16 bytes, whatever the compiler's options: by memcpy they are two without optimization, in
// any order. Of two stores the first may stay when the second faults. 32 bytes are two, in this order: the fault is
// that of the first byte.
typedef long long access_vector __attribute__((vector_size(16), aligned(1), may_alias));

static inline __attribute__((always_inline)) void access_copy_out(uint8_t *to, const void *from, unsigned n)
{
    volatile access_vector *out = (volatile access_vector *)(void *)to;
    const access_vector *v = (const access_vector *)from;
    if (n == 16 || n == 32) out[0] = v[0];
    if (n == 32) out[1] = v[1];
    if (n != 16 && n != 32) memcpy(to, from, n);
}

static inline __attribute__((always_inline)) void access_copy_in(void *to, const uint8_t *from, unsigned n)
{
    const volatile access_vector *in = (const volatile access_vector *)(const void *)from;
    access_vector *v = (access_vector *)to;
    if (n == 16 || n == 32) v[0] = in[0];
    if (n == 32) v[1] = in[1];
    if (n != 16 && n != 32) memcpy(to, from, n);
}

// A write of what is there: faults as a write. Not by adding or or-ing 0: clang makes a read of that.
static inline void access_touch(uint8_t *p)
{
    uint8_t v = 0;
    while (!__atomic_compare_exchange_n(p, &v, v, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
    }
}

static inline void access_touch_store(struct cpu *cpu, uint64_t a, unsigned n)
{
    uint8_t *first = cpu->region + (uint32_t)a, *last = first + (n - 1);
    access_touch(first);
    if (((uintptr_t)first ^ (uintptr_t)last) >> PAGE_SHIFT)
        access_touch((uint8_t *)((uintptr_t)last & -(uintptr_t)PAGE_BYTES));
}

// A store of several host instructions: let the last byte fault before the first is written.
static inline void access_probe_store(struct cpu *cpu, uint64_t a, unsigned n)
{
    if (__builtin_expect((a & (PAGE_BYTES - 1)) + n > PAGE_BYTES, 0)) access_touch_store(cpu, a, n);
}

// Fault as an access of n bytes at a would, and change nothing. For instructions that the hardware checks before it
// starts.
static inline void probe_store(struct cpu *cpu, const struct insn *in, uint64_t a, unsigned n)
{
    cpu->insn = in;
    access_barrier();
    access_touch_store(cpu, a, n);
    access_barrier();
}

static inline void probe_load(struct cpu *cpu, const struct insn *in, uint64_t a, unsigned n)
{
    const volatile uint8_t *first = cpu->region + (uint32_t)a, *last = first + (n - 1);
    cpu->insn = in;
    access_barrier();
    (void)*first;
    if (((uintptr_t)first ^ (uintptr_t)last) >> PAGE_SHIFT)
        (void)*(const volatile uint8_t *)((uintptr_t)last & -(uintptr_t)PAGE_BYTES);
    access_barrier();
}

static inline __attribute__((always_inline)) void load_bytes(struct cpu *cpu, const struct insn *in, uint64_t a,
                                                             void *to, unsigned n)
{
    cpu->insn = in;
    access_barrier();
    access_copy_in(to, cpu->region + (uint32_t)a, n);
    access_barrier();
}

static inline __attribute__((always_inline)) void store_bytes(struct cpu *cpu, const struct insn *in, uint64_t a,
                                                              const void *from, unsigned n)
{
    cpu->insn = in;
    access_barrier();
    if (!access_is_single(n)) access_probe_store(cpu, a, n);
    access_copy_out(cpu->region + (uint32_t)a, from, n);
    access_barrier();
}

#endif

#define ACCESS_SIZES(X) X(8) X(16) X(32) X(64)
#define ACCESS_DEFINE(bits)                                                                                            \
    static inline uint##bits##_t load##bits(struct cpu *cpu, const struct insn *in, uint64_t a)                        \
    {                                                                                                                  \
        uint##bits##_t v;                                                                                              \
        load_bytes(cpu, in, a, &v, bits / 8);                                                                          \
        return v;                                                                                                      \
    }                                                                                                                  \
    static inline void store##bits(struct cpu *cpu, const struct insn *in, uint64_t a, uint##bits##_t v)               \
    {                                                                                                                  \
        store_bytes(cpu, in, a, &v, bits / 8);                                                                         \
    }
ACCESS_SIZES(ACCESS_DEFINE)
#undef ACCESS_DEFINE
