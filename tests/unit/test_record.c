// Translating ahead (jit/build.h) and the judge of what comes of it (jit/record.h): that it is whole, that it is
// accepted, and that nothing of it can be changed so that a box would look where nothing is, or run what was not
// proven.
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
#include "record_box.h"

enum { MUTATIONS = 25000 };

static struct bytes make_record(void)
{
    struct build_task t = task();
    struct bytes b = make_record_of(&t);
    assert_non_null(b.at);
    return b;
}

static int boot(void **state)
{
    (void)state;
    return record_box_open();
}

static int halt(void **state)
{
    (void)state;
    record_box_close();
    return 0;
}

static struct record parse(const struct bytes *b)
{
    struct record r;
    assert_true(record_parse(b->at, b->n, &r));
    assert_int_equal(r.bytes, b->n);
    return r;
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
    const struct store_target *t = section(&r, STORE_TABLE, &n, sizeof *t);
    for (unsigned i = 0; i < sizeof ran / sizeof *ran; i++)
        for (size_t k = 0; k < n; k++)
            if (t[k].pc == ran[i].pc && ran[i].flags & PROFILE_COMPUTED) found++;
    assert_int_equal(found, 5);
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

static const struct map_entry *entry_of(const struct record *r, const struct block *b, uint32_t pc)
{
    size_t n;
    const struct map_entry *m = section(r, STORE_MAP, &n, sizeof *m);
    for (unsigned i = 0; i < b->insns; i++)
        if (m[b->map + i].pc == pc) return &m[b->map + i];
    return NULL;
}

// A call of a short function: the trace goes through it and on, with a head behind it for what left on the way.
static void followed(void **state)
{
    struct bytes b = make_record();
    struct record r = parse(&b);
    (void)state;
    const struct block *caller = block_named(&r, CODE + BEHIND_FAR, R11_SLOT);
    assert_non_null(caller);
    const struct map_entry *in = entry_of(&r, caller, CODE + SHORT_LOADS),
                           *on = entry_of(&r, caller, CODE + BEHIND_SHORT);
    assert_true(in && in->flags & MAP_FOLLOWED);
    assert_true(on && !(on->flags & MAP_FOLLOWED));
    size_t n;
    const struct block *blocks = section(&r, STORE_BLOCKS, &n, sizeof *blocks);
    const struct block *behind = block_named(&r, CODE + BEHIND_SHORT, R11_SLOT);
    assert_true(behind && &blocks[behind->of] == caller);
    assert_non_null(block_named(&r, CODE + SHORT, R11_SLOT));
    assert_null(entry_of(&r, block_named(&r, CODE + LOOP, R11_SLOT), CODE + LEAF)); // which stores anywhere
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
    struct store_target *t = section(r, STORE_TABLE, &n, sizeof *t);
    t[0].code++;
}
static void target_of_another(const struct record *r)
{
    size_t n;
    struct store_target *t = section(r, STORE_TABLE, &n, sizeof *t);
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
static void other_bool(const struct record *r)
{
    *(uint8_t *)&a_block(r)->x87 = 2;
}
// An exit that nobody has judged, since the block that has it is a head of another one.
static void head_with_exits(const struct record *r)
{
    size_t n, nexits;
    struct block *b = section(r, STORE_BLOCKS, &n, sizeof *b);
    struct exit *x = section(r, STORE_EXITS, &nexits, sizeof *x);
    for (size_t i = 1; i < n; i++) {
        struct block *owner = b[i].of ? &b[b[i].of] : NULL;
        if (!owner || !owner->nexits) continue;
        uint32_t last = owner->first_exit + --owner->nexits;
        b[i].first_exit = last;
        b[i].nexits = 1;
        x[last] = (struct exit){.block = (uint32_t)i, .kind = EXIT_OP, .insn = 60000, .resume = 1u << 31};
        return;
    }
    fail();
}
// Between what makes rdi a host address and what ends it.
static struct map_entry *a_string(const struct record *r)
{
    size_t n;
    struct map_entry *m = section(r, STORE_MAP, &n, sizeof *m);
    for (size_t i = 0; i < n; i++)
        if (m[i].flags & MAP_RDI) return &m[i];
    fail();
    return NULL;
}
static void pointers_unknown(const struct record *r)
{
    a_string(r)->flags &= (uint16_t)~MAP_RDI;
}
static void pointers_too_many(const struct record *r)
{
    a_string(r)->flags ^= MAP_RSI;
}
static void inside_a_string(const struct record *r)
{
    a_string(r)->host += 12;
}
static void behind_a_string(const struct record *r)
{
    struct map_entry *m = a_string(r);
    m[1].host = (uint16_t)(m->host + 2 * MAP_POINTER_BYTES + 2); // right behind the instruction
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
    CHANGE(host_behind),     CHANGE(size_behind),      CHANGE(map_behind),        CHANGE(exits_behind),
    CHANGE(pc_elsewhere),    CHANGE(marked_dead),      CHANGE(r11_nowhere),       CHANGE(of_itself),
    CHANGE(exit_kind),       CHANGE(exit_resume),      CHANGE(exit_block),        CHANGE(exit_insn),
    CHANGE(code_syscall),    CHANGE(code_jump),        CHANGE(target_inside),     CHANGE(target_of_another),
    CHANGE(index_block),     CHANGE(index_full),       CHANGE(section_size),      CHANGE(other_bool),
    CHANGE(head_with_exits), CHANGE(pointers_unknown), CHANGE(pointers_too_many), CHANGE(inside_a_string),
    CHANGE(behind_a_string),
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

// ---- more places where a block is entered than the judge has room for: he would have to leave some out ----

enum { MANY = 400 };

// The same with exits that come back to `resume`, behind those of this block.
static struct bytes with_more_exits(const struct record *r, uint32_t block, const uint32_t *resume, unsigned more)
{
    struct bytes c = {0};
    size_t n, nblocks;
    const struct exit *old = section(r, STORE_EXITS, &n, sizeof *old);
    struct exit *x = calloc(n + more, sizeof *x);
    struct block *b = section(r, STORE_BLOCKS, &nblocks, sizeof *b);
    size_t at = b[block].first_exit + b[block].nexits;
    assert_non_null(x);
    memcpy(x, old, at * sizeof *x);
    for (unsigned i = 0; i < more; i++)
        x[at + i] = (struct exit){.block = block, .kind = EXIT_OP, .insn = 1, .resume = resume[i]};
    memcpy(x + at + more, old + at, (n - at) * sizeof *x);
    append(&c, r->head, sizeof *r->head);
    for (unsigned i = 0; i < STORE_SECTIONS; i++)
        append(&c, i == STORE_EXITS ? x : r->section[i],
               r->head->shard.section[i].bytes + (i == STORE_EXITS) * more * sizeof *x);
    ((struct store_record *)c.at)->shard.section[STORE_EXITS].bytes += more * sizeof *x;
    struct record changed = parse(&c);
    b = section(&changed, STORE_BLOCKS, &nblocks, sizeof *b);
    for (size_t i = 1; i < nblocks; i++)
        if (b[i].first_exit >= at && i != block) b[i].first_exit += more;
    b[block].nexits = (uint16_t)(b[block].nexits + more);
    free(x);
    return c;
}

static bool takes(const struct record *r, uint32_t block, const uint32_t *resume, unsigned n)
{
    struct record changed;
    struct bytes c = with_more_exits(r, block, resume, n);
    bool good = is_good(&c, &changed);
    free(c.at);
    return good;
}

static void too_many_entries(void **state)
{
    struct bytes b = make_record();
    struct record r = parse(&b);
    size_t nblocks;
    const struct block *all = section(&r, STORE_BLOCKS, &nblocks, sizeof *all),
                       *big = block_named(&r, CODE + LONG, R11_SLOT);
    uint32_t resume[MANY + 1], block = (uint32_t)(big - all), bad = 0;
    unsigned n = 0;
    (void)state;
    for (uint32_t at = big->host; at < big->host + big->size && n < MANY; at++)
        if (takes(&r, block, &at, 1))
            resume[n++] = at;
        else
            bad = at;
    assert_int_equal(n, MANY);
    assert_false(takes(&r, block, &bad, 1));
    resume[MANY] = bad;
    assert_false(takes(&r, block, resume, MANY + 1));
    assert_true(takes(&r, block, resume, 200));
    free(b.at);
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
        if (is_good(&c, &r)) use_all(&r);
    }
    free(copy);
    free(b.at);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(made_whole),      cmocka_unit_test(chained),          cmocka_unit_test(followed),
        cmocka_unit_test(same_every_time), cmocka_unit_test(nothing_to_do),    cmocka_unit_test(refused),
        cmocka_unit_test(cut_off),         cmocka_unit_test(too_many_entries), cmocka_unit_test(changed_at_random),
    };
    return cmocka_run_group_tests(tests, boot, halt);
}
#endif
