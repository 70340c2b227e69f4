// Writing the code cache: see codecache.h. A writer has the lock from codecache_lock to codecache_commit, which makes a
// new file of what it keeps of the old one and what was added, and renames it over that. So whoever opens the file
// finds the old one or the new one; a writer that is killed, or fails, leaves the old one.
//
// The new file is not synced to the disk: after a crash of the machine no stamp counts, and what is missing of the file
// has the wrong sum.
#include "cli/codecache_file.h"
#include "cli/codecache_pieces.h"
#include "cli/codecache_plan.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/statvfs.h>
#include <unistd.h>

struct codecache_writer {
    int dir, lock;
    uint8_t key[STORE_DIGEST];
    struct store old; // head NULL: none
    bool damaged;     // some of it, or all
    uint32_t used[STORE_MAX_SHARDS + 1];
    bool taken[STORE_MAX_SHARDS + 1]; // slots
    struct plan plan;
    int fd, error; // of the commit
    struct pieces to;
};

static bool has_slot(const struct codecache_writer *w, uint32_t slot)
{
    return slot >= 1 && slot <= STORE_MAX_SHARDS && w->taken[slot];
}

// ---------------------------------------------------------------- what is there

static bool sums_are_right(const struct store *s, const struct store_shard *shard)
{
    for (int i = 0; i < STORE_SECTIONS; i++)
        if (!store_section_checked(s, shard, (enum store_section)i)) return false;
    return true;
}

// From `at` on, the next pages up to `end` that are no hole as far as the file system knows: to *last. `end`: none.
static uint64_t next_data(const struct store *s, uint64_t at, uint64_t end, uint64_t *last)
{
    off_t data = lseek(s->fd, (off_t)at, SEEK_DATA);
    if (data < 0 && errno == ENXIO) return end; // nothing but a hole up to the end
    uint64_t first = data < 0 ? at : (uint64_t)data & ~(uint64_t)(STORE_PAGE - 1);
    if (first >= end) return end;
    off_t hole = lseek(s->fd, (off_t)first, SEEK_HOLE);
    *last = hole < 0 || (uint64_t)hole > end ? end : (uint64_t)hole;
    return first;
}

static uint64_t table_bytes(const struct store *s, const struct store_shard *shard)
{
    const struct store_range *r = &shard->section[STORE_TABLE];
    uint64_t bytes = 0, end = r->at + r->bytes, last;
    for (uint64_t at = r->at; (at = next_data(s, at, end, &last)) < end; at = last)
        bytes += pieces_whole(last) - at / PIECE_BLOCK * PIECE_BLOCK;
    return bytes;
}

// What is damaged is left out, and that is reason enough for a new file.
static bool take_old(struct codecache_writer *w)
{
    const struct store_shard *all = store_shards(&w->old);
    const struct store_head *h = w->old.head;
    for (uint32_t i = 0; i < h->nshards; i++) {
        if (!w->old.stamped && !sums_are_right(&w->old, &all[i])) {
            w->damaged = true;
            continue;
        }
        if (!plan_keep(&w->plan, &all[i], table_bytes(&w->old, &all[i]), w->used[all[i].slot])) return false;
        w->taken[all[i].slot] = true;
    }
    for (uint32_t i = 0; i < h->nmemos; i++)
        if (!plan_remember(&w->plan, &store_memos(&w->old)[i], false)) return false;
    w->plan.fresh = false;
    if (!w->old.stamped && !w->damaged) codecache_stamp(w->dir, &w->old);
    return true;
}

static bool open_old(struct codecache_writer *w)
{
    const char *why;
    char name[CODECACHE_NAME];
    struct stat st;
    codecache_read_used(w->dir, w->key, w->used);
    if (codecache_open(w->dir, w->key, &w->old, &why)) return take_old(w);
    codecache_name(name, FILE_CODE, w->key);
    w->damaged = !fstatat(w->dir, name, &st, AT_SYMLINK_NOFOLLOW);
    return true;
}

// ---------------------------------------------------------------- what is lacking

static bool lacks(char why[CODECACHE_WHY], const char *what, int err)
{
    snprintf(why, CODECACHE_WHY, err ? "%s: %s" : "%s", what, strerror(err));
    return false;
}

// With busy, whose lock several may have at once, so that nobody is kept from filling by who looks.
static bool locks_and_runs(int fd, char why[CODECACHE_WHY])
{
    if (flock(fd, LOCK_SH | LOCK_NB) && errno != EWOULDBLOCK)
        return lacks(why, "the directory's file system has no locks", errno);
    void *page = mmap(NULL, STORE_PAGE, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
    if (page == MAP_FAILED) return lacks(why, "nothing can be run from the directory's file system", errno);
    munmap(page, STORE_PAGE);
    return true;
}

bool codecache_fillable(int dir, char why[CODECACHE_WHY])
{
    struct stat st;
    struct statvfs fs;
    if (faccessat(dir, ".", W_OK | X_OK, AT_EACCESS)) return lacks(why, "the directory cannot be written to", errno);
    if (!fstatvfs(dir, &fs) && fs.f_blocks && !(geteuid() ? fs.f_bavail : fs.f_bfree))
        return lacks(why, "the directory's file system is full", 0);
    int fd = directory_file(dir, CODECACHE_BUSY, O_RDWR, &st);
    if (fd < 0 && errno == ENOENT) return true; // nobody has ever tried
    if (fd < 0) return lacks(why, "its lock cannot be opened", errno);
    bool good = locks_and_runs(fd, why);
    close(fd);
    return good;
}

// ---------------------------------------------------------------- beginning

struct codecache_writer *codecache_lock(int dir, const uint8_t key[STORE_DIGEST], bool wait, int *error)
{
    struct codecache_writer *w = calloc(1, sizeof *w);
    *error = ENOMEM;
    if (!w) return NULL;
    w->dir = dir;
    w->fd = -1;
    memcpy(w->key, key, STORE_DIGEST);
    w->lock = codecache_open_locked(dir, CODECACHE_LOCK, LOCK_EX | (wait ? 0 : LOCK_NB));
    if (w->lock < 0) {
        *error = errno;
        free(w);
        return NULL;
    }
    (void)unlinkat(dir, CODECACHE_NEW, 0); // a writer was killed
    if (open_old(w)) return w;
    codecache_abandon(w);
    return NULL;
}

void codecache_abandon(struct codecache_writer *w)
{
    codecache_close(&w->old);
    close(w->lock);
    plan_free(&w->plan);
    free(w);
}

const struct store *codecache_current(const struct codecache_writer *w)
{
    return w->old.head ? &w->old : NULL;
}

// ---------------------------------------------------------------- what is new

uint32_t codecache_slot(struct codecache_writer *w, const struct store_shard *id)
{
    const struct planned *same = plan_find(&w->plan, id);
    if (same) return same->shard.slot;
    for (uint32_t slot = 1; slot <= STORE_MAX_SHARDS; slot++)
        if (!w->taken[slot]) {
            w->taken[slot] = true;
            return slot;
        }
    return plan_evict(&w->plan); // stays taken, for another shard
}

bool codecache_add(struct codecache_writer *w, const struct store_new *n)
{
    return has_slot(w, n->id.slot) && plan_add(&w->plan, n);
}

bool codecache_remember(struct codecache_writer *w, const struct store_memo *m)
{
    return plan_remember(&w->plan, m, true);
}

// ---------------------------------------------------------------- the new file

// Where the file system knows of holes, they are not looked at: each would become a page of the cache.
static void copy_table(struct codecache_writer *w, const struct store_range *from, uint64_t to)
{
    uint64_t end = from->at + from->bytes, last;
    for (uint64_t at = from->at; (at = next_data(&w->old, at, end, &last)) < end;)
        for (; at < last; at += STORE_PAGE)
            if (!store_is_hole(w->old.data + at))
                pieces_put(&w->to, to + (at - from->at), w->old.data + at, STORE_PAGE);
}

static void put_new_table(struct codecache_writer *w, struct planned *p)
{
    uint32_t page[STORE_TABLE_GUEST];
    struct store_range *to = &p->shard.section[STORE_TABLE];
    struct table_walk walk = table_begin(p);
    uint32_t code = STORE_WINDOW + (uint32_t)p->shard.section[STORE_CODE].at;
    to->sum = store_sum(STORE_TABLE, NULL, 0);
    while (table_next(&walk, page, w->plan.head.top, code)) {
        to->sum = store_table_step(to->sum, walk.page, page);
        pieces_put(&w->to, to->at + (uint64_t)walk.page * STORE_PAGE, page, sizeof page);
    }
}

static void put_table(struct codecache_writer *w, struct planned *p)
{
    if (p->old)
        copy_table(w, &p->old->section[STORE_TABLE], p->shard.section[STORE_TABLE].at);
    else
        put_new_table(w, p);
}

static void put_section(struct codecache_writer *w, struct planned *p, int i)
{
    struct store_range *to = &p->shard.section[i];
    const uint8_t *from = p->new.section[i].at;
    if (p->old)
        from = w->old.data + p->old->section[i].at + (i == STORE_CODE ? w->old.head->code_at : 0);
    else
        to->sum = store_sum((uint64_t)i, from, to->bytes);
    pieces_put(&w->to, to->at + (i == STORE_CODE ? w->plan.head.code_at : 0), from, to->bytes);
}

// The first shard whose code lies at `from` or behind it.
static struct planned *next_code(const struct plan *p, uint64_t from)
{
    struct planned *found = NULL;
    for (uint32_t i = 0; i < p->n; i++) {
        uint64_t at = p->shards[i].shard.section[STORE_CODE].at;
        if (at >= from && (!found || at < found->shard.section[STORE_CODE].at)) found = &p->shards[i];
    }
    return found;
}

// The sum of the head wants all tables in one piece.
static void put_head(struct codecache_writer *w)
{
    struct plan *p = &w->plan;
    size_t n = sizeof p->head + p->n * sizeof(struct store_shard) + p->nmemos * sizeof(struct store_memo);
    uint8_t *all = calloc(1, n), *at = all + sizeof p->head;
    if (!all) {
        w->error = ENOMEM;
        return;
    }
    for (uint32_t i = 0; i < p->n; i++, at += sizeof(struct store_shard))
        memcpy(at, &p->shards[i].shard, sizeof(struct store_shard));
    for (uint32_t i = 0; i < p->nmemos; i++, at += sizeof(struct store_memo))
        memcpy(at, &p->memos[i].memo, sizeof(struct store_memo));
    memcpy(all, &p->head, sizeof p->head);
    ((struct store_head *)all)->sum = store_head_sum((struct store_head *)all);
    pieces_begin(&w->to, w->fd);
    pieces_put(&w->to, 0, all, n);
    w->error = pieces_end(&w->to);
    free(all);
}

// In the order of the file.
static void put_shards(struct codecache_writer *w)
{
    struct plan *p = &w->plan;
    uint64_t from = 0;
    pieces_begin(&w->to, w->fd);
    for (struct planned *s; (s = next_code(p, from)); from = s->shard.section[STORE_CODE].at + 1)
        put_section(w, s, STORE_CODE);
    for (uint32_t i = 0; i < p->n; i++)
        for (int s = STORE_TABLE + 1; s < STORE_SECTIONS; s++) put_section(w, &p->shards[i], s);
    for (uint32_t i = 0; i < p->n; i++) put_table(w, &p->shards[i]);
    w->error = pieces_end(&w->to);
}

// The head last, since it has the sums.
static void put_all(struct codecache_writer *w)
{
    if (ftruncate(w->fd, (off_t)w->plan.head.bytes)) w->error = errno;
    if (!w->error) put_shards(w);
    if (!w->error) put_head(w);
}

// The place of the code depends on `top`: whoever starts a new file chooses it, so that not all users' machines have
// the same.
static bool begin_head(struct codecache_writer *w)
{
    struct store_head *h = &w->plan.head;
    uint64_t random[2];
    if (getrandom(random, sizeof random, 0) != sizeof random) return false;
    *h = (struct store_head){.version = STORE_VERSION, .generation = random[0]};
    h->top =
        w->old.head ? w->old.head->top : STORE_TOP_MIN + (uint32_t)(random[1] % (STORE_TOP_MAX - STORE_TOP_MIN + 1));
    memcpy(h->magic, STORE_MAGIC, sizeof h->magic);
    memcpy(h->key, w->key, STORE_DIGEST);
    return true;
}

// Its own shards were used now, which counts for those of the old file with these slots no more.
static void touch_new(struct codecache_writer *w)
{
    uint64_t slots[CODECACHE_SLOT_WORDS] = {0};
    for (uint32_t i = 0; i < w->plan.n; i++) {
        const struct planned *p = &w->plan.shards[i];
        if (!p->old) slots[p->shard.slot / 64] |= 1ull << p->shard.slot % 64;
    }
    codecache_touch(w->dir, w->key, slots);
}

static void publish(struct codecache_writer *w)
{
    char name[CODECACHE_NAME];
    struct store_head head = w->plan.head;
    struct store s = {.head = &head, .fd = w->fd};
    codecache_name(name, FILE_CODE, w->key);
    if (renameat(w->dir, CODECACHE_NEW, w->dir, name)) {
        w->error = errno;
        return;
    }
    touch_new(w);
    codecache_stamp(w->dir, &s);
}

static void write_file(struct codecache_writer *w)
{
    struct sigaction saved;
    struct stat st;
    codecache_quiet(&saved);
    w->fd = directory_file(w->dir, CODECACHE_NEW, O_RDWR | O_CREAT | O_EXCL, &st);
    if (w->fd < 0) {
        w->error = errno;
    } else {
        put_all(w);
        if (!w->error) publish(w);
        if (w->error) (void)unlinkat(w->dir, CODECACHE_NEW, 0);
        close(w->fd);
    }
    codecache_unquiet(&saved);
}

// ---------------------------------------------------------------- files for other keys

struct other {
    char name[CODECACHE_NAME];
    uint64_t bytes;
    time_t used;
};

// The code of the file that was used longest ago, but ours; and the bytes of all.
static uint64_t look_around(int dir, const char *ours, struct other *oldest)
{
    uint64_t all = 0;
    struct stat st;
    int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (!d && fd >= 0) close(fd);
    oldest->name[0] = 0;
    for (struct dirent *e; d && (e = readdir(d));) {
        if (codecache_kind_of(e->d_name) != FILE_CODE || strlen(e->d_name) >= CODECACHE_NAME) continue;
        if (fstatat(dir, e->d_name, &st, AT_SYMLINK_NOFOLLOW)) continue;
        struct other o = {.bytes = (uint64_t)st.st_blocks * 512, .used = st.st_mtime};
        strcpy(o.name, e->d_name);
        char used[CODECACHE_NAME];
        strcpy(used, "used");
        strcat(used, strchr(o.name, '-'));
        if (!fstatat(dir, used, &st, AT_SYMLINK_NOFOLLOW) && st.st_mtime > o.used) o.used = st.st_mtime;
        all += o.bytes;
        if (strcmp(o.name, ours) && (!oldest->name[0] || o.used < oldest->used)) *oldest = o;
    }
    if (d) closedir(d);
    return all;
}

static void remove_with_its_kin(int dir, const char *code)
{
    static const char *const kin[] = {"code", "stamp", "used", "tried"};
    char name[CODECACHE_NAME + 8];
    for (unsigned i = 0; i < sizeof kin / sizeof *kin; i++) {
        strcpy(name, kin[i]);
        strcat(name, strchr(code, '-'));
        (void)unlinkat(dir, name, 0);
    }
}

// Each build of belljar has a key of its own: those that nobody runs any more would stay for ever.
static void remove_others(struct codecache_writer *w, uint64_t limit)
{
    char ours[CODECACHE_NAME];
    struct other oldest;
    codecache_name(ours, FILE_CODE, w->key);
    for (int i = 0; i < 1000 && look_around(w->dir, ours, &oldest) > limit && oldest.name[0]; i++)
        remove_with_its_kin(w->dir, oldest.name);
}

int codecache_commit(struct codecache_writer *w, uint64_t limit)
{
    if (w->plan.fresh || w->damaged) {
        if (begin_head(w)) {
            plan_lay_out(&w->plan, limit);
            write_file(w);
        } else {
            w->error = EIO;
        }
        if (!w->error) remove_others(w, limit);
    }
    int error = w->error;
    codecache_abandon(w);
    return error;
}
