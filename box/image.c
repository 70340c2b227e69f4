// Disk images: opening them for boxes, mounting one as the root, telling what is in one.
#include "box/box.h"
#include "host/blockfile.h"
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

// Takes over fd, also on failure. Negative: it could not be opened.
static int look(int fd, const char *path, struct belljar_image_info *out, struct belljar_error *why)
{
    struct blockdev *dev;
    struct ext2_info info;
    char text[256];
    if (fd < 0) return belljar_fail(why, BELLJAR_BAD_IMAGE, "%s: cannot open the image file: %s", path, strerror(-fd));
    if (blockfile_from_fd(NULL, fd, &dev, text, sizeof text))
        return belljar_fail(why, BELLJAR_BAD_IMAGE, "%s: %s", path, text);
    ext2_info(dev, &info);
    blockdev_close(dev);
    if (!info.is_ext) return belljar_fail(why, BELLJAR_BAD_IMAGE, "%s: not an ext2, ext3 or ext4 image", path);
    image_facts(&info, out);
    return BELLJAR_OK;
}

int belljar_image_info(const char *path, struct belljar_image_info *out, struct belljar_error *why)
{
    return look(host_blockfile_open(path), path, out, why);
}

// Takes over fd, also on failure.
static int open_from(int fd, const char *name, struct belljar_image **out, struct belljar_error *why)
{
    struct belljar_image_info info;
    int code = look(fd < 0 ? fd : host_blockfile_dup(fd), name, &info, why);
    if (!code && !info.mountable) code = belljar_fail(why, BELLJAR_BAD_IMAGE, "%s: %s", name, info.why_not);
    struct belljar_image *image = code ? NULL : calloc(1, sizeof *image);
    char *path = code ? NULL : strdup(name);
    if (!code && (!image || !path)) code = belljar_fail(why, BELLJAR_NO_RESOURCES, "out of memory");
    if (code) {
        if (fd >= 0) host_blockfile_close(fd);
        free(path);
        free(image);
        return code;
    }
    *image = (struct belljar_image){path, fd};
    *out = image;
    return BELLJAR_OK;
}

int belljar_image_open(const char *path, struct belljar_image **out, struct belljar_error *why)
{
    return open_from(host_blockfile_open(path), path, out, why);
}

int belljar_image_open_fd(int fd, const char *name, struct belljar_image **out, struct belljar_error *why)
{
    return open_from(host_blockfile_dup(fd), name, out, why);
}

void belljar_image_close(struct belljar_image *image)
{
    if (!image) return;
    host_blockfile_close(image->fd);
    free(image->path);
    free(image);
}

int image_mount(struct belljar_box *b, const struct belljar_image *image, struct belljar_error *why)
{
    struct blockdev *dev;
    struct fs *fs;
    char text[256] = "";
    int fd = host_blockfile_dup(image->fd);
    if (fd < 0) return belljar_fail(why, BELLJAR_NO_RESOURCES, "%s: %s", image->path, strerror(-fd));
    if (blockfile_from_fd(&b->box.ram, fd, &dev, text, sizeof text))
        return belljar_fail(why, BELLJAR_BAD_IMAGE, "%s: %s", image->path, text);
    if (extfs_new(b->box.vfs, dev, &fs, text, sizeof text)) {
        blockdev_close(dev);
        return belljar_fail(why, BELLJAR_BAD_IMAGE, "%s: %s", image->path, text);
    }
    if (vfs_mount(b->box.vfs, fs, "/", "/dev/root", 0))
        return belljar_fail(why, BELLJAR_BAD_IMAGE, "%s: its root cannot be mounted", image->path);
    return BELLJAR_OK;
}
