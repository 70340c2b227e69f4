// Packed images (disk/manifest.h, disk/packed.h): what is read, and what is refused with which line.
#include "disk/packed.h"
#include "disk/sha256.h"
#include "disk/zstd.h"
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

enum { CHUNKS = 5 };

struct bytes {
    struct manifest_head head;
    struct manifest_chunk chunk[CHUNKS + 1];
};
static const size_t size = sizeof(struct manifest_head) + CHUNKS * sizeof(struct manifest_chunk);

static void put_digest(struct bytes *b)
{
    struct sha256 s;
    char why[MANIFEST_WHY];
    struct manifest m = {.head = b->head, .chunk = b->chunk};
    assert_true(sha256_open(&s, why, sizeof why));
    manifest_digest(&s, &m, b->head.digest);
    sha256_close(&s);
}

// Its third chunk is zeros, and its last is cut off.
static struct bytes good(void)
{
    struct bytes b = {.head = {.bytes = CHUNKS * MANIFEST_CHUNK - 1000, .chunk = MANIFEST_CHUNK, .chunks = CHUNKS}};
    memcpy(b.head.magic, MANIFEST_MAGIC, sizeof b.head.magic);
    for (unsigned i = 0; i < CHUNKS; i++) {
        if (i == 2) continue;
        memset(b.chunk[i].hash, (int)(i + 1), MANIFEST_HASH);
        b.chunk[i].stored = 100 + i;
    }
    put_digest(&b);
    return b;
}

// "": it is read.
static void expect(const struct bytes *b, size_t n, const char *line)
{
    struct manifest m;
    char why[MANIFEST_WHY] = "";
    int err = manifest_parse(&m, b, n, why);
    if (!*line) {
        assert_int_equal(err, 0);
        assert_memory_equal(&m.head, &b->head, sizeof m.head);
        assert_memory_equal(m.chunk, b->chunk, CHUNKS * sizeof *m.chunk);
    } else {
        assert_int_equal(err, -1);
        assert_non_null(strstr(why, line));
    }
    manifest_free(&m);
}

static void manifests_are_read(void **state)
{
    (void)state;
    struct bytes b = good();
    expect(&b, size, "");
    for (size_t n = 0; n < size; n++) expect(&b, n, n < sizeof b.head ? "too short" : "cut off");
    expect(&b, size + 1, "more than its head says");
}

static void wrong_manifests_are_refused(void **state)
{
    (void)state;
    static const char other[] = "another version";
    struct bytes b = good();
    b.head.magic[7]++;
    expect(&b, size, other);
    b = good(), b.head.chunk = 4096;
    expect(&b, size, other);
    b = good(), b.head.bytes = 0;
    expect(&b, size, other);
    b = good(), b.head.bytes = UINT64_MAX;
    expect(&b, size, other);
    b = good(), b.head.bytes = MANIFEST_IMAGE_MAX + 1;
    expect(&b, size, other);
    b = good(), b.head.chunks++;
    expect(&b, sizeof b, other);
    b = good(), b.head.chunks = 0, b.head.bytes = 0;
    expect(&b, sizeof b.head, other);
    b = good(), b.chunk[1].stored = 0;
    expect(&b, size, "size is wrong");
    b = good(), b.chunk[1].stored = MANIFEST_STORED_MAX + 1;
    expect(&b, size, "size is wrong");
    b = good(), b.chunk[2].stored = 1; // of zeros
    expect(&b, size, "size is wrong");
    b = good(), b.chunk[4].hash[31] ^= 1;
    expect(&b, size, "digest");
    b = good(), b.head.digest[0] ^= 1;
    expect(&b, size, "digest");
    b = good(), b.chunk[1].stored++; // the digest is of the contents
    expect(&b, size, "");
}

static void names_are_found(void **state)
{
    (void)state;
    static const struct {
        const char *path, *chunk, *hot; // hot NULL: it is no packed image's
    } rows[] = {
        {"manifest", "x", "hot"},
        {"a/b/manifest", "a/b/x", "a/b/hot"},
        {"/manifest", "/x", "/hot"},
        {"d/py.manifest", "d/x", "d/py.hot"},
        {"http://h/p/manifest", "http://h/p/x", "http://h/p/hot"},
        {"http://h/manifest?k=a/b", "http://h/x?k=a/b", "http://h/hot?k=a/b"},
        {"https://u:p@h/d/py.manifest#top", "https://u:p@h/d/x#top", "https://u:p@h/d/py.hot#top"},
        {"what?/manifest", "what?/x", "what?/hot"}, // a directory of this machine
        {"manifest.ext2", NULL, NULL},
        {"mymanifest", NULL, NULL},
        {"manifest/", NULL, NULL},
        {"http://h/image?manifest", NULL, NULL},
        {"", NULL, NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(manifest_is_named(rows[i].path), rows[i].hot != NULL);
        if (!rows[i].hot) continue;
        char *chunk = manifest_beside(rows[i].path, "x"), *hot = manifest_beside(rows[i].path, NULL);
        assert_string_equal(chunk, rows[i].chunk);
        assert_string_equal(hot, rows[i].hot);
        free(chunk);
        free(hot);
    }
    struct manifest_chunk c = {.hash = {0xab, 0xc, [31] = 0xff}};
    char name[MANIFEST_NAME];
    manifest_chunk_name(&c, name);
    assert_string_equal(name, "chunks/ab/ab0c0000000000000000000000000000000000000000000000000000000000ff");
}

// ---------------------------------------------------------------- chunks

static void fill(char *chunk, unsigned seed)
{
    for (unsigned i = 0; i < MANIFEST_CHUNK; i++) chunk[i] = (char)(i / 64 * (seed + 1) + i % (seed + 7));
}

static void chunks_are_proven(void **state)
{
    (void)state;
    static char chunk[MANIFEST_CHUNK], back[MANIFEST_CHUNK];
    static uint8_t stored[2 * MANIFEST_STORED_MAX];
    struct packed_codec *pack, *unpack;
    struct manifest_chunk c, other;
    char why[MANIFEST_WHY];
    assert_int_equal(packed_codec_open(&pack, true, why), 0);
    assert_int_equal(packed_codec_open(&unpack, false, why), 0);
    packed_hash(pack, chunk, &c);
    assert_true(manifest_is_zero(&c));
    fill(chunk, 1);
    packed_hash(pack, chunk, &other);
    fill(chunk, 2);
    packed_hash(pack, chunk, &c);
    size_t n = packed_pack(pack, chunk, stored, 3);
    assert_in_range(n, 1, MANIFEST_STORED_MAX);
    assert_int_equal(packed_unpack(unpack, &c, stored, n, back), PACKED_RIGHT);
    assert_memory_equal(chunk, back, sizeof chunk);
    assert_int_equal(packed_unpack(unpack, &other, stored, n, back), PACKED_OTHER);
    for (size_t k = 0; k < n; k++) assert_int_equal(packed_unpack(unpack, &c, stored, k, back), PACKED_DAMAGED);
    assert_int_equal(packed_unpack(unpack, &c, stored, n + 1, back), PACKED_DAMAGED); // a byte too much
    memcpy(stored + n, stored, n);
    assert_int_equal(packed_unpack(unpack, &c, stored, 2 * n, back), PACKED_DAMAGED); // twice
    packed_codec_close(pack);
    packed_codec_close(unpack);
}

// Frames of another size than a chunk's, among them one that is 64 MiB in a few kilobytes.
static void other_sizes_are_refused(void **state)
{
    (void)state;
    static char back[MANIFEST_CHUNK + 64];
    static uint8_t stored[MANIFEST_STORED_MAX];
    struct zstd *pack, *unpack;
    char why[MANIFEST_WHY];
    assert_int_equal(zstd_open_pack(&pack, why, sizeof why), 0);
    assert_int_equal(zstd_open_unpack(&unpack, why, sizeof why), 0);
    static const size_t sizes[] = {1, MANIFEST_CHUNK - 1, MANIFEST_CHUNK + 1, 2 * MANIFEST_CHUNK, 64 << 20};
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        char *bytes = calloc(1, sizes[k]);
        size_t packed = zstd_pack(pack, stored, sizeof stored, bytes, sizes[k], 1);
        assert_int_not_equal(packed, 0);
        memset(back, 'x', sizeof back);
        assert_false(zstd_unpack(unpack, back, MANIFEST_CHUNK, stored, packed));
        for (size_t i = MANIFEST_CHUNK; i < sizeof back; i++) assert_int_equal(back[i], 'x');
        free(bytes);
    }
    zstd_close(pack);
    zstd_close(unpack);
}

// ---------------------------------------------------------------- hot files

struct hot {
    struct manifest_hot_head head;
    struct manifest_hot list[CHUNKS + 1];
};

static struct hot good_hot(const struct bytes *b, uint32_t n, const uint32_t *index)
{
    struct hot h = {.head = {.chunks = n}};
    memcpy(h.head.magic, MANIFEST_HOT_MAGIC, sizeof h.head.magic);
    memcpy(h.head.digest, b->head.digest, sizeof h.head.digest);
    for (uint32_t i = 0; i < n; i++) h.list[i] = (struct manifest_hot){index[i], 100};
    return h;
}

static void expect_hot(const struct hot *h, const char *line)
{
    struct bytes b = good();
    struct manifest m;
    struct manifest_hot_list list;
    char why[MANIFEST_WHY] = "";
    assert_int_equal(manifest_parse(&m, &b, size, why), 0);
    int err = manifest_hot_parse(&m, h, sizeof h->head + h->head.chunks * sizeof *h->list, &list, why);
    assert_int_equal(err, *line ? -1 : 0);
    if (*line) assert_non_null(strstr(why, line));
    if (!*line) assert_int_equal(list.n, h->head.chunks);
    manifest_free(&m);
}

static void hot_lists_are_read(void **state)
{
    (void)state;
    static const uint32_t some[] = {4, 0, 3};
    const struct bytes b = good();
    struct hot h = good_hot(&b, 3, some);
    expect_hot(&h, "");
    h.list[1].index = 2; // zeros
    expect_hot(&h, "damaged");
    h.list[1].index = CHUNKS;
    expect_hot(&h, "damaged");
    h.list[1].index = 4; // again
    expect_hot(&h, "damaged");
    h = good_hot(&b, 3, some), h.list[2].stored = 0;
    expect_hot(&h, "damaged");
    h = good_hot(&b, 3, some), h.list[2].stored = MANIFEST_STORED_MAX + 1;
    expect_hot(&h, "damaged");
    h = good_hot(&b, 3, some), h.head.digest[5]++;
    expect_hot(&h, "not of this image");
    h = good_hot(&b, 3, some), h.head.chunks = CHUNKS + 1;
    expect_hot(&h, "not of this image");
    h = good_hot(&b, 3, some), h.head.chunks = 0;
    expect_hot(&h, "not of this image");
    h = good_hot(&b, 3, some), h.head.magic[0] = 0;
    expect_hot(&h, "not of this image");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(manifests_are_read),      cmocka_unit_test(wrong_manifests_are_refused),
        cmocka_unit_test(names_are_found),         cmocka_unit_test(chunks_are_proven),
        cmocka_unit_test(other_sizes_are_refused), cmocka_unit_test(hot_lists_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
