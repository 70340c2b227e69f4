// The code cache's file (jit/store.h) and how it is written (cli/codecache.h), one thing at a time. Faults: writers.c.
#include "cli/codecache_file.h"
#include "cli/codecache_pieces.h"
#include "disk/sha256.h"
#include "fake.h"
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#define MANY UINT64_MAX // a limit that limits nothing

struct place {
    char path[FAKE_DIRECTORY];
    int dir;
    struct store store;
};

static struct place begin(void)
{
    struct place p = {.store = {.fd = -1}};
    p.dir = fake_directory(p.path);
    assert_true(p.dir >= 0);
    return p;
}

static void end(struct place *p)
{
    codecache_close(&p->store);
    close(p->dir);
    fake_remove(p->path);
}

static void reopen(struct place *p)
{
    const char *why;
    codecache_close(&p->store);
    assert_true(codecache_open(p->dir, fake_key, &p->store, &why));
}

static void expect_good(struct place *p, unsigned shards)
{
    unsigned misses;
    reopen(p);
    assert_int_equal(p->store.head->nshards, shards);
    assert_null(fake_check_all(&p->store, &misses));
    assert_int_equal(misses, 0);
}

static const struct store_shard *shard_of(const struct place *p, uint32_t number)
{
    struct store_shard id = fake_id(number);
    return store_find(&p->store, &id);
}

static struct codecache_writer *lock_it(struct place *p)
{
    int error;
    struct codecache_writer *w = codecache_lock(p->dir, fake_key, false, &error);
    assert_non_null(w);
    return w;
}

// ---------------------------------------------------------------- sums

static void sums_see_each_bit(void **state)
{
    (void)state;
    uint8_t bytes[208] = {0};
    for (size_t n = 0; n <= 200; n += 1 + n / 9) {
        uint64_t sum = store_sum(7, bytes, n);
        assert_true(sum != store_sum(8, bytes, n) && sum != store_sum(7, bytes, n + 1));
        for (size_t bit = 0; bit < 8 * n; bit++) {
            bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
            assert_true(store_sum(7, bytes, n) != sum);
            bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
    }
}

static void sums_see_order_and_not_alignment(void **state)
{
    (void)state;
    uint8_t bytes[400], moved[401];
    for (int i = 0; i < 400; i++) bytes[i] = (uint8_t)(i * 7 + i / 64);
    memcpy(moved + 1, bytes, 400);
    uint64_t sum = store_sum(1, bytes, 400);
    assert_true(store_sum(1, moved + 1, 400) == sum);
    for (int i = 0; i < 384; i += 8) { // each word with the next of its lane, and the next one
        for (int by = 8; by <= 64 && i + by < 400 - 8; by += 56) {
            memcpy(moved, bytes, 400);
            memcpy(moved + i, bytes + i + by, 8);
            memcpy(moved + i + by, bytes + i, 8);
            assert_true(!memcmp(moved, bytes, 400) || store_sum(1, moved, 400) != sum);
        }
    }
}

// ---------------------------------------------------------------- what is written is read

static void shards_come_back(void **state)
{
    (void)state;
    struct place p = begin();
    assert_int_equal(fake_write(p.dir, 0, 40, 1, MANY), 0);
    expect_good(&p, 40);
    assert_true(p.store.stamped);
    uint32_t top = p.store.head->top;
    assert_in_range(top, STORE_TOP_MIN, STORE_TOP_MAX);
    assert_int_equal(p.store.head->nmemos, 40);
    // Others come to them, and nothing of these moves.
    uint64_t at = shard_of(&p, 17)->section[STORE_CODE].at;
    assert_int_equal(fake_write(p.dir, 100, 30, 2, MANY), 0);
    expect_good(&p, 70);
    assert_int_equal(p.store.head->top, top);
    assert_int_equal(shard_of(&p, 17)->section[STORE_CODE].at, at);
    assert_null(shard_of(&p, 50));
    end(&p);
}

static void a_new_version_takes_the_place_of_the_old(void **state)
{
    (void)state;
    struct place p = begin();
    uint32_t version;
    assert_int_equal(fake_write(p.dir, 0, 10, 1, MANY), 0);
    reopen(&p);
    uint32_t slot = shard_of(&p, 3)->slot;
    assert_int_equal(fake_write(p.dir, 3, 1, 2, MANY), 0);
    expect_good(&p, 10);
    assert_int_equal(shard_of(&p, 3)->slot, slot);
    assert_null(fake_check(&p.store, shard_of(&p, 3), &version));
    assert_int_equal(version, 2);
    assert_null(fake_check(&p.store, shard_of(&p, 4), &version));
    assert_int_equal(version, 1);
    end(&p);
}

static void nothing_new_writes_nothing(void **state)
{
    (void)state;
    struct place p = begin();
    assert_int_equal(fake_write(p.dir, 0, 2, 1, MANY), 0);
    reopen(&p);
    uint64_t generation = p.store.head->generation;
    struct codecache_writer *w = lock_it(&p);
    struct store_memo known = fake_memo(1);
    assert_true(codecache_remember(w, &known));
    assert_int_equal(codecache_commit(w, MANY), 0);
    reopen(&p);
    assert_true(p.store.head->generation == generation);
    end(&p);
}

static void one_writer_at_a_time(void **state)
{
    (void)state;
    struct place p = begin();
    struct codecache_writer *w = lock_it(&p);
    int error;
    assert_null(codecache_lock(p.dir, fake_key, false, &error));
    assert_int_equal(error, EWOULDBLOCK);
    codecache_abandon(w);
    codecache_abandon(lock_it(&p));
    assert_int_equal(codecache_begin(-1), -1);
    int busy = codecache_begin(p.dir), also = codecache_begin(p.dir);
    assert_true(busy >= 0 && also >= 0);
    assert_int_equal(codecache_open_locked(p.dir, CODECACHE_BUSY, 2 | 4), -1); // LOCK_EX | LOCK_NB
    close(busy);
    close(also);
    end(&p);
}

// ---------------------------------------------------------------- the table

static const uint8_t ret[] = {0xc3, 0xc3, 0xc3, 0xc3, 0xc3, 0xc3, 0xc3, 0xc3};

static struct store_new one_shard(struct codecache_writer *w, uint32_t first, uint32_t npages)
{
    struct store_new n = {.id = {.digest = {(uint8_t)first}, .first = first, .npages = npages}};
    n.section[STORE_CODE].at = ret;
    n.section[STORE_CODE].bytes = sizeof ret;
    n.id.slot = codecache_slot(w, &n.id);
    return n;
}

static void entries_of_the_table(void **state)
{
    (void)state;
    enum { PC = 0x10000 };
    static const struct store_target targets[] = {
        {PC + 6500, 6}, {PC + 1029, 1}, {PC + 1030, 2}, {PC + 1031, 3}, {PC + 1033, 3},
        {PC + 1033, 4}, {PC + 1034, 5}, {PC + 2047, 6}, {PC + 8191, 7}, // the shard's end
    };
    struct place p = begin();
    struct codecache_writer *w = lock_it(&p);
    struct store_new n = one_shard(w, PC >> 12, 2);
    n.targets = targets;
    n.ntargets = sizeof targets / sizeof *targets;
    assert_true(codecache_add(w, &n));
    assert_int_equal(codecache_commit(w, MANY), 0);
    reopen(&p);
    const struct store_shard *s = store_find(&p.store, &n.id);
    assert_non_null(s);
    p.store.stamped = false; // sums are right, too
    const uint32_t *table = store_section(&p.store, s, STORE_TABLE);
    // A block of the file is one of the table of targets, too.
    assert_int_equal(s->section[STORE_TABLE].at % PIECE_BLOCK, (uint64_t)s->first * 4 * STORE_PAGE % PIECE_BLOCK);
    assert_non_null(table);
    uint32_t top = p.store.head->top, code = STORE_WINDOW + (uint32_t)s->section[STORE_CODE].at;
    static const struct {
        uint32_t at, code;
    } aimed[] = {{1029, 1}, {1031, 3}, {1034, 5}, {2047, 6}, {6500, 6}};
    // The first page is there, and the third since it is behind a target at the end of the second.
    static const bool there[8] = {true, true, true, false, false, false, true, false};
    for (uint32_t i = 0, next = 0; i < 8192; i++) {
        uint32_t want = there[i / STORE_TABLE_GUEST] ? top : 0;
        if (next < 5 && aimed[next].at == i) want = code + aimed[next++].code;
        assert_int_equal(table[i], want);
    }
    assert_int_equal(s->used, 4);
    end(&p);
}

// ---------------------------------------------------------------- what is refused

static void additions_that_cannot_be(void **state)
{
    (void)state;
    struct place p = begin();
    struct codecache_writer *w = lock_it(&p);
    struct store_new good = one_shard(w, 16, 2), n = good;
    struct store_target t = {0};
    n.id.slot = 0;
    assert_false(codecache_add(w, &n));
    n.id.slot = good.id.slot + 1; // given to nobody
    assert_false(codecache_add(w, &n));
    n = good, n.id.npages = 0;
    assert_false(codecache_add(w, &n));
    n = good, n.id.first = (1 << 20) - 1;
    assert_false(codecache_add(w, &n));
    n = good, n.section[STORE_CODE].bytes = 0;
    assert_false(codecache_add(w, &n));
    n = good, n.targets = &t, n.ntargets = 1;
    t = (struct store_target){(16 << 12) - 1, 0};
    assert_false(codecache_add(w, &n));
    t = (struct store_target){18 << 12, 0};
    assert_false(codecache_add(w, &n));
    t = (struct store_target){16 << 12, sizeof ret};
    assert_false(codecache_add(w, &n));
    t = (struct store_target){16 << 12, sizeof ret - 1};
    assert_true(codecache_add(w, &n));
    assert_false(codecache_add(w, &n)); // twice
    n = one_shard(w, 99, 1), n.id.slot = good.id.slot;
    assert_false(codecache_add(w, &n)); // a slot twice
    assert_int_equal(codecache_commit(w, MANY), 0);
    reopen(&p);
    assert_int_equal(p.store.head->nshards, 1);
    end(&p);
}

struct wrong {
    const char *what;
    void (*make)(struct store_head *, struct store_shard *, struct store_memo *);
};

#define WRONG(name, change)                                                                                            \
    static void wrong_##name(struct store_head *h, struct store_shard *s, struct store_memo *m)                        \
    {                                                                                                                  \
        (void)h, (void)s, (void)m;                                                                                     \
        change;                                                                                                        \
    }
#include "wrong.def"
#undef WRONG
static const struct wrong wrongs[] = {
#define WRONG(name, change) {#name, wrong_##name},
#include "wrong.def"
#undef WRONG
};

// With the right sum, so that it is the contradiction that is found.
static void files_that_contradict_themselves(void **state)
{
    (void)state;
    struct place p = begin();
    const char *why;
    assert_int_equal(fake_write(p.dir, 0, 6, 1, MANY), 0);
    reopen(&p);
    size_t n = p.store.bytes;
    uint8_t *copy = aligned_alloc(STORE_PAGE, n);
    for (unsigned i = 0; i < sizeof wrongs / sizeof *wrongs; i++) {
        struct store_head *h = (struct store_head *)copy;
        memcpy(copy, p.store.data, n);
        assert_true(store_check(copy, n, fake_key, &why));
        struct store_shard *s = (struct store_shard *)(h + 1);
        wrongs[i].make(h, s, (struct store_memo *)(s + 6));
        if (h->nshards <= 6 && h->nmemos <= 6) h->sum = store_head_sum(h);
        if (store_check(copy, n, fake_key, &why)) fail_msg("%s is not seen", wrongs[i].what);
        assert_non_null(why);
    }
    memcpy(copy, p.store.data, n);
    for (size_t cut = 0; cut < n; cut += cut < 3000 ? 1 : 4096) assert_false(store_check(copy, cut, fake_key, &why));
    copy[sizeof(struct store_head) + 3] ^= 1; // without the right sum
    assert_false(store_check(copy, n, fake_key, &why));
    free(copy);
    end(&p);
}

// ---------------------------------------------------------------- what goes, what is checked

static uint64_t on_disk(const struct store *of, const struct store_shard *s)
{
    uint64_t bytes = 0, last = 0, end = s->section[STORE_TABLE].at + s->section[STORE_TABLE].bytes;
    for (uint64_t at = s->section[STORE_TABLE].at; at < end; at += STORE_PAGE) {
        if (store_is_hole(of->data + at) || at / PIECE_BLOCK == last) continue;
        bytes += PIECE_BLOCK;
        last = at / PIECE_BLOCK;
    }
    for (int i = 0; i < STORE_SECTIONS; i++)
        if (i != STORE_TABLE) bytes += (s->section[i].bytes + STORE_PAGE - 1) & ~(uint64_t)(STORE_PAGE - 1);
    return bytes;
}

static void set_used(struct place *p, uint32_t slot, uint32_t used)
{
    char name[CODECACHE_NAME];
    struct stat st;
    codecache_name(name, FILE_USED, fake_key);
    int fd = directory_file(p->dir, name, O_WRONLY, &st);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, &used, sizeof used, slot * sizeof used), sizeof used);
    close(fd);
}

static void the_least_recently_used_go(void **state)
{
    (void)state;
    struct place p = begin();
    uint64_t slots[CODECACHE_SLOT_WORDS] = {0}, bytes = 0;
    uint32_t used[STORE_MAX_SHARDS + 1];
    assert_int_equal(fake_write(p.dir, 0, 10, 1, MANY), 0);
    expect_good(&p, 10);
    for (uint32_t i = 0; i < 10; i++) set_used(&p, shard_of(&p, i)->slot, 1000 + i);
    // Number 2 is used now; of the rest 3 and 4 were used longest ago, after 0 and 1.
    slots[shard_of(&p, 2)->slot / 64] |= 1ull << shard_of(&p, 2)->slot % 64;
    codecache_touch(p.dir, fake_key, slots);
    codecache_read_used(p.dir, fake_key, used);
    assert_true(used[shard_of(&p, 2)->slot] + 100 > codecache_now() && used[shard_of(&p, 3)->slot] == 1003);
    for (uint32_t i = 2; i < 10; i++) bytes += on_disk(&p.store, shard_of(&p, i));
    // A shard of a page of code and a block of table comes, for which two must go.
    struct codecache_writer *w = lock_it(&p);
    struct store_new n = one_shard(w, 77, 1);
    assert_true(codecache_add(w, &n));
    assert_int_equal(codecache_commit(w, bytes + STORE_PAGE + PIECE_BLOCK), 0);
    reopen(&p);
    assert_int_equal(p.store.head->nshards, 9);
    for (uint32_t i = 0; i < 10; i++) assert_int_equal(shard_of(&p, i) != NULL, i >= 2);
    // Its place is that of what went.
    assert_non_null(store_find(&p.store, &n.id));
    assert_true(store_find(&p.store, &n.id)->section[STORE_CODE].at < 10 * 20000);
    // Nothing may be kept: not even the new one.
    assert_int_equal(fake_write(p.dir, 500, 1, 1, 100), 0);
    reopen(&p);
    assert_int_equal(p.store.head->nshards, 0);
    end(&p);
}

static void places_of_code_are_used_again(void **state)
{
    (void)state;
    struct place p = begin();
    assert_int_equal(fake_write(p.dir, 0, 60, 1, MANY), 0);
    uint64_t least = MANY, most = 0;
    for (uint32_t version = 2; version < 14; version++) {
        assert_int_equal(fake_write(p.dir, version % 60, 6, version, MANY), 0);
        expect_good(&p, 60);
        if (p.store.head->code_bytes < least) least = p.store.head->code_bytes;
        if (p.store.head->code_bytes > most) most = p.store.head->code_bytes;
    }
    assert_true(most < 2 * least);
    end(&p);
}

static void all_slots(void **state)
{
    (void)state;
    struct place p = begin();
    assert_int_equal(fake_write(p.dir, 0, 1, 1, MANY), 0);
    struct codecache_writer *w = lock_it(&p);
    for (uint32_t i = 2; i <= STORE_MAX_SHARDS; i++) {
        struct store_new n = one_shard(w, i, 1);
        assert_int_equal(n.id.slot, i);
        assert_true(codecache_add(w, &n));
    }
    struct store_new last = one_shard(w, 5000, 1); // the old one makes room
    assert_int_equal(last.id.slot, 1);
    assert_true(codecache_add(w, &last));
    assert_int_equal(one_shard(w, 5001, 1).id.slot, 0);
    assert_int_equal(codecache_commit(w, MANY), 0);
    reopen(&p);
    assert_int_equal(p.store.head->nshards, STORE_MAX_SHARDS);
    assert_null(shard_of(&p, 0));
    assert_non_null(store_find(&p.store, &last.id));
    end(&p);
}

static void files_of_other_keys_go(void **state)
{
    (void)state;
    struct place p = begin();
    uint8_t other[STORE_DIGEST] = "another build";
    const char *why;
    int error;
    struct codecache_writer *w = codecache_lock(p.dir, other, false, &error);
    struct store_new n = one_shard(w, 3, 1);
    assert_true(codecache_add(w, &n));
    assert_int_equal(codecache_commit(w, MANY), 0);
    assert_int_equal(fake_write(p.dir, 0, 5, 1, MANY), 0);
    assert_true(codecache_open(p.dir, other, &p.store, &why));
    codecache_close(&p.store);
    assert_int_equal(fake_write(p.dir, 0, 5, 2, 4096), 0);
    assert_false(codecache_open(p.dir, other, &p.store, &why));
    reopen(&p);
    end(&p);
}

static void stamps(void **state)
{
    (void)state;
    struct place p = begin();
    char name[CODECACHE_NAME];
    struct timespec times[2] = {{.tv_nsec = UTIME_NOW}, {.tv_nsec = UTIME_NOW}};
    assert_int_equal(fake_write(p.dir, 0, 5, 1, MANY), 0);
    reopen(&p);
    assert_true(p.store.stamped);
    assert_int_equal(futimens(p.store.fd, times), 0); // as any change does: another ctime
    reopen(&p);
    assert_false(p.store.stamped);
    codecache_abandon(lock_it(&p)); // which has looked at everything
    reopen(&p);
    assert_true(p.store.stamped);
    codecache_name(name, FILE_STAMP, fake_key);
    int fd = openat(p.dir, name, O_WRONLY); // as if the machine had been started again
    assert_int_equal(pwrite(fd, "x", 1, 0), 1);
    close(fd);
    reopen(&p);
    assert_false(p.store.stamped);
    end(&p);
}

static struct codecache_trial trial(uint8_t of, bool mapping)
{
    return (struct codecache_trial){.of = {of}, .mapping = mapping, .asked = 3, .what = "something"};
}

static bool try(const struct place *p, struct codecache_trial t)
{
    return codecache_try(p->dir, fake_key, &t);
}

static struct codecache_trial recall(const struct place *p, struct codecache_trial t)
{
    struct codecache_trial known = {.mapping = t.mapping};
    memcpy(known.of, t.of, sizeof known.of);
    int64_t until = codecache_trial(p->dir, fake_key, &known);
    assert_int_equal(until, codecache_pause_end(&known));
    return known;
}

// What fails twice waits; another image does not, and no mapping; what comes of it at last is not held against it.
static void tried_in_vain(void **state)
{
    (void)state;
    struct place p = begin();
    struct codecache_trial one = trial(1, false), other = trial(2, false), mapping = trial(1, true), t;
    assert_int_equal(recall(&p, one).when, 0);
    for (uint32_t i = 1; i <= 2; i++) {
        assert_true(try(&p, one));
        t = recall(&p, one);
        assert_int_equal(t.times, i);
        assert_string_equal(t.what, "something");
        assert_string_equal(t.why, "under way, or ended before it was done");
    }
    int64_t until = codecache_pause_end(&t);
    assert_true(until > time(NULL) + 590 && until <= time(NULL) + 600);
    assert_false(try(&p, one));
    assert_true(try(&p, other));
    for (int i = 0; i < 2; i++) assert_true(try(&p, mapping));
    assert_false(try(&p, mapping));
    one.made = 3;
    one.times = 0;
    codecache_tried(p.dir, fake_key, &one);
    assert_int_equal(recall(&p, one).made, 3);
    assert_int_equal(recall(&p, one).times, 0);
    assert_true(try(&p, one));
    assert_false(try(&p, mapping));
    end(&p);
}

// After a third time it waits for an hour. Nothing is left alone for longer than it should be by a clock that was
// wrong.
static void pauses(void **state)
{
    (void)state;
    uint32_t now = codecache_now();
    static const struct {
        uint32_t times, ago;
        bool waits;
    } rows[] = {{0, 0, false},   {1, 0, false},   {2, 0, true},     {2, 599, true},
                {2, 601, false}, {3, 3590, true}, {3, 3601, false}, {3, UINT32_MAX, false}};
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct codecache_trial t = {.times = rows[i].times, .when = now - rows[i].ago};
        if (rows[i].ago == UINT32_MAX) t.when = now + 1000;
        assert_int_equal(codecache_pause_end(&t) != 0, rows[i].waits);
    }
}

// However many mappings come to nothing, no image is forgotten for them; and what somebody else has written there is
// shown as text.
static void trials(void **state)
{
    (void)state;
    struct place p = begin();
    char name[CODECACHE_NAME];
    struct codecache_trial image = trial(7, false), t;
    unsigned n = 0, images = 0;
    assert_true(try(&p, image));
    for (unsigned i = 0; i < 256; i++) assert_true(try(&p, trial((uint8_t)i, true)));
    assert_int_equal(recall(&p, image).times, 1);
    memset(image.what, '\a', sizeof image.what);
    memset(image.why, 'x', sizeof image.why);
    codecache_tried(p.dir, fake_key, &image);
    codecache_name(name, FILE_TRIED, fake_key);
    struct codecache_trials all = codecache_trials_open(p.dir, name);
    for (; codecache_trials_next(&all, &t); n++) {
        if (t.mapping) continue;
        images++;
        assert_int_equal(strspn(t.what, "?"), sizeof t.what - 1);
        assert_int_equal(strspn(t.why, "x"), sizeof t.why - 1);
    }
    codecache_trials_close(&all);
    assert_int_equal(images, 1);
    assert_in_range(n, 2, 65);
    end(&p);
}

static void what_lacks(void **state)
{
    (void)state;
    struct place p = begin();
    char why[CODECACHE_WHY] = "";
    struct stat st;
    assert_true(codecache_fillable(p.dir, why));
    assert_int_not_equal(fstatat(p.dir, CODECACHE_BUSY, &st, 0), 0); // nothing is made by looking
    int busy = codecache_begin(p.dir);
    assert_true(busy >= 0 && codecache_fillable(p.dir, why));
    assert_int_equal(fchmodat(p.dir, CODECACHE_BUSY, 0666, 0), 0);
    assert_false(codecache_fillable(p.dir, why));
    assert_string_equal(why, "its lock cannot be opened: Operation not permitted");
    close(busy);
    end(&p);
}

// One that takes more than half of all that may be on the disk would leave no room for others, or none for itself.
static void too_large_a_shard(void **state)
{
    (void)state;
    enum { PAGES = 1 << 15, TARGETS = PAGES * STORE_TABLE_PAGES };
    struct place p = begin();
    static const uint8_t code[16] = {0xc3};
    struct store_target *t = malloc(TARGETS * sizeof *t);
    struct store_new n = {.id = {.first = 16, .npages = PAGES}, .targets = t};
    int error;
    assert_int_equal(fake_write(p.dir, 0, 3, 1, CODECACHE_LIMIT), 0);
    struct codecache_writer *w = codecache_lock(p.dir, fake_key, true, &error);
    assert_non_null(w);
    for (int i = 0; i < STORE_SECTIONS; i++) n.section[i].at = code;
    n.section[STORE_CODE].bytes = sizeof code;
    n.id.slot = codecache_slot(w, &n.id);
    for (n.ntargets = 0; n.ntargets < TARGETS; n.ntargets++)
        t[n.ntargets] = (struct store_target){(16 << 12) + n.ntargets * STORE_TABLE_GUEST, 0};
    assert_false(codecache_add(w, &n));
    n.ntargets /= 8;
    assert_true(codecache_add(w, &n));
    assert_int_equal(codecache_commit(w, CODECACHE_LIMIT), 0);
    reopen(&p);
    assert_int_equal(p.store.head->nshards, 4);
    free(t);
    end(&p);
}

static void the_code_runs(void **state)
{
    (void)state;
    struct place p = begin();
    assert_int_equal(fake_write(p.dir, 0, 5, 1, MANY), 0);
    reopen(&p);
    uintptr_t at = (uintptr_t)p.store.head->top << 32;
    size_t room = STORE_WINDOW + (size_t)STORE_MAX_CODE;
    void *window =
        mmap((void *)at, room, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
    if (window == MAP_FAILED) skip(); // a sanitizer's memory may be there
    assert_false(codecache_map(&p.store, (uint8_t *)window + 4096));
    assert_true(codecache_map(&p.store, window));
    for (uint32_t i = 0; i < 5; i++) {
        const struct store_range *code = &shard_of(&p, i)->section[STORE_CODE];
        assert_memory_equal((uint8_t *)window + STORE_WINDOW + code->at,
                            p.store.data + p.store.head->code_at + code->at, code->bytes);
    }
    munmap(window, room);
    end(&p);
}

// ---------------------------------------------------------------- names, digests

static void keys(void **state)
{
    (void)state;
    uint8_t a[STORE_DIGEST], b[STORE_DIGEST], c[STORE_DIGEST];
    bool built = codecache_key(a, "x", 1);
    assert_int_equal(codecache_key(b, "x", 1), built);
    assert_memory_equal(a, b, STORE_DIGEST);
    codecache_key(c, "y", 1);
    assert_memory_not_equal(a, c, STORE_DIGEST);
    assert_memory_not_equal(a, a + 8, 8);
    assert_true(built); // CMakeLists.txt asks for a build id
}

static void names(void **state)
{
    (void)state;
    char name[CODECACHE_NAME];
    for (int kind = 0; kind < FILE_KINDS; kind++) {
        codecache_name(name, (enum codecache_kind)kind, fake_key);
        assert_int_equal(codecache_kind_of(name), kind);
        name[strlen(name) - 1] = 'x';
        assert_int_equal(codecache_kind_of(name), FILE_KINDS);
    }
    static const char *const others[] = {"",
                                         "code",
                                         "code-",
                                         "code-0123456789abcdef",
                                         "code-0123456789abcdef.v",
                                         "code-0123456789abcde.v1",
                                         "code-0123456789abcdef0.v1",
                                         "cod",
                                         "lock",
                                         "mycode-0123456789abcdef.v1",
                                         "code-0123456789abcdef.v1x"};
    for (unsigned i = 0; i < sizeof others / sizeof *others; i++)
        assert_int_equal(codecache_kind_of(others[i]), FILE_KINDS);
    assert_int_equal(codecache_kind_of("used-0123456789abcdef.v12"), FILE_USED);
}

// FIPS 180-4's example, and that the next one starts anew.
static void sha256_example(void **state)
{
    (void)state;
    static const uint8_t abc[] = {0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40,
                                  0xde, 0x5d, 0xae, 0x22, 0x23, 0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17,
                                  0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad};
    struct sha256 s;
    uint8_t digest[STORE_DIGEST];
    char why[CODECACHE_WHY];
    if (!sha256_open(&s, why, sizeof why)) {
        print_message("%s\n", why);
        skip();
    }
    for (int i = 0; i < 2; i++) {
        sha256_add(&s, "a", 1);
        sha256_add(&s, "bc", 2);
        sha256_end(&s, digest);
        assert_memory_equal(digest, abc, sizeof abc);
    }
    sha256_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums_see_each_bit),
        cmocka_unit_test(sums_see_order_and_not_alignment),
        cmocka_unit_test(shards_come_back),
        cmocka_unit_test(a_new_version_takes_the_place_of_the_old),
        cmocka_unit_test(nothing_new_writes_nothing),
        cmocka_unit_test(one_writer_at_a_time),
        cmocka_unit_test(entries_of_the_table),
        cmocka_unit_test(additions_that_cannot_be),
        cmocka_unit_test(files_that_contradict_themselves),
        cmocka_unit_test(the_least_recently_used_go),
        cmocka_unit_test(places_of_code_are_used_again),
        cmocka_unit_test(all_slots),
        cmocka_unit_test(files_of_other_keys_go),
        cmocka_unit_test(stamps),
        cmocka_unit_test(tried_in_vain),
        cmocka_unit_test(pauses),
        cmocka_unit_test(trials),
        cmocka_unit_test(what_lacks),
        cmocka_unit_test(too_large_a_shard),
        cmocka_unit_test(the_code_runs),
        cmocka_unit_test(keys),
        cmocka_unit_test(names),
        cmocka_unit_test(sha256_example),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
