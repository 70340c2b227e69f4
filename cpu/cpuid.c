// CPUID: a small honest machine of one CPU. Feature bits come from cpu/insn*.def, so that what is reported is what is
// there; the rest is written down here (SDM vol. 2, CPUID). glibc takes cache sizes from leaves 2 and 4, and x86-64-v2
// from the feature bits.
#include "cpu/insn.h"
#include "cpu/xsave.h"
#include <string.h>

enum { LEAF_XSTATE = 0xd, LEAF_MAX = LEAF_XSTATE, LEAF_MAX_V2 = 0xb, LEAF_EXTENDED_MAX = 0x80000008 };
enum { EAX, EBX, ECX, EDX };

static const char vendor[12] = "GenuineIntel"; // what programs know how to ask for caches
static const char hypervisor[12] = "belljar";
static const char brand[48] = "belljar virtual CPU";

static void add_features(const struct cpu *cpu, uint32_t leaf, uint32_t out[4])
{
    for (unsigned i = 0; i < insn_feature_count; i++) {
        const struct insn_feature *f = &insn_features[i];
        if (f->leaf == leaf && f->level <= cpu->level) out[f->reg] |= 1u << f->bit;
    }
}

static uint32_t leaf_max(const struct cpu *cpu)
{
    return cpu->level >= CPU_LEVEL_V3 ? LEAF_MAX : LEAF_MAX_V2;
}

// 12 characters in ebx, edx, ecx (leaf 0) or ebx, ecx, edx (0x40000000).
static void put_name(uint32_t out[4], const char name[12], unsigned second, unsigned third)
{
    memcpy(&out[EBX], name, 4);
    memcpy(&out[second], name + 4, 4);
    memcpy(&out[third], name + 8, 4);
}

static void leaf_1(const struct cpu *cpu, uint32_t out[4])
{
    enum { XSAVE = 1 << 26, OSXSAVE = 1 << 27 };
    out[EAX] = cpu->level >= CPU_LEVEL_V3 ? 0x000306c3 : 0x000206c2; // family 6: Haswell, Westmere
    out[EBX] = 1 << 16 | 8 << 8;                                     // one logical processor, CLFLUSH of 8 * 8 bytes
    out[ECX] = 1u << 31;                                             // a hypervisor is present
    add_features(cpu, 1, out);
    if (out[ECX] & XSAVE) out[ECX] |= OSXSAVE;
}

// Deterministic cache parameters: type and level, ways, line size, sets.
static void leaf_4(uint32_t subleaf, uint32_t out[4])
{
    static const struct {
        uint8_t type, level, ways;
        uint32_t sets;
    } caches[] = {
        {1, 1, 8, 64},     // L1 data, 32 KiB
        {2, 1, 8, 64},     // L1 instructions, 32 KiB
        {3, 2, 16, 1024},  // L2, 1 MiB
        {3, 3, 16, 16384}, // L3, 16 MiB
    };
    if (subleaf >= sizeof caches / sizeof *caches) return;
    out[EAX] = caches[subleaf].type | (uint32_t)caches[subleaf].level << 5 | 1 << 8; // self-initializing
    out[EBX] = (uint32_t)(caches[subleaf].ways - 1) << 22 | 63;
    out[ECX] = caches[subleaf].sets - 1;
}

// ERMS: REP MOVSB and STOSB are the fastest way to copy and fill here, so glibc's memcpy shall use them.
static void leaf_7(const struct cpu *cpu, uint32_t subleaf, uint32_t out[4])
{
    if (subleaf != 0) return;
    out[EBX] = 1 << 9;
    add_features(cpu, 7, out);
}

// Topology: one thread, one core.
static void leaf_b(uint32_t subleaf, uint32_t out[4])
{
    out[ECX] = subleaf & 0xff;
    if (subleaf > 1) return;
    out[EBX] = 1;
    out[ECX] |= (subleaf + 1) << 8;
}

// The extended state that XSAVE knows: XCR0, the sizes of its images, where AVX's part lies in the standard format.
static void leaf_xstate(const struct cpu *cpu, uint32_t subleaf, uint32_t out[4])
{
    enum { BASE, OPTIONS, AVX_COMPONENT };
    if (subleaf == BASE) {
        out[EAX] = XCR0;
        out[EBX] = out[ECX] = XSAVE_BYTES;
    } else if (subleaf == OPTIONS) {
        add_features(cpu, LEAF_XSTATE, out);
        out[EBX] = XSAVE_BYTES;
    } else if (subleaf == AVX_COMPONENT) {
        out[EAX] = XSAVE_AVX_BYTES;
        out[EBX] = XSAVE_AVX;
    }
}

static void basic(const struct cpu *cpu, uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
    switch (leaf) {
    case 0:
        out[EAX] = leaf_max(cpu);
        put_name(out, vendor, EDX, ECX);
        break;
    case 1:
        leaf_1(cpu, out);
        break;
    case 2: // "see leaf 4", and 64-byte prefetching
        out[EAX] = 0x00feff01;
        out[EBX] = 0xf0;
        break;
    case 4:
        leaf_4(subleaf, out);
        break;
    case 7:
        leaf_7(cpu, subleaf, out);
        break;
    case 0xb:
        leaf_b(subleaf, out);
        break;
    case LEAF_XSTATE:
        leaf_xstate(cpu, subleaf, out);
        break;
    }
}

static void extended(const struct cpu *cpu, uint32_t leaf, uint32_t out[4])
{
    switch (leaf) {
    case 0x80000000:
        out[EAX] = LEAF_EXTENDED_MAX;
        break;
    case 0x80000001:
        out[EDX] = 1 << 29 | 1 << 20; // long mode, no-execute
        add_features(cpu, leaf, out);
        break;
    case 0x80000002:
    case 0x80000003:
    case 0x80000004:
        memcpy(out, brand + 16 * (leaf - 0x80000002), 16);
        break;
    case 0x80000006:
        out[ECX] = 1024 << 16 | 8 << 12 | 64;
        break; // L2: KiB, 16 ways, line
    case 0x80000007:
        out[EDX] = 1 << 8;
        break; // invariant TSC
    case 0x80000008:
        out[EAX] = 48 << 8 | 36;
        break; // address bits
    }
}

void cpu_cpuid(const struct cpu *cpu, uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
    memset(out, 0, 4 * sizeof *out);
    if (leaf >= 0x80000000 && leaf <= LEAF_EXTENDED_MAX) {
        extended(cpu, leaf, out);
    } else if (leaf == 0x40000000) {
        out[EAX] = leaf;
        put_name(out, hypervisor, ECX, EDX);
    } else {
        basic(cpu, leaf <= leaf_max(cpu) ? leaf : leaf_max(cpu), subleaf,
              out); // beyond the end Intel answers with the last leaf
    }
}
