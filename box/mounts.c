// Directories of the host in the box: struct belljar_mount.
#include "box/box.h"
#include "vfs/hostfs.h"
#include <string.h>

// What the path leads to; *in_host: the last directory on it that exists, or itself, is one of the host's.
static int find(struct belljar_box *b, const struct vfs_at *at, const char *path, bool *in_host)
{
    char part[LX_PATH_MAX];
    struct path p;
    int err = vfs_lookup(b->box.vfs, at, path, LOOKUP_FOLLOW, &p), found = err;
    *in_host = false;
    if (strlen(path) >= sizeof part) return -LX_ENAMETOOLONG;
    strcpy(part, path);
    while (found == -LX_ENOENT) {
        char *slash = strrchr(part, '/');
        if (!slash) return err;
        slash[slash == part] = 0;
        found = vfs_lookup(b->box.vfs, at, part, LOOKUP_FOLLOW, &p);
    }
    if (found) return err;
    *in_host = fs_is_hostfs(p.dentry->fs);
    path_put(&p);
    return err;
}

// A place that the image has not is made, in the box's own layer; in a directory of the host's nothing is.
static int make_place(struct belljar_box *b, const char *place, struct belljar_error *why)
{
    struct cred root;
    bool in_host;
    cred_init(&root, 0, 0);
    struct vfs_at at = {.root = b->root, .base = b->root, .cred = &root};
    if (place[0] != '/' || !place[1])
        return belljar_fail(why, BELLJAR_BAD_OPTION, "--mount: %s: not a place for a directory inside the box", place);
    int err = find(b, &at, place, &in_host);
    if (err != -LX_ENOENT) return BELLJAR_OK; // whatever it is, the mount will say
    if (in_host)
        return belljar_fail(why, BELLJAR_BAD_OPTION,
                            "--mount: %s: no such directory in the directory of the host that is mounted above it",
                            place);
    err = box_make_parents(b, &at, place);
    if (!err) err = vfs_mkdir(b->box.vfs, &at, place, 0755);
    return err ? belljar_fail(why, BELLJAR_BAD_OPTION, "--mount: %s: cannot make this directory in the box: %s", place,
                              box_errno_text(err))
               : BELLJAR_OK;
}

static int mount_one(struct belljar_box *b, const struct belljar_mount *m, struct belljar_error *why)
{
    const struct belljar_options *o = b->options;
    const struct hostfs_options options = {
        .link = m->link, .index = m->index, .writable = m->writable, .uid = o->uid, .gid = o->gid};
    struct fs *fs;
    int code = make_place(b, m->place, why);
    if (code) return code;
    int err = hostfs_new(b->box.vfs, &options, &fs);
    if (err)
        return belljar_fail(why, BELLJAR_NO_RESOURCES, "--mount: %s: the server does not answer: %s", m->place,
                            box_errno_text(err));
    err = vfs_mount(b->box.vfs, fs, m->place, "host", 0);
    return err ? belljar_fail(why, BELLJAR_BAD_OPTION, "--mount: %s: cannot mount there: %s", m->place,
                              box_errno_text(err))
               : BELLJAR_OK;
}

int mount_hosts(struct belljar_box *b, struct belljar_error *why)
{
    int code = BELLJAR_OK;
    for (unsigned i = 0; i < b->options->nmounts && !code; i++) code = mount_one(b, &b->options->mounts[i], why);
    return code;
}
