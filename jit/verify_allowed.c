// The allow-list by mnemonic, expanded from verify_allowed.def.
#include "jit/verify_insn.h"

#define GP(name)        [ZYDIS_MNEMONIC_##name] = ALLOW_GP,
#define GP_MAYBE(name)  [ZYDIS_MNEMONIC_##name] = ALLOW_GP | ALLOW_MAYBE,
#define GP_VEX(name)    [ZYDIS_MNEMONIC_##name] = ALLOW_GP | ALLOW_VEX,
#define BITS(name)      [ZYDIS_MNEMONIC_##name] = ALLOW_GP | ALLOW_MAYBE | ALLOW_BITS,
#define SSE(name)       [ZYDIS_MNEMONIC_##name] = ALLOW_SSE,
#define VEX(name)       [ZYDIS_MNEMONIC_##name] = ALLOW_VEX,
#define VEX_MAYBE(name) [ZYDIS_MNEMONIC_##name] = ALLOW_VEX | ALLOW_MAYBE,
#define X87(name)       [ZYDIS_MNEMONIC_##name] = ALLOW_X87 | ALLOW_MAYBE,
#define LEA(name)       [ZYDIS_MNEMONIC_##name] = ALLOW_LEA,
#define PUSH(name)      [ZYDIS_MNEMONIC_##name] = ALLOW_PUSH,
#define POP(name)       [ZYDIS_MNEMONIC_##name] = ALLOW_POP,
#define NOP(name)       [ZYDIS_MNEMONIC_##name] = ALLOW_NOP,
#define JUMP(name)      [ZYDIS_MNEMONIC_##name] = ALLOW_JUMP,
#define BRANCH(name)    [ZYDIS_MNEMONIC_##name] = ALLOW_BRANCH,
#define COUNT(name)     [ZYDIS_MNEMONIC_##name] = ALLOW_COUNT,
#define INT3(name)      [ZYDIS_MNEMONIC_##name] = ALLOW_INT3,
static const uint16_t allowed[ZYDIS_MNEMONIC_MAX_VALUE + 1] = {
#include "jit/verify_allowed.def"
};

unsigned verify_allowed(ZydisMnemonic m)
{
    return (unsigned)m <= ZYDIS_MNEMONIC_MAX_VALUE ? allowed[m] : 0;
}
