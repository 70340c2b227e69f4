// Extended attributes of an image: in the inode behind its fields, in one block, and values too large for these in
// inodes of their own (kernel Documentation/filesystems/ext4/attributes.rst, fs/ext4/xattr.c).
#include <string.h>
#include "vfs/ext2_internal.h"

enum {
    MAGIC = EXT2_EXT_ATTR_MAGIC,
    BLOCK_HEAD = 32,
    ENTRY = 16, // bytes before the name
    SYSTEM_DATA = 7,
    NAME_MAX_BYTES = 255,
    VALUE_MAX = 65536,    // XATTR_SIZE_MAX
    VALUES_MAX = 4 << 20, // of one inode: what lies in inodes of their own costs the image little
    ACL_MAX = 1024        // entries
};

// Where entries and values are: entries from `first` on, values at offsets from `base`, all before `end`.
struct area {
    const uint8_t *base, *first, *end;
};

struct entry {
    const uint8_t *name, *value; // value NULL: in inode `inum`
    unsigned name_len, index;
    uint32_t size, inum;
};

struct taking {
    struct ext2 *e;
    lower_xattr *sink;
    void *ctx;
    uint32_t ino;
    uint64_t bytes; // of values, so far
};

static int corrupt(const struct taking *t)
{
    return ext2_damaged(t->e, "the attributes of inode %u are corrupt", t->ino);
}

// What the numbers of the image stand for (enum in fs/ext4/xattr.h). Others are not shown, as in the kernel.
static const char *prefix_of(unsigned index, bool *whole)
{
    *whole = index == 2 || index == 3;
    switch (index) {
    case 1:
        return "user.";
    case 2:
        return "system.posix_acl_access";
    case 3:
        return "system.posix_acl_default";
    case 4:
        return "trusted.";
    case 6:
        return "security.";
    }
    return NULL;
}

// The entry at `at`: 1 and where the next one is, 0 at the end of the list, -LX_EIO.
static int parse(const struct area *a, const uint8_t **at, struct entry *out)
{
    const uint8_t *p = *at;
    size_t left = (size_t)(a->end - p);
    if (left < 4) return -LX_EIO;
    if (ext2_le32(p) == 0) return 0;
    if (left < ENTRY) return -LX_EIO;
    size_t whole = (ENTRY + (size_t)p[0] + 3) & ~(size_t)3;
    if (left < whole + 4) return -LX_EIO; // the four bytes of zeros that end the list
    *out = (struct entry){
        .name = p + ENTRY, .name_len = p[0], .index = p[1], .inum = ext2_le32(p + 4), .size = ext2_le32(p + 8)};
    size_t offset = ext2_le16(p + 2), room = (size_t)(a->end - a->base);
    if (out->size > VALUE_MAX || memchr(out->name, 0, out->name_len)) return -LX_EIO;
    if (!out->inum) {
        if (offset > room || out->size > room - offset) return -LX_EIO;
        out->value = a->base + offset;
    }
    *at = p + whole;
    return 1;
}

// ---------------------------------------------------------------- values

// A POSIX ACL is kept shorter than getxattr(2) shows it (fs/ext4/acl.h, include/uapi/linux/posix_acl_xattr.h): no
// number in entries that have none, and version 1 for 2.
static int show_acl(const struct taking *t, const char *name, const uint8_t *v, uint32_t size)
{
    uint8_t out[4 + 8 * ACL_MAX];
    uint32_t n = 4, at = 4;
    if (size < 4 || ext2_le32(v) != 1) return -LX_EIO;
    memcpy(out, "\2\0\0", 4);
    while (at < size) {
        if (size - at < 4 || n == sizeof out) return -LX_EIO;
        uint32_t tag = ext2_le16(v + at), bytes = tag == 2 || tag == 8 ? 8 : 4; // ACL_USER, ACL_GROUP
        if (size - at < bytes) return -LX_EIO;
        memset(out + n + 4, 0xff, 4);
        memcpy(out + n, v + at, bytes);
        at += bytes;
        n += 8;
    }
    return t->sink(t->ctx, name, out, n);
}

static int show(struct taking *t, const struct entry *x, const uint8_t *value)
{
    char name[NAME_MAX_BYTES + 32];
    bool whole;
    const char *prefix = prefix_of(x->index, &whole);
    size_t n = strlen(prefix);
    if (whole && x->name_len) return -LX_EIO;
    memcpy(name, prefix, n);
    memcpy(name + n, x->name, x->name_len);
    n += x->name_len;
    name[n] = 0;
    if (n > NAME_MAX_BYTES || (!whole && x->name_len == 0)) return 0; // no call can ask for it
    return whole ? show_acl(t, name, value, x->size) : t->sink(t->ctx, name, value, x->size);
}

// The value of an attribute that has an inode for it.
static int show_far(struct taking *t, const struct entry *x)
{
    struct ext2 *e = t->e;
    struct ext2_node n;
    if (!ext2fs_has_feature_ea_inode(e->fs->super)) return -LX_EIO;
    const struct ext2_inode_large *in = ext2_read_inode(e, x->inum);
    if (!in || !(in->i_flags & EXT4_EA_INODE_FL) || (in->i_mode & LX_S_IFMT) != LX_S_IFREG) return -LX_EIO;
    ext2_fill_node(e, x->inum, in, &n);
    if (n.size != x->size) return -LX_EIO;
    size_t room = x->size ? x->size : 1;
    uint8_t *value = kmem_new(e->lower.vfs, room);
    if (!value) return -LX_ENOMEM;
    int err = ext2_read(e, &n, 0, value, x->size);
    if (!err) err = show(t, x, value);
    kmem_free(e->lower.vfs, value, room);
    return err;
}

static int take(struct taking *t, const struct area *a)
{
    struct entry x;
    int more;
    bool whole;
    for (const uint8_t *at = a->first; (more = parse(a, &at, &x)) > 0;) {
        if (!prefix_of(x.index, &whole)) continue;
        t->bytes += x.size;
        if (t->bytes > VALUES_MAX) return corrupt(t);
        int err = x.value ? show(t, &x, x.value) : show_far(t, &x);
        if (err) return err;
    }
    return more ? corrupt(t) : 0;
}

// ---------------------------------------------------------------- where they are

// Those in the inode. False: none.
static bool area_of(const struct ext2 *e, const struct ext2_inode_large *in, struct area *a)
{
    const uint8_t *bytes = (const uint8_t *)in;
    uint32_t from = 128u + in->i_extra_isize;
    if (e->inode_size <= 128 || in->i_extra_isize & 3 || from + 8 > e->inode_size) return false;
    if (ext2_le32(bytes + from) != MAGIC) return false;
    *a = (struct area){bytes + from + 4, bytes + from + 4, bytes + e->inode_size};
    return true;
}

static uint64_t block_of(const struct ext2_inode_large *in)
{
    return in->i_file_acl | (uint64_t)in->osd2.linux2.l_i_file_acl_high << 32;
}

bool ext2_has_xattrs(const struct ext2 *e, const struct ext2_inode_large *in)
{
    struct area a;
    return block_of(in) || area_of(e, in, &a);
}

int ext2_inline_rest(const struct ext2 *e, const struct ext2_inode_large *in, const uint8_t **at, size_t *n)
{
    struct area a;
    struct entry x;
    int more = 0;
    *n = 0;
    if (!area_of(e, in, &a)) return 0;
    for (const uint8_t *p = a.first; (more = parse(&a, &p, &x)) > 0;)
        if (x.index == SYSTEM_DATA && x.name_len == 4 && memcmp(x.name, "data", 4) == 0) {
            if (!x.value) return -LX_EIO;
            *at = x.value;
            *n = x.size;
            return 0;
        }
    return more;
}

// Both are copied: what their values refer to is read by the same means.
static int take_inode(struct taking *t, const struct ext2_inode_large *in)
{
    struct vfs *v = t->e->lower.vfs;
    uint8_t *copy = kmem_new(v, ext2_inode_room(t->e));
    if (!copy) return -LX_ENOMEM;
    memcpy(copy, in, ext2_inode_room(t->e));
    struct area a;
    int err = area_of(t->e, (const struct ext2_inode_large *)(const void *)copy, &a) ? take(t, &a) : 0;
    kmem_free(v, copy, ext2_inode_room(t->e));
    return err;
}

static int take_block(struct taking *t, uint64_t block)
{
    struct ext2 *e = t->e;
    const uint8_t *bytes;
    if (block >= e->blocks) return corrupt(t);
    int err = ext2_meta(e, block, EXT2_XATTRS, NULL, &bytes);
    if (err) return err;
    if (ext2_le32(bytes) != MAGIC || ext2_le32(bytes + 8) != 1) return corrupt(t); // h_blocks
    uint8_t *copy = kmem_new(e->lower.vfs, e->block_size);
    if (!copy) return -LX_ENOMEM;
    memcpy(copy, bytes, e->block_size);
    err = take(t, &(struct area){copy, copy + BLOCK_HEAD, copy + e->block_size});
    kmem_free(e->lower.vfs, copy, e->block_size);
    return err;
}

int ext2_xattrs(struct lower *l, void *node, lower_xattr *sink, void *ctx)
{
    struct ext2 *e = (struct ext2 *)l;
    const struct ext2_node *n = node;
    struct taking t = {.e = e, .sink = sink, .ctx = ctx, .ino = n->ino};
    if (!n->xattrs) return 0;
    const struct ext2_inode_large *in = ext2_read_inode(e, n->ino);
    if (!in) return -LX_EIO;
    uint64_t block = block_of(in);
    int err = take_inode(&t, in);
    return err || !block ? err : take_block(&t, block);
}
