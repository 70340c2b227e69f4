// See manifest.h.
#include "disk/manifest.h"
#include "disk/sha256.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

_Static_assert(sizeof(struct manifest_head) == 56 && sizeof(struct manifest_chunk) == 36, "as in the file");
_Static_assert(sizeof(struct manifest_hot_head) == 48 && sizeof(struct manifest_hot) == 8, "as in the file");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the file's order");

static int refuse(char *why, const char *line)
{
    snprintf(why, MANIFEST_WHY, "%s", line);
    return -1;
}

uint64_t manifest_size(const struct manifest_head *h)
{
    if (memcmp(h->magic, MANIFEST_MAGIC, sizeof h->magic) || h->chunk != MANIFEST_CHUNK) return 0;
    if (!h->bytes || h->bytes > MANIFEST_IMAGE_MAX) return 0;
    if (h->chunks != (h->bytes + MANIFEST_CHUNK - 1) / MANIFEST_CHUNK) return 0;
    return sizeof *h + (uint64_t)h->chunks * sizeof(struct manifest_chunk);
}

bool manifest_is_zero(const struct manifest_chunk *c)
{
    static const uint8_t none[MANIFEST_HASH];
    return !memcmp(c->hash, none, sizeof none);
}

static bool sizes_are_right(const struct manifest *m)
{
    for (uint32_t i = 0; i < m->head.chunks; i++) {
        const struct manifest_chunk *c = &m->chunk[i];
        if (manifest_is_zero(c) ? c->stored != 0 : !c->stored || c->stored > MANIFEST_STORED_MAX) return false;
    }
    return true;
}

void manifest_digest(struct sha256 *s, const struct manifest *m, uint8_t digest[MANIFEST_HASH])
{
    for (uint32_t i = 0; i < m->head.chunks; i++) sha256_add(s, m->chunk[i].hash, MANIFEST_HASH);
    sha256_end(s, digest);
}

static int check_digest(const struct manifest *m, char *why)
{
    struct sha256 s;
    uint8_t digest[MANIFEST_HASH];
    if (!sha256_open(&s, why, MANIFEST_WHY)) return -1;
    manifest_digest(&s, m, digest);
    sha256_close(&s);
    if (!memcmp(digest, m->head.digest, sizeof digest)) return 0;
    return refuse(why, "the manifest is damaged: its digest is not that of its chunks");
}

int manifest_parse(struct manifest *m, const void *bytes, size_t n, char why[MANIFEST_WHY])
{
    *m = (struct manifest){0};
    struct manifest_head head;
    if (n < sizeof head) return refuse(why, "this is no manifest of a packed image: too short");
    memcpy(&head, bytes, sizeof head);
    uint64_t size = manifest_size(&head);
    if (!size) return refuse(why, "this is no manifest of a packed image, or one of another version of belljar");
    if (n < size) return refuse(why, "the manifest is cut off");
    if (n > size) return refuse(why, "the manifest is damaged: there is more than its head says");
    m->head = head;
    m->chunk = malloc(n - sizeof head);
    if (!m->chunk) return refuse(why, "no memory for the manifest");
    memcpy(m->chunk, (const char *)bytes + sizeof head, n - sizeof head);
    if (!sizes_are_right(m)) return refuse(why, "the manifest is damaged: a chunk's size is wrong");
    return check_digest(m, why);
}

// Of a file that is larger than a manifest may be, no more is read than shows it.
static int read_file(int fd, uint8_t **bytes, size_t *n)
{
    struct stat st;
    if (fstat(fd, &st)) return -1;
    if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size > MANIFEST_SIZE_MAX) {
        errno = S_ISREG(st.st_mode) ? EFBIG : EINVAL;
        return -1;
    }
    *bytes = malloc((size_t)st.st_size + 1);
    for (ssize_t got = 1; *bytes && got > 0 && *n < (size_t)st.st_size; *n += (size_t)got) {
        got = pread(fd, *bytes + *n, (size_t)st.st_size - *n, (off_t)*n);
        if (got < 0) return -1;
    }
    return *bytes ? 0 : -1;
}

int manifest_read(struct manifest *m, const char *path, char why[MANIFEST_WHY])
{
    uint8_t *bytes = NULL;
    size_t n = 0;
    *m = (struct manifest){0};
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); // of a named pipe nobody waits for
    int err = fd < 0 ? -1 : read_file(fd, &bytes, &n);
    if (err)
        snprintf(why, MANIFEST_WHY, "%s", strerror(errno));
    else
        err = manifest_parse(m, bytes, n, why);
    free(bytes);
    if (fd >= 0) close(fd);
    return err;
}

void manifest_free(struct manifest *m)
{
    free(m->chunk);
    *m = (struct manifest){0};
}

void manifest_chunk_name(const struct manifest_chunk *c, char name[MANIFEST_NAME])
{
    int at = snprintf(name, MANIFEST_NAME, "chunks/%02x/", c->hash[0]);
    for (int i = 0; i < MANIFEST_HASH; i++) at += snprintf(name + at, MANIFEST_NAME - (size_t)at, "%02x", c->hash[i]);
}

// ---------------------------------------------------------------- names

struct parts {
    size_t directory, name, stem; // bytes up to the last "/"; of the last part; of it before "manifest"
};

static bool split(const char *path, struct parts *p)
{
    static const char word[] = "manifest";
    size_t end = strstr(path, "://") ? strcspn(path, "?#") : strlen(path), start = end;
    while (start && path[start - 1] != '/') start--;
    *p = (struct parts){start, end - start, 0};
    if (p->name < strlen(word) || memcmp(path + end - strlen(word), word, strlen(word))) return false;
    p->stem = p->name - strlen(word);
    return !p->stem || path[start + p->stem - 1] == '.';
}

bool manifest_is_named(const char *path)
{
    struct parts p;
    return split(path, &p);
}

char *manifest_beside(const char *path, const char *name)
{
    struct parts p;
    char *beside;
    split(path, &p);
    const char *rest = path + p.directory + p.name;
    size_t kept = p.directory + (name ? 0 : p.stem);
    if (asprintf(&beside, "%.*s%s%s", (int)kept, path, name ? name : "hot", rest) < 0) return NULL;
    return beside;
}

// ---------------------------------------------------------------- the hot file

size_t manifest_hot_front(const struct manifest *m, const struct manifest_hot_head *h)
{
    if (memcmp(h->magic, MANIFEST_HOT_MAGIC, sizeof h->magic)) return 0;
    if (!h->chunks || h->chunks > m->head.chunks || h->chunks > MANIFEST_HOT_MAX) return 0;
    if (memcmp(h->digest, m->head.digest, sizeof h->digest)) return 0;
    return sizeof *h + h->chunks * sizeof(struct manifest_hot);
}

static bool list_is_right(const struct manifest *m, const struct manifest_hot *at, uint32_t n, uint8_t *seen)
{
    for (uint32_t i = 0; i < n; i++) {
        uint32_t index = at[i].index;
        if (index >= m->head.chunks || manifest_is_zero(&m->chunk[index])) return false;
        if (!at[i].stored || at[i].stored > MANIFEST_STORED_MAX) return false;
        if (seen[index / 8] & 1 << index % 8) return false;
        seen[index / 8] |= (uint8_t)(1 << index % 8);
    }
    return true;
}

int manifest_hot_parse(const struct manifest *m, const void *bytes, size_t n, struct manifest_hot_list *list,
                       char why[MANIFEST_WHY])
{
    struct manifest_hot_head head;
    *list = (struct manifest_hot_list){0};
    if (n < sizeof head) return refuse(why, "the hot list is cut off");
    memcpy(&head, bytes, sizeof head);
    size_t front = manifest_hot_front(m, &head);
    if (!front) return refuse(why, "the hot list is not of this image");
    if (n < front) return refuse(why, "the hot list is cut off");
    uint8_t *seen = calloc(1, m->head.chunks / 8 + 1);
    if (!seen) return refuse(why, "no memory for the hot list");
    const struct manifest_hot *at = (const void *)((const char *)bytes + sizeof head);
    bool right = list_is_right(m, at, head.chunks, seen);
    free(seen);
    if (right) *list = (struct manifest_hot_list){at, head.chunks};
    return right ? 0 : refuse(why, "the hot list is damaged");
}
