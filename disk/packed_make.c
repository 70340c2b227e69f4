// Making a packed image. Threads take one chunk after the other: hash, look whether its file is there and right, else
// compress and write it under another name, then rename. The manifest comes last, when all of that is on the disk.
#include "disk/packed.h"
#include "disk/sha256.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <time.h>
#include <unistd.h>

enum { THREADS = 16, PROGRESS_MS = 100 };

struct maker {
    const struct packed_options *options;
    struct manifest manifest;
    struct stat image_stat;
    int image, dir;
    pthread_mutex_t lock; // for what follows
    pthread_cond_t news;
    uint64_t next, data_end; // bytes of the image: up to where chunks were given out; no hole until there
    unsigned running;
    struct packed_counts counts;
    bool failed;
    char why[MANIFEST_WHY];
};

struct hand { // a thread
    struct maker *maker;
    struct packed_codec *codec, *check; // one for each direction
    unsigned number;
    char chunk[MANIFEST_CHUNK], stored[MANIFEST_STORED_MAX], there[MANIFEST_CHUNK];
};

static void give_up(struct maker *m, const char *what, const char *name, int err)
{
    pthread_mutex_lock(&m->lock);
    if (!m->failed) snprintf(m->why, sizeof m->why, "%s %s: %s", what, name, strerror(err));
    m->failed = true;
    pthread_mutex_unlock(&m->lock);
}

// ---------------------------------------------------------------- one chunk

static int write_all(int fd, const char *bytes, size_t n)
{
    while (n) {
        ssize_t did = write(fd, bytes, n);
        if (did < 0 && errno == EINTR) continue;
        if (did <= 0) return did ? -errno : -EIO;
        bytes += did;
        n -= (size_t)did;
    }
    return 0;
}

// Under another name of the same directory first, which belongs to this process and thread. 0 or -errno.
static int write_file(int dir, const char *name, unsigned number, const void *bytes, size_t n)
{
    char other[MANIFEST_NAME + 64];
    const char *slash = strrchr(name, '/');
    int before = slash ? (int)(slash - name) + 1 : 0;
    snprintf(other, sizeof other, "%.*s.new-%ld-%u", before, name, (long)getpid(), number);
    int fd = openat(dir, other, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (fd < 0) return -errno;
    int err = write_all(fd, bytes, n);
    if (close(fd) && !err) err = -errno;
    if (!err && renameat(dir, other, dir, name)) err = -errno;
    if (err) unlinkat(dir, other, 0);
    return err;
}

static int write_chunk(struct hand *h, const struct manifest_chunk *c, size_t n)
{
    char name[MANIFEST_NAME];
    manifest_chunk_name(c, name);
    int err = write_file(h->maker->dir, name, h->number, h->stored, n);
    if (err != -ENOENT) return err;
    char *slash = strrchr(name, '/'); // the first of its folder
    *slash = 0;
    if (mkdirat(h->maker->dir, name, 0755) && errno != EEXIST) return -errno;
    *slash = '/';
    return write_file(h->maker->dir, name, h->number, h->stored, n);
}

// Somebody else may have left it damaged, or the power.
static bool is_there(struct hand *h, struct manifest_chunk *c)
{
    int64_t n = packed_read(h->maker->dir, c, h->stored);
    if (n <= 0 || n > MANIFEST_STORED_MAX) return false;
    if (packed_unpack(h->check, c, h->stored, (size_t)n, h->there) != PACKED_RIGHT) return false;
    c->stored = (uint32_t)n;
    return true;
}

static bool read_chunk(struct hand *h, uint32_t index)
{
    const struct maker *m = h->maker;
    uint64_t at = (uint64_t)index * MANIFEST_CHUNK, left = m->manifest.head.bytes - at;
    size_t want = left < MANIFEST_CHUNK ? left : MANIFEST_CHUNK, got = 0;
    while (got < want) {
        ssize_t n = pread(m->image, h->chunk + got, want - got, (off_t)(at + got));
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) {
            give_up(h->maker, "cannot read", m->options->image, n ? errno : EIO);
            return false;
        }
        got += (size_t)n;
    }
    memset(h->chunk + got, 0, MANIFEST_CHUNK - got);
    return true;
}

static void count(struct maker *m, const struct manifest_chunk *c, bool made)
{
    pthread_mutex_lock(&m->lock);
    m->counts.bytes += c->stored;
    if (!made) m->counts.shared++;
    if (made) m->counts.made++, m->counts.made_bytes += c->stored;
    pthread_mutex_unlock(&m->lock);
}

static bool make_chunk(struct hand *h, uint32_t index)
{
    struct maker *m = h->maker;
    struct manifest_chunk *c = &m->manifest.chunk[index];
    if (!read_chunk(h, index)) return false;
    packed_hash(h->codec, h->chunk, c);
    if (manifest_is_zero(c)) return true;
    bool there = is_there(h, c);
    if (!there) {
        size_t n = packed_pack(h->codec, h->chunk, h->stored, m->options->level);
        int err = n ? write_chunk(h, c, n) : -ENOMEM;
        if (err) {
            give_up(m, "cannot write to", m->options->directory, -err);
            return false;
        }
        c->stored = (uint32_t)n;
    }
    count(m, c, !there);
    return true;
}

// ---------------------------------------------------------------- threads

// The next chunk that is not in a hole of the file. With the lock. False: no more.
static bool next_chunk(struct maker *m, uint32_t *index)
{
    if (m->failed || m->next >= m->manifest.head.bytes) return false;
    if (m->next >= m->data_end) {
        off_t data = lseek(m->image, (off_t)m->next, SEEK_DATA);
        off_t end = data < 0 ? -1 : lseek(m->image, data, SEEK_HOLE);
        if (data < 0 && errno == ENXIO) return false;
        if (data > 0) m->next = (uint64_t)data / MANIFEST_CHUNK * MANIFEST_CHUNK;
        m->data_end = end < 0 ? m->manifest.head.bytes : (uint64_t)end; // no SEEK_DATA there: all is data
    }
    *index = (uint32_t)(m->next / MANIFEST_CHUNK);
    m->next += MANIFEST_CHUNK;
    return true;
}

static void *run(void *arg)
{
    struct hand *h = arg;
    struct maker *m = h->maker;
    uint32_t index;
    for (bool more = true; more;) {
        pthread_mutex_lock(&m->lock);
        more = next_chunk(m, &index);
        pthread_mutex_unlock(&m->lock);
        more = more && make_chunk(h, index);
    }
    pthread_mutex_lock(&m->lock);
    m->running--;
    pthread_cond_signal(&m->news);
    pthread_mutex_unlock(&m->lock);
    return NULL;
}

// Until all threads are done. With the lock.
static void wait_for_hands(struct maker *m)
{
    while (m->running) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += PROGRESS_MS * 1000000L;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        pthread_cond_timedwait(&m->news, &m->lock, &until);
        if (!m->options->progress) continue;
        struct packed_counts counts = m->counts;
        uint64_t done = m->next / MANIFEST_CHUNK;
        counts.chunks = (uint32_t)(done < m->manifest.head.chunks ? done : m->manifest.head.chunks);
        m->options->progress(m->options->ctx, &counts, m->manifest.head.chunks);
    }
}

static bool make_hand(struct maker *m, struct hand **to, unsigned number)
{
    struct hand *h = *to = malloc(sizeof *h);
    if (!h) {
        give_up(m, "cannot pack", m->options->image, ENOMEM);
        return false;
    }
    h->maker = m;
    h->number = number;
    h->check = NULL;
    if (!packed_codec_open(&h->codec, true, m->why) && !packed_codec_open(&h->check, false, m->why)) return true;
    m->failed = true;
    return false;
}

static void free_hand(struct hand *h)
{
    if (!h) return;
    packed_codec_close(h->codec);
    packed_codec_close(h->check);
    free(h);
}

static void make_chunks(struct maker *m, unsigned n)
{
    struct hand *hands[THREADS] = {0};
    pthread_t threads[THREADS];
    unsigned started = 0;
    for (unsigned i = 0; i < n && make_hand(m, &hands[i], i); i++) continue;
    pthread_mutex_lock(&m->lock);
    for (; started < n && !m->failed; started++) {
        int err = pthread_create(&threads[started], NULL, run, hands[started]);
        if (err && started) break; // those that there are will do
        if (err) m->failed = true, snprintf(m->why, sizeof m->why, "cannot start a thread: %s", strerror(err));
        m->running += !err;
        if (err) break;
    }
    wait_for_hands(m);
    pthread_mutex_unlock(&m->lock);
    for (unsigned i = 0; i < started; i++) pthread_join(threads[i], NULL);
    for (unsigned i = 0; i < n; i++) free_hand(hands[i]);
}

// ---------------------------------------------------------------- the whole

static int refuse(struct maker *m, const char *what, const char *name)
{
    give_up(m, what, name, errno);
    return -1;
}

static int manifest_name(const struct packed_options *o, char name[256])
{
    int n = snprintf(name, 256, "%s%smanifest", o->name ? o->name : "", o->name ? "." : "");
    return n < 256 && !strchr(name, '/') ? 0 : -1;
}

static int open_image(struct maker *m)
{
    m->image = open(m->options->image, O_RDONLY | O_CLOEXEC);
    if (m->image < 0 || fstat(m->image, &m->image_stat)) return refuse(m, "cannot open", m->options->image);
    off_t bytes = lseek(m->image, 0, SEEK_END); // of a block device, too
    if (bytes <= 0 || (uint64_t)bytes > MANIFEST_IMAGE_MAX) {
        errno = bytes < 0 ? errno : bytes ? EFBIG : ENODATA;
        return refuse(m, "cannot pack", m->options->image);
    }
    struct manifest_head *h = &m->manifest.head;
    memcpy(h->magic, MANIFEST_MAGIC, sizeof h->magic);
    h->bytes = (uint64_t)bytes;
    h->chunk = MANIFEST_CHUNK;
    h->chunks = (uint32_t)((h->bytes + MANIFEST_CHUNK - 1) / MANIFEST_CHUNK);
    m->manifest.chunk = calloc(h->chunks, sizeof *m->manifest.chunk);
    return m->manifest.chunk ? 0 : refuse(m, "cannot pack", m->options->image);
}

static int open_directory(struct maker *m, const char *name)
{
    const char *path = m->options->directory;
    if (mkdir(path, 0755) && errno != EEXIST) return refuse(m, "cannot make", path);
    m->dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (m->dir < 0) return refuse(m, "cannot open", path);
    if (mkdirat(m->dir, "chunks", 0755) && errno != EEXIST) return refuse(m, "cannot write to", path);
    if (m->options->replace || faccessat(m->dir, name, F_OK, AT_SYMLINK_NOFOLLOW)) return 0;
    m->failed = true;
    snprintf(m->why, sizeof m->why, "%.100s has a %.80s: --replace to replace it, --name NAME for one beside it", path,
             name);
    return -1;
}

static int has_changed(struct maker *m)
{
    struct stat now;
    const struct stat *was = &m->image_stat;
    if (fstat(m->image, &now)) return refuse(m, "cannot read", m->options->image);
    if (now.st_mtim.tv_sec == was->st_mtim.tv_sec && now.st_mtim.tv_nsec == was->st_mtim.tv_nsec &&
        now.st_size == was->st_size)
        return 0;
    errno = EBUSY;
    return refuse(m, "somebody has changed", m->options->image);
}

static int write_manifest(struct maker *m, const char *name)
{
    struct manifest_head *h = &m->manifest.head;
    struct sha256 s;
    if (!sha256_open(&s, m->why, sizeof m->why)) return -1;
    manifest_digest(&s, &m->manifest, h->digest);
    sha256_close(&s);
    size_t n = (size_t)manifest_size(h);
    char *bytes = malloc(n);
    if (!bytes) return refuse(m, "cannot pack", m->options->image);
    memcpy(bytes, h, sizeof *h);
    memcpy(bytes + sizeof *h, m->manifest.chunk, n - sizeof *h);
    // What it names is on the disk before it is there.
    if ((m->counts.made && syncfs(m->dir)) || (errno = -write_file(m->dir, name, 0, bytes, n)))
        refuse(m, "cannot write to", m->options->directory);
    free(bytes);
    return m->failed ? -1 : 0;
}

// A hot file of what the manifest was before is of no use to anybody.
static bool is_of_image(const struct maker *m, const char *hot)
{
    struct manifest_hot_head head;
    int fd = openat(m->dir, hot, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
    bool other = fd >= 0 && pread(fd, &head, sizeof head, 0) == sizeof head &&
                 !memcmp(head.magic, MANIFEST_HOT_MAGIC, sizeof head.magic) &&
                 memcmp(head.digest, m->manifest.head.digest, sizeof head.digest);
    if (fd >= 0) close(fd);
    return !other;
}

static void remove_old_hot(struct maker *m, const char *name)
{
    char *hot = manifest_beside(name, NULL);
    if (hot && !is_of_image(m, hot)) m->counts.hot_removed = !unlinkat(m->dir, hot, 0);
    free(hot);
}

static void count_zeros(struct maker *m)
{
    m->counts.chunks = m->manifest.head.chunks;
    m->counts.zeros = m->counts.chunks - m->counts.made - m->counts.shared;
}

static int make(struct maker *m, const char *name)
{
    unsigned n = m->options->threads ? m->options->threads : (unsigned)get_nprocs();
    if (open_image(m) || open_directory(m, name)) return -1;
    make_chunks(m, n > THREADS ? THREADS : n);
    if (m->failed || has_changed(m)) return -1;
    count_zeros(m);
    if (write_manifest(m, name)) return -1;
    remove_old_hot(m, name);
    return 0;
}

int packed_make(const struct packed_options *o, struct packed_counts *counts, char why[MANIFEST_WHY])
{
    struct maker m = {.options = o, .image = -1, .dir = -1};
    char name[256];
    if (manifest_name(o, name)) {
        snprintf(why, MANIFEST_WHY, "--name is a name without /, not '%.80s'", o->name);
        return -1;
    }
    pthread_mutex_init(&m.lock, NULL);
    pthread_cond_init(&m.news, NULL);
    int err = make(&m, name);
    pthread_cond_destroy(&m.news);
    pthread_mutex_destroy(&m.lock);
    manifest_free(&m.manifest);
    if (m.image >= 0) close(m.image);
    if (m.dir >= 0) close(m.dir);
    *counts = m.counts;
    memcpy(why, m.why, MANIFEST_WHY);
    return err;
}
