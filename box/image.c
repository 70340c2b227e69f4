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
                                       .direct = e->direct,
                                       .mountable = e->mountable};
    snprintf(out->type, sizeof out->type, "%s", e->type);
    snprintf(out->journal, sizeof out->journal, "%s", e->journal);
    snprintf(out->label, sizeof out->label, "%s", e->label);
    snprintf(out->uuid, sizeof out->uuid, "%s", e->uuid);
    snprintf(out->features, sizeof out->features, "%s", e->features);
    snprintf(out->why_not, sizeof out->why_not, "%s", e->why);
}

int image_device(const struct belljar_image *image, struct ram *ram, struct blockdev **out, char *why, size_t why_size)
{
    if (image->fd < 0) {
        struct blockpool_of of = {image->pool.blocks, image->pool.spare, image->pool.table, image->pool.link};
        return blockpool_open(ram, &of, out, why, why_size);
    }
    int fd = host_blockfile_dup(image->fd);
    if (fd >= 0) return blockfile_from_fd(ram, fd, out, why, why_size);
    snprintf(why, why_size, "%s", strerror(-fd));
    return fd;
}

// A command that mends an image ends with IMAGE (vfs/ext2_info.c).
static void name_image(struct belljar_image_info *i, const char *path)
{
    size_t n = strlen(i->why_not), word = strlen("IMAGE");
    if (n < word || strcmp(i->why_not + n - word, "IMAGE") != 0) return;
    snprintf(i->why_not + n - word, sizeof i->why_not - (n - word), "%s", path);
}

// What is in it, if that is a file system.
static int look(const struct belljar_image *image, const char *path, struct belljar_image_info *out,
                struct belljar_error *why)
{
    struct blockdev *dev;
    struct ext2_info info;
    char text[256];
    if (image_device(image, NULL, &dev, text, sizeof text))
        return belljar_fail(why, BELLJAR_BAD_IMAGE, "%s: %s", path, text);
    ext2_info(dev, &info);
    blockdev_close(dev);
    if (!info.is_ext) return belljar_fail(why, BELLJAR_BAD_IMAGE, "%s: not an ext2, ext3 or ext4 image", path);
    image_facts(&info, out);
    name_image(out, path);
    return BELLJAR_OK;
}

static int cannot_open(struct belljar_error *why, const char *path, int err)
{
    return belljar_fail(why, BELLJAR_BAD_IMAGE, "%s: cannot open the image file: %s", path, strerror(-err));
}

int belljar_image_info(const char *path, struct belljar_image_info *out, struct belljar_error *why)
{
    struct belljar_image image = {.fd = host_blockfile_open(path)};
    if (image.fd < 0) return cannot_open(why, path, image.fd);
    int code = look(&image, path, out, why);
    host_blockfile_close(image.fd);
    return code;
}

int belljar_image_info_pool(const struct belljar_pool_image *of, struct belljar_image_info *out,
                            struct belljar_error *why)
{
    return look(&(struct belljar_image){.fd = -1, .pool = *of}, of->name, out, why);
}

// Takes over from.fd, also on failure.
static int open_from(struct belljar_image from, const char *name, struct belljar_image **out, struct belljar_error *why)
{
    struct belljar_image_info info;
    int code = look(&from, name, &info, why);
    if (!code && !info.mountable) code = belljar_fail(why, BELLJAR_BAD_IMAGE, "%s: %s", name, info.why_not);
    struct belljar_image *image = code ? NULL : calloc(1, sizeof *image);
    from.path = code ? NULL : strdup(name);
    if (!code && (!image || !from.path)) code = belljar_fail(why, BELLJAR_NO_RESOURCES, "out of memory");
    if (code) {
        if (from.fd >= 0) host_blockfile_close(from.fd);
        free(from.path);
        free(image);
        return code;
    }
    *image = from;
    *out = image;
    return BELLJAR_OK;
}

int belljar_image_open(const char *path, struct belljar_image **out, struct belljar_error *why)
{
    int fd = host_blockfile_open(path);
    return fd < 0 ? cannot_open(why, path, fd) : open_from((struct belljar_image){.fd = fd}, path, out, why);
}

int belljar_image_open_fd(int fd, const char *name, struct belljar_image **out, struct belljar_error *why)
{
    int own = host_blockfile_dup(fd);
    return own < 0 ? cannot_open(why, name, own) : open_from((struct belljar_image){.fd = own}, name, out, why);
}

int belljar_image_open_pool(const struct belljar_pool_image *of, struct belljar_image **out, struct belljar_error *why)
{
    struct belljar_image image = {.fd = -1, .pool = *of};
    image.pool.name = NULL; // open_from makes the copy
    return open_from(image, of->name, out, why);
}

void belljar_image_close(struct belljar_image *image)
{
    if (!image) return;
    if (image->fd >= 0) host_blockfile_close(image->fd);
    free(image->path);
    free(image);
}

int image_mount(struct belljar_box *b, const struct belljar_image *image, struct belljar_error *why)
{
    struct blockdev *dev;
    struct fs *fs;
    char text[256] = "";
    if (image_device(image, &b->box.ram, &dev, text, sizeof text))
        return belljar_fail(why, BELLJAR_BAD_IMAGE, "%s: %s", image->path, text);
    int link = b->options->delta ? b->options->delta : -1;
    if (extfs_new_delta(b->box.vfs, dev, link, &fs, text, sizeof text)) {
        if (b->options->delta) return belljar_fail(why, BELLJAR_BAD_IMAGE, "%s", text); // names the file
        return belljar_fail(why, BELLJAR_BAD_IMAGE, "%s: %s", image->path, text);
    }
    if (vfs_mount(b->box.vfs, fs, "/", "/dev/root", 0))
        return belljar_fail(why, BELLJAR_BAD_IMAGE, "%s: its root cannot be mounted", image->path);
    dev->exact = b->box.deterministic;
    b->device = dev;
    b->root_fs = fs;
    return BELLJAR_OK;
}

int belljar_box_save(struct belljar_box *b, struct belljar_error *why)
{
    if (!b->options->delta || !b->root_fs->ops->sync(b->root_fs)) return BELLJAR_OK;
    const char *problem = extfs_problem(b->root_fs);
    return belljar_fail(why, BELLJAR_BAD_OPTION, "%s", *problem ? problem : "the box ran out of memory for it");
}
