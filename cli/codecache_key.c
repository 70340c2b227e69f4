// codecache_key: what translated code depends on, as 32 bytes. Sums are good enough for a name, and need no library.
#include "cli/codecache.h"
#include <elf.h>
#include <link.h>
#include <string.h>
#if defined(__x86_64__)
#include <sys/platform/x86.h>
#endif

enum { BUILD_ID_MAX = 64, CPU_WORDS = 20 };

struct build_id {
    uint32_t bytes;
    uint8_t id[BUILD_ID_MAX];
};

static void take_note(struct build_id *to, const uint8_t *note, size_t n)
{
    while (n >= sizeof(ElfW(Nhdr))) {
        const ElfW(Nhdr) *h = (const ElfW(Nhdr) *)note;
        size_t name = (h->n_namesz + 3u) & ~3u, desc = (h->n_descsz + 3u) & ~3u, all = sizeof *h + name + desc;
        if (all > n) return;
        if (h->n_type == NT_GNU_BUILD_ID && h->n_namesz == 4 && !memcmp(h + 1, "GNU", 4) &&
            h->n_descsz <= BUILD_ID_MAX) {
            to->bytes = h->n_descsz;
            memcpy(to->id, (const uint8_t *)(h + 1) + name, h->n_descsz);
        }
        note += all;
        n -= all;
    }
}

// The first object is the program itself (dl_iterate_phdr(3)).
static int look_at(struct dl_phdr_info *info, size_t size, void *to)
{
    (void)size;
    for (int i = 0; i < info->dlpi_phnum; i++)
        if (info->dlpi_phdr[i].p_type == PT_NOTE)
            take_note(to, (const uint8_t *)(info->dlpi_addr + info->dlpi_phdr[i].p_vaddr), info->dlpi_phdr[i].p_memsz);
    return 1;
}

#if defined(__x86_64__)
// Leaves of CPUID (SDM vol. 2): family, model and stepping, and all features, without what tells one core from another;
// and XCR0. As the dynamic linker has asked for them: under a hypervisor each CPUID is a trap, of up to 20 us.
static void look_at_cpu(uint32_t cpu[CPU_WORDS])
{
    enum { OSXSAVE = 1 << 27, APIC_ID = 0xff000000u };
    static const unsigned leaves[] = {CPUID_INDEX_1, CPUID_INDEX_7, CPUID_INDEX_80000001, CPUID_INDEX_D_ECX_1};
    enum { LEAVES = sizeof leaves / sizeof *leaves };
    for (int i = 0; i < LEAVES; i++)
        memcpy(cpu + 4 * i, __x86_get_cpuid_feature_leaf(leaves[i])->cpuid_array, 4 * sizeof *cpu);
    cpu[1] &= ~APIC_ID;
    if (cpu[2] & OSXSAVE) __asm__("xgetbv" : "=a"(cpu[4 * LEAVES]), "=d"(cpu[4 * LEAVES + 1]) : "c"(0));
}
#else
static void look_at_cpu(uint32_t cpu[CPU_WORDS])
{
    (void)cpu;
}
#endif

bool codecache_key(uint8_t key[STORE_DIGEST], const void *options, size_t n)
{
    struct {
        uint32_t version, cpu[CPU_WORDS];
        struct build_id build;
    } of = {.version = STORE_VERSION};
    dl_iterate_phdr(look_at, &of.build);
    look_at_cpu(of.cpu);
    for (uint64_t i = 0; i < STORE_DIGEST / sizeof(uint64_t); i++) {
        uint64_t sum = store_sum(store_sum(i << 32, &of, sizeof of), options, n);
        memcpy(key + i * sizeof sum, &sum, sizeof sum);
    }
    return of.build.bytes > 0;
}
