// Translating ahead (belljar.h): reads files of an image by their inode, and has jit/build.c translate what a profile
// says has run of them. No box runs here.
#include "box/box.h"
#include "cpu/mem.h"
#include "jit/build.h"
#include "jit/record.h"
#include "vfs/blockdev.h"
#include "vfs/memfs.h"
#include <stdlib.h>
#include <string.h>

enum { MAX_FILE = 512 << 20, MAX_MAPPING = 1 << 15 };

struct ahead {
    const struct belljar_options *options;
    const struct belljar_ahead *task;
    struct ram ram;
    struct vfs *vfs;
    struct fs *fs;
    int fd;
};

// ---- the image ----

static struct vtime no_time(void *ctx)
{
    (void)ctx;
    return (struct vtime){0};
}
static void no_random(void *ctx, void *to, size_t n)
{
    (void)ctx;
    memset(to, 0, n);
}
static void no_unmap(void *ctx, struct inode *i, uint32_t first, uint32_t count)
{
    (void)ctx, (void)i, (void)first, (void)count;
}
static void no_file(void *ctx, struct file *f)
{
    (void)ctx, (void)f;
}

static int open_image(struct ahead *a, const struct belljar_image *image, struct belljar_error *why)
{
    struct vfs_host host = {.now = no_time, .random = no_random, .unmap = no_unmap, .file_release = no_file};
    struct blockdev *dev;
    char text[256] = "";
    if (box_memory(&a->ram, a->options)) return belljar_fail(why, BELLJAR_NO_RESOURCES, "out of memory");
    a->vfs = vfs_new(&a->ram, &host, a->options->memory);
    if (!a->vfs) return belljar_fail(why, BELLJAR_NO_RESOURCES, "out of memory");
    if (image_device(image, &a->ram, &dev, text, sizeof text))
        return belljar_fail(why, BELLJAR_BAD_IMAGE, "%s: %s", image->path, text);
    if (extfs_new(a->vfs, dev, &a->fs, text, sizeof text)) {
        blockdev_close(dev);
        return belljar_fail(why, BELLJAR_BAD_IMAGE, "%s: %s", image->path, text);
    }
    if (vfs_mount(a->vfs, a->fs, "/", "/dev/root", MOUNT_RDONLY))
        return belljar_fail(why, BELLJAR_BAD_IMAGE, "%s: its root cannot be mounted", image->path);
    return BELLJAR_OK;
}

// ---- a file ----

static bool digest_of(const struct ahead *a, struct inode *i, uint8_t *to)
{
    uint64_t size = i->size;
    struct {
        uint8_t image[32];
        uint64_t inode;
    } name = {.inode = i->ino};
    if (a->task->image) {
        memcpy(name.image, a->task->image, sizeof name.image);
        a->task->digest(&name, sizeof name, to);
        return true;
    }
    uint8_t *all = size && size <= MAX_FILE ? malloc(size) : NULL;
    bool good = all && inode_read(i, 0, all, size) == (int)size;
    if (good) a->task->digest(all, size, to);
    free(all);
    return good;
}

// Only frames of the image itself are shared by boxes (jit/view.h), so only these are worth it.
static void show(struct ahead *a, struct mem *mem, struct inode *i, const struct profile_mapping *m)
{
    for (uint32_t n = 0; n < m->npages; n++) {
        uint32_t frame;
        if (inode_page(i, (uint32_t)m->offset + n, false, &frame)) continue;
        if (ram_is_file(frame))
            mem_map(mem, m->first + n, 1, frame, MEM_R | MEM_X);
        else
            ram_unref(&a->ram, frame);
    }
}

// ---- a record ----

static bool put(const struct ahead *a, const void *from, size_t n)
{
    static const uint8_t zeros[8];
    if (host_write_all(a->fd, from, n) < 0) return false;
    return n % 8 == 0 || host_write_all(a->fd, zeros, 8 - n % 8) >= 0;
}

static bool write_record(const struct ahead *a, const struct store_record *r, const struct built *b)
{
    bool good = put(a, r, sizeof *r);
    for (unsigned i = 0; good && i < STORE_SECTIONS; i++) good = put(a, b->section[i], b->bytes[i]);
    return good;
}

static bool make(struct ahead *a, struct inode *i, struct mem *mem, const struct profile_mapping *m,
                 const struct profile_code *codes, uint32_t slot)
{
    struct store_record r = {.inode = m->inode,
                             .shard = {.offset = m->offset, .first = m->first, .npages = m->npages, .slot = slot}};
    struct build_task task = {.mem = mem,
                              .first = m->first,
                              .npages = m->npages,
                              .slot = slot,
                              .codes = codes,
                              .ncodes = m->ncodes,
                              .level = a->options->cpu_level == 2 ? CPU_LEVEL_V2 : CPU_LEVEL_V3,
                              .fuel = a->options->deterministic};
    struct built built;
    show(a, mem, i, m);
    if (!digest_of(a, i, r.shard.digest) || !jit_build(&task, &built)) return true;
    for (unsigned k = 0; k < STORE_SECTIONS; k++) r.shard.section[k].bytes = built.bytes[k];
    bool good = write_record(a, &r, &built);
    jit_built_free(&built);
    return good;
}

// False: nothing more can be written.
static bool make_mapping(struct ahead *a, const struct profile_mapping *m, const struct profile_code *codes,
                         uint32_t slot)
{
    struct inode *i;
    if (memfs_inode(memfs_of(a->fs->root), m->inode, &i)) return true;
    struct mem *mem = mem_new(&a->ram, MEM_CHECKED);
    bool good = !mem || make(a, i, mem, m, codes, slot);
    if (mem) mem_free(mem);
    inode_put(i);
    return good;
}

// ---- the profile: anybody's bytes ----

static bool is_good(const struct profile_mapping *m, size_t left)
{
    return m->npages && m->npages <= MAX_MAPPING && m->first < MEM_PAGES && m->npages <= MEM_PAGES - m->first &&
           m->ncodes <= PROFILE_MAX_CODES && m->ncodes * sizeof(struct profile_code) <= left && m->offset < 1u << 31;
}

static bool make_all(struct ahead *a)
{
    const uint8_t *at = a->task->profile;
    size_t left = a->task->bytes;
    struct profile_mapping m;
    for (unsigned n = 0; n < a->task->nslots && left >= sizeof m; n++) {
        memcpy(&m, at, sizeof m);
        at += sizeof m;
        left -= sizeof m;
        if (!is_good(&m, left)) return true;
        size_t bytes = m.ncodes * sizeof(struct profile_code);
        struct profile_code *codes = malloc(bytes ? bytes : 1);
        if (codes) memcpy(codes, at, bytes);
        bool good = !codes || make_mapping(a, &m, codes, a->task->slots[n]);
        free(codes);
        if (!good) return false;
        at += bytes;
        left -= bytes;
    }
    return true;
}

int belljar_ahead(struct belljar_image *image, const struct belljar_options *o, const struct belljar_ahead *task,
                  int fd, struct belljar_error *why)
{
    struct ahead a = {.options = o, .task = task, .fd = fd};
    int code = open_image(&a, image, why);
    if (!code && !make_all(&a)) code = belljar_fail(why, BELLJAR_NO_RESOURCES, "the records cannot be written");
    if (a.vfs) vfs_free(a.vfs);
    if (a.ram.base) ram_close(&a.ram);
    return code;
}

static int check_all(const uint8_t *at, size_t n, struct jit_check *check, struct belljar_error *why)
{
    struct record r;
    const char *what;
    for (; n; at += r.bytes, n -= r.bytes) {
        if (!record_parse(at, n, &r)) return belljar_fail(why, BELLJAR_BUG, "a record is cut off");
        if (!record_check(&r, check, &what))
            return belljar_fail(why, BELLJAR_BUG, "a record is refused for %s: %s", what, check->refused);
    }
    return BELLJAR_OK;
}

int belljar_ahead_check(const void *records, size_t n, struct belljar_error *why)
{
    struct jit_check check;
    char lacks[200];
    if (!jit_check_open(&check, lacks, sizeof lacks)) return belljar_fail(why, BELLJAR_NO_RESOURCES, "%s", lacks);
    int code = check_all(records, n, &check, why);
    jit_check_close(&check);
    return code;
}
