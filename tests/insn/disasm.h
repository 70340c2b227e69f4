// Disassembly by Capstone, for reports and as a judge of the decoder.
#pragma once
#include <stdint.h>

struct disasm {
    unsigned len;
    char mnemonic[32], operands[96];
}; // len 0: Capstone knows no such instruction

struct disasm disassemble(const uint8_t *bytes, unsigned n, uint64_t address);
