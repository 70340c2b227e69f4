// The code cache in a program that embeds the library (belljar.h, struct belljar_code_cache): its code runs at one
// address, so of several boxes of a process one at a time has it, and the others do without. Whichever has it, in
// whatever order they are made, run and freed, one within another or in two threads, they print what they print
// without.
//
//     store-embedded IMAGE
#include "cli/cachefill.h"
#include "cli/cachefill_profile.h"
#include "cli/codecache_file.h"
#include "fake.h"
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

static const char *const program[] = {
    "python3", "-c",
    "import json, re, hashlib\n"
    "for i in range(40): print(json.dumps([re.sub('b', 'c', 'abc' * i), hashlib.sha256(b'x' * i).hexdigest()]))",
    NULL};
enum { OUTPUT = 1 << 14 };

struct part {
    const char *name;
    struct command_line line;
    struct belljar_image *image;
    struct belljar_box *box;
    struct cachefill c;
    struct part *within; // run when the first output comes
    char out[OUTPUT];
    size_t n;
    bool elsewhere;  // it is given the cache, but not the memory where its code is
    bool has_cache;  // it was given both
    unsigned shards; // it has run from so many
    bool bad;
};

static char wanted[OUTPUT];
static const char *directory, *image_file;
static const char elsewhere[] = "the directory, but not the memory";
static int image;

int fail(int status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    return status;
}

static bool must(struct part *p, bool good, const char *what)
{
    if (good) return true;
    fprintf(stderr, "%s: %s\n", p->name, what);
    p->bad = true;
    return false;
}

// ---------------------------------------------------------------- a box

static void run(struct part *);

static ptrdiff_t collect(void *ctx, const void *from, size_t n)
{
    struct part *p = ctx;
    if (n > sizeof p->out - 1 - p->n) return -1;
    memcpy(p->out + p->n, from, n);
    p->n += n;
    struct part *within = p->within;
    p->within = NULL;
    if (within) run(within);
    return (ptrdiff_t)n;
}

// As the command does it. The cache is there for the first who comes.
static void lend(struct part *p)
{
    struct belljar_options *o = &p->line.box;
    struct belljar_error why;
    if (!must(p, !cachefill_open(&p->c, &p->line, image), "cachefill_open") || !p->c.store.head) return;
    if (p->elsewhere) {
        p->c.cache.file = &p->c.store;
        o->cache = &p->c.cache;
        return;
    }
    int code = belljar_code_memory_new_at(&o->code, p->c.store.head->top, &why);
    if (!code) cachefill_lend(&p->c, o);
    p->has_cache = o->cache != NULL;
    must(p, !code ? p->has_cache : code == BELLJAR_NO_RESOURCES, "neither lent nor refused");
}

static void make(struct part *p, const char *name, const char *cache)
{
    struct belljar_error why;
    *p = (struct part){.name = name, .elsewhere = cache == elsewhere};
    belljar_options_init(&p->line.box);
    p->line.jail = true;
    p->line.code_cache = p->elsewhere ? directory : cache;
    p->line.box.argv = program;
    p->line.box.stdio[0].fd = -1;
    p->line.box.stdio[1].write = collect;
    p->line.box.stdio[1].ctx = p;
    lend(p);
    must(p, !belljar_image_open(image_file, &p->image, &why) && !belljar_box_new(p->image, &p->line.box, &p->box, &why),
         "cannot be made");
}

static unsigned count_shards(int fd)
{
    unsigned n = 0;
    off_t bytes = lseek(fd, 0, SEEK_END);
    const uint8_t *all = bytes > 0 ? mmap(NULL, (size_t)bytes, PROT_READ, MAP_SHARED, fd, 0) : MAP_FAILED;
    if (all == MAP_FAILED) return 0;
    struct profile_mapping m;
    const struct profile_code *codes;
    const uint8_t *at = all;
    for (size_t left = (size_t)bytes; profile_next(&at, &left, &m, &codes);) n += m.slot != 0;
    munmap((void *)(uintptr_t)all, (size_t)bytes);
    return n;
}

static void run(struct part *p)
{
    struct belljar_result r;
    struct belljar_error why;
    if (!must(p, p->box && !belljar_box_run(p->box, &r, &why) && r.end == BELLJAR_EXITED && r.code == 0, "did not run"))
        return;
    if (p->c.profile < 0) return;
    must(p, !belljar_box_profile(p->box, p->c.profile, &why), "no profile");
    p->shards = count_shards(p->c.profile);
}

static void drop(struct part *p, bool fill)
{
    belljar_box_free(p->box);
    belljar_image_close(p->image);
    belljar_code_memory_free(p->line.box.code);
    if (fill) cachefill_look(&p->c, &p->line, image, NULL);
    cachefill_end(&p->c, &p->line, image, NULL);
    codecache_close(&p->c.store);
    if (p->c.profile >= 0) close(p->c.profile);
    if (p->c.dir >= 0) close(p->c.dir);
}

// How it was, with the cache or without. Counts what was wrong.
static int judge(struct part *p, bool cached)
{
    must(p, !strcmp(p->out, wanted), "its output is not what it is without the cache");
    must(p, p->has_cache == cached, cached ? "the cache was not to be had" : "two have it");
    must(p, (p->shards > 0) == cached, cached ? "it ran nothing of it" : "it ran from it");
    return p->bad;
}

// ---------------------------------------------------------------- several

static struct part a, b;

static int fill(void)
{
    for (int i = 0; i < 3; i++) {
        make(&a, "fill", directory);
        run(&a);
        must(&a, !strcmp(a.out, wanted), "its output is not what it is without the cache");
        drop(&a, true);
        int dir = open(directory, O_RDONLY | O_DIRECTORY);
        int busy = codecache_open_locked(dir, CODECACHE_BUSY, LOCK_EX);
        close(busy);
        close(dir);
        if (a.bad) return 1;
    }
    return 0;
}

static int alone(const char *name)
{
    make(&a, name, directory);
    run(&a);
    int bad = judge(&a, true);
    drop(&a, false);
    return bad;
}

static int without_its_memory(void)
{
    make(&a, "the cache without its memory", elsewhere);
    run(&a);
    int bad = judge(&a, false);
    drop(&a, false);
    return bad;
}

static int interleaved(const char *name, bool second_runs_first, bool second_goes_first)
{
    make(&a, name, directory);
    make(&b, name, directory);
    run(second_runs_first ? &b : &a);
    run(second_runs_first ? &a : &b);
    int bad = judge(&a, true) + judge(&b, false);
    drop(second_goes_first ? &b : &a, false);
    drop(second_goes_first ? &a : &b, false);
    return bad;
}

// A box that runs while another one, of the same thread, waits for its output to be taken.
static int nested(const char *name, bool inner_has_it)
{
    struct part *inner = inner_has_it ? &a : &b, *outer = inner_has_it ? &b : &a;
    make(&a, name, directory);
    make(&b, name, directory);
    outer->within = inner;
    run(outer);
    int bad = judge(&a, true) + judge(&b, false);
    drop(&a, false);
    drop(&b, false);
    return bad;
}

static void *in_a_thread(void *p)
{
    make(p, "a thread", directory);
    run(p);
    return NULL;
}

// Whoever comes first has it.
static int threads(void)
{
    pthread_t thread[2];
    int bad = 0;
    for (int round = 0; round < 4 && !bad; round++) {
        pthread_create(&thread[0], NULL, in_a_thread, &a);
        pthread_create(&thread[1], NULL, in_a_thread, &b);
        for (int i = 0; i < 2; i++) pthread_join(thread[i], NULL);
        bad = judge(&a, a.has_cache) + judge(&b, !a.has_cache);
        drop(&a, false);
        drop(&b, false);
    }
    return bad;
}

static int all(void)
{
    make(&a, "without", "none");
    run(&a);
    memcpy(wanted, a.out, sizeof wanted);
    drop(&a, false);
    if (a.bad || fill()) return 1;
    int bad = alone("alone") + without_its_memory();
    bad += interleaved("first made, first run", false, false);
    bad += interleaved("first made, last run", true, true);
    bad += nested("within one that has it", false);
    bad += nested("within one that has none", true);
    bad += threads();
    return bad + alone("alone again");
}

int main(int argc, char **argv)
{
    char path[FAKE_DIRECTORY];
    struct belljar_code_memory *code;
    if (argc != 2 || (image = open(argv[1], O_RDONLY | O_CLOEXEC)) < 0) return 2;
    if (belljar_code_memory_new(&code, NULL)) return 77; // nothing is translated
    belljar_code_memory_free(code);
    image_file = argv[1];
    close(fake_directory(path));
    directory = path;
    int bad = all();
    fake_remove(path);
    return bad != 0;
}
