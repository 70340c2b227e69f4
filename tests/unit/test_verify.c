// The judge of translated code: what it must pass, bad code of each kind that it must refuse by the right rule, good
// blocks with each of their bytes changed and random code, which Capstone and the guest's decoder judge too.
#include "cpu/insn.h"
#include "jit/verify.h"
#include "verify_rows.h"
#include "verify_string_rows.h"
#include <capstone/capstone.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

enum { SLOTS = -256, ROOM = 1024 };
#define AT       0x7f0012340000u
#define COUNT(a) (sizeof(a) / sizeof(a)[0])
static const char exit_hex[] = "64ff2425"
                               "38ffffff"; // jmp fs:[EXIT]

static bool allowed_target(void *ctx, uint64_t addr)
{
    (void)ctx;
    return addr == AT + 0x1000;
}

static uint32_t unhex(uint8_t *to, const char *hex)
{
    uint32_t n = 0;
    for (unsigned byte; sscanf(hex, "%2x", &byte) == 1; hex += 2) {
        assert_true(n < ROOM);
        to[n++] = (uint8_t)byte;
    }
    return n;
}

static struct verify_block block_of(const uint8_t *code, uint32_t size, const uint32_t *entries, unsigned n)
{
    return (struct verify_block){.code = code,
                                 .size = size,
                                 .at = AT,
                                 .entries = entries,
                                 .nentries = n,
                                 .slots = SLOTS,
                                 .target = allowed_target};
}

static bool ends_in(const char *why, const char *rule)
{
    char mark[64];
    snprintf(mark, sizeof mark, ": %s: ", rule);
    return strstr(why, mark) != NULL;
}

// How many of the rows the verifier did not judge as they say.
static unsigned judge_rows(struct verifier *v, const struct row *rows, size_t n, const char *tail)
{
    unsigned wrong = 0;
    for (size_t i = 0; i < n; i++) {
        const struct row *r = &rows[i];
        uint8_t code[ROOM];
        char why[VERIFY_WHY] = "passed";
        uint32_t size = unhex(code, r->hex);
        size += unhex(code + size, tail);
        // Exactly as much memory as there is code, so that a sanitizer sees a byte too many.
        uint8_t *exact = malloc(size ? size : 1);
        memcpy(exact, code, size);
        struct verify_block b = block_of(exact, size, r->entries, r->nentries);
        bool passed = verify_block(v, &b, why, sizeof why);
        free(exact);
        if (r->rule ? !passed && ends_in(why, r->rule) : passed) continue;
        print_error("%s: wanted %s, got: %s\n", r->text, r->rule ? r->rule : "to pass", why);
        wrong++;
    }
    return wrong;
}

static void good_code(void **state)
{
    assert_int_equal(judge_rows(*state, good, COUNT(good), exit_hex), 0);
}
static void bad_code(void **state)
{
    assert_int_equal(judge_rows(*state, bad, COUNT(bad), exit_hex), 0);
}
static void string_code(void **state)
{
    assert_int_equal(judge_rows(*state, strings, COUNT(strings), exit_hex), 0);
}
static void whole_blocks(void **state)
{
    assert_int_equal(judge_rows(*state, blocks, COUNT(blocks), ""), 0);
}

// A prefix of a good sequence must be refused, not read beyond.
static void cut_off(void **state)
{
    static const uint32_t start = 0;
    for (size_t i = 0; i < COUNT(good); i++) {
        uint8_t code[ROOM];
        uint32_t size = unhex(code, good[i].hex);
        for (uint32_t n = 1; n < size; n++) {
            uint8_t *exact = malloc(n);
            memcpy(exact, code, n);
            char why[VERIFY_WHY];
            struct verify_block b = block_of(exact, n, &start, 1);
            assert_false(verify_block(*state, &b, why, sizeof why));
            free(exact);
        }
    }
}

static void targets(void **state)
{
    static const uint32_t start = 0;
    uint8_t code[ROOM];
    char why[VERIFY_WHY];
    struct verify_block b = block_of(code, unhex(code, "e9fb0f0000"), &start, 1); // jmp 0x1000
    assert_true(verify_block(*state, &b, why, sizeof why));
    b.target = NULL;
    assert_false(verify_block(*state, &b, why, sizeof why));
    assert_true(ends_in(why, "jump"));
    b.target = allowed_target;
    b.at++;
    assert_false(verify_block(*state, &b, why, sizeof why));
}

static void reasons(void **state)
{
    static const uint32_t start = 0;
    uint8_t code[ROOM];
    char why[VERIFY_WHY];
    struct verify_block b = block_of(code, unhex(code, "90488b03"), &start, 1);
    assert_false(verify_block(*state, &b, why, sizeof why));
    assert_string_equal(why, "+0x1: mov rax, [rbx]: memory: neither gs, fs nor rsp with a displacement");
    b.size = unhex(code, "0f0b");
    char small[8];
    assert_false(verify_block(*state, &b, small, sizeof small));
    assert_string_equal(small, "+0x0: u");
}

// --- Mutations -----------------------------------------------------------------------------------------------------

static bool good_memory(const cs_x86 *x, const x86_op_mem *m, bool jump)
{
    bool absolute = m->base == X86_REG_INVALID && m->index == X86_REG_INVALID;
    if (m->base == X86_REG_RIP || m->base == X86_REG_EIP) return false;
    if (m->segment == X86_REG_GS && jump)
        return m->base == X86_REG_INVALID && m->index == X86_REG_R11 && m->scale == 4 && m->disp == 4;
    if (m->segment == X86_REG_GS) return x->addr_size == 4 || (absolute && m->disp >= 0 && m->disp <= INT32_MAX);
    if (x->addr_size != 8) return false;
    if (m->segment == X86_REG_FS) return absolute && m->disp >= SLOTS && m->disp < SLOTS + 8 * VERIFY_SLOT_COUNT;
    return m->segment == X86_REG_INVALID && m->base == X86_REG_RSP && m->index == X86_REG_INVALID;
}

// rsp, or a part of it, is written only by what moves it.
static bool good_registers(csh handle, const cs_insn *i)
{
    static const unsigned may[] = {X86_INS_PUSH, X86_INS_POP, X86_INS_ADD, X86_INS_SUB,
                                   X86_INS_AND,  X86_INS_LEA, X86_INS_MOV};
    cs_regs read, written;
    uint8_t nread, nwritten;
    if (cs_regs_access(handle, i, read, &nread, written, &nwritten) != CS_ERR_OK) return false;
    for (unsigned k = 0; k < COUNT(may); k++)
        if (i->id == may[k]) nwritten = 0;
    for (unsigned k = 0; k < nwritten; k++)
        if (written[k] == X86_REG_RSP || written[k] == X86_REG_ESP || written[k] == X86_REG_SP ||
            written[k] == X86_REG_SPL)
            return false;
    return true;
}

static bool is_string(const cs_insn *i)
{
    uint8_t opcode = i->detail->x86.opcode[0];
    return i->mnemonic[0] != 'v' && opcode >= 0xa4 && opcode <= 0xaf && (opcode & 0xfe) != 0xa8;
}

static bool reads(const cs_insn *i, const char *text)
{
    char whole[sizeof i->mnemonic + sizeof i->op_str];
    snprintf(whole, sizeof whole, "%s %s", i->mnemonic, i->op_str);
    return !strncmp(whole, text, strlen(text));
}

// The `n` instructions before it make a host address of each register it reaches memory by, and those behind it undo
// that: by their text.
static bool good_string(const cs_insn *i, size_t before, size_t behind)
{
    static const char *const make[2][3] = {{"mov r11d, edi", "mov rdi, qword ptr fs:[", "lea rdi, [rdi + r11]"},
                                           {"mov r11d, esi", "mov rsi, qword ptr fs:[", "lea rsi, [rsi + r11]"}};
    static const char *const undo[2] = {"mov edi, edi", "mov esi, esi"};
    bool used[2] = {strstr(i->op_str, "rdi]"), strstr(i->op_str, "rsi]")};
    size_t parts = 3 * (size_t)(used[0] + used[1]), at = 0;
    if (before < parts || behind < parts / 3) return false;
    for (unsigned k = 0; k < 2; k++)
        for (unsigned p = 0; used[k] && p < 3; p++)
            if (!reads(i - parts + at++, make[k][p])) return false;
    for (unsigned k = 0; k < 2; k++)
        if (used[k] && !reads(++i, undo[k])) return false;
    return parts > 0;
}

static bool good_insn(csh handle, const cs_insn *i)
{
    static const unsigned groups[] = {CS_GRP_CALL, CS_GRP_RET, CS_GRP_INT, CS_GRP_IRET, CS_GRP_PRIVILEGE};
    for (unsigned k = 0; k < COUNT(groups); k++)
        if (i->id != X86_INS_INT3 && cs_insn_group(handle, i, (uint8_t)groups[k])) return false;
    if (!good_registers(handle, i)) return false;
    if (i->id == X86_INS_LEA || i->id == X86_INS_NOP) return true; // they reach no memory
    const cs_x86 *x = &i->detail->x86;
    for (unsigned k = 0; k < x->op_count; k++)
        if (x->operands[k].type == X86_OP_MEM && !good_memory(x, &x->operands[k].mem, i->id == X86_INS_JMP))
            return false;
    return true;
}

struct tally {
    unsigned refused, passed, second, unknown, bad;
};

static csh open_capstone(void)
{
    csh handle;
    assert_int_equal(cs_open(CS_ARCH_X86, CS_MODE_64, &handle), CS_ERR_OK);
    cs_option(handle, CS_OPT_DETAIL, CS_OPT_ON);
    return handle;
}

static void print_tally(const struct tally *t)
{
    print_message("%u refused, %u passed (%u not known to Capstone, %u of them not to the guest's decoder), %u bad\n",
                  t->refused, t->passed, t->second, t->unknown, t->bad);
}

// What Capstone makes of code until it knows an instruction no more: how many bytes it read.
static size_t judge_capstone(csh handle, const uint8_t *code, size_t size, bool *good_all)
{
    cs_insn *insns;
    size_t n = cs_disasm(handle, code, size, AT, 0, &insns), end = 0;
    for (size_t i = 0; i < n; i++) {
        end += insns[i].size;
        if (is_string(&insns[i]) ? good_string(&insns[i], i, n - i - 1) : good_insn(handle, &insns[i])) continue;
        *good_all = false;
        print_error("passed: %s %s\n", insns[i].mnemonic, insns[i].op_str);
    }
    if (n) cs_free(insns, n);
    return end;
}

// The same of the guest's decoder for one instruction. Capstone does not know some vector instructions and hints: none
// of them may name memory but by gs and 32 bits.
static size_t judge_insn(const uint8_t *code, size_t size, bool *good_all)
{
    struct insn in;
    int n = insn_decode(&in, code, size < 15 ? (unsigned)size : 15, 0x1000, CPU_LEVEL_V3, false);
    if (n <= 0) return 0;
    const char *name = insn_rows[in.id].mnemonic;
    if (in.rm == INSN_MEM && strcmp(name, "nop") != 0 &&
        (in.seg != SEG_GS || !(in.pfx & PFX_ADDR32) || in.pfx & PFX_RIP)) {
        *good_all = false;
        print_error("passed: %s\n", name);
    }
    return (size_t)n;
}

// What they make of a block that passed.
static void judge_passed(csh handle, const uint8_t *code, uint32_t size, struct tally *t)
{
    bool good_all = true;
    size_t at = judge_capstone(handle, code, size, &good_all);
    t->passed++;
    t->second += at < size;
    for (size_t n = 1; at < size && n; at += n) {
        n = judge_insn(code + at, size - at, &good_all);
        at += n ? judge_capstone(handle, code + at + n, size - at - n, &good_all) : 0;
    }
    t->bad += !good_all;
    t->unknown += at != size;
}

static void mutate(struct verifier *v, csh handle, const struct row *r, struct tally *t)
{
    uint8_t code[ROOM];
    char why[VERIFY_WHY];
    uint32_t size = unhex(code, r->hex);
    struct verify_block b = block_of(code, size, r->entries, r->nentries);
    if (!verify_block(v, &b, why, sizeof why)) fail_msg("%s: %s", r->text, why);
    for (uint32_t i = 0; i < size; i++) {
        for (unsigned change = 1; change < 256; change++) {
            code[i] ^= (uint8_t)change;
            if (verify_block(v, &b, why, sizeof why)) {
                judge_passed(handle, code, size, t);
            } else {
                t->refused++;
            }
            code[i] ^= (uint8_t)change;
        }
    }
}

static void mutations(void **state)
{
    csh handle = open_capstone();
    struct tally all = {0};
    for (size_t i = 0; i < COUNT(mutated); i++) {
        struct tally t = {0};
        mutate(*state, handle, &mutated[i], &t);
        print_message("%s, a byte changed: ", mutated[i].text);
        print_tally(&t);
        all.bad += t.bad;
    }
    cs_close(&handle);
    assert_int_equal(all.bad, 0);
}

// xorshift64*: the same numbers on every run.
static uint64_t next_random(uint64_t *x)
{
    *x ^= *x >> 12;
    *x ^= *x << 25;
    *x ^= *x >> 27;
    return *x * 0x2545f4914f6cdd1du;
}

// Prefixes that mean something here more often than by chance.
static uint32_t random_insn(uint8_t *code, uint64_t *seed)
{
    static const uint8_t prefixes[] = {0x65, 0x67, 0x64, 0x66, 0xf2, 0xf3, 0xf0,
                                       0x41, 0x48, 0x4d, 0xc4, 0xc5, 0x0f, 0x2e};
    uint64_t r = next_random(seed);
    uint32_t n = 0;
    if (r & 1) code[n++] = 0x65;
    if (r & 2) code[n++] = 0x67;
    for (unsigned i = 0; i < 2; i++)
        if (r >> (2 + i) & 1) code[n++] = prefixes[(r >> (8 + 8 * i)) % COUNT(prefixes)];
    for (unsigned i = 0; i < 8; i++) code[n++] = (uint8_t)next_random(seed);
    return n;
}

// Random bytes before a jump out: what passes must be good in Capstone's eyes too.
static void random_code(void **state)
{
    enum { CASES = 400000 };
    static const uint32_t start = 0;
    csh handle = open_capstone();
    uint64_t seed = 0x9e3779b97f4a7c15;
    struct tally t = {0};
    for (unsigned i = 0; i < CASES; i++) {
        uint8_t code[ROOM];
        char why[VERIFY_WHY];
        uint32_t n = random_insn(code, &seed);
        for (unsigned k = 0; k < 16; k++) code[n++] = 0x90; // the end of an instruction that is longer
        n += unhex(code + n, exit_hex);
        struct verify_block b = block_of(code, n, &start, 1);
        if (verify_block(*state, &b, why, sizeof why)) {
            judge_passed(handle, code, n, &t);
        } else {
            t.refused++;
        }
    }
    cs_close(&handle);
    print_message("random code: ");
    print_tally(&t);
    assert_int_equal(t.bad, 0);
}

static uint64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

// A long block: the vectors' again and again. What an instruction costs is only printed.
static void long_block(void **state)
{
    enum { TIMES = 3000, EXIT = 8, INSNS = 16 };
    static const uint32_t start = 0;
    uint8_t one[ROOM];
    char why[VERIFY_WHY];
    uint32_t size = unhex(one, mutated[1].hex) - EXIT, n = 0;
    uint8_t *code = malloc(TIMES * size + EXIT);
    for (; n < TIMES * size; n += size) memcpy(code + n, one, size);
    memcpy(code + n, one + size, EXIT);
    struct verify_block b = block_of(code, n + EXIT, &start, 1);
    uint64_t before = now();
    if (!verify_block(*state, &b, why, sizeof why)) fail_msg("%s", why);
    print_message("%.2f us an instruction\n", (double)(now() - before) / 1000 / (TIMES * INSNS));
    b.size--;
    assert_false(verify_block(*state, &b, why, sizeof why));
    free(code);
}

static int set_up(void **state)
{
    char why[VERIFY_WHY];
    *state = verify_open(why, sizeof why);
    if (!*state) print_error("%s\n", why);
    return *state ? 0 : -1;
}

static int tear_down(void **state)
{
    verify_close(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_code),   cmocka_unit_test(bad_code),  cmocka_unit_test(whole_blocks),
        cmocka_unit_test(string_code), cmocka_unit_test(cut_off),   cmocka_unit_test(targets),
        cmocka_unit_test(reasons),     cmocka_unit_test(mutations), cmocka_unit_test(random_code),
        cmocka_unit_test(long_block),
    };
#if !defined(__x86_64__)
    return 77; // the JIT, and so its verifier, is for x86-64
#endif
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
