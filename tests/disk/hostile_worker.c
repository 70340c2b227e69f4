// A worker in a guest's hands, for the disk server: packets of any size with any numbers, none of its news taken, the
// link closed at any moment. In between it is a good worker, and what it wants is there, with the right bytes. See
// README.md.
#include "disk/diskserver.h"
#include "disk/server.h"
#include "host/link.h"
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { CHUNKS = 300, PATIENCE_MS = 10000 };
enum { PIECES = (CHUNKS - 1) * DISK_PARTS + 1 }; // of 16 KiB

static uint64_t random_state;

static uint32_t any(void) // xorshift64*
{
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return (uint32_t)(random_state * 0x2545f4914f6cdd1d >> 32);
}

static void fail_with(const char *what)
{
    printf("FAILED: %s\n", what);
    exit(1);
}

// Each chunk differs; some are zeros; the last is not whole.
static void fill_chunk(uint32_t chunk, uint8_t *to)
{
    for (uint32_t i = 0; i < DISK_CHUNK; i++) to[i] = chunk % 7 ? (uint8_t)(chunk * 131 + i / 256 + i) : 0;
    if (chunk == CHUNKS - 1) memset(to + 100, 0, DISK_CHUNK - 100);
}

static void make_image(const char *path)
{
    uint8_t bytes[DISK_CHUNK];
    FILE *f = fopen(path, "w");
    for (uint32_t c = 0; f && c < CHUNKS; c++) {
        fill_chunk(c, bytes);
        fwrite(bytes, c == CHUNKS - 1 ? 100 : DISK_CHUNK, 1, f);
    }
    if (!f || fclose(f)) fail_with("cannot make an image");
}

static uint32_t odd_number(void)
{
    static const uint32_t odd[] = {0, 1, PIECES - 1, PIECES, PIECES + 1, DISK_MAX_CHUNKS, 0x7fffffff, 0xffffffff};
    return any() % 3 ? any() % (2 * PIECES) : odd[any() % (sizeof odd / sizeof *odd)] + any() % 2;
}

static void say_anything(int link)
{
    uint8_t packet[LINK_PACKET];
    size_t n = any() % 8 ? any() % (DISK_WANTS * sizeof(struct disk_want) + 20) + 1 : any() % sizeof packet + 1;
    for (size_t i = 0; i < n; i++) packet[i] = (uint8_t)any();
    struct disk_want w = {odd_number(), odd_number(), any() % 5};
    for (size_t i = 0; any() % 4 && i + sizeof w <= n; i += sizeof w) {
        memcpy(packet + i, &w, sizeof w);
        w = (struct disk_want){odd_number(), odd_number(), any() % 5};
    }
    (void)host_link_send(link, packet, n);
}

// As vfs/blockpool.c does.
static void read_one(int link, const struct disk_head *head, int blocks)
{
    const uint32_t *table = (const uint32_t *)(const void *)((const char *)head + DISK_TABLE);
    uint32_t piece = any() % PIECES, chunk = disk_chunk(piece, 1), part = disk_parts(piece, 1), word;
    uint8_t right[DISK_CHUNK], bytes[DISK_PART] = {0};
    struct disk_want w = {piece, 1, DISK_NOW};
    if (host_link_send(link, &w, sizeof w)) fail_with("the server has gone");
    while (!((word = disk_load(&table[chunk])) & part)) {
        if (disk_failed(word) & part) fail_with("a piece that cannot be had");
        struct pollfd p = {.fd = link, .events = POLLIN};
        if (poll(&p, 1, PATIENCE_MS) != 1) fail_with("a piece does not come");
        if (host_link_take(link, bytes, sizeof bytes, false) <= 0) fail_with("the server has gone");
        memset(bytes, 0, sizeof bytes);
    }
    fill_chunk(chunk, right);
    off_t from = piece % DISK_PARTS * DISK_PART;
    if (pread(blocks, bytes, sizeof bytes, (off_t)disk_slot(word) * DISK_CHUNK + from) != sizeof bytes)
        fail_with("a slot that is not there");
    if (memcmp(bytes, right + from, sizeof bytes)) fail_with("wrong bytes");
}

static void one_server(const char *image)
{
    struct diskserver d = {.image = image, .alive = -1, .record = -1};
    struct server s;
    char why[POOL_WHY];
    int keep[POOL_FDS];
    if (pool_open(&d.pool, "none", 0, why)) fail_with(why);
    int table = diskserver_memory(&d.shared);
    if (table < 0 || server_start(&s, diskserver_serve, &d, keep, pool_descriptors(d.pool, keep)))
        fail_with("no server");
    while (disk_load(&d.shared->state) == DISK_OPENING) usleep(100);
    if (mmap(NULL, DISK_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, table, 0) != MAP_FAILED)
        fail_with("the table can be written to");
    for (unsigned i = any() % 200; i; i--) {
        say_anything(s.link);
        if (any() % 4 == 0) read_one(s.link, d.shared, pool_blocks(d.pool));
    }
    server_lent(&s);
    if (server_end(&s)) fail_with("the server ended badly");
    munmap(d.shared, DISK_BYTES);
    close(table);
    pool_close(d.pool);
}

int main(int argc, char **argv)
{
    uint64_t seed = 1, seconds = 5, servers = 0;
    char image[] = "/tmp/belljar-hostile-XXXXXX";
    for (int i = 1; i + 1 < argc; i += 2) {
        if (!strcmp(argv[i], "--seed")) seed = strtoull(argv[i + 1], NULL, 10);
        if (!strcmp(argv[i], "--seconds")) seconds = strtoull(argv[i + 1], NULL, 10);
    }
    int fd = mkstemp(image);
    if (fd < 0) fail_with("no temporary file");
    close(fd);
    make_image(image);
    random_state = seed * 0x9e3779b97f4a7c15 + 1;
    for (time_t end = time(NULL) + (time_t)seconds; time(NULL) < end; servers++) one_server(image);
    unlink(image);
    printf("%llu servers\n", (unsigned long long)servers);
    return 0;
}
