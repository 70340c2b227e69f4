// capstone_check: random bytes, decoded by this project's decoder and by Capstone: they must agree on what is
// undefined, on lengths and on mnemonics. Also, that a CPU of level v2 decodes no row beyond.
//
//     capstone_check [--cases N] [--seed S]
//
// The two disagree in ways that are known. Each is a rule below, with the reason, and is counted; a difference without
// a rule is a failure, and so is a rule that explains nothing (with 200,000 cases and more). Where Capstone is said to
// be wrong, decode_host has the host CPU's word for it. Written for Capstone 4.0.2. Exit status: 0 when every
// difference is explained.
#include "cpu/cpu.h"
#include "cpu/insn.h"
#include "disasm.h"
#include "shape.h"
#include <capstone/capstone.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_TOLD = 60, ENOUGH_CASES = 200000, ADDRESS = 0x10000000 };

struct sample {
    uint8_t bytes[SHAPE_BYTES];
    struct shape shape;
    int ours; // length; 0: undefined
    const struct insn_row *row;
    struct disasm capstone;
    const char *mnemonic; // Capstone's, without prefixes
};

// The same instruction under two names: a row's mnemonic, and Capstone's for it.
static const char *const names[][2] = {
    {"xlat", "xlatb"},
    {"fwait", "wait"},
    {"mov", "movabs"},
    {"bsr", "lzcnt"},
    {"bsf", "tzcnt"}, // F3 BSR, F3 BSF are LZCNT, TZCNT beyond v2
    {"ins", "insw insd"},
    {"outs", "outsw outsd"},
    {"movs", "movsw movsd movsq"},
    {"cmps", "cmpsw cmpsd cmpsq"},
    {"scas", "scasw scasd scasq"},
    {"lods", "lodsw lodsd lodsq"},
    {"stos", "stosw stosd stosq"},
    {"pushf", "pushfq"},
    {"popf", "popfq"},
    {"cbw", "cwde cdqe"},
    {"cwd", "cdq cqo"},
    {"iret", "iretd iretq"},
    {"jmpf", "ljmp"},
    {"callf", "lcall"},
    {"retf", "retfq"},
    {"jrcxz", "jecxz"},
    {"movq", "movd"},
    {"fstp", "fstpnce"},
    {"feni", "feni8087_nop"},
    {"fdisi", "fdisi8087_nop"},
    {"fxsave", "fxsave64"},
    {"fxrstor", "fxrstor64"},
    {"xsave", "xsave64"},
    {"xsavec", "xsavec64"},
    {"xsaveopt", "xsaveopt64"},
    {"xrstor", "xrstor64"},
    {"sysret", "sysretq"},
    {"sysexit", "sysexitq"},
};

static bool has_word(const char *words, const char *word)
{
    size_t n = strlen(word);
    for (const char *at = words; (at = strstr(at, word)); at += n)
        if ((at == words || at[-1] == ' ') && (at[n] == 0 || at[n] == ' ')) return true;
    return false;
}

// CMPPS and its like, with an immediate of 0 to 7: CMPEQPS, CMPLTPS, ...; VCMPPS with one of 0 to 31.
static bool is_comparison(const char *ours, const char *capstone)
{
    unsigned v = ours[0] == 'v';
    size_t n = strlen(capstone);
    return strlen(ours) == 5 + v && !strncmp(ours + v, "cmp", 3) && !strncmp(capstone, ours, 3 + v) && n > 5 + v &&
           !strcmp(capstone + n - 2, ours + 3 + v);
}

// VCVTPD2DQ and its like, of 128 and 256 bits: VCVTPD2DQX, VCVTPD2DQY.
static bool is_sized_conversion(const char *ours, const char *capstone)
{
    size_t n = strlen(ours);
    return !strncmp(ours, "vcvt", 4) && !strncmp(ours, capstone, n) && strchr("xy", capstone[n]) && !capstone[n + 1];
}

static bool same_name(const char *ours, const char *capstone)
{
    if (!strcmp(ours, capstone) || is_comparison(ours, capstone) || is_sized_conversion(ours, capstone)) return true;
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(ours, names[i][0]) && has_word(names[i][1], capstone)) return true;
    return false;
}

static bool agree(const struct sample *s)
{
    if (s->ours != (int)s->capstone.len) return false;
    return s->ours == 0 || same_name(s->row->mnemonic, s->mnemonic);
}

// --- the rules ---

static bool unknown_to_us(const struct sample *s)
{
    return s->ours == 0 && s->capstone.len;
}
static bool unknown_to_capstone(const struct sample *s)
{
    return s->ours && !s->capstone.len;
}

// 66, F2 or F3 more than once, or not directly before REX or the opcode, or a REX that does not count.
static bool loose_prefixes(const struct sample *s)
{
    int mandatory = 0, last = -1, end = s->shape.prefixes - (s->shape.rex >= 0);
    for (int i = 0; i < s->shape.prefixes; i++) {
        uint8_t b = s->bytes[i];
        if ((b & 0xf0) == 0x40 && i != end) return true;
        if (b == 0x66 || b == 0xf2 || b == 0xf3) mandatory++, last = i;
    }
    return mandatory > 1 || (mandatory == 1 && last != end - 1);
}

static bool is_near(const struct shape *s)
{
    return s->map == 1 && (s->opcode == 0xc2 || s->opcode == 0xe8 || s->opcode == 0xe9);
}
static bool address_size(const struct sample *s)
{
    return s->shape.addrsize && (s->shape.map > 1 || is_near(&s->shape));
}
static bool pause(const struct sample *s)
{
    return s->shape.map == 1 && s->shape.opcode == 0x90 && s->shape.rex >= 0 && s->shape.rep == 0xf3;
}
static bool misplaced_lock(const struct sample *s)
{
    return unknown_to_us(s) && s->shape.lock;
}
static bool wrong_mandatory(const struct sample *s)
{
    return unknown_to_us(s) && s->shape.map > 1 && shape_pp(&s->shape);
}
static bool beyond_v3(const struct sample *s)
{
    return shape_beyond_v3(&s->shape);
}

static bool system_group(const struct sample *s)
{
    return s->shape.map == 2 && s->shape.opcode <= 1 && unknown_to_us(s);
}

static bool reserved_nop(const struct sample *s)
{
    return s->shape.map == 2 && (s->shape.opcode == 0x0d || (s->shape.opcode >= 0x18 && s->shape.opcode <= 0x1f)) &&
           s->ours && (unknown_to_capstone(s) || !strcmp(s->row->mnemonic, "nop"));
}

static bool undefined_by_name(const struct sample *s)
{
    return s->shape.map == 2 && (s->shape.opcode == 0xff || s->shape.opcode == 0xb9);
}

static bool fence(const struct sample *s)
{
    return s->shape.map == 2 && s->shape.opcode == 0xae && !shape_mem(&s->shape);
}

static bool jump16(const struct sample *s)
{
    bool near_jump = is_near(&s->shape) || (s->shape.map == 2 && (s->shape.opcode & 0xf0) == 0x80);
    return s->shape.opsize && near_jump;
}

static bool segment_move(const struct sample *s)
{
    return s->shape.map == 1 && (s->shape.opcode | 2) == 0x8e && unknown_to_capstone(s);
}

static bool is_vex(const struct sample *s)
{
    return s->shape.map > SHAPE_VEX;
}

static bool refused_vex(const struct sample *s)
{
    return is_vex(s) && unknown_to_us(s) && (s->shape.opsize || s->shape.rep || s->shape.rex >= 0 || s->shape.lock);
}

static bool new_to_capstone(const struct sample *s)
{
    static const char *const stems[] = {"gf2p8",     "vgf2p8", "vaes",           "vpclmulqdq",
                                        "serialize", "rdpid",  "vbroadcasti128", NULL};
    for (int i = 0; stems[i] && unknown_to_capstone(s); i++)
        if (!strncmp(s->row->mnemonic, stems[i], strlen(stems[i]))) return true;
    return false;
}

// RDPID and CLWB with REX.W or a segment.
static bool other_prefix(const struct sample *s)
{
    if (!s->row) return false;
    if (!strcmp(s->row->mnemonic, "rdpid")) return !strcmp(s->mnemonic, "rdseed");
    return !strcmp(s->row->mnemonic, "clwb") && !strcmp(s->mnemonic, "xsaveopt64");
}

struct rule {
    bool (*applies)(const struct sample *);
    const char *reason;
};

static const struct rule rules[] = {
    {beyond_v3, "an instruction beyond this machine, or of no user mode: #UD here"},
    {refused_vex, "VEX behind 66, F2, F3, LOCK or REX: #UD, which Capstone 4 does not know"},
    {new_to_capstone, "GFNI, VAES, VPCLMULQDQ and others are newer than Capstone 4"},
    {other_prefix, "Capstone 4 takes RDPID for RDSEED, CLWB for XSAVEOPT64: the mandatory prefix forbids them"},
    {system_group, "0F 00, 0F 01: instructions of the system and beyond v2: #UD here"},
    {loose_prefixes, "Capstone 4 sees a mandatory prefix only directly before REX or the opcode, prefers 66 to F2 and "
                     "F3, and lets a REX count that is not last"},
    {address_size, "Capstone 4 takes 67 for 66 before some opcodes with REX"},
    {misplaced_lock, "Capstone 4 accepts LOCK before anything: #UD"},
    {jump16, "near branches with 66: Intel ignores it, Capstone reads a 16-bit offset as AMD does, and with REX.W a "
             "RET that is too long"},
    {undefined_by_name, "UD0, UD1: Capstone 4 knows no ModRM byte of theirs"},
    {wrong_mandatory, "Capstone 4 ignores a mandatory prefix with which the opcode does not exist: #UD"},
    {reserved_nop, "the reserved NOPs 0F 0D, 0F 18 to 0F 1F: Capstone 4 knows some"},
    {fence, "fences: Capstone 4 knows them with ModRM.rm 0 only"},
    {segment_move,
     "MOV from and to segments 6 and 7, MOV CS: Capstone calls them undefined; here the instruction itself raises #UD"},
    {pause, "PAUSE with REX: Capstone 4 calls it XCHG"},
};
enum { RULES = sizeof rules / sizeof *rules };

// --- the run ---

static const char *without_prefixes(const char *mnemonic)
{
    static const char *const prefixes[] = {"lock ", "repne ",  "repe ",     "rep ",
                                           "bnd ",  "data16 ", "xacquire ", "xrelease "};
    for (unsigned i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
        size_t n = strlen(prefixes[i]);
        if (!strncmp(mnemonic, prefixes[i], n)) mnemonic += n, i = (unsigned)-1;
    }
    return mnemonic;
}

static void take_sample(struct sample *s, struct rng *rng)
{
    struct insn in;
    random_bytes(rng, s->bytes);
    s->shape = shape_of(s->bytes);
    s->ours = insn_decode(&in, s->bytes, 15, ADDRESS, CPU_LEVEL_V3, false);
    if (s->ours < 0) s->ours = 0;
    s->row = s->ours ? &insn_rows[in.id] : NULL;
    s->capstone = disassemble(s->bytes, 15, ADDRESS);
    s->mnemonic = without_prefixes(s->capstone.mnemonic);
}

// A CPU of level v2 knows the rows of that level only, and decodes them alike.
static bool levels_right(const struct sample *s)
{
    struct insn in;
    int n = insn_decode(&in, s->bytes, 15, ADDRESS, CPU_LEVEL_V2, false);
    if (s->row && s->row->level == CPU_LEVEL_V2) return n == s->ours && &insn_rows[in.id] == s->row;
    return n <= 0 || insn_rows[in.id].level == CPU_LEVEL_V2;
}

static int explain(const struct sample *s)
{
    for (int i = 0; i < RULES; i++)
        if (rules[i].applies(s)) return i;
    return -1;
}

static void tell(const struct sample *s)
{
    for (int i = 0; i < 15; i++)
        printf("%02x%s", s->bytes[i], i + 1 == s->ours || i + 1 == (int)s->capstone.len ? " " : "");
    printf(": %s, %d bytes; Capstone %s %s, %u bytes\n", s->ours ? s->row->name : "#UD", s->ours,
           s->capstone.len ? s->capstone.mnemonic : "#UD", s->capstone.operands, s->capstone.len);
}

static int summarize(unsigned long cases, unsigned long agreed, const unsigned long *explained,
                     unsigned long unexplained)
{
    int status = unexplained != 0;
    for (int i = 0; i < RULES; i++) {
        printf("%8lu  %s\n", explained[i], rules[i].reason);
        if (explained[i] || cases < ENOUGH_CASES) continue;
        printf("          this rule explains nothing: remove it\n");
        status = 1;
    }
    printf("capstone_check: %lu cases: %lu agree, %lu differ without explanation\n", cases, agreed, unexplained);
    return status;
}

int main(int argc, char **argv)
{
    unsigned long cases = 500000, agreed = 0, unexplained = 0, explained[RULES] = {0};
    struct rng rng = {1};
    for (int i = 1; i + 1 < argc; i += 2) {
        if (!strcmp(argv[i], "--cases"))
            cases = strtoul(argv[i + 1], NULL, 0);
        else if (!strcmp(argv[i], "--seed"))
            rng.state = strtoull(argv[i + 1], NULL, 0);
    }
    int major, minor;
    cs_version(&major, &minor);
    printf("Capstone %d.%d, seed %llu\n", major, minor, (unsigned long long)rng.state);
    for (unsigned long n = 0; n < cases; n++) {
        struct sample s;
        take_sample(&s, &rng);
        int rule = !levels_right(&s) ? -1 : agree(&s) ? -2 : explain(&s);
        if (rule == -2)
            agreed++;
        else if (rule >= 0)
            explained[rule]++;
        else if (unexplained++ < MAX_TOLD)
            tell(&s);
    }
    return summarize(cases, agreed, explained, unexplained);
}
