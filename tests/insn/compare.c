// See compare.h.
#include "compare.h"
#include "cpu/cpu.h"
#include <string.h>

const char *const diff_names[DIFF_KINDS] = {"lost", "fault", "rip", "registers", "flags",
                                            "xmm",  "mxcsr", "x87", "memory"};

#define FLAGS_COMPARED (FLAGS_ARITH | FLAG_DF | FLAG_NT | FLAG_AC | FLAG_ID)

// Shifts and rotates leave flags undefined depending on the count, which the table's column cannot say (SDM vol. 2,
// SAL/SAR/SHL/SHR and RCL/RCR/ ROL/ROR): none for a count of 0; OF for counts other than 1; AF for shifts; CF of SHL
// and SHR for counts of the operand's size and more.
static uint64_t shift_undefined(const struct test_case *c, bool rotate)
{
    bool byte = c->row->operand[0][1] == 'b';
    unsigned bits = byte ? 8 : c->opsize * 8, count = 1;
    const char *by = c->row->operand[1];
    if (!strcmp(by, "CL"))
        count = (unsigned)c->in.gpr[RCX];
    else if (by[0] == 'I')
        count = (unsigned)c->imm;
    count &= bits == 64 ? 63 : 31;
    if (count == 0) return 0;
    uint64_t undefined = count == 1 ? 0 : FLAG_OF;
    if (rotate) return undefined;
    if (count >= bits && !row_is(c->row, "sar")) undefined |= FLAG_CF;
    return undefined | FLAG_AF;
}

// SHLD, SHRD: all of it, the result too, is undefined for counts above the operand's size, which only 16-bit operands
// can have.
static unsigned double_shift_count(const struct test_case *c)
{
    unsigned count = c->row->operand[2][0] == 'I' ? (unsigned)c->imm : (unsigned)c->in.gpr[RCX];
    return count & (c->opsize == 8 ? 63 : 31);
}

uint64_t undefined_flags(const struct test_case *c)
{
    if (row_is(c->row, "shl sal shr sar")) return shift_undefined(c, false);
    if (row_is(c->row, "rol ror rcl rcr")) return shift_undefined(c, true);
    if (row_is(c->row, "shld shrd")) {
        unsigned count = double_shift_count(c);
        return count == 0 ? 0 : count > c->opsize * 8 ? FLAGS_ARITH : count == 1 ? FLAG_AF : FLAG_AF | FLAG_OF;
    }
    return c->row->flags_undefined;
}

// Undefined results that the host defines in its own way.
bool result_undefined(const struct test_case *c)
{
    if (row_is(c->row, "shld shrd")) return double_shift_count(c) > c->opsize * 8;
    return row_is(c->row, "bswap") && c->opsize == 2;
}

// Instructions that access memory in several parts. Which of the parts faults first, and which were already stored, is
// each processor's own business.
static bool in_parts(const struct row *row)
{
    return row_is(row, "fbstp fldenv fnstenv frstor fnsave fxsave fxsave64 fxrstor fxrstor64 xsave xsaveopt xsavec "
                       "xrstor maskmovq maskmovdqu "
                       "vmaskmovdqu enter "
                       "jmpf callf retf iret") ||
           !strcmp(row->operands, "Mt");
}

// Absent pages: whether the load or the store of a read-modify-write faults makes no difference to a program but in the
// error code of the signal frame.
static bool same_fault(const struct test_case *c, const struct outcome *host, const struct outcome *guest)
{
    if (row_is(c->row, "iret") && host->vector >= 0 && guest->vector >= 0)
        return true; // checks of what it popped may precede the last pop
    if (host->vector != guest->vector) return false;
    if (host->vector != VEC_PF) return true;
    if (in_parts(c->row)) return host->exec == guest->exec;
    if (host->present && host->write != guest->write) return false;
    return host->fault_addr == guest->fault_addr && host->exec == guest->exec && host->present == guest->present;
}

static unsigned compare_x87(const struct fx_image *a, const struct fx_image *b)
{
    if (a->fcw != b->fcw || a->fsw != b->fsw || a->ftw != b->ftw) return DIFF_X87;
    for (int i = 0; i < 8; i++)
        if (a->st[i].frac != b->st[i].frac || a->st[i].se != b->st[i].se) return DIFF_X87;
    return 0;
}

// The x87's last instruction, its address and its operand's: processors record them on different occasions
// (CPUID.7.EBX[6], [13]), so the interpreter need not agree with this host's. FXSAVE also stores MXCSR_MASK, which is
// the processor's own. XSAVE's image begins with FXSAVE's.
static const char fx_images[] = "fxsave xsave xsaveopt xsavec";

static void ignore_pointers(const struct test_case *c, const struct memories *m)
{
    struct {
        unsigned from, to;
    } range = {0, 0};
    if (row_is(c->row, fx_images)) range.from = 6, range.to = 24;
    if (row_is(c->row, "fnstenv fnsave")) range.from = c->opsize == 2 ? 6 : 12, range.to = c->opsize == 2 ? 14 : 28;
    for (unsigned pass = 0; pass < 2; pass++) {
        for (uint64_t at = c->mem + range.from; at < c->mem + range.to; at++) {
            unsigned page = (unsigned)((at - data_base) / PAGE), offset = (unsigned)(at % PAGE);
            if (at >= data_base && page < DATA_PAGES && m->guest[page]) m->guest[page][offset] = m->host[page][offset];
        }
        if (!row_is(c->row, fx_images)) return;
        range.from = 28, range.to = 32;
    }
}

// MASKMOVQ and MASKMOVDQU may fault for bytes that their mask leaves out (SDM vol. 2: "implementation dependent"); the
// interpreter does not.
static bool may_not_fault(const struct test_case *c, const struct outcome *host, const struct outcome *guest)
{
    return row_is(c->row, "maskmovq maskmovdqu vmaskmovdqu") && host->vector == VEC_PF && guest->vector == VECTOR_NONE;
}

// A repeated string instruction of 32-bit addresses clears the upper halves of its registers when an iteration
// completes. When none does, for a count of 0 or a fault in the first, processors differ.
static bool same_gprs(const struct test_case *c, const struct outcome *host, const struct outcome *guest)
{
    bool upper_free = c->addr32 && (c->rep || c->repne) &&
                      ((uint32_t)c->in.gpr[RCX] == (uint32_t)guest->after.gpr[RCX] || (uint32_t)c->in.gpr[RCX] == 0);
    for (int i = 0; i < GPR_COUNT; i++) {
        uint64_t mask = upper_free && (i == RCX || i == RSI || i == RDI) ? 0xffffffff : ~0ull;
        if ((host->after.gpr[i] ^ guest->after.gpr[i]) & mask) return false;
    }
    return true;
}

// A processor may call a component in use whose contents are initial (SDM vol. 1, 13.6), and XSAVEOPT and XSAVEC then
// store it. The runner has said that it is initial, but a switch of tasks or of virtual machines in between may change
// the processor's mind.
static bool initial_in_use(const struct test_case *c, const struct memories *m)
{
    uint64_t at = c->mem + XSAVE_HEADER - data_base;
    if (!row_is(c->row, "xsave xsaveopt xsavec") || at >= DATA_BYTES || !m->host[at / PAGE]) return false;
    return m->host[at / PAGE][at % PAGE] & c->in.gpr[RAX] & ~components_in_use(&c->in) & 7;
}

static bool same_memory(const struct test_case *c, const struct memories *m)
{
    if (c->has_mem && (row_is(c->row, fx_images) || row_is(c->row, "fnstenv fnsave"))) ignore_pointers(c, m);
    for (unsigned i = 0; i < DATA_PAGES; i++)
        if (data_present(i) && memcmp(m->host[i], m->guest[i], PAGE)) return initial_in_use(c, m);
    return true;
}

// XRSTOR that is refused for reserved bits of MXCSR: Intel's processors have then loaded the XMM registers and x87,
// which no manual promises; the interpreter has changed nothing, as with every other fault.
static bool restored_before_fault(const struct test_case *c, const struct outcome *host, const struct outcome *guest,
                                  const struct memories *m)
{
    enum { MXCSR_AT = 24, MXCSR_DEFINED = 0xffff };
    uint64_t at = c->mem + MXCSR_AT - data_base;
    uint32_t mxcsr = 0;
    if (!row_is(c->row, "xrstor") || host->vector != VEC_GP || guest->vector != VEC_GP) return false;
    if (at % PAGE > PAGE - sizeof mxcsr || at / PAGE >= DATA_PAGES || !m->guest[at / PAGE]) return false;
    memcpy(&mxcsr, m->guest[at / PAGE] + at % PAGE, sizeof mxcsr);
    return mxcsr & ~(uint32_t)MXCSR_DEFINED;
}

unsigned compare(const struct test_case *c, const struct outcome *h, const struct outcome *g, const struct memories *m)
{
    const struct machine *a = &h->after, *b = &g->after;
    unsigned diff = 0;
    if (h->vector == VECTOR_LOST || g->vector == VECTOR_LOST) return DIFF_LOST;
    uint64_t flags = FLAGS_COMPARED & ~undefined_flags(c);
    if (may_not_fault(c, h, g)) return 0;
    if (!same_fault(c, h, g)) diff |= DIFF_FAULT;
    if (a->rip != b->rip) diff |= DIFF_RIP;
    if ((a->eflags ^ b->eflags) & flags) diff |= DIFF_FLAGS;
    if (memcmp(a->fx.xmm, b->fx.xmm, sizeof a->fx.xmm) || memcmp(a->ymm_high, b->ymm_high, sizeof a->ymm_high))
        diff |= DIFF_XMM;
    if (a->fx.mxcsr != b->fx.mxcsr) diff |= DIFF_MXCSR;
    bool page_fault = h->vector == VEC_PF && g->vector == VEC_PF;
    // An MMX instruction whose access faults has, on some processors, already set TOP and tags as all MMX instructions
    // do.
    if (!(page_fault && row_uses_mmx(c->row))) diff |= compare_x87(&a->fx, &b->fx);
    if (restored_before_fault(c, h, g, m)) diff &= ~(unsigned)(DIFF_XMM | DIFF_X87);
    if (diff == 0 && result_undefined(c)) return 0;
    if (!same_gprs(c, h, g) || a->fs_base != b->fs_base || a->gs_base != b->gs_base) diff |= DIFF_GPR;
    if (!(page_fault && in_parts(c->row)) && !same_memory(c, m)) diff |= DIFF_MEMORY;
    return diff;
}
