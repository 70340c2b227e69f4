// The guest page table and both back ends: rights, copy-on-write through generations of forks, lazy mirroring, moves.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "cpu/mem.h"
#include "host/fault.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static struct ram ram;

static int open_ram(void **state)
{
    (void)state;
    return ram_open(&ram, 20000);
}

static int close_ram(void **state)
{
    (void)state;
    int left = (int)ram_used(&ram); // every test gives back what it took
    ram_close(&ram);
    return left;
}

static void access_byte(volatile uint8_t *p, bool write, uint8_t *value)
{
    if (write)
        *p = *value;
    else
        *value = *p;
}

static bool guarded_byte(struct host_fault *g, uint8_t *p, bool write, uint8_t *value)
{
    if (sigsetjmp(g->env, 0)) return false;
    access_byte(p, write, value);
    return true;
}

// Try one byte access as the CPU does; true when it succeeded.
static bool try_once(struct mem *m, uint32_t addr, bool write, uint8_t *value)
{
    struct host_fault g = {.lo = (uintptr_t)mem_region(m), .hi = (uintptr_t)mem_region(m) + MEM_TOP};
    uint8_t *p = mem_region(m) ? mem_region(m) + addr : mem_checked_fast(m, addr, 1, write ? MEM_W : MEM_R);
    if (!p) return false;
    struct host_fault *outer = host_fault_enter(&g);
    bool done = guarded_byte(&g, p, write, value);
    host_fault_leave(outer);
    if (!done) assert_int_equal(g.write, write);
    return done;
}

static bool try_access(struct mem *m, uint32_t addr, bool write, uint8_t *value)
{
    if (try_once(m, addr, write, value)) return true;
    if (!mem_mirror(m, addr, write ? MEM_W : MEM_R)) return false;
    assert_true(try_once(m, addr, write, value)); // mem_mirror promised
    return true;
}

// The value, or -1.
static int get(struct mem *m, uint32_t addr)
{
    uint8_t v;
    return try_access(m, addr, false, &v) ? v : -1;
}

// The kernel's part (syscalls/mm_fault.c): the frame itself when nobody else holds it, else a copy. -1: no frame is
// left.
static int break_cow(struct mem *m, uint32_t page)
{
    pte_t e = mem_pte(m, page);
    uint32_t frame = pte_frame(e), to = frame;
    if (ram_refs(&ram, frame) == 1)
        ram_ref(&ram, frame); // mem_map drops the reference of what it replaces
    else if (!(to = ram_alloc(&ram, 1, false)))
        return -1;
    else
        memcpy(ram_ptr(&ram, to), ram_ptr(&ram, frame), PAGE_BYTES);
    return mem_map(m, page, 1, to, (unsigned)(e & (MEM_R | MEM_W | MEM_X)));
}

// A write with the kernel's part, breaking copy-on-write; false when it is not allowed.
static bool put(struct mem *m, uint32_t addr, uint8_t v)
{
    if (try_access(m, addr, true, &v)) return true;
    pte_t e = mem_pte(m, addr >> PAGE_SHIFT);
    if (!(e & MEM_COW) || !(e & MEM_W)) return false;
    assert_int_equal(break_cow(m, addr >> PAGE_SHIFT), 0);
    return try_access(m, addr, true, &v);
}

static struct mem *new_mem(void **state)
{
    struct mem *m = mem_new(&ram, *(enum mem_backend *)*state);
    assert_non_null(m);
    return m;
}

static void map_new(struct mem *m, uint32_t page, uint32_t n, unsigned prot)
{
    uint32_t f = ram_alloc(&ram, n, true);
    assert_int_not_equal(f, 0);
    assert_int_equal(mem_map(m, page, n, f, prot), 0);
}

static void rights_hold(void **state)
{
    struct mem *m = new_mem(state);
    assert_int_equal(get(m, 0x1000), -1);
    map_new(m, 1, 3, MEM_R | MEM_W);
    assert_true(put(m, 0x1fff, 5));
    assert_int_equal(get(m, 0x1fff), 5);
    mem_protect(m, 1, 1, MEM_R);
    assert_false(put(m, 0x1000, 1));
    assert_int_equal(get(m, 0x1fff), 5);
    mem_protect(m, 1, 2, 0);
    assert_int_equal(get(m, 0x1000), -1);
    assert_int_equal(get(m, 0x2000), -1);
    assert_int_equal(get(m, 0x3000), 0);
    mem_protect(m, 1, 1, MEM_W); // implies R, as on the hardware
    assert_int_equal(get(m, 0x1fff), 5);
    assert_true(put(m, 0x1000, 1));
    mem_unmap(m, 0, 100);
    assert_int_equal(get(m, 0x3000), -1);
    assert_int_equal(mem_pte(m, 3), 0);
    assert_int_equal(ram_used(&ram), 0);
    mem_free(m);
}

static void top_and_bottom(void **state)
{
    struct mem *m = new_mem(state);
    map_new(m, MEM_PAGES - 1, 1, MEM_R | MEM_W);
    map_new(m, 0, 1, MEM_R | MEM_W);
    assert_true(put(m, 0xffffffff, 9));
    assert_true(put(m, 0, 8));
    assert_int_equal(get(m, 0xffffffff), 9);
    assert_int_equal(get(m, 0), 8);
    assert_int_equal(mem_next_present(m, 1, MEM_PAGES), MEM_PAGES - 1);
    mem_unmap(m, 0, MEM_PAGES);
    assert_int_equal(ram_used(&ram), 0);
    mem_free(m);
}

static void map_replaces(void **state)
{
    struct mem *m = new_mem(state);
    map_new(m, 10, 4, MEM_R | MEM_W);
    for (uint32_t p = 10; p < 14; p++) assert_true(put(m, p << 12, 1));
    map_new(m, 11, 1, MEM_R | MEM_W);
    map_new(m, 12, 2, MEM_R);
    assert_int_equal(get(m, 10 << 12), 1);
    assert_int_equal(get(m, 11 << 12), 0);
    assert_int_equal(get(m, 13 << 12), 0);
    assert_false(put(m, 13 << 12, 0));
    assert_int_equal(ram_used(&ram), 4);
    mem_free(m);
}

static void lazily_mapped(void **state)
{
    struct mem *m = new_mem(state);
    uint32_t f = ram_alloc(&ram, 100, true);
    for (uint32_t i = 0; i < 100; i++) *ram_ptr(&ram, f + i) = (uint8_t)i;
    mem_map_lazily(m, 1000, 100, f, MEM_R | MEM_W);
    for (uint32_t i = 0; i < 100; i++) assert_int_equal(get(m, (1000 + i) << 12), i);
    assert_true(put(m, 1050 << 12, 77));
    assert_int_equal(*ram_ptr(&ram, f + 50), 77);
    mem_free(m);
}

static struct mem *fork_of(struct mem *m, void **state)
{
    struct mem *child = new_mem(state);
    assert_int_equal(mem_clone(child, m, 0, MEM_PAGES, true), 0);
    return child;
}

static void copy_on_write(void **state)
{
    struct mem *a = new_mem(state);
    map_new(a, 100, 8, MEM_R | MEM_W);
    for (uint32_t i = 0; i < 8; i++) assert_true(put(a, (100 + i) << 12, (uint8_t)(i + 1)));
    struct mem *b = fork_of(a, state);
    assert_int_equal(ram_used(&ram), 8);
    struct mem *c = fork_of(b, state);
    assert_true(put(b, 100 << 12, 50));
    assert_int_equal(ram_used(&ram), 9);
    assert_true(put(a, 100 << 12, 40));
    assert_true(put(c, 100 << 12, 60)); // the last holder writes in place
    assert_int_equal(ram_used(&ram), 10);
    assert_int_equal(get(a, 100 << 12), 40);
    assert_int_equal(get(b, 100 << 12), 50);
    assert_int_equal(get(c, 100 << 12), 60);
    struct mem *d = fork_of(c, state);
    mem_free(c);
    assert_int_equal(get(d, 100 << 12), 60);
    assert_int_equal(get(d, 107 << 12), 8);
    assert_true(put(d, 100 << 12, 61)); // nobody else has it any more
    assert_int_equal(ram_used(&ram), 10);
    mem_free(a);
    mem_free(b);
    assert_int_equal(ram_used(&ram), 8);
    assert_int_equal(get(d, 101 << 12), 2);
    mem_free(d);
}

static void shared_stays_shared(void **state)
{
    struct mem *a = new_mem(state), *b = new_mem(state);
    map_new(a, 5, 2, MEM_R | MEM_W);
    assert_int_equal(mem_clone(b, a, 5, 2, false), 0);
    assert_true(put(a, 5 << 12, 3));
    assert_int_equal(get(b, 5 << 12), 3);
    assert_true(put(b, 6 << 12, 4));
    assert_int_equal(get(a, 6 << 12), 4);
    assert_int_equal(ram_used(&ram), 2);
    mem_free(a);
    assert_int_equal(get(b, 6 << 12), 4);
    mem_free(b);
}

static void cow_at_the_limit(void **state)
{
    struct mem *a = new_mem(state);
    map_new(a, 0, 1, MEM_R | MEM_W);
    struct mem *b = fork_of(a, state);
    uint32_t rest = ram_limit(&ram) - ram_used(&ram), f = ram_alloc(&ram, rest, false);
    assert_true(break_cow(b, 0) < 0);
    for (uint32_t i = 0; i < rest; i++) ram_unref(&ram, f + i);
    assert_int_equal(break_cow(b, 0), 0);
    mem_free(a);
    mem_free(b);
}

static void file_pages_are_never_written(void **state)
{
    struct mem *m = new_mem(state);
    int fd = memfd_create("image", 0);
    assert_int_equal(ftruncate(fd, 8192), 0);
    uint32_t f;
    assert_int_equal(ram_attach(&ram, fd, 8192, &f), 0);
    mem_map(m, 20, 1, f, MEM_R | MEM_W);
    assert_false(put(m, 20 << 12, 1));
    mem_protect(m, 20, 1, MEM_R | MEM_W);
    assert_false(put(m, 20 << 12, 1));
    mem_map(m, 21, 1, f + 1, MEM_R | MEM_W | MEM_COW);
    assert_true(put(m, 21 << 12, 1));
    assert_int_equal(get(m, 21 << 12), 1);
    uint8_t back;
    assert_int_equal(pread(fd, &back, 1, 4096), 1);
    assert_int_equal(back, 0);
    close(fd);
    mem_free(m);
}

static void moved(void **state)
{
    struct mem *m = new_mem(state);
    map_new(m, 50, 4, MEM_R | MEM_W);
    for (uint32_t i = 0; i < 4; i++) assert_true(put(m, (50 + i) << 12, (uint8_t)(i + 1)));
    mem_unmap(m, 51, 1);
    mem_move(m, 900, 50, 4);
    assert_int_equal(get(m, 50 << 12), -1);
    assert_int_equal(get(m, 900 << 12), 1);
    assert_int_equal(get(m, 901 << 12), -1);
    assert_int_equal(get(m, 903 << 12), 4);
    assert_int_equal(ram_used(&ram), 3);
    mem_free(m);
}

static void kernel_view(void **state)
{
    struct mem *m = new_mem(state);
    map_new(m, 7, 1, MEM_R);
    assert_null(mem_host(m, 7 << 12, MEM_W));
    assert_null(mem_host(m, 8 << 12, MEM_R));
    assert_null(mem_host(m, 7 << 12, MEM_X));
    mem_protect(m, 7, 1, MEM_R | MEM_W | MEM_X);
    *(uint8_t *)mem_host(m, (7 << 12) + 5, MEM_W) = 42;
    assert_int_equal(get(m, (7 << 12) + 5), 42);
    mem_mark_code(m, 7);
    assert_false(pte_allows(mem_pte(m, 7), MEM_W));
    uint8_t v = 43;
    assert_false(try_once(m, 7 << 12, true, &v)); // a code page: the first write faults
    assert_true(put(m, 7 << 12, 43));
    assert_false(mem_pte(m, 7) & MEM_CODE);
    mem_mark_code(m, 7);
    assert_non_null(mem_host(m, 7 << 12, MEM_W));
    assert_false(mem_pte(m, 7) & MEM_CODE);
    mem_free(m);
}

static bool has_code(struct mem *m, uint32_t page)
{
    return mem_pte(m, page) & MEM_CODE;
}

static void show_frame(struct mem *m, uint32_t page, uint32_t frame, unsigned prot)
{
    ram_ref(&ram, frame);
    mem_map(m, page, 1, frame, prot);
}

// A write through any mapping of a frame drops the code made of it through any other.
static void code_of_a_frame(void **state)
{
    struct mem *a = new_mem(state), *b = new_mem(state), *c = new_mem(state);
    uint32_t frame = ram_alloc(&ram, 1, true);
    uint8_t v = 1;
    show_frame(a, 7, frame, MEM_R | MEM_X);
    show_frame(b, 600, frame, MEM_R | MEM_W);
    show_frame(b, 9, frame, MEM_R | MEM_COW);
    assert_true(put(b, 600 << 12, 1)); // shown writable, and then no longer
    mem_mark_code(a, 7);
    assert_false(try_once(b, 600 << 12, true, &v));
    assert_true(has_code(a, 7));
    assert_true(put(b, 600 << 12, 2));
    assert_false(has_code(a, 7) || has_code(b, 600) || ram_has_code(&ram, frame));
    mem_mark_code(a, 7);
    show_frame(c, 3, frame, MEM_R | MEM_W); // come later
    assert_false(pte_allows(mem_pte(c, 3), MEM_W));
    assert_non_null(mem_host(c, 3 << 12, MEM_W));
    assert_false(has_code(a, 7));
    mem_protect(b, 600, 1, MEM_R);
    mem_mark_code(a, 7);
    mem_protect(b, 600, 1, MEM_R | MEM_W);
    assert_false(pte_allows(mem_pte(b, 600), MEM_W));
    mem_move(b, 50, 600, 1);
    assert_false(pte_allows(mem_pte(b, 50), MEM_W));
    mem_clone(c, b, 50, 1, false);
    assert_false(pte_allows(mem_pte(c, 50), MEM_W));
    mem_protect(a, 7, 1, MEM_R | MEM_W | MEM_X); // what is executable stays so: nothing to drop
    assert_true(has_code(a, 7) && !pte_allows(mem_pte(a, 7), MEM_W));
    assert_true(put(c, 50 << 12, 3));
    assert_false(has_code(a, 7));
    assert_int_equal(get(a, 7 << 12), 3);
    mem_mark_code(b, 9); // not writable itself
    ram_writing(&ram, frame);
    assert_false(has_code(b, 9));
    mem_mark_code(a, 7);
    mem_free(a); // the code has gone with it, the mark is found out later
    assert_true(put(b, 50 << 12, 4));
    ram_unref(&ram, frame);
    mem_free(b);
    mem_mark_code(c, 3);
    mem_free(c);
    assert_false(ram_has_code(&ram, frame));
}

static void code_of_a_fork(void **state)
{
    struct mem *a = new_mem(state);
    map_new(a, 7, 1, MEM_R | MEM_W | MEM_X);
    assert_true(put(a, 7 << 12, 1));
    struct mem *b = fork_of(a, state);
    mem_mark_code(a, 7);
    mem_mark_code(b, 7);
    assert_true(put(a, 7 << 12, 2)); // a copy
    assert_true(has_code(b, 7) && !has_code(a, 7));
    assert_true(put(b, 7 << 12, 3));
    assert_false(has_code(b, 7));
    assert_int_equal(get(a, 7 << 12), 2);
    mem_free(a);
    mem_free(b);
}

// Code and data that alternate on a page: after some writes it is no longer watched, but for a trial now and then.
static void restless_pages(void **state)
{
    enum { PAGE = 7, MANY = 100000 };
    struct mem *m = new_mem(state);
    unsigned writes = 0, steps = 0, faults = 0;
    map_new(m, PAGE, 1, MEM_R | MEM_W | MEM_X);
    for (; !mem_is_restless(m, PAGE) && writes < 100; writes++) {
        assert_false(mem_step(m, PAGE));
        mem_mark_code(m, PAGE);
        assert_true(put(m, PAGE << 12, 1));
    }
    assert_true(mem_is_restless(m, PAGE));
    for (; steps < MANY && mem_step(m, PAGE); steps++) {
        faults += has_code(m, PAGE);
        assert_true(put(m, PAGE << 12, 1));
    }
    assert_int_equal(steps, MANY); // for as long as it is written to
    assert_in_range(faults, MANY / 2000, MANY / 500);
    for (steps = 0; steps < MANY && mem_step(m, PAGE); steps++) continue;
    assert_in_range(steps, 1, 2000);
    mem_mark_code(m, PAGE);
    assert_true(put(m, PAGE << 12, 1));
    assert_false(mem_is_restless(m, PAGE)); // not at once
    mem_free(m);
}

static unsigned host_mappings(void)
{
    FILE *f = fopen("/proc/self/maps", "r");
    unsigned n = 0;
    for (int c; (c = getc(f)) != EOF;) n += c == '\n';
    fclose(f);
    return n;
}

// What mem counts as mappings is what the host counts.
static void mappings_are_counted(void **state)
{
    struct mem *m = new_mem(state);
    unsigned before = host_mappings() - ram.mappings;
    for (uint32_t p = 0; p < 60; p += 3) map_new(m, p, p % 2 + 1, MEM_R | MEM_W);
    mem_protect(m, 10, 20, MEM_R);
    mem_unmap(m, 33, 1);
    for (uint32_t p = 0; p < 60; p++) get(m, p << 12);
    if (mem_region(m)) assert_true(ram.mappings > 20);
    assert_in_range(host_mappings() - ram.mappings, before - 2, before + 2);
    mem_free(m);
}

// Against a model: rights and contents of a few pages under random operations in a family of address spaces.
enum { PAGES = 40, SPACES = 4 };
struct model {
    int prot[PAGES], value[PAGES];
    bool shared;
};

static void check_page(struct mem *m, const struct model *s, uint32_t p)
{
    bool readable = s->prot[p] > 0;
    assert_int_equal(get(m, p << 12), readable ? s->value[p] : -1);
}

static void random_step(void **state, struct mem *m[SPACES], struct model s[SPACES])
{
    static const unsigned rights[] = {0, MEM_R, MEM_R | MEM_W};
    int i = rand() % SPACES, j = rand() % SPACES;
    uint32_t p = (uint32_t)rand() % PAGES, n = 1 + (uint32_t)rand() % (PAGES - p);
    int r = rand() % 3, op = rand() % 10;
    if (op == 0) {
        map_new(m[i], p, n, rights[r]);
        for (uint32_t q = p; q < p + n; q++) s[i].prot[q] = r, s[i].value[q] = 0;
    } else if (op == 1) {
        mem_unmap(m[i], p, n);
        for (uint32_t q = p; q < p + n; q++) s[i].prot[q] = -1;
    } else if (op == 2) {
        mem_protect(m[i], p, n, rights[r]);
        for (uint32_t q = p; q < p + n; q++) s[i].prot[q] = s[i].prot[q] < 0 ? -1 : r;
    } else if (op == 3 && i != j) {
        mem_free(m[j]);
        m[j] = fork_of(m[i], state);
        s[j] = s[i];
    } else if (op == 4) {
        mem_mark_code(m[i], p);
    } else {
        uint8_t v = (uint8_t)rand();
        assert_int_equal(put(m[i], p << 12, v), s[i].prot[p] == 2);
        if (s[i].prot[p] == 2) s[i].value[p] = v;
    }
    check_page(m[i], &s[i], (uint32_t)rand() % PAGES);
}

static void random_operations(void **state)
{
    struct mem *m[SPACES];
    struct model s[SPACES];
    srand(3);
    for (int i = 0; i < SPACES; i++) {
        m[i] = new_mem(state);
        for (int p = 0; p < PAGES; p++) s[i].prot[p] = -1;
    }
    for (int step = 0; step < 30000; step++) random_step(state, m, s);
    for (int i = 0; i < SPACES; i++) {
        for (uint32_t p = 0; p < PAGES; p++) check_page(m[i], &s[i], p);
        mem_free(m[i]);
    }
}

// More mappings than the host allows (vm.max_map_count): slower, but right.
static void many_mappings(void **state)
{
    struct mem *m = new_mem(state);
    enum { N = 70000, FRAMES = 1000 };
    uint32_t f = ram_alloc(&ram, FRAMES, true);
    for (uint32_t i = 0; i < FRAMES; i++) *ram_ptr(&ram, f + i) = (uint8_t)(i * 7);
    for (uint32_t i = 0; i < N; i++) {
        uint32_t frame = f + (i * 2) % FRAMES; // no two neighbours merge
        ram_ref(&ram, frame);
        mem_map(m, 2 * i, 1, frame, MEM_R);
    }
    for (uint32_t i = 0; i < N; i += 13) assert_int_equal(get(m, i << 13), (uint8_t)((i * 2) % FRAMES * 7));
    assert_true(host_mappings() < 40000);
    mem_free(m);
    assert_int_equal(ram.mappings, 0);
    for (uint32_t i = 0; i < FRAMES; i++) ram_unref(&ram, f + i);
}

int main(void)
{
    static enum mem_backend direct = MEM_DIRECT, checked = MEM_CHECKED;
#define BOTH(f)                                                                                                        \
    {#f " (direct)", f, open_ram, close_ram, &direct},                                                                 \
    {                                                                                                                  \
#f " (checked)", f, open_ram, close_ram, &checked                                                              \
    }
    const struct CMUnitTest tests[] = {
        BOTH(rights_hold),
        BOTH(top_and_bottom),
        BOTH(map_replaces),
        BOTH(lazily_mapped),
        BOTH(copy_on_write),
        BOTH(shared_stays_shared),
        BOTH(cow_at_the_limit),
        BOTH(moved),
        BOTH(file_pages_are_never_written),
        BOTH(kernel_view),
        BOTH(code_of_a_frame),
        BOTH(code_of_a_fork),
        BOTH(restless_pages),
        BOTH(random_operations),
        BOTH(many_mappings),
        BOTH(mappings_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
