// --trace faults: what a program that dies by a fault was doing: signal, place with symbol and file offset,
// instruction, registers.
#include "box/box.h"
#include "host/capstone.h"
#include "loader/symbols.h"
#include "syscalls/mm.h"
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SYMBOL_FILE_MAX = 64 << 20 }; // larger files are reported without symbols

static void line(struct task *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void line(struct task *t, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text - 1, format, args);
    va_end(args);
    if (n < 0) return;
    if (n > (int)sizeof text - 2) n = sizeof text - 2;
    text[n++] = '\n';
    t->box->trace->write(t->box->trace->ctx, text, (size_t)n);
}

static const char *signal_name(int sig)
{
    switch (sig) {
    case LX_SIGSEGV:
        return "SIGSEGV (bad address)";
    case LX_SIGILL:
        return "SIGILL (undefined instruction)";
    case LX_SIGFPE:
        return "SIGFPE (arithmetic)";
    case LX_SIGBUS:
        return "SIGBUS (beyond the end of a mapped file, or misaligned)";
    case LX_SIGTRAP:
        return "SIGTRAP (breakpoint)";
    default:
        return "signal";
    }
}

static bool find_symbol(struct inode *inode, uint64_t offset, struct symbol *out)
{
    if (inode->size > SYMBOL_FILE_MAX) return false;
    char *bytes = malloc(inode->size + 1);
    bool found = bytes && inode_read(inode, 0, bytes, inode->size) == (int)inode->size &&
                 symbol_find(bytes, inode->size, offset, out);
    free(bytes);
    return found;
}

static void report_place(struct task *t)
{
    uint64_t pc = t->cpu.rip;
    const struct vma *v = pc < MEM_TOP ? vma_at(t->proc->mm, (uint32_t)(pc >> PAGE_SHIFT)) : NULL;
    if (!v || !v->file) {
        line(t, "  at      0x%" PRIx64 "%s", pc, v ? " (anonymous memory)" : " (nothing is mapped there)");
        return;
    }
    char path[LX_PATH_MAX];
    struct symbol s;
    uint64_t offset = (v->pgoff << PAGE_SHIFT) + (pc - ((uint64_t)v->start << PAGE_SHIFT));
    int n = vfs_path_text(&t->proc->root, &v->file->path, true, path, sizeof path);
    if (n < 0) strcpy(path, "?");
    if (find_symbol(v->inode, offset, &s))
        line(t, "  at      0x%" PRIx64 " %s+0x%" PRIx64 " (%.300s+0x%" PRIx64 ")", pc, s.name, s.offset, path, offset);
    else
        line(t, "  at      0x%" PRIx64 " (%.400s+0x%" PRIx64 ")", pc, path, offset);
}

static size_t fetch(struct task *t, uint8_t bytes[15])
{
    size_t n = 0;
    for (; n < 15 && t->cpu.rip + n < MEM_TOP; n++) {
        const uint8_t *p = mem_host(mm_mem(t->proc->mm), (uint32_t)(t->cpu.rip + n), MEM_R);
        if (!p) break;
        bytes[n] = *p;
    }
    return n;
}

static void report_bytes(struct task *t, const uint8_t *bytes, size_t n, const char *name, const char *operands)
{
    char hex[48] = "";
    for (size_t i = 0; i < n; i++) snprintf(hex + 3 * i, sizeof hex - 3 * i, " %02x", bytes[i]);
    line(t, "  code   %s   %s %s", hex, name, operands);
}

static void report_instruction(struct task *t)
{
    uint8_t bytes[15];
    size_t n = fetch(t, bytes), some = n < 8 ? n : 8;
    struct host_capstone capstone;
    csh handle;
    cs_insn *insn;
    if (!n) return;
    if (host_capstone_open(&capstone)) {
        report_bytes(t, bytes, some, "(no disassembly: libcapstone is not to be had)", "");
        return;
    }
    if (capstone.open(CS_ARCH_X86, CS_MODE_64, &handle) == CS_ERR_OK) {
        size_t got = capstone.disasm(handle, bytes, n, t->cpu.rip, 1, &insn);
        if (got)
            report_bytes(t, bytes, insn[0].size, insn[0].mnemonic, insn[0].op_str);
        else
            report_bytes(t, bytes, some, "(undefined)", "");
        if (got) capstone.free(insn, got);
        capstone.close(&handle);
    }
    host_capstone_close(&capstone);
}

static void report_registers(struct task *t)
{
    static const char *const names[16] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                          "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};
    const uint64_t *r = t->cpu.regs;
    for (int i = 0; i < 16; i += 4)
        line(t, "  %-3s %016" PRIx64 "  %-3s %016" PRIx64 "  %-3s %016" PRIx64 "  %-3s %016" PRIx64, names[i], r[i],
             names[i + 1], r[i + 1], names[i + 2], r[i + 2], names[i + 3], r[i + 3]);
    line(t, "  eflags %08" PRIx64 "  fs base %" PRIx64 "  gs base %" PRIx64, cpu_eflags(&t->cpu),
         t->cpu.seg_base[SEG_FS], t->cpu.seg_base[SEG_GS]);
}

void report_fault(struct task *t, const struct lx_siginfo *info)
{
    bool has_address = info->si_code > 0 && info->si_code != LX_SI_KERNEL &&
                       (info->si_signo == LX_SIGSEGV || info->si_signo == LX_SIGBUS);
    char address[32] = "";
    if (has_address) snprintf(address, sizeof address, " at 0x%" PRIx64, info->si_addr);
    line(t, "belljar: process %d (%s), thread %d, dies by signal %d: %s%s", t->proc->pid, t->comm, t->tid,
         info->si_signo, signal_name(info->si_signo), address);
    report_place(t);
    report_instruction(t);
    report_registers(t);
}
