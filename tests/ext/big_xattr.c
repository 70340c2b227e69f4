// ext-big-xattr IMAGE PATH NAME BYTES: gives a file of an image an attribute of so many bytes (the numbers from 1 on),
// which debugfs cannot: what it sets has at most a block.
#include <ext2fs/ext2fs.h>
#include <stdio.h>
#include <stdlib.h>

static void must(errcode_t err, const char *what)
{
    if (!err) return;
    fprintf(stderr, "ext-big-xattr: %s: %ld\n", what, (long)err);
    exit(1);
}

int main(int argc, char **argv)
{
    ext2_filsys fs;
    ext2_ino_t ino;
    struct ext2_xattr_handle *h;
    if (argc != 5) return 2;
    size_t n = strtoul(argv[4], NULL, 0);
    char *value = malloc(n + 32);
    if (!value) return 1;
    for (size_t at = 0, k = 1; at < n; k++) at += (size_t)sprintf(value + at, "%zu\n", k);
    must(ext2fs_open(argv[1], EXT2_FLAG_RW | EXT2_FLAG_64BITS, 0, 0, unix_io_manager, &fs), "open");
    must(ext2fs_read_bitmaps(fs), "bitmaps");
    must(ext2fs_namei(fs, EXT2_ROOT_INO, EXT2_ROOT_INO, argv[2], &ino), "namei");
    must(ext2fs_xattrs_open(fs, ino, &h), "xattrs");
    must(ext2fs_xattrs_read(h), "read");
    must(ext2fs_xattr_set(h, argv[3], value, n), "set");
    must(ext2fs_xattrs_close(&h), "close");
    must(ext2fs_close_free(&fs), "write");
    free(value);
    return 0;
}
