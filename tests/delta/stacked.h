// A file system over an image and a delta in this process: the delta's server runs in a thread. For test_stacked.c and
// stacked_fuzz.c.
#pragma once
#include <errno.h>
#include <pthread.h>
#include <unistd.h>
#include "disk/deltaserver.h"
#include "host/link.h"
#include "tests/unit/vfs_box.h"

struct stacked {
    struct vbox b;
    struct fs *fs; // borrowed
    struct deltaserver server;
    int link[2];
    pthread_t thread;
    bool mounted;
    char why[DELTASERVER_WHY];
};

static inline int stacked_base(void *ctx, uint64_t *bytes, uint8_t digest[32], char why[DELTASERVER_WHY])
{
    (void)ctx, (void)why;
    *bytes = 1 << 20;
    memset(digest, 7, 32);
    return 0;
}

static inline void *stacked_serve(void *at)
{
    struct stacked *s = at;
    (void)deltaserver_run(&s->server, s->link[1]);
    host_link_close(s->link[1]);
    return NULL;
}

// 0, or what extfs_new_delta says, with s->why. shown: the server reads pages from the memory, as it does for a worker.
static inline int stacked_open(struct stacked *s, const char *image, const char *delta, uint64_t limit, uint32_t frames,
                               uint64_t kmem, bool shown)
{
    struct blockdev *dev;
    int memory = ram_memory();
    *s = (struct stacked){.server = {.path = delta, .limit = limit, .base = stacked_base, .end = -1}};
    if (shown) s->server.memory = dup(memory);
    assert_int_equal(host_link_pair(s->link), 0);
    assert_int_equal(pthread_create(&s->thread, NULL, stacked_serve, s), 0);
    vbox_open_on(&s->b, frames, kmem, memory);
    assert_int_equal(blockfile_open(&s->b.ram, image, &dev, s->why, sizeof s->why), 0);
    int err = extfs_new_delta(s->b.vfs, dev, s->link[0], &s->fs, s->why, sizeof s->why);
    if (err) return err;
    assert_int_equal(vfs_mount(s->b.vfs, s->fs, "/", "image", 0), 0);
    vbox_mounted(&s->b);
    s->mounted = true;
    return 0;
}

static inline void stacked_close(struct stacked *s)
{
    if (s->mounted) {
        path_put(&s->b.at.root);
        path_put(&s->b.at.base);
    }
    vfs_free(s->b.vfs);
    assert_int_equal(ram_used(&s->b.ram), 0);
    ram_close(&s->b.ram);
    host_link_close(s->link[0]);
    pthread_join(s->thread, NULL);
    if (s->server.memory) close(s->server.memory);
}
