// The decoder: rows, lengths, operands, prefixes, limits. Lengths and mnemonics of random bytes are compared with
// Capstone in tests/insn.
#include "cpu/insn.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { PC = 0x1000 };

static int decode(struct insn *in, const void *bytes, unsigned n)
{
    return insn_decode(in, bytes, n, PC, CPU_LEVEL_V2, false);
}

// All of `bytes` is one instruction of the row.
static struct insn expect(const char *row, const char *bytes, unsigned n)
{
    struct insn in;
    int len = decode(&in, bytes, n);
    if (len != (int)n) fail_msg("%s: length %d, not %u", row, len, n);
    if (strcmp(insn_rows[in.id].name, row) != 0) fail_msg("%s, not %s", insn_rows[in.id].name, row);
    assert_int_equal(in.len, n);
    assert_true(in.fn != NULL);
    return in;
}
#define EXPECT(row, bytes) expect(row, bytes, sizeof bytes - 1)
static void expect_undefined(const char *bytes, unsigned n)
{
    struct insn in;
    assert_int_equal(decode(&in, bytes, n), 0);
}
#define UNDEFINED(bytes) expect_undefined(bytes "\0\0\0\0\0\0\0\0\0\0", sizeof bytes - 1 + 10)

static void operand_sizes(void **state)
{
    (void)state;
    assert_int_equal(EXPECT("ADD_EvGv", "\x01\xc8").size, 4);
    assert_int_equal(EXPECT("ADD_EvGv", "\x66\x01\xc8").size, 2);
    assert_int_equal(EXPECT("ADD_EvGv", "\x48\x01\xc8").size, 8);
    assert_int_equal(EXPECT("ADD_EvGv", "\x66\x48\x01\xc8").size, 8); // REX.W wins
    assert_int_equal(EXPECT("ADD_EbGb", "\x00\xc8").size, 1);
    assert_int_equal(EXPECT("PUSH_Zv", "\x50").size, 8);
    assert_int_equal(EXPECT("PUSH_Zv", "\x66\x50").size, 2);
    assert_int_equal(EXPECT("JMP_Jz", "\x66\xe9\x01\x02\x03\x04").size, 8); // Intel ignores 66 here
    assert_int_equal(EXPECT("CMPXCHG16B_Mdq", "\x48\x0f\xc7\x08").size, 16);
    assert_int_equal(EXPECT("CMPXCHG8B_Mq", "\x0f\xc7\x08").size, 8);
}

static void registers(void **state)
{
    (void)state;
    struct insn in = EXPECT("ADD_EvGv", "\x4d\x01\xc8");
    assert_int_equal(in.reg, R9);
    assert_int_equal(in.rm, R8);
    in = EXPECT("ADD_EbGb", "\x00\xe5"); // add ch, ah
    assert_int_equal(in.reg, 1);
    assert_int_equal(in.rm, 8 * RCX + 1);
    in = EXPECT("ADD_EbGb", "\x40\x00\xe5"); // add bpl, spl
    assert_int_equal(in.reg, 8 * RSP);
    assert_int_equal(in.rm, 8 * RBP);
    in = EXPECT("MOV_ZbIb", "\xb4\x7f");
    assert_int_equal(in.reg, 1);
    in = EXPECT("BSWAP_Zv", "\x49\x0f\xcf");
    assert_int_equal(in.reg, R15);
    in = EXPECT("MOVZX_GvEb", "\x0f\xb6\xc4"); // movzx eax, ah
    assert_int_equal(in.reg, RAX);
    assert_int_equal(in.rm, 1);
}

static void memory_operands(void **state)
{
    (void)state;
    struct insn in = EXPECT("MOV_GvEv", "\x8b\x05\x10\x00\x00\x00");
    assert_int_equal(in.rm, INSN_MEM);
    assert_int_equal(in.base, REG_NONE);
    assert_int_equal(in.disp, PC + 6 + 0x10);
    assert_true(insn_disp(&in) == PC + 6 + 0x10);
    in = EXPECT("LEA_GvM", "\x48\x8d\x05\x00\x00\x00\x80");
    assert_true(insn_disp(&in) == PC + 7 - 0x80000000ull);
    in = EXPECT("MOV_EvIz", "\xc7\x05\xf0\xff\xff\xff\x01\x02\x03\x04"); // RIP counts from behind the immediate
    assert_int_equal(in.disp, PC + 10 - 0x10);
    in = EXPECT("MOV_GvEv", "\x8b\x44\x8c\x80");
    assert_int_equal(in.base, RSP);
    assert_int_equal(in.index, RCX);
    assert_int_equal(in.scale, 2);
    assert_int_equal(in.disp, -0x80);
    in = EXPECT("MOV_GvEv", "\x8b\x04\x25\x78\x56\x34\x82");
    assert_int_equal(in.base, REG_NONE);
    assert_int_equal(in.index, REG_NONE);
    assert_true(in.disp == (int32_t)0x82345678);
    in = EXPECT("MOV_GvEv", "\x42\x8b\x04\x20"); // REX.X makes index 4 r12
    assert_int_equal(in.index, R12);
    in = EXPECT("MOV_GvEv", "\x41\x8b\x45\x00");
    assert_int_equal(in.base, R13);
    in = EXPECT("MOV_GvEv", "\x64\x8b\x00");
    assert_int_equal(in.seg, SEG_FS);
    in = EXPECT("LEA_GvM", "\x65\x8d\x00"); // LEA has no segment
    assert_int_equal(in.seg, SEG_NONE);
    in = EXPECT("MOV_GvEv", "\x65\x2e\x8b\x00"); // the old prefixes do not undo it
    assert_int_equal(in.seg, SEG_GS);
    in = EXPECT("MOV_rAXOv", "\x48\xa1\x88\x77\x66\x55\x44\x33\x22\x11");
    assert_true(in.imm64 == 0x1122334455667788);
    in = EXPECT("MOV_rAXOv", "\x67\xa1\x88\x77\x66\x85");
    assert_true(in.imm64 == 0x85667788);
}

static void immediates(void **state)
{
    (void)state;
    assert_true(EXPECT("ADD_EvIbs", "\x83\xc0\xff").imm == -1);
    assert_true(EXPECT("ADD_ALIb", "\x04\xff").imm == 0xff);
    assert_true(EXPECT("ADD_rAXIz", "\x05\x00\x00\x00\x80").imm == INT32_MIN);
    assert_true(EXPECT("ADD_rAXIz", "\x66\x05\x01\x80").imm == -0x7fff);
    assert_true(EXPECT("MOV_ZvIv", "\x48\xb8\x01\x02\x03\x04\x05\x06\x07\x88").imm64 == 0x8807060504030201);
    assert_true(EXPECT("MOV_ZvIv", "\x66\xb8\x01\x82").size == 2);
    assert_true(EXPECT("ENTER_IwIb", "\xc8\x34\x12\x05").imm == 0x051234);
    assert_true(EXPECT("RET_Iw", "\xc2\xff\xff").imm == 0xffff);
    struct insn in = EXPECT("JMP_Jb", "\xeb\xfe");
    assert_true(insn_target(&in) == PC);
    in = EXPECT("CALL_Jz", "\xe8\x00\xe0\xff\xff");
    assert_true(insn_target(&in) == PC + 5ull - 0x2000);
}

static void prefixes_and_rows(void **state)
{
    (void)state;
    EXPECT("NOP", "\x90");
    EXPECT("PAUSE", "\xf3\x90");
    EXPECT("XCHG_ZvrAX", "\x41\x90");
    EXPECT("XCHG_ZvrAX", "\xf3\x41\x90");
    EXPECT("ENDBR64", "\xf3\x0f\x1e\xfa");
    EXPECT("NOP_1E_Ev", "\x0f\x1e\xfa");
    EXPECT("RDSSP_Ry", "\xf3\x48\x0f\x1e\xc8"); // a NOP without shadow stacks
    EXPECT("BSF_GvEv", "\xf3\x0f\xbc\xc1");      // TZCNT from v3 on
    EXPECT("BSR_GvEv", "\xf3\x0f\xbd\xc1");
    EXPECT("POPCNT_GvEv", "\xf3\x0f\xb8\xc1");
    EXPECT("POPCNT_GvEv", "\x66\xf3\x48\x0f\xb8\xc1");
    EXPECT("CRC32_GdEv", "\xf2\x66\x0f\x38\xf1\xc1");
    UNDEFINED("\x0f\xb8\xc1");
    UNDEFINED("\x0f\x38\xf0\x00"); // MOVBE
    struct insn in = EXPECT("MOVSB_YbXb", "\xf2\xf3\xa4");
    assert_int_equal(in.pfx & (PFX_REP | PFX_REPNE), PFX_REP); // the last one
    in = EXPECT("ADD_EvGv", "\x48\x66\x01\xc8");               // a REX before another prefix is none
    assert_int_equal(in.size, 2);
    in = EXPECT("ADD_EvGv", "\x48\x41\x01\xc8"); // the last REX
    assert_int_equal(in.size, 4);
    assert_int_equal(in.rm, R8);
}

static void undefined(void **state)
{
    (void)state;
    UNDEFINED("\x06");
    UNDEFINED("\x62");
    UNDEFINED("\x82");
    UNDEFINED("\x9a");
    UNDEFINED("\xc4"); // VEX
    UNDEFINED("\xc5");
    UNDEFINED("\xd6"); // SALC
    UNDEFINED("\xea");
    UNDEFINED("\x8d\xc0");         // LEA of a register
    UNDEFINED("\xc6\xc8");         // C6 /1
    UNDEFINED("\x0f\x01\xd0");     // XGETBV
    UNDEFINED("\x0f\x01\xf9");     // RDTSCP
    UNDEFINED("\x0f\x0f\x00\x0c"); // 3DNow!
    UNDEFINED("\x0f\xc7\xf0");     // RDRAND
    UNDEFINED("\xf3\x0f\xae\xc0"); // RDFSBASE
    UNDEFINED("\x0f\xc3\xc0");     // MOVNTI to a register
}

static void lock(void **state)
{
    (void)state;
    EXPECT("ADD_EvGv", "\xf0\x01\x08");
    EXPECT("XCHG_EvGv", "\xf0\x87\x08");
    EXPECT("BTS_EvGv", "\xf0\x0f\xab\x08");
    UNDEFINED("\xf0\x01\xc8");
    UNDEFINED("\xf0\x03\x08");     // the destination is a register
    UNDEFINED("\xf0\x39\x08");     // CMP
    UNDEFINED("\xf0\x0f\xa3\x08"); // BT
    UNDEFINED("\xf0\x90");
    UNDEFINED("\xf0\xa4");
}

static void limits(void **state)
{
    (void)state;
    struct insn in;
    uint8_t bytes[32];
    memset(bytes, 0x66, sizeof bytes);
    assert_int_equal(decode(&in, bytes, 32), -2);
    assert_int_equal(decode(&in, bytes, 15), -2);
    assert_int_equal(decode(&in, bytes, 14), -1);
    assert_int_equal(decode(&in, bytes, 0), -1);
    bytes[14] = 0x90;
    assert_int_equal(decode(&in, bytes, 32), 15);
    memcpy(bytes + 13, "\x01\xc8", 2);
    assert_int_equal(decode(&in, bytes, 15), 15);
    memcpy(bytes + 13, "\x81\xc0\0\0\0\0", 6);
    assert_int_equal(decode(&in, bytes, 32), -2);
    assert_int_equal(decode(&in, "\x0f", 1), -1);
    assert_int_equal(decode(&in, "\x0f\x38", 2), -1);
}

// Random bytes: no byte behind the instruction matters, every shorter prefix of it asks for more, and both back ends
// agree.
static void random_bytes(void **state)
{
    (void)state;
    srandom(1);
    for (int i = 0; i < 300000; i++) {
        uint8_t bytes[32];
        struct insn in, other;
        for (unsigned k = 0; k < sizeof bytes; k++) bytes[k] = (uint8_t)random();
        if (i & 1) bytes[i >> 1 & 3] = 0x0f;
        int len = decode(&in, bytes, sizeof bytes);
        assert_true(len >= -2 && len != -1 && len <= 15);
        if (len <= 0) continue;
        assert_int_equal(insn_decode(&other, bytes, (unsigned)len, PC, CPU_LEVEL_V2, true), len);
        assert_int_equal(other.id, in.id);
        assert_true(in.fn && other.fn && in.fn != other.fn);
        for (int k = 0; k < len; k++) assert_int_equal(decode(&other, bytes, (unsigned)k), -1);
    }
}

// A row's names are what they say they are.
static void rows(void **state)
{
    (void)state;
    assert_string_equal(insn_rows[INSN_ADC_EvGv].mnemonic, "adc");
    assert_string_equal(insn_rows[INSN_ADC_EvGv].operands, "Ev,Gv");
    assert_int_equal(insn_rows[INSN_ADC_EvGv].flags_read, FLAG_CF);
    assert_int_equal(insn_rows[INSN_ADC_EvGv].flags_written, FLAGS_ARITH);
    assert_int_equal(insn_rows[INSN_AND_EvGv].flags_undefined, FLAG_AF);
    assert_int_equal(insn_rows[INSN_MOVSB_YbXb].flags_read, FLAG_DF);
    assert_int_equal(insn_rows[INSN_JMP_Jb].attr, INSN_ATTR_BRANCH);
    for (unsigned i = 0; i < INSN_COUNT; i++) assert_true(insn_rows[i].level >= 2 && insn_rows[i].name[0]);
}

// CPUID promises x86-64-v2 and nothing beyond (SysV ABI supplement, 3.1.1).
static void cpuid(void **state)
{
    (void)state;
    struct cpu cpu = {.level = CPU_LEVEL_V2};
    uint32_t r[4];
    enum {
        SSE3 = 1 << 0,
        SSSE3 = 1 << 9,
        CX16 = 1 << 13,
        SSE41 = 1 << 19,
        SSE42 = 1 << 20,
        POPCNT = 1 << 23,
        OSXSAVE = 1 << 27,
        AVX = 1 << 28
    };
    uint32_t v2 = SSE3 | SSSE3 | CX16 | SSE41 | SSE42 | POPCNT,
             v1 = 1 << 0 | 1 << 8 | 1 << 15 | 1 << 23 | 1 << 24 | 1 << 25 | 1 << 26;
    cpu_cpuid(&cpu, 0, 0, r);
    assert_true(r[0] >= 7);
    assert_memory_equal(&r[1], "Genu", 4);
    cpu_cpuid(&cpu, 1, 0, r);
    assert_int_equal(r[2] & v2, v2);
    assert_int_equal(r[2] & (OSXSAVE | AVX), 0);
    assert_int_equal(r[3] & v1, v1);
    cpu_cpuid(&cpu, 7, 0, r);
    assert_int_equal(r[1], 1 << 9); // ERMS alone
    cpu_cpuid(&cpu, 0x80000001, 0, r);
    assert_int_equal(r[2], 1); // LAHF
    assert_int_equal(r[3], 1 << 11 | 1 << 20 | 1 << 29);
    cpu_cpuid(&cpu, 0x80000002, 0, r);
    assert_memory_equal(r, "belljar virtual ", 16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(operand_sizes),
        cmocka_unit_test(registers),
        cmocka_unit_test(memory_operands),
        cmocka_unit_test(immediates),
        cmocka_unit_test(prefixes_and_rows),
        cmocka_unit_test(undefined),
        cmocka_unit_test(lock),
        cmocka_unit_test(limits),
        cmocka_unit_test(random_bytes),
        cmocka_unit_test(rows),
        cmocka_unit_test(cpuid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
