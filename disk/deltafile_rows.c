// Inodes, names and extended attributes of a delta file: what may be put, and what is believed of what is read. See
// deltafile.h.
#include "disk/deltafile_internal.h"
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

// Between rows of a walk that has to ascend. -EIO: it does not.
static int not_ascending(struct deltafile *d, sqlite3_stmt *s)
{
    d->lib.reset(s);
    return delta_damaged(d, "rows are out of order");
}

// What a sink said, or how the reading ended; the statement is free again.
static int ended(struct deltafile *d, sqlite3_stmt *s, int got, int said)
{
    if (s) d->lib.reset(s);
    return said ? said : got;
}

// ---------------------------------------------------------------- inodes

static bool time_ok(const struct delta_time *t)
{
    return t->nsec < 1000000000;
}

static bool kind_ok(uint32_t mode)
{
    return mode <= 0177777 && (S_ISREG(mode) || S_ISDIR(mode) || S_ISLNK(mode) || S_ISCHR(mode) || S_ISBLK(mode) ||
                               S_ISFIFO(mode) || S_ISSOCK(mode));
}

static bool target_ok(const struct delta_inode *i)
{
    if (!i->target) return !S_ISLNK(i->mode) || i->nlink == 0;
    return S_ISLNK(i->mode) && i->size > 0 && i->size <= DELTA_TARGET_MAX && !memchr(i->target, 0, i->size);
}

// What is wrong with it, NULL: nothing.
static const char *inode_fault(const struct delta_inode *i)
{
    if (i->ino == 0 || i->ino > DELTA_INO_MAX) return "an inode's number";
    if (!kind_ok(i->mode)) return "an inode's mode";
    if (i->size > DELTA_SIZE_MAX) return "a file's size";
    if (i->nlink > INT32_MAX || i->flags & ~(uint32_t)DELTA_FLAGS) return "an inode's links or flags";
    if (!time_ok(&i->atime) || !time_ok(&i->mtime) || !time_ok(&i->ctime) || !time_ok(&i->btime))
        return "a file's time";
    return target_ok(i) ? NULL : "a symbolic link";
}

static void bind_time(struct deltafile *d, sqlite3_stmt *s, int at, const struct delta_time *t)
{
    d->lib.bind_int64(s, at, t->sec);
    d->lib.bind_int64(s, at + 1, t->nsec);
}

int deltafile_put_inode(struct deltafile *d, const struct delta_inode *i)
{
    const char *fault = inode_fault(i);
    if (fault) return delta_refused(d, fault);
    sqlite3_stmt *s = delta_statement(d, DELTA_SQL_PUT_INODE);
    if (!s) return delta_step(d, s);
    const uint64_t numbers[] = {i->ino, i->mode, i->nlink, i->uid, i->gid, i->rdev, i->size, i->flags, i->image_pages};
    for (int k = 0; k < 9; k++) d->lib.bind_int64(s, k + 1, (int64_t)numbers[k]);
    bind_time(d, s, 10, &i->atime);
    bind_time(d, s, 12, &i->mtime);
    bind_time(d, s, 14, &i->ctime);
    bind_time(d, s, 16, &i->btime);
    if (i->target)
        d->lib.bind_blob(s, 18, i->target, (int)i->size, SQLITE_STATIC);
    else
        d->lib.bind_null(s, 18);
    return delta_run(d, s);
}

static struct delta_time time_at(struct deltafile *d, sqlite3_stmt *s, int column, bool *ok)
{
    if (d->lib.column_type(s, column) != SQLITE_INTEGER) *ok = false;
    int64_t sec = d->lib.column_int64(s, column);
    return (struct delta_time){sec, (uint32_t)delta_number(d, s, column + 1, 999999999, ok)};
}

static int take_inode(struct deltafile *d, sqlite3_stmt *s, struct delta_inode *i)
{
    bool ok = true;
    uint64_t numbers[9];
    size_t n = 0;
    for (int k = 0; k < 9; k++) numbers[k] = delta_number(d, s, k, k == 0 || k == 6 ? INT64_MAX : UINT32_MAX, &ok);
    *i = (struct delta_inode){.ino = numbers[0],
                              .mode = (uint32_t)numbers[1],
                              .nlink = (uint32_t)numbers[2],
                              .uid = (uint32_t)numbers[3],
                              .gid = (uint32_t)numbers[4],
                              .rdev = (uint32_t)numbers[5],
                              .size = numbers[6],
                              .flags = (uint32_t)numbers[7],
                              .image_pages = (uint32_t)numbers[8],
                              .atime = time_at(d, s, 9, &ok),
                              .mtime = time_at(d, s, 11, &ok),
                              .ctime = time_at(d, s, 13, &ok),
                              .btime = time_at(d, s, 15, &ok)};
    if (d->lib.column_type(s, 17) != SQLITE_NULL) {
        const void *target = delta_blob(d, s, 17, 1, DELTA_TARGET_MAX, &n, &ok);
        if (ok) {
            memcpy(d->target, target, n);
            i->target = d->target;
        }
        ok = ok && n == i->size;
    }
    const char *fault = ok ? inode_fault(i) : "an inode's row";
    return fault ? delta_damaged(d, fault) : 0;
}

int deltafile_inode(struct deltafile *d, uint64_t ino, struct delta_inode *found)
{
    sqlite3_stmt *s = delta_statement(d, DELTA_SQL_INODE);
    if (s) d->lib.bind_int64(s, 1, (int64_t)ino);
    int got = delta_step(d, s);
    if (got <= 0) return got;
    int err = take_inode(d, s, found);
    d->lib.reset(s);
    if (!err && found->ino != ino) err = delta_damaged(d, "an inode's number");
    return err ? err : 1;
}

int deltafile_inodes(struct deltafile *d, uint64_t from, delta_inode_sink *sink, void *ctx)
{
    struct delta_inode i;
    sqlite3_stmt *s = delta_statement(d, DELTA_SQL_INODES);
    if (s) d->lib.bind_int64(s, 1, (int64_t)from);
    uint64_t least = from;
    int got, said = 0;
    while (!said && (got = delta_step(d, s)) > 0) {
        said = take_inode(d, s, &i);
        if (!said && i.ino < least) return not_ascending(d, s);
        least = i.ino + 1;
        if (!said) said = sink(ctx, &i);
    }
    return ended(d, s, said ? 0 : got, said);
}

int deltafile_remove_inode(struct deltafile *d, uint64_t ino)
{
    static const enum delta_statement of[] = {DELTA_SQL_NO_INODE, DELTA_SQL_NO_NAMES, DELTA_SQL_NO_XATTRS};
    int err = 0;
    for (size_t k = 0; k < sizeof of / sizeof *of && !err; k++) {
        sqlite3_stmt *s = delta_statement(d, of[k]);
        if (s) d->lib.bind_int64(s, 1, (int64_t)ino);
        err = delta_run(d, s);
    }
    return err ? err : deltafile_cut_pages(d, ino, 0);
}

uint64_t deltafile_next_ino(struct deltafile *d)
{
    sqlite3_stmt *s = delta_statement(d, DELTA_SQL_NEXT_INO);
    bool ok = true;
    if (delta_step(d, s) <= 0) return 0;
    uint64_t next = delta_number(d, s, 0, DELTA_INO_MAX, &ok);
    d->lib.reset(s);
    if (ok && next > d->base.inodes) return next;
    delta_damaged(d, "the number of the next inode");
    return 0;
}

int deltafile_set_next_ino(struct deltafile *d, uint64_t next)
{
    if (next <= d->base.inodes || next > DELTA_INO_MAX) return delta_refused(d, "the number of the next inode");
    sqlite3_stmt *s = delta_statement(d, DELTA_SQL_SET_NEXT_INO);
    if (s) d->lib.bind_int64(s, 1, (int64_t)next);
    return delta_run(d, s);
}

// ---------------------------------------------------------------- names

static const char *name_fault(const struct delta_name *n)
{
    if (n->dir == 0 || n->dir > DELTA_INO_MAX || n->ino > DELTA_INO_MAX) return "a name's inodes";
    if (n->len == 0 || n->len > DELTA_NAME_MAX || memchr(n->name, '/', n->len) || memchr(n->name, 0, n->len))
        return "a name";
    if (n->name[0] == '.' && (n->len == 1 || (n->len == 2 && n->name[1] == '.'))) return "a name of dots";
    return n->type > 15 ? "a name's type" : NULL;
}

int deltafile_put_name(struct deltafile *d, const struct delta_name *n)
{
    const char *fault = name_fault(n);
    if (fault) return delta_refused(d, fault);
    sqlite3_stmt *s = delta_statement(d, DELTA_SQL_PUT_NAME);
    if (!s) return delta_step(d, s);
    d->lib.bind_int64(s, 1, (int64_t)n->dir);
    d->lib.bind_blob(s, 2, n->name, (int)n->len, SQLITE_STATIC);
    d->lib.bind_int64(s, 3, (int64_t)n->ino);
    d->lib.bind_int64(s, 4, n->type);
    return delta_run(d, s);
}

static int take_name(struct deltafile *d, sqlite3_stmt *s, struct delta_name *n)
{
    bool ok = true;
    size_t len;
    n->dir = delta_number(d, s, 0, DELTA_INO_MAX, &ok);
    n->name = delta_blob(d, s, 1, 1, DELTA_NAME_MAX, &len, &ok);
    n->len = (uint32_t)len;
    n->ino = delta_number(d, s, 2, DELTA_INO_MAX, &ok);
    n->type = (uint32_t)delta_number(d, s, 3, 15, &ok);
    const char *fault = ok ? name_fault(n) : "a name's row";
    return fault ? delta_damaged(d, fault) : 0;
}

static void bind_name(struct deltafile *d, sqlite3_stmt *s, uint64_t dir, const char *name, size_t len)
{
    if (!s) return;
    d->lib.bind_int64(s, 1, (int64_t)dir);
    d->lib.bind_blob(s, 2, len ? name : "", (int)len, SQLITE_STATIC);
}

int deltafile_remove_name(struct deltafile *d, uint64_t dir, const char *name, size_t len)
{
    if (len > DELTA_NAME_MAX) return delta_refused(d, "a name");
    sqlite3_stmt *s = delta_statement(d, DELTA_SQL_NO_NAME);
    bind_name(d, s, dir, name, len);
    return delta_run(d, s);
}

int deltafile_name(struct deltafile *d, uint64_t dir, const char *name, size_t len, struct delta_name *found)
{
    if (len > DELTA_NAME_MAX) return 0;
    sqlite3_stmt *s = delta_statement(d, DELTA_SQL_NAME);
    bind_name(d, s, dir, name, len);
    int got = delta_step(d, s);
    if (got <= 0) return got;
    int err = take_name(d, s, found);
    if (!err && (found->dir != dir || found->len != len || memcmp(found->name, name, len)))
        err = delta_damaged(d, "a name");
    if (!err) {
        memcpy(d->name, found->name, len);
        found->name = d->name;
    }
    d->lib.reset(s);
    return err ? err : 1;
}

static int compare(uint64_t dir, const char *name, size_t len, const struct delta_name *with)
{
    if (dir != with->dir) return dir < with->dir ? -1 : 1;
    int c = memcmp(name, with->name, len < with->len ? len : with->len);
    return c ? c : len < with->len ? -1 : len > with->len;
}

int deltafile_names(struct deltafile *d, uint64_t dir, const char *after, size_t len, delta_name_sink *sink, void *ctx)
{
    struct delta_name n;
    struct {
        uint64_t dir;
        size_t len;
        char name[DELTA_NAME_MAX];
    } last = {dir, after ? len : 0, {0}};
    if (last.len > DELTA_NAME_MAX) return delta_refused(d, "a name");
    if (last.len) memcpy(last.name, after, last.len);
    sqlite3_stmt *s = delta_statement(d, dir ? DELTA_SQL_NAMES : DELTA_SQL_ALL_NAMES);
    if (dir) bind_name(d, s, dir, after, last.len);
    int got, said = 0;
    while (!said && (got = delta_step(d, s)) > 0) {
        said = take_name(d, s, &n);
        if (said) break;
        if ((dir && n.dir != dir) || compare(last.dir, last.name, last.len, &n) >= 0) return not_ascending(d, s);
        last.dir = n.dir;
        last.len = n.len;
        memcpy(last.name, n.name, n.len);
        said = sink(ctx, &n);
    }
    return ended(d, s, said ? 0 : got, said);
}

// ---------------------------------------------------------------- extended attributes

int deltafile_put_xattr(struct deltafile *d, uint64_t ino, const char *name, const void *value, size_t n)
{
    size_t len = strlen(name);
    if (len == 0 || len > DELTA_NAME_MAX || n > DELTA_XATTR_MAX) return delta_refused(d, "an extended attribute");
    sqlite3_stmt *s = delta_statement(d, DELTA_SQL_PUT_XATTR);
    if (!s) return delta_step(d, s);
    d->lib.bind_int64(s, 1, (int64_t)ino);
    d->lib.bind_blob(s, 2, name, (int)len, SQLITE_STATIC);
    d->lib.bind_blob(s, 3, n ? value : "", (int)n, SQLITE_STATIC); // no address would be NULL
    return delta_run(d, s);
}

int deltafile_remove_xattrs(struct deltafile *d, uint64_t ino)
{
    sqlite3_stmt *s = delta_statement(d, DELTA_SQL_NO_XATTRS);
    if (s) d->lib.bind_int64(s, 1, (int64_t)ino);
    return delta_run(d, s);
}

int deltafile_xattrs(struct deltafile *d, uint64_t ino, delta_xattr_sink *sink, void *ctx)
{
    char last[DELTA_NAME_MAX + 1] = "", name[DELTA_NAME_MAX + 1];
    size_t len, n;
    sqlite3_stmt *s = delta_statement(d, DELTA_SQL_XATTRS);
    if (s) d->lib.bind_int64(s, 1, (int64_t)ino);
    int got, said = 0;
    while (!said && (got = delta_step(d, s)) > 0) {
        bool ok = delta_number(d, s, 0, DELTA_INO_MAX, &(bool){true}) == ino;
        const char *text = delta_blob(d, s, 1, 1, DELTA_NAME_MAX, &len, &ok);
        const void *value = delta_blob(d, s, 2, 0, DELTA_XATTR_MAX, &n, &ok);
        if (!ok || memchr(text, 0, len)) {
            said = delta_damaged(d, "an extended attribute");
            break;
        }
        memcpy(name, text, len);
        name[len] = 0;
        if (strcmp(last, name) >= 0) return not_ascending(d, s);
        memcpy(last, name, len + 1);
        said = sink(ctx, name, n ? value : "", n);
    }
    return ended(d, s, said ? 0 : got, said);
}
