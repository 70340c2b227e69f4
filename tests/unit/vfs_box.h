// What the vfs tests share: a vfs with its own memory and a clock that ticks, and the calls of vfs.h with fewer
// arguments.
#pragma once
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "host/entropy.h"
#include "vfs/blockdev.h"
#include "vfs/vfs.h"

struct vbox {
    struct ram ram;
    struct vfs *vfs;
    struct cred cred;
    struct vfs_at at;
    int64_t clock;
    unsigned unmaps, changes; // vfs_host.unmap: of pages; of none
};

static inline struct vtime vbox_now(void *ctx)
{
    struct vbox *b = ctx;
    return (struct vtime){1700000000 + b->clock++, 5};
}
static inline void vbox_random(void *ctx, void *buf, size_t n)
{
    (void)ctx;
    host_entropy(buf, n);
}
static inline void vbox_unmap(void *ctx, struct inode *i, uint32_t first, uint32_t count)
{
    struct vbox *b = ctx;
    (void)i, (void)first;
    b->unmaps += count > 0;
    b->changes += count == 0;
}

static inline void vbox_open_on(struct vbox *b, uint32_t frames, uint64_t kmem, int memory)
{
    memset(b, 0, sizeof *b);
    assert_int_equal(ram_open_on(&b->ram, frames, memory), 0);
    struct vfs_host host = {.ctx = b, .now = vbox_now, .random = vbox_random, .unmap = vbox_unmap};
    b->vfs = vfs_new(&b->ram, &host, kmem);
    assert_non_null(b->vfs);
    cred_init(&b->cred, 0, 0);
}

static inline void vbox_open_empty(struct vbox *b, uint32_t frames, uint64_t kmem)
{
    vbox_open_on(b, frames, kmem, ram_memory());
}

static inline void vbox_mounted(struct vbox *b)
{
    b->at.cred = &b->cred;
    b->at.umask = 022;
    vfs_root(b->vfs, &b->at.root);
    vfs_root(b->vfs, &b->at.base);
}

// A box whose root is a tmpfs.
static inline void vbox_open(struct vbox *b)
{
    struct fs *fs;
    vbox_open_empty(b, 32768, 64 << 20);
    assert_int_equal(tmpfs_new(b->vfs, 0, 0755, &fs), 0);
    assert_int_equal(vfs_mount(b->vfs, fs, "/", "root", 0), 0);
    vbox_mounted(b);
}

// Every byte and frame must have come back.
static inline void vbox_close(struct vbox *b)
{
    path_put(&b->at.root);
    path_put(&b->at.base);
    vfs_free(b->vfs);
    assert_int_equal(ram_used(&b->ram), 0);
    ram_close(&b->ram);
}

static inline int v_open(struct vbox *b, const char *path, unsigned flags, struct file **f)
{
    return vfs_open(b->vfs, &b->at, path, flags, 0666, 0, f);
}
static inline int v_stat(struct vbox *b, const char *path, struct kstat *st)
{
    struct path p;
    int err = vfs_lookup(b->vfs, &b->at, path, 0, &p);
    if (err) return err;
    err = vfs_getattr(&p, st);
    path_put(&p);
    return err;
}
static inline int64_t v_write(struct file *f, const void *buf, size_t n)
{
    struct iob_mem m;
    iob_mem_init(&m, (void *)(uintptr_t)buf, n);
    int err = vfs_write(f, &m.io, &f->pos);
    return m.io.done ? (int64_t)m.io.done : err;
}
static inline int64_t v_read(struct file *f, void *buf, size_t n)
{
    struct iob_mem m;
    iob_mem_init(&m, buf, n);
    int err = vfs_read(f, &m.io, &f->pos);
    return m.io.done ? (int64_t)m.io.done : err;
}
static inline void v_put(struct vbox *b, const char *path, const char *text)
{
    struct file *f;
    assert_int_equal(v_open(b, path, LX_O_WRONLY | LX_O_CREAT | LX_O_TRUNC, &f), 0);
    assert_int_equal(v_write(f, text, strlen(text)), (int64_t)strlen(text));
    file_put(f);
}
static inline void v_expect(struct vbox *b, const char *path, const char *text)
{
    struct file *f;
    char buf[4096];
    assert_int_equal(v_open(b, path, LX_O_RDONLY, &f), 0);
    int64_t n = v_read(f, buf, sizeof buf - 1);
    file_put(f);
    assert_true(n >= 0);
    buf[n] = 0;
    assert_string_equal(buf, text);
}
