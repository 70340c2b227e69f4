// What the superblock says, checked: nothing in it is believed until it fits the device and itself. The layout is
// libext2fs's struct ext2_super_block (little-endian on disk; e2fsprogs doc/libext2fs, kernel
// Documentation/filesystems/ext4/super.rst).
#include "vfs/ext2.h"
#include "abi/errno.h"
#include <ext2fs/ext2_fs.h>
#include <ext2fs/ext2fs.h>
#include <stdio.h>
#include <string.h>

struct feature {
    uint8_t set;
    uint32_t bit;
    const char *name, *refused;
}; // set: 0 compat, 1 incompat, 2 ro_compat

static const struct feature features[] = {
    {0, EXT2_FEATURE_COMPAT_DIR_PREALLOC, "dir_prealloc", NULL},
    {0, EXT3_FEATURE_COMPAT_HAS_JOURNAL, "has_journal", NULL},
    {0, EXT2_FEATURE_COMPAT_EXT_ATTR, "ext_attr", NULL},
    {0, EXT2_FEATURE_COMPAT_RESIZE_INODE, "resize_inode", NULL},
    {0, EXT2_FEATURE_COMPAT_DIR_INDEX, "dir_index", NULL},
    {0, EXT4_FEATURE_COMPAT_SPARSE_SUPER2, "sparse_super2", NULL},
    {0, EXT4_FEATURE_COMPAT_FAST_COMMIT, "fast_commit", NULL},
    {0, EXT4_FEATURE_COMPAT_STABLE_INODES, "stable_inodes", NULL},
    {0, EXT4_FEATURE_COMPAT_ORPHAN_FILE, "orphan_file", NULL},
    {1, EXT2_FEATURE_INCOMPAT_COMPRESSION, "compression", "compressed files are not supported"},
    {1, EXT2_FEATURE_INCOMPAT_FILETYPE, "filetype", NULL},
    {1, EXT3_FEATURE_INCOMPAT_RECOVER, "needs_recovery", "its journal must be replayed first: run e2fsck -fy IMAGE"},
    {1, EXT3_FEATURE_INCOMPAT_JOURNAL_DEV, "journal_dev", "it is an external journal, not a file system"},
    {1, EXT2_FEATURE_INCOMPAT_META_BG, "meta_bg", NULL},
    {1, EXT3_FEATURE_INCOMPAT_EXTENTS, "extent", NULL},
    {1, EXT4_FEATURE_INCOMPAT_64BIT, "64bit", NULL},
    {1, EXT4_FEATURE_INCOMPAT_MMP, "mmp", NULL},
    {1, EXT4_FEATURE_INCOMPAT_FLEX_BG, "flex_bg", NULL},
    {1, EXT4_FEATURE_INCOMPAT_EA_INODE, "ea_inode", NULL},
    {1, EXT4_FEATURE_INCOMPAT_DIRDATA, "dirdata", "data in directory entries is not supported"},
    {1, EXT4_FEATURE_INCOMPAT_CSUM_SEED, "metadata_csum_seed", NULL},
    {1, EXT4_FEATURE_INCOMPAT_LARGEDIR, "large_dir", NULL},
    {1, EXT4_FEATURE_INCOMPAT_INLINE_DATA, "inline_data", NULL},
    {1, EXT4_FEATURE_INCOMPAT_ENCRYPT, "encrypt", "encrypted files are not supported"},
    {1, EXT4_FEATURE_INCOMPAT_CASEFOLD, "casefold", "names that ignore case are not supported"},
    {2, EXT2_FEATURE_RO_COMPAT_SPARSE_SUPER, "sparse_super", NULL},
    {2, EXT2_FEATURE_RO_COMPAT_LARGE_FILE, "large_file", NULL},
    {2, EXT4_FEATURE_RO_COMPAT_HUGE_FILE, "huge_file", NULL},
    {2, EXT4_FEATURE_RO_COMPAT_GDT_CSUM, "uninit_bg", NULL},
    {2, EXT4_FEATURE_RO_COMPAT_DIR_NLINK, "dir_nlink", NULL},
    {2, EXT4_FEATURE_RO_COMPAT_EXTRA_ISIZE, "extra_isize", NULL},
    {2, EXT4_FEATURE_RO_COMPAT_QUOTA, "quota", NULL},
    {2, EXT4_FEATURE_RO_COMPAT_BIGALLOC, "bigalloc", NULL},
    {2, EXT4_FEATURE_RO_COMPAT_METADATA_CSUM, "metadata_csum", NULL},
    {2, EXT4_FEATURE_RO_COMPAT_READONLY, "read-only", NULL},
    {2, EXT4_FEATURE_RO_COMPAT_PROJECT, "project", NULL},
    {2, EXT4_FEATURE_RO_COMPAT_SHARED_BLOCKS, "shared_blocks", NULL},
    {2, EXT4_FEATURE_RO_COMPAT_VERITY, "verity", "files sealed by fs-verity are not supported"},
    {2, EXT4_FEATURE_RO_COMPAT_ORPHAN_PRESENT, "orphan_present", "it was not unmounted: run e2fsck -fy IMAGE"},
};

struct super { // the fields that are checked, in host order
    uint32_t log_block, log_cluster, blocks_per_group, inodes_per_group, first_data, inodes, rev, state, desc_size,
        journal_ino;
    uint32_t feature[3];
};

static void refuse(struct ext2_info *i, const char *why)
{
    if (!i->why[0]) snprintf(i->why, sizeof i->why, "%s", why);
}

static void add_name(struct ext2_info *i, const char *name)
{
    size_t n = strlen(i->features);
    snprintf(i->features + n, sizeof i->features - n, "%s%s", n ? " " : "", name);
}

static void check_features(struct ext2_info *i, const struct super *s)
{
    uint32_t known[3] = {0};
    for (unsigned k = 0; k < sizeof features / sizeof *features; k++) {
        const struct feature *f = &features[k];
        known[f->set] |= f->bit;
        if (!(s->feature[f->set] & f->bit)) continue;
        add_name(i, f->name);
        if (f->refused) refuse(i, f->refused);
    }
    uint32_t odd = s->feature[1] & ~known[1];
    if (odd) {
        char text[80];
        snprintf(text, sizeof text, "it has unknown features (incompat 0x%x)", odd);
        add_name(i, "unknown");
        refuse(i, text);
    }
}

// Group descriptors are held in memory, all of them: of groups as mke2fs makes them for 100 TB.
enum { LARGEST_LOG_BLOCK = 6, DESCRIPTORS_MAX = 32 << 20 };

static bool geometry_sane(const struct ext2_info *i, const struct super *s)
{
    if (s->rev > 1 || s->first_data > 1 || i->blocks <= s->first_data || i->blocks > UINT64_MAX >> 17) return false;
    if (s->log_cluster < s->log_block || s->log_cluster > 20 || s->blocks_per_group == 0) return false;
    uint64_t groups = (i->blocks - s->first_data + s->blocks_per_group - 1) / s->blocks_per_group;
    if (groups > DESCRIPTORS_MAX / s->desc_size || s->inodes < 11 || i->inodes != groups * s->inodes_per_group)
        return false;
    return s->inodes_per_group > 0 && s->inodes_per_group <= i->block_size * 8 && i->inode_size >= 128 &&
           i->inode_size <= i->block_size && (i->inode_size & (i->inode_size - 1)) == 0;
}

static void check_geometry(struct ext2_info *i, const struct super *s)
{
    char text[160];
    bool bad = s->log_block > LARGEST_LOG_BLOCK;
    if (!bad) {
        i->block_size = 1024u << s->log_block;
        i->direct = i->block_size >= 4096;
        bad = !geometry_sane(i, s);
    }
    if (bad) {
        refuse(i, "its superblock is corrupt");
        return;
    }
    i->bytes = i->blocks * i->block_size;
    if (i->bytes <= i->device_bytes) return;
    snprintf(text, sizeof text, "it is truncated: the file system has %llu bytes, the file %llu",
             (unsigned long long)i->bytes, (unsigned long long)i->device_bytes);
    refuse(i, text);
}

static void copy_names(struct ext2_info *i, const struct ext2_super_block *sb)
{
    const uint8_t *u = (const uint8_t *)sb->s_uuid;
    for (unsigned k = 0; k < 16 && sb->s_volume_name[k]; k++) {
        uint8_t c = (uint8_t)sb->s_volume_name[k];
        i->label[k] = c >= 0x20 && c < 0x7f ? (char)c : '?';
    }
    char *at = i->uuid;
    for (unsigned k = 0; k < 16; k++)
        at += snprintf(at, 4, "%s%02x", k == 4 || k == 6 || k == 8 || k == 10 ? "-" : "", u[k]);
}

static uint64_t wide(uint32_t lo, uint32_t hi, bool is64)
{
    return lo | (is64 ? (uint64_t)hi << 32 : 0);
}

static void copy_counts(struct ext2_info *i, const struct ext2_super_block *sb, const struct super *s)
{
    bool is64 = s->feature[1] & EXT4_FEATURE_INCOMPAT_64BIT;
    i->blocks = wide(ext2fs_le32_to_cpu(sb->s_blocks_count), ext2fs_le32_to_cpu(sb->s_blocks_count_hi), is64);
    i->free_blocks = wide(ext2fs_le32_to_cpu(sb->s_free_blocks_count), ext2fs_le32_to_cpu(sb->s_free_blocks_hi), is64);
    i->inodes = s->inodes;
    i->free_inodes = ext2fs_le32_to_cpu(sb->s_free_inodes_count);
    i->inode_size = s->rev == 0 ? 128 : ext2fs_le16_to_cpu(sb->s_inode_size);
    i->clean = (s->state & (EXT2_VALID_FS | EXT2_ERROR_FS)) == EXT2_VALID_FS;
    bool ext4 = s->feature[1] & ~(uint32_t)(EXT2_FEATURE_INCOMPAT_FILETYPE | EXT3_FEATURE_INCOMPAT_RECOVER |
                                            EXT2_FEATURE_INCOMPAT_META_BG) ||
                s->feature[2] & ~(uint32_t)(EXT2_FEATURE_RO_COMPAT_SPARSE_SUPER | EXT2_FEATURE_RO_COMPAT_LARGE_FILE);
    const char *type = ext4 ? "ext4" : s->feature[0] & EXT3_FEATURE_COMPAT_HAS_JOURNAL ? "ext3" : "ext2";
    snprintf(i->type, sizeof i->type, "%s", type);
}

static struct super fields(const struct ext2_super_block *sb)
{
    struct super s = {
        .log_block = ext2fs_le32_to_cpu(sb->s_log_block_size),
        .log_cluster = ext2fs_le32_to_cpu(sb->s_log_cluster_size),
        .blocks_per_group = ext2fs_le32_to_cpu(sb->s_blocks_per_group),
        .inodes_per_group = ext2fs_le32_to_cpu(sb->s_inodes_per_group),
        .first_data = ext2fs_le32_to_cpu(sb->s_first_data_block),
        .inodes = ext2fs_le32_to_cpu(sb->s_inodes_count),
        .rev = ext2fs_le32_to_cpu(sb->s_rev_level),
        .state = ext2fs_le16_to_cpu(sb->s_state),
    };
    if (s.rev > 0) {
        s.journal_ino = ext2fs_le32_to_cpu(sb->s_journal_inum);
        s.feature[0] = ext2fs_le32_to_cpu(sb->s_feature_compat);
        s.feature[1] = ext2fs_le32_to_cpu(sb->s_feature_incompat);
        s.feature[2] = ext2fs_le32_to_cpu(sb->s_feature_ro_compat);
    }
    s.desc_size = s.feature[1] & EXT4_FEATURE_INCOMPAT_64BIT ? ext2fs_le16_to_cpu(sb->s_desc_size) : 32;
    if (s.desc_size < 32) s.desc_size = 32;
    return s;
}

// A journal elsewhere may have to be replayed before this file system says what is true.
static void check_state(struct ext2_info *i, const struct super *s)
{
    bool journal = s->feature[0] & EXT3_FEATURE_COMPAT_HAS_JOURNAL;
    i->sums = s->feature[2] & EXT4_FEATURE_RO_COMPAT_METADATA_CSUM;
    i->journal = !journal                                        ? "none"
                 : s->journal_ino == 0                           ? "on another device"
                 : s->feature[1] & EXT3_FEATURE_INCOMPAT_RECOVER ? "must be replayed"
                                                                 : "clean";
    if (journal && s->journal_ino == 0)
        refuse(i, "its journal is on another device: run tune2fs -O ^has_journal IMAGE");
    if (s->state & EXT2_ERROR_FS) refuse(i, "it is marked as having errors: run e2fsck -fy IMAGE");
    if (!i->clean) refuse(i, "it was not unmounted: run e2fsck -fy IMAGE");
}

void ext2_info(struct blockdev *d, struct ext2_info *i)
{
    struct ext2_super_block sb;
    *i = (struct ext2_info){.device_bytes = d->bytes, .journal = "none"};
    _Static_assert(sizeof sb == 1024, "struct ext2_super_block");
    if (blockdev_read(d, 1024, &sb, sizeof sb) != 0 || ext2fs_le16_to_cpu(sb.s_magic) != EXT2_SUPER_MAGIC) {
        refuse(i, "it is not an ext2, ext3 or ext4 file system");
        return;
    }
    struct super s = fields(&sb);
    i->is_ext = true;
    copy_names(i, &sb);
    copy_counts(i, &sb, &s);
    check_features(i, &s);
    check_geometry(i, &s);
    check_state(i, &s);
    i->mountable = !i->why[0];
}
