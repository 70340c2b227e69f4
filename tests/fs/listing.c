// The exerciser's operation that lists a directory while its names change: what is there all the time is told once,
// what comes or goes meanwhile at most once.
#include "run.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST = 64, CHANGES = 4 };

struct listing {
    char name[MOST][NAME]; // that have been told
    unsigned n;
};

static void read_some(const struct run *r, DIR *d, struct listing *l, unsigned most)
{
    for (struct dirent *e; most-- > 0 && (e = readdir(d));) {
        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..")) continue;
        size_t n = strlen(e->d_name);
        if (l->n == MOST || n >= NAME) wrong(r, "readdir: a name too much: %s", e->d_name);
        for (unsigned i = 0; i < l->n; i++)
            if (!strcmp(l->name[i], e->d_name)) wrong(r, "readdir tells %s twice", e->d_name);
        memcpy(l->name[l->n++], e->d_name, n + 1);
    }
}

static bool tells(const struct listing *l, const char *name)
{
    for (unsigned i = 0; i < l->n; i++)
        if (!strcmp(l->name[i], name)) return true;
    return false;
}

// Removes a file, or makes one with a name that never was.
static void change(struct run *r, struct node *dir, unsigned number)
{
    char name[NAME], path[128];
    struct node *was;
    uint64_t x = draw(r, 2), which = draw(r, 1 << 16);
    snprintf(name, NAME, "w%x", (unsigned)(r->operation * CHANGES + number));
    if (x && dir->nentries) snprintf(name, NAME, "%s", dir->entries[which % dir->nentries].name);
    was = model_find(dir, name);
    if (was && was->kind == DIRECTORY) return;
    if (!was && r->model.nnodes >= r->files) return;
    model_path(dir, name, path, sizeof path);
    if (r->live && was && unlink(path)) wrong(r, "unlink %s: %s", path, strerror(errno));
    if (r->live && !was) {
        int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
        if (fd < 0) wrong(r, "create %s: %s", path, strerror(errno));
        close(fd);
    }
    if (was)
        model_unlink(&r->model, dir, name);
    else
        model_link(&r->model, dir, name, model_new(&r->model, REGULAR, 0644));
}

void run_read_while_changing(struct run *r)
{
    struct node *dir = r->model.directories[draw(r, r->model.ndirectories)];
    struct listing told = {0}, before = {0};
    char path[128];
    unsigned first = (unsigned)draw(r, 12);
    if (dir->nentries + CHANGES > MOST) return;
    for (unsigned i = 0; i < dir->nentries; i++) snprintf(before.name[before.n++], NAME, "%s", dir->entries[i].name);
    model_path(dir, ".", path, sizeof path);
    DIR *d = r->live ? opendir(path) : NULL;
    if (r->live && !d) wrong(r, "opendir %s: %s", path, strerror(errno));
    if (d) read_some(r, d, &told, first);
    for (unsigned i = 0; i < CHANGES; i++) change(r, dir, i);
    if (!d) return;
    read_some(r, d, &told, MOST * 2);
    closedir(d);
    for (unsigned i = 0; i < before.n; i++)
        if (model_find(dir, before.name[i]) && !tells(&told, before.name[i]))
            wrong(r, "readdir of %s does not tell %s", path, before.name[i]);
}
