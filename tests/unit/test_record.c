// Translating ahead (jit/build.h) and the judge of what comes of it (jit/record.h): that it is whole, that it is
// accepted, and that nothing of it can be changed so that a box would look where nothing is, or run what was not
// proven.
#include "cpu/mem.h"
#include "host/ram.h"
#include "jit/build.h"
#include "jit/cache.h"
#include "jit/record.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#if !defined(__x86_64__) || defined(BELLJAR_PORTABLE)
int main(void)
{
    return 77; // nothing is translated
}
#else
enum { CODE = 0x400000, PAGES = 2, SLOT = 7, MUTATIONS = 60000 };

// Addresses of interest, from CODE.
enum { START = 0, LOOP = 10, BEHIND_CALL = 15, LEAF = 0x40, ODD = 0x60, FLOAT = 0x80, MOVE = 0xa0, FAR = 0x1100 };

static const struct piece {
    unsigned at;
    const char *bytes;
    unsigned n;
} pieces[] = {
    {START, "\xb9\x05\x00\x00\x00\x31\xc0\x0f\x1f\x00", 10}, // mov ecx, 5; xor eax, eax; nop
    {LOOP, "\xe8\x31\x00\x00\x00", 5},                       // call leaf
    {BEHIND_CALL, "\xff\xc9\x75\xf7", 4},                    // dec ecx; jnz loop
    {19, "\x0f\xa2\xe9\xe0\x10\x00\x00", 7},                 // cpuid; jmp far
    {LEAF, "\x49\x89\xcb\x83\xc0\x03\x4c\x01\xd8\xc3", 10},  // mov r11, rcx; add eax, 3; add rax, r11; ret
    {ODD, "\x0f\x05\xeb\xfc", 4},                            // syscall; jmp odd
    {FLOAT, "\xd9\xe8\xd9\x1c\x24\xc3", 6},                  // fld1; fstp [rsp]; ret
    {MOVE, "\xf3\xa4\x48\x8b\x04\x24\xc3", 7},               // rep movsb; mov rax, [rsp]; ret
    {FAR, "\xff\xd0\xeb\xfc", 4},                            // call rax; jmp far
};

static const struct profile_code ran[] = {
    {CODE + START, 0},
    {CODE + LEAF, 0},
    {CODE + BEHIND_CALL, PROFILE_COMPUTED},
    {CODE + LOOP, 0},
    {CODE + 19, 0},
    {CODE + FAR, 0},
    {CODE + FLOAT, 0},
    {CODE + MOVE, PROFILE_COMPUTED},
    {CODE + ODD, 0},
    {CODE + LEAF, PROFILE_R11},
    {CODE + LOOP, PROFILE_HOT},
};

static struct ram ram;
static struct mem *mem;
static struct jit_check check;

static struct build_task task(void)
{
    return (struct build_task){.mem = mem,
                               .first = CODE >> PAGE_SHIFT,
                               .npages = PAGES,
                               .slot = SLOT,
                               .codes = ran,
                               .ncodes = sizeof ran / sizeof *ran,
                               .level = CPU_LEVEL_V3};
}

static int boot(void **state)
{
    char why[200];
    (void)state;
    if (ram_open(&ram, 100) || !jit_check_open(&check, why, sizeof why)) return -1;
    mem = mem_new(&ram, MEM_CHECKED);
    uint32_t frame = ram_alloc(&ram, PAGES, true);
    for (unsigned i = 0; i < sizeof pieces / sizeof *pieces; i++)
        memcpy(ram_ptr(&ram, frame) + pieces[i].at, pieces[i].bytes, pieces[i].n);
    return mem_map(mem, CODE >> PAGE_SHIFT, PAGES, frame, MEM_R | MEM_X);
}

static int halt(void **state)
{
    (void)state;
    jit_check_close(&check);
    mem_free(mem);
    ram_close(&ram);
    return 0;
}

// ---- a record ----

struct bytes {
    uint8_t *at;
    size_t n;
};

static void append(struct bytes *b, const void *from, size_t n)
{
    size_t whole = (n + 7) & ~(size_t)7;
    b->at = realloc(b->at, b->n + whole);
    assert_non_null(b->at);
    memset(b->at + b->n, 0, whole);
    memcpy(b->at + b->n, from, n);
    b->n += whole;
}

static struct bytes make_record(void)
{
    struct build_task t = task();
    struct built built;
    struct store_record r = {.inode = 12, .shard = {.first = t.first, .npages = PAGES, .slot = SLOT}};
    struct bytes b = {0};
    assert_true(jit_build(&t, &built));
    for (unsigned i = 0; i < STORE_SECTIONS; i++) r.shard.section[i].bytes = built.bytes[i];
    append(&b, &r, sizeof r);
    for (unsigned i = 0; i < STORE_SECTIONS; i++) append(&b, built.section[i], built.bytes[i]);
    jit_built_free(&built);
    return b;
}

static bool is_good(const struct bytes *b, struct record *r)
{
    const char *why;
    check.refused[0] = 0;
    return record_parse(b->at, b->n, r) && record_check(r, &check, &why);
}

static struct record parse(const struct bytes *b)
{
    struct record r;
    assert_true(record_parse(b->at, b->n, &r));
    assert_int_equal(r.bytes, b->n);
    return r;
}

// For changing it.
static void *section(const struct record *r, enum store_section s, size_t *n, size_t size)
{
    *n = r->head->shard.section[s].bytes / size;
    return (void *)(uintptr_t)r->section[s];
}

static const struct block *block_named(const struct record *r, uint32_t pc, unsigned r11)
{
    size_t n;
    const struct block *b = section(r, STORE_BLOCKS, &n, sizeof *b);
    for (size_t i = 1; i < n; i++)
        if (b[i].pc == pc && b[i].r11 == r11) return &b[i];
    return NULL;
}

// ---- what is made ----

static void made_whole(void **state)
{
    struct bytes b = make_record();
    struct record r = parse(&b);
    size_t n, found = 0;
    (void)state;
    assert_true(is_good(&b, &r));
    const struct build_target *t = section(&r, STORE_TABLE, &n, sizeof *t);
    for (unsigned i = 0; i < sizeof ran / sizeof *ran; i++)
        for (size_t k = 0; k < n; k++)
            if (t[k].pc == ran[i].pc && ran[i].flags & PROFILE_COMPUTED) found++;
    assert_int_equal(found, 2);
    assert_non_null(block_named(&r, CODE + LEAF, R11_SLOT));
    assert_non_null(block_named(&r, CODE + LEAF, R11_REG));
    free(b.at);
}

static bool has_run(uint32_t pc)
{
    for (unsigned i = 0; i < sizeof ran / sizeof *ran; i++)
        if (ran[i].pc == pc) return true;
    return false;
}

// Every branch to what ran leads to its block.
static void chained(void **state)
{
    struct bytes b = make_record();
    struct record r = parse(&b);
    size_t n, branches = 0;
    (void)state;
    const struct exit *x = section(&r, STORE_EXITS, &n, sizeof *x);
    for (size_t i = 1; i < n; i++) {
        if (x[i].kind != EXIT_BRANCH || !has_run(x[i].pc)) continue;
        assert_int_not_equal(x[i].to, 0);
        branches++;
    }
    assert_true(branches >= 3);
    free(b.at);
}

static void same_every_time(void **state)
{
    struct bytes a = make_record(), b = make_record();
    (void)state;
    assert_int_equal(a.n, b.n);
    assert_memory_equal(a.at, b.at, a.n);
    free(a.at);
    free(b.at);
}

static void nothing_to_do(void **state)
{
    struct profile_code none = {CODE + 0x1800, 0}, outside = {CODE + 0x9000, 0}; // zeros fault; another mapping
    struct build_task t = task();
    struct built built;
    (void)state;
    t.ncodes = 1;
    t.codes = &outside;
    assert_false(jit_build(&t, &built));
    t.codes = &none;
    if (jit_build(&t, &built)) jit_built_free(&built);
    t.ncodes = 0;
    assert_false(jit_build(&t, &built));
}

// ---- what is refused ----

typedef void change_fn(const struct record *);

static struct block *a_block(const struct record *r)
{
    return (struct block *)(uintptr_t)block_named(r, CODE + LEAF, R11_SLOT);
}
static struct exit *an_exit(const struct record *r, unsigned kind)
{
    size_t n;
    struct exit *x = section(r, STORE_EXITS, &n, sizeof *x);
    for (size_t i = 1; i < n; i++)
        if (x[i].kind == kind) return &x[i];
    fail();
    return NULL;
}
static void host_behind(const struct record *r)
{
    a_block(r)->host = 1u << 30;
}
static void size_behind(const struct record *r)
{
    a_block(r)->size = UINT32_MAX;
}
static void map_behind(const struct record *r)
{
    a_block(r)->map = 1u << 20;
}
static void exits_behind(const struct record *r)
{
    a_block(r)->nexits = UINT16_MAX;
}
static void pc_elsewhere(const struct record *r)
{
    a_block(r)->pc = CODE + 0x9000;
}
static void marked_dead(const struct record *r)
{
    a_block(r)->dead = true;
}
static void r11_nowhere(const struct record *r)
{
    a_block(r)->r11 = 0;
}
static void of_itself(const struct record *r)
{
    a_block(r)->of = 5000;
}
static void exit_kind(const struct record *r)
{
    an_exit(r, EXIT_OP)->kind = 77;
}
static void exit_resume(const struct record *r)
{
    an_exit(r, EXIT_OP)->resume += 1; // in the middle of an instruction
}
static void exit_block(const struct record *r)
{
    an_exit(r, EXIT_OP)->block = 1000000;
}
static void exit_insn(const struct record *r)
{
    an_exit(r, EXIT_OP)->insn = 60000;
}
static void code_syscall(const struct record *r)
{
    size_t n;
    uint8_t *code = section(r, STORE_CODE, &n, 1);
    memcpy(code + a_block(r)->host, "\x0f\x05", 2);
}
static void code_jump(const struct record *r) // of the loop: into the middle of a block
{
    size_t n;
    uint8_t *code = section(r, STORE_CODE, &n, 1);
    code[an_exit(r, EXIT_BRANCH)->site]++;
}
static void target_inside(const struct record *r)
{
    size_t n;
    struct build_target *t = section(r, STORE_TABLE, &n, sizeof *t);
    t[0].code++;
}
static void target_of_another(const struct record *r)
{
    size_t n;
    struct build_target *t = section(r, STORE_TABLE, &n, sizeof *t);
    t[0].pc++;
}
static void index_block(const struct record *r)
{
    size_t n;
    struct named *i = section(r, STORE_INDEX, &n, sizeof *i);
    i[0].slot = 99999;
}
static void index_full(const struct record *r)
{
    size_t n;
    struct named *i = section(r, STORE_INDEX, &n, sizeof *i);
    for (size_t k = 0; k < n; k++) i[k].view = 1;
}
static void section_size(const struct record *r)
{
    ((struct store_record *)(uintptr_t)r->head)->shard.section[STORE_MAP].bytes = UINT64_MAX - 3;
}

static const struct change {
    const char *name;
    change_fn *fn;
} changes[] = {
#define CHANGE(f)                                                                                                      \
    {                                                                                                                  \
#f, f                                                                                                          \
    }
    CHANGE(host_behind),       CHANGE(size_behind), CHANGE(map_behind),   CHANGE(exits_behind), CHANGE(pc_elsewhere),
    CHANGE(marked_dead),       CHANGE(r11_nowhere), CHANGE(of_itself),    CHANGE(exit_kind),    CHANGE(exit_resume),
    CHANGE(exit_block),        CHANGE(exit_insn),   CHANGE(code_syscall), CHANGE(code_jump),    CHANGE(target_inside),
    CHANGE(target_of_another), CHANGE(index_block), CHANGE(index_full),   CHANGE(section_size),
#undef CHANGE
};

static void refused(void **state)
{
    struct record r;
    (void)state;
    for (unsigned i = 0; i < sizeof changes / sizeof *changes; i++) {
        struct bytes b = make_record();
        r = parse(&b);
        changes[i].fn(&r);
        if (is_good(&b, &r)) fail_msg("%s is accepted", changes[i].name);
        free(b.at);
    }
}

static void cut_off(void **state)
{
    struct bytes b = make_record();
    struct record r;
    (void)state;
    for (size_t n = 0; n < b.n; n += 1 + n / 50) assert_false(record_parse(b.at, n, &r));
    free(b.at);
}

// Whatever is changed, looking at it reads nothing outside (which a sanitizer would see), and comes to an end.
static void changed_at_random(void **state)
{
    struct bytes b = make_record();
    uint8_t *copy = malloc(b.n);
    uint64_t seed = 1;
    struct record r;
    (void)state;
    assert_non_null(copy);
    for (unsigned i = 0; i < MUTATIONS; i++) {
        struct bytes c = {copy, b.n};
        memcpy(copy, b.at, b.n);
        for (unsigned k = 0; k < 1 + i % 4; k++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            copy[(seed >> 33) % b.n] = (uint8_t)(seed >> 20);
        }
        (void)is_good(&c, &r);
    }
    free(copy);
    free(b.at);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(made_whole),        cmocka_unit_test(chained), cmocka_unit_test(same_every_time),
        cmocka_unit_test(nothing_to_do),     cmocka_unit_test(refused), cmocka_unit_test(cut_off),
        cmocka_unit_test(changed_at_random),
    };
    return cmocka_run_group_tests(tests, boot, halt);
}
#endif
