// The translator's host code for some guest instructions, as text in the tree (golden.txt), so that a change of it
// shows as a difference.
//
//     jit-golden FILE            the text is what the translator makes now; else the difference is shown, and the
//     status is 1 jit-golden --write FILE    makes it so
//
// FILE is also the list: a line that begins with hexadecimal bytes is guest code, which is translated afresh, as boxes
// have it (no counting), at an address of its own; the text behind the bytes and the lines below it are made from that.
// Other lines stay. Guest addresses count from the code's own, host addresses from the block's; the words of the thread
// and the ways out have names.
#include "cpu/mem.h"
#include "jit/cache.h"
#include "jit/verify_zydis.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CODE = 0x400000, LINE = 400, CODE_MAX = 64, SKIPPED = 77 };

struct bench {
    struct ram ram;
    struct mem *mem;
    struct code *code;
    struct host_exec exec;
    struct jit *jit;
    struct jit_space *space;
    struct zydis zydis;
    uint8_t *bytes; // of the guest's code page
    FILE *out;
};

// ---- a guest ----

static bool open_guest(struct bench *b)
{
    if (ram_open(&b->ram, 64)) return false;
    b->mem = mem_new(&b->ram, MEM_DIRECT);
    b->code = b->mem ? code_new(b->mem, CPU_LEVEL_V3) : NULL;
    uint32_t frame = ram_alloc(&b->ram, 1, true);
    if (!b->code || !frame || mem_map(b->mem, CODE >> PAGE_SHIFT, 1, frame, MEM_R | MEM_W | MEM_X)) return false;
    b->bytes = ram_ptr(&b->ram, frame);
    return true;
}

static const char *open_bench(struct bench *b, char *why, size_t n)
{
    struct jit_options options = {.level = CPU_LEVEL_V3, .eager = true};
    const char *lacks = "executable memory";
    if (!open_guest(b)) return "memory";
    if (!zydis_open(&b->zydis, why, n)) return why;
    if (host_exec_new(&b->exec, JIT_BYTES, 0) || !(b->jit = jit_new(&b->exec, &options, &lacks))) return lacks;
    b->space = jit_space_new(b->jit, b->mem, b->code);
    if (!b->space) return "room for the table of targets";
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2") ? NULL : "AVX2 and BMI2";
}

static void close_bench(struct bench *b)
{
    jit_space_free(b->space);
    jit_free(b->jit);
    host_exec_free(&b->exec);
    if (b->code) code_free(b->code);
    if (b->mem) mem_free(b->mem);
    ram_close(&b->ram);
}

// ---- names ----

static const char *const slot_names[SLOT_COUNT] = {[SLOT_R11] = "R11",
                                                   [SLOT_TMP] = "TMP",
                                                   [SLOT_TMP2] = "TMP2",
                                                   [SLOT_FS_BASE] = "FS_BASE",
                                                   [SLOT_GS_BASE] = "GS_BASE",
                                                   [SLOT_REGION] = "REGION",
                                                   [SLOT_X87_ABSENT] = "X87_ABSENT",
                                                   [SLOT_EXIT] = "EXIT",
                                                   [SLOT_FUEL] = "FUEL",
                                                   [SLOT_PC] = "PC",
                                                   [SLOT_CW] = "CW"};
static const char *const exit_names[] = {
    [EXIT_BRANCH] = "branch to",        [EXIT_INTERP] = "interpret from", [EXIT_SYSCALL] = "system call before",
    [EXIT_OP] = "interpret one before", [EXIT_X87] = "load x87 for",      [EXIT_FUEL] = "fuel for"};

// The operand in a slot's memory; -1: none.
static int slot_of(const struct bench *b, const struct zydis_insn *i, unsigned *byte)
{
    for (unsigned k = 0; k < i->in.operand_count_visible; k++) {
        const ZydisDecodedOperand *op = &i->op[k];
        if (op->type != ZYDIS_OPERAND_TYPE_MEMORY || op->mem.segment != ZYDIS_REGISTER_FS) continue;
        int64_t at = op->mem.disp.value - b->jit->slots;
        *byte = (unsigned)(at & 7);
        return at >= 0 && at < 8 * SLOT_COUNT && slot_names[at / 8] ? (int)(at / 8) : -1;
    }
    return -1;
}

// Disassembled, and without the zeros in front of addresses.
static void text_of(const struct bench *b, const uint8_t *code, size_t n, uint32_t at, char text[128])
{
    zydis_text(&b->zydis, code, n, at, text, 128);
    for (char *x = strstr(text, "0x00"); x; x = strstr(x + 2, "0x00")) {
        size_t zeros = strspn(x + 2, "0");
        zeros -= !isxdigit((unsigned char)x[2 + zeros]);
        memmove(x + 2, x + 2 + zeros, strlen(x + 2 + zeros) + 1);
    }
}

static void put_slot(const struct bench *b, char *text, const char *name, unsigned byte)
{
    char *from = strchr(text, '['), *to = from ? strchr(from, ']') : NULL;
    if (!to) return;
    fprintf(b->out, "%.*s[%s", (int)(from - text), text, name);
    if (byte) fprintf(b->out, "+%u", byte);
    fprintf(b->out, "%s", to);
}

static void put_exit(const struct bench *b, const struct zydis_insn *i)
{
    const struct exit *x = &b->jit->exits[i->op[1].imm.value.u];
    fprintf(b->out, "mov [PC], (%s %+d)", exit_names[x->kind], (int)(x->pc - CODE));
}

// A jump out of what is printed has no name there.
static bool put_jump_out(const struct bench *b, const struct block *block, uint32_t at, const struct zydis_insn *i)
{
    const ZydisDecodedOperand *op = &i->op[0];
    if (op->type != ZYDIS_OPERAND_TYPE_IMMEDIATE || !op->imm.is_relative) return false;
    int64_t to = (int64_t)at + i->in.length + op->imm.value.s, host = to + block->host;
    if (to >= 0 && to < block->size) return false;
    char text[128];
    text_of(b, b->exec.rx + block->host + at, i->in.length, at, text);
    bool stub = host >= block->stubs && host < block->stubs + block->stubs_size;
    fprintf(b->out, "%.*s %s", (int)strcspn(text, " "), text,
            stub                    ? "(out"
            : host == b->jit->leave ? "(leave)"
                                    : "(head)");
    if (stub) fprintf(b->out, "+%02x)", (unsigned)(host - block->stubs));
    return true;
}

static bool put_exit_number(const struct bench *b, const struct block *block, const struct zydis_insn *i)
{
    if (block->host != block->stubs || i->op[1].type != ZYDIS_OPERAND_TYPE_IMMEDIATE) return false;
    const struct exit *x = &b->jit->exits[i->op[1].imm.value.u];
    fprintf(b->out, "mov r11d, (%s %+d)", exit_names[x->kind], (int)(x->pc - CODE));
    return true;
}

static void put_insn(const struct bench *b, const struct block *block, uint32_t at, const struct zydis_insn *i)
{
    char text[128];
    unsigned byte = 0;
    const uint8_t *code = b->exec.rx + block->host + at;
    int slot = slot_of(b, i, &byte);
    text_of(b, code, i->in.length, at, text);
    fprintf(b->out, "    %03x  ", at);
    if (put_jump_out(b, block, at, i) || put_exit_number(b, block, i))
        ;
    else if (slot == SLOT_PC && i->op[1].type == ZYDIS_OPERAND_TYPE_IMMEDIATE)
        put_exit(b, i);
    else if (slot >= 0)
        put_slot(b, text, slot_names[slot], byte);
    else
        fprintf(b->out, "%s", text);
    fputc('\n', b->out);
}

// Host code from one place of the block to another, or up to and with the first way out. Returns where it ended.
static uint32_t put_code(const struct bench *b, const struct block *block, uint32_t at, uint32_t end, bool out)
{
    struct zydis_insn i;
    while (at < end && zydis_decode(&b->zydis, &i, b->exec.rx + block->host + at, end - at)) {
        unsigned byte;
        if (out) put_insn(b, block, at, &i);
        at += i.in.length;
        if (!out && slot_of(b, &i, &byte) == SLOT_EXIT) break;
    }
    return at;
}

// ---- entries ----

// Each guest instruction with its code; then, without what was translated behind them, the ways out that stand last.
static void put_block(const struct bench *b, const struct block *block, uint32_t n)
{
    const struct map_entry *map = &b->jit->map[block->map];
    uint32_t at = 0;
    char text[128];
    for (unsigned i = 0; i < block->insns && map[i].pc < CODE + n; i++) {
        uint32_t end = i + 1 < block->insns ? map[i + 1].host : block->size;
        text_of(b, b->bytes + (map[i].pc - CODE), CODE_MAX, map[i].pc - CODE, text);
        fprintf(b->out, "  %s\n", text);
        at = put_code(b, block, map[i].host, end, true);
    }
    (void)at;
    if (!block->stubs_size) return;
    struct block stubs = *block;
    stubs.host = block->stubs;
    stubs.size = block->stubs_size;
    fprintf(b->out, "  (out)\n");
    put_code(b, &stubs, 0, stubs.size, true);
}

static unsigned read_bytes(const char *line, uint8_t *to)
{
    unsigned n = 0;
    for (; isxdigit((unsigned char)line[0]) && isxdigit((unsigned char)line[1]) && n < CODE_MAX; line += 2) {
        to[n++] = (uint8_t)strtoul((char[]){line[0], line[1], 0}, NULL, 16);
        while (line[2] == ' ' && isxdigit((unsigned char)line[3])) line++;
    }
    return n;
}

static void put_entry(const struct bench *b, const uint8_t *code, unsigned n)
{
    (void)mem_host(b->mem, CODE, MEM_W); // what was translated before is dropped
    memset(b->bytes, 0xcc, PAGE_BYTES);
    memcpy(b->bytes, code, n);
    for (unsigned i = 0; i < n; i++) fprintf(b->out, "%02x%s", code[i], i + 1 < n ? " " : "\n");
    uint32_t block = translate(b->space, CODE, R11_REG);
    if (block)
        put_block(b, &b->jit->blocks[block], n);
    else
        fprintf(b->out, "  (not translated)\n");
}

static bool renew(const struct bench *b, FILE *in)
{
    char line[LINE];
    uint8_t code[CODE_MAX];
    unsigned entries = 0;
    while (fgets(line, sizeof line, in)) {
        unsigned n = read_bytes(line, code);
        if (n) put_entry(b, code, n), entries++;
        if (!n && line[0] != ' ') fputs(line, b->out);
    }
    return entries > 0;
}

static char *read_file(const char *path)
{
    char *text = NULL;
    size_t room = 0;
    FILE *f = fopen(path, "r");
    if (!f || getdelim(&text, &room, 0, f) < 0) perror(path), exit(2);
    fclose(f);
    return text;
}

static void show_difference(const char *path, const char *now)
{
    char command[LINE];
    snprintf(command, sizeof command, "diff -u --label tree --label now '%s' -", path);
    fflush(stdout);
    FILE *diff = popen(command, "w");
    if (!diff) return;
    fputs(now, diff);
    pclose(diff);
}

static int settle(const char *path, bool write, const char *now)
{
    char *before = read_file(path);
    bool same = !strcmp(before, now);
    free(before);
    if (same) return 0;
    if (!write) {
        show_difference(path, now);
        fprintf(stderr, "%s is not what the translator makes now: jit-golden --write renews it\n", path);
        return 1;
    }
    FILE *f = fopen(path, "w");
    if (!f || fputs(now, f) < 0 || fclose(f)) return perror(path), 2;
    return 0;
}

int main(int argc, char **argv)
{
    static struct bench b;
    bool write = argc == 3 && !strcmp(argv[1], "--write");
    char why[200], *now = NULL;
    size_t n = 0;
    if (argc != 2 && !write) return fprintf(stderr, "usage: jit-golden [--write] FILE\n"), 2;
    const char *lacks = open_bench(&b, why, sizeof why);
    if (lacks) return printf("skipped: this host lacks %s\n", lacks), SKIPPED;
    FILE *in = fopen(argv[argc - 1], "r");
    b.out = open_memstream(&now, &n);
    if (!in || !b.out || !renew(&b, in)) return fprintf(stderr, "%s: nothing to translate\n", argv[argc - 1]), 2;
    fclose(in);
    fclose(b.out);
    int status = settle(argv[argc - 1], write, now);
    free(now);
    close_bench(&b);
    return status;
}
