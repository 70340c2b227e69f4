// See x87.h. The image is FSAVE's of 32-bit protected mode (SDM vol. 1, figure 8-9), which FRSTOR takes too.
#include "jit/x87.h"
#include <string.h>

enum { CW_MASKS = 0x3f };

struct image {
    uint32_t cw, sw, tag, fip, fcs_fop, fdp, fds;
    uint8_t st[8][10];
} __attribute__((packed));
_Static_assert(sizeof(struct image) == 108, "FSAVE");

bool jit_x87_can(const struct cpu *cpu)
{
    return (cpu->fpu.cw & CW_MASKS) == CW_MASKS;
}

#if defined(__x86_64__)
static unsigned top(const struct fpu *f)
{
    return f->sw >> 11 & 7;
}

void jit_x87_load(const struct cpu *cpu)
{
    const struct fpu *f = &cpu->fpu;
    struct image i = {.cw = f->cw, .sw = f->sw, .tag = 0};
    for (unsigned r = 0; r < 8; r++) { // FRSTOR works out what a register that is not empty holds
        const struct f80 *v = &f->st[(top(f) + r) & 7];
        if (!(f->tag >> r & 1)) i.tag |= 3u << (2 * r);
        memcpy(i.st[r], &v->frac, 8);
        memcpy(i.st[r] + 8, &v->se, 2);
    }
    __asm__ volatile("frstor %0" : : "m"(i));
}

static void save(struct cpu *cpu)
{
    struct fpu *f = &cpu->fpu;
    struct image i;
    __asm__ volatile("fnsave %0" : "=m"(i) : : "memory");
    f->cw = (uint16_t)i.cw;
    f->sw = (uint16_t)i.sw;
    f->tag = 0;
    for (unsigned r = 0; r < 8; r++) {
        struct f80 *v = &f->st[(top(f) + r) & 7];
        if ((i.tag >> (2 * r) & 3) != 3) f->tag |= (uint8_t)(1u << r);
        memcpy(&v->frac, i.st[r], 8);
        memcpy(&v->se, i.st[r] + 8, 2);
    }
    f->fop = 0;
    f->fip = f->fdp = 0;
}

void jit_x87_close(struct cpu *cpu, uint16_t cw, bool loaded)
{
    static const uint16_t host = 0x37f;
    if (loaded) {
        save(cpu);
    } else if (cw != host) {
        cpu->fpu.cw = cw;
        __asm__ volatile("fldcw %0" : : "m"(host));
    } else {
        cpu->fpu.cw = cw;
    }
}
#else
void jit_x87_load(const struct cpu *cpu)
{
    (void)cpu;
}
void jit_x87_close(struct cpu *cpu, uint16_t cw, bool loaded)
{
    (void)cpu, (void)cw, (void)loaded;
}
#endif
