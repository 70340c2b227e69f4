// Hot files: making and verifying them (see packed.h). packed_hot.c reads them on their way from a server.
#include "disk/packed.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct hot_maker {
    const char *path; // of the manifest
    struct manifest manifest;
    struct packed_codec *codec;
    struct manifest_hot *list;
    uint8_t *seen; // a bit for each chunk of the image
    uint32_t n;
    int dir, fd;
    uint64_t at;
    uint8_t stored[MANIFEST_STORED_MAX];
    char chunk[MANIFEST_CHUNK];
    char *why;
};

static int refuse(struct hot_maker *m, const char *what, const char *name)
{
    snprintf(m->why, MANIFEST_WHY, "%s %s: %s", what, name, strerror(errno));
    return -1;
}

// ---------------------------------------------------------------- the list

static void add_one(struct hot_maker *m, uint32_t index)
{
    if (index >= m->manifest.head.chunks || manifest_is_zero(&m->manifest.chunk[index])) return;
    if (m->n == MANIFEST_HOT_MAX || m->seen[index / 8] & 1 << index % 8) return;
    m->seen[index / 8] |= (uint8_t)(1 << index % 8);
    m->list[m->n++] = (struct manifest_hot){index, 0};
}

// Those of the file that is there. One of another image is of no use.
static void add_old(struct hot_maker *m, const char *hot)
{
    enum { FRONT = sizeof(struct manifest_hot_head) + MANIFEST_HOT_MAX * sizeof(struct manifest_hot) };
    struct manifest_hot_list list;
    char why[MANIFEST_WHY];
    int fd = open(hot, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return;
    uint8_t *front = malloc(FRONT);
    ssize_t n = front ? pread(fd, front, FRONT, 0) : -1;
    close(fd);
    if (n >= 0 && !manifest_hot_parse(&m->manifest, front, (size_t)n, &list, why))
        for (uint32_t i = 0; i < list.n; i++) add_one(m, list.at[i].index);
    free(front);
}

// ---------------------------------------------------------------- the file

static int put(struct hot_maker *m, const void *bytes, size_t n, uint64_t at)
{
    for (size_t done = 0; done < n;) {
        ssize_t did = pwrite(m->fd, (const char *)bytes + done, n - done, (off_t)(at + done));
        if (did < 0 && errno == EINTR) continue;
        if (did <= 0) return refuse(m, "cannot write beside", m->path);
        done += (size_t)did;
    }
    return 0;
}

static int put_chunk(struct hot_maker *m, struct manifest_hot *h)
{
    const struct manifest_chunk *c = &m->manifest.chunk[h->index];
    char name[MANIFEST_NAME];
    int64_t n = packed_read(m->dir, c, m->stored);
    manifest_chunk_name(c, name);
    if (n < 0) {
        errno = (int)-n;
        return refuse(m, "cannot read", name);
    }
    if (n > MANIFEST_STORED_MAX || packed_unpack(m->codec, c, m->stored, (size_t)n, m->chunk) != PACKED_RIGHT) {
        snprintf(m->why, MANIFEST_WHY, "%s is damaged: pack the image again", name);
        return -1;
    }
    h->stored = (uint32_t)n;
    m->at += h->stored;
    return put(m, m->stored, h->stored, m->at - h->stored);
}

static int put_all(struct hot_maker *m)
{
    struct manifest_hot_head head = {.chunks = m->n};
    size_t list = m->n * sizeof *m->list;
    memcpy(head.magic, MANIFEST_HOT_MAGIC, sizeof head.magic);
    memcpy(head.digest, m->manifest.head.digest, sizeof head.digest);
    m->at = sizeof head + list;
    for (uint32_t i = 0; i < m->n; i++)
        if (put_chunk(m, &m->list[i])) return -1;
    return put(m, &head, sizeof head, 0) || put(m, m->list, list, sizeof head) ? -1 : 0;
}

static int write_file(struct hot_maker *m, const char *hot)
{
    char *other;
    if (asprintf(&other, "%s.new-%ld", hot, (long)getpid()) < 0) {
        errno = ENOMEM;
        return refuse(m, "cannot write", hot);
    }
    m->fd = open(other, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
    int err = m->fd < 0 ? refuse(m, "cannot write", other) : put_all(m);
    if (!err && rename(other, hot)) err = refuse(m, "cannot write", hot);
    if (m->fd >= 0) close(m->fd);
    if (err && m->fd >= 0) unlink(other);
    free(other);
    return err;
}

// ---------------------------------------------------------------- the whole

static int open_maker(struct hot_maker *m)
{
    char *directory = manifest_beside(m->path, ".");
    m->dir = directory ? open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    free(directory);
    if (m->dir < 0) return refuse(m, "cannot open the directory of", m->path);
    if (manifest_read(&m->manifest, m->path, m->why) || packed_codec_open(&m->codec, false, m->why)) return -1;
    m->seen = calloc(1, m->manifest.head.chunks / 8 + 1);
    m->list = calloc(MANIFEST_HOT_MAX, sizeof *m->list);
    return m->seen && m->list ? 0 : refuse(m, "cannot read", m->path);
}

static int make(struct hot_maker *m, const char *hot, const uint32_t *index, uint32_t n, bool add,
                struct packed_hot_counts *counts)
{
    if (open_maker(m)) return -1;
    if (add) add_old(m, hot);
    counts->added = m->n;
    for (uint32_t i = 0; i < n; i++) add_one(m, index[i]);
    if (!m->n) {
        snprintf(m->why, MANIFEST_WHY, "nothing of the image was needed");
        return -1;
    }
    if (write_file(m, hot)) return -1;
    *counts = (struct packed_hot_counts){.chunks = m->n, .added = m->n - counts->added, .bytes = m->at};
    return 0;
}

int packed_hot_make(const char *manifest, const uint32_t *index, uint32_t n, bool add, struct packed_hot_counts *counts,
                    char why[MANIFEST_WHY])
{
    struct hot_maker *m = calloc(1, sizeof *m);
    char *hot = manifest_beside(manifest, NULL);
    int err = -1;
    snprintf(why, MANIFEST_WHY, "no memory");
    if (m && hot) {
        *m = (struct hot_maker){.path = manifest, .dir = -1, .fd = -1, .why = why};
        err = make(m, hot, index, n, add, counts);
        packed_codec_close(m->codec);
        manifest_free(&m->manifest);
        free(m->list);
        free(m->seen);
        if (m->dir >= 0) close(m->dir);
    }
    free(hot);
    free(m);
    return err;
}

int packed_hot_verify(struct packed_codec *c, const struct manifest *m, const void *bytes, size_t n,
                      char why[MANIFEST_WHY])
{
    struct manifest_hot_list list;
    if (manifest_hot_parse(m, bytes, n, &list, why)) return -1;
    const uint8_t *at = (const uint8_t *)(list.at + list.n), *end = (const uint8_t *)bytes + n;
    char *chunk = malloc(MANIFEST_CHUNK);
    const char *complaint = chunk ? NULL : "cannot be unpacked: no memory";
    uint32_t i = 0;
    for (; !complaint && i < list.n; at += list.at[i++].stored) {
        enum packed_state s = PACKED_DAMAGED;
        if (list.at[i].stored <= (size_t)(end - at))
            s = packed_unpack(c, &m->chunk[list.at[i].index], at, list.at[i].stored, chunk);
        if (s != PACKED_RIGHT) complaint = packed_complaint(s);
        if (complaint) break;
    }
    free(chunk);
    if (complaint) snprintf(why, MANIFEST_WHY, "chunk %u of the hot list %s", list.at[i].index, complaint);
    if (!complaint && at != end) snprintf(why, MANIFEST_WHY, "there is more behind the hot list's chunks");
    return complaint || at != end ? -1 : 0;
}
