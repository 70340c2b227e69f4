// Files put into a box and taken out of it, through the box's own file systems, as its root.
#include "box/box.h"
#include <stdlib.h>
#include <string.h>

enum { CHUNK = 65536 };

static struct vfs_at root_at(const struct belljar_box *b, struct cred *root)
{
    cred_init(root, 0, 0);
    return (struct vfs_at){.root = b->root, .base = b->root, .cred = root};
}

// mkdir -p of everything above the last component.
int box_make_parents(struct belljar_box *b, const struct vfs_at *at, const char *path)
{
    char part[LX_PATH_MAX];
    for (const char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        size_t n = (size_t)(slash - path);
        if (n >= sizeof part) return -LX_ENAMETOOLONG;
        memcpy(part, path, n);
        part[n] = 0;
        int err = vfs_mkdir(b->box.vfs, at, part, 0755);
        if (err && err != -LX_EEXIST) return err;
    }
    return 0;
}

static int open_new(struct belljar_box *b, const char *path, uint32_t mode, struct file **out,
                    struct belljar_error *why)
{
    struct cred root;
    struct vfs_at at = root_at(b, &root);
    if (path[0] != '/')
        return belljar_fail(why, BELLJAR_BAD_OPTION, "%s: a path inside the box must begin with /", path);
    int err = box_make_parents(b, &at, path);
    if (!err)
        err = vfs_open(b->box.vfs, &at, path, LX_O_WRONLY | LX_O_CREAT | LX_O_TRUNC, mode & 07777, LOOKUP_FOLLOW, out);
    return err ? belljar_fail(why, BELLJAR_BAD_OPTION, "%s: cannot be written inside the box (errno %d)", path, -err)
               : BELLJAR_OK;
}

static int write_all(struct file *f, const void *bytes, size_t n)
{
    struct iob_mem m;
    iob_mem_init(&m, (void *)bytes, n);
    return vfs_write(f, &m.io, &f->pos);
}

static int say_full(struct belljar_error *why, const char *path, int err)
{
    return belljar_fail(why, BELLJAR_BAD_OPTION,
                        err == -LX_ENOSPC || err == -LX_ENOMEM ? "%s: does not fit into the box's memory"
                                                               : "%s: cannot be written inside the box",
                        path);
}

int belljar_box_put(struct belljar_box *b, const char *path, uint32_t mode, const void *bytes, size_t n,
                    struct belljar_error *why)
{
    struct file *f;
    int code = open_new(b, path, mode, &f, why);
    if (code) return code;
    int err = write_all(f, bytes, n);
    file_put(f);
    return err ? say_full(why, path, err) : BELLJAR_OK;
}

int belljar_box_put_fd(struct belljar_box *b, const char *path, uint32_t mode, int fd, struct belljar_error *why)
{
    struct file *f;
    char *buf = malloc(CHUNK);
    int code = buf ? open_new(b, path, mode, &f, why) : belljar_fail(why, BELLJAR_NO_RESOURCES, "out of memory");
    int64_t got = 0;
    int err = 0;
    while (!code && !err && (got = host_read(fd, buf, CHUNK)) > 0) err = write_all(f, buf, (size_t)got);
    if (!code) file_put(f);
    free(buf);
    if (err) return say_full(why, path, err);
    return got < 0 ? belljar_fail(why, BELLJAR_BAD_OPTION, "%s: cannot read what is to be put there: %s", path,
                                  strerror((int)-got))
                   : code;
}

static int open_old(struct belljar_box *b, const char *path, struct file **out, struct belljar_error *why)
{
    struct cred root;
    struct vfs_at at = root_at(b, &root);
    if (path[0] != '/')
        return belljar_fail(why, BELLJAR_BAD_OPTION, "%s: a path inside the box must begin with /", path);
    int err = vfs_open(b->box.vfs, &at, path, LX_O_RDONLY | LX_O_NONBLOCK, 0, LOOKUP_FOLLOW, out);
    if (err) return belljar_fail(why, BELLJAR_BAD_OPTION, "%s: no such file in the box", path);
    if (((*out)->inode->mode & LX_S_IFMT) == LX_S_IFREG) return BELLJAR_OK;
    file_put(*out);
    return belljar_fail(why, BELLJAR_BAD_OPTION, "%s: not a regular file", path);
}

int belljar_box_get_fd(struct belljar_box *b, const char *path, int fd, struct belljar_error *why)
{
    struct file *f;
    char *buf = malloc(CHUNK);
    int code = buf ? open_old(b, path, &f, why) : belljar_fail(why, BELLJAR_NO_RESOURCES, "out of memory");
    int64_t put = 0;
    int err = 0;
    for (bool more = true; !code && more && !err && put >= 0;) {
        struct iob_mem m;
        iob_mem_init(&m, buf, CHUNK);
        err = vfs_read(f, &m.io, &f->pos);
        more = m.io.done > 0;
        if (more) put = host_write_all(fd, buf, m.io.done);
    }
    if (!code) file_put(f);
    free(buf);
    if (err) return belljar_fail(why, BELLJAR_BAD_IMAGE, "%s: cannot be read from the image", path);
    return put < 0 ? belljar_fail(why, BELLJAR_BAD_OPTION, "%s: cannot write the copy: %s", path, strerror((int)-put))
                   : code;
}
