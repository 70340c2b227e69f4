// See fuzz_file.h. What is where is decided by the writer's plan (cli/codecache_plan.h), and whether it is a good file
// by the reader. In between it is put together here, by jit/store.h, in memory: the writer itself has a directory,
// locks and waits for the clock.
#include "fuzz_file.h"
#include "cli/codecache_file.h"
#include "cli/codecache_plan.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static const uint8_t key[STORE_DIGEST] = "the key of jit-fuzz's cache file";

static bool plan_all(struct plan *p, const struct fuzz_new *all)
{
    for (unsigned i = 0; i < all->n; i++) {
        const struct built *b = &all->built[i];
        struct store_new n = {.id = all->id[i],
                              .targets = b->section[STORE_TABLE],
                              .ntargets = (uint32_t)(b->bytes[STORE_TABLE] / sizeof(struct store_target))};
        for (unsigned s = 0; s < STORE_SECTIONS; s++) {
            n.section[s].at = b->section[s];
            n.section[s].bytes = b->bytes[s];
        }
        if (!plan_add(p, &n)) return false;
    }
    return plan_remember(p, &all->memo, true);
}

static void put_table(const struct plan *p, struct planned *s, uint8_t *file)
{
    uint32_t page[STORE_TABLE_GUEST], code = STORE_WINDOW + (uint32_t)s->shard.section[STORE_CODE].at;
    struct store_range *to = &s->shard.section[STORE_TABLE];
    struct table_walk walk = table_begin(s);
    to->sum = store_sum(STORE_TABLE, NULL, 0);
    while (table_next(&walk, page, p->head.top, code)) {
        to->sum = store_table_step(to->sum, walk.page, page);
        memcpy(file + to->at + (size_t)walk.page * STORE_PAGE, page, sizeof page);
    }
}

static void put_shard(const struct plan *p, struct planned *s, uint8_t *file)
{
    for (unsigned i = 0; i < STORE_SECTIONS; i++) {
        struct store_range *to = &s->shard.section[i];
        if (i == STORE_TABLE) {
            put_table(p, s, file);
            continue;
        }
        to->sum = store_sum(i, s->new.section[i].at, to->bytes);
        memcpy(file + to->at + (i == STORE_CODE ? p->head.code_at : 0), s->new.section[i].at, to->bytes);
    }
}

static uint8_t *make_file(struct plan *p, uint32_t top)
{
    p->head = (struct store_head){.version = STORE_VERSION, .top = top, .generation = 1};
    memcpy(p->head.magic, STORE_MAGIC, sizeof p->head.magic);
    memcpy(p->head.key, key, sizeof key);
    plan_lay_out(p, UINT64_MAX);
    uint8_t *file = calloc(1, p->head.bytes), *at = file + sizeof p->head;
    if (!file) return NULL;
    for (uint32_t i = 0; i < p->n; i++, at += sizeof(struct store_shard)) {
        put_shard(p, &p->shards[i], file);
        memcpy(at, &p->shards[i].shard, sizeof(struct store_shard));
    }
    for (uint32_t i = 0; i < p->nmemos; i++, at += sizeof(struct store_memo))
        memcpy(at, &p->memos[i].memo, sizeof(struct store_memo));
    memcpy(file, &p->head, sizeof p->head);
    ((struct store_head *)(void *)file)->sum = store_head_sum((struct store_head *)(void *)file);
    return file;
}

static int write_file(const struct fuzz_new *all, uint32_t top)
{
    struct plan p = {0};
    uint8_t *file = plan_all(&p, all) ? make_file(&p, top) : NULL;
    int fd = file ? memfd_create("cache", MFD_CLOEXEC) : -1;
    if (fd >= 0 && write(fd, file, p.head.bytes) != (ssize_t)p.head.bytes) {
        close(fd);
        fd = -1;
    }
    free(file);
    plan_free(&p);
    return fd;
}

const char *fuzz_file_open(struct fuzz_file *f, const struct fuzz_new *all, void *window, uint32_t top)
{
    struct stat st;
    int fd = write_file(all, top);
    *f = (struct fuzz_file){.window = window};
    if (fd < 0 || fstat(fd, &st)) return "the cache file cannot be written";
    const char *why = codecache_map_file(fd, &st, key, &f->store);
    if (why) return why;
    return codecache_map(&f->store, window) ? NULL : "the cache file's code cannot be mapped";
}

// The window is reserved again where its code was (host/exec.c).
void fuzz_file_close(struct fuzz_file *f)
{
    enum { FLAGS = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED };
    if (!f->store.head) return;
    size_t bytes = f->store.head->code_bytes;
    if (mmap((uint8_t *)f->window + STORE_WINDOW, bytes, PROT_NONE, FLAGS, -1, 0) == MAP_FAILED) abort();
    codecache_close(&f->store);
}
