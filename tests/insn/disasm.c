// See disasm.h.
#define _GNU_SOURCE
#include "disasm.h"
#include <capstone/capstone.h>
#include <stdio.h>
#include <stdlib.h>

// Opened once and kept: opening costs more than disassembling.
static csh handle(void)
{
    static csh h;
    if (!h && cs_open(CS_ARCH_X86, CS_MODE_64, &h) != CS_ERR_OK) abort();
    return h;
}

struct disasm disassemble(const uint8_t *bytes, unsigned n, uint64_t address)
{
    struct disasm d = {0};
    cs_insn *insn;
    size_t count = cs_disasm(handle(), bytes, n, address, 1, &insn);
    if (!count) return d;
    d.len = insn->size;
    snprintf(d.mnemonic, sizeof d.mnemonic, "%s", insn->mnemonic);
    snprintf(d.operands, sizeof d.operands, "%.95s", insn->op_str);
    cs_free(insn, count);
    return d;
}
