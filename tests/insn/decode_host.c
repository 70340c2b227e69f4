// decode_host: random bytes, judged by the host CPU: is it an instruction at all, and how long is it?
//
//     decode_host [--cases N] [--seed S]
//
// The bytes run on the host and in the interpreter, with registers that point into the arena. How they end must agree:
// completed, or the exception; and when they complete and go on behind themselves, the decoder's length. (Results are
// difftest's business.) Left out are, with reasons, the tables below: what must not run, and what this host has beyond
// this machine. Exit status: 0 when all agree.
#include "amd.h"
#include "cpu/cpu.h"
#include "cpu/insn.h"
#include "disasm.h"
#include "guest_run.h"
#include "host_run.h"
#include "shape.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { MAX_TOLD = 40 };

static const struct pattern excluded[] = {
    {1, 0x8e, 0x8e, ANY, ANY, ANY, "loads a segment register: FS holds the test's own thread pointer"},
    {2, 0xa1, 0xa1, ANY, ANY, ANY, "POP FS"},
    {2, 0xa9, 0xa9, ANY, ANY, ANY, "POP GS"},
    {2, 0xb2, 0xb2, ANY, ANY, ANY, "LSS"},
    {2, 0xb4, 0xb5, ANY, ANY, ANY, "LFS, LGS"},
    {1, 0xcc, 0xcc, ANY, ANY, ANY, "INT3 ends a case"},
    {1, 0xff, 0xff, 3, MEM, ANY, "far call: to a 32-bit segment"},
    {1, 0xff, 0xff, 5, MEM, ANY, "far jump: to a 32-bit segment"},
    {1, 0xca, 0xcb, ANY, ANY, ANY, "far return: to a 32-bit segment"},
    {1, 0xcf, 0xcf, ANY, ANY, ANY, "IRET: to a 32-bit segment"},
    {1, 0xcd, 0xcd, ANY, ANY, ANY, "INT 80 is a system call of the host"},
    {1, 0xa0, 0xa3, ANY, ANY, ANY, "an address of 64 bits anywhere in this process"},
    {2, 0x00, 0x01, ANY, ANY, ANY,
     "SLDT, SGDT and others: Linux may emulate them (UMIP); VMCALL talks to the hypervisor"},
    {2, 0x05, 0x05, ANY, ANY, ANY, "a system call of the host"},
    {2, 0x34, 0x35, ANY, ANY, ANY, "a system call of the host"},
    {2, 0x0a, 0x0a, ANY, ANY, ANY, "not assigned, and hypervisors use such opcodes"},
    {2, 0x0d, 0x0d, ANY, ANY, ANY, "PREFETCHW and its relatives: NOP or #UD by vendor and age"},
    {2, 0x1a, 0x1b, ANY, ANY, ANY, "MPX: where the host has it, not NOP"},
    {2, 0x20, 0x23, ANY, ANY, ANY,
     "control and debug registers: which exist is the processor's business; all are #GP or #UD"},
    {2, 0xae, 0xae, ANY, REG, 0xf3, "FSGSBASE writes the test's own thread pointer; also INCSSP, UMONITOR, PTWRITE"},
    {2, 0xf7, 0xf7, ANY, REG, ANY, "MASKMOVQ, MASKMOVDQU: may fault for bytes that the mask leaves out"},
};

static const char *exclusion(const struct shape *s)
{
    const char *reason = shape_beyond_v3(s);
    return reason ? reason : shape_match(s, excluded, sizeof excluded / sizeof *excluded);
}

// Registers that keep accesses off this process: the arena, with any displacement, or addresses that are not canonical.
static void make_registers(struct machine *m, struct rng *r)
{
    memset(m, 0, sizeof *m);
    for (int i = 0; i < GPR_COUNT; i++) m->gpr[i] = data_base + rng_below(r, PAGE);
    m->gpr[GPR_RSP] = data_base + 0x800;
    m->fs_base = 0x1000, m->gs_base = 0x2000; // home's FS leads to the thread pointer
    m->gpr[GPR_RCX] = rng_below(r, 4);
    m->eflags = rng_next(r) & 0x8d5;
    m->fx.fcw = 0x37f, m->fx.mxcsr = 0x1f80, m->fx.ftw = 0xff;
    m->rip = CODE_BASE + 64 + rng_below(r, 16);
}

struct judge {
    struct host_runner *host;
    struct guest *guest;
    struct rng rng;
    unsigned long cases, skipped, instructions, lengths, differences;
    bool amd; // the host is one of AMD's
};

static int decode(const uint8_t *bytes, uint64_t rip, struct insn *in)
{
    int n = insn_decode(in, bytes, 15, (uint32_t)rip, CPU_LEVEL_V3, false);
    return n < 0 ? 0 : n;
}

static void print_end(const char *who, const struct outcome *o, uint64_t rip)
{
    if (o->vector == VECTOR_NONE)
        printf("%s completed, rip+%lld; ", who, (long long)(o->after.rip - rip));
    else if (o->vector == VEC_PF)
        printf("%s #PF at %#llx%s; ", who, (unsigned long long)o->fault_addr, o->exec ? " (fetch)" : "");
    else
        printf("%s vector %d; ", who, o->vector);
}

static void tell(struct judge *j, const uint8_t *bytes, const struct insn *in, int ours, const struct outcome *host,
                 const struct outcome *guest, uint64_t rip)
{
    if (j->differences++ >= MAX_TOLD) return;
    struct disasm d = disassemble(bytes, 15, rip);
    for (int i = 0; i < 15; i++) printf("%02x%s", bytes[i], i + 1 == ours || i + 1 == (int)d.len ? " " : "");
    printf(": decoder %s %d bytes; ", ours ? insn_rows[in->id].name : "#UD", ours);
    print_end("host", host, rip);
    print_end("interpreter", guest, rip);
    printf("Capstone %s %s\n", d.len ? d.mnemonic : "#UD", d.operands);
}

static bool branches(const struct insn *in)
{
    return insn_rows[in->id].attr & INSN_ATTR_BRANCH;
}

// As many bytes as the decoder takes, all 15 when it takes none; INT3 behind them. The same memory on both sides.
static void run_both(struct judge *j, const uint8_t *bytes, int len, const struct machine *m, struct outcome *host,
                     struct outcome *guest)
{
    uint8_t *code = (uint8_t *)(uintptr_t)CODE_BASE;
    memset(code, 0xcc, 256);
    memcpy(code + (m->rip - CODE_BASE), bytes, len ? (size_t)len : 15);
    memcpy(guest_code(j->guest), code, 256);
    for (unsigned i = 0; i < DATA_PAGES; i++)
        if (data_present(i)) memcpy(guest_data(j->guest, i), (uint8_t *)(uintptr_t)(data_base + i * PAGE), PAGE);
    guest_run(j->guest, m, guest);
    do hostcpu_run(j->host, m, host);
    while (host->vector == VECTOR_LOST && guest->vector != VECTOR_NONE);
    if (host->vector == VECTOR_LOST) *host = *guest; // a loop, which is a branch and so an instruction
}

// 66 before a near branch makes its displacement and its target 16 bits on AMD's processors, and means nothing on
// Intel's; operands of SHA's instructions need not be aligned there, UD0 has no ModRM, VPERMQ and VPERMPD do not want
// VEX.W. in: NULL: not decoded, as what is longer than 15 bytes.
static bool is_amds_own(const struct insn *in, const uint8_t *bytes, const struct shape *s, const struct outcome *guest)
{
    bool jcc = s->map == 2 && (s->opcode & 0xf0) == 0x80;
    if (in ? branches(in) : jcc) return memchr(bytes, 0x66, (size_t)s->prefixes);
    if (!in) return (s->map == 2 && s->opcode == 0xff) || (s->map == SHAPE_VEX + 4 && s->opcode <= 1);
    return !strncmp(insn_rows[in->id].mnemonic, "sha", 3) && guest->vector == VEC_GP;
}

static void one_case(struct judge *j)
{
    uint8_t bytes[SHAPE_BYTES];
    struct machine m;
    struct outcome host, guest;
    struct insn in;
    random_bytes(&j->rng, bytes);
    struct shape s = shape_of(bytes);
    j->cases++;
    if (exclusion(&s)) {
        j->skipped++;
        return;
    }
    make_registers(&m, &j->rng);
    int ours = decode(bytes, m.rip, &in);
    run_both(j, bytes, ours, &m, &host, &guest);
    bool length_told = ours && host.vector == VECTOR_NONE && !branches(&in);
    j->instructions += host.vector != VEC_UD;
    j->lengths += length_told;
    // A branch to an address that is not canonical faults itself on Intel's processors; here, and on AMD's, the fetch
    // after it.
    bool far_off = guest.vector == VECTOR_NONE && guest.after.rip >> 47 && host.vector == VEC_GP;
    // An undefined opcode whose ModRM or immediate would lie beyond 15 bytes is #GP on the host; the table does not say
    // what undefined opcodes have.
    bool too_long = guest.vector == VEC_UD && host.vector == VEC_GP && s.prefixes > 4;
    if (j->amd && is_amds_own(ours ? &in : NULL, bytes, &s, &guest)) return;
    // A branch to its own bytes: the host goes on there.
    uint64_t to = guest.after.rip - m.rip;
    if (ours && branches(&in) && guest.vector == VECTOR_NONE && to < (uint64_t)ours) return;
    if ((host.vector != guest.vector && !far_off && !too_long) ||
        (length_told && host.after.rip != m.rip + (uint64_t)ours))
        tell(j, bytes, &in, ours, &host, &guest, m.rip);
}

static bool open_judge(struct judge *j)
{
    j->guest = guest_open(GUEST_CHECKED); // addresses above 4 GiB fault, as on the host
    j->host = j->guest ? hostcpu_open() : NULL;
    if (!j->host) return false;
    hostcpu_limit(j->host, 10);
    j->amd = amd_is_host();
    mprotect((void *)(uintptr_t)(data_base + DATA_RO * PAGE), PAGE, PROT_READ);
    memset((void *)(uintptr_t)CODE_BASE, 0xcc, CODE_PAGES * PAGE);
    memset(guest_code(j->guest), 0xcc, CODE_PAGES * PAGE);
    return true;
}

int main(int argc, char **argv)
{
    unsigned long cases = 200000;
    static struct judge j = {.rng = {1}};
    for (int i = 1; i + 1 < argc; i += 2) {
        if (!strcmp(argv[i], "--cases"))
            cases = strtoul(argv[i + 1], NULL, 0);
        else if (!strcmp(argv[i], "--seed"))
            j.rng.state = strtoull(argv[i + 1], NULL, 0);
    }
    uint64_t seed = j.rng.state;
    if (!open_judge(&j)) return 2;
    while (j.cases < cases) one_case(&j);
    hostcpu_close(j.host);
    guest_close(j.guest);
    printf("decode_host: %lu cases, seed %llu: %lu left out, %lu instructions, %lu lengths compared: %lu differ\n",
           j.cases, (unsigned long long)seed, j.skipped, j.instructions, j.lengths, j.differences);
    return j.differences != 0;
}
