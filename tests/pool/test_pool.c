// The pool (disk/pool.h), one thing at a time. Processes that are killed or meet: processes.c; damaged files: fuzz.c.
// The build puts __wrap_ functions of this file before some system calls of the pool, which fail when asked to.
#include "disk/pool_files.h"
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <time.h>
#include <cmocka.h>
#include "content.h"

// ---------------------------------------------------------------- system calls that fail

static int pwrites_left = -1, allocations_left = -1; // -1: none fails
static bool full_file;                               // nothing more goes into the file of blocks

ssize_t __real_pwrite64(int, const void *, size_t, off_t);
int __real_fallocate64(int, int, off_t, off_t);
ssize_t __wrap_pwrite64(int fd, const void *from, size_t n, off_t at);
int __wrap_fallocate64(int fd, int mode, off_t at, off_t n);

static bool is_sparse(int fd) // memory has less slots
{
    struct stat st;
    return !fstat(fd, &st) && (uint64_t)st.st_size == BLOCKS_BYTES;
}

// A full disk takes a part, then nothing.
ssize_t __wrap_pwrite64(int fd, const void *from, size_t n, off_t at)
{
    if (full_file && is_sparse(fd)) {
        errno = ENOSPC;
        return -1;
    }
    if (pwrites_left > 0) pwrites_left--;
    if (pwrites_left) return __real_pwrite64(fd, from, n, at);
    if (n > 4096) return __real_pwrite64(fd, from, n / 2, at);
    errno = ENOSPC;
    return -1;
}

int __wrap_fallocate64(int fd, int mode, off_t at, off_t n)
{
    if (allocations_left > 0 && !mode) allocations_left--;
    if (allocations_left || mode) return __real_fallocate64(fd, mode, at, n);
    errno = ENOSPC;
    return -1;
}

static long fs_type; // 0: what it is

int __real_fstatfs64(int, struct statfs *);
int __wrap_fstatfs64(int fd, struct statfs *);
int __wrap_fstatfs64(int fd, struct statfs *to)
{
    int err = __real_fstatfs64(fd, to);
    if (fs_type) to->f_type = fs_type;
    return err;
}

// ---------------------------------------------------------------- a directory, a pool

struct place {
    char path[64];
    struct pool *p;
};

static struct pool *open_pool(const char *path, uint64_t chunks)
{
    char why[POOL_WHY];
    struct pool *p;
    assert_int_equal(pool_open(&p, path, chunks * POOL_CHUNK, why), 0);
    return p;
}

static struct place begin(uint64_t chunks)
{
    struct place b;
    content_directory(b.path);
    b.p = open_pool(b.path, chunks);
    return b;
}

static void again(struct place *b, uint64_t chunks)
{
    pool_close(b->p);
    b->p = open_pool(b->path, chunks);
}

static void end(struct place *b)
{
    pool_close(b->p);
    content_remove(b->path);
}

static struct pool_info look(const struct place *b)
{
    struct pool_info i;
    char why[POOL_WHY];
    assert_int_equal(pool_info(b->path, &i, why), 0);
    return i;
}

static void add_all(struct pool *p, uint64_t first, uint64_t n)
{
    for (uint64_t i = first; i < first + n; i++) {
        uint32_t slot = content_add(p, i);
        assert_true(slot != 0 && content_is(p, slot, i));
    }
}

static unsigned count(struct pool *p, uint64_t first, uint64_t n)
{
    unsigned found = 0;
    for (uint64_t i = first; i < first + n; i++) {
        uint32_t slot = content_find(p, i);
        if (!slot) continue;
        found++;
        assert_true(content_is(p, slot, i));
    }
    return found;
}

// ---------------------------------------------------------------- what it keeps

static void keeps_chunks(void **state)
{
    (void)state;
    struct place b = begin(1000);
    assert_int_equal(count(b.p, 0, 50), 0);
    add_all(b.p, 0, 50);
    uint32_t slot = content_find(b.p, 7);
    assert_int_equal(content_add(b.p, 7), slot); // once is enough
    again(&b, 1000);
    assert_int_equal(count(b.p, 0, 100), 50);
    assert_int_equal(look(&b).chunks, 50);
    assert_int_equal(look(&b).pinned, 50);
    assert_int_equal(look(&b).limit, 1000 * POOL_CHUNK);
    assert_true(look(&b).bytes >= 50 * POOL_CHUNK);
    end(&b);
}

static void finds_all_at_once(void **state)
{
    (void)state;
    enum { N = 300 };
    static uint8_t keys[N][POOL_KEY];
    static struct pool_place at[N];
    struct place b = begin(1000);
    for (uint64_t i = 0; i < N; i++) {
        content_key(i, keys[i]);
        if (i % 3 == 0) add_all(b.p, i, 1);
    }
    again(&b, 1000);
    pool_find_all(b.p, (const uint8_t(*)[POOL_KEY])keys, N, at);
    for (uint64_t i = 0; i < N; i++) assert_true(i % 3 ? !at[i].slot : content_is(b.p, at[i].slot, i));
    assert_int_equal(look(&b).pinned, N / 3);
    // What is found so was used, too: others go first.
    add_all(b.p, N, 100);
    again(&b, 1000);
    pool_find_all(b.p, (const uint8_t(*)[POOL_KEY])keys, 10, at);
    again(&b, 10);
    assert_int_equal(count(b.p, 0, N + 100), 10);
    for (uint64_t i = 0; i < 10; i += 3) assert_true(content_find(b.p, i));
    end(&b);
}

static const struct pool_place nowhere;

static void keeps_parts(void **state)
{
    (void)state;
    struct place b = begin(1000);
    struct pool_place first = content_add_part(b.p, 5, 2, nowhere), at = content_add_part(b.p, 5, 0, first);
    assert_int_equal(first.parts, 4);
    assert_int_equal(at.parts, 5);
    assert_int_equal(at.slot, first.slot);
    assert_true(content_has(b.p, at, 5));
    assert_int_equal(content_find(b.p, 5), 0); // it is not there whole
    again(&b, 1000);
    at = content_find_parts(b.p, 5);
    assert_int_equal(at.parts, 5);
    assert_int_equal(look(&b).chunks, 1);
    at = content_add_part(b.p, 5, 1, nowhere); // whoever does not know what is there gets it as well
    assert_int_equal(at.parts, 7);
    at = content_add_part(b.p, 5, 3, at);
    assert_int_equal(content_find(b.p, 5), first.slot);
    assert_true(content_is(b.p, first.slot, 5));
    assert_int_equal(content_add_part(b.p, 5, 3, at).slot, at.slot); // once is enough
    assert_int_equal(look(&b).chunks, 1);
    end(&b);
}

// Two users bring parts of one chunk.
static void shares_parts(void **state)
{
    (void)state;
    struct place b = begin(100);
    struct pool *other = open_pool(b.path, 100);
    struct pool_place mine = content_add_part(b.p, 1, 0, nowhere), its = content_find_parts(other, 1);
    assert_int_equal(its.slot, mine.slot);
    its = content_add_part(other, 1, 1, its);
    assert_int_equal(its.parts, 3);
    mine = content_add_part(b.p, 1, 1, mine); // is there already
    assert_int_equal(mine.parts, 3);
    mine = content_add_part(b.p, 1, 3, mine);
    assert_int_equal(content_add_part(other, 1, 2, its).parts, 15);
    assert_true(content_is(b.p, mine.slot, 1));
    pool_close(other);
    end(&b);
}

// Somebody brings all of it at once: in a slot of its own, and who uses the parts keeps them.
static void keeps_parts_beside_a_whole_chunk(void **state)
{
    (void)state;
    uint64_t bytes;
    struct place b = begin(100);
    struct pool *other = open_pool(b.path, 100);
    struct pool_place at = content_add_part(b.p, 1, 2, nowhere);
    uint32_t whole = content_add(other, 1);
    assert_true(whole && whole != at.slot);
    assert_int_equal(content_add_part(b.p, 1, 0, at).slot, 0); // which has no room for more
    assert_true(pool_spare(b.p, &bytes) >= 0);
    at = content_add_part(b.p, 1, 0, at); // but in memory
    assert_int_equal(at.slot, pool_bytes(b.p) / POOL_CHUNK + 1);
    assert_int_equal(at.parts, 5);
    assert_true(content_has(b.p, at, 1));
    at = content_add_part(b.p, 1, 1, at);
    assert_true(content_has(b.p, at, 1) && at.parts == 7);
    assert_int_equal(look(&b).chunks, 1);
    add_all(other, 100, 300); // what has gone from the index is still in use
    pool_close(other);
    other = open_pool(b.path, 100);
    assert_int_equal(content_find(other, 1), 0);
    pool_close(other);
    end(&b);
}

// Nobody writes to a slot that another one writes to, as long as that lives.
static void writes_alone(void **state)
{
    (void)state;
    char why[POOL_WHY];
    struct pool_files f;
    struct place b = begin(100);
    struct pool_place at = content_add_part(b.p, 1, 0, nowhere), now;
    int dir = files_directory(b.path, false, why);
    assert_int_equal(files_open(&f, dir, FILES_USE, why), 0);
    close(dir);
    for (uint32_t slot = at.slot; slot < at.slot + PINS_WRITES; slot++) {
        assert_true(files_lock(&f) && pins_write(&f, slot) && pins_write(&f, slot));
        files_unlock(&f);
    }
    assert_true(files_lock(&f) && !pins_write(&f, at.slot + PINS_WRITES)); // so many at once
    pins_written(&f, at.slot + 1);
    files_unlock(&f);
    assert_int_equal(content_add_part(b.p, 1, 1, at).slot, 0);
    now = content_add_part(b.p, 2, 1, nowhere);
    assert_int_equal(now.slot, at.slot + 1);
    assert_int_equal(content_find_parts(b.p, 1).parts, 1);
    files_close(&f);
    assert_int_equal(content_add_part(b.p, 1, 1, at).parts, 3);
    end(&b);
}

// Against a list in order of use. Nothing is pinned but by a pool that is open for one step.
static void goes_by_last_use(void **state)
{
    (void)state;
    enum { LIMIT = 40, NUMBERS = 60, STEPS = 1500 };
    unsigned order[LIMIT + 1], n = 0; // the latest last
    uint64_t random = 1;
    struct place b = begin(LIMIT);
    for (int step = 0; step < STEPS; step++) {
        unsigned number = (unsigned)(content_next(&random) % NUMBERS), at = 0;
        again(&b, LIMIT);
        while (at < n && order[at] != number) at++;
        uint32_t slot = content_find(b.p, number);
        assert_int_equal(slot != 0, at < n);
        if (!slot) slot = content_add(b.p, number);
        assert_true(content_is(b.p, slot, number));
        if (at == n && n == LIMIT) at = 0; // the one that went
        if (at < n) memmove(&order[at], &order[at + 1], (--n - at) * sizeof *order);
        order[n++] = number;
        assert_int_equal(look(&b).chunks, n);
    }
    assert_true(look(&b).bytes <= (LIMIT + 1) * POOL_CHUNK + (2 << 20)); // index and pins besides
    end(&b);
}

static void keeps_what_is_pinned(void **state)
{
    (void)state;
    struct place b = begin(20);
    struct pool *other = open_pool(b.path, 20);
    uint32_t slots[10];
    add_all(other, 0, 20);
    pool_close(other);
    other = open_pool(b.path, 20);
    for (uint64_t i = 0; i < 10; i++) slots[i] = content_find(other, i);
    add_all(b.p, 100, 200); // pins all it has: ten go, then the file grows
    for (uint64_t i = 0; i < 10; i++) assert_true(slots[i] && content_is(other, slots[i], i));
    assert_int_equal(count(other, 0, 10), 10);
    assert_int_equal(count(other, 10, 10), 0);
    assert_int_equal(look(&b).chunks, 210);
    pool_close(other);
    // Once nobody needs it, the share beyond the limit is given back.
    again(&b, 20);
    add_all(b.p, 1000, 15);
    assert_int_equal(look(&b).chunks, 20);
    assert_true(look(&b).bytes < 36 * POOL_CHUNK + (2 << 20));
    end(&b);
}

static void shrinks_to_a_smaller_limit(void **state)
{
    (void)state;
    struct place b = begin(50);
    add_all(b.p, 0, 50);
    again(&b, 10);
    assert_int_equal(look(&b).chunks, 10);
    assert_true(look(&b).bytes < 11 * POOL_CHUNK + (2 << 20));
    assert_int_equal(count(b.p, 40, 10), 10);
    end(&b);
}

// A pin lasts as long as any process has the descriptor.
static void pins_are_inherited(void **state)
{
    (void)state;
    struct place b = begin(20);
    int status;
    add_all(b.p, 0, 20);
    uint32_t slot = content_find(b.p, 3);
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        pause(); // as a worker: it has the descriptor, and does nothing with it
        _exit(1);
    }
    pool_close(b.p);
    b.p = open_pool(b.path, 20);
    add_all(b.p, 100, 100);
    assert_true(content_is(b.p, slot, 3));
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    again(&b, 20);
    add_all(b.p, 300, 20);
    assert_int_equal(count(b.p, 3, 1), 0);
    end(&b);
}

// Who lends has no more what can be written to; pins, blocks and memory stay.
static void lends(void **state)
{
    (void)state;
    uint64_t bytes;
    int fd[POOL_FDS];
    uint8_t byte;
    struct place b = begin(20);
    add_all(b.p, 0, 20);
    assert_int_equal(pool_descriptors(b.p, fd), 4);
    assert_true(pool_spare(b.p, &bytes) >= 0);
    assert_int_equal(pool_descriptors(b.p, fd), 6);
    pool_lend(b.p);
    unsigned n = pool_descriptors(b.p, fd);
    assert_int_equal(n, 3);
    for (unsigned i = 0; i < n; i++) {
        assert_int_equal(fcntl(fd[i], F_GETFL) & O_ACCMODE, O_RDONLY);
        assert_true(fd[i] == pool_blocks(b.p) || fd[i] == pool_pins(b.p) || fd[i] == pool_spare(b.p, &bytes));
    }
    assert_int_equal(pread(pool_blocks(b.p), &byte, 1, POOL_CHUNK), 1);
    struct pool *other = open_pool(b.path, 20);
    add_all(other, 100, 30);
    assert_int_equal(count(other, 0, 20), 20);
    pool_close(other);
    end(&b);
}

static void clears(void **state)
{
    (void)state;
    char why[POOL_WHY], value[8];
    struct place b = begin(100);
    add_all(b.p, 0, 60);
    pool_set_note(b.p, "url", "value", 6);
    again(&b, 100);
    uint32_t slot = content_find(b.p, 5);
    assert_int_equal(pool_clear(b.path, why), 0);
    assert_true(content_is(b.p, slot, 5));
    assert_int_equal(look(&b).chunks, 1);
    assert_true(look(&b).bytes < 2 * POOL_CHUNK + (2 << 20));
    assert_int_equal(pool_note(b.p, "url", value, sizeof value), 0);
    add_all(b.p, 0, 60);
    end(&b);
}

// ---------------------------------------------------------------- notes

static void keeps_notes(void **state)
{
    (void)state;
    char value[POOL_NOTE], name[32];
    struct place b = begin(10);
    memset(value, 'x', sizeof value);
    assert_int_equal(pool_note(b.p, "a", value, sizeof value), 0);
    pool_set_note(b.p, "a", "first", 6);
    pool_set_note(b.p, "a", "second", 7);
    pool_set_note(b.p, "b", value, sizeof value);
    pool_set_note(b.p, "c", value, sizeof value + 1); // too long: not kept
    again(&b, 10);
    assert_int_equal(pool_note(b.p, "a", value, 3), 7);
    assert_memory_equal(value, "secxxx", 6);
    assert_int_equal(pool_note(b.p, "b", value, sizeof value), POOL_NOTE);
    assert_int_equal(pool_note(b.p, "c", value, sizeof value), 0);
    pool_set_note(b.p, "a", NULL, 0);
    assert_int_equal(pool_note(b.p, "a", value, sizeof value), 0);
    // As many as there is room for; the last ones are there.
    for (int i = 0; i < 3000; i++) {
        snprintf(name, sizeof name, "note %d", i);
        pool_set_note(b.p, name, &i, sizeof i);
        int got = -1;
        assert_int_equal(pool_note(b.p, name, &got, sizeof got), sizeof got);
        assert_int_equal(got, i);
    }
    end(&b);
}

// ---------------------------------------------------------------- a start of the machine

static void spoil_content(const struct place *b, uint32_t slot)
{
    char path[96];
    snprintf(path, sizeof path, "%s/blocks", b->path);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_int_equal(pwrite(fd, "spoilt", 6, (off_t)slot * POOL_CHUNK + 1000), 6);
    close(fd);
}

// As if the machine had been started since.
static void restart(const struct place *b)
{
    char path[96];
    snprintf(path, sizeof path, "%s/index", b->path);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    struct index_head h;
    assert_int_equal(pread(fd, &h, sizeof h, 0), sizeof h);
    memcpy(h.boot_id, "another start", 14);
    h.sum = index_head_sum(&h);
    assert_int_equal(pwrite(fd, &h, sizeof h, 0), sizeof h);
    close(fd);
}

static void looks_again_at_parts_after_a_start(void **state)
{
    (void)state;
    struct place b = begin(100);
    struct pool_place at[3];
    for (uint64_t i = 0; i < 3; i++) {
        at[i] = content_add_part(b.p, i, 0, nowhere); // `spoil_content` spoils the first part
        if (i < 2) at[i] = content_add_part(b.p, i, 2, at[i]);
    }
    at[2] = content_add_part(b.p, 3, 1, nowhere);
    pool_close(b.p);
    spoil_content(&b, at[1].slot);
    spoil_content(&b, at[2].slot); // where nothing is
    restart(&b);
    b.p = open_pool(b.path, 100);
    assert_int_equal(content_find_parts(b.p, 0).parts, 5);
    assert_int_equal(content_find_parts(b.p, 1).slot, 0);
    assert_int_equal(content_find_parts(b.p, 2).parts, 1);
    assert_int_equal(content_find_parts(b.p, 3).parts, 2);
    at[0] = content_add_part(b.p, 0, 3, content_find_parts(b.p, 0));
    assert_int_equal(at[0].parts, 13);
    assert_true(content_has(b.p, at[0], 0));
    pool_close(b.p);
    restart(&b);
    b.p = open_pool(b.path, 100);
    assert_int_equal(content_find_parts(b.p, 0).parts, 13);
    end(&b);
}

static void looks_again_after_a_start(void **state)
{
    (void)state;
    static uint8_t keys[10][POOL_KEY];
    static struct pool_place at[10];
    struct place b = begin(100);
    for (uint64_t i = 0; i < 10; i++) content_key(i, keys[i]);
    add_all(b.p, 0, 10);
    uint32_t slot = content_find(b.p, 4);
    pool_close(b.p);
    spoil_content(&b, slot);
    restart(&b);
    b.p = open_pool(b.path, 100);
    pool_find_all(b.p, (const uint8_t(*)[POOL_KEY])keys, 10, at);
    for (int i = 0; i < 10; i++) assert_int_equal(at[i].slot, 0); // nothing is proven yet
    assert_int_equal(count(b.p, 0, 10), 9);
    assert_int_equal(count(b.p, 4, 1), 0);
    assert_int_equal(look(&b).chunks, 9);
    add_all(b.p, 4, 1);
    again(&b, 100);
    pool_find_all(b.p, (const uint8_t(*)[POOL_KEY])keys, 10, at);
    for (uint64_t i = 0; i < 10; i++) assert_true(at[i].slot && content_is(b.p, at[i].slot, i));
    end(&b);
}

// ---------------------------------------------------------------- no disk, no room

static void is_private_without_directory(void **state)
{
    (void)state;
    char why[POOL_WHY];
    struct pool *p;
    assert_int_equal(pool_open(&p, "none", 20 * POOL_CHUNK, why), 0);
    assert_string_equal(why, "");
    assert_int_equal(pool_pins(p), -1);
    add_all(p, 0, 20);
    assert_int_equal(content_add(p, 99), 0); // no room: nothing in it can go
    assert_int_equal(count(p, 0, 20), 20);
    assert_int_equal(pool_bytes(p), 21 * POOL_CHUNK);
    assert_int_equal(pwrite(pool_blocks(p), "x", 1, 0), -1); // not by who has this descriptor
    assert_ptr_equal(mmap(NULL, 4096, PROT_WRITE, MAP_SHARED, pool_blocks(p), 0), MAP_FAILED);
    pool_close(p);
}

// The default directory cannot be made: private, with the reason. One that was named: an error.
static void says_why_it_is_private(void **state)
{
    (void)state;
    char why[POOL_WHY], path[64], name[96];
    struct pool *p = NULL;
    content_directory(path);
    snprintf(name, sizeof name, "%s/file", path);
    close(open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    setenv("XDG_CACHE_HOME", name, 1);
    assert_int_equal(pool_open(&p, NULL, 0, why), 0);
    assert_non_null(strstr(why, name));
    add_all(p, 0, 3);
    pool_close(p);
    assert_true(pool_open(&p, name, 0, why) < 0);
    assert_non_null(strstr(why, name));
    unlink(name);
    setenv("XDG_CACHE_HOME", path, 1);
    assert_int_equal(pool_open(&p, NULL, 0, why), 0);
    assert_string_equal(why, "");
    assert_true(pool_pins(p) >= 0);
    pool_close(p);
    snprintf(name, sizeof name, "%s/belljar/disks", path);
    content_remove(name);
    snprintf(name, sizeof name, "%s/belljar", path);
    rmdir(name);
    rmdir(path);
    unsetenv("XDG_CACHE_HOME");
}

// The file has room for 5 chunks: without spare memory there is no more room, with it there is.
static void survives_a_full_disk(void **state)
{
    (void)state;
    uint64_t bytes;
    struct place b = begin(50);
    pwrites_left = 6;
    add_all(b.p, 0, 5);
    assert_int_equal(content_add(b.p, 5), 0);
    int spare = pool_spare(b.p, &bytes);
    assert_true(spare >= 0);
    pwrites_left = 1;
    assert_int_equal(content_add(b.p, 5), 0); // now in memory neither
    pwrites_left = -1;
    assert_int_equal(count(b.p, 0, 10), 5);
    add_all(b.p, 5, 1);
    assert_int_equal(look(&b).chunks, 6);
    end(&b);
}

// Of a chunk that lies in the file a part finds no room: then all of it lies in memory. Without memory nothing is lost.
static void survives_a_full_disk_with_parts(void **state)
{
    (void)state;
    uint64_t bytes;
    struct place b = begin(50);
    struct pool_place at = content_add_part(b.p, 1, 1, nowhere), now;
    pwrites_left = 1;
    assert_int_equal(content_add_part(b.p, 1, 2, at).slot, 0);
    pwrites_left = 1;
    assert_int_equal(content_add_part(b.p, 2, 2, nowhere).slot, 0);
    pwrites_left = -1;
    assert_int_equal(look(&b).chunks, 1);
    assert_true(content_has(b.p, at, 1));
    assert_true(pool_spare(b.p, &bytes) >= 0);
    full_file = true;
    now = content_add_part(b.p, 1, 2, at);
    assert_int_equal(now.slot, pool_bytes(b.p) / POOL_CHUNK + 1);
    assert_int_equal(now.parts, 6);
    assert_true(content_has(b.p, now, 1));
    assert_int_equal(content_find_parts(b.p, 1).parts, 6);
    full_file = false;
    now = content_add_part(b.p, 1, 0, now);
    assert_true(now.parts == 7 && content_has(b.p, now, 1));
    assert_int_equal(content_add_part(b.p, 2, 2, nowhere).parts, 4);
    assert_int_equal(look(&b).chunks, 2);
    end(&b);
}

// A new index entry needs disk space: INDEX_STEP at a time.
static void survives_a_full_disk_in_the_index(void **state)
{
    (void)state;
    uint64_t bytes;
    struct place b = begin(1000);
    allocations_left = 1;
    assert_int_equal(content_add(b.p, 0), 0);
    assert_true(pool_spare(b.p, &bytes) >= 0);
    uint32_t slot = content_add(b.p, 0);
    assert_int_equal(slot, pool_bytes(b.p) / POOL_CHUNK + 1);
    assert_true(content_is(b.p, slot, 0));
    assert_int_equal(content_find(b.p, 0), slot);
    allocations_left = -1;
    end(&b);
    char path[64], why[POOL_WHY];
    struct pool *p;
    content_directory(path);
    for (int n = 1; n <= 3; n++) { // no room for the files at all
        allocations_left = n;
        assert_int_equal(pool_open(&p, path, 0, why), -ENOSPC);
        assert_non_null(strstr(why, "No space left"));
    }
    allocations_left = -1;
    assert_int_equal(pool_open(&p, path, 0, why), 0);
    pool_close(p);
    content_remove(path);
}

static void survives_a_limit_on_files(void **state)
{
    (void)state;
    int status;
    fflush(stdout);
    pid_t pid = fork(); // a signal would end it
    if (pid == 0) {
        struct rlimit limit = {20 * POOL_CHUNK, 20 * POOL_CHUNK};
        char path[64], why[POOL_WHY];
        struct pool *p;
        content_directory(path);
        setrlimit(RLIMIT_FSIZE, &limit);
        setenv("XDG_CACHE_HOME", path, 1);
        int err = pool_open(&p, NULL, 0, why);
        unsigned n = 0;
        while (!err && content_add(p, n)) n++;
        content_remove(path);
        rmdir(path);
        _exit(err || !*why || n != 19); // slot 0 is not used
    }
    waitpid(pid, &status, 0);
    assert_int_equal(status, 0);
}

// ---------------------------------------------------------------- locked, other files

// Somebody who has been stopped while he has the lock does not stop others.
static void does_not_wait_for_ever(void **state)
{
    (void)state;
    int ready[2], status;
    char byte;
    uint64_t bytes;
    struct place b = begin(100);
    add_all(b.p, 0, 3);
    assert_int_equal(pipe(ready), 0);
    pid_t pid = fork();
    if (pid == 0) {
        char why[POOL_WHY];
        struct pool_files f;
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        int dir = files_directory(b.path, false, why);
        if (files_open(&f, dir, FILES_USE, why) || !files_lock(&f)) _exit(1);
        if (write(ready[1], "", 1) == 1) pause();
        _exit(1);
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    time_t start = time(NULL);
    for (uint64_t i = 0; i < 100; i++) assert_int_equal(content_find(b.p, i), 0);
    assert_int_equal(content_add(b.p, 7), 0);
    assert_true(pool_spare(b.p, &bytes) >= 0);
    add_all(b.p, 7, 2);
    assert_true(time(NULL) - start < 5);
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    assert_int_equal(count(b.p, 0, 10), 5); // three, and two in memory
    close(ready[0]);
    close(ready[1]);
    end(&b);
}

static void remove_file(const struct place *b, const char *name)
{
    char path[96];
    snprintf(path, sizeof path, "%s/%s", b->path, name);
    assert_int_equal(unlink(path), 0);
}

// Who removes one of the files while boxes run takes nothing from them, and mixes nothing up.
static void notices_files_that_were_removed(void **state)
{
    (void)state;
    static const char *const names[] = {"index", "blocks", "pins"};
    for (int i = 0; i < 3; i++) {
        struct place b = begin(30);
        uint32_t slots[10];
        add_all(b.p, 0, 10);
        for (uint64_t k = 0; k < 10; k++) slots[k] = content_find(b.p, k);
        remove_file(&b, names[i]);
        struct pool *other = open_pool(b.path, 30);
        assert_int_equal(count(other, 0, 10), 0);
        add_all(other, 100, 60);
        for (uint64_t k = 200; k < 220; k++) {
            uint32_t slot = content_add(b.p, k);
            assert_true(!slot || content_is(b.p, slot, k));
        }
        assert_int_equal(count(other, 100, 60), 60);
        for (uint64_t k = 0; k < 10; k++) assert_true(content_is(b.p, slots[k], k));
        pool_close(other);
        end(&b);
    }
}

static void is_for_one_machine(void **state)
{
    (void)state;
    char why[POOL_WHY], path[64];
    struct pool *p;
    content_directory(path);
    fs_type = 0x6969;
    assert_int_equal(pool_open(&p, path, 0, why), -EREMOTE);
    assert_non_null(strstr(why, "machines share"));
    fs_type = 0;
    assert_int_equal(rmdir(path), 0); // and nothing is made there
}

static void believes_only_its_own(void **state)
{
    (void)state;
    char why[POOL_WHY], name[96], to[96];
    struct place b = begin(30);
    struct pool *p;
    snprintf(name, sizeof name, "%s/blocks", b.path);
    snprintf(to, sizeof to, "%s/elsewhere", b.path);
    assert_int_equal(chmod(name, 0620), 0);
    assert_int_equal(pool_open(&p, b.path, 0, why), -EPERM);
    assert_int_equal(chmod(name, 0600), 0);
    assert_int_equal(chmod(b.path, 0770), 0);
    assert_true(pool_open(&p, b.path, 0, why) < 0);
    assert_int_equal(chmod(b.path, 0700), 0);
    assert_int_equal(rename(name, to), 0);
    assert_int_equal(symlink("elsewhere", name), 0);
    assert_int_equal(pool_open(&p, b.path, 0, why), -ELOOP);
    unlink(name);
    assert_int_equal(mkfifo(name, 0600), 0);
    assert_true(pool_open(&p, b.path, 0, why) < 0);
    unlink(name);
    unlink(to);
    end(&b);
}

// More users at once than there is room for: the next ones have a pool of their own.
static void has_many_users(void **state)
{
    (void)state;
    static struct pool *all[PINS_USERS];
    char why[POOL_WHY];
    struct pool *p;
    struct place b = begin(200);
    for (int i = 1; i < PINS_USERS; i++) {
        all[i] = open_pool(b.path, 200);
        add_all(all[i], (uint64_t)i, 1);
    }
    assert_int_equal(pool_open(&p, b.path, 0, why), -EUSERS);
    assert_int_equal(look(&b).pinned, PINS_USERS - 1);
    pool_close(all[5]);
    p = open_pool(b.path, 200);
    assert_int_equal(look(&b).pinned, PINS_USERS - 2);
    pool_close(p);
    for (int i = 1; i < PINS_USERS; i++)
        if (i != 5) pool_close(all[i]);
    end(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_chunks),
        cmocka_unit_test(finds_all_at_once),
        cmocka_unit_test(keeps_parts),
        cmocka_unit_test(shares_parts),
        cmocka_unit_test(keeps_parts_beside_a_whole_chunk),
        cmocka_unit_test(writes_alone),
        cmocka_unit_test(goes_by_last_use),
        cmocka_unit_test(keeps_what_is_pinned),
        cmocka_unit_test(shrinks_to_a_smaller_limit),
        cmocka_unit_test(pins_are_inherited),
        cmocka_unit_test(lends),
        cmocka_unit_test(clears),
        cmocka_unit_test(keeps_notes),
        cmocka_unit_test(looks_again_after_a_start),
        cmocka_unit_test(looks_again_at_parts_after_a_start),
        cmocka_unit_test(is_private_without_directory),
        cmocka_unit_test(says_why_it_is_private),
        cmocka_unit_test(survives_a_full_disk),
        cmocka_unit_test(survives_a_full_disk_with_parts),
        cmocka_unit_test(survives_a_full_disk_in_the_index),
        cmocka_unit_test(survives_a_limit_on_files),
        cmocka_unit_test(does_not_wait_for_ever),
        cmocka_unit_test(notices_files_that_were_removed),
        cmocka_unit_test(is_for_one_machine),
        cmocka_unit_test(believes_only_its_own),
        cmocka_unit_test(has_many_users),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
