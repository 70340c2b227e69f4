// fs-exerciser: random operations on a tree of files, natively or in a box, against a model in memory.
//
//     fs-exerciser --root DIR [--seed N] [--operations N] [--files N] [--every N] [--journal FD]
//
// DIR is made, and removed at the end. After each --every operations, and at the end, the whole tree is compared with
// the model: names, content, sizes, modes, links, xattrs, times that were set. Operation I of a seed is always the same
// one, on file systems that can do the same. Exit status 1: something is wrong, with a line that says what, and when.
//
// --journal FD: "synced N" is written to FD after each fsync: what N operations have made is promised to be there after
// a loss of power. "begun" before the first. The tree is not removed; nor is it with --keep 1.
//
// --from N: the tree is there, as N operations have left it (in an image, say: with --operations N --from N --keep 1 it
// is made); it is compared, and all goes on from there.
//
//     fs-exerciser --root DIR --verify N ...the same options
//
// DIR must hold what the first M operations make, for an M from N on until a few fsyncs later: those whose line may not
// have been seen. Says which M.
#include "run.h"
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct options {
    const char *root;
    uint64_t seed, operations, files, every, from, verify;
    int journal; // -1: none
    bool verifies, keep;
};

enum { UNSEEN = 3 }; // fsyncs that may have been done without anybody having read of them

void wrong(const struct run *r, const char *format, ...)
{
    va_list args;
    printf("FAILED: seed %llu, operation %llu: ", (unsigned long long)r->seed, (unsigned long long)r->operation);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
    exit(1);
}

static void compare(const struct run *r)
{
    char why[WHY];
    if (!compare_tree(&r->model, r->xattrs, why)) wrong(r, "%s", why);
}

static void promise(int fd, const char *what, uint64_t n)
{
    char line[64];
    int length = snprintf(line, sizeof line, "%s %llu\n", what, (unsigned long long)n);
    if (write(fd, line, (size_t)length) != length) exit(2);
}

static void exercise(struct run *r, const struct options *o)
{
    bool there = o->from && o->from < o->operations;
    while (there && r->operation < o->from) run_operation(r);
    if (there) compare(r);
    if (o->journal >= 0) promise(o->journal, "begun", r->operation);
    r->live = true;
    while (r->operation < o->operations) {
        run_operation(r);
        if (r->synced && o->journal >= 0) promise(o->journal, "synced", r->operation);
        if (r->operation % o->every == 0) compare(r);
    }
    compare(r);
}

// ---------------------------------------------------------------- after a loss of power

static void verify(struct run *r, const struct options *o)
{
    char why[WHY];
    unsigned fsyncs = 0;
    while (r->operation < o->verify) run_operation(r);
    while (!compare_tree(&r->model, r->xattrs, why)) {
        if (r->operation == o->operations || fsyncs == UNSEEN)
            wrong(r, "the tree is none that was after operation %llu; the last: %s", (unsigned long long)o->verify,
                  why);
        run_operation(r);
        fsyncs += r->synced;
    }
    printf("the tree is that after operation %llu\n", (unsigned long long)r->operation);
}

// ---------------------------------------------------------------- the tree

// Without recursion, the deepest first: what is there is what the model says.
static void remove_tree(struct run *r, const char *root)
{
    char path[128];
    struct model *m = &r->model;
    while (m->root->nentries)
        for (unsigned i = m->ndirectories; i-- > 0;) {
            struct node *dir = m->directories[i];
            for (unsigned k = dir->nentries; k-- > 0;) {
                struct node *n = dir->entries[k].node;
                if (n->kind == DIRECTORY && n->nentries) continue;
                model_path(dir, dir->entries[k].name, path, sizeof path);
                if (n->kind == DIRECTORY ? rmdir(path) : unlink(path)) wrong(r, "remove %s: %s", path, strerror(errno));
                model_unlink(m, dir, dir->entries[k].name);
                if (i > m->ndirectories) i = m->ndirectories;
            }
        }
    if (chdir("..") || rmdir(root)) wrong(r, "remove %s: %s", root, strerror(errno));
}

static void enter(const struct run *r, const struct options *o)
{
    umask(0);
    bool there = o->verifies || (o->from && o->from < o->operations);
    if (!there && mkdir(o->root, 0755) && (o->journal < 0 || errno != EEXIST))
        wrong(r, "cannot make %s: %s", o->root, strerror(errno));
    if (chdir(o->root)) wrong(r, "cannot enter %s: %s", o->root, strerror(errno));
}

// What the file system can do is asked beside the tree, so that after a loss of power nothing is changed in it.
static void probe(struct run *r, const struct options *o)
{
    char name[600];
    snprintf(name, sizeof name, "%.500s.probe", o->root);
    if (mkdir(name, 0700) || chdir(name)) wrong(r, "cannot make %s: %s", name, strerror(errno));
    run_probe(r);
    if (chdir("/") || rmdir(name)) wrong(r, "cannot remove %s: %s", name, strerror(errno));
}

// ---------------------------------------------------------------- the command line

static int usage(void)
{
    fprintf(stderr, "usage: fs-exerciser --root DIR [--seed N] [--operations N] [--files N] [--every N] [--journal FD] "
                    "[--keep 1] [--from N] [--verify N]\n");
    return 2;
}

static bool take_options(struct options *o, int argc, char **argv)
{
    int i = 1;
    for (; i + 1 < argc; i += 2) {
        uint64_t n = strtoull(argv[i + 1], NULL, 0);
        if (!strcmp(argv[i], "--root"))
            o->root = argv[i + 1];
        else if (!strcmp(argv[i], "--seed"))
            o->seed = n;
        else if (!strcmp(argv[i], "--operations"))
            o->operations = n;
        else if (!strcmp(argv[i], "--files"))
            o->files = n;
        else if (!strcmp(argv[i], "--every"))
            o->every = n;
        else if (!strcmp(argv[i], "--from"))
            o->from = n;
        else if (!strcmp(argv[i], "--keep"))
            o->keep = n;
        else if (!strcmp(argv[i], "--journal"))
            o->journal = (int)n;
        else if (!strcmp(argv[i], "--verify"))
            o->verify = n, o->verifies = true;
        else
            return false;
    }
    return i == argc && o->root && o->root[0] == '/' && o->every;
}

int main(int argc, char **argv)
{
    static struct run r;
    struct options o = {.seed = 1, .operations = 20000, .files = 150, .every = 2000, .journal = -1};
    if (!take_options(&o, argc, argv)) return usage();
    setvbuf(stdout, NULL, _IOLBF, 0);
    r.seed = o.seed;
    r.files = (unsigned)o.files;
    r.from = o.from;
    model_open(&r.model);
    probe(&r, &o);
    enter(&r, &o);
    if (o.verifies) {
        verify(&r, &o);
        return 0;
    }
    exercise(&r, &o);
    run_close_handles(&r);
    printf("fs-exerciser: seed %llu: %llu operations, good%s%s%s%s%s\n", (unsigned long long)o.seed,
           (unsigned long long)o.operations, r.xattrs ? "" : ", no xattrs", r.zero_range ? "" : ", no ZERO_RANGE",
           r.punch ? "" : ", no holes punched", r.exchange ? "" : ", no RENAME_EXCHANGE",
           r.tmpfile ? "" : ", no O_TMPFILE");
    if (o.journal < 0 && !o.keep) remove_tree(&r, o.root);
    model_close(&r.model);
    return 0;
}
