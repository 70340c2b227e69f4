// libZydis, loaded when it is first asked for: a command that verifies nothing does not pay for it at its start.
#pragma once
#include <Zydis/Zydis.h>
#include <stdbool.h>
#include <stddef.h>

struct zydis {
    void *library;
    __typeof__(ZydisDecoderDecodeFull) *decode;
    __typeof__(ZydisFormatterFormatInstruction) *format;
    ZydisDecoder decoder;
    ZydisFormatter formatter;
};

// One decoded instruction with all its operands, those that are not written too.
struct zydis_insn {
    ZydisDecodedInstruction in;
    ZydisDecodedOperand op[ZYDIS_MAX_OPERAND_COUNT];
};

bool zydis_load(char *why, size_t n);
bool zydis_open(struct zydis *, char *why, size_t n);
void zydis_close(struct zydis *);
bool zydis_decode(const struct zydis *, struct zydis_insn *, const uint8_t *code, size_t n);
// Writes the text of the instruction that runs at `at`.
void zydis_text(const struct zydis *, const uint8_t *code, size_t n, uint64_t at, char *text, size_t room);
