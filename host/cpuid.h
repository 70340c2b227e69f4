// What the host's CPU has, as far as possible without asking it: where the host is a virtual machine itself, CPUID
// takes 10 us, and __builtin_cpu_supports brings a constructor that executes it a dozen times in every start. The C
// library has asked already, and glibc since 2.33 tells.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#if defined(__x86_64__)
#include <cpuid.h>
#if defined(__has_include)
#if __has_include(<sys/platform/x86.h>)
#include <sys/platform/x86.h>
#define HOST_CPUID_KEPT 1
#endif
#endif

// Instructions that the CPU has and the kernel saves the registers of.
#ifdef HOST_CPUID_KEPT
#define host_cpu_supports(name, glibc) CPU_FEATURE_ACTIVE(glibc)
#else
#define host_cpu_supports(name, glibc) (__builtin_cpu_supports(name) != 0)
#endif

static inline bool host_cpu_avx2(void)
{
    return host_cpu_supports("avx2", AVX2);
}

static inline bool host_cpu_bmi2(void)
{
    return host_cpu_supports("bmi2", BMI2);
}

static inline bool host_cpu_fma(void)
{
    return host_cpu_supports("fma", FMA);
}

#ifdef HOST_CPUID_KEPT
static inline bool host_cpuid_kept(uint32_t leaf, uint32_t subleaf, uint32_t reg[4])
{
    static const struct {
        uint32_t leaf, subleaf, index;
    } kept[] = {{1, 0, CPUID_INDEX_1}, {7, 0, CPUID_INDEX_7}, {0x80000001, 0, CPUID_INDEX_80000001}};
    for (unsigned i = 0; i < sizeof kept / sizeof *kept; i++) {
        if (kept[i].leaf != leaf || kept[i].subleaf != subleaf) continue;
        const struct cpuid_feature *f = __x86_get_cpuid_feature_leaf(kept[i].index);
        for (unsigned r = 0; r < 4; r++) reg[r] = f->cpuid_array[r];
        return true;
    }
    return false;
}
#else
static inline bool host_cpuid_kept(uint32_t leaf, uint32_t subleaf, uint32_t reg[4])
{
    (void)leaf, (void)subleaf, (void)reg;
    return false;
}
#endif

// eax, ebx, ecx, edx; zeros for a leaf that it does not have.
static inline void host_cpuid(uint32_t leaf, uint32_t subleaf, uint32_t reg[4])
{
    if (host_cpuid_kept(leaf, subleaf, reg)) return;
    if (!__get_cpuid_count(leaf, subleaf, &reg[0], &reg[1], &reg[2], &reg[3])) reg[0] = reg[1] = reg[2] = reg[3] = 0;
}
#endif
