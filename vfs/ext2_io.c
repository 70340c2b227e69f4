// libext2fs's way to our block device, and ours to the blocks of metadata that we parse ourselves: a few are kept, with
// their checksums proven (kernel Documentation/filesystems/ext4/checksums.rst).
#include "vfs/ext2_internal.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// ---------------------------------------------------------------- libext2fs

static const struct struct_io_manager blockdev_io;

static errcode_t io_open(const char *name, int flags, io_channel *out)
{
    void *dev = NULL;
    (void)flags;
    if (sscanf(name, "%p", &dev) != 1 || !dev) return EXT2_ET_BAD_DEVICE_NAME;
    io_channel c = calloc(1, sizeof *c);
    if (!c) return EXT2_ET_NO_MEMORY;
    c->magic = EXT2_ET_MAGIC_IO_CHANNEL;
    c->block_size = 1024;
    c->refcount = 1;
    c->manager = (io_manager)(uintptr_t)&blockdev_io; // libext2fs takes it writable but only reads it
    c->private_data = dev;
    *out = c;
    return 0;
}

static errcode_t io_close(io_channel c)
{
    if (--c->refcount == 0) free(c);
    return 0;
}

static errcode_t io_set_blksize(io_channel c, int size)
{
    c->block_size = size;
    return 0;
}

// count < 0: bytes.
static errcode_t io_read(io_channel c, unsigned long long block, int count, void *buf)
{
    uint64_t offset, n = count < 0 ? (uint64_t) - (int64_t)count : (uint64_t)count * (uint64_t)c->block_size;
    if (__builtin_mul_overflow(block, (uint64_t)c->block_size, &offset)) return EXT2_ET_SHORT_READ;
    return blockdev_read(c->private_data, offset, buf, n) ? EXT2_ET_SHORT_READ : 0;
}

static errcode_t io_read32(io_channel c, unsigned long block, int count, void *buf)
{
    return io_read(c, block, count, buf);
}

static errcode_t io_write(io_channel c, unsigned long block, int count, const void *buf)
{
    (void)c, (void)block, (void)count, (void)buf;
    return EXT2_ET_RO_FILSYS;
}

static errcode_t io_flush(io_channel c)
{
    (void)c;
    return 0;
}

static const struct struct_io_manager blockdev_io = {
    .magic = EXT2_ET_MAGIC_IO_MANAGER,
    .name = "belljar block device",
    .open = io_open,
    .close = io_close,
    .set_blksize = io_set_blksize,
    .read_blk = io_read32,
    .write_blk = io_write,
    .flush = io_flush,
    .read_blk64 = io_read,
};

static const char *describe(errcode_t err)
{
    switch (err) {
    case EXT2_ET_SHORT_READ:
        return "it is truncated";
    case EXT2_ET_UNSUPP_FEATURE:
    case EXT2_ET_RO_UNSUPP_FEATURE:
        return "it has features that are not supported";
    case EXT2_ET_NO_MEMORY:
        return "not enough memory";
    case EXT2_ET_SB_CSUM_INVALID:
        return "the checksum of its superblock is wrong";
    }
    return "its superblock or group descriptors are corrupt";
}

// As the kernel does it when it mounts (ext4_check_descriptors): nothing of a group is believed before.
static int check_groups(struct ext2 *e, char *why, size_t why_size)
{
    for (dgrp_t g = 0; g < e->fs->group_desc_count; g++) {
        if (ext2fs_group_desc_csum_verify(e->fs, g)) continue;
        snprintf(why, why_size, "cannot mount the image: the checksum of group descriptor %u is wrong", g);
        return -LX_EINVAL;
    }
    return 0;
}

int ext2_open_fs(struct ext2 *e, char *why, size_t why_size)
{
    char name[40];
    snprintf(name, sizeof name, "%p", (void *)e->dev); // the one argument of ext2fs_open2 that reaches io_open
    errcode_t err = ext2fs_open2(name, NULL, EXT2_FLAG_64BITS, 0, 0, (io_manager)(uintptr_t)&blockdev_io, &e->fs);
    if (!err) return check_groups(e, why, why_size);
    snprintf(why, why_size, "cannot mount the image: %s", describe(err));
    e->fs = NULL;
    return err == EXT2_ET_NO_MEMORY ? -LX_ENOMEM : -LX_EINVAL;
}

int ext2_damaged(struct ext2 *e, const char *format, ...)
{
    struct vfs *v = e->lower.vfs;
    char what[120];
    va_list args;
    if (e->told || !v->host.damaged) return -LX_EIO;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    e->told = true;
    v->host.damaged(v->host.ctx, what);
    return -LX_EIO;
}

// ---------------------------------------------------------------- checksums

static bool sum_is(const uint8_t *at, uint32_t sum)
{
    return ext2_le32(at) == sum;
}

// Behind the room for all entries, which is as much as fits.
static bool extents_proven(const struct ext2 *e, const struct ext2_node *n, const uint8_t *b)
{
    uint32_t at = 12 + 12 * ext2_le16(b + 4);
    return at + 4 <= e->block_size && sum_is(b + at, ext2_crc(n->seed, b, at));
}

// Where an index block of a directory counts its entries (struct dx_node, struct dx_root); 0: it is none.
static uint32_t index_count_at(const struct ext2 *e, const uint8_t *b)
{
    uint32_t first = ext2_le16(b + 4);
    if (ext2_le32(b) == 0 && (first == e->block_size || (e->block_size == 65536 && (first == 65535 || first == 0))))
        return 8;
    bool root = first == 12 && ext2_le16(b + 12 + 4) == e->block_size - 12 && ext2_le32(b + 24) == 0 && b[29] == 8;
    return root ? 32 : 0;
}

static bool index_proven(const struct ext2 *e, const struct ext2_node *n, const uint8_t *b)
{
    uint32_t at = index_count_at(e, b), limit = ext2_le16(b + at), count = ext2_le16(b + at + 2), zero = 0;
    uint32_t tail = at + limit * 8;
    if (at == 0 || count > limit || tail + 8 > e->block_size) return false;
    uint32_t sum = ext2_crc(ext2_crc(n->seed, b, at + count * 8), b + tail, 4);
    return sum_is(b + tail + 4, ext2_crc(sum, &zero, 4));
}

// A block of entries ends with one that has no name (struct ext4_dir_entry_tail).
static bool directory_proven(const struct ext2 *e, const struct ext2_node *n, const uint8_t *b)
{
    const uint8_t *tail = b + e->block_size - 12;
    if (memcmp(tail, "\0\0\0\0\x0c\0\0\xde", 8) == 0) return sum_is(tail + 8, ext2_crc(n->seed, b, e->block_size - 12));
    return n->flags & EXT2_INDEX_FL && index_proven(e, n, b);
}

static bool xattrs_proven(const struct ext2 *e, uint64_t block, const uint8_t *b)
{
    const uint32_t zero = 0;
    uint8_t number[8];
    for (unsigned k = 0; k < 8; k++) number[k] = (uint8_t)(block >> 8 * k);
    uint32_t sum = ext2_crc(ext2_crc(e->fs->csum_seed, number, 8), b, 16); // then the sum itself, as zero
    return sum_is(b + 16, ext2_crc(ext2_crc(sum, &zero, 4), b + 20, e->block_size - 20));
}

static bool proven(const struct ext2 *e, const struct ext2_kept *k, const struct ext2_node *n)
{
    switch (k->kind) {
    case EXT2_EXTENTS:
        return extents_proven(e, n, k->bytes);
    case EXT2_DIRECTORY:
        return directory_proven(e, n, k->bytes);
    case EXT2_XATTRS:
        return xattrs_proven(e, k->block, k->bytes);
    case EXT2_POINTERS:
        break; // have none
    }
    return true;
}

// ---------------------------------------------------------------- blocks

int ext2_meta(struct ext2 *e, uint64_t block, enum ext2_kind kind, const struct ext2_node *n, const uint8_t **out)
{
    static const char *const names[] = {"block pointers", "extents", "a directory", "attributes"};
    struct ext2_kept *k = &e->kept[block % EXT2_KEPT];
    uint32_t ino = n ? n->ino : 0;
    *out = k->bytes;
    if (block && k->block == block && k->kind == kind && k->ino == ino) return 0;
    if (!k->bytes) *out = k->bytes = kmem_new(e->lower.vfs, e->block_size);
    if (!k->bytes) return -LX_ENOMEM;
    k->block = 0;
    int err = blockdev_read(e->dev, block * e->block_size, k->bytes, e->block_size);
    if (err) return err;
    struct ext2_kept now = {block, ino, kind, k->bytes};
    if (e->sums && !proven(e, &now, n))
        return ext2_damaged(e, "the checksum of block %llu (%s) is wrong", (unsigned long long)block, names[kind]);
    *k = now;
    return 0;
}

void ext2_meta_free(struct ext2 *e)
{
    for (unsigned k = 0; k < EXT2_KEPT; k++) kmem_free(e->lower.vfs, e->kept[k].bytes, e->block_size);
}
