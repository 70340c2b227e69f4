// Disk images: opening them for boxes, mounting one as the root, telling what is in one.
#include "box/box.h"
#include "vfs/blockdev.h"
#include "vfs/ext2.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void image_facts(const struct ext2_info *e, struct belljar_image_info *out)
{
    *out = (struct belljar_image_info){.bytes = e->device_bytes,
                                       .file_system_bytes = e->bytes,
                                       .free_bytes = e->free_blocks * e->block_size,
                                       .block_size = e->block_size,
                                       .inodes = (uint32_t)e->inodes,
                                       .free_inodes = (uint32_t)e->free_inodes,
                                       .mountable = e->mountable};
    snprintf(out->type, sizeof out->type, "%s", e->type);
    snprintf(out->label, sizeof out->label, "%s", e->label);
    snprintf(out->uuid, sizeof out->uuid, "%s", e->uuid);
    snprintf(out->features, sizeof out->features, "%s", e->features);
    snprintf(out->why_not, sizeof out->why_not, "%s", e->why);
}

int belljar_image_info(const char *path, struct belljar_image_info *out, struct belljar_error *why)
{
    struct blockdev *dev;
    struct ext2_info info;
    char text[256];
    if (blockfile_open(NULL, path, &dev, text, sizeof text))
        return belljar_fail(why, BELLJAR_BAD_IMAGE, "%s: %s", path, text);
    ext2_info(dev, &info);
    blockdev_close(dev);
    if (!info.is_ext) return belljar_fail(why, BELLJAR_BAD_IMAGE, "%s: not an ext2, ext3 or ext4 image", path);
    image_facts(&info, out);
    return BELLJAR_OK;
}

int belljar_image_open(const char *path, struct belljar_image **out, struct belljar_error *why)
{
    struct belljar_image_info info;
    int code = belljar_image_info(path, &info, why);
    if (code) return code;
    if (!info.mountable) return belljar_fail(why, BELLJAR_BAD_IMAGE, "%s: %s", path, info.why_not);
    struct belljar_image *image = calloc(1, sizeof *image);
    if (image) image->path = strdup(path);
    if (!image || !image->path) {
        free(image);
        return belljar_fail(why, BELLJAR_NO_RESOURCES, "out of memory");
    }
    *out = image;
    return BELLJAR_OK;
}

void belljar_image_close(struct belljar_image *image)
{
    if (image) free(image->path);
    free(image);
}

int image_mount(struct belljar_box *b, const struct belljar_image *image, struct belljar_error *why)
{
    struct blockdev *dev;
    struct fs *fs;
    char text[256] = "";
    if (blockfile_open(&b->box.ram, image->path, &dev, text, sizeof text))
        return belljar_fail(why, BELLJAR_BAD_IMAGE, "%s: %s", image->path, text);
    if (extfs_new(b->box.vfs, dev, &fs, text, sizeof text)) {
        blockdev_close(dev);
        return belljar_fail(why, BELLJAR_BAD_IMAGE, "%s: %s", image->path, text);
    }
    if (vfs_mount(b->box.vfs, fs, "/", "/dev/root", 0))
        return belljar_fail(why, BELLJAR_BAD_IMAGE, "%s: its root cannot be mounted", image->path);
    return BELLJAR_OK;
}
