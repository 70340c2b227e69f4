// See model.h.
#include "model.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *grown(void *at, size_t bytes)
{
    at = realloc(at, bytes);
    if (at) return at;
    fprintf(stderr, "fs-exerciser: out of memory\n");
    exit(2);
}

void model_open(struct model *m)
{
    *m = (struct model){0};
    m->root = model_new(m, DIRECTORY, 0755);
    m->root->links = 2;
    m->directories = grown(NULL, sizeof *m->directories);
    m->directories[m->ndirectories++] = m->root;
}

static void free_node(struct model *m, struct node *n)
{
    free(n->data);
    free(n->entries);
    free(n);
    m->nnodes--;
}

// The deepest names first, without recursion.
void model_close(struct model *m)
{
    while (m->ndirectories > 0) {
        struct node *dir = m->directories[m->ndirectories - 1];
        if (dir->nentries) {
            model_unlink(m, dir, dir->entries[dir->nentries - 1].name);
        } else {
            m->ndirectories--;
            if (dir == m->root) free_node(m, dir);
        }
    }
    free(m->directories);
}

static struct entry *entry_of(const struct node *dir, const char *name)
{
    for (unsigned i = 0; i < dir->nentries; i++)
        if (!strcmp(dir->entries[i].name, name)) return &dir->entries[i];
    return NULL;
}

struct node *model_find(const struct node *dir, const char *name)
{
    const struct entry *e = entry_of(dir, name);
    return e ? e->node : NULL;
}

struct node *model_new(struct model *m, enum kind kind, unsigned mode)
{
    struct node *n = grown(NULL, sizeof *n);
    *n = (struct node){.kind = kind, .mode = mode};
    m->nnodes++;
    return n;
}

static void insert(struct node *dir, const char *name, struct node *n)
{
    if (dir->nentries == dir->entry_room) {
        dir->entry_room = dir->entry_room ? dir->entry_room * 2 : 4;
        dir->entries = grown(dir->entries, dir->entry_room * sizeof *dir->entries);
    }
    struct entry *e = &dir->entries[dir->nentries++];
    snprintf(e->name, NAME, "%s", name);
    e->node = n;
    dir->timed = false;
}

void model_link(struct model *m, struct node *dir, const char *name, struct node *n)
{
    insert(dir, name, n);
    if (n->kind != DIRECTORY) {
        n->links++;
        return;
    }
    n->parent = dir;
    n->links = 2;
    dir->links++;
    m->directories = grown(m->directories, (m->ndirectories + 1) * sizeof *m->directories);
    m->directories[m->ndirectories++] = n;
}

static void forget_directory(struct model *m, const struct node *n)
{
    for (unsigned i = 0; i < m->ndirectories; i++)
        if (m->directories[i] == n) {
            m->directories[i] = m->directories[--m->ndirectories];
            return;
        }
}

void model_unlink(struct model *m, struct node *dir, const char *name)
{
    struct entry *e = entry_of(dir, name);
    struct node *n = e->node;
    *e = dir->entries[--dir->nentries];
    dir->timed = false;
    if (n->kind == DIRECTORY) {
        dir->links--;
        n->links = 0;
        while (n->nentries) model_unlink(m, n, n->entries[n->nentries - 1].name); // only when all is freed
        forget_directory(m, n);
    } else {
        n->links--;
    }
    if (!n->links && !n->holds) free_node(m, n);
}

void model_release(struct model *m, struct node *n)
{
    if (!--n->holds && !n->links) free_node(m, n);
}

static void adopt(struct node *dir, struct node *was, struct node *n)
{
    if (n->kind != DIRECTORY || dir == was) return;
    was->links--;
    dir->links++;
    n->parent = dir;
}

void model_move(struct model *m, struct node *dir, const char *name, struct node *to, const char *as)
{
    if (model_find(to, as)) model_unlink(m, to, as);
    struct entry *e = entry_of(dir, name);
    struct node *n = e->node;
    *e = dir->entries[--dir->nentries];
    dir->timed = false;
    insert(to, as, n);
    adopt(to, dir, n);
}

void model_exchange(struct node *dir, const char *name, struct node *other_dir, const char *other)
{
    struct entry *a = entry_of(dir, name), *b = entry_of(other_dir, other);
    struct node *n = a->node;
    a->node = b->node;
    b->node = n;
    adopt(other_dir, dir, b->node);
    adopt(dir, other_dir, a->node);
    dir->timed = other_dir->timed = false;
}

bool model_is_above(const struct node *above, const struct node *dir)
{
    for (; dir; dir = dir->parent)
        if (dir == above) return true;
    return false;
}

unsigned model_depth(const struct node *dir)
{
    unsigned n = 0;
    for (; dir->parent; dir = dir->parent) n++;
    return n;
}

static const char *name_of(const struct node *dir)
{
    for (unsigned i = 0; i < dir->parent->nentries; i++)
        if (dir->parent->entries[i].node == dir) return dir->parent->entries[i].name;
    return "?";
}

// From its end to its begin.
void model_path(const struct node *dir, const char *name, char *path, size_t n)
{
    size_t at = n, k = strlen(name);
    path[--at] = 0;
    for (;;) {
        if (k + 1 > at) exit(2);
        at -= k;
        memcpy(path + at, name, k);
        if (!dir->parent) break;
        path[--at] = '/';
        name = name_of(dir);
        k = strlen(name);
        dir = dir->parent;
    }
    memmove(path, path + at, n - at);
}

void model_resize(struct node *f, size_t n)
{
    if (n > f->room) {
        f->room = n + n / 2;
        f->data = grown(f->data, f->room);
    }
    if (n > f->size) memset(f->data + f->size, 0, n - f->size);
    f->size = n;
    f->timed = false;
}

void model_write(struct node *f, size_t at, const uint8_t *from, size_t n)
{
    if (!n) return;
    if (at + n > f->size) model_resize(f, at + n);
    memcpy(f->data + at, from, n);
    f->timed = false;
}

void model_zero(struct node *f, size_t at, size_t n)
{
    if (at < f->size) memset(f->data + at, 0, n < f->size - at ? n : f->size - at);
    f->timed = false;
}
