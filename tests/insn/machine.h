// The user-visible state of an x86-64 CPU as the differential test loads it into the host and into the interpreter,
// what one instruction made of it, and the arena: the addresses, below 4 GiB and the same on both sides, where test
// code and data lie.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { GPR_RAX, GPR_RCX, GPR_RDX, GPR_RBX, GPR_RSP, GPR_RBP, GPR_RSI, GPR_RDI, GPR_COUNT = 16 };

// FXSAVE64's image (SDM vol. 1, table 10-2): x87, MMX, XMM and MXCSR in one well-known form.
struct fx_image {
    uint16_t fcw, fsw;
    uint8_t ftw, reserved1; // abridged tags, by physical register
    uint16_t fop;
    uint64_t fip, fdp;
    uint32_t mxcsr, mxcsr_mask;
    struct {
        uint64_t frac;
        uint16_t se;
        uint16_t reserved[3];
    } st[8]; // ST(0) first
    uint64_t xmm[16][2];
    uint8_t rest[96];
} __attribute__((aligned(64)));
_Static_assert(sizeof(struct fx_image) == 512, "FXSAVE image");

enum { XSAVE_HEADER = 512, XSAVE_AVX = 576, XSAVE_IMAGE_BYTES = 832 }; // with AVX, the last that is tested

struct machine {
    uint64_t gpr[GPR_COUNT];
    uint64_t rip, eflags;
    uint64_t fs_base, gs_base;
    struct fx_image fx;
    uint64_t ymm_high[16][2]; // bits 255:128
};

static inline bool all_zero(const void *at, size_t bytes)
{
    const uint8_t *p = at;
    return !p[0] && !memcmp(p, p + 1, bytes - 1);
}

// XSAVE's state components (SDM vol. 1, 13.1) that are not initial: 1 x87, 2 SSE, 4 AVX.
static inline uint64_t components_in_use(const struct machine *m)
{
    const struct fx_image *fx = &m->fx;
    bool x87 = fx->fcw != 0x37f || !all_zero(&fx->fsw, offsetof(struct fx_image, mxcsr) - 2) ||
               !all_zero(fx->st, sizeof fx->st);
    return (x87 ? 1u : 0u) | (all_zero(fx->xmm, sizeof fx->xmm) ? 0u : 2u) |
           (all_zero(m->ymm_high, sizeof m->ymm_high) ? 0u : 4u);
}

enum {
    VECTOR_NONE = -1,
    VECTOR_LOST = -2 /* the runner itself failed: not a result of the instruction */,
    VECTOR_SYSCALL = -3 /* the interpreter only */
};

struct outcome {
    int vector;                // exception, or VECTOR_NONE: the instruction completed
    bool write, exec, present; // #PF: from the error code
    uint64_t fault_addr;       // #PF
    struct machine after;
};

// The arena. Code: two executable pages between absent ones. Data: a row of pages with every kind of neighbour.
#define PAGE       4096u
#define CODE_BASE  0x10000000u
#define CODE_PAGES 2
#define DATA_LOW   0x20000000u
extern uint64_t data_base; // DATA_LOW, or by which name it is reached (arena.h)
enum { DATA_RW0, DATA_RW1, DATA_RO, DATA_RW2, DATA_HOLE, DATA_RW3, DATA_PAGES };
static inline bool data_present(unsigned page)
{
    return page != DATA_HOLE;
}
static inline bool data_writable(unsigned page)
{
    return page != DATA_HOLE && page != DATA_RO;
}
#define DATA_BYTES (DATA_PAGES * PAGE)
