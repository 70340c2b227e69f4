// The checked back end's slow path: accesses that cross a page, or fault.
#define OPS_CHECKED 1
#include "cpu/access.h"
#include "cpu/op.h"
#include "cpu/run.h"

// End the instruction with a fault at a (the first byte of the access in the page at fault).
static _Noreturn void fault_at(struct cpu *cpu, const struct insn *in, uint64_t a, enum cpu_access access)
{
    if (!is_canonical(a)) cpu_raise(cpu, in, VEC_GP);
    cpu->insn = in;
    cpu->fault = (struct cpu_fault){.vector = VEC_PF, .access = (uint8_t)access, .addr = a};
    longjmp(*cpu->unwind, UNWIND_MEMORY);
}

// Bytes of an n byte access at a that lie in a's page.
static unsigned piece(uint64_t a, unsigned n)
{
    unsigned rest = PAGE_BYTES - (a & (PAGE_BYTES - 1));
    return n < rest ? n : rest;
}

static void check_all(struct cpu *cpu, const struct insn *in, uint64_t a, unsigned n, enum cpu_access access)
{
    unsigned need = access == ACCESS_WRITE ? MEM_W : MEM_R;
    for (unsigned k; n > 0; a += k, n -= k) {
        k = piece(a, n);
        if (!mem_checked_fast(cpu->mem, a, k, need)) fault_at(cpu, in, a, access);
    }
}

void access_load_slow(struct cpu *cpu, const struct insn *in, uint64_t a, void *to, unsigned n)
{
    uint8_t *out = to;
    check_all(cpu, in, a, n, ACCESS_READ);
    for (unsigned k; n > 0; a += k, n -= k, out += k) {
        k = piece(a, n);
        memcpy(out, mem_checked_fast(cpu->mem, a, k, MEM_R), k);
    }
}

void access_store_slow(struct cpu *cpu, const struct insn *in, uint64_t a, const void *from, unsigned n)
{
    const uint8_t *bytes = from;
    check_all(cpu, in, a, n, ACCESS_WRITE);
    for (unsigned k; n > 0; a += k, n -= k, bytes += k) {
        k = piece(a, n);
        memcpy(mem_checked_fast(cpu->mem, a, k, MEM_W), bytes, k);
    }
}

void access_probe_slow(struct cpu *cpu, const struct insn *in, uint64_t a, unsigned n, unsigned need)
{
    check_all(cpu, in, a, n, need == MEM_W ? ACCESS_WRITE : ACCESS_READ);
}
