// Page frames: counts, limits, adjacency, reuse, zeroing, files, and giving memory back to the host.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "host/ram.h"
#include "host/region.h"
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static int open_ram(void **state)
{
    static const uint32_t limit = 10000;
    struct ram *r = calloc(1, sizeof *r);
    *state = r;
    return ram_open(r, limit);
}

static int close_ram(void **state)
{
    ram_close(*state);
    free(*state);
    return 0;
}

static bool all_zero(const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p[i]) return false;
    return true;
}

static void frames_are_consecutive_and_zero(void **state)
{
    struct ram *r = *state;
    uint32_t a = ram_alloc(r, 3, true), b = ram_alloc(r, 1, true);
    assert_int_not_equal(a, 0);
    assert_int_equal(b, a + 3);
    assert_int_equal(ram_used(r), 4);
    assert_true(all_zero(ram_ptr(r, a), 4 * 4096));
    assert_int_equal(ram_refs(r, a), 1);
}

static void count_is_exact(void **state)
{
    struct ram *r = *state;
    uint32_t a = ram_alloc(r, 10, true);
    ram_ref(r, a);
    for (uint32_t f = a; f < a + 10; f++) ram_unref(r, f);
    assert_int_equal(ram_used(r), 1);
    assert_int_equal(ram_refs(r, a), 1);
    ram_unref(r, a);
    assert_int_equal(ram_used(r), 0);
}

static void frames_from_pieces(void **state)
{
    static uint8_t bytes[6 * 4096];
    struct ram *r = *state;
    for (unsigned i = 0; i < sizeof bytes; i++) bytes[i] = (uint8_t)(i * 7 + i / 4096);
    const struct host_piece nowhere = {(void *)4096, sizeof bytes};
    assert_int_equal(ram_alloc_from(r, &nowhere, 1, 6), 0);
    assert_int_equal(ram_used(r), 0);
    const struct host_piece p[] = {{bytes, 5000}, {bytes + 5000, 3}, {bytes + 5003, sizeof bytes - 5003}};
    for (unsigned round = 0; round < 3; round++) { // never used, used before, both
        uint32_t a = ram_alloc_from(r, p, 3, 6), b = ram_alloc_from(r, p, 3, 6);
        assert_true(a && b);
        assert_memory_equal(ram_ptr(r, a), bytes, sizeof bytes);
        assert_memory_equal(ram_ptr(r, b), bytes, sizeof bytes);
        for (uint32_t k = 0; k < 6; k++) {
            assert_int_equal(ram_refs(r, a + k), 1);
            ram_unref(r, a + k);
            if (round != 1) ram_unref(r, b + k);
        }
    }
    assert_int_equal(ram_used(r), 6);
}

static void limit_holds(void **state)
{
    struct ram *r = *state;
    uint32_t n = ram_limit(r), a = ram_alloc(r, n, true);
    assert_int_not_equal(a, 0);
    assert_int_equal(ram_alloc(r, 1, true), 0);
    assert_int_equal(ram_alloc(r, UINT32_MAX, true), 0);
    ram_unref(r, a + 5);
    assert_int_equal(ram_alloc(r, 2, true), 0);
    assert_int_equal(ram_alloc(r, 1, true), a + 5);
    assert_int_equal(ram_used(r), n);
}

static void reused_frames_are_zeroed_when_asked(void **state)
{
    struct ram *r = *state;
    uint32_t a = ram_alloc(r, 8, true);
    memset(ram_ptr(r, a), 0xaa, 8 * 4096);
    for (uint32_t f = a; f < a + 8; f++) ram_unref(r, f);
    uint32_t b = ram_alloc(r, 8, true);
    assert_int_equal(b, a); // memory that was used is used again before new memory
    assert_true(all_zero(ram_ptr(r, b), 8 * 4096));
}

static uint64_t host_bytes(const struct ram *r, uint32_t frame)
{
    uint64_t offset;
    struct stat st;
    assert_int_equal(fstat(ram_backing(r, frame, &offset), &st), 0);
    return (uint64_t)st.st_blocks * 512;
}

static void freed_runs_return_to_the_host(void **state)
{
    struct ram *r = *state;
    uint32_t n = 4000, a = ram_alloc(r, n, true);
    memset(ram_ptr(r, a), 1, (size_t)n << 12);
    assert_true(host_bytes(r, a) >= (uint64_t)n << 12);
    for (uint32_t f = a; f < a + n; f++) ram_unref(r, f);
    assert_true(host_bytes(r, a) <= 1024u << 12);
    uint32_t b = ram_alloc(r, n, true);
    assert_true(all_zero(ram_ptr(r, b), (size_t)n << 12));
}

// Who frees and takes as much time and again keeps it.
static void what_is_wanted_again_is_kept(void **state)
{
    struct ram *r = *state;
    uint32_t n = 4000, a = 0;
    for (int round = 0; round < 6; round++) {
        a = ram_alloc(r, n, true);
        assert_true(a && all_zero(ram_ptr(r, a), (size_t)n << 12));
        memset(ram_ptr(r, a), 1, (size_t)n << 12);
        for (uint32_t f = a; f < a + n; f++) ram_unref(r, f);
    }
    assert_true(host_bytes(r, a) >= (uint64_t)n << 12);
}

static void random_use_keeps_count(void **state)
{
    struct ram *r = *state;
    enum { SLOTS = 200 };
    uint32_t first[SLOTS] = {0}, n[SLOTS] = {0}, held = 0;
    srand(7);
    for (int i = 0; i < 20000; i++) {
        int s = rand() % SLOTS;
        for (uint32_t f = first[s]; f < first[s] + n[s]; f++) {
            assert_int_equal(*(uint32_t *)ram_ptr(r, f), f);
            ram_unref(r, f);
        }
        held -= n[s];
        n[s] = 1 + (uint32_t)rand() % 40;
        first[s] = ram_alloc(r, n[s], true);
        if (!first[s]) n[s] = 0;
        held += n[s];
        for (uint32_t f = first[s]; f < first[s] + n[s]; f++) {
            assert_true(all_zero(ram_ptr(r, f), 64));
            *(uint32_t *)ram_ptr(r, f) = f;
        }
        assert_int_equal(ram_used(r), held);
    }
}

static int file_of(size_t bytes, uint8_t fill)
{
    int fd = memfd_create("test", 0);
    uint8_t block[1000];
    memset(block, fill, sizeof block);
    for (size_t done = 0; done < bytes;) {
        size_t k = bytes - done < sizeof block ? bytes - done : sizeof block;
        assert_int_equal(write(fd, block, k), k);
        done += k;
    }
    return fd;
}

static void files_are_frames(void **state)
{
    struct ram *r = *state;
    uint32_t a, b;
    uint64_t offset;
    int f = file_of(3 * 4096 + 10, 'a'), g = file_of(4096, 'b');
    assert_int_equal(ram_attach(r, f, 3 * 4096 + 10, &a), 0);
    assert_int_equal(ram_attach(r, g, 4096, &b), 0);
    close(f);
    close(g);
    assert_int_equal(a, RAM_FILE_BASE);
    assert_int_equal(b, a + 4);
    assert_int_equal(ram_ptr(r, a)[3 * 4096 + 9], 'a');
    assert_true(all_zero(ram_ptr(r, a) + 3 * 4096 + 10, 4096 - 10));
    assert_int_equal(ram_ptr(r, b)[0], 'b');
    assert_int_equal(ram_refs(r, b), UINT32_MAX);
    ram_ref(r, b);
    ram_unref(r, b);
    assert_int_equal(ram_used(r), 0);
    assert_true(ram_backing(r, a + 2, &offset) >= 0);
    assert_int_equal(offset, 2 * 4096);
    assert_int_equal(ram_backing(r, b + 1, &offset), -1);
}

static void regions_show_frames(void **state)
{
    struct ram *r = *state;
    uint8_t *g = region_new();
    assert_non_null(g);
    assert_int_equal((uintptr_t)g & 0xffffffff, 0);
    uint32_t a = ram_alloc(r, 2, true);
    assert_int_equal(region_map(g, 0xfffff000, 1, r, a + 1, PROT_READ | PROT_WRITE), 0);
    g[0xfffff123] = 7;
    assert_int_equal(ram_ptr(r, a + 1)[0x123], 7);
    assert_int_equal(region_protect(g, 0xfffff000, 1, PROT_READ), 0);
    assert_int_equal(region_clear(g, 0, 1u << 20), 0);
    region_free(g);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, open_ram, close_ram)
    const struct CMUnitTest tests[] = {
        TEST(frames_are_consecutive_and_zero),
        TEST(count_is_exact),
        TEST(frames_from_pieces),
        TEST(limit_holds),
        TEST(reused_frames_are_zeroed_when_asked),
        TEST(freed_runs_return_to_the_host),
        TEST(what_is_wanted_again_is_kept),
        TEST(random_use_keeps_count),
        TEST(files_are_frames),
        TEST(regions_show_frames),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
