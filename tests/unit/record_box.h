// A small program, translated ahead, as a record (jit/record.h): for tests that change it.
#pragma once
#include "cpu/mem.h"
#include "host/ram.h"
#include "jit/build.h"
#include "jit/cache.h"
#include "jit/record.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CODE = 0x400000, PAGES = 2, SLOT = 7 };

// Addresses of interest, from CODE.
enum {
    START = 0,
    LOOP = 10,
    BEHIND_CALL = 15,
    LEAF = 0x40,
    SHORT = 0x50, // its calls are followed
    SHORT_LOADS = SHORT + 5,
    ODD = 0x60,
    FLOAT = 0x80,
    MOVE = 0xa0,
    FAR = 0x1100,
    BEHIND_FAR = FAR + 2,
    BEHIND_SHORT = FAR + 7,
    LONG = 0x1200,
    LONG_INSNS = 60
};

static const struct piece {
    unsigned at;
    const char *bytes;
    unsigned n;
} pieces[] = {
    {START, "\xb9\x05\x00\x00\x00\x31\xc0\x0f\x1f\x00", 10},        // mov ecx, 5; xor eax, eax; nop
    {LOOP, "\xe8\x31\x00\x00\x00", 5},                              // call leaf
    {BEHIND_CALL, "\xff\xc9\x75\xf7", 4},                           // dec ecx; jnz loop
    {19, "\x0f\xa2\xe9\xe0\x10\x00\x00", 7},                        // cpuid; jmp far
    {LEAF, "\x49\x89\xcb\x83\xc0\x03\x4c\x01\xd8\x89\x02\xc3", 12}, // mov r11, rcx; add eax, 3; add rax, r11;
                                                                    // mov [rdx], eax; ret
    {SHORT, "\x53\x85\xff\x74\x02\x8b\x07\x5b\xc3", 9},             // push rbx; test edi, edi; jz L; mov eax, [rdi];
                                                                    // L: pop rbx; ret
    {ODD, "\x0f\x05\xeb\xfc", 4},                                   // syscall; jmp odd
    {FLOAT, "\xd9\xe8\xd9\x1c\x24\xc3", 6},                         // fld1; fstp [rsp]; ret
    {MOVE, "\xf3\xa4\x48\x8b\x04\x24\xc3", 7},                      // rep movsb; mov rax, [rsp]; ret
    {FAR, "\xff\xd0\xe8\x49\xef\xff\xff\xeb\xf7", 9},               // call rax; call short; jmp far
};

static const struct profile_code ran[] = {
    {CODE + START, 0},
    {CODE + LEAF, 0},
    {CODE + BEHIND_CALL, PROFILE_COMPUTED},
    {CODE + LOOP, 0},
    {CODE + 19, 0},
    {CODE + FAR, 0},
    {CODE + BEHIND_FAR, PROFILE_COMPUTED},
    {CODE + SHORT, 0},
    {CODE + SHORT_LOADS, 0},
    {CODE + BEHIND_SHORT, PROFILE_COMPUTED},
    {CODE + FLOAT, 0},
    {CODE + MOVE, PROFILE_COMPUTED},
    {CODE + ODD, 0},
    {CODE + LEAF, PROFILE_R11},
    {CODE + LOOP, PROFILE_HOT},
    {CODE + FLOAT, PROFILE_HOT},
    {CODE + LONG, PROFILE_COMPUTED},
};

static struct ram ram;
static struct mem *mem;
static struct jit_check check;
static const char *refused_for;

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

static int record_box_open(void)
{
    char why[200];
    if (ram_open(&ram, 100) || !jit_check_open(&check, why, sizeof why)) return -1;
    mem = mem_new(&ram, MEM_CHECKED);
    uint32_t frame = ram_alloc(&ram, PAGES, true);
    for (unsigned i = 0; i < sizeof pieces / sizeof *pieces; i++)
        memcpy(ram_ptr(&ram, frame) + pieces[i].at, pieces[i].bytes, pieces[i].n);
    for (unsigned i = 0; i < LONG_INSNS; i++) memcpy(ram_ptr(&ram, frame) + LONG + 2 * i, "\xf3\xa4", 2); // rep movsb
    ram_ptr(&ram, frame)[LONG + 2 * LONG_INSNS] = 0xc3;
    return mem_map(mem, CODE >> PAGE_SHIFT, PAGES, frame, MEM_R | MEM_X);
}

static void record_box_close(void)
{
    jit_check_close(&check);
    mem_free(mem);
    ram_close(&ram);
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
    if (!b->at) abort();
    memset(b->at + b->n, 0, whole);
    memcpy(b->at + b->n, from, n);
    b->n += whole;
}

// at NULL: nothing can be made of it.
static struct bytes make_record_of(const struct build_task *t)
{
    struct built built;
    struct store_record r = {.inode = 12, .shard = {.first = t->first, .npages = PAGES, .slot = SLOT}};
    struct bytes b = {0};
    if (!jit_build(t, &built)) return b;
    for (unsigned i = 0; i < STORE_SECTIONS; i++) r.shard.section[i].bytes = built.bytes[i];
    append(&b, &r, sizeof r);
    for (unsigned i = 0; i < STORE_SECTIONS; i++) append(&b, built.section[i], built.bytes[i]);
    jit_built_free(&built);
    return b;
}

// Is it a record that a box would be given?
static bool is_good(const struct bytes *b, struct record *r)
{
    check.refused[0] = 0;
    refused_for = "it is cut off";
    return record_parse(b->at, b->n, r) && record_check(r, &check, &refused_for);
}

// For changing it.
static void *section(const struct record *r, enum store_section s, size_t *n, size_t size)
{
    *n = r->head->shard.section[s].bytes / size;
    return (void *)(uintptr_t)r->section[s];
}

// ---- as a box uses it (jit/run.c, cache.h, shard.c, hot.c) ----

static void must(bool good, const char *what)
{
    if (good) return;
    fprintf(stderr, "a record that was accepted: %s\n", what);
    abort();
}

struct used {
    const struct block *blocks;
    const struct exit *exits;
    const struct map_entry *map;
    const struct named *index;
    size_t nblocks, nexits, nmap, nindex, code;
};

static void use_block(const struct used *u, size_t i)
{
    const struct block *b = &u->blocks[i];
    size_t at = b->of ? b->of : i; // cache_block_at
    const struct block *whole = &u->blocks[at];
    must(at < u->nblocks && !whole->of && !b->dead, "heads");
    must((size_t)b->host + b->size <= u->code && (size_t)whole->stubs + whole->stubs_size <= u->code, "code");
    must(whole->insns && (size_t)whole->map + whole->insns <= u->nmap, "maps");
    must((size_t)whole->first_exit + whole->nexits <= u->nexits, "exits of a block");
    must(b->of ? !b->insns && !b->nexits : true, "a head has a map or exits");
}

static void use_exit(const struct used *u, size_t i)
{
    const struct exit *x = &u->exits[i];
    must(x->kind <= EXIT_FUEL && x->block && x->block < u->nblocks && x->to < u->nblocks, "an exit's numbers");
    const struct block *b = &u->blocks[x->block];
    must(!b->of && x->insn <= b->insns, "an exit's block");
    if (x->kind == EXIT_OP || x->kind == EXIT_X87)
        must((x->insn || x->kind == EXIT_X87) && x->resume >= b->host && x->resume - b->host < b->size,
             "where it comes back");
}

static void use_name(const struct used *u, const struct named *n)
{
    must(n->reg < u->nblocks && n->slot < u->nblocks, "the index");
    must(!n->reg || u->blocks[n->reg].r11 == R11_REG, "r11 of a name");
    must(!n->slot || u->blocks[n->slot].r11 == R11_SLOT, "r11 of a name");
}

static void use_all(const struct record *r)
{
    struct used u;
    u.blocks = section(r, STORE_BLOCKS, &u.nblocks, sizeof *u.blocks);
    u.exits = section(r, STORE_EXITS, &u.nexits, sizeof *u.exits);
    u.map = section(r, STORE_MAP, &u.nmap, sizeof *u.map);
    u.index = section(r, STORE_INDEX, &u.nindex, sizeof *u.index);
    u.code = r->head->shard.section[STORE_CODE].bytes;
    for (size_t i = 1; i < u.nblocks; i++) use_block(&u, i);
    for (size_t i = 1; i < u.nexits; i++) use_exit(&u, i);
    for (size_t i = 0; i < u.nindex; i++) use_name(&u, &u.index[i]);
    for (unsigned bits = 3; 1u << bits <= u.nindex; bits++)
        if (1u << bits == u.nindex)
            for (uint32_t pc = CODE; pc < CODE + 64; pc++) (void)cache_place(u.index, bits, 1, pc);
}
