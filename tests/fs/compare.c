// Is the tree what the model says?
#include "run.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

struct comparison {
    const struct model *m;
    bool xattrs;
    char *why;
    uint8_t bytes[65536];
};

static bool differs(const struct comparison *c, const char *path, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static bool differs(const struct comparison *c, const char *path, const char *format, ...)
{
    va_list args;
    int n = snprintf(c->why, WHY, "%s: ", path);
    va_start(args, format);
    vsnprintf(c->why + n, (size_t)(WHY - n), format, args);
    va_end(args);
    return false;
}

static bool same_content(struct comparison *c, const char *path, const struct node *f)
{
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return differs(c, path, "cannot be opened: %s", strerror(errno));
    size_t at = 0;
    bool same = true;
    while (same && at < f->size) {
        ssize_t n = read(fd, c->bytes, sizeof c->bytes);
        if (n <= 0) same = differs(c, path, "ends at %zu of %zu", at, f->size);
        for (ssize_t i = 0; same && i < n; i++)
            if (at + (size_t)i >= f->size || c->bytes[i] != f->data[at + (size_t)i])
                same = differs(c, path, "byte %zu is %02x", at + (size_t)i, c->bytes[i]);
        at += (size_t)(n > 0 ? n : 0);
    }
    close(fd);
    return same;
}

static bool same_link(struct comparison *c, const char *path, const struct node *l)
{
    ssize_t n = readlink(path, (char *)c->bytes, sizeof c->bytes);
    return (n == (ssize_t)l->size && !memcmp(c->bytes, l->data, l->size)) || differs(c, path, "is another link");
}

static bool same_xattrs(struct comparison *c, const char *path, const struct node *n)
{
    unsigned want = 0, got = 0;
    for (int i = 0; i < XATTRS; i++) {
        char name[8] = {'u', 's', 'e', 'r', '.', (char)('a' + i)};
        ssize_t is = getxattr(path, name, c->bytes, sizeof c->bytes);
        want += n->xattr[i].n != 0;
        if ((is < 0 ? 0 : is) != n->xattr[i].n || (is > 0 && memcmp(c->bytes, n->xattr[i].value, n->xattr[i].n)))
            return differs(c, path, "%s has %zd bytes of %u, or others", name, is, n->xattr[i].n);
    }
    ssize_t bytes = llistxattr(path, (char *)c->bytes, sizeof c->bytes);
    for (ssize_t at = 0; at < bytes; at += (ssize_t)strlen((char *)c->bytes + at) + 1)
        got += !strncmp((char *)c->bytes + at, "user.", 5);
    return got == want || differs(c, path, "%u xattrs instead of %u", got, want);
}

// A directory's links count nothing on some file systems, which say 1.
static bool same_attributes(const struct comparison *c, const char *path, const struct node *n, const struct stat *st)
{
    static const mode_t kinds[] = {[REGULAR] = S_IFREG, [DIRECTORY] = S_IFDIR, [LINK] = S_IFLNK, [FIFO] = S_IFIFO};
    if ((st->st_mode & S_IFMT) != kinds[n->kind]) return differs(c, path, "is another kind: %o", st->st_mode);
    if (n->kind != LINK && (st->st_mode & 07777) != n->mode)
        return differs(c, path, "mode %o instead of %o", st->st_mode & 07777, n->mode);
    if (st->st_nlink != n->links && !(n->kind == DIRECTORY && st->st_nlink == 1))
        return differs(c, path, "%u links instead of %u", (unsigned)st->st_nlink, n->links);
    if (n->kind != DIRECTORY && n->kind != FIFO && st->st_size != (off_t)n->size)
        return differs(c, path, "%lld bytes instead of %zu", (long long)st->st_size, n->size);
    if (n->timed && (st->st_mtim.tv_sec != n->mtime.tv_sec || st->st_mtim.tv_nsec != n->mtime.tv_nsec))
        return differs(c, path, "mtime %lld.%09ld instead of %lld.%09ld", (long long)st->st_mtim.tv_sec,
                       st->st_mtim.tv_nsec, (long long)n->mtime.tv_sec, n->mtime.tv_nsec);
    return true;
}

static bool same_node(struct comparison *c, const char *path, struct node *n)
{
    struct stat st;
    if (lstat(path, &st)) return differs(c, path, "%s", strerror(errno));
    if (!same_attributes(c, path, n, &st)) return false;
    if (n->found) // a name of it has been looked at
        return n->found == st.st_ino || differs(c, path, "is not the file that its other names are");
    n->found = st.st_ino;
    if (c->xattrs && n->kind <= DIRECTORY && !same_xattrs(c, path, n)) return false;
    return n->kind == REGULAR ? same_content(c, path, n) : n->kind == LINK ? same_link(c, path, n) : true;
}

static bool same_names(struct comparison *c, const struct node *dir)
{
    char path[128];
    unsigned n = 0;
    bool same = true;
    model_path(dir, ".", path, sizeof path);
    DIR *d = opendir(path);
    if (!d) return differs(c, path, "cannot be listed: %s", strerror(errno));
    for (struct dirent *e; same && (e = readdir(d));) {
        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..")) continue;
        n++;
        if (!model_find(dir, e->d_name)) same = differs(c, path, "has %s", e->d_name);
    }
    closedir(d);
    return same && (n == dir->nentries || differs(c, path, "%u names instead of %u", n, dir->nentries));
}

static bool same_directory(struct comparison *c, const struct node *dir)
{
    char path[128];
    if (!same_names(c, dir)) return false;
    for (unsigned i = 0; i < dir->nentries; i++) {
        model_path(dir, dir->entries[i].name, path, sizeof path);
        if (!same_node(c, path, dir->entries[i].node)) return false;
    }
    return true;
}

bool compare_tree(const struct model *m, bool xattrs, char why[WHY])
{
    struct comparison *c = malloc(sizeof *c);
    bool same = c != NULL;
    if (!c) return snprintf(why, WHY, "out of memory"), false;
    c->m = m;
    c->xattrs = xattrs;
    c->why = why;
    for (unsigned i = 0; i < m->ndirectories; i++)
        for (unsigned k = 0; k < m->directories[i]->nentries; k++) m->directories[i]->entries[k].node->found = 0;
    for (unsigned i = 0; same && i < m->ndirectories; i++) same = same_directory(c, m->directories[i]);
    free(c);
    return same;
}
