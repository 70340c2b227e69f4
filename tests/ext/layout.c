// layout.h. The checksums are written anew here, from the kernel's Documentation/filesystems/ext4/checksums.rst, so
// that the reader's are compared with something.
#include "tests/ext/layout.h"
#include <ext2fs/ext2_fs.h>
#include <ext2fs/ext2fs.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// ---------------------------------------------------------------- finding

static void add(struct layout *l, struct region r)
{
    if (l->n % 256 == 0) l->regions = realloc(l->regions, (l->n + 256) * sizeof r);
    if (!l->regions) abort();
    l->regions[l->n++] = r;
}

struct visit {
    struct layout *l;
    struct region inode;
    enum structure data; // what the file's blocks are; STRUCTURES: of no interest
    int extents;
};

static int visit_block(ext2_filsys fs, blk64_t *block, e2_blkcnt_t count, blk64_t ref, int offset, void *ctx)
{
    struct visit *v = ctx;
    enum structure kind = count >= 0 ? v->data : v->extents ? EXTENTS : POINTERS;
    (void)ref, (void)offset;
    if (kind == STRUCTURES) return 0;
    add(v->l, (struct region){kind, *block * fs->blocksize, fs->blocksize, v->inode.number, v->inode.at});
    return 0;
}

static void add_inode(struct layout *l, ext2_filsys fs, ext2_ino_t ino, struct ext2_inode *in)
{
    uint32_t group = (ino - 1) / fs->super->s_inodes_per_group, index = (ino - 1) % fs->super->s_inodes_per_group;
    struct region r = {.kind = INODE, .bytes = l->inode_size, .number = ino};
    r.at = r.inode = ext2fs_inode_table_loc(fs, group) * fs->blocksize + (uint64_t)index * l->inode_size;
    add(l, r);
    struct visit v = {.l = l, .inode = r, .data = STRUCTURES, .extents = (in->i_flags & EXT4_EXTENTS_FL) != 0};
    if (LINUX_S_ISDIR(in->i_mode)) v.data = DIRECTORY;
    if (LINUX_S_ISLNK(in->i_mode)) v.data = LINK;
    if (ino != EXT2_RESIZE_INO && ext2fs_inode_has_valid_blocks2(fs, in))
        ext2fs_block_iterate3(fs, ino, BLOCK_FLAG_READ_ONLY, NULL, visit_block, &v);
    blk64_t block = ext2fs_file_acl_block(fs, in);
    if (block) add(l, (struct region){XATTRS, block * fs->blocksize, fs->blocksize, ino, r.at});
}

static void add_inodes(struct layout *l, ext2_filsys fs)
{
    ext2_inode_scan scan;
    struct ext2_inode in;
    ext2_ino_t ino;
    if (ext2fs_open_inode_scan(fs, 0, &scan)) abort();
    while (ext2fs_get_next_inode(scan, &ino, &in) == 0 && ino)
        if (in.i_links_count && (ino == EXT2_ROOT_INO || ino >= EXT2_FIRST_INO(fs->super))) add_inode(l, fs, ino, &in);
    ext2fs_close_inode_scan(scan);
}

static void add_groups(struct layout *l, ext2_filsys fs)
{
    uint32_t per = fs->blocksize / l->group_size;
    for (uint32_t g = 0; g < fs->group_desc_count; g++) {
        uint64_t block = ext2fs_descriptor_block_loc2(fs, fs->super->s_first_data_block, g / per);
        add(l, (struct region){GROUP, block * fs->blocksize + g % per * l->group_size, l->group_size, g, 0});
    }
}

static int by_kind(const void *a, const void *b)
{
    const struct region *x = a, *y = b;
    if (x->kind != y->kind) return x->kind < y->kind ? -1 : 1;
    return x->at < y->at ? -1 : x->at > y->at;
}

void layout_of(const char *path, struct layout *l)
{
    ext2_filsys fs;
    if (ext2fs_open2(path, NULL, EXT2_FLAG_64BITS, 0, 0, unix_io_manager, &fs)) {
        fprintf(stderr, "cannot read %s\n", path);
        abort();
    }
    *l = (struct layout){.block_size = fs->blocksize,
                         .inode_size = (uint32_t)EXT2_INODE_SIZE(fs->super),
                         .group_size = (uint32_t)EXT2_DESC_SIZE(fs->super),
                         .inodes = fs->super->s_inodes_count,
                         .blocks = ext2fs_blocks_count(fs->super),
                         .seed = fs->csum_seed,
                         .sums = ext2fs_has_feature_metadata_csum(fs->super) != 0,
                         .uuid_sums = ext2fs_has_feature_gdt_csum(fs->super) != 0};
    add(l, (struct region){SUPERBLOCK, 1024, 1024, 0, 0});
    add_groups(l, fs);
    add_inodes(l, fs);
    ext2fs_free(fs);
    qsort(l->regions, l->n, sizeof *l->regions, by_kind);
    for (size_t i = l->n; i-- > 0;) l->first[l->regions[i].kind] = i, l->count[l->regions[i].kind]++;
}

void layout_free(struct layout *l)
{
    free(l->regions);
}

// ---------------------------------------------------------------- signing

static uint32_t crc(uint32_t from, const void *p, size_t n)
{
    return ext2fs_crc32c_le(from, p, n);
}

static void put16(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)v, p[1] = (uint8_t)(v >> 8);
}

static void put32(uint8_t *p, uint32_t v)
{
    put16(p, v), put16(p + 2, v >> 16);
}

static uint32_t get16(const uint8_t *p)
{
    return p[0] | (uint32_t)p[1] << 8;
}

static uint32_t inode_seed(const struct layout *l, const struct region *r, const uint8_t *image)
{
    uint8_t number[4];
    put32(number, r->number);
    return crc(crc(l->seed, number, 4), image + r->inode + 100, 4); // i_generation
}

static uint16_t crc16(uint16_t sum, const uint8_t *p, size_t n) // CRC-16/ARC
{
    while (n-- > 0) {
        sum ^= *p++;
        for (unsigned k = 0; k < 8; k++) sum = (uint16_t)(sum & 1 ? sum >> 1 ^ 0xa001 : sum >> 1);
    }
    return sum;
}

static void sign_group(const struct layout *l, const struct region *r, uint8_t *image)
{
    uint8_t *p = image + r->at, number[4];
    put32(number, r->number);
    put16(p + 30, 0);
    if (l->sums) {
        put16(p + 30, crc(crc(l->seed, number, 4), p, r->bytes));
    } else if (l->uuid_sums) {
        uint16_t sum = crc16(crc16(0xffff, image + 1024 + 104, 16), number, 4);
        sum = crc16(sum, p, 30);
        if (r->bytes > 32) sum = crc16(sum, p + 32, r->bytes - 32);
        put16(p + 30, sum);
    }
}

static void sign_inode(const struct layout *l, const struct region *r, uint8_t *image)
{
    uint8_t *p = image + r->at;
    bool high = r->bytes > 128 && get16(p + 128) >= 4; // i_checksum_hi is there
    put16(p + 124, 0);
    if (high) put16(p + 130, 0);
    uint32_t sum = crc(inode_seed(l, r, image), p, r->bytes);
    put16(p + 124, sum);
    if (high) put16(p + 130, sum >> 16);
}

static void sign_extents(const struct layout *l, const struct region *r, uint8_t *image)
{
    uint8_t *p = image + r->at;
    uint32_t at = 12 + 12 * get16(p + 4);
    if (at + 4 <= r->bytes) put32(p + at, crc(inode_seed(l, r, image), p, at));
}

static void sign_directory(const struct layout *l, const struct region *r, uint8_t *image)
{
    uint8_t *p = image + r->at, *tail = p + r->bytes - 12;
    uint32_t seed = inode_seed(l, r, image), at = get16(p + 4) == r->bytes ? 8 : 32;
    if (tail[7] == 0xde) {
        put32(tail + 8, crc(seed, p, r->bytes - 12));
        return;
    }
    uint32_t end = at + get16(p + at) * 8, used = at + get16(p + at + 2) * 8;
    if (end + 8 > r->bytes || used > end) return;
    put32(p + end + 4, 0);
    put32(p + end + 4, crc(crc(seed, p, used), p + end, 8));
}

static void sign_xattrs(const struct layout *l, const struct region *r, uint8_t *image)
{
    uint8_t *p = image + r->at, number[8];
    uint64_t block = r->at / l->block_size;
    put32(number, (uint32_t)block), put32(number + 4, (uint32_t)(block >> 32));
    put32(p + 16, 0);
    put32(p + 16, crc(crc(l->seed, number, 8), p, r->bytes));
}

void layout_sign(const struct layout *l, const struct region *r, uint8_t *image, uint64_t size)
{
    if (r->at + r->bytes > size) return;
    if (r->kind == GROUP) sign_group(l, r, image);
    if (!l->sums) return;
    if (r->kind == SUPERBLOCK) put32(image + 1024 + 1020, crc(~0u, image + 1024, 1020));
    if (r->kind == INODE) sign_inode(l, r, image);
    if (r->kind == EXTENTS) sign_extents(l, r, image);
    if (r->kind == DIRECTORY) sign_directory(l, r, image);
    if (r->kind == XATTRS) sign_xattrs(l, r, image);
}
