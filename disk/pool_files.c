// See pool_files.h. Memory that is mapped of a file must have its place on the disk, or a full disk is a SIGBUS: so
// whatever will be written to is allocated before.
#include "disk/pool_files.h"
#include "disk/directory.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

enum { PATIENCE_MS = 500 };

// ---------------------------------------------------------------- places on the disk

static int write_zeros(int fd, off_t at, off_t n)
{
    static const char zeros[4096];
    for (off_t end = at + n; at < end; at += (off_t)sizeof zeros)
        if (pwrite(fd, zeros, sizeof zeros, at) != (ssize_t)sizeof zeros) return errno ? errno : ENOSPC;
    return 0;
}

// Of whole pages that nobody has used yet. 0 or an errno.
static int allocate(int fd, off_t at, off_t n)
{
    int err;
    while ((err = fallocate(fd, 0, at, n) ? errno : 0) == EINTR) {
    }
    return err == EOPNOTSUPP || err == ENOSYS ? write_zeros(fd, at, n) : err;
}

// Steps do not end with pages: the first page of a step may be in use already, and stays.
bool files_grow(struct pool_files *f)
{
    struct index_head *h = f->index.head;
    uint64_t at = INDEX_ENTRIES_AT + (uint64_t)h->ready * sizeof(struct index_entry);
    uint64_t end = at + INDEX_STEP * sizeof(struct index_entry);
    if (h->ready % INDEX_STEP || h->ready > POOL_SLOTS - INDEX_STEP) return false;
    at = (at + 4095) & ~4095ull;
    end = (end + 4095) & ~4095ull;
    if (allocate(f->index_fd, (off_t)at, (off_t)(end - at))) return false;
    h->ready += INDEX_STEP;
    return true;
}

// ---------------------------------------------------------------- the lock

static int take_lock(int fd, int patience_ms)
{
    struct timespec tick = {0, 100000};
    for (int tries = 1 + patience_ms * 6; flock(fd, LOCK_EX | LOCK_NB); tries--) { // a tick takes some 160 us
        if ((errno != EWOULDBLOCK && errno != EINTR) || tries == 0) return errno;
        nanosleep(&tick, NULL);
    }
    return 0;
}

bool files_lock(struct pool_files *f)
{
    struct stat st;
    f->impatient = take_lock(f->index_fd, f->impatient ? 0 : PATIENCE_MS) != 0;
    if (f->impatient) return false;
    if (fstat(f->index_fd, &st) || !st.st_nlink || st.st_size != INDEX_BYTES || f->index.head->file != f->file) {
        files_unlock(f);
        return false;
    }
    if (f->index.head->dirty) index_rebuild(&f->index);
    return true;
}

void files_unlock(struct pool_files *f)
{
    flock(f->index_fd, LOCK_UN);
}

// ---------------------------------------------------------------- the index's head

static void read_boot_id(char id[40])
{
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    memset(id, 0, 40);
    if (fd < 0) return;
    if (read(fd, id, 36) != 36) id[0] = 0;
    close(fd);
}

static bool is_good(const struct index_head *h)
{
    return !memcmp(h->magic, index_magic, sizeof h->magic) && h->version == INDEX_VERSION &&
           h->sum == index_head_sum(h) && h->ready <= POOL_SLOTS && h->ready % INDEX_STEP == 0;
}

// Everything is forgotten.
static int start_anew(struct pool_files *f, const struct stat *blocks, const struct stat *pins)
{
    struct index_head *h = f->index.head;
    if (ftruncate(f->index_fd, 0) || ftruncate(f->index_fd, INDEX_BYTES)) return errno;
    int err = allocate(f->index_fd, 0, INDEX_ENTRIES_AT);
    if (err) return err;
    memcpy(h->magic, index_magic, sizeof h->magic);
    h->version = INDEX_VERSION;
    h->device = blocks->st_dev;
    h->file = blocks->st_ino;
    h->pins = pins->st_ino;
    read_boot_id(h->boot_id);
    h->sum = index_head_sum(h);
    return 0;
}

// After a start of the machine no content is believed until it has been looked at; where it cannot be known whether
// there was one, there was.
static void notice_start(struct index_head *h)
{
    char id[40];
    read_boot_id(id);
    if (*id && !memcmp(id, h->boot_id, sizeof id)) return;
    h->sum = 0;
    memcpy(h->boot_id, id, sizeof id);
    h->boot++;
    h->sum = index_head_sum(h);
}

// ---------------------------------------------------------------- opening

struct opening {
    struct pool_files *f;
    int dir, pins; // the latter can be written to
    bool make, anew;
    struct stat blocks_st, pins_st;
};

// As long as it is to be, or it is not the one that was.
static int open_long(struct opening *o, const char *name, uint64_t bytes, int *fd, struct stat *st)
{
    *fd = directory_file(o->dir, name, O_RDWR | (o->make ? O_CREAT : 0), st);
    if (*fd < 0) return errno;
    if ((uint64_t)st->st_size == bytes) return 0;
    o->anew = true;
    return o->make && ftruncate(*fd, (off_t)bytes) ? errno : 0;
}

static void *map_file(int fd, size_t bytes)
{
    return mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
}

// With its lock, which all the rest is done with. Whoever made it anew in between must not be met under another lock.
static int open_index(struct opening *o)
{
    struct pool_files *f = o->f;
    struct stat st, named;
    f->index_fd = directory_file(o->dir, "index", O_RDWR | (o->make ? O_CREAT : 0), &st);
    if (f->index_fd < 0) return errno;
    int err = take_lock(f->index_fd, PATIENCE_MS);
    if (err) return err;
    if (fstatat(o->dir, "index", &named, AT_SYMLINK_NOFOLLOW) || fstat(f->index_fd, &st)) return errno;
    if (named.st_ino != st.st_ino) return EBUSY;
    if (st.st_size != INDEX_BYTES && (!o->make || ftruncate(f->index_fd, INDEX_BYTES))) return o->make ? errno : ENOENT;
    void *at = map_file(f->index_fd, INDEX_BYTES);
    if (at == MAP_FAILED) return errno;
    f->index = index_at(at);
    o->anew = !is_good(f->index.head);
    return 0;
}

// The description with the lock is another one, which cannot write.
static int open_pins(struct opening *o)
{
    struct stat st;
    int err = open_long(o, "pins", PINS_BYTES, &o->pins, &o->pins_st);
    if (err) return err;
    uint8_t *at = map_file(o->pins, PINS_BYTES);
    if (at == MAP_FAILED) return errno;
    o->f->bits = (uint64_t *)(at + PINS_BITS_AT);
    o->f->writes = (uint32_t *)at;
    o->f->pins = directory_file(o->dir, "pins", O_RDONLY, &st);
    return o->f->pins < 0 ? errno : 0;
}

static int open_blocks(struct opening *o)
{
    struct pool_files *f = o->f;
    const struct index_head *h = f->index.head;
    int err = open_long(o, "blocks", BLOCKS_BYTES, &f->blocks, &o->blocks_st);
    if (err) return err;
    if (h->device != o->blocks_st.st_dev || h->file != o->blocks_st.st_ino || h->pins != o->pins_st.st_ino)
        o->anew = true;
    if (!o->anew) return 0;
    if (!o->make) return ENOENT;
    close(f->blocks);
    f->blocks = -1;
    if (unlinkat(o->dir, "blocks", 0)) return errno;
    err = open_long(o, "blocks", BLOCKS_BYTES, &f->blocks, &o->blocks_st);
    if (!err) err = allocate(o->pins, 0, PINS_BITS_AT);
    return err ? err : start_anew(f, &o->blocks_st, &o->pins_st);
}

static int become_user(struct opening *o)
{
    struct pool_files *f = o->f;
    if (!pins_claim(f)) return EUSERS;
    int err = allocate(o->pins, PINS_BITS_AT + (off_t)f->user * POOL_SLOTS / 8, POOL_SLOTS / 8);
    if (!err) pins_clear(f);
    return err;
}

static int open_all(struct opening *o)
{
    struct pool_files *f = o->f;
    struct stat st;
    int err = open_index(o);
    if (!err) err = open_pins(o);
    if (!err) err = open_blocks(o);
    if (err) return err;
    f->blocks_ro = directory_file(o->dir, "blocks", O_RDONLY, &st);
    if (f->blocks_ro < 0) return errno;
    f->file = o->blocks_st.st_ino;
    notice_start(f->index.head);
    return o->make ? become_user(o) : 0;
}

int files_directory(const char *directory, bool create, char why[POOL_WHY])
{
    int dir = directory_open(directory, create, why, POOL_WHY), above = dir;
    if (!directory && above >= 0) {
        dir = directory_below(above, "disks", create, why, POOL_WHY);
        int err = errno;
        close(above);
        errno = err;
    }
    return dir >= 0 ? dir : errno ? -errno : -ENOENT; // no home directory: no errno
}

// Two machines that map one file do not see each other's changes, and each has its own start.
static bool is_shared_by_machines(int dir)
{
    static const unsigned types[] = {
        0x6969,     // NFS
        0x517b,     // SMB
        0xff534d42, // CIFS
        0xfe534d42, // SMB 2
        0x01021997, // 9P
        0x5346414f, // AFS
        0x6b414653, // AFS of the kernel's own
        0x00c36400, // Ceph
        0x0bd00bd0, // Lustre
        0x01161970, // GFS 2
        0x7461636f, // OCFS 2
        0x73757245, // Coda
        0x47504653, // GPFS
    };
    struct statfs fs;
    if (fstatfs(dir, &fs)) return true;
    for (unsigned i = 0; i < sizeof types / sizeof *types; i++)
        if ((unsigned)fs.f_type == types[i]) return true;
    return false;
}

static const char *describe(int err)
{
    return err == EPERM                         ? "not ours alone"
           : err == EREMOTE                     ? "on a file system that machines share"
           : err == EUSERS                      ? "too many boxes use it"
           : err == EBUSY || err == EWOULDBLOCK ? "another process has locked it for too long"
                                                : strerror(err);
}

int files_open(struct pool_files *f, int dir, enum files_how how, char why[POOL_WHY])
{
    struct opening o = {.f = f, .dir = dir, .pins = -1, .make = how == FILES_USE};
    struct rlimit limit;
    char path[128];
    *f = (struct pool_files){.index_fd = -1, .blocks = -1, .blocks_ro = -1, .pins = -1, .user = PINS_NOBODY};
    int err = 0;
    if (getrlimit(RLIMIT_FSIZE, &limit) || limit.rlim_cur < BLOCKS_BYTES)
        err = EFBIG; // who writes beyond it gets a signal
    if (!err && is_shared_by_machines(dir)) err = EREMOTE;
    if (!err) err = open_all(&o);
    if (o.pins >= 0) close(o.pins);
    if (f->index_fd >= 0) files_unlock(f);
    if (!err) return 0;
    files_close(f);
    directory_path(dir, path, sizeof path);
    snprintf(why, POOL_WHY, "cannot use the files in %s: %s", path, describe(err));
    return -err;
}

static void close_fd(int *fd)
{
    if (*fd >= 0) close(*fd);
    *fd = -1;
}

void files_lend(struct pool_files *f)
{
    if (f->index.head) munmap(f->index.head, INDEX_BYTES);
    if (f->writes) munmap(f->writes, PINS_BYTES);
    f->index.head = NULL;
    f->bits = NULL;
    f->writes = NULL;
    close_fd(&f->index_fd);
    close_fd(&f->blocks);
}

void files_close(struct pool_files *f)
{
    files_lend(f);
    close_fd(&f->blocks_ro);
    close_fd(&f->pins);
}
