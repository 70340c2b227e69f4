// Files of an image as a tar stream, in the pax format (POSIX.1-2001, "pax Interchange Format"): what the old header
// has no room for goes into records before it; extended attributes as SCHILY.xattr, as GNU tar and bsdtar read them.
#include "cli/image_export.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

enum { BLOCK = 512 };

struct header { // "ustar Interchange Format"
    char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], sum[8], type, link[100], magic[6], version[2],
        owner[32], group[32], major[8], minor[8], prefix[155], pad[12];
};
_Static_assert(sizeof(struct header) == BLOCK, "a header is a block");

static struct export_tar *tar_of(struct export_to *to)
{
    return (struct export_tar *)to;
}

// ---------------------------------------------------------------- records

// "LENGTH KEY=VALUE\n", where LENGTH counts itself.
static int add_record(struct export_tar *t, const char *key, const void *value, size_t n)
{
    size_t rest = strlen(key) + n + 3, length = rest + 1;
    char digits[24];
    while ((size_t)snprintf(digits, sizeof digits, "%zu", length) + rest != length) length = rest + strlen(digits);
    if (t->nrecords + length + 1 > t->room) {
        size_t room = (t->nrecords + length + 1) * 2;
        char *more = realloc(t->records, room);
        if (!more) return layers_failed(&t->to.tree->layers, -ENOMEM, "out of memory");
        t->records = more;
        t->room = room;
    }
    char *at = t->records + t->nrecords;
    at += sprintf(at, "%zu %s=", length, key);
    memcpy(at, value, n);
    at[n] = '\n';
    t->nrecords += length;
    return 0;
}

static int add_number(struct export_tar *t, const char *key, uint64_t value)
{
    char text[24];
    int n = snprintf(text, sizeof text, "%llu", (unsigned long long)value);
    return add_record(t, key, text, (size_t)n);
}

// Seconds before 1970 go down from there, fractions too: -1.25 is what is -2 s and 750000000 ns here.
static int add_time(struct export_tar *t, const char *key, const struct delta_time *at)
{
    char text[48];
    bool before = at->sec < 0 && at->nsec;
    int64_t sec = before ? at->sec + 1 : at->sec;
    uint32_t nsec = before ? 1000000000 - at->nsec : at->nsec;
    const char *sign = before && sec == 0 ? "-" : "";
    int n = snprintf(text, sizeof text, "%s%lld.%09u", sign, (long long)sec, nsec);
    return add_record(t, key, text, (size_t)n);
}

static int add_xattr(void *ctx, const char *name, const void *value, size_t n)
{
    char key[DELTA_NAME_MAX + 20];
    snprintf(key, sizeof key, "SCHILY.xattr.%s", name);
    return strchr(name, '=') ? 0 : add_record(ctx, key, value, n); // such a name has no place there
}

// ---------------------------------------------------------------- headers

static void octal(char *to, size_t size, uint64_t value)
{
    char text[32];
    snprintf(text, sizeof text, "%0*llo", (int)size - 1, (unsigned long long)value);
    if (strlen(text) < size) memcpy(to, text, size); // else it is in a record
}

static int put_header(struct export_tar *t, struct header *h)
{
    unsigned sum = 0;
    memcpy(h->magic, "ustar", 6);
    memcpy(h->version, "00", 2);
    memset(h->sum, ' ', sizeof h->sum);
    for (size_t i = 0; i < sizeof *h; i++) sum += ((const uint8_t *)h)[i];
    octal(h->sum, 7, sum);
    return export_write(&t->to, t->fd, h, sizeof *h);
}

static int put_padding(struct export_tar *t, uint64_t n)
{
    static const char zeros[BLOCK];
    return n % BLOCK ? export_write(&t->to, t->fd, zeros, BLOCK - n % BLOCK) : 0;
}

static int put_records(struct export_tar *t)
{
    struct header h = {.name = "PaxHeaders", .type = 'x'};
    if (t->nrecords == 0) return 0;
    octal(h.mode, sizeof h.mode, 0644);
    octal(h.size, sizeof h.size, t->nrecords);
    octal(h.uid, sizeof h.uid, 0);
    octal(h.gid, sizeof h.gid, 0);
    octal(h.mtime, sizeof h.mtime, 0);
    int err = put_header(t, &h);
    if (!err) err = export_write(&t->to, t->fd, t->records, t->nrecords);
    return err ? err : put_padding(t, t->nrecords);
}

static char type_of(const struct export_file *f)
{
    uint32_t mode = f->inode->is.mode;
    if (f->first) return '1';
    if (S_ISLNK(mode)) return '2';
    if (S_ISCHR(mode)) return '3';
    if (S_ISBLK(mode)) return '4';
    return S_ISDIR(mode) ? '5' : S_ISFIFO(mode) ? '6' : '0';
}

static int put_name(struct export_tar *t, const char *key, const char *name, char field[100])
{
    size_t n = strlen(name);
    memcpy(field, name, n < 100 ? n : 100);
    return n > 100 ? add_record(t, key, name, n) : 0;
}

static int put_numbers(struct export_tar *t, struct header *h, const struct delta_inode *i, uint64_t size)
{
    int err = 0;
    octal(h->mode, sizeof h->mode, i->mode & 07777);
    octal(h->uid, sizeof h->uid, i->uid);
    octal(h->gid, sizeof h->gid, i->gid);
    octal(h->size, sizeof h->size, size);
    octal(h->mtime, sizeof h->mtime, i->mtime.sec > 0 ? (uint64_t)i->mtime.sec : 0);
    if (i->uid > 07777777) err = add_number(t, "uid", i->uid);
    if (!err && i->gid > 07777777) err = add_number(t, "gid", i->gid);
    if (!err && size > 077777777777) err = add_number(t, "size", size);
    bool fits = i->mtime.nsec == 0 && i->mtime.sec >= 0 && i->mtime.sec <= 077777777777;
    return err || fits ? err : add_time(t, "mtime", &i->mtime);
}

// All that is before the content.
static int put_entry(struct export_tar *t, const struct export_file *f, uint64_t size)
{
    struct header h = {.type = type_of(f)};
    const struct delta_inode *i = &f->inode->is;
    const char *link = f->first ? f->first : h.type == '2' ? f->inode->target : NULL;
    t->nrecords = 0;
    int err = put_name(t, "path", f->path, h.name);
    if (!err && link) err = put_name(t, "linkpath", link, h.link);
    if (!err) err = put_numbers(t, &h, i, size);
    if (!err && (h.type == '3' || h.type == '4')) {
        octal(h.major, sizeof h.major, major(i->rdev));
        octal(h.minor, sizeof h.minor, minor(i->rdev));
    }
    if (!err && !f->first) err = layers_xattrs(&t->to.tree->layers, f->inode, add_xattr, t);
    if (!err) err = put_records(t);
    return err ? err : put_header(t, &h);
}

// ---------------------------------------------------------------- files

static int put_content(struct export_tar *t, const struct layer_inode *i)
{
    uint8_t page[DELTA_PAGE];
    uint32_t end = layers_pages(i);
    int got = 0;
    for (uint32_t index = 0; index < end && got >= 0; index++) {
        uint64_t at = (uint64_t)index * DELTA_PAGE;
        size_t n = i->is.size - at < DELTA_PAGE ? (size_t)(i->is.size - at) : DELTA_PAGE;
        got = layers_page(&t->to.tree->layers, i, index, page);
        if (got >= 0) got = export_write(&t->to, t->fd, page, n);
    }
    return got < 0 ? got : put_padding(t, i->is.size);
}

static int enter(struct export_to *to, const struct export_file *f)
{
    return put_entry(tar_of(to), f, 0);
}

static int leave(struct export_to *to, const struct export_file *f)
{
    (void)to, (void)f;
    return 0;
}

static int file(struct export_to *to, const struct export_file *f)
{
    bool content = S_ISREG(f->inode->is.mode) && !f->first;
    if (S_ISSOCK(f->inode->is.mode)) {
        to->left_out++;
        return 0;
    }
    int err = put_entry(tar_of(to), f, content ? f->inode->is.size : 0);
    return !err && content ? put_content(tar_of(to), f->inode) : err;
}

static int end(struct export_to *to)
{
    static const char zeros[2 * BLOCK];
    return export_write(to, tar_of(to)->fd, zeros, sizeof zeros);
}

static const struct export_ops tar_ops = {enter, leave, file, end};

void export_tar(struct export_tar *t, struct image_tree *tree, int fd)
{
    *t = (struct export_tar){.to = {.ops = &tar_ops, .tree = tree}, .fd = fd};
}

void export_tar_end(struct export_tar *t)
{
    free(t->records);
    t->records = NULL;
}
